"""The log of a run: a CSV file with one row a step, for spreadsheets and `minigen.plot.loss_curves`."""

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._util.atomic_write import replace_file
from .errors import RunError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CsvLog", "column", "read_log"]


class CsvLog:
    """Append rows to a CSV file; the first row written decides the columns.

    Parameters
    ----------
    path : Path
    keep : int
        Rows of an older log are kept up to this step and the others dropped: a resumed run writes them again.
    every_step : bool
        Whether there is a row for every step; otherwise for some, in order.

    Raises
    ------
    RunError
        If the older log was edited or cut, so that it does not hold the steps up to `keep`.

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

    def __init__(self, path: Path, keep: int = 0, every_step: bool = True):
        self._path = path
        kept = _rows_up_to(path, keep, every_step) if keep else []
        replace_file(path, _as_csv(kept).encode())
        self._columns = kept[0] if kept else None
        self._file = path.open("a", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; its key ``step`` comes first.

        Raises
        ------
        RunError
            If its columns are not those of the rows before.
        """
        if self._columns is None:
            self._columns = list(row)
            self._writer.writerow(self._columns)
        elif self._columns != list(row):
            raise RunError(
                f"{self._path}: line 1 names the columns {', '.join(self._columns)}, but this step gave "
                f"{', '.join(row)}; every step of a run must give the same"
            )
        self._writer.writerow(row.values())

    def sync(self) -> None:
        """Force the rows to the disk, so that a checkpoint never knows of steps that the log does not."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> "CsvLog":
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


def column(path: Path, name: str, step: int) -> list[float]:
    """Read one column of a log that has rows for some steps, up to `step`.

    Raises
    ------
    RunError
        If the log was edited or has no such column.
    """
    header, *rows = _rows_up_to(path, step, every_step=False) or [[name]]
    if name not in header:
        raise RunError(f"{path}: line 1 has no column {name}, which early stopping needs")
    return [float(row[header.index(name)]) for row in rows]


def read_log(path: Path) -> dict[str, "NDArray[np.float64]"]:
    """Read all columns of a log, or of the measures of a run, by name.

    A last line that is not complete is left out: the run may be training.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    RunError
        If the file is not a log, or has no complete row.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "log.csv")
    ...     size = file.write_text("step,loss\\n1,0.5\\n2,0.25\\n3,0.")
    ...     read_log(file)
    {'step': array([1., 2.]), 'loss': array([0.5 , 0.25])}
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    header, *rows = _rows_up_to(path, 2**62, every_step=False) or [[]]
    if not rows:
        raise RunError(f"{path}: expected a header and at least one row, got none")
    return {name: np.array([float(row[i]) for row in rows]) for i, name in enumerate(header)}


def _as_csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _rows_up_to(path: Path, step: int, every_step: bool) -> list[list[str]]:
    """The header and the rows of steps up to `step`; empty if there is no such row.

    Blank lines are left out, and so is a last line without its end, which a crash cut off.
    """
    if not path.is_file():
        return []

    def damaged(line: int, what: str) -> RunError:
        return RunError(f"{path}: line {line}: {what}; put it right, or delete the file to begin a new log")

    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(data[: error.start].count(b"\n") + 1, "not UTF-8 text") from None
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        rows = [(reader.line_num, row) for row in reader if row]
        rows = rows if text.endswith(("\n", "\r")) else rows[:-1]
    except csv.Error as error:
        raise damaged(reader.line_num, str(error)) from None
    if not rows:
        return []
    line, header = rows[0]
    if header[0] != "step":
        raise damaged(line, f"the first column is {header[0]!r}, expected 'step'")
    kept: list[list[str]] = []
    for line, row in rows[1:]:
        if kept and int(kept[-1][0]) == step:
            break
        number = int(row[0]) if row[0].isascii() and row[0].isdigit() and len(row[0]) < 19 else None
        if number is None:
            raise damaged(line, f"column 'step' holds {row[0]!r}, expected a whole number")
        if number > step:
            break
        before = int(kept[-1][0]) if kept else 0
        if every_step and kept and number != before + 1:
            raise damaged(line, f"column 'step' holds {number}, expected {before + 1}")
        if number <= before:
            raise damaged(line, f"column 'step' holds {number}, expected more than {before}")
        if len(row) != len(header):
            raise damaged(line, f"{len(row)} cells, expected {len(header)}: {', '.join(header)}")
        for name, cell in zip(header, row):
            if not _is_number(cell):
                raise damaged(line, f"column {name!r} holds {cell!r}, expected a number")
        kept.append(row)
    if every_step and kept and int(kept[-1][0]) != step:
        raise damaged(rows[-1][0], f"column 'step' ends at {kept[-1][0]}, but the checkpoint is of step {step}")
    return [header, *kept] if kept else []


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii()
