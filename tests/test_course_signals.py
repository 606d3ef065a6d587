"""Signals at random moments of a grading: no half file, no process left, and the next grading ends as if nothing was."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_course_kit import RIGHT, SQUARES, grader  # noqa: F401 - a fixture

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")

LOOPS = RIGHT.replace("x + x", "x + x\n    while True: pass")
LEAVES_A_CHILD = "import subprocess\nsubprocess.Popen(['sleep', '1000'])\n" + RIGHT
MARK = "MINIGEN_TEST_OF_SIGNALS"


def submissions(folder):
    folder.mkdir()
    for name, text in {"a": RIGHT, "b": LEAVES_A_CHILD, "c": SQUARES, "d": "", "loops": LOOPS}.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def start(assignment, folder, out, mark):
    return subprocess.Popen(
        [sys.executable, "-m", "minigen", "course", "grade", folder, "--grader", assignment.folder, "--out", out],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, MARK: mark},
    )  # fmt: skip


def descendants(mark):
    """Processes with the mark in their environment, which every child inherits."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"{MARK}={mark}".encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


def state(out):
    """What a grading has come to, every file read as a whole."""
    results = {}
    for path in (out / "results").glob("[!.]*.json"):
        result = json.loads(path.read_text())
        results[path.stem] = (result["points"], [(t["name"], t["state"]) for t in result["tests"]])
    pages = sorted(path.stem for path in (out / "pages").glob("[!.]*.html"))
    for page in pages:
        assert (out / "pages" / f"{page}.html").read_text().rstrip().endswith("</html>")
    assert set(results) <= set(pages)  # a result is what the next grading keeps
    table = out / "grades.csv"
    return results, pages, list(csv.reader(table.read_text(encoding="utf-8").splitlines())) if table.exists() else None


@pytest.mark.parametrize("count", [3, pytest.param(100, marks=pytest.mark.fuzz)])
def test_signals_at_random_moments_of_a_grading(count, tmp_path, grader):  # noqa: F811
    folder, out = submissions(tmp_path / "handed-in"), tmp_path / "out"
    began = time.monotonic()
    straight = start(grader, folder, tmp_path / "straight", "straight")
    straight.communicate(timeout=120)
    length = time.monotonic() - began
    assert straight.returncode == 0
    whole = state(tmp_path / "straight")
    assert len(whole[2]) == 6
    chance, hits = random.Random(0), 0
    names = ["SIGTERM", "SIGKILL", "SIGINT", "SIGHUP"]
    for turn in range(count):
        mark = f"{os.getpid()}-{count}-{turn}"
        process = start(grader, folder, out, mark)
        if count == 3:  # when the first result is there, and so the next is under way
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.5))
        else:
            time.sleep(chance.uniform(0, length))
        name = names[turn % len(names)]
        process.send_signal(getattr(signal, name))
        said = process.communicate(timeout=60)[1].strip()
        deadline = time.monotonic() + 10
        while descendants(mark) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not descendants(mark), name
        if process.returncode > 0:
            assert process.returncode == 128 + getattr(signal, name)
            assert len(said.splitlines()) == 1
            assert "stopped" in said
            hits += "the same command goes on" in said
        elif process.returncode == 0:
            assert state(out) == whole
        if out.exists():
            for student, result in state(out)[0].items():
                assert whole[0][student] == result
        if process.returncode == 0 or chance.random() < 0.2:
            out = tmp_path / f"out{turn}"
    assert hits
    last = start(grader, folder, out, "last")
    last.communicate(timeout=120)
    assert last.returncode == 0
    assert state(out) == whole
