"""Candidates that run in a process of their own.

Two libraries in one process get in each other's way: the threads of one are still looking for work, or hold memory and
caches, when the other's turn comes.  So PyTorch races from a process beside ours, and both take turns as before.
"""

import multiprocessing
import time
import traceback
from collections.abc import Callable
from typing import Any

__all__ = ["Apart", "Elsewhere"]


class Apart:
    """A process beside this one that makes candidates and times them there.  Use it in a ``with`` block.

    Parameters
    ----------
    threads : int
        For PyTorch in it.

    Examples
    --------
    >>> with Apart(threads=1) as apart:  # doctest: +SKIP
    ...     candidates = apart.make(some_module.some_function, 3)
    """

    def __init__(self, threads: int):
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, threads), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> "Apart":
        return self

    def __exit__(self, *exception: object) -> None:
        self._pipe.close()
        self._process.join()

    def make(self, maker: Callable[..., dict[str, Callable[[], Any]]], *args: Any) -> dict[str, "Elsewhere"]:
        """Call ``maker(*args)`` there; what it returns replaces what an earlier call made.

        Raises
        ------
        RuntimeError
            If it raised, or the process died.
        """
        return {name: Elsewhere(self, name) for name in self._ask(maker, args)}

    def _ask(self, *question: Any) -> Any:
        try:
            self._pipe.send(question)
            worked, answer = self._pipe.recv()
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError("bench: the process that times PyTorch has died") from error
        if not worked:
            raise RuntimeError(f"bench: in the process that times PyTorch:\n{answer}")
        return answer


class Elsewhere:
    """A candidate in another process."""

    def __init__(self, apart: Apart, name: str):
        self._apart, self._name = apart, name

    def time(self, calls: int) -> float:
        """Seconds that so many calls take there, after one that brings back the caches."""
        return self._apart._ask(self._name, calls)


def timed(function: Callable[[], Any], calls: int) -> float:
    """Seconds that so many calls take here, after one that brings back the caches."""
    function()
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return time.perf_counter() - start


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
