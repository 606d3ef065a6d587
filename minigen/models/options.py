"""Options of a model, declared once: command line, signature, docstring and checks follow from the declaration.

>>> @dataclass(frozen=True)
... class MyOptions(Options):
...     width: int = option(8, "channels of the first layer", minimum=1)
...     noisy: bool = option(False, "add noise to the images")
>>> MyOptions(width=16)
MyOptions(width=16, noisy=False)
>>> MyOptions(width=0)
Traceback (most recent call last):
    ...
ValueError: width must be at least 1, got 0
"""

import difflib
import inspect
import math
import numbers
import types
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Literal, Self, Union, get_args, get_origin, get_type_hints

__all__ = ["Options", "Specification", "option"]

_KINDS: tuple[type, ...] = (bool, int, float, str)
_EXPECTED = {bool: "True or False", int: "a whole number", float: "a number", str: "a string"}


def option(
    default: Any,
    help: str = "",
    *,
    choices: Sequence[Any] | None = None,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    from_data: bool = False,
) -> Any:
    """Declare one option: a field of an `Options` dataclass.

    Parameters
    ----------
    default : bool, int, float, str or None
    help : str
        One line for ``--help`` and for the docstring.
    choices : sequence, optional
        The only values allowed.
    minimum, above, maximum, below : float, optional
        Limits of a number: at least, more than, at most, less than.
    from_data : bool
        Whether the data set decides the value, such as the number of classes: the command line has no flag for it.

    Returns
    -------
    dataclasses.Field
        Typed as ``Any``, so that type checkers accept it as the default of a field of any type.
    """
    limits = {"choices": choices, "minimum": minimum, "above": above, "maximum": maximum, "below": below}
    return field(default=default, metadata={"help": help, "from_data": from_data, **limits})


@dataclass(frozen=True)
class Specification:
    """All that is known of one option.

    Parameters
    ----------
    name : str
    kind : type or None
        bool, int, float or str; None if neither the annotation nor the default says which, or the annotation allows
        several: then the model checks the value.
    nullable : bool
        Whether None is allowed.
    default : object
    metadata : mapping
        What `option` was given.
    """

    name: str
    kind: type | None
    nullable: bool
    default: Any
    metadata: Mapping[str, Any]

    @property
    def help(self) -> str:
        """One line of help; empty if none was given."""
        return str(self.metadata.get("help") or "")

    @property
    def from_data(self) -> bool:
        """Whether the data set decides the value."""
        return bool(self.metadata.get("from_data"))

    def parse(self, text: str) -> Any:
        """Make the option's value from the text of a command line; the limits are checked by `Options`.

        Raises
        ------
        ValueError
            If the text is of another kind.
        """
        if self.kind is bool:
            if text.lower() not in ("true", "false"):
                raise ValueError(f"{self.name} must be true or false, got {text!r}")
            return text.lower() == "true"
        kinds = [self.kind] if self.kind is not None else [int, float, str]
        for kind in kinds:
            try:
                return kind(text)
            except ValueError:
                continue
        raise ValueError(f"{self.name} must be {_EXPECTED[kinds[0]]}, got {text!r}")

    def check(self, value: Any) -> None:
        """Raise a ValueError if `value` is not allowed."""
        if value is None and self.nullable:
            return
        if self.kind is not None and not _is_a(value, self.kind):
            raise ValueError(f"{self.name} must be {_EXPECTED[self.kind]}, got {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{self.name} must be a finite number, got {value}")
        get = self.metadata.get
        choices = get("choices")
        if choices is not None and value not in choices:
            raise ValueError(f"{self.name} must be one of {', '.join(map(str, choices))}, got {value!r}")
        lower = get("minimum") if get("minimum") is not None else get("above")
        upper = get("maximum") if get("maximum") is not None else get("below")
        low_fits = lower is None or (value >= lower if get("minimum") is not None else value > lower)
        high_fits = upper is None or (value <= upper if get("maximum") is not None else value < upper)
        if not (low_fits and high_fits):
            limits = []
            if lower is not None:
                limits.append(f"at least {lower:g}" if get("minimum") is not None else f"above {lower:g}")
            if upper is not None:
                limits.append(f"at most {upper:g}" if get("maximum") is not None else f"below {upper:g}")
            raise ValueError(f"{self.name} must be {' and '.join(limits)}, got {value}")


@dataclass(frozen=True)
class Options:
    """Base of the options of a model: a frozen dataclass whose fields are declared by `option`.

    A subclass is decorated with ``@dataclass(frozen=True)``.  It may change the default of an inherited option by a
    plain assignment, ``lr = 1e-3``; help and limits stay.  An option without an annotation gets the type of its
    default.

    Raises
    ------
    ValueError
        If a value is of the wrong type or out of range.
    """

    WITHOUT: ClassVar[tuple[str, ...]] = ()
    """Inherited options that the family does not have, such as the size of images for one that makes points."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give every option an annotation, and a changed default its inherited help."""
        super().__init_subclass__(**kwargs)
        annotations = dict(inspect.get_annotations(cls))
        inherited = {each.name: each for each in fields(cls.__mro__[1])} if is_dataclass(cls.__mro__[1]) else {}
        for name, value in list(vars(cls).items()):
            if name.startswith("_") or not (isinstance(value, Field | bool | int | float | str) or value is None):
                continue
            if name in inherited and not isinstance(value, Field):
                setattr(cls, name, field(default=value, metadata=inherited[name].metadata))
            if name not in annotations:
                default = value.default if isinstance(value, Field) else value
                annotations[name] = inherited[name].type if name in inherited else _annotation(default)
        in_order = [name for name in vars(cls) if name in annotations]
        ordered = {name: annotations[name] for name in [*in_order, *annotations]}
        # An assignment would be a second declaration to type checkers
        type.__setattr__(cls, "__annotations__", ordered)

    def __post_init__(self) -> None:
        """Check every value; a subclass adds checks that compare options."""
        for each in self.specifications():
            each.check(getattr(self, each.name))

    @classmethod
    def specifications(cls) -> list[Specification]:
        """Describe the options, in the order of their declaration.

        Raises
        ------
        TypeError
            If an option of the class is no field, because ``@dataclass(frozen=True)`` is missing.
        """
        found = fields(cls)
        missing = set(inspect.get_annotations(cls)) - {each.name for each in found}
        if missing:
            raise TypeError(
                f"{cls.__qualname__}: {min(missing)} is no option: decorate it with @dataclass(frozen=True)"
            )
        try:
            hints = get_type_hints(cls)
        except NameError:  # an annotation as a string that names something local
            hints = {}
        return [
            Specification(each.name, *_kind(hints.get(each.name), each.default), each.default, each.metadata)
            for each in found
            if each.name not in cls.WITHOUT
        ]

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make options from `values`, with one line for a name that does not exist.

        Raises
        ------
        ValueError
            If a name is unknown, or a value is not allowed.
        """
        known = [each.name for each in cls.specifications()]
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f", did you mean {near[0]}?" if near else ";"
                raise ValueError(f"unknown option {name!r}{hint} known: {', '.join(known)}")
        return cls(**values)

    @classmethod
    def signature(cls) -> inspect.Signature:
        """Build the signature of a constructor; leading options of the data are positional."""
        parameters = []
        positional, keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        leading = True
        annotations = {each.name: each.type for each in fields(cls)}
        for each in cls.specifications():
            leading = leading and each.from_data
            kind, annotation = positional if leading else keyword, annotations[each.name]
            parameters.append(inspect.Parameter(each.name, kind, default=each.default, annotation=annotation))
        return inspect.Signature(parameters)

    @classmethod
    def documentation(cls) -> str:
        """Write the section "Parameters" of a docstring."""
        lines = ["Parameters", "----------"]
        for each in cls.specifications():
            kind = "object" if each.kind is None else each.kind.__name__
            choices = each.metadata.get("choices")
            if choices is not None:
                kind = "{" + ", ".join(repr(choice) for choice in choices) + "}"
            shown = ", optional" if each.default is None else f", default {each.default!r}"
            lines += [f"{each.name} : {kind}{shown}"] + (
                [f"    {each.help[0].upper()}{each.help[1:]}."] if each.help else []
            )
        return "\n".join(lines)


def _annotation(default: Any) -> Any:
    return type(default) if isinstance(default, _KINDS) else Any


def _kind(hint: Any, default: Any) -> tuple[type | None, bool]:
    """The kind of an annotation (int of ``int | None``), and whether None is allowed."""
    candidates = list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]
    if get_origin(hint) is Literal:
        candidates = [type(choice) for choice in get_args(hint)]
    nullable = default is None or type(None) in candidates
    kinds = [candidate for candidate in candidates if candidate in _KINDS]
    if not kinds and isinstance(default, _KINDS):
        kinds = [type(default)]
    return (kinds[0] if len(kinds) == 1 else None), nullable


def _is_a(value: Any, kind: type) -> bool:
    if kind is bool or kind is str:
        return isinstance(value, kind)
    if isinstance(value, bool):
        return False
    return isinstance(value, numbers.Integral if kind is int else numbers.Real)
