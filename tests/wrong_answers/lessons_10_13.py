"""Wrong answers to lessons 10 to 13."""

import numpy as np

import minigen as mg
from minigen import losses

from . import Table

TABLE = Table()
add, program = TABLE.add, TABLE.program

# 10.1


def distances(points, centres):
    return np.sqrt(((points[:, None] - centres[None]) ** 2).sum(-1))


add(
    "count",
    "every nearest centre counts as found",
    "3 ?sigma|quality|within|near",
    lambda p, c, s: (len(set(distances(p, c).argmin(1))), (distances(p, c).min(1) < 3 * s).mean()),
)
add(
    "count",
    "1 sigma",
    "3",
    lambda p, c, s: (
        len(set(distances(p, c).argmin(1)[distances(p, c).min(1) < s])),
        (distances(p, c).min(1) < s).mean(),
    ),
)
add(
    "count",
    "squared distance against 3 sigma",
    "square|root|distance",
    lambda p, c, s: (
        len(set(distances(p, c).argmin(1)[distances(p, c).min(1) ** 2 < 3 * s])),
        (distances(p, c).min(1) ** 2 < 3 * s).mean(),
    ),
)
add(
    "count",
    "number, not share",
    "share|divide|mean",
    lambda p, c, s: (
        len(set(distances(p, c).argmin(1)[distances(p, c).min(1) < 3 * s])),
        (distances(p, c).min(1) < 3 * s).sum(),
    ),
)
add(
    "count",
    "share of the modes",
    "share|points|modes",
    lambda p, c, s: (lambda n: (n, n / len(c)))(len(set(distances(p, c).argmin(1)[distances(p, c).min(1) < 3 * s]))),
)
add(
    "count",
    "exchanged",
    "order|exchang|swap|modes",
    lambda p, c, s: (
        (distances(p, c).min(1) < 3 * s).mean(),
        len(set(distances(p, c).argmin(1)[distances(p, c).min(1) < 3 * s])),
    ),
)
add(
    "count",
    "each axis for itself",
    "axis|distance|square|circle|corner",
    lambda p, c, s: (lambda d: (int(d.any(0).sum()), d.any(1).mean()))((abs(p[:, None] - c[None]) < 3 * s).all(-1)),
)
add("count", "best centre only", "mode|nearest|centre", lambda p, c, s: (1, (distances(p, c)[:, 0] < 3 * s).mean()))

# 10.2
add(
    "pack",
    "images of different halves",
    "follow|next|neighbo|order",
    lambda x, m: (
        x.reshape(m, len(x) // m, *x.shape[1:])
        .transpose(1, 0, 2, 3, 4)
        .reshape(len(x) // m, m * x.shape[1], *x.shape[2:])
    ),
)
add(
    "pack",
    "channels interleaved",
    "channel|order|first",
    lambda x, m: (
        x.reshape(len(x) // m, m, *x.shape[1:])
        .transpose(0, 2, 1, 3, 4)
        .reshape(len(x) // m, m * x.shape[1], *x.shape[2:])
    ),
)
add(
    "pack",
    "stacked in height",
    "channel|height|shape",
    lambda x, m: (
        x.reshape(len(x) // m, m, *x.shape[1:])
        .transpose(0, 2, 1, 3, 4)
        .reshape(len(x) // m, x.shape[1], m * x.shape[2], x.shape[3])
    ),
)
add("pack", "mean of the m", "mean|channel|shape", lambda x, m: x.reshape(len(x) // m, m, *x.shape[1:]).mean(1))
add("pack", "repeated", "repeat|same|shape|tile", lambda x, m: np.concatenate([x] * m, axis=1))
add(
    "pack",
    "first of each pack repeated",
    "same|all|each|repeat|copies",
    lambda x, m: np.concatenate([x[::m]] * m, axis=1),
)
add("pack", "a separate dimension", "shape|channel|dimension", lambda x, m: x.reshape(len(x) // m, m, *x.shape[1:]))

# 10.3


def minibatch(bug):
    def minibatch_gradient(m, g):
        difference = m[:, None] - m[None]
        near = np.exp(-abs(difference).sum(-1))
        if bug == "own only":
            return -(g[:, None, None] * near[..., None] * np.sign(difference)).sum(1)
        if bug == "others only":
            return -(g[None, :, None] * near[..., None] * np.sign(difference)).sum(1)
        both = (g[:, None] + g[None])[..., None] * near[..., None]
        if bug == "sign":
            return (both * np.sign(difference)).sum(1)
        if bug == "l2":
            return -(both * difference).sum(1)
        if bug == "no near":
            return -((g[:, None] + g[None])[..., None] * np.sign(difference)).sum(1)
        if bug == "g not":
            return -(2 * near[..., None] * np.sign(difference)).sum(1)
        if bug == "mean":
            return -(both * np.sign(difference)).mean(1)
        return -(both * abs(difference)).sum(1)

    return minibatch_gradient


for bug, hint in {
    "own only": "other|own|both|o_j",
    "others only": "own|both|o_i|itself",
    "sign": "sign|minus",
    "l2": "sign|L1|absolute|difference",
    "no near": "exp|near|distance|factor",
    "g not": r"\bg\b|cotangent",
    "mean": "sum|mean|divide",
    "abs for sign": "sign|derivative|absolute",
}.items():
    add("minibatch_gradient", bug, hint, minibatch(bug))

# 10.4


def spectral(bug):
    def spectral_gradient(w, g):
        U, S, Vt = np.linalg.svd(w, full_matrices=False)
        u, s, v = U[:, 0], S[0], Vt[0]
        outer = np.outer(u, v)
        return {
            "constant s": g / s,
            "sign": g / s + (g * w).sum() / s**2 * outer,
            "s once": g / s - (g * w).sum() / s * outer,
            "elementwise": g / s - g * w / s**2 * outer,
            "w for the outer product": g / s - (g * w).sum() / s**2 * w / s,
            "undivided g": g - (g * w).sum() / s**2 * outer,
            "last singular value": g / S[-1] - (g * w).sum() / S[-1] ** 2 * np.outer(U[:, -1], Vt[-1]),
            "sum of g": g / s - g.sum() / s**2 * outer,
            "Frobenius": g / np.linalg.norm(w) - (g * w).sum() / np.linalg.norm(w) ** 3 * w,
        }[bug]

    return spectral_gradient


for bug, hint in {
    "constant s": "s depends|constant|depends on|through s",
    "sign": "sign|minus|quotient",
    "s once": "s\\^2|square|s\\*\\*2|quotient",
    "elementwise": "sum|inner product|number",
    "w for the outer product": "u|v|outer|singular vector",
    "undivided g": r"divide|g / s|1/s|\bs\b",
    "last singular value": "largest|first|smallest|order",
    "sum of g": r"\bw\b|W|inner product|numerator",
    "Frobenius": "largest|singular|norm",
}.items():
    add("spectral_gradient", bug, hint, spectral(bug))

# 10.5


def unrolled_of(bug):
    def unrolled(network, real, fake, lr):
        weights = dict(network.named_parameters())
        if bug == "logits exchanged":
            loss = losses.non_saturating_d(network(fake), network(real))
        elif bug == "G's loss":
            loss = losses.non_saturating_g(network(fake))
        elif bug == "fake detached":
            loss = losses.non_saturating_d(network(real), network(fake.detach()))
        else:
            loss = losses.non_saturating_d(network(real), network(fake))
        gradients = mg.grad(loss, list(weights.values()), create_graph=bug != "no create_graph")
        if bug == "in place":
            for weight, gradient in zip(weights.values(), gradients):
                weight.data[...] -= lr * gradient.data
            return weights
        if bug == "plus":
            return {name: weight + lr * gradient for (name, weight), gradient in zip(weights.items(), gradients)}
        if bug == "lr forgotten":
            return {name: weight - gradient for (name, weight), gradient in zip(weights.items(), gradients)}
        if bug == "gradients detached":
            return {
                name: weight - lr * gradient.detach() for (name, weight), gradient in zip(weights.items(), gradients)
            }
        if bug == "list":
            return [weight - lr * gradient for weight, gradient in zip(weights.values(), gradients)]
        if bug == "gradients":
            return dict(zip(weights, gradients))
        if bug == "old weights":
            return weights
        if bug == "one weight only":
            name = next(iter(weights))
            return {**weights, name: weights[name] - lr * gradients[0]}
        return {name: weight - lr * gradient for (name, weight), gradient in zip(weights.items(), gradients)}

    return unrolled


for bug, hint in {
    "no create_graph": "create_graph|graph",
    "gradients detached": "detach|graph",
    "fake detached": "detach|graph|fake",
    "logits exchanged": "real|fake|order|exchang",
    "G's loss": "non_saturating_d|D's|loss",
    "plus": "sign|minus|descen",
    "lr forgotten": "lr|learning rate|rate",
    "list": "name|dict",
    "gradients": "weight|minus lr|descen",
    "old weights": "step|new|unchanged|old|same",
    "one weight only": "every|all|weight",
    "in place": "in place|chang|new|own|network",
}.items():
    add("unrolled", bug, hint, unrolled_of(bug))

# 10.6 (truth unknown to the author: each letter everywhere, so at most one is right)
for letter in "abcde":
    add("read_the_pictures", f"all {letter}", "picture|once|each", dict.fromkeys(range(1, 6), letter))
add("read_the_pictures", "the numbers as strings", "numbers 1, 2", {str(k): "A" for k in range(1, 6)})

# 11.1
add("best_conditional_d", "shares ignored", "share|class", lambda p, q, r, a: p / (p + q))
add(
    "best_conditional_d",
    "shares exchanged",
    "share|exchang|real_classes|asked",
    lambda p, q, r, a: a[:, None] * p / (a[:, None] * p + r[:, None] * q),
)
add(
    "best_conditional_d",
    "only the real share",
    "asked|share|both",
    lambda p, q, r, a: r[:, None] * p / (r[:, None] * p + q),
)
add(
    "best_conditional_d",
    "the same shares for both: they cancel",
    "asked|share|cancel|same",
    lambda p, q, r, a: r[:, None] * p / (r[:, None] * p + r[:, None] * q),
)
add(
    "best_conditional_d",
    "mixed over the classes: D without the class",
    "class|sum|each",
    lambda p, q, r, a: (r @ p / (r @ p + a @ q))[None] + 0 * p,
)
add(
    "best_conditional_d",
    "q above",
    "q|above|exchang|generated",
    lambda p, q, r, a: a[:, None] * q / (r[:, None] * p + a[:, None] * q),
)
add(
    "best_conditional_d",
    "shares along x",
    "shape|axis|row|\\[:, None\\]|class",
    lambda p, q, r, a: (lambda rr, aa: rr * p / (rr * p + aa * q))(np.resize(r, p.shape[1]), np.resize(a, p.shape[1])),
)
add(
    "best_conditional_d",
    "times the share once more",
    "share|twice|label|times",
    lambda p, q, r, a: r[:, None] * (r[:, None] * p / (r[:, None] * p + a[:, None] * q)),
)

# 11.2


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def maps_of(x, hot):
    return np.broadcast_to(hot[:, :, None, None], (*hot.shape, *x.shape[2:]))


add(
    "label_maps",
    "maps first",
    "first|order|after|behind|images",
    lambda x, l, k: np.concatenate([maps_of(x, one_hot(l, k)), x], axis=1),
)
add(
    "label_maps",
    "one map with the number",
    "one-hot|class|each|shape",
    lambda x, l, k: np.concatenate([x, np.broadcast_to(l[:, None, None, None], (len(x), 1, *x.shape[2:]))], axis=1),
)
add(
    "label_maps",
    "-1 in place of 0",
    "0|zero|-1",
    lambda x, l, k: np.concatenate([x, maps_of(x, 2 * one_hot(l, k) - 1)], axis=1),
)
add(
    "label_maps",
    "one pixel",
    "everywhere|whole|pixel|map|all places|full",
    lambda x, l, k: (
        lambda z: (z.__setitem__((slice(None), slice(None), 0, 0), one_hot(l, k)), np.concatenate([x, z], axis=1))[1]
    )(np.zeros((len(x), k, *x.shape[2:]))),
)
add(
    "label_maps",
    "labels of the next image",
    "label|image|order|own",
    lambda x, l, k: np.concatenate([x, maps_of(x, one_hot(np.roll(l, 1), k))], axis=1),
)
add("label_maps", "added to the image", "channel|shape|append|concat", lambda x, l, k: x + l[:, None, None, None])
add(
    "label_maps",
    "ones in all maps",
    "one-hot|only|label|class",
    lambda x, l, k: np.concatenate([x, np.ones((len(x), k, *x.shape[2:]))], axis=1),
)
add(
    "label_maps",
    "map times the image",
    "image|1|ones|constant",
    lambda x, l, k: np.concatenate([x, maps_of(x, one_hot(l, k)) * x[:, :1]], axis=1),
)

# 11.3
add("label_bias", "image channels, not the maps'", "last|map|image|channel", lambda w, k: w[:, :k].sum((2, 3)))
add("label_bias", "mean of the taps", "sum|mean", lambda w, k: w[:, -k:].mean((2, 3)))
add(
    "label_bias",
    "middle tap only",
    "sum|all taps|every|whole",
    lambda w, k: w[:, -k:, w.shape[2] // 2, w.shape[3] // 2],
)
add("label_bias", "(classes, O)", "shape|order|transpos", lambda w, k: w[:, -k:].sum((2, 3)).T)
add("label_bias", "summed over the classes", "each|class|shape", lambda w, k: w[:, -k:].sum((1, 2, 3)))
add("label_bias", "all channels", "map|channel|shape|image", lambda w, k: w.sum((2, 3)))
add("label_bias", "one axis only", "axis|both|sum|taps", lambda w, k: w[:, -k:].sum(2)[..., 0])

# 11.4


@program("confusion", "twice|add.at|repeat|again|occurs")
def plus_equals(asked, read, classes):
    matrix = np.zeros((classes, classes), int)
    matrix[asked, read] += 1
    return matrix


@program("confusion", "row|transpos|asked|exchang")
def rows_are_read(asked, read, classes):
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (read, asked), 1)
    return matrix


@program("confusion", "count|share|divide|row")
def shares_of_rows(asked, read, classes):
    matrix = np.zeros((classes, classes))
    np.add.at(matrix, (asked, read), 1)
    return matrix / np.maximum(matrix.sum(1, keepdims=True), 1)


@program("confusion", "wrong|off|all pairs|diagonal|every")
def right_ones_only(asked, read, classes):
    return np.diag(np.bincount(asked[asked == read], minlength=classes))


@program("confusion", "diagonal|right|every|all")
def wrong_ones_only(asked, read, classes):
    matrix = np.zeros((classes, classes), int)
    np.add.at(matrix, (asked[asked != read], read[asked != read]), 1)
    return matrix


@program("confusion", "shape|classes|size|missing")
def size_from_the_data(asked, read, classes):
    size = max(asked.max(), read.max()) + 1
    matrix = np.zeros((size, size), int)
    np.add.at(matrix, (asked, read), 1)
    return matrix


@program("confusion", "pair|product|count|together|same image|joint")
def outer_product_of_counts(asked, read, classes):
    return np.outer(np.bincount(asked, minlength=classes), np.bincount(read, minlength=classes))


# 11.5


def agreement_of(error, share=lambda m: np.trace(m) / m.sum()):
    def agreement(matrix):
        a, n = share(matrix), matrix.sum()
        return a, error(a, n)

    return agreement


add("agreement", "n not in the root", "root|sqrt|n", agreement_of(lambda a, n: np.sqrt(a * (1 - a)) / n))
add("agreement", "variance", "root|sqrt|variance|deviation", agreement_of(lambda a, n: a * (1 - a) / n))
add(
    "agreement",
    "deviation of one image",
    r"divide|\bn\b|one image|share",
    agreement_of(lambda a, n: np.sqrt(a * (1 - a))),
)
add("agreement", "1/sqrt(n)", r"a \(1 - a\)|a\(1 - a\)|1 - a|probab", agreement_of(lambda a, n: 1 / np.sqrt(n)))
add("agreement", "Poisson", "1 - a|1 - share", agreement_of(lambda a, n: np.sqrt(a / n)))
add(
    "agreement",
    "mean of the diagonal",
    "share|all|divide|sum",
    agreement_of(lambda a, n: np.sqrt(abs(a * (1 - a)) / n), lambda m: np.diag(m).mean()),
)
add(
    "agreement",
    "per class",
    "all|together|image|classes|sum",
    agreement_of(lambda a, n: np.sqrt(a * (1 - a) / n), lambda m: (np.diag(m) / np.maximum(m.sum(1), 1)).mean()),
)
add(
    "agreement",
    "n is the number of classes",
    "number|images|n|counts",
    lambda m: (np.trace(m) / m.sum(), np.sqrt(np.trace(m) / m.sum() * (1 - np.trace(m) / m.sum()) / len(m))),
)
add(
    "agreement",
    "twice: a 95 % interval",
    "standard error|twice|interval|1.96|2",
    agreement_of(lambda a, n: 1.96 * np.sqrt(a * (1 - a) / n)),
)
add("agreement", "n - 1", "n - 1|n\\b|divide", agreement_of(lambda a, n: np.sqrt(a * (1 - a) / (n - 1))))

# 12.1
add("sample_vjp", "half forgotten", "half|1/2|log_var / 2|2", lambda g, mu, l, eps: (g, g * np.exp(l / 2) * eps))
add(
    "sample_vjp",
    "exp(l)",
    "exp\\(log_var / 2\\)|deviation|variance|half",
    lambda g, mu, l, eps: (g, 0.5 * g * np.exp(l) * eps),
)
add("sample_vjp", "eps forgotten", "eps", lambda g, mu, l, eps: (g, 0.5 * g * np.exp(l / 2)))
add("sample_vjp", "g forgotten", r"\bg\b|cotangent", lambda g, mu, l, eps: (np.ones_like(g), 0.5 * np.exp(l / 2) * eps))
add("sample_vjp", "gradient of sigma, not of its log", "sigma|log|chain", lambda g, mu, l, eps: (g, g * eps))
add("sample_vjp", "mu times", "mu|1|identity", lambda g, mu, l, eps: (g * mu, 0.5 * g * np.exp(l / 2) * eps))
add("sample_vjp", "exchanged", "comes first", lambda g, mu, l, eps: (0.5 * g * np.exp(l / 2) * eps, g))
add("sample_vjp", "sign", "sign|minus", lambda g, mu, l, eps: (g, -0.5 * g * np.exp(l / 2) * eps))

# 12.2


def kl_of(bug):
    def kl(mu, log_var, prior_mu, prior_log_var):
        ratio, distance = np.exp(log_var - prior_log_var), (mu - prior_mu) ** 2 / np.exp(prior_log_var)
        terms = prior_log_var - log_var - 1 + ratio + distance
        if bug == "standard":
            terms = -log_var - 1 + np.exp(log_var) + mu**2
        if bug == "-1 lost":
            terms = terms + 1
        if bug == "distance undivided":
            terms = prior_log_var - log_var - 1 + ratio + (mu - prior_mu) ** 2
        if bug == "logs exchanged":
            terms = log_var - prior_log_var - 1 + ratio + distance
        if bug == "reverse":
            terms = log_var - prior_log_var - 1 + 1 / ratio + (mu - prior_mu) ** 2 / np.exp(log_var)
        if bug == "deviation":
            s, r = np.exp(log_var), np.exp(prior_log_var)
            terms = 2 * prior_log_var - 2 * log_var - 1 + (s / r) ** 2 + (mu - prior_mu) ** 2 / r**2
        if bug == "sum of means":
            terms = prior_log_var - log_var - 1 + ratio + (mu + prior_mu) ** 2 / np.exp(prior_log_var)
        if bug == "not squared":
            terms = prior_log_var - log_var - 1 + ratio + abs(mu - prior_mu) / np.exp(prior_log_var)
        half = 1 if bug == "no half" else 0.5
        if bug == "mean":
            return half * terms.mean(1)
        if bug == "all":
            return half * terms.sum()
        if bug == "not summed":
            return half * terms
        if bug == "sign":
            return -half * terms.sum(1)
        return half * terms.sum(1)

    return kl


for bug, hint in {
    "standard": "prior",
    "-1 lost": "-1|1|zero|equal",
    "distance undivided": "divide|prior.*variance|e\\^rho|exp\\(prior",
    "logs exchanged": "sign|log_var|exchang|log",
    "reverse": "revers|exchang|KL\\(p|other way|direction",
    "deviation": "log of the variance|deviation|exp\\(log_var\\)|variance|exp",
    "sum of means": "mu - prior_mu|differen|sign|minus",
    "not squared": "square",
    "no half": "half|1/2|twice|2",
    "mean": "sum|mean",
    "all": "image|each|shape",
    "not summed": "sum|shape",
    "sign": "sign|negative",
}.items():
    add("kl", bug, hint, kl_of(bug))

# 12.3


def posterior_of(bug):
    def posterior(x, W, b, v):
        square = (W**2).sum(0)
        centred = x if bug == "b" else x - b
        precision = square / v + 1
        mu = centred @ W / v / precision
        log_var = -np.log(precision)
        if bug == "no prior":
            mu, log_var = centred @ W / square, np.log(v / square)
        if bug == "v lost":
            mu, log_var = centred @ W / (square + 1), -np.log(square + 1)
        if bug == "projection not shrunk":
            mu = centred @ W / square
        if bug == "log precision":
            log_var = np.log(precision)
        if bug == "variance":
            log_var = 1 / precision
        if bug == "deviation":
            log_var = -0.5 * np.log(precision)
        if bug == "mu without v":
            mu = centred @ W / precision
        if bug == "mu of the decoder":
            mu = centred @ W
        if bug == "norm not squared":
            precision = np.sqrt(square) / v + 1
            mu, log_var = centred @ W / v / precision, -np.log(precision)
        if bug == "v squared":
            precision = square / v**2 + 1
            mu, log_var = centred @ W / v**2 / precision, -np.log(precision)
        return (log_var, mu) if bug == "order" else (mu, log_var)

    return posterior


for bug, hint in {
    "b": r"\bb\b",
    "no prior": "prior|p\\(z\\)|\\+ 1",
    "v lost": r"\bv\b",
    "projection not shrunk": "prior|mean|mu|shrink|\\+ v",
    "log precision": "sign|upside|precision|1 /|invers",
    "variance": "log",
    "deviation": "deviation|variance|half|twice",
    "mu without v": r"\bv\b",
    "mu of the decoder": "divide|mean|mu|length|scale",
    "norm not squared": "square|length|norm",
    "v squared": "v is|variance|square|v\\b",
    "order": "order|exchang|swap|shape",
}.items():
    add("posterior", bug, hint, posterior_of(bug))

# 12.4


def vae_loss_of(bug):
    def vae_loss(logits, x, mu, log_var):
        cross = np.logaddexp(0, logits) - x * logits
        if bug == "naive":
            p = 1 / (1 + np.exp(-logits))
            cross = -(x * np.log(p) + (1 - x) * np.log(1 - p))
        if bug == "1e-8":
            p = np.exp(-np.logaddexp(0, -logits))
            cross = -(x * np.log(p + 1e-8) + (1 - x) * np.log(1 - p + 1e-8))
        if bug == "x only":
            cross = x * np.logaddexp(0, -logits)
        if bug == "squared error":
            cross = (x - np.exp(-np.logaddexp(0, -logits))) ** 2
        if bug == "sign of logits":
            cross = np.logaddexp(0, -logits) + x * logits
        terms = mu**2 + np.exp(log_var) - 1 - log_var
        if bug == "deviation":
            terms = mu**2 + np.exp(2 * log_var) - 1 - 2 * log_var
        if bug == "no half":
            terms = 2 * terms
        if bug == "-1 lost":
            terms = terms + 1
        N = len(x)
        reconstruction, kl = cross.sum() / N, 0.5 * terms.sum() / N
        if bug == "mean of pixels":
            reconstruction = cross.mean()
        if bug == "mean of both":
            reconstruction, kl = cross.mean(), 0.5 * terms.mean()
        if bug == "kl sum over the batch":
            kl = 0.5 * terms.sum()
        if bug == "sums":
            reconstruction, kl = cross.sum(), 0.5 * terms.sum()
        if bug == "kl minus":
            return reconstruction - kl
        if bug == "no kl":
            return reconstruction
        if bug == "no reconstruction":
            return kl
        if bug == "elbo":
            return -reconstruction - kl
        if bug == "each":
            return cross.sum((1, 2, 3)) + 0.5 * terms.sum(1)
        if bug == "kl mean over latent":
            kl = 0.5 * terms.mean()
        return reconstruction + kl

    return vae_loss


for bug, hint in {
    "naive": "overflow|large|logit|inf|nan|softplus",
    "1e-8": "1e-8|large|logit|small number",
    "x only": "1 - x|black|both|softplus|second",
    "squared error": "Bernoulli|cross|squared",
    "sign of logits": "sign|logit",
    "deviation": "deviation|log of the variance|variance|log_var",
    "no half": "half|1/2|KL|twice",
    "-1 lost": "-1|1|KL|zero",
    "mean of pixels": "sum|pixel|mean",
    "mean of both": "sum|mean",
    "kl sum over the batch": "KL|mean|batch|image",
    "sums": "mean|image|batch|divide",
    "kl minus": "sign|KL|plus|add",
    "no kl": "KL",
    "no reconstruction": "reconstruction|pixel|cross|p\\(x",
    "elbo": "minus|sign|negative",
    "each": "one number|mean|batch",
    "kl mean over latent": "KL|sum|component|latent|dimension",
}.items():
    add("vae_loss", bug, hint, vae_loss_of(bug))

# 12.5
add("iwae_bound", "underflow", "underflow|largest|max|0|inf|e\\^", lambda w: np.log(np.exp(w).mean(0)))
add("iwae_bound", "mean of the logs: the ELBO", "ELBO|log of the mean|mean of the log", lambda w: w.mean(0))
add("iwae_bound", "log K forgotten", "K|mean|log K", lambda w: (lambda m: m + np.log(np.exp(w - m).sum(0)))(w.max(0)))
add(
    "iwae_bound",
    "other axis",
    "axis|shape|sample",
    lambda w: (lambda m: m[:, 0] + np.log(np.exp(w - m).mean(1)))(w.max(1, keepdims=True)),
)
add("iwae_bound", "the maximum", "max|mean|sum", lambda w: w.max(0))
add("iwae_bound", "maximum not added again", "max|add|again|subtract", lambda w: np.log(np.exp(w - w.max(0)).mean(0)))
add(
    "iwae_bound",
    "one maximum for all images: underflow",
    "each|own|max|inf|underflow|image",
    lambda w: w.max() + np.log(np.exp(w - w.max()).mean(0)),
)
add(
    "iwae_bound",
    "averaged over the images, too",
    "each|image|shape",
    lambda w: (lambda m: (m + np.log(np.exp(w - m).mean(0))).mean())(w.max(0)),
)
add("iwae_bound", "sign", "sign|minus", lambda w: (lambda m: -(m + np.log(np.exp(w - m).mean(0))))(w.max(0)))
add(
    "iwae_bound",
    "+ log K",
    "log K|sign|K",
    lambda w: (lambda m: m + np.log(np.exp(w - m).sum(0)) + np.log(len(w)))(w.max(0)),
)

# 13.1


def fid_of(bug):
    def fid(real, fake):
        m1, m2 = real.mean(0), fake.mean(0)
        S1, S2 = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
        if bug == "N":
            S1, S2 = np.cov(real, rowvar=False, bias=True), np.cov(fake, rowvar=False, bias=True)
        roots = np.sqrt(np.maximum(np.linalg.eigvals(S1 @ S2).real, 0)).sum()
        mean = ((m1 - m2) ** 2).sum()
        return {
            "means": mean,
            "no root": mean + np.trace(S1 + S2) - 2 * np.maximum(np.linalg.eigvals(S1 @ S2).real, 0).sum(),
            "no 2": mean + np.trace(S1 + S2) - roots,
            "elementwise root": mean + np.trace(S1 + S2 - 2 * np.sqrt(np.abs(S1 @ S2))),
            "elementwise product": mean
            + np.trace(S1 + S2)
            - 2 * np.sqrt(np.maximum(np.linalg.eigvalsh(S1 * S2), 0)).sum(),
            "norm": np.sqrt(mean) + np.trace(S1 + S2) - 2 * roots,
            "covariances only": np.trace(S1 + S2) - 2 * roots,
            "root of it": np.sqrt(max(mean + np.trace(S1 + S2) - 2 * roots, 0)),
            "sign": mean + np.trace(S1 + S2) + 2 * roots,
            "N": mean + np.trace(S1 + S2) - 2 * roots,
            "diagonal": mean + ((np.sqrt(np.diag(S1)) - np.sqrt(np.diag(S2))) ** 2).sum(),
            "mean of squares": ((m1 - m2) ** 2).mean() + np.trace(S1 + S2) - 2 * roots,
        }[bug]

    return fid


for bug, hint in {
    "means": "covarian|spread",
    "no root": "root",
    "no 2": "2|twice",
    "elementwise root": "matrix|eigen",
    "elementwise product": "matrix|@|product",
    "norm": "square",
    "covariances only": "mean",
    "root of it": "root|square",
    "sign": "sign|minus",
    "N": "N - 1|cov|divide",
    "diagonal": "covarian|diagonal|correlat",
    "mean of squares": "sum|mean",
}.items():
    add("fid", bug, hint, fid_of(bug))
add(
    "fid",
    "complex result",
    "complex|real|imaginary|root|negative",
    lambda r, f: (
        ((r.mean(0) - f.mean(0)) ** 2).sum()
        + np.trace(np.cov(r, rowvar=False) + np.cov(f, rowvar=False))
        - 2 * np.sqrt(np.linalg.eigvals(np.cov(r, rowvar=False) @ np.cov(f, rowvar=False)).astype(complex)).sum()
    ),
)

# 13.2


def kid_of(bug):
    def kid(real, fake):
        D = real.shape[1]
        power = 2 if bug == "power" else 3

        def k(a, b):
            return (a @ b.T / (1 if bug == "no D" else D) + (0 if bug == "no 1" else 1)) ** power

        xx, yy, xy = k(real, real), k(fake, fake), k(real, fake)
        N, M = len(real), len(fake)
        if bug == "biased":
            return xx.mean() + yy.mean() - 2 * xy.mean()
        off_x, off_y = xx.sum() - np.trace(xx), yy.sum() - np.trace(yy)
        if bug == "N squared":
            return off_x / N**2 + off_y / M**2 - 2 * xy.mean()
        if bug == "diagonal kept":
            return xx.sum() / (N * (N - 1)) + yy.sum() / (M * (M - 1)) - 2 * xy.mean()
        if bug == "no 2":
            return off_x / (N * (N - 1)) + off_y / (M * (M - 1)) - xy.mean()
        if bug == "one size":
            return off_x / (N * (N - 1)) + off_y / (N * (N - 1)) - 2 * xy.sum() / N**2
        if bug == "root":
            return np.sqrt(abs(off_x / (N * (N - 1)) + off_y / (M * (M - 1)) - 2 * xy.mean()))
        if bug == "sign":
            return -(off_x / (N * (N - 1)) + off_y / (M * (M - 1)) - 2 * xy.mean())
        if bug == "cut at 0":
            return max(off_x / (N * (N - 1)) + off_y / (M * (M - 1)) - 2 * xy.mean(), 0.0)
        if bug == "xy without its diagonal":
            return off_x / (N * (N - 1)) + off_y / (M * (M - 1)) - 2 * (xy.sum() - np.trace(xy)) / (N * M - min(N, M))
        return off_x / (N * (N - 1)) + off_y / (M * (M - 1)) - 2 * xy.mean()

    return kid


for bug, hint in {
    "power": "3|cube|power",
    "no D": r"\bD\b|number of features|divide",
    "no 1": r"\+ 1|1\b",
    "biased": "itself|diagonal|i = j|i != j|bias",
    "N squared": r"N - 1|N \(N - 1\)|pairs",
    "diagonal kept": "diagonal|itself|i = j",
    "no 2": "2|twice",
    "one size": r"\bM\b|number|size",
    "root": "root|square",
    "sign": "sign|minus",
    "cut at 0": "negative|below 0|cut|clip",
    "xy without its diagonal": "xy|x_i, y_j|real.*fake|all pairs|mixed|diagonal",
}.items():
    add("kid", bug, hint, kid_of(bug))

# 13.3


def entropy(p, axis):
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis)


add("inception_score", "exp forgotten", "exp", lambda p: entropy(p.mean(0), 0) - entropy(p, 1).mean())
add(
    "inception_score",
    "sign",
    "sign|exchang|minus|invert",
    lambda p: np.exp(entropy(p, 1).mean() - entropy(p.mean(0), 0)),
)
add(
    "inception_score",
    "log 0: nan",
    "0|zero|nan",
    lambda p: np.exp(-(p.mean(0) * np.log(p.mean(0))).sum() + (p * np.log(p)).sum(1).mean()),
)
add(
    "inception_score",
    "only the entropy of the mean",
    "each|H\\(p\\(c|sample|second|clear",
    lambda p: np.exp(entropy(p.mean(0), 0)),
)
add(
    "inception_score",
    "only the samples' entropy",
    "mean|classes|p\\(c\\)|first",
    lambda p: np.exp(-entropy(p, 1).mean()),
)
add(
    "inception_score",
    "axes exchanged",
    "axis|mean over|sample",
    lambda p: np.exp(entropy(p.mean(1) / p.mean(1).sum(), 0) - entropy(p, 0).mean()),
)
add(
    "inception_score",
    "log2 with exp",
    "natural|log2|base|log",
    lambda p: np.exp((entropy(p.mean(0), 0) - entropy(p, 1).mean()) / np.log(2)),
)
add(
    "inception_score",
    "mean over classes, not sum",
    "sum|mean|class",
    lambda p: np.exp((entropy(p.mean(0), 0) - entropy(p, 1).mean()) / p.shape[1]),
)
add(
    "inception_score",
    "1e-8 inside of the log is fine; entropies added",
    "sign|minus|differen|subtract",
    lambda p: np.exp(entropy(p.mean(0), 0) + entropy(p, 1).mean()),
)
add(
    "inception_score",
    "exp of each, then the mean",
    "exp|mean|inside|after|before",
    lambda p: np.exp(entropy(p.mean(0), 0) - entropy(p, 1)).mean(),
)

# 13.4


def product(n, m, k, skip=0):
    return np.prod([(n - 1 - j) / (n + m - 1 - j) for j in range(skip, k)])


add("expected_coverage", "the probability of being empty", "1 -|empty|complement", lambda n, m, k: product(n, m, k))
add(
    "expected_coverage",
    "with replacement",
    "is gone|next|one fewer|replac|power|left|without|each time",
    lambda n, m, k: 1 - ((n - 1) / (n + m - 1)) ** k,
)
add("expected_coverage", "1", "not 1|perfect|empty", lambda n, m, k: 1.0)
add("expected_coverage", "half", r"half|\bk\b|2", lambda n, m, k: 1 - 0.5**k)
add(
    "expected_coverage",
    "N in place of N - 1",
    "N - 1|itself|other",
    lambda n, m, k: 1 - np.prod([(n - j) / (n + m - j) for j in range(k)]),
)
add(
    "expected_coverage",
    "M above",
    "real|all real|sample|exchang",
    lambda n, m, k: 1 - np.prod([(m - j) / (n + m - 1 - j) for j in range(k)]),
)
add("expected_coverage", "one factor too many", "factor|many|k\\b|one", lambda n, m, k: 1 - product(n, m, k + 1))
add("expected_coverage", "only the first neighbor", "k\\b|next|first|nearest", lambda n, m, k: 1 - product(n, m, 1))
add(
    "expected_coverage",
    "numerator falls, denominator does not",
    "denominator|both|below|left",
    lambda n, m, k: 1 - np.prod([(n - 1 - j) / (n + m - 1) for j in range(k)]),
)

# 13.5: A training images, B three missing, C noise, D 25 images, E half ones
FAULTS = {
    "A": "training images",
    "B": "three digits are missing",
    "C": "noise",
    "D": "25 images, each 20 times",
    "E": "half are ones",
}
add(
    "which_failure",
    "B and E exchanged",
    "[BE].*(recall|TV|IS|precision|coverage)",
    {**FAULTS, "B": FAULTS["E"], "E": FAULTS["B"]},
)
add(
    "which_failure",
    "C and D exchanged",
    "[CD].*(coverage|recall|nan|IS|precision)",
    {**FAULTS, "C": FAULTS["D"], "D": FAULTS["C"]},
)
add(
    "which_failure",
    "A and C exchanged",
    "[AC].*(coverage|precision|FID|floor)",
    {**FAULTS, "A": FAULTS["C"], "C": FAULTS["A"]},
)
add(
    "which_failure",
    "A and D exchanged",
    "[AD].*(coverage|recall|nan|FID|precision)",
    {**FAULTS, "A": FAULTS["D"], "D": FAULTS["A"]},
)
add("which_failure", "a name that is none", "one of|name|FAULTS|failures|three digits", {**FAULTS, "A": "copies"})

# 13.6


def verdict_of(below="alarm", factor=2, absolute=True):
    def verdict(value, floor, sd):
        if (absolute and abs(value - floor) <= factor * sd) or (not absolute and value - floor <= factor * sd):
            return "no difference"
        return "worse" if value > floor else below

    return verdict


add("verdict", "best", "alarm|copies|training|memor|below", verdict_of("best"))
add("verdict", "no absolute value", "below|alarm|absolute|abs|both", verdict_of(absolute=False))
add("verdict", "one standard deviation", "two|2", verdict_of(factor=1))
add("verdict", "three standard deviations", "two|2", verdict_of(factor=3))
add("verdict", "always worse", "below|alarm|floor|no difference", lambda v, f, s: "worse")
add("verdict", "True", "word|no difference|string|return", lambda v, f, s: abs(v - f) <= 2 * s)
add(
    "verdict",
    "exactly two is a difference",
    "at most|exactly|<=|two",
    lambda v, f, s: "no difference" if abs(v - f) < 2 * s else "worse" if v > f else "alarm",
)
add(
    "verdict",
    "worse and alarm exchanged",
    "above|below|exchang|worse",
    lambda v, f, s: "no difference" if abs(v - f) <= 2 * s else "alarm" if v > f else "worse",
)
