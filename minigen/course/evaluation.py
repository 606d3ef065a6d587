"""The exercises of lesson 13, *How good is it?*."""

import math
from typing import Any

import numpy as np

from . import TODO, Unanswered, Wrong, call, close, exercise
from ._compare import random_array

__all__ = ["expected_coverage", "fid", "inception_score", "kid", "verdict", "which_failure"]

FAULTS = ("three digits are missing", "half are ones", "25 images, each 20 times", "training images", "noise")
"""The failures that `which_failure` asks for."""

ROWS = {
    "floor": {"FID": 0.18, "IS": 9.5, "precision": 0.96, "recall": 0.94, "coverage": 0.70, "TV": 0.05},
    "A": {"FID": 0.13, "IS": 9.5, "precision": 1.00, "recall": 0.96, "coverage": 0.84, "TV": 0.04},
    "B": {"FID": 7.19, "IS": 6.7, "precision": 0.95, "recall": 0.65, "coverage": 0.55, "TV": 0.30},
    "C": {"FID": 1.51, "IS": 9.5, "precision": 0.90, "recall": 0.85, "coverage": 0.44, "TV": 0.05},
    "D": {"FID": 4.01, "IS": 7.2, "precision": 0.84, "recall": math.nan, "coverage": 0.05, "TV": 0.24},
    "E": {"FID": 6.79, "IS": 5.8, "precision": 0.94, "recall": 0.94, "coverage": 0.53, "TV": 0.39},
}
"""What five sets of 500 images with planted failures measure, and what 500 new real images measure (floor)."""


def _finite(what: str, got: Any, hint: str) -> None:
    if np.iscomplexobj(got):
        raise Wrong(
            f"{what}: expected a real number, got {got}. A general matrix root becomes complex by rounding: take the "
            "roots of the eigenvalues, and set those below 0 to 0."
        )
    try:
        finite = bool(np.isfinite(np.asarray(got, np.float64)).all())
    except (TypeError, ValueError):
        return  # `close` says what is wrong
    if not finite:
        raise Wrong(f"{what}: got {got}. {hint}")


@exercise("13.1", "FID by hand")
def fid(answer: Any) -> None:
    """``fid(real, fake)`` is the squared Fréchet distance of two sets of features, (N, D) and (M, D)."""
    for seed, (n, m, d) in enumerate([(40, 60, 2), (50, 50, 3), (200, 90, 5)]):
        real = random_array(seed, n, d) @ random_array(seed + 20, d, d)
        fake = random_array(seed + 10, m, d) @ random_array(seed + 30, d, d) + 0.5
        means = ((real.mean(0) - fake.mean(0)) ** 2).sum()
        one, two = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake))
        traces = np.trace(one) + np.trace(two)
        root = np.sqrt(np.linalg.eigvals(one @ two).real.clip(0)).sum()
        right = means + traces - 2 * root
        with np.errstate(invalid="ignore"):
            of_elements = np.trace(np.sqrt(one @ two))
            of_products = np.trace(np.sqrt(one * two))
        biased = [np.atleast_2d(np.cov(x, rowvar=False, ddof=0)) for x in (real, fake)]
        biased_root = np.sqrt(np.linalg.eigvals(biased[0] @ biased[1]).real.clip(0)).sum()
        what = f"fid(real, fake) for {n} and {m} rows of {d} features"
        got = call(answer, real, fake)
        if np.ndim(got) == 0 and not np.iscomplexobj(got) and got > right + np.trace(np.cov(real)):
            raise Wrong(f"{what}: expected {right:.6g}, got {got:.6g}. Is it the covariance of the *features*? "
                        f"np.cov takes rows "
                        "for variables, unless rowvar=False.")  # fmt: skip
        _finite(what, got, "Is that np.sqrt of a matrix? It takes the root of each element, also of negative ones.")
        mistakes = [
            (means + traces - 2 * of_elements, "np.sqrt takes the root of each *element*. Asked for is the root of a "
             "matrix, R with R @ R = S1 @ S2: its trace is the sum of the roots of the *eigenvalues* of S1 @ S2."),
            (means + traces - 2 * of_products, "This has only the diagonals of the covariances: np.sqrt takes the "
             "root of each *element*, and * multiplies element by element. "
             "The root of the *matrix* S1 @ S2 is needed: use eigenvalues."),
            (means + traces - 2 * d * root, "The root's trace is subtracted once for each feature: take np.trace of "
             "the covariances first, then subtract one number."),
            (means + traces - root, "Where is the 2? The covariance of the two vectors is subtracted twice."),
            (traces - 2 * root, "Where are the means?"),
            (means, "This is the term of the means only. Two sets with equal means may differ in spread."),
            (means + traces - 2 * np.linalg.eigvals(one @ two).real.clip(0).sum(), "Where are the roots? Take the "
                                                                                   "root of each "
             "eigenvalue of S1 @ S2 before you add them up."),
            (means + ((np.sqrt(np.diag(one)) - np.sqrt(np.diag(two))) ** 2).sum(), "This has only the variances, the "
             "diagonals. The features are correlated: the whole covariance counts."),
            (means / d + traces - 2 * root, "|m1 - m2|^2 is a sum over the features, not their mean."),
            (means + traces + 2 * root, "Look at the sign of the last term: equal sets have the distance 0."),
            (traces, "Where are the means, and where is the last term, with the root of S1 @ S2?"),
            (means / d + traces, "Where is the last term, with the root of S1 @ S2? Equal sets have the distance 0."),
            (means + traces - 2 * _roots_of(one * two), "* multiplies element by element. A product of matrices is @."),
            (np.sqrt(means) + traces - 2 * root, "The difference of the means enters squared."),
            (np.sqrt(right), "FID is the *squared* distance: no root at the end."),
            (means + np.trace(biased[0]) + np.trace(biased[1]) - 2 * biased_root,
             "The covariance divides by N - 1 here (np.cov does), as the public implementations do."),
        ]  # fmt: skip
        close(what, got, right, mistakes)


def _roots_of(matrix: np.ndarray) -> float:
    return float(np.sqrt(np.linalg.eigvals(matrix).real.clip(0)).sum())


def _kernel(a: Any, b: Any, power: int = 3, scale: float | None = None, plus: float = 1.0) -> Any:
    return (a @ b.T / (a.shape[1] if scale is None else scale) + plus) ** power


def _kid(real: Any, fake: Any, kept: str = "", cross: float = 2.0, **options: Any) -> float:
    """The estimate, or one with a mistake: the diagonal is kept in the sum and in the count, or in the count only."""
    total = 0.0
    for one in (real, fake):
        k = _kernel(one, one, **options)
        off = k.sum() - np.trace(k)
        total += {"": off / (k.size - len(one)), "sum": k.mean(), "count": off / k.size}[kept]
    return float(total - cross * _kernel(real, fake, **options).mean())


@exercise("13.2", "KID without bias")
def kid(answer: Any) -> None:
    """``kid(real, fake)`` is the unbiased squared distance with the kernel (x . y / D + 1)^3."""
    for seed, (n, m, d) in enumerate([(4, 6, 1), (7, 7, 3), (30, 12, 5)]):
        real, fake = random_array(seed + 40, n, d), random_array(seed + 50, m, d) + 0.3

        if seed == 2:
            fake = real[:m]  # some of the real images: the estimate is below 0
        right = _kid(real, fake)
        pairs = [_kernel(real, real), _kernel(fake, fake), _kernel(real, fake)]
        off = [k.sum() - np.trace(k) for k in pairs]
        means = off[0] / (n * (n - 1)) + off[1] / (m * (m - 1))
        what = f"kid(real, fake) for {n} and {m} rows of {d} features"
        mistakes = [
            (_kid(real, fake, "sum"), "The diagonal is in: each image is paired with itself. Those pairs are always "
             "alike, and "
             "make the distance too large. Leave them out of the sum, and divide by n (n - 1)."),
            (_kid(real, fake, "count"), "The diagonal is left out of the sum, but there are n (n - 1) pairs now, "
             "not n * n."),
            (pairs[0].sum() / (n * (n - 1)) + pairs[1].sum() / (m * (m - 1)) - 2 * pairs[2].mean(),
             "The diagonal is still in the sum: leave the pairs i = j out of it."),
            (off[0] / (n * (n - 1)) + off[1] / (n * (n - 1)) - 2 * pairs[2].sum() / n**2,
             "There are M generated images, not N: each sum has its own number of pairs."),
            (means - 2 * off[2] / (n * m - min(n, m)), "In the mixed sum, real with generated, no pair is an image "
                                                       "with itself: "
             "nothing is left out there."),
            (off[0] / (n * (n + 1)) + off[1] / (m * (m + 1)) - 2 * pairs[2].mean(), "There are N (N - 1) pairs: each "
                                                                                    "image is "
             "paired with the N - 1 others."),
            (means - 2 * off[2] / (n * m), "In the mixed sum nothing is left out: no pair there is an image with "
                                           "itself."),
            (max(right, 0.0), "A negative estimate is cut off at 0. Without bias means that it may be below 0 by "
                              "chance."),
            (abs(right), "An estimate without bias may be below 0 by chance: no absolute value."),
            (_kid(real, fake, cross=1.0), "The mean over the pairs of a real and a generated image is subtracted "
             "twice."),
            (_kid(real, fake, scale=1.0), "The inner product is divided by D, the number of features."),
            (_kid(real, fake, power=1), "The kernel is the third power; with the first, only the means are compared."),
            (_kid(real, fake, power=2), "The third power, not the second."),
            (_kid(real, fake, plus=0.0), "Where is the + 1? Without it the means and covariances do not count by "
             "themselves."),
        ]  # fmt: skip
        close(what, call(answer, real, fake), right, mistakes)


def _score_by_columns(p: np.ndarray) -> float:
    """The score with rows and columns exchanged."""
    mean = p.mean(1) / p.mean(1).sum()
    of_columns = -(p * np.log(np.where(p > 0, p, 1))).sum(0).mean()
    return float(np.exp(-(mean * np.log(mean)).sum() - of_columns))


@exercise("13.3", "the inception score")
def inception_score(answer: Any) -> None:
    """``inception_score(p)`` of probabilities (N, classes) is exp(H(y) - mean H(y | x))."""
    soft = np.exp(random_array(60, 6, 4))
    soft /= soft.sum(1, keepdims=True)
    sure = np.eye(3)[[0, 0, 1, 2, 2, 2]]
    for p, name in ((soft, "6 soft rows"), (sure, "6 rows of zeros and ones"), (np.full((5, 10), 0.1), "5 equal rows")):
        known = np.where(p > 0, p, 1)
        marginal = p.mean(0)
        of_all = -(marginal * np.log(np.where(marginal > 0, marginal, 1))).sum()
        of_each = -(p * np.log(known)).sum(1).mean()
        right = np.exp(of_all - of_each)
        what = f"inception_score(p) for {name}"
        got = call(answer, p)
        _finite(what, got, "A probability can be 0, and 0 log 0 counts as 0 here: log 0 is minus infinity, and 0 times "
                "it is NaN. Take the logarithm only where p > 0.")  # fmt: skip
        mistakes = [
            (of_all - of_each, "This is the exponent: where is exp?"),
            (np.exp(of_each - of_all), "The sign: H of all samples is the *larger* entropy, so the score is at "
             "least 1."),
            (np.exp(of_all), "This is the entropy of all samples. How sure is the judge of each one?"),
            (2 ** (of_all - of_each), "exp belongs to the natural logarithm; 2 to the power belongs to log2."),
            (np.exp(-of_each), "This has the entropy of single samples only. Where is H of their mean p(c)?"),
            (np.exp(p.max(1).mean()), "Where are the entropies? H(p) = -sum p log p."),
            (np.exp(of_all) / np.exp(-(p * np.log(known)).sum(1)).mean(), "Take the mean of the entropies first, "
                                                                          "then exp of the "
             "difference, once."),
            (np.exp(of_all + of_each), "Look at the sign: the mean entropy of the samples is subtracted."),
            (np.exp((of_all - of_each) / np.log(2)), "log2 does not go with exp: take the natural logarithm."),
            (np.exp((of_all - of_each) / p.shape[1]), "An entropy is a sum over the classes, not their mean."),
            (np.exp(of_all + (p * np.log(known)).sum(1)).mean(), "Take the mean of the entropies first, then exp of "
                                                                 "the "
             "difference, once."),
            (_score_by_columns(p), "The axes are exchanged: p(c) is the mean over the samples, axis 0; the entropy "
                                   "is a sum over "
             "the classes, axis 1."),
            (np.exp(of_each), "This is the entropy of single samples only."),
        ]  # fmt: skip
        close(what, got, right, mistakes)


@exercise("13.4", "the coverage of a perfect model")
def expected_coverage(answer: Any) -> None:
    """``expected_coverage(real, fake, k)``: how many balls of real images hold a sample if both have one "
    "distribution.
    """
    for real, fake, k in ((20, 15, 3), (2000, 500, 5), (2000, 1000, 5), (10, 10, 1)):
        empty = math.prod((real - i) / (real + fake - i) for i in range(1, k + 1))
        right = 1 - empty
        what = f"expected_coverage({real}, {fake}, {k})"
        mistakes = [
            (1.0, "A perfect model does not have coverage 1: by chance the k nearest of all other images may all be "
             "real, "
             "and then the ball of this image is empty. (That all k are real is a product of k factors; chances for "
             "each of them do not add up.)"),
            (empty, "This is the probability that a ball is *empty*."),
            (min(1.0, k * fake / (real + fake - 1)), "The k neighbors are not independent chances that add up: "
                                                     "multiply the "
             "probabilities that the first, the next ... are all real."),
            (1 - 0.5**k, "The nearest is not real with probability 1/2: it depends on how many real and generated "
                         "there are."),
            (1 - math.prod((fake - i) / (real + fake - 1 - i) for i in range(k)), "Above the line stands the number "
                                                                                  "of *real* "
             "images that are left: the ball is empty of samples if all its neighbors are real."),
            (1 - math.prod((real - i) / (real + fake - i) for i in range(1, k + 2)), "There are k factors: one for "
                                                                                     "each "
             "neighbor. Here is one too many."),
            (1 - (real - 1) / (real + fake - 1), "This is the first factor only: all k neighbors have to be real."),
            (1 - math.prod((real - i) / (real + fake - 1) for i in range(1, k + 1)), "Below the line one image less "
                                                                                     "is left, "
             "too, each time."),
            (1 - ((real - 1) / (real + fake - 1)) ** k, "An image that was taken is gone: each factor has one image "
             "less."),
            (1 - (real / (real + fake)) ** k, "The image itself is not among its neighbors: N - 1 real ones are "
             "left; and "
             "each that is taken is gone."),
            (1 - math.prod((real - i) / (real + fake - i) for i in range(k)), "i begins at 1: the image itself is "
             "not among "
             "its neighbors."),
            (fake / (real + fake), "This is the probability that *one* neighbor is generated. The ball holds k of "
             "them."),
        ]  # fmt: skip
        close(what, call(answer, real, fake, k), right, mistakes)


@exercise("13.5", "which failure is this row?")
def which_failure(answer: Any) -> None:
    """``which_failure`` is a dict from "A" to "E" to one of `FAULTS`."""
    if callable(answer):
        raise Wrong('which_failure is a dict such as {"A": "noise", ...}, not a function.')
    if not isinstance(answer, dict) or any(value in (None, ...) for value in answer.values()):
        raise Unanswered(TODO)
    right = dict(zip("ABCDE", (FAULTS[3], FAULTS[0], FAULTS[4], FAULTS[2], FAULTS[1])))
    hints = {
        "A": "Its precision is exactly 1, and its coverage above that of new real images. What is nearer to the "
        "real images "
        "than new ones are?",
        "B": "Every sample is realistic (precision as new images), but a third of the real images is not reached by "
        "any "
        "(recall), and the shares of the classes are off (TV).",
        "C": "Everything is a little worse, and the classes have their right shares.",
        "D": "Most samples are realistic (precision), but hardly any ball of a real image holds a sample "
        "(coverage), and recall has no "
        "meaning (nan): most samples have balls of radius 0.",
        "E": "Recall is that of real images, so nothing is missing; but the shares of the classes are off (TV), and "
        "the "
        "inception score is low.",
    }
    for name, fault in right.items():
        given = answer.get(name)
        if given not in FAULTS:
            raise Wrong(f"row {name}: expected one of {', '.join(FAULTS)}; got {given!r}.")
        if given != fault:
            raise Wrong(f"row {name} is not {given!r}. {hints[name]}")


@exercise("13.6", "FID 0.024: the best model of all?")
def verdict(answer: Any) -> None:
    """``verdict(value, floor, sd)`` of a distance: "worse", "no difference" or "alarm", at two standard deviations."""
    for value, floor, sd, right in (
        (3.2, 0.070, 0.013, "worse"),
        (0.08, 0.070, 0.013, "no difference"),
        (0.047, 0.070, 0.013, "no difference"),
        (0.024, 0.070, 0.013, "alarm"),
        (0.3, 0.6, 0.1, "alarm"),
        (0.9, 0.6, 0.1, "worse"),
        (0.75, 0.25, 0.25, "no difference"),  # exactly two
    ):
        what = f"verdict({value}, {floor}, {sd})"
        got = call(answer, value, floor, sd)
        if got == right:
            continue
        if not isinstance(got, str):
            words = '"worse", "no difference", "alarm", "best"'
            raise Wrong(f"{what}: got {got!r}; expected one of the words {words}.")
        if right == "alarm":
            if got == "no difference":
                raise Wrong(f"{what}: got {got!r}. It is more than two standard deviations below the floor: is the "
                            "limit two, and does it hold on both sides (the absolute value)? Below the floor is what "
                            "copies look like.")  # fmt: skip
            raise Wrong(
                f"{what}: got {got!r}. The samples are nearer to the training images than *new real images* are. A "
                "model "
                "that learned the distribution perfectly is at the floor, not below: this is what copies look like. "
                'Expected "alarm".'
            )
        if right == "no difference":
            raise Wrong(
                f"{what}: got {got!r}. The value is within two standard deviations of what real images have, so "
                "nothing is known about the sign of the difference. At most two: exactly two counts, too. Expected "
                '"no difference".'
            )
        raise Wrong(f'{what}: got {got!r}. It is far above the floor. Expected "worse".')
