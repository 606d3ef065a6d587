"""The environment of a training: all that its last bits depend on, apart from its config."""

from collections.abc import Mapping
from typing import Any

from .. import kernels
from .._util.optional import installed_version

__all__ = ["describe_environment", "differences"]

_PACKAGES = ("minigen-lab", "numpy", "numba")
_CUDA_PACKAGES = ("cupy-cuda12x", "cupy-cuda13x", "numba-cuda")


def describe_environment(device: str = "cpu") -> dict[str, Any]:
    """Describe versions, kernel set, SIMD instructions and threads, in plain values.

    Parameters
    ----------
    device : {"cpu", "cuda"}

    Returns
    -------
    dict

    Examples
    --------
    >>> with kernels.use("reference"):
    ...     found = describe_environment()
    >>> list(found), found["kernels"]
    (['device', 'kernels', 'simd', 'threads', 'minigen-lab', 'numpy', 'numba'], 'reference')
    """
    serving = kernels.find("conv2d").__module__  # a kernel of the user's own is named by its module
    kernel_set = serving.split(".")[2] if serving.startswith("minigen.kernels.") else serving
    kernel_set = "cuda" if device == "cuda" else kernel_set
    simd = threads = None
    if kernel_set == "cpu":
        from ..kernels.cpu.runtime import instruction_set

        simd, threads = instruction_set.NAME, kernels.get_num_threads()
    packages = (*_PACKAGES, *(_CUDA_PACKAGES if device == "cuda" else ()))
    return {
        "device": device,
        "kernels": kernel_set,
        "simd": simd,
        "threads": threads,
        **{name: installed_version(name) for name in packages},
    }


def differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """List in words what differs between two nested mappings of plain values.

    >>> differences({"seed": 0, "options": {"lr": 0.1}}, {"seed": 0, "options": {"lr": 0.2, "ema": 0.9}})
    ['options.lr 0.1, now 0.2', 'options.ema (not set), now 0.9']
    """
    found = []
    for key in [*before, *(key for key in now if key not in before)]:
        old, new = before.get(key, "(not set)"), now.get(key, "(not set)")
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key} {old}, now {new}")
    return found
