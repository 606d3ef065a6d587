"""Read and write safetensors files, and identify arrays by a hash.

The package safetensors does the work where it is installed.  It does not exist for the browser (Pyodide): there the
functions below do the same, since the format is small (https://huggingface.co/docs/safetensors).  A file is

.. code-block:: text

    8 bytes      n, the length of the header, little-endian
    n bytes      the header, JSON: {"__metadata__": {text: text}, NAME: {"dtype": "F32", "shape": [2, 3],
                 "data_offsets": [begin, end]}, ...}; blanks at its end make n a multiple of 8
    the rest     the arrays one after the other, row-major, little-endian, without gaps
"""

import hashlib
import importlib.util
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["array_hash", "read_safetensors", "safetensors_bytes"]

Arrays = Mapping[str, "np.ndarray[Any, Any]"]

DTYPES = {
    "U64": np.uint64, "I64": np.int64, "F64": np.float64, "F32": np.float32, "U32": np.uint32, "I32": np.int32,
    "F16": np.float16, "U16": np.uint16, "I16": np.int16, "I8": np.int8, "U8": np.uint8, "BOOL": np.bool_,
}  # fmt: skip
"""In the order in which the package writes arrays: wide ones first, so that each begins at a multiple of its item."""

MAX_HEADER = 100_000_000
"""Bytes; the package safetensors has the same limit."""


def safetensors_bytes(arrays: Arrays, metadata: Mapping[str, str] | None = None) -> bytes:
    """Make a safetensors file of named arrays, and texts about them; the same bytes for the same contents.

    (The safetensors package writes the texts in another order each time.)

    Examples
    --------
    >>> safetensors_bytes({"a": np.zeros(2)})[-16:] == bytes(16)
    True
    """
    return _encoded(arrays, metadata)


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, "np.ndarray[Any, Any]"]]:
    """Read the metadata and all arrays of a safetensors file.

    Raises
    ------
    ValueError
        If it is no such file, is cut off, or holds a dtype that NumPy does not have.
    OSError
        If there is no such file, or it cannot be read.
    """
    if not _installed():
        try:
            return _decoded(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path} is damaged ({error})") from None
    from safetensors import SafetensorError, safe_open

    with path.open("rb"):
        pass  # a missing or unreadable file raises OSError
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return file.metadata() or {}, arrays
    except (SafetensorError, TypeError, AttributeError) as error:  # the last two: of a dtype that NumPy lacks
        raise ValueError(f"{path} is damaged ({error})") from None


def _installed() -> bool:
    return importlib.util.find_spec("safetensors") is not None


def _encoded(arrays: Arrays, metadata: Mapping[str, str] | None) -> bytes:
    """A file without the help of the package safetensors."""
    names = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
    for name, array in arrays.items():
        if array.dtype.newbyteorder("=") not in names:
            raise ValueError(f"safetensors: {name!r} has the dtype {array.dtype}; expected one of {', '.join(DTYPES)}")
    ranks = list(names)
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": dict(metadata)}
    parts: list[bytes] = []
    end = 0
    for name, array in sorted(arrays.items(), key=lambda item: (ranks.index(item[1].dtype.newbyteorder("=")), item[0])):
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        begin, end = end, end + len(data)
        dtype = names[array.dtype.newbyteorder("=")]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [begin, end]}
        parts.append(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _decoded(data: bytes) -> tuple[dict[str, str], dict[str, "np.ndarray[Any, Any]"]]:
    """What a file holds; a ValueError says what is wrong with it.  Nothing in the file is trusted."""
    if len(data) < 8:
        raise ValueError("it has no header")
    length = int.from_bytes(data[:8], "little")
    if length > min(MAX_HEADER, len(data) - 8) or data[8:9] != b"{":
        raise ValueError("its header is cut off, too long, or no JSON object")
    try:
        header = json.loads(data[8 : 8 + length].decode())
    except RecursionError:
        raise ValueError("its header is nested too deep") from None
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are not texts")
    body, end = data[8 + length :], 0
    arrays = {}
    for name, entry in sorted(((n, _checked(n, e)) for n, e in header.items()), key=lambda item: item[1][2:]):
        dtype, shape, begin, stop = entry
        if begin != end or stop - begin != math.prod(shape) * dtype.itemsize or stop > len(body):
            raise ValueError(f"the place of {name!r} does not fit its shape and its neighbors")
        values = np.frombuffer(body, dtype, math.prod(shape), begin).reshape(shape)
        arrays[name] = values.astype(dtype.newbyteorder("="))  # a copy: what a buffer holds is read-only
        end = stop
    if end != len(body):
        raise ValueError(f"it has {len(body)} bytes of arrays, its header says {end}")
    return metadata, arrays


def _checked(name: str, entry: Any) -> tuple["np.dtype[Any]", list[int], int, int]:
    """The dtype, the shape and the place of one array."""
    try:
        dtype, shape, (begin, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        known = np.dtype(DTYPES[dtype]).newbyteorder("<")
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"the entry of {name!r} is incomplete or of a dtype that NumPy lacks") from None
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 2**63 for n in [*shape, begin, stop]):
        raise ValueError(f"the entry of {name!r} has something else than whole numbers")
    return known, shape, begin, stop


def array_hash(arrays: Arrays, text: str = "") -> str:
    """Compute the SHA-256 of a text and of named arrays: names, dtypes, shapes and values.

    >>> array_hash({"a": np.zeros(2)}) == array_hash({"a": np.zeros((2, 1))})
    False
    """
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
