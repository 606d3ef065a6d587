"""Golden vectors: written the same every time, read back, and failing whoever is wrong."""

import json

import numpy as np
import pytest

from minigen import kernels
from minigen.check import test_vectors
from minigen.check.adapters import minigen as own_adapter
from minigen.check.adapters import student
from minigen.check.op_registry import OP_REGISTRY

OPS = ["tanh", "linear", "softmax", "batch_norm", "cross_entropy", "conv2d"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vectors")
    test_vectors.export(folder, OPS, count=2)
    return folder


def test_minigen_passes_all_three_kinds(vectors):
    with kernels.use("reference"):
        rows = test_vectors.against(vectors, own_adapter.table)
    assert len(rows) == 2 * len(OPS) and all(row["status"] == "pass" for row in rows), rows


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
    assert all(0 < case["bound"] < 1e-6 for case in index["cases"])


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
        raise NotImplementedError("no groups")

    rows = test_vectors.against(vectors, {"conv2d": (missing, missing), "tanh": (lambda x: 1 / 0, None)})
    found = {row["op"]: (row["status"], row["reason"]) for row in rows}
    assert found["conv2d"] == ("unsupported", "no groups")
    assert found["tanh"][0] == "fail" and "ZeroDivisionError" in found["tanh"][1]
    assert {r["status"] for r in test_vectors.against(vectors, student.table) if r["op"] == "tanh"} == {"pass"}


def test_bad_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no index\.json in .*minigen check --export"):
        test_vectors.load(tmp_path)
    (tmp_path / "index.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="has format 99, expected 1"):
        test_vectors.load(tmp_path)
    with pytest.raises(ValueError, match="unknown operations conv9d"):
        test_vectors.export(tmp_path, ["conv9d"])


@pytest.mark.parametrize("op", sorted(OP_REGISTRY))
def test_cases_are_small_and_repeatable(op):
    first, second = test_vectors.cases(op), test_vectors.cases(op)
    for a, b in zip(first, second):
        assert all(np.array_equal(x, y) for x, y in zip(a.inputs, b.inputs))
        assert sum(x.size for x in a.inputs) <= 2 * test_vectors.SIZE
