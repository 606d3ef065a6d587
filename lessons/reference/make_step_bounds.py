"""Make the table of training steps in `speed_bounds.md` again: what the kernels of each step take, and what the rest takes.

    python lessons/reference/make_step_bounds.py

It measures the steps that `minigen bench step` times, without PyTorch, in about a minute.  Measure on an idle computer.
"""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

from minigen import kernels
from minigen._util.tables import Table, replace_table
from minigen.bench.bounds import measure_limits
from minigen.bench.networks import NETWORKS, our_networks
from minigen.bench.steps import STEPS, our_step

PAGE = Path(__file__).resolve().parent / "speed_bounds.md"
REPEATS = 40
#: Additions and multiplications of a call, from its two operands and its result.
OPERATIONS: dict[str, Callable[[Any, Any, Any], int]] = {
    "conv2d": lambda x, w, y: 2 * y.size * math.prod(w.shape[1:]),
    "conv2d_input_grad": lambda g, w, dx: 2 * g.size * math.prod(w.shape[1:]),
    "conv2d_weight_grad": lambda x, g, dw: 2 * g.size * math.prod(dw.shape[1:]),
    "matmul": lambda a, b, c: 2 * c.size * a.shape[-1],
    "matmul_bias": lambda a, b, c: 2 * c.size * a.shape[-1],
}
COLUMNS = ["step", "ms", "arithmetic at least, ms", "convolutions and products, ms", "other kernels, ms", "outside, ms"]


def measure(step: Callable[[], Any]) -> tuple[float, float, float, float]:
    """Return 10^9 operations, and the milliseconds of a step, of its convolutions and products, and of other kernels."""
    seconds, operations, find_member = Counter[bool](), 0, kernels._member

    def timed(set_name: str, name: str) -> Callable[..., Any]:
        kernel = find_member(set_name, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal operations
            start = perf_counter()
            result = kernel(*args, **kwargs)
            seconds[name in OPERATIONS] += perf_counter() - start
            if name in OPERATIONS:
                operations += OPERATIONS[name](*args[:2], result)
            return result

        return call

    rows = []
    with patch.object(kernels, "_member", timed):
        for _ in range(REPEATS):
            seconds.clear()
            operations, start = 0, perf_counter()
            step()
            rows.append((1e-9 * operations, perf_counter() - start, seconds[True], seconds[False]))
    gflop, *times = (median(column) for column in zip(*rows[REPEATS // 4 :]))
    return gflop, *(1e3 * time for time in times)


def main() -> None:
    """Measure, and write the table."""
    peak, rows = measure_limits().gflops, []
    for name in [*STEPS, *NETWORKS]:
        gflop, whole, heavy, light = measure(our_step(name) if name in STEPS else our_networks(name))
        numbers = whole, 1e3 * gflop / peak, heavy, light, whole - heavy - light
        rows.append([name, *(f"{number:.2f}" for number in numbers)])
        print(*rows[-1], flush=True)
    table = Table(COLUMNS, rows, "l" + "r" * 5)
    lines = [f"Matrix product {peak:.0f} GFLOP/s.", "", *table.markdown().splitlines()]
    text = replace_table(PAGE.read_text(encoding="utf-8"), "steps", lines)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
