"""A folder of pictures: what is read, how it is scaled, and what is said of files that cannot be."""

import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ganbook import batches, folder, pictures, plots

RNG = np.random.default_rng(0)


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype="uint8")


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)


@pytest.fixture(params=[folder.KEPT, 0], ids=["kept", "decoded when drawn"])
def kept(request, monkeypatch):
    monkeypatch.setattr(folder, "KEPT", request.param)
    return request.param


class TestPixels:
    def test_what_was_saved_is_read(self, tmp_path, kept):
        saved = {f"{i:02}.png": noise(8, 8, 3) for i in range(12)}
        for name, pixels in saved.items():
            save(tmp_path / name, pixels)
        x = pictures(tmp_path, 8)
        wanted = np.stack([*saved.values()])
        assert (len(x), x.shape) == (12, (12, 8, 8, 3))
        assert x[:].dtype == np.float32
        np.testing.assert_allclose(x[:], wanted / 127.5 - 1, atol=1e-6)
        rows = np.array([[3, 0], [11, 3]])
        np.testing.assert_array_equal(x[rows], x[:][rows])
        np.testing.assert_array_equal(x[5], x[:][5])
        np.testing.assert_array_equal(x[-1], x[:][-1])
        np.testing.assert_array_equal(np.asarray(x), x[:])
        np.testing.assert_allclose(pictures(tmp_path, 8, low=0.0)[:], wanted / 255, atol=1e-6)
        np.testing.assert_array_equal(pictures(tmp_path, 8, low=0, high=255)[:], wanted)
        assert plots.tile(x, 4).shape == (3 * 10 - 2, 4 * 10 - 2, 3)
        np.testing.assert_array_equal(plots.tile(x, 12)[:, :8], wanted[0])

    def test_they_are_cut_to_their_middle(self, tmp_path):
        """Three stripes: of a wide picture and of a tall one the middle is left."""
        stripes = np.repeat(np.array([10, 200, 90], "uint8"), 20)
        wide = np.broadcast_to(stripes, (20, 60))
        save(tmp_path / "wide.png", wide.copy())
        save(tmp_path / "tall.png", wide.T.copy())
        x = pictures(tmp_path, 4, channels=1, low=0, high=255)
        assert x.shape == (2, 4, 4, 1)
        assert abs(x[:][:, 1:3, 1:3] - 200).max() < 5
        assert abs(x[:] - 200).max() < 20  # at the edge, Pillow's filter sees a little of the stripe beyond

    def test_height_comes_before_width(self, tmp_path):
        columns = np.broadcast_to(np.arange(40, dtype="uint8") * 6, (40, 40)).copy()
        save(tmp_path / "a.png", columns)
        x = pictures(tmp_path, (40, 20), channels=1, low=0, high=255)[:]
        assert x.shape == (1, 40, 20, 1)
        np.testing.assert_array_equal(x[0, :, :, 0], columns[:, 10:30])

    def test_they_are_made_larger_and_smaller_without_a_shift(self, tmp_path):
        ramp = np.broadcast_to(np.arange(0, 256, 4, dtype="uint8"), (64, 64)).copy()
        save(tmp_path / "a.png", ramp)
        for size in (16, 128):
            x = pictures(tmp_path, size, channels=1, low=0, high=255)[0][..., 0]
            centres = (np.arange(size) + 0.5) * 256 / size - 2
            inner = slice(size // 8, -size // 8)
            np.testing.assert_allclose(x[size // 2, inner], centres[inner], atol=2)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_turns_them_upright(self, tmp_path, orientation):
        """Each of the eight ways to lay a picture, undone by the transposition that the number means."""
        ways = [None, *(Image.Transpose(k) for k in (0, 3, 1, 5, 4, 6, 2))]  # as in EXIF 2.3, 4.6.4, inverted
        upright = np.zeros((16, 16, 3), "uint8")
        upright[:8, :8], upright[:8, 8:], upright[8:, :8] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
        undo = {4: 2, 2: 4}  # rotations; the others undo themselves
        laid = Image.fromarray(upright)
        way = ways[orientation - 1]
        if way is not None:
            laid = laid.transpose(Image.Transpose(undo.get(int(way), int(way))))
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(tmp_path / "a.png", laid, exif=exif)
        np.testing.assert_allclose(pictures(tmp_path, 16, low=0, high=255)[0], upright)

    def test_every_mode(self, tmp_path):
        grey = np.linspace(0, 255, 64).astype("uint8").reshape(8, 8)
        colour = np.stack([grey, grey[::-1], grey.T], axis=-1)
        alpha = np.where(np.arange(64).reshape(8, 8) % 2, 255, 0).astype("uint8")
        on_white = np.where(alpha[..., None] == 255, colour, 255)
        three = np.repeat(grey[..., None], 3, axis=-1)
        few = Image.fromarray(colour).quantize(16)
        cases = {
            "grey": (grey, three),
            "grey and alpha": (np.stack([grey, alpha], -1), np.where(alpha[..., None] == 255, three, 255)),
            "colour": (colour, colour),
            "colour and alpha": (np.concatenate([colour, alpha[..., None]], -1), on_white),
            "16 bits": (grey.astype("uint16") * 257, three),
            "palette": (few, np.asarray(few.convert("RGB"))),
            "one bit": (Image.fromarray(grey > 99), np.where(three > 99, 255, 0)),
        }
        for name, (pixels, _) in cases.items():
            save(tmp_path / "png" / f"{name}.png", pixels)
        save(tmp_path / "png" / "transparent palette.png", Image.new("P", (8, 8), 0), transparency=0)
        cases["transparent palette"] = (None, np.full((8, 8, 3), 255))
        x = pictures(tmp_path / "png", 8, low=0, high=255)
        for i, file in enumerate(x.files):
            np.testing.assert_allclose(x[i], cases[file.stem][1], atol=1, err_msg=file.stem)
        one = pictures(tmp_path / "png", 8, channels=1, low=0, high=255)
        np.testing.assert_allclose(one[[*map(str, one.files)].index("16 bits.png")][..., 0], grey, atol=1)

    def test_other_formats(self, tmp_path):
        flat = np.broadcast_to(np.array([200, 40, 90], "uint8"), (16, 16, 3)).copy()
        save(tmp_path / "a.jpg", flat, quality=95)
        save(tmp_path / "b.JPEG", Image.fromarray(flat).convert("CMYK"), quality=95)
        save(tmp_path / "c.webp", flat, lossless=True)
        save(tmp_path / "d.tiff", flat)
        save(tmp_path / "e.bmp", flat)
        frames = [Image.fromarray(flat), Image.fromarray(255 - flat)]
        frames[0].save(tmp_path / "f.gif", save_all=True, append_images=frames[1:])
        x = pictures(tmp_path, 8, low=0, high=255)
        assert [file.name for file in x.files] == ["a.jpg", "b.JPEG", "c.webp", "d.tiff", "e.bmp", "f.gif"]
        for i in range(len(x)):
            np.testing.assert_allclose(
                x[i], np.broadcast_to(flat[0, 0], (8, 8, 3)), atol=4, err_msg=x.files[i]
            )

    def test_a_large_jpeg_is_read_like_a_small_one(self, tmp_path):
        """It is decoded smaller; what comes out is what Pillow makes of the whole."""
        ramp = np.add.outer(np.arange(900), np.arange(1200)) / 2100 * 255
        image = Image.fromarray(ramp.astype("uint8")).convert("RGB")
        save(tmp_path / "a.jpg", image, quality=95)
        wanted = np.asarray(image.crop((150, 0, 1050, 900)).resize((32, 32), Image.Resampling.BICUBIC))
        np.testing.assert_allclose(pictures(tmp_path, 32, low=0, high=255)[0], wanted, atol=3)


class TestFiles:
    def test_order_labels_and_what_is_passed_over(self, tmp_path, kept):
        names = ["cat/10.png", "cat/9.png", "dog/deep/1.png", "ant/a.PNG"]
        for i, name in enumerate(names):
            save(tmp_path / name, np.full((4, 4), 50 * i, "uint8"))
        for name in (".hidden.png", "cat/.hidden.png", ".cache/a.png", "cat/._9.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(b"no picture")
        (tmp_path / "cat/labels.csv").write_bytes(b"1, 2")
        (tmp_path / "README").write_bytes(b"")
        (tmp_path / "folder.png").mkdir()
        x = pictures(str(tmp_path), 4, channels=1, low=0, high=255)
        assert [file.as_posix() for file in x.files] == [
            "ant/a.PNG",
            "cat/10.png",
            "cat/9.png",
            "dog/deep/1.png",
        ]
        assert x[:][:, 0, 0, 0].tolist() == [150, 0, 50, 100]
        assert x.names == ["ant", "cat", "dog"]
        assert x.labels.tolist() == [0, 1, 1, 2]
        assert x.labels.dtype == np.int64
        save(tmp_path / "top.png", np.zeros((4, 4), "uint8"))
        x = pictures(tmp_path, 4)
        assert (len(x), x.names, x.labels) == (5, [], None)

    def test_damaged_files_are_named_before_anything_is_trained(self, tmp_path, kept):
        for i in range(3):
            save(tmp_path / f"{i}.jpg", noise(64, 64, 3))
        whole = (tmp_path / "0.jpg").read_bytes()
        (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
        (tmp_path / "empty.png").write_bytes(b"")
        (tmp_path / "html.gif").write_bytes(b"<html>Please log in</html>")
        with pytest.raises(ValueError, match=r"3 of the 6 pictures in .* cannot be read: ") as caught:
            pictures(tmp_path, 8)
        for name in ("cut.jpg, OSError: .*truncated", "empty.png, Unidentified", "html.gif, Unidentified"):
            caught.match(name)
        assert caught.match("want them whole, or removed")
        assert "0.jpg" not in str(caught.value)

    def test_of_many_damaged_files_five_are_named(self, tmp_path):
        for i in range(5):
            (tmp_path / f"{i}.png").write_bytes(b"")
        with pytest.raises(ValueError, match=r"^5 of the 5 .* 0.png.* 4.png[^;]*: want them"):
            pictures(tmp_path, 8)
        for i in range(5, 9):
            (tmp_path / f"{i}.png").write_bytes(b"")
        with pytest.raises(ValueError, match=r"^9 of the 9 .* 0.png.* 4.png[^;]*; and 4 more: want them"):
            pictures(tmp_path, 8)

    def test_a_relative_path_stays_right_elsewhere(self, tmp_path, kept, monkeypatch):
        save(tmp_path / "photos" / "a.png", noise(4, 4, 3))
        monkeypatch.chdir(tmp_path)
        x = pictures("photos", 4)
        monkeypatch.chdir("/")
        assert x[:].shape == (1, 4, 4, 3)

    @pytest.mark.parametrize(
        ("low", "high", "dtype"), [(0, 1, "float32"), (-1, 300, "int32"), (0, 65_536, "int32")]
    )
    def test_greys_of_an_unknown_range_are_refused(self, tmp_path, low, high, dtype):
        save(tmp_path / "a.tif", np.linspace(low, high, 64).reshape(8, 8).astype(dtype))
        with pytest.raises(
            ValueError,
            match=rf"a\.tif, ValueError: its greys are {dtype} from {low}\S* to {high}\S*, want 8 or",
        ):
            pictures(tmp_path, 8)

    def test_pixels_are_kept_up_to_a_bound(self, tmp_path, monkeypatch):
        save(tmp_path / "a.png", noise(4, 4, 3))
        for bound, kept in ((48, True), (47, False)):
            monkeypatch.setattr(folder, "KEPT", bound)
            x = pictures(tmp_path, 4)
            first = x[:]
            (tmp_path / "a.png").rename(tmp_path / "away")
            if kept:
                np.testing.assert_array_equal(x[:], first)
            else:
                with pytest.raises(FileNotFoundError, match=r"a\.png"):
                    x[:]
            (tmp_path / "away").rename(tmp_path / "a.png")

    @pytest.mark.skipif(os.name == "nt", reason="links need a right there")
    def test_a_link_that_leads_nowhere_or_round(self, tmp_path):
        save(tmp_path / "a.png", noise(4, 4, 3))
        (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
        assert len(pictures(tmp_path, 4)) == 1
        (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
        with pytest.raises(ValueError, match=r"gone\.png, FileNotFoundError"):
            pictures(tmp_path, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folder": "no/such/folder"}, r"folder='no/such/folder': want the path of a folder"),
        ({"folder": __file__}, r"folder='.*test_folder.py': want the path of a folder"),
        ({"folder": None}, "folder='None': want the path of a folder"),
        ({}, r"folder='.*' holds no picture: want files with .bmp .gif .jpeg"),
        ({"size": 0}, "size=0: want an int of at least 1"),
        ({"size": (8, 8, 3)}, r"size=\(8, 8, 3\): want an int or \(height, width\)"),
        ({"size": None}, r"size=None: want an int or \(height, width\)"),
        ({"size": 8.0}, r"size=8.0: want an int or \(height, width\)"),
        ({"channels": 4}, "channels=4: want 1 or 3"),
        ({"low": 1.0}, r"low=1.0, high=1.0: want finite low < high"),
    ],
)
def test_bad_input(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        pictures(**{"folder": tmp_path, "size": 8} | arguments)


class TestBatches:
    @pytest.fixture
    def x(self, tmp_path, kept):
        for i in range(10):
            save(tmp_path / f"{'ab'[i % 2]}/{i}.png", noise(4, 4, 3))
        return pictures(tmp_path, 4)

    def test_the_order_is_that_of_an_array(self, x):
        for c in (None, x.labels, (x.labels, x[:])):
            lazy, whole = (batches(a, c, batch_size=3, seed=5) for a in (x, x[:]))
            assert lazy.element_spec == whole.element_spec
            assert int(lazy.cardinality()) == 3
            for a, b in zip(lazy.repeat(3), whole.repeat(3), strict=True):
                for part, other in zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True):
                    np.testing.assert_array_equal(part, other)

    def test_fit_looks_without_using_up_the_order(self, x):
        dataset = batches(x, x.labels, batch_size=3, seed=5)
        look, c = dataset.ganbook_arrays
        assert (look.shape[1:], len(look)) == ((4, 4, 3), len(c))
        first = [c.numpy().tolist() for _, c in dataset]
        assert first == [c.numpy().tolist() for _, c in batches(x, x.labels, batch_size=3, seed=5)]


def test_a_look_holds_every_extreme_condition(tmp_path):
    save(tmp_path / "a.png", noise(4, 4, 3))
    for i in range(199):
        os.link(tmp_path / "a.png", tmp_path / f"b{i}.png")
    c, pairs = np.ones(200, "int64"), np.ones((200, 2), "int64")
    c[[17, 101]] = -1, 7
    pairs[20], pairs[103, 1], pairs[150, 0] = (-4, 5), -5, 6
    look, conditions = batches(pictures(tmp_path, 4), (c, pairs)).ganbook_arrays
    assert 60 < len(look) < 70
    assert (conditions[0].min(), conditions[0].max()) == (-1, 7)
    assert (conditions[1].min(), conditions[1].max()) == (-5, 6)
    assert conditions[1].shape == (len(look), 2)
