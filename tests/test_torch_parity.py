"""Names, argument order, defaults and semantics against PyTorch itself, where it is installed."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_nn_gradients import CASES, LAYERS

import minigen as mg
import minigen.functional as F

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
TF = torch.nn.functional
cheap = settings(max_examples=10 * settings.default.max_examples)  # for tests that take a millisecond an example

DROPPED = {"inplace", "size_average", "reduce", "return_indices", "ceil_mode", "_stacklevel", "dtype", "antialias",
           "recompute_scale_factor", "layout", "out", "device", "foreach", "fused", "differentiable", "capturable",
           "padding_mode"}  # fmt: skip


def documented(function):
    return [p for p in inspect.signature(function).parameters.values() if p.name not in DROPPED]


def signature(name):
    return documented(getattr(TF, name))


@pytest.mark.parametrize("name", [
    "batch_norm", "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "dropout", "elu",
    "group_norm", "instance_norm", "interpolate", "l1_loss", "layer_norm", "leaky_relu", "mse_loss", "pad", "softmax",
    "log_softmax",
])  # fmt: skip
def test_arguments_come_in_pytorchs_order_with_its_defaults(name):
    theirs = signature(name)
    ours = [p for p in inspect.signature(getattr(F, name)).parameters.values() if p.kind is not p.KEYWORD_ONLY]
    assert [p.name for p in ours] == [p.name for p in theirs][: len(ours)]
    for a, b in zip(ours, theirs):
        if name in ("pad", "interpolate") and a.name in ("value", "align_corners"):
            continue  # None there stands for what ours says outright: 0.0 and False
        assert a.default == b.default or a.name == "dim", (name, a, b)


OURS = {"GaussianNoise", "MinibatchDiscrimination", "MinibatchStdDev"}
"""Layers that PyTorch does not have."""


@pytest.mark.parametrize("name", sorted(set(LAYERS) - {"ModuleDict", "ModuleList", "Sequential"} - OURS))
def test_layers_take_pytorchs_arguments(name):
    """In the same order, with the same defaults; ours may end earlier."""
    recurrent = name in ("GRU", "LSTM")
    layer = torch.nn.RNNBase if recurrent else getattr(torch.nn, name)
    theirs = [p for p in documented(layer.__init__) if p.name not in ("self", *(["mode"] * recurrent))]
    if name in ("BatchNorm1d", "BatchNorm2d", "InstanceNorm2d", "GroupNorm"):
        theirs = [p for p in theirs if p.name != "bias"]
    ours = documented(getattr(mg.nn, name).__init__)
    ours = [p for p in ours if p.name != "self" and p.kind is not p.KEYWORD_ONLY]
    assert [p.name for p in ours] == [p.name for p in theirs[: len(ours)]]
    for a, b in zip(ours, theirs):
        assert a.default == b.default or b.default is None, (a, b)


def flat(outputs):
    """The Tensors of an output: of a recurrent layer those of every step, and its states."""
    return [t for each in outputs for t in flat(each)] if isinstance(outputs, tuple) else [outputs]


RANDOM_OR_OURS = {"Dropout", "Dropout2d", "ModuleDict", "ModuleList", "Sequential"} | OURS


@pytest.mark.parametrize("case", [c for c in CASES if c[0] not in RANDOM_OR_OURS], ids=lambda case: case[0])
def test_layers_compute_what_pytorchs_do(case):
    name, arguments, x, *others = case
    if arguments.get("padding") == "same" and arguments["stride"] != 1:
        pytest.skip("PyTorch refuses this")
    mg.manual_seed(0)
    x = np.random.default_rng(0).standard_normal(x) if isinstance(x, tuple) else x
    ours = getattr(mg.nn, name)(**arguments).to("float64")
    theirs = getattr(torch.nn, name)(
        **{key: torch.tensor(v.numpy()) if isinstance(v, mg.Tensor) else v for key, v in arguments.items()}
    ).double()
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in ours.state_dict().items()})
    for mode in (True, False):
        ours.train(mode)
        theirs.train(mode)
        if mode and arguments.get("dropout"):
            continue  # their random masks are others
        found, expected = ours(*map(mg.tensor, (x, *others))), theirs(*map(torch.tensor, (x, *map(np.array, others))))
        for one, other in zip(flat(found), flat(expected), strict=True):
            np.testing.assert_allclose(one.numpy(), other.detach().numpy(), rtol=1e-9, atol=1e-12)
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value, theirs.state_dict()[key].numpy(), rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.parametrize("make", [
    lambda nn: nn.Linear(4, 3), lambda nn: nn.Conv2d(2, 3, 2), lambda nn: nn.ConvTranspose2d(2, 3, 2),
])  # fmt: skip
def test_spectral_norm(make):
    ours, theirs = mg.nn.utils.spectral_norm(make(mg.nn)), torch.nn.utils.spectral_norm(make(torch.nn))
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    x = np.random.default_rng(0).standard_normal((2, 2, 3, 4)).astype(np.float32)
    for mode in (True, True, False):
        found, expected = ours.train(mode)(mg.tensor(x)), theirs.train(mode)(torch.tensor(x))
        np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-5)


@given(st.sampled_from([0.1, 1.0, 100.0]), st.sampled_from([0.0, 0.5, 1.0, 2.0, math.inf]), st.integers(0, 9))
def test_clipping(limit, norm_type, seed):
    for name, args in (("clip_grad_norm_", (limit, norm_type)), ("clip_grad_value_", (limit,))):
        ours, theirs = both(seed, (3,), (2, 2), ())
        for p, t in zip(ours, theirs, strict=True):
            p.grad, t.grad = mg.tensor(p.numpy() * 2), t.detach() * 2
        totals = getattr(mg.nn.utils, name)(ours, *args), getattr(torch.nn.utils, name)(theirs, *args)
        if name == "clip_grad_norm_":
            np.testing.assert_allclose(totals[0].numpy(), totals[1].numpy(), rtol=1e-9)
        for p, t in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.grad.numpy(), t.grad.numpy(), rtol=1e-9)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_optimizers_take_pytorchs_options(name):
    theirs = {p.name: p.default for p in documented(getattr(torch.optim, name).__init__)}
    for p in inspect.signature(getattr(mg.optim, name).__init__).parameters.values():
        assert p.name in theirs and p.default == theirs[p.name], (name, p)


def both(seed, *shapes):
    arrays = [np.random.default_rng([seed, i]).standard_normal(s) for i, s in enumerate(shapes)]
    ours = [mg.tensor(a, requires_grad=True) for a in arrays]
    return ours, [torch.tensor(a, requires_grad=True) for a in arrays]


def agree(ours, theirs, xs, ts, seed=0):
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-9)
    g = np.random.default_rng(seed).standard_normal(ours.shape)
    for a, b in zip(mg.grad(ours, xs, mg.tensor(g)), torch.autograd.grad(theirs, ts, torch.tensor(g)), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-9)


pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
small = st.tuples(st.integers(0, 2), st.integers(0, 2))


@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), pair, pair, pair, small, small, st.integers(0, 99))
def test_convolutions(groups, c, o, kernel, stride, dilation, padding, extra, seed):
    (x, w, b), (tx, tw, tb) = both(seed, (2, c * groups, 9, 8), (o * groups, c, *kernel), (o * groups,))
    agree(F.conv2d(x, w, b, stride, padding, dilation, groups), TF.conv2d(tx, tw, tb, stride, padding, dilation, groups),
          [x, w, b], [tx, tw, tb])  # fmt: skip
    assume(all(e < max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)))
    (x, w, b), (tx, tw, tb) = both(seed, (2, c * groups, 4, 5), (c * groups, o, *kernel), (o * groups,))
    try:
        theirs = TF.conv_transpose2d(tx, tw, tb, stride, padding, extra, groups, dilation)
    except RuntimeError:
        with pytest.raises(ValueError, match="nothing is left"):
            F.conv_transpose2d(x, w, b, stride, padding, extra, groups, dilation)
        return
    agree(F.conv_transpose2d(x, w, b, stride, padding, extra, groups, dilation), theirs, [x, w, b], [tx, tw, tb])


@pytest.mark.parametrize(("name", "args", "kwargs"), [
    ("max_pool2d", (3, 2, 1), {}), ("max_pool2d", (2, 1, 1, 2), {}), ("avg_pool2d", (3, 2, 1), {}),
    ("avg_pool2d", (3, 2, 1), {"count_include_pad": False}), ("avg_pool2d", (3, 2), {"divisor_override": 4}),
    ("group_norm", (3,), {}), ("instance_norm", (), {}), ("layer_norm", ((6, 5),), {}), ("elu", (0.7,), {}),
    ("leaky_relu", (0.2,), {}), ("softplus", (), {}), ("softmax", (1,), {}), ("log_softmax", (1,), {}),
    ("interpolate", ((9, 4),), {}), ("interpolate", (None, 1.5), {}), ("interpolate", (None, (0.5, 2.0)), {}),
    ("interpolate", ((9, 4),), {"mode": "bilinear"}), ("interpolate", (None, 0.7), {"mode": "bilinear"}),
    ("interpolate", ((9, 4),), {"mode": "bilinear", "align_corners": True}), ("interpolate", (None, 2), {}),
    ("interpolate", (None, (3, 2)), {}), ("interpolate", ((9, 4),), {"mode": "bicubic"}),
    ("interpolate", ((3, 9),), {"mode": "bicubic", "align_corners": True}),
    ("interpolate", (None, 0.7), {"mode": "bicubic"}), ("interpolate", (None, 2), {"mode": "bicubic", "antialias": True}),
    ("interpolate", (None, 0.5), {"mode": "bicubic", "antialias": True}),
    ("interpolate", ((2, 4),), {"mode": "bilinear", "antialias": True}), ("pad", ((1, 2, 2, 1), "reflect"), {}),
    ("pad", ((1, 2, 2, 1), "replicate"), {}), ("pad", ((1, 2, 2, 1), "circular"), {}), ("pad", ((-1, 2, 1, -2),), {}),
])  # fmt: skip
def test_functions_of_images(name, args, kwargs):
    (x,), (tx,) = both(0, (2, 6, 6, 5))
    agree(getattr(F, name)(x, *args, **kwargs), getattr(TF, name)(tx, *args, **kwargs), [x], [tx])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_losses(reduction):
    (x, w), (tx, _) = both(0, (4, 6, 3), (6,))
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 6, (4, 3))
    labels[0, 0] = -100
    target = rng.random((4, 6, 3))
    weight, tweight = mg.tensor(np.abs(w.numpy())), torch.tensor(np.abs(w.numpy()))
    y, ty = mg.tensor(target), torch.tensor(target)
    options = {"reduction": reduction}
    for smoothing in (0.0, 0.1):
        agree(F.cross_entropy(x, mg.tensor(labels), weight, label_smoothing=smoothing, **options),
              TF.cross_entropy(tx, torch.tensor(labels), tweight, label_smoothing=smoothing, **options), [x], [tx])  # fmt: skip
        agree(F.cross_entropy(x, y, weight, label_smoothing=smoothing, **options),
              TF.cross_entropy(tx, ty, tweight, label_smoothing=smoothing, **options), [x], [tx])  # fmt: skip
    agree(F.mse_loss(x, y, **options), TF.mse_loss(tx, ty, **options), [x], [tx])
    agree(F.l1_loss(x, y, **options), TF.l1_loss(tx, ty, **options), [x], [tx])
    agree(F.binary_cross_entropy_with_logits(x, y, pos_weight=y[0], **options),
          TF.binary_cross_entropy_with_logits(tx, ty, pos_weight=ty[0], **options), [x], [tx])  # fmt: skip
    agree(F.binary_cross_entropy(mg.sigmoid(x), y, **options),
          TF.binary_cross_entropy(torch.sigmoid(tx), ty, **options), [x], [tx])  # fmt: skip


@pytest.mark.parametrize(("name", "options"), [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True}), ("AdamW", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5, "weight_decay": 0.1}),
])  # fmt: skip
def test_trajectories(name, options):
    (p,), (tp,) = both(0, (7,))
    ours, theirs = getattr(mg.optim, name)([p], **options), getattr(torch.optim, name)([tp], **options)
    rng = np.random.default_rng(1)
    for _ in range(20):
        g = rng.standard_normal(7)
        p.grad, tp.grad = mg.tensor(g), torch.tensor(g)
        ours.step()
        theirs.step()
        np.testing.assert_allclose(p.numpy(), tp.detach().numpy(), rtol=1e-10, atol=1e-12)


@st.composite
def trees(draw):
    """The same network of both libraries, with shared layers and tied weights."""
    kinds = [("Linear", (3, 3)), ("BatchNorm1d", (3,)), ("Tanh", ())]
    pool = [tuple(getattr(m.nn, name)(*args) for m in (mg, torch)) for name, args in draw(st.lists(
        st.sampled_from(kinds), min_size=1, max_size=4))]  # fmt: skip
    for _ in range(draw(st.integers(0, 3))):  # a Sequential of parts already there, possibly several times
        parts = draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
        pool.append(tuple(m.nn.Sequential(*(part[i] for part in parts)) for i, m in enumerate((mg, torch))))
    linear = [pair for pair in pool if isinstance(pair[0], mg.nn.Linear)]
    if linear and draw(st.booleans()):
        for ours, theirs in linear[1:]:
            ours.weight, theirs.weight = linear[0][0].weight, linear[0][1].weight
    return tuple(m.nn.Sequential(*(pair[i] for pair in pool)) for i, m in enumerate((mg, torch)))


@cheap
@given(trees())
def test_networks_have_pytorchs_names_and_load_its_states(networks):
    ours, theirs = networks
    for walk in ("named_modules", "named_parameters", "named_buffers"):
        for duplicates in (True, False):
            names = [[name for name, _ in getattr(net, walk)(remove_duplicate=duplicates)] for net in networks]
            assert names[0] == names[1], walk
    assert [name for name, _ in ours.named_children()] == [name for name, _ in theirs.named_children()]
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    for name, value in ours.state_dict().items():
        np.testing.assert_array_equal(value, state[name].numpy())
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in ours.state_dict().items()})


SCHEDULES = st.one_of(
    st.tuples(st.just("StepLR"), st.integers(1, 3), st.sampled_from([0.1, 0.5])),
    st.tuples(st.just("MultiStepLR"), st.lists(st.integers(0, 6), max_size=3), st.just(0.5)),
    st.tuples(st.just("ExponentialLR"), st.sampled_from([0.5, 0.9])),
    st.tuples(st.just("LinearLR"), st.sampled_from([0.25, 1.0]), st.sampled_from([0.0, 1.0]), st.integers(1, 4)),
    st.tuples(st.just("CosineAnnealingLR"), st.integers(1, 4), st.sampled_from([0.0, 0.1])),
    st.tuples(st.just("LambdaLR"), st.just(lambda step: 1 / (1 + step))),
)


@cheap
@given(st.lists(SCHEDULES, min_size=1, max_size=3), st.booleans(), st.data())
@pytest.mark.filterwarnings("ignore:Detected call:UserWarning")
def test_schedules(specs, in_sequence, data):
    """Chained or one after another, while rates are set by hand."""
    sides = []
    milestones = sorted(
        data.draw(st.lists(st.integers(1, 6), min_size=len(specs) - 1, max_size=len(specs) - 1, unique=True))
    )
    for package, leaf in ((mg, mg.ones(1)), (torch, torch.ones(1))):
        optimizer = package.optim.SGD([{"params": [leaf]}, {"params": [leaf + 0], "lr": 3.0}], lr=1.0)
        rooms = package.optim.lr_scheduler
        made = [getattr(rooms, name)(optimizer, *args) for name, *args in specs]
        sides.append((optimizer, [rooms.SequentialLR(optimizer, made, milestones)] if in_sequence else made))
    for action in data.draw(st.lists(st.sampled_from(["step", "step", "step", "set"]), max_size=10)):
        for optimizer, schedules in sides:
            if action == "set":
                optimizer.param_groups[0]["lr"] *= 0.7
            for schedule in schedules if action == "step" else ():
                schedule.step()
        found = [[group["lr"] for group in optimizer.param_groups] for optimizer, _ in sides]
        np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12)
        found = [[schedule.get_last_lr() for schedule in schedules] for _, schedules in sides]
        np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-12)


@cheap
@given(st.sampled_from(["min", "max"]), st.sampled_from(["rel", "abs"]), st.integers(0, 2), st.integers(0, 2),
       st.lists(st.sampled_from([1.0, 1.05, 1.2, 2.0, -1.0, math.nan]), max_size=15))  # fmt: skip
def test_plateaus(mode, threshold_mode, patience, cooldown, metrics):
    options = {"mode": mode, "factor": 0.5, "patience": patience, "threshold": 0.1, "threshold_mode": threshold_mode,
               "cooldown": cooldown, "min_lr": 0.2}  # fmt: skip
    ours, theirs = (
        package.optim.lr_scheduler.ReduceLROnPlateau(package.optim.SGD([package.ones(1)], lr=1.0), **options)
        for package in (mg, torch)
    )
    for value in metrics:
        ours.step(value)
        theirs.step(value)
        assert ours.get_last_lr() == theirs.get_last_lr()


EVENTS = ["copy", "pickle", "save", "lr", "weight_decay", "group", "momentum"]
OPTIONS = {
    "SGD": {"lr": 0.1, "momentum": 0.0, "dampening": 0.3},
    "Adam": {"lr": 0.1, "amsgrad": True},
    "AdamW": {"lr": 0.1},
    "RMSprop": {"lr": 0.1, "centered": True, "momentum": 0.5},
}


@cheap
@given(st.sampled_from(sorted(OPTIONS)), st.lists(st.sampled_from(EVENTS), max_size=8))
def test_optimizers_in_any_course_of_events(name, events):
    """Copies, options that change, saving and restoring, and groups that come later, with a step after each."""
    start = np.linspace(-1, 1, 3)
    sides = []
    for package in (mg, torch):
        leaves = [package.tensor(start, requires_grad=True)]
        sides.append((package, leaves, getattr(package.optim, name)(leaves, **OPTIONS[name])))
    for step, event in enumerate(["start", *events]):
        for i, (package, leaves, optimizer) in enumerate(sides):
            if event == "copy":
                leaves, optimizer = copy.deepcopy((leaves, optimizer))
            elif event == "pickle":
                leaves, optimizer = pickle.loads(pickle.dumps((leaves, optimizer)))
            elif event == "save":
                state, groups = optimizer.state_dict(), [{"params": [leaf]} for leaf in leaves]
                optimizer = getattr(package.optim, name)(groups, **OPTIONS[name])
                optimizer.load_state_dict(state)
            elif event == "group":
                leaves.append(package.tensor(start * len(leaves), requires_grad=True))
                optimizer.add_param_group({"params": [leaves[-1]], "lr": 0.5})
            elif event == "momentum" and name == "SGD":  # on or off; PyTorch's RMSprop cannot
                optimizer.param_groups[0]["momentum"] = 0.9 - optimizer.param_groups[0]["momentum"]
            elif event in ("lr", "weight_decay"):
                optimizer.param_groups[0][event] = 0.05
            rng = np.random.default_rng(step)
            for leaf in leaves:
                leaf.grad = package.tensor(rng.standard_normal(3))
            optimizer.step()
            sides[i] = (package, leaves, optimizer)
    for ours, theirs in zip(sides[0][1], sides[1][1], strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-10, atol=1e-12)


def test_dlpack_both_ways():
    a = torch.arange(3.0)
    assert mg.from_dlpack(a).numpy().tolist() == [0, 1, 2]
    assert torch.from_dlpack(mg.ones(2)).tolist() == [1, 1]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@given(seed=st.integers(0, 2**16))
def test_warped_images_and_their_gradients(mode, padding_mode, align_corners, seed):
    rng = np.random.default_rng(seed)
    n, c, h, w, p, q = (int(number) for number in rng.integers(2, 7, 6))  # PyTorch warns of a single pixel
    theta = np.array([[1, 0, 0], [0, 1, 0]]) + rng.normal(0, 0.5, (n, 2, 3))
    image, g = rng.standard_normal((n, c, h, w)), rng.standard_normal((n, c, p, q))
    ours, theirs = mg.tensor(image, requires_grad=True), torch.tensor(image, requires_grad=True)
    grid = F.affine_grid(mg.tensor(theta), (n, c, p, q), align_corners)
    their_grid = TF.affine_grid(torch.tensor(theta), (n, c, p, q), align_corners=align_corners)
    np.testing.assert_allclose(grid.numpy(), their_grid, atol=1e-12)
    # The same grid for both: at a place half-way between two pixels a rounding decides which is the nearest.
    out = F.grid_sample(ours, grid, mode, padding_mode, align_corners)
    their_out = TF.grid_sample(theirs, torch.tensor(grid.numpy()), mode, padding_mode, align_corners)
    np.testing.assert_allclose(out.numpy(), their_out.detach(), atol=1e-12)
    (gradient,) = mg.grad(out, ours, mg.tensor(g))
    their_out.backward(torch.tensor(g))
    np.testing.assert_allclose(gradient.numpy(), theirs.grad, atol=1e-12)
