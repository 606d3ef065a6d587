"""Manual points, late days, rosters, exports, statistics and similarity of a graded class."""

import csv
import json

import pytest

from minigen import cli
from minigen.course.kit import gradebook as book
from minigen.course.kit.assignment import CourseError


def result(student, points, state="wrong", hint="Look at the sign."):
    tests = [
        {"task": 1, "title": "doubling", "state": "passed", "hint": "", "points": points, "possible": 4},
        {"task": 2, "title": "squares", "state": state, "hint": "" if state == "passed" else hint, "points": 0,
         "possible": 6},
    ]  # fmt: skip
    return {"student": student, "points": points, "possible": 10, "problem": "", "tests": tests}


@pytest.fixture
def graded(tmp_path):
    """A folder as `minigen course grade` leaves it."""
    folder = tmp_path / "in-grades"
    for name in ("results", "pages"):
        (folder / name).mkdir(parents=True)
    for one in (result("ada", 10, "passed"), result("bob", 4), result("cyd", 7), result("eve", 1, "time")):
        (folder / "results" / f"{one['student']}.json").write_text(json.dumps(one), encoding="utf-8")
        page = f'<h1>T</h1>\n<p class="score">{one["student"]}: <b>{one["points"]}</b></p>\n<p>rest</p>'
        (folder / "pages" / f"{one['student']}.html").write_text(page, encoding="utf-8")
    return folder


def table(path, text):
    path.write_text(text, encoding="utf-8-sig")  # as spreadsheets write it
    return path


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_grade_is_tests_and_manual_points_less_late_days(graded, tmp_path):
    adjust = table(tmp_path / "a.csv", "student,points,comment,late_days,excused_days\n"
                   "bob,2.5,Clear text,3,1\ncyd,,,1,\neve,-5,,,\n")  # fmt: skip
    entries = book.gradebook(graded, None, book.read_adjustments(adjust), book.LatePolicy(10, 1))
    totals = {e.person.student: (e.tests, e.manual, e.penalty, e.total) for e in entries}
    assert totals == {"ada": (10, 0, 0, 10), "bob": (4, 2.5, 1, 5.5), "cyd": (7, 0, 0, 7), "eve": (1, -5, 0, 0)}


def test_no_penalty_is_larger_than_the_assignment():
    assert book.LatePolicy(30, 0).penalty(book.Adjustment(late_days=9), 10) == 10
    assert book.LatePolicy(30, 2).penalty(book.Adjustment(late_days=1, excused_days=5), 10) == 0


def test_who_is_missing_or_not_on_the_roster_is_said(graded, tmp_path):
    roster = table(tmp_path / "r.csv", "student,name,id,email\nada,Ada L,17,ada@x.org\nzoe,Zoe,18,zoe@x.org\n")
    entries = {e.person.student: e for e in book.gradebook(graded, book.read_roster(roster))}
    assert (entries["zoe"].total, entries["zoe"].problem) == (0, "nothing handed in")
    assert entries["ada"].problem == "" and entries["bob"].problem == "not on the roster"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name\nbob\n", "expected a column student, got name"),
        ("student,bonus\nbob,1\n", "unknown column bonus"),
        ("student,points\nbob,two\n", "line 2: expected a number for points, got 'two'"),
        ("student,points\nbob,1\nbob,2\n", "line 3: bob has two rows"),
    ],
)
def test_a_table_that_is_not_in_order_is_refused_in_one_line(tmp_path, text, complaint):
    with pytest.raises(CourseError, match=complaint):
        book.read_adjustments(table(tmp_path / "a.csv", text))


def test_an_adjustment_for_an_unknown_name_is_no_lost_point(graded):
    with pytest.raises(CourseError, match="'bbo', who has no submission"):
        book.gradebook(graded, None, {"bbo": book.Adjustment(2)})


def test_export_writes_what_canvas_moodle_and_students_read(graded, tmp_path, capsys):
    roster = table(
        tmp_path / "r.csv", "student,name,id,email,section\nada,Ada L,17,ada@x.org,A\nbob,Bob,18,b@x.org,B\n"
    )
    adjust = table(tmp_path / "a.csv", "student,points,comment\nbob,2,<b>=1+1\n")
    before = (graded / "pages" / "bob.html").read_bytes()
    command = ["course", "export", str(graded), "--title", "A1", "--roster", str(roster), "--adjust", str(adjust)]
    for _ in range(2):  # the second run changes nothing
        assert cli.main(command) == 0
        out = graded / "export"
        assert [(row["student"], row["total"]) for row in rows(out / "gradebook.csv")][:2] == [
            ("ada", "10"),
            ("bob", "6"),
        ]
        canvas = rows(out / "canvas.csv")
        assert canvas[0]["Student"].strip() == "Points Possible" and canvas[0]["A1"] == "10"
        assert (canvas[2]["Student"], canvas[2]["SIS User ID"], canvas[2]["A1"]) == ("Bob", "18", "6")
        assert rows(out / "moodle.csv")[1] == {
            "Email address": "b@x.org", "ID number": "18", "Grade": "6", "Feedback comments": "<b>=1+1",
        }  # fmt: skip
        page = (out / "pages" / "bob.html").read_text(encoding="utf-8")
        assert "Grade: 6</b> of 10 (tests 4, by hand +2)" in page and "&lt;b&gt;=1+1" in page
    assert (graded / "pages" / "bob.html").read_bytes() == before
    assert (out / "pages" / "ada.html").read_bytes() == (graded / "pages" / "ada.html").read_bytes()
    assert "gradebook.csv" in capsys.readouterr().out


def canvas_reads(path, students):
    """Grades by student as Canvas's importer finds them: `students` has canvas id, SIS id, login and name of each."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert "Student" in header[0] and "ID" in header[1]  # else: invalid header row
    assert "SIS User ID" in header[2] and "SIS Login ID" in header[3] and "Section" in header[4]
    (title,) = header[5:]
    found = {}
    for line in lines:
        if "Points Possible" in line[0]:
            found["possible"] = line[5]
            continue
        by = [
            [s for s in students if s[k] == line[place]] for k, place in ((0, 1), (1, 2), (2, 3), (3, 0)) if line[place]
        ]
        match = next((hits for hits in by if hits), [("new student", "", "", line[0])])
        found[match[0][0]] = line[5]
    return title, found


def test_canvas_gives_each_grade_to_its_student(graded, tmp_path):
    # Bob's number at the university is Ada's number in Canvas; Cyd is found by the login, Eve by the name
    roster = table(tmp_path / "r.csv", "student,name,id\nada,Ada L,17\nbob,Bob,18\ncyd,,\neve,Eve O,\n")
    book.export(graded, tmp_path / "out", "A1", book.gradebook(graded, book.read_roster(roster)))
    students = [("18", "17", "al3", "Ada L"), ("4711", "18", "b7", "Bob"), ("4712", "99", "cyd", "Cyd K"),
                ("4713", "98", "eo1", "Eve O")]  # fmt: skip
    assert canvas_reads(tmp_path / "out" / "canvas.csv", students) == (
        "A1", {"possible": "10", "18": "10", "4711": "4", "4712": "7", "4713": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("title", ["Final Grade", "My Current Score", "Section"])
def test_a_column_that_canvas_skips_is_refused(graded, tmp_path, title):
    with pytest.raises(CourseError, match="Canvas has such a column"):
        book.export(graded, tmp_path / "out", title, book.gradebook(graded))


def moodle_reads(path, key, students):
    """Grades as Moodle's importer gives them: a row whose key is empty belongs to the student of the row before."""
    found, student = {}, None
    for row in rows(path):
        student = students[row[key]] if row[key] else student
        found.setdefault(student, []).append(row["Grade"])
    return found


@pytest.mark.parametrize(
    ("roster", "key", "found", "left_out"),
    [
        (
            "ada,17,a@x\nbob,18,\ncyd,19,c@x\neve,20,e@x",
            "Email address",
            {"ada": ["10"], "cyd": ["7"], "eve": ["1"]},
            "bob",
        ),
        ("ada,17,\nbob,18,\ncyd,,\neve,20,", "ID number", {"ada": ["10"], "bob": ["4"], "eve": ["1"]}, "cyd"),
    ],
)
def test_moodle_gives_no_grade_to_the_student_before(graded, tmp_path, capsys, roster, key, found, left_out):
    path = table(tmp_path / "r.csv", f"student,id,email\n{roster}\n")
    assert cli.main(["course", "export", str(graded), "--roster", str(path)]) == 0
    students = {"17": "ada", "18": "bob", "19": "cyd", "20": "eve", "a@x": "ada", "c@x": "cyd", "e@x": "eve"}
    assert moodle_reads(graded / "export" / "moodle.csv", key, students) == found
    assert f"roster: {left_out}\n" in capsys.readouterr().out
    for column in ("Email address", "ID number"):  # whatever the teacher maps, no identifier is empty
        assert all(row.get(column, "there") for row in rows(graded / "export" / "moodle.csv"))


def test_statistics_count_tests_and_hints(graded):
    text = book.statistics(graded)
    assert "| 1 | doubling | 4 of 4 |  |" in text and "| 2 | squares | 1 of 4 | wrong: 2, time: 1 |" in text
    assert "| 2 | Look at the sign. | 3 |" in text and "4 submissions with results; median 7 points" in text


GIVEN = "import numpy as np\n\n\ndef mean_square(x):\n    ...\n"
ADA = "import numpy as np\n\n\ndef mean_square(x):\n    total = 0.0\n    for value in x:\n        total += value * value\n    return total / len(x)\n"


def test_similarity_sees_through_names_and_comments_and_not_through_the_template():
    bob = ADA.replace("total", "s").replace("value", "v").replace("    s = 0.0", "    # my own work\n    s  =  0.0")
    cyd = "import numpy as np\n\n\ndef mean_square(x):\n    return np.mean(np.square(np.asarray(x, dtype=float)), axis=None)\n"
    pairs = book.similar_pairs({"ada": ADA, "bob": bob, "cyd": cyd, "dan": GIVEN}, GIVEN)
    assert pairs == [(1.0, "ada", "bob")]


def test_what_was_handed_out_does_not_count():
    given = ADA.replace("mean_square", "helper")
    one, other = (
        given + f"\n\ndef own(x):\n    return {text}\n" for text in ("x if x > 0 else -x + 1", "[x, 2 * (x - 3)]")
    )
    assert book.similar_pairs({"ada": one, "bob": other}, given) == []
    assert book.similar_pairs({"ada": one, "bob": other}, "") != []


def test_similar_reads_a_folder_of_submissions(tmp_path, capsys):
    grader, folder = tmp_path / "A9", tmp_path / "in"
    (grader / "solution").mkdir(parents=True)
    folder.mkdir()
    toml = 'title = "T"\nfile = "toy.py"\nseconds = 1\nmemory = 10\n[[tasks]]\ntitle = "t"\nnames = ["mean_square"]\npoints = 1\n'
    (grader / "assignment.toml").write_text(toml, encoding="utf-8")
    (grader / "solution" / "toy.py").write_text(ADA, encoding="utf-8")
    for name in ("ada", "bob"):
        (folder / f"{name}_toy.py").write_text(ADA.replace("value", name), encoding="utf-8")
    assert cli.main(["course", "similar", str(folder), "--grader", str(grader)]) == 0
    out = capsys.readouterr().out
    assert "ada" in out and "bob" in out and "100 %" in out and "no proof" in out
