"""Measurements: how long things take here, beside PyTorch where it is installed.

``minigen bench`` is the command.  Times on a shared or warm machine vary by tens of percent from minute to minute; the
ratio of two programs that take turns varies less.  So measurements alternate (`interleave`), on the same number of
threads, in several sweeps over all work, each in new processes, and the report gives the median of the ratios with its
quartiles.
"""

from .timing import Timings, interleave

__all__ = ["Timings", "interleave"]
