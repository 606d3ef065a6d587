"""The command ``minigen bench``."""

import argparse
import importlib.util
from collections.abc import Sequence
from pathlib import Path

from .. import kernels
from .._util.atomic_write import replace_file
from ..bench.bounds import measure_limits
from ..bench.kernels import Layer
from ..bench.machine import describe
from ..bench.regret import draw_layers
from ..bench.report import Row, as_csv, as_markdown, as_table, plot_ratios, plot_roofline, summary

__all__ = ["add_arguments", "run"]

DEFAULT = ("conv", "step", "other", "image", "recurrent", "process")
WHAT = (*DEFAULT, "drawn", "regret", "bounds")
ALONE = ("regret", "bounds")
"""What is not compared with PyTorch."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    parser.description = "Time kernels and training steps here, taking turns with PyTorch where it is installed."
    parser.add_argument(
        "what",
        nargs="*",
        metavar="WHAT",
        help=f"what to time: {', '.join(DEFAULT)}, all by default; "
        "or drawn: convolutions drawn at random; "
        "or regret: of convolutions drawn at random, the chosen method against the best method; "
        "or bounds: what limits the time of each convolution",
    )
    parser.add_argument("--precision", choices=("default", "fast", "direct"), default="default",
                        help="how much accuracy convolutions may trade for speed (default: %(default)s)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=11, help="turns that each takes (default: %(default)s)")
    parser.add_argument("--layers", type=int, default=40,
                        help="convolutions to draw for drawn and regret (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="which convolutions are drawn (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=None, help="for both (default: all cores)")
    parser.add_argument("--alone", action="store_true", help="do not compare with PyTorch")
    parser.add_argument("--kernel", metavar="MODULE:FUNCTION", help="check and time a conv2d of your own instead")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu",
        help="cuda: time training steps, also by a CUDA graph, and convolutions on the GPU of this computer, beside "
        "PyTorch's there; writes gpu.md and gpu.json (default: %(default)s)",
    )  # fmt: skip
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
    if args.layers < 1:
        raise ValueError(f"bench: --layers: got {args.layers}, expected 1 or more")
    if args.device == "cuda":
        return _measure_gpu(args)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.kernel:
        from ..bench.own_kernel import own_kernel_rows

        rows = list(own_kernel_rows(args.kernel, args.rounds))
        print(f"kernel\n{as_table(rows)}\n")
        as_csv(args.out / "kernel.csv", rows)
        return 0
    against = not args.alone and importlib.util.find_spec("torch") is not None
    if not against and not args.alone:
        print(
            'PyTorch is not installed, so there is nothing to compare with: python -m pip install "minigen-lab[bench]"'
        )
    threads = _set_threads(args.threads)
    facts = describe(threads, args.precision)
    print("\n".join(f"{name:10} {value}" for name, value in facts.items()) + "\n")
    rows, drawn = [], draw_layers(args.layers, args.seed) if "drawn" in args.what else []
    if not args.what or set(args.what) - set(ALONE):
        rows += _measure(args.what or DEFAULT, args.rounds, threads, args.precision, against, drawn)
    if "regret" in args.what:
        rows += _measure_regret(draw_layers(args.layers, args.seed), args.rounds, args.precision)
    if "bounds" in args.what:
        _measure_bounds(args.out / "bounds.md", args.rounds, drawn)
    if not rows:
        return 0
    as_csv(args.out / "bench.csv", rows)
    as_markdown(args.out / "bench.md", facts, rows)
    limits = measure_limits()
    print(f"matrix product {limits.gflops:.0f} GFLOP/s, copy {limits.far:.0f} GB/s")
    if any(row.gflop for row in rows):
        plot_roofline(args.out / "roofline.png", rows, limits.gflops, limits.far)
    if any(row.beside_pytorch for row in rows):
        plot_ratios(args.out / "ratios.png", rows)
    print(f"wrote {args.out / 'bench.csv'}, a page and pictures beside it")
    return 0


def _measure_gpu(args: argparse.Namespace) -> int:
    """Measure on the GPU, and write the report; 1 if something failed."""
    from ..bench.gpu import checks
    from ..check.gpu import run_sections, why_not

    if args.what or args.kernel:
        given = args.kernel or " ".join(args.what)
        raise ValueError(f"bench: --device cuda times training steps and convolutions; leave out {given}")
    if reason := why_not():
        raise ValueError(f"--device cuda: {reason}")
    args.out.mkdir(parents=True, exist_ok=True)
    rows = run_sections(args.out / "gpu.md", {"speed": checks()})
    bad = [row for row in rows if row.status != "pass"]
    print(f"{len(rows) - len(bad)} of {len(rows)} measured; wrote {args.out / 'gpu.md'} and {args.out / 'gpu.json'}")
    return 1 if bad else 0


def _measure(
    what: Sequence[str], rounds: int, threads: int, precision: str, against: bool, drawn: Sequence[Layer]
) -> list[Row]:
    """Measure and print a table for each kind of work."""
    from ..bench.process import process_rows
    from ..bench.sweeps import DRAWN_LAYERS, MODEL_LAYERS, OTHER_KINDS, WORK, measure

    rows: list[Row] = []
    words = [word for word in WORK if word in what]
    for title, found in measure(words, rounds, threads, precision, against, drawn).items():
        print(f"{title}\n{as_table(found)}\n")
        if against and title in (MODEL_LAYERS, OTHER_KINDS, DRAWN_LAYERS):
            print(f"{summary([row.ratio for row in found])}\n")
        rows += found
    if "process" in what:
        found = list(process_rows(against))
        print(f"fresh processes\n{as_table(found)}\n")
        rows += found
    return rows


def _measure_regret(layers: Sequence[Layer], rounds: int, precision: str) -> list[Row]:
    """Measure how good the choice between methods is, and print the table."""
    from ..bench.regret import regret_summary, time_regret

    rows = list(time_regret(layers, rounds, precision))
    print(f"chosen method against the best method\n{as_table(rows)}\n{regret_summary(rows)}\n")
    return rows


def _measure_bounds(page: Path, rounds: int, drawn: Sequence[Layer]) -> None:
    """Measure what limits each convolution, and those drawn, print the table, and write it."""
    from ..bench.bounds import bounds_table, measure_bounds
    from ..bench.kernels import LAYERS, OTHER_LAYERS

    limits = measure_limits()
    layers = [layer for layer in LAYERS if not layer.transposed] + OTHER_LAYERS + list(drawn)
    table = bounds_table(list(measure_bounds(layers, rounds)), limits)
    line = (
        f"matrix product {limits.gflops:.0f} GFLOP/s; copy of 2 MB {limits.near:.0f} GB/s, of 128 MB {limits.far:.0f}"
    )
    replace_file(page, f"{line}\n\n{table.markdown()}\n".encode())
    print(f"what bounds each convolution\n{table.text()}\n{line}\nwrote {page}")


def _set_threads(wanted: int | None) -> int:
    kernels.set_num_threads(wanted or kernels.get_num_threads())
    return int(kernels.get_num_threads())
