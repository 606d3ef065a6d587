"""Interleaved timing: candidates take turns, so that whatever slows the machine slows all of them.

A machine that others share is also faster in one minute than in the next, and a process can be faster than its twin:
where its arrays and its code lie in memory differs.  So all work is timed in several sweeps with a part of the rounds
each (`split_rounds`), every sweep in new processes (`minigen.bench.sweeps`): the quartiles of a row contain these
changes, too.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .worker import RemoteFunction, timed

__all__ = ["Measurement", "Timings", "interleave", "split_rounds"]

#: Seconds before each turn: the threads of some libraries keep spinning after a call, on the cores that the next
#: candidate needs.
_PAUSE = 0.03

SWEEPS = 5
"""How often all work of a kind is timed, with a part of the rounds each time."""


def split_rounds(rounds: int) -> list[int]:
    """Split the rounds of a measurement into those of `SWEEPS` sweeps, or fewer if there are few rounds.

    >>> split_rounds(11), split_rounds(2)
    ([3, 2, 2, 2, 2], [1, 1])
    """
    sweeps = min(SWEEPS, rounds)
    return [rounds // sweeps + (i < rounds % sweeps) for i in range(sweeps)]


@dataclass(frozen=True)
class Timings:
    """The times of an interleaved measurement.

    Parameters
    ----------
    seconds : dict from name to list of float
        One time per round and candidate, for one call.
    """

    seconds: dict[str, list[float]]

    def __add__(self, later: "Timings") -> "Timings":
        """The rounds of both measurements of the same candidates."""
        return Timings({name: self.seconds.get(name, []) + more for name, more in later.seconds.items()})

    def median(self, name: str) -> float:
        """Median time of one call, in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, ours: str, theirs: str) -> tuple[float, float, float]:
        """Our time over theirs, round by round: lower quartile, median, upper quartile."""
        ratios = [a / b for a, b in zip(self.seconds[ours], self.seconds[theirs])]
        if len(ratios) < 2:
            return ratios[0], ratios[0], ratios[0]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return low, middle, high


@dataclass(frozen=True)
class Measurement:
    """What was timed, and its times.

    Parameters
    ----------
    group, work : str
        See `minigen.bench.report.Row`.
    timings : Timings
        Of ``"ours"`` and, where there is a rival, ``"theirs"``.
    gflop, megabytes, beside : float, float, str
        See `minigen.bench.report.Row`.
    """

    group: str
    work: str
    timings: Timings
    gflop: float = 0.0
    megabytes: float = 0.0
    beside: str = "PyTorch"


def interleave(
    candidates: Mapping[str, Callable[[], object] | RemoteFunction],
    rounds: int = 11,
    least: float = 0.02,
    warmup: int = 2,
) -> Timings:
    """Time every candidate `rounds` times, in turn.

    Parameters
    ----------
    candidates : mapping from name to function without arguments, here or `RemoteFunction`
    rounds : int
    least : float
        Seconds that one measurement should last; short functions are called several times in it.
    warmup : int
        Calls before the first measurement, which compile, allocate and fill caches.

    Returns
    -------
    Timings

    Raises
    ------
    ValueError
        If there is nothing to time.

    Examples
    --------
    >>> result = interleave({"sum": lambda: sum(range(1000)), "len": lambda: len("abc")}, rounds=3, least=0.001)
    >>> result.median("sum") > result.median("len")
    True
    """
    if not candidates or rounds < 1:
        raise ValueError(f"interleave: expected candidates and at least 1 round, got {len(candidates)} and {rounds}")
    calls = {}
    for name, candidate in candidates.items():
        _time(candidate, warmup)
        calls[name] = max(1, round(least / max(_time(candidate, 1), 1e-9)))
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    order = list(candidates)
    for _ in range(rounds):
        for name in order:
            if len(order) > 1:
                time.sleep(_PAUSE)
            seconds[name].append(_time(candidates[name], calls[name]) / calls[name])
        order.reverse()  # so that no candidate always follows the same one and finds the caches that it left
    return Timings(seconds)


def _time(candidate: Callable[[], object] | RemoteFunction, calls: int) -> float:
    return candidate.time(calls) if isinstance(candidate, RemoteFunction) else timed(candidate, calls)
