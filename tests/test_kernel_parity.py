"""Every kernel of every set that takes NumPy arrays here, against the reference in float64: enumerated, not listed.

- Within a bound derived from the number of roundings, and exactly on small integers: `minigen.check.kernel_compare`.
- Bit for bit the same when called again, with other numbers of threads, and on arrays in any memory.
- Inputs are left as they were, and results are nobody else's memory.
"""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import kernels
from minigen.check.kernel_cases import CALLS, ROUNDS, Convolution, convolution, draw_call
from minigen.check.kernel_compare import answer, each, fault
from minigen.check.kernel_compare import run as run_kernel
from minigen.check.strategies import DrawnSource
from minigen.kernels import reference

KERNELS = sorted(reference.__all__)
LARGE = Convolution(4, 8, 12, (33, 35), (3, 3), padding=((1, 1), (1, 1)), groups=2)
"""Enough work to be shared out among threads."""


@st.composite
def convolutions(draw):
    return convolution(DrawnSource(draw))


# ---- the sets


def load(name):
    """The set's module, or a skip that says why its kernels do not take NumPy arrays here."""
    try:
        module = kernels.load(name)
        module.leaky_relu(np.ones(2, np.float32), 0.1)
    except (ImportError, OSError, RuntimeError, TypeError) as error:
        pytest.skip(f"the kernels of {name!r} take no NumPy arrays here: {error}")
    return module


every_set = pytest.mark.parametrize("kernel_set", kernels.SETS)
few = settings(max_examples=max(3, settings().max_examples // 2))
every_kernel = pytest.mark.parametrize("name", KERNELS)


def run(module, name, call, fresh=np.copy):
    """Everything that the kernel gives or writes; only what it writes to is copied before."""
    if not hasattr(module, name):
        pytest.skip(f"{module.__name__} has no {name}: the reference's serves")
    given = [each(fresh, a) if i in call.writes else a for i, a in enumerate(call.args)]
    with getattr(module, "precision", contextlib.nullcontext)("direct"):
        return run_kernel(getattr(module, name), replace(call, args=tuple(given)), send=lambda a: a)


def test_every_kernel_can_be_called_and_nothing_else():
    assert sorted(set(KERNELS) - set(CALLS)) == [], "nobody knows what to call these kernels with"
    assert sorted(set(CALLS) - set(KERNELS)) == [], "the reference has no such kernels"


@every_set
def test_a_set_has_nothing_but_the_references_kernels_and_settings(kernel_set):
    names = set(load(kernel_set).__all__) - set(KERNELS)
    assert sorted(name for name in names if not hasattr(kernels, name)) == []


@every_set
@every_kernel
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@few
@given(shapes=convolutions(), seed=st.integers(0, 2**16))
def test_within_the_bound_of_its_roundings(kernel_set, name, dtype, shapes, seed):
    call = draw_call(name, shapes, seed, dtype=dtype)
    assert fault(run(load(kernel_set), name, call), answer(name, call)) == ""


@every_set
@pytest.mark.parametrize("name", sorted(set(KERNELS) - set(ROUNDS)))
@few
@given(shapes=convolutions(), seed=st.integers(0, 2**16))
def test_exact_on_small_integers(kernel_set, name, shapes, seed):
    call = draw_call(name, shapes, seed, integers=True)
    assert call.exact and fault(run(load(kernel_set), name, call), answer(name, call)) == ""


# ---- bits and memory


@every_set
@every_kernel
def test_again_and_with_other_threads_the_same_bits(kernel_set, name):
    module, drawn = load(kernel_set), draw_call(name, LARGE, 0)
    first = run(module, name, drawn)
    runs = [run(module, name, drawn)]
    if hasattr(module, "set_num_threads"):
        before = module.get_num_threads()
        try:
            for threads in (1, 2):
                module.set_num_threads(threads)
                runs.append(run(module, name, drawn))
        finally:
            module.set_num_threads(before)
    for other in runs:
        for a, b in zip(first, other, strict=True):
            assert a.tobytes() == b.tobytes()


LAYOUTS = {
    "transposed": lambda a: np.array(a, order="F"),
    "backwards": lambda a: np.array(a[(slice(None, None, -1),) * a.ndim], order="C")[(slice(None, None, -1),) * a.ndim],
    "spread": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "read-only": lambda a: a.copy(),
}


@every_set
@every_kernel
@pytest.mark.parametrize("layout", LAYOUTS)
@few
@given(shapes=convolutions(), seed=st.integers(0, 2**16))
def test_memory_of_any_layout_is_read_and_left_alone(kernel_set, name, layout, shapes, seed):
    # Integers: every sum is exact, so that its order cannot matter; elementwise kernels round alike anyway.
    whole = name not in ROUNDS or name == "batch_norm_train"  # whose sums come before what it rounds
    module, drawn = load(kernel_set), draw_call(name, shapes, seed, integers=whole)
    plain = run(module, name, drawn)
    moved, kept = list(drawn.args), []
    for i, a in enumerate(drawn.args):
        if isinstance(a, np.ndarray | list) and i not in drawn.writes:
            moved[i] = each(LAYOUTS[layout], a)
            pairs = [(moved[i], a)] if isinstance(a, np.ndarray) else list(zip(moved[i], a))
            for array, _ in pairs:
                array.flags.writeable = False
            kept += pairs
    other = replace(drawn, args=tuple(moved))
    results, again = (run(module, name, other, LAYOUTS[layout]) for _ in range(2))
    for a, b in zip(plain, results, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, before in kept:
        np.testing.assert_array_equal(a, before)
    for result in results:
        assert not any(np.shares_memory(result, a) for a, _ in kept)
        assert not any(np.shares_memory(result, b) for b in again)
