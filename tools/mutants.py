"""Do the tests notice errors? Run them on mutants of the package: python tools/mutants.py [MODULE...]

A mutant is a module with one change: a sign, a factor 1/2, an axis, swapped labels, training=False, a line
left out. One that its tests pass is printed. Equivalent ones, which no test could tell, are counted apart.

    --list      print the mutants, run none
    --sample N  N of each module, always the same
    --jobs N    so many at a time; default: as many as there are cores
    --budget S  a mutant meets its likeliest tests alone, as many as take S seconds; one that they pass counts
                as a survivor, though another might kill it

A mutant meets the tests that execute its line, which are known from one run of the module as it is: first
those that killed others on that line, then those that killed others in that function, then the quickest. A
mutant that takes five times as long as the tests do without it is killed, too, and counted apart.

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
import math
import os
import pathlib
import random
import signal
import sys
import tempfile
import time
import traceback
from typing import NamedTuple

import coverage
import pytest
from chapters import ROOT, THREADS

PACKAGE = "ganbook"
MODULES = ("losses", "layers", "metrics", "gan", "_fit", "_gan_checks")
# The tests of a module are those of its name; of a GAN, and of what it is made of, these.
GAN_TESTS = (
    "test_gan.py",
    "test_bad_input.py",
    "test_keras_user.py",
    "test_checkpoint.py",
    "test_distribute.py",
)
LEFT_OUT = "TestKilled"
SECONDS, TIMES = 60, 5  # what a mutant's tests may take: so long, and so many times what they take without it
# Imported once, for all mutants: it takes longer than most of them.
HEAVY = ("h5py", "keras", "matplotlib.pyplot", "sklearn.metrics", "sklearn.neighbors", "tensorflow")

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
    lines: frozenset  # one of these is executed, or the change makes no difference
    where: str  # the function or method


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
    return sorted(_mutants(tree, tree, None, "", set(dir(builtins)), seen), key=lambda mutant: mutant.line)


def _mutants(tree, node, statement, where, bound, seen):
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        bound = bound | names | {arg.arg for arg in ast.walk(node.args) if isinstance(arg, ast.arg)}
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        where = f"{where}.{node.name}".lstrip(".")
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
                    line = getattr(child, "lineno", within.lineno)
                    yield Mutant(line, before, after, text, lines_of(within), where)
                _put(node, field, i, child)
            yield from _mutants(tree, child, within, where, bound, seen)


def lines_of(statement):
    """The lines of a statement, without those of the statements in it; a function's are its body's."""
    first, last = statement.lineno, statement.end_lineno
    body = getattr(statement, "body", None)
    if isinstance(statement, ast.FunctionDef):
        first = body[0].lineno
    elif body:
        last = max(first, body[0].lineno - 1)
    return frozenset(range(first, last + 1))


def _put(node, field, i, child):
    value = getattr(node, field)
    if isinstance(value, list):
        value[i] = child
    else:
        setattr(node, field, child)


def first_line(statement):
    return next(line for line in ast.unparse(statement).splitlines() if not line.startswith("@"))


class Watch:
    """A plugin of pytest: the tests that are asked for, in the order of `places`, each with a time limit."""

    def __init__(self, report, places=None, seconds=None, until=math.inf):
        self.report, self.places, self.seconds, self.until = report, places, seconds or {}, until

    def pytest_collection_modifyitems(self, items):
        if self.places is not None:
            # A test that has no place has got its name from the mutant.
            known = self.seconds.keys() - self.places.keys()
            items[:] = [item for item in items if item.nodeid not in known]
            items.sort(key=lambda item: self.places.get(item.nodeid, -1))

    def pytest_runtest_logstart(self, nodeid):
        self.pytest_runtest_logreport(argparse.Namespace(nodeid=nodeid, duration=0.0))
        limit = min(max(30, 10 * self.seconds.get(nodeid, 60.0)), self.until - time.monotonic())
        signal.alarm(max(1, int(limit)))  # whose signal ends the process

    def pytest_runtest_logreport(self, report):
        print(report.nodeid, report.duration, sep="\t", file=self.report, flush=True)


class Trace:
    """A plugin of pytest that notes which lines of the package each test executes.

    What a module's fixture executes is noted for all tests of the module, and what is executed while tests
    are collected for every test. What another process executes is not seen: who starts one is in `blind`.
    """

    def __init__(self, package):
        self.coverage = coverage.Coverage(
            data_file=None, config_file=False, include=[str(package.resolve() / "*")], messages=False
        )
        self.now, self.blind = "", set()
        sys.addaudithook(self.listen)
        self.coverage.start()

    def listen(self, event, args):
        if self.now and event in ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"):
            self.blind.add(self.now)

    def switch(self, name):
        before, self.now = self.now, name
        self.coverage.switch_context(name)
        return before

    def pytest_runtest_logstart(self, nodeid):
        self.switch(nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef, request):
        before = self.switch(self.now if fixturedef.scope == "function" else request.node.nodeid)
        try:
            return (yield)
        finally:
            self.switch(before)

    def lines(self):
        """{the beginning of the names of tests: {module: lines}}"""
        self.coverage.stop()
        found, data = {}, self.coverage.get_data()
        for file in data.measured_files():
            for line, names in data.contexts_by_lineno(file).items():
                for name in names:
                    found.setdefault(name, {}).setdefault(pathlib.Path(file).stem, []).append(line)
        return found


class Run:
    """Tests in a fork, with `source` in place of the module's, or with the package as it is and traced."""

    def __init__(self, root, tests, module=None, source=None, places=None, seconds=None):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.trace = module is None
        limit = math.inf if self.trace else SECONDS + TIMES * sum(seconds[nodeid] for nodeid in places)
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            status = 70
            try:
                self.link(root, module, source)
                status = self.run(root, tests, places, seconds, time.monotonic() + limit)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)

    def link(self, root, module, source):
        """Tests see a folder of links to the package's files, but for the module; so does what they start."""
        os.setpgid(0, 0)
        signal.alarm(0 if self.trace else 60)
        output = os.open(self.path / "output", os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(output, stream)
        package = self.path / PACKAGE
        package.mkdir()
        for path in (root / PACKAGE).iterdir():
            if path.name not in ("__pycache__", f"{module}.py"):
                (package / path.name).symlink_to(path)
        if module:
            (package / f"{module}.py").write_text(source, encoding="utf-8")
        os.chdir(self.path)
        sys.path.insert(0, str(self.path))
        os.environ |= {"PYTHONPATH": str(self.path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def run(self, root, tests, places, seconds, until):
        options = [
            "-xq",
            "-pno:cacheprovider",
            "-oaddopts=",
            f"--rootdir={root}",
            f"--basetemp={self.path}/tmp",
        ]
        options += ["-k", f"not {LEFT_OUT}"]
        if (root / "pyproject.toml").exists():
            options += ["-c", str(root / "pyproject.toml")]
        with open(self.path / "report", "w") as report:
            plugins = [Watch(report, places, seconds, until)]
            if self.trace:
                plugins.append(Trace(root / PACKAGE))
            status = pytest.main([*options, *map(str, tests)], plugins=plugins)
        if self.trace:
            found = {"lines": plugins[1].lines(), "blind": sorted(plugins[1].blind)}
            (self.path / "trace").write_text(json.dumps(found))
        return status

    def end(self, status):
        """Whether the tests passed, the seconds of each in the order in which they ran, what they printed."""
        self.stop()
        output = (self.path / "output").read_text(errors="replace")
        if status > 2:  # of pytest: 0 passed, 1 failed, 2 could not be collected; below 0 is a signal
            raise SystemExit(f"pytest ended with {status}\n{output[-3000:]}")
        spent = collections.Counter()
        if (self.path / "report").exists():  # not if it came to nothing before
            for line in (self.path / "report").read_text().splitlines():
                nodeid, duration = line.split("\t")
                spent[nodeid] += float(duration)
        traced = json.loads((self.path / "trace").read_text()) if self.trace and status == 0 else {}
        self.folder.cleanup()
        return status == 0, spent, output, traced

    def stop(self):
        with contextlib.suppress(ProcessLookupError):  # what the tests have started, too
            os.killpg(self.pid, signal.SIGKILL)


def sha256(*parts):
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def chosen(root, module, sample):
    found = mutants((root / PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    if sample is None or sample >= len(found):
        return found
    return sorted(random.Random(0).sample(found, sample))


def tests_of(root, module):
    named = GAN_TESTS if module == "gan" or module.startswith("_") else (f"test_{module}.py",)
    return [root / "tests" / name for name in named if (root / "tests" / name).exists()]


def traced(root, module, tests):
    """Of the tests with the package as it is: the seconds of each, the lines that it executes."""
    sources = [*sorted((root / PACKAGE).glob("*.py")), *tests]
    key = sha256(*(path.read_bytes() for path in sources))
    kept = root / "_build" / "mutants" / f"traced-{key[:16]}.json"
    if not kept.exists():
        run = Run(root, tests)
        passed, seconds, output, found = run.end(os.waitstatus_to_exitcode(os.waitpid(run.pid, 0)[1]))
        if not passed:
            raise SystemExit(f"{module}.py fails its tests as it is\n{output[-3000:]}")
        temporary = kept.with_suffix(".tmp")
        temporary.write_text(json.dumps(found | {"seconds": seconds}), encoding="utf-8")
        temporary.replace(kept)
    return json.loads(kept.read_text(encoding="utf-8"))


class History:
    """Which tests have killed which mutants of a module."""

    def __init__(self, records):
        self.own, self.of_line, self.of_function = {}, {}, {}
        for record in records:
            self.add(record)

    def add(self, record):
        if record["by"]:
            self.own[record["mutant"]] = record["by"]
            self.of_line.setdefault(record["before"], collections.Counter())[record["by"]] += 1
            self.of_function.setdefault(record.get("where"), collections.Counter())[record["by"]] += 1

    def places(self, module, mutant, known, budget=math.inf):
        """The place of each test that may kill a mutant, the likeliest first, as many as the budget has."""
        ran = {name: of_modules.get(module, ()) for name, of_modules in known["lines"].items()}
        names = {name for name, lines in ran.items() if mutant.lines.intersection(lines)}
        # A line that no test is known to execute may be one that is executed out of sight.
        names = tuple(names | set(known["blind"])) if names else ""
        seconds = known["seconds"]
        line, function = self.of_line.get(mutant.before, {}), self.of_function.get(mutant.where, {})
        own = self.own.get(sha256(mutant.source.encode()))
        order = sorted(
            filter(lambda test: test.startswith(names), seconds),
            key=lambda test: (test != own, -line.get(test, 0), -function.get(test, 0), seconds[test]),
        )
        spent = itertools.accumulate(seconds[test] for test in order)
        return {
            test: i for i, (test, so_far) in enumerate(zip(order, spent, strict=True)) if so_far <= budget
        }


def run_all(root, module, ours, jobs, history, known, budget):
    """Run mutants, `jobs` at a time: a record of each as it ends."""
    waiting, running = ours[::-1], {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                mutant = waiting.pop()
                places = history.places(module, mutant, known, budget)
                tests = sorted({root / test.split("::")[0] for test in places})
                run = Run(root, tests, module, mutant.source, places, known["seconds"])
                running[run.pid] = run, mutant, time.monotonic()
            pid, status = os.waitpid(-1, 0)
            run, mutant, start = running.pop(pid)
            status = os.waitstatus_to_exitcode(status)
            passed, spent, *_ = run.end(status)
            record = {"mutant": sha256(mutant.source.encode()), "killed": not passed}
            record["by"] = None if passed or not spent else [*spent][-1]
            record |= {"timed_out": status == -signal.SIGALRM, "seconds": round(time.monotonic() - start, 1)}
            record |= {"module": module, "where": mutant.where, "line": mutant.line}
            record |= {"before": mutant.before, "after": mutant.after}
            history.add(record)
            yield mutant, record
    finally:
        for run, *_ in running.values():
            run.stop()


def check(root, module, sample=None, equivalent=(), jobs=1, budget=math.inf):
    """Run the mutants of a module, print the survivors and a total. Returns the survivors."""
    tests = tests_of(root, module)
    code = sha256(*(test.read_bytes() for test in tests)).encode()
    results = root / "_build" / "mutants" / "results.jsonl"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.touch()
    records = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    found = {record["key"]: record for record in records}
    history = History(record for record in records if record["module"] == module)
    ours = {sha256(code, sha256(m.source.encode()).encode()): m for m in chosen(root, module, sample)}
    todo = [mutant for key, mutant in ours.items() if key not in found]
    if todo:
        known = traced(root, module, tests)
        with results.open("a", encoding="utf-8") as file:
            for _, record in run_all(root, module, todo, jobs, history, known, budget):
                key = sha256(code, record["mutant"].encode())
                found[key] = record
                print(json.dumps({"key": key} | record, ensure_ascii=False), file=file, flush=True)
    survivors, unseen = [], 0
    for key, mutant in ours.items():
        killed = found[key]["killed"]
        if mutant.after in equivalent and killed:
            print(f"said to be equivalent, but killed: {show(module, mutant)}")
        elif mutant.after in equivalent:
            unseen += 1
            print(f"equivalent: {show(module, mutant)}\n  {equivalent[mutant.after]}")
        elif not killed:
            survivors.append(mutant)
            print(f"survived: {show(module, mutant)}")
    rest, killed = len(ours) - unseen, len(ours) - unseen - len(survivors)
    late = sum(found[key].get("timed_out", False) for key in ours)
    print(
        f"{module}: killed {killed} of {len(ours)} ({killed / max(len(ours), 1):.1%})"
        + f", {late} of them by the time limit" * (late > 0)
        + f"; without {unseen} equivalent ones, of {rest} ({killed / max(rest, 1):.1%})",
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
    parser.add_argument("--budget", type=float, default=math.inf, metavar="S")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    args = parser.parse_args()
    args.modules = args.modules or MODULES
    for module in args.modules:
        if not (ROOT / PACKAGE / f"{module}.py").exists() or not tests_of(ROOT, module):
            parser.error(f"{module!r}: want a module that has tests, as {', '.join(MODULES)}")
    if args.list:
        for module in args.modules:
            print(*(show(module, mutant) for mutant in chosen(ROOT, module, args.sample)), sep="\n")
        return
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if args.jobs > 1:
        os.environ.update(dict.fromkeys(THREADS, "1"))
    for name in HEAVY:
        importlib.import_module(name)
    for module in args.modules:
        check(ROOT, module, args.sample, EQUIVALENT.get(module, {}), args.jobs, args.budget)


if __name__ == "__main__":
    main()
