"""Kernels for the CPU, in Numba: same names and signatures as `minigen.kernels.reference`.

Read them in this order: `simd` (vectors), `microkernel` (innermost loops), `matmul`, `conv` (four ways to convolve
directly, and which method serves when), `winograd` (fewer multiplications).
`minigen.kernels.ladder` climbs to them in five steps.
"""

from .bias import add_bias, add_bias_grad, channel_sums
from .conv import conv2d, conv2d_input_grad, conv2d_weight_grad
from .dropout import dropout
from .matmul import matmul, matmul_bias
from .norm import batch_norm, batch_norm_grad, batch_norm_stats, batch_norm_train
from .optimizers import adam_step, adam_steps, rmsprop_step, rmsprop_steps, sgd_step, sgd_steps
from .pointwise import (
    add,
    leaky_relu,
    leaky_relu_grad,
    sigmoid,
    sigmoid_grad,
    softplus,
    softplus_grad,
    tanh_grad,
)
from .pool import max_pool2d, max_pool2d_grad
from .precision import precision
from .recurrent import gru, gru_grad, lstm, lstm_grad
from .resample import resample
from .runtime.threads import get_num_threads, set_num_threads
from .warp import warp, warp_adjoint

__all__ = [
    "adam_step",
    "adam_steps",
    "add",
    "add_bias",
    "add_bias_grad",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_stats",
    "batch_norm_train",
    "channel_sums",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "dropout",
    "get_num_threads",
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
    "precision",
    "resample",
    "rmsprop_step",
    "rmsprop_steps",
    "set_num_threads",
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
