"""What a Tensor keeps: changes in place, requires_grad, grad, and errors that name the remedy."""

import ast
import copy
import inspect
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import hints, ops, tensor_methods

pytestmark = pytest.mark.usefixtures("reference_kernels")


def leaf(*values, dtype="float64"):
    return mg.tensor(np.asarray(values, dtype), requires_grad=True)


# ---- in-place operators


@pytest.mark.parametrize("kind", ["operator", "method", "item", "data"])
def test_gradient_descent_by_hand_changes_the_weights(kind):
    w = leaf(1.0, 2.0)
    alias, memory = w, w.data
    (w * w).sum().backward()
    with mg.no_grad():
        if kind == "operator":
            w -= 0.1 * w.grad
        elif kind == "method":
            w.sub_(0.1 * w.grad)
        elif kind == "item":
            w[:] = w - 0.1 * w.grad
        else:
            w.data = w.data - 0.1 * w.grad.data
    assert alias is w and alias.is_leaf and alias.requires_grad
    np.testing.assert_allclose(w.data, [0.8, 1.6])
    assert np.shares_memory(w.data, memory) == (kind != "data")


@pytest.mark.parametrize(
    "write",
    [
        lambda t: exec("t.data -= 0.1", {"t": t}),
        lambda t: exec("t.data *= t.grad", {"t": t}),
        lambda t: exec("t.grad.data /= 2", {"t": t}),
        lambda t: exec("t.numpy()[...] = 1", {"t": t}),
        lambda t: exec("t.numpy()[1:] += 1", {"t": t}),
        lambda t: t.data.T.fill(0),
        lambda t: t.data.sort(),
    ],
)
def test_who_writes_into_the_array_of_a_tensor_reads_what_to_do_instead(write):
    t = leaf(1.0, 2.0)
    (t * t).sum().backward()
    with pytest.raises(ValueError, match=r"^a Tensor's array is read-only: write `t -= x` .* minigen.no_grad\(\), .*$"):
        write(t)
    assert t.tolist() == [1, 2] and t.grad.tolist() == [2, 4]
    t.grad *= 0.5
    assert t.grad.tolist() == [1, 2]


def test_what_is_computed_from_the_array_of_a_tensor_is_a_plain_array():
    t = leaf(1.0, 2.0)
    for made in (t.data * 2, t.data.copy(), t.data.astype("float32"), np.sort(t.data), t.data.max(keepdims=True),
                 pickle.loads(pickle.dumps(t.data))):  # fmt: skip
        assert type(made) is np.ndarray and made.flags.writeable
    picked = t.numpy()[t.numpy() > 0]  # a copy, of the same kind
    picked += 1
    assert picked.tolist() == [2, 3] and t.tolist() == [1, 2] and repr(t.data) == "array([1., 2.])"
    twin = mg.Tensor(t.data)
    with mg.no_grad():
        t.zero_()
    assert twin.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("symbol", "change"),
    [
        ("+=", lambda w: w.__iadd__(1.0)),
        ("-=", lambda w: w.__isub__(1.0)),
        ("*=", lambda w: w.__imul__(2.0)),
        ("/=", lambda w: w.__itruediv__(2.0)),
        ("**=", lambda w: w.__ipow__(2)),
        ("clamp_", lambda w: w.clamp_(0, 1)),
        ("zero_", lambda w: w.zero_()),
        ("copy_", lambda w: w.copy_(mg.ones(2, dtype=np.float64))),
        ("item assignment", lambda w: w.__setitem__(0, 9.0)),
    ],
)
def test_every_change_in_place_is_counted_and_refused_where_it_would_have_to_be_recorded(symbol, change):
    w, x = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = (w * x).sum()
    with pytest.raises(RuntimeError, match=rf"{re.escape(symbol)}.*under minigen.no_grad\(\)"):
        change(w)
    assert w.data.tolist() == [1.0, 2.0]
    with mg.no_grad():
        change(w)
    assert w.data.tolist() != [1.0, 2.0]
    with pytest.raises(RuntimeError, match="was changed after the forward pass"):
        y.backward()


def test_in_place_operators_that_are_recorded_bind_the_name_to_a_new_tensor():
    x, total = leaf(3.0), mg.zeros(1, dtype=np.float64)
    start = total
    for _ in range(2):
        total += x * x
    total.sum().backward()
    assert x.grad.data.tolist() == [12.0] and start.data.tolist() == [0.0]
    y = x * 2
    with pytest.raises(RuntimeError, match="add_: a change in place is not recorded; compute a new Tensor"):
        y.add_(1.0)
    with pytest.raises(RuntimeError, match=r"item assignment is not recorded: .*where\(\), cat\(\)"):
        mg.zeros(1, dtype=np.float64)[0] = x.sum()


def test_a_view_writes_into_its_tensor_and_a_detached_one_too():
    x = mg.zeros(2, 3)
    x[0][1] = 5
    x.reshape(-1)[5] = 6
    x.T[0, 1] = 7
    x.flip(1)[0, 0] = 8
    x[1, 1].fill_(9)
    x.detach().mul_(10)
    assert x.tolist() == [[0, 50, 80], [70, 90, 60]]
    assert not x.data.flags.writeable and not x[0].data.flags.writeable
    w = leaf(1.0, 2.0)
    y = (w * w).sum()
    with mg.no_grad():
        w.reshape(2, 1)[0] = 3.0
    assert w.data.tolist() == [3.0, 2.0]
    with pytest.raises(RuntimeError, match="was changed after the forward pass"):
        y.backward()


VIEWS = [
    lambda x: x.reshape(-1), lambda x: x.reshape(x.shape[::-1]), lambda x: x.T, lambda x: x[1:], lambda x: x[..., ::2],
    lambda x: x[0], lambda x: x[..., 0], lambda x: x[None],
]  # fmt: skip


@settings(max_examples=60)
@given(data=st.data())
def test_any_mixture_of_views_and_changes_in_place_is_numpys(data):
    """Every Tensor has a NumPy twin, made by the same views of the same memory."""
    tensors, twins = [mg.zeros(4, 3, dtype=np.float64)], [np.zeros((4, 3))]
    for step in range(1, data.draw(st.integers(2, 12))):
        i = data.draw(st.integers(0, len(tensors) - 1))
        x, twin = tensors[i], twins[i]
        kind = data.draw(st.sampled_from(["view", "+=", "*=", "item", "inplace", "detach", "copy"]))
        count = x.version[0]
        if kind == "view" and 0 < twin.ndim < 3 and twin.size:
            view = data.draw(st.sampled_from(VIEWS))
            tensors.append(view(x))
            twins.append(view(twin))
        elif kind == "detach":
            tensors.append(x.detach())
            twins.append(twin)
        elif kind == "copy":
            tensors.append(x.clone())
            twins.append(twin.copy())
        elif kind == "+=":
            x += step
            twin += step
        elif kind == "*=":
            x *= 2
            twin *= 2
        elif kind == "inplace":
            with x.inplace() as array:
                array -= step
            twin -= step
        elif kind == "item" and twin.ndim and twin.size:
            x[-1] = x[0] + step
            twin[-1] = twin[0] + step
        else:
            continue
        for t, array in zip(tensors, twins):
            np.testing.assert_array_equal(t.data, array)
            assert not t.data.flags.writeable
        assert (x.version[0] > count) == (kind in ("+=", "*=", "item", "inplace"))


def test_memory_of_somebody_else_is_never_written_to():
    mine = np.zeros(4)
    x = mg.Tensor(mine[::2])
    x += 1
    x.reshape(2, 1)[0] = 5
    assert mine.tolist() == [0, 0, 0, 0] and x.tolist() == [5, 1]
    frozen = np.zeros(4)
    frozen.flags.writeable = False
    y = mg.Tensor(frozen[1:])
    y.zero_().add_(3)
    assert frozen.tolist() == [0, 0, 0, 0] and y.tolist() == [3, 3, 3]


def test_a_result_that_does_not_fit_is_refused():
    x = mg.zeros(1)
    with pytest.raises(ValueError, match=r"\+=: the result, float32\[3\], does not fit into the Tensor, float32\[1\]"):
        x += mg.ones(3)
    with pytest.raises(TypeError, match=r"item assignment: float does not fit a Tensor of dtype int64"):
        mg.arange(3)[0] = 1.5
    with pytest.raises(ValueError, match=r"item assignment into shape \(3,\)"):
        mg.arange(3)[:] = mg.arange(2)
    with pytest.raises(IndexError, match=r"item assignment into shape \(3,\)"):
        mg.arange(3)[7] = 1


def test_item_assignment_takes_masks_and_integer_arrays():
    x = mg.arange(5)
    x[x > 2] = -1
    x[[0, 1]] = mg.tensor([8, 9])
    assert x.tolist() == [8, 9, 2, -1, -1]
    mask = x < 0
    mask |= x == 2
    assert mask.tolist() == [False, False, True, True, True]


# ---- requires_grad and grad


def test_requires_grad_cannot_be_set_where_it_has_no_meaning():
    x = leaf(1.0, 2.0)
    y = x * 2
    with pytest.raises(
        RuntimeError, match=r"requires_grad: cannot be turned off for a Tensor made by mul; use t.detach"
    ):
        y.requires_grad = False
    with pytest.raises(TypeError, match="only float32 and float64 can have a gradient, got dtype int64"):
        mg.arange(2).requires_grad = True
    with pytest.raises(TypeError, match="requires_grad: expected a bool, got float"):
        x.requires_grad = 1.0
    y.requires_grad = True
    x.requires_grad_(False)
    assert not (x * 2).requires_grad and mg.ones(1).requires_grad_().requires_grad


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.ones(2), TypeError, r"grad: expected a Tensor or None, got ndarray float64\[2\]"),
        (1.0, TypeError, "grad: expected a Tensor or None, got float"),
        (mg.ones(2), ValueError, r"expected a Tensor float64\[2\] on cpu, got float32\[2\] on cpu"),
        (mg.ones(3, dtype=np.float64), ValueError, r"got float64\[3\] on cpu"),
    ],
)
def test_grad_takes_only_a_tensor_that_fits(value, error, message):
    x = leaf(1.0, 2.0)
    with pytest.raises(error, match=message):
        x.grad = value
    assert x.grad is None
    with pytest.raises(ValueError, match="cannot be its own gradient"):
        x.grad = x


def test_a_gradient_can_be_scaled_in_place():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    x.grad *= 10
    assert x.grad.tolist() == [20.0, 40.0]


def test_retain_grad_keeps_and_adds_up_the_gradient_of_a_result():
    x = leaf(3.0)
    y = x * x
    y.retain_grad()
    for _ in range(2):
        (2 * y).sum().backward(retain_graph=True)
    assert y.grad.tolist() == [4.0] and x.grad.tolist() == [24.0]
    with pytest.raises(RuntimeError, match="retain_grad: this Tensor does not require a gradient"):
        mg.ones(1).retain_grad()


def test_grad_wants_tensors():
    x = leaf(1.0)
    with pytest.raises(TypeError, match=r"grad: inputs\[0\]: expected a Tensor, got ndarray float64\[1\]"):
        mg.grad((x * x).sum(), [x.data])
    with pytest.raises(TypeError, match=r"grad: outputs\[0\]: expected a Tensor, got float"):
        mg.grad([1.0], x)


def test_copies_and_pickles_of_leaves_are_leaves_with_memory_of_their_own():
    x = leaf(1.0, 2.0)
    for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert twin.requires_grad and twin.is_leaf and twin.tolist() == [1.0, 2.0]
        assert not twin.data.flags.writeable and not np.shares_memory(twin.data, x.data)
    with pytest.raises(RuntimeError, match="pickle: expected a leaf, got a Tensor made by mul"):
        pickle.dumps(x * 2)


# ---- iteration, other libraries, hints


def test_iteration_gives_rows_and_a_number_cannot_be_iterated():
    x = leaf([1.0, 2.0], [3.0, 4.0])
    first, second = x
    assert second.tolist() == [3.0, 4.0] and second.requires_grad and first.shape == (2,)
    assert list(mg.zeros(0, 2)) == []
    for call in (list, sum, iter, lambda number: [*number]):
        with pytest.raises(TypeError, match="iteration over a Tensor without dimensions"):
            call(mg.tensor(5.0))


class Foreign:
    """An array of another library, as far as minigen can see."""

    __module__ = "foreign"
    dtype, shape, device = "foreign.float32", (2,), "cpu"

    def __init__(self, values):
        self.values = np.asarray(values, np.float32)

    def __dlpack__(self, **kwargs):
        return self.values.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def test_arrays_of_other_libraries_are_converted_or_named():
    foreign = Foreign([1.0, 2.0])
    x = mg.tensor(foreign)
    assert x.tolist() == [1.0, 2.0] and x.dtype == np.float32 and not np.shares_memory(x.data, foreign.values)
    for call in (lambda: mg.Tensor(foreign), lambda: mg.exp(foreign), lambda: x + foreign):
        with pytest.raises(TypeError, match=r"expected .*, got foreign.Foreign foreign.float32\[2\]"):
            call()


def test_names_that_are_left_out_name_their_replacement():
    x = mg.ones(2)
    assert not set(hints.TENSOR) & {*dir(x), *ops.METHODS} and not set(hints.FUNCTIONS) & set(dir(mg))
    with pytest.raises(AttributeError, match=r"Tensor has no attribute 'cuda'; use t\.to\('cuda'\)"):
        x.cuda()
    with pytest.raises(AttributeError, match="no attribute 'reshpe'"):
        x.reshpe(2)
    with pytest.raises(AttributeError, match=r"module 'minigen' has no attribute 'from_numpy'; use minigen\.tensor"):
        mg.from_numpy(np.ones(1))
    with pytest.raises(AttributeError, match="did you mean 'randn'"):
        mg.rndn(2)
    assert not hasattr(x, "_repr_html_") and not hasattr(mg, "no_such_room")


# ---- what an editor sees


def test_methods_are_the_functions_and_show_their_signatures():
    for name, function in ops.METHODS.items():
        assert getattr(mg.Tensor, name) is function, name
    assert str(inspect.signature(mg.Tensor.softmax)).startswith("(input")
    assert list(inspect.signature(mg.Tensor.sum).parameters) == ["input", "dim", "keepdim"]
    assert list(inspect.signature(mg.ones(2).sum).parameters) == ["dim", "keepdim"]
    assert list(inspect.signature(mg.Tensor.maximum).parameters) == ["input", "other"]
    assert mg.ones(2).exp.__doc__ == mg.exp.__doc__


def declarations():
    """The parameters of each declared method, with their defaults."""
    tree = ast.parse(inspect.getsource(tensor_methods))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            empty = ast.parse(f"def f({ast.unparse(node.args)}): ...").body[0]
            for a in ast.walk(empty):
                if isinstance(a, ast.arg):
                    a.annotation = None
            scope = {}
            exec(ast.unparse(empty), scope)
            yield node.name, inspect.signature(scope["f"]).replace(return_annotation=inspect.Signature.empty)


def test_every_operator_and_method_is_declared_for_editors_as_it_is():
    declared = dict(declarations())
    inplace = {
        name for name in ops.OPERATORS if name.startswith("__i") and name != "__invert__"
    }  # `+=` is typed as `+`
    missing = set(ops.METHODS) | set(ops.OPERATORS) | {"T", "mT"}
    assert missing - inplace == set(declared) - {"__hash__"}
    for name, function in ops.METHODS.items():
        want = [(p.name, p.default, p.kind) for p in inspect.signature(function).parameters.values()][1:]
        got = [(p.name, p.default, p.kind) for p in declared[name].parameters.values()][1:]
        assert got == want, name


def test_completion_finds_every_room():
    from pathlib import Path

    folder = Path(mg.__file__).parent
    rooms = {p.name for p in folder.iterdir() if (p / "__init__.py").exists()}
    assert rooms <= set(dir(mg)), rooms - set(dir(mg))
    for name in mg._LAZY:
        assert getattr(mg, name).__name__ == f"minigen.{name}"
