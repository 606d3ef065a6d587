"""The whole Jacobian, element by element: dearer than random directions, and nothing can cancel.

A column of it is measured along each axis of the input, a row claimed under each basis vector of the output: n + m
examinations for n input and m output elements, where random directions need two.
"""

import numpy as np

from .problem import Point
from .report import Finding
from .sensitivity import resolution_of

__all__ = ["compare_jacobians"]


def compare_jacobians(point: Point, k: int, name: str, resolution: float) -> Finding:
    """Judge the vjp for the k-th argument by the whole Jacobian.

    Parameters
    ----------
    point : Point
    k : int
    name : str
        What to call the argument.
    resolution : float

    Returns
    -------
    Finding
        A wrong one names the element of the input, and the output element in its sentence.
    """
    i = point.which[k]
    shape = point.inputs[i].shape
    columns = [point.along(i, axis.reshape(shape)) for axis in np.eye(point.inputs[i].size)]
    for column in columns:
        problem = point.no_derivative(name, column)
        if problem:
            return problem
    measured, error = (np.stack([np.ravel(getattr(c, what)) for c in columns], 1) for what in ("value", "error"))
    smooth = np.flatnonzero(~np.any([np.ravel(c.kinked) for c in columns], axis=0))
    if smooth.size == 0:
        return point.finding("inconclusive", name, "every output element lies on a kink, where no derivative exists")
    said, bound = np.zeros(measured.shape), np.array(error)
    for r in smooth.tolist():
        g = _basis(point, r)
        claimed, blur, _ = point.claimed(k, g)
        problem = point.not_finite(name, claimed)
        if problem:
            return problem
        said[r], bound[r] = claimed.ravel(), error[r] + blur.ravel()
    measured, said, bound = measured[smooth], said[smooth], bound[smooth]
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.nan_to_num(np.abs(said - measured) / bound, posinf=np.inf)
    row, column = divmod(int(np.argmax(excess)), excess.shape[1])
    if excess[row, column] > 2:
        output = [int(n) for n in np.unravel_index(int(smooth[row]), point.value.shape)]
        index = tuple(int(n) for n in np.unravel_index(column, shape))
        numbers = float(said[row, column]), float(measured[row, column]), 2 * float(bound[row, column])
        reason = f"differs from the measured derivative of output element {output}"
        return point.finding("wrong", name, reason, index, *numbers, cotangent=_basis(point, int(smooth[row])))
    size = max(float(np.linalg.norm(measured)), float(np.linalg.norm(said)))
    worst = resolution_of(float(np.linalg.norm(bound)), size, point.natural / point.scale(i)) if size else 0.0
    return point.agreement(name, worst, resolution)


def _basis(point: Point, r: int) -> np.ndarray:
    """The r-th basis vector of the output."""
    g = np.zeros(point.value.size)
    g[r] = 1.0
    return g.reshape(point.value.shape)
