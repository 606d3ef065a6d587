"""What GPUs are built of: peak figures, limits of a multiprocessor, and what these say about a kernel.

Sources: NVIDIA, CUDA C++ Programming Guide, "Technical Specifications per Compute Capability" and "Arithmetic
Instructions"; the data sheets of the T4, the A100 (40 GB, SXM) and the H100 (SXM5); the Ada architecture white paper
(RTX 4090).  The roofline: Williams, Waterman, Patterson, "Roofline: an insightful visual performance model" (2009).
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["GPUS", "LIMITS", "Gpu", "Limits", "Occupancy", "gpu_here", "occupancy", "roofline"]


class Gpu(NamedTuple):
    """A GPU's published peaks."""

    name: str
    cc: int
    """Compute capability: 80 is 8.0."""
    flops: float
    """float32 operations a second; a fused multiply-add counts as two."""
    bandwidth: float
    """Bytes a second between the GPU and its memory."""
    cycles: int
    """Cycles for which a scheduler's float32 units are busy with one multiply-add of a warp."""


GPUS = (
    Gpu("T4", 75, 8.1e12, 320e9, 2),
    Gpu("A100", 80, 19.5e12, 1555e9, 2),
    Gpu("RTX 4090", 89, 82.6e12, 1008e9, 1),
    Gpu("H100", 90, 66.9e12, 3350e9, 1),
)


#: float32 units of a multiprocessor, by compute capability; newer ones have as many as the last.
UNITS = {70: 64, 75: 64, 80: 64, 86: 128}


def gpu_here(name: str, cc: int, attributes: Mapping[str, int]) -> Gpu:
    """A GPU's peaks from what its driver says of it.

    Parameters
    ----------
    name : str
    cc : int
        Compute capability, such as 80.
    attributes : mapping
        CUDA's device attributes, as ``cupy.cuda.Device().attributes`` has them.  Where one is missing or 0, as some
        drivers have it, the peak is infinite, so it bounds nothing.

    Examples
    --------
    >>> a100 = {"MultiProcessorCount": 108, "ClockRate": 1410000}
    >>> here = gpu_here("A100", 80, {**a100, "MemoryClockRate": 1215000, "GlobalMemoryBusWidth": 5120})
    >>> f"{here.flops / 1e12:.1f} {here.bandwidth / 1e9:.0f} {here.cycles}"
    '19.5 1555 2'
    """
    units = UNITS[max(known for known in UNITS if known <= max(cc, 70))]
    known = [
        attributes.get(n, 0) for n in ("MultiProcessorCount", "ClockRate", "MemoryClockRate", "GlobalMemoryBusWidth")
    ]
    processors, clock, memory_clock, width = known  # clocks in kHz, the width of the memory in bits
    flops = 2.0 * units * 1e3 * clock * processors or math.inf
    bandwidth = 2 * 1e3 * memory_clock * width / 8 or math.inf  # two transfers a cycle
    return Gpu(name, cc, flops, bandwidth, WARP * SCHEDULERS // units)


class Limits(NamedTuple):
    """What one multiprocessor has room for."""

    threads: int
    blocks: int
    shared: int
    """Bytes of shared memory."""
    reserved: int
    """Bytes of it that the system takes for each block."""


LIMITS = {
    75: Limits(1024, 16, 65536, 0),
    80: Limits(2048, 32, 167936, 1024),
    86: Limits(1536, 16, 102400, 1024),
    89: Limits(1536, 24, 102400, 1024),
    90: Limits(2048, 32, 233472, 1024),
    100: Limits(2048, 32, 233472, 1024),
    120: Limits(1536, 24, 102400, 1024),
}
REGISTERS, WARP, SCHEDULERS = 65536, 32, 4


class Occupancy(NamedTuple):
    """How full a multiprocessor is with one kernel."""

    blocks: int
    share: float
    """Of the threads that it has room for."""
    limit: str
    """What stops there being more: threads, blocks, registers or shared memory."""


def occupancy(cc: int, threads: int, registers: int, shared: int) -> Occupancy:
    """How many blocks of a kernel a multiprocessor holds at once.

    Parameters
    ----------
    cc : int
        Compute capability, such as 80.
    threads : int
        In a block.
    registers : int
        Of a thread.
    shared : int
        Bytes of a block.

    Examples
    --------
    >>> occupancy(80, 256, 128, 0)
    Occupancy(blocks=2, share=0.25, limit='registers')
    """
    limits = LIMITS[cc]
    warps = -(-threads // WARP)
    per_warp = max(256, -(-registers * WARP // 256) * 256)  # registers are handed out 256 at a time
    taken = -(-(shared + limits.reserved) // 128) * 128
    room = {
        "threads": limits.threads // (warps * WARP),
        "blocks": limits.blocks,
        "registers": REGISTERS // SCHEDULERS // per_warp * SCHEDULERS // warps,
        "shared memory": limits.shared // taken if taken else limits.blocks,
    }
    limit = min(room, key=lambda what: room[what])
    return Occupancy(room[limit], room[limit] * warps * WARP / limits.threads, limit)


def roofline(gpu: Gpu, flops: float, moved: float, issue: float = 1.0) -> float:
    """Seconds that the work takes at least on `gpu`.

    Parameters
    ----------
    gpu : Gpu
    flops : float
        Operations on float32.
    moved : float
        Bytes that must come from memory or go there.
    issue : float, optional
        The share of the instructions that are multiply-adds.  A scheduler issues one instruction a cycle, so where a
        warp's multiply-add takes `gpu.cycles`, the peak is out of reach if the share is less than 1 / cycles.

    Examples
    --------
    >>> a100 = GPUS[1]
    >>> f"{roofline(a100, flops=19.5e9, moved=0):.3f} {roofline(a100, flops=0, moved=1.555e9):.3f}"
    '0.001 0.001'
    >>> f"{roofline(a100, flops=19.5e9, moved=0, issue=0.25):.3f}"
    '0.002'
    """
    reachable = gpu.flops * min(1.0, issue * gpu.cycles)
    return max(flops / reachable, moved / gpu.bandwidth)
