"""The command ``minigen bench``."""

import argparse
import contextlib
import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .. import kernels
from ..bench.apart import Apart
from ..bench.report import Row, as_csv, as_table, geometric_mean, plot_ratios, plot_roofline
from ..bench.timing import race

__all__ = ["add_arguments", "run"]

WHAT = ("conv", "step", "other", "process")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.description = "Time kernels and training steps here, taking turns with PyTorch where it is installed."
    parser.add_argument("what", nargs="*", metavar="WHAT", help=f"what to time: {', '.join(WHAT)}; all by default")
    parser.add_argument("--precision", choices=("default", "fast", "direct"), default="default",
                        help="how much accuracy convolutions may trade for speed (default: %(default)s)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=11, help="turns that each takes (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=None, help="for both (default: all cores)")
    parser.add_argument("--alone", action="store_true", help="do not compare with PyTorch")
    parser.add_argument("--kernel", metavar="MODULE:FUNCTION", help="check and time a conv2d of your own instead")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder for CSV and pictures (default: bench)")


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, write the files.

    Raises
    ------
    ValueError
        If something unknown is asked for.
    """
    unknown = set(args.what) - set(WHAT)
    if unknown or args.rounds < 1:
        raise ValueError(
            f"bench: expected {', '.join(WHAT)} and at least 1 round, got {' '.join(args.what)} and {args.rounds}"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    if args.kernel:
        from ..bench.custom import custom_rows

        rows = _shown("kernel", custom_rows(args.kernel, args.rounds))
        as_csv(args.out / "kernel.csv", rows)
        return 0
    against = not args.alone and importlib.util.find_spec("torch") is not None
    if not against and not args.alone:
        print(
            'PyTorch is not installed, so there is nothing to compare with: python -m pip install "minigen-lab[bench]"'
        )
    threads = _set_threads(args.threads)
    from ..kernels import precision

    with precision(args.precision), Apart(threads) if against else contextlib.nullcontext() as apart:
        rows = _measure(args.what or WHAT, args.rounds, apart)
    as_csv(args.out / "bench.csv", rows)
    peak, bandwidth = machine_limits()
    print(f"matrix product {peak:.0f} GFLOP/s, copy {bandwidth:.0f} GB/s")
    if any(row.gflop for row in rows):
        plot_roofline(args.out / "roofline.png", rows, peak, bandwidth)
    if any(math.isfinite(row.ratio) for row in rows):
        plot_ratios(args.out / "ratios.png", rows)
    print(f"wrote {args.out / 'bench.csv'} and pictures beside it")
    return 0


def _measure(what: list[str] | tuple[str, ...], rounds: int, apart: Apart | None) -> list[Row]:
    from ..bench.kernels import LAYERS, UNTUNED, layer_rows, other_rows
    from ..bench.process import process_rows
    from ..bench.steps import step_rows

    rows: list[Row] = []
    if "conv" in what:
        conv = _shown("convolutions", layer_rows(LAYERS, rounds, apart))
        if apart:
            mean = geometric_mean([row.ratio for row in conv])
            print(f"geometric mean of the ratios {mean:.2f}, worst {max(row.ratio for row in conv):.2f}\n")
        rows += conv
        rows += _shown("layers that nobody tuned for", layer_rows(UNTUNED, rounds, apart))
    if "other" in what:
        rows += _shown("batch norm, activation, optimizer", other_rows(rounds, apart))
    if "step" in what:
        rows += _shown("training steps", step_rows(rounds, apart))
    if "process" in what:
        rows += _shown("fresh processes", process_rows(apart is not None))
    return rows


def _shown(title: str, rows: Iterator[Row]) -> list[Row]:
    """Collect rows, telling the impatient on stderr how far it is; then print them."""
    found = []
    for row in rows:
        found.append(row)
        print(f"\r{title}: {len(found)} done", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 60, end="\r", file=sys.stderr)
    print(f"{title}\n{as_table(found)}\n", flush=True)
    return found


def _set_threads(wanted: int | None) -> int:
    kernels.set_num_threads(wanted or kernels.get_num_threads())
    threads = kernels.get_num_threads()
    print(f"{threads} threads, kernel sets {', '.join(kernels.available())}\n")
    return threads


def machine_limits() -> tuple[float, float]:
    """What this machine does at best: GFLOP/s of a large matrix product, GB/s of a large copy, in float32."""
    a = np.ones((2048, 2048), np.float32)
    big, other = np.ones(1 << 25, np.float32), np.empty(1 << 25, np.float32)
    result = race({"product": lambda: a @ a, "copy": lambda: np.copyto(other, big)}, rounds=5)
    return 2e-9 * 2048**3 / min(result.seconds["product"]), 2 * big.nbytes / 1e9 / min(result.seconds["copy"])
