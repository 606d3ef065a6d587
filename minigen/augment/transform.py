"""What every transform is: a change of images with random numbers for each image."""

import numpy as np

from ..arguments import check_number, check_tensor
from ..backend import rng
from ..tensor import Tensor

__all__ = ["Transform", "chosen"]


class Transform:
    """A random change of images, linear or smooth in the pixels, so that a gradient can pass.

    A subclass defines `change`.
    """

    def change(self, images: Tensor, p: float, generator: np.random.Generator) -> Tensor:
        """Change each image with probability `p`; see `__call__`."""
        raise NotImplementedError(f"{type(self).__name__} does not define change()")

    def check(self, height: int, width: int) -> None:
        """Raise ValueError if the transform does not fit images of that size."""

    def __call__(self, images: Tensor, p: float = 1.0, generator: np.random.Generator | None = None) -> Tensor:
        """Change each image with probability `p`, with its own random numbers.

        Parameters
        ----------
        images : Tensor (N, C, H, W)
            In [-1, 1].
        p : float
            From 0 to 1.
        generator : numpy.random.Generator, optional
            Source of the random numbers; by default the package's, which `minigen.manual_seed` starts.

        Returns
        -------
        Tensor (N, C, H, W)
            Not limited to [-1, 1]: a limit would cut the gradient off.

        Raises
        ------
        TypeError
            If `generator` is no generator.
        ValueError
            If the images have other dimensions, `p` is out of range, or the transform does not fit their size.
        """
        name = type(self).__name__
        if check_tensor(name, "images", images).ndim != 4:
            raise ValueError(f"{name}: argument 'images': expected (N, C, H, W), got shape {images.shape}")
        p = check_number(name, "p", p, 0, most=1)
        if not isinstance(generator, np.random.Generator | None):
            raise TypeError(f"{name}: argument 'generator': expected a numpy.random.Generator, got {generator!r}")
        self.check(*images.shape[2:])
        return self.change(images, p, rng() if generator is None else generator)


def chosen(n: int, p: float, generator: np.random.Generator) -> np.ndarray:
    """Which of `n` images are changed: each with probability `p`.

    >>> chosen(3, 1.0, np.random.default_rng(0)).tolist()
    [True, True, True]
    """
    return generator.random(n) < p
