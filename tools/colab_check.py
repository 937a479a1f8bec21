"""Run chapters as Colab would: python tools/colab_check.py [NOTEBOOK...], or every chapter.

A chapter runs alone in an empty folder, with the versions that Colab ships (.venv-colab, which
`make colab-check` installs from tools/colab-requirements.txt) and without ganbook, which its own setup cell
installs: git takes the HEAD of this checkout for what is published. The chapter passes if every cell runs, it
prints the claims of its committed outputs, and pip has added ganbook and changed nothing else.

--rotation N runs N chapters that the commit chooses. If HEAD is the c-th commit, they begin at number N·c of
the list, counted round: each commit goes on where the last one stopped, and a commit always has the same.
A shallow clone cannot count its commits; there the commit's hash is c.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import nbformat
from chapters import ROOT, chapters, cleaned, commit_number, git, rotation
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, DeadKernelError
from set_address import address

PYTHON = ROOT / ".venv-colab" / "bin" / "python"


def publish(folder):
    """Make a repository whose only commit has the files of HEAD: that commit.

    Not a clone: pip's git asks for a partial clone, and that of a shallow one fetches without end.
    """
    git("init", "--quiet", "--bare", folder)
    objects = ROOT / git("rev-parse", "--git-path", "objects")
    pathlib.Path(folder, "objects", "info", "alternates").write_text(f"{objects}\n")
    author = ("-c", "user.name=ganbook", "-c", "user.email=ganbook@localhost")
    commit = git("-C", folder, *author, "commit-tree", git("rev-parse", "HEAD^{tree}"), "-m", "HEAD")
    git("-C", folder, "update-ref", "HEAD", commit)
    return commit


def environment(repository, variables=os.environ):
    """The variables of a kernel: none that would change a result, and the repository for the address."""
    stand_in = {"GIT_CONFIG_KEY_0": f"url.{repository}.insteadOf", "GIT_CONFIG_VALUE_0": address()}
    return {**cleaned(variables), "GIT_CONFIG_COUNT": "1", **stand_in}


def colab(env, *words):
    """What Colab's Python prints."""
    done = subprocess.run([PYTHON, *words], env=env, cwd=PYTHON.parent, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"python {' '.join(words)} in {PYTHON.parents[1].name}: exit code {done.returncode}")
    return done.stdout


def packages(env):
    """The lines of `pip freeze`: names with versions, ganbook with its address and commit."""
    return set(colab(env, "-m", "pip", "freeze", "--all").splitlines())


def claims(notebook):
    """The claims that a notebook's outputs print, in order."""
    texts = [o.get("text", "") for c in notebook.cells for o in c.get("outputs", [])]
    return [line for text in texts for line in text.splitlines() if line.startswith("✓")]


def kernel(folder):
    """A manager of a kernel that runs Colab's Python, described to Jupyter by a file in the folder."""
    spec = pathlib.Path(folder, "colab", "kernel.json")
    spec.parent.mkdir()
    launch = [str(PYTHON), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": launch, "display_name": "Colab", "language": "python"}))
    return KernelManager(kernel_name="colab", kernel_spec_manager=KernelSpecManager(kernel_dirs=[folder]))


def run(path, env):
    """Run a copy of a notebook until a cell fails: (the notebook, what failed)."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as empty:
        notebook = nbformat.read(shutil.copy(path, empty), as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":  # or a cell that is not reached would keep what is committed
                cell.outputs = []
        resources = {"metadata": {"path": empty}}
        manager = kernel(home)
        client = NotebookClient(notebook, km=manager, timeout=600, resources=resources)
        # Settings in the caller's ~/.ipython and ~/.keras stay out of it.
        env = {**env, "IPYTHONDIR": home, "KERAS_HOME": home}
        try:
            client.execute(env=env, stderr=subprocess.DEVNULL)  # TensorFlow's chatter, past the notebook
        except (CellControlSignal, DeadKernelError) as error:
            return notebook, [str(error)]
        finally:  # nbclient ends only kernels of its own
            manager.shutdown_kernel(now=True)
    return notebook, []


def faults(path, env, commit):
    """Run a chapter: (the number of its claims, what is wrong with it)."""
    committed = claims(nbformat.read(path, as_version=4))
    before = packages(env)
    notebook, wrong = run(path, env)
    after = packages(env)
    added, lost = after - before, before - after
    ours = f"ganbook @ git+{address()}@{commit}"
    if ours not in added:
        wrong.append(f"the setup cell did not install {ours}")
    if lost or added - {ours}:
        wrong.append(f"what Colab ships was changed: from {sorted(lost)} to {sorted(added - {ours})}")
    printed = claims(notebook)
    if not wrong and printed != committed:
        wrong = [f"committed, but not printed: {line}" for line in committed if line not in printed]
        wrong += [f"printed, but not committed: {line}" for line in printed if line not in committed]
        wrong = wrong or ["the claims are not those of the committed outputs in order and number"]
    return len(committed), wrong


def asked_for():
    """The notebooks that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path)
    parser.add_argument("--rotation", type=int, metavar="N", help="N chapters that the commit chooses")
    asked = parser.parse_args()
    for path in asked.notebooks:
        if not path.is_file():
            parser.error(f"{path}: want an existing notebook")
    if not PYTHON.is_file():
        parser.error(f"{PYTHON.relative_to(ROOT)} is missing: `make colab-check` makes it")
    paths = asked.notebooks or chapters()
    if asked.rotation is None:
        return paths
    try:
        return rotation(asked.rotation, paths, commit_number())
    except ValueError as error:
        parser.error(str(error))


def main():
    paths = asked_for()
    failed = 0
    with tempfile.TemporaryDirectory() as repository:
        commit = publish(repository)
        env = environment(repository)
        version = colab(env, "-c", "import platform; print(platform.python_version())").strip()
        instead = "" if version.startswith("3.13.") else " in place of Colab's 3.13, which is not here"
        print(f"Python {version}{instead}, ganbook of commit {git('rev-parse', '--short', 'HEAD')}")
        if git("status", "--porcelain", "--", "ganbook", "pyproject.toml"):
            print("What is changed in ganbook/ or pyproject.toml since that commit is not installed.")
        for path in paths:
            start = time.monotonic()
            print(os.path.relpath(path), end=": ", flush=True)
            # Out of the way for the setup cell; pip only warns where there is none.
            colab(env, "-m", "pip", "uninstall", "--yes", "--quiet", "--quiet", "ganbook")
            number, wrong = faults(path, env, commit)
            failed += bool(wrong)
            print(f"{number} claims, {time.monotonic() - start:.0f} s", "failed" * bool(wrong), flush=True)
            print(*wrong, sep="\n", end="\n" * bool(wrong), flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
