r"""The functions that networks are made of, with PyTorch's names, argument order, defaults and semantics.

Everything here is composed from the primitives of `minigen.ops`; its gradients, of any order, follow from theirs.
What differs from ``torch.nn.functional`` is said where it does: padding may also be four-sided
``((top, bottom), (left, right))``, and ``"same"`` works with any stride.  Deprecated and in-place arguments are left
out.

Letters: N images, C channels, H height, W width, O output channels, (R, S) kernel size, (P, Q) output size.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import array_module, rng, to_device
from ..kernels import find
from ..kernels.reference.conv import output_size
from ..ops import conv as _conv
from ..ops import elementwise as _elementwise
from ..ops import norm as _norm
from ..ops import pool as _pool
from ..ops.elementwise import abs, log, relu, sigmoid, softplus, square, tanh, where
from ..ops.linalg import dense as _dense
from ..ops.linalg import dense_bias as _dense_bias
from ..ops.linalg import matmul
from ..ops.reduce import logsumexp, mean, sum
from ..ops.shape import getitem, pad
from ..ops.softmax import log_softmax, softmax
from ..tensor import Tensor, tensor

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

Pair = int | tuple[int, int]
Padding = int | str | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]


# ---- linear and convolutional layers


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``.

    Parameters
    ----------
    input : Tensor (..., in_features)
    weight : Tensor (out_features, in_features)
    bias : Tensor (out_features,), optional

    Returns
    -------
    Tensor (..., out_features)

    Raises
    ------
    ValueError
        If the sizes do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.linear(mg.ones(2, 3), mg.ones(4, 3), mg.ones(4)).shape
    (2, 4)
    """
    if weight.ndim != 2 or input.ndim < 1 or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: input of shape {input.shape} does not fit weight of shape {weight.shape}: "
            "expected (..., in_features) and (out_features, in_features)"
        )
    _check_vector("linear", "bias", bias, weight.shape[0])
    rows = math.prod(input.shape[:-1])
    batched = input if input.ndim == 2 else input.reshape(rows, weight.shape[1])
    out = _dense(batched, weight) if bias is None else _dense_bias(batched, weight, bias)
    return out if input.ndim == 2 else out.reshape(*input.shape[:-1], weight.shape[0])


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    r"""Slide a bank of filters over images (cross-correlation, as deep learning calls convolution).

    ``y[n, o, p, q] = bias[o] + sum over c, r, s of weight[o, c, r, s] * x[n, c, p*stride + r*dilation - top, ...]`` and
    :math:`P = \lfloor (H + top + bottom - d (R - 1) - 1) / s \rfloor + 1`; see Dumoulin & Visin 2016.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    weight : Tensor (O, C/groups, R, S)
    bias : Tensor (O,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int), ((top, bottom), (left, right)), "valid" or "same"
        ``"valid"`` is none.  ``"same"`` makes P = ceil(H / stride), with the odd zero at the bottom and right (as in
        PyTorch, which refuses it for strides above 1, and TensorFlow, which does not).
    groups : int
        Cut the channels into this many groups that do not see each other.

    Returns
    -------
    Tensor (N, O, P, Q) or (O, P, Q)

    Raises
    ------
    ValueError
        If ranks, channels, groups or sizes do not fit; the message has the sizes.
    TypeError
        If dtypes differ.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.conv2d(mg.ones(1, 3, 8, 8), mg.ones(16, 3, 5, 5), stride=2, padding="same").shape
    (1, 16, 4, 4)
    """
    batched = _image_batch("conv2d", input)
    strides, dilations = _pair("conv2d", "stride", stride, 1), _pair("conv2d", "dilation", dilation, 1)
    _check_filters("conv2d", weight, groups)
    channels, filters = batched.shape[1], weight.shape[0]
    if channels != weight.shape[1] * groups:
        raise ValueError(
            f"conv2d: input of shape {input.shape} has {channels} channels, but weight of shape {weight.shape} "
            f"with groups={groups} expects {weight.shape[1] * groups}"
        )
    if filters % groups:
        raise ValueError(
            f"conv2d: {filters} output channels (weight of shape {weight.shape}), not divisible by groups={groups}"
        )
    _check_vector("conv2d", "bias", bias, filters)
    sides = _sides("conv2d", padding, batched.shape[2:], weight.shape[2:], strides, dilations)
    for i, axis in enumerate(("height", "width")):
        if output_size(batched.shape[2 + i], weight.shape[2 + i], strides[i], sides[i], dilations[i]) < 1:
            raise ValueError(
                f"conv2d: kernel does not fit: {axis} {batched.shape[2 + i]} with padding {sides[i]} is less than "
                f"{dilations[i] * (weight.shape[2 + i] - 1) + 1}, what kernel {weight.shape[2 + i]} spans "
                f"with dilation {dilations[i]}"
            )
    how = {"stride": strides, "padding": sides, "dilation": dilations, "groups": groups}
    if bias is None:
        out = _conv.conv2d(batched, weight, **how)
    else:
        out = _conv.conv2d_bias(batched, weight, bias, **how)
    return out if input.ndim == 4 else out.reshape(out.shape[1:])


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    r"""Transposed convolution: the adjoint of the `conv2d` with the same weight, stride, padding and dilation.

    It maps the output space of that convolution back to its input space:
    :math:`P = (H - 1) s - top - bottom + d (R - 1) + 1 + output\_padding`.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    weight : Tensor (C, O/groups, R, S)
    bias : Tensor (O,), optional
    stride, dilation : int or (int, int)
    padding : int, (int, int), ((top, bottom), (left, right)), "valid" or "same"
        Rows and columns cut off the result.  ``"same"`` makes P = H * stride, as in Keras.
    output_padding : int or (int, int)
        Rows and columns added at the bottom and right; less than stride or dilation.
    groups : int

    Returns
    -------
    Tensor (N, O, P, Q) or (O, P, Q)

    Raises
    ------
    ValueError
        If ranks, channels, groups or sizes do not fit; the message has the sizes.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.conv_transpose2d(mg.ones(1, 16, 4, 4), mg.ones(16, 3, 4, 4), stride=2, padding=1).shape
    (1, 3, 8, 8)
    """
    op = "conv_transpose2d"
    batched = _image_batch(op, input)
    strides, dilations = _pair(op, "stride", stride, 1), _pair(op, "dilation", dilation, 1)
    extra = _pair(op, "output_padding", output_padding, 0)
    _check_filters(op, weight, groups)
    channels = batched.shape[1]
    if channels != weight.shape[0] or channels % groups:
        raise ValueError(
            f"{op}: input of shape {input.shape} has {channels} channels; weight of shape {weight.shape} expects "
            f"{weight.shape[0]}, in {groups} equal groups"
        )
    _check_vector(op, "bias", bias, weight.shape[1] * groups)
    grown = [n * s for n, s in zip(batched.shape[2:], strides)]
    sides = _sides(op, padding, grown, weight.shape[2:], strides, dilations)
    kept, size, border = [], [], []
    for i in range(2):
        if extra[i] >= max(strides[i], dilations[i]):
            raise ValueError(
                f"{op}: output_padding {extra} must be less than stride {strides} or dilation {dilations} on each axis"
            )
        span = (batched.shape[2 + i] - 1) * strides[i] + dilations[i] * (weight.shape[2 + i] - 1) + 1
        before, after = sides[i]
        # with "same", a kernel smaller than the stride leaves rows at the end that nothing reaches
        short = max(grown[i] - (span - before - after), 0) if padding == "same" else 0
        # output padding first takes back what padding cuts off at the end; what is left of it is zeros
        kept.append((before, max(after - extra[i] - short, 0)))
        border.append(max(extra[i] + short - after, 0))
        size.append(span - before - kept[i][1])
    if min(size) < 1 or 0 in batched.shape[2:]:
        raise ValueError(
            f"{op}: nothing is left of input of shape {input.shape}: output size {tuple(size)} with padding {sides}"
        )
    how = {"stride": strides, "padding": tuple(kept), "dilation": dilations, "groups": groups}
    if bias is None or any(border):
        out = _conv.conv2d_input_grad(batched, weight, input_size=tuple(size), **how)
    else:
        out = _conv.conv2d_input_grad_bias(batched, weight, bias, input_size=tuple(size), **how)
    if any(border):  # which the bias reaches too
        out = pad(out, (0, border[1], 0, border[0]))
        out = out if bias is None else out + _channelwise(bias, 4)
    return out if input.ndim == 4 else out.reshape(out.shape[1:])


# ---- normalisation


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    r"""Batch normalisation (Ioffe & Szegedy 2015): :math:`(x - \mu) / \sqrt{v + \epsilon} \cdot \gamma + \beta`.

    In training :math:`\mu` and :math:`v` are the batch's own, per channel; otherwise the running ones.  In training the
    running ones are updated, ``running = (1 - momentum) * running + momentum * batch``, the variance with n - 1.
    Keras's momentum is one minus this one, and its eps is 1e-3.

    Parameters
    ----------
    input : Tensor (N, C, ...)
    running_mean, running_var : Tensor (C,) or None
        Given new values in training; needed otherwise.
    weight, bias : Tensor (C,), optional
        :math:`\gamma` and :math:`\beta`; 1 and 0 by default.
    training : bool
    momentum, eps : float

    Returns
    -------
    Tensor of the input's shape

    Raises
    ------
    ValueError
        If sizes do not fit, or there is only one value per channel in training: its variance says nothing.

    Examples
    --------
    >>> import minigen as mg
    >>> x = mg.tensor([[1.0], [3.0]])
    >>> mg.functional.batch_norm(x, None, None, training=True, eps=0.0)
    tensor([[-1.],
            [ 1.]])
    """
    if input.ndim < 2:
        raise ValueError(f"batch_norm: expected input (N, C, ...), got shape {input.shape}")
    channels = input.shape[1]
    vectors = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
    for name, vector in vectors.items():
        _check_vector("batch_norm", name, vector, channels)
    weight, bias = _affine(input, channels, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: running_mean and running_var are needed when training=False")
        scale = weight * (running_var + eps) ** -0.5
        shift = bias - running_mean * scale
        return input * _channelwise(scale, input.ndim) + _channelwise(shift, input.ndim)
    count = input.numel() // max(channels, 1)
    if count < 2:
        raise ValueError(f"batch_norm: expected over 1 value per channel in training, got shape {input.shape}")
    stats = find("batch_norm_stats", input.data)(input.data)
    for running, batch, factor in ((running_mean, stats[0], 1.0), (running_var, stats[1], count / (count - 1))):
        if running is not None:
            running.data = (1 - momentum) * running.data + momentum * factor * batch
    return _norm.batch_norm(input, weight, bias, eps=eps, stats=stats)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Layer normalisation (Ba et al. 2016): every example by its own mean and variance.

    Parameters
    ----------
    input : Tensor (..., *normalized_shape)
    normalized_shape : sequence of int
        The trailing dimensions over which to normalise.
    weight, bias : Tensor of `normalized_shape`, optional
    eps : float

    Raises
    ------
    ValueError
        If the input does not end in `normalized_shape`.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.layer_norm(mg.tensor([[1.0, 3.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.]])
    """
    shape = tuple(normalized_shape)
    if not shape or input.shape[input.ndim - len(shape) :] != shape:
        raise ValueError(f"layer_norm: input of shape {input.shape} does not end in normalized_shape {shape}")
    for name, affine in (("weight", weight), ("bias", bias)):
        if affine is not None and affine.shape != shape:
            raise ValueError(f"layer_norm: argument {name!r} has shape {affine.shape}, expected {shape}")
    out = _standardise(input, math.prod(input.shape[: input.ndim - len(shape)]), eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Group normalisation (Wu & He 2018): the channels of an example, in `num_groups` groups.

    Parameters
    ----------
    input : Tensor (N, C, ...)
    num_groups : int
        Must divide C.
    weight, bias : Tensor (C,), optional
    eps : float

    Raises
    ------
    ValueError
        If the sizes do not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.group_norm(mg.ones(2, 4, 3), 2).shape
    (2, 4, 3)
    """
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ValueError(
            f"group_norm: input of shape {input.shape}: expected (N, C, ...), C divisible by num_groups={num_groups}"
        )
    for name, vector in (("weight", weight), ("bias", bias)):
        _check_vector("group_norm", name, vector, input.shape[1])
    out = _standardise(input, input.shape[0] * num_groups, eps)
    out = out if weight is None else out * _channelwise(weight, input.ndim)
    return out if bias is None else out + _channelwise(bias, input.ndim)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Instance normalisation (Ulyanov et al. 2016): every channel of every example by itself.

    Parameters
    ----------
    input : Tensor (N, C, ...)
    running_mean, running_var : Tensor (C,), optional
        As in `batch_norm`; the batch's statistics are averaged over the examples.
    weight, bias : Tensor (C,), optional
    use_input_stats : bool
        False takes the running statistics.
    momentum, eps : float

    Raises
    ------
    ValueError
        If sizes do not fit or there is only one value per channel.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.instance_norm(mg.ones(2, 4, 3)).shape
    (2, 4, 3)
    """
    if input.ndim < 3:
        raise ValueError(f"instance_norm: expected input (N, C, ...), got shape {input.shape}")
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    n, channels = input.shape[:2]
    count = math.prod(input.shape[2:])
    if count < 2:
        raise ValueError(f"instance_norm: expected more than 1 value per channel, got input of shape {input.shape}")
    if running_mean is not None or running_var is not None:
        flat = input.data.reshape(1, n * channels, count)
        stats = [s.reshape(n, channels).mean(axis=0) for s in find("batch_norm_stats", flat)(flat)]
        for running, batch, factor in ((running_mean, stats[0], 1.0), (running_var, stats[1], count / (count - 1))):
            _check_vector("instance_norm", "running statistics", running, channels)
            if running is not None:
                running.data = (1 - momentum) * running.data + momentum * factor * batch
    return group_norm(input, channels, weight, bias, eps)


# ---- activations, pooling, resizing


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """``x`` where x > 0, ``negative_slope * x`` elsewhere; see `minigen.ops.elementwise.leaky_relu`.

    >>> import minigen as mg
    >>> mg.functional.leaky_relu(mg.tensor([-1.0, 2.0]), 0.2)
    tensor([-0.2,  2. ])
    """
    return _elementwise.leaky_relu(input, negative_slope=negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` where x > 0, ``alpha * (exp(x) - 1)`` elsewhere; see `minigen.ops.elementwise.elu`.

    >>> import minigen as mg
    >>> mg.functional.elu(mg.tensor([0.0, 2.0]))
    tensor([0., 2.])
    """
    return _elementwise.elu(input, alpha=alpha)


def dropout(
    input: Tensor, p: float = 0.5, training: bool = True, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Zero each element with probability `p`, scale the rest by 1 / (1 - p) to keep the mean (Srivastava et al. 2014).

    Parameters
    ----------
    input : Tensor
    p : float
    training : bool
        Nothing happens when False.
    generator : numpy.random.Generator, optional
        Where the mask's seed is drawn from; by default the package's stream.

    Raises
    ------
    ValueError
        If `p` is not between 0 and 1.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.dropout(mg.ones(3), 0.5, training=False)
    tensor([1., 1., 1.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: expected p between 0 and 1, got {p}")
    if not training or p == 0:
        return input
    return _elementwise.dropout(input, p=p, seed=int((generator or rng()).integers(2**63)))


def max_pool2d(
    input: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Padding = 0, dilation: Pair = 1
) -> Tensor:
    """The largest element of each window; at a tie the first in row order gets the gradient.

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        By default the kernel size.
    padding : int, (int, int) or ((top, bottom), (left, right))
        Never chosen; at most half the kernel size.
    dilation : int or (int, int)

    Raises
    ------
    ValueError
        If the window does not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.max_pool2d(mg.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    batched, window = _window("max_pool2d", input, kernel_size, stride, padding, dilation)
    out = _pool.max_pool2d(batched, **window)
    return out if input.ndim == 4 else out.reshape(out.shape[1:])


def avg_pool2d(
    input: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Padding = 0,
    *,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: a convolution whose weights are all 1 / (R S).

    Parameters
    ----------
    input : Tensor (N, C, H, W) or (C, H, W)
    kernel_size : int or (int, int)
    stride : int or (int, int), optional
        By default the kernel size.
    padding : int, (int, int) or ((top, bottom), (left, right))
    count_include_pad : bool
        Whether padding counts as elements of value 0.
    divisor_override : int, optional
        Divide by this in place of the number of elements.

    Raises
    ------
    ValueError
        If the window does not fit.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.avg_pool2d(mg.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 2.5,  4.5],
             [10.5, 12.5]]])
    """
    batched, window = _window("avg_pool2d", input, kernel_size, stride, padding, 1)
    size = window.pop("kernel_size")
    xp = array_module(input.data)

    def window_sum(images: Tensor) -> Tensor:
        single = images.reshape(-1, 1, *images.shape[2:])  # channels as images: they do not mix
        return _conv.conv2d(single, Tensor(xp.ones((1, 1, *size), images.dtype)), groups=1, **window)

    out = window_sum(batched)
    if divisor_override is not None or count_include_pad:
        out = out / (divisor_override or size[0] * size[1])
    else:
        out = out / window_sum(Tensor(xp.ones((1, 1, *batched.shape[2:]), input.dtype)))
    shape = (*batched.shape[:2], *out.shape[2:])
    return out.reshape(shape if input.ndim == 4 else shape[1:])


def interpolate(
    input: Tensor,
    size: Pair | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: str = "nearest",
    align_corners: bool = False,
) -> Tensor:
    r"""Resize images.

    Bilinear interpolation is linear and separable: :math:`Y = A_H X A_W^\top` with two fixed matrices, which is how it
    is computed here, and why it needs no gradient of its own.

    Parameters
    ----------
    input : Tensor (N, C, H, W)
    size : int or (int, int), optional
        Output size.  Give this or `scale_factor`.
    scale_factor : float or (float, float), optional
    mode : {"nearest", "bilinear"}
    align_corners : bool
        For bilinear: whether the corner pixels' centres (True) or the images' edges (False) coincide.

    Returns
    -------
    Tensor (N, C, P, Q)

    Raises
    ------
    ValueError
        If neither or both of `size` and `scale_factor` are given, or the mode is unknown.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.interpolate(mg.arange(2.0).reshape(1, 1, 1, 2), scale_factor=2)
    tensor([[[[0., 0., 1., 1.],
              [0., 0., 1., 1.]]]])
    """
    if input.ndim != 4 or 0 in input.shape[2:]:
        raise ValueError(f"interpolate: expected input (N, C, H, W), got shape {input.shape}")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either size or scale_factor")
    if size is not None:
        target = _pair("interpolate", "size", size, 1)
        steps = [n / m for n, m in zip(input.shape[2:], target)]
    else:
        factors = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor or 0.0,) * 2
        target = (int(input.shape[2] * factors[0]), int(input.shape[3] * factors[1]))
        steps = [1 / f if f else 0.0 for f in factors]
        if min(target) < 1:
            raise ValueError(f"interpolate: nothing is left of shape {input.shape} with scale_factor {scale_factor}")
    if mode == "nearest":
        # the small number keeps a source position such as 2.9999999 from falling short of the pixel it means
        rows, columns = (
            np.minimum((np.arange(m) * step + 1e-9).astype(np.int64), n - 1)
            for m, n, step in zip(target, input.shape[2:], steps)
        )
        return getitem(getitem(input, (..., rows, slice(None))), (..., columns))
    if mode != "bilinear":
        raise ValueError(f"interpolate: unknown mode {mode!r}; expected nearest or bilinear")
    down, across = (
        Tensor(to_device(_bilinear_matrix(n, m, step, align_corners).astype(input.dtype), input.device))
        for n, m, step in zip(input.shape[2:], target, steps)
    )
    return matmul(matmul(down, input), across.T)


def _bilinear_matrix(n: int, m: int, step: float, align_corners: bool) -> np.ndarray[Any, Any]:
    """The (m, n) matrix that resamples n pixels to m."""
    if align_corners:
        source = np.linspace(0, n - 1, m) if m > 1 else np.zeros(1)
    else:
        source = np.maximum((np.arange(m) + 0.5) * step - 0.5, 0)
    low = np.minimum(source.astype(np.int64), n - 1)
    high = np.minimum(low + 1, n - 1)
    matrix = np.zeros((m, n))
    np.add.at(matrix, (np.arange(m), low), 1 - (source - low))
    np.add.at(matrix, (np.arange(m), high), source - low)
    return matrix


# ---- losses


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Integers to rows with a single 1.

    Parameters
    ----------
    tensor : integer Tensor (...)
    num_classes : int
        By default one more than the largest.

    Returns
    -------
    int64 Tensor (..., num_classes)

    Raises
    ------
    ValueError
        If an integer is negative or not below `num_classes`.  (On a GPU only a `num_classes` of -1 looks at the
        integers: it would have to be waited for.  Their rows are zeros then.)

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.one_hot(mg.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    labels = _labels("one_hot", "tensor", tensor)
    xp = array_module(labels)
    if num_classes == -1:
        if labels.size == 0:
            raise ValueError("one_hot: num_classes is needed when there are no labels")
        num_classes = int(labels.max()) + 1
    _check_classes("one_hot", labels, num_classes)
    return Tensor((labels[..., None] == xp.arange(num_classes)).astype(np.int64))


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Squared differences.

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.mse_loss(mg.tensor([1.0, 3.0]), mg.tensor([0.0, 0.0]))
    tensor(5.)
    """
    target = _same_shape("mse_loss", input, target)
    return _reduce("mse_loss", square(input - target), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """Absolute differences; where there is none the gradient is 0.

    Parameters
    ----------
    input, target : Tensor of one shape
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.l1_loss(mg.tensor([1.0, 3.0]), mg.tensor([0.0, 0.0]))
    tensor(2.)
    """
    target = _same_shape("l1_loss", input, target)
    return _reduce("l1_loss", abs(input - target), reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    r"""Cross-entropy of probabilities p with targets y: :math:`-y \log p - (1 - y) \log(1 - p)`.

    Each logarithm is at least -100, as in PyTorch; where that limit holds the gradient is 0, as the limit's is.  Prefer
    `binary_cross_entropy_with_logits`, which needs no limit.

    Parameters
    ----------
    input : Tensor
        Probabilities.
    target : Tensor of the same shape
        In [0, 1].
    weight : Tensor, optional
        Multiplies the loss of each element; broadcasts.
    reduction : {"mean", "sum", "none"}

    Raises
    ------
    ValueError
        If a probability lies outside [0, 1] (on the CPU: a GPU is not waited for) or the shapes differ.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.binary_cross_entropy(mg.tensor([0.5]), mg.tensor([1.0]))
    tensor(0.6931472)
    """
    op = "binary_cross_entropy"
    target = _same_shape(op, input, target)
    if input.device == "cpu" and bool(((input.data < 0) | (input.data > 1)).any()):
        raise ValueError(
            f"{op}: argument 'input' must be probabilities in [0, 1], got values from "
            f"{input.data.min():g} to {input.data.max():g}"
        )
    loss = -(target * _limited_log(input) + (1 - target) * _limited_log(1 - input))
    return _reduce(op, loss if weight is None else loss * weight, reduction)


def _limited_log(p: Tensor) -> Tensor:
    """``max(log p, -100)``, with a gradient of 0 (not NaN) where the limit holds."""
    fine = p > math.exp(-100)
    return where(fine, log(where(fine, p, 1.0)), -100.0)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    r"""Cross-entropy of logits x with targets y: :math:`y \zeta(-x) + (1 - y) \zeta(x)`, :math:`\zeta` the softplus.

    Since :math:`-\log \sigma(x) = \zeta(-x)` this is `binary_cross_entropy` of ``sigmoid(x)``, without ever computing a
    probability that could round to 0 or 1.  Its derivative is :math:`\sigma(x) - y`.

    Parameters
    ----------
    input : Tensor
        Logits.
    target : Tensor of the same shape
        In [0, 1].
    weight : Tensor, optional
        Multiplies the loss of each element; broadcasts.
    reduction : {"mean", "sum", "none"}
    pos_weight : Tensor, optional
        Multiplies the part of the positive class; broadcasts.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.binary_cross_entropy_with_logits(mg.tensor([0.0]), mg.tensor([1.0]))
    tensor(0.6931472)
    """
    op = "binary_cross_entropy_with_logits"
    target = _same_shape(op, input, target)
    positive = target if pos_weight is None else target * pos_weight
    loss = positive * softplus(-input) + (1 - target) * softplus(input)
    return _reduce(op, loss if weight is None else loss * weight, reduction)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Cross-entropy of logits with classes: :math:`-\sum_c y_c \log \mathrm{softmax}(x)_c`.

    Parameters
    ----------
    input : Tensor (C,), (N, C) or (N, C, ...)
        Logits.
    target : integer Tensor (), (N,) or (N, ...), or float Tensor of the input's shape
        Classes, or a probability for each.
    weight : Tensor (C,), optional
        Multiplies the terms of each class.
    ignore_index : int
        A class label that does not count.
    reduction : {"mean", "sum", "none"}
        With class labels the mean is weighted by the labels' weights, as in PyTorch.
    label_smoothing : float
        Share of the target that is spread evenly over the classes (Szegedy et al. 2016).

    Raises
    ------
    ValueError
        If the shapes do not fit or a label is not a class.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.cross_entropy(mg.zeros(2, 4), mg.tensor([0, 3]))
    tensor(1.3862944)
    """
    op = "cross_entropy"
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{op}: expected label_smoothing between 0 and 1, got {label_smoothing}")
    if input.ndim == 0:
        raise ValueError(f"{op}: expected input (C,) or (N, C, ...), got shape ()")
    axis = 0 if input.ndim == 1 else 1
    classes = input.shape[axis]
    _check_vector(op, "weight", weight, classes)
    target = target if isinstance(target, Tensor) else tensor(target)
    xp = array_module(input.data)
    each = _affine(input, classes, weight, None)[0]
    each = _channelwise(each, input.ndim) if axis else each
    if target.dtype.kind == "f":
        share, total = _same_shape(op, input, target), None
    else:
        labels = _labels(op, "target", target)
        if labels.shape != input.shape[:axis] + input.shape[axis + 1 :]:
            raise ValueError(f"{op}: target of shape {labels.shape} does not fit input of shape {input.shape}")
        counted = labels != ignore_index
        _check_classes(op, xp.where(counted, labels, 0), classes)
        places = xp.arange(classes).reshape([-1 if d == axis else 1 for d in range(input.ndim)])
        chosen = (xp.expand_dims(labels, axis) == places).astype(input.dtype)
        share = Tensor(chosen)
        each = each * Tensor(xp.expand_dims(counted, axis).astype(input.dtype))
        total = sum(share * each)  # after the mask: ignore_index may be a class like any other
    share = share * (1 - label_smoothing) + label_smoothing / classes
    loss = -sum(share * each * log_softmax(input, axis), axis)
    if reduction == "mean" and total is not None:
        return sum(loss) / total
    return _reduce(op, loss, reduction)


# ---- what the functions above share


def _pair(op: str, name: str, value: Any, least: int) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int | np.integer) else value if isinstance(value, tuple | list) else ()
    if len(pair) != 2 or any(not isinstance(v, int | np.integer) or v < least for v in pair):
        raise ValueError(f"{op}: argument {name!r}: expected one or two integers of at least {least}, got {value!r}")
    return int(pair[0]), int(pair[1])


def _sides(
    op: str,
    padding: Any,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Padding in any of its forms as ((top, bottom), (left, right))."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        sides = []
        for n, k, s, d in zip(size, kernel, stride, dilation):
            total = max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
            sides.append((total // 2, total - total // 2))
        return sides[0], sides[1]
    if isinstance(padding, str):
        raise ValueError(f"{op}: argument 'padding': expected integers, 'same' or 'valid', got {padding!r}")
    if isinstance(padding, tuple | list) and len(padding) == 2 and all(isinstance(p, tuple | list) for p in padding):
        return _pair(op, "padding", padding[0], 0), _pair(op, "padding", padding[1], 0)
    vertical, horizontal = _pair(op, "padding", padding, 0)
    return (vertical, vertical), (horizontal, horizontal)


def _image_batch(op: str, input: Tensor) -> Tensor:
    """The input as (N, C, H, W)."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{op}: argument 'input': expected a Tensor, got {type(input).__name__}")
    if input.ndim not in (3, 4):
        raise ValueError(f"{op}: argument 'input': expected (N, C, H, W) or (C, H, W), got shape {input.shape}")
    return input if input.ndim == 4 else input.reshape(1, *input.shape)


def _check_filters(op: str, weight: Tensor, groups: int) -> None:
    if weight.ndim != 4 or 0 in weight.shape:
        raise ValueError(f"{op}: argument 'weight': expected four sizes of at least 1, got shape {weight.shape}")
    if not isinstance(groups, int | np.integer) or groups < 1:
        raise ValueError(f"{op}: argument 'groups': expected an integer of at least 1, got {groups!r}")


def _check_vector(op: str, name: str, vector: Tensor | None, length: int) -> None:
    if vector is not None and vector.shape != (length,):
        raise ValueError(f"{op}: argument {name!r} has shape {vector.shape}, expected ({length},)")


def _channelwise(vector: Tensor, ndim: int) -> Tensor:
    """A vector of C values, shaped to broadcast against (N, C, ...)."""
    return vector.reshape(1, -1, *[1] * (ndim - 2))


def _affine(input: Tensor, channels: int, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight and bias, or the ones and zeros that stand for none."""
    xp = array_module(input.data)
    return (
        Tensor(xp.ones(channels, input.dtype)) if weight is None else weight,
        Tensor(xp.zeros(channels, input.dtype)) if bias is None else bias,
    )


def _standardise(input: Tensor, rows: int, eps: float) -> Tensor:
    """Give each of `rows` equal runs of elements mean 0 and variance 1: batch norm with the runs as channels."""
    flat = input.reshape(1, rows, input.numel() // max(rows, 1))
    one, zero = _affine(input, rows, None, None)
    return _norm.batch_norm(flat, one, zero, eps=eps).reshape(input.shape)


def _window(
    op: str, input: Tensor, kernel_size: Pair, stride: Pair | None, padding: Padding, dilation: Pair
) -> tuple[Tensor, dict[str, Any]]:
    """The checked parameters of a pooling window."""
    batched = _image_batch(op, input)
    size = _pair(op, "kernel_size", kernel_size, 1)
    strides = size if stride is None else _pair(op, "stride", stride, 1)
    dilations = _pair(op, "dilation", dilation, 1)
    sides = _sides(op, padding, batched.shape[2:], size, strides, dilations)
    for i in range(2):
        if padding != "same" and max(sides[i]) > size[i] // 2:
            raise ValueError(f"{op}: padding {sides} is more than half the kernel size {size}")
        if output_size(batched.shape[2 + i], size[i], strides[i], sides[i], dilations[i]) < 1:
            raise ValueError(f"{op}: window {size}, dilation {dilations}, does not fit input of shape {input.shape}")
    return batched, {"kernel_size": size, "stride": strides, "padding": sides, "dilation": dilations}


def _same_shape(op: str, input: Tensor, target: Any) -> Tensor:
    target = target if isinstance(target, Tensor) else tensor(target)
    if input.shape != target.shape:
        raise ValueError(f"{op}: input of shape {input.shape} and target of shape {target.shape} differ")
    return target


def _reduce(op: str, loss: Tensor, reduction: str) -> Tensor:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{op}: argument 'reduction': expected 'mean', 'sum' or 'none', got {reduction!r}")
    return mean(loss) if reduction == "mean" else sum(loss) if reduction == "sum" else loss


def _labels(op: str, name: str, labels: Any) -> Any:
    array = labels.data if isinstance(labels, Tensor) else np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{op}: argument {name!r} has dtype {array.dtype}, expected integers")
    return array


def _check_classes(op: str, labels: Any, classes: int) -> None:
    """Labels on a GPU are not looked at: the CPU would have to wait for it, in every step of a training."""
    if isinstance(labels, np.ndarray) and labels.size and (int(labels.min()) < 0 or int(labels.max()) >= classes):
        raise ValueError(f"{op}: labels from {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
