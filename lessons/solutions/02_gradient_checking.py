"""Solutions to the exercises of lesson 2, *Is my gradient right?*.  Each answer has the name of its exercise."""

from minigen.check.differences import directional, measure_noise

# 2.1  a + b = 1 keeps the slope, a + 4 b = 0 cancels the error in h^2: a = 4/3, b = -1/3.


def five_point(f, x, h):
    def central(h):
        return (f(x + h) - f(x - h)) / (2 * h)

    return (4 * central(h) - central(2 * h)) / 3


# 2.2  h M3 / 3 = e / h^2, so h^3 = 3 e / M3.  With that, h^2 M3 / 6 = e / 2h: half of the rounding, e / h.


def best_step(e, M3):
    h = (3 * e / M3) ** (1 / 3)
    error = 1.5 * e / h
    return h, error


# 2.3  S stays when the step falls tenfold, and is no mere noise.  (Half lies between a tenth and one.)


def kinked(f, x, e):
    def bend(h):
        return abs(f(x + h) - 2 * f(x) + f(x - h)) / h

    small = bend(1e-4)
    return small > bend(1e-3) / 2 and small > 4 * 4 * e / 1e-4


# 2.4  Both sides of <g, Jv> = <vjp(g), v>; the left one is uncertain by its bound, and both by the rounding of sums.


def my_check(f, vjp, x, random):
    value, noise = measure_noise(f, [x], [0], random)
    v, g = random.normal(size=x.shape), random.normal(size=value.shape)
    slope = directional(f, [x], 0, v, value, noise)
    left, right = g * slope.value, vjp(g, x) * v
    bound = (abs(g) * slope.error).sum() + 1e-15 * (abs(left).sum() + abs(right).sum())
    return abs(left.sum() - right.sum()) <= 2 * bound


# 2.5  softmax, line 2: g is to be averaged with the weights y: (g * y).sum(axis=dim, keepdims=True).  With g all ones
#      both averages are 1.
#      batch_norm, line 6: the path through the standard deviation is missing, - y * (gy * y).mean(...).  With g all
#      ones it is zero.
#      conv2d, line 7: the first R x S places belong to the kernel, [:, :, :R, :S].  The last are the same ones unless
#      a stride leaves rows or columns over.
#      leaky_relu, line 1: a mask is remembered by its shape, and serves for other inputs of this shape.
#      binary_cross_entropy, line 2: the guard is harmless in the middle, 1 part in 200,000, and at p = 0.000001
#      halves the gradient: where a discriminator is sure, and wrong.

planted = {"softmax": 2, "batch_norm": 6, "conv2d": 7, "leaky_relu": 1, "binary_cross_entropy": 2}
