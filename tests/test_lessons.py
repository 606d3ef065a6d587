"""The lessons run, say what they said when they were stored, and their exercises tell right answers from wrong ones."""

import argparse
import importlib
import importlib.util
import json
import re
import runpy

import numpy as np
import pytest

import minigen as mg
from minigen import lessons
from minigen.cli import main
from minigen.course import Exercise, Verdict, call, close, exercise, show_source
from minigen.course import autograd as first
from minigen.kernels import emulator

LESSONS = lessons.find_lessons()


def _stored(lesson):
    return json.loads(lesson.notebook.read_text(encoding="utf-8"))


def _skip_without_emulator(lesson):
    if "gpu" in lesson.source.stem and emulator.why_not():
        pytest.skip(emulator.why_not())


def _skip_without_data(lesson):
    if "sequences" in lesson.source.stem:
        for module in ("sktime", "pretty_midi"):
            if importlib.util.find_spec(module) is None:
                pytest.skip(f"needs {module}, of the extra 'sequences'")


# ---- every lesson


@pytest.mark.lesson
@pytest.mark.filterwarnings("default")  # warnings of the notebook's machinery are not ours
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.source.stem)
def test_lesson_runs_from_scratch_and_says_what_is_stored(lesson):
    for module in ("jupytext", "nbclient", "ipykernel"):
        pytest.importorskip(module, reason="needs the extra 'lessons'")
    _skip_without_emulator(lesson)
    _skip_without_data(lesson)
    fresh = json.loads(json.dumps(lessons.execute(lesson.source)))
    assert lessons.stale(_stored(lesson), fresh) == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.source.stem)
def test_stored_notebook_has_the_cells_of_its_text(lesson):
    jupytext = pytest.importorskip("jupytext", reason="needs the extra 'lessons'")
    stored, text = _stored(lesson), jupytext.read(lesson.source, fmt="py:percent")
    for cell in stored["cells"]:
        cell.pop("outputs", None)
    for cell in text["cells"]:
        cell.pop("outputs", None)
    assert lessons.stale(stored, text) == []
    assert all(cell["execution_count"] for cell in stored["cells"] if cell["cell_type"] == "code")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.source.stem)
def test_pictures_are_small(lesson):
    sizes = list(lessons.picture_sizes(_stored(lesson)))
    assert sizes and [(place, size) for place, size in sizes if size > lessons.PICTURE_LIMIT] == []


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.source.stem)
def test_every_exercise_is_in_the_lesson_and_its_solution_is_right(lesson):
    _skip_without_emulator(lesson)
    module = importlib.import_module(f"minigen.course.{lesson.source.stem[3:]}")
    exercises = [getattr(module, name) for name in module.__all__]
    assert 3 <= len(exercises) <= 6
    assert [e.number for e in sorted(exercises, key=lambda e: e.number)] == [
        f"{lesson.number}.{k + 1}" for k in range(len(exercises))
    ]
    answers = runpy.run_path(str(lesson.source.parent / "solutions" / lesson.source.name))
    text = lesson.source.read_text(encoding="utf-8")
    for e in exercises:
        assert isinstance(e, Exercise) and f"### Exercise {e.number}: " in text
        verdict = e(answers[e.__name__])
        assert verdict.right, verdict
        assert e(...).state == "not answered yet"


def test_readme_lists_every_lesson():
    readme = (lessons.FOLDER / "README.md").read_text(encoding="utf-8")
    for lesson in LESSONS:
        assert f"| {lesson.number} | [{lesson.title}]({lesson.notebook.name}) |" in readme


# ---- the check for stale outputs


def _notebook(text="1\n", tags=(), source="print(1)", kind="stream"):
    data = {"output_type": "stream", "name": "stdout", "text": text}
    if kind != "stream":
        data = {"output_type": "display_data", "data": {kind: text}}
    return {"cells": [{"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}, "outputs": [data]}]}


def test_stale_finds_changed_text_code_and_tags_but_not_what_varies():
    assert lessons.stale(_notebook(), _notebook()) == []
    assert (
        "stored ['stdout: 1\\n'], a fresh run gives ['stdout: 2\\n']" in lessons.stale(_notebook(), _notebook("2\n"))[0]
    )
    assert lessons.stale(_notebook(), _notebook(source="print(2)")) == ["cell 1: the source differs from the text's"]
    assert lessons.stale(_notebook(tags=["varies"]), _notebook("2\n", tags=["varies"])) == []
    assert "tags differ" in lessons.stale(_notebook(), _notebook(tags=["varies"]))[0]
    assert lessons.stale(_notebook(kind="image/png"), _notebook("other", kind="image/png")) == []
    assert lessons.stale(_notebook(), _notebook("1\n", kind="image/png")) != []
    assert lessons.stale(_notebook(), {"cells": []}) == ["the notebook has 1 cells, its text 0"]


@pytest.mark.lesson
@pytest.mark.filterwarnings("default")
def test_outputs_that_must_not_be_published_are_not_kept(tmp_path):
    for module in ("jupytext", "nbclient", "ipykernel"):
        pytest.importorskip(module, reason="needs the extra 'lessons'")
    (tmp_path / "01_two.py").write_text('# %% tags=["not-stored"]\nprint(1)\n\n# %%\nprint(2)\n', encoding="utf-8")
    first, second = lessons.execute(tmp_path / "01_two.py").cells
    assert (first["outputs"], first["execution_count"], second["outputs"][0]["text"]) == ([], 1, "2\n")


@pytest.mark.lesson
@pytest.mark.filterwarnings("default")
def test_execute_fails_on_a_failing_cell(tmp_path):
    exceptions = pytest.importorskip("nbclient.exceptions", reason="needs the extra 'lessons'")
    pytest.importorskip("jupytext")
    (tmp_path / "01_bad.py").write_text("# %%\nprint('a')\n\n# %%\n1 / 0\n", encoding="utf-8")
    with pytest.raises(exceptions.CellExecutionError, match="ZeroDivisionError"):
        lessons.execute(tmp_path / "01_bad.py")


# ---- minigen lesson


def _command(*words):
    return main(["lesson", *words])


def test_list_names_the_lessons(capsys):
    assert _command("--list") == 0 == _command()
    assert "  1  Autograd: from one multiplication to the engine\n" in capsys.readouterr().out


@pytest.fixture
def launched(monkeypatch):
    """What would be started; and JupyterLab counts as installed."""
    commands = []

    def start(command, check):
        commands.append(command)
        return argparse.Namespace(returncode=0)

    monkeypatch.setattr("subprocess.run", start)
    monkeypatch.setattr(lessons, "_need", lambda *modules: None)
    return commands


def test_opening_a_lesson_copies_it_once_and_keeps_the_students_work(tmp_path, monkeypatch, launched, capsys):
    monkeypatch.chdir(tmp_path)
    assert _command("1") == 0
    copy = tmp_path / "lessons-work" / "01_autograd.ipynb"
    assert copy.read_bytes() == LESSONS[0].notebook.read_bytes()
    copy.write_text("my work", encoding="utf-8")
    assert _command("1") == 0
    assert copy.read_text(encoding="utf-8") == "my work" and "going on with your copy" in capsys.readouterr().out
    assert [command[1:3] for command in launched] == [["-m", "jupyterlab"]] * 2
    assert (tmp_path / launched[0][3]).samefile(copy)
    assert _command("1", "--", "--no-browser") == 0 and launched[2][4:] == ["--no-browser"]


def test_the_stored_pictures_of_a_lesson_lie_beside_its_copy(tmp_path, monkeypatch, launched):
    monkeypatch.chdir(tmp_path)
    assert _command("16") == 0
    shown = re.findall(r"\]\((pictures/.*?)\)", (LESSONS[0].source.parent / "16_repair.py").read_text(encoding="utf-8"))
    assert shown and all((tmp_path / "lessons-work" / name).is_file() for name in shown)


def test_a_copy_without_opening_it_and_the_answers_beside_it(tmp_path, monkeypatch, launched, capsys):
    monkeypatch.chdir(tmp_path)
    assert _command("10", "--copy") == 0 == _command("10", "--solutions") and not launched
    work = tmp_path / "lessons-work"
    page = work / "reference" / "mode_collapse.md"  # which the lesson links to, with its pictures
    pictures = re.findall(r"\]\((\.\./pictures/.*?)\)", page.read_text(encoding="utf-8"))
    assert pictures and all((page.parent / name).is_file() for name in pictures)
    answers = work / "10_mode_collapse_solutions.py"
    answers.write_text("changed", encoding="utf-8")
    assert _command("10", "--solutions") == 0 and str(answers.name) in capsys.readouterr().out
    assert answers.read_bytes() == (lessons.FOLDER / "solutions" / "10_mode_collapse.py").read_bytes()
    for flag in ("--copy", "--solutions"):
        assert _command(flag) == 2 and f"{flag} needs the number" in capsys.readouterr().err


def test_unknown_lesson_and_missing_lessons_are_said_in_one_line(tmp_path, monkeypatch, capsys):
    assert _command("99") == 2
    assert "there is no lesson 99; there are 1" in capsys.readouterr().err
    monkeypatch.setattr(lessons, "FOLDER", tmp_path)
    assert _command("--list") == 2
    error = capsys.readouterr().err
    assert str(tmp_path) in error and "pip install minigen-lessons" in error and error.count("\n") == 1


def test_opening_without_jupyterlab_names_the_extra(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert _command("1", "--folder", str(tmp_path / "work")) == 2
    assert 'python -m pip install "minigen-lab[lessons]"' in capsys.readouterr().err
    assert not (tmp_path / "work").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path, launched, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert _command("1", "--folder", str(tmp_path / "file")) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err and not launched


# ---- the exercise machinery


def _check(check, answer):
    return exercise("0.1", "a test")(check)(answer)


def test_close_names_index_expected_and_got():
    expected = np.arange(6.0).reshape(2, 3) + 1
    got = expected.copy()
    got[1, 2] = 7.5
    verdict = _check(lambda answer: close("f(x)", answer, expected), got)
    assert verdict.state == "wrong" and not verdict
    assert verdict.reason == "f(x): at index (1, 2): expected 6.0, got 7.5 (1 of 6 elements are off)."


@pytest.mark.parametrize(
    ("got", "hint"),
    [
        ([-1.0, -2.0], "It is -1 times what is expected: look at the sign."),
        ([3.0, 6.0], "It is 3 times what is expected: look at the scale."),
        ([0.25, 0.5], "It is 0.25 times what is expected: look at the scale."),
        ([0.0, 0.0], "It is zero everywhere."),
        ([np.nan, 2.0], "not finite"),
        ([1.0, 2.0, 3.0], r"expected shape (2,), got (3,)"),
        ("one", "expected an array of shape (2,), got str 'one'"),
    ],
)
def test_close_guesses_at_the_mistake(got, hint):
    expected = np.array([1.0, 2.0])
    got = np.array(got) if isinstance(got, list) else got
    assert hint in _check(lambda answer: close("f(x)", answer, expected), got).reason


def test_close_does_not_guess_at_a_chance_multiple():
    assert "times" not in _check(lambda answer: close("f", answer, 1.0), 11.1).reason


def test_close_accepts_within_the_tolerance_and_no_further():
    assert _check(lambda answer: close("f", answer, 1.0, rtol=1e-3), 1.0009).right
    assert not _check(lambda answer: close("f", answer, 1.0, rtol=1e-3), 1.0011).right
    assert "expected a Tensor, got an array" in _check(lambda a: close("f", a, mg.ones(2)), np.ones(2)).reason


def test_call_puts_every_failure_into_words():
    def raises(x):
        y = x + 1
        return y["a"]

    def changes(x):
        x += 1
        return x

    def nothing(x):
        x + 1

    def not_written(x):
        raise NotImplementedError

    def call_it(answer, expect=1):
        return _check(lambda a: call(a, np.zeros(2), expect=expect), answer)

    assert "raises raised IndexError in its line 3" in call_it(raises).reason
    assert "changes changed argument 0 in place" in call_it(changes).reason
    assert "Expected a function, got float 3.0" in call_it(3.0).reason
    assert "gave 3 results; expected 2" in call_it(lambda x: (1, 2, 3), expect=2).reason
    assert "gave 1 result; expected 2" in call_it(lambda x: 1, expect=2).reason
    for answer in (nothing, lambda x: ..., not_written):
        assert call_it(answer).state == "not answered yet"
    assert "is there a `return`?" in call_it(nothing).reason


def test_an_answer_nobody_foresaw_is_a_verdict_and_not_a_crash():
    verdict = _check(lambda answer: answer.absent, 3)
    assert isinstance(verdict, Verdict) and "AttributeError" in verdict.reason


def test_show_source_is_what_the_file_says():
    text = show_source(mg.mul, mg.engine.grad).text
    source = (lessons.FOLDER.parent / "minigen" / "ops" / "elementwise.py").read_text(encoding="utf-8")
    for line in text.split("# minigen/engine.py")[0].splitlines()[1:]:
        assert line in source
    assert "other=lambda g, out, input, other: unbroadcast(g * input, other.shape)" in text
    assert '"""' not in text and '"""' in show_source(mg.mul, docstring=True).text
    assert show_source(mg.exp)._repr_markdown_().startswith("```python\n# minigen/ops/elementwise.py\n@primitive\n")


# ---- lesson 1: wrong answers are found, and for the right reason


def _path_by_path(output, x):
    if output is x:
        return mg.ones_like(x)
    if output.node is None:
        return mg.zeros_like(x)
    total, inputs = mg.zeros_like(x), output.node.inputs
    one = mg.ones_like(output)
    for i, share in output.node.primitive.apply_vjps(range(len(inputs)), one, output, inputs, output.node.params):
        total = total + share * _path_by_path(inputs[i], x)
    return total


def _pass_that(overwrites=False, keeps_first=False, unsorted=False, depth_first=False):
    def my_grad(output, x):
        found, waiting = {}, [output]
        while waiting:
            t = waiting.pop() if depth_first else waiting.pop(0)
            if id(t) not in found:
                found[id(t)] = t
                waiting.extend(t.node.inputs if t.node else ())
        cotangents = {id(output): mg.ones_like(output)}
        made = [t for t in found.values() if t.node]
        for t in made if unsorted else sorted(made, key=lambda t: -t.node.sequence_number):
            inputs, g = t.node.inputs, cotangents[id(t)]
            for i, share in t.node.primitive.apply_vjps(range(len(inputs)), g, t, inputs, t.node.params):
                old = cotangents.get(id(inputs[i]))
                if not (keeps_first and old is not None):
                    cotangents[id(inputs[i])] = share if old is None or overwrites else old + share
        return cotangents[id(x)]

    return my_grad


def _hvp(f, x, v, times=1.0, backward=False):
    if backward:
        f(x).backward()
    (gradient,) = mg.grad(f(x), x, create_graph=True)
    return mg.grad((gradient * v).sum(), x)[0] * times


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (first.div_vjp, lambda g, x, w: (g / w, g * x / w**2), r"[1], the gradient for w"),
        (first.div_vjp, lambda g, x, w: (g / w, g * x / w**2), "look at the sign"),
        (first.div_vjp, lambda g, x, w: (1 / w, -x / w**2), r"[0], the gradient for x"),
        (first.div_vjp, lambda g, x, w: (g * w, g * x), "This is the rule of a product"),
        (first.div_vjp, lambda g, x, w: (-g * x / w**2, g / w), "This is the gradient for w: x comes first"),
        (first.div_vjp, lambda g, x, w: (g / w, -x / w**2), "Where is g?"),
        (first.div_vjp, lambda g, x, w: (g / w, -g / w**2), "Where is x?"),
        (first.div_vjp, lambda g, x, w: (g / w, -g * x / w), "another power of w"),
        (first.div_vjp, lambda g, x, w: g / w, "gave 1 result; expected 2"),
        (first.center_vjp, lambda g, x: g, "It acts through the mean too"),
        (first.center_vjp, lambda g, x: g * (1 - 1 / len(x)), "Through the mean it acts on all N results"),
        (first.center_vjp, lambda g, x: g + g.mean(axis=0), "Look at the sign of the mean"),
        (first.center_vjp, lambda g, x: x - x.mean(axis=0), "This is centering itself, forwards"),
        (first.center_vjp, lambda g, x: g - g.sum(axis=0), "a sum in place of a mean"),
        (first.center_vjp, lambda g, x: g - g.mean(axis=1, keepdims=True), "for shape (4, 1)"),
        (first.center_vjp, lambda g, x: g.sum(axis=0), "expected shape (4, 1), got (1,)"),
        (first.center_vjp, lambda g, x: g - g.mean(), "for shape (5, 3)"),
        (first.center_vjp, lambda g, x: g - g.mean(), "each column has its own mean"),
        (first.my_grad, _pass_that(overwrites=True), "my_grad(x * x, x), both arguments the same"),
        (first.my_grad, _pass_that(overwrites=True), "Only one contribution arrives at x"),
        (first.my_grad, _pass_that(keeps_first=True), "Only one contribution arrives at x"),
        (first.my_grad, _pass_that(unsorted=True), "p used by two others"),
        (first.my_grad, _pass_that(unsorted=True), "before it had received every contribution"),
        (first.my_grad, _pass_that(unsorted=True, depth_first=True), "my_grad(young * old, x), where old made young"),
        (first.my_grad, _pass_that(unsorted=True, depth_first=True), "before it had received every contribution"),
        (first.my_grad, _path_by_path, "Visit a Tensor only once"),
        (first.my_grad, lambda output, x: 1.0, "expected a Tensor, got float"),
        (first.my_grad, lambda output, x: mg.ones_like(x), "my_grad(x * w, x), one operation: expected -1.3"),
        (first.my_grad, lambda output, x: {}[id(x)], "Is the order from the newest to the oldest?"),
        (first.my_grad, lambda output, x: x.node.inputs, "Leave the leaves out"),
        (first.softsign_vjp, lambda g, out, x: mg.tensor(g.data / (1 + abs(x.data)) ** 2), "second derivative is lost"),
        (first.softsign_vjp, lambda g, out, x: g / (1 + abs(x.detach())) ** 2, "second derivative is lost"),
        (first.softsign_vjp, lambda g, out, x: g / (1 + x) ** 2, "is right for x > 0 and wrong for x < 0"),
        (first.softsign_vjp, lambda g, out, x: g / (1 + abs(x)), "softsign_vjp(g, out, x): at index"),
        (first.softsign_vjp, lambda g, out, x: g * (1 - abs(out)) / (1 + abs(x.detach())), "the second derivative"),
        (first.softsign_vjp, lambda g, out, x: g.sum(), "expected the shape of x, (4,), got ()"),
        (first.softsign_vjp, lambda g, out, x: g.data, "expected a Tensor, got ndarray"),
        (first.hvp, lambda f, x, v: mg.grad(f(x), x)[0] * v, "for f(x) = (x ** 3).sum()"),
        (first.hvp, lambda f, x, v: _hvp(f, x, v, times=2.0), "look at the scale"),
        (first.hvp, lambda f, x, v: mg.grad(f(x), x), "unpack it"),
        (first.hvp, lambda f, x, v: mg.grad((mg.grad(f(x), x)[0] * v).sum(), x)[0], "needs create_graph=True"),
        (first.hvp, lambda f, x, v: mg.grad(mg.grad(f(x), x, create_graph=True)[0], x)[0], "starts from one number"),
        (first.hvp, lambda f, x, v: _hvp(f, x, v, backward=True), "left something in x.grad"),
        (first.round_through, lambda x: mg.tensor(np.round(x.data)), "does not depend on x"),
        (first.round_through, lambda x: x, "round_through(x): at index"),
        (first.round_through, lambda x: mg.tensor(np.round(x.data)) + 0 * x, "The gradient is zero"),
        (first.round_through, lambda x: 2 * x + (mg.tensor(np.round(x.data)) - 2 * x).detach(), "x is in the result twice"),
        (first.round_through, lambda x: (x + (mg.tensor(np.round(x.data)) - x)), "the gradient of round_through(x)"),
        (first.round_through, lambda x: np.round(x), "TypeError"),
    ],
)  # fmt: skip
def test_lesson_1_says_what_is_wrong(check, answer, reason):
    before = dict(mg.engine.primitives)
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict
    assert mg.engine.primitives == before
