"""The exercises of lesson 16, *Repair and translation*."""

import itertools
import operator
from typing import Any

import numpy as np

from . import Unanswered, Wrong, call, close, exercise
from ._compare import call_or_hint, match_letters, random_array, read_letters

__all__ = ["cycle_maps", "gram_gradient", "masked_loss", "pixel_shuffle", "where_to_detach", "when_to_stop"]

Hints = dict[type[Exception], str]


@exercise("16.1", "the loss in a hole")
def masked_loss(answer: Any) -> None:
    """``masked_loss(y, x, m)`` is the mean squared error in the hole: y, x (N, C, H, W), m (N, 1, H, W)."""
    hints: Hints = {IndexError: "The mask has one channel, y and x have C: multiply by it, then it is repeated."}
    for case, channels, share in (("a color image with a small hole", 3, 0.2), ("a gray image", 1, 0.6)):
        y, x = random_array(1, 4, channels, 5, 7), random_array(2, 4, channels, 5, 7)
        m = (np.random.default_rng(3).random((4, 1, 5, 7)) < share).astype(float)
        m[:, :, 0, 0] = 1
        squares, values = m * (y - x) ** 2, channels * m.sum()
        right = float(squares.sum() / values)
        each = squares.sum((1, 2, 3)) / (channels * m.sum((1, 2, 3)))
        mistakes = [
            (squares.mean(), "This divides by all values, N C H W: a small hole would have a small loss, "
             "however bad the repair is. Divide by the values inside."),
            (4 * squares.mean(), "This divides by the size C H W of an image. Divide by the values inside the holes."),
            (squares.sum() / m.sum(), "This divides by the number of pixels; each has C values, one a channel."),
            (squares.sum() / (4 * m.sum()), "This divides by the N images. The sum of m goes over all of them already; "
             "what it does not count is the C channels."),
            (right / 4, "This divides by the N images too. The sum of m goes over all of them already."),
            (right / channels, "C is counted twice: a mean over an array with C channels has divided by it already."),
            (right * channels / 3, "C is not always 3: take it from the shape of y."),
            (((y - x) ** 2).mean(), "Where is the mask? This is the loss of the whole image."),
            (squares.sum(), "This is the sum; the loss is a mean over the values in the hole."),
            (squares, "These are the squares themselves; the loss is one number, their mean over the hole."),
            (each.mean(), "This is the mean of the losses of the images, so a value in a small hole counts more. Sum "
             "over the whole batch, then divide once."),
            (each, "This is one number for each image. The loss is one number: sum over the whole batch."),
            ((((1 - m) * (y - x) ** 2).sum() / (channels * (1 - m).sum())), "This is the loss outside: m is 1 in the "
             "hole."),
            ((m * y**2).sum() / values, "This compares with the damaged image, which is 0 in the hole. Compare with "
             "the truth x, only in the hole."),
            ((m * (y - x)).sum() / values, "Where is the square?"),
            (((m * (y - x)).sum() / values) ** 2, "Square first, then take the mean."),
            ((m * abs(y - x)).sum() / values, "This is the absolute error, L1. Here it is the squared error."),
            (right**0.5, "This is the square root of the loss. Leave the root away."),
        ]  # fmt: skip
        close(f"masked_loss(y, x, m) for {case}", call_or_hint(answer, y, x, m, hints=hints), right, mistakes)


_AXES = {2: "i", 3: "j", 4: "h", 5: "w"}


@exercise("16.2", "four channels make a pixel of 2 x 2")
def pixel_shuffle(answer: Any) -> None:
    """``pixel_shuffle(x, r)`` turns an array (N, C r r, H, W) into (N, C, r H, r W), in the order of PyTorch."""
    for channels, r in ((3, 2), (1, 2), (2, 3)):
        x = random_array(channels, 2, channels * r * r, 3, 4)
        n, _, h, w = x.shape
        split, blocks = x.reshape(n, channels, r, r, h, w), x.reshape(n, r, r, channels, h, w)
        order = (0, 1, 4, 2, 5, 3)
        right = split.transpose(order).reshape(n, channels, h * r, w * r)
        tensorflow = "The channel order is c r r + i r + j, here it is i r C + j C + c (TensorFlow's): split the " \
            "channels into (C, r, r), not (r, r, C)."  # fmt: skip
        mistakes = [
            (x.reshape(right.shape), "A reshape alone does not bring the channels beside each other: permute first."),
            (split.transpose(0, 1, 4, 3, 5, 2).reshape(right.shape), "Rows and columns of the small block are "
             "exchanged: i goes with the height."),
            (split.transpose(order), "The order is right. Join each pair of axes: reshape to (N, C, r H, r W)."),
            (right.swapaxes(2, 3), "Height and width are exchanged."),
            (x[:, :channels].repeat(r, 2).repeat(r, 3), "This repeats the pixels of the first C channels. Each of the "
             "r r channels gives one pixel of the block."),
            (x[:, :: r * r].repeat(r, 2).repeat(r, 3), "This repeats one of each r r channels. Each of the r r "
             "channels gives one pixel of the block."),
            *((array.reshape(right.shape), tensorflow)
              for array in (blocks.transpose(0, 3, 4, 1, 5, 2), blocks.transpose(order))),
            *((split.transpose(0, 1, *axes).reshape(right.shape), "You bring the axes into the order (N, C, "
               f"{', '.join(_AXES[axis] for axis in axes)}). Row h r + i is counted by the pair (h, i), column w r + j "
               "by (w, j): the order is (N, C, h, i, w, j).") for axes in itertools.permutations(_AXES)),
        ]  # fmt: skip
        hints: Hints = {
            ValueError: f"x has {channels * r * r} channels and r is {r}: of C r r channels, C = {channels} are left.",
            TypeError: "A shape has whole numbers only: divide with //.",
        }
        close(f"pixel_shuffle(x, {r}) of {x.shape}", call_or_hint(answer, x, r, hints=hints), right, mistakes)


@exercise("16.3", "when to stop the prior")
def when_to_stop(answer: Any) -> None:
    """``when_to_stop(losses, outputs, truth)`` is the step, from 0, at which the output is nearest to the truth.

    losses: list of T floats; outputs: array (T, H, W); truth: array (H, W).
    """
    rng = np.random.default_rng(0)
    truth, noise = rng.uniform(-1, 1, (6, 7)), 0.5 * rng.standard_normal((6, 7))
    # The share of the truth, and of the noise; the last losses rise again, as they may in a training.
    shares = [(-0.4, 0), (0.3, 0), (0.6, 0.05), (0.8, 0.1), (1, 0.2), (1, 0.5), (1, 0.8), (1, 1), (1, 0.9), (1, 0.8)]
    outputs = np.stack([a * truth + b * noise for a, b in shares])
    outputs[1] -= 0.2  # too dark: its signed differences have the least mean
    losses = [float(((output - truth - noise) ** 2).mean()) for output in outputs]
    differences = (outputs - truth).reshape(len(outputs), -1)
    errors = (differences**2).mean(1)
    right = int(errors.argmin())
    got = call(answer, losses, outputs, truth)
    if isinstance(got, np.ndarray) and got.shape == errors.shape:
        raise Wrong("These are numbers for all the steps. Which step has the least error? np.argmin says it.")
    if isinstance(got, float) and np.isclose(got, errors.min()):
        raise Wrong("That is the least error itself. Which step has it? np.argmin says it.")
    try:
        step = operator.index(got)
    except TypeError:
        raise Wrong(
            f"when_to_stop(losses, outputs, truth): expected a whole number, the step, got {got!r:.60}."
        ) from None
    reasons = {
        right + 1: "One too late: steps count from 0.",
        int(errors.argmax()): "That is the step with the largest error, the farthest from the truth; "
        "the nearest is asked for.",
        int(differences.mean(1).argmin()): "Square the differences: differences with a sign cancel each other.",
        int(np.square(differences).argmin()): "That is the place of the least error of one pixel, counted over all "
        "steps. First take the mean of each step, over the last two axes.",
        int(np.square(outputs - truth).mean(0).argmin()): "That is the place of a pixel: this averages over the steps. "
        "Take the mean over the last two axes.",
        len(losses) - 1: "That is the last step. By then the output has the noise.",
        int(np.argmin(losses)) + 1: "Steps count from 0; and it is the step of the least loss, which compares with the "
        "*noisy* image.",
        int(np.argmin(losses)): "That is the step of the least loss. The loss compares with the *noisy* image: it is "
        "least where the output has all the noise.",
    }
    if step != right:
        raise Wrong(f"expected step {right}, got {step}. {reasons.get(step, 'Compare each output with the truth.')}")


@exercise("16.4", "the gradient of the Gram loss")
def gram_gradient(answer: Any) -> None:
    """``gram_gradient(F, A)`` is the gradient of |F F^T / P - A|^2 / |A|^2 in F, an array (C, P); A is symmetric."""
    f, style = random_array(4, 3, 10), random_array(5, 3, 8)
    a = style @ style.T / 8
    pixels, norm = f.shape[1], (a**2).sum()
    gram = f @ f.T / pixels
    error = gram - a
    right = 4 * error @ f / (pixels * norm)
    mistakes = [
        (factor * scale * size * right, " ".join(hint for hint in (sign, two, p, n) if hint))
        for factor, sign in ((1, ""), (-1, "The sign: dL/dG = 2 (G - A) / |A|^2."))
        for scale, two in (
            (1, ""),
            (1 / 2, "Half of it is missing. The square gives a factor 2, and F stands twice in F F^T: another 2."),
            (1 / 4, "The factor 4 is missing: 2 of the square, and 2 because F stands twice in F F^T."),
            (2, "The factor is 4, not 8: 2 of the square, and 2 because F stands twice in F F^T."),
        )
        for (size, p), n in (
            ((1, ""), ""),
            ((pixels, "Where is the P of G = F F^T / P? The inner derivative has it too."), ""),
            ((1 / pixels, "1/P stands there twice: once is enough, dG has it."), ""),
            ((pixels / 3, "This divides by C, the number of rows. P is the number of columns of F."), ""),
            ((norm, ""), "Where is |A|^2?"),
            ((norm**0.5, ""), "|A|^2 is the sum of the squares; this divides by its root."),
            ((9, ""), "|A|^2 is the sum of the squares, not their mean."),
            ((pixels * norm, "Where is the P of G = F F^T / P? The inner derivative has it too."), "Where is |A|^2?"),
        )
    ] + [
        (4 * (f @ f.T - a) @ f / (pixels * norm), "G is F F^T / P: in the difference the P is missing."),
        (4 * (f @ f.T / f.size - a) @ f / (f.size * norm), "Here G is F F^T / P, not F F^T / (C P)."),
        (4 * gram @ f / (pixels * norm), "Where is A? The difference G - A comes first."),
        (4 * error**2 @ f / (pixels * norm), "The derivative of the square is 2 (G - A), not (G - A)^2."),
        (4 * error @ f / (pixels * (gram**2).sum()), "This divides by |G|^2; the loss divides by |A|^2."),
        (4 * f / pixels * (error**2).sum() / norm, "This multiplies F by a number; the difference G - A is a matrix."),
        (4 * error @ (f - f.mean(1, keepdims=True)) / (pixels * norm), "Here the mean of each row of F is taken away. "
         "A Gram matrix is F F^T / P of F as it is; only a covariance is centered."),
        *((scale * error / norm, "This is the gradient in G. One step is missing: from G to F.") for scale in (1, 2)),
        ((error**2).sum() / norm, "This is the loss itself; its gradient has the shape of F."),
        (right.T, "This is the gradient, transposed: it has the shape of F, (C, P)."),
    ]  # fmt: skip
    hints: Hints = {ValueError: "F is (C, P) and G - A is (C, C): G - A stands on the left of F."}
    close("gram_gradient(F, A)", call_or_hint(answer, f, a, hints=hints), right, mistakes)


_DETACH = {
    "discriminator": {
        "a": "D's own step must leave A alone: without a detach, the gradient goes on through A(x) into A.",
        "b": "the real y is data and has no graph: there is nothing to detach.",
        "c": "B(A(x)) does not occur in D's loss, D(y) and D(A(x)) do.",
    },
    "adversary": {
        "a": "then the gradient ends at the image and A never learns from D.",
        "b": "the real y does not occur in A's loss, and it has no graph.",
        "c": "B(A(x)) does not occur in this loss, D(A(x)) does.",
    },
    "cycle": {
        "a": "then |B(A(x)) - x| teaches B alone, and A never learns to keep what B needs.",
        "b": "the real y does not occur in this loss, and it has no graph.",
        "c": "B(A(x)) is the end of the way: detached, the loss has no gradient at all.",
    },
}


def _form(*answers: Any) -> str:
    """A remark if letters are not in a string, as the exercise asks: they are read all the same."""
    return "" if all(isinstance(one, str) for one in answers) else "The exercise asks for the letters in one string."


@exercise("16.5", "where to detach in a cycle")
def where_to_detach(answer: Any) -> str:
    """A dictionary from the loss to the letters of the images that are detached in it; "" for none."""
    if not isinstance(answer, dict) or set(answer) != set(_DETACH):
        raise Wrong(f"Expected a dictionary with {', '.join(map(repr, _DETACH))}, got {answer!r:.80}.")
    if any(letters is ... or letters is None for letters in answer.values()):
        raise Unanswered('Put letters from a to c at each loss, "" for none, and run this cell again.')
    right = {"discriminator": {"a"}, "adversary": set(), "cycle": set()}
    lines = [
        f"{loss!r}, {'you detach' if letter in given else 'you do not detach'} {letter}: {reasons[letter]}"
        for loss, reasons in _DETACH.items()
        for given in [read_letters(answer[loss], reasons)]
        for letter in sorted(given ^ right[loss])
    ]
    if lines:
        raise Wrong("\n".join(lines))
    return _form(*answer.values())


@exercise("16.6", "which maps have no cycle loss")
def cycle_maps(answer: Any) -> str:
    """The letters of the maps that allow a cycle loss of 0, as a string."""
    reasons = {
        "a": "a: the identity loses nothing. What undoes it?",
        "b": "b: a mirror image of a mirror image is the image again, so B = A undoes it.",
        "c": "c: exchange red and blue once more, and every shape is as it was.",
        "d": "d: every shape is red: B cannot know which color it was.",
        "e": "e: any one-to-one map can be undone, however strange: B needs a list of what became what.",
        "f": "f: all shapes are in the middle: B cannot know from where they came.",
    }  # fmt: skip
    try:
        match_letters(answer, set("abce"), reasons)
    except Wrong as fault:
        raise Wrong(f"{fault}\n{_form(answer)}".rstrip()) from None
    return _form(answer)
