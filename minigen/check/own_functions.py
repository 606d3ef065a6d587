"""Points for a function that is in no register: given, or drawn from shapes and domains."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .array_generators import KINDS
from .op_registry import Case, Entry, Source
from .precision import FLOAT64, Precision

__all__ = ["own_entry"]

Array = np.ndarray
LARGEST = 6
"""The largest side that a letter stands for."""


def own_entry(
    fn: Callable[..., Any],
    inputs: Any,
    shapes: Any,
    domain: Any,
    params: dict[str, Any],
    precision: Precision = FLOAT64,
) -> Entry:
    """The entry of a function of one's own; see `minigen.check.check` for the arguments.

    Raises
    ------
    ValueError
        If neither points nor shapes are given, or they do not fit each other.
    """
    if (inputs is None) == (shapes is None):
        raise ValueError("check: say what fn is called with: like= (an operation), inputs= (arrays) or shapes=")
    if inputs is not None:
        if domain is not None:
            raise ValueError("check: domain= goes with shapes=; inputs= are taken as they are")
        points = _points(inputs, precision)
        counts = {len(p) for p in points}
        if len(counts) != 1:
            raise ValueError(f"check: inputs= has points with {sorted(counts)} arrays; expected one number for all")

        def given(s: Source) -> Case:
            point = points[s.integer(0, len(points) - 1)]
            return Case(tuple(np.array(x) for x in point), dict(params))

        integers = [i for i, x in enumerate(points[0]) if x.dtype.kind != "f"]
        return _entry(fn, len(points[0]), given, integers)
    shapes = [tuple(s) if not isinstance(s, int | str) else (s,) for s in shapes]
    kinds = _kinds(domain, len(shapes))
    letters = sorted({side for shape in shapes for side in shape if isinstance(side, str)})

    def drawn(s: Source) -> Case:
        sides = {letter: s.integer(1, LARGEST) for letter in letters}
        arrays = []
        for shape, kind in zip(shapes, kinds):
            full = tuple(sides[n] if isinstance(n, str) else int(n) for n in shape)
            x = s.array(full, *([kind] if isinstance(kind, str) else ["gaussian"]))
            if not isinstance(kind, str):
                low, high = kind
                x[...] = s.generator().uniform(low, high, full)
            arrays.append(x)
        return Case(tuple(arrays), dict(params))

    return _entry(fn, len(shapes), drawn, [])


def _points(inputs: Any, precision: Precision) -> list[tuple[Array, ...]]:
    """One point, an array per input, or several of them."""
    if isinstance(inputs, np.ndarray):
        inputs = [inputs]
    inputs = list(inputs)
    if not inputs:
        raise ValueError("check: inputs= is empty; expected arrays, or a list of tuples of arrays")
    several = all(isinstance(p, tuple | list) and p and isinstance(p[0], np.ndarray) for p in inputs)
    return [tuple(_float64(x, precision) for x in p) for p in (inputs if several else [inputs])]


def _float64(x: Any, precision: Precision) -> Array:
    x = np.asarray(x)
    if not precision.exact and x.dtype == precision.dtype:
        return x.astype(np.float64)
    if x.dtype.kind == "f" and x.dtype != np.float64:
        reason = f"differences need its digits; a {x.dtype} kernel is checked with dtype={str(x.dtype)!r}"
        raise ValueError(f"check: expected float64 inputs, got {x.dtype}: {reason}")
    return x


def _kinds(domain: Any, count: int) -> list[Any]:
    """What each input is drawn from: a name, or an interval."""
    if domain is None:
        return ["gaussian"] * count
    interval = isinstance(domain, tuple) and len(domain) == 2 and all(isinstance(d, int | float) for d in domain)
    kinds = [domain] * count if isinstance(domain, str) or interval else list(domain)
    if len(kinds) != count:
        raise ValueError(f"check: domain= has {len(kinds)} parts for {count} inputs")
    for kind in kinds:
        if isinstance(kind, str) and kind not in KINDS:
            raise ValueError(f"check: unknown domain {kind!r}; expected an interval or one of {', '.join(KINDS)}")
        if not isinstance(kind, str) and not kind[0] < kind[1]:
            raise ValueError(f"check: expected an interval (low, high), got {kind!r}")
    return kinds


def _entry(fn: Callable[..., Any], count: int, make: Callable[[Source], Case], constant: Sequence[int]) -> Entry:
    names = [f"inputs[{i}]" for i in range(count)]
    try:
        if isinstance(fn, np.ufunc):
            raise TypeError("a ufunc's parameters have no names")
        own = [p.name for p in inspect.signature(fn).parameters.values() if p.kind in (0, 1)]
        names[: min(count, len(own))] = own[:count]
    except (TypeError, ValueError):
        pass
    name = getattr(fn, "__name__", "function").strip("<>")
    return Entry(name, tuple(names), make, constant=tuple(names[i] for i in constant))
