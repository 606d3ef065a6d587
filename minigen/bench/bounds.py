"""What bounds the time of each convolution: arithmetic, memory, one thread's share, or calls.

Two limits of the machine are measured first: the operations per second of a large matrix product, and the bytes per
second of a copy, of one that fits the last cache and of one that does not.  A pass of a layer cannot take less than
its operations or its bytes divided by these (Winograd's methods can: they multiply less often).  What a pass takes
beyond the larger of the two is divided into

- *outside*: time outside compiled code, in which Python chooses a method, allocates and starts kernels;
- *alone*: how much longer one thread takes than two, at most 2 where all the work is shared evenly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from unittest.mock import patch

import numpy as np

from .. import kernels
from .._util.tables import Table
from .kernels import KINDS, Layer, arrays, our_passes
from .timing import interleave

__all__ = ["Bound", "Limits", "bounds_table", "measure_bounds", "measure_limits"]


@dataclass(frozen=True)
class Limits:
    """What the machine does at best with the threads of the kernels, in float32.

    Parameters
    ----------
    gflops : float
        10^9 operations per second of a product of two 2048 x 2048 matrices.
    near, far : float
        10^9 bytes per second, read and written, of a copy of 2 MB and of one of 128 MB.
    """

    gflops: float
    near: float
    far: float


@dataclass(frozen=True)
class Bound:
    """One pass of a layer: the times in milliseconds, the method that was chosen, and the number of kernels called."""

    work: str
    method: str
    gflop: float
    megabytes: float
    time: float
    alone: float
    outside: float
    calls: int

    def least(self, limits: Limits) -> tuple[float, float]:
        """Milliseconds that operations and bytes take at least."""
        return self.gflop / limits.gflops * 1e3, self.megabytes / limits.near

    def reason(self, limits: Limits) -> str:
        """The largest part of the time, in words."""
        operations, memory = self.least(limits)
        parts = {
            "arithmetic": operations,
            "memory": memory,
            "Python": self.outside,
            "one thread": max(0.0, 2 * self.time - self.alone) / 2,
        }
        rest = self.time - max(operations, memory) - parts["Python"] - parts["one thread"]
        return max({**parts, "copies and layout": rest}.items(), key=lambda part: part[1])[0]


def measure_limits() -> Limits:
    """Measure the machine's limits."""
    a = np.ones((2048, 2048), np.float32)
    copies = [np.ones((2, megabytes << 18), np.float32) for megabytes in (2, 128)]
    work: dict[str, Any] = {"product": lambda: a @ a}
    for i, pair in enumerate(copies):
        work[str(i)] = lambda pair=pair: np.copyto(pair[0], pair[1])
    seconds = {name: min(times) for name, times in interleave(work, rounds=5).seconds.items()}
    near, far = (2e-9 * pair[0].nbytes / seconds[str(i)] for i, pair in enumerate(copies))
    return Limits(2e-9 * 2048**3 / seconds["product"], near, far)


def measure_bounds(layers: Sequence[Layer], rounds: int) -> Iterator[Bound]:
    """Measure the three passes of each layer with the threads that are set, and with one."""
    from .regret import methods

    threads = kernels.get_num_threads()
    for layer in layers:
        passes = our_passes(layer, *arrays(layer))
        for kind in KINDS:
            milliseconds = []
            for n in (threads, 1):
                kernels.set_num_threads(n)
                try:
                    milliseconds.append(1e3 * min(interleave({"": passes[kind]}, rounds).seconds[""]))
                finally:
                    kernels.set_num_threads(threads)
            outside, calls = _outside(passes[kind])
            method, _ = methods(layer, kind, "default")
            time, alone = milliseconds
            work = f"{layer}, {kind}"
            yield Bound(work, method, layer.gflop, layer.megabytes, time, alone, 1e3 * outside, calls)


def _outside(call: Any, repeats: int = 50) -> tuple[float, int]:
    """Seconds of a call in which no kernel runs, at least; and how many kernels it calls."""
    from ..kernels.cpu.runtime.thread_pool import parallel

    run, inside = parallel.__call__, []

    def timed(self: Any, *args: Any, **kwargs: Any) -> None:
        start = perf_counter()
        run(self, *args, **kwargs)
        inside.append(perf_counter() - start)

    rest = []
    with patch.object(parallel, "__call__", timed):
        for _ in range(repeats):
            inside.clear()
            start = perf_counter()
            call()
            rest.append(perf_counter() - start - sum(inside))
    return min(rest), len(inside)


def bounds_table(bounds: Sequence[Bound], limits: Limits) -> Table:
    """The rows as a table: what each pass takes at least, what it takes, and the largest part."""
    rows = []
    for bound in bounds:
        operations, memory = bound.least(limits)
        rows.append(
            [
                bound.work,
                bound.method,
                f"{bound.gflop:.2f}",
                f"{bound.megabytes:.1f}",
                f"{operations:.3f}",
                f"{memory:.3f}",
                f"{bound.time:.3f}",
                f"{bound.alone / bound.time:.2f}",
                f"{1e3 * bound.outside:.0f}",
                str(bound.calls),
                bound.reason(limits),
            ]
        )
    head = [
        "work", "method", "GFLOP", "MB", "arithmetic, ms", "memory, ms", "measured, ms", "alone", "outside, us",
        "kernels", "largest part",
    ]  # fmt: skip
    return Table(head, rows, "llrrrrrrrrl")
