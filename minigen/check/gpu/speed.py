"""How fast launches are, and convolutions: beside a matrix product of as many operations, PyTorch, the prediction."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ...backend import to_device
from ...kernels import find, static_report
from ...kernels.shapes import CONVOLUTIONS, Convolution
from ...kernels.static_report.gpus import LIMITS, Gpu, roofline
from .machine import gpu, usable_torch
from .result import Check, Outcome

__all__ = ["checks", "seconds_of", "theirs", "time_convolution", "time_launch"]

ROUNDS = 7
LEAST = 0.05  # seconds of a round


def checks(layers: Sequence[Convolution]) -> Iterator[Check]:
    """A launch, and every convolution of every layer."""
    yield "leaky_relu of 1000 numbers: a launch", time_launch
    for layer in layers:
        for op in CONVOLUTIONS:
            yield f"{op}, {layer}", partial(time_convolution, op, layer)


def time_launch() -> Outcome:
    """Time a kernel that has next to nothing to do; whether Python starts kernels as quickly as it can."""
    from ...kernels.cuda.launch import left_to_numba

    x = to_device(np.zeros(1000, np.float32), "cuda")
    kernel = find("leaky_relu", x)
    seconds, host = seconds_of(lambda: kernel(x, 0.2))
    numbers = {"ms": 1e3 * seconds, "ms of the CPU": 1e3 * host}
    if slow := left_to_numba():
        return Outcome("fail", f"Numba launches {', '.join(slow)}: not as kernels/cuda/packed.py expects it", numbers)
    return Outcome("pass", f"{1e6 * host:.1f} microseconds of the CPU", numbers)


def time_convolution(op: str, layer: Convolution) -> Outcome:
    """Time one convolution in float32, and what it can be compared with."""
    rng, here = np.random.default_rng(0), gpu()
    x, w, g = (to_device(rng.standard_normal(shape, dtype=np.float32), "cuda") for shape in (layer.x, layer.w, layer.y))
    kernel, arguments = find(op, x), layer.arguments(op, x, w, g)
    seconds, host = seconds_of(lambda: kernel(*arguments))
    rows, columns = layer.y[0] * layer.y[2] * layer.y[3], layer.outputs
    terms = layer.channels * layer.kernel[0] * layer.kernel[1]
    a, b = (to_device(rng.standard_normal(s, dtype=np.float32), "cuda") for s in ((rows, terms), (terms, columns)))
    numbers = {
        "ms": 1e3 * seconds,
        "ms of the CPU": 1e3 * host,
        "GFLOP/s": layer.flops / seconds / 1e9,
        "ms predicted": _predicted(op, layer, here),
        "ms at the GPU's peaks": 1e3 * roofline(here, layer.flops, layer.bytes),
        "ms of cuBLAS": 1e3 * seconds_of(lambda: a @ b)[0],
        "ms of PyTorch": 1e3 * seconds_of(theirs(op, layer, x, w, g))[0] if usable_torch() else None,
    }
    shown = ", ".join(f"{name} {value:.3g}" for name, value in numbers.items() if value is not None)
    return Outcome("pass", shown, numbers)


def _predicted(op: str, layer: Convolution, here: Gpu) -> float | None:
    """By the machine code for this GPU, where the compilers are installed that give it."""
    if static_report.why_not() or here.cc not in LIMITS:
        return None
    return 1e3 * static_report.analyse_product(op, layer, here.cc).seconds(here)


def seconds_of(call: Callable[[], Any]) -> tuple[float, float]:
    """Medians of how long a call takes, and of how long the CPU is busy with starting it.

    Calls follow each other without waiting, as in a training step: where the CPU needs longer to start one than the GPU
    to do it, that is what is measured, and both numbers are the same.
    """
    import cupy

    wait = cupy.cuda.runtime.deviceSynchronize  # for every stream, PyTorch's too
    call()  # compiles
    wait()
    began = time.perf_counter()
    call()
    wait()
    repeats = int(np.clip(LEAST / (time.perf_counter() - began), 1, 500))
    whole, host = [], []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(repeats):
            call()
        host.append((time.perf_counter() - began) / repeats)
        wait()
        whole.append((time.perf_counter() - began) / repeats)
    return statistics.median(whole), statistics.median(host)


def theirs(op: str, layer: Convolution, x: Any, w: Any, g: Any) -> Callable[[], Any]:
    """The same convolution by PyTorch, where the arrays are; in float32 throughout, by cuDNN's fastest algorithm."""
    import torch
    from torch.nn.grad import conv2d_input, conv2d_weight

    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = False, True
    tx, tw, tg = (torch.from_dlpack(a) for a in (x, w, g))
    how: dict[str, Any] = {"stride": layer.stride, "padding": [before for before, _ in layer.padding]}
    how |= {"dilation": layer.dilation, "groups": layer.groups}
    return {
        "conv2d": lambda: torch.nn.functional.conv2d(tx, tw, **how),
        "conv2d_input_grad": lambda: conv2d_input(tx.shape, tw, tg, **how),
        "conv2d_weight_grad": lambda: conv2d_weight(tx, tw.shape, tg, **how),
    }[op]
