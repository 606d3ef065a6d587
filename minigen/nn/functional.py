"""`minigen.functional` under PyTorch's path."""

import sys

from .. import functional
from ..functional import *  # noqa: F403 - for type checkers; at run time it is the same module

sys.modules[__name__] = functional
