"""A function that can pause in the middle, at any depth of its calls."""

import contextvars
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Coroutine"]


class _Closed(BaseException):
    """Ends the thread of a function that will not be resumed."""


class Coroutine:
    """A function in another thread, which runs only while `resume` waits for it.

    A generator can pause only in its own body.  This function may call another one that pauses.  It sees the context
    variables of the thread that made it.

    Parameters
    ----------
    function : callable
        Called without arguments by the first `resume`.

    Attributes
    ----------
    result : object
        What the function returned, after it has ended.

    Examples
    --------
    >>> def helper():
    ...     print("between", coroutine.pause("first"))
    >>> def function():
    ...     helper()
    ...     return "result"
    >>> coroutine = Coroutine(function)
    >>> coroutine.resume(), coroutine.ended
    ('first', False)
    >>> coroutine.resume("two calls")
    between two calls
    >>> coroutine.ended, coroutine.result
    (True, 'result')
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._value: Any = None
        self._error: BaseException | None = None
        self._closed = False
        self._go, self._back = threading.Semaphore(0), threading.Semaphore(0)
        # A daemon: a function that never ends, as after a second Ctrl-C, does not keep the process alive.
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._run,), daemon=True)
        self.result: Any = None
        self.ended = False

    def resume(self, value: Any = None) -> Any:
        """Go on until the function pauses or ends.

        Parameters
        ----------
        value : object
            What `pause` returns inside.

        Returns
        -------
        object
            What the function gave to `pause`; None if it has ended.

        Raises
        ------
        BaseException
            What the function raises.
        """
        self._value = value
        if self._thread.ident is None:
            self._thread.start()
        self._go.release()
        self._back.acquire()
        if self._error is not None:
            raise self._error
        return self._value

    def pause(self, value: Any = None) -> Any:
        """Return `value` from `resume`, and wait for the next; to be called by the function, in its thread."""
        self._value = value
        self._back.release()
        self._wait()
        return self._value

    def close(self) -> None:
        """End a function that is paused; its ``finally`` blocks run."""
        if self._thread.is_alive():
            self._closed = True
            self._go.release()
            self._thread.join()

    def _wait(self) -> None:
        self._go.acquire()
        if self._closed:
            raise _Closed

    def _run(self) -> None:
        try:
            self._wait()
            self.result = self._function()
        except _Closed:
            pass
        except BaseException as error:
            self._error = error
        self.ended, self._value = True, None
        self._back.release()
