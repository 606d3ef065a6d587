"""The engine and the Tensor: graphs of every shape, errors that say what happened, and company with other libraries."""

import gc
import weakref

import numpy as np
import pytest

import minigen as mg
from minigen.engine import primitive, primitives

pytestmark = pytest.mark.usefixtures("reference_kernels")


def t(values, requires_grad=True, dtype="float64"):
    return mg.tensor(np.asarray(values, dtype), requires_grad=requires_grad)


@pytest.fixture
def scratch():
    """Primitives that a test registers are taken out again."""
    before = set(primitives)
    yield
    for name in set(primitives) - before:
        del primitives[name]


# ---- graphs


def test_a_graph_100_000_deep():
    x = t(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1e-5
    y.backward()
    assert x.grad.item() == 1.0
    del y
    gc.collect()  # the chain of inputs is taken down without recursion too


def test_a_chain_of_60_diamonds_visits_each_node_once(scratch):
    visits = []

    @primitive
    def half(a):
        return a * 0.5

    half.vjp(a=lambda g, out, a: visits.append(1) or g * 0.5)
    x = y = t(1.0)
    for _ in range(60):
        y = half(y) + half(y)  # 2^60 paths
    (d,) = mg.grad(y, x)
    assert d.item() == 1.0 and len(visits) == 120


def test_one_tensor_used_in_many_places_collects_every_share():
    x = t([2.0, 3.0])
    y = x * x + mg.exp(x) + mg.stack([x, x]).sum(0)
    (d,) = mg.grad(y, x, t([1.0, -1.0], False))
    assert np.allclose(d.data, [1, -1] * (2 * x.data + np.exp(x.data) + 2), rtol=1e-15)


def test_backward_accumulates_into_leaves_only():
    x = t([1.0, 2.0])
    y = x * 3
    y.sum().backward()
    y2 = x * 4
    y2.sum().backward()
    assert x.grad.data.tolist() == [7.0, 7.0]
    with pytest.warns(UserWarning, match=r"grad: a Tensor made by mul does not keep its gradient; call t.retain_grad"):
        assert y.grad is None


def test_grad_gives_a_tuple_and_leaves_grad_alone():
    x, y = t(2.0), t(3.0)
    result = mg.grad(x * y, [x, y])
    assert isinstance(result, tuple) and [d.item() for d in result] == [3.0, 2.0]
    assert isinstance(mg.grad(x * y, x), tuple)
    assert x.grad is None and y.grad is None


def test_grad_of_something_computed_on_the_way():
    x = t(2.0)
    middle = x * x
    assert mg.grad(middle * middle, [middle, x])[0].item() == 8.0


def test_several_outputs_are_summed_with_their_cotangents():
    x = t([1.0, 2.0])
    (d,) = mg.grad([x * x, x.sum()], x, [t([1.0, 10.0], False), None])
    assert d.data.tolist() == [3.0, 41.0]


def test_derivatives_of_every_order():
    x = t(0.7)
    y = mg.sin(x)
    expected = [np.cos(0.7), -np.sin(0.7), -np.cos(0.7), np.sin(0.7), np.cos(0.7), -np.sin(0.7)]
    for value in expected:
        (y,) = mg.grad(y, x, create_graph=True)
        assert abs(y.item() - value) < 1e-15


def test_double_backward_as_the_gradient_penalty_needs_it():
    x, w = t([[1.0, -2.0], [0.5, 3.0]]), t([[0.3], [-0.7]])
    (dx,) = mg.grad(mg.tanh(x @ w).sum(), x, create_graph=True)
    penalty = ((dx * dx).sum(1) - 1) ** 2
    (dw,) = mg.grad(penalty.sum(), w)
    # by hand: dx = s w^T with s = 1 - tanh^2(xw), so |dx|^2 = s^2 |w|^2
    a = np.tanh(x.data @ w.data)[:, 0]
    s, n = 1 - a * a, float((w.data**2).sum())
    ds = -2 * a * s
    p = s * s * n - 1
    by_hand = sum(2 * p[i] * (2 * s[i] * ds[i] * n * x.data[i] + 2 * s[i] ** 2 * w.data[:, 0]) for i in range(2))
    assert np.allclose(dw.data[:, 0], by_hand, rtol=1e-13)


def test_create_graph_in_backward_lets_grad_be_differentiated():
    x = t(3.0)
    (x**3).backward(create_graph=True)
    assert mg.grad(x.grad, x)[0].item() == 18.0


def test_a_freed_graph_says_so_and_retain_graph_keeps_it():
    x = t(2.0)
    y = x * x
    y.backward()
    with pytest.raises(RuntimeError, match=r"mul: this graph was already used and freed.*retain_graph=True"):
        y.backward()
    y = x * x
    mg.grad(y, x, retain_graph=True)
    assert mg.grad(y, x)[0].item() == 4.0


def test_the_graph_goes_when_its_output_goes():
    x = t(np.ones(3))
    middle = mg.exp(x)
    seen = weakref.ref(middle)
    y = middle.sum()
    del middle
    assert seen() is not None
    del y
    assert seen() is None


def test_unused_inputs():
    x, y = t(1.0), t(2.0)
    with pytest.raises(RuntimeError, match=r"do not depend on inputs\[1\] \(shape \(\)\); allow_unused=True"):
        mg.grad(x * 2, [x, y])
    assert mg.grad(x * 2, [x, y], allow_unused=True)[1] is None


def test_no_grad_and_detach_cut():
    x = t(2.0)
    with mg.no_grad():
        y = x * x
        assert not mg.is_grad_enabled()
        with mg.enable_grad():
            z = x * x
    assert not y.requires_grad and z.requires_grad and mg.is_grad_enabled()
    assert not x.detach().requires_grad
    assert mg.grad(x * x.detach(), x)[0].item() == 2.0

    @mg.no_grad()
    def inner():
        return (x * x).requires_grad

    assert inner() is False and mg.is_grad_enabled()
    with pytest.raises(KeyError), mg.no_grad():
        raise KeyError
    assert mg.is_grad_enabled()
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        y.backward()


def test_gradients_that_nobody_wants_are_not_computed(scratch):
    calls = []

    @primitive
    def spy(a, b):
        return a + b

    spy.vjp(a=lambda g, out, a, b: calls.append("a") or g, b=lambda g, out, a, b: calls.append("b") or g)
    x, c = t(1.0), t(2.0, False)
    mg.grad(spy(x, c) * spy(c, c), x)
    assert calls == ["a"]


# ---- cotangents


@pytest.mark.parametrize(
    ("grad_output", "found"),
    [
        (t([1.0], False), r"float64\[1\]"),
        (t([1.0, 1.0], False, "float32"), r"float32\[2\]"),
        (np.ones(2), r"ndarray float64\[2\]"),
        (1.0, "float"),
    ],
)
def test_a_cotangent_of_the_wrong_shape_or_dtype_is_named(grad_output, found):
    y = t([1.0, 2.0]) * 2
    with pytest.raises(ValueError, match=rf"cotangent of output 0: expected Tensor float64\[2\], got .*{found}"):
        y.backward(grad_output)


def test_a_cotangent_may_only_be_left_out_for_one_element():
    with pytest.raises(ValueError, match=r"output 0 has shape \(2,\)"):
        (t([1.0, 2.0]) * 2).backward()
    with pytest.raises(ValueError, match="expected 1 grad_outputs, one per output, got 2"):
        x = t(1.0)
        mg.grad(x * 2, x, [None, None])


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (lambda g, out, alpha: g.sum(), r"Tensor float64\[\]"),
        (lambda g, out, alpha: g.to("float32"), r"Tensor float32\[2\]"),
        (lambda g, out, alpha: g.data, r"ndarray float64\[2\]"),
        (lambda g, out, alpha: None, "NoneType"),
    ],
)
def test_a_vjp_that_returns_something_else_is_named_with_op_and_argument(scratch, rule, found):
    @primitive
    def crooked(alpha):
        return alpha * 2

    crooked.vjp(alpha=rule)
    message = rf"vjp of crooked for 'alpha' returned {found}, expected Tensor float64\[2\]"
    with pytest.raises(AssertionError, match=message):
        crooked(t([1.0, 2.0])).sum().backward()


def test_a_primitive_name_is_taken_once_and_rules_need_known_arguments(scratch):
    @primitive
    def only_once(a):
        return a

    with pytest.raises(ValueError, match="'only_once' is taken"):
        primitive(only_once.forward)
    with pytest.raises(ValueError, match=r"only_once: vjp for unknown arguments \['b'\]"):
        only_once.vjp(b=None)


def test_gradients_belong_to_their_receiver_alone():
    x, y = t([1.0, 2.0]), t([3.0, 4.0])
    seed = t([1.0, 1.0], False)
    dx, dy = mg.grad(x + y, [x, y], seed)
    assert not np.shares_memory(dx.data, dy.data)
    assert not np.shares_memory(dx.data, seed.data) and not np.shares_memory(dy.data, seed.data)


# ---- changes in place


def test_arrays_are_read_only():
    x = t([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        x.data[0] = 5
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 5


def test_tensor_copies_so_that_the_caller_keeps_his_array():
    mine = np.ones(2)
    x = mg.tensor(mine)
    mine[0] = 5
    assert x.data.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("how", ["inplace", "assign"])
def test_a_change_that_a_later_backward_would_read_is_reported(how):
    x, w = t([1.0, 2.0]), t([3.0, 4.0])
    y = (x * w).sum()
    if how == "inplace":
        with w.inplace() as array:
            array += 1
    else:
        w.data = w.data + 1
    with pytest.raises(RuntimeError, match=r"mul: argument 'other' \(shape \(2,\)\) was changed after the forward"):
        y.backward()


def test_a_change_through_a_view_is_seen():
    x = t([[1.0, 2.0], [3.0, 4.0]])
    view = x.reshape(4)
    y = (view * view).sum()
    with x.inplace() as array:
        array += 1
    with pytest.raises(RuntimeError, match="was changed after the forward pass"):
        y.backward()


def test_detached_tensors_share_their_count_of_changes():
    x = t([1.0, 2.0])
    y = (x * x).sum()
    with x.detach().inplace() as array:
        array[0] = 9
    if x.data[0] == 9:  # shared memory must share the count; a copy need not
        with pytest.raises(RuntimeError, match="was changed after the forward pass"):
            y.backward()
    else:
        y.backward()
        assert x.grad.data.tolist() == [2.0, 4.0]


def test_data_must_keep_shape_and_dtype():
    x = t([1.0, 2.0])
    with pytest.raises(ValueError, match=r"data: expected an array float64\[2\], got ndarray float64\[3\]"):
        x.data = np.ones(3)
    with pytest.raises(ValueError, match=r"got ndarray float32\[2\]"):
        x.data = np.ones(2, np.float32)


# ---- dtypes


def test_python_numbers_never_change_a_dtype():
    for dtype in ("float32", "float64"):
        x = t([1.0], dtype=dtype)
        for y in (x * 2, 2 / x, x**2, 1e300 * x if dtype == "float64" else x - 1, np.float64(3) * x):
            assert y.dtype == dtype


def test_mixed_dtypes_are_an_error_that_names_op_and_argument():
    with pytest.raises(TypeError, match=r"mul: argument 'other' has dtype float64, expected float32.*convert"):
        t([1.0], dtype="float32") * t([1.0], dtype="float64")
    with pytest.raises(TypeError, match="exp: argument 'input' has dtype int64, expected float"):
        mg.exp(mg.tensor([1, 2]))


def test_only_floats_have_gradients():
    with pytest.raises(TypeError, match="only float32 and float64 can have a gradient, got dtype int64"):
        mg.tensor([1, 2], requires_grad=True)
    with pytest.raises(TypeError, match="complex128"):
        mg.Tensor(np.ones(2, complex))
    with pytest.raises(TypeError, match="tensor: rows of unequal length"):
        mg.tensor([[1.0], [1.0, 2.0]])


def test_casting_carries_the_cotangent_back_in_the_inputs_dtype():
    x = t([1.0, 2.0], dtype="float32")
    x.to("float64").sum().backward()
    assert x.grad.dtype == np.float32


# ---- what it looks like, and company


def test_repr():
    assert repr(mg.tensor([1.0, 2.0])) == "tensor([1., 2.])"
    assert repr(t([1.0])) == "tensor([1.], dtype=float64, requires_grad=True)"
    assert repr(t([1.0]) * 2) == "tensor([2.], dtype=float64, made by mul)"
    assert repr(mg.zeros(0, 3)) == "tensor([], shape=(0, 3))"
    assert len(repr(mg.zeros(100, 100))) < 500


def test_numpy_reads_a_tensor():
    x = t([1.0, 2.0])
    a = np.asarray(x)
    assert a.dtype == np.float64 and a.tolist() == [1.0, 2.0]
    assert np.array(x, dtype=np.float32).dtype == np.float32
    copy = np.array(x)
    copy[0] = 7
    assert x.data[0] == 1.0


def test_numpy_functions_are_ours_or_say_why_not():
    x = t([0.5, 2.0])
    y = np.exp(x)
    assert isinstance(y, mg.Tensor) and y.requires_grad
    assert isinstance(np.ones(2) * x, mg.Tensor)
    for call in (
        lambda: np.arctan(x),
        lambda: np.concatenate([x, x]),
        lambda: np.add.reduce(x),
    ):
        with pytest.raises(TypeError, match=r"does not work on a Tensor: use minigen's function .* t\.numpy\(\)"):
            call()
    for out in (x, np.ones(2)):
        with pytest.raises(TypeError, match=r"a Tensor's array is read-only; write `t -= x` under minigen.no_grad\(\)"):
            np.add(out, x, out=out)


def test_dlpack_both_ways():
    x = t([1.0, 2.0])
    there = np.from_dlpack(x)
    there_and_back = mg.from_dlpack(there)
    assert there_and_back.data.tolist() == [1.0, 2.0] and there_and_back.dtype == np.float64
    assert not np.shares_memory(there, x.data)
    source = np.arange(3.0)
    y = mg.from_dlpack(source)
    source[0] = 9
    assert y.data[0] == 0.0


def test_a_tensor_as_number_truth_length_and_index():
    assert float(t(2.5)) == 2.5 and int(t(2.5)) == 2 and t([3.0]).item() == 3.0
    assert bool(t(1.0)) and not bool(t(0.0))
    assert len(t([[1.0], [2.0]])) == 2
    assert [10, 20, 30][mg.tensor(1)] == 20
    with pytest.raises(ValueError, match="truth value of a Tensor of shape"):
        bool(t([1.0, 2.0]))
    with pytest.raises(ValueError, match=r"item: expected one element, got shape \(2,\)"):
        t([1.0, 2.0]).item()
    with pytest.raises(TypeError, match="float64 cannot serve as an index"):
        [1][t(0.0)]
    with pytest.raises(TypeError, match="len"):
        len(t(1.0))


def test_comparisons_give_booleans_and_tensors_can_be_keys():
    x = t([1.0, 2.0])
    assert (x > 1).data.tolist() == [False, True] and (x == t([1.0, 3.0])).data.tolist() == [True, False]
    assert {x: 1}[x] == 1


@pytest.mark.parametrize("how", ["in place", "through a view", "data"])
@pytest.mark.parametrize("function", [mg.exp, mg.tanh, mg.sigmoid, mg.sqrt, lambda x: mg.functional.leaky_relu(x, 0.1)])
def test_a_result_that_was_changed_is_noticed(function, how):
    """The gradient of exp is its result: read after a change, it would be wrong without a word."""
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = function(x)
    with mg.no_grad():
        if how == "in place":
            y -= 10
        elif how == "through a view":
            view = y[:1]
            view -= 10
        else:
            y.data = y.data - 10
    with pytest.raises(RuntimeError, match=r"the result \(shape \(2,\)\) was changed after the forward pass"):
        y.sum().backward()


def test_a_layer_with_its_activation_notices_that_its_result_was_changed():
    network = mg.nn.Sequential(mg.nn.Linear(2, 3), mg.nn.ReLU())
    y = network(mg.ones(1, 2))
    with mg.no_grad():
        y += 1
    with pytest.raises(RuntimeError, match="was changed after the forward pass"):
        y.sum().backward()
