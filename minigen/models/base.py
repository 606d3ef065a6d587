"""What every family of generative models shares; `minigen.train.Trainable` is the same thing seen from the loop."""

from collections.abc import Iterator, Mapping
from statistics import NormalDist
from typing import Any, ClassVar, Self

import numpy as np

from ..creation import randn
from ..engine import grad, no_grad
from ..nn import Module
from ..optim import Optimizer
from ..tensor import Tensor, tensor
from .condition import one_hot_labels

__all__ = ["GenerativeModel"]

_AT_ONCE = 100  # images generated together: bounds the memory, whatever number is asked for


class GenerativeModel(Module):
    """Base of all families: networks (Modules among the attributes), their optimizers, and a step of training.

    A family defines `training_step` and `generate`, sets `name`, `latent` and `optimizers`, and describes the options
    of its constructor in `OPTIONS`, from which the command line makes its flags.
    """

    OPTIONS: ClassVar[dict[str, str]] = {}
    """What each keyword of the constructor means, `size` and `channels` aside: they come from the data."""

    EPOCHS: ClassVar[int] = 16
    BATCH_SIZE: ClassVar[int] = 32

    name: str
    """The family's, for messages."""

    latent: int
    """Length of the vector that an image is made from: a GAN's noise, a VAE's code; a priori N(0, I)."""

    optimizers: dict[str, Optimizer]

    classes: int = 0
    """How many classes the model can be asked for; 0 if it knows none."""

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda"``: where the weights are, and so where the model computes."""
        return next(self.parameters()).device

    def to(self, target: Any) -> Self:
        """Move networks and optimizers to a device or a dtype, in place; see `minigen.nn.Module.to`."""
        super().to(target)
        for optimizer in self.optimizers.values():
            optimizer.load_state_dict(optimizer.state_dict())  # what they remember follows the weights
        return self

    def training_step(self, data: np.ndarray, labels: np.ndarray | None) -> dict[str, Tensor]:
        """Learn from one batch and return what to log; see `minigen.train.Trainable`.

        The batch comes in NumPy arrays, and goes to where the model is.  What is returned stays there, as Tensors of
        one element without a graph: to read one, by ``float``, the CPU has to wait until the GPU has come so far.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define training_step()")

    def schedule(self, done: float) -> None:
        """Told before each step which share of the training is done, from 0 to 1; for what changes in its course."""

    def generate(self, z: Tensor, condition: Tensor | None) -> Tensor:
        """Images (N, C, H, W) of vectors z (N, latent), given one-hot labels (N, classes) if the model knows classes.

        In whatever mode the networks are; `sample` and `decode` are what users call.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define generate()")

    def diagnose(self, means: Mapping[str, float]) -> dict[str, str]:
        """Name what is wrong in a training: kind to message; see `minigen.train.diagnostics`.

        Parameters
        ----------
        means : mapping of str to float
            What `training_step` returned, as means over the last steps.

        Returns
        -------
        dict of str to str
        """
        return {}

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
        if labels is None and self.classes:
            labels = np.arange(n) % self.classes
        generator = np.random.default_rng() if generator is None else generator
        return self.decode(randn(n, self.latent, generator=generator).numpy(), labels)

    def decode(self, codes: np.ndarray, labels: Any = None) -> np.ndarray:
        """The image of each given vector, in evaluation mode: G(z) of a GAN, the mean of p(x | z) of a VAE.

        Parameters
        ----------
        codes : ndarray (N, latent)
        labels : int or ndarray of int (N,), optional
            Of a model that knows classes, which then needs them.

        Returns
        -------
        ndarray (N, C, H, W), float32, in [-1, 1]

        Raises
        ------
        ValueError
            If the codes or labels do not fit the model.
        """
        codes = np.asarray(codes, np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.latent:
            raise ValueError(f"{self.name}: expected codes (N, {self.latent}), got {codes.shape}")
        if labels is not None and not self.classes:
            raise ValueError(f"{self.name}: this model knows no classes: leave labels out, or train a cgan or a cvae")
        condition = self._condition(labels, len(codes))
        parts = [slice(start, start + _AT_ONCE) for start in range(0, max(len(codes), 1), _AT_ONCE)]
        with no_grad(), _evaluating(self):
            images = [
                self.generate(tensor(codes[part], device=self.device), None if condition is None else condition[part])
                for part in parts
            ]
            return np.concatenate([image.numpy() for image in images])

    def manifold(self, side: int = 20, label: int | None = None) -> np.ndarray:
        """The plane of a code (or noise) of length 2, as a square of images (Kingma & Welling 2014, figure 4).

        The places are the quantiles of the prior, so that every image stands for an equal share of it.

        Parameters
        ----------
        side : int
            Images in a row and in a column.
        label : int, optional
            Of a conditional model: the class.

        Returns
        -------
        ndarray (side * side, C, H, W), float32, in [-1, 1]
            Row by row; the first component grows to the right, the second upwards.

        Raises
        ------
        ValueError
            If the code is not of length 2, `side` is less than 1, or the label does not fit.
        """
        if self.latent != 2:
            raise ValueError(f"manifold: needs a code of length 2, got {self.latent}: train with --latent 2")
        if side < 1:
            raise ValueError(f"manifold: side must be at least 1, got {side}")
        places = [NormalDist().inv_cdf((i + 0.5) / side) for i in range(side)]
        return self.decode(np.array([(right, up) for up in places[::-1] for right in places]), label)

    def _condition(self, labels: Any, n: int) -> Tensor | None:
        """One-hot labels (n, classes); None for a model without a condition."""
        return one_hot_labels(self.name, labels, n, self.classes).to(self.device) if self.classes else None

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
