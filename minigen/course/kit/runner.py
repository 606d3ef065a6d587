"""Running tests on students' files: each in a fresh process, with limits on time and memory.

A test that takes too long is first interrupted in its own process (``submission.py``); this file kills what goes on.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..._util.optional import IN_BROWSER
from .assignment import Assignment, CourseError
from .result import UNLOADED, Mistakes, Outcome
from .submission import GRACE, on_the_clock, too_slow

__all__ = ["Budget", "Job", "Run", "Stopped", "run"]

PATIENCE = 2
"""After this number of tests of a job have run out of time, the others are not run."""

IDLE = 5.0
"""A process that uses no processor time for this many seconds, or for its limit if that is longer, waits in vain."""

START = 60.0
"""Seconds that Python, NumPy and the tests may take to be there, on the slowest machine."""


class Stopped(BaseException):
    """Somebody has asked to stop: what the file has done so far is no result."""


def never() -> bool:
    """No one asks to stop."""
    return False


@dataclass(frozen=True)
class Job:
    """A file to be tested.

    Attributes
    ----------
    name : str
        Unique among the jobs of a run.
    source : str
        The file's text.
    filename : str
        What tracebacks call it.
    tests : tuple of str
        Names of the tests to run.
    reference : dict of str to str
        Definitions that take the place of the file's own, by name.
    first : bool
        Whether to stop at the first test that does not pass.
    """

    name: str
    source: str
    filename: str
    tests: tuple[str, ...]
    reference: dict[str, str] = field(default_factory=dict)
    first: bool = False


@dataclass
class Budget:
    """Processor time that all tests of a file may use together; outside Linux, time on the clock.

    It is looked at between tests, so the last one may take its own limit beyond it.

    Attributes
    ----------
    seconds : float
    used : float
        Without what Python, NumPy and the tests take to be there.
    """

    seconds: float
    used: float = 0.0

    @property
    def spent(self) -> bool:
        """Whether nothing is left."""
        return self.used >= self.seconds


@dataclass
class Run:
    """What came of the jobs.

    Attributes
    ----------
    outcomes : dict
        By job and test.
    printed : str
        What the files printed, shortened.
    memory_limited : bool
        Whether this platform can limit memory.
    """

    outcomes: dict[str, dict[str, Outcome]]
    printed: str = ""
    memory_limited: bool = True


def run(
    assignment: Assignment, jobs: Sequence[Job], mistakes: Mistakes | None = None, stop: Callable[[], bool] = never,
    budget: Budget | None = None,
) -> Run:  # fmt: skip
    """Run tests on files.

    One process serves all jobs, until one of them overruns its time, ends it or crashes it; a new one goes on
    with what is left.  Give jobs of one author only, since they could reach each other's.

    Parameters
    ----------
    assignment : Assignment
        Whose tests, and limits.
    jobs : sequence of Job
    mistakes : Mistakes, optional
        To recognize.
    stop : callable, optional
        Asked several times a second whether to stop.
    budget : Budget, optional
        For all jobs together; what is used up is noted in it.

    Returns
    -------
    Run

    Raises
    ------
    Stopped
        If `stop` says so; no process is left.
    """
    result = Run({job.name: {} for job in jobs})
    waiting = list(jobs)
    with tempfile.TemporaryDirectory(prefix="minigen-course-") as scratch, tempfile.TemporaryFile() as printed:
        while waiting:
            if budget and budget.spent:
                said = f"it was not run: all tests of a file may compute for {budget.seconds:g} seconds together"
                for job in waiting:
                    result.outcomes[job.name].update(dict.fromkeys(job.tests, Outcome("time", said)))
                break
            waiting = _one_process(
                assignment, waiting, mistakes or Mistakes([]), Path(scratch), printed, result, stop, budget
            )
        printed.seek(0)
        result.printed = printed.read(4000).decode("utf-8", "replace")
    return result


def _one_process(
    assignment: Assignment,
    jobs: Sequence[Job],
    mistakes: Mistakes,
    scratch: Path,
    printed: Any,
    result: Run,
    stop: Callable[[], bool],
    budget: Budget | None,
) -> list[Job]:
    """Let one process do what it can; the jobs, or parts of them, that are left."""
    request = {
        "tests": str(assignment.tests.resolve()),
        "seconds": assignment.seconds,
        "memory": assignment.memory,
        "mistakes": mistakes.entries,
        "forbidden": assignment.forbidden,
        "tasks": [[task.number, task.names] for task in assignment.tasks],
        "jobs": [asdict(job) for job in jobs],
    }
    at, running, limit, ready, late = 0, "", START, False, False
    before, since = budget.used if budget else 0.0, 0.0
    with _process(request, assignment.environment, scratch, printed) as (process, events):
        while True:
            try:
                event = _next(process, events, limit if ready else None, stop)
            except queue.Empty:
                cause = Outcome("time", too_slow(limit))
                break
            except _Idle:
                cause = Outcome("time", "it waits without computing: for input, in a sleep or on a lock?")
                break
            finally:
                if ready and budget:
                    budget.used = before + _clock(process) - since
            if event is None:
                end = _signal(process.wait())
                if late or end == "signal SIGXCPU":
                    cause = Outcome("time", too_slow(limit))
                    break
                cause = Outcome("exit", f"the program ended by itself, with {end}: does something crash or end it?")
                break
            if "ready" in event:
                ready, result.memory_limited, since = True, event["ready"], _clock(process)
            elif "done" in event:
                return []
            elif "time_up" in event:
                late = True
            elif "begin" in event:
                at = [job.name for job in jobs].index(event["job"])
                running, limit, late = event["begin"], event["seconds"], False
            else:
                cause = Outcome(**event["outcome"])
                tests = [event["end"]] if event["end"] else jobs[at].tests
                result.outcomes[jobs[at].name].update(dict.fromkeys(tests, cause))
                if event["end"] and budget and budget.spent:
                    return _left(jobs, at, event["end"])
                if _late(result.outcomes[jobs[at].name]) >= PATIENCE:
                    break
    if not ready:
        printed.seek(0)
        said = printed.read().decode("utf-8", "replace").strip().splitlines()
        raise CourseError(f"{assignment.tests}: the tests could not be loaded: {said[-1] if said else cause.reason}")
    return _after(jobs, at, running, cause, mistakes, result)


class _Idle(Exception):  # noqa: N818 - not an error of the program
    """The process waits without computing."""


def _next(
    process: "subprocess.Popen[bytes]", events: "queue.Queue[Any]", limit: float | None, stop: Callable[[], bool]
) -> Any:
    """The next event of a process that may compute for `limit` seconds; None while it starts.

    Raises
    ------
    queue.Empty
        If it computes for longer, by `GRACE` or more.
    _Idle
        If it has used no processor time for a while.
    Stopped
        If `stop` says so.
    """
    started, begun = time.monotonic(), _processor_time(process)
    moved, before = started, begun
    patience = START if limit is None else on_the_clock(limit) + GRACE
    while True:
        if stop():
            raise Stopped
        with contextlib.suppress(queue.Empty):
            return events.get(timeout=0.25)
        now, used = time.monotonic(), _processor_time(process)
        if now - started > patience:
            raise queue.Empty
        if limit is None or used is None or begun is None or before is None:
            continue
        if used - begun > limit + GRACE + 1:
            raise queue.Empty
        if used > before + 0.02:
            moved, before = now, used
        elif now - moved > max(IDLE, limit):
            raise _Idle


def _processor_time(process: "subprocess.Popen[bytes]") -> float | None:
    """Seconds of processor time that a process has used; None where the system does not tell (outside Linux)."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def _clock(process: "subprocess.Popen[bytes]") -> float:
    """Seconds of processor time that a process has used, or of the clock where the system does not tell."""
    used = _processor_time(process)
    return time.monotonic() if used is None else used


def _left(jobs: Sequence[Job], at: int, test: str) -> list[Job]:
    """What comes after a test of a job."""
    job = jobs[at]
    left = job.tests[job.tests.index(test) + 1 :]
    return [replace(job, tests=left)] * bool(left) + list(jobs[at + 1 :])


def _late(outcomes: dict[str, Outcome]) -> int:
    return sum(outcome.state == "time" for outcome in outcomes.values())


def _after(jobs: Sequence[Job], at: int, running: str, cause: Outcome, mistakes: Mistakes, result: Run) -> list[Job]:
    """What is left after a job's test, or the loading of its file, has brought the process to an end."""
    job, rest = jobs[at], jobs[at + 1 :]
    outcomes = result.outcomes[job.name]
    if not running:  # so it would go with every other job on the same file
        reason = cause.reason if cause.reason.startswith(UNLOADED) else f"{UNLOADED}: {cause.reason}"
        for same in (j for j in jobs[at:] if j.source == job.source):
            result.outcomes[same.name].update(dict.fromkeys(same.tests, replace(cause, reason=reason)))
        return [j for j in rest if j.source != job.source]
    outcomes[running] = replace(cause, hint=mistakes.hint(running, cause))
    left = () if job.first else job.tests[job.tests.index(running) + 1 :]
    if left and _late(outcomes) >= PATIENCE:
        given_up = Outcome("time", f"it was not run: {PATIENCE} others of this task took too long")
        outcomes.update(dict.fromkeys(left, given_up))
        left = ()
    return [replace(job, tests=left)] * bool(left) + list(rest)


def _signal(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


@contextlib.contextmanager
def _process(
    request: dict[str, Any], environment: dict[str, str], scratch: Path, printed: Any
) -> Iterator[tuple[Any, "queue.Queue[Any]"]]:
    """A child at work on a request, and its events, with None at their end; it is gone after the block."""
    if IN_BROWSER:
        raise CourseError(
            "course: answers run in a process of their own, which a browser does not have: use a computer"
        )
    process = subprocess.Popen(
        [sys.executable, "-m", "minigen.course.kit.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=printed,
        cwd=scratch,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "MPLBACKEND": "Agg", **environment},
        start_new_session=os.name == "posix",
    )
    events: queue.Queue[Any] = queue.Queue()

    def listen() -> None:
        for line in process.stdout:  # type: ignore[union-attr]
            with contextlib.suppress(ValueError):  # half a line of a child that was killed
                events.put(json.loads(line))
        events.put(None)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it may be gone already
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()  # and stays open: when this process ends, the child reads the end of it
        yield process, events
    finally:
        _kill(process)
        listener.join(5)
        with contextlib.suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]
        process.stdout.close()  # type: ignore[union-attr]


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a process with all that it has started."""
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
