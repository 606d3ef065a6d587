"""Real time series that ship inside Python packages, and the reader of their files.

The values are those of the files, which are standardized there: each series has mean 0 and standard deviation 1.  So
nothing here is scaled a second time, and nothing of the test split is used for the training split.
"""

import math
from pathlib import Path

import numpy as np

from .._util.optional import check_installed
from .dataset import Dataset
from .download import sha256

__all__ = ["gunpoint", "power", "read_ts"]

_SHA256 = {
    "ItalyPowerDemand_TRAIN": "341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c",
    "ItalyPowerDemand_TEST": "26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144",
    "GunPoint_TRAIN": "f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5",
    "GunPoint_TEST": "79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e",
}


def read_ts(path: str | Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read labeled series of one number a step from a .ts file.

    A line after ``@data`` is one series: numbers separated by commas, a colon, the class.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    series : ndarray (N, T, 1), float32
    labels : ndarray (N,), int64
        Index into `classes`.
    classes : tuple of str
        In the order of the line ``@classLabel``.

    Raises
    ------
    ValueError
        If a line is no series, a value is missing or not finite, the lengths differ, or a class is unknown; the message
        names the line.
    """
    classes: tuple[str, ...] = ()
    rows: list[list[float]] = []
    labels: list[int] = []
    in_data = False
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        text, where = line.strip(), f"{path}, line {number}"
        if not text or text.startswith("#"):
            continue
        if not in_data:
            words = text.split()
            if words[0].lower() == "@classlabel" and words[1:2] == ["true"]:
                classes = tuple(words[2:])
            in_data = words[0].lower() == "@data"
            continue
        values, colon, label = text.rpartition(":")
        if not colon or ":" in values:
            raise ValueError(f"{where}: expected one series of numbers, a colon and a class, got {text[:40]!r}")
        if label not in classes:
            raise ValueError(f"{where}: expected a class of {', '.join(classes) or 'none'}, got {label!r}")
        try:
            row = [float(value) for value in values.split(",")]
        except ValueError:
            raise ValueError(f"{where}: expected numbers separated by commas, got {values[:40]!r}") from None
        if not all(map(math.isfinite, row)):
            raise ValueError(f"{where}: expected finite numbers, got NaN or infinity")
        if rows and len(row) != len(rows[0]):
            raise ValueError(f"{where}: expected {len(rows[0])} steps as in the first series, got {len(row)}")
        rows.append(row)
        labels.append(classes.index(label))
    if not rows:
        raise ValueError(f"{path}: expected series after a line @data, got none")
    return np.asarray(rows, np.float32)[:, :, None], np.asarray(labels, np.int64), classes


def _packaged(name: str, problem: str, split: str, classes: tuple[str, ...]) -> Dataset:
    """One split of a problem that sktime ships; the file is read without importing the package."""
    file = f"{problem}_{split.upper()}"
    path = Path(check_installed("sktime")) / "datasets" / "data" / problem / f"{file}.ts"
    if not path.is_file():
        raise FileNotFoundError(f"{name}: {path} is not there; expected sktime 1.0 or later to bring it")
    found = sha256(path)
    if found != _SHA256[file]:
        raise OSError(
            f"{name}: {path} has SHA-256 {found}, expected {_SHA256[file]}; reinstall it: "
            "python -m pip install --force-reinstall --no-deps sktime"
        )
    series, labels, _ = read_ts(path)
    return Dataset(name, series=series, labels=labels, classes=classes)


def power(split: str = "train") -> Dataset:
    """Load 1,096 days of Italy's electrical power demand, one number an hour.

    Parameters
    ----------
    split : {"train", "test"}
        The archive gives 67 days for training, too few for a generator.  train: these 67 days and the first 481 of the
        archive's test file; test: the other 548.

    Returns
    -------
    Dataset
        ``series`` (548, 24, 1), each day with mean 0 and standard deviation 1; two classes.

    Raises
    ------
    ModuleNotFoundError
        If sktime is not installed.
    OSError
        If its file is missing or not the known one.

    References
    ----------
    Keogh et al., "Intelligent icons", ICDM 2006; Dau et al., "The UCR time series archive", 2019.

    Examples
    --------
    >>> power("test")  # doctest: +SKIP
    Dataset('power', 548 of shape (24, 1), 2 classes)
    """
    classes = ("October to March", "April to September")
    first, second = (_packaged("power", "ItalyPowerDemand", part, classes) for part in ("train", "test"))
    assert first.labels is not None and second.labels is not None
    days = np.concatenate([first.series, second.series])
    labels = np.concatenate([first.labels, second.labels])
    chosen = slice(None, 548) if split == "train" else slice(548, None)
    return Dataset("power", series=days[chosen], labels=labels[chosen], classes=classes)


def gunpoint(split: str = "train") -> Dataset:
    """Load 200 movements of a hand, 150 positions each: drawing a gun, or pointing with a finger.

    Parameters
    ----------
    split : {"train", "test"}
        The archive's 50 and 150 series; train: these 50 and the first 50 of the test file; test: the other 100.

    Returns
    -------
    Dataset
        ``series`` (100, 150, 1), each with mean 0 and standard deviation 1; two classes.

    Raises
    ------
    ModuleNotFoundError, OSError
        As `power`.

    References
    ----------
    Ratanamahatana, Keogh, "Everything you know about dynamic time warping is wrong", 2004.

    Examples
    --------
    >>> gunpoint()  # doctest: +SKIP
    Dataset('gunpoint', 100 of shape (150, 1), 2 classes)
    """
    classes = ("gun", "point")
    first, second = (_packaged("gunpoint", "GunPoint", part, classes) for part in ("train", "test"))
    assert first.labels is not None and second.labels is not None
    series = np.concatenate([first.series, second.series])
    labels = np.concatenate([first.labels, second.labels])
    chosen = slice(None, 100) if split == "train" else slice(100, None)
    return Dataset("gunpoint", series=series[chosen], labels=labels[chosen], classes=classes)
