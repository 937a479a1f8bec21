"""What was measured, held against the goals: rows of a table."""

import statistics

median = statistics.median

# A row: what, ours, theirs, ratio or figure, goal, reached.


def rows(found):
    """The table, as far as its sections were measured: a dict a row."""
    makers = {
        "ring": ring_rows,
        "dcgan": dcgan_rows,
        "digit_fid": lambda found: fid_rows("digit", found, {"120": 4}),
        "face_fid": lambda found: fid_rows("face", found, {"30": 3, "120": 1.5}),
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
        if batch_size == "64" and "ganbook-xla" in cases:
            out += xla_rows(what, cases)
        first = {name: cases[name]["first_s"] for name in names}
        best = min(first, key=lambda name: median(first[name]))
        ours = cases["ganbook"]["first_s"]
        theirs = f"{names[best]} {spread(first[best], 2)}"
        title = f"{what}: seconds to the first 500 steps beside the quickest"
        out.append(row(title, spread(ours, 2), theirs, median(ours) / median(first[best]), "≤ 1", 1))
    return out


def xla_rows(what, cases):
    """Groups of steps that are one program of XLA."""
    ours, keras_io, jax = (cases[name]["steps_s"] for name in ("ganbook-xla", "keras-io", "jax"))
    what = f"{what}, `jit_compile=True`: steps/s beside"
    ratio = median(ours) / median(keras_io)
    out = [row(f"{what} keras.io", spread(ours), f"keras.io {spread(keras_io)}", ratio, "≥ 4", 4, True)]
    ratio = median(ours) / median(jax)
    return [
        *out,
        row(f"{what} JAX's `scan`", spread(ours), f"JAX {spread(jax)}", ratio, "≥ 0.85", 0.85, True),
    ]


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


def fid_rows(of, found, least):
    """Beside the better of the two tutorials at each mark; and `least`, the FID itself at some of them."""
    out = []
    for mark in found["ganbook"][0]["fid"]:
        fid = {
            name: [run["fid"][mark] for run in found[name]] for name in ("ganbook", "keras-io", "tensorflow")
        }
        best = min(median(fid["keras-io"]), median(fid["tensorflow"]))
        theirs = f"keras.io {spread(fid['keras-io'])}, TensorFlow's {spread(fid['tensorflow'])}"
        ours, ratio = spread(fid["ganbook"], 1), best / median(fid["ganbook"])
        what = f"{of} FID after {mark} s of training"
        out.append(row(f"{what}, times lower", ours, theirs, ratio, "≥ 10", 10, True))
        if mark in least:
            real, goal = f"real pictures {found['held-out']:.1f}", least[mark]
            out.append(row(what, spread(fid["ganbook"], 2), real, median(fid["ganbook"]), f"≤ {goal}", goal))
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
