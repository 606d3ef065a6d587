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
        Kernels of `minigen.kernels`; none is all (in markdown: the convolutions).
    ccs : sequence of int
        Compute capabilities: 80 is 8.0.
    form : {"text", "json", "html", "markdown"}
        Markdown is a separate table: convolutions at the layers of DCGANs, `minigen.kernels.static_report.LAYERS`.

    Returns
    -------
    text : str
        The report.
    right : bool
        Whether every kernel keeps to the budget: no spills and no double precision; in the hot loop of a convolution no
        calls and at least 8 multiply-adds to a load of 128 bits from shared memory; occupancy of a quarter or more.

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
    if form == "markdown":
        return _layers(ops, ccs)
    rows = static_report.report(ops, ccs)
    right = not any(row.over_budget() for row in rows)
    if form == "json":
        return json.dumps([row.as_dict() for row in rows], indent=1), right
    text = f"{static_report.table(rows)}\n\n{NOTE}\n{'All within budget.' if right else 'OVER BUDGET, see above.'}"
    return (f"<pre>{html.escape(text)}</pre>" if form == "html" else text), right


def _layers(ops: Sequence[str], ccs: Sequence[int]) -> tuple[str, bool]:
    from ..kernels import static_report
    from ..kernels.shapes import CONVOLUTIONS

    if unknown := sorted(set(ops) - set(CONVOLUTIONS)):
        raise ValueError(f"markdown: no table of {', '.join(unknown)}; expected some of {', '.join(CONVOLUTIONS)}")
    rows = [
        static_report.analyse_product(op, layer, cc)
        for op in ops or CONVOLUTIONS
        for layer in static_report.LAYERS
        for cc in ccs
    ]
    misses = [f"- {row.op}, {row.layer}, sm_{row.cc}: {fault}" for row in rows for fault in row.over_budget()]
    verdict = ["Over budget:", "", *misses] if misses else ["All within budget."]
    return "\n".join([static_report.markdown(rows), NOTE, *verdict]), not misses
