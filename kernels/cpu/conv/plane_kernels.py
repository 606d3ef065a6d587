r"""The innermost loops of `minigen.kernels.cpu.conv.depthwise`: planes of pixels that meet a filter of their own.

A filter has K x K taps and moves in steps of S; both are part of a kernel's type (`Form`), so that its loops over taps
are unrolled.  A kernel goes from row to row and reads each row once.  A row of pixels belongs to A = K / S rows
of the result, rounded up, whose sums (in the last kernel the rows) move on by one register with each step:

=================== ==================================================================================================
kernel              what it adds up
=================== ==================================================================================================
`slide_kernel`      $y_{u,v} = \sum_{i,j} w_{i,j}\, x_{uS+i,\,vS+j}$: S rows of x in a step, a vector of v
`spread_kernel`     $x_{nS+e,\,mS+f} = \sum_{a,b} w_{aS+e,\,bS+f}\, g_{n-a,\,m-b}$: a row of g in a step, a vector of m
`slide_sums_kernel` $w_{i,j} = \sum_{u,v} g_{u,v}\, x_{uS+i,\,vS+j}$, lane by lane: a row of g and S of x in a step
=================== ==================================================================================================

Nothing is copied to give a plane its padding.  Columns beyond the plane are left out by a mask, and a row beyond it is
read from a row of zeros.
"""

import itertools
from typing import ClassVar

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..microkernel import at, nested_loops
from ..runtime.compile import TypeArgument
from ..simd import (
    INT64,
    REGISTERS,
    lanes_between,
    load_vector,
    load_where,
    multiply_add,
    shuffle,
    splat,
    store_vector,
    store_where,
    vector_of,
)

__all__ = ["FORMS", "SIZES", "STEPS", "slide_kernel", "slide_sums_kernel", "spread_kernel", "tap_masks", "tap_pixels"]

#: Sizes K of filters, and steps S.  (Vectors fill a register, or half of one where planes are narrow.)
SIZES, STEPS = (2, 3, 4, 5, 6, 7), (1, 2)


class Form(TypeArgument):
    """The size K of a filter, the step S in which it moves, and which part of a register its vectors fill."""

    __slots__ = ()
    size: ClassVar[int]
    step: ClassVar[int]
    part: ClassVar[int]


def _form(size, step, part):
    own = {"size": size, "step": step, "part": part, "__slots__": (), "__module__": __name__}
    return type(f"Size{size}Step{step}Part{part}", (Form,), own)


#: A class for each size, step and part.
FORMS = {key: _form(*key) for key in itertools.product(SIZES, STEPS, (1, 2))}
globals().update((cls.__name__, cls) for cls in FORMS.values())


def _row(builder, plane, height, width, zeros, k):
    """Where row `k` of a plane begins; beyond the plane it is a row of zeros."""
    inside = builder.icmp_unsigned("<", k, height)
    return builder.select(inside, at(builder, plane, (k, width)), zeros)


def tap_masks(builder, vector, size, step, first, width, used):
    """For every `step` of `size` taps, whose pixels are read together: which lanes of its vectors are in the row.

    Lane l of the first tap is column ``first + step * l``; lanes beyond the `used` ones are left out.
    """

    def mask(tap, piece):
        start = builder.add(first, ir.Constant(INT64, tap + piece * vector.count))
        reach = builder.sub(builder.mul(used, ir.Constant(INT64, step)), ir.Constant(INT64, piece * vector.count))
        last = builder.sub(width, start)
        last = builder.select(builder.icmp_signed("<", reach, last), reach, last)
        return lanes_between(builder, vector, builder.neg(start), last)

    return [[mask(tap, piece) for piece in range(step)] for tap in range(0, size, step)]


def tap_pixels(builder, row, size, step, masks):
    """The vector of pixels that each of `size` taps meets: from ``row[tap]`` on, `step` apart."""
    taps = []
    for block, mask in enumerate(masks):
        L = mask[0].type.count
        pieces = [load_where(builder, at(builder, row, block * step + p * L), m) for p, m in enumerate(mask)]
        taps += pieces if step == 1 else [shuffle(builder, *pieces, list(range(f, 2 * L, 2))) for f in range(2)]
    return taps[:size]


def _store_all(builder, values, places):
    for value, place in zip(values, places, strict=True):
        builder.store(value, place)


def _filter(builder, w, size, vector):
    """The coefficients w[i, j], each in all lanes of a vector."""
    return [[splat(builder, builder.load(at(builder, w, i * size + j)), vector) for j in range(size)]
            for i in range(size)]  # fmt: skip


@intrinsic
def slide_kernel(typing, form, planes, a, height, width, top, first, zeros, b, c, rows, columns, used):
    """All rows x `used` columns, at most a vector, of some channels of the result.

    a: planes of height x width pixels, of which the first tap meets row ``-top`` and column `first` first.  zeros:
    `width` of them.  b: [plane][tap].  c: planes of rows x columns, from the first of the `used` columns on.
    """
    K, S, part = form.instance_class.size, form.instance_class.step, form.instance_class.part
    A = -(-K // S)

    def generate(context, builder, signature, args):
        _, planes, a, height, width, top, first, zeros, b, c, rows, columns, used = args
        vector, nothing, reach = vector_of(a, part), ir.Constant(INT64, 0), ir.Constant(INT64, A - 1)
        a, zeros = at(builder, a, first), at(builder, zeros, first)
        a_plane, c_plane = builder.mul(height, width), builder.mul(rows, columns)
        masks = tap_masks(builder, vector, K, S, first, width, used)
        target_mask = lanes_between(builder, vector, nothing, used)
        sums = [cgutils.alloca_once(builder, vector) for _ in range(A)]
        with nested_loops(builder, [planes]) as (plane,):
            filters = _filter(builder, at(builder, b, (plane, K * K)), K, vector)
            source, target = at(builder, a, (plane, a_plane)), at(builder, c, (plane, c_plane))
            _store_all(builder, [ir.Constant(vector, None)] * A, sums)
            with nested_loops(builder, [builder.add(rows, reach)]) as (k,):
                totals = [builder.load(place) for place in sums]
                start = builder.sub(builder.mul(k, ir.Constant(INT64, S)), top)
                for phase in range(min(S, K)):
                    row = _row(builder, source, height, width, zeros, builder.add(start, ir.Constant(INT64, phase)))
                    pixels = tap_pixels(builder, row, K, S, masks)
                    for s, i in enumerate(range(phase, K, S)):
                        for j in range(K):
                            totals[s] = multiply_add(builder, filters[i][j], pixels[j], totals[s])
                _store_all(builder, [ir.Constant(vector, None), *totals[:-1]], sums)
                done = builder.sub(k, reach)
                with builder.if_then(builder.icmp_signed(">=", done, nothing)):
                    store_where(builder, totals[-1], at(builder, target, (done, columns)), target_mask)
        return context.get_dummy_value()

    n = types.intp
    return types.void(form, n, a, n, n, n, n, zeros, b, c, n, n, n), generate


@intrinsic
def spread_kernel(typing, form, planes, a, height, width, top, left, zeros, b, c, rows, columns, first):
    """All rows x S vectors of columns of some channels of the adjoint.

    a: planes of height x width pixels, of which pixel (n, m) met the pixels of c from ``(n * S - top, m * S - left)``
    on.  Computed are the columns of c from ``first * S - left`` on.  zeros: `width` of them.  b: [plane][tap].
    c: planes of rows x columns.
    """
    K, S, part = form.instance_class.size, form.instance_class.step, form.instance_class.part
    A = -(-K // S)

    def generate(context, builder, signature, args):
        _, planes, a, height, width, top, left, zeros, b, c, rows, columns, first = args
        vector = vector_of(a, part)
        L, phases = vector.count, [(e, f) for e in range(S) for f in range(S)]
        step, one = ir.Constant(INT64, S), ir.Constant(INT64, 1)
        shifts = [builder.sub(first, ir.Constant(INT64, s)) for s in range(A)]
        masks = [lanes_between(builder, vector, builder.neg(s), builder.sub(width, s)) for s in shifts]
        column = builder.sub(builder.mul(first, step), left)
        pieces = [builder.add(column, ir.Constant(INT64, p * L)) for p in range(S)]
        target_masks = [lanes_between(builder, vector, builder.neg(p), builder.sub(columns, p)) for p in pieces]
        a_plane, c_plane = builder.mul(height, width), builder.mul(rows, columns)
        begin = builder.sub(builder.sdiv(top, step), ir.Constant(INT64, A - 1))
        last = builder.sdiv(builder.sub(builder.add(rows, top), one), step)
        sums = [{ef: cgutils.alloca_once(builder, vector) for ef in phases} for _ in range(A)]
        with nested_loops(builder, [planes]) as (plane,):
            filters = _filter(builder, at(builder, b, (plane, K * K)), K, vector)
            source, target = at(builder, a, (plane, a_plane)), at(builder, c, (plane, c_plane))
            for parts in sums:
                _store_all(builder, [ir.Constant(vector, None)] * S**2, parts.values())
            with nested_loops(builder, [builder.add(builder.sub(last, begin), one)]) as (k,):
                n = builder.add(begin, k)
                row = _row(builder, source, height, width, zeros, n)
                pixels = [load_where(builder, at(builder, row, s), m) for s, m in zip(shifts, masks, strict=True)]
                totals = [{ef: builder.load(place) for ef, place in parts.items()} for parts in sums]
                for i in range(K):
                    for j in range(K):
                        ef = i % S, j % S
                        totals[i // S][ef] = multiply_add(builder, filters[i][j], pixels[j // S], totals[i // S][ef])
                for s in range(A):
                    for ef in phases:
                        builder.store(totals[s + 1][ef] if s + 1 < A else ir.Constant(vector, None), sums[s][ef])
                for e in range(S):
                    i = builder.sub(builder.add(builder.mul(n, step), ir.Constant(INT64, e)), top)
                    with builder.if_then(builder.icmp_unsigned("<", i, rows)):
                        values = [totals[0][e, f] for f in range(S)]
                        if S == 2:
                            order = [i // 2 + L * (i % 2) for i in range(2 * L)]
                            values = [shuffle(builder, *values, order[p * L : p * L + L]) for p in range(2)]
                        for value, start, mask in zip(values, pieces, target_masks, strict=True):
                            store_where(builder, value, at(builder, target, (i, columns), start), mask)
        return context.get_dummy_value()

    n = types.intp
    return types.void(form, n, a, n, n, n, n, zeros, b, c, n, n, n), generate


@intrinsic
def slide_sums_kernel(typing, form, planes, a, height, width, top, first, zeros, b, rows, columns, used, c):
    """K x K taps of some channels, added up over all rows x `used` columns, at most a vector, of the result.

    planes, a, height, width, top, first, zeros: as in `slide_kernel`.  b: planes of rows x columns, like those of the
    result, from the first of the `used` columns on.  The sum is added to c:
    [plane][tap][L], where a vector may fill but a part.

    As many rows of the filter at a time as there are registers for their sums and most of what they meet.
    """
    K, S, part = form.instance_class.size, form.instance_class.step, form.instance_class.part
    passes = -(-K // max(1, 2 * REGISTERS // (3 * K)))
    parts = [range(n * K // passes, (n + 1) * K // passes) for n in range(passes)]

    def generate(context, builder, signature, args):
        _, planes, a, height, width, top, first, zeros, b, rows, columns, used, c = args
        vector = vector_of(a, part)
        a, zeros = at(builder, a, first), at(builder, zeros, first)
        a_plane, b_plane = builder.mul(height, width), builder.mul(rows, columns)
        masks = tap_masks(builder, vector, K, S, first, width, used)
        gradient_mask = lanes_between(builder, vector, ir.Constant(INT64, 0), used)
        with nested_loops(builder, [planes]) as (plane,):
            source, gradient = at(builder, a, (plane, a_plane)), at(builder, b, (plane, b_plane))
            L = vector_of(c).count
            target = at(builder, c, (plane, K * K * L))

            def row_pixels(u, i):
                """The vectors of pixels that row i of the filter meets for row u of the result."""
                row = builder.sub(builder.add(builder.mul(u, ir.Constant(INT64, S)), ir.Constant(INT64, i)), top)
                return tap_pixels(builder, _row(builder, source, height, width, zeros, row), K, S, masks)

            for some in parts:
                targets = [[at(builder, target, (i * K + j) * L) for j in range(K)] for i in some]
                sums = [
                    [cgutils.alloca_once_value(builder, load_vector(builder, t, vector=vector)) for t in own]
                    for own in targets
                ]
                window = [
                    [cgutils.alloca_once_value(builder, v) for v in row_pixels(ir.Constant(INT64, 0), i)]
                    for i in some[: max(len(some) - S, 0)]
                ]
                with nested_loops(builder, [rows]) as (u,):
                    value = load_where(builder, at(builder, gradient, (u, columns)), gradient_mask)
                    pixels = [[builder.load(place) for place in places] for places in window]
                    pixels += [row_pixels(u, i) for i in some[len(window) :]]
                    for own, places in zip(pixels, sums, strict=True):
                        totals = [
                            multiply_add(builder, value, p, builder.load(s)) for p, s in zip(own, places, strict=True)
                        ]
                        _store_all(builder, totals, places)
                    for own, places in zip(pixels[S:], window):
                        _store_all(builder, own, places)
                for own, places in zip(targets, sums, strict=True):
                    for t, place in zip(own, places, strict=True):
                        store_vector(builder, builder.load(place), t)
        return context.get_dummy_value()

    n = types.intp
    return types.void(form, n, a, n, n, n, n, zeros, b, n, n, n, c), generate
