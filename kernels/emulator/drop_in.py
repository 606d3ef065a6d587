"""The parts of `numba.cuda` that belong to the host, on the CPU: a course's program runs with no change.

Device memory is host memory here, but kept apart as on a GPU: a `DeviceArray` has the methods that Numba's own has and
no others, and it remembers which of its elements nothing has written.
"""

import contextlib
import importlib
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

import numpy as np

from .errors import UninitializedWarning, UnsupportedError
from .front_end import without_gpu
from .launch import EmulatedKernel, host_array, launch_syntax

__all__ = ["DeviceArray", "as_gpu"]

_THREADS = 256  # in a block, where the program leaves it to `forall`
_CAPABILITY = (8, 0)
# What a program may want of the GPU that is not there.
_MISSING = (
    "as_cuda_array", "compile_for_current_device", "compile_ptx_for_current_device", "current_context",
    "from_cuda_array_interface", "list_devices", "mapped", "open_ipc_array", "profile_start", "profile_stop",
)  # fmt: skip


class DeviceArray:
    """An array in the memory of the GPU that is not there; `numba.cuda.to_device` and its kin make it.

    Attributes
    ----------
    shape, strides, dtype, ndim, size, nbytes
        As of a NumPy array.
    """

    def __init__(self, array: np.ndarray, fresh: np.ndarray):
        self._array: np.ndarray = array
        self.fresh: np.ndarray = fresh
        self.writer: str = ""

    shape: Any = property(lambda self: self._array.shape)
    strides: Any = property(lambda self: self._array.strides)
    dtype: Any = property(lambda self: self._array.dtype)
    ndim: Any = property(lambda self: self._array.ndim)
    size: Any = property(lambda self: self._array.size)
    nbytes: Any = property(lambda self: self._array.nbytes)
    alloc_size = nbytes
    T = property(lambda self: self.transpose())
    __cuda_array_interface__: Any = property(lambda self: self._array.__array_interface__ | {"version": 3})

    def __len__(self) -> int:
        return len(self._array)

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype})"

    def _of(self, how: Callable[[np.ndarray], np.ndarray]) -> "DeviceArray":
        """A view of the same memory, and of what is known of it."""
        made = DeviceArray(how(self._array), how(self.fresh))
        made.writer = self.writer
        return made

    def transpose(self, axes: Sequence[int] | None = None) -> "DeviceArray":
        """The array with its axes in another order."""
        return self._of(lambda array: array.transpose(axes))

    def reshape(self, *shape: Any, order: Any = "C") -> "DeviceArray":
        """The same elements in another shape."""
        return self._of(lambda array: array.reshape(*shape, order=order))

    def ravel(self, order: Any = "C") -> "DeviceArray":
        """The same elements in one axis."""
        return self._of(lambda array: array.reshape(-1, order=order))

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self._array[index], np.ndarray):
            return self._of(lambda array: array[index])
        self._warn(np.asarray(self.fresh[index]))
        return self._array[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._array[index] = value._array if isinstance(value, DeviceArray) else value
        self.fresh[index] = False

    def copy_to_host(self, ary: np.ndarray | None = None, stream: Any = 0) -> np.ndarray:
        """Copy the elements to a NumPy array, `ary` or a new one."""
        self._warn(self.fresh)
        if ary is None:
            return self._array.copy()
        if (ary.shape, ary.dtype) != (self.shape, self.dtype):
            raise ValueError(
                f"copy_to_host: ary: got shape {ary.shape} of {ary.dtype}, expected {self.shape} of {self.dtype}"
            )
        ary[...] = self._array
        return ary

    def copy_to_device(self, ary: Any, stream: Any = 0) -> None:
        """Copy the elements of a NumPy array, or of another device array, into this one."""
        source = ary._array if isinstance(ary, DeviceArray) else np.asarray(ary)
        if source.shape != self.shape:
            raise ValueError(f"copy_to_device: ary: got shape {source.shape}, expected {self.shape}")
        self._array[...] = source
        self.fresh[...] = ary.fresh if isinstance(ary, DeviceArray) else False

    def is_c_contiguous(self) -> bool:
        """Whether the last axis is the one whose elements are neighbors."""
        return self._array.flags.c_contiguous

    def _warn(self, fresh: np.ndarray) -> None:
        if fresh.any():
            last = f"; the last launch with it was {self.writer}" if self.writer else ""
            warnings.warn(
                f"{int(fresh.sum())} of {fresh.size} elements of {self!r} are copied to the host, and nothing has "
                f"written them{last}",
                UninitializedWarning,
                stacklevel=3,
            )


def as_gpu(
    check: bool = True, order: str | int = "forward", max_iterations: int | None = 10_000_000
) -> contextlib.AbstractContextManager[None]:
    """Inside the block `numba.cuda` runs on the CPU: a program that was written for a GPU needs no change.

    Kernels, also those that were decorated before, are launched by ``kernel[grid, block](...)``, and decorated with or
    without a signature; `to_device`, `device_array`, `copy_to_host`, streams and events work.  In a notebook call
    ``as_gpu().__enter__()`` in the first cell.

    Parameters
    ----------
    check, order, max_iterations
        As `minigen.kernels.emulate` takes them.

    Warns
    -----
    UninitializedWarning
        When elements of a device array are copied to the host that nothing has written.

    Examples
    --------
    >>> from numba import cuda  # doctest: +SKIP
    >>> with as_gpu():  # doctest: +SKIP
    ...     @cuda.jit("void(float32[:])")
    ...     def double(x):
    ...         x[cuda.grid(1)] *= 2
    ...     x = cuda.to_device(np.arange(4, dtype=np.float32))
    ...     double[2, 2](x)
    ...     x.copy_to_host()
    array([0., 2., 4., 6.], dtype=float32)
    """
    return _Block(_emulated(check, order, max_iterations))


class _Block(contextlib.AbstractContextManager[None]):
    """A ``with`` block; ``as_gpu().__enter__()`` alone lasts, too, though no variable holds this object."""

    entered: ClassVar[list["_Block"]] = []

    def __init__(self, manager: contextlib.AbstractContextManager[None]):
        self._manager = manager

    def __enter__(self) -> None:
        self._manager.__enter__()
        self.entered.append(self)

    def __exit__(self, *error: Any) -> None:
        self.entered.remove(self)
        self._manager.__exit__(*error)


@contextlib.contextmanager
def _emulated(check: bool, order: str | int, max_iterations: int | None) -> Iterator[None]:
    """What `as_gpu` does."""
    from numba import cuda

    from . import emulate

    dispatcher = importlib.import_module("numba.cuda.dispatcher").CUDADispatcher

    def compile_(kernel: Any, types: tuple[Any, ...]) -> None:
        kernel.emulated_signatures = [*getattr(kernel, "emulated_signatures", []), types]

    def started(kernel: Any, choose: Callable[[EmulatedKernel], Callable[..., Any]]) -> Callable[..., None]:
        emulated = emulate(kernel, check=check, order=order, max_iterations=max_iterations)
        launch = choose(emulated)

        def start(*args: Any, **named: Any) -> None:
            signatures = [] if named else getattr(kernel, "emulated_signatures", [])
            launch(*_converted(emulated, signatures, args), **named)

        return start

    def configured(kernel: Any, configuration: Any) -> Callable[..., None]:
        return started(kernel, lambda emulated: emulated[configuration])

    def configure(kernel: Any, *configuration: Any) -> Callable[..., None]:
        return configured(kernel, configuration)

    def unconfigured(kernel: Any, *_: Any, **__: Any) -> None:
        raise ValueError(launch_syntax(kernel.__name__))

    def for_all(kernel: Any, tasks: int, tpb: int = 0, stream: Any = 0, sharedmem: int = 0) -> Callable[..., None]:
        return started(kernel, lambda emulated: emulated.forall(tasks, tpb or _THREADS, sharedmem))

    names = _host_names() | {name: _refusing(name) for name in _MISSING}
    with contextlib.ExitStack() as patches:
        patches.enter_context(without_gpu(_CAPABILITY))
        for name, method in (
            ("compile", compile_),
            ("configure", configure),
            ("__getitem__", configured),
            ("forall", for_all),
            ("__call__", unconfigured),
        ):
            patches.enter_context(mock.patch.object(dispatcher, name, method))
        patches.enter_context(mock.patch.object(dispatcher, "specialize", lambda kernel, *args: kernel))
        patches.enter_context(mock.patch.object(dispatcher, "disable_compile", _nothing))
        for name, value in names.items():
            patches.enter_context(mock.patch.object(cuda, name, value, create=True))
        yield


def _converted(kernel: EmulatedKernel, signatures: list[Any], args: tuple[Any, ...]) -> list[Any]:
    """The arguments as the kernel's signature has them: numbers are converted, arrays have to agree."""
    from numba import typeof, types

    if not signatures:
        return list(args)
    reasons = []
    for kinds in signatures:
        if len(kinds) != len(args):
            raise TypeError(f"{kernel.__name__}: takes {len(kinds)} arguments, got {len(args)}")
        values = []
        for name, kind, value in zip(kernel.names, kinds, args):
            array = host_array(value)
            if isinstance(kind, types.Number) and not isinstance(array, np.ndarray):
                values.append(np.dtype(str(kind)).type(value))
                continue
            given = typeof(array)
            fits = given == kind or (
                isinstance(kind, types.Array)
                and isinstance(given, types.Array)
                and (given.dtype, given.ndim) == (kind.dtype, kind.ndim)
                and kind.layout in ("A", given.layout)
            )
            if not fits:
                reasons.append(f"{name} is {given}, the signature says {kind}")
                break
            values.append(value)
        else:
            return values
    raise TypeError(f"{kernel.__name__}: {'; '.join(reasons)}")


# ---- what takes the place of the functions of numba.cuda


def _host_names() -> dict[str, Any]:
    device = _Device(
        id=0,
        name=b"minigen's emulator",
        compute_capability=_CAPABILITY,
        WARP_SIZE=32,
        MAX_THREADS_PER_BLOCK=1024,
        MAX_BLOCK_DIM_X=1024,
        MAX_BLOCK_DIM_Y=1024,
        MAX_BLOCK_DIM_Z=64,
        MAX_GRID_DIM_X=2**31 - 1,
        MAX_GRID_DIM_Y=65535,
        MAX_GRID_DIM_Z=65535,
        MAX_SHARED_MEMORY_PER_BLOCK=48 * 1024,
        MULTIPROCESSOR_COUNT=1,
        reset=_nothing,
    )
    return {
        "to_device": _to_device, "device_array": _device_array, "device_array_like": _device_array_like,
        "is_cuda_array": lambda obj: hasattr(obj, "__cuda_array_interface__"),
        "pinned_array": _host_memory, "mapped_array": _host_memory, "managed_array": _host_memory,
        "pinned_array_like": np.empty_like, "mapped_array_like": np.empty_like,
        "pinned": lambda *arrays: contextlib.nullcontext(), "defer_cleanup": contextlib.nullcontext,
        "synchronize": _nothing, "close": _nothing, "select_device": lambda number=0: device,
        "stream": _Stream, "default_stream": _Stream, "legacy_default_stream": _Stream,
        "per_thread_default_stream": _Stream, "external_stream": lambda pointer: _Stream(),
        "event": _Event, "event_elapsed_time": lambda first, last: first.elapsed_time(last),
        "get_current_device": lambda: device, "is_available": lambda: True, "detect": _detect,
        "gpus": [device],
    }  # fmt: skip


def _to_device(obj: Any, stream: Any = 0, copy: bool = True, to: DeviceArray | None = None) -> DeviceArray:
    if isinstance(obj, DeviceArray) and to is None:
        return obj
    source = obj._array if isinstance(obj, DeviceArray) else np.asarray(obj)
    if to is None:
        if source.dtype.hasobject:
            raise TypeError(f"to_device: obj: expected numbers, got {type(obj).__name__} of {source.dtype}")
        layout = np.empty(source.shape, source.dtype, order="F" if source.flags.fnc else "C")
        to = DeviceArray(layout, np.ones_like(layout, dtype=bool))
    if copy:
        to.copy_to_device(obj if isinstance(obj, DeviceArray) else source)
    return to


def _device_array(
    shape: Any, dtype: Any = np.float64, strides: Any = None, order: Any = "C", stream: Any = 0
) -> DeviceArray:
    if strides is not None:
        raise UnsupportedError("device_array: strides: the emulator has no such thing")
    array = np.empty(shape, dtype, order=order)
    array.reshape(-1, order="A").view(np.uint8).fill(0xFF)  # as shared memory, it is not a number at first
    return DeviceArray(array, np.ones_like(array, dtype=bool))


def _device_array_like(ary: Any, stream: Any = 0) -> DeviceArray:
    array = ary._array if isinstance(ary, DeviceArray) else np.asarray(ary)
    return _device_array(array.shape, array.dtype, order="F" if array.flags.fnc else "C")


def _host_memory(shape: Any, dtype: Any = np.float64, strides: Any = None, order: Any = "C", **_: Any) -> np.ndarray:
    return np.empty(shape, dtype, order=order)


def _detect() -> bool:
    print("Found 1 CUDA devices\nid 0    minigen's emulator, on the CPU    [SUPPORTED]")
    return True


def _nothing(*_: Any, **__: Any) -> None:
    """Every launch has ended when it returns, so there is nothing to wait for."""


def _refusing(name: str) -> Callable[..., None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise UnsupportedError(f"cuda.{name}: the emulator has no such thing")

    return refuse


class _Device(SimpleNamespace):
    """The GPU that is not there; ``with cuda.gpus[0]:`` chooses it."""

    def __enter__(self) -> "_Device":
        return self

    def __exit__(self, *error: Any) -> None:
        pass


class _Stream:
    """Work in a stream is done at once."""

    handle = 0
    synchronize = _nothing

    @contextlib.contextmanager
    def auto_synchronize(self) -> Iterator["_Stream"]:
        yield self


class _Event:
    """The time when it was recorded: of the emulator, which says nothing about a GPU."""

    def __init__(self, timing: bool = True):
        self._time = math.nan

    def record(self, stream: Any = 0) -> None:
        self._time = time.perf_counter()

    def query(self) -> bool:
        return True

    def elapsed_time(self, later: "_Event") -> float:
        """Milliseconds from this event to a later one."""
        return 1000 * (later._time - self._time)

    synchronize = wait = _nothing
