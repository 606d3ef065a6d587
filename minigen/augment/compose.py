"""Several transforms one after the other, and their text form."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from ..arguments import check_choice, check_number
from ..tensor import Tensor
from .geometry import Geometry, flip, rotate, scale, translate
from .intensity import brightness, contrast, cutout, noise
from .transform import Transform

__all__ = ["TRANSFORMS", "Augment", "Compose", "parse"]

TRANSFORMS: Mapping[str, type[Transform]] = {
    each.__name__: each for each in (translate, rotate, scale, flip, cutout, brightness, contrast, noise)
}
"""Every transform by the name that a text form has."""


class Compose(Transform):
    """Apply transforms one after the other.

    Neighbors that move pixels are one map, so that the image is interpolated once.  Each transform changes each image
    with probability `p` by itself.

    Parameters
    ----------
    transforms : sequence of Transform

    Raises
    ------
    TypeError
        If one is no transform, such as a name or a class.

    Examples
    --------
    >>> import minigen as mg
    >>> both = Compose([translate(), rotate(), cutout()])
    >>> len(both.steps)  # one map, and cutout
    2
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        transforms = list(transforms)
        for each in transforms:
            if not isinstance(each, Transform):
                raise TypeError(f"Compose: argument 'transforms': expected ones such as translate(), got {each!r}")
        self.steps: tuple[Transform, ...] = tuple(_merged(transforms))

    def check(self, height: int, width: int) -> None:
        """Check each transform."""
        for step in self.steps:
            step.check(height, width)

    def change(self, images: Tensor, p: float, generator: np.random.Generator) -> Tensor:
        """Apply all; see `Transform.__call__`."""
        for step in self.steps:
            images = step.change(images, p, generator)
        return images


def _merged(transforms: Sequence[Transform]) -> Iterator[Transform]:
    for moves, run in groupby(transforms, lambda each: isinstance(each, Geometry)):
        steps = list(run)
        if moves and len(steps) > 1:
            yield Geometry([step for step in steps if isinstance(step, Geometry)])
        else:
            yield from steps


def parse(text: str) -> Compose:
    """Make transforms with their default strengths of a text.

    Parameters
    ----------
    text : str
        Names of `TRANSFORMS`, joined by ``+``.

    Raises
    ------
    ValueError
        If a name is unknown, or there twice.

    Examples
    --------
    >>> [type(step).__name__ for step in parse("translate+cutout").steps]
    ['translate', 'cutout']
    >>> parse("translate+translate")
    Traceback (most recent call last):
        ...
    ValueError: augment: argument 'names': expected each transform once, got translate twice
    """
    if not isinstance(text, str):
        raise TypeError(f"augment: argument 'names': expected a text such as 'translate+cutout', got {text!r}")
    names = [name.strip() for name in text.split("+")]
    for i, name in enumerate(names):
        check_choice("augment", "names", name, tuple(TRANSFORMS))
        if name in names[:i]:
            raise ValueError(f"augment: argument 'names': expected each transform once, got {name} twice")
    return Compose([TRANSFORMS[name]() for name in names])


class Augment:
    """Augment the images of batches: the `transform` of a `minigen.data.Loader`.

    The images of the batch stay in [-1, 1].

    Parameters
    ----------
    names : str
        As for `parse`.
    p : float
        Probability that a transform changes an image, from 0 to 1.

    Raises
    ------
    ValueError
        As `parse`, and if `p` is out of range.

    Examples
    --------
    >>> import minigen as mg
    >>> loader = mg.data.Loader(mg.data.load("digits"), 32, transform=Augment("translate"))
    >>> next(loader.epoch(0))["images"].shape
    (32, 1, 8, 8)
    """

    def __init__(self, names: str, p: float = 1.0) -> None:
        self.transform: Compose = parse(names)
        self.p: float = check_number("Augment", "p", p, 0, most=1)

    def __call__(self, batch: dict[str, np.ndarray], generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the batch with augmented images."""
        images = self.transform(Tensor(batch["images"]), self.p, generator).numpy()
        return {**batch, "images": images.clip(-1, 1)}
