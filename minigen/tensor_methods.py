"""What type checkers and editors see of the methods of `Tensor` that `minigen.ops` attaches.

Nothing here runs.  Each declaration repeats the signature of a function in `minigen.ops`; a test compares the two.
"""
# ruff: noqa: E501

from typing import TYPE_CHECKING, Any

__all__ = ["TensorMethods"]

if TYPE_CHECKING:
    import builtins
    from collections.abc import Sequence

    from .arguments import Dims
    from .tensor import Tensor

    class TensorMethods:
        """The operators and methods of `Tensor` that compute."""

        @property
        def T(self) -> "Tensor":  # noqa: N802 - PyTorch's name
            """The matrix with its two dimensions swapped; a vector or a number stays as it is."""
            ...

        @property
        def mT(self) -> "Tensor":  # noqa: N802 - PyTorch's name
            """The Tensor with its last two dimensions swapped."""
            ...

        def __hash__(self) -> int: ...
        def __getitem__(self, index: Any) -> "Tensor": ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> "Tensor": ...
        def __radd__(self, other: Any) -> "Tensor": ...
        def __sub__(self, other: Any) -> "Tensor": ...
        def __rsub__(self, other: Any) -> "Tensor": ...
        def __mul__(self, other: Any) -> "Tensor": ...
        def __rmul__(self, other: Any) -> "Tensor": ...
        def __truediv__(self, other: Any) -> "Tensor": ...
        def __rtruediv__(self, other: Any) -> "Tensor": ...
        def __pow__(self, other: Any) -> "Tensor": ...
        def __rpow__(self, other: Any) -> "Tensor": ...
        def __matmul__(self, other: Any) -> "Tensor": ...
        def __rmatmul__(self, other: Any) -> "Tensor": ...
        def __and__(self, other: Any) -> "Tensor": ...
        def __rand__(self, other: Any) -> "Tensor": ...
        def __or__(self, other: Any) -> "Tensor": ...
        def __ror__(self, other: Any) -> "Tensor": ...
        def __xor__(self, other: Any) -> "Tensor": ...
        def __rxor__(self, other: Any) -> "Tensor": ...
        def __lt__(self, other: Any) -> "Tensor": ...
        def __le__(self, other: Any) -> "Tensor": ...
        def __gt__(self, other: Any) -> "Tensor": ...
        def __ge__(self, other: Any) -> "Tensor": ...
        def __eq__(self, other: Any) -> "Tensor": ...  # type: ignore[override]
        def __ne__(self, other: Any) -> "Tensor": ...  # type: ignore[override]
        def __neg__(self) -> "Tensor": ...
        def __abs__(self) -> "Tensor": ...
        def __invert__(self) -> "Tensor": ...

        def abs(self) -> "Tensor":
            """Absolute value: f' = sign(x).  At 0 the vjp is 0."""
            ...

        def add(self, other: Any) -> "Tensor":
            """``input + other``.  Both derivatives are 1."""
            ...

        def add_(self, *args: Any, **kwargs: Any) -> "Tensor":
            """Do `add` in place, and return the Tensor itself."""
            ...

        def all(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> "Tensor":
            """Say whether all elements over `dim` are True (not 0)."""
            ...

        def allclose(
            self, other: "Tensor", rtol: builtins.float = 1e-05, atol: builtins.float = 1e-08, equal_nan: bool = False
        ) -> bool:
            """Say whether ``|input - other| <= atol + rtol * |other|`` for all elements."""
            ...

        def amax(self, dim: Dims = None, keepdim: bool = False) -> "Tensor":
            """Largest element over `dim`.  Ties share the gradient evenly."""
            ...

        def amin(self, dim: Dims = None, keepdim: bool = False) -> "Tensor":
            """Smallest element over `dim`: minus the largest of the negatives."""
            ...

        def any(self, dim: int | tuple[int, ...] | None = None, keepdim: bool = False) -> "Tensor":
            """Say whether any element over `dim` is True (not 0)."""
            ...

        def argmax(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
            """Where the largest element is (the first of equals), as integers; without `dim`, in the flattened Tensor."""
            ...

        def argmin(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
            """Where the smallest element is (the first of equals), as integers; without `dim`, in the flattened Tensor."""
            ...

        def bmm(self, mat2: "Tensor") -> "Tensor":
            """Products of the matrices of two batches, (B, n, k) and (B, k, m)."""
            ...

        def chunk(self, chunks: int, dim: int = 0) -> "tuple[Tensor, ...]":
            """Cut into at most `chunks` parts of one size along `dim`; the last one may be smaller."""
            ...

        def clamp(self, min: builtins.float | None = None, max: builtins.float | None = None) -> "Tensor":
            """Limit every element to [min, max]; see `minigen.ops.elementwise.clamp`."""
            ...

        def clamp_(self, *args: Any, **kwargs: Any) -> "Tensor":
            """Do `clamp` in place, and return the Tensor itself."""
            ...

        def clone(self) -> "Tensor":
            """A copy: f' = 1."""
            ...

        def copy_(self, source: Any) -> "Tensor":
            """Write the values of `source` into the Tensor, and return it; the shapes broadcast."""
            ...

        def cos(self) -> "Tensor":
            """Cosine: f' = -sin."""
            ...

        def cumsum(self, dim: int) -> "Tensor":
            """Running sums along `dim`: element i is the sum of the elements up to i."""
            ...

        def div(self, other: Any) -> "Tensor":
            r"""``input / other``: $\partial_x (x / y) = 1 / y$ and $\partial_y (x / y) = -(x / y) / y$."""
            ...

        def div_(self, *args: Any, **kwargs: Any) -> "Tensor":
            """Do `div` in place, and return the Tensor itself."""
            ...

        def double(self) -> "Tensor":
            """Return the Tensor in float64."""
            ...

        def equal(self, other: "Tensor") -> bool:
            """Say whether two Tensors have the same shape and the same elements."""
            ...

        def erf(self) -> "Tensor":
            r"""The error function $\frac{2}{\sqrt \pi} \int_0^x e^{-t^2} dt$: $f' = \frac{2}{\sqrt \pi} e^{-x^2}$."""
            ...

        def exp(self) -> "Tensor":
            """The exponential of each element: f' = f."""
            ...

        def expand(self, *shape: Any) -> "Tensor":
            """Repeat along dimensions of size 1, or new leading ones; -1 keeps a dimension's size."""
            ...

        def expm1(self) -> "Tensor":
            """``exp(input) - 1``, exact for small elements: f' = f + 1."""
            ...

        def fill_(self, value: Any) -> "Tensor":
            """Write `value` into every element, and return the Tensor."""
            ...

        def flatten(self, start_dim: int = 0, end_dim: int = -1) -> "Tensor":
            """Merge the dimensions from `start_dim` to `end_dim` into one."""
            ...

        def flip(self, dims: int | Sequence[int]) -> "Tensor":
            """Reverse the order of the elements along `dims`."""
            ...

        def float(self) -> "Tensor":
            """Return the Tensor in float32."""
            ...

        def gather(self, dim: int, index: Any) -> "Tensor":
            """Pick along `dim` the elements that `index` names: ``out[i][j] = input[i][index[i][j]]`` for `dim` 1."""
            ...

        def isfinite(self) -> "Tensor":
            """Say of each element whether it is neither infinite nor NaN."""
            ...

        def isnan(self) -> "Tensor":
            """Say of each element whether it is NaN."""
            ...

        def log(self) -> "Tensor":
            """Natural logarithm: f' = 1/x.  Of zero it is -inf, of a negative number NaN."""
            ...

        def log1p(self) -> "Tensor":
            """``log(1 + input)``, exact for small elements: f' = 1/(1 + x)."""
            ...

        def log_softmax(self, dim: int) -> "Tensor":
            """Logarithm of the softmax along `dim`."""
            ...

        def logsumexp(self, dim: Dims, keepdim: bool = False) -> "Tensor":
            r"""$\log \sum e^{x}$ over `dim`, computed as $m + \log \sum e^{x - m}$ with m the largest element."""
            ...

        def long(self) -> "Tensor":
            """Return the Tensor in int64; fractions are cut off."""
            ...

        def masked_fill(self, mask: Any, value: Any) -> "Tensor":
            """Put `value` where `mask` is True; the shapes broadcast."""
            ...

        def matmul(self, other: Any) -> "Tensor":
            """``input @ other``: matrices in the last two dimensions; leading ones broadcast; a vector is one row or column."""
            ...

        def max(self, dim: int | None = None, keepdim: bool = False) -> Any:
            """Largest element; with `dim`, the largest along it and where it was."""
            ...

        def maximum(self, other: Any) -> "Tensor":
            """The larger of two, element by element.  At a tie the vjp gives each half."""
            ...

        def mean(self, dim: Dims = None, keepdim: bool = False) -> "Tensor":
            """Mean of the elements: their sum, divided by how many there are (NaN if there are none)."""
            ...

        def min(self, dim: int | None = None, keepdim: bool = False) -> Any:
            """Smallest element; with `dim`, the smallest along it and where it was.  See `max`."""
            ...

        def minimum(self, other: Any) -> "Tensor":
            """The smaller of two, element by element.  At a tie the vjp gives each half."""
            ...

        def mm(self, mat2: "Tensor") -> "Tensor":
            """Product of two matrices."""
            ...

        def mul(self, other: Any) -> "Tensor":
            """``input * other``.  The derivative in each factor is the other factor."""
            ...

        def mul_(self, *args: Any, **kwargs: Any) -> "Tensor":
            """Do `mul` in place, and return the Tensor itself."""
            ...

        def neg(self) -> "Tensor":
            """``-input``."""
            ...

        def norm(self, p: builtins.float = 2, dim: Dims = None, keepdim: bool = False) -> "Tensor":
            r"""Length of the vectors along `dim`: $\left( \sum |x|^p \right)^{1/p}$."""
            ...

        def permute(self, *dims: Any) -> "Tensor":
            """Reorder the dimensions: dimension i of the result is dimension ``dims[i]`` of `input`."""
            ...

        def pow(self, exponent: Any) -> "Tensor":
            """``base ** exponent``, where one of the two is a Python number."""
            ...

        def pow_(self, *args: Any, **kwargs: Any) -> "Tensor":
            """Do `pow` in place, and return the Tensor itself."""
            ...

        def prod(self, dim: int | None = None, keepdim: bool = False) -> "Tensor":
            """Product of the elements, of all of them or along `dim`."""
            ...

        def relu(self) -> "Tensor":
            """``max(input, 0)``: a `leaky_relu` of slope 0.  At 0 the vjp is 0."""
            ...

        def repeat(self, *repeats: Any) -> "Tensor":
            """Repeat the whole Tensor ``repeats[i]`` times along dimension i, as ``numpy.tile`` does."""
            ...

        def reshape(self, *shape: Any) -> "Tensor":
            """Arrange the same elements, in the same order, in another shape."""
            ...

        def sigmoid(self) -> "Tensor":
            r"""The logistic function $\sigma(x) = 1 / (1 + e^{-x})$: $f' = \sigma (1 - \sigma)$."""
            ...

        def sin(self) -> "Tensor":
            """Sine: f' = cos."""
            ...

        def softmax(self, dim: int) -> "Tensor":
            """Positive numbers that sum to 1 along `dim`."""
            ...

        def split(self, split_size: int | Sequence[int], dim: int = 0) -> "tuple[Tensor, ...]":
            """Cut into parts of `split_size` along `dim`; the last one may be smaller."""
            ...

        def sqrt(self) -> "Tensor":
            r"""Square root: $f' = 1 / (2 \sqrt x)$, infinite at 0."""
            ...

        def square(self) -> "Tensor":
            """``input * input``: f' = 2x."""
            ...

        def squeeze(self, dim: int | None = None) -> "Tensor":
            """Drop dimensions of size 1: all of them, or `dim` if it has size 1."""
            ...

        def std(
            self,
            dim: Dims = None,
            unbiased: bool = True,
            keepdim: bool = False,
            *,
            correction: builtins.float | None = None,
        ) -> "Tensor":
            """Standard deviation: the square root of `var`.  Where the variance is 0 the gradient is 0, as in PyTorch."""
            ...

        def sub(self, other: Any) -> "Tensor":
            """``input - other``.  The derivatives are 1 and -1."""
            ...

        def sub_(self, *args: Any, **kwargs: Any) -> "Tensor":
            """Do `sub` in place, and return the Tensor itself."""
            ...

        def sum(self, dim: Dims = None, keepdim: bool = False) -> "Tensor":
            """Sum of the elements; of integers and booleans it is an int64."""
            ...

        def t(self) -> "Tensor":
            """Transpose a matrix; a vector stays as it is."""
            ...

        def take_along_dim(self, indices: Any, dim: int | None = None) -> "Tensor":
            """Pick along `dim` the element that `indices` names at each place."""
            ...

        def tanh(self) -> "Tensor":
            """Hyperbolic tangent: f' = 1 - f^2."""
            ...

        def to(self, *targets: Any, dtype: Any = None, device: str | None = None) -> "Tensor":
            """Return the Tensor on another device or in another dtype; itself if there is nothing to change."""
            ...

        def transpose(self, dim0: int, dim1: int) -> "Tensor":
            """Swap two dimensions."""
            ...

        def tril(self, diagonal: int = 0) -> "Tensor":
            """Keep the lower triangle of each matrix, up to the `diagonal`-th diagonal; the rest is 0."""
            ...

        def triu(self, diagonal: int = 0) -> "Tensor":
            """Keep the upper triangle of each matrix, from the `diagonal`-th diagonal on; the rest is 0."""
            ...

        def unbind(self, dim: int = 0) -> "tuple[Tensor, ...]":
            """Cut into slices along `dim`, and drop `dim`: the time steps of a sequence."""
            ...

        def unsqueeze(self, dim: int) -> "Tensor":
            """Insert a dimension of size 1 at `dim`."""
            ...

        def var(
            self,
            dim: Dims = None,
            unbiased: bool = True,
            keepdim: bool = False,
            *,
            correction: builtins.float | None = None,
        ) -> "Tensor":
            """Variance: the squared distances from the mean, summed and divided by n - 1."""
            ...

        def view(self, *shape: Any) -> "Tensor":
            """Arrange the same elements, in the same order, in another shape."""
            ...

        def zero_(self) -> "Tensor":
            """Write 0 into every element, and return the Tensor."""
            ...

else:
    TensorMethods = object
