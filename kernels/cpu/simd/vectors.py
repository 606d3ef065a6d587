"""SIMD vectors inside Numba: a vector type, and the few instructions on it that our kernels are made of.

A processor adds and multiplies 4 to 16 float32 at once (*single instruction, multiple data*).  Numba vectorizes simple
loops by itself, but a register-blocked kernel needs to say which values stay in registers.  So we add a type to Numba:
``Vector``, whose data model is LLVM's ``<16 x float>``, and functions on it.  Each is a Numba *intrinsic*: it states
its type and writes the LLVM instructions.

=============================================== ================================================
function                                        meaning
=============================================== ================================================
``pointer(array)``                              address of the first element
``advance(p, i)``                               ``p + i`` elements
``lanes(p)``                                    elements of p's type in one vector, L
``zero(p)``                                     a vector of zeros of p's type
``broadcast(x)``                                a vector with x in all its lanes
``load(p, i)``, ``store(p, i, v)``              L elements from ``p[i]`` on
``load_first(p, i, n)``, ``store_first(...)``   only the first n of them; nothing else is touched
``load_even(p, i, n)``                          ``p[i]``, ``p[i + 2]``, ..., n of them
``store_even(p, i, v, n)``                      the reverse, and zeros between: n elements in all
``add(u, v)``                                   lane by lane
``transpose(p, pitch, rows, q, q_pitch)``       ``q[j, i] = p[i, j]``, an L x L block through registers
=============================================== ================================================

How wide a vector is depends on the processor: 64 bytes with AVX-512, 32 with AVX2, else 16 (NEON, SSE2; LLVM
translates 16-byte vectors for any processor).  ``MINIGEN_SIMD=avx2`` or ``sse`` in the environment asks for less;
an ARM processor has ``neon`` only.

Source: Numba, "Low-level extension API"; LLVM Language Reference.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from ..runtime.instruction_set import VECTOR_BYTES

__all__ = [
    "add",
    "advance",
    "broadcast",
    "lanes",
    "load",
    "load_even",
    "load_first",
    "pointer",
    "store",
    "store_even",
    "store_first",
    "transpose",
    "zero",
]

INT32, INT64 = ir.IntType(32), ir.IntType(64)


class Vector(types.Type):
    """The Numba type of a full register of `element` (``types.float32`` or ``types.float64``), or of other `lanes`."""

    def __init__(self, element, lanes=None):
        self.element = element
        self.lanes = lanes or VECTOR_BYTES * 8 // element.bitwidth
        super().__init__(name=f"vector<{self.lanes} x {element}>")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, vector):
        element = ir.FloatType() if vector.element == types.float32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


# ---------------------------------------------------------------- building blocks for code generators


def vector_at(builder, pointer, index=None, vector=None):
    """The address of a vector that starts at ``pointer[index]``, of the type `vector` or else that of `vector_of`."""
    if index is not None:
        pointer = builder.gep(pointer, [index])
    return builder.bitcast(pointer, (vector or vector_of(pointer)).as_pointer())


def vector_of(pointer, part=1):
    """The LLVM vector type with which `pointer`'s elements fill a register, or one `part`-th of it."""
    element = pointer.type.pointee
    return ir.VectorType(element, VECTOR_BYTES // part // (4 if isinstance(element, ir.FloatType) else 8))


def load_vector(builder, pointer, index=None, vector=None):
    """A vector from any address: it need not be aligned."""
    value = builder.load(vector_at(builder, pointer, index, vector))
    value.align = 4
    return value


def store_vector(builder, value, pointer, index=None):
    """A vector to any address."""
    builder.store(value, vector_at(builder, pointer, index, value.type)).align = 4


def emit_prefetch(builder, pointer, write):
    """Begin to bring the line at `pointer` into the nearest cache, to write to it or only to read it."""
    byte = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    signature = ir.FunctionType(ir.VoidType(), [byte.type, INT32, INT32, INT32])
    function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
    builder.call(function, [byte, *(ir.Constant(INT32, n) for n in (int(write), 3, 1))])


def splat(builder, scalar, vector_type):
    """A vector with `scalar` in all its lanes."""
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(INT32, 0))
    return shuffle(builder, first, undefined, [0] * vector_type.count)


def shuffle(builder, u, v, picks):
    """Lanes picked from u (0 to L-1) and v (L to 2L-1)."""
    return builder.shuffle_vector(u, v, ir.Constant(ir.VectorType(INT32, len(picks)), picks))


def multiply_add(builder, u, v, w):
    """``u * v + w``, fused into one instruction where the processor has one."""
    kind = "f32" if isinstance(w.type.element, ir.FloatType) else "f64"
    signature = ir.FunctionType(w.type, [w.type] * 3)
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fmuladd.v{w.type.count}{kind}")
    return builder.call(function, [u, v, w])


def transpose_registers(builder, rows):
    """Transpose L registers of L lanes by log2(L) rounds of interleaving the first half with the second."""
    n = len(rows)
    low = [i // 2 + n * (i % 2) for i in range(n)]  # u0 v0 u1 v1 ...
    high = [n // 2 + i for i in low]
    for _ in range(n.bit_length() - 1):
        pairs = [(rows[i], rows[i + n // 2]) for i in range(n // 2)]
        rows = [shuffle(builder, u, v, picks) for u, v in pairs for picks in (low, high)]
    return rows


# ---------------------------------------------------------------- what kernels call


@intrinsic
def pointer(typing, array):
    """The address of the first element of `array`."""

    def generate(context, builder, signature, args):
        return context.make_array(signature.args[0])(context, builder, args[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def advance(typing, p, i):
    """``p + i``, in elements."""
    return p(p, types.intp), lambda context, builder, signature, args: builder.gep(args[0], [args[1]])


@intrinsic
def lanes(typing, p):
    """How many elements of p's type fill a vector; a constant when the kernel is compiled."""
    count = Vector(p.dtype).lanes
    return types.intp(p), lambda context, builder, signature, args: ir.Constant(INT64, count)


@intrinsic
def zero(typing, p):
    """A vector of zeros, of the type that p points to."""
    return Vector(p.dtype)(p), lambda context, builder, signature, args: ir.Constant(vector_of(args[0]), None)


@intrinsic
def broadcast(typing, x):
    """A vector with `x` in all its lanes."""
    vector = Vector(x)
    return vector(x), lambda context, builder, signature, args: splat(
        builder, args[0], ir.VectorType(args[0].type, vector.lanes)
    )


@intrinsic
def load(typing, p, i):
    """The vector at ``p[i]``."""
    return Vector(p.dtype)(p, types.intp), lambda context, builder, signature, args: load_vector(builder, *args)


@intrinsic
def store(typing, p, i, v):
    """Write the vector `v` to ``p[i]``."""

    def generate(context, builder, signature, args):
        p, i, v = args
        store_vector(builder, v, p, i)
        return context.get_dummy_value()

    return types.void(p, types.intp, v), generate


@intrinsic
def load_first(typing, p, i, n):
    """The first `n` elements from ``p[i]`` on, and zeros; nothing beyond is read."""

    def generate(context, builder, signature, args):
        p, i, n = args
        return load_masked(builder, builder.gep(p, [i]), n)

    return Vector(p.dtype)(p, types.intp, types.intp), generate


@intrinsic
def load_even(typing, p, i, n):
    """``p[i]``, ``p[i + 2]``, ...: `n` of them, and zeros; nothing beyond is read."""

    def generate(context, builder, signature, args):
        p, i, n = args
        low = builder.gep(p, [i])
        count = vector_of(p).count
        high = builder.gep(low, [ir.Constant(INT64, count)])
        reach = builder.sub(builder.add(n, n), ir.Constant(INT64, 1))
        rest = builder.sub(reach, ir.Constant(INT64, count))
        u, v = load_masked(builder, low, reach), load_masked(builder, high, rest)
        return shuffle(builder, u, v, list(range(0, 2 * count, 2)))

    return Vector(p.dtype)(p, types.intp, types.intp), generate


@intrinsic
def store_first(typing, p, i, v, n):
    """Write the first `n` lanes of `v` to ``p[i]`` and touch nothing else."""

    def generate(context, builder, signature, args):
        p, i, v, n = args
        store_masked(builder, v, builder.gep(p, [i]), n)
        return context.get_dummy_value()

    return types.void(p, types.intp, v, types.intp), generate


@intrinsic
def store_even(typing, p, i, v, n):
    """Write ``v[0]``, 0, ``v[1]``, 0, ... from ``p[i]`` on: the first `n` of these 2 L numbers, and nothing else."""

    def generate(context, builder, signature, args):
        p, i, v, n = args
        low, count, zeros = builder.gep(p, [i]), v.type.count, ir.Constant(v.type, None)
        for part, rest in enumerate((n, builder.sub(n, ir.Constant(INT64, count)))):
            picks = [k for j in range(count // 2) for k in (part * count // 2 + j, count)]
            there = builder.gep(low, [ir.Constant(INT64, part * count)])
            store_masked(builder, shuffle(builder, v, zeros, picks), there, rest)
        return context.get_dummy_value()

    return types.void(p, types.intp, v, types.intp), generate


def store_masked(builder, v, p, n):
    """Write the first `n` lanes of `v` to `p`."""
    store_where(builder, v, p, _first_lanes(builder, v.type, n))


def load_masked(builder, p, n):
    """The first `n` lanes at `p`, and zeros; nothing beyond is read."""
    return load_where(builder, p, _first_lanes(builder, vector_of(p), n))


def store_where(builder, v, p, mask):
    """Write the lanes of `v` that are in `mask` to `p`, and touch nothing else."""
    address = vector_at(builder, p, vector=v.type)
    function = _masked(builder, "store", v.type, ir.VoidType(), [v.type, address.type, INT32, mask.type])
    builder.call(function, [v, address, ir.Constant(INT32, 4), mask])


def load_where(builder, p, mask):
    """The lanes at `p` that are in `mask`, and zeros in the others, which are not read."""
    vector = ir.VectorType(p.type.pointee, mask.type.count)
    address = vector_at(builder, p, vector=vector)
    function = _masked(builder, "load", vector, vector, [address.type, INT32, mask.type, vector])
    return builder.call(function, [address, ir.Constant(INT32, 4), mask, ir.Constant(vector, None)])


def lanes_between(builder, vector, first, last):
    """A mask of the lanes from `first` to `last`, of which either may be outside the vector."""
    before = builder.not_(_first_lanes(builder, vector, first))
    return builder.and_(before, _first_lanes(builder, vector, last))


def _first_lanes(builder, vector, n):
    indices = ir.VectorType(INT32, vector.count)
    lane, limit = ir.Constant(indices, list(range(vector.count))), splat(builder, builder.trunc(n, INT32), indices)
    return builder.icmp_signed("<", lane, limit)


def _masked(builder, what, vector, result, arguments):
    kind = "f32" if isinstance(vector.element, ir.FloatType) else "f64"
    name = f"llvm.masked.{what}.v{vector.count}{kind}.p0"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


@intrinsic
def add(typing, u, v):
    """``u + v``."""
    return u(u, v), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def transpose(typing, p, pitch, rows, q, q_pitch):
    """``q[j, i] = p[i, j]`` for i < rows, 0 for the other i < L; j runs over all L."""

    def generate(context, builder, signature, args):
        p, pitch, rows, q, q_pitch = args
        count = vector_of(p).count
        last = builder.sub(rows, ir.Constant(rows.type, 1))
        values = []
        for i in range(count):
            index = ir.Constant(rows.type, i)
            there = builder.icmp_signed("<", index, rows)
            row = load_vector(builder, p, builder.mul(pitch, builder.select(there, index, last)))
            values.append(builder.select(there, row, ir.Constant(row.type, None)))
        for j, value in enumerate(transpose_registers(builder, values)):
            store_vector(builder, value, q, builder.mul(q_pitch, ir.Constant(q_pitch.type, j)))
        return context.get_dummy_value()

    return types.void(p, types.intp, types.intp, q, types.intp), generate
