"""A lock on the folder of a run: one process at a time writes there.

The operating system holds the lock and gives it back when its owner ends, in whatever way.  The file also says who the
owner is.  A file that is there and not locked was left by a process that was killed: its lock is taken over.
"""

import contextlib
import errno
import json
import os
import socket
import sys
import time
from pathlib import Path

from .errors import RunError

__all__ = ["RunLock"]

_LOCKED_BYTE = 1 << 30  # Windows locks bytes against reading too: one far behind the text


class RunLock:
    """The lock of one run, for use in a ``with`` block; blocks of the same object may be nested.

    Parameters
    ----------
    folder : Path
        The folder of the run.

    Raises
    ------
    RunError
        On entry, if another process, or another `RunLock` of this one, has the lock.
    OSError
        On entry, if the folder is missing or cannot be written to.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with RunLock(Path(folder)):
    ...         print(os.listdir(folder))
    ...     print(os.listdir(folder))
    ['.lock']
    []
    """

    def __init__(self, folder: Path):
        self._folder, self._path = folder, folder / ".lock"
        self._file: int | None = None
        self._depth = 0

    def __enter__(self) -> "RunLock":
        if self._depth == 0:
            self._acquire()
        self._depth += 1
        return self

    def __exit__(self, *exception: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._release()

    def _acquire(self) -> None:
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                owner = os.pread(file, 1000, 0) if hasattr(os, "pread") else os.read(file, 1000)
                if not _try_lock(file):
                    raise RunError(
                        f"the run {self._folder} is in use by {_describe(owner)}: wait until it ends, stop it, "
                        "or give another --run NAME"
                    )
                if not _is_at(file, self._path):  # deleted by its owner after we opened it
                    os.close(file)
                    continue
                if owner:
                    print(f"note: took over the run {self._folder} from {_describe(owner)}, which was killed",
                          file=sys.stderr)  # fmt: skip
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
                os.write(file, _owner().encode())
            except BaseException:
                os.close(file)
                raise
            self._file = file
            return

    def _release(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError):  # Windows cannot delete an open file; elsewhere the order matters
            self._path.unlink()
        os.close(file)
        if sys.platform in ("win32", "emscripten"):  # the files of JupyterLite: closing writes it again
            with contextlib.suppress(OSError):
                self._path.unlink()


def _try_lock(file: int) -> bool:
    """Lock an open file if it is free; also True where the file system or the platform has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, AttributeError):  # JupyterLite has a module fcntl without functions
        return True
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _owner() -> str:
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")})


def _describe(owner: bytes) -> str:
    """The owner in words.

    >>> _describe(b'{"pid": 7, "host": "atlas", "since": "2024-01-01 10:00:00"}'), _describe(b"")
    ('process 7 on atlas, since 2024-01-01 10:00:00', 'another process')
    """
    try:
        known = json.loads(owner)
        return f"process {known['pid']} on {known['host']}, since {known['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
