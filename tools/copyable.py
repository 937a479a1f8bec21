"""The classes and functions of the chapters that can be copied.

A definition can be copied when all that it reads comes along: imports, settings (names that the chapter binds
once, to a literal) and other definitions of which the same holds. One that reads its chapter's data, networks
or random numbers cannot.
"""

import ast
import builtins
import dataclasses
import re
import symtable
import sys
import textwrap

import nbformat

DEFINITIONS = ast.FunctionDef | ast.ClassDef
SCOPES = DEFINITIONS | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclasses.dataclass(frozen=True)
class Piece:
    """What a snippet may be made of: an import, a setting or a definition."""

    name: str
    kind: str  # import, setting, class or function
    source: str  # of an import: what follows the word
    at: tuple = ()  # cell, line
    module: str = ""  # of `from module import`
    reads: frozenset = frozenset()  # names of the module
    says: str = ""  # the first line of the docstring
    takes: str = ""  # arguments or base classes


@dataclasses.dataclass(frozen=True)
class Snippet:
    piece: Piece
    chapter: str  # such as images/digits
    text: str  # the whole of what is to be pasted

    @property
    def anchor(self):
        """The id of its cell in the rendered chapter."""
        return f"snippet-{self.chapter.split('/')[-1]}-{self.piece.name}".replace("_", "-").lower()


def names_read(source):
    """The names that a definition takes from its module, when it is defined or when it runs."""
    module = symtable.symtable(source, "snippet", "exec")
    names = {s.get_name() for s in module.get_symbols() if s.is_referenced()}
    scopes = module.get_children()
    while scopes:
        scope = scopes.pop()
        names |= {s.get_name() for s in scope.get_symbols() if s.is_global()}
        scopes += scope.get_children()
    return frozenset(names)


def of_module(node):
    """A node and those below it, down to the functions and other scopes of their own."""
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from of_module(child)


def is_constant(value):
    """Whether it is a number, a string or a tuple of such: a literal that nothing can change."""
    try:
        hash(ast.literal_eval(value))
    except (TypeError, ValueError):
        return False
    return True


def definition(node, at, lines):
    first = min(n.lineno for n in (node, *node.decorator_list))
    source = textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno]))
    is_class = isinstance(node, ast.ClassDef)
    return Piece(
        node.name,
        "class" if is_class else "function",
        source,
        at,
        reads=names_read(source) - {node.name},
        says=(ast.get_docstring(node) or "").split("\n")[0],
        takes=", ".join(map(ast.unparse, node.bases)) if is_class else ast.unparse(node.args),
    )


def pieces(cells):
    """From pairs of a cell's index and source: (pieces, how often each name of the module is bound)."""
    found, times = [], {}

    def bind(name):
        times[name] = times.get(name, 0) + 1

    for cell, source in cells:
        source = re.sub(r"^( *)[%!]", r"\1#", source, flags=re.MULTILINE)  # what only IPython understands
        lines, tree = source.split("\n"), ast.parse(source)
        for node in of_module(tree):
            if isinstance(node, DEFINITIONS):
                bind(node.name)
                found.append(definition(node, (cell, node.lineno), lines))
                for inner in ast.walk(node):
                    for name in inner.names if isinstance(inner, ast.Global) else ():
                        bind(name)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    name = alias.asname or alias.name.split(".")[0]
                    piece = Piece(name, "import", ast.unparse(alias), module=getattr(node, "module", ""))
                    if piece not in found:  # the same import twice is one
                        bind(name)
                        found.append(piece)
            elif isinstance(node, ast.Name | ast.ExceptHandler):
                if not isinstance(getattr(node, "ctx", None), ast.Load):
                    bind(getattr(node, "id", None) or node.name)
            elif node in tree.body and isinstance(node, ast.Assign) and is_constant(node.value):
                whole = "\n".join(lines[node.lineno - 1 : node.end_lineno])
                names = [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
                found += [Piece(name, "setting", whole, (cell, node.lineno)) for name in names]
    return found, times


def needs(piece, once, times):
    """(what is to be pasted for a definition, names of the chapter that stand in the way)."""
    needed, missing, todo = {}, set(), [piece]
    while todo:
        now = todo.pop()
        needed[now.name] = now
        for name in now.reads - needed.keys():
            if name in once:
                todo.append(once[name])
            elif name in times or not hasattr(builtins, name):
                missing.add(name)
    return needed.values(), missing


def import_lines(imports):
    """One statement a module, in the groups and the order of the chapters."""
    modules = {}
    for p in imports:
        modules.setdefault((bool(p.module), p.module or p.source), set()).add(p.source)
    groups = {}
    for (has_from, module), names in sorted(modules.items()):
        root = re.split(r"[. ]", module)[0]
        line = f"from {module} import {', '.join(sorted(names))}" if has_from else f"import {module}"
        rank = 2 if root == "ganbook" else int(root not in sys.stdlib_module_names)
        groups.setdefault(rank, []).append(line)
    return "\n\n".join("\n".join(groups[rank]) for rank in sorted(groups))


def text(needed):
    """Imports, then the rest in the order of the chapter."""
    parts = [import_lines(p for p in needed if p.kind == "import")]
    before = "import" if parts[0] else ""
    rest = {p.at: p for p in needed if p.kind != "import"}
    for _, p in sorted(rest.items()):
        apart = 3 if {before, p.kind} & {"class", "function"} else 2 if before == "import" else 1
        parts += ["\n" * apart if before else "", p.source]
        before = p.kind
    return "".join(parts) + "\n"


def analyse(cells, chapter):
    """From pairs of a cell's index and source: (snippets, {definition left out: names in the way})."""
    found, times = pieces(cells)
    once = {p.name: p for p in found if times[p.name] == 1}
    definitions = [p for p in found if p.kind in ("class", "function")]
    snippets, left_out = [], {}
    for piece in definitions:
        needed, missing = needs(piece, once, times)
        if sum(other.name == piece.name for other in definitions) > 1:
            missing = {piece.name}  # defined twice: which is meant?
        if missing:
            left_out[piece.name] = missing
        else:
            snippets.append(Snippet(piece, chapter, text(needed)))
    return snippets, left_out


def defined(name, text):
    """What a pasted text defines under this name, in a module of nothing else."""
    module = {"__name__": "pasted"}
    exec(compile(text, name, "exec"), module)
    return module[name]


def of_chapter(path):
    notebook = nbformat.read(path, as_version=4)
    cells = [(i, c.source) for i, c in enumerate(notebook.cells) if c.cell_type == "code"]
    return analyse(cells, f"{path.parent.name}/{path.stem}")
