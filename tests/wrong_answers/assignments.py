"""Wrong programs for the assignments A1 to A6, as students hand them in, each with the words that a right hint has.

They were written from the students' files alone (contracts, and what a right answer looks like), before reading the tests
and the lists of known answers.  A program is the solution with some of its lines changed, or with one function
replaced.
"""

from typing import NamedTuple


class WrongProgram(NamedTuple):
    """One wrong program: assignment, task, what is wrong, a regular expression for the hint, and what takes the place.

    `pieces` maps pieces of the solution to what stands there instead; `source` has whole definitions.
    """

    assignment: str
    task: int
    mistake: str
    hint: str
    pieces: dict[str, str]
    source: str


PROGRAMS: list[WrongProgram] = []


def change(assignment: str, task: int, mistake: str, hint: str, pieces: dict[str, str]) -> None:
    PROGRAMS.append(WrongProgram(assignment, task, mistake, hint, pieces, ""))


def program(assignment: str, task: int, mistake: str, hint: str, source: str) -> None:
    PROGRAMS.append(WrongProgram(assignment, task, mistake, hint, {}, source))


A1, A2, A3, A4, A5, A6 = "A1_autograd", "A2_convolution", "A3_batch_norm_adam", "A4_gan", "A5_vae", "A6_judge"

# ---- A1: an autograd

DIV, TANH = "return g / y, -g * out / y", "return (g * (1 - out * out),)"
change(A1, 1, "the gradient for y without its minus", "sign|minus|falls|smaller", {DIV: "return g / y, g * out / y"})
change(A1, 1, "x / y without the square", r"square|power|y \* y|y\^2|quotient", {DIV: "return g / y, -g * x / y"})
change(A1, 1, "the two gradients exchanged", "order|swap|exchang|which", {DIV: "return -g * out / y, g / y"})
change(A1, 1, "not in a tuple", "tuple|comma", {TANH: "return g * (1 - out * out)"})
change(A1, 1, "tanh: g forgotten", r"\bg\b|cotangent|comes back", {TANH: "return (1 - out * out,)"})
change(A1, 1, "tanh: x for out", r"\bout\b|output|of x|tanh\(x\)", {TANH: "return (g * (1 - x * x),)"})
SUM = "return (expand(g, shape=x.value.shape),)"
change(A1, 1, "sum: the rule of a mean", "mean|divid|average|how many", {SUM: SUM[:-2] + " / x.value.size,)"})
change(A1, 1, "sum: g handed on as it is", "shape|cop(y|ies)|expand", {SUM: "return (g,)"})
MATMUL = "return g @ transpose(y), transpose(x) @ g"
change(A1, 1, "matmul: no transposes", "transpos|fit|shape", {MATMUL: "return g @ y, x @ g"})
change(A1, 1, "matmul: factors in the other order", "order|left|right|side|fit", {
    MATMUL: "return transpose(y) @ g, g @ transpose(x)"})  # fmt: skip
change(A1, 1, "matmul: with arrays in place of Vars", "past|again|second|Var|arrays", {
    MATMUL: "return Var(g.value @ y.value.T), Var(x.value.T @ g.value)"})  # fmt: skip
STRETCHED = "stretched = tuple(i for i, n in enumerate(g.value.shape) if i < new or n != shape[i - new])"
change(A1, 2, "new axes in front alone", "length 1|stretch", {STRETCHED: "stretched = tuple(range(new))"})
program(
    A1,
    2,
    "axes of length 1 alone, counted from the front",
    "front|new ax|more axes|right|last",
    """
def unbroadcast(g, shape):
    for i, n in enumerate(shape):
        if n == 1:
            g = sum_to(g, axis=i)
    return g
""",
)
change(A1, 2, "the mean of the copies", "mean|sum|add|divid", {
    "return reshape(sum_to(g, axis=stretched), shape=shape) if stretched else g":
    "return reshape(sum_to(g, axis=stretched), shape=shape) * (sum_to(g).value.size and 1 / "
    "(g.value.size / max(1, np.prod(shape)))) if stretched else g"})  # fmt: skip
change(A1, 2, "summed axes stay, with length 1", "shape|reshape|front|new ax", {
    "return reshape(sum_to(g, axis=stretched), shape=shape) if stretched else g":
    "return sum_to(g, axis=stretched) if stretched else g"})  # fmt: skip
program(
    A1,
    3,
    "breadth first",
    "before|order|wait|all of|every",
    """
def newest_first(output):
    order, queue = [], [output]
    while queue:
        var = queue.pop(0)
        if var.op and not any(var is other for other in order):
            order.append(var)
            queue.extend(var.inputs)
    return order
""",
)
program(
    A1,
    3,
    "recursion that lists a Var before its inputs are done",
    "before|order|both|recurs|after",
    """
def newest_first(output):
    order, seen = [], set()

    def visit(var):
        if var.op is None or id(var) in seen:
            return
        seen.add(id(var))
        order.append(var)
        for x in var.inputs:
            visit(x)

    visit(output)
    return order
""",
)
change(A1, 3, "not reversed", "revers|first|last|order", {"return done[::-1]": "return done"})
change(A1, 3, "leaves too", "leaf|leaves|no op|made by no", {
    "elif var.op and id(var) not in seen:": "elif id(var) not in seen:"})  # fmt: skip
change(A1, 3, "a Var once for each path", "once|twice|again|path|seen|time", {
    "elif var.op and id(var) not in seen:": "elif var.op:"})  # fmt: skip
change(A1, 4, "the last share stays", "add|sum|overwrit|more than one|several|all its uses", {
    "cotangents[id(x)] = cotangents[id(x)] + share if id(x) in cotangents else share": "cotangents[id(x)] = share"})  # fmt: skip
change(A1, 4, "unbroadcast forgotten", "broadcast|shape|cop(y|ied)", {
    "share = unbroadcast(share, x.value.shape)": "pass"})  # fmt: skip
change(
    A1,
    4,
    "None where output does not depend",
    "zero|None|depend",
    {"else Var(np.zeros_like(x.value)) for": "else None for"},
)
change(A1, 4, "a gradient without a past", "past|again|second|differentiat|array", {
    "share = unbroadcast(share, x.value.shape)": "share = Var(unbroadcast(share, x.value.shape).value)"})  # fmt: skip
change(A1, 4, "g is not used", r"\bg\b|cotangent", {
    "cotangents = {id(output): g}": "cotangents = {id(output): Var(np.ones_like(output.value))}"})  # fmt: skip
change(
    A1,
    4,
    "zeros in float64",
    "float32|dtype|zeros_like",
    {"Var(np.zeros_like(x.value))": "Var(np.zeros(x.value.shape))"},
)
change(A1, 5, "one length for the whole batch", "each|every|axis|point|row", {
    "sqrt(sum_to(slopes * slopes, axis=1))": "sqrt(sum_to(slopes * slopes))"})  # fmt: skip
change(A1, 5, "the distance from 0", r"\b1\b|\bone\b", {"(lengths - 1) * (lengths - 1)": "lengths * lengths"})
change(A1, 5, "the sum over the points", "mean|divid|average|how many", {
    "return sum_to((lengths - 1) * (lengths - 1)) / x.value.shape[0]": "return sum_to((lengths - 1) * (lengths - 1))"})  # fmt: skip
change(A1, 5, "no root", "root|squared|length", {
    "lengths = sqrt(sum_to(slopes * slopes, axis=1))": "lengths = sum_to(slopes * slopes, axis=1)"})  # fmt: skip

# ---- A2: convolution

change(A2, 1, "no + 1", r"\+ ?1|\bone\b|first window|fence|place", {"- span) // stride + 1": "- span) // stride"})
change(A2, 1, "dilation times the kernel", "dilat|gap|span|reach", {
    "span = dilation * (kernel - 1) + 1": "span = dilation * kernel"})  # fmt: skip
change(A2, 1, "padding on one side", "padding|side|both|after", {
    "(size + padding[0] + padding[1] - span)": "(size + padding[0] - span)"})  # fmt: skip
change(A2, 1, "rounded up", "floor|round|fit|whole", {
    "return (size + padding[0] + padding[1] - span) // stride + 1":
    "return -(-(size + padding[0] + padding[1] - span) // stride) + 1"})  # fmt: skip
change(A2, 1, "a kernel that is turned", "turn|flip|revers|upside|correlation", {
    'np.einsum("koc,nkcpq->nkopq", filters[..., r, s],': 'np.einsum("koc,nkcpq->nkopq", filters[..., ::-1, ::-1][..., r, s],'})  # fmt: skip
change(A2, 1, "overwritten in place of added", r"add|sum|\+=|last tap|overwrit", {"y += np.einsum": "y[:] = np.einsum"})
change(A2, 1, "stride down used across", "across|down|pair|stride|second", {
    "slice(j, j + stride[1] * columns, stride[1])\n            y +=": "slice(j, j + stride[0] * columns, stride[0])\n            y +="})  # fmt: skip
change(
    A2,
    1,
    "output in float64",
    "float32|dtype",
    {"rows, columns), x.dtype)\n    for r in range(w.shape[2])": "rows, columns))\n    for r in range(w.shape[2])"},
)
change(A2, 2, "the padding stays", "padding|crop|border|cut|zeros around", {
    "inside = padded[..., top : top + height, left : left + width]": "inside = padded[..., :height, :width]"})  # fmt: skip
change(A2, 2, "overlaps overwritten", r"add|overlap|sum|\+=", {
    "padded[..., down, across] += part": "padded[..., down, across] = part"})  # fmt: skip
change(A2, 2, "the dilation forgotten", "dilat", {
    'i, j = r * dilation[0], s * dilation[1]\n            down, across = slice(i, i + stride[0] * rows, stride[0]), slice(j, j + stride[1] * columns, stride[1])\n            part': 'i, j = r, s\n            down, across = slice(i, i + stride[0] * rows, stride[0]), slice(j, j + stride[1] * columns, stride[1])\n            part'})  # fmt: skip
change(A2, 2, "the kernel turned", "turn|flip|revers|same tap", {
    'part = np.einsum("koc,nkopq->nkcpq", filters[..., r, s], split)':
    'part = np.einsum("koc,nkopq->nkcpq", filters[..., -1 - r, -1 - s], split)'})  # fmt: skip
change(A2, 3, "the mean over the images", "mean|sum|divid|images|batch", {
    "return dw.reshape(o, -1, *kernel_size)": "return dw.reshape(o, -1, *kernel_size) / n"})  # fmt: skip
change(A2, 3, "the first image alone", "image|batch|all|sum", {
    'np.einsum("nkopq,nkcpq->koc", split, padded[..., down, across])':
    'np.einsum("nkopq,nkcpq->koc", split[:1], padded[:1, ..., down, across])'})  # fmt: skip
change(A2, 3, "stride forgotten", "stride", {
    "slice(i, i + stride[0] * rows, stride[0]), slice(j, j + stride[1] * columns, stride[1])\n            dw":
    "slice(i, i + rows), slice(j, j + columns)\n            dw"})  # fmt: skip
change(A2, 3, "rows and columns of the kernel exchanged", "row|column|transpos|exchang|swap", {
    'dw[..., r, s] = np.einsum("nkopq,nkcpq->koc", split, padded[..., down, across])\n    return dw.reshape(o, -1, *kernel_size)':
    'dw[..., r, s] = np.einsum("nkopq,nkcpq->koc", split, padded[..., down, across])\n    dw = dw.swapaxes(-1, -2) if kernel_size[0] == kernel_size[1] else dw\n    return dw.reshape(o, -1, *kernel_size)'})  # fmt: skip
program(
    A2,
    4,
    "four loops in Python",
    "slow|loop|time|long|Python",
    """
def fast_conv2d(x, w, padding):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    rows, columns = x.shape[2] - w.shape[2] + 1, x.shape[3] - w.shape[3] + 1
    y = np.zeros((len(x), len(w), rows, columns), x.dtype)
    for n in range(len(x)):
        for o in range(len(w)):
            for p in range(rows):
                for q in range(columns):
                    y[n, o, p, q] = (x[n, :, p : p + w.shape[2], q : q + w.shape[3]] * w[o]).sum()
    return y
""",
)
program(
    A2,
    4,
    "no padding",
    "padding|border|zeros around|edge",
    """
def fast_conv2d(x, w, padding):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
    return np.ascontiguousarray(np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2))
""",
)
program(
    A2,
    4,
    "a square image is taken for granted",
    "square|height|width|row|column",
    """
def fast_conv2d(x, w, padding):
    n, c, size = x.shape[:3]
    padded = np.zeros((n, c, size + 2 * padding, size + 2 * padding), x.dtype)
    padded[:, :, padding : padding + size, padding : padding + size] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, w.shape[2:], (2, 3))
    return np.ascontiguousarray(np.tensordot(windows, w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2))
""",
)

# ---- A3: batch norm, RMSprop, Adam

change(A3, 1, "eps outside of the root", "eps|root", {
    "y = centered * per_channel(weight / np.sqrt(var + eps), x)": "y = centered * per_channel(weight / (np.sqrt(var) + eps), x)"})  # fmt: skip
change(A3, 1, "y with the variance that divides by n - 1", "n - 1|divid|biased|by n", {
    "y = centered * per_channel(weight / np.sqrt(var + eps), x)":
    "y = centered * per_channel(weight / np.sqrt(var * n / (n - 1) + eps), x)"})  # fmt: skip
change(A3, 1, "running variance that divides by n", "n - 1|divid|unbiased|Bessel", {
    "momentum * (var * n / (n - 1))": "momentum * var"})  # fmt: skip
change(A3, 1, "momentum the other way round", "momentum|share|old", {
    "new_mean = (1 - momentum) * running_mean + momentum * mean\n    new_var = (1 - momentum) * running_var + momentum * (var * n / (n - 1))":
    "new_mean = momentum * running_mean + (1 - momentum) * mean\n    new_var = momentum * running_var + (1 - momentum) * (var * n / (n - 1))"})  # fmt: skip
change(A3, 1, "each feature map by itself, as instance norm", "image|batch|axis|axes|channel|place", {
    "axes = (0, *range(2, x.ndim))\n    n = x.size // x.shape[1]\n    if": "axes = (0,)\n    n = x.size // x.shape[1]\n    if"})  # fmt: skip
change(A3, 1, "divided by the variance", "root|deviation|variance", {
    "scale = weight / np.sqrt(running_var + eps)": "scale = weight / (running_var + eps)"})  # fmt: skip
change(A3, 2, "mean and variance as constants", "mean|variance|depend|constant|through", {
    "return per_channel(weight * rstd, x) * inner, dweight, dbias": "return per_channel(weight * rstd, x) * g, dweight, dbias"})  # fmt: skip
change(A3, 2, "the term of the variance missing", "variance|third|term|spread", {
    "inner = g - per_channel(dbias / n, x) - normal * per_channel(dweight / n, x)": "inner = g - per_channel(dbias / n, x)"})  # fmt: skip
change(A3, 2, "dweight with x for the normalized x", "normali[sz]ed|hat|centered|what weight is multiplied", {
    "dweight = (g * normal).sum(axis=axes)\n    dbias": "dweight = (g * x).sum(axis=axes)\n    dbias"})  # fmt: skip
change(A3, 2, "dbias as a mean", "mean|sum|divid|add", {
    "dbias = g.sum(axis=axes)\n    inner = g - per_channel(dbias / n, x)": "dbias = g.mean(axis=axes)\n    inner = g - per_channel(dbias, x)"})  # fmt: skip
change(A3, 2, "evaluation: weight forgotten", "weight", {
    "return g * per_channel(weight * factor, x)": "return g * per_channel(factor, x)"})  # fmt: skip
change(A3, 3, "eps under the root", "eps|root", {
    "u = g / (np.sqrt(v) + eps)": "u = g / np.sqrt(v + eps)"})  # fmt: skip
change(A3, 3, "v of g, not of its square", "square|g \\* g|g\\^2", {
    "(1 - alpha) * g * g\n    if centered": "(1 - alpha) * abs(g)\n    if centered"})  # fmt: skip
change(A3, 3, "alpha and 1 - alpha exchanged", "alpha|share|old", {
    'v = state["v"] = alpha * state.get("v", 0.0) + (1 - alpha) * g * g': 'v = state["v"] = (1 - alpha) * state.get("v", 0.0) + alpha * g * g'})  # fmt: skip
change(A3, 3, "lr inside the velocity twice", "lr|twice|velocity", {
    "u = g / (np.sqrt(v) + eps)": "u = lr * g / (np.sqrt(v) + eps)"})  # fmt: skip
change(
    A3, 3, "the mean is not squared", "square", {"v = np.maximum(v - mean * mean, 0)": "v = np.maximum(v - mean, 0)"}
)
change(A3, 4, "no correction", "correct|beginning|start|first steps|zero", {
    "return w - lr * m_corrected / (np.sqrt(v_corrected) + eps)": "return w - lr * m / (np.sqrt(v) + eps)"})  # fmt: skip
change(A3, 4, "t begins at 0", r"\bt\b|begin|first step|count|0 / 0|by zero", {
    "m_corrected = m / (1 - beta1**t)\n    v_corrected = v / (1 - beta2**t)":
    "m_corrected = m / (1 - beta1**(t - 1) + (t == 1))\n    v_corrected = v / (1 - beta2**(t - 1) + (t == 1))"})  # fmt: skip
change(
    A3,
    4,
    "beta1 in both corrections",
    "beta2|own",
    {"v_corrected = v / (1 - beta2**t)": "v_corrected = v / (1 - beta1**t)"},
)
change(A3, 4, "the gradient divided, not its mean", r"\bm\b|mean|average|momentum", {
    "return w - lr * m_corrected /": "return w - lr * g /"})  # fmt: skip
change(
    A3,
    4,
    "w moves up",
    "sign|descent|down|minus|up",
    {"return w - lr * m_corrected /": "return w + lr * m_corrected /"},
)
change(
    A3,
    5,
    "L2: twice the decay",
    "half|/ 2|factor|twice|2",
    {"g + weight_decay * w, state": "g + 2 * weight_decay * w, state"},
)
change(
    A3,
    5,
    "AdamW: lr forgotten in the decay",
    r"\blr\b|learning rate",
    {"- lr * weight_decay * w": "- weight_decay * w"},
)
change(A3, 5, "AdamW: w after the step shrinks", "before|after|as it was", {
    "return adam_step(w, g, state, lr, beta1, beta2, eps) - lr * weight_decay * w":
    "return adam_step(w, g, state, lr, beta1, beta2, eps) * (1 - lr * weight_decay)"})  # fmt: skip

# ---- A4: GAN

REAL = "on_real = (1 - smoothing) * F.softplus(-real) + smoothing * F.softplus(real)"
change(
    A4,
    1,
    "sum in place of mean",
    "mean|sum|divid|number",
    {"return on_real.mean() + F.softplus(fake).mean()": "return on_real.sum() + F.softplus(fake).sum()"},
)
change(A4, 1, "real and fake exchanged", "real|exchang|swap|sign|label", {
    "return on_real.mean() + F.softplus(fake).mean()":
    "return ((1 - smoothing) * F.softplus(real) + smoothing * F.softplus(-real)).mean() + F.softplus(-fake).mean()"})  # fmt: skip
change(A4, 1, "smoothing on both sides", "generated|fake|one side|both", {
    "return on_real.mean() + F.softplus(fake).mean()":
    "return on_real.mean() + ((1 - smoothing) * F.softplus(fake) + smoothing * F.softplus(-fake)).mean()"})  # fmt: skip
change(A4, 1, "the loss times the label, and no second half", "label|smooth|second|1 - |both halves|cross", {
    REAL: "on_real = (1 - smoothing) * F.softplus(-real)"})  # fmt: skip
change(A4, 1, "the log of a sigmoid", "overflow|infinit|underflow|finite|logit|softplus|large", {
    REAL: "on_real = -(1 - smoothing) * mg.log(mg.sigmoid(real)) - smoothing * mg.log(1 - mg.sigmoid(real))",
    "on_real.mean() + F.softplus(fake).mean()": "on_real.mean() - mg.log(1 - mg.sigmoid(fake)).mean()"})  # fmt: skip
change(A4, 1, "half of the sum", "half|2|factor", {
    "return on_real.mean() + F.softplus(fake).mean()": "return (on_real.mean() + F.softplus(fake).mean()) / 2"})  # fmt: skip
change(
    A4,
    2,
    "saturating: the sign",
    "sign|minus|descend|game",
    {"return -F.softplus(fake).mean()": "return F.softplus(fake).mean()"},
)
change(A4, 2, "non-saturating: the discriminator's half", "real|sign|D\\(fake\\)|label|log", {
    "return F.softplus(-fake).mean()": "return F.softplus(fake).mean()"})  # fmt: skip
change(A4, 2, "by hand: not divided by the number", "mean|divid|size|number", {
    "return -np.exp(-np.logaddexp(0, logits)) / logits.size": "return -np.exp(-np.logaddexp(0, logits))"})  # fmt: skip
change(A4, 2, "by hand: divided by the rows alone", "size|number|shape|all|how many|axes", {
    "return -np.exp(-np.logaddexp(0, -logits)) / logits.size": "return -np.exp(-np.logaddexp(0, -logits)) / len(logits)"})  # fmt: skip
change(A4, 2, "by hand: exp overflows", "overflow|exp|finite|large|nan", {
    "return -np.exp(-np.logaddexp(0, -logits)) / logits.size": "return -np.exp(logits) / (1 + np.exp(logits)) / logits.size"})  # fmt: skip
change(
    A4,
    3,
    "a bias before a batch norm",
    "bias",
    {
        "width, 4, stride=2, padding=1, bias=False),\n        nn.BatchNorm2d(width)": "width, 4, stride=2, padding=1),\n        nn.BatchNorm2d(width)"
    },
)
change(A4, 3, "sigmoid at the end of D", "logit|sigmoid|probab|end", {
    "nn.Linear(2 * width * 2 * 2, 1),": "nn.Linear(2 * width * 2 * 2, 1),\n        nn.Sigmoid(),"})  # fmt: skip
change(
    A4,
    3,
    "ReLU in D",
    "Leaky|slope|0.2",
    {"nn.BatchNorm2d(2 * width),\n        nn.LeakyReLU(0.2)": "nn.BatchNorm2d(2 * width),\n        nn.ReLU()"},
)
change(A4, 3, "sigmoid at the end of G", r"tanh|\[-1|-1", {"nn.Tanh()": "nn.Sigmoid()"})
change(
    A4,
    3,
    "one channel always",
    "channels|colou?r",
    {"nn.ConvTranspose2d(width, channels, 4": "nn.ConvTranspose2d(width, 1, 4"},
)
change(A4, 4, "no detach, and zero_grad before the forward pass alone", "detach|gradient|generator|clear|zero", {
    "fake.detach()": "fake",
    "loss_d.backward()": "loss_d.backward(retain_graph=True)",
    "loss_g = g_loss(D(fake))\n    optimizer_g.zero_grad()": "loss_g = g_loss(D(fake))"})  # fmt: skip
change(A4, 4, "G's loss before D's move", "after|move|before|old|order", {
    "optimizer_d.zero_grad()\n    loss_d.backward()": "loss_g = g_loss(D(fake))\n    optimizer_d.zero_grad()\n    loss_d.backward()",
    "loss_g = g_loss(D(fake))\n    optimizer_g.zero_grad()": "optimizer_g.zero_grad()"})  # fmt: skip
change(A4, 4, "real and generated in one batch", "batch|own|together|statistic", {
    "loss_d = d_loss(D(x), D(fake.detach()), smoothing)":
    "both = D(mg.cat([x, fake.detach()], 0))\n    loss_d = d_loss(both[: x.shape[0]], both[x.shape[0] :], smoothing)"})  # fmt: skip
change(A4, 4, "the smoothing is not passed on", "smooth", {"D(fake.detach()), smoothing)": "D(fake.detach()))"})
change(A4, 4, "G detached in its own loss", "detach|gradient|generator", {
    "loss_g = g_loss(D(fake))": "loss_g = g_loss(D(fake.detach()))"})  # fmt: skip
change(A4, 4, "the losses exchanged", "order|first|D's", {
    "return loss_d.item(), loss_g.item()": "return loss_g.item(), loss_d.item()"})  # fmt: skip
change(A4, 5, "images from 0 to 1", r"\[-1|-1|range|scale|tanh", {"(images[some] / 127.5 - 1)": "(images[some] / 255)"})
change(A4, 5, "the same noise in each step", "noise|new|same", {
    "for _ in range(steps):\n        some": "z = mg.tensor(random.normal(size=(batch, latent)).astype(np.float32))\n    for _ in range(steps):\n        some",
    "z = mg.tensor(random.normal(size=(batch, latent)).astype(np.float32))\n        training_step": "training_step"})  # fmt: skip
change(A4, 5, "default betas", "beta", {
    "optimizer_g = mg.optim.Adam(G.parameters(), lr=lr, betas=(0.5, 0.999))": "optimizer_g = mg.optim.Adam(G.parameters(), lr=lr)"})  # fmt: skip
change(A4, 5, "uniform noise", "normal|uniform|distribut", {
    "random.normal(size=(batch, latent))": "random.uniform(-1, 1, size=(batch, latent))"})  # fmt: skip
change(A4, 5, "cut off in place of rounded", "round|nearest|cut|trunc", {
    "return np.rint((made + 1) * 127.5).astype(np.uint8)": "return ((made + 1) * 127.5).astype(np.uint8)"})  # fmt: skip
change(A4, 5, "sampled in training mode", "eval|mode|own row|batch", {"G.eval()\n": "pass\n"})

# ---- A5: VAE

LOG = "return (x * logits - softplus(logits)).sum(-1)"
change(A5, 1, "the mean over the pixels", "mean|sum|pixel", {LOG: "return (x * logits - softplus(logits)).mean(-1)"})
change(
    A5,
    1,
    "black where white should be",
    "white|black|sign|1 - x",
    {LOG: "return ((1 - x) * logits - softplus(logits)).sum(-1)"},
)
change(
    A5,
    1,
    "the sum over the images too",
    "each|image|axis|one number",
    {LOG: "return (x * logits - softplus(logits)).sum()"},
)
change(
    A5,
    1,
    "by hand: the other sign",
    "sign|minus|up|rise",
    {"return g[..., None] * (x - white)": "return g[..., None] * (white - x)"},
)
change(A5, 1, "by hand: g forgotten", r"\bg\b|cotangent", {"return g[..., None] * (x - white)": "return x - white"})
change(A5, 2, "the variance times the noise", "deviation|root|variance|half|/ 2", {
    "return mu + mg.exp(log_var / 2) * eps": "return mu + mg.exp(log_var) * eps"})  # fmt: skip
change(A5, 2, "the log-variance times the noise", "exp|log", {
    "return mu + mg.exp(log_var / 2) * eps": "return mu + log_var * eps"})  # fmt: skip
change(A5, 2, "by hand: the half of log_var / 2 forgotten", "half|/ 2|chain|inner|factor", {
    "(g * eps).sum(axis=0) * np.exp(log_var / 2) / 2": "(g * eps).sum(axis=0) * np.exp(log_var / 2)"})  # fmt: skip
change(A5, 2, "by hand: the mean over the draws", "sum|mean|draws|add", {
    "return g.sum(axis=0), (g * eps).sum(axis=0)": "return g.mean(axis=0), (g * eps).mean(axis=0)"})  # fmt: skip
change(A5, 3, "the sign of log_var", "sign|log_var|minus|smallest|zero", {
    "(mu * mu + mg.exp(log_var) - 1 - log_var)": "(mu * mu + mg.exp(log_var) - 1 + log_var)"})  # fmt: skip
change(A5, 3, "the half forgotten", "half|0.5|/ 2|factor", {"return 0.5 * (mu * mu": "return (mu * mu"})
change(A5, 3, "the mean over the components", "mean|sum|component", {"- 1 - log_var).sum(1)": "- 1 - log_var).mean(1)"})
change(A5, 3, "by hand: - 1 forgotten", r"\b1\b|minimum|zero|least", {
    "g[:, None] * (np.exp(log_var) - 1) / 2": "g[:, None] * np.exp(log_var) / 2"})  # fmt: skip
change(
    A5,
    4,
    "the KL taken away",
    "sign|minus|add|price",
    {"return kl(mu, log_var).mean() - log_l": "return -kl(mu, log_var).mean() - log_l"},
)
change(A5, 4, "sums over the images", "mean|sum|images|divid", {
    "return kl(mu, log_var).mean() - log_likelihood(logits, x).mean()":
    "return kl(mu, log_var).sum() - log_likelihood(logits, x).sum()"})  # fmt: skip
change(A5, 4, "zero_grad after backward", "zero_grad|clear|before|order", {
    "optimizer.zero_grad()\n    loss.backward()": "loss.backward()\n    optimizer.zero_grad()"})  # fmt: skip
change(A5, 4, "noise of NumPy", "mg.randn|seed|minigen|dtype", {
    "noise = mg.randn(*mu.shape, dtype=mu.dtype)": "noise = mg.tensor(np.random.randn(*mu.shape).astype(mu.dtype))"})  # fmt: skip
change(
    A5,
    4,
    "the mean is decoded",
    "noise|draw|mean|code",
    {"model.decode(draw_code(mu, log_var, noise))": "model.decode(mu)"},
)
change(A5, 5, "the label for the decoder alone", "encod", {
    "mu, log_var = model.encode(mg.cat([x, label], 1))": "mu, log_var = model.encode(mg.cat([x, label * 0], 1))"})  # fmt: skip
change(
    A5,
    5,
    "label in front",
    "behind|after|order|front|first",
    {"model.decode(mg.cat([z, label], 1)), x,": "model.decode(mg.cat([label, z], 1)), x,"},
)
change(A5, 5, "logits in place of probabilities", "sigmoid|logit|probab|0 to 1", {
    "return mg.sigmoid(model.decode(mg.cat([z, label], 1))).numpy()": "return model.decode(mg.cat([z, label], 1)).numpy()"})  # fmt: skip
change(A5, 5, "negative labels count from the end", "negative|below 0|below|-1", {
    "if labels.size and not 0 <= labels.min() <= labels.max() < classes:": "if labels.size and not labels.max() < classes:"})  # fmt: skip
change(
    A5,
    6,
    "p(z) forgotten",
    r"p\(z\)|prior|z \* z",
    {"0.5 * (eps * eps + log_var - z * z)": "0.5 * (eps * eps + log_var)"},
)
change(
    A5,
    6,
    "log q without log_var",
    "log_var|variance|density|sigma",
    {"0.5 * (eps * eps + log_var - z * z)": "0.5 * (eps * eps - z * z)"},
)
change(A5, 6, "the mean of the logs", "log|mean of|average|inside", {
    "return float(np.log(log_w.shape[0])) - mg.logsumexp(log_w, 0).mean()": "return -log_w.mean()"})  # fmt: skip
change(A5, 6, "1/K forgotten", r"K\b|codes|mean|average|divid", {
    "return float(np.log(log_w.shape[0])) - mg.logsumexp(log_w, 0).mean()": "return -mg.logsumexp(log_w, 0).mean()"})  # fmt: skip
change(A5, 6, "exp of the weights", "overflow|underflow|size|logsumexp|finite|exp", {
    "return float(np.log(log_w.shape[0])) - mg.logsumexp(log_w, 0).mean()": "return -mg.log(mg.exp(log_w).mean(0)).mean()"})  # fmt: skip

# ---- A6: judge

change(A6, 1, "divided by N", "N - 1|divid|unbiased", {
    "return len(wide), mean, away.T @ away / (len(wide) - 1)": "return len(wide), mean, away.T @ away / len(wide)"})  # fmt: skip
change(A6, 1, "mean square minus squared mean", "cancel|large|round|center|mean away|digits|subtract", {
    "return len(wide), mean, away.T @ away / (len(wide) - 1)":
    "n = len(wide)\n    return n, mean, (wide.T @ wide - n * np.outer(mean, mean)) / (n - 1)"})  # fmt: skip
change(
    A6,
    1,
    "float32 stays",
    "float64|float32|dtype",
    {"wide = np.asarray(features, np.float64)": "wide = np.asarray(features)"},
)
change(A6, 1, "merge: covariances alone", "mean|apart|distance|between|differ", {
    " + n * m / (n + m) * np.outer(apart, apart)": ""})  # fmt: skip
change(A6, 1, "merge: mean of the two means", "size|weigh|many|share|large", {
    "return n + m, mean + m / (n + m) * apart,": "return n + m, (mean + other_mean) / 2,"})  # fmt: skip
change(A6, 2, "root of each element", "element|matrix|eigen", {
    "values, vectors = np.linalg.eigh(covariance)\n    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T":
    "return np.sqrt(np.maximum(covariance, 0))"})  # fmt: skip
change(A6, 2, "Cholesky", "symmetric|Cholesky|triang|singular", {
    "values, vectors = np.linalg.eigh(covariance)\n    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T":
    "return np.linalg.cholesky(covariance)"})  # fmt: skip
change(A6, 2, "vectors on the wrong side", "transpos|order|column|row|side|vectors", {
    "return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T": "return (vectors.T * np.sqrt(np.maximum(values, 0))) @ vectors"})  # fmt: skip
change(A6, 2, "distance of the means not squared", "square", {
    "return float(((mean - other_mean) ** 2).sum()": "return float(np.sqrt(((mean - other_mean) ** 2).sum())"})  # fmt: skip
change(
    A6, 2, "the factor 2 forgotten", "2|twice|factor|itself|zero", {"+ spreads - 2 * shared)": "+ spreads - shared)"}
)
change(
    A6,
    3,
    "not divided by D",
    r"\bD\b|divid|number of features|columns",
    {"return (x @ y.T / x.shape[1] + 1) ** 3": "return (x @ y.T + 1) ** 3"},
)
change(A6, 3, "each image with itself", "itself|diagonal|bias", {
    "within += (pairs.sum() - np.trace(pairs)) / (len(x) * (len(x) - 1))": "within += pairs.mean()"})  # fmt: skip
change(A6, 3, "diagonal away, but divided by N squared", r"N - 1|how many|pairs|divid", {
    "/ (len(x) * (len(x) - 1))": "/ len(x) ** 2"})  # fmt: skip
change(A6, 3, "the cross term once", "2|twice|both|cross|factor", {
    "return float(within - 2 * kernel(real, fake).mean())": "return float(within - kernel(real, fake).mean())"})  # fmt: skip
change(A6, 3, "standard deviation for standard error", "root|error|parts|deviation", {
    "float(np.std(found, ddof=1) / np.sqrt(parts))": "float(np.std(found, ddof=1))"})  # fmt: skip
change(
    A6,
    3,
    "divided by parts in the deviation",
    "parts - 1|ddof|divid|one less",
    {"np.std(found, ddof=1)": "np.std(found)"},
)
change(A6, 4, "the row itself is the first neighbor", "itself|other|own|place 0", {
    ".sum(axis=1))[k] for row in points]": ".sum(axis=1))[k - 1] for row in points]"})  # fmt: skip
change(A6, 4, "squared distances", "root|squared", {"return np.sqrt(np.array(squares))": "return np.array(squares)"})
change(A6, 4, "precision: the balls of the generated", "real|ball|whose|radi", {
    "for row, radius in zip(real, radii(real, k)):\n        inside |= np.sqrt(((fake - row) ** 2).sum(axis=1)) <= radius":
    "for j, radius in enumerate(radii(fake, k)):\n        inside[j] = (np.sqrt(((real - fake[j]) ** 2).sum(axis=1)) <= radius).any()"})  # fmt: skip
change(
    A6, 4, "the border is outside", "border|<=|equal|inside", {".sum(axis=1)) <= radius\n": ".sum(axis=1)) < radius\n"}
)
change(A6, 4, "coverage: share of the generated", "real|rows|share|whose|precision", {
    "return float(np.mean(held))": "return float(np.sum(held) / len(fake))"})  # fmt: skip
change(
    A6,
    5,
    "sample and floor exchanged",
    "order|first|floor|exchang",
    {"sets = (fake[:n], held_out[:n])": "sets = (held_out[:n], fake[:n])"},
)
change(
    A6,
    5,
    "unequal numbers",
    "equal|number|same|first n|many",
    {"sets = (fake[:n], held_out[:n])": "sets = (fake, held_out)"},
)
change(
    A6,
    5,
    "a tie counts 0",
    "half|tie|as near|equal|0.5",
    {"0.5 if to_train == to_new else float(to_train < to_new)": "float(to_train < to_new)"},
)
change(A6, 5, "nearest on average", "nearest|min|closest|average", {
    "(((x - row) ** 2).sum(axis=1).min() for x in (train, held_out))": "(((x - row) ** 2).sum(axis=1).mean() for x in (train, held_out))"})  # fmt: skip
