"""Arithmetic on whole SIMD vectors, and how to read and write much memory.

``u + v``, ``u - v``, ``u * v`` and ``u / v`` of two `Vector` values are one instruction each, rounded like the same
operation on two numbers: a formula written once serves both the vectors of a row and the few elements left over at its
end.

An ordinary store to memory that is not in the cache reads it first, though it will be overwritten, and throws other
data out of the cache.  A *streaming* (non-temporal) store does neither.  For a result larger than the cache, of which
little would be left there when somebody reads it, this saves a third of the traffic of an activation.

And memory answers faster if asked in several places at once.  A processor that sees a run of addresses fetches what
follows ahead of time, but not beyond the page's end, and it does so for many runs side by side: `interleaved_index`.

Source: U. Drepper, "What Every Programmer Should Know About Memory" (2007), sections 6.1 and 6.3; LLVM Language
Reference, ``!nontemporal``; Numba, "Low-level extension API".
"""

import operator

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from ..runtime.compile import subroutine
from ..runtime.instruction_set import VECTOR_BYTES
from .vectors import INT32, Vector, emit_prefetch, lanes, load_vector, splat, store, vector_at

__all__ = [
    "LARGE",
    "RUNS",
    "broadcast_like",
    "fence",
    "interleaved_index",
    "leaked",
    "leaky",
    "load_like",
    "prefetch",
    "slope_like",
    "stream",
    "to_double",
    "write",
]

#: Bytes from which on a result is written past the caches.
LARGE = 4 << 20
#: Runs of addresses side by side: with two or eight an activation takes 5 % longer, with one 20 %, with sixteen too.
RUNS = 4


@intrinsic
def stream(typing, p, i, v):
    """Write the vector `v` to ``p[i]``, which must be a multiple of `VECTOR_BYTES`, past the caches."""

    def generate(context, builder, signature, args):
        p, i, v = args
        store = builder.store(v, vector_at(builder, p, i))
        store.align = VECTOR_BYTES
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(INT32, 1)]))
        return context.get_dummy_value()

    return types.void(p, types.intp, v), generate


@intrinsic
def fence(typing):
    """Wait until all that was streamed is visible to other threads; the processor promises it of other stores only."""

    def generate(context, builder, signature, args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def leaky(typing, x, g, slope):
    """``g`` in the lanes where ``x > 0``, ``slope * g`` in the others; `slope` is a number, and `x` and `g` may be.

    A slope of 0 selects instead of multiplying, because infinity times 0 is NaN: 0 where ``x <= 0``, `g` elsewhere.
    """

    def generate(context, builder, signature, args):
        x, g, slope = args
        zeros = ir.Constant(g.type, None)
        slope = splat(builder, slope, g.type) if isinstance(g.type, ir.VectorType) else slope
        rectify = builder.fcmp_ordered("==", slope, zeros)
        kept = builder.fcmp_ordered(">", x, zeros)
        kept = builder.or_(kept, builder.and_(rectify, builder.fcmp_unordered("uno", x, x)))
        scaled = builder.fmul(builder.select(rectify, zeros, g), slope)
        return builder.select(kept, g, builder.fadd(scaled, zeros))  # plus zero: 0.0 and not -0.0

    return g(x, g, slope), generate


@subroutine
def leaked(x, g, slope):
    """`leaky` of numbers or of vectors where a leaky ReLU follows, else `g`."""
    if slope is None:
        return g
    return leaky(x, g, slope)


def slope_like(negative_slope, x):
    """The slope in the dtype of `x`.  None is a type too: Numba compiles what follows without an activation for it."""
    return None if negative_slope is None else x.dtype.type(negative_slope)


@intrinsic
def to_double(typing, v):
    """The numbers of a vector in double precision: as many, in two registers if they were in one."""
    wide = Vector(types.float64, v.lanes)

    def generate(context, builder, signature, args):
        return args[0] if v == wide else builder.fpext(args[0], context.get_value_type(wide))

    return wide(v), generate


@intrinsic
def load_like(typing, p, i, v):
    """As many numbers from ``p[i]`` on as `v` has, and of its type."""
    return v(p, types.intp, v), lambda context, builder, signature, args: load_vector(builder, *args[:2], args[2].type)


@intrinsic
def broadcast_like(typing, x, v):
    """A vector of `v`'s type with the number `x` in all its lanes."""
    return v(x, v), lambda context, builder, signature, args: splat(builder, args[0], args[1].type)


@subroutine
def interleaved_index(k, count):
    """Which of `count` vectors comes k-th, if RUNS runs of equal length take turns; the rest comes last.

    >>> [interleaved_index(k, 9) for k in range(9)]
    [0, 2, 4, 6, 1, 3, 5, 7, 8]
    """
    length = count // RUNS
    return k % RUNS * length + k // RUNS if k < RUNS * length else k


@intrinsic
def _prefetch_line(typing, p, i):
    def generate(context, builder, signature, args):
        emit_prefetch(builder, builder.gep(args[0], [args[1]]), write=False)
        return context.get_dummy_value()

    return types.void(p, types.intp), generate


@subroutine
def prefetch(p, start, count):
    """Begin to read `count` numbers from ``p[start]`` on into the cache; a place outside the memory does no harm."""
    for i in range(start, start + count, lanes(p)):
        _prefetch_line(p, i)


@subroutine
def write(p, i, v, large):
    """Write the vector `v` to ``p[i]``, which must be a multiple of `VECTOR_BYTES` if `large`."""
    if large:
        stream(p, i, v)
    else:
        store(p, i, v)


def _overload_arithmetic(operation, instruction):
    @intrinsic
    def compute(typing, u, v):
        return u(u, v), lambda context, builder, signature, args: getattr(builder, instruction)(*args)

    @overload(operation)
    def choose(u, v):
        if isinstance(u, Vector) and u == v:
            return lambda u, v: compute(u, v)
        return None


for _operation, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _overload_arithmetic(_operation, _instruction)
