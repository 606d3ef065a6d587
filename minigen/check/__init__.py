"""The gradient-correctness reference: checks that say *right*, *wrong* or *inconclusive*, and why.

============================== =====================================================================
to check                       use
============================== =====================================================================
a function on minigen Tensors  `gradcheck`
anybody's NumPy function       `check`; in a test `assert_right`
a whole autograd engine        `check_engine`
============================== =====================================================================

>>> import numpy as np
>>> check(np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), like="tanh").verdict
'right'
"""

from .check_engine import check_engine
from .check_function import assert_right, check
from .gradcheck import gradcheck
from .report import Finding, Report

__all__ = ["Finding", "Report", "assert_right", "check", "check_engine", "gradcheck"]
