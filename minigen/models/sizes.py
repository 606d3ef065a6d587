"""Sizes of images and of the parts that they are worked on in."""

from collections.abc import Iterator

__all__ = ["CHUNK", "downsampled_sizes", "parts"]

CHUNK = 100
"""Images that a model computes together, whatever number is asked for: this bounds the memory."""


def downsampled_sizes(size: int, least: int) -> Iterator[int]:
    """Yield sizes from `size` down, halved while they stay whole and at least `least`.

    >>> list(downsampled_sizes(28, 4)), list(downsampled_sizes(64, 8))
    ([28, 14, 7], [64, 32, 16, 8])
    """
    yield size
    while size % 2 == 0 and size // 2 >= least:
        size //= 2
        yield size


def parts(n: int, most: int = CHUNK) -> list[slice]:
    """Return slices of at most `most` that cover range(n).

    >>> parts(5, 2)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    return [slice(start, min(start + most, n)) for start in range(0, n, most)]
