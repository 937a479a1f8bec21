"""The experiments that are too long for their chapters: how they are recorded, and what is on record."""

import json
import math
import shutil

import grid
import nbformat
import pytest
from chapters import chapters

import ganbook
from ganbook import measured

WITH_GRID = {path.stem: path for path in chapters() if grid.texts(path)}
CELLS = [
    "import numpy as np\nfactor = 2",
    'def scaled(x):\n    """Of the chapter too."""\n    return factor * x',
    'def grid():\n    """The cells."""\n    return [dict(kind=k, draw=d) for k in "ab" for d in (0, 1)]',
    'def trial(kind, draw):\n    """One."""\n    return {"error": np.float32(scaled(draw) + (kind == "b"))}',
]


class TestRecords:
    """Of every chapter that has a grid."""

    def test_each_has_its_chapter(self):
        assert {path.stem for path in measured.FOLDER.glob("*.json")} == set(WITH_GRID)

    @pytest.mark.parametrize("name", WITH_GRID)
    def test_it_is_complete_and_of_the_code_that_stands_in_the_chapter(self, name):
        texts, record = grid.texts(WITH_GRID[name]), grid.read(WITH_GRID[name])
        assert record["code"] == grid.digest(texts["trial"]), f"run make grid NB={WITH_GRID[name]}"
        assert [cell["given"] for cell in record["cells"]] == grid.defined("grid", texts["grid"])()
        for cell in record["cells"]:
            assert all(map(math.isfinite, cell["measured"].values()))
            assert cell["seconds"] > 0
        found = ganbook.recorded(name)
        assert found.date
        assert found.machine
        assert str(len(found.cells)) in repr(found)


class TestTool:
    @pytest.fixture
    def chapter(self, tmp_path, monkeypatch):
        monkeypatch.setattr(grid, "FOLDER", tmp_path / "grids")
        monkeypatch.setattr(measured, "FOLDER", tmp_path / "grids")
        measured.recorded.cache_clear()
        yield self.write(tmp_path / "part" / "made.ipynb", CELLS)
        measured.recorded.cache_clear()

    @staticmethod
    def write(path, cells):
        path.parent.mkdir(exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells]), path)
        return path

    @staticmethod
    def run(monkeypatch, chapter, *options):
        monkeypatch.setattr("sys.argv", ["grid.py", str(chapter), *options])
        grid.main()

    def test_trials_run_once_and_are_read_back(self, chapter, monkeypatch, capsys):
        self.run(monkeypatch, chapter, "--jobs", "2")
        assert "4 of 4 trials to run" in capsys.readouterr().out
        found = ganbook.recorded("made")
        assert found.values("error").tolist() == [0, 2, 1, 3]
        assert found.values("error", kind="b").tolist() == [1, 3]
        assert found.values("error", kind="b", draw=1).tolist() == [3]
        assert [cell["kind"] for cell in found.cells] == ["a", "a", "b", "b"]
        self.run(monkeypatch, chapter)
        assert "0 of 4 trials to run" in capsys.readouterr().out

    def test_other_code_is_run_anew_and_other_words_are_not(self, chapter, monkeypatch, capsys):
        self.run(monkeypatch, chapter)
        self.write(chapter, [c.replace("Of the chapter", "Belongs to it # in words") for c in CELLS])
        self.run(monkeypatch, chapter)
        assert "0 of 4" in capsys.readouterr().out.splitlines()[-1]
        self.write(chapter, [c.replace("factor = 2", "factor = 3") for c in CELLS])
        self.run(monkeypatch, chapter)
        assert "4 of 4" in capsys.readouterr().out
        assert ganbook.recorded("made").values("error").tolist() == [0, 3, 1, 4]

    def test_what_is_missing_is_added_in_its_place(self, chapter, monkeypatch, capsys):
        self.run(monkeypatch, chapter)
        record = grid.read(chapter)
        del record["cells"][1]
        grid.record_of(chapter).write_text(json.dumps(record))
        self.run(monkeypatch, chapter)
        assert "1 of 4" in capsys.readouterr().out
        assert [cell["given"] for cell in grid.read(chapter)["cells"]] == grid.defined("grid", CELLS[2])()

    def test_no_trial_begins_when_time_is_up(self, chapter, monkeypatch, capsys):
        self.run(monkeypatch, chapter, "--minutes", "0")
        assert capsys.readouterr().out.splitlines() == ["4 of 4 trials to run"]
        assert not grid.record_of(chapter).exists()

    def test_a_trial_that_fails_leaves_those_before_it(self, chapter, monkeypatch):
        self.write(chapter, [c.replace("return {", "assert kind == 'a'\n    return {") for c in CELLS])
        with pytest.raises(AssertionError):
            self.run(monkeypatch, chapter)
        assert [cell["given"]["kind"] for cell in grid.read(chapter)["cells"]] == ["a", "a"]

    @pytest.mark.parametrize(
        "cells", [CELLS[:3], [*CELLS[:3], CELLS[3].replace("scaled(draw)", "data[draw]")]]
    )
    def test_a_chapter_without_is_refused(self, chapter, monkeypatch, capsys, cells):
        self.write(chapter, ["data = np.zeros(2)", *cells])
        with pytest.raises(SystemExit):
            self.run(monkeypatch, chapter)
        assert "want a chapter with functions grid and trial" in capsys.readouterr().err

    def test_errors_of_the_reader(self, chapter, monkeypatch):
        self.run(monkeypatch, chapter)
        found = ganbook.recorded("made")
        with pytest.raises(ValueError, match="'err' is not in the record: want one of kind, draw, error"):
            found.values("err")
        with pytest.raises(ValueError, match="'of' is not in the record"):
            found.values("error", of=1)
        with pytest.raises(ValueError, match=r"\{'kind': 'c'\}: there is no such cell; kind has a, b"):
            found.values("error", kind="c")
        with pytest.raises(ValueError, match="chapter='mode': nothing is recorded of it; want one of made"):
            ganbook.recorded("mode")
        shutil.rmtree(grid.FOLDER)
