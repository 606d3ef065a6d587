r"""Whether a model tells which images it was trained on: membership inference.

A model that has memorized its training images treats them differently from new ones.  A discriminator gives them a
higher output, a VAE a higher bound on $\log p(x)$.  Somebody who can compute this *score* can then guess which images
were in the training set, also where no sample is a copy.  For digits that does no harm; for photographs of patients it
does.  (`minigen.metrics.memorization` asks the other question: whether the *samples* repeat training images.)

**The number** is the area under the ROC curve: the probability that a random member $x$ (an image of the training)
has a higher score $s$ than a random non-member $y$, where equal scores count one half,

$$A = P(s(x) > s(y)) + \tfrac12 P(s(x) = s(y)), \qquad
\hat A = \frac{1}{mn} \sum_{i,j} \psi(s(x_i), s(y_j)), \quad \psi \in \{0, \tfrac12, 1\}$$

0.5: the score says nothing about membership.  1: it always does.  $mn\hat A$ is the Mann-Whitney U.

**The interval** is DeLong's, on the scale of the logit.  With $a_i = \frac1n \sum_j \psi(s(x_i), s(y_j))$, the share
of non-members below member $i$, and $b_j$, the share of members above non-member $j$, the variance of $\hat A$ is
$\operatorname{var}(a)/m + \operatorname{var}(b)/n$ (with $m - 1$ and $n - 1$): $\hat A$ is a mean over members and
over non-members, and to first order the errors of the two samples add.  The exact distribution of U (Mann-Whitney)
would give no interval: it is known only if members and non-members have the same distribution, that is for $A = 0.5$.
So it gives the width of *chance*, $\sqrt{(m+n+1)/(12mn)}$, which is printed beside.  Where every member is above
every non-member, DeLong's variance is 0.  There the limit is exact: $k = \min(m, n)$ disjoint pairs are independent,
and all of them are in order with the probability $A^k$; so $A \ge (\alpha/2)^{1/k}$.

**Members and non-members must differ in nothing else.**  A test set that was collected later or by others differs too,
and a score may see that.  The last 100 of each class of mnist5k, its test images, are such a case.  The training images
that ``minigen train --images N`` left out are the right non-members: chance decided which images were used.

**What it cannot see.**  A score is one attack; a better one may find more.  The area is a mean over all members: a
model that has memorized five images of 4,000 has an area of 0.5006.  For this there is ``caught``, the share of members
above 99 % of the non-members (chance: 1 %); it does not resolve single images either.  The interval is about the choice
of images; it does not contain the spread over trainings with other seeds.

Sources: Hayes et al. 2019, LOGAN (arXiv 1705.07663): the score of D.  Hilprecht et al. 2019, Monte Carlo and
reconstruction membership inference attacks: the bound of a VAE.  DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:
the variance.  Carlini et al. 2022 (arXiv 2112.03570): why a mean over all members is not enough.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import Dataset
from ..data.dataset import random_subset
from ..models import BaseGAN, BaseVAE
from .likelihood import elbo
from .uncertainty import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Membership", "auc", "membership", "membership_scores"]

_RARE = 0.01  # the share of non-members above the limit of `caught`
_NORMAL = 1.959963984540054  # the quantile 0.975 of N(0, 1)
_ROUNDS = 5  # batches or codes over which the score of an image is averaged


@dataclass(frozen=True)
class Membership:
    """What a score tells about membership.

    Parameters
    ----------
    score : str
        What the score is, in words.
    members, others : int
        How many images of the training and how many new ones were compared.
    auc : Interval
        The probability that a member has the higher score, see `auc`.
    chance : float
        Half of the interval that 95 % of the areas are in if the score says nothing: 0.5 plus or minus this.
    caught : float
        Share of members with a higher score than 99 % of the others; 0.01 if the score says nothing.
    """

    score: str
    members: int
    others: int
    auc: Interval
    chance: float
    caught: float

    @property
    def verdict(self) -> str:
        """Say in one sentence what the area means.

        Examples
        --------
        >>> Membership("output of D", 100, 1000, Interval(0.81, 0.02, 0.77, 0.84), 0.059, 0.2).verdict
        'the output of D tells training images from new ones in 81 % of the pairs: the training set leaks'
        """
        if math.isnan(self.auc.value):
            return f"the {self.score} is not a number: the training diverged"
        share = f"{self.auc.value:.0%}".replace("%", " %")
        if self.auc.low > 0.5 and self.auc.value > 0.5 + self.chance:
            return (
                f"the {self.score} tells training images from new ones in {share} of the pairs: the training set leaks"
            )
        if self.auc.high < 0.5 and self.auc.value < 0.5 - self.chance:
            return (
                f"training images have the lower {self.score} in {1 - self.auc.value:.0%} of the pairs, which no "
                "memory of them explains: the new images are of another kind"
            ).replace("%", " %")
        most = f"{max(self.auc.high, 0.5):.0%}".replace("%", " %")
        return (
            f"the {self.score} does not tell training images from new ones (at most {most} of the pairs; guessing 50 %)"
        )


def membership(model: Any, members: Dataset, others: Dataset, n: int = 1000, seed: int = 0) -> Membership:
    """Measure whether a model's own score tells images that it was trained on from others.

    Parameters
    ----------
    model : BaseGAN or BaseVAE
    members : Dataset
        Images of the training.
    others : Dataset
        Images that the model has not seen; they should differ from `members` in nothing else.
    n : int
        How many of each at most.
    seed : int
        Of the choice of images and of the noise.

    Returns
    -------
    Membership
        With NaN if the scores are not finite, because the training diverged.

    Raises
    ------
    ValueError
        If the model has no score, or there are fewer than two images of one kind.

    Examples
    --------
    >>> import minigen as mg
    >>> train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    >>> mg.manual_seed(0)
    >>> found = membership(mg.models.build("vae", size=8, width=4), train, test)  # not trained: it knows none of them
    >>> abs(found.auc.value - 0.5) < 2 * found.chance
    True
    """
    chosen = [random_subset(one, min(len(one), n), seed) if len(one) else one for one in (members, others)]
    if min(map(len, chosen)) < 2:
        raise ValueError(f"membership: expected at least 2 images of each kind, got {len(members)} and {len(others)}")
    count = len(chosen[0])
    images = np.concatenate([one.images for one in chosen])
    labels = np.concatenate([one.labels for one in chosen]) if getattr(model, "classes", 0) else None
    scores = membership_scores(model, images, labels, np.random.default_rng(seed))
    rest = len(scores) - count
    chance = _NORMAL * math.sqrt((count + rest + 1) / (12 * count * rest))
    if not np.isfinite(scores).all():
        return Membership(_name(model), count, rest, Interval(*[math.nan] * 4), chance, math.nan)
    above = float((scores[:count] > np.quantile(scores[count:], 1 - _RARE)).mean())
    return Membership(_name(model), count, rest, auc(scores[:count], scores[count:]), chance, above)


def _name(model: Any) -> str:
    return "ELBO" if isinstance(model, BaseVAE) else "output of D"


def membership_scores(
    model: Any, images: "NDArray[Any]", labels: Any = None, generator: np.random.Generator | None = None
) -> "NDArray[np.float64]":
    """Compute the score of each image: D's output, or the bound of a VAE.

    A batch norm of D normalizes each image with the others of its batch.  So members and non-members go through D in
    mixed batches, in random order: of batches of one kind it would normalize the difference away.  The score is the
    mean over 5 random orders; that of a VAE is the mean over 5 codes.

    Parameters
    ----------
    model : BaseGAN or BaseVAE
    images : ndarray (N, C, H, W)
        In [-1, 1], members and non-members.
    labels : ndarray of int (N,), optional
        For a conditional model.
    generator : numpy.random.Generator, optional
        Source of the orders and codes; by default always the same.

    Returns
    -------
    ndarray (N,), float64

    Raises
    ------
    ValueError
        If the model is neither a GAN nor a VAE, or the images do not fit it.
    """
    generator = np.random.default_rng(0) if generator is None else generator
    if isinstance(model, BaseVAE):
        bounds = [elbo(model, images, labels, generator) for _ in range(_ROUNDS)]
        return np.mean(bounds, axis=0)
    if not isinstance(model, BaseGAN):
        name = getattr(model, "name", type(model).__name__)
        raise ValueError(f"membership: expected a model with a discriminator or with a bound on p(x), got {name}")
    total = np.zeros(len(images))
    size = min(model.BATCH_SIZE, len(images))
    for _ in range(_ROUNDS):
        order = generator.permutation(len(images))
        for start in range(0, len(order), size):
            # The last batch is filled with images of the beginning: batch norm needs batches of one size.
            part = order[np.arange(start, start + size) % len(order)]
            scores = model.score(images[part], None if labels is None else labels[part])
            new = min(size, len(order) - start)
            total[part[:new]] += scores[:new]
    return total / _ROUNDS


def auc(positive: Any, negative: Any, confidence: float = 0.95) -> Interval:
    """Compute the area under the ROC curve with its interval; the file's first paragraphs derive both.

    Parameters
    ----------
    positive, negative : ndarray (M,), (N,)
        Scores of the two kinds, at least 2 of each; equal scores count one half.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    Interval
        With DeLong's standard error, which is 0 if the kinds are separated completely.

    Raises
    ------
    ValueError
        If there are fewer than two scores of a kind, one is NaN, or `confidence` is out of range.

    Examples
    --------
    >>> found = auc([3.0, 4.0, 5.0, 9.0], [1.0, 2.0, 3.0, 6.0])
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (0.78125, 0.27, 0.97)
    >>> round(auc(np.arange(100) + 1.0, -np.arange(1000.0)).low, 4)  # separated: 0.025^(1/100)
    0.9638
    """
    from statistics import NormalDist

    above, below = (np.asarray(scores, np.float64) for scores in (positive, negative))
    for scores in (above, below):
        if scores.ndim != 1 or len(scores) < 2 or np.isnan(scores).any():
            raise ValueError(f"auc: expected at least 2 scores (N,) of each kind without NaN, got {scores.shape}")
    if not 0 < confidence < 1:
        raise ValueError(f"auc: expected a confidence between 0 and 1, got {confidence}")
    # The shares of the other kind below each score, with equal ones counted half: by two binary searches.
    below_each = _share_below(above, np.sort(below))
    above_each = 1 - _share_below(below, np.sort(above))
    value = float(below_each.mean())
    se = math.sqrt(below_each.var(ddof=1) / len(above) + above_each.var(ddof=1) / len(below))
    tail = (1 - confidence) / 2
    if se == 0 or not 0 < value < 1:
        limit = tail ** (1 / min(len(above), len(below)))
        return Interval(value, se, *((limit, 1.0) if value == 1 else (0.0, 1 - limit) if value == 0 else (0.0, 1.0)))
    half = NormalDist().inv_cdf(1 - tail) * se / (value * (1 - value))
    logit = math.log(value / (1 - value))
    low, high = (1 / (1 + math.exp(-end)) if end > -700 else 0.0 for end in (logit - half, logit + half))
    return Interval(value, se, low, high)


def _share_below(scores: "NDArray[Any]", ordered: "NDArray[Any]") -> "NDArray[np.float64]":
    """The share of the ordered numbers below each score, plus half of the share that equals it."""
    first, last = (np.searchsorted(ordered, scores, side) for side in ("left", "right"))
    return (first + last) / (2 * len(ordered))
