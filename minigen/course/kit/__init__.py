"""The course kit: assignments that teach, grade and explain.

================================================= =====================================================
students use                                      `check`, and in a guide's notebook `load`, `pending`
tests are written with                            `test`, `close`, `single`, `fail`, `untouched`
tests call functions with                         `repeated`, `with_zeros`
known answers use                                 `right`, `wrong`, `FEW_DIGITS`
instructors use                                   ``minigen course build``, ``grade``, ``validate``
================================================= =====================================================

Its limits protect from accidents, not from attacks: a submission runs in a separate process, with limits on time and
memory, but with the rights of whoever runs it.  It is no sandbox.
"""

from .assignment import FEW_DIGITS, CourseError, right, wrong
from .check import check, load, pending
from .testing import close, fail, repeated, single, test, untouched, with_zeros

__all__ = [
    "FEW_DIGITS",
    "CourseError",
    "check",
    "close",
    "fail",
    "load",
    "pending",
    "repeated",
    "right",
    "single",
    "test",
    "untouched",
    "with_zeros",
    "wrong",
]
