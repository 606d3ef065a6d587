"""How every kernel of this package is started: arguments and grid checked, on CuPy's current stream."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

import numpy as np

from .target import configured, cuda, types

__all__ = [
    "Device",
    "Kernel",
    "contiguous",
    "deliver",
    "elements",
    "empty",
    "launch",
    "receiver",
    "running_on",
    "square_root",
]

#: Threads in a block of a kernel that takes its elements one by one.
THREADS = 256
#: Blocks of such a kernel: enough to fill any GPU; larger arrays are taken in several strides.
MOST_BLOCKS = 8192
#: Blocks of any launch: what CUDA allows in x.  Kernels count in int32, so an array may have as many elements.
LIMIT = 2**31 - 1


class Kernel(NamedTuple):
    """A kernel, made for one dtype and for sizes that it has as constants."""

    function: Callable[..., None]
    arguments: tuple[types.Type, ...]
    threads: int = THREADS


class Device(Protocol):
    """Where kernels run."""

    arrays: Any
    """The module whose arrays the kernels take and return."""

    def start(self, kernel: Kernel, blocks: int, arguments: list[Any]) -> None:
        """Launch `kernel` with that many blocks."""


class _Gpu:
    """CuPy arrays, on its current device."""

    def __init__(self) -> None:
        try:
            import cupy
        except ImportError as error:
            hint = "python -m pip install 'minigen-lab[cuda13]' (or cuda12, by the driver)"
            raise ImportError(f"the CUDA kernels need CuPy: {hint}", name="cupy") from error
        if not cupy.cuda.is_available():
            raise RuntimeError(
                "the CUDA kernels need an NVIDIA GPU and its driver, and none answers here; "
                "`with minigen.kernels.emulator.emulated():` runs them on the CPU (extra: emulator)"
            )
        self.arrays = cupy

    def start(self, kernel: Kernel, blocks: int, arguments: list[Any]) -> None:
        # Work on another stream than CuPy's current one, which makes the inputs, would race with it.
        pointer = self.arrays.cuda.get_current_stream().ptr
        stream = cuda.external_stream(pointer) if pointer else 0
        # Left to itself, Numba has the CPU wait for the stream of every CuPy array before it launches a kernel.
        arguments = [
            cuda.as_cuda_array(value, sync=False) if isinstance(value, self.arrays.ndarray) else value
            for value in arguments
        ]
        configured(_compiled(kernel), blocks, kernel.threads, stream)(*arguments)


_device: ContextVar[Device | None] = ContextVar("minigen_kernels_cuda", default=None)
_gpu = functools.cache(_Gpu)


def _here() -> Device:
    return _device.get() or _gpu()


@functools.cache
def _compiled(kernel: Kernel) -> Any:
    return cuda.jit(types.void(*kernel.arguments))(kernel.function)


@contextlib.contextmanager
def running_on(device: Device) -> Iterator[None]:
    """Inside the block the CUDA kernels run on `device` instead of the GPU.

    Parameters
    ----------
    device : Device
        Such as the one of `minigen.kernels.emulator.emulated`.
    """
    token = _device.set(device)
    try:
        yield
    finally:
        _device.reset(token)


def launch(kernel: Kernel, blocks: int, *arguments: Any) -> None:
    """Start `kernel` with `blocks` blocks.

    Parameters
    ----------
    kernel : Kernel
    blocks : int
        None at all is a kernel with nothing to do.
    *arguments
        Arrays, which the kernel sees flat, and numbers.

    Raises
    ------
    ValueError
        If there are more blocks, or more elements in an array, than a kernel can count.
    """
    if blocks == 0:
        return
    if blocks > LIMIT:
        raise ValueError(f"{kernel.function.__name__}: {blocks} blocks of threads are more than the {LIMIT} of a GPU")
    values = []
    for kind, value in zip(kernel.arguments, arguments, strict=True):
        if isinstance(kind, types.Array):
            if value.size > LIMIT:
                raise ValueError(
                    f"{kernel.function.__name__}: an array of shape {value.shape} has more elements than the {LIMIT} "
                    "that kernels count; take a smaller batch"
                )
            value = value.reshape(-1)
        else:
            value = np.dtype(kind.name).type(value)
        values.append(value)
    _here().start(kernel, blocks, values)


def elements(kernel: Kernel, count: int, *arguments: Any) -> None:
    """Start a kernel that takes `count` elements one by one, in strides of the whole grid; it is told `count` last."""
    launch(kernel, min(-(-count // kernel.threads), MOST_BLOCKS), *arguments, count)


def empty(shape: Any, dtype: Any) -> Any:
    """A new array where the kernels run."""
    return _here().arrays.empty(shape, dtype)


def square_root(array: Any) -> Any:
    """Its elements' square roots: CuPy's work, for the few numbers of one channel each."""
    return _here().arrays.sqrt(array)


def contiguous(name: str, array: Any) -> Any:
    """`array` as a kernel reads it: C-contiguous, on the device; copied only where it is not contiguous.

    Parameters
    ----------
    name : str
        What to call it in an error.
    array : array
        Whose dtype and shape have been checked (`minigen.kernels.signatures`).

    Raises
    ------
    TypeError
        If it is no array of the device.
    """
    arrays = _here().arrays
    if not isinstance(array, arrays.ndarray):
        kind = f"{type(array).__module__}.{type(array).__name__}"
        raise TypeError(f"{name}: expected an array of {arrays.__name__}, got {kind}; arrays are not copied silently")
    return arrays.ascontiguousarray(array)


def receiver(name: str, out: Any, like: Any, shape: Any) -> Any:
    """What a kernel writes a result of `shape` to: `out` itself where that is contiguous, else a new array."""
    if out is None:
        return empty(shape, like.dtype)
    return out if contiguous(name, out) is out else empty(shape, like.dtype)


def deliver(result: Any, out: Any) -> Any:
    """Bring a result into `out`, if there is one and the kernel has not written to it."""
    if out is None or out is result:
        return result
    out[...] = result
    return out
