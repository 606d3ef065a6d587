"""The computation graph of a Tensor: as a picture, as Mermaid and as DOT text.

The picture is meant for small graphs, up to about 20 Tensors: it puts each node one row below its inputs and each row
in the middle of the page.  For a larger graph, give the text of `to_dot` to Graphviz, or the text of `to_mermaid` to
any page that draws Mermaid (Markdown cells of JupyterLab from 4.1, GitHub).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .._util.optional import require
from ..tensor import Tensor
from .style import GREY, add_caption, caption_lines, figure_class, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["graph", "to_dot", "to_mermaid"]

_SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "matmul": "@"}
_SYMMETRIC = ("add", "mul", "maximum", "minimum")
_FILLS = {"leaf": "#CFE8F7", "constant": "#EEEEEE", "computed": "#FFFFFF", "operation": "#FBE3B5"}
_KINDS = {"leaf": "leaf, requires grad", "constant": "constant", "computed": "computed", "operation": "operation"}


@dataclass(frozen=True)
class _Node:
    """A Tensor or an operation; `inputs` are the numbers of the nodes that it comes from, with the argument's name."""

    label: str
    kind: str
    inputs: tuple[tuple[int, str], ...] = ()


def graph(
    output: Tensor | Sequence[Tensor],
    names: Mapping[str, Tensor] | None = None,
    caption: str | None = None,
    limit: int = 100,
) -> "Figure":
    """Draw how a Tensor was computed: inputs above, results below.

    Blue boxes are leaves that require a gradient, gray dashed ones are constants (a detached Tensor is one), white
    ones were computed; round ones are operations.  A box shows the name of the Tensor, its value if that is short
    (its shape otherwise), and its ``grad``.

    Parameters
    ----------
    output : Tensor or sequence of Tensor
    names : mapping of name to Tensor, optional
        For instance ``dict(x=x, y=y)``.
    caption : str, optional
    limit : int
        The largest number of Tensors.

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
    nodes = _nodes(output, names, limit)
    places, (width, height) = _layout(nodes)
    page = max(width + 0.4, 7.0)
    legend, text = 0.45, 0.19 * len(caption_lines(caption, page)) + 0.1 if caption else 0.0
    with style():
        picture: Figure = figure_class()(figsize=(page, height + legend + text), layout="none")
        axes = picture.add_axes((0, text / picture.get_figheight(), 1, 1 - text / picture.get_figheight()))
        axes.set(xlim=(-page / 2, page / 2), ylim=(-height - legend, 0))
        axes.set_axis_off()
        boxes = [_draw_box(axes, node, place) for node, place in zip(nodes, places)]
        for target, node in enumerate(nodes):
            for k, (source, argument) in enumerate(node.inputs):
                _draw_arrow(axes, places, boxes, source, target, k, len(node.inputs), argument)
        shown = [kind for kind in _KINDS if any(node.kind == kind for node in nodes)]
        patch = require("matplotlib.patches").Patch
        handles = [patch(**_look(kind), label=_KINDS[kind]) for kind in shown]
        axes.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=10, borderaxespad=0.2)
        if caption:
            add_caption(picture, caption)
    return picture


def to_mermaid(output: Tensor | Sequence[Tensor], names: Mapping[str, Tensor] | None = None, limit: int = 1000) -> str:
    """Write the graph of a Tensor in the language of Mermaid; parameters and errors as `graph`.

    >>> import minigen as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> print(to_mermaid(x * 2.0, dict(x=x)))
    flowchart TD
      n0["x<br>3"]:::leaf
      n1["2"]:::constant
      n2(["× mul"]):::operation
      n3["6"]:::computed
      n0 --> n2
      n1 --> n2
      n2 --> n3
      classDef leaf fill:#CFE8F7,stroke:#000
      classDef constant fill:#EEEEEE,stroke:#000,stroke-dasharray:4
      classDef computed fill:#FFFFFF,stroke:#000
      classDef operation fill:#FBE3B5,stroke:#000
    """
    nodes = _nodes(output, names, limit)
    lines = ["flowchart TD"]
    for i, node in enumerate(nodes):
        label = node.label.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace("\n", "<br>")
        box = f'(["{label}"])' if node.kind == "operation" else f'["{label}"]'
        lines.append(f"  n{i}{box}:::{node.kind}")
    for i, node in enumerate(nodes):
        lines += [f"  n{source} -->{f'|{argument}|' if argument else ''} n{i}" for source, argument in node.inputs]
    for kind, fill in _FILLS.items():
        dashes = ",stroke-dasharray:4" if kind == "constant" else ""
        lines.append(f"  classDef {kind} fill:{fill},stroke:#000{dashes}")
    return "\n".join(lines)


def to_dot(output: Tensor | Sequence[Tensor], names: Mapping[str, Tensor] | None = None, limit: int = 1000) -> str:
    """Write the graph of a Tensor in Graphviz's language DOT; parameters and errors as `graph`.

    >>> import minigen as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> print(to_dot(x.exp(), dict(x=x)))
    digraph {
      n0 [label="x\\n3", shape=box, style="filled", fillcolor="#CFE8F7"]
      n1 [label="exp", shape=box, style="filled,rounded", fillcolor="#FBE3B5"]
      n2 [label="20.09", shape=box, style="filled", fillcolor="#FFFFFF"]
      n0 -> n1
      n1 -> n2
    }
    """
    nodes = _nodes(output, names, limit)
    extra = {"operation": ",rounded", "constant": ",dashed"}
    lines = []
    for i, node in enumerate(nodes):
        label = node.label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        look = f'shape=box, style="filled{extra.get(node.kind, "")}", fillcolor="{_FILLS[node.kind]}"'
        lines.append(f'  n{i} [label="{label}", {look}]')
    for i, node in enumerate(nodes):
        for source, argument in node.inputs:
            lines.append(f"  n{source} -> n{i}" + (f' [label="{argument}"]' if argument else ""))
    return "\n".join(["digraph {", *lines, "}"])


# ---- from Tensors to nodes


def _nodes(output: Tensor | Sequence[Tensor], names: Mapping[str, Tensor] | None, limit: int) -> list[_Node]:
    """Every Tensor that `output` was computed from, and the operations; inputs before what is made of them."""
    outputs = [output] if isinstance(output, Tensor) else list(output)
    for t in outputs:
        if not isinstance(t, Tensor):
            raise TypeError(f"graph: expected a Tensor or a sequence of them, got {type(t).__name__}")
    called = {id(t): name for name, t in (names or {}).items()}
    nodes: list[_Node] = []
    place: dict[int, int] = {}
    for t in _history(outputs, limit):
        inputs: tuple[tuple[int, str], ...] = ()
        if t.node is not None:
            arguments = list(t.node.inputs or ())
            told = len(arguments) > 1 and t.node.primitive.name not in _SYMMETRIC
            uses = [(place[id(x)], t.node.primitive.argument(k) if told else "") for k, x in enumerate(arguments)]
            inputs = ((len(nodes), ""),)
            nodes.append(_Node(_operation(t), "operation", tuple(uses)))
        place[id(t)] = len(nodes)
        kind = "computed" if t.node is not None else "leaf" if t.requires_grad else "constant"
        nodes.append(_Node(_label(t, called.get(id(t))), kind, inputs))
    return nodes


def _history(outputs: list[Tensor], limit: int) -> list[Tensor]:
    found: dict[int, Tensor] = {}
    waiting = list(outputs)
    while waiting:
        t = waiting.pop()
        if id(t) not in found:
            found[id(t)] = t
            waiting.extend(reversed(t.node.inputs or ()) if t.node else ())
        if len(found) > limit:
            raise ValueError(
                f"graph: more than {limit} Tensors to draw; draw a smaller part, raise limit, or use to_dot"
            )
    leaves = [t for t in found.values() if t.node is None]
    return leaves + sorted((t for t in found.values() if t.node), key=lambda t: t.node.sequence_number if t.node else 0)


def _label(t: Tensor, name: str | None) -> str:
    lines = [*([name] if name else []), _short(t)]
    if t.is_leaf and t.grad is not None:
        lines.append(f"grad {_short(t.grad)}")
    return "\n".join(lines)


def _short(t: Tensor) -> str:
    if t.numel() == 1:
        return f"{t.item():.4g}"
    if t.ndim == 1 and t.numel() <= 3:
        return f"[{', '.join(f'{value:.3g}' for value in t.numpy().tolist())}]"
    return f"shape {t.shape}"


def _operation(t: Tensor) -> str:
    """The name of the operation that made `t`, with its most telling parameters."""
    assert t.node is not None
    name = t.node.primitive.name
    told = [f"{value:.4g}" if isinstance(value, float) else str(value) for value in t.node.params.values()
            if isinstance(value, int | float | str | tuple) and not isinstance(value, bool)]  # fmt: skip
    text = " ".join([*([_SYMBOLS[name]] if name in _SYMBOLS else []), name, *told])
    text = text if len(text) <= 24 else name
    return text if t.node.inputs is not None else f"{text} (graph freed)"


# ---- from nodes to a picture; lengths in inches

_GAP = 0.35


@dataclass(frozen=True)
class _Place:
    row: int
    x: float
    y: float
    width: float
    height: float
    bends: dict[int, list[tuple[float, float]]]
    """For each of its inputs, by number: where the arrow passes through the rows between."""


def _layout(nodes: list[_Node]) -> tuple[list[_Place], tuple[float, float]]:
    """A place for each node, and the size of the picture."""
    rows = [0] * len(nodes)
    for i, node in enumerate(nodes):
        rows[i] = max((rows[source] + 1 for source, _ in node.inputs), default=0)
    for i in reversed(range(len(nodes))):  # leaves go down to the row above their first use
        uses = [rows[j] for j, node in enumerate(nodes) for source, _ in node.inputs if source == i]
        if uses and not nodes[i].inputs:
            rows[i] = min(uses) - 1
    lines = [node.label.split("\n") for node in nodes]
    widths = [max(0.45, 0.088 * max(map(len, line)) + 0.22) for line in lines]
    heights = [0.22 * len(line) + 0.1 for line in lines]

    # An arrow that passes through a row takes part there like a narrow node: (source, target, row).
    neighbours: dict[Any, list[Any]] = {}
    members: list[list[Any]] = [[] for _ in range(max(rows) + 1)]
    for i in range(len(nodes)):
        members[rows[i]].append(i)
    for i, node in enumerate(nodes):
        for source in dict.fromkeys(source for source, _ in node.inputs):
            bends = [(source, i, row) for row in range(rows[source] + 1, rows[i])]
            for bend in bends:
                members[bend[2]].append(bend)
            chain = [source, *bends, i]
            for a, b in zip(chain, chain[1:]):
                neighbours.setdefault(a, []).append(b)
                neighbours.setdefault(b, []).append(a)

    def width(member: Any) -> float:
        return widths[member] if isinstance(member, int) else 0.1

    x: dict[Any, float] = {}
    for sweep in range(8):  # each row in the order of the mean place of its neighbors, packed, in the middle
        for row in members if sweep % 2 == 0 else reversed(members):
            means = {m: [x[n] for n in neighbours.get(m, ()) if n in x] for m in row}
            row.sort(key=lambda m: sum(means[m]) / len(means[m]) if means[m] else x.get(m, 0.0))
            edge = -(sum(map(width, row)) + _GAP * (len(row) - 1)) / 2
            for m in row:
                x[m] = edge + width(m) / 2
                edge += width(m) + _GAP

    tall = [max(heights[m] for m in row if isinstance(m, int)) for row in members]
    y, middles = 0.1, []
    for i, height in enumerate(tall):
        middles.append(-(y + height / 2))
        y += height + (0.0 if i == len(tall) - 1 else 0.42 if i % 2 == 0 else 0.28)
    span = max(x[m] + width(m) / 2 for row in members for m in row)
    places = []
    for i, node in enumerate(nodes):
        through = {
            source: [(x[source, i, row], middles[row]) for row in range(rows[source] + 1, rows[i])]
            for source, _ in node.inputs
        }
        places.append(_Place(rows[i], x[i], middles[rows[i]], widths[i], heights[i], through))
    return places, (2 * span, y + 0.1)


def _look(kind: str) -> dict[str, Any]:
    return {"facecolor": _FILLS[kind], "edgecolor": "black", "linestyle": "--" if kind == "constant" else "-"}


def _draw_box(axes: Any, node: _Node, place: _Place) -> Any:
    corner = (place.x - place.width / 2, place.y - place.height / 2)
    rounding = 0.14 if node.kind == "operation" else 0.05
    box = require("matplotlib.patches").FancyBboxPatch(
        corner, place.width, place.height, boxstyle=f"round,pad=0,rounding_size={rounding}", linewidth=1.2, zorder=2,
        **_look(node.kind),
    )  # fmt: skip
    axes.add_patch(box)
    axes.text(place.x, place.y, node.label, ha="center", va="center", fontsize=11, zorder=3, linespacing=1.1)
    return box


def _draw_arrow(
    axes: Any, places: list[_Place], boxes: list[Any], source: int, target: int, k: int, count: int, argument: str
) -> None:
    """The arrow of input `k` of `count`; several end side by side."""
    start, end = places[source], places[target]
    shift = ((k + 1) / (count + 1) - 0.5) * end.width
    tip = (end.x + shift, end.y + end.height / 2)
    points = [(start.x, start.y - start.height / 2), *end.bends[source], tip]
    path = require("matplotlib.path").Path
    vertices, codes = [points[0]], [path.MOVETO]
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        half = (y0 + y1) / 2
        vertices += [(x0, half), (x1, half), (x1, y1)]
        codes += [path.CURVE4] * 3
    axes.add_patch(
        require("matplotlib.patches").FancyArrowPatch(
            path=path(vertices, codes), arrowstyle="-|>", mutation_scale=11, color=GREY, linewidth=1.2, zorder=1
        )
    )
    if argument:
        side, gap = ("right", -0.08) if shift < 0 else ("left", 0.08)
        axes.text(tip[0] + gap, tip[1] + 0.03, argument, fontsize=8, color=GREY, ha=side, va="bottom", zorder=4)
