"""Ask a long command to stop: Ctrl-C, SIGTERM or SIGHUP set a flag, which it reads where it may stop."""

import contextlib
import signal
import sys
import threading
from types import FrameType
from typing import Any

__all__ = ["StopRequest"]


class StopRequest:
    """While active, the first Ctrl-C, SIGTERM or SIGHUP makes it true; the second has its usual effect.

    Parameters
    ----------
    message : str
        To print when the signal comes; empty for none.

    Attributes
    ----------
    name : str
        That of the signal; empty before.

    Examples
    --------
    >>> with StopRequest("stopping") as stop:
    ...     bool(stop)
    False
    """

    # SIGHUP comes when the terminal is closed; Windows has none.
    SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

    def __init__(self, message: str) -> None:
        self.name = ""
        self._message = message
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return bool(self.name)

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python delivers signals there only
            for number in self.SIGNALS:
                if signal.getsignal(number) is signal.SIG_IGN and number != signal.SIGINT:
                    continue  # started by nohup
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.name = signal.Signals(number).name
        # The signal may have come during another line (RuntimeError), or because the terminal is gone (OSError).
        with contextlib.suppress(RuntimeError, OSError):
            if self._message:
                print(self._message, file=sys.stderr)
        for number, handler in self._before.items():
            signal.signal(number, handler)
