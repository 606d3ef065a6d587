"""MathJax, one file that draws formulas without a network: fetched once, and only if its checksum is right."""

import base64
import hashlib
import io
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

__all__ = ["fetch"]

URL = "https://registry.npmjs.org/mathjax/-/mathjax-3.2.2.tgz"
SHA512 = "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw=="
MEMBER = "package/es5/tex-svg-full.js"  # all of TeX in one file: nothing is loaded later


def fetch(cache: Path) -> Path:
    """Return the file `MEMBER` of the archive, which is downloaded if it is not in `cache` yet.

    Raises
    ------
    SystemExit
        If there is no network and no copy, or the archive is not the one that was meant.
    """
    archive = cache / URL.rpartition("/")[2]
    if not archive.is_file():
        try:
            with urllib.request.urlopen(URL, timeout=60) as response:
                content = response.read()
        except urllib.error.URLError as error:
            raise SystemExit(f"{URL}: {error.reason}; put this file into {cache} by other means") from None
        _check(content, URL)
        cache.mkdir(parents=True, exist_ok=True)
        archive.write_bytes(content)
    content = archive.read_bytes()
    _check(content, str(archive))
    script = cache / MEMBER.rpartition("/")[2]
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        member = files.extractfile(MEMBER)
        assert member is not None
        script.write_bytes(member.read())
    return script


def _check(content: bytes, what: str) -> None:
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != SHA512:
        raise SystemExit(f"{what}: the checksum is not that of MathJax 3.2.2; delete it and build again")
