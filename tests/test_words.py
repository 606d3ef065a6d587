"""The prose of the code is plain English, and its formulas are written in one way."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "minigen").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")])
LITERARY = re.compile(
    r"\b(nobody|humble|so\s+many|of\s+its\s+own|forger\w*|is\s+not\s+to\s+be\s+had|hears?)\b", re.IGNORECASE
)


def prose(path):
    """The comments and string literals of a file, with their lines."""
    text = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for number, line in enumerate(text.splitlines(), 1):
        if "#" in line:
            yield number, line.partition("#")[2]


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT).parts[:2] for path in SOURCES}), ids="/".join)
def test_prose_is_plain_and_formulas_are_in_dollars(room):
    found = []
    for path in SOURCES:
        if path.relative_to(ROOT).parts[:2] == room:
            for line, text in prose(path):
                found += [f"{path.relative_to(ROOT)}:{line}: {word}" for word in LITERARY.findall(text)]
                found += [f"{path.relative_to(ROOT)}:{line}: :math:"] * (":math:" in text or ".. math::" in text)
    assert found == []
