r"""Fold batch norm into the layer before it.

**The identity.**  In evaluation mode the statistics $\mu$ and $v$ of a batch norm are constants.  Behind a layer that
is linear, $a_c = \sum_k W_{ck} x_k + b_c$, it computes for each channel $c$

$$y_c = \gamma_c \frac{a_c - \mu_c}{\sqrt{v_c + \varepsilon}} + \beta_c
      = \sum_k \underbrace{s_c W_{ck}}_{W'_{ck}} x_k + \underbrace{s_c (b_c - \mu_c) + \beta_c}_{b'_c},
  \qquad s_c = \frac{\gamma_c}{\sqrt{v_c + \varepsilon}}$$

So one layer with the weights $W'$ and $b'$ does the work of both.  A transposed convolution has its output channels in
the *second* dimension of its weight.  Between a linear layer and its batch norm there may be an `Unflatten`: the rows
of one channel then have the same $s_c$.

**The error.**  In exact arithmetic there is none.  With a unit roundoff $u$, a sum of $K$ products and a bias has an
error of at most $(K + 1) u$ times the sum of the absolute values, to first order in $u$ (Higham 2002, *Accuracy and
Stability of Numerical Algorithms*, section 3.1).  Batch norm adds the roundings of $s_c$ (a sum, a root and a quotient,
3.5 $u$) and of three operations on each output; the folded layer those of $W'$ and $b'$, at most 6.5 $u$ if they are
computed with the same $u$.  Together both ways differ by at most

$$(2K + 15)\, u\, \Big( |s_c| \big( \sum_k |W_{ck}||x_k| + |b_c| + |\mu_c| \big) + |\beta_c| \Big)$$

for a layer that adds its products in any order; Winograd's filtering adds them in another form, with a larger constant.

**What it changes.**  The network computes the same with fewer operations.  It cannot be trained as before: there is no
batch norm any more.
"""

from collections import Counter

import numpy as np

from .. import nn
from ..nn.module import Module
from ..tensor import Tensor, tensor

__all__ = ["fold_batch_norm"]

_LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


def fold_batch_norm(module: Module) -> list[str]:
    """Compute each batch norm inside the layer before it, in place; an `Identity` takes its place.

    A batch norm is folded if it follows a linear layer or a convolution in a `Sequential`, directly or behind an
    `Unflatten`, and has running statistics.  One whose layer, weights or statistics are used in a second place stays,
    and so does one whose layer has a hook, such as spectral normalization.

    Parameters
    ----------
    module : Module
        It must not be trained further.

    Returns
    -------
    list of str
        The names of the batch norms that were folded.

    Examples
    --------
    >>> import minigen as mg
    >>> network = mg.nn.Sequential(mg.nn.Conv2d(1, 2, 3, bias=False), mg.nn.BatchNorm2d(2), mg.nn.ReLU())
    >>> fold_batch_norm(network)
    ['1']
    >>> network
    Sequential(
      (0): Conv2d(1, 2, kernel_size=(3, 3), stride=1, padding=0, dilation=1, groups=1, bias=True)
      (1): Identity()
      (2): ReLU()
    )  # 20 parameters
    """
    modules, tensors = _uses(module)
    folded = []
    for path, sequence in list(module.named_modules()):
        if not isinstance(sequence, nn.Sequential):
            continue
        names = list(sequence._modules)
        for i, name in enumerate(names):
            norm = sequence._modules[name]
            behind = i > 1 and isinstance(sequence._modules[names[i - 1]], nn.Unflatten)
            layer = sequence._modules[names[i - 1 - behind]] if i > behind else None
            if not _fits(layer, norm, sequence._modules[names[i - 1]] if behind else None):
                continue
            parts = [layer, norm, *layer.parameters(), *norm.parameters(), *norm.buffers()]  # type: ignore[union-attr]
            if any(modules[part] > 1 if isinstance(part, Module) else tensors[part] > 1 for part in parts):
                continue
            _fold(layer, norm)
            sequence._modules[name] = nn.Identity().train(norm.training)  # type: ignore[union-attr]
            folded.append(f"{path}.{name}" if path else name)
    return folded


def _uses(module: Module) -> tuple[Counter[Module], Counter[Tensor]]:
    """How often each Module and each of its Tensors is found in the tree."""
    modules: Counter[Module] = Counter()
    tensors: Counter[Tensor] = Counter()
    for _, each in module.named_modules(remove_duplicate=False):
        modules[each] += 1
        tensors.update(t for t in (*each._parameters.values(), *each._buffers.values()) if t is not None)
    return modules, tensors


def _fits(layer: Module | None, norm: Module | None, between: Module | None) -> bool:
    """Whether the batch norm can be computed by the layer."""
    if type(layer) not in _LINEAR or type(norm) not in _NORMS or norm.running_mean is None:  # type: ignore[union-attr]
        return False
    assert isinstance(layer, Module) and isinstance(norm, Module)
    if any(each._forward_hooks or each._forward_pre_hooks for each in (layer, norm)):
        return False
    channels: int = norm.num_features
    if between is None:
        return bool(channels == (layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels))
    return isinstance(layer, nn.Linear) and between.dim == 1 and between.unflattened_size[0] == channels


def _fold(layer: Module | None, norm: Module | None) -> None:
    """Put the batch norm into the weights of the layer."""
    assert layer is not None and norm is not None
    mean, variance = (t.numpy().astype(np.float64) for t in (norm.running_mean, norm.running_var))
    gamma = np.ones_like(mean) if norm.weight is None else norm.weight.numpy().astype(np.float64)
    beta = np.zeros_like(mean) if norm.bias is None else norm.bias.numpy().astype(np.float64)
    scale = gamma / np.sqrt(variance + norm.eps)
    weight = layer.weight.numpy().astype(np.float64)
    outputs = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    rows = outputs // len(scale)  # behind Unflatten a channel has several
    scale, shift = np.repeat(scale, rows), np.repeat(beta - scale * mean, rows)
    if isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d):
        # (in, out / groups, ...): the input channels of group g belong to the output channels of group g.
        grouped = weight.reshape(layer.groups, -1, outputs // layer.groups, *weight.shape[2:])
        factors = scale.reshape(layer.groups, 1, -1, *[1] * (weight.ndim - 2))
        weight = (grouped * factors).reshape(weight.shape)
    else:
        weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    if layer.bias is not None:
        shift = shift + scale * layer.bias.numpy()
    layer.weight.data = tensor(weight, dtype=layer.weight.dtype, device=layer.weight.device)
    layer.bias = nn.Parameter(tensor(shift, dtype=layer.weight.dtype, device=layer.weight.device))
