"""Mistakes in the double backward: a right vjp whose own gradient is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..adapters.minigen import table
from ..op_registry import Case
from .registry import Mutant, register

Array = np.ndarray


def _spoil_double(op: str, spoil: Any) -> Any:
    right = table[op][2]

    def double(u: Sequence[Array], g: Array, *inputs: Array, **params: Any) -> list[Array]:
        return spoil(right(u, g, *inputs, **params))

    return double


def _scaled(position: int, factor: float) -> Any:
    return lambda out: [d * factor if i == position else d for i, d in enumerate(out)]


def _single(position: int) -> Any:
    return lambda out: [d.astype(np.float32).astype(np.float64) if i == position else d for i, d in enumerate(out)]


SPOILS: dict[str, tuple[str, bool, Any]] = {
    "detached": ("the vjp is treated as constant in the input", False, _scaled(1, 0.0)),
    "sign": ("sign of the second derivative", False, _scaled(1, -1.0)),
    "1e-5": ("a factor of 1 + 1e-5", True, _scaled(1, 1 + 1e-5)),
    "float32": ("computed in float32 on the way", True, _single(1)),
    "cotangent": ("nothing goes back into the cotangent", False, _scaled(0, 0.0)),
    "cotangent_1e-5": ("the cotangent's gradient times 1 + 1e-5", True, _scaled(0, 1 + 1e-5)),
}


def _bn(s: Any) -> Case:
    return Case((s.array((4, 2, 3)), s.array((2,), "away"), s.array((2,))), {"training": True, "eps": 1e-5})


def _conv(s: Any) -> Case:
    return Case(
        (s.array((2, 2, 5, 4)), s.array((3, 2, 3, 2)), s.array((3,))),
        {"stride": 2, "padding": 1, "dilation": 1, "groups": 1},
    )


def _plain(*kinds: str) -> Any:
    return lambda s: Case((s.array((3, 4), *kinds),))


def _rows(s: Any) -> Case:
    return Case((s.array((3, 4)),), {"dim": 1})


def _logits(s: Any) -> Case:
    return Case((s.array((3, 4)), s.array((3, 4), "unit")), {"reduction": "sum"})


WHERE: dict[str, tuple[Any, list[str]]] = {
    "tanh": (_plain(), ["detached", "1e-5", "float32", "cotangent_1e-5"]),
    "sigmoid": (_plain(), ["detached", "sign", "1e-5"]),
    "exp": (_plain(), ["detached", "float32"]),
    "log": (_plain("positive"), ["sign", "1e-5"]),
    "sqrt": (_plain("positive"), ["detached", "float32"]),
    "softplus": (_plain(), ["detached", "1e-5"]),
    "batch_norm": (_bn, ["detached", "sign", "1e-5", "float32", "cotangent"]),
    "conv2d": (_conv, ["detached", "1e-5", "cotangent", "cotangent_1e-5"]),
    "softmax": (_rows, ["detached", "1e-5", "cotangent"]),
    "log_softmax": (_rows, ["detached", "float32"]),
    "binary_cross_entropy_with_logits": (_logits, ["detached", "1e-5"]),
    "mse_loss": (_logits, ["detached", "1e-5"]),
}

for _op, (_make, _names) in WHERE.items():
    for _name in _names:
        _what, _small, _spoil = SPOILS[_name]
        register(
            Mutant(
                f"{_op}.double.{_name}",
                _op,
                "second",
                _what,
                double=_spoil_double(_op, _spoil),
                small=_small,
                make=_make,
            )
        )


def _frozen_statistics(u: Sequence[Array], g: Array, x: Array, w: Array, b: Array, **p: Any) -> list[Array]:
    """Batch norm's double backward with the batch's mean and variance taken for constants."""
    axes, shape = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    r = 1 / np.sqrt(x.var(axes, keepdims=True) + p["eps"])
    right = table["batch_norm"][2](u, g, x, w, b, **p)
    return [right[0], u[1].reshape(shape) * g * r, *right[2:]]


register(
    Mutant(
        "batch_norm.double.frozen",
        "batch_norm",
        "second",
        "mean and variance are constants in the second order",
        double=_frozen_statistics,
        make=_bn,
    )
)
