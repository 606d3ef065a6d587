"""Wrong answers to lessons 14 to 17."""

import numpy as np

from . import Table

TABLE = Table()
add, program = TABLE.add, TABLE.program


def softplus(a):
    return np.logaddexp(0, a)


def sigmoid(a):
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(a)))


# 14.1
add("repaired_d", "signs exchanged", "sign|exchang|minus", lambda r, f: softplus(r).mean() + softplus(-f).mean())
add("repaired_d", "real only, as in the article", "fake|generated", lambda r, f: softplus(-r).mean())
add(
    "repaired_d",
    "log of the sigmoid: inf",
    "inf|800|overflow|large|softplus|logaddexp",
    lambda r, f: -np.log(1 / (1 + np.exp(-r))).mean() - np.log(1 - 1 / (1 + np.exp(-f))).mean(),
)
add(
    "repaired_d",
    "1e-8",
    "1e-8|large|800|small number|cut",
    lambda r, f: -np.log(sigmoid(r) + 1e-8).mean() - np.log(1 - sigmoid(f) + 1e-8).mean(),
)
add("repaired_d", "the article's sign", "sign|minus", lambda r, f: -softplus(-r).mean())
add("repaired_d", "sums", "mean|sum", lambda r, f: softplus(-r).sum() + softplus(f).sum())
add("repaired_d", "half", "half|2|twice", lambda r, f: (softplus(-r).mean() + softplus(f).mean()) / 2)
add(
    "repaired_d",
    "sigmoid first, then logits: 1.0064",
    "sigmoid|twice|1.006|logit",
    lambda r, f: softplus(-sigmoid(r)).mean() + softplus(sigmoid(f)).mean(),
)
add(
    "repaired_d",
    "generated with the label 1",
    "generated|fake|label",
    lambda r, f: softplus(-r).mean() + softplus(-f).mean(),
)
add(
    "repaired_d",
    "minus the second term",
    "sign|add|plus|second|generated|fake",
    lambda r, f: softplus(-r).mean() - softplus(f).mean(),
)
add(
    "repaired_d",
    "one mean over both",
    "each|number|separate|own mean|mean",
    lambda r, f: np.concatenate([softplus(-r), softplus(f)]).mean(),
)


# 14.2


def encoder_of(bug):
    def repaired_encoder(heads, eps):
        d = heads.shape[1] // 2
        mu, l = heads[:, :d], heads[:, d:]
        if bug == "halves exchanged":
            mu, l = l, mu
        if bug == "alternating":
            mu, l = heads[:, ::2], heads[:, 1::2]
        sigma = {"exp(l)": np.exp(l), "l": l, "no noise": 0 * l}.get(bug, np.exp(l / 2))
        terms = mu**2 + np.exp(l) - 1 - l
        if bug == "sigma in the KL":
            terms = mu**2 + np.exp(2 * l) - 1 - 2 * l
        if bug == "-1 lost":
            terms = terms + 1
        if bug == "l plus":
            terms = mu**2 + np.exp(l) - 1 + l
        if bug == "mu not squared":
            terms = mu + np.exp(l) - 1 - l
        kl = 0.5 * terms.sum(1)
        kl = {
            "no half": 2 * kl,
            "mean": 0.5 * terms.mean(1),
            "all": 0.5 * terms.sum(),
            "sign": -kl,
            "each": 0.5 * terms,
            "batch mean": kl.mean(),
        }.get(bug, kl)
        code = mu + sigma * eps
        if bug == "ReLU, as in the article":
            code = np.maximum(code, 0)
        return (kl, code) if bug == "order" else (code, kl)

    return repaired_encoder


for bug, hint in {
    "halves exchanged": "exchang|first|half|means",
    "alternating": "first|half|last|columns|layout|order",
    "exp(l)": r"exp\(l|deviation|variance|/ 2|half",
    "l": "exp",
    "no noise": "noise|eps|draw",
    "sigma in the KL": "variance|deviation|exp",
    "-1 lost": "-1|1|zero",
    "l plus": "sign|log|minus",
    "mu not squared": "square",
    "no half": "half|1/2|twice",
    "mean": "sum|mean",
    "all": "image|each|shape",
    "batch mean": "image|each|shape",
    "sign": "sign|negative|minus",
    "each": "sum|shape|each image",
    "ReLU, as in the article": "ReLU|negative|below",
    "order": "order|exchang|swap|shape",
}.items():
    add("repaired_encoder", bug, hint, encoder_of(bug))

# 14.3: c, e, g
add("true_sentences", "a, too", r"\ba\b", {"a", "c", "e", "g"})
add("true_sentences", "b, too", r"\bb\b", {"b", "c", "e", "g"})
add("true_sentences", "d, too", r"\bd\b", {"d", "c", "e", "g"})
add("true_sentences", "f, too", r"\bf\b", {"f", "c", "e", "g"})
add("true_sentences", "g missing", r"\bg\b", {"c", "e"})
add("true_sentences", "none", r"\b[ceg]\b", set())
add("true_sentences", "a string, with a", r"\ba\b", "ceg, a")

# 14.4
RIGHT = {1: "e", 2: "a", 3: "c", 4: "f", 5: "d", 6: "b"}
add("diagnosis", "1 and 2 exchanged", r"\b[12]\b.*(ELBO|sum|sigma|KL)", {**RIGHT, 1: "a", 2: "e"})
add("diagnosis", "1 and 6 exchanged", r"\b[16]\b.*(ELBO|sum|sigma|KL)", {**RIGHT, 1: "b", 6: "e"})
add("diagnosis", "4 and 5 exchanged", r"\b[45]\b.*(KL|sigma|mu|reconstruction)", {**RIGHT, 4: "d", 5: "f"})
add("diagnosis", "3 and 4 exchanged", r"\b[34]\b.*(KL|reconstruction)", {**RIGHT, 3: "f", 4: "c"})
add("diagnosis", "4 and 6 exchanged", r"\b[46]\b.*(KL|sum|ELBO|sigma)", {**RIGHT, 4: "b", 6: "f"})
add("diagnosis", "2 and 6 exchanged", r"\b[26]\b.*(ELBO|sum|sigma)", {**RIGHT, 2: "b", 6: "a"})

# 15.1


def safe(index):
    return np.where(index >= 0, index, 0)


@program("warp_adjoint", "same place|twice|add.at|add|several|overwrit|\\+=")
def fancy_plus_equals(g, index, weight, size):
    out = np.zeros(size)
    for k in range(len(index)):
        keep = index[k] >= 0
        out[index[k][keep]] += (weight[k] * g)[keep]
    return out


@program("warp_adjoint", "-1|last|negative|outside")
def minus_one_is_the_last_pixel(g, index, weight, size):
    out = np.zeros(size)
    np.add.at(out, index, weight * g)
    return out


@program("warp_adjoint", "weight")
def weights_forgotten(g, index, weight, size):
    out = np.zeros(size)
    keep = index >= 0
    np.add.at(out, index[keep], np.broadcast_to(g, index.shape)[keep])
    return out


@program("warp_adjoint", "gather|scatter|forward|read")
def gathers_again(g, index, weight, size):
    padded = np.append(np.resize(g, size), 0.0)
    return (padded[index] * weight).sum(0)


@program("warp_adjoint", "all|first|every|each k|rows|K")
def first_row_only(g, index, weight, size):
    out = np.zeros(size)
    keep = index[0] >= 0
    np.add.at(out, index[0][keep], (weight[0] * g)[keep])
    return out


@program("warp_adjoint", r"\bg\b|cotangent")
def g_forgotten(g, index, weight, size):
    out = np.zeros(size)
    keep = index >= 0
    np.add.at(out, index[keep], weight[keep])
    return out


@program("warp_adjoint", "size|shape|pixels")
def size_of_g(g, index, weight, size):
    out = np.zeros(max(len(g), size))
    keep = index >= 0
    np.add.at(out, index[keep], (weight * g)[keep])
    return out[: len(g)]


@program("warp_adjoint", "-1|0|first|outside|adds nothing")
def minus_one_goes_to_pixel_0(g, index, weight, size):
    out = np.zeros(size)
    np.add.at(out, safe(index), weight * g)
    return out


@program("warp_adjoint", "divid|sum|mean|average|normal")
def divided_by_the_number_of_hits(g, index, weight, size):
    out, hits = np.zeros(size), np.zeros(size)
    keep = index >= 0
    np.add.at(out, index[keep], (weight * g)[keep])
    np.add.at(hits, index[keep], 1)
    return out / np.maximum(hits, 1)


@program("warp_adjoint", "overwrit|add|several|\\+=|last")
def the_last_one_wins(g, index, weight, size):
    out = np.zeros(size)
    for k in range(len(index)):
        for p in range(len(g)):
            if index[k, p] >= 0:
                out[index[k, p]] = weight[k, p] * g[p]
    return out


# 15.2: detached "d", gradient "g"
add("through_t", "nothing detached", r"\bd\b|loss of D|detach", {"detached": "", "gradient to G": "g"})
add("through_t", "real detached", r"\br\b|real", {"detached": "rd", "gradient to G": "g"})
add("through_t", "both fakes detached", r"\bg\b|learn|G", {"detached": "dg", "gradient to G": ""})
add("through_t", "gradient through both", r"\bd\b|D", {"detached": "d", "gradient to G": "dg"})
add("through_t", "exchanged", r"\bg\b|exchang|learn|G", {"detached": "g", "gradient to G": "d"})
add("through_t", "all", r"\br\b|real|no generator|G", {"detached": "d", "gradient to G": "rdg"})
add("through_t", "other words", "letter", {"detached": "fake", "gradient to G": "fake"})


# 15.3


def spread_of(bug):
    def spread(images):
        N, H, W = images.shape
        rows, columns = np.arange(H)[:, None], np.arange(W)
        mass = images.sum((1, 2))
        if bug == "mass of all":
            mass = mass.mean()
        if bug == "pixels":
            mass = H * W
        if bug == "undivided":
            mass = 1
        r, c = (images * rows).sum((1, 2)) / mass, (images * columns).sum((1, 2)) / mass
        if bug == "exchanged H":
            c = r
        if bug == "mean of deviations":
            return (r.std() + c.std()) / 2
        if bug == "sum":
            return np.sqrt(r.var() + c.var())
        if bug == "variance":
            return (r.var() + c.var()) / 2
        if bug == "within":
            return np.sqrt(
                (
                    (
                        (images * (rows - r[:, None, None]) ** 2).sum((1, 2)) / mass
                        + (images * (columns - c[:, None, None]) ** 2).sum((1, 2)) / mass
                    )
                    / 2
                ).mean()
            )
        if bug == "centers":
            return r, c
        if bug == "together":
            return np.concatenate([r, c]).std()
        if bug == "brightest":
            place = images.reshape(N, -1).argmax(1)
            return np.sqrt(((place // W).var() + (place % W).var()) / 2)
        return np.sqrt((r.var() + c.var()) / 2)

    return spread


for bug, hint in {
    "mass of all": "each image|own|light|mass|divide",
    "pixels": "light|mass|divide|pixels",
    "undivided": "divide|mass|light",
    "exchanged H": "column|row|both",
    "mean of deviations": "variance|root",
    "sum": "mean|half|2",
    "variance": "root|sqrt|variance",
    "within": "between|over the images|centre|center|within|one image",
    "centers": "one number|deviation|spread|number",
    "together": "each|separate|row|own|two variances",
    "brightest": "mass|light|brightest|all pixels|centre|center",
}.items():
    add("spread", bug, hint, spread_of(bug))

# 15.4


def paired_of(bug):
    def paired(a, b):
        a, b = np.asarray(a, float), np.asarray(b, float)
        d, n = b - a, len(a)
        return {
            "a - b": (-d.mean(), d.std(ddof=1) / n**0.5),
            "unpaired": (d.mean(), np.sqrt(a.var(ddof=1) / n + b.var(ddof=1) / n)),
            "n": (d.mean(), d.std() / n**0.5),
            "deviation": (d.mean(), d.std(ddof=1)),
            "n, not its root": (d.mean(), d.std(ddof=1) / n),
            "variance": (d.mean(), d.var(ddof=1) / n),
            "n - 1 under the root as well": (d.mean(), d.std(ddof=1) / (n - 1) ** 0.5),
            "median": (np.median(d), d.std(ddof=1) / n**0.5),
            "percent": (d.mean() / a.mean(), d.std(ddof=1) / n**0.5 / a.mean()),
            "absolute": (abs(d).mean(), abs(d).std(ddof=1) / n**0.5),
            "order": (d.std(ddof=1) / n**0.5, d.mean()),
        }[bug]

    return paired


for bug, hint in {
    "a - b": "sign|b - a|minus",
    "unpaired": "pair|differ",
    "n": "n - 1|ddof",
    "deviation": "root|divide|standard error|sqrt",
    "n, not its root": "root|sqrt",
    "variance": "root|sqrt|variance",
    "n - 1 under the root as well": "n\\b|root|n - 1",
    "median": "mean|median",
    "percent": "percent|divide|share|relative|scale|times",
    "absolute": "sign|absolute",
    "order": "order|exchang|swap",
}.items():
    add("paired", bug, hint, paired_of(bug))
add("paired", "lists subtracted", "array|list|subtract", lambda a, b: (sum(b - a), 0))

# 15.5


def kept_of(bug):
    def kept(weights, share):
        sizes = [np.abs(w) for w in weights]
        flat = np.concatenate([v.ravel() for v in sizes])
        signed = np.concatenate([w.ravel() for w in weights])
        k = int(share * flat.size)
        threshold = {
            "share as a threshold": share,
            "share of the largest": share * flat.max(),
            "number of arrays": np.sort(flat)[int(share * len(weights))],
            "not sorted": flat[k],
            "abs after sorting": np.abs(np.sort(signed))[k],
            "percentile": np.percentile(flat, share),
            "share kept": np.sort(flat)[int((1 - share) * flat.size)],
        }.get(bug, np.sort(flat)[k])
        if bug == "each array":
            return [v >= np.sort(v.ravel())[int(share * v.size)] for v in sizes]
        if bug == "signs":
            return [w >= np.sort(signed)[k] for w in weights]
        if bug == "compared with signs":
            return [w >= threshold for w in weights]
        if bug == "inverted":
            return [v < threshold for v in sizes]
        if bug == "argsort as a rank":
            ends = np.cumsum([v.size for v in sizes])[:-1]
            return [m.reshape(v.shape) for m, v in zip(np.split(np.argsort(flat) >= k, ends), sizes)]
        return [v > threshold for v in sizes] if bug == "above" else [v >= threshold for v in sizes]

    return kept


for bug, hint in {
    "share as a threshold": "sort|count|not a threshold",
    "share of the largest": "number|sort",
    "number of arrays": "number of all|all weights",
    "not sorted": "sort",
    "abs after sorting": "absolute",
    "percentile": "percentile|100",
    "share kept": "keep",
    "each array": "one threshold|all arrays",
    "signs": "absolute",
    "compared with signs": "absolute",
    "inverted": "kept|large",
    "argsort as a rank": "argsort|rank",
    "above": ">=|few",
}.items():
    add("kept", bug, hint, kept_of(bug))

# 15.6


def quantize_of(bug):
    def quantize(weight):
        largest = np.abs(weight).max(axis=0 if bug == "columns" else 1)
        if bug == "whole matrix":
            largest = np.full(len(weight), largest.max())
        if bug == "signed maximum":
            largest = weight.max(axis=1)
        levels = {"128": 128, "255": 255, "not divided": 1}.get(bug, 127)
        scales = np.where(largest > 0, largest / levels, 1.0)
        if bug == "zeros before the division":
            scales = np.where(largest > 0, largest, 1.0) / 127
        ratios = weight / (scales if bug == "columns" else scales[:, None])
        codes = {"cut": np.trunc, "down": np.floor, "up": np.ceil, "not rounded": np.array}.get(bug, np.rint)(ratios)
        return {
            "exchanged": (scales, codes),
            "offset": (codes + 128, scales),
            "column of scales": (codes, scales[:, None]),
            "not divided before rounding": (np.rint(weight), scales),
        }.get(bug, (codes, scales))

    return quantize


for bug, hint in {
    "whole matrix": "each row",
    "columns": "row|output",
    "signed maximum": "absolute",
    "128": "127",
    "255": "127",
    "not divided": "127",
    "zeros before the division": "scale 1|after the division",
    "cut": "nearest|cuts",
    "down": "nearest|down",
    "up": "nearest|up",
    "not rounded": "whole|round",
    "exchanged": "first",
    "offset": "offset",
    "column of scales": "shape",
    "not divided before rounding": "divide",
}.items():
    add("quantize", bug, hint, quantize_of(bug))

# 16.1
add("masked_loss", "divided by all pixels", "hole|m.sum|mask|divide|number", lambda y, x, m: (m * (y - x) ** 2).mean())
add(
    "masked_loss",
    "outside of the hole",
    "1 - m|outside|known|hole",
    lambda y, x, m: ((1 - m) * (y - x) ** 2).sum() / ((1 - m).sum() * x.shape[1]),
)
add("masked_loss", "channels not counted", "channel", lambda y, x, m: (m * (y - x) ** 2).sum() / m.sum())
add("masked_loss", "no mask", "mask|hole", lambda y, x, m: ((y - x) ** 2).mean())
add(
    "masked_loss",
    "mean of each image's mean",
    "image|all|together|hole|each",
    lambda y, x, m: ((m * (y - x) ** 2).sum((1, 2, 3)) / (m.sum((1, 2, 3)) * x.shape[1])).mean(),
)
add("masked_loss", "L1", "square|absolute", lambda y, x, m: (m * abs(y - x)).sum() / (m.sum() * x.shape[1]))
add("masked_loss", "sum", "mean|divide|sum", lambda y, x, m: (m * (y - x) ** 2).sum())
add("masked_loss", "root", "root", lambda y, x, m: np.sqrt((m * (y - x) ** 2).sum() / (m.sum() * x.shape[1])))
add(
    "masked_loss",
    "the damaged image is compared",
    "x|truth|mask|m \\* x|1 - m|hole|only",
    lambda y, x, m: (m * (y - x * (1 - m)) ** 2).sum() / (m.sum() * x.shape[1]),
)
add(
    "masked_loss",
    "boolean indexing with a mask of one channel",
    "channel|broadcast|shape|boolean|index",
    lambda y, x, m: ((y - x)[m > 0] ** 2).mean(),
)

# 16.2


def shuffle_of(bug):
    def pixel_shuffle(x, r):
        N, C, H, W = x.shape
        c = C // r**2
        if bug == "channels last in the split":
            return x.reshape(N, r, r, c, H, W).transpose(0, 3, 4, 1, 5, 2).reshape(N, c, r * H, r * W)
        a = x.reshape(N, c, r, r, H, W)
        return {
            "i and j exchanged": lambda: a.transpose(0, 1, 4, 3, 5, 2),
            "blocks, not pixels": lambda: a.transpose(0, 1, 2, 4, 3, 5),
            "H and W exchanged": lambda: a.transpose(0, 1, 5, 2, 4, 3),
            "reshape only": lambda: a,
            "small pixel behind": lambda: a.transpose(0, 1, 2, 4, 5, 3),
        }[bug]().reshape(N, c, r * H, r * W)

    return pixel_shuffle


for bug, hint in {
    "channels last in the split": "channel|first|order",
    "i and j exchanged": "row|column|exchang|i and j|transpos",
    "blocks, not pixels": "block|small pixel|transpos|neighbo|order",
    "H and W exchanged": "H|W|row|column|exchang|transpos",
    "reshape only": "transpos|reshape",
    "small pixel behind": "row|transpos|order|block",
}.items():
    add("pixel_shuffle", bug, hint, shuffle_of(bug))
add("pixel_shuffle", "repeated", "repeat|channel|shape|each", lambda x, r: x[:, :: r * r].repeat(r, 2).repeat(r, 3))
add(
    "pixel_shuffle",
    "backwards: pixels to channels",
    "shape|other way|channel|invers",
    lambda x, r: (
        x.reshape(len(x), x.shape[1], x.shape[2] // r, r, x.shape[3] // r, r)
        .transpose(0, 1, 3, 5, 2, 4)
        .reshape(len(x), -1, x.shape[2] // r, x.shape[3] // r)
    ),
)

# 16.3
add("when_to_stop", "the least loss", "loss|truth|noise", lambda losses, outputs, truth: int(np.argmin(losses)))
add("when_to_stop", "the last", "last|truth|nearest", lambda losses, outputs, truth: len(outputs) - 1)
add(
    "when_to_stop",
    "the farthest",
    "argmin|farthest|small|nearest|max",
    lambda losses, outputs, truth: int(((outputs - truth) ** 2).mean((1, 2)).argmax()),
)
add(
    "when_to_stop",
    "sign of the differences",
    "square|sign|cancel|absolute",
    lambda losses, outputs, truth: int((outputs - truth).mean((1, 2)).argmin()),
)
add(
    "when_to_stop",
    "the distance, not the step",
    "step|index|argmin|distance",
    lambda losses, outputs, truth: float(((outputs - truth) ** 2).mean((1, 2)).min()),
)
add(
    "when_to_stop",
    "from 1",
    "0|one|from",
    lambda losses, outputs, truth: int(((outputs - truth) ** 2).mean((1, 2)).argmin()) + 1,
)
add(
    "when_to_stop",
    "index into the flat array",
    "axis|step|flat|range|number",
    lambda losses, outputs, truth: int(((outputs - truth) ** 2).argmin()),
)
add(
    "when_to_stop",
    "the mean pixel decides",
    "square|each|mean|cancel",
    lambda losses, outputs, truth: int(abs(outputs.mean((1, 2)) - truth.mean()).argmin()),
)

# 16.4


def gram_of(bug):
    def gram_gradient(F, A):
        _C, P = F.shape
        G, size = F @ F.T / P, (A**2).sum()
        return {
            "2": 2 * (G - A) @ F / P / size,
            "P": 4 * (G - A) @ F / size,
            "A": 4 * (G - A) @ F / P,
            "sign": -4 * (G - A) @ F / P / size,
            "norm": 4 * (G - A) @ F / P / np.sqrt(size),
            "G": 4 * G @ F / P / size,
            "half": (G - A) @ F / P / size,
            "P squared": 4 * (G - A) @ F / P**2 / size,
            "gradient in G": 2 * (G - A) / size,
            "unnormalized G": 4 * (F @ F.T - A) @ F / P / size,
            "mean": 4 * (G - A) @ F / P / (A**2).mean(),
            "times": 4 * (G - A) @ (F - F.mean(1, keepdims=True)) / P / size,
        }[bug]

    return gram_gradient


for bug, hint in {
    "2": "2|twice|both|half",
    "half": "4|twice|2|square",
    "P": r"\bP\b|divide",
    "A": r"\|A\|",
    "sign": "sign|minus",
    "norm": "square|\\|A\\|",
    "G": "- A|G - A|style|A\\b",
    "P squared": r"\bP\b",
    "gradient in G": "shape|chain|F",
    "unnormalized G": r"\bP\b|G",
    "mean": "sum|mean|\\|A\\|",
    "times": "mean|centr|F",
}.items():
    add("gram_gradient", bug, hint, gram_of(bug))

# 16.5: discriminator "a", adversary "", cycle ""
add(
    "where_to_detach",
    "nothing for D",
    "discriminator|A\\(x\\)|\\ba\\b|detach",
    {"discriminator": "", "adversary": "", "cycle": ""},
)
add(
    "where_to_detach",
    "a for the adversary",
    "adversary|learn|gradient",
    {"discriminator": "a", "adversary": "a", "cycle": ""},
)
add("where_to_detach", "c in the cycle", "cycle|gradient|learn", {"discriminator": "a", "adversary": "", "cycle": "c"})
add(
    "where_to_detach", "a in the cycle", "cycle|gradient|learn|A", {"discriminator": "a", "adversary": "", "cycle": "a"}
)
add(
    "where_to_detach",
    "the real y",
    "real|\\bb\\b|constant|nothing",
    {"discriminator": "ab", "adversary": "", "cycle": ""},
)
add("where_to_detach", "lists", "string|letter", {"discriminator": ["a"], "adversary": [], "cycle": []})

# 16.6: abce
add("cycle_maps", "d, too", r"\bd\b|red", "abcde")
add("cycle_maps", "f, too", r"\bf\b|middle", "abcef")
add("cycle_maps", "without e", r"\be\b|one-to-one|system", "abc")
add("cycle_maps", "identity only", r"\b[bce]\b|one-to-one|invers", "a")
add("cycle_maps", "all", r"\b[df]\b|lost|red", "abcdef")
add("cycle_maps", "a set", "string", {"a", "b", "c"})

# 17.1


def bptt_of(bug):
    def bptt(states, U, g):
        total = np.zeros_like(U, dtype=float)
        g = np.array(g, float)
        for t in range(len(states) - 1, 0, -1):
            h, before = states[t], states[t - 1]
            d = g * (1 - h**2)
            if bug == "no slope":
                d = g
            if bug == "slope of the state before":
                d = g * (1 - before**2)
            if bug == "1 - h":
                d = g * (1 - h)
            if bug == "transposed":
                total += np.outer(before, d)
            elif bug == "the new state":
                total += np.outer(d, h)
            elif bug == "overwritten":
                total = np.outer(d, before)
            elif bug == "g for d":
                total += np.outer(g, before)
            else:
                total += np.outer(d, before)
            if bug == "last step only":
                return total
            if bug == "U for its transpose":
                g = U @ d
            elif bug == "slope forgotten on the way":
                g = U.T @ g
            elif bug == "g stays":
                g = g
            elif bug == "no U":
                g = d
            else:
                g = U.T @ d
        if bug == "mean":
            return total / (len(states) - 1)
        return total

    return bptt


for bug, hint in {
    "no slope": "slope|tanh|1 - h",
    "slope of the state before": "h_t|state|before|after|which|slope|index|1 - h",
    "1 - h": "square|h\\^2|h\\*\\*2",
    "transposed": "transpos|outer|exchang|order",
    "the new state": "before|h_\\{?t-1|old|previous",
    "overwritten": "sum|add|\\+=|overwrit|every step",
    "g for d": r"\bd\b|slope|tanh|1 - h",
    "last step only": "every|all|last|step|sum",
    "U for its transpose": "transpos|U\\.T|U\\^T",
    "slope forgotten on the way": "slope|tanh|1 - h|d_t|\\bd\\b",
    "g stays": "back|U|previous|g_",
    "no U": r"\bU\b",
    "mean": "sum|mean|divide",
}.items():
    add("bptt", bug, hint, bptt_of(bug))


@program("bptt", "first|h_0|all|every|step|last")
def first_step_left_out(states, U, g):
    total = np.zeros_like(U, dtype=float)
    for t in range(len(states) - 1, 1, -1):
        d = g * (1 - states[t] ** 2)
        total += np.outer(d, states[t - 1])
        g = U.T @ d
    return total


# 17.2


def gru_of(bug):
    def gru_gradient(g, r, z, m, b_n, h):
        dn = g * (1 - z) * (1 - m**2)
        db_r, db_z, db_n, dh = dn * b_n * r * (1 - r), g * (h - m) * z * (1 - z), dn * r, g * z
        if bug == "no slope of r":
            db_r = dn * b_n
        if bug == "no slope of z":
            db_z = g * (h - m)
        if bug == "m - h":
            db_z = -db_z
        if bug == "h 1 - z":
            dh = g * (1 - z)
        if bug == "r forgotten in b_n":
            db_n = dn
        if bug == "no slope of tanh":
            dn = g * (1 - z)
            db_r, db_n = dn * b_n * r * (1 - r), dn * r
        if bug == "z for 1 - z":
            dn = g * z * (1 - m**2)
            db_r, db_n = dn * b_n * r * (1 - r), dn * r
        if bug == "tanh slope for gates":
            db_r, db_z = dn * b_n * (1 - r**2), g * (h - m) * (1 - z**2)
        if bug == "b_n forgotten in r":
            db_r = dn * r * (1 - r)
        if bug == "order":
            return db_z, db_r, db_n, dh
        if bug == "g forgotten in h":
            dh = z
        if bug == "z takes h only":
            db_z = g * h * z * (1 - z)
        return db_r, db_z, db_n, dh

    return gru_gradient


for bug, hint in {
    "no slope of r": "slope|sigmoid|r \\(1 - r\\)|1 - r",
    "no slope of z": "slope|sigmoid|z \\(1 - z\\)|1 - z",
    "m - h": "sign|h - m",
    "h 1 - z": r"\bz\b",
    "r forgotten in b_n": r"\br\b",
    "no slope of tanh": "tanh|1 - m",
    "z for 1 - z": "1 - z",
    "tanh slope for gates": "sigmoid|1 - r|1 - z",
    "b_n forgotten in r": "b_n",
    "order": "order|exchang|swap",
    "g forgotten in h": r"\bg\b|cotangent|gradient",
    "z takes h only": r"- m|h - m|\bm\b",
}.items():
    add("gru_gradient", bug, hint, gru_of(bug))

# 17.3: abde? (a, b true; d repairs only a; e true)
add("carried_state", "d, too", r"\bd\b|detach", "abde")
add("carried_state", "c, too", r"\bc\b|weights", "abce")
add("carried_state", "a only", r"\b[be]\b", "a")
add("carried_state", "e missing", r"\be\b|recording", "ab")
add("carried_state", "a list, e missing", r"\be\b|recording", ["a", "b"])

# 17.4
add("unbiased_mmd", "means", "diagonal|i = j|itself|bias", lambda xx, xy, yy: xx.mean() + yy.mean() - 2 * xy.mean())
add(
    "unbiased_mmd",
    "N squared",
    r"N \(N - 1\)|N - 1|pairs|divide",
    lambda xx, xy, yy: (
        (xx.sum() - np.trace(xx)) / len(xx) ** 2 + (yy.sum() - np.trace(yy)) / len(yy) ** 2 - 2 * xy.mean()
    ),
)
add(
    "unbiased_mmd",
    "diagonal of xy left out",
    "xy|mixed|differ|x and y|real and drawn|all",
    lambda xx, xy, yy: (
        (xx.sum() - np.trace(xx)) / (len(xx) * (len(xx) - 1))
        + (yy.sum() - np.trace(yy)) / (len(yy) * (len(yy) - 1))
        - 2 * (xy.sum() - np.trace(xy)) / (xy.size - min(xy.shape))
    ),
)
add(
    "unbiased_mmd",
    "2 forgotten",
    "2|twice",
    lambda xx, xy, yy: (
        (xx.sum() - np.trace(xx)) / (len(xx) * (len(xx) - 1))
        + (yy.sum() - np.trace(yy)) / (len(yy) * (len(yy) - 1))
        - xy.mean()
    ),
)
add(
    "unbiased_mmd",
    "sign",
    "sign|minus",
    lambda xx, xy, yy: (
        -(
            (xx.sum() - np.trace(xx)) / (len(xx) * (len(xx) - 1))
            + (yy.sum() - np.trace(yy)) / (len(yy) * (len(yy) - 1))
            - 2 * xy.mean()
        )
    ),
)
add(
    "unbiased_mmd",
    "root",
    "root|square",
    lambda xx, xy, yy: np.sqrt(
        abs(
            (xx.sum() - np.trace(xx)) / (len(xx) * (len(xx) - 1))
            + (yy.sum() - np.trace(yy)) / (len(yy) * (len(yy) - 1))
            - 2 * xy.mean()
        )
    ),
)
add(
    "unbiased_mmd",
    "upper triangle, divided by N (N - 1)",
    "half|twice|triangle|each pair|2",
    lambda xx, xy, yy: (
        np.triu(xx, 1).sum() / (len(xx) * (len(xx) - 1))
        + np.triu(yy, 1).sum() / (len(yy) * (len(yy) - 1))
        - 2 * xy.mean()
    ),
)
add(
    "unbiased_mmd",
    "N for M",
    r"\bM\b|size|number",
    lambda xx, xy, yy: (
        (xx.sum() - np.trace(xx)) / (len(xx) * (len(xx) - 1))
        + (yy.sum() - np.trace(yy)) / (len(xx) * (len(xx) - 1))
        - 2 * xy.sum() / len(xx) ** 2
    ),
)
add(
    "unbiased_mmd",
    "not below 0",
    "negative|below|clip|cut",
    lambda xx, xy, yy: max(
        0.0,
        (xx.sum() - np.trace(xx)) / (len(xx) * (len(xx) - 1))
        + (yy.sum() - np.trace(yy)) / (len(yy) * (len(yy) - 1))
        - 2 * xy.mean(),
    ),
)
add(
    "unbiased_mmd",
    "diagonal kept, N (N - 1) below",
    "diagonal|i = j|itself",
    lambda xx, xy, yy: xx.sum() / (len(xx) * (len(xx) - 1)) + yy.sum() / (len(yy) * (len(yy) - 1)) - 2 * xy.mean(),
)

# 17.5: b, c, d
add("which_is_better", "a, too", r"\ba\b|TSTR", "abcd")
add("which_is_better", "e, too", r"\be\b|floor|told", "bcde")
add("which_is_better", "c missing", r"\bc\b|class", "bd")
add("which_is_better", "a only", r"\b[abcd]\b", "a")
add("which_is_better", "d missing", r"\bd\b", "bc")


# 17.6
def magnitudes_of(bug):
    def magnitudes(frames, mean, deviation):
        logs = frames * 3 * deviation + mean
        M = np.exp(logs) - 0.01
        return {
            "0.01 stays": np.exp(logs),
            "3 forgotten": np.maximum(np.exp(frames * deviation + mean) - 0.01, 0),
            "not cut": M,
            "no exp": np.maximum(logs, 0),
            "mean first": np.maximum(np.exp((frames + mean) * 3 * deviation) - 0.01, 0),
            "divided": np.maximum(np.exp(frames / (3 * deviation) + mean) - 0.01, 0),
            "mean subtracted": np.maximum(np.exp(frames * 3 * deviation - mean) - 0.01, 0),
            "0.01 added": np.exp(logs) + 0.01,
            "absolute": abs(M),
            "0.01 inside": np.exp(logs - 0.01),
            "10 to the": np.maximum(10**logs - 0.01, 0),
            "cut at 0.01": np.maximum(M, 0.01),
            "expm1": np.maximum(np.expm1(logs), 0),
            "standardized only": logs,
        }[bug]

    return magnitudes


for bug, hint in {
    "0.01 stays": "0.01",
    "3 forgotten": "3|three",
    "not cut": "0|negative|below",
    "no exp": "exp|log",
    "mean first": "mean|order|first|before|after",
    "divided": "multipl|divide|deviation",
    "mean subtracted": "mean|sign|add",
    "0.01 added": "0.01|sign|subtract",
    "absolute": "negative|0|abs|below",
    "0.01 inside": "0.01|after|exp",
    "10 to the": "natural|exp|base|10",
    "cut at 0.01": "0|cut",
    "expm1": "0.01|expm1|1",
    "standardized only": "exp|log",
}.items():
    add("magnitudes", bug, hint, magnitudes_of(bug))
