import io
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from ganbook import plots


@pytest.mark.parametrize("channels", [1, 3])
def test_tile_puts_every_image_in_its_place(channels):
    images = np.random.default_rng(0).uniform(-1, 1, (6, 4, 5, channels)).astype("float32")
    picture = plots.tile(images, columns=3, gap=2)
    assert picture.shape == (4 * 2 + 2, 5 * 3 + 4, channels)
    assert picture.dtype == "uint8"
    for i, image in enumerate(images):
        row, column = divmod(i, 3)
        part = picture[row * 6 : row * 6 + 4, column * 7 : column * 7 + 5]
        np.testing.assert_allclose(part / 127.5 - 1, image, atol=1 / 127)
    assert (picture[4:6] == 255).all()
    assert (picture[:, 5:7] == 255).all()


def test_pictures_from_0_to_1_come_with_a_warning():
    x = np.random.default_rng(0).uniform(0, 1, (4, 5, 5, 1))
    with pytest.warns(UserWarning, match=r"images has values from 0.* to .*: want 2 \* images - 1") as caught:
        plots.tile(x, 2)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.tile(2 * x - 1, 2)
        plots.tile(np.zeros((4, 5, 5, 3)), 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_gif_plays_all_frames_for_ever(channels):
    frames = [np.full((6, 8, channels), level, "uint8") for level in (0, 128, 255)]
    animation = Image.open(io.BytesIO(plots.gif(frames, ms=100, hold_ms=500)))
    assert (animation.n_frames, animation.size, animation.info["loop"]) == (3, (8, 6), 0)
    for i, level in enumerate((0, 128, 255)):
        animation.seek(i)
        assert abs(np.asarray(animation.convert("L")).astype(int) - level).max() <= 2
        assert animation.info["duration"] == (500 if i == 2 else 100)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.tile(np.zeros((4, 2, 2)), 2), "images has examples of shape"),
        (lambda: plots.tile(np.zeros((4, 2, 2, 1)), 3), "columns=3: want a divisor of the 4 images"),
        (lambda: plots.tile(np.full((4, 2, 2, 1), 255.0), 2), "images has values from 255 to 255: want"),
        (lambda: plots.tile(np.zeros((4, 2, 2, 1), "uint8"), 2), "images has dtype uint8"),
        (lambda: plots.gif([]), "frames has 0 pictures"),
        (lambda: plots.gif([np.zeros((2, 2, 1)), np.zeros((3, 2, 1))]), "all of one shape"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_style_is_found_and_has_the_colours_of_the_roles():
    with plt.style.context("ganbook.book"):
        cycle = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    assert [f"#{c.lstrip('#')}" for c in cycle[:3]] == [plots.DATA, plots.SAMPLES, plots.DISCRIMINATOR]
