"""Optimizers' bookkeeping and the schedules.  (Their arithmetic is checked against high precision elsewhere.)"""

import copy
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen.optim import SGD, Adam, AdamW, RMSprop, lr_scheduler

ALL = {
    "SGD": lambda p: SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: Adam(p, lr=0.1, amsgrad=True),
    "AdamW": lambda p: AdamW(p, lr=0.1),
    "RMSprop": lambda p: RMSprop(p, lr=0.1, centered=True, momentum=0.5),
}


def parameters():
    rng = np.random.default_rng(0)
    return [mg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((3,), (2, 2))]


def train(optimizer, params, steps, seed):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in params:
            p.grad = mg.tensor(rng.standard_normal(p.shape))
        optimizer.step()


@pytest.mark.parametrize("name", ALL)
def test_a_saved_optimizer_continues_as_if_never_stopped(name):
    whole, cut = parameters(), parameters()
    straight, first = ALL[name](whole), ALL[name](cut)
    train(straight, whole, 3, 1)
    train(first, cut, 3, 1)
    saved = first.state_dict()
    second = ALL[name](cut)
    second.load_state_dict(saved)
    train(straight, whole, 3, 2)
    train(second, cut, 3, 2)
    for a, b in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("kernel_set", ["reference", "auto"])
@pytest.mark.parametrize("name", ALL)
def test_a_step_of_all_parameters_has_the_bits_of_one_after_another(name, kernel_set):
    """Whatever they are: of several sizes and dtypes, without a gradient at times, and two with one memory."""

    def build():
        rng = np.random.default_rng(3)
        made = [mg.tensor(rng.standard_normal(s), requires_grad=True) for s in ((3,), (2, 50, 400), (), (0, 2), (7, 5))]
        wide = mg.tensor(rng.standard_normal(4), dtype=np.float64, requires_grad=True)
        shared = made[0].detach()
        shared.requires_grad = True
        return [*made[:2], wide, *made[2:], shared]

    together, apart = build(), build()
    one, many = ALL[name](together), [ALL[name]([p]) for p in apart]
    rng = np.random.default_rng(4)
    with mg.kernels.use(kernel_set):
        for step in range(4):
            for i, (p, q) in enumerate(zip(together, apart)):
                if step == 1 and i in (1, 4):
                    p.grad = q.grad = None
                else:
                    p.grad, q.grad = (mg.tensor(g, dtype=p.dtype) for g in [rng.standard_normal(p.shape)] * 2)
            one.step()
            for optimizer in many:
                optimizer.step()
    for p, q in zip(together, apart, strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())
    assert one.state_dict()["state"][1]["step"] == 3 and one.state_dict()["state"][0]["step"] == 4


def test_a_step_is_one_call_of_a_kernel():
    calls = []

    def counted(params, *rest):
        calls.append(len(params))

    params = [mg.tensor(np.ones(3), requires_grad=True) for _ in range(5)]
    optimizer = Adam(params)
    with mg.kernels.register("adam_steps", counted):
        train(optimizer, params, 2, 0)
        params[2].grad = None
        optimizer.step()
        train(optimizer, params, 1, 0)  # the one in the middle is a step behind
    assert calls == [5, 5, 4, 2, 1, 2]


@pytest.mark.parametrize("name", ALL)
def test_a_step_goes_downhill_and_leaves_the_gradient_alone(name):
    p = mg.tensor([2.0, -3.0], requires_grad=True)
    optimizer = ALL[name]([p])
    (p * p).sum().backward()
    g = p.grad.numpy().copy()
    optimizer.step()
    assert (np.abs(p.numpy()) < [2, 3]).all()
    np.testing.assert_array_equal(p.grad.numpy(), g)
    optimizer.zero_grad()
    assert p.grad is None
    before = p.numpy().copy()
    optimizer.step()
    np.testing.assert_array_equal(p.numpy(), before)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, RMSprop])
def test_maximize_climbs_with_any_number_of_dimensions(kind):
    params = [mg.tensor(np.ones(shape), requires_grad=True) for shape in ((), (1,), (2, 0), (2, 3))]
    for p in params:
        p.grad = p.detach()
    kind(params, lr=0.5, maximize=True).step()
    assert all((p.numpy() > 1).all() for p in params)


def test_maximize_climbs():
    p = mg.tensor([1.0], requires_grad=True)
    p.grad = mg.tensor([2.0])
    SGD([p], lr=0.5, maximize=True).step()
    assert p.item() == 2


def test_groups_have_options_of_their_own():
    a, b = parameters()
    optimizer = SGD([{"params": [a], "lr": 1.0}, {"params": [b]}], lr=0.1)
    starts = a.numpy().copy(), b.numpy().copy()
    a.grad, b.grad = mg.ones_like(a), mg.ones_like(b)
    optimizer.step()
    np.testing.assert_allclose(starts[0] - a.numpy(), 1.0)
    np.testing.assert_allclose(starts[1] - b.numpy(), 0.1)


def test_a_step_makes_an_old_graph_say_that_it_is_stale():
    p = mg.tensor([2.0], requires_grad=True)
    loss = (p * p).sum()
    p.grad = mg.ones(1)
    SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match=r"mul: argument 'input' .* was changed after the forward pass"):
        loss.backward()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: SGD([]), ValueError, "no parameters"),
        (lambda p: SGD(p[0]), TypeError, "put it in a list"),
        (lambda p: SGD([p[0], p[0]]), ValueError, r"shape \(3,\) is listed twice"),
        (lambda p: SGD([p[0] * 2]), TypeError, "leaf Tensors"),
        (lambda p: SGD(p, lr=-1), ValueError, "'lr': expected a finite number of at least 0, got -1"),
        (lambda p: SGD(p, lr="0.1"), TypeError, "'lr': expected a number, got '0.1'"),
        (lambda p: SGD(p, lr=math.nan), ValueError, "'lr': expected a finite number of at least 0, got nan"),
        (lambda p: SGD(p, nesterov="yes"), TypeError, "'nesterov': expected True or False, got 'yes'"),
        (lambda p: SGD([{"params": p, "nesterov": True}]), ValueError, "nesterov needs momentum"),
        (lambda p: Adam(p, betas=0.9), TypeError, "'betas': expected two numbers, got 0.9"),
        (lambda p: SGD(p).add_param_group({"params": [p[1]]}), ValueError, r"shape \(2, 2\) is listed twice"),
        (lambda p: SGD(p).add_param_group(p), TypeError, "expected a group .* got list"),
        (lambda p: SGD(p, nesterov=True), ValueError, "nesterov needs momentum"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), ValueError, "'betas': expected at least 0, below 1, got 1.0"),
        (lambda p: RMSprop(p, alpha=1.0), ValueError, "'alpha': expected at least 0, below 1, got 1.0"),
        (lambda p: SGD([{"params": p, "rate": 1}]), ValueError, r"unknown options \['rate'\]"),
        (
            lambda p: SGD(p).load_state_dict(SGD(p[:1]).state_dict()),
            ValueError,
            r"groups of \[1\] parameters, expected \[2\]",
        ),
    ],
)
def test_bad_options_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make(parameters())


def test_a_state_of_other_shapes_is_refused():
    p = parameters()
    optimizer = Adam(p)
    train(optimizer, p, 1, 0)
    other = Adam([mg.tensor(np.ones(4), requires_grad=True), p[1]])
    with pytest.raises(ValueError, match=r"exp_avg of parameter 0 has shape \(3,\), expected \(4,\)"):
        other.load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("other", sorted(ALL))
@pytest.mark.parametrize("name", sorted(ALL))
def test_a_state_of_another_optimizer_is_refused_and_changes_nothing(name, other):
    p = parameters()
    saved = ALL[other](p)
    train(saved, p, 1, 0)
    optimizer = ALL[name](p)
    train(optimizer, p, 1, 0)
    if name == other:
        optimizer.load_state_dict(saved.state_dict())
        return
    before = optimizer.state_dict()
    with pytest.raises(ValueError, match=f"^{name}: the state is of another optimizer: .*expected"):
        optimizer.load_state_dict(saved.state_dict())
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_an_incomplete_state_is_refused():
    p = parameters()
    optimizer = Adam(p)
    train(optimizer, p, 1, 0)
    state = optimizer.state_dict()
    del state["state"][1]["exp_avg"]
    with pytest.raises(ValueError, match=r"Adam: state of parameter 1 lacks \['exp_avg'\]"):
        optimizer.load_state_dict(state)
    with pytest.raises(ValueError, match="Adam: expected a state with 'state' and 'param_groups'"):
        optimizer.load_state_dict({})
    state = optimizer.state_dict()
    state["param_groups"][0]["lr"] = "0.1"
    with pytest.raises(TypeError, match=r"'lr': expected a number, got '0.1'"):
        optimizer.load_state_dict(state)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("name", sorted(ALL))
def test_a_copied_network_and_optimizer_go_on_alike(name, copied):
    network = mg.nn.Linear(3, 2).to("float64")
    optimizer = ALL[name](network.parameters())
    train(optimizer, list(network.parameters()), 3, 0)
    twin, twins_optimizer = copied((network, optimizer))
    train(optimizer, list(network.parameters()), 2, 1)
    train(twins_optimizer, list(twin.parameters()), 2, 1)
    np.testing.assert_equal(twins_optimizer.state_dict(), optimizer.state_dict())
    np.testing.assert_equal(twin.state_dict(), network.state_dict())


LATER = {  # optimizer, an option turned on after the first step, the same run in plain NumPy: state, g -> movement
    ("SGD", "momentum", 0.9): lambda s, g: (
        s.setdefault("v", []).append(0.9 * s["v"][-1] + g if s["v"] else g) or s["v"][-1]
    ),
    ("RMSprop", "momentum", 0.9): lambda s, g: (
        s.update(v=0.9 * s.get("v", 0) + g / (np.sqrt(s["sq"]) + 1e-8)) or s["v"]
    ),
    ("RMSprop", "centered", True): lambda s, g: (
        s.update(m=s.get("m", 0) + 0.01 * (g - s.get("m", 0))) or g / (np.sqrt(s["sq"] - s["m"] ** 2) + 1e-8)
    ),
}


@pytest.mark.parametrize(("name", "option", "value"), LATER)
def test_an_option_may_be_turned_on_later_and_off_again(name, option, value):
    p = mg.tensor(np.zeros(3), requires_grad=True)
    optimizer = {"SGD": SGD, "RMSprop": RMSprop}[name]([p], lr=0.1)
    gradients = np.random.default_rng(0).standard_normal((5, 3))
    expected, memory, square = np.zeros(3), {}, np.zeros(3)
    for i, g in enumerate(gradients):
        on = 1 <= i < 4
        optimizer.param_groups[0][option] = value if on else type(value)(0)
        square = 0.99 * square + 0.01 * g * g
        memory["sq"] = square
        plain = g if name == "SGD" else g / (np.sqrt(square) + 1e-8)
        expected = expected - 0.1 * (LATER[name, option, value](memory, g) if on else plain)
        p.grad = mg.tensor(g)
        optimizer.step()
        np.testing.assert_allclose(p.numpy(), expected, rtol=1e-12, err_msg=f"step {i}")


def test_amsgrad_turned_on_later_remembers_the_maximum_from_then_on():
    p = mg.tensor(np.zeros(1), requires_grad=True)
    optimizer = Adam([p], lr=0.1, betas=(0.0, 0.5))
    for i, g in enumerate([1.0, 4.0, 1.0]):
        optimizer.param_groups[0]["amsgrad"] = i > 0
        p.grad = mg.tensor([g], dtype="float64")
        optimizer.step()
    v = [0.5, 0.25 + 8, 0.125 + 4 + 0.5]
    moved = [1 / np.sqrt(v[0] / 0.5), 4 / np.sqrt(v[1] / 0.75), 1 / np.sqrt(v[1] / 0.875)]
    np.testing.assert_allclose(p.numpy(), [-0.1 * sum(moved)], rtol=1e-6)


def test_a_group_added_later_learns_with_its_options():
    a, b = parameters()
    optimizer = SGD([a], lr=0.1)
    train(optimizer, [a], 1, 0)
    optimizer.add_param_group({"params": b, "lr": 1.0})
    start = b.numpy().copy()
    a.grad, b.grad = mg.ones_like(a), mg.ones_like(b)
    optimizer.step()
    np.testing.assert_allclose(start - b.numpy(), 1.0)
    state = optimizer.state_dict()
    other = SGD([{"params": [a]}, {"params": [b]}], lr=0.5)
    other.load_state_dict(state)
    assert [group["lr"] for group in other.param_groups] == [0.1, 1.0]


def rates(schedule, steps):
    found = []
    for _ in range(steps):
        found += schedule.get_last_lr()
        schedule.step()
    return found


@settings(max_examples=5 * settings.default.max_examples)
@given(st.floats(0.01, 10), st.integers(1, 6), st.floats(0.1, 1), st.floats(0, 1))
def test_schedules_follow_their_formulas(base, n, start, end):
    def followed(name, *args):
        return rates(getattr(lr_scheduler, name)(SGD([mg.ones(1)], lr=base), *args), len(t))

    t = np.arange(4 * n + 2)
    low = base * end / 2
    for name, args, factors in (
        ("StepLR", (n, start), start ** (t // n)),
        ("MultiStepLR", ([n, 2 * n, n], start), start ** (2.0 * (t >= n) + (t >= 2 * n))),
        ("ExponentialLR", (start,), start**t),
        ("LinearLR", (start, end, n), start + (end - start) * np.minimum(t, n) / n),
        ("LambdaLR", (lambda step: start / (1 + step),), start / (1 + t)),
        ("CosineAnnealingLR", (n, low), (low + (base - low) * (1 + np.cos(np.pi * t / n)) / 2) / base),
    ):
        np.testing.assert_allclose(followed(name, *args), base * factors, rtol=1e-9, atol=1e-9, err_msg=name)


def test_schedules_follow_one_another_from_the_starting_rate():
    optimizer = SGD([{"params": [mg.ones(1)]}, {"params": [mg.ones(1)], "lr": 2.0}], lr=1.0)
    warm_up = lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 3)
    cosine = lr_scheduler.CosineAnnealingLR(optimizer, 4)
    assert cosine.base_lrs == [1.0, 2.0]
    schedule = lr_scheduler.SequentialLR(optimizer, [warm_up, cosine], [3])
    factors = [0.1, 0.4, 0.7, *((1 + math.cos(math.pi * t / 4)) / 2 for t in range(5))]
    np.testing.assert_allclose(rates(schedule, 8), np.outer(factors, [1, 2]).ravel(), atol=1e-12)


def test_a_schedule_goes_on_from_a_rate_set_by_hand_and_takes_in_new_groups():
    optimizer = SGD([mg.ones(1)], lr=1.0)
    schedule = lr_scheduler.StepLR(optimizer, 1, 0.5)
    optimizer.param_groups[0]["lr"] = 8.0
    optimizer.add_param_group({"params": [mg.ones(1)], "lr": 2.0})
    schedule.step()
    assert schedule.get_last_lr() == [4.0, 1.0] and schedule.base_lrs == [1.0, 2.0]


def test_a_plateau_lowers_the_rate_and_a_cooldown_waits():
    optimizer = SGD([mg.ones(1)], lr=1.0)
    schedule = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=2, min_lr=0.25)
    found = []
    for loss in [3, 2, 2, mg.tensor(2.0), 2, 2, 2, 2, 2, 2, 2, 2]:
        schedule.step(loss)
        found += schedule.get_last_lr()
    assert found == [1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25]


def test_a_restored_schedule_and_optimizer_go_on_alike():
    def make(lr):
        optimizer = SGD([mg.ones(1)], lr=lr)
        parts = [lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 3), lr_scheduler.ExponentialLR(optimizer, 0.9)]
        return optimizer, lr_scheduler.SequentialLR(optimizer, parts, [4])

    for stop in range(7):
        for order in (0, 1):
            saved, fresh = make(1.0), make(7.0)
            rates(saved[1], stop)
            states = [part.state_dict() for part in saved]
            for i in (order, 1 - order):
                fresh[i].load_state_dict(copy.deepcopy(states[i]))
            assert rates(fresh[1], 4) == rates(saved[1], 4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda o, s: s.StepLR(o.param_groups, 1), TypeError, "StepLR: expected an Optimizer, got list"),
        (lambda o, s: s.StepLR(o, 0), ValueError, "StepLR: argument 'step_size': expected an integer of at least 1"),
        (lambda o, s: s.LinearLR(o, 0.0), ValueError, "LinearLR: argument 'start_factor': expected a number above 0"),
        (lambda o, s: s.LambdaLR(o, [abs, abs]), ValueError, "LambdaLR: expected 1 functions.* got 2"),
        (lambda o, s: s.ExponentialLR(o, "0.9"), TypeError, "'gamma': expected a number, got '0.9'"),
        (lambda o, s: s.SequentialLR(o, [s.StepLR(o, 1)], [2]), ValueError, "one milestone less .* got 1 and 1"),
        (
            lambda o, s: s.SequentialLR(o, [s.ReduceLROnPlateau(o)], []),
            TypeError,
            "expected schedules of steps, got ReduceLROnPlateau",
        ),
        (
            lambda o, s: s.SequentialLR(SGD([mg.ones(1)]), [s.StepLR(o, 1)], []),
            ValueError,
            "StepLR is of another optimizer",
        ),
        (
            lambda o, s: s.StepLR(o, 1).load_state_dict(s.LinearLR(o).state_dict()),
            ValueError,
            "StepLR: the state is of another schedule: it has .*start_factor.*expected .*step_size",
        ),
        (lambda o, s: s.ReduceLROnPlateau(o, "low"), ValueError, "'mode': expected 'min' or 'max', got 'low'"),
        (lambda o, s: s.ReduceLROnPlateau(o, min_lr=[0, 0]), ValueError, "'min_lr': expected 1 numbers"),
    ],
)
def test_bad_schedules_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make(SGD([mg.ones(1)], lr=1.0), lr_scheduler)
