"""Compile kernels with Numba: on first use, once per machine.

Numba compiles a function when it is first called with arguments of new types, and keeps the machine code in a cache
folder (``NUMBA_CACHE_DIR`` if set, else ``__pycache__`` beside the source, else one in the user's home).  With no such
folder, or one that is full, each process compiles for itself.  Our kernels see few types, because their wrappers bring
every array into one of few forms first (`minigen.kernels.cpu.runtime.allocator.contiguous`): a new shape never compiles
anything.

A forked child has none of its parent's threads, but it has their locks as they were: had another thread been compiling
just then, the child would wait for ever to compile anything.  So a fork waits until no thread compiles.

A kernel needs two decorators: `minigen.kernels.cpu.runtime.thread_pool.parallel` for what Python calls, and
`subroutine` (or `inlined`) for what a kernel calls.
"""

import contextlib
import functools
import hashlib
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .cache import KernelCache
from .instruction_set import NAME

__all__ = ["TypeArgument", "compiled", "inlined", "subroutine"]

_announced = False


class TypeArgument(tuple[Any, ...]):
    """An argument of a kernel that says all by its type: Numba compiles the kernel for each subclass.

    It is a named tuple without fields, which Numba recognizes in less than a microsecond.  A subclass must be found by
    its name in its module: Numba's cache on disk looks for it there.
    """

    __slots__ = ()
    _fields = ()

    def _asdict(self) -> dict[str, Any]:
        return {}


def subroutine(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a function that compiled kernels call; it is compiled into, and cached with, each of them.

    >>> @subroutine
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    """
    import numba

    return numba.njit(error_model="numpy")(function)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """Like `subroutine`, for what is called in one place or two: pasted in there, which halves the time to compile.

    >>> @inlined
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    """
    import numba

    return numba.njit(error_model="numpy", inline="always")(function)


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A compiled `function`, cached on disk where there is a folder for it, that runs without the interpreter's lock.

    Parameters
    ----------
    function : callable
        Written in what Numba understands.

    Returns
    -------
    callable
        It compiles when it is first called.

    Notes
    -----
    Nothing may be reordered: ``fastmath`` stays off, so sums are added in the order in which they are written.
    """
    import numba

    _announce_compilation()
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "no_cfunc_wrapper": True}
    named = types.FunctionType(function.__code__, function.__globals__, closure=function.__closure__)
    named.__module__ = function.__module__
    # This names the cache file.  Other vectors, other machine code; and where a subroutine in another file has changed,
    # which Numba does not notice, so must the name.
    named.__qualname__ = f"{function.__qualname__}.{NAME}.{_version(Path(function.__code__.co_filename).parent)}"
    dispatcher: Any = numba.njit(**options)(named)
    with contextlib.suppress(RuntimeError):  # no folder to write to: compile once per process
        dispatcher._cache = KernelCache(named)
    return dispatcher


@functools.cache
def _version(folder: Path) -> str:
    """Eight digits that change with any source file of the CPU kernels, or in `folder`."""
    digest = hashlib.sha256(__name__.encode())  # cached code refers to its package by name
    for source in sorted({*Path(__file__).parent.parent.rglob("*.py"), *folder.glob("*.py")}):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:8]


def _announce_compilation() -> None:
    """Say on stderr, once, why the first call takes seconds; silent where the cache on disk has everything."""
    global _announced
    if _announced:
        return
    _announced = True
    from numba.core import event

    class Announcer(event.Listener):
        def on_start(self, started: Any) -> None:
            if started.data["dispatcher"].py_func.__module__.startswith(__package__.rpartition(".")[0]):
                event.unregister("numba:compile", self)
                print("minigen: compiling CPU kernels, once per machine ...", file=sys.stderr, flush=True)

        def on_end(self, ended: Any) -> None:
            pass

    event.register("numba:compile", Announcer())


_held: list[Any] = []  # Numba's lock, while this process forks


def _before_fork() -> None:
    numba_lock = sys.modules.get("numba.core.compiler_lock")
    if numba_lock is not None:
        numba_lock.global_compiler_lock.acquire()
        _held.append(numba_lock.global_compiler_lock)


def _after_fork() -> None:
    if _held:
        _held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
