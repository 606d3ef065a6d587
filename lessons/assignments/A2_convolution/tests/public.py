"""The public tests of A2: small cases that one can follow with pencil and paper, and a first look at the clock."""

import os
import statistics
import time
import tracemalloc

import numpy as np

from minigen.course import Wrong
from minigen.course.kit import close, fail, repeated, test, untouched
from minigen.kernels.reference.conv import conv2d as im2col

PLAIN = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}


def settings(**options):
    """Stride, padding, dilation and groups, in this order."""
    return tuple({**PLAIN, **options}.values())


def array(what, got):
    """An array, or a complaint that it is none."""
    if not isinstance(got, np.ndarray):
        fail(what, f"expected an array, got {'None' if got is None else type(got).__name__}.")
    return got


def forward(a, x, w, options):
    """conv2d's result; the inputs must be left alone."""
    with untouched(x=x, w=w):
        return array("conv2d(x, w, ...)", repeated("conv2d(x, w, ...)", a.conv2d, x, w, *options))


def for_images(a, g, w, size, options):
    """conv2d_input_grad's result; the inputs must be left alone."""
    with untouched(g=g, w=w):
        what = "conv2d_input_grad(g, w, ...)"
        return array(what, repeated(what, a.conv2d_input_grad, g, w, size, *options))


def for_weights(a, x, g, size, options):
    """conv2d_weight_grad's result; the inputs must be left alone."""
    with untouched(x=x, g=g):
        what = "conv2d_weight_grad(x, g, ...)"
        return array(what, repeated(what, a.conv2d_weight_grad, x, g, size, *options))


def fast(a, x, w, padding):
    """fast_conv2d's result; the inputs must be left alone."""
    with untouched(x=x, w=w):
        return array("fast_conv2d(x, w, padding)", repeated("fast_conv2d(x, w, padding)", a.fast_conv2d, x, w, padding))


def row(*numbers):
    """An image, or a filter, of one channel and one row."""
    return np.array(numbers, np.float64).reshape(1, 1, 1, -1)


def pixels():
    """Four pixels."""
    return row(1, 2, 3, 4)


def taps():
    """Two taps."""
    return row(1, 10)


# ---- task 1


@test(task=1, points=1)
def windows_counted(a):
    """output_size: 4 pixels and 2 taps; with stride 2; with a zero in front; with dilation 2."""
    for options, count in [((1, (0, 0), 1), 3), ((2, (0, 0), 1), 2), ((1, (1, 0), 1), 4), ((1, (0, 0), 2), 2)]:
        stride, padding, dilation = options
        what = f"output_size(4, 2, stride={stride}, padding={padding}, dilation={dilation})"
        close(what, a.output_size(4, 2, stride, padding, dilation), count)


@test(task=1, points=1)
def a_row_of_pixels(a):
    """conv2d: the pixels 1 2 3 4 and the taps 1 10; with stride 2; with a zero in front."""
    close("conv2d of 1 2 3 4 with 1 10", forward(a, pixels(), taps(), settings()), row(21, 32, 43))
    close("conv2d with stride 2", forward(a, pixels(), taps(), settings(stride=(1, 2))), row(21, 43))
    y = forward(a, pixels(), taps(), settings(padding=((0, 0), (1, 0))))
    close("conv2d with a zero on the left", y, row(10, 21, 32, 43))


@test(task=1, points=1)
def channels_and_groups(a):
    """conv2d with one pixel, two channels 3 and 5, and taps 1 and 10: in one group, then in two."""
    x = np.array([3.0, 5.0]).reshape(1, 2, 1, 1)
    y = forward(a, x, np.array([1.0, 10.0]).reshape(1, 2, 1, 1), settings())
    close("conv2d of two channels, one group", y, row(53))
    y = forward(a, x, np.array([1.0, 10.0]).reshape(2, 1, 1, 1), settings(groups=2))
    close("conv2d of two channels, two groups", y, np.array([3.0, 50.0]).reshape(1, 2, 1, 1))


# ---- task 2


@test(task=2, points=1)
def back_to_a_row(a):
    """conv2d_input_grad: the cotangents 1 2 3 and the taps 1 10, for 4 pixels."""
    close("conv2d_input_grad", for_images(a, row(1, 2, 3), taps(), (1, 4), settings()), row(1, 12, 23, 30))


@test(task=2, points=1)
def back_with_a_stride(a):
    """The same with stride 2: the cotangents 1 2, for 5 pixels; the last pixel is in no window."""
    dx = for_images(a, row(1, 2), taps(), (1, 5), settings(stride=(1, 2)))
    close("conv2d_input_grad with stride 2", dx, row(1, 10, 2, 20, 0))


# ---- task 3


@test(task=3, points=1)
def back_to_the_taps(a):
    """conv2d_weight_grad: the pixels 1 2 3 4 and the cotangents 1 10 100, for 2 taps."""
    dw = for_weights(a, pixels(), row(1, 10, 100), (1, 2), settings())
    close("conv2d_weight_grad", dw, row(321, 432))


@test(task=3, points=1)
def back_to_the_taps_with_a_stride(a):
    """The same with stride 2 and the cotangents 1 10."""
    dw = for_weights(a, pixels(), row(1, 10), (1, 2), settings(stride=(1, 2)))
    close("conv2d_weight_grad with stride 2", dw, row(31, 42))


# ---- task 4: how long fast_conv2d takes, as a multiple of the time that im2col takes

NOW = time.perf_counter if os.name == "nt" else time.thread_time  # so that a busy machine does not matter
MEASURED = {}


def layer():
    """Images, filters and settings of the layer that is timed."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 16, 64, 64)).astype(np.float32)
    return x, rng.normal(size=(16, 16, 3, 3)).astype(np.float32), settings(padding=((1, 1), (1, 1)))


def timed(function, *arguments):
    """The seconds that a call takes."""
    start = NOW()
    function(*arguments)
    return NOW() - start


def share_of_others(a):
    """The share of fast_conv2d's processor time that is not this thread's, over calls that take 0.1 s of it."""
    x, w, _ = layer()
    everyone, this = time.process_time(), time.thread_time()
    until = time.perf_counter() + 2  # where a clock stands still
    while time.process_time() - everyone < 0.1 and time.perf_counter() < until:
        a.fast_conv2d(x, w, 1)
    everyone, this = time.process_time() - everyone, time.thread_time() - this
    return 1 - this / everyone if everyone else 0.0


def interleave(a):
    """The ratios of fast_conv2d's time to im2col's, in rounds in which they take turns with other images each time."""
    x, w, options = layer()
    rounds = []
    for k in range(23):
        image = x + np.float32(k)
        rounds.append((timed(a.fast_conv2d, image, w, 1), timed(im2col, image, w, *options)))
    return [ours / theirs for ours, theirs in rounds[2:]]


def ratio(a):
    """The time of fast_conv2d over that of im2col, the median over a race; the middle one of five where it is close."""
    if a.fast_conv2d not in MEASURED:
        x, w, options = layer()
        small = x[:1, :, :12, :12]
        ours = min(timed(a.fast_conv2d, small, w, 1) for _ in range(4))  # the first time Numba compiles
        theirs = min(timed(im2col, small, w, *options) for _ in range(4))
        found = [1000.0] if ours > 100 * theirs else []  # too long to wait for the layer
        if not found and share_of_others(a) > 0.4:  # a threaded kernel has .8; a thread of the machine's own, .1
            fail(
                "fast_conv2d",
                "it computes in other threads as well; one thread is asked for (in Numba: no parallel=True).",
            )
        while not found or (len(found) < 5 and 1.4 < found[-1] < 6):
            found.append(statistics.median(interleave(a)))
        MEASURED[a.fast_conv2d] = statistics.median(found)
    return MEASURED[a.fast_conv2d]


def at_most(a, limit):
    """Say how long fast_conv2d takes; complain if that is over `limit`, or if it is wrong on the layer that is timed."""
    x, w, options = layer()
    x = x[::-1] + 1  # other images than those that are timed
    close("fast_conv2d on the layer that is timed", fast(a, x, w, 1), im2col(x, w, *options), rtol=1e-3, atol=1e-3)
    found = ratio(a)
    if found > limit:
        many = f"{found:.2f} times" if found < 1000 else "more than 100 times"
        fault = Wrong(f"fast_conv2d takes {many} as long as im2col; this point is for {limit} times at most.")
        fault.what, fault.got = f"speed {limit}", next(step for step in (2, 4, 1e9) if found <= step)
        raise fault
    return f"It takes {found:.2f} times as long."


def needs_at_most(a, limit):
    """Say how much memory fast_conv2d needs, as a multiple of the array of all patches; complain if over `limit`.

    This does not depend on the machine.  It counts what NumPy allocates, at its largest, on the layer that is timed, with
    images of a size that no call had before, so that arrays that are kept between calls count, too.
    """
    at_most(a, 4)  # a slow kernel that needs no memory gets no points
    x, w, _ = layer()
    x = np.concatenate([x, x[:, :, : int(10 * limit)]], axis=2)
    patches = x.nbytes * w.shape[2] * w.shape[3]
    tracemalloc.start()
    try:
        a.fast_conv2d(x, w, 1)
        found = tracemalloc.get_traced_memory()[1] / patches
    finally:
        tracemalloc.stop()
    if found > limit:
        fault = Wrong(f"fast_conv2d needs {found:.2f} times the memory of all patches; this is for {limit} at most.")
        fault.what, fault.got = f"memory {limit}", round(found, 1)
        raise fault
    return f"It needs {found:.2f} times the memory of all patches."


@test(task=4, points=1)
def fast_and_right_on_a_row(a):
    """fast_conv2d: the pixels 1 2 3 4 and the taps 1 10; then three times three pixels with a zero on each side."""
    close("fast_conv2d of 1 2 3 4 with 1 10", fast(a, pixels(), taps(), 0), row(21, 32, 43))
    x, w = np.arange(1.0, 10).reshape(1, 1, 3, 3), np.ones((1, 1, 3, 3))
    truth = np.array([[12.0, 21, 16], [27, 45, 33], [24, 39, 28]]).reshape(1, 1, 3, 3)
    close("fast_conv2d of 3x3 pixels, padding 1", fast(a, x, w, 1), truth)


@test(task=4, points=1, seconds=20)
def at_most_four_times(a):
    """fast_conv2d takes at most four times as long as im2col, for 2 images of 16 channels and 64 x 64 pixels."""
    return at_most(a, 4)
