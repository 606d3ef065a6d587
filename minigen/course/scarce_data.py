"""The exercises of lesson 15, *Scarce data*."""

from typing import Any

import numpy as np

from . import Unanswered, Wrong, call, close, exercise
from ._compare import random_array
from ._probe import probing

__all__ = ["kept", "paired", "quantize", "spread", "through_t", "warp_adjoint"]


@exercise("15.1", "the adjoint of a warp")
def warp_adjoint(answer: Any) -> None:
    """``warp_adjoint(g, index, weight, size)`` is the gradient of ``y[p] = sum_k weight[k, p] x[index[k, p]]`` in x."""
    rng = np.random.default_rng(0)
    g, weight = random_array(1, 8), random_array(2, 3, 8)
    for index in (rng.integers(-1, 6, (3, 8)), np.arange(24).reshape(3, 8) % 11):
        size = 11 if index.max() > 6 else 6
        inside, terms = index >= 0, weight * g
        right, last = np.zeros(size), np.zeros(size)
        np.add.at(right, index[inside], terms[inside])
        for k in range(3):
            last[index[k][inside[k]]] += terms[k][inside[k]]
        last_wrapped = np.zeros(size)
        for k in range(3):
            last_wrapped[index[k]] += terms[k]
        wrapped = np.zeros(size)
        np.add.at(wrapped, index, terms)
        unweighted = np.zeros(size)
        np.add.at(unweighted, index[inside], np.broadcast_to(g, index.shape)[inside])
        padded = np.resize(g, size)

        def scattered(values: np.ndarray, places: np.ndarray) -> np.ndarray:
            total = np.zeros(size)  # noqa: B023
            np.add.at(total, places[places >= 0], values[places >= 0])
            return total

        kept = np.zeros(size)
        for k, p in np.argwhere(inside):
            kept[index[k, p]] = terms[k, p]
        mistakes = [
            (last, "x[index] += ... keeps only the last of several p with the same place. Use np.add.at."),
            (last_wrapped, "x[index] += ... keeps only the last of several p with the same place: use np.add.at. And a "
             "place of -1 adds nothing; as an index it is the last pixel."),
            (wrapped, "A place of -1 is outside the image and adds nothing; as an index it is the last pixel."),
            (unweighted, "Where are the weights?"),
            (scattered(terms, np.where(inside, index, 0)), "A place of -1 is outside the image and adds nothing; "
                                                           "here it is "
             "added to pixel 0."),
            (scattered(terms[:1], index[:1]), "This is the first k only: every row of index and weight counts."),
            (scattered(weight, index), "Where is g? Each term is weight[k, p] * g[p]."),
            (right / np.maximum(scattered(np.ones_like(terms), index), 1), "This is a mean over the terms. The "
                                                                           "gradient is their "
             "sum: do not divide."),
            (kept, "Only the last of several p with the same place is kept: add with +=, do not overwrite."),
            *(((weight * given[places]).sum(0), "This gathers again. The adjoint scatters: it adds weight[k, p] g[p] "
               "at the place index[k, p].")
              for given, places in ((padded, np.maximum(index, 0)), (g, np.minimum(index, 7)), (g, index.clip(0, 7)))),
        ]  # fmt: skip
        close(
            "warp_adjoint(g, index, weight, size)",
            call(answer, g, index, weight, size),
            right,
            mistakes,
            probe=probing(answer, lambda g, index, weight, size: scattered(weight * g, index), g, index, weight, size),
        )


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
    if "g" not in said["gradient to G"]:
        raise Wrong("In G's step D judges T(G(z)), and the gradient must reach G through T: else G never learns.")
    if said != right:
        raise Wrong("In the step of D the generated images are given: D's loss must not update G.")


def _spread_with(images: np.ndarray, light: float) -> Any:
    """The spread if each center is divided by the same number."""
    rows = (images.sum(2) * np.arange(images.shape[1])).sum(1) / light
    columns = (images.sum(1) * np.arange(images.shape[2])).sum(1) / light
    return np.sqrt((rows.var() + columns.var()) / 2)


@exercise("15.3", "the leak in pixels")
def spread(answer: Any) -> None:
    """``spread(images)`` of (N, H, W), at least 0: the spread of the centers of mass in pixels."""
    images = np.abs(random_array(3, 7, 6, 9))
    total = images.sum((1, 2))
    rows = (images.sum(2) * np.arange(6)).sum(1) / total
    columns = (images.sum(1) * np.arange(9)).sum(1) / total
    right = np.sqrt((rows.var() + columns.var()) / 2)
    row_place, column_place = np.arange(6)[:, None], np.arange(9)
    within = [(images * (place - center[:, None, None]) ** 2).sum((1, 2)) / total
              for place, center in ((row_place, rows), (column_place, columns))]  # fmt: skip
    brightest = images.reshape(7, -1).argmax(1)
    mistakes = [
        (_spread_with(images, total.mean()), "Divide by the light of each image itself, not by the mean light of all."),
        (_spread_with(images, images[0].size), "Divide by the light of the image, not by the number of its pixels."),
        (np.ptp(rows), "This is a range, largest minus smallest. Asked for is a standard deviation."),
        (rows.std(), "These are the rows only: the columns belong to it, too."),
        (columns.std(), "These are the columns only: the rows belong to it, too."),
        (np.sqrt(sum(within).mean() / 2), "This is how far the light of *one* image is spread around its center. "
                                          "Asked for is "
         "how far the centers of the images are spread."),
        (np.concatenate([rows, columns]).std(), "Rows and columns have their own means: compute the two variances "
                                                "separately."),
        (np.sqrt(((brightest // 9).var() + (brightest % 9).var()) / 2), "This takes the brightest pixel. A center of "
                                                                        "mass is the "
         "mean place of all light."),
        (np.sqrt((rows.var(ddof=1) + columns.var(ddof=1)) / 2), "np.var divides by N, and so does the solution: no "
                                                                "ddof."),
        (np.sqrt(rows.var() + columns.var()), "This is the root of the sum of the two variances; take their mean."),
        ((rows.var() + columns.var()) / 2, "This is the mean variance, in pixels squared. Take its root."),
        ((rows.std() + columns.std()) / 2, "This is the mean of two deviations; take the mean of the variances."),
        (np.sqrt(((images.sum(2) * np.arange(6)).sum(1).var() + (images.sum(1) * np.arange(9)).sum(1).var()) / 2),
         "Divide by the light of each image: a center is a weighted mean."),
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
        (np.array([d.mean(), right[1] / np.sqrt(n)]), "Divide by the root of n, not by n: this is the deviation over "
                                                      "n."),
        (np.array([d.mean(), d.var(ddof=1) / n]), "This is the variance of the mean: its root is the standard error."),
        (np.array([d.mean(), d.std(ddof=1) / np.sqrt(n - 1)]), "n - 1 belongs into the variance only (ddof=1): then "
                                                               "divide by "
         "the root of n."),
        (np.array([np.median(d), right[1]]), "This is the median; asked for is the mean."),
        (right / a.mean(), "This is relative to a: do not divide by its mean. The differences are in the unit of the "
                           "results."),
        (np.array([abs(d).mean(), abs(d).std(ddof=1) / np.sqrt(n)]), "The differences keep their sign: no absolute "
                                                                     "value."),
        (np.array([b.mean(), right[1]]), "This is the mean of b. Compare pairs: the mean of the differences b - a."),
        (np.array([d.mean(), b.std(ddof=1) / np.sqrt(n)]), "This is the error of b alone. Compare pairs: the "
                                                           "deviation of the "
         "differences b - a."),
        (right[::-1], "The mean comes first, then its standard error."),
        (np.array([d.mean(), 0.0]), "The standard error is not 0: how much do the differences vary? Convert lists to "
                                    "arrays."),
        (np.array([d.sum(), right[1]]), "This is the sum of the differences: divide by n."),
    ]  # fmt: skip
    got = call(answer, a, b)
    if not isinstance(got, tuple | list | np.ndarray) or len(got) != 2:
        raise Wrong(f"paired(a, b): expected two numbers, the mean and its standard error, got {got!r:.60}.")
    close(
        "paired(a, b)",
        np.asarray(got, float),
        right,
        mistakes,
        probe=probing(answer, lambda a, b: ((b - a).mean(), (b - a).std(ddof=1) / np.sqrt(len(a))), a, b),
    )


@exercise("15.5", "one threshold")
def kept(answer: Any) -> None:
    """``kept(weights, share)`` gives masks: False for the share of all weights with the smallest absolute values."""
    weights = [random_array(6, 3, 4), 0.2 * random_array(7, 5), 2 * random_array(8, 2, 3, 2)]
    share = 0.75
    sizes = [np.abs(w) for w in weights]

    def larger(values: Any, thresholds: Any) -> np.ndarray:
        return np.concatenate([(v >= t).ravel() for v, t in zip(values, thresholds)]).astype(float)

    def threshold(values: Any, share: float) -> float:
        joined = np.sort(np.concatenate([np.ravel(v) for v in values]))
        return float(joined[int(share * len(joined))])

    def first(places: np.ndarray) -> np.ndarray:
        mask = np.ones(len(joined))
        mask[places] = 0
        return mask

    joined = np.concatenate([v.ravel() for v in sizes])
    signed = np.concatenate([w.ravel() for w in weights])
    n = int(share * len(joined))
    right = larger(sizes, [threshold(sizes, share)] * 3)
    mistakes = [
        (1 - right, "True is for the weights that are *kept*, the large ones."),
        (larger(sizes, [threshold([v], share) for v in sizes]), "This is a threshold for each array. All weights are "
         "compared with each other: one threshold for all arrays."),
        (larger(weights, [threshold(weights, share)] * 3), "Compare absolute values: a weight of -3 is a large one."),
        (larger(sizes, [threshold(sizes, 1 - share)] * 3), "This keeps the share. The share is what is set to 0."),
        (larger(weights, [threshold(sizes, share)] * 3), "The threshold is one of absolute values, so compare the "
         "absolute values with it: a weight of -3 is a large one."),
        (larger(sizes, [np.abs(np.sort(signed))[n]] * 3), "Take the absolute values first, and sort then."),
        (larger(sizes, [np.percentile(joined, share)] * 3), "np.percentile counts from 0 to 100: np.quantile from 0 "
         "to 1."),
        (larger(sizes, [np.sort(joined)[int(share * 3)]] * 3), "n is the number of all weights, not of the arrays."),
        (larger(sizes, [joined[n]] * 3), "Sort the values first: this is a place in the values as they come."),
        ((np.argsort(joined) >= n).astype(float), "np.argsort gives the places of the sorted values, not the rank of "
         "each value. The value at position int(share * n) of the sorted ones is a threshold for all."),
        (first(np.arange(n)), "These are the first weights, not the smallest."),
        (first(np.argsort(-joined)[:n]), "These are the largest weights. The smallest are set to 0."),
        (larger(sizes, [np.mean([threshold([v], share) for v in sizes])] * 3), "This is the mean of three thresholds. "
         "Sort all weights together."),
        (np.ones(len(joined)), "All weights are kept."),
        (larger(sizes, [share * max(v.max() for v in sizes)] * 3), "This is a share of the largest value. Asked for is "
         "a share of the *number* of weights: sort them."),
        (larger(sizes, [share * v.max() for v in sizes]), "This is a share of the largest value. Asked for is a share "
         "of the *number* of weights: sort them, all together."),
        (larger(sizes, [share] * 3), "The share is not a threshold: sort the absolute values, and count."),
        (larger(sizes, [np.nextafter(threshold(sizes, share), np.inf)] * 3), "One weight too few is kept: int "
         "cuts off, and the weight at position int(share * n) of the sorted values is kept (>=, not >)."),
        (larger(sizes, [threshold(sizes, share - 1 / 29)] * 3), "One weight too many is kept: the position in the "
         "sorted values is int(share * n), counted from 0."),
    ]  # fmt: skip
    given = [w.copy() for w in weights]
    got = call(answer, given, share)
    if not all(np.array_equal(a, b) for a, b in zip(given, weights)):
        raise Wrong("kept(weights, share): the weights were changed; give masks, and leave the weights as they are.")
    if not isinstance(got, list | tuple) or len(got) != 3:
        raise Wrong(f"kept(weights, share): expected a list of 3 masks, one for each array, got {got!r:.60}.")
    masks = [np.asarray(mask) for mask in got]
    for mask, weight in zip(masks, weights):
        if mask.shape != weight.shape:
            raise Wrong(f"kept(weights, share): expected masks of the shapes of the weights, got {mask.shape} for "
                        f"{weight.shape}.")  # fmt: skip
        if mask.dtype != np.bool_:
            raise Wrong(f"kept(weights, share): expected masks of True and False (bool), got {mask.dtype}: a "
                        "comparison gives them, and the weights themselves are not asked for.")  # fmt: skip
    close("kept(weights, share)", np.concatenate([mask.ravel() for mask in masks]).astype(float), right, mistakes)


@exercise("15.6", "int8")
def quantize(answer: Any) -> None:
    """``quantize(weight)`` gives whole numbers from -127 to 127 and a scale for each row."""
    weight = random_array(9, 4, 6) * np.array([[1.0], [0.0], [3.0], [0.1]])
    largest = np.abs(weight).max(1)
    scales = np.where(largest > 0, largest / 127, 1.0)
    codes = np.rint(weight / scales[:, None])
    got = call(answer, weight.copy())
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Wrong(f"quantize(weight): expected codes and scales, got {got!r:.60}.")
    if any(part is ... or part is None for part in got):
        raise Unanswered("Give both, codes and scales, and run this cell again.")
    said = [np.asarray(part, float) for part in got]
    if said[0].shape == scales.shape and said[1].shape == codes.shape:
        raise Wrong("The codes come first, then the scales.")
    if said[1].size == 1:
        raise Wrong("This is one scale for the whole matrix. A row of small weights then has few levels: one scale for "
                    "each row.")  # fmt: skip
    if said[1].shape == (weight.shape[1],):
        raise Wrong("These are scales of the columns, the inputs. Inside the sum over k they cannot leave it: one "
                    "scale for each output, that is for each row.")  # fmt: skip
    if said[1].shape == (4, 1):
        raise Wrong("scales: expected the shape (outputs,), got (outputs, 1): take [:, 0], or no keepdims.")
    if said[0].shape == weight.T.shape:
        raise Wrong("codes: expected the shape of the weight, got its transpose.")
    if not np.isfinite(said[1]).all() or not np.isfinite(said[0]).all():
        raise Wrong("A row of zeros: its largest value is 0, and 0 / 0 is NaN. Its scale is 1.")
    close("scales", said[1], scales, [
        (largest / 127, "A row of zeros has the scale 1."),
        (np.where(largest > 0, largest / 128, 1), "127, not 128: the codes are -127 to 127."),
        (np.where(largest > 0, largest / 255, 1), "The codes go from -127 to 127, so 127 is the largest."),
        (np.where(largest > 0, 127 / np.where(largest > 0, largest, 1), 1), "This is the inverse: the scale is what a "
         "code of 1 stands for."),
        (np.where(largest > 0, weight.max(1) / 127, 1), "Take the largest *absolute* value: a row may have its largest "
         "weight below 0."),
        (np.where(largest > 0, (weight.max(1) - weight.min(1)) / 255, 1), "This is a scale of the range from minimum "
         "to maximum, which needs an offset, too. Here 0 stays 0: the largest absolute value / 127."),
        (largest, "Divide by 127: the largest weight of a row has the code 127 or -127."),
        (np.where(largest > 0, largest, 1), "Divide by 127: the largest weight of a row has the code 127 or -127."),
        (np.where(largest > 0, largest, 1) / 127, "A row of zeros has the scale 1, not 1/127: choose after the "
         "division."),
        (np.full(4, largest.max() / 127), "This is one scale for the whole matrix. A row of small weights then has few "
         "levels: one scale for each row."),
        (np.where(largest > 0, np.linalg.norm(weight, axis=1) / 127, 1), "This is the norm of the row. The largest "
         "absolute value must get the code 127."),
        (np.where(largest > 0, np.abs(weight).mean(1) / 127, 1), "This is the mean. The largest absolute value "
         "must get the code 127."),
    ])  # fmt: skip
    close("codes", said[0], codes, [
        (weight / scales[:, None], "Round: the codes are whole numbers."),
        (np.trunc(weight / scales[:, None]), "This cuts off (as astype does). Round to the nearest whole number."),
        (np.floor(weight / scales[:, None]), "This rounds down. Round to the nearest whole number."),
        (np.rint(weight * scales[:, None]), "Divide by the scale."),
        (np.ceil(weight / scales[:, None]), "This rounds up. Round to the nearest whole number."),
        (np.rint(weight), "Divide by the scale of the row before you round."),
        (np.rint(weight / largest.max() * 127), "Divide each row by its own scale."),
        (codes + 128, "No offset: 0 stays 0, and the codes are from -127 to 127."),
        (codes % 256, "uint8 has no negative numbers: int8, or whole numbers in any other array."),
        (codes * scales[:, None], "These are the weights again. The codes are the whole numbers before that."),
    ])  # fmt: skip
