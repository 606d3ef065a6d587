"""Every example in a docstring runs, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import minigen as mg

OPTIONAL = {
    "cupy",
    "hypothesis",
    "jupytext",
    "matplotlib",
    "mpmath",
    "nbclient",
    "nbformat",
    "numba",
    "numba_cuda",
    "torch",
}


def modules():
    found = ["minigen", "minigen.kernels"]
    for package in ("minigen", "minigen.kernels"):
        found += [m.name for m in pkgutil.walk_packages(importlib.import_module(package).__path__, package + ".")]
    return sorted(set(found) - {"minigen.__main__"})


def load(name):
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in OPTIONAL:
            raise
        pytest.skip(f"{name} needs {error.name}")


@pytest.mark.parametrize("name", modules())
def test_examples_run(name):
    module = load(name)
    mg.manual_seed(0)
    with np.printoptions():
        result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def public(name):
    module = load(name)
    return [getattr(module, key) for key in module.__all__]


def with_examples():
    """Functions and optimizers that users call, by the lists their modules publish."""
    names = ["minigen", "minigen.functional", "minigen.losses", "minigen.optim", "minigen.optim.lr_scheduler"]
    found = {}
    for name in names:
        for item in public(name):
            if callable(item) and not inspect.ismodule(item):
                found[f"{name}.{item.__name__}"] = item
    return found


ABSTRACT = {"minigen.losses.Loss", "minigen.optim.Optimizer"}


@pytest.mark.parametrize("name", sorted(set(with_examples()) - ABSTRACT))
def test_a_public_function_has_an_example(name):
    assert ">>>" in (with_examples()[name].__doc__ or ""), f"{name} has no example"


@pytest.mark.parametrize("name", modules())
def test_everything_public_exists_and_says_what_it_is(name):
    module = load(name)
    assert module.__doc__, f"{name} has no docstring"
    for key in getattr(module, "__all__", ()):
        item = getattr(module, key)
        if callable(item):
            assert item.__doc__, f"{name}.{key} has no docstring"
