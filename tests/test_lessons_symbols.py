"""One symbol has one meaning in a lesson: its table of symbols agrees with itself, its formulas, and the common table."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "lessons"
LESSONS = {int(path.name[:2]): path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("[0-9]*.py"))}
WITH_TABLE = [n for n, text in LESSONS.items() if "# | symbol | in the code | meaning |" in text]


def split_outside(text, separators=",;"):
    """Split at separators that are in no bracket."""
    parts, depth, part = [], 0, ""
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character in separators and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += character
    return [part.strip() for part in [*parts, part] if part.strip()]


def symbols(cell):
    r"""The symbols of a table's cell: of `$G(z)$, $T_{k,m} = 1$, $\bar x$` G, T and \bar."""
    found = []
    for formula in re.findall(r"\$([^$]+)\$", cell):
        for part in split_outside(formula):
            if part.startswith("(") and part.endswith(")"):  # (R, S)
                found += symbols(f"${part[1:-1]}$")
                continue
            name = re.split(r"\s*(?:=|\\sim)", part)[0].replace("\\;", "").replace("\\,", "").strip()
            name = re.sub(r"\\bar ?(\\?\w+|\{.*\})", r"\\bar", name)
            name = re.sub(r"_(?:\{?[a-ln-z](?:,?[a-z])*\}?)(?![A-Za-z])", "", name)  # an index: J_{ki}, v_t
            if not re.match(r"[pq]\(", name):  # densities keep their arguments: p(z) is not p(x)
                name = re.sub(r"\(.*\)$", "", name)
            found.append(re.sub(r"\s+", "", name) if "mid" not in name else name)
    return found


def codes(cell):
    return {word.strip() for name in re.findall(r"`([^`]+)`", cell) for word in name.split(",")}


def rows(lines):
    for line in lines:
        if line.startswith("| ") and not line.startswith(("| symbol", "| ---")):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.replace(r"\|", r"\Vert"))[1:-1]]
            if len(cells) == 3:
                yield cells


def lesson_table(n):
    text = LESSONS[n].split("# | symbol | in the code | meaning |", 1)[1]
    lines = [line[2:] for line in text.splitlines()[1:]]
    end = next(i for i, line in enumerate(lines) if not line.startswith("|"))
    return list(rows(lines[:end]))


def numbers(text):
    """The lessons that a heading or a prefix names."""
    if match := re.search(r"from lesson (\d+) on", text):
        return range(int(match[1]), 99)
    if match := re.search(r"lessons? (\d+) to (\d+)", text):
        return range(int(match[1]), int(match[2]) + 1)
    return [int(number) for number in re.findall(r"\d+", text)]


def common_table():
    """Rows of lessons/README.md: the lessons that each is for, its priority, its symbols, names and meaning."""
    section = (FOLDER / "README.md").read_text(encoding="utf-8").split("## Symbols", 1)[1].split("\n## ", 1)[0]
    group, priority = range(99), 0
    for line in section.splitlines():
        if line.startswith("**"):
            group, priority = (range(99), 0) if "Everywhere" in line else (numbers(line), 1)
        for symbol_cell, code, meaning in rows([line]):
            prefix = re.match(r"(lessons? [\d, and]+(?: to \d+)?):", meaning)
            of = numbers(prefix[1]) if prefix else group
            yield of, 2 if prefix else priority, symbols(symbol_cell), codes(code), meaning


COMMON = list(common_table())


def test_symbols_are_read_from_a_cell():
    assert symbols("$G(z)$, $T_{k,m} = 1$, $\\bar x$") == ["G", "T", "\\bar"]
    assert symbols("$N, (R, S), \\beta_1$") == ["N", "R", "S", "\\beta_1"]
    assert symbols("$p(x \\mid z), L_D, v_t$") == ["p(x \\mid z)", "L_D", "v"]


@pytest.mark.parametrize("n", WITH_TABLE)
def test_a_symbol_is_once_in_the_table_of_its_lesson(n):
    found = [name for cell, _, _ in lesson_table(n) for name in set(symbols(cell))]
    assert sorted(found) == sorted(set(found))


@pytest.mark.parametrize("n", WITH_TABLE)
def test_the_common_table_gives_each_symbol_of_a_lesson_one_meaning(n):
    wrong = []
    for cell, code, meaning in lesson_table(n):
        for name in symbols(cell):
            rows_of = [row for row in COMMON if n in row[0] and name in row[2]]
            best = [row for row in rows_of if row[1] == max(r[1] for r in rows_of)]
            if len(best) != 1:
                wrong.append(f"{name} ({meaning}): {len(best)} rows of lessons/README.md: {[r[4] for r in best]}")
            elif codes(code) and best[0][3] and not codes(code) & best[0][3]:
                wrong.append(f"{name}: {sorted(codes(code))} in the lesson, {sorted(best[0][3])} in the common table")
    assert wrong == []


def prose(n):
    return "\n".join(line for line in LESSONS[n].splitlines() if line.startswith("#"))


@pytest.mark.parametrize("n", list(LESSONS))
def test_no_fraction_can_be_read_in_two_ways(n):
    r"""Neither `/2h` nor `mn / 2(m + n)`: is the last factor above or below the line?"""
    formulas = re.findall(r"\$[^$]+\$", prose(n))
    found = [f for f in formulas if re.search(r"/ ?\d+ ?(?:\\?[a-zA-Z]|\()", re.sub(r"\\[,;!]|\{\}", "", f))]
    assert found == []


@pytest.mark.parametrize("n", list(LESSONS))
def test_sigma_is_the_sigmoid_or_a_standard_deviation_and_not_both(n):
    function = re.findall(r"\\sigma\(\\?[a-z]", prose(n))
    quantity = re.findall(r"\\sigma(?:\^|_|\\,|/| ?\\epsilon)", prose(n))
    assert not (function and quantity), (function[:5], quantity[:5])


@pytest.mark.parametrize("n", list(LESSONS))
def test_d_before_a_letter_is_a_small_change_and_never_a_gradient(n):
    """The names of gradients are gx, gw, g_mu: dx is a small change, as in all tables."""
    found = re.findall(r"^(?: *)d_?(?:x|w|mu|log_var|z|theta|weight|bias|input) = (?!np\.lin|z\[)", LESSONS[n], re.M)
    assert found == []
