"""The mutants that tools/mutants.py makes, and whether it tells what tests notice from what they miss."""

import ast
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
survivors = mutants.check(pathlib.Path(sys.argv[1]), "toy", equivalent={{"return x + 2": "nobody calls it"}})
print([mutant.after for mutant in survivors])
"""


def check(root):
    command = [sys.executable, "-c", CHECK, root]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.splitlines(), result.stderr


def test_what_a_test_notices_is_killed_and_the_rest_survives(tmp_path):
    for folder, name, text in (("ganbook", "toy.py", TOY), ("tests", "test_toy.py", TOY_TEST)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    (tmp_path / "ganbook" / "__init__.py").touch()
    lines, errors = check(tmp_path)
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
