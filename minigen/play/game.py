"""A GAN in the plane, small enough to watch every step: the game behind ``minigen playground``.

**What "detach" is.**  D learns from `loss_d`, which contains D(G(z)).  The usual code cuts the graph between the two
networks there: ``D(G(z).detach())``.  Without the cut ``loss_d.backward()`` also puts a gradient into the weights of G,
and if it is not cleared before G's own backward pass, the two add up.  G then also learns to lower the loss of D, which
is to be found out.  With the minimax losses the two gradients are opposite, so that G hardly moves.

The idea of such a page is that of GAN Lab (Kahng et al. 2019, arXiv 1809.01587).
"""

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import data
from ..backend import manual_seed
from ..creation import randn
from ..engine import grad, no_grad
from ..losses import GAN_LOSSES
from ..metrics import count_modes, known_modes
from ..models.networks.points import point_networks
from ..nn import Module
from ..optim import Adam
from ..tensor import Tensor, tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PlaneGame"]

BATCH = 128
WIDTH, LAYERS = 32, 2
SIDE = 32
"""Cells of D's map in each direction."""

POINTS, ARROWS = 256, 64
MAX_STEPS = 200
LIMITS: dict[str, float] = {"ring8": 2.0, "grid25": 6.0}
"""How far the picture goes in each direction."""

CHOICES: dict[str, tuple[str, ...]] = {"data": tuple(LIMITS), "loss": tuple(GAN_LOSSES)}


class PlaneGame:
    """A generator and a discriminator of two hidden layers, their losses and their optimizers.

    Parameters
    ----------
    data : {"ring8", "grid25"}
    loss : str
        A key of `minigen.losses.GAN_LOSSES`.
    detach : bool
        Whether D's loss leaves G alone.
    lr_d, lr_g : float
        Learning rates, above 0 and at most 1.
    seed : int

    Raises
    ------
    ValueError
        If an argument is not one of these.

    Examples
    --------
    >>> game = PlaneGame(seed=1)
    >>> game.play(2)
    >>> game.picture()["step"]
    2
    """

    generator: Module
    discriminator: Module

    def __init__(
        self,
        data: str = "ring8",
        loss: str = "non_saturating",
        detach: bool = True,
        lr_d: float = 0.002,
        lr_g: float = 0.002,
        seed: int = 0,
    ):
        self._lock = threading.Lock()
        self.restart(data, loss, detach, lr_d, lr_g, seed)

    def restart(self, data: str, loss: str, detach: bool, lr_d: float, lr_g: float, seed: int = 0) -> None:
        """Begin again with new networks; parameters and errors as those of the class."""
        for name, value in (("data", data), ("loss", loss)):
            if value not in CHOICES[name]:
                raise ValueError(f"{name}: expected one of {', '.join(CHOICES[name])}, got {value!r}")
        if type(detach) is not bool:
            raise ValueError(f"detach: expected true or false, got {detach!r}")
        for name, rate in (("lr_d", lr_d), ("lr_g", lr_g)):
            if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
                raise ValueError(f"{name}: expected a number above 0 and at most 1, got {rate!r}")
        if type(seed) is not int or not 0 <= seed < 2**32:
            raise ValueError(f"seed: expected a whole number of at least 0, got {seed!r}")
        with self._lock:
            self._begin(data, loss, detach, float(lr_d), float(lr_g), seed)

    def _begin(self, name: str, loss: str, detach: bool, lr_d: float, lr_g: float, seed: int) -> None:
        dataset = data.load(name)
        self._real: NDArray[np.float32] = dataset.points
        self._modes = known_modes(dataset)
        self._limit = LIMITS[name]
        self._loss, self._detach = GAN_LOSSES[loss], detach
        scale = float(np.sqrt(np.square(self._real).mean()))
        manual_seed(seed)
        self._random = np.random.default_rng(seed)
        self.generator, self.discriminator = point_networks(2, 2, WIDTH, LAYERS, scale, batch_norm=False)
        self._optimizer_g = Adam(self.generator.parameters(), lr=lr_g, betas=(0.5, 0.99))
        self._optimizer_d = Adam(self.discriminator.parameters(), lr=lr_d, betas=(0.5, 0.99))
        self._noise = randn(POINTS, 2, generator=self._random)  # the points that one watches
        self._step = 0
        self._losses = (float("nan"), float("nan"))

    def play(self, steps: int) -> None:
        """Train for some steps: first D, then G.

        Raises
        ------
        ValueError
            If `steps` is not from 0 to 200.
        """
        if type(steps) is not int or not 0 <= steps <= MAX_STEPS:
            raise ValueError(f"steps: expected a whole number from 0 to {MAX_STEPS}, got {steps!r}")
        with self._lock:
            for _ in range(steps):
                self._one_step()

    def _one_step(self) -> None:
        rows = self._random.integers(len(self._real), size=BATCH)
        real = tensor(self._real[rows])
        self._optimizer_d.zero_grad()
        self._optimizer_g.zero_grad()
        fake = self.generator(randn(BATCH, 2, generator=self._random))
        loss_d = self._loss.discriminator(
            self.discriminator(real), self.discriminator(fake.detach() if self._detach else fake), 0.0
        )
        loss_d.backward()
        self._optimizer_d.step()
        # Without detach G still has the gradient of loss_d here, and that of loss_g is added to it.
        fake = self.generator(randn(BATCH, 2, generator=self._random))
        loss_g = self._loss.generator(self.discriminator(fake), 0.0)
        loss_g.backward()
        self._optimizer_g.step()
        self._step += 1
        self._losses = (loss_d.item(), loss_g.item())

    def picture(self) -> dict[str, Any]:
        """What the page draws, for JSON.

        Returns
        -------
        dict
            ``step``; ``losses`` of D and G, and ``undecided``, their values for a D that cannot decide; ``points``
            (256, 2) of G from always the same noise; ``arrows`` (64, 2), the direction in which the gradient moves the
            first of them, the longest with length 1, and ``steepest``, the length of the longest gradient; ``map``
            (32, 32), D's output from 0, generated, to 1, real, upper row first; ``modes`` of the data that have a
            sample, ``of`` how many, and the share of samples of ``quality``.
        """
        with self._lock:
            with no_grad():
                points = self.generator(self._noise).numpy()
                ticks = (np.arange(SIDE) + 0.5) / SIDE * 2 * self._limit - self._limit
                grid = np.stack(np.meshgrid(ticks, ticks[::-1]), axis=-1).reshape(-1, 2).astype(np.float32)
                outputs = self.discriminator(tensor(grid)).numpy().reshape(SIDE, SIDE)
            arrows = -self._gradient(points[:ARROWS])
            lengths = np.linalg.norm(arrows, axis=1)
            longest = float(lengths.max())
            found = count_modes(points, *self._modes)
            losses = [round(loss, 4) if np.isfinite(loss) else None for loss in self._losses]
            return {
                "step": self._step,
                "losses": losses,
                "undecided": [round(level, 4) for level in self._loss.undecided(0.0)[:2]],
                "limit": self._limit,
                "points": _rounded(points),
                "arrows": _rounded(arrows / longest if longest > 0 else arrows),
                "steepest": float(f"{longest * ARROWS:.3g}"),
                "map": _rounded(self._as_share(outputs)),
                "modes": found.modes,
                "of": found.of,
                "quality": round(float(found.high_quality), 3),
                "centres": _rounded(self._modes[0]),
            }

    def _gradient(self, points: "NDArray[np.float32]") -> "NDArray[np.float64]":
        """The gradient that reaches points of G, with respect to the points: what G's weights are moved by."""
        fake = tensor(points, requires_grad=True)
        outputs = self.discriminator(fake)
        loss: Tensor = self._loss.generator(outputs, 0.0)
        if not self._detach:
            loss = loss + self._loss.discriminator(outputs.detach(), outputs, 0.0)
        (found,) = grad(loss, [fake])
        return found.numpy().astype(np.float64)

    def _as_share(self, outputs: "NDArray[Any]") -> "NDArray[Any]":
        """D's outputs as numbers from 0, generated, to 1, real."""
        if self._loss.logits:
            return 1 / (1 + np.exp(-outputs.astype(np.float64).clip(-50, 50)))
        return ((outputs + 1) / 2 if self._loss.margins else outputs).clip(0, 1)


def _rounded(values: "NDArray[Any]") -> list[Any]:
    rounded: list[Any] = np.round(np.nan_to_num(values.astype(np.float64), posinf=1e6, neginf=-1e6), 3).tolist()
    return rounded
