"""The cell that readers copy from the first chapter: it stands alone, and is the algorithm of `GAN`."""

import ast
import pathlib

import keras
import nbformat
import numpy as np
import pytest

from ganbook import GAN, mlp

PATH = pathlib.Path(__file__).parents[1] / "book" / "game" / "first-gan.ipynb"
NUMBERS = {"latent_dim": 3, "batch_size": 16, "learning_rate": 1e-3, "beta_1": 0.5, "seed": 7}


@pytest.fixture(scope="module")
def cell():
    cells = nbformat.read(PATH, as_version=4).cells
    (source,) = (c.source for c in cells if c.cell_type == "code" and "@tf.function" in c.source)
    return source


def test_it_is_short_and_needs_nothing_but_keras_and_tensorflow(cell):
    assert len(cell.splitlines()) <= 30
    nodes = list(ast.walk(ast.parse(cell)))
    imported = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    assert imported == {"keras", "tensorflow"}


def test_copied_out_it_trains_as_gan_does(cell):
    generator, discriminator = mlp(3, (8,), 2, "tanh"), mlp(2, (8,), 1, "tanh")
    gan = GAN(keras.models.clone_model(generator), keras.models.clone_model(discriminator), 3, seed=7)
    gan.generator.set_weights(generator.get_weights())
    gan.discriminator.set_weights(discriminator.get_weights())
    gan.compile(*(keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)))

    copied = {"generator": generator, "discriminator": discriminator, **NUMBERS}
    exec(cell, copied)
    before = generator.get_weights()
    for x in np.random.default_rng(0).normal(size=(5, 16, 2)).astype("float32"):
        gan.reset_metrics()
        expected = gan.train_on_batch(x, return_dict=True)
        J_D, J_G = copied["train_step"](x)
        np.testing.assert_allclose([J_D, J_G], [expected["d_loss"], expected["g_loss"]], rtol=1e-4)
    for ours, theirs in zip(generator.get_weights(), gan.generator.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert any((b != a).any() for b, a in zip(before, generator.get_weights(), strict=True))
