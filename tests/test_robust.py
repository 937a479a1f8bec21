"""Every claim over seeds and settings: the runs and the page that they fill."""

import json
import pathlib
import re

import measure
import nbformat
import pytest
import robust_page as page
from chapters import chapters, names
from records import holds, judge_anew, keep
from wording import plain

import ganbook

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of one chapter: a claim for even seeds, and one that seed 3 does not reach."""
    code = (
        "import ganbook, os\nganbook.claim('the seed is even', ganbook.seed() // 1000 % 2, at_most=0)\n",
        "assert ganbook.seed() != 3000, 'an accident'\n"
        "later = int(os.environ.get('TF_ENABLE_ONEDNN_OPTS') != '0')",
        "ganbook.claim('oneDNN is on', later, at_least=1)",
    )
    cells = [nbformat.v4.new_markdown_cell("# The chapter")] + [nbformat.v4.new_code_cell(c) for c in code]
    (tmp_path / "part").mkdir()
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "part" / "chapter.ipynb")
    monkeypatch.setattr(chapters, "__defaults__", (tmp_path,))
    return tmp_path


def run(book, seed, setting=None):
    keep(*measure.measure((book / "part" / "chapter.ipynb", seed, setting)))


def test_a_chapter_over_seeds_and_settings(book):
    """Failed claims are recorded as failed, cells that die as such, and nothing is run twice."""
    for seed in (0, 1, 2, 3):
        run(book, seed)
    run(book, 0, "oneDNN off")
    assert [
        (path.stem, *rest) for path, *rest in measure.wanted([0, 3, 4], ["oneDNN off", "two threads"])
    ] == [
        ("chapter", 4, None),
        ("chapter", 0, "two threads"),
    ]
    record = json.loads((book / "measured" / "part" / "chapter.json").read_text())
    assert record["seeds"]["1"]["claims"] == [
        ["the seed is even", "at most 0", 1.0, False],
        ["oneDNN is on", "at least 1", 1.0, True],
    ]
    assert record["seeds"]["1"]["errors"] == []
    assert record["seeds"]["3"]["errors"] == [
        "AssertionError: an accident",
        "NameError: name 'later' is not defined",
    ]
    lines = page.chapter_section(book, "part/chapter").splitlines()
    assert "Seeds 0–3. Settings: oneDNN off." in lines[2]
    assert lines[7:9] == [
        "| the seed is even: at most 0 | 0.5 (0 to 1) | 2 of 4 seeds, not 1, 3; 1 of 1 setting |",
        "| oneDNN is on: at least 1 | 1 | 3 of 4 seeds, not 3; 0 of 1 setting, not oneDNN off |",
    ]
    runs = "there were 5 runs of a chapter, 1 of them under other settings"
    assert page.summary(book).splitlines() == [
        f"**0 of 2 claims held in every run**; {runs}:",
        "",
        "- [](part/chapter.ipynb), the seed is even: at most 0. Not with seed 1, seed 3.",
        "- [](part/chapter.ipynb), oneDNN is on: at least 1. Not with seed 3, oneDNN off.",
    ]


def test_other_code_is_another_record(book):
    run(book, 0)
    path = book / "part" / "chapter.ipynb"
    path.write_text(path.read_text().replace("% 2", "% 4"))
    assert len(measure.wanted([0], [])) == 1


def test_a_changed_chapter_gets_seeds_that_it_was_never_run_with(book):
    """Whichever of its earlier versions it was; an interrupted call goes on."""
    seeds = lambda: [seed for _, seed, _ in measure.wanted([0], [], fresh=3)]  # noqa: E731
    assert seeds() == [0, 1001, 1002, 1003]
    path = book / "part" / "chapter.ipynb"
    run(book, 1002)
    assert seeds() == [0, 1001, 1003]
    path.write_text(path.read_text().replace("% 2", "% 4"))
    assert seeds() == [0, 1001, 1003, 1004]
    run(book, 1003)
    assert seeds() == [0, 1001, 1004]
    path.write_text(path.read_text().replace("% 4", "% 8"))
    assert seeds() == [0, 1001, 1004, 1005]


def test_a_new_bound_judges_what_was_measured(book):
    """Nothing is run for it."""
    run(book, 1)
    path = book / "part" / "chapter.ipynb"
    notebook = nbformat.read(path, as_version=4)
    for bound, at_most, held in (("at most 0.5", "0.5", False), ("at most 1", "1", True)):
        code = notebook.cells[1].source
        notebook.cells[1].source = re.sub("at_most=.*\\)", f"at_most={at_most})", code)
        notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text=f"✓ the seed is even: {bound}\n")]
        nbformat.write(notebook, path)
        assert measure.wanted([1], []) == []
        judge_anew(path)
        record = json.loads((book / "measured" / "part" / "chapter.json").read_text())
        assert record["seeds"]["1"]["claims"] == [
            ["the seed is even", bound, 1.0, held],
            ["oneDNN is on", "at least 1", 1.0, True],
        ]


@pytest.mark.parametrize(
    ("value", "bound", "true"),
    [
        *((value, "at least 1", value >= 1) for value in (0.9, 1.0, 2.0)),
        *((value, "at most -1.5e-3", value <= -0.0015) for value in (-1.0, -0.0015, 0.0)),
        *((value, "between 1 and 2", 1 <= value <= 2) for value in (0.9, 1.0, 1.5, 2.0, 2.1)),
        (float("inf"), "at least inf", True),
        *((float("nan"), bound, False) for bound in ("at least 1", "at most 1", "between 1 and 2")),
    ],
)
def test_bounds(value, bound, true):
    """As `ganbook.claim` judges it."""
    assert holds(value, bound) == true
    numbers = [float(word) for word in re.findall(r"\S*(?:\d|inf)\S*", bound)]
    name = {"at least": "at_least", "at most": "at_most"}.get(bound[: bound.index(" ", 3)], "within")
    try:
        ganbook.claim("so", value, **{name: numbers if name == "within" else numbers[0]})
    except ganbook.ClaimError:
        assert not true
    else:
        assert true


@pytest.mark.parametrize(
    ("seeds", "shown"), [([0], "0"), ([42, 0, 41], "0, 41, 42"), ([1003, 1001, 0, 1002], "0, 1001–1003")]
)
def test_ranges(seeds, shown):
    assert page.ranges(seeds) == shown


def test_the_page_has_every_claim_of_every_record():
    text = "\n".join(page.chapter_section(ROOT / "book", name) for name in names(ROOT / "book"))
    rows = set(re.findall(r"^\| (.*?) \| ", text, re.MULTILINE))
    for path in (ROOT / "book" / "measured").glob("*/*.json"):
        for claim in json.loads(path.read_text(encoding="utf-8"))["seeds"]["0"]["claims"]:
            assert f"{plain(claim[0])}: {claim[1]}" in rows


def test_every_setting_is_known_to_the_page():
    """What stands in the text is what is run."""
    text = (ROOT / "book" / "robust.md").read_text(encoding="utf-8")
    for words in ("two threads", "oneDNN", "AVX2", "Colab"):
        assert words in text
        assert any(words in setting for setting in measure.SETTINGS)
