"""Layers, losses and networks, with PyTorch's names and defaults."""

import difflib
from typing import Any

from . import functional, init, utils
from .activation import ELU, GELU, LeakyReLU, LogSoftmax, PReLU, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh
from .containers import ModuleDict, ModuleList, Sequential
from .conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .dropout import Dropout, Dropout2d
from .linear import Embedding, Identity, Linear
from .loss import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, HuberLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss
from .minibatch import MinibatchDiscrimination, MinibatchStdDev
from .module import Module, Parameter
from .noise import GaussianNoise
from .norm import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from .pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from .recurrent import GRU, LSTM, GRUCell, LSTMCell
from .shape import (
    Flatten,
    PixelShuffle,
    PixelUnshuffle,
    ReflectionPad2d,
    ReplicationPad2d,
    Unflatten,
    Upsample,
    ZeroPad2d,
)

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "ELU",
    "Embedding",
    "Flatten",
    "GELU",
    "GaussianNoise",
    "GRU",
    "GRUCell",
    "GroupNorm",
    "HuberLoss",
    "Identity",
    "InstanceNorm2d",
    "L1Loss",
    "LSTM",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "MinibatchDiscrimination",
    "MinibatchStdDev",
    "Module",
    "ModuleDict",
    "ModuleList",
    "NLLLoss",
    "PReLU",
    "Parameter",
    "PixelShuffle",
    "PixelUnshuffle",
    "ReLU",
    "ReflectionPad2d",
    "ReplicationPad2d",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SmoothL1Loss",
    "Softmax",
    "Softplus",
    "Tanh",
    "Unflatten",
    "Upsample",
    "ZeroPad2d",
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
    "Dropout1d": "use Dropout2d",
    "Hardswish": "the nearest is SiLU",
    "Mish": "the nearest is SiLU",
    "ReLU6": "use minigen.clamp(x, 0, 6)",
    "RNN": "the nearest are GRU and LSTM; a plain tanh step is minigen.tanh(linear(x) + linear(h))",
    "RNNCell": "the nearest are GRUCell and LSTMCell",
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
