"""Run chapters with other seeds and record what every claim measured: python tools/measure.py SEED...

Seed 0 is the book's own. One file a chapter, book/measured/PART/CHAPTER.json, written after each run: an
interrupted call goes on where it stopped, and a seed measured with the code as it stands is not run again.
A claim that fails is recorded, and the notebook goes on. Each run has one thread; as many run as there are
cores. A new bound needs no new run: what was measured is judged by it.

--fresh N runs each chapter with N seeds from 1001 up that no earlier version of its code has been run with:
what failed for a seed was mended with that seed in view.
--settings runs seed 0 under other settings too: those of SETTINGS, and the packages of Colab.
--rotation N runs N chapters that the commit chooses, as colab_check.py does, and records nothing.
"""

import argparse
import ast
import collections
import hashlib
import itertools
import json
import multiprocessing
import os
import pathlib
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time

import nbformat
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).parents[1]
BOOK = ROOT / "book"
MEASURED = BOOK / "measured"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# What a reader's machine may have otherwise, all of which changes the last digits of a sum.
COLAB = "the packages of Colab"
SETTINGS = {
    "two threads": dict.fromkeys(THREADS, "2"),
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "no instructions beyond AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    COLAB: {},
}


def chapters(book=BOOK):
    """Every chapter's notebook, the template and what Jupyter leaves about excepted."""
    found = sorted(book.glob("*/*.ipynb"))
    return [path for path in found if path.parent.name not in ("template", ".ipynb_checkpoints")]


def digest(path):
    """A fingerprint of what a notebook computes: its code, without comments, docstrings and bounds."""
    code = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            tree = ast.parse(cell.source.replace("    %pip", "    #"))
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
                    node.body = node.body[1:] or [ast.Pass()]
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("claim", "ganbook.claim"):
                    node.keywords = []
            code.append(ast.unparse(tree))
    return hashlib.sha256("\n".join(code).encode()).hexdigest()[:16]


def record_of(path):
    return (MEASURED / path.relative_to(BOOK)).with_suffix(".json")


def recorded(path, code):
    """What is known of a chapter with this code, perhaps nothing."""
    try:
        record = json.loads(record_of(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        record = {"seeds": {}}
    record = {"settings": {}, "spent": []} | record
    if record.get("code") == code:
        return record
    # Seeds that the chapter was run with before it was changed are fresh no more.
    spent = sorted({*record["spent"], *map(int, record["seeds"])})
    return {"code": code, "seeds": {}, "settings": {}, "spent": spent}


def python_of(setting, folder):
    """Arguments for NotebookClient: the Python that runs the kernel, this one unless it is Colab's."""
    if setting != COLAB:
        return {}
    from colab_check import kernel  # which takes `chapters` from here

    return {"km": kernel(folder)}


def measure(job):
    """(path, seed, setting or None) to the same, the code's fingerprint and what was measured.

    In a process of its own, so that its processor time is the notebook's.
    """
    path, seed, setting = job
    code, notebook = digest(path), nbformat.read(path, as_version=4)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        lines = pathlib.Path(folder, "record")
        lines.touch()  # a notebook that fails at once claims nothing
        env = {**os.environ, "GANBOOK_SEED": str(seed), "GANBOOK_RECORD": str(lines), "PYTHONPATH": str(ROOT)}
        env |= SETTINGS.get(setting, {})
        asked = {"timeout": 1200, "allow_errors": True, "resources": {"metadata": {"path": folder}}}
        asked |= python_of(setting, folder)
        try:
            NotebookClient(notebook, **asked).execute(stderr=subprocess.DEVNULL, env=env)
        finally:  # nbclient ends only kernels of its own
            if "km" in asked:
                asked["km"].shutdown_kernel(now=True)
        claims = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        job,
        code,
        {
            "wall_s": round(time.monotonic() - start),
            "processor_s": round(used.ru_utime + used.ru_stime),
            "claims": [[c["claim"], c["bound"], float(f"{c['value']:.4g}"), c["holds"]] for c in claims],
            "errors": errors(notebook),
        },
    )


def errors(notebook):
    """What stopped a cell, failed claims and planned failures aside."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            planned = "raises-exception" in cell.metadata.get("tags", [])
            if output.output_type == "error" and output.ename != "ClaimError" and not planned:
                found.append(f"{output.ename}: {output.evalue}"[:200])
    return found


def processor():
    """The processor's name where Linux says it."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (FileNotFoundError, StopIteration):
        return platform.processor() or platform.machine()


def keep(job, code, run):
    """Add a run to the record of its chapter; the file is replaced whole."""
    import keras
    import tensorflow as tf

    path, seed, setting = job
    record = recorded(path, code)
    if setting is None:
        record["seeds"][str(seed)] = run
    else:
        record["settings"][setting] = run
    record["with"] = {"keras": keras.__version__, "tensorflow": tf.__version__, "processor": processor()}
    write(path, record)


def write(path, record):
    target = record_of(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    text = json.dumps(record, ensure_ascii=False, indent=1)
    # A claim a line.
    text = re.sub(r"\[\n\s+(.*),\n\s+(.*),\n\s+(.*),\n\s+(true|false)\n\s+\]", r"[\1, \2, \3, \4]", text)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(target)


def judge_anew(path):
    """Hold what is recorded of a chapter against the bounds that it prints now."""
    from who_says_what import printed  # which takes `chapters` from here

    record = recorded(path, digest(path))
    before = json.dumps(record)
    for run in [*record["seeds"].values(), *record["settings"].values()]:
        bounds = collections.defaultdict(list)
        for text, bound in printed(BOOK, path.relative_to(BOOK).with_suffix("")):
            bounds[text].append(bound)
        for claim in run["claims"]:
            text, bound, value, _ = claim
            now = bounds[text].pop(0) if bounds[text] else bound
            if now != bound:
                claim[1:] = now, value, holds(value, now)
    if json.dumps(record) != before:
        write(path, record)


def holds(value, bound):
    """Whether a value is "at least 1", "at most 2" or "between 1 and 2"; NaN never is."""
    kind, *numbers = re.fullmatch(r"(at least|at most|between) (\S+)(?: and (\S+))?", bound).groups()
    low, high = float(numbers[0]), float(numbers[-1] or numbers[0])
    return (kind == "at most" or value >= low) and (kind == "at least" or value <= high)


def wanted(seeds, settings, fresh=0):
    """The jobs that no record has yet, seed by seed: an interrupted call has whole seeds."""
    known = {path: recorded(path, digest(path)) for path in chapters()}
    unspent = {
        path: list(itertools.islice((s for s in itertools.count(1001) if s not in record["spent"]), fresh))
        for path, record in known.items()
    }
    asked = [(path, seed) for seed in seeds for path in known]
    asked += [(path, unspent[path][i]) for i in range(fresh) for path in known]
    jobs = [(path, seed, None) for path, seed in asked if str(seed) not in known[path]["seeds"]]
    return jobs + [
        (path, 0, setting) for setting in settings for path in known if setting not in known[path]["settings"]
    ]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int)
    parser.add_argument("--fresh", type=int, default=0, metavar="N", help="N seeds new to each chapter")
    parser.add_argument("--settings", action="store_true", help="seed 0 under each of the other settings")
    parser.add_argument("--rotation", type=int, metavar="N", help="N chapters that the commit chooses")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at a time")
    asked = parser.parse_args()
    os.environ.update(dict.fromkeys(THREADS, "1"))
    for path in [] if asked.rotation else chapters():
        judge_anew(path)
    jobs = wanted(asked.seeds, SETTINGS if asked.settings else (), asked.fresh)
    if asked.rotation:
        from colab_check import commit_number, rotation

        # Half the book away from those that Colab's packages run.
        paths = chapters()
        paths = rotation(asked.rotation, paths[len(paths) // 2 :] + paths[: len(paths) // 2], commit_number())
        jobs = [(path, seed, None) for seed in asked.seeds for path in paths]
    failed = 0
    with multiprocessing.get_context("spawn").Pool(asked.jobs, maxtasksperchild=1) as pool:
        for number, (job, code, run) in enumerate(pool.imap_unordered(measure, jobs), 1):
            if not asked.rotation:
                keep(job, code, run)
            wrong = [
                f"✗ {text}: {value:g}, {bound}" for text, bound, value, holds in run["claims"] if not holds
            ]
            wrong += run["errors"]
            failed += bool(wrong)
            path, seed, setting = job
            name = path.relative_to(BOOK).with_suffix("")
            held = sum(claim[3] for claim in run["claims"])
            print(f"{number} of {len(jobs)}: {name}, {setting or f'seed {seed}'}:", end=" ")
            print(f"{held} of {len(run['claims'])} held, {run['wall_s']} s", *wrong, sep="\n  ", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
