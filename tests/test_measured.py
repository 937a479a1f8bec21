"""The page that sets papers beside the claims' records, and the times of the chapters."""

import json
import math
import os
import pathlib
import re
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import yaml
from records import stale
from test_notebooks import CHAPTERS
from who_says_what import table, times
from wording import short

ROOT = pathlib.Path(__file__).parents[1]
BOOK = ROOT / "book"
ENTRIES = yaml.safe_load((BOOK / "sources.yml").read_text(encoding="utf-8"))
NAMES = [path.relative_to(BOOK).with_suffix("").as_posix() for path in CHAPTERS]


def printed(chapter):
    """The claims that a chapter's cells printed, each as its whole line."""
    notebook = nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4)
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    return [line[2:] for o in outputs for line in o.get("text", "").splitlines() if line.startswith("✓ ")]


def number(shown):
    """The number that a string such as 1,470 or 3.54·10⁻⁸ shows."""
    base, _, power = shown.replace("−", "-").replace(",", "").replace("∞", "inf").partition("·10")
    power = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    return float(base) * 10.0 ** int(power or 0)


def test_every_entry_is_complete():
    bibliography = (BOOK / "references.bib").read_text(encoding="utf-8")
    keys = set(re.findall(r"^@\w+\{([^,]+),", bibliography, re.MULTILINE))
    verdicts = {"agrees", "agrees in part", "not at this size", "not decided", "contradicts"}
    for entry in ENTRIES:
        must = {"chapter", "paper", "where", "says", "claims", "verdict"}
        assert must <= entry.keys() <= must | {"but"}, entry
        assert entry["paper"] in keys
        assert entry["verdict"] in verdicts
        assert entry["says"].endswith((".", ")"))
        assert not entry.get("but", "").endswith(".")


def test_entries_follow_the_book_and_leave_no_chapter_out():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    order = [entry["file"].removeprefix("book/") for part in toc["parts"] for entry in part["chapters"]]
    of_entries = [entry["chapter"] for entry in ENTRIES]
    assert of_entries == sorted(of_entries, key=order.index)
    assert set(of_entries) == set(NAMES)


@pytest.mark.parametrize("chapter", NAMES)
def test_every_claim_stands_in_its_chapter_and_in_its_record(chapter):
    lines = printed(chapter)
    for entry in (entry for entry in ENTRIES if entry["chapter"] == chapter):
        for text in entry["claims"]:
            found = [
                line for line in lines if re.match(re.escape(text) + ": (at least|at most|between) ", line)
            ]
            assert len(found) == 1, text
    assert stale(BOOK / f"{chapter}.ipynb") == []


def test_the_figures_are_those_of_the_records():
    page = table(BOOK)
    shown = iter(
        re.findall(
            r"^- (.*): \*\*(.*)\*\*(?:, from (\S+) to (\S+))? \((.*); held (\d+) of (\d+)\)$", page, re.M
        )
    )
    for entry in ENTRIES:
        record = json.loads((BOOK / "measured" / f"{entry['chapter']}.json").read_text(encoding="utf-8"))
        claims = [claim for run in record["seeds"].values() for claim in run["claims"]]
        for text in entry["claims"]:
            line, middle, low, high, bound, held, n = next(shown)
            assert line.replace("\\", "") == text
            values = [value for name, limit, value, _ in claims if (name, limit) == (text, bound)]
            want = np.min(values), np.median(values), np.max(values)
            got = [number(x) for x in (low or middle, middle, high or middle)]
            np.testing.assert_allclose(got, want, rtol=5.1e-3, err_msg=text)
            assert (int(held), int(n)) == (sum(c[3] for c in claims if c[0] == text), len(values))
    assert next(shown, None) is None
    assert page.count("{cite:t}`") == len(ENTRIES)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (8.0, "8"),
        (0.5, "0.5"),
        (0.01234, "0.0123"),
        (-0.000369, "−0.000369"),
        (3.541e-8, "3.54·10⁻⁸"),
        (16.744, "16.7"),
        (1468.3, "1,470"),
        (-117056.0, "−117,000"),
        (math.inf, "∞"),
    ],
)
def test_numbers_are_short(value, shown):
    assert short(value) == shown


def test_times_are_those_of_a_chapter():
    found = times(BOOK)
    assert set(found) == set(NAMES)
    for to_read, to_run in found.values():
        assert 5 <= to_read <= 40
        assert to_run is None or to_run > 0


CONF = """
extensions = ["myst_nb", "sphinxcontrib.bibtex", "paths", "who_says_what"]
exclude_patterns = ["jupyter_execute", "site"]
bibtex_bibfiles = ["of.bib"]
bibtex_reference_style = "author_year"
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"
html_theme = "basic"
"""
INDEX = """# Book

```{toctree}
book/said
book/part/a
```
"""
SAID = """# Said

<!-- time part/a -->

<!-- who says what -->

```{bibliography}
```
"""
SOURCES = """
- chapter: part/a
  paper: someone2020
  where: table 1
  says: It is large.
  claims: ["a * b|c is large"]
  verdict: contradicts
  but: at our size
"""


@pytest.fixture
def small(tmp_path):
    """A book of one chapter: a function that records runs, and one that builds: (warnings, page's text)."""
    (tmp_path / "book/part").mkdir(parents=True)
    (tmp_path / "book/measured/part").mkdir(parents=True)
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "of.bib").write_text("@misc{someone2020, author = {One, Some}, title = {Large}, year = 2020}")
    (tmp_path / "index.md").write_text(INDEX)
    (tmp_path / "book/said.md").write_text(SAID)
    (tmp_path / "book/sources.yml").write_text(SOURCES)
    stream = nbformat.v4.new_output("stream", text="✓ a * b|c is large: at least 2\n✓ another: at most 1\n")
    cells = [
        nbformat.v4.new_markdown_cell("# The chapter\n\n" + "word " * 399),
        nbformat.v4.new_code_cell("1\n2", outputs=[stream], execution_count=1),
    ]
    python = {"language_info": {"name": "python", "pygments_lexer": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=python), tmp_path / "book/part/a.ipynb")

    def record(**seeds):
        runs = {
            seed[1:]: {
                "wall_s": 900,
                "processor_s": 100,
                "claims": [["a * b|c is large", bound, value, value >= 2], ["another", "at most 1", 0, True]],
            }
            for seed, (bound, value) in seeds.items()
        }
        (tmp_path / "book/measured/part/a.json").write_text(json.dumps({"code": "", "seeds": runs}))

    def build():
        command = [sys.executable, "-m", "sphinx", "-q", tmp_path, tmp_path / "site"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools/site"), "NO_COLOR": "1"}
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        html = (tmp_path / "site/book/said.html").read_text(encoding="utf-8")
        return result.stderr, " ".join(re.sub(r"<[^>]*>", "", html).split())

    return record, build


def test_a_stale_record_is_reported_and_a_new_one_is_read(small):
    record, build = small
    warnings, page = build()
    assert "WARNING: part/a: nothing is recorded; run `make measure` (python tools/measure.py 0" in warnings
    assert "3 min to read" in page
    assert "min to run" not in page
    record(s0=("at least 1", 1.5))
    warnings, page = build()
    assert "WARNING: part/a: the record lacks “a * b|c is large: at least 2”; run `make measure`" in warnings
    assert "another" not in warnings
    assert "1.5" not in page
    record(s0=("at least 2", 1.5), s7=("at least 2", 2.5), s8=("at least 2", 4.5))
    warnings, page = build()
    assert warnings == ""
    assert (
        "One [2020], table 1: It is large. a * b|c is large: 2.5, from 1.5 to 4.5 (at least 2; held 2 of 3)"
        in page
    )
    assert "Contradicts: at our size." in page
    assert "Seeds 0, 7 and 8; a run took 2 minutes of processor time. The chapter: The chapter." in page
    assert "3 min to read, 2 min to run" in page


def test_a_time_of_no_chapter_is_reported(small, tmp_path):
    record, build = small
    record(s0=("at least 2", 3))
    (tmp_path / "book/said.md").write_text("# Said\n\n<!-- time part/b -->\n")
    assert "WARNING: <!-- time part/b -->: want one of part/a" in build()[0]
