"""A thread pool for compiled functions, whose threads share out the work in chunks.

The convolutions are long functions.  Numba's ``prange`` compiles such a function, and what it calls, several times over
(half a minute); a plain function that releases the interpreter's lock compiles in a few seconds.  So a kernel is a
plain function ``f(thread, counter, ...)``, which the pool calls with thread = 0, 1, ... on several threads.  In a
kernel ``for i in chunked_range(counter, count)`` gives each thread its share of the indices, a few at a time, and then
what is left of the others' shares.  A thread that starts late, or shares its core, takes fewer of them.  And since the
shares are the same in each call, a thread mostly finds the images that it worked on before in its own cache.

Thread 0 is the calling thread.  It writes the call to a few words of memory that all threads share, works on it,
withdraws it, and waits for the threads that joined.  All this is one compiled function, and the other threads watch the
shared words in another one.  So no thread waits for the interpreter's lock.  Such a wait would take as long as many
kernels do, because the operating system has to wake the thread that gets the lock next.

To wake a sleeping thread takes 50 to 200 microseconds.  So the threads go on watching for a moment after each job: they
sleep between training steps, not within one.

The result never depends on whether, or when, another thread joins.  Therefore:

- several Python threads may run kernels at once: a caller that finds the pool in use works alone;
- a forked child, which has none of its parent's threads, starts its own pool;
- a signal's handler (Ctrl-C) may raise an exception between any two steps of Python here.  A lock is held in a ``with``
  statement only, which Python enters and leaves without a gap, and a job begins and ends within one step.
"""

import functools
import os
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from ...shapes import round_up
from .allocator import empty
from .atomics import compare_exchange, exchange, fetch_add, pause, read, yield_core
from .call import code, make_call, packed, raise_failure
from .compile import compiled, subroutine
from .instruction_set import CACHE_LINE
from .threads import SMALL, get_num_threads

__all__ = ["BLOCK", "PerThread", "chunked_range", "indices", "parallel"]

#: Elements from thread to thread in the array that counts what is taken, one count for each loop of a kernel: each
#: thread has a cache line for itself.
_APART = 2 * CACHE_LINE // 8
#: Chunks in a loop: enough for threads to finish together, and each still a run of neighbors, which share what a
#: thread has in its cache.
_CHUNKS = 64
#: How often a thread reads the shared words before it goes to sleep: for a millisecond or so.
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
            self._compiled(pool.shared, 1, np.zeros(_APART, np.int64), *_with_workspaces(args, 1))
        else:
            with pool.lock:
                pool.wake(threads - 1)
                args = _with_workspaces(args, threads)
                self._compiled(pool.shared, threads, np.zeros(threads * _APART, np.int64), *args)

    @functools.cached_property
    def _compiled(self) -> Callable[..., Any]:
        return compiled(_launcher(self._function))


def _launcher(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """`_launch` for one kernel; to Numba's cache it is in the place of the kernel."""
    there = kernel.__code__
    own = _launch.__code__.replace(co_filename=there.co_filename, co_firstlineno=there.co_firstlineno)
    launcher = FunctionType(own, {**_launch.__globals__, "_kernel": subroutine(kernel)})
    launcher.__module__, launcher.__qualname__ = kernel.__module__, kernel.__qualname__
    return launcher


def _launch(shared: Any, threads: int, *arguments: Any) -> None:
    """Run a kernel on this thread, and on those that join."""
    place = packed(arguments)
    _run(shared, threads, code(_kernel, arguments), place)  # type: ignore[name-defined]  # noqa: F821 - see `_launcher`
    raise_failure(place, arguments)


def _with_workspaces(args: tuple[Any, ...], threads: int) -> tuple[Any, ...]:
    return tuple([empty((threads, *_whole_lines(a)), a.dtype) if type(a) is PerThread else a for a in args])


def _whole_lines(space: PerThread) -> tuple[int, ...]:
    """The shape of a workspace; one with a single axis fills cache lines, so that each thread's starts with one."""
    if len(space.shape) > 1:
        return space.shape
    return (round_up(space.shape[0], CACHE_LINE // np.dtype(space.dtype).itemsize),)


@subroutine
def chunked_range(counter: Any, count: int, loop: int = 0) -> Iterator[int]:
    """The indices below `count` that this thread gets; `loop` numbers the kernel's loops over `chunked_range`.

    They ascend from share to share of a thread, and the shares begin with its own: a smaller index may come later.

    Parameters
    ----------
    counter : (array, int)
        How many indices of each thread's share are taken, `_APART` elements from thread to thread; and which thread
        this is.
    """
    taken, thread = counter
    threads, size = taken.size // _APART, -(-count // _CHUNKS)
    for turn in range(threads):  # its own share, then those of the others
        share = (thread + turn) % threads
        begin, end = share * count // threads, (share + 1) * count // threads
        first = begin + fetch_add(taken, share * _APART + loop, size)
        while first < end:
            for index in range(first, min(first + size, end)):  # noqa: UP028 - Numba has no "yield from"
                yield index
            first = begin + fetch_add(taken, share * _APART + loop, size)


@subroutine
def indices(block: int, size: int) -> Any:
    """The indices of a block, below `size`; unsigned, since Numba tests signed ones for counting from the end."""
    return range(np.uintp(block * BLOCK), np.uintp(min((block + 1) * BLOCK, size)))


#: The shared words: where each is.  What several threads write has a cache line for itself.  Smaller arrays than of
#: 256 words need not start with a cache line (see `minigen.kernels.cpu.runtime.allocator`).
_TICKET, _DONE, _CODE, _PLACE, _WORDS = 0, 8, 16, 17, 256
#: A ticket is the number of the job, and in its last bits the number of threads that may still join.
_BITS = 16
_OPEN = (1 << _BITS) - 1


@subroutine
def _run(shared: Any, threads: int, code: int, place: int) -> None:
    """Post a call, make it as thread 0, withdraw it, and wait for the threads that joined."""
    if threads == 1:
        make_call(code, place, 0)
        return
    shared[_CODE], shared[_PLACE], shared[_DONE] = code, place, 0
    number = (read(shared, _TICKET) >> _BITS) + 1
    others = min(threads - 1, _OPEN)
    exchange(shared, _TICKET, number << _BITS | others)
    make_call(code, place, 0)
    joined = others - (exchange(shared, _TICKET, number << _BITS) & _OPEN)
    looks = 0
    while read(shared, _DONE) < joined:
        _pause_or_yield(looks)
        looks += 1


def _watch(shared: Any) -> None:
    """Join all jobs that are posted, until there is none for a while."""
    looks, last = 0, 0
    while looks < _PATIENCE:
        ticket = read(shared, _TICKET)
        if ticket & _OPEN and compare_exchange(shared, _TICKET, ticket, ticket - 1):
            make_call(shared[_CODE], shared[_PLACE], ticket & _OPEN)
            fetch_add(shared, _DONE, 1)
            looks = 0
        elif ticket != last:
            looks, last = 0, ticket
        else:
            _pause_or_yield(looks)
            looks += 1


class _ThreadPool:
    """The worker threads, and the words that they share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # held by the thread whose job runs
        self.shared = empty((_WORDS,), np.int64)
        self.shared[:] = 0
        self._workers: list[threading.Thread] = []
        self._asleep: list[SimpleQueue[None]] = []  # one for each sleeping thread; putting something in wakes it

    def wake(self, wanted: int) -> None:
        """Wake the workers that sleep, and start those that are missing; the caller holds `lock`."""
        for sleeper in tuple(self._asleep):
            sleeper.put(None)  # twice does no harm: the thread looks, finds nothing, and sleeps again
        while len(self._workers) < wanted:
            worker = threading.Thread(target=self._work, name=f"minigen-{len(self._workers) + 1}", daemon=True)
            worker.start()
            self._workers.append(worker)  # if an exception prevents this, there is a worker more than needed

    def _work(self) -> None:
        """What a worker does; no signal's handler ever runs in its thread."""
        watch = _compiled_once(_watch)
        wake: SimpleQueue[None] = SimpleQueue()
        while True:
            watch(self.shared)
            self._asleep.append(wake)
            wake.get()  # a job posted a moment before is done without this thread
            self._asleep.remove(wake)


_pool = _ThreadPool()
_compiled_once = functools.cache(compiled)


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
