r"""Wrong gradients made by a rule: every gradient of every operation, altered in every way under every condition.

An *alteration* says what is wrong (a row is missing, two axes are exchanged, a sign ...), a *condition* says where
(always, at one value of a parameter, at one value of two parameters, in one layout of the memory, on kinks, in the
last part of a long side ...).  Over all arguments of all operations of `minigen.check.op_registry.OP_REGISTRY` they
make the list: every alteration with the condition *always*, and every other condition with one alteration, by a hash;
rare conditions (depthwise, kinks, the last part of a side, state) with several, so that each kind has a twentieth of
the list.
Nothing in it is chosen by hand, and `minigen.check.check` gets no help: each mutant is judged by the public function
with its defaults.

A third of the list, fixed by a hash of the names, is *held back*: it is for releases, and not to be looked at while the
checker is developed.  What a release misses is read afterwards, so that the next one has another `EDITION`, with other
alterations under the conditions and another third.  This third shares no name with that of the first edition, of which
a sample was scored.  But the conditions are the same in all editions, as are the mutants made of every alteration: a
part of this third was open to development before.

A mutant that computes the right gradient, up to rounding, at every point that is drawn (an exchange of axes that are
never equally long) is counted as *not reached*, which is no catch.
"""

import functools
import hashlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ... import kernels
from ..adapters.minigen import table
from ..check_function import check
from ..covering import RecordingSource
from ..op_registry import OP_REGISTRY, Entry

__all__ = ["Altered", "GeneratedScore", "generate", "score_generated"]

EDITION = "2"
"""Salt of the hashes."""

Array = np.ndarray
Alteration = Callable[[Array], Array]
Condition = Callable[[Sequence[Array], dict[str, Any], Array], bool]


@dataclass(frozen=True)
class Altered:
    """One generated mutant.

    Attributes
    ----------
    op : str
    argument : int
        Whose gradient is wrong, among the differentiable ones.
    what, where : str
        The alteration and the condition.
    kind : str
        What the score is listed by.
    alter, when : callable
    mask : callable, optional
        ``mask(d, inputs)``: only these elements are altered.
    memory : callable, optional
        In place of `when`: makes a condition that depends on the calls before, anew for each function that is judged.
    """

    op: str
    argument: int
    what: str
    where: str
    kind: str
    alter: Alteration
    when: Condition
    mask: Callable[[Array, Sequence[Array]], Array] | None = None
    memory: Callable[[], Condition] | None = None

    @property
    def name(self) -> str:
        """Unique, and the same in every version."""
        return f"{self.op}/{self.argument}/{self.what}/{self.where}"

    @property
    def held_back(self) -> bool:
        """Whether it belongs to the third that is for releases only."""
        return _hash(self.name) % 3 > 0 and _hash(EDITION + self.name) % 2 == 0  # neither in the third of edition 1


def _hash(text: str) -> int:
    """A number from 0 to 255 that is the same in every run."""
    return hashlib.sha256(text.encode()).digest()[0]


# ---- what is wrong


def _put(d: Array, index: Any, value: Any) -> Array:
    d = d.copy()
    if d.size:
        d[index] = value(d[index])
    return d


def _element(d: Array, value: Any) -> Array:
    d = d.copy()
    if d.size:
        d.flat[d.size // 2] = value(d.flat[d.size // 2])
    return d


ALTERATIONS: dict[str, Alteration] = {
    "last row missing": lambda d: _put(d, np.s_[-1:] if d.ndim else (), lambda r: 0 * r),
    "first column missing": lambda d: _put(d, np.s_[..., :1] if d.ndim else (), lambda r: 0 * r),
    "shifted": lambda d: np.roll(d, 1, -1) if d.ndim else d,
    "last axis reversed": lambda d: d[..., ::-1].copy() if d.ndim else d,
    "axes exchanged": lambda d: d.swapaxes(-1, -2).copy() if d.ndim > 1 and d.shape[-1] == d.shape[-2] else d,
    "mean of a row": lambda d: np.broadcast_to(d.mean(-1, keepdims=True), d.shape).copy() if d.size and d.ndim else d,
    "one element twice": lambda d: _element(d, lambda v: 2 * v),
    "one element off by 1e-3": lambda d: _element(d, lambda v: 1.001 * v),
    "one element, the first, zero": lambda d: _put(d, (0,) * d.ndim, lambda v: 0 * v),
    "one element, the last, zero": lambda d: _put(d, (-1,) * d.ndim, lambda v: 0 * v),
    "off by 1e-6 of itself": lambda d: d * (1 + 1e-6),
    "off by 1e-4 of itself": lambda d: d * (1 + 1e-4),
    "in decimals": lambda d: np.round(d, 5),
    "in float32": lambda d: d.astype(np.float32).astype(np.float64),
    "zero": lambda d: 0 * d,
}
FACTORS: dict[str, Alteration] = {"sign": lambda d: -d, "twice": lambda d: 2 * d,
                                  "half": lambda d: d / 2,
                                  "by the count": lambda d: d / max(1, d.size)}  # fmt: skip
PLAIN = "one element off by 1e-3"


# ---- where


def _always(inputs: Sequence[Array], params: dict[str, Any], g: Array) -> bool:
    return True


def _layout(x: Array, name: str) -> bool:
    if x.size < 2 or x.flags.c_contiguous:
        return False
    if name == "Fortran order":
        return bool(x.flags.f_contiguous)
    if name == "a stride of 0":
        return any(st == 0 and n > 1 for st, n in zip(x.strides, x.shape))
    if name == "a negative stride":
        return any(st < 0 for st in x.strides)
    return not x.flags.f_contiguous and all(st > 0 for st in x.strides)


LAYOUTS = ("Fortran order", "a negative stride", "gaps")


def _equal(given: Any, value: Any) -> bool:
    return type(given) is type(value) and not isinstance(given, np.ndarray) and bool(given == value)


def parameter_values(entry: Entry, points: int = 60) -> dict[str, list[Any]]:
    """The values that each parameter is drawn from; arrays are only given or not."""
    rng = np.random.default_rng(0)
    found: dict[str, list[Any]] = {}
    for _ in range(points):
        for name, value in entry.make(RecordingSource(rng)).params.items():
            shown = "an array" if isinstance(value, np.ndarray) else value
            if isinstance(shown, tuple) or (name == "ignore_index" and shown != -100):
                continue  # one of very many
            values = found.setdefault(name, [])
            if not any(_equal(v, shown) for v in values):
                values.append(shown)
    return {name: values for name, values in found.items() if len(values) > 1}


def _is(name: str, value: Any) -> Condition:
    if isinstance(value, str) and value == "an array":
        return lambda inputs, params, g: isinstance(params.get(name), np.ndarray)
    return lambda inputs, params, g: _equal(params.get(name), value)


def _laid_out(i: int | None, name: str) -> Condition:
    """Whether input `i`, or the cotangent, has this layout."""
    if i is None:
        return lambda inputs, params, g: _layout(g, name)
    return lambda inputs, params, g: i < len(inputs) and _layout(inputs[i], name)


def _both(a: Condition, b: Condition) -> Condition:
    return lambda *point: a(*point) and b(*point)


def _conditions(entry: Entry) -> Iterator[tuple[str, str, Condition]]:
    """Kind, words and condition, for one operation."""
    for name in LAYOUTS:
        for i, what in enumerate(entry.inputs):
            if i in entry.differentiable:
                yield "layout of an input", f"{what} in {name}", _laid_out(i, name)
    for name in (*LAYOUTS, "a stride of 0"):
        yield "layout of the cotangent", f"g with {name}", _laid_out(None, name)
    values = parameter_values(entry)
    for name, choices in values.items():
        for value in choices:
            yield "one parameter", f"{name} = {value!r}", _is(name, value)
    for a, b in itertools.combinations(sorted(values), 2):
        for u, v in itertools.product(values[a], values[b]):
            yield "two parameters", f"{a} = {u!r} and {b} = {v!r}", _both(_is(a, u), _is(b, v))
    yield "batch", "a batch of more than 2", lambda x, p, g: x[0].ndim > 1 and x[0].shape[0] > 2
    yield "batch", "a batch of 1", lambda x, p, g: x[0].ndim > 1 and x[0].shape[0] == 1
    yield "batch", "a batch of 3", lambda x, p, g: x[0].ndim > 1 and x[0].shape[0] == 3
    yield "batch", "an even batch", lambda x, p, g: x[0].ndim > 1 and x[0].shape[0] % 2 == 0


def generate(ops: Sequence[str] | None = None) -> list[Altered]:
    """All mutants, in a fixed order.

    >>> found = generate(["softmax"])
    >>> len(found) > 30, found[0].name
    (True, 'softmax/0/last row missing/always')
    """
    out = []
    for op in ops or OP_REGISTRY:
        entry = OP_REGISTRY[op]
        for k in range(len(entry.differentiable)):
            for what, alter in ALTERATIONS.items():
                kind = "one element" if what.startswith("one element") else "index"
                kind = "precision" if what.startswith(("off by", "in ")) else kind
                out.append(Altered(op, k, what, "always", kind, alter, _always))
            out += [Altered(op, k, what, "always", "factor", alter, _always) for what, alter in FACTORS.items()]
            spoils = [n for n in ALTERATIONS if n not in ("axes exchanged", "shifted")]
            for kind, where, when in _conditions(entry):
                what = spoils[_hash(f"{EDITION}{op}/{k}/{where}") % len(spoils)]
                out.append(Altered(op, k, what, where, kind, ALTERATIONS[what], when))
            for what, width in itertools.product(("zero", "twice"), (4, 8)):
                alter = {**ALTERATIONS, **FACTORS}[what]
                out.append(Altered(op, k, what, f"the last part of a side above {width}", "tails", alter, _always,
                                   functools.partial(_tail, width)))  # fmt: skip
            if "groups" in entry.defaults:
                for (what, alter), (where, when) in itertools.product(ALTERATIONS.items(), DEPTHWISE.items()):
                    out.append(Altered(op, k, what, where, "depthwise", alter, when))
            if op in KINKED and k == 0:
                for (what, alter), (where, which) in itertools.product(OUTSIDE.items(), WHICH.items()):
                    mask = functools.partial(_kink, KINKED[op], which)
                    out.append(Altered(op, k, what, where, "subgradient", alter, _always, mask))
            out += _states(op, k)
    return out


DEPTHWISE: dict[str, Condition] = {
    "as many groups as channels": lambda x, p, g: p["groups"] > 1 and p["groups"] == x[0].shape[1],
    "one output channel per group": lambda x, p, g: 1 < p["groups"] == g.shape[1] == x[0].shape[1],
}


def _tail(width: int, d: Array, inputs: Sequence[Array]) -> Array:
    """The elements after the last full group of `width`, along the last axis."""
    if d.ndim == 0 or d.shape[-1] <= width:
        return np.zeros(d.shape, bool)
    return np.broadcast_to(np.arange(d.shape[-1]) >= d.shape[-1] // width * width, d.shape)


def _zero(inputs: Sequence[Array]) -> Array:
    return inputs[0] == 0


def _same(inputs: Sequence[Array]) -> Array:
    same = inputs[0].shape == inputs[1].shape
    return inputs[0] == inputs[1] if same else np.zeros(inputs[0].shape, bool)


def _kink(kinks: Callable[..., Array], which: int | None, d: Array, inputs: Sequence[Array]) -> Array:
    """All kinks, or one of them."""
    found = np.array(kinks(inputs))
    if which is not None and found.any():
        place = np.flatnonzero(found)[which]
        found[...] = False
        found.flat[place] = True
    return found


KINKED = {"relu": _zero, "leaky_relu": _zero, "prelu": _zero, "abs": _zero, "l1_loss": _same, "maximum": _same}
WHICH: dict[str, int | None] = {"on a kink": None, "on the first kink": 0, "on the last kink": -1}


def _more(c: float) -> Alteration:
    return lambda d: d + c


OUTSIDE: dict[str, Alteration] = {
    **{f"{c:+}": _more(c) for size in (5, 7, 10, 20, 50, 100, 1e3, 1e6) for c in (size, -size)},
    "not a number": lambda d: d * np.nan,
    "infinite": lambda d: np.full(d.shape, np.inf),
}  # fmt: skip
"""What is no subgradient: of a cotangent that is less than 5."""


def _states(op: str, k: int) -> list[Altered]:
    """What depends on the calls before."""

    def every(n: int) -> Callable[[], Condition]:
        def count() -> Condition:
            calls = itertools.count(1)
            return lambda x, p, g: next(calls) % n == 0

        return count

    def first() -> Condition:
        calls = itertools.count(1)
        return lambda x, p, g: next(calls) == 1

    def remembered() -> Condition:
        shapes: set[Any] = set()

        def again(x: Sequence[Array], p: dict[str, Any], g: Array) -> bool:
            key = tuple(np.asarray(a).tobytes() for a in x)
            other = bool(shapes) and key not in shapes
            shapes.add(key)
            return other and len(shapes) % 2 == 0

        return again

    return [
        Altered(op, k, what, where, "state", ALTERATIONS[what], _always, memory=memory)
        for what, where, memory in (
            ("zero", "every 7th call", every(7)),
            ("one element twice", "new inputs, every other time", remembered),
            ("zero", "every 20th call", every(20)),
            ("shifted", "the first call", first),
        )
    ]


# ---- the score


@dataclass
class GeneratedScore:
    """How many generated mutants were caught.

    Attributes
    ----------
    seeds : int
    rows : dict
        By the mutant's name: its kind, on how many seeds it was called wrong, on how many seeds it gave a gradient
        that differs from the right one.
    seconds : float
    """

    seeds: int
    rows: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        """A table in Markdown, the lowest kind first, then every mutant that was missed on a seed."""
        kinds: dict[str, list[tuple[int, int]]] = {}
        for kind, caught, reached in self.rows.values():
            kinds.setdefault(kind, []).append((caught, reached))
        lines = [f"| kind | mutants | caught on all of {self.seeds} seeds | on some | on none | not reached |",
                 "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
        table = []
        for kind, found in [*kinds.items(), ("**all**", [f for k in kinds.values() for f in k])]:
            every = sum(c == self.seeds for c, _ in found)
            missed = sum(c == 0 and r > 0 for c, r in found)
            never = sum(c == 0 and r == 0 for c, r in found)
            some = len(found) - every - missed - never
            share = every / max(1, len(found) - never)
            table.append((kind == "**all**", share, f"| {kind} | {len(found)} | {every} ({share:.1%} of those reached) "
                          f"| {some} | {missed} | {never} |"))  # fmt: skip
        lines += [text for *_, text in sorted(table)]
        lines += [f"missed: {name}: {caught} of {self.seeds} seeds, reached on {reached}"
                  for name, (_, caught, reached) in self.rows.items()
                  if caught < self.seeds and (caught or reached)]  # fmt: skip
        return "\n".join([*lines, f"{self.seconds:.0f} s of processor time"])


def score_generated(
    seeds: int = 20,
    sample: int | None = None,
    held_back: bool = False,
    ops: Sequence[str] | None = None,
    first_seed: int = 0,
) -> GeneratedScore:
    """Judge generated mutants by the public `minigen.check.check` with its defaults.

    Parameters
    ----------
    seeds : int
        How many verdicts each mutant gets.
    sample : int, optional
        At most this number of each kind, drawn at random; by default all.
    held_back : bool
        The third that is held back, in place of the other two thirds.
    ops : sequence of str, optional
    first_seed : int

    Returns
    -------
    GeneratedScore
    """
    mutants = [m for m in generate(ops) if m.held_back == held_back]
    if sample is not None:
        rng, kinds = np.random.default_rng(first_seed), sorted({m.kind for m in mutants})
        groups = [[m for m in mutants if m.kind == kind] for kind in kinds]
        mutants = [g[i] for g in groups for i in sorted(rng.permutation(len(g))[:sample])]
    result, began = GeneratedScore(seeds), time.process_time()
    with kernels.use("reference"):
        for mutant in mutants:
            caught = reached = 0
            for seed in range(first_seed, first_seed + seeds):
                fn, vjp, differs = _pair(mutant)
                verdict = check(fn, vjp, like=mutant.op, seed=seed, explain=False).verdict
                caught += verdict == "wrong"
                reached += bool(differs)
            result.rows[mutant.name] = mutant.kind, caught, reached
    result.seconds = time.process_time() - began
    return result


def _visible(wrong: Array, right: Array, g: Array) -> bool:
    """Whether two gradients differ by more than rounding (that of softmax under equal cotangents is zero)."""
    size = max(float(np.max(np.abs(x), initial=0.0)) for x in (right, g))
    return wrong.size > 0 and not bool(np.all(np.abs(wrong - right) <= 1e-13 * size))


def _pair(mutant: Altered) -> tuple[Callable[..., Any], Callable[..., Any], list[bool]]:
    """The function, the wrong vjp, and a list that is not empty once the vjp has been wrong."""
    fn, right = table[mutant.op][:2]
    differs: list[bool] = []
    when = mutant.when if mutant.memory is None else mutant.memory()

    def vjp(g: Array, *inputs: Array, **params: Any) -> list[Array]:
        out = right(g, *inputs, **params)
        if mutant.argument < len(out) and when(inputs, params, g):
            wrong = mutant.alter(out[mutant.argument])
            if mutant.mask is not None:
                wrong = np.where(mutant.mask(wrong, inputs), wrong, out[mutant.argument])
            if not differs and _visible(wrong, out[mutant.argument], g):
                differs.append(True)
            out[mutant.argument] = wrong
        return out

    return fn, vjp, differs
