"""Wrong answers that the checks were not extended for: how often does a new mistake get its hint?"""

import numpy as np

import minigen as mg

from . import Table
from .lessons_01_05 import central, conv, spread_out
from .lessons_06_09 import sigmoid, softplus
from .lessons_10_13 import distances, entropy, maps_of, one_hot
from .lessons_14_17 import safe

FIRST, SECOND, THIRD, FOURTH = Table(), Table(), Table(), Table()
LESSONS = {"1 to 5": FIRST, "6 to 9": SECOND, "10 to 13": THIRD, "14 to 17": FOURTH}

add = FIRST.add
add("div_vjp", "w and x exchanged in gw", r"\bw\b|\bx\b", lambda g, x, w: (g / w, -g * w / x**2))
add("div_vjp", "gx has x", r"\bx\b", lambda g, x, w: (g * x / w, -g * x / w**2))
add("center_vjp", "mean of x in place of the mean of g", r"\bg\b|\bx\b", lambda g, x: g - x.mean(axis=0))
add("softsign_vjp", "g added", r"\bg\b|product|multipl", lambda g, out, x: g + 1 / (1 + abs(x)) ** 2)
add("hvp", "sign", "sign", lambda f, x, v: -mg.grad((mg.grad(f(x), [x], create_graph=True)[0] * v).sum(), [x])[0])
add("five_point", "8 for 4", "four|4|weight|error", lambda f, x, h: (8 * central(f, x, h) - central(f, x, 2 * h)) / 7)
add("best_step", "third root of e alone", r"M3", lambda e, M3: ((3 * e) ** (1 / 3), 1.5 * e / (3 * e) ** (1 / 3)))
add(
    "kinked",
    "the first step twice",
    "smooth|curv|step",
    lambda f, x, e: (
        abs(f(x + 1e-3) - 2 * f(x) + f(x - 1e-3)) / 1e-3 > 0.5 * abs(f(x + 1e-3) - 2 * f(x) + f(x - 1e-3)) / 1e-3
    ),
)
add(
    "same_padding",
    "kernel // 2 on both sides",
    "least|outputs|half",
    lambda size, kernel, stride: (kernel // 2, kernel // 2),
)
add(
    "transposed_by_convolution",
    "kernel flipped, then stride 2 again",
    "stride|size|shape",
    lambda g, w, stride: conv(
        spread_out(g, stride),
        np.ascontiguousarray(w.swapaxes(0, 1)[:, :, ::-1, ::-1]),
        padding=w.shape[-1] - 1,
        stride=stride,
    ),
)
add("overlaps", "kernel % stride", "sum|count|position", lambda kernel, stride: [kernel % stride] * stride)
add(
    "least_time",
    "peak and bandwidth added",
    "over|both|sum|rate|longer|larger",
    lambda flop, nbytes, peak, bandwidth: (flop + nbytes) / (peak + bandwidth),
)

add = SECOND.add
add("he_std", "fan_in times slope", "slope|fan_in", lambda n, a: np.sqrt(2 / (n + a**2)))
add("normalize", "divided by N", "root|variance|deviation|mean", lambda x, w, b, eps: (x - x.mean(0)) / len(x) * w + b)
add(
    "normalize",
    "range in place of deviation",
    "variance|deviation",
    lambda x, w, b, eps: (x - x.mean(0)) / np.ptp(x, 0) * w + b,
)
add(
    "normalize_vjp",
    "gw with the weight's sign",
    "weight|sign",
    lambda g, x, w, eps: (0 * x, -(g * (x - x.mean(0)) / np.sqrt(x.var(0) + eps)).sum(0), g.sum(0)),
)
add("running", "half and half", "rho", lambda mean, var, N, rho: (0.5 * mean, 0.5 + 0.5 * var))
add("stable_rate", "root of the limit", "root|largest|2", lambda c: (np.sqrt(2 / c.max()), 0.5))
add(
    "momentum_step",
    "velocity halved",
    "momentum|velocity",
    lambda th, g, v, lr, m, wd: (th - lr * (m * v / 2 + g + wd * th), m * v / 2 + g + wd * th),
)
add(
    "adam_step",
    "absolute value of m",
    "sign|\\bm\\b",
    lambda th, g, m, s, t, lr, b1, b2, eps: (
        th - lr * abs(b1 * m + (1 - b1) * g) / (1 - b1**t) / (np.sqrt((b2 * s + (1 - b2) * g**2) / (1 - b2**t)) + eps),
        b1 * m + (1 - b1) * g,
        b2 * s + (1 - b2) * g**2,
    ),
)
add("growth", "steps forgotten in the square", "power|square|steps|grow", lambda lr, steps: np.sqrt(1 + steps * lr**2))
add(
    "d_loss",
    "maximum of the two",
    "sum|add|both|two",
    lambda real, fake: max(softplus(-real).mean(), softplus(fake).mean()),
)
add("best_d", "smoothing subtracted", "smooth|1 - s", lambda p, q, r, s: r * p / (r * p + (1 - r) * q) - s)
add("g_gradient", "D - 1 without the mean over M, transposed sign", "mean|1/M", lambda l: sigmoid(l) - 1)
add(
    "count_parameters",
    "everything squared",
    "linear|kernel|bias|square|outputs",
    lambda layers: sum(int(np.prod(a[1:])) ** 2 for a in layers),
)
add(
    "slerp",
    "angle halved",
    "angle|t = 1|line",
    lambda a, b, t: (lambda c: (np.sin((1 - t) * c / 2) * a + np.sin(t * c / 2) * b) / np.sin(c / 2))(
        np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    ),
)

add = THIRD.add
add(
    "count",
    "median distance",
    "mode|3 sigma|different|share",
    lambda p, c, s: (int(np.median(distances(p, c).argmin(1))), 0.5),
)
add("pack", "sum of the m", "channel|shape", lambda x, m: x.reshape(len(x) // m, m, *x.shape[1:]).sum(1))
add(
    "minibatch_gradient",
    "divided by 2",
    "half|scale|2",
    lambda m, g: (
        -((g[:, None] + g)[..., None] * np.exp(-abs(m[:, None] - m).sum(-1))[..., None] * np.sign(m[:, None] - m)).sum(
            1
        )
        / 2
    ),
)
add(
    "spectral_gradient",
    "g divided by all singular values",
    "largest|singular|norm|s\\b",
    lambda w, g: g / np.linalg.svd(w)[1].sum(),
)
add(
    "best_conditional_d",
    "shares of both added",
    "share|class",
    lambda p, q, r, a: (r[:, None] + p) / (r[:, None] + p + a[:, None] + q),
)
add(
    "label_maps",
    "labels from 1",
    "class|label|map",
    lambda x, l, k: np.concatenate([x, maps_of(x, one_hot(np.minimum(l + 1, k - 1), k))], axis=1),
)
add("label_bias", "sum divided by classes", "sum|scale|mean", lambda w, k: w[:, -k:].sum((2, 3)) / k)
add(
    "agreement",
    "a in place of a (1 - a)",
    r"1 - a",
    lambda m: (np.trace(m) / m.sum(), np.trace(m) / m.sum() / np.sqrt(m.sum())),
)
add("sample_vjp", "log_var in place of its exponential", "exp|log_var", lambda g, mu, l, eps: (g, 0.5 * g * l * eps))
add(
    "kl",
    "prior's mean forgotten",
    "prior_mu|prior|mean",
    lambda mu, l, m, r: 0.5 * (np.exp(l - r) + mu**2 / np.exp(r) - 1 - l + r).sum(1),
)
add(
    "posterior",
    "b added",
    r"\bb\b",
    lambda x, W, b, v: ((x + b) @ W / ((W**2).sum(0) + v), np.log(v / ((W**2).sum(0) + v))),
)
add(
    "vae_loss",
    "KL with beta 0.5",
    "KL|half|2|scale|mu and",
    lambda lo, x, mu, l: (
        (np.logaddexp(0, lo) - x * lo).sum() / len(x) + 0.25 * (mu**2 + np.exp(l) - 1 - l).sum() / len(x)
    ),
)
add(
    "fid",
    "absolute means",
    "square|mean",
    lambda r, f: (
        abs(r.mean(0) - f.mean(0)).sum()
        + np.trace(np.cov(r, rowvar=False))
        + np.trace(np.cov(f, rowvar=False))
        - 2 * np.sqrt(np.linalg.eigvals(np.cov(r, rowvar=False) @ np.cov(f, rowvar=False)).real.clip(0)).sum()
    ),
)
add(
    "inception_score",
    "entropy of the first sample",
    "mean|each|sample|entrop",
    lambda p: np.exp(entropy(p.mean(0), 0) - entropy(p, 1)[0]),
)

add = FOURTH.add
add("repaired_d", "maximum of both", "sum|add|both|two", lambda r, f: max(softplus(-r).mean(), softplus(f).mean()))
add(
    "repaired_d",
    "the signs of both logits lost, halved",
    "sign|half|exchang|scale",
    lambda r, f: (softplus(r).mean() + softplus(-f).mean()) / 2,
)
add(
    "repaired_encoder",
    "mean and noise multiplied",
    "eps|noise|add|plus|\\+|mu",
    lambda h, e: (lambda mu, l: (mu * np.exp(l / 2) * e, 0.5 * (mu**2 + np.exp(l) - 1 - l).sum(1)))(*np.split(h, 2, 1)),
)
add(
    "warp_adjoint",
    "weights and g added",
    "weight|\\bg\\b|product|multipl",
    lambda g, index, weight, size: np.bincount(safe(index).ravel(), ((weight + g) * (index >= 0)).ravel(), size),
)
add(
    "spread",
    "root of the mean deviation",
    "root|variance|deviation",
    lambda x: np.sqrt(((x.sum(2) * np.arange(x.shape[1])).sum(1) / x.sum((1, 2))).std()),
)
add(
    "paired",
    "t value",
    "mean|divide|first|unit|order",
    lambda a, b: ((b - a).mean() / ((b - a).std(ddof=1) / len(a) ** 0.5), (b - a).std(ddof=1) / len(a) ** 0.5),
)
add(
    "bptt",
    "states from the wrong end",
    "order|first|last|reverse|before|state",
    lambda states, U, g: sum(np.outer(g * (1 - states[t] ** 2), states[-1 - t]) for t in range(1, len(states))),
)
add(
    "gru_gradient",
    "r for r (1 - r)",
    "slope|sigmoid|\\br\\b",
    lambda g, r, z, m, b, h: (
        g * (1 - z) * (1 - m**2) * b * r,
        g * (h - m) * z * (1 - z),
        g * (1 - z) * (1 - m**2) * r,
        g * z,
    ),
)
add(
    "gru_gradient",
    "z squared",
    r"\bz\b",
    lambda g, r, z, m, b, h: (
        g * (1 - z) * (1 - m**2) * b * r * (1 - r),
        g * (h - m) * z * z,
        g * (1 - z) * (1 - m**2) * r,
        g * z,
    ),
)
add(
    "unbiased_mmd",
    "mixed term added",
    "sign|minus|subtract",
    lambda xx, xy, yy: (
        (xx.sum() - np.trace(xx)) / (len(xx) * (len(xx) - 1))
        + (yy.sum() - np.trace(yy)) / (len(yy) * (len(yy) - 1))
        + 2 * xy.mean()
    ),
)
add("magnitudes", "mean multiplied", "mean|add", lambda f, m, d: np.maximum(np.exp(f * 3 * d * m) - 0.01, 0))
add("magnitudes", "deviation added", "multipl|deviation", lambda f, m, d: np.maximum(np.exp(f * 3 + d + m) - 0.01, 0))
