"""The exercises of lesson 6, *Batch norm, activations, initialization*."""

from typing import Any

import numpy as np

from . import call, close, exercise
from ._compare import match_letters, random_array
from ._probe import probing

__all__ = ["blind", "he_std", "normalize", "normalize_vjp", "running"]


@exercise("6.1", "He's formula for LeakyReLU")
def he_std(answer: Any) -> None:
    """``he_std(fan_in, slope)`` is sqrt(2 / ((1 + slope^2) fan_in))."""
    for n, a in ((50, 0.2), (100, 0.5), (16, 0.0), (16, 1.0)):
        right = np.sqrt(2 / ((1 + a * a) * n))
        mistakes = [
            (2 / ((1 + a * a) * n), "This is the variance. The standard deviation is its root."),
            (
                np.sqrt(2 / n),
                "This is ReLU's, without the slope. Half of the values keep slope^2 times their square here.",
            ),
            (np.sqrt(1 / n), "This is right without an activation. Which part of E[x^2] is left after it?"),
            (np.sqrt(2 / ((1 + a) * n)), "The signal's size is a mean of squares: the slope counts squared."),
            (np.sqrt((1 + a * a) / (2 * n)), "Upside down: what the activation takes away, the weights must add."),
            (
                np.sqrt((1 + a * a) * 2 / n),
                "Upside down: 1 + slope^2 stands below the line. What the slope leaves of "
                "the "
                "signal, the weights need not add.",
            ),
            (
                np.sqrt(2 / max((1 - a * a) * n, 1e-12)),
                "Look at the sign: the squares of both halves add up, 1 + slope^2.",
            ),
            (np.sqrt(1 / (2 * (1 + a * a) * n)), "The 2 is above the line: half of the values have the factor 1."),
            (np.sqrt(2 / ((1 + a) ** 2 * n)), "1 + slope^2, not (1 + slope)^2: the squares of both halves are added."),
            (np.sqrt(2 / (1 + a * a)), "Where is fan_in? More inputs, a larger sum."),
            (np.sqrt(2 / (1 + a * a)) / n, "n products add their variances, so n is under the root."),
        ]
        close(
            f"he_std({n}, {a})",
            call(answer, n, a),
            right,
            mistakes,
            probe=probing(answer, lambda fan_in, slope: np.sqrt(2 / ((1 + slope**2) * fan_in)), n, a),
        )


def _hat(x: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    r = 1 / np.sqrt(x.var(0) + eps)
    return (x - x.mean(0)) * r, r


@exercise("6.2", "the forward pass")
def normalize(answer: Any) -> None:
    """``normalize(x, weight, bias, eps)`` is batch norm of an array (N, C)."""
    for seed, (n, c, eps) in enumerate([(5, 3, 0.1), (8, 2, 1e-5)]):
        x = random_array(seed, n, c) * 3 + 1
        weight, bias = random_array(seed + 5, 2, c)
        hat, _ = _hat(x, eps)
        right = hat * weight + bias
        centered = x - x.mean(0)
        rows = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps)
        what = f"normalize(x, weight, bias, {eps}) for shape {x.shape}"
        close(what, call(answer, x, weight, bias, eps), right, [
            (rows * weight + bias, "These are the means of the rows (layer norm). Each column has its own."),
            ((x - x.mean()) / np.sqrt(x.var() + eps) * weight + bias, "Each channel has its own mean and variance."),
            (centered / np.sqrt(x.var(0, ddof=1) + eps) * weight + bias, "Divide the sum of squares by N, not N - 1."),
            (centered / (x.std(0) + eps) * weight + bias, "eps is added to the variance, under the root."),
            (centered / (x.var(0) + eps) * weight + bias, "Where is the root? Divide by the standard deviation."),
            (hat, "Where are weight and bias?"),
            (hat * weight, "Where is the bias?"),
            (hat * (weight + bias), "The bias is added after the product with the weight."),
            (hat + bias, "Where is the weight? It multiplies the normalized x, before the bias is added."),
            (x / np.sqrt(x.var(0) + eps) * weight + bias, "Where is the mean? Subtract it before you divide."),
            ((hat + bias) * weight, "The bias is added last: it is not multiplied by the weight."),
            (centered * np.sqrt(x.var(0) + eps) * weight + bias, "Divide by the standard deviation, do not multiply."),
            ((x - np.median(x, 0)) / np.sqrt(x.var(0) + eps) * weight + bias, "Subtract the mean, not the median."),
            (hat * weight - bias, "Look at the sign of the bias."),
            (centered * weight + bias, "Where is the variance?"),
            (centered / np.sqrt(x.var(0)) * weight + bias, "Where is eps?"),
            (hat * bias + weight, "weight and bias are exchanged."),
        ],
         probe=probing(answer, lambda x, weight, bias, eps: _hat(x, eps)[0] * weight + bias, x, weight, bias,
           eps))  # fmt: skip
    constant = call(answer, np.full((4, 1), 2.5), np.ones(1), np.zeros(1), 1e-5)
    close("normalize(x, 1, 0, 1e-5) for a constant channel", constant, np.zeros((4, 1)))


def _gradient(g: np.ndarray, x: np.ndarray, weight: np.ndarray, eps: float) -> np.ndarray:
    """Batch norm's gradient for x."""
    hat, r = _hat(x, eps)
    return weight * r * (g - g.mean(0) - hat * (g * hat).mean(0))


@exercise("6.3", "the backward pass")
def normalize_vjp(answer: Any) -> None:
    """``normalize_vjp(g, x, weight, eps)`` gives the gradients for x, weight and bias."""
    for seed, (n, c, eps) in enumerate([(5, 3, 0.2), (7, 2, 1e-5)]):
        g, x = random_array(seed, 2, n, c)
        weight = random_array(seed + 7, c)
        hat, r = _hat(x, eps)
        mean_g, mean_gh = g.mean(0), (g * hat).mean(0)
        right = weight * r * (g - mean_g - hat * mean_gh)
        what = f"normalize_vjp(g, x, weight, {eps}) for shape {x.shape}"
        gx, gw, gb = call(answer, g, x, weight, eps, expect=3)
        close(f"{what}[2], for bias", gb, g.sum(0), [
            (mean_g, "This is a mean. The bias is added to all N values: their gradients add up."),
            (g.sum(1)[:c] if n >= c else g.sum(0), "This is a sum over the channels. Sum over the batch."),
            ((g * hat).sum(0), "This is the gradient for weight: x comes first, then weight, then bias."),
            ((g * weight).sum(0), "dy = d bias: the weight does not occur."),
            (g, "One number for each value. The bias is added to all N values of a channel: sum them up."),
        ], probe=probing(answer, lambda g, x, weight, eps: g.sum(0), g, x, weight, eps, place=2))  # fmt: skip
        close(f"{what}[1], for weight", gw, (g * hat).sum(0), [
            (mean_gh, "This is a mean. The weight multiplies all N values: their gradients add up."),
            ((g * x).sum(0), "The weight multiplies the normalized x, not x."),
            ((g * (x - x.mean(0))).sum(0), "The weight multiplies the normalized x: divide by the deviation too."),
            ((g * hat * weight).sum(0), "dy = x-hat d weight: the weight itself does not occur."),
            (g.sum(0), "This is the gradient for bias: x comes first, then weight, then bias."),
            (g * hat, "One number for each value. The weight multiplies all N values of a channel: sum them up."),
        ],
         probe=probing(answer, lambda g, x, weight, eps: (g * _hat(x, eps)[0]).sum(0), g, x, weight, eps,
           place=1))  # fmt: skip
        close(f"{what}[0], for x", gx, right, [
            (weight * r * g, "Only the direct way. x also acts through the mean and through the variance."),
            (weight * r * (g - mean_g), "The way through the variance is missing: the term with x-hat."),
            (weight * r * (g - hat * mean_gh), "The way through the mean is missing."),
            (r * (g - mean_g - hat * mean_gh), "Where is the weight?"),
            (weight * (g - mean_g - hat * mean_gh), "Where is 1 / sqrt(var + eps)?"),
            (weight * r * (g - mean_g + hat * mean_gh), "Look at the sign of the term with x-hat."),
            (weight * r * (g + mean_g - hat * mean_gh), "Look at the sign of the mean of g."),
            (weight * r * (g - n * mean_g - hat * n * mean_gh), "The sums are divided by N."),
            (weight * r * (g - mean_g - hat * 2 * mean_gh), "The term of the variance is twice too large: the square "
             "gives 2, the root gives 1/2."),
            (weight * r * (g - mean_g - hat * mean_gh / 2), "The term of the variance is half of what it should be: "
             "the derivative of the square gives 2, that of the root 1/2."),
            (weight * r * (g - mean_g - (x - x.mean(0)) * mean_gh), "The last term has x-hat, not x minus its mean."),
            (weight * r * (g - mean_g - hat * (g * x).mean(0)), "The mean is of g times x-hat, not g times x."),
            (weight / r * (g - mean_g - hat * mean_gh), "1 / sqrt(var + eps) multiplies; here it divides."),
        ], probe=probing(answer, _gradient, g, x, weight, eps, place=0))  # fmt: skip


_ZERO = {"a", "b", "c", "d"}
_WHY = {
    "a": "a: with ones, g minus its mean is 0, and the sum of x-hat is 0.",
    "b": "b: the gradient is linear in g: 7 times that of ones.",
    "c": "c: g = x-hat has mean 0, and the mean of x-hat^2 is 1 for eps = 0: g - x-hat * 1 = 0.",
    "d": "d: x is a constant plus a multiple of x-hat, and both give 0.",
    "e": "e: a single 1 is neither a constant nor a multiple of x-hat.",
    "f": "f: x-hat squared is neither a constant nor a multiple of x-hat.",
}


@exercise("6.4", "which cotangents are blind?")
def blind(answer: Any) -> None:
    """A set of letters: the cotangents whose gradient for x is 0."""
    match_letters(answer, _ZERO, _WHY)


@exercise("6.5", "the running numbers")
def running(answer: Any) -> None:
    """``running(mean, var, N, rho)`` gives the running mean and variance after one batch."""
    for mean, var, n, rho in ((3.0, 2.0, 5, 0.1), (-1.0, 0.5, 3, 0.25)):
        what = f"running({mean}, {var}, {n}, {rho})"
        got_mean, got_var = call(answer, mean, var, n, rho, expect=2)
        close(f"{what}[0], the mean", got_mean, rho * mean, [
            (mean, "This is the batch's own. The running mean takes a share rho of it."),
            (rho * mean * n / (n - 1), "N / (N - 1) belongs to the variance only, not to the mean."),
            ((1 - rho) + rho * mean, "The running mean starts at 0, not at 1 (the variance starts at 1)."),
            ((1 - rho) * mean, "rho is the share of the new batch (PyTorch); in Keras, of the old mean."),
        ], probe=probing(answer, lambda mean, var, N, rho: rho * mean, mean, var, n, rho, place=0))  # fmt: skip
        unbiased = var * n / (n - 1)
        close(f"{what}[1], the variance", got_var, (1 - rho) + rho * unbiased, [
            ((1 - rho) + rho * var, "Here PyTorch takes N - 1, as for an estimate: multiply by N / (N - 1)."),
            (rho * unbiased, "The running variance starts at 1, not at 0."),
            (rho * var, "The running variance starts at 1, not at 0; and its share of the batch has N - 1."),
            (rho + (1 - rho) * unbiased, "rho is the share of the new batch (PyTorch)."),
            ((1 - rho) + rho * var * (n - 1) / n, "The factor is N / (N - 1): dividing by less gives more."),
        ],
         probe=probing(answer, lambda mean, var, N, rho: (1 - rho) + rho * var * N / (N - 1), mean, var, n, rho,
           place=1))  # fmt: skip
