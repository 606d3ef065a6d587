"""Layers and what holds them together, with PyTorch's names, argument order and defaults."""

import difflib
from typing import Any

from . import functional, init, utils
from .activation import ELU, LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from .containers import ModuleDict, ModuleList, Sequential
from .conv import Conv2d, ConvTranspose2d
from .dropout import Dropout
from .linear import Identity, Linear
from .module import Module, Parameter
from .norm import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from .pooling import AvgPool2d, MaxPool2d
from .shape import Flatten, Unflatten, Upsample

__all__ = [
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dropout",
    "ELU",
    "Flatten",
    "GroupNorm",
    "Identity",
    "InstanceNorm2d",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "MaxPool2d",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softplus",
    "Tanh",
    "Unflatten",
    "Upsample",
    "functional",
    "init",
    "utils",
]

_REPLACEMENTS = {
    "AdaptiveMaxPool2d": "use minigen.amax over the last two dimensions, or MaxPool2d",
    "AlphaDropout": "the nearest is Dropout",
    "Bilinear": "use minigen.matmul",
    "CELU": "the nearest is ELU",
    "ConstantPad2d": "use minigen.nn.functional.pad",
    "CosineSimilarity": "use minigen.sum over the product of vectors of length 1",
    "DataParallel": "minigen runs on one device",
    "Hardtanh": "use minigen.clamp",
    "KLDivLoss": "minigen.losses has the divergences of the models",
    "LogSigmoid": "use minigen.nn.functional.softplus: log(sigmoid(x)) = -softplus(-x)",
    "ParameterList": "assign each Parameter to an attribute",
    "ParameterDict": "assign each Parameter to an attribute",
    "ReLU6": "use minigen.clamp(x, 0, 6)",
    "SELU": "the nearest is ELU",
    "SyncBatchNorm": "use BatchNorm2d",
    "UpsamplingBilinear2d": 'use Upsample(mode="bilinear", align_corners=True)',
    "UpsamplingNearest2d": "use Upsample",
}


def __getattr__(name: str) -> Any:
    """Name the replacement of a PyTorch name that minigen leaves out."""
    hint = _REPLACEMENTS.get(name)
    if hint is None:
        close = difflib.get_close_matches(name, __all__, 1)
        hint = f"did you mean {close[0]!r}?" if close else "compose it from minigen's functions in a Module"
    raise AttributeError(f"minigen.nn has no {name!r}: {hint}")
