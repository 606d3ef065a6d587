"""The Tensor: an array, and how it came to be.

A Tensor holds an array (`data`), whether anyone wants its gradient (`requires_grad`), the gradient once it is known
(`grad`), and the `Node` that made it (`node`; None for a *leaf*, which nobody made).  The operators and methods that
compute, such as ``x * y`` and ``x.sum()``, are attached by `minigen.ops`; the gradients are worked out by
`minigen.engine`.

**Arrays do not change under a gradient's feet.**  A vjp reads the inputs of its operation long after the forward pass.
So the array of a Tensor is read-only; to change a Tensor one either gives it another array (``t.data = array``) or
writes in place in the open (``with t.inplace() as array:``).  Both are counted, and a backward pass that would read a
changed Tensor raises an error in place of a wrong gradient.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from . import backend

if TYPE_CHECKING:
    from .engine import Node

__all__ = ["Tensor", "from_dlpack", "tensor"]


class Tensor:
    """An array that remembers how it was computed.

    Make one with `tensor`, which copies; ``Tensor(array)`` takes the array over and freezes it.

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

    __slots__ = ("__weakref__", "_data", "grad", "node", "requires_grad", "version")

    def __init__(self, data: Any, requires_grad: bool = False):
        if not hasattr(data, "dtype") or not hasattr(data, "shape"):
            raise TypeError(f"Tensor: expected an array, got {type(data).__name__}; minigen.tensor(...) makes one")
        if data.dtype not in backend.FLOATS:
            if data.dtype.kind not in "iub":
                raise TypeError(f"Tensor: expected float32, float64, integers or booleans, got dtype {data.dtype}")
            if requires_grad:
                raise TypeError(f"Tensor: only float32 and float64 can have a gradient, got dtype {data.dtype}")
        if isinstance(data, np.generic):
            data = np.asarray(data)
        self._data = backend.freeze(data)
        self.requires_grad = requires_grad
        self.grad: Tensor | None = None
        self.node: Node | None = None
        # One count per piece of memory: Tensors whose arrays are views of one another share it.
        self.version = [0]

    # ---- what it is

    @property
    def data(self) -> Any:
        """The array; NumPy's are read-only.  Assigning gives another array of the same shape, dtype and device."""
        return self._data

    @data.setter
    def data(self, array: Any) -> None:
        array = array.data if isinstance(array, Tensor) else array
        if not hasattr(array, "dtype") or array.shape != self.shape or array.dtype != self.dtype:
            found = f"{array.dtype}{list(array.shape)}" if hasattr(array, "dtype") else type(array).__name__
            raise ValueError(f"data: expected an array {self.dtype}{list(self.shape)}, got {found}")
        if backend.device_of(array) != self.device:
            raise ValueError(f"data: expected an array on {self.device}, got one on {backend.device_of(array)}")
        self.set_array(array)

    def set_array(self, array: Any) -> None:
        """Give the Tensor another array, of whatever shape, dtype and device; `data` checks that they stay."""
        self._data = backend.freeze(array.copy() if _is_borrowed(array) else array)
        self.version = [0]

    @contextmanager
    def inplace(self) -> Iterator[Any]:
        """Open the array for writing in place; graphs that still need its old values will say so.

        >>> import minigen as mg
        >>> w = mg.tensor([1.0, 2.0])
        >>> with w.inplace() as array:
        ...     array -= 0.5
        >>> w
        tensor([0.5, 1.5])
        """
        if _is_borrowed(self._data):
            self.data = self._data
        self.version[0] += 1
        if isinstance(self._data, np.ndarray):
            self._data.flags.writeable = True
        try:
            yield self._data
        finally:
            backend.freeze(self._data)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes along each dimension."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._data.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Element type, as NumPy names it."""
        return self._data.dtype

    @property
    def device(self) -> str:
        """``"cpu"`` or ``"cuda"``."""
        return backend.device_of(self._data)

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this Tensor; `backward` leaves gradients in the leaves."""
        return self.node is None

    def numel(self) -> int:
        """Number of elements."""
        return self._data.size

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a Tensor without dimensions")
        return self.shape[0]

    def __repr__(self) -> str:
        body = np.array2string(backend.to_device(self._data, "cpu"), separator=", ", prefix="tensor(", threshold=100)
        notes = [] if self.dtype in (np.float32, np.int64, np.bool_) else [f"dtype={self.dtype}"]
        if self._data.size == 0:
            notes.append(f"shape={self.shape}")
        if self.device != "cpu":
            notes.append(f"device={self.device!r}")
        if self.node is not None:
            notes.append(f"made by {self.node.primitive.name}")
        elif self.requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([body, *notes])})"

    # ---- leaving the graph

    def detach(self) -> "Tensor":
        """The same values as a constant: gradients stop here.

        A generator's images are detached before the discriminator's update, which must not reach the generator.
        """
        out = Tensor(self._data)
        out.version = self.version
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        """A leaf with an array of its own, for ``copy.deepcopy`` of a Module; a gradient is not copied.

        >>> import copy
        >>> import minigen as mg
        >>> network = mg.nn.Linear(2, 1)
        >>> copy.deepcopy(network).weight is network.weight
        False
        """
        if self.node is not None:
            raise RuntimeError(f"deepcopy: expected a leaf, got a Tensor made by {self.node.primitive.name}: detach it")
        memo[id(self)] = out = type(self)(self._data.copy(), self.requires_grad)
        return out

    def item(self) -> Any:
        """The one element of a Tensor of one element, as a Python number."""
        if self._data.size != 1:
            raise ValueError(f"item: expected one element, got shape {self.shape}")
        return self._data.item()

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a read-only NumPy array; copy it to write."""
        return backend.to_device(self._data, "cpu")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
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
            raise ValueError(f"truth value of a Tensor of shape {self.shape} is ambiguous")
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
            If no gradient is wanted here, the graph was freed, or a Tensor changed since the forward pass.
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
            raise TypeError(f"numpy.{ufunc.__name__} does not work on a Tensor: {_REMEDY}")
        return function(*inputs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} does not work on a Tensor: {_REMEDY}")

    if TYPE_CHECKING:  # attached by minigen.ops; declared here for readers and type checkers

        def _computed(self, *args: Any, **kwargs: Any) -> "Tensor": ...

        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _computed
        __pow__ = __rpow__ = __neg__ = __matmul__ = __rmatmul__ = __getitem__ = __abs__ = _computed
        __lt__ = __le__ = __gt__ = __ge__ = _computed
        exp = log = sqrt = square = abs = tanh = sigmoid = clamp = relu = maximum = minimum = matmul = _computed
        sum = mean = var = std = max = min = amax = amin = argmax = argmin = logsumexp = softmax = _computed
        reshape = view = flatten = squeeze = unsqueeze = permute = transpose = expand = flip = _computed
        clone = to = cos = sin = log1p = log_softmax = take_along_dim = _computed
        T: Any


_REMEDY = "use minigen's function of that name, or give NumPy the values alone, t.numpy()"


def _is_borrowed(array: Any) -> bool:
    """Whether the array's memory belongs to someone else, who could write to it (or hold it against writing)."""
    return array.base is not None


def tensor(data: Any, requires_grad: bool = False, dtype: Any = None, device: str | None = None) -> Tensor:
    """Make a Tensor from numbers, nested lists or an array.  The values are copied.

    Parameters
    ----------
    data : number, sequence, array or Tensor
        An array keeps its dtype, if that is float32, float64, integer or boolean; Python floats become float32.
    requires_grad : bool
    dtype : dtype, optional
    device : {"cpu", "cuda"}, optional
        By default an array stays where it is, and other data goes to the CPU.

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
    if not hasattr(data, "dtype"):
        try:
            data = np.array(data)
        except ValueError as error:
            raise TypeError(f"tensor: rows of unequal length ({error})") from None
        if dtype is None and data.dtype == np.float64:
            dtype = np.float32
    if data.dtype.kind not in "fiub":
        raise TypeError(f"tensor: expected numbers, got dtype {data.dtype}")
    array = data.astype(dtype or data.dtype, copy=True)
    array = np.asarray(array) if isinstance(array, np.generic) else array
    return Tensor(array if device is None else backend.to_device(array, device), requires_grad)


def from_dlpack(source: Any) -> Tensor:
    """A Tensor with a copy of the values of any array that speaks DLPack (PyTorch, JAX, CuPy, NumPy ...).

    >>> import numpy as np
    >>> from_dlpack(np.ones(2, np.float32))
    tensor([1., 1.])
    """
    if source.__dlpack_device__()[0] in (1, 3):
        return tensor(np.from_dlpack(source))
    return tensor(backend._cupy().from_dlpack(source))
