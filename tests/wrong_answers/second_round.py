"""Wrong answers that were written after the checks had been extended for the others: do the hints still fit?"""

import numpy as np

import minigen as mg
from minigen import losses

from . import Table
from .lessons_01_05 import central, collected, contributions, conv, spread_out, swapped, triad
from .lessons_06_09 import sigmoid, softplus
from .lessons_10_13 import distances, entropy, maps_of, one_hot

FIRST, SECOND, THIRD, FOURTH = Table(), Table(), Table(), Table()
LESSONS = {"1 to 5": FIRST, "6 to 9": SECOND, "10 to 13": THIRD, "14 to 17": FOURTH}

# lessons 1 to 5
add = FIRST.add
add("div_vjp", "gw divided by x in place of times", r"\bx\b", lambda g, x, w: (g / w, -g / (x * w**2)))
add("div_vjp", "sign of gx", "sign", lambda g, x, w: (-g / w, -g * x / w**2))
add(
    "div_vjp",
    "y used and divided once more",
    "power|square|twice|w is doubled",
    lambda g, x, w: (g / w, -g * (x / w) / w**2),
)
add("center_vjp", "mean subtracted twice", "twice|2|scale|mean", lambda g, x: g - 2 * g.mean(axis=0))
add("center_vjp", "divided by N - 1", "N - 1|mean|sum", lambda g, x: g - g.sum(axis=0) / max(len(g) - 1, 1))
add("center_vjp", "only the mean", "direct|itself|g", lambda g, x: -g.mean(axis=0) + 0 * g)


@FIRST.program("my_grad", "sum|add|twice|\\+=|contribution")
def counts_the_output_itself(output, x):
    grads = {id(output): mg.ones_like(output)}
    for t in collected(output):
        if t.node is not None and id(t) in grads:
            for i, c in contributions(t, grads[id(t)]):
                a = t.node.inputs[i]
                grads[id(a)] = grads.get(id(a), mg.zeros_like(a)) + c + c
    return grads[id(x)]


@FIRST.program("my_grad", "leaf|leaves|None|x")
def stops_at_x_only(output, x):
    t, g = output, mg.ones_like(output)
    while t is not x:
        (i, c), *_ = contributions(t, g)
        t, g = t.node.inputs[i], c
    return g


add("softsign_vjp", "out used: g (1 - |out|)", "square|power", lambda g, out, x: g * (1 - abs(out)))
add("softsign_vjp", "third power", "power|square", lambda g, out, x: g / (1 + abs(x)) ** 3)
add(
    "hvp",
    "difference of gradients",
    "differ|step|second|create_graph|exact|gradient",
    lambda f, x, v: (mg.grad(f(x + 1e-2 * v), [x])[0] - mg.grad(f(x), [x])[0]) / 1e-2,
)
add(
    "hvp",
    "v in the function",
    r"\bv\b|second|gradient",
    lambda f, x, v: mg.grad((mg.grad(f(x * v), [x], create_graph=True)[0]).sum(), [x])[0],
)
add("round_through", "floor", "nearest|round", lambda x: x + (mg.tensor(np.floor(x.data)) - x).detach())
add("round_through", "ceil", "nearest|round", lambda x: x + (mg.tensor(np.ceil(x.data)) - x).detach())
add(
    "five_point",
    "(2 D(h) + D(2h)) / 3",
    "weight|error|four|cancel",
    lambda f, x, h: (2 * central(f, x, h) + central(f, x, 2 * h)) / 3,
)
add(
    "five_point",
    "divided by 5",
    "3|scale|weight|slope",
    lambda f, x, h: (4 * central(f, x, h) - central(f, x, 2 * h)) / 5,
)
add(
    "best_step",
    "12 for 3",
    "6|2|derivative|factor",
    lambda e, M3: ((12 * e / M3) ** (1 / 3), 1.5 * e / (12 * e / M3) ** (1 / 3)),
)
add(
    "best_step",
    "error doubled",
    "twice|2|scale",
    lambda e, M3: ((3 * e / M3) ** (1 / 3), 3 * e / (3 * e / M3) ** (1 / 3)),
)
add(
    "kinked",
    "forward and backward slopes with a fixed limit of 1",
    "slopes|0\\.2|kink|jump|smooth|small",
    lambda f, x, e: abs((f(x + 1e-4) - f(x)) - (f(x) - f(x - 1e-4))) / 1e-4 > 1,
)


add(
    "triad",
    "last input left out",
    "image|stride|padding|i |border|last|beyond|written|right",
    triad(inside=lambda i, size: 0 <= i < size - 1),
)


add(
    "same_padding",
    "all zeros after",
    "halv|before|least",
    lambda size, kernel, stride: (0, max(0, (-(-size // stride) - 1) * stride + kernel - size)),
)
add(
    "output_padding",
    "stride minus the remainder",
    "remainder|left over|last window|padding",
    lambda size, kernel, stride, padding, dilation: (
        (stride - (size + 2 * padding - dilation * (kernel - 1) - 1) % stride) % stride
    ),
)
add(
    "transposed_by_convolution",
    "padding kernel // 2",
    "kernel - 1|size|around",
    lambda g, w, stride: conv(
        spread_out(g, stride), np.ascontiguousarray(w.swapaxes(0, 1)[:, :, ::-1, ::-1]), padding=w.shape[-1] // 2
    ),
)
add(
    "overlaps",
    "shifted by one",
    "reach|position|order|sum is right",
    lambda kernel, stride: [len(range(q, kernel, stride)) for q in range(1, stride)] + [len(range(0, kernel, stride))],
)
add(
    "weight_grad_by_convolution",
    "transposed in space",
    "exchang|row",
    lambda x, g, kernel, stride: swapped(
        conv(swapped(x), swapped(g), dilation=stride).numpy()[:, :, :kernel, :kernel]
    ).swapaxes(2, 3),
)
add(
    "least_time",
    "average of both",
    "over|both|max",
    lambda flop, nbytes, peak, bandwidth: (flop / peak + nbytes / bandwidth) / 2,
)
add(
    "conv_work",
    "a bias is counted",
    "bias|sum|addition|multipl",
    lambda N, C, O, H, W, kernel, stride, padding: (
        2
        * N
        * O
        * C
        * kernel**2
        * ((H + 2 * padding - kernel) // stride + 1)
        * ((W + 2 * padding - kernel) // stride + 1)
        + N * O * ((H + 2 * padding - kernel) // stride + 1) * ((W + 2 * padding - kernel) // stride + 1),
        0,
    ),
)
add(
    "conv_work",
    "the kernel's taps of one axis",
    "kernel|taps|square",
    lambda N, C, O, H, W, kernel, stride, padding: (
        2
        * N
        * O
        * C
        * kernel
        * ((H + 2 * padding - kernel) // stride + 1)
        * ((W + 2 * padding - kernel) // stride + 1),
        0,
    ),
)

# lessons 6 to 9
add = SECOND.add
add("he_std", "n squared", "root|n\\b|fan_in|under", lambda n, a: np.sqrt(2 / (1 + a**2)) / n)
add("he_std", "2 / (1 + a) squared", "square|slope", lambda n, a: np.sqrt(2 / ((1 + a) ** 2 * n)))
add(
    "normalize",
    "weight and bias exchanged",
    "exchang",
    lambda x, w, b, eps: (x - x.mean(0)) / np.sqrt(x.var(0) + eps) * b + w,
)
add(
    "normalize",
    "multiplied by the deviation",
    "divide|deviation",
    lambda x, w, b, eps: (x - x.mean(0)) * np.sqrt(x.var(0) + eps) * w + b,
)
add("normalize", "the median", "mean", lambda x, w, b, eps: (x - np.median(x, 0)) / np.sqrt(x.var(0) + eps) * w + b)


def r_of(x, eps):
    return 1 / np.sqrt(x.var(0) + eps)


add(
    "normalize_vjp",
    "hat without eps",
    "eps",
    lambda g, x, w, eps: (
        w * r_of(x, eps) * (g - g.mean(0) - (x - x.mean(0)) * r_of(x, 0) * (g * (x - x.mean(0)) * r_of(x, 0)).mean(0)),
        (g * (x - x.mean(0)) * r_of(x, eps)).sum(0),
        g.sum(0),
    ),
)
add(
    "normalize_vjp",
    "g times weight twice",
    "weight",
    lambda g, x, w, eps: (
        w**2
        * r_of(x, eps)
        * (g - g.mean(0) - (x - x.mean(0)) * r_of(x, eps) * (g * (x - x.mean(0)) * r_of(x, eps)).mean(0)),
        (g * (x - x.mean(0)) * r_of(x, eps)).sum(0),
        g.sum(0),
    ),
)
add(
    "running",
    "variance squared",
    "square|root|how var enters",
    lambda mean, var, N, rho: (rho * mean, (1 - rho) + rho * (var * N / (N - 1)) ** 2),
)
add("stable_rate", "factor squared", "square|root|one step", lambda c: (2 / c.max(), (1 - c.min() / c.max()) ** 2))
add(
    "momentum_step",
    "decay times lr in the gradient",
    "decay|lr",
    lambda th, g, v, lr, m, wd: (th - lr * (m * v + g + lr * wd * th), m * v + g + lr * wd * th),
)
add(
    "momentum_step",
    "only the weights decay, not the gradient",
    "decay",
    lambda th, g, v, lr, m, wd: ((1 - lr * wd) * th - lr * (m * v + g), m * v + g),
)
add(
    "adam_step",
    "s without the mean",
    "1 - beta2|factor",
    lambda th, g, m, s, t, lr, b1, b2, eps: (th, b1 * m + (1 - b1) * g, b2 * s + g**2),
)
add(
    "adam_step",
    "m decays by beta1 ** t",
    "beta1|share|power|mean",
    lambda th, g, m, s, t, lr, b1, b2, eps: (th, b1**t * m + (1 - b1**t) * g, b2 * s + (1 - b2) * g**2),
)
add(
    "which_adam",
    "uncorrected and inside exchanged",
    "P.*step|R.*0.7",
    {"P": "inside", "Q": "adam", "R": "uncorrected", "S": "adamw"},
)
add(
    "rate_factor",
    "Adam by the root",
    "divides|Adam|drops",
    {"SGD": 1e-3, "momentum": 1e-3, "RMSprop": 1, "Adam": 1e-3**0.5},
)
add(
    "growth",
    "(1 + lr) / 2",
    "multiply out",
    lambda lr, steps: ((1 + (1 + lr) ** 2) / 2) ** (steps / 2),
)
add("d_loss", "the generator's loss", "real|generated|sign|images", lambda real, fake: softplus(-fake).mean())
add(
    "d_loss",
    "max(0, 1 - l): hinge",
    "softplus|log|logaddexp|hinge",
    lambda real, fake: np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean(),
)
add(
    "d_loss",
    "squares",
    "log|square|logaddexp|cross",
    lambda real, fake: ((sigmoid(real) - 1) ** 2).mean() + (sigmoid(fake) ** 2).mean(),
)
add(
    "best_d",
    "label s below 0: (1 - s) only on q",
    "smooth|1 - s|real",
    lambda p, q, r, s: r * p / (r * p + (1 - s) * (1 - r) * q),
)
add("best_accuracy", "product", "max|larger|whichever", lambda p, q, dx: (p * q).sum() * dx)
add("g_gradient", "sum in place of mean: divided by 2", "scale|mean|1/M|M", lambda l: -sigmoid(-l) / 2)
add(
    "g_gradient",
    "sigma (1 - sigma) with plus",
    "sign|D too many|derivative|sigma",
    lambda l: sigmoid(l) * sigmoid(-l) / l.size,
)


@SECOND.program("training_step", "G |generator|loss|L_D|minus|D's")
def g_descends_v(generator, discriminator, optimizer_g, optimizer_d, x, z):
    fake = generator(z)
    loss_d = losses.minimax_d(discriminator(x), discriminator(fake.detach()))
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()
    loss_g = losses.minimax_d(discriminator(x), discriminator(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_d, loss_g


@SECOND.program("training_step", "twice|second time|G |once|generator")
def g_moves_twice(generator, discriminator, optimizer_g, optimizer_d, x, z):
    fake = generator(z)
    loss_d = losses.minimax_d(discriminator(x), discriminator(fake.detach()))
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()
    loss_g = losses.non_saturating_g(discriminator(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    optimizer_g.step()
    return loss_d, loss_g


add(
    "count_parameters",
    "outputs of a dense layer times two",
    "linear|bias",
    lambda layers: sum(
        a[1] * a[2] + 2 * a[2] if a[0] == "linear" else 2 * a[1] if a[0] == "norm" else a[1] * a[2] * a[3] ** 2 + a[2]
        for a in layers
    ),
)
add("receptive_field", "only the last layer", "layer|all|whole|before|distance", lambda layers: layers[-1][0])
add(
    "steps_to_turn",
    "one too many",
    "below|one|already|soon",
    lambda b: 1 + next(n for n in range(1, 999) if 2 * b**n < 1),
)
add(
    "nearest",
    "distance from the mean",
    "sample|near|small|train",
    lambda s, t: np.full(len(s), ((t - s.mean(0)) ** 2).sum(1).argmin()),
)
add(
    "slerp",
    "t squared",
    "speed|angle|how t enters",
    lambda a, b, t: (lambda c: (np.sin((1 - t * t) * c) * a + np.sin(t * t * c) * b) / np.sin(c))(
        np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    ),
)

# lessons 10 to 13
add = THIRD.add
add(
    "count",
    "diameter of 3 sigma",
    "radius|3 sigma|1.5",
    lambda p, c, s: (
        len(set(distances(p, c).argmin(1)[distances(p, c).min(1) < 1.5 * s])),
        (distances(p, c).min(1) < 1.5 * s).mean(),
    ),
)
add(
    "count",
    "city-block distance",
    "Euclid|circle|square|distance",
    lambda p, c, s: (lambda d: (len(set(d.argmin(1)[d.min(1) <= 3 * s])), (d.min(1) <= 3 * s).mean()))(
        abs(p[:, None] - c[None]).sum(-1)
    ),
)
add(
    "pack",
    "wide images",
    "channel|shape",
    lambda x, m: (
        x.reshape(len(x) // m, m, *x.shape[1:])
        .transpose(0, 2, 3, 1, 4)
        .reshape(len(x) // m, x.shape[1], x.shape[2], -1)
    ),
)
add(
    "pack",
    "last image first",
    "order|first|follow|reverse",
    lambda x, m: x.reshape(len(x) // m, m, *x.shape[1:])[:, ::-1].reshape(len(x) // m, -1, *x.shape[2:]),
)
add(
    "minibatch_gradient",
    "g of the other only, doubled",
    "own|o_i|g_i|both|how g enters",
    lambda m, g: (
        -2 * (g[None, :, None] * np.exp(-abs(m[:, None] - m).sum(-1))[..., None] * np.sign(m[:, None] - m)).sum(1)
    ),
)
add(
    "minibatch_gradient",
    "with exp(-d / 2)",
    "exp|near|distance",
    lambda m, g: (
        -(
            (g[:, None] + g)[..., None] * np.exp(-abs(m[:, None] - m).sum(-1) / 2)[..., None] * np.sign(m[:, None] - m)
        ).sum(1)
    ),
)


def svd(w):
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    return np.outer(u[:, 0], vt[0]), s[0]


add(
    "spectral_gradient",
    "projected out of g",
    "s|divide|w",
    lambda w, g: (g - (g * svd(w)[0]).sum() * svd(w)[0]) / svd(w)[1],
)
add(
    "spectral_gradient",
    "halved second term",
    "half|factor|quotient|second term",
    lambda w, g: g / svd(w)[1] - 0.5 * (g * w).sum() / svd(w)[1] ** 2 * svd(w)[0],
)
add(
    "best_conditional_d",
    "shares as exponents",
    "share|product|times|multipl|factor",
    lambda p, q, r, a: p ** r[:, None] / (p ** r[:, None] + q ** a[:, None]),
)
add(
    "best_conditional_d",
    "1 - D",
    "generated",
    lambda p, q, r, a: 1 - r[:, None] * p / (r[:, None] * p + a[:, None] * q),
)
add(
    "label_maps",
    "the class after",
    "own class|label|map|class",
    lambda x, l, k: np.concatenate([x, maps_of(x, one_hot((l + 1) % k, k))], axis=1),
)
add(
    "label_maps",
    "normalized maps",
    "1\\b|constant|is 1",
    lambda x, l, k: np.concatenate([x, maps_of(x, one_hot(l, k)) / (x.shape[2] * x.shape[3])], axis=1),
)
add("label_bias", "largest tap", "sum|tap|every", lambda w, k: w[:, -k:].max((2, 3)))
add(
    "confusion",
    "shares of columns",
    "share|count",
    lambda a, r, k: (lambda m: m / np.maximum(m.sum(0), 1))(
        np.array([[((a == i) & (r == j)).sum() for j in range(k)] for i in range(k)], float)
    ),
)
add("agreement", "wrong share", "others|diagonal|1 -", lambda m: (1 - np.trace(m) / m.sum(), 0))
add(
    "agreement",
    "error of a count",
    "share|divide|n\\b|root",
    lambda m: (np.trace(m) / m.sum(), np.sqrt(np.trace(m) * (1 - np.trace(m) / m.sum()))),
)
add(
    "sample_vjp",
    "exp(-l / 2)",
    "sign|exp|how log_var enters",
    lambda g, mu, l, eps: (g, 0.5 * g * np.exp(-l / 2) * eps),
)
add(
    "kl",
    "logs not halved",
    "half|1/2|log",
    lambda mu, l, m, r: 0.5 * (np.exp(l - r) + (mu - m) ** 2 / np.exp(r) - 1).sum(1) + (r - l).sum(1),
)
add(
    "posterior",
    "prior precision v",
    "prior|1\\b|v\\b",
    lambda x, W, b, v: ((x - b) @ W / ((W**2).sum(0) + v**2), np.log(v / ((W**2).sum(0) + v))),
)
add(
    "vae_loss",
    "log_var not in the KL",
    "log|KL|sign|last",
    lambda lo, x, mu, l: (np.logaddexp(0, lo) - x * lo).sum() / len(x) + 0.5 * (mu**2 + np.exp(l) - 1).sum() / len(x),
)
add(
    "vae_loss",
    "x in -1 and 1",
    "x\\b|0 and 1|pixel|sign|white",
    lambda lo, x, mu, l: (
        (np.logaddexp(0, lo) - (2 * x - 1) * lo).sum() / len(x) + 0.5 * (mu**2 + np.exp(l) - 1 - l).sum() / len(x)
    ),
)
add(
    "iwae_bound",
    "log K with base 2",
    "natural|log K|base|same everywhere",
    lambda w: (lambda m: m + np.log(np.exp(w - m).sum(0)) - np.log2(len(w)))(w.max(0)),
)
add(
    "fid",
    "trace of the sum only",
    "last|root|mean",
    lambda r, f: np.trace(np.cov(r, rowvar=False) + np.cov(f, rowvar=False)),
)
add(
    "fid",
    "covariances of rows",
    "rowvar|shape|column|feature|axis",
    lambda r, f: ((r.mean(0) - f.mean(0)) ** 2).sum() + np.trace(np.cov(r)) + np.trace(np.cov(f)),
)
add(
    "kid",
    "divided by N (N + 1)",
    "N - 1|pairs|n \\(n - 1\\)",
    lambda r, f: (
        lambda k: (
            sum((k(a, a).sum() - np.trace(k(a, a))) / (len(a) * (len(a) + 1)) for a in (r, f)) - 2 * k(r, f).mean()
        )
    )(lambda a, b: (a @ b.T / r.shape[1] + 1) ** 3),
)
add("inception_score", "the largest probability", "entropy|log|exp", lambda p: np.exp(p.max(1).mean()))
add(
    "inception_score",
    "mean of exp",
    "exp|mean|once|first",
    lambda p: np.exp(entropy(p.mean(0), 0)) / np.exp(entropy(p, 1)).mean(),
)
add(
    "expected_coverage",
    "k times the first",
    "product|next|factor|all k|first",
    lambda n, m, k: min(1.0, k * m / (n + m - 1)),
)
add("verdict", "best for equal ones", "no difference|within", lambda v, f, s: "best" if v <= f else "worse")

# lessons 14 to 17
add = FOURTH.add
add(
    "repaired_d",
    "hinge",
    "log|softplus|logaddexp|hinge",
    lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
)
add("repaired_d", "generator's loss", "real|generated", lambda r, f: softplus(-f).mean())
add(
    "repaired_d",
    "clipped logits",
    "800|clip|large|cut",
    lambda r, f: softplus(-np.clip(r, -30, 30)).mean() + softplus(np.clip(f, -30, 30)).mean(),
)
add(
    "repaired_encoder",
    "eps added once more",
    "eps|noise|sigma",
    lambda h, e: (lambda mu, l: (mu + np.exp(l / 2) * e + e, 0.5 * (mu**2 + np.exp(l) - 1 - l).sum(1)))(
        *np.split(h, 2, 1)
    ),
)
add(
    "repaired_encoder",
    "KL of the means only",
    "log|variance|exp|-1",
    lambda h, e: (lambda mu, l: (mu + np.exp(l / 2) * e, 0.5 * (mu**2).sum(1)))(*np.split(h, 2, 1)),
)
add("true_sentences", "c missing", r"\bc\b", {"e", "g"})
add("true_sentences", "e missing", r"\be\b", {"c", "g"})
add(
    "diagnosis", "1 and 4 exchanged", r"\b[14]\b.*(KL|sum|ELBO|sigma)", {1: "f", 2: "a", 3: "c", 4: "e", 5: "d", 6: "b"}
)
add(
    "diagnosis", "3 and 5 exchanged", r"\b[35]\b.*(KL|reconstruction)", {1: "e", 2: "a", 3: "d", 4: "f", 5: "c", 6: "b"}
)


@FOURTH.program("warp_adjoint", "weight|square|once|twice")
def weights_squared(g, index, weight, size):
    out = np.zeros(size)
    np.add.at(out, index[index >= 0], (weight**2 * g)[index >= 0])
    return out


@FOURTH.program("warp_adjoint", "sign|minus")
def with_a_minus(g, index, weight, size):
    out = np.zeros(size)
    np.add.at(out, index[index >= 0], -(weight * g)[index >= 0])
    return out


add("through_t", "real through which G learns", r"\br\b|data|real", {"detached": "d", "gradient to G": "r"})
add(
    "spread",
    "range in place of deviation",
    "deviation|variance|root|spread|light",
    lambda x: np.ptp((x.sum(2) * np.arange(x.shape[1])).sum(1) / x.sum((1, 2))),
)
add(
    "paired",
    "mean of b",
    "differ|b - a|pair",
    lambda a, b: (np.mean(b), np.std(np.subtract(b, a), ddof=1) / len(a) ** 0.5),
)
add("paired", "error of b", "differ|pair", lambda a, b: (np.mean(np.subtract(b, a)), np.std(b, ddof=1) / len(a) ** 0.5))
add(
    "bptt",
    "g added at each step",
    "last|only|loss|g",
    lambda states, U, g: sum(np.outer(g * (1 - states[t] ** 2), states[t - 1]) for t in range(1, len(states))),
)
add(
    "bptt",
    "1 + h^2",
    "1 - h|sign|slope|minus",
    lambda states, U, g: (
        sum(np.outer(g * (1 + states[t] ** 2), states[t - 1]) for t in range(len(states) - 1, len(states)))
        if len(states) == 2
        else U
    ),
)
add(
    "gru_gradient",
    "1 - m",
    "1 - m\\^2|square|how m enters",
    lambda g, r, z, m, b, h: (
        g * (1 - z) * (1 - m) * b * r * (1 - r),
        g * (h - m) * z * (1 - z),
        g * (1 - z) * (1 - m) * r,
        g * z,
    ),
)
add(
    "gru_gradient",
    "h + m",
    "h - m|sign|how m enters",
    lambda g, r, z, m, b, h: (
        g * (1 - z) * (1 - m**2) * b * r * (1 - r),
        g * (h + m) * z * (1 - z),
        g * (1 - z) * (1 - m**2) * r,
        g * z,
    ),
)
add("carried_state", "d in place of b", r"\b[bd]\b", "ade")
add(
    "unbiased_mmd",
    "xy once, diagonals in",
    "diagonal|itself|i = j|twice|bias",
    lambda xx, xy, yy: xx.mean() + yy.mean() - xy.mean(),
)
add(
    "unbiased_mmd",
    "sums",
    "mean|divide|pairs",
    lambda xx, xy, yy: xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy) - 2 * xy.sum(),
)
add("which_is_better", "b missing", r"\bb\b", "cd")
add(
    "magnitudes",
    "2 deviations",
    "three|3|how frames enters",
    lambda f, m, d: np.maximum(np.exp(f * 2 * d + m) - 0.01, 0),
)
add("magnitudes", "0.1 for 0.01", "0\\.01", lambda f, m, d: np.maximum(np.exp(f * 3 * d + m) - 0.1, 0))
