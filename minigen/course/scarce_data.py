"""The exercises of lesson 15, *Scarce data*."""

from typing import Any

import numpy as np

from . import Unanswered, Wrong, call, close, exercise
from ._compare import random_array

__all__ = ["paired", "spread", "through_t", "warp_adjoint"]


@exercise("15.1", "the adjoint of a warp")
def warp_adjoint(answer: Any) -> None:
    """``warp_adjoint(g, index, weight, size)`` is the gradient of ``y[p] = sum_k weight[k, p] x[index[k, p]]`` in x."""
    rng = np.random.default_rng(0)
    g, weight = random_array(1, 8), random_array(2, 3, 8)
    for index in (np.arange(24).reshape(3, 8) % 11, rng.integers(-1, 6, (3, 8))):
        size = 11 if index.max() > 6 else 6
        inside, terms = index >= 0, weight * g
        right, last = np.zeros(size), np.zeros(size)
        np.add.at(right, index[inside], terms[inside])
        for k in range(3):
            last[index[k][inside[k]]] += terms[k][inside[k]]
        wrapped = np.zeros(size)
        np.add.at(wrapped, index, terms)
        unweighted = np.zeros(size)
        np.add.at(unweighted, index[inside], np.broadcast_to(g, index.shape)[inside])
        padded = np.resize(g, size)
        mistakes = [
            (last, "x[index] += ... keeps only the last of several p with the same place. Use np.add.at."),
            (wrapped, "A place of -1 is outside the image and adds nothing; as an index it is the last pixel."),
            (unweighted, "Where are the weights?"),
            ((weight * padded[np.maximum(index, 0)]).sum(0), "This gathers again. The adjoint scatters: it adds "
             "weight[k, p] g[p] at the place index[k, p]."),
        ]  # fmt: skip
        close("warp_adjoint(g, index, weight, size)", call(answer, g, index, weight, size), right, mistakes)


@exercise("15.2", "what stays in the graph")
def through_t(answer: Any) -> None:
    """A dictionary: the letters (r, d, g) that are detached from G, and those through which a gradient reaches G."""
    keys, right = ("detached", "gradient to G"), {"detached": "d", "gradient to G": "g"}
    if not isinstance(answer, dict) or set(answer) != set(keys):
        raise Wrong(f"Expected a dictionary with 'detached' and 'gradient to G', got {answer!r:.80}.")
    if any(value is ... or value is None for value in answer.values()):
        raise Unanswered("Put letters from 'rdg' at both, and run this cell again.")
    said = {key: "".join(sorted(set(str(answer[key]).lower()))) for key in keys}
    if set("".join(said.values())) - set("rdg"):
        raise Wrong("Expected letters from 'rdg' only.")
    if "g" in said["detached"]:
        raise Wrong("Detached, the loss of G has no gradient in G: G never learns.")
    if "r" in "".join(said.values()):
        raise Wrong("r is data: no generator has made it, so there is no graph to detach from, and no gradient to G.")
    if said != right:
        raise Wrong(
            "In the step of D the generated images are given: D's loss must not update G. In G's step they are not."
        )


@exercise("15.3", "the leak in pixels")
def spread(answer: Any) -> None:
    """``spread(images)`` of (N, H, W), at least 0: the spread of the centres of mass in pixels."""
    images = np.abs(random_array(3, 7, 6, 9))
    total = images.sum((1, 2))
    rows = (images.sum(2) * np.arange(6)).sum(1) / total
    columns = (images.sum(1) * np.arange(9)).sum(1) / total
    right = np.sqrt((rows.var() + columns.var()) / 2)
    mistakes = [
        (np.sqrt(rows.var() + columns.var()), "This is the root of the sum of the two variances; take their mean."),
        ((rows.var() + columns.var()) / 2, "This is the mean variance, in pixels squared. Take its root."),
        ((rows.std() + columns.std()) / 2, "This is the mean of two deviations; take the mean of the variances."),
        (np.sqrt(((images.sum(2) * np.arange(6)).sum(1).var() + (images.sum(1) * np.arange(9)).sum(1).var()) / 2),
         "Divide by the light of each image: a centre is a weighted mean."),
    ]  # fmt: skip
    close("spread(images)", np.asarray(call(answer, images)), np.asarray(right),
          [(np.asarray(value), hint) for value, hint in mistakes])  # fmt: skip


@exercise("15.4", "pairs of seeds")
def paired(answer: Any) -> None:
    """``paired(a, b)`` gives the mean of b - a and its standard error."""
    a, b = random_array(4, 5), random_array(5, 5)
    d = b - a
    n = len(d)
    right = np.array([d.mean(), d.std(ddof=1) / np.sqrt(n)])
    mistakes = [
        (np.array([-d.mean(), right[1]]), "The sign: b - a."),
        (np.array([d.mean(), d.std(ddof=1)]), "This is the standard deviation of one difference; that of their mean is "
         "smaller by the root of n."),
        (np.array([d.mean(), d.std() / np.sqrt(n)]), "Divide the sum of squares by n - 1: ddof=1."),
        (np.array([d.mean(), np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / n)]), "This treats a and b as independent. They "
         "share their seeds: use the differences."),
    ]  # fmt: skip
    got = call(answer, a, b)
    if not isinstance(got, tuple | list | np.ndarray) or len(got) != 2:
        raise Wrong(f"paired(a, b): expected two numbers, the mean and its standard error, got {got!r:.60}.")
    close("paired(a, b)", np.asarray(got, float), right, mistakes)
