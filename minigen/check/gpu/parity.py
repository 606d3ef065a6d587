"""Every kernel that serves arrays on the GPU, against the reference in float64 on the CPU."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ...backend import to_device
from ...kernels import find, reference
from ...kernels.shapes import CONVOLUTIONS
from ..kernel_cases import Convolution, convolution, draw_call
from ..kernel_compare import answer, error_of_bound, fault, first_array, run
from ..op_registry import RandomSource
from .result import Check, Outcome

__all__ = ["check_kernel", "checks"]

MOST_CHANNELS = 40  # of random shapes: several vectors, a part of a tile; the layers fill whole ones
IMAGES = 4  # of a layer: enough for several blocks, and the reference need not take long


def checks(ops: Sequence[str], examples: int, layers: Sequence[Convolution]) -> Iterator[Check]:
    """For each kernel and dtype, random shapes; for the convolutions, these layers too.

    Raises
    ------
    ValueError
        If there is no such kernel.
    """
    known = sorted(reference.__all__)
    if unknown := sorted(set(ops) - set(known)):
        raise ValueError(f"unknown kernels {', '.join(unknown)}; expected some of {', '.join(known)}")
    for name in ops or known:
        for dtype in (np.float32, np.float64):
            source = RandomSource(np.random.default_rng(0))
            shapes = [convolution(source, MOST_CHANNELS) for _ in range(examples)]
            yield f"{name}, {dtype.__name__}, {examples} random shapes", partial(check_kernel, name, dtype, shapes)
    for layer in layers:
        for name in CONVOLUTIONS:
            small = replace(layer, images=IMAGES)
            yield f"{name}, float32, {small}", partial(check_kernel, name, np.float32, [small])


def check_kernel(name: str, dtype: Any, shapes: Sequence[Convolution]) -> Outcome:
    """Run the kernel `name` on the GPU, on numbers and on small integers of these shapes, and each time twice."""
    worst = 0.0
    for seed, one in enumerate(shapes):
        for integers in (True, False):
            call = draw_call(name, one, seed, integers, dtype)
            kernel = find(name, to_device(first_array(call), "cuda"))
            results, again = (run(kernel, call, partial(to_device, device="cuda"), _fetch) for _ in range(2))
            right = answer(name, call)
            what = fault(results, right)
            if not what and any(a.tobytes() != b.tobytes() for a, b in zip(results, again, strict=True)):
                what = "two runs give different bits"
            if what:
                return Outcome("fail", f"{what}; seed {seed}, {'integers' if integers else 'normal'}, {one!r}")
            worst = max(worst, error_of_bound(results, right))
    return Outcome("pass", f"largest error {worst:.0%} of its bound, the same bits again", {"error of bound": worst})


def _fetch(array: Any) -> np.ndarray:
    """Back from the GPU; a kernel whose result is not there has gone another way."""
    if isinstance(array, np.ndarray):
        raise TypeError("the kernel returned an array of the CPU")
    return to_device(array, "cpu")
