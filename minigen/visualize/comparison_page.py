"""The picture and the page of ``minigen compare``."""

import html
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._util.tables import html_page
from ..metrics import MEASURES
from ..plot.comparison import comparison_curves
from .comparison import (
    RunRecord,
    comparable_evaluations,
    differing_options,
    logged_names,
    notes,
    numbers_table,
)
from .page_parts import STYLE, embed_plot, embed_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["comparison_page", "comparison_picture"]

DRAWN = ("fid", "kid", "precision", "recall", "coverage", "class_tv")
"""The measures of ``minigen evaluate`` that the picture shows; the table has them all."""

ABOUT_NUMBERS = (
    "Last and best are running means over about 2 % of the steps, as drawn below; behind the best value is its step. "
    "Best is given only for numbers with a better end; the losses of a GAN have none. An evaluated measure has its "
    "95 % interval. A run with another seed gives other numbers: compare several seeds before you prefer an option."
)


def comparison_picture(records: Sequence[RunRecord]) -> "Figure":
    """Draw all that the runs logged, measured after each epoch, and what was evaluated; a panel for each number.

    Over the images seen, in place of the steps, if the batches differ in size.
    """
    sizes = {one.run.config["batch_size"] for one in records}
    panels: dict[str, dict[str, tuple[Any, Any]]] = {}
    for kind in ("log", "measures"):
        tables = [getattr(one, kind) for one in records]
        for name in logged_names(tables):
            label = name if kind == "log" else f"{name} after each epoch"
            for one, table in zip(records, tables):
                if name in table:
                    scale = one.run.config["batch_size"] if len(sizes) > 1 else 1
                    panels.setdefault(label, {})[one.label] = (table["step"] * scale, table[name])
    evaluated = comparable_evaluations(records)
    points = {
        f"{MEASURES[name][0]}, evaluated ({MEASURES[name][1]} is better)": {
            label: _interval(measures[name]) for label, measures in evaluated.items()
        }
        for name in DRAWN
        if evaluated
    }
    return comparison_curves(panels, points, "step" if len(sizes) == 1 else "images seen")


def _interval(one: Any) -> tuple[float, float, float]:
    value, low, high = (math.nan if one.get(name) is None else float(one[name]) for name in ("value", "low", "high"))
    return value, low, high


def comparison_page(records: Sequence[RunRecord], picture: "Figure") -> str:
    """Write the page about runs that are compared.

    Parameters
    ----------
    records : sequence of RunRecord
    picture : matplotlib Figure
        What `comparison_picture` drew.

    Returns
    -------
    str
        HTML that needs no other file.
    """
    title = f"Comparison of {len(records)} runs"
    options = differing_options(records)
    differ = options.html() if options.rows else "<p>No option differs.</p>"
    parts = [f"<h1>{title}</h1>", "<h2>Options that differ</h2>", _wide(differ)]
    parts += [f'<p class="note">{html.escape(text)}</p>' for text in notes(records)]
    parts += ["<h2>Numbers</h2>", _wide(numbers_table(records).html()), f'<p class="small">{ABOUT_NUMBERS}</p>']
    parts += ["<h2>Curves</h2>", embed_plot(picture, "a curve for each run, faint: each step, strong: running mean")]
    parts += ["<h2>Samples, not chosen</h2>", f'<div class="row">{"".join(map(_samples, records))}</div>']
    return html_page(title, "\n".join(parts), STYLE + ".wide { overflow-x: auto }\n.row figure { max-width: 20rem }\n")


def _wide(table: str) -> str:
    return f'<div class="wide">{table}</div>'


def _samples(one: RunRecord) -> str:
    epochs = one.run.sampled_epochs()
    if not epochs:
        return f"<figure><figcaption>{html.escape(one.label)}: no stored samples</figcaption></figure>"
    return embed_png(one.run.samples(epochs[-1]).read_bytes(), f"{one.label}, after epoch {epochs[-1]}")
