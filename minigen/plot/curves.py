"""Curves of the numbers that a training logs."""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .style import DASHES, figure, save_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["loss_curves"]


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
