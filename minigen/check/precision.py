"""The number formats in which a function can be checked, and how arrays are rounded to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._util.optional import require
from .differences import same_layout
from .op_registry import Case

__all__ = ["FLOAT64", "PRECISIONS", "Precision", "precision_of"]

Array = np.ndarray

SPREAD = 64
"""Numbers that differ by less than this number of roundings have no digits left: such points are not drawn."""

NEAR = 1024
"""A probability that is nearer to 1 than this number of roundings leaves three digits of 1 - p."""


@dataclass(frozen=True)
class Precision:
    """A floating-point format.

    Attributes
    ----------
    name : str
    unit : float
        Its unit roundoff: half of the distance from 1 to the next number.
    largest : float
        Its largest number.
    resolution : float
        The relative error of a gradient that must be visible for the verdict *right*.
    """

    name: str
    unit: float
    largest: float
    resolution: float

    @property
    def exact(self) -> bool:
        """Whether derivatives can be measured in it."""
        return self.name == "float64"

    @property
    def dtype(self) -> np.dtype[Any]:
        """As NumPy's dtype."""
        return np.dtype(require("ml_dtypes").bfloat16 if self.name == "bfloat16" else self.name)

    def rounded(self, x: Any) -> Any:
        """An array of floats in this format, its strides kept; anything else as it is."""
        if not isinstance(x, np.ndarray) or x.dtype != np.float64:
            return x
        return same_layout(x.astype(self.dtype), x)

    def rounded_case(self, case: Case) -> Case:
        """The point with all its arrays in this format."""
        if self.exact:
            return case
        inputs = tuple(self.rounded(x) for x in case.inputs)
        return Case(inputs, {k: self.rounded(v) for k, v in case.params.items()})

    def holds(self, inputs: Sequence[Array]) -> bool:
        """Whether the arrays keep their digits, and their fourth powers their range; and probabilities those of 1 - p.

        >>> PRECISIONS["float32"].holds([1e4 + 1e-3 * np.arange(3)]), PRECISIONS["float16"].holds([np.full(3, 40.0)])
        (False, False)
        >>> [PRECISIONS["float32"].holds([np.array([0.5, p])]) for p in (1 - 1e-3, 1 - 1e-6, 1)]
        [True, False, True]
        """
        floats = [x for x in inputs if x.dtype.kind == "f" and x.size]
        rests = [1 - x[x < 1] for x in floats if np.all((x >= 0) & (x <= 1))]
        if any(np.any(rest < min(NEAR * self.unit, 0.05)) for rest in rests):
            return False
        largest = [float(np.max(np.abs(x))) for x in floats]
        spread = [float(np.ptp(x)) for x in floats]
        return all(a**4 <= self.largest and (s == 0 or SPREAD * self.unit * a <= s) for a, s in zip(largest, spread))


PRECISIONS = {
    p.name: p
    for p in (
        Precision("float64", 2.0**-53, float(np.finfo(np.float64).max), 1e-5),
        Precision("float32", 2.0**-24, float(np.finfo(np.float32).max), 1e-2),
        Precision("float16", 2.0**-11, 65504.0, 0.5),
        Precision("bfloat16", 2.0**-8, 3.38e38, 0.9),
    )
}
"""The formats by name."""

FLOAT64 = PRECISIONS["float64"]


def precision_of(dtype: Any) -> Precision:
    """The format called `dtype`, a name or a dtype.

    Raises
    ------
    ValueError
        If it is none of `PRECISIONS`.

    Examples
    --------
    >>> precision_of(np.float32).unit == 2.0**-24
    True
    """
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", None) or str(np.dtype(dtype))
    if name not in PRECISIONS:
        raise ValueError(f"check: dtype={dtype!r}; expected one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]
