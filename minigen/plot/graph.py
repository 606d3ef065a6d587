"""The computation graph of a Tensor, drawn with matplotlib alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.optional import require
from ..tensor import Tensor
from .graph_layout import arrange, port
from .style import COLORS, GREY, add_caption, caption_lines, figure_class, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["graph"]

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
    return leaves + sorted((t for t in found.values() if t.node), key=lambda t: t.node.sequence_number if t.node else 0)


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
    legend, text = 0.45, 0.19 * len(caption_lines(caption, page)) + 0.1 if caption else 0.0
    with style():
        picture = figure_class()(figsize=(page, height + legend + text), layout="none")
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
                axes.plot([x, x], [y + heights[i], y + heights[i] + _GAP], color=GREY, linewidth=1.2, linestyle="-")
        for e, (source, target) in enumerate(edges):
            ports = [j for j, (_, end) in enumerate(edges) if end == target]
            shift = port(ports.index(e), len(ports))
            start = (layout.x[source], bottoms[layout.layer[source]])
            middle = [(x, bottoms[row] + rows[row] / 2) for row, x in layout.bends[e]]
            end = (layout.x[target] + shift * widths[target], bottoms[layout.layer[target]] + tops[target])
            axes.add_patch(_arrow([start, *middle, end]))
            primitive = tensors[target].node.primitive  # type: ignore[union-attr]
            if len(ports) > 1 and primitive.name not in _SYMMETRIC:
                axes.text(end[0], end[1] + 0.16, primitive.argument(ports.index(e)), fontsize=8, color=GREY,
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
            add_caption(picture, caption)
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
        path=path(vertices, codes), arrowstyle="-|>", mutation_scale=11, color=GREY, linewidth=1.2, zorder=1
    )
