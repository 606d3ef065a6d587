"""A thread pool for compiled functions, whose threads take chunks of the work in turn.

The convolutions are long functions.  Numba's ``prange`` compiles such a function, and what it calls, several times over
(half a minute); a plain function that releases the interpreter's lock compiles in a few seconds.  So a kernel is a
plain function ``f(thread, counter, ...)``, which the pool calls with thread = 0, 1, ... on several threads.  In a
kernel ``for i in chunked_range(counter, count)`` gives each thread the next few indices that no thread has taken
(OpenMP calls this a dynamic schedule).  A thread that starts late, or shares its core, takes fewer of them.

Thread 0 is the calling thread.  It posts the job, works on it, withdraws it, and waits for the threads that joined.
The others are Python threads that watch a *generation* counter in memory, in a compiled loop without the interpreter's
lock.  To wake a sleeping thread takes 50 to 200 microseconds, longer than many a kernel.  So the threads go on watching
for a moment after each job: they sleep between training steps, not within one.

The result never depends on whether, or when, another thread joins.  Therefore:

- several Python threads may run kernels at once: a caller that finds the pool in use works alone;
- a forked child, which has none of its parent's threads, starts its own pool;
- a signal's handler (Ctrl-C) may raise an exception between any two steps here.  A lock is held in a ``with`` statement
  only, which Python enters and leaves without a gap; a job that an exception left open is closed by the next call; and
  no step is lost that a later call does not make good.
"""

import functools
import os
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from .allocator import empty
from .atomics import fetch_add, pause, read, yield_core
from .compile import compiled, subroutine
from .threads import SMALL, get_num_threads

__all__ = ["BLOCK", "PerThread", "chunked_range", "indices", "parallel"]

#: Loops over `chunked_range` that one kernel may have, one after the other.
_LOOPS = 2
#: Chunks in a loop: enough for threads to finish together, and each still a run of neighbors, which share what a
#: thread has in its cache.
_CHUNKS = 64
#: How often a thread reads the generation before it goes to sleep: for a millisecond or so.
_PATIENCE = 40_000
#: Looks after which a waiting thread begins to yield its core, and looks from one yield to the next.
_SPINS, _SPINS_PER_YIELD = 2_000, 64
#: Elements in a block, where a kernel goes once through an array: see `indices`.
BLOCK = 1 << 14


class PerThread(NamedTuple):
    """An argument of a kernel: an uninitialized array of this shape for each thread.

    The kernel gets one array with an axis for the threads in front, made when the call knows how many threads it uses.
    """

    shape: tuple[int, ...]
    dtype: Any


class parallel:  # noqa: N801 - a decorator
    """Decorate a Numba function ``f(thread, counter, *args)`` so that calling it with ``*args`` uses all threads.

    The function computes what `chunked_range` gives it; `thread` is its number.  The call returns when all is done.  An
    argument that is `PerThread` becomes a workspace.

    Examples
    --------
    >>> import numpy as np
    >>> @parallel
    ... def double(thread, counter, x, y):
    ...     for i in chunked_range(counter, x.size):
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
        """Run.  `work` is about how many elements there are to compute; a small job runs on the calling thread."""
        threads, pool = get_num_threads() if work >= SMALL else 1, _pool
        if threads == 1 or pool.lock.locked():
            self._compiled(0, np.zeros(_LOOPS, np.int64), *_with_workspaces(args, 1))
        else:
            with pool.lock:
                args = _with_workspaces(args, threads)
                pool.run(_Job(self._compiled, threads, (np.zeros(_LOOPS, np.int64), *args)))

    @functools.cached_property
    def _compiled(self) -> Callable[..., Any]:
        return compiled(self._function)


def _with_workspaces(args: tuple[Any, ...], threads: int) -> tuple[Any, ...]:
    return tuple([empty((threads, *a.shape), a.dtype) if type(a) is PerThread else a for a in args])


@subroutine
def chunked_range(counter: Any, count: int, loop: int = 0) -> Iterator[int]:
    """The indices below `count` that this thread gets; `loop` numbers the kernel's loops over `chunked_range`."""
    size = -(-count // _CHUNKS)
    first = fetch_add(counter, loop, size)
    while first < count:
        for index in range(first, min(first + size, count)):  # noqa: UP028 - Numba has no "yield from"
            yield index
        first = fetch_add(counter, loop, size)


@subroutine
def indices(block: int, size: int) -> Any:
    """The indices of a block, below `size`; unsigned, since Numba tests signed ones for counting from the end."""
    return range(np.uintp(block * BLOCK), np.uintp(min((block + 1) * BLOCK, size)))


class _Job:
    """A call of a kernel, and the number of threads that joined it."""

    def __init__(self, function: Callable[..., Any], threads: int, args: tuple[Any, ...]):
        self.function, self.threads, self.args = function, threads, args
        self.joined = 0
        self.done = np.zeros(1, np.int64)
        self.error: Exception | None = None


class _ThreadPool:
    """The worker threads, and the job that they may join."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # held by the thread whose job runs
        self._joining = threading.Lock()  # a thread joins before the job is withdrawn, or not at all
        self._job: _Job | None = None  # what may be joined
        self._unfinished: _Job | None = None  # what has to be waited for
        self._generation = np.zeros(1, np.int64)  # the number of jobs posted
        self._workers: list[threading.Thread] = []
        self._asleep: list[SimpleQueue[None]] = []  # one for each sleeping thread; putting something in wakes it

    def run(self, job: _Job) -> None:
        """Run `job` on this thread and on those that join; the caller holds `lock`."""
        self._finish()  # a call that an exception interrupted
        try:
            self._unfinished = self._job = job
            self._generation[0] += 1
            self._wake(job.threads - 1)
            job.function(0, *job.args)
        finally:
            self._finish()
        if job.error is not None:
            raise job.error

    def _finish(self) -> None:
        """Withdraw the job, and wait for the threads that joined it."""
        job = self._unfinished
        if job is None:
            return
        with self._joining:
            self._job = None
        if job.joined:
            _compiled_once(_wait)(job.done, job.joined)
        self._unfinished = None

    def _wake(self, wanted: int) -> None:
        for sleeper in tuple(self._asleep):
            sleeper.put(None)  # twice does no harm: the thread looks, finds nothing, and sleeps again
        while len(self._workers) < wanted:
            worker = threading.Thread(target=self._work, name=f"minigen-{len(self._workers) + 1}", daemon=True)
            worker.start()
            self._workers.append(worker)  # if an exception prevents this, there is a worker more than needed

    def _join(self) -> tuple[_Job | None, int]:
        """The job, if it may still be joined, and the number of the thread that joins."""
        with self._joining:
            job = self._job
            if job is None or job.joined >= job.threads - 1:
                return None, 0
            job.joined += 1
            return job, job.joined

    def _work(self) -> None:
        """What a worker does; no signal's handler ever runs in its thread."""
        watch = _compiled_once(_watch)
        wake: SimpleQueue[None] = SimpleQueue()
        seen, nothing = 0, np.zeros(1, np.int64)
        done = nothing
        while True:
            newest, done = watch(self._generation, seen, done), nothing
            if newest == seen:
                self._asleep.append(wake)
                wake.get()  # a job posted a moment before is done without this thread
                self._asleep.remove(wake)
                continue
            seen, (job, number) = newest, self._join()
            if job is not None:
                try:
                    job.function(number, *job.args)
                except Exception as error:
                    job.error = error
                done = job.done
            del job  # else this thread would keep arrays alive


_pool = _ThreadPool()
_compiled_once = functools.cache(compiled)


def _watch(generation: Any, seen: int, done: Any) -> int:
    """Add 1 to `done`; then wait for another generation than `seen`, or until there is none for a while."""
    fetch_add(done, 0, 1)
    for looks in range(_PATIENCE):
        newest: int = read(generation, 0)
        if newest != seen:
            return newest
        _pause_or_yield(looks)
    return seen


def _wait(done: Any, joined: int) -> None:
    """Until all threads that joined are done."""
    looks = 0
    while read(done, 0) < joined:
        _pause_or_yield(looks)
        looks += 1


@subroutine
def _pause_or_yield(looks: int) -> None:
    """Wait a moment; after some time give the core to a thread that is ready, for there may be more than cores."""
    if looks < _SPINS or looks % _SPINS_PER_YIELD:
        pause()
    else:
        yield_core()


def _after_fork() -> None:
    global _pool
    _pool = _ThreadPool()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
