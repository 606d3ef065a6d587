"""A trained model, as its run left it: from the config and a checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import backend, data, models
from ..data import Dataset
from ..data.dataset import balanced_order
from ..models import GenerativeModel
from .config import check_config
from .errors import CheckpointError, RunError
from .loop import restore
from .run import Run, find_run

__all__ = ["Trained", "build_model", "load_split", "load_trained", "load_unseen", "load_validation", "open_run"]


@dataclass(frozen=True)
class Trained:
    """A model and where it comes from.

    Parameters
    ----------
    model : GenerativeModel
    run : Run
    step : int
        Steps of training that it has seen; of a compressed run, those of the run that it was made from.
    """

    model: GenerativeModel
    run: Run
    step: int

    def data(self, split: str = "test") -> Dataset:
        """One split of the data that it was trained on; errors as `minigen.data.load`.

        Of a run with ``--images N``, the split ``train`` has these N images only.
        """
        return load_split(self.run.config, split, self.run.path / "config.json")

    def unseen(self) -> Dataset | None:
        """Return the training images that ``--images N`` left out, or None if the model was trained on all.

        They come from the same source in the same way as the images that the model has seen, which test images do not
        always do.
        """
        return load_unseen(self.run.config, self.run.path / "config.json")

    @property
    def compression(self) -> str:
        """What ``minigen compress`` did to it and to which run, in words; empty for a trained run."""
        made = self.run.config.get("compressed")
        return f"{made['what']}; compressed from {made['from']}" if made else ""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What its classes are called; empty if it knows none."""
        count = getattr(self.model, "classes", 0)
        names = tuple(self.run.config.get("class_names", ()))
        return names if len(names) == count else tuple(map(str, range(count)))


def load_trained(name: str | Path, previous: bool = False) -> Trained:
    """The model of a run that ``minigen train`` or ``minigen compress`` made.

    Parameters
    ----------
    name : str or path
        Name of a run in the folder ``runs``, a path, or ``pretrained:NAME`` for a run that comes with minigen.
    previous : bool
        Use the checkpoint before the last one.

    Returns
    -------
    Trained

    Raises
    ------
    RunError
        If there is no such run, it has no checkpoint, or that is damaged or does not fit the config.  Also if the
        previous checkpoint of a compressed run is asked for: it has one file.

    Examples
    --------
    >>> load_trained("no-such-run")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    minigen.train.errors.RunError: no run at ...no-such-run: it has no config.json
    """
    run = open_run(str(name))
    if "compressed" in run.config:
        return _load_compressed(run, previous)
    state = run.load(previous)
    model = build_model(run.config, run.path / "config.json")
    counters = restore(model, state, run.path)
    return Trained(model, run, counters["step"])


def _load_compressed(run: Run, previous: bool) -> Trained:
    from .. import compress  # few runs need it

    if previous:
        raise RunError(f"the run {run} is compressed and has one file only: leave --previous out")
    model = build_model(run.config, run.path / "config.json")
    if run.config["compressed"].get("discriminator"):
        model.adopt_average()
        model.optimizers = {}
    else:
        model.drop_training_parts()
    try:
        about = compress.load(run.compressed, model)
    except FileNotFoundError:
        raise RunError(f"the run {run} is compressed, but has no {run.compressed.name}") from None
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    if "what" in about and about != run.config["compressed"]:  # what comes with minigen has another record
        said, file = run.config["compressed"], run.compressed
        raise CheckpointError(
            f"{file} is not the file of this run: its record says {about.get('what')!r} of {about.get('from')}, "
            f"config.json {said.get('what')!r} of {said.get('from')}"
        )
    return Trained(model, run, run.config["compressed"]["step"])


def open_run(name: str) -> Run:
    """Open the run called `name`, if it is one that the command line made.

    Raises
    ------
    RunError
        If there is no such run, or its config was edited so that a field is missing or holds something else.
    """
    run = Run(find_run(name))
    if "model" not in run.config:
        raise RunError(f"the run {run.path} was not made by minigen train: its config names no model")
    check_config(run.config, run.path / "config.json")
    return run


def build_model(config: dict[str, Any], source: Path | None = None) -> Any:
    """Build the model of a config, as at the start of its run: the seed decides its first weights too.

    Parameters
    ----------
    config : dict
    source : Path, optional
        The file that it was read from, for messages.

    Raises
    ------
    RunError
        If the model is a class in a file of the user's, and the file is gone or has no such class.
    RunError, or ValueError without `source`
        If an option is unknown or out of range.
    """
    try:
        family = models.family(config["model"])
    except (FileNotFoundError, ImportError, ValueError) as error:
        place = f" (field 'model' of {source})" if source else ""
        raise RunError(f"cannot build the model of the run{place}: {error}") from error
    backend.manual_seed(config["seed"])
    try:
        return family(**config["options"])
    except (ValueError, TypeError) as error:
        if source is None:
            raise
        raise RunError(f"{source}: the fields 'model' and 'options' do not fit: {error}") from error


def load_split(config: dict[str, Any], split: str, source: Path | None = None) -> Dataset:
    """Load one split of the data of a config; of a run with ``--images N`` the split ``train`` has N images.

    The share of them that ``--validation`` holds out is left out; see `load_validation`.

    Parameters
    ----------
    config : dict
    split : str
    source : Path, optional
        The file that it was read from, for messages.

    Raises
    ------
    RunError, or ValueError without `source`
        If there is no such data set or split, its images have not the size and channels that the options say, or it
        has fewer than N images.
    """
    dataset = _whole_split(config, split, source)
    count = config.get("images")
    if split != "train" or (count is None and config.get("validation") is None):
        return dataset
    if count is not None and count > len(dataset):
        raise _wrong(
            source,
            "images",
            f"expected at most {len(dataset)}, the number of training images of {dataset.name}, got {count}",
        )
    order = balanced_order(dataset, config["seed"])[:count]
    return dataset.subset(np.sort(order[: len(order) - _heldout_count(config, len(order), source)]))


def load_validation(config: dict[str, Any], source: Path | None = None) -> Dataset | None:
    """Load the training images that ``--validation SHARE`` holds out; None if there are none.

    They are the last of the images of `minigen.data.dataset.balanced_order`, so there are about as many of each class.
    Errors as `load_split`.
    """
    if config.get("validation") is None:
        return None
    dataset = _whole_split(config, "train", source)
    order = balanced_order(dataset, config["seed"])[: config.get("images")]
    return dataset.subset(np.sort(order[len(order) - _heldout_count(config, len(order), source) :]))


def _heldout_count(config: dict[str, Any], count: int, source: Path | None) -> int:
    """How many of `count` images are held out."""
    share = config.get("validation")
    if share is None:
        return 0
    heldout = round(share * count)
    if not 1 <= heldout < count:
        raise _wrong(source, "validation", f"a share of {share:g} of {count} images is {heldout}: at least 1 is needed")
    return heldout


def _wrong(source: Path | None, name: str, what: str) -> Exception:
    """An error of a value that the command line (no `source`) or a config file gave."""
    error: type[Exception] = ValueError if source is None else RunError
    return error(f"--{name}: {what}" if source is None else f"{source}: the field {name!r}: {what}")


def load_unseen(config: dict[str, Any], source: Path | None = None) -> Dataset | None:
    """Load the training images that ``--images N`` left out; None if there are none.  Errors as `load_split`."""
    count = config.get("images")
    if count is None:
        return None
    dataset = _whole_split(config, "train", source)
    if count >= len(dataset):
        return None
    return dataset.subset(np.sort(balanced_order(dataset, config["seed"])[count:]))


def _whole_split(config: dict[str, Any], split: str, source: Path | None) -> Dataset:
    chosen = config["options"]
    info = data.DATASETS.get(config["data"].partition(":")[0])
    takes = info.options if info is not None and info.argument == "PATH" else ()
    grey = {name: chosen[name] for name in ("channels", "out_channels") if name in takes and name in chosen}
    try:
        # The channels: a split of a colored set may hold gray images only.
        dataset = data.load(config["data"], split, size=config["size"], **grey)
    except ValueError as error:
        if source is None:
            raise
        raise RunError(f"{source}: the fields 'data' and 'size': {error}") from error
    for name, dimensions in (("channels", slice(1, 2)), ("size", slice(2, 4))):
        if source is not None and name in chosen and {*dataset.images.shape[dimensions]} != {chosen[name]}:
            raise RunError(
                f"{source}: the field 'options' holds {name} = {chosen[name]}, but the images of {config['data']} are "
                f"{'x'.join(map(str, dataset.images.shape[1:]))}: see the fields 'data' and 'size'"
            )
    return dataset
