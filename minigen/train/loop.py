"""The training loop: batches in, steps of a model, and a record that survives Ctrl-C, power cuts and full disks.

**Resuming is exact.**  A checkpoint holds the weights, the optimizers' averages, the position of the random stream and
the number of steps taken; the order of the data is a function of the seed and the epoch.  So a run that was killed at
any moment goes on from its last checkpoint with the very numbers that an uninterrupted run would have seen, and ends
with the same weights, bit for bit (on the same machine with the same versions, kernels and number of threads).
"""

import contextlib
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from .. import backend
from ..data import Loader
from .diagnostics import Diagnostics
from .errors import CheckpointError, RunError
from .log import CsvLog
from .metric_buffer import MetricBuffer
from .run import Run
from .trainable import Trainable

__all__ = ["TrainingResult", "fit", "restore"]

NUM_PREVIEW_SAMPLES = 64
MAX_LOSS = 1e8  # a loss of float32 resolves no more than 8 here: whatever there was to learn from is rounded away
CURVES_EVERY = 10.0  # seconds: in a run of short epochs the curves would else take longer than the training


@dataclass(frozen=True)
class TrainingResult:
    """How a call of `fit` ended.

    Parameters
    ----------
    step : int
        Batches seen since the beginning of the run.
    epoch : int
        Whole epochs among them.
    interrupted : bool
        Whether Ctrl-C, or a request to terminate, ended it early.
    checkpoint : Path
        The last one.
    warnings : tuple of str
        What looked ill on the way; see `minigen.train.diagnostics`.
    """

    step: int
    epoch: int
    interrupted: bool
    checkpoint: Path
    warnings: tuple[str, ...] = ()


def fit(
    model: Trainable,
    loader: Loader,
    run: Run,
    epochs: int,
    *,
    resume: bool = False,
    previous: bool = False,
    checkpoint_every: int | None = None,
    progress: bool = True,
) -> TrainingResult:
    """Train `model` until it has seen `epochs` epochs, and record the run.

    After every epoch: a grid of samples from always the same noise, a checkpoint, and now and then the curves of the
    losses.  Ctrl-C finishes the step at hand and saves; a second Ctrl-C stops at once.  A training that goes wrong is
    noticed and said (see `minigen.train.diagnostics`); NaN ends it.  A model on a GPU is looked at every
    `minigen.train.metric_buffer.READ_EVERY` steps, so that it never waits for the CPU in between.

    Parameters
    ----------
    model : Trainable
        Fresh; with `resume` it takes over the state of the checkpoint.
    loader : Loader
    run : Run
    epochs : int
        Counted from the beginning of the run, not from the resumption.
    resume : bool
        Go on from the run's last checkpoint; from the beginning, if the run was stopped before its first.
    previous : bool
        Go on from the checkpoint before the last one, for when the last is damaged.
    checkpoint_every : int, optional
        Save every so many steps too.
    progress : bool
        Whether to show a bar, and a line for each epoch, on the standard error stream.

    Returns
    -------
    TrainingResult

    Raises
    ------
    RunError
        If a loss or a weight becomes NaN or infinite, or a loss so large that it means nothing, or a file cannot be
        written (the disk is full); the last good checkpoint is kept, and named in the message.
    CheckpointError
        If the checkpoint is damaged or does not fit the model or the data.

    Examples
    --------
    >>> import tempfile
    >>> import minigen as mg
    >>> data = mg.data.load("shapes", size=8, count=64)
    >>> model = mg.models.DCGAN(size=8, channels=3, width=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run.create(Path(folder, "mine"), {})
    ...     outcome = fit(model, mg.data.Loader(data, batch_size=32), run, epochs=2, progress=False)
    ...     outcome.step, sorted(p.name for p in run.path.iterdir())
    (4, ['checkpoints', 'config.json', 'curves.png', 'log.csv', 'samples'])
    """
    counters = {"step": 0, "seconds": 0.0}
    if previous or (resume and run.checkpoints()):
        counters = restore(model, run.load(previous), run.path, batches=len(loader))
    try:
        return _Fit(model, loader, run, epochs, counters, checkpoint_every, progress).run_epochs()
    except OSError as error:
        raise RunError(f"cannot write to {run.path}: {error.strerror or error}; {_last_good(run)}") from error


def restore(model: Trainable, state: Mapping[str, Any], source: Path, batches: int | None = None) -> dict[str, Any]:
    """Give `model`, its optimizers and the random stream the state of a checkpoint.

    Parameters
    ----------
    model : Trainable
    state : mapping
        What `Run.load` read.
    source : Path
        Where it came from, for messages.
    batches : int, optional
        Batches in an epoch now; they must be as many as they were.

    Returns
    -------
    dict
        The counters ``step`` and ``seconds``.

    Raises
    ------
    CheckpointError
        If the state is of another model (the message names what differs) or of other data.
    """
    try:
        model.load_state_dict(state["model"])
        for name, optimizer in model.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        counters = state["counters"]
        if batches not in (None, counters["batches"]):
            raise ValueError(f"the data gives {batches} batches an epoch, not {counters['batches']} as before")
        backend.set_rng_state(state["rng"])
    except (KeyError, ValueError, RuntimeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise CheckpointError(f"the checkpoint of {source} does not fit: {reason}") from error
    return {"step": counters["step"], "seconds": counters["seconds"]}


def _last_good(run: Run) -> str:
    kept = run.checkpoints()[-1:]
    return f"the last good checkpoint is kept: {kept[0]}" if kept else "there was no checkpoint yet"


class _Fit:
    """One call of `fit`."""

    def __init__(
        self,
        model: Trainable,
        loader: Loader,
        run: Run,
        epochs: int,
        counters: dict[str, Any],
        checkpoint_every: int | None,
        progress: bool,
    ):
        self.model, self.loader, self.run, self.epochs = model, loader, run, epochs
        self.checkpoint_every, self.progress = checkpoint_every, progress
        self.step, self.started = counters["step"], time.monotonic() - counters["seconds"]
        self.draw_curves: Callable[..., Any] | None = None
        self.curves_drawn = -math.inf
        self.bar: Any = None
        some = np.random.default_rng(loader.seed).permutation(len(loader.dataset))[:NUM_PREVIEW_SAMPLES]
        self.diagnostics = Diagnostics(model, loader.dataset.images[some])
        self.warnings: list[str] = []
        self.metrics = MetricBuffer()
        self.history: list[dict[str, float]] = []  # what the steps of this epoch returned

    def run_epochs(self) -> TrainingResult:
        from tqdm import tqdm

        from .. import plot

        self.draw_curves = plot.loss_curves
        first, done = divmod(self.step, len(self.loader))
        images = min(len(self.loader) * self.loader.batch_size, len(self.loader.dataset))
        self.bar = tqdm(
            total=self.epochs * images,
            initial=first * images + done * self.loader.batch_size,
            unit="img",
            file=sys.stderr,
            # Without a terminal the line of each epoch is enough.
            disable=None if self.progress else True,
        )
        # What overflows is found at once by `check`, which says so in one line; NumPy's warnings would bury that.
        quiet = np.errstate(all="ignore")
        with CsvLog(self.run.log, keep=self.step) as log, _StopRequest() as stop, self.bar, quiet:
            if self.step == 0:
                self.preview(0)
                self.save(log)
            for epoch in range(first, self.epochs):
                self.one_epoch(epoch, self.step - epoch * len(self.loader), log, stop)
                if stop:
                    break
        epoch = self.step // len(self.loader)
        return TrainingResult(self.step, epoch, epoch < self.epochs, self.run.checkpoints()[-1], tuple(self.warnings))

    def one_epoch(self, epoch: int, start_batch: int, log: CsvLog, stop: "_StopRequest") -> None:
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}")
        self.history = []
        began = time.monotonic()
        seen = 0
        for batch in self.loader.epoch(epoch, start_batch):
            self.model.schedule(self.step / (self.epochs * len(self.loader)))
            numbers = self.model.training_step(batch)
            self.step += 1
            self.metrics.add({"step": self.step, "epoch": epoch + 1, "seconds": round(self.seconds(), 3)}, numbers)
            if self.metrics.due:
                self.read(log)
            size = len(next(iter(batch.values())))
            seen += size
            self.bar.update(size)
            if self.step % len(self.loader) == 0:
                break  # the end of an epoch is saved below
            if stop or (self.checkpoint_every and self.step % self.checkpoint_every == 0):
                self.save(log)
            if stop:
                return
        self.read(log)
        # Pictures first: should the process be killed among them, the resumed run draws them again.
        speed = seen / (time.monotonic() - began)
        samples = self.preview(epoch + 1)
        log.sync()
        if epoch + 1 == self.epochs or time.monotonic() - self.curves_drawn > CURVES_EVERY:
            self.curves()
        self.save(log)
        means = {name: np.mean([numbers[name] for numbers in self.history]) for name in self.history[0]}
        said = "  ".join(f"{name} {mean:.3f}" for name, mean in means.items())
        self.say(f"epoch {epoch + 1}/{self.epochs}  {said}  {speed:.0f} img/s")
        for text in self.diagnostics.new_warnings(samples):
            self.warnings.append(text)
            self.say(f"note: {text}")

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def say(self, line: str) -> None:
        if self.progress:
            self.bar.write(line, file=sys.stderr)

    def preview(self, epoch: int) -> np.ndarray:
        from .. import plot

        # The same noise every time, from a stream of its own, so that looking does not change the training.
        generator = np.random.default_rng(self.loader.seed)
        samples, columns = self.model.preview(NUM_PREVIEW_SAMPLES, self.loader.dataset, generator)
        plot.save_image_grid(self.run.samples(epoch), samples, columns)
        return samples

    def curves(self) -> None:
        if self.draw_curves is not None:
            self.curves_drawn = time.monotonic()
            try:
                self.draw_curves(self.run.log, self.run.curves)
            except ModuleNotFoundError as error:
                self.draw_curves = None
                self.say(f"no picture of the losses: {error}")

    def read(self, log: CsvLog) -> None:
        """Log what the steps since the last time returned, and see whether all is well."""
        for row, numbers in self.metrics.read():
            log.write({**row, **numbers})
            self.check(numbers, row["step"], log)
            self.history.append(numbers)
            self.diagnostics.update(numbers)
            losses = {name: f"{value:.3f}" for name, value in numbers.items() if name.startswith("loss")}
            self.bar.set_postfix(losses, refresh=False)

    def save(self, log: CsvLog) -> None:
        self.read(log)
        log.sync()  # the log may know of more steps than the checkpoint, never of fewer
        state = {
            "model": self.model.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.model.optimizers.items()},
            "rng": backend.get_rng_state(),
            "counters": {"step": self.step, "seconds": self.seconds(), "batches": len(self.loader)},
        }
        for name, value in state["model"].items():
            if not np.isfinite(np.asarray(value)).all():
                raise self.diverged(f"{name} holds NaN or infinite values", self.step)
        self.run.save(self.step, state)

    def check(self, numbers: Mapping[str, float], step: int, log: CsvLog) -> None:
        for name, value in numbers.items():
            if not math.isfinite(value) or (name.startswith("loss") and abs(value) > MAX_LOSS):
                log.sync()
                raise self.diverged(f"{name} is {value:.3g}", step)

    def diverged(self, what: str, step: int) -> RunError:
        return RunError(
            f"training failed at step {step}: {what}; try a smaller learning rate (--lr); {_last_good(self.run)}"
        )


class _StopRequest:
    """While active, the first Ctrl-C (or SIGTERM) makes it true, for the loop to read between two steps.

    In the midst of a step the weights are of no use: one network may be updated and the other not.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self._asked

    def __enter__(self) -> "_StopRequest":
        if threading.current_thread() is threading.main_thread():  # Python delivers signals there only
            self._before = {number: signal.signal(number, self._ask) for number in self.SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        with contextlib.suppress(RuntimeError):  # the signal may have come in the midst of another line
            print("\nfinishing this step, then saving (once more to stop at once)", file=sys.stderr)
        for number, handler in self._before.items():
            signal.signal(number, handler)
