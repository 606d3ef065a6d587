"""Parse the command line, run the command, and turn an error into one line.

An error costs one line on the standard error stream.  ``--debug`` shows the traceback.
"""

import argparse
import errno
import opcode
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

from .._util.optional import extra_of, installed_version, missing_package
from .output import flush_output, is_closed_output, print_line

__all__ = ["COMMANDS", "main"]

DESCRIPTION = """\
minigen: image generation from scratch, on its own autograd engine.

  minigen train dcgan            learn handwritten digits (about 3 minutes on a laptop)
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
    "repair": "repair pictures of your own with a trained model: noise, blur, holes, size",
    "play": "open a page to move the latent code of a trained model, or draw a digit",
    "playground": "watch a small GAN learn points in the plane: losses, gradients, detach on and off",
    "prior": "repair one picture with a network that has seen no other",
    "style": "paint one picture in the style of another",
    "translate": "translate pictures with a trained pix2pix or cyclegan",
    "evaluate": "measure a trained model: a VAE's bound, a GAN's two networks, a repair's dB",
    "compare": "put runs side by side: options, curves, measures, samples",
    "compress": "make a trained model smaller: prune, int8, fold batch norm, a smaller student",
    "human": "let people tell samples from real images, and score their answers",
    "melody": "play notes with a model of sound, into a WAV file",
    "gif": "show the samples of each epoch one after the other",
    "bench": "time kernels and training steps, beside PyTorch if it is installed",
    "check": "check that gradients are right, minigen's or your own",
    "course": "assignments: check your answers, or build and grade them",
    "lesson": "list the lessons, or open one",
    "data": "list the data sets, with sizes, licenses and sources",
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
        if self.get_default("options") is None or "--" not in args:
            return super().parse_known_args(args, namespace)
        dashes = args.index("--")  # what follows is for another program: argparse would want it beside the number
        namespace, unknown = super().parse_known_args(args[:dashes], namespace)
        namespace.options = args[dashes + 1 :]
        return namespace, unknown


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
    name           images           shape    needs                      license
    ...
    0
    """
    arguments = argparse.Namespace(debug=False)
    try:
        _parser().parse_args(argv, arguments)
        return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        print_line("\nstopped", sys.stderr)
        _end_other_ranks(130)
        return 130
    except Exception as error:
        if arguments.debug and not _is_said_by_other_rank(error):
            _end_other_ranks(1, traceback.format_exc())
            raise
        if isinstance(error, OSError) and is_closed_output(error):  # as in `minigen data | head -1`
            _end_other_ranks(1)
            return 1
        line, code = _explain(error)
        if _is_said_by_other_rank(error):
            _await_other_rank()
        else:
            print_line(f"minigen: {' '.join(line.split())}", sys.stderr)
            _end_other_ranks(code)
        return code
    finally:
        flush_output()


def _is_said_by_other_rank(error: Exception) -> bool:
    """Whether another process of an MPI job has the error itself; it says so, and ends the job."""
    from ..train.errors import OtherRankError

    return isinstance(error, OtherRankError)


def _end_other_ranks(code: int, message: str = "") -> None:
    """End all processes of an MPI job, if this is one: the others would wait for it for ever."""
    if "mpi4py.MPI" in sys.modules:
        from ..train.mpi import abort_job

        abort_job(code, message)


def _await_other_rank() -> None:
    """Let the rank that has the error say so; it ends this process, too."""
    if "mpi4py.MPI" in sys.modules:
        from ..train.mpi import await_abort

        await_abort()


def _explain(error: Exception) -> tuple[str, int]:
    """The line that tells the user about an error, and the exit code.

    A mistake of the user (exit code 2) is an error that minigen raised for bad input, or one of the system: a file
    that cannot be read, memory that is not there, a package that is not installed.  Any other error, such as a
    ValueError from inside NumPy, is a fault of minigen (exit code 1), and the line says where it happened.
    """
    if (
        isinstance(error, MemoryError | OverflowError)
        or str(error).startswith(_TOO_LARGE)
        or getattr(error, "errno", None) == errno.ENOMEM
    ):
        reason = str(error) or "an array does not fit"
        return f"not enough memory: {reason}; ask for fewer or smaller images or networks", 2
    if isinstance(error, ModuleNotFoundError) and error.name and extra_of(error.name):
        return missing_package(error.name), 2
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}", 2
    if isinstance(error, OSError | ImportError) or (isinstance(error, _user_errors()) and _raised_on_purpose(error)):
        return str(error), 2
    from ..models.registry import USER_MODULE

    steps = list(traceback.walk_tb(error.__traceback__))
    own = [(frame, line) for frame, line in steps if str(frame.f_globals.get("__name__")).startswith(USER_MODULE)]
    if own:  # in the file of a family of the user's
        frame, number = own[-1]
        where = f"{frame.f_code.co_filename}, line {number} in {frame.f_code.co_name}()"
        return f"{where}: {type(error).__name__}: {error}; --debug shows the traceback", 2
    frames = [frame for frame, _ in steps]
    place = ([frame for frame in frames if _is_ours(frame)] or frames)[-1].f_code
    where = f"{Path(place.co_filename).name} in {place.co_name}()"
    return f"internal error at {where}: {type(error).__name__}: {error}; --debug shows the traceback", 1


_TOO_LARGE = ("array is too big", "Maximum allowed dimension")
"""How NumPy's ValueErrors begin where a size is beyond all memory."""


def _user_errors() -> tuple[type[Exception], ...]:
    """The types of errors whose message is written for the user."""
    from ..backend import DeviceError
    from ..course.kit.assignment import CourseError
    from ..lessons import LessonError
    from ..train import RunError

    return (RunError, DeviceError, CourseError, LessonError, ValueError)


def _raised_on_purpose(error: Exception) -> bool:
    """Whether a `raise` statement of minigen raised the error: not NumPy, and not a built-in function as in int("")."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return last is not None and _is_ours(last.tb_frame) and last.tb_frame.f_code.co_code[last.tb_lasti] == _RAISE


_RAISE = opcode.opmap["RAISE_VARARGS"]


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]


def _parser() -> argparse.ArgumentParser:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("minigen", description=DESCRIPTION, formatter_class=formatter)
    parser.add_argument("--version", action="version", version=f"minigen {installed_version('minigen-lab')}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_CommandParser)
    for name, line in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=line.capitalize() + ".", formatter_class=formatter)
        command.command = name
        # No default here: it would replace the value of `minigen --debug COMMAND`.
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser
