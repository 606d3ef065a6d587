r"""Sums of products named by letters: $C_{ik} = \sum_j A_{ij} B_{jk}$ is ``einsum("ij,jk->ik", A, B)``.

The operands are combined two at a time, each pair by one matrix product.  So an einsum is a composition of `permute`,
`reshape`, `sum` and `matmul`, and its gradients need no rule here.
"""

import math
from collections.abc import Iterable
from typing import Any

from ..tensor import Tensor
from . import linalg, reduce, shape

__all__ = ["einsum"]


def einsum(equation: str, *operands: Any) -> Tensor:
    """Sum products of the operands' elements over the letters that the result does not have.

    Parameters
    ----------
    equation : str
        The letters of each operand's dimensions and of the result's: ``"bij,bjk->bik"``.  Without ``->`` the result
        has the letters that occur once, in alphabetical order.  ``...`` stands for the other, leading dimensions,
        which broadcast.  A letter that occurs twice in one operand takes its diagonal.
    *operands : Tensor

    Raises
    ------
    ValueError
        If the equation does not fit the operands.

    Examples
    --------
    >>> import minigen as mg
    >>> a = mg.arange(6.0).reshape(2, 3)
    >>> mg.einsum("ij->j", a)
    tensor([3., 5., 7.])
    >>> mg.equal(mg.einsum("ij,kj->ik", a, a), a @ a.T)
    True
    """
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    inputs, result = _parse(equation, operands)
    sizes = _sizes(equation, inputs, operands)
    terms = [_diagonal(letters, x) for letters, x in zip(inputs, operands)]
    letters, out = terms[0]
    for i, (other_letters, other) in enumerate(terms[1:], 2):
        needed = set(result).union(*(more for more, _ in terms[i:]))
        letters, out = _product(letters, out, other_letters, other, needed, sizes)
    letters, out = _sum_out(letters, out, set(result))
    out = _arrange(letters, out, result)
    return out if out is not operands[0] else out.clone()


def _parse(equation: str, operands: tuple[Any, ...]) -> tuple[list[str], str]:
    """Return the letters of each operand and of the result; ``...`` becomes upper-case Greek letters."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(operands):
        raise ValueError(f"einsum: {equation!r} names {len(inputs)} operands, got {len(operands)}")
    others = 0
    for i, (letters, x) in enumerate(zip(inputs, operands)):
        if not isinstance(x, Tensor):
            raise TypeError(f"einsum: operand {i}: expected a Tensor, got {type(x).__name__}")
        named = letters.replace("...", "", 1)
        if (named and not (named.isascii() and named.isalpha())) or not 0 <= x.ndim - len(named) <= (
            x.ndim if "..." in letters else 0
        ):
            raise ValueError(f"einsum: {letters!r} in {equation!r} does not fit operand {i} of shape {x.shape}")
        others = max(others, x.ndim - len(named))
    rest = [chr(ord("Α") + k) for k in range(others)]
    inputs = [
        letters.replace("...", "".join(rest[others - (x.ndim - len(letters.replace("...", ""))) :]))
        for letters, x in zip(inputs, operands)
    ]
    if arrow:
        result = right.replace("...", "".join(rest))
    else:
        joined = "".join(inputs)
        once = sorted(c for c in set(joined) if joined.count(c) == 1 and c.isascii())
        result = "".join([*rest, *once])
    if len(set(result)) < len(result) or not set(result) <= set("".join(inputs)):
        raise ValueError(f"einsum: the result {right!r} of {equation!r} has a letter twice, or one that no operand has")
    return inputs, result


def _sizes(equation: str, inputs: list[str], operands: tuple[Any, ...]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for i, (letters, x) in enumerate(zip(inputs, operands)):
        for letter, n in zip(letters, x.shape):
            known = sizes.get(letter, 1)
            if n != known and 1 not in (n, known):
                raise ValueError(f"einsum: {letter!r} in {equation!r} is {known} and, in operand {i}, {n}")
            sizes[letter] = n if known == 1 else known
    return sizes


def _diagonal(letters: str, x: Tensor) -> tuple[str, Tensor]:
    """Reduce a letter that occurs twice to one dimension, the diagonal of the two."""
    for letter in set(letters):
        while letters.count(letter) > 1:
            a = letters.index(letter)
            b = letters.index(letter, a + 1)
            order = [d for d in range(x.ndim) if d not in (a, b)]
            if x.shape[a] != x.shape[b]:
                raise ValueError(f"einsum: {letter!r} is both {x.shape[a]} and {x.shape[b]} in one operand")
            places = list(range(x.shape[a]))
            x = shape.permute(x, *order, a, b)[(..., places, places)]
            letters = "".join(letters[d] for d in order) + letter
    return letters, x


def _sum_out(letters: str, x: Tensor, needed: Iterable[str]) -> tuple[str, Tensor]:
    """Sum over the letters that nothing else has."""
    gone = tuple(d for d, letter in enumerate(letters) if letter not in needed)
    return "".join(letter for letter in letters if letter in needed), reduce.sum(x, gone) if gone else x


def _arrange(letters: str, x: Tensor, order: str) -> Tensor:
    """Bring the dimensions into the order of `order`."""
    return x if letters == order else shape.permute(x, *(letters.index(letter) for letter in order))


def _product(
    a_letters: str, a: Tensor, b_letters: str, b: Tensor, needed: set[str], sizes: dict[str, int]
) -> tuple[str, Tensor]:
    """Multiply two operands, and sum over the letters that only they have."""
    a_letters, a = _sum_out(a_letters, a, needed | set(b_letters))
    b_letters, b = _sum_out(b_letters, b, needed | set(a_letters))
    both = [letter for letter in a_letters if letter in b_letters]
    batch = "".join(letter for letter in both if letter in needed)
    inner = "".join(letter for letter in both if letter not in needed)
    rows = "".join(letter for letter in a_letters if letter not in both)
    columns = "".join(letter for letter in b_letters if letter not in both)

    def matrices(letters: str, x: Tensor, first: str, last: str) -> Tensor:
        order = batch + first + last
        x = shape.expand(_arrange(letters, x, order), *(sizes[letter] for letter in order))
        return x.reshape(*(math.prod(sizes[letter] for letter in group) for group in (batch, first, last)))

    out = linalg.matmul(matrices(a_letters, a, rows, inner), matrices(b_letters, b, inner, columns))
    letters = batch + rows + columns
    return letters, out.reshape(*(sizes[letter] for letter in letters))
