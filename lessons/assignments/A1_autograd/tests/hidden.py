"""The hidden tests of A1.  Their oracle is minigen's own engine, and its gradient checker: nothing of the student's."""

import itertools

import numpy as np
from public import added_up, apply_rule, array, gradients, ordered

import minigen as mg
from minigen import check
from minigen.course.kit import close, fail, single, test, untouched


def random(seed, *shape, dtype=np.float64):
    """Gaussian numbers; never all ones, under which much that is wrong looks right."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def away_from_zero(seed, *shape):
    """Numbers of both signs that one can divide by."""
    x = random(seed, *shape)
    return x + np.copysign(0.7, x)


def expected(f, arrays, g):
    """The gradients of f, a function on Tensors, for each of the arrays under the cotangent g."""
    leaves = [mg.tensor(x, requires_grad=True) for x in arrays]
    return [d.numpy() for d in mg.grad(f(*leaves), leaves, mg.tensor(g))]


# ---- task 1: each rule on other shapes, in float32, and differentiated again


@test(task=1, points=1)
def quotients_elsewhere(a):
    """div_rule, for quotients of both signs in a 3x4 matrix and for single numbers."""
    for seed, shape in enumerate([(3, 4), (), (2, 1, 3)]):
        g, x, y = random(seed, *shape), random(seed + 10, *shape), away_from_zero(seed + 20, *shape)
        got = apply_rule(a, "div_rule", g, x, y)
        for name, d, e in zip("xy", got, expected(lambda x, y: x / y, [x, y], g)):
            close(f"the gradient for {name} by div_rule, shape {shape}", d, e)


@test(task=1, points=1)
def tangents_elsewhere(a):
    """tanh_rule, from -3 to 3; and far out, where tanh is flat."""
    for seed, shape in enumerate([(7,), (2, 3)]):
        g, x = random(seed, *shape), np.linspace(-3, 3, int(np.prod(shape))).reshape(shape)
        (dx,) = apply_rule(a, "tanh_rule", g, x)
        close(f"the gradient by tanh_rule, shape {shape}", dx, expected(mg.tanh, [x], g)[0])
    for dtype, far in ((np.float64, 400), (np.float32, 50)):
        with np.errstate(all="ignore"):
            (dx,) = apply_rule(a, "tanh_rule", np.array([2, 3, -1], dtype), np.array([-far, 0, far], dtype))
        close(f"the gradient by tanh_rule for x = -{far}, 0 and {far}", dx, np.array([0, 3, 0], dtype))


@test(task=1, points=1)
def sums_over_any_axes(a):
    """sum_rule, over each axis, several and all of them."""
    x = random(1, 2, 3, 4)
    for axis in (0, 1, 2, (0, 2), (1, 2), None):
        g = random(2, *np.sum(x, axis=axis, keepdims=True).shape)
        (dx,) = apply_rule(a, "sum_rule", g, x, axis=axis)
        close(f"the gradient by sum_rule, axis={axis}", dx, np.broadcast_to(g, x.shape) + 0.0)


@test(task=1, points=1)
def products_of_any_size(a):
    """matmul_rule, for sizes from 1x1 to 4x5."""
    for seed, (n, k, m) in enumerate([(3, 4, 5), (1, 1, 1), (2, 5, 1), (3, 3, 3)]):
        g, x, y = random(seed, n, m), random(seed + 10, n, k), random(seed + 20, k, m)
        got = apply_rule(a, "matmul_rule", g, x, y)
        for name, d, e in zip("xy", got, [g @ y.T, x.T @ g]):
            close(f"the gradient for {name} by matmul_rule, sizes {n}x{k} and {k}x{m}", d, e)


@test(task=1, points=2)
def single_precision_stays(a):
    """All four rules give float32 for float32, with the right values."""
    x, y, g = (random(seed, 3, 3, dtype=np.float32) for seed in range(3))
    y += np.copysign(np.float32(0.7), y)
    for name, inputs in (("div_rule", [x, y]), ("tanh_rule", [x]), ("sum_rule", [x]), ("matmul_rule", [x, y])):
        cotangent = g[:1, :1] if name == "sum_rule" else g
        f = {
            "div_rule": lambda x, y: x / y,
            "tanh_rule": mg.tanh,
            "sum_rule": lambda x: x.sum().reshape(1, 1),
            "matmul_rule": mg.matmul,
        }[name]
        exact = expected(f, [v.astype(np.float64) for v in inputs], cotangent.astype(np.float64))
        for i, (d, e) in enumerate(zip(apply_rule(a, name, cotangent, *inputs), exact)):
            single(f"the gradient [{i}] by {name}", d, e)


@test(task=1, points=2)
def rules_of_rules(a):
    """Each rule's result can be differentiated, for its inputs and for g."""
    x, y, g, u = random(3, 2, 2), away_from_zero(4, 2, 2), random(5, 2, 2), random(6, 2, 2)
    small = g[:1, :1]
    cases = [
        ("div", [x, y], g, lambda x, y: x / y),
        ("tanh", [x], g, mg.tanh),
        ("sum_to", [x], small, lambda x: x.sum().reshape(1, 1)),
        ("matmul", [x, y], g, mg.matmul),
    ]
    for name, inputs, cotangent, f in cases:
        rule = {"sum_to": "sum_rule"}.get(name, f"{name}_rule")
        for i in range(len(inputs)):
            leaves = [a.Var(v) for v in [*inputs, cotangent]]
            out = getattr(a, name)(*leaves[:-1])
            first = getattr(a, rule)(leaves[-1], out, *leaves[:-1])[i]
            array(a, f"{rule}(...)[{i}]", first)
            got = gradients(a, a.sum_to(first * a.Var(u)), leaves)
            tensors = [mg.tensor(v, requires_grad=True) for v in [*inputs, cotangent]]
            (once,) = mg.grad(f(*tensors[:-1]), tensors[i], tensors[-1], create_graph=True)
            wanted = mg.grad((once * mg.tensor(u)).sum(), tensors, allow_unused=True)
            for at, d, e in zip([*"xy"[: len(inputs)], "g"], got, wanted):
                truth = np.zeros_like(d) if e is None else e.numpy()
                close(f"{rule}(...)[{i}] differentiated again, for {at}", d, truth)


# ---- task 2


@test(task=2, points=2)
def any_two_shapes(a):
    """Every shape that can be copied to (2, 3, 4) or (1, 3), and the empty shape of a number."""
    for full in [(2, 3, 4), (1, 3)]:
        g = random(len(full), *full)
        for cut in range(len(full) + 1):
            for ones in itertools.product([False, True], repeat=len(full) - cut):
                shape = tuple(1 if one else n for one, n in zip(ones, full[cut:]))
                lead = g.sum(axis=tuple(range(cut)))
                axes = tuple(i for i, n in enumerate(shape) if n == 1)
                close(
                    f"g of shape {full} added up to {shape}", added_up(a, g, shape), lead.sum(axis=axes, keepdims=True)
                )


@test(task=2, points=1)
def nothing_to_add_up(a):
    """A shape that was not copied at all; float32 stays float32."""
    for shape in [(2, 3), (1,), (), (1, 1)]:
        g = np.asarray(random(1, *shape, dtype=np.float32))
        close(f"g of shape {shape} added up to the same shape", added_up(a, g, shape), g)
    g = random(2, 3, 2, dtype=np.float32)
    close("g of shape (3, 2), float32, added up to (2,)", added_up(a, g, (2,)), g.sum(axis=0), rtol=1e-5, atol=1e-6)


@test(task=2, points=1)
def differentiated_again(a):
    """What unbroadcast gives can be differentiated."""
    u = random(1, 3)
    for shape in [(3,), (1, 3)]:
        g = a.Var(random(2, 2, 3))
        total = a.sum_to(a.unbroadcast(g, shape) * a.Var(u.reshape(shape)))
        (d,) = gradients(a, total, [g])
        close(f"the gradient of unbroadcast(g, {shape}) for g", d, np.stack([u, u]))


# ---- task 3


@test(task=3, points=2, seconds=1)
def orders_of_random_graphs(a):
    """Random graphs of 15 operations, in which most results are used several times."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        made = [a.Var(0.3), a.Var(-0.2)]
        for _ in range(15):
            pick = [made[int(i)] for i in rng.integers(max(0, len(made) - 5), len(made), 2)]
            made.append([a.add, a.mul][int(rng.integers(2))](*pick))
        needed, waiting = {}, [made[-1]]
        while waiting:
            var = waiting.pop()
            if var.op and id(var) not in needed:
                needed[id(var)] = var
                waiting.extend(var.inputs)
        numbered = {id(var): f"v{i}" for i, var in enumerate(made)}
        names = {numbered[key]: var for key, var in needed.items()}
        ordered(a, made[-1], names)
        again = len(a.newest_first(made[-1]))
        if again != len(names):
            fail("newest_first(output), called again", f"expected {len(names)} Vars as before, got {again}.")
    if len(a.newest_first(a.Var(0.5))):
        fail("newest_first(output) for a leaf", "expected an empty list: no Op made it.")


@test(task=3, points=1)
def a_long_chain(a):
    """5,000 operations in a row."""
    var = a.Var(1.0)
    for _ in range(5000):
        var = -var
    length = len(a.newest_first(var))
    if length != 5000:
        fail("newest_first(output) for a chain of 5000 operations", f"expected 5000 Vars, got {length}.")


@test(task=3, points=1, seconds=1)
def many_paths(a):
    """40 doublings: 40 operations, and 2 to the 40 paths through them."""
    var = a.Var(1.0)
    for _ in range(40):
        var = var + var
    length = len(a.newest_first(var))
    if length != 40:
        fail("newest_first(output) for 40 doublings", f"expected 40 Vars, got {length}.")


# ---- task 4


def network(ops, x, w, b, v):
    """A function in which every operation occurs, and everything broadcasts: for Vars and for Tensors."""
    hidden = ops["tanh"](x @ w + b)
    scaled = hidden / (ops["exp"](v) + 2.0) - hidden * v
    total = ops["sum"](scaled, 1)
    return ops["sqrt"](total * total + 1.0) * 0.5


def theirs(a):
    """The operations on Vars."""
    return {"tanh": a.tanh, "exp": a.exp, "sqrt": a.sqrt, "sum": lambda x, axis: a.sum_to(x, axis=axis)}


OURS = {"tanh": mg.tanh, "exp": mg.exp, "sqrt": mg.sqrt, "sum": lambda x, axis: x.sum(axis, keepdim=True)}


def parameters(dtype=np.float64):
    """Arrays for `network`: x, w, b, v."""
    return [random(seed, *shape, dtype=dtype) for seed, shape in enumerate([(4, 3), (3, 2), (2,), (4, 1)])]


@test(task=4, points=2)
def gradients_of_a_network(a):
    """Gradients for all inputs of a network, where everything broadcasts, under a random g; and none without g."""
    arrays, g = parameters(), random(9, 4, 1)
    leaves = [a.Var(x) for x in arrays]
    with untouched(**dict(zip(["x", "w", "b", "v"], arrays)), g=g):
        got = gradients(a, network(theirs(a), *leaves), leaves, a.Var(g))
    for name, d, e in zip("xwbv", got, expected(lambda *t: network(OURS, *t), arrays, g)):
        close(f"the gradient of a network for {name}", d, e)
    try:
        a.grad(network(theirs(a), *leaves), leaves)
    except ValueError:
        return
    fail("grad(output, inputs) for an output of shape (4, 1)", "expected a ValueError, since there is no g.")


@test(task=4, points=1, seconds=1)
def many_uses(a):
    """40 doublings: a gradient of 2 to the 40, in no time."""
    x = a.Var(1.0)
    var = x
    for _ in range(40):
        var = var + var
    close("the gradient of 40 doublings", gradients(a, var, [x])[0], np.array(2.0**40))


@test(task=4, points=2)
def three_times(a):
    """The second and the third derivative of a network along a direction; and of a square, at 0."""
    arrays, g = parameters(), random(9, 4, 1)
    u = [random(seed + 20, *x.shape) for seed, x in enumerate(arrays)]
    leaves = [a.Var(x) for x in arrays]
    tensors = [mg.tensor(x, requires_grad=True) for x in arrays]
    mine = a.sum_to(network(theirs(a), *leaves) * a.Var(g))
    truth = (network(OURS, *tensors) * mg.tensor(g)).sum()
    for order in ("first", "second", "third"):
        mine = a.grad(mine, leaves)
        truth = mg.grad(truth, tensors, create_graph=True)
        for name, d, e in zip("xwbv", mine, truth):
            close(f"the {order} derivative of a network for {name}", array(a, "a gradient", d), e.numpy(), rtol=1e-5)
        mine = sum((a.sum_to(d * a.Var(direction)) for d, direction in zip(mine, u)), start=a.Var(0.0))
        mine = a.sum_to(mine)
        truth = sum((d * mg.tensor(direction)).sum() for d, direction in zip(truth, u))
    for at in ([0.0, 1.5], [0.0, 0.0]):  # a gradient that is zero has a gradient that is not
        x = a.Var(np.array(at))
        (first,) = a.grad(a.sum_to(x * x), [x])
        close(f"the first derivative of x * x at {at}", array(a, "a gradient", first), 2 * x.value)
        close(f"the second derivative of x * x at {at}", gradients(a, a.sum_to(first), [x])[0], np.full(2, 2.0))


@test(task=4, points=1)
def softmax_from_your_operations(a):
    """A softmax built from your operations, examined by minigen's gradient checker at the first and the second order."""

    def softmax(x, dim):
        e = a.exp(x)
        return e / a.sum_to(e, axis=dim)

    def vjp(g, x, dim):
        leaf = a.Var(np.array(x))
        return a.grad(softmax(leaf, dim), [leaf], a.Var(np.array(g)))[0].value

    def double(us, g, x, dim):
        leaf, cotangent = a.Var(np.array(x)), a.Var(np.array(g))
        (first,) = a.grad(softmax(leaf, dim), [leaf], cotangent)
        return [d.value for d in a.grad(first, [cotangent, leaf], a.Var(np.array(us[0])))]

    def values(x, dim):
        return softmax(a.Var(np.array(x)), dim).value

    report = check.check(values, vjp, like="softmax", double=double, examples=1)
    if not report:
        fail("grad, for a softmax", f"minigen's checker says: {report.findings and report}")


@test(task=4, points=1)
def inputs_of_all_kinds(a):
    """Inputs that are not leaves, the output itself, a leaf as output, one twice; and again: nothing is left behind."""
    x = a.Var(np.array([0.5, -1.5]))
    p = x * x
    output = a.sum_to(a.tanh(p) * p)
    g = a.Var(np.array([1.7]))
    t = np.tanh(x.value**2)
    dp = 1.7 * ((1 - t**2) * x.value**2 + t)
    for turn in ("", ", asked for once more"):
        got = gradients(a, output, [x, p, output, x], g)
        for what, d, e in zip(("x", "p, which is no leaf", "output itself", "x again"), got,
                              (dp * 2 * x.value, dp, np.array([1.7]), dp * 2 * x.value)):  # fmt: skip
            close(f"the gradient for {what}{turn}", d, e)
    before = [d.copy() for d in got]
    gradients(a, output, [x, p, output, x], a.Var(np.array([-0.3])))
    if not all(map(np.array_equal, got, before)):
        fail("grad(output, inputs, g)", "the next call changes this result. Give new arrays in each call.")
    leaf, other = a.Var(np.array([2.0])), a.Var(np.array([3.0]))
    for what, cotangent, wanted in (("", (), 1.0), (", with g = 5", (a.Var(np.array([5.0])),), 5.0)):
        got = gradients(a, leaf, [leaf, other], *cotangent)
        close(f"the gradient of a leaf for itself{what}", got[0], np.array([wanted]))
        close(f"the gradient of a leaf for another leaf{what}", got[1], np.array([0.0]))


@test(task=4, points=1)
def shapes_and_dtypes_of_gradients(a):
    """Each gradient has its input's shape and, for float32, its dtype, also where it is zero; and the right values."""
    leaves = [a.Var(x) for x in parameters(np.float32)]
    unused = a.Var(random(1, 2, 3, dtype=np.float32))
    output = a.sum_to(network(theirs(a), *leaves))
    got = gradients(a, output, [*leaves, unused])
    for name, var, d in zip([*"xwbv", "an unused input"], [*leaves, unused], got):
        if d.shape != var.value.shape or d.dtype != np.float32:
            fail(
                f"the gradient for {name}",
                f"expected shape {var.value.shape} and float32, got {d.shape} and {d.dtype}.",
            )
    exact = expected(lambda *t: network(OURS, *t), [v.value.astype(np.float64) for v in leaves], np.ones((4, 1)))
    for name, d, e in zip("xwbv", got, exact):
        single(f"the gradient for {name}", d, e)


# ---- task 5


def discriminator(ops, x, w, b, v):
    """One number for each row of x."""
    return ops["tanh"](x @ w + b) @ v


def weights(dtype=np.float64):
    """Arrays for `discriminator`: w, b, v."""
    return [1.3 * random(seed + 5, *shape, dtype=dtype) for seed, shape in enumerate([(3, 4), (4,), (4, 1)])]


def penalty(x, *w):
    """The penalty, by minigen."""
    (slopes,) = mg.grad(discriminator(OURS, x, *w).sum(), x, create_graph=True)
    return ((slopes.square().sum(1).sqrt() - 1) ** 2).mean()


@test(task=5, points=2)
def penalties_of_a_network(a):
    """The penalty of a network, for 1, 2 and 5 points of 3 numbers."""
    for n in (1, 2, 5):
        x, w = random(n, n, 3), weights()
        with untouched(x=x):
            got = a.gradient_penalty(lambda x, w=w: discriminator(theirs(a), x, *map(a.Var, w)), a.Var(x))
        truth = penalty(mg.tensor(x, requires_grad=True), *map(mg.tensor, w)).numpy()
        close(
            f"the penalty of a network for {n} points", array(a, "gradient_penalty(f, x)", got).reshape(-1), truth[None]
        )


@test(task=5, points=2)
def penalties_teach(a):
    """The penalty's gradient for the weights of the network, which is what training needs; and float32 stays."""
    for dtype, rtol in ((np.float64, 1e-6), (np.float32, 1e-3)):
        x, w = random(3, 5, 3, dtype=dtype), weights(dtype)
        leaves = [a.Var(v) for v in w]
        got = a.gradient_penalty(lambda x, leaves=leaves: discriminator(theirs(a), x, *leaves), a.Var(x))
        array(a, "gradient_penalty(f, x)", got)
        tensors = [mg.tensor(v.astype(np.float64), requires_grad=True) for v in w]
        truth = mg.grad(
            penalty(mg.tensor(x.astype(np.float64), requires_grad=True), *tensors), tensors, allow_unused=True
        )
        for name, d, e in zip("wbv", gradients(a, got, leaves), truth):
            close(f"the penalty's gradient for {name}", d, e.numpy().astype(dtype), rtol=rtol, atol=rtol / 10)
