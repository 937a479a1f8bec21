"""The text of every notebook in plain Markdown, as Colab shows it, which knows no directive, role or target.

Colab leaves what stands between dollars to its mathematics, so `_` and `*` do no harm there; an odd dollar
does, and so does a formula that a list begins in.
"""

import ast
import importlib.metadata
import re

import nbformat
import pytest
from markdown_it import MarkdownIt
from test_notebooks import NOTEBOOKS

PLAIN = MarkdownIt("commonmark").enable("table")
# What these show, such as {numref}`fig-ring`, still names what is meant, and the sentence goes on. A path or
# an empty link does not: links to pages have a text.
ROLES = {"cite:p", "cite:t", "eq", "numref", "prf:ref", "ref"}
# A target, a comment, a cell break, attributes, a footnote. An equation's label stands behind it, as
# (eq-value), and reads like what it is; roles name it by the same words.
MYST = r"^\([\w-]+\)=|^%|^\+\+\+|^\$\$ *\((?!eq-)|^\{[.#]|[\])`]\{[.#]|\[\^"


def known_to_mathjax():
    """Names of the commands and environments of MathJax 3 as it comes, from the maps in its own source."""
    mathjax = importlib.metadata.distribution("sphinx-mathjax-offline")
    names = set()
    for file in ("tex-base.js", "tex/extensions/ams.js", "tex/extensions/newcommand.js"):
        path = mathjax.locate_file(f"sphinx-mathjax-offline/static/mathjax/input/{file}")
        code = path.read_text(encoding="utf-8")
        # new r.CommandMap("name",{frac:"Frac",...},...): what is wanted are the keys of the first braces.
        for start in re.finditer(r'\w+Map\)?\("[\w-]+",[^{"]*(?=\{)', code):
            depth, last = 0, ""
            for token in re.finditer(r'"(?:[^"\\]|\\.)*"|\w+|\S', code[start.end() :]):
                depth += (token[0] in "{[(") - (token[0] in "}])")
                if depth == 1 and token[0] == ":":
                    names.add((ast.literal_eval(last) if last[0] == '"' else last).removeprefix("\\"))
                if depth == 0:
                    break
                last = token[0]
    return names


KNOWN = known_to_mathjax()


def without_code(text):
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text, flags=re.DOTALL)


def swallowed(source):
    """Blocks shown as they are typed. A fence that names its language is meant so; nothing else is."""
    for token in PLAIN.parse(source):
        meant = token.type == "fence" and re.fullmatch(r"[a-z]+", token.info)
        if token.type in ("fence", "code_block", "html_block") and not meant:
            yield token.content


def joined(source):
    """Paragraphs that begin a directive and go on with its text: only its options may follow in them."""
    for token in PLAIN.parse(source):
        if token.type == "inline" and re.search(r"^:{3,}\{", token.content, re.MULTILINE):
            first, *others = token.content.splitlines()
            if not first.startswith(":::") or not all(re.match(r":[\w-]+:|:::+$", x) for x in others):
                yield token.content


def unpaired(source):
    """Paragraphs with a formula that does not end in them."""
    for token in PLAIN.parse(source):
        if token.type == "inline":
            text = without_code(token.content).replace(r"\$", "")
            single = text.replace("$$", "")
            if text.count("$$") % 2 or single.count("$") % 2:
                yield token.content


def formulas(source):
    text = without_code(source).replace(r"\$", "")
    return [a or b for a, b in re.findall(r"\$\$(.*?)\$\$|\$(.*?)\$", text, re.DOTALL)]


def unknown(source):
    """Commands and environments that MathJax without a configuration, and the text itself, do not define."""
    text = "\n".join(formulas(source))
    own = re.findall(r"\\(?:re)?newcommand\*?\{?\\([A-Za-z]+)", text)
    commands = re.findall(r"\\([A-Za-z]+|.)", text)
    environments = re.findall(r"\\begin\{(.*?)\}", text)
    return set(commands + environments) - KNOWN - set(own) - {" "}


def empty_links(source):
    for token in PLAIN.parse(source):
        for link, after in zip(token.children or [], (token.children or [])[1:], strict=False):
            if (link.type, after.type) == ("link_open", "link_close"):
                yield link.attrs["href"]


def known_to_myst_only(source):
    yield from set(re.findall(r"\{([\w:-]+)\}`", source)) - ROLES
    yield from re.findall(MYST, re.sub(r"\$[^$]+\$", "", without_code(source)), re.MULTILINE)


@pytest.fixture(params=NOTEBOOKS, ids=lambda p: p.stem, scope="module")
def cells(request):
    found = [c.source for c in nbformat.read(request.param, as_version=4).cells if c.cell_type == "markdown"]
    assert found
    return found


@pytest.mark.parametrize("fault", [swallowed, joined, unpaired, empty_links, known_to_myst_only])
def test_cell_by_cell(cells, fault):
    for source in cells:
        assert list(fault(source)) == []


def test_every_command_is_plain_mathjax(cells):
    assert unknown("\n\n".join(cells)) == set()


def test_what_mathjax_knows():
    assert len(KNOWN) > 800
    assert {"frac", "alpha", "langle", "|", ",", "{", "text", "operatorname", "tfrac", "aligned"} <= KNOWN
    assert not {"E", "R", "KL", "bm", "argmin", "texClass"} & KNOWN


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (swallowed, "```{note}\nA note.\n```"),
        (swallowed, "Text.\n\n    :::{exercise}\n    Lost.\n"),
        (swallowed, "<details>\nRaw $x$.\n</details>"),
        (joined, ":::{exercise}\n:label: ex-a\nBy hand: what is it?\n:::"),
        (joined, "Text before.\n:::{exercise}\n:label: ex-a\n\nBy hand.\n:::"),
        (unpaired, "$$\na\n+ b\n$$"),
        (unpaired, "| a |\n| - |\n| $p(a | b)$ |\n"),
        (unpaired, "Only $5."),
        (empty_links, "as in [](a.ipynb)"),
        (known_to_myst_only, "see {doc}`../game/costs`"),
        (known_to_myst_only, "(target)=\n# Title"),
        (known_to_myst_only, "$$ (label)"),
        (unknown, r"$\KL(p, q)$"),
        (unknown, r"$$\begin{problem} x \end{problem}$$"),
    ],
)
def test_the_checks_find(fault, text):
    assert list(fault(text))


@pytest.mark.parametrize("fault", [swallowed, joined, unpaired, empty_links, known_to_myst_only, unknown])
def test_the_checks_let_pass(fault):
    text = (
        ":::{exercise}\n:label: ex-a\n\nBy *hand*, as {cite:t}`a2014` do: is $D^*_i = p_i$ on `$HOME`?\n:::\n"
        "\n:::{solution-start} ex-a\n:class: dropdown\n:::\n\n- See [the page](a.ipynb).\n\n"
        "```python\nx = {1: 2}\n```\n\n$$\n\\newcommand{\\KL}{\\mathrm{KL}} \\KL(p \\,\\|\\, q)\n{} + 1\n$$\n"
    )
    assert list(fault(text)) == []
