"""The glossary, and the extension that links the terms of the chapters to it."""

import os
import pathlib
import re
import subprocess
import sys
import unicodedata

import glossary_links
import nbformat
import pytest
from test_notebooks import CHAPTERS

ROOT = pathlib.Path(__file__).parents[1]
PAGE = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
# What stands alone on its line is a name, what is indented defines it.
ENTRIES = [
    [line for line in block.splitlines() if not line.startswith(" ")]
    for block in re.search(r":::\{glossary\}\n(.*):::", PAGE, re.DOTALL)[1].strip().split("\n\n")
]
NOT_LINKED = re.search(r"^% not linked: (.*)$", PAGE, re.MULTILINE)[1].split(", ")

CONF = """
extensions = ["myst_nb", "sphinx_exercise", "sphinxcontrib.bibtex", "glossary_links"]
bibtex_bibfiles = ["of.bib"]
bibtex_reference_style = "author_year"
myst_enable_extensions = ["colon_fence", "dollarmath"]
nb_execution_mode = "off"
exclude_patterns = ["jupyter_execute", "site"]
html_theme = "basic"
"""
GLOSSARY = """# Words

A generator in running text of the glossary's page.

% not linked: sample

:::{glossary}
generator
  It makes samples. It learns from a discriminator.

label smoothing
smoothing
  Targets such as 0.9 ([](chapter.ipynb)).

mode
  A hill.

mode collapse
  One hill.

recall
  What is found.

sample
  One of many.
:::
"""
CHAPTER = """# The generator in a heading

[The generator in a link](words.md), `generator` in code, $generator$ in a formula, {cite:t}`generator2014`,
and an auto-generator, which is another word.

*A generator below a picture.*

| generator |
| --- |
| generator |

:::{figure} of.png
:alt: generator

A generator in a caption.
:::

:::{exercise} The generator of an exercise
:label: ex
By hand: recall.
:::

- A list has **Generators** of samples, and again a generator.
- Mode
  collapse comes first, then a mode, then mode collapse.

Two names, smoothing and label smoothing, have one link.

```{bibliography}
```
"""
BIB = (
    "@article{generator2014, author = {Generator, Ada}, title = {The generator}, journal = {X}, year = 2014}"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A chapter, a page that is no chapter, and a glossary, built once."""
    source = tmp_path_factory.mktemp("source")
    (source / "conf.py").write_text(CONF)
    (source / "of.bib").write_text(BIB)
    (source / "of.png").write_bytes((ROOT / "book/_static/first-gan.gif").read_bytes())
    (source / "words.md").write_text(GLOSSARY)
    (source / "index.md").write_text("# Index\n\nA generator.\n\n```{toctree}\nwords\nchapter\n```\n")
    printed = nbformat.v4.new_output("display_data", {"text/markdown": "A mode that was printed."})
    cells = [
        nbformat.v4.new_code_cell("generator", outputs=[printed], execution_count=1),
        nbformat.v4.new_markdown_cell(CHAPTER),
    ]
    python = {"language_info": {"name": "python", "pygments_lexer": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=python), source / "chapter.ipynb")

    def build():
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", source, source / "site"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools/site")}
        result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert result.returncode == 0, result.stderr

    build()
    build.source = source
    return build


def links(site, page="chapter"):
    html = (site.source / "site" / f"{page}.html").read_text(encoding="utf-8")
    found = re.findall(
        r'<a class="glossary-link[^>]*href="([^"]*)" title="([^"]*)">(.*?)</a>', html, re.DOTALL
    )
    return {" ".join(text.split()): (to, hint) for to, hint, text in found}


def test_the_first_use_in_running_text_is_linked_and_nothing_else(site):
    assert list(links(site)) == ["recall", "Generators", "Mode collapse", "mode", "smoothing"]
    html = (site.source / "site" / "chapter.html").read_text(encoding="utf-8")
    assert html.count("glossary-link") == 5
    assert "<strong><a" in html  # a term may be in bold


def test_a_link_leads_to_the_entry_and_says_its_first_sentence(site):
    assert links(site)["Generators"] == ("words.html#term-generator", "It makes samples.")
    assert links(site)["smoothing"] == ("words.html#term-label-smoothing", "Targets such as 0.9.")
    words = (site.source / "site" / "words.html").read_text(encoding="utf-8")
    for anchor, _ in links(site).values():
        assert f'id="{anchor.partition("#")[2]}"' in words


def test_pages_that_are_no_chapters_are_left_alone(site):
    assert not links(site, "index")
    assert not links(site, "words")


def test_the_text_is_not_changed(site):
    html = (site.source / "site" / "chapter.html").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]*>", "", html).split())
    assert "A list has Generators of samples, and again a generator. Mode collapse comes first, then" in text


def test_chapters_follow_a_glossary_that_changes(site):
    page = site.source / "words.md"
    page.write_text(GLOSSARY.replace("It makes samples.", "It draws."))
    site()
    hint = links(site)["Generators"][1]
    page.write_text(GLOSSARY)
    site()
    assert hint == "It draws."
    assert links(site)["Generators"][1] == "It makes samples."


def test_terms_are_sorted_and_unique():
    def key(name):
        return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").lower()

    first = [names[0] for names in ENTRIES]
    assert first == sorted(first, key=key)
    every = [name.lower() for names in ENTRIES for name in names]
    assert len(every) == len(set(every))
    assert 50 <= len(ENTRIES) <= 160
    assert {name.lower() for name in NOT_LINKED} <= set(every)


def test_every_definition_is_short():
    for block in re.split(r"\n\n", PAGE[PAGE.index(":::{glossary}") :]):
        words = re.sub(r"\]\([^)]*\)", "", " ".join(re.findall(r"^  (.*)$", block, re.MULTILINE))).split()
        assert 3 <= len(words) <= 60, block


def test_first_sentences_read_well_as_plain_text():
    """One is shown where the mouse rests on a link: no formula, and no link but in brackets at its end."""
    for block in PAGE[PAGE.index(":::{glossary}") :].split("\n\n"):
        definition = " ".join(re.findall(r"^  (.*)$", block, re.MULTILINE))
        sentence = re.match(r".*?[.!?](?=\s|$)", re.sub(r" \(\[\].*?\)\)", "", definition))[0]
        assert not re.search(r"[$`{]|\]\(", sentence), sentence


def prose(path):
    """A chapter's running text, roughly: without formulas, code, roles, links, tables and headings."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```|\$\$.*?\$\$", " ", text, flags=re.DOTALL)
    text = re.sub(r"^(#|\||:).*$", " ", text, flags=re.MULTILINE)
    return re.sub(r"(\{[\w:-]+\})?`[^`]*`|\$[^$]*\$|\[[^]]*\]\([^)]*\)", " ", text)


@pytest.fixture(scope="module")
def used():
    """For every chapter the entries that its text uses."""
    entry = {glossary_links.plain(name): names[0] for names in ENTRIES for name in names}
    words = glossary_links.any_of(entry)
    return {
        path.stem: {entry[glossary_links.plain(m[1])] for m in words.finditer(prose(path))}
        for path in CHAPTERS
    }


def test_every_term_occurs_in_a_chapter(used):
    assert {names[0] for names in ENTRIES} == set.union(*used.values())


def test_every_chapter_has_links_and_none_too_many(used):
    for chapter, terms in used.items():
        linked = {names[0] for names in ENTRIES if not {*names} & {*NOT_LINKED}} & terms
        assert 5 <= len(linked) <= 20, (chapter, linked)
