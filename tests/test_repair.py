"""Repair: damages, the family, pictures of any size, measures, and the commands."""

import itertools
import json
import shutil
import signal
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import metrics as oracle

import minigen as mg
from minigen.check import gradcheck
from minigen.cli import main
from minigen.data import Dataset, Loader
from minigen.data.picture import read_picture
from minigen.losses import gradient, non_saturating_g
from minigen.metrics import measure_family, psnr, read_digits, repair_scores, ssim
from minigen.metrics.classical import classical_repairs
from minigen.models import build
from minigen.models.networks.image import Enlarger, ResidualCNN, Translator, UNet, patch_discriminator
from minigen.models.repair import Repair, composite, make_damage, noise_level, repair_image
from minigen.models.repair.damage import LEVEL, blur, shrink
from minigen.models.repair.repair import recolored
from minigen.models.single_image.prior import Hourglass
from minigen.train import Run, Trained, fit

numbers = np.random.default_rng
DAMAGES = ["noise", "blur", "hole", "shrink"]


@pytest.fixture(autouse=True)
def plain_kernels(monkeypatch):
    monkeypatch.setenv("MINIGEN_KERNELS", "reference")
    monkeypatch.setattr("minigen.kernels._default_set", "reference")


def images(n=2, channels=1, height=12, width=12, seed=0):
    """Smooth images in [-1, 1]."""
    noise = numbers(seed).standard_normal((n, channels, height, width))
    smooth = ndimage.gaussian_filter(noise, (0, 0, 1.5, 1.5), mode="mirror")
    return np.tanh(3 * smooth / smooth.std()).astype(np.float32)


def shaken(model, seed=0):
    """The model with weights that are not those of its start, which are 0 in the last layer."""
    rng = numbers(seed)
    for p in model.parameters():
        if p.ndim > 1:
            p.data = p.data + 0.05 * rng.standard_normal(p.shape).astype(np.float32)
    return model


def repairer(damage, **options):
    mg.manual_seed(0)
    return shaken(build("repair", damage=damage, width=4, **options))


# ---- damages


def test_noise_has_the_strength_and_is_not_clipped():
    white = np.ones((2, 1, 100, 100), np.float32)
    damaged = make_damage("noise", "10-50").draw(white, numbers(0))
    for image, sigma in zip(damaged.images, damaged.strengths):
        assert image.std() / LEVEL == pytest.approx(sigma, rel=0.05)
        assert image.mean() == pytest.approx(1, abs=0.01) and image.max() > 1  # to both sides of white
    assert damaged.strengths[0] != damaged.strengths[1] and damaged.mask is None
    assert np.array_equal(damaged.truth, white)


@pytest.mark.parametrize("sigma", [0.5, 1.6, 3.0])
def test_blur_is_the_gaussian_filter_of_scipy(sigma):
    image = images(height=13, width=20)
    expected = ndimage.gaussian_filter(
        image.astype(np.float64), (0, 0, sigma, sigma), mode="mirror", radius=round(4 * sigma)
    )
    np.testing.assert_allclose(blur(image, sigma), expected, atol=2e-6)
    assert blur(image, 0) is image


def test_blur_adds_noise_of_two_levels():
    grey = np.zeros((1, 1, 100, 100), np.float32)
    assert make_damage("blur").draw(grey, numbers(0)).images.std() / LEVEL == pytest.approx(2, rel=0.05)


def test_a_hole_is_one_in_the_mask_and_grey_in_the_image():
    given = images(40, height=28, width=28)
    damaged = make_damage("hole").draw(given, numbers(0))
    assert damaged.mask.shape == (40, 1, 28, 28) and set(np.unique(damaged.mask)) == {0, 1}
    assert (damaged.mask.sum((1, 2, 3)) == 14 * 14).all()
    assert (damaged.images[damaged.mask == 1] == 0).all()
    assert np.array_equal(damaged.images[damaged.mask == 0], given[damaged.mask == 0])
    tops = damaged.mask[:, 0].any(2).argmax(1)
    assert tops.min() >= 4 and tops.max() <= 10 and len(set(tops)) > 3
    areas = make_damage("hole", "0.2-0.6").draw(given, numbers(0)).mask.sum((1, 2, 3))
    assert len(set(areas.tolist())) > 3


def test_shrinking_is_that_of_pillow_and_crops_odd_sides():
    image = images(1, height=13, width=16)
    damaged = make_damage("shrink").draw(image, numbers(0))
    assert damaged.truth.shape == (1, 1, 12, 16)
    expected = np.asarray(Image.fromarray(image[0, 0, :12]).resize((8, 6), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(damaged.images[0, 0], expected, atol=1e-6)
    assert np.array_equal(damaged.images, shrink(damaged.truth))
    with pytest.raises(
        ValueError, match=r"shrink: expected images of at least 2 pixels a side, got shape \(1, 1, 9, 1\)"
    ):
        make_damage("shrink").draw(image[:, :, :9, :1], numbers(0))


@pytest.mark.parametrize(
    ("name", "strength", "words"),
    [
        ("rain", None, "damage must be one of noise, blur, hole, shrink, got 'rain'"),
        ("noise", "loud", "strength must be a number such as 25, or a range such as 5-50, got 'loud'"),
        ("noise", "50-5", "noise: expected a strength from 0 on, low before high, got 50-5"),
        ("noise", "nan", "noise: expected a strength from 0 on"),
        ("hole", "1", "hole: expected a share between 0 and 1, got 1$"),
        ("hole", "0", "hole: expected a share between 0 and 1"),
        ("shrink", "4", r"shrink: expected the strength 2 \(the factor\), got 4$"),
    ],
)
def test_a_bad_damage_is_one_line(name, strength, words):
    with pytest.raises(ValueError, match=words):
        make_damage(name, strength)
    if name != "rain":
        with pytest.raises(ValueError, match=words):
            build("repair", damage=name, strength=strength)


# ---- networks


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [(ResidualCNN, (1, 8)), (Enlarger, (1, 8)), (UNet, (1, 1, 4, (1, 2)))],
    ids=["residual", "enlarger", "unet"],
)
def test_no_pixel_depends_on_what_is_beyond_the_reach(kind, arguments):
    mg.manual_seed(0)  # else all ReLUs on the way to a corner may be closed
    network = shaken(kind(*arguments)).to("float64").eval()
    side, reach, factor = 2 * network.reach + 9, network.reach, getattr(network, "factor", 1)
    seen = 0
    for center in range(network.reach + 2, network.reach + 2 + network.stride):
        x = mg.tensor(numbers(0).standard_normal((1, 1, side, side)), requires_grad=True)
        (found,) = mg.grad(network(x)[0, 0, factor * center, factor * center], [x])
        rows, columns = np.nonzero(found.numpy()[0, 0])
        seen = max(seen, np.abs(rows - center).max(), np.abs(columns - center).max())
    assert seen == reach  # no farther, and no less: a larger margin would be waste


def test_networks_begin_as_the_simplest_repair():
    x = mg.randn(1, 1, 9, 8)
    assert ResidualCNN(1)(x).equal(x)
    assert Enlarger(1)(x).allclose(mg.functional.interpolate(x, scale_factor=2, mode="bicubic", antialias=True))


def test_counts_of_the_default_networks():
    counts = [sum(p.numel() for p in build("repair", damage=d).parameters()) for d in ("noise", "shrink")]
    assert counts == [
        32 * 9 + 32 + 4 * (32 * 32 * 9 + 32) + 32 * 9 + 1,
        32 * 9 + 32 + 6 * (32 * 32 * 9 + 32) + 4 * 32 * 9 + 4,
    ]
    assert counts[0] == 37_601


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (ResidualCNN(1, 2, 3), (2, 1, 4, 3)),
        (Enlarger(1, 2, 1), (1, 1, 3, 4)),
        (UNet(2, 1, 2, (1,)), (2, 2, 6, 8)),
        (UNet(1, 1, 2, (2,), "instance"), (1, 1, 8, 8)),
        (Translator(1, 1, 2, 1), (1, 1, 4, 5)),
        (Hourglass(2, 1, 2, 1), (1, 2, 5, 4)),
        (patch_discriminator(1, 2), (2, 1, 8, 8)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_networks_of_images_have_the_gradient_of_the_reference(network, shape):
    network = shaken(network).to("float64")
    slots = [(owner, key) for owner in network.modules() for key, p in owner._parameters.items() if p is not None]
    given = [numbers(1).standard_normal(shape), *(owner._parameters[key].numpy().copy() for owner, key in slots)]

    def output(x, *parameters):
        for (owner, key), parameter in zip(slots, parameters, strict=True):
            owner._parameters[key] = parameter
        return network(x)

    report = gradcheck(output, given, order=1, repeats=1)
    assert report.verdict != "wrong", report
    assert all("kink" in f.reason for f in report.findings if f.verdict == "inconclusive"), report


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("repair", {"damage": "noise", "strength": "5-50"}),
        ("repair", {"damage": "blur", "loss": "l1"}),
        ("repair", {"damage": "shrink", "adversarial": 0.1}),
        ("repair", {"damage": "hole", "adversarial": 0.1}),
        ("pix2pix", {}),
        ("cyclegan", {"identity": 2.0}),
    ],
    ids=str,
)
def test_every_loss_of_a_training_step_has_the_gradient_of_the_reference(family, options, monkeypatch):
    """In all parameters that it moves, as one vector: whole families, with damage, masks, discriminators and cycles."""
    mg.manual_seed(0)
    model = shaken(build(family, width=2, **options)).to("float64")
    as_float64 = lambda array, device=None: mg.tensor(np.asarray(array, np.float64))  # noqa: E731
    monkeypatch.setattr(sys.modules[type(model).__module__], "tensor", as_float64)
    losses = {}
    object.__setattr__(model, "update", lambda loss, optimizer: losses.update({id(optimizer): loss}))
    x, y = (images(2, height=8, width=8, seed=seed) for seed in (0, 1))

    for name, optimizer in model.optimizers.items():
        own = {id(p) for group in optimizer.param_groups for p in group["params"]}
        slots = [(owner, key) for owner in model.modules() for key, p in owner._parameters.items() if id(p) in own]
        assert len(slots) == len(own)
        values = [owner._parameters[key].numpy() for owner, key in slots]
        ends = np.cumsum([value.size for value in values])

        def loss(flat, optimizer=optimizer, slots=slots, values=values, ends=ends):
            for (owner, key), value, end in zip(slots, values, ends, strict=True):
                owner._parameters[key] = flat[int(end) - value.size : int(end)].reshape(value.shape)
            mg.manual_seed(1)  # the same damage every time
            model.training_step({"images": x, "partners": y})
            return losses[id(optimizer)]

        report = gradcheck(loss, np.concatenate([value.ravel() for value in values]), names=[name], repeats=1)
        assert report.verdict == "right", report


# ---- the family


@pytest.mark.parametrize(
    "options", [{"damage": d} for d in DAMAGES] + [{"damage": "noise", "loss": "l1", "adversarial": 0.1}], ids=str
)
def test_every_damage_lowers_its_loss(options):
    mg.manual_seed(0)
    model = build("repair", width=8, lr=3e-3, **options)
    data = images(16, height=16, width=16)
    losses = []
    for _ in range(30):
        mg.manual_seed(1)  # the same damage every time
        losses.append(float(model.training_step({"images": data})["loss_pixel"]))
    assert losses[-1] < 0.9 * losses[0], losses


@pytest.mark.parametrize(("damage", "channels"), [("noise", 3), ("blur", 1), ("shrink", 1)])
def test_every_damage_resumes_bit_for_bit(damage, channels, tmp_path, monkeypatch):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    data = Dataset("smooth", images(16, channels, height=8, width=8))
    strength = {"noise": "5-50", "blur": "0-2.5"}.get(damage)
    options = {"damage": damage, "channels": channels, "width": 2, "adversarial": 0.1, "strength": strength}

    def model(seed):
        mg.manual_seed(seed)
        return build("repair", **options)

    straight, broken = (Run.create(tmp_path / name, {"model": "repair"}) for name in ("straight", "broken"))
    fit(model(0), Loader(data, 4, seed=1), straight, 2, progress=False)
    one, steps = model(0), itertools.count(1)

    def interrupted(batch):
        if next(steps) == 6:
            signal.raise_signal(signal.SIGINT)
        return type(one).training_step(one, batch)

    object.__setattr__(one, "training_step", interrupted)
    assert fit(one, Loader(data, 4, seed=1), broken, 2, progress=False).step == 6
    fit(model(9), Loader(data, 4, seed=1), broken, 2, resume=True, progress=False)
    a, b = (run.load()["model"] for run in (straight, broken))
    assert a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def test_a_colour_model_learns_from_images_with_other_colours():
    """Each image has its channels in some order, each darkened by one number; grey images and holes stay."""
    given = images(64, 3, 6, 6)
    found = recolored(given, numbers(0))
    assert found.dtype == np.float32 and found.shape == given.shape and np.abs(found).max() <= 1
    light, orders, tinted = (given + 1).reshape(64, 3, -1), set(), 0
    for before, after in zip(light, (found + 1).reshape(64, 3, -1)):
        gains = (before[:, None] * after[None]).sum(2) / (before**2).sum(1)[:, None]  # of every channel in every place
        errors = np.abs(gains[:, :, None] * before[:, None] - after[None]).max(2)
        order = errors.argmin(0)
        assert sorted(order) == [0, 1, 2] and errors.min(0).max() < 1e-5
        used = gains[order, [0, 1, 2]]
        assert used.min() > 0.2 and used.max() < 1 + 1e-6
        orders.add(tuple(order))
        tinted += used.min() < 0.999
    assert len(orders) == 6 and 20 < tinted < 44

    seen = []
    for damage, channels in (("noise", 3), ("noise", 1), ("hole", 3)):
        model, batch = repairer(damage, channels=channels), images(2, channels, 8, 8)
        draw = model.damage.draw
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(model.damage), "draw", lambda self, x, rng, draw=draw: seen.append(x) or draw(x, rng))
            model.training_step({"images": batch})
        seen[-1] = np.array_equal(seen[-1], batch)
    assert seen == [False, True, True]


def test_known_pixels_are_never_changed():
    model = repairer("hole")
    damaged = model.damage.draw(images(3), numbers(0))
    filled = model.apply(damaged.images, damaged.mask)
    known = damaged.mask == 0
    assert np.array_equal(filled[known], damaged.images[known])
    assert not np.array_equal(filled, damaged.images)


def test_the_loss_of_a_hole_is_divided_by_the_hole():
    output, truth = numbers(0).standard_normal((2, 2, 3, 4, 4))
    mask = np.zeros((2, 1, 4, 4))
    mask[:, :, 0, :2] = 1
    by_hand = gradient("masked_l2")(output, truth, mask)[0]
    assert (by_hand[:, :, 1:] == 0).all() and (by_hand[:, :, 0, 2:] == 0).all()
    np.testing.assert_allclose(by_hand[:, :, 0, :2], 2 * (output - truth)[:, :, 0, :2] / (2 * 2 * 3), rtol=1e-12)


def test_the_adversary_teaches_the_hole_only_and_each_optimizer_moves_its_own():
    model = repairer("hole", adversarial=0.1).to("float64")
    damaged = model.damage.draw(images(2), numbers(0))
    output = mg.tensor(numbers(1).standard_normal(damaged.truth.shape), requires_grad=True)
    mask = mg.tensor(damaged.mask.astype(np.float64))
    joined = composite(output, mg.tensor(damaged.truth.astype(np.float64)), mask)
    free = mg.tensor(joined.numpy(), requires_grad=True)
    (through,) = mg.grad(non_saturating_g(model.discriminate(joined, mask)), [output])
    (plain,) = mg.grad(non_saturating_g(model.discriminate(free, mask)), [free])
    np.testing.assert_allclose(through.numpy(), damaged.mask * plain.numpy(), atol=1e-15)
    assert np.abs(plain.numpy() * (1 - damaged.mask)).max() > 0

    for still in ("network", "discriminator"):
        model = repairer("hole", adversarial=0.1)
        model.optimizers[still].param_groups[0]["lr"] = 0.0
        before = {name: p.numpy().copy() for name, p in model.named_parameters()}
        model.training_step({"images": images(4)})
        moved = {
            name.partition(".")[0]
            for name, p in model.named_parameters()
            if not np.array_equal(p.numpy(), before[name])
        }
        assert moved == {"network", "discriminator"} - {still}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_image_gives_the_same_alone_and_in_a_batch(damage):
    model = repairer(damage)
    given = model.damage.draw(images(3), numbers(0))
    together = model.apply(given.images, given.mask)
    alone = model.apply(given.images[:1], None if given.mask is None else given.mask[:1])
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)
    assert model.apply(given.images[:0], None if given.mask is None else given.mask[:0]).shape[0] == 0


def test_apply_names_what_does_not_fit():
    hole, noise = repairer("hole"), repairer("noise")
    x = images(2)
    for call, words in [
        (lambda: hole.apply(x), "the mask is missing: this model fills holes"),
        (lambda: hole.apply(x, np.zeros((2, 1, 5, 5))), r"expected a mask \(2, 1, 12, 12\), got \(2, 1, 5, 5\)"),
        (lambda: noise.apply(x, np.zeros((2, 1, 12, 12))), "got a mask, but damage 'noise' has none"),
        (lambda: noise.apply(x.repeat(3, 1)), r"expected images \(N, 1, H, W\), got \(2, 3, 12, 12\)"),
        (lambda: noise.apply(np.full_like(x, np.nan)), "nan"),
        (lambda: hole(mg.tensor(x)), "the mask is missing"),
        (lambda: repair_image(noise, np.zeros((2, 8, 8))), r"expected a picture \(1 or 3, H, W\) of at least 1x1, got"),
        (lambda: repair_image(hole, x[0, :, :3], x[0, :, :3]), "at least 4x4"),
        (lambda: repair_image(hole, x[0], x[0, :, :5]), r"expected a mask \(1, 12, 12\), got \(1, 5, 12\)"),
        (lambda: repair_image(noise, np.full((1, 8, 8), np.inf)), "NaN or infinite"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()
    seen = []
    noise.apply(seen.append)
    assert noise.network in seen


def test_worse_than_the_damaged_image_is_said():
    model = repairer("noise")
    assert "worse" in model.diagnose({"psnr": 19.0, "psnr_input": 20.0})
    assert model.diagnose({"psnr": 21.0, "psnr_input": 20.0}) == {}
    for done, share in ((0.0, 1.0), (0.5, 1.0), (0.75, 0.5), (1.0, 0.0)):
        model.schedule(done)
        assert model.optimizers["network"].param_groups[0]["lr"] == pytest.approx(1e-3 * share)


# ---- pictures of any size


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("damage", DAMAGES)
def test_tiled_is_untiled(damage, channels):
    model = repairer(damage)
    picture = images(1, channels, height=75, width=50)[0]
    mask = None
    if damage == "hole":
        mask = np.zeros((1, 75, 50), np.float32)
        mask[:, 10:40, 20:33] = 1
    whole = repair_image(model, picture, mask, tile=1000)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(repair_image(model, picture, mask, tile=17), whole, atol=1e-5)
    assert whole.shape == (channels, 75 * model.factor, 50 * model.factor)


def test_colour_with_a_grey_model_and_grey_with_a_colour_model():
    grey, colour = images(1, height=9, width=10)[0], images(1, 3, 9, 10, seed=1)[0]
    blurred, bigger = repairer("blur"), repairer("shrink")
    for channel, repaired in zip(colour, repair_image(blurred, colour)):
        np.testing.assert_allclose(repaired, repair_image(blurred, channel[None])[0], atol=1e-6)
    np.testing.assert_allclose(
        repair_image(bigger, grey.repeat(3, 0)), repair_image(bigger, grey).repeat(3, 0), atol=1e-5
    )  # a grey picture in colour has no colour differences
    luma = np.tensordot([0.299, 0.587, 0.114], repair_image(bigger, 0.5 * colour), 1)
    expected = repair_image(bigger, np.tensordot([0.299, 0.587, 0.114], 0.5 * colour, 1)[None])[0]
    np.testing.assert_allclose(luma, expected, atol=1e-5)
    assert repair_image(repairer("noise", channels=3), grey).shape == grey.shape


def test_noise_in_colour_is_removed_from_the_channels_and_from_their_differences():
    """Colours stay, also pure ones; and noise in the differences of the channels goes where the model removes it."""
    untrained = build("repair", damage="noise")  # its output is its input
    pure = np.float32([1, -1, -1]).reshape(3, 1, 1) * np.ones((1, 9, 8), np.float32)
    for picture in (pure, images(1, 3, 9, 8, seed=1)[0]):
        np.testing.assert_allclose(repair_image(untrained, picture), picture, atol=1e-6)

    noise = repairer("noise")
    colour = 0.4 * images(1, 3, 9, 8, seed=2)[0]
    found = repair_image(noise, colour)
    apart = np.concatenate([repair_image(noise, channel[None]) for channel in colour])
    np.testing.assert_allclose(found.mean(0), apart.mean(0), atol=1e-6)
    for weights in ([1, 0, -1], [1, -2, 1]):
        weights = np.float32(weights) / np.linalg.norm(weights)
        expected = repair_image(noise, np.tensordot(weights, colour, 1)[None].astype(np.float32))[0]
        np.testing.assert_allclose(np.tensordot(weights, found, 1), expected, atol=1e-6)


def test_the_level_of_noise_is_estimated():
    smooth = np.add.outer(np.linspace(-0.5, 0.5, 100), np.linspace(0, 0.4, 100)).astype(np.float32)[None]
    for sigma in (5, 25):
        noisy = make_damage("noise", str(sigma)).draw(smooth[None], numbers(0)).images[0]
        assert noise_level(noisy) == pytest.approx(sigma, rel=0.2)
    assert noise_level(np.zeros((1, 2, 9))) == 0


# ---- measures


@pytest.mark.parametrize("shape", [(1, 16, 20), (3, 11, 11), (2, 3, 15, 12)])
def test_psnr_and_ssim_are_those_of_scikit_image(shape):
    x, y = numbers(0).uniform(-1, 1, (2, *shape))
    y = (x + 0.3 * y).clip(-1, 1)
    assert psnr(y, x) == pytest.approx(oracle.peak_signal_noise_ratio(x, y, data_range=2))
    options = {"data_range": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    planes = zip(x.reshape(-1, *shape[-2:]), y.reshape(-1, *shape[-2:]))
    assert ssim(y, x) == pytest.approx(np.mean([oracle.structural_similarity(a, b, **options) for a, b in planes]))
    assert psnr(x, x) == np.inf and ssim(x, x) == pytest.approx(1)


def test_psnr_inside_a_mask():
    truth, output = np.zeros((1, 2, 4, 4)), np.full((1, 2, 4, 4), 5.0)
    output[..., :1, :2] = 0.2
    mask = np.zeros((1, 1, 4, 4))
    mask[..., :1, :2] = 1
    assert psnr(output, truth, mask) == pytest.approx(20)
    for call, words in [
        (lambda: psnr(output, truth, 0 * mask), "0 everywhere"),
        (lambda: psnr(output, truth[0]), "one shape"),
        (lambda: psnr(output, truth, data_range=0), "data_range"),
        (lambda: ssim(output, truth), "at least 11x11"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()


def test_classical_methods_help_and_are_tuned_on_the_truth():
    clean = images(1, height=40, width=40)
    for name, strength, least in [("noise", "25", 3), ("blur", "1.6", 0.5), ("hole", "0.3", 0)]:
        damage = make_damage(name, strength)
        damaged = damage.draw(clean, numbers(0))
        found = classical_repairs(damage, damaged)
        gains = {
            m: psnr(x, damaged.truth, damaged.mask) - psnr(damaged.images, damaged.truth, damaged.mask)
            for m, x in found.items()
        }
        assert max(gains.values()) > least, gains
        if name == "noise":  # no other width of the same filter is better
            widths = [ndimage.gaussian_filter(damaged.images[0, 0], s, mode="nearest") for s in (0.6, 1.0, 1.6)]
            assert psnr(found["Gauss"], clean) >= max(psnr(w.clip(-1, 1), clean[0, 0]) for w in widths) - 0.05


def test_non_local_means_compares_all_channels_of_a_colour_image():
    grey = images(1, height=24, width=24)
    damage = make_damage("noise", "50")
    noisy = damage.draw(np.repeat(grey, 3, 1), numbers(0))  # the channels share their edges, not their noise
    joint = classical_repairs(damage, noisy)["non-local means"]
    apart = [
        classical_repairs(damage, noisy._replace(images=noisy.images[:, c : c + 1], truth=grey))["non-local means"]
        for c in range(3)
    ]
    assert psnr(joint, noisy.truth) > psnr(np.concatenate(apart, 1), noisy.truth) + 0.5


def test_scores_hold_every_method_and_the_mean():
    model = repairer("noise")
    scores = repair_scores(model, {"a": images(1, height=20, width=20), "b": images(2, height=16, width=30)})
    assert list(scores.psnr["a"])[:2] == ["input", "ours"] and set(scores.psnr["a"]) == set(scores.ssim["b"])
    assert scores.mean(scores.psnr)["ours"] == pytest.approx((scores.psnr["a"]["ours"] + scores.psnr["b"]["ours"]) / 2)
    text = scores.table().text()
    assert "mean, dB" in text and "SSIM" in text and "non-local means" in text
    damaged, ours = model.examples(images(1, height=20, width=20), numbers([0, 0]))
    assert scores.psnr["a"]["ours"] == pytest.approx(psnr(ours, damaged.truth))
    half = repair_scores(repairer("hole"), {"a": images(4)}, classical=False).half_grey()
    assert half["input"] == 1 and 0 < half["truth"] < 1
    smaller = repair_scores(repairer("shrink"), {"a": images(1, height=20, width=20)})
    assert list(smaller.psnr["a"]) == ["ours", "bicubic", "bilinear"]


def test_evaluate_and_reading_digits():
    digits = [mg.data.load("digits", split) for split in ("train", "test")]
    found = measure_family(repairer("noise"), digits[1].subset(slice(0, 20)))
    assert list(found) == ["psnr", "psnr_input"] and found["psnr_input"] == pytest.approx(20.2, abs=0.3)
    x = digits[1].images
    read = read_digits(digits[0], {"true": x, "black": -np.ones_like(x)}, digits[1].labels)
    assert read["true"] > 0.9 and read["black"] < 0.2


# ---- the commands

TINY = ["--data", "digits", "--steps", "3", "--batch-size", "16", "--width", "2"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Short runs of three damages."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        patch.setattr("minigen.plot.training_curves", lambda *_: None)
        for damage in ("noise", "hole", "shrink"):
            assert main(["train", "repair", "--damage", damage, *TINY, "--run", damage]) == 0
        assert main(["train", "gan", "--data", "digits", "--steps", "2", "--width", "2", "--run", "gan"]) == 0
    return folder / "runs"


@pytest.fixture
def here(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(runs, tmp_path / "runs")
    levels = numbers(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    Image.fromarray(levels).save("photo.png")
    Image.fromarray(levels[..., 0]).save("grey.png")
    hole = np.zeros((30, 40), np.uint8)
    hole[5:15, 8:20] = 255
    Image.fromarray(hole).save("mask.png")
    return tmp_path


def test_a_picture_is_repaired_by_one_command(here, capsys):
    assert main(["repair", "noise", "photo.png", "grey.png"]) == 0
    said = capsys.readouterr().out
    assert "photo.png: noise of about" in said and "grey-repaired.png" in said
    assert read_picture("photo-repaired.png").image.shape == (3, 30, 40)
    assert read_picture("grey-repaired.png").image.shape == (1, 30, 40)
    assert main(["repair", "shrink", "photo.png", "--out", "large.png"]) == 0
    assert "40x30 to 80x60: large.png" in capsys.readouterr().out
    assert read_picture("large.png").image.shape == (3, 60, 80)
    assert main(["repair", "hole", "photo.png", "--mask", "mask.png"]) == 0
    assert "120 pixels filled (10.0%)" in capsys.readouterr().out
    before, after = (np.asarray(Image.open(name)) for name in ("photo.png", "photo-repaired.png"))
    hole = np.asarray(Image.open("mask.png")) > 0
    assert np.array_equal(before[~hole], after[~hole]) and not np.array_equal(before[hole], after[hole])


def test_an_inverted_mask_is_inverted_by_a_flag(here):
    Image.fromarray(255 - np.asarray(Image.open("mask.png"))).save("inverse.png")
    assert main(["repair", "hole", "grey.png", "--mask", "mask.png", "--out", "one.png"]) == 0
    assert main(["repair", "hole", "grey.png", "--mask", "inverse.png", "--invert", "--out", "two.png"]) == 0
    one, two = (np.asarray(Image.open(name)) for name in ("one.png", "two.png"))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("damage", ["noise", "hole", "shrink"])
def test_a_good_picture_is_damaged_and_repaired(here, capsys, damage):
    assert main(["repair", damage, "photo.png", "--damage"]) == 0
    assert " dB" in capsys.readouterr().out
    small = (3, 15, 20) if damage == "shrink" else (3, 30, 40)
    assert read_picture("photo-damaged.png").image.shape == small
    assert read_picture("photo-repaired.png").image.shape == (3, 30, 40)


def test_transparency_stays_and_16_bits_are_read(here, capsys):
    levels = numbers(0).integers(0, 256, (30, 40, 4)).astype(np.uint8)
    Image.fromarray(levels).save("clear.png")
    Image.fromarray(levels[..., 0].astype(np.uint16) * 257).save("deep.png")
    assert main(["repair", "noise", "clear.png", "deep.png"]) == 0
    assert np.array_equal(np.asarray(Image.open("clear-repaired.png"))[..., 3], levels[..., 3])
    assert "note: deep.png has 16 bits a channel; 8 are used" in capsys.readouterr().out
    np.testing.assert_allclose(read_picture("deep.png").image[0], levels[..., 0] / 127.5 - 1, atol=1e-6)


def test_notes(here, capsys):
    hole = np.asarray(Image.open("mask.png"))
    Image.fromarray(hole // 255 * 200).save("pale.png")
    Image.fromarray(numbers(0).integers(0, 256, (9, 41, 3)).astype(np.uint8)).save("narrow.png")
    assert main(["repair", "hole", "photo.png", "--mask", "pale.png"]) == 0
    assert "note: pale.png has gray levels: 128 and more count as white" in capsys.readouterr().out
    assert main(["repair", "noise", "narrow.png"]) == 0
    said = capsys.readouterr().out
    assert "note: narrow.png is smaller than the 13 pixels" in said
    assert "more than the 25 of the training: train with --strength 25-" in said
    assert main(["repair", "shrink", "narrow.png", "--damage"]) == 0
    assert "41x9 is cropped to multiples of 2" in capsys.readouterr().out


def test_noise_that_is_alike_in_all_channels_is_said_to_a_colour_model(here, monkeypatch, capsys):
    """It learned noise that is different in each channel, and takes the same noise in all for a grey texture."""
    monkeypatch.setattr("minigen.models.Repair.outputs", lambda model, planes, _: planes)
    trained = Trained(repairer("noise", channels=3), Run(here / "runs" / "noise"), 0)
    monkeypatch.setattr("minigen.cli.repair.opened", lambda *_, **__: trained)
    noise = numbers(1).normal(128, 20, (30, 40, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noise[..., 0]).save("same.png")
    Image.fromarray(noise[..., :1].repeat(3, 2)).save("as-colour.png")
    Image.fromarray(noise).save("different.png")
    assert main(["repair", "noise", "same.png", "as-colour.png", "different.png"]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "the same noise in all channels" in line]
    assert [line.split()[1] for line in notes] == ["same.png", "as-colour.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["noise", "none.png"], "none.png"),
        (["noise", "text.png"], "picture: cannot read text.png: not an image"),
        (["gan", "photo.png"], "is a gan, not a repair: make one with minigen train repair"),
        (["nowhere", "photo.png"], "no run at runs/nowhere"),
        (["hole", "photo.png"], "--mask is missing: runs/hole fills holes"),
        (["noise", "photo.png", "--mask", "mask.png"], "--mask: runs/noise repairs noise, which has no mask"),
        (["hole", "photo.png", "--mask", "mask.png", "--damage"], "--mask and --damage contradict"),
        (["noise", "photo.png", "--invert"], "--invert inverts a mask: give --mask too"),
        (["hole", "photo.png", "--mask", "small.png"], "small.png has 20x10 pixels, the picture 40x30"),
        (["hole", "photo.png", "--mask", "black.png"], "black.png has no white pixel: nothing is to be repaired"),
        (["hole", "photo.png", "--mask", "white.png"], "white.png is white everywhere: no pixel is known"),
        (["hole", "photo.png", "--mask", "inverse.png"], "marks 96% of the picture as hole, too much to repair; if it is inverted, add --invert"),
        (["noise", "photo.png", "grey.png", "--out", "one.png"], "--out: 2 pictures need a folder"),
        (["noise", "photo.png", "--out", "picture.xyz"], "expected a suffix like .png"),
        (["noise", "photo.png", "--out", "nowhere/a.png"], "there is no folder nowhere"),
        (["noise", "photo.png", "--out", "photo.png"], "--out: photo.png is the picture itself, which would be lost"),
    ],
)  # fmt: skip
def test_a_mistake_costs_one_line(here, capsys, arguments, words):
    (here / "text.png").write_text("no image")
    Image.new("L", (20, 10), 255).save("small.png")
    Image.new("L", (40, 30), 0).save("black.png")
    Image.new("L", (40, 30), 255).save("white.png")
    inverse = np.full((30, 40), 255, np.uint8)
    inverse[:5, :10] = 0
    Image.fromarray(inverse).save("inverse.png")
    capsys.readouterr()
    assert main(["repair", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and words in lines[0], lines
    assert not list(here.glob("*-repaired.png"))


@pytest.mark.parametrize("command", ["sample", "interpolate", "manifold", "reconstruct", "traverse"])
def test_commands_for_vectors_refuse_a_model_of_images(here, capsys, command):
    assert main([command, "noise"]) == 2
    assert "runs/noise is a repair, which makes images of images: it has no latent vectors" in capsys.readouterr().err


def test_evaluate_prints_the_table_with_classical_methods(here, capsys):
    assert main(["evaluate", "hole"]) == 0
    said = capsys.readouterr().out
    assert "biharmonic" in said and "dB inside the hole" in said and "read right by an SVM" in said
    assert "half-gray pixels in the hole" in said
    config = json.loads((here / "runs" / "hole" / "config.json").read_text())
    assert config["options"]["damage"] == "hole" and config["data"] == "digits"


def test_the_pictures_of_a_training_show_held_out_images(here, monkeypatch, capsys):
    shown = []

    def preview(model, n, dataset, generator):
        shown.append(dataset.images)
        return images(6), 6

    monkeypatch.setattr(Repair, "preview", preview)
    assert main(["train", "repair", *TINY, "--run", "one"]) == 0
    held_out = mg.data.load("digits", "test").images
    assert shown and all(np.array_equal(each, held_out) for each in shown)
    assert "training images" not in capsys.readouterr().out

    (here / "own").mkdir()
    for name in "abc":
        Image.fromarray(numbers(1).integers(0, 256, (8, 8)).astype(np.uint8)).save(here / "own" / f"{name}.png")
    own = ["--data", "folder:own", "--steps", "1", "--batch-size", "2", "--width", "2", "--run", "two"]
    assert main(["train", "repair", *own]) == 0
    assert "has no test images: the pictures of samples show training images" in capsys.readouterr().out


def test_the_default_data_are_photographs(here):
    assert main(["train", "repair", "--width", "2", "--steps", "1", "--batch-size", "2"]) == 0
    assert json.loads((here / "runs" / "repair-photos" / "config.json").read_text())["data"] == "photos"
