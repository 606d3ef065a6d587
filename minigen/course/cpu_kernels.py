"""The exercises of lesson 4, *Kernels on a CPU*."""

import tracemalloc
from typing import Any

import numpy as np

from ..kernels import reference
from ..kernels.shapes import output_size
from . import Wrong, call, close, exercise
from ._compare import random_array
from ._probe import probing

__all__ = ["conv_work", "convolve_in_bands", "least_time", "minimal_filter", "my_conv2d"]


@exercise("4.1", "the least time")
def least_time(answer: Any) -> None:
    """``least_time(flop, nbytes, peak, bandwidth)`` gives the seconds that the roofline allows."""
    for flop, nbytes, peak, bandwidth in [(2e9, 1e6, 1e11, 1e10), (1e6, 1e9, 1e11, 1e10), (5e9, 5e8, 1e11, 1e10)]:
        right, other = max(flop / peak, nbytes / bandwidth), min(flop / peak, nbytes / bandwidth)
        close(
            f"least_time({flop:g}, {nbytes:g}, {peak:g}, {bandwidth:g})",
            np.asarray(call(answer, flop, nbytes, peak, bandwidth)), np.asarray(right),
            [
                (np.asarray(other), "This is the part that is over first: the smaller one. Both the operations and the "
                 "bytes have to be over."),
                (np.asarray(right + other), "This is the sum: one after the other. A processor loads ahead while it "
                                            "computes."),
                (np.asarray((right + other) / 2), "This is the mean. Both have to be over: the longer one counts."),
                (np.asarray(1 / right), "This is per second: the result is a time."),
                (np.asarray(max(peak / flop, bandwidth / nbytes)), "Upside down: divide the work by the rate."),
                (np.asarray(max(flop / bandwidth, nbytes / peak)), "The two rates are exchanged: flop belongs to "
                                                                   "peak."),
                (np.asarray(min(peak, bandwidth * flop / nbytes)), "This is the rate, flop per second, that the "
                                                                   "roofline "
                 "allows. The time is flop divided by it."),
            ] if right != other else [],
             probe=probing(answer, lambda flop, nbytes, peak, bandwidth: max(flop / peak, nbytes / bandwidth),
               flop, nbytes, peak, bandwidth))  # fmt: skip


@exercise("4.2", "what a convolution has to do")
def conv_work(answer: Any) -> None:
    """``conv_work(N, C, O, H, W, kernel, stride, padding)`` gives the FLOP and the least bytes of a layer."""
    for n, c, o, h, w, kernel, stride, padding in [
        (1, 1, 1, 8, 8, 1, 1, 0), (3, 5, 4, 8, 10, 3, 2, 1), (32, 3, 64, 64, 64, 4, 2, 1), (5, 2, 7, 9, 12, 5, 2, 2),
    ]:  # fmt: skip
        p, q = (output_size(size, kernel, stride, (padding, padding), 1) for size in (h, w))
        narrow = [(size + padding - kernel) // stride + 1 for size in (h, w)]
        dense = [size + 2 * padding - kernel + 1 for size in (h, w)]
        fractions = [(size + 2 * padding - kernel) / stride + 1 for size in (h, w)]
        flop = 2 * n * o * c * kernel**2 * p * q
        nbytes = 4 * (n * c * h * w + o * c * kernel**2 + n * o * p * q)
        what = f"conv_work({n}, {c}, {o}, {h}, {w}, {kernel}, {stride}, {padding})"
        first, second = call(answer, n, c, o, h, w, kernel, stride, padding, expect=2)
        one = np.asarray(1.0)
        close(f"{what}[0], the FLOP", np.asarray(first), flop * one, [
            (flop * one / 2, "A multiplication and an addition are two."),
            (flop * one / n, "There are N images."),
            (flop * one + n * o * p * q, "There is no bias: count a multiplication and an addition for each tap."),
            (flop * one / kernel, "A kernel has kernel * kernel taps for each channel: square it."),
            (2 * n * o * c * kernel**2 * narrow[0] * narrow[1] * one, "Padding is on both sides: 2 * padding."),
            (2 * n * o * c * kernel**2 * dense[0] * dense[1] * one, "Where is the stride? There is a sum for each "
                                                                    "output "
             "pixel, and stride 2 halves their number along each axis."),
            (2 * n * o * c * kernel**2 * fractions[0] * fractions[1] * one, "A window that does not fit is left out: "
             "divide by the stride with //, then add 1."),
            (flop * one / (p * q) * h * w, "There is a sum for each output pixel: P x Q, not H x W."),
            (flop * one / c, "Each output sums over all C input channels."),
        ])  # fmt: skip
        close(f"{what}[1], the bytes", np.asarray(second), nbytes * one, [
            (nbytes * one / 4, "These are elements. A float32 has 4 bytes."),
            (nbytes * one * 2, "A float32 has 4 bytes, not 8."),
            (4 * (n * c * h * w + n * o * p * q) * one, "The kernel's weights have to be read too."),
            (4 * (n * c * (h + 2 * padding) * (w + 2 * padding) + o * c * kernel**2 + n * o * p * q) * one,
             "The zeros of the padding are not read from memory: count the H x W pixels that there are."),
            (4 * (n * c * h * w + o * c * kernel**2) * one, "The result has to be written too."),
        ])  # fmt: skip


@exercise("4.3", "a convolution without the im2col array")
def convolve_in_bands(answer: Any) -> None:
    """``convolve_in_bands(x, w)`` is a convolution with stride 1 and without padding, that never needs much memory."""
    for seed, (n, c, h, width, o, kernel) in enumerate([(1, 1, 5, 6, 1, 3), (2, 3, 7, 9, 4, 2), (4, 16, 34, 34, 8, 3)]):
        x, w = random_array(seed, n, c, h, width), random_array(seed + 9, o, c, kernel, kernel)
        right = reference.conv2d(x, w, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
        got = call(answer, x, w)
        turned = reference.conv2d(x, w[:, :, ::-1, ::-1], (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
        what = f"convolve_in_bands(x, w) for x of shape {x.shape} and w of shape {w.shape}"
        close(what, got, right, [(turned, "The kernel is flipped."), *_lost_rows(np.asarray(got), right)])
    tracemalloc.start()
    try:
        answer(x, w)
        spare = tracemalloc.get_traced_memory()[1] - right.nbytes
    finally:
        tracemalloc.stop()
    patches = right.size // o * w[0].size * x.itemsize
    if spare > patches / 8:
        raise Wrong(f"{what}: the result is right, but beside it at times {spare / 1024:.0f} KiB were in use. All "
                    f"patches together are {patches / 1024:.0f} KiB, and you have an eighth of that: work on a few "
                    "rows of one image at a time.")  # fmt: skip


def _lost_rows(got: np.ndarray, right: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Hints at bands that leave out rows or images: the answer is right in some rows, and wrong in whole other ones."""
    if got.shape != right.shape or got.dtype.kind != "f":
        return []
    good = np.isclose(got, right).all(axis=(1, 3))  # of each image and row
    hints = []
    if not good.all() and good[0].all() and not good[1:].any():
        hints.append("Only the first image is right: is there a loop over the images?")
    elif not good.all() and not got.swapaxes(1, 2)[~good].any():
        last = np.argwhere(~good)[0, 1] > np.argwhere(good)[-1, 1] if good.any() else False
        where = "The last rows" if last else "Some rows"
        hints.append(f"{where} were never written. A band of `rows` output rows needs rows + R - 1 input rows, the "
                     f"bands "
                     "overlap, and the last band may be smaller.")  # fmt: skip
    return [(got, hint) for hint in hints]


class _Number:
    """A number that counts how often it is multiplied with another of its kind; factors known beforehand are free."""

    def __init__(self, value: float, count: list[int]):
        self.value, self.count = value, count

    def _new(self, value: float) -> "_Number":
        return _Number(value, self.count)

    def __add__(self, other: Any) -> "_Number":
        return self._new(self.value + _value(other))

    __radd__ = __add__

    def __neg__(self) -> "_Number":
        return self._new(-self.value)

    def __sub__(self, other: Any) -> "_Number":
        return self._new(self.value - _value(other))

    def __rsub__(self, other: Any) -> "_Number":
        return self._new(_value(other) - self.value)

    def __mul__(self, other: Any) -> "_Number":
        self.count[0] += isinstance(other, _Number)
        return self._new(self.value * _value(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "_Number":
        if isinstance(other, _Number):
            raise TypeError("there is nothing to divide by, but whole numbers such as 2")
        return self._new(self.value / other)


def _value(x: Any) -> float:
    return x.value if isinstance(x, _Number) else x


@exercise("4.4", "two outputs of three taps with four multiplications")
def minimal_filter(answer: Any) -> None:
    """``minimal_filter(x, w)`` gives two outputs of a convolution of 4 inputs with 3 taps by four multiplications."""
    for seed in range(3):
        inputs, taps = random_array(seed, 4), random_array(seed + 9, 3)
        count = [0]
        x, w = ([_Number(float(v), count) for v in values] for values in (inputs, taps))
        results = call(answer, x, w, expect=2)
        for place, got in enumerate(results):
            if not isinstance(got, _Number):
                raise Wrong(f"minimal_filter(x, w)[{place}]: expected a number made from x and w, got {got!r:.60}.")
            right = inputs[place : place + 3] @ taps
            turned = inputs[place : place + 3] @ taps[::-1]
            close(f"minimal_filter(x, w)[{place}]", np.asarray(got.value), np.asarray(right),
                          [(np.asarray(turned), "The kernel is "
                                                "flipped."), *_products(inputs, taps, place)])  # fmt: skip
        if count[0] > 4:
            raise Wrong(f"minimal_filter(x, w): the results are right, but took {count[0]} multiplications of numbers "
                        "made from x with numbers made from w; 4 are enough.")  # fmt: skip


def _products(x: np.ndarray, w: np.ndarray, place: int) -> list[tuple[np.ndarray, str]]:
    """What the four products of Winograd's algorithm give with other signs, or without the halves, for one output."""
    products = [(x[0] - x[2]) * w[0], (x[1] + x[2]) * w.sum() / 2, (x[2] - x[1]) * (w[0] - w[1] + w[2]) / 2,
                (x[1] - x[3]) * w[2]]  # fmt: skip
    right = [(1, 1, 1, 0), (0, 1, -1, -1)]
    found = [(np.dot(right[1 - place], products), f"This is the {('second', 'first')[place]} output: mind the order."),
             (np.dot(right[place], [products[0], 2 * products[1], 2 * products[2], products[3]]),
              "The products two and three are halved: their taps are (w0 + w1 + w2) / 2 and (w0 - w1 + w2) / "
              "2.")]  # fmt: skip
    for k, sign in enumerate(right[place]):
        if sign:
            turned = [*right[place][:k], -sign, *right[place][k + 1 :]]
            names = ("(x0 - x2) w0", "(x1 + x2) (w0 + w1 + w2) / 2", "(x2 - x1) (w0 - w1 + w2) / 2", "(x1 - x3) w2")
            found.append((np.dot(turned, products), f"Look at the sign of the product {names[k]}."))
    return found


_PLAIN = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)


@exercise("4.5", "a kernel of your own")
def my_conv2d(answer: Any) -> None:
    """``my_conv2d(x, w, stride, padding, dilation, groups, out=None)`` keeps the contract of our kernels."""
    cases = [
        ("plain", (2, 3, 6, 7), (4, 3, 3, 3), _PLAIN),
        ("with stride (2, 1)", (1, 2, 7, 6), (3, 2, 3, 2), ((2, 1), *_PLAIN[1:])),
        ("with padding ((1, 2), (0, 3))", (1, 2, 5, 6), (3, 2, 3, 3), ((1, 1), ((1, 2), (0, 3)), (1, 1), 1)),
        ("with dilation (1, 2)", (1, 2, 6, 8), (3, 2, 3, 3), ((1, 1), ((0, 0), (0, 0)), (1, 2), 1)),
        ("with groups=2", (2, 4, 5, 5), (6, 2, 3, 3), (*_PLAIN[:3], 2)),
        ("with everything", (3, 4, 9, 8), (2, 2, 2, 3), ((2, 3), ((2, 0), (1, 1)), (2, 1), 2)),
        ("of an empty batch", (0, 2, 5, 5), (3, 2, 3, 3), _PLAIN),
    ]
    random = np.random.default_rng(0)
    for case, x_shape, w_shape, rest in cases:
        for dtype in (np.float32, np.float64):
            # small whole numbers: every sum is exact, in any order, so the results must be equal
            x, w = (random.integers(-4, 5, shape).astype(dtype) for shape in (x_shape, w_shape))
            x.flags.writeable = w.flags.writeable = False
            right = reference.conv2d(x, w, *rest)
            what = f"my_conv2d {case}, x {x_shape} and w {w_shape} of {np.dtype(dtype)}"
            got = _kernel_result(what, _run(what, answer, x, w, *rest), right)
            close(what, got, right, _wrong_kernels(x, w, rest, np.asarray(got)), rtol=0, atol=0)
    turned = np.asfortranarray(x := random.integers(-4, 5, (2, 3, 6, 7)).astype(np.float32))
    w = random.integers(-4, 5, (4, 3, 3, 3)).astype(np.float32)
    right = reference.conv2d(x, w, *_PLAIN)
    what = "my_conv2d, x in Fortran order"
    close(what, _kernel_result(what, _run(what, answer, turned, w, *_PLAIN), right), right, rtol=0, atol=0)
    out = np.full(right.shape, np.nan, np.float32)
    returned = call(lambda *given: answer(*given, out=out), x, w, *_PLAIN)
    if returned is not out:
        raise Wrong("my_conv2d(..., out=out) has to return `out` itself, with the result written into it.")
    if np.isnan(out).any():
        raise Wrong("out, after my_conv2d(..., out=out): something in `out` was not written, or the result was added "
                    "to "
                    "what `out` held before (here NaN). Overwrite all of it: out[...] = result.")  # fmt: skip
    close("out, after my_conv2d(..., out=out)", out, right, rtol=0, atol=0)


def _wrong_kernels(x: np.ndarray, w: np.ndarray, rest: Any, got: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Results of kernels that flip, or leave out a setting."""
    groups = rest[3]
    right = reference.conv2d(x, w, *rest)
    found = [
        (reference.conv2d(x, w[:, :, ::-1, ::-1], *rest), "The kernel is flipped: tap r meets input p * stride + r.")
    ]
    if (
        groups > 1
        and got.shape == right.shape
        and np.array_equal(got[:, : len(w) // groups], right[:, : len(w) // groups])
    ):
        found.append((got, "The first group is right, the others are not: group k takes the k-th part of the channels, "
                           "and makes the k-th part of the outputs."))  # fmt: skip
    return found


def _run(what: str, answer: Any, *arguments: Any) -> Any:
    try:
        return call(answer, *arguments)
    except Wrong as fault:
        hint = "\nInputs may be read-only arrays: the engine's Tensors are." if "read-only" in str(fault) else ""
        raise Wrong(f"{what}: {fault}{hint}") from fault


def _kernel_result(what: str, got: Any, right: np.ndarray) -> np.ndarray:
    if not isinstance(got, np.ndarray):
        raise Wrong(f"{what}: expected an array, got {type(got).__name__}.")
    if got.dtype != right.dtype:
        raise Wrong(f"{what}: expected dtype {right.dtype}, as the inputs have, got {got.dtype}.")
    return got
