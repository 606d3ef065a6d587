"""The functions that networks are made of, with PyTorch's names, argument order, defaults and semantics.

Everything here is composed from the primitives of `minigen.ops`; its gradients, of any order, follow from theirs.
A difference from ``torch.nn.functional`` is stated with the function: padding may also be four-sided
``((top, bottom), (left, right))``, and ``"same"`` works with any stride.  Deprecated and in-place arguments are left
out.

============================== =======================================================
module                         holds
============================== =======================================================
`minigen.functional.dense`      the dense layer, one-hot rows, embedding
`minigen.functional.attention`  scaled dot-product attention
`minigen.functional.conv`       convolution, transposed convolution
`minigen.functional.norm`       batch, layer, group and instance normalization
`minigen.functional.activation` activations, dropout
`minigen.functional.pooling`    max and average pooling
`minigen.functional.resize`     resizing of images, pixel shuffle
`minigen.functional.warp`       affine maps, sampling of images at any places
`minigen.functional.loss`       losses, cosine similarity
============================== =======================================================

Letters: N images, C channels, H height, W width, O output channels, (R, S) kernel size, (P, Q) output size.
"""

from ..ops.elementwise import relu, sigmoid, softplus, tanh
from ..ops.reduce import logsumexp
from ..ops.shape import pad
from ..ops.softmax import log_softmax, softmax
from .activation import dropout, elu, gelu, leaky_relu, prelu, silu
from .attention import scaled_dot_product_attention
from .conv import conv1d, conv2d, conv_transpose1d, conv_transpose2d
from .dense import embedding, linear, one_hot
from .loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_similarity,
    cross_entropy,
    huber_loss,
    l1_loss,
    mse_loss,
    nll_loss,
    smooth_l1_loss,
)
from .norm import batch_norm, group_norm, instance_norm, layer_norm, normalize
from .pooling import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from .resize import interpolate, pixel_shuffle, pixel_unshuffle
from .warp import affine_grid, grid_sample

__all__ = [
    "adaptive_avg_pool2d",
    "affine_grid",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "conv_transpose1d",
    "conv_transpose2d",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "grid_sample",
    "group_norm",
    "huber_loss",
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
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
]
