"""Wrong answers as a class hands them in, written from the text of the exercises alone, before reading any check.

The checks were not extended for them.
"""

import numpy as np

import minigen as mg
import minigen.functional as F
from minigen import losses

from . import Table

FIRST, SECOND, THIRD, FOURTH = Table(), Table(), Table(), Table()
LESSONS = {"1 to 5": FIRST, "6 to 9": SECOND, "10 to 13": THIRD, "14 to 17": FOURTH}


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


# ---- Lessons 1 to 5

add, program = FIRST.add, FIRST.program
add(
    "div_vjp",
    "gradients summed to one number",
    "shape|sum|element",
    lambda g, x, w: ((g / w).sum(), (-g * x / w**2).sum()),
)
add("div_vjp", "the log's derivative for w", r"\bw\b|square|\bx\b|quotient", lambda g, x, w: (g / w, -g / w))
add("center_vjp", "g times N - 1 over N", r"other|row|mean of g|copies|all", lambda g, x: g * (len(x) - 1) / len(x))
add("center_vjp", "the mean over all of g", "column|axis", lambda g, x: g - g.mean())


@program("my_grad", "more than once|accumul|add|each use|twice|all (its )?contributions|both")
def each_Tensor_runs_its_rule_as_soon_as_it_has_one_contribution(output, x):
    cotangents, queue = {id(output): mg.ones_like(output)}, [output]
    while queue:
        t = queue.pop(0)
        if t.node is None:
            continue
        inputs = t.node.inputs
        for i, part in t.node.primitive.apply_vjps(range(len(inputs)), cotangents[id(t)], t, inputs, t.node.params):
            known = cotangents.get(id(inputs[i]))
            cotangents[id(inputs[i])] = part if known is None else known + part
            queue.append(inputs[i])
    return cotangents[id(x)]


add(
    "softsign_vjp",
    "abs by its sign of out",
    r"square|second|derivative|\(1 \+|power",
    lambda g, out, x: g / (1 + abs(x)),
)
add("softsign_vjp", "x of minus sign", "negative|sign|x < 0|abs", lambda g, out, x: g / (1 + x) ** 2)
add(
    "hvp",
    "the gradient times v",
    "second|twice|create_graph|Hessian|gradient of",
    lambda f, x, v: mg.grad(f(x), x)[0] * v,
)
add(
    "round_through",
    "everything detached",
    "detach|gradient|no path",
    lambda x: mg.tensor(np.round(x.data)) + (x - x).detach(),
)
add("five_point", "the weights in the other order", "order|D\\(h\\)|weight|a \\+ 4|exchang", lambda f, x, h: (
    4 * (f(x + 2 * h) - f(x - 2 * h)) / (4 * h) - (f(x + h) - f(x - h)) / (2 * h)) / 3)  # fmt: skip
add("best_step", "where both terms are equal", "equal|minimum|least|derivative", lambda e, M3: (
    (6 * e / M3) ** (1 / 3), 2 * e / (6 * e / M3) ** (1 / 3)))  # fmt: skip
add("kinked", "two slopes compared with a fixed number", "noise|\\be\\b|step|curv|threshold|scale", lambda f, x, e: (
    abs((f(x + 1e-4) - f(x)) - (f(x) - f(x - 1e-4))) / 1e-4 > 1e-3))  # fmt: skip


@program("triad", "gx|over|\\+=|add|collect")
def gx_overwritten(x, w, g, stride, before):
    y, gx, gw = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)
    for p in range(len(g)):
        for r in range(len(w)):
            i = p * stride + r - before
            if 0 <= i < len(x):
                y[p] += x[i] * w[r]
                gx[i] = g[p] * w[r]
                gw[r] += g[p] * x[i]
    return y, gx, gw


@program("triad", "negative|end|before|padding|0 <=|outside")
def negative_places_count_from_the_end(x, w, g, stride, before):
    y, gx, gw = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)
    for p in range(len(g)):
        for r in range(len(w)):
            i = p * stride + r - before
            if i < len(x):
                y[p] += x[i] * w[r]
                gx[i] += g[p] * w[r]
                gw[r] += g[p] * x[i]
    return y, gx, gw


add("same_padding", "the odd zero in front", "after|odd|first|before|front", lambda size, kernel, stride: (
    lambda total: (total - total // 2, total // 2))(max((-(-size // stride) - 1) * stride + kernel - size, 0)))  # fmt: skip
add("output_padding", "dilation forgotten", "dilat", lambda size, kernel, stride, padding, dilation: (
    (size + 2 * padding - kernel) % stride))  # fmt: skip
add(
    "overlaps",
    "the mean number for each place",
    "count|each|whole|position|j",
    lambda kernel, stride: [kernel / stride] * stride,
)
add("least_time", "the shorter of the two", "longer|larger|max", lambda flop, nbytes, peak, bandwidth: min(
    flop / peak, nbytes / bandwidth))  # fmt: skip
add("conv_work", "kernel in place of its square", "kernel|square|taps|R S", lambda N, C, O, H, W, kernel, stride, padding: (
    2 * N * O * C * kernel * ((H + 2 * padding - kernel) // stride + 1) * ((W + 2 * padding - kernel) // stride + 1),
    4 * (N * C * H * W + O * C * kernel**2 + N * O * ((H + 2 * padding - kernel) // stride + 1)
         * ((W + 2 * padding - kernel) // stride + 1))))  # fmt: skip

# ---- Lessons 6 to 9

add, program = SECOND.add, SECOND.program
add("he_std", "the variance", "root|variance|deviation", lambda fan_in, slope: 2 / ((1 + slope**2) * fan_in))
add("normalize", "mean and variance over all features", "column|feature|axis|channel", lambda x, weight, bias, eps: (
    (x - x.mean()) / np.sqrt(x.var() + eps) * weight + bias))  # fmt: skip
add("normalize_vjp", "the mean's way added", "sign|mean|minus|subtract", lambda g, x, weight, eps: (
    lambda r, h: (weight * r * (g + g.mean(0) - h * (g * h).mean(0)), (g * h).sum(0), g.sum(0)))(
    1 / np.sqrt(x.var(0) + eps), (x - x.mean(0)) / np.sqrt(x.var(0) + eps)))  # fmt: skip
add("running", "the start's share forgotten", "start|1 - rho|old|begin", lambda mean, var, N, rho: (
    rho * mean, rho * var * N / (N - 1)))  # fmt: skip
add("stable_rate", "1 over the largest", "\\b2\\b|twice|limit|factor", lambda c: (1 / c.max(), 1 - c.min() / c.max()))
add("momentum_step", "theta moves with the old velocity", "old|new|before|order", lambda theta, grad, velocity, lr, momentum, weight_decay: (
    theta - lr * velocity, momentum * velocity + grad + weight_decay * theta))  # fmt: skip
add("adam_step", "means returned with the correction", "correct|return|next step", lambda theta, grad, m, s, t, lr, b1, b2, eps: (
    lambda mh, sh: (theta - lr * mh / (np.sqrt(sh) + eps), mh, sh))(
    (b1 * m + (1 - b1) * grad) / (1 - b1**t), (b2 * s + (1 - b2) * grad**2) / (1 - b2**t)))  # fmt: skip
add(
    "growth",
    "growth for one step, times the steps",
    "power|each step|multipl|steps",
    lambda lr, steps: steps * np.sqrt(1 + lr**2),
)
add("d_loss", "the generated half has the sign of the real one", "sign|generated|fake|1 - D", lambda real, fake: (
    np.logaddexp(0, -real).mean() + np.logaddexp(0, -fake).mean()))  # fmt: skip
add("best_d", "the smoothing in the denominator too", "smooth|denominator|a \\+ b|sum", lambda p, q, r, s: (
    (1 - s) * r * p / ((1 - s) * r * p + (1 - r) * q)))  # fmt: skip
add(
    "best_accuracy",
    "the difference of p and q",
    "max|half|larger|guess|1/2",
    lambda p, q, dx: np.abs(p - q).sum() * dx / 2,
)
add("g_gradient", "the minimax gradient", "minimax|-log|saturat|log\\(1", lambda logits: -sigmoid(logits) / logits.size)


@program("training_step", "zero_grad|clear|D's gradient|left")
def gradients_of_G_alone_are_cleared(G, D, optimizer_g, optimizer_d, x, z):
    fake = G(z)
    loss_d = losses.minimax_d(D(x), D(fake.detach()))
    loss_d.backward()
    optimizer_d.step()
    loss_g = losses.non_saturating_g(D(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_d, loss_g


add("count_parameters", "norm counted once", "gamma|beta|two|norm", lambda layers: sum(
    s[0] if kind == "norm" else s[0] * s[1] * (s[2] if len(s) > 2 else 1) ** 2 + s[1] for kind, *s in layers))  # fmt: skip
add("receptive_field", "strides added", "product|multipl|gap", lambda layers: 1 + sum(
    (k - 1) * (1 + sum(s for _, s in layers[:i])) for i, (k, _) in enumerate(layers)))  # fmt: skip
add(
    "nearest", "the largest product", "length|norm|square|product", lambda samples, train: (samples @ train.T).argmax(1)
)
add("slerp", "a straight line, made as long as a", "speed|angle|line|equal", lambda a, b, t: (
    lambda c: c / np.linalg.norm(c) * np.linalg.norm(a))((1 - t) * a + t * b))  # fmt: skip

# ---- Lessons 10 to 13

add, program = THIRD.add, THIRD.program
add("count", "modes by all points", "good|3 sigma|quality|within|far", lambda points, centers, sigma: (
    lambda d: (len(set(d.argmin(1).tolist())), (d.min(1) <= 3 * sigma).mean()))(
    np.linalg.norm(points[:, None] - centers, axis=2)))  # fmt: skip
add("pack", "images that are N apart", "follow|next|order|neighbor|apart", lambda images, m: np.concatenate(
    np.split(images, m), axis=1))  # fmt: skip
add("spectral_gradient", "s as a constant", "constant|s depends|ds|through s", lambda w, g: g / np.linalg.svd(w)[1][0])
add("best_conditional_d", "shares of the classes left out", "share|class", lambda p, q, real, asked: p / (p + q))
add("label_maps", "maps in front of the image", "append|front|order|behind|after|first", lambda images, labels, classes: np.concatenate(
    [np.broadcast_to(np.eye(classes)[labels][:, :, None, None], (len(images), classes, *images.shape[2:])), images], 1))  # fmt: skip
add(
    "label_bias",
    "the image's channels",
    "last|label|image|first|behind",
    lambda w, classes: w[:, :classes].sum(axis=(2, 3)),
)
add("confusion", "rows are what was read", "row|column|asked|transpos|exchang", lambda asked, read, classes: (
    np.bincount(read * classes + asked, minlength=classes**2).reshape(classes, classes)))  # fmt: skip
add("agreement", "the standard deviation of one image", "root of n|/ n|number|mean|images", lambda matrix: (
    lambda a: (a, np.sqrt(a * (1 - a))))(np.trace(matrix) / matrix.sum()))  # fmt: skip
add(
    "sample_vjp", "the half forgotten", "half|/ 2|chain", lambda g, mu, log_var, eps: (g, g * eps * np.exp(log_var / 2))
)
add("kl", "variances exchanged in the quotient", "exchang|prior|quotient|order|q and p|reverse", lambda mu, lv, pmu, plv: (
    0.5 * (lv - plv + (np.exp(plv) + (mu - pmu) ** 2) * np.exp(-lv) - 1).sum(1)))  # fmt: skip
add("posterior", "the prior forgotten in the precision", r"prior|\b1\b", lambda x, W, b, v: (
    (x - b) @ W / (W**2).sum(0), -np.log((W**2).sum(0) / v)))  # fmt: skip
add("vae_loss", "mean over the pixels", "pixel|sum", lambda logits, x, mu, log_var: (
    0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(1).mean() - (x * logits - np.logaddexp(0, logits)).mean()))  # fmt: skip
add("iwae_bound", "the sum of the weights", "mean|K|sum|log K", lambda log_w: (
    log_w.max(0) + np.log(np.exp(log_w - log_w.max(0)).sum(0))))  # fmt: skip
add("fid", "standard deviations alone, no covariances", "covarian|off the diagonal|correl|diagonal", lambda real, fake: (
    ((real.mean(0) - fake.mean(0)) ** 2).sum() + ((real.std(0, ddof=1) - fake.std(0, ddof=1)) ** 2).sum()))  # fmt: skip
add("inception_score", "without the exponential", "exp", lambda p: (
    (p * (np.log(np.maximum(p, 1e-300)) - np.log(np.maximum(p.mean(0), 1e-300)))).sum(1).mean()))  # fmt: skip
add(
    "expected_coverage",
    "one image in the ball",
    "\\bk\\b|product|neighbo",
    lambda real, fake, k: 1 - (real - 1) / (real + fake - 1),
)
add("verdict", "one standard deviation", "two|2", lambda value, floor, sd: (
    "alarm" if value < floor - sd else "worse" if value > floor + sd else "no difference"))  # fmt: skip

# ---- Lessons 14 to 17

add, program = FOURTH.add, FOURTH.program
add("repaired_d", "the probabilities in place of logits", "logit|sigmoid|softplus", lambda real, fake: (
    -np.log(np.abs(real) + 1e-8).mean() - np.log(np.abs(1 - fake) + 1e-8).mean()))  # fmt: skip
add("repaired_encoder", "the heads exchanged", "half|first|order|exchang|heads", lambda heads, eps: (
    lambda lv, mu: (mu + np.exp(lv / 2) * eps, 0.5 * (mu**2 + np.exp(lv) - 1 - lv).sum(1)))(*np.split(heads, 2, 1)))  # fmt: skip
add("warp_adjoint", "the weight forgotten", "weight", lambda g, index, weight, size: np.bincount(
    index[index >= 0], np.broadcast_to(g, index.shape)[index >= 0], size))  # fmt: skip
add("spread", "the variance", "root|deviation|variance|pixels", lambda images: (
    lambda t: ((images.sum(2) @ np.arange(images.shape[1]) / t).var() + (images.sum(1) @ np.arange(images.shape[2]) / t).var()) / 2)(
    images.sum((1, 2))))  # fmt: skip
add("paired", "not paired", "pair|differences|each", lambda a, b: (
    np.mean(b) - np.mean(a), np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))))  # fmt: skip
add(
    "masked_loss",
    "the mean over the whole image",
    "hole|mask|number|whole|divid",
    lambda y, x, m: (m * (y - x) ** 2).mean(),
)
add("pixel_shuffle", "a reshape alone", "transpos|order|reshape|axis", lambda x, r: x.reshape(
    len(x), x.shape[1] // r**2, x.shape[2] * r, x.shape[3] * r))  # fmt: skip
add("when_to_stop", "the least loss", "noisy|truth|loss", lambda losses, outputs, truth: int(np.argmin(losses)))
add("gram_gradient", "half of it", "2|twice|both|symmetric|half", lambda F, A: (
    2 * (F @ F.T / F.shape[1] - A) @ F / (F.shape[1] * (A**2).sum())))  # fmt: skip
add("bptt", "the last step alone", "step|earlier|all|time|before", lambda states, U, g: np.outer(
    g * (1 - states[-1] ** 2), states[-2]))  # fmt: skip
add("gru_gradient", "z and 1 - z exchanged", r"\bz\b|1 - z|exchang", lambda g, r, z, m, b_n, h: (
    g * z * (1 - m**2) * b_n * r * (1 - r), g * (h - m) * z * (1 - z), g * z * (1 - m**2) * r, g * (1 - z)))  # fmt: skip
add(
    "unbiased_mmd",
    "the diagonal stays",
    "diagonal|i = j|itself",
    lambda xx, xy, yy: xx.mean() + yy.mean() - 2 * xy.mean(),
)
add(
    "magnitudes",
    "0.01 added",
    "0.01|subtract|sign",
    lambda frames, mean, deviation: np.exp(3 * deviation * frames + mean) + 0.01,
)


def transposed_with_the_kernel_not_turned(g, w, stride):
    n, filters, height, width = g.shape
    spread = np.zeros((n, filters, (height - 1) * stride + 1, (width - 1) * stride + 1), g.dtype)
    spread[:, :, ::stride, ::stride] = g
    return F.conv2d(
        mg.tensor(spread), mg.tensor(np.ascontiguousarray(w.swapaxes(0, 1))), padding=w.shape[2] - 1
    ).numpy()


FIRST.add(
    "transposed_by_convolution", "the kernel not turned", "turn|flip|revers", transposed_with_the_kernel_not_turned
)
