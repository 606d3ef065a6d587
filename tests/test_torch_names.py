"""PyTorch's names: values against NumPy's, every dtype, clear errors."""

import itertools

import numpy as np
import pytest

import minigen as mg

pytestmark = pytest.mark.usefixtures("reference_kernels")

X = np.random.default_rng(0).standard_normal((3, 4))
CUBE = np.random.default_rng(1).standard_normal((2, 3, 4))
ZEROS = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0]])

# name: (the function of Tensors, NumPy's, the arrays)
CASES = {
    "repeat": (lambda x: x.repeat(2, 1, 3), lambda x: np.tile(x, (2, 1, 3)), [X]),
    "split": (lambda x: x.split([1, 3], 1)[1], lambda x: x[:, 1:], [X]),
    "unbind": (lambda x: x.unbind(-1)[1], lambda x: x[:, 1], [X]),
    "chunk": (lambda x: x.chunk(2, -1)[1], lambda x: x[:, 2:], [X]),
    "gather": (
        lambda x: x.gather(1, mg.tensor([[0, 0], [3, -1]])),
        lambda x: np.take_along_axis(x[:2], np.array([[0, 0], [3, -1]]), 1),
        [X],
    ),
    "take_along_dim": (
        lambda x: mg.take_along_dim(x[:1], mg.tensor([[2], [0]]), 1),
        lambda x: np.take_along_axis(x[:1].repeat(2, 0), np.array([[2], [0]]), 1),
        [X],
    ),
    "masked_fill": (lambda x: x.masked_fill(x > 0, -3.0), lambda x: np.where(x > 0, -3.0, x), [X]),
    "tril": (lambda x: x.tril(1), lambda x: np.tril(x, 1), [CUBE]),
    "triu": (lambda x: x.triu(-1), lambda x: np.triu(x, -1), [CUBE]),
    "t": (lambda x: x.t(), lambda x: x.T, [X]),
    "mT": (lambda x: x.mT, lambda x: x.swapaxes(-1, -2), [CUBE]),
    "mm": (lambda x, y: x.mm(y.t()), lambda x, y: x @ y.T, [X, X + 1]),
    "bmm": (lambda x, y: x.bmm(y.mT), lambda x, y: x @ y.swapaxes(1, 2), [CUBE, CUBE + 1]),
    "norm": (lambda x: x.norm(dim=1), lambda x: np.linalg.norm(x, axis=1), [X]),
    "norm-1": (lambda x: x.norm(1, (0, 1), True), lambda x: np.abs(x).sum((0, 1), keepdims=True), [X]),
    "norm-3": (lambda x: x.norm(3), lambda x: (np.abs(x) ** 3).sum() ** (1 / 3), [X]),
    "norm-inf": (lambda x: x.norm(float("inf"), 0), lambda x: np.abs(x).max(0), [X]),
    "prod": (lambda x: x.prod(1), lambda x: x.prod(1), [X]),
    "prod-all": (lambda x: x.prod(), lambda x: x.prod(), [X]),
    "prod-zeros": (lambda x: x.prod(1, keepdim=True), lambda x: x.prod(1, keepdims=True), [ZEROS]),
    "cumsum": (lambda x: x.cumsum(0), lambda x: x.cumsum(0), [X]),
    "einsum": (lambda x, y: mg.einsum("ij,kj->ik", x, y), lambda x, y: x @ y.T, [X, X + 1]),
    "einsum-trace": (lambda x: mg.einsum("ii", x), np.trace, [X[:, :3]]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_numpys(name):
    function, oracle, arrays = CASES[name]
    out = function(*[mg.tensor(a) for a in arrays])
    np.testing.assert_allclose(out.data, oracle(*arrays), rtol=1e-14, atol=1e-14)


EQUATIONS = ["ij,jk", "bij,bjk->bik", "...ij,...jk->...ik", "i,j->ji", "ijk,jkl,l->i", "ij,ij->", "iij->j", "ij->",
             "ij,ik,il->jkl", "...->...", "ij...->...j", "ab,cd->", "i,i,i->i", "ij,j->i", "bhqd,bhkd->bhqk"]  # fmt: skip


@pytest.mark.parametrize("equation", EQUATIONS)
def test_einsum_is_numpys(equation):
    rng = np.random.default_rng(2)
    sizes = dict(zip("ijklabcdhq", itertools.cycle((2, 3, 4))), i=3)
    terms = equation.partition("->")[0].split(",")
    arrays = [
        rng.standard_normal([*([5, 2] if "..." in term else []), *(sizes[c] for c in term.replace("...", ""))])
        for term in terms
    ]
    out = mg.einsum(equation, *[mg.tensor(a) for a in arrays])
    np.testing.assert_allclose(out.data, np.einsum(equation, *arrays), rtol=1e-12, atol=1e-12)


def test_einsum_broadcasts_dimensions_of_size_1_and_says_what_does_not_fit():
    a, b = np.ones((1, 2, 3)), np.arange(24.0).reshape(4, 3, 2)
    np.testing.assert_allclose(mg.einsum("...ij,...jk->...ik", mg.tensor(a), mg.tensor(b)).data, a @ b)
    x = mg.tensor(X)
    for equation, operands, message in (
        ("ij,jk", [x, x], "'j' in 'ij,jk' is 4 and, in operand 1, 3"),
        ("ij", [x, x], "names 1 operands, got 2"),
        ("ijk", [x], r"'ijk' in 'ijk' does not fit operand 0 of shape \(3, 4\)"),
        ("ij->k", [x], "one that no operand has"),
        ("ij->ii", [x], "has a letter twice"),
        ("i1", [x], "does not fit operand 0"),
    ):
        with pytest.raises(ValueError, match=message):
            mg.einsum(equation, *operands)


def test_norm_neither_overflows_nor_gives_nan_at_zero():
    x = mg.tensor([[3e30, 4e30], [0.0, 0.0], [3e-30, 4e-30]], requires_grad=True)
    out = x.norm(dim=1)
    np.testing.assert_allclose(out.data, [5e30, 0, 5e-30], rtol=1e-6)
    (g,) = mg.grad(out.sum(), x)
    np.testing.assert_allclose(g.data, [[0.6, 0.8], [0, 0], [0.6, 0.8]], rtol=1e-6)
    assert mg.tensor([np.inf, 1.0]).norm().item() == np.inf and np.isnan(mg.tensor([np.nan, 1.0]).norm().item())
    assert mg.zeros(0).norm().item() == 0 and mg.zeros(0, 2).prod(0).tolist() == [1, 1]


def test_cumsum_of_many_floats_keeps_its_digits():
    x = mg.full((1_000_000,), 0.1)
    assert abs(x.cumsum(0)[-1].item() / (1e6 * float(np.float32(0.1))) - 1) < 1e-7


# ---- integers and booleans


MOVES = [
    lambda x: x.reshape(2, -1), lambda x: x.T, lambda x: x.permute(1, 0), lambda x: x.flip(0), lambda x: x.clone(),
    lambda x: x.unsqueeze(0).expand(2, 4, 3), lambda x: x.repeat(2, 1), lambda x: x[1:, ::2], lambda x: x[[0, 0]],
    lambda x: x[2, 1], lambda x: mg.cat([x, x], 1), lambda x: mg.stack([x, x]), lambda x: x.split(2)[0],
    lambda x: mg.functional.pad(x, (1, -1)), lambda x: mg.functional.pad(x, (1, 1), "reflect"), lambda x: x.tril(),
    lambda x: mg.where(x > 0, x, x.flip(1)), lambda x: x.gather(0, mg.tensor([[1, 0, 1]])), lambda x: x.to("cpu"),
]  # fmt: skip


@pytest.mark.parametrize("move", MOVES)
def test_moving_elements_works_for_every_dtype_alike(move):
    values = np.random.default_rng(0).integers(0, 2, (4, 3))
    expected = move(mg.tensor(values.astype(np.float64)))
    for dtype in ("float32", "int64", "int32", "uint8", "bool"):
        out = move(mg.tensor(values.astype(dtype)))
        assert out.dtype == dtype and not out.requires_grad
        np.testing.assert_array_equal(out.data, expected.data.astype(dtype))


def test_reductions_of_integers_and_booleans():
    hits = mg.tensor([1, 2, 3]) == mg.tensor([1, 5, 3])
    assert hits.sum().dtype == np.int64 and hits.sum().item() == 2
    big = mg.tensor(np.full((2, 3), 200, np.uint8))
    assert big.sum(0).tolist() == [400, 400, 400] and big.sum((0, 1), keepdim=True).shape == (1, 1)
    x = mg.tensor([[3, 1, 2], [4, 6, 5]])
    assert (x.max().item(), x.min().item(), x.argmax().item(), x.argmin().item()) == (6, 1, 4, 1)
    assert x.amax(0).tolist() == [4, 6, 5] and x.amin(1, keepdim=True).tolist() == [[1], [4]]
    values, indices = x.min(1)
    assert values.tolist() == [1, 4] and indices.tolist() == [1, 0]
    assert hits.any().item() and not hits.all().item() and hits.argmin().item() == 1
    assert x.prod(1).tolist() == [6, 120] and hits.cumsum(0).tolist() == [1, 1, 2]
    assert mg.tensor([[True, False], [True, True]]).all(0).tolist() == [True, False]
    for name in ("mean", "var", "std"):
        with pytest.raises(TypeError, match=f"{name}: argument 'input' has dtype int64, expected float32 or float64"):
            getattr(x, name)()
    for name in ("argmax", "argmin", "amin", "amax"):
        with pytest.raises(ValueError, match=f"{name}: no elements to choose from"):
            getattr(mg.zeros(0), name)()


def test_logic():
    a, b = mg.tensor([True, True, False]), mg.tensor([True, False, False])
    assert [(a & b).tolist(), (a | b).tolist(), (a ^ b).tolist(), (~a).tolist()] == [
        [True, False, False], [True, True, False], [False, True, False], [False, False, True]]  # fmt: skip
    assert (mg.tensor([6]) & 3).tolist() == [2] and (1 | mg.tensor([4])).tolist() == [5]
    for call in (lambda: ~mg.ones(1), lambda: a & mg.ones(3), lambda: a & 1.5):
        with pytest.raises(TypeError):
            call()
    assert (mg.tensor([1, 2]) >= 1.5).tolist() == [False, True] and (mg.tensor([1, 2]) != 2).tolist() == [True, False]


def test_an_operation_on_floats_refuses_integers_and_a_number_must_fit():
    with pytest.raises(TypeError, match="exp: argument 'input' has dtype int64, expected float32; convert it"):
        mg.exp(mg.arange(2))
    with pytest.raises(TypeError, match=r"where: argument 'other': 0.5 does not fit dtype int64"):
        mg.where(mg.tensor([True, False]), mg.arange(2), 0.5)
    with pytest.raises(TypeError, match=r"cat: argument .* has dtype float32, expected int64"):
        mg.cat([mg.arange(2), mg.ones(1)])


# ---- the rest


def test_sizes_and_conversions():
    x = mg.tensor(X)
    assert x.size() == (3, 4) and x.size(-1) == 4 and x.dim() == 2 and x.numel() == 12
    with pytest.raises(IndexError, match="size: dim 2 is out of range"):
        x.size(2)
    assert x.float().dtype is mg.float32 and x.long().dtype == mg.int64 and x.float().double().dtype == mg.float64
    assert x.to(mg.float32).to("cpu", dtype=mg.float64).dtype == x.to(mg.tensor(X)).dtype == "float64"
    assert x.to(x) is x and mg.as_tensor(x) is x and mg.as_tensor(x, mg.float32).dtype == mg.float32
    w = mg.tensor([1.0], requires_grad=True)
    (g,) = mg.grad(w.double().sum(), w)
    assert g.dtype == mg.float32 and mg.as_tensor([1, 2]).tolist() == [1, 2]
    assert x.pow(2).add(1).sub(1).mul(2).div(2).allclose(x * x)
    with pytest.raises(TypeError, match="to: expected a dtype, 'cpu' or 'cuda', got 'gpu'"):
        x.to("gpu")
    many = np.ones((20, 20))
    with pytest.raises(TypeError, match=r"to: expected a dtype, 'cpu' or 'cuda', got an array of shape \(20, 20\)$"):
        x.to(many)
    with pytest.raises(ValueError, match=r"Linear.to: .* got an array of shape \(20, 20\)$"):
        mg.nn.Linear(2, 1).to(many)
    with pytest.raises(ValueError, match=r"affine_grid: argument 'size': .* got an array of shape \(20, 20\)$"):
        mg.functional.affine_grid(mg.zeros(1, 2, 3), many)
    with pytest.raises(TypeError, match="positional"):
        mg.tensor([1.0], True)


def test_equal_and_allclose():
    nan = mg.tensor([np.nan, 1.0])
    assert mg.equal(mg.ones(2), mg.ones(2)) and not mg.equal(mg.ones(2), mg.ones(2, 1)) and not mg.equal(nan, nan)
    assert mg.allclose(nan, nan, equal_nan=True) and not mg.allclose(nan, nan)
    assert mg.isnan(nan).tolist() == [True, False] and mg.isfinite(mg.tensor([np.nan, np.inf, 1.0])).tolist() == [
        False,
        False,
        True,
    ]
    with pytest.raises(TypeError, match="allclose: other: expected a Tensor, got ndarray"):
        mg.allclose(nan, np.ones(2))


def test_creation_like():
    x = mg.zeros(2, 3, dtype=mg.float64)
    for made in (mg.full_like(x, 7.0), mg.randn_like(x), mg.rand_like(x)):
        assert made.shape == (2, 3) and made.dtype == mg.float64
    generators = [np.random.default_rng(5) for _ in range(2)]
    assert mg.equal(mg.randn_like(x, generators[0]), mg.randn_like(x, generators[1]))
    assert mg.eye(2, 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    with pytest.raises(ValueError, match="zeros: expected sizes"):
        mg.zeros(True)


def test_bernoulli_and_multinomial_draw_by_their_probabilities():
    rng = np.random.default_rng(0)
    assert abs(mg.bernoulli(mg.full((20_000,), 0.3), rng).mean().item() - 0.3) < 0.02
    weights = mg.tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 0.0, 0.0, 2.0]])
    draws = mg.multinomial(weights, 20_000, replacement=True, generator=rng).numpy()
    shares = np.stack([np.bincount(row, minlength=4) for row in draws]) / 20_000
    np.testing.assert_allclose(shares, [[0, 0.25, 0.75, 0], [0.5, 0, 0, 0.5]], atol=0.02)
    first = [mg.multinomial(weights, 2, generator=rng).numpy() for _ in range(4000)]
    assert all(set(draw[0]) == {1, 2} and set(draw[1]) == {0, 3} for draw in first)
    assert abs(np.mean([draw[0, 0] == 2 for draw in first]) - 0.75) < 0.03
    for u in (0.0, 1 - 2**-53):  # an index of weight 0 is not drawn at the ends either

        class Edge:
            random = staticmethod(lambda shape, u=u: np.full(shape, u))

        drawn = mg.multinomial(mg.tensor([[0.0, 3.0, 0.0], [0.0, 1e-3, 0.0]]), 1, replacement=True, generator=Edge())
        assert drawn.tolist() == [[1], [1]]
    for bad, n, message in (
        ([-1.0, 2.0], 1, "finite weights"),
        ([1.0, 0.0], 2, "cannot draw 2"),
        ([1.0], 0, "at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            mg.multinomial(mg.tensor(bad), n)
    with pytest.raises(ValueError, match=r"probabilities in \[0, 1\]"):
        mg.bernoulli(mg.tensor([1.5]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x.split(0), ValueError, "split: split_size: expected at least 1, got 0"),
        (lambda x: x.split([1, 1]), ValueError, r"split: sizes \[1, 1\] do not add up to 3"),
        (lambda x: x.chunk(0), ValueError, "chunk: chunks: expected at least 1, got 0"),
        (lambda x: x.repeat(2), ValueError, "repeat: expected at least 2 numbers"),
        (lambda x: x.reshape(2.0, 6), TypeError, "reshape: expected integers"),
        (lambda x: x.flip(True), TypeError, "flip: argument 'dim': expected an integer"),
        (lambda x: x.gather(1, mg.tensor([0])), ValueError, "gather: index of shape .* does not fit"),
        (lambda x: x.gather(1, mg.zeros(4, 1).long()), ValueError, "gather: index of shape .* is larger than input"),
        (lambda x: x.gather(1, mg.zeros(1, 1)), TypeError, "integers"),
        (lambda x: x.gather(1, mg.full((1, 1), 4).long()), IndexError, "gather: expected indices from -4 to 3"),
        (lambda x: x[0].tril(), ValueError, "tril: expected at least 2 dimensions"),
        (lambda x: x.mm(x[0]), ValueError, "mm: expected two matrices"),
        (lambda x: x.bmm(x), ValueError, "bmm: expected two batches"),
        (lambda x: x.unsqueeze(0).T, ValueError, "T: expected at most 2 dimensions"),
        (lambda x: x.norm(0), ValueError, "norm: p: expected a positive number or inf, got 0"),
        (lambda x: mg.cat([x, X]), TypeError, r"cat: tensors\[1\]: expected a Tensor, got ndarray"),
        (lambda x: x["a"], IndexError, "index: expected integers, booleans, slices"),
        (
            lambda x: mg.functional.pad(x.long(), (1, 1), value=0.5),
            TypeError,
            "pad: value 0.5 does not fit dtype int64",
        ),
    ],
)
def test_bad_input_is_one_clear_line(call, error, message):
    with pytest.raises(error, match=message):
        call(mg.tensor(X))
