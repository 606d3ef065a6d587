"""The training loop: batches in, steps of a model, and a record that survives Ctrl-C, power cuts and full disks.

**Resuming is exact.**  A checkpoint holds the weights, the optimizers' averages, the position of the random stream and
the number of steps taken; the order of the data is a function of the seed and the epoch.  So a run that was killed at
any moment goes on from its last checkpoint with the very numbers that an uninterrupted run would have seen, and ends
with the same weights, bit for bit.  This holds for the same config on the same machine with the same versions, kernels
and SIMD instructions; where one of them differs, `fit` says so.  The number of threads, and of processes that share the
work (`minigen.train.parallel`), may differ.
"""

import contextlib
import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from .. import backend
from .._util.progress import progress_bar
from .._util.stop_request import StopRequest
from ..data import Dataset, Loader
from ..tensor import Tensor
from .diagnostics import Diagnostics
from .environment import describe_environment, differences
from .errors import CheckpointError, OtherRankError, RunError
from .graph import GraphedStep
from .log import CsvLog, column
from .metric_buffer import MetricBuffer
from .parallel import Alone, Communicator, DataParallel, check_agreement, check_batches, fingerprint, on_all_ranks
from .run import Run
from .trainable import Trainable

__all__ = ["EpochReport", "TrainingResult", "check_training", "fit", "restore"]

STOPPING = "\nfinishing this step, then saving (once more to stop at once)"

NUM_PREVIEW_SAMPLES = 64
MAX_PREVIEW_ROWS = 8  # where a class has a column
PREVIEW_SIDE = 600  # pixels: the longer side of a picture of samples is at least this
MAX_LOSS = 1e8  # float32 numbers of this size are 8 apart: a smaller change of the loss is rounded away
MAX_REPORTS = 100  # a run of very many short epochs leaves no more pictures than this
CURVES_EVERY = 30.0  # seconds: in a run of short epochs the curves would else take longer than the training
CURVES_SHARE = 0.05  # of the time at most, for curves: on a busy machine one drawing takes many seconds


@dataclass(frozen=True)
class EpochReport:
    """What `fit` tells its callback after an epoch.

    Parameters
    ----------
    epoch : int
        The epoch, from 1.
    step : int
        Batches seen since the beginning of the run.
    means : dict of str to float
        Of the numbers that the steps since the last report returned.
    images : ndarray (N, C, H, W)
        The samples, from the same noise after every epoch.
    """

    epoch: int
    step: int
    means: Mapping[str, float]
    images: np.ndarray


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
        Whether Ctrl-C, a closed terminal or a request to terminate ended it early.
    checkpoint : Path or None
        The last one; None on other ranks than the first.
    warnings : tuple of str
        What went wrong on the way; see `minigen.train.diagnostics`.
    stopped_early : bool
        Whether it ended because the validation loss did not fall; see the argument `patience` of `fit`.
    """

    step: int
    epoch: int
    interrupted: bool
    checkpoint: Path | None
    warnings: tuple[str, ...] = ()
    stopped_early: bool = False


def fit(
    model: Trainable,
    loader: Loader,
    run: Run | None,
    epochs: int | None = None,
    *,
    steps: int | None = None,
    resume: bool = False,
    previous: bool = False,
    checkpoint_every: int | None = None,
    progress: bool = True,
    on_epoch: Callable[[EpochReport], None] | None = None,
    measure: Callable[[Any], Mapping[str, float]] | None = None,
    held_out: Dataset | None = None,
    patience: int | None = None,
    shards: int = 1,
    communicator: Communicator | None = None,
    graph: bool = False,
) -> TrainingResult:
    """Train `model` for a number of epochs or steps, and record the run.

    After every epoch: a grid of samples from always the same noise, a checkpoint, and now and then the curves of the
    losses.  (Of more than 100 epochs, after every second, third, ... so that there are at most 100 pictures; always
    after the last.)  Ctrl-C finishes the step at hand and saves; a second Ctrl-C stops at once.  SIGTERM and SIGHUP (a
    closed terminal) save likewise.  A training that goes wrong is noticed and said (see `minigen.train.diagnostics`);
    NaN ends it.  Numbers of a model on a GPU are read every `minigen.train.metric_buffer.READ_EVERY` steps, so that it
    does not wait for the CPU in between.  While it runs, no other process can write to the run.

    Parameters
    ----------
    model : Trainable
        Fresh; with `resume` it takes over the state of the checkpoint.
    loader : Loader
    run : Run or None
        None on other ranks than the first, which write nothing.
    epochs, steps : int
        One of the two: when to end, counted from the beginning of the run, not from the resumption.
    resume : bool
        Go on from the run's last checkpoint; from the beginning, if the run was stopped before its first.
    previous : bool
        Go on from the checkpoint before the last one, for when the last is damaged.
    checkpoint_every : int, optional
        Also save after each such number of steps.
    progress : bool
        Whether to show a bar, and a line for each epoch, on the standard error stream.
    on_epoch : callable, optional
        Called with an `EpochReport` after each picture of samples.
    measure : callable, optional
        Function of the model to numbers by name, such as `minigen.metrics.progress.EpochMeasure`: called after each
        picture of samples, and its numbers go to ``measures.csv``.  It must not change the model or draw from the
        package's random stream.
    held_out : Dataset, optional
        What a model from image to image shows in its pictures; the data of the training by default.
    patience : int, optional
        Stop early: end after this many measurements in a row whose ``loss_validation`` is not below the lowest before.
        `measure` must return this number.  The weights are those of the end, not those of the lowest loss.
    shards : int
        Data parallelism: the number of equal parts of each batch, which the ranks share; see `minigen.train.parallel`.
    communicator : Communicator, optional
        The other ranks, each of which calls `fit` with its own model and loader; by default there are none.
    graph : bool
        On a GPU, repeat steps by a CUDA graph, with the same bits: see `minigen.train.GraphedStep`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    ValueError
        If not exactly one of `epochs` and `steps` is given, or it is less than 1.  Also, before the first step, if the
        last batch of an epoch is too small for the model, or cannot be cut into the shards, or the ranks cannot share
        these or were called with other arguments.
    RunError
        If `graph` is set and there is no graph of the model's step, or the batch is cut into shards.  If a loss or a
        weight becomes NaN or infinite, or a loss so large that it means nothing, or a file cannot be
        written (the disk is full); the last good checkpoint is kept, and named in the message.  Also if another process
        trains this run, or its log was damaged.
    CheckpointError
        If the checkpoint is damaged or does not fit the model or the data.
    OtherRankError
        If another rank has failed.

    Examples
    --------
    >>> import tempfile
    >>> import minigen as mg
    >>> data = mg.data.load("shapes", size=8, count=64)
    >>> model = mg.models.DCGAN(size=8, channels=3, width=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run.create(Path(folder, "mine"), {})
    ...     result = fit(model, mg.data.Loader(data, batch_size=32), run, epochs=2, progress=False)
    ...     result.step, sorted(p.name for p in run.path.iterdir())
    (4, ['checkpoints', 'config.json', 'curves.png', 'log.csv', 'samples'])
    """
    if (epochs is None) == (steps is None):
        raise ValueError(f"fit: expected one of epochs and steps, got epochs={epochs}, steps={steps}")
    total = steps if epochs is None else epochs * len(loader)
    if total is None or total < 1:
        raise ValueError(f"fit: expected epochs or steps of at least 1, got {steps if epochs is None else epochs}")
    ranks: Communicator = Alone() if communicator is None else communicator
    if run is None and ranks.rank == 0:
        raise ValueError("fit: expected a run, got None; rank 0 writes it")
    check_agreement(ranks, {"number of steps": total, "checkpoint_every": checkpoint_every, "patience": patience})
    check_training(model, loader, shards=shards, communicator=ranks, graph=graph)
    graphed = GraphedStep(model) if graph else None
    parallel = None if shards == 1 else DataParallel(model, shards, loader.seed, ranks)
    counters = {"step": 0, "seconds": 0.0}
    try:
        with contextlib.nullcontext() if run is None else run.lock:
            state = on_all_ranks(ranks, lambda: _last_state(run, resume, previous))[0]
            if state is not None:
                source = Path("the run") if run is None else run.path
                counters = on_all_ranks(ranks, lambda: restore(model, state, source, batches=len(loader)))[0]
            if run is None:
                return _Loop(
                    model, loader, total, counters, parallel, graphed, ranks, checkpoint_every, patience
                ).run_steps()
            if state is not None:
                _compare(state.get("made_with", {}), _made_with(model, run))
            run.make_folders()
            one = _Fit(
                model,
                loader,
                total,
                counters,
                parallel,
                graphed,
                ranks,
                checkpoint_every,
                patience,
                run=run,
                progress=progress,
                on_epoch=on_epoch,
                measure=measure,
                held_out=held_out,
                started=time.monotonic() - counters["seconds"],
            )
            return one.run_steps()
    except OSError as error:
        if run is None:
            raise
        raise RunError(f"cannot write to {run.path}: {error.strerror or error}; {_last_good(run)}") from error


def check_training(
    model: Trainable, loader: Loader, *, shards: int = 1, communicator: Communicator | None = None, graph: bool = False
) -> None:
    """Check that `fit` can begin, and let the model look at the data (`Trainable.prepare`).

    `fit` does so itself.  Who calls this before, has no folder of a run that never began.

    Parameters
    ----------
    model : Trainable
    loader : Loader
    shards, communicator, graph
        As of `fit`.

    Raises
    ------
    ValueError, RunError, OtherRankError
        As `fit`.
    """
    ranks: Communicator = Alone() if communicator is None else communicator
    check_agreement(
        ranks,
        {
            "shards": shards,
            "graph": graph,
            "batch size": loader.batch_size,
            "seed of the loader": loader.seed,
            "number of examples": len(loader.dataset),
            "number of batches in an epoch": len(loader),
        },
    )

    def check() -> None:
        check_batches(model, shards, ranks.size, loader.batch_size, loader.smallest_batch)
        model.prepare(loader.dataset)
        if graph and shards != 1:
            raise RunError(
                f"a CUDA graph repeats steps of whole batches, got {shards} shards: leave one of the two out"
            )
        if graph:
            GraphedStep(model)  # says why there is none

    on_all_ranks(ranks, check)


def _last_state(run: Run | None, resume: bool, previous: bool) -> dict[str, Any] | None:
    """The state of the run's checkpoint if it is to go on from one."""
    return run.load(previous) if run is not None and (previous or (resume and run.checkpoints())) else None


def _made_with(model: Trainable, run: Run) -> dict[str, Any]:
    """All that the numbers of a training depend on, beside its state."""
    # How far, and on what (recorded with the environment); measuring changes nothing.
    free = ("epochs", "steps", "device", "environment", "measure")
    config = {name: value for name, value in run.config.items() if name not in free}
    return {"config": config, "environment": describe_environment(getattr(model, "device", "cpu"))}


def _compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Say what differs between a checkpoint's making and now."""
    if not before:
        return
    # The packages that only one of two devices uses are not what differs, the device is.  Threads change no bit.
    common = [name for name in before["environment"] if name in now["environment"] and name != "threads"]
    then, today = ({name: one["environment"][name] for name in common} for one in (before, now))
    changed = differences(then, today) + differences(before["config"], now["config"])
    if changed:
        print(f"note: goes on, but not bit for bit: made with {'; '.join(changed)}", file=sys.stderr)


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


class _Loop:
    """The steps of one call of `fit`, without a record: all that other ranks than the first do."""

    def __init__(
        self,
        model: Trainable,
        loader: Loader,
        total: int,
        counters: Mapping[str, Any],
        parallel: DataParallel | None,
        graphed: GraphedStep | None,
        ranks: Communicator,
        checkpoint_every: int | None,
        patience: int | None,
    ):
        self.model, self.loader, self.total, self.ranks = model, loader, total, ranks
        self.parallel, self.graphed = parallel, graphed
        self.checkpoint_every, self.patience = checkpoint_every, patience
        self.epochs = math.ceil(total / len(loader))
        self.report_every = math.ceil(self.epochs / MAX_REPORTS)
        self.step: int = counters["step"]
        self.stop = StopRequest(STOPPING)

    def run_steps(self) -> TrainingResult:
        # What overflows is found at once by `check`, which says so in one line; NumPy's warnings would bury that.
        with self.stop, np.errstate(all="ignore"):
            self.compare_ranks()
            if self.step == 0:
                self.begin()
            while self.step < self.total and not self.stopping() and not self.stops_early():
                self.one_epoch()
        epoch = self.step // len(self.loader)
        early = self.step < self.total and self.stops_early()
        interrupted = self.step < self.total and not early
        return TrainingResult(self.step, epoch, interrupted, self.checkpoint(), self.warnings(), early)

    def one_epoch(self) -> None:
        epoch, start_batch = divmod(self.step, len(self.loader))
        for batch in self.loader.epoch(epoch, start_batch):
            self.model.schedule(self.step / self.total)
            numbers = self.training_step(batch)
            self.step += 1
            self.record(epoch + 1, numbers)
            if self.step == self.total or self.step % len(self.loader) == 0:
                break
            stopping = self.stopping()
            if stopping or (self.checkpoint_every and self.step % self.checkpoint_every == 0):
                self.save()
            if stopping:
                return
        if self.step == self.total or (epoch + 1) % self.report_every == 0:
            self.report(epoch + 1)
        elif self.stopping():
            self.save()

    def training_step(self, batch: Mapping[str, np.ndarray]) -> Mapping[str, Tensor | float]:
        if self.parallel is not None:
            return self.parallel.training_step(batch, self.step)
        return self.model.training_step(batch) if self.graphed is None else self.graphed(batch)

    def stopping(self) -> bool:
        """Whether any rank was asked to stop."""
        return self.on_any_rank(bool(self.stop))

    def stops_early(self) -> bool:
        """Whether the first rank, which measures, sees no progress."""
        return self.patience is not None and self.on_any_rank(self.stalled(self.patience))

    def on_any_rank(self, value: bool) -> bool:
        return any(self.ranks.gather(value))

    def compare_ranks(self) -> None:
        """Check that all ranks hold the same weights, to the last bit."""
        if self.ranks.size == 1:
            return
        found = self.ranks.gather(fingerprint(self.model.state_dict()))
        others = [str(rank) for rank, mine in enumerate(found) if mine != found[0]]
        if others:
            message = (
                f"step {self.step}: the weights of rank {', '.join(others)} are not those of rank 0; all ranks need "
                "the same versions of minigen and NumPy, and processors with the same instructions"
            )
            raise RunError(message) if self.ranks.rank == 0 else OtherRankError(message)

    # ---- what the first rank records

    def begin(self) -> None:
        self.save()

    def record(self, epoch: int, numbers: Mapping[str, Tensor | float]) -> None:
        pass

    def report(self, epoch: int) -> None:
        self.save()

    def save(self) -> None:
        self.compare_ranks()

    def stalled(self, patience: int) -> bool:
        return False

    def checkpoint(self) -> Path | None:
        return None

    def warnings(self) -> tuple[str, ...]:
        return ()


class _Fit(_Loop):
    """One call of `fit` on the first rank: the steps, and the record of the run."""

    log: CsvLog

    def __init__(
        self,
        *loop: Any,
        run: Run,
        progress: bool,
        on_epoch: Callable[[EpochReport], None] | None,
        measure: Callable[[Any], Mapping[str, float]] | None,
        held_out: Dataset | None,
        started: float,
    ):
        super().__init__(*loop)
        model, loader = self.model, self.loader
        self.run, self.progress, self.on_epoch, self.measure = run, progress, on_epoch, measure
        self.shown = loader.dataset if held_out is None else held_out
        self.started = started
        self.first_step, self.began = self.step, time.monotonic()
        self.made_with = _made_with(model, run)
        self.levels: Mapping[str, float] = model.reference_levels()
        self.draw_curves: Callable[..., Any] | None = None
        self.curves_due = -math.inf
        self.bar: Any = None
        some = np.random.default_rng(loader.seed).permutation(len(loader.dataset))[:NUM_PREVIEW_SAMPLES]
        images = loader.dataset.images[some] if "images" in loader.dataset.fields else None
        self.diagnostics = Diagnostics(model, images, self.total, self.step)
        self.said: list[str] = []
        self.metrics = MetricBuffer()
        self.history: list[dict[str, float]] = []  # what the steps since the last report returned
        self.reported = time.monotonic(), self.step

    def run_steps(self) -> TrainingResult:
        from .. import plot

        self.draw_curves = plot.training_curves
        self.bar = _progress_bar(self.total, self.step, self.progress)
        with CsvLog(self.run.log, keep=self.step) as self.log, self.bar:
            return super().run_steps()

    def stalled(self, patience: int) -> bool:
        """Whether the last `patience` measurements are all at or above the lowest loss before them.

        They are read from the file, so that a resumed run knows those before it.
        """
        if not self.run.measures.is_file():
            return False
        losses = column(self.run.measures, "loss_validation", self.step)
        return len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])

    def checkpoint(self) -> Path:
        return self.run.checkpoints()[-1]

    def warnings(self) -> tuple[str, ...]:
        return tuple(self.said)

    def begin(self) -> None:
        self.warn(self.preview(0))
        self.save()

    def one_epoch(self) -> None:
        epoch = self.step // len(self.loader)
        self.bar.set_description_str(f"epoch {epoch + 1}/{self.epochs}", refresh=False)
        super().one_epoch()

    def record(self, epoch: int, numbers: Mapping[str, Tensor | float]) -> None:
        self.metrics.add({"step": self.step, "epoch": epoch, "seconds": round(self.seconds(), 3)}, numbers)
        if self.metrics.due:
            self.read()
        self.bar.update()

    def report(self, epoch: int) -> None:
        """Leave pictures and a checkpoint, and say how far the training is."""
        self.read()
        # Pictures first: if the process is killed during them, the resumed run draws them again.
        now, (then, step) = time.monotonic(), self.reported
        speed = (self.step - step) * self.loader.batch_size / max(now - then, 1e-9)
        samples = self.preview(epoch)
        measured = self.measured(epoch)
        self.log.sync()
        if self.step == self.total or time.monotonic() >= self.curves_due:
            self.curves()
        self.save()
        means = {name: float(np.mean([numbers[name] for numbers in self.history])) for name in self.history[0]}
        said = "  ".join(f"{name} {mean:.3f}" for name, mean in (means | measured).items())
        self.say(f"epoch {epoch}/{self.epochs}  {said}  {speed:.0f} img/s{self.time_left()}")
        self.warn(samples)
        if self.on_epoch is not None:
            self.on_epoch(EpochReport(epoch, self.step, means, samples))
        self.history, self.reported = [], (time.monotonic(), self.step)

    def measured(self, epoch: int) -> dict[str, float]:
        """Measure the model and log it.  This goes before the checkpoint: a resumed run measures again, never less."""
        if self.measure is None:
            return {}
        numbers = dict(self.measure(self.model))
        with CsvLog(self.run.measures, keep=self.step - 1, every_step=False) as measures:
            measures.write({"step": self.step, "epoch": epoch, **numbers})
            measures.sync()
        return numbers

    def warn(self, samples: np.ndarray) -> None:
        for text in self.diagnostics.new_warnings(samples):
            self.said.append(text)
            self.say(f"note: {text}")

    def time_left(self) -> str:
        """How long the rest will take at the speed so far; empty at the end."""
        if self.step == self.total:
            return ""
        seconds = (time.monotonic() - self.began) / (self.step - self.first_step) * (self.total - self.step)
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"  {hours}:{minutes:02}:{seconds:02} left"

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def say(self, line: str) -> None:
        if self.progress:
            self.bar.write(line, file=_console())

    def preview(self, epoch: int) -> np.ndarray:
        from .. import plot

        # The same noise every time, from a separate stream, so that looking does not change the training.
        generator = np.random.default_rng(self.loader.seed)
        samples, columns = self.model.preview(NUM_PREVIEW_SAMPLES, self.shown, generator)
        shown = samples[: MAX_PREVIEW_ROWS * columns] if columns else samples
        columns = columns or math.isqrt(len(samples))
        rows = math.ceil(len(shown) / columns)
        scale = math.ceil(PREVIEW_SIDE / max(rows * samples.shape[2], columns * samples.shape[3]))
        classes = self.loader.dataset.classes
        if columns == len(classes) and len(shown) == rows * columns:
            table = plot.ImageTable(shown.reshape(rows, columns, *shown.shape[1:]), columns=classes)
            plot.save_image(table.draw(scale), self.run.samples(epoch))
        else:
            plot.save_image_grid(self.run.samples(epoch), shown, columns, scale=scale)
        return samples

    def curves(self) -> None:
        if self.draw_curves is not None:
            began = time.monotonic()
            try:
                self.draw_curves(self.run.log, self.run.curves, self.levels, self.title())
            except ModuleNotFoundError as error:
                self.draw_curves = None
                self.say(f"no picture of the losses: {error}")
            ended = time.monotonic()
            self.curves_due = ended + max(CURVES_EVERY, (ended - began) / CURVES_SHARE)

    def title(self) -> str:
        config = self.run.config
        made = f": {config['model']} on {config['data']}" if "model" in config and "data" in config else ""
        return f"{self.run.path.name}{made}, step {self.step} of {self.total}"

    def read(self) -> None:
        """Log what the steps since the last time returned, and stop at NaN."""
        for row, numbers in self.metrics.read():
            self.log.write({**row, **numbers})
            self.check(numbers, row["step"])
            self.history.append(numbers)
            self.diagnostics.update(numbers)
            losses = "  ".join(f"{name} {value:.3g}" for name, value in numbers.items() if name.startswith("loss"))
            self.bar.set_postfix_str(losses, refresh=False)

    def save(self) -> None:
        self.compare_ranks()
        self.read()
        self.log.sync()  # the log may know of more steps than the checkpoint, never of fewer
        state = {
            "model": self.model.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.model.optimizers.items()},
            "rng": backend.get_rng_state(),
            "counters": {"step": self.step, "seconds": self.seconds(), "batches": len(self.loader)},
            "made_with": self.made_with,
        }
        for name, value in state["model"].items():
            if not np.isfinite(np.asarray(value)).all():
                raise self.diverged(f"{name} holds NaN or infinite values", self.step)
        self.run.save(self.step, state)

    def check(self, numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            if not math.isfinite(value) or (name.startswith("loss") and abs(value) > MAX_LOSS):
                self.log.sync()
                raise self.diverged(f"{name} is {value:.3g}", step)

    def diverged(self, what: str, step: int) -> RunError:
        return RunError(
            f"training failed at step {step}: {what}; try a smaller learning rate (--lr); {_last_good(self.run)}"
        )


def _in_notebook() -> bool:
    """Whether this is the kernel of a notebook; a program that has only imported IPython or ipykernel is none."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _progress_bar(total: int, done: int, progress: bool) -> Any:
    """A bar of at most 79 columns on a terminal or in a notebook; without either the line of each epoch is enough."""
    notebook = _in_notebook() and not sys.stderr.isatty()
    return progress_bar(
        total=total,
        initial=done,
        file=_console(),
        ncols=min(79, shutil.get_terminal_size().columns - 1),
        bar_format="{desc} {percentage:3.0f}% {bar} {elapsed}<{remaining}{postfix}",
        leave=False,
        disable=not progress or not (notebook or sys.stderr.isatty()),
    )


class _Console:
    """The standard error stream, which may have been closed: a training goes on without it."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _console() -> Any:
    return _Console(sys.stderr)
