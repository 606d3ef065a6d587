"""A user's own kernel: checked against the reference, then timed beside every rung of the ladder."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .. import kernels
from .kernels import Layer, arrays
from .report import Row
from .timing import interleave

__all__ = ["own_kernel_rows", "find_kernel"]

LAYER = Layer(16, 32, (16, 16), 3, 1, 1, batch=8)


def find_kernel(spec: str) -> Callable[..., Any]:
    """The function that ``module:function`` or ``file.py:function`` names.

    Raises
    ------
    ValueError
        If there is no such module or function.
    """
    place, _, name = spec.rpartition(":")
    if not place or not name:
        raise ValueError(f"kernel: expected module:function, got {spec!r}")
    path = Path(place)
    if path.suffix == ".py":
        sys.path.insert(0, str(path.resolve().parent))
        place = path.stem
    else:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return getattr(importlib.import_module(place), name)
    except ModuleNotFoundError as error:
        raise ValueError(f"kernel: no module is called {error.name!r}") from None
    except AttributeError:
        raise ValueError(f"kernel: {place} has no function {name!r}") from None
    finally:
        sys.path.pop(0)


def own_kernel_rows(spec: str, rounds: int) -> Iterator[Row]:
    """Check a user's `conv2d` and time it beside the rungs of the ladder and the kernel sets.

    Raises
    ------
    ValueError
        If its result has another shape or dtype, or lies outside the bound of float32 sums.
    """
    from ..kernels import ladder

    mine = find_kernel(spec)
    x, w, _ = arrays(LAYER)
    rest = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    exact, size = (
        kernels.load("reference").conv2d(a.astype(np.float64), b.astype(np.float64), *rest)
        for a, b in ((x, w), (np.abs(x), np.abs(w)))
    )
    got = mine(x, w, *rest)
    if getattr(got, "shape", None) != exact.shape or got.dtype != np.float32:
        found = f"{got.dtype}{list(got.shape)}" if hasattr(got, "dtype") else type(got).__name__
        raise ValueError(f"kernel: {spec} returned {found}, expected float32{list(exact.shape)}")
    terms = LAYER.inputs * LAYER.kernel**2
    bound = terms * 2.0**-24 / (1 - terms * 2.0**-24) * size
    wrong = np.abs(got - exact) > bound
    if wrong.any():
        at = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(
            f"kernel: {spec} is wrong in {wrong.sum()} of {wrong.size} elements: at {at} it gives {got[at]:.9g}, "
            f"expected {exact[at]:.9g} within {bound[at]:.2g}"
        )
    rungs = dict(ladder.RUNGS)
    rungs |= {f"the {name} set": kernels.load(name).conv2d for name in ("reference", "cpu")}
    calls = {name: (lambda f=f: f(x, w, *rest)) for name, f in {spec: mine, **rungs}.items()}
    result = interleave(calls, rounds)
    for name in calls:
        low, ratio, high = result.ratio(spec, name)
        times = (1e3 * result.median(spec), 1e3 * result.median(name))
        yield Row("kernel", f"{spec} against {name}", *times, ratio, low, high, gflop=LAYER.gflop)
