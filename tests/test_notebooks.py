"""The form of every notebook: what nbval does not look at. The template is held to it too."""

import pathlib
import re
import statistics

import nbformat
import pytest
import yaml
from run_notebook import pictures

ROOT = pathlib.Path(__file__).parents[1]
TEMPLATE = ROOT / "book" / "template" / "chapter.ipynb"
NOTEBOOKS = sorted(p for p in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
CHAPTERS = [p for p in NOTEBOOKS if p != TEMPLATE]
TAGS = {"setup", "hide-input", "remove-output", "nbval-ignore-output", "raises-exception"}


def setup_cell():
    """The lines that every chapter begins with; its own imports follow them."""
    address = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    return (
        "try:\n"
        "    import ganbook\n"
        "except ModuleNotFoundError:  # on Colab\n"
        f'    %pip install -q --no-deps "ganbook @ git+{address}"\n'
        "    import ganbook\n"
    )


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem, scope="module")
def chapter(request):
    notebook = nbformat.read(request.param, as_version=4)
    nbformat.validate(notebook)
    notebook.path = request.param
    notebook.code = [c for c in notebook.cells if c.cell_type == "code"]
    notebook.text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    return notebook


def tags(cell):
    return set(cell.metadata.get("tags", []))


def figures(notebook):
    return [c for c in notebook.code if any("image/png" in o.get("data", {}) for o in c.outputs)]


def test_every_notebook_is_in_the_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = {entry["file"] for part in toc["parts"] for entry in part["chapters"]}
    assert CHAPTERS
    assert {p.relative_to(ROOT).with_suffix("").as_posix() for p in CHAPTERS} <= listed


def test_every_code_cell_was_executed_in_order(chapter):
    assert [c.execution_count for c in chapter.code] == list(range(1, len(chapter.code) + 1))
    assert all(c.source.strip() for c in chapter.code)


def test_no_error_and_no_stderr(chapter):
    for cell in chapter.code:
        kinds = {o.output_type for o in cell.outputs}
        assert "error" not in kinds or "raises-exception" in tags(cell), cell.source
        assert "stderr" not in {o.get("name") for o in cell.outputs}, cell.source


def test_nothing_in_it_runs_in_a_browser(chapter):
    """Jupyter runs scripts of outputs that it trusts: here are none, nor widgets, which load theirs."""
    assert set(chapter.metadata) == {"kernelspec", "language_info"}
    shown = [output.get("data", {}) for cell in chapter.code for output in cell.outputs]
    kinds = {"text/plain", "text/markdown", "text/latex", "image/png", "image/gif"}
    assert set().union(*shown) <= kinds
    text = "\n".join([chapter.text, *(str(data.get("text/markdown", "")) for data in shown)])
    assert not re.search(r"<(script|iframe|object|embed|svg)\b|\bon\w+\s*=\s*[\"']|javascript:", text, re.I)


def test_tags_are_known_and_nothing_is_skipped(chapter):
    for cell in chapter.code:
        assert tags(cell) <= TAGS, cell.source
        assert not re.search(r"NBVAL_|PYTEST_VALIDATE", cell.source)


def test_setup_cell(chapter):
    first = chapter.code[0]
    assert first.source.startswith(setup_cell())
    # Its output is TensorFlow's chatter; that of every other cell is compared.
    assert tags(first) == {"setup", "hide-input", "nbval-ignore-output"}
    assert not first.outputs
    assert "keras.utils.set_random_seed(ganbook.seed())" in first.source


def test_seeds_come_from_the_book(chapter):
    """A number as a seed would not move with GANBOOK_SEED."""
    number = r"seed\w*\s*=\s*\d|SeedGenerator\(\d|default_rng\(\d*\)|set_random_seed\(\d"
    for cell in chapter.code:
        assert not re.search(number, cell.source), cell.source


def test_cell_lengths(chapter):
    lengths = [len(c.source.splitlines()) for c in chapter.code[1:]]
    assert max(lengths) <= 25
    assert statistics.median(lengths) <= 8


def test_size(chapter):
    assert chapter.path.stat().st_size <= 1_000_000


def test_words(chapter):
    prose = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|```.*?```|\{[\w:-]+\}`[^`]*`", " ", chapter.text, flags=re.DOTALL)
    words = len(re.findall(r"[A-Za-z][\w'’-]*", prose))
    low = 1200 if chapter.path != TEMPLATE else 1
    assert low <= words <= 2500


def test_shape(chapter):
    """Title, question, claims, a failure, a summary and exercises with solutions."""
    assert re.match(r"# \S.*", chapter.cells[0].source)
    assert "What you will see" in chapter.text
    assert sum(len(re.findall(r"^\s*claim\(", c.source, re.MULTILINE)) for c in chapter.code) >= 3
    for heading in ("What breaks", "Summary", "Exercises"):
        assert re.search(rf"^## {heading}", chapter.text, re.MULTILINE), heading
    exercises = re.findall(r"^:::+\{exercise\}", chapter.text, re.MULTILINE)
    assert len(exercises) >= 3
    labels = set(re.findall(r"^:label: (ex-\S+)", chapter.text, re.MULTILINE))
    solved = set(re.findall(r"^:::+\{solution(?:-start)?\} (ex-\S+)", chapter.text, re.MULTILINE))
    assert labels == solved
    assert len(labels) == len(exercises)


def test_every_figure_has_a_caption_and_alt_text(chapter):
    assert figures(chapter)
    for cell in figures(chapter):
        shown = cell.metadata.get("mystnb", {})
        assert len(shown.get("figure", {}).get("caption", "")) > 20, cell.source
        assert len(shown.get("image", {}).get("alt", "")) > 20, cell.source


def test_saved_pictures_are_those_of_the_cells(chapter):
    for target, picture in pictures(chapter):
        assert (chapter.path.parent / target).read_bytes() == picture


def test_claims_print_no_measured_value(chapter):
    """The committed line is the sentence and its bound, both of which stand in the source."""
    for cell in chapter.code:
        for output in cell.outputs:
            for line in output.get("text", "").splitlines():
                if line.startswith("✓"):
                    assert re.fullmatch(r"✓ .+: (at least|at most|between) \S+( and \S+)?", line)
