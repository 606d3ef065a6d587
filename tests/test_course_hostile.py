"""Grading never stops: forty submissions, each of which does or is something that a grader does not expect."""

import csv
import io
import os
import sys
import threading
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_course_kit import RIGHT, SQUARES, grader  # noqa: F401 - a fixture

from minigen import cli
from minigen.course.kit.grade import file_stems
from minigen.course.kit.submission import PROCESSOR_TIME, attempt, load

pytestmark = pytest.mark.skipif(not PROCESSOR_TIME, reason="this system cannot stop a test by its processor time")

SWALLOWS = "x + x\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass"
SWALLOWS_ONCE = """x + x
    import time
    try:
        end = time.process_time() + 1.5
        while time.process_time() < end: pass
    except BaseException: pass"""
PRINTS_TESTS = """
import sys
frame = sys._getframe()
while frame:
    for value in list(frame.f_locals.values()):
        path = getattr(value, "get", lambda key: None)("tests") if isinstance(value, dict) else None
        if isinstance(path, str):
            print(open(path + "/hidden.py").read())
    frame = frame.f_back
"""


def zipped(**members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("__", "/"), text)
    return data.getvalue()


def damaged_zip():
    data = bytearray(zipped(toy_py="x = 1\n" * 3000).replace(b"toy_py", b"toy.py"))
    start = data.index(b"toy.py") + 12
    data[start : start + 8] = bytes(8)
    return bytes(data)


def in_double(code):
    return RIGHT.replace("x + x", code).encode()


def hostile():
    """Name of the file, its bytes, the points that it is worth (of 5), and what its row in the CSV file says."""
    deleted = RIGHT[: RIGHT.index("def quadruple")]
    only_second = 'import numpy as np\n\ndef quadruple(x):\n    """4 x."""\n    return double(double(x))\n'
    return {
        "right.py": (RIGHT.encode(), 5, ""),
        "crlf.py": (RIGHT.replace("\n", "\r\n").encode(), 5, ""),
        "bom.py": (b"\xef\xbb\xbf" + RIGHT.encode(), 5, ""),
        "tabs.py": (RIGHT.replace("    ", "\t").encode(), 5, ""),
        "王伟.py": (RIGHT.encode(), 5, ""),
        "li wei.py": (RIGHT.encode(), 5, ""),
        "li_wei.py": (SQUARES.encode(), 2, ""),
        "O'Brien.py": (RIGHT.encode(), 5, ""),
        "O_Brien.py": (b"x = 1\n", 0, ""),
        "Smith.py": (RIGHT.encode(), 5, ""),
        "smith.py": (SQUARES.encode(), 2, ""),
        "=1+1.py": (RIGHT.encode(), 5, ""),
        "+cmd.py": (b"", 0, "is empty"),
        "a" * 240 + ".py": (RIGHT.encode(), 5, ""),
        "declared.py": (("# -*- coding: latin-1 -*-\nname = '\xe9'\n" + RIGHT).encode("latin-1"), 5, ""),
        "undeclared.py": (("name = '\xe9'\n" + RIGHT).encode("latin-1"), 0, "not a text file in UTF-8"),
        "codec.py": (b"# -*- coding: no-such -*-\n" + RIGHT.encode(), 0, "unknown encoding: no-such"),
        "utf16.py": (RIGHT.encode("utf-16"), 0, "save it as UTF-8"),
        "nul.py": (b"x = '\0'\n" + RIGHT.encode(), 0, "holds NUL bytes"),
        "blank.py": (b" \n\n", 0, "is empty"),
        "surrogate.py": (in_double("x + x\n    raise ValueError('\\ud800')"), 2, ""),
        "prints_surrogate.py": (b"print('\\ud800')\n" + RIGHT.encode(), 5, ""),
        "exits.py": (b"import os\nos._exit(3)\n", 0, "exit code 3"),
        "quits.py": (b"quit()\n" + RIGHT.encode(), 0, "ends the program"),
        "recursion.py": (in_double("x + x\n    return double(x)"), 2, ""),
        "interrupt.py": (in_double("x + x\n    raise KeyboardInterrupt"), 2, ""),
        "segfault.py": (b"import faulthandler\n" + in_double("x + x\n    faulthandler._sigsegv()"), 2, "exit: 2"),
        "loop.py": (in_double("x + x\n    while True: pass"), 2, "time: 2"),
        "swallows.py": (in_double(SWALLOWS), 2, "time: 2"),
        "swallows_once.py": (in_double(SWALLOWS_ONCE), 2, "time: 2"),
        "sleeps.py": (b"import time\n" + in_double("x + x\n    time.sleep(1000)"), 2, "time: 2"),
        "input.py": (in_double("x + x\n    input()"), 2, ""),
        "forks.py": (b"import os\n" + in_double("x + x\n    os.fork()"), 5, ""),
        "thread.py": (b"import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()\n" + RIGHT.encode(), 5, ""),
        "prints_tests.py": ((PRINTS_TESTS + RIGHT).encode(), 5, ""),
        "deleted_second.py": (deleted.encode(), 3, ""),
        "deleted_first.py": (only_second.encode(), 2, ""),
        "indented.py": (RIGHT.replace("def double(x):", "if True:\n  def double(x):").replace("    twice = x + x\n", "    twice = x * x\n").encode(), 2, ""),
        "latin.zip": (zipped(toy__py="x").replace(b"toy/py", b"toy.py").replace(b"x", b"\xe9"), 0, ""),
        "deflate.zip": (damaged_zip(), 0, "cannot be read"),
        "no.zip": (b"no zip at all", 0, "not a zip file"),
        "notebook.ipynb": (b"{}", 0, "expected toy.py"),
    }  # fmt: skip


def student_of(name):
    return name.rpartition(".")[0]


@pytest.fixture(scope="module")
def graded(tmp_path_factory, grader):  # noqa: F811
    """The rows of the CSV file by student, and the folder with the pages."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "in").mkdir()
    for name, (data, _, _) in hostile().items():
        (folder / "in" / name).write_bytes(data)
    if sys.platform.startswith("linux"):
        os.mkfifo(folder / "in" / "pipe.py")
        (folder / "in" / "loop_of_links.py").symlink_to("loop_of_links.py")
        with open(os.fsencode(folder / "in") + b"/\xff\xfe.py", "wb") as file:
            file.write(RIGHT.encode())
    (folder / "in" / "Thumbs.db").write_bytes(b"\0")
    began = time.monotonic()
    command = ["course", "grade", str(folder / "in"), "--grader", str(grader.folder), "--jobs", "2"]
    assert cli.main(command) == 0
    assert time.monotonic() - began < 300
    with (folder / "in-grades" / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student"].removeprefix("'"): row for row in csv.DictReader(file)}
    return rows, folder / "in-grades"


def test_every_student_has_a_row_and_a_page(graded):
    rows, out = graded
    expected = {student_of(name) for name in hostile()}
    assert expected <= set(rows)
    assert len(rows) == len(expected) + 3 * sys.platform.startswith("linux")
    assert len(rows) >= 40
    for kind in ("pages", "results"):
        assert len(list((out / kind).iterdir())) == len(rows)


def test_each_gets_its_points_and_its_reason(graded):
    rows, _ = graded
    wrong = {}
    for name, (_, points, reason) in hostile().items():
        row = rows[student_of(name)]
        if float(row["points"]) != points or reason not in row["problem"]:
            wrong[name] = (row["points"], row["problem"], points, reason)
    assert wrong == {}


def test_no_two_students_share_a_page(graded):
    _, out = graded
    pages = [path.read_text(encoding="utf-8") for path in (out / "pages").iterdir()]
    for student, points in (("li wei", 5), ("li_wei", 2), ("Smith", 5), ("smith", 2)):
        assert sum(f"{student}: <b>{points}</b> of 5 points" in page for page in pages) == 1
    stems = [path.stem.casefold() for path in (out / "pages").iterdir()]
    assert len(set(stems)) == len(stems)


def test_no_cell_is_a_formula_and_no_page_shows_the_hidden_tests(graded):
    rows, out = graded
    text = (out / "grades.csv").read_text(encoding="utf-8")
    assert not [
        cell for line in csv.reader(text.splitlines()) for cell in line if cell.startswith(("=", "+", "-", "@"))
    ]
    assert (
        "prints lines of the hidden tests" in rows["prints_tests"]["notes"]
        and "_getframe" in rows["prints_tests"]["notes"]
    )
    for path in (out / "pages").iterdir():
        assert "double_of_others" not in path.read_text(encoding="utf-8")


@settings(max_examples=100)
@given(st.sets(st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=120), min_size=2, max_size=6))
def test_file_names_are_unique_and_short(students):
    stems = list(file_stems(sorted(students)).values())
    assert len({stem.casefold() for stem in stems}) == len(students)
    assert all(len(stem.encode()) <= 200 and "/" not in stem for stem in stems)


SWALLOWING = [
    "while True: pass",
    "exec('while True:\\n try:\\n  while time.process_time() < end: pass\\n  break\\n except BaseException: pass')",
    "exec('try:\\n while time.process_time() < end: pass\\nexcept BaseException: pass')",
    "exec('try:\\n while time.process_time() < end: pass\\nfinally:\\n time.sleep(0)')",
    "gc.callbacks.append(lambda *a: time.sleep(0)) or exec('while time.process_time() < end: gc.collect()')",
]


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread")
@pytest.mark.parametrize("code", SWALLOWING)
def test_what_takes_too_long_is_too_long_whatever_it_catches_and_returns(code, monkeypatch):
    import gc

    # A garbage collection swallows the first alarm.  pytest's hook would write about it, and meet the next alarm.
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    before = list(gc.callbacks)
    source = f"import gc, time\ndef f():\n    end = time.process_time() + 0.6\n    {code}\n    return 1\n"
    module = load(source, "mine.py")
    try:
        outcome = attempt(module.f, "mine.py", 0.1)
    finally:
        gc.callbacks[:] = before
    assert outcome.state == "time" and outcome.where.startswith("line ")
