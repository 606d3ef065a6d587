"""Check a whole automatic differentiation engine: what no table of operations can see.

Every operation of an engine can be right and its gradients wrong: ``self.grad = g`` in place of ``+=``, nodes visited
in the wrong order, gradients left over from the pass before.  These show only in graphs in which a value is used twice.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

import minigen as mg

from .report import Finding, Report

__all__ = ["EngineAdapter", "check_engine"]

Array = np.ndarray


class EngineAdapter(Protocol):
    """What `check_engine` calls; a few lines around somebody's engine."""

    def leaf(self, array: Array) -> Any:
        """A node that holds a float64 array and wants a gradient."""

    def add(self, a: Any, b: Any) -> Any:
        """The sum of two nodes of equal shapes."""

    def mul(self, a: Any, b: Any) -> Any:
        """The product of two nodes of equal shapes, element by element."""

    def gradients(self, output: Any, leaves: Sequence[Any], g: Array) -> Sequence[Array | None]:
        """The gradients of ``sum(g * output)`` in the leaves."""


class _Ours:
    """minigen itself."""

    def leaf(self, array: Array) -> Any:
        return mg.tensor(array, dtype="float64", requires_grad=True)

    def add(self, a: Any, b: Any) -> Any:
        return a + b

    def mul(self, a: Any, b: Any) -> Any:
        return a * b

    def gradients(self, output: Any, leaves: Sequence[Any], g: Array) -> list[Array]:
        found = mg.grad(output, list(leaves), mg.tensor(g, dtype="float64"), allow_unused=True)
        return [np.zeros(x.shape) if d is None else d.numpy() for d, x in zip(found, leaves)]


Graph = Callable[[Any, Sequence[Any]], Any]


def _late(e: Any, x: Sequence[Any]) -> Any:
    """A node that is no leaf, at the ends of a long path and of a short one."""
    start = long = e.mul(x[0], x[1])
    for _ in range(5):
        long = e.mul(long, x[1])
    return e.add(long, start)


def _ladder(e: Any, x: Sequence[Any]) -> Any:
    y = x[0]
    for _ in range(40):
        y = e.add(y, y)
    return e.mul(y, x[1])


def _deep(e: Any, x: Sequence[Any]) -> Any:
    y = x[0]
    for _ in range(3000):
        y = e.add(y, x[1])
    return y


GRAPHS: dict[str, tuple[str, Graph]] = {
    "a chain": ("a product in a sum", lambda e, x: e.add(e.mul(x[0], x[1]), x[1])),
    "one input twice": ("x * x: both arguments are the same node; is the second share added to the first (+=)?",
                        lambda e, x: e.mul(x[0], x[0])),
    "fan-out": ("a node with two users; are their shares added (+=)?",
                lambda e, x: (lambda y: e.add(e.mul(y, x[0]), e.mul(y, x[1])))(e.mul(x[0], x[1]))),
    "a long and a short path": ("a node must wait for all of its users: visit in reverse topological order", _late),
    "an unused leaf": ("its gradient is zero (None will do)", lambda e, x: e.mul(x[0], x[0])),
    "the output is a leaf": ("its gradient is g itself", lambda e, x: x[0]),
    "2^40 paths": ("each node is visited once, not once per path", _ladder),
    "3000 nodes in a row": ("no recursion over the depth of the graph", _deep),
}  # fmt: skip
"""Graphs by name, with what they show."""


def check_engine(adapter: EngineAdapter, name: str = "engine", seed: int = 0, graphs: int = 40) -> Report:
    """Check somebody's engine on graphs: fan-out, reuse, order, a second pass, and random ones.

    Parameters
    ----------
    adapter : EngineAdapter
        An object with the methods ``leaf``, ``add``, ``mul`` and ``gradients``.
    name : str
        What to call it in the report.
    seed : int
    graphs : int
        How many random graphs are tried after the named ones.

    Returns
    -------
    Report
        One finding per graph; the reference is minigen's engine, whose gradients are checked by differences elsewhere.

    Examples
    --------
    >>> check_engine(_Ours(), graphs=3).verdict
    'right'
    """
    rng = np.random.default_rng(seed)
    findings = []
    for title, (what, build) in GRAPHS.items():
        findings.append(_compare(adapter, name, title, what, build, rng, 3 if title == "an unused leaf" else 2))
    for number in range(graphs):
        plan = _random_plan(rng)
        built = lambda e, x, plan=plan: _build(e, x, plan)  # noqa: E731
        finding = _compare(adapter, name, f"random graph {number}", _words(plan), built, rng, 3)
        if finding.verdict == "wrong" or number == graphs - 1:
            findings.append(finding)
            break
    wrong = [f for f in findings if f.verdict == "wrong"]
    return Report(name, wrong or findings)


def _random_plan(rng: np.random.Generator) -> list[tuple[str, int, int]]:
    """Operations on the nodes before; the first three are leaves."""
    return [
        (("add", "mul")[int(rng.integers(2))], int(rng.integers(3 + n)), int(rng.integers(3 + n)))
        for n in range(int(rng.integers(2, 9)))
    ]


def _build(e: Any, leaves: Sequence[Any], plan: Sequence[tuple[str, int, int]]) -> Any:
    nodes = list(leaves)
    for op, a, b in plan:
        nodes.append(getattr(e, op)(nodes[a], nodes[b]))
    return nodes[-1]


def _words(plan: Sequence[tuple[str, int, int]]) -> str:
    names = ["x0", "x1", "x2", *(f"n{i}" for i in range(len(plan)))]
    steps = [f"n{i} = {names[a]} {'+' if op == 'add' else '*'} {names[b]}" for i, (op, a, b) in enumerate(plan)]
    return "; ".join(steps)


def _compare(
    adapter: Any, name: str, title: str, what: str, build: Graph, rng: np.random.Generator, count: int
) -> Finding:
    arrays = [np.round(rng.uniform(0.5, 1.5, 3), 3) * rng.choice([-1, 1], 3) for _ in range(count)]
    g = np.round(rng.uniform(0.5, 1.5, 3), 3)
    expected = _Ours().gradients(*_made(_Ours(), build, arrays), g)
    try:
        output, leaves = _made(adapter, build, arrays)
        first = [np.zeros(3) if d is None else np.array(d) for d in adapter.gradients(output, leaves, g.copy())]
        again = adapter.gradients(*_made(adapter, build, arrays), g.copy())
        second = [np.zeros(3) if d is None else np.array(d) for d in again]
    except Exception as error:
        reason = f"raises {type(error).__name__}: {error}".splitlines()[0][:200]
        return Finding("wrong", name, title, 0, f"{reason} ({what})")
    for which, found in (("", first), (" when a second graph of fresh leaves is differentiated", second)):
        for i, (d, e) in enumerate(zip(found, expected)):
            if d.shape != e.shape:
                return Finding(
                    "wrong", name, title, 0, f"gradient {i} has shape {d.shape}, expected {e.shape} ({what})"
                )
            off = np.abs(d - e) > 1e-9 * np.maximum(1.0, np.abs(e))
            if np.any(off) or np.any(np.isnan(d)):
                place = int(np.argmax(np.abs(d - e)))
                numbers = (place,), float(d[place]), float(e[place])
                return Finding("wrong", name, title, 0, f"the gradient of leaf {i} is wrong{which}: {what}", *numbers)
    return Finding("right", name, title, 0, what, resolution=1e-9)


def _made(engine: Any, build: Graph, arrays: Sequence[Array]) -> tuple[Any, list[Any]]:
    leaves = [engine.leaf(np.array(a)) for a in arrays]
    return build(engine, leaves), leaves
