"""The functions that networks are made of, with PyTorch's names, argument order, defaults and semantics.

Everything here is composed from the primitives of `minigen.ops`; its gradients, of any order, follow from theirs.
A difference from ``torch.nn.functional`` is stated with the function: padding may also be four-sided
``((top, bottom), (left, right))``, and ``"same"`` works with any stride.  Deprecated and in-place arguments are left
out.

============================== =======================================================
module                         holds
============================== =======================================================
`minigen.functional.dense`      the dense layer, one-hot rows
`minigen.functional.conv`       convolution, transposed convolution
`minigen.functional.norm`       batch, layer, group and instance normalization
`minigen.functional.activation` activations, dropout
`minigen.functional.pooling`    max and average pooling
`minigen.functional.resize`     resizing of images
`minigen.functional.loss`       losses
============================== =======================================================

Letters: N images, C channels, H height, W width, O output channels, (R, S) kernel size, (P, Q) output size.
"""

from ..ops.elementwise import relu, sigmoid, softplus, tanh
from ..ops.reduce import logsumexp
from ..ops.shape import pad
from ..ops.softmax import log_softmax, softmax
from .activation import dropout, elu, leaky_relu
from .conv import conv2d, conv_transpose2d
from .dense import linear, one_hot
from .loss import binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, l1_loss, mse_loss
from .norm import batch_norm, group_norm, instance_norm, layer_norm
from .pooling import avg_pool2d, max_pool2d
from .resize import interpolate

__all__ = [
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "conv_transpose2d",
    "cross_entropy",
    "dropout",
    "elu",
    "group_norm",
    "instance_norm",
    "interpolate",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "mse_loss",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
]
