"""The exercises of lesson 16, *Repair and translation*."""

from typing import Any

import numpy as np

from . import Unanswered, Wrong, call, close, exercise
from ._compare import random_array

__all__ = ["cycle_maps", "gram_gradient", "masked_loss", "pixel_shuffle", "where_to_detach", "when_to_stop"]


@exercise("16.1", "the loss in a hole")
def masked_loss(answer: Any) -> None:
    """``masked_loss(y, x, m)`` is the mean squared error in the hole: y, x (N, C, H, W), m (N, 1, H, W)."""
    for case, channels, share in (("a colour image with a small hole", 3, 0.2), ("a grey image", 1, 0.6)):
        y, x = random_array(1, 2, channels, 4, 5), random_array(2, 2, channels, 4, 5)
        m = (np.random.default_rng(3).random((2, 1, 4, 5)) < share).astype(float)
        m.flat[0] = 1
        squares = (y - x) ** 2
        right = (m * squares).sum() / (channels * m.sum())
        mistakes = [
            ((m * squares).mean(), "This divides by all values, N C H W: a small hole would have a small loss, "
             "however bad the repair is. Divide by the values inside."),
            ((m * squares).sum() / m.sum(), "This divides by the number of pixels; each has C values."),
            (squares.mean(), "Where is the mask? This is the loss of the whole image."),
            ((m * squares).sum(), "This is the sum; the loss is a mean over the values in the hole."),
            (((1 - m) * squares).sum() / (channels * (1 - m).sum()), "This is the loss outside: m is 1 in the hole."),
            (((m * (y - x)).sum() / (channels * m.sum())) ** 2, "Square first, then take the mean."),
        ]  # fmt: skip
        close(f"masked_loss(y, x, m) for {case}", np.asarray(call(answer, y, x, m)), np.asarray(right),
              [(np.asarray(value), hint) for value, hint in mistakes if not np.isclose(value, right)])  # fmt: skip


@exercise("16.2", "four channels make a pixel of 2 x 2")
def pixel_shuffle(answer: Any) -> None:
    """``pixel_shuffle(x, r)`` turns an array (N, C r r, H, W) into (N, C, r H, r W), in the order of PyTorch."""
    for channels, r in ((1, 2), (3, 2), (2, 3)):
        x = random_array(channels, 2, channels * r * r, 3, 4)
        n, _, h, w = x.shape
        split = x.reshape(n, channels, r, r, h, w)
        right = split.transpose(0, 1, 4, 2, 5, 3).reshape(n, channels, h * r, w * r)
        other = x.reshape(n, r, r, channels, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(right.shape)
        mistakes = [
            (other, "The channel order is c r r + i r + j, here it is i r C + j C + c (TensorFlow's): split the "
             "channels into (C, r, r), not (r, r, C)."),
            (split.transpose(0, 1, 4, 3, 5, 2).reshape(right.shape), "Rows and columns of the small block are "
             "exchanged: i goes with the height."),
            (split.transpose(0, 1, 2, 4, 3, 5).reshape(right.shape), "Neighbours in the block must become "
             "neighbours in the image: the order of the axes is (N, C, H, r, W, r)."),
            (x.reshape(right.shape), "A reshape alone does not bring the channels beside each other: permute first."),
        ]  # fmt: skip
        close(f"pixel_shuffle(x, {r}) of {x.shape}", call(answer, x, r), right,
              [(value, hint) for value, hint in mistakes if not np.array_equal(value, right)])  # fmt: skip


@exercise("16.3", "when to stop the prior")
def when_to_stop(answer: Any) -> None:
    """``when_to_stop(losses, outputs, truth)`` is the step, from 0, at which the output is nearest to the truth.

    losses: list of T floats; outputs: array (T, H, W); truth: array (H, W).
    """
    rng = np.random.default_rng(0)
    truth, noise = rng.uniform(-1, 1, (6, 7)), 0.5 * rng.standard_normal((6, 7))
    shares = np.linspace(0, 1, 9)
    outputs = np.stack([truth * min(1.0, 0.2 + 2 * s) + noise * s**2 for s in shares])
    losses = [float(((output - truth - noise) ** 2).mean()) for output in outputs]
    right = int(np.argmin([((output - truth) ** 2).mean() for output in outputs]))
    got = call(answer, losses, outputs, truth)
    if not isinstance(got, int | np.integer):
        raise Wrong(f"when_to_stop(losses, outputs, truth): expected a whole number, the step, got {got!r:.60}.")
    reasons = {
        int(np.argmin(losses)): "That is the step of the least loss. The loss compares with the *noisy* image: it is "
        "least where the output has all the noise.",
        right + 1: "One too late: steps count from 0.",
    }
    if got != right:
        raise Wrong(f"expected step {right}, got {got}. {reasons.get(int(got), 'Compare each output with the truth.')}")


@exercise("16.4", "the gradient of the Gram loss")
def gram_gradient(answer: Any) -> None:
    """``gram_gradient(F, A)`` is the gradient of |F F^T / P - A|^2 / |A|^2 in F, an array (C, P); A is symmetric."""
    f, style = random_array(4, 3, 10), random_array(5, 3, 8)
    a = style @ style.T / 8
    pixels, norm = f.shape[1], (a**2).sum()
    error = f @ f.T / pixels - a
    right = 4 * error @ f / (pixels * norm)
    mistakes = [
        (right / 2, "Half of it is missing. The square gives a factor 2, and F stands twice in F F^T: another 2."),
        (right * pixels, "Where is the P of G = F F^T / P? The inner derivative has it too."),
        (right * norm, "Where is |A|^2?"),
        (4 * f / pixels * (error**2).sum() / norm, "This multiplies F by a number; the difference G - A is a matrix."),
        (2 * error @ f / (pixels * norm) * 1.0 / pixels, "1/P stands there twice, and the factor is 4."),
        (-right, "The sign: dL/dG = 2 (G - A) / |A|^2."),
    ]
    close("gram_gradient(F, A)", call(answer, f, a), right, mistakes)


def _choice(
    answer: Any, keys: list[Any], letters: str, right: dict[Any, str], reasons: dict[Any, dict[str, str]]
) -> None:
    """Judge a dictionary from questions to letters."""
    if not isinstance(answer, dict) or set(answer) != set(keys):
        raise Wrong(f"Expected a dictionary with {', '.join(map(repr, keys))}, got {answer!r:.80}.")
    if any(letter is ... or letter is None for letter in answer.values()):
        raise Unanswered(f"Put letters from {letters!r} at each of them, and run this cell again.")
    said = {key: "".join(sorted(set(str(letter).lower()))) for key, letter in answer.items()}
    for key, given in said.items():
        if set(given) - set(letters):
            raise Wrong(f"{key!r}: expected letters from {letters!r}, got {answer[key]!r}.")
    off = [key for key in keys if said[key] != right[key]]
    if off:
        raise Wrong(
            "\n".join(
                f"{key!r}, you say {said[key]!r}: {reasons[key].get(said[key], reasons[key]['*'])}" for key in off
            )
        )


@exercise("16.5", "where to detach in a cycle")
def where_to_detach(answer: Any) -> None:
    """A dictionary from the loss to the letters of the images that are detached in it; "" for none."""
    _choice(
        answer,
        ["discriminator", "adversary", "cycle"],
        "abc",
        {"discriminator": "a", "adversary": "", "cycle": ""},
        {
            "discriminator": {
                "": "D's loss would update A too, so that its images are easier to tell from real ones.",
                "b": "Real images are data: they have no graph. What is made must be detached.",
            }
            | {"*": "In the step of D, A(x) is given: detach it, and nothing else."},
            "adversary": {"a": "Then the gradient ends at the image and A never learns from D."}
            | {"*": "The gradient must reach A through D: detach nothing."},
            "cycle": {
                "a": "Then |B(A(x)) - x| teaches B alone, and A never learns to keep what B needs.",
                "c": "B(A(x)) is the end of the way: detached, the loss has no gradient at all.",
            }
            | {"*": "The loss must reach both networks: detach nothing."},
        },
    )


@exercise("16.6", "which maps have no cycle loss")
def cycle_maps(answer: Any) -> None:
    """A dictionary: under "zero" the letters of the maps that allow a cycle loss of 0."""
    _choice(
        answer,
        ["zero"],
        "abcdef",
        {"zero": "abce"},
        {
            "zero": {
                "a": "The identity has none, but it is not the only one: any map that can be undone has none.",
                "ab": "Mirror images can be undone too, and so can any exchange of whole images.",
                "abc": "Also e: any one-to-one map between the two collections, however strange, can be undone.",
                "abcde": "d makes every shape red: B cannot know which colour it was.",
                "abcdef": "d and f lose something: the colour, the place. What is lost, B cannot give back.",
                "*": "A cycle loss of 0 is possible exactly if A loses nothing: if different images stay different.",
            }
        },
    )
