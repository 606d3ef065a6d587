"""Read safetensors files that may be damaged, and identify arrays by a hash."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["array_hash", "read_safetensors"]


def read_safetensors(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray[Any, Any]]]:
    """Read the metadata and all arrays of a safetensors file.

    Raises
    ------
    ValueError
        If it is no such file, is cut off, or holds a dtype that NumPy does not have.
    OSError
        If there is no such file, or it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    with path.open("rb"):
        pass  # a missing or unreadable file raises OSError
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            return file.metadata() or {}, arrays
    except (SafetensorError, TypeError, AttributeError) as error:  # the last two: of a dtype that NumPy lacks
        raise ValueError(f"{path} is damaged ({error})") from None


def array_hash(arrays: Mapping[str, np.ndarray[Any, Any]], text: str = "") -> str:
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
