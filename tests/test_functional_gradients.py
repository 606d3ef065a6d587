"""Every function, layer and optimizer of minigen, found in `__all__`: values against the definition, gradients against
differences, both orders."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import kernels
from minigen.check import gradcheck
from minigen.check.adapters.ours import table
from minigen.check.catalogue import CATALOGUE
from minigen.check.examine import examine
from minigen.check.strategies import cases

pytestmark = pytest.mark.usefixtures("reference_kernels")

F, nn = mg.functional, mg.nn

ELSEWHERE = {
    "dropout": "test_dropout_is_linear_in_its_input_for_a_fixed_mask",
    "one_hot": "has no gradient: integers in",
}


def test_every_function_is_in_the_catalogue():
    assert set(F.__all__) - set(CATALOGUE) == set(ELSEWHERE)
    assert set(table) == set(CATALOGUE)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
@given(data=st.data())
def test_values_gradients_and_gradients_of_gradients(name, data):
    case = data.draw(cases(name))
    fn, vjp, double = table[name]
    with kernels.use("reference"):
        findings = examine(fn, vjp, CATALOGUE[name], case, double, data.draw(st.integers(0, 2**16)))
    assert all(f.verdict == "right" or "kink" in f.reason for f in findings), [str(f) for f in findings]


def test_dropout_is_linear_in_its_input_for_a_fixed_mask():
    def dropout(x):
        return F.dropout(x, 0.4, generator=np.random.default_rng(5))

    gradcheck(dropout, np.linspace(-1, 1, 12).reshape(3, 4), order=2).expect_right()


def module(name):
    """Each layer, small, and a shape that it takes."""
    made = {
        "AvgPool2d": (lambda: nn.AvgPool2d(2), (1, 2, 4, 4)),
        "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (5, 3)),
        "BatchNorm2d": (lambda: nn.BatchNorm2d(2), (3, 2, 2, 2)),
        "Conv2d": (lambda: nn.Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 5, 4)),
        "ConvTranspose2d": (lambda: nn.ConvTranspose2d(2, 3, 4, 2, 1), (1, 2, 3, 2)),
        "Dropout": (lambda: nn.Dropout(0.5).eval(), (3, 4)),
        "ELU": (lambda: nn.ELU(), (3, 4)),
        "Flatten": (lambda: nn.Flatten(), (2, 3, 2)),
        "GroupNorm": (lambda: nn.GroupNorm(2, 4), (2, 4, 3)),
        "Identity": (lambda: nn.Identity(), (3, 4)),
        "InstanceNorm2d": (lambda: nn.InstanceNorm2d(2, affine=True), (2, 2, 3, 2)),
        "LayerNorm": (lambda: nn.LayerNorm(4), (3, 4)),
        "LeakyReLU": (lambda: nn.LeakyReLU(0.2), (3, 4)),
        "Linear": (lambda: nn.Linear(4, 3), (2, 4)),
        "MaxPool2d": (lambda: nn.MaxPool2d(2), (1, 2, 4, 4)),
        "ModuleList": (lambda: nn.ModuleList([nn.Linear(4, 3)])[0], (2, 4)),
        "ReLU": (lambda: nn.ReLU(), (3, 4)),
        "Sequential": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), (2, 4)),
        "Sigmoid": (lambda: nn.Sigmoid(), (3, 4)),
        "Softplus": (lambda: nn.Softplus(), (3, 4)),
        "Tanh": (lambda: nn.Tanh(), (3, 4)),
        "Unflatten": (lambda: nn.Unflatten(1, (2, 2)), (3, 4)),
        "Upsample": (lambda: nn.Upsample(scale_factor=2), (1, 2, 3, 2)),
    }
    return made[name]


NO_LAYERS = {"Module", "Parameter", "init"}
LAYERS = sorted(set(nn.__all__) - NO_LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_layers_in_their_input_and_every_parameter(name):
    make, shape = module(name)
    mg.manual_seed(1)
    layer = make().to("float64")
    rng = np.random.default_rng(0)
    slots = [(owner, key) for owner in layer.modules() for key in owner._parameters]

    def with_parameters(x, *values):
        kept = [owner._parameters[key] for owner, key in slots]
        try:
            for (owner, key), v in zip(slots, values):
                owner._parameters[key] = v
            return layer(x)
        finally:
            for (owner, key), old in zip(slots, kept):
                owner._parameters[key] = old

    point = [rng.standard_normal(shape), *(rng.standard_normal(owner._parameters[key].shape) for owner, key in slots)]
    names = ["input", *(key for _, key in slots)]
    with kernels.use("reference"):
        gradcheck(with_parameters, point, order=2, name=name, names=names, repeats=1).expect_right()
