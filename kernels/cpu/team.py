"""Run a compiled function on several threads at once, which take the items of work in turn.

The convolutions are long functions.  Numba's ``prange`` compiles such a function, and what it calls, several times over
(half a minute); a plain function compiles in a few seconds.  So these kernels are plain functions ``f(thread, turns,
...)``, which the *team* here calls with thread = 0, 1, ... side by side.  In a kernel ``for item in items(turns,
count)`` gives each thread the next few items that nobody has taken: one that comes late, or whose core has other work
too, takes fewer.

Thread 0 is the caller's.  It writes on a *board* what there is to do, does it, and from then on nobody may join in; it
waits for those who have.  The others are ordinary Python threads inside a compiled loop, without the interpreter's
lock, that looks at the board.  To wake a sleeping thread takes longer (50 to 200 microseconds) than many a kernel, so
they go on looking for a moment after each job, and sleep between training steps, not within one.

Nothing depends on whether, or when, another thread joins in.  Hence all this is safe:

- several Python threads may run kernels at once: who finds the team busy works alone;
- a forked child, which has none of its parent's threads, starts a team of its own.
"""

import functools
import hashlib
import os
import platform
import threading
import types
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types as nb
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic

from .compile import compiled, subroutine, version
from .simd import INT64
from .threads import SMALL, get_num_threads

__all__ = ["items", "shared"]

#: Loops over `items` that one kernel may have, one after the other.
_LOOPS = 2
#: How many portions a loop's items are handed out in: enough for threads to finish together, and each still a run of
#: neighbours, which share what a thread has in its cache.
_PORTIONS = 64
#: How often a thread looks at the board before it goes to sleep: for a millisecond or so.
_PATIENCE = 40_000
#: Places on the board: number of the job; its entry and arguments (addresses); threads that may take part; how many
#: have joined in (negative: no more); how many of them are done; whether one failed; the turns.  A cache line each for
#: what is read while it is written.
_JOB, _ENTRY, _ARGS, _THREADS, _JOINED, _DONE, _FAILED, _TURNS = 0, 8, 9, 10, 16, 24, 25, 32
_CLOSED = -(1 << 62)


class shared:  # noqa: N801 - a decorator
    """Decorate a Numba function ``f(thread, turns, *args)`` that does what it gets of `items`; `thread` is its number.

    Calling it with ``*args`` runs it on all threads and returns when all are done.

    Examples
    --------
    >>> import numpy as np
    >>> @shared
    ... def double(thread, turns, x, y):
    ...     for i in items(turns, x.size):
    ...         y[i] = 2 * x[i]
    >>> y = np.empty(3)
    >>> double(np.arange(3.0), y)
    >>> y
    array([0., 2., 4.])
    """

    def __init__(self, function: Callable[..., Any]):
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, work: int = SMALL) -> None:
        """Run.  `work` is about how many elements there are to compute: few are not worth the others' attention.

        Raises
        ------
        MemoryError
            If a thread's part failed; memory for a few numbers is all that a kernel asks for.
        """
        threads = get_num_threads() if work >= SMALL else 1
        if threads == 1 or not _team.busy.acquire(blocking=False):
            self._compiled(_team.board, 1, *args)
            return
        try:
            _team.call(threads - 1)
            if self._compiled(_team.board, threads, *args):
                raise MemoryError(f"{self._function.__name__}: a thread failed; is there memory left?")
        finally:
            _team.busy.release()

    @functools.cached_property
    def _compiled(self):
        """`_run` for this function."""
        kernel = subroutine(self._function)
        first = types.FunctionType(_first.__code__, {"function": kernel})
        first.__module__, first.__qualname__ = kernel.__module__, _unique_name(kernel, "first")
        run = types.FunctionType(_run.__code__, {**globals(), "function": kernel, "first": subroutine(first)})
        run.__module__, run.__qualname__ = kernel.__module__, kernel.__qualname__
        return compiled(run, self._function)


def _unique_name(kernel, what):
    """Linkers go by names, and pieces of code from several processes may meet in the cache on disk."""
    code = f"{kernel.__module__} {kernel.__qualname__} {version(kernel.py_func)} {what}"
    return f"{kernel.__name__}_{hashlib.sha256(code.encode()).hexdigest()[:16]}"


@subroutine
def items(turns, count, loop=0):
    """The numbers below `count` that this thread gets, in a kernel; `loop` counts the kernel's loops over items."""
    size = count // _PORTIONS + 1
    first = _fetch_add(turns, loop, size)
    while first < count:
        for item in range(first, min(first + size, count)):  # noqa: UP028 - Numba has no "yield from"
            yield item
        first = _fetch_add(turns, loop, size)


# ---------------------------------------------------------------- thread 0


def _run(board, threads, *args):
    """Do the job `function`, with the help of `threads` - 1 others; True if one of them failed."""
    if threads == 1:
        function(0, np.zeros(_LOOPS, np.int64), *args)  # noqa: F821 - a global of the copy that `shared` makes
        return False
    board[_TURNS : _TURNS + _LOOPS] = 0
    job = (board[_TURNS : _TURNS + _LOOPS], *args)  # all of it outlives this call
    board[_THREADS], board[_DONE], board[_FAILED] = threads, 0, 0
    _describe(board, function, job)  # noqa: F821
    _exchange(board, _JOINED, 0)
    _fetch_add(board, _JOB, 1)
    try:
        first(job)  # noqa: F821
    except Exception:  # not before the others are done: they work with this call's arrays
        board[_FAILED] = 1
    joined = _exchange(board, _JOINED, _CLOSED)
    looks = 0
    while _read(board, _DONE) < joined:
        looks += 1
        if looks < _PATIENCE:
            _pause()
        else:
            _let_others_run()
    return board[_FAILED] > 0


def _first(job):
    function(0, *job)  # noqa: F821


# ---------------------------------------------------------------- the others


class _Team:
    """The threads beside the callers', and their board."""

    def __init__(self):
        self.board = np.zeros(_TURNS + _LOOPS, np.int64)
        self.board[_JOINED] = _CLOSED
        self.busy = threading.Lock()
        self.members = 0
        self.asleep: deque[Any] = deque()  # a lock for each; releasing it wakes the thread

    def call(self, wanted: int) -> None:
        """Wake those who sleep, and make the team at least as large as `wanted`."""
        while self.asleep:
            self.asleep.pop().release()
        while self.members < wanted:
            self.members += 1
            threading.Thread(
                target=self._work, args=(self.members,), name=f"minigen-{self.members}", daemon=True
            ).start()

    def _work(self, number: int) -> None:
        look_and_join, bed, job = compiled(_look_and_join), threading.Lock(), 0
        bed.acquire()
        while True:
            job = look_and_join(self.board, number, job)
            self.asleep.append(bed)
            bed.acquire()


def _look_and_join(board, number, job):
    """Join in every job after the one numbered `job`, until there is none for a while; the number of the last."""
    looks = 0
    while looks < _PATIENCE:
        _pause()
        looks += 1
        newest = _read(board, _JOB)
        if newest != job:
            job, looks = newest, 0
            if _fetch_add(board, _JOINED, 1) >= 0:
                if number < board[_THREADS] and _call(board[_ENTRY], number, board[_ARGS]):
                    board[_FAILED] = 1
                _fetch_add(board, _DONE, 1)
    return job


# ---------------------------------------------------------------- what Numba lacks


def _element(context, builder, signature, args):
    """Address of ``array[index]``, the first two arguments."""
    return builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])


@intrinsic
def _fetch_add(typing, array, index, n):
    """``array[index] += n`` in one step that no other thread can come between; the value before."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("add", _element(context, builder, signature, args), args[2], "seq_cst")

    return nb.int64(array, nb.intp, nb.int64), generate


@intrinsic
def _exchange(typing, array, index, value):
    """``array[index] = value`` in one step; the value before."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("xchg", _element(context, builder, signature, args), args[2], "seq_cst")

    return nb.int64(array, nb.intp, nb.int64), generate


@intrinsic
def _read(typing, array, index):
    """``array[index]``, anew each time, where a compiler might look once and remember."""

    def generate(context, builder, signature, args):
        return builder.load_atomic(_element(context, builder, signature, args), "acquire", 8)

    return nb.int64(array, nb.intp), generate


@intrinsic
def _pause(typing):
    """Tell the processor that this loop is waiting, where it has an instruction for that."""

    def generate(context, builder, signature, args):
        if platform.machine().lower() in ("x86_64", "amd64"):
            builder.call(
                builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), ir.FunctionType(ir.VoidType(), ())), ()
            )
        return context.get_dummy_value()

    return nb.void(), generate


if os.name == "posix":
    _sched_yield = nb.ExternalFunction("sched_yield", nb.int32())

    @subroutine
    def _let_others_run():
        """Give this core to another thread that is ready."""
        _sched_yield()

else:
    _let_others_run = subroutine(lambda: _pause())


@intrinsic
def _describe(typing, board, function, job):
    """Write to the board where another thread finds `function`, and the tuple of arguments behind `thread`, `job`."""
    load, kernel = _loader(job), function.dispatcher

    def entry(thread, address):
        kernel(thread, *load(address))

    entry.__qualname__ = _unique_name(kernel, str(job))

    def generate(context, builder, signature, args):
        compiled_entry = context.compile_subroutine(builder, entry, nb.none(nb.int64, nb.intp))
        address = context.declare_function(builder.module, compiled_entry.fndesc)
        place = cgutils.alloca_once_value(builder, args[2])
        for index, pointer in ((_ENTRY, address), (_ARGS, place)):
            where = _element(context, builder, signature, (args[0], ir.Constant(INT64, index)))
            builder.store(builder.ptrtoint(pointer, INT64), where)
        return context.get_dummy_value()

    return nb.void(board, function, job), generate


def _loader(job):
    @intrinsic
    def load(typing, address):
        def generate(context, builder, signature, args):
            value = builder.load(builder.inttoptr(args[0], context.get_value_type(job).as_pointer()))
            return impl_ret_borrowed(context, builder, job, value)  # its arrays are the caller's too

        return job(address), generate

    return load


@intrinsic
def _call(typing, entry, thread, address):
    """Call an entry that `_describe` wrote; True if it failed."""

    def generate(context, builder, signature, args):
        convention, arguments = context.call_conv, (nb.int64, nb.intp)
        function = builder.inttoptr(args[0], convention.get_function_type(nb.none, arguments).as_pointer())
        status, _ = convention.call_function(builder, function, nb.none, arguments, args[1:])
        return status.is_error

    return nb.boolean(entry, thread, address), generate


_team = _Team()


def _after_fork():
    global _team
    _team = _Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
