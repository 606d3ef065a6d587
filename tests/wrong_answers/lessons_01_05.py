"""Wrong answers to lessons 1 to 5."""

import numpy as np

import minigen as mg
import minigen.functional as F
from minigen.kernels import reference

from . import Table

TABLE = Table()
add, program = TABLE.add, TABLE.program

# 1.1 the gradients of a quotient
add("div_vjp", "sign of gw lost", "sign|minus", lambda g, x, w: (g / w, g * x / w**2))
add("div_vjp", "g forgotten in gw", r"\bg\b|cotangent", lambda g, x, w: (g / w, -x / w**2))
add("div_vjp", "g forgotten in both", r"\bg\b|cotangent", lambda g, x, w: (1 / w, -x / w**2))
add("div_vjp", "w not squared", "power|square|w\\*\\*2|w \\* w|w\\^2", lambda g, x, w: (g / w, -g * x / w))
add("div_vjp", "x forgotten in gw", r"\bx\b", lambda g, x, w: (g / w, -g / w**2))
add("div_vjp", "the two exchanged", "order|exchang|comes first", lambda g, x, w: (-g * x / w**2, g / w))
add("div_vjp", "rules of the product", "product|multipl", lambda g, x, w: (g * w, g * x))
add("div_vjp", "only gx", "in a tuple", lambda g, x, w: g / w)
add("div_vjp", "summed over all elements", "sum|shape", lambda g, x, w: ((g / w).sum(), (-g * x / w**2).sum()))

# 1.2 the gradient of centering
add("center_vjp", "only the direct way", "mean|direct", lambda g, x: g)
add("center_vjp", "mean over the wrong axis", "axis|row|column", lambda g, x: g - g.mean(axis=1, keepdims=True))
add("center_vjp", "mean of all", "axis|column|all", lambda g, x: g - g.mean())
add("center_vjp", "a sum in place of a mean", "sum|1/N|divide|mean", lambda g, x: g - g.sum(axis=0))
add("center_vjp", "plus", "sign|minus|subtract", lambda g, x: g + g.mean(axis=0))
add("center_vjp", "the forward function", r"forward|\bx\b", lambda g, x: x - x.mean(axis=0))
add("center_vjp", "derivative 1 - 1/N of the same element only", "other|every|all", lambda g, x: g * (1 - 1 / len(x)))
add("center_vjp", "g times the centred x", r"linear|\bx\b", lambda g, x: g * (x - x.mean(axis=0)))

# 1.3 the backward pass


def collected(output):
    """All tensors of the graph, newest first."""
    seen, todo = {}, [output]
    while todo:
        t = todo.pop()
        if id(t) not in seen:
            seen[id(t)] = t
            if t.node is not None:
                todo += t.node.inputs
    return sorted(seen.values(), key=lambda t: -1 if t.node is None else t.node.sequence_number, reverse=True)


def contributions(t, g):
    return t.node.primitive.apply_vjps(range(len(t.node.inputs)), g, t, t.node.inputs, t.node.params)


@program("my_grad", "overwrit|add|\\+=|accumulat")
def overwrites_in_place_of_adding(output, x):
    grads = {id(output): mg.ones_like(output)}
    for t in collected(output):
        if t.node is not None and id(t) in grads:
            for i, c in contributions(t, grads[id(t)]):
                grads[id(t.node.inputs[i])] = c
    return grads[id(x)]


@program("my_grad", "order|newest|before|complete")
def breadth_first_without_order(output, x):
    grads, todo, seen = {id(output): mg.ones_like(output)}, [output], set()
    while todo:
        t = todo.pop(0)
        if t.node is None or id(t) in seen:
            continue
        seen.add(id(t))
        for i, c in contributions(t, grads[id(t)]):
            a = t.node.inputs[i]
            grads[id(a)] = grads[id(a)] + c if id(a) in grads else c
            todo.append(a)
    return grads[id(x)]


@program("my_grad", "order|newest|oldest")
def oldest_first(output, x):
    grads = {id(output): mg.ones_like(output)}
    for t in reversed(collected(output)):
        if t.node is not None and id(t) in grads:
            for i, c in contributions(t, grads[id(t)]):
                a = t.node.inputs[i]
                grads[id(a)] = grads[id(a)] + c if id(a) in grads else c
    return grads.get(id(x), mg.zeros_like(x))


@program("my_grad", "once|twice|again|each path|seen|visited")
def collects_a_tensor_twice(output, x):
    todo, order = [output], []
    while todo:
        t = todo.pop(0)
        order.append(t)
        if t.node is not None:
            todo += t.node.inputs
    order.sort(key=lambda t: -1 if t.node is None else t.node.sequence_number, reverse=True)
    grads = {id(output): mg.ones_like(output)}
    for t in order:
        if t.node is not None:
            for i, c in contributions(t, grads[id(t)]):
                a = t.node.inputs[i]
                grads[id(a)] = grads[id(a)] + c if id(a) in grads else c
    return grads[id(x)]


@program("my_grad", "first input|all inputs|position|every input|second")
def only_the_first_input(output, x):
    grads = {id(output): mg.ones_like(output)}
    for t in collected(output):
        if t.node is not None and id(t) in grads:
            for i, c in t.node.primitive.apply_vjps([0], grads[id(t)], t, t.node.inputs, t.node.params):
                a = t.node.inputs[i]
                grads[id(a)] = grads[id(a)] + c if id(a) in grads else c
    return grads[id(x)]


@program("my_grad", "cotangent|ones|chain")
def every_rule_gets_ones(output, x):
    grads = {id(output): mg.ones_like(output)}
    for t in collected(output):
        if t.node is not None:
            for i, c in contributions(t, mg.ones_like(t)):
                a = t.node.inputs[i]
                grads[id(a)] = grads[id(a)] + c if id(a) in grads else c
    return grads[id(x)]


@program("my_grad", "contribution|chain|path")
def stops_after_one_operation(output, x):
    grads = {}
    for i, c in contributions(output, mg.ones_like(output)):
        grads[id(output.node.inputs[i])] = c
    return grads.get(id(x), mg.zeros_like(x))


@program("my_grad", "in place|shared|alias|\\+=|copy")
def adds_in_place(output, x):
    grads = {id(output): mg.ones_like(output)}
    for t in collected(output):
        if t.node is not None and id(t) in grads:
            for i, c in contributions(t, grads[id(t)]):
                a = t.node.inputs[i]
                if id(a) in grads:
                    grads[id(a)].data[...] += c.data
                else:
                    grads[id(a)] = c
    return grads[id(x)]


add("my_grad", "the finished function's list", "list|Tensor|tuple", lambda output, x: mg.grad(output, [x]))

# 1.4 softsign
add("softsign_vjp", "|x| not squared", "square|power", lambda g, out, x: g / (1 + abs(x)))
add("softsign_vjp", "without abs: wrong for x < 0", "negative|x < 0|abs", lambda g, out, x: g / (1 + x) ** 2)
add("softsign_vjp", "g forgotten", r"\bg\b|cotangent", lambda g, out, x: 1 / (1 + abs(x)) ** 2)
add("softsign_vjp", "sign", "sign|minus", lambda g, out, x: -g / (1 + abs(x)) ** 2)
add(
    "softsign_vjp",
    "computed from .data: no second derivative",
    "second|history|\\.data|constant|Tensor",
    lambda g, out, x: g * mg.tensor(1 / (1 + np.abs(x.data)) ** 2),
)
add("softsign_vjp", "x squared: 1/(1 + x^2)", "mixed term|abs|square|x\\^2|x\\*\\*2", lambda g, out, x: g / (1 + x * x))
add("softsign_vjp", "x detached", "second|detach|history|constant", lambda g, out, x: g / (1 + abs(x.detach())) ** 2)
add(
    "softsign_vjp",
    "the negative side takes 1 - 2x",
    "negative|x < 0|below|numerator",
    lambda g, out, x: g * (1 + abs(x) - x) / (1 + abs(x)) ** 2,
)

# 1.5 Hessian times vector
add(
    "hvp",
    "create_graph forgotten",
    "create_graph",
    lambda f, x, v: mg.grad((mg.grad(f(x), [x])[0] * v).sum(), [x])[0],
)
add("hvp", "only the gradient", "gradient|second|once", lambda f, x, v: mg.grad(f(x), [x])[0])
add(
    "hvp",
    "gradient times v, and no second",
    "second|once|again",
    lambda f, x, v: mg.grad(f(x), [x])[0] * v,
)
add(
    "hvp",
    "v forgotten",
    r"\bv\b|vector|direction",
    lambda f, x, v: mg.grad(mg.grad(f(x), [x], create_graph=True)[0].sum(), [x])[0],
)
add(
    "hvp",
    "times v afterwards",
    r"before|inside|inner|after|\bv\b",
    lambda f, x, v: mg.grad(mg.grad(f(x), [x], create_graph=True)[0].sum(), [x])[0] * v,
)
add(
    "hvp",
    "square of the gradient",
    r"square|\bv\b|inner product",
    lambda f, x, v: mg.grad((mg.grad(f(x), [x], create_graph=True)[0] ** 2).sum(), [x])[0],
)
add(
    "hvp",
    "mean in place of sum",
    "mean|sum|scale|times",
    lambda f, x, v: mg.grad((mg.grad(f(x), [x], create_graph=True)[0] * v).mean(), [x])[0],
)
add(
    "hvp",
    "a tuple, as mg.grad gives it",
    "list|tuple|Tensor|\\[0\\]",
    lambda f, x, v: mg.grad((mg.grad(f(x), [x], create_graph=True)[0] * v).sum(), [x]),
)

# 1.6 rounding
add("round_through", "only the constant", "constant|no gradient|gradient", lambda x: mg.tensor(np.round(x.data)))
add("round_through", "x unchanged", "value|round", lambda x: x)
add(
    "round_through",
    "x not detached in the difference",
    "detach|cancel|zero|0",
    lambda x: x + (mg.tensor(np.round(x.data)) - x),
)
add(
    "round_through",
    "x minus the difference",
    "sign|minus|value",
    lambda x: x - (mg.tensor(np.round(x.data)) - x).detach(),
)
add(
    "round_through",
    "gradient doubled",
    "twice|2|double|times",
    lambda x: 2 * x + (mg.tensor(np.round(x.data)) - 2 * x).detach(),
)
add(
    "round_through",
    "the first x is detached, too",
    "detach|no gradient|constant",
    lambda x: x.detach() + (mg.tensor(np.round(x.data)) - x).detach(),
)
add(
    "round_through",
    "times round(x)/x",
    "gradient|factor|scale|times|constant",
    lambda x: x * mg.tensor(np.round(x.data) / x.data),
)

# 2.1 five points


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


add("five_point", "only central", "h\\^2|four|D\\(2h\\)|central", lambda f, x, h: central(f, x, h))
add(
    "five_point",
    "the mean of the two",
    "mean|weight|cancel|h\\^2|h\\*\\*2",
    lambda f, x, h: (central(f, x, h) + central(f, x, 2 * h)) / 2,
)
add("five_point", "2 D(h) - D(2h)", "four|4|first|h\\^2", lambda f, x, h: 2 * central(f, x, h) - central(f, x, 2 * h))
add("five_point", "not divided by 3", "3|divide|three", lambda f, x, h: 4 * central(f, x, h) - central(f, x, 2 * h))
add(
    "five_point",
    "exchanged",
    "exchang|swap|order|D\\(2h\\)",
    lambda f, x, h: (4 * central(f, x, 2 * h) - central(f, x, h)) / 3,
)
add("five_point", "plus", "sign|minus|plus", lambda f, x, h: (4 * central(f, x, h) + central(f, x, 2 * h)) / 3)
add(
    "five_point",
    "2h not in the divisor",
    "2h|divide|4h|divisor|denominator",
    lambda f, x, h: (4 * central(f, x, h) - (f(x + 2 * h) - f(x - 2 * h)) / (2 * h)) / 3,
)
add(
    "five_point",
    "forward differences",
    "central|forward",
    lambda f, x, h: (4 * (f(x + h) - f(x)) / h - (f(x + 2 * h) - f(x)) / (2 * h)) / 3,
)
add(
    "five_point",
    "D(h/2) in place of D(2h)",
    "h / ?2|2h|half",
    lambda f, x, h: (4 * central(f, x, h) - central(f, x, h / 2)) / 3,
)

# 2.2 the best step
add(
    "best_step",
    "where the terms are equal",
    "equal",
    lambda e, M3: ((6 * e / M3) ** (1 / 3), 2 * e / (6 * e / M3) ** (1 / 3)),
)
add(
    "best_step",
    "square root, as forward",
    "cube|third|forward|root",
    lambda e, M3: ((3 * e / M3) ** 0.5, 1.5 * e / (3 * e / M3) ** 0.5),
)
add(
    "best_step",
    "error: only the truncation",
    "to be added|both|noise|two|sum|term",
    lambda e, M3: ((3 * e / M3) ** (1 / 3), (3 * e / M3) ** (2 / 3) * M3 / 6),
)
add(
    "best_step",
    "error: only the noise",
    "both|truncation|two|sum|term",
    lambda e, M3: ((3 * e / M3) ** (1 / 3), e / (3 * e / M3) ** (1 / 3)),
)
add(
    "best_step",
    "fraction upside down",
    "upside|M3 / e|grow|invert|noise",
    lambda e, M3: ((M3 / (3 * e)) ** (1 / 3), 1.5 * e / (M3 / (3 * e)) ** (1 / 3)),
)
add(
    "best_step",
    "2 lost in the derivative",
    "derivative|2|square|h\\^2",
    lambda e, M3: ((6 * e / M3) ** (1 / 3), (6 * e / M3) ** (2 / 3) * M3 / 6 + e / (6 * e / M3) ** (1 / 3)),
)
add(
    "best_step",
    "integer division in the power",
    "1 // 3|0|power|cube|root",
    lambda e, M3: ((3 * e / M3) ** (1 // 3), 1.5 * e),
)

# 2.3 the kink


def S(f, x, h):
    return abs(f(x + h) - 2 * f(x) + f(x - h)) / h


add("kinked", "one step, fixed threshold", "smooth|curv|two|second", lambda f, x, e: S(f, x, 1e-3) > 1e-3)
add("kinked", "noise ignored", "noise", lambda f, x, e: S(f, x, 1e-9) > 0.5 * S(f, x, 1e-8))
add("kinked", "always True", "smooth|not", lambda f, x, e: True)
add("kinked", "always False", "kink|jump", lambda f, x, e: False)
add(
    "kinked",
    "compared the wrong way",
    "kink|jump|smooth|exchang|other way",
    lambda f, x, e: not S(f, x, 1e-4) > 0.5 * S(f, x, 1e-3),
)
add("kinked", "only the noise", "smooth|curv", lambda f, x, e: S(f, x, 1e-3) > 16 * e / 1e-3)
add(
    "kinked",
    "signed S: kinks downwards are lost",
    "sign|abs|down|negative|concave",
    lambda f, x, e: (
        (f(x + 1e-4) - 2 * f(x) + f(x - 1e-4)) / 1e-4 > 0.5 * abs(f(x + 1e-3) - 2 * f(x) + f(x - 1e-3)) / 1e-3
    ),
)
add(
    "kinked",
    "divided by h squared: a second derivative",
    "h\\^2|square|once|divide|second derivative|smooth|curv",
    lambda f, x, e: abs(f(x + 1e-3) - 2 * f(x) + f(x - 1e-3)) / 1e-6 > 1,
)

# 2.4 a check


def measured(f, x, v, random):
    from minigen.check import directional, measure_noise

    value, noise = measure_noise(f, [x], [0], random)
    return directional(f, [x], 0, v, value, noise)


@program("my_check", "ones|random|cotangent")
def cotangent_of_ones(f, vjp, x, random):
    v = random.normal(size=x.shape)
    d = measured(f, x, v, random)
    g = np.ones(np.shape(d.value))
    return bool(abs((vjp(g, x) * v).sum() - (g * d.value).sum()) <= 2 * (abs(g) * d.error).sum())


@program("my_check", "direction|ones|random|\\bv\\b")
def direction_of_ones(f, vjp, x, random):
    v = np.ones(x.shape)
    d = measured(f, x, v, random)
    g = random.normal(size=np.shape(d.value))
    return bool(abs((vjp(g, x) * v).sum() - (g * d.value).sum()) <= 2 * (abs(g) * d.error).sum())


@program("my_check", "error|toleranc|resolution|digits|small")
def tolerance_of_one_in_a_thousand(f, vjp, x, random):
    v = random.normal(size=x.shape)
    d = measured(f, x, v, random)
    g = random.normal(size=np.shape(d.value))
    return bool(np.isclose((vjp(g, x) * v).sum(), (g * d.value).sum(), rtol=1e-3, atol=1e-5))


@program("my_check", "error|bound|right|exact|toleranc")
def exact_equality(f, vjp, x, random):
    v = random.normal(size=x.shape)
    d = measured(f, x, v, random)
    g = random.normal(size=np.shape(d.value))
    return bool((vjp(g, x) * v).sum() == (g * d.value).sum())


@program("my_check", "absolute|abs|sign")
def abs_forgotten(f, vjp, x, random):
    v = random.normal(size=x.shape)
    d = measured(f, x, v, random)
    g = random.normal(size=np.shape(d.value))
    return bool((vjp(g, x) * v).sum() - (g * d.value).sum() <= 2 * (abs(g) * d.error).sum())


@program("my_check", "wrong|always|accept")
def never_looks(f, vjp, x, random):
    return True


@program("my_check", "right|never|reject|refus")
def never_satisfied(f, vjp, x, random):
    return False


@program("my_check", "abs|sign|negative|bound|right")
def error_times_g_without_abs(f, vjp, x, random):
    v = random.normal(size=x.shape)
    d = measured(f, x, v, random)
    g = random.normal(size=np.shape(d.value))
    return bool(abs((vjp(g, x) * v).sum() - (g * d.value).sum()) <= 2 * (g * d.error).sum())


# 2.5 planted bugs (lines): neighbors of the right lines
add(
    "planted",
    "all line 1",
    "line|softmax|run|report",
    {"softmax": 1, "batch_norm": 1, "conv2d": 1, "leaky_relu": 1, "binary_cross_entropy": 1},
)
add(
    "planted",
    "as strings",
    "softmax|number|line",
    {"softmax": "3", "batch_norm": "6", "conv2d": "7", "leaky_relu": "3", "binary_cross_entropy": "4"},
)
add(
    "planted",
    "one name missing",
    "missing|batch_norm|not answered",
    {"softmax": 2, "conv2d": 7, "leaky_relu": 1, "binary_cross_entropy": 2},
)

# 3.1 the triad


def triad(
    place=lambda p, r, stride, before: p * stride + r - before,
    tap=lambda r, size: r,
    inside=lambda i, size: 0 <= i < size,
    order=(0, 1, 2),
):
    def program(x, w, g, stride, before):
        y, gx, gw = np.zeros(len(g)), np.zeros(len(x)), np.zeros(len(w))
        for p in range(len(g)):
            for r in range(len(w)):
                i, t = place(p, r, stride, before), tap(r, len(w))
                if inside(i, len(x)):
                    y[p] += x[i] * w[t]
                    gx[i] += w[t] * g[p]
                    gw[t] += x[i] * g[p]
        return tuple((y, gx, gw)[k] for k in order)

    return program


add(
    "triad",
    "padding forgotten in the index",
    "before|padding|\\bt\\b|shift",
    triad(lambda p, r, stride, before: p * stride + r),
)


@program("triad", "overwrit|add|\\+=")
def gx_overwritten(x, w, g, stride, before):
    y, gx, gw = np.zeros(len(g)), np.zeros(len(x)), np.zeros(len(w))
    for p in range(len(g)):
        for r in range(len(w)):
            i = p * stride + r - before
            if 0 <= i < len(x):
                y[p] += x[i] * w[r]
                gx[i] = w[r] * g[p]
                gw[r] += x[i] * g[p]
    return y, gx, gw


@program("triad", r"\bg\b|cotangent|y\[p\]")
def y_in_place_of_g(x, w, g, stride, before):
    y, gx, gw = np.zeros(len(g)), np.zeros(len(x)), np.zeros(len(w))
    for p in range(len(g)):
        for r in range(len(w)):
            i = p * stride + r - before
            if 0 <= i < len(x):
                y[p] += x[i] * w[r]
    for p in range(len(g)):
        for r in range(len(w)):
            i = p * stride + r - before
            if 0 <= i < len(x):
                gx[i] += w[r] * y[p]
                gw[r] += x[i] * y[p]
    return y, gx, gw


add(
    "triad",
    "negative places read from the end",
    "negative|border|i >= 0|outside|end|below",
    triad(inside=lambda i, size: i < size),
)


add("triad", "stride forgotten", "stride", triad(place=lambda p, r, stride, before: p + r - before))


add("triad", "kernel flipped", "flip|mirror|turned", triad(tap=lambda r, size: size - 1 - r))


add(
    "triad",
    "before added",
    "sign|\\+ before|- before|minus|before",
    triad(place=lambda p, r, stride, before: p * stride + r + before),
)


add("triad", "gx and gw exchanged", "order|exchang|swap|shape", triad(order=(0, 2, 1)))


# 3.2 same padding
add(
    "same_padding",
    "(kernel - 1) / 2 whatever the stride",
    "stride",
    lambda size, kernel, stride: ((kernel - 1) // 2, kernel - 1 - (kernel - 1) // 2),
)
add(
    "same_padding",
    "the odd zero before",
    "odd|after|before",
    lambda size, kernel, stride: (lambda t: (t - t // 2, t // 2))(
        max(0, (-(-size // stride) - 1) * stride + kernel - size)
    ),
)
add(
    "same_padding",
    "never below 0 forgotten",
    "negative|0|below",
    lambda size, kernel, stride: (lambda t: (t // 2, t - t // 2))((-(-size // stride) - 1) * stride + kernel - size),
)
add(
    "same_padding",
    "size // stride outputs",
    "round|ceil|up",
    lambda size, kernel, stride: (lambda t: (t // 2, t - t // 2))(
        max(0, (size // stride - 1) * stride + kernel - size)
    ),
)
add(
    "same_padding",
    "halves are floats",
    "whole|integer|//|int",
    lambda size, kernel, stride: (lambda t: (t / 2, t / 2))(max(0, (-(-size // stride) - 1) * stride + kernel - size)),
)
add(
    "same_padding",
    "twice: not halved",
    "halv|half|sum|total|both",
    lambda size, kernel, stride: (lambda t: (t, t))(max(0, (-(-size // stride) - 1) * stride + kernel - size)),
)
add(
    "same_padding",
    "same size, as if stride 1",
    "stride|outputs|few",
    lambda size, kernel, stride: (lambda t: (t // 2, t - t // 2))((size - 1) * stride + kernel - size),
)

# 3.3 output padding
add("output_padding", "stride - 1", "size|always|window", lambda size, kernel, stride, padding, dilation: stride - 1)
add("output_padding", "0", "size|last|window|0", lambda size, kernel, stride, padding, dilation: 0)
add(
    "output_padding",
    "padding once",
    "both|two|2|padding",
    lambda size, kernel, stride, padding, dilation: (size + padding - dilation * (kernel - 1) - 1) % stride,
)
add(
    "output_padding",
    "dilation forgotten",
    "dilation",
    lambda size, kernel, stride, padding, dilation: (size + 2 * padding - kernel) % stride,
)
add("output_padding", "size % stride", "kernel|padding", lambda size, kernel, stride, padding, dilation: size % stride)
add(
    "output_padding",
    "sign of the padding",
    "padding",
    lambda size, kernel, stride, padding, dilation: (size - 2 * padding - dilation * (kernel - 1) - 1) % stride,
)
add(
    "output_padding",
    "one too many",
    "1|one",
    lambda size, kernel, stride, padding, dilation: (size + 2 * padding - dilation * (kernel - 1)) % stride,
)

# 3.4 transposed by ordinary


def spread_out(g, stride):
    N, O, P, _ = g.shape
    wide = np.zeros((N, O, (P - 1) * stride + 1, (P - 1) * stride + 1), g.dtype)
    wide[:, :, ::stride, ::stride] = g
    return wide


def conv(x, w, **settings):
    return F.conv2d(mg.tensor(x), mg.tensor(w), **settings)


add(
    "transposed_by_convolution",
    "kernel not flipped",
    "flip",
    lambda g, w, stride: conv(spread_out(g, stride), np.ascontiguousarray(w.swapaxes(0, 1)), padding=w.shape[-1] - 1),
)
add(
    "transposed_by_convolution",
    "flipped along one axis",
    "flip|axis|both",
    lambda g, w, stride: conv(
        spread_out(g, stride), np.ascontiguousarray(w.swapaxes(0, 1)[:, :, ::-1]), padding=w.shape[-1] - 1
    ),
)
add(
    "transposed_by_convolution",
    "channels not exchanged",
    "channel|exchang|swap",
    lambda g, w, stride: conv(
        spread_out(g, stride), np.ascontiguousarray(w[:, :, ::-1, ::-1]), padding=w.shape[-1] - 1
    ),
)
add(
    "transposed_by_convolution",
    "no padding",
    "padding|size|border|zeros",
    lambda g, w, stride: conv(spread_out(g, stride), np.ascontiguousarray(w.swapaxes(0, 1)[:, :, ::-1, ::-1])),
)
add(
    "transposed_by_convolution",
    "not spread",
    "spread|zeros|stride",
    lambda g, w, stride: conv(g, np.ascontiguousarray(w.swapaxes(0, 1)[:, :, ::-1, ::-1]), padding=w.shape[-1] - 1),
)
add(
    "transposed_by_convolution",
    "stride zeros between, not stride - 1",
    "stride|zeros|size|spread",
    lambda g, w, stride: conv(
        spread_out(g, stride + 1), np.ascontiguousarray(w.swapaxes(0, 1)[:, :, ::-1, ::-1]), padding=w.shape[-1] - 1
    ),
)
add(
    "transposed_by_convolution",
    "repeated in place of zeros",
    "zero|spread|repeat",
    lambda g, w, stride: conv(
        g.repeat(stride, 2).repeat(stride, 3)[:, :, : (g.shape[2] - 1) * stride + 1, : (g.shape[2] - 1) * stride + 1],
        np.ascontiguousarray(w.swapaxes(0, 1)[:, :, ::-1, ::-1]),
        padding=w.shape[-1] - 1,
    ),
)

# 3.5 overlaps
add(
    "overlaps",
    "ceil everywhere",
    "even|divid|position|only|rest",
    lambda kernel, stride: [-(-kernel // stride)] * stride,
)
add(
    "overlaps",
    "floor everywhere",
    "rest|remain|divid|position|last|taps",
    lambda kernel, stride: [kernel // stride] * stride,
)
add(
    "overlaps",
    "reversed",
    "order|revers|position|first",
    lambda kernel, stride: [len(range(q, kernel, stride)) for q in range(stride)][::-1],
)
add("overlaps", "one entry for each tap", "each place|stride", lambda kernel, stride: [1] * kernel)
add("overlaps", "floats", "whole|integer|int", lambda kernel, stride: [kernel / stride] * stride)
add("overlaps", "one number", "each place|list|stride", lambda kernel, stride: -(-kernel // stride))


# 3.6 weight gradient
def swapped(a):
    return np.ascontiguousarray(a.swapaxes(0, 1))


add(
    "weight_grad_by_convolution",
    "stride not exchanged for dilation",
    "dilation|exchang",
    lambda x, g, kernel, stride: swapped(conv(swapped(x), swapped(g), stride=stride).numpy()[:, :, :kernel, :kernel]),
)
add(
    "weight_grad_by_convolution",
    "images and channels not exchanged",
    "image|channel|exchang|swap",
    lambda x, g, kernel, stride: conv(x, g, dilation=stride).numpy()[:, :, :kernel, :kernel],
)
add(
    "weight_grad_by_convolution",
    "result not turned back",
    "order|turn|exchang|swap|transpose|shape",
    lambda x, g, kernel, stride: conv(swapped(x), swapped(g), dilation=stride).numpy()[:, :, :kernel, :kernel],
)
add(
    "weight_grad_by_convolution",
    "not cut to the kernel",
    "cut|crop|kernel|more|size|left over",
    lambda x, g, kernel, stride: swapped(conv(swapped(x), swapped(g), dilation=stride).numpy()),
)
add(
    "weight_grad_by_convolution",
    "cut at the wrong end",
    "first|end|cut|crop|last",
    lambda x, g, kernel, stride: swapped(
        conv(swapped(x), swapped(g), dilation=stride).numpy()[:, :, -kernel:, -kernel:]
    ),
)
add(
    "weight_grad_by_convolution",
    "g flipped",
    "flip",
    lambda x, g, kernel, stride: swapped(
        conv(swapped(x), swapped(g[:, :, ::-1, ::-1]), dilation=stride).numpy()[:, :, :kernel, :kernel]
    ),
)
add(
    "weight_grad_by_convolution",
    "mean over the images",
    "mean|sum|images",
    lambda x, g, kernel, stride: (
        swapped(conv(swapped(x), swapped(g), dilation=stride).numpy()[:, :, :kernel, :kernel]) / len(x)
    ),
)

# 4.1, 4.2
add(
    "least_time",
    "sum",
    "max|sum|same time|overlap",
    lambda flop, nbytes, peak, bandwidth: flop / peak + nbytes / bandwidth,
)
add(
    "least_time",
    "min",
    "max|larger|over first",
    lambda flop, nbytes, peak, bandwidth: min(flop / peak, nbytes / bandwidth),
)
add("least_time", "only operations", "bytes|memory|bandwidth", lambda flop, nbytes, peak, bandwidth: flop / peak)
add("least_time", "only bytes", "operation|flop|peak", lambda flop, nbytes, peak, bandwidth: nbytes / bandwidth)
add(
    "least_time",
    "upside down",
    "upside|divide|invert|per second",
    lambda flop, nbytes, peak, bandwidth: max(peak / flop, bandwidth / nbytes),
)
add(
    "least_time",
    "rates exchanged",
    "exchang|peak|swap",
    lambda flop, nbytes, peak, bandwidth: max(flop / bandwidth, nbytes / peak),
)
add(
    "least_time",
    "the roofline's rate, not a time",
    "rate|per second|second|time",
    lambda flop, nbytes, peak, bandwidth: min(peak, bandwidth * flop / nbytes),
)


def work(flop_factor=2, size=4, pad=2, out=True, channels=True):
    def conv_work(N, C, O, H, W, kernel, stride, padding):
        P, Q = (H + pad * padding - kernel) // stride + 1, (W + pad * padding - kernel) // stride + 1
        flop = flop_factor * N * O * P * Q * kernel**2 * (C if channels else 1)
        return flop, size * (N * C * H * W + O * C * kernel**2 + (N * O * P * Q if out else 0))

    return conv_work


add("conv_work", "a multiply-add counted as one", "two|2|multipl.*add", work(flop_factor=1))
add("conv_work", "8 bytes a number", "4 bytes|float32|four", work(size=8))
add("conv_work", "numbers, not bytes", "4|bytes|four", work(size=1))
add("conv_work", "padding on one side", "both|side|2|padding", work(pad=1))
add("conv_work", "output not written", "output|written", work(out=False))
add("conv_work", "input channels forgotten in the operations", "channel", work(channels=False))
add(
    "conv_work",
    "padding bytes are read, too",
    "padding|not read|zeros|memory|bytes",
    lambda N, C, O, H, W, kernel, stride, padding: (
        work()(N, C, O, H, W, kernel, stride, padding)[0],
        4
        * (
            N * C * (H + 2 * padding) * (W + 2 * padding)
            + O * C * kernel**2
            + N * O * ((H + 2 * padding - kernel) // stride + 1) * ((W + 2 * padding - kernel) // stride + 1)
        ),
    ),
)
add(
    "conv_work",
    "stride ignored",
    "stride",
    lambda N, C, O, H, W, kernel, stride, padding: work()(N, C, O, H, W, kernel, 1, padding),
)

# 4.3 bands


def patches_of(band, w):
    return reference.conv._patches(band, w.shape[2:], (1, 1), ((0, 0), (0, 0)), (1, 1))


@program("convolve_in_bands", "memory|patches|band|eighth")
def all_patches_at_once(x, w):
    patches = patches_of(x, w)
    return np.einsum("ncrspq,ocrs->nopq", patches, w)


@program("convolve_in_bands", "memory|patches|band|eighth|row")
def one_image_at_a_time(x, w):
    return np.concatenate([np.einsum("ncrspq,ocrs->nopq", patches_of(x[n : n + 1], w), w) for n in range(len(x))])


@program("convolve_in_bands", "row|band|overlap|R - 1|kernel|missing")
def bands_that_do_not_overlap(x, w):
    N, O, R, S = len(x), len(w), *w.shape[2:]
    out = np.zeros((N, O, x.shape[2] - R + 1, x.shape[3] - S + 1), x.dtype)
    for n in range(N):
        for p in range(0, out.shape[2], R):
            band = x[n : n + 1, :, p : p + R]
            made = np.einsum("ncrspq,ocrs->nopq", patches_of(band, w), w)
            out[n, :, p : p + 1] = made[0]
    return out


@program("convolve_in_bands", "image|first|every")
def only_the_first_image(x, w):
    O, R, S = len(w), *w.shape[2:]
    out = np.zeros((len(x), O, x.shape[2] - R + 1, x.shape[3] - S + 1), x.dtype)
    for p in range(out.shape[2]):
        out[:, :, p] = np.einsum("ncrspq,ocrs->nopq", patches_of(x[:1, :, p : p + R], w), w)[:, :, 0]
    return out


@program("convolve_in_bands", "flip")
def with_a_flipped_kernel(x, w):
    R, S = w.shape[2:]
    w = w[:, :, ::-1, ::-1]
    out = np.zeros((len(x), len(w), x.shape[2] - R + 1, x.shape[3] - S + 1), x.dtype)
    for n in range(len(x)):
        for p in range(out.shape[2]):
            out[n, :, p] = np.einsum("ncrspq,ocrs->nopq", patches_of(x[n : n + 1, :, p : p + R], w), w)[0, :, 0]
    return out


@program("convolve_in_bands", "last|rows|rest|end")
def last_rows_forgotten(x, w):
    R, S = w.shape[2:]
    out = np.zeros((len(x), len(w), x.shape[2] - R + 1, x.shape[3] - S + 1), x.dtype)
    rows = 3
    for n in range(len(x)):
        for p in range(0, out.shape[2] - rows + 1, rows):
            out[n, :, p : p + rows] = np.einsum(
                "ncrspq,ocrs->nopq", patches_of(x[n : n + 1, :, p : p + rows + R - 1], w), w
            )[0]
    return out


# 4.4 minimal filter
def minimal(signs=(1, 1, 1, -1), half=0.5):
    def minimal_filter(x, w):
        m1, m2 = (x[0] - x[2]) * w[0], (x[1] + x[2]) * (w[0] + w[1] + w[2]) * half
        m3, m4 = (x[2] - x[1]) * (w[0] - w[1] + w[2]) * half, (x[1] - x[3]) * w[2]
        return signs[0] * m1 + m2 + signs[1] * m3, m2 - signs[2] * m3 + signs[3] * m4

    return minimal_filter


add(
    "minimal_filter",
    "six multiplications",
    "six|6|four|4|multiplication",
    lambda x, w: (w[0] * x[0] + w[1] * x[1] + w[2] * x[2], w[0] * x[1] + w[1] * x[2] + w[2] * x[3]),
)
add("minimal_filter", "sign of the last product", "second|sign|last|fourth|m4", minimal(signs=(1, 1, 1, 1)))
add(
    "minimal_filter", "sign of the third product in the first output", "first|sign|third", minimal(signs=(1, -1, 1, -1))
)
add("minimal_filter", "halves forgotten", "half|halv|0.5|2", minimal(half=1))
add("minimal_filter", "outputs exchanged", "order|exchang|swap", lambda x, w: minimal()(x, w)[::-1])
add("minimal_filter", "the same output twice", "first output", lambda x, w: (minimal()(x, w)[0],) * 2)

# 4.5 a kernel of one's own


def my_conv(x, w, stride, padding, dilation, groups, out=None, *, bug=""):
    (top, bottom), (left, right) = padding
    sh, sw = stride
    dh, dw = dilation
    if bug == "stride":
        sh, sw = sw, sh
    if bug == "dilation":
        dh = dw = 1
    if bug == "padding":
        bottom, right = top, left
    N, C, H, W = x.shape
    O, c, R, Sk = w.shape
    padded = np.zeros((N, C, H + top + bottom, W + left + right), np.float64 if bug == "dtype" else x.dtype)
    padded[:, :, top : top + H, left : left + W] = x
    P = (padded.shape[2] - dh * (R - 1) - 1) // sh + 1
    Q = (padded.shape[3] - dw * (Sk - 1) - 1) // sw + 1
    y = np.zeros((N, O, P, Q), padded.dtype)
    o = O // groups
    for k in range(1 if bug == "groups" else groups):
        for r in range(R):
            for s in range(Sk):
                taps = padded[:, k * c : (k + 1) * c, r * dh : r * dh + P * sh : sh, s * dw : s * dw + Q * sw : sw][
                    :, :, :P, :Q
                ]
                tap = (
                    w[k * o : (k + 1) * o, :, R - 1 - r, Sk - 1 - s]
                    if bug == "flip"
                    else w[k * o : (k + 1) * o, :, r, s]
                )
                y[:, k * o : (k + 1) * o] += np.einsum("ncpq,oc->nopq", taps, tap)
    if bug == "writes the input":
        x[...] = 0
    if out is not None and bug != "out":
        if bug == "adds to out":
            out += y
        else:
            out[...] = y
        return out
    return y


def bugged(bug):
    def my_conv2d(x, w, stride, padding, dilation, groups, out=None):
        return my_conv(x, w, stride, padding, dilation, groups, out, bug=bug)

    return my_conv2d


for bug, hint in {
    "stride": "stride",
    "dilation": "dilation",
    "padding": "padding",
    "dtype": "float32|dtype",
    "groups": "group",
    "flip": "flip",
    "writes the input": "read|input|chang|writ",
    "out": "out",
    "adds to out": "out",
}.items():
    add("my_conv2d", bug, hint, bugged(bug))


@program("my_conv2d", "empty|batch|0")
def empty_batch_refused(x, w, stride, padding, dilation, groups, out=None):
    if len(x) == 0:
        raise ValueError("empty batch")
    return my_conv(x, w, stride, padding, dilation, groups, out)
