"""Checks of arguments."""

import numpy as np


def _positive(layer: str, **sizes: int) -> None:
    for name, n in sizes.items():
        if not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"{layer}: expected {name} to be an integer of at least 1, got {n!r}")
