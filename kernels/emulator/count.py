"""Memory traffic as a GPU would see it: one *request* per warp, not one per thread.

The 32 threads of a warp execute a load together, and the hardware serves them together:

- Global memory moves in *sectors* of 32 bytes.  A request costs as many transactions as it touches sectors: 4 where 32
  neighbors read neighboring float32, 32 where each reads from another row.
- Shared memory has 32 *banks*, 4 bytes wide; word i lies in bank i mod 32.  A request takes one pass where no two
  threads want different words of one bank, else as many as the worst bank has words.  (8 bytes a thread are served by
  half a warp at a time, 16 bytes by a quarter, so 2 and 4 passes are the least.)

The emulator runs threads one by one, so it has to tell which accesses belong together: those of one program point, in
the same iteration of all loops around it.  Caches are not modeled.

Source: NVIDIA, CUDA C++ Best Practices Guide, "Coalesced Access to Global Memory" and "Shared Memory and Memory Banks".
"""

import functools
import linecache
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .access import ATOMIC, LOAD, STORE, Point, Region
from .errors import UnsupportedError

__all__ = ["Counter", "LaunchReport", "Traffic", "iterator", "tracer"]

SECTOR, BANKS, WORD, WARP = 32, 32, 4, 32
MOST_ACCESSES = 1 << 22  # of one block that fit into the trace
_MIX = -7046029254386353131  # the golden ratio in 64 bits: spreads loop counts over all bits of a key


@functools.cache
def tracer() -> Any:
    """The compiled function that writes down one access: its key, address, thread and point."""
    from numba import carray, cfunc, types

    i64, i32, words, halves = types.int64, types.int32, types.CPointer(types.int64), types.CPointer(types.int32)

    @cfunc(types.void(words, halves, halves, i32, i32, i32, i64))
    def trace(trace_, iterations_, loops_, count, thread, point, address):
        rows = carray(trace_, (MOST_ACCESSES + 1, 3))
        loops = carray(loops_, (1 << 20,))  # innermost loop of each point, then the parent of each loop
        iterations = carray(iterations_, (1024, count))
        n = rows[0, 0]
        if n < MOST_ACCESSES:
            key = i64(point) * i64(_MIX)
            loop = loops[count + point]
            while loop >= 0:
                key = (key ^ iterations[thread, loop]) * i64(_MIX)
                key ^= key >> 29
                loop = loops[loop]
            rows[n + 1, 0], rows[n + 1, 1], rows[n + 1, 2] = key, address, i64(point) << 32 | i64(thread)
        rows[0, 0] = n + 1

    return trace


@functools.cache
def iterator() -> Any:
    """The compiled function that runs when a loop begins an iteration; the loops inside it begin afresh."""
    from numba import carray, cfunc, types

    i32, halves = types.int32, types.CPointer(types.int32)

    @cfunc(types.void(halves, i32, i32, i32, i32))
    def iterate(iterations_, count, thread, loop, inside):
        iterations = carray(iterations_, (1024, count))
        iterations[thread, loop] += 1
        for i in range(loop + 1, loop + 1 + inside):
            iterations[thread, i] = 0

    return iterate


@dataclass
class Traffic:
    """Requests of one program line to one array.

    Attributes
    ----------
    file, line : str, int
    array : str
        The argument's name, or the shared array's.
    kind : {"load", "store", "atomic"}
    shared : bool
    requests : int
        By warps.
    transactions : int
        Sectors of global memory, or passes over the banks of shared memory.
    least : int
        Transactions that would do: global memory, if the same number of bytes lay together; shared, without conflicts.
    bytes : int
        Different bytes asked for, added over the requests.
    """

    file: str
    line: int
    array: str
    kind: str
    shared: bool
    requests: int = 0
    transactions: int = 0
    least: int = 0
    bytes: int = 0

    @property
    def per_request(self) -> float:
        """Transactions that a request takes on average."""
        return self.transactions / self.requests

    @property
    def efficiency(self) -> float:
        """The least number of transactions over the number taken: 1 is perfect."""
        return self.least / self.transactions


@dataclass
class LaunchReport:
    """What one launch did, counted.  Printed, it is a table.

    Attributes
    ----------
    name : str
    grid, block : tuple of int
    barriers : int
        Block barriers that opened, over all blocks.
    traffic : list of Traffic
        By line.
    """

    name: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    barriers: int = 0
    traffic: list[Traffic] = field(default_factory=list)

    def total(self, attribute: str, shared: bool) -> int:
        """The sum of one attribute, such as ``"transactions"``, over the global or the shared traffic."""
        return sum(getattr(row, attribute) for row in self.traffic if row.shared == shared)

    def __str__(self) -> str:
        blocks = int(np.prod(self.grid))
        lines = [
            f"{self.name}: {blocks} blocks of {int(np.prod(self.block))} threads, "
            f"{self.barriers / blocks:g} barriers a block"
        ]
        for shared, title, unit in ((False, "global memory", "sectors"), (True, "shared memory", "passes")):
            rows = [row for row in self.traffic if row.shared == shared]
            if not rows:
                continue
            requests, transactions = self.total("requests", shared), self.total("transactions", shared)
            lines.append(f"{title}: {requests} requests, {transactions} {unit}, {self.total('least', shared)} would do")
            lines.append(f"  line          array  requests  {unit:>7}  a request  efficiency  source")
            for row in rows:
                text = linecache.getline(row.file, row.line).strip()
                lines.append(
                    f"  {row.line:4} {row.kind:>6} {row.array:>7} {row.requests:9} {row.transactions:8} "
                    f"{row.per_request:10.1f} {row.efficiency:11.0%}  {text[:50]}"
                )
        return "\n".join(lines)

    __repr__ = __str__


class Counter:
    """Collects the accesses of one launch, block by block, and adds them up.

    Every array is taken to begin at a multiple of 128 bytes, as an allocation on a GPU does.
    """

    points: Sequence[Point]
    regions: Sequence[Region]

    def __init__(self, points: Sequence[Point], parents: Sequence[int], regions: Sequence[Region], threads: int):
        self.points, self.regions = points, regions
        self.loops: NDArray[np.int32] = np.array([*parents, *(point.loop for point in points)] or [0], np.int32)
        self.iterations: NDArray[np.int32] = np.zeros((threads, max(1, len(parents))), np.int32)
        self.count: int = len(parents)
        self.trace: NDArray[np.int64] = np.empty(
            (MOST_ACCESSES + 1, 3), np.int64
        )  # pages that stay untouched take no memory
        self.trace[0, 0] = 0
        order = sorted(range(len(regions)), key=lambda r: regions[r].start)
        self._order = np.array(order, np.int64)
        self._starts = np.array([regions[r].start for r in order], np.int64)
        self._stops = np.array([regions[r].stop for r in order], np.int64)
        self._sizes = np.array([point.bytes for point in points], np.int64)
        self._shared = np.array([region.shared for region in regions], bool)
        self._sums = np.zeros((4, len(points) * len(regions)), np.int64)

    def finish_block(self, name: str) -> None:
        """Add up what the block did that has just ended."""
        n = int(self.trace[0, 0])
        if n > MOST_ACCESSES:
            raise UnsupportedError(
                f"{name}: a block makes {n} memory accesses, more than the {MOST_ACCESSES} that can be counted"
            )
        key, address, who = self.trace[1 : n + 1].T
        place = np.searchsorted(self._starts, address, side="right") - 1
        known = (place >= 0) & (address < self._stops[place]) if n else np.zeros(0, bool)
        key, address, who, place = key[known], address[known], who[known], place[known]
        self.trace[0, 0] = 0
        self.iterations[:] = 0
        if len(key) == 0:
            return
        thread, point, region = who & 0xFFFFFFFF, who >> 32, self._order[place]
        _, first, request = np.unique(key * 1024 + thread // WARP * 16 + region, return_index=True, return_inverse=True)
        sums = _tally(
            request, thread % WARP, address - self._starts[place], self._sizes[point], self._shared[region[first]]
        )
        where_to = point[first] * len(self.regions) + region[first]
        for total, each in zip(self._sums, (np.ones(len(first)), *sums)):
            total += np.bincount(where_to, each, minlength=len(total)).astype(np.int64)

    def rows(self) -> list[Traffic]:
        """The traffic by line, array and kind."""
        rows: dict[tuple[Any, ...], Traffic] = {}
        for number in np.flatnonzero(self._sums[0]).tolist():
            point, region = self.points[number // len(self.regions)], self.regions[number % len(self.regions)]
            kind = {LOAD: "load", STORE: "store", ATOMIC: "atomic"}[point.kind]
            row = rows.setdefault(
                (point.file, point.line, kind, region.name),
                Traffic(point.file, point.line, region.name, kind, region.shared),
            )
            requests, transactions, least, asked = (int(v) for v in self._sums[:, number])
            row.requests += requests
            row.transactions += transactions
            row.least += least
            row.bytes += asked
        return sorted(rows.values(), key=lambda row: (Path(row.file).name, row.line, row.kind, row.array))


def _tally(request: Any, lane: Any, address: Any, size: Any, shared: Any) -> tuple[Any, Any, Any]:
    """(transactions, least, bytes) of every request, from the accesses that belong to it.

    `request`, `lane`, `address` and `size` are of accesses; `shared` says of each request where it goes.
    """
    requests, span = len(shared), int(address.max()) + 64
    unit = np.minimum(size, WORD)
    pieces = size // unit  # an access of 16 bytes touches four words
    access = np.repeat(np.arange(len(size)), pieces)
    number = np.arange(len(access)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    piece, of = address[access] + unit[access] * number, request[access]
    unit_of = np.zeros(requests, np.int64)
    unit_of[request] = unit
    asked = np.bincount(np.unique(of * span + piece) // span, minlength=requests) * unit_of
    sectors = np.bincount(np.unique(of * span + piece // SECTOR) // span, minlength=requests)

    banked = shared[of]
    phase = lane[access] // np.maximum(1, WARP * WORD // np.maximum(size[access], WORD))
    group = (of * WARP + phase)[banked]  # the lanes that are served at once
    words = np.unique(group * span + piece[banked] // WORD)
    cells, counts = np.unique(words // span * BANKS + words % span % BANKS, return_counts=True)
    groups, start = np.unique(cells // BANKS, return_index=True)
    worst = np.maximum.reduceat(counts, start) if len(start) else counts
    passes = np.bincount(groups // WARP, worst, minlength=requests)
    phases = np.bincount(groups // WARP, minlength=requests)
    return np.where(shared, passes, sectors), np.where(shared, phases, -(-asked // SECTOR)), asked
