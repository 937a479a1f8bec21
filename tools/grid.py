"""Run the experiment that is too long for its chapter: python tools/grid.py book/frontiers/infogan.ipynb

A chapter that has one defines two functions that can be copied: `grid()`, a list of dicts, and `trial(...)`,
which takes such a dict and returns a dict of numbers. Their text is taken from the notebook. Every trial runs
on one thread; what is recorded for this very code is not run again; the record, of ganbook/grids, is written
anew after each.
"""

import argparse
import ast
import datetime
import json
import multiprocessing
import os
import pathlib
import time

from chapters import ROOT, THREADS, fingerprint, without_words
from copyable import defined, of_chapter
from records import processor, put

FOLDER = ROOT / "ganbook" / "grids"


def texts(path):
    """The text of a chapter's two functions, by name, as they would be pasted: none for a chapter without."""
    found = {s.piece.name: s.text for s in of_chapter(path)[0] if s.piece.name in ("grid", "trial")}
    return found if len(found) == 2 else {}


def digest(text):
    """A fingerprint of what a pasted function computes: its code, without comments and docstrings."""
    return fingerprint(ast.unparse(without_words(text)))


def record_of(path):
    return FOLDER / f"{path.stem}.json"


def read(path):
    """What is recorded of a chapter's grid, perhaps nothing."""
    try:
        return json.loads(record_of(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}


def run(job):
    """One trial, in a process of its own thread: (what it was given, what it measured, seconds)."""
    text, given = job
    start = time.process_time()
    measured = {k: float(v) for k, v in defined("trial", text)(**given).items()}
    return given, measured, time.process_time() - start


def write(path, code, cells, order):
    """The record, replaced whole, its cells in the order of the grid."""
    import keras
    import tensorflow as tf

    cells = sorted(cells, key=lambda cell: order.index(cell["given"]))
    head = {
        "code": code,
        "date": datetime.date.today().isoformat(),
        "machine": processor(),
        "versions": {"keras": keras.__version__, "tensorflow": tf.__version__},
    }
    lines = ",\n".join("  " + json.dumps(cell, ensure_ascii=False) for cell in cells)
    text = json.dumps(head, ensure_ascii=False, indent=1)[:-2] + f',\n "cells": [\n{lines}\n ]\n}}\n'
    put(record_of(path), text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=1, help="trials at a time")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no trial after so many")
    options = parser.parse_args()
    found = texts(options.notebook)
    if not found:
        parser.error(f"{options.notebook}: want a chapter with functions grid and trial that can be copied")
    order, code = defined("grid", found["grid"])(), digest(found["trial"])
    before = read(options.notebook)
    cells = [c for c in before.get("cells", []) if before["code"] == code and c["given"] in order]
    done = [cell["given"] for cell in cells]
    jobs = [(found["trial"], given) for given in order if given not in done]
    print(f"{len(jobs)} of {len(order)} trials to run", flush=True)
    os.environ.update(dict.fromkeys(THREADS, "1"))
    end = time.monotonic() + 60 * options.minutes

    with multiprocessing.get_context("spawn").Pool(options.jobs, maxtasksperchild=20) as pool:
        waiting = []
        while True:
            while jobs and len(waiting) < options.jobs and time.monotonic() < end:
                waiting.append(pool.apply_async(run, (jobs.pop(0),)))
            if not waiting:
                break
            given, measured, seconds = waiting.pop(0).get()
            cells.append({"given": given, "measured": measured, "seconds": round(seconds, 1)})
            write(options.notebook, code, cells, order)
            print(*given.values(), measured, f"{seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
