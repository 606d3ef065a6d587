"""Kernels: pure functions on arrays, in interchangeable sets.

A *kernel* takes arrays and plain numbers and returns new arrays.  It knows nothing of Tensors or gradients.  Every
set holds functions of the same names and signatures:

======================= =============================================================================
set                     what it is
======================= =============================================================================
``reference``           plain NumPy: the specification the other sets must equal
``cpu``                 Numba, multi-threaded, SIMD (where Numba is installed)
``cuda``                Numba CUDA on CuPy arrays (where a GPU is present)
======================= =============================================================================

Programs do not call a set by name: `find` chooses one by the array's type and by what `use` says.

>>> import minigen.kernels as kernels
>>> with kernels.use("reference"):
...     kernels.find("conv2d").__module__
'minigen.kernels.reference.conv'

The environment variable ``MINIGEN_KERNELS`` sets the starting choice; it is read when this package is imported.
"""

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import numpy as np

from .signatures import checked

__all__ = [
    "SETS",
    "available",
    "emulate",
    "find",
    "get_num_threads",
    "load",
    "precision",
    "register",
    "set_num_threads",
    "use",
]

SETS = ("reference", "cpu", "cuda")

_default_set = os.environ.get("MINIGEN_KERNELS", "auto")
_active: ContextVar[str | None] = ContextVar("minigen_kernels", default=None)
_registered: dict[str, list[Callable[..., Any]]] = {}


def load(name: str) -> ModuleType:
    """Import one kernel set and return its module.

    Parameters
    ----------
    name : str
        One of `SETS`.

    Raises
    ------
    ValueError
        If there is no such set.
    ImportError
        If the set is not part of this installation.
    """
    if name not in SETS:
        raise ValueError(f"kernels: unknown set {name!r}; expected one of {', '.join(SETS)}")
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise ImportError(f"kernels: the set {name!r} cannot be used here: {error.name} is not installed") from error


def available() -> tuple[str, ...]:
    """Names of the sets that can run here: ``cpu`` needs Numba, ``cuda`` a GPU too.

    >>> "reference" in available()
    True
    """
    return tuple(name for name in SETS if _runs(name))


def _runs(name: str) -> bool:
    needed = {"reference": (), "cpu": ("numba",), "cuda": ("numba_cuda", "cupy")}[name]
    if not all(importlib.util.find_spec(package) for package in needed):
        return False
    if name == "cuda":
        try:
            importlib.import_module(f"{__name__}.cuda.launch").empty((0,), "float32")
        except Exception:  # of the many ways in which a driver, a GPU or a library may be missing
            return False
    return True


class use:  # noqa: N801 - reads as a statement, `with use(...)`
    """Choose the kernel set, from here on or inside a ``with`` block.

    Parameters
    ----------
    name : str
        One of `SETS`, or ``"auto"``: the fastest set that can work on the arrays at hand.  CuPy arrays always go to
        ``cuda``: no other set takes them.

    Raises
    ------
    ValueError
        If there is no such set.

    Examples
    --------
    >>> with use("reference"):
    ...     pass
    """

    def __init__(self, name: str):
        if name != "auto":
            load(name)
        self._token = _active.set(name)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        _active.reset(self._token)


class register:  # noqa: N801 - reads as a statement, `with register(...)`
    """Put a kernel of your own in place of ours, from here on or inside a ``with`` block.

    Parameters
    ----------
    op : str
        The kernel's name, such as ``"conv2d"``.
    function : callable
        Takes the same arguments as ``minigen.kernels.reference.<op>`` and returns the same.  Its arguments are checked
        before each call (`minigen.kernels.signatures`), so it need not look at shapes and dtypes.

    Raises
    ------
    ValueError
        If no kernel has that name.

    Examples
    --------
    >>> from minigen.kernels import reference
    >>> def mine(*args, **kwargs):
    ...     return reference.conv2d(*args, **kwargs)
    >>> with register("conv2d", mine):
    ...     find("conv2d").__wrapped__ is mine
    True
    """

    def __init__(self, op: str, function: Callable[..., Any]):
        names = load("reference").__all__
        if op not in names:
            raise ValueError(f"register: no kernel is called {op!r}; expected one of {', '.join(names)}")
        self._op, self._function = op, checked(op)(function)
        _registered.setdefault(op, []).append(self._function)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Take the kernel out again; what served before serves again."""
        _registered[self._op].remove(self._function)
        if not _registered[self._op]:
            del _registered[self._op]


def find(op: str, array: Any = None) -> Callable[..., Any]:
    """The function that serves kernel `op` for `array`.

    Parameters
    ----------
    op : str
        The kernel's name.
    array : array, optional
        Decides the device: a CuPy array asks for the ``cuda`` set, whatever was chosen for NumPy's.

    Returns
    -------
    callable
        A registered kernel if there is one, else the chosen set's.  Under ``"auto"`` a kernel that a faster set
        lacks is taken from ``reference``; a set that was asked for by name serves what it has, likewise.  Where an
    optimizer's step is registered, it serves its form for many parameters too.  Where a set lacks a kernel
        for two steps, or one for a single step is registered, two kernels serve one after the other.
    """
    if op in _registered:
        return _registered[op][-1]
    if op in _FOR_MANY and _FOR_MANY[op] in _registered:
        return _one_by_one(op, _registered[_FOR_MANY[op]][-1])
    if type(array) is not np.ndarray and type(array).__module__.startswith("cupy"):
        name = "cuda"
    else:
        name = _active.get() or _default_set
        name = _host_set() if name == "auto" else name
    if op in _PARTS:
        joined, *parts = _PARTS[op]
        if not _registered.keys().isdisjoint(parts) or not _has(name, op):
            return joined(*(find(part, array) for part in parts))
    return _member(name, op)


@functools.cache
def _has(name: str, op: str) -> bool:
    return hasattr(load(name), op)


@functools.cache
def _member(name: str, op: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(load(name), op, None) or getattr(load("reference"), op)
    return function


#: Kernels for the parameters of a whole network, and how many of their arguments are lists of arrays.
_FOR_MANY = {"adam_steps": "adam_step", "rmsprop_steps": "rmsprop_step", "sgd_steps": "sgd_step"}
_LISTS = {"adam_steps": 5, "rmsprop_steps": 5, "sgd_steps": 3}


def _one_by_one(op: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Kernel `op` for many parameters, by a function for one."""

    def many(*args: Any) -> None:
        lists, rates = args[: _LISTS[op]], args[_LISTS[op] :]
        for arrays in zip(*(column or [None] * len(lists[0]) for column in lists)):
            function(*arrays, *rates)

    return checked(op)(many)


def _then_bias(layer: Callable[..., Any], add_bias: Callable[..., Any]) -> Callable[..., Any]:
    """A layer with a bias, by two kernels; the second overwrites the result of the first."""

    def both(first: Any, second: Any, bias: Any, *how: Any) -> Any:
        *geometry, negative_slope = how
        out = layer(first, second, *geometry)
        return add_bias(out, bias, out, negative_slope)

    return both


def _train_by_parts(stats: Callable[..., Any], normalize: Callable[..., Any]) -> Callable[..., Any]:
    """Batch norm in training, by two kernels."""

    def train(
        x: Any,
        weight: Any,
        bias: Any,
        eps: float,
        negative_slope: float | None = None,
        running_mean: Any = None,
        running_var: Any = None,
        momentum: float = 0.1,
    ) -> Any:
        mean, var = stats(x)
        y = normalize(x, mean, var, weight, bias, eps, negative_slope)
        return y, mean, var, *load("reference").norm.new_averages(x, mean, var, running_mean, running_var, momentum)

    return train


def _grad_by_parts(activation_grad: Callable[..., Any], channel_sums: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of a bias and of an activation after it, by two kernels."""

    def grad(g: Any, y: Any, negative_slope: float) -> Any:
        dx = activation_grad(g, y, negative_slope)
        return dx, channel_sums(dx)

    return grad


def _times_sigmoid(sigmoid: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of a softplus, by a kernel for the sigmoid."""
    return lambda g, x: g * sigmoid(x)


#: Kernels that do the work of several steps; how to join kernels for the steps, and their names.
_PARTS: dict[str, tuple[Any, ...]] = {
    "add_bias_grad": (_grad_by_parts, "leaky_relu_grad", "channel_sums"),
    "batch_norm_train": (_train_by_parts, "batch_norm_stats", "batch_norm"),
    "conv2d_bias": (_then_bias, "conv2d", "add_bias"),
    "conv2d_input_grad_bias": (_then_bias, "conv2d_input_grad", "add_bias"),
    "matmul_bias": (_then_bias, "matmul", "add_bias"),
    "softplus_grad": (_times_sigmoid, "sigmoid"),
}

_LATER = {
    "emulate": "emulator",
    "get_num_threads": "cpu.runtime.threads",
    "precision": "cpu.precision",
    "set_num_threads": "cpu.runtime.threads",
}


def __getattr__(name: str) -> Any:
    """What is loaded when it is asked for: the CPU set's settings, and the emulator of CUDA kernels."""
    if name in ("get_num_threads", "set_num_threads") and importlib.util.find_spec("numba") is None:
        return getattr(importlib.import_module(f"{__name__}.single_thread"), name)
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _host_set() -> str:
    """The fastest set for NumPy arrays: ``cpu``, or ``reference`` with a hint where Numba is missing."""
    if importlib.util.find_spec("numba") is None:
        if sys.platform != "emscripten":  # in a browser there is no choice: Numba does not exist there
            print(
                "minigen: Numba is not installed, so the slow NumPy kernels serve: python -m pip install numba",
                file=sys.stderr,
            )
        return "reference"
    return "cpu"
