r"""Recurrent layers: a whole sequence as one primitive, and its gradient through time.

**What comes before.**  $a_t = W_i x_t + b_i$ does not depend on the state: it is one matrix product for all steps,
made by a dense layer.  These primitives take a (T, N, gates * H) and do what belongs to the state h (N, H): T steps,
one after the other.

**GRU** (Cho et al. 2014, arXiv 1406.1078, in the variant of cuDNN and PyTorch).  From a and $b = W h + c$, each in
three parts r, z, n:

$$r = \sigma(a_r + b_r), \quad z = \sigma(a_z + b_z), \quad m = \tanh(a_n + r\, b_n), \quad h' = m + z\,(h - m)$$

The *update gate* z says how much of h is kept, the *reset gate* r how much of it the new content m uses.

**Its gradient, one step.**  For the gradient g of $h'$:

- $h' = (1 - z)\,m + z\,h$ gives $\bar m = g\,(1 - z)$ and $\bar z = g\,(h - m)$.
- Before the tanh: $d_n = \bar m\,(1 - m^2)$.  Before the sigmoid of z: $d_z = \bar z\, z\,(1 - z)$.
- r occurs only in $r\, b_n$, so $\bar r = d_n\, b_n$, and before its sigmoid $d_r = \bar r\, r\,(1 - r)$.
- a and b are added in the gates r and z, so both get $d_r$ and $d_z$.  In the third part a is added directly, and b is
  multiplied by r:

$$\bar a = [d_r,\, d_z,\, d_n], \qquad \bar b = [d_r,\, d_z,\, d_n\, r], \qquad \bar h = g\,z + W^\top \bar b$$

The direct way, $g\,z$, is the reason for gates: where $z \approx 1$ the gradient passes a step almost unchanged.

**LSTM** (Hochreiter & Schmidhuber 1997; the forget gate is of Gers et al. 2000).  From $a + W h + b$ in four parts i,
f, g and o:

$$c' = \sigma(f)\, c + \sigma(i) \tanh(g), \qquad h' = \sigma(o) \tanh(c')$$

For gradients $(u, v)$ of $(h', c')$, with $t = \tanh(c')$ and with i, f, g, o for the gates after their sigmoid or
tanh, $w = v + u\,o\,(1 - t^2)$ is the whole gradient of $c'$, and

$$\bar a = [w\,g\,i(1 - i),\; w\,c\,f(1 - f),\; w\,i\,(1 - g^2),\; u\,t\,o(1 - o)], \qquad \bar c = w\,f, \qquad
\bar h = W^\top \bar a$$

**Through time.**  A state has two successors: the cotangent $g_t$ of the output of its step, and the next step.  So
the sweep from T to 1 is a recurrence itself, with $g = g_t + \bar h_{t+1}$ in each step.  W is used in every step, so
its gradient is a sum over steps, $\bar W = \sum_t \bar b_t^\top h_{t-1}$: one product of matrices with T N rows.

**Two ways to the same gradient**, as in `minigen.ops.norm`.  Where the backward pass is not recorded two kernels do
all steps, forward and backward; the gates of the forward pass are kept for the backward one (`Kept`).  Where it is,
the formulas above are written with Tensors, so that they can be differentiated again.  What does not depend on the
sweep, such as $o\,(1 - t^2)$, is computed for all steps at once.
"""

from collections.abc import Collection

from ..backend import Array, array_module
from ..engine import is_grad_enabled, primitive
from ..kernels import find
from ..tensor import Tensor
from .elementwise import sigmoid, tanh, zeros_like
from .linalg import dense_bias, dense_weight_grad
from .reduce import sum
from .shape import cat, chunk, flatten, stack, unbind, unsqueeze

__all__ = ["Kept", "gru", "lstm"]


class Kept:
    """The gates of one forward pass, for its backward pass: they would cost a third of the products again.

    Without them the backward pass repeats the forward pass.
    """

    states: Array | None = None
    gates: Array | None = None

    def of(self, states: Array) -> Array | None:
        """Return the gates if they belong to `states`; None if these are of another forward pass."""
        return self.gates if self.states is states else None


# ---------------------------------------------------------------- GRU


@primitive
def gru(a: Array, weight: Array, bias: Array, h: Array, *, kept: Kept | None = None) -> Array:
    """Run a GRU over a (T, N, 3H), from the state h (N, H): the states (T, N, H) after each step."""
    states, gates = find("gru", a)(a, weight, bias, h)
    if kept is not None:
        kept.states, kept.gates = states, gates
    return states


def _gru_rule(
    needed: Collection[int],
    g: Tensor,
    out: Tensor,
    a: Tensor,
    weight: Tensor,
    bias: Tensor,
    h: Tensor,
    *,
    kept: Kept | None = None,
) -> tuple[Tensor, ...]:
    if not is_grad_enabled() or a.shape[0] == 0:
        return _gru_rule_on_arrays(g, out, a, weight, bias, h, kept or Kept())
    before = cat([unsqueeze(h, 0), out[:-1]])
    b = dense_bias(flatten(before, 0, 1), weight, bias).reshape(*a.shape)
    (a_r, a_z, a_n), (b_r, b_z, b_n) = chunk(a, 3, 2), chunk(b, 3, 2)
    r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
    m = tanh(a_n + r * b_n)
    factors = (1 - z) * (1 - m * m), (before - m) * z * (1 - z), b_n * r * (1 - r), r, z
    dh: Tensor = zeros_like(h)
    of_a, of_b = [], []
    for g_t, to_n, to_z, to_r, r, z in reversed(list(zip(*map(unbind, (g, *factors)), strict=True))):
        of_h = g_t + dh
        d_n = of_h * to_n
        d_z, d_r = of_h * to_z, d_n * to_r
        of_a.append(cat([d_r, d_z, d_n], 1))
        of_b.append(cat([d_r, d_z, d_n * r], 1))
        dh = of_h * z + of_b[-1] @ weight
    db = flatten(stack(of_b[::-1]), 0, 1)
    return stack(of_a[::-1]), dense_weight_grad(flatten(before, 0, 1), db), sum(db, 0), dh


def _gru_rule_on_arrays(
    g: Tensor, out: Tensor, a: Tensor, weight: Tensor, bias: Tensor, h: Tensor, kept: Kept
) -> tuple[Tensor, ...]:
    gates = kept.of(out._data)
    if gates is None:
        gates = find("gru", a.data)(a.data, weight.data, bias.data, h.data)[1]
    arrays = find("gru_grad", a.data)(g.data, out.data, gates, weight.data, h.data)
    da, db, dh = map(Tensor, arrays)
    rows = flatten(db, 0, 1)
    return da, _weight_grad(_states_before(h, out), rows), _bias_grad(rows), dh


gru.vjp_all(_gru_rule)


# ---------------------------------------------------------------- LSTM


@primitive
def lstm(a: Array, weight: Array, bias: Array, h: Array, c: Array, *, kept: Kept | None = None) -> Array:
    """Run an LSTM over a (T, N, 4H), from the state h, c (N, H): the states (2, T, N, H), h and c, after each step."""
    states, gates = find("lstm", a)(a, weight, bias, h, c)
    if kept is not None:
        kept.states, kept.gates = states, gates
    return states


def _lstm_rule(
    needed: Collection[int],
    g: Tensor,
    out: Tensor,
    a: Tensor,
    weight: Tensor,
    bias: Tensor,
    h: Tensor,
    c: Tensor,
    *,
    kept: Kept | None = None,
) -> tuple[Tensor, ...]:
    if not is_grad_enabled() or a.shape[0] == 0:
        return _lstm_rule_on_arrays(g, out, a, weight, bias, h, c, kept or Kept())
    hs, cs = unbind(out)
    before, rows = cat([unsqueeze(c, 0), cs[:-1]]), _states_before(h, hs)
    i, f, g_, o = chunk(a + dense_bias(rows, weight, bias).reshape(*a.shape), 4, 2)
    i, f, g_, o, t = sigmoid(i), sigmoid(f), tanh(g_), sigmoid(o), tanh(cs)
    slopes = g_ * i * (1 - i), before * f * (1 - f), i * (1 - g_ * g_), t * o * (1 - o)
    dh, dc = zeros_like(h), zeros_like(c)
    of_a: list[Tensor] = []
    steps = zip(*map(unbind, (*unbind(g), o * (1 - t * t), f, *slopes)), strict=True)
    for u, v, through, f, to_i, to_f, to_g, to_o in reversed(list(steps)):
        of_h = u + dh
        of_c = v + dc + of_h * through
        of_a.append(cat([of_c * to_i, of_c * to_f, of_c * to_g, of_h * to_o], 1))
        dh, dc = of_a[-1] @ weight, of_c * f
    da = stack(of_a[::-1])
    flat = flatten(da, 0, 1)
    return da, dense_weight_grad(rows, flat), sum(flat, 0), dh, dc


def _lstm_rule_on_arrays(
    g: Tensor, out: Tensor, a: Tensor, weight: Tensor, bias: Tensor, h: Tensor, c: Tensor, kept: Kept
) -> tuple[Tensor, ...]:
    gates = kept.of(out._data)
    if gates is None:
        gates = find("lstm", a.data)(a.data, weight.data, bias.data, h.data, c.data)[1]
    arrays = find("lstm_grad", a.data)(g.data, out.data, gates, weight.data, c.data)
    da, dh, dc = map(Tensor, arrays)
    rows = flatten(da, 0, 1)
    return da, _weight_grad(_states_before(h, out[0]), rows), _bias_grad(rows), dh, dc


lstm.vjp_all(_lstm_rule)


def _weight_grad(before: Tensor, rows: Tensor) -> Tensor:
    """``rows.T @ before``, turned around: the larger array is then read as it lies, and the small result is copied."""
    product = find("matmul", rows.data)(before.data.T, rows.data)
    return Tensor(array_module(product).ascontiguousarray(product.T))


def _bias_grad(rows: Tensor) -> Tensor:
    return Tensor(find("channel_sums", rows.data)(rows.data))


def _states_before(h: Tensor, states: Tensor) -> Tensor:
    """The state before each step, as rows (T * N, H)."""
    return flatten(cat([unsqueeze(h, 0), states])[: states.shape[0]], 0, 1)
