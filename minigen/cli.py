"""The command line: ``minigen train``, ``minigen sample`` and the rest.

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
from typing import Any

__all__ = ["main"]

DESCRIPTION = """\
minigen: image generation from scratch, on an autograd engine of its own.

  minigen train dcgan            learn handwritten digits (about 5 minutes on a laptop)
  minigen sample dcgan-mnist5k   draw new ones
"""

DATA = "mnist5k"

ELSEWHERE = {
    "bench": ("minigen.bench.command", "time kernels and training steps, beside PyTorch where it is installed"),
    "check": ("minigen.check.command", "check that gradients are right, ours or your own"),
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
    from .train import RunError

    return (RunError, ValueError, OSError, ImportError)


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

    sample = commands.add_parser(
        "sample",
        help="make new images with a trained model",
        description="Make new images with a trained model, and write them as one grid.",
    )
    sample.add_argument("model_run", metavar="RUN", help="name of a run in the folder runs, or a path")
    sample.add_argument("-n", type=_at_least(1), default=64, help="how many (default: 64)")
    sample.add_argument("--out", type=Path, metavar="FILE", help="where to (default: sample.png in the run's folder)")
    sample.add_argument("--seed", type=_at_least(0), default=0, help="seed of the noise (default: 0)")
    sample.add_argument("--previous", action="store_true", help="use the checkpoint before the last one")
    sample.set_defaults(run=_sample)

    info = commands.add_parser("info", help="show versions, kernels, threads and data sets: what a bug report needs")
    info.set_defaults(run=_info)
    data = commands.add_parser("data", help="list the data sets, with sizes, licences and sources")
    data.set_defaults(run=_data)

    for name, (module, line) in ELSEWHERE.items():
        command = commands.add_parser(name, help=line, description=line.capitalize() + ".", formatter_class=formatter)
        if name in argv:
            import_module(module).add_arguments(command)
            command.set_defaults(run=import_module(module).run)
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
    parser.add_argument("--size", type=_at_least(1), help="side of the images in pixels (default: the set's own)")
    parser.add_argument(
        "--epochs", type=_at_least(1), help=f"how often to go through the data (default: {model.EPOCHS})"
    )
    parser.add_argument("--batch-size", type=_at_least(2), help=f"images a step (default: {model.BATCH_SIZE})")
    parser.add_argument("--seed", type=_at_least(0), help="seed of everything random (default: 0)")
    parser.add_argument("--run", dest="name", metavar="NAME", help=f"name of the run, or a path (default: {name}-DATA)")
    parser.add_argument(
        "--checkpoint-every", type=_at_least(1), metavar="STEPS", help="save this often, and after every epoch"
    )
    parser.add_argument("--resume", action="store_true", help="go on with a run; more --epochs than before prolong it")
    parser.add_argument("--previous", action="store_true", help="go on from the checkpoint before the last one")
    parser.add_argument("--overwrite", action="store_true", help="start again where there is a run of that name")
    group = parser.add_argument_group(f"options of {name}")
    for option, text in model.OPTIONS.items():
        default = inspect.signature(model).parameters[option].default
        kind = int if default is None else type(default)
        shown = "" if default is None else f" (default: {default})"
        group.add_argument(f"--{option.replace('_', '-')}", type=kind, help=text + shown)
    parser.set_defaults(run=_train, model=name)


def _at_least(least: int) -> Any:
    def whole_number(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
        return int(text)

    return whole_number


# ---- train


def _train(arguments: argparse.Namespace) -> int:
    from .train import Run, RunError, find_run, fit

    asked = _asked_config(arguments)
    name = arguments.name or f"{arguments.model}-{_short(asked['data'] or DATA)}"
    resume = arguments.resume or arguments.previous
    if resume and arguments.overwrite:
        raise RunError("--resume and --overwrite contradict each other: give one of them")
    if resume:
        run = _open(name)
        _reconcile(run, asked)
        loader = _loader(run.config)
        model = _model(run.config)
    else:
        config = _completed(asked, arguments.model)
        loader = _loader(config)
        channels, height, _ = loader.dataset.shape
        config["image"] = {"size": height, "channels": channels}
        model = _model(config)  # before the folder is made, so that a mistake leaves none behind
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
    print(f"{outcome.epoch} epochs done; samples: {run.samples(outcome.epoch)}; more: minigen sample {name}")
    return 0


def _asked_config(arguments: argparse.Namespace) -> dict[str, Any]:
    """What the command line asks for, in the form of a config; None for what was not given."""
    from .models import MODELS

    plain = ("model", "data", "size", "epochs", "batch_size", "seed")
    options = {name: getattr(arguments, name) for name in MODELS[arguments.model].OPTIONS}
    return {name: getattr(arguments, name) for name in plain} | {"options": options}


def _completed(asked: dict[str, Any], name: str) -> dict[str, Any]:
    """The config of a new run: what was asked for, and defaults for the rest."""
    from .models import MODELS

    model = MODELS[name]
    defaults = {"data": DATA, "size": None, "epochs": model.EPOCHS, "batch_size": model.BATCH_SIZE, "seed": 0}
    chosen = {key: default if asked[key] is None else asked[key] for key, default in defaults.items()}
    parameters = inspect.signature(model).parameters
    options = {key: parameters[key].default if value is None else value for key, value in asked["options"].items()}
    return {"model": name, **chosen, "options": options, "versions": _versions()}


def _reconcile(run: Any, asked: dict[str, Any]) -> None:
    """Let the command line prolong a run that is resumed, and refuse it any other change."""
    from .train import RunError

    config = run.config
    given = {key: value for key, value in asked.items() if key not in ("options", "epochs") and value is not None}
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
    now, before = _versions(), config["versions"]
    changed = [f"{key} {before[key]}, now {now.get(key)}" for key in before if now.get(key) != before[key]]
    if changed:
        print(f"note: goes on, but not bit for bit: made with {'; '.join(changed)}", file=sys.stderr)


def _open(name: str) -> Any:
    """The run called `name`, if it is one that the command line made."""
    from .train import Run, RunError, find_run

    run = Run(find_run(name))
    if "model" not in run.config:
        raise RunError(f"the run {run.path} was not made by minigen train: its config names no model")
    return run


def _loader(config: dict[str, Any]) -> Any:
    """The data of a config, in batches."""
    from . import data

    dataset = data.load(config["data"], size=config["size"])
    height, width = dataset.images.shape[2:]
    if height != width:
        raise ValueError(f"{config['data']}: images of {height}x{width}, expected square ones: give --size")
    # The last batch of an epoch is left out if it is smaller: batch norm would learn its statistics from too few.
    return data.Loader(dataset, config["batch_size"], seed=config["seed"], drop_last=True)


def _model(config: dict[str, Any]) -> Any:
    """The model of a config, as at the start of its run: the seed decides its first weights too."""
    from . import backend, models

    backend.manual_seed(config["seed"])
    return models.build(config["model"], **config["image"], **config["options"])


def _short(data: str) -> str:
    """A data set's name as part of a folder's name."""
    kind, _, path = data.partition(":")
    name = Path(path).resolve().name if path else kind
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name) or "data"


# ---- sample


def _sample(arguments: argparse.Namespace) -> None:
    import numpy as np

    from . import plot
    from .train import restore

    run = _open(arguments.model_run)
    state = run.load(arguments.previous)
    out = arguments.out or run.path / "sample.png"
    model = _model(run.config)
    restore(model, state, run.path)
    plot.save_image_grid(out, model.sample(arguments.n, np.random.default_rng(arguments.seed)))
    print(f"{arguments.n} samples of step {state['counters']['step']}: {out}")


# ---- info and data


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _versions() -> dict[str, str | None]:
    """What a run's exact numbers depend on."""
    return {"minigen": _version("minigen-lab"), "numpy": _version("numpy"), "numba": _version("numba")}


def _info(arguments: argparse.Namespace) -> None:
    from . import data, kernels

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
