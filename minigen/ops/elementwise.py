r"""Operations on each element by itself.

For $y_i = f(x_i)$ the Jacobian is diagonal and the vjp is $dx_i = g_i f'(x_i)$; each docstring below
states $f'$.

**Broadcasting.**  An operand of shape (3, 1) that meets one of shape (3, 4) is used four times, so its gradient is the
sum of four shares: the adjoint of copying is adding up.  `unbroadcast` does this for all binary operations.

**At a kink**, where the derivative jumps, the vjp follows a fixed convention, stated with the operation.
"""

import importlib
import math
from typing import Any

import numpy as np

from .. import backend
from ..arguments import check_tensor
from ..backend import Array, array_module, repeated
from ..engine import primitive
from ..kernels import find
from ..tensor import Tensor

__all__ = [
    "abs",
    "add",
    "cast",
    "clamp",
    "clone",
    "cos",
    "div",
    "dropout",
    "elu",
    "erf",
    "exp",
    "expm1",
    "gelu",
    "leaky_relu",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "mul",
    "neg",
    "pow",
    "relu",
    "select",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "sqrt",
    "square",
    "sub",
    "tanh",
    "to_device",
    "where",
]


_LARGE = 1 << 15
"""Elements from which on a sum is computed by a kernel, on all threads and in memory that is used again."""


def unbroadcast(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Sum a cotangent over the axes along which an operand of `shape` was repeated.

    Parameters
    ----------
    g : Tensor
    shape : tuple of int
        The operand's shape before broadcasting.

    Returns
    -------
    Tensor of shape `shape`
    """
    if g.shape == shape:
        return g
    new = g.ndim - len(shape)
    repeated = [i + new for i, n in enumerate(shape) if n == 1 and g.shape[i + new] != 1]
    return g.sum((*range(new), *repeated)).reshape(shape)


@primitive
def add(input: Array, other: Array) -> Array:
    """``input + other``.  Both derivatives are 1.

    >>> import minigen as mg
    >>> mg.add(mg.tensor([1.0, 2.0]), 10)
    tensor([11., 12.])
    """
    if input.shape == other.shape and input.size >= _LARGE:
        return find("add", input)(input, other)
    return input + other


add.vjp(
    input=lambda g, out, input, other: unbroadcast(g, input.shape),
    other=lambda g, out, input, other: unbroadcast(g, other.shape),
)


@primitive
def sub(input: Array, other: Array) -> Array:
    """``input - other``.  The derivatives are 1 and -1.

    >>> import minigen as mg
    >>> mg.sub(mg.tensor([1.0, 2.0]), 10)
    tensor([-9., -8.])
    """
    return input - other


sub.vjp(
    input=lambda g, out, input, other: unbroadcast(g, input.shape),
    other=lambda g, out, input, other: unbroadcast(-g, other.shape),
)


@primitive
def mul(input: Array, other: Array) -> Array:
    """``input * other``.  The derivative in each factor is the other factor.

    >>> import minigen as mg
    >>> mg.mul(mg.tensor([1.0, 2.0]), 10)
    tensor([10., 20.])
    """
    return input * other


mul.vjp(
    input=lambda g, out, input, other: unbroadcast(g * other, input.shape),
    other=lambda g, out, input, other: unbroadcast(g * input, other.shape),
)


@primitive
def div(input: Array, other: Array) -> Array:
    r"""``input / other``: $\partial_x (x / y) = 1 / y$ and $\partial_y (x / y) = -(x / y) / y$.

    >>> import minigen as mg
    >>> mg.div(mg.tensor([1.0, 2.0]), 4)
    tensor([0.25, 0.5 ])
    """
    return input / other


div.vjp(
    input=lambda g, out, input, other: unbroadcast(g / other, input.shape),
    other=lambda g, out, input, other: unbroadcast(-g * out / other, other.shape),
)


@primitive
def neg(input: Array) -> Array:
    """``-input``.

    >>> import minigen as mg
    >>> mg.neg(mg.tensor([1.0, -2.0]))
    tensor([-1.,  2.])
    """
    return -input


neg.vjp(input=lambda g, out, input: -g)


@primitive
def pow(input: Array, *, exponent: float) -> Array:
    r"""``input ** exponent`` for a constant exponent: $f' = p x^{p-1}$, and 0 for $p = 0$.

    >>> import minigen as mg
    >>> mg.pow(mg.tensor([1.0, 2.0]), 3)
    tensor([1., 8.])
    """
    return input ** input.dtype.type(exponent)


pow.vjp(
    input=lambda g, out, input, *, exponent: g * (exponent * input ** (exponent - 1)) if exponent else zeros_like(input)
)


@primitive
def square(input: Array) -> Array:
    """``input * input``: f' = 2x.

    >>> import minigen as mg
    >>> mg.square(mg.tensor([1.0, -3.0]))
    tensor([1., 9.])
    """
    return input * input


square.vjp(input=lambda g, out, input: 2 * g * input)  # 2 * input may overflow


@primitive
def exp(input: Array) -> Array:
    """The exponential of each element: f' = f.

    >>> import minigen as mg
    >>> mg.exp(mg.tensor([0.0]))
    tensor([1.])
    """
    return array_module(input).exp(input)


exp.vjp(input=lambda g, out, input: g * out)


@primitive
def log(input: Array) -> Array:
    """Natural logarithm: f' = 1/x.  Of zero it is -inf, of a negative number NaN.

    >>> import minigen as mg
    >>> mg.log(mg.tensor([1.0]))
    tensor([0.])
    """
    return array_module(input).log(input)


log.vjp(input=lambda g, out, input: g / input)


@primitive
def log1p(input: Array) -> Array:
    """``log(1 + input)``, exact for small elements: f' = 1/(1 + x).

    >>> import minigen as mg
    >>> mg.log1p(mg.tensor([0.0]))
    tensor([0.])
    """
    return array_module(input).log1p(input)


log1p.vjp(input=lambda g, out, input: g / (1 + input))


@primitive
def expm1(input: Array) -> Array:
    """``exp(input) - 1``, exact for small elements: f' = f + 1.

    >>> import minigen as mg
    >>> mg.expm1(mg.tensor([0.0, 1e-8]))
    tensor([0.e+00, 1.e-08])
    """
    return array_module(input).expm1(input)


expm1.vjp(input=lambda g, out, input: g * exp(input))


@primitive
def erf(input: Array) -> Array:
    r"""The error function $\frac{2}{\sqrt \pi} \int_0^x e^{-t^2} dt$: $f' = \frac{2}{\sqrt \pi} e^{-x^2}$.

    NumPy does not have it, so every number is a call of Python's ``math.erf`` (about 0.1 microseconds).

    >>> import minigen as mg
    >>> mg.erf(mg.tensor([0.0, 1.0]))
    tensor([0.       , 0.8427008])
    """
    if isinstance(input, np.ndarray | np.generic):
        return np.asarray(_erf(input), input.dtype)
    return importlib.import_module("cupyx.scipy.special").erf(input)


_erf = np.frompyfunc(math.erf, 1, 1)
erf.vjp(input=lambda g, out, input: g * (2 / math.sqrt(math.pi) * exp(-square(input))))


@primitive
def sqrt(input: Array) -> Array:
    r"""Square root: $f' = 1 / (2 \sqrt x)$, infinite at 0.

    >>> import minigen as mg
    >>> mg.sqrt(mg.tensor([4.0]))
    tensor([2.])
    """
    return array_module(input).sqrt(input)


sqrt.vjp(input=lambda g, out, input: g / (2 * out))


@primitive
def sin(input: Array) -> Array:
    """Sine: f' = cos.

    >>> import minigen as mg
    >>> mg.sin(mg.tensor([0.0]))
    tensor([0.])
    """
    return array_module(input).sin(input)


@primitive
def cos(input: Array) -> Array:
    """Cosine: f' = -sin.

    >>> import minigen as mg
    >>> mg.cos(mg.tensor([0.0]))
    tensor([1.])
    """
    return array_module(input).cos(input)


sin.vjp(input=lambda g, out, input: g * cos(input))
cos.vjp(input=lambda g, out, input: -g * sin(input))


@primitive
def tanh(input: Array) -> Array:
    """Hyperbolic tangent: f' = 1 - f^2.

    >>> import minigen as mg
    >>> mg.tanh(mg.tensor([0.0]))
    tensor([0.])
    """
    return array_module(input).tanh(input)


@primitive
def tanh_grad(g: Array, out: Array) -> Array:
    """The vjp of `tanh`, g times ``1 - out * out``: linear in g."""
    return find("tanh_grad", out)(g, out)


tanh.vjp(input=lambda g, out, input: tanh_grad(g, out))
tanh_grad.vjp(
    g=lambda u, _, g, out: tanh_grad(u, out),
    out=lambda u, _, g, out: -2 * (u * g * out),
)


@primitive
def sigmoid(input: Array) -> Array:
    r"""The logistic function $\sigma(x) = 1 / (1 + e^{-x})$: $f' = \sigma (1 - \sigma)$.

    Computed from $e^{-|x|}$, which cannot overflow.

    >>> import minigen as mg
    >>> mg.sigmoid(mg.tensor([0.0]))
    tensor([0.5])
    """
    return find("sigmoid", input)(input)


@primitive
def sigmoid_grad(g: Array, input: Array) -> Array:
    r"""The vjp of `sigmoid`, $g \sigma'(x)$ with $\sigma'(x) = \sigma(x) \sigma(-x)$: linear in g.

    With $1 - \sigma(x)$ in place of $\sigma(-x)$ the subtraction would lose every digit where x is large.  The second
    derivative is $\sigma'' = \sigma' (1 - 2 \sigma) = -\sigma' \tanh(x / 2)$.
    """
    return find("sigmoid_grad", input)(g, input)


sigmoid.vjp(input=lambda g, out, input: sigmoid_grad(g, input))
sigmoid_grad.vjp(
    g=lambda u, out, g, input: sigmoid_grad(u, input),
    input=lambda u, out, g, input: sigmoid_grad(u * g, input) * -tanh(0.5 * input),
)


@primitive
def softplus(input: Array) -> Array:
    r"""$\log(1 + e^x)$, computed as $\max(x, 0) + \log(1 + e^{-|x|})$: $f' = \sigma(x)$.

    The loss of a logit is a softplus, which is why the losses of a GAN need no logarithm of a sigmoid.

    >>> import minigen as mg
    >>> mg.functional.softplus(mg.tensor([0.0, 100.0]))
    tensor([  0.6931472, 100.       ])
    """
    return find("softplus", input)(input)


@primitive
def softplus_grad(g: Array, input: Array) -> Array:
    r"""The vjp of `softplus`, $g \sigma(x)$: linear in g."""
    return find("softplus_grad", input)(g, input)


softplus.vjp(input=lambda g, out, input: softplus_grad(g, input))
softplus_grad.vjp(
    g=lambda u, out, g, input: softplus_grad(u, input),
    input=lambda u, out, g, input: sigmoid_grad(u * g, input),
)


@primitive
def abs(input: Array) -> Array:
    """Absolute value: f' = sign(x).  At 0 the vjp is 0.

    >>> import minigen as mg
    >>> mg.abs(mg.tensor([-2.0, 3.0]))
    tensor([2., 3.])
    """
    return array_module(input).abs(input)


abs.vjp(input=lambda g, out, input: g * constant(array_module(input.data).sign(input.data)))


@primitive
def select(g: Array, *, weight: Array) -> Array:
    """``g * weight``, and exactly 0 where the weight is 0: a plain product makes NaN of infinity times 0.

    The vjps of operations that pick elements use it.  It is linear, and its own adjoint.
    Where `weight` is larger than `g`, `g` broadcasts.
    """
    return array_module(g).where(weight != 0, g, 0) * weight.astype(g.dtype)


select.vjp(g=lambda u, out, g, *, weight: unbroadcast(select(u, weight=weight), g.shape))


@primitive
def maximum(input: Array, other: Array) -> Array:
    """The larger of two, element by element.  At a tie the vjp gives each half.

    >>> import minigen as mg
    >>> mg.maximum(mg.tensor([1.0, 5.0]), 3)
    tensor([3., 5.])
    """
    return array_module(input).maximum(input, other)


@primitive
def minimum(input: Array, other: Array) -> Array:
    """The smaller of two, element by element.  At a tie the vjp gives each half.

    >>> import minigen as mg
    >>> mg.minimum(mg.tensor([1.0, 5.0]), 3)
    tensor([1., 3.])
    """
    return array_module(input).minimum(input, other)


def _share(g: Tensor, lost: Array, tied: Array, shape: tuple[int, ...]) -> Tensor:
    """Nothing where the operand lost, half at a tie, else all: also where one of the two is NaN, as in PyTorch."""
    return unbroadcast(select(g, weight=1 - (lost + 0.5 * tied)), shape)


maximum.vjp(
    input=lambda g, out, input, other: _share(g, input.data < other.data, input.data == other.data, input.shape),
    other=lambda g, out, input, other: _share(g, other.data < input.data, input.data == other.data, other.shape),
)
minimum.vjp(
    input=lambda g, out, input, other: _share(g, input.data > other.data, input.data == other.data, input.shape),
    other=lambda g, out, input, other: _share(g, other.data > input.data, input.data == other.data, other.shape),
)


@primitive
def clamp(input: Array, *, min: float | None = None, max: float | None = None) -> Array:
    """Limit every element to [min, max]: f' = 1 inside, 0 outside.  At a limit itself the vjp is 1.

    >>> import minigen as mg
    >>> mg.clamp(mg.tensor([-2.0, 0.5, 3.0]), 0, 1)
    tensor([0. , 0.5, 1. ])
    """
    return array_module(input).clip(input, min, max)


def _inside(x: Array, low: float | None, high: float | None) -> Array:
    inside = x == x if low is None else x >= low
    return inside if high is None else inside & (x <= high)


clamp.vjp(input=lambda g, out, input, *, min=None, max=None: select(g, weight=_inside(input.data, min, max)))


@primitive
def leaky_relu(input: Array, *, negative_slope: float = 0.01) -> Array:
    """``x`` where x > 0, ``negative_slope * x`` elsewhere (Maas et al. 2013).  At 0 the vjp takes the slope.

    The default slope is PyTorch's; Keras has 0.3, and DCGAN uses 0.2.

    >>> import minigen as mg
    >>> mg.functional.leaky_relu(mg.tensor([-1.0, 2.0]), 0.2)
    tensor([-0.2,  2. ])
    """
    return find("leaky_relu", input)(input, negative_slope)


@primitive
def leaky_relu_grad(g: Array, input: Array, *, negative_slope: float = 0.01) -> Array:
    """The vjp of `leaky_relu`: linear in g; input only picks the branch, so its own derivative is zero."""
    return find("leaky_relu_grad", input)(g, input, negative_slope)


leaky_relu.vjp(
    input=lambda g, out, input, *, negative_slope=0.01: leaky_relu_grad(g, input, negative_slope=negative_slope)
)
leaky_relu_grad.vjp(
    g=lambda u, out, g, input, *, negative_slope=0.01: leaky_relu_grad(u, input, negative_slope=negative_slope),
    input=None,
)


def relu(input: Tensor) -> Tensor:
    """``max(input, 0)``: a `leaky_relu` of slope 0.  At 0 the vjp is 0.

    >>> import minigen as mg
    >>> mg.relu(mg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return leaky_relu(input, negative_slope=0.0)


@primitive
def dropout(input: Array, *, p: float, seed: int) -> Array:
    """Some elements times 0, the others times 1 / (1 - p): which ones follows from the seed, so it is its own vjp."""
    return repeated(lambda: find("dropout", input)(input, p, seed))


dropout.vjp(input=lambda g, out, input, **params: dropout(g, **params))


@primitive
def elu(input: Array, *, alpha: float = 1.0) -> Array:
    r"""``x`` where x > 0, $\alpha (e^x - 1)$ elsewhere (Clevert et al. 2016), with f' = 1 or $\alpha e^x$.

    At 0 the vjp takes the exponential's side.

    >>> import minigen as mg
    >>> mg.functional.elu(mg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    xp = array_module(input)
    return xp.where(input > 0, input, xp.expm1(xp.minimum(input, 0)) * input.dtype.type(alpha))


elu.vjp(
    input=lambda g, out, input, *, alpha=1.0: g * where(input > 0, ones_like(input), alpha * exp(minimum(input, 0)))
)


_FAR = 1000.0
"""From here on silu and gelu are 0 or x in every dtype, and their slopes 0 or 1.

The slopes are products of x with something that vanishes there.  Where x is as large as the dtype allows, x times a
cotangent is infinite, and infinity times 0 is NaN.  So the formulas get x limited to this.
"""


@primitive
def silu(input: Array) -> Array:
    r"""$x \sigma(x)$: $f' = \sigma(x) (1 + x \sigma(-x))$.  At minus infinity it is the limit, 0.

    >>> import minigen as mg
    >>> mg.functional.silu(mg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    return array_module(input).maximum(input, -_FAR) * sigmoid.forward(input)


def _silu_slope(x: Tensor) -> Tensor:
    x = clamp(x, min=-_FAR, max=_FAR)
    return sigmoid(x) * (1 + x * sigmoid(-x))


silu.vjp(input=lambda g, out, input: g * _silu_slope(input))


@primitive
def gelu(input: Array, *, approximate: str = "none") -> Array:
    r"""$x \Phi(x)$ with $\Phi(x) = \frac12 (1 + t)$: $f' = \Phi(x) + x \Phi'(x)$.

    $t = \operatorname{erf}(x / \sqrt 2)$ and $\Phi'(x) = e^{-x^2/2} / \sqrt{2 \pi}$.  With ``approximate="tanh"``
    $t = \tanh(q)$ with $q = \sqrt{2 / \pi} (x + 0.044715 x^3)$, and $\Phi'(x) = \frac12 (1 - t^2) q'(x)$.  At minus
    infinity f is the limit, 0.

    >>> import minigen as mg
    >>> mg.functional.gelu(mg.tensor([0.0, 100.0]))
    tensor([  0., 100.])
    """
    xp = array_module(input)
    x = xp.clip(input, -_FAR, _FAR)
    if approximate == "none":
        t = erf.forward(x * math.sqrt(0.5))
    else:
        t = xp.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))
    return 0.5 * xp.maximum(input, -_FAR) * (1 + t)


def _gelu_slope(x: Tensor, approximate: str) -> Tensor:
    x = clamp(x, min=-_FAR, max=_FAR)
    if approximate == "none":
        return 0.5 * (1 + erf(x * math.sqrt(0.5))) + x * (exp(square(x) * -0.5) / math.sqrt(2 * math.pi))
    factor = math.sqrt(2 / math.pi)
    t = tanh(factor * (x + 0.044715 * x * x * x))
    return 0.5 * (1 + t) + x * (0.5 * factor * (1 - square(t)) * (1 + 0.134145 * square(x)))


gelu.vjp(input=lambda g, out, input, *, approximate="none": g * _gelu_slope(input, approximate))


@primitive(any_dtype=True)
def where_(input: Array, other: Array, *, condition: Array) -> Array:
    """`input` where `condition`, `other` elsewhere; see `where`."""
    return array_module(input).where(condition, input, other)


where_.vjp(
    input=lambda g, out, input, other, *, condition: unbroadcast(where(condition, g, 0.0), input.shape),
    other=lambda g, out, input, other, *, condition: unbroadcast(where(condition, 0.0, g), other.shape),
)


def where(condition: Any, input: Any, other: Any) -> Tensor:
    """Choose between two, element by element: `input` where `condition` holds, `other` elsewhere.

    The derivative is 1 in the chosen one and 0 in the other.  A NaN in the *unchosen* branch does not reach the result,
    but its own derivative may still be NaN further back: make the argument harmless before the operation.

    Parameters
    ----------
    condition : boolean Tensor or array
    input, other : Tensor or number
        The three shapes broadcast.

    Raises
    ------
    TypeError
        If the condition is not boolean.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor([-1.0, 2.0])
    >>> mg.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    condition = condition.data if isinstance(condition, Tensor) else condition
    if getattr(condition, "dtype", None) != np.bool_:
        raise TypeError(
            f"where: argument 'condition' has dtype {getattr(condition, 'dtype', type(condition).__name__)}"
            ", expected bool"
        )
    return where_(input, other, condition=condition)


@primitive(any_dtype=True)
def clone(input: Array) -> Array:
    """A copy: f' = 1.

    >>> import minigen as mg
    >>> mg.clone(mg.tensor([1.0]))
    tensor([1.])
    """
    return input.copy()


clone.vjp(input=lambda g, out, input: g)


@primitive
def cast(input: Array, *, dtype: Any) -> Array:
    """Change between float32 and float64; the cotangent goes back in the input's dtype.

    >>> import minigen as mg
    >>> mg.tensor([1.0]).to("float64")
    tensor([1.], dtype=float64)
    """
    return input.astype(dtype)


cast.vjp(input=lambda g, out, input, *, dtype: cast(g, dtype=input.dtype))


@primitive(any_dtype=True)
def to_device(input: Array, *, device: str) -> Array:
    """Copy to another device; the cotangent goes back to where the input is.

    >>> import minigen as mg
    >>> mg.tensor([1.0]).to("cpu")
    tensor([1.])
    """
    return backend.to_device(input, device)


to_device.vjp(input=lambda g, out, input, *, device: to_device(g, device=input.device))


def constant(array: Array) -> Tensor:
    """Wrap an array that has no derivative, such as a mask."""
    return Tensor(array)


def zeros_like(input: Tensor) -> Tensor:
    """A Tensor of zeros with the shape, dtype and device of `input`.

    >>> import minigen as mg
    >>> mg.zeros_like(mg.ones(2))
    tensor([0., 0.])
    """
    check_tensor("zeros_like", "input", input)
    return Tensor(array_module(input.data).zeros_like(input.data))


def ones_like(input: Tensor) -> Tensor:
    """A Tensor of ones with the shape, dtype and device of `input`.

    >>> import minigen as mg
    >>> mg.ones_like(mg.zeros(2))
    tensor([1., 1.])
    """
    check_tensor("ones_like", "input", input)
    return Tensor(array_module(input.data).ones_like(input.data))
