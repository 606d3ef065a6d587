"""float32 bounds: they hold for every kernel set, and integers are exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import kernels
from minigen.check.error_bounds import U32, conv_bound, exact_integers, gamma, normwise, terms
from minigen.check.strategies import windows
from minigen.kernels import reference

SETS = [s for s in kernels.available() if s != "cuda"]


def test_gamma():
    assert gamma(10) == 10 * U32 / (1 - 10 * U32)
    with pytest.raises(ValueError, match="leave no digit"):
        gamma(2**24)
    with pytest.raises(ValueError, match="unknown kernel 'pool'"):
        terms("pool", (1,), (1, 1, 1, 1), (1,))


@pytest.mark.parametrize("kernel_set", SETS)
@given(data=st.data())
def test_float32_convolutions_stay_within_the_bound(kernel_set, data):
    w = data.draw(windows())
    rng = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    groups = data.draw(st.sampled_from([1, 2]))
    n, c, o = data.draw(st.integers(1, 2)), 2 * groups, groups * data.draw(st.integers(1, 2))
    shapes = {"x": (n, c, *w["size"]), "w": (o, 2, *w["kernel"]), "g": (n, o, *w["pixels"])}
    x, weight, g = (rng.standard_normal(s).astype(np.float32) for s in shapes.values())
    rest = (w["stride"], w["padding"], w["dilation"], groups)
    calls = {
        "conv2d": (x, weight, *rest),
        "conv2d_input_grad": (g, weight, w["size"], *rest),
        "conv2d_weight_grad": (x, g, w["kernel"], *rest),
    }
    for name, (a, b, *args) in calls.items():
        exact = getattr(reference, name)(a.astype(np.float64), b.astype(np.float64), *args)
        with kernels.use(kernel_set):
            found = kernels.find(name, a)(a, b, *args)
        bound = conv_bound(getattr(reference, name), a, b, terms(name, *shapes.values(), groups), *args)
        assert found.dtype == np.float32
        assert np.all(np.abs(found - exact) <= bound), name


def test_a_lost_product_is_outside_the_bound_at_small_shapes():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 1, 3, 3)).astype(np.float32), rng.standard_normal((1, 1, 3, 3)).astype(np.float32)
    args = ((1, 1), ((0, 0), (0, 0)), (1, 1), 1)
    bound = conv_bound(reference.conv2d, x, w, 9, *args)
    lost = reference.conv2d(x.astype(float), w.astype(float), *args) - float(x[0, 0, 0, 0]) * float(w[0, 0, 0, 0])
    assert np.abs(lost - reference.conv2d(x, w, *args)).max() > bound.max()


def test_integers_are_exact_and_normwise_measures():
    rng = np.random.default_rng(0)
    a, b = exact_integers(rng, (40, 500), 500), exact_integers(rng, (500, 30), 500)
    assert np.array_equal(a @ b, a.astype(float) @ b.astype(float))
    with pytest.raises(ValueError, match="exceed 2\\^24"):
        exact_integers(rng, (1,), 2**25)
    assert normwise(np.array([3.0, 4.0]) * (1 + 1e-3), np.array([3.0, 4.0])) == pytest.approx(1e-3)
