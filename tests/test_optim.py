"""Optimizers' bookkeeping and the schedules.  (Their arithmetic is checked against high precision elsewhere.)"""

import math

import numpy as np
import pytest

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
        (lambda p: SGD(p, lr=-1), ValueError, "lr of 0 or more, got -1"),
        (lambda p: SGD(p, nesterov=True), ValueError, "nesterov needs momentum"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), ValueError, r"betas in \[0, 1\)"),
        (lambda p: RMSprop(p, alpha=1.0), ValueError, r"alpha in \[0, 1\)"),
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


def rates(schedule, steps):
    found = []
    for _ in range(steps):
        found += schedule.get_last_lr()
        schedule.step()
    return found


def test_schedules_follow_their_formulas():
    optimizer = lambda: SGD([mg.ones(1)], lr=2.0)  # noqa: E731
    np.testing.assert_allclose(rates(lr_scheduler.StepLR(optimizer(), 2, 0.1), 5), [2, 2, 0.2, 0.2, 0.02])
    cosine = [1 + math.cos(math.pi * t / 4) for t in range(5)]
    np.testing.assert_allclose(rates(lr_scheduler.CosineAnnealingLR(optimizer(), 4), 5), cosine, atol=1e-12)
    np.testing.assert_allclose(rates(lr_scheduler.LinearLR(optimizer(), 0.5, 1.0, 2), 4), [1, 1.5, 2, 2])


def test_a_restored_schedule_sets_the_rate():
    optimizer = SGD([mg.ones(1)], lr=2.0)
    schedule = lr_scheduler.StepLR(optimizer, 1, 0.5)
    schedule.step()
    saved = schedule.state_dict()
    fresh = SGD([mg.ones(1)], lr=9.0)
    lr_scheduler.StepLR(fresh, 1, 0.5).load_state_dict(saved)
    assert fresh.param_groups[0]["lr"] == 1.0
