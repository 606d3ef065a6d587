"""Golden vectors: written the same every time, read back, and failing whoever is wrong."""

import json

import numpy as np
import pytest

from minigen import kernels
from minigen.check import test_vectors
from minigen.check.adapters import minigen as own_adapter
from minigen.check.adapters import student
from minigen.check.op_registry import OP_REGISTRY, Case

OPS = ["tanh", "linear", "softmax", "cross_entropy", "avg_pool2d", "cat", "einsum"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    test_vectors.export(folder, OPS, count=2)
    return folder


def test_minigen_passes_all_three_kinds(vectors):
    with kernels.use("reference"):
        rows = test_vectors.against(vectors, own_adapter.table)
    assert len(rows) >= 2 * len(OPS) and all(row["status"] == "pass" for row in rows), rows


def test_the_files_are_the_same_every_time(vectors, tmp_path):
    test_vectors.export(tmp_path, ["tanh", "softmax"], count=2)
    for op in ("tanh", "softmax"):
        assert (tmp_path / f"{op}.safetensors").read_bytes() == (vectors / f"{op}.safetensors").read_bytes()


def test_the_index_fits_its_schema(vectors):
    index = json.loads((vectors / "index.json").read_text())
    schema = json.loads((vectors / "schema.json").read_text())
    assert index["format"] == schema["properties"]["format"]["const"] == test_vectors.FORMAT
    required = schema["properties"]["cases"]["items"]["required"]
    assert all(set(case) == set(required) for case in index["cases"])
    for case, tensors in test_vectors.load(vectors):
        results = {name for name in tensors if name.startswith(("forward", "vjp/", "double/"))}
        assert set(case["tolerance"]) == results
        assert all(0 < case["tolerance"][name] < 1e-6 * max(1, abs(tensors[name]).max()) for name in results)


def test_the_folder_describes_itself(vectors):
    page = (vectors / "README.md").read_text(encoding="utf-8")
    case, tensors = test_vectors.load(vectors)[0]
    assert f"format {test_vectors.FORMAT}" in page
    assert all(f"`{name}`" in page for name in case)
    assert {name.split("/")[0] for name in tensors} <= {part.split("/")[0] for part in page.split("`")}
    modes = {path.stat().st_mode for path in vectors.iterdir()}
    assert len(modes) == 1  # no file is closed to other readers


def test_exact_zeros_are_zero_and_tiny_numbers_are_right():
    mpmath = pytest.importorskip("mpmath")
    entry = OP_REGISTRY["softmax"]
    case = Case((np.array([[0.0, -36.0, 36.0], [1.0, 1.0, -40.0]]),), {"dim": 1})
    found = test_vectors._tensors(entry, case, 0)
    with mpmath.workdps(60):
        g, x, u = (found[name] for name in ("cotangent", "input/input", "second/input"))
        for row in range(2):
            e = [mpmath.exp(mpmath.mpf(v)) for v in x[row]]
            p = [v / sum(e) for v in e]
            gs, us = [mpmath.mpf(v) for v in g[row]], [mpmath.mpf(v) for v in u[row]]
            mean = sum(a * b for a, b in zip(p, gs))
            dots = sum(a * b for a, b in zip(p, us))
            for j in range(3):
                # d/dx_j of sum_i u_i p_i (g_i - <p, g>)
                value = p[j] * (
                    us[j] * (gs[j] - mean) - sum(us[i] * p[i] * (gs[i] - mean) for i in range(3))
                ) - dots * p[j] * (gs[j] - mean)
                assert found["double/input"][row, j] == pytest.approx(float(value), rel=4e-16, abs=0)
    linear = test_vectors._tensors(
        OP_REGISTRY["mse_loss"], Case((np.ones((2, 2)), np.ones((2, 2))), {"reduction": "sum"}), 0
    )
    assert not linear["vjp/input"].any()
    relu = test_vectors._tensors(OP_REGISTRY["relu"], Case((np.array([-1.0, 2.0]),)), 0)
    assert relu["vjp/input"][0] == 0 and not relu["double/input"].any()


@pytest.mark.parametrize("op", sorted(OP_REGISTRY))
def test_the_first_case_has_the_defaults_and_all_values_of_parameters_occur(op):
    entry, cases = OP_REGISTRY[op], test_vectors.cases(op)
    first = cases[0].params
    assert all(first[name] == value for name, value in entry.defaults.items() if name in first)
    if op in ("relu", "leaky_relu", "elu", "prelu"):
        assert all((case.inputs[0] != 0).all() for case in cases)  # no kink
    for name, values in {"reduction": {"mean", "sum", "none"}, "keepdim": {True, False}, "groups": {1, 2, 4},
                         "stride": {1, 2, 3} if "conv" in op else set(), "training": {True, False},
                         "mode": {"nearest", "bilinear", "bicubic"} if op == "interpolate" else
                         {"constant", "reflect", "replicate", "circular"}}.items():  # fmt: skip
        if name in entry.defaults:
            assert values <= {case.params.get(name) for case in cases}, name
    for name in ("weight", "pos_weight"):
        if name in entry.parameters():
            assert {case.params.get(name) is None for case in cases} == {True, False}


def test_the_numbers_of_one_case_by_hand(vectors):
    t = next(t for c, t in test_vectors.load(vectors) if c["op"] == "tanh")
    x, g, u = t["input/input"], t["cotangent"], t["second/input"]
    y = np.tanh(x)
    assert np.allclose(t["forward"], y, rtol=1e-15)
    assert np.allclose(t["vjp/input"], g * (1 - y * y), rtol=1e-14)
    assert np.allclose(t["double/input"], u * g * -2 * y * (1 - y * y), rtol=1e-13)
    assert np.allclose(t["double/cotangent"], u * (1 - y * y), rtol=1e-14)


def test_an_error_of_a_part_in_a_hundred_million_fails_and_is_named(vectors):
    fn, vjp, _ = own_adapter.table["softmax"]
    table = {"softmax": (fn, lambda g, x, dim: [vjp(g, x, dim=dim)[0] * (1 + 1e-8)])}
    rows = test_vectors.against(vectors, table)
    failed = [row for row in rows if row["op"] == "softmax" and row["status"] == "fail"]  # not where it is saturated
    assert failed and all(row["reason"].startswith("vjp/input[") for row in failed)
    assert {row["status"] for row in rows if row["op"] == "tanh"} == {"unsupported"}


def test_a_student_who_does_not_take_a_parameter_is_unsupported_and_a_crash_is_a_failure(vectors):
    def missing(*inputs, **params):
        raise NotImplementedError("no padding")

    rows = test_vectors.against(vectors, {"avg_pool2d": (missing, missing), "tanh": (lambda x: 1 / 0, None)})
    found = {row["op"]: (row["status"], row["reason"]) for row in rows}
    assert found["avg_pool2d"] == ("unsupported", "no padding")
    assert found["tanh"][0] == "fail" and "ZeroDivisionError" in found["tanh"][1]
    assert {r["status"] for r in test_vectors.against(vectors, student.table) if r["op"] == "tanh"} == {"pass"}


@pytest.mark.torch
def test_pytorch_passes_by_the_words_of_the_page(vectors):
    pytest.importorskip("torch")
    import golden_consumer

    count, wrong = golden_consumer.main(vectors)
    assert count > 60 and not wrong
    case = json.loads((vectors / "index.json").read_text())["cases"][0]
    tensors = {k.removeprefix("0/"): torch_of(v) for k, v in test_vectors.load(vectors)[0][1].items()}
    tensors["cotangent"] = tensors["cotangent"] * (1 + 1e-8)  # the consumer sees what is wrong
    moved = golden_consumer.results(case, tensors)
    name = next(name for name in moved if name.startswith("vjp/"))
    assert bool(((moved[name].detach() - tensors[name]).abs() > case["tolerance"][name]).any())


def torch_of(array):
    import torch

    return torch.tensor(array)


def test_bad_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no index\.json in .*minigen check --export"):
        test_vectors.load(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="has format 99, expected 2"):
        test_vectors.load(tmp_path)
    with pytest.raises(ValueError, match="unknown operations conv9d"):
        test_vectors.export(tmp_path, ["conv9d"])


@pytest.mark.parametrize("op", sorted(OP_REGISTRY))
def test_cases_are_small_and_repeatable(op):
    first, second = test_vectors.cases(op), test_vectors.cases(op)
    for a, b in zip(first, second):
        assert all(np.array_equal(x, y) for x, y in zip(a.inputs, b.inputs))
        assert sum(x.size for x in a.inputs) <= 2 * test_vectors.SIZE
        names = OP_REGISTRY[op].inputs[: len(a.inputs)]
        assert np.isfinite(OP_REGISTRY[op].spec(**dict(zip(names, a.inputs)), **a.params)).all()
