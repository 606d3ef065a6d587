"""The exercises of lesson 9, *DCGAN*."""

import math
import tracemalloc
from typing import Any

import numpy as np

from . import Wrong, call, close, exercise
from ._compare import call_or_hint, random_array
from ._probe import probing
from .convolution import _whole_numbers

__all__ = ["count_parameters", "nearest", "receptive_field", "slerp", "steps_to_turn"]

S3_GENERATOR: list[tuple[Any, ...]] = [
    ("linear", 100, 256), ("convt", 4, 128, 4), ("norm", 128), ("convt", 128, 64, 4), ("norm", 64), ("convt", 64, 3, 4),
]  # fmt: skip
S3_DISCRIMINATOR: list[tuple[Any, ...]] = [
    ("conv", 3, 64, 4), ("conv", 64, 128, 4), ("norm", 128), ("conv", 128, 256, 4), ("norm", 256), ("linear", 16384, 1),
]  # fmt: skip
"""S3's two networks at 64 pixels, without the layers that have no parameters."""


@exercise("9.1", "counting parameters")
def count_parameters(answer: Any) -> None:
    """``count_parameters(layers)`` is the number of trainable numbers in a list of layers, all with biases."""
    single: dict[tuple[Any, ...], dict[int, str]] = {
        ("linear", 100, 256): {
            25_600: "Each of the 256 outputs has a bias.",
            26_112: "A linear layer has one bias for each output, not two.",
            100: "",
            256: "",
        },
        ("conv", 3, 64, 4): {
            3_072: "Each of the 64 filters has a bias.",
            1_088: "A filter has 4 x 4 taps for each of the 3 input channels.",
            832: "A kernel of 4 has 4 x 4 taps.",
            3_075: "There is one bias for each of the 64 filters, the outputs.",
        },
        ("convt", 64, 3, 4): {
            3_072: "Each of the 3 output channels has a bias.",
            3_136: "The biases belong to the 3 outputs, not to the 64 inputs.",
        },
        ("norm", 128): {
            128: "It has a scale gamma and a shift beta for each channel.",
            512: "The running mean and variance are not trained: no gradient reaches them.",
            0: "A norm has a scale gamma and a shift beta for each channel, and both are learned.",
        },
    }
    for layer, mistakes in single.items():
        what = f"count_parameters([{layer!r}])"
        (got,) = _whole_numbers(what, call(answer, [layer]), 1)
        if got != _parameters(layer):
            hint = mistakes.get(got, "")
            raise Wrong(f"{what}: expected {_parameters(layer)}, got {got}. {hint}".rstrip())
    for name, layers in (("generator", S3_GENERATOR), ("discriminator", S3_DISCRIMINATOR)):
        what = f"count_parameters of S3's {name}"
        (got,) = _whole_numbers(what, call(answer, list(layers)), 1)
        right = sum(map(_parameters, layers))
        if got != right:
            raise Wrong(f"{what}: expected {right}, got {got}. Each layer alone is right: is their sum returned?")


def _parameters(layer: tuple[Any, ...]) -> int:
    if layer[0] == "norm":
        return 2 * layer[1]
    taps = layer[3] ** 2 if len(layer) > 3 else 1
    return layer[1] * layer[2] * taps + layer[2]


@exercise("9.2", "how much a unit sees")
def receptive_field(answer: Any) -> None:
    """``receptive_field(layers)``, of (kernel, stride) from the image on, is how many pixels wide a unit's view is."""
    cases = [
        [(4, 2)], [(3, 1), (3, 1)], [(4, 2), (4, 2)], [(4, 2), (4, 2), (4, 2)], [(5, 2), (5, 2)],
        [(3, 1), (4, 2), (3, 1)], [(1, 2), (3, 1)],
    ]  # fmt: skip
    for layers in cases:
        what = f"receptive_field({layers})"
        (got,) = _whole_numbers(what, call(answer, list(layers)), 1)
        right, jump = 1, 1
        for kernel, stride in layers:
            right, jump = right + (kernel - 1) * jump, jump * stride
        if got == right:
            continue
        backwards, step, no_jump, late, steps = 1, 1, 1, 1, 1
        whole, jump, added, sums = 1, 1, 1, 1
        for kernel, stride in layers:
            whole, jump = whole + kernel * jump, jump * stride
            added, sums = added + (kernel - 1) * sums, sums + stride - 1
        for (kernel, stride), (last_kernel, last_stride) in zip(layers, layers[::-1]):
            backwards, step = backwards + (last_kernel - 1) * step, step * last_stride
            no_jump += kernel - 1
            steps *= stride
            late += (kernel - 1) * steps
        hints = {
            layers[-1][0]: "This is the kernel of the last layer. Each of its taps is a unit that sees several "
            "pixels itself.",
            math.prod(kernel for kernel, _ in layers): "Neighboring windows overlap: their widths do not multiply.",
            no_jump: "That would be right with stride 1. Behind a stride of 2 neighbors are 2 pixels apart.",
            late: "A layer's own stride comes only after it: its taps still have the distance of the layer before.",
            backwards: "The first in the list is the one next to the image.",
            right - 1: "It begins at 1: without any layer, a unit sees one pixel, itself.",
            whole: "A kernel adds kernel - 1 gaps, not kernel: neighboring windows share a pixel.",
            added: "The distances of a layer are the *product* of all strides before it, not their sum.",
        }
        raise Wrong(f"{what}: expected {right}, got {got}. {hints.get(got, '')}".rstrip())


@exercise("9.3", "how long Adam looks back")
def steps_to_turn(answer: Any) -> None:
    """``steps_to_turn(beta1)`` is how many steps of gradient -1 turn an average that has long been at +1."""
    for beta in (0.9, 0.5, 0.0, 0.99, 0.8):
        average, right = 1.0, 0
        while average >= 0:
            average = beta * average - (1 - beta)
            right += 1
        what = f"steps_to_turn({beta})"
        edge = f"It was called with beta1 = {beta:g}. With no memory at all, beta1 = 0, the first step turns."
        steps = call_or_hint(answer, beta, hints=dict.fromkeys((ValueError, ArithmeticError), edge))
        (got,) = _whole_numbers(what, steps, 1)
        if got != right:
            hint = "The average is below 0 as soon as beta1 ** n is below 1/2."
            if got == right - 1:
                hint = "After that many it is still not below 0: at exactly 0 Adam stands still."
            elif got == round(1 / (1 - beta)):
                hint = ("1 / (1 - beta1) is how many steps it remembers, roughly. Follow the average itself, from +1 "
                        "to "
                        "below 0.")  # fmt: skip
            raise Wrong(f"{what}: expected {right}, got {got}. {hint}")


@exercise("9.4", "the nearest training image")
def nearest(answer: Any) -> None:
    """``nearest(samples, train)``, arrays (N, P) and (M, P), gives the index of the training image next to each."""
    for seed, (n, m, pixels) in enumerate([(1, 3, 2), (5, 8, 4), (40, 300, 784)]):
        samples, train = random_array(seed, n, pixels), random_array(seed + 9, m, pixels)
        if seed == 1:
            train *= np.linspace(0.2, 3, m)[:, None]  # images of different lengths: a product alone will not do
        distances = np.array([((sample - train) ** 2).sum(1) for sample in samples])
        right = distances.argmin(1)
        what = f"nearest(samples, train) for {n} samples and {m} images of {pixels} pixels"
        if n == 40:
            tracemalloc.start()
        try:
            got = np.asarray(call(answer, samples, train))
            spare = tracemalloc.get_traced_memory()[1] if n == 40 else 0
        finally:
            tracemalloc.stop()
        if got.shape != (n,):
            raise Wrong(f"{what}: expected shape ({n},), got {got.shape}: one index for each sample.")
        if got.dtype.kind not in "iu":
            raise Wrong(
                f"{what}: expected indices of train, whole numbers, got {got.dtype}. A distance? "
                "argmin gives the index, min the distance itself."
            )
        if (got != right).any():
            i = int((got != right).argmax())
            hint, products = "", samples @ train.T
            if (got == ((train**2).sum(1) - products).argmin(1)).all():
                hint = " Is the factor 2 of the mixed term there? |a - b|^2 = |a|^2 - 2 ab + |b|^2."
            elif (got == [abs(train - sample).sum(1).argmin() for sample in samples]).all():
                hint = " This is the smallest sum of absolute differences; asked for are their squares."
            elif (got == distances.argmax(1)).all():
                hint = " These are the farthest."
            elif (got == (samples @ train.T).argmax(1)).all():
                hint = (
                    " The largest product is not the smallest distance: long images have large products. Subtract the "
                    "product, twice, from the square of the *training* image's length."
                )
            raise Wrong(f"{what}: sample {i}: expected {right[i]}, got {got[i]}.{hint}")
        if spare > n * m * pixels:  # an eighth of all differences in float64
            raise Wrong(f"{what}: right, but on the way {spare / 2**20:.0f} MiB were in use: all differences at once. "
                        "For 1,000 samples and 4,000 digits that would be 25 GB. |a - b|^2 = |a|^2 - 2 ab + |b|^2 "
                        "needs one matrix product.")  # fmt: skip


def _turn(first: np.ndarray, last: np.ndarray, t: float, angle: float) -> Any:
    return (np.sin((1 - t) * angle) * first + np.sin(t * angle) * last) / np.sin(angle)


def _angle(a: np.ndarray, b: np.ndarray) -> Any:
    """The angle between two vectors."""
    return np.arccos(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


@exercise("9.5", "the way around")
def slerp(answer: Any) -> None:
    """``slerp(a, b, t)`` goes from vector a (t = 0) to b (t = 1) along the great circle."""
    a, b = random_array(0, 2, 100)
    for first, last, t in [(a, b, 0.0), (a, b, 1.0), (a, b, 0.2), (a, b, 0.5), (a[:3], b[:3], 0.7)]:
        unit_first, unit_last = first / np.linalg.norm(first), last / np.linalg.norm(last)
        cosine = unit_first @ unit_last
        angle = np.arccos(cosine)
        right = _turn(first, last, t, angle)
        straight = (1 - t) * first + t * last
        what = f"slerp(a, b, {t}) in {len(first)} dimensions"
        with np.errstate(all="ignore"):
            got = np.asarray(call(answer, first, last, t))
        if not np.isfinite(got).all():
            raise Wrong(f"{what}: there are values that are not finite. The cosine of the angle is a.b / (|a| |b|): "
                        "divide by both lengths.")  # fmt: skip
        mistakes = [
            (straight, "This is the straight line, which cuts through the inside of the sphere."),
            (right * np.sin(angle), "Divide by sin(angle): at t = 0 nothing of a must be lost."),
            ((np.sin(t * angle) * first + np.sin((1 - t) * angle) * last) / np.sin(angle), "At t = 0 it has to be a."),
            (straight / np.linalg.norm(straight) * np.linalg.norm(first),
             "The length is right, but not the speed: turn through equal angles for equal steps of t."),
            (straight / np.linalg.norm(straight) * ((1 - t) * np.linalg.norm(first) + t * np.linalg.norm(last)),
             "This is the straight line, made longer: its speed is not constant. Turn through equal angles."),
            (_turn(unit_first, unit_last, t, angle),
             "This has length 1: divide by the lengths to get the angle, but turn a and b themselves."),
            (_turn(first, last, t, cosine), "a.b / (|a| |b|) is the cosine of the angle: take arccos of it."),
            (_turn(first, last, t, np.degrees(angle)), "NumPy's sine takes radians, not degrees."),
        ]  # fmt: skip
        close(
            what,
            got,
            right,
            mistakes,
            probe=probing(answer, lambda a, b, t: _turn(a, b, t, _angle(a, b)), first, last, t),
        )
