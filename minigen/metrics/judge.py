r"""The judges: two small trained networks through which images are compared.

A distance between sets of images is computed on *features*, numbers that a trained network extracts.  In the
literature it is Inception, trained on photographs of 1,000 classes; for digits of 28 pixels a network of 75,498
weights, trained on digits, sees more.  There are two, because one network cannot do both tasks:

- The **looker** gives the features: for FID, KID, precision, recall, density, coverage and the nearest neighbors.  It
  is trained on clean images, so that noise and blur change its features.
- The **reader** gives the classes: for the inception score and the shares of the classes.  It is also trained on
  noisy, speckled and blurred images, so that it still reads them.  On noisy samples the looker reads classes wrongly,
  and shows
  a mode collapse that does not exist; the reader's features do not see weak noise or blur.

Architecture of both: convolutions 16 (kernel 4, stride 2), 32 (kernel 3), 64 (kernel 4, stride 2), 64 (kernel 3), each
with batch norm and ReLU; the mean over space gives the 64 features; dropout 0.2 and a linear layer give the logits.

**Numbers of two judges cannot be compared**, not even of two that differ only in the seed of their training: their FIDs
differ by 8 to 86 %.  So the judges are shipped with the package, each number is stored with the SHA-256 of its judges,
and whatever compares numbers refuses to mix them.  For other labeled data `train_judges` trains new judges.  Without
labels there are only `random_judges`, which are weak: they see blur first.

The shipped file is made again by ``python -m minigen.metrics.judge_recipe``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import nn
from .._util.atomic_write import replace_file
from .._util.safetensors_file import array_hash, read_safetensors, safetensors_bytes
from ..backend import seeded
from ..data import Dataset
from ..engine import no_grad
from ..functional import softmax
from ..models.sizes import parts
from ..tensor import Tensor, tensor
from .classifier import STEPS, fit_classifier
from .distortions import add_noise, blur, speckle

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Judge", "JudgeNetwork", "Judges", "load_judges", "random_judges", "train_judges"]

FORMAT = "minigen-judges-1"
SHIPPED = {"mnist5k": "f07a2901493d394257ca7945990340c9d73a04c78ede854d93349506404b28e0"}
"""SHA-256 of the weights of the shipped judges, by the data that they learned from."""

_CHUNK = 250  # images that are read together


class JudgeNetwork(nn.Module):
    """Images to 64 features, and to the logits of their classes.

    Parameters
    ----------
    channels : int
        Of the images.
    classes : int

    Examples
    --------
    >>> import minigen as mg
    >>> network = JudgeNetwork(channels=1, classes=10)
    >>> sum(p.data.size for p in network.parameters())
    75498
    >>> network.features(mg.zeros(2, 1, 28, 28)).shape
    (2, 64)
    """

    def __init__(self, channels: int, classes: int):
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for after, kernel, stride in ((16, 4, 2), (32, 3, 1), (64, 4, 2), (64, 3, 1)):
            layers += [nn.Conv2d(before, after, kernel, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            before = after
        self.layers: nn.Sequential = nn.Sequential(*layers)
        self.head: nn.Sequential = nn.Sequential(nn.Dropout(0.2), nn.Linear(before, classes))

    def features(self, input: Tensor) -> Tensor:
        """Features (N, 64) of images (N, C, H, W) in [-1, 1]."""
        maps: Tensor = self.layers(input)
        return maps.mean((2, 3))

    def forward(self, input: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, C, H, W) in [-1, 1]."""
        logits: Tensor = self.head(self.features(input))
        return logits


@dataclass(frozen=True, eq=False)
class Judge:
    """One trained network that reads images.

    Parameters
    ----------
    name : str
        ``looker``, ``reader`` or ``random``.
    network : JudgeNetwork
        In evaluation mode.
    shape : tuple of int
        (C, H, W) of the images that it learned from.
    accuracy : float or None
        Share of the test images that it reads right; None for random features.
    """

    name: str
    network: JudgeNetwork
    shape: tuple[int, int, int]
    accuracy: float | None = None

    def features(self, images: Any) -> "NDArray[np.float64]":
        """Extract the features of images.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1].

        Returns
        -------
        ndarray (N, 64), float64

        Raises
        ------
        ValueError
            If the images are of another shape than those that the judge learned from, or not floats in [-1, 1].
        """
        return self._read(images, lambda maps: maps.mean((2, 3)))

    def probabilities(self, images: Any) -> "NDArray[np.float64]":
        """Read the classes of images: $p(y \\mid x)$, (N, classes); arguments and errors as `features`."""
        return self._read(images, lambda maps: softmax(self.network.head(maps.mean((2, 3))), -1))

    def predict(self, images: Any) -> "NDArray[np.int64]":
        """Return the likeliest class of each image (N,); arguments and errors as `features`."""
        return self._read(images, lambda maps: self.network.head(maps.mean((2, 3)))).argmax(1)

    @cached_property
    def _layers(self) -> nn.Sequential:
        """The layers of the network, each batch norm as a part of the convolution before it: faster, the same maps."""
        layers, found = list(self.network.layers), []
        for i in range(0, len(layers), 3):
            found += [_with_batch_norm(layers[i], layers[i + 1]), layers[i + 2]]
        return nn.Sequential(*found)

    def _read(self, images: Any, function: Any) -> "NDArray[np.float64]":
        images = self.check_images(images)
        found = []
        with no_grad():
            for part in parts(len(images), _CHUNK):
                found.append(function(self._layers(tensor(images[part]))).numpy())
        return np.concatenate(found).astype(np.float64)

    def check_images(self, images: Any) -> "NDArray[np.float32]":
        """Check that these are images as the judge knows them, and return them as float32.

        Raises
        ------
        ValueError
            If shape, dtype or range differ; the message says what to do.
        """
        images = np.asarray(images)
        shape = ", ".join(map(str, self.shape))
        if images.ndim != 4 or images.shape[1:] != self.shape or not len(images):
            raise ValueError(
                f"judge: expected images (N, {shape}), as the {self.name} learned from, got {images.shape}; "
                "for other images train judges of their own (--judge train)"
            )
        if images.dtype.kind != "f":
            raise ValueError(
                f"judge: expected floats in [-1, 1], got {images.dtype}; use minigen.data.from_levels(images)"
            )
        low, high = float(images.min()), float(images.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError("judge: expected finite images, got NaN or infinite values")
        if not -1 <= low <= high <= 1:
            raise ValueError(f"judge: expected images in [-1, 1], got {low:g} to {high:g}")
        if low == 0:  # 0 is no level of images in [-1, 1] that were rounded to 256 levels, and tanh does not give it
            raise ValueError(f"judge: expected images in [-1, 1], got {low:g} to {high:g}; use 2 * images - 1")
        return images.astype(np.float32, copy=False)


@dataclass(frozen=True, eq=False)
class Judges:
    """The looker and the reader, with all that one must know to compare numbers.

    Parameters
    ----------
    looker, reader : Judge
        The same network twice for random features.
    data : str
        The data set that they learned from.
    classes : tuple of str
        Names of the classes; empty for random features.
    recipe : dict
        How they were trained.
    weak : bool
        Whether the features are random: such numbers order models by blur first.
    """

    looker: Judge
    reader: Judge
    data: str
    classes: tuple[str, ...]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    weak: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images that they read."""
        return self.looker.shape

    @property
    def sha256(self) -> str:
        """SHA-256 of all weights, in hexadecimal: equal for equal judges."""
        return array_hash(_weights(self))

    def why_not(self, dataset: Dataset) -> str:
        """Say why they cannot judge images of `dataset`; empty if they can.

        Examples
        --------
        >>> import minigen as mg
        >>> load_judges().why_not(mg.data.load("digits", "test"))
        'its images are 1x8x8, those of the judges 1x28x28'
        """
        if "images" not in dataset.fields:
            return "it has points, not images"
        if dataset.shape != self.shape:
            return f"its images are {_sides(dataset.shape)}, those of the judges {_sides(self.shape)}"
        if self.classes and dataset.classes and dataset.classes != self.classes:
            return f"its classes are {_names(dataset.classes)}, those of the judges {_names(self.classes)}"
        return ""

    def describe(self) -> dict[str, Any]:
        """Return what identifies them, as plain values: for records of results."""
        return {
            "data": self.data,
            "sha256": self.sha256,
            "looker_accuracy": self.looker.accuracy,
            "reader_accuracy": self.reader.accuracy,
            "weak": self.weak,
        }

    def save(self, path: str | Path) -> None:
        """Write them to a safetensors file, the weights as float16; whole or not at all."""
        weights = _weights(self)
        record = {
            "data": self.data,
            "shape": list(self.shape),
            "classes": list(self.classes),
            "accuracy": [self.looker.accuracy, self.reader.accuracy],
            "recipe": dict(self.recipe),
            "weak": self.weak,
        }
        metadata = {"format": FORMAT, "record": json.dumps(record), "sha256": array_hash(weights)}
        replace_file(Path(path), safetensors_bytes(weights, metadata))


def load_judges(path: str | Path | None = None) -> Judges:
    """Load judges: the shipped ones, trained on mnist5k, or a file that `Judges.save` wrote.

    Parameters
    ----------
    path : str or path, optional

    Returns
    -------
    Judges

    Raises
    ------
    ValueError
        If the file is damaged, or holds something else.
    OSError
        If it cannot be read.

    Examples
    --------
    >>> judges = load_judges()
    >>> judges.data, judges.shape, judges.looker.accuracy > 0.98
    ('mnist5k', (1, 28, 28), True)
    """
    return _shipped("mnist5k") if path is None else _load(Path(path))


@lru_cache(maxsize=1)
def _shipped(data: str) -> Judges:
    judges = _load(Path(__file__).with_name(f"judges_{data}.safetensors"))
    if judges.sha256 != SHIPPED[data]:
        raise ValueError(f"judge: the shipped judges of {data} are not the known ones: install minigen-lab again")
    return judges


def _load(path: Path) -> Judges:
    metadata, weights = read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} holds no judges: expected the format {FORMAT!r}, got {metadata.get('format')!r}")
    if metadata["sha256"] != array_hash(weights):
        raise ValueError(f"{path} is damaged: the SHA-256 of its weights is not the stored one")
    record = json.loads(metadata["record"])
    channels, height, width = record["shape"]
    both = []
    for name, accuracy in zip(("looker", "reader"), record["accuracy"]):
        own = {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
        outputs = own["head.1.weight"].shape[0]
        both.append(_judge(name, channels, outputs, own, (channels, height, width), accuracy))
    return Judges(both[0], both[1], record["data"], tuple(record["classes"]), record["recipe"], record["weak"])


def train_judges(
    train: Dataset, test: Dataset | None = None, steps: int = STEPS, seed: int = 0, progress: bool = False
) -> Judges:
    """Train a looker and a reader on labeled images, by the recipe of the shipped ones.

    1,500 batches of 64; AdamW with a learning rate that falls from 2e-3 to 0; each image is rotated, stretched and
    shifted at random.  For the reader two thirds of the images are noisy (standard deviation up to 0.4), speckled (up
    to 15 % of the pixels) or blurred (up to 1.2 pixels).  Weights are rounded to float16, as they are stored.

    Parameters
    ----------
    train : Dataset
        Square images with labels.
    test : Dataset, optional
        To measure the accuracies with.
    steps : int
        Batches to learn from.
    seed : int
        Of everything random.
    progress : bool
        Whether to show a bar on the standard error stream, if that is a terminal.

    Returns
    -------
    Judges

    Raises
    ------
    ValueError
        If the data has no labels or fewer than two classes, or its images are not square or smaller than 8 pixels.

    Examples
    --------
    >>> import minigen as mg
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> judges = train_judges(train, test, steps=60)
    >>> judges.shape, judges.looker.features(test.images[:3]).shape, judges.looker.accuracy > 0.8
    ((1, 8, 8), (3, 64), True)
    """
    if train.labels is None:
        raise ValueError(f"train_judges: expected labeled images, {train.name} has no labels; use random features")
    if len(train.classes) < 2:
        raise ValueError(f"train_judges: expected at least two classes, {train.name} has {len(train.classes)}")
    channels, height, width = train.images.shape[1:]
    if height != width or height < 8:
        raise ValueError(f"train_judges: expected square images of at least 8x8 pixels, got {height}x{width}")
    both = []
    for name, distort in (("looker", None), ("reader", _distorted)):
        with seeded(seed):
            network = JudgeNetwork(channels, len(train.classes))
            title = f"training the {name}" if progress else None
            fit_classifier(network, train, steps, seed, 2e-3, 0.01, distort, title)
        state = {key: _half(value) for key, value in network.state_dict().items()}
        one = _judge(name, channels, len(train.classes), state, (channels, height, width))
        if test is not None:
            right = float((one.predict(test.images) == test.labels).mean())
            one = Judge(name, one.network, one.shape, right)
        both.append(one)
    recipe = {
        "steps": steps,
        "batch_size": min(64, len(train)),
        "optimizer": "AdamW, lr 2e-3 to 0, weight_decay 0.01",
        "seed": seed,
        "images": len(train),
        "reader": "noise to 0.4, speckle to 15 %, blur to 1.2 pixels",
    }
    return Judges(both[0], both[1], train.name, train.classes, recipe)


def random_judges(shape: tuple[int, int, int], seed: int = 0) -> Judges:
    """Make judges of random weights, for images without labels: weak, because they see blur before all else.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images.
    seed : int

    Returns
    -------
    Judges
        With `Judges.weak`; they read no classes.

    Examples
    --------
    >>> random_judges((3, 16, 16)).weak
    True
    """
    with seeded(seed):
        network = JudgeNetwork(shape[0], 2)
    state = {key: _half(value) for key, value in network.state_dict().items()}
    one = _judge("random", shape[0], 2, state, shape)
    return Judges(one, one, "none", (), {"seed": seed}, weak=True)


def _judge(
    name: str, channels: int, classes: int, state: Mapping[str, Any], shape: Any, accuracy: float | None = None
) -> Judge:
    with seeded(0):  # the package's random stream stays where it is
        network = JudgeNetwork(channels, classes)
    wide = {key: value.astype(np.float32) if value.dtype.kind == "f" else value for key, value in state.items()}
    network.load_state_dict(wide)
    return Judge(name, network.eval(), tuple(shape), accuracy)


def _with_batch_norm(conv: Any, norm: Any) -> nn.Conv2d:
    """A convolution that does the batch norm after it as well: in evaluation mode that is a scale and a shift."""
    scale = norm.weight.numpy() / np.sqrt(norm.running_var.numpy() + norm.eps)
    with seeded(0):  # the package's random stream stays where it is
        fused = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
    shift = norm.bias.numpy() - norm.running_mean.numpy() * scale
    fused.load_state_dict({"weight": conv.weight.numpy() * scale[:, None, None, None], "bias": shift})
    return fused.eval()


def _distorted(images: "NDArray[Any]", random: np.random.Generator) -> "NDArray[Any]":
    """A third of the images stays, the others become noisy, speckled or blurred, or two of these."""
    n = len(images)
    kinds = random.random((3, n)) < 1 / 3
    images = blur(images, random.uniform(0, 1.2, n) * kinds[0])
    images = speckle(images, random.uniform(0, 0.15, n) * kinds[1], random)
    return add_noise(images, random.uniform(0, 0.4, n) * kinds[2], random)


def _half(value: Any) -> "NDArray[Any]":
    """An array as it is stored: floats as float16."""
    array = np.asarray(value.numpy() if isinstance(value, Tensor) else value)
    return array.astype(np.float16) if array.dtype.kind == "f" else array


def _weights(judges: Judges) -> dict[str, "NDArray[Any]"]:
    found = {}
    for name, judge in (("looker", judges.looker), ("reader", judges.reader)):
        for key, value in judge.network.state_dict().items():
            found[f"{name}.{key}"] = np.asarray(_half(value), order="C")
    return found


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _names(classes: tuple[str, ...]) -> str:
    return ", ".join(classes[:3]) + (", ..." if len(classes) > 3 else "")
