r"""The engine: reverse-mode automatic differentiation, to any order.

**A primitive** is a function on arrays together with one *vector-Jacobian product* (vjp) per argument.  For $y = f(x)$
and a loss $L(y)$ the vjp turns the *cotangent* $g = \partial L / \partial y$ into
$\partial L / \partial x = g^\top \partial f / \partial x$.  The Jacobian itself is never formed.

**Forward sees arrays, gradient rules see Tensors.**  A vjp is written with Tensor operations, which are themselves
primitives.  So a backward pass is an ordinary computation and can be recorded like any other.  The gradient of a
gradient needs no further code.

**The backward pass** visits the nodes from the newest to the oldest.  Every node is made after its inputs.  So when a
node is visited, every operation that used its output has already added its part of the gradient.
"""

import inspect
import itertools
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ContextDecorator
from operator import attrgetter
from types import MethodType
from typing import Any, Self, TypeAlias, overload

import numpy as np

from . import backend
from .kernels import find
from .tensor import DType, Tensor, tensor

__all__ = [
    "Node",
    "Primitive",
    "backward",
    "enable_grad",
    "grad",
    "is_grad_enabled",
    "no_grad",
    "primitive",
    "primitives",
]

Rule: TypeAlias = Callable[..., Tensor]

primitives: dict[str, "Primitive"] = {}
"""Every primitive by name; the test suite enumerates them."""


class _GradMode(threading.local):
    """Hold this thread's grad mode; `outer` is the stack of modes to restore."""

    def __init__(self) -> None:
        self.enabled = True
        self.outer: list[bool] = []


_grad_mode = _GradMode()
_sequence_numbers = itertools.count()
_NUMBERS = (bool, int, float, np.generic)
_array_of = attrgetter("_data")


def is_grad_enabled() -> bool:
    """Say whether operations are being recorded in this thread.

    >>> is_grad_enabled()
    True
    """
    return _grad_mode.enabled


class _SetGradMode(ContextDecorator):
    """Set this thread's grad mode inside a block, and restore it afterwards."""

    enabled: bool

    def __enter__(self) -> None:
        _grad_mode.outer.append(_grad_mode.enabled)
        _grad_mode.enabled = self.enabled

    def __exit__(self, *exception: object) -> None:
        _grad_mode.enabled = _grad_mode.outer.pop()


class no_grad(_SetGradMode):  # noqa: N801 - PyTorch's name
    """Do not record operations inside this block (or function, as a decorator).

    >>> import minigen as mg
    >>> x = mg.tensor([1.0], requires_grad=True)
    >>> with mg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    enabled = False


class enable_grad(_SetGradMode):  # noqa: N801 - PyTorch's name
    """Record operations inside this block, even within `no_grad`.

    >>> import minigen as mg
    >>> with mg.no_grad(), mg.enable_grad():
    ...     mg.is_grad_enabled()
    True
    """

    enabled = True


class Node:
    """Record one use of a primitive: which one, on which Tensors, with which parameters, and what came out."""

    __slots__ = ("inputs", "out_version", "params", "primitive", "sequence_number", "versions")

    def __init__(self, primitive: "Primitive", inputs: tuple[Tensor, ...], params: dict[str, Any], out: Tensor):
        self.primitive: Primitive = primitive
        self.inputs: tuple[Tensor, ...] | None = inputs
        self.params: dict[str, Any] = params
        self.versions: list[tuple[list[Any], int]] = [(t.version, t.version[0]) for t in inputs]
        self.out_version: tuple[list[Any], int] = (out.version, out.version[0])
        self.sequence_number: int = next(_sequence_numbers)

    def read_inputs(self, out: Tensor) -> tuple[Tensor, ...]:
        """Return the inputs, if they are still there, and they and `out` still hold the values of the forward pass."""
        if self.inputs is None:
            raise RuntimeError(
                f"{self.primitive.name}: this graph was already used and freed; "
                "pass retain_graph=True to the first backward() or grad() to use it again"
            )
        for i, (t, (memory, count)) in enumerate(zip(self.inputs, self.versions)):
            if t.version is not memory or memory[0] != count:
                raise RuntimeError(
                    f"{self.primitive.name}: argument {self.primitive.argument(i)!r} (shape {t.shape}) was changed "
                    "after the forward pass that used it; run the forward pass again before asking for its gradient"
                )
        memory, count = self.out_version
        if out.version is not memory or memory[0] != count:
            raise RuntimeError(
                f"{self.primitive.name}: the result (shape {out.shape}) was changed after the forward pass, and its "
                "gradient may need it; run the forward pass again, or change a copy: .clone()"
            )
        return self.inputs


class Primitive:
    """A function on arrays with a vjp per argument, made by the decorator `primitive`.

    As an attribute of a class it is a method, like any function.
    """

    rule_for_uses: Callable[..., Tensor] | None = None

    def __init__(self, forward: Callable[..., Any], any_dtype: bool = False):
        self.forward: Callable[..., Any] = forward
        self.any_dtype: bool = any_dtype
        self.name: str = forward.__name__.rstrip("_")
        self.__name__: str = forward.__name__
        self.__doc__, self.__module__ = forward.__doc__, forward.__module__
        self.__wrapped__: Callable[..., Any] = forward
        signature = inspect.signature(forward)
        parameters = signature.parameters.values()
        self.__signature__: inspect.Signature = signature.replace(  # callers see Tensors, `forward` sees their arrays
            parameters=[p if p.kind is p.KEYWORD_ONLY else p.replace(annotation=Tensor) for p in parameters],
            return_annotation=Tensor,
        )
        self.arguments: list[str] = [
            p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        self.variadic: str | None = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)
        self.rules: dict[str, Rule | None] = {}
        self.rule_for_all: Callable[..., Sequence[Tensor | None]] | None = None
        if self.name in primitives and self.__module__ != "__main__":  # a notebook's cell may be run again
            raise ValueError(f"primitive: the name {self.name!r} is taken")
        primitives[self.name] = self

    def vjp(self, **rules: Rule | None) -> None:
        """Give the vjp of each differentiable argument, by name.

        Each is a pure function ``rule(g, out, *inputs, **params)`` of Tensors.  A variadic argument's rule takes the
        position first, ``rule(i, g, out, *inputs, **params)``.  None says that the derivative is zero wherever it
        exists, as for the argument that only picks a branch.
        """
        unknown = set(rules) - {*self.arguments, self.variadic}
        if unknown:
            raise ValueError(f"{self.name}: vjp for unknown arguments {sorted(unknown)}")
        self.rules.update(rules)

    def vjp_all(self, rule: Callable[..., Sequence[Tensor | None]]) -> None:
        """Give one rule for all arguments, where their vjps share work: ``rule(needed, g, out, *inputs, **params)``.

        `needed` holds the positions of the inputs whose gradients are used.  For the others it may give None.
        """
        self.rule_for_all = rule

    def vjp_uses(self, rule: Callable[..., Tensor]) -> None:
        """Give one rule for several uses of one input, ``rule(gs, params, input)``: the sum of their vjps.

        It is for a primitive with one input that is called many times on the same Tensor, such as a slice for each time
        step.  Added one by one, T slices of one Tensor would cost T arrays of its full size.  The vjp of a single use
        follows from it.
        """
        self.rule_for_uses = rule
        self.rules[self.arguments[0]] = lambda g, out, input, **params: rule((g,), (params,), input)

    def argument(self, i: int) -> str:
        """Return the name of the i-th input."""
        return f"{self.variadic}[{i}]" if self.variadic else self.arguments[i]

    def apply_vjps(
        self, needed: Collection[int], g: Tensor, out: Tensor, inputs: tuple[Tensor, ...], params: dict[str, Any]
    ) -> Iterator[tuple[int, Tensor]]:
        """Compute the vjps of the inputs at the positions `needed`.

        Yields pairs (position, gradient).  An input whose derivative is zero everywhere is left out.
        """
        gradients = self.rule_for_all(needed, g, out, *inputs, **params) if self.rule_for_all else None
        for i in needed:
            if gradients is not None:
                gradient = gradients[i]
            else:
                rule = self.rules[self.variadic or self.arguments[i]]
                if rule is None:
                    continue
                position = (i,) if self.variadic else ()
                gradient = rule(*position, g, out, *inputs, **params)
            yield i, _check_gradient(gradient, inputs[i], self, i)

    def __call__(self, *inputs: Any, **params: Any) -> Tensor:
        """Apply to Tensors (or arrays and numbers, as constants) and record how."""
        tensors = inputs if _are_float_tensors(inputs) else self._as_tensors(inputs)
        array = self.forward(*map(_array_of, tensors), **params)
        out = Tensor(array)
        owner = array if array.base is None else array.base
        requires_grad = False
        for t in tensors:
            if owner is t._data or owner is t._data.base:  # a view shares its memory's count of changes
                out.version = t.version
                if owner is t._data and len(t.version) == 1:
                    t.version.append(owner)
            requires_grad = requires_grad or t._requires_grad
        if requires_grad and _grad_mode.enabled:
            out._requires_grad = True
            out.node = Node(self, tensors, params, out)
        return out

    @overload
    def __get__(self, instance: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: Any = None) -> Callable[..., Tensor]: ...
    def __get__(self, instance: object, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def _as_tensors(self, inputs: Sequence[Any]) -> tuple[Tensor, ...]:
        """Convert inputs to Tensors of one dtype on one device."""
        dtype = self._common_dtype(inputs)
        tensors = tuple(self._as_tensor(i, x, dtype) for i, x in enumerate(inputs))
        if all(t.device == "cpu" for t in tensors):
            return tensors
        if any(t.device == "cpu" and t.shape for t in tensors):
            found = ", ".join(f"{self.argument(i)!r} on {t.device}" for i, t in enumerate(tensors))
            raise ValueError(f"{self.name}: arguments on different devices ({found}); move them with .to(device)")
        return tuple(t.to("cuda") for t in tensors)

    def _common_dtype(self, inputs: Sequence[Any]) -> DType:
        """Choose the dtype of the first float array (of the first array, if any dtype will do), else float32."""
        for x in inputs:
            is_array = isinstance(x, Tensor) or (backend.is_array(x) and not isinstance(x, np.generic))
            if is_array and (self.any_dtype or x.dtype in backend.FLOATS):
                dtype: DType = x.dtype
                return dtype
        return np.dtype(np.float32)

    def _as_tensor(self, i: int, x: Any, dtype: DType) -> Tensor:
        """Convert the i-th input to a Tensor; a number takes `dtype`, an array must have it."""
        if isinstance(x, _NUMBERS):
            if dtype not in backend.FLOATS and not np.can_cast(np.min_scalar_type(x), dtype, "same_kind"):
                raise TypeError(f"{self.name}: argument {self.argument(i)!r}: {x} does not fit dtype {dtype}")
            return Tensor(np.asarray(x, dtype))
        if not isinstance(x, Tensor) and not backend.is_array(x):
            raise TypeError(
                f"{self.name}: argument {self.argument(i)!r}: expected a Tensor, array or number, got "
                f"{backend.describe(x)}"
            )
        t = x if isinstance(x, Tensor) else tensor(x)
        if t.dtype != dtype:
            raise TypeError(
                f"{self.name}: argument {self.argument(i)!r} has dtype {t.dtype}, expected {dtype}"
                + (" like the others" if len(self.arguments) > 1 or self.variadic else "")
                + "; convert it with .to(dtype)"
            )
        return t

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.arguments) or '*' + str(self.variadic)})>"


@overload
def primitive(forward: Callable[..., Any]) -> Primitive: ...
@overload
def primitive(*, any_dtype: bool) -> Callable[[Callable[..., Any]], Primitive]: ...
def primitive(forward: Callable[..., Any] | None = None, *, any_dtype: bool = False) -> Any:
    """Make a function on arrays a primitive.

    Its positional arguments are the inputs, its keyword-only ones are parameters.  The vjps follow with
    ``name.vjp(argument=rule, ...)``.

    Parameters
    ----------
    forward : callable
    any_dtype : bool
        Accept integers and booleans too, as for an operation that only moves elements: ``@primitive(any_dtype=True)``.
    """
    if forward is None:
        return lambda function: Primitive(function, any_dtype)
    return Primitive(forward, any_dtype)


def grad(
    outputs: Tensor | Iterable[Tensor],
    inputs: Tensor | Iterable[Tensor],
    grad_outputs: Tensor | Iterable[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Any, ...]:
    """Compute the gradients of `outputs` with respect to `inputs`, summed over the outputs.

    Parameters
    ----------
    outputs, inputs : Tensor or sequence of Tensor
        Inputs may be leaves or anything computed on the way.
    grad_outputs : Tensor or sequence of Tensor, optional
        A cotangent per output, of its shape and dtype; None stands for 1 where the output has one element.
    retain_graph : bool, optional
        Keep the graph for another pass.  By default as `create_graph`.
    create_graph : bool
        Record the pass itself, so that the result can be differentiated again.
    allow_unused : bool
        Give None for an input that the outputs do not depend on, instead of an error.

    Returns
    -------
    tuple of Tensor
        One per input, always a tuple.

    Raises
    ------
    RuntimeError
        If an input is unused, the graph was freed, or a Tensor changed since the forward pass.
    TypeError
        If an output or an input is not a Tensor.
    ValueError
        If a cotangent is missing or has another shape or dtype.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> (dy,) = mg.grad(x ** 3, x, create_graph=True)
    >>> (d2y,) = mg.grad(dy, x)
    >>> dy.item(), d2y.item()
    (27.0, 18.0)
    """
    outputs, inputs = _as_tensor_list("outputs", outputs), _as_tensor_list("inputs", inputs)
    cotangents: list[Tensor | None] = [None] * len(outputs)
    if grad_outputs is not None:
        cotangents = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    if len(cotangents) != len(outputs):
        raise ValueError(f"grad: expected {len(outputs)} grad_outputs, one per output, got {len(cotangents)}")
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: inputs[{i}] (shape {x.shape}) does not require a gradient")
    gradients = _backward_pass(outputs, cotangents, inputs, retain_graph, create_graph)
    for i, (x, g) in enumerate(zip(inputs, gradients)):
        if g is None and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on inputs[{i}] (shape {x.shape}); allow_unused=True gives None for it"
            )
    return tuple(gradients)


def backward(output: Tensor, gradient: Tensor | None, retain_graph: bool | None, create_graph: bool) -> None:
    """Add the gradient of `output` to the ``grad`` of every leaf; see `Tensor.backward`."""
    receivers = [t for t in _graph([output]) if t.node is None or t._retains_grad]
    gradients = _backward_pass([output], [gradient], receivers, retain_graph, create_graph)
    with enable_grad() if create_graph else no_grad():
        for t, g in zip(receivers, gradients):
            if g is not None:
                t._grad = g if t._grad is None else t._grad + g


def _are_float_tensors(inputs: tuple[Any, ...]) -> bool:
    """Say whether all are Tensors of one float dtype on the CPU: the usual case, which needs no conversion."""
    dtype = None
    for x in inputs:
        if not isinstance(x, Tensor) or type(x._data) is not np.ndarray or (dtype and x._data.dtype != dtype):
            return False
        dtype = x._data.dtype
    return dtype in backend.FLOATS


def _as_tensor_list(name: str, tensors: Any) -> list[Tensor]:
    several: list[Tensor] = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for i, t in enumerate(several):
        if not isinstance(t, Tensor):
            raise TypeError(f"grad: {name}[{i}]: expected a Tensor, got {backend.describe(t)}")
    return several


def _graph(outputs: Iterable[Tensor]) -> list[Tensor]:
    """Every Tensor that `outputs` were computed from and that has a gradient: leaves first, then from old to new."""
    found: dict[int, Tensor] = {}
    waiting = [t for t in outputs if t._requires_grad]
    while waiting:
        t = waiting.pop()
        if id(t) not in found:
            found[id(t)] = t
            if t.node is not None and t.node.inputs is not None:
                waiting.extend(x for x in t.node.inputs if x._requires_grad)
    return sorted(found.values(), key=lambda t: -1 if t.node is None else t.node.sequence_number)


def _backward_pass(
    outputs: list[Tensor],
    grad_outputs: list[Tensor | None],
    inputs: list[Tensor],
    retain_graph: bool | None,
    create_graph: bool,
) -> list[Tensor | None]:
    """Carry the cotangents from `outputs` back to `inputs`; None for an input that is not reached."""
    cotangents: dict[int, Tensor] = {}
    later: dict[int, Tensor] = {}  # on a GPU: what is to be added to the cotangents of leaves, of many in one launch
    uses: dict[int, dict[Primitive, list[tuple[Tensor, dict[str, Any]]]]] = {}  # uses whose vjps are summed together

    def add(t: Tensor, g: Tensor) -> None:
        key = id(t)
        if key not in cotangents:
            cotangents[key] = g
        elif t.node is None and t.device != "cpu":
            if key in later:
                add_later()
            later[key] = g
        else:
            cotangents[key] = cotangents[key] + g

    def add_later() -> None:
        cotangents.update(zip(later, _add_pairs([cotangents[key] for key in later], list(later.values()))))
        later.clear()

    def add_uses(t: Tensor) -> None:
        for primitive, several in uses.pop(id(t)).items():
            gs, params = zip(*several)
            assert primitive.rule_for_uses is not None
            add(t, _check_gradient(primitive.rule_for_uses(gs, params, t), t, primitive, 0))

    graph = _graph(outputs)
    wanted = {id(x) for x in inputs}
    useful = set(wanted)  # only what is between the outputs and the inputs needs a gradient
    for t in graph:
        if t.node is not None and (t.node.inputs is None or not useful.isdisjoint(map(id, t.node.inputs))):
            useful.add(id(t))

    keep_graph = create_graph if retain_graph is None else retain_graph
    with enable_grad() if create_graph else no_grad():
        for i, (t, grad_output) in enumerate(zip(outputs, grad_outputs)):
            add(t, _check_grad_output(i, t, grad_output))
        while graph:
            t = graph.pop()
            node, key = t.node, id(t)
            if key in uses:  # every use is newer than t, so all of them are known now
                add_uses(t)
            if node is None or key not in useful or key not in cotangents:
                continue
            g = cotangents[key] if key in wanted else cotangents.pop(key)
            node_inputs = node.read_inputs(t)
            needed = [i for i, x in enumerate(node_inputs) if id(x) in useful]
            if needed and node.primitive.rule_for_uses is not None:
                several = uses.setdefault(id(node_inputs[0]), {}).setdefault(node.primitive, [])
                several.append((g, node.params))
            else:
                for i, gradient in node.primitive.apply_vjps(needed, g, t, node_inputs, node.params):
                    add(node_inputs[i], gradient)
            if not keep_graph:
                node.inputs = None
        add_later()
        return _copy_aliased([cotangents.get(id(x)) for x in inputs], grad_outputs)


def _add_pairs(first: list[Tensor], second: list[Tensor]) -> list[Tensor]:
    """Add two lists of Tensors pair by pair, on a GPU in one launch, because a launch costs as much as a small sum."""
    if is_grad_enabled() or len({t.dtype for t in first}) != 1:
        return [a + b for a, b in zip(first, second)]
    sums = find("add_pairs", first[0]._data)(*([t._data for t in tensors] for tensors in (first, second)))
    return [Tensor(array) for array in sums]


def _check_grad_output(i: int, output: Tensor, grad_output: Tensor | None) -> Tensor:
    """Return the cotangent that the backward pass starts from: `grad_output` if it fits, or 1 for one element."""
    if not output.requires_grad:
        raise RuntimeError(
            f"output {i} (shape {output.shape}) does not require a gradient: nothing it was computed from does, "
            "or it was computed under no_grad() or detached"
        )
    if grad_output is None:
        if output.numel() != 1:
            raise ValueError(f"output {i} has shape {output.shape}: only for one element may the cotangent be left out")
        return Tensor(backend.array_module(output.data).ones_like(output.data))
    if not isinstance(grad_output, Tensor) or grad_output.shape != output.shape or grad_output.dtype != output.dtype:
        raise ValueError(
            f"cotangent of output {i}: expected Tensor {output.dtype}{list(output.shape)}, "
            f"got {backend.describe(grad_output)}"
        )
    return grad_output


def _check_gradient(g: Any, x: Tensor, primitive: Primitive, i: int) -> Tensor:
    """Return what a vjp gave for the i-th input `x`, if it has the shape and dtype of `x`."""
    if not isinstance(g, Tensor) or g._data.shape != x._data.shape or g._data.dtype != x._data.dtype:
        raise AssertionError(
            f"vjp of {primitive.name} for {primitive.argument(i)!r} returned {backend.describe(g)}, "
            f"expected Tensor {x.dtype}{list(x.shape)}"
        )
    return g


def _copy_aliased(gradients: list[Tensor | None], grad_outputs: Iterable[Tensor | None]) -> list[Tensor | None]:
    """Copy each gradient that shares memory with another one or with a cotangent."""
    taken = {id(_base_array(g)) for g in grad_outputs if g is not None}
    results: list[Tensor | None] = []
    for g in gradients:
        if g is not None and id(_base_array(g)) in taken:
            g = g.clone()
        if g is not None:
            taken.add(id(_base_array(g)))
        results.append(g)
    return results


def _base_array(t: Tensor) -> Any:
    return t._data if t._data.base is None else t._data.base
