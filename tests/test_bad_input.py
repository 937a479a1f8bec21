"""Wrong input, a row each, and failing machines: what is said, and that nothing was done before."""

import errno
import functools
import hashlib
import http.client
import io
import os
import urllib.error
import urllib.request

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganbook import (
    GAN,
    AddReference,
    Checkpoint,
    DropReference,
    MaximumLikelihood,
    Minimax,
    Mixture,
    NonSaturating,
    ReferenceBatchNorm,
    VirtualBatchNorm,
    batches,
    cifar10,
    claim,
    classifiers,
    coarse_discriminator,
    data,
    dcgan_discriminator,
    dcgan_generator,
    digit_features,
    digit_labels,
    digits,
    face_factors,
    face_features,
    faces,
    frechet_distance,
    grid,
    high_quality_share,
    kernel_distance,
    mixture_1d,
    mlp,
    mode_counts,
    modes_covered,
    nearest_neighbour_accuracy,
    pictures,
    plots,
    precision_recall,
    ring,
    seed,
    svhn,
    unevenness,
)
from ganbook.divergences import by_counts, js, kl, optimal_discriminator

X = np.random.default_rng(0).uniform(-0.9, 0.9, (64, 2)).astype("float32")
LABELS = np.arange(64) % 4
LINE, CELL = np.linspace(-8, 8, 1601, retstep=True)
P = np.exp(-(LINE**2) / 2) / np.sqrt(2 * np.pi)
DIGITS, FACES = np.zeros((2, 28, 28, 1), "float32"), np.zeros((2, 32, 32, 3), "float32")
FRAME = np.zeros((4, 4, 1), "uint8")
RAGGED = [[1.0], [1.0, 2.0]]


def adam():
    return keras.optimizers.Adam(1e-3)


def changed(x, value, at=(5, 1)):
    x = np.array(x)
    x[at] = value
    return x


def dataset(*arrays, batch_size=8):
    whole = tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0])
    return whole.batch(batch_size) if batch_size else whole


def variables(gan):
    optimizers = [o for o in (getattr(gan, f"{p}_optimizer", None) for p in "dg") if o is not None]
    return [*gan.variables, *(v for o in optimizers for v in o.variables)]


class Given:
    """What a row may use: GANs and a folder; it knows how they were."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.before, self.files = [], {}

    def gan(self, nets=None, conditional=False, compiled=True, **arguments):
        nets = nets or (self.conditional_nets() if conditional else self.nets())
        gan = GAN(*nets, latent_dim=3, **arguments)
        if compiled:
            gan.compile(adam(), adam())
        self.before += [(v, v.numpy()) for v in variables(gan)]
        return gan

    def nets(self):
        return mlp(3, [4], 2, out_activation="tanh"), mlp(2, [4], 1)

    def conditional_nets(self):
        def build(n, n_out):
            a, c = keras.Input((n,)), keras.Input((), dtype="int32")
            return keras.Model(
                [a, c], layers.Dense(n_out)(layers.Concatenate()([a, layers.Embedding(4, 2)(c)]))
            )

        return build(3, 2), build(2, 1)

    def fit(self, x, y=None, conditional=False, d_steps=1, **arguments):
        self.gan(conditional=conditional, d_steps=d_steps).fit(x, y, verbose=0, **arguments)

    def compile(self, *arguments, **others):
        self.gan(compiled=False).compile(*arguments, **others)

    def file(self, name, content=b""):
        path = self.folder / name
        path.write_bytes(content)
        self.files[path] = content
        return path

    def weights(self, change):
        """The classifiers' weights, changed."""
        classifiers._trained.cache_clear()
        content = change(classifiers.weights_file("digits").read_bytes())
        path = (
            self.folder / "digits.weights.h5" if content is None else self.file("digits.weights.h5", content)
        )
        self.monkeypatch.setattr(classifiers, "weights_file", lambda of: path)
        return DIGITS

    def shift(self, value):
        self.monkeypatch.setenv("GANBOOK_SEED", value)

    def assert_as_it_was(self):
        for variable, value in self.before:
            np.testing.assert_array_equal(variable, value, err_msg=variable.path)
        assert {p: p.read_bytes() for p in self.folder.rglob("*") if p.is_file()} == self.files
        assert not any(p.is_dir() for p in self.folder.rglob("*"))


def unbuilt(n_out):
    generator = keras.Sequential([layers.Dense(4, "relu"), layers.Dense(n_out)])
    return generator, keras.Sequential([layers.Dense(4, "relu"), layers.Dense(1)])


class Numbered(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, i):
        return X


# The id, what is called, and a pattern of the message, which names the argument and what is wrong with it.
ROWS = [
    # Networks.
    ("mlp-hidden-an-int", lambda t: mlp(2, 128, 1), "hidden=128: want the widths"),
    ("mlp-hidden-none", lambda t: mlp(2, None, 1), "hidden=None: want the widths"),
    ("mlp-hidden-string", lambda t: mlp(2, "64", 1), r"hidden\[0\]='6': want an int"),
    ("mlp-hidden-float", lambda t: mlp(2, [64, 8.0], 1), r"hidden\[1\]=8.0: want an int"),
    ("mlp-hidden-huge", lambda t: mlp(2, [2**40], 1), r"hidden\[0\]=1099511627776: want an int"),
    ("mlp-n_in-string", lambda t: mlp("2", [4], 1), "n_in='2': want an int"),
    ("mlp-n_in-true", lambda t: mlp(True, [4], 1), "n_in=True: want an int"),
    ("mlp-n_out-none", lambda t: mlp(2, [4], None), "n_out=None: want an int"),
    ("mlp-n_out-negative", lambda t: mlp(2, [4], -1), "n_out=-1: want an int of at least 1"),
    ("mlp-activation", lambda t: mlp(2, [4], 1, "rellu"), "activation.*rellu"),
    ("mlp-initializer", lambda t: mlp(2, [4], 1, initializer="glorrot"), "initializer.*glorrot"),
    ("dcgan-shape-int", lambda t: dcgan_generator(8, 28), r"shape=28: want \(height, width, channels\)"),
    ("dcgan-shape-none", lambda t: dcgan_discriminator(None), "shape=None: want"),
    ("dcgan-shape-strings", lambda t: dcgan_generator(8, "abc"), "height in shape='a': want an int"),
    ("dcgan-shape-four", lambda t: dcgan_generator(8, (28, 28, 1, 1)), r"shape=\(28, 28, 1, 1\): want"),
    ("dcgan-shape-odd", lambda t: coarse_discriminator((29, 28, 1)), r"shape=\(29, 28, 1\): .*multiples"),
    ("dcgan-shape-negative", lambda t: dcgan_discriminator((28, -28, 1)), "width in shape=-28"),
    ("dcgan-shape-nan", lambda t: coarse_discriminator((28, 28, np.nan)), "channels in shape=nan"),
    ("dcgan-width-float", lambda t: dcgan_generator(8, (28, 28, 1), 1.5), "width=1.5: want an int"),
    ("dcgan-latent-string", lambda t: dcgan_generator("8", (28, 28, 1)), "latent_dim='8': want an int"),
    # GAN.
    ("gan-latent-other", lambda t: GAN(*t.nets(), latent_dim=4), r"latent_dim=4: .*generator.*\(None, 3\)"),
    ("gan-latent-string", lambda t: GAN(*t.nets(), latent_dim="3"), "latent_dim='3': want an int"),
    ("gan-latent-huge", lambda t: GAN(*t.nets(), latent_dim=10**20), "latent_dim=10+: want an int from"),
    ("gan-d_steps-zero", lambda t: GAN(*t.nets(), latent_dim=3, d_steps=0), "d_steps=0: want an int"),
    ("gan-d_steps-float", lambda t: GAN(*t.nets(), latent_dim=3, d_steps=2.0), "d_steps=2.0: want an int"),
    ("gan-seed-string", lambda t: GAN(*t.nets(), latent_dim=3, seed="1"), "seed='1': want an int"),
    ("gan-seed-negative", lambda t: GAN(*t.nets(), latent_dim=3, seed=-1), "seed=-1: want an int from 0"),
    ("gan-seed-huge", lambda t: GAN(*t.nets(), latent_dim=3, seed=2**70), "seed=1180.*: want an int from 0"),
    (
        "gan-one-network",
        lambda t: GAN(*[mlp(3, [4], 3)] * 2, 3),
        "generator and discriminator are one object",
    ),
    (
        "gan-softmax",
        lambda t: GAN(mlp(3, [4], 2), mlp(2, [4], 2, out_activation="softmax"), 3),
        "discriminator ends in a softmax: want logits",
    ),
    (
        "compile-loss-class",
        lambda t: t.compile(adam(), adam(), Minimax),
        "loss=<class .*Minimax.*: want an obj",
    ),
    ("gan-generator-function", lambda t: GAN(lambda z: z, mlp(2, [4], 1), 3), "generator=<function.*keras"),
    ("gan-discriminator-none", lambda t: GAN(mlp(3, [4], 2), None, 3), "discriminator=None: want a keras"),
    ("gan-swapped", lambda t: GAN(*t.nets()[::-1], latent_dim=3), "latent_dim=3: want that of the generator"),
    (
        "gan-vectors-for-pictures",
        lambda t: GAN(mlp(3, [4], 64), coarse_discriminator((8, 8, 1)), 3),
        r"generator's output has examples of shape \(64,\): want \(8, 8, 1\)",
    ),
    (
        "gan-sigmoid",
        lambda t: GAN(mlp(3, [4], 2), mlp(2, [4], 1, out_activation="sigmoid"), 3),
        "discriminator ends in a sigmoid: want logits",
    ),
    ("compile-name", lambda t: t.compile("adam", adam()), "d_optimizer='adam': want a keras.optimizers"),
    ("compile-class", lambda t: t.compile(adam(), keras.optimizers.Adam), "g_optimizer=<class"),
    ("compile-nothing", lambda t: t.compile(None, adam()), "d_optimizer=None: want"),
    ("compile-one-optimizer", lambda t: t.compile(*[adam()] * 2), "d_optimizer and g_optimizer are one"),
    ("compile-loss-name", lambda t: t.compile(adam(), adam(), "minimax"), "loss='minimax': want an object"),
    ("compile-loss-function", lambda t: t.compile(adam(), adam(), np.mean), "loss=<function.*want an object"),
    ("compile-loss-of-keras", lambda t: t.compile(adam(), adam(), keras.losses.Hinge()), "loss=.*want"),
    ("compile-steps", lambda t: t.compile(adam(), adam(), None, 2.5), "steps_per_execution=2.5: want an int"),
    # fit.
    ("fit-not-compiled", lambda t: t.gan(compiled=False).fit(X), "compile was not called: call gan.compile"),
    ("fit-nan", lambda t: t.fit(changed(X, np.nan)), r"x holds nan at index \(5, 1\): want finite"),
    ("fit-infinity", lambda t: t.fit(changed(X, -np.inf)), r"x holds -inf at index \(5, 1\)"),
    ("fit-beyond-float32", lambda t: t.fit(X.astype(float) * 1e300), r"x holds .*e\+\d+ at index .*float32"),
    ("fit-ints", lambda t: t.fit(np.ones((64, 2), "int64")), "x has dtype int64: want floats"),
    ("fit-bools", lambda t: t.fit(X > 0), "x has dtype bool: want floats"),
    ("fit-strings", lambda t: t.fit(X.astype(str)), "x has dtype <U.*: want floats"),
    ("fit-objects", lambda t: t.fit(X.astype(object)), "x has dtype object: want floats"),
    ("fit-complex", lambda t: t.fit(X.astype(complex)), "x has dtype complex128: want floats"),
    ("fit-no-example", lambda t: t.fit(X[:0]), r"x has shape \(0, 2\): want at least one example"),
    ("fit-one-number", lambda t: t.fit(0.5), r"x has shape \(\): want at least one example"),
    ("fit-nothing", lambda t: t.fit(None), "x=None: want an array or a tf.data.Dataset"),
    ("fit-generator", lambda t: t.fit(iter([X])), "x=<.*: want an array or a tf.data.Dataset"),
    ("fit-pydataset", lambda t: t.fit(Numbered()), "x=<.*Numbered.*: want an array"),
    ("fit-narrow", lambda t: t.fit(X[:, :1]), r"x has examples of shape \(1,\): want \(2,\)"),
    ("fit-deep", lambda t: t.fit(X[..., None]), r"x has examples of shape \(2, 1\): want \(2,\)"),
    ("fit-beyond-tanh", lambda t: t.fit(X * 2), r"x has values from .*: want -1 to 1, .*\(tanh\)"),
    ("fit-one-beyond-tanh", lambda t: t.fit(changed(X, 1.001)), "x has values from .* to 1.001: want -1"),
    ("fit-beyond-tanh-late", lambda t: t.fit(batches(changed(X, 3, -1), batch_size=8)), "x has values .* 3:"),
    (
        "fit-beyond-sigmoid",
        lambda t: t.gan((mlp(3, [], 2, out_activation="sigmoid"), mlp(2, [], 1))).fit(X),
        r"x has values from -0.* to 0.*: want 0 to 1, .*\(sigmoid\)",
    ),
    ("fit-unbuilt-nets", lambda t: t.gan(unbuilt(5)).fit(X), r"x has examples of shape \(2,\): want \(5,\)"),
    ("fit-empty-dataset", lambda t: t.fit(dataset(X[:0])), "x is an empty dataset: want at least one batch"),
    ("fit-triples", lambda t: t.fit(dataset(X, LABELS, X)), r"yields \(x, c, weight\): want x or \(x, c\)"),
    ("fit-strings-dataset", lambda t: t.fit(dataset(X.astype(str))), "x has dtype object: want floats"),
    ("fit-examples-for-batches", lambda t: t.fit(dataset(X, batch_size=0)), r"x has examples of shape \(\)"),
    ("fit-batch_size-zero", lambda t: t.fit(X, batch_size=0), "batch_size=0: want an int"),
    ("fit-batch_size-string", lambda t: t.fit(X, batch_size="64"), "batch_size='64': want an int"),
    ("fit-batch_size-huge", lambda t: t.fit(X, batch_size=2**31), "batch_size=2147483648: want an int"),
    ("fit-d_steps", lambda t: t.fit(X, d_steps=5, batch_size=4), "a batch has 4 examples: .*d_steps=5"),
    ("fit-d_steps-last-batch", lambda t: t.fit(X[:33], d_steps=2), "a batch has 1 examples: .*d_steps=2"),
    ("fit-d_steps-two", lambda t: t.fit(batches(X, batch_size=2), d_steps=3), "a batch has 2 .*d_steps=3"),
    ("fit-d_steps-one-batch", lambda t: t.gan(d_steps=3).train_on_batch(X[:2]), "a batch has 2 .*d_steps=3"),
    ("fit-label-negative", lambda t: t.fit(X, LABELS - 1, True), "c holds the label -1: want"),
    ("fit-label-large", lambda t: t.fit(X, LABELS + 1, True), "c holds the label 4: .*below 4"),
    ("fit-label-nan", lambda t: t.fit(X, np.full(64, np.nan), True), r"c holds nan at index \(0,\)"),
    ("fit-label-names", lambda t: t.fit(X, LABELS.astype(str), True), "c has dtype <U.*: want floats"),
    ("fit-labels-too-few", lambda t: t.fit(X, LABELS[1:], True), "c has 63 conditions: want 64"),
    ("fit-label-in-a-dataset", lambda t: t.fit(dataset(X, LABELS + 1), None, True), "c holds the label 4"),
    ("fit-y-twice", lambda t: t.fit(dataset(X), LABELS, True), "y was given beside a dataset"),
    ("fit-validation", lambda t: t.fit(X, validation_split=0.2), "validation_split was given: .*ganbook"),
    ("fit-weights", lambda t: t.fit(X, sample_weight=X[:, 0]), "sample_weight was given"),
    ("fit-ragged", lambda t: t.fit([[0.1, 0.2], [0.3]]), "x is no array: want examples of one shape"),
    ("fit-epochs-zero", lambda t: t.fit(X, epochs=0), "epochs=0: want an int of at least 1"),
    ("fit-epochs-string", lambda t: t.fit(X, epochs="3"), "epochs='3': want an int"),
    ("fit-epochs-float", lambda t: t.fit(X, epochs=1.5), "epochs=1.5: want an int"),
    ("fit-steps-zero", lambda t: t.fit(X, steps_per_epoch=0), "steps_per_epoch=0: want an int"),
    ("fit-steps-negative", lambda t: t.fit(X, steps_per_epoch=-1), "steps_per_epoch=-1: want an int"),
    ("fit-batch_size-twice", lambda t: t.fit(dataset(X), batch_size=8), "batch_size=8 was given beside"),
    ("fit-callback", lambda t: t.fit(X, callbacks=["a"]), r"callbacks\[0\]='a': want a keras.callbacks"),
    (
        "fit-dicts",
        lambda t: t.fit(dataset(X).map(lambda x: {"x": x})),
        r"the dataset yields a dict of 'x': want x or \(x, c\)",
    ),
    ("sample_z-negative", lambda t: t.gan().sample_z(-1), "n=-1: want an int of at least 1"),
    ("sample_z-string", lambda t: t.gan().sample_z("a"), "n='a': want an int"),
    ("sample_z-float", lambda t: t.gan().sample_z(1.5), "n=1.5: want an int"),
    # Files.
    ("checkpoint-none", lambda t: Checkpoint(None), "folder=None: want the path of a folder"),
    ("checkpoint-empty", lambda t: Checkpoint(""), "folder='': want the path of a folder"),
    (
        "checkpoint-in-a-file",
        lambda t: t.fit(batches(X, batch_size=8), callbacks=[Checkpoint(t.file("run"))]),
        (FileExistsError, "File exists.*run"),
    ),
    (
        "checkpoint-of-an-array",
        lambda t: t.fit(X, callbacks=[Checkpoint(t.folder / "run")]),
        "x=ndarray: want a tf.data.Dataset beside a Checkpoint",
    ),
    (
        "checkpoint-without-end",
        lambda t: t.fit(batches(X, batch_size=8).repeat(), callbacks=[Checkpoint(t.folder / "run")]),
        "steps_per_epoch=None: want it for a dataset of unknown or endless length",
    ),
    (
        "checkpoint-twice",
        lambda t: t.fit(batches(X, batch_size=8), callbacks=[Checkpoint(t.folder / n) for n in "ab"]),
        "callbacks holds 2 Checkpoints: want one",
    ),
    (
        "weights-missing",
        lambda t: t.gan().load_weights(t.folder / "none.weights.h5"),
        (FileNotFoundError, "none.weights.h5"),
    ),
    ("weights-ending", lambda t: t.gan().save_weights(t.folder / "gan.txt"), r"must end in .*gan\.txt"),
    (
        "classifier-altered",
        lambda t: digit_labels(t.weights(lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:])),
        r"digits\.weights\.h5 is missing or altered: want that of SHA-256 \w{64}",
    ),
    (
        "classifier-cut",
        lambda t: digit_features(t.weights(lambda b: b[:5000])),
        r"digits\.weights\.h5 is .*altered",
    ),
    ("classifier-gone", lambda t: digit_labels(t.weights(lambda b: None)), r"digits\.weights\.h5 is missing"),
    # Toy data.
    ("ring-n_modes-string", lambda t: ring("8"), "n_modes='8': want an int"),
    ("ring-n_modes-true", lambda t: ring(True), "n_modes=True: want an int"),
    ("ring-n_modes-huge", lambda t: ring(2**31), "n_modes=2147483648: want an int from 1 to"),
    ("ring-radius-string", lambda t: ring(radius="2"), "radius='2': want a finite number above 0"),
    ("ring-radius-complex", lambda t: ring(radius=2j), "radius=2j: want a finite number above 0"),
    ("ring-radius-array", lambda t: ring(radius=np.ones(2)), "radius=array.*: want a finite number above 0"),
    ("ring-radius-nan", lambda t: ring(radius=np.nan), "radius=nan: want a finite number above 0"),
    ("ring-std-string", lambda t: ring(std="small"), "stds has dtype <U5: want numbers"),
    ("ring-std-three", lambda t: ring(std=[1, 2, 3]), r"stds=\[1.0, 2.0, 3.0\]: .*one or 8 of them"),
    ("grid-side-float", lambda t: grid(5.0), "side=5.0: want an int"),
    ("grid-spacing-infinite", lambda t: grid(spacing=np.inf), "spacing=inf: want a finite number"),
    ("mixture_1d-strings", lambda t: mixture_1d(["a", "b"]), "centers has dtype <U1: want numbers"),
    ("mixture_1d-far", lambda t: mixture_1d([0.0, 1e300]), r"centers holds 1e\+300 at index \(1,\)"),
    ("mixture-ragged", lambda t: Mixture(RAGGED, 1), "centers is no array: want examples of one shape"),
    ("mixture-empty", lambda t: Mixture([], 1), r"centers has shape \(0,\): want at least one example"),
    ("mixture-no-axis", lambda t: Mixture(np.zeros((2, 0)), 1), r"centers has shape \(2, 0\): want at least"),
    ("mixture-complex", lambda t: Mixture([1j, 2], 1), "centers has dtype complex128: want numbers"),
    ("mixture-weights-zero", lambda t: mixture_1d(weights=[0, 0]), r"weights=\[0.0, 0.0\]: want finite"),
    ("mixture-weights-nan", lambda t: mixture_1d(weights=[1, np.nan]), r"weights=\[1.0, nan\]: want finite"),
    ("mixture-weights-three", lambda t: mixture_1d(weights=[1, 1, 1]), "weights=.*one or 2 of them"),
    ("sample-none", lambda t: ring().sample(0, 0), "n=0: want an int of at least 1"),
    ("sample-half", lambda t: ring().sample(10.5, 0), "n=10.5: want an int"),
    ("sample-huge", lambda t: ring().sample(10**15, 0), "n=1000000000000000: want an int from 1 to"),
    ("sample-seed-none", lambda t: ring().sample(10, None), "seed=None: want an int from 0"),
    ("sample-seed-negative", lambda t: ring().sample(10, -1), "seed=-1: want an int from 0"),
    ("sample-seed-string", lambda t: ring().sample(10, "0"), "seed='0': want an int from 0"),
    ("density-ints", lambda t: ring().density([[0, 1]]), "x has dtype int64: want floats"),
    (
        "density-on-the-line",
        lambda t: ring().density([0.0, 1.0]),
        r"x has examples of shape \(\): want \(2,\)",
    ),
    ("density-nan", lambda t: ring().log_density([[0.0, np.nan]]), r"x holds nan at index \(0, 1\)"),
    # Pictures and pipelines.
    ("digits-low-string", lambda t: digits(low="0"), "low='0', high=1.0: want finite low < high"),
    ("digits-high-none", lambda t: digits(high=None), "low=-1.0, high=None: want finite low < high"),
    ("digits-high-nan", lambda t: digits(high=np.nan), "high=nan: want finite low < high"),
    ("digits-high-huge", lambda t: digits(high=1e39), r"high=1e\+39: want finite low < high, as float32"),
    ("digits-full-a-number", lambda t: digits(0.5), "full=0.5: want True or False"),
    ("cifar10-range", lambda t: cifar10(low=2), "low=2, high=1.0: want finite low < high"),
    ("batches-ragged", lambda t: batches(RAGGED), "x is no array: want examples of one shape"),
    ("batches-strings", lambda t: batches(["a", "b"]), "x has dtype <U1: want floats, and it holds .*'a'"),
    (
        "batches-path",
        lambda t: batches(t.folder),
        r"x=.*: want examples, such as .*pictures\('.*', size",
    ),
    ("batches-twice", lambda t: batches(batches(X)), "x comes from batches: want what that was given"),
    ("batches-endless", lambda t: batches(dataset(X).repeat()), "x is an endless dataset: want one pass"),
    ("batches-c-twice", lambda t: batches(dataset(X, LABELS), LABELS), "c was given beside a dataset"),
    ("batches-c-in-parts", lambda t: batches(X, {"a": X[1:]}), "c has 63 conditions: want 64"),
    ("pictures-no-folder", lambda t: pictures(t.folder / "none", 8), "folder='.*none': want the path of a"),
    ("pictures-of-nothing", lambda t: pictures(t.folder, 8), "folder='.*' holds no picture: want files with"),
    (
        "pictures-damaged",
        lambda t: [t.file("a.png"), pictures(t.folder, 8)],
        r"1 of the 1 pictures in .* cannot be read: a\.png, Unid.*: want them whole, or removed",
    ),
    ("pictures-size-string", lambda t: pictures(t.folder, "8"), "size=.*'8'.*: want an int or"),
    ("pictures-range", lambda t: pictures(t.folder, 8, low=1), "low=1, high=1.0: want finite low < high"),
    ("batches-no-number", lambda t: batches(np.zeros((5, 0))), r"x has shape \(5, 0\): want at least"),
    ("batches-size-large", lambda t: batches(X, batch_size=65), "batch_size=65: want at most the 64"),
    ("batches-batch_size-string", lambda t: batches(X, batch_size="8"), "batch_size='8': want an int"),
    ("batches-c-one-number", lambda t: batches(X, 3), r"c has dtype int64, shape \(\): want labels"),
    ("batches-c-names", lambda t: batches(X, LABELS.astype(str)), "c has dtype <U.*: want labels or floats"),
    ("batches-c-bools", lambda t: batches(X, LABELS > 1), "c has dtype bool.*: want labels or floats"),
    ("batches-c-nan", lambda t: batches(X, X * np.nan), r"c holds nan at index \(0, 0\)"),
    ("batches-c-too-many", lambda t: batches(X[:63], LABELS, 9), "c has 64 conditions: want 63"),
    ("batches-seed-string", lambda t: batches(X, seed="1"), "seed='1': want an int from 0"),
    ("batches-seed-negative", lambda t: batches(X, seed=-1), "seed=-1: want an int from 0"),
    ("batches-seed-huge", lambda t: batches(X, seed=2**64), "seed=18446744073709551616: want an int from 0"),
    ("faces-n-string", lambda t: faces("5", 0), "n='5': want an int"),
    ("faces-seed-none", lambda t: faces(5, None), "seed=None: want an int from 0"),
    ("faces-unknown", lambda t: faces(5, 0, beard=1), "beard: no such factor; want one of hair,"),
    ("faces-hair-negative", lambda t: faces(5, 0, hair=-1), "hair holds the label -1: .*below 4"),
    ("faces-hair-large", lambda t: faces(5, 0, hair=[0, 1, 2, 3, 4]), "hair holds the label 4: .*below 4"),
    ("faces-glasses-float", lambda t: faces(5, 0, glasses=1.0), "glasses has dtype float64.*: want integer"),
    ("faces-glasses-true", lambda t: faces(5, 0, glasses=True), "glasses has dtype bool.*: want integer"),
    ("faces-skin-name", lambda t: faces(5, 0, skin="pale"), r"skin=pale: want numbers in \[0, 1\]"),
    ("faces-pose-infinite", lambda t: faces(5, 0, pose=np.inf), r"pose=inf: want numbers in \[0, 1\]"),
    ("faces-pose-four", lambda t: faces(5, 0, pose=[0.5] * 4), r"pose has shape \(4,\): want one value or 5"),
    ("faces-pose-ragged", lambda t: faces(5, 0, pose=RAGGED), "pose is no array: want examples of one shape"),
    # Classifiers.
    (
        "digit_labels-none",
        lambda t: digit_labels(DIGITS[:0]),
        r"images has shape \(0, 28, 28, 1\): want at least one",
    ),
    (
        "digit_labels-one",
        lambda t: digit_labels(DIGITS[0]),
        r"images has examples of shape \(28, 1\): want \(28, 28",
    ),
    ("digit_labels-bytes", lambda t: digit_labels(DIGITS.astype("uint8")), "images has dtype uint8: want"),
    (
        "digit_features-range",
        lambda t: digit_features(DIGITS + 1.5),
        r"images has values from 1.5 to 1.5: .*\[-1, 1\]",
    ),
    (
        "face_factors-digits",
        lambda t: face_factors(DIGITS),
        r"images has examples of shape \(28, 28, 1\): want \(32,",
    ),
    (
        "digit_labels-from-0-to-1",
        lambda t: digit_labels(digits(low=0)[0][0]),
        r"images has values from 0 to 1: want \[-1, 1\], such as 2 \* images - 1 for those in \[0, 1\]",
    ),
    (
        "face_features-from-0-to-1",
        lambda t: face_features((faces(5, 0)[0] + 1) / 2),
        r"images has values from 0.0.* to .*: want \[-1, 1\], such as 2 \* images - 1",
    ),
    ("face_features-nan", lambda t: face_features(FACES * np.nan), r"images holds nan at index \(0, 0,"),
    # Claims and seeds.
    ("seed-negative", lambda t: seed(-1), "k=-1: want an int from 0 to 999"),
    ("seed-large", lambda t: seed(1000), "k=1000: want an int from 0 to 999"),
    ("seed-half", lambda t: seed(0.5), "k=0.5: want an int from 0 to 999"),
    ("seed-string", lambda t: seed("1"), "k='1': want an int from 0 to 999"),
    ("seed-shift-word", lambda t: [t.shift("one"), seed()], "GANBOOK_SEED='one': want an int"),
    ("seed-shift-empty", lambda t: [t.shift(""), seed()], "GANBOOK_SEED='': want an int"),
    ("seed-shift-large", lambda t: [t.shift("2000001"), seed()], "GANBOOK_SEED='2000001': want an int"),
    ("claim-no-bound", lambda t: claim("so", 1), "claim 'so': .*want exactly one"),
    (
        "claim-two-bounds",
        lambda t: claim("so", 1, at_least=0, at_most=2),
        "at_least=0, at_most=2, .*want exactly one",
    ),
    ("claim-nan-bound", lambda t: claim("so", 1, at_least=np.nan), "claim 'so': at_least=nan: want a number"),
    ("claim-word-bound", lambda t: claim("so", 1, at_most="2"), "claim 'so': at_most='2': want a number"),
    ("claim-within-one", lambda t: claim("so", 1, within=3), r"within=3: want \(low, high\)"),
    ("claim-within-three", lambda t: claim("so", 1, within=(0, 1, 2)), r"within=\(0, 1, 2\): want \(low"),
    ("claim-within-backwards", lambda t: claim("so", 1, within=(2, 0)), r"within=\(2, 0\): .*low <= high"),
    ("claim-within-nan", lambda t: claim("so", 1, within=(0, np.nan)), r"within=\(0, nan\): .*low <= high"),
    ("claim-value-word", lambda t: claim("so", "3", at_least=1), "claim 'so': value='3': want one number"),
    ("claim-value-none", lambda t: claim("so", None, at_least=1), "claim 'so': value=None: want one number"),
    ("claim-value-complex", lambda t: claim("so", 1j, at_least=1), "claim 'so': value=1j: want one number"),
    ("claim-value-array", lambda t: claim("so", X, at_least=1), r"value has shape \(64, 2\): want one"),
    # Divergences.
    ("kl-two-grids", lambda t: kl(P, P[1:], CELL), r"p has shape \(1601,\), q .*want one grid"),
    ("kl-negative", lambda t: kl(P - 0.1, P, CELL), r"p has values from -0\.09.*none below 0"),
    ("kl-nan", lambda t: kl(P, P * np.nan, CELL), "q has values from nan to nan: want finite"),
    ("kl-half", lambda t: kl(P / 2, P, CELL), "p integrates to 0.5 .*want 1"),
    ("kl-nothing", lambda t: kl([], [], CELL), "p integrates to 0 .*want 1"),
    ("kl-strings", lambda t: kl(P, P.astype(str), CELL), "q has dtype <U.*: want numbers"),
    ("kl-cell-string", lambda t: kl(P, P, "0.01"), "cell='0.01': want a finite number above 0"),
    ("js-pi-one", lambda t: js(P, P, CELL, 1), r"pi=1: want a number in \(0, 1\)"),
    ("js-pi-string", lambda t: js(P, P, CELL, "half"), r"pi='half': want a number in \(0, 1\)"),
    ("by_counts-space", lambda t: by_counts(np.zeros((5, 3)), [0, 1]), r"points has .*want \(2,\)"),
    ("by_counts-edges-fall", lambda t: by_counts(X, [1, 0]), r"edges=\[1.0, 0.0\]: .*increasing"),
    ("by_counts-edges-one", lambda t: by_counts(X, [1]), r"edges=\[1.0\]: want at least two"),
    ("by_counts-edges-nan", lambda t: by_counts(X, [0, np.nan, 1]), "edges=.*nan.*: want .*finite"),
    ("by_counts-edges-number", lambda t: by_counts(X, 10), "edges=10.0: want at least two"),
    ("optimum-two-grids", lambda t: optimal_discriminator(P, P[1:]), "p_data has .*p_g .*want one grid"),
    ("optimum-negative", lambda t: optimal_discriminator(P, -P), "p_g has the value -0.3.*none below 0"),
    ("optimum-nan", lambda t: optimal_discriminator([np.nan], [1]), "p_data has the value nan: .*no NaN"),
    ("optimum-strings", lambda t: optimal_discriminator(["a"], [1]), "p_data has dtype <U1: want numbers"),
    # Losses.
    ("label-zero", lambda t: Minimax(0), r"real_label=0: want a number in \(0, 1\]"),
    ("label-above-one", lambda t: NonSaturating(1.1), r"real_label=1.1: want a number in \(0, 1\]"),
    ("label-nan", lambda t: MaximumLikelihood(np.nan), r"real_label=nan: want a number in \(0, 1\]"),
    ("label-string", lambda t: Minimax("0.9"), r"real_label='0.9': want a number in \(0, 1\]"),
    ("label-true", lambda t: Minimax(True), r"real_label=True: want a number in \(0, 1\]"),
    ("label-complex", lambda t: NonSaturating(1j), r"real_label=1j: want a number in \(0, 1\]"),
    # Layers.
    ("reference-ints", lambda t: AddReference([[1, 2]]), "reference has dtype int64: want floats"),
    ("reference-empty", lambda t: AddReference(X[:0]), r"reference has shape \(0, 2\): want at least one"),
    ("reference-ragged", lambda t: AddReference(RAGGED), "reference is no array: want examples of one shape"),
    ("reference-unlike", lambda t: AddReference(X)(X[:, :1]), r"x has examples of shape \(1,\): want \(2,\)"),
    ("n_reference-float", lambda t: DropReference(4.0), "n_reference=4.0: want an int"),
    ("n_reference-too-many", lambda t: VirtualBatchNorm(65)(X), "x has 64 rows: want n_reference=65"),
    ("norm-epsilon-negative", lambda t: ReferenceBatchNorm(4, -1e-3), "epsilon=-0.001: want a finite number"),
    ("norm-epsilon-string", lambda t: VirtualBatchNorm(4, "1e-3"), "epsilon='1e-3': want a finite number"),
    # Metrics.
    ("counts-mixture", lambda t: mode_counts(X, "ring"), "mixture=str: want a ganbook.Mixture"),
    ("uneven-table", lambda t: unevenness(np.ones((2, 2))), "want a row of numbers of at least 0"),
    ("uneven-negative", lambda t: unevenness([3, -1]), "want a row of numbers of at least 0"),
    ("uneven-nan", lambda t: unevenness([3, np.nan]), "want a row"),
    ("uneven-nothing", lambda t: unevenness([0, 0]), "not all of them 0"),
    ("uneven-none", lambda t: unevenness([]), "not all of them 0"),
    ("uneven-text", lambda t: unevenness(["3", "1"]), "want a row"),
    ("modes-mixture", lambda t: modes_covered(X, "ring"), "mixture=str: want a ganbook.Mixture"),
    ("modes-centers", lambda t: high_quality_share(X, ring().centers), "mixture=ndarray: want"),
    ("modes-radius-string", lambda t: modes_covered(X, ring(), "3"), "radius='3': want a finite number"),
    ("modes-radius-zero", lambda t: high_quality_share(X, ring(), 0), "radius=0: want a finite number"),
    ("modes-samples", lambda t: modes_covered(X, ring(), min_samples=1.5), "min_samples=1.5: want an int"),
    (
        "modes-nan",
        lambda t: modes_covered(changed(X, np.nan), ring()),
        r"samples holds nan at index \(5, 1\)",
    ),
    (
        "modes-on-the-line",
        lambda t: modes_covered(X[:, 0], ring()),
        r"samples has examples of shape \(\): want",
    ),
    ("frechet-one", lambda t: frechet_distance(X, X[:1]), "b has 1 examples: want at least 2"),
    ("frechet-empty", lambda t: frechet_distance(X[:0], X), r"a has shape \(0, 2\): want at least one"),
    (
        "frechet-no-number",
        lambda t: frechet_distance(X[:, :0], X[:, :0]),
        r"a has shape \(64, 0\): want at least",
    ),
    ("frechet-ragged", lambda t: frechet_distance(RAGGED, X), "a is no array: want examples of one shape"),
    ("kernel-widths", lambda t: kernel_distance(X, X[:, :1]), r"b has examples of shape \(1,\): want \(2,\)"),
    ("kernel-complex", lambda t: kernel_distance(X, X * 1j), "b has dtype complex64: want floats"),
    ("neighbour-unequal", lambda t: nearest_neighbour_accuracy(X, X[1:]), "a has 64 examples, b has 63"),
    ("precision-k-large", lambda t: precision_recall(X, X[:5], 5), "data has 5 examples: want at least 6"),
    ("precision-k-string", lambda t: precision_recall(X, X, "3"), "k='3': want an int"),
    (
        "precision-pictures",
        lambda t: precision_recall(DIGITS, DIGITS),
        r"samples has examples of .*want \(None,\)",
    ),
    # Plots.
    ("tile-columns-zero", lambda t: plots.tile(FACES, 0), "columns=0: want an int"),
    ("tile-columns-uneven", lambda t: plots.tile(FACES, 3), "columns=3: want a divisor of the 2 images"),
    ("tile-gap-negative", lambda t: plots.tile(FACES, 2, gap=-1), "gap=-1: want an int from 0"),
    ("tile-gap-float", lambda t: plots.tile(FACES, 2, gap=1.5), "gap=1.5: want an int from 0"),
    ("tile-channels", lambda t: plots.tile(FACES[..., :2], 2), "images has 2 channels: want 1 or 3"),
    (
        "tile-no-pixel",
        lambda t: plots.tile(FACES[:, :0], 2),
        r"images has shape \(2, 0, 32, 3\): want at least one",
    ),
    ("tile-range", lambda t: plots.tile(FACES + 2, 2), r"images has values from 2 to 2: .*\[-1, 1\]"),
    ("gif-nothing", lambda t: plots.gif(None), "frames=None: want pictures"),
    ("gif-no-frame", lambda t: plots.gif([]), "frames has 0 pictures: want at least one"),
    ("gif-floats", lambda t: plots.gif([FRAME / 2.0]), "frames has pictures of dtype float64.*: want uint8"),
    (
        "gif-one-float",
        lambda t: plots.gif([FRAME, FRAME / 2.0]),
        "frames has pictures of dtype float64.*: want uint8",
    ),
    ("gif-flat", lambda t: plots.gif([FRAME[..., 0]]), r"frames has .*shape \(4, 4\): want uint8"),
    ("gif-ms-negative", lambda t: plots.gif([FRAME], ms=-1), "ms=-1: want an int from 0"),
    ("gif-ms-huge", lambda t: plots.gif([FRAME], ms=10**6), "ms=1000000: want an int from 0 to 655350"),
    ("gif-hold-string", lambda t: plots.gif([FRAME], hold_ms="2"), "hold_ms='2': want an int from 0"),
    ("gif-levels-zero", lambda t: plots.gif([FRAME], levels=0), "levels=0: want an int from 1 to 256"),
    ("gif-levels-many", lambda t: plots.gif([FRAME], levels=257), "levels=257: want an int from 1 to 256"),
]


@pytest.mark.parametrize(("call", "message"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_is_refused_and_nothing_was_done(call, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANBOOK_RECORD", str(tmp_path / "record"))  # where a claim would leave its value
    given = Given(tmp_path, monkeypatch)
    error, message = message if isinstance(message, tuple) else (ValueError, message)
    with pytest.raises(error, match=message):
        call(given)
    given.assert_as_it_was()
    assert capsys.readouterr().out == ""


def test_the_rows_are_told_apart():
    assert len({row[0] for row in ROWS}) == len(ROWS)


def test_what_lies_just_within_is_taken():
    """The rows refuse no more than they should."""
    for take in (
        lambda: mlp(np.int64(2), (), 1),
        lambda: mlp(2, iter([4]), 1),
        lambda: ring(np.int32(3), radius=np.float32(1), std=1),
        lambda: mixture_1d(0, 1).sample(3, np.random.default_rng(0)),
        lambda: ring().sample(3, 2**63 - 1),
        lambda: batches(X, LABELS.tolist(), batch_size=64, seed=0),
        lambda: batches(np.full((2, 1), 3e38), batch_size=1),
        lambda: faces(2, np.int64(0), hair=np.uint8(3), skin=1, pose=[0, 1.0]),
        lambda: claim("so", np.inf, at_least=np.inf),
        lambda: claim("so", tf.constant(1.0), within=[1, 1]),
        lambda: optimal_discriminator(P, 0.0),
        lambda: by_counts(X, (-1, 0, 1)),
        lambda: Minimax(np.float32(1)),
        lambda: plots.gif(iter([FRAME, FRAME]), ms=0, levels=1),
        lambda: plots.tile(FACES, 1, gap=0),
    ):
        take()


# Downloads, from a server that is not there, to a disk that is full.

CONTENT = b"what the archive should be" * 1000
CALLERS = {"digits": lambda: digits(full=True), "cifar10": cifar10, "svhn": svhn}


class Response(io.BytesIO):
    """What `urlopen` gives: `content`, said to be `length` long, and then perhaps an error."""

    def __init__(self, content, length=None, error=None):
        super().__init__(content)
        self.length, self.error = length, error

    def info(self):
        return {} if self.length is None else {"content-length": self.length, "Content-Length": self.length}

    def read(self, size=-1):
        block = super().read(size)
        if not block and self.error:
            raise self.error
        return block


@pytest.fixture
def server(monkeypatch):
    """Answers in place of the network: its `content`, or the `error` of a network that is not there."""

    class Server:
        content, error, requests = CONTENT, None, 0

        def respond(self):
            return Response(self.content)

        def urlopen(self, url, *_):
            self.requests += 1
            if self.error:
                raise self.error
            return self.respond()

    server = Server()
    monkeypatch.setattr(urllib.request, "urlopen", server.urlopen)
    return server


@pytest.fixture
def cache(tmp_path, monkeypatch, server):
    """Keras' cache in an empty folder, and the archives' SHA-256 that of CONTENT."""
    monkeypatch.setattr(
        keras.utils, "get_file", functools.partial(keras.utils.get_file, cache_dir=str(tmp_path))
    )
    for name in ("_MNIST", "_CIFAR10", "_SVHN_TRAIN", "_SVHN_TEST"):
        url, _ = getattr(data, name)
        monkeypatch.setattr(data, name, (url, hashlib.sha256(CONTENT).hexdigest()))
    return tmp_path / "datasets"


def files(folder):
    return [path.name for path in folder.rglob("*")]


@pytest.mark.parametrize("caller", CALLERS.values(), ids=CALLERS)
class TestDownloads:
    NETWORK = (
        r"(digits\(full=True\)|cifar10\(\)|svhn\(\)) downloads its data.*network\?.*digits\(\) and faces\(\)"
    )

    @pytest.mark.parametrize(
        "error",
        [
            urllib.error.URLError("Name or service not known"),
            urllib.error.HTTPError("https://localhost", 503, "Service Unavailable", {}, None),
            TimeoutError("timed out"),
            ConnectionResetError(errno.ECONNRESET, "reset by peer"),
        ],
    )
    def test_no_network(self, caller, server, cache, error):
        server.error = error
        with pytest.raises(ConnectionError, match=self.NETWORK):
            caller()
        assert server.requests == 1
        assert files(cache) == []

    @pytest.mark.parametrize(
        "response",
        [
            {"length": len(CONTENT)},
            {"error": ConnectionResetError(errno.ECONNRESET, "reset by peer")},
            {"error": http.client.IncompleteRead(b"")},
            {"error": OSError(errno.EHOSTUNREACH, "no route to host")},
        ],
    )
    def test_a_network_that_fails_half_way(self, caller, server, cache, response):
        server.respond = lambda: Response(CONTENT[:9000], **response)
        with pytest.raises(ConnectionError, match=self.NETWORK):
            caller()
        assert files(cache) == []

    @pytest.mark.parametrize(
        "content", [CONTENT[:9000], CONTENT[:-1] + b"!", b"", b"<html>Please log in</html>"]
    )
    def test_a_download_that_is_cut_or_altered(self, caller, server, cache, content):
        server.content = content
        with pytest.raises(
            ValueError, match=r"datasets.*is damaged: its SHA-256 is .* want .*removed, try again"
        ):
            caller()
        assert server.requests == 2  # once more, in case it was chance
        assert files(cache) == []

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
    def test_a_full_disk(self, caller, cache, monkeypatch, number):
        class Full(io.FileIO):
            def write(self, block):
                super().write(block[:100])
                raise OSError(number, os.strerror(number))

        self.open_with(monkeypatch, lambda path: Full(path, "w"))
        with pytest.raises(OSError, match=rf"Keras' cache.*{os.strerror(number)}.*KERAS_HOME") as caught:
            caller()
        assert not isinstance(caught.value, ConnectionError)
        assert caught.value.errno == number
        assert files(cache) == []

    @pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
    def test_a_cache_that_is_read_only(self, caller, cache, monkeypatch, number):
        def refuse(path):
            raise OSError(number, os.strerror(number), path)

        self.open_with(monkeypatch, refuse)
        with pytest.raises(OSError, match=rf"Keras' cache.*{os.strerror(number)}.*KERAS_HOME") as caught:
            caller()
        assert caught.value.errno == number
        assert files(cache) == []

    def test_a_cache_that_is_a_file(self, caller, cache):
        cache.write_bytes(b"mine")
        with pytest.raises(OSError, match=r"Keras' cache.*File exists.*KERAS_HOME"):
            caller()
        assert cache.read_bytes() == b"mine"

    def open_with(self, monkeypatch, write):
        """`open` as the downloading module sees it."""
        monkeypatch.setattr(urllib.request, "open", lambda path, mode: write(path), raising=False)


def test_a_download_is_made_once_and_checked_by_every_call(server, cache, monkeypatch):
    buffer, x = io.BytesIO(), np.zeros((2, 28, 28), "uint8")
    np.savez(buffer, x_train=x, y_train=np.arange(2), x_test=x[:1] + 255, y_test=np.array([7], "uint8"))
    server.content = buffer.getvalue()
    monkeypatch.setattr(data, "_MNIST", (data._MNIST[0], hashlib.sha256(server.content).hexdigest()))
    for _ in range(2):
        (_, y), (x_test, y_test) = digits(full=True)
        assert (y.tolist(), y_test.tolist(), x_test.min()) == ([0, 1], [7], 1)
    assert server.requests == 1
    (cache / "mnist.npz").write_bytes(server.content[:-1])
    digits(full=True)
    assert server.requests == 2
    assert (cache / "mnist.npz").read_bytes() == server.content


@pytest.mark.parametrize("name", ["_MNIST", "_CIFAR10", "_SVHN_TRAIN"])
def test_what_a_killed_download_leaves_is_replaced_or_removed(name, server, cache):
    url, sha256 = getattr(data, name)
    file = cache / url.split("/")[-1]
    cache.mkdir()
    file.write_bytes(CONTENT[:9000])
    assert data._download("f()", url, sha256) == CONTENT == file.read_bytes()
    file.write_bytes(CONTENT[:9000])
    server.error = urllib.error.URLError("unreachable")
    with pytest.raises(ConnectionError, match=r"f\(\) downloads its data"):
        data._download("f()", url, sha256)
    assert server.requests == 2
    assert files(cache) == []


def test_no_pickle_is_loaded(server, cache, monkeypatch, tmp_path):
    """Not even where the SHA-256 is right."""

    class Harmful:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harm"),)

    buffer = io.BytesIO()
    np.savez(buffer, x_train=np.array([Harmful()], object))
    server.content = buffer.getvalue()
    monkeypatch.setattr(data, "_MNIST", (data._MNIST[0], hashlib.sha256(server.content).hexdigest()))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        digits(full=True)
    assert not (tmp_path / "harm").exists()
