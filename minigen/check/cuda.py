"""``minigen check --cuda``: the CUDA kernels' machine code against a budget, without a GPU."""

import html
import json
from collections.abc import Sequence

__all__ = ["check_machine_code"]

NOTE = "Compiled, not run: bounds from the machine code and from published peaks, no measurements."


def check_machine_code(ops: Sequence[str], ccs: Sequence[int], form: str = "text") -> tuple[str, bool]:
    """Compile the CUDA kernels for these GPUs, and compare them with what we allow.

    Parameters
    ----------
    ops : sequence of str
        Kernels of `minigen.kernels`; none is all.
    ccs : sequence of int
        Compute capabilities: 80 is 8.0.
    form : {"text", "json", "html"}

    Returns
    -------
    text : str
        The report.
    right : bool
        Whether every kernel keeps to the budget: no spills and no double precision; in the hot loop of a convolution no
        calls and at least 8 multiply-adds to a load from shared memory; 128-bit loads; occupancy of a quarter or more.

    Raises
    ------
    ValueError
        If there is no such kernel or GPU.
    ImportError
        If numba-cuda or one of NVIDIA's compilers is missing.
    """
    from ..kernels import static_report

    reason = static_report.why_not()
    if reason:
        raise ImportError(reason)
    rows = static_report.report(ops, ccs)
    right = not any(row.over_budget() for row in rows)
    if form == "json":
        return json.dumps([row.as_dict() for row in rows], indent=1), right
    text = f"{static_report.table(rows)}\n\n{NOTE}\n{'All within budget.' if right else 'OVER BUDGET, see above.'}"
    return (f"<pre>{html.escape(text)}</pre>" if form == "html" else text), right
