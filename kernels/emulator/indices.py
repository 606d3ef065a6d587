"""Which index of which axis a pointer was computed from, read back from the IR.

Numba turns ``x[i, j]`` into one number, the place in memory.  So an access cannot tell ``x[0, 4]`` of a 4 x 4 array
from ``x[1, 0]``, but the instructions before it can.  For each signed index ``i`` of an axis of length ``n`` Numba has

    %a = icmp slt i64 %i, 0
    %b = add i64 %i, %n
    %c = select i1 %a, i64 %b, i64 %i

multiplies that by the axis's step, and adds the products up.
"""

import re
from dataclasses import dataclass

__all__ = ["Index", "Trail"]

NAME = r'%"?[\w.$]+"?'
_ARRAY = r"\{ptr, ptr, i64, i64, ptr, \[(\d+) x i64\], \[\d+ x i64\]\}"


@dataclass(frozen=True)
class Index:
    """One index of an access.

    Attributes
    ----------
    axis, axes : int
        Which one, and of how many.
    value : str
        The operand, as it was before a negative one wrapped around.
    size : str
        The axis's length; for an unsigned index, which Numba does not compare with it, "".
    array : tuple of str
        Type and address of the array's structure, from which the length can be read.
    """

    axis: int
    axes: int
    value: str
    size: str
    array: tuple[str, str]


class Trail:
    """The definitions of a function's values, as far as they are known."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[str, str]] = {}

    def note(self, line: str) -> str:
        """Remember what this line defines, if anything; the name."""
        found = re.match(rf"\s*({NAME}) = (\w+) (.*?) *$", line)
        if found is None:
            return ""
        self._of[found[1]] = (found[2], found[3])
        return found[1]

    def indices(self, pointer: str) -> list[Index]:
        """The indices behind `pointer`, from the first axis on; none if it is no element or row of an array."""
        how, rest = self._of.get(pointer, ("", ""))
        if how == "getelementptr":
            found = re.match(rf"(?:inbounds )?.*?, ptr ({NAME}), i64 ({NAME})$", rest)
            terms = self._terms(found[2]) if found else []
            factors = [self._factors(term) for term in terms[1:]] if terms[:1] == ["0"] else []
            operands = [pair[0] for pair in factors]
        else:  # with strides: the address as a number
            found = re.match(rf"i64 ({NAME}) to ptr", rest) if how == "inttoptr" else None
            how, rest = self._of.get(found[1], ("", "")) if found else ("", "")
            found = re.match(rf"i64 ({NAME}), ({NAME})$", rest) if how == "add" else None
            if found is None:
                return []
            operands = [self._factors(term)[1] for term in self._terms(found[2])]
            how, rest = self._of.get(found[1], ("", ""))
            found = re.match(rf"ptr ({NAME}) to i64", rest) if how == "ptrtoint" else None
        array = self._array(found[1]) if found else None
        if array is None or len(operands) > int(array[2]) or not all(operands):
            return []
        return [
            Index(axis, int(array[2]), *self._unwrapped(operand), array[:2]) for axis, operand in enumerate(operands)
        ]

    def _array(self, data: str) -> tuple[str, str, str] | None:
        """(type, address, number of axes) of the structure from which the array's first address was loaded."""
        how, rest = self._of.get(data, ("", ""))
        found = re.match(rf"ptr, ptr ({NAME})$", rest) if how == "load" else None
        how, rest = self._of.get(found[1], ("", "")) if found else ("", "")
        found = re.match(rf"inbounds ({_ARRAY}), ptr ({NAME}), i32 0, i32 4$", rest)
        return (found[1], found[3], found[2]) if found else None

    def _terms(self, value: str) -> list[str]:
        how, rest = self._of.get(value, ("", ""))
        found = re.match(r"i64 ([^,]+), ([^,]+)$", rest) if how == "add" else None
        return [*self._terms(found[1]), found[2]] if found else [value]

    def _factors(self, value: str) -> tuple[str, str]:
        how, rest = self._of.get(value, ("", ""))
        found = re.match(r"i64 ([^,]+), ([^,]+)$", rest) if how == "mul" else None
        return (found[1], found[2]) if found else ("", "")

    def _unwrapped(self, value: str) -> tuple[str, str]:
        """(index, length of its axis) before wrapping around; a value that does not wrap has no length."""
        how, rest = self._of.get(value, ("", ""))
        found = re.match(rf"i1 ({NAME}), i64 ({NAME}), i64 ([^,]+)$", rest.strip()) if how == "select" else None
        if found is None:
            return value, ""
        below, index = self._of.get(found[1], ("", "")), found[3]
        wrapped = self._of.get(found[2], ("", ""))
        if below != ("icmp", f"slt i64 {index}, 0") or wrapped[0] != "add":
            return value, ""
        parts = wrapped[1].removeprefix("i64 ").split(", ")
        if len(parts) != 2 or index not in parts:
            return value, ""
        parts.remove(index)
        return index, parts[0]
