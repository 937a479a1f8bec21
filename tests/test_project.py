"""The project's own files: one address, a light import, an installable package, the tools."""

import ast
import pathlib
import re
import subprocess
import sys
import tomllib

import nbformat
import pytest
import run_notebook
import set_address

ROOT = pathlib.Path(__file__).parents[1]


def python(code):
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_the_address_has_one_home_and_no_stale_copy():
    url = set_address.address()
    copies = {}
    for path, text in set_address.texts():
        copy = r"github\.com/([\w-]+)/ganbook|github/([\w-]+)/ganbook|([\w-]+)\.github\.io/ganbook"
        for account in re.findall(copy, text):
            copies.setdefault("".join(account), []).append(path.name)
    assert set(copies) == {set_address.slug(url).split("/")[0]}
    assert {"_config.yml", "pyproject.toml", "first-gan.ipynb", "README.md"} <= set(*copies.values())


def test_setting_the_address_changes_every_copy(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    old, new = "your_account/ganbook", "someone/book"
    text = "git+https://github.com/{0} and github/{0}/blob and https://{1}/book"
    (tmp_path / "_config.yml").write_text(f"repository:\n  url: https://github.com/{old}\n")
    (tmp_path / "a.md").write_text(text.format(old, "your_account.github.io/ganbook"))
    (tmp_path / "b.md").write_text("no address")
    subprocess.run(["git", "add", "-A"], cwd=tmp_path, check=True)
    monkeypatch.setattr(set_address, "ROOT", tmp_path)
    monkeypatch.setattr(set_address.address, "__defaults__", (tmp_path,))
    monkeypatch.setattr(set_address.texts, "__defaults__", (tmp_path,))
    monkeypatch.setattr(sys, "argv", ["set_address", "https://github.com/someone/book.git"])
    set_address.main()
    assert set_address.address() == "https://github.com/someone/book"
    assert (tmp_path / "a.md").read_text() == text.format(new, "someone.github.io/book")
    monkeypatch.setattr(sys, "argv", ["set_address", "example.org"])
    with pytest.raises(SystemExit, match=r"URL='example\.org'"):
        set_address.main()


@pytest.mark.parametrize("name", ["requirements.txt", "tools/colab-requirements.txt"])
def test_every_file_that_is_installed_has_its_hash(name):
    """pip demands all of them as soon as one line has one."""
    text = (ROOT / name).read_text(encoding="utf-8")
    packages = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert len(packages) > 50
    package = r"[\w.-]+==[\w.]+( ; [^\\]+)? \\\n(    --hash=sha256:[0-9a-f]{64}( \\)?\n)+(#.*\n)*"
    assert [p for p in packages if not re.fullmatch(package, p)] == []
    assert "://" not in text  # nor does it say where from


def test_import_needs_tensorflow_and_says_so():
    hidden = "import importlib.util as u; u.find_spec = lambda name: None; import ganbook"
    result = python(hidden)
    assert result.returncode != 0
    assert "ImportError: ganbook trains with Keras on TensorFlow" in result.stderr
    assert "pip install tensorflow" in result.stderr


def test_another_backend_is_refused():
    fake = (
        "import sys, types\n"
        "keras = types.ModuleType('keras')\n"
        "keras.backend = types.SimpleNamespace(backend=lambda: 'jax')\n"
        "sys.modules['keras'] = keras\n"
        "import ganbook\n"
    )
    result = python(fake)
    assert "ImportError: ganbook needs the TensorFlow backend" in result.stderr
    assert "'jax'" in result.stderr


@pytest.mark.parametrize(("before", "after"), [("gc.enable()", True), ("gc.disable()", False)])
def test_the_collector_rests_while_keras_is_imported(tmp_path, before, after):
    """And is then as it was; here Keras is a stand-in, which says whether it collects."""
    (tmp_path / "keras.py").write_text("import gc\nprint(gc.isenabled())\nraise ImportError('a stand-in')\n")
    result = python(
        f"import gc, sys; {before}; sys.path.insert(0, {str(tmp_path)!r})\n"
        "try:\n    import ganbook\nexcept ImportError:\n    print(gc.isenabled())"
    )
    assert result.stdout.split() == ["False", str(after)], result.stderr


def test_import_loads_nothing_heavy_beside_keras():
    code = "import keras, sys; before = set(sys.modules); import ganbook; print(*(set(sys.modules) - before))"
    loaded = {name.split(".")[0] for name in python(code).stdout.split()}
    assert "ganbook" in loaded
    assert not loaded & {"matplotlib", "sklearn", "mlxtend", "pandas", "IPython", "PIL"}


def test_dependencies_are_loose_and_leave_tensorflow_to_the_reader():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    for requirement in project["dependencies"]:
        assert re.fullmatch(r"[a-z0-9-]+>=[\d.]+", requirement), requirement
        assert "tensorflow" not in requirement


def test_the_package_imports_only_what_it_declares():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    distribution = {"sklearn": "scikit-learn", "PIL": "pillow"}
    declared = {re.split("[>=]", r)[0] for r in project["dependencies"]} | {"ganbook", "tensorflow"}
    for path in (ROOT / "ganbook").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for name in (n.split(".")[0] for n in names):
                known = name in sys.stdlib_module_names or distribution.get(name, name) in declared
                assert known, f"{path.name} imports {name}"


def test_every_public_name_is_documented():
    import ganbook

    for name in ganbook.__all__:
        assert (getattr(ganbook, name).__doc__ or "").strip(), name


def test_the_api_page_has_the_signature_that_keras_hides():
    import inspect

    from ganbook import GAN

    page = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    signature = str(inspect.signature(GAN.__init__)).replace("self, ", "").replace(", **kwargs", "")
    assert f"autoclass:: ganbook.GAN{signature}\n" in page


@pytest.fixture
def notebook(tmp_path):
    def write(*sources):
        cells = [nbformat.v4.new_code_cell(s) for s in sources]
        cells[0].metadata["tags"] = ["setup"]
        path = tmp_path / "a.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write


def test_running_a_notebook_writes_tidy_outputs(notebook):
    noisy = "import sys; print('noise', file=sys.stderr)"
    path = notebook(noisy, "print(1)\nprint(2)", "import os; os.getcwd()")
    run_notebook.run(path)
    setup, printed, folder = nbformat.read(path, as_version=4).cells
    assert setup.outputs == []
    assert [o.text for o in printed.outputs] == ["1\n2\n"]
    assert folder.outputs[0].data["text/plain"] == repr(str(path.parent))
    assert [c.execution_count for c in (setup, printed, folder)] == [1, 2, 3]
    assert list(path.parent.iterdir()) == [path]


def test_a_notebook_that_fails_is_left_as_it_was(notebook):
    path = notebook("1", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(Exception, match="ZeroDivisionError"):
        run_notebook.run(path)
    assert path.read_bytes() == before


def test_the_snippet_of_the_readme_runs_as_it_stands(capsys):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(snippet, {})
    assert int(re.search(r"(\d) of 8 modes", capsys.readouterr().out).group(1)) >= 5
