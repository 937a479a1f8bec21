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
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from xml.etree import ElementTree

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"
PACKAGES = {
    "tensorflow_cpu": "TensorFlow",
    "keras": "Keras",
    "torch": "PyTorch",
    "jax": "JAX",
    "numpy": "NumPy",
}
CHAPTER = ROOT / "book/images/dcgan.ipynb"
median = statistics.median


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


def ring(repeats=3, calls=3, cases=("ganbook", "keras-io", "pytorch", "jax"), sizes=(64, 256)):
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


def digit_fid(seeds=(1, 2, 3)):
    found = {"tensorflow": [], "keras-io": [], "ganbook": []}
    for seed in seeds:
        for name, runs in found.items():
            runs += case("digit_fid.py", name, "--seed", seed)
    return found | {"held-out": case("digit_fid.py", "held-out")[0]["fid"]}


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
    "growth": growth,
    "import": imports,
    "memory": memory,
    "chapters": chapters,
    "book": book,
}


# What the page calls them.
TITLES = {
    "ring": "the ring",
    "levers": "the levers",
    "dcgan": "the DCGAN's step",
    "digit_fid": "digit FID",
    "growth": "growing work",
    "import": "the import",
    "memory": "memory",
    "chapters": "`make test`",
    "book": "`make book`",
}

# From what was measured to rows of a table: what, ours, theirs, ratio or figure, goal, reached.


def rows(found):
    """The table, as far as its sections were measured: a dict a row."""
    makers = {
        "ring": ring_rows,
        "dcgan": dcgan_rows,
        "digit_fid": fid_rows,
        "growth": growth_rows,
        "import": lambda s: [
            row("`import ganbook` after `import keras`, s", spread(s, 3), "", median(s), "≤ 0.1", 0.1)
        ],
        "memory": lambda m: [
            row(
                "peak memory of the DCGAN chapter",
                f"{m['chapter_mb']:,} MB",
                f"TensorFlow's tutorial {m['tutorial_mb']:,} MB",
                m["chapter_mb"] / m["tutorial_mb"],
                "≤ 1.5",
                1.5,
            )
        ],
        "chapters": lambda c: [
            row("`make test`, all notebooks and all other tests, minutes", "", "", c["minutes"], "≤ 30", 30)
        ],
        "book": lambda s: [row("`make book` after a change in one chapter, s", "", "", s, "≤ 20", 20)],
    }
    return [one for name, make in makers.items() if name in found for one in make(found[name])]


def spread(values, digits=0):
    """Median (least–largest)."""
    low, high = min(values), max(values)
    return f"{median(values):,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def row(what, ours, theirs, value, goal, bound, at_least=False):
    reached = value >= bound if at_least else value <= bound
    return {"what": what, "ours": ours, "theirs": theirs, "value": value, "goal": goal, "reached": reached}


def ring_rows(found):
    names = {"keras-io": "keras.io", "pytorch": "PyTorch", "jax": "JAX"}
    out = []
    for batch_size, cases in found.items():
        what = f"ring, batch {batch_size}"
        ours, jax = cases["ganbook"]["steps_s"], cases["jax"]["steps_s"]
        peers = {name: cases[name]["steps_s"] for name in ("keras-io", "pytorch")}
        best = max(peers, key=lambda name: median(peers[name]))
        faster = f"{names[best]} {spread(peers[best])}"
        title = f"{what}: steps/s beside the faster of PyTorch and keras.io"
        out.append(row(title, spread(ours), faster, median(ours) / median(peers[best]), "≥ 3", 3, True))
        title = f"{what}: steps/s beside JAX's `scan`"
        ratio = median(ours) / median(jax)
        out.append(row(title, spread(ours), f"JAX {spread(jax)}", ratio, "≥ 0.9", 0.9, True))
        first = {name: cases[name]["first_s"] for name in names}
        best = min(first, key=lambda name: median(first[name]))
        ours = cases["ganbook"]["first_s"]
        theirs = f"{names[best]} {spread(first[best], 2)}"
        title = f"{what}: seconds to the first 500 steps beside the quickest"
        out.append(row(title, spread(ours, 2), theirs, median(ours) / median(first[best]), "≤ 1", 1))
    return out


def dcgan_rows(found):
    ms = {name: case["ms"] for name, case in found.items() if "ms" in case}
    tutorial, ours = ms["tensorflow"], ms["ganbook"]
    rate = found["operations"]["ganbook_gflop"] / median(ours) * 1000
    machine = median(found["matmul"]["gflops"])
    theirs = f"TensorFlow's tutorial {spread(tutorial)}"
    out = [row("DCGAN: ms/step", spread(ours), theirs, median(ours) / median(tutorial), "≤ 1.2", 1.2)]
    pytorch = ms["pytorch"]
    ratio = median(ours) / median(pytorch)
    out.append(row("DCGAN: ms/step", spread(ours), f"PyTorch {spread(pytorch)}", ratio, "≤ 0.85", 0.85))
    if "ganbook-bfloat16" in ms:  # which a quick look leaves out
        half = ms["ganbook-bfloat16"]
        what, ratio = "DCGAN in `mixed_bfloat16`: ms/step", median(half) / median(tutorial)
        out.append(row(what, spread(half), theirs, ratio, "≤ 0.8", 0.8))
    counted = f"{found['operations']['ganbook_gflop']:.1f} GFLOP a step, {rate:.0f} GFLOP/s"
    theirs = f"matrix product {machine:.0f} GFLOP/s"
    what = "DCGAN: share of the matrix-product rate"
    out.append(row(what, counted, theirs, rate / machine, "≥ 0.8", 0.8, True))
    return out


def fid_rows(found):
    out = []
    for mark in found["ganbook"][0]["fid"]:
        fid = {
            name: [run["fid"][mark] for run in found[name]] for name in ("ganbook", "keras-io", "tensorflow")
        }
        best = min(median(fid["keras-io"]), median(fid["tensorflow"]))
        theirs = f"keras.io {spread(fid['keras-io'])}, TensorFlow's {spread(fid['tensorflow'])}"
        ratio = best / median(fid["ganbook"])
        what = f"digit FID after {mark} s of training, times lower"
        out.append(row(what, spread(fid["ganbook"], 1), theirs, ratio, "≥ 10", 10, True))
    return out


def growth_rows(found):
    names = {"batch_size": "batch size", "width": "width", "n": "pictures", "d_steps": "steps of D"}
    out = []
    for axis, line in found.items():
        cost = [ms / gflop for ms, gflop in zip(line["ms"], line["gflop"], strict=True)]
        first, last = line["values"][0], line["values"][-1]
        what = f"ms per GFLOP, {names[axis]} {first:,} → {last:,}: largest beside the least before it"
        out.append(
            row(what, f"{cost[-1]:.1f}", f"{min(cost[:-1]):.1f}", cost[-1] / min(cost[:-1]), "≤ 1.1", 1.1)
        )
    return out


def markdown(head, lines):
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def goals_table(found):
    """One line a goal: what, ours beside theirs, and the ratio or figure with what it should be."""
    lines = []
    for r in rows(found):
        figures = " beside ".join(figure for figure in (r["ours"], r["theirs"]) if figure)
        reached = "" if r["reached"] else ", **no**"
        lines.append((r["what"], figures, f"{r['value']:.3g} (goal: {r['goal']}{reached})"))
    lines += [(name, "not measured", "") for name in SECTIONS if name not in found]
    return markdown(("what", "measured", "ratio or figure"), lines)


LEVERS = {
    "one-step": "`steps_per_execution=1`, Keras' default",
    "tf-data": "tf.data's `shuffle` and `batch` in place of `ganbook.batches`",
    "autotune": "tf.data's autotuning on, its default",
    "xla": "the whole loop compiled by XLA",
}


def beside(values, plain, higher):
    """Median, spread, and how many times the speed of `plain`."""
    times = median(values) / median(plain)
    return f"{spread(values)}, × {times if higher else 1 / times:.2f}"


def levers_table(found):
    """Steps/s on the ring with one lever changed, and seconds to the first 500 steps."""
    small, large = (found["levers"]["ring"][batch_size] for batch_size in ("64", "256"))
    lines = [
        (
            text,
            *(beside(cases[name]["steps_s"], cases["ganbook"]["steps_s"], True) for cases in (small, large)),
            spread(small[name]["first_s"], 2),
        )
        for name, text in ({"ganbook": "as it is"} | LEVERS).items()
    ]
    return markdown(("ring", "batch 64, steps/s", "batch 256, steps/s", "first 500 steps of 64, s"), lines)


def dcgan_levers_table(found):
    """Milliseconds a step of the tutorial's DCGAN."""
    ms = found["levers"]["dcgan"] | {"bfloat16": found["dcgan"]["ganbook-bfloat16"]["ms"]}
    texts = {"plain": "as it is", "no-onednn": "`TF_ENABLE_ONEDNN_OPTS=0`", "bfloat16": "`mixed_bfloat16`"}
    lines = [(text, beside(ms[name], ms["plain"], False)) for name, text in texts.items()]
    return markdown(("the tutorial's DCGAN", "ms/step, and speed beside ours"), lines)


def chapters_table(found):
    seconds = found["chapters"]["seconds"] if "chapters" in found else {}
    return markdown(("chapter", "s"), ((name, str(s)) for name, s in seconds.items()))


def pictures(found, folder=ROOT / "book/_static"):
    """speed-ring.png and speed-growth.png, from the sections of those names."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.style.use("ganbook.book")
    names = {"ganbook": "ganbook", "keras-io": "keras.io", "pytorch": "PyTorch", "jax": "JAX, scan"}
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.4))
    for ax, (batch_size, cases) in zip(axes, found["ring"].items(), strict=True):
        for i, name in enumerate(names):
            values = cases[name]["steps_s"]
            ax.barh(i, median(values), color="C1" if name == "ganbook" else "C0")
            ax.plot([min(values), max(values)], [i, i], color="black", linewidth=1.5)
        ax.set(title=f"batch {batch_size}", xlabel="steps a second", ylim=(len(names) - 0.4, -0.6))
        ax.set_yticks(range(len(names)), names.values() if batch_size == "64" else [])
    figure.savefig(folder / "speed-ring.png", dpi=150)

    labels = {"batch_size": "batch size", "width": "width", "n": "pictures", "d_steps": "steps of D"}
    figure, axes = plt.subplots(1, 4, figsize=(7, 2.4), sharey=True)
    for ax, (axis, line) in zip(axes, found["growth"].items(), strict=True):
        ax.loglog(line["values"], line["ms"], "o-", markersize=3)
        at = len(line["ms"]) - 1  # the arithmetic, laid through the largest
        arithmetic = [line["ms"][at] * gflop / line["gflop"][at] for gflop in line["gflop"]]
        ax.loglog(line["values"], arithmetic, "--", color="gray", linewidth=1)
        ends = line["values"][0], line["values"][-1]
        ax.set_xticks(ends, [f"{end:,}" for end in ends])
        ax.minorticks_off()
        ax.set(xlabel=labels[axis])
    axes[0].set_ylabel("ms a step")
    figure.savefig(folder / "speed-growth.png", dpi=150)


def machine():
    sys.path.insert(0, str(ROOT / "tools"))
    from measure import processor

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
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of digit_fid")
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
        found[name] = digit_fid(args.seeds) if name == "digit_fid" else SECTIONS[name]()
        found.setdefault("with", {})[name] = machine() | {"day": time.strftime("%Y-%m-%d")}
        temporary = RESULTS.with_suffix(".tmp")
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        temporary.replace(RESULTS)  # an interrupted run keeps what it has
    if found.keys() >= {"ring", "growth"}:
        pictures(found)
    print(goals_table(found))


if __name__ == "__main__":
    main()
