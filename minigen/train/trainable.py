"""The contract between the training loop and a model: all that the loop uses of a model."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..data import Dataset
from ..tensor import Tensor

__all__ = ["Trainable"]


class Trainable(Protocol):
    """What the loop uses of a model: `minigen.models.Model` has it all, and any other class may."""

    @property
    def optimizers(self) -> Mapping[str, Any]:
        """Every optimizer by name; their state is part of a checkpoint."""

    def schedule(self, done: float) -> None:
        """Prepare the next step; `done` is the share of the training that is done, from 0 to 1."""

    def training_step(self, batch: Mapping[str, np.ndarray]) -> Mapping[str, Tensor | float]:
        """Update the weights by one batch, fields by name, and return the numbers to log.

        Losses have names that begin with ``loss``.  The loop reads the numbers when it needs them.
        """

    def preview(self, n: int, dataset: Dataset, generator: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """Make at most `n` images (n, C, H, W) in [-1, 1] to look at, and say how many are in a row of their grid.

        A function of the weights, the data set and the generator only; None for a grid that is about square.
        """

    def prepare(self, dataset: Dataset) -> None:
        """Look at the training data before the first step, also of a resumed run; ValueError if it does not suit."""

    def check_batch_size(self, size: int) -> None:
        """Raise ValueError if the model cannot learn from a batch of `size` examples; asked before the first step."""

    def reference_levels(self) -> Mapping[str, float]:
        """Return levels to compare logged numbers with, such as the loss of a discriminator that is undecided."""

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Find what goes wrong, from the means of the last steps: kind to message; see `minigen.train.diagnostics`."""

    def state_dict(self) -> dict[str, Any]:
        """Return weights and running statistics by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Load what `state_dict` returned."""
