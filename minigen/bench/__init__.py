"""Measurements: how long things take here, beside PyTorch where it is installed.

``minigen bench`` is the command.  Times on a shared or warm machine wander by tens of percent from minute to minute;
ratios of two programs that take turns in one process do not.  So all that is compared here takes turns (`race`), on the
same number of threads, and what is reported is the median of the ratios, with its spread.
"""

from .timing import Race, race

__all__ = ["Race", "race"]
