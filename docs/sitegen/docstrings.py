"""Docstrings as Markdown: NumPy sections, examples, tables and formulas between dollars."""

import inspect
import re
from collections.abc import Callable

__all__ = ["demote", "first_paragraph", "inline", "table_row", "to_markdown"]

Link = Callable[[str], str | None]
"""Gives the Markdown link for a name between backticks; None where there is no page for it."""

FIELDS = ("Parameters", "Other Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns")
PROSE = ("Notes", "Examples", "References", "See Also")
CODE_OR_MATH = re.compile(r"``(?P<literal>.+?)``|`(?P<name>[^`]+)`|\$\$.+?\$\$|\$[^$\n][^$]*\$", re.DOTALL)
RULE = re.compile(r"^\s*=+(?: +=+)+\s*$")


def no_link(name: str) -> None:
    """Give no link for any name."""


def to_markdown(text: str | None, link: Link = no_link) -> str:
    """Turn a docstring into Markdown for MyST; `link` finds the pages of the names between backticks."""
    return "\n".join(_blocks(inspect.cleandoc(text or "").split("\n"), link)).strip()


def first_paragraph(text: str | None, link: Link = no_link) -> str:
    """The first paragraph of a docstring on one line, as Markdown."""
    return inline(" ".join(inspect.cleandoc(text or "").split("\n\n")[0].split()), link)


def inline(text: str, link: Link = no_link) -> str:
    """Turn one paragraph into Markdown: names become links, literals code; formulas stay."""

    def replace(match: re.Match[str]) -> str:
        literal, name = match["literal"], match["name"]
        if literal is not None:
            derived = re.fullmatch(r'derivation\("(\w+)"\)', literal)
            return (derived and link(f"derivation:{derived[1]}")) or f"`{' '.join(literal.split())}`"
        if name is not None:
            return link(name) or f"`{name}`"
        return match[0]

    parts, last = [], 0
    for match in CODE_OR_MATH.finditer(text):
        parts += [_plain(text[last : match.start()]), replace(match)]
        last = match.end()
    return "".join([*parts, _plain(text[last:])])


def _plain(text: str) -> str:
    """Keep Markdown from reading more into words than is meant: a lone star, a tag in angle brackets."""
    text = re.sub(r"(?<![*\w\\])\*(?=[\s,)\]]|$)|(?:^|(?<=[\s(]))\*(?=args\b|inputs\b|shape\b|size\b)", r"\\*", text)
    return re.sub(r"<(?=[A-Za-z/])(?!https?:|!--)", r"\\<", text)


def table_row(cells: list[str]) -> str:
    """One row of a Markdown table; a bar within a cell does not end it."""
    return "| " + " | ".join(" ".join(re.sub(r"(?<!\\)\|", r"\\|", cell).split()) for cell in cells) + " |"


def demote(markdown: str, by: int) -> str:
    """Put the headings of a text `by` levels lower."""
    return re.sub(r"^(#+ )", "#" * by + r"\1", markdown, flags=re.MULTILINE)


def _blocks(lines: list[str], link: Link, where: str = "") -> list[str]:
    """The blocks of a docstring, or of the description of a field, one after the other."""
    out: list[str] = []
    i = 0
    while i < len(lines):
        line = lines[i]
        following = lines[i + 1] if i + 1 < len(lines) else ""
        if line in (*FIELDS, *PROSE) and re.fullmatch(r"-{3,}", following):
            end = i + 2
            while end < len(lines) and not (
                lines[end] in (*FIELDS, *PROSE) and end + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[end + 1])
            ):
                end += 1
            body = lines[i + 2 : end]
            out += ["", f"**{line}**", ""]
            out += _fields(body, link) if line in FIELDS else _blocks(body, link)
            i = end
        elif line.lstrip().startswith(">>> "):
            indent = len(line) - len(line.lstrip())
            end = next((j for j in range(i, len(lines)) if not lines[j].strip()), len(lines))
            code = [re.sub(r"\s+# doctest: .*$", "", each[indent:]) for each in lines[i:end]]
            out += ["", "```pycon", *code, "```", ""]
            i = end
        elif RULE.match(line):
            blank = next((j for j in range(i, len(lines)) if not lines[j].strip()), len(lines))
            end = max(j for j in range(i, blank) if RULE.match(lines[j])) + 1
            out += ["", *_table(lines[i:end], link), ""]
            i = end
        elif line.startswith(".. code-block::") or (line.rstrip().endswith("::") and not following.strip()):
            if not line.startswith(".. "):
                out.append(inline(line.rstrip()[:-1], link))
            i += 1
            while i < len(lines) and not lines[i].strip():
                i += 1
            end = i
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith("    ")):
                end += 1
            code = [each[4:] for each in lines[i:end]]
            while code and not code[-1]:
                code.pop()
            out += ["", "```text", *code, "```", ""]
            i = end
        elif line.startswith("    ") and (not out or not out[-1].strip()):  # indented code of Markdown
            out.append(line)
            i += 1
        elif not line.strip():
            out.append("")
            i += 1
        else:  # a paragraph, with its formulas, up to the next blank line, list of fields, table or example
            end = i + 1
            while (
                end < len(lines)
                and lines[end].strip()
                and not RULE.match(lines[end])
                and not lines[end].lstrip().startswith(">>> ")
                and not lines[end].rstrip().endswith("::")
            ):
                end += 1
            out += inline("\n".join(lines[i:end]), link).split("\n")
            i = end
    return out


def _fields(lines: list[str], link: Link) -> list[str]:
    """The entries of a section such as Parameters, as a definition list."""
    out: list[str] = []
    i = 0
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
            continue
        end = i + 1
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
            end += 1
        described = inspect.cleandoc("\n".join(["", *lines[i + 1 : end]])).split("\n")
        name, colon, kind = line.partition(" : ")
        term = f"**{_names(name)}** : *{_type(kind, link)}*" if colon else _type(line, link)
        body = _blocks(described, link)
        while body and not body[0].strip():
            body.pop(0)
        while body and not body[-1].strip():
            body.pop()
        if body:
            out += [term, f": {body[0]}", *(f"  {each}" if each else "" for each in body[1:]), ""]
        else:
            out += [term, ""]
        i = end
    return out


def _names(text: str) -> str:
    return ", ".join(re.sub(r"([*_])", r"\\\1", name) for name in text.split(", "))


def _type(text: str, link: Link) -> str:
    return re.sub(r"(?<!\\)\*", r"\\*", text) if "`" not in text and "$" not in text else inline(text, link)


def _table(lines: list[str], link: Link) -> list[str]:
    """A table of reST's simple kind, as one of Markdown."""
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    spans = list(zip(starts, [*starts[1:], None]))
    rules = [i for i, line in enumerate(lines) if RULE.match(line)]
    rows: list[list[str]] = [] if len(rules) > 2 else [[""] * len(spans)]  # two rules: a table without a heading
    for line in (line for i, line in enumerate(lines) if i not in rules):
        cells = [line[a:b].strip() for a, b in spans]
        if cells[0] or not rows:
            rows.append(cells)
        else:  # a row that goes on
            rows[-1] = [f"{old} {new}".strip() for old, new in zip(rows[-1], cells)]
    head, *body = [[inline(cell, link) for cell in row] for row in rows]
    return [table_row(head), "|" + "---|" * len(head), *map(table_row, body)]
