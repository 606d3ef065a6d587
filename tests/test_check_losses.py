"""Every loss, found in the register: both orders in every argument, at ordinary and at saturated points.

Arguments are made by their names, which mean the same in every loss: a new loss is checked without a line here, and an
argument of a new name is said to be missing.
"""

import inspect

import numpy as np
import pytest

import minigen as mg
from minigen import losses
from minigen.check import gradcheck
from minigen.losses import LOSSES

SHAPES = {
    "real_scores": (3, 1), "fake_scores": (4, 1), "real_logits": (3, 1), "fake_logits": (4, 1),
    "input_gradients": (3, 2, 2),
    "labelled_logits": (2, 3), "unlabelled_logits": (4, 3), "real_features": (3, 2), "fake_features": (4, 2),
    "mu": (3, 2), "log_var": (3, 2), "prior_mu": (3, 2), "prior_log_var": (3, 2), "eps": (2, 3, 2),
    "u": (2, 3, 2), "log_scale": (2, 3, 2),
    "logits": (2, 3, 2), "mean": (2, 3, 2), "x": (3, 2), "x_back": (3, 2), "y": (3, 2), "y_back": (3, 2),
    "output": (2, 2, 3), "truth": (2, 2, 3), "mask": (2, 1, 3),
    "student_logits": (2, 3),
    "log_likelihood": (2, 3), "kl": (3,), "log_weights": (4, 3), "features": (2, 3, 2, 2),
}  # fmt: skip
NUMBERS = {"beta": 3.0, "epsilon": 0.01, "fake_target": -0.5, "real_target": 0.9, "smoothing": 0.1, "target": 0.8, "weight": 5.0, "temperature": 3.0, "share": 0.7,
           "teacher_logits": np.array([[0.3, -1.2, 2.0], [1.0, 0.1, -0.4]]),
           "labels": np.array([2, 0])}  # fmt: skip
WIDTHS = {"ordinary": 1.0, "saturated": 15.0}
"""Of logits and scores."""


def arrays(rng, name, width, of):
    """Values for the argument: a list of arrays, or one."""
    if name == "parameters":
        return [rng.standard_normal((2, 3)), rng.standard_normal(4)]
    if name == "target" and of == "gram_loss":  # elsewhere a number
        return rng.standard_normal((2, 3, 3))
    if name not in SHAPES:
        raise AssertionError(f"no shape is known for a loss's argument {name!r}: add it to SHAPES or NUMBERS")
    if name == "fake_logits" and of == "semi_supervised_d":  # a row of K logits
        return rng.standard_normal((4, 3)) * width
    if name == "x":  # images
        return rng.uniform(0.2, 0.8, SHAPES[name])
    if name == "mask":
        return rng.uniform(0.2, 0.8, SHAPES[name])
    return rng.standard_normal(SHAPES[name]) * (width if steep(name) else 1.0)


def arguments(name, rng, width, optional):
    """What the loss is called with: arrays by name, numbers by name."""
    tensors, numbers = {}, {}
    for p in inspect.signature(LOSSES[name].function).parameters.values():
        if p.name in NUMBERS and (name, p.name) != ("gram_loss", "target"):
            numbers[p.name] = NUMBERS[p.name]
        elif p.default is not None or optional:
            tensors[p.name] = arrays(rng, p.name, width, name)
    return tensors, numbers


def has_optional(name):
    return any(p.default is None for p in inspect.signature(LOSSES[name].function).parameters.values())


def as_function(name, tensors, numbers):
    """The loss as a function of its arrays, these, and what they are called."""
    function = LOSSES[name].function
    if "parameters" in tensors:  # the one argument that is a list
        names = [f"parameters[{i}]" for i in range(len(tensors["parameters"]))]
        return lambda *given: function(list(given), **numbers), tensors["parameters"], names
    names = list(tensors)
    return lambda *given: function(**dict(zip(names, given)), **numbers), list(tensors.values()), names


def steep(argument):
    """Arguments whose size decides whether a loss is saturated."""
    return argument.endswith(("scores", "logits")) or argument == "log_weights"


CASES = [
    (name, width)
    for name in sorted(LOSSES)
    for width in WIDTHS
    if width == "ordinary" or any(map(steep, inspect.signature(LOSSES[name].function).parameters))
]


@pytest.mark.parametrize(("name", "width"), CASES)
def test_gradients_of_both_orders(name, width):
    optional = has_optional(name) and width == "ordinary"
    tensors, numbers = arguments(name, np.random.default_rng(3), WIDTHS[width], optional)
    call, point, names = as_function(name, tensors, numbers)
    gradcheck(call, point, order=2, name=name, names=names, repeats=1).raise_if_wrong()


def test_the_gradient_penalty_in_the_weights_of_its_critic():
    """The loss is itself made of a gradient: its own two orders are the second and the third of the critic."""
    rng = np.random.default_rng(0)
    real, fake, mix = mg.tensor(rng.standard_normal((2, 3))), mg.tensor(rng.standard_normal((2, 3))), rng.random(2)

    def loss(w, v):
        return losses.gradient_penalty(losses.critic_gradients(lambda x: (x @ w.T).tanh() @ v, real, fake, mix))

    point = [rng.standard_normal((2, 3)), rng.standard_normal(2)]
    gradcheck(loss, point, order=2, name="gradient_penalty", names=["w", "v"], repeats=1).raise_if_wrong()


@pytest.mark.parametrize("place", ["real", "fake"])
def test_r1_and_r2_in_the_weights_of_the_discriminator(place):
    rng = np.random.default_rng(0)
    images = mg.tensor(rng.standard_normal((2, 3)) + (place == "fake"))

    def loss(w, v):
        return losses.zero_centred_penalty(losses.input_gradients(lambda x: (x @ w.T).tanh() @ v, images), 3.0)

    point = [rng.standard_normal((2, 3)), rng.standard_normal(2)]
    gradcheck(loss, point, order=2, name="zero_centred", names=["w", "v"], repeats=1).raise_if_wrong()
