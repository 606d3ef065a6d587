"""Warping images and augmenting them, against straightforward loops and by what must stay the same."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
import minigen.functional as F
from minigen.check import gradcheck

numbers = np.random.default_rng


# ---- affine_grid, grid_sample


def sampled_by_loops(image, x, y, align_corners, border):
    """One bilinear sample of a plane: the weights of the pixels, read off the triangle 1 - |distance|."""
    height, width = image.shape
    row, column = (
        ((at + 1) / 2 * (n - 1) if align_corners else ((at + 1) * n - 1) / 2) for at, n in ((y, height), (x, width))
    )
    if border:
        row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
    return sum(
        max(0, 1 - abs(row - i)) * max(0, 1 - abs(column - j)) * image[i, j]
        for i in range(height)
        for j in range(width)
    )


@given(st.integers(0, 2**16), st.booleans(), st.booleans())
def test_grid_sample_equals_its_definition(seed, align_corners, border):
    rng = numbers(seed)
    n, c, h, w, p, q = rng.integers(1, 4, 6)
    images, grid = rng.standard_normal((n, c, h, w)), rng.uniform(-1.6, 1.6, (n, p, q, 2))
    got = F.grid_sample(
        mg.tensor(images), mg.tensor(grid), padding_mode="border" if border else "zeros", align_corners=align_corners
    ).numpy()
    expected = [
        sampled_by_loops(images[i, j], *grid[i, k, m], align_corners, border) for i, j, k, m in np.ndindex(n, c, p, q)
    ]
    np.testing.assert_allclose(got.ravel(), expected, atol=1e-12)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
def test_sampling_and_its_adjoint_have_the_gradients_of_the_reference(mode, padding_mode):
    rng = numbers(5)
    grid = mg.tensor(rng.uniform(-1.4, 1.4, (2, 3, 4, 2)))

    def cubed(x):  # so that the second derivative is not zero: it goes through the adjoint, too
        return F.grid_sample(x**3, grid, mode, padding_mode)

    image = mg.tensor(rng.standard_normal((2, 2, 3, 3)) + 2)
    gradcheck(cubed, image, order=2, full_jacobian=True).raise_if_wrong()
    theta = mg.tensor(rng.standard_normal((2, 2, 3)))
    gradcheck(lambda t: F.affine_grid(t**2, (2, 1, 3, 2)), theta, order=2).raise_if_wrong()


@pytest.mark.parametrize("align_corners", [False, True])
def test_a_quarter_turn_moves_each_pixel_to_its_place(align_corners):
    images = numbers(0).standard_normal((1, 2, 4, 4)).astype(np.float32)
    turn = mg.tensor([[[0.0, -1.0, 0.0], [1.0, 0.0, 0.0]]])
    for mode in ("bilinear", "nearest"):
        turned = F.grid_sample(mg.tensor(images), F.affine_grid(turn, (1, 2, 4, 4), align_corners), mode,
                               align_corners=align_corners)  # fmt: skip
        np.testing.assert_allclose(turned.numpy(), np.rot90(images, 1, (2, 3)), atol=1e-6)


def test_a_pixel_of_infinite_value_reaches_its_neighbours_only():
    image = mg.tensor(np.array([[[[np.inf, 1.0, 2.0]]]], np.float32))
    grid = F.affine_grid(mg.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]), (1, 1, 1, 3))
    assert F.grid_sample(image, grid).numpy().ravel().tolist() == [np.inf, 1.0, 2.0]


@pytest.mark.parametrize("call, message", [
    (lambda: F.affine_grid(mg.zeros(2, 2, 3), (1, 1, 4, 4)), "'theta': expected (1, 2, 3), got shape (2, 2, 3)"),
    (lambda: F.affine_grid(mg.zeros(1, 2, 3), (4, 4)), "'size': expected (N, C, P, Q), got (4, 4)"),
    (lambda: F.grid_sample(mg.zeros(2, 1, 4, 4), mg.zeros(1, 4, 4, 2)), "'grid': expected (2, P, Q, 2)"),
    (lambda: F.grid_sample(mg.zeros(1, 1, 4, 4), mg.zeros(1, 4, 4, 2, requires_grad=True)), "needs no gradient"),
    (lambda: F.grid_sample(mg.zeros(1, 1, 4, 4), mg.full((1, 4, 4, 2), np.nan)), "expected finite numbers"),
    (lambda: F.grid_sample(mg.zeros(1, 1, 4, 4), mg.zeros(1, 4, 4, 2), "bicubic"), "'mode': expected 'bilinear' or 'nearest', got 'bicubic'"),
])  # fmt: skip
def test_what_cannot_be_sampled_is_named_in_one_line(call, message):
    with pytest.raises(ValueError) as raised:
        call()
    assert message in str(raised.value) and "\n" not in str(raised.value)


# ---- transforms

NAMES = sorted(mg.augment.TRANSFORMS)


def images_of(seed, n=6, size=(9, 8), dtype=np.float64):
    return numbers(seed).uniform(-1, 1, (n, 2, *size)).astype(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_probability_0_changes_nothing_and_1_changes_images_by_numbers_of_their_own(name):
    x, T = images_of(0), mg.augment.parse(name)
    np.testing.assert_allclose(T(mg.tensor(x), 0.0, numbers(1)).numpy(), x, atol=1e-12)
    same = np.repeat(x[:1], 12, axis=0)
    changed = T(mg.tensor(same), 1.0, numbers(1)).numpy()
    assert len(np.unique(changed.reshape(12, -1).round(9), axis=0)) > (1 if name == "flip" else 4)
    again = T(mg.tensor(same), 1.0, numbers(1)).numpy()
    np.testing.assert_array_equal(changed, again)


@pytest.mark.parametrize("name", [*NAMES, "translate+rotate+scale+cutout+contrast"])
def test_the_gradient_is_the_adjoint_of_the_change(name):
    """All transforms are affine: with fixed random numbers T(x + d) - T(x) = J d, and <J d, g> = <d, J' g>."""
    T, x, d, g = mg.augment.parse(name), images_of(1), images_of(2), images_of(3)

    def apply(images):
        return T(mg.tensor(images), 0.8, numbers(4)).numpy()

    leaf = mg.tensor(x, requires_grad=True)
    (gradient,) = mg.grad(T(leaf, 0.8, numbers(4)), leaf, mg.tensor(g))
    np.testing.assert_allclose(((apply(x + d) - apply(x)) * g).sum(), (d * gradient.numpy()).sum(), rtol=1e-9)


def test_translate_moves_whole_pixels_and_brings_in_black():
    x = images_of(5, n=40, dtype=np.float32)
    shifted, seen = mg.augment.translate(0.25)(mg.tensor(x), generator=numbers(0)).numpy(), set()
    for before, after in zip(x, shifted):
        padded = np.pad(before, ((0, 0), (2, 2), (2, 2)), constant_values=-1)
        found = [(i, j) for i, j in np.ndindex(5, 5) if np.allclose(after, padded[:, i : i + 9, j : j + 8], atol=1e-6)]
        assert len(found) == 1
        seen.update(found)
    assert {i for i, _ in seen} == {j for _, j in seen} == {0, 1, 2, 3, 4}  # at most a quarter of 9 and of 8: 2 pixels


def test_cutout_covers_one_square_with_grey():
    x = np.full((60, 2, 9, 8), 0.7, np.float32)
    out = mg.augment.cutout(0.5)(mg.tensor(x), generator=numbers(0)).numpy()
    assert set(np.unique(out)) == {np.float32(0), np.float32(0.7)}
    for image in out:
        np.testing.assert_array_equal(image[0], image[1])
        rows, columns = (image[0] == 0).any(1), (image[0] == 0).any(0)
        assert (image[0] == 0).sum() == rows.sum() * columns.sum()  # a rectangle
        assert rows.sum() <= 5 and columns.sum() <= 4
    full = [((image[0] == 0).sum() == 20) for image in out]
    assert 0.2 < np.mean(full) < 0.8  # the middle may be near the border, where a part of the square is outside


def test_two_moves_are_one_interpolation_with_the_product_of_the_maps():
    class fixed(mg.augment.Geometry):
        def __init__(self, matrix):
            super().__init__()
            self.matrix = np.array(matrix, float)

        def maps(self, n, size, p, generator):
            return np.tile(self.matrix, (n, 1, 1))

    x = mg.tensor(images_of(6, size=(8, 8)))
    turn, shift = fixed([[0, -1, 0], [1, 0, 0], [0, 0, 1]]), fixed([[1, 0, 2], [0, 1, -1], [0, 0, 1]])
    one_by_one = shift(turn(x)).numpy()
    together = mg.augment.Compose([turn, shift])
    assert len(together.steps) == 1
    np.testing.assert_allclose(together(x).numpy(), one_by_one, atol=1e-12)


def test_a_rotation_turns_a_bar_and_keeps_a_round_spot():
    y, x = np.mgrid[-14:15, -14:15]
    spot = (2 * np.exp(-(x**2 + y**2) / 30) - 1)[None, None]
    bar = (2 * np.exp(-(y**2) / 30) - 1)[None, None]
    change = [
        np.abs(mg.augment.rotate(180)(mg.tensor(a), generator=numbers(3)).numpy() - a).mean() for a in (spot, bar)
    ]
    assert change[0] < 0.01 and change[1] > 0.2


@pytest.mark.parametrize("call, message", [
    (lambda: mg.augment.parse("translate+shear"), "'names': expected 'translate', 'rotate'"),
    (lambda: mg.augment.parse("cutout+cutout"), "expected each transform once, got cutout twice"),
    (lambda: mg.augment.cutout(1.5), "'share': expected a number between 0 and 1, got 1.5"),
    (lambda: mg.augment.flip()(mg.zeros(1, 1, 4, 4), 1.5), "'p': expected a number between 0 and 1, got 1.5"),
    (lambda: mg.augment.flip()(mg.zeros(4, 4)), "'images': expected (N, C, H, W), got shape (4, 4)"),
    (lambda: mg.models.DCGAN(augment="blur"), "dcgan: augment: argument 'names'"),
    (lambda: mg.models.DCGAN(augment="flip", augment_p=1.1), "dcgan: augment_p must be a number from 0 to 1 or ada"),
    (lambda: mg.models.DCGAN(augment_p=0.5), "augment_p is the probability of augment, which is not given"),
    (lambda: mg.models.VAE(augment="flip", augment_p="ada"), "augment_p must be a number from 0 to 1, got ada"),
    (lambda: mg.models.WGANGP(augment="flip", augment_p="ada"), "a critic's score does not"),
    (lambda: mg.models.PointGAN(augment="flip"), "unknown option 'augment'"),
    (lambda: mg.augment.cutout(0), "cutout: argument 'share': expected a number above 0, got 0"),
    (lambda: mg.augment.Augment("flip", p=2), "Augment: argument 'p': expected a number between 0 and 1, got 2"),
    (lambda: mg.augment.Augment("flip", p=math.nan), "Augment: argument 'p': expected a number between 0 and 1"),
    (lambda: mg.augment.Adaptive(every=0), "Adaptive: argument 'every': expected an integer of at least 1, got 0"),
    (lambda: mg.augment.Adaptive(maximum=2), "Adaptive: argument 'maximum': expected a number between 0 and 1"),
    (lambda: mg.augment.Adaptive(change=1.5), "Adaptive: argument 'change': expected a number between 0 and 1"),
    (lambda: mg.augment.parse(None), "'names': expected a text such as 'translate+cutout', got None"),
    (lambda: mg.augment.Compose(["translate"]), "Compose: argument 'transforms': expected ones such as translate()"),
    (lambda: mg.augment.Compose([mg.augment.flip]), "Compose: argument 'transforms': expected ones such as"),
    (lambda: mg.augment.Geometry([mg.augment.cutout()]), "Geometry: argument 'parts': expected transforms that move"),
    (lambda: mg.augment.flip()(mg.zeros(1, 1, 4, 4), generator=3), "'generator': expected a numpy.random.Generator"),
    (lambda: mg.models.DCGAN(l1=math.inf), "l1 must be a finite number, got inf"),
    (lambda: mg.models.DCGAN(r1=math.inf), "r1 must be a finite number, got inf"),
    (lambda: mg.models.WGANGP(penalty=math.inf), "penalty must be a finite number, got inf"),
])  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(call, message):
    with pytest.raises((ValueError, TypeError)) as raised:
        call()
    assert message in str(raised.value) and "\n" not in str(raised.value)


# ---- in the game


class Blank(mg.augment.Transform):
    """All images become the same: whoever sees through it sees nothing."""

    def change(self, images, p, generator):
        return images * 0


def weights(network):
    return {name: p.numpy().copy() for name, p in network.named_parameters()}


@pytest.mark.parametrize("name", ["dcgan", "cgan", "gan", "wgan", "wgan-gp"])
def test_all_that_d_sees_and_all_that_g_learns_goes_through_the_transform(name):
    mg.manual_seed(0)
    extra = {"norm": "none"} if name == "wgan" else {"classes": 10} if name == "cgan" else {}
    extra |= {"n_critic": 1} if "w" in name else {}
    model = mg.models.build(name, size=8, width=4, augment="translate", **extra)
    model.augmentation = Blank()
    data = mg.data.load("digits")
    model.prepare(data)
    before = weights(model.generator)
    for k in range(2):
        numbers_ = model.training_step(data.batch(slice(16 * k, 16 * k + 16)))
    for parameter, value in weights(model.generator).items():
        np.testing.assert_array_equal(value, before[parameter], parameter)
    if "d_real" in numbers_:
        assert numbers_["d_real"].item() == numbers_["d_fake"].item()
    if "distance" in numbers_:
        assert numbers_["distance"].item() == 0


def test_each_of_the_three_uses_draws_its_own_transforms():
    mg.manual_seed(0)
    model, calls = mg.models.DCGAN(size=8, width=4, augment="translate"), []
    inner = model.augmentation

    def record(images, p):
        calls.append((images.requires_grad, mg.get_rng_state()["state"]["state"]))
        return inner(images, p)

    model.augmentation = record
    model.training_step(mg.data.load("digits").batch(slice(0, 16)))
    assert [graph for graph, _ in calls] == [False, False, True]  # real, fake for D, fake for G
    assert len({state for _, state in calls}) == 3


def test_adaptive_augmentation_follows_the_sign_of_d_and_stays_in_its_limits():
    ada = mg.augment.Adaptive(target=0.5, every=2, change=0.25, maximum=0.6)
    sure, unsure = mg.tensor([[3.0], [2.0], [0.1], [1.0]]), mg.tensor([[1.0], [1.0], [-1.0], [-0.1]])
    seen = []
    for logits in [sure] * 8 + [unsure] * 8:
        ada.update(logits)
        seen.append(round(ada.p, 6))
    assert seen == [0, 0.25, 0.25, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.35, 0.35, 0.1, 0.1, 0, 0, 0]


def test_adaptive_augmentation_outlives_outputs_that_are_no_numbers():
    ada = mg.augment.Adaptive(every=1)
    for logits, p in ((mg.ones(2, 1), 0.01), (mg.tensor([[math.nan]]), 0.01), (mg.zeros(0, 1), 0.01)):
        ada.update(logits)
        assert ada.p == pytest.approx(p)
    ada.update(mg.tensor([[math.nan], [1.0]]))
    assert ada.p == pytest.approx(0.02)


def test_the_probability_is_part_of_the_state():
    mg.manual_seed(0)
    one, other = (mg.models.DCGAN(size=8, width=4, augment="translate", augment_p="ada") for _ in range(2))
    for _ in range(3):
        one.ada.update(mg.ones(4, 1))
    other.load_state_dict(one.state_dict())
    other.ada.update(mg.ones(4, 1))
    assert other.ada.p == pytest.approx(0.01)


@pytest.mark.parametrize("loss, undecided", [("non_saturating", 0.0), ("lsgan", 0.45), ("hinge", 0.0)])
def test_what_d_takes_for_real_is_above_its_point_of_indecision(loss, undecided):
    model = mg.models.DCGAN(size=8, width=4, network="conv", loss=loss, augment="translate", augment_p="ada")
    assert model._decision(mg.tensor([[undecided]])).item() == pytest.approx(0, abs=1e-6)


# ---- held-out images


def test_the_discriminator_is_asked_about_held_out_images_and_left_as_it_was():
    mg.manual_seed(0)
    data = mg.data.load("digits")
    model = mg.models.CGAN(size=8, width=4, classes=10)
    batch = mg.data.HeldOut(data.subset(np.arange(20)))(data.batch(slice(20, 52)), numbers(0))
    assert sorted(batch["heldout"].sum((1, 2, 3))) == sorted(data.images[:20].sum((1, 2, 3)))
    state = {name: value.numpy().copy() for name, value in model.discriminator.named_buffers()}
    model.heldout_outputs(batch)
    for name, value in model.discriminator.named_buffers():
        np.testing.assert_array_equal(value.numpy(), state[name])
    assert 0 < model.training_step(batch)["d_heldout"].item() < 1


def test_a_gap_between_training_and_held_out_images_is_said():
    model = mg.models.DCGAN(size=8, width=4)
    means = {"loss_d": 1.0, "d_real": 0.8, "d_fake": 0.3}
    assert "overfit" not in model.diagnose(means) and "overfit" not in model.diagnose(means | {"d_heldout": 0.6})
    assert "d_real 0.800, d_heldout 0.400" in model.diagnose(means | {"d_heldout": 0.4})["overfit"]


def test_validation_images_are_none_of_the_training_images():
    from minigen.train import load_split, load_validation

    config = {"data": "digits", "size": None, "seed": 3, "images": 200, "validation": 0.25, "options": {}}
    train, heldout = load_split(config, "train"), load_validation(config)
    whole = load_split(config | {"validation": None}, "train")
    assert (len(train), len(heldout)) == (150, 50)
    rows = [{image.tobytes() for image in part.images} for part in (train, heldout, whole)]
    assert not rows[0] & rows[1] and rows[0] | rows[1] == rows[2]
    assert np.ptp(np.bincount(heldout.labels)) <= 1
    with pytest.raises(ValueError, match=r"--validation: a share of 0\.001 of 200 images is 0: at least 1 is needed"):
        load_split(config | {"validation": 0.001}, "train")


def cli(capsys, *arguments):
    from minigen.cli import main

    code = main(["train", *arguments])
    return code, capsys.readouterr()


def test_training_with_held_out_images_by_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["--data", "digits", "--images", "100", "--validation", "0.2"]
    code, _ = cli(capsys, "gan", *small, "--epochs", "1", "--width", "8", "--augment", "flip", "--augment-p", "ada")
    assert code == 0
    header, *rows = (tmp_path / "runs/gan-digits/log.csv").read_text().splitlines()
    assert header.split(",")[-2:] == ["d_heldout", "augment_p"] and len(rows) == 2  # 80 images, batches of 32
    vae = ["vae", *small, "--network", "mlp", "--width", "4", "--latent", "2", "--lr", "1", "--ema", "0"]
    code, said = cli(capsys, *vae, "--epochs", "9", "--patience", "2")
    measured = (tmp_path / "runs/vae-digits/measures.csv").read_text().splitlines()[1:]
    losses = [float(row.split(",")[2]) for row in measured]
    assert code == 0 and "stopped early" in said.out and len(losses) < 9
    assert min(losses[-2:]) >= min(losses[:-2]) and losses[-2:] != sorted(losses)[:2]
    code, said = cli(capsys, *vae[:3], "--resume")
    assert code == 0 and len((tmp_path / "runs/vae-digits/measures.csv").read_text().splitlines()) == len(losses) + 1


@pytest.mark.parametrize("arguments, message", [
    ("dcgan --validation 1.5", "expected a number between 0 and 1, such as 0.2, got '1.5'"),
    ("dcgan --data digits --validation 0.2 --patience 3", "--patience: needs --validation and a VAE"),
    ("vae --data digits --patience 3", "--patience: needs --validation and a VAE"),
    ("points --data ring8 --validation 0.2", "--validation: points has neither a D of images nor a loss to watch"),
    ("wgan --augment flip --augment-p ada", "a critic's score does not"),
    ("dcgan --augment translate+translate", "expected each transform once, got translate twice"),
    ("dcgan --data digits --images 5 --validation 0.01", "a share of 0.01 of 5 images is 0: at least 1 is needed"),
    ("dcgan --data digits --validation 0.999", "expected at least 2 images to train with, digits has 1 (--validation 0.999)"),
    ("dcgan --data digits --images 10", "10 images to train with (--images 10), fewer than a batch of"),
    ("dcgan --data digits --network conv --l1 inf", "l1 must be a finite number, got inf"),
    ("cgan --data digits --images 5 --batch-size 5", "5 of 10 classes have no image to train with (--images 5)"),
    ("cvae --data digits --images 5 --batch-size 5", "5 of 10 classes have no image to train with (--images 5)"),
])  # fmt: skip
def test_bad_command_lines_leave_no_run(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code, said = cli(capsys, *arguments.split())
    except SystemExit as stopped:
        code, said = stopped.code, capsys.readouterr()
    assert code and message in said.err and not (tmp_path / "runs").exists()
