"""Checkpoints: the file format, which any safetensors reader opens; `minigen.train.loop` gathers what goes in.

A *state* is a nest of dictionaries and lists with arrays and plain values at its leaves.  Its arrays become the tensors
of a safetensors file, named by their path (``model.generator.0.weight``); everything else is JSON in the file's
metadata, with a place holder for each array:

>>> import tempfile
>>> state = {"step": 3, "model": {"weight": np.ones(2, np.float32)}}
>>> with tempfile.TemporaryDirectory() as folder:
...     save_checkpoint(Path(folder, "a.safetensors"), state)
...     load_checkpoint(Path(folder, "a.safetensors"))
{'step': 3, 'model': {'weight': array([1., 1.], dtype=float32)}}

Format: https://huggingface.co/docs/safetensors.  Unlike a pickle, it cannot run code when it is opened.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import backend
from .._util.atomic_write import replace_file
from .._util.safetensors_file import read_safetensors, safetensors_bytes
from ..tensor import Tensor
from .errors import CheckpointError

__all__ = ["load_checkpoint", "save_checkpoint"]

FORMAT = "minigen-checkpoint-1"
_TENSOR, _ITEMS = "$tensor", "$items"


def save_checkpoint(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write `state` to `path`; a crash at any moment leaves the old file or the new one.

    Parameters
    ----------
    path : str or Path
    state : mapping
        Nested dictionaries, lists and tuples of Tensors, arrays, numbers, strings, booleans and None.

    Raises
    ------
    OSError
        If the file cannot be written; an older file of that name is then still whole.
    TypeError
        If the state holds something else.
    """
    tensors: dict[str, np.ndarray] = {}
    text = json.dumps(_take_arrays(state, "", tensors))
    metadata = {"format": FORMAT, "state": text, "crc32": _checksum(text, tensors)}
    replace_file(Path(path), safetensors_bytes(tensors, metadata))


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read back what `save_checkpoint` wrote: the same values and dtypes, NumPy arrays for Tensors, lists for tuples.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    CheckpointError
        If the file is damaged (every bit is covered by a checksum) or was written by something else.
    OSError
        If there is no such file, or it cannot be read.
    """
    try:
        metadata, tensors = read_safetensors(Path(path))
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{path} is not a checkpoint of this version of minigen: expected format {FORMAT!r}, "
                              f"got {metadata.get('format')!r}")  # fmt: skip
    text = metadata.get("state", "")
    if metadata.get("crc32") != _checksum(text, tensors):
        raise CheckpointError(f"{path} is damaged (its checksum does not match its contents)")
    state: dict[str, Any] = _put_arrays(json.loads(text), tensors)
    return state


def _take_arrays(value: Any, path: str, tensors: dict[str, np.ndarray]) -> Any:
    """The JSON form of `value`; its arrays are moved to `tensors`."""
    if isinstance(value, Tensor):
        value = value.data
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "dtype"):
        if path in tensors:
            raise ValueError(f"checkpoint: two arrays would be called {path!r}")
        tensors[path] = np.asarray(backend.to_device(value, "cpu"), order="C")
        return {_TENSOR: path}
    if isinstance(value, Mapping):
        prefix = f"{path}." if path else ""
        items = [(key, _take_arrays(item, f"{prefix}{key}", tensors)) for key, item in value.items()]
        # JSON turns every key into a string, so that a dictionary with other keys is kept as a list of pairs.
        return dict(items) if all(isinstance(key, str) for key in value) else {_ITEMS: items}
    if isinstance(value, list | tuple):
        return [_take_arrays(item, f"{path}.{i}", tensors) for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"checkpoint: cannot store {path} of type {type(value).__name__}")


def _put_arrays(value: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    """The inverse of `_take_arrays`."""
    if isinstance(value, list):
        return [_put_arrays(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    if _ITEMS in value:
        return {key: _put_arrays(item, tensors) for key, item in value[_ITEMS]}
    return {key: _put_arrays(item, tensors) for key, item in value.items()}


def _checksum(text: str, tensors: Mapping[str, np.ndarray]) -> str:
    """CRC-32 of everything in the file that matters, names, dtypes and shapes included."""
    crc = zlib.crc32(text.encode())
    for name in sorted(tensors):
        array = tensors[name]
        crc = zlib.crc32(f"{name} {array.dtype.name} {array.shape}".encode(), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"
