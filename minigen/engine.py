r"""The engine: reverse-mode automatic differentiation, to any order.

**A primitive** is a function on arrays together with one *vector-Jacobian product* (vjp) per argument.  For
:math:`y = f(x)` and a loss :math:`L(y)` the vjp turns :math:`g = \partial L / \partial y`, the *cotangent*, into
:math:`\partial L / \partial x = g^\top \partial f / \partial x` without ever forming the Jacobian.

**Forward sees arrays, gradient rules see Tensors.**  A vjp is written with Tensor operations, which are themselves
primitives.  So a backward pass is an ordinary computation, it can be recorded like any other, and the gradient of a
gradient needs no further code.

**The backward pass** visits the nodes from the newest to the oldest.  Every node is made after its inputs, so that
when a node's turn comes, everyone who used its output has already added its part.
"""

import inspect
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ContextDecorator
from typing import Any

import numpy as np

from . import backend
from .tensor import Tensor, tensor

__all__ = ["Node", "Primitive", "backward", "grad", "is_grad_enabled", "no_grad", "primitive", "primitives"]

Rule = Callable[..., Tensor]

primitives: dict[str, "Primitive"] = {}
"""Every primitive by name: what the test suite enumerates."""


class _Mode(threading.local):
    """Whether this thread records operations; and in a list `outer`, whether it did outside its blocks."""

    recording = True


_mode = _Mode()
_sequence_numbers = itertools.count()


def is_grad_enabled() -> bool:
    """Whether operations are being recorded in this thread.

    >>> is_grad_enabled()
    True
    """
    return _mode.recording


class no_grad(ContextDecorator):  # noqa: N801 - PyTorch's name
    """Do not record operations inside this block (or function, as a decorator).

    >>> import minigen as mg
    >>> x = mg.tensor([1.0], requires_grad=True)
    >>> with mg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    _recording = False

    def __enter__(self) -> None:
        _mode.__dict__.setdefault("outer", []).append(_mode.recording)
        _mode.recording = self._recording

    def __exit__(self, *exception: object) -> None:
        _mode.recording = _mode.outer.pop()


class enable_grad(no_grad):  # noqa: N801 - PyTorch's name
    """Record operations inside this block, even within `no_grad`.

    >>> import minigen as mg
    >>> with mg.no_grad(), mg.enable_grad():
    ...     mg.is_grad_enabled()
    True
    """

    _recording = True


class Node:
    """One use of a primitive: which one, on which Tensors, with which parameters."""

    __slots__ = ("inputs", "params", "primitive", "sequence_number", "versions")

    def __init__(self, primitive: "Primitive", inputs: tuple[Tensor, ...], params: dict[str, Any]):
        self.primitive = primitive
        self.inputs: tuple[Tensor, ...] | None = inputs
        self.params = params
        self.versions = [(t.version, t.version[0]) for t in inputs]
        self.sequence_number = next(_sequence_numbers)

    def read_inputs(self) -> tuple[Tensor, ...]:
        """The inputs, if they are still there and still hold the values of the forward pass."""
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
        return self.inputs


class Primitive:
    """A function on arrays with a vjp per argument.  Made by the decorator `primitive`."""

    def __init__(self, forward: Callable[..., Any]):
        self.forward = forward
        self.name = forward.__name__.rstrip("_")
        self.__name__, self.__doc__, self.__module__ = forward.__name__, forward.__doc__, forward.__module__
        self.__wrapped__ = forward
        kinds = inspect.signature(forward).parameters.values()
        self.arguments = [p.name for p in kinds if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.variadic = next((p.name for p in kinds if p.kind is p.VAR_POSITIONAL), None)
        self.rules: dict[str, Rule | None] = {}
        self.rule_for_all: Callable[..., Sequence[Tensor]] | None = None
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

    def argument(self, i: int) -> str:
        """The name of the i-th input."""
        return f"{self.variadic}[{i}]" if self.variadic else self.arguments[i]

    def vjp_all(self, rule: Callable[..., Sequence[Tensor]]) -> None:
        """Give one rule for all arguments, ``rule(g, out, *inputs, **params)``, whose vjps have work in common."""
        self.rule_for_all = rule

    def apply_vjps(
        self, wanted: Sequence[int], g: Tensor, out: Tensor, inputs: tuple[Tensor, ...], params: dict[str, Any]
    ) -> Iterator[tuple[int, Tensor]]:
        """The vjps of the inputs at the positions `wanted`, each with its position; zero derivatives are left out."""
        together = self.rule_for_all and self.rule_for_all(g, out, *inputs, **params)
        for i in wanted:
            if together:
                grad_input = together[i]
            else:
                rule = self.rules[self.variadic or self.arguments[i]]
                if rule is None:
                    continue
                place = (i,) if self.variadic else ()
                grad_input = rule(*place, g, out, *inputs, **params)
            yield i, _check_vjp(grad_input, inputs[i], self, i)

    def __call__(self, *inputs: Any, **params: Any) -> Tensor:
        """Apply to Tensors (or arrays and numbers, as constants) and record how."""
        tensors = inputs if _are_float_tensors(inputs) else self._as_tensors(inputs)
        array = self.forward(*[t.data for t in tensors], **params)
        out = Tensor(array)
        owner = array if array.base is None else array.base
        for t in tensors:  # a view shares its memory's count of changes
            if owner is t.data or owner is t.data.base:
                out.version = t.version
        if _mode.recording and any(t.requires_grad for t in tensors):
            out.requires_grad = True
            out.node = Node(self, tensors, params)
        return out

    def _as_tensors(self, inputs: Sequence[Any]) -> tuple[Tensor, ...]:
        """Inputs as Tensors of one float dtype; Python numbers take the dtype of their company."""
        known = [x.dtype for x in inputs if hasattr(x, "dtype") and not isinstance(x, np.generic)]
        floats = [dtype for dtype in known if dtype in backend.FLOATS]
        scalar = floats[0] if floats else np.dtype(np.float32)
        tensors = []
        for i, x in enumerate(inputs):
            if isinstance(x, bool | int | float | np.generic):
                x = Tensor(np.asarray(x, scalar))
            elif not isinstance(x, Tensor):
                if not hasattr(x, "dtype"):
                    raise TypeError(
                        f"{self.name}: argument {self.argument(i)!r}: expected a Tensor, array or number, got "
                        f"{type(x).__name__}"
                    )
                x = tensor(x)
            if x.dtype != scalar:
                raise TypeError(
                    f"{self.name}: argument {self.argument(i)!r} has dtype {x.dtype}, expected {scalar}"
                    + (" like the others" if len(inputs) > 1 else "")
                    + "; convert it with .to(dtype)"
                )
            tensors.append(x)
        on_gpu = any(t.device == "cuda" for t in tensors)
        if on_gpu and any(t.device == "cpu" and t.shape for t in tensors):
            tensors_on = ", ".join(f"{self.argument(i)!r} on {t.device}" for i, t in enumerate(tensors))
            raise ValueError(f"{self.name}: arguments on different devices ({tensors_on}); move them with .to(device)")
        if on_gpu:
            tensors = [t.to("cuda") for t in tensors]
        return tuple(tensors)

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.arguments) or '*' + str(self.variadic)})>"


def primitive(forward: Callable[..., Any]) -> Primitive:
    """Make a function on arrays a primitive: positional arguments are its inputs, keyword-only ones its parameters.

    Its vjps follow with ``name.vjp(argument=rule, ...)``.
    """
    return Primitive(forward)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, summed over the outputs.

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
        Give None for an input that the outputs do not depend on, in place of an error.

    Returns
    -------
    tuple of Tensor
        One per input, always a tuple.

    Raises
    ------
    RuntimeError
        If an input is unused, the graph was freed, or a Tensor changed since the forward pass.
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
    outputs, inputs = _as_list(outputs), _as_list(inputs)
    grad_outputs = [None] * len(outputs) if grad_outputs is None else _as_list(grad_outputs)
    if len(grad_outputs) != len(outputs):
        raise ValueError(f"grad: expected {len(outputs)} grad_outputs, one per output, got {len(grad_outputs)}")
    for i, x in enumerate(inputs):
        if not x.requires_grad:
            raise RuntimeError(f"grad: inputs[{i}] (shape {x.shape}) does not require a gradient")
    cotangents = _backward_pass(outputs, grad_outputs, {id(x) for x in inputs}, retain_graph, create_graph)
    results = _copy_aliased([cotangents.get(id(x)) for x in inputs], grad_outputs)
    for i, (x, g) in enumerate(zip(inputs, results)):
        if g is None and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on inputs[{i}] (shape {x.shape}); allow_unused=True gives None for it"
            )
    return tuple(results)


def backward(output: Tensor, gradient: Tensor | None, retain_graph: bool | None, create_graph: bool) -> None:
    """Add the gradient of `output` to the ``grad`` of every leaf; see `Tensor.backward`."""
    leaves = {id(t): t for t in _graph([output]) if t.node is None and t.requires_grad}
    cotangents = _backward_pass([output], [gradient], set(leaves), retain_graph, create_graph)
    fresh = _copy_aliased([cotangents.get(i) for i in leaves], [gradient])
    with enable_grad() if create_graph else no_grad():
        for leaf, g in zip(leaves.values(), fresh):
            if g is not None:
                leaf.grad = g if leaf.grad is None else leaf.grad + g


def _are_float_tensors(inputs: tuple[Any, ...]) -> bool:
    """Whether all are Tensors of one float dtype on the CPU: the usual case, in which `_tensors` has nothing to do."""
    dtype = None
    for x in inputs:
        if not isinstance(x, Tensor) or type(x.data) is not np.ndarray or (dtype and x.data.dtype != dtype):
            return False
        dtype = x.data.dtype
    return dtype in backend.FLOATS


def _as_list(tensors: Any) -> list[Any]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _graph(outputs: Iterable[Tensor]) -> list[Tensor]:
    """Every Tensor that `outputs` were computed from and that has a gradient: leaves first, then from old to new."""
    found: dict[int, Tensor] = {}
    waiting = [t for t in outputs if t.requires_grad]
    while waiting:
        t = waiting.pop()
        if id(t) not in found:
            found[id(t)] = t
            if t.node is not None and t.node.inputs is not None:
                waiting.extend(x for x in t.node.inputs if x.requires_grad)
    return sorted(found.values(), key=lambda t: -1 if t.node is None else t.node.sequence_number)


def _backward_pass(
    outputs: list[Tensor],
    grad_outputs: list[Tensor | None],
    wanted: set[int],
    retain_graph: bool | None,
    create_graph: bool,
) -> dict[int, Tensor]:
    """Carry the cotangents from `outputs` back to the `wanted` Tensors; the result is keyed by ``id``."""
    cotangents: dict[int, Tensor] = {}

    def add(t: Tensor, g: Tensor) -> None:
        cotangents[id(t)] = cotangents[id(t)] + g if id(t) in cotangents else g

    graph = _graph(outputs)
    useful = set(wanted)  # only what lies between the outputs and the wanted Tensors needs a gradient
    for t in graph:
        if t.node is not None and (t.node.inputs is None or any(id(x) in useful for x in t.node.inputs)):
            useful.add(id(t))

    keep = create_graph if retain_graph is None else retain_graph
    with enable_grad() if create_graph else no_grad():
        for i, (t, grad_output) in enumerate(zip(outputs, grad_outputs)):
            add(t, _grad_output(i, t, grad_output))
        while graph:
            t = graph.pop()
            if t.node is None or id(t) not in useful or id(t) not in cotangents:
                continue
            g = cotangents[id(t)] if id(t) in wanted else cotangents.pop(id(t))
            node, inputs = t.node, t.node.read_inputs()
            needed = [i for i, x in enumerate(inputs) if x.requires_grad and id(x) in useful]
            for i, grad_input in node.primitive.apply_vjps(needed, g, t, inputs, node.params):
                add(inputs[i], grad_input)
            if not keep:
                node.inputs = None
    return cotangents


def _grad_output(i: int, output: Tensor, grad_output: Tensor | None) -> Tensor:
    """The cotangent that the backward pass starts from."""
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
        found = (
            f"{grad_output.dtype}{list(grad_output.shape)}"
            if hasattr(grad_output, "dtype")
            else type(grad_output).__name__
        )
        kind = "" if isinstance(grad_output, Tensor) else f"{type(grad_output).__name__} "
        raise ValueError(
            f"cotangent of output {i}: expected Tensor {output.dtype}{list(output.shape)}, got {kind}{found}"
        )
    return grad_output


def _check_vjp(g: Any, x: Tensor, primitive: Primitive, i: int) -> Tensor:
    if not isinstance(g, Tensor) or g.shape != x.shape or g.dtype != x.dtype:
        found = f"{g.dtype}{list(g.shape)}" if isinstance(g, Tensor) else type(g).__name__
        raise AssertionError(
            f"vjp of {primitive.name} for {primitive.argument(i)!r} returned {found}, expected {x.dtype}{list(x.shape)}"
        )
    return g


def _copy_aliased(gradients: list[Tensor | None], grad_outputs: Iterable[Tensor | None]) -> list[Tensor | None]:
    """Copy each gradient that shares memory with another one or with a cotangent."""
    taken = {id(_base_array(g)) for g in grad_outputs if g is not None}
    results = []
    for g in gradients:
        if g is not None and id(_base_array(g)) in taken:
            g = g.clone()
        if g is not None:
            taken.add(id(_base_array(g)))
        results.append(g)
    return results


def _base_array(t: Tensor) -> Any:
    return t.data if t.data.base is None else t.data.base
