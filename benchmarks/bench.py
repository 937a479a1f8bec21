"""ganbook beside its peers on this machine, in one run: `make bench`, or `make bench-quick` in two minutes.

    python benchmarks/bench.py                 every section; results.json and the figure are written anew
    python benchmarks/bench.py ring dcgan      these sections anew, the others as they are in results.json
    python benchmarks/bench.py --quick         a look: one repeat, the ring and the DCGAN; nothing is written

Every measurement is a process of its own, and those of one section take turns, so that a slow minute of the
machine slows all of them. Let nothing else run meanwhile. Ratios are of medians.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from xml.etree import ElementTree

from judge import median
from show import PACKAGES, RESULTS, ROOT, goals_table, pictures

sys.path.append(str(ROOT / "tools"))
from records import processor

HERE = pathlib.Path(__file__).parent
RING = ("ganbook", "ganbook-xla", "keras-io", "pytorch", "jax")
CHAPTER = ROOT / "book/images/dcgan.ipynb"


def case(script, *arguments, **env):
    """The JSON lines that a script beside this one prints."""
    command = [sys.executable, HERE / script, *map(str, arguments)]
    print("  ", *command[1:], file=sys.stderr, flush=True)
    env = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | env
    ran = subprocess.run(command, capture_output=True, text=True, env=env)
    if ran.returncode:
        sys.exit(f"{script} {' '.join(map(str, arguments))}: {ran.stderr[-2000:]}")
    return [json.loads(line) for line in ran.stdout.splitlines()]


def in_turn(repeats, script, cases, *arguments):
    """{case: [what it printed, a repeat each]}"""
    found = {name: [] for name in cases}
    for _ in range(repeats):
        for name in cases:
            found[name] += case(script, name, *arguments)
    return found


# Sections: what they return is kept in results.json.


def ring(repeats=3, calls=3, cases=RING, sizes=(64, 256)):
    found = {}
    for batch_size in sizes:
        runs = in_turn(repeats, "ring.py", cases, "--batch-size", batch_size, "--calls", calls)
        found[str(batch_size)] = {
            name: {
                "first_s": [run["first_s"] for run in several],
                "steps_s": [median(run["steps_s"]) for run in several],
            }
            for name, several in runs.items()
        }
    return found


def levers():
    """The ring with one thing changed, and the DCGAN without oneDNN."""
    found = ring(2, 1, cases=("ganbook", "one-step", "tf-data", "autotune", "xla"))
    dcgan = {"plain": [], "no-onednn": []}
    for _ in range(2):
        for name, env in (("plain", {}), ("no-onednn", {"TF_ENABLE_ONEDNN_OPTS": "0"})):
            dcgan[name].append(median(case("dcgan.py", "ganbook", "--chunks", 3, **env)[0]["ms"]))
    return {"ring": found, "dcgan": dcgan}


def dcgan(repeats=3, chunks=3, cases=("matmul", "ganbook", "ganbook-bfloat16", "tensorflow", "pytorch")):
    found = {}
    for name, several in in_turn(repeats, "dcgan.py", cases, "--chunks", chunks).items():
        figures = {"ms", "gflops", "gflops_bfloat16"} & set(several[0])
        found[name] = {key: [median(run[key]) for run in several] for key in sorted(figures)}
    return found | {"operations": case("dcgan.py", "operations")[0]}


def fid(of, seeds):
    found = {"tensorflow": [], "keras-io": [], "ganbook": []}
    for seed in seeds:
        for name, runs in found.items():
            runs += case("fid.py", of, name, "--seed", seed)
    return found | {"held-out": case("fid.py", of, "held-out")[0]["fid"]}


def digit_fid(seeds):
    return fid("digits", seeds)


def face_fid(seeds):
    return fid("faces", seeds)


def growth():
    return {line.pop("axis"): line for line in case("growth.py")}


def imports(repeats=7):
    code = "import time, keras; t = time.perf_counter(); import ganbook; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(repeats)]
    return [round(float(run.stdout), 3) for run in runs]


def memory():
    """Peak MB of the DCGAN chapter's process, and of TensorFlow's tutorial."""
    import nbformat

    cells = nbformat.read(CHAPTER, as_version=4).cells
    code = "\n\n".join(cell.source for cell in cells if cell.cell_type == "code")
    code = code.replace("    %pip", "    #")
    code = f"import matplotlib; matplotlib.use('agg')\n{code}\n" + (
        "import json, resource\n"
        "print(json.dumps({'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    chapter = json.loads(ran.stdout.splitlines()[-1])["peak_mb"]
    return {"chapter_mb": chapter, "tutorial_mb": case("dcgan.py", "memory")[0]["peak_mb"]}


def chapters():
    """The whole of the tests, as `make test` runs them, two at a time."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", f"--junitxml={report}"]
        subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)
        return reported(report)


def reported(report):
    """Minutes that the tests took, and seconds of each notebook, from the XML that pytest writes."""
    suite = ElementTree.parse(report).find("testsuite")
    seconds = {}
    for test in suite.iter("testcase"):
        for chapter in CHAPTERS & set(test.get("classname").split(".")):
            seconds[chapter] = seconds.get(chapter, 0) + float(test.get("time"))
    minutes = float(suite.get("time")) / 60
    return {"minutes": round(minutes, 1), "seconds": {name: round(seconds[name]) for name in sorted(seconds)}}


CHAPTERS = {path.stem for path in (ROOT / "book").glob("*/*.ipynb")}


def book():
    """Seconds of `make book` when one chapter's text has changed."""
    text = CHAPTER.read_text(encoding="utf-8")
    build = ["make", "--silent", "book"]
    subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    try:
        CHAPTER.write_text(text.replace("## Summary", "## Summary again"), encoding="utf-8")
        start = time.monotonic()
        subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return round(time.monotonic() - start, 1)
    finally:
        CHAPTER.write_text(text, encoding="utf-8")


SECTIONS = {
    "ring": ring,
    "levers": levers,
    "dcgan": dcgan,
    "digit_fid": digit_fid,
    "face_fid": face_fid,
    "growth": growth,
    "import": imports,
    "memory": memory,
    "chapters": chapters,
    "book": book,
}


def machine():
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of both FIDs")
    args = parser.parse_args()
    if unknown := set(args.sections) - set(SECTIONS):
        parser.error(f"unknown sections {sorted(unknown)}: want some of {', '.join(SECTIONS)}")
    if args.quick:
        found = {
            "ring": ring(1, 1, sizes=(64,)),
            "dcgan": dcgan(1, 1, cases=("matmul", "ganbook", "tensorflow", "pytorch")),
        }
        print(goals_table(found))
        return
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if args.sections else {}
    for name in args.sections or SECTIONS:
        print(f"{name}, {time.strftime('%H:%M')}", file=sys.stderr, flush=True)
        found[name] = SECTIONS[name](*([args.seeds] if name.endswith("_fid") else []))
        found.setdefault("with", {})[name] = machine() | {"day": time.strftime("%Y-%m-%d")}
        temporary = RESULTS.with_suffix(".tmp")
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        temporary.replace(RESULTS)  # an interrupted run keeps what it has
    if found.keys() >= {"ring", "growth"}:
        pictures(found)
    print(goals_table(found))


if __name__ == "__main__":
    main()
