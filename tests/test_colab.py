"""What the check of the chapters on Colab decides; the runs themselves are `make colab-check`."""

import re
import subprocess
import sys

import chapters
import colab_check as tool
import nbformat
import pytest
from chapters import ROOT, rotation


def test_consecutive_commits_go_through_all_chapters():
    paths = list("abcdefg")
    chosen = [rotation(2, paths, c) for c in range(100, 107)]
    assert sorted("".join(map("".join, chosen))) == sorted(2 * "abcdefg")
    assert chosen[1][0] == paths[(paths.index(chosen[0][1]) + 1) % 7]
    assert rotation(2, paths, 100) == chosen[0]


@pytest.mark.parametrize("size", [0, -1, 8])
def test_a_rotation_of_more_than_there_are_is_refused(size):
    with pytest.raises(ValueError, match=f"--rotation {size}: want a number of chapters from 1 to 7"):
        rotation(size, list("abcdefg"), 0)


@pytest.mark.parametrize(("shallow", "number"), [("false", 12), ("true", 255)])
def test_the_number_of_a_commit(monkeypatch, capsys, shallow, number):
    said = {"--is-shallow-repository": shallow, "HEAD": "ff"}
    monkeypatch.setattr(chapters, "git", lambda *words: "12" if words[0] == "rev-list" else said[words[-1]])
    assert chapters.commit_number() == number
    assert ("hash of HEAD" in capsys.readouterr().out) == (shallow == "true")


def test_a_kernel_inherits_nothing_that_changes_a_result():
    ours = {"PATH": "/bin", "HOME": "/home/a", "LANG": "C", "PIP_INDEX_URL": "x", "OMP_NUM_THREADS": "1"}
    ours["TF_NUM_INTRAOP_THREADS"] = "1"
    theirs = dict.fromkeys(["KERAS_BACKEND", "PYTHONPATH", "VIRTUAL_ENV", "TF_CPP_MIN_LOG_LEVEL"], "x")
    theirs |= dict.fromkeys(["GANBOOK_SEED", "GIT_DIR", "XLA_FLAGS", "MPLBACKEND"], "x")
    env = tool.environment("/stand-in", ours | theirs)
    added = {k: v for k, v in env.items() if k not in ours}
    assert env == ours | added
    assert added == {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "url./stand-in.insteadOf",
        "GIT_CONFIG_VALUE_0": tool.address(),
    }


@pytest.mark.parametrize("depth", [[], ["--depth=1"]])
def test_what_stands_in_for_the_published_repository(monkeypatch, tmp_path, depth):
    """HEAD's files and no history, of a whole clone and of a shallow one."""

    def git(folder, *words):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()

    (tmp_path / "first").mkdir()
    git(tmp_path, "init", "-q", "first")
    for text in "old", "new":
        (tmp_path / "first" / "a.txt").write_text(text)
        git(tmp_path / "first", "add", "a.txt")
        git(tmp_path / "first", "commit", "-q", "-m", text)
    git(tmp_path, "clone", "-q", *depth, f"file://{tmp_path / 'first'}", "checkout")
    (tmp_path / "checkout" / "a.txt").write_text("not committed")
    for module in (chapters, tool):
        monkeypatch.setattr(module, "ROOT", tmp_path / "checkout")
    commit = tool.publish(str(tmp_path / "published"))
    assert git(tmp_path / "published", "rev-parse", "--is-shallow-repository") == "false"
    assert git(tmp_path / "published", "rev-list", "HEAD") == commit
    git(tmp_path, "clone", "-q", "published", "reader")
    assert (tmp_path / "reader" / "a.txt").read_text() == "new"


CLAIMS = ["✓ a: at least 1", "✓ b: at most 2"]
OURS = "ganbook @ git+{}@f00"


def chapter(*lines):
    output = nbformat.v4.new_output("stream", name="stdout", text="".join(f"{line}\n" for line in lines))
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(outputs=[output])])


@pytest.mark.parametrize(
    ("printed", "after", "found"),
    [
        (CLAIMS, {"numpy==2", OURS}, []),
        (["text", *CLAIMS], {"numpy==2", OURS}, []),
        (CLAIMS[:1], {"numpy==2", OURS}, ["committed, but not printed: ✓ b: at most 2"]),
        ([*CLAIMS, "✓ c"], {"numpy==2", OURS}, ["printed, but not committed: ✓ c"]),
        (CLAIMS[::-1], {"numpy==2", OURS}, ["the claims are not those .* in order and number"]),
        (CLAIMS, {"numpy==3", OURS}, [r"what Colab ships was changed: .*numpy==2.*numpy==3"]),
        (CLAIMS, {"numpy==2", "more==1", OURS}, [r"what Colab ships was changed: .*more==1"]),
        (CLAIMS, {"numpy==2"}, ["the setup cell did not install ganbook @ git.*@f00"]),
    ],
)
def test_faults(monkeypatch, tmp_path, printed, after, found):
    nbformat.write(chapter(*CLAIMS), tmp_path / "a.ipynb")
    freeze = iter([{"numpy==2"}, {line.format(tool.address()) for line in after}])
    monkeypatch.setattr(tool, "packages", lambda env: next(freeze))
    monkeypatch.setattr(tool, "run", lambda path, env: (chapter(*printed), []))
    number, wrong = tool.faults(tmp_path / "a.ipynb", {}, "f00")
    assert number == 2
    assert len(wrong) == len(found)
    for said, pattern in zip(wrong, found, strict=True):
        assert re.search(pattern, said)


def test_a_notebook_is_run_alone_until_a_cell_fails(monkeypatch, tmp_path):
    """In an empty folder, by the Python that the check is given; here the book's own."""
    monkeypatch.setattr(tool, "PYTHON", sys.executable)
    sources = "import os, sys\nprint('✓', os.listdir(), sys.executable)", "1 / 0", "print('✓ late')"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    notebook.cells[2].outputs = chapter("✓ late").cells[0].outputs
    nbformat.write(notebook, tmp_path / "a.ipynb")
    ran, failed = tool.run(tmp_path / "a.ipynb", tool.environment("/stand-in"))
    assert tool.claims(ran) == [f"✓ ['a.ipynb'] {sys.executable}"]
    assert len(failed) == 1
    assert "ZeroDivisionError" in failed[0]


def test_the_versions_are_all_pinned():
    lines = (ROOT / "tools" / "colab-requirements.in").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w-]+==[\w.]+(;.*)?", pin) for pin in pins)
    assert {"keras==3.13.2", "ipython==7.34.0"} <= set(pins)
    # What is installed is those, with the hashes of their files.
    locked = (ROOT / "tools" / "colab-requirements.txt").read_text(encoding="utf-8")
    known = set(re.findall(r"^([\w.-]+==[\w.]+)", locked, re.MULTILINE))
    assert {re.match(r"[^;]+", pin)[0].lower().replace("_", "-") for pin in pins} <= known
