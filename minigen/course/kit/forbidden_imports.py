"""Forbidden imports: names in a student's file that lead into a library that has the answers.

``assignment.toml`` lists them: ``forbidden = ["minigen.losses", "torch"]``.  `forbidden_imports` reads the file's
syntax tree, and follows names from where they are imported to where they are used, through ``getattr``, ``importlib``
and plain assignments.  It does not run the file, so it does not see a name that the file builds at run time: this is a
reminder for honest students, not a security boundary.

A task is judged by what its functions use, and by whatever in the file those use in turn.  So a student who compares
with the library at the end of the file, or imports it for nothing, uses nothing forbidden.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence

from .result import Outcome

__all__ = ["forbidden_imports"]

BUILTINS = {name: name for name in ("getattr", "vars", "__import__")}


def forbidden_imports(source: str, forbidden: Sequence[str], tasks: Mapping[int, Sequence[str]]) -> dict[int, Outcome]:
    """The tasks that are answered with something forbidden, each with what to say.

    Parameters
    ----------
    source : str
        The student's file.
    forbidden : sequence of str
        Modules or what is in them, such as "minigen.losses"; all below is meant, too.
    tasks : mapping of int to sequence of str
        What is to be written, by the task's number.

    Returns
    -------
    dict of int to Outcome
        Empty also where the file is not Python; loading it says that.

    Examples
    --------
    >>> source = "import minigen as mg\\n\\ndef kl(mu, log_var):\\n    return mg.losses.gaussian_kl(mu, log_var)\\n"
    >>> found = forbidden_imports(source, ["minigen.losses"], {1: ["kl"], 2: ["elbo"]})
    >>> print(found[1].text())
    It uses minigen.losses.gaussian_kl. Write this yourself, without minigen.losses; then compare the two.
    line 4, in kl: return mg.losses.gaussian_kl(mu, log_var)
    >>> list(found)
    [1]
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    origins = _origins(tree)
    found = {}
    for number, names in tasks.items():
        others = {name for other, theirs in tasks.items() if other != number for name in theirs}
        uses = list(_uses(tree, origins, names, others, forbidden))
        if uses:
            node, owner, path = min(uses, key=lambda use: (use[0].lineno, use[0].col_offset, -len(use[2])))
            library = next(f for f in forbidden if _below(path, f))
            place = f"line {node.lineno}{f', in {owner}' * bool(owner)}: {source.splitlines()[node.lineno - 1].strip()}"
            without = f", without {library}" * (path != library)
            said = f"It uses {path}. Write this yourself{without}; then compare the two."
            found[number] = Outcome("forbidden", said, place)
    return found


def _below(path: str | None, library: str) -> bool:
    return path is not None and (path == library or path.startswith(f"{library}."))


# ---- where names come from


def _origins(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, such as F for minigen.functional, and each name that it is assigned to."""
    found, lines, assigned = dict(BUILTINS), {}, []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
                lines[alias.asname or top] = node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                lines[alias.asname or alias.name] = node.lineno
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            assigned += [(target.id, node.value) for target in targets if isinstance(target, ast.Name)]
    for node in tree.body:  # a definition after an import takes its name
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and lines.get(node.name, node.lineno) < node.lineno:
            del found[node.name]
    before = -1
    while len(found) > before:  # an assignment may stand before the one that it goes on from
        before = len(found)
        for name, value in assigned:
            path = _path(value, found)
            if path:
                found.setdefault(name, path)
    return found


def _path(node: ast.AST, origins: dict[str, str]) -> str | None:
    """The dotted name that an expression stands for, where it stands for one."""
    match node:
        case ast.Name(id=name):
            return origins.get(name)
        case ast.Attribute(value=value, attr=attribute):
            return _joined(_path(value, origins), attribute)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            owner = _path(value, origins)
            return key if owner == "sys.modules" else _joined(owner and owner.removesuffix(".__dict__"), key)
        case ast.Call(func=function, args=[first, *rest]):
            match _path(function, origins), first, rest:
                case "getattr", value, [ast.Constant(value=str(attribute)), *_]:
                    return _joined(_path(value, origins), attribute)
                case "vars", value, []:
                    return _joined(_path(value, origins), "__dict__")
                case "__import__", ast.Constant(value=str(name)), _:
                    return name.partition(".")[0]
                case "importlib.import_module", ast.Constant(value=str(name)), _:
                    return name
    return None


def _joined(owner: str | None, name: str) -> str | None:
    return f"{owner}.{name}" if owner else None


# ---- what a task uses


def _uses(
    tree: ast.Module, origins: dict[str, str], names: Sequence[str], others: set[str], forbidden: Sequence[str]
) -> Iterator[tuple[ast.expr | ast.stmt, str, str]]:
    """Where something forbidden is used for these names: the node, the definition around it, and the dotted name."""
    for statement in _reached(tree, names, others):
        owner = statement.name if isinstance(statement, ast.FunctionDef | ast.ClassDef) else ""
        for node in ast.walk(statement):
            path = _path(node, origins)
            if any(_below(path, f) for f in forbidden):
                yield node, owner, path  # type: ignore[misc]
    for node in tree.body:  # imported under the very name that is to be written
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                path = origins.get(alias.asname or alias.name)
                if (alias.asname or alias.name) in names and any(_below(path, f) for f in forbidden):
                    yield node, "", path  # type: ignore[misc]


def _reached(tree: ast.Module, names: Sequence[str], others: set[str]) -> list[ast.stmt]:
    """The statements at the top of the file that make these names, or names that those use; not what `others` do."""
    makers: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in _made(statement):
            makers.setdefault(name, []).append(statement)
    found: list[ast.stmt] = []
    seen, waiting = set(others), list(names)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            for statement in makers.get(name, []):
                if statement not in found:
                    found.append(statement)
                    waiting += [n.id for n in ast.walk(statement) if isinstance(n, ast.Name)]
    return found


def _made(statement: ast.stmt) -> set[str]:
    """The names that a statement makes, or sets something in."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    stored = [n for n in ast.walk(statement) if isinstance(getattr(n, "ctx", None), ast.Store)]
    owners = [n.value if isinstance(n, ast.Attribute | ast.Subscript) else n for n in stored]
    return {n.id for n in owners if isinstance(n, ast.Name)}
