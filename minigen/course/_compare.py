"""What the checks of several lessons need: numbers to try an answer with, and hints at well-known wrong answers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import Wrong, call

__all__ = ["call_or_hint", "random_array"]


def random_array(seed: int, *shape: int) -> np.ndarray:
    """Gaussian numbers, the same for the same seed."""
    return np.random.default_rng(seed).normal(size=shape)


def call_or_hint(answer: Callable[..., Any], *arguments: Any, hints: dict[type[Exception], str]) -> Any:
    """`call`, and a hint if the answer raised one of these errors."""
    try:
        return call(answer, *arguments)
    except Wrong as fault:
        for kind, hint in hints.items():
            if isinstance(fault.__cause__, kind):
                raise Wrong(f"{fault}\n{hint}") from fault.__cause__
        raise
