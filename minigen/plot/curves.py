"""Curves of the numbers that a training logs."""

import csv
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .style import COLORS, DASHES, GREY, figure, save_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["loss_curves", "training_curves"]

CLOCKS = ("step", "epoch", "seconds")
"""Columns of a log that say when a row was written, and not what was found."""


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
    table = dict(source) if isinstance(source, Mapping) else read_csv(Path(source))
    names = [name for name in table if "loss" in name] if columns is None else list(columns)
    missing = [name for name in names if name not in table]
    if missing or not names:
        wanted = repr(missing[0]) if missing else "with 'loss' in its name"
        raise ValueError(f"loss_curves: no column {wanted} among {list(table)}")
    clock = next((name for name in ("step", "iteration", "epoch") if name in table), None)
    lengths = {name: len(table[name]) for name in [*names, *([clock] if clock else [])]}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"loss_curves: expected columns of one length, not empty, got {lengths}")

    times = _times(table, clock, lengths[names[0]])
    with style():
        picture, axes = figure(caption=caption)
        for i, name in enumerate(names):
            _draw(axes, times, np.asarray(table[name], float), name, i)
        axes.set(xlabel=clock or "step", ylabel=ylabel)
        axes.legend()
    if path is not None:
        save_figure(picture, path)
    return picture


def training_curves(
    source: Mapping[str, Sequence[float]] | str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    levels: Mapping[str, float] | None = None,
    title: str | None = None,
) -> "Figure":
    """Plot all that a training logged: the losses, and each of its other numbers in a panel below.

    The vertical axes show what comes after the first tenth of the steps, in which a loss may fall from a height beside
    which all that follows is flat; the start may lie above them.

    Parameters
    ----------
    source : mapping of name to numbers, or path of a CSV file with a header
        The columns of a log; "step" is the horizontal axis, "epoch" and "seconds" are left out.
    path : str or path, optional
        Write the figure there as well.
    levels : mapping of str to float, optional
        For a column the level to compare it with, drawn as a thin line; see
        `minigen.models.base.Model.reference_levels`.
    title : str, optional

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If there is nothing to draw, columns differ in length, or a cell is not a number.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> log = {"step": [1, 2], "loss_d": [1.4, 1.2], "loss_g": [0.7, 0.9], "d_real": [0.5, 0.6], "d_fake": [0.5, 0.4]}
    >>> picture = training_curves(log, levels={"loss_d": 1.386}, title="my run")
    >>> [axes.get_ylabel() for axes in picture.axes]
    ['loss', 'd_real, d_fake']
    """
    table = dict(source) if isinstance(source, Mapping) else read_csv(Path(source))
    names = [name for name in table if name not in CLOCKS]
    lengths = {name: len(table[name]) for name in (["step"] if "step" in table else []) + names}
    if not names or len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(f"training_curves: expected columns of one length, not empty, got {lengths}")
    panels: dict[str, list[str]] = {}
    for name in sorted(names, key=lambda name: not name.startswith("loss")):
        panels.setdefault(name.partition("_")[0], []).append(name)
    times = _times(table, "step" if "step" in table else None, lengths[names[0]])

    columns = 1 if len(panels) == 1 else 2
    rows = math.ceil(len(panels) / columns)
    with style():
        picture, places = figure(rows, columns, size=(6.0 * columns, 0.4 + 3.0 * rows))
        for axes in np.ravel(places)[len(panels) :]:
            axes.remove()
        for axes, (kind, members) in zip(np.ravel(places), panels.items()):
            for i, name in enumerate(members):
                _draw(axes, times, np.asarray(table[name], float), name, i)
            known: dict[float, list[str]] = {}
            for name in members:
                if levels and name in levels:
                    known.setdefault(levels[name], []).append(name)
            for level, owners in known.items():
                text = f"undecided {', '.join(owners) if len(members) > len(owners) else ''}".rstrip()
                axes.axhline(level, color=GREY, linewidth=1, linestyle=(0, (2, 3)))
                axes.annotate(
                    f"{text} {level:.3g}", (1, level), (-2, 2), xycoords=("axes fraction", "data"),
                    textcoords="offset points", ha="right", va="bottom", fontsize=9, color=GREY,
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
                )  # fmt: skip
            show_the_settled_part(axes, [np.asarray(table[name], float) for name in members], list(known))
            axes.set(xlabel="step", ylabel="loss" if kind == "loss" else ", ".join(members))
            if len(members) > 1:
                axes.legend(fontsize=10)
        if title:
            picture.suptitle(title, x=0.01, ha="left", fontsize=12)
    if path is not None:
        save_figure(picture, path)
    return picture


def _times(table: Mapping[str, Sequence[float]], clock: str | None, count: int) -> np.ndarray:
    return np.asarray(table[clock], float) if clock else np.arange(1.0, count + 1)


def _draw(axes: Any, times: np.ndarray, values: np.ndarray, name: str, index: int) -> None:
    half = smoothing(len(values))
    draw_curve(axes, times, values, f"{name} (mean of {2 * half + 1})" if half else name, index)


def smoothing(count: int) -> int:
    """How many neighbors on either side a curve of that many values is averaged with.

    >>> smoothing(50), smoothing(1000)
    (0, 10)
    """
    return count // 100


def curve_look(index: int) -> tuple[str, Any]:
    """The color and the dashes of curve number `index`; the first 36 differ in one of them."""
    count = len(DASHES)
    return list(COLORS.values())[index % count], DASHES[(index + index // count) % count]


def draw_curve(axes: Any, times: np.ndarray, values: np.ndarray, label: str, index: int) -> None:
    """Draw curve number `index`; a long one faintly, with its running mean on top."""
    color, dashes = curve_look(index)
    half = smoothing(len(values))
    if half > 0:
        axes.plot(times, values, linewidth=1, linestyle="-", alpha=0.25, color=color)
        axes.plot(times[half:-half], running_mean(values, half), color=color, linestyle=dashes, label=label)
    else:
        marker = "o" if len(values) == 1 else None
        axes.plot(times, values, color=color, linestyle=dashes, label=label, marker=marker)


def running_mean(values: np.ndarray, half: int) -> np.ndarray:
    """Average each value that has `half` neighbors on either side with these.

    >>> running_mean(np.array([0.0, 3.0, 6.0, 9.0, 0.0]), 1).tolist()
    [3.0, 6.0, 5.0]
    """
    width = 2 * half + 1
    return np.convolve(values, np.ones(width) / width, "valid")


def show_the_settled_part(axes: Any, curves: Sequence[np.ndarray], levels: Sequence[float]) -> None:
    """Let the vertical axis span what the curves do after the first tenth of the steps, and the levels."""
    rest = np.concatenate([values[len(values) // 10 :] for values in curves])
    rest = rest[np.isfinite(rest)]
    if len(rest) < 20:
        return
    low, high = min([*levels, *np.quantile(rest, [0.005])]), max([*levels, *np.quantile(rest, [0.995])])
    if low < high:
        margin = 0.08 * (high - low)
        axes.set_ylim(low - margin, high + margin)


def read_csv(path: Path) -> dict[str, list[float]]:
    """Columns of a CSV file as numbers; empty cells become NaN, columns of words are left out."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: expected a CSV file in UTF-8, got something else ({error})") from None
    if not rows:
        raise ValueError(f"{path} is empty; expected a CSV file with a header")
    table: dict[str, list[float]] = {}
    for i, name in enumerate(rows[0]):
        try:
            table[name] = [float(row[i]) if row[i].strip() else math.nan for row in rows[1:]]
        except IndexError:
            raise ValueError(f"{path}: a row has fewer cells than the header's {len(rows[0])}") from None
        except ValueError:
            continue
    return table
