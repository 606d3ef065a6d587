"""Known answers of A1: known wrong answers, with what their authors should read; and right ones, written differently."""

from minigen.course.kit import FEW_DIGITS, right, wrong

NO_PAST = (
    "The numbers are right, but what is made from .value, or by Var(...), has no past: it cannot be differentiated."
)
NO_G = "Where is g? It says how much the end of the computation changes with this result."
SINGLE = "Something here is float64: np.ones and np.zeros make it unless told otherwise, and it wins over float32."

KEPT = "The array that was returned before is used again: the result of the first call changes with the second."

# ---- task 1: rules for single operations

KNOWN_ANSWERS = [
    right(1, "rules from the inputs alone", """
def div_rule(g, out, x, y):
    return g * (1 / y), -(g * x) / (y * y)

def tanh_rule(g, out, x):
    t = tanh(x)
    return (g * (1 - t) * (1 + t),)
"""),
    right(1, "copying by adding zeros; a matrix product by its transposes", """
def sum_rule(g, out, x, axis=None):
    return [g + x * 0]

def matmul_rule(g, out, x, y):
    return [transpose(y @ transpose(g)), transpose(transpose(g) @ x)]
"""),
    wrong(1, "quotient: the sign for y", "The larger y is, the smaller is x / y. Which sign has its gradient?",
          {"-g * out / y": "g * out / y"}),
    wrong(1, "quotient: no g for x", NO_G, {"g / y,": "1 / y,"}),
    wrong(1, "quotient: y to the first power", "The derivative of 1 / y is another power of y.",
          {"-g * out / y": "-g * x / y"}),
    wrong(1, "quotient: x left out for y", "How much a change of 1 / y matters depends on what it is multiplied by.",
          {"-g * out / y": "-g / (y * y)"}),
    wrong(1, "quotient: the two swapped", "The tuple has the order of the inputs: first x, then y.",
          {"return g / y, -g * out / y": "return -g * out / y, g / y"}),
    wrong(1, "quotient: the rule of a product", "This is the rule of a product. Nudge x: how much does x / y change?",
          {"return g / y, -g * out / y": "return g * y, g * x"}),
    wrong(1, "tanh: out without a square", "The derivative of tanh is not linear in out: what is it at out = -1?",
          {"1 - out * out": "1 - out"}),
    wrong(1, "tanh: x in place of out", "Which of x and out is the tanh?", {"1 - out * out": "1 - x * x"}),
    wrong(1, "tanh: the sign", "Far from 0 tanh is flat: its derivative there is about zero.",
          {"1 - out * out": "1 + out * out"}),
    wrong(1, "tanh: no g", NO_G, {"(g * (1 - out * out),)": "(1 - out * out,)"}),
    wrong(1, "sum: g as it is", "x has more elements than g; each of them gets its g.",
          {"expand(g, shape=x.value.shape)": "g"}),
    wrong(1, "sum: a mean", "This is the gradient of a mean. In a sum, a nudge of one element counts in full.",
          {"expand(g, shape=x.value.shape)": "expand(g, shape=x.value.shape) / (x.value.size / g.value.size)"}),
    wrong(1, "sum: ones", NO_G, {"expand(g, ": "expand(Var(np.ones_like(g.value)), "}),
    wrong(1, "sum: right for axis 1 only", "The axis can be another one than 1, or several, or None for all.",
          {"expand(g, shape=x.value.shape)": "g * np.ones((1, x.value.shape[-1]))"}),
    wrong(1, "sum: float64", SINGLE, {"expand(g, shape=x.value.shape)": "g * Var(np.ones(x.value.shape))"}),
    wrong(1, "product: y not transposed", "Look at the shapes: g is n x m, y is k x m as a factor, the gradient n x k.",
          {"g @ transpose(y)": "g @ y"}),
    wrong(1, "product: the factors of y's gradient in the wrong order", "The gradient for y is k x m: which product of "
          "an n x k and an n x m matrix has that shape?", {"transpose(x) @ g": "g @ transpose(x)"}),
    wrong(1, "product: x's gradient for y as well", "In x @ y the gradients are not the same for both: y stands right.",
          {"transpose(x) @ g": "transpose(g @ transpose(y))"}),
    wrong(1, "product: from arrays", NO_PAST, {"transpose(x) @ g": "Var(x.value.T) @ g"}),
    wrong(1, "product: all from arrays", NO_PAST, {"return g @ transpose(y), transpose(x) @ g":
          "return Var(g.value @ y.value.T), Var(x.value.T @ g.value)"}),
    wrong(1, "sum: from arrays", NO_PAST, {"(expand(g, shape=x.value.shape),)": "(Var(np.broadcast_to(g.value, x.value.shape)),)"}),
    wrong(1, "quotient: all from arrays", NO_PAST, {"g / y, -g * out / y":
          "Var(g.value / y.value), Var(-g.value * out.value / y.value)"}),
    wrong(1, "product: both in the other order", "Each gradient has the shape of its input. On which side of g must the other "
          "factor stand, so that the shapes fit?", {"return g @ transpose(y), transpose(x) @ g": "return transpose(y) @ g, g @ transpose(x)"}),
    wrong(1, "tanh: from arrays", NO_PAST, {"(1 - out * out)": "Var(1 - out.value**2)"}),
    wrong(1, "quotient: g cut off", NO_PAST, {"g / y,": "Var(g.value) / y,"}),
    wrong(1, "tanh: the numbers of the public test", "It works at two points. What about others?", source="""
def tanh_rule(g, out, x):
    return (g * np.where(x.value == 0, 1, 0.4199743416),)
"""),
    wrong(1, "tanh: by exp(2 x)", "What is exp(2 x) for x = 400, or for x = 50 in float32? tanh itself is finite everywhere.",
          source="""
def tanh_rule(g, out, x):
    e = exp(x + x)
    return (g * 4 * e / ((e + 1) * (e + 1)),)
"""),
    wrong(1, "product: half precision for float32", FEW_DIGITS, {"return g @ transpose(y), ":
          "g = Var(g.value.astype(np.float16).astype(np.float32)) if g.value.dtype == np.float32 else g\n    return g @ transpose(y), "}),
    wrong(1, "quotient: zero for float32", FEW_DIGITS,
          {"return g / y,": "g = g * 0 if g.value.dtype == np.float32 else g\n    return g / y,"}),
    wrong(1, "product: the result in a kept array", KEPT, source="""
_kept = {}

def matmul_rule(g, out, x, y):
    dx, dy = g @ transpose(y), transpose(x) @ g
    for i, d in enumerate((dx, dy)):
        kept = _kept.setdefault((i, d.value.shape, d.value.dtype), np.empty_like(d.value))
        kept[...] = d.value
        d.value = kept
    return dx, dy
"""),
    wrong(1, "quotient: in place", "An operation with = inside, such as /=, changes the array of g for everybody.",
          source="""
def div_rule(g, out, x, y):
    g.value /= y.value
    return g, -g * out
"""),
]  # fmt: skip

# ---- task 2: what broadcasting copied, add up

ADDED = "reshape(sum_to(g, axis=stretched), shape=shape)"

KNOWN_ANSWERS += [
    right(2, "axis by axis", """
def unbroadcast(g, shape):
    while g.value.ndim > len(shape):
        g = reshape(sum_to(g, axis=0), shape=g.value.shape[1:])
    for axis, n in enumerate(shape):
        if n == 1:
            g = sum_to(g, axis=axis)
    return g
"""),
    right(2, "ones in front of the shape", """
def unbroadcast(g, shape):
    padded = (1,) * (g.value.ndim - len(shape)) + tuple(shape)
    axes = tuple(i for i in range(g.value.ndim) if padded[i] == 1)
    return reshape(sum_to(g, axis=axes), shape=shape)
"""),
    wrong(2, "g as it is", "The result must have the shape that was asked for.", {f"{ADDED} if stretched else g": "g"}),
    wrong(2, "new axes only", "An axis of length 1 that was stretched was copied, too.", {" or n != shape[i - new]": ""}),
    wrong(2, "stretched axes only", "Axes that broadcasting put in front are to be added up, too.",
          {"i < new or n != shape[i - new]": "i >= new and n != shape[i - new]"}),
    wrong(2, "aligned on the left", "Broadcasting aligns shapes on the right: (3,) meets the last axis of (2, 3).",
          {"shape[i - new])": "(*shape, *g.value.shape)[i])"}),
    wrong(2, "a mean", "Copying a number adds its shares up. This is their mean.",
          {ADDED: f"{ADDED} * (max(1, int(np.prod(shape))) / g.value.size)"}),
    wrong(2, "everything added up", "Only what was copied from the same element belongs together.",
          {ADDED: "expand(reshape(sum_to(g), shape=()), shape=shape)"}),
    wrong(2, "one copy in place of the sum", "This is the share of one copy; all of them act on the result.",
          {ADDED: "reshape(Var(g.value[tuple(slice(0, 1) if i in stretched else slice(None) "
                  "for i in range(g.value.ndim))]), shape=shape)"}),
    wrong(2, "from arrays", NO_PAST, {ADDED: "Var(g.value.sum(axis=stretched).reshape(shape))"}),
    wrong(2, "float64", SINGLE, {ADDED: f"{ADDED} + Var(np.zeros(shape))"}),
    wrong(2, "the first axis only", "Several axes can have been copied at a time.",
          {"axis=stretched)": "axis=stretched[0])"}),
    wrong(2, "the new axes stay", "The shape is almost right: sum_to keeps the axes that it adds up, with length 1.",
          {ADDED: "sum_to(g, axis=stretched)"}),
    wrong(2, "reshaped before adding up", "Reshaping first mixes elements that do not belong together.",
          {ADDED: "reshape(sum_to(reshape(g, shape=(-1, *shape)), axis=0), shape=shape)"}),
    wrong(2, "only the public cases", "There are other shapes than a row and a column.", source="""
def unbroadcast(g, shape):
    if shape == (3,):
        return reshape(sum_to(g, axis=0), shape=shape)
    if shape == (2, 1):
        return sum_to(g, axis=1)
    return g
"""),
    wrong(2, "in place", "An operation such as += changes the array of g for everybody.", source="""
def unbroadcast(g, shape):
    total = g.value.reshape(-1, g.value.shape[-1])
    if len(shape) == 1 and g.value.ndim > 1 and shape[0] == g.value.shape[-1]:
        for row in total[1:]:
            total[0] += row
        return Var(total[0])
    new = g.value.ndim - len(shape)
    axes = tuple(i for i, n in enumerate(g.value.shape) if i < new or n != shape[i - new])
    return reshape(sum_to(g, axis=axes), shape=shape) if axes else g
"""),
]  # fmt: skip

# ---- task 3: the order of the backward sweep

RECURSION = "Python's recursion ends after about a thousand calls. Keep a list of what is still to be done."
PATHS = "Every path is followed by itself, and there are 2 to the 40. Look at each Var once."

KNOWN_ANSWERS += [
    right(3, "counting users", """
def newest_first(output):
    users, waiting = {id(output): 0}, [output] if output.op else []
    found = list(waiting)
    while found:
        for x in found.pop().inputs:
            if x.op:
                if id(x) not in users:
                    users[id(x)] = 0
                    found.append(x)
                users[id(x)] += 1
    order = []
    while waiting:
        var = waiting.pop()
        order.append(var)
        for x in var.inputs:
            if x.op:
                users[id(x)] -= 1
                if users[id(x)] == 0:
                    waiting.append(x)
    return order
"""),
    right(3, "an iterator over the inputs of each", """
def newest_first(output):
    if output.op is None:
        return []
    order, seen, path = [], {id(output)}, [(output, iter(output.inputs))]
    while path:
        var, rest = path[-1]
        x = next(rest, None)
        if x is None:
            order.append(var)
            path.pop()
        elif x.op is not None and id(x) not in seen:
            seen.add(id(x))
            path.append((x, iter(x.inputs)))
    order.reverse()
    return order
"""),
    wrong(3, "leaves are in it", "A leaf has nobody to pass anything on to: no Op made it.",
          {"elif var.op and id": "elif id"}),
    wrong(3, "a leaf as output is in it", "No Op made a leaf. Is it in the list if it is the output itself?",
          {"return done[::-1]": "return done[::-1] or [output]"}),
    wrong(3, "output is missing", "The output itself was made by an Op, and comes first.", {"done[::-1]": "done[::-1][1:]"}),
    wrong(3, "oldest first", "This is the order in which things were computed. The sweep goes backwards.",
          {"done[::-1]": "done"}),
    wrong(3, "as often as it is reached", PATHS, {" and id(var) not in seen": ""}),
    wrong(3, "in the order of discovery, in breadth", "A Var is discovered when its first user is; another user may come "
          "later. Its turn is after the last of them.", source="""
def newest_first(output):
    found, seen = [output], {id(output)}
    for var in found:
        for x in var.inputs:
            if x.op and id(x) not in seen:
                seen.add(id(x))
                found.append(x)
    return found
"""),
    wrong(3, "in the order of discovery, in depth", "A Var is discovered when its first user is; another user may come "
          "later. Its turn is after the last of them.", source="""
def newest_first(output):
    found, seen, waiting = [], set(), [output]
    while waiting:
        var = waiting.pop()
        if var.op and id(var) not in seen:
            seen.add(id(var))
            found.append(var)
            waiting += var.inputs
    return found
"""),
    wrong(3, "by recursion", RECURSION, source="""
def newest_first(output):
    done, seen = [], set()
    def run_all(var):
        if var.op and id(var) not in seen:
            seen.add(id(var))
            for x in var.inputs:
                run_all(x)
            done.append(var)
    run_all(output)
    return done[::-1]
"""),
    wrong(3, "told apart by value", "Two Vars can have the same value. Tell them apart by id(var).",
          {"seen.add(id(var))": "seen.add(var.value.tobytes())", "id(var) not in seen": "var.value.tobytes() not in seen"}),
    wrong(3, "the first input only", "An Op can have several inputs.", {"for x in var.inputs]": "for x in var.inputs[:1]]"}),
    wrong(3, "a set", "A set has no order.", source="""
def newest_first(output):
    found, waiting = set(), [output]
    while waiting:
        var = waiting.pop()
        if var.op and var not in found:
            found.add(var)
            waiting += var.inputs
    return found
"""),
    wrong(3, "sorted by depth, path by path", PATHS, source="""
def newest_first(output):
    def depth(var):
        return 1 + max(depth(x) for x in var.inputs) if var.op else 0
    found, waiting = {}, [output]
    while waiting:
        var = waiting.pop()
        if var.op and id(var) not in found:
            found[id(var)] = var
            waiting += var.inputs
    return sorted(found.values(), key=depth, reverse=True)
"""),
    wrong(3, "the graph is taken apart", "The graph is still needed: leave inputs as they are.", source="""
def newest_first(output):
    done, seen, stack = [], set(), [(output, False)]
    while stack:
        var, finished = stack.pop()
        if finished:
            done.append(var)
        elif var.op and id(var) not in seen:
            seen.add(id(var))
            stack.append((var, True))
            stack += [(x, False) for x in var.inputs]
            var.inputs = ()
    return done[::-1]
"""),
    wrong(3, "it remembers", "The second call gives something else than the first. (A default argument is made only once.)",
          {"def newest_first(output):": "def newest_first(output, seen=set()):", "done, seen, stack = [], set(), [":
           "done, stack = [], ["}),
]  # fmt: skip

# ---- task 4: gradients of any order

SHARE = "cotangents[id(x)] = cotangents[id(x)] + share if id(x) in cotangents else share"
ZERO = "Var(np.zeros_like(x.value)) for x in inputs]"
ONE = "g = Var(np.ones_like(output.value))"

KNOWN_ANSWERS += [
    right(4, "shares are collected, and added up when their turn comes", """
def grad(output, inputs, g=None):
    if g is None:
        if output.value.size != 1:
            raise ValueError("g is needed")
        g = Var(np.ones_like(output.value))
    shares = {id(x): [] for x in inputs}
    shares[id(output)] = [g]
    for var in newest_first(output):
        own = shares[id(var)][0]
        for more in shares[id(var)][1:]:
            own = own + more
        shares[id(var)] = [own]
        for x, share in zip(var.inputs, var.op.rule(own, var, *var.inputs, **var.params)):
            shares.setdefault(id(x), []).append(unbroadcast(share, x.value.shape))
    result = []
    for x in inputs:
        total = Var(np.zeros_like(x.value))
        for share in shares[id(x)]:
            total = total + share
        result.append(total)
    return result
"""),
    right(4, "zeros to begin with", """
def grad(output, inputs, g=None):
    if g is None and output.value.shape not in ((), (1,), (1, 1)) and output.value.size != 1:
        raise ValueError("grad: give g, or an output with one element")
    order = newest_first(output)
    everybody = {id(v): v for var in [*order, *inputs, output] for v in (var, *var.inputs)}
    total = {key: Var(np.zeros_like(v.value)) for key, v in everybody.items()}
    total[id(output)] = Var(np.ones_like(output.value)) if g is None else g
    for var in order:
        for x, share in zip(var.inputs, var.op.rule(total[id(var)], var, *var.inputs, **var.params)):
            total[id(x)] = total[id(x)] + unbroadcast(share, x.value.shape)
    return [total[id(x)] for x in inputs]
"""),
    wrong(4, "the last share wins", "Who is used twice gets two shares: they are added up.", {SHARE: "cotangents[id(x)] = share"}),
    wrong(4, "the first share wins", "Who is used twice gets two shares: they are added up.",
          {SHARE: "cotangents.setdefault(id(x), share)"}),
    wrong(4, "the shares are averaged", "Shares are added up, not averaged.",
          {"cotangents[id(x)] + share if": "(cotangents[id(x)] + share) / 2 if"}),
    wrong(4, "broadcasting forgotten", "A gradient must have the shape of its input: what is task 2 for?",
          {"share = unbroadcast(share, x.value.shape)": "pass"}),
    wrong(4, "each share is cut off", NO_PAST,
          {"share = unbroadcast(share, x.value.shape)": "share = Var(unbroadcast(share, x.value.shape).value)"}),
    wrong(4, "the results are cut off", NO_PAST, {"[cotangents[id(x)] if": "[Var(cotangents[id(x)].value) if"}),
    wrong(4, "it starts from the output", "The sweep starts from the derivative of output for itself, which is 1.",
          {ONE: "g = output"}),
    wrong(4, "g is ignored", "Where g is given, the sweep starts from it.", {"{id(output): g}": "{id(output): Var(np.ones_like(output.value))}"}),
    wrong(4, "no complaint without g", "For an output with several elements there is no gradient without g.",
          {"if output.value.size != 1:": "if False:"}),
    wrong(4, "None for what does not matter", "Where nothing depends on an input, its gradient is zero, and not None.",
          {ZERO: "None for x in inputs]"}),
    wrong(4, "a zero without a shape", "A gradient has the shape of its input, also where it is zero.",
          {ZERO: "Var(np.zeros((), x.value.dtype)) for x in inputs]"}),
    wrong(4, "zeros in float64", SINGLE, {ZERO: "Var(np.zeros(x.value.shape)) for x in inputs]"}),
    wrong(4, "it starts from a float64", SINGLE, {ONE: "g = Var(np.ones(output.value.shape))"}),
    wrong(4, "oldest first", "A Var passes on what it has when its turn comes: by then all its users must have had theirs.",
          {"in newest_first(output):": "in newest_first(output)[::-1]:"}),
    wrong(4, "shares swapped", "The rule gives the shares in the order of the inputs.", {"shares):": "shares[::-1]):"}),
    wrong(4, "zero for a leaf as output", "The derivative of output for itself is 1, also where output is a leaf.",
          {"    return [cotangents[id(x)] if": "    if output.op is None:\n        return [Var(np.zeros_like(x.value)) for x in inputs]\n    return [cotangents[id(x)] if"}),
    wrong(4, "shares that are zero are skipped", "A gradient that is zero here has a past, too: what is the second derivative of x * x at 0?",
          {"            share = unbroadcast(share, x.value.shape)\n":
           "            share = unbroadcast(share, x.value.shape)\n            if not share.value.any():\n                continue\n",
           "shares = var.op": "if id(var) not in cotangents:\n            continue\n        shares = var.op"}),
    wrong(4, "half precision for float32", FEW_DIGITS, {"            share = unbroadcast(share, x.value.shape)\n":
          "            share = unbroadcast(share, x.value.shape)\n            if share.value.dtype == np.float32:\n"
          "                share = Var(share.value.astype(np.float16).astype(np.float32))\n"}),
    wrong(4, "the results in kept arrays", KEPT,
          {"    return [cotangents[id(x)] if id(x) in cotangents else Var(np.zeros_like(x.value)) for x in inputs]":
           "    found = [cotangents[id(x)] if id(x) in cotangents else Var(np.zeros_like(x.value)) for x in inputs]\n"
           "    for i, d in enumerate(found):\n"
           "        kept = grad.__dict__.setdefault((i, d.value.shape, d.value.dtype), np.empty_like(d.value))\n"
           "        kept[...] = d.value\n"
           "        d.value = kept\n"
           "    return found"}),
    wrong(4, "added up in place", "A share can be one that another Var holds, too: += changes it for both.",
          {SHARE: "if id(x) in cotangents:\n                cotangents[id(x)].value += share.value\n            else:\n"
                  "                cotangents[id(x)] = share"}),
    wrong(4, "only leaves", "The gradient is asked for a Var that is no leaf: keep its cotangent after its turn.",
          {"(cotangents[id(var)], var,": "(cotangents.pop(id(var)), var,"}),
    wrong(4, "something is left behind", "Asked for once more, the gradients are others: something is left from the first time.",
          {"cotangents = {id(output): g}": "cotangents = grad.__dict__\n    cotangents[id(output)] = g"}),
    wrong(4, "path by path", PATHS, source="""
def grad(output, inputs, g=None):
    if g is None:
        if output.value.size != 1:
            raise ValueError("g is needed")
        g = Var(np.ones_like(output.value))
    total = [Var(np.zeros_like(x.value)) for x in inputs]
    waiting = [(output, g)]
    while waiting:
        var, g = waiting.pop()
        total = [t + g if x is var else t for x, t in zip(inputs, total)]
        if var.op:
            shares = var.op.rule(g, var, *var.inputs, **var.params)
            waiting += [(x, unbroadcast(s, x.value.shape)) for x, s in zip(var.inputs, shares)]
    return total
"""),
    wrong(4, "only the public case", "It works for small computations. What about others?",
          {SHARE: "cotangents[id(x)] = share + (1 if output.value == 12 and share.value == 5 else 0)\n"
                  "            if output.value == 8:\n                cotangents[id(x)] = 0 * x + 12 * x / x"}),
]  # fmt: skip

# ---- task 5: a penalty on a gradient

SQUARE = "(lengths - 1) * (lengths - 1)"
ROW = "sum_to(slopes * slopes, axis=1)"
ONES = "Var(np.ones((x.value.shape[0], 1), x.value.dtype))"
PER_POINT = "Each point has a slope of its own, over its D numbers: (N, D) becomes (N, 1)."

KNOWN_ANSWERS += [
    right(5, "by the sum of f, and the square multiplied out", """
def gradient_penalty(f, x):
    (slopes,) = grad(sum_to(f(x)), [x])
    squares = sum_to(slopes * slopes, axis=1)
    return sum_to(squares - sqrt(squares) * 2 + 1) / len(x.value)
"""),
    right(5, "a mean by a matrix product", """
def gradient_penalty(f, x):
    n = x.value.shape[0]
    out = f(x)
    d = grad(out, [x], Var(np.ones_like(out.value)))[0]
    gap = sqrt((d * d) @ Var(np.ones((x.value.shape[1], 1), d.value.dtype))) - 1
    return transpose(gap) @ gap / n
"""),
    wrong(5, "one length for all points", PER_POINT, {ROW: "sum_to(slopes * slopes)"}),
    wrong(5, "the wrong axis", PER_POINT, {ROW: "sum_to(slopes * slopes, axis=0)"}),
    wrong(5, "no root", "The length is the root of the sum of squares.", {f"sqrt({ROW})": ROW}),
    wrong(5, "no square", "Slopes below 1 and above 1 must not cancel: the gap is squared.", {SQUARE: "lengths - 1"}),
    wrong(5, "no 1", "The slopes are to be near 1, not near 0.", {SQUARE: "lengths * lengths"}),
    wrong(5, "a sum", "A mean over the points is asked for; this is a sum.", {" / x.value.shape[0]": ""}),
    wrong(5, "a mean over all numbers", "The mean is over the N points, not over all N x D numbers.",
          {" / x.value.shape[0]": " / x.value.size"}),
    wrong(5, "the slopes are cut off", NO_PAST, {ROW: "sum_to(Var(slopes.value**2), axis=1)"}),
    wrong(5, "only slopes above 1", "Slopes below 1 count as well.", {SQUARE: f"{SQUARE} * (lengths.value > 1)"}),
    wrong(5, "slopes of the mean", "This takes the slopes of the mean of f: they are N times too small.",
          {ONES: f"{ONES} / x.value.shape[0]"}),
    wrong(5, "values in place of slopes", "These are the values of f. Its slopes are asked for.",
          {f"(slopes,) = grad(f(x), [x], {ONES})": "slopes = f(x)"}),
    wrong(5, "the sum of absolute values", "The Euclidean length: the root of the sum of squares.",
          {f"sqrt({ROW})": "sum_to(sqrt(slopes * slopes), axis=1)"}),
    wrong(5, "float64", SINGLE, {ONES: "Var(np.ones((x.value.shape[0], 1)))"}),
    wrong(5, "the mean before the gap", "First the gap of each point, then the mean: here gaps of both signs cancel.",
          {f"sum_to({SQUARE}) / x.value.shape[0]": "(sum_to(lengths) / x.value.shape[0] - 1) * "
           "(sum_to(lengths) / x.value.shape[0] - 1)"}),
    wrong(5, "the number of the public test", "It works for one plane. What about other functions?", source="""
def gradient_penalty(f, x):
    return f(x) * 0 + 16.0
"""),
    wrong(5, "x in place", "An operation such as += changes the array of x for everybody.", source="""
def gradient_penalty(f, x):
    (slopes,) = grad(f(x), [x], Var(np.ones((x.value.shape[0], 1), x.value.dtype)))
    x.value -= slopes.value
    lengths = sqrt(sum_to(slopes * slopes, axis=1))
    return sum_to((lengths - 1) * (lengths - 1)) / x.value.shape[0]
"""),
]  # fmt: skip

# ---- right numbers, by a library

LIBRARY = "The library has the answer; the task is to find it yourself."

KNOWN_ANSWERS += [
    wrong(1, "tanh: by minigen", LIBRARY, source="""
def tanh_rule(g, out, x):
    import minigen as mg

    leaf = mg.tensor(x.value, requires_grad=True)
    return (Var(mg.grad(mg.tanh(leaf), leaf, mg.tensor(g.value))[0].numpy()),)
"""),
    wrong(4, "by minigen, through another name", LIBRARY, source="""
import minigen

engine = minigen

def again(var, tensors):
    if id(var) not in tensors:
        inputs = [again(x, tensors) for x in var.inputs]
        tensors[id(var)] = getattr(engine, var.op.name)(*inputs, **var.params)
    return tensors[id(var)]

def grad(output, inputs, g=None):
    leaves = [engine.tensor(x.value, requires_grad=True) for x in inputs]
    total = again(output, {id(x): leaf for x, leaf in zip(inputs, leaves)})
    return [Var(d.numpy()) for d in engine.grad(total, leaves, g and engine.tensor(g.value))]
"""),
    wrong(5, "by the library's penalty", LIBRARY, source="""
def gradient_penalty(f, x):
    import importlib

    penalty = importlib.import_module("minigen.losses").gradient_penalty
    return Var(penalty(f, x.value).numpy())
"""),
]  # fmt: skip
