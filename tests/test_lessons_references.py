"""What the lessons refer to is there: files, lessons, sections, exercises; and who cites an article says where."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {int(path.name[:2]): path for path in sorted((ROOT / "lessons").glob("[0-9]*.py"))}
TEXTS = {n: path.read_text(encoding="utf-8") for n, path in SOURCES.items()}
EVERY = pytest.mark.parametrize("n", list(TEXTS))


def cells(n):
    """The text cells of a lesson."""
    parts = re.split(r"^# %%(.*)$", TEXTS[n], flags=re.MULTILINE)
    for kind, body in zip(parts[1::2], parts[2::2]):
        if "[markdown]" in kind:
            yield "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.strip().splitlines())


def blocks(cell):
    """The paragraphs, list items and table rows of a cell, each with its lines joined."""
    cell = re.sub(r"\n(?=\||- |\d+\. )", "\n\n", cell)
    return [" ".join(block.split()) for block in re.split(r"\n\s*\n", cell) if block.strip()]


def prose(n):
    return "\n".join(cells(n))


def sections(n):
    return {int(number) for number in re.findall(r"^## (\d+)\. ", prose(n), re.MULTILINE)}


def exercises(n):
    return set(re.findall(r"^### Exercise (\d+\.\d+)", prose(n), re.MULTILINE))


PLACE = re.compile(r"§|\bL\d+|\blines? \d+|docs/articles\.md|lesson 14")


def without_place(n):
    """The blocks that accuse an article and do not say where it says so; a page or a place in the same cell will do."""
    for cell in cells(n):
        for block in blocks(cell):
            block = re.sub(
                r"\bS[0-4](?:'s (?:generator|discriminator|D|networks)\b|, 64 x 64)", "", block
            )  # a network's name
            accuses = re.search(r"\bS[0-4]\b|\b[Tt]he articles?\b|\ban? (?:\w+ )*articles?\b", block)
            if accuses and not (PLACE.search(block) or "docs/articles.md" in cell):
                yield block


@EVERY
def test_who_cites_an_article_says_where_it_says_so(n):
    assert list(without_place(n)) == []


def test_a_citation_without_a_place_is_found(monkeypatch):
    text = "# %% [markdown]\n# The article forgets the minus.\n#\n# S1, §4, line 95, has a sigmoid.\n#\n# S2 has another.\n"
    monkeypatch.setitem(TEXTS, 99, text)
    assert list(without_place(99)) == ["The article forgets the minus.", "S2 has another."]


@EVERY
def test_every_file_that_a_lesson_names_is_there(n):
    named = re.findall(r"`((?:lessons|docs|minigen|tests|kernels)/[\w./-]*\w)/?`", prose(n))
    text = re.sub(r"`[^`\n]*`(?!\])", "", prose(n))  # `kernel[grid, block](...)` is no link
    linked = re.findall(r"\]\((?!https?:|#|attachment:)([^)#\s,]+)\)", text)
    missing = [name for name in named if not (ROOT / name).exists()]
    missing += [name for name in linked if not (ROOT / "lessons" / name).exists()]
    assert missing == []


@EVERY
def test_every_lesson_section_and_exercise_that_a_lesson_names_is_there(n):
    text = " ".join(prose(n).split())
    missing = []
    for lesson, section in re.findall(r"[Ll]esson (\d+), section (\d+)", text):
        if int(section) not in sections(int(lesson)):
            missing.append(f"lesson {lesson}, section {section}")
    text = re.sub(r"[Ll]esson \d+, sections? [\d, and]+", "", text)
    for first, second in re.findall(r"[Ll]essons? (\d+)(?:(?:, \d+)*,? (?:and|to) (\d+))?", text):
        missing += [f"lesson {number}" for number in (first, second) if number and int(number) not in TEXTS]
    text = re.sub(r"\w+(?:'s)?(?: paper)?,? sections? \d+ (?:of|in) \[?[A-Z]", "", text)
    for first, second in re.findall(r"(?<!their )[Ss]ections? (\d+)(?:(?:, \d+)*,? (?:and|to) (\d+))?(?![\d.])", text):
        missing += [f"section {number}" for number in (first, second) if number and int(number) not in sections(n)]
    for exercise in re.findall(r"[Ee]xercises? (\d+\.\d+)", text):
        if exercise not in exercises(int(exercise.partition(".")[0])):
            missing.append(f"exercise {exercise}")
    assert missing == []


@EVERY
def test_every_lesson_has_a_table_of_its_symbols(n):
    assert "# | symbol | in the code | meaning |" in TEXTS[n]
