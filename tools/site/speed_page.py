"""The tables of book/speed.md, from what `make bench` wrote to benchmarks/results.json.

A Sphinx extension: Jupyter Book loads it as a local extension of _config.yml.
"""

import json

import show

PAGE = "book/speed"


def on_what(found):
    """The machine and the versions, in a sentence; one for each that a section was measured on."""
    sections = {}
    for section, used in found["with"].items():
        versions = ", ".join(f"{name} {used[package]}" for package, name in show.PACKAGES.items())
        machine = f"{used['cores']} cores of an {used['processor']}, Python {used['python']}, {versions}"
        sections.setdefault(f"{machine}, {used['day']}", []).append(show.TITLES[section])
    if len(sections) == 1:
        return next(iter(sections))
    return "; ".join(f"{machine} ({', '.join(titles)})" for machine, titles in sections.items())


def filled(source, found):
    """The page's Markdown with its marks replaced."""
    tables = {
        "goals": show.goals_table(found),
        "levers": show.levers_table(found),
        "levers, DCGAN": show.dcgan_levers_table(found),
        "chapters": show.chapters_table(found),
        "machine": on_what(found),
    }
    for name, table in tables.items():
        mark = f"<!-- {name} -->"
        if source.count(mark) != 1:
            raise ValueError(f"{PAGE}.md has {mark} {source.count(mark)} times: want once")
        source = source.replace(mark, table)
    return source


def fill(app, page, source):
    if page == PAGE:
        app.env.note_dependency(str(show.RESULTS))
        source[0] = filled(source[0], json.loads(show.RESULTS.read_text(encoding="utf-8")))


def setup(app):
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
