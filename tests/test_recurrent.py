"""Recurrent layers: PyTorch's values, gradients and states; second order; slices that share one gradient."""

import numpy as np
import pytest

import minigen as mg
from minigen.engine import primitives

nn = mg.nn


def sequence(*shape, seed=0):
    return mg.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


# ---- many slices of one Tensor


def arrays_made_by(function):
    """How many numbers the primitives of a backward pass write in all."""
    written = []
    kept = {name: p.forward for name, p in primitives.items()}

    def counting(forward):
        def run(*args, **kwargs):
            out = forward(*args, **kwargs)
            written.append(out.size if getattr(out, "base", None) is None else 0)
            return out

        return run

    try:
        for p in primitives.values():
            p.forward = counting(p.forward)
        function()
    finally:
        for name, p in primitives.items():
            p.forward = kept[name]
    return sum(written)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("cut", [lambda x: x.unbind(), lambda x: x.split(1), lambda x: x.chunk(len(x.data)),
                                 lambda x: [x[t] for t in range(len(x.data))]])  # fmt: skip
def test_the_gradient_of_slices_costs_as_much_as_the_whole(cut, create_graph):
    costs = []
    for steps in (16, 64):
        x = sequence(steps, 2, 3)
        y = mg.stack([part * part for part in cut(x)]).sum()
        costs.append(arrays_made_by(lambda y=y, x=x: mg.grad(y, x, create_graph=create_graph)))
    assert costs[1] <= 4.5 * costs[0]  # one array of full size for each slice would make it 16 times as much


def test_slices_and_other_uses_of_a_tensor_add_up():
    x = sequence(4, 3)
    y = (x[1] * x[2]).sum() + (x * x).sum() + (x[[0, 0, 3]] ** 2).sum() + x[1:3].sum()
    (found,) = mg.grad(y, x)
    a = x.numpy()
    expected = 2 * a
    expected[1] += a[2]
    expected[2] += a[1]
    expected[0] += 4 * a[0]
    expected[3] += 2 * a[3]
    expected[1:3] += 1
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-14)


def test_slices_of_a_tensor_that_is_wanted_itself_have_a_graph():
    x = sequence(3, 2)
    y = x * 2
    first, last = mg.grad((y[0] * y[2]).sum(), [x, y], create_graph=True)
    (second,) = mg.grad(last[0].sum(), x)
    np.testing.assert_allclose(first.numpy(), 2 * last.numpy())
    np.testing.assert_allclose(second.numpy(), [[0, 0], [0, 0], [2, 2]])


# ---- the layers


def by_hand(kind, layer, x):
    """The formulas on the page of `minigen.ops.recurrent`, step by step in NumPy."""

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    state = {name: value.astype(np.float64) for name, value in layer.state_dict().items()}
    h = c = np.zeros((x.shape[1], layer.hidden_size))
    outputs = []
    for frame in x:
        a = frame @ state["weight_ih_l0"].T + state["bias_ih_l0"]
        b = h @ state["weight_hh_l0"].T + state["bias_hh_l0"]
        if kind == "GRU":
            (ar, az, an), (br, bz, bn) = np.split(a, 3, 1), np.split(b, 3, 1)
            r, z = sigmoid(ar + br), sigmoid(az + bz)
            h = (1 - z) * np.tanh(an + r * bn) + z * h
        else:
            i, f, g, o = np.split(a + b, 4, 1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_the_formulas_on_the_page(kind):
    layer = getattr(nn, kind)(3, 5).to("float64")
    x = sequence(6, 2, 3)
    np.testing.assert_allclose(layer(x)[0].numpy(), by_hand(kind, layer, x.numpy()), rtol=1e-12)


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_layer_is_its_cell_at_every_step(kind):
    layer, cell = getattr(nn, kind)(3, 4).to("float64"), getattr(nn, f"{kind}Cell")(3, 4).to("float64")
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, state, outputs = sequence(5, 2, 3), None, []
    for frame in x.unbind():
        state = cell(frame, state)
        outputs.append(state if kind == "GRU" else state[0])
    output, last = layer(x)
    np.testing.assert_allclose(output.numpy(), mg.stack(outputs).numpy(), rtol=1e-13)
    np.testing.assert_allclose(
        (last if kind == "GRU" else last[1])[0].numpy(), (state if kind == "GRU" else state[1]).numpy()
    )


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_a_state_carries_on_a_sequence(kind):
    layer = getattr(nn, kind)(3, 4, num_layers=2).to("float64")
    x = sequence(7, 2, 3)
    whole, end = layer(x)
    first, state = layer(x[:3])
    second, last = layer(x[3:], state)
    np.testing.assert_allclose(mg.cat([first, second]).numpy(), whole.numpy(), rtol=1e-12)
    for one, other in zip(*((s,) if kind == "GRU" else s for s in (last, end))):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-12)


def test_gradients_by_arrays_and_by_tensors_agree():
    """The two ways of the same rule: without and with a recorded backward pass."""
    for kind in ("GRU", "LSTM"):
        layer = getattr(nn, kind)(3, 4).to("float64")
        x, g = sequence(5, 2, 3), sequence(5, 2, 4, seed=1).detach()
        wanted = [x, *layer.parameters()]
        plain = mg.grad(layer(x)[0], wanted, g)
        recorded = mg.grad(layer(x)[0], wanted, g, create_graph=True)
        for one, other in zip(plain, recorded):
            np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-10, atol=1e-13)


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(x / 2)


def gru_formula(a, weight, bias, h):
    """The formulas of the page, for any kind of numbers."""
    states = []
    for step in a:
        (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(step, 3, 1), np.split(h @ weight.T + bias, 3, 1)
        r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
        m = np.tanh(a_n + r * b_n)
        h = (1 - z) * m + z * h
        states.append(h)
    return np.stack(states)


def lstm_formula(a, weight, bias, h, c):
    states = []
    for step in a:
        i, f, g, o = np.split(step + h @ weight.T + bias, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append((h, c))
    return np.stack(states, 1)


FORMULAS = {"gru": (gru_formula, 3, 1), "lstm": (lstm_formula, 4, 2)}
"""The formula, the number of gates, and of states."""


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", FORMULAS)
def test_saturated_gates_are_finite_without_a_warning(name, create_graph):
    _, gates, states = FORMULAS[name]
    shapes = [(2, 1, gates), (gates, 1), (gates,), *[(1, 1)] * states]
    for size in (-1e4, 1e4, -1e300):
        inputs = [
            mg.tensor(np.full(shape, size if i == 0 else 1.0), requires_grad=True) for i, shape in enumerate(shapes)
        ]
        out = primitives[name](*inputs)
        grads = mg.grad(out.sum(), inputs, create_graph=create_graph)
        assert all(np.isfinite(t.numpy()).all() for t in (out, *grads))


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", FORMULAS)
def test_gates_near_0_and_1_have_the_gradient_of_complex_steps(name, create_graph):
    """Every gate at -40, -20, -5, 5, 20 and 40, one at a time and all together; f(x + ih) has no difference to round."""
    formula, gates, states = FORMULAS[name]
    sizes = np.array([-40.0, -20.0, -5.0, 5.0, 20.0, 40.0])
    rng = np.random.default_rng(3)
    rows = np.concatenate([np.eye(gates), np.ones((1, gates))])
    a = (sizes[:, None, None] * rows).reshape(1, -1, gates)
    a = np.concatenate([a, rng.permutation(a, axis=1)]) + 0.1 * rng.standard_normal((2, a.shape[1], gates))
    shapes = [(gates, 1), (gates,), *[(a.shape[1], 1)] * states]
    arrays = [a, *(rng.standard_normal(shape) for shape in shapes)]
    inputs = [mg.tensor(x, requires_grad=True) for x in arrays]
    out = primitives[name](*inputs)
    g = rng.standard_normal(out.shape)
    np.testing.assert_allclose(out.numpy(), formula(*arrays), rtol=1e-14, atol=2e-15)
    found = mg.grad(out, inputs, mg.tensor(g), create_graph=create_graph)
    for k, gradient in enumerate(found):
        exact = np.empty(gradient.shape)
        for place in np.ndindex(exact.shape):
            moved = [x.astype(np.clongdouble) for x in arrays]
            moved[k][place] += 1j * np.longdouble(1e-60)
            exact[place] = ((formula(*moved) * g).imag / np.longdouble(1e-60)).sum()
        np.testing.assert_allclose(gradient.numpy(), exact, rtol=1e-13, atol=1e-14 * (1 if exact.size > 12 else 10))


@pytest.mark.parametrize("name", FORMULAS)
def test_an_infinite_state_has_the_same_gradients_by_arrays_and_by_tensors(name):
    """The recorded sweep begins with zeros, and not with 0 times the state, which would be NaN."""
    _, gates, states = FORMULAS[name]
    rng = np.random.default_rng(0)
    shapes = [(3, 2, gates * 4), (gates * 4, 4), (gates * 4,), *[(2, 4)] * states]
    arrays = [rng.standard_normal(shape) for shape in shapes]
    arrays[3][0, 1] = np.inf
    found = []
    for create_graph in (False, True):
        inputs = [mg.tensor(x, requires_grad=True) for x in arrays]
        with np.errstate(invalid="ignore"):
            out = primitives[name](*inputs)
            found.append([g.numpy() for g in mg.grad(out.sum(), inputs, create_graph=create_graph)])
    for plain, recorded in zip(*found, strict=True):
        np.testing.assert_allclose(recorded, plain, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", FORMULAS)
def test_no_step_and_no_sequence_have_gradients_of_zeros(name, create_graph):
    _, gates, states = FORMULAS[name]
    for steps, n in ((0, 2), (2, 0), (0, 0)):
        shapes = [(steps, n, gates * 3), (gates * 3, 3), (gates * 3,), *[(n, 3)] * states]
        inputs = [mg.tensor(np.ones(shape), requires_grad=True) for shape in shapes]
        grads = mg.grad(primitives[name](*inputs).sum(), inputs, create_graph=create_graph)
        assert [g.shape for g in grads] == shapes and not any(g.numpy().any() for g in grads)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_gates_are_kept_for_the_backward_pass_of_their_own_forward_pass(name):
    """Without them, or where another forward pass came between, the backward pass finds the same gradient by itself."""
    from minigen import kernels
    from minigen.ops.recurrent import Kept

    _, gates, states = FORMULAS[name]
    shapes = [(3, 2, gates * 5), (gates * 5, 5), (gates * 5,), *[(2, 5)] * states]
    rng, calls = np.random.default_rng(0), []
    inputs, others = ([mg.tensor(rng.standard_normal(shape), requires_grad=True) for shape in shapes] for _ in "ab")

    kernel = getattr(kernels.load("reference"), name)

    def counted(*arrays):
        calls.append(name)
        return kernel(*arrays)

    def gradients(kept, between=False):
        out = primitives[name](*inputs, kept=kept)
        if between:
            primitives[name](*others, kept=kept)
        calls.clear()
        return [g.numpy() for g in mg.grad(out.sum(), inputs)]

    with kernels.register(name, counted):
        expected = gradients(None)
        assert len(calls) == 1
        for kept, between, runs in ((Kept(), False, 0), (Kept(), True, 1)):
            for one, other in zip(gradients(kept, between), expected, strict=True):
                np.testing.assert_array_equal(one, other)
            assert len(calls) == runs


@pytest.mark.parametrize(("dtype", "u"), [(np.float32, 2.0**-24), (np.float64, 2.0**-53)])
def test_the_functions_of_the_kernels_are_right_to_the_last_digits(dtype, u):
    """Sigmoid and tanh of the vectors, over all sizes, against long doubles; both zeros, infinities and NaN."""
    from minigen.kernels.cpu.runtime.thread_pool import parallel
    from minigen.kernels.cpu.simd import exponential as vector
    from minigen.kernels.cpu.simd import lanes, load_first, pointer, store_first

    @parallel
    def apply(thread, counter, x, s, t):
        for i in range(0, x.size, lanes(pointer(x))):
            n = min(lanes(pointer(x)), x.size - i)
            store_first(pointer(s), i, vector.sigmoid(load_first(pointer(x), i, n)), n)
            store_first(pointer(t), i, vector.tanh(load_first(pointer(x), i, n)), n)

    rng = np.random.default_rng(0)
    x = (10.0 ** rng.uniform(-12, 1.9, 20_001) * rng.choice([-1, 1], 20_001)).astype(dtype)
    s, t = np.empty((2, x.size), dtype)
    apply(x, s, t)
    wide = x.astype(np.longdouble)
    for found, exact in ((s, 1 / (1 + np.exp(-wide))), (t, np.tanh(wide))):
        worst = float(np.max(np.abs(found - exact) / np.abs(exact)))
        assert worst < 6 * u, worst / u
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e4, -1e4], dtype)
    s, t = np.empty((2, special.size), dtype)
    apply(special, s, t)
    np.testing.assert_array_equal(s, [0.5, 0.5, 1, 0, np.nan, 1, 0])  # with 1e-38 for 0, 0 times infinity is not NaN
    np.testing.assert_array_equal(t, np.tanh(special))


def test_the_penalty_of_a_recurrent_critic_has_the_gradient_that_differences_give():
    """The second order pass that a WGAN-GP critic needs, and that PyTorch's cuDNN layers do not have."""
    mg.manual_seed(0)
    layer, head = nn.GRU(2, 3).to("float64"), nn.Linear(3, 1).to("float64")
    parameters = [*layer.parameters(), *head.parameters()]
    x = sequence(6, 4, 2)

    def penalty():
        (slope,) = mg.grad(head(layer(x)[1][0]).sum(), x, create_graph=True)
        return (((slope * slope).sum((0, 2)) ** 0.5 - 1) ** 2).mean()

    found = mg.grad(penalty(), parameters, allow_unused=True)
    rng = np.random.default_rng(3)
    for p, g in zip(parameters, found):
        v, h, values = rng.standard_normal(p.shape), 1e-5, []
        kept = p.numpy().copy()
        for sign in (1, -1):
            p.data = kept + sign * h * v
            values.append(penalty().item())
        p.data = kept
        expected = 0.0 if g is None else (g.numpy() * v).sum()
        assert expected == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5, abs=1e-9)


def test_a_recurrent_critic_trains_with_a_gradient_penalty():
    """It tells two kinds of series apart, and its slope comes near 1."""
    mg.manual_seed(0)
    rng = np.random.default_rng(0)
    time = np.arange(12)

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.GRU(1, 8, batch_first=True), nn.Linear(8, 1)

        def forward(self, series):
            return self.head(self.layer(series)[1][0])

    critic = Critic()
    optimizer = mg.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.0, 0.9))
    gaps = []
    for _ in range(60):
        real, fake = (
            mg.tensor(np.sin(speed * time + rng.uniform(0, 6, (16, 1)))[:, :, None].astype(np.float32))
            for speed in (0.5, 1.5)
        )
        slopes = mg.losses.critic_gradients(critic, real, fake, rng.random(16).astype(np.float32))
        a, b = critic(real), critic(fake)
        loss = mg.losses.wgan_gp_d(a, b, slopes, 10.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        gaps.append((a.mean() - b.mean()).item())
    assert np.mean(gaps[-10:]) > 0.3 > abs(np.mean(gaps[:3])), gaps


# ---- PyTorch


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True, "bias": False}]
)
def test_gradients_are_pytorchs(kind, options):
    torch = pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    ours, theirs = getattr(nn, kind)(3, 4, **options).to("float64"), getattr(torch.nn, kind)(3, 4, **options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({name: torch.from_numpy(value) for name, value in ours.state_dict().items()})
    x = sequence(5, 3, 3)
    y = torch.tensor(x.numpy(), requires_grad=True)
    found, expected = ours(x)[0], theirs(y)[0]
    g = np.random.default_rng(1).standard_normal(found.shape)
    (found * mg.tensor(g)).sum().backward()
    (expected * torch.tensor(g)).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-9, atol=1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["GRU", "LSTM", "GRUCell", "LSTMCell"])
def test_states_of_pytorch_load_and_starting_values_have_its_range(kind):
    torch = pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    ours, theirs = getattr(nn, kind)(3, 16), getattr(torch.nn, kind)(3, 16)
    for layer in (ours, theirs):
        largest = max(float(abs(p.detach().numpy()).max()) for p in layer.parameters())
        assert 0.2 < largest <= 0.25
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((2, 3) if "Cell" in kind else (4, 2, 3)).astype(np.float32)
    found, expected = ours(mg.tensor(x)), theirs(torch.tensor(x))
    found, expected = (v if kind == "GRUCell" else v[0] for v in (found, expected))
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), rtol=1e-4, atol=1e-6)


# ---- bad input


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: nn.GRU(3, 0), ValueError, "GRU: argument 'hidden_size': expected an integer of at least 1, got 0"),
    (lambda: nn.LSTM(3, 2, 1, 1), TypeError, "LSTM: argument 'bias': expected True or False, got 1"),
    (lambda: nn.GRU(3, 2)(mg.ones(0, 2, 3)), ValueError,
     "GRU: expected at least one time step, got input of shape (0, 2, 3)"),
    (lambda: nn.GRU(3, 2)(mg.ones(5, 3)), ValueError, "GRU: expected input (T, N, input_size), got shape (5, 3)"),
    (lambda: nn.GRU(3, 2, batch_first=True)(mg.ones(5, 3)), ValueError,
     "GRU: expected input (N, T, input_size), got shape (5, 3)"),
    (lambda: nn.GRU(3, 2)(mg.ones(5, 2, 4)), ValueError,
     "GRU: expected 3 features in the last dimension (input_size), got input of shape (5, 2, 4)"),
    (lambda: nn.GRU(3, 2)(mg.ones(5, 2, 3), mg.ones(1, 3, 2)), ValueError,
     "GRU: argument 'hx': expected shape (1, 2, 2), got (1, 3, 2)"),
    (lambda: nn.LSTM(3, 2)(mg.ones(5, 2, 3), mg.ones(1, 2, 2)), TypeError,
     "LSTM: argument 'hx': expected a pair (h, c), got Tensor"),
    (lambda: nn.GRU(3, 2)(mg.ones(5, 2, 3), mg.ones(1, 2, 2, dtype="float64")), TypeError,
     "GRU: argument 'hx': expected dtype float32 like the input, got float64"),
    (lambda: nn.GRU(3, 2)([mg.ones(5, 3), mg.ones(4, 3)]), TypeError,
     "GRU: argument 'input': expected one Tensor (T, N, input_size), got 2 sequences of lengths 4, 5; all must have "
     "one length (cut or pad them), then minigen.stack joins them"),
    (lambda: nn.GRUCell(3, 2)(mg.ones(5, 2, 3)), ValueError, "GRUCell: expected input (N, 3), got shape (5, 2, 3)"),
    (lambda: nn.LSTMCell(3, 2)(mg.ones(5, 3), (mg.ones(5, 2), mg.ones(4, 2))), ValueError,
     "LSTMCell: argument 'hx': expected shape (5, 2), got (4, 2)"),
    (lambda: mg.unbind(mg.tensor(1.0)), ValueError, "unbind: expected at least one dimension, got shape ()"),
])  # fmt: skip
def test_bad_input_gets_one_clear_line(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message
