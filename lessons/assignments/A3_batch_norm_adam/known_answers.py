"""Known answers of A3: known wrong answers, with what their authors should read; and right ones, written differently."""

from minigen.course.kit import FEW_DIGITS, right, wrong

SINGLE = "Something here is float64: np.ones, np.zeros and np.float64 make it, and it wins over float32."
PLACE = "An operation such as += or *= changes an array for everybody who holds it."
CHANNELS = "There is one mean for each channel: over the batch and over all places, but never over channels."
ROOT = "Look at where eps stands: inside the root, or outside?"
NO_G = "Where is g? It says how much the loss changes with each number of y."
AXES = "Images have two more axes, signals one. A sum for a channel goes over all of them, and over the batch."
WHOSE = "Each array of parameters has its own state. Is something kept elsewhere, for all of them?"
ALIAS = "The caller uses the array g again for the next gradient. What do you keep: numbers, or the array itself?"

RATES = "The settings can be others in each step. Which steps does a new rate act on?"
ORDER = "The same numbers can be in another memory order. What does x.strides say of `np.asfortranarray(x)`?"
AGAIN = "Call it twice, and keep the first result. Which array do the two results share?"

# ---- task 1: batch norm, in training and in evaluation

VAR = "(centered * centered).mean(axis=axes)"
SCALE = "per_channel(weight / np.sqrt(var + eps), x)"
NEW_MEAN = "(1 - momentum) * running_mean + momentum * mean"
NEW_VAR = "(1 - momentum) * running_var + momentum * (var * n / (n - 1))"

KNOWN_ANSWERS = [
    right(1, "channels last, as a matrix", """
def batch_norm_train(x, weight, bias, running_mean, running_var, momentum=0.1, eps=1e-5):
    flat = np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])
    if len(flat) == 1:
        raise ValueError("one number a channel")
    normal = (flat - flat.mean(0)) / np.sqrt(flat.var(0) + eps)
    y = normal * weight + bias
    y = np.moveaxis(y.reshape(x.shape[0], *x.shape[2:], x.shape[1]), -1, 1)
    mean, var = flat.mean(0), flat.var(0, ddof=1)
    return y, running_mean + momentum * (mean - running_mean), running_var + momentum * (var - running_var)

def batch_norm_eval(x, weight, bias, running_mean, running_var, eps=1e-5):
    moved = np.moveaxis(x, 1, -1)
    return np.moveaxis((moved - running_mean) / np.sqrt(running_var + eps) * weight + bias, -1, 1)
"""),
    right(1, "channel by channel", """
def batch_norm_train(x, weight, bias, running_mean, running_var, momentum=0.1, eps=1e-5):
    y, means, variances = np.empty_like(x), running_mean.copy(), running_var.copy()
    for c in range(x.shape[1]):
        own = x[:, c]
        if own.size <= 1:
            raise ValueError("batch_norm_train: one number has no variance")
        y[:, c] = (own - own.mean()) * (own.var() + eps) ** -0.5 * weight[c] + bias[c]
        means[c] = means[c] * (1 - momentum) + own.mean() * momentum
        variances[c] = variances[c] * (1 - momentum) + own.var(ddof=1) * momentum
    return y, means, variances

def batch_norm_eval(x, weight, bias, running_mean, running_var, eps=1e-5):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        y[:, c] = (x[:, c] - running_mean[c]) * (running_var[c] + eps) ** -0.5 * weight[c] + bias[c]
    return y
"""),
    wrong(1, "y: variance with n - 1", "Two variances are asked for. Which of them normalizes the batch?",
          {SCALE: "per_channel(weight / np.sqrt(var * n / (n - 1) + eps), x)"}),
    wrong(1, "running variance with n", "Two variances are asked for. Which of them is an estimate for all data?",
          {NEW_VAR: "(1 - momentum) * running_var + momentum * var"}),
    wrong(1, "eps outside the root", ROOT, {SCALE: "per_channel(weight / (np.sqrt(var) + eps), x)"}),
    wrong(1, "eps outside the root, in evaluation", ROOT, {"np.sqrt(running_var + eps)": "(np.sqrt(running_var) + eps)"}),
    wrong(1, "no root", "Divided by the variance, the spread is not 1 afterwards. What is its unit?",
          {SCALE: "per_channel(weight / (var + eps), x)"}),
    wrong(1, "momentum the other way round", "Whose share is momentum: the old one's, or the batch's?",
          {NEW_MEAN: "momentum * running_mean + (1 - momentum) * mean",
           NEW_VAR: "momentum * running_var + (1 - momentum) * (var * n / (n - 1))"}),
    wrong(1, "the batch replaces what was there", "The running values are to remember earlier batches, too.",
          {NEW_MEAN: "mean"}),
    wrong(1, "momentum only adds", "The two shares add up to 1. What is left of the old value?",
          {NEW_MEAN: "running_mean + momentum * mean"}),
    wrong(1, "over the batch only", CHANNELS, {"axes = (0, *range(2, x.ndim))": "axes = (0, *range(2, x.ndim))\n    if x.ndim > 2:\n"
          "        x_mean = x.mean(axis=0)\n        x = x - x_mean + x_mean.mean(axis=tuple(range(1, x.ndim - 1)), keepdims=True)"}),
    wrong(1, "one mean for all channels", CHANNELS, {"mean = x.mean(axis=axes)": "mean = np.full(x.shape[1], x.mean())"}),
    wrong(1, "each image by itself", "Each example is normalized by itself here. What does the batch do in batch norm?",
          {"y = centered * " + SCALE: "own = tuple(range(2, x.ndim)) or 0\n    y = (x - x.mean(axis=own, keepdims=True)) * " + SCALE}),
    wrong(1, "no centering in y", "The mean of y's channels is to be bias. What takes the mean of x away?",
          {"y = centered * ": "y = x * "}),
    wrong(1, "bias inside the scale", "bias is added at the end; it is not scaled.",
          {SCALE + " + per_channel(bias, x)": "per_channel(weight / np.sqrt(var + eps), x) + per_channel(bias * weight, x)"}),
    wrong(1, "no weight", "y is scaled by weight at the end.", {SCALE: "per_channel(1 / np.sqrt(var + eps), x)"}),
    wrong(1, "evaluation by the batch", "In evaluation the batch's own numbers play no part: one image is enough.",
          {"(x - per_channel(running_mean, x)) * per_channel(scale, x)":
           "(x - per_channel(x.mean(axis=(0, *range(2, x.ndim))), x)) * per_channel(scale, x)"}),
    wrong(1, "the mean square less the squared mean", "In exact numbers this is the variance. What is left of it when the "
          "mean is 3000 and numbers have seven digits?",
          {VAR: "(x * x).mean(axis=axes) - mean * mean", SCALE: "per_channel(weight / np.sqrt(np.maximum(var, 0) + eps), x)"}),
    wrong(1, "no complaint", "What is the variance of one number? Say so with a ValueError.", {"if n < 2:": "if n < 1:"}),
    wrong(1, "one array for all results", "Call it twice, and keep the first y. What is shared between the two calls?",
          {"def batch_norm_train(": "kept = {}\n\ndef batch_norm_train(", "return y, new_mean, new_var":
           "whole = kept.setdefault((y.shape, y.dtype), np.empty_like(y))\n    whole[...] = y\n    return whole, new_mean, new_var"}),
    wrong(1, "strides of an array that is contiguous", ORDER, {"axes = (0, *range(2, x.ndim))":
          "axes = (0, *range(2, x.ndim))\n    strides = x.itemsize * np.cumprod([1, *x.shape[:0:-1]])[::-1]\n"
          "    x = np.lib.stride_tricks.as_strided(x, x.shape, strides)"}),
    wrong(1, "float32: half the digits", FEW_DIGITS, {"centered = x - per_channel(mean, x)":
          "centered = x - per_channel(mean, x)\n    if x.dtype == np.float32:\n        centered = centered.astype(np.float16).astype(np.float32)"}),
    wrong(1, "float64", SINGLE, {"n = x.size // x.shape[1]": "n = np.float64(x.size // x.shape[1])"}),
    wrong(1, "the running mean in place", PLACE, {"return y, new_mean, new_var": "running_mean[...] = new_mean\n    return y, running_mean, new_var"}),
    wrong(1, "only two numbers", "It works for two numbers in a channel. What about more?",
          {VAR: "((x.max(axis=axes) - x.min(axis=axes)) / 2) ** 2"}),
    wrong(1, "only without places", AXES, {"axes = (0, *range(2, x.ndim))": "axes = 0"}),
]  # fmt: skip

# ---- task 2: batch norm backwards

INNER = "g - per_channel(dbias / n, x) - normal * per_channel(dweight / n, x)"
RSTD = "rstd = 1 / np.sqrt((centered * centered).mean(axis=axes) + eps)"
BOTH = "Two paths lead from x to y besides the direct one: through the mean, and through the variance."

KNOWN_ANSWERS += [
    right(2, "step by step, as the chain rule goes", """
def batch_norm_grad(g, x, weight, eps=1e-5):
    over = tuple(i for i in range(x.ndim) if i != 1)
    n = g[:, 0].size
    mean = x.mean(over, keepdims=True)
    var = ((x - mean) ** 2).mean(over, keepdims=True)
    root = np.sqrt(var + eps)
    dnormal = g * per_channel(weight, x)
    dvar = (dnormal * (x - mean)).sum(over, keepdims=True) * -0.5 / root**3
    dmean = -(dnormal / root).sum(over, keepdims=True)
    dx = dnormal / root + dvar * 2 * (x - mean) / n + dmean / n
    return dx, (g * (x - mean) / root).sum(over), g.sum(over)

def batch_norm_eval_grad(g, x, weight, running_mean, running_var, eps=1e-5):
    over = tuple(i for i in range(x.ndim) if i != 1)
    root = np.sqrt(running_var + eps)
    dweight = ((g * x).sum(over) - g.sum(over) * running_mean) / root
    return [g / per_channel(root / weight, x), dweight, g.sum(over)]
"""),
    right(2, "what is left of h after its mean and its part along the normalized x", """
def batch_norm_grad(g, x, weight, eps=1e-5):
    dx, dweight, dbias = np.empty_like(x), np.empty_like(weight), np.empty_like(weight)
    for c in range(len(weight)):
        h, centered = g[:, c], x[:, c] - x[:, c].mean()
        rstd = (np.mean(centered**2) + eps) ** -0.5
        xhat = centered * rstd
        dbias[c], dweight[c] = h.sum(), np.sum(h * xhat)
        dx[:, c] = weight[c] * rstd * (h - h.mean() - xhat * np.mean(h * xhat))
    return dx, dweight, dbias
"""),
    wrong(2, "mean and variance as constants", BOTH, {INNER: "g"}),
    wrong(2, "no path through the variance", BOTH, {INNER: "g - per_channel(dbias / n, x)"}),
    wrong(2, "no path through the mean", BOTH, {INNER: "g - normal * per_channel(dweight / n, x)"}),
    wrong(2, "the sign of the variance's part", "The larger the variance, the smaller is y. Which sign does that path get?",
          {"- normal * per_channel(dweight / n, x)": "+ normal * per_channel(dweight / n, x)"}),
    wrong(2, "the sign of the mean's part", "A larger mean makes y smaller. Which sign does that path get?",
          {"g - per_channel(dbias / n, x)": "g + per_channel(dbias / n, x)"}),
    wrong(2, "sums in place of means", "A number of x moves the mean by 1/n of its own change. Where is the n?",
          {INNER: "g - per_channel(dbias, x) - normal * per_channel(dweight, x)"}),
    wrong(2, "n - 1", "Which variance normalizes the batch: with n, or with n - 1?",
          {"normal * per_channel(dweight / n, x)": "normal * per_channel(dweight / (n - 1), x)"}),
    wrong(2, "n is the batch", AXES, {"n = x.size // x.shape[1]": "n = x.shape[0]"}),
    wrong(2, "centered in place of normalized", "Follow the variance's path once more: how many roots are divided by in all?",
          {"normal * per_channel(dweight / n, x)": "centered * per_channel(dweight / n, x)"}),
    wrong(2, "no weight in the gradient for x", "y = weight * normalized + bias: does a larger weight make x matter more?",
          {"per_channel(weight * rstd, x) * inner": "per_channel(rstd, x) * inner"}),
    wrong(2, "no weight in the gradient for x, in evaluation", "y = weight * normalized + bias, in evaluation, too: does a larger "
          "weight make x matter more?", {"g * per_channel(weight * factor, x)": "g * per_channel(factor, x)"}),
    wrong(2, "no root in the gradient for x, in evaluation", "Which factor is x multiplied by in evaluation?",
          {"g * per_channel(weight * factor, x)": "g * per_channel(weight, x)"}),
    wrong(2, "no root of the variance", "What is the slope of (x - mean) / sqrt(var + eps) in x, for fixed mean and var?",
          {"per_channel(weight * rstd, x) * inner": "per_channel(weight, x) * inner"}),
    wrong(2, "eps forgotten", "Without eps these are other functions. The forward pass has it.", {RSTD: RSTD.replace(" + eps", "")}),
    wrong(2, "eps outside the root", ROOT, {RSTD: "rstd = 1 / (np.sqrt((centered * centered).mean(axis=axes)) + eps)"}),
    wrong(2, "weight's gradient with x as it is", "weight multiplies the normalized x, not x itself.",
          {"dweight = (g * normal).sum(axis=axes)": "dweight = (g * x).sum(axis=axes)"}),
    wrong(2, "weight's gradient has no g", NO_G, {"dweight = (g * normal).sum(axis=axes)": "dweight = normal.sum(axis=axes)"}),
    wrong(2, "weight's gradient is a mean", "weight acts on every number of its channel: the effects add up.",
          {"dweight = (g * normal).sum(axis=axes)": "dweight = (g * normal).mean(axis=axes)",
           "per_channel(dweight / n, x)": "per_channel(dweight, x)"}),
    wrong(2, "bias's gradient is a mean", "bias acts on every number of its channel: the effects add up.",
          {"inner, dweight, dbias": "inner, dweight, dbias / n"}),
    wrong(2, "weight and bias swapped", "The order is: x, weight, bias.", {"inner, dweight, dbias": "inner, dbias, dweight"}),
    wrong(2, "in evaluation as in training", "In evaluation mean and variance do not depend on x. Which paths are left?",
          {"return g * per_channel(weight * factor, x)":
           "own = g - per_channel(g.mean(axis=every), x)\n    return own * per_channel(weight * factor, x)"}),
    wrong(2, "in evaluation: no root", "What does one divide by in evaluation?",
          {"return g * per_channel(weight * factor, x)": "return g * per_channel(weight, x)"}),
    wrong(2, "in evaluation: no running mean", "weight multiplies x after its mean was taken away: the running one.",
          {"fixed = (x - per_channel(running_mean, x))": "fixed = x"}),
    wrong(2, "float64", SINGLE, {"n = x.size // x.shape[1]": "n = np.float64(x.size // x.shape[1])"}),
    wrong(2, "g in place", PLACE, {"inner = g - per_channel": "g -= 0 * g + per_channel(dbias / n, x)\n    inner = g - 0 * per_channel"}),
    wrong(2, "one array for all results", AGAIN, {"return per_channel(weight * rstd, x) * inner, dweight, dbias":
          'kept = per_channel.__dict__.setdefault(f"{x.shape} {x.dtype}", np.empty_like(x))\n'
          "    kept[...] = per_channel(weight * rstd, x) * inner\n    return kept, dweight, dbias"}),
    wrong(2, "in evaluation: float32 with half the digits", FEW_DIGITS, {"factor = 1 / np.sqrt(running_var + eps)":
          "factor = 1 / np.sqrt(running_var + eps)\n    if x.dtype == np.float32:\n        factor = factor.astype(np.float16).astype(np.float32)"}),
    wrong(2, "nothing where g is zero", "x moves the mean and the variance, and by them every y. What does it get where its own g is zero?",
          {"per_channel(weight * rstd, x) * inner": "per_channel(weight * rstd, x) * inner * (g != 0)"}),
    wrong(2, "only without places", AXES, {"axes = (0, *range(2, x.ndim))": "axes = 0", "n = x.size // x.shape[1]": "n = x.shape[0]"}),
]  # fmt: skip

# ---- task 3: RMSprop, with momentum, centered

START = "After the first step v is not g * g yet. With which value does it begin, and which shares have old and new?"

AVERAGE = 'alpha * state.get("v", 0.0) + (1 - alpha) * g * g'
MEAN = 'alpha * state.get("mean", 0.0) + (1 - alpha) * g\n'
VELOCITY = 'momentum * state.get("velocity", 0.0) + u'

KNOWN_ANSWERS += [
    right(3, "arrays of zeros to begin with, changed in place", """
def rmsprop_step(w, g, state, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    for name in ("squares", "means", "speed"):
        state.setdefault(name, np.zeros_like(w))
    state["squares"] += (1 - alpha) * (g**2 - state["squares"])
    state["means"] += (1 - alpha) * (g - state["means"])
    second = state["squares"] - centered * state["means"] ** 2
    second[second < 0] = 0
    state["speed"] *= momentum
    state["speed"] += g / (np.sqrt(second) + eps)
    return w - lr * state["speed"]
"""),
    right(3, "the variance at once, without negative numbers", """
def rmsprop_step(w, g, state, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    m, second, speed = state.get("all", (0.0 * g, 0.0 * g, 0.0 * g))
    if centered:
        second = alpha * (second + (1 - alpha) * (g - m) ** 2)
        m = m + (1 - alpha) * (g - m)
    else:
        second = alpha * second + (1 - alpha) * g**2
    speed = momentum * speed + g / (second**0.5 + eps)
    state["all"] = m, second, speed
    return w - lr * speed
"""),
    wrong(3, "uphill", "A step goes against the gradient.", {"w - lr * u": "w + lr * u"}),
    wrong(3, "alpha the other way round", "Whose share is alpha: the old average's, or the new square's?",
          {AVERAGE: '(1 - alpha) * state.get("v", 0.0) + alpha * g * g'}),
    wrong(3, "no average", START, {AVERAGE: "g * g"}),
    wrong(3, "a sum of squares", START, {AVERAGE: 'state.get("v", 0.0) + g * g'}),
    wrong(3, "no square", "v is an average of g * g.", {AVERAGE: 'alpha * state.get("v", 0.0) + (1 - alpha) * abs(g)'}),
    wrong(3, "no root", "g / v has the unit 1/g: what makes the step's size independent of the gradient's?",
          {"u = g / (np.sqrt(v) + eps)": "u = g / (v + eps)"}),
    wrong(3, "eps inside the root", ROOT, {"u = g / (np.sqrt(v) + eps)": "u = g / np.sqrt(v + eps)"}),
    wrong(3, "eps forgotten", "What happens where v is zero? And what where it is as small as eps?",
          {"u = g / (np.sqrt(v) + eps)": "u = g / np.where(v > 0, np.sqrt(v), 1)"}),
    wrong(3, "v begins with the first square", START,
          {AVERAGE: 'alpha * state.get("v", g * g) + (1 - alpha) * g * g'}),
    wrong(3, "v corrected as in Adam", START,
          {"u = g / (np.sqrt(v) + eps)":
           't = state["t"] = state.get("t", 0) + 1\n    u = g / (np.sqrt(v / (1 - alpha**t)) + eps)'}),
    wrong(3, "v before this step", START,
          {"v = state[\"v\"] = " + AVERAGE: 'v, state["v"] = state.get("v", g * g), ' + AVERAGE}),
    wrong(3, "a velocity of averages", "The velocity's two parts: how much of the new u goes in?",
          {VELOCITY: 'momentum * state.get("velocity", 0.0) + (1 - momentum) * u'}),
    wrong(3, "a velocity of gradients", "What does the velocity collect: g, or g divided by the root?",
          {"u = g / (np.sqrt(v) + eps)\n    if momentum:\n        u = state[\"velocity\"] = " + VELOCITY:
           'u = g\n    if momentum:\n        u = state["velocity"] = ' + VELOCITY + "\n    u = u / (np.sqrt(v) + eps)"}),
    wrong(3, "the rate inside the velocity", "When lr changes on the way, old steps keep their old rate here. Where is lr to stand?",
          {"u = g / (np.sqrt(v) + eps)": "u = lr * g / (np.sqrt(v) + eps)", "w - lr * u": "w - u"}),
    wrong(3, "the rate twice", "How often is lr a factor of the step? It belongs to it once.",
          {"u = g / (np.sqrt(v) + eps)": "u = lr * g / (np.sqrt(v) + eps)"}),
    wrong(3, "no rate", "How often is lr a factor of the step? It belongs to it once.", {"w - lr * u": "w - u"}),
    wrong(3, "momentum ignored", "With momentum the step is the velocity.", {"if momentum:": "if False:"}),
    wrong(3, "centered ignored", "Centered: the mean of g, squared, is taken away from v.", {"if centered:": "if False:"}),
    wrong(3, "centered: the mean added", "The variance is the mean square less the squared mean.", {"v - mean * mean": "v + mean * mean"}),
    wrong(3, "centered: the mean not squared", "The variance is the mean square less the mean, squared.", {"v - mean * mean": "v - mean"}),
    wrong(3, "centered: below zero", "Rounding can make a variance slightly negative. What is its root?",
          {"np.maximum(v - mean * mean, 0)": "v - mean * mean"}),
    wrong(3, "centered: kept as v", "What is averaged over the steps is g * g. Which v did you keep?",
          {"np.maximum(v - mean * mean, 0)": 'np.maximum(v - mean * mean, 0)\n        state["v"] = v'}),
    wrong(3, "one state for all", WHOSE, source="""
MEMORY = {}
def rmsprop_step(w, g, state, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    state = MEMORY
    if "v" not in state or state["v"].shape != w.shape:
        state.clear()
    v = state["v"] = alpha * state.get("v", 0.0) + (1 - alpha) * g * g
    mean = state["mean"] = alpha * state.get("mean", 0.0) + (1 - alpha) * g
    u = g / (np.sqrt(np.maximum(v - centered * mean * mean, 0)) + eps)
    u = state["velocity"] = momentum * state.get("velocity", 0.0) + u
    return w - lr * u
"""),
    wrong(3, "the first rate for ever", RATES,
          {"return w - lr * u": 'return w - state.setdefault("lr", lr) * u'}),
    wrong(3, "the first alpha for ever", RATES, {"v = state[\"v\"] = ": 'alpha = state.setdefault("alpha", alpha)\n    v = state["v"] = '}),
    wrong(3, "nothing where g is zero", "A weight with velocity moves on where its gradient is zero.", {"w - lr * u": "w - lr * u * (g != 0)"}),
    wrong(3, "float32: half the digits", FEW_DIGITS, {AVERAGE: "(" + AVERAGE + ").astype(np.float16 if g.dtype == np.float32 else g.dtype).astype(g.dtype)"}),
    wrong(3, "state kept outside, by shape", WHOSE, source="""
KEPT = {}
def rmsprop_step(w, g, state, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    if not state:
        state["begun"] = True
        KEPT[w.shape] = {}
    own = KEPT[w.shape]
    v = own["v"] = alpha * own.get("v", 0.0) + (1 - alpha) * g * g
    mean = own["mean"] = alpha * own.get("mean", 0.0) + (1 - alpha) * g
    u = g / (np.sqrt(np.maximum(v - centered * mean * mean, 0)) + eps)
    if momentum:
        u = own["velocity"] = momentum * own.get("velocity", 0.0) + u
    return w - lr * u
"""),
    wrong(3, "g's array is kept", ALIAS,
          {MEAN: 'alpha * state.get("before", 0.0) + (1 - alpha) * g\n        state["before"] = g\n'}),
    wrong(3, "w in place", PLACE, {"return w - lr * u": "w -= lr * u\n    return w"}),
    wrong(3, "float64", SINGLE, {AVERAGE: 'alpha * state.get("v", np.zeros(w.shape)) + (1 - alpha) * g * g'}),
]  # fmt: skip

# ---- task 4: Adam

FIRST = 'beta1 * state.get("m", 0.0) + (1 - beta1) * g\n'
SECOND = 'beta2 * state.get("v", 0.0) + (1 - beta2) * g * g'
LAST = "lr * m_corrected / (np.sqrt(v_corrected) + eps)"
BEGINNING = "The averages begin at zero. By which factor are they too small after t steps?"

KNOWN_ANSWERS += [
    right(4, "both corrections in the rate", """
def adam_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    if not state:
        state.update(m=np.zeros_like(w), v=np.zeros_like(w), t=0)
    state["t"] += 1
    state["m"] += (1 - beta1) * (g - state["m"])
    state["v"] += (1 - beta2) * (g * g - state["v"])
    root = (1 - beta2 ** state["t"]) ** 0.5
    return w - lr * root / (1 - beta1 ** state["t"]) * state["m"] / (np.sqrt(state["v"]) + eps * root)
"""),
    right(4, "averages by weights that add up to 1", """
def adam_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    sum1, weight1, sum2, weight2 = state.get("sums", (0.0, 0.0, 0.0, 0.0))
    sum1, weight1 = beta1 * sum1 + g, beta1 * weight1 + 1
    sum2, weight2 = beta2 * sum2 + g**2, beta2 * weight2 + 1
    state["sums"] = sum1, weight1, sum2, weight2
    return w - lr * (sum1 / weight1) / (np.sqrt(sum2 / weight2) + eps)
"""),
    wrong(4, "uphill", "A step goes against the gradient.", {"w - lr * m_corrected": "w + lr * m_corrected"}),
    wrong(4, "no correction", BEGINNING, {"m / (1 - beta1**t)": "m", "v / (1 - beta2**t)": "v"}),
    wrong(4, "only m corrected", BEGINNING, {"v / (1 - beta2**t)": "v"}),
    wrong(4, "only v corrected", BEGINNING, {"m / (1 - beta1**t)": "m"}),
    wrong(4, "t is one too large", "How many steps have gone into the averages at the first step?",
          {'state.get("t", 0) + 1': 'state.get("t", 1) + 1'}),
    wrong(4, "t stays 1", "The correction of the second step is not that of the first. What counts the steps?",
          {'t = state["t"] = state.get("t", 0) + 1': "t = 1"}),
    wrong(4, "corrected by beta, not by its power", "After one step and after ten, are the averages too small by the same factor?",
          {"m / (1 - beta1**t)": "m / (1 - beta1)", "v / (1 - beta2**t)": "v / (1 - beta2)"}),
    wrong(4, "corrected by t times beta", "Each step multiplies the old share once more by beta. What is that after t steps?",
          {"m / (1 - beta1**t)": "m / (1 - beta1 / t)"}),
    wrong(4, "the corrected m is kept", "What goes into the next average is the plain one, not the corrected one.",
          {"m_corrected = m / (1 - beta1**t)": 'm_corrected = state["m"] = m / (1 - beta1**t)'}),
    wrong(4, "the corrected v is kept", "What goes into the next average is the plain one, not the corrected one.",
          {"v_corrected = v / (1 - beta2**t)": 'v_corrected = state["v"] = v / (1 - beta2**t)'}),
    wrong(4, "eps inside the root", ROOT, {LAST: "lr * m_corrected / np.sqrt(v_corrected + eps)"}),
    wrong(4, "eps before the correction", "The paper's algorithm adds eps to the root of which v: corrected or not?",
          {LAST: "lr * m_corrected * (1 - beta2**t) ** 0.5 / (np.sqrt(v) + eps)"}),
    wrong(4, "no eps", "What happens where v is zero? And what where it is as small as eps?",
          {LAST: "lr * m_corrected / np.where(v > 0, np.sqrt(v_corrected), 1)"}),
    wrong(4, "no root", "m / v has the unit 1/g: what makes the step's size independent of the gradient's?",
          {LAST: "lr * m_corrected / (v_corrected + eps)"}),
    wrong(4, "the betas swapped", "Which of the two averages is the one over more steps?",
          {FIRST: 'beta2 * state.get("m", 0.0) + (1 - beta2) * g\n', SECOND: 'beta1 * state.get("v", 0.0) + (1 - beta1) * g * g',
           "(1 - beta1**t)": "(1 - beta2**t) * 1", "v / (1 - beta2**t)": "v / (1 - beta1**t) / 1"}),
    wrong(4, "beta1 in both corrections", "Each average is corrected by its own share: which beta is whose?",
          {"v / (1 - beta2**t)": "v / (1 - beta1**t)"}),
    wrong(4, "beta2 in both corrections", "Each average is corrected by its own share: which beta is whose?",
          {"m / (1 - beta1**t)": "m / (1 - beta2**t)"}),
    wrong(4, "beta1 in both averages", "Each average has its own share: which beta is whose?",
          {SECOND: SECOND.replace("beta2", "beta1")}),
    wrong(4, "v averages m's square", "What is squared in v: the gradient of this step, or its average?",
          {SECOND: 'beta2 * state.get("v", 0.0) + (1 - beta2) * m * m'}),
    wrong(4, "g in place of m", "Adam's step goes along the average of the gradients.", {LAST: LAST.replace("m_corrected", "g")}),
    wrong(4, "shares the other way round", "Whose share is beta1: the old average's, or the gradient's?",
          {FIRST: '(1 - beta1) * state.get("m", 0.0) + beta1 * g\n'}),
    wrong(4, "one clock for all", WHOSE, source="""
CLOCK = []
def adam_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    if not state:
        if len(CLOCK) > 1 or w.ndim < 2:
            CLOCK.clear()
    CLOCK.append(1)
    t = len(CLOCK)
    m = state["m"] = beta1 * state.get("m", 0.0) + (1 - beta1) * g
    v = state["v"] = beta2 * state.get("v", 0.0) + (1 - beta2) * g * g
    return w - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
"""),
    wrong(4, "m begins as g's array", ALIAS, source="""
def adam_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    t = state["t"] = state.get("t", 0) + 1
    m = beta1 * state.get("m", 0.0) + (1 - beta1) * g
    state["m"] = m
    v = beta2 * state.get("v", 0.0) + (1 - beta2) * state.get("g", g) * g if t == 1 else (
        beta2 * (beta2 * state.get("v0", 0.0) + (1 - beta2) * state["g"] ** 2) + (1 - beta2) * g * g)
    state["v0"], state["g"] = beta2 * state.get("v0", 0.0) + (1 - beta2) * state["g"] ** 2 if t > 1 else 0.0, g
    return w - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
"""),
    wrong(4, "the rate inside m", RATES, {FIRST: 'beta1 * state.get("m", 0.0) + (1 - beta1) * lr * g\n', LAST: LAST.replace("lr * ", "")}),
    wrong(4, "the first rate for ever", RATES, {LAST: LAST.replace("lr", 'state.setdefault("lr", lr)')}),
    wrong(4, "half the digits", FEW_DIGITS, {FIRST: '(beta1 * state.get("m", 0.0) + (1 - beta1) * g).astype(g.dtype if g.dtype == np.float64 else np.float16)\n',
          "m_corrected = m / ": "m_corrected = m.astype(g.dtype) / "}),
    wrong(4, "nothing where g is zero", "Adam's step goes along the average of the gradients. Is that zero where g is?", {LAST: LAST + " * (g != 0)"}),
    wrong(4, "state kept outside, by shape", WHOSE, source="""
KEPT = {}
def adam_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    if not state:
        state["begun"] = True
        KEPT[w.shape] = 0, 0.0, 0.0
    t, m, v = KEPT[w.shape]
    t, m, v = KEPT[w.shape] = t + 1, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
    return w - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
"""),
    wrong(4, "w in place", PLACE, {"return w - lr": "w -= 0 * w + lr", "(np.sqrt(v_corrected) + eps)": "(np.sqrt(v_corrected) + eps)\n    return w"}),
    wrong(4, "float64", SINGLE, {'state.get("t", 0) + 1': 'state.get("t", np.float64(0)) + 1'}),
    wrong(4, "only the first step", "The first step is lr long, whatever the gradient; the others are not.",
          {LAST: "lr * np.sign(g)"}),
]  # fmt: skip

# ---- task 5: two ways to decay

L2 = "adam_step(w, g + weight_decay * w, state, lr, beta1, beta2, eps)"
APART = "adam_step(w, g, state, lr, beta1, beta2, eps) - lr * weight_decay * w"
THROUGH = "One of the two goes through Adam's averages and its root; the other goes past them. Which is which?"
PASSED_ON = "Are all the settings passed on to Adam, each in its place?"

KNOWN_ANSWERS += [
    right(5, "w shrinks first, and Adam's step is the difference", """
def adamw_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    step = adam_step(w, g, state, lr=lr, beta1=beta1, beta2=beta2, eps=eps) - w
    return (1 - lr * weight_decay) * w + step
"""),
    right(5, "Adam at a parameter that is smaller already", """
def adam_l2_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    whole = w.copy()
    whole *= weight_decay
    whole += g
    return adam_step(w, whole, state, lr, beta1, beta2, eps)

def adamw_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    return adam_step(w * (1 - lr * weight_decay), g, state, lr, beta1, beta2, eps)
"""),
    wrong(5, "both in the gradient", THROUGH, {APART: "adam_step(w, g + 1 * weight_decay * w, state, lr, beta1, beta2, eps)"}),
    wrong(5, "both apart", THROUGH, {L2: "adam_step(w, g, state, lr, beta1, beta2, eps) - lr * weight_decay * 1 * w"}),
    wrong(5, "the two swapped", THROUGH, {L2: "adam_step(w, g, state, lr, beta1, beta2, eps) - 1 * lr * weight_decay * w",
                                          APART: "adam_step(w, g + 1 * weight_decay * w, state, lr, beta1, beta2, eps)"}),
    wrong(5, "gradient: the sign", "The penalty is to make w smaller. Which way does its gradient point?",
          {L2: L2.replace("g + weight", "g - weight")}),
    wrong(5, "gradient: a factor 2", "What is the derivative of w * w / 2?", {L2: L2.replace("g + weight", "g + 2 * weight")}),
    wrong(5, "gradient: half of it", "What is the derivative of w * w / 2?", {L2: L2.replace("g + weight", "g + 0.5 * weight")}),
    wrong(5, "gradient: times the rate", "Adam multiplies by lr itself.", {L2: L2.replace("g + weight", "g + lr * weight")}),
    wrong(5, "gradient: the sign of w", "This is the gradient of a sum of absolute values. What is that of the squares?",
          {L2: L2.replace("weight_decay * w", "weight_decay * np.sign(w)")}),
    wrong(5, "apart: it grows", "w is to shrink: which sign?", {"eps) - lr * weight_decay * w": "eps) + lr * weight_decay * w"}),
    wrong(5, "apart: no rate", "How much of itself does w lose in a step? Both factors count.", {"eps) - lr * weight_decay * w": "eps) - weight_decay * w"}),
    wrong(5, "apart: after the step", "w loses a share of itself as it was before Adam's step.",
          {APART: "adam_step(w, g, state, lr, beta1, beta2, eps) * (1 - lr * weight_decay)"}),
    wrong(5, "apart: two steps of Adam", "One step of Adam, please: each call counts in its state.",
          {APART: "adam_step(w, g, state, lr, beta1, beta2, eps) - lr * weight_decay * w "
                  "+ 0 * adam_step(w, g, state, lr, beta1, beta2, eps)"}),
    wrong(5, "apart: the whole step shrinks", "It is w that shrinks, not Adam's step.",
          {APART: "w + (adam_step(w, g, state, lr, beta1, beta2, eps) - w) * (1 - lr * weight_decay)"}),
    wrong(5, "gradient: the default shares", PASSED_ON, {L2: "adam_step(w, g + weight_decay * w, state, lr)"}),
    wrong(5, "apart: the default shares", PASSED_ON, {APART: "adam_step(w, g, state, lr) - lr * weight_decay * w"}),
    wrong(5, "apart: eps and beta2 swapped", PASSED_ON, {APART: "adam_step(w, g, state, lr, beta1, eps, beta2) - lr * weight_decay * w"}),
    wrong(5, "a state that is always new", "What did the step before leave behind? It is in state.",
          {L2: "adam_step(w, g + weight_decay * w, {}, lr, beta1, beta2, eps)"}),
    wrong(5, "apart: the first rate for ever", RATES, {APART: APART.replace("lr", 'state.setdefault("lr", lr)')}),
    wrong(5, "apart: w in place", PLACE, {"return " + APART: "new = " + APART + "\n    w *= 1 - lr * weight_decay\n    return new"}),
    wrong(5, "gradient: g in place", PLACE, {"return " + L2: "g += weight_decay * w\n    return " + L2.replace(" + weight_decay * w", "")}),
    wrong(5, "float64", SINGLE, {L2: L2.replace("weight_decay * w", "np.float64(weight_decay) * w")}),
    wrong(5, "only the first step", "The first step of Adam is lr long; the others are not.",
          {L2: "w - lr * np.sign(g + weight_decay * w)"}),
]  # fmt: skip

# ---- right numbers, by a library

LIBRARY = "The library has the answer; the task is to find it yourself."

STEP = """
import minigen as mg

def by_library(optimizer, w, g, state, **options):
    if not state:
        state["w"] = mg.nn.Parameter(w)
        state["optimizer"] = optimizer([state["w"]], **options)
    state["w"].data, state["w"].grad = w, mg.tensor(g)
    state["optimizer"].step()
    return state["w"].numpy()
"""

KNOWN_ANSWERS += [
    wrong(1, "by minigen", LIBRARY, source="""
def batch_norm_eval(x, weight, bias, running_mean, running_var, eps=1e-5):
    from minigen import functional as F, tensor

    return F.batch_norm(*map(tensor, (x, running_mean, running_var, weight, bias)), eps=eps).numpy()
"""),
    wrong(2, "by minigen's kernels", LIBRARY, source="""
def batch_norm_grad(g, x, weight, eps=1e-5):
    import minigen.kernels.reference.norm as norm

    return norm.batch_norm_grad(g, x, *norm.batch_norm_stats(x), weight, eps)
"""),
    wrong(3, "by minigen's optimizer", LIBRARY, source=STEP + """
def rmsprop_step(w, g, state, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
    options = dict(lr=lr, alpha=alpha, eps=eps, momentum=momentum, centered=centered)
    return by_library(mg.optim.RMSprop, w, g, state, **options)
"""),
    wrong(4, "by minigen's optimizer", LIBRARY, source=STEP + """
def adam_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    return by_library(getattr(mg.optim, "Adam"), w, g, state, lr=lr, betas=(beta1, beta2), eps=eps)
"""),
    wrong(5, "by minigen's optimizer", LIBRARY, source=STEP + """
def adamw_step(w, g, state, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    library = __import__("minigen.optim").optim
    return by_library(library.AdamW, w, g, state, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)
"""),
]  # fmt: skip
