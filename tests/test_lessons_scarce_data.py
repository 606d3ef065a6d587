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


def _kept(weights, threshold, of=np.abs):
    return [of(w) >= t for w, t in zip(weights, threshold)]


def _sorted(weights, share, of=np.abs):
    sizes = np.sort(np.concatenate([of(w).ravel() for w in weights]))
    return sizes[int(share * len(sizes))]


def _all(weights):
    return np.concatenate([np.abs(w).ravel() for w in weights])


def _split(mask, weights):
    ends = np.cumsum([w.size for w in weights])[:-1]
    return [part.reshape(w.shape) for part, w in zip(np.split(mask, ends), weights)]


def _quantize(w, levels=127, round_to=np.rint, axis=1):
    largest = np.abs(w).max(axis, keepdims=True)
    scales = np.where(largest > 0, largest / levels, 1)
    return round_to(w / scales), scales.ravel()


def _signed(w):
    scales = np.where((w != 0).any(1), w.max(1) / 127, 1)
    return np.rint(w / scales[:, None]), scales


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
        (fifteenth.kept, lambda w, s: [~m for m in _kept(w, [_sorted(w, s)] * 3)], "large ones"),
        (fifteenth.kept, lambda w, s: _kept(w, [_sorted([v], s) for v in w]), "threshold for each array"),
        (fifteenth.kept, lambda w, s: _kept(w, [_sorted(w, s, np.array)] * 3, np.array), "absolute values"),
        (fifteenth.kept, lambda w, s: _kept(w, [_sorted(w, 1 - s)] * 3), "keeps the share"),
        (fifteenth.kept, lambda w, s: _kept(w, [s * max(np.abs(v).max() for v in w)] * 3), "*number* of weights"),
        (fifteenth.kept, lambda w, s: _kept(w, [s] * 3), "not a threshold"),
        (fifteenth.kept, lambda w, s: [np.abs(v) > _sorted(w, s) for v in w], "too few"),
        (fifteenth.kept, lambda w, s: [v * m for v, m in zip(w, _kept(w, [_sorted(w, s)] * 3))], "(bool)"),
        (fifteenth.kept, lambda w, s: _kept(w, [_sorted(w, s)] * 3, np.array), "compare the absolute values"),
        (fifteenth.kept, lambda w, s: _kept(w, [np.percentile(_all(w), s)] * 3), "np.percentile counts"),
        (fifteenth.kept, lambda w, s: _kept(w, [np.sort(_all(w))[round(s * 29)]] * 3), "int cuts off"),
        (fifteenth.kept, lambda w, s: _split(np.argsort(_all(w)) >= int(s * 29), w), "not the rank"),
        (fifteenth.kept, lambda w, s: _split(np.arange(29) >= int(s * 29), w), "not the smallest"),
        (fifteenth.kept, lambda w, s: [v.fill(1) for v in w], "weights were changed"),
        (fifteenth.kept, lambda w, s: _sorted(w, s), "expected a list"),
        (fifteenth.quantize, lambda w: _quantize(w, 128), "127, not 128"),
        (fifteenth.quantize, lambda w: _quantize(w, round_to=np.trunc), "cuts off"),
        (fifteenth.quantize, lambda w: _quantize(w, round_to=np.floor), "rounds down"),
        (fifteenth.quantize, lambda w: _quantize(w, round_to=lambda q: q), "Round: "),
        (fifteenth.quantize, lambda w: _quantize(w, axis=0), "scales of the columns"),
        (fifteenth.quantize, lambda w: (np.rint(w / np.abs(w).max() * 127), np.abs(w).max() / 127), "whole matrix"),
        (fifteenth.quantize, lambda w: _quantize(w)[::-1], "codes come first"),
        (fifteenth.quantize, lambda w: (w, np.abs(w).max(1) / 127), "has the scale 1"),
        (fifteenth.quantize, _signed, "*absolute* value"),
        (fifteenth.quantize, lambda w: _quantize(w, levels=1), "Divide by 127"),
        (fifteenth.quantize, lambda w: (w, np.where(w.any(1), np.abs(w).max(1), 1) / 127), "after the division"),
        (fifteenth.quantize, lambda w: (w, np.full(4, np.abs(w).max() / 127)), "whole matrix"),
        (fifteenth.quantize, lambda w: (_quantize(w)[0] + 128, _quantize(w)[1]), "No offset"),
        (fifteenth.quantize, lambda w: (_quantize(w)[0].astype(np.uint8), _quantize(w)[1]), "uint8"),
        (fifteenth.quantize, lambda w: (_quantize(w)[0], _quantize(w)[1][:, None]), "(outputs, 1)"),
    ],
)
def test_a_mistake_is_recognised(check, answer, reason):
    verdict = check(answer)
    assert verdict.state not in ("right", "not answered yet") and reason in str(verdict)
