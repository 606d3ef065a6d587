"""The exercises of lesson 1, *Autograd*."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import engine
from ..tensor import Tensor, tensor
from . import Wrong, call, close, exercise

__all__ = ["centre_vjp", "div_vjp", "hvp", "my_grad", "round_through", "softsign_vjp"]


def _random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@exercise("1.1", "the gradients of a quotient")
def div_vjp(answer: Any) -> None:
    """``div_vjp(g, x, w)`` gives the gradients for x and w of y = x / w, on arrays."""
    for seed in range(3):
        g, x, w = _random(seed, 3, 4)
        dx, dw = call(answer, g, x, w, expect=2)
        close("div_vjp(g, x, w)[0], the gradient for x", dx, g / w)
        close("div_vjp(g, x, w)[1], the gradient for w", dw, -g * x / w**2)


@exercise("1.2", "the gradient of centring")
def centre_vjp(answer: Any) -> None:
    """``centre_vjp(g, x)`` is the gradient of ``x - x.mean(axis=0)``, on arrays (N, D)."""
    for seed, shape in enumerate([(4, 1), (5, 3), (1, 2)]):
        g, x = _random(seed, 2, *shape)
        close(f"centre_vjp(g, x) for shape {shape}", call(answer, g, x), g - g.mean(axis=0))


@exercise("1.3", "the backward sweep")
def my_grad(answer: Any) -> None:
    """``my_grad(output, x)`` is the gradient of a Tensor of one element, by a sweep over its graph."""
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
    cases.append(("my_grad(old * young, x), where old made young", old * young, x,
                  -1.3 * (2 * (0.7 * -1.3) + 2) + 0.7 * -1.3 * 2 * -1.3))  # fmt: skip
    for what, output, at, expected in cases:
        close(what, call(answer, output, at), tensor(np.array(expected)))
    wide = tensor(_random(0, 3, 2), requires_grad=True)
    weights = tensor(_random(1, 3, 2))
    close("my_grad((W * V).sum(), W), with arrays", call(answer, (wide * weights).sum(), wide), weights)
    chain = x
    for _ in range(40):
        chain = chain + chain
    with _at_most(400):
        close("my_grad(x doubled 40 times, x)", call(answer, chain, x), tensor(np.array(2.0**40)))


@contextmanager
def _at_most(limit: int) -> Iterator[None]:
    """Stop an answer that applies the rules of `add` more often than this: it would take for ever."""
    add = engine.primitives["add"]
    rules = dict(add.rules)
    calls = itertools.count(1)

    def limited(rule: Any) -> Any:
        def run(*arguments: Any) -> Tensor:
            if next(calls) > limit:
                raise RecursionError(
                    f"stopped after {limit} gradient rules for 40 operations; it follows every path by itself, and "
                    "there are 2 to the 40. Visit a Tensor only once, when all that used it have handed in their share"
                )
            return rule(*arguments)

        return run

    add.rules.update({name: limited(rule) for name, rule in rules.items()})
    try:
        yield
    finally:
        add.rules.update(rules)


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
        g = tensor(_random(3, 4))
        (first,) = engine.grad(softsign(x), x, g, create_graph=True)
        assert first is not None  # a rule that gave nothing would have been found wrong
        close("softsign_vjp(g, out, x)", first, tensor(g.data * (1 + abs(values)) ** -2.0))
        (second,) = engine.grad(first.sum(), x, allow_unused=True) if first.requires_grad else (None,)
        if second is None:
            raise Wrong("softsign_vjp is right, but its result does not depend on x, so that the second derivative "
                        "is lost. Write it with Tensor operations, without .data or detach.")  # fmt: skip
        close(
            "the second derivative, through softsign_vjp", second,
            tensor(g.data * -2 * np.sign(values) * (1 + abs(values)) ** -3.0),
        )  # fmt: skip
    finally:
        del engine.primitives["student_softsign"]


def _tensor(what: str, got: Any) -> Tensor:
    if not isinstance(got, Tensor):
        raise Wrong(f"{what}: expected a Tensor, got {type(got).__name__}.")
    return got


@exercise("1.5", "a Hessian times a vector, without the Hessian")
def hvp(answer: Any) -> None:
    """``hvp(f, x, v)`` is the product of the Hessian of f at x with v."""
    a = _random(0, 3, 3)
    matrix = tensor(a + a.T)
    for seed in range(2):
        x, v = _random(seed + 5, 2, 3)
        at, along = tensor(x, requires_grad=True), tensor(v)
        cubes = call(answer, lambda t: (t**3).sum(), at, along)
        close("hvp(f, x, v) for f(x) = (x ** 3).sum()", cubes, tensor(6 * x * v))
        quadratic = call(answer, lambda t: (t * (matrix @ t)).sum() / 2, at, along)
        close("hvp(f, x, v) for f(x) = (x * (A @ x)).sum() / 2, A symmetric", quadratic, tensor((a + a.T) @ v))
    at = tensor(np.array([0.3, -1.2, 2.0]), requires_grad=True)
    call(answer, lambda t: (t * t).sum(), at, tensor(np.ones(3)))
    if at.grad is not None:
        raise Wrong("hvp left something in x.grad. Use mg.grad, which gives its result back, not backward().")


@exercise("1.6", "a step with a pretended slope")
def round_through(answer: Any) -> None:
    """``round_through(x)`` has the values of round(x) and the gradient of x."""
    values = np.array([-1.7, 0.2, 0.9, 2.4])
    x = tensor(values, requires_grad=True)
    out = _tensor("round_through(x)", call(answer, x))
    close("round_through(x)", out, tensor(np.round(values)))
    if not out.requires_grad:
        raise Wrong("round_through(x): the values are right, but the result does not depend on x: no gradient passes.")
    g = tensor(_random(2, 4))
    (dx,) = engine.grad(out, x, g, allow_unused=True)
    if dx is None:
        raise Wrong("round_through(x): the values are right, but no gradient reaches x.")
    close("the gradient of round_through(x)", dx, g)
