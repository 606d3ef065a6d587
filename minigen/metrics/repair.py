"""Measure a repair: PSNR and SSIM beside the damaged input and beside classical methods."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .._util.optional import require
from .._util.tables import Table
from ..data import Dataset
from ..data.photos import photographs
from ..models.repair import Repair
from .classical import classical_repairs
from .similarity import psnr, ssim

__all__ = ["RepairScores", "read_digits", "repair_scores", "test_images"]

_EXCERPT = (slice(100, 260), slice(120, 312))
_LARGE_EXCERPT = (slice(60, 300), slice(60, 360))  # of photographs to shrink
_MOST = 1000  # images of a data set
_HALF_GREY = 0.6  # values between -0.6 and 0.6: neither nearly black nor nearly white


@dataclass(frozen=True)
class RepairScores:
    """The scores of several methods on several images.

    Parameters
    ----------
    psnr, ssim : dict of str to dict of str to float
        By image, then by method: ``"input"``, ``"ours"`` and the classical ones.  PSNR is that of the hole if there is
        one.
    repaired : dict of str to dict of str to ndarray
        The images (N, C, H, W) themselves, by image and method, with ``"truth"``.
    masks : dict of str to ndarray
        The masks (N, 1, H, W), by image, if the damage is a hole.
    """

    psnr: dict[str, dict[str, float]]
    ssim: dict[str, dict[str, float]]
    repaired: dict[str, dict[str, np.ndarray]] = field(repr=False)
    masks: dict[str, np.ndarray] = field(repr=False)

    def mean(self, scores: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        """Average over the images, for each method."""
        rows = list(scores.values())
        return {method: float(np.mean([row[method] for row in rows])) for method in (rows[0] if rows else ())}

    def table(self) -> Table:
        """Put a row for each image and one for the mean; dB, and the mean SSIM in the last row."""
        methods = list(next(iter(self.psnr.values())))
        rows: list[list[str]] = [[name, *(f"{row[m]:.2f}" for m in methods)] for name, row in self.psnr.items()]
        if len(rows) > 1:
            rows.append(["mean, dB", *(f"{value:.2f}" for value in self.mean(self.psnr).values())])
        if any(self.ssim.values()):
            mean = self.mean(self.ssim)
            rows.append(["SSIM", *(f"{mean[m]:.3f}" if m in mean else "" for m in methods)])
        return Table(["", *methods], rows, "l" + "r" * len(methods))

    def half_grey(self) -> dict[str, float]:
        """The share of the hole's values that are neither nearly black nor nearly white, for each method."""
        methods = next(iter(self.repaired.values()))
        shares = {}
        for method in methods:
            grey = [np.abs(self.repaired[name][method]) < _HALF_GREY for name in self.masks]
            weights = [np.broadcast_to(mask, g.shape) for g, mask in zip(grey, self.masks.values())]
            shares[method] = float(sum((g * w).sum() for g, w in zip(grey, weights)) / sum(w.sum() for w in weights))
        return shares


def repair_scores(
    model: Repair, images: Mapping[str, np.ndarray], seed: int = 0, classical: bool = True
) -> RepairScores:
    """Damage images, repair them, and compare with the truth.

    Parameters
    ----------
    model : Repair
    images : mapping of str to ndarray (N, C, H, W)
        In [-1, 1]; each entry is scored as a whole.
    seed : int
        Of the damage.
    classical : bool
        Whether to repair by the classical methods too, see `minigen.metrics.classical`.

    Returns
    -------
    RepairScores
    """
    ratios: dict[str, dict[str, float]] = {}
    similarities: dict[str, dict[str, float]] = {}
    repaired: dict[str, dict[str, np.ndarray]] = {}
    masks = {}
    for i, (name, each) in enumerate(images.items()):
        damaged, ours = model.examples(each, np.random.default_rng([seed, i]))
        outputs = {"ours": ours} | (classical_repairs(model.damage, damaged) if classical else {})
        if model.factor == 1:
            outputs = {"input": damaged.images} | outputs
        cut = slice(2, -2) if model.factor > 1 else slice(None)  # at the border, less is known of what was shrunken
        inside = (..., cut, cut)
        truth = damaged.truth[inside]
        if damaged.mask is not None:
            masks[name] = damaged.mask
        ratios[name] = {method: psnr(output[inside], truth, damaged.mask) for method, output in outputs.items()}
        large = damaged.mask is None and min(truth.shape[-2:]) >= 11
        similarities[name] = (
            {m: ssim(output[inside].clip(-1, 1), truth) for m, output in outputs.items()} if large else {}
        )
        repaired[name] = outputs | {"truth": damaged.truth}
    return RepairScores(ratios, similarities, repaired, masks)


def test_images(model: Repair, dataset: Dataset, split: str = "test") -> dict[str, np.ndarray]:
    """Choose the images on which a repair is measured.

    Of the data sets `photos` and `photos_colour` excerpts of the whole photographs (rows 100 to 260 and columns 120 to
    312; to shrink: 60 to 300 and 60 to 360); of other data sets the first 1,000 images.

    Parameters
    ----------
    model : Repair
    dataset : Dataset
    split : {"train", "test"}
        Of the photographs.

    Returns
    -------
    dict of str to ndarray (N, C, H, W)
    """
    if not dataset.name.startswith("photos"):
        return {dataset.name: dataset.images[:_MOST]}
    rows, columns = _LARGE_EXCERPT if model.factor > 1 else _EXCERPT
    whole = photographs(split, dataset.images.shape[1])
    return {name: image[None, :, rows, columns] for name, image in whole.items()}


test_images.__test__ = False  # type: ignore[attr-defined]  # for pytest: no test


def read_digits(train: Dataset, images: Mapping[str, np.ndarray], labels: np.ndarray) -> dict[str, float]:
    """Compute the share of images that a support vector machine reads right.

    Parameters
    ----------
    train : Dataset
        Undamaged images with labels, from which the machine learns.
    images : mapping of str to ndarray (N, C, H, W)
    labels : ndarray (N,)

    Returns
    -------
    dict of str to float
        By the names of `images`.

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn is not installed.
    """
    machine = require("sklearn.svm").SVC(C=10).fit(train.images.reshape(len(train), -1), train.labels)
    return {name: float(np.mean(machine.predict(x.reshape(len(x), -1)) == labels)) for name, x in images.items()}
