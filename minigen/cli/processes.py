"""Work on several cores at once, each with its Python process."""

import signal
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from .. import kernels

__all__ = ["map_in_processes"]

T = TypeVar("T")
R = TypeVar("R")

WORTH_A_PROCESS = 8
"""Tasks that a process must have: to start Python and to import minigen takes a second or two."""


def map_in_processes(function: Callable[[T], R], tasks: Sequence[T]) -> list[R]:
    """Apply a function to each task, in as many processes as minigen has threads; few tasks are done here.

    Parameters
    ----------
    function : callable
        At the top level of a module, as the processes must find it by its name.
    tasks : sequence
        What can be pickled, as must be what the function returns.

    Returns
    -------
    list
        The results in the order of the tasks.

    Raises
    ------
    RuntimeError
        If a process dies.
    """
    workers = min(kernels.get_num_threads(), len(tasks) // WORTH_A_PROCESS)
    if workers < 2 or sys.platform == "emscripten":  # Python in a browser has one process, and not these modules
        return [function(task) for task in tasks]
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    spawn = multiprocessing.get_context("spawn")  # to fork a process that has threads is not safe
    with ProcessPoolExecutor(workers, spawn, initializer=_begin) as processes:
        try:
            return list(processes.map(function, tasks))
        except BrokenProcessPool as error:
            raise RuntimeError("a process that worked for this one has died") from error
        except BaseException:  # an error of a task, or Ctrl-C: what was not begun is not needed
            processes.shutdown(cancel_futures=True)
            raise


def _begin() -> None:
    """In a new process: one thread, and Ctrl-C ends it without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    kernels.set_num_threads(1)
