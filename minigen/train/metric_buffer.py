"""Numbers that the steps of a training returned and that were not read yet.

They are on the device of the model.  To read one from a GPU the CPU waits until the GPU has come so far.  Meanwhile it
prepares nothing, so afterwards the GPU has to wait for it: read at every step, the two never work at the same time.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

from ..backend import array_module, to_device
from ..tensor import Tensor

__all__ = ["READ_EVERY", "MetricBuffer"]

READ_EVERY = 50
"""Steps on a GPU whose numbers are read at once."""


class MetricBuffer:
    """A list of steps: for each a row of the log without its numbers, and the numbers.

    Examples
    --------
    >>> import minigen as mg
    >>> metrics = MetricBuffer()
    >>> metrics.add({"step": 1}, {"loss": mg.tensor(0.5)})
    >>> metrics.due  # on the CPU there is nothing to wait for
    True
    >>> metrics.read(), metrics.read()
    ([({'step': 1}, {'loss': 0.5})], [])
    """

    def __init__(self) -> None:
        self._steps: list[tuple[dict[str, Any], Mapping[str, Tensor | float]]] = []

    def add(self, row: dict[str, Any], numbers: Mapping[str, Tensor | float]) -> None:
        """Take down what a step returned."""
        self._steps.append((row, numbers))

    @property
    def due(self) -> bool:
        """Whether it is time to read: at once, or of a GPU's steps after `READ_EVERY`."""
        return len(self._steps) >= READ_EVERY or not any(map(_is_away, self._steps[-1][1].values()))

    def read(self) -> list[tuple[dict[str, Any], dict[str, float]]]:
        """Rows and numbers of all steps since the last reading; the CPU waits once for all of them."""
        steps, self._steps = self._steps, []
        away = [value.data.reshape(()) for _, numbers in steps for value in numbers.values() if _is_away(value)]
        arrived = iter(to_device(array_module(away[0]).stack(away), "cpu").tolist() if away else ())
        return [
            (row, {name: next(arrived) if _is_away(value) else float(value) for name, value in numbers.items()})
            for row, numbers in steps
        ]


def _is_away(value: Any) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.device != "cpu"
