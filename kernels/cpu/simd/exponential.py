r"""Sigmoid, softplus and tanh of whole vectors, from two polynomials: no branch, and no call of a library.

**Exponential.**  Let $x = n \ln 2 + r$ with an integer n and $|r| \le \ln 2 / 2$.  Then

$$e^x = 2^n (1 + p), \qquad p = e^r - 1 = r + r^2/2 + \dots + r^{13}/13!$$

whose next term is below the last bit of double precision; in single precision the term $r^7/7!$ is the last.  n and
$2^n$ cost no search: adding $1.5 \cdot 2^k$, with k bits of fraction, rounds a number to an integer and leaves that
integer in its last bits; moved to where a float has its exponent they are $2^n$.  A result below the least normal
number has no such exponent.  So a larger power, $2^{n + s}$, is made, and the result multiplied by $2^{-s}$, which is
rounded where the result is below the least normal number and exact elsewhere.

**Logarithm.**  For $0 \le e \le 1$ let $q = e / (2 + e) \le 1/3$.  Then $1 + e = (1 + q) / (1 - q)$, and

$$\log(1 + e) = 2 \operatorname{artanh} q = 2 q \left(1 + \frac{q^2}{3} + \frac{q^4}{5} + \dots\right)$$

After the term $q^{2k} / (2k + 1)$ the rest is below $9^{-(k+1)} / (2k + 3) \cdot 9/8$ of the first term: half of the
last bit, $2^{-24}$ or $2^{-53}$, is more than three times that with k = 6, and six times with k = 15.

**Functions.**  With $e = e^{-|x|}$ the sigmoid is $1 / (1 + e)$ for $x \ge 0$, else $e / (1 + e)$; its slope is
$e / (1 + e)^2$; and the softplus is $\max(x, 0) + \log(1 + e)$.  With $m = e^{-2|x|} - 1$

$$m = 2^n p + (2^n - 1), \qquad \tanh |x| = -m / (2 + m)$$

which keeps all digits of a small x.  None can overflow; NaN stays NaN.

**Errors.**  Of all $2^{32}$ numbers of single precision, none gives a sigmoid that is wrong by more than 2.5 units in
the last place, a slope by more than 4.3, or a softplus by more than 2.9.  So the results of two neighboring numbers may
be in the wrong order, by two units at most.

Source: W. Cody and W. Waite, *Software Manual for the Elementary Functions* (1980), chapters 5, 6 and 13.
"""

import math
from fractions import Fraction

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..runtime.compile import subroutine
from . import streaming  # noqa: F401 - it gives vectors their arithmetic
from .vectors import multiply_add, splat

__all__ = ["like", "sigmoid", "sigmoid_slope", "softplus", "tanh", "tanh_slope"]

#: Coefficients of e^r, and of artanh(q) / q in powers of q^2.
_EXP = tuple(1 / math.factorial(k) for k in range(14))
_ARTANH = tuple(1 / (2 * k + 1) for k in range(16))
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


@intrinsic
def _with_sign(typing, v, sign):
    """The magnitude of `v` with the sign of `sign`, also where that is -0.0."""

    def generate(context, builder, signature, args):
        kind = "f32" if signature.return_type.element == types.float32 else "f64"
        name = f"llvm.copysign.v{args[0].type.count}{kind}"
        function = ir.FunctionType(args[0].type, [args[0].type] * 2)
        return builder.call(cgutils.get_or_insert_function(builder.module, function, name), args)

    return v(v, sign), generate


@subroutine
def like(v, number):
    """A vector of `v`'s type with the constant `number` in all its lanes."""
    return _number(v, number, number)


@subroutine
def _polynomial(x, coefficients, degree):
    """The sum of ``coefficients[k] * x**k`` up to k = `degree`, by Horner's rule."""
    y = like(x, coefficients[degree])
    for k in range(degree - 1, -1, -1):
        y = _fused(y, x, like(x, coefficients[k]))
    return y


@subroutine
def _exponent_and_rest(x):
    """The module's n, plus the number that rounds it, and p."""
    rounding = _number(x, 1.5 * 2**23, 1.5 * 2**52)
    shifted = _fused(x, like(x, _LOG2_E), rounding)
    n = shifted - rounding
    r = _fused(n, _number(x, -_LN2[0][0], -_LN2[1][0]), x)
    r = _fused(n, _number(x, -_LN2[0][1], -_LN2[1][1]), r)
    return shifted, _fused(r * r, _polynomial(r, _EXP[2:], 11 if _is_double(x) else 5), r)


@subroutine
def _falling(x):
    """e^-|x| of each lane."""
    least = _number(x, -104.0, -746.0)  # whose exponential is less than half of the least number above 0
    x = _with_sign(x, least)
    x = _where_less(x, least, least, x)
    shifted, p = _exponent_and_rest(x)
    power = _power_of_two(shifted + _number(x, 64.0, 512.0))
    return _fused(power, p, power) * _number(x, 2.0**-64, 2.0**-512)


@subroutine
def sigmoid(x):
    """1 / (1 + e^-x) of each lane."""
    one = like(x, 1)
    e = _falling(x)
    return _where_less(x, like(x, 0), e, one) / (one + e)


@subroutine
def sigmoid_slope(x):
    """The derivative of the sigmoid at each lane."""
    e = _falling(x)
    sum = like(x, 1) + e
    return e / (sum * sum)


@subroutine
def softplus(x):
    """log(1 + e^x) of each lane."""
    zero = like(x, 0)
    e = _falling(x)
    q = e / (like(x, 2) + e)
    square, double = q * q, q + q
    log = _fused(double * square, _polynomial(square, _ARTANH[1:], 14 if _is_double(x) else 5), double)
    return _where_less(zero, x, x, zero) + log


@subroutine
def tanh(x):
    """The hyperbolic tangent of each lane."""
    least = _number(x, -44.0, -354.0)  # whose tanh is -1; twice that is far from the least exponent
    negative = _with_sign(x, least)
    negative = _where_less(negative, least, least, negative)
    shifted, p = _exponent_and_rest(negative + negative)
    power = _power_of_two(shifted)
    m = _fused(power, p, power - like(x, 1))
    return _with_sign(m / (like(x, 2) + m), x)


@subroutine
def tanh_slope(y):
    """The derivative of the hyperbolic tangent where it is `y`, at each lane."""
    return like(y, 1) - y * y
