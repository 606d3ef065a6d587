"""Checking a function on Tensors: its gradient, and the gradient of its gradient."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import engine
from ..ops.shape import putitem
from ..tensor import Tensor
from .compare import compare, draw, smooth_elements
from .differences import Array, U, jitter
from .problem import FLOOR
from .report import Finding, Report
from .sensitivity import RESOLUTION

__all__ = ["gradcheck"]


def gradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    order: int = 1,
    *,
    name: str | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    repeats: int = 2,
    resolution: float = RESOLUTION,
    full_jacobian: bool = False,
) -> Report:
    """Check the gradients of a function on Tensors against derivatives measured by differences.

    Each argument is checked by itself, along random directions, under random cotangents, within bounds derived from
    the function at hand; see `minigen.check.differences` and `minigen.check.compare`.

    Parameters
    ----------
    fn : callable
        Takes the Tensors `inputs`, gives a Tensor or a tuple of Tensors.  It must give the same result every time:
        hand noise, such as a dropout mask, over as an input.
    inputs : Tensor, array or sequence of those
        The point.  Floats must be float64, since float32 leaves too few digits for differences.  Gradients are checked
        in every float input with ``requires_grad``, or in all of them if none has it.
    order : int
        2 also checks the gradient of the vjp, in the inputs and in the cotangent, and that the Hessian is symmetric.
        3 also checks the gradient of that, and so on: order n is order 2 of the (n - 2)-th gradient, as a function of
        the inputs and all cotangents.
    name : str, optional
        What to call the function in the report.
    names : sequence of str, optional
        What to call the inputs.
    seed : int
        Of the directions and cotangents.
    repeats : int
        Directions per argument.
    resolution : float
        The relative error that must be visible for the verdict *right*.
    full_jacobian : bool
        Compare every element of the Jacobian, in place of `repeats` random directions: for small functions only.

    Returns
    -------
    Report
        True where every gradient is right.

    Raises
    ------
    TypeError
        If a float input is not float64, or the function does not return Tensors.
    ValueError
        If `order` is less than 1, or no input is a float.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor([0.5, 2.0], dtype="float64")
    >>> gradcheck(lambda x: (x ** 3).sum(), x, order=2).verdict
    'right'
    >>> gradcheck(lambda x: x * x.detach(), x).verdict  # detach hides half of the derivative
    'wrong'
    """
    if not isinstance(order, int) or order < 1:
        raise ValueError(f"gradcheck: expected an order of 1, 2, 3 ..., got {order!r}")
    op = str(name or getattr(fn, "name", None) or getattr(fn, "__name__", "function"))
    tensors = [t if isinstance(t, Tensor) else Tensor(np.array(t)) for t in _listed(inputs)]
    names = list(names) if names is not None else [f"inputs[{i}]" for i in range(len(tensors))]
    which = _differentiable(tensors)
    rng = np.random.default_rng(seed)
    plain = _Plain(fn, which)
    arrays = [np.array(t.data) for t in tensors]
    shown = [names[i] for i in which]
    common: dict[str, Any] = {"rng": rng, "resolution": resolution, "repeats": repeats,
                              "full_jacobian": full_jacobian}  # fmt: skip
    findings = _repeatable(op, plain, arrays)
    findings += compare(op, plain.values, plain.vjp, arrays, which, shown, order=1, **common)
    for n in range(2, order + 1):
        value = plain.values(*arrays)
        plain.smooth = smooth_elements(plain.values, arrays, plain.which, rng)
        if value.size and not np.size(plain.smooth):
            reason = "every output element lies on a kink, where no derivative exists"
            return Report(op, findings + [Finding("inconclusive", op, "all inputs", n, reason)])
        g = draw(rng, np.shape(plain.smooth))
        common["natural"] = float(np.linalg.norm(g * value[plain.smooth]))
        both = [*plain.which, len(arrays)]
        point = [*arrays, g]
        shown.append("the cotangent" if n == 2 else f"the cotangent of order {n - 1}")
        findings += compare(op, plain.gradients, plain.vjp_of_gradients, point, both, shown, order=n, **common)
        symmetry = _symmetric(op, plain, point, common["natural"], rng, n)
        findings += [symmetry] if symmetry else []
        plain, arrays = plain.lifted(len(arrays)), point
    return Report(op, findings)


def _listed(inputs: Any) -> list[Any]:
    return [inputs] if isinstance(inputs, Tensor) or hasattr(inputs, "dtype") else list(inputs)


def _differentiable(tensors: Sequence[Tensor]) -> list[int]:
    floats = [i for i, t in enumerate(tensors) if t.dtype.kind == "f"]
    for i in floats:
        if tensors[i].dtype != np.float64:
            raise TypeError(f"gradcheck: inputs[{i}] has dtype {tensors[i].dtype}, expected float64")
    if not floats:
        raise ValueError("gradcheck: expected at least one float64 input, got none")
    return [i for i in floats if tensors[i].requires_grad] or floats


class _Plain:
    """A function on Tensors as functions on arrays: its values, its vjp, and the same for the vjp itself.

    Outputs are flattened and put together as arrays: a primitive that did it would be checked with its own help.
    """

    def __init__(self, fn: Callable[..., Any], which: Sequence[int]):
        self.fn, self.which = fn, list(which)
        self.smooth: Array | slice = slice(None)
        """Positions of the output elements that are looked at, among all of them in one vector."""

    def _outputs(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The function's output or outputs, without integers."""
        out = self.fn(*inputs)
        parts = list(out) if isinstance(out, tuple | list) else [out]
        for part in parts:
            if not isinstance(part, Tensor):
                raise TypeError(f"gradcheck: expected the function to return Tensors, got {type(part).__name__}")
        return [p for p in parts if p.dtype.kind == "f"]

    def _tensors(self, arrays: Sequence[Array]) -> list[Tensor]:
        return [Tensor(np.array(a), requires_grad=i in self.which) for i, a in enumerate(arrays)]

    def _seeds(self, g: Array, outputs: Sequence[Tensor], requires_grad: bool = False) -> list[Tensor]:
        """The cotangent g, a vector, in the outputs' shapes."""
        sizes = [t.numel() for t in outputs]
        whole = np.zeros(sum(sizes))
        whole[self.smooth] = g
        parts = np.split(whole, np.cumsum(sizes)[:-1])
        return [Tensor(np.array(p.reshape(t.shape)), requires_grad=requires_grad) for p, t in zip(parts, outputs)]

    def values(self, *arrays: Array) -> Array:
        """Nothing is recorded, since nothing requires a gradient, but a function may still take gradients inside."""
        return _together([t.data for t in self._outputs([Tensor(np.array(a)) for a in arrays])])[self.smooth]

    def vjp(self, g: Array, *arrays: Array) -> list[Array]:
        inputs = self._tensors(arrays)
        outputs = self._outputs(inputs)
        wanted = [inputs[i] for i in self.which]
        return [d.data for d in _gradients(outputs, wanted, self._seeds(g, outputs), False)]

    def gradients(self, *point: Array) -> Array:
        """The vjp as a function of the inputs and the cotangent, all its results in one vector."""
        *arrays, g = point
        return _together(self.vjp(g, *arrays))

    def lifted(self, count: int) -> "_Plain":
        """The vjp as a function on Tensors: of the `count` inputs, and of the cotangent as a vector."""

        def gradients(*point: Tensor) -> tuple[Tensor, ...]:
            live = [t if t.requires_grad else Tensor(t.data, requires_grad=i in (*self.which, count))
                    for i, t in enumerate(point)]  # fmt: skip
            outputs = self._outputs(live[:count])
            sizes = [out.numel() for out in outputs]
            g = live[count]
            if not isinstance(self.smooth, slice):
                g = putitem(g, index=self.smooth, shape=(sum(sizes),))
            ends = np.cumsum(sizes).tolist()
            seeds = [g[end - n : end].reshape(out.shape) for out, n, end in zip(outputs, sizes, ends)]
            return tuple(_gradients(outputs, [live[i] for i in self.which], seeds, True))

        return _Plain(gradients, [*self.which, count])

    def vjp_of_gradients(self, u: Array, *point: Array) -> list[Array]:
        *arrays, g = point
        inputs = self._tensors(arrays)
        outputs, wanted = self._outputs(inputs), [inputs[i] for i in self.which]
        seeds = self._seeds(g, outputs, requires_grad=True)
        first = _gradients(outputs, wanted, seeds, True)
        parts = np.split(u, np.cumsum([d.numel() for d in first])[:-1])
        us = [Tensor(part.reshape(d.shape).copy()) for d, part in zip(first, parts)]
        second = [d.data for d in _gradients(first, [*wanted, *seeds], us, False)]
        return [*second[: len(wanted)], _together(second[len(wanted) :])[self.smooth]]


def _together(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.reshape(a, -1) for a in arrays]) if arrays else np.zeros(0)


def _gradients(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], seeds: Sequence[Tensor], create_graph: bool
) -> list[Tensor]:
    """Zeros for inputs that the outputs do not depend on."""
    live = [(out, seed) for out, seed in zip(outputs, seeds) if out.requires_grad]
    found: Sequence[Tensor | None] = [None] * len(inputs)
    if live:
        outs, starts = zip(*live)
        found = engine.grad(list(outs), list(inputs), list(starts), create_graph=create_graph, allow_unused=True)
    return [Tensor(np.zeros(t.shape)) if d is None else d for d, t in zip(found, inputs)]


def _repeatable(op: str, plain: _Plain, arrays: Sequence[Array]) -> list[Finding]:
    """A function that gives two results at one point cannot be differentiated by differences."""
    if np.array_equal(plain.values(*arrays), plain.values(*arrays), equal_nan=True):
        return []
    reason = "two calls with the same inputs give different values; hand its randomness over as an input"
    return [Finding("wrong", op, "the function", 0, reason)]


def _symmetric(
    op: str, plain: _Plain, point: Sequence[Array], natural: float, rng: np.random.Generator, order: int
) -> Finding | None:
    r"""The Hessian H of $x \mapsto \langle g, f(x) \rangle$ is symmetric: <Hu, w> = <u, Hw>.

    Exact but for rounding, which tiny changes of the point reveal.  None where there is no second derivative to
    speak of.
    """
    sizes = [point[i].size for i in plain.which]
    u, w = draw(rng, (sum(sizes),)), draw(rng, (sum(sizes),))

    def times(vector: Array, at: Sequence[Array]) -> Array:
        return np.concatenate([d.reshape(-1) for d in plain.vjp_of_gradients(vector, *at)[:-1]])

    hu, hw = times(u, point), times(w, point)
    if not np.all(np.isfinite(hu)) or not np.any(hu):
        return None
    blur = U * (np.abs(hu) + np.abs(hw))
    for _ in range(5):
        moved = [jitter(p, rng) if p.dtype.kind == "f" else p for p in point]
        blur = np.fmax(blur, np.maximum(np.abs(times(u, moved) - hu), np.abs(times(w, moved) - hw)))
    left, right = float(hu @ w), float(u @ hw)
    blur = 4 * blur + FLOOR * U * natural
    bound = float(blur @ (np.abs(u) + np.abs(w)))
    bound += (FLOOR + u.size) * U * float(np.abs(hu) @ np.abs(w) + np.abs(hw) @ np.abs(u))
    if abs(left - right) <= bound:
        return None
    return Finding("wrong", op, "all inputs", order, "the Hessian is not symmetric", None, left, right, bound)
