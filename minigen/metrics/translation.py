"""Measure a translation where the truth is known: PSNR both ways, the cycle, colored shapes, classes kept."""

from typing import Any

import numpy as np

from .._util.optional import require
from ..data import Dataset
from ..models import CycleGAN, Pix2Pix
from .similarity import psnr

__all__ = ["ShapeScores", "classes_kept", "shape_scores", "translation_scores"]

ShapeScores = dict[str, float]
"""What `shape_scores` finds."""


def translation_scores(model: Pix2Pix | CycleGAN, dataset: Dataset) -> dict[str, float]:
    """Measure translations by pairs, preferably of images that the model did not learn from.

    ==================== =========================================================================
    ``l1``               mean absolute error to the truth, in [-1, 1]
    ``psnr``             in dB, to the truth, of all images together
    ``psnr_copy``        of the unchanged input, if it has the channels of the truth
    ``psnr_invert``      of the inverted input, likewise
    ``psnr_back``        CycleGAN: of B(y) to x
    ``psnr_cycle``       CycleGAN: of B(A(x)) to x
    ``iou``, ...         for colored shapes on black: see `shape_scores`
    ==================== =========================================================================

    Parameters
    ----------
    model : Pix2Pix or CycleGAN
    dataset : Dataset
        With pairs: `partners` are the truth.

    Returns
    -------
    dict of str to float

    Raises
    ------
    ValueError
        If the data set has no pairs.
    """
    truth, inputs = dataset.partners, dataset.images
    if truth is None or not dataset.paired:
        raise ValueError(f"evaluate: {dataset.name} has no pairs, so there is no truth to compare with")
    made = model.apply(inputs)
    found = {"l1": float(np.abs(made - truth).mean(dtype=np.float64)), "psnr": psnr(made, truth)}
    if inputs.shape == truth.shape:
        found |= {"psnr_copy": psnr(inputs, truth), "psnr_invert": psnr(-inputs, truth)}
    if isinstance(model, CycleGAN):
        found |= {
            "psnr_back": psnr(model.apply(truth, back=True), inputs),
            "psnr_cycle": psnr(model.apply(made, back=True), inputs),
        }
    if dataset.factor_names[:2] == ("shape", "color") and truth.shape[1] == 3:
        found |= shape_scores(made, truth) | {"l1_black": float(np.abs(truth + 1).mean(dtype=np.float64))}
    return found


def shape_scores(images: np.ndarray, truth: np.ndarray) -> ShapeScores:
    """Measure drawings of one colored shape on black.

    A pixel belongs to the shape if its largest channel is above the middle of the range.  ``iou`` is the mean over the
    images of the common pixels as a share of those that belong to either.  ``saturation`` is (largest - smallest
    channel) / largest, on the pixels that the images draw: 1 is a pure color, 0 gray.  ``hue`` is the share of images
    whose mean color is nearest to the right one of the six (chance: 0.17).

    Parameters
    ----------
    images, truth : ndarray (N, 3, H, W)
        In [-1, 1].

    Returns
    -------
    dict of str to float
        ``iou``, ``saturation`` and ``hue``; the last two are 0 if nothing is drawn.

    Examples
    --------
    >>> import minigen as mg
    >>> red = mg.data.render_shapes(np.array([[1, 0, 2, 0, 1, 1]]), 32)
    >>> {name: round(score, 2) for name, score in shape_scores(red, red).items()}
    {'iou': 1.0, 'saturation': 1.0, 'hue': 1.0}
    """
    unit, true = (images.astype(np.float64) + 1) / 2, (truth.astype(np.float64) + 1) / 2
    drawn, real = unit.max(1) > 0.5, true.max(1) > 0.5
    both, either = (drawn & real).sum((1, 2)), (drawn | real).sum((1, 2))
    top, low = unit.max(1), unit.min(1)
    saturation = float(((top - low) / np.maximum(top, 1e-9))[drawn].mean()) if drawn.any() else 0.0
    # The mean color of what is drawn, and of the true shape, each as a corner of the color cube.
    right = [
        bool(mask.any()) and np.array_equal(_corner(image, mask), _corner(target, region))
        for image, mask, target, region in zip(unit, drawn, true, real)
    ]
    return {"iou": float((both / np.maximum(either, 1)).mean()), "saturation": saturation, "hue": float(np.mean(right))}


def _corner(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Which channels are above half of the largest one, in the mean over a mask."""
    mean: np.ndarray = image[:, mask].mean(1)
    above: np.ndarray = mean > mean.max() / 2
    return above


def classes_kept(model: Any, train: Dataset, dataset: Dataset) -> dict[str, float]:
    """Let a classifier that has learned true outputs read translated images: how many keep their class?

    The classifier is a support vector machine of scikit-learn (RBF kernel, C = 10), trained on `train`.

    Parameters
    ----------
    model : Pix2Pix or CycleGAN
    train : Dataset
        True outputs as ``images``, with labels.
    dataset : Dataset
        With pairs and labels.

    Returns
    -------
    dict of str to float
        Share read right of ``truth`` and ``ours``, and of the ``inverted`` input.
    """
    machine = require("sklearn.svm").SVC(C=10)
    assert train.labels is not None and dataset.labels is not None and dataset.partners is not None
    machine.fit(train.images.reshape(len(train), -1), train.labels)
    shown = {"truth": dataset.partners, "ours": model.apply(dataset.images)}
    if dataset.images.shape == dataset.partners.shape:
        shown["inverted"] = -dataset.images
    return {
        name: float((machine.predict(images.reshape(len(images), -1)) == dataset.labels).mean())
        for name, images in shown.items()
    }
