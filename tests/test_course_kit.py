"""The course kit, on a toy assignment: building, checking, grading, and what a submission can do to them."""

import csv
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from minigen import cli, tensor
from minigen.course import Wrong, kit
from minigen.course.kit import build, grade, known_answers, otter_files, wheel
from minigen.course.kit.assignment import Answer, Assignment, CourseError, Task, replaced, stub
from minigen.course.kit.forbidden_imports import forbidden_imports
from minigen.course.kit.result import Mistakes, Outcome
from minigen.course.kit.runner import Budget, Job, run
from minigen.course.kit.scoring import grade_file
from minigen.course.kit.submission import PROCESSOR_TIME, attempt, load
from minigen.course.kit.wheel import make_wheel

TOML = """\
title = "T1: doubling & more"
file = "toy.py"
seconds = 0.5
memory = 300

[[tasks]]
title = "twice"
names = ["double"]
points = 3

[[tasks]]
title = "four times"
names = ["quadruple"]
points = 2
"""
FILE = '''\
"""A toy."""

import numpy as np


def double(x):
    """2 x, an array."""
    # BEGIN SOLUTION
    twice = x + x
    return twice
    # END SOLUTION


def quadruple(x):
    """4 x, by double."""
    # BEGIN SOLUTION
    return double(double(x))
    # END SOLUTION
'''
PUBLIC = '''\
"""Public."""

import numpy as np

from minigen.course.kit import close, test, untouched


@test(task=1, points=1)
def double_of_three(a):
    """double([3])."""
    x = np.array([3.0])
    with untouched(x=x):
        close("double(x)", a.double(x), np.array([6.0]))


@test(task=2, points=1)
def quadruple_of_one(a):
    """quadruple([1])."""
    close("quadruple(x)", a.quadruple(np.array([1.0])), np.array([4.0]))
    return "As it should be."
'''
HIDDEN = '''\
"""Hidden."""

import numpy as np
from public import close

from minigen.course.kit import test


@test(task=1, points=2)
def double_of_others(a):
    """double of other numbers."""
    close("double(x), elsewhere", a.double(np.array([0.8125, -4.0])), np.array([1.625, -8.0]))


@test(task=2, points=1)
def quadruple_of_others(a):
    """quadruple of other numbers."""
    close("quadruple(x), elsewhere", a.quadruple(np.array([0.8125])), np.array([3.25]))
'''
KNOWN_ANSWERS = """\
from minigen.course.kit import right, wrong

KNOWN_ANSWERS = [
    right(1, "a factor", "def double(x):\\n    return 2 * x\\n"),
    wrong(1, "squares", "Is that not a square?", {"x + x": "x * x"}),
    wrong(1, "the public case", "Only for 3?", source="def double(x):\\n    return np.array([6.0])\\n"),
    wrong(2, "once", "Is once enough?", {"double(double(x))": "double(x)"}),
]
"""
GUIDE = "# %% [markdown]\n# # The toy\n\n# %%\nfrom minigen.course import kit\n\nkit.check('toy.py')\n"


def write_master(folder, **changed):
    """A toy template; `changed` gives other texts for its files."""
    files = {"assignment.toml": TOML, "toy.py": FILE, "guide.py": GUIDE, "known_answers.py": KNOWN_ANSWERS, "tests/public.py": PUBLIC,
             "tests/hidden.py": HIDDEN}  # fmt: skip
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        key = name.replace("/", "_").partition(".")[0]
        path.write_text(changed.get(key, text), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    pytest.importorskip("jupytext", reason="building a notebook needs the extra 'lessons'")
    folder = tmp_path_factory.mktemp("course")
    return build.build(write_master(folder / "T1_toy"), folder / "out")


@pytest.fixture(scope="module")
def grader(tmp_path_factory):
    """A grader's copy, made without the notebook, so without its packages."""
    folder = tmp_path_factory.mktemp("grader")
    assignment = Assignment.read(write_master(folder / "T1_toy"))
    for path, text in build._grader_files(assignment, known_answers.run_all(assignment)).items():
        build._write(folder / "copy" / path, text)
    return Assignment.read(folder / "copy")


RIGHT = FILE
SQUARES = FILE.replace("x + x", "x * x")


# ---- the template


def test_stub_leaves_nothing_of_the_solution():
    text = stub(FILE, ["double", "quadruple"])
    assert "twice" not in text and "double(double" not in text and "SOLUTION" not in text
    with pytest.raises(NotImplementedError, match="double is still to be written"):
        load(text, "toy.py").double(1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (FILE.replace("    # END SOLUTION\n", "", 1), "line 15: # BEGIN SOLUTION without its partner"),
        (FILE.replace("    # BEGIN SOLUTION\n", "", 1), "line 10: # END SOLUTION without its partner"),
        (FILE + "    # BEGIN SOLUTION\n", "the last # BEGIN SOLUTION has no # END SOLUTION"),
        (FILE.replace("def double", "def triple"), "no solution marked in double"),
    ],
)
def test_a_marker_without_partner_is_found(text, complaint):
    with pytest.raises(CourseError, match=complaint):
        stub(text, ["double", "quadruple"])


def test_replaced_changes_the_task_and_nothing_else():
    task, solution = Task(2, "four", ("quadruple",), 2), load(FILE, "a.py")
    assert solution.quadruple(3) == 12
    change = replaced(FILE, task, Answer(2, "once", "?", change=(("double(double(x))", "double(x)"),)))
    assert load(change, "a.py").quadruple(3) == 6 and load(change, "a.py").double(3) == 6
    other = replaced(
        FILE, task, Answer(2, "new", source="def helper(x):\n    return x\n\ndef quadruple(x):\n    return helper(x)\n")
    )
    assert load(other, "a.py").quadruple(3) == 3
    with pytest.raises(CourseError, match="stands 0 times"):
        replaced(FILE, task, Answer(2, "x", "?", change=(("x + x", ""),)))
    with pytest.raises(CourseError, match="defines none of quadruple"):
        replaced(FILE, task, Answer(2, "x", "?", source="def double(x): return 1"))


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"known_answers": KNOWN_ANSWERS.replace('"x * x"', '"2 * x"')}, "no hidden test rejects the wrong answer 'squares' to task 1"),
        ({"known_answers": KNOWN_ANSWERS.replace("return 2 * x", "return 3 * x")}, "rejects 'a factor', which is right"),
        ({"assignment": TOML.replace("points = 3", "points = 4")}, "the tests of task 1 have 3 points, the task 4"),
        ({"guide": GUIDE + "\n# twice = x + x\n"}, "would give away: guide.ipynb: a line of the solution"),
    ],
)  # fmt: skip
def test_a_master_that_is_not_in_order_is_refused(tmp_path, changed, complaint):
    pytest.importorskip("jupytext", reason="building a notebook needs the extra 'lessons'")
    with pytest.raises(CourseError, match=complaint):
        build.build(write_master(tmp_path / "T1_toy", **changed), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("place", "text", "complaint"),
    [
        ("guide.ipynb", "# twice = x + x", "guide.ipynb: a line of the solution, 'twice = x + x'"),
        ("guide.ipynb", "# Try 0.8125.", "guide.ipynb: a number of the hidden tests, 0.8125"),
        ("README.md", "like double_of_others", "README.md: the name of a hidden test, 'double_of_others'"),
        ("README.md", "double of other numbers.", "README.md: the title of a hidden test, 'double of other numbers.'"),
        ("tests/public.py", "    return np.array([6.0])", None),  # too short to be more than chance
        ("tests/public.py", "#" + HIDDEN.splitlines()[-1], "tests/public.py: a line of the hidden tests, 'close("),
    ],
)
def test_what_would_give_an_answer_away_is_found(tmp_path, place, text, complaint):
    assignment = Assignment.read(write_master(tmp_path / "T1_toy"))
    cell = {"cells": [{"source": text}]}
    found = build.leaks(assignment, {place: json.dumps(cell) if place.endswith("ipynb") else text})
    assert any(line.startswith(complaint) for line in found) if complaint else not found


def test_the_students_copy_has_no_secrets_and_is_never_overwritten(built):
    names = {path.relative_to(built.student).as_posix() for path in built.student.rglob("*") if path.is_file()}
    package, _ = make_wheel()
    rest = {"guide.ipynb", "README.md", "assignment.toml", "tests/public.py", "tests/mistakes.json"}
    assert names == {"toy.py", package, ".github/workflows/check.yml", *rest}
    assert f'pip install "./{package}[lessons]"' in (built.student / "README.md").read_text(encoding="utf-8")
    known = json.loads((built.student / "tests" / "mistakes.json").read_text(encoding="utf-8"))
    assert {entry["test"] for entry in known} == {"double_of_three", "quadruple_of_one"}
    template = built.student.parents[2] / "T1_toy"
    build.build(template, built.student.parents[1])  # the same again: nothing changes
    mine = (built.student / "toy.py").read_text(encoding="utf-8") + "# my work\n"
    (built.student / "toy.py").write_text(mine, encoding="utf-8")
    (built.grader / "known_answers.md").unlink()
    with pytest.raises(CourseError, match=r"differs in toy\.py: nothing was written"):
        build.build(template, built.student.parents[1])
    assert (built.student / "toy.py").read_text(encoding="utf-8") == mine and not (
        built.grader / "known_answers.md"
    ).exists()


# ---- tests, outcomes, known mistakes


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        ("return x + 1", "wrong", "double(x): at index 0: expected 6.0, got 4.0."),
        ("return (2 * x).astype(np.float32)", "wrong", "the values are right, but the dtype is float32; expected float64"),
        ("x *= 2; return x", "wrong", "Your code changed x in place"),
        ("return x.missing", "error", "raised AttributeError: 'numpy.ndarray' object has no attribute 'missing'"),
        ("return None", "wrong", "double(x): got None. Is there a `return`?"),
        ("raise NotImplementedError('double is still to be written')", "not written", "double is still to be written"),
        ("exit()", "exit", "ends the program"),
        ("raise KeyboardInterrupt", "error", "raised KeyboardInterrupt"),
        ("while True: pass", "time", "it took longer than 0.2 seconds"),
    ],
)  # fmt: skip
def test_whatever_an_answer_does_becomes_words(answer, state, reason, grader):
    if state == "time" and sys.platform == "win32":
        pytest.skip("Windows interrupts no program by its processor time; the process is ended there")
    module = load(f"import numpy as np\n\ndef double(x):\n    {answer}\n", "mine.py")
    test = next(t for t in kit.testing.load_tests(grader.tests) if t.name == "double_of_three")
    outcome = attempt(lambda: test.function(module), "mine.py", 0.2)
    assert outcome.state == state and reason in outcome.reason
    if state in ("error", "time"):
        assert outcome.where == f"line 4, in double: {answer}"


def test_what_a_file_lacks_is_said_by_name(grader):
    outcome = attempt(lambda: load("x = 1", "mine.py").double(3), "mine.py")
    assert outcome.reason == "The file has no double: was it renamed or deleted?"
    assert attempt(lambda: load("def f(:", "mine.py"), "mine.py").where == "line 1: def f(:"


def test_known_mistakes_are_told_by_place_and_numbers():
    failed = attempt(lambda: kit.close("f(x)", np.array([1.0, np.nan]), np.zeros(2)), "")
    known = Mistakes([Mistakes.entry("t", failed, "A hint.")])
    known = Mistakes(json.loads(known.dump()))
    assert known.hint("t", replace(failed, values=[1.0 + 1e-9, float("nan")])) == "A hint."
    for other in (
        {"what": "f(y)"},
        {"values": [1.1, float("nan")]},
        {"shape": [2, 1]},
        {"state": "error"},
        {"values": None},
    ):
        assert known.hint("t", replace(failed, **other)) == ""
    assert known.hint("u", failed) == ""
    slow = Mistakes([Mistakes.entry("t", Outcome("time", "too slow"), "Every path?")])
    assert slow.hint("t", Outcome("time", "too slow")) == "Every path?"
    assert slow.hint("t", Outcome("time", "slower still")) == ""


# ---- minigen course check


def test_check_says_what_is_wrong_and_never_that_all_is_well(built, capsys):
    file = built.student / "answer" / "toy.py"
    shutil.copytree(built.student, file.parent, ignore=lambda *_: ["answer"])
    assert cli.main(["course", "check", str(file)]) == 1
    assert "double is still to be written" in capsys.readouterr().out
    file.write_text("print('here I am')\n" + SQUARES, encoding="utf-8")
    assert cli.main(["course", "check", str(file), "--task", "1"]) == 1
    said = capsys.readouterr().out
    assert "double(x): at index 0: expected 6.0, got 9.0." in said and "Often the reason: Is that not a square?" in said
    assert "here I am" in said and "quadruple" not in said and "Public tests passed: 0 of 1 (0 of 1 points)" in said
    assert "begin with the first" not in said
    assert cli.main(["course", "check", str(file)]) == 1
    assert "Later tasks may use your answers to earlier ones: begin with the first" in capsys.readouterr().out
    file.write_text(RIGHT, encoding="utf-8")
    assert cli.main(["course", "check", str(file)]) == 0
    said = capsys.readouterr().out
    assert "  ✓ quadruple([1]).\n      As it should be.\n" in said
    assert "Public tests passed: 2 of 2 (2 of 2 points). Other tests" in said and "all" not in said.lower().split()
    assert cli.main(["course", "check", str(file), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["points"], result["possible"], result["tests_are"]) == (2, 2, "public")


def test_check_takes_the_file_that_the_folder_names(built, capsys, monkeypatch):
    (built.student / "toy.py").write_text(RIGHT, encoding="utf-8")
    assert cli.main(["course", "check", str(built.student)]) == 0
    monkeypatch.chdir(built.student)
    for words in ([], ["."], ["--task", "1"]):
        assert cli.main(["course", "check", *words]) == 0
    (built.student / "toy.py").unlink()
    monkeypatch.chdir(built.student.parent)
    capsys.readouterr()
    assert cli.main(["course", "check"]) == cli.main(["course", "check", str(built.student)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert f"there is no assignment in the folder {built.student.parent}: expected assignment.toml" in first
    assert f"{built.student / 'toy.py'} does not exist" in second


def test_check_names_what_is_missing_in_one_line(tmp_path, capsys):
    assert cli.main(["course", "check", str(tmp_path / "none.py")]) == 2
    (tmp_path / "toy.py").write_text(FILE, encoding="utf-8")
    assert cli.main(["course", "check", str(tmp_path / "toy.py")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "none.py does not exist" in first and "expected assignment.toml and the folder tests beside it" in second
    write_master(tmp_path)
    (tmp_path / "guide.ipynb").write_text("{}", encoding="utf-8")
    assert cli.main(["course", "check", str(tmp_path / "guide.ipynb")]) == 2
    assert "expected the file with your answers, toy.py" in capsys.readouterr().err
    (tmp_path / "tests" / "public.py").unlink()
    assert cli.main(["course", "check", str(tmp_path / "toy.py")]) == 2
    assert "there are no tests for" in capsys.readouterr().err
    assert cli.main(["course", "validate", "Z9"]) == 2
    assert "no assignment Z9: expected the path of a folder" in capsys.readouterr().err


# ---- minigen course grade


def submissions(folder):
    """What students hand in, and how many points it is worth."""
    folder.mkdir()
    texts = {
        "ada_toy.py": (RIGHT, 5),
        "bob_toy-1.py": (SQUARES.replace("import numpy as np", "import numpy as np\n\nprint('<b>hi</b>')"), 2),
        "cyd/work/toy.py": (RIGHT.replace("double(double(x))", "double(x)"), 3),
        "dan_toy.py": ("import os\nos._exit(3)\n" + RIGHT, 0),
        "eve_toy.py": (RIGHT.replace("twice = x + x", "twice = x + x\n    while True: pass"), 2),
        "fay_toy.py": ("\xff", 0),
        "hal/notes.txt": ("I forgot", 0),
        "ivy_toy.py": (RIGHT.replace("twice = x + x", "twice = x + x + np.ones(10**9).mean() - 1"), 2),
    }
    for name, (text, _) in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    with zipfile.ZipFile(folder / "gus.zip", "w") as archive:
        archive.writestr("__MACOSX/toy.py", "junk")
        archive.writestr("gus/toy.py", "def double(x):\n    return x + x\n\ndef quadruple(x:\n")
    (folder / "kim.zip").write_bytes(b"no zip at all")
    (folder / "lea_toy.ipynb").write_text("{}", encoding="utf-8")
    (folder / "ada_toy.ipynb").write_text("{}", encoding="utf-8")  # beside what was asked for
    return {"gus": 0, "kim": 0, "lea": 0} | {
        name.split("_")[0].split("/")[0]: points for name, (_, points) in texts.items()
    }


def test_one_broken_submission_never_stops_the_rest(tmp_path, grader, capsys):
    expected = submissions(tmp_path / "in")
    if not sys.platform.startswith("linux"):
        (tmp_path / "in" / "ivy_toy.py").unlink()  # memory is limited on Linux alone
        del expected["ivy"]
    command = ["course", "grade", str(tmp_path / "in"), "--grader", str(grader.folder), "--jobs", "2"]
    assert cli.main(command) == 0  # though some could not be graded
    out = tmp_path / "in-grades"
    with (out / "grades.csv").open(encoding="utf-8") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert {name: float(row["points"]) for name, row in rows.items()} == expected
    assert list(rows["cyd"].values())[1:5] == ["3", "5", "3", "0"] and rows["cyd"]["origin"] == "cyd/work/toy.py"
    problems = {
        "dan": "the program ended by itself, with exit code 3",
        "eve": "time: 2",
        "fay": "not a text file in UTF-8",
        "gus": "this is not Python",
        "hal": "expected one file toy.py, got none",
        "ivy": "memory: 2",
        "kim": "not a zip file",
        "lea": "expected toy.py, a .zip or a folder, got lea_toy.ipynb",
    }
    for name, problem in problems.items():
        assert name not in expected or problem in rows[name]["problem"]
    page = (out / "pages" / "bob.html").read_text(encoding="utf-8")
    assert "bob: <b>2</b> of 5 points" in page and "Is that not a square?" in page and "T1: doubling &amp; more" in page
    assert "It passes with the reference solution of the other tasks, and counts." in page
    assert "For the same reason as above" not in (out / "pages" / "cyd.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;hi&lt;/b&gt;" in page and "<b>hi" not in page
    assert "Nothing could be graded" in (out / "pages" / "hal.html").read_text(encoding="utf-8")
    broken = (out / "pages" / "gus.html").read_text(encoding="utf-8")
    assert broken.count("this is not Python") == 1 and "line 4: def quadruple(x:" in broken and "0 of 2" in broken
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]
    capsys.readouterr()

    for name in expected:  # graded again: what has not changed is kept, what has changed is not
        if name not in ("ada", "cyd", "hal"):
            for path in (tmp_path / "in").glob(f"{name}*"):
                path.unlink()
    (tmp_path / "in" / "cyd" / "work" / "toy.py").write_text(RIGHT, encoding="utf-8")
    cli.main(command)
    ada, cyd, hal = capsys.readouterr().out.splitlines()[:3]
    assert ada.endswith("ada    (as before)") and "(as before)" in hal and cyd.strip() == "5 of 5  cyd"
    before = (out / "grades.csv").read_text(encoding="utf-8")
    assert [row["kept"] for row in grade.grade(grader, tmp_path / "in", out, regrade=True)] == [False] * 3
    assert (out / "grades.csv").read_text(encoding="utf-8") == before


def rows_of(folder):
    with (folder / "grades.csv").open(encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_only_grades_the_named_ones_and_keeps_the_rows_of_the_others(tmp_path, grader, capsys):
    folder, command = tmp_path / "in", ["course", "grade", str(tmp_path / "in"), "--grader", str(grader.folder)]
    folder.mkdir()
    for name in ("ada", "bob", "cyd"):
        (folder / f"{name}.py").write_text(SQUARES, encoding="utf-8")
    assert cli.main([*command, "--only", "bob", "--only", "cyd"]) == 0  # ada has no result yet, and no row
    assert sorted(rows_of(tmp_path / "in-grades")) == ["bob", "cyd"]
    assert cli.main(command) == 0
    for name in ("ada", "bob"):
        (folder / f"{name}.py").write_text(RIGHT, encoding="utf-8")
    capsys.readouterr()
    assert cli.main([*command, "--only", "bob"]) == 0
    assert capsys.readouterr().out.splitlines()[0].strip() == "5 of 5  bob"
    points = {name: row["points"] for name, row in rows_of(tmp_path / "in-grades").items()}
    assert points == {"ada": "2", "bob": "5", "cyd": "2"}
    assert cli.main([*command, "--only", "eve"]) == 2
    assert "--only: there is no submission of eve; there are ada, bob, cyd" in capsys.readouterr().err


def test_the_tests_of_a_file_share_a_budget(grader):
    slow = "end = time.process_time() + 0.15\n    while time.process_time() < end: pass\n    twice = x + x"
    text = RIGHT.replace("import numpy as np", "import time\n\nimport numpy as np").replace("twice = x + x", slow)
    assert grade_file(grader, text, "toy.py").points() == 5  # each test is within its own limit
    budget = Budget(0.1)
    score = grade_file(grader, text, "toy.py", budget=budget)
    first, *others = (score.outcomes[t.name] for t in score.tests if t.task == 1)
    assert first.passed and budget.used >= 0.1
    others += [score.outcomes[t.name] for t in score.tests if t.task == 2]
    assert {(o.state, o.reason) for o in others} == {
        ("time", "it was not run: all tests of a file may compute for 0.1 seconds together")
    }


def test_a_budget_is_a_number_of_seconds(tmp_path, capsys):
    for text in ("0", "-1", "much", "inf"):
        with pytest.raises(SystemExit):
            cli.main(["course", "grade", str(tmp_path), "--budget", text])
        assert f"expected a number of seconds above 0, got '{text}'" in capsys.readouterr().err


def test_page_table_and_check_name_the_version_of_the_assignment(tmp_path, built, grader, capsys):
    version = Assignment.read(built.student).version
    assert re.fullmatch("[0-9a-f]{8}", version) and version == grader.version
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ada.py").write_text(RIGHT, encoding="utf-8")
    list(grade.grade(grader, tmp_path / "in", tmp_path / "out"))
    assert rows_of(tmp_path / "out")["ada"]["version"] == version
    assert f"version {version}" in (tmp_path / "out" / "pages" / "ada.html").read_text(encoding="utf-8")
    shutil.copytree(built.student, tmp_path / "mine")
    (tmp_path / "mine" / "toy.py").write_text(RIGHT, encoding="utf-8")
    assert f"version {version}" in str(kit.check(tmp_path / "mine" / "toy.py"))
    changed = Assignment.read(write_master(tmp_path / "T1_toy", tests_public=PUBLIC.replace("[6.0]", "[6.5]")))
    assert changed.version != version


def test_a_students_copy_cannot_grade_and_an_empty_folder_is_named(tmp_path, built, capsys):
    for folder, complaint in ((built.student, "has no hidden tests"), (tmp_path, "is not the folder of an assignment")):
        assert cli.main(["course", "grade", str(tmp_path), "--grader", str(folder)]) == 2
        assert complaint in capsys.readouterr().err
    assert cli.main(["course", "grade", str(tmp_path), "--grader", str(built.grader)]) == 2
    assert "no submissions in" in capsys.readouterr().err


# ---- what has the answers


LONG_WAY = """\
import minigen as mg
lib = mg
theirs = vars(lib)["losses"]
def helper(x):
    return theirs.gaussian_kl(x)
def kl(x):
    return helper(x)
"""


@pytest.mark.parametrize(
    ("source", "path", "line"),
    [
        ("import minigen as mg\ndef kl(x):\n    return mg.losses.gaussian_kl(x)\n", "losses.gaussian_kl", 3),
        ("from minigen import losses as L\ndef kl(x):\n    return L.gaussian_kl(x)\n", "losses.gaussian_kl", 3),
        ("from minigen.losses import gaussian_kl as kl\n", "losses.gaussian_kl", 1),
        ("def kl(x):\n    from minigen.losses import gaussian_kl as f\n    return f(x)\n", "losses.gaussian_kl", 3),
        ("import minigen\nkl = getattr(minigen, 'losses').gaussian_kl\n", "losses.gaussian_kl", 2),
        ("import importlib as i\ndef kl(x):\n    return i.import_module('minigen.losses').f(x)\n", "losses.f", 3),
        ("def kl(x):\n    return __import__('minigen.losses').losses.f(x)\n", "losses.f", 2),
        ("import sys\ndef kl(x):\n    return sys.modules['minigen.losses'].f(x)\n", "losses.f", 3),
        (LONG_WAY, "losses", 3),
    ],
)
def test_what_is_borrowed_is_found_on_every_way(source, path, line):
    found = forbidden_imports(source, ["minigen.losses"], {1: ["kl"], 2: ["elbo"]})
    assert list(found) == [1] and found[1].state == "forbidden"
    assert found[1].reason.startswith(f"It uses minigen.{path}. Write this yourself")
    assert found[1].where.startswith(f"line {line}") and found[1].where.endswith(source.splitlines()[line - 1].strip())


@pytest.mark.parametrize(
    "source",
    [
        "import minigen as mg\ndef kl(x):\n    return mg.exp(x)\nprint(mg.losses.gaussian_kl(kl(1)))\n",  # compares
        "from minigen import losses\ndef kl(x):\n    return x\n",  # imports it for nothing
        "from minigen.losses import kl\ndef kl(x):\n    return x\ndef twice(x):\n    return kl(kl(x))\n",  # its own
        "from minigen import losses\ndef elbo(x):\n    return losses.f(x)\ndef kl(x):\n    return elbo(x)\n",  # 2's fault
        "import minigen.lossesque as m\ndef kl(x):\n    return m.f(x)\n",  # another module
        "from .losses import f\ndef kl(x):\n    return f(x)\n",
        "def kl(:\n",
    ],
)
def test_nobody_is_accused_who_has_borrowed_nothing(source):
    assert 1 not in forbidden_imports(source, ["minigen.losses"], {1: ["kl"], 2: ["elbo"]})


def test_a_borrowed_answer_gets_no_points_in_its_own_task_and_reads_why(tmp_path):
    library = "from numpy import multiply as times\n" + RIGHT.replace("x + x", "times(2, x)")
    entry = '    wrong(1, "by NumPy", "And without?", {"x + x": "np.multiply(2, x)"}),\n'
    template = write_master(
        tmp_path / "T1_toy",
        assignment=TOML.replace("\n\n", '\nforbidden = ["numpy.multiply"]\n\n', 1),
        known_answers=KNOWN_ANSWERS.replace("KNOWN_ANSWERS = [\n", f"KNOWN_ANSWERS = [\n{entry}"),
    )
    assignment = Assignment.read(template)
    assert build.faults(assignment, known_answers.run_all(assignment)) == []
    assert "compare with them as you like: `numpy.multiply`." in build._readme(assignment, "minigen.whl")
    score = grade_file(assignment, library, "toy.py")
    assert [score.points(task) for task in (1, 2)] == [0, 2]
    text = score.outcomes["double_of_others"].text()
    assert text.splitlines() == [
        "It uses numpy.multiply. Write this yourself; then compare the two.",
        "line 10, in double: twice = times(2, x)",
    ]


def test_an_error_keeps_its_line_when_other_tasks_are_replaced(grader):
    text = SQUARES.replace("return double(double(x))", "y = double(x)\n    return y.missing")
    score = grade_file(grader, text, "toy.py")
    outcome = score.outcomes["quadruple_of_others"]
    line = text.splitlines().index("    return y.missing") + 1
    assert outcome.where == f"line {line}, in quadruple: return y.missing"
    assert score.points() == 0 and score.possible == 5


def test_an_error_in_what_was_given_comes_with_the_line_of_the_answer_too():
    source = "def given(x):\n    return x.missing\n\ndef double(x):\n    return given(x)\n"
    module = load(source, "mine.py")
    outcome = attempt(lambda: module.double(3), "mine.py", names=["double"])
    assert outcome.where == "line 5, in double: return given(x)\nline 2, in given: return x.missing"
    assert attempt(lambda: module.double(3), "mine.py").where == "line 2, in given: return x.missing"


def test_a_program_that_sleeps_is_ended_by_the_clock(grader):
    text = RIGHT.replace("twice = x + x", "twice = x + x\n    import time; time.sleep(60)")
    job = Job("sleeper", text, "toy.py", ("double_of_three",))
    after = Job("next", RIGHT, "toy.py", ("double_of_three",))
    outcomes = run(grader, [job, after]).outcomes
    late = outcomes["sleeper"]["double_of_three"]
    assert late.reason.startswith("it took longer than 0.5 seconds")
    assert late.where.endswith("import time; time.sleep(60)") == PROCESSOR_TIME
    assert outcomes["next"]["double_of_three"].passed


# ---- Otter


def test_the_students_own_file_is_the_one_that_is_graded(tmp_path, grader, monkeypatch):
    packed = otter_files._pack(grader)
    for name, text in (("right", RIGHT), ("wrong", SQUARES)):
        folder = tmp_path / name
        (folder / "solution").mkdir(parents=True)
        (folder / "solution" / "toy.py").write_text(RIGHT, encoding="utf-8")  # must not be mistaken for the student's
        (folder / "__init__.py").write_text("", encoding="utf-8")  # Otter makes one
        (folder / "toy.py").write_text(text, encoding="utf-8")
        monkeypatch.chdir(folder)
        judge_it = otter_files.Grader(packed).expect
        judge_it("quadruple_of_others")  # also the wrong one's, by the reference solution of the other task
        if name == "right":
            judge_it("double_of_others")
        else:
            with pytest.raises(AssertionError, match=r"expected -8\.0, got 16\.0"):
                judge_it("double_of_others")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CourseError, match=r"expected a file toy\.py, got no \.py at all"):
        otter_files.Grader(packed).expect("double_of_others")


def test_otters_test_files_name_each_test_with_points_and_visibility(tmp_path, grader):
    (tmp_path / "minigen_lab-0-py3-none-any.whl").write_bytes(b"a wheel")
    otter_files.write(grader, tmp_path, tmp_path / "minigen_lab-0-py3-none-any.whl")
    text = (tmp_path / "tests" / "task_1.py").read_text(encoding="utf-8")
    assert "@test_case(name='double([3]).', points=1, hidden=False)" in text
    assert "@test_case(name='double of other numbers.', points=2, hidden=True)" in text
    assert "OK_FORMAT = False" in text and "quadruple_of_others" not in text
    needs = (tmp_path / "requirements.txt").read_text(encoding="utf-8")
    assert needs == "/autograder/source/files/minigen_lab-0-py3-none-any.whl\n"  # no name that an index could answer
    for other in (tmp_path / "minigen.zip", tmp_path / "missing.whl"):
        with pytest.raises(CourseError, match=r"expected a \.whl file"):
            build.build(tmp_path, tmp_path / "out", other)


def test_the_wheel_holds_the_package_and_can_be_installed(tmp_path):
    """Every module, without setuptools; pip checks its RECORD and installs it from the file alone."""
    name, content = make_wheel()
    assert (name, content) == make_wheel()
    (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run([*command, "--target", str(tmp_path / "there"), str(tmp_path / name)], check=True, timeout=120)
    code = "import minigen.kernels.cpu, minigen.course.kit, importlib.metadata as m; print(minigen.__file__); "
    code += "print(m.version('minigen-lab'))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "there")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=120
    )
    assert done.stdout.splitlines() == [
        str(tmp_path / "there" / "minigen" / "__init__.py"),
        name.split("-")[1],
    ], done.stderr
    package = wheel.PACKAGE
    modules = {p.relative_to(package).as_posix() for p in package.rglob("*.py")}
    modules |= {f"kernels/{p.relative_to(package / 'kernels').as_posix()}" for p in (package / "kernels").rglob("*.py")}
    with zipfile.ZipFile(tmp_path / name) as archive:
        assert {f"minigen/{m}" for m in modules} <= set(archive.namelist())


def test_the_wheel_has_metadata_beside_an_egg_info_folder(tmp_path, monkeypatch):
    folder = tmp_path / "minigen_lab.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: minigen-lab\nVersion: 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    name, content = make_wheel()
    assert name == "minigen_lab-7-py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert b"Version: 7" in archive.read("minigen_lab-7.dist-info/METADATA")


OTTER = """
import json, sys
from otter.api import grade_submission
found = grade_submission(sys.argv[1], ag_path=sys.argv[2], quiet=True)
print(json.dumps([found.total, found.possible]))
"""


@pytest.mark.course
@pytest.mark.filterwarnings("default")
def test_otter_gives_the_same_points(tmp_path, grader):
    if importlib.util.find_spec("otter") is None:
        pytest.skip("needs the extra 'course'")
    wheel = tmp_path / "minigen_lab-0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    otter_files.write(grader, tmp_path / "otter", wheel)
    archive = tmp_path / "otter" / "autograder.zip"
    with zipfile.ZipFile(archive) as inside:
        assert [n for n in inside.namelist() if n.startswith("files/")] == [f"files/{wheel.name}"]
        assert f"/autograder/source/files/{wheel.name}" in inside.read("environment.yml").decode()
    for name, text, points in (("right", RIGHT, 5), ("wrong", SQUARES, 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "toy.py").write_text(text, encoding="utf-8")
        # In a process of its own: it leaves sockets and event loops behind.
        command = [sys.executable, "-c", OTTER, str(tmp_path / name / "toy.py"), str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1]) == [points, 5]


# ---- in a notebook


def test_pending_lets_a_notebook_go_on_and_hides_no_other_error(tmp_path, capsys):
    (tmp_path / "toy.py").write_text(stub(FILE), encoding="utf-8")
    with kit.pending():
        kit.load(tmp_path / "toy.py").double(1)
    assert capsys.readouterr().out == "Not yet: double is still to be written.\n"
    (tmp_path / "toy.py").write_text(FILE, encoding="utf-8")
    assert kit.load(tmp_path / "toy.py").double(1) == 2
    with pytest.raises(ZeroDivisionError), kit.pending():
        _ = 1 / 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no SIGSEGV")
def test_a_crash_says_where_it_was(grader):
    text = RIGHT.replace("twice = x + x", "twice = x + x\n    import os; os.kill(os.getpid(), 11)")
    score = grade_file(grader, text, "toy.py", task=1)
    assert "with signal SIGSEGV" in score.outcomes["double_of_three"].reason
    assert 'File "toy.py", line 10 in double' in score.printed


def test_a_file_cannot_reach_the_terminal_or_wait_for_it(grader):
    text = RIGHT.replace("twice = x + x", "twice = x + x + len(input())")
    outcome = grade_file(grader, text, "toy.py", task=1).outcomes["double_of_three"]
    assert "EOFError" in outcome.reason
    assert os.getcwd() not in grade_file(grader, "import os; print(os.getcwd())\n" + RIGHT, "toy.py").printed


# ---- the helpers of tests


def _kept(x, memory):
    """2 x, in the same array each time."""
    y = memory.setdefault(x.shape, np.zeros(x.shape))
    y[...] = 2 * x
    return y


def _never_cleared(x, memory):
    """2 x, added to what the calls before gave."""
    memory[x.shape] = memory.get(x.shape, 0) + 2 * x
    return memory[x.shape]


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (_kept, "the next call changes this result"),
        (_never_cleared, "called again with the same numbers"),
        (lambda x, _: 2 * np.lib.stride_tricks.as_strided(x, (6,), (8,)), "in another memory order"),
    ],
)
def test_repeated_calls_find_what_is_kept_and_what_assumes_a_memory_order(function, says):
    with pytest.raises(Wrong, match=says):
        kit.repeated("double(x)", function, np.arange(1.0, 7).reshape(2, 3), {})


def test_repeated_calls_give_the_result_for_the_arguments():
    """For arrays, numbers without axes, tuples and Tensors; the arguments stay as they are."""
    x = np.arange(6.0).reshape(2, 3)
    with kit.untouched(x=x):
        first, second = kit.repeated("f(x)", lambda x, n: (n * x, x.sum()), x, 2)
    assert np.array_equal(first, 2 * x) and second == 15
    assert kit.repeated("f(x)", lambda x: x * 1.0, np.array(3.0)) == 3
    assert np.array_equal(kit.repeated("f(x)", lambda x: x * 2, tensor(x, requires_grad=True)).numpy(), 2 * x)


def test_an_argument_that_was_changed_is_named_before_what_comes_of_it():
    x = np.arange(6.0)
    with pytest.raises(Wrong, match="Your code changed x in place"), kit.untouched(x=x):
        kit.repeated("f(x)", lambda x: np.add(x, 1, out=x) * 1, x)
    with pytest.raises(Wrong, match="another"), kit.untouched(x=x):
        kit.fail("f(x)", "another mistake")


def test_single_compares_dtype_and_values():
    exact = np.array([1 / 3, 1e-3])
    kit.single("f(x)", exact.astype(np.float32), exact)
    for wrong in (exact, exact.astype(np.float16).astype(np.float32), np.zeros(2, np.float32)):
        with pytest.raises(Wrong):
            kit.single("f(x)", wrong, exact)
