"""Finding, opening and building the lessons: the logic behind ``minigen lesson``.

A lesson is a pair of files: ``lessons/01_autograd.py`` is its text, which people edit and review (jupytext's
py:percent format), and ``lessons/01_autograd.ipynb`` is the same with the outputs of one complete run.  `build` makes
the second from the first; `stale` says where the two have come apart.

A translation is a third file, ``lessons/zh/01_autograd.md``: the text cells in another language, each below the mark of
the English cell that it translates, ``<!-- e1bb2219 -->``.  `translate` puts them in place of the English ones.  So
code, outputs and exercises have one source; and since a mark is a fingerprint of the English text, a cell that was
changed and not translated again is an error, and never an old translation.

The files are part of a checkout.  Without one they come with the distribution ``minigen-lessons``, which
``.build/lessons_wheel.py`` makes; see `minigen._util.lessons_folder`.
"""

import base64
import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._util.atomic_write import replace_file
from ._util.lessons_folder import INSTALL, lessons_folder
from ._util.optional import installed_version, missing_package

__all__ = [
    "Lesson", "LessonError", "build", "copy_lesson", "copy_solutions", "execute", "find_lessons", "languages", "mark",
    "open_lesson", "other_version", "picture_sizes", "stale", "translate", "translation",
]  # fmt: skip

FOLDER = lessons_folder()
PICTURE_LIMIT = 150_000
_SECONDS = 180  # for a cell


class LessonError(Exception):
    """Something the user can put right; its text says how."""


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Parameters
    ----------
    number : int
    title : str
    notebook : Path
        With outputs.
    source : Path
        The text alone.
    """

    number: int
    title: str
    notebook: Path
    source: Path


def find_lessons(folder: Path | None = None) -> list[Lesson]:
    """The lessons in a folder (by default the checkout's, or those of minigen-lessons), in their order.

    Raises
    ------
    LessonError
        If there is none.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     text = Path(folder, "07_sums.py").write_text("# %% [markdown]\\n# # 7. Sums and what they hide\\n")
    ...     [(lesson.number, lesson.title, lesson.notebook.name) for lesson in find_lessons(Path(folder))]
    [(7, 'Sums and what they hide', '07_sums.ipynb')]
    """
    folder = folder or FOLDER
    lessons = []
    for source in sorted(folder.glob("[0-9][0-9]_*.py")):
        heading = re.search(r"^# # (?:\d+\. )?(.+)$", source.read_text(encoding="utf-8"), re.MULTILINE)
        title = heading.group(1).strip() if heading else source.stem[3:]
        lessons.append(Lesson(int(source.name[:2]), title, source.with_suffix(".ipynb"), source))
    if not lessons:
        raise LessonError(f"no lessons in {folder}: they are a package beside minigen: {INSTALL}")
    return lessons


def other_version() -> str:
    """One line if the lessons come from another version of minigen than the one that runs; else empty."""
    lessons, own = installed_version("minigen-lessons"), installed_version("minigen-lab")
    if FOLDER.name != "minigen_lessons" or lessons == own:
        return ""
    return f"the lessons are of minigen {lessons}, this is minigen {own}: {INSTALL}=={own}"


# ---- translations


def languages() -> list[str]:
    """The languages that there are translations into, such as zh.

    Examples
    --------
    >>> languages()
    ['zh']
    """
    return sorted({path.parent.name for path in FOLDER.glob("[a-z][a-z]/[0-9][0-9]_*.md")})


def mark(text: str) -> str:
    """The line above a translated cell: a fingerprint of the English text.

    Examples
    --------
    >>> mark("# 1. Sums")
    '<!-- 0eb1cfd3 -->'
    """
    return f"<!-- {hashlib.sha256(text.encode()).hexdigest()[:8]} -->"


def translation(lesson: Lesson, language: str) -> dict[str, str]:
    """The translated cells of a lesson by the marks of the English ones, in their order.

    Raises
    ------
    LessonError
        If there is no translation.
    """
    path = lesson.source.parent / language / f"{lesson.source.stem}.md"
    if not path.is_file():
        there = ", ".join(str(int(other.name[:2])) for other in sorted(path.parent.glob("[0-9][0-9]_*.md")))
        raise LessonError(
            f"lesson {lesson.number} is not translated into {language}; translated are: {there or 'none'}"
        )
    parts = re.split(r"^(<!-- [0-9a-f]{8} -->)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {key: text.strip() for key, text in zip(parts[1::2], parts[2::2])}


def translate(lesson: Lesson, language: str) -> Any:
    """The stored notebook of a lesson with its text in another language; code, outputs and exercises are the same.

    Returns
    -------
    notebook (nbformat), as JSON

    Raises
    ------
    LessonError
        If there is no translation, or a cell was changed since it was translated.
    """
    notebook, texts = json.loads(lesson.notebook.read_text(encoding="utf-8")), translation(lesson, language)
    for i, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "markdown":
            key = mark("".join(cell["source"]))
            if key not in texts:
                raise LessonError(
                    f"lesson {lesson.number}: the text of cell {i} has changed since it was translated to {language}; "
                    f"translate it again, below the mark {key}"
                )
            cell["source"] = texts[key]
    return notebook


# ---- opening


def copy_lesson(lesson: Lesson, folder: Path, language: str | None = None) -> Path:
    """Copy a lesson into `folder`, unless a copy is there already, with the pictures and pages that it links to.

    With a language, the copy has its text in that language.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    LessonError
        If there is no translation.
    """
    copy, content = folder / lesson.notebook.name, lesson.notebook.read_bytes()
    if language:
        copy = folder / f"{lesson.notebook.stem}.{language}.ipynb"
        content = json.dumps(translate(lesson, language), indent=1, ensure_ascii=False).encode()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with copy.open("xb") as file:
            file.write(content)
        print(f"Lesson {lesson.number}, {lesson.title}: {copy}")
    except FileExistsError:
        print(f"Lesson {lesson.number}, {lesson.title}: going on with your copy {copy}")
    _copy_linked(lesson, folder)
    return copy


def _copy_linked(lesson: Lesson, folder: Path) -> None:
    """Copy the pictures and the pages that a lesson links to beside its copy, and the pictures of these pages."""
    origin = lesson.notebook.parent
    names = set(re.findall(r"\]\(((?:pictures|reference)/[\w.-]+)\)", lesson.notebook.read_text(encoding="utf-8")))
    for page in [name for name in names if name.endswith(".md")]:
        names |= set(re.findall(r"\]\(\.\./(pictures/[\w.-]+)\)", (origin / page).read_text(encoding="utf-8")))
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(origin / name, folder / name)


def copy_solutions(lesson: Lesson, folder: Path) -> Path:
    """Copy the answers to a lesson's exercises into `folder`, in place of an earlier copy of them.

    Returns
    -------
    Path
        The copy, a Python file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"{lesson.source.stem}_solutions.py"
    replace_file(copy, (lesson.source.parent / "solutions" / lesson.source.name).read_bytes())
    return copy


def open_lesson(lesson: Lesson, folder: Path, options: Sequence[str] = (), language: str | None = None) -> int:
    """Copy a lesson as `copy_lesson` does, and open the copy in JupyterLab with these options.

    Returns
    -------
    int
        JupyterLab's exit status, once it was closed.

    Raises
    ------
    LessonError
        If JupyterLab is not installed, or there is no translation; nothing is copied then.
    """
    _need("jupyterlab")
    copy = copy_lesson(lesson, folder, language)
    print("Close JupyterLab with Ctrl-C in this window.", flush=True)
    try:
        return subprocess.run([sys.executable, "-m", "jupyterlab", str(copy), *options], check=False).returncode
    except KeyboardInterrupt:
        return 0


def _need(*modules: str) -> None:
    """Make sure that the packages of the lessons are there."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise LessonError(missing_package(module))


# ---- making notebooks


def execute(source: Path) -> Any:
    """Run a lesson's text from scratch in a separate process.

    Parameters
    ----------
    source : Path
        A py:percent file.

    Returns
    -------
    notebook (nbformat)
        With outputs, except those of cells tagged ``not-stored``; the same text gives the same cell ids.

    Raises
    ------
    LessonError
        If a package of the lessons is not installed, or a cell takes too long.
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    _need("ipykernel", "jupytext", "nbclient")
    import jupytext
    from nbclient import NotebookClient

    notebook = jupytext.read(source, fmt="py:percent")
    for i, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{i + 1}"
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    where = {"metadata": {"path": source.parent}}
    client = NotebookClient(notebook, timeout=_SECONDS, kernel_name="python3", record_timing=False, resources=where)
    try:
        client.execute()
    except TimeoutError as error:
        raise LessonError(f"{source}: a cell ran for more than {_SECONDS} seconds") from error
    notebook.metadata["language_info"] = {"name": "python"}  # not the version of the Python that ran it
    for cell in notebook.cells:
        _join_streams(cell)
        if "not-stored" in _tags(cell):
            cell["outputs"] = []
    return notebook


def _join_streams(cell: Any) -> None:
    """Join what was printed: in how many pieces it arrived is chance, and so is whether kernels had to be compiled."""
    outputs: list[Any] = []
    for output in cell.get("outputs", ()):
        if output.get("name") == "stderr" and output["text"].startswith("minigen: compiling CPU kernels"):
            continue
        if outputs and output["output_type"] == "stream" and output["name"] == outputs[-1].get("name"):
            outputs[-1]["text"] += output["text"]
        else:
            outputs.append(output)
    if "outputs" in cell:
        cell["outputs"] = outputs


def build(lesson: Lesson) -> None:
    """Run a lesson's text and store the notebook with its outputs, whole or not at all.

    Raises
    ------
    LessonError
        If the lesson is not part of a checkout, a picture is larger than the limit, or a package is missing.
    """
    if lesson.source.parent.name == "minigen_lessons":
        raise LessonError(f"{lesson.source} is installed: lessons are edited and built in a checkout of the repository")
    notebook = execute(lesson.source)
    for place, size in picture_sizes(notebook):
        if size > PICTURE_LIMIT:
            raise LessonError(f"{lesson.source}: {place} is a picture of {size} bytes; the limit is {PICTURE_LIMIT}")
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    replace_file(lesson.notebook, text.encode())


def picture_sizes(notebook: Any) -> Iterator[tuple[str, int]]:
    """Every picture in a notebook's outputs: (where, bytes).

    >>> cell = {"outputs": [{"data": {"image/png": base64.b64encode(b"12345").decode()}}]}
    >>> list(picture_sizes({"cells": [cell]}))
    [('cell 1', 5)]
    """
    for i, cell in enumerate(notebook["cells"]):
        for output in cell.get("outputs", ()):
            for kind, data in output.get("data", {}).items():
                if kind.startswith("image/"):
                    yield f"cell {i + 1}", len(base64.b64decode("".join(data)))


def stale(stored: Any, fresh: Any) -> list[str]:
    """Where a stored notebook differs from a fresh run: the cells, and the text of their outputs.

    Pictures are compared by their number alone, and the outputs of cells tagged ``varies`` not at all.

    Parameters
    ----------
    stored, fresh : notebook (nbformat)

    Returns
    -------
    list of str
        One line per difference.

    Examples
    --------
    >>> def notebook(text):
    ...     output = {"output_type": "stream", "name": "stdout", "text": text}
    ...     return {"cells": [{"cell_type": "code", "source": "now()", "metadata": {}, "outputs": [output]}]}
    >>> stale(notebook("noon"), notebook("midnight"))
    ["cell 1: stored ['stdout: noon'], a fresh run gives ['stdout: midnight']"]
    """
    if len(stored["cells"]) != len(fresh["cells"]):
        return [f"the notebook has {len(stored['cells'])} cells, its text {len(fresh['cells'])}"]
    differences = []
    for i, (old, new) in enumerate(zip(stored["cells"], fresh["cells"]), 1):
        for part in ("cell_type", "source"):
            if old[part] != new[part]:
                differences.append(f"cell {i}: the {part} differs from the text's")
        if _tags(old) != _tags(new):
            differences.append(f"cell {i}: the tags differ, {_tags(old)} and {_tags(new)}")
        if "varies" not in _tags(new) and _texts(old) != _texts(new):
            differences.append(f"cell {i}: stored {_texts(old)}, a fresh run gives {_texts(new)}")
    return differences


def _tags(cell: Any) -> list[str]:
    return list(cell["metadata"].get("tags", ()))


def _texts(cell: Any) -> list[str]:
    """What a cell has put out, in words."""
    texts: list[str] = []
    for output in cell.get("outputs", ()):
        if output["output_type"] == "stream":
            texts.append(f"{output['name']}: {output['text']}")
        for kind, data in sorted(output.get("data", {}).items()):
            texts.append(kind if kind.startswith("image/") else f"{kind}: {data}")
    return texts
