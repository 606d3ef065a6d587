"""A trained model, as its run left it: from the config and a checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import backend, data, models
from ..data import Dataset
from ..models import GenerativeModel
from .errors import RunError
from .loop import restore
from .run import Run, find_run

__all__ = ["Trained", "build_model", "load_split", "load_trained", "open_run"]


@dataclass(frozen=True)
class Trained:
    """A model and where it comes from.

    Parameters
    ----------
    model : GenerativeModel
    run : Run
    step : int
        Steps of training that it has seen.
    """

    model: GenerativeModel
    run: Run
    step: int

    def data(self, split: str = "test") -> Dataset:
        """One split of the data that it was trained on; errors as `minigen.data.load`."""
        return load_split(self.run.config, split)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What its classes are called; empty if it knows none."""
        count = getattr(self.model, "classes", 0)
        names = tuple(self.run.config.get("class_names", ()))
        return names if len(names) == count else tuple(map(str, range(count)))


def load_trained(name: str | Path, previous: bool = False) -> Trained:
    """The model of a run that ``minigen train`` made.

    Parameters
    ----------
    name : str or path
        Name of a run in the folder ``runs``, or a path.
    previous : bool
        Use the checkpoint before the last one.

    Returns
    -------
    Trained

    Raises
    ------
    RunError
        If there is no such run, it has no checkpoint, or that is damaged or does not fit the config.

    Examples
    --------
    >>> load_trained("no-such-run")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    minigen.train.errors.RunError: no run at ...no-such-run: it has no config.json
    """
    run = open_run(str(name))
    state = run.load(previous)
    model = build_model(run.config)
    counters = restore(model, state, run.path)
    return Trained(model, run, counters["step"])


def open_run(name: str) -> Run:
    """The run called `name`, if it is one that the command line made; RunError if not."""
    run = Run(find_run(name))
    if "model" not in run.config:
        raise RunError(f"the run {run.path} was not made by minigen train: its config names no model")
    return run


def build_model(config: dict[str, Any]) -> Any:
    """The model of a config, as at the start of its run: the seed decides its first weights too.

    Raises
    ------
    RunError
        If the model is a class in a file of the user's, and the file is gone or has no such class.
    ValueError
        If an option is unknown or out of range.
    """
    try:
        family = models.family(config["model"])
    except (FileNotFoundError, ImportError, ValueError) as error:
        raise RunError(f"cannot build the model of the run: {error}") from error
    backend.manual_seed(config["seed"])
    return family(**config["options"])


def load_split(config: dict[str, Any], split: str) -> Dataset:
    """The data of a config; errors as `minigen.data.load`."""
    options: dict[str, Any] = {}
    if config["data"].startswith("folder:") and "channels" in config["options"]:
        options["channels"] = config["options"]["channels"]  # in a split of grey images of a coloured set too
    return data.load(config["data"], split, size=config["size"], **options)
