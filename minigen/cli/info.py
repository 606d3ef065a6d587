"""``minigen info``."""

import argparse
import os
import platform
from pathlib import Path
from typing import Any

from .._util.lessons_folder import INSTALL
from .._util.optional import PIP, installed_version

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``minigen info`` has no arguments."""


def run(arguments: argparse.Namespace) -> None:
    """Do what ``minigen info`` was asked."""
    from .. import backend, data, kernels, lessons

    packages = ["numpy", "numba", "matplotlib", "mlxtend", "scikit-learn", "scikit-image", "pooch", "mpi4py",
                "cupy-cuda12x", "cupy-cuda13x"]  # fmt: skip
    found = {name: installed_version(name) for name in packages}
    print(f"minigen      {installed_version('minigen-lab')}, in {Path(__file__).parents[1]}")
    print(f"Python       {platform.python_version()}, {platform.platform()}")
    print(f"processor    {platform.machine()}, {os.cpu_count()} cores")
    print("packages     " + ", ".join(f"{name} {version}" for name, version in found.items() if version))
    print("missing      " + (", ".join(name for name, version in found.items() if not version) or "none"))
    chosen = os.environ.get("MINIGEN_KERNELS", "auto")
    print(f"kernels      {', '.join(kernels.available())}; MINIGEN_KERNELS is {chosen}")
    print(f"GPU          {backend.why_no_gpu() or 'ready'}")
    threads = [f"{key}={os.environ[key]}" for key in THREAD_VARIABLES if key in os.environ]
    print("threads      " + (", ".join(threads) or "as many as there are cores"))
    print(f"lessons      {lessons.FOLDER if lessons.FOLDER.is_dir() else f'not installed: {INSTALL}'}")
    for name, row in data.DATASETS.items():
        print(f"data         {name:14} {_presence(name, row)}")


THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


def _presence(name: str, row: Any) -> str:
    """Whether a data set can be used right now."""
    from ..data import cache_folder

    if row.package and not installed_version(row.package):
        return f"needs {row.package}: {PIP} {row.package}"
    if row.download and not (cache_folder() / name).is_dir():
        return f"{row.download / 1e6:.0f} MB to download on first use, to {cache_folder() / name}"
    return "here"
