r"""Winograd (Cook-Toom) minimal filtering: the algorithm, and the code for its transforms.

**The algorithm.**  To compute m outputs of a correlation with r taps, $y_i = \sum_j w_j x_{i+j}$, the direct way
multiplies m*r times.  *Cook and Toom* need only $\alpha = m + r - 1$.  Their start is the product of two
polynomials, which is a convolution of the coefficients: the product $s(t) = a(t) w(t)$ of polynomials with m and
r coefficients has $\alpha$ coefficients, so it is known once its values at $\alpha$ points are known, and
each value is one multiplication, $s(t_i) = a(t_i) w(t_i)$.  One of the points may be "infinity", which stands for
the leading coefficient.  Evaluation is a matrix: $A$ for a (powers of the points, m columns), $G$ for w
(r columns), and interpolation, by Lagrange's formula, is the inverse $V^{-1}$ of the same with $\alpha$
columns:

$$ s = V^{-1} [(A a) \odot (G w)] . $$

For fixed w this is a linear map of a.  Its transpose (*transposition principle*) maps $\alpha$ inputs to m
outputs, and it is the correlation that we are after:

$$ y = A^T [(G w) \odot (B^T x)], \qquad B = V^{-1} . $$

Products with $B^T$ contain divisions by differences of points; they are moved into G, so that
$B^T$ is nearly free of multiplications.  In two dimensions apply each matrix to the columns, then to the rows:
$Y = A^T [(G W G^T) \odot (B^T X B)] A$, with $\alpha^2$ multiplications in place of
$m^2 r^2$; this is F(m x m, r x r).  Summed over channels, each of the $\alpha^2$ points of the
transform domain is a matrix product.

**The adjoints** come for free, because all of it is linear: the gradient for w is
$G^T [(A\, \bar Y A^T) \odot (B^T X B)] G$.

**Rounding.**  The transforms amplify rounding errors, the more the larger alpha is, and how much depends on the points.
Whole numbers, as one sees them in most descriptions, are not the best: with 0, 5/8, -5/8, 3/2, -3/2 the worst error of
F(4 x 4, 3 x 3) is a third of that with 0, 1, -1, 2, -2.  Those in `POINTS` came out best among all symmetrical sets of
eighths up to 5/2 (whose powers are exact in float32), on random images of 16 channels and more.  The
products combine inputs of the whole tile, so an output's error grows with the largest input of the tile, not of its
window: `amplification` bounds how much.  See `minigen.kernels.cpu.precision`.

**Missing taps.**  A filter with fewer than r taps is one with zeros.  If its last coefficient is zero, so is its
transform at infinity; if its first is, at the point 0.  There is nothing to multiply at these points.

============ =========== ==========================================
transform    size        use
============ =========== ==========================================
``BT``       square      inputs to the transform domain
``G``        alpha x r   filters to the transform domain
``AT``       m x alpha   products back to outputs
``A``        alpha x m   gradients of outputs to the transform domain
``GT``       r x alpha   products back to gradients of filters
============ =========== ==========================================

Sources: S. Winograd, *Arithmetic Complexity of Computations*, SIAM 1980; A. Lavin and S. Gray, "Fast Algorithms for
Convolutional Neural Networks", 2015, arXiv:1509.09308; B. Barabasz et al., "Error Analysis and Improving the Accuracy
of Winograd Convolution for Deep Neural Networks", 2018, arXiv:1803.10986.
"""

from fractions import Fraction
from typing import ClassVar

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..runtime.compile import TypeArgument
from ..simd import INT64, emit_prefetch, load_vector, multiply_add, store_vector, vector_of

__all__ = ["Transform", "amplification", "apply", "matrices", "size_in", "size_out", "transform"]


def _plus_minus(numerator, denominator):
    return Fraction(numerator, denominator), Fraction(-numerator, denominator)


#: Interpolation points for each alpha; infinity is always the last one.
POINTS = {
    1: (),
    2: (0,),
    3: (0, 1),
    4: (0, 1, -1),
    5: (*_plus_minus(3, 8), *_plus_minus(5, 4)),
    6: (0, *_plus_minus(5, 8), *_plus_minus(3, 2)),
    8: (0, *_plus_minus(1, 2), 1, -1, 2, -2),
}


def matrices(m, r):
    """The five matrices of F(m, r), as lists of rows of exact fractions, by name.

    >>> [[str(entry) for entry in row] for row in matrices(2, 2)["BT"]]
    [['-1', '1', '0'], ['0', '1', '0'], ['0', '-1', '1']]
    """
    points = [Fraction(p) for p in POINTS[m + r - 1]]
    a, g, bt = _powers(points, m), _powers(points, r), []
    for i, p in enumerate(points):
        others = points[:i] + points[i + 1 :]
        bt.append([*_from_roots(others), Fraction(0)])  # Lagrange's polynomial of p, up to its denominator ...
        denominator = Fraction(1)
        for other in others:
            denominator *= p - other
        g[i] = [entry / denominator for entry in g[i]]  # ... which the filter's transform divides by
    bt.append(_from_roots(points))
    return {"A": a, "AT": _transposed(a), "G": g, "GT": _transposed(g), "BT": bt}


def amplification(m: int, r: int) -> float:
    r"""How far rounding errors of F(m x m, r x r) may exceed those of a direct sum of inputs of one size.

    Replace every entry of the matrices by its absolute value, and every input by the largest, M: then each output is at
    most $\kappa M \sum |w|$, where $\kappa$ is the square (one factor for each direction) of
    $\max_{i,j} \sum_p |A_{pi}| |G_{pj}| \sum_k |B^T_{pk}|$.  Roundings are relative to these numbers.

    >>> [round(amplification(m, r)) for m, r in ((2, 2), (2, 3), (4, 3))]
    [9, 16, 175]
    """
    entries = matrices(m, r)
    reach = [sum(map(abs, row)) for row in entries["BT"]]
    a, g = entries["A"], entries["G"]
    sums = (sum(abs(a[p][i] * g[p][j]) * reach[p] for p in range(len(reach))) for i in range(m) for j in range(r))
    return float(max(sums) ** 2)


def _powers(points, n):
    """Row i evaluates a polynomial of n coefficients at point i; the last row, at infinity, picks the leading one."""
    return [[p**j for j in range(n)] for p in points] + [[Fraction(j == n - 1) for j in range(n)]]


def _from_roots(roots):
    """Coefficients, constant first, of the product of (t - root)."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *coefficients], [root * c for c in coefficients] + [Fraction(0)]
        coefficients = [u - v for u, v in zip(shifted, scaled, strict=True)]
    return coefficients


def _transposed(matrix):
    return [list(column) for column in zip(*matrix, strict=True)]


# ---------------------------------------------------------------- a Numba type for each transform


class Transform(TypeArgument):
    """One matrix of F(m, r), as an argument of a kernel."""

    __slots__ = ()
    key: ClassVar[tuple[str, int, int]]

    def __repr__(self):
        return f"{type(self).__name__}()"

    @classmethod
    def matrix(cls):
        """The entries, exact."""
        name, m, r = cls.key
        return matrices(m, r)[name]


def _classes():
    """A class for each matrix."""
    for alpha in POINTS:
        for m in range(1, alpha + 1):
            for name in ("A", "AT", "BT", "G", "GT"):
                key = name, m, alpha + 1 - m
                class_name = "{}_{}_{}".format(*key)
                yield key, type(class_name, (Transform,), {"key": key, "__slots__": (), "__module__": __name__})


_OF_KEY = dict(_classes())
globals().update((cls.__name__, cls) for cls in _OF_KEY.values())


def transform(name, m, r):
    """The `Transform` for one of the `matrices` of F(m, r).

    >>> transform("BT", 2, 3)
    BT_2_3()
    """
    return _OF_KEY[name, m, r]()


@intrinsic
def size_in(typing, transform):
    """Length of what the transform takes; a constant when the kernel is compiled."""
    size = len(transform.instance_class.matrix()[0])
    return types.intp(transform), lambda context, builder, signature, args: ir.Constant(INT64, size)


@intrinsic
def size_out(typing, transform):
    """Length of what the transform makes."""
    size = len(transform.instance_class.matrix())
    return types.intp(transform), lambda context, builder, signature, args: ir.Constant(INT64, size)


@intrinsic
def apply(typing, transform, source, source_row, source_column, target, target_row, target_column):
    """``target = M source M^T`` for a square of vectors.

    Vector (i, j) of the source starts at ``source[i * source_row + j * source_column]``; of the target, likewise.
    Each lane is a channel, so this is plain vector arithmetic.
    """

    def generate(context, builder, signature, args):
        _, source, source_row, source_column, target, target_row, target_column = args
        matrix = signature.args[0].instance_class.matrix()
        n, k = len(matrix), len(matrix[0])
        address = _grid(builder, source, source_row, source_column, k)
        square = [[load_vector(builder, address[i][j]) for j in range(k)] for i in range(k)]
        columns = [_linear_map(builder, matrix, [square[i][j] for i in range(k)]) for j in range(k)]
        rows = [_linear_map(builder, matrix, [columns[j][i] for j in range(k)]) for i in range(n)]
        address = _grid(builder, target, target_row, target_column, n)
        # In the transform domain each vector has its own cache line, and a miss takes long.  So prefetch the lines
        # of the next tile, which are beside these, before computing.
        if n >= k:
            for row in address:
                for there in row:
                    emit_prefetch(builder, builder.gep(there, [ir.Constant(INT64, vector_of(there).count)]), write=True)
        for i in range(n):
            for j in range(n):
                store_vector(builder, rows[i][j], address[i][j])
        return context.get_dummy_value()

    strides = [types.intp] * 2
    return types.void(transform, source, *strides, target, *strides), generate


def _grid(builder, pointer, row, column, n):
    """Addresses of an n x n square."""
    rows = [pointer]
    for _ in range(n - 1):
        rows.append(builder.gep(rows[-1], [row]))
    grid = [[p] for p in rows]
    for line in grid:
        for _ in range(n - 1):
            line.append(builder.gep(line[-1], [column]))
    return grid


def _linear_map(builder, matrix, x):
    """Instructions for ``matrix @ x`` on a list of vectors.

    Points that come as +a and -a give rows (or columns) that agree up to signs.  Then the part of the sum that agrees
    and the part that differs are computed once, and added and subtracted: half of the arithmetic.
    """
    if len(matrix) < len(x):
        matrix, x = _fold_columns(builder, matrix, x)
    out, i = [], 0
    while i < len(matrix):
        row = matrix[i]
        after = matrix[i + 1] if i + 1 < len(matrix) else None
        even = [u if after and u == v else 0 for u, v in zip(row, after or row, strict=True)]
        odd = [u if after and u == -v else 0 for u, v in zip(row, after or row, strict=True)]
        if after and any(even) and any(odd) and all(abs(u) == abs(v) for u, v in zip(row, after, strict=True)):
            e, o = _dot(builder, even, x), _dot(builder, odd, x)
            out += [builder.fadd(e, o), builder.fsub(e, o)]
            i += 2
        else:
            out.append(_dot(builder, row, x))
            i += 1
    return out


def _fold_columns(builder, matrix, x):
    """Replace pairs of columns that agree up to signs by the sum and the difference of what they multiply."""
    columns, terms, j = _transposed(matrix), [], 0
    folded = []
    while j < len(columns):
        pair = columns[j : j + 2]
        if len(pair) == 2 and all(abs(u) == abs(v) for u, v in zip(*pair, strict=True)):
            terms += [builder.fadd(x[j], x[j + 1]), builder.fsub(x[j], x[j + 1])]
            folded.append([u if u == v else Fraction(0) for u, v in zip(*pair, strict=True)])
            folded.append([u if u != v else Fraction(0) for u, v in zip(*pair, strict=True)])
            j += 2
        else:
            terms.append(x[j])
            folded.append(columns[j])
            j += 1
    return _transposed(folded), terms


def _dot(builder, row, x):
    """The sum of ``row[j] * x[j]``, entries of one first: they need no multiplication."""
    total = None
    for c, v in sorted(((c, v) for c, v in zip(row, x, strict=True) if c), key=lambda term: term[0] != 1):
        if total is None:
            total = v if c == 1 else builder.fmul(_constant(c, v.type), v)
        elif abs(c) == 1:
            total = builder.fadd(total, v) if c == 1 else builder.fsub(total, v)
        else:
            total = multiply_add(builder, _constant(c, v.type), v, total)
    return total


def _constant(fraction, vector_type):
    return ir.Constant(vector_type, [float(fraction)] * vector_type.count)
