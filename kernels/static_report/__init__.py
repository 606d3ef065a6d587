"""What a CUDA kernel's machine code says about its speed, on a computer without a GPU.

The kernel is compiled for a GPU to the end, and the result is read: how many registers a thread takes and whether they
suffice (else values *spill* to memory), how much shared memory a block, hence how full a multiprocessor gets; and what
the innermost loop is made of.  With the operations and the bytes that the work needs at least, that gives the time that
a GPU cannot beat.  Nothing here was run on a GPU: the figures are bounds and budgets, not measurements.

`minigen check --cuda` prints it for our kernels; `analyse` takes any.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..shapes import Convolution
from .gpus import GPUS, Gpu, Occupancy, occupancy, roofline
from .layers import LAYERS
from .sass import Code, compile_kernel, count, hot_loop, why_not
from .tables import markdown, table
from .works import WORKS, launches

__all__ = ["LAYERS", "Analysis", "analyse", "analyse_product", "markdown", "report", "table", "why_not"]

MATRIX_PRODUCTS = ("correlate", "products")  # the kernels in which a convolution's time goes
LEAST_FFMA_PER_LDS, LEAST_OCCUPANCY = 8, 0.25


@dataclass(frozen=True)
class Analysis:
    """One kernel, compiled for one kind of GPU.

    Attributes
    ----------
    op, kernel : str
        The kernel of `minigen.kernels`, and the one that it starts.
    cc : int
        Compute capability: 80 is 8.0.
    threads, blocks : int
        Of the launch.
    code : Code
        Registers, spills, shared memory, and the instructions.
    occupancy : Occupancy
    counts, hot : dict
        Instructions by kind, of the whole kernel and of its hottest loop (empty where there is none).
    flops, moved : float
        What the work needs at least.
    layer : Convolution or None
        Of a convolution: which.
    moved_beside : float
        Bytes that the other kernels of the operation move, which bring the operands into order.
    """

    op: str
    kernel: str
    cc: int
    threads: int
    blocks: int
    code: Code
    occupancy: Occupancy
    counts: dict[str, int]
    hot: dict[str, int]
    flops: float = 0.0
    moved: float = 0.0
    layer: Convolution | None = None
    moved_beside: float = 0.0

    @property
    def intensity(self) -> float:
        """Operations per byte moved."""
        return self.flops / self.moved if self.moved else 0.0

    @property
    def issue(self) -> float:
        """Multiply-adds as a share of the hot loop's instructions; 1 where there is none."""
        return self.hot["FFMA"] / self.hot["all"] if self.hot else 1.0

    def seconds(self, gpu: Gpu) -> float:
        """The time that the launch takes at least on `gpu`, and what else the operation starts."""
        return roofline(gpu, self.flops, self.moved, self.issue) + self.moved_beside / gpu.bandwidth

    def over_budget(self) -> list[str]:
        """What is worse than we allow, in words; empty where all is well."""
        faults = []
        if self.code.spilled or self.counts["LDL"] or self.counts["STL"]:
            faults.append(f"{self.code.spilled} bytes of a thread are spilled to memory")
        if self.counts["F64"]:
            faults.append(f"{self.counts['F64']} instructions in double precision")
        if self.counts["ATOM"]:
            faults.append(f"{self.counts['ATOM']} atomic instructions, whose order changes from run to run")
        if self.kernel in MATRIX_PRODUCTS:
            if not self.hot:
                return [*faults, "no loop with multiply-adds"]
            if self.hot["CALL"]:
                faults.append(f"{self.hot['CALL']} calls in the hot loop")
            if self.hot["FFMA"] < LEAST_FFMA_PER_LDS * self.hot["LDS"]:
                faults.append(f"{self.hot['FFMA']} multiply-adds to {self.hot['LDS']} loads from shared memory")
            if self.hot["LDS"] != self.hot["LDS.128"]:
                faults.append(f"{self.hot['LDS.128']} of {self.hot['LDS']} loads from shared memory take 128 bits")
            if self.occupancy.share < LEAST_OCCUPANCY:
                faults.append(f"occupancy {self.occupancy.share:.0%} by {self.occupancy.limit}")
        return faults

    def as_dict(self) -> dict[str, Any]:
        """Everything but the instructions, for JSON."""
        return {
            "op": self.op,
            "layer": str(self.layer or ""),
            "kernel": self.kernel,
            "cc": self.cc,
            "blocks": self.blocks,
            "threads": self.threads,
            "registers": self.code.registers,
            "spilled": self.code.spilled,
            "shared": self.code.shared,
            "occupancy": self.occupancy._asdict(),
            "instructions": self.counts,
            "hot_loop": self.hot,
            "flops": self.flops,
            "bytes": self.moved,
            "microseconds_at_least": {gpu.name: 1e6 * self.seconds(gpu) for gpu in GPUS if self.moved},
            "over_budget": self.over_budget(),
        }


def analyse(
    kernel: Callable[..., Any], types: Sequence[Any], threads: int, cc: int = 80, dynamic: int = 0, **work: Any
) -> Analysis:
    """Compile a kernel for a GPU, and read the machine code.

    Parameters
    ----------
    kernel : callable
        Plain, or decorated with ``numba.cuda.jit``.
    types : sequence of numba types
        Of its arguments, such as ``numba.float32[::1]``.
    threads : int
        In a block.
    cc : int, optional
        Compute capability: 80 is 8.0.
    dynamic : int, optional
        Bytes of dynamic shared memory.
    **work
        ``op``, ``blocks``, ``flops``, ``moved``, ``layer`` and ``moved_beside`` of `Analysis`, where they are known.

    Raises
    ------
    ValueError
        If the compute capability is not one that we have figures for.
    RuntimeError
        If a compiler or a disassembler is missing.
    """
    from .gpus import LIMITS

    if cc not in LIMITS:
        raise ValueError(f"cc: got {cc}, expected one of {', '.join(map(str, LIMITS))}")
    code = compile_kernel(kernel, types, cc, bool(getattr(kernel, "targetoptions", {}).get("fastmath")))
    loop = hot_loop(code.instructions)
    return Analysis(
        kernel=kernel.__name__,
        cc=cc,
        threads=threads,
        code=code,
        occupancy=occupancy(cc, threads, code.registers, code.shared + dynamic),
        counts=count(code.instructions),
        hot=count(loop) if loop else {},
        **{"op": "", "blocks": 1, **work},
    )


def analyse_product(op: str, layer: Convolution, cc: int = 80) -> Analysis:
    """Analyze the matrix product in which the time of a convolution goes, in float32.

    Parameters
    ----------
    op : {"conv2d", "conv2d_input_grad", "conv2d_weight_grad"}
    layer : Convolution
        Its shapes.
    cc : int, optional
    """
    x, w, g = (np.empty(shape, np.float32) for shape in (layer.x, layer.w, layer.y))  # no page is ever touched
    started = launches(lambda: getattr(_cuda(), op)(*layer.arguments(op, x, w, g)))
    (product,) = [one for one in started if one.function.__name__ in MATRIX_PRODUCTS]
    beside = float(sum(one.moved for one in started if one is not product))
    work: dict[str, Any] = {"op": op, "blocks": product.blocks, "flops": layer.flops, "moved": product.moved}
    work |= {"layer": layer, "moved_beside": beside}
    return analyse(product.function, product.types, product.threads, cc, **work)


def _cuda() -> Any:
    from .. import cuda

    return cuda


def report(ops: Iterable[str] | None = None, ccs: Iterable[int] = (80, 90)) -> list[Analysis]:
    """Analyze every kernel that these kernels of ours start, for these GPUs.

    Raises
    ------
    ValueError
        If there is no such kernel.
    """
    wanted = list(ops or WORKS)
    unknown = sorted(set(wanted) - set(WORKS))
    if unknown:
        raise ValueError(f"no report for {', '.join(unknown)}; expected some of {', '.join(WORKS)}")
    found = []
    for op in wanted:
        started = launches(lambda op=op: WORKS[op].call(getattr(_cuda(), op)))  # type: ignore[misc]
        main = [one for one in started if one.function.__name__ in MATRIX_PRODUCTS] or started[:1]
        for cc in ccs:
            for one in started:
                flops = WORKS[op].flops if one is main[0] else 0.0
                found.append(
                    analyse(
                        one.function, one.types, one.threads, cc, op=op, blocks=one.blocks, flops=flops, moved=one.moved
                    )
                )
    return found
