"""The file of a compressed network: safetensors, with a record of how each tensor is stored.

Every tensor of the state of a Module is stored in the smallest of these forms:

======== ================================================ =============================================================
form     tensors in the file                              bytes for n values, of which k are not 0
======== ================================================ =============================================================
dense    ``NAME`` as it is                                4 n of float32
int8     ``NAME`` int8, and ``NAME$scale`` float32        n, and 4 a channel
half     ``NAME`` as float16                              2 n
sparse   the k values, and ``NAME$mask``, a bit a value   4 k + n / 8; of int8 k + n / 8
same     nothing: the tensor of another name              0: tied weights are stored once
======== ================================================ =============================================================

Positions cost a bit for each value, so zeros save nothing until about one in 32 float32 values (one in 8 of int8) is 0.

The metadata has the format, the record as JSON, and the SHA-256 of the record and of all tensors.  It finds any damage;
it is no signature.  A file is whole or not there: it is written under another name first.
"""

import copy
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._util.atomic_write import replace_file
from .._util.safetensors_file import array_hash, read_safetensors, safetensors_bytes
from ..nn.module import Module
from .fold import fold_batch_norm
from .quantize import LEVELS, Quantized, output_axes, quantize_array

__all__ = ["FORMAT", "Sizes", "load", "save", "sizes"]

FORMAT = "minigen-compressed-1"
_SCALE, _MASK = "$scale", "$mask"
Arrays = dict[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True)
class Sizes:
    """How large a network is.

    Parameters
    ----------
    values : int
        Numbers in its state, each tensor counted once.
    zeros : int
        How many of them are 0.
    float_bytes : int
        Bytes of the values as they are in memory.
    file_bytes : int
        Bytes of the compressed file.
    zip_bytes : int
        Bytes of that file after zlib, level 9.
    """

    values: int
    zeros: int
    float_bytes: int
    file_bytes: int
    zip_bytes: int


def save(
    path: str | Path,
    module: Module,
    *,
    int8: bool = False,
    float16: bool = False,
    folded: list[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Sizes:
    """Write a Module to a compressed file.

    Parameters
    ----------
    path : str or path
        In a folder that exists.
    module : Module
    int8 : bool
        Store weights with at least two dimensions as int8; the Module itself is not changed.
    float16 : bool
        Store float32 values as float16, with a relative error of at most 0.05 %; the Module itself is not changed.
    folded : list of str, optional
        What `fold_batch_norm` returned, if the Module's batch norms were folded.
    about : mapping, optional
        Plain values to keep in the record, such as where the network comes from.

    Returns
    -------
    Sizes

    Raises
    ------
    ValueError
        If a value is NaN or infinite, or too large for float16, or both int8 and float16 are asked for.
    OSError
        If the file cannot be written; an older file of that name is then still whole.

    Examples
    --------
    >>> import tempfile
    >>> import minigen as mg
    >>> layer, other = mg.nn.Linear(200, 100), mg.nn.Linear(200, 100)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = save(Path(folder, "layer.safetensors"), layer, int8=True, about={"seed": 0})
    ...     load(Path(folder, "layer.safetensors"), other)
    {'seed': 0}
    >>> found.float_bytes, found.file_bytes < 22_000
    (80400, True)
    >>> bool(np.abs(other.weight.numpy() - layer.weight.numpy()).max() < 0.0003)
    True
    """
    if int8 and float16:
        raise ValueError("compress: int8 and float16 contradict each other")
    data, found = _encoded(module, int8, folded, about, float16)
    replace_file(Path(path), data)
    return found


def sizes(module: Module, *, int8: bool = False) -> Sizes:
    """Compute how large the compressed file of a Module would be, without writing it; errors as `save`.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.Linear(200, 100)
    >>> sizes(layer).float_bytes, sizes(layer, int8=True).file_bytes < 22_000
    (80400, True)
    """
    return _encoded(module, int8, None, None)[1]


def _encoded(
    module: Module, int8: bool, folded: list[str] | None, about: Mapping[str, Any] | None, float16: bool = False
) -> tuple[bytes, Sizes]:
    axes = output_axes(module) if int8 else {}
    arrays: Arrays = {}
    entries: dict[str, dict[str, Any]] = {}
    first: dict[int, str] = {}
    values = zeros = float_bytes = 0
    for name, value in module._state().items():
        if id(value) in first:
            entries[name] = {"same": first[id(value)]}
            continue
        first[id(value)] = name
        array = np.asarray(value.numpy(), order="C")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"compress: {name!r} contains NaN or infinite values")
        values, float_bytes = values + array.size, float_bytes + array.nbytes
        quantized = quantize_array(array, axes[name]) if name in axes else None
        entries[name] = _store(arrays, name, array, quantized, float16)
        zeros += int(array.size - np.count_nonzero(array if quantized is None else quantized.codes))
    record = json.dumps({"tensors": entries, "folded": folded or [], "about": dict(about or {})})
    metadata = {"format": FORMAT, "record": record, "sha256": array_hash(arrays, record)}
    data = safetensors_bytes(arrays, metadata)
    return data, Sizes(values, zeros, float_bytes, len(data), len(zlib.compress(data, 9)))


def _store(
    arrays: Arrays, name: str, array: "np.ndarray[Any, Any]", quantized: Quantized | None, float16: bool
) -> dict[str, Any]:
    """Put a tensor into `arrays` in its smallest form; return its entry in the record."""
    entry: dict[str, Any] = {"shape": list(array.shape), "dtype": array.dtype.name}
    plain = array
    if quantized is not None:
        entry["axis"], plain = quantized.axis, quantized.codes
        arrays[name + _SCALE] = quantized.scales
    elif float16 and array.dtype == np.float32:
        if array.size and np.abs(array).max() > np.finfo(np.float16).max:
            raise ValueError(f"compress: {name!r} has values that are too large for float16")
        entry["half"], plain = True, array.astype(np.float16)
    mask = plain.reshape(-1) != 0
    if len(mask) / 8 + mask.sum() * plain.itemsize < plain.nbytes:
        entry["sparse"] = True
        arrays[name + _MASK] = np.packbits(mask)
        plain = plain.reshape(-1)[mask]
    arrays[name] = plain
    return entry


def load(path: str | Path, module: Module) -> dict[str, Any]:
    """Read a compressed file into a Module of the class and the sizes that it was written from.

    If the batch norms of the file are folded, those of the Module are folded first.  If something does not fit, the
    Module does not change.

    Parameters
    ----------
    path : str or path
    module : Module

    Returns
    -------
    dict
        What `save` was given as `about`.

    Raises
    ------
    ValueError
        If the file is damaged, of another format, or does not fit the Module; one line names the file and the reason.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    metadata, arrays = read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} is no compressed network: expected the format {FORMAT!r}, got {metadata.get('format')!r}"
        )
    text = metadata.get("record", "")
    if metadata.get("sha256") != array_hash(arrays, text):
        raise ValueError(f"{path} is damaged: its SHA-256 does not match its contents")
    # The hash finds damage, not bad intent: what follows trusts nothing.
    try:
        entries, folded, about = _parsed(text)
        state = _decoded(entries, arrays)
    except _BadRecordError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    trial = copy.deepcopy(module) if folded else module  # folding changes a Module, also if the values do not fit then
    found = fold_batch_norm(trial) if folded else []
    if found != folded:
        raise ValueError(f"{path} does not fit: its folded batch norms are {_listed(folded)}, not {_listed(found)}")
    try:
        trial.load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"{path} does not fit: {error}") from None
    if folded:
        fold_batch_norm(module)
        module.load_state_dict(state)
    return about


class _BadRecordError(Exception):
    """What is wrong with a record."""


def _parsed(text: str) -> tuple[dict[str, dict[str, Any]], list[str], dict[str, Any]]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _BadRecordError(f"its record is no JSON ({error})") from None
    kinds = {"tensors": dict, "folded": list, "about": dict}
    if not isinstance(record, dict) or any(not isinstance(record.get(key), kind) for key, kind in kinds.items()):
        raise _BadRecordError("its record has not the fields tensors, folded and about")
    entries, folded, about = (record[key] for key in kinds)
    if not all(isinstance(entry, dict) for entry in entries.values()):
        raise _BadRecordError("an entry of its record is no object")
    if not all(isinstance(name, str) for name in folded):
        raise _BadRecordError("the names of its folded batch norms are no texts")
    return entries, folded, about


def _decoded(entries: Mapping[str, dict[str, Any]], arrays: Arrays) -> Arrays:
    """The state that the arrays stand for."""
    state: Arrays = {}
    for name, entry in entries.items():
        if "same" not in entry:
            state[name] = _restored(name, entry, arrays)
    for name, entry in entries.items():
        if "same" in entry:
            other = entry["same"]
            if not isinstance(other, str) or other not in state:
                raise _BadRecordError(f"{name!r} is the same as {other!r}, which it does not hold")
            state[name] = state[other]
    return state


def _restored(name: str, entry: Mapping[str, Any], arrays: Arrays) -> "np.ndarray[Any, Any]":
    """One tensor; every size is compared with what the file holds before memory is taken."""
    shape, array = entry.get("shape"), arrays.get(name)
    if not isinstance(shape, list) or not all(type(side) is int and 0 <= side < 2**40 for side in shape):
        raise _BadRecordError(f"the shape of {name!r} is {shape!r}")
    if array is None:
        raise _BadRecordError(f"the tensor {name!r} is missing")
    count = math.prod(shape)
    if entry.get("sparse"):
        bits = arrays.get(name + _MASK)
        if bits is None or bits.dtype != np.uint8 or bits.shape != (-(-count // 8),) or array.ndim != 1:
            raise _BadRecordError(f"the mask of {name!r} does not fit its shape {shape}")
        mask = np.unpackbits(bits)[:count].astype(np.bool_)
        if int(mask.sum()) != len(array):
            raise _BadRecordError(f"{name!r} has {len(array)} values for {int(mask.sum())} places")
        values = np.zeros(count, array.dtype)
        values[mask] = array
        array = values
    if array.size != count:
        raise _BadRecordError(f"{name!r} has {array.size} values for the shape {shape}")
    array = array.reshape(shape)
    if entry.get("half"):
        if array.dtype != np.float16:
            raise _BadRecordError(f"{name!r} is {array.dtype}, not float16")
        return array.astype(np.float32)
    if "axis" not in entry:
        return array
    axis, scales = entry["axis"], arrays.get(name + _SCALE)
    if type(axis) is not int or not 0 <= axis < array.ndim or array.dtype != np.int8:
        raise _BadRecordError(f"{name!r} is no int8 tensor with channels in dimension {axis!r}")
    if scales is None or scales.dtype != np.float32 or scales.shape != (shape[axis],):
        raise _BadRecordError(f"the scales of {name!r} do not fit its shape {shape}")
    if not (np.isfinite(scales).all() and (scales > 0).all()) or (array < -LEVELS).any():
        raise _BadRecordError(f"the scales or codes of {name!r} are out of range")
    return Quantized(array.astype(np.int8, copy=False), scales, axis).expand()


def _listed(names: list[str]) -> str:
    return (", ".join(names[:4]) + (", ..." if names[4:] else "")) or "none"
