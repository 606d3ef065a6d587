"""Every rung of the teaching ladder is a correct convolution."""

import numpy as np
import pytest

pytest.importorskip("numba")

from minigen.kernels import ladder, reference

#: (x shape, w shape, stride, padding, dilation, groups)
CASES = {
    "plain": ((3, 4, 9, 8), (17, 4, 3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1),
    "strided": ((2, 3, 11, 12), (5, 3, 4, 4), (2, 2), ((1, 2), (0, 1)), (1, 1), 1),
    "grouped and dilated": ((2, 6, 9, 7), (4, 3, 3, 2), (2, 1), ((2, 2), (0, 1)), (2, 3), 2),
    "large filter": ((1, 2, 9, 9), (3, 2, 5, 5), (1, 1), ((2, 2), (2, 2)), (1, 1), 1),
    "empty batch": ((0, 2, 5, 5), (3, 2, 3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1), 1),
}


@pytest.mark.parametrize("name", ladder.RUNGS)
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 2e-5), (np.float64, 1e-13)])
def test_every_rung_equals_the_reference(name, case, dtype, tolerance):
    x_shape, w_shape, *how = CASES[case]
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape) for shape in (x_shape, w_shape))
    x, w = x.astype(dtype), w.astype(dtype)
    exact = reference.conv2d(x.astype(np.float64), w.astype(np.float64), *how)
    out = np.empty(exact.shape, dtype)
    assert ladder.RUNGS[name](x, w, *how, out=out) is out
    result = ladder.RUNGS[name](x[::-1].copy()[::-1], w, *how)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, exact, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(out, result)


@pytest.mark.parametrize("name", ladder.RUNGS)
@pytest.mark.parametrize("x_shape, w_shape", [((2, 0, 5, 5), (3, 0, 3, 3)), ((0, 2, 5, 5), (3, 2, 3, 3))])
def test_no_channels_give_zeros_and_no_images_give_none(name, x_shape, w_shape):
    x, w = np.ones(x_shape, np.float32), np.ones(w_shape, np.float32)
    how = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    np.testing.assert_array_equal(ladder.RUNGS[name](x, w, *how), reference.conv2d(x, w, *how))
