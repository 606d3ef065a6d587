r"""Batch normalization: a block of threads adds up a channel, and always in the same order.

Each thread takes every 512th element of its channel; then the 512 sums are added in pairs, 256 and 128 and so on, which
takes 9 steps.  No sum has more than a 512th of the channel's terms plus 9, so float32 is precise enough, and since no
sum waits for another, the order never changes: the same input gives the same bits.

A GPU reads memory in sectors of 32 bytes.  Where the numbers of a channel lie one by one, as in (N, C) after a linear
layer, a sector holds one number of the channel and seven of its neighbors, so a block for each channel would read
everything eight times.  There a block takes as many channels as share a sector, with neighboring threads on neighboring
channels, and a part of the 512 threads for each: eight channels of 64 threads, and 6 steps.

A mean of numbers far from zero is rounded coarsely, relative to how little they may differ.  So the second pass, which
sums $d_i = x_i - m$ and $d_i^2$ about the rounded mean m, corrects both results by what m was off:

$$ \mu = m + \frac1n \sum d_i, \qquad v = \frac1n \Big( \sum d_i^2 - \frac1n \big( \sum d_i \big)^2 \Big) $$

(Chan, Golub and LeVeque 1983, "Algorithms for computing the sample variance", equation 1.7).

In training the block that has added up a channel also normalizes it, or writes its gradient.  Another kernel for that,
with a thread for each element, would occupy the whole GPU where there are fewer channels than multiprocessors; but it
would be one more launch for each layer, and what the block has just read is in a cache.
"""

import functools
import math

from ..reference.norm import average_rates
from ..shapes import Array
from ..signatures import checked
from .launch import Kernel, contiguous, elements, empty, launch
from .pointwise import activation, activation_grad, rectified
from .target import cuda, device, flat, int32, number

__all__ = [
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_stats",
    "batch_norm_train",
    "block_totals",
    "blocks_of_channels",
    "channel_totals",
    "share_of_thread",
]

#: Threads of a block, which add up one channel, or the few that share a sector; a power of two.
THREADS = 512

#: Bytes that a GPU reads at once.
SECTOR_BYTES = 32


@checked("batch_norm_stats")
def batch_norm_stats(x: Array) -> tuple[Array, Array]:
    """As `minigen.kernels.reference.batch_norm_stats`."""
    x = contiguous("batch_norm_stats: x", x)
    mean, var = (empty(x.shape[1:2], x.dtype) for _ in range(2))
    launch(_stats(*_sizes(x), x.dtype), blocks_of_channels(x), x, mean, var, x.shape[0])
    return mean, var


@checked("batch_norm_train")
def batch_norm_train(
    x: Array,
    weight: Array,
    bias: Array,
    eps: float,
    negative_slope: float | None = None,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    momentum: float = 0.1,
) -> tuple[Array, ...]:
    """As `minigen.kernels.reference.batch_norm_train`."""
    x = contiguous("batch_norm_train: x", x)
    weight, bias = _vectors("batch_norm_train", weight=weight, bias=bias)
    y, (mean, var) = empty(x.shape, x.dtype), (empty(x.shape[1:2], x.dtype) for _ in range(2))
    if running_mean is None or running_var is None:
        old = new = [mean, var]  # the kernel takes arrays, and does not look at them
    else:
        old = _vectors("batch_norm_train", running_mean=running_mean, running_var=running_var)
        new = [empty(x.shape[1:2], x.dtype) for _ in range(2)]
    kernel = _train(*_sizes(x), rectified(negative_slope), old is not new, x.dtype)
    numbers = *average_rates(x, momentum), eps, negative_slope or 0, x.shape[0]
    launch(kernel, blocks_of_channels(x), x, weight, bias, y, mean, var, *old, *new, *numbers)
    return (y, mean, var) if old is new else (y, mean, var, *new)


@checked("batch_norm")
def batch_norm(
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    bias: Array,
    eps: float,
    negative_slope: float | None = None,
) -> Array:
    """As `minigen.kernels.reference.batch_norm`."""
    x = contiguous("batch_norm: x", x)
    mean, var, weight, bias = _vectors("batch_norm", mean=mean, var=var, weight=weight, bias=bias)
    y = empty(x.shape, x.dtype)
    kernel = _normalize(*_sizes(x), rectified(negative_slope), x.dtype)
    elements(kernel, x.size, x, mean, var, weight, bias, y, eps, negative_slope or 0)
    return y


@checked("batch_norm_grad")
def batch_norm_grad(
    g: Array,
    x: Array,
    mean: Array,
    var: Array,
    weight: Array,
    eps: float,
    bias: Array | None = None,
    negative_slope: float | None = None,
) -> tuple[Array, Array, Array]:
    """As `minigen.kernels.reference.batch_norm_grad`."""
    x = contiguous("batch_norm_grad: x", x)
    g = contiguous("batch_norm_grad: g", g)
    kind = *_sizes(x), rectified(None if bias is None else negative_slope)
    mean, var, weight = _vectors("batch_norm_grad", mean=mean, var=var, weight=weight)
    # Without an activation the kernels read no bias, but take an array.
    bias = weight if bias is None else contiguous("batch_norm_grad: bias", bias)
    dx, dweight, dbias = (empty(shape, x.dtype) for shape in (x.shape, x.shape[1:2], x.shape[1:2]))
    numbers = eps, negative_slope or 0, x.shape[0]
    launch(_grad(*kind, x.dtype), blocks_of_channels(x), g, x, mean, var, weight, bias, dx, dweight, dbias, *numbers)
    return dx, dweight, dbias


def _sizes(x):
    return x.shape[1], math.prod(x.shape[2:])


def _vectors(name, **vectors):
    """Vectors of one number for each channel, as a kernel reads them."""
    return [contiguous(f"{name}: {key}", vector) for key, vector in vectors.items()]


def channels_of_block(channels, length, dtype):
    """How many channels a block takes: a power of two, and one where a channel of an image fills a sector."""
    count = 1
    while 2 * count * max(length, 1) * dtype.itemsize <= SECTOR_BYTES and count < channels:
        count *= 2
    return count


def blocks_of_channels(x):
    """How many blocks take all channels of an array (N, C, ...)."""
    return -(-x.shape[1] // channels_of_block(*_sizes(x), x.dtype))


@functools.cache
def share_of_thread(channels, length, dtype):
    """A device function that says what a thread adds up, where a block takes `channels_of_block`.

    It returns the channel, and a range over the elements of that channel in all images: the first one, their number,
    and a step.  The thread that begins with element 0 writes the results of the channel.  A thread beyond the last
    channel may read what belongs to the last one, and has an empty range that does not begin with 0.
    """
    lanes = channels_of_block(channels, length, dtype)

    @device
    def share(images):
        thread = int32(cuda.threadIdx.x)
        channel, first, size = int32(cuda.blockIdx.x) * lanes + thread % lanes, thread // lanes, images * length
        if channel >= channels:
            channel, first, size = channels - 1, 1, 0
        return int32(channel), int32(first), int32(size), int32(THREADS // lanes)

    return share


@functools.cache
def block_totals(dtype, lanes=1):
    """A device function that adds up two numbers of every thread of a block, of each of its channels apart."""

    @device
    def totals(first, second, first_sums, second_sums):
        thread = int32(cuda.threadIdx.x)
        cuda.syncthreads()  # all threads have read the totals of the last call
        first_sums[thread], second_sums[thread] = first, second
        width = THREADS // 2
        while width >= lanes:
            cuda.syncthreads()
            if thread < width:
                first_sums[thread] += first_sums[thread + width]
                second_sums[thread] += second_sums[thread + width]
            width //= 2
        cuda.syncthreads()
        return first_sums[thread % lanes], second_sums[thread % lanes]

    return totals


def channel_totals(channels, length, dtype):
    """`block_totals` for the channels that a block takes."""
    return block_totals(dtype, channels_of_block(channels, length, dtype))


@functools.cache
def _moments(channels, length, dtype):
    """A device function that gives every thread of a block the mean and the variance of its channel."""
    zero, number_type = dtype.type(0), number(dtype)
    share, totals = share_of_thread(channels, length, dtype), channel_totals(channels, length, dtype)

    @device
    def moments(x, images, first_sums, second_sums):
        channel, first, size, step = share(images)
        count = number_type(images * length)
        total = zero
        for e in range(first, size, step):
            total += x[(e // length * channels + channel) * length + e % length]
        center = totals(total, zero, first_sums, second_sums)[0] / count
        total = squares = zero
        for e in range(first, size, step):
            deviation = x[(e // length * channels + channel) * length + e % length] - center
            total += deviation
            squares += deviation * deviation
        total, squares = totals(total, squares, first_sums, second_sums)
        return center + total / count, (squares - total * total / count) / count

    return moments


@functools.cache
def _stats(channels, length, dtype):
    moments, share = _moments(channels, length, dtype), share_of_thread(channels, length, dtype)

    def batch_norm_stats(x, mean, var, images):
        first_sums, second_sums = cuda.shared.array(THREADS, dtype), cuda.shared.array(THREADS, dtype)
        center, variance = moments(x, images, first_sums, second_sums)
        channel, first, _, _ = share(images)
        if first == 0:
            mean[channel], var[channel] = center, variance

    return Kernel(batch_norm_stats, (flat(dtype), flat(dtype), flat(dtype), int32), THREADS)


@functools.cache
def _train(channels, length, rectify, tracked, dtype):
    moments, activate = _moments(channels, length, dtype), activation(rectify, dtype)
    share = share_of_thread(channels, length, dtype)

    def batch_norm_train(
        x, weight, bias, y, mean, var, old_mean, old_var, new_mean, new_var, keep, of_mean, of_var, eps, slope, images
    ):
        first_sums, second_sums = cuda.shared.array(THREADS, dtype), cuda.shared.array(THREADS, dtype)
        center, variance = moments(x, images, first_sums, second_sums)
        channel, first, size, step = share(images)
        if first == 0:
            mean[channel], var[channel] = center, variance
            if tracked:
                new_mean[channel] = keep * old_mean[channel] + of_mean * center
                new_var[channel] = keep * old_var[channel] + of_var * variance
        scale, shift = weight[channel] / math.sqrt(variance + eps), bias[channel]
        for e in range(first, size, step):
            place = (e // length * channels + channel) * length + e % length
            y[place] = activate((x[place] - center) * scale + shift, slope)

    return Kernel(batch_norm_train, (*[flat(dtype)] * 10, *[number(dtype)] * 5, int32), THREADS)


@functools.cache
def _normalize(channels, length, rectify, dtype):
    activate = activation(rectify, dtype)

    def batch_norm(x, mean, var, weight, bias, y, eps, slope, count):
        for e in range(int32(cuda.grid(1)), count, int32(cuda.gridsize(1))):
            c = e // length % channels
            y[e] = activate((x[e] - mean[c]) * (weight[c] / math.sqrt(var[c] + eps)) + bias[c], slope)

    return Kernel(batch_norm, (*[flat(dtype)] * 6, *[number(dtype)] * 2, int32))


@functools.cache
def _grad(channels, length, rectify, dtype):
    zero, one, through = dtype.type(0), dtype.type(1), activation_grad(rectify, dtype)
    share, totals = share_of_thread(channels, length, dtype), channel_totals(channels, length, dtype)

    def batch_norm_grad(g, x, mean, var, weight, bias, dx, dweight, dbias, eps, slope, images):
        first_sums, second_sums = cuda.shared.array(THREADS, dtype), cuda.shared.array(THREADS, dtype)
        channel, first, size, step = share(images)
        root = math.sqrt(var[channel] + eps)
        center, rstd, scale, shift = mean[channel], one / root, weight[channel] / root, bias[channel]
        total = weighted = zero
        for e in range(first, size, step):
            place = (e // length * channels + channel) * length + e % length
            deviation = x[place] - center
            cotangent = through(g[place], deviation * scale + shift, slope)
            total += cotangent
            weighted += cotangent * (deviation * rstd)
        total, weighted = totals(total, weighted, first_sums, second_sums)
        if first == 0:
            dbias[channel], dweight[channel] = total, weighted
        count = number_type(max(images * length, 1))
        through_mean, through_var, grad_scale = total / count, weighted / count, weight[channel] * rstd
        for e in range(first, size, step):
            place = (e // length * channels + channel) * length + e % length
            deviation = x[place] - center
            cotangent = through(g[place], deviation * scale + shift, slope)
            dx[place] = (cotangent - through_mean - deviation * rstd * through_var) * grad_scale

    number_type = number(dtype)
    return Kernel(batch_norm_grad, (*[flat(dtype)] * 9, *[number(dtype)] * 2, int32), THREADS)
