"""Numba's cache of compiled kernels on disk, made safe: a damaged file is dropped, a full disk is no error.

Numba trusts its files.  One that a crash cut off, or whose bits have changed, ends every later run with a traceback, or
runs wrong machine code.  Here each file ends with a checksum.  A file that does not match is compiled again and written
anew.  A cache that cannot be written means that each process compiles for itself.  Either is said once, in one line.
"""

import contextlib
import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

__all__ = ["KernelCache"]

_said: set[str] = set()


class KernelCache(FunctionCache):
    """The cache of one compiled function.

    Parameters
    ----------
    function : callable
        What Numba compiles; its module and qualified name name the files.

    Raises
    ------
    RuntimeError
        If there is no folder for a cache.
    """

    def __init__(self, function: Callable[..., Any]):
        super().__init__(function)
        self._cache_file = _CheckedFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    def _load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super()._load_overload(sig, target_context)
        except Exception as error:  # whatever is wrong with a file, compiling mends it
            _say(f"the kernel cache in {self._cache_path} is damaged ({error}); what it lost is compiled again")
            return None

    def _save_overload(self, sig: Any, data: Any) -> None:
        try:
            super()._save_overload(sig, data)
        except OSError as error:
            reason = error.strerror or error
            _say(f"compiled kernels cannot be kept in {self._cache_path} ({reason}); each process compiles them again")


class _CheckedFile(IndexDataCacheFile):
    """The index and data files of one function, each with its checksum at the end, which unpickling does not read."""

    @contextlib.contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        content = io.BytesIO()
        yield content
        with super()._open_for_write(filepath) as file:
            file.write(content.getvalue() + _checksum(content.getvalue()))

    def _load_index(self) -> dict[Any, str]:
        if not self._sound(Path(self._index_path)):
            return {}
        return super()._load_index()

    def _load_data(self, name: str) -> Any:
        return super()._load_data(name) if self._sound(Path(self._data_path(name))) else None

    def _sound(self, path: Path) -> bool:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return False
        size = len(_checksum(b""))
        sound = content[-size:] == _checksum(content[:-size])
        if not sound:
            _say(f"the kernel cache in {path.parent} is damaged ({path.name}); what it lost is compiled again")
        return sound


def _checksum(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _say(line: str) -> None:
    """Say a line on stderr, the first of its kind in this process."""
    kind = line.partition(" (")[0]
    if kind not in _said:
        _said.add(kind)
        print(f"minigen: {line}", file=sys.stderr, flush=True)
