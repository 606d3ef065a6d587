"""What our CUDA kernels are asked for the report: one call of each, at the sizes of a DCGAN for 64x64 images."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

__all__ = ["WORKS", "Launch", "Work", "launches"]


class Work(NamedTuple):
    """One call of a kernel of ours."""

    what: str
    """Its sizes, in words."""
    call: Callable[[Any], Any]
    """Takes the kernel."""
    flops: float
    """Operations that the definition asks for."""


class Launch(NamedTuple):
    """One kernel that the call started."""

    function: Callable[..., None]
    types: tuple[Any, ...]
    blocks: int
    threads: int
    moved: int
    """Bytes of its array arguments: what memory must give or take at least, if each is used once and whole."""


N, C, K, SIZE = 64, 64, 128, 32
HALF, WINDOW = SIZE // 2, (4, 4)
_HOW = ((2, 2), ((1, 1), (1, 1)), (1, 1), 1)
_CONV = 2.0 * N * K * HALF * HALF * C * WINDOW[0] * WINDOW[1]
_ELEMENTS = float(N * C * SIZE * SIZE)
_PARAMETERS = 4_000_000


def _new(*shape: int) -> Any:
    return np.empty(shape, np.float32)  # it is never read or written, so it takes no memory


def _images() -> Any:
    return _new(N, C, SIZE, SIZE)


def _flat(count: int) -> list[Any]:
    return [_new(_PARAMETERS) for _ in range(count)]


def _channels(count: int) -> list[Any]:
    return [np.ones(C, np.float32) for _ in range(count)]  # so few that roots are taken of them on the way


_CONVOLUTION = f"{N}x{C}x{SIZE}x{SIZE} to {N}x{K}x{HALF}x{HALF}, 4x4, stride 2"
_PLAIN = f"{N}x{C}x{SIZE}x{SIZE}"
_FLAT = f"{_PARAMETERS:,} parameters"

WORKS = {
    "conv2d": Work(_CONVOLUTION, lambda f: f(_images(), _new(K, C, *WINDOW), *_HOW), _CONV),
    "conv2d_input_grad": Work(
        _CONVOLUTION, lambda f: f(_new(N, K, HALF, HALF), _new(K, C, *WINDOW), (SIZE, SIZE), *_HOW), _CONV
    ),
    "conv2d_weight_grad": Work(_CONVOLUTION, lambda f: f(_images(), _new(N, K, HALF, HALF), WINDOW, *_HOW), _CONV),
    "batch_norm_stats": Work(_PLAIN, lambda f: f(_images()), 4 * _ELEMENTS),
    "batch_norm": Work(_PLAIN, lambda f: f(_images(), *_channels(4), 1e-5), 4 * _ELEMENTS),
    "batch_norm_grad": Work(_PLAIN, lambda f: f(_images(), _images(), *_channels(3), 1e-5), 10 * _ELEMENTS),
    "leaky_relu": Work(_PLAIN, lambda f: f(_images(), 0.2), _ELEMENTS),
    "leaky_relu_grad": Work(_PLAIN, lambda f: f(_images(), _images(), 0.2), _ELEMENTS),
    "dropout": Work(_PLAIN, lambda f: f(_images(), 0.3, 1), _ELEMENTS),
    "add_bias": Work(_PLAIN, lambda f: f(_images(), _new(C)), 2 * _ELEMENTS),
    "add_bias_grad": Work(_PLAIN, lambda f: f(_images(), _images(), 0.2), 2 * _ELEMENTS),
    "tanh_grad": Work(_PLAIN, lambda f: f(_images(), _images()), 3 * _ELEMENTS),
    "adam_step": Work(_FLAT, lambda f: f(*_flat(4), None, 1, 2e-4, 0.5, 0.999, 1e-8, 0.0, False), 12.0 * _PARAMETERS),
    "rmsprop_step": Work(_FLAT, lambda f: f(*_flat(3), None, None, 1e-3, 0.99, 1e-8, 0.0, 0.0), 8.0 * _PARAMETERS),
}


def launches(call: Callable[[], Any]) -> list[Launch]:
    """The CUDA kernels that `call` would start; none is started."""
    found: list[Launch] = []
    with _recorded(found):
        call()
    return found


@contextmanager
def _recorded(found: list[Launch]) -> Iterator[None]:
    from ..cuda import launch

    class Recorder:
        arrays: Any = np

        def start(self, kernel: Any, blocks: int, arguments: list[Any]) -> None:
            arrays = [a for given in arguments for a in (given if isinstance(given, tuple) else [given])]
            distinct = {a.__array_interface__["data"][0]: a.nbytes for a in arrays if isinstance(a, np.ndarray)}
            found.append(Launch(kernel.function, kernel.arguments, blocks, kernel.threads, sum(distinct.values())))

    with launch.running_on(Recorder()):
        yield
