"""Pictures: image grids, loss curves, the computation graph, and the one style that all figures share.

Everything here takes arrays (`graph` takes Tensors) and gives back a picture that a notebook displays by itself and
that `save_figure` writes to a file.  Nothing touches matplotlib's global state: no window opens, no backend is chosen,
and matplotlib itself is imported on first use.  Grids and tables of images do without it.
"""

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .files import replace_file
from .graph_drawing import graph
from .image_grid import image_grid, save_image, save_image_grid
from .image_table import ImageTable
from .plot_style import COLORS, DASHES, figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "COLORS", "ImageTable", "figure", "graph", "image_grid", "loss_curves", "save_figure", "save_image",
    "save_image_grid", "show_images", "style",
]  # fmt: skip


# ---- files


def save_figure(picture: "Figure", path: str | os.PathLike[str]) -> None:
    """Write a figure to a file, whole or not at all; the suffix (.png, .svg, .pdf) says in which format.

    Parameters
    ----------
    picture : matplotlib Figure
    path : str or path

    Raises
    ------
    ValueError
        If matplotlib does not know the suffix.
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(loss_curves({"loss": [2.0, 1.0]}), pathlib.Path(folder) / "loss.png")
    """
    suffix = Path(path).suffix.lstrip(".").lower() or "(no suffix)"
    known = picture.canvas.get_supported_filetypes()
    if suffix not in known:
        raise ValueError(f"save_figure: {path}: expected a suffix of {', '.join(sorted(known))}, got {suffix}")
    memory = io.BytesIO()
    picture.savefig(memory, format=suffix)
    replace_file(Path(path), memory.getvalue())


# ---- images


def show_images(
    images: Any,
    titles: Sequence[str] | None = None,
    ncols: int | None = None,
    value_range: tuple[float, float] = (-1.0, 1.0),
    caption: str | None = None,
) -> "Figure":
    """Draw images side by side, each under its title.

    Parameters
    ----------
    images : array (N, C, H, W) with C = 1 or 3, or (N, H, W)
    titles : sequence of str, optional
        One per image.
    ncols : int, optional
        Images in a row; 8 or fewer by default.
    value_range : (low, high)
    caption : str, optional

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        As `image_grid`, or if there are not as many titles as images.

    Examples
    --------
    >>> picture = show_images(np.zeros((2, 1, 8, 8)), ["first", "second"])
    >>> [axes.get_title() for axes in picture.axes]
    ['first', 'second']
    """
    pictures = [image_grid(image[None], padding=0, value_range=value_range) for image in np.asarray(images)]
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"show_images: expected {len(pictures)} titles, one per image, got {len(titles)}")
    ncols = min(ncols or 8, len(pictures))
    nrows = math.ceil(len(pictures) / ncols)
    side = min(2.0, 8 / ncols)
    size = (max(ncols * side, 4), nrows * (side + 0.3 * (titles is not None)) + 0.5 * (caption is not None))
    picture, axes = figure(nrows, ncols, size, caption)
    for i, place in enumerate(np.ravel(axes)):
        if i < len(pictures):
            place.imshow(pictures[i], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            if titles is not None:
                place.set_title(titles[i], fontsize=11)
        place.set_axis_off()
    for place in np.ravel(axes)[len(pictures) :]:
        place.remove()
    return picture


# ---- curves


def loss_curves(
    source: Mapping[str, Sequence[float]] | str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    columns: Sequence[str] | None = None,
    ylabel: str = "loss",
    caption: str | None = None,
) -> "Figure":
    """Plot losses over the steps of a training run; long noisy curves get their running mean on top.

    Parameters
    ----------
    source : mapping of name to numbers, or path of a CSV file with a header
        A column "step", "iteration" or "epoch" (the first there is) becomes the horizontal axis.
    path : str or path, optional
        Write the figure there as well.
    columns : sequence of str, optional
        What to draw; by default every column with "loss" in its name.
    ylabel : str
    caption : str, optional

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If there is nothing to draw, a column is missing, columns differ in length, or a cell is not a number.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> picture = loss_curves({"step": [0, 10], "loss_d": [0.7, 0.5], "loss_g": [0.7, 0.9]})
    >>> picture.axes[0].get_xlabel(), len(picture.axes[0].lines)
    ('step', 2)
    """
    table = dict(source) if isinstance(source, Mapping) else _read_csv(Path(source))
    names = [name for name in table if "loss" in name] if columns is None else list(columns)
    missing = [name for name in names if name not in table]
    if missing or not names:
        wanted = repr(missing[0]) if missing else "with 'loss' in its name"
        raise ValueError(f"loss_curves: no column {wanted} among {list(table)}")
    clock = next((name for name in ("step", "iteration", "epoch") if name in table), None)
    lengths = {name: len(table[name]) for name in [*names, *([clock] if clock else [])]}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"loss_curves: expected columns of one length, not empty, got {lengths}")

    with style():
        picture, axes = figure(caption=caption)
        for name in names:
            values = np.asarray(table[name], float)
            times = np.asarray(table[clock], float) if clock else np.arange(1, len(values) + 1)
            width = len(values) // 50
            if width > 1:  # faint: the curve itself; strong: its mean over a fiftieth of the run
                (raw,) = axes.plot(times, values, linewidth=1, linestyle="-", alpha=0.25)
                window = np.ones(width) / width
                axes.plot(
                    times[width - 1 :], np.convolve(values, window, "valid"), color=raw.get_color(),
                    linestyle=DASHES[names.index(name) % len(DASHES)], label=f"{name} (mean of {width})",
                )  # fmt: skip
            else:
                axes.plot(times, values, label=name, marker="o" if len(values) == 1 else None)
        axes.set(xlabel=clock or "step", ylabel=ylabel)
        axes.legend()
    if path is not None:
        save_figure(picture, path)
    return picture


def _read_csv(path: Path) -> dict[str, list[float]]:
    """Columns of a CSV file as numbers; empty cells become NaN, columns of words are left out."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if not rows:
        raise ValueError(f"loss_curves: {path} is empty; expected a CSV file with a header")
    table: dict[str, list[float]] = {}
    for i, name in enumerate(rows[0]):
        try:
            table[name] = [float(row[i]) if row[i].strip() else math.nan for row in rows[1:]]
        except IndexError:
            raise ValueError(f"loss_curves: {path}: a row has fewer cells than the header's {len(rows[0])}") from None
        except ValueError:
            continue
    return table
