r"""The gates of recurrent cells: all that a time step does beside its matrix products.

**GRU** (Cho et al. 2014, arXiv 1406.1078, in the variant of cuDNN and PyTorch).  From $a = W_i x + b_i$ and
$b = W_h h + b_h$, each in three parts r, z, n:

$$r = \sigma(a_r + b_r), \quad z = \sigma(a_z + b_z), \quad m = \tanh(a_n + r\, b_n), \quad h' = m + z\,(h - m)$$

The *update gate* z says how much of h is kept, the *reset gate* r how much of it the new content m uses.

**Its gradient.**  For a cotangent g of $h'$:

- $h' = (1 - z)\,m + z\,h$ gives $\bar m = g\,(1 - z)$ and $\bar z = g\,(h - m)$.
- Before the tanh: $d_n = \bar m\,(1 - m^2)$.  Before the sigmoid of z: $d_z = \bar z\, z\,(1 - z)$.
- r occurs only in $r\, b_n$, so $\bar r = d_n\, b_n$, and before its sigmoid $d_r = \bar r\, r\,(1 - r)$.
- a and b are added in the gates r and z, so both get $d_r$ and $d_z$.  In the third part a is added directly, and b is
  multiplied by r:

$$\bar a = [d_r,\, d_z,\, d_n], \qquad \bar b = [d_r,\, d_z,\, d_n\, r], \qquad \bar h = g\,z$$

The last factor is the reason for gates: where $z \approx 1$ the gradient passes a step almost unchanged.

**LSTM** (Hochreiter & Schmidhuber 1997; the forget gate is of Gers et al. 2000).  From $a + b$ in four parts i, f, g
and o:

$$c' = \sigma(f)\, c + \sigma(i) \tanh(g), \qquad h' = \sigma(o) \tanh(c')$$

The primitive returns both, $[h', c']$.  For cotangents $(u, v)$ of these, with $t = \tanh(c')$ and with i, f, g, o for
the gates after their sigmoid or tanh, $w = v + u\,o\,(1 - t^2)$ is the whole gradient of $c'$, and

$$\bar a = \bar b = [w\,g\,i(1 - i),\; w\,c\,f(1 - f),\; w\,i\,(1 - g^2),\; u\,t\,o(1 - o)], \qquad \bar c = w\,f$$

**Two ways to the same gradient**, as in `minigen.ops.norm`.  Composed of single operations a GRU of 28 steps has about
480 nodes; with its gates as one primitive it has about 120, and takes half the time.  Where the backward pass is not
recorded the formulas are computed on arrays.  Where it is, they are written with Tensors, so that they can be
differentiated again.
"""

from ..backend import Array, array_module
from ..engine import is_grad_enabled, primitive
from ..tensor import Tensor
from .elementwise import sigmoid, tanh
from .shape import cat, chunk, unbind

__all__ = ["gru_gates", "lstm_gates"]


def _sigmoid_(x: Array) -> Array:
    """Replace an array by its sigmoid, (1 + tanh(x / 2)) / 2, which cannot overflow."""
    x *= 0.5
    array_module(x).tanh(x, out=x)
    x += 1
    x *= 0.5
    return x


def _gru_arrays(a: Array, b: Array, h: Array) -> tuple[Array, Array]:
    """The gates [r, z] after their sigmoid, and the new content m."""
    size = h.shape[1]
    rz = _sigmoid_(a[:, : 2 * size] + b[:, : 2 * size])
    m = rz[:, :size] * b[:, 2 * size :]
    m += a[:, 2 * size :]
    array_module(h).tanh(m, out=m)
    return rz, m


@primitive
def gru_gates(a: Array, b: Array, h: Array) -> Array:
    """Compute the next state of a GRU from a, b (N, 3H) and h (N, H)."""
    rz, m = _gru_arrays(a, b, h)
    out: Array = h - m
    out *= rz[:, h.shape[1] :]
    out += m
    return out


def _gru_rule(g: Tensor, out: Tensor, a: Tensor, b: Tensor, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if not is_grad_enabled():
        return _gru_rule_on_arrays(g.data, a.data, b.data, h.data)
    (a_r, a_z, a_n), (b_r, b_z, b_n) = chunk(a, 3, 1), chunk(b, 3, 1)
    r, z = sigmoid(a_r + b_r), sigmoid(a_z + b_z)
    m = tanh(a_n + r * b_n)
    d_n = g * (1 - z) * (1 - m * m)
    d_z = g * (h - m) * z * (1 - z)
    d_r = d_n * b_n * r * (1 - r)
    return cat([d_r, d_z, d_n], 1), cat([d_r, d_z, d_n * r], 1), g * z


def _gru_rule_on_arrays(g: Array, a: Array, b: Array, h: Array) -> tuple[Tensor, Tensor, Tensor]:
    xp, size = array_module(h), h.shape[1]
    rz, m = _gru_arrays(a, b, h)
    r, z = rz[:, :size], rz[:, size:]
    da = xp.empty(a.shape, a.dtype)
    d_r, d_z, d_n = da[:, :size], da[:, size : 2 * size], da[:, 2 * size :]
    xp.subtract(h, m, out=d_z)
    d_z *= g
    xp.multiply(m, m, out=m)
    xp.subtract(1, m, out=m)  # now 1 - m^2
    dh = g * z
    xp.subtract(g, dh, out=d_n)
    d_n *= m
    xp.multiply(d_n, b[:, 2 * size :], out=d_r)
    slope = 1 - rz
    slope *= rz
    da[:, : 2 * size] *= slope
    db = da.copy()
    db[:, 2 * size :] *= r
    return Tensor(da), Tensor(db), Tensor(dh)


gru_gates.vjp_all(_gru_rule)


def _lstm_scale(c: Array) -> Array:
    """A factor for each column of the four parts: a sigmoid is a tanh, halved before and after."""
    xp, size = array_module(c), c.shape[1]
    scale = xp.full(4 * size, 0.5, c.dtype)
    scale[2 * size : 3 * size] = 1
    return scale


def _lstm_arrays(a: Array, b: Array, c: Array, scale: Array) -> tuple[Array, list[Array], Array]:
    """The tanh of all gates, the gates i, f, g, o, and the next cell state.

    All four parts are one array, so that each operation reads memory in one run.
    """
    size = c.shape[1]
    t = a + b
    t *= scale
    array_module(c).tanh(t, out=t)
    gates = t * scale
    gates += 1 - scale
    i, f, g, _ = parts = [gates[:, k * size : (k + 1) * size] for k in range(4)]
    new = f * c
    new += i * g
    return t, parts, new


@primitive
def lstm_gates(a: Array, b: Array, c: Array) -> Array:
    """Compute the next state [h', c'] (2, N, H) of an LSTM from a, b (N, 4H) and c (N, H)."""
    xp = array_module(c)
    _, gates, new = _lstm_arrays(a, b, c, _lstm_scale(c))
    out = xp.empty((2, *c.shape), c.dtype)
    out[1] = new
    xp.tanh(new, out=out[0])
    out[0] *= gates[3]
    return out


def _lstm_rule(u: Tensor, out: Tensor, a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if not is_grad_enabled():
        return _lstm_rule_on_arrays(u.data, a.data, b.data, c.data)
    i, f, g, o = chunk(a + b, 4, 1)
    i, f, g, o = sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)
    t = tanh(f * c + i * g)
    of_h, of_c = unbind(u)
    w = of_c + of_h * o * (1 - t * t)
    da = cat([w * g * i * (1 - i), w * c * f * (1 - f), w * i * (1 - g * g), of_h * t * o * (1 - o)], 1)
    return da, da, w * f


def _lstm_rule_on_arrays(u: Array, a: Array, b: Array, c: Array) -> tuple[Tensor, Tensor, Tensor]:
    xp, size = array_module(c), c.shape[1]
    scale = _lstm_scale(c)
    da, (i, f, g, o), t = _lstm_arrays(a, b, c, scale)
    xp.tanh(t, out=t)
    # The slope of every gate from its tanh: 1 - tanh^2 where the gate is the tanh, a quarter of it for a sigmoid.
    da *= da
    xp.subtract(1, da, out=da)
    da *= scale * scale
    d_i, d_f, d_g, d_o = (da[:, k * size : (k + 1) * size] for k in range(4))
    of_h = u[0]
    w = t * t
    xp.subtract(1, w, out=w)
    w *= o
    w *= of_h
    w += u[1]
    t *= of_h
    d_o *= t
    d_g *= w
    d_g *= i
    d_i *= xp.multiply(w, g, out=t)
    d_f *= xp.multiply(w, c, out=t)
    w *= f
    return Tensor(da), Tensor(da), Tensor(w)


lstm_gates.vjp_all(_lstm_rule)
