"""What was measured of the chapters: one file a chapter, book/measured/PART/CHAPTER.json.

A record has the fingerprint of the code that ran, a run for each seed and for each other setting, and the
seeds that are spent: those that earlier versions of the chapter were run with.
"""

import collections
import json
import pathlib
import platform
import re
import statistics

from chapters import digest, printed

MEASURED = "measured"  # the folder, beside those of the parts
REMEDY = "run `make measure` (python tools/measure.py 0 …)"


def record_of(path):
    """Where the record of a chapter's notebook is."""
    book = path.parents[1]
    return book / MEASURED / path.relative_to(book).with_suffix(".json")


def read(path):
    """All that is recorded of a chapter, perhaps nothing."""
    try:
        record = json.loads(record_of(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        record = {"seeds": {}}
    return {"settings": {}, "spent": []} | record


def recorded(path, code):
    """What is known of a chapter with this code, perhaps nothing."""
    record = read(path)
    if record.get("code") == code:
        return record
    # Seeds that the chapter was run with before it was changed are fresh no more.
    spent = sorted({*record["spent"], *map(int, record["seeds"])})
    return {"code": code, "seeds": {}, "settings": {}, "spent": spent}


def runs(path):
    """A chapter's runs by seed, in the order of the seeds; none where nothing was recorded."""
    return dict(sorted((int(seed), run) for seed, run in read(path)["seeds"].items()))


def run_time(of_seeds):
    """A run's seconds, the median over the seeds.

    They are of processor time. A run has one thread, so an idle machine takes about as long; the wall time in
    the record also has what else the machine did.
    """
    return statistics.median(run["processor_s"] for run in of_seeds.values())


def stale(path):
    """What a chapter prints and its record has not, in words: nothing where the record is up to date."""
    name, of_seeds = f"{path.parent.name}/{path.stem}", runs(path)
    if not of_seeds:
        return [f"{name}: nothing is recorded; {REMEDY}"]
    known = {(text, bound) for run in of_seeds.values() for text, bound, *_ in run["claims"]}
    lost = dict.fromkeys(claim for claim in printed(path) if claim not in known)
    return [f"{name}: the record lacks “{text}: {bound}”; {REMEDY}" for text, bound in lost]


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
    text = json.dumps(record, ensure_ascii=False, indent=1)
    # A claim a line.
    text = re.sub(r"\[\n\s+(.*),\n\s+(.*),\n\s+(.*),\n\s+(true|false)\n\s+\]", r"[\1, \2, \3, \4]", text)
    put(record_of(path), text + "\n")


def put(target, text):
    """Write a file whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(target)


def judge_anew(path):
    """Hold what is recorded of a chapter against the bounds that it prints now."""
    record = recorded(path, digest(path))
    before = json.dumps(record)
    for run in [*record["seeds"].values(), *record["settings"].values()]:
        bounds = collections.defaultdict(list)
        for text, bound in printed(path):
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


def processor():
    """The processor's name where Linux says it."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (FileNotFoundError, StopIteration):
        return platform.processor() or platform.machine()
