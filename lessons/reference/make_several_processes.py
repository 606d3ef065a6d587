"""Make the tables of `docs/guides/several_processes.md` again: how long a training step takes on several processes.

    python lessons/reference/make_several_processes.py                measure, about two minutes on an idle computer
    python lessons/reference/make_several_processes.py --only-tables  write the tables of what is kept already

The script starts itself with ``mpiexec``: some steps of a DCGAN, with the kernels' threads set for each process.  Results are
kept in `several_processes.json`; the second table is computed from them.  Needs the extras `data` and `mpi`, and an MPI.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before NumPy

import minigen as mg
from minigen._util.tables import replace_table
from minigen.bench.machine import processor
from minigen.train.parallel import DataParallel

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "several_processes.json"
PAGE = FOLDER.parents[1] / "docs" / "guides" / "several_processes.md"

SHARDS, BATCH = 4, 128
PLAIN = "whole batch, one process"
CASES = [
    (PLAIN, 1, 1),
    (PLAIN, 1, 2),
    *(("4 shards", ranks, threads) for ranks, threads in ((1, 1), (1, 2), (2, 1), (4, 1))),
]
"""What is measured: how the batch is cut, processes, threads of each."""

WARM_UP, STEPS, ROUNDS = 3, 15, 5

NETWORKS = {"10 Gbit/s Ethernet": (1.25e9, 50e-6), "100 Gbit/s InfiniBand": (12.5e9, 2e-6)}
"""Assumed for the second table: bytes a second, and seconds for a short message."""


class Stopwatch:
    """A communicator that measures how long its exchanges take, with the wait for the other ranks."""

    def __init__(self, communicator: Any):
        self._communicator = communicator
        self.rank, self.size = communicator.rank, communicator.size
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        exchange = getattr(self._communicator, name)

        def timed(value: Any) -> Any:
            begin = time.perf_counter()
            try:
                return exchange(value)
            finally:
                self.seconds += time.perf_counter() - begin

        return timed


def worker(case: str) -> None:
    """One process of a measurement; the first one prints the result."""
    from minigen.train.mpi import MPICommunicator

    communicator = Stopwatch(MPICommunicator())
    data = mg.data.load("mnist5k")
    mg.manual_seed(0)
    model = mg.models.DCGAN(size=28, channels=1)
    parallel = DataParallel(model, SHARDS, communicator=communicator)
    batches = mg.data.Loader(data, BATCH, drop_last=True).epoch(0)
    times, exchanges = [], []
    for step in range(WARM_UP + STEPS):
        batch, communicator.seconds, begin = next(batches), 0.0, time.perf_counter()
        if case == PLAIN:
            model.training_step(batch)
        else:
            parallel.training_step(batch, step)
        times.append(time.perf_counter() - begin)
        exchanges.append(communicator.seconds)
    weights = {name: sum(p.numel() for group in each.param_groups for p in group["params"])
               for name, each in model.optimizers.items()}  # fmt: skip
    if communicator.rank == 0:
        row = {
            "ms": 1e3 * statistics.median(times[WARM_UP:]),
            "ms_exchange": 1e3 * statistics.median(exchanges[WARM_UP:]),
        }
        print(json.dumps(row | {"weights": weights}))


def measure() -> dict[str, Any]:
    """Measure all cases in turn, several times; the fastest of each, which other programs have disturbed least."""
    mpiexec = shutil.which("mpiexec", path=Path(sys.executable).parent) or shutil.which("mpiexec")
    if mpiexec is None:
        raise SystemExit("mpiexec is missing: python -m pip install mpich brings one")
    found: dict[tuple[str, int, int], list[dict[str, Any]]] = {case: [] for case in CASES}
    for _ in range(ROUNDS):
        for case, ranks, threads in CASES:
            command = [mpiexec, "-n", str(ranks), sys.executable, "-m", "mpi4py", __file__, "--worker", case]
            environment = {**os.environ, "MINIGEN_NUM_THREADS": str(threads)}
            job = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=True)
            found[case, ranks, threads].append(json.loads(job.stdout.splitlines()[-1]))
    rows = [
        {
            "case": case,
            "ranks": ranks,
            "threads": threads,
            **{name: round(min(rows, key=lambda row: row["ms"])[name], 2) for name in ("ms", "ms_exchange")},
        }
        for (case, ranks, threads), rows in found.items()
    ]
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "weights": found[CASES[0]][0]["weights"],
        "rows": rows,
    }


def measured_table(results: dict[str, Any]) -> list[str]:
    """The lines of the table of what was measured."""
    lines = [
        f"| batch of {BATCH} | processes | threads of each | ms a step | of these, exchange and waiting |",
        "|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        exchange = "" if row["ranks"] == 1 else f"{row['ms_exchange']:.1f}"
        lines.append(f"| {row['case']} | {row['ranks']} | {row['threads']} | {row['ms']:.1f} | {exchange} |")
    return lines


def predicted(results: dict[str, Any], ranks: int, shards: int, network: str, gather_all: bool) -> float:
    """Seconds of a step by the model of the page.

    Parameters
    ----------
    results : dict
    ranks, shards : int
    network : str
        One of `NETWORKS`.
    gather_all : bool
        Every rank receives the gradients of all shards, in place of `sum_in_order`.
    """
    speed, latency = NETWORKS[network]
    (one,) = (row for row in results["rows"] if (row["case"], row["ranks"], row["threads"]) == ("4 shards", 1, 1))
    seconds = shards / ranks * one["ms"] / 1e3 / SHARDS
    if ranks == 1:
        return seconds
    others = (ranks - 1) / ranks
    for weights in results["weights"].values():
        rows = shards if gather_all else shards / ranks + 1
        seconds += others * rows * 4 * weights / speed + (1 if gather_all else 2) * (ranks - 1) * latency
    short = len(results["weights"]) + 3  # exchanges of a few bytes: before each update, at the end (two), and to stop
    return seconds + 2 * short * math.ceil(math.log2(ranks)) * latency  # pickled: first the sizes, then the bytes


def predicted_table(results: dict[str, Any]) -> list[str]:
    """The lines of the table of what the model predicts for 64 shards."""
    lines = ["| processes | " + " | ".join(f"{name}{how}" for name in NETWORKS for how in (", all to all", "")) + " |"]
    lines.append("|---" * (1 + 2 * len(NETWORKS)) + "|")
    for ranks in (1, 4, 16, 64):
        cells = []
        for name in NETWORKS:
            for gather_all in (True, False):
                alone, seconds = (predicted(results, n, 64, name, gather_all) for n in (1, ranks))
                cells.append(f"{1e3 * seconds:.0f} ms, {alone / seconds:.1f} x")
        lines.append(f"| {ranks} | {' | '.join(cells)} |")
    return lines


def with_tables(page: str, results: dict[str, Any]) -> str:
    """The page with the tables of these results."""
    page = replace_table(page, "measured", measured_table(results))
    return replace_table(page, "predicted", predicted_table(results))


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only-tables", action="store_true", help="measure nothing")
    parser.add_argument("--worker", metavar="CASE", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker)
        return
    if not arguments.only_tables:
        RESULTS.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    print("\n".join([*measured_table(results), "", *predicted_table(results)]))


if __name__ == "__main__":
    main()
