"""minigen: image generation from scratch.

>>> import minigen as mg
>>> x = mg.tensor([1.0, 2.0], requires_grad=True)
>>> loss = (x ** 2).sum()
>>> loss.backward()
>>> x.grad
tensor([2., 4.])
"""

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from . import backend, engine, functional, hints, kernels, nn, ops, optim
from .backend import get_rng_state, manual_seed, set_rng_state
from .creation import (
    arange,
    bernoulli,
    eye,
    full,
    full_like,
    linspace,
    multinomial,
    ones,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    zeros,
)
from .engine import enable_grad, grad, is_grad_enabled, no_grad
from .ops import clamp, pow
from .ops.compare import all, allclose, any, equal, isfinite, isnan
from .ops.cumulative import cumsum, prod
from .ops.einsum import einsum
from .ops.elementwise import (
    abs,
    add,
    clone,
    cos,
    div,
    erf,
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
from .ops.linalg import bmm, matmul, mm, norm
from .ops.reduce import amax, amin, argmax, argmin, logsumexp, max, mean, min, std, sum, var
from .ops.shape import (
    cat,
    chunk,
    expand,
    flatten,
    flip,
    gather,
    masked_fill,
    permute,
    repeat,
    reshape,
    split,
    squeeze,
    stack,
    t,
    take_along_dim,
    transpose,
    tril,
    triu,
    unbind,
    unsqueeze,
)
from .ops.softmax import log_softmax, softmax
from .tensor import DType, Tensor, as_tensor, from_dlpack, tensor

if TYPE_CHECKING:
    from . import (
        audio as audio,
    )
    from . import (
        augment as augment,
    )
    from . import (
        bench as bench,
    )
    from . import (
        check as check,
    )
    from . import (
        cli as cli,
    )
    from . import (
        compress as compress,
    )
    from . import (
        course as course,
    )
    from . import (
        data as data,
    )
    from . import (
        lessons as lessons,
    )
    from . import (
        losses as losses,
    )
    from . import (
        metrics as metrics,
    )
    from . import (
        models as models,
    )
    from . import (
        plot as plot,
    )
    from . import (
        train as train,
    )
    from . import (
        visualize as visualize,
    )

__version__ = "0.1.0"

float32: DType = np.dtype(np.float32)
float64: DType = np.dtype(np.float64)
int32: DType = np.dtype(np.int32)
int64: DType = np.dtype(np.int64)
uint8: DType = np.dtype(np.uint8)
bool: DType = np.dtype(np.bool_)

_LAZY = (
    "audio", "augment", "bench", "check", "cli", "compress", "course", "data", "lessons", "losses", "metrics", "models",
    "play", "plot", "train", "visualize",
)  # fmt: skip

__all__ = [
    "Tensor", "abs", "add", "all", "allclose", "amax", "amin", "any", "arange", "argmax", "argmin", "as_tensor",
    "backend", "bernoulli", "bmm", "bool", "cat", "chunk", "clamp", "clone", "cos", "cumsum", "div", "einsum",
    "enable_grad", "engine", "equal", "erf", "exp", "expand", "expm1", "eye", "flatten", "flip", "float32", "float64",
    "from_dlpack", "full", "full_like", "functional", "gather", "get_rng_state", "grad", "int32", "int64",
    "is_grad_enabled", "isfinite", "isnan", "kernels", "linspace", "log", "log1p", "log_softmax", "logsumexp",
    "manual_seed", "masked_fill", "matmul", "max", "maximum", "mean", "min", "minimum", "mm", "mul", "multinomial",
    "neg", "nn", "no_grad", "norm", "ones", "ones_like", "ops", "optim", "permute", "pow", "prod", "rand",
    "rand_like", "randint", "randn", "randn_like", "randperm", "relu", "repeat", "reshape", "set_rng_state",
    "sigmoid", "sin", "softmax", "split", "sqrt", "square", "squeeze", "stack", "std", "sub", "sum", "t",
    "take_along_dim", "tanh", "tensor", "transpose", "tril", "triu", "uint8", "unbind", "unsqueeze", "var", "where",
    "zeros", "zeros_like",
]  # fmt: skip


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Import a room on first use: it brings libraries that the engine does without."""
        if name in _LAZY:
            return importlib.import_module(f"{__name__}.{name}")
        known = () if name.startswith("_") else __dir__()
        raise AttributeError(hints.missing(f"module {__name__!r}", name, hints.FUNCTIONS, known))


def __dir__() -> list[str]:
    """List the rooms too that are imported on first use, so that completion finds them."""
    return sorted({*globals(), *_LAZY})
