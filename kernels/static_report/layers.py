"""The convolutions of DCGANs, at which the CUDA kernels are budgeted and timed."""

from ..shapes import Convolution

__all__ = ["LAYERS"]


def _layer(channels: int, outputs: int, size: int, kernel: int, stride: int, padding: int) -> Convolution:
    around = (padding, padding)
    return Convolution(128, channels, outputs, (size,) * 2, (kernel,) * 2, (stride,) * 2, (around, around))


LAYERS = (
    _layer(3, 64, 64, 4, 2, 1),
    _layer(64, 128, 32, 4, 2, 1),
    _layer(128, 256, 16, 4, 2, 1),
    _layer(1, 64, 28, 5, 2, 2),
    _layer(256, 128, 7, 5, 1, 2),
)
"""Layers for images of 64 pixels, then of 28, in batches of 128.  What a transposed layer does forwards is
`conv2d_input_grad`, and the other way round."""
