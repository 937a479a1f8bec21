"""What was measured, as the tables and pictures of book/speed.md."""

import pathlib

from judge import median, rows, spread

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results.json"
PACKAGES = {
    "tensorflow_cpu": "TensorFlow",
    "keras": "Keras",
    "torch": "PyTorch",
    "jax": "JAX",
    "numpy": "NumPy",
}
# What the page calls the sections.
TITLES = {
    "ring": "the ring",
    "levers": "the levers",
    "dcgan": "the DCGAN's step",
    "digit_fid": "digit FID",
    "face_fid": "face FID",
    "growth": "growing work",
    "import": "the import",
    "memory": "memory",
    "chapters": "`make test`",
    "book": "`make book`",
}


def markdown(head, lines):
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def goals_table(found):
    """One line a goal: what, ours beside theirs, and the ratio or figure with what it should be."""
    lines = []
    for r in rows(found):
        figures = " beside ".join(figure for figure in (r["ours"], r["theirs"]) if figure)
        reached = "" if r["reached"] else ", **no**"
        lines.append((r["what"], figures, f"{r['value']:.3g} (goal: {r['goal']}{reached})"))
    lines += [(name, "not measured", "") for name in TITLES if name not in found]
    return markdown(("what", "measured", "ratio or figure"), lines)


LEVERS = {
    "one-step": "`steps_per_execution=1`, Keras' default",
    "tf-data": "tf.data's `shuffle` and `batch` in place of `ganbook.batches`",
    "autotune": "tf.data's autotuning on, its default",
    "xla": "a loop compiled by XLA, written by hand",
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
    names = {
        "ganbook": "ganbook",
        "ganbook-xla": "the same, XLA",
        "keras-io": "keras.io",
        "pytorch": "PyTorch",
        "jax": "JAX, scan",
    }
    names = {name: text for name, text in names.items() if name in found["ring"]["64"]}
    figure, axes = plt.subplots(1, 2, figsize=(7, 2.4))
    for ax, (batch_size, cases) in zip(axes, found["ring"].items(), strict=True):
        for i, name in enumerate(names):
            values = cases[name]["steps_s"]
            ax.barh(i, median(values), color="C1" if name.startswith("ganbook") else "C0")
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
