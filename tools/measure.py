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
import itertools
import json
import multiprocessing
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import nbformat
from chapters import ROOT, THREADS, chapters, commit_number, digest, errors, rotation
from colab_check import kernel
from nbclient import NotebookClient
from records import judge_anew, keep, recorded

# What a reader's machine may have otherwise, all of which changes the last digits of a sum.
COLAB = "the packages of Colab"
SETTINGS = {
    "two threads": dict.fromkeys(THREADS, "2"),
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "no instructions beyond AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2"},
    COLAB: {},
}


def python_of(setting, folder):
    """Arguments for NotebookClient: the Python that runs the kernel, this one unless it is Colab's."""
    return {"km": kernel(folder)} if setting == COLAB else {}


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
            name = f"{path.parent.name}/{path.stem}"
            held = sum(claim[3] for claim in run["claims"])
            print(f"{number} of {len(jobs)}: {name}, {setting or f'seed {seed}'}:", end=" ")
            print(f"{held} of {len(run['claims'])} held, {run['wall_s']} s", *wrong, sep="\n  ", flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
