"""The paste of the chapter on one's own pictures: started in a folder of one's own, killed, started again."""

import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from chapters import BOOK
from PIL import Image

import ganbook


def paste():
    text = (BOOK / "images/own-pictures.ipynb").read_text(encoding="utf-8")
    cells = json.loads(text)["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    (script,) = re.findall(r"```python\n(.*?)```", prose, re.DOTALL)
    return script


def test_it_is_short():
    assert len(paste().splitlines()) <= 60
    assert max(map(len, paste().splitlines())) <= 99


@pytest.fixture
def folder(tmp_path):
    """Faces of several sizes, and the script with few epochs."""
    (tmp_path / "photos").mkdir()
    for i, face in enumerate(ganbook.faces(160, seed=0, size=48)[0]):
        image = Image.fromarray(np.round((face + 1) * 127.5).astype("uint8"))
        image.resize((60 + i % 9, 70)).save(tmp_path / f"photos/{i}.jpg")
    script = paste()
    for before, now in (("64, 200", "32, 30"), ("width=24", "width=4"), ("epochs=20", "epochs=1")):
        assert before in script
        script = script.replace(before, now)
    (tmp_path / "own.py").write_text(script, encoding="utf-8")
    return tmp_path


def start(folder):
    return subprocess.Popen(
        [sys.executable, "own.py"],
        cwd=folder,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_killed_and_started_again_it_ends_as_if_nothing_had_happened(folder):
    first = start(folder)
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output
    names = {path.name for path in (folder / "run/look").iterdir()}
    assert names == {"best.keras", "best.json", *(f"epoch-{i:06}.png" for i in range(1, 31))}
    once = newest(folder)
    (folder / "run").rename(folder / "once")

    second, until = start(folder), time.monotonic() + 300
    while not list(folder.glob("run/epoch-00000[2-9]-*")):  # killed in the midst of an epoch, most likely
        assert time.monotonic() < until
        assert second.poll() is None, second.stdout.read()
        time.sleep(0.01)
    second.kill()
    second.wait()
    assert not list(folder.glob("run/epoch-000030-*"))
    third = start(folder)
    output, _ = third.communicate(timeout=300)
    assert third.returncode == 0, output
    again = newest(folder)
    assert once.keys() == again.keys()
    for name, weight in once.items():
        np.testing.assert_array_equal(weight, again[name])
    pictures = [np.asarray(Image.open(folder / run / "look/epoch-000030.png")) for run in ("once", "run")]
    np.testing.assert_array_equal(*pictures)


def newest(folder):
    """The arrays of the last checkpoint."""
    import h5py

    (path,) = folder.glob("run/epoch-000030-*")
    arrays = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            arrays[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(keep)
    assert arrays
    return arrays
