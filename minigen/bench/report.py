"""What the measurements become: a table to read, a CSV file to keep, pictures to look at."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from .._util.atomic_write import replace_file
from .._util.tables import Table
from .timing import Measurement

__all__ = ["Row", "as_csv", "as_markdown", "as_table", "geometric_mean", "plot_ratios", "plot_roofline", "summary"]


@dataclass(frozen=True)
class Row:
    """One measurement.

    Parameters
    ----------
    group : str
        What kind of work: ``"conv"``, ``"step"``, ...
    work : str
        Which, in words.
    ours, theirs : float
        Milliseconds (or MB, as `unit` says); `theirs` is NaN where there is nothing to compare with.
    ratio, low, high : float
        Ours over theirs: the median of the rounds and their quartiles.
    unit : str
    gflop : float
        Nominal billions of operations, 2 per multiplication and addition of the plain algorithm; 0 if not counted.
    megabytes : float
        Memory that has to be read and written at the least; 0 if not counted.
    beside : str
        What `theirs` is: ``"PyTorch"``, or another operation of ours.
    """

    group: str
    work: str
    ours: float
    theirs: float = math.nan
    ratio: float = math.nan
    low: float = math.nan
    high: float = math.nan
    unit: str = "ms"
    gflop: float = 0.0
    megabytes: float = 0.0
    beside: str = "PyTorch"

    @classmethod
    def of(cls, measured: Measurement) -> "Row":
        """A measurement as a row, in milliseconds."""
        rest: dict[str, Any] = {"gflop": measured.gflop, "megabytes": measured.megabytes, "beside": measured.beside}
        times = measured.timings
        if "theirs" not in times.seconds:
            return cls(measured.group, measured.work, 1e3 * times.median("ours"), **rest)
        low, ratio, high = times.ratio("ours", "theirs")
        ours, theirs = (1e3 * times.median(name) for name in ("ours", "theirs"))
        return cls(measured.group, measured.work, ours, theirs, ratio, low, high, **rest)

    @property
    def beside_pytorch(self) -> bool:
        """Whether the row compares with PyTorch."""
        return self.beside == "PyTorch" and math.isfinite(self.ratio)

    @property
    def rate(self) -> float:
        """Nominal GFLOP/s; NaN if not counted."""
        return self.gflop / self.ours * 1e3 if self.gflop else math.nan


def geometric_mean(ratios: Sequence[float]) -> float:
    """The mean for ratios: it treats twice as fast and twice as slow alike.

    >>> geometric_mean([0.5, 2.0])
    1.0
    """
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def summary(ratios: Sequence[float]) -> str:
    """Geometric mean, worst ratio, and how many are above 1.1: slower than PyTorch by more than the noise.

    >>> summary([0.5, 2.0, 1.0])
    'geometric mean of the ratios 1.00, worst 2.00, above 1.1: 1 of 3'
    """
    slower = sum(ratio > 1.1 for ratio in ratios)
    return (
        f"geometric mean of the ratios {geometric_mean(ratios):.2f}, worst {max(ratios):.2f}, "
        f"above 1.1: {slower} of {len(ratios)}"
    )


def as_markdown(path: Path, facts: Mapping[str, str], rows: Sequence[Row]) -> None:
    """Write a page: the machine and its settings, then every row, the highest ratios of each group first."""
    lines = ["# minigen beside PyTorch", "", *(f"- {name}: {value}" for name, value in facts.items())]
    for group in dict.fromkeys(row.group for row in rows):
        chosen = sorted(
            (row for row in rows if row.group == group), key=lambda row: -row.ratio if row.ratio == row.ratio else 0
        )
        compared = [row.ratio for row in chosen if row.beside_pytorch]
        lines += ["", f"## {group}", ""] + ([summary(compared), ""] if len(compared) > 1 else [])
        lines.append(_table(chosen).markdown())
    replace_file(path, ("\n".join(lines) + "\n").encode())


def as_table(rows: Sequence[Row]) -> str:
    """The rows, aligned for reading.

    >>> print(as_table([Row("conv", "1x1", 2.0, 4.0, 0.5, 0.45, 0.55, gflop=0.1)]))
    work  minigen  PyTorch  ratio     quartiles  GFLOP/s
    1x1   2.00 ms  4.00 ms   0.50  0.45 to 0.55       50
    """
    return _table(rows).text()


def _table(rows: Sequence[Row]) -> Table:
    cells = []
    for row in rows:
        compared = math.isfinite(row.ratio)
        cells.append(
            [
                row.work,
                f"{row.ours:.2f} {row.unit}",
                f"{row.theirs:.2f} {row.unit}" if math.isfinite(row.theirs) else "",
                f"{row.ratio:.2f}" if compared else "",
                f"{row.low:.2f} to {row.high:.2f}" if compared else "",
                f"{row.rate:.0f}" if row.gflop else "",
            ]
        )
    beside = rows[0].beside if rows else "PyTorch"
    return Table(["work", "minigen", beside, "ratio", "quartiles", "GFLOP/s"], cells, "lrrrrr")


def as_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows to a CSV file, all columns, in one indivisible step."""
    table = Table([field.name for field in fields(Row)], [astuple(row) for row in rows])
    replace_file(path, table.csv().encode())


def plot_ratios(path: Path, rows: Sequence[Row]) -> None:
    """Bars: our time over PyTorch's, with quartiles; left of the line is faster than PyTorch."""
    from ..plot import COLORS, figure, save_figure

    shown = [row for row in rows if row.beside_pytorch]
    caption = "Median of our time over PyTorch's, both taking turns; whiskers: quartiles. Left of 1 we are faster."
    picture, axes = figure(size=(8, 1.3 + 0.24 * len(shown)), caption=caption)
    places = list(range(len(shown)))
    colours = [COLORS["blue"] if row.ratio <= 1 else COLORS["red"] for row in shown]
    axes.barh(places, [row.ratio for row in shown], color=colours, height=0.7)
    errors = [[row.ratio - row.low for row in shown], [row.high - row.ratio for row in shown]]
    axes.errorbar([row.ratio for row in shown], places, xerr=errors, fmt="none", ecolor="black", elinewidth=1)
    axes.axvline(1, color="black", linewidth=1, linestyle="-")
    axes.set_yticks(places, [row.work for row in shown], fontsize=8)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0, 1.15 * max([1.0, *(row.ratio for row in shown)]))  # a stray whisker must not squeeze the bars
    axes.set_xlabel("our time / PyTorch's time")
    save_figure(picture, path)


def plot_roofline(path: Path, rows: Sequence[Row], peak: float, bandwidth: float) -> None:
    """Where each kernel stands under the two limits of the machine: arithmetic and memory.

    Parameters
    ----------
    path : Path
    rows : sequence of Row
        Those with operations and memory counted are drawn.
    peak : float
        GFLOP/s of a large matrix product.
    bandwidth : float
        GB/s of a large copy.
    """
    from ..plot import COLORS, figure, save_figure

    shown = [row for row in rows if row.gflop and row.megabytes]
    caption = (
        "Each point is a kernel. The roof is what memory (rising) and a matrix product (flat) allow; Winograd "
        "may pass it, as it gets by with fewer operations than are counted."
    )
    picture, axes = figure(size=(8, 5), caption=caption)
    intensity = [row.gflop / row.megabytes * 1e3 for row in shown]
    bend = peak / bandwidth
    span = [min([1, *intensity]) / 2, max([2 * bend, *intensity]) * 2]
    axes.loglog([span[0], bend, span[1]], [span[0] * bandwidth, peak, peak], color="black", linestyle="-")
    for label, time, colour, marker in (("minigen", "ours", "blue", "o"), ("PyTorch", "theirs", "orange", "s")):
        points = [(x, row.gflop / getattr(row, time) * 1e3) for x, row in zip(intensity, shown)]
        points = [point for point in points if math.isfinite(point[1])]
        if points:
            axes.scatter(*zip(*points), color=COLORS[colour], marker=marker, label=label, zorder=3)
    axes.set_xlabel("operations per byte moved at the least (FLOP/B)")
    axes.set_ylabel("nominal GFLOP/s")
    axes.legend()
    save_figure(picture, path)
