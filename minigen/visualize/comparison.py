"""Runs side by side: what differs between them, what they logged, and what ``minigen evaluate`` measured.

A GAN's losses do not say which of two runs is better: they are a game of two networks.  So "best" is given only for
numbers that have a better end, such as KID, or the loss of a VAE.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.tables import Table
from ..metrics import MEASURES, check_comparable
from ..metrics.evaluation import number
from ..plot.curves import CLOCKS, running_mean, smoothing
from ..train import RunError, open_run
from ..train.log import read_log

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..train import Run

__all__ = ["RunRecord", "differing_options", "notes", "numbers_table", "read_runs"]

LOWER = ("loss", "loss_pixel", "loss_validation", "kid", "class_tv")
HIGHER = ("psnr", "labelled_accuracy", "coverage")
"""Which logged numbers have a better end.  ``loss`` is that of a VAE; those of a GAN are ``loss_d`` and ``loss_g``."""


@dataclass(frozen=True)
class RunRecord:
    """What is left of a run, without its model.

    Parameters
    ----------
    label : str
        Its name, or its path where two names are equal.
    run : Run
    log : dict of str to ndarray
        A row for each step.
    measures : dict of str to ndarray
        With ``--measure`` or ``--validation``: a row for each epoch; else empty.
    evaluation : dict or None
        What ``minigen evaluate`` stored, see `minigen.metrics.record`.
    """

    label: str
    run: "Run"
    log: "Mapping[str, NDArray[np.float64]]"
    measures: "Mapping[str, NDArray[np.float64]]"
    evaluation: Mapping[str, Any] | None

    @property
    def step(self) -> int:
        """The last step in the log."""
        return int(self.log["step"][-1])

    def options(self) -> dict[str, Any]:
        """Every field of the config that was asked for by name, the options of the model among them."""
        left_out = ("options", "class_names", "environment", "measure")
        config = {name: value for name, value in self.run.config.items() if name not in left_out}
        return config | self.run.config["options"]


def read_runs(names: Sequence[str]) -> list[RunRecord]:
    """Read runs that are to be compared.

    Parameters
    ----------
    names : sequence of str
        Two or more, of runs in the folder ``runs``, or paths.

    Returns
    -------
    list of RunRecord

    Raises
    ------
    ValueError
        If there are fewer than two different runs, or their families log no number in common.
    RunError
        If there is no such run, it has no log, or a file of it is damaged.
    """
    runs = [open_run(name) for name in names]
    if len(runs) < 2:
        raise ValueError(f"compare: expected at least two runs, got {len(runs)}")
    paths = [run.path.resolve() for run in runs]
    for i, run in enumerate(runs):
        if paths[i] in paths[:i]:
            raise ValueError(f"compare: expected different runs, got {run.path} twice")
    short = [run.name for run in runs]
    stored = {run.path: _stored_evaluations(run) for run in runs}
    together = [record for records in stored.values() for record in records]
    found = []
    for run in runs:
        if not run.log.is_file():
            if "compressed" in run.config:
                raise RunError(f"compare: the run {run} is compressed: it has no log")
            raise RunError(f"compare: the run {run.path} has no log yet: {run.log.name} is missing")
        log = read_log(run.log)
        measures = read_log(run.measures) if run.measures.is_file() else {}
        unique = short.count(run.name) == 1
        # Runs may have been moved since, so a record is found by the name of its run.  Two runs of one name have only
        # the record in their own folder.
        evaluation = _evaluation_of(run, together if unique else stored[run.path])
        found.append(RunRecord(run.name if unique else str(run), run, log, measures, evaluation))
    _check_common_numbers(found)
    return found


def _check_common_numbers(records: Sequence[RunRecord]) -> None:
    logged = [[name for name in one.log if name not in CLOCKS] for one in records]
    for one, names in zip(records[1:], logged[1:]):
        if not set(names) & set(logged[0]):
            first, other = (Path(str(record.run.config["model"])).name for record in (records[0], one))
            raise ValueError(
                f"compare: runs of different families, which log no number in common: {records[0].label} is a {first} "
                f"({', '.join(logged[0])}), {one.label} a {other} ({', '.join(names)})"
            )


def _stored_evaluations(run: "Run") -> list[dict[str, Any]]:
    """What is in the file of ``minigen evaluate``: of this run, or of several that were evaluated together."""
    path = run.path / "evaluation.json"
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        records = content.get("runs", [content])
        for one in records:
            check_comparable([one])
            _ = [float(one["measures"][name]["value"] or 0) for name in MEASURES], one["run"], one["step"]
        return list(records)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} is damaged ({error}): run minigen evaluate again, or delete it") from None


def _evaluation_of(run: "Run", stored: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The newest state of this run that was evaluated."""
    mine = [
        one
        for one in stored
        if Path(one["run"]).name == run.name
        and one.get("seed_of_run") == run.config["seed"]
        and one.get("model") == run.config["model"]
    ]
    return max(mine, key=lambda one: one["step"], default=None)


def differing_options(records: Sequence[RunRecord]) -> Table:
    """The options that are not the same in all runs, a column for each run; a dash where a run has no such option.

    >>> import minigen as mg
    >>> mg.visualize.comparison.differing_options([]).rows
    []
    """
    options = [one.options() for one in records]
    names = dict.fromkeys(name for one in options for name in one)
    rows = []
    for name in names:
        values = [_text(one[name]) if name in one else "-" for one in options]
        if len(set(values)) > 1:
            rows.append([name, *values])
    return Table(["option", *(one.label for one in records)], rows)


def _text(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def notes(records: Sequence[RunRecord]) -> list[str]:
    """What a reader has to know before comparing the numbers."""
    found = []

    def different(name: str) -> str:
        values = list(dict.fromkeys(_text(one.options()[name]) for one in records if name in one.options()))
        return ", ".join(values) if len(values) > 1 else ""

    if different("data") or different("size"):
        found.append(f"The runs learn from different images ({different('data') or different('size')}).")
    kinds = [name for name in ("model", "loss", "likelihood", "beta") if different(name)]
    if kinds:
        what = "; ".join(f"{name}: {different(name)}" for name in kinds)
        found.append(f"A loss of one kind cannot be compared with a loss of another ({what}).")
    if any("loss_d" in one.log for one in records):
        found.append("A lower loss of G or D does not mean better images: compare samples, and minigen evaluate.")
    if different("batch_size"):
        found.append("The batches differ in size: the curves are over the images seen, not over the steps.")
    if len({one.step for one in records}) > 1:
        found.append(
            "The runs have different lengths: " + ", ".join(f"{one.label} {one.step} steps" for one in records)
        )
    known = [one for one in records if one.evaluation is not None]
    found += [
        f"{one.label} was evaluated at step {one.evaluation['step']}, and its log ends at step {one.step}."
        for one in known
        if one.evaluation is not None and one.evaluation["step"] != one.step
    ]
    if len(known) < len(records):
        missing = ", ".join(one.label for one in records if one.evaluation is None)
        found.append(f"No stored evaluation: {missing}. Run minigen evaluate RUN first.")
    try:
        check_comparable([one.evaluation for one in known if one.evaluation is not None])
    except ValueError as error:
        found.append(f"The evaluations are left out: {str(error).removeprefix('compare: ')}.")
    return found


def comparable_evaluations(records: Sequence[RunRecord]) -> dict[str, Mapping[str, Any]]:
    """The measures of the runs that were evaluated, by label; empty if they cannot be compared."""
    known = {one.label: one.evaluation for one in records if one.evaluation is not None}
    try:
        check_comparable(list(known.values()))
    except ValueError:
        return {}
    return {label: one["measures"] for label, one in known.items()}


def logged_names(tables: "Sequence[Mapping[str, NDArray[np.float64]]]") -> list[str]:
    """The names of the numbers in any of the tables, losses first."""
    names = dict.fromkeys(name for table in tables for name in table if name not in CLOCKS)
    return sorted(names, key=lambda name: not name.startswith("loss"))


def numbers_table(records: Sequence[RunRecord]) -> Table:
    """The last and the best value of every logged number, and what was evaluated; a column for each run.

    A value of the log is a running mean, the one that the curves show.  Behind the best value is its step.
    """
    rows: list[list[str]] = []
    for kind, tables in (("", [one.log for one in records]), (" (epoch)", [one.measures for one in records])):
        for name in logged_names(tables):
            rows.append([f"{name}{kind}, last", *(number(_smooth(table, name)[0][-1]) for table in tables)])
            if name in LOWER + HIGHER:
                rows.append([f"{name}{kind}, best", *(_best(table, name) for table in tables)])
    evaluated = comparable_evaluations(records)
    for name, (label, better) in MEASURES.items() if evaluated else ():
        cells = [_evaluated(evaluated[one.label][name]) if one.label in evaluated else "-" for one in records]
        rows.append([f"{label}, evaluated ({better})", *cells])
    return Table(["number", *(one.label for one in records)], rows, "l" + "r" * len(records))


def _smooth(table: "Mapping[str, NDArray[np.float64]]", name: str) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """The running mean of a column, and the steps in the middle of its windows; NaN if there is no such column."""
    if name not in table:
        return np.array([math.nan]), np.array([0.0])
    values, steps = table[name], table["step"]
    half = smoothing(len(values))
    return (running_mean(values, half), steps[half:-half]) if half else (values, steps)


def _best(table: "Mapping[str, NDArray[np.float64]]", name: str) -> str:
    values, steps = _smooth(table, name)
    if np.isnan(values).all():
        return "-"
    place = int(np.nanargmin(values) if name in LOWER else np.nanargmax(values))
    return f"{number(values[place])} (step {steps[place]:.0f})"


def _evaluated(one: Mapping[str, float | None]) -> str:
    if one["value"] is None:
        return "-"
    low, high = one.get("low"), one.get("high")
    return number(one["value"]) + ("" if low is None or high is None else f" ({number(low)} to {number(high)})")
