"""Which chapters there are, and what of them can be read without running them. The ground floor of tools/."""

import ast
import hashlib
import os
import pathlib
import re
import subprocess

import nbformat

ROOT = pathlib.Path(__file__).parents[1]
BOOK = ROOT / "book"
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# How the variables begin that a shell, make or the book's own environment may have set and Colab has not.
FOREIGN = (
    *("PYTHON", "VIRTUAL_ENV", "CONDA", "IPYTHON", "JUPYTER", "MPL"),
    *("KERAS_", "TF_", "XLA_", "GANBOOK_", "GIT_"),
)


def chapters(book=BOOK):
    """Every chapter's notebook, the template and what Jupyter leaves about excepted."""
    found = sorted(book.glob("*/*.ipynb"))
    return [path for path in found if path.parent.name not in ("template", ".ipynb_checkpoints")]


def names(book=BOOK):
    """The chapters' names, such as game/first-gan."""
    return [path.relative_to(book).with_suffix("").as_posix() for path in chapters(book)]


def title(path):
    """What a chapter's first heading says."""
    return nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")


def printed(path):
    """(claim, bound) of every claim in a chapter's committed outputs."""
    notebook = nbformat.read(path, as_version=4)
    streams = "\n".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))
    return re.findall(r"^✓ (.+): ((?:at least|at most|between) \S+(?: and \S+)?)$", streams, re.MULTILINE)


def digest(path):
    """A fingerprint of what a notebook computes: its code, without comments, docstrings and bounds."""
    code = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            tree = without_words(cell.source.replace("    %pip", "    #"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("claim", "ganbook.claim"):
                    node.keywords = []
            code.append(ast.unparse(tree))
    return fingerprint("\n".join(code))


def without_words(source):
    """The tree of a source, without comments and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def fingerprint(code):
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def errors(notebook):
    """What stopped a cell, failed claims and planned failures aside."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            planned = "raises-exception" in cell.metadata.get("tags", [])
            if output.output_type == "error" and output.ename != "ClaimError" and not planned:
                found.append(f"{output.ename}: {output.evalue}"[:200])
    return found


def cleaned(variables):
    """Environment variables without those that Colab has not; how many threads there are stays."""
    return {k: v for k, v in variables.items() if k in THREADS or not k.startswith(FOREIGN)}


def git(*words):
    """What git prints, in this checkout."""
    command = ["git", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=cleaned(os.environ), stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def commit_number():
    """How many commits lead to HEAD, itself included; its hash where they cannot be counted."""
    if git("rev-parse", "--is-shallow-repository") == "true":
        print("A shallow clone, whose commits cannot be counted: the hash of HEAD chooses the chapters.")
        return int(git("rev-parse", "HEAD"), 16)
    return int(git("rev-list", "--count", "HEAD"))


def rotation(size, paths, c):
    """The chapters of the c-th commit."""
    if not 1 <= size <= len(paths):
        raise ValueError(f"--rotation {size}: want a number of chapters from 1 to {len(paths)}")
    return [paths[(size * c + i) % len(paths)] for i in range(size)]
