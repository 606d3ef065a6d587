r"""Interpolate between latent vectors along an arc.

**Why not along a straight line.**  The latent vectors of the training are draws from N(0, I) with d components.  For
large d nearly all of them have a length close to $\sqrt d$.  Two draws are nearly orthogonal, so the middle of the
straight line between them has a length near $\sqrt{d/2}$.  Hardly any draw is so short, and the model was not trained
there.  For d = 100 the length is 7.1 in place of 10; of 140,000 draws one is as short as that.

*Spherical interpolation* (Shoemake 1985; for generative models White 2016, arXiv 1609.04468) goes along the arc:

$$\frac{\sin((1 - t)\,\omega)}{\sin\omega}\, a + \frac{\sin(t\,\omega)}{\sin\omega}\, b,
\qquad \cos\omega = \frac{\langle a, b\rangle}{|a|\,|b|}$$

At a right angle the squares of the two weights add up to 1, so every point of the arc is distributed as N(0, I).  The
arc is used for the noise of a GAN and the codes of a VAE, because the prior of both is N(0, I).  The option
``--linear`` takes the straight line, to show the difference.
"""

from collections.abc import Sequence

import numpy as np

from ..models import GenerativeModel
from ..plot import ImageTable
from .classes import class_numbers

__all__ = ["interpolate", "slerp"]

_ROWS = 8


def slerp(first: np.ndarray, last: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Vectors on the arc between two vectors; on the straight line where they are parallel.

    Parameters
    ----------
    first, last : ndarray (..., d)
    shares : ndarray (steps,)
        0 for `first`, 1 for `last`.

    Returns
    -------
    ndarray (..., steps, d)

    Examples
    --------
    >>> slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.0, 0.5, 1.0])).round(3)
    array([[1.   , 0.   ],
           [0.707, 0.707],
           [0.   , 1.   ]])
    """
    first, last, t = first[..., None, :], last[..., None, :], shares[:, None]
    lengths = np.linalg.norm(first, axis=-1, keepdims=True) * np.linalg.norm(last, axis=-1, keepdims=True)
    cosine = np.where(lengths > 0, (first * last).sum(-1, keepdims=True) / np.where(lengths > 0, lengths, 1), 1)
    angle = np.arccos(cosine.clip(-1, 1))
    straight = np.sin(angle) < 1e-6  # sin(t w) / sin(w) tends to t with w, and between opposites no arc is the shortest
    sine = np.where(straight, 1, np.sin(angle))
    leave = np.where(straight, 1 - t, np.sin((1 - t) * angle) / sine)
    arrive = np.where(straight, t, np.sin(t * angle) / sine)
    vectors: np.ndarray = leave * first + arrive * last
    return vectors


def interpolate(
    model: GenerativeModel,
    rows: int | None = None,
    steps: int = 10,
    seed: int = 0,
    linear: bool = False,
    classes: Sequence[int | str] | None = None,
    names: Sequence[str] = (),
    ends: tuple[np.ndarray, np.ndarray] | None = None,
) -> ImageTable:
    """Make rows of images, each on the way from one latent vector to another.

    Parameters
    ----------
    model : GenerativeModel
    rows : int, optional
        By default 8, or as many as classes if those are more.
    steps : int
        Images in a row, both ends included.
    seed : int
        Of the vectors at the ends.
    linear : bool
        Go straight, not along the arc; `minigen.visualize.interpolation` says why the arc is the default.
    classes : sequence of int or str, optional
        Of a model that knows classes: those of the rows, over and over; by default all.
    names : sequence of str
        What the classes are called.
    ends : (first, last) of ndarray (rows, latent), optional
        The vectors at the ends, such as the codes of images, ``(model.encode(a), model.encode(b))``; by default random.

    Returns
    -------
    ImageTable

    Raises
    ------
    ValueError
        If `rows` is less than 1, `steps` is less than 2, or the model does not know the classes.

    Examples
    --------
    >>> from minigen.models import build
    >>> interpolate(build("dcgan", size=8, width=4), rows=2, steps=5).images.shape
    (2, 5, 1, 8, 8)
    """
    if classes is None and model.classes:
        classes = range(model.classes)
    if ends is None:
        rows = max(_ROWS, len(classes or ())) if rows is None else rows
        first, last = np.random.default_rng(seed).standard_normal((2, max(rows, 0), model.latent))
    else:
        first, last = np.asarray(ends[0]), np.asarray(ends[1])
        rows = len(first)
        if not first.shape == last.shape == (rows, model.latent):
            raise ValueError(
                f"interpolate: expected ends of shape (rows, {model.latent}) each, got {first.shape} and {last.shape}"
            )
    if rows < 1 or steps < 2:
        raise ValueError(f"interpolate: expected at least 1 row of at least 2 steps, got {rows} of {steps}")
    numbers = None if classes is None else np.resize(class_numbers(model, classes, names), rows)
    if linear:
        codes = np.linspace(first, last, steps, axis=1)
    else:
        codes = slerp(first, last, np.linspace(0, 1, steps))
    labels = None if numbers is None else np.repeat(numbers, steps)
    images = model.decode(codes.reshape(-1, model.latent), labels)
    way = "straight lines" if linear else "arcs"
    kind = "random" if ends is None else "given"
    return ImageTable(
        images.reshape(rows, steps, *images.shape[1:]),
        f"From left to right along {way} between two {kind} vectors. If the model has not only memorized images, the "
        "images change smoothly, and each of them could be a sample.",
        [] if numbers is None else [names[i] if names else str(i) for i in numbers],
    )
