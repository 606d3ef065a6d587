"""The exercises of lesson 3, *Convolution and its two adjoints*."""

import math
from typing import Any

import numpy as np

from ..functional import conv_transpose2d
from ..kernels import reference, register
from ..kernels.shapes import output_size
from ..tensor import Tensor, tensor
from . import Wrong, call, close, exercise
from ._compare import random_array

__all__ = [
    "overlaps", "output_padding", "same_padding", "transposed_by_convolution", "triad", "weight_grad_by_convolution",
]  # fmt: skip


def _sums(
    x: np.ndarray, w: np.ndarray, g: np.ndarray, stride: int, before: int, wrap: bool = False
) -> tuple[np.ndarray, ...]:
    """The three sums of a convolution in one dimension; `wrap` makes Python's mistake of counting from the end."""
    y, gx, gw = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)
    for p in range(len(g)):
        for r in range(len(w)):
            i = p * stride + r - before
            if (-len(x) if wrap else 0) <= i < len(x):
                y[p] += x[i] * w[r]
                gx[i] += g[p] * w[r]
                gw[r] += g[p] * x[i]
    return y, gx, gw


def _lost_terms(x: np.ndarray, w: np.ndarray, g: np.ndarray, stride: int, before: int) -> list[list[tuple[Any, str]]]:
    """For each of the three sums the results of loops that overwrite, or that use y in place of g, with hints."""
    last, of_y = [np.zeros_like(a) for a in (g, x, w)], [np.zeros_like(a) for a in (g, x, w)]
    y = _sums(x, w, g, stride, before)[0]
    for p in range(len(g)):
        for r in range(len(w)):
            i = p * stride + r - before
            if 0 <= i < len(x):
                last[0][p], last[1][i], last[2][r] = x[i] * w[r], g[p] * w[r], g[p] * x[i]
                of_y[1][i] += y[p] * w[r]
                of_y[2][r] += y[p] * x[i]
    overwritten = "Only the last triple is kept: several triples contribute to one place, so add with +=."
    forward = "This is made from y. The gradients are made from its cotangent, g."
    return [[(last[0], overwritten)], *([(last[k], overwritten), (of_y[k], forward)] for k in (1, 2))]


@exercise("3.1", "one loop, three sums")
def triad(answer: Any) -> None:
    """``triad(x, w, g, stride, before)`` gives y, gx and gw of a convolution in one dimension."""
    for seed, (size, kernel, outputs, stride, before) in enumerate(
        [(6, 3, 4, 1, 0), (7, 3, 3, 2, 0), (6, 3, 6, 1, 1), (8, 5, 4, 2, 1), (4, 2, 2, 3, 0)]
    ):
        x, w, g = (random_array(seed + place, n) for place, n in ((10, size), (20, kernel), (30, outputs)))
        case = f"with {size} inputs, kernel {kernel}, stride={stride}, before={before}"
        try:
            results = call(answer, x, w, g, stride, before, expect=3)
        except Wrong as fault:
            if isinstance(fault.__cause__, IndexError):
                raise Wrong(f"{fault}\n({case}.) Padding is zeros that are not stored: leave out every i below 0 or "
                            "beyond the last input.") from fault.__cause__  # fmt: skip
            raise
        right = _sums(x, w, g, stride, before)
        flipped = _sums(x, w[::-1], g, stride, before)
        wrapped = _sums(x, w, g, stride, before, wrap=True)
        unpadded = _sums(x, w, g, stride, 0)
        for place, name in enumerate(("y", "gx", "gw")):
            unlike = flipped[place][::-1] if name == "gw" else flipped[place]
            mistakes = [
                (unlike, "The kernel is flipped: tap r belongs to input p * stride + r - before."),
                (
                    wrapped[place],
                    "Is i below 0 somewhere? In Python x[-1] is the last input; here it is padding, zero.",
                ),
            ]
            mistakes += _lost_terms(x, w, g, stride, before)[place]
            if before:
                mistakes.append((unpadded[place], "Where is `before`? The first window starts that far left of x[0]."))
                added = _sums(x, w, g, stride, -before)[place]
                mistakes.append((added, "Look at the sign of `before`: i = p * stride + r - before. It is subtracted."))
            if stride > 1:
                close_together = _sums(x, w, g, 1, before)[place]
                mistakes.append((close_together, "Where is the stride? Window p begins at p * stride - before."))
            mistakes += [(right[other], f"This is {label}: give y, gx, gw in this order.")
                         for other, label in enumerate(("y", "gx", "gw")) if other != place]  # fmt: skip
            what = f"triad(x, w, g, stride, before)[{place}], which is {name}, {case}"
            close(what, results[place], right[place], mistakes)


def _whole_numbers(what: str, got: Any, count: int) -> tuple[int, ...]:
    numbers = np.ravel(got)
    if numbers.shape != (count,) or numbers.dtype.kind not in "iu":
        whole = numbers.shape == (count,) and numbers.dtype.kind == "f" and np.all(numbers == np.round(numbers))
        hint = (
            " The value is whole, its type is not: divide with // in place of /, or return int(...)." if whole else ""
        )
        if len(numbers) != count > 1:
            hint = f" Give {count}, one for each place."
        raise Wrong(f"{what}: expected {count} whole number{'s' * (count > 1)}, got {got!r}.{hint}")
    return tuple(int(n) for n in numbers)


@exercise("3.2", 'what "same" pads')
def same_padding(answer: Any) -> None:
    """``same_padding(size, kernel, stride)`` gives the zeros before and after, for ceil(size / stride) outputs."""
    cases = [
        (8, 3, 1),
        (6, 5, 1),
        (28, 5, 2),
        (14, 5, 2),
        (8, 4, 2),
        (7, 3, 2),
        (8, 2, 2),
        (9, 2, 4),
        (8, 1, 2),
        (5, 1, 3),
    ]
    for size, kernel, stride in cases:
        outputs = math.ceil(size / stride)
        total = max((outputs - 1) * stride + kernel - size, 0)
        right = (total // 2, total - total // 2)
        what = f"same_padding({size}, {kernel}, {stride})"
        got = _whole_numbers(what, call(answer, size, kernel, stride, expect=2), 2)
        if got == right:
            continue
        made = output_size(size, kernel, stride, (got[0], got[1]), 1)
        reason = f"{what}: expected {right}, got {got}. "
        if min(got) < 0:
            reason += "Padding cannot be negative: where the kernel is smaller than the stride, none may be needed."
        elif got == right[::-1]:
            reason += "The odd zero goes after, at the bottom and right."
        elif made != outputs:
            reason += f"That gives {made} outputs; asked for are ceil({size} / {stride}) = {outputs}."
            if sum(got) == 2 * total:
                reason += f" {total} is the number of zeros on both sides together: halve it."
        else:
            reason += f"It gives {outputs} outputs, as it should, but is not the least that does, halved."
        if got == ((kernel - 1) // 2,) * 2:
            reason += " (kernel - 1) // 2 on both sides is right for odd kernels with stride 1."
        raise Wrong(reason)


@exercise("3.3", "giving the size back")
def output_padding(answer: Any) -> None:
    """``output_padding(size, kernel, stride, padding, dilation)`` makes a transposed convolution undo the size."""
    cases = [(7, 3, 2, 0, 1), (8, 3, 2, 0, 1), (8, 3, 2, 1, 1), (8, 4, 2, 1, 1), (9, 4, 2, 1, 1), (11, 3, 3, 0, 1),
             (12, 3, 3, 0, 1), (13, 3, 3, 0, 1), (12, 3, 3, 1, 2), (16, 5, 4, 2, 1), (6, 3, 1, 1, 1)]  # fmt: skip
    for size, kernel, stride, padding, dilation in cases:
        what = f"output_padding({size}, {kernel}, {stride}, {padding}, {dilation})"
        (got,) = _whole_numbers(what, call(answer, size, kernel, stride, padding, dilation), 1)
        there = output_size(size, kernel, stride, (padding, padding), dilation)
        back = (there - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1
        if got != size - back:
            raise Wrong(f"{what}: {size} pixels become {there}, and these {back} without output padding. "
                        f"So {size - back} are missing; got {got}. "
                        f"{_output_padding_hint(got, stride, padding, dilation)}"
                        )  # fmt: skip


def _output_padding_hint(got: int, stride: int, padding: int, dilation: int) -> str:
    if got == stride - 1 and dilation == 1 and not padding:
        return "It is not always stride - 1: it depends on how many pixels the last window leaves over."
    if dilation > 1:
        return "With dilation the kernel spans dilation * (kernel - 1) + 1 pixels."
    if padding:
        return "The padding is on both sides: it counts twice."
    return "It is what is left over behind the last window: a remainder of a division by the stride."


def _forbidden(name: str) -> Any:
    def kernel(*arguments: Any, **options: Any) -> None:
        raise RuntimeError(f"{name} was used; this exercise is to do without it")

    return kernel


def _array(what: str, got: Any, shape: tuple[int, ...], hint: str) -> np.ndarray:
    """The answer as an array; a Tensor will do as well."""
    found = got.numpy() if isinstance(got, Tensor) else np.asarray(got)
    if found.shape != shape:
        raise Wrong(f"{what}: expected shape {shape}, got {found.shape}. {hint}")
    return found


@exercise("3.4", "a transposed convolution by an ordinary one")
def transposed_by_convolution(answer: Any) -> None:
    """``transposed_by_convolution(g, w, stride)`` is ``F.conv_transpose2d(g, w, stride=stride)`` with ``F.conv2d``."""
    for seed, (stride, kernel, channels, filters) in enumerate(
        [(1, 3, 1, 1), (1, 2, 3, 2), (2, 4, 1, 1), (3, 2, 2, 3)]
    ):
        g, w = random_array(seed, 2, filters, 3, 3), random_array(seed + 9, filters, channels, kernel, kernel)
        case = f"for g of shape {g.shape}, w of shape {w.shape} and stride={stride}"
        what = f"transposed_by_convolution(g, w, stride) {case}"
        right = conv_transpose2d(tensor(g), tensor(w), stride=stride).numpy()
        unflipped = conv_transpose2d(tensor(g), tensor(w[:, :, ::-1, ::-1].copy()), stride=stride).numpy()
        with register("conv2d_input_grad", _forbidden("conv_transpose2d")):
            got = call(answer, g, w, stride)
        got = _array(what, got, right.shape, "There are stride - 1 zeros between neighbors of g, none after the last, "
                     "and kernel - 1 around. Its channels come from w.shape[1].")  # fmt: skip
        mistakes = [
            (unflipped, "The sizes are right, but the kernel must be flipped, in both directions."),
            (right.swapaxes(2, 3), "Rows and columns are exchanged."),
        ]
        for axis in (2, 3):
            half = conv_transpose2d(tensor(g), tensor(np.flip(w, axis).copy()), stride=stride).numpy()
            mistakes.append((half, "The kernel is flipped along one axis only: flip it along both, [::-1, ::-1]."))
        if stride > 1:
            boxes = np.ones((filters, 1, stride, stride))
            repeated = conv_transpose2d(tensor(g), tensor(boxes), stride=stride, groups=filters).numpy()
            repeated = repeated[:, :, : 1 - stride, : 1 - stride]
            mistakes.append((conv_transpose2d(tensor(repeated), tensor(w)).numpy(),
                             "The elements of g are repeated. Between neighbors there are stride - 1 "
                             "*zeros*."))  # fmt: skip
        close(what, got, right, mistakes)


@exercise("3.5", "how often each output is hit")
def overlaps(answer: Any) -> None:
    """``overlaps(kernel, stride)`` counts the taps that reach the output positions 0, 1, ... stride - 1, far inside."""
    for kernel, stride in [(4, 2), (5, 2), (3, 2), (2, 2), (3, 1), (7, 3), (6, 3), (2, 3), (1, 2), (9, 4)]:
        right = [len(range(place, kernel, stride)) for place in range(stride)]
        what = f"overlaps({kernel}, {stride})"
        got = _whole_numbers(what, call(answer, kernel, stride), stride)
        if list(got) != right:
            hint = (f"Every input adds {kernel} numbers, so the counts of {stride} neighbors have the sum {kernel}. If "
                    "that cannot be divided evenly, the first positions get one more than the last.")  # fmt: skip
            if sum(got) == kernel:
                hint = (
                    "The sum is right. Tap r of the input at p reaches position p * stride + r: which r reach place 0?"
                )
            raise Wrong(f"{what}: expected {right}, got {list(got)}. {hint}")


@exercise("3.6", "the weight gradient is a convolution too")
def weight_grad_by_convolution(answer: Any) -> None:
    """``weight_grad_by_convolution(x, g, kernel, stride)`` is W(x, g), computed with ``F.conv2d``."""
    for seed, (size, kernel, stride, batch, channels, filters) in enumerate(
        [(6, 3, 1, 1, 1, 1), (5, 2, 1, 2, 3, 4), (7, 3, 2, 3, 2, 1), (8, 3, 2, 2, 1, 3)]
    ):
        pixels = output_size(size, kernel, stride, (0, 0), 1)
        x, g = random_array(seed, batch, channels, size, size), random_array(seed + 9, batch, filters, pixels, pixels)
        case = f"for x of shape {x.shape}, g of shape {g.shape}, kernel={kernel} and stride={stride}"
        what = f"weight_grad_by_convolution(x, g, kernel, stride) {case}"
        sides = ((0, 0), (0, 0))
        right = reference.conv2d_weight_grad(x, g, (kernel, kernel), (stride, stride), sides, (1, 1), 1)

        def weight_grad(x: np.ndarray, g: np.ndarray, first: int = 0) -> np.ndarray:
            """The weight's gradient as a convolution, cut to the places from `first` on."""
            made = reference.conv2d(x.swapaxes(0, 1), g.swapaxes(0, 1), (1, 1), sides, (stride, stride), 1)  # noqa: B023
            return made[:, :, first : first + kernel, first : first + kernel].swapaxes(0, 1)  # noqa: B023

        with register("conv2d_weight_grad", _forbidden("conv2d_weight_grad")):
            got = call(answer, x, g, kernel, stride)
        spare = size - stride * (pixels - 1)
        hint = "It has the shape of w: filters, channels, kernel, kernel."
        if np.shape(got)[2:] == (spare, spare) and spare > kernel:
            hint = f"Stride leaves {spare} places for g where the kernel has only {kernel}: cut the others off."
        got = _array(what, got, right.shape, hint)
        swapped = reference.conv2d(x.swapaxes(0, 1), g.swapaxes(0, 1), (stride, stride), sides, (1, 1), 1)
        undilated = reference.conv2d(x.swapaxes(0, 1), g.swapaxes(0, 1), (1, 1), sides, (1, 1), 1)
        mistakes: list[tuple[Any, str]] = []
        for other, how in ((swapped, "with stride"), (undilated, "with neither stride nor dilation")):
            other = other[:, :, :kernel, :kernel].swapaxes(0, 1)
            if other.shape == right.shape and not np.allclose(other, right):
                mistakes.append((other, f"This is a convolution {how}. Here g is the kernel, spread by the stride: "
                                        "that is dilation."))  # fmt: skip
        close(what, got, right, [
            *mistakes,
            (right.swapaxes(2, 3), "Rows and columns are exchanged."),
            (right / batch, "This is the mean over the images; their gradients add up."),
            (weight_grad(x, g[:, :, ::-1, ::-1]), "g is flipped. Here nothing is: this is a convolution of x with g."),
            (weight_grad(x, g, spare - kernel), "Cut off the other end: the kernel's places are the first ones."),
        ])  # fmt: skip
