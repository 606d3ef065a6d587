"""Files from the network: several mirrors, a known SHA-256, and never half a file under its final name."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from .._util.optional import require

__all__ = ["Source", "cache_folder", "fetch", "sha256"]


@dataclass(frozen=True)
class Source:
    """Where the files of one data set are found.

    Parameters
    ----------
    mirrors : tuple of str
        Addresses of folders, each ending in a slash, tried in this order.
    files : dict of str to str
        File name to SHA-256, in hexadecimal.
    """

    mirrors: tuple[str, ...]
    files: dict[str, str]


def sha256(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal.

    Examples
    --------
    >>> import os
    >>> sha256(Path(os.devnull))[:8]
    'e3b0c442'
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder(root: str | Path | None = None) -> Path:
    """Return the folder that holds downloads.

    It is `root`, or the environment variable MINIGEN_DATA, or the user's cache folder.

    Examples
    --------
    >>> cache_folder("here").name
    'here'
    """
    chosen = root or os.environ.get("MINIGEN_DATA") or require("pooch").os_cache("minigen")
    return Path(chosen).expanduser()


def fetch(name: str, file: str, source: Source, root: str | Path | None = None) -> Path:
    """Return the path of one verified file of a data set; download it if it is not in the cache.

    pooch downloads to a temporary file in the same folder, verifies it, and only then gives it its final name.  A file
    of the right name and the wrong hash (cut short by a full disk, say) is replaced by a good download.  If no mirror
    has one, the file stays as it is, because it may be the user's.

    Parameters
    ----------
    name : str
        Name of the data set: the sub-folder of the cache, and the first word of every error.
    file : str
        One of ``source.files``.
    source : Source
        Mirrors and hashes.
    root : path, optional
        See `cache_folder`.

    Returns
    -------
    Path
        Its SHA-256 is the known one.

    Raises
    ------
    OSError
        If no mirror delivers the right bytes (path, expected and found hash are named), or the disk refuses them.
    ModuleNotFoundError
        If something must be downloaded and pooch is not installed.
    """
    path = cache_folder(root) / name / file
    expected = source.files[file]
    problems = []
    if path.is_file():
        found = sha256(path)
        if found == expected:
            return path
        problems.append(f"the file there has {path.stat().st_size} bytes and SHA-256 {found}")
    pooch, requests = require("pooch"), require("requests")
    pooch.get_logger().setLevel("WARNING")  # the progress bar says enough
    # A mirror that neither answers nor refuses is given up after half a minute.
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    for mirror in source.mirrors:
        url = mirror + file
        try:
            pooch.retrieve(url, f"sha256:{expected}", file, path.parent, downloader=downloader)
            return path
        except requests.RequestException as error:  # a kind of OSError
            problems.append(f"{url}: {_reason(error)}")
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(error.errno, f"cannot write the download of {url}: {reason}", str(path)) from error
        except ValueError as error:  # the message names the hash that was found
            problems.append(f"{url}: {' '.join(str(error).split())}")
    raise OSError(
        f"{name}: cannot get {path} with SHA-256 {expected}: {'; '.join(problems)}. Without a network, copy {file} "
        f"into {path.parent} from a machine that has it, or use a set that needs no download, such as mnist5k."
    )


def _reason(error: Exception) -> str:
    """Give the reason of a failed request in a few words."""
    response = getattr(error, "response", None)
    return f"HTTP status {response.status_code}" if response is not None else type(error).__name__
