"""Run a compiled function on several threads at once, which take the items of work in turn.

The convolutions are long functions.  Numba's ``prange`` compiles such a function, and what it calls, several times over
(half a minute); a plain function that releases the interpreter's lock compiles in a few seconds.  So these kernels are
plain functions ``f(thread, turns, ...)``, which the *team* here calls with thread = 0, 1, ... side by side.  In a
kernel ``for item in items(turns, count)`` gives each thread the next few items that nobody has taken: one that comes
late, or whose core has other work too, takes fewer.

Thread 0 is the caller's.  It puts the job where the others find it, does it, takes it away again, and waits for those
who have joined in.  The others are ordinary Python threads that look at a *board* in memory, in a compiled loop without
the interpreter's lock.  To wake a sleeping thread takes longer (50 to 200 microseconds) than many a kernel, so they go
on looking for a moment after each job, and sleep between training steps, not within one.

Nothing depends on whether, or when, another thread joins in.  Hence all this is safe:

- several Python threads may run kernels at once: who finds the team busy works alone;
- a forked child, which has none of its parent's threads, starts a team of its own.
"""

import functools
import os
import platform
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .compile import compiled, subroutine
from .threads import SMALL, get_num_threads

__all__ = ["items", "shared"]

#: Loops over `items` that one kernel may have, one after the other.
_LOOPS = 2
#: How many portions a loop's items are handed out in: enough for threads to finish together, and each still a run of
#: neighbours, which share what a thread has in its cache.
_PORTIONS = 64
#: How often a thread looks at the board before it goes to sleep: for a millisecond or so.
_PATIENCE = 40_000
#: Places on the board, a cache line apart: the number of the job, and how many of those who joined in are done.
_JOB, _DONE = 0, 8


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
        """Run.  `work` is about how many elements there are to compute: few are not worth the others' attention."""
        threads = get_num_threads() if work >= SMALL else 1
        turns, team = np.zeros(_LOOPS, np.int64), _team
        if threads == 1 or not team.busy.acquire(blocking=False):
            self._compiled(0, turns, *args)
            return
        try:
            team.post((self._compiled, threads, (turns, *args)))
            try:
                self._compiled(0, turns, *args)
            finally:
                team.close()
        finally:
            team.busy.release()

    @functools.cached_property
    def _compiled(self):
        return compiled(self._function)


@subroutine
def items(turns, count, loop=0):
    """The numbers below `count` that this thread gets, in a kernel; `loop` counts the kernel's loops over items."""
    size = count // _PORTIONS + 1
    first = _fetch_add(turns, loop, size)
    while first < count:
        for item in range(first, min(first + size, count)):  # noqa: UP028 - Numba has no "yield from"
            yield item
        first = _fetch_add(turns, loop, size)


class _Team:
    """The threads beside the callers', their board, and their job.  All but the board changes under Python's lock."""

    def __init__(self):
        self.busy = threading.Lock()
        self._board = np.zeros(16, np.int64)
        self._job: Any = None
        self._joined = 0
        self._error: Exception | None = None
        self._members = 0
        self._asleep: deque[Any] = deque()  # a lock for each; releasing it wakes the thread

    def post(self, job: tuple[Any, int, tuple[Any, ...]]) -> None:
        """Put a job (function, threads, arguments) where the others find it, and wake those who sleep."""
        self._job, self._joined, self._error = job, 0, None
        self._board[_DONE] = 0
        self._board[_JOB] += 1
        while self._asleep:
            self._asleep.pop().release()
        while self._members < job[1] - 1:
            self._members += 1
            name = f"minigen-{self._members}"
            threading.Thread(target=self._work, args=(self._members,), name=name, daemon=True).start()

    def close(self) -> None:
        """Let nobody join in any more, and wait for those who have."""
        self._job = None
        if self._joined:
            _compiled_once(_wait)(self._board, self._joined)
        if self._error is not None:
            raise self._error

    def _work(self, number: int) -> None:
        look, bed = _compiled_once(_look), threading.Lock()
        bed.acquire()
        seen = done = 0
        while True:
            newest, done = look(self._board, seen, done), 0
            if newest == seen:
                self._asleep.append(bed)
                bed.acquire()  # a job posted a moment before is done without this thread
                continue
            seen, job = newest, self._job
            if job is not None and number < job[1]:
                self._joined += 1
                done = 1
                try:
                    job[0](number, *job[2])
                except Exception as error:
                    self._error = error
            del job  # else this thread would keep arrays alive


_team = _Team()
_compiled_once = functools.cache(compiled)


def _look(board, seen, done):
    """Report what is done; then wait for a job with another number than `seen`, or until there is none for a while."""
    _fetch_add(board, _DONE, done)
    for _ in range(_PATIENCE):
        newest = _read(board, _JOB)
        if newest != seen:
            return newest
        _pause()
    return seen


def _wait(board, joined):
    """Until so many are done."""
    looks = 0
    while _read(board, _DONE) < joined:
        looks += 1
        if looks < _PATIENCE:
            _pause()
        else:
            _let_others_run()


# ---------------------------------------------------------------- what Numba lacks


def _element(context, builder, signature, args):
    """Address of ``array[index]``, the first two arguments."""
    return builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])


@intrinsic
def _fetch_add(typing, array, index, n):
    """``array[index] += n`` in one step that no other thread can come between; the value before."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("add", _element(context, builder, signature, args), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), generate


@intrinsic
def _read(typing, array, index):
    """``array[index]``, anew each time, where a compiler might look once and remember."""

    def generate(context, builder, signature, args):
        return builder.load_atomic(_element(context, builder, signature, args), "acquire", 8)

    return types.int64(array, types.intp), generate


@intrinsic
def _pause(typing):
    """Tell the processor that this loop is waiting, where it has an instruction for that."""

    def generate(context, builder, signature, args):
        if platform.machine().lower() in ("x86_64", "amd64"):
            builder.call(
                builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), ir.FunctionType(ir.VoidType(), ())), ()
            )
        return context.get_dummy_value()

    return types.void(), generate


if os.name == "posix":
    _sched_yield = types.ExternalFunction("sched_yield", types.int32())

    @subroutine
    def _let_others_run():
        """Give this core to another thread that is ready."""
        _sched_yield()

else:

    @subroutine
    def _let_others_run():
        """Go on waiting: this system has no such call."""
        _pause()


def _after_fork():
    global _team
    _team = _Team()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
