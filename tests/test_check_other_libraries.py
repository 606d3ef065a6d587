"""The checker before a hundred right gradients of other libraries: PyTorch's autograd, SciPy's functions, LAPACK.

None of them is in the register, so each is checked as a function of one's own: `shapes` and `domain`.  A right gradient
may be called inconclusive, which is an honest answer; it must not be called wrong.
"""

import numpy as np
import pytest

from minigen.check import check

torch = pytest.importorskip("torch")
special = pytest.importorskip("scipy.special")
linalg = pytest.importorskip("scipy.linalg")
pytestmark = [pytest.mark.torch, pytest.mark.usefixtures("reference_kernels")]

ALL, PLUS, UNIT, INNER = (-3, 3), (0.1, 4), (0.05, 0.95), (-0.95, 0.95)
VECTOR, MATRIX, SQUARE, IMAGE = ("n",), ("n", "m"), (3, 3), (2, 3, 5, 4)


def by_torch(function):
    """A function of PyTorch and its gradient by PyTorch's autograd, with NumPy arrays.

    In plain memory: `torch.kron` raises an error for some tensors in other orders.
    """

    def fn(*arrays):
        return function(*(torch.tensor(np.array(a, order="C")) for a in arrays)).numpy()

    def vjp(g, *arrays):
        tensors = [torch.tensor(np.array(a, order="C"), requires_grad=True) for a in arrays]
        function(*tensors).backward(torch.tensor(np.array(g, order="C")))
        return tuple(t.grad.numpy() for t in tensors)

    return fn, vjp


def elementwise(function, derivative):
    """A function of SciPy or NumPy with a derivative from a table of formulas."""
    return function, lambda g, *x: tuple(g * d for d in np.atleast_2d(derivative(*x)).reshape(len(x), *x[0].shape))


F = torch.nn.functional
S = torch.special
L = torch.linalg
ONE, TWO = [VECTOR], [VECTOR, VECTOR]


def definite(a):
    """A symmetric positive definite matrix of any square one."""
    return a @ a.mT + torch.eye(3, dtype=a.dtype)


def dominant(a):
    """A matrix that is far from singular."""
    return a + 8 * torch.eye(3, dtype=a.dtype)


TORCH = {
    **{name: (getattr(torch, name), ONE, [ALL]) for name in (
        "sin", "cos", "atan", "sinh", "cosh", "asinh", "erf", "erfc", "expm1", "sinc", "sigmoid", "square", "exp2",
    )},
    **{name: (getattr(torch, name), ONE, [PLUS]) for name in (
        "log1p", "log2", "log10", "rsqrt", "reciprocal", "lgamma", "sqrt",
    )},
    **{name: (getattr(torch, name), ONE, [INNER]) for name in ("asin", "acos", "atanh", "erfinv")},
    **{f"special_{name}": (getattr(S, name), ONE, [ALL]) for name in (
        "i0", "i0e", "i1", "i1e", "erfcx", "ndtr", "log_ndtr",
    )},
    "special_entr": (S.entr, ONE, [PLUS]),
    "special_ndtri": (S.ndtri, ONE, [UNIT]),
    "logit": (torch.logit, ONE, [UNIT]),
    "special_xlog1py": (S.xlog1py, TWO, [ALL, PLUS]),
    "special_xlogy": (S.xlogy, TWO, [ALL, PLUS]),
    "acosh": (torch.acosh, ONE, [(1.2, 5)]),
    "mvlgamma": (lambda x: torch.mvlgamma(x, 2), ONE, [(1.5, 5)]),
    "polygamma": (lambda x: torch.polygamma(2, x), ONE, [PLUS]),
    "atan2": (torch.atan2, TWO, [PLUS, PLUS]),
    "hypot": (torch.hypot, TWO, [PLUS, PLUS]),
    "logaddexp": (torch.logaddexp, TWO, [ALL, ALL]),
    "logaddexp2": (torch.logaddexp2, TWO, [ALL, ALL]),
    "pow": (torch.pow, TWO, [PLUS, ALL]),
    "lerp": (lambda a, b, w: torch.lerp(a, b, w), [VECTOR] * 3, [ALL] * 3),
    "addcmul": (lambda a, b, c: torch.addcmul(a, b, c, value=0.3), [VECTOR] * 3, [ALL] * 3),
    "addcdiv": (lambda a, b, c: torch.addcdiv(a, b, c, value=0.3), [VECTOR] * 3, [ALL, ALL, PLUS]),
    "cumsum": (lambda x: torch.cumsum(x, 0), [MATRIX], [ALL]),
    "cumprod": (lambda x: torch.cumprod(x, -1), [MATRIX], [PLUS]),
    "logcumsumexp": (lambda x: torch.logcumsumexp(x, 0), [MATRIX], [ALL]),
    "prod": (lambda x: torch.prod(x, 1), [MATRIX], [PLUS]),
    "std": (lambda x: torch.std(x, 1), [("n", 4)], [ALL]),
    "var": (lambda x: torch.var(x, 0), [(4, "n")], [ALL]),
    "norm": (lambda x: L.vector_norm(x, 3, 1), [MATRIX], [PLUS]),
    "renorm": (lambda x: torch.renorm(x, 2, 0, 0.5), [("n", 4)], [(0.5, 2)]),
    "roll": (lambda x: torch.roll(x, 2, 1), [MATRIX], [ALL]),
    "flip": (lambda x: torch.flip(x, (0, 1)), [MATRIX], [ALL]),
    "tril": (torch.tril, [MATRIX], [ALL]),
    "diff": (lambda x: torch.diff(x, dim=0), [(4, "n")], [ALL]),
    "trapezoid": (lambda x: torch.trapezoid(x, dim=1), [("n", 4)], [ALL]),
    "kron": (torch.kron, [(2, 3), (3, 2)], [ALL, ALL]),
    "cross": (lambda a, b: L.cross(a, b), [("n", 3), ("n", 3)], [ALL, ALL]),
    "cdist": (torch.cdist, [(3, "n"), (2, "n")], [(0, 1), (2, 3)]),
    "cosine_similarity": (F.cosine_similarity, [MATRIX, MATRIX], [PLUS, PLUS]),
    "pairwise_distance": (F.pairwise_distance, [MATRIX, MATRIX], [(0, 1), (2, 3)]),
    "bilinear": (F.bilinear, [("n", 2), ("n", 3), (4, 2, 3), (4,)], [ALL] * 4),
    "einsum": (lambda a, b: torch.einsum("ij,kj->ik", a, b), [("n", 3), ("m", 3)], [ALL, ALL]),
    "baddbmm": (torch.baddbmm, [(2, 3, 4), (2, 3, 2), (2, 2, 4)], [ALL] * 3),
    "celu": (F.celu, ONE, [ALL]),
    "elu": (F.elu, ONE, [ALL]),
    "selu": (F.selu, ONE, [ALL]),
    "mish": (F.mish, ONE, [ALL]),
    "logsigmoid": (F.logsigmoid, ONE, [ALL]),
    "softsign": (F.softsign, ONE, [PLUS]),
    "tanhshrink": (F.tanhshrink, ONE, [ALL]),
    "glu": (lambda x: F.glu(x, 1), [("n", 4)], [ALL]),
    "prelu": (F.prelu, [("n", 3), (3,)], [(0.2, 2), UNIT]),
    "softmax": (lambda x: F.softmax(x / 0.5, -1), [MATRIX], [ALL]),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b), [("n", 4), (4,), (4,)], [ALL, ALL, ALL]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(2, 4, 3), (4,), (4,)], [ALL] * 3),
    "instance_norm": (F.instance_norm, [IMAGE], [ALL]),
    "local_response_norm": (lambda x: F.local_response_norm(x, 2), [IMAGE], [ALL]),
    "lp_pool2d": (lambda x: F.lp_pool2d(x, 2.0, 2), [IMAGE], [PLUS]),
    "unfold": (lambda x: F.unfold(x, 2), [IMAGE], [ALL]),
    "conv3d": (F.conv3d, [(1, 2, 3, 3, 3), (2, 2, 2, 2, 2)], [ALL, ALL]),
    "interpolate_bilinear": (lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"), [IMAGE], [ALL]),
    "interpolate_bicubic": (lambda x: F.interpolate(x, size=(7, 3), mode="bicubic"), [IMAGE], [ALL]),
    "pad_circular": (lambda x: F.pad(x, (1, 2, 2, 1), mode="circular"), [IMAGE], [ALL]),
    "pixel_unshuffle": (lambda x: F.pixel_unshuffle(x, 2), [(1, 2, 4, 6)], [ALL]),
    "attention": (F.scaled_dot_product_attention, [(2, 3, 4), (2, 5, 4), (2, 5, 4)], [ALL] * 3),
    "kl_div": (lambda a, b: F.kl_div(a, b, reduction="none"), TWO, [ALL, UNIT]),
    "poisson_nll": (lambda a, b: F.poisson_nll_loss(a, b, reduction="none"), TWO, [ALL, PLUS]),
    "soft_margin": (lambda a: F.soft_margin_loss(a, torch.ones_like(a)), ONE, [ALL]),
    "determinant": (lambda a: L.det(dominant(a)), [SQUARE], [ALL]),
    "slogdet": (lambda a: L.slogdet(dominant(a))[1], [SQUARE], [ALL]),
    "inverse": (lambda a: L.inv(dominant(a)), [SQUARE], [ALL]),
    "solve": (lambda a, b: L.solve(dominant(a), b), [SQUARE, (3, 2)], [ALL, ALL]),
    "cholesky": (lambda a: L.cholesky(definite(a)), [SQUARE], [ALL]),
    "eigenvalues": (lambda a: L.eigvalsh(definite(a)), [SQUARE], [ALL]),
    "singular_values": (lambda a: L.svdvals(dominant(a)), [SQUARE], [ALL]),
    "pinv": (lambda a: L.pinv(a), [(4, 2)], [PLUS]),
    "qr": (lambda a: L.qr(dominant(a))[1], [SQUARE], [ALL]),
    "matrix_exp": (torch.matrix_exp, [SQUARE], [(-1, 1)]),
    "matrix_power": (lambda a: L.matrix_power(a, 3), [SQUARE], [ALL]),
    "nuclear_norm": (lambda a: L.matrix_norm(dominant(a), "nuc"), [SQUARE], [ALL]),
    "fft": (lambda x: torch.fft.fft(x, dim=-1).abs(), [("n", 5)], [PLUS]),
    "rfft": (lambda x: torch.fft.rfft(x).real, [("n", 6)], [ALL]),
    "far_from_0": (lambda x: torch.sin(1e-6 * x), ONE, [(1e6, 3e6)]),
    "badly_scaled": (lambda x, y: 1e9 * torch.exp(x) + 1e-9 * y**2, TWO, [(-1, 1), (1e8, 1e9)]),
    "cancels": (lambda x: (1 + x**2).sqrt() - 1, ONE, [(1e-4, 1e-3)]),
    "steep": (lambda x: torch.tanh(300 * x), ONE, [(-0.01, 0.01)]),
}  # fmt: skip

SCIPY = {
    "erf": (special.erf, lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2)), [ALL]),
    "gammaln": (special.gammaln, special.digamma, [PLUS]),
    "digamma": (special.digamma, lambda x: special.polygamma(1, x), [PLUS]),
    "expit": (special.expit, lambda x: special.expit(x) * special.expit(-x), [(-30, 30)]),
    "log_expit": (special.log_expit, lambda x: special.expit(-x), [(-30, 30)]),
    "ndtr": (special.ndtr, lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), [(-6, 6)]),
    "j0": (special.j0, lambda x: -special.j1(x), [(-20, 20)]),
    "j1": (special.j1, lambda x: special.j0(x) - special.j1(x) / x, [PLUS]),
    "jv": (lambda x: special.jv(2.5, x), lambda x: special.jvp(2.5, x), [(0.5, 30)]),
    "yv": (lambda x: special.yv(1.5, x), lambda x: special.yvp(1.5, x), [(0.5, 30)]),
    "iv": (lambda x: special.iv(0.5, x), lambda x: special.ivp(0.5, x), [(0.2, 20)]),
    "kv": (lambda x: special.kv(1, x), lambda x: special.kvp(1, x), [(0.2, 20)]),
    "expi": (special.expi, lambda x: np.exp(x) / x, [PLUS]),
    "dawsn": (special.dawsn, lambda x: 1 - 2 * x * special.dawsn(x), [ALL]),
    "sici": (lambda x: special.sici(x)[0], lambda x: np.sin(x) / x, [PLUS]),
    "fresnel": (lambda x: special.fresnel(x)[0], lambda x: np.sin(np.pi * x**2 / 2), [ALL]),
    "lambertw": (lambda x: special.lambertw(x).real, lambda x: 1 / (x + np.exp(special.lambertw(x).real)), [PLUS]),
    "ellipk": (special.ellipk, lambda m: (special.ellipe(m) / (1 - m) - special.ellipk(m)) / (2 * m), [UNIT]),
    "ellipe": (special.ellipe, lambda m: (special.ellipe(m) - special.ellipk(m)) / (2 * m), [UNIT]),
    "gammainc": (lambda x: special.gammainc(2.5, x), lambda x: x**1.5 * np.exp(-x) / special.gamma(2.5), [PLUS]),
    "betainc": (lambda x: special.betainc(2, 3, x), lambda x: x * (1 - x) ** 2 / special.beta(2, 3), [UNIT]),
    "airy": (lambda x: special.airy(x)[0], lambda x: special.airy(x)[1], [(-8, 4)]),
    "zeta": (lambda x: special.zeta(3.0, x), lambda x: -3 * special.zeta(4.0, x), [PLUS]),
    "huber": (lambda x: special.pseudo_huber(0.5, x), lambda x: x / np.sqrt(1 + (x / 0.5) ** 2), [ALL]),
}  # fmt: skip

FUNCTIONS = {f"torch.{name}": (by_torch(f), shapes, domain) for name, (f, shapes, domain) in TORCH.items()}
FUNCTIONS |= {f"scipy.{name}": (elementwise(f, d), ONE, domain) for name, (f, d, domain) in SCIPY.items()}
FUNCTIONS["scipy.expm_frechet"] = (
    (linalg.expm, lambda g, a: linalg.expm_frechet(a.T, g, compute_expm=False)), [SQUARE], [(-1, 1)],
)  # fmt: skip
FUNCTIONS["scipy.solve_triangular"] = (
    (lambda b: linalg.solve_triangular(np.tri(3) + 2 * np.eye(3), b, lower=True),
     lambda g, b: linalg.solve_triangular(np.tri(3) + 2 * np.eye(3), g, lower=True, trans="T")), [(3, "n")], [ALL],
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_right_gradient_of_another_library_is_not_called_wrong(name):
    (fn, vjp), shapes, domain = FUNCTIONS[name]
    report = check(fn, vjp, shapes=shapes, domain=domain, examples=4)
    assert report.verdict == "right", report


def test_the_trigamma_function_of_pytorch_is_off_by_three_parts_in_ten_billion():
    mpmath = pytest.importorskip("mpmath")
    x = np.array([0.5, 1.0, 2.3])
    fn, vjp = by_torch(torch.digamma)
    right = np.array([float(mpmath.polygamma(1, one)) for one in x])
    assert 1e-10 < np.abs(vjp(np.ones(3), x)[0] / right - 1).max() < 1e-9
    assert check(fn, vjp, inputs=[x]).verdict == "wrong"
    assert check(fn, lambda g, x: g * special.polygamma(1, x), inputs=[x]).verdict == "right"


@pytest.mark.parametrize("name", ["torch.solve", "torch.lerp", "scipy.kv", "torch.logcumsumexp"])
def test_the_same_gradient_with_an_error_of_a_millionth_is_called_wrong(name):
    (fn, vjp), shapes, domain = FUNCTIONS[name]

    def spoiled(g, *inputs):
        first, *others = vjp(g, *inputs)
        return (first * (1 + 1e-6), *others)

    assert check(fn, spoiled, shapes=shapes, domain=domain, examples=4).verdict == "wrong"
