"""Sphinx extension: what papers say beside what the chapters' claims measured, and how long a chapter takes.

`<!-- who says what -->` in a page becomes one block for each entry of book/sources.yml, with the figures of
the records that tools/measure.py leaves in book/measured/. `<!-- time game/first-gan -->` becomes the minutes
that the chapter takes to read and to run. A record that lacks a claim which the chapter prints is stale: a
warning says so.
"""

import math
import pathlib
import re
import statistics
from itertools import groupby

import nbformat
import yaml
from chapters import names, printed, title
from records import record_of, run_time, runs, stale
from sphinx.util import logging
from wording import duration, plain, short

WORDS, LINES = 200, 60  # read in a minute: words of text, lines of code
logger = logging.getLogger(__name__)


def measured(recorded, text, bound):
    """A claim's line: its median and range over the seeds, its bound, and for how many seeds it held."""
    found = [claim for run in recorded.values() for claim in run["claims"] if claim[:2] == [text, bound]]
    values = [value for _, _, value, _ in found]
    low, middle, high = (short(v) for v in (min(values), statistics.median(values), max(values)))
    spread = f", from {low} to {high}" if low != high else ""
    held = sum(holds for *_, holds in found)
    return f"- {plain(text)}: **{middle}**{spread} ({bound}; held {held} of {len(found)})"


def block(entry, recorded, bounds):
    """One entry: what is said, what was measured, and how the two compare."""
    lines = [
        measured(recorded, text, bounds[text])
        for text in entry["claims"]
        if any(claim[:2] == [text, bounds.get(text)] for run in recorded.values() for claim in run["claims"])
    ]
    joint = ", but" if entry["verdict"] == "agrees" else ":"
    remark = f"{joint} {entry['but']}" if "but" in entry else ""
    return "\n".join(
        [
            f"::::{{container}} says says-{entry['verdict'].replace(' ', '-')}",
            ":::{container} says-they",
            f"{{cite:t}}`{entry['paper']}`, {entry['where']}: {entry['says']}",
            ":::",
            ":::{container} says-we",
            *lines,
            ":::",
            ":::{container} says-verdict",
            f"**{entry['verdict'].capitalize()}**{remark}.",
            ":::",
            "::::",
            "",
        ]
    )


def table(book):
    """The blocks, a section a chapter."""
    entries = yaml.safe_load((book / "sources.yml").read_text(encoding="utf-8"))
    made = []
    for chapter, of_chapter in groupby(entries, key=lambda entry: entry["chapter"]):
        path = book / f"{chapter}.ipynb"
        recorded, bounds = runs(path), dict(printed(path))
        made += [f"## {title(path)}", "", *(block(entry, recorded, bounds) for entry in of_chapter)]
        if recorded:
            *others, last = (str(seed) for seed in sorted(recorded))
            seeds = f"Seeds {', '.join(others)} and {last}" if others else f"Seed {last}"
            run = duration(run_time(recorded))
            made += [f"{seeds}; a run took {run} of processor time. The chapter: []({chapter}.ipynb).", ""]
    return "\n".join(made)


def times(book):
    """{chapter: (minutes to read, seconds to run)}; None for the second where nothing is recorded."""
    found = {}
    for chapter in names(book):
        path = book / f"{chapter}.ipynb"
        cells = nbformat.read(path, as_version=4).cells
        text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
        without_formulas = re.sub(r"\$\$.*?\$\$|\$[^$]*\$", " ", text, flags=re.DOTALL)
        words = len(re.findall(r"[A-Za-z][\w'’-]*", without_formulas))
        lines = sum(len(c.source.splitlines()) for c in cells if c.cell_type == "code")
        to_read, recorded = math.ceil(words / WORDS + lines / LINES), runs(path)
        found[chapter] = to_read, run_time(recorded) if recorded else None
    return found


def read_and_run(to_read, to_run):
    """What stands for a time marker."""
    run = f", {max(1, round(to_run / 60))} min to run" if to_run is not None else ""
    return f"{to_read} min to read{run}"


def fill(app, docname, source):
    """Replace the markers of a page, and read it again when a record or a chapter has changed."""
    table_marker, time_marker = "<!-- who says what -->", re.compile(r"<!-- time (\S+) -->")
    has_table, asked = table_marker in source[0], set(time_marker.findall(source[0]))
    if not has_table and not asked:
        return
    book = pathlib.Path(app.srcdir, "book")
    used = [book / f"{chapter}.ipynb" for chapter in (names(book) if has_table else sorted(asked))]
    for path in used:
        app.env.note_dependency(str(path))
        app.env.note_dependency(str(record_of(path)))
    if has_table:
        app.env.note_dependency(str(book / "sources.yml"))
        for complaint in (complaint for path in used for complaint in stale(path)):
            logger.warning(complaint, location=docname)
        source[0] = source[0].replace(table_marker, table(book))
    if asked:
        known = times(book)
        for chapter in sorted(asked - known.keys()):
            logger.warning(f"<!-- time {chapter} -->: want one of {', '.join(known)}", location=docname)
        source[0] = time_marker.sub(lambda m: read_and_run(*known[m[1]]) if m[1] in known else "", source[0])


def setup(app):
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
