"""Families by name: those of the package, and those in a user's own file."""

import difflib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .base import Model

__all__ = ["build", "families", "family", "register"]

_FAMILIES: dict[str, type[Model]] = {}

USER_MODULE = "minigen_family_"
"""How the names of modules begin that are files of the user's."""

Family = TypeVar("Family", bound=type[Model])


def register(name: str) -> Callable[[Family], Family]:
    """Register a family under a name, as a class decorator.

    Parameters
    ----------
    name : str
        The name on the command line: ``minigen train NAME``.

    Raises
    ------
    ValueError
        If another class has this name.

    Examples
    --------
    >>> @register("nothing")
    ... class Nothing(Model):
    ...     '''A family without networks.'''
    >>> Nothing.name, "nothing" in families()
    ('nothing', True)
    >>> del _FAMILIES["nothing"]
    """

    def enter(cls: Family) -> Family:
        other = _FAMILIES.get(name)
        if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"register: the name {name!r} is taken by {other.__module__}.{other.__qualname__}")
        cls.name = name
        _FAMILIES[name] = cls
        return cls

    return enter


def families() -> dict[str, type[Model]]:
    """Return every registered family by its name, in alphabetical order.

    Examples
    --------
    >>> import minigen as mg
    >>> [name for name in mg.models.families() if name.endswith("vae")]
    ['cvae', 'vae']
    """
    return dict(sorted(_FAMILIES.items()))


def family(name: str) -> type[Model]:
    """Find a family: by its name, or in a Python file.

    Parameters
    ----------
    name : str
        A registered name such as ``"dcgan"``, or ``"FILE.py:CLASS"`` for a class in a file of your own.

    Returns
    -------
    type
        A subclass of `Model`.

    Raises
    ------
    ValueError
        If there is no such family, or the file has no such class.
    FileNotFoundError
        If there is no such file.
    ImportError
        If the file cannot be imported; the message names the file, the line and the reason.

    Examples
    --------
    >>> family("vae")
    <class 'minigen.models.vae.vae.VAE'>
    >>> family("veo")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: unknown model 'veo', did you mean vae? Known: ..., or FILE.py:CLASS for a class of your own
    """
    if name in _FAMILIES:
        return _FAMILIES[name]
    path, colon, cls = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _from_file(Path(path), cls)
    if name.endswith(".py"):
        raise ValueError(f"{name}: name the class too, as {name}:CLASS")
    near = difflib.get_close_matches(name, _FAMILIES, n=1)
    hint = f", did you mean {near[0]}?" if near else "."
    raise ValueError(
        f"unknown model {name!r}{hint} Known: {', '.join(families())}, or FILE.py:CLASS for a class of your own"
    )


def absolute_name(name: str) -> str:
    """Return the name by which a family is found from any folder.

    Examples
    --------
    >>> absolute_name("vae")
    'vae'
    """
    path, colon, cls = name.rpartition(":")
    return f"{Path(path).expanduser().resolve()}:{cls}" if colon and path.endswith(".py") else name


def build(name: str, **options: Any) -> Any:
    """Make a fresh model of a family.

    Parameters
    ----------
    name : str
        See `family`.
    **options
        The options of the family; those not given have their defaults.

    Returns
    -------
    Model

    Raises
    ------
    ValueError, FileNotFoundError, ImportError
        As `family`; also if an option is unknown or out of range.

    Examples
    --------
    >>> build("dcgan", size=28, channels=1, width=8).sample(4).shape
    (4, 1, 28, 28)
    """
    return family(name)(**options)


def _from_file(path: Path, cls: str) -> type[Model]:
    path = path.expanduser().resolve()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file (wanted: the model {cls})")
    # One module for each file, however often it is asked for; dataclasses look their module up in sys.modules.
    name = f"{USER_MODULE}{path.stem}_{abs(hash(str(path))):x}"
    module = sys.modules.get(name)
    if module is None:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise ImportError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from error
    found = getattr(module, cls, None)
    if not (isinstance(found, type) and issubclass(found, Model)):
        models = [
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, Model) and value.__module__ == name
        ]
        known = f"its models: {', '.join(models)}" if models else "it defines no subclass of minigen.models.Model"
        raise ValueError(f"{path}: there is no model {cls!r} in this file; {known}")
    return found


def _line(error: BaseException, path: Path) -> str:
    """The line of the file that the error comes from, as ``", line 3"``."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}"
    trace, line = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}" if line else ""
