"""Print where the output may be gone: the terminal was closed, or the other end of a pipe."""

import contextlib
import errno
import os
import sys
from typing import TextIO

__all__ = ["is_closed_output", "print_line", "flush_output"]


def print_line(text: str, stream: TextIO | None = None) -> None:
    """Print a line on `stream`, by default the standard output; drop it if the stream is closed at its other end."""
    stream = sys.stdout if stream is None else stream
    try:
        print(text, file=stream, flush=True)
    except OSError as error:
        if not is_closed_output(error):
            raise
        _discard(stream)


def flush_output() -> None:
    """Write what waits in the buffers; without this Python itself would complain at its exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _discard(stream)


def is_closed_output(error: OSError) -> bool:
    """Whether the error is that of a write to a closed terminal (EIO) or pipe (EPIPE, on Windows EINVAL)."""
    return error.filename is None and error.errno in (errno.EIO, errno.EPIPE, errno.EINVAL)


def _discard(stream: TextIO) -> None:
    """Send what `stream` holds, and all that follows, to the null device."""
    with contextlib.suppress(OSError):  # a stream that is no file
        number = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, number)
        os.close(null)
