"""The config of a run that the command line made: its fields, and what each may hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import RunError

__all__ = ["SCHEMA", "Field", "check_config"]


@dataclass(frozen=True)
class Field:
    """One field of a config.

    Parameters
    ----------
    expected : str
        What it holds, in words.
    accepts : callable
        Whether a value is one of these.
    required : bool
    """

    expected: str
    accepts: Callable[[Any], bool]
    required: bool = True


def _at_least(least: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value < 2**63


def _or_none(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or accepts(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value


def _is_options(value: Any) -> bool:
    return isinstance(value, dict) and all(
        option is None or isinstance(option, bool | int | float | str) for option in value.values()
    )


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_compressed(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and all(isinstance(value.get(name), str) for name in ("from", "what"))
        and type(value.get("step")) is int
    )


SCHEMA: dict[str, Field] = {
    "model": Field("the name of a model", _is_text),
    "data": Field("the name of a data set", _is_text),
    "size": Field("a whole number of at least 1, or null", _or_none(_at_least(1))),
    "images": Field("a whole number of at least 1, or null", _or_none(_at_least(1)), required=False),
    "validation": Field(
        "a number between 0 and 1, or null",
        _or_none(lambda value: isinstance(value, float) and 0 < value < 1),
        required=False,
    ),
    "patience": Field("a whole number of at least 1, or null", _or_none(_at_least(1)), required=False),
    "epochs": Field("a whole number of at least 1, or null", _or_none(_at_least(1))),
    "steps": Field("a whole number of at least 1, or null", _or_none(_at_least(1)), required=False),
    "batch_size": Field("a whole number of at least 2", _at_least(2)),
    "seed": Field("a whole number of at least 0", _at_least(0)),
    "device": Field("cpu or cuda", lambda value: value in ("cpu", "cuda")),
    "options": Field("an object from option to number, text, true, false or null", _is_options),
    "shards": Field("a whole number of at least 1", _at_least(1), required=False),
    "measure": Field("true or false", lambda value: isinstance(value, bool), required=False),
    "class_names": Field("a list of texts", _is_names, required=False),
    "compressed": Field("an object with the texts from and what and the number step", _is_compressed, required=False),
}
"""Every field by name; further fields are allowed and left alone."""


def check_config(config: Mapping[str, Any], path: Path) -> None:
    """Check every field of a config.

    Parameters
    ----------
    config : mapping
    path : Path
        Its file, for messages.

    Raises
    ------
    RunError
        If a field is missing or holds something else; the message is one line that names file and field.

    Examples
    --------
    >>> check_config({"model": "gan"}, Path("config.json"))
    Traceback (most recent call last):
        ...
    minigen.train.errors.RunError: config.json: the field 'data' is missing; expected the name of a data set
    """
    for name, field in SCHEMA.items():
        if name not in config:
            if field.required:
                raise RunError(f"{path}: the field {name!r} is missing; expected {field.expected}")
        elif not field.accepts(config[name]):
            raise RunError(f"{path}: the field {name!r} holds {_shown(config[name])}; expected {field.expected}")
    if config["epochs"] is None and config.get("steps") is None:
        raise RunError(f"{path}: the fields 'epochs' and 'steps' are both null; expected a number in one of them")


def _shown(value: Any) -> str:
    """`value` in at most 60 characters of one line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
