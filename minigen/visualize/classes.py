"""The classes that a user asks a model for."""

from collections.abc import Sequence

from ..models import GenerativeModel

__all__ = ["class_numbers"]


def class_numbers(model: GenerativeModel, asked: Sequence[str | int], names: Sequence[str] = ()) -> list[int]:
    """The classes that a user asks a model for, by name or by number.

    Parameters
    ----------
    model : GenerativeModel
    asked : sequence of str or int
    names : sequence of str
        What the classes are called.

    Returns
    -------
    list of int

    Raises
    ------
    ValueError
        If the model knows no classes, or not these.

    Examples
    --------
    >>> from minigen.models import build
    >>> model = build("cgan", size=8, classes=3, width=4)
    >>> class_numbers(model, ["2", "cat"], names=["ant", "bee", "cat"])
    [2, 2]
    """
    if not model.classes:
        raise ValueError(f"{model.name}: this model knows no classes: leave --class out, or train a cgan or a cvae")
    named = {name: number for number, name in enumerate(names)}
    # Where a name is a number other than its index, such as the key 60 of class 0, a number is meant as a name.
    only_names = any(name.isdecimal() and int(name) != number for name, number in named.items())
    numbers = [named.get(str(one), int(one) if str(one).isdecimal() and not only_names else -1) for one in asked]
    for one, number in zip(asked, numbers):
        if number < 0 and only_names:
            raise ValueError(f"{model.name}: expected classes of {', '.join(names)}, got {one}")
        if not 0 <= number < model.classes:
            called = f" ({', '.join(names)})" if any(not name.isdecimal() for name in names) else ""
            raise ValueError(f"{model.name}: expected classes from 0 to {model.classes - 1}{called}, got {one}")
    return numbers
