"""The folder of a run: what was asked for, what happened, what came out.

.. code-block:: text

    runs/NAME/
        config.json      what was asked for: enough to build the model and to go on
        log.csv          one row a step
        measures.csv     with --measure: one row an epoch
        curves.png       all that was logged, as curves
        samples/         a grid of samples from the same noise after every epoch; classes in columns
        checkpoints/     the last two, as step-00001234.safetensors

A run that ``minigen compress`` made has a config.json and a compressed.safetensors only.  So have those that come with
minigen (``pretrained:cgan`` and others), and of their log and samples a part.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .._util.atomic_write import TEMPORARY, replace_file
from .checkpoint import load_checkpoint, save_checkpoint
from .errors import CheckpointError, RunError
from .lock import RunLock

__all__ = ["PRETRAINED", "Run", "find_run", "pretrained_names"]

PRETRAINED = "pretrained:"
"""How the names of the runs that come with minigen begin."""

_SHIPPED = Path(__file__).resolve().parents[1] / "pretrained"


def pretrained_names() -> tuple[str, ...]:
    """The runs that come with minigen.

    >>> pretrained_names()
    ('cgan', 'dcgan', 'points', 'repair', 'vae')
    """
    return tuple(sorted(path.parent.name for path in _SHIPPED.glob("*/config.json")))


def find_run(name: str) -> Path:
    """Find the folder of a run: a path as it is, a bare name inside ``runs`` (or here, if it is a run here).

    ``pretrained:NAME`` is a run that comes with minigen; RunError if there is none of this name.

    >>> find_run("mine").as_posix(), find_run("somewhere/mine").as_posix()
    ('runs/mine', 'somewhere/mine')
    """
    if name.startswith(PRETRAINED):
        known = pretrained_names()
        if name.removeprefix(PRETRAINED) not in known:
            raise RunError(
                f"no run {name} comes with minigen; expected one of {', '.join(PRETRAINED + n for n in known)}"
            )
        return _SHIPPED / name.removeprefix(PRETRAINED)
    path = Path(name)
    if "/" in name or "\\" in name or name in (".", "..") or (path / "config.json").is_file():
        return path
    return Path("runs") / name


class Run:
    """An existing run; `Run.create` makes a new one.

    Reading changes nothing in the folder.  What writes takes the run's lock, `lock`.

    Parameters
    ----------
    path : Path or str
        The run's folder.

    Raises
    ------
    RunError
        If there is no run, or its config is damaged.

    Attributes
    ----------
    path : Path
    config : dict
        What ``config.json`` holds.
    lock : RunLock
        ``with run.lock:`` keeps other processes from writing to the run.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run.create(Path(folder, "mine"), {"model": "dcgan"})
    ...     for step in (10, 20, 30):
    ...         path = run.save(step, {"step": step})
    ...     [p.name for p in run.checkpoints()], run.load()["step"], Run(run.path).config["model"]
    (['step-00000020.safetensors', 'step-00000030.safetensors'], 30, 'dcgan')
    """

    def __init__(self, path: str | Path):
        self.path: Path = Path(path)
        path = self.path
        try:
            config = json.loads(self._config.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(f"no run at {path}: it has no config.json") from None
        except (ValueError, RecursionError) as error:
            raise RunError(f"{self._config} is damaged ({error})") from None
        if not isinstance(config, dict):
            raise RunError(f"{self._config} is damaged (expected a JSON object, got {type(config).__name__})")
        self.config: dict[str, Any] = config
        self.lock: RunLock = RunLock(path)

    @classmethod
    def create(cls, path: str | Path, config: Mapping[str, Any], overwrite: bool = False) -> "Run":
        """Make the folder of a new run.

        Parameters
        ----------
        path : Path or str
        config : mapping
            What JSON can hold.
        overwrite : bool
            Delete an older run of that name.  A folder that is not a run is never deleted.

        Raises
        ------
        RunError
            If there is something at `path` already, or another process trains there.
        OSError
            If the folder cannot be made.
        """
        path = Path(path)
        if path.resolve().is_relative_to(_SHIPPED):
            raise RunError("a run that comes with minigen cannot be replaced; choose another name with --run NAME")
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is a file, not the folder of a run; choose another name with --run NAME")
        old = path.is_dir() and any(not part.name.startswith((TEMPORARY, ".lock")) for part in path.iterdir())
        if old:
            if not (path / "config.json").is_file():
                raise RunError(f"{path} is in use and is not a run; choose another name with --run NAME")
            if not overwrite:
                raise RunError(
                    f"the run {path} exists already: add --resume to go on with it, --overwrite to start again, "
                    "or --run NAME to make another"
                )
        path.mkdir(parents=True, exist_ok=True)
        with RunLock(path):
            if old:
                for part in (path / "samples", path / "checkpoints"):
                    shutil.rmtree(part, ignore_errors=True)
                for part in (
                    path / "log.csv",
                    path / "measures.csv",
                    path / "curves.png",
                    path / "compressed.safetensors",
                ):
                    part.unlink(missing_ok=True)
            replace_file(path / "config.json", json.dumps(config, indent=2).encode() + b"\n")
        run = cls(path)
        run.make_folders()
        return run

    @property
    def pretrained(self) -> bool:
        """Whether it comes with minigen."""
        return self.path.resolve().parent == _SHIPPED

    @property
    def name(self) -> str:
        """That of its folder, or ``pretrained:NAME``."""
        return PRETRAINED * self.pretrained + self.path.name

    def __str__(self) -> str:
        """Its path, or ``pretrained:NAME``."""
        return self.name if self.pretrained else str(self.path)

    def output(self, name: str) -> Path:
        """Where a command writes the file or folder `name`: into the run, and of a pretrained one into this folder."""
        return Path(f"pretrained-{self.path.name}-{name}") if self.pretrained else self.path / name

    @property
    def _config(self) -> Path:
        return self.path / "config.json"

    def make_folders(self) -> None:
        """Make the folders that a training writes to, where they are missing."""
        for part in (self.path / "samples", self.path / "checkpoints"):
            part.mkdir(exist_ok=True)

    @property
    def log(self) -> Path:
        """The log, one row a step."""
        return self.path / "log.csv"

    @property
    def measures(self) -> Path:
        """What was measured after each epoch, if it was asked for."""
        return self.path / "measures.csv"

    @property
    def compressed(self) -> Path:
        """The weights of a run that ``minigen compress`` made."""
        return self.path / "compressed.safetensors"

    @property
    def curves(self) -> Path:
        """The picture of all that was logged."""
        return self.path / "curves.png"

    def samples(self, epoch: int) -> Path:
        """The grid of samples after `epoch` epochs."""
        return self.path / "samples" / f"epoch-{epoch:04d}.png"

    def sampled_epochs(self) -> list[int]:
        """The epochs of which a grid of samples is stored, in order."""
        names = [path.stem.removeprefix("epoch-") for path in self.samples(0).parent.glob("epoch-*.png")]
        return sorted(int(name) for name in names if name.isdecimal())

    def checkpoints(self) -> list[Path]:
        """The checkpoints, oldest first."""
        return sorted((self.path / "checkpoints").glob("step-*.safetensors"))

    def update_config(self, **changes: Any) -> None:
        """Change the config, in the file too."""
        with self.lock:
            self.config |= changes
            replace_file(self._config, json.dumps(self.config, indent=2).encode() + b"\n")

    def save(self, step: int, state: Mapping[str, Any]) -> Path:
        """Write a checkpoint, then delete all but it and the one before.

        The older is deleted only when the newer is safely there, so that one good checkpoint exists at every moment.
        """
        path = self.path / "checkpoints" / f"step-{step:08d}.safetensors"
        with self.lock:
            save_checkpoint(path, state)
            before = [p for p in self.checkpoints() if p < path][-1:]
            for old in set(self.checkpoints()) - {path, *before}:
                old.unlink()
            # Left by a training that was killed: while we have the lock, no other process writes files of these names.
            for place in (
                "samples/{}*",
                "checkpoints/{}*",
                "{}*-config.json",
                "{}*-log.csv",
                "{}*-measures.csv",
                "{}*-curves.png",
            ):
                for unfinished in self.path.glob(place.format(TEMPORARY)):
                    unfinished.unlink(missing_ok=True)
        return path

    def load(self, previous: bool = False) -> dict[str, Any]:
        """Read the last checkpoint, or with `previous` the one before it.

        Raises
        ------
        RunError
            If there is none, or it is damaged; the message then names the one before, if there is one.
        """
        found = self.checkpoints()
        if len(found) <= previous:
            raise RunError(f"{self.path / 'checkpoints'} holds no {'previous ' if previous else ''}checkpoint")
        try:
            return load_checkpoint(found[-1 - previous])
        except CheckpointError as error:
            offer = f"; the one before it is {found[-2].name}: add --previous to use it" if found[:-1] else ""
            raise CheckpointError(f"{error}{offer if not previous else ''}") from None
