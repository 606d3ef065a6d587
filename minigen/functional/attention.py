r"""Attention: each query takes a weighted mean of the values; the weights say how well it fits the keys.

$$\operatorname{softmax}\!\left(\frac{Q K^\top}{\sqrt{E}} + M\right) V$$

for queries Q of shape (..., L, E), keys K (..., S, E) and values V (..., S, D) (Vaswani et al. 2017, "Attention is all
you need", equation 1).  The root keeps the logits at a variance of 1 where the elements of Q and K have one.
"""

import math

from ..arguments import check_number, check_tensor
from ..backend import array_module
from ..ops.elementwise import where
from ..ops.linalg import matmul
from ..ops.softmax import softmax
from ..tensor import Tensor

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Weighted means of the values, by the fit of queries and keys.

    Parameters
    ----------
    query : Tensor (..., L, E)
    key : Tensor (..., S, E)
    value : Tensor (..., S, D)
    attn_mask : Tensor (..., L, S), optional
        Numbers to add to the logits; or booleans: False takes a key out.
    is_causal : bool
        Whether query i sees the keys 0 to i only; not together with `attn_mask`.
    scale : float, optional
        Factor of the logits, by default 1 / sqrt(E).

    Returns
    -------
    Tensor (..., L, D)

    Raises
    ------
    ValueError
        If the sizes do not fit, or there are both a mask and `is_causal`.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> mg.functional.scaled_dot_product_attention(x, x, x, is_causal=True)[0]
    tensor([1., 0.])
    """
    name = "scaled_dot_product_attention"
    for what, t in (("query", query), ("key", key), ("value", value)):
        if check_tensor(name, what, t).ndim < 2:
            raise ValueError(f"{name}: {what} of shape {t.shape}: expected at least two dimensions")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{name}: query {query.shape}, key {key.shape} and value {value.shape} do not fit: "
            "expected (..., L, E), (..., S, E) and (..., S, D)"
        )
    if attn_mask is not None and is_causal:
        raise ValueError(f"{name}: expected attn_mask or is_causal, got both")
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1])
    logits = matmul(query, key.transpose(-1, -2)) * check_number(name, "scale", scale, most=math.inf)
    if is_causal:
        seen = array_module(logits.data).tri(query.shape[-2], key.shape[-2], dtype=bool)
        logits = where(seen, logits, -math.inf)
    if attn_mask is not None:
        check_tensor(name, "attn_mask", attn_mask)
        logits = where(attn_mask, logits, -math.inf) if attn_mask.dtype == bool else logits + attn_mask
    return matmul(softmax(logits, -1), value)
