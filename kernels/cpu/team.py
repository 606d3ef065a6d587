"""Run a compiled function on several threads at once: each call does one thread's share.

The convolutions are long functions.  Numba's ``prange`` compiles such a function, and what it calls, several times over
(half a minute); a plain function that releases the interpreter's lock compiles in a few seconds.  So these kernels are
plain functions ``f(thread, threads, ...)``, and the *team* here, ordinary Python threads that sleep between kernels,
calls them with thread = 0, 1, ... side by side.  Nothing else is needed to be safe:

- several Python threads may run kernels at once, since each call has its own workspace and its own queue of answers;
- a forked child, which has none of its parent's threads, starts a team of its own.
"""

import functools
import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from .compile import compiled
from .threads import SMALL, get_num_threads

__all__ = ["shared"]

_tasks: SimpleQueue[Any] = SimpleQueue()
_members = 0
_hiring = threading.Lock()


class shared:  # noqa: N801 - a decorator
    """Decorate a Numba function ``f(thread, threads, *args)`` that does the share of one thread of `threads`.

    Calling it with ``*args`` runs all shares and returns when all are done.

    Examples
    --------
    >>> import numpy as np
    >>> @shared
    ... def double(thread, threads, x, y):
    ...     for i in range(thread, x.size, threads):
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
        """Run.  `work` is about how many elements there are to compute: few are not worth waking threads for."""
        threads = get_num_threads() if work >= SMALL else 1
        _hire(threads - 1)
        answers: SimpleQueue[Exception | None] = SimpleQueue()
        for thread in range(1, threads):
            _tasks.put((self._compiled, (thread, threads, *args), answers))
        self._compiled(0, threads, *args)
        for error in [answers.get() for _ in range(1, threads)]:
            if error is not None:
                raise error

    @functools.cached_property
    def _compiled(self):
        return compiled(self._function)


def _hire(wanted):
    """Make the team at least as large as `wanted`."""
    global _members
    with _hiring:
        while _members < wanted:
            threading.Thread(target=_work, name=f"minigen-{_members}", daemon=True).start()
            _members += 1


def _work():
    tasks = _tasks
    while True:
        function, args, answers = tasks.get()
        try:
            function(*args)
            answers.put(None)
        except Exception as error:
            answers.put(error)
        del function, args, answers  # else this sleeping thread would keep arrays alive


def _after_fork():
    global _tasks, _members, _hiring
    _tasks, _members, _hiring = SimpleQueue(), 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
