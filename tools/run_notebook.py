"""Re-execute notebooks in place: python tools/run_notebook.py NOTEBOOK...

A notebook is written only after its last cell has run. Cells are numbered anew, timings and TensorFlow's
chatter at import (the stderr of the cell tagged "setup") are left out, so that a rerun is a small diff.
A picture is also written to the file that its cell's metadata names as "save", for pages that show it.
"""

import argparse
import base64
import pathlib
import subprocess
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError


def run(path):
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, record_timing=False, resources={"metadata": {"path": path.parent}}
    )
    client.on_cell_executed = lambda cell, cell_index, **_: print(".", end="", flush=True)
    client.execute(stderr=subprocess.DEVNULL)  # TensorFlow's chatter, past the notebook
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = tidy(cell)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    temporary = path.with_suffix(".tmp")
    nbformat.write(notebook, temporary)
    temporary.replace(path)
    for target, picture in pictures(notebook):
        (path.parent / target).write_bytes(picture)


def pictures(notebook):
    """(path relative to the notebook, bytes) of every animation or figure to be saved."""
    for cell in notebook.cells:
        if "save" in cell.metadata:
            kind = {".gif": "image/gif", ".png": "image/png"}[pathlib.Path(cell.metadata["save"]).suffix]
            (encoded,) = (o.data[kind] for o in cell.outputs if kind in o.get("data", {}))
            yield cell.metadata["save"], base64.b64decode(encoded)


def tidy(cell):
    """The outputs of a cell, neighbouring pieces of one stream joined."""
    kept = []
    for output in cell.outputs:
        stream = output.get("name")
        if stream == "stderr" and "setup" in cell.metadata.get("tags", []):
            continue
        if stream and kept and kept[-1].get("name") == stream:
            kept[-1].text += output.text
        else:
            kept.append(output)
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="+", type=pathlib.Path)
    failed = False
    for path in parser.parse_args().notebooks:
        if not path.is_file():
            parser.error(f"{path}: want an existing notebook")
        start = time.monotonic()
        print(path, end=" ", flush=True)
        try:
            run(path)
        except CellExecutionError as error:
            failed = True
            print(f"failed, left as it was:\n{error}")
        else:
            print(f" {time.monotonic() - start:.0f} s")
    sys.exit(failed)


if __name__ == "__main__":
    main()
