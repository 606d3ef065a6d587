"""The mutants: gradients that are wrong on purpose, and how many of them the checks see.

A check that has never failed proves nothing.  Each mutant is a right gradient with one thing wrong: a sign, a missing
term, a window off by one, a stale array, a swapped axis, digits lost on the way, a factor of 1 + 1e-5, one element in
ten thousand.  ``minigen check --score`` runs them all, and the right gradients beside them.
"""

from .registry import MUTANTS, Mutant
from .score import Score, score

__all__ = ["MUTANTS", "Mutant", "Score", "score"]
