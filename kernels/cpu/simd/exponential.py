r"""Sigmoid and tanh of whole vectors, from one polynomial.

Let $x = n \ln 2 + r$ with an integer n and $|r| \le \ln 2 / 2$.  Then

$$e^x = 2^n (1 + p), \qquad p = e^r - 1 = r + r^2/2 + \dots + r^{13}/13!$$

whose next term is below the last bit of double precision; in single precision the term $r^7/7!$ is the last.  n and
$2^n$ cost no search: adding $1.5 \cdot 2^k$, with k bits of fraction, rounds a number to an integer and leaves that
integer in its last bits; moved to where a float has its exponent they are $2^n$.

With $e = e^{-|x|}$ the sigmoid is $1 / (1 + e)$ for $x \ge 0$, else $e / (1 + e)$, and its slope is
$e / (1 + e)^2$.  With $m = e^{-2|x|} - 1$

$$m = 2^n p + (2^n - 1), \qquad \tanh |x| = -m / (2 + m)$$

which keeps all digits of a small x.  Neither can overflow; NaN stays NaN.

Source: W. Cody and W. Waite, *Software Manual for the Elementary Functions* (1980), chapters 6 and 13.
"""

import math
from fractions import Fraction

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..runtime.compile import subroutine
from . import streaming  # noqa: F401 - it gives vectors their arithmetic
from .vectors import multiply_add, splat

__all__ = ["like", "sigmoid", "sigmoid_slope", "tanh"]

_TAYLOR = tuple(1 / math.factorial(k) for k in range(14))
_LOG2_E = 1 / math.log(2)
#: ln 2 in two parts, for single and for double precision: n times the first, of few bits, is exact.
_DIGITS = Fraction("0.693147180559945309417232121458176568")
_LN2 = tuple((float(high), float(_DIGITS - high)) for high in (Fraction(round(_DIGITS * 2**k), 2**k) for k in (9, 32)))


@intrinsic
def _number(typing, v, single, double):
    """A vector of `v`'s type with a number in all its lanes: `single` or `double`, as its precision is."""

    def generate(context, builder, signature, args):
        vector = signature.args[0]
        i = 1 if vector.element == types.float32 else 2
        return splat(builder, context.cast(builder, args[i], signature.args[i], vector.element), args[0].type)

    return v(v, single, double), generate


@intrinsic
def _power_of_two(typing, v):
    """2 to the power n, if `v` is n plus 1.5 times 2 to the power of its bits of fraction."""

    def generate(context, builder, signature, args):
        bits, fraction, bias = (32, 23, 127) if signature.args[0].element == types.float32 else (64, 52, 1023)
        integers = ir.VectorType(ir.IntType(bits), args[0].type.count)
        shift, one = (ir.Constant(integers, [n] * integers.count) for n in (fraction, bias << fraction))
        return builder.bitcast(builder.add(builder.shl(builder.bitcast(args[0], integers), shift), one), args[0].type)

    return v(v), generate


@intrinsic
def _is_double(typing, v):
    """Whether `v` holds numbers of double precision; known when the kernel is compiled."""
    double = v.element == types.float64
    return types.boolean(v), lambda context, builder, signature, args: context.get_constant(types.boolean, double)


@intrinsic
def _fused(typing, u, v, w):
    """``u * v + w``, with one rounding where the processor has such an instruction."""
    return v(u, v, w), lambda context, builder, signature, args: multiply_add(builder, *args)


@intrinsic
def _where_less(typing, x, bound, u, v):
    """`u` in the lanes where x is less than `bound`, `v` in the others, and where x is not a number."""

    def generate(context, builder, signature, args):
        x, bound, u, v = args
        return builder.select(builder.fcmp_ordered("<", x, bound), u, v)

    return v(x, bound, u, v), generate


@subroutine
def like(v, number):
    """A vector of `v`'s type with the constant `number` in all its lanes."""
    return _number(v, number, number)


@subroutine
def _power_and_rest(x):
    """$2^n$ and p of the module's page, for x of 0 or less; from a number below the least that a float can hold, 0."""
    least = _number(x, -88.0, -709.0)  # here n is -127 or -1023, which gives the exponent of 0
    x = _where_less(x, least, least, x)
    rounding = _number(x, 1.5 * 2**23, 1.5 * 2**52)
    shifted = x * like(x, _LOG2_E) + rounding
    n = shifted - rounding
    r = x - n * _number(x, _LN2[0][0], _LN2[1][0]) - n * _number(x, _LN2[0][1], _LN2[1][1])
    degree = 13 if _is_double(x) else 7
    p = like(x, _TAYLOR[degree])
    for k in range(degree - 1, 0, -1):
        p = _fused(p, r, like(x, _TAYLOR[k]))
    return _power_of_two(shifted), p * r


@subroutine
def sigmoid(x):
    """1 / (1 + e^-x) of each lane."""
    zero, one = like(x, 0), like(x, 1)
    e = _falling(x)
    q = one / (one + e)
    return _where_less(x, zero, e * q, q)


@subroutine
def sigmoid_slope(x):
    """The derivative of the sigmoid at each lane."""
    e = _falling(x)
    sum = like(x, 1) + e
    return e / (sum * sum)


@subroutine
def _falling(x):
    """e^-|x| of each lane."""
    zero = like(x, 0)
    power, rest = _power_and_rest(_where_less(x, zero, x, zero - x))
    return power + power * rest


@subroutine
def tanh(x):
    """The hyperbolic tangent of each lane."""
    zero = like(x, 0)
    negative = _where_less(x, zero, x, zero - x)
    power, rest = _power_and_rest(negative + negative)
    m = power * rest + (power - like(x, 1))
    t = m / (like(x, 2) + m)
    return _where_less(x, zero, t, zero - t)
