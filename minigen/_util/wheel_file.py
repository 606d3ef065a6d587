"""Write wheels: zip files with a list of what they hold (https://packaging.python.org/specifications/binary-distribution-format).

Only Python's standard library is imported: the build scripts in ``.build/`` load this file by itself.
"""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping

__all__ = ["wheel_bytes"]


def wheel_bytes(stem: str, files: Mapping[str, bytes], generator: str) -> tuple[str, bytes]:
    """Make a wheel of pure Python.

    Parameters
    ----------
    stem : str
        Name and version, such as "minigen_lab-0.1.0".
    files : mapping of str to bytes
        The content of every file, by its path in the wheel; those of ``{stem}.dist-info`` without WHEEL and RECORD.
    generator : str
        What made it.

    Returns
    -------
    name : str
        Of the file.
    content : bytes
        The same for the same files.

    Examples
    --------
    >>> name, content = wheel_bytes("a-1", {"a.py": b"", "a-1.dist-info/METADATA": b""}, "an example")
    >>> name, zipfile.ZipFile(io.BytesIO(content)).namelist()[-1]
    ('a-1-py3-none-any.whl', 'a-1.dist-info/RECORD')
    """
    info, tag = f"{stem}.dist-info", "py3-none-any"
    whole = dict(files)
    whole[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: {generator}\nRoot-Is-Purelib: true\nTag: {tag}\n"
    ).encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in whole.items())
    whole[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in whole.items():
            entry = zipfile.ZipInfo(name)  # with a fixed date
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, data)
    return f"{stem}-{tag}.whl", memory.getvalue()


def _digest(data: bytes) -> str:
    """A SHA-256 as RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
