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

__all__ = ["BLOCK", "indices", "items", "shared"]

#: Loops over `items` that one kernel may have, one after the other.
_LOOPS = 2
#: How many portions a loop's items are handed out in: enough for threads to finish together, and each still a run of
#: neighbours, which share what a thread has in its cache.
_PORTIONS = 64
#: How often a thread looks at the board before it goes to sleep: for a millisecond or so.
_PATIENCE = 40_000
#: Elements in an item of work, where a kernel goes once through an array: see `indices`.
BLOCK = 1 << 14


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
            job = _Job(self._compiled, threads, (turns, *args))
            team.post(job)
            try:
                self._compiled(0, turns, *args)
            finally:
                team.close(job)
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


@subroutine
def indices(block, size):
    """The indices of a block, below `size`; unsigned, since Numba tests signed ones for counting from the end."""
    return range(np.uintp(block * BLOCK), np.uintp(min((block + 1) * BLOCK, size)))


class _Job:
    """A call of a kernel, and who takes part in it."""

    def __init__(self, function: Callable[..., Any], threads: int, args: tuple[Any, ...]):
        self.function, self.threads, self.args = function, threads, args
        self.joined = 0
        self.done = np.zeros(1, np.int64)
        self.error: Exception | None = None


class _Team:
    """The threads beside the callers', and the job that they may join."""

    def __init__(self):
        self.busy = threading.Lock()
        self._door = threading.Lock()  # who joins does so before the job is closed, or not at all
        self._job: _Job | None = None
        self._board = np.zeros(1, np.int64)  # the number of the job
        self._members = 0
        self._asleep: deque[Any] = deque()  # a lock for each; releasing it wakes the thread

    def post(self, job: _Job) -> None:
        """Put a job where the others find it, and wake those who sleep."""
        with self._door:
            self._job = job
        self._board[0] += 1
        while self._asleep:
            self._asleep.pop().release()
        while self._members < job.threads - 1:
            self._members += 1
            name = f"minigen-{self._members}"
            threading.Thread(target=self._work, args=(self._members,), name=name, daemon=True).start()

    def close(self, job: _Job) -> None:
        """Let nobody join in any more, and wait for those who have."""
        with self._door:
            self._job = None
        if job.joined:
            _compiled_once(_wait)(job.done, job.joined)
        if job.error is not None:
            raise job.error

    def _join(self, number: int) -> _Job | None:
        with self._door:
            job = self._job
            if job is None or number >= job.threads:
                return None
            job.joined += 1
            return job

    def _work(self, number: int) -> None:
        look, bed = _compiled_once(_look), threading.Lock()
        bed.acquire()
        seen, nothing = 0, np.zeros(1, np.int64)
        done = nothing
        while True:
            newest, done = look(self._board, seen, done), nothing
            if newest == seen:
                self._asleep.append(bed)
                bed.acquire()  # a job posted a moment before is done without this thread
                continue
            seen, job = newest, self._join(number)
            if job is not None:
                try:
                    job.function(number, *job.args)
                except Exception as error:
                    job.error = error
                done = job.done
            del job  # else this thread would keep arrays alive


_team = _Team()
_compiled_once = functools.cache(compiled)


def _look(board, seen, done):
    """Add 1 to `done`; then wait for a job with another number than `seen`, or until there is none for a while."""
    _fetch_add(done, 0, 1)
    for _ in range(_PATIENCE):
        newest = _read(board, 0)
        if newest != seen:
            return newest
        _pause()
    return seen


def _wait(done, joined):
    """Until as many are done as have joined in."""
    looks = 0
    while _read(done, 0) < joined:
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
