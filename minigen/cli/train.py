"""``minigen train``."""

import argparse
import contextlib
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .memory_limit import memory_limit
from .output import print_line
from .types import at_least

__all__ = ["add_arguments", "run"]

SHARDS = 4
"""Shards of a batch under mpiexec: 1, 2 and 4 processes can share them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``minigen train``: a model family; its own parser reads the rest."""
    from ..models import families

    known = families()
    parser.usage = "minigen train MODEL [options]"
    parser.description = "Train a model; everything it leaves goes to a new folder, runs/NAME."
    width = max(map(len, known))
    lines = [f"  {name:{width}}  {model.summary()}" for name, model in known.items()]
    own = f"  {'FILE.py:CLASS'}  a family in a file of your own"
    parser.epilog = "\n".join(["models:", *lines, own, "", "The options of a model: minigen train MODEL --help"])
    parser.add_argument("model", metavar="MODEL", help="which family of models, or FILE.py:CLASS")
    parser.add_argument("options", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> int:
    """Do what ``minigen train`` was asked."""
    from ..models import family
    from ..train.parallel import on_all_ranks

    def parse() -> None:
        _model_parser(arguments.model, family(arguments.model)).parse_args(arguments.options, arguments)

    with _other_ranks_silent():
        ranks = _join_ranks()
        on_all_ranks(ranks, parse)
        try:
            return _train(arguments, ranks)
        except SystemExit as error:
            if ranks.size == 1:
                raise
            # It would end this process alone, and the others would wait for it.
            raise ChildProcessError(f"rank {ranks.rank}: sys.exit({error.code!r}) was called") from error


@contextmanager
def _other_ranks_silent() -> Iterator[None]:
    """Of several MPI processes let the first alone print; what ends another one is printed after this block."""
    from ..train.mpi import rank_of_launcher

    if rank_of_launcher() in (None, 0):
        yield
        return
    with (
        open(os.devnull, "w", encoding="utf-8") as null,
        contextlib.redirect_stdout(null),
        contextlib.redirect_stderr(null),
    ):
        yield


def _join_ranks() -> Any:
    """The processes that train together: those of the MPI job, or this one alone."""
    from .. import kernels
    from ..train.errors import OtherRankError
    from ..train.mpi import MPICommunicator, rank_of_launcher, threads_for_rank
    from ..train.parallel import Alone

    if rank_of_launcher() is None:
        return Alone()
    try:
        ranks = MPICommunicator()
    except ImportError as error:
        if rank_of_launcher() == 0:
            raise
        raise OtherRankError(str(error)) from error
    if "MINIGEN_NUM_THREADS" not in os.environ:
        kernels.set_num_threads(threads_for_rank(ranks, kernels.get_num_threads()))
    return ranks


def _model_parser(name: str, model: Any) -> argparse.ArgumentParser:
    """The parser of ``minigen train NAME``: the flags of every training, then the options of the model.

    A flag that was not given is None, so that a resumed run knows what was asked for.
    """
    parser = argparse.ArgumentParser(
        f"minigen train {name}",
        description=f"{model.summary()}.  Leaves config, log, sample grids and checkpoints in runs/NAME.",
        epilog=f"A run that was stopped or killed goes on bit for bit: minigen train {name} --resume",
    )
    parser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parser.add_argument(
        "--data", help=f"data set (see minigen data), or folder:PATH for images of your own (default: {model.DATA})"
    )
    parser.add_argument("--size", type=at_least(1), help="side of the images in pixels (default: the set's own)")
    parser.add_argument(
        "--images", type=at_least(1), metavar="N",
        help="learn from N of the training images only, as many of each class; the seed chooses them (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--validation", type=_share, metavar="SHARE",
        help="hold out this share of the training images: a GAN logs what D says of them (d_heldout), a VAE measures "
        "its loss on them after every epoch, or about 100 times in a longer training, in measures.csv",
    )  # fmt: skip
    parser.add_argument(
        "--patience", type=at_least(1), metavar="N",
        help="of a VAE with --validation: stop after N measurements without a lower loss on the held-out images",
    )  # fmt: skip
    least = f", on few images as many as give {model.LEAST_STEPS:,} steps" if model.LEAST_STEPS else ""
    parser.add_argument(
        "--epochs", type=at_least(1), help=f"how often to go through the data (default: {model.EPOCHS}{least})"
    )
    parser.add_argument("--steps", type=at_least(1), help="number of batches to train for, in place of --epochs")
    parser.add_argument("--batch-size", type=at_least(2), help=f"images a step (default: {model.BATCH_SIZE})")
    parser.add_argument(
        "--shards", type=at_least(1), metavar="N",
        help="cut each batch into N parts, which the processes of mpiexec share; N decides the result, the number of "
        f"processes does not (default: {SHARDS} under mpiexec, otherwise 1)",
    )  # fmt: skip
    parser.add_argument("--seed", type=at_least(0), help="seed of everything random (default: 0)")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="where to compute; cuda needs an NVIDIA GPU (default: cpu)"
    )
    parser.add_argument(
        "--graph", action="store_true",
        help="with --device cuda: record a step once and repeat it as a CUDA graph, with the same results; for models "
        "without augment, of the families that have it (GANs with a pair of losses, VAEs)",
    )  # fmt: skip
    parser.add_argument("--run", dest="name", metavar="NAME", help=f"name of the run, or a path (default: {name}-DATA)")
    parser.add_argument(
        "--checkpoint-every", type=at_least(1), metavar="STEPS", help="save this often, and after every epoch"
    )
    parser.add_argument(
        "--measure", action="store_true", default=None,
        help="after every epoch measure KID, classes and coverage of 1000 samples, in measures.csv (28-pixel digits)",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="go on with a run; more --epochs or --steps prolong it")
    parser.add_argument("--previous", action="store_true", help="go on from the checkpoint before the last one")
    parser.add_argument("--overwrite", action="store_true", help="start again where there is a run of that name")
    group = parser.add_argument_group(f"options of {name}")
    for each in _options(model):
        shown = each.help if each.default is None else f"{each.help} (default: {each.default})".lstrip()
        shown = shown.replace("%", "%%")
        flag = f"--{each.name.replace('_', '-')}"
        if flag in parser._option_string_actions:
            raise ValueError(f"{name}: the option {each.name!r} has the name of a flag of every training; rename it")
        if each.kind is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=shown)
        else:
            choices = each.metadata.get("choices")
            metavar = f"{{{','.join(map(str, choices))}}}" if choices else each.name.upper()
            group.add_argument(flag, type=_flag_type(each), help=shown, metavar=metavar)
    return parser


def _share(text: str) -> float:
    """A number between 0 and 1, without both."""
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, such as 0.2, got {text!r}")
    return share


def _options(model: Any) -> list[Any]:
    """The options of a model that a user chooses; the others, such as the size of the images, the data decides."""
    return [each for each in model.Options.specifications() if not each.from_data]


def _flag_type(specification: Any) -> Any:
    """The type of a flag for an option; the model checks the range of the value."""

    def value(text: str) -> Any:
        try:
            return specification.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return value


def _train(arguments: argparse.Namespace, ranks: Any) -> int:
    from .. import kernels
    from ..data import HeldOut, Loader
    from ..models import BaseGAN, CycleGAN, ImageModel, Pix2Pix, Repair, family
    from ..train import (
        Run,
        RunError,
        build_model,
        check_training,
        find_run,
        fit,
        load_split,
        load_validation,
        open_run,
    )
    from ..train.environment import describe_environment
    from ..train.mpi import MPICommunicator, see_own_gpu
    from ..train.nccl import gpu_communicator
    from ..train.parallel import on_all_ranks

    def model_on(device: str, config: dict[str, Any], source: Path | None = None) -> Any:
        with memory_limit():
            model = build_model(config, source)
        model.to(device)
        if device == "cuda":
            kernels.load("cuda")  # what is missing is said before there is a folder
        return model

    def loader_of(config: dict[str, Any], source: Path | None = None) -> Loader:
        # The last batch of an epoch is left out if it is smaller: batch norm would learn its statistics from too few.
        data, size = load_split(config, "train", source), config["batch_size"]
        if len(data) < 2:
            raise RunError(f"expected at least 2 images to train with, {data.name} has {len(data)}{_left(config)}")
        if len(data) < size:
            raise RunError(
                f"{data.name} has {len(data)} images to train with{_left(config)}, fewer than a batch of {size}: "
                f"give --batch-size {len(data)} or less, but at least 2"
            )
        missing = len(data.classes) - len(set(data.labels.tolist())) if data.labels is not None else 0
        if missing and _left(config) and hasattr(family(config["model"]).Options, "classes"):
            raise RunError(
                f"{missing} of {len(data.classes)} classes have no image to train with{_left(config)}: a "
                f"{config['model']}, which is asked for a class, needs images of all"
            )
        heldout = load_validation(config, source)
        transform = None if heldout is None else HeldOut(heldout)
        return Loader(data, size, seed=config["seed"], drop_last=True, transform=transform)

    run: Any = None
    loader: Any = None
    model: Any = None
    measure: Any = None

    def choose() -> Any:
        """The config, its file if there is one, and what changes in it: on the first rank, which alone reads runs."""
        nonlocal run
        if ranks.rank:
            return None
        asked = _asked_config(arguments)
        if asked["epochs"] and asked["steps"]:
            raise RunError("--epochs and --steps contradict each other: give one of them")
        if resume and arguments.overwrite:
            raise RunError("--resume and --overwrite contradict each other: give one of them")
        if find_run(name).is_file():
            raise RunError(f"{find_run(name)} is a file; choose another name with --run NAME")
        if not resume:
            return _completed(asked), None, {}
        run = open_run(name)
        if "compressed" in run.config:
            origin = run.config["compressed"]["from"]
            raise RunError(f"the run {run} is compressed and cannot be trained: go on with {origin}")
        changes = _reconcile(run, asked)
        device = asked["device"] or run.config["device"]
        changes |= {"measure": True} if asked["measure"] else {}
        changes |= {"device": device, "environment": describe_environment(device)}
        return run.config, run.path / "config.json", changes

    def build() -> None:
        """The data and the model, before the folder of a new run is made: a mistake leaves none behind."""
        nonlocal loader, model, measure
        loader = loader_of(config, source)
        if not resume:
            _fit_to(config, loader)
        model = model_on((config | changes)["device"], config, source)
        if arguments.graph and config.get("validation") and isinstance(model, BaseGAN):
            raise RunError("--graph: the CPU puts D back after it has seen held-out images: leave out --validation")
        if ranks.rank == 0:
            measure = _epoch_measure(config | changes, model)

    resume = arguments.resume or arguments.previous
    name = arguments.name or f"{family(arguments.model).name}-{_short(arguments.data or family(arguments.model).DATA)}"
    config, source, changes = on_all_ranks(ranks, choose)[0]
    if (config | changes)["device"] == "cuda" and isinstance(ranks, MPICommunicator):
        see_own_gpu(ranks)
    on_all_ranks(ranks, build)
    shards = config.get("shards", 1)
    check_training(model, loader, shards=shards, communicator=ranks, graph=arguments.graph)
    if ranks.rank == 0 and run is None:
        _say_flips(config, loader.dataset)
        run = Run.create(find_run(name), config, arguments.overwrite)
        print_line(f"run {run.path}: {arguments.model} on {loader.dataset!r}")
    config |= changes
    if config["device"] == "cuda" and ranks.size > 1:
        ranks, reason = gpu_communicator(ranks)
        if reason:
            print_line(f"gradients go through the memory of the computers, not from GPU to GPU: {reason}")
    with contextlib.nullcontext() if run is None else run.lock:
        if run is not None and changes:
            run.update_config(**changes)
        result = fit(
            model,
            loader,
            run,
            config["epochs"],
            steps=config.get("steps"),
            resume=resume,
            previous=arguments.previous,
            checkpoint_every=arguments.checkpoint_every,
            measure=measure,
            held_out=_held_out(config) if run is not None and isinstance(model, ImageModel) else None,
            patience=config.get("patience"),
            shards=shards,
            communicator=ranks,
            graph=arguments.graph,
        )
    if run is None:
        return 130 if result.interrupted else 0
    if result.stopped_early:
        print_line(
            f"stopped early after epoch {result.epoch}: the loss on the held-out images has not fallen for "
            f"{config['patience']} measurements; see {run.measures}"
        )
    if result.interrupted:
        print_line(
            f"stopped after step {result.step} and saved to {result.checkpoint}; "
            f"to go on: minigen train {arguments.model} --run {name} --resume"
        )
        return 130
    number, unit = (result.epoch, "epoch") if config["epochs"] else (result.step, "step")
    done = f"{number} {unit}{'s' * (number != 1)}"
    print_line(f"{done} done; samples: {run.samples(math.ceil(result.step / len(loader)))}")
    more = f"more of them: minigen sample {name}"
    if isinstance(model, ImageModel):
        verb = "repair" if isinstance(model, Repair) else "translate"
        pictures = (
            f"pictures of your own: minigen {verb} {name} IMAGE; "
            if isinstance(model, Repair | Pix2Pix | CycleGAN)
            else ""
        )
        more = f"{pictures}measured: minigen evaluate {name}"
    print_line(f"{more}; how they came about: minigen gif {name}")
    return 0


def _held_out(config: dict[str, Any]) -> Any:
    """The images for the pictures of a training from image to image; those of the training are easier."""
    from ..train import RunError, load_split

    try:
        return load_split(config, "test")
    except (OSError, RunError, ValueError):
        print_line(f"note: {config['data']} has no test images: the pictures of samples show training images")
        return None


def _epoch_measure(config: dict[str, Any], model: Any) -> Any:
    """What is measured after each epoch: by ``--measure``, ``--validation`` of a VAE, both, or None."""
    functions = [_judged(config, model)] if config.get("measure") else []
    functions += [_validated(config, model)] if config.get("validation") else []
    functions = [function for function in functions if function is not None]
    if config.get("patience") and not any(hasattr(function, "dataset") for function in functions):
        from ..train import RunError

        raise RunError(
            "--patience: needs --validation and a VAE; the losses of a GAN's two networks do not say how good it is"
        )
    if not functions:
        return None
    return lambda model: {name: value for function in functions for name, value in function(model).items()}


def _validated(config: dict[str, Any], model: Any) -> Any:
    """What ``--validation`` measures after each epoch; None for a GAN, which logs it at every step."""
    from ..metrics.progress import ValidationLoss
    from ..models.gan import BaseGAN
    from ..models.vae import BaseVAE
    from ..train import RunError, load_validation

    if isinstance(model, BaseVAE):
        heldout = load_validation(config)
        assert heldout is not None  # the option is set
        return ValidationLoss(heldout)
    if isinstance(model, BaseGAN) and getattr(model, "FIELD", "") == "images" and config["model"] != "ssgan":
        return None
    raise RunError(f"--validation: {config['model']} has neither a D of images nor a loss to watch; leave it out")


def _left(config: dict[str, Any]) -> str:
    """Which flags left fewer images than the set has, for a message."""
    flags = [f"--{name} {config[name]}" for name in ("images", "validation") if config.get(name)]
    return f" ({' and '.join(flags)})" if flags else ""


def _say_flips(config: dict[str, Any], dataset: Any) -> None:
    """Warn if images with labels are mirrored."""
    names = (config["options"].get("augment") or "").split("+")
    if "flip" in map(str.strip, names) and dataset.labels is not None:
        print(
            f"note: --augment flip mirrors images of {len(dataset.classes)} classes: a mirrored digit or letter is not "
            "what its label says",
            file=sys.stderr,
        )


def _judged(config: dict[str, Any], model: Any) -> Any:
    """What ``--measure`` measures."""
    from ..metrics import Reference, load_judges
    from ..metrics.progress import EpochMeasure
    from ..models import GenerativeModel
    from ..train import RunError, load_split

    if not isinstance(model, GenerativeModel):
        raise RunError(f"--measure: {config['model']} makes no images from noise")
    # All training images, also for a run that sees a part: the reference is that of `minigen evaluate`.
    train, test = (load_split(config | {"images": None}, split) for split in ("train", "test"))
    reason = load_judges().why_not(train)
    if reason:
        raise RunError(f"--measure: no judges are shipped for {train.name}: {reason}; leave --measure out")
    return EpochMeasure(Reference(load_judges(), train, test))


def _asked_config(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line asks for, in the form of a config; None for what was not given."""
    from ..models import absolute_name, family

    plain = (
        *("data", "size", "images", "validation", "patience", "epochs", "steps", "batch_size", "shards", "seed"),
        "device",
    )
    options = {each.name: getattr(arguments, each.name) for each in _options(family(arguments.model))}
    asked = {name: getattr(arguments, name) for name in plain}
    asked["measure"] = True if arguments.measure else None
    return {"model": absolute_name(arguments.model), **asked, "options": options}


def _completed(asked: dict[str, Any]) -> dict[str, Any]:
    """The config of a new run: what was asked for, and defaults for the rest but the epochs; see `_fit_to`."""
    from ..models import family
    from ..train.environment import describe_environment
    from ..train.mpi import rank_of_launcher

    model = family(asked["model"])
    defaults: dict[str, Any] = {
        "data": model.DATA,
        "size": None,
        "images": None,
        "validation": None,
        "patience": None,
        "epochs": None,
        "steps": None,
        "batch_size": model.BATCH_SIZE,
        "seed": 0,
        "device": "cpu",
    }
    chosen = {key: default if asked[key] is None else asked[key] for key, default in defaults.items()}
    options = {
        each.name: each.default if asked["options"][each.name] is None else asked["options"][each.name]
        for each in _options(model)
    }
    environment = describe_environment(chosen["device"])
    extra: dict[str, Any] = {"measure": True} if asked["measure"] else {}
    shards = asked["shards"] or (1 if rank_of_launcher() is None else SHARDS)
    extra |= {"shards": shards} if shards > 1 else {}
    return {"model": asked["model"], **chosen, **extra, "options": options, "environment": environment}


def _fit_to(config: dict[str, Any], loader: Any) -> None:
    """Enter into the config of a new run what the data decides."""
    from ..models import family

    model, dataset = family(config["model"]), loader.dataset
    config["options"] |= model.data_options(dataset)
    if not config["epochs"] and not config["steps"]:
        config["epochs"] = max(model.EPOCHS, math.ceil(model.LEAST_STEPS / len(loader)))
    if "classes" in config["options"]:
        config["class_names"] = list(dataset.classes)


def _reconcile(run: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Compare what is asked of a run that is resumed with its config; return the changes to its length.

    Another device is fine; any other change is refused.
    """
    from ..train import RunError

    config = run.config
    free = ("options", "epochs", "steps", "device", "measure")
    given = {key: value for key, value in asked.items() if key not in free and value is not None}
    given |= {key: value for key, value in asked["options"].items() if value is not None}
    known = {"shards": 1} | config | config["options"]
    for key, value in given.items():
        if known.get(key) != value:
            raise RunError(
                f"the run {run.path} was made with {key} = {known.get(key)}, not {value}: "
                "leave that out to go on with it, or give another --run NAME"
            )
    changes: dict[str, Any] = {}
    for unit, other in (("epochs", "steps"), ("steps", "epochs")):
        if asked[unit] is None:
            continue
        if config.get(unit) is None:
            raise RunError(f"the run {run.path} is set for {config[other]} {other}: give --{other} to prolong it")
        if asked[unit] < config[unit]:
            raise RunError(
                f"the run {run.path} is set for {config[unit]} {unit}: --{unit} can prolong it, not shorten it"
            )
        changes[unit] = asked[unit]
    return changes


def _short(data: str) -> str:
    """A data set's name as part of a folder's name."""
    from ..data import DATASETS

    kind, _, rest = data.partition(":")
    if kind in DATASETS and DATASETS[kind].argument == "SET" and rest:
        return f"{kind}-{_short(rest)}"
    name = Path(rest).resolve().name if rest else kind
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name) or "data"
