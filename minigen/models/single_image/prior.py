"""The image prior: a network that has seen no image repairs one (Ulyanov, Vedaldi and Lempitsky 2018).

A convolutional network gets a fixed image of noise, and its weights are trained until its output is the damaged image.
It fits what is smooth and repeated first, and noise last, because that is what convolutions can make easily.  So the
training is stopped early; of an image with holes, the loss looks at the known pixels only, and the network fills the
rest with what fits.

The loss does not say when to stop: it falls until the output has all the noise.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ... import nn
from ...backend import seeded
from ...creation import randn
from ...engine import grad
from ...functional import interpolate, pad
from ...losses import masked_l2
from ...ops.shape import cat
from ...optim import Adam
from ...tensor import Tensor, tensor

__all__ = ["Hourglass", "PriorResult", "image_prior"]

STEPS, STEPS_WITH_MASK = (
    200,
    1000,
)  # noise of 25 levels at 64 x 64 pixels is best after about 175; less noise needs more
_INPUTS = 16  # channels of the noise image


class Hourglass(nn.Module):
    """Halve an image several times and enlarge it again, with thin skips between equal sizes.

    Parameters
    ----------
    in_channels, out_channels : int
    width : int
        Channels of every level.
    levels : int
        How often the sides are halved.
    skip : int
        Channels that pass between equal sizes; the fewer, the smoother the output.

    Examples
    --------
    >>> import minigen as mg
    >>> Hourglass(2, 3, width=4, levels=2)(mg.ones(1, 2, 9, 14)).shape
    (1, 3, 9, 14)
    """

    def __init__(self, in_channels: int, out_channels: int, width: int = 32, levels: int = 4, skip: int = 4):
        super().__init__()
        self.stride = 2**levels
        before = [in_channels, *[width] * (levels - 1)]
        self.down = nn.ModuleList(nn.Sequential(_layer(n, width, 2), _layer(width, width)) for n in before)
        self.skips = nn.ModuleList(nn.Sequential(nn.Conv2d(n, skip, 1), nn.LeakyReLU(0.1)) for n in before)
        self.up = nn.ModuleList(_layer(width + skip, width) for _ in before)
        self.last = nn.Sequential(nn.Conv2d(width, out_channels, 1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output image (N, C', H, W), in [-1, 1]."""
        height, width = x.shape[2:]
        rest = (-width % self.stride, -height % self.stride)
        if any(rest):
            x = pad(x, (0, rest[0], 0, rest[1]), mode="replicate")
        kept = []
        for down, skip in zip(self.down, self.skips):
            kept.append(skip(x))
            x = down(x)
        for up, skipped in zip(self.up, reversed(kept)):
            x = up(cat([interpolate(x, scale_factor=2, mode="nearest"), skipped], 1))
        out: Tensor = self.last(x)
        return out[:, :, :height, :width]


def _layer(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.1))


@dataclass(frozen=True)
class PriorResult:
    """What `image_prior` found.

    Parameters
    ----------
    image : ndarray (C, H, W), float32
        The repaired image, in [-1, 1]; with a mask, the known pixels are those of the input.
    losses : list of float
        The loss of every step: it says nothing about the repair.
    film : dict of int to ndarray
        The averaged output after the steps that were asked for.
    """

    image: np.ndarray
    losses: list[float]
    film: dict[int, np.ndarray]


def image_prior(
    image: np.ndarray,
    mask: np.ndarray | None = None,
    steps: int | None = None,
    *,
    seed: int = 0,
    width: int = 32,
    lr: float = 0.01,
    jitter: float = 0.03,
    average: float = 0.98,
    film: tuple[int, ...] = (),
    on_step: Callable[[int, np.ndarray], None] | None = None,
) -> PriorResult:
    """Repair one image by a network that is trained on nothing else; see `minigen.models.single_image.prior`.

    Parameters
    ----------
    image : ndarray (C, H, W)
        In about [-1, 1]; noise may lead outside.
    mask : ndarray (1, H, W), optional
        1 in the holes, 0 where the pixels are known.  Without it, the whole image is taken to be noisy.
    steps : int, optional
        200 by default, 1,000 with a mask.  More steps bring the noise back.
    seed : int
        Of the weights and of the noise that the network starts from.
    width : int
        Channels of the network.
    lr : float
    jitter : float
        Standard deviation of noise that is added to the network's input in each step.
    average : float
        The result is a moving average of the outputs, over about 1 / (1 - average) steps.
    film : tuple of int
        Steps after which the averaged output is kept.
    on_step : callable, optional
        Called with the step and the averaged output.

    Returns
    -------
    PriorResult

    Raises
    ------
    ValueError
        If the image is not (C, H, W), has values that are not finite or fewer than 8 pixels a side, the mask has
        another shape, is 0 or 1 everywhere or has other values, or a number is out of range.

    References
    ----------
    Ulyanov, Vedaldi and Lempitsky 2018, *Deep Image Prior* (arXiv 1711.10925).

    Examples
    --------
    >>> image = np.zeros((1, 16, 16), np.float32)
    >>> result = image_prior(image, steps=3, width=4, film=(2,))
    >>> result.image.shape, len(result.losses), list(result.film)
    ((1, 16, 16), 3, [2])
    """
    image = np.asarray(image, np.float32)
    if image.ndim != 3 or not image.size or min(image.shape[1:]) < 8:
        raise ValueError(f"image_prior: expected an image (C, H, W) of at least 8 pixels a side, got {image.shape}")
    if not np.isfinite(image).all():
        raise ValueError("image_prior: the image has values that are not finite")
    if mask is not None:
        mask = np.asarray(mask, np.float32)
        if mask.shape != (1, *image.shape[1:]):
            raise ValueError(f"image_prior: expected a mask (1, {image.shape[1]}, {image.shape[2]}), got {mask.shape}")
        if not np.isin(mask, (0, 1)).all() or mask.min() == mask.max():
            raise ValueError("image_prior: expected a mask of 0 (known) and 1 (hole), with some of each")
    steps = (STEPS if mask is None else STEPS_WITH_MASK) if steps is None else steps
    if steps < 1 or not 0 <= average < 1 or jitter < 0:
        raise ValueError(
            f"image_prior: expected steps >= 1, 0 <= average < 1, jitter >= 0, got {steps}, {average}, {jitter}"
        )
    truth = tensor(image[None])
    known = None if mask is None else tensor(1 - mask[None])
    with seeded(seed):
        levels = min(4, min(image.shape[1:]).bit_length() - 2)  # the smallest level has more than one pixel
        network = Hourglass(_INPUTS, len(image), width, levels)
        optimizer = Adam(network.parameters(), lr)
        parameters = list(network.parameters())
        noise = 0.3 * randn(1, _INPUTS, *image.shape[1:])
        mean, losses, kept = np.zeros_like(image), [], {}
        for step in range(1, steps + 1):
            output = network(noise + jitter * randn(*noise.shape))
            loss = masked_l2(output, truth, known)
            for parameter, gradient in zip(parameters, grad(loss, parameters)):
                parameter.grad = gradient
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            mean += (1 - average) * (output.numpy()[0] - mean)
            shown = mean / (1 - average**step)  # the average starts at 0
            if step in film:
                kept[step] = _finished(shown, image, mask)
            if on_step is not None:
                on_step(step, shown)
    return PriorResult(_finished(shown, image, mask), losses, kept)


def _finished(output: np.ndarray, image: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    """The output in [-1, 1], with the known pixels put over it."""
    whole = output if mask is None else mask * output + (1 - mask) * image
    finished: np.ndarray = whole.clip(-1, 1).astype(np.float32)
    return finished
