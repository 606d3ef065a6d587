"""The Tensor: an array, and how it was computed.

A Tensor holds an array (`data`), whether its gradient is asked for (`requires_grad`), the gradient once it is computed
(`grad`), and the `Node` of the operation that made it (`node`; None for a *leaf*, which no operation made).  The
operators and methods that compute, such as ``x * y`` and ``x.sum()``, are attached by `minigen.ops` (and declared for
editors in `minigen.tensor_methods`); the gradients are computed by `minigen.engine`.

**Arrays must not change between the forward and the backward pass.**  A vjp reads the inputs of its operation long
after the forward pass.  So the array of a Tensor is read-only.  There are three ways to change a Tensor:

- an in-place operator or an assignment, under `no_grad` where a gradient is asked for: ``w -= 0.1 * w.grad``;
- another array: ``w.data = array``;
- the array itself, opened for writing: ``with w.inplace() as array: array[0] = 1``.

All three are counted.  A backward pass that would read a changed Tensor raises an error instead of computing a wrong
gradient.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import backend, hints
from .backend import Array
from .tensor_methods import TensorMethods

if TYPE_CHECKING:
    from .engine import Node

__all__ = ["Tensor", "as_tensor", "from_dlpack", "inplace_all", "tensor"]

DType: TypeAlias = np.dtype[Any]


class Tensor(TensorMethods):
    """An array that remembers how it was computed.

    Make one with `tensor`, which copies.  ``Tensor(array)`` takes the array over and makes it read-only.

    Parameters
    ----------
    data : array
        float32 or float64; integers and booleans too, for labels, indices and masks, without a gradient.
    requires_grad : bool
        Whether gradients with respect to this Tensor will be asked for.

    Raises
    ------
    TypeError
        If `data` is not an array, or holds something else than floats, integers or booleans.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_requires_grad", "_retains_grad", "node", "version")

    def __init__(self, data: Any, requires_grad: bool = False):
        if type(data) is np.ndarray and data.dtype in backend.FLOATS:  # the usual case, which needs no other check
            data.setflags(write=False)
        else:
            data = backend.freeze(_checked(data, requires_grad))
        self._data: Array = data
        self._requires_grad = requires_grad
        self._retains_grad = False
        self._grad: Tensor | None = None
        self.node: Node | None = None
        # The number of changes to this memory; all Tensors whose arrays are views of it share the list.
        # A second element is the array that owns the memory, once there is a view of it.
        self.version: list[Any] = [0]

    # ---- the array

    @property
    def data(self) -> Array:
        """The array; NumPy's are read-only.

        Assigning gives the Tensor another array of the same shape, dtype and device.  ``w.data -= x`` raises an error,
        because NumPy writes into the array before it assigns: write ``w -= x`` under `no_grad`, or
        ``w.data = w.data - x``.  What is computed from the array, and a copy of it, can be written to.
        """
        return backend.shown(self._data)

    @data.setter
    def data(self, array: Any) -> None:
        array = array.data if isinstance(array, Tensor) else array
        if not backend.is_array(array) or array.shape != self.shape or array.dtype != self.dtype:
            raise ValueError(f"data: expected an array {self.dtype}{list(self.shape)}, got {backend.describe(array)}")
        if backend.device_of(array) != self.device:
            raise ValueError(f"data: expected an array on {self.device}, got one on {backend.device_of(array)}")
        self.set_array(array)

    def set_array(self, array: Any) -> None:
        """Give the Tensor another array of any shape, dtype and device, without the checks of `data`."""
        array = backend.plain(array)
        self._data = backend.freeze(array.copy() if array.base is not None else array)
        self.version = [0]

    @contextmanager
    def inplace(self) -> Iterator[Array]:
        """Open the array for writing; a graph that still needs the old values raises an error.

        >>> import minigen as mg
        >>> w = mg.tensor([1.0, 2.0])
        >>> with w.inplace() as array:
        ...     array -= 0.5
        >>> w
        tensor([0.5, 1.5])
        """
        with inplace_all([self]) as (array,):
            yield array

    def _unlock(self) -> list[Array]:
        """Make the array writeable; the arrays of NumPy's that this concerns."""
        base = self._data.base
        if base is not None and not (len(self.version) > 1 and self.version[1] is base):
            self.set_array(self._data)  # the memory belongs to no Tensor: write into a copy
            base = None
        self.version[0] += 1
        locked = [a for a in (base, self._data) if isinstance(a, np.ndarray)]
        for a in locked:  # a view can be opened only after its base
            a.flags.writeable = True
        return locked

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes along each dimension."""
        shape: tuple[int, ...] = self._data.shape
        return shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    @property
    def dtype(self) -> DType:
        """Element type, as NumPy names it."""
        dtype: DType = self._data.dtype
        return dtype

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda"``."""
        return backend.device_of(self._data)

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this Tensor; `backward` leaves gradients in the leaves."""
        return self.node is None

    def numel(self) -> int:
        """Return the number of elements."""
        return self._data.size

    def dim(self) -> int:
        """Return the number of dimensions, as `ndim`."""
        return self._data.ndim

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or the size along `dim`.

        >>> import minigen as mg
        >>> mg.ones(2, 3).size(), mg.ones(2, 3).size(-1)
        ((2, 3), 3)
        """
        if dim is None:
            return self.shape
        if not -self.ndim <= dim < self.ndim:
            raise IndexError(f"size: dim {dim} is out of range for shape {self.shape}")
        return self.shape[dim]

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a Tensor without dimensions")
        return self.shape[0]

    def __iter__(self) -> "Iterator[Tensor]":
        if not self.shape:
            raise TypeError("iteration over a Tensor without dimensions; t.item() gives its number")
        return (self[i] for i in range(self.shape[0]))

    def __repr__(self) -> str:
        body = np.array2string(backend.to_device(self._data, "cpu"), separator=", ", prefix="tensor(", threshold=100)
        notes = [] if self.dtype in (np.float32, np.int64, np.bool_) else [f"dtype={self.dtype}"]
        if self._data.size == 0:
            notes.append(f"shape={self.shape}")
        if self.device != "cpu":
            notes.append(f"device={self.device!r}")
        if self.node is not None:
            notes.append(f"made by {self.node.primitive.name}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([body, *notes])})"

    # ---- copies and other types

    def detach(self) -> "Tensor":
        """Return the same values as a constant: gradients stop here.

        A generator's images are detached before the discriminator's update, which must not reach the generator.
        """
        out = Tensor(self._data)
        out.version = self.version
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        """Copy a leaf and its array, for ``copy.deepcopy`` of a Module; a gradient is not copied.

        >>> import copy
        >>> import minigen as mg
        >>> network = mg.nn.Linear(2, 1)
        >>> copy.deepcopy(network).weight is network.weight
        False
        """
        if self.node is not None:
            raise RuntimeError(f"deepcopy: expected a leaf, got a Tensor made by {self.node.primitive.name}: detach it")
        memo[id(self)] = out = type(self)(self._data.copy(), self._requires_grad)
        return out

    def __reduce__(self) -> tuple[Any, ...]:
        if self.node is not None:
            raise RuntimeError(f"pickle: expected a leaf, got a Tensor made by {self.node.primitive.name}: detach it")
        return type(self), (self._data, self._requires_grad)

    def item(self) -> Any:
        """Return the one element of a Tensor of one element, as a Python number."""
        if self._data.size != 1:
            raise ValueError(f"item: expected one element, got shape {self.shape}")
        return self._data.item()

    def tolist(self) -> Any:
        """Return the values as nested lists of Python numbers.

        >>> import minigen as mg
        >>> mg.arange(3).tolist()
        [0, 1, 2]
        """
        return self._data.tolist()

    def numpy(self) -> Array:
        """Return the values as a read-only NumPy array; copy it to write."""
        array: Array = backend.shown(backend.to_device(self._data, "cpu"))
        return array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **kwargs: Any) -> Any:
        if kwargs.get("copy") is False:
            raise BufferError("__dlpack__: a Tensor's memory is read-only and only leaves as a copy")
        return self._data.copy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._data.__dlpack_device__()

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(f"truth value of a Tensor of shape {self.shape} is ambiguous; use t.any() or t.all()")
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.dtype in backend.FLOATS:
            raise TypeError(f"a Tensor of dtype {self.dtype} cannot serve as an index")
        return int(self.item())

    # ---- gradients

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this Tensor are asked for.

        Assigning turns it on or off for a leaf.  For a Tensor that an operation made it cannot be turned off: use
        `detach`.
        """
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"requires_grad: expected a bool, got {backend.describe(value)}")
        if value and self.dtype not in backend.FLOATS:
            raise TypeError(f"requires_grad: only float32 and float64 can have a gradient, got dtype {self.dtype}")
        if not value and self.node is not None:
            raise RuntimeError(
                f"requires_grad: cannot be turned off for a Tensor made by {self.node.primitive.name}; use t.detach()"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Turn `requires_grad` on or off, and return the Tensor itself.

        >>> import minigen as mg
        >>> mg.ones(2).requires_grad_()
        tensor([1., 1.], requires_grad=True)
        """
        self.requires_grad = requires_grad
        return self

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that `backward` has added up here; None before the first one.

        Only a leaf keeps its gradient.  For any other Tensor call `retain_grad` before `backward`, or use
        `minigen.grad`.
        """
        if self._grad is None and self.node is not None and self._requires_grad and not self._retains_grad:
            warnings.warn(
                f"grad: a Tensor made by {self.node.primitive.name} does not keep its gradient; call t.retain_grad() "
                "before backward(), or use minigen.grad(loss, t)",
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    f"grad: expected a Tensor or None, got {backend.describe(value)}; minigen.tensor(...) makes one"
                )
            if value is self:
                raise ValueError("grad: a Tensor cannot be its own gradient")
            if value.shape != self.shape or value.dtype != self.dtype or value.device != self.device:
                raise ValueError(
                    f"grad: expected a Tensor {self.dtype}{list(self.shape)} on {self.device}, "
                    f"got {value.dtype}{list(value.shape)} on {value.device}"
                )
        self._grad = value

    def retain_grad(self) -> None:
        """Let `backward` keep the gradient of this Tensor too, though an operation made it.

        >>> import minigen as mg
        >>> x = mg.tensor(3.0, requires_grad=True)
        >>> y = x * x
        >>> y.retain_grad()
        >>> (2 * y).backward()
        >>> y.grad
        tensor(2.)
        """
        if not self._requires_grad:
            raise RuntimeError("retain_grad: this Tensor does not require a gradient")
        self._retains_grad = True

    def backward(
        self, gradient: "Tensor | None" = None, retain_graph: bool | None = None, create_graph: bool = False
    ) -> None:
        """Add the gradient of this Tensor to the ``grad`` of every leaf it was computed from.

        Parameters
        ----------
        gradient : Tensor, optional
            The cotangent: of this Tensor's shape and dtype.  May be left out when there is one element.
        retain_graph : bool, optional
            Keep the graph for another pass.  By default as `create_graph`.
        create_graph : bool
            Record the pass itself, so that the gradient can be differentiated again.

        Raises
        ------
        RuntimeError
            If no gradient is asked for here, the graph was freed, or a Tensor changed since the forward pass.
        ValueError
            If `gradient` is missing or has another shape or dtype.
        """
        from . import engine

        engine.backward(self, gradient, retain_graph, create_graph)

    # ---- NumPy's functions

    __array_priority__ = 1000

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from . import ops

        function = ops.FROM_NUMPY.get(ufunc) if method == "__call__" and not kwargs else None
        if function is None:
            remedy = _IN_PLACE if "out" in kwargs else _REMEDY
            raise TypeError(f"numpy.{ufunc.__name__} does not work on a Tensor: {remedy}")
        return function(*inputs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} does not work on a Tensor: {_REMEDY}")

    def __dir__(self) -> list[str]:
        """List the names that exist, without those that only name a replacement."""
        return sorted(set(super().__dir__()) - set(hints.TENSOR))


for _name in hints.TENSOR:  # a `__getattr__` would make every access to an attribute slower
    setattr(Tensor, _name, hints.LeftOut("Tensor", _name, hints.TENSOR))

_REMEDY = "use minigen's function of that name, or give NumPy the values alone, t.numpy()"
_IN_PLACE = "a Tensor's array is read-only; write `t -= x` under minigen.no_grad(), or `with t.inplace() as array`"


def _checked(data: Any, requires_grad: bool) -> Any:
    """The array that a Tensor holds for `data`, if it can hold it."""
    if not backend.is_array(data):
        raise TypeError(f"Tensor: expected an array, got {backend.describe(data)}; minigen.tensor(...) makes one")
    if data.dtype not in backend.FLOATS:
        if data.dtype.kind not in "iub":
            raise TypeError(f"Tensor: expected float32, float64, integers or booleans, got dtype {data.dtype}")
        if requires_grad:
            raise TypeError(f"Tensor: only float32 and float64 can have a gradient, got dtype {data.dtype}")
    return backend.plain(np.asarray(data) if isinstance(data, np.generic) else data)


def tensor(data: Any, *, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """Make a Tensor from numbers, nested lists or an array.  The values are copied.

    Parameters
    ----------
    data : number, sequence, array or Tensor
        An array keeps its dtype, if that is float32, float64, integer or boolean; Python floats become float32.
        Arrays of other libraries, such as PyTorch's, come in by DLPack.
    dtype : dtype, optional
    device : {"cpu", "cuda"}, optional
        By default an array stays where it is, and other data goes to the CPU.
    requires_grad : bool

    Returns
    -------
    Tensor

    Raises
    ------
    TypeError
        If the values are not numbers, or cannot have a gradient and one is asked for.

    Examples
    --------
    >>> tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    if isinstance(data, Tensor):
        data = data.data
    if not backend.is_array(data) and hasattr(data, "__dlpack__"):
        data = from_dlpack(data).data
    if not backend.is_array(data):
        try:
            data = np.array(data)
        except ValueError as error:
            raise TypeError(f"tensor: rows of unequal length ({error})") from None
        if dtype is None and data.dtype == np.float64:
            dtype = np.float32
    if data.dtype.kind not in "fiub":
        raise TypeError(f"tensor: expected numbers, got dtype {data.dtype}")
    moves = device is not None and device != backend.device_of(data)  # which copies
    array = data.astype(dtype or data.dtype, copy=not moves)
    array = np.asarray(array) if isinstance(array, np.generic) else array
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


@contextmanager
def inplace_all(tensors: Sequence[Tensor]) -> Iterator[list[Array]]:
    """Open the arrays of several Tensors for writing, as `Tensor.inplace` does with one.

    >>> a, b = tensor([1.0]), tensor([2.0])
    >>> with inplace_all([a, b]) as arrays:
    ...     for array in arrays:
    ...         array += 1
    >>> a, b
    (tensor([2.]), tensor([3.]))
    """
    locked: list[Array] = []
    try:
        for t in tensors:
            locked += t._unlock()
        yield [t._data for t in tensors]
    finally:
        for array in locked:
            backend.freeze(array)


def as_tensor(data: Any, dtype: Any = None, device: str | None = None) -> Tensor:
    """Make a Tensor as `tensor` does, but return a Tensor that fits already as it is.

    >>> x = tensor([1.0])
    >>> as_tensor(x) is x
    True
    """
    if not isinstance(data, Tensor):
        return tensor(data, dtype=dtype, device=device)
    return data.to(dtype=dtype, device=device)


def from_dlpack(source: Any) -> Tensor:
    """Make a Tensor with a copy of the values of any array that speaks DLPack (PyTorch, JAX, CuPy, NumPy ...).

    >>> import numpy as np
    >>> from_dlpack(np.ones(2, np.float32))
    tensor([1., 1.])
    """
    if source.__dlpack_device__()[0] in (1, 3):
        return tensor(np.from_dlpack(source))
    return tensor(backend.gpu_module().from_dlpack(source))
