"""Membership inference: the area and its interval against other implementations, and models that remember."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import metrics
from minigen.data import Dataset
from minigen.metrics import auc, membership, membership_scores
from minigen.metrics.uncertainty import Interval

pytestmark = pytest.mark.usefixtures("plain_kernels")


@given(st.integers(2, 30), st.integers(2, 30), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_area_is_the_share_of_pairs_in_order(m, n, levels, seed):
    random = np.random.default_rng(seed)
    above, below = random.integers(0, levels, m), random.integers(0, levels, n)  # with many equal scores
    order = np.sign(above[:, None] - below[None]) / 2 + 0.5
    found = auc(above, below)
    assert found.value == pytest.approx(order.mean(), abs=1e-12)
    # DeLong's variance, from the matrix of all pairs.
    variance = order.mean(1).var(ddof=1) / m + order.mean(0).var(ddof=1) / n
    assert found.se == pytest.approx(np.sqrt(variance), abs=1e-12)
    assert 0 <= found.low <= found.value <= found.high <= 1
    metrics = pytest.importorskip("sklearn.metrics")
    truth = np.repeat([1, 0], [m, n])
    assert found.value == pytest.approx(metrics.roc_auc_score(truth, np.concatenate([above, below])), abs=1e-12)


def test_the_area_is_the_mann_whitney_u():
    stats = pytest.importorskip("scipy.stats")
    random = np.random.default_rng(3)
    above, below = random.normal(0.3, 1, 40), random.normal(size=70)
    assert auc(above, below).value == pytest.approx(stats.mannwhitneyu(above, below).statistic / 40 / 70)


def test_scores_with_the_opposite_sign_mirror_the_interval():
    random = np.random.default_rng(1)
    above, below = random.normal(1, 1, 40), random.normal(size=60)
    one, other = auc(above, below), auc(-above, -below)
    assert (other.value, other.low, other.high) == pytest.approx((1 - one.value, 1 - one.high, 1 - one.low))


@pytest.mark.parametrize(("shift", "area"), [(0.0, 0.5), (0.7416, 0.7), (2.3262, 0.95)])
def test_the_interval_holds_the_truth_in_95_percent_of_trials(shift, area):
    """Normal scores whose means differ by d: the area is Phi(d / sqrt 2)."""
    random = np.random.default_rng(0)
    trials = [auc(random.normal(shift, 1, 100), random.normal(0, 1, 400)) for _ in range(600)]
    inside = np.mean([one.low <= area <= one.high for one in trials])
    assert 0.925 < inside < 0.975
    assert np.mean([one.value for one in trials]) == pytest.approx(area, abs=0.005)


def test_the_limit_of_separated_scores_is_exact():
    found = auc(np.arange(5) + 10.0, np.arange(9.0))
    assert (found.value, found.se, found.high) == (1, 0, 1) and found.low**5 == pytest.approx(0.025)
    found = auc(np.arange(5.0), np.arange(9) + 10.0)
    assert (found.value, found.low) == (0, 0) and (1 - found.high) ** 5 == pytest.approx(0.025)
    assert auc(np.zeros(4), np.zeros(4)) == Interval(0.5, 0.0, 0.0, 1.0), "equal scores say nothing"


@pytest.mark.parametrize(
    ("above", "below", "confidence", "words"),
    [
        ([1.0], [1.0, 2.0], 0.95, "at least 2 scores"),
        ([1.0, np.nan], [1.0, 2.0], 0.95, "without NaN"),
        (np.zeros((2, 2)), [1.0, 2.0], 0.95, r"got \(2, 2\)"),
        ([1.0, 2.0], [1.0, 2.0], 1.0, "confidence between 0 and 1"),
    ],
)
def test_bad_scores_are_refused(above, below, confidence, words):
    with pytest.raises(ValueError, match=words):
        auc(above, below, confidence)


class Remembers(mg.models.BaseGAN):
    """A GAN whose discriminator is a function of the image that a test sets."""

    def build_networks(self):
        return mg.nn.Linear(1, 1), mg.nn.Linear(1, 1)

    def build_optimizer(self, parameters):
        return mg.optim.SGD(parameters, lr=0.1)

    def score(self, images, labels=None):
        self.sizes = {*getattr(self, "sizes", set()), len(images)}
        return self.function(images)


def noise(n, seed=0):
    images = np.random.default_rng(seed).uniform(-1, 1, (n, 1, 4, 4)).astype(np.float32)
    return Dataset("noise", images, np.arange(n) % 2, ("a", "b"))


def test_a_discriminator_that_remembers_is_found_and_batches_are_mixed():
    members, others = noise(70, 1), noise(200, 2)
    model = Remembers(size=4, channels=1)
    model.function = lambda images: np.array([float((members.images == one).all((1, 2, 3)).any()) for one in images])
    found = membership(model, members, others)
    assert (found.members, found.others, found.score) == (70, 200, "output of D")
    assert found.auc.value == 1 and found.caught == 1 and "the training set leaks" in found.verdict
    assert model.sizes == {model.BATCH_SIZE}, "batch norm needs batches of one size"

    def normalized(images):  # what batch norm does: a batch of one kind only would have the same scores
        scores = np.array([(members.images == one).all((1, 2, 3)).any() for one in images], float)
        return (scores - scores.mean()) / (scores.std() + 1e-6)

    model.function = normalized
    assert membership(model, members, others).auc.value > 0.99


def test_a_score_that_says_nothing():
    model = Remembers(size=4, channels=1)
    model.function = lambda images: images.mean((1, 2, 3))
    found = membership(model, noise(300, 1), noise(300, 2))
    assert found.auc.low < 0.5 < found.auc.high and "does not tell" in found.verdict and found.caught < 0.05
    assert found.chance == pytest.approx(1.96 * np.sqrt(601 / (12 * 300 * 300)), rel=1e-4)


def test_chance_is_as_wide_as_areas_of_one_distribution():
    random = np.random.default_rng(0)
    areas = [auc(random.normal(size=100), random.normal(size=400)).value for _ in range(2000)]
    assert 1.96 * np.std(areas) == pytest.approx(1.96 * np.sqrt(501 / (12 * 100 * 400)), rel=0.06)


def test_five_remembered_images_of_many_hardly_move_the_area():
    members, others = noise(1000, 1), noise(1000, 2)
    known = members.images[:5]
    model = Remembers(size=4, channels=1)
    model.function = lambda images: (
        images.mean((1, 2, 3)) + np.array([9.0 * (known == x).all((1, 2, 3)).any() for x in images])
    )
    found = membership(model, members, others)
    assert found.auc.low < 0.5 < found.auc.high, "the blindness that the module states"


def test_members_with_the_lower_score_are_called_another_kind():
    members, others = noise(100, 1), noise(100, 2)
    model = Remembers(size=4, channels=1)
    model.function = lambda images: -np.array([float((members.images == x).all((1, 2, 3)).any()) for x in images])
    assert "the new images are of another kind" in membership(model, members, others).verdict


def test_an_overfitted_vae_tells_its_images():
    """20 images, learned by heart, against images of the same source."""
    digits = mg.data.load("digits")
    order = np.random.default_rng(0).permutation(len(digits))
    members, others = digits.subset(order[:20]), digits.subset(order[20:400])
    mg.manual_seed(0)
    model = mg.models.build("vae", size=8, channels=1, network="mlp", width=100, latent=10)
    before = membership(model, members, others)
    assert abs(before.auc.value - 0.5) < 2 * before.chance
    for _ in range(300):
        model.training_step(members.batch(slice(None)))
    after = membership(model, members, others)
    assert after.score == "ELBO" and after.auc.low > 0.9 and after.caught > 0.3
    again = membership(model, members, others)
    assert again == after, "the seed decides the codes"


def test_a_conditional_gan_is_scored_with_the_labels_of_the_images():
    model = mg.models.build("cgan", size=8, channels=1, classes=10, network="mlp", width=8)
    digits = mg.data.load("digits")
    found = membership(model, digits.subset(slice(0, 100)), digits.subset(slice(100, 300)))
    assert 0.2 < found.auc.value < 0.8
    with pytest.raises(ValueError, match="the labels are missing"):
        membership_scores(model, digits.images[:40])


def test_evaluate_measures_membership_against_the_unseen_images_where_there_are_some():
    train, test = (mg.data.load("digits", split) for split in ("train", "test"))
    model = mg.models.build("vae", size=8, channels=1, network="mlp", width=8)
    seen, rest = train.subset(slice(0, 100)), train.subset(slice(100, 500))
    found = [metrics.measure_family(model, test, train=seen, unseen=unseen)["membership"] for unseen in (rest, None)]
    assert [(one.members, one.others) for one in found] == [(100, 400), (100, 355)]
    assert found[0] == membership(model, seen, rest) and "membership" not in metrics.measure_family(model, test)


def test_what_has_no_score_is_refused():
    digits = mg.data.load("digits", "test")
    with pytest.raises(ValueError, match="expected a model with a discriminator or with a bound"):
        membership(object(), digits, digits)
    model = mg.models.build("vae", size=8, channels=1, network="mlp", width=8)
    with pytest.raises(ValueError, match="at least 2 images of each kind, got 1 and 355"):
        membership(model, digits.subset([0]), digits)
    broken = Remembers(size=4, channels=1)
    broken.function = lambda images: np.full(len(images), np.nan)
    found = membership(broken, noise(40), noise(40, 1))
    assert np.isnan(found.auc.value) and "the training diverged" in found.verdict
