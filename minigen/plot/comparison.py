"""The curves of several runs, in the same panels."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .curves import curve_look, draw_curve, show_the_settled_part
from .style import figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_curves"]


def comparison_curves(
    panels: Mapping[str, Mapping[str, tuple[Any, Any]]],
    points: Mapping[str, Mapping[str, tuple[float, float, float]]] | None = None,
    xlabel: str = "step",
    title: str | None = None,
) -> "Figure":
    """Draw one panel for each number, with a curve or a point for each run.

    The runs keep their colors and dashes in all panels.

    Parameters
    ----------
    panels : mapping of name to mapping of run to (times, values)
    points : mapping of name to mapping of run to (value, low, high), optional
        Numbers without a time, each with an interval, NaN if it has none.
    xlabel : str
        What the times are.
    title : str, optional

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    ValueError
        If there is nothing to draw.

    Examples
    --------
    >>> curves = {"loss": {"a": ([1, 2], [0.5, 0.4]), "b": ([1, 2], [0.6, 0.3])}}
    >>> picture = comparison_curves(curves, {"FID": {"a": (3.0, 2.9, 3.2)}})
    >>> [axes.get_title() for axes in picture.axes]
    ['loss', 'FID']
    """
    points = points or {}
    count = len(panels) + len(points)
    if not count:
        raise ValueError("comparison_curves: expected at least one number to draw, got none")
    runs = list(dict.fromkeys(run for panel in [*panels.values(), *points.values()] for run in panel))
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    with style():
        picture, places = figure(rows, columns, size=(max(4.0 * columns, 6.0), 0.9 + 2.7 * rows))
        flat = np.ravel(places)
        for axes in flat[count:]:
            axes.remove()
        for axes, (name, curves) in zip(flat, panels.items()):
            for run, (times, values) in curves.items():
                draw_curve(axes, np.asarray(times, float), np.asarray(values, float), run, runs.index(run))
            show_the_settled_part(axes, [np.asarray(values, float) for _, values in curves.values()], [])
            axes.set_title(name, fontsize=11)
            axes.set_xlabel(xlabel)
        for axes, (name, values) in zip(flat[len(panels) :], points.items()):
            _draw_points(axes, values, runs)
            axes.set_title(name, fontsize=11)
        handles = [_handle(axes, i, run) for axes in flat[:1] for i, run in enumerate(runs)]
        picture.legend(handles=handles, loc="outside upper left", ncols=min(4, len(runs)), fontsize=10, title=title)
    return picture


def _draw_points(axes: Any, values: Mapping[str, tuple[float, float, float]], runs: Sequence[str]) -> None:
    """A point for each run with its interval, one below the other."""
    for i, run in enumerate(runs):
        if run not in values or not math.isfinite(values[run][0]):
            continue
        value, low, high = values[run]
        color, _ = curve_look(i)
        if math.isfinite(low):
            axes.plot([low, high], [i, i], color=color, linestyle="-", linewidth=4, alpha=0.4)
        axes.plot([value], [i], "o", color=color)
    axes.set_yticks(range(len(runs)), runs, fontsize=9)
    axes.set_ylim(len(runs) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=4)


def _handle(axes: Any, index: int, run: str) -> Any:
    """An empty line with the look of this run, for the legend."""
    color, dashes = curve_look(index)
    return axes.plot([], [], color=color, linestyle=dashes, label=run)[0]
