"""Who imports whom in ganbook/, tools/ and benchmarks/: down the floors, never up, and never in a circle."""

import ast
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# From the bottom, the rooms of each floor. A file is in the first room that names it, and may import from its
# own room and from the floors below.
FLOORS = (
    [["ganbook/*.py"]],
    [["tools/chapters.py"]],
    [["tools/records.py", "tools/copyable.py"], ["benchmarks/judge.py", "benchmarks/show.py"]],
    [["tools/*.py"], ["tools/site/*.py"], ["benchmarks/*.py"]],
)
LINES = 200
LONGER = {"tools/mutants.py"}


def files(root):
    """{the name that a file is imported by: its path below root}"""
    found = {}
    for folder in ("ganbook", "tools", "tools/site", "benchmarks"):
        for path in sorted(root.glob(f"{folder}/*.py")):
            # The folders of scripts are on the path themselves.
            name = path.stem if folder != "ganbook" else f"ganbook.{path.stem}".removesuffix(".__init__")
            assert name not in found, f"two files are imported as {name}"
            found[name] = path.relative_to(root)
    return found


def imported(text):
    """What a text imports, in functions too, by its whole name: ganbook.data.ring."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = [*["ganbook"] * (node.level > 0), *[node.module] * (node.module is not None)]
            yield from (".".join([*module, alias.name]) for alias in node.names)


def arrows(root):
    """{file: the files that it imports}"""
    known, graph = files(root), {}
    for path in known.values():
        graph[path] = set()
        for name in imported((root / path).read_text(encoding="utf-8")):
            while name and name not in known:  # ganbook.data.ring is in ganbook.data
                name = name.rpartition(".")[0]
            graph[path] |= {known[name]} if name else set()
    return graph


def place(path):
    """(floor, room) of a file."""
    for floor, rooms in enumerate(FLOORS):
        for room, patterns in enumerate(rooms):
            if any(path.match(pattern) for pattern in patterns):
                return floor, room
    raise ValueError(f"{path}: want a file that is on a floor")


def upward(graph):
    """The arrows that lead to a higher floor, or into another room of the same one."""
    return sorted(
        f"{path} -> {to}"
        for path in graph
        for to in graph[path]
        if place(to) != place(path) and place(to)[0] >= place(path)[0]
    )


def circle(graph):
    """Files each of which imports the next, and the last the first: none if there is no such circle."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


GRAPH = arrows(ROOT)


def test_there_is_no_circle():
    assert circle(GRAPH) == []


def test_arrows_lead_down():
    assert upward(GRAPH) == []


def test_the_arrows_are_those_of_the_files():
    """Each kind of import, as some file has it."""
    path = pathlib.Path
    assert GRAPH[path("tools/chapters.py")] == set()
    assert path("tools/chapters.py") in GRAPH[path("tools/records.py")]
    assert path("benchmarks/show.py") in GRAPH[path("tools/site/speed_page.py")]
    assert path("tools/records.py") in GRAPH[path("benchmarks/bench.py")]
    assert path("ganbook/classifiers.py") in GRAPH[path("tools/train_classifiers.py")]
    assert path("ganbook/__init__.py") in GRAPH[path("benchmarks/ring.py")]
    assert path("ganbook/gan.py") in GRAPH[path("ganbook/__init__.py")]


@pytest.mark.parametrize("path", [path for path in GRAPH if path.parts[0] != "benchmarks"], ids=str)
def test_a_file_can_be_read_in_one_sitting(path):
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= LINES or str(path) in LONGER


# The checks themselves, on a tree made up for the purpose.

GOOD = {
    "ganbook/__init__.py": "from .gan import GAN\nfrom ganbook import data",
    "ganbook/gan.py": "import keras\nfrom . import data\nfrom ._checks import check",
    "ganbook/data.py": "from ganbook._checks import check",
    "ganbook/_checks.py": "import numpy as np",
    "tools/chapters.py": "import ast",
    "tools/records.py": "from chapters import names",
    "tools/measure.py": "def main():\n    import records\n    from ganbook.data import ring",
    "tools/site/page.py": "from records import runs\nimport show",
    "benchmarks/judge.py": "import site",
    "benchmarks/show.py": "import os, judge",
    "benchmarks/bench.py": "import ganbook\nimport records",
}


def tree(root, **changed):
    """GOOD with some files' text changed, such as tools_records="import measure"."""
    for path, text in GOOD.items():
        text = changed.pop(path.removesuffix(".py").replace("/", "_"), text)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    assert not changed
    return arrows(root)


def test_all_arrows_are_seen(tmp_path):
    graph = {str(path): {str(to) for to in to_all} for path, to_all in tree(tmp_path).items()}
    assert graph == {
        "ganbook/__init__.py": {"ganbook/gan.py", "ganbook/data.py"},
        "ganbook/gan.py": {"ganbook/data.py", "ganbook/_checks.py"},
        "ganbook/data.py": {"ganbook/_checks.py"},
        "ganbook/_checks.py": set(),
        "tools/chapters.py": set(),
        "tools/records.py": {"tools/chapters.py"},
        "tools/measure.py": {"tools/records.py", "ganbook/data.py"},
        "tools/site/page.py": {"tools/records.py", "benchmarks/show.py"},
        "benchmarks/judge.py": set(),
        "benchmarks/show.py": {"benchmarks/judge.py"},
        "benchmarks/bench.py": {"ganbook/__init__.py", "tools/records.py"},
    }


def test_a_sound_tree_passes(tmp_path):
    graph = tree(tmp_path)
    assert circle(graph) == []
    assert upward(graph) == []


@pytest.mark.parametrize(
    "changed",
    [
        dict(tools_chapters="def late():\n    from records import runs"),
        dict(ganbook__checks="if True:\n    from .gan import GAN"),
        dict(ganbook_data="import ganbook"),
        dict(ganbook_data="from . import GAN"),
        dict(benchmarks_judge="try:\n    from show import table\nexcept ImportError:\n    pass"),
    ],
)
def test_a_circle_is_found(tmp_path, changed):
    graph = tree(tmp_path, **changed)
    found = circle(graph)
    assert len(found) > 2
    assert found[0] == found[-1]
    (file,) = (name for name in GOOD if name.removesuffix(".py").replace("/", "_") in changed)
    assert pathlib.Path(file) in found


@pytest.mark.parametrize(
    ("changed", "arrow"),
    [
        (dict(ganbook_data="import chapters"), "ganbook/data.py -> tools/chapters.py"),
        (dict(ganbook_gan="def f():\n    from ring import points"), None),  # no file of that name
        (dict(tools_chapters="import bench"), "tools/chapters.py -> benchmarks/bench.py"),
        (dict(tools_records="import judge"), "tools/records.py -> benchmarks/judge.py"),
        (dict(tools_measure="from page import table"), "tools/measure.py -> tools/site/page.py"),
        (dict(tools_site_page="from measure import main"), "tools/site/page.py -> tools/measure.py"),
        (dict(tools_site_page="import bench"), "tools/site/page.py -> benchmarks/bench.py"),
    ],
)
def test_an_arrow_that_leads_up_or_next_door_is_found(tmp_path, changed, arrow):
    assert upward(tree(tmp_path, **changed)) == ([arrow] if arrow else [])


def test_two_scripts_of_one_name_are_found(tmp_path):
    tree(tmp_path)
    (tmp_path / "benchmarks/measure.py").touch()
    with pytest.raises(AssertionError, match="two files are imported as measure"):
        arrows(tmp_path)
