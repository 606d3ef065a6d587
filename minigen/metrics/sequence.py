r"""Numbers about generated sequences: how far from the real ones, and what a classifier can learn from them.

**MMD** (Gretton et al. 2012).  With a kernel $k(x, y) = e^{-\|x - y\|^2 / (2 \sigma^2)}$ the squared maximum mean
discrepancy of two distributions is $E\,k(x, x') - 2 E\,k(x, y) + E\,k(y, y')$: 0 if and only if they are equal.  The
estimate leaves out the pairs of a sequence with itself, $i = j$, whose kernel is always 1: with them it would be
positive for two equal samples.  Without them it is *unbiased*, so it may be negative.  $\sigma$ is the median distance
between *real* sequences: a median that includes generated ones would grow with their faults.

**TSTR**, train on synthetic, test on real (Esteban, Hyland, Rätsch 2017): the accuracy, on real sequences, of a
classifier that was trained on generated ones.  The same with real training data is **TRTR**, the number to compare
with.  Two classifiers: logistic regression, which needs the means of the classes only, and the nearest neighbor, which
needs each sequence to be right.

One number is not enough: a normal distribution of each class reaches the TSTR of a GAN, and its MMD is far larger.
"""

from typing import Any

import numpy as np

from ..audio import cents, fundamental, key_frequency

__all__ = ["class_gaussians", "in_tune", "logistic_regression", "mmd", "nearest_neighbor", "tstr"]

_TUNE = 50.0  # cents: nearer to the key asked for than to any other


def _rows(name: str, **arrays: Any) -> list[np.ndarray]:
    """Flatten sequences (N, ...) to rows; ValueError if they do not fit each other."""
    rows = []
    for argument, array in arrays.items():
        array = np.asarray(array, np.float64)
        if array.ndim < 2 or len(array) < 2:
            raise ValueError(f"{name}: argument {argument!r}: expected 2 or more sequences (N, ...), got {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: argument {argument!r}: expected finite values, got NaN or infinite ones")
        rows.append(array.reshape(len(array), -1))
    if len({row.shape[1] for row in rows}) > 1:
        sizes = ", ".join(f"{argument} {row.shape[1]}" for argument, row in zip(arrays, rows))
        raise ValueError(f"{name}: expected sequences of one length, got numbers in each: {sizes}")
    return rows


def _squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    squares = (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * x @ y.T
    clipped: np.ndarray = np.maximum(squares, 0)
    return clipped


def mmd(real: Any, generated: Any, sigma: float | None = None) -> float:
    """Estimate the squared maximum mean discrepancy, without bias.

    Parameters
    ----------
    real, generated : array (N, ...), (M, ...)
        At least 2 each.  `real` should be held out of the training.
    sigma : float, optional
        Width of the kernel; by default the median distance between two of `real`.

    Returns
    -------
    float
        About 0 for samples of one distribution; may be negative.

    Raises
    ------
    ValueError
        If the sequences differ in length, are too few or not finite.

    Examples
    --------
    >>> draw = np.random.default_rng(0).standard_normal
    >>> same, moved = mmd(draw((200, 3)), draw((200, 3))), mmd(draw((200, 3)), draw((200, 3)) + 1)
    >>> abs(same) < 0.01 < 0.1 < moved
    True
    """
    x, y = _rows("mmd", real=real, generated=generated)
    xx, xy, yy = _squared_distances(x, x), _squared_distances(x, y), _squared_distances(y, y)
    if sigma is None:
        sigma = float(np.sqrt(np.median(xx[np.triu_indices(len(x), 1)])))
    if not sigma > 0:
        raise ValueError(f"mmd: expected a sigma above 0, got {sigma:g}")
    kernels = [np.exp(-squares / (2 * sigma**2)) for squares in (xx, xy, yy)]
    within = [(k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (kernels[0], kernels[2])]
    return float(within[0] + within[1] - 2 * kernels[1].mean())


def logistic_regression(train: Any, labels: Any, test: Any, penalty: float = 1.0, rounds: int = 50) -> np.ndarray:
    """Train logistic regression by Newton's method, one class against the rest, and classify `test`.

    Parameters
    ----------
    train : array (N, ...)
    labels : int array (N,)
    test : array (M, ...)
    penalty : float
        Weight of half the squared length of the weights: 1 is what scikit-learn takes.
    rounds : int
        At most.

    Returns
    -------
    ndarray of int64 (M,)
    """
    x, y = _rows("logistic_regression", train=train, test=test)
    labels = np.asarray(labels)
    classes = np.unique(labels)
    x, y = (np.concatenate([each, np.ones((len(each), 1))], axis=1) for each in (x, y))
    decay = np.full(x.shape[1], penalty)
    decay[-1] = 1e-6  # the bias is free
    scores = np.empty((len(y), len(classes)))
    for k, label in enumerate(classes):
        target, w = (labels == label).astype(np.float64), np.zeros(x.shape[1])
        for _ in range(rounds):
            p = 0.5 * (1 + np.tanh(x @ w / 2))
            gradient = x.T @ (p - target) + decay * w
            step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + np.diag(decay), gradient)
            w -= step
            if np.abs(step).max() < 1e-8:
                break
        scores[:, k] = y @ w
    found: np.ndarray = classes[scores.argmax(1)]
    return found


def nearest_neighbor(train: Any, labels: Any, test: Any) -> np.ndarray:
    """Give each sequence of `test` the label of the nearest one of `train`."""
    x, y = _rows("nearest_neighbor", train=train, test=test)
    found: np.ndarray = np.asarray(labels)[_squared_distances(y, x).argmin(1)]
    return found


def tstr(generated: Any, generated_labels: Any, real: Any, real_labels: Any) -> dict[str, float]:
    """Train two classifiers on generated sequences and measure their accuracy on real ones.

    With real sequences in place of the generated ones it is TRTR.

    Returns
    -------
    dict
        Accuracies ``logistic`` and ``neighbor``, from 0 to 1.

    Raises
    ------
    ValueError
        If the sequences differ in length, or there are not as many labels as sequences.
    """
    for name, sequences, labels in (("generated", generated, generated_labels), ("real", real, real_labels)):
        if len(sequences) != len(labels):
            raise ValueError(f"tstr: expected a label for each of {len(sequences)} {name} sequences, got {len(labels)}")
    truth = np.asarray(real_labels)
    return {
        name: float((classify(generated, generated_labels, real) == truth).mean())
        for name, classify in (("logistic", logistic_regression), ("neighbor", nearest_neighbor))
    }


def class_gaussians(train: Any, labels: Any, n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw from a normal distribution with the mean and the covariance of each class: the baseline without a network.

    Parameters
    ----------
    train : array (N, ...)
    labels : int array (N,)
    n : int
        Sequences of each class.
    generator : numpy.random.Generator

    Returns
    -------
    sequences : ndarray (classes * n, ...), float32
    labels : ndarray of int64 (classes * n,)
    """
    train = np.asarray(train)
    (rows,) = _rows("class_gaussians", train=train)
    labels = np.asarray(labels)
    drawn = []
    for label in np.unique(labels):
        of_class = rows[labels == label]
        drawn.append(generator.multivariate_normal(of_class.mean(0), np.cov(of_class.T), n, method="eigh"))
    sequences = np.concatenate(drawn).astype(np.float32).reshape(-1, *train.shape[1:])
    return sequences, np.repeat(np.unique(labels), n)


def in_tune(sounds: Any, keys: Any, rate: int) -> tuple[float, float]:
    """Measure how many sounds are within 50 cents of the key that was asked for.

    Parameters
    ----------
    sounds : array (N, samples)
    keys : int array (N,)
        MIDI keys.
    rate : int

    Returns
    -------
    share : float
        From 0 to 1; guessing one of 13 keys gives 0.077.
    error : float
        The median distance from the key, in cents.
    """
    sounds, keys = np.asarray(sounds), np.asarray(keys)
    if sounds.ndim != 2 or keys.shape != (len(sounds),):
        raise ValueError(f"in_tune: expected sounds (N, samples) and keys (N,), got {sounds.shape} and {keys.shape}")
    distance = np.abs(cents(np.maximum(fundamental(sounds, rate), 1e-3), key_frequency(keys)))
    return float((distance < _TUNE).mean()), float(np.median(distance))
