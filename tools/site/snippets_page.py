"""Sphinx extension: fills the page of snippets from the notebooks, and marks the cells that it links to."""

import re

import yaml
from chapters import BOOK, chapters, title
from copyable import of_chapter
from docutils import nodes
from wording import plain

PAGE = "book/snippets"
MARKER = "<!-- the snippets stand here -->"
CONTENTS = BOOK.parent / "_toc.yml"


def parts():
    """(title, paths of its chapters) of every part with notebooks, in the order of the book."""
    known = chapters()
    for part in yaml.safe_load(CONTENTS.read_text(encoding="utf-8"))["parts"]:
        paths = [BOOK.parent / f"{entry['file']}.ipynb" for entry in part["chapters"]]
        if paths := [path for path in paths if path in known]:
            yield part["caption"], paths


def entry(snippet):
    """A snippet as an item of a MyST definition list."""
    piece = snippet.piece
    packages = dict.fromkeys(re.findall(r"^(?:import|from) (\w+)", snippet.text, re.MULTILINE))
    needs = f", {', '.join(packages)}" if packages else ""
    takes = f"({piece.takes})".replace("'", '"')
    what = "class " if piece.kind == "class" else ""
    block = [
        f"::::{{dropdown}} {snippet.text.count(chr(10))} lines{needs}",
        ":class-container: snippet",
        "```python",
        *snippet.text.splitlines(),
        "```",
        "::::",
    ]
    return "\n".join(
        [
            f"{what}[`{piece.name}`](#{snippet.anchor})`{takes}`",
            f": {plain(piece.says)}",
            "",
            *(f"  {line}".rstrip() for line in block),
            "",
        ]
    )


def listing():
    """All snippets, as Markdown."""
    lines = []
    for part, paths in parts():
        lines += [f"## {part}", ""]
        for path in paths:
            found, _ = of_chapter(path)
            if found:
                lines += [f"### [{title(path)}]({path.relative_to(BOOK).as_posix()})", "", *map(entry, found)]
    return "\n".join(lines)


def fill(app, docname, source):
    """Put the snippets in place of the marker; the page is read again when one of its sources changes."""
    if docname == PAGE:
        source[0] = source[0].replace(MARKER, listing())
        for path in (CONTENTS, *chapters()):
            app.env.note_dependency(str(path))


def mark(app, doctree):
    """Give each cell that a snippet stands in the snippet's id."""
    path = BOOK.parent / f"{app.env.docname}.ipynb"
    if path in chapters():
        cells = {node.get("cell_index"): node for node in doctree.findall(nodes.container)}
        for snippet in of_chapter(path)[0]:
            cells[snippet.piece.at[0]]["ids"].append(snippet.anchor)
            app.env.get_domain("std").note_hyperlink_target(snippet.anchor, app.env.docname, snippet.anchor)


def setup(app):
    app.connect("source-read", fill)
    app.connect("doctree-read", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
