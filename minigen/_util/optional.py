"""Import packages that only a part of minigen needs, or name the extra that installs them."""

import importlib
import importlib.util
import sys
from importlib import metadata
from types import ModuleType

__all__ = ["IN_BROWSER", "PIP", "check_installed", "extra_of", "installed_version", "missing_package", "require"]

IN_BROWSER = sys.platform == "emscripten"
"""Whether this is Python in a browser (Pyodide)."""

PIP = "%pip install" if IN_BROWSER else "python -m pip install"
"""The beginning of a command that installs a package."""

_DISTRIBUTIONS = {
    "IPython": "ipython",
    "PIL": "pillow",
    "llvmlite": "numba",
    "numba_cuda": "numba-cuda",
    "otter": "otter-grader",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""The name that one installs, where it differs from the name that one imports."""

_EXTRAS = {
    "data": ("cycler", "matplotlib", "mlxtend", "pooch", "requests", "scikit-image", "scikit-learn", "scipy"),
    "lessons": ("ipykernel", "ipython", "jupyterlab", "jupytext", "nbclient", "nbformat"),
    "test": ("hypothesis", "mpmath", "pytest"),
    "course": ("otter-grader",),
    "mpi": ("mpi4py",),
    "cuda13": ("cupy", "numba-cuda"),
    "bench": ("torch",),
    "sequences": ("pretty_midi", "sktime"),
    "tensorboard": ("tensorboardX",),
}
"""The extra of minigen-lab that brings each optional package."""


def extra_of(module: str) -> str | None:
    """The extra of minigen-lab that brings the package of `module`; None for any other package.

    >>> extra_of("matplotlib.figure"), extra_of("my_module")
    ('data', None)
    """
    top = module.partition(".")[0]
    name = _DISTRIBUTIONS.get(top, top)
    return next((extra for extra, names in _EXTRAS.items() if name in names), None)


def missing_package(module: str) -> str:
    """Say in one line how to install the package of `module`.

    >>> missing_package("sklearn.datasets")
    'scikit-learn is not installed; the extra \\'data\\' brings it: python -m pip install "minigen-lab[data]"'
    """
    top = module.partition(".")[0]
    name = _DISTRIBUTIONS.get(top, top)
    extra = extra_of(module)
    if IN_BROWSER:
        return _missing_in_browser(name, extra)
    if extra is None:
        return f"{name} is not installed: {PIP} {name}"
    return f'{name} is not installed; the extra {extra!r} brings it: python -m pip install "minigen-lab[{extra}]"'


_BROWSER_EXTRAS = ("data", "test", None)
"""The extras whose packages exist for Python in a browser; None for what minigen itself needs."""

_NOT_IN_BROWSER = ("numba", "safetensors")


def _missing_in_browser(name: str, extra: str | None) -> str:
    """The same for Pyodide, where packages come one by one through ``%pip``, and many do not exist."""
    if extra in _BROWSER_EXTRAS and name not in _NOT_IN_BROWSER:
        return f"{name} is not installed: {PIP} {name}"
    return f"{name} is not installed, and may not exist for Python in a browser; use Python on a computer for this"


def check_installed(module: str) -> str:
    """Find the folder of the package of `module` without importing it; empty for a module without a folder.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed; the message says how to install it.
    """
    top = module.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None:
        raise ModuleNotFoundError(missing_package(module), name=top)
    return (spec.submodule_search_locations or [""])[0]


def require(module: str) -> ModuleType:
    """Import `module`; raise as `check_installed` if it is missing.

    >>> require("PIL.Image").__name__
    'PIL.Image'
    """
    check_installed(module)
    return importlib.import_module(module)


def installed_version(name: str) -> str | None:
    """The version of an installed distribution; None if it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
