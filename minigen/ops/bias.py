"""A layer's bias: the adjoint of adding it, and the gradient rules of a layer with one."""

from collections.abc import Collection, Sequence
from typing import Any

from ..backend import Array
from ..engine import Primitive, is_grad_enabled, primitive
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
    sums channels.  Where the backward pass is not recorded, one kernel serves for both steps.
    """

    def rule(
        needed: Collection[int],
        g: Tensor,
        out: Tensor,
        *inputs: Tensor,
        negative_slope: float | None = None,
        **params: Any,
    ) -> Sequence[Tensor | None]:
        sums, bias = None, len(inputs) - 1
        if negative_slope is not None and bias in needed and not is_grad_enabled():
            g, sums = map(Tensor, find("add_bias_grad", g.data)(g.data, out.data, negative_slope))
        elif negative_slope is not None:
            g = leaky_relu_grad(g, out, negative_slope=negative_slope)
        if sums is None and bias in needed:
            sums = channel_sums(g)
        of_inputs = [of_input for of_input in plain.rules.values() if of_input]
        return *(
            of_input(g, out, *inputs[:-1], **params) if i in needed else None for i, of_input in enumerate(of_inputs)
        ), sums

    biased.vjp_all(rule)
