"""The exercises of lesson 14, *What the articles got wrong*."""

from typing import Any

import numpy as np

from .. import functional as F
from .. import losses, nn
from ..backend import manual_seed
from ..data import Dataset
from ..engine import no_grad
from ..optim import Adam
from ..tensor import Tensor, tensor
from . import Wrong, call, close, exercise
from ._compare import match_causes, match_letters, random_array
from ._probe import probing

__all__ = ["diagnosis", "repaired_d", "repaired_encoder", "true_sentences"]


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -a))


@exercise("14.1", "repair the loss")
def repaired_d(answer: Any) -> None:
    """``repaired_d(real, fake)`` is softplus(-real).mean() + softplus(fake).mean(), on arrays."""

    def soft(a: np.ndarray) -> np.ndarray:
        return np.logaddexp(0, a)

    for seed, (n, m) in enumerate([(4, 4), (2, 6)]):
        real, fake = random_array(seed, n) * 3, random_array(seed + 9, m) * 3
        right = soft(-real).mean() + soft(fake).mean()
        close(f"repaired_d(real, fake) for {n} real and {m} generated images", call(answer, real, fake), right, [
            (-right, "This is V, which D wants large. A loss is minimized: negate it."),
            (-soft(-real).mean(), "This is the listing's loss: the mean of log D(x), without its minus."),
            (soft(-real).mean(), "Where are the generated images? Without them 'real' is always right."),
            (soft(fake).mean(), "Where are the real images?"),
            (soft(real).mean() + soft(-fake).mean(), "Real and generated are exchanged."),
            (soft(-real).mean() - soft(fake).mean(), "Both logarithms have a minus: the two terms are added."),
            (soft(-real).sum() + soft(fake).sum(), "These are sums: the loss would grow with the batch."),
            (soft(-_sigmoid(real)).mean() + soft(_sigmoid(fake)).mean(), "The sigmoid is in it twice: this loss "
                                                                         "expects logits, "
             "and cannot fall below 1.0064."),
            (soft(-real).mean() + soft(-fake).mean(), "Generated images have the label 0: look at the sign of their "
                                                      "logit."),
            (soft(real).mean() + soft(fake).mean(), "Real images have the label 1: look at the sign of their logit."),
            *((-np.log(_sigmoid(real) + tiny).mean() - np.log(1 - _sigmoid(fake) + tiny).mean(),
               "A small number is added inside of the logarithm: use logits alone.") for tiny in (1e-6, 1e-7)),
            (soft(-fake).mean(), "This is the generator's loss. D's has two terms, for real and for generated images."),
            (np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean(), "This is the hinge loss. Asked for is "
                                                                              "the one "
             "with logarithms, softplus."),
            (right / 2, "This is half of it: the two means are added, not averaged."),
            (np.concatenate([soft(-real), soft(fake)]).mean(), "Each kind of image has its own mean."),
        ], probe=probing(answer, lambda real, fake: soft(-real).mean() + soft(fake).mean(), real, fake))  # fmt: skip
    with np.errstate(all="ignore"):
        large = call(answer, np.array([800.0, -800.0]), np.array([-800.0, 800.0]))
    if not np.isfinite(large) or not np.isclose(large, 800.0):
        raise Wrong(f"repaired_d is right for small logits, but for logits of 800 and -800 it is {large}, not 800. "
                    "-log D is log(1 + exp(-logit)) = np.logaddexp(0, -logit).")  # fmt: skip


def _draw(heads: np.ndarray, eps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mu, log_var = np.split(heads, 2, axis=1)
    return mu + np.exp(log_var / 2) * eps, 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(1)


@exercise("14.2", "repair the encoder")
def repaired_encoder(answer: Any) -> None:
    """``repaired_encoder(heads, eps)`` gives codes (N, d) and the KL of each image (N,)."""
    for seed, (n, d) in enumerate([(3, 2), (4, 5)]):
        heads, eps = random_array(seed, n, 2 * d), random_array(seed + 5, n, d)
        mu, log_var = heads[:, :d], heads[:, d:]
        z = mu + np.exp(log_var / 2) * eps
        terms = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var)
        what = f"repaired_encoder(heads, eps) for N = {n}, d = {d}"
        got_z, got_kl = call(answer, heads, eps, expect=2)
        close(f"{what}[0], the codes", got_z, z, [
            (mu + np.exp(log_var) * eps, "This takes log_var for the log of the deviation. It is that of the variance: "
                                         "sigma = exp(log_var / 2)."),
            (mu + log_var * eps, "log_var is a logarithm: take exp(log_var / 2)."),
            (mu, "This is the mean. Where is the noise?"),
            (eps, "This depends on nothing: no gradient reaches the encoder."),
            (mu + eps, "Where is sigma?"),
            (log_var + np.exp(mu / 2) * eps, "The means come first, then the log-variances."),
            (heads[:, ::2] + np.exp(heads[:, 1::2] / 2) * eps, "Means and log-variances do not alternate: the first "
                                                               "d columns "
             "are the means, the last d the log-variances."),
            (np.maximum(z, 0), "A ReLU cuts off the negative codes. A code may be any number."),
            (mu + np.exp(log_var / 2), "Where is the noise eps?"),
            (mu + np.exp(-log_var / 2) * eps, "Look at the sign: sigma grows with log_var."),
        ], probe=probing(answer, lambda heads, eps: _draw(heads, eps)[0], heads, eps, place=0))  # fmt: skip
        close(f"{what}[1], the KL", got_kl, terms.sum(1), [
            (terms.mean(1), "This is a mean over the dimensions. Their KLs add up."),
            (terms.sum(), "This is one number for the whole batch; asked for is one for each image."),
            (terms.sum(1).mean(), "This is the mean over the images; asked for is one number for each."),
            (terms, "Sum over the dimensions."),
            (2 * terms.sum(1), "Where is the 1/2?"),
            (-terms.sum(1), "Look at the sign: a KL is never negative."),
            (0.5 * (mu**2 + np.exp(2 * log_var) - 1 - 2 * log_var).sum(1), "This KL takes log_var for the log of the "
             "deviation."),
            (0.5 * (mu**2 + np.exp(log_var) - 1 + log_var).sum(1), "Look at the sign of the last term: minus log_var."),
            (0.5 * (mu**2).sum(1), "This is the part of the means only. The variance counts, too: exp(log_var) - 1 - "
                                   "log_var."),
            (0.5 * (mu + np.exp(log_var) - 1 - log_var).sum(1), "mu enters squared."),
            (0.5 * (mu**2 + np.exp(log_var / 2) - 1 - log_var).sum(1), "The variance is exp(log_var); exp(log_var / "
                                                                       "2) is the "
             "deviation."),
            (0.5 * (z**2 + np.exp(log_var) - 1 - log_var).sum(1), "It is mu that enters squared, not the code z that "
                                                                  "was drawn."),
            (0.5 * (mu**2 + np.exp(log_var) - log_var).sum(1), "Where is the -1? At mu = 0 and sigma = 1 the KL is 0."),
        ], probe=probing(answer, lambda heads, eps: _draw(heads, eps)[1], heads, eps, place=1))  # fmt: skip


_TRUE = {"c", "e", "g"}
_WHY = {
    "a": "a: a VAE has no discriminator. beta weights the KL against the reconstruction.",
    "b": "b: the Inception score never sees a real image.",
    "c": "c: true: G can leave kinds of images out, and no term of the loss says so directly.",
    "d": "d: a generated image has no real partner. Compare distributions.",
    "e": "e: true: that is data augmentation. (Flipped digits may have the wrong label.)",
    "f": "f: no pixel of a real image occurs in G's loss. All it learns comes through D.",
    "g": "g: true: a mean and a variance for each dimension of z.",
}


@exercise("14.3", "true or false?")
def true_sentences(answer: Any) -> None:
    """A set of letters: the sentences that are true."""
    match_letters(answer, _TRUE, _WHY)


# ---- 14.4: six VAEs

_BUGS = {1: "e", 2: "a", 3: "c", 4: "f", 5: "d", 6: "b"}
_SIGNS = {
    1: "The KL is small, sigma stays near 1, the true -ELBO is far above the sum. Which program never uses its sigma?",
    2: "The sum of the two terms is the true -ELBO, and the KL is moderate. Which training is this?",
    3: "The KL is 0: the codes say nothing. What makes the reconstruction so cheap that no code is worth its KL?",
    4: "The KL is large, sigma is almost 0, the means are far from the prior. What does not count in this loss?",
    5: "The KL is enormous, and everything else is ruined. What rewards a large KL?",
    6: "Nearly right, but the sum is less than the true -ELBO, and sigma is smaller than in log 2. Which program has "
       "two meanings of log_var?",
}  # fmt: skip
_LATENT = 8


def train_mysteries(dataset: Dataset, steps: int = 400, seed: int = 0) -> dict[int, dict[str, float]]:
    """Train the six VAEs of exercise 14.4 and return what their logs show.

    Parameters
    ----------
    dataset : Dataset
        Images in [-1, 1]; the last 200 are kept for the true ELBO.
    steps, seed : int

    Returns
    -------
    dict from the number of a log to its numbers
    """
    return {number: _train_vae(dataset, bug, steps, seed) for number, bug in _BUGS.items()}


def _terms(encoder: nn.Module, decoder: nn.Module, x: Tensor, eps: Tensor, bug: str) -> tuple[Tensor, ...]:
    """Reconstruction and KL as the program computes them, and mean and deviation of the codes."""
    mu, log_var = encoder(x).chunk(2, 1)
    sigma = (log_var if bug == "b" else 0.5 * log_var).exp()
    z = mu if bug == "e" else mu + sigma * eps
    pixels = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="none")
    reconstruction = pixels.mean() if bug == "c" else pixels.sum(1).mean()
    return reconstruction, losses.gaussian_kl(mu, log_var).mean(), mu, sigma


def _train_vae(dataset: Dataset, bug: str, steps: int, seed: int) -> dict[str, float]:
    manual_seed(seed)
    random = np.random.default_rng(seed)
    data = ((dataset.images.reshape(len(dataset), -1) + 1) / 2).astype(np.float32)
    size = data.shape[1]
    encoder = nn.Sequential(nn.Linear(size, 64), nn.LeakyReLU(0.2), nn.Linear(64, 2 * _LATENT))
    decoder = nn.Sequential(nn.Linear(_LATENT, 64), nn.LeakyReLU(0.2), nn.Linear(64, size))
    optimizer = Adam([*encoder.parameters(), *decoder.parameters()], 2e-3)
    for _ in range(steps):
        x = tensor(data[random.integers(0, len(data) - 200, 64)])
        eps = tensor(random.normal(size=(64, _LATENT)).astype(np.float32))
        reconstruction, kl, mu, sigma = _terms(encoder, decoder, x, eps, bug)
        weight = {"d": -1.0, "f": 0.0}.get(bug, 1.0)
        loss = reconstruction + weight * kl
        optimizer.zero_grad()
        loss.backward()
        if not np.isfinite(loss.item()):
            break
        optimizer.step()
    with no_grad():
        x = tensor(data[-200:])
        eps = tensor(random.normal(size=(200, _LATENT)).astype(np.float32))
        true = _terms(encoder, decoder, x, eps, "a")
        reconstruction, kl, mu, sigma = _terms(encoder, decoder, x, eps, bug)
    return {
        "reconstruction": reconstruction.item(), "kl": kl.item(), "negative_elbo": true[0].item() + true[1].item(),
        "mu": float(abs(mu.numpy()).max()), "sigma": float(sigma.numpy().min()),
    }  # fmt: skip


@exercise("14.4", "which bug belongs to which log?")
def diagnosis(answer: Any) -> None:
    """A dictionary from the number of each log to the letter of its bug."""
    match_causes(answer, _BUGS, _SIGNS, "log", "1 to 6")
