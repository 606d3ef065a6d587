"""Where arrays live and where random numbers come from.

An *array* is a NumPy array ("cpu") or a CuPy array ("cuda").  Code that serves both asks `array_module` for the module
whose functions fit, and never names NumPy itself:

>>> import numpy as np
>>> xp = array_module(np.ones(3))
>>> float(xp.sum(np.ones(3)))
3.0
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

__all__ = [
    "Array",
    "DeviceError",
    "array_module",
    "device_of",
    "freeze",
    "get_rng_state",
    "manual_seed",
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
    """What device "cuda" needs is missing; the message is one line that says what, and how to get it."""


def array_module(array: Any) -> ModuleType:
    """The module, ``numpy`` or ``cupy``, that `array` belongs to."""
    return np if isinstance(array, np.ndarray) else sys.modules[type(array).__module__.partition(".")[0]]


def device_of(array: Any) -> str:
    """``"cpu"`` for a NumPy array, ``"cuda"`` for any other."""
    return "cpu" if isinstance(array, np.ndarray) else "cuda"


def to_device(array: Any, device: str) -> Any:
    """Copy `array` to `device`; an array that is already there is returned as it is.

    To the GPU the CPU does not wait: CuPy copies the numbers to memory from where the GPU fetches them in its turn.
    From the GPU it waits, until that has done all it was asked for; a training step must not.

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
    return _cupy().asarray(array)


def _cupy() -> ModuleType:
    extra = 'python -m pip install "minigen-lab[cuda13]", or cuda12 where nvidia-smi shows CUDA 12'
    try:
        import cupy
    except ModuleNotFoundError as error:
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
    return cupy


def why_no_gpu() -> str:
    """What device "cuda" needs and has not; empty if it is ready."""
    try:
        _cupy()
    except DeviceError as error:
        return str(error)
    return ""


def freeze(array: Any) -> Any:
    """Make a NumPy array read-only, so that no one can change what a gradient still needs.  Returns the array."""
    if isinstance(array, np.ndarray):
        array.setflags(write=False)
    return array


_rng = np.random.default_rng()


def rng() -> np.random.Generator:
    """The random stream that every function without a ``generator`` argument of its own draws from."""
    return _rng


def manual_seed(seed: int) -> None:
    """Start the package's random stream afresh from `seed`.

    Whatever the device, numbers are drawn by NumPy on the CPU and then copied, without waiting for the GPU
    (`to_device`).  So a seed means the same on every device, and the stream's position is a part of a checkpoint that
    any device can go on from.  CuPy's own generators would be faster, and give other numbers.  Dropout's masks, by far
    the most numbers, are made where they are needed, from one number that is drawn so.

    >>> manual_seed(0); a = rng().random()
    >>> manual_seed(0); a == rng().random()
    True
    """
    _rng.bit_generator.state = np.random.default_rng(seed).bit_generator.state


def get_rng_state() -> dict[str, Any]:
    """The random stream's position, as plain numbers and strings that JSON can hold.

    >>> state = get_rng_state(); draw = rng().random()
    >>> set_rng_state(state); draw == rng().random()
    True
    """
    return dict(_rng.bit_generator.state)


def set_rng_state(state: dict[str, Any]) -> None:
    """Return the random stream to a position that `get_rng_state` gave.

    >>> set_rng_state(get_rng_state())
    """
    _rng.bit_generator.state = state


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Start the package's random stream from `seed` inside the block; afterwards it is back where it was.

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
