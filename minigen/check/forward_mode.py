r"""Forward mode: a claimed Jacobian-vector product, against differences and against the vjp.

A jvp gives $J v$ where a vjp gives $J^\top g$.  For all v and g

$$\langle g, J v \rangle = \langle J^\top g, v \rangle,$$

which needs no difference at all: both sides are computed by the user's code, and may differ by rounding only.
"""

import math
from typing import Any

import numpy as np

from .compare import draw
from .differences import U, jitter, measure_noise
from .problem import FLOOR
from .report import Finding
from .sensitivity import resolution_of

__all__ = ["check_jvp"]


def check_jvp(op: str, called: Any, case: Any, rng: np.random.Generator, how: dict[str, Any]) -> list[Finding]:
    """Judge a jvp at one point.

    Parameters
    ----------
    op : str
    called : object
        With ``values``, ``pulled``, ``pushed``, ``which`` and ``names``; see `minigen.check.run_point`.
    case : Case
    rng : numpy.random.Generator
    how : dict
        The options ``measure``, ``resolution`` and ``rtol``.

    Returns
    -------
    list of Finding
        One for the jvp, one for the transposition identity where the jvp is right.
    """
    inputs, which = list(case.inputs), called.which
    value, noise = measure_noise(called.values, inputs, which, rng)
    if value.size == 0 or not np.all(np.isfinite(value)):
        return []
    tangents = [draw(rng, inputs[i].shape) for i in which]
    pushed = called.pushed(tangents, *inputs)
    if np.shape(pushed) != value.shape:
        return [Finding("wrong", op, "the jvp", 1, f"returns shape {np.shape(pushed)}, expected {value.shape}")]
    parts = [how["measure"](called.values, inputs, i, v, value, noise) for i, v in zip(which, tangents)]
    smooth = ~np.any([p.kinked | p.undefined for p in parts], axis=0)
    measured, error = sum(p.value for p in parts), sum(p.error for p in parts)
    blur = U * np.abs(pushed)
    for _ in range(4):
        moved = [jitter(x, rng) if n in which else x for n, x in enumerate(inputs)]
        blur = np.fmax(blur, np.abs(called.pushed([jitter(v, rng) for v in tangents], *moved) - pushed))
    natural = float(np.linalg.norm(value))
    allowed = np.fmax(2 * error + 4 * blur + FLOOR * U * natural, how["rtol"] * np.abs(measured))
    off = np.where(smooth, np.abs(pushed - measured) - allowed, -1.0)
    if not np.all(off <= 0):
        index = tuple(int(n) for n in np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=np.inf))), off.shape))
        numbers = float(pushed[index]), float(measured[index]), float(allowed[index])
        return [Finding("wrong", op, "the jvp", 1, "differs from the measured derivative", index, *numbers)]
    size = float(np.linalg.norm(measured[smooth])) if np.any(smooth) else 0.0
    worst = resolution_of(float(np.linalg.norm(allowed[smooth])), size, natural) if np.any(smooth) else math.inf
    verdict = "right" if worst <= how["resolution"] else "inconclusive"
    found = [Finding(verdict, op, "the jvp", 1, "agrees with differences", resolution=worst)]  # type: ignore[arg-type]
    g = np.where(smooth, draw(rng, value.shape), 0.0)
    pulled = called.pulled(g, *inputs)
    left = math.fsum((g * pushed).ravel())
    right = math.fsum(x for d, v in zip(pulled, tangents) for x in (np.asarray(d) * v).ravel())
    spread = float(np.sum(np.abs(g) * 2 * blur)) + sum(float(np.sum(np.abs(np.asarray(d) * v)))
                                                       for d, v in zip(pulled, tangents)) * 64 * U  # fmt: skip
    bound = 4 * spread + (FLOOR + value.size) * U * float(np.sum(np.abs(g * pushed))) + FLOOR * U * natural
    if abs(left - right) > max(bound, how["rtol"] * abs(left)):
        reason = "<g, jvp(v)> is not <vjp(g), v>: one of the two is wrong"
        return [*found, Finding("wrong", op, "jvp and vjp together", 1, reason, None, right, left, bound)]
    return [*found, Finding("right", op, "jvp and vjp together", 1, "<g, jvp(v)> = <vjp(g), v>", resolution=worst)]
