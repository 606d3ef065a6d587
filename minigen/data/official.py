"""MNIST, Fashion-MNIST and CIFAR-10: downloaded once, verified always, read from their original binary files."""

import gzip
import struct
import tarfile
from pathlib import Path

import numpy as np

from .dataset import Dataset, from_levels, resize
from .download import Source, fetch
from .packaged import DIGITS, fit_digits

__all__ = ["cifar10", "fashion", "mnist"]

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

SOURCES = {
    "mnist": Source(
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        files={
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion": Source(
        mirrors=(
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        files={
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
    # The binary edition: the other one holds pickles, and reading a pickle can run any code.
    "cifar10": Source(
        mirrors=(
            "https://www.cs.toronto.edu/~kriz/",
            "https://mindspore-website.obs.cn-north-4.myhuaweicloud.com/notebook/datasets/",
        ),
        files={"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    ),
}


def mnist(split: str = "train", size: int | None = None, root: str | Path | None = None) -> Dataset:
    """Load MNIST: 60,000 + 10,000 handwritten digits, 28x28 gray.

    Parameters
    ----------
    split : {"train", "test"}
    size : int, optional
        Image side: 28 if not given, black margins up to 32, resized otherwise.
    root : path, optional
        Folder that holds the downloads; see `minigen.data.cache_folder`.

    Returns
    -------
    Dataset
        Images (60000 or 10000, 1, size, size).

    Raises
    ------
    OSError
        If the files are not in the cache and no mirror delivers them whole.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86, 1998.

    Examples
    --------
    >>> mnist("train", size=32)  # doctest: +SKIP
    Dataset('mnist', 60000 of shape (1, 32, 32), 10 classes)
    """
    return _idx_set("mnist", split, size, root, DIGITS)


def fashion(split: str = "train", size: int | None = None, root: str | Path | None = None) -> Dataset:
    """Load Fashion-MNIST: 60,000 + 10,000 pieces of clothing, 28x28 gray.

    Arguments, result and errors as `mnist`.

    References
    ----------
    Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> fashion("test").classes[9]  # doctest: +SKIP
    'Ankle boot'
    """
    return _idx_set("fashion", split, size, root, FASHION_CLASSES)


def cifar10(split: str = "train", size: int | None = None, root: str | Path | None = None) -> Dataset:
    """Load CIFAR-10: 50,000 + 10,000 photographs, 32x32 color.

    Arguments and errors as `mnist`.

    As float32 the training split takes 0.6 GB of memory.

    References
    ----------
    Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

    Examples
    --------
    >>> cifar10("test")  # doctest: +SKIP
    Dataset('cifar10', 10000 of shape (3, 32, 32), 10 classes)
    """
    (file,) = SOURCES["cifar10"].files
    wanted = {"train": "data_batch_", "test": "test_batch"}[split]
    batches = {}
    with tarfile.open(fetch("cifar10", file, SOURCES["cifar10"], root)) as archive:
        for member in archive:
            base = member.name.rpartition("/")[2]
            contents = archive.extractfile(member) if base.startswith(wanted) else None
            if contents is not None:
                batches[base] = np.frombuffer(contents.read(), np.uint8)
    # A record is the label and 3 planes of 32x32 levels.
    rows = np.concatenate([batches[base] for base in sorted(batches)]).reshape(-1, 1 + 3 * 32 * 32)
    images = from_levels(rows[:, 1:].reshape(-1, 3, 32, 32))
    images = images if size is None else resize(images, size)
    return Dataset("cifar10", images, rows[:, 0].astype(np.int64), CIFAR10_CLASSES)


def _idx_set(name: str, split: str, size: int | None, root: str | Path | None, classes: tuple[str, ...]) -> Dataset:
    stem = {"train": "train", "test": "t10k"}[split]
    levels, labels = (
        _read_idx(fetch(name, f"{stem}-{what}-ubyte.gz", SOURCES[name], root))
        for what in ("images-idx3", "labels-idx1")
    )
    return Dataset(name, fit_digits(from_levels(levels[:, None]), size), labels.astype(np.int64), classes)


def _read_idx(path: Path) -> np.ndarray:
    """Read a gzipped IDX file: two zeros, type 8, rank, sizes (big-endian), bytes."""
    raw = gzip.decompress(path.read_bytes())
    sizes = struct.unpack_from(f">{raw[3]}I", raw, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)
