"""The public tests of A1: small cases that one can follow with pencil and paper."""

import numpy as np

from minigen.course.kit import close, fail, repeated, test, untouched


def array(a, what, got):
    """The array of a Var, or a complaint that it is none."""
    if not isinstance(got, a.Var):
        kind = {"NoneType": "None", "tuple": "a tuple", "list": "a list"}.get(type(got).__name__, type(got).__name__)
        fail(what, f"expected a Var, got {kind}. Compute it from Vars, with operations on Vars.")
    return got.value


def shares(a, what, got, count):
    """The arrays of a rule's result: a tuple of so many Vars."""
    if not isinstance(got, tuple | list) or len(got) != count:
        kind = f"{len(got)} of them" if isinstance(got, tuple | list) else type(got).__name__
        fail(what, f"expected a tuple with a Var for each input, {count} in all; got {kind}.")
    return [array(a, f"{what}[{i}]", share) for i, share in enumerate(got)]


def apply_rule(a, name, g, *inputs, **params):
    """What a rule gives for these arrays, as arrays; and the arrays must be left alone."""
    op = {"div_rule": "div", "tanh_rule": "tanh", "sum_rule": "sum_to", "matmul_rule": "matmul"}[name]
    what = f"{name}({', '.join(['g', 'out', 'x', 'y'][: 2 + len(inputs)])})"

    def apply(g, *inputs):
        leaves = [a.Var(x) for x in inputs]
        out = a.Var(getattr(a, op).forward(*inputs, **params))
        named = dict(zip(("x", "y"), inputs)) | {"g": g, "out": out.value}
        with untouched(**named):
            got = getattr(a, name)(a.Var(g), out, *leaves, **params)
        return shares(a, what, got, len(inputs))

    return repeated(what, apply, g, *inputs)


# ---- task 1


@test(task=1, points=1)
def div_at_two_points(a):
    """div_rule, for 6 / 2 and 2 / 4."""
    g, x, y = np.array([1.0, 8.0]), np.array([6.0, 2.0]), np.array([2.0, 4.0])
    dx, dy = apply_rule(a, "div_rule", g, x, y)
    close("div_rule(g, out, x, y)[0], the gradient for x", dx, np.array([0.5, 2.0]))
    close("div_rule(g, out, x, y)[1], the gradient for y", dy, np.array([-1.5, -1.0]))


@test(task=1, points=1)
def tanh_at_two_points(a):
    """tanh_rule, at 0 and 1."""
    (dx,) = apply_rule(a, "tanh_rule", np.array([3.0, 2.0]), np.array([0.0, 1.0]))
    close("tanh_rule(g, out, x)[0]", dx, np.array([3.0, 0.8399486832]))


@test(task=1, points=1)
def sum_of_rows(a):
    """sum_rule, for a sum over axis 1."""
    (dx,) = apply_rule(a, "sum_rule", np.array([[5.0], [7.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    close("sum_rule(g, out, x, axis=1)[0]", dx, np.array([[5.0, 5.0], [7.0, 7.0]]))


@test(task=1, points=1)
def row_times_matrix(a):
    """matmul_rule, for a row times a 2x2 matrix."""
    g, x, y = np.array([[1.0, 10.0]]), np.array([[2.0, 3.0]]), np.array([[1.0, 4.0], [5.0, 6.0]])
    dx, dy = apply_rule(a, "matmul_rule", g, x, y)
    close("matmul_rule(g, out, x, y)[0], the gradient for x", dx, np.array([[41.0, 65.0]]))
    close("matmul_rule(g, out, x, y)[1], the gradient for y", dy, np.array([[2.0, 20.0], [3.0, 30.0]]))


# ---- task 2


def added_up(a, g, shape):
    """unbroadcast(g, shape) as an array; g must be left alone."""
    what = f"unbroadcast(g, {shape}) for g of shape {g.shape}"

    def add_up(g):
        with untouched(g=g):
            got = a.unbroadcast(a.Var(g), shape)
        return array(a, what, got)

    return repeated(what, add_up, g)


@test(task=2, points=1)
def a_row_under_a_matrix(a):
    """A row (3,) that was added to a matrix (2, 3)."""
    g = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    close("unbroadcast(g, (3,)) for g of shape (2, 3)", added_up(a, g, (3,)), np.array([11.0, 22.0, 33.0]))


@test(task=2, points=1)
def a_column_beside_a_matrix(a):
    """A column (2, 1) that was added to a matrix (2, 3)."""
    g = np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])
    close("unbroadcast(g, (2, 1)) for g of shape (2, 3)", added_up(a, g, (2, 1)), np.array([[6.0], [60.0]]))


# ---- task 3


def order(a, output, names):
    """newest_first(output) as a list of names."""
    before = {name: var.inputs for name, var in names.items()}
    found = a.newest_first(output)
    for name, var in names.items():
        if var.inputs != before[name]:
            fail("newest_first(output)", f"the inputs of {name} are no longer what they were.")
    if not isinstance(found, list | tuple):
        fail("newest_first(output)", f"expected a list of Vars, got {type(found).__name__}.")
    return [next((name for name, var in names.items() if var is x), "something else") for x in found]


def ordered(a, output, names):
    """Complain unless newest_first gives these Vars and no others, each once and before its inputs."""
    found = order(a, output, names)
    if sorted(found) != sorted(names):
        fail("newest_first(output)", f"expected {', '.join(names)}, each once; got {', '.join(found) or 'nothing'}.")
    for name, var in names.items():
        for x in var.inputs:
            late = next((other for other, v in names.items() if v is x), None)
            if late and found.index(late) < found.index(name):
                fail("newest_first(output)", f"{late} comes before {name}, which was made from it: {', '.join(found)}.")


@test(task=3, points=1)
def a_chain(a):
    """One operation after the other: p = x * x, s = tanh(p), output = -s."""
    x = a.Var(0.5)
    p = x * x
    s = a.tanh(p)
    output = -s
    ordered(a, output, {"output": output, "s": s, "p": p})


@test(task=3, points=1)
def one_used_twice(a):
    """p is used by two others: p = x * x, s = tanh(p), output = p * s."""
    x = a.Var(0.5)
    p = x * x
    s = a.tanh(p)
    output = p * s
    ordered(a, output, {"output": output, "s": s, "p": p})


# ---- task 4


def gradients(a, output, inputs, g=None):
    """grad(output, inputs, g) as arrays."""
    found = a.grad(output, inputs, g)
    if not isinstance(found, list | tuple) or len(found) != len(inputs):
        count = f"{len(found)} of them" if isinstance(found, list | tuple) else type(found).__name__
        fail("grad(output, inputs)", f"expected a list with a Var for each of the {len(inputs)} inputs, got {count}.")
    return [array(a, f"grad(output, inputs)[{i}]", d) for i, d in enumerate(found)]


@test(task=4, points=1)
def two_paths(a):
    """x is used twice: output = x * w + x."""
    x, w = a.Var(2.0), a.Var(5.0)
    dx, dw = gradients(a, x * w + x, [x, w])
    close("grad(x * w + x, [x, w])[0]", dx, np.array(6.0))
    close("grad(x * w + x, [x, w])[1]", dw, np.array(2.0))


@test(task=4, points=1)
def what_does_not_depend(a):
    """An input that output does not depend on; and an output that is no number, without g."""
    x, w = a.Var(np.array([1.0, 2.0])), a.Var(np.array([3.0, 4.0]))
    close("grad(sum_to(x), [w])[0]", gradients(a, a.sum_to(x), [w])[0], np.zeros(2))
    try:
        a.grad(x * w, [x])
    except ValueError:
        return
    fail("grad(x * w, [x])", "expected a ValueError, since x * w has two elements and there is no g.")


@test(task=4, points=1)
def twice(a):
    """The gradient of the gradient of x * x * x, which is 6 x."""
    x = a.Var(2.0)
    (first,) = a.grad(x * x * x, [x])
    close("grad(x * x * x, [x])[0]", array(a, "grad(x * x * x, [x])[0]", first), np.array(12.0))
    close("grad(grad(x * x * x, [x])[0], [x])[0]", gradients(a, first, [x])[0], np.array(12.0))


# ---- task 5


@test(task=5, points=1)
def a_plane(a):
    """f(x) = x @ w has the slope |w| everywhere: 5 for w = (3, 4)."""
    w = a.Var(np.array([[3.0], [4.0]]))
    got = a.gradient_penalty(lambda x: x @ w, a.Var(np.array([[1.0, 2.0], [0.0, 1.0]])))
    penalty = array(a, "gradient_penalty(f, x)", got)
    close("gradient_penalty(f, x) for a slope of 5", penalty.reshape(-1), np.array([16.0]))
