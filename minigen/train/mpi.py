"""Processes on one or several computers as MPI starts them: ``mpiexec -n 4 python -m mpi4py -m minigen train ...``.

The package mpi4py is imported only where MPI has started the process: to import it starts MPI.
"""

import os
import subprocess
import sys
import time
from typing import Any

import numpy as np

from .._util.optional import PIP, require

__all__ = ["MPICommunicator", "abort_job", "await_abort", "rank_of_launcher", "see_own_gpu", "threads_for_rank"]

_RANK = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK")  # MPICH and Intel MPI; Slurm; Open MPI


def rank_of_launcher() -> int | None:
    """Return the rank that the launcher gave this process, without mpi4py; None if no launcher started it.

    Under ``python -m mpi4py`` without a launcher it is 0.
    """
    for name in _RANK:
        if os.environ.get(name, "").isdecimal():
            return int(os.environ[name])
    return 0 if "mpi4py.MPI" in sys.modules else None


class MPICommunicator:
    """All processes of an MPI job: a `minigen.train.parallel.Communicator`.

    Raises
    ------
    ModuleNotFoundError
        If mpi4py is not installed; the message says how to install it.
    ImportError
        If mpi4py finds no MPI.
    """

    def __init__(self) -> None:
        try:
            self._mpi = require("mpi4py.MPI")
        except RuntimeError as error:
            raise ImportError(
                f"mpi4py is installed, but finds no MPI on this computer: {PIP} mpich brings one"
            ) from error
        self._world: Any = self._mpi.COMM_WORLD
        self.rank: int = self._world.Get_rank()
        self.size: int = self._world.Get_size()
        self.rows_on: str | None = "cpu"

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks; they are pickled on the way."""
        values: list[Any] = self._world.allgather(value)
        return values

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows of all ranks, by one ``MPI_Allgather``."""
        rows = np.ascontiguousarray(rows)
        everywhere = np.empty((self.size * len(rows), *rows.shape[1:]), rows.dtype)
        self._world.Allgather(rows, everywhere)
        return everywhere

    def exchange_rows(self, rows: np.ndarray) -> np.ndarray:
        """Send row r to rank r and return what was sent here, by one ``MPI_Alltoall``."""
        received = np.empty(rows.shape, rows.dtype)
        self._world.Alltoall(np.ascontiguousarray(rows), received)
        return received

    def gather_on_node(self, value: Any) -> list[Any]:
        """Return the values of the ranks on this computer."""
        node = self._world.Split_type(self._mpi.COMM_TYPE_SHARED)
        values: list[Any] = node.allgather(value)
        node.Free()
        return values


def threads_for_rank(communicator: MPICommunicator, threads: int) -> int:
    """Divide the threads of a computer among the ranks that share its processors.

    Parameters
    ----------
    communicator : MPICommunicator
    threads : int
        What one process alone would use.  Ranks that the launcher bound to different processors share nothing.
    """
    mine = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()
    return max(1, threads // communicator.gather_on_node(mine).count(mine))


def see_own_gpu(communicator: MPICommunicator) -> None:
    """Let each rank see another GPU of its computer: it is the first one that the rank sees.

    This sets ``CUDA_VISIBLE_DEVICES``, so it must come before CUDA is used.  Nothing changes where a rank sees one GPU
    only, because its launcher has chosen, or none.  More ranks than GPUs share them.

    Parameters
    ----------
    communicator : MPICommunicator
    """
    ranks_here = communicator.gather_on_node(communicator.rank)
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = _all_gpus() if given is None else [gpu for gpu in given.split(",") if gpu]
    if len(gpus) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[ranks_here.index(communicator.rank) % len(gpus)]


def _all_gpus() -> list[str]:
    """The numbers of the GPUs that the driver lists; CUDA is not to be started for that."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(number) for number, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]


def abort_job(code: int, message: str = "") -> None:
    """End all processes of the MPI job, if this is one of several.

    After an error the other ranks would wait for this one for ever.

    Parameters
    ----------
    code : int
        The exit code.
    message : str
        What to print before.
    """
    mpi = _running_mpi()
    if mpi is None:
        return
    sys.stderr.write(message)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    time.sleep(0.5)  # a launcher under load may drop what it has not passed on when the job ends
    mpi.COMM_WORLD.Abort(code)
    os._exit(code)  # MPICH may return from there, while the launcher ends the job


def await_abort(seconds: float = 10) -> None:
    """Wait until the rank that failed has said why, and ends this process with the whole job.

    A rank that left before would end the job, too: the launcher may stop the other one before its message is out.

    Parameters
    ----------
    seconds : float
        How long to wait at most.
    """
    if _running_mpi() is not None:
        time.sleep(seconds)


def _running_mpi() -> Any:
    """The module of mpi4py, if this is one of several processes of a job that has begun and not ended; else None."""
    mpi = sys.modules.get("mpi4py.MPI")
    running = mpi is not None and mpi.Is_initialized() and not mpi.Is_finalized() and mpi.COMM_WORLD.Get_size() > 1
    return mpi if running else None
