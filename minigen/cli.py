"""The command line: ``minigen train``, and the way to all other commands.

A mistake of the user's costs one line on the standard error stream and exit code 2; ``--debug`` shows where it
came from.  What a command needs is imported when it runs, so that ``--help`` comes at once.
"""

import argparse
import inspect
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, get_args

from .flags import at_least

__all__ = ["main"]

DESCRIPTION = """\
minigen: image generation from scratch, on an autograd engine of its own.

  minigen train dcgan            learn handwritten digits (about 5 minutes on a laptop)
  minigen sample dcgan-mnist5k   draw new ones
  minigen train vae --latent 2   the same digits, each with a code of two numbers
  minigen manifold vae-mnist5k   all that these codes can draw
"""

DATA = "mnist5k"

ELSEWHERE = {
    "sample": ("minigen.explore.samples", "make new images with a trained model, of chosen classes if it knows any"),
    "interpolate": ("minigen.explore.interpolation", "go from one random latent vector to another"),
    "manifold": ("minigen.explore.manifold", "draw the whole plane of codes of a model trained with --latent 2"),
    "reconstruct": ("minigen.explore.reconstruction", "show images beside what a VAE's code keeps of them"),
    "traverse": ("minigen.explore.traversal", "show what each component of a VAE's code does"),
    "evaluate": ("minigen.explore.evaluation", "measure a trained model: a VAE's bound, a GAN's players"),
    "gif": ("minigen.explore.animation", "show the samples of each epoch one after the other"),
    "bench": ("minigen.bench.command", "time kernels and training steps, beside PyTorch where it is installed"),
    "check": ("minigen.check.command", "check that gradients are right, ours or your own"),
    "course": ("minigen.course.kit.command", "assignments: check your answers, or build and grade them"),
    "lesson": ("minigen.lessons", "list the lessons, or open one"),
}
"""Commands whose arguments stand in a module of their own, by name: that module, and a line of help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default the process's own.

    Returns
    -------
    int
        The exit code: 0, or 2 for a mistake of the user's, or 130 where Ctrl-C ended it.

    Examples
    --------
    >>> main(["data"])  # doctest: +ELLIPSIS
    name           images           shape    needs                      licence
    ...
    0
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    debug = "--debug" in argv  # wherever it stands
    argv = [argument for argument in argv if argument != "--debug"]
    arguments = _parser(argv).parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except Exception as error:
        if debug or not isinstance(error, _expected()):
            raise
        print(f"minigen: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _expected() -> tuple[type[Exception], ...]:
    """Errors whose message is written for the user.  Anything else is a mistake of ours, and shows its traceback."""
    from .backend import DeviceError
    from .train import RunError

    return (RunError, DeviceError, ValueError, OSError, ImportError)


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("minigen", description=DESCRIPTION, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"minigen {_version('minigen-lab')}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    train = commands.add_parser(
        "train",
        help="train a model",
        description="Train a model; everything it leaves goes to a folder of its own, runs/NAME.",
    )
    models = train.add_subparsers(metavar="MODEL", required=True)
    if "train" in argv:  # the flags of a model are those of its class, which takes a moment to import
        from .models import MODELS

        for name, model in MODELS.items():
            _add_training(models, name, model)

    for name, (module, line) in ELSEWHERE.items():
        command = commands.add_parser(name, help=line, description=line.capitalize() + ".", formatter_class=formatter)
        if name in argv:
            import_module(module).add_arguments(command)
            command.set_defaults(run=import_module(module).run)

    data = commands.add_parser("data", help="list the data sets, with sizes, licences and sources")
    data.set_defaults(run=_data)
    info = commands.add_parser("info", help="show versions, kernels, threads and data sets: what a bug report needs")
    info.set_defaults(run=_info)
    return parser


def _add_training(models: Any, name: str, model: Any) -> None:
    """The flags of ``minigen train NAME``: those of every training, then the model's own.

    None is what a flag is that was not given, so that a resumed run knows what was asked for and what was not.
    """
    summary = (sys.modules[model.__module__].__doc__ or "").partition("\n")[0]
    parser = models.add_parser(
        name,
        help=summary,
        description=f"{summary}  Leaves config, log, sample grids and checkpoints in runs/NAME.",
        epilog=f"Stopped or killed, it goes on bit for bit where it was: minigen train {name} --resume",
    )
    parser.add_argument(
        "--data", help=f"data set (see minigen data), or folder:PATH for images of your own (default: {DATA})"
    )
    parser.add_argument("--size", type=at_least(1), help="side of the images in pixels (default: the set's own)")
    parser.add_argument(
        "--epochs", type=at_least(1), help=f"how often to go through the data (default: {model.EPOCHS})"
    )
    parser.add_argument("--batch-size", type=at_least(2), help=f"images a step (default: {model.BATCH_SIZE})")
    parser.add_argument("--seed", type=at_least(0), help="seed of everything random (default: 0)")
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), help="where to compute; cuda needs an NVIDIA GPU (default: cpu)"
    )
    parser.add_argument("--run", dest="name", metavar="NAME", help=f"name of the run, or a path (default: {name}-DATA)")
    parser.add_argument(
        "--checkpoint-every", type=at_least(1), metavar="STEPS", help="save this often, and after every epoch"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run; more --epochs than before prolong it")
    parser.add_argument("--previous", action="store_true", help="go on from the checkpoint before the last one")
    parser.add_argument("--overwrite", action="store_true", help="start again where there is a run of that name")
    group = parser.add_argument_group(f"options of {name}")
    for option, text in _options(model).items():
        parameter = inspect.signature(model).parameters[option]
        default = parameter.default
        kind = (get_args(parameter.annotation) or [parameter.annotation])[0]  # int of `int | None`
        shown = "" if default is None else f" (default: {default})"
        group.add_argument(f"--{option.replace('_', '-')}", type=kind, help=text + shown)
    parser.set_defaults(run=_train, model=name)


def _options(model: Any) -> dict[str, str]:
    """A model's options, without the number of classes: like the size of the images, the data decides it."""
    return {option: text for option, text in model.OPTIONS.items() if option != "classes"}


# ---- train


def _train(arguments: argparse.Namespace) -> int:
    from . import kernels
    from .data import Loader
    from .explore.trained import build_model, load_split, open_run
    from .train import Run, RunError, find_run, fit

    def model_on(device: str, config: dict[str, Any]) -> Any:
        model = build_model(config).to(device)
        if device == "cuda":
            kernels.load("cuda")  # what is missing is said before there is a folder
        return model

    def loader_of(config: dict[str, Any]) -> Loader:
        # The last batch of an epoch is left out if it is smaller: batch norm would learn its statistics from too few.
        return Loader(load_split(config, "train"), config["batch_size"], seed=config["seed"], drop_last=True)

    asked = _asked_config(arguments)
    name = arguments.name or f"{arguments.model}-{_short(asked['data'] or DATA)}"
    resume = arguments.resume or arguments.previous
    if resume and arguments.overwrite:
        raise RunError("--resume and --overwrite contradict each other: give one of them")
    if resume:
        run = open_run(name)
        _reconcile(run, asked)
        loader = loader_of(run.config)
        device = asked["device"] or run.config.get("device", "cpu")
        model = model_on(device, run.config)
        run.update_config(device=device)
    else:
        config = _completed(asked, arguments.model)
        loader = loader_of(config)
        _fit_to(config, loader.dataset)
        model = model_on(config["device"], config)  # before the folder is made, so that a mistake leaves none behind
        run = Run.create(find_run(name), config, arguments.overwrite)
        print(f"run {run.path}: {arguments.model} on {loader.dataset!r}")

    outcome = fit(
        model,
        loader,
        run,
        run.config["epochs"],
        resume=resume,
        previous=arguments.previous,
        checkpoint_every=arguments.checkpoint_every,
    )
    if outcome.interrupted:
        print(
            f"stopped after step {outcome.step} and saved to {outcome.checkpoint}; "
            f"to go on: minigen train {arguments.model} --run {name} --resume"
        )
        return 130
    print(f"{outcome.epoch} epochs done; samples: {run.samples(outcome.epoch)}")
    print(f"more of them: minigen sample {name}; how they came about: minigen gif {name}")
    return 0


def _asked_config(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line asks for, in the form of a config; None for what was not given."""
    from .models import MODELS

    plain = ("model", "data", "size", "epochs", "batch_size", "seed", "device")
    options = {name: getattr(arguments, name) for name in _options(MODELS[arguments.model])}
    return {name: getattr(arguments, name) for name in plain} | {"options": options}


def _completed(asked: dict[str, Any], name: str) -> dict[str, Any]:
    """The config of a new run: what was asked for, and defaults for the rest."""
    from .models import MODELS

    model = MODELS[name]
    defaults: dict[str, Any] = {
        "data": DATA,
        "size": None,
        "epochs": model.EPOCHS,
        "batch_size": model.BATCH_SIZE,
        "seed": 0,
        "device": "cpu",
    }
    chosen = {key: default if asked[key] is None else asked[key] for key, default in defaults.items()}
    parameters = inspect.signature(model).parameters
    options = {key: parameters[key].default if value is None else value for key, value in asked["options"].items()}
    return {"model": name, **chosen, "options": options, "versions": _versions(chosen["device"])}


def _fit_to(config: dict[str, Any], dataset: Any) -> None:
    """Enter into the config of a new run what the data decides."""
    from .models import MODELS

    channels, height, _ = dataset.shape
    config["image"] = {"size": height, "channels": channels}
    if "classes" in MODELS[config["model"]].OPTIONS:
        if dataset.labels is None:
            raise ValueError(
                f"{config['model']}: learns from classes, and {config['data']} has none; "
                "of your own images, those of each class go into a sub-folder"
            )
        config["options"]["classes"] = len(dataset.classes)
        config["class_names"] = list(dataset.classes)


def _reconcile(run: Any, asked: dict[str, Any]) -> None:
    """Let the command line prolong a run that is resumed, or move it to another device; refuse any other change."""
    from .train import RunError

    config = run.config
    free = ("options", "epochs", "device")
    given = {key: value for key, value in asked.items() if key not in free and value is not None}
    given |= {key: value for key, value in asked["options"].items() if value is not None}
    known = config | config["options"]
    for key, value in given.items():
        if known[key] != value:
            raise RunError(
                f"the run {run.path} was made with {key} = {known[key]}, not {value}: "
                "leave that out to go on with it, or give another --run NAME"
            )
    if asked["epochs"] is not None:
        if asked["epochs"] < config["epochs"]:
            raise RunError(
                f"the run {run.path} is set for {config['epochs']} epochs: --epochs can prolong it, not shorten it"
            )
        run.update_config(epochs=asked["epochs"])
    was = config.get("device", "cpu")
    device = asked["device"] or was
    now, before = _versions(device) | {"device": device}, config["versions"] | {"device": was}
    changed = [f"{key} {before[key]}, now {now[key]}" for key in before if key in now and now[key] != before[key]]
    if changed:
        print(f"note: goes on, but not bit for bit: made with {'; '.join(changed)}", file=sys.stderr)


def _short(data: str) -> str:
    """A data set's name as part of a folder's name."""
    kind, _, path = data.partition(":")
    name = Path(path).resolve().name if path else kind
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name) or "data"


# ---- info and data


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _versions(device: str) -> dict[str, str | None]:
    """What a run's exact numbers depend on."""
    packages = ["numpy", "numba", *(["cupy-cuda12x", "cupy-cuda13x", "numba-cuda"] if device == "cuda" else [])]
    return {"minigen": _version("minigen-lab"), **{name: _version(name) for name in packages}}


def _info(arguments: argparse.Namespace) -> None:
    from . import backend, data, kernels

    packages = ["numpy", "numba", "matplotlib", "mlxtend", "scikit-learn", "scikit-image", "pooch", "cupy-cuda12x",
                "cupy-cuda13x"]  # fmt: skip
    found = {name: _version(name) for name in packages}
    print(f"minigen      {_version('minigen-lab')}, in {Path(__file__).parent}")
    print(f"Python       {platform.python_version()}, {platform.platform()}")
    print(f"processor    {platform.machine()}, {os.cpu_count()} cores")
    print("packages     " + ", ".join(f"{name} {version}" for name, version in found.items() if version))
    print("missing      " + (", ".join(name for name, version in found.items() if not version) or "none"))
    chosen = os.environ.get("MINIGEN_KERNELS", "auto")
    print(f"kernels      {', '.join(kernels.available())}; MINIGEN_KERNELS is {chosen}")
    print(f"GPU          {backend.why_no_gpu() or 'ready'}")
    threads = [f"{key}={os.environ[key]}" for key in THREAD_VARIABLES if key in os.environ]
    print("threads      " + (", ".join(threads) or "as many as there are cores"))
    for name, row in data.DATASETS.items():
        print(f"data         {name:14} {_presence(name, row)}")


THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")


def _presence(name: str, row: Any) -> str:
    """Whether a data set can be used right now."""
    from .data import cache_folder

    if row.package and not _version(row.package):
        return f"needs {row.package}: python -m pip install {row.package}"
    if row.download and not (cache_folder() / name).is_dir():
        return f"{row.download / 1e6:.0f} MB to download on first use, to {cache_folder() / name}"
    return "here"


def _data(arguments: argparse.Namespace) -> None:
    from . import data

    print(data.table())
