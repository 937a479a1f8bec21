"""The benchmarks' arithmetic and the page that shows them; nothing is timed here."""

import json
import pathlib
import re
import runpy

import bench
import dcgan
import judge
import keras
import numpy as np
import pytest
import ring
import show
import speed_page
import tensorflow as tf

import ganbook
from ganbook import dcgan_discriminator, dcgan_generator

PAGE = (show.ROOT / "book/speed.md").read_text(encoding="utf-8")
FOUND = json.loads(show.RESULTS.read_text(encoding="utf-8"))


def counted_by_tensorflow(network, batch_size):
    """GFLOP of a forward pass, from TensorFlow's profiler."""
    spec = tf.TensorSpec((batch_size, *network.input_shape[1:]))
    graph = tf.function(lambda x: network(x, training=False)).get_concrete_function(spec).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    with graph.as_default():
        found = tf.compat.v1.profiler.profile(graph, options=options)
    return found.total_float_ops / 1e9


@pytest.mark.parametrize(
    "network",
    [*dcgan.networks(), dcgan_generator(64, (28, 28, 1)), dcgan_discriminator((28, 28, 1))],
    ids=["tutorial G", "tutorial D", "our G", "our D"],
)
def test_operations_of_a_forward_pass(network):
    ours = sum(dcgan.forward_gflop(network, 32))
    # TensorFlow counts biases and normalisation too.
    assert 0.97 < ours / counted_by_tensorflow(network, 32) <= 1


def test_operations_of_a_step():
    """Two dense layers each: every product of Algorithm 1 written down."""
    g = keras.Sequential([keras.Input((3,)), keras.layers.Dense(5), keras.layers.Dense(7)])
    d = keras.Sequential([keras.Input((7,)), keras.layers.Dense(11), keras.layers.Dense(1)])
    g1, g2, d1, d2 = (2 * 10 * n / 1e9 for n in (3 * 5, 5 * 7, 7 * 11, 11 * 1))
    of_d = (g1 + g2) + 2 * ((d1 + d2) + (d1 + d2) + d2)  # forward, weights' gradients, the one input's
    of_g = (g1 + g2 + d1 + d2) + (d1 + d2) + (g1 + g2) + g2  # forward, through D, G's weights, its input
    np.testing.assert_allclose(dcgan.step_gflop(g, d, 10), (of_d, of_g))


def test_a_goal_is_reached_or_not():
    assert judge.row("", "", "", 1.2, "", 1.2)["reached"]
    assert not judge.row("", "", "", 1.21, "", 1.2)["reached"]
    assert judge.row("", "", "", 3.0, "", 3, at_least=True)["reached"]
    assert not judge.row("", "", "", 2.99, "", 3, at_least=True)["reached"]


def test_ratios_are_those_of_medians():
    cases = {"ganbook": (900, 2), "keras-io": (300, 4), "pytorch": (100, 1), "jax": (1000, 3)}
    section = {
        name: {"steps_s": [0.5 * rate, rate, 9 * rate], "first_s": [0.1 * s, s, 7 * s]}
        for name, (rate, s) in cases.items()
    }
    peers, jax, first = judge.rows({"ring": {"64": section}})
    assert (peers["value"], peers["reached"]) == (3, True)
    assert peers["theirs"] == "keras.io 300 (150–2,700)"
    assert (jax["value"], jax["reached"]) == (0.9, True)
    assert (first["value"], first["reached"]) == (2, False)
    assert first["theirs"].startswith("PyTorch 1.00")
    section["ganbook-xla"] = {"steps_s": [85, 850, 1200], "first_s": [9, 9, 9]}
    found = {"ring": {"64": section, "256": section}}
    keras_io, scan = (row for row in judge.rows(found) if "jit_compile" in row["what"])  # once, not at 256
    assert (keras_io["value"], keras_io["reached"]) == (850 / 300, False)
    assert (scan["value"], scan["reached"], scan["theirs"]) == (0.85, True, "JAX 1,000 (500–9,000)")


def test_what_was_not_measured_is_named():
    for name in bench.SECTIONS:
        rest = {key: value for key, value in FOUND.items() if key != name}
        assert f"| {name} | not measured |" in show.goals_table(rest)
        assert (f"| {name} | not measured |" in show.goals_table(FOUND)) == (name not in FOUND)


def test_seconds_of_notebooks_from_the_report_of_the_tests(tmp_path):
    cells = [("book.game.costs.ipynb", 1.5), ("book.game.costs.ipynb", 3), ("tests.test_gan.TestCosts", 9)]
    cases = "".join(f'<testcase classname="{name}" time="{seconds}"/>' for name, seconds in cells)
    report = tmp_path / "report.xml"
    report.write_text(f'<testsuites><testsuite time="90">{cases}</testsuite></testsuites>', encoding="utf-8")
    assert bench.reported(report) == {"minutes": 1.5, "seconds": {"costs": 4}}


def test_what_the_page_says_of_operations():
    ours, theirs = (
        FOUND["dcgan"]["operations"]["ganbook_gflop"],
        FOUND["dcgan"]["operations"]["tutorial_gflop"],
    )
    words = " ".join(PAGE.split())
    assert f"a step is {ours / theirs:.2f} times theirs" in words
    nets = dcgan_generator(64, (28, 28, 1)), dcgan_discriminator((28, 28, 1))
    small = sum(dcgan.step_gflop(*nets, dcgan.BATCH_SIZE))
    assert round(ours / small) == 13
    assert "a thirteenth of the tutorial's arithmetic" in words


def test_what_the_page_says_of_speed():
    """What the text concludes, from the figures in its tables."""
    mid = judge.median
    cases = FOUND["ring"]["256"]
    others = max(mid(cases[name]["steps_s"]) for name in ("keras-io", "pytorch"))
    assert mid(cases["jax"]["steps_s"]) < 3 * others
    dcgan_ms = {
        name: mid(FOUND["dcgan"][name]["ms"]) for name in ("ganbook", "ganbook-bfloat16", "tensorflow")
    }
    count = FOUND["dcgan"]["operations"]
    more = count["ganbook_gflop"] / count["tutorial_gflop"] - 1
    assert more > 0.5 * (dcgan_ms["ganbook"] / dcgan_ms["tensorflow"] - 1)
    product = FOUND["dcgan"]["matmul"]
    assert 0.5 < mid(product["gflops_bfloat16"]) / mid(product["gflops"]) < 0.6
    assert dcgan_ms["ganbook-bfloat16"] > dcgan_ms["ganbook"]
    assert 0.75 < count["ganbook_gflop"] / dcgan_ms["ganbook"] * 1000 / mid(product["gflops"]) < 0.8
    for cases in FOUND["levers"]["ring"].values():
        rate = {name: mid(case["steps_s"]) for name, case in cases.items()}
        assert rate["one-step"] < rate["tf-data"] < rate["ganbook"] < rate["xla"]
        assert min(cases["xla"]["first_s"]) > max(cases["ganbook"]["first_s"])
        assert 0.23 < 1 - rate["autotune"] / rate["ganbook"] < 0.34  # a quarter to a third
    assert min(FOUND["levers"]["dcgan"]["no-onednn"]) > max(FOUND["levers"]["dcgan"]["plain"])


def test_the_page():
    page = speed_page.filled(PAGE, FOUND)
    assert "<!--" not in page
    for row in judge.rows(FOUND):
        assert row["what"] in page
    with pytest.raises(ValueError, match="<!-- levers --> 0 times: want once"):
        speed_page.filled(PAGE.replace("<!-- levers -->", ""), FOUND)
    assert (pathlib.Path(show.ROOT, "book/_static/speed-ring.png").stat().st_size) > 0


def test_the_page_says_which_machine():
    used = FOUND["with"]["ring"]
    same, other = used | {"processor": "A"}, used | {"processor": "B"}
    assert speed_page.on_what({"with": {"ring": same, "book": same}}).startswith(
        f"{used['cores']} cores of an A"
    )
    both = speed_page.on_what({"with": {"ring": same, "digit_fid": other, "book": same}}).split("; ")
    assert [one.split("(")[-1] for one in both] == ["the ring, `make book`)", "digit FID)"]
    assert set(FOUND["with"]) == set(FOUND) - {"with"} <= set(show.TITLES) == set(bench.SECTIONS)


def test_the_code_on_the_page_trains(tmp_path):
    """Groups of steps in XLA, as the page offers them."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    file = tmp_path / "groups.py"
    file.write_text(code, encoding="utf-8")
    gan = ganbook.GAN(ganbook.mlp(2, [8], 2), ganbook.mlp(2, [8], 1), latent_dim=2)
    optimizers = {f"{player}_optimizer": keras.optimizers.Adam(1e-3) for player in "dg"}
    x = ganbook.ring().sample(64 * 120, seed=0)
    runpy.run_path(str(file), {"gan": gan, "ganbook": ganbook, "x": x, **optimizers})
    assert gan.jit_compile
    assert int(gan.d_optimizer.iterations) == int(gan.g_optimizer.iterations) == 240


@pytest.mark.parametrize(
    "name", ["ganbook", "ganbook-xla", "one-step", "tf-data", "autotune", "xla", "keras-io"]
)
def test_a_case_of_the_ring_trains(name):
    """Those that need no PyTorch or JAX: an epoch moves weights."""
    made = []
    kept = keras.Model.__init__

    def keep(self, *args, **kwargs):
        kept(self, *args, **kwargs)
        made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "__init__", keep)
        train = ring.CASES[name](ring.points(500 * 4), 4)()
    gan = next(model for model in made if hasattr(model, "d_optimizer"))
    train(1)
    assert int(gan.d_optimizer.iterations) == int(gan.g_optimizer.iterations) == 500
