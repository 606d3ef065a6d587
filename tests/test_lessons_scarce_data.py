"""Lesson 15: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

from minigen.course import scarce_data as fifteenth


def _last_only(g, index, weight, size):
    x = np.zeros(size)
    for k in range(len(index)):
        inside = index[k] >= 0
        x[index[k][inside]] += (weight[k] * g)[inside]
    return x


def _last_wrapped(g, index, weight, size):
    x = np.zeros(size)
    for k in range(len(index)):
        x[index[k]] += weight[k] * g
    return x


def _wrapped(g, index, weight, size):
    x = np.zeros(size)
    np.add.at(x, index, weight * g)
    return x


def _centres(images):
    total = images.sum((1, 2))
    rows, columns = (np.arange(n) for n in images.shape[1:])
    return (images.sum(2) * rows).sum(1) / total, (images.sum(1) * columns).sum(1) / total


def _se(a, b, ddof=1, root=True):
    return (b - a).mean(), (b - a).std(ddof=ddof) / (np.sqrt(len(a)) if root else 1)


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (fifteenth.warp_adjoint, _last_only, "keeps only the last"),
        (fifteenth.warp_adjoint, _wrapped, "adds nothing"),
        (fifteenth.warp_adjoint, _last_wrapped, "same place: use np.add.at. And a place of -1"),
        (fifteenth.warp_adjoint, lambda g, i, w, n: (w * np.resize(g, n)[np.maximum(i, 0)]).sum(0), "gathers again"),
        (fifteenth.through_t, {"detached": "dg", "gradient to G": ""}, "G never learns"),
        (fifteenth.through_t, {"detached": "rd", "gradient to G": "g"}, "r is data"),
        (fifteenth.through_t, {"detached": "", "gradient to G": "dg"}, "must not update G"),
        (fifteenth.through_t, {"detached": "x", "gradient to G": ""}, "letters from"),
        (fifteenth.through_t, {"detached": "d"}, "Expected a dictionary"),
        (fifteenth.spread, lambda x: np.sqrt(sum(c.var() for c in _centres(x))), "take their mean"),
        (fifteenth.spread, lambda x: np.mean([c.var() for c in _centres(x)]), "Take its root"),
        (fifteenth.spread, lambda x: np.mean([c.std() for c in _centres(x)]), "mean of the variances"),
        (fifteenth.paired, lambda a, b: _se(b, a), "The sign"),
        (fifteenth.paired, lambda a, b: _se(a, b, root=False), "standard deviation of one difference"),
        (fifteenth.paired, lambda a, b: _se(a, b, ddof=0), "ddof=1"),
        (fifteenth.paired, lambda a, b: ((b - a).mean(), np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 5)), "independent"),
        (fifteenth.paired, lambda a, b: (b - a).mean(), "expected two numbers"),
    ],
)
def test_a_mistake_is_recognised(check, answer, reason):
    verdict = check(answer)
    assert verdict.state not in ("right", "not answered yet") and reason in str(verdict)
