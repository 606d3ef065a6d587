"""Measure a generator by several fresh draws of samples, beside what real images measure.

The protocol: 10 draws of 1,000 samples, each compared with the same reference (`minigen.metrics.reference`); the value
is the mean over the draws, with its t interval.  Beside it stands the floor: the same for real images that the
reference does not hold.  `minigen evaluate` prints the result, and writes it as a page and as JSON.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.optional import installed_version
from .._util.tables import Table
from .class_shares import class_shares
from .distortions import round_to_levels
from .membership import Membership
from .neighbors import nearest
from .prd import PRD, prd
from .reference import DISTANCES, EXPECTED, MEASURES, Measured, Reference
from .uncertainty import t_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "SCHEMA",
    "ClassRow",
    "ClosePair",
    "Evaluation",
    "Floor",
    "Protocol",
    "Value",
    "check_comparable",
    "describe_protocol",
    "evaluate_samples",
    "headline",
    "measure_floors",
    "number",
    "record",
    "seeds_table",
]

SCHEMA = 1
"""Version of the records."""

PAIRS = 5  # closest pairs of samples and training images
LEAST = 8  # least precise samples

Draw = Callable[[int], "NDArray[Any]"]
"""Function of the number of a draw to samples (n, C, H, W)."""


@dataclass(frozen=True)
class Protocol:
    """How much is measured.

    Parameters
    ----------
    n : int
        Samples in a draw, at least 6.
    draws : int
        At least 1; one draw has no interval.
    seed : int
        Draw i comes from the seed [seed, i].
    """

    n: int = 1000
    draws: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Floor:
    """What real images measure: as many as samples, with the same reference.

    Parameters
    ----------
    value : float
        Mean over draws of real images that the reference does not hold.
    sd : float
        Standard deviation of one draw.
    test : float
        The same of test images; NaN if these are the reference.
    """

    value: float
    sd: float
    test: float


@dataclass(frozen=True)
class Value:
    """One measure of a generator.

    Parameters
    ----------
    value, se, low, high : float
        Mean over the draws, its standard error and 95 % interval; NaN where the measure has no meaning.
    floor, floor_se, floor_test : float
        See `Floor`; `floor_se` is the standard deviation of one draw.
    per_draw : tuple of float
    """

    value: float
    se: float
    low: float
    high: float
    floor: float
    floor_se: float
    floor_test: float
    per_draw: tuple[float, ...]


@dataclass(frozen=True)
class ClassRow:
    """One class of the data, as the reader reads it.

    Parameters
    ----------
    name : str
    count, expected : float
        Samples of this class in a draw (mean over the draws), and what its share in the data would give.
    precision : float
        Share of these samples inside the data; NaN without samples.
    coverage : float
        Share of the real images of this class that are covered.
    """

    name: str
    count: float
    expected: float
    precision: float
    coverage: float


@dataclass(frozen=True, eq=False)
class ClosePair:
    """A sample and the training image that is nearest to it.

    Parameters
    ----------
    sample, train, test : ndarray (C, H, W)
        `test` is the nearest test image, to compare with.
    distance, test_distance : float
        In pixels, Euclidean.
    draw, index, train_index : int
        Which sample of which draw, and which training image.
    """

    sample: "NDArray[Any]"
    train: "NDArray[Any]"
    test: "NDArray[Any]"
    distance: float
    test_distance: float
    draw: int
    index: int
    train_index: int


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that is known of a generator after its draws.

    Parameters
    ----------
    measures : dict of str to Value
        By the names of `minigen.metrics.MEASURES`.
    classes : list of ClassRow
        Empty for judges without classes.
    pairs : list of ClosePair
        The five closest of all draws.
    images : ndarray (n, C, H, W)
        The first draw.
    least : ndarray of int (8,)
        Which samples of the first draw lie farthest outside of the data.
    curve, real_curve : PRD
        Of the first draw, and of real images.
    lost : list of str
        Classes with less than a tenth of their share.
    failures : list of str
        Why the run counts as failed, by the fixed rule; empty if it does not.
    warnings : list of str
    membership : Membership, optional
        Whether the model's own score tells training images from new ones, for a GAN or a VAE.
    """

    measures: dict[str, Value]
    classes: list[ClassRow]
    pairs: list[ClosePair]
    images: "NDArray[Any]"
    least: "NDArray[np.int64]"
    curve: PRD | None
    real_curve: PRD | None
    lost: list[str]
    failures: list[str]
    warnings: list[str]
    membership: Membership | None = None


def measure_floors(reference: Reference, protocol: Protocol) -> dict[str, Floor]:
    """Measure real images as samples are measured: once for all generators that are compared with the reference.

    Parameters
    ----------
    reference : Reference
    protocol : Protocol

    Returns
    -------
    dict of str to Floor

    Examples
    --------
    >>> import minigen as mg
    >>> from minigen.metrics import random_judges
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> reference = Reference(random_judges((1, 8, 8)), train, test)
    >>> floors = measure_floors(reference, Protocol(n=200, draws=2))
    >>> floors["precision"].value > 0.8
    True
    """
    n = min(protocol.n, reference.floor_size)
    found = [reference.measure(images, copies=False).values for images in reference.floor_draws(n, protocol.draws)]
    test: Mapping[str, float] = {}
    if reference.against == "train":
        order = np.random.default_rng(protocol.seed).permutation(len(reference.test))[: protocol.n]
        test = reference.measure(reference.test.images[order], copies=False).values
    floors = {}
    for name in MEASURES:
        column = [values[name] for values in found]
        sd = float(np.std(column, ddof=1)) if len(column) > 1 else math.nan
        floors[name] = Floor(float(np.mean(column)), sd, test.get(name, math.nan))
    # By construction a hundredth of the test images is near; real training images would be copies of themselves.
    for name in ("copies", "copies_alone", "copies_features"):
        floors[name] = Floor(0.01, math.sqrt(0.01 * 0.99 / protocol.n), 0.01)
    return floors


def evaluate_samples(
    draw: Draw, reference: Reference, protocol: Protocol, floors: Mapping[str, Floor], progress: Any = None
) -> Evaluation:
    """Measure a generator.

    Parameters
    ----------
    draw : callable
        Function of the number of a draw to samples (n, C, H, W) in [-1, 1].
    reference : Reference
    protocol : Protocol
    floors : mapping
        What `measure_floors` returned for the same reference and protocol.
    progress : callable, optional
        Called after each draw.

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If the samples do not fit the judges.

    Examples
    --------
    >>> import minigen as mg
    >>> from minigen.metrics import random_judges
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> reference, protocol = Reference(random_judges((1, 8, 8)), train, test), Protocol(n=200, draws=2)
    >>> floors = measure_floors(reference, protocol)
    >>> found = evaluate_samples(lambda i: test.images[i::2][:200], reference, protocol, floors)
    >>> found.measures["precision"].value > 0.8, len(found.pairs)
    (True, 5)
    """
    first, measured, pairs = None, [], []
    for i in range(protocol.draws):
        images = np.asarray(draw(i))
        if not np.isfinite(images).all():
            return _failed(images, floors, "NaN or infinite values in the samples")
        found = reference.measure(images)
        first = round_to_levels(images) if first is None else first
        measured.append(found)
        pairs += _closest(found, round_to_levels(images), reference, i)
        if progress is not None:
            progress()
    assert first is not None
    measures = {name: _value([one.values[name] for one in measured], floors[name]) for name in MEASURES}
    lost, failed = _lost(measured, reference)
    enough = reference.enough_for_classes(protocol.n * protocol.draws)
    few = [] if enough else [f"{protocol.n * protocol.draws} samples are too few to say whether classes are missing"]
    failures = [f"lost {len(lost)} classes: {', '.join(lost)}"] if failed else []
    real = next(reference.floor_draws(protocol.n, 1))
    return Evaluation(
        measures,
        _class_rows(measured, reference, protocol.n),
        sorted(pairs, key=lambda pair: pair.distance)[:PAIRS],
        first,
        np.argsort(-measured[0].coverage.margin, kind="stable")[:LEAST],
        prd(reference.features, measured[0].features),
        prd(reference.features, reference.judges.looker.features(real)),
        lost,
        failures,
        list(dict.fromkeys([text for one in measured for text in one.warnings] + few + _alarms(measures))),
    )


def _failed(images: "NDArray[Any]", floors: Mapping[str, Floor], reason: str) -> Evaluation:
    measures = {name: _value([math.nan], floors[name]) for name in MEASURES}
    shown = np.nan_to_num(images).clip(-1, 1).astype(np.float32)
    return Evaluation(measures, [], [], shown, np.zeros(0, np.int64), None, None, [], [reason], [])


def _value(values: Sequence[float], floor: Floor) -> Value:
    if not np.isfinite(values).all():
        return Value(math.nan, math.nan, math.nan, math.nan, floor.value, floor.sd, floor.test, tuple(values))
    interval = t_interval(values)
    return Value(
        interval.value, interval.se, interval.low, interval.high, floor.value, floor.sd, floor.test, tuple(values)
    )


def _closest(found: Measured, images: "NDArray[Any]", reference: Reference, draw: int) -> list[ClosePair]:
    order = np.argsort(found.copies.distance, kind="stable")[:PAIRS]
    test = reference.test.images
    apart, where = nearest(
        images[order].reshape(len(order), -1).astype(np.float64), test.reshape(len(test), -1).astype(np.float64)
    )
    return [
        ClosePair(
            images[i],
            reference.train.images[found.copies.index[i]],
            test[where[k, 0]],
            float(found.copies.distance[i]),
            float(apart[k, 0]),
            draw,
            int(i),
            int(found.copies.index[i]),
        )
        for k, i in enumerate(order)
    ]


def _lost(measured: Sequence[Measured], reference: Reference) -> tuple[list[str], bool]:
    read = [one.classes for one in measured if one.classes is not None]
    return reference.lost(np.concatenate(read)) if read else ([], False)


def _class_rows(measured: Sequence[Measured], reference: Reference, n: int) -> list[ClassRow]:
    if reference.classes is None or reference.shares is None:
        return []
    count = len(reference.judges.classes)
    read = np.concatenate([one.classes for one in measured if one.classes is not None])
    inside = np.concatenate([one.coverage.inside for one in measured])
    covered = np.mean([one.coverage.covered for one in measured], axis=0)
    shares = class_shares(read, count)
    rows = []
    for c, name in enumerate(reference.judges.classes):
        of_samples, of_real = inside[read == c], covered[reference.classes == c]
        rows.append(
            ClassRow(
                name,
                float(n * shares[c]),
                float(n * reference.shares[c]),
                float(of_samples.mean()) if len(of_samples) else math.nan,
                float(of_real.mean()) if len(of_real) else math.nan,
            )
        )
    return rows


def _alarms(measures: Mapping[str, Value]) -> list[str]:
    """Warn of values that are better than those of real images."""
    found = []
    for name in DISTANCES:
        one = measures[name]
        if one.value < one.floor - 3 * one.floor_se and (name != "fid" or one.value > 0):
            found.append(
                f"{MEASURES[name][0]} {one.value:.3g} is below that of real images ({one.floor:.3g}): "
                "copies of training images give this"
            )
    for name in ("copies", "copies_alone", "copies_features"):
        one = measures[name]
        if (one.low if math.isfinite(one.low) else one.value) > one.floor + 3 * one.floor_se:
            text = f"{MEASURES[name][0]}: {one.value:.1%} of the samples, 1 % without copies"
            found.append(f"{text}; see the closest pairs")
    return found


def headline(found: Evaluation) -> str:
    """Say in one sentence how good a generator is.

    Returns
    -------
    str
        Such as "FID 3.26 +- 0.08, 10.9 % of the variance; real against real 0.10; no copies; all 10 classes".
    """
    if found.failures and not found.classes:
        return f"failed: {found.failures[0]}"
    one = found.measures["fid"] if math.isfinite(found.measures["fid"].value) else found.measures["kid"]
    name = "FID" if one is found.measures["fid"] else "KID"
    spread = f" +- {one.high - one.value:.2g}" if math.isfinite(one.high) else ""
    share = f", {found.measures['fid_percent'].value:.1f} % of the variance" if name == "FID" else ""
    parts = [f"{name} {one.value:.3g}{spread}{share}", f"real against real {one.floor:.2g}"]
    copies = found.measures["copies"]
    sure = copies.low if math.isfinite(copies.low) else copies.value
    parts.append(f"{copies.value:.1%} near copies" if sure > copies.floor + 3 * copies.floor_se else "no copies")
    if found.classes and min(row.expected for row in found.classes if row.expected) * len(one.per_draw) >= EXPECTED:
        parts.append(f"without {', '.join(found.lost)}" if found.lost else f"all {len(found.classes)} classes")
    return "; ".join(parts)


def describe_protocol(reference: Reference, protocol: Protocol) -> str:
    """Say in one line what was compared with what, and by which judges."""
    half = "half of the training images" if reference.against == "train" else "test images"
    weak = " (random features: weak)" if reference.judges.weak else ""
    draws = f"{protocol.draws} draw{'s' * (protocol.draws != 1)}"
    return (
        f"{draws} of {protocol.n} samples against {len(reference.real)} images ({half}) of "
        f"{reference.real.name}; judges {reference.judges.sha256[:8]}{weak}"
    )


def record(
    found: Evaluation, reference: Reference, protocol: Protocol, run: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Turn an evaluation into plain values for JSON (schema 1); NaN becomes null.

    Parameters
    ----------
    found : Evaluation
    reference : Reference
    protocol : Protocol
    run : mapping, optional
        What identifies the generator: its run, step and checkpoint.

    Returns
    -------
    dict
    """
    pairs = [
        {name: getattr(pair, name) for name in ("distance", "test_distance", "draw", "index", "train_index")}
        for pair in found.pairs
    ]
    result: dict[str, Any] = {
        "schema": SCHEMA,
        **(run or {}),
        "headline": headline(found),
        "judges": reference.judges.describe(),
        "reference": {
            "data": reference.real.name,
            "against": reference.against,
            "images": len(reference.real),
            "variance": reference.variance,
            "sha256": reference.sha256,
        },
        "n": protocol.n,
        "draws": protocol.draws,
        "seed": protocol.seed,
        "measures": {name: asdict(value) for name, value in found.measures.items()},
        "expected_coverage": reference.expected_coverage(protocol.n),
        "per_class": [asdict(row) for row in found.classes],
        "memorization": {
            "closest": pairs,
            "membership": None if found.membership is None else asdict(found.membership),
        },
        "lost_classes": found.lost,
        "failures": found.failures,
        "warnings": found.warnings,
        "versions": {name: installed_version(name) for name in ("minigen-lab", "numpy")},
    }
    plain: dict[str, Any] = _plain(result)
    return plain


def number(value: float) -> str:
    """Write a value with three or four digits; a dash for NaN.

    >>> number(3.2567), number(0.0012), number(123.4), number(float("nan"))
    ('3.257', '0.0012', '123.4', '-')
    """
    if not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def seeds_table(names: Sequence[str], found: Sequence[Evaluation], groups: Sequence[str]) -> Table:
    """Show several runs: a row for each, then the median of each group, then real images.

    Parameters
    ----------
    names : sequence of str
        Of the runs.
    found : sequence of Evaluation
        A failed run keeps its row; measures that it does not have are left out of the medians.
    groups : sequence of str
        The configuration of each run: runs of one group differ in the seed only.

    Returns
    -------
    Table
    """
    shown = ("fid", "fid_percent", "kid", "inception_score", "precision", "recall", "coverage", "class_tv", "copies")
    rows: list[list[object]] = []
    for name, one in zip(names, found):
        rows.append([name, *(number(one.measures[key].value) for key in shown), "; ".join(one.failures)])
    for group in dict.fromkeys(groups):
        members = [one for one, label in zip(found, groups) if label == group]
        medians = []
        for key in shown:
            values = [one.measures[key].value for one in members if math.isfinite(one.measures[key].value)]
            medians.append(number(float(np.median(values)) if values else math.nan))
        failed = sum(bool(one.failures) for one in members)
        rows.append([f"median: {group}", *medians, f"{failed} failed of {len(members)}"])
    rows.append(["real images", *(number(found[0].measures[key].floor) for key in shown), ""])
    return Table(["run", *(MEASURES[key][0] for key in shown), ""], rows, "l" + "r" * len(shown) + "l")


def check_comparable(records: Sequence[Mapping[str, Any]]) -> None:
    """Refuse to compare records of other judges, another reference or another number of samples.

    Parameters
    ----------
    records : sequence of dict
        What `record` returned, or JSON read back.

    Raises
    ------
    ValueError
        If a record has another schema, or two differ in what the numbers depend on; the message says in what.

    Examples
    --------
    >>> one = {"schema": 1, "judges": {"sha256": "ab"}, "reference": {"sha256": "cd"}, "n": 1000, "draws": 10}
    >>> check_comparable([one, one | {"draws": 20}])  # fresh draws change the interval, not the measure
    >>> check_comparable([one, one | {"judges": {"sha256": "ff"}}])
    Traceback (most recent call last):
        ...
    ValueError: compare: numbers of different judges cannot be compared (SHA-256 ab and ff)
    """
    for one in records:
        if one.get("schema") != SCHEMA:
            raise ValueError(f"compare: expected records of schema {SCHEMA}, got {one.get('schema')!r}")
        for name in ("judges", "reference"):
            mine, theirs = records[0][name]["sha256"], one[name]["sha256"]
            if mine != theirs:
                kind = "judges" if name == "judges" else "references"
                raise ValueError(
                    f"compare: numbers of different {kind} cannot be compared (SHA-256 {mine[:8]} and {theirs[:8]})"
                )
        if one["n"] != records[0]["n"]:
            raise ValueError(
                f"compare: FID and coverage depend on the number of samples, here {records[0]['n']} and {one['n']}"
            )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
