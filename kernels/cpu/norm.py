"""Batch normalization: each channel's statistics in double precision, in an order that never changes.

Images (N, C, ...) are viewed as a matrix of N rows and C * L columns, L being the pixels of a channel in one image.
One thread takes all rows of one *group* of columns: a channel, or, where channels are narrower than `WIDTH`, as many
as fit into it (a 4 x 4 image has 16 columns a channel; BatchNorm1d has one).  The thread holds up to `WIDTH` running
sums, one per column of the group modulo `WIDTH`, and adds each row to them:

- neighboring sums do not depend on each other, so a vector of them is added to at a time, which reorders nothing;
- each is short of terms (a 256th of the channel) and in double precision, so that rounding stays below that of the
  float32 result;
- which element goes into which sum depends on the shape alone: any number of threads gives the same bits.

A group is small (128 KB for 32 images of 32 x 32), so that every pass after the first finds it in the core's cache:
the variance can afford a separate pass, which a large mean needs (Chan, Golub and LeVeque 1983, "Algorithms for
computing the sample variance"), and the gradient its two.

Where a leaky ReLU follows, it is done to each vector before that is written: the numbers between the two are never in
memory.  The gradient needs the sign of each of them and computes it again, by the same operations and so to the same
bit.  Arithmetic is cheap here: of a batch norm and a leaky ReLU, one after the other, it is memory that is slow.
"""

import math

import numpy as np

from ..reference.norm import average_rates
from ..shapes import Array
from ..signatures import checked
from .runtime.allocator import contiguous, empty
from .runtime.compile import subroutine
from .runtime.thread_pool import chunked_range, parallel
from .simd import VECTOR_BYTES, advance, broadcast, lanes, load, pointer, store, zero
from .simd.streaming import LARGE, broadcast_like, fence, leaked, load_like, prefetch, slope_like, to_double, write

__all__ = [
    "WIDTH",
    "as_matrix",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_stats",
    "batch_norm_train",
    "channel_groups",
    "group_channels",
    "group_sums",
    "is_streamed",
]

WIDTH = 256  # running sums a thread: 2 KB, far within the first-level cache
_NARROW_WIDTH = 64  # with one row a group is short, and preparing and adding up 256 sums would take most of the time


@checked("batch_norm_stats")
def batch_norm_stats(x: Array) -> tuple[Array, Array]:
    """As `minigen.kernels.reference.batch_norm_stats`."""
    mean, var = empty(x.shape[1:2], x.dtype), empty(x.shape[1:2], x.dtype)
    _stats(as_matrix(contiguous(x)), mean, var, work=x.size)
    return mean, var


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
    y = empty(x.shape, x.dtype)
    scale = weight / np.sqrt(var + x.dtype.type(eps))
    vectors = map(contiguous, (mean, scale, bias))
    _normalize(
        as_matrix(contiguous(x)), *vectors, slope_like(negative_slope, x), as_matrix(y), is_streamed(y), work=x.size
    )
    return y


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
    """As `minigen.kernels.reference.batch_norm_train`; a thread normalizes a group while it is in its cache."""
    y, dtype, channels = empty(x.shape, x.dtype), x.dtype.type, x.shape[1:2]
    mean, var, new_mean, new_var = (empty(channels, x.dtype) for _ in range(4))
    averaged = running_mean is not None and running_var is not None
    old = (running_mean, running_var) if averaged else (mean, var)  # the kernel does not look there
    vectors = map(contiguous, (weight, bias, *old))
    rates = tuple(map(dtype, average_rates(x, momentum))) if averaged else None
    slope = slope_like(negative_slope, x)
    _train(as_matrix(contiguous(x)), *vectors, dtype(eps), slope, rates, as_matrix(y), mean, var, new_mean, new_var,
           is_streamed(y), work=x.size)  # fmt: skip
    return (y, mean, var, new_mean, new_var) if averaged else (y, mean, var)


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
    dx, dweight, dbias = empty(x.shape, x.dtype), empty(x.shape[1:2], x.dtype), empty(x.shape[1:2], x.dtype)
    std = np.sqrt(var + x.dtype.type(eps))
    rstd = 1 / std
    # Of the output, whose sign the slope asks for.
    scale, shift = (rstd, mean) if bias is None or negative_slope is None else (weight / std, bias)
    matrices = as_matrix(contiguous(g)), as_matrix(contiguous(x))
    vectors = map(contiguous, (mean, rstd, weight * rstd, scale, shift))
    slope = slope_like(negative_slope, x)
    _grad(*matrices, *vectors, slope, as_matrix(dx), dweight, dbias, is_streamed(dx), work=x.size)
    return dx, dweight, dbias


def as_matrix(x):
    """View (N, C, ...) as N rows and C * L columns."""
    return x.reshape(x.shape[0], math.prod(x.shape[1:]))


def is_streamed(y):
    """Whether to write `y` past the caches: it is large, and its images and channels all start at whole vectors."""
    aligned = y.ctypes.data % VECTOR_BYTES == 0 and y[:1, :1].nbytes % VECTOR_BYTES == 0
    return y.nbytes >= LARGE and aligned


@parallel
def _stats(thread, counter, x, mean, var):
    scratch, runs = np.empty((4, WIDTH)), _are_runs(x, mean)
    for group in chunked_range(counter, channel_groups(x, mean)):
        if runs:
            mean[group], var[group] = _run_stats(pointer(x), *_run(x, mean, group), pointer(scratch))
            continue
        first, last = group_channels(x, mean, group)
        _group_stats(pointer(x), x.shape, x.shape[1] // mean.size, first, mean[first:last], var[first:last], scratch)


@parallel
def _normalize(thread, counter, x, mean, scale, bias, slope, y, large):
    groups, scratch, runs = channel_groups(x, mean), np.empty((3, WIDTH), mean.dtype), _are_runs(x, mean)
    for item in chunked_range(counter, groups):
        # Backwards: what `_stats` read last is likeliest to be in a cache still.
        group = groups - 1 - item
        if runs:
            of_channel = mean[group], scale[group], bias[group]
            _run_normalize(pointer(x), *_run(x, mean, group), *of_channel, slope, pointer(y), large)
            continue
        first, last = group_channels(x, mean, group)
        of_channels = mean[first:last], scale[first:last], bias[first:last]
        length = x.shape[1] // mean.size
        _group_normalize(pointer(x), x.shape, length, first, *of_channels, slope, pointer(y), large, scratch)
    fence()  # once: to wait for memory after each group takes half as long as the arithmetic


@parallel
def _train(
    thread, counter, x, weight, bias, old_mean, old_var, eps, slope, rates, y, mean, var, new_mean, new_var, large
):
    sums, runs = np.empty((4, WIDTH)), _are_runs(x, mean)
    scratch, length = np.empty((5, WIDTH), mean.dtype), x.shape[1] // max(mean.size, 1)
    scale, shift = scratch[3], scratch[4]
    for group in chunked_range(counter, channel_groups(x, mean)):
        first, last = (group, group + 1) if runs else group_channels(x, mean, group)
        of_stats = mean[first:last], var[first:last]
        if runs:
            mean[group], var[group] = _run_stats(pointer(x), *_run(x, mean, group), pointer(sums))
        else:
            _group_stats(pointer(x), x.shape, length, first, *of_stats, sums)
        for c in range(first, last):
            scale[c - first], shift[c - first] = weight[c] / np.sqrt(var[c] + eps), bias[c]
            if rates is not None:
                new_mean[c] = rates[0] * old_mean[c] + rates[1] * mean[c]
                new_var[c] = rates[0] * old_var[c] + rates[2] * var[c]
        if runs:
            of_channel = mean[group], scale[0], shift[0]
            _run_normalize(pointer(x), *_run(x, mean, group), *of_channel, slope, pointer(y), large)
        else:
            of_channels = mean[first:last], scale[: last - first], shift[: last - first]
            _group_normalize(pointer(x), x.shape, length, first, *of_channels, slope, pointer(y), large, scratch)
    fence()


@parallel
def _grad(thread, counter, g, x, mean, rstd, grad_scale, scale, bias, slope, dx, dweight, dbias, large):
    scratch, sums, runs = np.empty((9, WIDTH), mean.dtype), np.empty((4, WIDTH)), _are_runs(x, mean)
    for group in chunked_range(counter, channel_groups(x, mean)):
        if runs:
            of_channel = mean[group], rstd[group], grad_scale[group], scale[group], bias[group]
            dweight[group], dbias[group] = _run_grad(
                pointer(g), pointer(x), *_run(x, mean, group), *of_channel, slope, pointer(dx), large, pointer(sums)
            )
            continue
        first, last = group_channels(x, mean, group)
        of_channels = mean[first:last], rstd[first:last], grad_scale[first:last], scale[first:last], bias[first:last]
        place, results = (x.shape, x.shape[1] // mean.size, first), (dweight[first:last], dbias[first:last])
        _group_grad(pointer(g), pointer(x), *place, *of_channels, slope, *results, pointer(dx), large, scratch, sums)
    fence()


@subroutine
def _channels_per_group(x, mean):
    return max(_width(x.shape) * mean.size // max(x.shape[1], 1), 1)


@subroutine
def _width(shape):
    """How many running sums a thread has; one row: instance and layer norm, see `minigen.functional.norm`."""
    return _NARROW_WIDTH if shape[0] == 1 else WIDTH


@subroutine
def channel_groups(x, mean):
    """How many groups there are."""
    return -(-mean.size // _channels_per_group(x, mean))


@subroutine
def group_channels(x, mean, number):
    """First channel of a group, and the one after its last."""
    channels = _channels_per_group(x, mean)
    return number * channels, min((number + 1) * channels, mean.size)


@subroutine
def group_sums(x, y, slope, dx, large, shape, length, first, channels, scratch):
    """Sum each of `channels` channels of `length` columns, from `first` on, in double precision.

    With a `slope` the sums are those of the gradient of a leaky ReLU with the result y, of which x is the cotangent;
    that gradient is written to `dx`, past the caches if it is `large`.

    The result is the beginning of ``scratch[1]``; a thread uses the array (2, `WIDTH`) of doubles for all its groups.
    """
    rows, pitch = shape
    width = _width(shape)
    begin, end = first * length, (first + channels) * length
    sums, totals = scratch[0, :width], scratch[1]
    sums[:] = 0
    s = pointer(sums)
    for row in range(rows):
        for start in range(begin, end, width):
            at = row * pitch + start
            count = min(end - start, width)
            whole = count // lanes(x) * lanes(x)
            if row + 1 < rows:
                prefetch(x, at + pitch, count)
            if slope is not None and row + 1 < rows:
                prefetch(y, at + pitch, count)
            for j in range(0, whole, lanes(x)):
                value = leaked(load(y, at + j), load(x, at + j), slope)
                if slope is not None:
                    write(dx, at + j, value, large)
                _add_to(s, j, to_double(value))
            for j in range(whole, count):
                value = leaked(y[at + j], x[at + j], slope)
                if slope is not None:
                    dx[at + j] = value
                sums[j] += value
    _by_channel(sums, length, channels, totals)
    return totals


@subroutine
def _group_stats(x, shape, length, first, mean, var, scratch):
    rows, pitch = shape
    width = _width(shape)
    begin, end = first * length, (first + mean.size) * length
    totals = group_sums(x, x, None, x, False, shape, length, first, mean.size, scratch)
    for c in range(mean.size):
        totals[c] /= rows * length
        mean[c] = totals[c]

    centers, sums = scratch[2], scratch[3, :width]
    _spread(totals, mean.size, length, width, centers)
    sums[:] = 0
    c, s = pointer(centers), pointer(sums)
    for row in range(rows):
        for start in range(begin, end, width):
            at = row * pitch + start
            count = min(end - start, width)
            whole = count // lanes(x) * lanes(x)
            for j in range(0, whole, lanes(x)):
                value = to_double(load(x, at + j))
                deviations = value - load_like(c, j, value)
                _add_to(s, j, deviations * deviations)
            for j in range(whole, count):
                deviation = x[at + j] - centers[j]
                sums[j] += deviation * deviation
    _by_channel(sums, length, mean.size, totals)
    for channel in range(mean.size):
        var[channel] = totals[channel] / (rows * length)


@subroutine
def _group_normalize(x, shape, length, first, mean, scale, bias, slope, y, large, scratch):
    rows, pitch = shape
    width = _width(shape)
    begin, end = first * length, (first + mean.size) * length
    means, scales, biases = scratch[0], scratch[1], scratch[2]
    for values, spread in ((mean, means), (scale, scales), (bias, biases)):
        _spread(values, mean.size, length, width, spread)
    # Numba frees an array after its last use, whatever pointers there are: the last loop must name the arrays.
    m, s, b = pointer(means), pointer(scales), pointer(biases)
    for row in range(rows):
        for start in range(begin, end, width):
            at = row * pitch + start
            count = min(end - start, width)
            whole = count // lanes(y) * lanes(y)
            for j in range(0, whole, lanes(y)):
                value = _affine(load(x, at + j), load(m, j), load(s, j), load(b, j))
                write(y, at + j, leaked(value, value, slope), large)
            for j in range(whole, count):
                value = _affine(x[at + j], means[j], scales[j], biases[j])
                y[at + j] = leaked(value, value, slope)


@subroutine
def _group_grad(
    g, x, shape, length, first, mean, rstd, grad_scale, scale, bias, slope, dweight, dbias, dx, large, scratch, of_sums
):
    rows, pitch = shape
    width = _width(shape)
    begin, end = first * length, (first + mean.size) * length
    means, rstds, grad_scales, scales, biases = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    for values, spread in ((mean, means), (rstd, rstds), (grad_scale, grad_scales)):
        _spread(values, mean.size, length, width, spread)
    if slope is not None:
        _spread(scale, mean.size, length, width, scales)
        _spread(bias, mean.size, length, width, biases)
    sums, weighted_sums = of_sums[0, :width], of_sums[1, :width]
    sums[:] = 0
    weighted_sums[:] = 0
    m, r, of_g, of_product = pointer(means), pointer(rstds), pointer(sums), pointer(weighted_sums)
    s, b = pointer(scales), pointer(biases)
    for row in range(rows):
        for start in range(begin, end, width):
            at = row * pitch + start
            count = min(end - start, width)
            whole = count // lanes(x) * lanes(x)
            if row + 1 < rows:
                prefetch(g, at + pitch, count)
            if row + 1 < rows:
                prefetch(x, at + pitch, count)
            for j in range(0, whole, lanes(x)):
                value = load(x, at + j)
                output = _affine(value, load(m, j), load(s, j), load(b, j))
                cotangent = to_double(leaked(output, load(g, at + j), slope))
                xhat = to_double((value - load(m, j)) * load(r, j))
                _add_to(of_g, j, cotangent)
                _add_to(of_product, j, cotangent * xhat)
            for j in range(whole, count):
                cotangent = leaked(_affine(x[at + j], means[j], scales[j], biases[j]), g[at + j], slope)
                xhat = (x[at + j] - means[j]) * rstds[j]
                sums[j] += cotangent
                weighted_sums[j] += np.float64(cotangent) * np.float64(xhat)
    totals, weighted_totals = of_sums[2], of_sums[3]
    _by_channel(sums, length, mean.size, totals)
    _by_channel(weighted_sums, length, mean.size, weighted_totals)
    through_mean, through_var = scratch[5], scratch[6]
    for c in range(mean.size):
        dbias[c], dweight[c] = totals[c], weighted_totals[c]
        through_mean[c] = totals[c] / (rows * length)
        through_var[c] = weighted_totals[c] / (rows * length)

    through_means, through_vars = scratch[7], scratch[8]
    _spread(through_mean, mean.size, length, width, through_means)
    _spread(through_var, mean.size, length, width, through_vars)
    a, v, gs = pointer(through_means), pointer(through_vars), pointer(grad_scales)
    for row in range(rows):
        for start in range(begin, end, width):
            at = row * pitch + start
            count = min(end - start, width)
            whole = count // lanes(dx) * lanes(dx)
            for j in range(0, whole, lanes(dx)):
                value = load(x, at + j)
                output = _affine(value, load(m, j), load(s, j), load(b, j))
                cotangent, xhat = leaked(output, load(g, at + j), slope), (value - load(m, j)) * load(r, j)
                write(dx, at + j, _centered(cotangent, xhat, load(a, j), load(v, j), load(gs, j)), large)
            for j in range(whole, count):
                cotangent = leaked(_affine(x[at + j], means[j], scales[j], biases[j]), g[at + j], slope)
                xhat = (x[at + j] - means[j]) * rstds[j]
                dx[at + j] = _centered(cotangent, xhat, through_means[j], through_vars[j], grad_scales[j])


# ---- runs: one image whose channels are wide, as in instance and layer norm of large images.  Sums and numbers of a
# channel stay in registers; with the functions above, preparing them for each channel takes as long as the arithmetic.


@subroutine
def _are_runs(x, mean):
    """Whether each group is one channel of one image, at least as wide as its running sums."""
    return x.shape[0] == 1 and x.shape[1] >= _NARROW_WIDTH * mean.size


@subroutine
def _run(x, mean, channel):
    """Where a channel begins, and where it ends."""
    length = x.shape[1] // mean.size
    return channel * length, (channel + 1) * length


@subroutine
def _run_stats(x, begin, end, sums):
    """Mean and variance of a channel."""
    mean = _run_sum(x, begin, end, 0.0, False, sums) / (end - begin)
    return mean, _run_sum(x, begin, end, mean, True, sums) / (end - begin)


@subroutine
def _run_sum(x, begin, end, center, squared, sums):
    """Sum the deviations from the center, or their squares."""
    width, step = _NARROW_WIDTH, lanes(x)
    whole = end - (end - begin) % width
    zeros = to_double(zero(x))
    centers = broadcast_like(center, zeros)
    for j in range(0, width, 4 * step):
        a = b = c = d = zeros
        for at in range(begin + j, whole, width):
            prefetch(x, at + end - begin, 4 * step)  # of the next channel
            a = a + _deviations(load(x, at), centers, squared)
            b = b + _deviations(load(x, at + step), centers, squared)
            c = c + _deviations(load(x, at + 2 * step), centers, squared)
            d = d + _deviations(load(x, at + 3 * step), centers, squared)
        store(sums, j, a)
        store(sums, j + step, b)
        store(sums, j + 2 * step, c)
        store(sums, j + 3 * step, d)
    for at in range(whole, end):
        deviation = x[at] - center
        sums[at - whole] += deviation * deviation if squared else deviation
    return _total(sums, width)


@subroutine
def _deviations(values, centers, squared):
    """Of a vector."""
    deviations = to_double(values) - centers
    return deviations * deviations if squared else deviations


@subroutine
def _run_normalize(x, begin, end, mean, scale, bias, slope, y, large):
    means, scales, biases = broadcast(mean), broadcast(scale), broadcast(bias)
    whole = end - (end - begin) % lanes(y)
    for at in range(begin, whole, lanes(y)):
        prefetch(x, at - (end - begin), lanes(y))  # of the channel before, which is next
        value = _affine(load(x, at), means, scales, biases)
        write(y, at, leaked(value, value, slope), large)
    for at in range(whole, end):
        value = _affine(x[at], mean, scale, bias)
        y[at] = leaked(value, value, slope)


@subroutine
def _run_grad(g, x, begin, end, mean, rstd, grad_scale, scale, bias, slope, dx, large, sums):
    """Write the gradient in a channel, and return those in its weight and bias."""
    width, step = _NARROW_WIDTH, lanes(x)
    whole = end - (end - begin) % width
    means, rstds, scales, biases = broadcast(mean), broadcast(rstd), broadcast(scale), broadcast(bias)
    for j in range(0, width, 2 * step):
        a = b = c = d = to_double(zero(x))
        for at in range(begin + j, whole, width):
            prefetch(g, at + end - begin, 2 * step)
            prefetch(x, at + end - begin, 2 * step)
            x0, x1 = load(x, at), load(x, at + step)
            g0 = to_double(leaked(_affine(x0, means, scales, biases), load(g, at), slope))
            g1 = to_double(leaked(_affine(x1, means, scales, biases), load(g, at + step), slope))
            a, b = a + g0, b + g1
            c = c + g0 * to_double((x0 - means) * rstds)
            d = d + g1 * to_double((x1 - means) * rstds)
        store(sums, j, a)
        store(sums, j + step, b)
        store(sums, width + j, c)
        store(sums, width + j + step, d)
    for at in range(whole, end):
        cotangent = leaked(_affine(x[at], mean, scale, bias), g[at], slope)
        sums[at - whole] += cotangent
        sums[width + at - whole] += np.float64(cotangent) * np.float64((x[at] - mean) * rstd)
    dbias, dweight = _total(sums, width), _total(advance(sums, width), width)
    dtype = type(mean)
    through_mean, through_var = dtype(dbias / (end - begin)), dtype(dweight / (end - begin))
    through_means, through_vars, grad_scales = broadcast(through_mean), broadcast(through_var), broadcast(grad_scale)
    whole = end - (end - begin) % step
    for at in range(begin, whole, step):
        value = load(x, at)
        cotangent = leaked(_affine(value, means, scales, biases), load(g, at), slope)
        write(dx, at, _centered(cotangent, (value - means) * rstds, through_means, through_vars, grad_scales), large)
    for at in range(whole, end):
        cotangent = leaked(_affine(x[at], mean, scale, bias), g[at], slope)
        dx[at] = _centered(cotangent, (x[at] - mean) * rstd, through_mean, through_var, grad_scale)
    return dweight, dbias


@subroutine
def _total(sums, width):
    """Add up the running sums, by halves."""
    while width > 1:
        width //= 2
        for j in range(width):
            sums[j] += sums[width + j]
    return sums[0]


@subroutine
def _add_to(sums, j, values):
    """Add a vector to as many running sums."""
    store(sums, j, load_like(sums, j, values) + values)


@subroutine
def _affine(x, mean, scale, bias):
    """Of numbers or of vectors."""
    return (x - mean) * scale + bias


@subroutine
def _centered(g, xhat, through_mean, through_var, scale):
    """Of numbers or of vectors."""
    return (g - through_mean - xhat * through_var) * scale


@subroutine
def _spread(values, channels, length, width, spread):
    """Give every running sum the value of the channel that it belongs to."""
    for c in range(channels):
        value = values[c]
        for j in range(c * length, min((c + 1) * length, width)):
            spread[j] = value


@subroutine
def _by_channel(sums, length, channels, totals):
    """Add up the running sums of each channel."""
    for c in range(channels):
        total = 0.0
        for j in range(c * length, min((c + 1) * length, sums.size)):
            total += sums[j]
        totals[c] = total
