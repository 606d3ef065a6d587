"""minigen: image generation from scratch.

>>> import minigen as mg
>>> x = mg.tensor([1.0, 2.0], requires_grad=True)
>>> loss = (x ** 2).sum()
>>> loss.backward()
>>> x.grad
tensor([2., 4.])
"""

import importlib
from typing import Any

from . import backend, engine, functional, kernels, nn, ops, optim
from .backend import get_rng_state, manual_seed, set_rng_state
from .creation import arange, full, linspace, ones, rand, randint, randn, randperm, zeros
from .engine import enable_grad, grad, is_grad_enabled, no_grad
from .ops import clamp, pow
from .ops.elementwise import (
    abs,
    add,
    clone,
    cos,
    div,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    minimum,
    mul,
    neg,
    ones_like,
    relu,
    sigmoid,
    sin,
    sqrt,
    square,
    sub,
    tanh,
    where,
    zeros_like,
)
from .ops.linalg import matmul
from .ops.reduce import amax, amin, argmax, argmin, logsumexp, max, mean, min, std, sum, var
from .ops.shape import (
    cat,
    expand,
    flatten,
    flip,
    permute,
    reshape,
    squeeze,
    stack,
    take_along_dim,
    transpose,
    unsqueeze,
)
from .ops.softmax import log_softmax, softmax
from .tensor import Tensor, from_dlpack, tensor

__version__ = "0.1.0"

_LAZY = (
    "bench",
    "check",
    "cli",
    "course",
    "data",
    "lessons",
    "losses",
    "metrics",
    "models",
    "plot",
    "train",
    "visualize",
)

__all__ = [
    "Tensor", "abs", "add", "amax", "amin", "arange", "argmax", "argmin", "backend", "cat", "clamp", "clone", "cos",
    "div", "enable_grad", "engine", "exp", "expand", "expm1", "flatten", "flip", "from_dlpack", "full", "functional",
    "get_rng_state", "grad", "is_grad_enabled", "kernels", "linspace", "log", "log1p", "log_softmax", "logsumexp",
    "manual_seed", "matmul", "max", "maximum", "mean", "min", "minimum", "mul", "neg", "nn", "no_grad", "ones",
    "ones_like", "ops", "optim", "permute", "pow", "rand", "randint", "randn", "randperm", "relu", "reshape",
    "set_rng_state", "sigmoid", "sin", "softmax", "sqrt", "square", "squeeze", "stack", "std", "sub", "sum",
    "take_along_dim", "tanh", "tensor", "transpose", "unsqueeze", "var", "where", "zeros", "zeros_like",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load the upper floors on first use: they bring libraries that the engine does without."""
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
