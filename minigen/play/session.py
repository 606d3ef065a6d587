"""What the page asks a trained model for.  One lock is around the model: a server answers in several threads."""

import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.optional import require
from ..metrics.neighbors import nearest
from ..models import GenerativeModel
from ..plot import image_grid
from .directions import Directions, find_directions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..train import Trained

__all__ = ["LIMIT", "MAX_CODES", "PlaySession", "png_bytes"]

MAX_CODES = 64
"""Images in one answer."""

LIMIT = 2.5
"""Sliders and planes go from -2.5 to 2.5: 98.8 % of the draws of one component of N(0, 1) lie between."""

LARGEST = 100.0  # a component of a code: far outside of every draw, and no overflow in float32


class PlaySession:
    """A trained model, its directions and its training images.

    Parameters
    ----------
    trained : Trained
        Of a family that makes images of vectors.

    Raises
    ------
    ValueError
        If the model makes something else.

    Attributes
    ----------
    directions : Directions
    training : ndarray (N, C, H, W) or None
        None if the data of the run cannot be loaded here; `missing` then says why.
    """

    directions: Directions
    training: "NDArray[np.float32] | None"
    missing: str

    def __init__(self, trained: "Trained"):
        model = trained.model
        if not isinstance(model, GenerativeModel) or len(model.shape) != 3:
            raise ValueError(f"play: expected a model that makes images of vectors, {model.name} does not")
        self._trained, self._model, self._lock = trained, model, threading.Lock()
        self.missing = ""
        self.training = None
        try:
            data = trained.data("train")
            self.training = data.images
            self._labels = data.labels
        except (OSError, ImportError, ValueError) as error:
            self.missing = str(error)
        if model.latent == 2:  # the plane itself is what one wants to see
            self.directions = Directions(np.eye(2), find_directions(model, draws=256).shares)
        else:
            self.directions = find_directions(model)

    def describe(self) -> dict[str, Any]:
        """Everything that the page has to know at its start, for JSON."""
        model, found = self._model, self.directions
        return {
            "run": self._trained.run.name,
            "model": model.name,
            "step": self._trained.step,
            "latent": model.latent,
            "shape": list(model.shape),
            "classes": list(self._trained.class_names),
            "directions": [
                {"vector": [round(float(x), 6) for x in vector], "share": round(float(share), 4)}
                for vector, share in zip(found.vectors, found.shares)
            ],
            "limit": LIMIT,
            "draws": hasattr(model, "encode"),
            "training": 0 if self.training is None else len(self.training),
            "missing": self.missing,
            "epochs": self.epochs(),
        }

    # ---- images

    def decode(self, codes: Any, label: Any = None) -> "NDArray[np.float32]":
        """The images (N, C, H, W) of codes, all of one class.

        Raises
        ------
        ValueError
            If the codes are not 1 to `MAX_CODES` rows of `latent` finite numbers, or the model has no such class.
        """
        rows, number = self._check_codes(codes), self._check_label(label)
        with self._lock:
            return self._model.decode(rows, number)

    def plane(self, code: Any, label: Any = None, side: int = 11, axes: tuple[int, int] = (0, 1)) -> "NDArray[Any]":
        """The images (side * side, C, H, W) of the plane of two directions through a code.

        The first direction grows to the right, the second upwards, both from -`LIMIT` to `LIMIT`; all other components
        are those of the code.  Errors as `decode`, and if a direction or the side is out of range.
        """
        (row,), number = self._check_codes([code]), self._check_label(label)
        count = len(self.directions.vectors)
        if type(side) is not int or not 2 <= side <= 41:
            raise ValueError(f"side: expected a whole number from 2 to 41, got {_shown(side)}")
        if len(set(axes)) != 2 or not all(type(i) is int and 0 <= i < count for i in axes):
            raise ValueError(f"axes: expected two different directions of 0 to {count - 1}, got {_shown(axes)}")
        two = self.directions.vectors[list(axes)]
        base = row - (row @ two.T) @ two
        steps = np.linspace(-LIMIT, LIMIT, side)
        places = np.array([(right, up) for up in reversed(steps) for right in steps])
        with self._lock:
            return self._model.decode((base + places @ two).astype(np.float32), number)

    def nearest_training(self, code: Any, label: Any = None) -> dict[str, Any]:
        """The training image that is nearest to the image of a code: ``image``, ``index``, ``distance``, ``class``.

        The distance is that of pixels in [-1, 1], as ``minigen evaluate`` gives it.
        """
        if self.training is None:
            raise ValueError(f"the training images are not here: {self.missing}")
        image = self.decode([code], label)
        flat = self.training.reshape(len(self.training), -1)
        distance, index = (found[0, 0] for found in nearest(image.reshape(1, -1), flat))
        known = None if self._labels is None else int(self._labels[index])
        return {
            "image": self.training[index],
            "index": int(index),
            "distance": round(float(distance), 3),
            "class": known,
        }

    def reconstruct(self, pixels: Any, label: Any = None, center: bool = True) -> dict[str, Any]:
        """The code of a drawing, and the image that it decodes to: ``code``, ``image`` and the ``input``.

        Parameters
        ----------
        pixels : sequence of sequences of numbers
            Gray values from 0, black, to 1, white; as many rows and columns as the images of the model.
        label : int, optional
        center : bool
            Move the drawing by whole pixels so that its center of mass is in the middle, as in MNIST.
        """
        model = self._model
        if not hasattr(model, "encode"):
            raise ValueError(f"{model.name} makes no codes of images; vae, cvae, iwae and aae do")
        drawn = self._check_drawing(pixels)
        number = self._check_label(label)
        drawn = _centered(drawn) if center else drawn
        image = np.repeat(2 * drawn[None, None] - 1, model.shape[0], axis=1).astype(np.float32)
        with self._lock:
            code = model.encode(image, number) if model.classes else model.encode(image)
            found = model.decode(code, number)
        return {"code": code[0], "image": found[0], "input": image[0]}

    # ---- what the run stored

    def epochs(self) -> list[int]:
        """The epochs of which a grid of samples is stored."""
        return self._trained.run.sampled_epochs()

    def epoch_picture(self, epoch: int) -> Path:
        """The stored grid of samples of one epoch; ValueError if there is none."""
        if epoch not in self.epochs():
            raise ValueError(f"epoch: no samples of epoch {epoch} are stored")
        return self._trained.run.samples(epoch)

    # ---- checks

    def _check_codes(self, codes: Any) -> "NDArray[np.float32]":
        latent = self._model.latent
        expected = f"z: expected 1 to {MAX_CODES} rows of {latent} numbers from {-LARGEST:g} to {LARGEST:g}"
        try:
            rows = np.asarray(codes)
        except ValueError:  # rows of different lengths
            raise ValueError(f"{expected}, got rows of different lengths") from None
        if rows.dtype.kind not in "iuf":
            raise ValueError(f"{expected}, got {_shown(codes)}")
        if rows.ndim != 2 or rows.shape[1] != latent or not 1 <= len(rows) <= MAX_CODES:
            raise ValueError(f"{expected}, got shape {rows.shape}")
        if not (np.abs(rows) <= LARGEST).all():  # also False for NaN
            raise ValueError(f"{expected}, got a number outside of it")
        checked: NDArray[np.float32] = rows.astype(np.float32)
        return checked

    def _check_label(self, label: Any) -> int | None:
        classes = self._model.classes
        if not classes:
            if label is not None:
                raise ValueError(f"label: {self._model.name} knows no classes, got {_shown(label)}")
            return None
        if type(label) is not int or not 0 <= label < classes:
            raise ValueError(f"label: expected a whole number from 0 to {classes - 1}, got {_shown(label)}")
        return label

    def _check_drawing(self, pixels: Any) -> "NDArray[np.float64]":
        height, width = self._model.shape[1:]
        try:
            drawn = np.asarray(pixels, float)
        except (ValueError, TypeError):
            drawn = np.empty(0)
        if drawn.shape != (height, width) or not ((drawn >= 0) & (drawn <= 1)).all():
            raise ValueError(f"pixels: expected {height} rows of {width} numbers from 0 to 1, got {_shown(pixels)}")
        return drawn


def _shown(value: Any) -> str:
    """`value` in at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _centered(drawn: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """A drawing, moved by whole pixels so that its center of mass is in the middle; nothing of it is lost.

    >>> int(_centered(np.array([[1.0, 0, 0, 0, 0]] + [[0.0] * 5] * 4)).argmax())
    12
    """
    total = drawn.sum()
    if total == 0:
        return drawn
    moved = drawn
    for axis in (0, 1):
        length = drawn.shape[axis]
        profile = drawn.sum(1 - axis)
        shift = round((length - 1) / 2 - float(profile @ np.arange(length)) / float(total))
        used = np.flatnonzero(profile)
        shift = int(np.clip(shift, -used[0], length - 1 - used[-1]))
        moved = np.roll(moved, shift, axis)
    return moved


def png_bytes(images: "NDArray[Any]", columns: int | None = None) -> bytes:
    """Images (N, C, H, W) in [-1, 1] as one PNG file, in rows of `columns` without lines between."""
    memory = io.BytesIO()
    require("PIL.Image").fromarray(image_grid(images, columns or len(images), padding=0)).save(memory, format="png")
    return memory.getvalue()
