"""Measures on features: closed forms, public implementations, invariances, what they are blind to, bad input."""

import math
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.metrics import (
    CopySearch,
    expected_coverage,
    fid,
    fid_terms,
    gaussian_fid,
    inception_score,
    jackknife,
    kid,
    kid_with_error,
    lost_classes,
    nearest_neighbor_test,
    prd,
    prd_curve,
    precision_recall,
    t_interval,
    t_quantile,
    total_variation,
)
from minigen.metrics.distortions import add_noise, blur, round_to_levels, shift, speckle
from minigen.metrics.kid import kernel_mean
from minigen.metrics.neighbors import distances, kth_distances, nearest
from minigen.metrics.prd import k_means

seeds = st.integers(0, 2**32 - 1)


def two_sets(seed, n=60, m=50, width=5):
    random = np.random.default_rng(seed)
    mix = random.normal(size=(width, width))
    return random.normal(size=(n, width)) @ mix, random.normal(size=(m, width)) @ mix * 1.3 + 0.4


# ---- FID


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("width", [1, 2, 7])
def test_fid_of_gaussians_is_the_exact_one(seed, width):
    """mpmath with 50 digits, by another formula: the roots of the eigenvalues of S1 S2."""
    mpmath = pytest.importorskip("mpmath")
    random = np.random.default_rng(seed)
    roots = random.normal(size=(2, width, width))
    means, covariances = random.normal(size=(2, width)), roots @ roots.transpose(0, 2, 1)
    with mpmath.workdps(50):
        a, b = (mpmath.matrix(c.tolist()) for c in covariances)
        values = mpmath.eig(a * b, left=False, right=False) if width > 1 else [(a * b)[0]]
        trace = sum(a[i, i] + b[i, i] for i in range(width)) - 2 * sum(mpmath.sqrt(mpmath.re(v)) for v in values)
        exact = float(trace + sum((mpmath.mpf(x) - mpmath.mpf(y)) ** 2 for x, y in zip(*means.tolist())))
    assert gaussian_fid(means[0], covariances[0], means[1], covariances[1]) == pytest.approx(exact, rel=1e-12)


def test_fid_of_gaussians_that_are_flat():
    """Rank 2 of 6, in planes that share a line: roots of diagonal matrices are known."""
    turn, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
    a, b = (turn @ np.diag(values) @ turn.T for values in ([4.0, 1, 0, 0, 0, 0], [9.0, 0, 2, 0, 0, 0]))
    assert gaussian_fid(np.zeros(6), a, np.zeros(6), b) == pytest.approx((2 - 3) ** 2 + 1 + 2, abs=1e-7)


@given(seeds)
def test_fid_is_symmetric_and_does_not_see_rotations(seed):
    a, b = two_sets(seed)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))
    assert fid(a, b) == pytest.approx(fid(b, a), rel=1e-9)
    assert fid(a, b) == pytest.approx(fid(a @ turn + 3, b @ turn + 3), rel=1e-9)
    assert fid(a, a) == pytest.approx(0, abs=1e-9)
    mean, spread = fid_terms(a, b)
    assert mean == pytest.approx(((a.mean(0) - b.mean(0)) ** 2).sum()) and mean + spread == pytest.approx(fid(a, b))


# ---- KID


@given(seeds)
def test_kid_is_its_double_sum(seed):
    a, b = two_sets(seed, 9, 7)

    def k(x, y):
        return (float(x @ y) / 5 + 1) ** 3

    pairs = np.mean([k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    pairs += np.mean([k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    assert kid(a, b) == pytest.approx(pairs - 2 * np.mean([k(x, y) for x in a for y in b]), rel=1e-9, abs=1e-9)
    assert kid_with_error(a, b).value == pytest.approx(kid(a, b), rel=1e-9, abs=1e-9)
    assert kid(a, b, kernel_mean(a)) == kid(a, b) != kid(a, b, kernel_mean(b))


def test_kid_has_no_bias_and_its_error_is_calibrated():
    """Over many draws: the mean is the true distance, the standard error is within 15 % of the spread."""
    random = np.random.default_rng(0)
    for move, sizes in ((0.0, (100, 60)), (0.5, (60, 60)), (0.0, (60, 120)), (0.1, (120, 60))):
        found = [
            kid_with_error(random.normal(size=(sizes[0], 6)), random.normal(size=(sizes[1], 6)) + move)
            for _ in range(250)
        ]
        values, errors = np.array([(one.value, one.se) for one in found]).T
        spread = values.std(ddof=1)
        assert errors.mean() == pytest.approx(spread, rel=0.15), (move, sizes)
        truth = kid(*np.random.default_rng(1).normal(size=(2, 3000, 6)) + np.array([0, move])[:, None, None])
        assert values.mean() == pytest.approx(truth, abs=4 * spread / math.sqrt(250) + 0.1 * truth)


# ---- the public implementations


class Stub(type):
    """A class that has every attribute: for torchvision, which the packages import for their networks only."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return Stub(name, (), {})


@pytest.fixture(scope="module")
def public():
    """Import a module of a public package, or skip."""
    pytest.importorskip("torch")

    def of(name):
        with pytest.MonkeyPatch.context() as patch:
            try:
                import torchvision  # noqa: F401
            except (ImportError, RuntimeError):  # not there, or built for another PyTorch
                for part in ("", ".models", ".transforms", ".transforms.functional", ".datasets", ".models.inception"):
                    patch.setitem(sys.modules, f"torchvision{part}", Stub("torchvision", (), {}))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return pytest.importorskip(name, exc_type=ImportError)

    return of


@pytest.fixture(scope="module")
def features():
    """Real features and four kinds of samples: other, fewer and copied ones, and some there many times."""
    random = np.random.default_rng(3)
    real = random.normal(size=(300, 12)) @ random.normal(size=(12, 12))
    other = 1.1 * random.normal(size=(300, 12)) @ random.normal(size=(12, 12)) + 0.3
    return real, {
        "other": other,
        "copied": np.concatenate([real[:100], other[:200]]),
        "repeated": other[:30].repeat(10, 0),
    }


KINDS = pytest.mark.parametrize("kind", ["other", "copied", "repeated"])


@pytest.mark.torch
@KINDS
def test_fid_is_that_of_pytorch_fid(features, public, kind):
    real, fake = features[0], features[1][kind]
    statistics = [value for one in (real, fake) for value in (one.mean(0), np.cov(one, rowvar=False))]
    module = public("pytorch_fid.fid_score")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # SciPy 1.18 will drop an argument that it uses
        theirs = module.calculate_frechet_distance(*statistics)
    assert fid(real, fake) == pytest.approx(theirs, rel=1e-8)


@pytest.mark.torch
@KINDS
def test_kid_is_that_of_torch_fidelity(features, public, kind):
    """One subset of all images, in another order."""
    import torch

    real, fake = features[0], features[1][kind]
    settings = {"kid_subsets": 1, "kid_subset_size": len(real), "kid_kernel": "poly", "kid_kernel_poly_degree": 3}
    settings |= {"kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1, "rng_seed": 0, "verbose": False}
    theirs = public("torch_fidelity.metric_kid").kid_features_to_metric(*map(torch.tensor, (real, fake)), **settings)
    assert kid(real, fake) == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-8)


@pytest.mark.torch
def test_the_inception_score_is_that_of_torch_fidelity(public):
    import torch

    logits = np.random.default_rng(0).normal(size=(500, 10)) * 3
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    settings = {"splits": 1, "shuffle": False}
    theirs = public("torch_fidelity.metric_isc").isc_features_to_metric(torch.tensor(logits), **settings)
    assert inception_score(p) == pytest.approx(theirs["inception_score_mean"], rel=1e-8)


@pytest.mark.torch
@KINDS
def test_precision_and_recall_are_those_of_torch_fidelity(features, public, kind):
    """A point on the border is inside there too, so that repeated images have the same numbers."""
    import torch

    real, fake = features[0], features[1][kind]
    found = precision_recall(real, fake, k=3)
    module = public("torch_fidelity.metric_prc")
    theirs = module.calculate_precision_recall_full(torch.tensor(fake), torch.tensor(real), 3)
    assert (found.precision, found.recall) == pytest.approx(theirs, abs=1e-6)  # theirs are means of float32


@pytest.mark.torch
def test_precision_recall_density_coverage_are_those_of_prdc(features, public):
    prdc = public("prdc")
    real, fake = features[0], features[1]["other"]
    theirs = prdc.compute_prdc(real, fake, 5)
    found = precision_recall(real, fake)
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(found, name) == pytest.approx(theirs[name], abs=1e-12)


# ---- precision, recall, coverage


@given(seeds, st.integers(1, 4))
def test_precision_recall_by_definition(seed, k):
    real, fake = two_sets(seed, 20, 15, 2)

    def radius(points, i):
        return sorted(math.dist(points[i], other) for j, other in enumerate(points) if j != i)[k - 1]

    def hits(centers, points):
        return np.array([[math.dist(c, p) <= radius(centers, i) for p in points] for i, c in enumerate(centers)])

    balls, others = hits(real, fake), hits(fake, real)
    found = precision_recall(real, fake, k)
    assert found.precision == balls.any(0).mean() and found.recall == others.any(0).mean()
    assert found.density == pytest.approx(balls.sum(0).mean() / k) and found.coverage == balls.any(1).mean()
    assert np.array_equal(found.inside, balls.any(0)) and np.array_equal(found.margin <= 1, found.inside)


def test_a_perfect_model_has_the_expected_coverage():
    random = np.random.default_rng(0)
    found = [precision_recall(random.normal(size=(100, 2)), random.normal(size=(60, 2))).coverage for _ in range(200)]
    assert np.mean(found) == pytest.approx(expected_coverage(100, 60), abs=4 * np.std(found) / math.sqrt(200))


def test_repeated_samples_are_degenerate_not_zero():
    real, fake = two_sets(0, 60, 5)
    assert precision_recall(real, fake.repeat(12, 0)).degenerate and not precision_recall(real, real).degenerate


# ---- classes


def test_the_inception_score_has_its_limits():
    assert inception_score(np.eye(10)) == pytest.approx(10)
    assert inception_score(np.tile(np.eye(10)[3], (7, 1))) == 1  # and no log of 0
    half = np.tile([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], (3, 1))
    assert inception_score(half) == pytest.approx(2)


@given(seeds)
def test_total_variation_is_the_largest_difference_of_any_set_of_classes(seed):
    p, q = np.random.default_rng(seed).dirichlet(np.ones(5), 2)
    sets = [[c for c in range(5) if number >> c & 1] for number in range(32)]
    assert total_variation(p, q) == pytest.approx(max(p[some].sum() - q[some].sum() for some in sets))


def test_three_lost_classes_are_a_failure():
    even = np.full(10, 0.1)
    shares = np.array([0.005, 0.005, 0.02, *[0.97 / 7] * 7])
    assert lost_classes(shares, even) == ([0, 1], False)
    shares[2] = 0.009
    assert lost_classes(shares, even) == ([0, 1, 2], True)


# ---- PRD, 1-NN, neighbors


def test_the_prd_curve_of_known_histograms():
    same = prd_curve([0.2, 0.8], [0.2, 0.8])
    assert same.f8 == pytest.approx(1) and same.f1_8 == pytest.approx(1)
    apart = prd_curve([1.0, 0.0], [0.0, 1.0])
    assert apart.precision.max() == 0 and apart.f8 == 0
    invented = prd_curve([1.0, 0.0], [0.5, 0.5])  # half of the samples are nothing real: precision is lost, not recall
    assert invented.precision.max() == pytest.approx(0.5) and invented.recall.max() == pytest.approx(1)
    assert invented.f8 > 0.9 > invented.f1_8


def test_prd_sees_missing_clusters():
    random = np.random.default_rng(0)
    centers = 10 * random.normal(size=(6, 4))
    real, fake = (centers[random.integers(0, 6, 300)] + random.normal(size=(300, 4)) for _ in range(2))
    part = centers[random.integers(0, 3, 300)] + random.normal(size=(300, 4))
    assert prd(real, fake).f8 > 0.9 and prd(real, part).f8 < 0.65 < prd(real, part).f1_8


def test_k_means_finds_clusters_that_are_far_apart():
    random = np.random.default_rng(1)
    truth = random.integers(0, 5, 200)
    found = k_means(100 * np.eye(5)[truth] + random.normal(size=(200, 5)), 5, random)
    assert len({(a, b) for a, b in zip(truth, found)}) == 5


def test_the_1_nn_test_of_equal_sets_far_sets_and_copies():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 400, 3))
    expected = 399 / 799
    assert nearest_neighbor_test(a, b).accuracy == pytest.approx(expected, abs=0.07)
    assert nearest_neighbor_test(a, b + 50).accuracy == 1
    found = nearest_neighbor_test(a, np.concatenate([a[:200], b[200:] + 50]))
    assert found.fake == pytest.approx(0.5, abs=0.01) and found.real < 0.5


@given(seeds)
def test_neighbors_are_exact_for_equal_and_close_rows(seed):
    random = np.random.default_rng(seed)
    a = 1e3 + random.normal(size=(30, 4))
    b = np.concatenate([a[:10], a[10:20] + 1e-6 * random.normal(size=(10, 4)), random.normal(size=(10, 4))])
    exact = np.sqrt(((a[:, None] - b) ** 2).sum(2))
    np.testing.assert_allclose(distances(a, b), exact, rtol=1e-8, atol=0)
    found, where = nearest(a, b, 3)
    np.testing.assert_allclose(found, np.sort(exact, 1)[:, :3], rtol=1e-8)
    np.testing.assert_allclose(np.take_along_axis(exact, where, 1), found, rtol=1e-8)
    own = np.sort(np.sqrt(((a[:, None] - a) ** 2).sum(2)), 1)
    np.testing.assert_allclose(kth_distances(a, 2), own[:, 2], rtol=1e-8)


# ---- copies


@pytest.fixture(scope="module")
def search():
    random = np.random.default_rng(0)
    train, test, new = random.normal(size=(3, 600, 10))
    return CopySearch(train, test), train, new, random


def test_without_copies_about_a_hundredth_is_near(search):
    found = search[0](search[2])
    assert found.near < 0.03 and found.alone < 0.03


def test_copies_are_found_and_named(search):
    find, train, new, _ = search
    found = find(np.concatenate([train[70:100], new[:570]]))
    assert found.near == pytest.approx(0.05 + 0.01, abs=0.02) and np.array_equal(found.index[:30], np.arange(70, 100))
    assert (found.distance[:30] == 0).all()


def test_a_noisy_copy_is_found_by_the_ratio_and_not_by_the_distance(search):
    find, train, _, _ = search
    random = np.random.default_rng(1)
    spread = np.concatenate([train, 20 * np.ones((600, 10)) + train])  # another training set, two clouds
    wide = CopySearch(spread[:, :3], random.normal(size=(400, 3)))
    noisy = find(train[:200] + 0.3 * random.normal(size=(200, 10)))
    assert noisy.alone > 0.5 and noisy.alone > noisy.near
    assert wide(spread[:50, :3]).near == 1


# ---- how sure


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [(0.975, 1, 12.7062047362), (0.975, 2, 4.3026527297), (0.975, 9, 2.2621571628), (0.9, 5, 1.4758840488), (0.05, 3, -2.3533634348)],
)  # fmt: skip
def test_quantiles_of_t(probability, freedom, expected):
    assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-9)


def test_quantiles_of_t_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 3, 4, 7, 30, 200):
        for p in (0.001, 0.3, 0.5, 0.95, 0.999):
            assert t_quantile(p, freedom) == pytest.approx(stats.t.ppf(p, freedom), rel=1e-8, abs=1e-12)


def test_the_interval_holds_the_mean_in_95_of_100_cases():
    random = np.random.default_rng(0)
    found = [t_interval(random.normal(3, 2, 5)) for _ in range(1000)]
    assert np.mean([one.low < 3 < one.high for one in found]) == pytest.approx(0.95, abs=0.03)
    one = t_interval([4.0])
    assert one.value == 4 and math.isnan(one.se) and math.isnan(one.low)


def test_the_jackknife_needs_the_classes_of_balanced_data():
    random = np.random.default_rng(0)
    classes = np.repeat(np.arange(5), 100)
    rows = 10.0 * classes[:, None] + random.normal(size=(500, 1))

    def mean(some):
        return float(some.mean())

    assert jackknife(mean, rows, classes=classes) == pytest.approx(1 / math.sqrt(500), rel=0.5)
    assert jackknife(mean, rows) > 5 * jackknife(mean, rows, classes=classes)


# ---- distortions


def test_distortions_do_what_they_say():
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (40, 1, 12, 12)).astype(np.float32)
    flat = np.zeros((300, 1, 10, 10), np.float32)
    assert add_noise(flat, 0.1, random).std() == pytest.approx(0.1, rel=0.02)
    strengths = np.array([0.0, 0.1] * 150)
    noisy = add_noise(flat, strengths, random)
    assert not noisy[::2].any() and noisy[1::2].std() == pytest.approx(0.1, rel=0.03)
    assert (speckle(flat, 0.2, random) != 0).mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_allclose(shift(images, 2, -1)[:, :, 2:, :-1], images[:, :, :-2, 1:])
    ndimage = pytest.importorskip("scipy.ndimage")
    expected = ndimage.gaussian_filter(images, (0, 0, 0.8, 0.8), mode="nearest", truncate=5)
    np.testing.assert_allclose(blur(images, 0.8), expected, atol=2e-5)
    assert len(np.unique(round_to_levels(np.linspace(-1, 1, 10_000)))) == 256


# ---- bad input


FINE = np.zeros((9, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: fid(np.zeros((3, 3)), FINE), "fid: expected at least 4 images for 3 features, got 3 real and 9"),
        (lambda: fid(np.full((9, 3), np.nan), FINE), "fid: expected finite real features, got NaN"),
        (lambda: fid(FINE, np.zeros((9, 2))), r"fid: expected features of one width, got \(9, 3\) and \(9, 2\)"),
        (lambda: kid(FINE, np.zeros(9)), r"kid: expected fake features \(N, D\) with N of at least 2, got \(9,\)"),
        (lambda: kid(FINE, FINE.astype(str)), "kid: expected fake features of real numbers"),
        (lambda: precision_recall(FINE[:5], FINE), "with N of at least 6"),
        (lambda: precision_recall(FINE, FINE, 0), "k must be at least 1, got 0"),
        (lambda: inception_score(np.ones((3, 2))), "rows of probabilities with the sum 1"),
        (lambda: inception_score(np.zeros((0, 2))), r"expected probabilities \(N, classes\), got shape \(0, 2\)"),
        (lambda: total_variation([0.5, 0.5], [1.0]), "two distributions"),
        (lambda: total_variation([0.5, 0.6], [0.5, 0.5]), "with the sum 1, got the sum 1.1"),
        (lambda: nearest_neighbor_test(FINE, FINE[:4]), "equally many real and generated images, got 9 and 4"),
        (lambda: t_interval([]), "t_interval: expected finite values"),
        (lambda: t_quantile(1.0, 3), "t_quantile: expected 0 < probability < 1"),
        (lambda: jackknife(np.mean, FINE, 10), "jackknife: expected between 2 and 9 groups, got 10"),
        (lambda: expected_coverage(5, 100), "more than k = 5 real images"),
        (lambda: gaussian_fid([0], [1], [0], [[1]]), "gaussian_fid: expected means"),
        (lambda: CopySearch(FINE[:5], FINE), "CopySearch: expected more than 5 training images"),
        (lambda: CopySearch(FINE, FINE)(np.zeros((2, 4))), "CopySearch: expected samples of the shape"),
    ],
)
def test_a_mistake_costs_one_line(call, words):
    with pytest.raises(ValueError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
