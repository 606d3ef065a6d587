"""Pictures: image grids, loss curves, the computation graph, and the one style that all figures share.

Everything here takes arrays (`graph` takes Tensors) and gives back a picture that a notebook displays by itself and
that `save_figure` writes to a file.  Nothing touches matplotlib's global state: no window opens, no backend is chosen,
and matplotlib itself is imported on first use.  `image_grid` and `save_image_grid` do without it.

Colours are those of Okabe and Ito (2008, "Color Universal Design"), which colour-blind readers can tell apart; lines
differ in their dashes as well.
"""

import csv
import functools
import io
import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .data.dataset import require
from .graph_layout import arrange, port
from .tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "COLORS", "figure", "graph", "image_grid", "loss_curves", "save_figure", "save_image_grid", "show_images", "style",
]  # fmt: skip

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

_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))
_GREY = "#555555"


# ---- style


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
    lines = require("cycler").cycler(color=list(COLORS.values())[: len(_DASHES)], linestyle=_DASHES)
    return require("matplotlib").rc_context(
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
            "lines.linewidth": 2,
            "savefig.dpi": "figure",
        }
    )


@functools.cache
def _figure_class() -> Any:
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
        picture = _figure_class()(figsize=size)
        axes = picture.subplots(nrows, ncols)
        if caption:
            _caption(picture, caption)
    return picture, axes


def _caption(picture: Any, text: str) -> None:
    """Write below the picture; constrained layout makes room for what is a label of the whole figure."""
    lines = _caption_lines(text, picture.get_figwidth())
    picture.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=11, color=_GREY)


def _caption_lines(text: str, width: float) -> list[str]:
    """`text` in lines that fit a figure of that many inches: 12 letters to an inch."""
    return textwrap.wrap(text, int(12 * width))


# ---- files


def _write(path: Path, data: bytes) -> None:
    """Write a file beside `path` that takes its place when complete: nobody ever sees half a picture."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


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
    _write(Path(path), memory.getvalue())


# ---- images


def image_grid(
    images: Any,
    ncols: int | None = None,
    padding: int = 2,
    value_range: tuple[float, float] = (-1.0, 1.0),
    scale: int = 1,
) -> np.ndarray:
    """Lay images out in rows, first image top left, with white lines between.

    Parameters
    ----------
    images : array (N, C, H, W) with C = 1 or 3, or (N, H, W)
        Floats, or bytes that are taken as they are.
    ncols : int, optional
        Images in a row; by default as many as make the grid about square.
    padding : int
        Width of the lines, in pixels.
    value_range : (low, high)
        Which float is black and which is white.  Values outside are clipped; NaN becomes black.
    scale : int
        Every pixel is drawn as scale x scale pixels.

    Returns
    -------
    ndarray of uint8, (height, width) or (height, width, 3)

    Raises
    ------
    ValueError
        If the shape is none of the above, there is no image, or an argument is out of range.

    Examples
    --------
    >>> image_grid(np.ones((3, 1, 2, 2)), ncols=3, padding=1).shape
    (4, 10)
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"image_grid: expected images (N, C, H, W) with C = 1 or 3, or (N, H, W), none empty, "
            f"got shape {images.shape}"
        )
    low, high = value_range
    if not low < high:
        raise ValueError(f"image_grid: expected value_range (low, high) with low < high, got {value_range}")
    for name, value, least in (("ncols", ncols, 1), ("padding", padding, 0), ("scale", scale, 1)):
        if value is not None and value < least:
            raise ValueError(f"image_grid: expected {name} of at least {least}, got {value}")

    if images.dtype != np.uint8:
        shares = np.nan_to_num((images.astype(np.float64) - low) / (high - low), nan=0.0)
        images = np.rint(255 * shares.clip(0, 1)).astype(np.uint8)
    images = images.repeat(scale, axis=2).repeat(scale, axis=3)
    count, channels, height, width = images.shape
    ncols = min(ncols or math.ceil(math.sqrt(count)), count)
    nrows = math.ceil(count / ncols)
    step = (height + padding, width + padding)
    grid = np.full((nrows * step[0] + padding, ncols * step[1] + padding, channels), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (place * size + padding for place, size in zip(divmod(i, ncols), step))
        grid[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return grid[:, :, 0] if channels == 1 else grid


def save_image_grid(path: str | os.PathLike[str], images: Any, ncols: int | None = None, **options: Any) -> None:
    """Write an `image_grid` to a file, whole or not at all.

    Parameters
    ----------
    path : str or path
        The suffix says in which format; .png loses nothing.
    images, ncols, **options
        As for `image_grid`.

    Raises
    ------
    ValueError
        As `image_grid`, or if Pillow does not know the suffix.
    FileNotFoundError
        If the folder does not exist.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_image_grid(pathlib.Path(folder) / "samples.png", np.zeros((4, 1, 8, 8)))
    """
    Image = require("PIL.Image")
    suffix = Path(path).suffix.lower()
    file_format = Image.registered_extensions().get(suffix)
    if file_format is None:
        raise ValueError(f"save_image_grid: {os.fspath(path)}: expected a suffix like .png, got {suffix or 'none'}")
    picture = Image.fromarray(image_grid(images, ncols, **options))
    memory = io.BytesIO()
    picture.save(memory, format=file_format)
    _write(Path(path), memory.getvalue())


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
                    linestyle=_DASHES[names.index(name) % len(_DASHES)], label=f"{name} (mean of {width})",
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


# ---- the computation graph

_SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "matmul": "@"}
_SYMMETRIC = ("add", "mul", "maximum", "minimum")
_FILLS = {"leaf": "#CFE8F7", "constant": "#EEEEEE", "computed": "#FFFFFF", "operation": "#FBE3B5"}
_KINDS = {"leaf": "leaf, wants a gradient", "constant": "constant", "computed": "computed", "operation": "operation"}
_LINE, _OPERATION, _GAP = 0.22, 0.3, 0.12  # heights in inches: a line of text, an operation, between it and its result


def graph(
    output: Tensor | Sequence[Tensor],
    names: Mapping[str, Tensor] | None = None,
    caption: str | None = None,
    limit: int = 100,
) -> "Figure":
    """Draw how a Tensor was computed: time runs downwards, every operation sits on top of its result.

    Blue boxes are leaves that want a gradient, grey dashed ones are constants (a detached Tensor is one), white ones
    were computed.  A box shows the Tensor's name, its value if that is short (its shape otherwise), and its ``grad``.

    Parameters
    ----------
    output : Tensor or sequence of Tensor
    names : mapping of name to Tensor, optional
        For instance ``dict(x=x, y=y)``.
    caption : str, optional
    limit : int
        How many Tensors at most.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    TypeError
        If `output` is not a Tensor.
    ValueError
        If the graph has more than `limit` Tensors: such a picture could not be read.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> picture = graph(x * x, dict(x=x))
    >>> picture.axes[0].texts[0].get_text()
    'x\\n3'
    """
    outputs = [output] if isinstance(output, Tensor) else list(output)
    for t in outputs:
        if not isinstance(t, Tensor):
            raise TypeError(f"graph: expected a Tensor or a sequence of them, got {type(t).__name__}")
    called = {id(t): name for name, t in (names or {}).items()}
    tensors = _history(outputs, limit)
    labels = [_label(t, called.get(id(t))) for t in tensors]
    operations = [_operation(t) for t in tensors]
    place = {id(t): i for i, t in enumerate(tensors)}
    edges = [
        (place[id(x)], i)
        for i, t in enumerate(tensors)
        for x in (t.node.inputs or () if t.node else ())
    ]  # fmt: skip
    widths = [
        max(0.45, 0.088 * max(map(len, [*label.split("\n"), operation])) + 0.22)
        for label, operation in zip(labels, operations)
    ]
    layout = arrange(widths, edges)
    return _draw(tensors, labels, operations, widths, edges, layout, caption)


def _history(outputs: list[Tensor], limit: int) -> list[Tensor]:
    """Every Tensor that `outputs` were computed from, constants too, inputs before their results."""
    found: dict[int, Tensor] = {}
    waiting = list(outputs)
    while waiting:
        t = waiting.pop()
        if id(t) not in found:
            found[id(t)] = t
            waiting.extend(reversed(t.node.inputs or ()) if t.node else ())
        if len(found) > limit:
            raise ValueError(f"graph: more than {limit} Tensors to draw; draw a smaller part, or raise limit")
    leaves = [t for t in found.values() if t.node is None]
    return leaves + sorted((t for t in found.values() if t.node), key=lambda t: t.node.birth if t.node else 0)


def _kind(t: Tensor) -> str:
    if t.node is not None:
        return "computed"
    return "leaf" if t.requires_grad else "constant"


def _label(t: Tensor, name: str | None) -> str:
    lines = [*([name] if name else []), _short(t)]
    if t.grad is not None:
        lines.append(f"grad {_short(t.grad)}")
    return "\n".join(lines)


def _short(t: Tensor) -> str:
    if t.numel() == 1:
        return f"{t.item():.4g}"
    if t.ndim == 1 and t.numel() <= 3:
        return f"[{', '.join(f'{value:.3g}' for value in t.numpy().tolist())}]"
    return f"shape {t.shape}"


def _operation(t: Tensor) -> str:
    """What the operation above `t` is called, with the parameters that say something."""
    if t.node is None:
        return ""
    name = t.node.primitive.name
    told = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in t.node.params.values()
            if isinstance(value, int | float | str | tuple) and not isinstance(value, bool)]  # fmt: skip
    text = " ".join([*([_SYMBOLS[name]] if name in _SYMBOLS else []), name, *told])
    text = text if len(text) <= 24 else name
    return text if t.node.inputs is not None else f"{text} (graph freed)"


def _draw(
    tensors: list[Tensor],
    labels: list[str],
    operations: list[str],
    widths: list[float],
    edges: list[tuple[int, int]],
    layout: Any,
    caption: str | None,
) -> "Figure":
    box = require("matplotlib.patches").FancyBboxPatch
    heights = [_LINE * (label.count("\n") + 1) + 0.1 for label in labels]
    tops = [height + (_OPERATION + _GAP if operation else 0) for height, operation in zip(heights, operations)]
    rows = [max(tops[i] for i in range(len(tensors)) if layout.layer[i] == row) for row in range(layout.layers)]
    bottoms = -np.cumsum([0.1 + rows[0], *(row + 0.42 for row in rows[1:])])  # of each layer
    width, height = float(layout.width), float(-bottoms[-1])
    page = max(width + 0.3, 7.0)
    legend, text = 0.45, 0.19 * len(_caption_lines(caption, page)) + 0.1 if caption else 0.0
    with style():
        picture = _figure_class()(figsize=(page, height + legend + text), layout="none")
        room = picture.get_figwidth() - width
        axes = picture.add_axes((0, text / picture.get_figheight(), 1, 1 - text / picture.get_figheight()))
        axes.set(xlim=(-room / 2, width + room / 2), ylim=(-height - legend, 0))
        axes.set_axis_off()

        def draw_box(x: float, y: float, w: float, h: float, kind: str, text: str) -> None:
            axes.add_patch(
                box(
                    (x - w / 2, y), w, h, boxstyle=f"round,pad=0,rounding_size={0.14 if kind == 'operation' else 0.05}",
                    facecolor=_FILLS[kind], edgecolor=COLORS["black"], linewidth=1.2, zorder=2,
                    linestyle="--" if kind == "constant" else "-",
                )
            )  # fmt: skip
            axes.text(x, y + h / 2, text, ha="center", va="center", fontsize=11, zorder=3, linespacing=1.1)

        for i, t in enumerate(tensors):
            x, y = layout.x[i], bottoms[layout.layer[i]]
            draw_box(x, y, widths[i], heights[i], _kind(t), labels[i])
            if operations[i]:
                draw_box(x, y + heights[i] + _GAP, widths[i], _OPERATION, "operation", operations[i])
                axes.plot([x, x], [y + heights[i], y + heights[i] + _GAP], color=_GREY, linewidth=1.2, linestyle="-")
        for e, (source, target) in enumerate(edges):
            ports = [j for j, (_, end) in enumerate(edges) if end == target]
            shift = port(ports.index(e), len(ports))
            start = (layout.x[source], bottoms[layout.layer[source]])
            middle = [(x, bottoms[row] + rows[row] / 2) for row, x in layout.bends[e]]
            end = (layout.x[target] + shift * widths[target], bottoms[layout.layer[target]] + tops[target])
            axes.add_patch(_arrow([start, *middle, end]))
            primitive = tensors[target].node.primitive  # type: ignore[union-attr]
            if len(ports) > 1 and primitive.name not in _SYMMETRIC:
                axes.text(end[0], end[1] + 0.16, primitive.argument(ports.index(e)), fontsize=8, color=_GREY,
                          ha="right" if shift < 0 else "left", va="center", zorder=4,
                          bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip
        shown = {_kind(t) for t in tensors} | ({"operation"} if any(operations) else set())
        handles = [
            require("matplotlib.patches").Patch(
                facecolor=_FILLS[kind], edgecolor="black", linestyle="--" if kind == "constant" else "-", label=label
            )
            for kind, label in _KINDS.items() if kind in shown
        ]  # fmt: skip
        axes.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=10, borderaxespad=0.2)
        if caption:
            _caption(picture, caption)
    return picture


def _arrow(points: list[tuple[float, float]]) -> Any:
    """An arrow through `points`, vertical at each of them."""
    path = require("matplotlib.path").Path
    vertices, codes = [points[0]], [path.MOVETO]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        half = (y0 + y1) / 2
        vertices += [(x0, half), (x1, half), (x1, y1)]
        codes += [path.CURVE4] * 3
    return require("matplotlib.patches").FancyArrowPatch(
        path=path(vertices, codes), arrowstyle="-|>", mutation_scale=11, color=_GREY, linewidth=1.2, zorder=1
    )
