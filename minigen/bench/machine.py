"""What a measurement depends on: processor, threads, versions and settings."""

import importlib.util
import os
import platform
from importlib import metadata
from pathlib import Path

from .worker import ALLOCATOR

__all__ = ["describe", "processor"]


def describe(threads: int, precision: str) -> dict[str, str]:
    """Everything that a reader needs to compare the figures with those of another machine, by name.

    Parameters
    ----------
    threads : int
        Threads of each library.
    precision : str
        See `minigen.kernels.precision`.
    """
    import numpy as np

    from ..kernels.cpu.runtime import instruction_set

    numpy_config = np.show_config(mode="dicts")
    blas = numpy_config["Build Dependencies"]["blas"] if isinstance(numpy_config, dict) else {}
    facts = {
        "processor": processor(),
        "threads": f"{threads} for each library, {os.cpu_count()} logical processors",
        "vectors": f"{instruction_set.NAME}, precision {precision}",
        "BLAS": f"{blas.get('name', '?')} {blas.get('version', '')}".strip()
        + (f", OPENBLAS_CORETYPE={os.environ['OPENBLAS_CORETYPE']}" if "OPENBLAS_CORETYPE" in os.environ else ""),
        "versions": f"Python {platform.python_version()}, NumPy {np.__version__}, Numba {metadata.version('numba')}",
        "system": f"{platform.system()} {platform.machine()}",
    }
    if importlib.util.find_spec("torch") is not None:
        settings = " ".join(f"{name}={os.environ.get(name, value)}" for name, value in ALLOCATOR.items())
        facts["PyTorch"] = (
            f"{metadata.version('torch')}, in a separate process with {settings}; eager mode; "
            "each row in the faster of two memory formats (contiguous, channels last)"
        )
    return facts


def processor() -> str:
    """The processor as the system names it; on Linux with family and model, which tell generations apart."""
    if platform.system() == "Linux":
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
        facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
        if "model name" in facts:
            numbers = [
                f"{word} {facts[key]}" for word, key in (("family", "cpu family"), ("model", "model")) if key in facts
            ]
            return f"{facts['model name']} ({', '.join(numbers)})" if numbers else facts["model name"]
    return platform.processor() or platform.machine()
