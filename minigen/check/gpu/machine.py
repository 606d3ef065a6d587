"""Which GPU, which versions: what one must know to make sense of a report."""

import hashlib
import importlib.util
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ... import kernels
from ...kernels.static_report.gpus import Gpu, gpu_here

__all__ = ["facts", "gpu", "usable_torch"]

_PACKAGES = ("minigen-lab", "numba", "numba-cuda", "cuda-bindings", "cuda-core", "llvmlite")


def facts() -> dict[str, Any]:
    """Everything by name, as text or numbers."""
    import cupy

    runtime = cupy.cuda.runtime
    here = gpu()
    return {
        "GPU": here.name,
        "compute capability": here.cc / 10,
        "peak TFLOP/s": f"{here.flops / 1e12:.1f}",
        "memory GB/s": f"{here.bandwidth / 1e9:.0f}",
        "driver's CUDA": _version(runtime.driverGetVersion()),
        "CuPy's CUDA": _version(runtime.runtimeGetVersion()),
        "CuPy": cupy.__version__,
        **{name: _installed(name) for name in _PACKAGES},
        "NumPy": np.__version__,
        "PyTorch": _pytorch(),
        "Python": platform.python_version(),
        "system": platform.platform(),
        "source of the kernels": _digest(),
    }


def gpu() -> Gpu:
    """The current GPU and its peaks."""
    import cupy

    number = cupy.cuda.runtime.getDevice()
    properties = cupy.cuda.runtime.getDeviceProperties(number)
    cc = 10 * properties["major"] + properties["minor"]
    return gpu_here(properties["name"].decode(), cc, cupy.cuda.Device(number).attributes)


def _version(number: int) -> str:
    """12080 is 12.8."""
    return f"{number // 1000}.{number % 1000 // 10}"


def _installed(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _pytorch() -> str:
    version = _installed("torch")
    if not usable_torch():
        return version if version == "not installed" else f"{version}, without a GPU"
    import torch

    return f"{version}, cuDNN {torch.backends.cudnn.version()}"


def usable_torch() -> bool:
    """Whether PyTorch is installed and finds the GPU."""
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _digest() -> str:
    """Of the kernels' sources: two reports with the same are of the same kernels."""
    folder = Path(kernels.__file__).parent / "cuda"
    text = "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
