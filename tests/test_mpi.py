"""Training under a real mpiexec: the same bits on any number of ranks, and no rank that fails leaves the others waiting."""

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from minigen.cli import main
from minigen.train import load_checkpoint

pytestmark = pytest.mark.mpi

FAILING = '''
import os
import signal
import sys

from minigen.models import VAE


class Failing(VAE):
    """A VAE; rank 1 fails in its third step."""

    calls = 0

    def training_step(self, batch):
        self.calls += 1
        if os.environ.get("PMI_RANK", os.environ.get("OMPI_COMM_WORLD_RANK")) == "1" and self.calls == 5:
            how = os.environ["HOW"]
            if how == "raise":
                raise KeyError("broken")
            if how == "sys.exit":
                sys.exit(0)
            os.kill(os.getpid(), getattr(signal, how))
        return super().training_step(batch)
'''
TINY = ["--data", "digits", "--images", "64", "--batch-size", "16", "--network", "mlp", "--width", "8", "--latent", "2"]


@pytest.fixture(scope="module")
def mpiexec():
    """The launcher of an MPI that mpi4py can use: beside this Python, as the package mpich brings it, or on the path."""
    found = shutil.which("mpiexec", path=Path(sys.executable).parent) or shutil.which("mpiexec")
    if found is None or find_spec("mpi4py") is None:
        pytest.skip("needs mpi4py and an MPI")
    works = subprocess.run(
        [found, "-n", "1", sys.executable, "-c", "import mpi4py.MPI"], capture_output=True, timeout=60
    )
    if works.returncode:
        pytest.skip(f"{found} does not start Python with mpi4py")
    return found


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIGEN_KERNELS", "reference")
    monkeypatch.setattr("minigen.kernels._default_set", "reference")
    monkeypatch.setenv("MINIGEN_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    (tmp_path / "failing.py").write_text(FAILING, encoding="utf-8")
    return tmp_path


def train(mpiexec, ranks, *arguments, how="", launched=("-m", "mpi4py", "-m", "minigen")):
    command = [mpiexec, "-n", str(ranks), sys.executable, *launched, "train", *arguments]
    environment = {**os.environ, "HOW": how, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)


def final(run):
    state = load_checkpoint(sorted((run / "checkpoints").glob("*.safetensors"))[-1])
    return state["model"], state["counters"]["step"], state["rng"]


def assert_same(one, other):
    (weights, *rest), (others, *same) = final(one), final(other)
    assert rest == same and weights.keys() == others.keys()
    assert all(np.array_equal(value, others[name]) for name, value in weights.items())


def test_4_ranks_then_2_give_the_bits_of_one_process(mpiexec, here):
    gan = ["cgan", *TINY[:6], "--width", "2", "--latent", "4", "--ema", "0.9", "--lr-decay", "0"]
    assert main(["train", *gan, "--steps", "6", "--shards", "4", "--run", "one"]) == 0  # this process, without MPI
    four = train(mpiexec, 4, *gan, "--steps", "3", "--run", "many")  # 4 shards by default
    assert four.returncode == 0, four.stderr
    assert four.stdout.count("3 steps done") == 1, four.stdout  # the first rank alone speaks
    two = train(mpiexec, 2, "cgan", "--resume", "--steps", "6", "--run", "many")
    assert two.returncode == 0 and "note:" not in two.stderr, two.stderr
    assert_same(here / "runs" / "one", here / "runs" / "many")
    assert len((here / "runs" / "many" / "log.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize("launched", [("-m", "mpi4py", "-m", "minigen"), ("-m", "minigen")], ids=["mpi4py", "plain"])
def test_a_rank_that_raises_ends_the_job_with_one_line(launched, mpiexec):
    job = train(mpiexec, 2, "failing.py:Failing", *TINY, "--steps", "9", how="raise", launched=launched)
    said = [line for line in job.stderr.splitlines() if line.startswith("minigen: ")]
    assert job.returncode == 2 and len(said) == 1, job.stderr
    assert said[0].endswith("training_step(): KeyError: 'broken'; --debug shows the traceback")
    assert "Traceback" not in job.stderr


@pytest.mark.parametrize(("how", "text"), [("sys.exit", "rank 1: the model called sys.exit(0)"), ("SIGKILL", "")])
def test_a_rank_that_exits_or_is_killed_ends_the_job(how, text, mpiexec):
    job = train(mpiexec, 2, "failing.py:Failing", *TINY, "--steps", "9", how=how)
    assert job.returncode not in (0, 130) and text in job.stderr, job.stderr


def test_a_rank_that_is_asked_to_stop_stops_all(mpiexec, here):
    job = train(mpiexec, 2, "failing.py:Failing", *TINY, "--steps", "9", "--run", "run", how="SIGTERM")
    assert job.returncode == 130 and "stopped after step 3 and saved" in job.stdout, job.stderr
    assert final(here / "runs" / "run")[1] == 3


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("vae", "--shards", "3"), "2 ranks cannot share 3 shards equally"),
        (("vea",), "unknown model 'vea'"),
    ],
)
def test_a_mistake_on_the_command_line_costs_one_line(arguments, text, mpiexec, here):
    job = train(mpiexec, 2, *arguments, *TINY, "--steps", "9")
    said = [line for line in job.stderr.splitlines() if line.startswith("minigen: ")]
    assert job.returncode == 2 and len(said) == 1 and text in said[0], job.stderr
    assert not (here / "runs").exists()
