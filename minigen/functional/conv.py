r"""Convolution and transposed convolution."""

from typing import Any

from ..arguments import Padding, Pair, check_integer, check_tensor, check_vector, image_batch, normalize_padding, pair
from ..kernels.shapes import output_size as conv_size
from ..ops import conv as _conv
from ..ops.shape import pad
from ..tensor import Tensor
from .activation import check_slope, leaky
from .norm import _channelwise

__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int | str | tuple[int, int] = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Slide a bank of filters over sequences: `conv2d` of images with one row.

    Parameters
    ----------
    input : Tensor (N, C, L) or (C, L)
    weight : Tensor (O, C/groups, S)
    bias : Tensor (O,), optional
    stride, dilation : int
    padding : int, (left, right), "valid" or "same"
    groups : int

    Returns
    -------
    Tensor (N, O, Q) or (O, Q)

    Raises
    ------
    ValueError
        If ranks, channels, groups or sizes do not fit; the message has the sizes.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.conv1d(mg.ones(1, 3, 8), mg.ones(16, 3, 5), padding=2).shape
    (1, 16, 8)
    """
    op = "conv1d"
    image, filters, sides = _one_row(op, input, weight, padding)
    steps: Any = {"stride": _along_row(op, "stride", stride), "dilation": _along_row(op, "dilation", dilation)}
    return conv2d(image, filters, bias, padding=sides, groups=groups, **steps).squeeze(-2)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int | str | tuple[int, int] = 0,
    output_padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
) -> Tensor:
    """Transposed convolution of sequences: `conv_transpose2d` of images with one row.

    Parameters
    ----------
    input : Tensor (N, C, L) or (C, L)
    weight : Tensor (C, O/groups, S)
    bias : Tensor (O,), optional
    stride, dilation, output_padding : int
    padding : int, (left, right), "valid" or "same"
    groups : int

    Returns
    -------
    Tensor (N, O, Q) or (O, Q)

    Raises
    ------
    ValueError
        If ranks, channels, groups or sizes do not fit; the message has the sizes.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.conv_transpose1d(mg.ones(1, 16, 4), mg.ones(16, 3, 4), stride=2, padding=1).shape
    (1, 3, 8)
    """
    op = "conv_transpose1d"
    image, filters, sides = _one_row(op, input, weight, padding)
    steps: Any = {"stride": _along_row(op, "stride", stride), "dilation": _along_row(op, "dilation", dilation)}
    extra = (0, check_integer(op, "output_padding", output_padding, 0))
    return conv_transpose2d(image, filters, bias, padding=sides, output_padding=extra, groups=groups, **steps).squeeze(
        -2
    )


def _along_row(op: str, name: str, value: int) -> tuple[int, int]:
    return 1, check_integer(op, name, value, 1)


def _one_row(op: str, input: Tensor, weight: Tensor, padding: Any) -> tuple[Tensor, Tensor, Padding]:
    """Sequences and filters as images of one row; padding left and right only."""
    if check_tensor(op, "input", input).ndim not in (2, 3):
        raise ValueError(f"{op}: argument 'input': expected (N, C, L) or (C, L), got shape {input.shape}")
    if check_tensor(op, "weight", weight).ndim != 3:
        raise ValueError(f"{op}: argument 'weight': expected three sizes, got shape {weight.shape}")
    sides = padding if isinstance(padding, str) else ((0, 0), pair(op, "padding", padding, 0))
    return input.unsqueeze(-2), weight.unsqueeze(-2), sides


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Padding = 0,
    dilation: Pair = 1,
    groups: int = 1,
    *,
    negative_slope: float | None = None,
) -> Tensor:
    r"""Slide a bank of filters over images (cross-correlation, as deep learning calls convolution).

    ``y[n, o, p, q] = bias[o] + sum over c, r, s of weight[o, c, r, s] * x[n, c, p*stride + r*dilation - top, ...]`` and
    $P = \lfloor (H + top + bottom - d (R - 1) - 1) / s \rfloor + 1$; see Dumoulin & Visin 2016.

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
    negative_slope : float, optional
        A leaky ReLU of this slope, 0 or more (0: a ReLU), follows.  PyTorch has no such argument.

    Returns
    -------
    Tensor (N, O, P, Q) or (O, P, Q)

    Raises
    ------
    ValueError
        If ranks, channels, groups or sizes do not fit; the message has the sizes.
    TypeError
        If dtypes differ.

    Notes
    -----
    On a CPU, in float32, some outputs share the rounding errors of their neighbors.  A NaN, an infinity or a very
    large input then also spoils outputs a few pixels outside its reach.  To find the source of a NaN, use
    ``with mg.kernels.precision("direct"):``; `minigen.kernels.precision` states the bounds on the error.

    Examples
    --------
    >>> import minigen as mg
    >>> mg.functional.conv2d(mg.ones(1, 3, 8, 8), mg.ones(16, 3, 5, 5), stride=2, padding="same").shape
    (1, 16, 4, 4)
    """
    batched = image_batch("conv2d", input)
    strides, dilations = pair("conv2d", "stride", stride, 1), pair("conv2d", "dilation", dilation, 1)
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
    check_vector("conv2d", "bias", bias, filters)
    check_slope("conv2d", negative_slope, 0.0)
    sides = normalize_padding("conv2d", padding, batched.shape[2:], weight.shape[2:], strides, dilations)
    for i, axis in enumerate(("height", "width")):
        if conv_size(batched.shape[2 + i], weight.shape[2 + i], strides[i], sides[i], dilations[i]) < 1:
            raise ValueError(
                f"conv2d: kernel does not fit: {axis} {batched.shape[2 + i]} with padding {sides[i]} is less than "
                f"{dilations[i] * (weight.shape[2 + i] - 1) + 1}, what kernel {weight.shape[2 + i]} spans "
                f"with dilation {dilations[i]}"
            )
    how = {"stride": strides, "padding": sides, "dilation": dilations, "groups": groups}
    if bias is None:
        out = leaky(_conv.conv2d(batched, weight, **how), negative_slope)
    else:
        out = _conv.conv2d_bias(batched, weight, bias, negative_slope=negative_slope, **how)
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
    *,
    output_size: Pair | None = None,
    negative_slope: float | None = None,
) -> Tensor:
    r"""Transposed convolution: the adjoint of the `conv2d` with the same weight, stride, padding and dilation.

    It maps the output space of that convolution back to its input space:
    $P = (H - 1) s - top - bottom + d (R - 1) + 1 + output\_padding$.

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
    output_size : int or (int, int), optional
        The size (P, Q): it takes the place of `output_padding`, which is what the size needs.
    negative_slope : float, optional
        A leaky ReLU of this slope, 0 or more (0: a ReLU), follows.  PyTorch has no such argument.

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
    batched = image_batch(op, input)
    strides, dilations = pair(op, "stride", stride, 1), pair(op, "dilation", dilation, 1)
    extra = pair(op, "output_padding", output_padding, 0)
    _check_filters(op, weight, groups)
    channels = batched.shape[1]
    if channels != weight.shape[0] or channels % groups:
        raise ValueError(
            f"{op}: input of shape {input.shape} has {channels} channels; weight of shape {weight.shape} expects "
            f"{weight.shape[0]}, in {groups} equal groups"
        )
    check_vector(op, "bias", bias, weight.shape[1] * groups)
    check_slope(op, negative_slope, 0.0)
    grown = [n * s for n, s in zip(batched.shape[2:], strides)]
    sides = normalize_padding(op, padding, grown, weight.shape[2:], strides, dilations)
    if output_size is not None:
        extra = _extra_for(
            op, pair(op, "output_size", output_size, 1), extra, batched, weight, strides, sides, dilations
        )
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
    how["input_size"] = tuple(size)
    if bias is not None and not any(border):
        out = _conv.conv2d_input_grad_bias(batched, weight, bias, negative_slope=negative_slope, **how)
    else:
        out = _conv.conv2d_input_grad(batched, weight, **how)
        if any(border):  # which the bias reaches too
            out = pad(out, (0, border[1], 0, border[0]))
            out = out if bias is None else out + _channelwise(bias, 4)
        out = leaky(out, negative_slope)
    return out if input.ndim == 4 else out.reshape(out.shape[1:])


def _extra_for(
    op: str,
    target: tuple[int, int],
    extra: tuple[int, int],
    input: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    sides: Any,
    dilation: tuple[int, int],
) -> tuple[int, int]:
    """The output padding with which the result has the size `target`."""
    least = [
        (n - 1) * s + d * (k - 1) + 1 - before - after
        for n, s, d, k, (before, after) in zip(input.shape[2:], stride, dilation, weight.shape[2:], sides)
    ]
    needed = (target[0] - least[0], target[1] - least[1])
    if extra != (0, 0) or any(not 0 <= e < max(s, d) for e, s, d in zip(needed, stride, dilation)):
        most = tuple(n + max(s, d) - 1 for n, s, d in zip(least, stride, dilation))
        raise ValueError(
            f"{op}: argument 'output_size': expected between {tuple(least)} and {most}, without output_padding; "
            f"got {target} with output_padding {extra}"
        )
    return needed


def _check_filters(op: str, weight: Tensor, groups: int) -> None:
    check_integer(op, "groups", groups, 1)
    if check_tensor(op, "weight", weight).ndim != 4 or 0 in weight.shape:
        raise ValueError(f"{op}: argument 'weight': expected four sizes of at least 1, got shape {weight.shape}")
