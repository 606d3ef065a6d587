"""A classifier of images to read generated ones with: a small convolutional network, trained here.

It is *independent* of the model whose images it reads: neither was trained with the other.  (A generator that was
trained against a classifier could mislead it.)

Three things make a training on few images work.  Every time an image is used, it is rotated (by up to 11 degrees),
stretched (by up to an eighth) and shifted (by up to 1 pixel in 14) at random, so the network cannot memorize it.  Half
of the last features are dropped in training, so the network cannot rely on a single one.  And the learning rate falls
to 0.
"""

from collections.abc import Callable
from itertools import chain, count

import numpy as np

from .. import nn
from .._util.progress import progress_bar
from ..backend import seeded
from ..data import Dataset, Loader
from ..engine import no_grad
from ..functional import cross_entropy
from ..models.sizes import downsampled_sizes, parts
from ..optim import AdamW
from ..optim.lr_scheduler import LinearLR
from ..tensor import Tensor, tensor

__all__ = ["STEPS", "Classifier", "fit_classifier", "train_classifier"]

STEPS = 1500
"""Batches of 64 that a classifier learns from: 24 times the 4,000 images of mnist5k, in about a minute."""


class Classifier(nn.Module):
    """Images to the logits of their classes.

    Convolutions of kernel 4 halve the size, and others between them look again.  The channels double each time, up to
    four times as many as at first.

    Parameters
    ----------
    size, channels : int
        Of the images.
    classes : int
    width : int
        Channels of the first layers.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.manual_seed(0)
    >>> classifier = Classifier(size=28, channels=1, classes=10)
    >>> classifier(mg.zeros(2, 1, 28, 28)).shape, classifier.predict(np.zeros((3, 1, 28, 28), np.float32)).shape
    ((2, 10), (3,))
    """

    shape: tuple[int, int, int]
    classes: int

    def __init__(self, size: int, channels: int, classes: int, width: int = 16):
        super().__init__()
        self.shape, self.classes = (channels, size, size), classes
        layers: list[nn.Module] = []
        *halved, base = downsampled_sizes(size, 4)
        before, after = channels, width

        def add(kernel: int, stride: int) -> None:
            nonlocal before, after
            convolution = nn.Conv2d(before, after, kernel, stride, 1, bias=False)
            layers.extend([convolution, nn.BatchNorm2d(after), nn.ReLU()])
            before, after = after, min(2 * after, 4 * width)

        for i in range(len(halved)):
            if i or size < 16:  # the finest look costs most, and large images do without
                add(kernel=3, stride=1)
            add(kernel=4, stride=2)
        layers += [nn.Flatten(), nn.Dropout(0.5), nn.Linear(before * base * base, classes)]
        self.layers: nn.Sequential = nn.Sequential(*layers)

    def forward(self, input: Tensor) -> Tensor:
        """Logits (N, classes) of images (N, C, H, W) in [-1, 1]."""
        logits: Tensor = self.layers(input)
        return logits

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The likeliest class of each image, in whatever mode the network is.

        Parameters
        ----------
        images : ndarray (N, C, H, W)
            In [-1, 1].

        Returns
        -------
        ndarray of int (N,)

        Raises
        ------
        ValueError
            If the images are of another shape than those that it was made for.
        """
        if images.ndim != 4 or images.shape[1:] != self.shape:
            raise ValueError(f"Classifier: expected images (N, {', '.join(map(str, self.shape))}), got {images.shape}")
        read = [np.zeros(0, np.int64)]
        with no_grad():
            for part in parts(len(images)):
                read.append(self(tensor(images[part])).numpy().argmax(1))
        return np.concatenate(read)


def train_classifier(
    dataset: Dataset, steps: int = STEPS, seed: int = 0, width: int = 16, progress: bool = False
) -> Classifier:
    """Train a classifier on labeled images.

    Parameters
    ----------
    dataset : Dataset
        Square images with labels.
    steps : int
        Batches of 64 to learn from.
    seed : int
        Of everything random; the package's own random stream stays where it is.
    width : int
        See `Classifier`.
    progress : bool
        Whether to show a bar on the standard error stream, if that is a terminal.

    Returns
    -------
    Classifier
        In evaluation mode.

    Raises
    ------
    ValueError
        If the data has no labels.

    Examples
    --------
    >>> import minigen as mg
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> classifier = train_classifier(train, steps=100, width=12)
    >>> bool((classifier.predict(test.images) == test.labels).mean() > 0.8)
    True
    """
    if dataset.labels is None:
        raise ValueError(f"train_classifier: expected labeled images, {dataset.name} has no labels")
    channels, size, _ = dataset.shape
    with seeded(seed):
        classifier = Classifier(size, channels, len(dataset.classes), width)
        fit_classifier(
            classifier, dataset, steps, seed, 3e-3, 0.05, None, "training a classifier" if progress else None
        )
    return classifier


def fit_classifier(
    network: nn.Module,
    dataset: Dataset,
    steps: int,
    seed: int,
    lr: float,
    weight_decay: float,
    distort: Callable[[np.ndarray, np.random.Generator], np.ndarray] | None = None,
    progress: str | None = None,
    *,
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    after_step: Callable[[AdamW], None] | None = None,
) -> None:
    """Train a network that turns images to logits; afterwards it is in evaluation mode.

    Parameters
    ----------
    network : Module
    dataset : Dataset
        With labels.
    steps : int
        Batches of 64 to learn from.
    seed : int
        Of the order of the data and of the random changes of the images.
    lr : float
        Learning rate of AdamW at the start; it falls to 0.
    weight_decay : float
    distort : callable, optional
        Function (images, generator) to images, applied after the random rotation, stretch and shift.
    progress : str, optional
        Title of a bar on the standard error stream, if that is a terminal.
    loss : callable, optional
        Function of logits, images and labels, all Tensors; by default the cross-entropy.
    after_step : callable, optional
        Called with the optimizer after each step.
    """
    loader = Loader(dataset, min(64, len(dataset)), seed=seed, drop_last=True)
    random = np.random.default_rng(seed)
    optimizer = AdamW(network.parameters(), lr, weight_decay=weight_decay)
    rate = LinearLR(optimizer, 1.0, 0.0, steps)
    batches = chain.from_iterable(map(loader.epoch, count()))
    bar = progress_bar(range(steps), progress, leave=False, disable=None if progress else True)
    network.train()
    for _, batch in zip(bar, batches):
        images = _augmented(batch["images"], random)
        inputs = tensor(images if distort is None else distort(images, random))
        logits, labels = network(inputs), tensor(batch["labels"])
        optimizer.zero_grad()
        (cross_entropy(logits, labels) if loss is None else loss(logits, inputs, labels)).backward()
        optimizer.step()
        rate.step()
        if after_step is not None:
            after_step(optimizer)
    network.eval()


def _augmented(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rotate, stretch and shift each image at random; pixels that come in from outside repeat the edge."""
    n, _, height, width = images.shape
    turn = random.uniform(-0.2, 0.2, (n, 1, 1))
    stretch = random.uniform(0.88, 1.12, (2, n, 1, 1))
    shift = random.uniform(-1 / 14, 1 / 14, (2, n, 1, 1))
    # Where each pixel comes from: rows and columns (N, H, W), as fractions.
    y, x = np.arange(height)[:, None] - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    rows = stretch[0] * (np.cos(turn) * y - np.sin(turn) * x) + (0.5 + shift[0]) * height - 0.5
    columns = stretch[1] * (np.sin(turn) * y + np.cos(turn) * x) + (0.5 + shift[1]) * width - 0.5
    return _bilinear(images, rows.clip(0, height - 1), columns.clip(0, width - 1))


def _bilinear(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Interpolate images (N, C, H, W) at places (N, H, W) between their pixels, bilinearly."""
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    bottom, right = np.ceil(rows).astype(int), np.ceil(columns).astype(int)
    down, over = (rows - top)[..., None], (columns - left)[..., None]
    image = np.arange(len(images))[:, None, None]
    above = (1 - over) * images[image, :, top, left] + over * images[image, :, top, right]
    below = (1 - over) * images[image, :, bottom, left] + over * images[image, :, bottom, right]
    return np.ascontiguousarray(((1 - down) * above + down * below).transpose(0, 3, 1, 2), images.dtype)
