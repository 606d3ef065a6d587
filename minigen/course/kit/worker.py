"""The process in which a student's file runs: started by `minigen.course.kit.runner`, one request, then gone.

It reads a request from its standard input, and writes one line of JSON for everything that happens to what was its
standard output; whatever the student's file prints goes elsewhere.  This keeps accidents apart, not attacks: a file
can read the tests and forge results if it tries to.
"""

import contextlib
import faulthandler
import functools
import json
import math
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .forbidden_imports import forbidden_imports
from .result import UNLOADED, Mistakes
from .submission import GRACE, Submission, attempt, load
from .testing import Test, load_tests

__all__ = ["main"]


def _limit(megabytes: int) -> bool:
    """Limit the memory and the length of files; whether the memory could be limited."""
    try:
        import resource
    except ImportError:  # Windows
        return False
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000_000, 50_000_000))
    try:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # macOS has no /proc, and does not keep this limit
        return False
    resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 1_000_000,) * 2)
    return True


def _limit_processor(seconds: float) -> None:
    """Let the system end this process if it uses `seconds` and `GRACE` of processor time more than now."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + seconds + GRACE), hard))


def _end_with_the_grader(pipe: int) -> None:
    """End this process, and what the file has started, when `pipe` closes: the grader is gone, however it ended."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # the timers are for the main thread
    while os.read(pipe, 1):
        pass
    if os.name == "posix" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main() -> None:
    """Read a request, serve it, report."""
    request = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_grader, args=(os.dup(0),), daemon=True).start()
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)

    own = os.getpid()

    def report(**event: Any) -> None:
        if os.getpid() != own:  # a copy of this process that the file has made goes on here: it has no part in this
            os._exit(0)
        channel.write(json.dumps(event) + "\n")
        channel.flush()

    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a file may print any text
    faulthandler.enable(all_threads=False)  # a crash says where, among what the file has printed
    warnings.simplefilter("ignore")
    tests = {t.name: t for t in load_tests(Path(request["tests"]))}
    mistakes = Mistakes(request["mistakes"])
    report(ready=_limit(request["memory"]))
    for job in request["jobs"]:
        _serve(job, request, tests, mistakes, report)
    report(done=True)
    channel.close()
    os._exit(0)  # whatever the file has left running


def _serve(
    job: dict[str, Any],
    request: dict[str, Any],
    tests: dict[str, Test],
    mistakes: Mistakes,
    report: Callable[..., None],
) -> None:
    name, filename, seconds = job["name"], job["filename"], request["seconds"]
    tasks = dict(request["tasks"])
    theirs = forbidden_imports(job["source"], request["forbidden"], tasks)
    names = [n for own in tasks.values() for n in own]
    loaded: list[Submission] = []
    report(job=name, begin="", seconds=seconds)
    time_up = functools.partial(report, time_up=True)
    _limit_processor(seconds)
    first = attempt(
        lambda: loaded.append(load(job["source"], filename, job["reference"])), filename, seconds, (), time_up
    )
    if not first.passed:
        report(job=name, end="", outcome=asdict(replace(first, reason=f"{UNLOADED}: {first.reason}")))
        return
    for test in job["tests"]:
        limit = tests[test].seconds or seconds
        report(job=name, begin=test, seconds=limit)
        outcome = theirs.get(tests[test].task)
        if outcome is None:
            call = functools.partial(tests[test].function, loaded[0])
            _limit_processor(limit)
            outcome = attempt(call, filename, limit, names, time_up)
        if not outcome.passed:
            outcome = replace(outcome, hint=mistakes.hint(test, outcome))
        report(job=name, end=test, outcome=asdict(outcome))
        sys.stdout.flush()
        if job["first"] and not outcome.passed:
            return


if __name__ == "__main__":
    main()
