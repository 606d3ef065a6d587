"""The report: a page for a reader, and the same for a program."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..._util.atomic_write import replace_file
from ..._util.tables import Table
from .result import Row

__all__ = ["markdown", "write"]

_SPEED = {
    "ms": "ms",
    "ms of the CPU": "of the CPU",
    "ms by a graph": "by a graph",
    "GFLOP/s": "GFLOP/s",
    "ms predicted": "predicted",
    "ms at the GPU's peaks": "at its peaks",
    "ms of cuBLAS": "cuBLAS",
    "ms of PyTorch": "PyTorch",
}
_LEGEND = """\
Milliseconds.  *Of the CPU*: how long it is busy with starting the kernels; where that is nearly all of the time, the
GPU waits.  *By a graph*: a training step as a CUDA graph.  *Predicted*: at least, by the kernel's machine code; *at its
peaks*: at least for any kernel.  *cuBLAS*: a product of two matrices with as many operations.  *PyTorch*: the same
convolution by cuDNN, or the same training step, in float32 without TF32."""


def write(path: Path, facts: Mapping[str, Any], rows: Sequence[Row]) -> None:
    """Write the page to `path`, and the numbers beside it with the suffix ``.json``; each whole or not at all.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written to.
    """
    found = {"facts": dict(facts), "rows": [row._asdict() for row in rows]}
    replace_file(path.with_suffix(".json"), json.dumps(found, indent=1).encode())
    replace_file(path, markdown(facts, rows).encode())


def markdown(facts: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The page: the verdict and what failed first."""
    bad = [row for row in rows if row.status != "pass"]
    verdict = f"{len(bad)} of {len(rows)} checks failed." if bad else f"All {len(rows)} checks passed."
    lines = ["# minigen on a GPU", "", f"**{verdict}**", "", Table(["", ""], list(facts.items())).markdown()]
    if bad:
        lines += ["", "## What failed", "", *(f"- **{row.section}: {row.name}**: {row.detail}" for row in bad)]
    for section in dict.fromkeys(row.section for row in rows):
        mine = [row for row in rows if row.section == section]
        lines += ["", f"## {section.capitalize()}", ""]
        lines += [_LEGEND, "", _speed(mine)] if section == "speed" else [_results(mine)]
    return "\n".join(lines) + "\n"


def _results(rows: Sequence[Row]) -> str:
    return Table(["check", "result", ""], [[row.name, row.status, row.detail] for row in rows]).markdown()


def _speed(rows: Sequence[Row]) -> str:
    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.3g}" if value < 1000 else f"{value:.0f}"

    cells = [[row.name, *(cell(row.numbers.get(name)) for name in _SPEED)] for row in rows]
    return Table(["what", *_SPEED.values()], cells, "l" + "r" * len(_SPEED)).markdown()
