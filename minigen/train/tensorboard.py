"""Write what runs logged in TensorBoard's format, through the package tensorboardX.

The training itself writes CSV, which needs no package and no server.  This is for those who have TensorBoard open
already: it is written afterwards, and can be written again from the same files.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._util.optional import require
from ..plot.curves import CLOCKS
from .errors import RunError
from .log import read_log
from .run import Run

__all__ = ["export_run", "export_runs"]


def export_runs(runs: Mapping[str, Run], folder: Path) -> None:
    """Write each run to the sub-folder of its label; errors as `export_run`, before the first file."""
    require("tensorboardX")
    places = {label: folder / _file_name(label) for label in runs}
    for place in places.values():
        if any(place.glob("events.out.tfevents.*")):
            raise RunError(f"{place} holds events already, and TensorBoard would mix them: give another folder")
    for label, run in runs.items():
        export_run(run, places[label])


def export_run(run: Run, folder: Path) -> int:
    """Write the numbers, the samples and the config of a run as TensorBoard events.

    Parameters
    ----------
    run : Run
    folder : Path
        Made if it is missing.

    Returns
    -------
    int
        How many numbers were written.

    Raises
    ------
    ModuleNotFoundError
        If tensorboardX is not installed; the message names the extra that brings it.
    RunError
        If the log is missing or damaged, or the folder holds events.
    """
    writer_class = require("tensorboardX").SummaryWriter
    if any(folder.glob("events.out.tfevents.*")):
        raise RunError(f"{folder} holds events already, and TensorBoard would mix them: give another folder")
    log = read_log(run.log)
    measures = read_log(run.measures) if run.measures.is_file() else {}
    seconds = log.get("seconds", log["step"])
    start = run.log.stat().st_mtime - seconds[-1]
    count = 0
    with writer_class(str(folder), max_queue=1000) as writer:
        writer.add_text("config", f"```json\n{json.dumps(run.config, indent=2)}\n```", 0, walltime=start)
        for kind, table in (("train", log), ("epoch", measures)):
            for name in table:
                if name in CLOCKS:
                    continue
                for step, value in zip(table["step"], table[name]):
                    clock = start + float(np.interp(step, log["step"], seconds))
                    writer.add_scalar(f"{kind}/{name}", float(value), int(step), walltime=clock)
                    count += 1
        for step, picture in _pictures(run, log):
            clock = start + float(np.interp(step, log["step"], seconds))
            writer.add_image("samples", picture, step, walltime=clock, dataformats="HWC" if picture.ndim == 3 else "HW")
    return count


def _pictures(run: Run, log: Mapping[str, Any]) -> "list[tuple[int, np.ndarray]]":
    """The stored grids of samples, each with the last step of its epoch."""
    image = require("PIL.Image")
    found = []
    for epoch in run.sampled_epochs():
        before = log["step"][log["epoch"] <= epoch] if "epoch" in log else log["step"][:0]
        with image.open(run.samples(epoch)) as picture:
            pixels = np.asarray(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))
        found.append((int(before[-1]) if len(before) else 0, pixels))
    return found


def _file_name(label: str) -> str:
    """A label as one folder name: those of two runs in different folders are paths."""
    return label.strip("/\\").replace("\\", "/").replace("../", "").replace("/", "-") or "run"
