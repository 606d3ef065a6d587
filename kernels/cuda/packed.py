"""Launches of a compiled kernel with little Python: its arguments packed here, and one call of the driver.

Numba's own launch looks at every array anew: it reads the array's description, makes one of Numba's arrays of it, and
takes that apart into the words that the kernel's parameters are.  That takes about 20 microseconds for an array, and
the GPU is done with most kernels of a training step before that.

What the kernel expects is simple.  An array in one dimension is seven words of 8 bytes: two that Numba does not use on
a GPU, the number of elements, the bytes of an element, the address, and the axis's length and stride.  A number is
itself, and a tuple is its parts.  The driver takes a table with the address of each.  So every thread of the program
has one buffer, and one table, which says that parameter i is at 8 i bytes.  A launch writes the words into the buffer
and calls ``cuLaunchKernel``, which has copied them when it returns (CUDA Driver API, "Execution Control").

Which words these are, and where the compiled kernel is, are details of Numba's that no document promises.  So they are
checked: `pack` compares every word with what Numba itself makes of the same arguments, once for each kernel, and
raises `UnexpectedNumbaError` if anything is not as it should be.  Then Numba launches the kernel.
"""

import ctypes
import functools
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

from .target import cuda, types

__all__ = ["MOST_BYTES", "UnexpectedNumbaError", "pack"]

#: Launch a kernel: ``launch(blocks, stream, arguments)``, where 0 is the default stream.
Launch = Callable[[int, int, Sequence[Any]], None]

#: Bytes of a kernel's parameters that every GPU takes (CUDA C++ Programming Guide, "Function Parameters").
MOST_BYTES = 4096
_WORD = 8
#: How `struct` writes a number of each type into a word.
_CODES = {"int32": "i4x", "uint32": "I4x", "int64": "q", "uint64": "Q", "float32": "f4x", "float64": "d"}


class UnexpectedNumbaError(Exception):
    """Numba's internals are not those that this module knows."""


def pack(compiled: Any, threads: int, arguments: Sequence[Any], as_numba: Sequence[Any]) -> Launch:
    """A fast launch of a kernel.

    Parameters
    ----------
    compiled : dispatcher
        Of Numba's, compiled for one signature.
    threads : int
        In a block.
    arguments : sequence
        Some arguments of the kernel: CuPy's arrays in one dimension, tuples of them, and NumPy's numbers.
    as_numba : sequence
        The same with Numba's arrays in place of CuPy's.

    Returns
    -------
    callable
        ``launch(blocks, stream, arguments)``.

    Raises
    ------
    UnexpectedNumbaError
        If Numba does not make the same words of the arguments, or its internals have changed.
    """
    try:
        from cuda.bindings import driver

        (kernel,) = compiled.overloads.values()
        if kernel.debug or kernel.cooperative or kernel.extensions:
            raise UnexpectedNumbaError("a launch of this kernel is more than one call of the driver")
        forms = [_form(kind) for kind in kernel.argument_types]
        layout = struct.Struct("<" + "".join(form for form, _ in forms))
        readers = [reader for _, reader in forms]
        if layout.size > MOST_BYTES:
            raise UnexpectedNumbaError(f"the kernel has {layout.size} bytes of parameters")
        kernel.bind()
        function = driver.CUfunction(int(kernel._codelibrary.get_cufunc().kernel.handle))
        if layout.pack(*_words(readers, arguments)) != _words_of_numba(kernel, as_numba):
            raise UnexpectedNumbaError("Numba makes other words of the arguments")
    except (
        AttributeError,
        ImportError,
        LookupError,
        NotImplementedError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise UnexpectedNumbaError(str(error)) from error
    call, success, name = driver.cuLaunchKernel, driver.CUresult.CUDA_SUCCESS, compiled.py_func.__name__
    buffer, write = _buffer(), layout.pack_into

    def launch(blocks: int, stream: int, arguments: Sequence[Any]) -> None:
        write(buffer.words, 0, *_words(readers, arguments))
        (status,) = call(function, blocks, 1, 1, threads, 1, 1, 0, stream, buffer.table, 0)
        if status != success:
            raise RuntimeError(f"{name}: the CUDA driver refuses the launch: {status.name}")

    return launch


class _Buffer(threading.local):
    """Each thread's words for a launch, and the table of their addresses."""

    def __init__(self) -> None:
        cuda.current_context()  # makes the GPU's context that of a new thread, which has none
        self.words = (ctypes.c_char * MOST_BYTES)()
        first = ctypes.addressof(self.words)
        self._table = (ctypes.c_void_p * (MOST_BYTES // _WORD))(*range(first, first + MOST_BYTES, _WORD))
        self.table = ctypes.addressof(self._table)


_buffer = functools.cache(_Buffer)
_Reader = Callable[[list[Any], Any], None]


def _form(kind: types.Type) -> tuple[str, _Reader]:
    """An argument's words as `struct` names them, and the function that appends them to a list."""
    if isinstance(kind, types.UniTuple):
        form, _ = _form(kind.dtype)
        return form * kind.count, _read_arrays if isinstance(kind.dtype, types.Array) else list.extend
    if isinstance(kind, types.Array):
        if kind.ndim != 1 or kind.layout != "C":
            raise UnexpectedNumbaError(f"an argument of type {kind}")
        return "7q", _read_array
    return _CODES[kind.name], list.append


def _read_array(words: list[Any], array: Any) -> None:
    size, item = array.size, array.itemsize
    words += (0, 0, size, item, array.data.ptr if size else 0, size, item)  # of an empty one Numba knows no address


def _read_arrays(words: list[Any], arrays: Any) -> None:
    for array in arrays:
        _read_array(words, array)


def _words(readers: Sequence[_Reader], arguments: Sequence[Any]) -> list[Any]:
    words: list[Any] = []
    for read, value in zip(readers, arguments, strict=True):
        read(words, value)
    return words


def _words_of_numba(kernel: Any, arguments: Sequence[Any]) -> bytes:
    """What Numba gives the driver for `arguments`, each in a word."""
    values: list[Any] = []
    for kind, value in zip(kernel.argument_types, arguments, strict=True):
        kernel._prepare_args(kind, value, 0, [], values)
    return b"".join((struct.pack("<q", v) if type(v) is int else bytes(v)).ljust(_WORD, b"\0") for v in values)
