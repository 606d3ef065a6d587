"""Solutions to the exercises of lesson 4, *Kernels on a CPU*.  Each answer has the name of its exercise."""

import numpy as np

from minigen.kernels.reference.conv import _patches
from minigen.kernels.shapes import output_size

# 4.1  Computing and loading go on at the same time: the longer of the two decides.


def least_time(flop, nbytes, peak, bandwidth):
    return max(flop / peak, nbytes / bandwidth)


# 4.2  A multiplication and an addition for each triple of an input, a tap and an output.


def conv_work(N, C, O, H, W, kernel, stride, padding):
    P, Q = ((size + 2 * padding - kernel) // stride + 1 for size in (H, W))
    flop = 2 * N * O * C * kernel**2 * P * Q
    nbytes = 4 * (N * C * H * W + O * C * kernel**2 + N * O * P * Q)
    return flop, nbytes


# 4.3  The patches of a few rows of one image at a time.


def convolve_in_bands(x, w, rows=4):
    N, C, H, W = x.shape
    O, _, R, S = w.shape
    P, Q = H - R + 1, W - S + 1
    filters = w.reshape(O, C * R * S)
    y = np.empty((N, O, P, Q), x.dtype)
    for n in range(N):
        for top in range(0, P, rows):
            used = min(rows, P - top)
            band = x[n : n + 1, :, top : top + used + R - 1]
            patches = _patches(band, (R, S), (1, 1), ((0, 0), (0, 0)), (1, 1)).reshape(C * R * S, used * Q)
            y[n, :, top : top + used] = (filters @ patches).reshape(O, used, Q)
    return y


# 4.4  The polynomial that goes through the values at 0, 1, -1 and "infinity"; see the lesson.


def minimal_filter(x, w):
    half_sum, half_middle = (w[0] + w[2]) * 0.5, w[1] * 0.5
    first = (x[0] - x[2]) * w[0]
    plus = (x[1] + x[2]) * (half_sum + half_middle)
    minus = (x[2] - x[1]) * (half_sum - half_middle)
    last = (x[1] - x[3]) * w[2]
    return first + plus + minus, plus - minus - last


# 4.5  One matrix product for each tap: the pixels that the tap meets are a slice, so nothing need be gathered.


def my_conv2d(x, w, stride, padding, dilation, groups, out=None):
    N, C = x.shape[:2]
    O, _, R, S = w.shape
    P, Q = (output_size(*axis) for axis in zip(x.shape[2:], (R, S), stride, padding, dilation))
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    y = np.zeros((N, groups, O // groups, P * Q), x.dtype)
    for r in range(R):
        for s in range(S):
            top, left = r * dilation[0], s * dilation[1]
            met = padded[:, :, top : top + stride[0] * (P - 1) + 1 : stride[0],
                         left : left + stride[1] * (Q - 1) + 1 : stride[1]]  # fmt: skip
            y += w[:, :, r, s].reshape(groups, O // groups, -1) @ met.reshape(N, groups, C // groups, P * Q)
    y = y.reshape(N, O, P, Q)
    if out is None:
        return y
    out[...] = y
    return out
