"""Translations of the lessons: complete, of the text as it is now, and with the same formulas, code and terms."""

import json
import re
import shutil

import pytest

from minigen import lessons
from minigen.cli import main

TRANSLATED = [
    pytest.param(lesson, language, id=f"{language}-{lesson.source.stem}")
    for lesson in lessons.find_lessons()
    for language in lessons.languages()
    if (lessons.FOLDER / language / f"{lesson.source.stem}.md").is_file()
]
EVERY = pytest.mark.parametrize(("lesson", "language"), TRANSLATED)
GLOSSARY = {
    cells[0].lower(): cells[1]
    for line in (lessons.FOLDER.parent / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    if len(cells := [cell.strip() for cell in line.split("|")[1:-1]]) == 4
}


def english(lesson):
    """The text cells of a stored notebook."""
    cells = json.loads(lesson.notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def formulas(text):
    """What stands between dollars, without words and spaces."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL).replace("$$", "$")
    found = re.findall(r"\$([^$]+)\$", text)
    return {re.sub(r"\\text\{[^}]*\}|\\;|\\q?quad|[\s,]", "", formula) for formula in found}


def skeleton(text):
    """What must be the same in every language."""
    return {
        "formulas": formulas(text),
        "code": set(re.findall(r"`([^`\n]+)`", text)),
        "blocks of code": re.findall(r"^ {4}\S.*$", text, re.MULTILINE),
        "links": re.findall(r"\]\(([^)]+)\)", text),
        "headings": [len(level) for level in re.findall(r"^(#+) ", text, re.MULTILINE)],
        "exercises": re.findall(r"^### \S+ (\d+\.\d+)", text, re.MULTILINE),
        "items": len(re.findall(r"^(?:-|\d\.) ", text, re.MULTILINE)),
        "rows": [line.count("|") for line in text.splitlines() if line.startswith("|")],
        "folds": text.count("<details>"),
        "bold": text.count("**"),
    }


def test_lessons_1_and_8_are_in_chinese():
    assert [(param.values[0].number, param.values[1]) for param in TRANSLATED] == [(1, "zh"), (8, "zh")]


@EVERY
def test_every_cell_is_translated_as_it_is_now_and_in_order(lesson, language):
    assert list(lessons.translation(lesson, language)) == [lessons.mark(text) for text in english(lesson)]


@EVERY
def test_formulas_code_links_lists_and_tables_are_those_of_the_english_text(lesson, language):
    translated = lessons.translation(lesson, language)
    for text in english(lesson):
        assert skeleton(translated[lessons.mark(text)]) == skeleton(text)


@EVERY
def test_the_terms_are_those_of_the_english_text_and_of_the_glossary(lesson, language):
    translated = lessons.translation(lesson, language)
    for text in english(lesson):
        own = translated[lessons.mark(text)]
        for given in re.findall(r"[(,] ?([\u4e00-\u9fff][\w\u4e00-\u9fff -]*)\)", text):
            assert given in own, f"{given} is not in the cell {own[:60]}"
    pairs = re.findall(r"\*\*([^*（）]+)\*\*（([a-zA-Z -]+)", "\n".join(translated.values()))
    assert len(pairs) >= 15
    for name, term in pairs:
        if wanted := GLOSSARY.get(term.strip().lower()):
            assert name.replace("过程", "") in wanted, f"{term}: {name} here, {wanted} in the glossary"


@EVERY
def test_code_and_outputs_are_those_of_the_english_notebook(lesson, language):
    notebook = lessons.translate(lesson, language)
    stored = json.loads(lesson.notebook.read_text(encoding="utf-8"))
    assert {**notebook, "cells": 0} == {**stored, "cells": 0} and len(notebook["cells"]) == len(stored["cells"])
    for mine, other in zip(notebook["cells"], stored["cells"]):
        if mine["cell_type"] == "code":
            assert mine == other
        else:
            assert re.search("[\u4e00-\u9fff]", mine["source"])
            assert {**mine, "source": 0} == {**other, "source": 0}


def test_a_cell_that_was_changed_since_it_was_translated_is_an_error(tmp_path):
    folder = tmp_path / "lessons"
    (folder / "zh").mkdir(parents=True)
    for name in ("01_autograd.py", "01_autograd.ipynb", "zh/01_autograd.md"):
        shutil.copyfile(lessons.FOLDER / name, folder / name)
    text = (folder / "01_autograd.ipynb").read_text(encoding="utf-8")
    assert text.count("## 2. One multiplication") == 1
    changed = text.replace("## 2. One multiplication", "## 2. A multiplication")
    (folder / "01_autograd.ipynb").write_text(changed, encoding="utf-8")
    (lesson,) = lessons.find_lessons(folder)
    with pytest.raises(
        lessons.LessonError, match=r"lesson 1: the text of cell \d+ has changed since it was translated to zh"
    ):
        lessons.translate(lesson, "zh")


def test_the_command_line_lists_and_opens_translations(tmp_path, capsys, monkeypatch):
    assert main(["lesson", "--list", "--lang", "zh"]) == 0
    out = capsys.readouterr().out
    assert "  1  自动微分" in out and "  8  GAN" in out and "--lang zh" in out and "Convolution" not in out
    monkeypatch.setattr(lessons, "_need", lambda *modules: None)
    assert main(["lesson", "2", "--lang", "zh"]) == 2
    assert "lesson 2 is not translated into zh; translated are: 1, 8" in capsys.readouterr().err
    monkeypatch.setattr(lessons.subprocess, "run", lambda command, check: type("Done", (), {"returncode": 0}))
    assert main(["lesson", "1", "--lang", "zh", "--folder", str(tmp_path)]) == 0
    notebook = json.loads((tmp_path / "01_autograd.zh.ipynb").read_text(encoding="utf-8"))
    assert notebook["cells"][0]["source"].startswith("# 1. 自动微分")
