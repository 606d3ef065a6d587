"""Compression: what is pruned, rounded, folded and distilled, and the file that holds it."""

import copy
import hashlib
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigen as mg
from minigen import nn
from minigen._util.safetensors_file import array_hash, read_safetensors
from minigen.cli import compress as compress_command
from minigen.cli import judge_samples, main
from minigen.compress import (
    FORMAT,
    distill,
    fine_tune,
    fold_batch_norm,
    integer_activations,
    load,
    prune,
    quantize,
    quantize_array,
    save,
)
from minigen.compress.quantize import output_axes
from minigen.data import Dataset
from minigen.losses import l1_penalty
from minigen.metrics import measure_family
from minigen.metrics.classifier import Classifier
from minigen.models import GenerativeModel, build, families
from minigen.optim import SGD, Adam
from minigen.train import CheckpointError, RunError, load_trained

pytestmark = pytest.mark.usefixtures("plain_kernels")

RUNS = {"dcgan": ["--network", "conv", "--ema", "0.9"], "vae": ["--network", "mlp"]}
F32 = np.float32
U32, U64 = 2.0**-24, 2.0**-53


def numbers(seed):
    return np.random.default_rng(seed)


def set_values(module, random):
    """Random weights, and random statistics of batch norms."""
    for name, value in module._state().items():
        if value.dtype.kind == "f":
            drawn = random.standard_normal(value.shape)
            drawn = np.abs(drawn) + 0.1 if name.endswith("running_var") else drawn
            value.data = np.asarray(drawn, value.dtype)
    return module.eval()


# ---- batch norm


def layers():
    """A layer with its batch norm, an input, and how many products one of its outputs adds."""
    return {
        "linear": (nn.Linear(7, 6), [nn.BatchNorm1d(6)], (5, 7), 7),
        "linear without bias": (nn.Linear(7, 6, bias=False), [nn.BatchNorm1d(6, affine=False)], (5, 7), 7),
        "linear, unflatten": (nn.Linear(7, 12), [nn.Unflatten(1, (3, 2, 2)), nn.BatchNorm2d(3)], (5, 7), 7),
        "conv": (nn.Conv2d(4, 6, 4, 2, 1, groups=2), [nn.BatchNorm2d(6)], (2, 4, 6, 6), 2 * 16),
        "conv1d": (nn.Conv1d(3, 4, 3, bias=False), [nn.BatchNorm1d(4)], (2, 3, 6), 9),
        "transposed": (nn.ConvTranspose2d(4, 6, 4, 2, 1, groups=2, bias=False), [nn.BatchNorm2d(6)], (2, 4, 3, 3), 32),
        "transposed1d": (nn.ConvTranspose1d(3, 4, 3), [nn.BatchNorm1d(4)], (2, 3, 6), 9),
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", layers())
@given(seed=st.integers(0, 2**32))
def test_a_folded_batch_norm_computes_the_same_to_the_derived_bound(kind, dtype, seed):
    layer, after, shape, products = layers()[kind]
    random = numbers(seed)
    network = set_values(nn.Sequential(layer, *after).to(dtype), random)
    norm = after[-1]
    x = random.standard_normal(shape).astype(dtype)
    with mg.no_grad():
        before = network(mg.tensor(x)).numpy()
        # The bound: the layer with absolute values, |W||x| + |b|, then |s| (... + |mu|) + |beta|.
        size = copy.deepcopy(nn.Sequential(layer, *after[:-1]))
        for p in size.parameters():
            p.data = np.abs(p.data)
        added = size(mg.tensor(np.abs(x))).numpy()
        channel = [1, -1] + [1] * (added.ndim - 2)
        mean, variance = (t.numpy().reshape(channel) for t in (norm.running_mean, norm.running_var))
        gamma, beta = (1.0, 0.0) if norm.weight is None else (
            np.abs(t.numpy().reshape(channel)) for t in (norm.weight, norm.bias))  # fmt: skip
        bound = gamma / np.sqrt(variance + norm.eps) * (added + np.abs(mean)) + beta
        assert fold_batch_norm(network) == [str(len(after))]
        after_fold = network(mg.tensor(x)).numpy()
    assert after_fold.dtype == dtype
    roundoff = U64 if dtype == "float64" else U32
    assert (np.abs(after_fold - before) <= (2 * products + 15) * roundoff * bound).all()
    assert isinstance(network[len(after)], nn.Identity) and not np.array_equal(after_fold, np.zeros_like(after_fold))


def test_what_cannot_be_folded_stays():
    shared, tied = nn.Linear(3, 3), nn.Linear(3, 3)
    tied.weight = shared.weight
    networks = {
        "a layer used twice": nn.Sequential(shared, nn.BatchNorm1d(3), shared),
        "a weight used twice": nn.Sequential(shared, nn.BatchNorm1d(3), tied),
        "a hook": nn.Sequential(nn.utils.spectral_norm(nn.Linear(3, 3)), nn.BatchNorm1d(3)),
        "no statistics": nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, track_running_stats=False)),
        "not linear between": nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.BatchNorm1d(3)),
        "nothing before": nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 3)),
        "instance norm": nn.Sequential(nn.Conv2d(3, 3, 1), nn.InstanceNorm2d(3, track_running_stats=True)),
        "other channels": nn.Sequential(nn.Linear(3, 12), nn.Unflatten(1, (4, 3)), nn.BatchNorm1d(4)),
    }
    assert {name: fold_batch_norm(network) for name, network in networks.items()} == {
        **{name: [] for name in networks},
        "other channels": ["2"],
    }
    assert fold_batch_norm(nn.Sequential(nn.Linear(3, 12), nn.Unflatten(1, (3, 4)), nn.BatchNorm1d(3))) == ["2"]
    assert (
        fold_batch_norm(nn.Sequential(nn.Linear(3, 12), nn.Unflatten(1, (2, 6)), nn.Flatten(), nn.BatchNorm1d(12)))
        == []
    )


# ---- int8


finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
weights = hnp.arrays(F32, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4), elements=finite)


@given(weight=weights, axis=st.integers(-4, 3))
def test_rounding_to_int8_changes_a_weight_by_half_a_step(weight, axis):
    axis = axis % weight.ndim
    found = quantize_array(weight, axis)
    assert found.codes.dtype == np.int8 and found.codes.shape == weight.shape and found.scales.dtype == F32
    assert (found.scales > 0).all() and (np.abs(found.codes.astype(int)) <= 127).all()
    shape = [1] * weight.ndim
    shape[axis] = -1
    scales = found.scales.astype(np.float64).reshape(shape)
    error = np.abs(found.expand().astype(np.float64) - weight.astype(np.float64))
    assert (error <= scales * (0.5 + 127 * U32)).all()
    assert (found.expand()[weight == 0] == 0).all()
    np.testing.assert_array_equal(quantize_array(-weight, axis).codes, -found.codes)
    np.testing.assert_array_equal(quantize_array(found.expand(), axis).codes, found.codes)


@pytest.mark.parametrize("weight", [2.0**-149, 190 * 2.0**-149, 3.4028235e38, 1.0, 0.0])
def test_the_bound_holds_at_the_ends_of_float32(weight):
    found = quantize_array(np.array([weight, weight / 3], F32))
    error = np.abs(found.expand().astype(np.float64) - np.array([weight, weight / 3], F32))
    assert np.isfinite(found.expand()).all() and (error <= found.scales.astype(np.float64) * (0.5 + 127 * U32)).all()
    assert weight or (found.scales.tolist() == [1.0, 1.0] and not found.codes.any())


@given(seed=st.integers(0, 2**32))
def test_the_output_of_a_layer_changes_within_the_derived_bound(seed):
    random = numbers(seed)
    for layer, x in (
        (nn.Linear(9, 4), random.standard_normal((3, 9))),
        (nn.ConvTranspose2d(3, 4, 3, 2, 1), random.standard_normal((2, 3, 4, 4))),
    ):
        set_values(layer.to("float64"), random)
        rounded, size = copy.deepcopy(layer), copy.deepcopy(layer)
        scales = quantize(rounded)["weight"].scales.astype(np.float64)
        size.weight.data, size.bias.data = np.ones(size.weight.shape), np.zeros(size.bias.shape)
        with mg.no_grad():
            change = np.abs(rounded(mg.tensor(x)).numpy() - layer(mg.tensor(x)).numpy())
            inputs = size(mg.tensor(np.abs(x))).numpy()  # the sum of |x| that reaches each output
        bound = scales.reshape(-1, *[1] * (x.ndim - 2)) * (0.5 + 127 * U32) * inputs
        assert (change <= bound * (1 + 1e-9)).all() and change.max() > 0


def test_scales_are_those_of_output_channels_so_that_an_integer_sum_is_possible():
    random = numbers(0)
    layer = nn.ConvTranspose2d(3, 5, 4, 2, 1, bias=False)
    layer.weight.data = (random.standard_normal((3, 5, 4, 4)) * np.array([1, 8, 64]).reshape(3, 1, 1, 1)).astype(F32)
    found = quantize_array(layer.weight.numpy(), output_axes(layer)["weight"])
    x = random.integers(-127, 128, (2, 3, 4, 4))
    exact = nn.functional.conv_transpose2d(
        mg.tensor(x.astype(np.float64)), mg.tensor(found.codes.astype(np.float64)), None, 2, 1
    ).numpy()
    assert np.array_equal(exact, np.rint(exact)), "a sum of integers"
    float_sum = nn.functional.conv_transpose2d(
        mg.tensor(x.astype(np.float64)), mg.tensor(found.expand().astype(np.float64)), None, 2, 1
    ).numpy()
    from_integers = exact * found.scales.astype(np.float64)[:, None, None]
    np.testing.assert_allclose(from_integers, float_sum, rtol=0, atol=1e-6 * np.abs(float_sum).max())


def test_products_of_int8_are_exact_in_float32_up_to_1040_terms():
    a, b = np.full((1, 1040), 127), np.full((1040, 1), 127)
    assert (a.astype(F32) @ b.astype(F32)).item() == (a @ b).item() < 2**24
    random = numbers(1)
    a, b = random.integers(-127, 128, (20, 1040)), random.integers(-127, 128, (1040, 20))
    np.testing.assert_array_equal(a.astype(F32) @ b.astype(F32), a @ b)


def test_quantize_keeps_what_has_one_dimension_and_names_nan():
    network = set_values(nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)), numbers(2))
    before = network.state_dict()
    found = quantize(network)
    assert list(found) == ["0.weight"]
    for name, value in network.state_dict().items():
        assert np.array_equal(value, before[name]) == (name != "0.weight"), name
    network[0].weight.data = np.full((3, 2, 3, 3), np.nan, F32)
    with pytest.raises(ValueError, match=r"the weight '0.weight' contains NaN"):
        quantize(network)


def test_activations_are_rounded_inside_the_block_only_and_outliers_are_cut():
    layer = nn.Linear(1000, 1000, bias=False).eval()
    layer.weight.data = np.eye(1000, dtype=F32)
    x = numbers(3).standard_normal((4, 1000)).astype(F32)
    x[0, 0] = 100.0
    plain = layer(mg.tensor(x)).numpy()
    errors = {}
    for quantile in (1.0, 0.999):
        with integer_activations(layer, mg.tensor(x), quantile, bits=4) as scales:
            y = layer(mg.tensor(x)).numpy()
        inside = np.abs(x) <= 7 * scales[0]
        np.testing.assert_array_less(np.abs(y - x)[inside], scales[0] / 2 * (1 + 1e-6))
        errors[quantile] = np.median(np.abs(y - x))
    assert scales[0] == pytest.approx(np.quantile(np.abs(x), 0.999) / 7) and errors[0.999] < errors[1.0] / 5
    np.testing.assert_array_equal(layer(mg.tensor(x)).numpy(), plain)
    with pytest.raises(ValueError, match="evaluation mode"), integer_activations(layer.train(), mg.tensor(x)):
        pass


# ---- pruning


@given(seed=st.integers(0, 2**32), amount=st.floats(0, 1, exclude_max=True), scope=st.sampled_from(["global", "layer"]))
def test_prune_removes_the_smallest_and_keeps_all_shapes(seed, amount, scope):
    network = set_values(
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(27, 4)), numbers(seed)
    )
    before = network.state_dict()
    masks = prune(network, amount, scope)
    after = network.state_dict()
    assert {name: a.shape for name, a in after.items()} == {name: b.shape for name, b in before.items()}
    pruned = ["0.weight", "3.weight"]
    for group in [pruned] if scope == "global" else [[name] for name in pruned]:
        old, new = (np.concatenate([state[name].ravel() for name in group]) for state in (before, after))
        zero = new == 0
        assert zero.sum() == math.floor(amount * len(old))
        assert not zero.any() or np.abs(old[zero]).max() <= np.abs(old[~zero]).min()
        np.testing.assert_array_equal(new[~zero], old[~zero])
    for name in set(before) - set(pruned):
        np.testing.assert_array_equal(after[name], before[name])
    assert masks.total == 54 + 108 and masks.kept == sum(np.count_nonzero(after[name]) for name in pruned)


def test_masks_hold_against_the_moments_of_adam():
    layer = set_values(nn.Linear(10, 10), numbers(4))
    optimizer = Adam(layer.parameters(), 0.1)

    def step():
        layer(mg.ones(3, 10)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()  # moments that are not 0
    masks = prune(layer, 0.6)
    step()
    assert np.count_nonzero(layer.weight.numpy()) == 100, "without the masks the weights come back"
    masks.apply([optimizer])
    state = optimizer.state[layer.weight]
    zero = layer.weight.numpy() == 0
    assert zero.sum() == 60
    for moment in ("exp_avg", "exp_avg_sq"):
        assert not state[moment][zero].any() and state[moment][~zero].all()
    assert optimizer.state[layer.bias]["exp_avg"].all()


def test_a_tied_weight_is_pruned_once_and_equal_weights_by_position():
    a, b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    b.weight = a.weight
    a.weight.data = np.ones((4, 4), F32)
    masks = prune(nn.Sequential(a, b), 0.5)
    assert masks.total == 16 and a.weight is b.weight
    assert a.weight.numpy().ravel().tolist() == [0.0] * 8 + [1.0] * 8


@pytest.mark.parametrize("amount", [-0.1, 1.0, 1.5, math.nan])
def test_a_share_out_of_range_is_refused(amount):
    with pytest.raises(ValueError, match=r"prune: argument 'amount': expected at least 0, below 1"):
        prune(nn.Linear(2, 2), amount)


def test_what_cannot_be_pruned_is_named():
    with pytest.raises(ValueError, match="BatchNorm2d has no weights with two or more dimensions"):
        prune(nn.BatchNorm2d(3), 0.5)
    layer = nn.Linear(2, 2)
    layer.weight.data = np.array([[1, np.inf], [0, 0]], F32)
    with pytest.raises(ValueError, match="the weight 'weight' contains NaN or infinite values"):
        prune(layer, 0.5)
    with pytest.raises(ValueError, match="'scope'"):
        prune(nn.Linear(2, 2), 0.5, scope="layers")


# ---- the file


def network(seed=0):
    layers = nn.Sequential(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.ConvTranspose2d(6, 5, 4), nn.Flatten())
    return set_values(layers, numbers(seed))


@given(seed=st.integers(0, 2**32), amount=st.sampled_from([0.0, 0.1, 0.6, 0.99]), int8=st.booleans())
def test_a_file_gives_back_what_it_was_given(tmp_path_factory, seed, amount, int8):
    path = tmp_path_factory.mktemp("file") / "a.safetensors"
    original, other = network(seed), network(seed + 1)
    prune(original, amount)
    found = save(path, original, int8=int8, about={"text": "é", "number": 1.5})
    assert load(path, other) == {"text": "é", "number": 1.5}
    if int8:
        quantize(original)
    for name, value in original.state_dict().items():
        got = other.state_dict()[name]
        assert got.dtype == value.dtype and np.array_equal(got, value), name
    assert path.stat().st_size == found.file_bytes
    assert found.values == sum(v.size for v in original.state_dict().values())
    assert found.zeros == sum(np.sum(v == 0) for v in original.state_dict().values())


def test_each_form_has_the_bytes_that_the_table_promises(tmp_path):
    layer = set_values(nn.Linear(100, 80, bias=False), numbers(5))

    def stored(int8):
        path = tmp_path / "a.safetensors"
        save(path, layer, int8=int8)
        return sum(array.nbytes for array in read_safetensors(path)[1].values())

    assert (stored(False), stored(True)) == (4 * 8000, 8000 + 4 * 80)
    prune(layer, 0.8)
    codes = quantize_array(layer.weight.numpy()).codes
    assert np.count_nonzero(codes) == 1600
    assert (stored(False), stored(True)) == (4 * 1600 + 1000, 1600 + 1000 + 4 * 80)
    prune(layer, 0.0)
    layer.weight.data = np.where(np.arange(8000).reshape(80, 100) % 100 == 0, 0, 1).astype(F32)
    assert stored(False) == 4 * 8000, "1 % of zeros does not pay for the mask"


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path):
    def tied():
        a, b = nn.Linear(50, 50, bias=False), nn.Linear(50, 50, bias=False)
        b.weight = a.weight
        return set_values(nn.Sequential(a, b), numbers(6))

    one, two = tied(), tied()
    one[0].weight.data = numbers(7).standard_normal((50, 50)).astype(F32)
    found = save(tmp_path / "a.safetensors", one)
    assert found.values == 2500 and found.file_bytes < 11_000
    load(tmp_path / "a.safetensors", two)
    assert two[0].weight is two[1].weight
    np.testing.assert_array_equal(two[1].weight.numpy(), one[0].weight.numpy())


def test_a_folded_file_folds_the_module_that_it_is_read_into(tmp_path):
    original, other = network(8), network(9)
    x = mg.tensor(numbers(10).standard_normal((2, 2, 5, 5)).astype(F32))
    wanted = original(x).numpy()
    folded = fold_batch_norm(original)
    save(tmp_path / "a.safetensors", original, folded=folded)
    load(tmp_path / "a.safetensors", other)
    np.testing.assert_array_equal(other(x).numpy(), original(x).numpy())
    np.testing.assert_allclose(other(x).numpy(), wanted, rtol=1e-4, atol=1e-4)
    wider = nn.Sequential(nn.Conv2d(2, 7, 3), nn.BatchNorm2d(7), nn.ReLU(), nn.ConvTranspose2d(7, 5, 4), nn.Flatten())
    with pytest.raises(ValueError, match=r"a.safetensors does not fit: .*0.weight has shape \(6, 2, 3, 3\)"):
        load(tmp_path / "a.safetensors", wider)
    assert isinstance(wider[1], nn.BatchNorm2d), "what does not fit changes nothing"
    plain = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU())
    with pytest.raises(ValueError, match=r"a.safetensors does not fit: its folded batch norms are 1, not none"):
        load(tmp_path / "a.safetensors", plain)


def test_every_damaged_byte_is_noticed_in_one_line_that_names_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    original, other = network(11), network(12)
    prune(original, 0.5)
    save(path, original, int8=True)
    before = other.state_dict()
    whole = path.read_bytes()
    for place in np.linspace(0, len(whole) - 1, 40).astype(int).tolist():
        flipped = whole[:place] + bytes([whole[place] ^ (1 << place % 8)]) + whole[place + 1 :]
        for damaged in (flipped, whole[:place]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"a\.safetensors (is damaged|is no compressed network)") as error:
                load(path, other)
            assert "\n" not in str(error.value)
    assert all(np.array_equal(value, before[name]) for name, value in other.state_dict().items())


def hostile(change):
    """A file with a right hash whose record or tensors `change` has edited."""

    def write(path):
        original = network(13)
        prune(original, 0.7)
        save(path, original, int8=True)
        metadata, arrays = read_safetensors(path)
        record = json.loads(metadata["record"])
        record = change(record, arrays) or record
        text = record if isinstance(record, str) else json.dumps(record)
        metadata = {"format": FORMAT, "record": text, "sha256": array_hash(arrays, text)}
        path.write_bytes(safetensors.numpy.save(arrays, metadata))

    return write


def entry(name, **values):
    return lambda record, arrays: record["tensors"][name].update(values)


def array(name, value):
    return lambda record, arrays: arrays.update({name: value})


HOSTILE = {
    "no JSON": (lambda r, a: "{", "its record is no JSON"),
    "too deep": (lambda r, a: "[" * 100_000, "its record is no JSON"),
    "a list": (lambda r, a: "[]", "has not the fields tensors, folded and about"),
    "folded is a text": (lambda r, a: {**r, "folded": "1"}, "has not the fields"),
    "folded numbers": (lambda r, a: {**r, "folded": [1]}, "names of its folded batch norms"),
    "an entry is a number": (lambda r, a: {**r, "tensors": {"0.weight": 3}}, "an entry of its record is no object"),
    "shape is a text": (entry("0.weight", shape="6"), "the shape of '0.weight' is '6'"),
    "shape is negative": (entry("0.weight", shape=[-6, 2, 3, 3]), "the shape of '0.weight'"),
    "shape is huge": (entry("0.weight", shape=[2**39, 2**39, 3, 3]), "the mask of '0.weight' does not fit"),
    "shape is huge, dense": (entry("0.bias", shape=[2**39]), "'0.bias' has 6 values for the shape"),
    "another shape": (entry("0.weight", shape=[2, 6, 3, 3]), "the scales of '0.weight' do not fit"),
    "the same as itself": (entry("0.bias", same="0.bias"), "'0.bias' is the same as '0.bias', which it does not hold"),
    "the same as a list": (entry("0.bias", same=[]), r"'0.bias' is the same as \[\]"),
    "the mask is gone": (lambda r, a: a.pop("0.weight$mask") is None, "the mask of '0.weight' does not fit"),
    "the mask has more places": (array("0.weight$mask", np.full(14, 255, np.uint8)), "values for 108 places"),
    "the tensor is gone": (lambda r, a: a.pop("0.bias") is None, "the tensor '0.bias' is missing"),
    "the axis is a text": (entry("0.weight", axis="0"), "'0.weight' is no int8 tensor with channels in dimension '0'"),
    "the axis is too large": (entry("0.weight", axis=4), "no int8 tensor with channels in dimension 4"),
    "the axis of floats": (entry("0.bias", axis=0), "'0.bias' is no int8 tensor"),
    "scales are gone": (lambda r, a: a.pop("0.weight$scale") is None, "the scales of '0.weight' do not fit"),
    "a scale is NaN": (array("0.weight$scale", np.full(6, np.nan, F32)), "of '0.weight' are out of range"),
    "a scale is negative": (array("0.weight$scale", np.full(6, -1, F32)), "of '0.weight' are out of range"),
    "an unknown tensor": (lambda r, a: r["tensors"].update({"9.bias": r["tensors"]["0.bias"]}), "is missing"),
    "one tensor fewer": (lambda r, a: r["tensors"].pop("0.bias") and None, "does not fit: .*missing 0.bias"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_with_a_right_hash_is_refused(tmp_path, name):
    change, message = HOSTILE[name]
    path = tmp_path / "a.safetensors"

    def edit(record, arrays):
        changed = change(record, arrays)
        return None if isinstance(changed, bool) else changed

    hostile(edit)(path)
    other = network(14)
    before = other.state_dict()
    with pytest.raises(ValueError, match=f"a.safetensors.*{message}") as error:
        load(path, other)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    assert all(np.array_equal(value, before[key]) for key, value in other.state_dict().items())


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(FileNotFoundError):
        load(path, network())
    path.write_bytes(safetensors.numpy.save({"a": np.zeros(2, F32)}))
    with pytest.raises(
        ValueError, match=r"is no compressed network: expected the format 'minigen-compressed-1', got None"
    ):
        load(path, network())
    save(path, network())
    with pytest.raises(ValueError, match=r"a.safetensors does not fit: Linear: state does not fit: missing weight"):
        load(path, nn.Linear(2, 2))
    layer = nn.Linear(2, 2)
    layer.bias.data = np.array([0, np.nan], F32)
    with pytest.raises(ValueError, match=r"compress: 'bias' contains NaN or infinite values"):
        save(tmp_path / "b.safetensors", layer)
    assert not (tmp_path / "b.safetensors").exists()


# ---- distillation and further training


def classifier(seed, width=2):
    mg.manual_seed(seed)
    return Classifier(8, 1, 3, width)


def digits(n=96):
    random = numbers(0)
    labels = np.arange(n) % 3
    images = random.uniform(-1, 1, (n, 1, 8, 8)) * 0.2 + np.array([-0.6, 0.0, 0.6])[labels].reshape(-1, 1, 1, 1)
    return Dataset("levels", images.astype(F32), labels, ("a", "b", "c"))


def test_a_student_learns_what_its_teacher_says_and_not_the_labels():
    data = digits()
    teacher = classifier(0, 4)
    wrong = Dataset("wrong", data.images, (data.labels + 1) % 3, data.classes)
    distill(classifier(2), teacher, data, 1)  # in evaluation mode afterwards
    from minigen.metrics.classifier import fit_classifier

    fit_classifier(teacher, wrong, 60, 0, 1e-2, 0.0)
    before = teacher.state_dict()
    student = classifier(1)
    distill(teacher.train(), student, data, 60, lr=1e-2, share=1.0)
    assert teacher.training and not student.training
    assert all(np.array_equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert (student.predict(data.images) == wrong.labels).mean() > 0.9


def test_a_pruned_network_keeps_its_zeros_while_it_learns():
    data = digits()
    teacher = classifier(0)
    student = copy.deepcopy(teacher)
    masks = prune(student, 0.7)
    zero = {name: value == 0 for name, value in student.state_dict().items() if value.ndim > 1}
    before = student.state_dict()
    distill(teacher, student, data, 5, masks=masks)
    for name, where in zero.items():
        assert not student.state_dict()[name][where].any() and where.any()
        assert not np.array_equal(student.state_dict()[name], before[name])


def test_a_generator_learns_the_images_of_its_teacher():
    mg.manual_seed(0)
    teacher, student = (build("cgan", size=8, latent=3, width=4, classes=3) for _ in range(2))
    for i, model in enumerate((teacher, student)):
        set_values(model.generator, numbers(i))
    z = numbers(1).standard_normal((12, 3)).astype(F32)
    before, state = np.square(teacher.decode(z, 1) - student.decode(z, 1)).mean(), teacher.state_dict()
    discriminator = student.discriminator.state_dict()
    stream = mg.get_rng_state()
    distill(teacher, student, steps=40, lr=1e-2)
    assert mg.get_rng_state() == stream
    assert np.square(teacher.decode(z, 1) - student.decode(z, 1)).mean() < before / 2
    assert all(np.array_equal(value, state[name]) for name, value in teacher.state_dict().items())
    assert all(np.array_equal(v, discriminator[name]) for name, v in student.discriminator.state_dict().items())


def test_a_pruned_generator_keeps_its_zeros_while_it_learns():
    mg.manual_seed(0)
    teacher = build("dcgan", size=8, latent=3, width=2)
    student = copy.deepcopy(teacher)
    masks = prune(student.generator, 0.6)
    before = student.generator.state_dict()
    distill(teacher, student, steps=3, masks=masks)
    for name, value in student.generator.state_dict().items():
        if value.ndim > 1:
            assert not value[before[name] == 0].any() and not np.array_equal(value, before[name]), name


@pytest.mark.parametrize(
    ("teacher", "student", "message"),
    [
        (("vae", {}), ("vae", {}), "expected two GANs or two classifiers, got vae"),
        (("dcgan", {}), ("wgan", {}), "the teacher is a dcgan, the student a wgan; expected one family"),
        (("dcgan", {"latent": 3}), ("dcgan", {"latent": 4}), "the teacher's latent is 3, the student's 4"),
        (("dcgan", {"channels": 3}), ("dcgan", {}), r"the teacher's shape is \(3, 8, 8\), the student's \(1, 8, 8\)"),
    ],
)
def test_a_student_that_does_not_fit_is_named(teacher, student, message):
    models = [build(name, **{"size": 8, "width": 4, **options}) for name, options in (teacher, student)]
    with pytest.raises(ValueError, match=f"distill: {message}"):
        distill(*models, steps=1)


def test_classifiers_that_do_not_fit_are_named():
    mg.manual_seed(0)
    with pytest.raises(ValueError, match=r"the teacher's outputs are \(2, 3\), the student's \(2, 4\)"):
        distill(classifier(0), Classifier(8, 1, 4, 2), digits(), 1)
    with pytest.raises(ValueError, match="classifiers need a dataset with labels"):
        distill(classifier(0), classifier(1), steps=1)


# ---- models and runs


OWN = {
    "aae": {}, "cgan": {"classes": 3}, "cvae": {"classes": 3, "network": "mlp"}, "dcgan": {"ema": 0.5},
    "ssgan": {"outputs": 3}, "vae": {"network": "mlp"}, "iwae": {"network": "mlp"}, "repair": {"adversarial": 0.1},
    "rcgan": {"classes": 3, "steps": 4, "features": 2, "kind": "series"},
    "specgan": {"classes": 3, "steps": 32, "features": 32},
}  # fmt: skip


def tiny(name, seed=0):
    mg.manual_seed(seed)
    known = {each.name for each in families()[name].Options.specifications()}
    given = {"size": 8, "channels": 1, "latent": 3, "width": 4, **OWN.get(name, {})}
    return build(name, **{key: value for key, value in given.items() if key in known})


def outputs(model):
    if isinstance(model, GenerativeModel):
        return model.sample(6, numbers(0))
    images = numbers(0).uniform(-1, 1, (2, 1, 8, 8)).astype(F32)
    return model.apply(images)


@pytest.mark.parametrize("name", families())
def test_every_family_makes_the_same_from_a_smaller_file(name, tmp_path):
    model, other = tiny(name), tiny(name, seed=1)
    if getattr(model, "average", None) is not None:  # samples are made with the average, not with the last weights
        for p in model.average.parameters():
            p.data = p.data + F32(0.01)
    wanted, whole = outputs(model), sum(value.nbytes for value in model.state_dict().values())
    model.drop_training_parts()
    np.testing.assert_array_equal(outputs(model), wanted)
    found = save(tmp_path / "a.safetensors", model)
    load(tmp_path / "a.safetensors", other.drop_training_parts())
    np.testing.assert_array_equal(outputs(other), wanted)
    kept = {child for child, _ in model.named_children()}
    assert found.float_bytes <= whole and not kept & set(type(model).TRAINING_ONLY) and not model.optimizers
    if isinstance(model, GenerativeModel):
        prune(model, 0.5)
        save(tmp_path / "b.safetensors", model, int8=True, folded=fold_batch_norm(model))
        load(tmp_path / "b.safetensors", other)
        assert np.isfinite(outputs(other)).all()


@pytest.fixture
def runs(trained, tmp_path, monkeypatch):
    shutil.copytree(trained / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def said(capsys, *command, code=0):
    capsys.readouterr()
    assert main(list(command)) == code, capsys.readouterr().err
    streams = capsys.readouterr()
    return streams.err if code else streams.out


def test_a_compressed_run_samples_evaluates_and_says_what_it_is(runs, capsys):
    before = {path: path.read_bytes() for path in (runs / "dcgan").rglob("*") if path.is_file()}
    text = said(capsys, "compress", "dcgan", "--prune", "0.5", "--int8", "--fold", "--epochs", "0")
    assert {path: path.read_bytes() for path in before} == before
    path = runs / "dcgan-compressed" / "compressed.safetensors"
    assert f"{path.stat().st_size:,}" in text and "int8 saves bytes, not time" in text
    assert sorted(p.name for p in path.parent.iterdir()) == ["compressed.safetensors", "config.json"]
    trained = load_trained("dcgan-compressed")
    weights = [p.numpy() for p in trained.model.parameters() if p.ndim > 1]
    zeros = sum(int(np.sum(w == 0)) for w in weights)
    assert zeros >= sum(w.size for w in weights) // 2 and trained.model.discriminator is None
    what = "50% of the weights pruned, 1 batch norms folded, int8; compressed from runs/dcgan"
    assert trained.compression == what and load_trained("dcgan").compression == ""
    assert trained.step == load_trained("dcgan").step
    assert what in said(capsys, "sample", "dcgan-compressed", "-n", "4")
    assert (path.parent / "sample.png").is_file()
    found = measure_family(trained.model, trained.data("test"), train=trained.data("train"))
    assert list(found) == ["nearest_samples", "nearest_data"]
    both = [load_trained("dcgan"), trained]
    assert judge_samples._groups(both) == ["dcgan", "dcgan (2)"], "not two seeds of one configuration"
    hashes = [judge_samples._identity(one)["checkpoint_sha256"] for one in both]
    assert hashes[1] == hashlib.sha256(path.read_bytes()).hexdigest() != hashes[0]


def test_int8_alone_is_near_the_trained_model(runs, capsys):
    said(capsys, "compress", "vae", "--int8", "--run", "small")
    z = numbers(0).standard_normal((20, load_trained("vae").model.latent)).astype(F32)
    one, two = (load_trained(name).model for name in ("vae", "small"))
    assert np.abs(one.decode(z) - two.decode(z)).max() < 0.05
    images = load_trained("vae").data("test")
    assert measure_family(two, images)["elbo"] == pytest.approx(measure_family(one, images)["elbo"], rel=0.01)


def test_further_training_keeps_the_zeros_of_a_vae(runs, capsys):
    said(capsys, "compress", "vae", "--prune", "0.7", "--epochs", "1", "--run", "trained")
    said(capsys, "compress", "vae", "--prune", "0.7", "--epochs", "0", "--run", "plain")
    trained, plain = (load_trained(name).model.state_dict() for name in ("trained", "plain"))
    changed = False
    for name, value in plain.items():
        if value.ndim > 1:
            assert not trained[name][value == 0].any(), name
            changed |= not np.array_equal(trained[name], value)
    assert changed


def test_a_student_run_has_the_width_that_was_asked_for(runs, capsys):
    said(capsys, "compress", "dcgan", "--distill", "1", "--epochs", "1", "--run", "student")
    model = load_trained("student").model
    assert (
        model.options.width == 1
        and model.generator[0].out_features < load_trained("dcgan").model.generator[0].out_features
    )
    assert "no generator with a width" in said(capsys, "compress", "vae", "--distill", "2", code=2)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["compress", "dcgan"], "nothing to do: give at least one of --prune, --int8, --fold and --distill"),
        (["compress", "dcgan", "--int8", "--epochs", "3"], "--epochs: there is nothing to train without"),
        (["compress", "dcgan", "--distill", "99"], "--distill 99: expected less than the width of runs/dcgan"),
        (["compress", "small", "--int8"], "the run runs/small is compressed already: compress runs/dcgan"),
        (["compress", "dcgan", "--int8", "--run", "small"], "the run runs/small exists already"),
        (["compress", "dcgan", "--int8", "--run", "dcgan"], "expected another name than that of the run to compress"),
        (["compress", "none", "--int8"], "no run at runs/none"),
        (
            ["train", "dcgan", "--run", "small", "--resume"],
            "is compressed and cannot be trained: go on with runs/dcgan",
        ),
        (["sample", "small", "--previous"], "is compressed and has one file only: leave --previous out"),
    ],
)
def test_what_cannot_be_done_costs_one_line(runs, capsys, command, message):
    said(capsys, "compress", "dcgan", "--int8", "--run", "small")
    before = sorted(path.name for path in runs.iterdir())
    text = said(capsys, *command, code=2)
    assert message in text and text.count("\n") == 1
    assert sorted(path.name for path in runs.iterdir()) == before


def test_a_file_of_another_run_is_named(runs, capsys):
    for name, flags in (("one", ["--int8"]), ("two", ["--prune", "0.999", "--epochs", "0"])):
        said(capsys, "compress", "dcgan", *flags, "--run", name)
    assert load_trained("two").compression.startswith("99.9% of the weights pruned")
    shutil.copy(runs / "one" / "compressed.safetensors", runs / "two")
    text = said(capsys, "sample", "two", code=2)
    assert "two/compressed.safetensors is not the file of this run: its record says 'int8' of runs/dcgan" in text


def test_nothing_to_fold_leaves_no_run(runs, capsys, monkeypatch):
    monkeypatch.setattr(compress_command.compress, "fold_batch_norm", lambda model: [])
    assert "--fold: dcgan has no batch norm" in said(capsys, "compress", "dcgan", "--fold", "--run", "new", code=2)
    assert not (runs / "new").exists()


def test_the_same_command_makes_the_same_file(runs, capsys):
    files = []
    for name in ("one", "two"):
        said(capsys, "compress", "dcgan", "--int8", "--run", name)
        files.append((runs / name / "compressed.safetensors").read_bytes())
    assert files[0] == files[1]


def test_a_d_that_tells_classes_is_not_left_without_training():
    model = mg.models.family("ssgan")
    assert "discriminator" not in model.TRAINING_ONLY
    original = SimpleNamespace(model=model(size=8, width=4), run=SimpleNamespace(path=Path()))
    with pytest.raises(ValueError, match="--distill: only G of a ssgan would learn"):
        compress_command._student(original, {"options": {}}, 2)


@pytest.mark.parametrize("call, message", [
    (lambda: quantize_array(1.0), "argument 'weight': expected at least one dimension"),
    (lambda: quantize_array(np.ones((2, 2)), 2), "argument 'axis': got 2, expected one of the 2 dimensions"),
    (lambda: prune(None, 0.5), "prune: argument 'module': expected a Module, got None"),
    (lambda: distill(None, None, seed=-1), "distill: argument 'seed': expected an integer of at least 0"),
])  # fmt: skip
def test_bad_arguments_are_named(call, message):
    with pytest.raises((ValueError, TypeError)) as raised:
        call()
    assert message in str(raised.value)


def test_masks_of_another_network_are_refused():
    other, data = mg.models.VAE(size=8, channels=1, network="mlp", width=8), mg.data.load("digits")
    model = mg.models.VAE(size=8, channels=1, network="mlp", width=8)
    masks = prune(other, 0.5)
    with pytest.raises(ValueError, match="fine_tune: argument 'masks': they are of another network"):
        fine_tune(model, data, 1, masks=masks)
    with pytest.raises(ValueError, match="fine_tune: argument 'batch_size': expected an integer of at least 1, got 0"):
        fine_tune(other, data, 1, masks=masks, batch_size=0)


def test_a_teacher_gets_its_mode_back_when_distilling_is_refused():
    teacher, student = (nn.Sequential(nn.Flatten(), nn.Linear(4, n)) for n in (3, 2))
    data = Dataset("few", np.zeros((4, 1, 2, 2), F32), np.zeros(4, np.int64), ("0", "1"))
    with pytest.raises(ValueError, match="expected the same classes"):
        distill(teacher, student, data)
    assert teacher.training


def test_activations_that_are_no_numbers_are_refused():
    layer = nn.Linear(2, 1).eval()
    some = integer_activations(layer, mg.tensor([[math.nan, 1.0]]))
    with pytest.raises(ValueError, match="NaN or infinite values enter a Linear"), some:
        pass


@pytest.mark.parametrize("share", ["1", "-0.1", "nan", "half"])
def test_a_share_out_of_range_is_refused_on_the_command_line(runs, capsys, share):
    with pytest.raises(SystemExit):
        main(["compress", "dcgan", "--prune", share])
    assert f"expected a number of at least 0 and below 1, got {share!r}" in capsys.readouterr().err


def test_a_damaged_or_missing_file_of_a_run_is_named(runs, capsys):
    said(capsys, "compress", "dcgan", "--int8", "--run", "small")
    path = runs / "small" / "compressed.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    text = said(capsys, "sample", "small", code=2)
    assert "runs/small/compressed.safetensors is damaged" in text and text.count("\n") == 1
    with pytest.raises(CheckpointError):
        load_trained("small")
    path.unlink()
    assert "runs/small is compressed, but has no compressed.safetensors" in said(capsys, "sample", "small", code=2)
    config = runs / "small" / "config.json"
    edited = json.loads(config.read_text())
    config.write_text(json.dumps({**edited, "compressed": True}))
    with pytest.raises(RunError, match="the field 'compressed' holds True; expected an object"):
        load_trained("small")


# ---- L1


def test_l1_adds_the_sign_of_each_matrix_to_the_gradient_and_leaves_biases_alone():
    def moved(l1):
        model = tiny("vae")
        object.__setattr__(model, "options", type(model.options)(size=8, latent=3, width=4, network="mlp", l1=l1))
        parameters = [*model.encoder.mu.parameters()]
        before = [p.numpy().copy() for p in parameters]
        model.update((model.encoder.mu(mg.ones(2, 4)) ** 2).mean(), SGD(parameters, 0.5))
        return before, [p.numpy() for p in parameters]

    (weight, _), plain = moved(0.0)
    _, pulled = moved(0.25)
    np.testing.assert_allclose(pulled[0], plain[0] - 0.5 * 0.25 * np.sign(weight), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(pulled[1], plain[1])


def test_l1_makes_the_weights_of_a_training_small():
    small = {}
    for l1 in (0.0, 0.1):
        mg.manual_seed(0)
        model = build("vae", size=8, latent=3, width=8, network="mlp", l1=l1)
        for i in range(60):
            model.decay_learning_rates(i / 60, 1.0)
            model.training_step({"images": digits(32).images})
        small[l1] = l1_penalty([p for p in model.parameters() if p.ndim > 1 and p.requires_grad], 1.0).item()
    assert small[0.1] < 0.8 * small[0.0]


# ---- float16


@given(seed=st.integers(0, 2**32))
def test_float16_keeps_eleven_bits_of_every_value(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("file") / "a.safetensors"
    original, other = network(seed), network(seed + 1)
    before = original.state_dict()
    found = save(path, original, float16=True)
    load(path, other)
    assert all(np.array_equal(value, before[name]) for name, value in original.state_dict().items())
    for name, value in other.state_dict().items():
        expected = before[name]
        assert value.dtype == expected.dtype
        if expected.dtype == F32:
            assert np.array_equal(value, expected.astype(np.float16).astype(F32))
            assert np.abs(value - expected).max() <= np.abs(expected).max() * 2**-11
        else:
            assert np.array_equal(value, expected)
    stored = sum(array.nbytes for array in read_safetensors(path)[1].values())
    assert stored <= found.float_bytes / 2 + 16


def test_what_float16_cannot_hold_is_refused(tmp_path):
    layer = nn.Linear(2, 2)
    layer.weight.data = np.full((2, 2), 1e5, F32)
    with pytest.raises(ValueError, match="'weight' has values that are too large for float16"):
        save(tmp_path / "a.safetensors", layer, float16=True)
    with pytest.raises(ValueError, match="int8 and float16 contradict"):
        save(tmp_path / "a.safetensors", nn.Linear(2, 2), float16=True, int8=True)


def test_a_file_that_says_half_of_something_else_is_damaged(tmp_path):
    path = tmp_path / "a.safetensors"
    hostile(entry("1.running_mean", half=True))(path)
    with pytest.raises(ValueError, match=r"'1\.running_mean' is float32, not float16"):
        load(path, network(14))
