"""A2: convolution, its two adjoints, and a fast kernel, on NumPy arrays.

Every function gives a new array, and leaves those that it gets as they are.  float32 stays float32.  The guide explains
each task.

    x    images, (N, C, H, W)             w    filters, (O, C/groups, R, S)
    y    output, (N, O, P, Q)             g    the cotangent of y, of the same shape

stride and dilation are pairs (down, across); padding is ((top, bottom), (left, right)): so many zeros on each side.
"""

import numpy as np


def pad(x, padding):
    """The images x with zeros around them."""
    return np.pad(x, ((0, 0), (0, 0), *padding))


# ---- Task 1: convolution


def output_size(size, kernel, stride, padding, dilation):
    """How many windows there are along one axis: four numbers, and padding = (before, after)."""
    # BEGIN SOLUTION
    span = dilation * (kernel - 1) + 1
    return (size + padding[0] + padding[1] - span) // stride + 1
    # END SOLUTION


def conv2d(x, w, stride, padding, dilation, groups):
    """y[n, o, p, q], the sum over c, r, s of w[o, c, r, s] * x[n, first + c, i, j], where

    i = p * stride down + r * dilation down - top, and j the same across; x is zero outside.  The channels are cut into
    `groups` parts of the same size, and so are the filters: a filter sees the C/groups channels of its part, which begin
    at `first`.
    """
    # BEGIN SOLUTION
    n, o = x.shape[0], w.shape[0]
    rows, columns = (output_size(x.shape[k + 2], w.shape[k + 2], stride[k], padding[k], dilation[k]) for k in (0, 1))
    padded = pad(x, padding)
    padded = padded.reshape(n, groups, -1, *padded.shape[2:])
    filters = w.reshape(groups, o // groups, *w.shape[1:])
    y = np.zeros((n, groups, o // groups, rows, columns), x.dtype)
    for r in range(w.shape[2]):
        for s in range(w.shape[3]):
            i, j = r * dilation[0], s * dilation[1]
            down, across = slice(i, i + stride[0] * rows, stride[0]), slice(j, j + stride[1] * columns, stride[1])
            y += np.einsum("koc,nkcpq->nkopq", filters[..., r, s], padded[..., down, across])
    return y.reshape(n, o, rows, columns)
    # END SOLUTION


# ---- Task 2: the adjoint in the images


def conv2d_input_grad(g, w, input_size, stride, padding, dilation, groups):
    """The gradient for x of y = conv2d(x, w, stride, padding, dilation, groups), given the cotangent g of y.

    input_size is the pair (H, W) of x, which g does not tell.
    """
    # BEGIN SOLUTION
    n, o, rows, columns = g.shape
    (top, bottom), (left, right) = padding
    height, width = input_size
    filters = w.reshape(groups, o // groups, *w.shape[1:])
    split = g.reshape(n, groups, o // groups, rows, columns)
    padded = np.zeros((n, groups, w.shape[1], top + height + bottom, left + width + right), g.dtype)
    for r in range(w.shape[2]):
        for s in range(w.shape[3]):
            i, j = r * dilation[0], s * dilation[1]
            down, across = slice(i, i + stride[0] * rows, stride[0]), slice(j, j + stride[1] * columns, stride[1])
            part = np.einsum("koc,nkopq->nkcpq", filters[..., r, s], split)
            padded[..., down, across] += part
    inside = padded[..., top : top + height, left : left + width]
    return inside.reshape(n, groups * w.shape[1], height, width)
    # END SOLUTION


# ---- Task 3: the adjoint in the weights


def conv2d_weight_grad(x, g, kernel_size, stride, padding, dilation, groups):
    """The gradient for w of y = conv2d(x, w, stride, padding, dilation, groups), given the cotangent g of y.

    kernel_size is the pair (R, S) of w, which x and g do not tell.
    """
    # BEGIN SOLUTION
    n, o, rows, columns = g.shape
    padded = pad(x, padding)
    padded = padded.reshape(n, groups, -1, *padded.shape[2:])
    split = g.reshape(n, groups, o // groups, rows, columns)
    dw = np.empty((groups, o // groups, padded.shape[2], *kernel_size), x.dtype)
    for r in range(kernel_size[0]):
        for s in range(kernel_size[1]):
            i, j = r * dilation[0], s * dilation[1]
            down, across = slice(i, i + stride[0] * rows, stride[0]), slice(j, j + stride[1] * columns, stride[1])
            dw[..., r, s] = np.einsum("nkopq,nkcpq->koc", split, padded[..., down, across])
    return dw.reshape(o, -1, *kernel_size)
    # END SOLUTION


# ---- Task 4: a fast kernel


def fast_conv2d(x, w, padding):
    """conv2d with stride 1, dilation 1, one group, and `padding` zeros on all four sides: the same, faster.

    NumPy or Numba, on one thread.  No other library, and nothing of minigen.
    """
    # BEGIN SOLUTION
    n, c, height, width = x.shape
    o, _, r_count, s_count = w.shape
    rows, columns = height + 2 * padding - r_count + 1, width + 2 * padding - s_count + 1
    tall = height + 2 * padding
    shifted = np.zeros((n, c, s_count, tall, columns), x.dtype)  # R times smaller than all patches
    for s in range(s_count):
        start = max(0, padding - s)
        stop = min(columns, width + padding - s)
        shifted[:, :, s, padding : padding + height, start:stop] = x[..., start + s - padding : stop + s - padding]
    flat = shifted.reshape(n, c * s_count, tall * columns)
    filters = np.ascontiguousarray(w.transpose(2, 0, 1, 3)).reshape(r_count, o, c * s_count)
    y = np.matmul(filters[0], flat[..., : rows * columns])
    more = np.empty_like(y)
    for r in range(1, r_count):  # r rows further down begin r * columns numbers later
        np.matmul(filters[r], flat[..., r * columns : (r + rows) * columns], out=more)
        y += more
    return y.reshape(n, o, rows, columns)
    # END SOLUTION
