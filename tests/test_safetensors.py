"""The reader and the writer of safetensors files that serve where the package safetensors is missing."""

import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from minigen._util import safetensors_file
from minigen._util.safetensors_file import DTYPES, read_safetensors, safetensors_bytes
from minigen.train import CheckpointError, load_checkpoint, save_checkpoint

ARRAYS = st.dictionaries(
    st.text(max_size=6).filter(lambda name: name != "__metadata__"),
    st.sampled_from(list(DTYPES.values())).flatmap(
        lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=5,
)
METADATA = st.none() | st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=3)


@pytest.fixture
def alone(monkeypatch):
    """Without the package."""
    monkeypatch.setattr(safetensors_file, "_installed", lambda: False)


def equal(found, expected):
    return found.keys() == expected.keys() and all(
        found[name].dtype == array.dtype
        and found[name].shape == array.shape
        and found[name].tobytes() == array.tobytes()
        for name, array in expected.items()
    )


@given(ARRAYS, METADATA)
def test_the_package_reads_what_ours_writes_and_the_reverse(tmp_path_factory, content, metadata):
    if not content and metadata == {}:
        metadata = None  # of these two the package makes a header that is no JSON
    path = tmp_path_factory.mktemp("files") / "a.safetensors"
    path.write_bytes(safetensors_file._encoded(content, metadata))
    read, found = read_safetensors(path)
    assert equal(found, content) and read == (metadata or {})
    data = safetensors_bytes(content, metadata)
    read, found = safetensors_file._decoded(data)
    assert equal(found, content) and read == (metadata or {})
    if len(metadata or {}) < 2:  # the package writes the texts in any order
        assert safetensors_file._encoded(content, metadata) == data
    assert all(array.flags.writeable and array.flags.aligned for array in found.values())


@given(st.data())
def test_damage_is_noticed_where_the_package_notices_it(tmp_path_factory, data):
    """A byte changed, or the end cut off; ours may refuse more, and never reads something else."""
    path = tmp_path_factory.mktemp("damage") / "a.safetensors"
    whole = safetensors_bytes({"a": np.arange(6, dtype=np.float32), "b": np.ones((2, 1), np.int16)}, {"k": "v"})
    if data.draw(st.booleans(), "cut"):
        broken = whole[: data.draw(st.integers(0, len(whole) - 1), "length")]
    else:
        at = data.draw(st.integers(0, len(whole) - 1), "at")
        broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255), "flip")]) + whole[at + 1 :]
    path.write_bytes(broken)
    try:
        read, found = safetensors_file._decoded(broken)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    read_by_package, expected = read_safetensors(path)
    assert equal(found, expected) and read == read_by_package


def changed(**entry):
    """A file of one array whose entry was edited."""
    whole = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | entry
    text = json.dumps({"a": {key: value for key, value in whole.items() if value is not None}}).encode()
    return len(text).to_bytes(8, "little") + text + bytes(8)


WRONG = [
    b"", b"1234567", (2**63).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]",
    (100_000).to_bytes(8, "little") + b"[" * 100_000, (4).to_bytes(8, "little") + b"{} \xff",
    changed(dtype="F128"), changed(dtype=None), changed(dtype=["F32"]), changed(shape=[3]), changed(shape=[-2]),
    changed(shape=[2.0]), changed(shape=None), changed(shape=[True, 2]), changed(shape=[2**62, 2**62]),
    changed(data_offsets=[1, 9]), changed(data_offsets=[0, 16]), changed(data_offsets=[8, 0]),
    changed(data_offsets=[0]), changed() + b"x", changed()[:-1], changed(dtype="F16"),
]  # fmt: skip


@pytest.mark.parametrize("content", WRONG, ids=range(len(WRONG)))
def test_a_hostile_file_costs_one_line_with_its_name(alone, tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.safetensors is damaged \(") as error:
        read_safetensors(path)
    assert "\n" not in str(error.value)
    with pytest.raises(CheckpointError, match=r"a\.safetensors is damaged"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError):
        read_safetensors(tmp_path / "none")


def test_the_file_that_was_edited_is_right_without_the_edit(alone, tmp_path):
    (tmp_path / "a").write_bytes(changed())
    assert equal(read_safetensors(tmp_path / "a")[1], {"a": np.zeros(2, np.float32)})


def test_checkpoints_without_the_package(alone, tmp_path):
    state = {"step": 3, "weights": np.arange(4.0), "half": np.ones(3, np.float16)}
    save_checkpoint(tmp_path / "a", state)
    assert safetensors.numpy.load_file(tmp_path / "a")["weights"].tolist() == [0, 1, 2, 3]
    found = load_checkpoint(tmp_path / "a")
    assert found.pop("step") == 3 and equal(found, {k: v for k, v in state.items() if k != "step"})
    with pytest.raises(ValueError, match="'a' has the dtype complex128; expected one of U64"):
        safetensors_bytes({"a": np.zeros(1, complex)})
