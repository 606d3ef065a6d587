"""Parse the command line, run the command, and turn an error into one line.

A mistake of the user costs one line on the standard error stream and exit code 2.  ``--debug`` shows the traceback.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from .._util.optional import installed_version

__all__ = ["COMMANDS", "main"]

DESCRIPTION = """\
minigen: image generation from scratch, on its own autograd engine.

  minigen train dcgan            learn handwritten digits (about 5 minutes on a laptop)
  minigen sample dcgan-mnist5k   make new ones
  minigen train vae --latent 2   the same digits, each with a code of two numbers
  minigen manifold vae-mnist5k   the images of all these codes
"""

COMMANDS = {
    "train": "train a model",
    "sample": "make new images with a trained model, of chosen classes if it knows classes",
    "interpolate": "interpolate between random latent vectors",
    "manifold": "draw the whole plane of codes of a model trained with --latent 2",
    "reconstruct": "show images beside their reconstructions from a VAE's code",
    "traverse": "show what each component of a VAE's code changes",
    "evaluate": "measure a trained model: a VAE's bound, a GAN's two networks",
    "gif": "show the samples of each epoch one after the other",
    "bench": "time kernels and training steps, beside PyTorch if it is installed",
    "check": "check that gradients are right, minigen's or your own",
    "course": "assignments: check your answers, or build and grade them",
    "lesson": "list the lessons, or open one",
    "data": "list the data sets, with sizes, licences and sources",
    "info": "show versions, kernels, threads and data sets: what a bug report needs",
}
"""Every command with a line of help.  The module of this package with the same name adds its flags and runs it."""


class _CommandParser(argparse.ArgumentParser):
    """The parser of one command; the command's module is imported only when its arguments are parsed."""

    command: str | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.command is not None:
            module = import_module(f".{self.command}", __package__)
            self.command = None
            module.add_arguments(self)
            self.set_defaults(run=module.run)
        return super().parse_known_args(args, namespace)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        The exit code: 0 for success; 1 where a check fails, or for a fault of minigen; 2 for a mistake of the user;
        130 after Ctrl-C.

    Examples
    --------
    >>> main(["data"])  # doctest: +ELLIPSIS
    name           images           shape    needs                      licence
    ...
    0
    """
    arguments = argparse.Namespace(debug=False)
    try:
        _parser().parse_args(argv, arguments)
        return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except Exception as error:
        if arguments.debug or not isinstance(error, _expected()):
            raise
        print(f"minigen: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _expected() -> tuple[type[Exception], ...]:
    """Errors whose message is written for the user.  Anything else is a mistake of ours, and shows its traceback."""
    from ..backend import DeviceError
    from ..train import RunError

    return (RunError, DeviceError, ValueError, OSError, ImportError)


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("minigen", description=DESCRIPTION, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"minigen {installed_version('minigen-lab')}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_CommandParser)
    for name, line in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line.capitalize() + ".", formatter_class=formatter)
        command.command = name
        # Without a default of its own: that would replace the value of `minigen --debug COMMAND`.
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser
