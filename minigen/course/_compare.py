"""What the checks of several lessons need: numbers to try an answer with, and hints at well-known wrong answers."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from . import TODO, Unanswered, Wrong, call

__all__ = ["call_or_hint", "match_causes", "match_letters", "random_array", "read_letters"]


def random_array(seed: int, *shape: int) -> np.ndarray:
    """Gaussian numbers, the same for the same seed."""
    return np.random.default_rng(seed).normal(size=shape)


def call_or_hint(
    answer: Callable[..., Any], *arguments: Any, hints: Mapping[type[Exception], str | Callable[[str], str]]
) -> Any:
    """`call`, and a hint if the answer raised one of these errors: a text, or a function of the error's message."""
    try:
        return call(answer, *arguments)
    except Wrong as fault:
        for kind, hint in hints.items():
            if isinstance(fault.__cause__, kind):
                text = hint if isinstance(hint, str) else hint(str(fault.__cause__))
                raise type(fault)(f"{fault}\n{text}") from fault.__cause__
        raise


def read_letters(answer: Any, known: Iterable[str]) -> set[str]:
    """The letters of an answer: a set, a list, or a string such as "ac" or "a, c"; "none" is none of them."""
    if isinstance(answer, str):
        answer = set() if answer.strip().lower() == "none" else set(answer.replace(",", " ").replace(" ", ""))
    if not isinstance(answer, set | list | tuple | frozenset):
        raise Wrong(f"Expected a set of letters, such as {{'a', 'f'}} or 'af', got {answer!r:.60}.")
    given = {str(letter).strip().lower() for letter in answer}
    if given == {"ellipsis"}:
        raise Unanswered(TODO)
    unknown = sorted(given - set(known))
    if unknown:
        raise Wrong(f"Expected letters from {min(known)} to {max(known)}, got {unknown[0]!r}.")
    return given


def match_letters(answer: Any, right: AbstractSet[str], reasons: Mapping[str, str]) -> None:
    """Judge a set of letters; `reasons` says of every letter why it belongs to the set, or why not."""
    given = read_letters(answer, reasons)
    if not given:
        raise Unanswered(TODO)
    off = sorted(given ^ right)
    if off:
        raise Wrong("\n".join(reasons[letter] for letter in off))


def match_causes(
    answer: Any, causes: Mapping[int, str], hints: Mapping[int, str], noun: str, numbers: str = ""
) -> None:
    """Judge a dictionary from the number of each log or picture (`noun`) to the letter of its cause."""
    first, last = min(causes.values()), max(causes.values())
    if not isinstance(answer, dict) or set(answer) != set(causes):
        numbers = numbers or ", ".join(map(str, causes))
        raise Wrong(f"Expected a dictionary with the numbers {numbers}, got {answer!r:.80}.")
    if any(cause is ... or cause is None for cause in answer.values()):
        raise Unanswered(f'Put a letter from "{first}" to "{last}" at each number, and run this cell again.')
    given = {number: str(cause).strip().lower().rstrip(".") for number, cause in answer.items()}
    unknown = [number for number, cause in given.items() if cause not in causes.values()]
    if unknown:
        where = f"{noun.capitalize()} {unknown[0]}"
        raise Wrong(f'{where}: expected a letter from "{first}" to "{last}", got {answer[unknown[0]]!r}.')
    off = [number for number, cause in causes.items() if given[number] != cause]
    if off:
        raise Wrong("\n".join(f"{noun} {number}, you say {given[number]}: {hints[number]}" for number in off))
