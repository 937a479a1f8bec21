"""The mutants that tools/mutants.py makes, and whether it tells what tests notice from what they miss."""

import ast
import json
import subprocess
import sys

import mutants
import pytest
from chapters import ROOT

SOURCE = '''"""A module: 1 - 1."""


class Loss:
    """A class: 2 * 2."""

    def __repr__(self):
        return "Loss" * 3

    def cost(self, real, fake, training: bool = True):
        """A method, for which 0.5 * 3 is text."""
        self.calls = 7
        if training and not real < 2:
            raise ValueError(f"real={real}: want {2 + 2}")
        return -0.5 * mean(self.net(real, training=training) ** 2, axis=1) + self.net(fake)
'''
MUTANTS = mutants.mutants(SOURCE)
CHANGES = [(m.before, m.after) for m in MUTANTS]
IF = "if training and (not real < 2):"
RETURN = "return -0.5 * mean(self.net(real, training=training) ** 2, axis=1) + self.net(fake)"


@pytest.mark.parametrize(
    ("line", "old", "new"),
    [
        (RETURN, "-0.5", "0.5"),
        (RETURN, "0.5", "1.0"),
        (RETURN, "+", "-"),
        (RETURN, " * ", " / "),
        (RETURN, "** 2", "* 2"),
        (RETURN, "** 2", "** 3"),
        (RETURN, "axis=1", "axis=0"),
        (RETURN, ", axis=1", ""),
        (RETURN, ", training=training", ""),
        (RETURN, "net(real", "net(fake"),
        (RETURN, "net(fake)", "net(-fake)"),
        (RETURN, RETURN, "return None"),
        (IF, "and (not real < 2)", "or not real < 2"),
        (IF, "(not real < 2)", "real < 2"),
        (IF, "<", "<="),
        (IF, "<", ">="),
        (IF, "training and (not real < 2)", "not (training and (not real < 2))"),
        ("self.calls = 7", "self.calls = 7", "pass"),
        ("def cost(self, real, fake, training: bool=True):", "True", "False"),
    ],
)
def test_a_change_is_made(line, old, new):
    assert (line, line.replace(old, new)) in CHANGES


def test_mutants_compile_are_new_and_change_one_place():
    plain = ast.unparse(ast.parse(SOURCE)).splitlines()
    assert len({m.source for m in MUTANTS}) == len(MUTANTS) > 25
    for mutant in MUTANTS:
        compile(mutant.source, "mutant", "exec")
        lines = mutant.source.splitlines()
        assert len(lines) == len(plain)
        changed = [i for i, pair in enumerate(zip(plain, lines, strict=True)) if len({*pair}) > 1]
        assert len(changed) == 1
        assert (plain[changed[0]].strip(), lines[changed[0]].strip()) == (mutant.before, mutant.after)


def test_text_for_people_is_left_alone():
    for mutant in MUTANTS:
        tree = ast.parse(mutant.source)
        (loss,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
        texts = [ast.get_docstring(node) for node in (tree, loss, loss.body[2])]
        assert texts == ["A module: 1 - 1.", "A class: 2 * 2.", "A method, for which 0.5 * 3 is text."]
        assert "'Loss' * 3" in mutant.source
        assert "want {2 + 2}" in mutant.source
        assert "training: bool" in mutant.source


def test_a_mutant_knows_its_function_and_the_lines_of_its_statement():
    source = (
        "def f(x, y=1):\n"
        "    if x > 2:\n"
        "        return g(\n"
        "            x - 1,\n"
        "        )\n"
        "    return x * 3\n"
        "class A:\n"
        "    b = 2 + 3\n"
        "    def c(self):\n"
        "        return 4 - self\n"
    )
    found = {(m.where, tuple(sorted(m.lines))) for m in mutants.mutants(source)}
    assert found == {
        ("f", (2, 3, 4, 5, 6)),  # y=1 matters where the body runs
        ("f", (2,)),
        ("f", (3, 4, 5)),
        ("f", (6,)),
        ("A", (8,)),
        ("A.c", (10,)),
    }


def test_the_likeliest_tests_come_first():
    """Who killed this mutant before, who killed others on its line, who did in its function, the quickest."""
    ours = mutants.Mutant(3, "x = 1", "x = 2", "...", frozenset({3, 4}), "f")
    seconds = {f"tests/test_a.py::{name}": i for i, name in enumerate("abcdefgh")}
    lines = {f"tests/test_a.py::{name}": {"toy": [4, 5]} for name in "abcde"}
    lines["tests/test_a.py::f"] = {"toy": [5], "other": [3]}
    known = {"seconds": seconds, "lines": lines, "blind": ["tests/test_a.py::g"]}
    record = {"mutant": "", "by": None, "before": "", "where": ""}
    killers = [
        {"by": "tests/test_a.py::e", "mutant": mutants.sha256(b"...")},
        {"by": "tests/test_a.py::d", "before": "x = 1", "where": "f"},
        {"by": "tests/test_a.py::c", "where": "f"},
        {"by": "tests/test_a.py::h", "where": "f"},  # which does not execute the line
        {},
    ]
    history = mutants.History(record | killer for killer in killers)
    order = sorted(history.places("toy", ours, known).items(), key=lambda pair: pair[1])
    assert [test[-1] for test, _ in order] == ["e", "d", "c", "a", "b", "g"]
    # The seconds of e and d are 4 and 3: a budget of 8 has no room for c.
    assert [test[-1] for test in history.places("toy", ours, known, budget=8)] == ["e", "d"]
    # What is executed while tests are collected is every test's, and so may be what nobody executes.
    for others in ({"": {"toy": [3]}}, {}):
        assert history.places("toy", ours, known | {"lines": others}).keys() == seconds.keys()
    lines["tests/test_a.py"] = {"toy": [3]}  # a fixture of the module
    assert history.places("toy", ours, known).keys() == seconds.keys()


TOY = """def half(x):
    return 0.5 * x


def unused(x):
    return x + 1
"""
TOY_TEST = "from ganbook.toy import half\n\n\ndef test_half():\n    assert half(3) == 1.5\n"
CHECK = f"""
import sys, pathlib
sys.path.insert(0, {str(ROOT / "tools")!r})
import mutants
root, jobs = pathlib.Path(sys.argv[1]), int(sys.argv[2])
survivors = mutants.check(root, "toy", equivalent={{"return x + 2": "nobody calls it"}}, jobs=jobs)
print([mutant.after for mutant in survivors])
"""


def check(root, jobs=1):
    command = [sys.executable, "-c", CHECK, root, str(jobs)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.splitlines(), result.stderr


def toy(root, source=TOY, tests=TOY_TEST):
    for folder, name, text in (("ganbook", "toy.py", source), ("tests", "test_toy.py", tests)):
        (root / folder).mkdir()
        (root / folder / name).write_text(text)
    (root / "ganbook" / "__init__.py").touch()


def recorded(root):
    """What is known of each changed line."""
    lines = (root / "_build" / "mutants" / "results.jsonl").read_text().splitlines()
    return {(record["line"], record["after"]): record for record in map(json.loads, lines)}


@pytest.mark.parametrize("jobs", [1, 3])
def test_what_a_test_notices_is_killed_and_the_rest_survives(tmp_path, jobs):
    toy(tmp_path)
    lines, errors = check(tmp_path, jobs)
    assert lines, errors
    assert lines[-1] == str(["return None", "return x - 1", "return x + 0"])
    assert "survived: ganbook/toy.py:6" in lines
    assert lines[-2] == "toy: killed 3 of 7 (42.9%); without 1 equivalent ones, of 6 (50.0%)"

    results = tmp_path / "_build" / "mutants" / "results.jsonl"
    written = results.read_bytes()
    assert written.count(b"\n") == 7
    assert check(tmp_path)[0] == lines
    assert results.read_bytes() == written  # nothing was run again

    (tmp_path / "tests" / "test_toy.py").write_text(TOY_TEST.replace("1.5", "7"))
    assert "toy.py fails its tests as it is" in check(tmp_path)[1]


TRACED = """def table(n):
    return n + 1


def late(x):
    return x * 2


def quick(x):
    return x - 3


def elsewhere(x):
    return x / 4


def slow(x):
    while x > 0:
        x -= 1
    return x
"""
TRACED_TEST = """import subprocess
import sys

import pytest

from ganbook import toy

AT_ONCE = toy.late(1)


@pytest.fixture(scope="module")
def table():
    return toy.table(1)


def test_a(table):
    pass


def test_b(table):
    assert table == 2


def test_late():
    assert AT_ONCE == 2


def test_quick():
    assert toy.quick(5) == 2


def test_elsewhere():
    code = "from ganbook.toy import elsewhere; assert elsewhere(8) == 2"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_slow():
    assert toy.slow(2) == 0
"""


def test_a_mutant_meets_whoever_executes_its_line(tmp_path):
    """In a fixture of the module, at import, in a process of its own; and one that runs on is ended."""
    toy(tmp_path, TRACED, TRACED_TEST)
    code = CHECK.replace("root, jobs =", "mutants.SECONDS = 8; root, jobs =")
    command = [sys.executable, "-c", code, tmp_path, "2"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = recorded(tmp_path)
    by = {key: (record["by"] or "").split("::")[-1] for key, record in found.items()}
    assert by[2, "return n - 1"] == "test_b"
    assert by[6, "return x / 2"] == "test_late"
    assert by[10, "return x + 3"] == "test_quick"
    assert by[14, "return x * 4"] == "test_elsewhere"
    endless = found[19, "x -= 0"]
    assert (endless["by"].split("::")[-1], endless["timed_out"]) == ("test_slow", True)
    traced = json.loads(next((tmp_path / "_build" / "mutants").glob("traced-*.json")).read_text())
    name = "tests/test_toy.py"
    assert traced["blind"] == [f"{name}::test_elsewhere"]
    executed = {test: set(ran["toy"]) for test, ran in traced["lines"].items()}
    assert executed[name] == {2}
    assert executed[f"{name}::test_quick"] == {10}
    assert executed[f"{name}::test_slow"] == {18, 19, 20}
    assert 6 in executed[""]
    assert not {2, 10, 14} & executed[""]
