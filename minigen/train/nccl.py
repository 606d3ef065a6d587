"""The exchange of gradients from GPU to GPU by NCCL, NVIDIA's library, for a training that MPI has started.

NCCL can add, too, but in an order that depends on the number of GPUs.  So it only moves the numbers here; the sums are
those of `minigen.train.parallel.sum_in_order`.
"""

import platform
import warnings
from typing import Any

from .. import backend
from .parallel import Communicator, on_all_ranks

__all__ = ["NCCLCommunicator", "gpu_communicator"]


class NCCLCommunicator:
    """The processes of another communicator, which have a GPU each: a `minigen.train.parallel.Communicator`.

    Rows stay in the memory of the GPUs.  Everything else, such as the numbers to log, goes the other way.

    Parameters
    ----------
    ranks : Communicator
        Every rank makes this call at the same time.
    """

    rows_on: str | None = "cuda"

    def __init__(self, ranks: Communicator) -> None:
        self._nccl = _nccl()
        self.rank: int = ranks.rank
        self.size: int = ranks.size
        self._ranks = ranks
        name = ranks.gather(self._nccl.get_unique_id() if ranks.rank == 0 else None)[0]
        self._group: Any = self._nccl.NcclCommunicator(self.size, name, self.rank)

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks, through the other communicator."""
        return self._ranks.gather(value)

    def gather_rows(self, rows: Any) -> Any:
        """Return the rows of all ranks, by one ``ncclAllGather``."""
        xp = backend.array_module(rows)
        rows = xp.ascontiguousarray(rows)
        everywhere = xp.empty((self.size * len(rows), *rows.shape[1:]), rows.dtype)
        self._group.allGather(rows.data.ptr, everywhere.data.ptr, rows.nbytes, self._nccl.NCCL_UINT8, _stream(xp))
        return everywhere

    def exchange_rows(self, rows: Any) -> Any:
        """Send row r to rank r and return what was sent here: a group of ``ncclSend`` and ``ncclRecv``."""
        xp = backend.array_module(rows)
        rows = xp.ascontiguousarray(rows)
        received = xp.empty(rows.shape, rows.dtype)
        row = rows.nbytes // self.size
        self._nccl.groupStart()
        for peer in range(self.size):
            start = peer * row
            self._group.send(rows.data.ptr + start, row, self._nccl.NCCL_UINT8, peer, _stream(xp))
            self._group.recv(received.data.ptr + start, row, self._nccl.NCCL_UINT8, peer, _stream(xp))
        self._nccl.groupEnd()
        return received


def gpu_communicator(ranks: Communicator) -> tuple[Communicator, str]:
    """Return ranks that exchange rows from GPU to GPU, if they can.

    Parameters
    ----------
    ranks : Communicator
        Every rank makes this call at the same time.

    Returns
    -------
    communicator : Communicator
        `NCCLCommunicator`, or `ranks` as they are.  A training gives the same bits with both.
    reason : str
        Why NCCL cannot be used; empty if it is used.

    Raises
    ------
    DeviceError
        If a rank has no GPU.
    """
    found = on_all_ranks(ranks, _name_of_gpu)
    if not all(available for available, _ in found):
        return ranks, "NCCL is not installed on every rank: python -m pip install nvidia-nccl-cu13, or nvidia-nccl-cu12"
    if len({name for _, name in found}) < ranks.size:
        return ranks, "some ranks share a GPU"
    return NCCLCommunicator(ranks), ""


def _name_of_gpu() -> tuple[bool, str]:
    """Whether NCCL is there, and a name that no other GPU has."""
    cupy = backend.gpu_module()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CuPy warns where NCCL is missing
        available = bool(_nccl().available)
    return available, f"{platform.node()} {cupy.cuda.runtime.deviceGetPCIBusId(0)}"


def _nccl() -> Any:
    from cupy.cuda import nccl

    return nccl


def _stream(xp: Any) -> int:
    """The queue that kernels are in, so that NCCL begins after them."""
    stream: int = xp.cuda.get_current_stream().ptr
    return stream
