"""The analyses for a reader: as text, and as the table of our pages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .gpus import GPUS, roofline
from .works import WORKS

if TYPE_CHECKING:
    from . import Analysis

__all__ = ["markdown", "table"]


def table(rows: Sequence["Analysis"]) -> str:
    """A line for each kernel and GPU, and what is over budget."""
    lines = []
    for op in dict.fromkeys(row.op for row in rows):
        lines.append(f"{op}: {WORKS[op].what}" if op in WORKS else op)
        lines.append(
            "    sm  kernel             regs spill  shared  occupancy      instr  hot loop: FFMA  LDS  LDS.128  calls"
        )
        for row in (row for row in rows if row.op == op):
            full = f"{row.occupancy.share:.0%} ({row.occupancy.limit})"
            numbers = (
                f"{row.hot['all']:8} {row.hot['FFMA']:5} {row.hot['LDS']:4} {row.hot['LDS.128']:8} {row.hot['CALL']:6}"
                if row.hot
                else "       -"
            )
            lines.append(
                f"    {row.cc:2}  {row.kernel:18} {row.code.registers:4} {row.code.spilled:5} {row.code.shared:7}  "
                f"{full:13} {row.counts['all']:6}  {numbers}"
            )
            lines += [f"        over budget: {fault}" for fault in row.over_budget()]
        main = max((row for row in rows if row.op == op), key=lambda row: row.flops)
        if main.moved:
            lines.append(f"    {main.kernel}: {main.flops / 1e9:.2f} Gflop, {main.intensity:.1f} flop a byte; at least")
            times = [(gpu.name, 1e6 * main.seconds(gpu), 1e6 * roofline(gpu, main.flops, main.moved)) for gpu in GPUS]
            lines += [f"        {name:9} {ours:7.0f} us ({peak:.0f} us at its peaks)" for name, ours, peak in times]
    return "\n".join(lines)


def markdown(rows: Sequence["Analysis"]) -> str:
    """A table of matrix products, as `analyse_product` gives them: a line for each, operation, layer and GPU."""
    head = ("sm", "blocks", "registers", "spilled", "shared", "occupancy", "FFMA / LDS", "GPU")
    times = ("predicted", "at its peaks")
    lines = []
    for op in dict.fromkeys(row.op for row in rows):
        lines += [
            f"**{op}**\n",
            f"| layer | {' | '.join((*head, *times))} |",
            "|---|" + "--:|" * (len(head) + len(times)),
        ]
        for row in (row for row in rows if row.op == op):
            code, hot = row.code, row.hot
            gpu = next((gpu for gpu in GPUS if gpu.cc == row.cc), None)
            cells = [
                row.cc,
                row.blocks,
                code.registers,
                code.spilled,
                f"{code.shared / 1024:.1f} KiB",
                f"{row.occupancy.share:.0%}",
                f"{hot['FFMA']} / {hot['LDS']} = {hot['FFMA'] / max(hot['LDS'], 1):.1f}",
                gpu.name if gpu else "-",
                f"{1e6 * row.seconds(gpu):.0f} us" if gpu else "-",
                f"{1e6 * roofline(gpu, row.layer.flops, row.layer.bytes):.0f} us" if gpu and row.layer else "-",
            ]
            lines.append(f"| {row.layer} | {' | '.join(map(str, cells))} |")
        lines.append("")
    return "\n".join(lines)
