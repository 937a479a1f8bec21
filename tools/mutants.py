"""Do the tests notice errors? Run them on mutants of the package: python tools/mutants.py [MODULE...]

A mutant is a module with one change: a sign, a factor 1/2, an axis, swapped labels, training=False, a line
left out. One that its tests pass is printed. Equivalent ones, which no test could tell, are counted apart.

    --list      print the mutants, run none
    --sample N  N of each module, always the same

What is found goes to _build/mutants/results.jsonl line by line: a stopped call goes on where it was, and a
mutant is run again only when its module or its tests have changed. So leave both alone during a call.
Tests that start training to kill it are left out: a survivor would take minutes.
"""

import argparse
import ast
import builtins
import collections
import contextlib
import copy
import hashlib
import importlib
import itertools
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "ganbook"
MODULES = ("losses", "layers", "metrics", "gan")
# Further tests of a module, beside those of its own name.
MORE_TESTS = {"gan": ("test_distribute.py", "test_checkpoint.py")}
LEFT_OUT = "TestKilled"
# Imported once, for all mutants: it takes longer than most of them.
HEAVY = ("h5py", "keras", "matplotlib.pyplot", "pytest", "sklearn.metrics", "sklearn.neighbors", "tensorflow")

# What no test could tell from the original: {module: {the changed line: why}}.
KEEPDIMS = "without it the mean and variance are (channels,), which broadcast against x in the same way"
SIGN = "covariances, distances and kernels are the same for -x as for x"
DEFAULT = "the default of polynomial_kernel"
EQUAL_SETS = "the sets are equally large, and telling b from a is telling a from b"
NEAREST = (
    "nearest = NearestNeighbors(n_neighbors=2).fit(np.concatenate([a, b])).kneighbors(return_distance=False)"
)
FIRST = "only the first neighbour is looked at"
NAMES = "there are always two names"
SYMMETRIC = "the arguments may be swapped"
EQUIVALENT = {
    "losses": {"below = ops.minimum(_SATURATED, a)": SYMMETRIC},
    "layers": {
        "mean, var = ops.moments(reference, axes=list(range(x.ndim - 1)))": KEEPDIMS,
        "mean, var = ops.moments(reference, axes=list(range(x.ndim - 1)), keepdims=False)": KEEPDIMS,
    },
    "metrics": {
        "counts = np.bincount(nearest[close])": "it leaves out modes without samples, which are not counted",
        "cov_a, cov_b = (np.atleast_2d(np.cov(-x, rowvar=False)) for x in (a, b))": SIGN,
        "root = np.sqrt(np.clip(0.0, eigvals(cov_a @ cov_b).real, None)).sum()": SYMMETRIC,
        "kernel = polynomial_kernel(x, coef0=1)": DEFAULT,
        "kernel = polynomial_kernel(x, degree=3)": DEFAULT,
        "kernel = polynomial_kernel(-x, degree=3, coef0=1)": SIGN,
        "between = polynomial_kernel(a, b, coef0=1).mean()": DEFAULT,
        "between = polynomial_kernel(a, b, degree=3).mean()": DEFAULT,
        "between = polynomial_kernel(b, a, degree=3, coef0=1).mean()": SYMMETRIC,
        "return float(mean_of_pairs(-a) + mean_of_pairs(b) - 2.0 * between)": SIGN,
        "return float(mean_of_pairs(a) + mean_of_pairs(-b) - 2.0 * between)": SIGN,
        "is_a = np.arange(len(a) + len(b)) >= len(a)": EQUAL_SETS,
        "is_a = np.arange(len(b) + len(b)) < len(a)": EQUAL_SETS,
        "is_a = np.arange(len(a) + len(a)) < len(a)": EQUAL_SETS,
        "is_a = np.arange(len(a) + len(b)) < len(b)": EQUAL_SETS,
        NEAREST: FIRST,
        "return NearestNeighbors(n_neighbors=k).fit(-x).kneighbors()[0][:, -1]": SIGN,
        "precision = (distance <= radii(-data)).any(axis=1).mean()": SIGN,
        "recall = (distance <= radii(-samples)[:, None]).any(axis=0).mean()": SIGN,
        "for name, x in zip(names, (a, b)):": NAMES,
        "for name, x in zip(names, (a, b), strict=False):": NAMES,
    },
}

OPERATORS = "Add Sub, Sub Add, Mult Div, Div Mult, Pow Mult, FloorDiv Mult, Mod FloorDiv, MatMult Mult"
COMPARISONS = (
    "Lt LtE GtE, LtE Lt Gt, Gt GtE LtE, GtE Gt Lt, Eq NotEq, NotEq Eq, Is IsNot, IsNot Is, In NotIn, NotIn In"
)
# Names and attributes that are easily taken for one another.
PAIRS = (
    "real fake, samples data, a b, cov_a cov_b, reference others, G D, generator discriminator, "
    "d_loss g_loss, d_optimizer g_optimizer, d_tracker g_tracker, mean var, own_mean own_var, gamma beta, "
    "any all, min max, minimum maximum"
)
INSTEAD = {
    getattr(ast, old): [getattr(ast, name) for name in new]
    for old, *new in map(str.split, f"{OPERATORS}, {COMPARISONS}".split(", "))
}
OTHER = {a: b for pair in map(str.split, PAIRS.split(", ")) for a, b in (pair, pair[::-1])}


class Mutant(NamedTuple):
    line: int
    before: str  # the line, or the first of several
    after: str
    source: str  # of the module


def but(node, **fields):
    other = copy.copy(node)
    vars(other).update(fields)
    return other


def without(items, i):
    return [*items[:i], *items[i + 1 :]]


def changes(node, bound):
    """What may stand in the place of a node. `bound`: the names that exist there."""
    match node:
        case ast.BinOp(op=ast.BitOr()):  # of dicts
            yield node.left
        case ast.BinOp():
            yield but(node, op=INSTEAD[type(node.op)][0]())
        case ast.UnaryOp(op=ast.USub() | ast.Not()):
            yield node.operand
        case ast.BoolOp():
            yield but(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
        case ast.Compare():
            for i, op in enumerate(node.ops):
                for other in INSTEAD[type(op)]:
                    yield but(node, ops=[*node.ops[:i], other(), *node.ops[i + 1 :]])
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=float()):
            yield ast.Constant(2 * node.value or 1.0)
        case ast.Constant(value=int()):
            yield from map(ast.Constant, (node.value + 1, node.value - 1)[: 1 + (node.value > 0)])
        case ast.Name(ctx=ast.Load()) if OTHER.get(node.id) in bound:
            yield but(node, id=OTHER[node.id])
        case ast.Attribute(ctx=ast.Load()) if node.attr in OTHER:
            yield but(node, attr=OTHER[node.attr])
        case ast.Call():
            yield from (but(node, keywords=without(node.keywords, i)) for i in range(len(node.keywords)))
            if ast.unparse(node.func) in dir(builtins) or any(isinstance(a, ast.Starred) for a in node.args):
                return  # -x and swapped arguments would be no more than a TypeError
            for i, (one, next_one) in enumerate(itertools.pairwise(node.args)):
                if not any(isinstance(getattr(arg, "value", None), str) for arg in (one, next_one)):
                    yield but(node, args=[*node.args[:i], next_one, one, *node.args[i + 2 :]])
            if len(node.args) == 1 and isinstance(node.args[0], ast.Name):
                yield but(node, args=[ast.UnaryOp(ast.USub(), node.args[0])])
        case ast.If() | ast.IfExp() | ast.While() if not isinstance(node.test, ast.Compare | ast.UnaryOp):
            yield but(node, test=ast.UnaryOp(ast.Not(), node.test))
        case ast.comprehension():
            yield from (but(node, ifs=without(node.ifs, i)) for i in range(len(node.ifs)))
        case ast.Slice(step=None):
            yield but(node, lower=node.upper, upper=node.lower)
        case ast.Slice():
            yield from (but(node, lower=None), but(node, step=None))
        case ast.Return(value=ast.expr()):
            yield but(node, value=ast.Constant(None))
        case ast.With() if not any(item.optional_vars for item in node.items):
            yield ast.If(ast.Constant(True), node.body, [])
        case ast.Expr(value=ast.Call()):  # no docstring, no yield
            yield ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()


def skipped(node):
    """Messages and what else is only read by people."""
    return isinstance(node, ast.Raise | ast.JoinedStr) or getattr(node, "name", "") == "__repr__"


def mutants(source):
    """All mutants of a module, in the order of its lines."""
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    return sorted(_mutants(tree, tree, None, set(dir(builtins)), seen), key=lambda mutant: mutant.line)


def _mutants(tree, node, statement, bound, seen):
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        bound = bound | names | {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or skipped(child):
                continue
            within = child if isinstance(child, ast.stmt) else statement
            for change in changes(child, bound):
                before = first_line(within)
                _put(node, field, i, change)
                text = ast.unparse(ast.fix_missing_locations(tree))
                if text not in seen:
                    seen.add(text)
                    after = first_line(change if child is within else within)
                    yield Mutant(getattr(child, "lineno", within.lineno), before, after, text)
                _put(node, field, i, child)
            yield from _mutants(tree, child, within, bound, seen)


def _put(node, field, i, child):
    value = getattr(node, field)
    if isinstance(value, list):
        value[i] = child
    else:
        setattr(node, field, child)


def first_line(statement):
    return next(line for line in ast.unparse(statement).splitlines() if not line.startswith("@"))


class Watch:
    """A plugin of pytest: the quickest tests first, and before them one that is likely to fail."""

    def __init__(self, report, seconds, first):
        self.report, self.seconds, self.first = report, seconds, first

    def pytest_collection_modifyitems(self, items):
        items.sort(key=lambda item: (item.nodeid != self.first, self.seconds.get(item.nodeid, 0.0)))

    def pytest_runtest_logstart(self, nodeid):
        self.pytest_runtest_logreport(argparse.Namespace(nodeid=nodeid, duration=0.0))
        signal.alarm(max(30, int(10 * self.seconds.get(nodeid, 60.0))))  # whose signal ends the process

    def pytest_runtest_logreport(self, report):
        print(report.nodeid, report.duration, sep="\t", file=self.report, flush=True)


def run_tests(root, module, source, tests, seconds, first=None):
    """In a fork: whether the tests pass with this source of the module, the seconds of each, the output."""
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        child = os.fork()
        if not child:
            try:
                os._exit(_in_fork(folder, root, module, source, tests, seconds, first))
            finally:
                os._exit(70)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        finally:
            with contextlib.suppress(ProcessLookupError):  # what the tests have started, too
                os.killpg(child, signal.SIGKILL)
        output = (folder / "output").read_text(errors="replace")
        if status > 2:  # of pytest: 0 passed, 1 failed, 2 could not be collected; below 0 is a signal
            raise SystemExit(f"pytest ended with {status}\n{output[-3000:]}")
        spent = collections.Counter()
        for line in (folder / "report").read_text().splitlines():
            nodeid, duration = line.split("\t")
            spent[nodeid] += float(duration)
    return status == 0, spent, output


def _in_fork(folder, root, module, source, tests, seconds, first):
    """Tests see a folder of links to the package's files, but for the module; so does what they start."""
    os.setpgid(0, 0)
    signal.alarm(60)
    output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(output, stream)
    package = folder / PACKAGE
    package.mkdir()
    for path in (root / PACKAGE).iterdir():
        if path.name not in ("__pycache__", f"{module}.py"):
            (package / path.name).symlink_to(path)
    (package / f"{module}.py").write_text(source, encoding="utf-8")
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    os.environ |= {"PYTHONPATH": str(folder), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-xq", "-pno:cacheprovider", "-oaddopts=", f"--rootdir={root}", f"--basetemp={folder}/tmp"]
    options += ["-k", f"not {LEFT_OUT}"]
    if (root / "pyproject.toml").exists():
        options += ["-c", str(root / "pyproject.toml")]
    pytest = importlib.import_module("pytest")
    with open(folder / "report", "w") as report:
        status = pytest.main([*options, *map(str, tests)], plugins=[Watch(report, seconds, first)])
    sys.stdout.flush()
    return status


def sha256(*parts):
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def chosen(root, module, sample):
    found = mutants((root / PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    if sample is None or sample >= len(found):
        return found
    return sorted(random.Random(0).sample(found, sample))


def check(root, module, sample=None, equivalent=()):
    """Run the mutants of a module, print the survivors and a total. Returns the survivors."""
    tests = [root / "tests" / name for name in (f"test_{module}.py", *MORE_TESTS.get(module, ()))]
    code = sha256(*(test.read_bytes() for test in tests)).encode()
    results = root / "_build" / "mutants" / "results.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.touch()
    records = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    known = {record["key"]: record["killed"] for record in records}
    killers = {record["mutant"]: record["by"] for record in records}
    seconds, survivors, unseen = None, [], 0
    ours = chosen(root, module, sample)
    for mutant in ours:
        name = sha256(mutant.source.encode())
        key = sha256(code, name.encode())
        if key not in known:
            if seconds is None:
                original = (root / PACKAGE / f"{module}.py").read_text(encoding="utf-8")
                passed, seconds, output = run_tests(root, module, original, tests, {})
                if not passed:
                    raise SystemExit(f"{module}.py fails its tests as it is\n{output[-3000:]}")
            passed, spent, _ = run_tests(root, module, mutant.source, tests, seconds, killers.get(name))
            known[key], by = not passed, None if passed or not spent else [*spent][-1]
            record = {"key": key, "mutant": name, "killed": not passed, "by": by}
            shown = {"module": module, "line": mutant.line, "before": mutant.before, "after": mutant.after}
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record | shown, ensure_ascii=False) + "\n")
        if mutant.after in equivalent and known[key]:
            print(f"said to be equivalent, but killed: {show(module, mutant)}", flush=True)
        elif mutant.after in equivalent:
            unseen += 1
            print(f"equivalent: {show(module, mutant)}\n  {equivalent[mutant.after]}", flush=True)
        elif not known[key]:
            survivors.append(mutant)
            print(f"survived: {show(module, mutant)}", flush=True)
    rest, killed = len(ours) - unseen, len(ours) - unseen - len(survivors)
    print(
        f"{module}: killed {killed} of {len(ours)} ({killed / max(len(ours), 1):.1%}); "
        f"without {unseen} equivalent ones, of {rest} ({killed / max(rest, 1):.1%})",
        flush=True,
    )
    return survivors


def show(module, mutant):
    return f"{PACKAGE}/{module}.py:{mutant.line}\n  - {mutant.before}\n  + {mutant.after}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help=f"of {PACKAGE}; default: {', '.join(MODULES)}"
    )
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--sample", type=int, metavar="N")
    args = parser.parse_args()
    args.modules = args.modules or MODULES
    for module in args.modules:
        if not (ROOT / "tests" / f"test_{module}.py").exists():
            parser.error(f"{module!r}: want a module that has tests, as {', '.join(MODULES)}")
    if args.list:
        for module in args.modules:
            print(*(show(module, mutant) for mutant in chosen(ROOT, module, args.sample)), sep="\n")
        return
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for name in HEAVY:
        importlib.import_module(name)
    for module in args.modules:
        check(ROOT, module, args.sample, EQUIVALENT.get(module, {}))


if __name__ == "__main__":
    main()
