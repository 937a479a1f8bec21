"""Sphinx extension: every claim of the book, over seeds and settings.

`<!-- every claim -->` in a page becomes, from the records that tools/measure.py leaves in book/measured/, a
summary and a table for each chapter. A run in which a claim was not reached counts as one that failed it.
"""

import pathlib
import statistics

from chapters import names, title
from records import read, record_of, runs
from wording import count, plain, short

MARK = "<!-- every claim -->"


def of_claim(runs, text, bound):
    """{run: (values, whether it held)} for one claim."""
    made = {}
    for name, run in runs.items():
        found = [claim for claim in run["claims"] if claim[:2] == [text, bound]]
        made[name] = [value for _, _, value, _ in found], bool(found) and all(holds for *_, holds in found)
    return made


def claims(seeds, settings):
    """(text, bound, by seed, by setting) of every claim, in the order of the chapter."""
    every = dict.fromkeys(
        (text, bound) for run in [*seeds.values(), *settings.values()] for text, bound, *_ in run["claims"]
    )
    return [(*c, of_claim(seeds, *c), of_claim(settings, *c)) for c in every]


def failed(runs):
    return [name for name, (_, held) in runs.items() if not held]


def ranges(seeds):
    """Seeds for reading: 0, 41, 42, 1001–1010."""
    spans = []
    for seed in sorted(seeds):
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ", ".join(f"{a}" if a == b else f"{a}, {b}" if b == a + 1 else f"{a}–{b}" for a, b in spans)


def row(text, bound, by_seed, by_setting):
    values = [value for found, _ in by_seed.values() for value in found]
    low, middle, high = (
        (short(v) for v in (min(values), statistics.median(values), max(values))) if values else ("–",) * 3
    )
    spread = middle if low == high else f"{middle} ({low} to {high})"
    lost, out = failed(by_seed), failed(by_setting)
    held = f"{len(by_seed) - len(lost)} of {count(len(by_seed), 'seed')}"
    held += f", not {ranges(lost)}" if lost else ""
    held += f"; {len(by_setting) - len(out)} of {count(len(by_setting), 'setting')}" if by_setting else ""
    held += f", not {' and '.join(out)}" if out else ""
    return f"| {plain(text)}: {bound} | {spread} | {held} |"


def chapter_section(book, chapter):
    path = book / f"{chapter}.ipynb"
    seeds, settings = runs(path), read(path)["settings"]
    if not seeds:
        return f"## {title(path)}\n\nNot measured.\n"
    found = claims(seeds, settings)
    where = f" Settings: {', '.join(settings)}." if settings else ""
    return "\n".join(
        [
            f"## {title(path)}",
            "",
            f"[]({chapter}.ipynb). Seeds {ranges(seeds)}.{where}",
            "",
            f":::{{dropdown}} {count(len(found), 'claim')}",
            "| claim | measured | held for |",
            "| --- | --- | --- |",
            *(row(*claim) for claim in found),
            ":::",
            "",
        ]
    )


def summary(book):
    """How many claims hold always, and a line for each that does not."""
    lines, number, every, others = [], 0, 0, 0
    for chapter in names(book):
        path = book / f"{chapter}.ipynb"
        seeds, settings = runs(path), read(path)["settings"]
        every += len(seeds) + len(settings)
        others += len(settings)
        for text, bound, by_seed, by_setting in claims(seeds, settings):
            number += 1
            lost = [f"seed {seed}" for seed in failed(by_seed)] + failed(by_setting)
            if lost:
                lines.append(f"- []({chapter}.ipynb), {plain(text)}: {bound}. Not with {', '.join(lost)}.")
    held = f"{number - len(lines):,} of {count(number, 'claim')} held in every run"
    few = ":" if lines else "."
    under = f"{others} of them under other settings" if others else "none of them under other settings yet"
    made = f"**{held}**; there were {count(every, 'run')} of a chapter, {under}{few}"
    return "\n".join([made, "", *lines, ""])


def fill(app, docname, source):
    if MARK not in source[0]:
        return
    book = pathlib.Path(app.srcdir, "book")
    for chapter in names(book):
        path = book / f"{chapter}.ipynb"
        app.env.note_dependency(str(path))
        app.env.note_dependency(str(record_of(path)))
    toc = (book.parent / "_toc.yml").read_text(encoding="utf-8")
    in_order = sorted(names(book), key=lambda chapter: toc.index(f"file: book/{chapter}\n"))
    sections = [summary(book), *(chapter_section(book, chapter) for chapter in in_order)]
    source[0] = source[0].replace(MARK, "\n".join(sections))


def setup(app):
    app.connect("source-read", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
