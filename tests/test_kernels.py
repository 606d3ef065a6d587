"""Which kernel serves: the choice of sets, and kernels of one's own."""

import os
import subprocess
import sys

import numpy as np
import pytest

import minigen as mg
from minigen import kernels
from minigen.kernels import reference

TRIAD = ("conv2d", "conv2d_input_grad", "conv2d_weight_grad")


def test_use_holds_inside_its_block_only():
    outside = kernels.find("conv2d")
    with kernels.use("reference"):
        assert kernels.find("conv2d") is reference.conv2d
    assert kernels.find("conv2d") is outside


@pytest.mark.parametrize(
    ("chosen", "answer"),
    [("reference", "minigen.kernels.reference.conv"), ("fast", "unknown set 'fast'; expected one of reference, cpu")],
)
def test_the_environment_sets_the_start(chosen, answer):
    code = "import minigen.kernels as kernels; print(kernels.find('conv2d').__module__)"
    environment = {**os.environ, "MINIGEN_KERNELS": chosen}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100)
    assert answer in run.stdout + run.stderr


def test_an_unknown_set_or_kernel_is_named():
    with pytest.raises(ValueError, match="unknown set 'gpu'"):
        kernels.use("gpu")
    with pytest.raises(ValueError, match="no kernel is called 'conv3d'"):
        kernels.register("conv3d", print)


def test_a_kernel_of_ones_own_serves_operations_until_it_is_removed():
    calls = []

    def counted(*args, **kwargs):
        calls.append(args[0].shape)
        return reference.conv2d(*args, **kwargs)

    x, w = mg.ones(1, 2, 5, 5), mg.ones(3, 2, 3, 3)
    with kernels.register("conv2d", counted):
        inside = mg.functional.conv2d(x, w)
    outside = mg.functional.conv2d(x, w)
    assert calls == [(1, 2, 5, 5)]
    np.testing.assert_array_equal(inside.numpy(), outside.numpy())


@pytest.mark.parametrize("name", kernels.available())
def test_every_set_has_the_references_names(name):
    try:
        module = kernels.load(name)
    except ImportError as error:
        pytest.skip(str(error))
    assert set(module.__all__) <= set(reference.__all__) | {"precision", "set_num_threads", "get_num_threads"}
    assert set(TRIAD) <= set(module.__all__)


def test_without_numba_the_reference_serves_with_a_hint(monkeypatch, capsys):
    monkeypatch.setattr(kernels, "_default_set", "auto")
    find_spec = kernels.importlib.util.find_spec
    monkeypatch.setattr(kernels.importlib.util, "find_spec", lambda name: None if name == "numba" else find_spec(name))
    kernels._host_set.cache_clear()
    try:
        assert kernels.find("conv2d") is reference.conv2d
        assert "Numba is not installed" in capsys.readouterr().err
    finally:
        kernels._host_set.cache_clear()
