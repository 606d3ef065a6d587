"""The exercises of lesson 1, *Autograd*."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import engine
from ..tensor import Tensor, tensor
from . import Wrong, call, close, exercise
from ._compare import call_or_hint, random_array
from ._probe import probing

__all__ = ["center_vjp", "div_vjp", "hvp", "my_grad", "round_through", "softsign_vjp"]


@exercise("1.1", "the gradients of a quotient")
def div_vjp(answer: Any) -> None:
    """``div_vjp(g, x, w)`` gives the gradients for x and w of y = x / w, on arrays."""
    for seed in range(3):
        g, x, w = random_array(seed, 3, 4)
        dx, dw = call(answer, g, x, w, expect=2)
        no_g = "Where is g? It says how much the loss changes with y."
        close("div_vjp(g, x, w)[0], the gradient for x", dx, g / w, [
            (1 / w, no_g),
            (g * w, "This is the rule of a product. Change x a little: by how much does x / w change?"),
            (-g * x / w**2, "This is the gradient for w: x comes first."),
        ], probe=probing(answer, lambda g, x, w: g / w, g, x, w, place=0))  # fmt: skip
        close("div_vjp(g, x, w)[1], the gradient for w", dw, -g * x / w**2, [
            (-x / w**2, no_g),
            (-g / w**2, "Where is x? The larger x is, the more a change of 1 / w matters."),
            (-g * x / w, "The derivative of 1 / w is another power of w."),
        ], probe=probing(answer, lambda g, x, w: -g * x / w**2, g, x, w, place=1))  # fmt: skip


@exercise("1.2", "the gradient of centering")
def center_vjp(answer: Any) -> None:
    """``center_vjp(g, x)`` is the gradient of ``x - x.mean(axis=0)``, on arrays (N, D)."""
    for seed, shape in enumerate([(4, 1), (5, 3), (1, 2)]):
        g, x = random_array(seed, 2, *shape)
        n = shape[0]
        close(f"center_vjp(g, x) for shape {shape}", call(answer, g, x), g - g.mean(axis=0), [
            (g, "This is what x does by itself. It acts through the mean too."),
            (g * (1 - 1 / n), "This is how x[k] acts on result k. Through the mean it acts on all N results."),
            (g + g.mean(axis=0), "Look at the sign of the mean: it is subtracted."),
            (x - x.mean(axis=0), "This is centering itself, forwards. What is asked for is made from g."),
            (-g.mean(axis=0) + 0 * g, "This is what x does through the mean. It also acts directly, by itself."),
            (g - 2 * g.mean(axis=0), "The mean is subtracted twice."),
            (g - g.sum(axis=0) / max(n - 1, 1), "A mean divides by N, not by N - 1."),
            (g - g.sum(axis=0), "This is a sum in place of a mean: each x[j] is only an N-th part of the mean."),
            (g - g.mean(), "This is the mean over everything; each column has its own mean."),
            (g * (x - x.mean(axis=0)), "Centering is linear in x: its gradient is made from g alone, without x."),
            (g - g.mean(axis=1, keepdims=True), "These are the means of the rows; centered are the columns."),
        ], probe=probing(answer, lambda g, x: g - g.mean(axis=0), g, x))  # fmt: skip


@exercise("1.3", "the backward pass")
def my_grad(answer: Any) -> None:
    """``my_grad(output, x)`` is the gradient of a Tensor of one element, by a backward pass over its graph."""
    x = tensor(np.array(0.7), requires_grad=True)
    w = tensor(np.array(-1.3), requires_grad=True)
    p = x * w
    cases = [
        ("my_grad(x * w, x), one operation", x * w, x, -1.3),
        ("my_grad(x - w, w), where a sign matters", x - w, w, -1.0),
        ("my_grad(x * x, x), both arguments the same", x * x, x, 1.4),
        ("my_grad(x + (x * w).sin(), x), two paths", x + (x * w).sin(), x, 1 - 1.3 * np.cos(0.7 * -1.3)),
        ("my_grad(p * p.exp(), x) with p = x * w, p used by two others", p * p.exp(), x,
         -1.3 * np.exp(0.7 * -1.3) * (1 + 0.7 * -1.3)),
    ]  # fmt: skip
    old = x * w
    young = (old + 1) * 2
    for name, output in (
        ("old * young", old * young),
        ("young * old", young * old),
    ):  # a stack finds the last input first
        cases.append((f"my_grad({name}, x), where old made young", output, x,
                      -1.3 * (2 * (0.7 * -1.3) + 2) + 0.7 * -1.3 * 2 * -1.3))  # fmt: skip
    for what, output, at, expected in cases:
        got = call_or_hint(answer, output, at, hints={
            KeyError: "If the key is the id of a Tensor: its turn came before it had received a contribution. "
                      "Is the order from the newest to the oldest? And did *every* input receive its part, at all "
                      "positions?",
            AttributeError: "If it is about None: a leaf was not computed, its t.node is None. Leave the leaves out.",
        })  # fmt: skip
        close(what, _tensor(what, got), tensor(np.array(expected)), [
            *_wrong_passes(output, at),
            (2 * expected, "A Tensor passed its cotangent on twice. Collect each Tensor once: is its id known "
                           "already?"),
        ])  # fmt: skip
    wide = tensor(random_array(0, 3, 2), requires_grad=True)
    weights = tensor(random_array(1, 3, 2))
    close("my_grad((W * V).sum(), W), with arrays", call(answer, (wide * weights).sum(), wide), weights)
    chain, reads = x, itertools.count(1)
    for _ in range(40):
        chain = chain + chain
        counted: Any = _Counted(chain.node, reads)
        chain.node = counted
    close("my_grad(x doubled 40 times, x)", call(answer, chain, x), tensor(np.array(2.0**40)))


def _wrong_pass(
    output: Tensor, x: Tensor, overwrite: str = "", breadth_first: bool = False, only_ones: bool = False
) -> float:
    """The result of a backward pass that keeps only one contribution, goes breadth first, or gives 1 to each rule."""
    found, waiting = {id(output): output}, [output]
    for t in waiting:  # grows while we go through it: breadth first
        for source in (t.node.inputs if t.node is not None else None) or ():
            if id(source) not in found:
                found[id(source)] = source
                waiting.append(source)
    made = [t for t in waiting if t.node is not None]
    if not breadth_first:
        made.sort(key=lambda t: t.node.sequence_number if t.node else -1, reverse=True)
    cotangents = {id(output): tensor(np.array(1.0))}
    for t in made:
        assert t.node is not None and t.node.inputs is not None
        inputs = t.node.inputs
        g = tensor(np.array(1.0)) if only_ones else cotangents[id(t)]
        for i, part in t.node.primitive.apply_vjps(range(len(inputs)), g, t, inputs, t.node.params):
            before = cotangents.get(id(inputs[i]))
            keep = part if before is None or overwrite == "last" else before if overwrite == "first" else before + part
            cotangents[id(inputs[i])] = keep
    return float(cotangents[id(x)].data)


def _wrong_passes(output: Tensor, x: Tensor) -> list[tuple[float, str]]:
    """The results of well-known wrong backward passes, each with its hint."""
    one_kept = ("Only one contribution arrives at x. A Tensor that is used twice receives two: add them. And begin "
                "with "
                "the newest Tensor, so that each has all of its contributions when its turn comes.")  # fmt: skip
    with engine.no_grad():
        return [
            (_wrong_pass(output, x, breadth_first=True),
             "A node passed its cotangent on before it had received every contribution. Go from the newest to the "
             "oldest: sort by sequence_number."),
            (_wrong_pass(output, x, overwrite="last"), one_kept),
            (_wrong_pass(output, x, overwrite="first"), one_kept),
            (_wrong_pass(output, x, only_ones=True),
             "Each rule was given a cotangent of 1. It needs the cotangent of *its* Tensor: this is the chain rule."),
        ]  # fmt: skip


class _Counted:
    """A node that stops an answer which reads it without end: following every path would take for ever."""

    def __init__(self, node: Any, reads: Iterator[int]):
        self.node, self.reads = node, reads

    def __getattr__(self, name: str) -> Any:
        if next(self.reads) > 4000:  # a hundred reads a node
            raise RecursionError(
                "stopped, because it follows every path by itself: 40 operations, but 2 to the 40 paths. Visit a "
                "Tensor only once, when it has received every contribution"
            )
        return getattr(self.node, name)


@exercise("1.4", "a rule that can be differentiated again")
def softsign_vjp(answer: Any) -> None:
    """``softsign_vjp(g, out, x)`` is the gradient rule of x / (1 + |x|), written with Tensor operations."""

    def student_softsign(x: np.ndarray) -> np.ndarray:
        return x / (1 + abs(x))

    def rule(g: Tensor, out: Tensor, x: Tensor) -> Tensor:
        dx = _tensor("softsign_vjp(g, out, x)", call(answer, g, out, x))
        if dx.shape != x.shape:
            raise Wrong(f"softsign_vjp(g, out, x): expected the shape of x, {x.shape}, got {dx.shape}.")
        return dx

    softsign = engine.primitive(student_softsign)
    try:
        softsign.vjp(x=rule)
        values = np.array([-2.0, -0.5, 0.3, 1.7])
        x = tensor(values, requires_grad=True)
        g = tensor(random_array(3, 4), requires_grad=True)
        (first,) = engine.grad(softsign(x), x, g, create_graph=True)
        assert first is not None  # a rule that gave nothing would have been found wrong
        slope = (1 + abs(values)) ** -2.0
        only_positive = np.isclose(first.data, g.data * slope)
        if first.shape == g.shape and not only_positive.all() and only_positive[values > 0].all():
            raise Wrong("softsign_vjp(g, out, x) is right for x > 0 and wrong for x < 0. What is the derivative of |x| "
                        "there, and which sign has x / (1 + |x|)?")  # fmt: skip
        size, more = 1 + abs(values), "The quotient rule has the square of 1 + |x| below."
        close("softsign_vjp(g, out, x)", first, tensor(g.data * slope), [
            (slope, "Where is g? It says how much the loss changes with the result."),
            (1 / size, "Where is g? " + more),
            (g.data / size, more),
            (g.data / (1 + values**2), "(1 + |x|) ** 2 is not 1 + x ** 2: there is a mixed term, too."),
            (g.data / size**3, "A power too many: the quotient rule has the square of 1 + |x| below."),
            (g.data * values / size, "This is the function itself, times g. What is its derivative?"),
            (g.data * (1 - values / size), "The quotient rule gives (1 + |x| - x sign(x)) / (1 + |x|) ** 2."),
            (g.data * np.sign(values) * slope, "|x| has the derivative sign(x), but x sign(x) is |x|: the sign "
                                               "cancels."),
        ])  # fmt: skip
        second = through_g = None
        if first.requires_grad:
            second, through_g = engine.grad(first.sum(), [x, g], allow_unused=True)
        if second is None:
            raise Wrong("softsign_vjp is right, but its result does not depend on x, so that the second derivative "
                        "is lost. Write it with Tensor operations, without .data or detach.")  # fmt: skip
        close(
            "the second derivative, through softsign_vjp", second,
            tensor(g.data * -2 * np.sign(values) * (1 + abs(values)) ** -3.0),
        )  # fmt: skip
        if through_g is None:
            raise Wrong("softsign_vjp is right, but its result does not depend on g, which depends on x if something "
                        "comes after softsign. Leave g as it is, without .data or detach.")  # fmt: skip
    finally:
        del engine.primitives["student_softsign"]


def _tensor(what: str, got: Any) -> Tensor:
    if not isinstance(got, Tensor):
        unpack = " mg.grad gives a tuple, even for one input: unpack it." if isinstance(got, tuple) else ""
        raise Wrong(f"{what}: expected a Tensor, got {type(got).__name__}.{unpack}")
    return got


@exercise("1.5", "a Hessian times a vector, without the Hessian")
def hvp(answer: Any) -> None:
    """``hvp(f, x, v)`` is the product of the Hessian of f at x with v."""
    a = random_array(0, 3, 3)
    matrix = tensor(a + a.T)
    hints = {
        TypeError: "Is it the result of mg.grad? That is a tuple, even for one input: (gradient,) = mg.grad(...).",
        RuntimeError: "The inner mg.grad needs create_graph=True; and what is asked for is the gradient for x, not v.",
        ValueError: "mg.grad starts from one number. Which number has the gradient H v?",
    }
    for seed in range(2):
        x, v = random_array(seed + 5, 2, 3)
        at, along = tensor(x, requires_grad=True), tensor(v)
        cubes = _tensor("hvp(f, x, v)", call_or_hint(answer, lambda t: (t**3).sum(), at, along, hints=hints))
        if at.grad is not None:
            raise Wrong("hvp left something in x.grad. Use mg.grad, which gives its result back, not backward().")
        once = "This is a gradient. Differentiate again: the Hessian has the second derivatives."
        outside = "v comes too late. The sum over j of H_ij v_j is the gradient of (gradient * v).sum()."
        close("hvp(f, x, v) for f(x) = (x ** 3).sum()", cubes, tensor(6 * x * v), [
            (3 * x**2, once),
            (3 * x**2 * v, once + " (Multiplied by v it is the number whose gradient is asked for.)"),
            ((3 * x**2 * v).sum(), once + " (This is the slope along v: the number whose gradient is asked for.)"),
            (6 * x, "Where is v? This is H times a vector of ones."),
            (36 * x**3, "This is the gradient of the gradient's square, 2 H g. Take (gradient * v).sum(), not its "
                        "square."),
            (6 * x * v**3, "v is multiplied into x inside of f, and each derivative gives one more: f is called with x "
             "itself, and v is multiplied with the gradient."),
            *((6 * x * v + 3 * step * v**2, "This is a difference of two gradients: it is off by a multiple of the "
               "step. Differentiate the gradient, with create_graph=True.") for step in (0.1, 0.01, 1e-3, 1e-4)),
            (6 * x * v**2, "v is multiplied into x inside of f: then it counts twice. f is called with x itself, and "
                           "v is multiplied "
             "with the gradient."),
            (2 * x * v, "This is divided by the number of elements. A sum, not a mean: (gradient * v).sum()."),
        ])  # fmt: skip
        quadratic = call(answer, lambda t: (t * (matrix @ t)).sum() / 2, at, along)
        hessian = a + a.T
        close("hvp(f, x, v) for f(x) = (x * (A @ x)).sum() / 2, A symmetric", quadratic, tensor(hessian @ v), [
            (hessian.sum(1) * v, outside),
            (hessian.sum(1), "Where is v? This is H times a vector of ones."),
            (np.diag(hessian) * v, "This is the diagonal of H only."),
        ])  # fmt: skip


@exercise("1.6", "rounding with a gradient")
def round_through(answer: Any) -> None:
    """``round_through(x)`` has the values of round(x) and the gradient of x."""
    values = np.array([-1.7, 0.2, 0.9, 2.4])
    x = tensor(values, requires_grad=True)
    out = _tensor("round_through(x)", call(answer, x))
    close("round_through(x)", out, tensor(np.round(values)), [
        (values, "The values are those of x: they have to be rounded. x + (round(x) - x).detach() has the right ones."),
        (2 * values - np.round(values), "Look at the sign: x plus what rounding adds, not minus."),
        (np.ceil(values), "This rounds up; np.round goes to the nearest whole number."),
        (np.floor(values), "This rounds down; np.round goes to the nearest whole number."),
        (np.round(values) - values, "This is what rounding adds. Add it to x, as a constant."),
    ])  # fmt: skip
    if not out.requires_grad:
        raise Wrong("round_through(x): the values are right, but the result does not depend on x: no gradient passes.")
    g = tensor(random_array(2, 4))
    (dx,) = engine.grad(out, x, g, allow_unused=True)
    if dx is None:
        raise Wrong("round_through(x): the values are right, but no gradient reaches x.")
    close("the gradient of round_through(x)", dx, g, [
        (g.data * np.round(values) / values, "x is multiplied by a factor, which is then in the gradient, too. Add a "
                                        "constant to "
         "x: that does not change the slope."),
        (2 * g.data, "x is in the result twice. Only one of the two may have a gradient."),
        (0 * g.data, "The gradient is zero: x is in the result twice, and the two cancel, or "
         "times 0. Detach the difference."),
    ])  # fmt: skip
