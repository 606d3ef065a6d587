"""Does everything work on the GPU of this computer?  ``minigen check --gpu`` asks, and writes a report to send back.

The CUDA kernels were written without a GPU: compiled, emulated, their machine code read.  What that cannot show, this
does, on a GPU: `parity` (every kernel against the reference), `gradients`, `training` (a short one, beside the CPU's;
and steps by a CUDA graph), and `speed` (convolutions beside cuBLAS, PyTorch and the prediction).  What fails is listed,
and the rest goes on.
"""

import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from ...backend import why_no_gpu
from ...kernels import load
from ...kernels.shapes import Convolution
from ...kernels.static_report.layers import LAYERS
from . import gradients, parity, speed, training
from .machine import facts
from .report import write
from .result import Check, Outcome, Row

__all__ = ["accept", "run_sections", "why_not"]


def why_not() -> str:
    """What is missing here, in one line; empty where there is a GPU and all that the kernels need."""
    reason = why_no_gpu()
    if not reason:
        try:
            load("cuda")
        except ImportError as error:
            return str(error)
    return reason


def accept(
    output: Path,
    ops: Sequence[str] = (),
    examples: int = 10,
    layers: Sequence[Convolution] = LAYERS,
    game: training.Game = training.GAME,
) -> list[Row]:
    """Run every check on the GPU, and write what came of it.

    Parameters
    ----------
    output : Path
        The report: a page to read, and beside it with the suffix ``.json`` the same for a program.  Both are written
        after every section, so that a crash leaves what was found before.
    ops : sequence of str
        Only these kernels, and nothing else; none is everything.
    examples : int
        Shapes that each kernel is tried on.
    layers : sequence of Convolution
        The convolutions to time.
    game : Game
        The training.

    Returns
    -------
    list of Row
        One for each check.

    Raises
    ------
    RuntimeError
        If there is no GPU.
    ValueError
        If there is no such kernel.
    """
    if reason := why_not():
        raise RuntimeError(reason)
    sections: dict[str, Iterable[Check]] = {"kernels": parity.checks(ops, examples, () if ops else layers)}
    if not ops:
        sections |= {"gradients": gradients.checks(max(1, examples // 3)), "training": training.checks(game)}
        sections["speed"] = speed.checks(layers)
    return run_sections(output, sections)


def run_sections(output: Path, sections: Mapping[str, Iterable[Check]]) -> list[Row]:
    """Run the checks of each section, print a line for each, and write the report after every section; see `accept`."""
    found, about = [], facts()
    for section, checks in sections.items():
        for row in _attempts(section, checks):
            found.append(row)
            print(f"{row.status:7} {section}: {row.name}: {row.detail}", file=sys.stderr, flush=True)
        write(output, about, found)
    return found


def _attempts(section: str, checks: Iterable[Check]) -> Iterator[Row]:
    for name, check in checks:
        yield Row(section, name, *_attempt(check))


def _attempt(check: Callable[[], Outcome]) -> Outcome:
    try:
        return check()
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        what = " ".join(str(error).split())
        return Outcome("error", f"{type(error).__name__}: {what} ({Path(place.filename).name}, line {place.lineno})")
