"""Launches packed by `minigen.kernels.cuda.packed`: on a fake driver, which gets the words that Numba gives it."""

import json
from types import SimpleNamespace

import fake_driver
import numpy as np
import pytest

if reason := fake_driver.why_not():
    pytest.skip(reason, allow_module_level=True)

from minigen.kernels.cuda import packed
from minigen.kernels.cuda.target import types

pytestmark = pytest.mark.emulator


@pytest.fixture(scope="module")
def words():
    return json.loads(fake_driver.start("words"))


def test_the_driver_gets_the_words_that_numba_gives_it(words):
    """For every kernel of the set, on the default stream and on another: every bit of its arguments."""
    assert words["differing"] == {}
    launched = {name.split()[0] for name in words["packed"]}
    assert launched >= {"adam_steps", "add_bias", "add_shares", "correlate", "dropout", "leaky_relu", "max_pool2d",
                        "products", "warp"}  # fmt: skip


def test_no_kernel_is_left_to_numba(words):
    assert [name for name, is_packed in words["packed"].items() if not is_packed] == []


def test_threads_do_not_share_their_words():
    assert json.loads(fake_driver.start("threads")) == {"wrong": [], "launches": 1 + 8 * 500}


def test_a_launch_that_the_driver_refuses_is_an_error():
    assert fake_driver.start("refused") == "leaky_relu: the CUDA driver refuses the launch: CUDA_ERROR_LAUNCH_FAILED\n"


# ---- where Numba is not as expected


def numba_kernel(**changes):
    """What `pack` reads of a kernel with one float32, with a difference."""
    library = SimpleNamespace(get_cufunc=lambda: SimpleNamespace(kernel=SimpleNamespace(handle=1)))
    parts = {
        "debug": False, "cooperative": False, "extensions": [], "argument_types": (types.float32,),
        "bind": lambda: None, "_codelibrary": library,
        "_prepare_args": lambda kind, value, stream, later, words: words.append(np.float32(value)),
    }  # fmt: skip
    return SimpleNamespace(**{name: part for name, part in (parts | changes).items() if part is not None})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"_codelibrary": None}, "_codelibrary"),
        ({"_prepare_args": None}, "_prepare_args"),
        ({"debug": True}, "more than one call"),
        ({"_prepare_args": lambda kind, value, stream, later, words: words.append(3)}, "other words"),
        ({"argument_types": (types.Array(types.float32, 2, "C"),)}, r"array\(float32, 2d, C\)"),
        ({"argument_types": (types.complex64,)}, "complex64"),
        ({"argument_types": (types.float32,) * 600}, "4800 bytes"),
    ],
)
def test_a_numba_that_is_not_as_expected_is_not_packed(changes, told):
    compiled = SimpleNamespace(overloads={0: numba_kernel(**changes)}, py_func=fake_driver.words)
    with pytest.raises(packed.UnexpectedNumbaError, match=told):
        packed.pack(compiled, 256, [np.float32(1)], [np.float32(1)])
