"""What the tests of convolutions share: one convolution of given shapes, its operands, and its three results."""

import numpy as np

from minigen.kernels import reference
from minigen.kernels.shapes import CONVOLUTIONS, Convolution


class Case(Convolution):
    """Shapes of one convolution, operands for it, and its three results."""

    def operands(self, seed, dtype, draw):
        rng = np.random.default_rng(seed)
        return [draw(rng, shape).astype(dtype) for shape in (self.x, self.w, self.y)]

    def results(self, module, x, w, g):
        """conv2d, conv2d_input_grad and conv2d_weight_grad of `module`."""
        return tuple(getattr(module, op)(*self.arguments(op, x, w, g)) for op in CONVOLUTIONS)

    def exact(self, x, w, g):
        return self.results(reference, *(a.astype(np.float64) for a in (x, w, g)))

    def terms(self):
        """How many products each element of the three results adds up."""
        taps = self.kernel[0] * self.kernel[1]
        return self.channels * taps, self.outputs * taps, self.images * self.y[2] * self.y[3]


def integers(rng, shape):
    return rng.integers(-3, 4, shape)


def normal(rng, shape):
    return rng.standard_normal(shape)


def gamma(n, dtype):
    """The relative error of a sum of n products, by Higham 2002, section 3.1."""
    u = np.finfo(dtype).eps / 2
    return n * u / (1 - n * u)
