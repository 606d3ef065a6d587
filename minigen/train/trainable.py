"""The contract between the training loop and a model: all that the loop asks of one."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ..tensor import Tensor

__all__ = ["Trainable"]


class Trainable(Protocol):
    """What the loop asks of a model.  A `minigen.nn.Module` brings the state; the rest is the model family's own."""

    @property
    def optimizers(self) -> Mapping[str, Any]:
        """Every optimizer by name; their state is part of a checkpoint."""

    @property
    def classes(self) -> int:
        """How many classes `sample` goes through in turn; 0 if it knows none."""

    def schedule(self, done: float) -> None:
        """Told before each step which share of the training is done, from 0 to 1."""

    def training_step(self, data: np.ndarray, labels: np.ndarray | None) -> Mapping[str, Tensor | float]:
        """Learn from one batch; the numbers to log, ``loss_...`` among them, which the loop reads when it likes."""

    def sample(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """`n` new images (n, C, H, W) in [-1, 1], a function of the weights and `generator` alone."""

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Name what is wrong in the means of the last steps: kind to message; see `minigen.train.diagnostics`."""

    def state_dict(self) -> dict[str, Any]:
        """Weights and running statistics by name."""

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any:
        """Take over what `state_dict` gave."""
