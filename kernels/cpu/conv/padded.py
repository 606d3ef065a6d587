"""Geometry that the direct kernels share: images with their padding, and which taps meet which pixels."""

from functools import lru_cache

import numpy as np

__all__ = ["padded_image", "phase_taps"]


@lru_cache(maxsize=256)
def padded_image(size, pixels, taps, stride, padding, dilation):
    """Height and width of an image with its padding, as far as it is read, and the position of each pixel in it."""
    height, width = (
        max(n + before, (count - 1) * s + (k - 1) * d + 1)
        for n, count, k, s, (before, _), d in zip(size, pixels, taps, stride, padding, dilation, strict=True)
    )
    rows, columns = (np.arange(n) + before for n, (before, _) in zip(size, padding, strict=True))
    return height, width, np.add.outer(rows * width, columns).ravel()


def phase_taps(kernel, stride, padding, dilation):
    """For each phase the taps that it meets, as (tap, shift): pixel ``phase + stride * u`` meets ``g[u + shift]``."""
    phases = [[] for _ in range(stride)]
    for tap in range(kernel):
        phase = (tap * dilation - padding[0]) % stride
        phases[phase].append((tap, (phase + padding[0] - tap * dilation) // stride))
    return phases
