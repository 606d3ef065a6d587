"""A layer's bias: the adjoint of adding it, and the gradient rules of a layer with one."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..backend import Array
from ..engine import Primitive, primitive
from ..kernels import find
from ..tensor import Tensor
from .elementwise import leaky_relu_grad
from .shape import expand

__all__ = ["channel_sums", "share_vjps"]


@primitive
def channel_sums(input: Array) -> Array:
    """Sum of each channel of (N, C, ...): the gradient of a bias.  The vjp repeats the cotangent over each channel."""
    return find("channel_sums", input)(input)


channel_sums.vjp(
    input=lambda g, out, input: expand(g.reshape(1, -1, *[1] * (input.ndim - 2)), *input.shape),
)


def share_vjps(biased: Primitive, plain: Primitive) -> None:
    """Give the vjps of ``biased(*inputs, bias, negative_slope=None) = leaky(plain(*inputs) + bias)``.

    `bias` has one number for each channel; where `negative_slope` is None, no leaky ReLU follows.

    A leaky ReLU of a slope of 0 or more keeps the sign, so its result says as well as its input did where the cotangent
    takes the slope.  The vjps of the inputs are those of `plain`, which must not use its result `out`; that of the bias
    sums channels.
    """

    def rule(
        g: Tensor, out: Tensor, *inputs: Tensor, negative_slope: float | None = None, **params: Any
    ) -> Sequence[Tensor]:
        if negative_slope is not None:
            g = leaky_relu_grad(g, out, negative_slope=negative_slope)
        of_inputs = (partial(of_input, g, out, *inputs[:-1], **params) for of_input in plain.rules.values() if of_input)
        return _WhenAsked(*of_inputs, partial(channel_sums, g))

    biased.vjp_all(rule)


class _WhenAsked(Sequence[Tensor]):
    """Gradients that are computed when they are asked for."""

    def __init__(self, *gradients: Callable[[], Tensor]):
        self._gradients = gradients

    def __len__(self) -> int:
        return len(self._gradients)

    def __getitem__(self, index: Any) -> Any:
        return self._gradients[index]()
