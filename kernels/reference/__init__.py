"""The reference kernels: plain NumPy, written to be read, and the specification of the other sets.

They keep the dtype they are given (float32 or float64), leave their inputs untouched and return new arrays; only the
optimizer steps write into what they are handed, as their names say.
"""

from .bias import add_bias, add_bias_grad, channel_sums
from .conv import conv2d, conv2d_bias, conv2d_input_grad, conv2d_input_grad_bias, conv2d_weight_grad
from .dropout import dropout
from .matmul import matmul, matmul_bias
from .mean import mean
from .norm import batch_norm, batch_norm_grad, batch_norm_stats, batch_norm_train
from .optimizers import adam_step, adam_steps, ema_steps, rmsprop_step, rmsprop_steps, sgd_step, sgd_steps
from .pointwise import (
    add,
    add_pairs,
    leaky_relu,
    leaky_relu_grad,
    sigmoid,
    sigmoid_grad,
    softplus,
    softplus_grad,
    tanh_grad,
)
from .pool import max_pool2d, max_pool2d_grad
from .recurrent import gru, gru_grad, lstm, lstm_grad
from .resample import resample
from .warp import warp, warp_adjoint

__all__ = [
    "adam_step",
    "adam_steps",
    "add",
    "add_bias",
    "add_bias_grad",
    "add_pairs",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_stats",
    "batch_norm_train",
    "channel_sums",
    "conv2d",
    "conv2d_bias",
    "conv2d_input_grad",
    "conv2d_input_grad_bias",
    "conv2d_weight_grad",
    "dropout",
    "ema_steps",
    "gru",
    "gru_grad",
    "leaky_relu",
    "leaky_relu_grad",
    "lstm",
    "lstm_grad",
    "matmul",
    "matmul_bias",
    "max_pool2d",
    "max_pool2d_grad",
    "mean",
    "resample",
    "rmsprop_step",
    "rmsprop_steps",
    "sgd_step",
    "sgd_steps",
    "sigmoid",
    "sigmoid_grad",
    "softplus",
    "softplus_grad",
    "tanh_grad",
    "warp",
    "warp_adjoint",
]
