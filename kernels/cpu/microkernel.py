"""The innermost loops: blocks of a matrix product that live in registers.

``C[i, j] += sum over k of a[k, i] * b[k, j]``, where j runs over a few SIMD vectors and i over a few rows.  Each step k
loads `vectors` registers of b and multiplies each with `rows` numbers of a, broadcast to all lanes: ``rows * vectors``
fused multiply-adds for ``rows + vectors`` loads.  All of C stays in registers until the sum is done.  How large C is
follows from the number of registers: AVX-512 has 32, so 13 x 2 for C, 2 for b, and the rest to spare; AVX2 has 16, so
6 x 2.

Ten kernels differ in the layout of the operands, and share `_block`:

================== ========================================== ======================================================
kernel             a[k, i]                                    b[k, j]
================== ========================================== ======================================================
`channels_kernel`  tile i, channel k of a blocked layout      filter coefficients, packed
`sums_kernel`      channel i, tile k of a blocked layout      tile k of a blocked layout
`pixels_kernel`    filter coefficients, packed                pixels, from ``rows of b + offset[k]``
`pixels_..._row`   filter coefficients, of one row            pixels, by two tables
`taps_kernel`      pixel k as the filter's tap i meets it     pixel k of a blocked layout
`places_kernel`    pixel i as pair k of channel and tap meets filter coefficients, packed
                   it, both by tables
`shifts_kernel`    pixel k of channel i                       pixel of a blocked layout that k meets with tap j
`matmul_kernel`    row i, column k of a matrix                row k of a matrix, packed
`group_pixels_...` pixel i as pair k meets it, L groups       filter coefficients of L groups
`group_taps_...`   pixel k as tap i meets it, L groups        pixel k, L groups
================== ========================================== ======================================================

In the last two, a is a vector as well: each lane has its own sum.

*Blocked layout*: ``[channel // L][pixel][channel % L]``; L channels of a pixel fill one vector.

Sources: K. Goto and R. van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34(3), 2008;
F. Van Zee and R. van de Geijn, "BLIS", ACM TOMS 41(3), 2015.
"""

import contextlib

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .simd import (
    INT64,
    NAME,
    emit_prefetch,
    load_masked,
    load_vector,
    multiply_add,
    splat,
    store_masked,
    store_vector,
    vector_of,
)

__all__ = [
    "BROAD_PLACES",
    "GROUP_PIXELS",
    "GROUP_TAPS",
    "PLACES",
    "ROWS",
    "ROW_VECTORS",
    "SHORT_ROWS",
    "SUM_ROWS",
    "VECTORS",
    "WIDE_PLACES",
    "at",
    "channels_kernel",
    "channels_kernel_narrow",
    "group_pixels_kernel",
    "group_taps_kernel",
    "matmul_kernel",
    "nested_loops",
    "places_kernel",
    "places_kernel_narrow",
    "places_kernel_wide",
    "pixels_kernel",
    "pixels_kernel_narrow",
    "pixels_kernel_row",
    "pixels_kernel_short",
    "pixels_kernel_short_narrow",
    "rows_at",
    "shifts_kernel",
    "shifts_kernel_wide",
    "sums_kernel",
    "sums_kernel_narrow",
    "taps_kernel",
    "taps_kernel_broad",
    "taps_kernel_narrow",
    "taps_kernel_wide",
]

#: Vectors in a row of C.
VECTORS = 2
#: Rows of C; `sums_kernel` takes SUM_ROWS of the L channels in a vector at a time, so it has a divisor of L.
ROWS, SUM_ROWS = {"avx512": (13, 8), "neon": (12, 4), "avx2": (6, 4), "sse": (6, 2)}[NAME]
#: Rows of C in `places_kernel` and `taps_kernel`.  Each row of a has its own address, which takes one of 15
#: registers for addresses; with one too many LLVM writes parts of C to memory and back at every step.
PLACES = {"avx512": 10, "neon": 12, "avx2": 6, "sse": 6}[NAME]
#: The same where rows have a vector more: three vectors are better than two and one.
WIDE_PLACES = {"avx512": 8, "neon": 8, "avx2": 4, "sse": 4}[NAME]
#: Rows of C in `taps_kernel_broad`, which has four vectors: a quarter fewer loads, where there are registers for it.
BROAD_PLACES = {"avx512": 5, "neon": 5, "avx2": 2, "sse": 2}[NAME]
#: How many steps ahead `channels_kernel` prefetches coefficients: long enough even for the last-level cache.
AHEAD = 48
#: Rows of C in `pixels_kernel_short`, for the numbers of channels that ROWS divides badly.
SHORT_ROWS = {"avx512": 8, "neon": 8, "avx2": 4, "sse": 4}[NAME]
#: Vectors in the only row of C in `pixels_kernel_row`: 8 sums keep a processor busy, see below.
ROW_VECTORS = 8

#: Rows of C where groups are in the lanes: pixels, which are often multiples of 8, and taps, which are often 9.  Each
#: has its own sum, and a processor works on 8 of them at a time: two units, of 4 steps each.
GROUP_PIXELS, GROUP_TAPS = 8, 9


@contextlib.contextmanager
def nested_loops(builder, counts):
    """Loops ``for k0 in range(counts[0]): for k1 ...``; gives the indices."""
    with contextlib.ExitStack() as stack:
        loops = [stack.enter_context(cgutils.for_range(builder, count, intp=INT64)).index for count in counts]
        yield loops
    for index in loops:
        _forbid_unrolling(builder.module, index.incomings[-1][1].terminator)


def _forbid_unrolling(module, branch):
    """Tell LLVM to leave a loop as it is; `branch` leads back to its start.

    C and the operands of one step fill all registers.  For some processors (Zen 5) LLVM would make two steps of the
    loop one, load the operands of both first, and keep half of C in memory: that takes three times as long.
    """
    rule = module.add_metadata(["llvm.loop.unroll.disable"])
    loop = ir.MDValue(module, [], name=str(len(module.metadata)))
    loop.operands = loop, rule  # LLVM knows a loop by a node that refers to itself
    branch.set_metadata("llvm.loop", loop)


def _block(builder, rows, vectors, counts, a_at, b_at, c_at, start=None, rows_used=None, lanes_used=None, soon=None,
           by_lane=False):  # fmt: skip
    """Instructions for one block of C.

    Parameters
    ----------
    counts : list of integer values
        The sum runs over nested loops of these lengths.
    a_at, b_at : functions of (i, indices) and (j, indices)
        Address of the scalar a[k, i], of the vector b[k, j].
    c_at : function of (i, j)
        Address of a vector of C.
    start : truth value, optional
        Whether to add to what is in C already; default: no.
    soon : function of (indices), optional
        Addresses that will be read some steps later, to prefetch.
    rows_used, lanes_used : integer values, optional
        Touch only this number of rows of C, and of lanes of vector j: ``lanes_used[j]``.
    by_lane : bool
        Whether a[k, i] is a vector, each lane of which meets the same lane of b.
    """
    block = [(i, j) for i in range(rows) for j in range(vectors)]
    vector = vector_of(c_at(0, 0))
    register = {ij: cgutils.alloca_once(builder, vector) for ij in block}  # LLVM keeps these in registers
    for ij in block:
        builder.store(ir.Constant(vector, None), register[ij])
    if start is not None:
        with builder.if_then(start):
            for i in range(rows):
                with _if_used(builder, i, rows_used):
                    for j in range(vectors):
                        if lanes_used is None:
                            value = load_vector(builder, c_at(i, j))
                        else:
                            value = load_masked(builder, c_at(i, j), lanes_used[j])
                        builder.store(value, register[i, j])
    with nested_loops(builder, counts) as indices:
        for address in soon(indices) if soon else ():
            emit_prefetch(builder, address, write=False)
        b = [load_vector(builder, b_at(j, indices)) for j in range(vectors)]
        for i in range(rows):
            there = a_at(i, indices)
            a = load_vector(builder, there) if by_lane else splat(builder, builder.load(there), vector)
            for j in range(vectors):
                total = multiply_add(builder, a, b[j], builder.load(register[i, j]))
                builder.store(total, register[i, j])
    for i in range(rows):
        with _if_used(builder, i, rows_used):
            for j in range(vectors):
                value = builder.load(register[i, j])
                if lanes_used is None:
                    store_vector(builder, value, c_at(i, j))
                else:
                    store_masked(builder, value, c_at(i, j), lanes_used[j])


def _if_used(builder, i, rows_used):
    """A block of instructions for row i, if there are that many rows."""
    if rows_used is None:
        return contextlib.nullcontext()
    return builder.if_then(builder.icmp_signed("<", ir.Constant(INT64, i), rows_used))


def at(builder, pointer, *terms):
    """``pointer + sum of products``; each term is an index, or a pair (index, stride)."""
    for term in terms:
        index, stride = term if isinstance(term, tuple) else (term, 1)
        index, stride = (ir.Constant(INT64, v) if isinstance(v, int) else v for v in (index, stride))
        if isinstance(index, ir.Constant) and isinstance(stride, ir.Constant):
            offset = ir.Constant(INT64, index.constant * stride.constant)
        else:
            offset = builder.mul(index, stride)
        pointer = builder.gep(pointer, [offset])
    return pointer


def rows_at(builder, pointer, apart, rows, used):
    """Where `rows` rows begin that lie `apart`; what lies beyond the `used` ones is the last of them, read again."""
    last, starts = builder.sub(used, ir.Constant(INT64, 1)), []
    for i in range(rows):
        index = ir.Constant(INT64, i)
        there = builder.icmp_signed("<", index, used)
        starts.append(at(builder, pointer, (builder.select(there, index, last), apart)))
    return starts


def _channels_kernel(vectors):
    @intrinsic
    def kernel(typing, a, a_block, blocks, b, c, c_vector, add):
        """ROWS tiles x `vectors` vectors of output channels, summed over ``blocks * L`` input channels.

        a: blocked, [block][tile][L], `a_block` between blocks.  b: [channel][vectors * L].  c: [vector][tile][L],
        `c_vector` between vectors.  `add`: to what is in c, or overwrite it.
        """

        def generate(context, builder, signature, args):
            a, a_block, blocks, b, c, c_vector, add = args
            L = vector_of(a).count

            def a_at(i, k):
                return at(builder, a, (k[0], a_block), k[1], i * L)

            def b_at(j, k):
                return at(builder, b, (k[0], vectors * L * L), (k[1], vectors * L), j * L)

            def c_at(i, j):
                return at(builder, c, (j, c_vector), i * L)

            def soon(k):
                rest = builder.add(k[0], ir.Constant(INT64, 1))
                yield at(builder, a, (rest, a_block), (k[1], L))
                for j in range(vectors):
                    yield at(builder, b_at(j, k), AHEAD * vectors * L)

            _block(builder, ROWS, vectors, [blocks, ir.Constant(INT64, L)], a_at, b_at, c_at, start=add, soon=soon)
            return context.get_dummy_value()

        return types.void(a, types.intp, types.intp, b, c, types.intp, types.boolean), generate

    return kernel


def _sums_kernel(vectors):
    @intrinsic
    def kernel(typing, count, a, b, b_vector, c, c_row, add):
        """SUM_ROWS channels x `vectors` vectors of channels, summed over `count` tiles.

        a: [tile][L], starting at the first of the channels.  b: [vector][tile][L], `b_vector` between vectors.
        c: [channel][vectors * L], `c_row` between rows.
        """

        def generate(context, builder, signature, args):
            count, a, b, b_vector, c, c_row, add = args
            L = vector_of(a).count

            def a_at(i, k):
                return at(builder, a, (k[0], L), i)

            def b_at(j, k):
                return at(builder, b, (k[0], L), (j, b_vector))

            def c_at(i, j):
                return at(builder, c, (i, c_row), j * L)

            _block(builder, SUM_ROWS, vectors, [count], a_at, b_at, c_at, start=add)
            return context.get_dummy_value()

        return types.void(types.intp, a, b, types.intp, c, types.intp, types.boolean), generate

    return kernel


channels_kernel, channels_kernel_narrow = _channels_kernel(VECTORS), _channels_kernel(1)
sums_kernel, sums_kernel_narrow = _sums_kernel(VECTORS), _sums_kernel(1)


def _pixels_kernel(height, vectors):
    @intrinsic
    def kernel(typing, count, a, b, offset, b_second, c, c_row, c_second, rows, lanes_first, lanes_second):
        """`height` output channels x `vectors` vectors of pixels, summed over `count` pairs of a channel and a tap.

        a: [k][height].  Pixels of pair k start at ``b[offset[k]]``; those of the second vector `b_second` further on.
        c: rows `c_row` apart, the second vector `c_second` after the first.  Only `rows` rows are stored, and
        `lanes_first` and `lanes_second` pixels.  With one vector, what is said of the second is not read.
        """

        def generate(context, builder, signature, args):
            count, a, b, offset, b_second, c, c_row, c_second, rows, lanes_first, lanes_second = args

            def a_at(i, k):
                return at(builder, a, (k[0], height), i)

            def b_at(j, k):
                return at(builder, b, builder.load(builder.gep(offset, [k[0]])), (j, b_second))

            def c_at(i, j):
                return at(builder, c, (i, c_row), (j, c_second))

            lanes_used = [lanes_first, lanes_second]
            _block(builder, height, vectors, [count], a_at, b_at, c_at, rows_used=rows, lanes_used=lanes_used)
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, a, b, offset, n, c, n, n, n, n, n), generate

    return kernel


pixels_kernel, pixels_kernel_narrow = _pixels_kernel(ROWS, VECTORS), _pixels_kernel(ROWS, 1)
pixels_kernel_short, pixels_kernel_short_narrow = _pixels_kernel(SHORT_ROWS, VECTORS), _pixels_kernel(SHORT_ROWS, 1)


@intrinsic
def pixels_kernel_row(typing, count, a, b, offset, position, c, place, used):
    """One output channel x ROW_VECTORS vectors of pixels, summed over `count` pairs of a channel and a tap.

    a: [k].  Pixels of pair k start at ``b[position[j] + offset[k]]`` for vector j.  Its first ``used[j]`` lanes are
    written to ``c[place[j]]``.
    """

    def generate(context, builder, signature, args):
        count, a, b, offset, position, c, place, used = args
        pixels, targets, lanes_used = [], [], []
        for j in range(ROW_VECTORS):
            pixels.append(at(builder, b, builder.load(at(builder, position, j))))
            targets.append(at(builder, c, builder.load(at(builder, place, j))))
            lanes_used.append(builder.load(at(builder, used, j)))

        def a_at(i, k):
            return at(builder, a, k[0])

        def b_at(j, k):
            return at(builder, pixels[j], builder.load(at(builder, offset, k[0])))

        def c_at(i, j):
            return targets[j]

        _block(builder, 1, ROW_VECTORS, [count], a_at, b_at, c_at, lanes_used=lanes_used)
        return context.get_dummy_value()

    return types.void(types.intp, a, b, offset, position, c, place, used), generate


def _taps_kernel(places, vectors):
    @intrinsic
    def kernel(typing, rows, columns, a, offset, width, b, c, c_row):
        """`places` pairs of a channel and a tap x `vectors` vectors of channels, added up over rows x columns pixels.

        Pixel (k, l) of pair i is ``a[offset[i] + k * width + l]``.  b: [row][column][vectors * L].  The sum is added to
        c: [pair][vectors * L], `c_row` between rows.
        """

        def generate(context, builder, signature, args):
            rows, columns, a, offset, width, b, c, c_row = args
            L = vector_of(b).count
            starts = [at(builder, a, builder.load(at(builder, offset, i))) for i in range(places)]

            def a_at(i, k):
                return at(builder, starts[i], builder.add(builder.mul(k[0], width), k[1]))

            def b_at(j, k):
                return at(builder, b, (builder.add(builder.mul(k[0], columns), k[1]), vectors * L), j * L)

            def c_at(i, j):
                return at(builder, c, (i, c_row), j * L)

            _block(builder, places, vectors, [rows, columns], a_at, b_at, c_at, start=ir.Constant(ir.IntType(1), 1))
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, n, a, offset, n, b, c, n), generate

    return kernel


taps_kernel, taps_kernel_narrow = _taps_kernel(PLACES, VECTORS), _taps_kernel(PLACES, 1)
taps_kernel_wide, taps_kernel_broad = _taps_kernel(WIDE_PLACES, VECTORS + 1), _taps_kernel(BROAD_PLACES, VECTORS + 2)


def _shifts_kernel(vectors):
    @intrinsic
    def kernel(typing, rows, columns, a, a_plane, used, b, b_row, b_column, b_shift, c, c_row):
        """WIDE_PLACES channels x `vectors` shifted images of L channels, added up over rows x columns pixels.

        Pixel (k, l) of channel i is ``a[i * a_plane + k * columns + l]``; only `used` channels are read, but all rows
        of c written.  It meets the vectors ``b[k * b_row + l * b_column + j * b_shift]``.  The sum is added to c:
        [channel][vectors * L], `c_row` between rows.
        """

        def generate(context, builder, signature, args):
            rows, columns, a, a_plane, used, b, b_row, b_column, b_shift, c, c_row = args
            L = vector_of(b).count
            starts = rows_at(builder, a, a_plane, WIDE_PLACES, used)

            def a_at(i, k):
                return at(builder, starts[i], builder.add(builder.mul(k[0], columns), k[1]))

            def b_at(j, k):
                return at(builder, b, (k[0], b_row), (k[1], b_column), (j, b_shift))

            def c_at(i, j):
                return at(builder, c, (i, c_row), j * L)

            added = ir.Constant(ir.IntType(1), 1)
            _block(builder, WIDE_PLACES, vectors, [rows, columns], a_at, b_at, c_at, start=added)
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, n, a, n, n, b, n, n, n, c, n), generate

    return kernel


shifts_kernel, shifts_kernel_wide = _shifts_kernel(VECTORS), _shifts_kernel(VECTORS + 1)


def _places_kernel(places, vectors):
    @intrinsic
    def kernel(typing, count, a, offset, position, b, b_row, c, c_vector, place, add):
        """`places` pixels x `vectors` vectors of output channels, summed over `count` pairs of a channel and a tap.

        Pixel i meets ``a[position[i] + offset[k]]`` with pair k.  b: rows `b_row` apart.  c: vector ``place[i]`` of
        each [...][L], `c_vector` between them.  `add`: to what is in c, or overwrite it.
        """

        def generate(context, builder, signature, args):
            count, a, offset, position, b, b_row, c, c_vector, place, add = args
            L = vector_of(b).count
            pixels = [at(builder, a, builder.load(at(builder, position, i))) for i in range(places)]
            targets = [at(builder, c, (builder.load(at(builder, place, i)), L)) for i in range(places)]

            def a_at(i, k):
                return at(builder, pixels[i], builder.load(at(builder, offset, k[0])))

            def b_at(j, k):
                return at(builder, b, (k[0], b_row), j * L)

            def c_at(i, j):
                return at(builder, targets[i], (j, c_vector))

            _block(builder, places, vectors, [count], a_at, b_at, c_at, add)
            return context.get_dummy_value()

        n = types.intp
        return types.void(n, a, offset, position, b, n, c, n, place, types.boolean), generate

    return kernel


places_kernel, places_kernel_narrow = _places_kernel(PLACES, VECTORS), _places_kernel(PLACES, 1)
places_kernel_wide = _places_kernel(WIDE_PLACES, VECTORS + 1)


@intrinsic
def group_pixels_kernel(typing, count, a, offset, position, b, c, place):
    """GROUP_PIXELS pixels of L groups, summed over `count` pairs of a channel and a tap.

    Pixel i meets ``a[position[i] + offset[k]]`` with pair k, and there the vector of L groups.  b: [k][L].  Pixel i is
    written to vector ``place[i]`` of c.
    """

    def generate(context, builder, signature, args):
        count, a, offset, position, b, c, place = args
        L = vector_of(a).count
        pixels = [at(builder, a, builder.load(at(builder, position, i))) for i in range(GROUP_PIXELS)]

        def a_at(i, k):
            return at(builder, pixels[i], builder.load(at(builder, offset, k[0])))

        def b_at(j, k):
            return at(builder, b, (k[0], L))

        def c_at(i, j):
            return at(builder, c, (builder.load(at(builder, place, i)), L))

        _block(builder, GROUP_PIXELS, 1, [count], a_at, b_at, c_at, by_lane=True)
        return context.get_dummy_value()

    return types.void(types.intp, a, offset, position, b, c, place), generate


@intrinsic
def group_taps_kernel(typing, rows, columns, a, offset, a_row, a_column, b, c):
    """GROUP_TAPS taps of L groups, added up over rows x columns pixels.

    Pixel (k, l) as tap i meets it is the vector ``a[offset[i] + k * a_row + l * a_column]``.  b: [row][column][L].
    The sum is added to c: [tap][L].
    """

    def generate(context, builder, signature, args):
        rows, columns, a, offset, a_row, a_column, b, c = args
        L = vector_of(a).count
        starts = [at(builder, a, builder.load(at(builder, offset, i))) for i in range(GROUP_TAPS)]

        def a_at(i, k):
            return at(builder, starts[i], builder.add(builder.mul(k[0], a_row), builder.mul(k[1], a_column)))

        def b_at(j, k):
            return at(builder, b, (builder.add(builder.mul(k[0], columns), k[1]), L))

        def c_at(i, j):
            return at(builder, c, i * L)

        added = ir.Constant(ir.IntType(1), 1)
        _block(builder, GROUP_TAPS, 1, [rows, columns], a_at, b_at, c_at, start=added, by_lane=True)
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, n, a, offset, n, n, b, c), generate


@intrinsic
def matmul_kernel(typing, count, a, a_row, a_column, b, c, c_row, rows, lanes_first, lanes_second, add):
    """ROWS rows x VECTORS vectors of columns of a matrix product, summed over `count` columns of the left matrix.

    a: rows `a_row` and columns `a_column` apart.  b: [k][VECTORS * L].  c: rows `c_row` apart.  Only `rows` rows are
    touched, and of their vectors `lanes_first` and `lanes_second` numbers.  `add`: to what is in c, or overwrite it.
    """

    def generate(context, builder, signature, args):
        count, a, a_row, a_column, b, c, c_row, rows, lanes_first, lanes_second, add = args
        L = vector_of(b).count
        starts = rows_at(builder, a, a_row, ROWS, rows)

        def a_at(i, k):
            return at(builder, starts[i], (k[0], a_column))

        def b_at(j, k):
            return at(builder, b, (k[0], VECTORS * L), j * L)

        def c_at(i, j):
            return at(builder, c, (i, c_row), j * L)

        lanes_used = [lanes_first, lanes_second]
        _block(builder, ROWS, VECTORS, [count], a_at, b_at, c_at, add, rows, lanes_used)
        return context.get_dummy_value()

    n = types.intp
    return types.void(n, a, n, n, b, c, n, n, n, n, types.boolean), generate
