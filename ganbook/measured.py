"""What takes longer than a chapter may, measured once: `make grid` writes it, chapters read it."""

import functools
import json
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "grids"


class Recorded:
    """A grid of trials as recorded: `recorded("semi-supervised")`.

    Attributes:
        cells: a list of dicts, what each trial was given and what it measured.
        date: of the last trial, such as "2026-11-26".
        machine: the processor's name; versions: of Keras and TensorFlow, a dict.
        minutes: of processor time, all trials together.
    """

    def __init__(self, record):
        self.cells = [cell["given"] | cell["measured"] for cell in record["cells"]]
        self.date, self.machine, self.versions = record["date"], record["machine"], record["versions"]
        self.minutes = sum(cell["seconds"] for cell in record["cells"]) / 60

    def values(self, name, **where):
        """The values of `name` in the cells that have all of these: `values("error", labels=100)`, an array.

        They are in the order of the grid.
        """
        known = {key: {cell.get(key) for cell in self.cells} for cell in self.cells for key in cell}
        for key in (name, *where):
            if key not in known:
                raise ValueError(f"{key!r} is not in the record: want one of {', '.join(known)}")
        found = [cell[name] for cell in self.cells if all(cell.get(k) == v for k, v in where.items())]
        if not found:
            has = "; ".join(f"{k} has {', '.join(map(str, sorted(known[k], key=str)))}" for k in where)
            raise ValueError(f"{where}: there is no such cell; {has}")
        return np.array(found)

    def __repr__(self):
        return f"<{len(self.cells)} trials, {self.date}, {self.machine}, {self.minutes:.0f} minutes>"


@functools.cache
def recorded(chapter):
    """The grid that was recorded for a chapter, a `Recorded`.

    Args:
        chapter: the name of its file, such as "semi-supervised".
    """
    file = FOLDER / f"{chapter}.json"
    if not file.is_file():
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.json")))
        raise ValueError(f"chapter={chapter!r}: nothing is recorded of it; want one of {known}")
    return Recorded(json.loads(file.read_text(encoding="utf-8")))
