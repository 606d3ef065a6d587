r"""Normalization over the batch, the channels or one example."""

import math
from collections.abc import Sequence

from ..arguments import check_integer, check_number, check_shape, check_tensor, check_vector, normalize_dim
from ..backend import array_module, describe
from ..kernels import find
from ..ops import norm as _norm
from ..ops.elementwise import maximum
from ..ops.linalg import norm
from ..tensor import Tensor
from .activation import check_slope, leaky

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "normalize"]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *,
    negative_slope: float | None = None,
) -> Tensor:
    r"""Batch normalization (Ioffe & Szegedy 2015): $(x - \mu) / \sqrt{v + \epsilon} \cdot \gamma + \beta$.

    In training $\mu$ and $v$ are the batch's own, per channel; otherwise the running ones.  In training the
    running ones are updated, ``running = (1 - momentum) * running + momentum * batch``, the variance with n - 1.
    Keras's momentum is one minus this one, and its eps is 1e-3.

    Parameters
    ----------
    input : Tensor (N, C, ...)
    running_mean, running_var : Tensor (C,) or None
        Given new values in training; needed otherwise.
    weight, bias : Tensor (C,), optional
        $\gamma$ and $\beta$; 1 and 0 by default.
    training : bool
    momentum, eps : float
    negative_slope : float, optional
        A leaky ReLU of this slope (0: a ReLU) follows, in the same pass over memory.  PyTorch has no such argument.

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
    check_tensor("batch_norm", "input", input)
    if input.ndim < 2:
        raise ValueError(f"batch_norm: expected input (N, C, ...), got shape {input.shape}")
    check_number("batch_norm", "eps", eps)
    check_number("batch_norm", "momentum", momentum)
    check_slope("batch_norm", negative_slope)
    channels = input.shape[1]
    vectors = {"weight": weight, "bias": bias, "running_mean": running_mean, "running_var": running_var}
    for name, vector in vectors.items():
        check_vector("batch_norm", name, vector, channels)
    weight, bias = _affine(input, channels, weight, bias)
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: running_mean and running_var are needed when training=False")
        scale = weight * (running_var + eps) ** -0.5
        shift = bias - running_mean * scale
        out = input * _channelwise(scale, input.ndim) + _channelwise(shift, input.ndim)
        return leaky(out, negative_slope)
    if not input.numel():
        return _of_nothing(input, weight, bias)
    count = input.numel() // channels
    if count < 2:
        raise ValueError(f"batch_norm: expected over 1 value per channel in training, got shape {input.shape}")
    # Where one average is missing the other stands in for it, and what becomes of it is dropped.
    running = [average._data for average in (running_mean, running_var) if average is not None]
    averages = (running[0], running[-1]) if running else (None, None)
    x = input._data
    kernel = find("batch_norm_train", x)
    out, mean, var, *new = kernel(x, weight._data, bias._data, eps, negative_slope, *averages, momentum)
    if running_mean is not None:
        running_mean.set_array(new[0])
    if running_var is not None:
        running_var.set_array(new[1])
    how = {"eps": eps, "stats": (mean, var), "negative_slope": negative_slope, "result": out}
    return _norm.batch_norm(input, weight, bias, **how)


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Layer normalization (Ba et al. 2016): every example by its own mean and variance.

    Parameters
    ----------
    input : Tensor (..., *normalized_shape)
    normalized_shape : sequence of int
        The trailing dimensions over which to normalize.
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
    check_tensor("layer_norm", "input", input)
    if not isinstance(normalized_shape, Sequence):
        raise TypeError(
            f"layer_norm: argument 'normalized_shape': expected a sequence, got {describe(normalized_shape)}"
        )
    shape = tuple(check_integer("layer_norm", "normalized_shape", n) for n in normalized_shape)
    check_number("layer_norm", "eps", eps)
    if not shape or input.shape[input.ndim - len(shape) :] != shape:
        raise ValueError(f"layer_norm: input of shape {input.shape} does not end in normalized_shape {shape}")
    for name, affine in (("weight", weight), ("bias", bias)):
        check_shape("layer_norm", name, affine, shape)
    out = _standardize(input, math.prod(input.shape[: input.ndim - len(shape)]), eps)
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Group normalization (Wu & He 2018): the channels of an example, in `num_groups` groups.

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
    check_tensor("group_norm", "input", input)
    check_number("group_norm", "eps", eps)
    if input.ndim < 2 or check_integer("group_norm", "num_groups", num_groups, 1) < 1 or input.shape[1] % num_groups:
        raise ValueError(
            f"group_norm: input of shape {input.shape}: expected (N, C, ...), C divisible by num_groups={num_groups}"
        )
    for name, vector in (("weight", weight), ("bias", bias)):
        check_vector("group_norm", name, vector, input.shape[1])
    out = _standardize(input, input.shape[0] * num_groups, eps)
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
    *,
    negative_slope: float | None = None,
) -> Tensor:
    """Instance normalization (Ulyanov et al. 2016): every channel of every example by itself.

    Parameters
    ----------
    input : Tensor (N, C, ...)
    running_mean, running_var : Tensor (C,), optional
        As in `batch_norm`; the batch's statistics are averaged over the examples.
    weight, bias : Tensor (C,), optional
    use_input_stats : bool
        False takes the running statistics.
    momentum, eps : float
    negative_slope : float, optional
        Of a leaky ReLU that follows, as in `batch_norm`.

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
    check_tensor("instance_norm", "input", input)
    if input.ndim < 3:
        raise ValueError(f"instance_norm: expected input (N, C, ...), got shape {input.shape}")
    if not use_input_stats:
        stored = running_mean, running_var
        return batch_norm(input, *stored, weight, bias, False, momentum, eps, negative_slope=negative_slope)
    check_number("instance_norm", "eps", eps)
    check_slope("instance_norm", negative_slope)
    n, channels = input.shape[:2]
    for name, vector in (("weight", weight), ("bias", bias)):
        check_vector("instance_norm", name, vector, channels)
    if not input.numel():
        return _of_nothing(input, *_affine(input, channels, weight, bias))
    count = math.prod(input.shape[2:])
    if count < 2:
        raise ValueError(f"instance_norm: expected more than 1 value per channel, got input of shape {input.shape}")
    flat = input.data.reshape(1, n * channels, count)
    stats = find("batch_norm_stats", flat)(flat)
    for running, each, factor in ((running_mean, stats[0], 1.0), (running_var, stats[1], count / (count - 1))):
        check_vector("instance_norm", "running statistics", running, channels)
        if running is not None:
            mean = each.reshape(n, channels).mean(axis=0)
            running.data = (1 - momentum) * running.data + momentum * factor * mean
    weight, bias = _affine(input, channels, weight, bias)
    return _norm.instance_norm(input, weight, bias, eps=eps, stats=stats, negative_slope=negative_slope)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    r"""Scale vectors to length 1: $x / \max(|x|_p, \epsilon)$.

    Parameters
    ----------
    input : Tensor
    p : float
        The norm, as in `norm`: 1, 2, another positive number, or infinity.
    dim : int
        The dimension of the vectors.
    eps : float
        The least length, so that a vector of zeros stays one.

    Raises
    ------
    ValueError
        If `p` or `eps` is out of its range.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.normalize(mg.tensor([[3.0, 4.0]]))
    tensor([[0.6, 0.8]])
    """
    op = "normalize"
    check_tensor(op, "input", input)
    check_number(op, "eps", eps)
    check_number(op, "p", p, -math.inf, most=math.inf)
    dim = normalize_dim(op, input.shape, dim)
    return input / maximum(norm(input, p, dim, keepdim=True), eps)


def _channelwise(vector: Tensor, ndim: int) -> Tensor:
    """A vector of C values, shaped to broadcast against (N, C, ...)."""
    return vector.reshape(1, -1, *[1] * (ndim - 2))


def _affine(input: Tensor, channels: int, weight: Tensor | None, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    """Weight and bias, or the ones and zeros that stand for none."""
    xp = array_module(input._data)
    return (
        Tensor(xp.ones(channels, input.dtype)) if weight is None else weight,
        Tensor(xp.zeros(channels, input.dtype)) if bias is None else bias,
    )


def _of_nothing(input: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """An empty result for an empty input, as in PyTorch: no statistics, and gradients of 0 for weight and bias."""
    return input * _channelwise(weight, input.ndim) + _channelwise(bias, input.ndim)


def _standardize(input: Tensor, rows: int, eps: float) -> Tensor:
    """Give each of `rows` equal runs of elements mean 0 and variance 1: batch norm with the runs as channels."""
    flat = input.reshape(1, rows, input.numel() // max(rows, 1))
    one, zero = _affine(input, rows, None, None)
    return _norm.batch_norm(flat, one, zero, eps=eps).reshape(input.shape)
