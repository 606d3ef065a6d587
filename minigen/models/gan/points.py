"""A GAN that makes points of the plane: small enough to see every sample, and to count the modes that it misses.

Data sets are ``ring8`` and ``grid25`` (`minigen.data`): 8 or 25 narrow Gaussians, whose centers are known.  So what no
image can show is a number here: how many modes does the generator have, and how many of its samples belong to one
(`minigen.metrics.modes`)?  ``minigen evaluate RUN`` prints both.

What decides the second number is how steep G is.  G is continuous, so that from one mode to the next there are always
samples on the way, *bridges*.  Batch norm and depth make G steep (see `minigen.models.networks.points`).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...data import Dataset
from ...optim import Adam, Optimizer
from ...plot import draw_points
from ..networks.gan import Networks
from ..networks.points import point_networks
from ..options import option
from ..registry import register
from .techniques import StabilizedGAN

__all__ = ["PointGAN"]

PREVIEW = 2500
"""Points in a picture."""


@register("points")
class PointGAN(StabilizedGAN):
    """GAN for points of the plane, such as ring8 and grid25: modes can be counted.

    Raises
    ------
    ValueError
        If an option is not allowed, or two of them do not go together.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> model = PointGAN(width=8)
    >>> numbers = model.training_step({"points": np.zeros((16, 2), np.float32)})
    >>> model.sample(3).shape
    (3, 2)
    """

    @dataclass(frozen=True)
    class Options(StabilizedGAN.Options):
        """Options of the GAN for points."""

        WITHOUT = ("size", "channels", "augment", "augment_p")
        dimensions: int = option(2, "coordinates of a point", minimum=1, from_data=True)
        scale: float = option(1.0, "root mean square of the data's coordinates", above=0, from_data=True)
        latent: int = 2
        width: int = option(64, "units in each hidden layer", minimum=1)
        layers: int = option(5, "hidden layers of G; the more, the steeper it can be", minimum=1)
        layers_d: int = option(3, "hidden layers of D", minimum=1)
        batch_norm: bool = option(True, "batch norm in G, which makes it steep")
        lr: float = 4e-3
        smoothing: float = 0.0
        lr_decay: float = 0.7
        r1: float = 0.03
        r1_end: float | None = 0.0001
        r1_every: int = 4

    EPOCHS: ClassVar[int] = 168  # of 19 batches of ring8: 3,192 steps
    BATCH_SIZE: ClassVar[int] = 512  # half of a step's time is Python's, whatever the size
    RECALIBRATE: ClassVar[int] = 20_000
    FIELD = "points"
    options: Options

    def __init__(self, **options: Any):
        for name in self.Options.WITHOUT:
            if name in options:
                raise ValueError(f"{self.name}: unknown option {name!r}: it makes points, not images")
        super().__init__(**options)

    @classmethod
    def data_options(cls, dataset: Dataset) -> dict[str, Any]:
        """Find the dimension and the scale of the points; ValueError if the data set has images."""
        if "points" not in dataset.fields:
            raise ValueError(
                f"{cls.name}: learns from points, and {dataset.name} has images; try --data ring8 or grid25"
            )
        scale = float(np.sqrt(np.square(dataset.points).mean(dtype=np.float64)))
        return {"dimensions": dataset.points.shape[1], "scale": round(scale, 3) or 1.0}

    def example_shape(self) -> tuple[int, ...]:
        """Return the shape of a point."""
        return (self.options.dimensions,)

    def build_networks(self) -> Networks:
        """Build the dense networks."""
        o = self.options
        return self.stabilized(
            lambda m: point_networks(o.dimensions, o.latent, o.width, o.layers, o.scale, m, o.batch_norm, o.layers_d)
        )

    def build_optimizer(self, parameters: Any) -> Optimizer:
        """Build Adam, whose second average is shorter than usual: gradients change as fast as the samples move."""
        return Adam(parameters, lr=self.options.lr, betas=(self.options.beta1, 0.99))

    def check_examples(self, examples: Any) -> np.ndarray:
        """Check points (N, dimensions) and return them as float32."""
        points = np.asarray(examples, np.float32)
        if points.ndim != 2 or points.shape[1:] != self.shape:
            raise ValueError(f"{self.name}: expected points (N, {self.shape[0]}), got {points.shape}")
        if not np.isfinite(points).all():
            raise ValueError(f"{self.name}: expected finite points, got NaN or infinite values")
        return points

    def picture(self, points: np.ndarray, data: np.ndarray | None = None) -> np.ndarray:
        """Draw points over the data, as an image (3, H, W) in [-1, 1]; see `minigen.plot.draw_points`."""
        return draw_points(points, data, 2.0 * self.options.scale)

    def preview(self, n: int, dataset: Dataset, generator: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """Draw one picture of many samples over the data."""
        return self.picture(self.sample(PREVIEW, generator), dataset.points)[None], 1
