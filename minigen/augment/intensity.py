"""Transforms that leave pixels where they are: covering a square, brightness, contrast, noise."""

import numpy as np

from ..arguments import check_number
from ..backend import to_device
from ..tensor import Tensor
from .transform import Transform, chosen

__all__ = ["brightness", "contrast", "cutout", "noise"]


def _like(images: Tensor, array: np.ndarray) -> Tensor:
    return Tensor(to_device(array.astype(images.dtype), images.device))


class cutout(Transform):  # noqa: N801 - the names of the text form
    """Cover a square of each image with gray, 0; its middle is anywhere in the image (DeVries & Taylor 2017).

    Parameters
    ----------
    share : float
        Side of the square as a share of the image's side, above 0; 0.5 as in DiffAugment.  At most 1.
    """

    def __init__(self, share: float = 0.5) -> None:
        self.share: float = check_number("cutout", "share", share, 0, most=1)
        if not self.share:
            raise ValueError("cutout: argument 'share': expected a number above 0, got 0")

    def change(self, images: Tensor, p: float, generator: np.random.Generator) -> Tensor:
        """Cover a square; see `Transform.__call__`."""
        n, _, *size = images.shape
        covered = chosen(n, p, generator)[:, None, None]
        for axis, length in enumerate(size):
            side = int(self.share * length + 0.5)
            first = generator.integers(0, length + 1 - side % 2, n) - side // 2
            place = np.arange(length) - first[:, None]
            inside = (place >= 0) & (place < side)
            covered = covered & np.expand_dims(inside, 2 - axis)
        return images * _like(images, ~covered[:, None])


class brightness(Transform):  # noqa: N801
    """Add one number between -most and most to all pixels of an image.

    Parameters
    ----------
    most : float
        0.5 as in DiffAugment.
    """

    def __init__(self, most: float = 0.5) -> None:
        self.most: float = check_number("brightness", "most", most, 0)

    def change(self, images: Tensor, p: float, generator: np.random.Generator) -> Tensor:
        """Shift all pixels; see `Transform.__call__`."""
        n = len(images.data)
        changed = chosen(n, p, generator)
        shift = generator.uniform(-self.most, self.most, n) * changed
        return images + _like(images, shift.reshape(n, 1, 1, 1))


class contrast(Transform):  # noqa: N801
    """Multiply the distance of each pixel from the image's mean by a factor between 1 - share and 1 + share.

    Parameters
    ----------
    share : float
        From 0 to 1; 0.5 as in DiffAugment.
    """

    def __init__(self, share: float = 0.5) -> None:
        self.share: float = check_number("contrast", "share", share, 0, most=1)

    def change(self, images: Tensor, p: float, generator: np.random.Generator) -> Tensor:
        """Stretch the values around their mean; see `Transform.__call__`."""
        n = len(images.data)
        changed = chosen(n, p, generator)
        factor = np.where(changed, generator.uniform(1 - self.share, 1 + self.share, n), 1)
        mean = images.mean((1, 2, 3), keepdim=True)
        return (images - mean) * _like(images, factor.reshape(n, 1, 1, 1)) + mean


class noise(Transform):  # noqa: N801
    """Add independent normal noise to each pixel.

    Parameters
    ----------
    std : float
        Its standard deviation.
    """

    def __init__(self, std: float = 0.1) -> None:
        self.std: float = check_number("noise", "std", std, 0)

    def change(self, images: Tensor, p: float, generator: np.random.Generator) -> Tensor:
        """Add noise; see `Transform.__call__`."""
        n = len(images.data)
        changed = chosen(n, p, generator)
        drawn = generator.standard_normal(images.shape, np.float32)
        return images + _like(images, self.std * drawn * changed.reshape(n, 1, 1, 1))
