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


# ---- spectral norm while u and v follow the weight


def training_norm(n_power_iterations=200):
    mg.manual_seed(0)
    layer = nn.Linear(4, 3).to("float64")
    weight = layer.weight.numpy()
    normed = utils.spectral_norm(layer, n_power_iterations=n_power_iterations)

    def function(w):
        normed._parameters["weight_orig"] = w
        return normed(mg.tensor(np.random.default_rng(0).standard_normal((2, 4))))

    return normed, function, weight


def test_the_gradient_of_spectral_norm_in_training_is_the_true_one():
    _, function, weight = training_norm()
    w = mg.tensor(weight, requires_grad=True)
    g = np.random.default_rng(1).standard_normal((2, 3))
    (found,) = mg.grad((function(w) * mg.tensor(g)).sum(), w)
    x = np.random.default_rng(0).standard_normal((2, 4))
    u, s, v = np.linalg.svd(weight)
    inner = g.T @ x  # the gradient in the divided weight
    by_hand = (inner - (inner * weight / s[0]).sum() * np.outer(u[:, 0], v[0])) / s[0]
    np.testing.assert_allclose(found.numpy(), by_hand, rtol=1e-9)
    gradcheck(function, [weight], order=1, name="spectral_norm", names=["weight"], repeats=1).raise_if_wrong()
    detached = inner / s[0]
    assert np.abs(detached - by_hand).max() > 0.1 * np.abs(by_hand).max()  # sigma is no constant


def test_the_second_derivative_of_spectral_norm_in_its_weight_is_refused_in_training_only():
    normed, function, weight = training_norm()
    w = mg.tensor(weight, requires_grad=True)
    (first,) = mg.grad((function(w) ** 2).sum(), w, create_graph=True)
    with pytest.raises(RuntimeError, match="spectral_norm: the second derivative in the weight would be wrong"):
        mg.grad((first * first).sum(), w)
    normed.eval()
    (first,) = mg.grad((function(w) ** 2).sum(), w, create_graph=True)
    assert np.isfinite(mg.grad((first * first).sum(), w)[0].numpy()).all()


def test_a_gradient_penalty_through_spectral_norm_is_right():
    """It needs the derivative in the weight once only, after one in the input."""
    normed, _, weight = training_norm()
    x = mg.tensor(np.random.default_rng(2).standard_normal((3, 4)))

    def penalty(w):
        normed._parameters["weight_orig"] = w
        return mg.losses.zero_centred_penalty(mg.losses.input_gradients(lambda x: normed(x).tanh().sum(1), x))

    gradcheck(penalty, [weight], order=1, name="r1", names=["weight"], repeats=1).raise_if_wrong()


# ---- other parameters


def network():
    mg.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).to("float64")


def test_a_functional_call_computes_with_the_given_tensors_and_leaves_the_module_as_it_was():
    module, x = network(), mg.tensor(np.random.default_rng(0).standard_normal((5, 3)))
    before = module(x).numpy()
    names = [name for name, _ in module.named_parameters()]

    def function(*values):
        return utils.functional_call(module, dict(zip(names, values)), x)

    rng = np.random.default_rng(1)
    point = [rng.standard_normal(p.shape) for p in module.parameters()]
    w, b, w2, b2 = point
    np.testing.assert_allclose(
        function(*map(mg.tensor, point)).numpy(), np.tanh(x.numpy() @ w.T + b) @ w2.T + b2, rtol=1e-12
    )
    np.testing.assert_array_equal(module(x).numpy(), before)
    assert all(isinstance(p, nn.Parameter) for p in module.parameters())
    gradcheck(function, point, order=2, name="functional_call", names=names, repeats=1).raise_if_wrong()
    partly = utils.functional_call(module, {"2.bias": mg.tensor(b2)}, (x,))
    np.testing.assert_allclose(partly.numpy(), before - module[2].bias.numpy() + b2, rtol=1e-12)


def test_a_functional_call_replaces_buffers_and_tied_weights_and_restores_after_an_error():
    norm = nn.BatchNorm1d(2).eval()
    out = utils.functional_call(norm, {"running_mean": mg.ones(2)}, mg.ones(3, 2))
    np.testing.assert_array_equal(out.numpy(), 0)
    assert norm.running_mean.numpy().tolist() == [0, 0]
    tied = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    tied[1].weight = tied[0].weight
    twice = utils.functional_call(tied, {"0.weight": 2 * mg.eye(2)}, mg.ones(1, 2))
    assert twice.numpy().tolist() == [[4, 4]] and tied[1].weight is tied[0].weight
    weight = tied[0].weight
    with pytest.raises(ValueError, match=r"'2.weight'|no parameter or buffer '2.weight'"):
        utils.functional_call(tied, {"0.weight": mg.eye(2), "2.weight": mg.eye(2)}, mg.ones(1, 2))
    with pytest.raises(
        ValueError, match=r"functional_call: '0.weight': expected a Tensor of shape \(2, 2\), got \(3,\)"
    ):
        utils.functional_call(tied, {"0.weight": mg.ones(3)}, mg.ones(1, 2))
    with pytest.raises(ValueError, match="linear"):
        utils.functional_call(tied, {"0.weight": mg.eye(2)}, mg.ones(1, 3))
    assert tied[0].weight is weight


def test_update_bn_takes_plain_means_over_the_batches_and_keeps_the_mode():
    rng = np.random.default_rng(0)
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Dropout(0.5)).eval()
    module[2].train()
    batches = [rng.standard_normal((n, 3)).astype(np.float32) for n in (4, 6, 5)]
    module[1].running_mean, momentum = mg.tensor([7.0, 8.0]), module[1].momentum
    utils.update_bn([mg.tensor(batches[0]), (mg.tensor(batches[1]), "label"), [mg.tensor(batches[2])]], module)
    hidden = [b @ module[0].weight.numpy().T + module[0].bias.numpy() for b in batches]
    np.testing.assert_allclose(module[1].running_mean.numpy(), np.mean([h.mean(0) for h in hidden], 0), rtol=1e-5)
    np.testing.assert_allclose(module[1].running_var.numpy(), np.mean([h.var(0, ddof=1) for h in hidden], 0), rtol=1e-5)
    assert module[1].momentum == momentum and int(module[1].num_batches_tracked) == 3
    assert [m.training for m in module] == [False, False, True]
    plain = nn.Linear(3, 2)
    utils.update_bn(iter(lambda: pytest.fail("a module without batch norm is not run"), None), plain)


def test_functional_call_and_update_bn_are_pytorchs():
    torch = pytest.importorskip("torch")
    module, x = network(), np.random.default_rng(0).standard_normal((5, 3))
    twin = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)).double()
    given = {name: np.random.default_rng(1).standard_normal(p.shape) for name, p in module.named_parameters()}
    theirs = torch.func.functional_call(twin, {k: torch.tensor(v) for k, v in given.items()}, torch.tensor(x))
    ours = utils.functional_call(module, {k: mg.tensor(v) for k, v in given.items()}, mg.tensor(x))
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-12)
    ours, theirs = nn.BatchNorm1d(3).to("float64"), torch.nn.BatchNorm1d(3).double()
    batches = [np.random.default_rng(i).standard_normal((4, 3)) for i in range(3)]
    utils.update_bn(map(mg.tensor, batches), ours)
    torch.optim.swa_utils.update_bn(map(torch.tensor, batches), theirs)
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        np.testing.assert_allclose(getattr(ours, name).numpy(), getattr(theirs, name).numpy(), rtol=1e-12)
