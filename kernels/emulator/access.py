"""What the instrumented kernel reports: the program points that touch memory, and the arrays that may be touched."""

import linecache
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["ATOMIC", "INDEX", "LOAD", "STORE", "Point", "Region", "regions_of", "where"]

LOAD, STORE, ATOMIC, INDEX = range(4)


@dataclass(frozen=True)
class Point:
    """One place in the program that touches memory or waits.

    Attributes
    ----------
    file, line : str, int
        The Python line it was compiled from.
    kind : {LOAD, STORE, ATOMIC, INDEX}
        INDEX: a row or another part of an array is taken, which touches no memory yet.
    bytes : int
        How much one thread moves there at once.
    loop : int
        The innermost loop around it (see `instrument`), for counting.
    """

    file: str
    line: int
    kind: int = LOAD
    bytes: int = 0
    loop: int = -1


def where(point: Point) -> str:
    """``conv.py, line 57 (`acc += sW[ty, e] * sX[e, tx]`)``: for messages."""
    text = linecache.getline(point.file, point.line).strip()
    return f"{Path(point.file).name}, line {point.line}" + (f" (`{text}`)" if text else "")


@dataclass(frozen=True)
class Region:
    """A stretch of memory that kernels may touch: an argument's, or a block's shared array."""

    name: str
    start: int
    stop: int
    itemsize: int
    shared: bool
    frozen: bool = False
    """No thread may write here: the argument is read-only."""
    shape: tuple[int, ...] | None = None
    """Of a contiguous array, so that a message can give an index."""

    def element(self, address: int) -> str:
        """How a reader would write the element at `address`."""
        flat = (address - self.start) // self.itemsize
        if self.shape is not None and self.start <= address < self.stop:
            return f"{self.name}[{', '.join(str(i) for i in np.unravel_index(flat, self.shape))}]"
        return f"element {flat} of {self.name}"


def regions_of(names: list[str], arrays: list[np.ndarray]) -> list[Region]:
    """The regions of a launch's array arguments; those that overlap in memory become one."""
    spans = []
    for name, array in zip(names, arrays):
        low, high = np.lib.array_utils.byte_bounds(array) if array.size else (array.ctypes.data, array.ctypes.data)
        spans.append((low, high, name, array))
    spans.sort(key=lambda span: span[:2])
    regions: list[Region] = []
    for low, high, name, array in spans:
        shape = array.shape if array.flags.c_contiguous else None
        region = Region(name, low, high, array.itemsize, shared=False, frozen=not array.flags.writeable, shape=shape)
        last = regions[-1] if regions else None
        if last is not None and (low < last.stop or (low, high) == (last.start, last.stop)):
            regions[-1] = Region(
                f"{last.name}/{name}",
                last.start,
                max(last.stop, high),
                min(last.itemsize, region.itemsize),
                shared=False,
                frozen=last.frozen and region.frozen,
                shape=shape if (low, high, shape) == (last.start, last.stop, last.shape) else None,
            )
        else:
            regions.append(region)
    return regions
