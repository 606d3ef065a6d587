"""minigen's optimizers against the table of reference rules, in mpmath."""

import numpy as np
import pytest

import minigen as mg
from minigen.check.optimizers import VARIANTS, check_optimizer, gradients, trajectory

OURS = {
    "sgd": lambda p, **o: mg.optim.SGD(p, lr=0.01, **o),
    "sgd_weight_decay": lambda p, **o: mg.optim.SGD(p, lr=0.01, weight_decay=0.1, **o),
    "sgd_momentum": lambda p, **o: mg.optim.SGD(p, lr=0.01, momentum=0.9, **o),
    "sgd_momentum_weight_decay": lambda p, **o: mg.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.1, **o),
    "sgd_momentum_dampening": lambda p, **o: mg.optim.SGD(p, lr=0.01, momentum=0.9, dampening=0.5, **o),
    "sgd_nesterov": lambda p, **o: mg.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True, **o),
    "adam": lambda p, **o: mg.optim.Adam(p, **o),
    "adam_dcgan": lambda p, **o: mg.optim.Adam(p, lr=2e-4, betas=(0.5, 0.999), **o),
    "adam_weight_decay": lambda p, **o: mg.optim.Adam(p, weight_decay=0.1, **o),
    "adam_amsgrad": lambda p, **o: mg.optim.Adam(p, amsgrad=True, **o),
    "adamw": lambda p, **o: mg.optim.AdamW(p, **o),
    "adamw_amsgrad": lambda p, **o: mg.optim.AdamW(p, amsgrad=True, **o),
    "rmsprop": lambda p, **o: mg.optim.RMSprop(p, **o),
    "rmsprop_momentum": lambda p, **o: mg.optim.RMSprop(p, momentum=0.9, **o),
    "rmsprop_centered": lambda p, **o: mg.optim.RMSprop(p, centered=True, **o),
    "rmsprop_centered_momentum": lambda p, **o: mg.optim.RMSprop(p, centered=True, momentum=0.9, **o),
    "rmsprop_weight_decay": lambda p, **o: mg.optim.RMSprop(p, weight_decay=0.1, **o),
}


def stepper(make, **options):
    p = mg.tensor(np.zeros(8), requires_grad=True)
    optimizer = make([p], **options)

    def step(theta, g):
        if not step.begun:
            p.data = theta
            step.begun = True
        p.grad = mg.tensor(g)
        optimizer.step()
        return p.numpy()

    step.begun = False
    return step


def test_every_variant_that_pytorch_has_is_checked_and_every_optimizer_of_ours():
    assert {name for name, v in VARIANTS.items() if "PyTorch" in v.used_by or v.used_by == "all"} == set(OURS)
    made = {type(make([mg.zeros(1, requires_grad=True)])).__name__ for make in OURS.values()}
    assert made == set(mg.optim.__all__) - {"Optimizer", "lr_scheduler"}


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("name", sorted(OURS))
def test_fifty_steps_equal_the_reference(name, maximize):
    assert check_optimizer(stepper(OURS[name], maximize=maximize), name, maximize=maximize) == ""


@pytest.mark.parametrize(
    ("claimed", "actual"), [("adam_eps_hat", "adam"), ("adam", "adamw"), ("sgd_nesterov", "sgd_momentum")]
)
def test_another_variant_is_told_apart_and_named(claimed, actual):
    message = check_optimizer(stepper(OURS[actual]), claimed)
    assert message.startswith(f"differs from {claimed} at step ") and f"it is {actual}," in message


def twins(rates):
    grads = gradients(seed=3)
    start = np.linspace(-1, 1, 8)
    runs = {}
    for name, variant in VARIANTS.items():
        runs[name] = trajectory(name, start, grads, digits=30, lr=[r * variant.options["lr"] for r in rates])
    names = sorted(runs)
    return [
        (a, b) for i, a in enumerate(names) for b in names[i + 1 :] if np.allclose(runs[a], runs[b], rtol=1e-12, atol=0)
    ]


def test_no_two_variants_are_the_same_rule_and_some_only_differ_when_the_learning_rate_changes():
    assert twins([1.0] * 25 + [0.5] * 25) == []
    assert twins([1.0] * 50) == [
        ("rmsprop_momentum", "rmsprop_momentum_lr_inside"),
        ("sgd_momentum", "sgd_momentum_lr_inside"),
        ("sgd_nesterov", "sgd_nesterov_lr_inside"),
    ]


def test_a_single_float32_rounding_of_the_state_is_seen():
    v = [0.0]

    def step(theta, g):
        v[0] = np.float64(np.float32(0.9)) * v[0] + g
        return theta - 0.01 * v[0]

    assert "at step 2" in check_optimizer(step, "sgd_momentum")
