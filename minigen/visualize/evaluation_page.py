"""The page of ``minigen evaluate``: one HTML file with numbers, samples that were not chosen, and what is not seen."""

import html
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.optional import require
from .._util.tables import Table, html_page
from ..metrics import MEASURES, Evaluation, Protocol, Reference, check_comparable, describe_protocol, headline
from ..metrics.evaluation import number, seeds_table
from ..plot import COLORS, figure, image_grid, style
from ..plot.curves import read_csv
from ..plot.style import GREY
from .page_parts import STYLE, embed_plot, embed_png

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

__all__ = ["evaluation_page"]

BLIND = [
    ["FID", "copies (they make it better); only means and covariances count; falls with the number of images"],
    ["KID", "copies; differences beyond third moments"],
    ["inception score", "real images at all: one clear image of each class has the maximum"],
    ["precision", "missing classes, repeated images, copies"],
    ["recall", "a wrong mixture of classes; junk, whose balls are huge"],
    ["density", "missing classes; rewards samples in the dense parts of the data"],
    ["coverage", "the quality of samples outside of the data; depends on both numbers of images"],
    ["total variation", "everything within a class"],
    ["1-NN accuracy", "in what the sets differ; copies and bad samples cancel"],
    ["copies", "copies that were shifted or changed; says nothing about quality"],
]
"""For each measure what it cannot see; the planted failures in the reference pages show each."""

ARROWS = {"lower": "↓ lower is better", "higher": "↑ higher is better"}


def evaluation_page(
    names: Sequence[str],
    found: Sequence[Evaluation],
    records: Sequence[Mapping[str, Any]],
    reference: Reference,
    protocol: Protocol,
    groups: Sequence[str] = (),
    histories: Mapping[str, Path] | None = None,
) -> str:
    """Write the page about one run, or about several runs that are compared.

    Parameters
    ----------
    names : sequence of str
        Of the runs.
    found : sequence of Evaluation
    records : sequence of dict
        What `minigen.metrics.record` returned for each.
    reference : Reference
    protocol : Protocol
    groups : sequence of str
        The configuration of each run, see `minigen.metrics.evaluation.seeds_table`.
    histories : mapping of str to Path, optional
        For runs that were trained with ``--measure`` the file of the measures of each epoch.

    Returns
    -------
    str
        HTML that needs no other file.

    Raises
    ------
    ValueError
        If the records are of different judges, references or numbers of samples.
    """
    check_comparable(records)
    title = names[0] if len(names) == 1 else f"{len(names)} runs"
    parts = [f"<h1>Evaluation of {html.escape(title)}</h1>"]
    if len(names) == 1:
        parts += _one_run(names[0], found[0], reference)
    else:
        parts += _several_runs(names, found, reference, groups or names)
    history = _history(histories or {})
    if history:
        parts += ["<h2>KID after each epoch</h2>", history]
    parts += ["<h2>What these numbers cannot see</h2>", Table(["measure", "does not see"], BLIND).html()]
    parts += ["<h2>How it was measured</h2>", _protocol(records, reference, protocol)]
    return html_page(f"Evaluation of {title}", "\n".join(parts), STYLE)


# ---- one run


def _one_run(name: str, found: Evaluation, reference: Reference) -> list[str]:
    parts = [f'<p class="headline">{html.escape(headline(found))}</p>', *_notes(found)]
    parts += ["<h2>Samples, not chosen</h2>", _samples(found, reference)]
    if not found.classes and not found.pairs:
        return parts
    parts += ["<h2>Numbers</h2>", _numbers(found, reference)]
    if found.classes:
        parts += [
            "<h2>Each class</h2>",
            embed_plot(_class_bars(found), "one bar a class, as the reader reads the samples"),
        ]
    if found.curve is not None and found.real_curve is not None:
        parts += ["<h2>Precision and recall of distributions</h2>"]
        parts += [embed_plot(_prd_picture(found), "20 clusters; the upper right corner is perfect")]
    return [*parts, "<h2>The five closest pairs</h2>", _pairs(found), *_membership(found)]


def _notes(found: Evaluation) -> list[str]:
    failed = [f'<p class="failed">failed: {html.escape(text)}</p>' for text in found.failures]
    return failed + [f'<p class="note">{html.escape(text)}</p>' for text in found.warnings]


def _samples(found: Evaluation, reference: Reference) -> str:
    order = np.random.default_rng(0).permutation(len(reference.real))[:64]
    sheets = [
        (found.images[:64], "the first 64 samples", 8),
        (reference.real.images[order], "64 real images", 8),
    ]
    if len(found.least):
        sheets.append((found.images[found.least], "the 8 samples farthest outside of the data", 8))
    return '<div class="row">' + "".join(_picture(images, text, columns) for images, text, columns in sheets) + "</div>"


def _numbers(found: Evaluation, reference: Reference) -> str:
    rows, perfect = [], reference.expected_coverage(len(found.images))
    for name, (label, better) in MEASURES.items():
        one = found.measures[name]
        interval = f"{number(one.low)} to {number(one.high)}" if math.isfinite(one.low) else ""
        arrow = ARROWS.get(better, f"{better} is good")
        note = f"{arrow}; a perfect model has {perfect:.3f}" if name == "coverage" else arrow
        rows.append([label, number(one.value), interval, number(one.floor), number(one.floor_test), note])
    columns = ["measure", "value", "95 % interval", "real images", "test images", ""]
    return Table(columns, rows, "lrrrrl").html()


def _class_bars(found: Evaluation) -> "Figure":
    names = [row.name for row in found.classes]
    places = np.arange(len(names))
    with style():
        picture, axes = figure(1, 3, size=(12, 3.2))
        for place, (key, label) in zip(
            np.ravel(axes), (("count", "samples in a draw"), ("precision", "precision"), ("coverage", "coverage"))
        ):
            place.bar(places, [getattr(row, key) for row in found.classes], color=COLORS["blue"])
            if key == "count":
                place.plot(places, [row.expected for row in found.classes], "_", color=COLORS["black"], markersize=14)
                place.annotate("— share in the data", (0.02, 0.98), xycoords="axes fraction", va="top", fontsize=9)
            else:
                place.set_ylim(0, 1)
            place.set(xlabel="class", ylabel=label)
            place.set_xticks(places, names, rotation=0 if max(map(len, names)) < 3 else 60)
    return picture


def _prd_picture(found: Evaluation) -> "Figure":
    assert found.curve is not None and found.real_curve is not None
    with style():
        picture, axes = figure(size=(4.6, 4.2))
        axes.plot(found.real_curve.recall, found.real_curve.precision, "--", color=GREY, label="real images")
        axes.plot(found.curve.recall, found.curve.precision, color=COLORS["blue"], label="samples")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.03), ylim=(0, 1.03))
        axes.legend(loc="lower left")
        axes.set_title(f"F8 {found.curve.f8:.2f} (recall), F1/8 {found.curve.f1_8:.2f} (precision)", fontsize=10)
    return picture


def _pairs(found: Evaluation) -> str:
    figures = []
    for pair in found.pairs:
        text = f"{pair.distance:.2f} from training image {pair.train_index}, {pair.test_distance:.2f} from a test image"
        figures.append(_picture(np.stack([pair.sample, pair.train, pair.test]), text, 3, 2))
    head = (
        '<p class="small">Each: sample, its nearest training image, its nearest test image (distances in pixels).</p>'
    )
    return f'{head}<div class="row pairs">{"".join(figures)}</div>'


def _membership(found: Evaluation) -> list[str]:
    """Whether the training images are given away, though no sample copies them."""
    one = found.membership
    if one is None:
        return []
    area = f"AUC {one.auc.value:.3f}, {one.auc.low:.3f} to {one.auc.high:.3f}; chance 0.5 &plusmn; {one.chance:.3f}"
    counts = f"{one.members} training images against {one.others} new ones"
    return [f"<p>Membership: {html.escape(one.verdict)} ({area}; {counts}).</p>"]


# ---- several runs


def _several_runs(
    names: Sequence[str], found: Sequence[Evaluation], reference: Reference, groups: Sequence[str]
) -> list[str]:
    parts = ["<h2>Numbers</h2>", seeds_table(names, found, groups).html()]
    parts.append(
        embed_plot(_dots(found, groups or names), "each dot a run, the line their median, dashed: real images")
    )
    for name, one in zip(names, found):
        parts.append(f"<h2>{html.escape(name)}</h2><p class='headline'>{html.escape(headline(one))}</p>")
        parts += [*_notes(one), _samples(one, reference)]
        if one.pairs:
            parts += ["<h3>The five closest pairs</h3>", _pairs(one)]
        parts += _membership(one)
    return parts


def _dots(found: Sequence[Evaluation], groups: Sequence[str]) -> "Figure":
    keys, labels = ("fid", "kid", "precision", "recall", "coverage", "class_tv"), list(dict.fromkeys(groups))
    with style():
        picture, places = figure(2, 3, size=(12, 5.5))
        for axes, key in zip(np.ravel(places), keys):
            for x, label in enumerate(labels):
                of_group = [one.measures[key].value for one, group in zip(found, groups) if group == label]
                known = [value for value in of_group if math.isfinite(value)]
                axes.plot(x + np.linspace(-0.15, 0.15, len(known)), known, "o", color=COLORS["blue"], markersize=5)
                if known:
                    axes.hlines(statistics.median(known), x - 0.3, x + 0.3, color=COLORS["black"])
            axes.axhline(found[0].measures[key].floor, color=GREY, linestyle="--", linewidth=1)
            axes.set(xlim=(-0.6, len(labels) - 0.4), title=MEASURES[key][0])
            axes.set_xticks(range(len(labels)), labels, fontsize=10, rotation=0 if len(labels) < 8 else 60)
            axes.title.set_fontsize(11)
            values = [one.measures["fid"].value for one in found if math.isfinite(one.measures["fid"].value)]
            if key == "fid" and values and max(values) > 10 * min(values):
                axes.set_yscale("log")
    return picture


def _history(files: Mapping[str, Path]) -> str:
    if not files:
        return ""
    with style():
        picture, axes = figure(size=(7, 3.2))
        for i, ((name, path), color) in enumerate(zip(files.items(), list(COLORS.values()) * len(files))):
            table, line = read_csv(path), ("-", "--", "-.", ":")[i % 4]  # on paper there may be no colors
            axes.plot(table["epoch"], table["kid"], line, marker="o", markersize=3, color=color, label=name)
        axes.set(xlabel="epoch", ylabel="KID", yscale="symlog" if len(files) > 1 else "linear")
        axes.axhline(0, color=GREY, linewidth=1)
        axes.legend(fontsize=9)
    return embed_plot(picture, "a line for each run that was trained with --measure")


# ---- parts


def _protocol(records: Sequence[Mapping[str, Any]], reference: Reference, protocol: Protocol) -> str:
    first = records[0]
    judges = first["judges"]
    lines = [
        describe_protocol(reference, protocol),
        "The value is the mean over the draws; the interval is its t interval. Real images: the same number of images "
        "that the reference does not hold, with the same reference. A distance below that is an alarm, not a triumph.",
        f"Judges: trained on {judges['data']}; SHA-256 {judges['sha256']}. Numbers of other judges cannot be compared.",
        f"Reference: SHA-256 {first['reference']['sha256']}.",
    ]
    for one in records:
        run, step, checkpoint = (one.get(key, "") for key in ("run", "step", "checkpoint_sha256"))
        lines.append(f"Run {run}: step {step}, checkpoint SHA-256 {checkpoint}.")
    return '<p class="small">' + "<br>\n".join(html.escape(line) for line in lines) + "</p>"


def _picture(images: "NDArray[Any]", text: str, columns: int, scale: int | None = None) -> str:
    """Images as an embedded PNG, with a caption."""
    side = images.shape[3]
    scale = scale or max(1, round(56 / side))
    grid = image_grid(images if images.shape[1] in (1, 3) else images[:, :1], columns)
    memory = io.BytesIO()
    require("PIL.Image").fromarray(grid).save(memory, format="png", optimize=True)
    width = grid.shape[1] * scale
    return embed_png(memory.getvalue(), text, f'width="{width}"', f"max-width:{max(width, 150)}px")
