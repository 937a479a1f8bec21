"""Sphinx extension: the first use of a term on a chapter's page becomes a link to the glossary.

The links are made while the site is built, since a `{term}` role would show as raw text in Colab. A term is
looked for in paragraphs and lists alone, as a whole word, in any case, with or without a plural's "s", the
longest first. A line `% not linked: noise, sample` on the glossary's page names terms too common to be links.
"""

import re
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.util.nodes import make_refnode

# Text in these is no running text: what is a link or a formula already, what is shown and not told.
LEFT_OUT = (
    nodes.reference,
    nodes.literal,
    nodes.math,
    nodes.table,
    nodes.footnote,
    nodes.citation,
    nodes.figure,
    nodes.raw,
    addnodes.glossary,
    addnodes.pending_xref,
)
LEFT_OUT_CLASSES = {"cell_output", "bibtex-citation"}


class Entry(NamedTuple):
    docname: str
    anchor: str
    hint: str  # what a mouse that rests on the link shows


def is_chapter(env, docname):
    return env.doc2path(docname).endswith(".ipynb")


def plain(text):
    return " ".join(text.lower().split())


def first_sentence(definition):
    """What a definition begins with, without brackets around links: the linked titles are not known yet."""
    text = re.sub(r" \([, ]*\)", "", " ".join(definition.astext().split()))
    return re.match(r".*?[.!?](?=\s|$)|.*", text)[0]


def collect(app, doctree):
    """Note the terms of a page with a glossary, synonyms under one entry."""
    found = {}
    for glossary in doctree.findall(addnodes.glossary):
        for item in glossary.findall(nodes.definition_list_item):
            *terms, definition = item.children
            entry = Entry(app.env.docname, terms[0]["ids"][0], first_sentence(definition))
            found |= {plain(term.astext()): entry for term in terms}
    if found:
        for comment in doctree.findall(nodes.comment):
            if comment.astext().startswith("not linked:"):
                for name in comment.astext().removeprefix("not linked:").split(","):
                    del found[plain(name)]  # a KeyError is a name that the glossary has not
        app.env.glossary_terms = found


def is_left_out(node):
    return isinstance(node, LEFT_OUT) or not LEFT_OUT_CLASSES.isdisjoint(node.get("classes", ()))


def is_running_text(paragraph):
    """Whether a paragraph is one that the reader reads as text."""
    if len(paragraph) == 1 and isinstance(paragraph[0], nodes.emphasis):  # the line below a picture
        return False
    node = paragraph
    while node is not None and not is_left_out(node):
        node = node.parent
    return node is None


def link_terms(node, make):
    """Replace each text below a node, pieces that touch joined first, by what `make` makes of it."""
    children = []
    for child in node.children:
        if isinstance(child, nodes.Text) and children and isinstance(children[-1], nodes.Text):
            child = nodes.Text(children.pop() + child)  # they were lines of the source
        children.append(child)
    node.clear()
    for child in children:
        if isinstance(child, nodes.Text):
            node += make(child)
        else:
            if not is_left_out(child):
                link_terms(child, make)
            node += child


def any_of(terms):
    """A pattern for whole words: any of the terms, the longest first, with or without an "s"."""
    longest_first = sorted(terms, key=len, reverse=True)
    names = "|".join(re.escape(term).replace(r"\ ", r"\s+") for term in longest_first)
    return re.compile(rf"(?<![\w-])({names})s?(?![\w-])", re.IGNORECASE)


def link(app, doctree, docname):
    """Make the links of one chapter."""
    terms = getattr(app.env, "glossary_terms", {})
    if not terms or not is_chapter(app.env, docname):
        return
    words, seen = any_of(terms), set()

    def make(text):
        made, end = [], 0
        for found in words.finditer(text):
            entry = terms[plain(found[1])]
            if entry not in seen:
                seen.add(entry)
                shown = nodes.Text(found[0])
                to = make_refnode(app.builder, docname, entry.docname, entry.anchor, shown, entry.hint)
                to["classes"].append("glossary-link")
                made += [nodes.Text(text[end : found.start()]), to]
                end = found.end()
        return [*made, nodes.Text(text[end:])]

    for paragraph in list(doctree.findall(nodes.paragraph)):
        if is_running_text(paragraph):
            link_terms(paragraph, make)


def chapters_to_write(app, env):
    """All chapters, if the glossary is not the one for which their links were made."""
    terms = getattr(env, "glossary_terms", {})
    changed = terms != getattr(env, "glossary_written", terms)
    env.glossary_written = terms
    return [docname for docname in env.found_docs if changed and is_chapter(env, docname)]


def setup(app):
    app.connect("doctree-read", collect)
    app.connect("env-updated", chapters_to_write)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
