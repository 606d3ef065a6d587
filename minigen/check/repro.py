"""The smallest program that shows what is wrong, for someone who has only his own fn and vjp."""

import numpy as np

from .differences import Array
from .op_registry import Case, Entry
from .report import Finding

__all__ = ["repro"]

SHORT = ("float32", "float16", "bfloat16")
"""Types that must be written beside the numbers."""


def repro(entry: Entry, case: Case, finding: Finding) -> str:
    """A program that shows the finding.

    Parameters
    ----------
    entry : Entry
    case : Case
        Where it showed.
    finding : Finding

    Returns
    -------
    str
        Python source, to be pasted after the definitions of ``fn`` and ``vjp``.
    """
    names = entry.inputs[: len(case.inputs)]
    lines = ["", "# paste this after your fn and vjp", "import numpy as np"]
    rounded = next((str(x.dtype) for x in case.inputs if str(x.dtype) in SHORT), "")
    lines += ["import ml_dtypes  # the dtype bfloat16", ""] if rounded == "bfloat16" else [""]
    lines += [f"{name} = {_literal(x)}" for name, x in zip(names, case.inputs)]
    lines.append(f"params = {case.params!r}")
    call = ", ".join(names)
    if finding.order == 0 or finding.cotangent is None:
        lines.append(f"print(fn({call}, **params))")
        lines.append(f"print(vjp(np.ones_like(fn({call}, **params)), {call}, **params))")
        return "\n".join(lines)
    g = finding.cotangent
    lines.append(f"g = {_literal(g)}")
    if finding.order == 1 and finding.index is not None:
        position = [entry.inputs[i] for i in entry.differentiable].index(finding.argument)
        single = len([i for i in entry.differentiable if i < len(case.inputs)]) == 1
        index = ", ".join(map(str, finding.index)) or "()"
        said = f"d = vjp(g, {call}, **params)" + ("" if single else f"[{position}]")
        shown = f'print("claimed ", np.asarray(d).reshape({finding.argument}.shape)[{index}])'
        if rounded:
            return "\n".join([*lines, "", said, shown, f'print("float64 ", {finding.measured!r})'])
        lines += [
            "",
            "def moved(h):",
            f"    x = {finding.argument}.copy()",
            f"    x[{index}] += h",
            f"    return np.sum(g * fn({', '.join('x' if n == finding.argument else n for n in names)}, **params))",
            "",
            said,
            shown,
            'print("measured", (moved(1e-5) - moved(-1e-5)) / 2e-5)',
        ]
    return "\n".join(lines)


def _literal(x: Array) -> str:
    """The array as NumPy source, its arrangement in memory included."""
    if x.size == 0:
        return f"np.zeros({x.shape})"
    if x.flags.c_contiguous or x.ndim == 0:
        return _values(x)
    if x.flags.f_contiguous:
        return f"np.asfortranarray({_values(x)})"
    if 0 in x.strides:
        one = x[tuple(slice(0, 1) if st == 0 else slice(None) for st in x.strides)]
        return f"np.broadcast_to({_values(one)}, {x.shape})"
    if x.strides[-1] < 0:
        return f"{_values(x[..., ::-1])}[..., ::-1]"
    return f"np.repeat({_values(x)}, 2, -1)[..., ::2]"


def _values(x: Array) -> str:
    kind = f', "{x.dtype}"' if str(x.dtype) in SHORT else ""
    x = x.astype(np.float32) if str(x.dtype) == "bfloat16" else x
    text = np.array2string(np.asarray(x), separator=", ", threshold=100_000, floatmode="unique", max_line_width=110)
    return f"np.array({text}{kind})" if "\n" not in text else f"np.array(\n{text}{kind})"
