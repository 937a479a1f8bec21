"""The faces are what their factors say; and so is what the classifiers read off pictures."""

import hashlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganbook import (
    cartoons,
    classifiers,
    digit_features,
    digit_labels,
    digits,
    face_factors,
    face_features,
    faces,
)


def test_shapes_and_ranges():
    x, factors = faces(300, seed=0)
    assert (x.shape, x.dtype) == ((300, 32, 32, 3), np.float32)
    assert -1 <= x.min() < -0.7
    assert 0.9 < x.max() <= 1
    assert set(factors) == set(cartoons.FACTORS)
    for name, k in cartoons.FACTORS.items():
        if k:
            assert factors[name].dtype == np.int64
            assert set(factors[name]) == set(range(k))
        else:
            assert factors[name].dtype == np.float64
            assert factors[name].min() < 0.05
            assert factors[name].max() > 0.95


def test_a_seed_gives_the_same_faces_and_another_gives_others():
    (x, _), (again, _), (other, _) = faces(60, seed=1), faces(60, seed=1), faces(60, seed=2)
    np.testing.assert_array_equal(x, again)
    assert np.abs(x - other).mean() > 0.1
    # However many are asked for at once.
    np.testing.assert_array_equal(faces(60, seed=1, **faces(60, seed=1)[1])[0], x)


@pytest.mark.parametrize(("size", "n"), [(16, 200), (32, 200), (64, 100), (256, 2)])
def test_the_boxes_cut_nothing_off(monkeypatch, size, n):
    """Every shape is painted in a box, for speed: the same pictures where each box is the whole picture."""
    corners = [{"pose": pose, "hair": hair} for pose in (0, 0.5, 1) for hair in range(4)]
    calls = [(n, {}), *((max(n // 10, 1), fixed) for fixed in corners)]
    boxed = [faces(n, 7, size, **fixed)[0] for n, fixed in calls]
    monkeypatch.setattr(cartoons, "_pixels", lambda ticks, low, high: slice(0, len(ticks)))
    for (n, fixed), x in zip(calls, boxed, strict=True):
        np.testing.assert_array_equal(faces(n, 7, size, **fixed)[0], x)


@pytest.mark.parametrize(
    ("seed", "fixed", "sha256"),
    [
        (0, {}, "27199de462a26f2b11359250a8af020d859377a0f53e762360159409d1c66b6a"),
        (1, {"hair": 2, "glasses": 1}, "7409aaadc0d9911f72a413c11e4a73b3e5fccaed3cc6e2ca21fe4d3829740991"),
        (
            2,
            {"pose": 1, "skin": 0.5, "smile": 0},
            "96fe674471ab69f6555bf980d20f1bfc85abf3bca601bac4904abef0c2f0dea8",
        ),
        (
            3,
            {"hair": 3, "background": 0.2, "hair_color": 4},
            "44542e5568ee567db6ed14d3b5825a8f56cc6e43fe47a87a2e16f44312021dfa",
        ),
    ],
)
def test_the_faces_of_the_chapters(seed, fixed, sha256):
    """To the last bit those that were drawn when 32 x 32 was the only size."""
    x, _ = faces(7, seed, **fixed)
    assert hashlib.sha256(x.tobytes()).hexdigest() == sha256


class TestSize:
    @pytest.mark.parametrize("size", [16, 33, 64, 256])
    def test_the_same_factors_at_every_size(self, size):
        (x, factors), (_, others) = faces(5, 9, size, glasses=1), faces(5, 9, glasses=1)
        assert (x.shape, x.dtype) == ((5, size, size, 3), np.float32)
        for name, values in factors.items():
            np.testing.assert_array_equal(values, others[name])

    def test_a_large_face_made_smaller_is_the_small_one(self):
        """But for edges: of 3,000 faces the farthest is 0.0088 off, and the nearest wrong pair 0.054."""
        (large, _), (small, _) = faces(1000, seed=5, size=64), faces(1000, seed=5)
        halved = large.reshape(1000, 32, 2, 32, 2, 3).mean((2, 4))
        assert np.abs(halved - small).mean((1, 2, 3)).max() < 0.012
        assert np.abs(halved[1:] - small[:-1]).mean((1, 2, 3)).min() > 0.04

    @pytest.mark.parametrize("size", [16, 32, 64, 256])
    def test_an_edge_is_one_pixel_wide(self, size):
        """From long hair to the background: its side is a straight line, within a pixel at each size."""
        (x,), _ = faces(1, 0, size, hair=cartoons.HAIR.index("long"))
        row = x[int(0.68 * size), int(0.8 * size) :]
        blended = (row != row[0]).any(axis=1) & (row != row[-1]).any(axis=1)
        assert not np.array_equal(row[0], row[-1])
        assert blended.sum() == 1

    @pytest.mark.parametrize("size", [15, 257, 32.0, True, "64"])
    def test_bad_size(self, size):
        with pytest.raises(ValueError, match=rf"size={size!r}: want an int from 16 to 256"):
            faces(1, seed=0, size=size)


def test_a_face_does_not_depend_on_those_drawn_with_it():
    x, factors = faces(130, seed=8)
    assert x.flags.c_contiguous
    for i in (0, 57, 129):
        alone, _ = faces(1, seed=0, **{name: values[i] for name, values in factors.items()})
        np.testing.assert_array_equal(alone[0], x[i])


def test_factors_are_independent():
    _, factors = faces(4000, seed=3)
    values = np.stack([v.astype("float64") for v in factors.values()])
    correlation = np.corrcoef(values) - np.eye(len(values))
    assert np.abs(correlation).max() < 0.08  # five standard errors


@pytest.mark.parametrize("name", cartoons.FACTORS)
def test_fixing_one_factor_changes_it_alone(name):
    top = (cartoons.FACTORS[name] or 2) - 1
    (low, f_low), (high, f_high) = faces(50, seed=4, **{name: 0}), faces(50, seed=4, **{name: top})
    assert set(f_low[name]) == {0}
    assert set(f_high[name]) == {top}
    for other in set(cartoons.FACTORS) - {name}:
        np.testing.assert_array_equal(f_low[other], f_high[other])
    changed = np.abs(low - high).max(axis=(1, 2, 3))
    assert changed.min() > 0.2  # it can be seen on every face


def test_glasses_lie_about_the_eyes_only():
    without, with_glasses = faces(50, seed=5, glasses=0)[0], faces(50, seed=5, glasses=1)[0]
    rows = np.abs(without - with_glasses).max(axis=(0, 2, 3))
    assert rows[:10].max() == 0
    assert rows[20:].max() == 0
    assert rows[12:18].min() > 0.2


@pytest.mark.parametrize(
    ("fixed", "message"),
    [
        ({"hat": 1}, "hat: no such factor; want one of hair, hair_color, glasses"),
        ({"glasses": 2}, "glasses holds the label 2: want labels of at least 0 and below 2"),
        ({"glasses": 0.5}, "glasses has dtype float64"),
        ({"skin": 1.5}, r"skin=1.5: want numbers in \[0, 1\]"),
        ({"skin": np.nan}, "skin=nan: want numbers"),
        ({"pose": [0.1, 0.2]}, r"pose has shape \(2,\): want one value or 5"),
    ],
)
def test_bad_factors(fixed, message):
    with pytest.raises(ValueError, match=message):
        faces(5, seed=0, **fixed)


def test_bad_number():
    with pytest.raises(ValueError, match="n=0: want an int"):
        faces(0, seed=0)


class TestClassifiers:
    """They never saw these pictures: held-out digits, and faces of a seed of their own."""

    def test_digits(self):
        _, (x, y) = digits()
        labels = digit_labels(x)
        assert labels.dtype == np.int64
        assert (labels == y).mean() >= 0.98

    def test_faces(self):
        x, true = faces(1000, seed=6)
        read = face_factors(x)
        for name, k in cartoons.FACTORS.items():
            assert read[name].dtype == true[name].dtype
            if k:
                assert (read[name] == true[name]).mean() >= 0.99, name
            else:
                assert np.abs(read[name] - true[name]).mean() <= 0.04, name

    def test_features_are_one_vector_a_picture_whatever_its_neighbours(self):
        x = digits()[1][0][:30]
        features = digit_features(x)
        assert (features.shape, features.dtype) == ((30, 64), np.float32)
        np.testing.assert_allclose(digit_features(x[7:8]), features[7:8], rtol=1e-4, atol=1e-4)
        assert face_features(faces(3, seed=0)[0]).shape == (3, 64)
        assert (features >= 0).all()
        assert features.std() > 0.1

    def test_loading_uses_up_no_random_number(self):
        import random

        keras.utils.set_random_seed(1)
        classifiers._trained.cache_clear()
        digit_labels(np.zeros((1, 28, 28, 1), "float32"))
        after = random.random(), float(keras.random.normal(()))
        keras.utils.set_random_seed(1)
        assert after == (random.random(), float(keras.random.normal(())))

    @pytest.mark.parametrize(
        "setting",
        [
            lambda: keras.config.set_dtype_policy("mixed_float16"),
            lambda: keras.config.set_dtype_policy("mixed_bfloat16"),
            lambda: keras.config.set_dtype_policy("float64"),
            lambda: keras.config.set_floatx("float16"),
            lambda: keras.config.set_floatx("float64"),
            lambda: keras.config.set_image_data_format("channels_first"),
        ],
        ids=["mixed_float16", "mixed_bfloat16", "float64", "floatx16", "floatx64", "channels_first"],
    )
    def test_keras_settings_change_nothing(self, setting):
        """Neither those of the first call, in which the network is built, nor those of a later one."""
        calls = {digit_features: digits()[1][0][:9], face_features: faces(9, seed=0)[0]}
        plain = {read: read(x) for read, x in calls.items()}
        before = keras.config.dtype_policy(), keras.config.floatx(), keras.config.image_data_format()
        try:
            setting()
            for clear in (lambda: None, classifiers._trained.cache_clear):
                clear()
                for read, x in calls.items():
                    assert read(x).dtype == np.float32
                    np.testing.assert_array_equal(read(x), plain[read])
        finally:
            keras.config.set_dtype_policy(before[0])
            keras.config.set_floatx(before[1])
            keras.config.set_image_data_format(before[2])
            classifiers._trained.cache_clear()

    def test_in_the_scope_of_several_devices(self):
        """In a process of its own: logical devices are set before TensorFlow starts."""
        code = (
            "import numpy as np, tensorflow as tf\n"
            "cpu = tf.config.list_physical_devices('CPU')[0]\n"
            "tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)\n"
            "from ganbook import digit_labels, digits\n"
            "x, y = digits()[1]\n"
            "with tf.distribute.MirroredStrategy(['CPU:0', 'CPU:1']).scope():\n"
            "    labels = digit_labels(x)\n"
            "assert (labels == y).mean() >= 0.98\n"
            "assert digit_labels(x[:1]).tolist() == labels[:1].tolist()\n"
        )
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr[-2000:]

    def test_small_floats(self):
        """What a generator of mixed precision makes: read as the float32 of the same value."""
        x = tf.cast(digits()[1][0][:50], "bfloat16")
        np.testing.assert_array_equal(digit_features(x), digit_features(tf.cast(x, "float32")))

    def test_many_pictures_are_read_like_few(self):
        x = digits()[0][0][:1001]
        parts = [digit_features(x[i : i + 250]) for i in range(0, 1001, 250)]
        np.testing.assert_allclose(digit_features(x), np.concatenate(parts), rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("n", [1, 200])
    def test_pictures_from_0_to_1_are_refused(self, n):
        message = r"images has values from 0.* to .*: want \[-1, 1\], such as 2 \* images - 1"
        for read in (digit_labels, digit_features):
            with pytest.raises(ValueError, match=message):
                read(digits(low=0.0)[0][0][:n])
        for read in (face_factors, face_features):
            with pytest.raises(ValueError, match=message):
                read((faces(n, seed=0)[0] + 1) / 2)

    @pytest.mark.parametrize("level", [-1.0, 0.0, 0.3, 1.0])
    def test_what_a_failed_generator_makes_is_read(self, level):
        assert len(digit_labels(np.full((3, 28, 28, 1), level))) == 3
        assert len(face_features(np.full((3, 32, 32, 3), level))) == 3

    @pytest.mark.parametrize("read", [digit_labels, digit_features])
    def test_bad_pictures(self, read):
        with pytest.raises(
            ValueError, match=r"images has examples of shape \(32, 32, 3\): want \(28, 28, 1\)"
        ):
            read(np.zeros((2, 32, 32, 3), "float32"))
        with pytest.raises(ValueError, match=r"images has values from 255 to 255: want floats in \[-1, 1\]"):
            read(np.full((2, 28, 28, 1), 255.0))
        with pytest.raises(ValueError, match="images has dtype uint8"):
            read(np.zeros((2, 28, 28, 1), "uint8"))
