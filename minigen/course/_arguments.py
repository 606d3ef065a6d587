"""Hints that name an argument: a result that is right but for a factor or a term that is made of one argument."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..tensor import Tensor

__all__ = ["named_factor", "relate"]

_FACTORS: list[tuple[str, Callable[[Any], Any]]] = [
    ("{a}", lambda a: a),
    ("{a}^2", lambda a: a * a),
    ("sqrt({a})", np.sqrt),
    ("{a}^(1/3)", np.cbrt),
    ("(1 - {a})", lambda a: 1 - a),
    ("(1 - {a}^2)", lambda a: 1 - a * a),
    ("(1 + {a})", lambda a: 1 + a),
    ("{a} / (1 - {a})", lambda a: a / (1 - a)),
    ("{a} (1 - {a})", lambda a: a * (1 - a)),
    ("exp({a})", np.exp),
    ("exp({a} / 2)", lambda a: np.exp(a / 2)),
]
_TERMS: list[tuple[str, Callable[[Any], Any]]] = [
    ("{a}", lambda a: a),
    ("{a}^2", lambda a: a * a),
    ("1 / {a}", lambda a: 1 / a),
    ("exp({a})", np.exp),
    ("log({a})", np.log),
    ("the mean of {a}", lambda a: a.mean(axis=0) if np.ndim(a) else np.nan),
]
_REDUCED: list[tuple[str, Callable[[Any], Any]]] = [
    ("the mean", lambda a: a.mean(axis=0) if np.ndim(a) else np.nan),
    ("the sum", lambda a: a.sum(axis=0) if np.ndim(a) else np.nan),
]


def relate(found: np.ndarray, wanted: np.ndarray, arguments: Mapping[str, Any]) -> str:
    """How a result differs from what is expected, by one argument; "" if in no way that is known here.

    Parameters
    ----------
    found, wanted : array
        Of one shape.
    arguments : mapping of str to object
        Those of the call that gave the result, by name.  Only arrays of floats and floats are looked at.

    Examples
    --------
    >>> z, g = np.array([0.2, 0.7, 0.4]), np.array([1.5, -0.3, 2.0])
    >>> relate(g * z * z, g * z, dict(g=g, z=z))
    'Yours is z times what is expected: look at how z enters.'
    >>> relate(g + z, g, dict(z=z))
    'Yours is what is expected plus z: look at how z enters.'
    >>> relate(g + z, g * z, dict(g=g, z=z))
    'In yours g is added. It is a factor.'
    """
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return ""
    floats = _floats(arguments)
    with np.errstate(all="ignore"):
        for name, a in floats:
            for other, b in floats:
                reduced = found.size > 2 and other != name and np.ndim(a) == np.ndim(b) == found.ndim
                for text, made in _REDUCED if reduced and a.shape[1:] == b.shape[1:] == found.shape[1:] else []:
                    if _same(found, wanted + made(a) - made(b), wanted) or _same(
                        found, wanted - made(a) + made(b), wanted
                    ):
                        return f"Look at {text}: that of {name} or {other} stands where the other one belongs."
            if (found.size < 3 and _is_simple(a)) or not _broadcasts(np.shape(a), found.shape):
                continue
            for text, made in _FACTORS:
                factor, words = made(a), text.format(a=name)
                if _same(found, wanted * factor, wanted):
                    return f"Yours is {words} times what is expected: look at how {name} enters."
                if _same(found, wanted / factor, wanted):
                    return f"Yours is what is expected divided by {words}: look at how {name} enters."
            for text, made in _TERMS:
                term, words = made(a), text.format(a=name)
                for sign, verb in ((1, "plus"), (-1, "minus")):
                    if _same(found, wanted + sign * term, wanted):
                        return f"Yours is what is expected {verb} {words}: look at how {name} enters."
            if _same(found, a + wanted / a, wanted):
                return f"In yours {name} is added. It is a factor."
            if _same(found, a * (wanted - a), wanted):
                return f"In yours {name} is a factor. It is added."
    return ""


def named_factor(ratio: float, arguments: Mapping[str, Any]) -> str:
    """The argument, a number, by which a result is too large or too small; "" if there is none.

    >>> named_factor(0.01, dict(lr=0.01, steps=3))
    '(It is lr.)'
    >>> named_factor(9.0, dict(rho=0.9))
    '(It is rho / (1 - rho).)'
    """
    floats = _floats(arguments)
    for text, made in _FACTORS:
        for name, a in floats:
            if np.ndim(a) or a in (0, 1, 2, 0.5):
                continue
            with np.errstate(all="ignore"):
                factor = made(a)
            words = text.format(a=name)
            for value, said in ((factor, words), (1 / factor if factor else np.nan, f"1 / {words}")):
                if np.isclose(abs(value), abs(ratio), rtol=1e-6, atol=0) and not np.isclose(abs(value), 1):
                    return f"(It is {said}.)"
    return ""


def _floats(arguments: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found = []
    for name, value in arguments.items():
        one = value.numpy() if isinstance(value, Tensor) else value
        if isinstance(one, float) or (isinstance(one, np.ndarray) and one.dtype.kind == "f" and one.size):
            found.append((name, np.asarray(one, np.float64) if isinstance(one, np.ndarray) else float(one)))
    return found


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of one shape fits to another without a new axis in front of the result."""
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1]))


def _is_simple(a: Any) -> bool:
    """Whether a number is one that comes about by chance, such as 0, 1, 2 or one half."""
    return bool(np.all(np.isclose(8 * np.asarray(a), np.round(8 * np.asarray(a)))))


def _same(found: np.ndarray, value: Any, wanted: np.ndarray) -> bool:
    """Whether a result is this one, and this one is not just what is expected."""
    value = np.asarray(value)
    if value.shape != found.shape or not np.isfinite(value).all():
        return False
    return np.allclose(found, value, rtol=1e-6, atol=1e-10) and not np.allclose(value, wanted, rtol=1e-4)
