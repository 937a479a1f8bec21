"""Snippets of the chapters as pasted, and what the tests that use them share."""

import keras
import numpy as np
from chapters import chapters
from copyable import defined, of_chapter
from keras import layers

from ganbook import mlp

FOUND = {s.anchor.removeprefix("snippet-"): s for path in chapters() for s in of_chapter(path)[0]}


def pasted(name):
    """What the snippet defines under its own name, in a module of nothing else."""
    return defined(FOUND[name].piece.name, FOUND[name].text)


def true(name, expression, known):
    """Whether an expression of the snippet, of `known` names and of a few toys is true."""
    from scipy import stats

    net, x = mlp(2, (), 3), np.random.default_rng(0).uniform(0.1, 0.9, (4, 784)).astype("float32")
    toys = {"net": net, "x": x, "half": np.array([0.5, 0.5]), "stats": stats}
    return eval(expression, known | toys | {FOUND[name].piece.name: pasted(name)})


def classes_of(*places):
    """The names of all classes of these parts of the book, or chapters such as frontiers/infogan."""
    classes = {n: s.chapter for n, s in FOUND.items() if s.piece.kind == "class"}
    return {n for n, chapter in classes.items() if {chapter, chapter.split("/")[0]} & {*places}}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def with_batch_norm(n_in, n_out):
    """Batch norm first: what it sees of its minibatch shows in the output."""
    return keras.Sequential([keras.Input((n_in,)), layers.BatchNormalization(), layers.Dense(n_out)])


def one_step(kind, generator=None, discriminator=None, shape=(2,), loss=None):
    """A GAN of the class after one step on toy data, in which both players have moved."""
    gan = kind(generator or mlp(4, (8,), 2), discriminator or mlp(2, (8,), 1), 4)
    gan.compile(keras.optimizers.SGD(0.1), keras.optimizers.SGD(0.1), loss)
    players = gan.discriminator, gan.generator
    before = [[w.numpy() for w in player.trainable_weights] for player in players]
    history = gan.fit(normal(16, *shape), batch_size=16, verbose=0).history
    assert np.isfinite([history["d_loss"], history["g_loss"]]).all()
    for player, then in zip(players, before, strict=True):
        moves = [np.abs(w - old).max() for w, old in zip(player.trainable_weights, then, strict=True)]
        assert max(moves) > 0
    return gan


REAL, FAKE = 3 * normal(50, 1), 3 * normal(50, 1, seed=1)


def holds(check, expected=True):
    def use(kind):
        assert check(kind) == expected

    return use
