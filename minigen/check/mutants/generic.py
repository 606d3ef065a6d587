"""Mistakes that any vjp can make: a right gradient, spoiled."""

from typing import Any

import numpy as np

from ..adapters.minigen import table
from ..op_registry import OP_REGISTRY, Case, Source
from .registry import Mutant, register

Array = np.ndarray


def _one(d: Array, factor: float) -> Array:
    d = d.copy()
    if d.size:
        d.flat[d.size // 2] *= factor
    return d


SPOILS: dict[str, tuple[str, bool, Any]] = {
    "sign": ("sign", False, lambda d: -d),
    "half": ("half of it", False, lambda d: d / 2),
    "flipped": ("last axis reversed", False, lambda d: d[..., ::-1].copy()),
    "shifted": ("one element further along the last axis", False, lambda d: np.roll(d, 1, -1)),
    "float32": ("computed in float32 on the way", True, lambda d: d.astype(np.float32).astype(np.float64)),
    "1e-5": ("a factor of 1 + 1e-5", True, lambda d: d * (1 + 1e-5)),
    "1e-7": ("a factor of 1 + 1e-7", True, lambda d: d * (1 + 1e-7)),
    "one_zero": ("one element is zero", True, lambda d: _one(d, 0.0)),
    "one_off": ("one element is off by 1e-3", True, lambda d: _one(d, 1.001)),
}
"""What it does to the gradient: description, whether it is small, function."""


def _spoiled(op: str, position: int, spoil: Any) -> Any:
    right = table[op][1]

    def vjp(g: Array, *inputs: Array, **params: Any) -> list[Array]:
        out = right(g, *inputs, **params)
        out[position] = spoil(out[position])
        return out

    return vjp


def _big(count: int) -> Any:
    """A hundred by a hundred elements, for mistakes in one of ten thousand."""
    return lambda s: Case(tuple(s.array((100, 100), "positive") for _ in range(count)))


def _grown(op: str) -> Any:
    """The catalog's cases of more than one element along the last axis, where an order can be wrong."""

    def make(s: Source) -> Case:
        while True:
            case = OP_REGISTRY[op].make(s)
            if all(x.ndim and x.shape[-1] > 2 for x in case.inputs[:1]):
                return case

    return make


WHERE = {
    "linear": ["float32", "1e-5", "sign"],
    "matmul": ["float32", "1e-7", "half"],
    "conv2d": ["float32", "1e-5", "1e-7", "sign"],
    "conv_transpose2d": ["float32", "1e-5", "half"],
    "avg_pool2d": ["float32", "1e-5", "half"],
    "interpolate": ["float32", "1e-5", "half"],
    "pad": ["flipped", "1e-5"],
    "batch_norm": ["float32", "1e-5", "half"],
    "layer_norm": ["float32", "1e-5"],
    "group_norm": ["float32", "1e-5"],
    "instance_norm": ["float32", "1e-5"],
    "tanh": ["float32", "1e-7", "flipped", "shifted"],
    "sigmoid": ["float32", "1e-5", "shifted"],
    "softplus": ["float32", "1e-5"],
    "exp": ["float32", "1e-7", "shifted"],
    "log": ["float32", "1e-5"],
    "sqrt": ["float32", "1e-5", "flipped"],
    "softmax": ["float32", "1e-5", "sign"],
    "log_softmax": ["float32", "1e-5"],
    "logsumexp": ["float32", "1e-5"],
    "var": ["float32", "1e-5"],
    "mse_loss": ["float32", "1e-5", "sign"],
    "binary_cross_entropy_with_logits": ["float32", "1e-5"],
    "cross_entropy": ["float32", "1e-5", "sign"],
}

for _op, _names in WHERE.items():
    for _name in _names:
        _what, _small, _spoil = SPOILS[_name]
        _last = len(OP_REGISTRY[_op].differentiable) - 1 if _name == "half" else 0
        _make = _grown(_op) if _name in ("flipped", "shifted") else None
        register(
            Mutant(f"{_op}.{_name}", _op, "generic", _what, _spoiled(_op, _last, _spoil), small=_small, make=_make)
        )
for _op in ("tanh", "sigmoid", "exp", "log", "softplus"):
    for _name in ("one_zero", "one_off"):
        _what, _small, _spoil = SPOILS[_name]
        register(
            Mutant(
                f"{_op}.{_name}_in_10000",
                _op,
                "generic",
                f"{_what} of 10,000",
                _spoiled(_op, 0, _spoil),
                small=True,
                make=_big(1),
            )
        )
