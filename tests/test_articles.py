"""docs/articles.md: what follows from the mistakes that it lists, and from their repair, in numbers."""

import re
from pathlib import Path

import numpy as np
import pytest

import minigen as mg
from minigen import functional as F
from minigen import losses, nn

PAGE = (Path(__file__).parents[1] / "docs" / "articles.md").read_text(encoding="utf-8")


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_rows_name_an_article_a_place_and_a_repair():
    rows = [line for line in PAGE.splitlines() if line.startswith("| §")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)
    assert all(re.search(r"§\d", row) for row in rows)


# ---- S0


def test_s0_generator_and_discriminator_do_not_fit():
    x = mg.zeros(1, 256, 4, 4)
    for before, after in ((256, 128), (128, 64), (64, 3)):  # "same" with stride 2 doubles: 8, 16, 32
        x = nn.ConvTranspose2d(before, after, 5, 2, 2, output_padding=1)(x)
    assert x.shape[2:] == (32, 32)
    discriminator = nn.Sequential(nn.Flatten(), nn.Linear(64 * 64 * 3, 1))
    with pytest.raises(ValueError):
        discriminator(x)


def test_s0_codes_are_never_negative_and_the_kl_has_no_gradient_for_the_decoder():
    mg.manual_seed(0)
    assert F.relu(nn.Linear(8, 256)(mg.randn(4, 8))).numpy().min() == 0.0
    encoder, decoder = nn.Linear(8, 4), nn.Linear(2, 8)
    mu, log_var = encoder(mg.randn(4, 8)).chunk(2, 1)
    decoder(mu)
    kl = losses.gaussian_kl(mu, log_var).sum()
    assert all(g is None for g in mg.grad(kl, list(decoder.parameters()), allow_unused=True, retain_graph=True))
    assert all(abs(g.numpy()).max() > 0 for g in mg.grad(kl, list(encoder.parameters())))
    m, v = mu.detach().numpy(), log_var.detach().numpy()
    np.testing.assert_allclose(kl.item(), 0.5 * (m**2 + np.exp(v) - 1 - v).sum(), rtol=1e-5)


def test_s0_the_inception_score_does_not_see_real_images():
    from minigen.metrics import inception_score

    names = inception_score.__code__.co_varnames[: inception_score.__code__.co_argcount]
    assert not any("real" in name or "data" in name for name in names)


# ---- S1


def test_s1_tied_weights_give_the_length_of_the_input():
    w = np.ones((100, 128))
    z, x = np.ones(100), np.ones(784)
    assert (w @ np.tanh(w.T @ z)).shape == z.shape  # an image would be (784,)
    wd = np.ones((784, 128))
    assert (wd @ np.tanh(wd.T @ x)).shape == x.shape  # an answer would be one number


def test_s1_a_dense_layer_on_the_last_axis():
    listed = nn.Sequential(nn.Linear(28, 128), nn.Linear(128, 128), nn.Linear(128, 1))
    flat = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.Linear(128, 128), nn.Linear(128, 1))
    assert parameters(listed) == 20353 and listed(mg.zeros(1, 28, 28)).shape == (1, 28, 1)
    assert parameters(flat) == 117121 and flat(mg.zeros(1, 28, 28)).shape == (1, 1)


def test_s1_a_sigmoid_before_a_loss_on_logits_has_the_floor_that_is_printed():
    extreme = mg.tensor(np.float32([[50.0]]))
    squashed = losses.minimax_d(extreme.sigmoid(), (-extreme).sigmoid()).item()
    assert abs(squashed - 1.0064) < 1e-4 and "1.0064" in PAGE
    assert losses.minimax_d(extreme, -extreme).item() < 1e-6


def test_s1_the_listed_loss_of_g_wants_black_pixels():
    pixels = mg.tensor(np.linspace(0.1, 0.9, 5), requires_grad=True)
    loss = losses.minimax_d(mg.ones_like(pixels), pixels)  # loss(real=ones, fake=pixels), both taken for logits
    (slope,) = mg.grad(loss, pixels)
    assert (slope.numpy() > 0).all()  # descending makes every pixel darker


# ---- S2


def test_s2_the_kl_of_independent_dimensions_is_one_integral_or_a_sum_of_integrals():
    mu, log_var = np.array([0.5, -1.0]), np.array([0.2, -0.3])
    t = np.linspace(-9, 9, 1201)
    step = t[1] - t[0]

    def normal(m, v):
        return np.exp(-((t - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)

    q = [normal(m, np.exp(v)) for m, v in zip(mu, log_var)]
    p = normal(0.0, 1.0)
    single = [float((a * np.log(a / p)).sum() * step) for a in q]
    joint_q, joint_p = np.outer(*q), np.outer(p, p)
    double = float((joint_q * np.log(joint_q / joint_p)).sum() * step**2)
    right = losses.gaussian_kl(mg.tensor(mu[None]), mg.tensor(log_var[None])).item()
    np.testing.assert_allclose([sum(single), double], right, rtol=1e-6)


def test_s2_sizes_and_nan_as_printed():
    with pytest.raises(ValueError):
        np.zeros(512).reshape(2, 2, 512)
    assert 3 * 32 * 3 == 288
    with np.errstate(invalid="ignore"):
        assert np.isnan(np.log(np.tanh(np.array([-0.1])))).all()


def test_s2_without_activations_the_network_is_an_affine_map():
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.Linear(16, 16), nn.Linear(16, 3))
    a, b = mg.randn(1, 4), mg.randn(1, 4)
    middle = net((a + b) / 2).numpy()
    np.testing.assert_allclose(middle, (net(a).numpy() + net(b).numpy()) / 2, atol=1e-6)


# ---- losses with lost signs and terms: what the best answer of D becomes


def descended(loss, start=0.0, steps=400, rate=0.5):
    """The logits (real, generated) after descending `loss` of both."""
    real, fake = start, start
    for _ in range(steps):
        ell = mg.tensor(np.array([real, fake]), requires_grad=True)
        (slope,) = mg.grad(loss(ell[:1], ell[1:]), ell)
        real, fake = np.array([real, fake]) - rate * slope.numpy()
    return real, fake


def test_d_with_lost_terms_and_signs():
    right = descended(losses.minimax_d)
    assert right[0] > 4 and right[1] < -4
    only_real = descended(lambda real, fake: F.softplus(-real).mean() + 0 * fake.sum())
    assert only_real[0] > 4 and only_real[1] == 0  # S2 L88: nothing is said about generated images
    log_d = descended(lambda real, fake: -F.softplus(-real).mean() + 0 * fake.sum())
    assert log_d[0] < -4 and log_d[1] == 0  # S3 L119: D(real) goes to 0, and nothing is said about generated images
    reverse = descended(lambda real, fake: -losses.minimax_d(real, fake))
    assert reverse[0] < -4 and reverse[1] > 4  # S4 L48: sure, and wrong


def test_g_with_a_lost_sign_wants_to_be_recognized():
    ell = mg.tensor(np.array([0.3]), requires_grad=True)
    (right,) = mg.grad(losses.non_saturating_g(ell), ell)
    (lost,) = mg.grad(-losses.non_saturating_g(ell), ell)
    assert right.item() < 0 < lost.item()


def test_s3_log_of_one_minus_sigmoid_breaks_in_float32_and_softplus_does_not():
    logit = np.float32(20)
    with np.errstate(divide="ignore"):
        assert np.isinf(np.log(1 - 1 / (1 + np.exp(-logit))))
    assert abs(-F.softplus(mg.tensor(np.float32([20.0]))).item() + 20) < 1e-5


def test_s3_batch_norm_in_inference_mode_does_not_learn_its_statistics():
    layer = nn.BatchNorm1d(1)
    layer.eval()
    x = mg.tensor(np.full((8, 1), 5.0, np.float32) + np.arange(8, dtype=np.float32)[:, None])
    y = layer(x).numpy()
    assert layer.running_mean.item() == 0 and abs(y.mean() - 8.5) < 1e-3
    layer.train()
    assert abs(layer(x).numpy().mean()) < 1e-5 and layer.running_mean.item() > 0


@pytest.mark.parametrize(("kernel", "even"), [(5, False), (4, True)])
def test_s3_kernel_5_with_stride_2_overlaps_unevenly(kernel, even):
    ones = mg.ones(1, 1, 8, 8)
    padding = (kernel - 1) // 2
    out = F.conv_transpose2d(ones, mg.ones(1, 1, kernel, kernel), stride=2, padding=padding).numpy()[0, 0, 4:-4, 4:-4]
    assert (np.ptp(out) == 0) == even


# ---- S4


def test_s4_reparameterization_lets_the_gradient_pass():
    mu, log_var = mg.tensor(np.array([0.5]), requires_grad=True), mg.tensor(np.array([-1.0]), requires_grad=True)
    eps = mg.tensor(np.array([0.7]))
    z = mu + (0.5 * log_var).exp() * eps
    g_mu, g_log_var = mg.grad(z.sum(), [mu, log_var])
    np.testing.assert_allclose([g_mu.item(), g_log_var.item()], [1.0, 0.35 * np.exp(-0.5)])
    drawn = mg.tensor(np.random.default_rng(0).normal(size=1))  # z ~ p(z): it depends on nothing
    assert not drawn.requires_grad


def test_s4_the_listed_generator_gives_14_pixels():
    up = nn.Sequential(
        nn.ConvTranspose2d(256, 128, 5, 1, 2, bias=False), nn.ConvTranspose2d(128, 1, 5, 2, 2, output_padding=1)
    )
    assert up(mg.zeros(1, 256, 7, 7)).shape[2:] == (14, 14)
    repaired = mg.models.build("dcgan", size=28, network="conv_k5_dropout")
    assert repaired.sample(1).shape[2:] == (28, 28)
