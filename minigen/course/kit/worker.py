"""The process in which a student's file runs: started by `minigen.course.kit.runner`, one request, then gone.

It reads a request from its standard input, and writes one line of JSON for everything that happens to what was its
standard output; whatever the student's file prints goes elsewhere.  This keeps accidents apart, not attacks: a file
that wants to can read the tests and write results of its own.
"""

import faulthandler
import functools
import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from .forbidden_imports import forbidden_imports
from .result import UNLOADED, Mistakes
from .submission import Submission, attempt, load
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


def main() -> None:
    """Read a request, serve it, report."""
    request = json.load(sys.stdin)
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)

    def report(**event: Any) -> None:
        channel.write(json.dumps(event) + "\n")
        channel.flush()

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
    first = attempt(lambda: loaded.append(load(job["source"], filename, job["reference"])), filename, seconds)
    if not first.passed:
        report(job=name, end="", outcome=asdict(replace(first, reason=f"{UNLOADED}: {first.reason}")))
        return
    for test in job["tests"]:
        limit = tests[test].seconds or seconds
        report(job=name, begin=test, seconds=limit)
        outcome = theirs.get(tests[test].task)
        if outcome is None:
            call = functools.partial(tests[test].function, loaded[0])
            outcome = attempt(call, filename, limit, names)
        if not outcome.passed:
            outcome = replace(outcome, hint=mistakes.hint(test, outcome))
        report(job=name, end=test, outcome=asdict(outcome))
        sys.stdout.flush()
        if job["first"] and not outcome.passed:
            return


if __name__ == "__main__":
    main()
