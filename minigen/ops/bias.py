"""A layer's bias: the adjoint of adding it, and the gradient rules of a layer with one."""

from ..backend import Array
from ..engine import Primitive, Rule, primitive
from ..kernels import find
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
    """Give the vjps of ``biased(*inputs, bias) = plain(*inputs) + bias``, one number of `bias` for each channel.

    Those of the inputs are the vjps of `plain`, which must not use its result `out`; that of the bias sums channels.
    """

    def without_bias(rule: Rule) -> Rule:
        return lambda g, out, *inputs, **params: rule(g, out, *inputs[:-1], **params)

    *names, bias = biased.arguments
    rules = {
        name: without_bias(rule)
        for name, other in zip(names, plain.arguments, strict=True)
        if (rule := plain.rules[other]) is not None
    }
    biased.vjp(**rules, **{bias: lambda g, out, *inputs, **params: channel_sums(g)})
