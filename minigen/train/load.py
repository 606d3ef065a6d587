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
        if not self.model.classes:
            return ()
        names = tuple(self.run.config.get("class_names", ()))
        return names if len(names) == self.model.classes else tuple(map(str, range(self.model.classes)))


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


def build_model(config: dict[str, Any]) -> GenerativeModel:
    """The model of a config, as at the start of its run: the seed decides its first weights too."""
    backend.manual_seed(config["seed"])
    return models.build(config["model"], **config["image"], **config["options"])


def load_split(config: dict[str, Any], split: str) -> Dataset:
    """The data of a config, as square images; ValueError if they are not."""
    options: dict[str, Any] = {}
    if config["data"].startswith("folder:") and "image" in config:
        options["channels"] = config["image"]["channels"]  # in a split of grey images of a coloured set too
    dataset = data.load(config["data"], split, size=config["size"], **options)
    height, width = dataset.images.shape[2:]
    if height != width:
        raise ValueError(f"{config['data']}: images of {height}x{width}, expected square ones: give --size")
    return dataset
