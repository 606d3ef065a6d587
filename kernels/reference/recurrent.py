r"""Recurrent layers over a whole sequence, in plain NumPy; `minigen.ops.recurrent` derives the formulas.

Both begin with a, the product of the input and its weights, which does not depend on the state: (T, N, gates * H). The
product of the state before, $W h_{t-1}$, belongs to each step.  A forward kernel also returns the gates, so that the
gradient need not compute them again.
"""

import sys
from typing import Any

import numpy as np

from ..shapes import Array
from ..signatures import checked

__all__ = ["gru", "gru_grad", "lstm", "lstm_grad"]


def _module(x: Array) -> Any:
    """CuPy for its arrays, else NumPy."""
    return sys.modules["cupy"] if type(x).__module__.startswith("cupy") else np


def _sigmoid(x: Array) -> Array:
    """Compute 1 / (1 + e^-x) by a tanh, which cannot overflow."""
    y: Array = 0.5 * _module(x).tanh(0.5 * x) + 0.5
    return y


def _parts(x: Array, count: int) -> list[Array]:
    """Cut the last dimension into `count` parts of equal length."""
    size = x.shape[-1] // count
    return [x[..., k * size : (k + 1) * size] for k in range(count)]


def _rows(*arrays: Array) -> list[Array]:
    """Copy arrays so that rows lie one after the other: the same numbers then give the same bits."""
    return [array.copy() for array in arrays]


@checked("gru")
def gru(a: Array, weight: Array, bias: Array, h: Array) -> tuple[Array, Array]:
    r"""Run a GRU: $b = W h + c$; $r, z = \sigma(a + b)$; $m = \tanh(a_n + r b_n)$; $h' = m + z (h - m)$.

    Parameters
    ----------
    a : array (T, N, 3H)
        The parts r, z and n of the input's product.
    weight : array (3H, H)
    bias : array (3H,)
        c, added to the state's product.
    h : array (N, H)
        The state before the first step.

    Returns
    -------
    states : array (T, N, H)
        After each step.
    gates : array (T, N, 4H)
        r, z, b_n and m of each step.
    """
    xp = _module(a)
    a, weight, bias, h = _rows(a, weight, bias, h)
    gates = xp.empty_like(a, shape=(*a.shape[:2], 4 * h.shape[1]))
    states = xp.empty_like(a, shape=(*a.shape[:2], h.shape[1]))
    for t, step in enumerate(a):
        (a_r, a_z, a_n), (b_r, b_z, b_n) = _parts(step, 3), _parts(h @ weight.T + bias, 3)
        r, z = _sigmoid(a_r + b_r), _sigmoid(a_z + b_z)
        m = xp.tanh(a_n + r * b_n)
        h = m + z * (h - m)
        states[t], gates[t] = h, xp.concatenate([r, z, b_n, m], axis=1)
    return states, gates


@checked("gru_grad")
def gru_grad(g: Array, states: Array, gates: Array, weight: Array, h: Array) -> tuple[Array, Array, Array]:
    """Gradient of `gru`, from the last step to the first.

    Parameters
    ----------
    g : array (T, N, H)
        Cotangent of the states.
    states, gates : array (T, N, H), (T, N, 4H)
        As `gru` returned them.
    weight : array (3H, H)
    h : array (N, H)

    Returns
    -------
    da, db : array (T, N, 3H)
        Of a, and of the state's product b in each step.  The gradients of weight and bias follow from db: they are
        the products with the states before, and the sum.
    dh : array (N, H)
    """
    xp = _module(g)
    g, states, gates, weight, h = _rows(g, states, gates, weight, h)
    da, db = (xp.empty_like(g, shape=(*g.shape[:2], len(weight))) for _ in range(2))
    dh = xp.zeros_like(h)
    for t in reversed(range(len(g))):
        r, z, b_n, m = _parts(gates[t], 4)
        before = states[t - 1] if t else h
        of_h = g[t] + dh
        d_n = of_h * (1 - z) * (1 - m * m)
        d_z = of_h * (before - m) * z * (1 - z)
        d_r = d_n * b_n * r * (1 - r)
        da[t], db[t] = xp.concatenate([d_r, d_z, d_n], axis=1), xp.concatenate([d_r, d_z, d_n * r], axis=1)
        dh = of_h * z + db[t] @ weight
    return da, db, dh


@checked("lstm")
def lstm(a: Array, weight: Array, bias: Array, h: Array, c: Array) -> tuple[Array, Array]:
    r"""Run an LSTM: i, f, g, o from $a + W h + b$; $c' = \sigma(f) c + \sigma(i) \tanh(g)$; $h' = \sigma(o) \tanh(c')$.

    Parameters
    ----------
    a : array (T, N, 4H)
        The parts i, f, g and o of the input's product.
    weight : array (4H, H)
    bias : array (4H,)
    h, c : array (N, H)
        The state before the first step.

    Returns
    -------
    states : array (2, T, N, H)
        h and c after each step.
    gates : array (T, N, 4H)
        i, f, g and o of each step, after their sigmoid or tanh.
    """
    xp = _module(a)
    a, weight, bias, h, c = _rows(a, weight, bias, h, c)
    gates = xp.empty_like(a)
    states = xp.empty_like(a, shape=(2, *a.shape[:2], h.shape[1]))
    for t, step in enumerate(a):
        i, f, g, o = _parts(step + (h @ weight.T + bias), 4)
        i, f, g, o = _sigmoid(i), _sigmoid(f), xp.tanh(g), _sigmoid(o)
        c = f * c + i * g
        h = o * xp.tanh(c)
        states[0, t], states[1, t], gates[t] = h, c, xp.concatenate([i, f, g, o], axis=1)
    return states, gates


@checked("lstm_grad")
def lstm_grad(g: Array, states: Array, gates: Array, weight: Array, c: Array) -> tuple[Array, Array, Array]:
    """Gradient of `lstm`, from the last step to the first.

    Parameters
    ----------
    g : array (2, T, N, H)
        Cotangent of the states.
    states, gates : array (2, T, N, H), (T, N, 4H)
        As `lstm` returned them.
    weight : array (4H, H)
    c : array (N, H)

    Returns
    -------
    da : array (T, N, 4H)
        Of a, and so of the state's product: its product with the states before is the gradient of weight, and its sum
        that of bias.
    dh, dc : array (N, H)
    """
    xp = _module(g)
    cotangents, states, gates, weight, c = _rows(g, states, gates, weight, c)
    da = xp.empty_like(gates)
    dh, dc = xp.zeros_like(c), xp.zeros_like(c)
    for t in reversed(range(len(gates))):
        i, f, g, o = _parts(gates[t], 4)
        tanh, before = xp.tanh(states[1, t]), states[1, t - 1] if t else c
        of_h = cotangents[0, t] + dh
        of_c = cotangents[1, t] + dc + of_h * o * (1 - tanh * tanh)
        parts = [of_c * g * i * (1 - i), of_c * before * f * (1 - f), of_c * i * (1 - g * g), of_h * tanh * o * (1 - o)]
        da[t] = xp.concatenate(parts, axis=1)
        dh, dc = da[t] @ weight, of_c * f
    return da, dh, dc
