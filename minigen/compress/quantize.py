r"""Quantize: store weights as whole numbers from -127 to 127.

**The rule.**  For each output channel $c$ of a layer one scale, $s_c = \max_k |w_{ck}| / 127$, and

$$q_{ck} = \mathrm{round}(w_{ck} / s_c), \qquad \hat w_{ck} = s_c\, q_{ck}$$

rounded half to even.  Zero stays exactly zero (*symmetric* quantization), and -128 is not used.  If all weights of a
channel are 0, $s_c = 1$.

**The error.**  Rounding changes $w/s$ by at most 1/2.  The product $s_c q_{ck}$ is rounded to float32, by a relative
$u = 2^{-24}$, and $|q| \le 127$.  The scale is rounded too, which changes nothing, because $q$ is computed with the
rounded one; only at the end of the range $127 s_c$ may be smaller than the largest weight by $127 s_c u$.  Together

$$|\hat w_{ck} - w_{ck}| \le s_c \big( \tfrac12 + 127 u \big)$$

and, since the errors of a sum add up at most, the output of a linear layer changes by at most
$s_c (\tfrac12 + 127 u) \sum_k |x_k|$.  (Where $s_c$ is a subnormal number, its relative error is larger; it is then
rounded up.)

**Why a scale for each output channel.**  In $y_c = \sum_k \hat w_{ck} x_k = s_c \sum_k q_{ck} x_k$ the scale leaves the
sum, and the sum could be computed with integers.  That works for any scale that does not depend on $k$, so the channels
must be those of the *output*.  A transposed convolution has them in the second dimension of its weight.  With the wrong
axis the images look as good; only the integer sum is lost.

**Bytes, not time.**  We expand the weights to float32 when they are read.  NumPy multiplies matrices of integers
without BLAS, many times slower.  (Nothing is lost: products of two such numbers are at most $127^2$, so float32 adds up
to $\lfloor 2^{24} / 127^2 \rfloor = 1{,}040$ of them exactly.)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import nn
from ..arguments import check_number
from ..engine import no_grad
from ..nn.module import Module
from ..tensor import Tensor, tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Quantized", "integer_activations", "output_axes", "quantize", "quantize_array"]

LEVELS = 127
_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class Quantized:
    """A weight as whole numbers and scales.

    Parameters
    ----------
    codes : ndarray of int8
        Of the weight's shape, from -127 to 127.
    scales : ndarray of float32 (channels,)
        Above 0.
    axis : int
        The dimension of the channels.
    """

    codes: "NDArray[np.int8]"
    scales: "NDArray[np.float32]"
    axis: int

    def expand(self) -> "NDArray[np.float32]":
        """Compute the weights, float32."""
        shape = [1] * self.codes.ndim
        shape[self.axis] = -1
        return self.codes.astype(np.float32) * self.scales.reshape(shape)


def quantize_array(weight: Any, axis: int = 0) -> Quantized:
    """Round an array to 255 levels for each channel.

    Parameters
    ----------
    weight : ndarray
        With at least one dimension; taken as float32.
    axis : int
        The dimension of the channels.

    Returns
    -------
    Quantized

    Raises
    ------
    ValueError
        If a value is NaN or infinite, in float32, or there is no such dimension.

    Examples
    --------
    >>> quantized = quantize_array(np.array([[1.0, -0.5], [0.0, 0.0]]))
    >>> quantized.codes, quantized.scales.round(4), quantized.expand().round(4)
    (array([[127, -64],
           [  0,   0]], dtype=int8), array([0.0079, 1.    ], dtype=float32), array([[ 1.    , -0.5039],
           [ 0.    ,  0.    ]], dtype=float32))
    """
    with np.errstate(over="ignore"):
        weight = np.asarray(weight, np.float32)
    if not weight.ndim:
        raise ValueError(f"quantize: argument 'weight': expected at least one dimension, got the number {weight}")
    if not -weight.ndim <= axis < weight.ndim:
        raise ValueError(f"quantize: argument 'axis': got {axis}, expected one of the {weight.ndim} dimensions")
    if not np.isfinite(weight).all():
        raise ValueError("quantize: expected finite weights, got NaN or infinite values")
    others = tuple(i for i in range(weight.ndim) if i != axis % weight.ndim)
    largest = np.abs(weight).max(others, initial=0).astype(np.float64)
    scales = (largest / LEVELS).astype(np.float32)
    # A subnormal scale has few digits: if it was rounded down too far, take the next larger one.
    small = scales * np.float64(LEVELS + 0.5) < largest
    scales[small] = np.nextafter(scales[small], np.float32(np.inf))
    # Near the largest float32 a scale that was rounded up would make 127 * scale infinite.
    with np.errstate(over="ignore"):
        large = ~np.isfinite(scales * np.float32(LEVELS))
    scales[large] = np.nextafter(scales[large], np.float32(0))
    scales[largest == 0] = 1
    shape = [1] * weight.ndim
    shape[axis] = -1
    codes = np.rint(weight / scales.astype(np.float64).reshape(shape))
    return Quantized(codes.clip(-LEVELS, LEVELS).astype(np.int8), scales, axis % weight.ndim)


def output_axes(module: Module) -> dict[str, int]:
    """Find the weights to quantize, those with at least two dimensions, and the dimension of their output channels.

    Parameters
    ----------
    module : Module

    Returns
    -------
    dict from name to int

    Examples
    --------
    >>> output_axes(nn.Sequential(nn.Linear(2, 3), nn.ConvTranspose2d(3, 4, 2)))
    {'0.weight': 0, '1.weight': 1}
    """
    found = {}
    for path, each in module.named_modules():
        transposed = isinstance(each, nn.ConvTranspose1d | nn.ConvTranspose2d)
        for name, parameter in each.named_parameters(recurse=False):
            if parameter.ndim > 1:
                found[f"{path}.{name}" if path else name] = int(transposed and name == "weight")
    return found


def quantize(module: Module) -> dict[str, Quantized]:
    """Round all weights with at least two dimensions to what int8 can hold, in place.

    Parameters
    ----------
    module : Module
        Biases, batch norm and running statistics stay as they are.

    Returns
    -------
    dict from name to Quantized
        What a file needs to hold.

    Raises
    ------
    ValueError
        If a weight is NaN or infinite.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.Linear(2, 1)
    >>> layer.weight.data = np.array([[1.27, 0.004]], np.float32)
    >>> quantize(layer)["weight"].codes, layer.weight
    (array([[127,   0]], dtype=int8), tensor([[1.27, 0.  ]], requires_grad=True))
    """
    axes = output_axes(module)
    parameters = {name: parameter for name, parameter in module.named_parameters() if name in axes}
    found = {}
    for name, parameter in parameters.items():
        try:
            found[name] = quantize_array(parameter.numpy(), axes[name])
        except ValueError:
            raise ValueError(f"quantize: the weight {name!r} contains NaN or infinite values") from None
    for name, parameter in parameters.items():
        parameter.data = tensor(found[name].expand(), dtype=parameter.dtype, device=parameter.device)
    return found


@contextmanager
def integer_activations(module: Module, inputs: Tensor, quantile: float = 1.0, bits: int = 8) -> Iterator[list[float]]:
    """Inside the block, round what enters each linear layer and convolution to whole numbers times a scale.

    It shows what a processor with integer arithmetic would compute; on ours it makes nothing faster.  There is one
    scale for each layer, found before the block from the activations that `inputs` cause.

    Parameters
    ----------
    module : Module
        In evaluation mode.
    inputs : Tensor
        Such as 100 training images.
    quantile : float
        The scale is this quantile of the absolute values divided by the largest code; larger values are cut off.  1 for
        the largest value.  With few bits 0.999 is better: one outlier then does not make all other values coarse.
    bits : int
        From 2 to 8; 8 bits have codes from -127 to 127.

    Yields
    ------
    list of float
        The scales, in the order of the layers.

    Raises
    ------
    ValueError
        If the Module is in training mode, a number is out of range, or an activation is NaN or infinite.

    Examples
    --------
    >>> import minigen as mg
    >>> layer = mg.nn.Linear(1, 1, bias=False).eval()
    >>> layer.weight.data = np.ones((1, 1), np.float32)
    >>> with integer_activations(layer, mg.tensor([[127.0]])):
    ...     layer(mg.tensor([[2.4]])).item()
    2.0
    """
    op = "integer_activations"
    if module.training:
        raise ValueError(f"{op}: expected a Module in evaluation mode; call eval() first")
    check_number(op, "quantile", quantile, most=1)
    if bits not in range(2, 9):
        raise ValueError(f"{op}: argument 'bits': expected a whole number from 2 to 8, got {bits}")
    most = 2 ** (bits - 1) - 1
    layers = [each for each in module.modules() if isinstance(each, _LAYERS)]
    seen: dict[Module, float] = {}

    def measure(layer: Module, args: tuple[Any, ...]) -> None:
        values = np.abs(args[0].numpy())
        if not np.isfinite(values).all():
            raise ValueError(f"{op}: argument 'inputs': NaN or infinite values enter a {type(layer).__name__}")
        top = float(values.max(initial=0) if quantile == 1 else np.quantile(values, quantile))
        seen[layer] = max(seen.get(layer, 0.0), top)

    def rounded(layer: Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        scale = seen.get(layer, 0.0) / most
        if not scale:
            return args
        codes = np.rint(args[0].numpy() / scale).clip(-most, most)
        return (tensor(codes * scale, dtype=args[0].dtype), *args[1:])

    handles = [layer.register_forward_pre_hook(measure) for layer in layers]
    try:
        with no_grad():
            module(inputs)
    finally:
        for handle in handles:
            handle.remove()
    handles = [layer.register_forward_pre_hook(rounded) for layer in layers]
    try:
        yield [seen.get(layer, 0.0) / most for layer in layers]
    finally:
        for handle in handles:
            handle.remove()
