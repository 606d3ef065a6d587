"""What the checks of several lessons need: numbers to try an answer with, and hints at well-known wrong answers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import Wrong, call, close

__all__ = ["call_or_hint", "close_or_hint", "random_array"]


def random_array(seed: int, *shape: int) -> np.ndarray:
    """Gaussian numbers, the same for the same seed."""
    return np.random.default_rng(seed).normal(size=shape)


def close_or_hint(what: str, got: Any, expected: Any, mistakes: Sequence[tuple[Any, str]]) -> None:
    """`close`, and a hint if the answer is one of these well-known wrong ones."""
    try:
        close(what, got, expected)
    except Wrong as fault:
        for value, hint in mistakes:
            if np.shape(got) == np.shape(value) and np.allclose(got, value):
                raise Wrong(f"{fault}\n{hint}") from None
        raise


def call_or_hint(answer: Callable[..., Any], *arguments: Any, hints: dict[type[Exception], str]) -> Any:
    """`call`, and a hint if the answer raised one of these errors."""
    try:
        return call(answer, *arguments)
    except Wrong as fault:
        for kind, hint in hints.items():
            if isinstance(fault.__cause__, kind):
                raise Wrong(f"{fault}\n{hint}") from fault.__cause__
        raise
