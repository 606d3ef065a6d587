"""A stand-in for CuPy on a computer without a GPU: NumPy underneath, and stricter than CuPy.

- ``np.`` functions of a device array, and arrays of host and device in one call, are errors, as with CuPy.
- Names, keywords and methods that CuPy has not are errors, where CuPy is installed to ask (it imports without a GPU).
- What makes the host wait for the GPU, such as ``float(x)``, ``if x:``, ``x.get()``, ``x[mask]`` or printing, is counted
  in `SYNCS` with file and line, or an error inside `no_sync`.
- What CuPy would start a kernel for is counted in `LAUNCHES` by its name: all but views and empty arrays.
- Arrays of the host that are copied to the device are listed in `UPLOADS` by their shapes.
- Streams capture: what would be started is recorded, its results are NaN until the graph is launched, and to copy from
  the host or to wait is an error.  A graph works on the arrays that it was captured with, as on a GPU.
- Arrays have a ``__cuda_array_interface__``, so the emulator takes them, and know the array whose memory they view.

`as_cupy` puts it in CuPy's place: ``import cupy`` gives the double then.  `host_kernels` lets the reference kernels work
on its arrays, which is much quicker than emulating CUDA ones.
"""

import contextlib
import functools
import inspect
import math
import re
import sys
import types
from collections import Counter
from types import SimpleNamespace

import numpy as np

try:
    import cupy as real
except ImportError:
    real = None

SYNCS: list[tuple[str, str, int]] = []
LAUNCHES: Counter[str] = Counter()
UPLOADS: list[tuple[int, ...]] = []
_forbidden = False
_captured: list | None = None  # functions without arguments, while a stream captures


class HiddenSyncError(RuntimeError):
    """The host waited for the GPU where it must not."""


def _sync(what):
    frame = sys._getframe(2)
    if _captured is not None:
        raise RuntimeError(f"{what} while a stream captures")
    SYNCS.append((what, frame.f_code.co_filename, frame.f_lineno))
    if _forbidden:
        raise HiddenSyncError(f"{what} at {frame.f_code.co_filename}:{frame.f_lineno}")


@contextlib.contextmanager
def no_sync():
    """Waiting for the GPU inside the block is an error."""
    global _forbidden
    before, _forbidden = _forbidden, True
    try:
        yield
    finally:
        _forbidden = before


@contextlib.contextmanager
def as_cupy():
    """Inside the block ``import cupy`` gives the double, and ``import cupyx.scipy.special`` its error function."""
    special = types.ModuleType("cupyx.scipy.special")
    erf = np.frompyfunc(math.erf, 1, 1)
    special.erf = lambda array: _computed(lambda: np.asarray(erf(array._host), array.dtype), array)
    doubles = {"cupy": xp, "cupyx.scipy.special": special}
    before = {name: sys.modules[name] for name in doubles if name in sys.modules}
    sys.modules.update(doubles)
    try:
        yield xp
    finally:
        for name in doubles:
            del sys.modules[name]
        sys.modules.update(before)


@contextlib.contextmanager
def host_kernels():
    """Inside the block kernels are those of the set "reference", which gets the double's NumPy arrays."""
    from minigen import kernels

    def on_device(kernel):
        def call(*args, **kwargs):
            given = (*args, *kwargs.values(), *(args[0] if isinstance(args[0], list) else ()))
            if not any(isinstance(value, ndarray) for value in given):
                return kernel(*args, **kwargs)
            return _wrap(kernel(*_unwrap(args, kernel.__name__), **_unwrap(kwargs, kernel.__name__)))

        return call

    reference = kernels.load("reference")
    with contextlib.ExitStack() as stack:
        for name in reference.__all__:
            stack.enter_context(kernels.register(name, on_device(getattr(reference, name))))
        yield


@contextlib.contextmanager
def emulated_kernels():
    """Inside the block CUDA kernels are emulated on the double's arrays, or captured."""
    from minigen.kernels import emulator
    from minigen.kernels.cuda import launch

    with emulator.emulated(arrays=xp):
        emulated = launch.current_device()

        def begin(kernel, blocks, arguments):
            start(lambda: emulated.start(kernel, blocks, arguments))

        device = SimpleNamespace(arrays=xp, start=begin)
        with launch.running_on(device), np.errstate(all="ignore"):  # what is captured computes nothing yet
            yield


def _unwrap(value, where):
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, tuple | list):
        return type(value)(_unwrap(v, where) for v in value)
    if isinstance(value, dict):
        return {k: _unwrap(v, where) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        raise TypeError(f"{where}: Unsupported type {type(value)} (an array of the host among those of the device)")
    return value


def _wrap(result, *sources):
    """What a function of NumPy gave as CuPy gives it; a view of one of the `sources` knows that."""
    if isinstance(result, np.ndarray | np.generic):
        array, base = np.asarray(result), None  # a sum is an array without axes, not a number
        for source in sources if array.base is not None else ():
            if isinstance(source, ndarray) and np.may_share_memory(array, source._host):
                base = source if source.base is None else source.base
        return ndarray(array, base)
    return type(result)(_wrap(part, *sources) for part in result) if type(result) in (tuple, list) else result


def _computed(compute, *sources):
    """What `compute` returns, as an array of the device: computed now, and again when a captured graph is launched."""
    result = _wrap(compute(), *sources)
    if _captured is not None:
        held = [source._host for source in sources if isinstance(source, ndarray)]
        new = [
            (i, part._host)
            for i, part in enumerate(_parts(result))
            if part.base is None and not any(part._host is host for host in held)
        ]

        def again():
            parts = [np.asarray(part) for part in _parts(compute())]
            for i, host in new:
                host[...] = parts[i]

        if new:
            _captured.append(again)
        for _, host in new:
            host.fill(np.nan if host.dtype.kind == "f" else 0)
    return result


def _parts(result):
    return result if isinstance(result, list | tuple) else [result]


def start(run):
    """Do what changes arrays in place: now, or when the graph that is being captured is launched."""
    run() if _captured is None else _captured.append(run)


class Stream:
    """A stream that can capture."""

    ptr = 1

    def __init__(self, non_blocking=False):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def begin_capture(self):
        global _captured
        _captured = []

    def end_capture(self):
        global _captured
        runs, _captured = _captured, None
        return SimpleNamespace(launch=lambda: [run() for run in runs])


class ndarray:
    """A device array."""

    __slots__ = ("_host", "base")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, host, base=None):
        self._host, self.base = host, base

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_ufunc__(self, function, *args, **kwargs):
        raise TypeError(f"np.{function.__name__} of a device array: use xp.{function.__name__}")

    def __array_function__(self, function, *args, **kwargs):
        raise TypeError(f"np.{function.__name__} of a device array: use xp.{function.__name__}")

    @property
    def data(self):
        """Where its memory begins."""
        return SimpleNamespace(ptr=self._host.ctypes.data)

    @property
    def __cuda_array_interface__(self):
        own = self._host
        strides = None if own.flags.c_contiguous else own.strides
        place = (own.ctypes.data, False)
        return {"shape": own.shape, "strides": strides, "typestr": own.dtype.str, "data": place, "version": 3}

    def get(self, **kwargs):
        _sync("get")
        return self._host.copy()

    def set(self, host):
        _sync("set")
        self._host[...] = host

    def item(self, *args):
        _sync("item")
        return self._host.item(*args)

    def tolist(self):
        _sync("tolist")
        return self._host.tolist()

    def __repr__(self):
        _sync("repr")
        return f"device {self._host!r}"

    def __format__(self, form):
        return repr(self)

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self._host)))

    def __getitem__(self, index):
        index = _index(index)
        if any(getattr(part, "dtype", None) == np.bool_ for part in (index if isinstance(index, tuple) else (index,))):
            _sync("mask")  # how large is the result?
        return _launched("getitem", _computed(lambda: self._host[index], self))

    def __setitem__(self, index, value):
        LAUNCHES["setitem"] += 1
        index, value = _index(index), _unwrap(value, "setitem")
        start(lambda: self._host.__setitem__(index, value))

    def __getattr__(self, name):
        if name.startswith("__") or (real is not None and not hasattr(real.ndarray, name)):  # the host's ways in
            raise AttributeError(f"cupy.ndarray has no attribute {name!r}")
        value = getattr(self._host, name)
        if not callable(value):
            return _wrap(value, self)
        return _checked(value, getattr(_array, name, None), f"ndarray.{name}", self)


def _launched(name, result, *sources):
    """`result`, counted unless it is an array that was there before, a view of one, or empty memory."""
    for source in sources:
        if isinstance(source, ndarray) and isinstance(result, ndarray) and source._host is result._host:
            return source
    LAUNCHES[name] += isinstance(result, ndarray) and result.base is None
    return result


def _index(index):
    """An index for NumPy; arrays of the host may stand in it too, as CuPy copies them to the device."""
    plain = [
        part._host if isinstance(part, ndarray) else part for part in (index if type(index) is tuple else (index,))
    ]
    return tuple(plain) if type(index) is tuple else plain[0]


_array = real.ndarray if real is not None else None
ndarray.__module__ = "cupy"


def _operator(name):
    def apply(self, *others):
        if any(getattr(other, "__array_priority__", 0) > ndarray.__array_priority__ for other in others):
            return NotImplemented
        compute = functools.partial(getattr(self._host, name), *(_unwrap(other, name) for other in others))
        if name.startswith("__i") and name != "__invert__":
            LAUNCHES[name.strip("_")] += 1
            start(compute)
            return self
        if compute() is NotImplemented:
            return NotImplemented
        LAUNCHES[name.strip("_")] += 1
        return _computed(compute)

    return apply


def _conversion(kind):
    def convert(self):
        _sync(kind.__name__)
        return kind(self._host)

    return convert


for _kind in (float, int, bool):
    setattr(ndarray, f"__{_kind.__name__}__", _conversion(_kind))
ndarray.__index__ = ndarray.__int__
_BINARY = "add sub mul truediv floordiv mod pow matmul and or xor"
_NAMES = [side + name for name in _BINARY.split() for side in ("", "r", "i") if side + name != "imatmul"]
for _name in [*_NAMES, *["lt", "le", "gt", "ge", "eq", "ne", "neg", "pos", "abs", "invert"]]:
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


def _signature(function):
    if function is None:
        return None
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # Cython's methods have theirs in the docstring
        found = re.match(r"\w+\.\w+\(self,? ?(.*?)\)", (getattr(function, "__doc__", "") or "").split("\n")[0])
        if found is None:
            return None
        names = re.sub(r"\b\w+ (?=\w)", "", found[1])  # without the types of C
        return inspect.signature(eval(f"lambda {names}: 0", {}))


#: Functions that change an array.
_IN_PLACE = {"at", "copyto", "fill", "partition", "put", "sort"}
#: Functions whose result is as large as the device's numbers say.
_WAITING = {"argwhere", "bincount", "compress", "extract", "flatnonzero", "nonzero", "unique"}


def _checked(host, function, name, *owner):
    """`host` on device arrays, called only as CuPy's function of that name can be; `owner` has it as a method."""
    signature = _signature(function)

    def call(*args, **kwargs):
        if signature is not None:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"cupy.{name}{signature}: {error}") from None
        if name.rpartition(".")[2] in _WAITING or (name == "where" and len(args) == 1):
            _sync(name)
        compute = functools.partial(host, *_unwrap(args, name), **_unwrap(kwargs, name))
        if name in ("empty", "empty_like"):
            return _wrap(compute())
        if _captured is not None and (kwargs.get("out") is not None or name.rpartition(".")[2] in _IN_PLACE):
            start(compute)
            return kwargs.get("out")
        return _launched(name.rpartition(".")[2], _computed(compute, *owner, *args), *args)

    if isinstance(host, np.ufunc):
        for method in ("at", "reduce", "outer"):
            setattr(call, method, _checked(getattr(host, method), None, f"{name}.{method}"))
    return call


class _Module:
    def __init__(self, host, function, name):
        self._host, self._real, self._name = host, function, name

    def __getattr__(self, name):
        if self._real is not None and not hasattr(self._real, name):
            raise AttributeError(f"module {self._name!r} has no attribute {name!r}")
        value, there = getattr(self._host, name), getattr(self._real, name, None)
        if inspect.ismodule(value):
            return _Module(value, there, f"{self._name}.{name}")
        return _checked(value, there, name) if callable(value) and not isinstance(value, type) else value


class _Cupy(_Module):
    ndarray = ndarray
    cuda = SimpleNamespace(
        is_available=lambda: True,
        runtime=SimpleNamespace(getDeviceCount=lambda: 1, CUDARuntimeError=RuntimeError),
        get_current_stream=lambda: SimpleNamespace(ptr=0),
        Stream=Stream,
        MemoryPool=lambda: SimpleNamespace(malloc=None),
        using_allocator=lambda allocator: contextlib.nullcontext(),
    )

    def asarray(self, a, dtype=None, **kwargs):
        if isinstance(a, ndarray):
            return _computed(lambda: np.asarray(a._host, dtype), a)
        if _captured is not None:
            raise RuntimeError("a copy from the host while a stream captures")
        UPLOADS.append(np.shape(a))
        return ndarray(np.array(_unwrap(a, "asarray") if isinstance(a, list | tuple) else a, dtype))

    def array(self, a, dtype=None, copy=True, **kwargs):
        if not isinstance(a, ndarray):
            return self.asarray(a, dtype)
        return _computed(lambda: np.array(a._host, dtype))

    def asnumpy(self, a, **kwargs):
        if not isinstance(a, ndarray):
            return np.asarray(a)
        _sync("asnumpy")
        return a._host.copy()


xp = _Cupy(np, real, "cupy")
