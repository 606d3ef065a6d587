"""Kernels for NVIDIA GPUs, in Numba CUDA on CuPy arrays: same names and signatures as `minigen.kernels.reference`.

Read them in this order: `target` (what they are written in), `launch`, `packed` and `lists` (how they are started),
`pointwise` (a thread for each element), `batch_norm` (a block for each channel), `tiles` (the inner loops of a matrix
product), `plan` and `correlate` (convolution as a product), `weight_grad`.  There is no ``matmul``: NVIDIA's own, in
cuBLAS, cannot be bettered, and it is what ``a @ b`` of the reference means for CuPy arrays.  Recurrent layers have no
kernels here either: the reference's loop over steps works on CuPy arrays, with about ten launches a step.

Every kernel is made by a cached function that gets the sizes and the dtype: in the kernel they are constants then, so
that the compiler can turn a division into a multiplication and take short loops apart.  The number of images is none
of them.  A training step compiles each kernel once, in a second or several.

All are deterministic: a result depends on the inputs alone, to the last bit, whatever order the threads run in.  (So
does cuBLAS's, on one model of GPU and in one stream, by its manual.)

How far to trust them: they have been compiled for GPUs, their machine code has been read by a program
(`minigen.kernels.static_report`), and they have been run by an emulator (`minigen.kernels.emulator`), against the
reference and with every access to memory checked.  Then they ran on one GPU, an H100, and were right the first time;
`packed`, the optimizers' kernels for many parameters, the activations in other kernels, and convolutions that read
images and filters where they lie, are newer than that.
``minigen check --gpu`` does that on yours; ``lessons/reference/cuda_kernels.md`` says what is verified and what is
not.
"""

from .batch_norm import batch_norm, batch_norm_grad, batch_norm_stats, batch_norm_train
from .bias import add_bias, add_bias_grad
from .conv import conv2d, conv2d_bias, conv2d_input_grad, conv2d_input_grad_bias, conv2d_weight_grad
from .dropout import dropout
from .mean import mean
from .optimizers import adam_step, adam_steps, ema_steps, rmsprop_step, rmsprop_steps, sgd_step, sgd_steps
from .pointwise import (
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
from .resample import resample
from .warp import warp, warp_adjoint

__all__ = [
    "adam_step",
    "adam_steps",
    "add_bias",
    "add_bias_grad",
    "add_pairs",
    "batch_norm",
    "batch_norm_grad",
    "batch_norm_stats",
    "batch_norm_train",
    "conv2d",
    "conv2d_bias",
    "conv2d_input_grad",
    "conv2d_input_grad_bias",
    "conv2d_weight_grad",
    "dropout",
    "ema_steps",
    "leaky_relu",
    "leaky_relu_grad",
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
