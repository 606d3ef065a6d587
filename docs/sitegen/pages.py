"""Put the sources of the site together: generated pages, and those of the checkout with their links turned."""

import json
import posixpath
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import reference, source, tables

__all__ = ["Site", "assemble"]

ROOT = Path(__file__).resolve().parents[2]
PICTURES = (".png", ".gif", ".jpg", ".svg")
LINK = re.compile(
    r"(?P<code>^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)\s*$|`+[^`\n]+`+)|\]\((?P<target>[^)\s]+)\)", re.M | re.S
)
SECTION = re.compile(r"^<!-- section (?P<file>\S+): (?P<title>.+) -->$", re.MULTILINE)
TABLE = re.compile(r"^<!-- made: (?P<name>\w+) -->\n", re.MULTILINE)
README_SECTIONS = {"is-my-gradient-right": "docs/guides/check_gradients.md", "how-fast-is-it": "docs/guides/speed.md"}
"""Sections of README.md that are quoted on another page than the front page."""

BROWSER = (
    "| start without an install, in this browser | "
    "[lessons and a first GAN](src:lite/notebooks/index.html?path=start.ipynb), "
    "[a GAN in the plane, step by step](src:lite/playground.html) |"
)


@dataclass
class Site:
    """What has been written so far."""

    folder: Path
    documents: dict[str, str]
    """The document (a path without suffix) of each file of the checkout."""
    lite: bool = False
    """Whether the pages that run Python in the browser are part of the site."""
    generated: set[str] = field(default_factory=set)
    """Documents that have no file in the checkout."""
    sources: set[Path] = field(default_factory=set)
    """Files and folders of the checkout that a page links to, and that are shown as source."""
    written: set[Path] = field(default_factory=set)

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file, if it is not there with this content: what has not changed is not built again."""
        path = self.folder / name
        data = content.encode() if isinstance(content, str) else content
        self.written.add(path)
        if not path.is_file() or path.read_bytes() != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def source_link(self, document: str) -> Callable[[Path, int], str]:
        """Give the function that makes links to lines of files, from this document."""

        def link(path: Path, line: int) -> str:
            self.sources.add(path)
            return f"src:{'../' * document.count('/')}{source.address(path, line)}"

        return link

    def rewrite(self, text: str, file: str, document: str) -> str:
        """Turn the links of a text that stands in `file` into links from `document`.

        Raises
        ------
        SystemExit
            If a link leads nowhere.
        """

        def replace(match: re.Match[str]) -> str:
            target = match["target"]
            named = re.fullmatch(r"`([\w-]+/[\w./-]+\.(?:md|py|ipynb))`", match[0])
            if named and (ROOT / named[1]).is_file() and text[match.end() : match.end() + 1] != "]":
                return f"[{match[0]}]({self._link(named[1], document, file)})"
            if target is None or re.match(r"[a-z]+:|#|/", target):
                return match[0]
            path, mark, anchor = target.partition("#")
            wanted = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
            if wanted == "README.md" and anchor in README_SECTIONS:
                wanted, mark, anchor = README_SECTIONS[anchor], "", ""
            return f"]({self._link(wanted, document, file)}{mark}{anchor})"

        text = re.sub(r"!\[([^\]]*)\]\(https?://[^)]*\)", r"\1", text)  # a picture of another host: its words instead
        return LINK.sub(replace, text)

    def _link(self, wanted: str, document: str, file: str) -> str:
        here = posixpath.dirname(document)
        if wanted in self.documents:
            found = self.documents[wanted] + (".ipynb" if wanted.endswith(".ipynb") else ".md")
            return posixpath.relpath(found, here or ".")
        generated = wanted.removeprefix("docs/").removesuffix(".md")
        if generated in self.generated:
            return posixpath.relpath(f"{generated}.md", here or ".")
        if wanted.endswith(PICTURES) and (ROOT / wanted).is_file():
            self.write(wanted, (ROOT / wanted).read_bytes())
            return posixpath.relpath(wanted, here or ".")
        if (ROOT / wanted).exists():
            self.sources.add(Path(wanted))
            return f"src:{'../' * document.count('/')}{source.address(Path(wanted))}"
        raise SystemExit(f"{file}: the link to {wanted} leads nowhere")


def assemble(folder: Path, lite: bool = False) -> Site:
    """Write all sources of the site into `folder`; what was there and is not written again is deleted.

    With `lite` the front page leads to the site of JupyterLite, which `docs/build.py` puts into the folder ``lite``.
    """
    from minigen import lessons

    documents = _documents()
    families = tables.loss_families()
    names = reference.collect(families)
    site = Site(folder, documents, lite)
    site.generated = {f"tables/{name}" for name in ("primitives", "losses", "models", "command_line")}
    site.generated |= {"api/index", "cite", *(f"api/{concept.page}" for concept in reference.CONCEPTS)}
    site.generated |= {f"losses/{name}" for name in families}
    front = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^([\w./]+)$", front, re.MULTILINE)) | {"index", "lessons/index"}
    below = {
        "index": [d for d in documents.values() if d not in listed and not re.match(r"lessons/\d", d)],
        "lessons/index": _lessons(),
        "tables/losses": [f"losses/{name}" for name in families],
        "api/index": [f"api/{concept.page}" for concept in reference.CONCEPTS],
    }

    for name in ("conf.py", "_static/custom.css", "_static/icon.svg", "_static/custom.js", "_static/scorer.js"):
        site.write(name, (ROOT / "docs" / name).read_bytes())
    for file, document in documents.items():
        if file.endswith(".md"):
            text = (ROOT / file).read_text(encoding="utf-8")
            text = _page(site, text, file, document, names)
            caption = "More" if document == "index" else ""  # pages that the front page does not list yet
            site.write(f"{document}.md", text + _toctree(*below.get(document, []), caption=caption))
        else:
            notebook = json.loads((ROOT / file).read_text(encoding="utf-8"))
            site.write(f"{document}.ipynb", _notebook(site, notebook, file, document))
    for language in lessons.languages():
        for lesson in lessons.find_lessons():
            if (lesson.source.parent / language / f"{lesson.source.stem}.md").is_file():
                document = f"lessons/{language}/{lesson.source.stem}"
                notebook = lessons.translate(lesson, language)
                site.write(f"{document}.ipynb", _notebook(site, notebook, f"lessons/{lesson.source.name}", document))

    plain = names.link_for(None)
    made = {
        "tables/primitives": tables.primitives_page(names.link),
        "tables/losses": tables.losses_page(names.link_in_losses),
        "tables/models": tables.models_page(plain),
        "tables/command_line": tables.commands_page(plain),
        "api/index": f"# The interface\n\n{reference.summaries()}\n",
        "cite": _cite(),
    }
    for document, text in made.items():
        text = site.rewrite(text, f"docs/{document}.md", document)
        site.write(f"{document}.md", text + _toctree(*below.get(document, [])))
    for concept in reference.CONCEPTS:
        document = f"api/{concept.page}"
        text = reference.page(concept, names, site.source_link(document))
        site.write(f"{document}.md", text)
    for name, family in families.items():
        document = f"losses/{name}"
        members = reference.members_of(name, names, site.source_link(document))
        site.write(f"{document}.md", tables.loss_page(family, members, names.link_in_losses))

    for path in [p for p in folder.rglob("*") if p.is_file() and p not in site.written]:
        if "mathjax" not in path.parts:
            path.unlink()
    return site


def _documents() -> dict[str, str]:
    """The document of each page of the checkout."""
    found = {
        "README.zh-CN.md": "zh",
        "CONTRIBUTING.md": "contributing",
        "CHANGELOG.md": "changelog",
        "SECURITY.md": "security",
    }
    found |= {"README.md": "index"}  # links to it lead to the front page, which quotes it
    found |= {"lessons/README.md": "lessons/index"}
    found |= {
        f"lessons/assignments/{name}.md": f"assignments/{name.lower()}"
        for name in ("README", "INSTRUCTORS", "KNOWN_ANSWERS")
    }
    for path in sorted((ROOT / "docs").rglob("*.md")):
        file = path.relative_to(ROOT).as_posix()
        found[file] = file.removeprefix("docs/").removesuffix(".md")
    for path in sorted([*(ROOT / "lessons").glob("*.ipynb"), *(ROOT / "lessons" / "reference").glob("*.md")]):
        file = path.relative_to(ROOT).as_posix()
        found[file] = file.rpartition(".")[0]
    del found["README.md"]
    return {"README.md": "index", **found}


def _toctree(*documents: str, caption: str = "") -> str:
    if not documents:
        return ""
    return "\n".join(
        [
            "",
            "",
            "```{toctree}",
            ":hidden:",
            *([f":caption: {caption}"] if caption else []),
            "",
            *(f"/{each}" for each in documents),
            "```",
            "",
        ]
    )


def _lessons() -> list[str]:
    from minigen import lessons

    english = [f"lessons/{lesson.source.stem}" for lesson in lessons.find_lessons()]
    other = [
        f"lessons/{language}/{Path(document).name}"
        for language in lessons.languages()
        for document in english
        if (ROOT / "lessons" / language / f"{Path(document).name}.md").is_file()
    ]
    return english + other


def _page(site: Site, text: str, file: str, document: str, names: reference.Names) -> str:
    """A Markdown file of the checkout as a page: sections of other files and tables put in, links turned."""
    if file == "README.md":
        file, text = "docs/index.md", (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    text = site.rewrite(text, file, document)

    def section(match: re.Match[str]) -> str:
        whole = (ROOT / match["file"]).read_text(encoding="utf-8")
        parts = re.split(r"^## (.+)$", whole, flags=re.MULTILINE)
        quoted = dict(
            zip(["top", *parts[1::2]], [re.sub(r"^# .*\n|^\[中文.*\n", "", parts[0], flags=re.M), *parts[2::2]])
        )
        if match["title"] not in quoted:
            raise SystemExit(f"{file}: {match['file']} has no section {match['title']!r}; it has {', '.join(quoted)}")
        return site.rewrite(quoted[match["title"]].strip(), match["file"], document)

    makers: dict[str, Callable[[], str]] = {
        "data": lambda: tables.data_page(names.link_for(None)),
        "undecided": tables.undecided_table,
        "browser": lambda: BROWSER if site.lite else "",
    }
    text = SECTION.sub(section, text)
    lines = {name: f"{made.rstrip()}\n" if (made := make()) else "" for name, make in makers.items() if name in text}
    return TABLE.sub(lambda match: lines[match["name"]], text)


def _notebook(site: Site, notebook: dict[str, Any], file: str, document: str) -> str:
    """A notebook with its links turned, its hidden cells folded, and a line that says how to open it."""
    cells = notebook["cells"]
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = site.rewrite(text, file, document)
        elif cell["metadata"].get("jupyter", {}).get("source_hidden"):
            cell["metadata"].setdefault("tags", []).append("hide-input")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "text/markdown" in data:
                data["text/markdown"] = site.rewrite("".join(data["text/markdown"]), file, document)
    number, language = int(Path(file).name[:2]), document.split("/")[1]
    options = "" if document.count("/") == 1 else f" --lang {language}"
    line = (
        f"*To run this page and to answer its exercises: `minigen lesson {number}{options}`"
        " ([how to install](../index.md)). The outputs below are stored from one complete run.*"
    )
    line = line.replace("../", "../" * document.count("/")) if options else line
    title, newline, rest = cells[0]["source"].partition("\n")
    cells[0]["source"] = f"{title}\n\n{line}\n{newline}{rest}"
    return json.dumps(notebook, ensure_ascii=False, indent=1)


def _cite() -> str:
    """How to cite, from CITATION.cff."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    value = dict(re.findall(r"^(\S[\w-]*): \"?(.*?)\"?$", text, re.MULTILINE))
    author = re.search(r"- name: (.+)$", text, re.MULTILINE)
    assert author is not None
    year = value["date-released"][:4]
    return f"""# How to cite

If you use minigen in teaching or research, please cite it, with the version that you used
(`python -c "import minigen; print(minigen.__version__)"`):

> {author[1]} ({year}). *{value["title"]}*. Version {value["version"]}. License: {value["license"]}.

In BibTeX:

```bibtex
@software{{minigen,
  title   = {{{value["title"]}}},
  author  = {{{{{author[1]}}}}},
  version = {{{value["version"]}}},
  year    = {{{year}}},
  license = {{{value["license"]}}}
}}
```

The same as a file that programs read, `CITATION.cff`:

```yaml
{text.strip()}
```

A loss, a model or a measure has its own paper: the [table of losses](tables/losses.md) and the page of each derivation
name it. Data sets have their own sources and licenses: [data](data.md).
"""


def copy_static(folder: Path, script: Path) -> None:
    """Put MathJax where the pages look for it."""
    target = folder / "_static" / "mathjax" / script.name
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(script, target)
