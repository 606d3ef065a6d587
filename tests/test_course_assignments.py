"""Every assignment in the checkout: its master is in order, and its zoo is what it should be."""

import json
from collections import Counter

import pytest

from minigen.course.kit import build, zoo
from minigen.course.kit.assignment import MASTERS, Assignment, find, stub
from minigen.course.kit.submission import load
from minigen.course.kit.tests import load_tests

NAMES = sorted(path.parent.name for path in MASTERS.glob("*/assignment.toml"))
BY_NAME = pytest.mark.parametrize("name", NAMES)


@BY_NAME
def test_a_master_is_complete(name):
    assignment = find(name)
    assert 3 <= len(assignment.tasks) <= 6
    assert find(name.partition("_")[0]).folder == assignment.folder  # A1 for short
    counts = Counter((answer.task, answer.wrong) for answer in assignment.zoo())
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
    assert build.faults(assignment, zoo.visit(assignment, quick=True)) == []


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
    namespace = {"__name__": "guide"}
    checked = set()
    for cell in jupytext.read(assignment.folder / "guide.py", fmt="py:percent").cells:
        if cell.cell_type == "code" and cell.source.startswith("kit.check("):
            checked.add(cell.source)
        elif cell.cell_type == "code":
            exec(compile(cell.source, "guide.py", "exec"), namespace)
    assert len(checked) == len(assignment.tasks)  # a check for each task
    assert ("Not yet: " in capsys.readouterr().out) == (not answered)


@pytest.mark.slow
@BY_NAME
def test_building_records_hints_for_the_zoo(name, tmp_path):
    """All tests on all answers: every wrong answer's feedback is its hint, or one that fails in the very same way."""
    built = build.build(name, tmp_path)
    specimens = zoo.visit(find(name))
    known = zoo.mistakes(specimens, hidden=True)
    for specimen in specimens:
        if specimen.answer.wrong:
            assert any(known.hint(test, outcome) for test, outcome in specimen.rejections), specimen.answer.name
    given = json.loads((built.student / "tests" / "mistakes.json").read_text(encoding="utf-8"))
    assert {entry["test"] for entry in given} <= {t.name for t in load_tests(Assignment.read(built.student).tests)}
