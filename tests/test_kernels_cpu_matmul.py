"""The CPU set's matrix product: exact on small integers, within the derived bound on others, whatever the layout."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import kernels

pytest.importorskip("numba", reason="the CPU kernels need Numba")
from minigen.kernels.cpu import add_bias, matmul, matmul_bias

sizes = st.one_of(st.integers(0, 5), st.integers(6, 80))


@st.composite
def matrices(draw, rows, columns, values):
    """The values, stored by rows, by columns, or as a part of a larger matrix, perhaps backwards."""
    how = draw(st.sampled_from(["rows", "columns", "part", "reversed"]))
    x = values((rows, columns))
    if how == "columns":
        return np.asfortranarray(x)
    if how == "part":
        larger = np.full((rows + 2, 2 * columns + 1), np.nan, x.dtype)
        larger[1 : rows + 1, 1 : 2 * columns : 2] = x
        return larger[1 : rows + 1, 1 : 2 * columns : 2]
    return x[::-1].copy()[::-1] if how == "reversed" else x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_small_integers_give_the_exact_product(dtype, data):
    n, k, m = (data.draw(sizes) for _ in range(3))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    integers = lambda shape: rng.integers(-9, 10, shape).astype(dtype)  # noqa: E731
    a, b = data.draw(matrices(n, k, integers)), data.draw(matrices(k, m, integers))
    for array in (a, b):
        array.flags.writeable = False
    expected = np.einsum("ik,kj->ij", a.astype(np.int64), b.astype(np.int64))
    c = matmul(a, b)
    assert c.dtype == dtype
    np.testing.assert_array_equal(c, expected)


@given(data=st.data())
def test_float32_stays_within_the_bound_of_a_sum_of_k_terms(data):
    n, k, m = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 400)), data.draw(st.integers(1, 70))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    normal = lambda shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    a, b = data.draw(matrices(n, k, normal)), data.draw(matrices(k, m, normal))
    wide, other = a.astype(np.float64), b.astype(np.float64)
    nu = k * 2.0**-24
    bound = nu / (1 - nu) * np.einsum("ik,kj->ij", abs(wide), abs(other))
    assert (abs(matmul(a, b) - np.einsum("ik,kj->ij", wide, other)) <= bound).all()


@pytest.mark.parametrize("slope", [None, 0.0, 0.2, -0.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "k", "m"), [(5, 7, 9), (131, 900, 611), (40, 3, 33), (1, 8, 5), (6, 8, 1), (3, 0, 4), (0, 3, 4), (2, 3, 0)]
)
def test_the_product_with_a_bias_has_the_bits_of_two_kernels(n, k, m, dtype, slope):
    rng = np.random.default_rng(1)
    a, b, bias = (rng.standard_normal(shape).astype(dtype) for shape in ((n, k), (m, k), (m,)))
    expected = add_bias(matmul(a, b.T), bias, None, slope)
    before = kernels.get_num_threads()
    try:
        for threads in (1, 2, 5):
            kernels.set_num_threads(threads)
            got = matmul_bias(a, b.T, bias, slope)
            assert got.dtype == dtype and got.tobytes() == expected.tobytes()
    finally:
        kernels.set_num_threads(before)


def test_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((131, 257), (257, 611)))
    before = kernels.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            kernels.set_num_threads(threads)
            results += [matmul(a, b), matmul(a, np.asfortranarray(b))]
    finally:
        kernels.set_num_threads(before)
    assert all(result.tobytes() == results[0].tobytes() for result in results)


def test_leading_dimensions_broadcast():
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 10, (2, 1, 3, 4)).astype(np.float32), rng.integers(-9, 10, (5, 4, 6)).astype(np.float32)
    np.testing.assert_array_equal(matmul(a, b), np.einsum("aibc,jcd->ajbd", a, b))
