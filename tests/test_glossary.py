"""docs/glossary.md: each term is there once, and the lesson that it names explains it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
    for line in (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| **")
][1:]
LESSONS = {int(path.name[:2]): path.read_text(encoding="utf-8") for path in (ROOT / "lessons").glob("[0-9]*.py")}


def plain(text):
    return re.sub(r"[\s\-#]+", " ", text.lower().replace("*", ""))


def test_every_row_is_complete_and_every_term_is_there_once():
    assert len(ROWS) >= 120 and all(len(row) == 4 and all(row) for row in ROWS)
    assert all(re.search("[\u4e00-\u9fff]", row[1]) or row[1].isascii() for row in ROWS)
    terms = [row[0].lower() for row in ROWS]
    assert sorted(set(terms)) == sorted(terms)


def test_the_lesson_that_a_row_names_has_the_term():
    missing = []
    for term, _, _, lesson in ROWS:
        if lesson == "-":
            continue
        names = [name.strip() for name in re.split(r"[,()]| and ", term) if name.strip()]
        text = plain(LESSONS.get(int(lesson), ""))
        if not any(plain(name) in text for name in names):
            missing.append((lesson, term))
    assert missing == []
