"""The one style of all figures, and how a figure is made without touching matplotlib's global state.

Colors are those of Okabe and Ito (2008, "Color Universal Design"), which color-blind readers can tell apart; lines
differ in their dashes as well.
"""

import functools
import io
import os
import textwrap
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._util.atomic_write import replace_file
from .._util.optional import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLORS", "DASHES", "GREY", "add_caption", "caption_lines", "figure", "figure_class", "save_figure", "style"]

COLORS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "green": "#009E73",
    "red": "#D55E00",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "yellow": "#F0E442",
    "black": "#000000",
}
"""The palette of Okabe and Ito, by name; lines take the first six in this order."""

DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
GREY = "#555555"


def style() -> AbstractContextManager[None]:
    """The one plot style, as a context: figures made inside have it.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed; the message names the extra that brings it.

    Examples
    --------
    >>> with style():
    ...     picture, axes = figure(caption="A parabola.")
    ...     line = axes.plot([-1, 0, 1], [1, 0, 1])
    >>> line[0].get_color()
    '#0072B2'
    """
    matplotlib = require("matplotlib")
    lines = require("cycler").cycler(color=list(COLORS.values())[: len(DASHES)], linestyle=DASHES)
    context: AbstractContextManager[None] = matplotlib.rc_context(
        {
            "axes.axisbelow": True,
            "axes.grid": True,
            "axes.prop_cycle": lines,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "figure.figsize": (8, 4),
            "font.size": 12,
            "grid.color": "#dddddd",
            "image.cmap": "gray",
            "legend.frameon": False,
            "legend.loc": "upper right",  # to look for the best place may take seconds, and then warns
            "lines.linewidth": 2,
            "savefig.dpi": "figure",
        }
    )
    return context


@functools.cache
def figure_class() -> Any:
    """A Figure that notebooks display without pyplot, which would choose a backend for the whole process."""

    class Picture(require("matplotlib.figure").Figure):  # type: ignore[misc]
        """A matplotlib Figure that displays itself in a notebook."""

        def _repr_png_(self) -> bytes:
            memory = io.BytesIO()
            self.savefig(memory, format="png")
            return memory.getvalue()

    return Picture


def figure(
    nrows: int = 1, ncols: int = 1, size: tuple[float, float] | None = None, caption: str | None = None
) -> tuple["Figure", Any]:
    """Make a figure of `nrows` x `ncols` plots in our style, with a caption below that says what to see.

    Parameters
    ----------
    nrows, ncols : int
    size : (width, height) in inches, optional
        8 wide fills a page.
    caption : str, optional
        Wrapped to the figure's width.

    Returns
    -------
    figure : matplotlib Figure
    axes : Axes, or an array of them if there are several

    Examples
    --------
    >>> picture, axes = figure(1, 2)
    >>> axes.shape
    (2,)
    """
    with style():
        picture = figure_class()(figsize=size)
        axes = picture.subplots(nrows, ncols)
        if caption:
            add_caption(picture, caption)
    return picture, axes


def add_caption(picture: Any, text: str) -> None:
    """Write below the picture; constrained layout makes room for what is a label of the whole figure."""
    lines = caption_lines(text, picture.get_figwidth())
    picture.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=11, color=GREY)


def caption_lines(text: str, width: float) -> list[str]:
    """`text` in lines that fit a figure of that many inches: 12 letters to an inch.

    >>> caption_lines("Two words here.", 1)
    ['Two words', 'here.']
    """
    return textwrap.wrap(text, int(12 * width))


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
    ...     save_figure(figure()[0], pathlib.Path(folder) / "empty.png")
    """
    suffix = Path(path).suffix.lstrip(".").lower() or "(no suffix)"
    known = picture.canvas.get_supported_filetypes()
    if suffix not in known:
        raise ValueError(f"save_figure: {path}: expected a suffix of {', '.join(sorted(known))}, got {suffix}")
    memory = io.BytesIO()
    picture.savefig(memory, format=suffix)
    replace_file(Path(path), memory.getvalue())
