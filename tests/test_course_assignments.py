"""Every assignment in the checkout: its template is in order, and its known answers are judged as they should be."""

import contextvars
import json
import re
import sys
from collections import Counter

import pytest

from minigen import cli
from minigen.course.kit import build, check, known_answers
from minigen.course.kit.assignment import TEMPLATES, Assignment, find, stub, templates
from minigen.course.kit.grade import grade
from minigen.course.kit.submission import load
from minigen.course.kit.testing import load_tests
from minigen.course.kit.wheel import make_wheel

NAMES = [path.name for path in templates()]
BY_NAME = pytest.mark.parametrize("name", NAMES)


@BY_NAME
def test_a_master_is_complete(name):
    assignment = find(name)
    assert 3 <= len(assignment.tasks) <= 6
    assert find(name.partition("_")[0]).folder == assignment.folder  # A1 for short
    counts = Counter((answer.task, answer.wrong) for answer in assignment.known_answers())
    for task in assignment.tasks:
        assert counts[task.number, True] >= 10, f"task {task.number} has too few wrong answers"
        assert counts[task.number, False] >= 2, f"task {task.number} has too few right answers"
    tests = load_tests(assignment.tests)
    for task in assignment.tasks:
        assert {t.hidden for t in tests if t.task == task.number} == {True, False}
    public = sum(t.points for t in tests if not t.hidden)
    assert public <= 0.4 * assignment.points


@BY_NAME
def test_hidden_tests_reject_every_wrong_answer_and_pass_every_right_one(name):
    assignment = find(name)
    results = known_answers.run_all(assignment, quick=True)
    assert build.faults(assignment, results) == []
    if sys.platform == "linux":  # elsewhere nothing limits memory, and another test may come first
        page = (TEMPLATES / "KNOWN_ANSWERS.md").read_text(encoding="utf-8")
        assert known_answers.overview(assignment, results) in page, (
            "out of date: minigen course validate > lessons/assignments/KNOWN_ANSWERS.md"
        )


@BY_NAME
def test_the_instructors_guide_explains_every_hidden_test(name):
    """With its task and its points."""
    guide = (TEMPLATES / "INSTRUCTORS.md").read_text(encoding="utf-8")
    section = guide.partition(f"\n### {name.partition('_')[0]}\n")[2].partition("\n### ")[0]
    found = []
    for task, names, points in re.findall(r"^\| (\d) \| (`.*`) \| (\d+) \|", section, re.MULTILINE):
        found.append((int(task), re.findall(r"`(\w+)`", names), int(points)))
    hidden = {t.name: t for t in load_tests(find(name).tests) if t.hidden}
    assert sorted(n for _, names, _ in found for n in names) == sorted(hidden)
    for task, names, points in found:
        assert {hidden[n].task for n in names} == {task} and sum(hidden[n].points for n in names) == points, names


@BY_NAME
def test_the_file_as_handed_out_loads_and_gives_nothing_away(name):
    pytest.importorskip("jupytext", reason="building a notebook needs the extra 'lessons'")
    assignment = find(name)
    files = build.student_files(assignment, [])
    assert build.leaks(assignment, files) == []
    module = load(files[assignment.file], assignment.file)
    assert all(hasattr(module, name) for task in assignment.tasks for name in task.names)
    assert "raise NotImplementedError" in files[assignment.file] and "SOLUTION" not in files[assignment.file]


@pytest.mark.parametrize("answered", [False, True], ids=["as handed out", "solved"])
@BY_NAME
def test_the_guide_runs_from_top_to_bottom(name, answered, tmp_path, monkeypatch, capsys):
    """Its cells one after the other, without a kernel; the checks are left out, since other tests run them."""
    jupytext = pytest.importorskip("jupytext", reason="building a notebook needs the extra 'lessons'")
    pytest.importorskip("matplotlib")
    pytest.importorskip("IPython", reason="needs the extra 'lessons'")
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setattr("IPython.display.display", lambda *things: None)
    assignment = find(name)
    text = (assignment.folder / assignment.file).read_text(encoding="utf-8")
    (tmp_path / assignment.file).write_text(assignment.solution() if answered else stub(text), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    namespace, context = {"__name__": "guide"}, contextvars.copy_context()  # which kernels it chooses is its own affair
    checked = set()
    for cell in jupytext.read(assignment.folder / "guide.py", fmt="py:percent").cells:
        if cell.cell_type == "code" and cell.source.startswith("kit.check("):
            checked.add(cell.source)
        elif cell.cell_type == "code":
            context.run(exec, compile(cell.source, "guide.py", "exec"), namespace)
    assert len(checked) == len(assignment.tasks)  # a check for each task
    assert ("Not yet: " in capsys.readouterr().out) == (not answered)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """All assignments, built as an instructor builds them: the two copies of each, by its name."""
    pytest.importorskip("jupytext", reason="building a notebook needs the extra 'lessons'")
    out = tmp_path_factory.mktemp("course")
    assert cli.main(["course", "build", "--out", str(out)]) == 0
    assert sorted(path.name for path in (out / "student").iterdir()) == NAMES
    return {name: (out / "student" / name, out / "grader" / name) for name in NAMES}


@pytest.mark.slow
@pytest.mark.course
@BY_NAME
def test_a_built_assignment_is_ready_to_be_handed_out_and_graded(name, course, tmp_path):
    student, grader = map(Assignment.read, course[name])
    names = {path.relative_to(student.folder).as_posix() for path in student.folder.rglob("*") if path.is_file()}
    assert names == {
        student.file,
        "guide.ipynb",
        "README.md",
        "assignment.toml",
        "tests/public.py",
        "tests/mistakes.json",
        ".github/workflows/check.yml",
        make_wheel()[0],
    }
    report = check(student.folder / student.file).to_dict()
    assert {t["state"] for t in report["tests"]} == {"not written"}
    text = (student.folder / student.file).read_text(encoding="utf-8")
    (tmp_path / "blank.py").write_text(text, encoding="utf-8")
    (tmp_path / "right.py").write_text(grader.solution(), encoding="utf-8")
    graded = {row["student"]: row for row in grade(grader, tmp_path, tmp_path / "out")}
    assert (graded["right"]["points"], graded["blank"]["points"]) == (grader.points, 0)


@pytest.mark.slow
@pytest.mark.course
@BY_NAME
def test_building_records_hints_for_the_known_answers(name, course):
    """How every wrong answer fails, with its hint; the student's copy knows of the public tests alone."""
    student, grader = map(Assignment.read, course[name])
    known = json.loads((grader.tests / "mistakes.json").read_text(encoding="utf-8"))
    assert {answer.hint for answer in find(name).known_answers() if answer.wrong} <= {entry["hint"] for entry in known}
    given = json.loads((student.tests / "mistakes.json").read_text(encoding="utf-8"))
    assert {entry["test"] for entry in given} <= {t.name for t in load_tests(student.tests)}
