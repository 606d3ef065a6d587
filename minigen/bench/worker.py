"""A worker process in which PyTorch's functions are timed, with the settings that suit PyTorch best.

Two libraries in one process slow each other down: the threads of one still wait for work, or occupy memory and caches,
when the other is measured.  So PyTorch runs in a process beside minigen's, and the measurements alternate.

**Memory.**  glibc returns the memory of large freed arrays to the system, and every page of the next large result then
costs a page fault: results of 8 MB take up to twice as long in a benchmark as in a training, where other allocations
keep the memory in use.  `ALLOCATOR` makes the worker's allocator keep freed memory, as minigen's own pool does.  A
variable that the user has set stays as it is.
"""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable
from typing import Any, Self

__all__ = ["ALLOCATOR", "RemoteFunction", "Worker", "fastest"]

ALLOCATOR = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 32),  # bytes that may stay free at the end of the heap
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),  # bytes; the largest value that glibc accepts
}
"""glibc's settings for the worker; other systems' allocators ignore them."""


class Worker:
    """A process that makes functions and times them.  Use it in a ``with`` block.

    Parameters
    ----------
    threads : int
        Number of PyTorch's threads.

    Examples
    --------
    >>> with Worker(threads=1) as worker:  # doctest: +SKIP
    ...     functions = worker.make(some_module.some_function, 3)
    """

    def __init__(self, threads: int):
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, threads), daemon=True)
        missing = {name: value for name, value in ALLOCATOR.items() if name not in os.environ}
        os.environ.update(missing)  # glibc reads them when the process starts
        try:
            self._process.start()
        finally:
            for name in missing:
                del os.environ[name]
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pipe.close()
        self._process.join()

    def make(self, maker: Callable[..., dict[str, Callable[[], Any]]], *args: Any) -> dict[str, "RemoteFunction"]:
        """Call ``maker(*args)`` in the worker; its functions replace those of an earlier call.

        Raises
        ------
        RuntimeError
            If it raised, or the process died.
        """
        return {name: RemoteFunction(self, name) for name in self.ask(maker, args)}

    def ask(self, *question: Any) -> Any:
        """Send a question to the worker and return its answer."""
        try:
            self._pipe.send(question)
            worked, answer = self._pipe.recv()
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError("bench: the process that times PyTorch has died") from error
        if not worked:
            raise RuntimeError(f"bench: in the process that times PyTorch:\n{answer}")
        return answer


class RemoteFunction:
    """A function in the worker process."""

    def __init__(self, worker: Worker, name: str):
        self._worker, self._name = worker, name

    def time(self, calls: int) -> float:
        """Seconds that `calls` calls take there, after one that fills the caches."""
        return float(self._worker.ask(self._name, calls))


def timed(function: Callable[[], Any], calls: int) -> float:
    """Seconds that `calls` calls take here, after one that fills the caches."""
    function()
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - start


def fastest(variants: list[Callable[[], Any]]) -> Callable[[], Any]:
    """Return the fastest of several ways to do the same work, by the best of seven alternating calls each."""
    best = [float("inf")] * len(variants)
    for _ in range(7):
        for i, function in enumerate(variants):
            best[i] = min(best[i], timed(function, 1))
    return variants[best.index(min(best))]


def _serve(pipe: Any, threads: int) -> None:
    """Answer until the pipe is closed."""
    import torch

    torch.set_num_threads(threads)
    made: dict[str, Callable[[], Any]] = {}
    while True:
        try:
            first, second = pipe.recv()
        except EOFError:
            return
        try:
            if callable(first):
                made.clear()
                made.update(first(*second))
                answer: Any = list(made)
            else:
                answer = timed(made[first], second)
            pipe.send((True, answer))
        except Exception:
            pipe.send((False, traceback.format_exc()))
