"""Types of the command line's flags, whose mistakes are said by argparse."""

import argparse
import math
from collections.abc import Callable

__all__ = ["above_zero", "at_least"]


def at_least(least: int) -> Callable[[str], int]:
    """The type of a flag that takes whole numbers from `least` on.

    >>> at_least(1)("12")
    12
    >>> at_least(1)("0")
    Traceback (most recent call last):
        ...
    argparse.ArgumentTypeError: expected a whole number of at least 1, got '0'
    """

    def whole_number(text: str) -> int:
        if not text.removeprefix("-").isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return int(text)

    return whole_number


def above_zero(text: str, what: str = "a number") -> float:
    """The type of a flag that takes numbers above 0; `what` is for the message.

    >>> above_zero("1.5")
    1.5
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected {what} above 0, got {text!r}")
    return number
