"""The variational autoencoders: parameter counts, the loss against plain NumPy, exact values on a linear model, the code."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import metrics
from minigen.data import Dataset, Loader
from minigen.models import CVAE, IWAE, VAE, build
from minigen.models.networks.flow import Flow
from minigen.models.networks.vae import NETWORKS, Encoder
from minigen.train import Run, fit
from minigen.visualize import manifold, traverse

FAMILIES = {"vae": VAE, "cvae": CVAE, "iwae": IWAE}


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    """What is tested here does not depend on the kernels, and these need no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


def trainable(network):
    return sum(p.numel() for p in network.parameters())


def images(n=12, size=8, channels=1, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, channels, size, size)).astype(np.float32)


def tiny(family, seed=0, **options):
    """A model for 8x8 images."""
    mg.manual_seed(seed)
    few = {"iwae": {"samples": 3}, "cvae": {"classes": 4}}.get(family, {})
    return build(family, size=8, channels=1, **{"latent": 3, "width": 4, **few, **options})


LABELS = np.arange(12) % 4


# ---- networks


def test_counts_of_the_repaired_s0_listing():
    encoder = VAE(64, 3, network="conv_k5").encoder
    flat = 128 * 16 * 16
    counted = (3 * 64 * 25 + 64) + (64 * 128 * 25 + 128) + 2 * (flat * 256 + 256)
    assert trainable(encoder) == counted == 16_987_520
    decoder = VAE(32, 3, network="conv_k5").decoder
    counted = (256 * 4096 + 4096) + (256 * 128 * 25 + 128) + (128 * 64 * 25 + 64) + (64 * 3 * 25 + 3)
    assert trainable(decoder) == counted == 2_081_667


def test_counts_of_the_repaired_s2_listing():
    model = VAE(32, 3, network="mlp_512")
    widths = [3 * 32 * 32, 512, 256, 128, 64]
    body = sum(a * b + b for a, b in zip(widths, widths[1:]))
    assert trainable(model.encoder) == body + 2 * (64 * 32 + 32)
    back = [32, 64, 128, 256, 512, 3 * 32 * 32]
    assert trainable(model.decoder) == sum(a * b + b for a, b in zip(back, back[1:]))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [28, 32, 64])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("family", ["vae", "cvae"])
def test_every_size_and_number_of_channels(family, network, size, channels):
    width = {"width": 4} if network in ("conv", "mlp") else {}
    model = build(family, size=size, channels=channels, network=network, latent=5, **width)
    pictures = images(2, size, channels)
    assert model.encode(pictures, [3, 0]).shape == (2, 5)
    made = model.sample(2, labels=None if family == "vae" else 9)
    assert made.shape == pictures.shape and made.dtype == np.float32 and np.abs(made).max() <= 1


@pytest.mark.parametrize(("network", "latent"), [("conv", 20), ("mlp", 20), ("conv_k5", 256), ("mlp_512", 32)])
def test_the_code_is_as_long_as_the_networks_want_it(network, latent):
    assert VAE(32, 1, network=network).sample(1).shape == (1, 1, 32, 32)
    assert VAE(32, 1, network=network).latent == latent


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 30}, "vae: the conv networks need a size that halves to 4 to 7 pixels.*got 30"),
        ({"size": 7}, "size"),
        (
            {"size": 20, "network": "conv_k5"},
            "vae: the conv_k5 networks need size 28 or a multiple of 8 from 16, got 20",
        ),
        ({"network": "big"}, "network must be one of conv, mlp, conv_k5, mlp_512, got 'big'"),
        ({"likelihood": "laplace"}, "likelihood must be one of bernoulli, gaussian, got 'laplace'"),
        ({"channels": 0}, "channels must be at least 1, got 0"),
        ({"latent": 0}, "latent must be at least 1, got 0"),
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"depth": 0}, "depth must be at least 1, got 0"),
        ({"depth": 2, "network": "conv_k5"}, "depth is an option of the conv and mlp networks, not of conv_k5"),
        ({"width": 8, "network": "mlp_512"}, "width is an option of the conv and mlp networks, not of mlp_512"),
        ({"dropout": 0.1, "network": "conv_k5"}, "dropout is an option of the conv and mlp networks, not of conv_k5"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1, got 1.0"),
        ({"lr": -1.0}, "lr"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"beta": -1.0}, "beta"),
        ({"ema": 1.0}, "ema must be at least 0 and below 1, got 1.0"),
        ({"samples": 3}, "unknown option 'samples'"),
    ],
)
def test_bad_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        build("vae", **options)


@pytest.mark.parametrize(("family", "option"), [("cvae", "classes"), ("iwae", "samples")])
def test_bad_counts_are_named(family, option):
    with pytest.raises(ValueError, match=f"{family}: {option} must be at least 1, got 0"):
        build(family, **{option: 0})


@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_a_short_code_gets_more_layers(network):
    def layers(**options):
        return sum(isinstance(module, mg.nn.Linear) for module in VAE(network=network, width=4, **options).modules())

    assert layers(latent=2, ema=0.0) == layers(latent=20, depth=4, ema=0.0) == layers(latent=20, ema=0.0) + 6


# ---- the loss of a step, against plain NumPy in float64


def dense(state, names, x):
    """Plain NumPy: linear layers with LeakyReLU between them."""
    for i, name in enumerate(names):
        x = x @ state[f"{name}.weight"].T + state[f"{name}.bias"]
        if i < len(names) - 1:
            x = np.where(x > 0, x, 0.2 * x)
    return x


def softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def by_hand(state, pictures, eps, hot=None, gaussian=False):
    """The log-likelihoods (K, N), closed-form KLs (N,) and single-sample KLs (K, N) of an s2 model."""
    state = {name: np.asarray(value, np.float64) for name, value in state.items()}
    body = [f"encoder.body.{i}" for i in (0, 2, 4, 6)]
    x = (pictures.reshape(len(pictures), -1).astype(np.float64) + 1) / 2
    given = x if hot is None else np.concatenate([x, hot], 1)
    mu, log_var = (dense(state, [*body, f"encoder.{head}"], given) for head in ("mu", "log_var"))
    likelihoods, samples = [], []
    for noise in eps.astype(np.float64):
        z = mu + np.exp(log_var / 2) * noise
        out = dense(state, [f"decoder.{i}" for i in (0, 2, 4, 6, 8)], z if hot is None else np.concatenate([z, hot], 1))
        if gaussian:
            v = np.exp(state["decoder.pixel_log_var"])
            likelihoods.append((-0.5 * np.log(2 * np.pi * v) - (x - out) ** 2 / (2 * v)).sum(1))
        else:
            likelihoods.append(-(x * softplus(-out) + (1 - x) * softplus(out)).sum(1))
        log_q = -0.5 * (np.log(2 * np.pi) + log_var + noise**2)
        log_p = -0.5 * (np.log(2 * np.pi) + z**2)
        samples.append((log_q - log_p).sum(1))
    kl = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(1)
    return np.array(likelihoods), kl, np.array(samples)


def noise_of_seed(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def stretch(model):
    """Codes that differ from the prior: a fresh network's hardly do, and would hide a wrong sign or scale."""
    for head in (model.encoder.mu, model.encoder.log_var):
        head.weight.data = head.weight.data * 20
        head.bias.data = head.bias.data + 0.5


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("beta", [0.0, 1.0, 2.5])
def test_the_vae_descends_minus_the_elbo(likelihood, beta):
    model = tiny("vae", network="mlp_512", width=None, likelihood=likelihood, beta=beta)
    stretch(model)
    state = model.state_dict()
    mg.manual_seed(5)
    numbers = model.training_step({"images": images(), "labels": LABELS})
    log_likelihood, kl, _ = by_hand(state, images(), noise_of_seed(5, 1, 12, 3), gaussian=likelihood == "gaussian")
    np.testing.assert_allclose(numbers["reconstruction"], -log_likelihood.mean(), rtol=1e-5)
    np.testing.assert_allclose(numbers["kl"], kl.mean(), rtol=1e-5)
    np.testing.assert_allclose(numbers["loss"], beta * kl.mean() - log_likelihood.mean(), rtol=1e-5)


def test_the_cvae_descends_minus_the_conditional_elbo():
    model = tiny("cvae", network="mlp_512", width=None)
    stretch(model)
    state = model.state_dict()
    mg.manual_seed(5)
    numbers = model.training_step({"images": images(), "labels": LABELS})
    log_likelihood, kl, _ = by_hand(state, images(), noise_of_seed(5, 1, 12, 3), hot=np.eye(4)[LABELS])
    np.testing.assert_allclose(numbers["loss"], kl.mean() - log_likelihood.mean(), rtol=1e-5)


@pytest.mark.parametrize("samples", [1, 4])
def test_the_iwae_descends_minus_the_importance_weighted_bound(samples):
    model = tiny("iwae", network="mlp_512", width=None, samples=samples)
    stretch(model)
    state = model.state_dict()
    mg.manual_seed(5)
    numbers = model.training_step({"images": images(), "labels": LABELS})
    log_likelihood, kl, sampled = by_hand(state, images(), noise_of_seed(5, samples, 12, 3))
    bound = np.log(np.exp(log_likelihood - sampled).mean(0)).mean()
    np.testing.assert_allclose(numbers["loss"], -bound, rtol=1e-5)
    np.testing.assert_allclose(numbers["reconstruction"], -log_likelihood.mean(), rtol=1e-5)
    np.testing.assert_allclose(numbers["kl"], kl.mean(), rtol=1e-5)


def test_an_iwae_of_one_sample_is_the_vae_in_the_mean():
    options = {"network": "mlp", "lr": 0.0}
    vae, iwae = tiny("vae", **options), tiny("iwae", samples=1, **options)
    iwae.load_state_dict(vae.state_dict())
    mg.manual_seed(1)
    gaps = []
    for _ in range(200):
        before = mg.get_rng_state()
        one = vae.training_step({"images": images()})["loss"]
        mg.set_rng_state(before)  # the same noise for both: what is left is the noise of the estimated KL
        gaps.append(iwae.training_step({"images": images()})["loss"] - one)
    assert np.std(gaps) > 0
    assert abs(np.mean(gaps)) < 4 * np.std(gaps) / math.sqrt(len(gaps))


def test_both_networks_learn_from_the_reconstruction_and_only_the_encoder_from_the_kl():
    model = tiny("vae", network="mlp")
    x, eps = mg.tensor(images() / 2 + 0.5), mg.tensor(noise_of_seed(0, 1, 12, 3))
    parts = {}
    for name, ll_weight, beta in (("reconstruction", 1.0, 0.0), ("kl", 0.0, 1.0)):
        model.beta = beta
        mu, log_var = model.encoder(x)
        log_likelihood = model.pixel_log_likelihood(x, mu, log_var, eps, None) * ll_weight
        learned = {n: p for n, p in model.named_parameters() if not n.startswith("average")}
        grads = mg.grad(model.loss(log_likelihood, mu, log_var, eps), list(learned.values()))
        largest = {n: float(np.abs(g.numpy()).max()) for n, g in zip(learned, grads)}
        parts[name] = {
            player: max(v for p, v in largest.items() if p.startswith(player)) for player in ("encoder", "decoder")
        }
    assert parts["reconstruction"]["encoder"] > 0 and parts["reconstruction"]["decoder"] > 0
    assert parts["kl"]["encoder"] > 0 and parts["kl"]["decoder"] == 0


# ---- training


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize("network", ["conv", "mlp"])
@pytest.mark.parametrize("family", FAMILIES)
def test_training_lowers_the_loss(family, network, likelihood):
    model = tiny(family, network=network, likelihood=likelihood, lr=1e-2)
    halves = np.broadcast_to(np.where(np.arange(8) < 4, -0.9, 0.9).astype(np.float32), (12, 1, 8, 8))
    seen = [model.training_step({"images": halves, "labels": LABELS})["loss"] for _ in range(40)]
    assert np.mean(seen[-5:]) < np.mean(seen[:5]) - 5, seen


@pytest.mark.parametrize("family", FAMILIES)
def test_the_seed_decides_everything(family):
    def train(seed):
        model = tiny(family, seed, dropout=0.2)
        for i in range(3):
            model.training_step({"images": images(seed=i), "labels": LABELS})
        return model.state_dict()

    one, same, other = train(1), train(1), train(2)
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["encoder.mu.weight"], other["encoder.mu.weight"])


@pytest.mark.parametrize("prior", ["normal", "flow"])
def test_averaged_weights_measure_and_draw_but_take_no_part_in_training(prior):
    plain, averaged = tiny("vae", ema=0.0, prior=prior), tiny("vae", ema=0.9, prior=prior)
    losses = []
    for model in (plain, averaged):
        mg.manual_seed(3)
        losses.append([model.training_step({"images": images(seed=i)})["loss"] for i in range(8)])
    assert losses[0] == losses[1]
    learned = averaged.encoder.mu.weight.numpy()
    assert np.array_equal(learned, plain.encoder.mu.weight.numpy())
    assert not np.array_equal(averaged.encode(images()), plain.encode(images()))

    state = averaged.state_dict()
    for part, index in (("encoder", 0), ("decoder", 1), *([("flow", 2)] if prior == "flow" else [])):
        for name in getattr(plain, part).state_dict():
            state[f"{part}.{name}"] = state[f"average.network.{index}.{name}"]
    plain.load_state_dict({name: value for name, value in state.items() if not name.startswith("average")})
    assert np.array_equal(averaged.encode(images()), plain.encode(images()))
    assert metrics.elbo_terms(averaged, images())["elbo"] == metrics.elbo_terms(plain, images())["elbo"]
    assert np.array_equal(averaged.sample(3, np.random.default_rng(0)), plain.sample(3, np.random.default_rng(0)))


@pytest.mark.parametrize(("family", "more"), [*((name, {}) for name in FAMILIES), ("vae", {"prior": "flow"})])
def test_resuming_is_exact(family, more, tmp_path):
    pixels = images(17, seed=3)
    loader = Loader(Dataset("noise", pixels, np.arange(17) % 4), batch_size=4, seed=1, drop_last=True)
    options = {"dropout": 0.2, "likelihood": "gaussian", **more}

    straight = Run.create(tmp_path / "straight", {})
    fit(tiny(family, **options), loader, straight, 2, progress=False)
    resumed = Run.create(tmp_path / "resumed", {})
    fit(tiny(family, **options), loader, resumed, 1, progress=False)
    fit(tiny(family, seed=9, **options), loader, resumed, 2, resume=True, progress=False)

    one, two = straight.load(), resumed.load()
    assert one["rng"] == two["rng"] and one["counters"]["step"] == two["counters"]["step"] == 8
    assert all(one["model"][name].tobytes() == two["model"][name].tobytes() for name in one["model"])
    assert straight.samples(2).read_bytes() == resumed.samples(2).read_bytes()
    assert [row.split(",")[3:] for row in straight.log.read_text().splitlines()] == [
        row.split(",")[3:] for row in resumed.log.read_text().splitlines()
    ]


@pytest.mark.parametrize(("count", "drop_last", "fits"), [(17, False, False), (17, True, True), (18, False, True)])
def test_a_last_batch_of_one_image_is_refused_before_the_first_step(count, drop_last, fits, tmp_path):
    loader = Loader(Dataset("noise", images(count)), batch_size=4, drop_last=drop_last)
    assert loader.smallest_batch == min(len(batch["images"]) for batch in loader)
    run = Run.create(tmp_path / "run", {})
    if fits:
        assert fit(tiny("vae"), loader, run, 1, progress=False).step == len(loader)
    else:
        with pytest.raises(ValueError, match=r"vae: batch norm needs more .* got 1; .* drop_last=True"):
            fit(tiny("vae"), loader, run, 1, progress=False)
        assert not run.log.exists()


def test_a_learned_variance_approaches_the_mean_squared_error():
    model = tiny("vae", network="mlp", latent=1, likelihood="gaussian", lr=1e-2)
    for i in range(400):  # uniform on [0, 1] inside, always new: nothing to learn but their mean and variance, 1/12
        model.training_step({"images": images(32, seed=i)})
    np.testing.assert_allclose(np.exp(model.decoder.pixel_log_var.numpy()), 1 / 12, rtol=0.1)


# ---- exact values: a linear-Gaussian model, whose log p(x) is known


class Linear:
    """p(z) = N(0, I), p(x | z) = N(W z + b, v I) with orthogonal columns of W: the true posterior is diagonal."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.v = 0.05
        self.w = np.linalg.qr(rng.standard_normal((4, 2)))[0] * [0.3, 0.15]
        self.b = rng.uniform(0.4, 0.6, 4)
        self.precision = (self.w**2).sum(0) / self.v + 1  # of the posterior
        self.x = rng.uniform(0, 1, (30, 4))
        self.pictures = (2 * self.x - 1).reshape(30, 1, 2, 2).astype(np.float32)

    def log_p(self):
        covariance = self.w @ self.w.T + self.v * np.eye(4)
        centred = self.x - self.b
        quadratic = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred)
        return -0.5 * (quadratic + np.linalg.slogdet(covariance)[1] + 4 * np.log(2 * np.pi))

    def model(self, log_var_off=0.0, mu_off=0.0, prior="normal"):
        """The VAE with these weights, and the true posterior as its encoder, or one that is off."""
        model = build("vae", size=2, network="mlp", latent=2, width=2, likelihood="gaussian", ema=0.0, prior=prior)
        model.encoder = Encoder(mg.nn.Identity(), 4, 2, flat=True)
        model.decoder = mg.nn.Sequential(mg.nn.Linear(2, 4), mg.nn.Unflatten(1, (1, 2, 2)))
        back = (self.w / self.v / self.precision).T
        model.decoder.pixel_log_var = mg.nn.Parameter(mg.zeros(1))
        state = {
            "encoder.mu.weight": back,
            "encoder.mu.bias": -back @ self.b + mu_off,
            "encoder.log_var.weight": np.zeros((2, 4)),
            "encoder.log_var.bias": -np.log(self.precision) + log_var_off,
            "decoder.0.weight": self.w,
            "decoder.0.bias": self.b,
            "decoder.pixel_log_var": np.log([self.v]),
        }
        model.load_state_dict(model.state_dict() | state)
        return model


@given(st.integers(0, 1000))
def test_with_the_true_posterior_one_sample_gives_the_exact_likelihood(seed):
    linear = Linear(seed)
    np.testing.assert_allclose(
        metrics.log_likelihood(linear.model(), linear.pictures, samples=1), linear.log_p(), atol=2e-4
    )


def test_with_another_posterior_the_elbo_is_less_and_many_samples_come_near():
    linear = Linear(3)
    exact = linear.log_p().mean()
    off = linear.model(log_var_off=0.5, mu_off=0.3)
    elbos = [metrics.elbo_terms(off, linear.pictures, generator=np.random.default_rng(i))["elbo"] for i in range(50)]
    gap = 0.5 * ((np.exp(0.5) - 1 - 0.5) * 2 + 0.3**2 * linear.precision.sum())  # KL(q || true posterior)
    np.testing.assert_allclose(np.mean(elbos), exact - gap, atol=4 * np.std(elbos) / math.sqrt(50))
    estimates = metrics.log_likelihood(off, linear.pictures, samples=3000)
    assert estimates.dtype == np.float64 and estimates.shape == (30,)
    assert abs(estimates.mean() - exact) < 0.02
    ones = [
        metrics.log_likelihood(off, linear.pictures, samples=1, generator=np.random.default_rng(i)).mean()
        for i in range(50)
    ]
    np.testing.assert_allclose(np.mean(ones), exact - gap, atol=4 * np.std(ones) / math.sqrt(50))


def test_each_code_is_weighed_under_the_condition_of_its_own_image():
    model = tiny("cvae", network="mlp_512", width=None, ema=0.0)
    stretch(model)
    log_likelihood, _, sampled = by_hand(
        model.state_dict(), images(), noise_of_seed(0, 5, 12, 3), hot=np.eye(4)[LABELS]
    )
    expected = np.log(np.exp(log_likelihood - sampled).mean(0))
    found = metrics.log_likelihood(model, images(), LABELS, samples=5, generator=np.random.default_rng(0))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


# ---- the prior that is learned


def bent(features, couplings, seed):
    """A flow with weights that change codes: a fresh one is the identity."""
    mg.manual_seed(seed)
    flow = Flow(features, couplings, units=5)
    for layer in flow.layers:
        for head in (layer.stretch, layer.move):
            head.weight.data = np.random.default_rng(seed).normal(0, 0.7, head.weight.shape).astype(np.float32)
            seed += 1
    return flow


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 1000))
def test_the_inverse_of_a_flow_undoes_it_and_says_how_much_it_stretches(features, couplings, seed):
    flow = bent(features, couplings, seed).to(np.float64)
    u = mg.tensor(np.random.default_rng(seed).standard_normal((3, features)), requires_grad=True)
    z = flow(u)
    back, log_scale = flow.inverse(z)
    np.testing.assert_allclose(back.numpy(), u.numpy(), rtol=1e-9, atol=1e-9)
    rows = [mg.grad(z[:, i].sum(), u, retain_graph=True)[0].numpy() for i in range(features)]
    jacobians = np.stack(rows, 1)  # (N, features of z, features of u)
    np.testing.assert_allclose(log_scale.numpy().sum(1), np.linalg.slogdet(jacobians)[1], rtol=1e-9, atol=1e-9)


def test_a_fresh_flow_changes_nothing():
    z = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    np.testing.assert_array_equal(Flow(5)(mg.tensor(z)).numpy(), z)


@pytest.mark.parametrize(("numbers", "words"), [
    ({"features": 1}, "at least 2 components, got latent = 1"),
    ({"features": 2, "couplings": 0}, "at least 1 coupling and 1 unit, got 0 and 128"),
    ({"features": 2, "units": 0}, "at least 1 coupling and 1 unit, got 6 and 0"),
])  # fmt: skip
def test_bad_numbers_of_a_flow_are_named(numbers, words):
    with pytest.raises(ValueError, match=words):
        Flow(**numbers)


def test_a_code_of_one_number_has_no_flow():
    with pytest.raises(ValueError, match="vae: a flow needs codes of at least 2 components, got latent = 1"):
        build("vae", size=8, latent=1, prior="flow")


@pytest.mark.parametrize("seed", [0, 1])
def test_the_likelihood_under_a_learned_prior_is_the_integral_over_its_noise(seed):
    """p(x) is the mean of p(x | T(u)) over u from N(0, I): on a grid of u, without any density of T."""
    linear = Linear(seed)
    model = linear.model(log_var_off=0.5, prior="flow")
    model.flow = bent(2, 2, seed + 7)
    line = np.linspace(-6, 6, 601)
    u = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    log_prior = -0.5 * (u**2).sum(1) - np.log(2 * np.pi) + 2 * np.log(line[1] - line[0])
    z = model.flow(mg.tensor(u.astype(np.float32))).numpy().astype(np.float64)
    output = z @ linear.w.T + linear.b
    exact = [
        np.logaddexp.reduce(
            log_prior - 0.5 * (((x - output) ** 2).sum(1) / linear.v + 4 * np.log(2 * np.pi * linear.v))
        )
        for x in linear.x
    ]
    found = metrics.log_likelihood(model, linear.pictures, samples=20_000)
    np.testing.assert_allclose(found, exact, atol=0.06)
    np.testing.assert_allclose(found.mean(), np.mean(exact), atol=0.01)
    assert np.abs(exact - linear.log_p()).max() > 0.2  # the flow matters
    elbos = [metrics.elbo_terms(model, linear.pictures, generator=np.random.default_rng(i))["elbo"] for i in range(9)]
    assert np.mean(elbos) < np.mean(exact)
    ones = [
        metrics.log_likelihood(model, linear.pictures, samples=1, generator=np.random.default_rng(i)).mean()
        for i in range(9)
    ]
    np.testing.assert_allclose(elbos, ones, rtol=1e-4)  # the same codes: the bound is one weight, not averaged


def test_shares_of_the_components_add_up_with_a_flow():
    model = tiny("vae", prior="flow", ema=0.0)
    model.flow = bent(3, 3, 1)
    mu, log_var, eps = (mg.tensor(a.astype(np.float32)) for a in np.random.default_rng(0).standard_normal((3, 6, 3)))
    eps = eps.reshape(1, 6, 3)
    shares = model.kl_per_unit(mu, log_var, eps).numpy()
    assert shares.shape == (6, 3)
    np.testing.assert_allclose(shares.sum(1), model.kl(mu, log_var, eps).numpy()[0], rtol=1e-4, atol=1e-4)


def test_the_step_reports_the_kl_of_its_loss():
    model = tiny("vae", prior="flow", ema=0.0, lr=0.1)
    numbers = {name: value.item() for name, value in model.training_step({"images": images()}).items()}
    assert numbers["loss"] == pytest.approx(numbers["reconstruction"] + numbers["kl"], rel=1e-5)


def test_a_code_of_a_learned_prior_is_its_noise():
    model = tiny("vae", prior="flow", ema=0.0)
    model.flow = bent(3, 4, 2)
    codes = model.encode(images())
    with model.evaluating():
        mu = model.posterior(mg.tensor(images() / 2 + 0.5), None)[0]
        np.testing.assert_allclose(model.flow(mg.tensor(codes)).numpy(), mu.numpy(), atol=1e-5)
        expected = 2 * model.decoder(mu).sigmoid().numpy() - 1
    np.testing.assert_allclose(model.reconstruct(images()), expected, atol=1e-5)
    assert not np.allclose(codes, mu.numpy(), atol=0.1)


def test_a_learned_prior_moves_to_where_the_codes_are():
    """Two kinds of images, so two clouds of codes: samples of N(0, I) fall between them, those of the flow do not."""
    kinds = np.where(np.arange(64) % 2, -0.9, 0.9).astype(np.float32)[:, None, None, None]
    halves = kinds * np.where(np.arange(8) < 4, 1, -1).astype(np.float32) * np.ones((64, 1, 8, 8), np.float32)
    between = {}
    for prior in ("normal", "flow"):
        model = tiny("vae", network="mlp", latent=2, width=16, lr=3e-3, prior=prior, ema=0.0)
        for _ in range(300):
            model.training_step({"images": halves})
        samples = model.sample(400, np.random.default_rng(0))
        between[prior] = float(np.mean(np.abs(samples).mean((1, 2, 3)) < 0.6))
    assert between["flow"] < between["normal"] / 3, between


def test_weights_that_no_float_can_hold_are_added_up():
    linear = Linear(4)
    model = linear.model()
    model.decoder.pixel_log_var.data = np.full(1, -12, np.float32)  # log-weights of many thousands below 0
    found = metrics.log_likelihood(model, linear.pictures, samples=10)
    assert np.isfinite(found).all() and found.mean() < -2000


def test_evaluation_adds_up_and_sees_which_units_are_active():
    model = tiny("vae", network="mlp_512", width=None, ema=0.0)
    weight = np.zeros((3, 64), np.float32)
    weight[1] = 50.0
    state = model.state_dict() | {
        "encoder.mu.weight": weight,
        "encoder.mu.bias": np.array([2.0, 0.0, 0.0]),  # unit 0 is far from the prior, but the same for all images
        "encoder.log_var.weight": np.zeros((3, 64)),
        "encoder.log_var.bias": np.array([0.0, 0.0, math.log(0.5)]),
    }
    model.load_state_dict(state)
    found = metrics.elbo_terms(model, images(300))
    assert found["active_units"] == 1
    np.testing.assert_allclose(found["kl_per_unit"][0], 0.5 * 2.0**2, rtol=1e-5)
    np.testing.assert_allclose(found["kl_per_unit"][2], 0.5 * (0.5 - 1 - math.log(0.5)), rtol=1e-4)
    np.testing.assert_allclose(found["kl"], found["kl_per_unit"].sum())
    np.testing.assert_allclose(found["elbo"], -found["reconstruction"] - found["kl"])
    log_likelihood, kl, _ = by_hand(
        state, images(300), np.random.default_rng(0).standard_normal((1, 300, 3), np.float32)
    )
    np.testing.assert_allclose(found["kl"], kl.mean(), rtol=1e-5)
    np.testing.assert_allclose(found["reconstruction"], -log_likelihood.mean(), rtol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_measuring_and_looking_change_nothing(family):
    model = tiny(family, dropout=0.5)
    model.training_step({"images": images(), "labels": LABELS})
    before, stream = model.state_dict(), mg.get_rng_state()
    for _ in range(2):
        found = [
            metrics.elbo_terms(model, images(), LABELS)["elbo"],
            metrics.log_likelihood(model, images(), LABELS, samples=3).sum(),
            model.reconstruct(images(), LABELS).sum(),
            model.sample(3, np.random.default_rng(0)).sum(),
        ]
        assert found == locals().setdefault("first", found)
    assert model.training and mg.get_rng_state() == stream
    assert all(np.array_equal(before[name], value) for name, value in model.state_dict().items())


# ---- images and codes


def test_samples_do_not_depend_on_how_many_are_made_together():
    model = tiny("cvae")
    many, few = (model.sample(n, np.random.default_rng(7)) for n in (230, 3))
    np.testing.assert_allclose(many[:3], few, atol=1e-6)
    assert many.shape[0] == 230 and not np.array_equal(many[100:110], many[:10])


@pytest.mark.parametrize("network", ["conv", "mlp", "conv_k5"])
def test_the_condition_reaches_decoder_and_encoder(network):
    mg.manual_seed(0)
    model = CVAE(16, 1, network=network, latent=3, classes=4)
    codes = noise_of_seed(0, 5, 3)
    ones, twos = model.decode(codes, 1), model.decode(codes, np.full(5, 2))
    assert np.abs(ones - twos).reshape(5, -1).max(1).min() > 1e-4
    pictures = images(5, 16)
    assert np.abs(model.encode(pictures, 1) - model.encode(pictures, 2)).max(1).min() > 1e-4
    np.testing.assert_allclose(model.decode(codes, [1, 2, 1, 2, 1])[::2], ones[::2], atol=1e-6)


def test_samples_of_a_cvae_go_through_the_classes_in_turn():
    model = tiny("cvae")
    by_default = model.sample(6, np.random.default_rng(0))
    assert np.array_equal(by_default, model.sample(6, np.random.default_rng(0), labels=[0, 1, 2, 3, 0, 1]))
    assert not np.array_equal(by_default, model.sample(6, np.random.default_rng(0), labels=0))


def test_a_traversal_changes_one_component_a_row():
    linear = Linear(0)
    model = linear.model()
    data = Dataset("pictures", linear.pictures)
    first = linear.pictures[np.random.default_rng(0).permutation(len(data))[0]]
    kl = metrics.elbo_terms(model, linear.pictures)["kl_per_unit"]
    found = traverse(model, data, steps=3, limit=1.0).images
    assert found.shape == (2, 3, 1, 2, 2)
    mu = model.encode(first[None])[0]
    for row, unit in enumerate(np.argsort(-kl)):
        for step, value in enumerate((-1.0, 0.0, 1.0)):
            code = np.where(np.arange(2) == unit, value, mu)
            expected = 2 * np.clip(linear.w @ code + linear.b, 0, 1) - 1
            np.testing.assert_allclose(found[row, step].ravel(), expected, atol=1e-5)


def test_the_manifold_is_on_the_quantiles_of_the_prior():
    linear = Linear(0)
    found = manifold(linear.model(), side=3).images
    assert found.shape == (3, 3, 1, 2, 2)
    outer = 0.967421566101701  # where the standard normal distribution function is 5/6
    places = [(right, up) for up in (outer, 0, -outer) for right in (-outer, 0, outer)]
    expected = [2 * np.clip(linear.w @ place + linear.b, 0, 1) - 1 for place in places]
    np.testing.assert_allclose(found.reshape(9, 4), expected, atol=1e-5)


def test_no_images_give_no_codes():
    model = tiny("vae")
    none = images(0)
    assert model.encode(none).shape == (0, 3) and model.reconstruct(none).shape == (0, 1, 8, 8)
    assert metrics.log_likelihood(model, none, samples=2).shape == (0,)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda m: m.training_step({"images": images(size=16)}),
            r"vae: expected images \(N, 1, 8, 8\), got \(12, 1, 16, 16\)",
        ),
        (
            lambda m: m.training_step({"images": images() * 3}),
            r"vae: expected images in \[-1, 1\], got -2\.9.* to 2\.9",
        ),
        (
            lambda m: m.training_step({"images": images()[:1]}),
            r"vae: batch norm needs more .* got 1; .* drop_last=True",
        ),
        (
            lambda m: m.training_step({}),
            "vae: expected a batch with the field 'images', such as .*, got an empty batch",
        ),
        (lambda m: m.training_step(images()), "vae: expected a batch with the field 'images', such as .*, got ndarray"),
        (lambda m: m.encode(images()[0]), "expected images"),
        (lambda m: m.encode(np.full((1, 1, 8, 8), np.nan, np.float32)), r"expected images in \[-1, 1\], got nan"),
        (lambda m: m.decode(np.zeros((2, 4))), r"vae: expected codes \(N, 3\), got \(2, 4\)"),
        (lambda m: m.sample(0), "n must be at least 1, got 0"),
        (lambda m: m.sample(1, labels=3), "this model knows no classes"),
        (lambda m: manifold(m), "manifold: needs a code of length 2, got 3"),
        (lambda m: metrics.elbo_terms(m, images(0)), "at least one image"),
        (lambda m: metrics.log_likelihood(m, images(), samples=0), "samples must be at least 1, got 0"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call(tiny("vae"))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "cvae: the labels are missing"),
        ([0, 1], r"one for each of 12, got int64 of shape \(2,\)"),
        (np.zeros(12), "whole numbers.*got float64"),
        (4, "labels from 0 to 3, got 4 to 4"),
        (-1, "labels from 0 to 3, got -1 to -1"),
    ],
)
def test_bad_labels_are_named(labels, words):
    with pytest.raises(ValueError, match=words):
        tiny("cvae").training_step({"images": images(), "labels": labels})


def test_a_manifold_has_at_least_one_image():
    with pytest.raises(ValueError, match="side must be at least 1, got 0"):
        manifold(tiny("vae", latent=2), side=0)
