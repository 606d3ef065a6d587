"""How every kernel of this package is started: arguments and grid checked, on CuPy's current stream."""

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from .packed import Launch, UnexpectedNumbaError, pack
from .target import configured, cuda, types

__all__ = [
    "Device",
    "Gpu",
    "Kernel",
    "contiguous",
    "current_device",
    "deliver",
    "elements",
    "empty",
    "launch",
    "left_to_numba",
    "receiver",
    "running_on",
]

#: Threads in a block of a kernel that takes its elements one by one.
THREADS = 256
#: Blocks of such a kernel: enough to fill any GPU; larger arrays are taken in several strides.
MOST_BLOCKS = 8192
#: Blocks of any launch: what CUDA allows in x.  Kernels count in int32, so an array may have as many elements.
LIMIT = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Kernel:
    """A kernel, made for one dtype and for sizes that it has as constants.

    Two are the same only if they are one object: to compare Numba's types takes longer than a launch.
    """

    function: Callable[..., None]
    arguments: tuple[types.Type, ...]
    threads: int = THREADS

    @functools.cached_property
    def readers(self) -> tuple[Callable[[Any], Any], ...]:
        """For each argument, the function that makes what the kernel takes from what it is given."""
        name = self.function.__name__
        return tuple(functools.partial(_reader(kind), name) for kind in self.arguments)

    @functools.cached_property
    def from_memory(self) -> "Kernel":
        """The same kernel, which reads the numbers that change (`target.changing`) from the GPU's memory.

        A graph of launches keeps the arguments of each, so it can be given other numbers only there.
        """
        kinds = (types.Array(kind.dtype, 1, "C") if _changes(kind) else kind for kind in self.arguments)
        return Kernel(self.function, tuple(kinds), self.threads)


class Device(Protocol):
    """Where kernels run."""

    arrays: Any
    """The module whose arrays the kernels take and return."""

    def start(self, kernel: Kernel, blocks: int, arguments: list[Any]) -> None:
        """Launch `kernel` with that many blocks."""


class Gpu:
    """CuPy's current device, and its current stream."""

    def __init__(self, arrays: Any) -> None:
        self.arrays = arrays
        self.left_to_numba: set[str] = set()
        """Kernels whose launches cannot be packed: see `packed`."""
        self._launches: dict[Kernel, Launch] = {}

    def start(self, kernel: Kernel, blocks: int, arguments: list[Any]) -> None:
        """Launch `kernel` on CuPy's current stream."""
        # Work on another stream than CuPy's current one, which makes the inputs, would race with it.
        stream = self.arrays.cuda.get_current_stream().ptr
        launch = self._launches.get(kernel)
        if launch is None:
            launch = self._launches[kernel] = self._prepare(kernel, arguments)
        launch(blocks, stream, arguments)

    def _prepare(self, kernel: Kernel, arguments: list[Any]) -> Launch:
        """How `kernel` is launched from now on: packed by us, or by Numba where that is not as expected."""
        compiled = cuda.jit(types.void(*kernel.arguments))(kernel.function)
        as_numba = functools.partial(_as_numba_array, self.arrays.ndarray)
        try:
            return pack(compiled, kernel.threads, arguments, as_numba(arguments))
        except UnexpectedNumbaError:
            self.left_to_numba.add(kernel.function.__name__)
            return lambda blocks, stream, values: _launch_by_numba(
                compiled, blocks, kernel.threads, stream, as_numba(values)
            )


def _as_numba_array(array_type: type, value: Any) -> Any:
    """An argument as Numba takes it: arrays of CuPy's, and tuples of them, as Numba's own."""
    if isinstance(value, list | tuple):
        return tuple(_as_numba_array(array_type, part) for part in value)
    # Left to itself, Numba has the CPU wait for the stream of every CuPy array before it launches a kernel.
    return cuda.as_cuda_array(value, sync=False) if isinstance(value, array_type) else value


def _launch_by_numba(compiled: Any, blocks: int, threads: int, stream: int, arguments: tuple[Any, ...]) -> None:
    configured(compiled, blocks, threads, cuda.external_stream(stream) if stream else 0)(*arguments)


_device: ContextVar[Device | None] = ContextVar("minigen_kernels_cuda", default=None)


@functools.cache
def _gpu() -> Gpu:
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
    return Gpu(cupy)


def current_device() -> Device:
    """Where kernels run: the GPU, or what `running_on` has put in its place."""
    return _device.get() or _gpu()


def left_to_numba() -> tuple[str, ...]:
    """Names of the kernels that Numba has launched here, because their launches cannot be packed."""
    return tuple(sorted(getattr(current_device(), "left_to_numba", ())))


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
    current_device().start(kernel, blocks, [read(value) for read, value in zip(kernel.readers, arguments, strict=True)])


def _changes(kind: types.Type) -> bool:
    return isinstance(kind, types.UniTuple) and isinstance(kind.dtype, types.Number)


def _reader(kind: types.Type) -> Callable[[str, Any], Any]:
    if _changes(kind):
        one = np.dtype(kind.dtype.name).type
        return lambda kernel, values: tuple([one(value) for value in values])
    if isinstance(kind, types.BaseTuple):
        return _flat_arrays
    if isinstance(kind, types.Array):
        return _flat_array
    number = np.dtype(kind.name).type
    return lambda kernel, value: number(value)


def _flat_array(kernel: str, array: Any) -> Any:
    """An array as the kernel `kernel` sees it: in one dimension."""
    if array.size > LIMIT:
        raise ValueError(
            f"{kernel}: an array of shape {array.shape} has more elements than the {LIMIT} that kernels count; "
            "take a smaller batch"
        )
    return array if array.ndim == 1 else array.reshape(-1)


def _flat_arrays(kernel: str, arrays: Any) -> tuple[Any, ...]:
    return tuple([_flat_array(kernel, array) for array in arrays])


def elements(kernel: Kernel, count: int, *arguments: Any) -> None:
    """Start a kernel that takes `count` elements one by one, in strides of the whole grid; it is told `count` last."""
    launch(kernel, min(-(-count // kernel.threads), MOST_BLOCKS), *arguments, count)


def empty(shape: Any, dtype: Any) -> Any:
    """A new array where the kernels run."""
    return current_device().arrays.empty(shape, dtype)


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
    arrays = current_device().arrays
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
