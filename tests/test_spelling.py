"""American spelling, as in PyTorch's names: lessons, pages and docstrings have no British word of this list."""

import ast
import io
import json
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STEMS = [
    "normal",
    "recogn",
    "minim",
    "maxim",
    "optim",
    "regular",
    "general",
    "special",
    "initial",
    "parametr",
    "quant",
    "standard",
    "organ",
    "summar",
    "visual",
    "memor",
    "local",
    "factor",
    "vector",
    "character",
    "random",
    "emphas",
    "penal",
    "stabil",
    "neutral",
    "equal",
    "util",
    "serial",
    "token",
    "author",
    "real",
    "parallel",
    "categor",
]
BRITISH = re.compile(
    r"\b(\w*colour\w*|\w*neighbour\w*|\w*favour\w*|\w*behaviour\w*|centre[ds]?|centring|fibres?|metres?|licences?|judgements?"
    r"|catalogues?|analogues?|artefacts?|towards|learnt|whilst|amongst|programmes?|modell(?:ed|ing)|(?:un)?labell(?:ed|ing)"
    rf"|cancell(?:ed|ing)|analys(?:e|ed|ing)|\w*(?:{'|'.join(STEMS)})is(?:e|ed|es|ing|er|ers|ation))\b",
    re.IGNORECASE,
)
GREY = re.compile(r"\bgrey(?:s|ish|scale)?\b", re.IGNORECASE)
CODE = re.compile(r"`[^`]*`|--[\w-]+|\w*_\w+|[\w./-]+\.(?:png|py|md|json|npz|ipynb)|https?://\S+|\$[^$]*\$")


def british(text, grey=True):
    prose = CODE.sub(" ", text)
    return [m[0] for m in BRITISH.finditer(prose)] + ([m[0] for m in GREY.finditer(prose)] if grey else [])


LESSONS = {int(path.name[:2]): path for path in sorted((ROOT / "lessons").glob("[0-9]*.py"))}


@pytest.mark.parametrize("n", list(LESSONS))
def test_the_text_of_a_lesson_is_in_american_spelling(n):
    cells = re.split(r"^(# %%.*)$", LESSONS[n].read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = []
    for kind, body in zip(cells[1::2], cells[2::2]):
        if (
            "source_hidden" in kind
        ):  # what it draws: Matplotlib has colors with the name "grey", so strings with a space only
            found += [word for string in strings(body) if " " in string for word in british(string)]
        else:
            found += british(body, grey="[markdown]" in kind)
    assert found == []


def strings(source):
    """All strings of a program, the parts of f-strings too."""
    for node in ast.walk(ast.parse(re.sub(r"^[%!].*$", "", source, flags=re.MULTILINE))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def printed(cell):
    """What a cell of a notebook has printed and displays, without pictures."""
    for output in cell.get("outputs", []):
        parts = [output.get("text", []), *(v for k, v in output.get("data", {}).items() if k.startswith("text/"))]
        for part in parts:
            yield re.sub(r"data:image[^\"')\s]*", "", "".join(part))


@pytest.mark.parametrize("n", list(LESSONS))
def test_what_a_notebook_prints_is_in_american_spelling(n):
    cells = json.loads(LESSONS[n].with_suffix(".ipynb").read_text(encoding="utf-8"))["cells"]
    assert [(i, word) for i, cell in enumerate(cells) for text in printed(cell) for word in british(text)] == []


PAGES = sorted(
    [
        *(
            page
            for room in ("docs", "lessons", "lessons/assignments", "lessons/reference")
            for page in (ROOT / room).glob("*.md")
        ),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    ]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_are_in_american_spelling(page):
    assert british(page.read_text(encoding="utf-8")) == []


def documentation(path):
    """Docstrings and comments of a file, without the names of its functions and parameters, and without examples."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    names, docstrings = set(), []
    for node in ast.walk(tree):
        names |= {value for key in ("name", "arg") if isinstance(value := getattr(node, key, None), str)}
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.append(node.value.value)
    comments = [t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT]
    for part in docstrings + comments:
        prose = "\n".join(line for line in part.splitlines() if not line.lstrip().startswith((">>>", "...")))
        yield from (word for word in british(prose) if word not in names)


SOURCES = sorted([*(ROOT / "minigen").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")])


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT).parts[:2] for path in SOURCES}), ids="/".join)
def test_docstrings_and_comments_are_in_american_spelling(room):
    paths = [path for path in SOURCES if path.relative_to(ROOT).parts[:2] == room]
    found = {str(path.relative_to(ROOT)): words for path in paths if (words := list(documentation(path)))}
    assert found == {}


def messages(path):
    """British words in a file's other strings, which people read: errors, notes, help texts.  One word alone is a key."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    names, docstrings = set(), set()
    for node in ast.walk(tree):
        names |= {value for key in ("name", "arg") if isinstance(value := getattr(node, key, None), str)}
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docstrings.add(node.value)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or node in docstrings:
            continue
        if " " in node.value.strip():
            yield from (word for word in british(node.value) if word not in names)


@pytest.mark.parametrize("room", sorted({path.relative_to(ROOT).parts[:2] for path in SOURCES}), ids="/".join)
def test_messages_are_in_american_spelling(room):
    paths = [path for path in SOURCES if path.relative_to(ROOT).parts[:2] == room]
    found = {str(path.relative_to(ROOT)): words for path in paths if (words := list(messages(path)))}
    assert found == {}


@pytest.mark.parametrize("folder", sorted((ROOT / "lessons" / "assignments").glob("A*")), ids=lambda path: path.name)
def test_assignments_are_in_american_spelling(folder):
    found = {str(p.relative_to(folder)): [*documentation(p), *messages(p)] for p in sorted(folder.rglob("*.py"))}
    assert {name: words for name, words in found.items() if words} == {}


def test_the_messages_of_a_file_are_its_strings_but_for_docstrings_and_names(tmp_path):
    file = tmp_path / "file.py"
    file.write_text(
        'def f(labelled):\n    """A grey picture."""\n'
        '    raise ValueError(f"labelled: {labelled} is in colour", "grey", "a grey one: --colour")\n'
    )
    assert sorted(messages(file)) == ["colour", "grey"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The colour of neighbouring pixels", ["colour", "neighbouring"]),
        ("normalised, minimises, Optimisers", ["normalised", "minimises", "Optimisers"]),
        ("a grey image towards the centre", ["towards", "centre", "grey"]),
        ("noise, exercise, otherwise, promise, author, realism, `photos_colour`, labelled_logits, centre.png", []),
    ],
)
def test_british_words_are_found_and_names_are_not(text, found):
    assert british(text) == found
