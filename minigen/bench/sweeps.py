"""Several sweeps over all work, each in a new process with a new rival.

Two runs of a benchmark differ by more than the rounds of one run do: each process has other addresses, and so other
conflicts in the caches.  Quartiles within one process do not contain that difference; quartiles over processes do.
"""

import contextlib
import multiprocessing
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial

from .. import kernels
from .kernels import IMAGES, LAYERS, OTHER_LAYERS, Layer, time_images, time_layers, time_others
from .networks import time_networks
from .recurrent import time_recurrent
from .report import Row
from .steps import time_steps
from .timing import Measurement, split_rounds
from .worker import Worker

__all__ = ["DRAWN_LAYERS", "MODEL_LAYERS", "OTHER_KINDS", "measure", "sweep"]

MODEL_LAYERS, OTHER_KINDS = "convolutions of the models", "convolutions of other kinds"
DRAWN_LAYERS = "convolutions drawn at random"

Timer = Callable[[int, Worker | None], Iterator[Measurement]]

WORK: dict[str, dict[str, Timer]] = {
    "conv": {MODEL_LAYERS: partial(time_layers, LAYERS), OTHER_KINDS: partial(time_layers, OTHER_LAYERS)},
    "other": {"batch norm, activation, optimizer": time_others},
    "image": {f"operations on images {'x'.join(map(str, IMAGES))}, forward + backward": time_images},
    "recurrent": {"recurrent layers": time_recurrent},
    "step": {"training steps": time_steps, "training steps of single networks": time_networks},
}
"""What can be timed: for each word of the command line the titles of its tables, and what times their rows."""


def measure(
    what: Collection[str],
    rounds: int,
    threads: int,
    precision: str = "default",
    against: bool = True,
    drawn: Sequence[Layer] = (),
) -> dict[str, list[Row]]:
    """Time what is asked for, in as many processes as there are sweeps.

    Parameters
    ----------
    what : collection of str
        Keys of `WORK`.
    rounds : int
        Turns that each function takes in all sweeps together.
    threads : int
        For each library.
    precision : str
        See `minigen.kernels.precision`.
    against : bool
        Whether to time PyTorch, too.
    drawn : sequence of Layer
        More convolutions to time.

    Returns
    -------
    dict from title to list of Row

    Raises
    ------
    RuntimeError
        If a process dies.
    """
    found: dict[str, dict[str, Measurement]] = {}
    parts = split_rounds(rounds)
    for number, part in enumerate(parts, 1):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            label = f"sweep {number} of {len(parts)}"
            try:
                measured = process.submit(sweep, tuple(what), part, threads, precision, against, label, drawn).result()
            except BrokenProcessPool as error:
                raise RuntimeError("bench: the process that measures has died") from error
        for title, measurements in measured.items():
            rows = found.setdefault(title, {})
            for new in measurements:
                old = rows.get(new.work)
                rows[new.work] = replace(new, timings=old.timings + new.timings) if old else new
    print("\r" + " " * 78, end="\r", file=sys.stderr, flush=True)
    return {title: [Row.of(measured) for measured in rows.values()] for title, rows in found.items()}


def sweep(
    what: Collection[str],
    rounds: int,
    threads: int,
    precision: str,
    against: bool,
    label: str,
    drawn: Sequence[Layer] = (),
) -> dict[str, list[Measurement]]:
    """Time everything once, in this process; show on stderr how far it is."""
    kernels.set_num_threads(threads)
    found: dict[str, list[Measurement]] = {}
    tables = [table for word in what for table in WORK[word].items()]
    tables += [(DRAWN_LAYERS, partial(time_layers, drawn))] if drawn else []
    with kernels.precision(precision), Worker(threads) if against else contextlib.nullcontext() as worker:
        for title, timer in tables:
            rows = found.setdefault(title, [])
            for measured in timer(rounds, worker):
                rows.append(measured)
                print(f"\r{f'{label}, {title}: {len(rows)} measured':78}", end="", file=sys.stderr, flush=True)
    return found
