"""Where arrays live and where random numbers come from.

An *array* is a NumPy array ("cpu") or a CuPy array ("cuda").  Code that serves both asks `array_module` for the module
whose functions fit, and never names NumPy itself:

>>> import numpy as np
>>> xp = array_module(np.ones(3))
>>> float(xp.sum(np.ones(3)))
3.0
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, Protocol, TypeVar

import numpy as np

from ._util.optional import IN_BROWSER

__all__ = [
    "Array",
    "DeviceError",
    "Recorder",
    "array_module",
    "describe",
    "device_of",
    "freeze",
    "gpu_module",
    "get_rng_state",
    "is_array",
    "manual_seed",
    "recording",
    "repeated",
    "rng",
    "seeded",
    "set_rng_state",
    "to_device",
    "why_no_gpu",
]

Array = np.ndarray[Any, Any]
"""The type of an array in annotations; CuPy's arrays have the same methods."""

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class DeviceError(RuntimeError):
    """Device "cuda" cannot be used; the message says in one line what is missing, and how to get it."""


def is_array(x: Any) -> bool:
    """Say whether `x` is an array of NumPy (or one of its scalars) or of CuPy, and of no other library.

    >>> is_array(np.ones(3)), is_array([1.0])
    (True, False)
    """
    return isinstance(x, _NUMPY) or type(x).__module__.partition(".")[0] == "cupy"


def describe(x: Any) -> str:
    """Name the type of `x` for an error message, with dtype and shape if it is an array or a Tensor.

    >>> describe(np.ones((2, 3))), describe(1.5)
    ('ndarray float64[2, 3]', 'float')
    """
    kind = np.ndarray if isinstance(x, ReadOnlyArray) else type(x)
    name = (
        kind.__qualname__
        if kind.__module__.partition(".")[0] in _OWN_MODULES
        else f"{kind.__module__}.{kind.__qualname__}"
    )
    if hasattr(x, "dtype") and hasattr(x, "shape"):
        return f"{name} {x.dtype}{list(x.shape)}"
    return name


_NUMPY = (np.ndarray, np.generic)
_OWN_MODULES = ("builtins", "cupy", "minigen", "numpy")


def array_module(array: Any) -> ModuleType:
    """Return the module, ``numpy`` or ``cupy``, that `array` belongs to."""
    return np if isinstance(array, np.ndarray) else sys.modules[type(array).__module__.partition(".")[0]]


def device_of(array: Any) -> str:
    """Return ``"cpu"`` for a NumPy array, ``"cuda"`` for CuPy's."""
    return "cpu" if isinstance(array, np.ndarray) else "cuda"


def to_device(array: Any, device: str) -> Any:
    """Copy `array` to `device`; an array that is already there is returned as it is.

    A copy to the GPU does not make the CPU wait.  A copy from the GPU does: the CPU waits until the GPU has finished
    all its work.  A training step must avoid that.

    Parameters
    ----------
    array : array
    device : {"cpu", "cuda"}

    Raises
    ------
    ValueError
        If the device has another name.
    DeviceError
        If CuPy, a driver or a GPU is missing.
    """
    if device not in ("cpu", "cuda"):
        raise ValueError(f"device: expected 'cpu' or 'cuda', got {device!r}")
    if device == device_of(array):
        return array
    if device == "cpu":
        return array.get()
    recorder = _recorder.get()
    return gpu_module().asarray(array) if recorder is None else recorder.upload(array)


T = TypeVar("T")


class Recorder(Protocol):
    """What records a training step on a GPU, so that it can be replayed: see `minigen.train.graph`."""

    def repeat(self, action: Callable[[], T]) -> T:
        """Do `action`, and do it again before each replay."""

    def upload(self, array: Array) -> Any:
        """Copy an array to the GPU."""


_recorder: ContextVar[Recorder | None] = ContextVar("minigen_recorder", default=None)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Inside the block `repeated` and `to_device` ask the recorder."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)


def repeated(action: Callable[[], T]) -> T:
    """Do `action` and return what it returns; where the step is recorded, do it again before each replay.

    It is for what the CPU does in a training step and what is another thing in every step: to draw random numbers, to
    count, to compute a learning rate.  A replay repeats the work of the GPU only, and these actions.

    Parameters
    ----------
    action : callable
        Without arguments.  It may copy arrays to the GPU and start kernels: a replay gives the recorded kernels the new
        numbers and copies.  It computes nothing else there.

    Examples
    --------
    >>> repeated(lambda: 1 + 1)
    2
    """
    recorder = _recorder.get()
    return action() if recorder is None else recorder.repeat(action)


def gpu_module() -> ModuleType:
    """Return ``cupy``, if there is a GPU.

    Raises
    ------
    DeviceError
        If CuPy, a driver or a GPU is missing.
    """
    extra = 'python -m pip install "minigen-lab[cuda13]", or cuda12 where nvidia-smi shows CUDA 12'
    try:
        import cupy
    except ModuleNotFoundError as error:
        if IN_BROWSER:
            raise DeviceError('device "cuda" does not exist for Python in a browser') from None
        raise DeviceError(f'device "cuda" needs CuPy: {extra}') from error
    except ImportError as error:
        raise DeviceError(f'device "cuda": CuPy cannot be imported ({error}); {extra}') from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(
            f'device "cuda" needs an NVIDIA GPU, its driver, and the CuPy that fits the driver ({error}); {extra}'
        ) from error
    if not count:
        raise DeviceError('device "cuda" needs an NVIDIA GPU: there is a driver, but no GPU that this process may use')
    module: ModuleType = cupy
    return module


def why_no_gpu() -> str:
    """Say what device "cuda" lacks on this machine; an empty string if it is ready."""
    try:
        gpu_module()
    except DeviceError as error:
        return str(error)
    return ""


def freeze(array: Any) -> Any:
    """Make a NumPy array read-only, because a gradient may still need its values, and return it."""
    if isinstance(array, np.ndarray):
        array.setflags(write=False)
    return array


class ReadOnlyArray(np.ndarray[Any, Any]):
    """The array of a Tensor, as it is shown: who writes into it reads in one line what to do instead.

    What is computed from it, and every copy, is a plain array.
    """

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        return array[()] if return_scalar else array

    def copy(self, order: Any = "C") -> Any:
        """Return a plain array with the same values."""
        return self.view(np.ndarray).copy(order)

    def astype(self, *args: Any, **kwargs: Any) -> Any:
        """Return a plain array with the same values."""
        return self.view(np.ndarray).astype(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()


ReadOnlyArray.__name__ = "ndarray"  # in messages: for a user it is one


def _refusing(name: str) -> Any:
    write = getattr(np.ndarray, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.flags.writeable:
            return write(self, *args, **kwargs)
        raise ValueError(
            "a Tensor's array is read-only: write `t -= x` or `t[i] = x` under minigen.no_grad(), "
            "`with t.inplace() as array`, or change a copy, t.numpy().copy()"
        )

    method.__name__ = name
    method.__doc__ = f"Do NumPy's `{name}`, if the array is not read-only."
    return method


for _operator in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift"):
    setattr(ReadOnlyArray, f"__i{_operator}__", _refusing(f"__i{_operator}__"))
for _name in ("__setitem__", "fill", "sort", "put", "partition"):
    setattr(ReadOnlyArray, _name, _refusing(_name))


def shown(array: Any) -> Any:
    """A view of a Tensor's array that says what to do instead of writing into it."""
    return array.view(ReadOnlyArray) if isinstance(array, np.ndarray) else array


def plain(array: Any) -> Any:
    """The array that `shown` shows, or a plain view of what was made of it."""
    if type(array) is not ReadOnlyArray:
        return array
    base = array.base
    if type(base) is np.ndarray and base.__array_interface__ == array.__array_interface__:
        return base
    return array.view(np.ndarray)


_rng = np.random.default_rng()
_forks = 0  # since the last seed


def _before_fork() -> None:
    global _forks
    _forks += 1


def _after_fork_in_child() -> None:
    """Give the child a stream that follows from the parent's position and from how many children came before."""
    state = _rng.bit_generator.state["state"]["state"]
    _rng.bit_generator.state = np.random.default_rng([state, _forks]).bit_generator.state


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)


def rng() -> np.random.Generator:
    """Return the random stream that functions draw from when no ``generator`` is given."""
    return _rng


def manual_seed(seed: int) -> None:
    """Start the package's random stream again from `seed`.

    Numbers are drawn by NumPy on the CPU and then copied to the device, without waiting for the GPU (`to_device`).  So
    a seed gives the same numbers on every device, and a checkpoint can be continued on any device.  CuPy's own
    generators would be faster, but they give other numbers.  Dropout's masks are made on the device itself, from one
    number that is drawn here.

    A forked child process gets its own stream, which follows from the parent's: the same seed gives the same
    numbers in every process, and no two processes draw the same ones.  (With NumPy's and PyTorch's global streams all
    children draw the same numbers.)

    >>> manual_seed(0); a = rng().random()
    >>> manual_seed(0); a == rng().random()
    True
    """
    global _forks
    _rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    _forks = 0


def get_rng_state() -> dict[str, Any]:
    """Return the random stream's position, as plain numbers and strings that JSON can hold.

    >>> state = get_rng_state(); draw = rng().random()
    >>> set_rng_state(state); draw == rng().random()
    True
    """
    return dict(_rng.bit_generator.state)


def set_rng_state(state: dict[str, Any]) -> None:
    """Set the random stream to a position that `get_rng_state` returned.

    >>> set_rng_state(get_rng_state())
    """
    _rng.bit_generator.state = state


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Start the random stream from `seed` inside the block, and restore its position afterwards.

    >>> manual_seed(0); expected = rng().random()
    >>> manual_seed(0)
    >>> with seeded(1):
    ...     _ = rng().random()
    >>> rng().random() == expected
    True
    """
    before = get_rng_state()
    manual_seed(seed)
    try:
        yield
    finally:
        set_rng_state(before)
