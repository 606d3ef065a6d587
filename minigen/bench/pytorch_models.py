"""The PyTorch equivalent of a network of ours: the same layers with the same weights."""

from functools import partial
from typing import Any

from .. import nn
from ..models.networks.image import Enlarger, Residual, UNet
from ..models.networks.sequence import RecurrentGenerator

__all__ = ["to_pytorch"]


def to_pytorch(module: nn.Module) -> Any:
    """The same network in PyTorch, with the same weights.

    With ``"same"`` padding at stride 2 PyTorch pads 2 on all sides where ours pads 1 before and 2 after: as many
    operations, on the same sizes, one pixel worker.

    Parameters
    ----------
    module : minigen.nn.Module
        A layer that our models use, a Sequential of them, or one of the networks with branches of which `_FORWARD`
        has the formula.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    TypeError
        If a layer has no equivalent here.
    """
    import torch

    if isinstance(module, nn.Sequential):
        return torch.nn.Sequential(*(to_pytorch(child) for child in module))
    if type(module) in _FORWARD:
        whole = torch.nn.Module()
        for name, child in module.named_children():
            whole.add_module(name, to_pytorch(child))
        whole.forward = partial(_FORWARD[type(module)], module, whole)
        return whole
    made = _layer(torch.nn, module)
    state = {name: torch.from_numpy(array) for name, array in module.state_dict().items()}
    if state:
        made.load_state_dict(state)
    return made


def _enlarge(ours: Enlarger, m: Any, x: Any) -> Any:
    import torch.nn.functional as F

    enlarged = F.interpolate(x, scale_factor=ours.factor, mode="bicubic", antialias=True)
    return enlarged + F.pixel_shuffle(m.tail(m.blocks(m.head(x))), ours.factor)


def _down_and_up(_: UNet, m: Any, x: Any) -> Any:
    """A U-Net whose images have sides that 4 divides."""
    from torch import cat

    full = m.first(x)
    half = m.down1(full)
    quarter = m.waist(m.down2(half))
    half = m.join1(cat([m.up1(quarter), half], 1))
    return m.last(m.join2(cat([m.up2(half), full], 1)))


def _unroll(ours: RecurrentGenerator, m: Any, z: Any) -> Any:
    states, _ = m.gru(z.expand(ours.steps, *z.shape), m.start(z).tanh()[None])
    return m.head(states).tanh().transpose(0, 1)


_FORWARD: dict[type[nn.Module], Any] = {
    Residual: lambda _, m, x: x + m.body(x),
    Enlarger: _enlarge,
    UNet: _down_and_up,
    RecurrentGenerator: _unroll,
}
"""For a network with branches: the formula of its PyTorch equivalent, whose parts have the same names."""


def _layer(torch_nn: Any, m: Any) -> Any:
    if isinstance(m, nn.Linear):
        return torch_nn.Linear(m.in_features, m.out_features, m.bias is not None)
    if isinstance(m, nn.Conv2d):
        padding = m.kernel_size[0] // 2 if m.padding == "same" else m.padding
        return torch_nn.Conv2d(
            m.in_channels, m.out_channels, m.kernel_size, m.stride, padding, m.dilation, m.groups, m.bias is not None
        )
    if isinstance(m, nn.ConvTranspose2d):
        same = m.padding == "same"
        step = m.stride if isinstance(m.stride, int) else m.stride[0]
        padding, extra = (m.kernel_size[0] // 2, step - 1) if same else (m.padding, m.output_padding)
        return torch_nn.ConvTranspose2d(
            m.in_channels,
            m.out_channels,
            m.kernel_size,
            m.stride,
            padding,
            extra,
            m.groups,
            m.bias is not None,
            m.dilation,
        )
    if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d):
        return getattr(torch_nn, type(m).__name__)(m.num_features, m.eps, m.momentum)
    if isinstance(m, nn.GRU):
        return torch_nn.GRU(m.input_size, m.hidden_size)
    if isinstance(m, nn.LeakyReLU):
        return torch_nn.LeakyReLU(m.negative_slope)
    if isinstance(m, nn.Unflatten):
        return torch_nn.Unflatten(m.dim, m.unflattened_size)
    if isinstance(m, nn.Dropout):
        return torch_nn.Dropout(m.p)
    if isinstance(m, nn.Flatten | nn.ReLU | nn.Tanh | nn.Sigmoid | nn.Softplus | nn.Identity):
        return getattr(torch_nn, type(m).__name__)()
    raise TypeError(f"to_pytorch: no PyTorch layer is known for {m!r}")
