"""Sphinx extension: puts on the path the folders whose modules the pages are made with.

_config.yml names it before the others, which import from tools/ and benchmarks/.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[2]
sys.path += [str(ROOT / "tools"), str(ROOT / "benchmarks")]


def setup(app):
    return {"parallel_read_safe": True, "parallel_write_safe": True}
