"""Gradients from GPU to GPU: a stand-in for NCCL moves bytes between ranks that are coroutines of one process."""

import ctypes
import os
from types import SimpleNamespace

import cupy_double as double
import numpy as np
import pytest
from test_data_parallel import on_ranks, plain_kernels, steps_of  # noqa: F401

from minigen.backend import DeviceError
from minigen.cli import main
from minigen.train.mpi import see_own_gpu
from minigen.train.nccl import NCCLCommunicator, gpu_communicator
from minigen.train.parallel import Alone, sum_in_order


class NCCL:
    """What minigen uses of ``cupy.cuda.nccl``, checked as NCCL would: every call of one rank fits those of the others."""

    NCCL_UINT8 = 1
    available = True

    def __init__(self):
        self.ranks, self.group, self.calls = {}, None, []

    def get_unique_id(self):
        return b"the only group"

    def NcclCommunicator(self, size, name, rank):
        assert name == b"the only group"
        return SimpleNamespace(
            allGather=lambda *args: self.all_gather(rank, *args),
            send=lambda *args: self.group.append(("send", rank, *args)),
            recv=lambda *args: self.group.append(("recv", rank, *args)),
        )

    def all_gather(self, rank, send, receive, count, dtype, stream):
        self.calls.append("allGather")
        assert (dtype, stream) == (self.NCCL_UINT8, 0)
        everyone = self.ranks[rank].coroutine.pause(("allGather", (count, ctypes.string_at(send, count))))
        assert {length for length, _ in everyone} == {count}
        ctypes.memmove(receive, b"".join(sent for _, sent in everyone), count * len(everyone))

    def groupStart(self):
        assert self.group is None
        self.group = []

    def groupEnd(self):
        calls, self.group = self.group, None
        self.calls.append("group")
        (rank,) = {rank for _, rank, *_ in calls}
        sent = {peer: ctypes.string_at(place, count) for kind, _, place, count, _, peer, _ in calls if kind == "send"}
        everyone = self.ranks[rank].coroutine.pause(("group", sent))
        for kind, _, place, count, dtype, peer, stream in calls:
            assert (dtype, stream) == (self.NCCL_UINT8, 0)
            if kind == "recv":
                assert len(everyone[peer][rank]) == count
                ctypes.memmove(place, everyone[peer][rank], count)


@pytest.fixture
def nccl(monkeypatch):
    """The stand-ins of CuPy and of its module for NCCL."""
    found = NCCL()
    with double.as_cupy(), double.host_kernels():
        monkeypatch.setattr("minigen.train.nccl._nccl", lambda: found)
        yield found


def joined(nccl, rank):
    nccl.ranks[rank.rank] = rank
    return NCCLCommunicator(rank)


@pytest.mark.parametrize("size", [1, 2, 4])
@pytest.mark.parametrize("name", ["dcgan", "vae"])
def test_gradients_from_gpu_to_gpu_make_the_same_bits(nccl, name, size):
    want = steps_of(name, Alone())
    for found in on_ranks(size, lambda rank: steps_of(name, joined(nccl, rank), device="cuda")):
        assert not isinstance(found, Exception), found
        assert found == want
    assert {"allGather", "group"} == set(nccl.calls)


@pytest.mark.parametrize("length", [3, 5, 8])
def test_a_sum_has_one_order_on_any_number_of_gpus(nccl, length):
    rows = np.random.default_rng(0).normal(size=(8, length)).astype(np.float32)
    rows[::3] *= 1e7
    want = sum_in_order(Alone(), rows)
    for size in (1, 2, 4, 8):
        found = on_ranks(
            size,
            lambda rank: sum_in_order(
                joined(nccl, rank), double.xp.asarray(np.split(rows, rank.size)[rank.rank])
            ).get(),
        )
        assert all(np.array_equal(each, want) for each in found), found


def test_gradients_stay_on_the_gpu(nccl):
    """No array of gradients comes to the host, and none goes back."""

    with double.no_sync():
        sums = on_ranks(
            2, lambda rank: sum_in_order(joined(nccl, rank), double.xp.asarray(np.ones((2, 5), np.float32)))
        )
    for found in sums:
        assert found.get().tolist() == [4.0] * 5


def test_nccl_is_used_where_every_rank_has_a_gpu_of_its_own(nccl, monkeypatch):
    monkeypatch.setattr(double._Cupy.cuda.runtime, "deviceGetPCIBusId", lambda _: "0000:07", raising=False)

    def function(rank):
        nccl.ranks[rank.rank] = rank
        monkeypatch.setattr("minigen.train.nccl.platform.node", lambda: names[rank.rank])
        communicator, reason = gpu_communicator(rank)
        return communicator.rows_on, reason

    names = ["first", "second"]
    assert on_ranks(2, function) == [("cuda", "")] * 2
    names = ["first", "first"]
    assert on_ranks(2, function) == [("cpu", "some ranks share a GPU")] * 2
    names = ["first", "second"]
    nccl.available = False
    assert all("NCCL is not installed" in reason for _, reason in on_ranks(2, function))


@pytest.mark.parametrize(
    ("given", "listed", "want"),
    [
        (None, 2, ["0", "1", "0"]),  # more ranks than GPUs share them
        ("4,GPU-8f,6", 8, ["4", "GPU-8f", "6"]),
        ("5", 8, ["5"] * 3),  # the launcher has chosen
        (None, 1, [None] * 3),
        (None, 0, [None] * 3),
        ("", 8, [""] * 3),  # no GPU is to be used
    ],
)
def test_each_rank_of_a_computer_sees_a_gpu_of_its_own(monkeypatch, given, listed, want):
    """Ranks 3, 4, 5 are those of the second computer."""
    lines = "".join(f"GPU {number}: NVIDIA H200 (UUID: GPU-{number})\n" for number in range(listed))
    monkeypatch.setattr("minigen.train.mpi.subprocess.run", lambda *_, **__: SimpleNamespace(stdout=lines))
    found = []
    for rank in (3, 4, 5):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if given is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
        see_own_gpu(SimpleNamespace(rank=rank, gather_on_node=lambda _: [3, 4, 5]))
        found.append(os.environ.get("CUDA_VISIBLE_DEVICES"))
    assert found == want


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_only_a_training_on_gpus_asks_for_them(device, monkeypatch, tmp_path, capsys):
    class Rank(Alone):
        def gather_on_node(self, value):
            return [value]

    def used():
        asked.append("used")
        raise DeviceError("no GPU")

    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr("minigen.train.mpi.rank_of_launcher", lambda: 0)
    monkeypatch.setattr("minigen.train.mpi.MPICommunicator", Rank)
    monkeypatch.setattr("minigen.train.mpi._all_gpus", lambda: asked.append(device) or [])
    monkeypatch.setattr("minigen.backend.gpu_module", used)
    main(["train", "gan", "--data", "digits", "--batch-size", "8", "--steps", "1", "--device", device])
    assert asked == {"cpu": [], "cuda": ["cuda", "used"]}[device]


def test_a_computer_without_a_driver_is_no_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    see_own_gpu(SimpleNamespace(rank=0, gather_on_node=lambda _: [0, 1]))
    assert "CUDA_VISIBLE_DEVICES" not in os.environ
