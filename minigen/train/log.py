"""The log of a run: a CSV file with one row a step, for spreadsheets and `minigen.plot.loss_curves`."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._util.atomic_write import replace_file

__all__ = ["CsvLog"]


class CsvLog:
    """Append rows to a CSV file; the first row written decides the columns.

    Parameters
    ----------
    path : Path
    keep : int
        Rows of an older log are kept up to this step and the others dropped: a resumed run writes them again.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for keep in (0, 1):  # the second log goes on from step 1
    ...         with CsvLog(Path(folder, "log.csv"), keep) as log:
    ...             log.write({"step": keep + 1, "loss": 0.5})
    ...             log.write({"step": keep + 2, "loss": 0.25})
    ...     print(Path(folder, "log.csv").read_text())
    step,loss
    1,0.5
    2,0.5
    3,0.25
    <BLANKLINE>
    """

    def __init__(self, path: Path, keep: int = 0):
        kept = _rows_up_to(path, keep) if keep else ""
        replace_file(path, kept.encode())
        self._has_header = bool(kept)
        self._file = path.open("a", encoding="utf-8", newline="")

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; its key ``step`` comes first."""
        writer = csv.DictWriter(self._file, row, lineterminator="\n")
        if not self._has_header:
            writer.writeheader()
            self._has_header = True
        writer.writerow(row)

    def sync(self) -> None:
        """Force the rows to the disk, so that a checkpoint never knows of steps that the log does not."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> "CsvLog":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def _rows_up_to(path: Path, step: int) -> str:
    """The header and the whole rows of steps up to `step`; a row that a crash cut off has no end of line."""
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [line for line in lines[1:] if line.endswith("\n") and int(line.partition(",")[0]) <= step]
    return "".join(lines[:1] + rows)
