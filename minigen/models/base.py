"""What every family of generative models shares; `minigen.train.Trainable` is the same thing seen from the loop."""

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from ..engine import grad, no_grad
from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor
from .condition import broadcast_labels

__all__ = ["GenerativeModel"]

_AT_ONCE = 100  # images generated together: bounds the memory, whatever number is asked for


class GenerativeModel(Module):
    """Base of all families: networks (Modules among the attributes), their optimizers, and a step of training.

    A family defines `training_step` and `generate`, sets `optimizers`, and describes the options of its constructor in
    `OPTIONS`, from which the command line makes its flags.
    """

    OPTIONS: ClassVar[dict[str, str]] = {}
    """What each keyword of the constructor means, `size` and `channels` aside: they come from the data."""

    EPOCHS: ClassVar[int] = 16
    BATCH_SIZE: ClassVar[int] = 32

    optimizers: dict[str, Optimizer]

    classes: int = 0
    """How many classes the model can be asked for; 0 if it knows none."""

    def training_step(self, data: np.ndarray, labels: np.ndarray | None) -> dict[str, float]:
        """Learn from one batch and return what to log; see `minigen.train.Trainable`."""
        raise NotImplementedError(f"{type(self).__name__} does not define training_step()")

    def generate(self, n: int, generator: np.random.Generator, labels: np.ndarray | None = None) -> Tensor:
        """`n` new images (n, C, H, W) from noise of `generator`'s; of the classes `labels` (n,), if it knows any."""
        raise NotImplementedError(f"{type(self).__name__} does not define generate()")

    def sample(self, n: int, generator: np.random.Generator | None = None, labels: Any = None) -> np.ndarray:
        """Make new images, in evaluation mode: the same weights and noise give the same images.

        Parameters
        ----------
        n : int
        generator : numpy.random.Generator, optional
            Where the noise comes from; fresh by default.
        labels : int or ndarray of int (n,), optional
            Of a model that knows classes: which ones; by default 0, 1, 2 ... in turn.

        Returns
        -------
        ndarray (n, C, H, W), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If `n` is less than 1, or the labels do not fit the model.
        """
        if n < 1:
            raise ValueError(f"sample: n must be at least 1, got {n}")
        if labels is not None:
            labels = broadcast_labels(labels, n)
        elif self.classes:
            labels = np.arange(n) % self.classes
        generator = np.random.default_rng() if generator is None else generator
        parts = [slice(start, min(start + _AT_ONCE, n)) for start in range(0, n, _AT_ONCE)]
        with no_grad(), _evaluating(self):
            images = [
                self.generate(part.stop - part.start, generator, None if labels is None else labels[part])
                for part in parts
            ]
            return np.concatenate([image.numpy() for image in images])

    def descend(self, loss: Tensor, optimizer: Optimizer) -> None:
        """One step of `optimizer` down the gradient of `loss`, for its own parameters and no others.

        In a game one player's loss runs through the other's network.  ``loss.backward()`` would leave gradients in
        both, to be computed for nothing and cleared by hand; `minigen.grad` computes those that are asked for.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        for p, g in zip(parameters, grad(loss, parameters)):
            p.grad = g
        optimizer.step()
        optimizer.zero_grad()


class _evaluating:  # noqa: N801 - reads as a phrase
    """Evaluation mode inside the block, then the mode that was."""

    def __init__(self, model: Module):
        self._model, self._mode = model, model.training

    def __enter__(self) -> None:
        self._model.eval()

    def __exit__(self, *exception: Any) -> None:
        self._model.train(self._mode)


def halvings(size: int, least: int) -> Iterator[int]:
    """Sizes from `size` down, halved while they stay whole and at least `least`.

    >>> list(halvings(28, 4)), list(halvings(64, 8))
    ([28, 14, 7], [64, 32, 16, 8])
    """
    yield size
    while size % 2 == 0 and size // 2 >= least:
        size //= 2
        yield size
