"""Solutions to the exercises of lesson 3, *Convolution and its two adjoints*.  Each answer has the name of its exercise."""

import math

import numpy as np

import minigen as mg
import minigen.functional as F

# 3.1  Every triple (i, r, p) with i = p * stride + r - before appears once, and feeds all three sums.


def triad(x, w, g, stride, before):
    y, gx, gw = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)
    for p in range(len(g)):
        for r in range(len(w)):
            i = p * stride + r - before
            if 0 <= i < len(x):  # elsewhere x is padding: zero, and nobody asks for its gradient
                y[p] += x[i] * w[r]
                gx[i] += g[p] * w[r]
                gw[r] += g[p] * x[i]
    return y, gx, gw


# 3.2  The last window starts at (outputs - 1) * stride and is `kernel` long; what sticks out of the image is padding.


def same_padding(size, kernel, stride):
    outputs = math.ceil(size / stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


# 3.3  The remainder that the division by the stride threw away.


def output_padding(size, kernel, stride, padding, dilation):
    return (size + 2 * padding - dilation * (kernel - 1) - 1) % stride


# 3.4  gx[i] = sum over r of w[r] * spread[i - r], where spread has g[p] at p * stride and zeros between.  That is the
# convolution of mathematics; our conv2d does not turn the kernel round, so we do, and go kernel - 1 back to the left.


def transposed_by_convolution(g, w, stride):
    n, filters, height, width = g.shape
    kernel = w.shape[2]
    spread = np.zeros((n, filters, (height - 1) * stride + 1, (width - 1) * stride + 1), g.dtype)
    spread[:, :, ::stride, ::stride] = g
    turned = np.ascontiguousarray(w[:, :, ::-1, ::-1].swapaxes(0, 1))  # what came out now goes in
    return F.conv2d(mg.tensor(spread), mg.tensor(turned), padding=kernel - 1).numpy()


# 3.5  Place j is reached by the taps j, j + stride, j + 2 * stride, ... below kernel.


def overlaps(kernel, stride):
    return [len(range(j, kernel, stride)) for j in range(stride)]


# 3.6  gw[r] = sum over p of g[p] * x[p * stride + r]: g is the kernel, spread by the stride, and r is the place it slides
# to.  The sum runs over images, so these play the channels.  Where stride rounded down there are places too many.


def weight_grad_by_convolution(x, g, kernel, stride):
    images = mg.tensor(np.ascontiguousarray(x.swapaxes(0, 1)))
    filters = mg.tensor(np.ascontiguousarray(g.swapaxes(0, 1)))
    gw = F.conv2d(images, filters, dilation=stride).numpy()
    return gw[:, :, :kernel, :kernel].swapaxes(0, 1)
