"""The page of snippets: what is on it, and that each of them runs when pasted alone."""

import html
import re
import subprocess
import sys

import nbformat
import pytest
import snippets_page
from chapters import BOOK, ROOT, chapters
from copyable import analyse, of_chapter
from markdown_it import MarkdownIt
from pasted import FOUND, pasted


def defined():
    """(chapter, kind, name) of all that the chapters define, by a search for lines."""
    for path in chapters():
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                for kind, name in re.findall(r"^(class|def) (\w+)", cell.source, re.MULTILINE):
                    yield path.relative_to(BOOK).with_suffix("").as_posix(), kind, name


# What can be copied, on chapters made up for the purpose.


def analysed(*cells):
    found, left_out = analyse(list(enumerate(cells)), "part/chapter")
    return {s.piece.name: s.text for s in found}, left_out


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        (["def f(x):\n    return x"], "def f(x):\n    return x\n"),
        (
            ["import numpy as np", "def f():\n    return np.e"],
            "import numpy as np\n\n\ndef f():\n    return np.e\n",
        ),
        (
            ["from keras import layers, ops", "import keras", "def f(x):\n    return ops.exp(keras.a(x))"],
            "import keras\nfrom keras import ops\n\n\ndef f(x):\n    return ops.exp(keras.a(x))\n",
        ),
        (
            ["import os", "import ganbook", "import keras", "def f():\n    return os, keras, ganbook"],
            "import os\n\nimport keras\n\nimport ganbook\n\n\ndef f():\n    return os, keras, ganbook\n",
        ),
        (
            ["n = 3  # why\nm = 4", "def f():\n    return n * m"],
            "n = 3  # why\nm = 4\n\n\ndef f():\n    return n * m\n",
        ),
        (
            ["a, b = (1, 2), 'c'", "def f():\n    return b"],
            "a, b = (1, 2), 'c'\n\n\ndef f():\n    return b\n",
        ),
        (
            ["k = 2\ndef h(x):\n    return x * k\n", "def f(x):\n    return h(x)"],
            "k = 2\n\n\ndef h(x):\n    return x * k\n\n\ndef f(x):\n    return h(x)\n",
        ),
        (
            ["def f(n):\n    return g(n)", "def g(n):\n    return n and f(n - 1)"],
            "def f(n):\n    return g(n)\n\n\ndef g(n):\n    return n and f(n - 1)\n",
        ),
        (
            ["try:\n    import a\nexcept E:\n    %pip install a\n    import a", "def f():\n    return a"],
            "import a\n\n\ndef f():\n    return a\n",
        ),
        (
            ["import a", "@a.b\n@a.c(1)\ndef f():\n    pass  # last"],
            "import a\n\n\n@a.b\n@a.c(1)\ndef f():\n    pass  # last\n",
        ),
    ],
)
def test_the_text_to_paste(cells, text):
    found, left_out = analysed(*cells)
    assert found["f"] == text
    assert not left_out


@pytest.mark.parametrize(
    "f",
    [
        "def f():\n    return data",
        "def f(x=data):\n    return x",
        "def f(x: data):\n    return x",
        "@data\ndef f():\n    pass",
        "class f(data):\n    pass",
        "class f:\n    x = data",
        "class f:\n    def g(self):\n        return data",
        "def f():\n    return lambda: data",
        "def f():\n    return [x for x in data]",
        "def f():\n    return {x for x in range(3) if x in data}",
        "def f():\n    def g():\n        return data\n    return g",
        "def f():\n    global data\n    data = 1",
        "def f():\n    return helper()\ndef helper():\n    return data",
    ],
)
def test_a_variable_of_the_chapter_keeps_a_definition_off(f):
    found, left_out = analysed("data = [1]", f)
    assert not found
    assert left_out["f"] == {"data"}


@pytest.mark.parametrize(
    "f",
    [
        "def f(data):\n    return data",
        "def f():\n    data = 1\n    return data",
        "def f():\n    return [data for data in range(3)]",
        "def f():\n    return lambda data: data",
        "def f(x):\n    return x.data",
        "def f():\n    import data\n    return data",
        "class f:\n    data = 1\n    twice = data",
    ],
)
def test_a_name_of_its_own_does_not(f):
    assert analysed("data = [1]", f)[0]["f"] == f + "\n"


@pytest.mark.parametrize(
    "cells",
    [
        ["n = 3", "n = 4"],
        ["n = 3\nn += 1"],
        ["n = 3", "for n in range(2):\n    pass"],
        ["n = 3", "print(n := 4)"],
        ["n = 3", "with a() as n:\n    pass"],
        ["n = 3", "def g():\n    global n\n    n = 4"],
        ["if a:\n    n = 3"],
        ["n = [3]"],
        ["n = {}"],
        ["n = 3 * k"],
        ["n = (1, [])"],
        ["import n", "n = 3"],
        ["import n", "from a import n"],
        ["def n():\n    pass", "def n():\n    return 1"],
        ["len = 3", "len = 4"],
    ],
)
def test_what_is_no_setting(cells):
    name = "len" if "len" in cells[0] else "n"
    found, left_out = analysed(*cells, f"def f():\n    return {name}")
    assert "f" not in found
    assert left_out["f"] == {name}


def test_a_name_defined_twice_is_left_out_but_what_hides_data_is_not():
    found, left_out = analysed("def f():\n    pass", "def f():\n    pass", "g = 1", "def g():\n    pass")
    assert set(found) == {"g"}
    assert left_out == {"f": {"f"}}


# What the chapters have.


def test_every_class_is_on_the_page():
    """One that is not reads a variable of its chapter: python tools/snippets.py says which."""
    assert {(s.chapter, s.piece.name) for s in FOUND.values() if s.piece.kind == "class"} == {
        (chapter, name) for chapter, kind, name in defined() if kind == "class"
    }


def test_what_is_listed_and_what_is_not_is_all():
    left_out = [(path, name) for path in chapters() for name in of_chapter(path)[1]]
    assert len(FOUND) + len(left_out) == len(set(defined()))
    assert len(FOUND) > 100


def test_the_page_has_each_snippet_once_in_the_order_of_the_book():
    listing = snippets_page.listing()
    links = re.findall(r"\]\(#(snippet-[a-z0-9-]+)\)", listing)
    assert sorted(links) == sorted(s.anchor for s in FOUND.values())
    assert listing.count("{dropdown}") == len(links)
    paths = [path for _, of_part in snippets_page.parts() for path in of_part if of_chapter(path)[0]]
    at = [listing.index(f"]({path.relative_to(BOOK).as_posix()})") for path in paths]
    assert at == sorted(at)
    source = (ROOT / f"{snippets_page.PAGE}.md").read_text(encoding="utf-8")
    assert source.count(snippets_page.MARKER) == 1
    assert f"- file: {snippets_page.PAGE}\n" in snippets_page.CONTENTS.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FOUND)
def test_its_line_says_what_it_does_and_reads_as_it_is_written(name):
    says = FOUND[name].piece.says
    assert says.strip(), f"{name} has no docstring"
    shown = MarkdownIt().renderInline(snippets_page.plain(says))
    assert html.unescape(re.sub(r"</?code>", "`", shown)) == says


@pytest.mark.parametrize("name", FOUND)
def test_pasted_alone_it_runs(name):
    made = pasted(name)
    assert isinstance(made, type) == (FOUND[name].piece.kind == "class")
    assert callable(made)


def test_no_name_is_missing_and_no_import_idle(tmp_path):
    """By ruff, which knows nothing of our own search for names."""
    for name, snippet in FOUND.items():
        (tmp_path / f"{name.replace('-', '_')}.py").write_text(snippet.text, encoding="utf-8")
    settings = "--isolated", "--line-length", "78", tmp_path
    known = "--config", "lint.isort.known-first-party=['ganbook']"
    for command in (("check", "--select", "F,I", *known), ("format", "--check")):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stdout
