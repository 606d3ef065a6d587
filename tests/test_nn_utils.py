"""Clipping, spectral norm, parameters as a vector, and the hints for names that are left out."""

import copy
import importlib
import math
import pickle
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import nn
from minigen.check import gradcheck
from minigen.nn import utils


def with_gradients(*arrays):
    parameters = [mg.tensor(np.zeros_like(a), requires_grad=True) for a in arrays]
    for p, a in zip(parameters, arrays):
        p.grad = mg.tensor(a)
    return parameters


@given(st.floats(0.01, 100), st.sampled_from([1.0, 2.0, 3.5, math.inf]), st.integers(0, 99))
def test_clipping_scales_all_gradients_by_one_factor(max_norm, p, seed):
    rng = np.random.default_rng(seed)
    arrays = [rng.standard_normal(s) for s in ((3,), (2, 4), ())]
    parameters = with_gradients(*arrays)
    norm = np.linalg.norm(np.concatenate([a.ravel() for a in map(np.asarray, arrays)]), p)
    total = utils.clip_grad_norm_([*parameters, mg.ones(2)], max_norm, p)
    assert math.isclose(total.item(), norm, rel_tol=1e-12)
    factor = min(max_norm / (norm + 1e-6), 1)
    for parameter, a in zip(parameters, arrays):
        np.testing.assert_allclose(parameter.grad.numpy(), a * factor, rtol=1e-12)


def test_clipping_of_large_infinite_and_no_gradients():
    (p,) = with_gradients(np.full(4, 3e30, np.float32))  # whose squares are beyond float32
    assert math.isclose(utils.clip_grad_norm_(p, 1.0).item(), 6e30, rel_tol=1e-6)
    np.testing.assert_allclose(p.grad.numpy(), 0.5, rtol=1e-6)
    assert utils.clip_grad_norm_(p, math.inf).item() == pytest.approx(1)
    assert utils.clip_grad_norm_([mg.ones(2)], 1.0).item() == 0
    (p,) = with_gradients(np.array([math.inf]))
    with pytest.raises(RuntimeError, match="clip_grad_norm_: the norm of the gradients is inf"):
        utils.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    with pytest.raises(TypeError, match="'max_norm': expected a number, got '1'"):
        utils.clip_grad_norm_(p, "1")
    utils.clip_grad_value_(p, 2.0)
    assert p.grad.item() == 2


def test_parameters_make_a_round_trip_through_a_vector():
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    vector = utils.parameters_to_vector(network.parameters())
    (vector * vector).sum().backward()
    np.testing.assert_allclose(network[0].weight.grad.numpy(), 2 * network[0].weight.numpy(), rtol=1e-6)
    utils.vector_to_parameters(mg.arange(12.0), network.parameters())
    np.testing.assert_array_equal(utils.parameters_to_vector(network.parameters()).numpy(), np.arange(12))
    with pytest.raises(ValueError, match=r"expected a vector of shape \(12,\), got \(11,\)"):
        utils.vector_to_parameters(mg.zeros(11), network.parameters())


@pytest.mark.parametrize(
    ("layer", "shape", "dim"),
    [
        (lambda: nn.Linear(4, 3), (2, 4), 0),
        (lambda: nn.Conv2d(2, 3, 2), (1, 2, 4, 4), 0),
        (lambda: nn.ConvTranspose2d(2, 3, 2), (1, 2, 3, 3), 1),
    ],
)
def test_spectral_norm_divides_by_the_largest_singular_value(layer, shape, dim):
    mg.manual_seed(0)
    x = mg.randn(*shape, dtype=np.float64)
    plain = layer().to("float64")
    before = copy.deepcopy(plain)
    normed = utils.spectral_norm(plain, n_power_iterations=50)
    weight = before.weight.numpy()
    sigma = np.linalg.svd(np.moveaxis(weight, dim, 0).reshape(weight.shape[dim], -1))[1][0]
    before.weight.data = weight / sigma
    np.testing.assert_allclose(normed(x).numpy(), before(x).numpy(), rtol=1e-6)
    assert {"weight_orig", "weight_u", "weight_v", "bias"} == set(normed.state_dict())
    u = normed.weight_u.numpy()
    normed.eval()(x)
    np.testing.assert_array_equal(normed.weight_u.numpy(), u)  # only training refines the vectors

    def function(w):
        normed._parameters["weight_orig"] = w
        return normed(x)

    gradcheck(function, [weight], order=2, name="spectral_norm", names=["weight"], repeats=1).raise_if_wrong()
    normed._parameters["weight_orig"] = nn.Parameter(mg.tensor(weight))
    for twin in (copy.deepcopy(normed), pickle.loads(pickle.dumps(normed))):  # after a forward pass
        np.testing.assert_array_equal(twin(x).numpy(), normed(x).numpy())
    expected = normed(x).numpy()
    utils.remove_spectral_norm(normed)
    assert {"weight", "bias"} == set(normed.state_dict())
    np.testing.assert_allclose(normed(x).numpy(), expected, rtol=1e-12)


def test_spectral_norm_of_what_has_none():
    with pytest.raises(AttributeError, match="spectral_norm: ReLU has no Parameter 'weight'"):
        utils.spectral_norm(nn.ReLU())
    with pytest.raises(ValueError, match=r"at least two dimensions, got shape \(2,\)"):
        utils.spectral_norm(nn.BatchNorm2d(2))
    with pytest.raises(ValueError, match="'weight' of Linear has no spectral norm"):
        utils.remove_spectral_norm(nn.Linear(2, 2))


@pytest.mark.parametrize("room", ["minigen.nn", "minigen.optim", "minigen.optim.lr_scheduler"])
def test_a_torch_name_that_is_left_out_names_a_replacement_that_exists(room):
    module = importlib.import_module(room)
    for name in (*module._REPLACEMENTS, "Nothing"):
        with pytest.raises(AttributeError, match=rf"^{room} has no '{name}': ") as caught:
            getattr(module, name)
        hint = str(caught.value).partition(": ")[2]
        for dotted in re.findall(r"minigen\.([a-zA-Z_.0-9]+\w)", hint):
            found = mg
            for part in dotted.split("."):
                found = getattr(found, part)
        for word in re.findall(r"(?:use|is|or|and|with) ([A-Z]\w+)", hint):
            assert word in module.__all__, hint


def test_functional_has_pytorchs_path():
    import minigen.nn.functional as F

    assert F is mg.functional is nn.functional
