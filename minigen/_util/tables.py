"""One table, written as plain text, Markdown, HTML or CSV."""

import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Table", "html_page", "replace_table"]


@dataclass(frozen=True)
class Table:
    """Rows of cells below a head.

    Parameters
    ----------
    columns : sequence of str
        The head.
    rows : sequence of sequences
        As many cells a row as columns; a cell is shown as ``str`` writes it, and None as nothing.
    align : str, optional
        One letter a column, ``"l"`` for left (the default) and ``"r"`` for right.

    Examples
    --------
    >>> table = Table(["layer", "ms"], [["1x1", 2.0], ["3x3", None]], "lr")
    >>> print(table.text())
    layer   ms
    1x1    2.0
    3x3
    >>> print(table.markdown())
    | layer | ms |
    |---|--:|
    | 1x1 | 2.0 |
    | 3x3 |  |
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    align: str = ""

    def __post_init__(self) -> None:
        widths = {len(row) for row in self.rows} | {len(self.align or self.columns)}
        if widths != {len(self.columns)}:
            raise ValueError(f"Table: expected {len(self.columns)} cells in each row and in align, got {widths}")

    def text(self) -> str:
        """The table in aligned columns, without the spaces at the ends of the lines."""
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells)]
        pads = [str.rjust if right else str.ljust for right in self._right()]
        return "\n".join(
            "  ".join(pad(cell, width) for pad, cell, width in zip(pads, line, widths)).rstrip() for line in cells
        )

    def markdown(self) -> str:
        """The table in Markdown; a bar or a line break in a cell does not end the cell."""
        head, *body = [[" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in self._cells()]
        rule = "|" + "|".join("--:" if right else "---" for right in self._right()) + "|"
        head_line, *lines = [f"| {' | '.join(line)} |" for line in [head, *body]]
        return "\n".join([head_line, rule, *lines])

    def html(self, classes: Sequence[str] = ()) -> str:
        """A ``<table>`` with every cell escaped; `classes` are the style classes of the rows."""
        numbers = [' class="n"' if right else "" for right in self._right()]

        def line(tag: str, cells: Sequence[str], name: str = "") -> str:
            inner = "".join(f"<{tag}{n}>{html.escape(cell)}</{tag}>" for n, cell in zip(numbers, cells))
            return f'<tr class="{html.escape(name)}">{inner}</tr>' if name else f"<tr>{inner}</tr>"

        head, *body = self._cells()
        names = classes or [""] * len(body)
        lines = [line("th", head), *(line("td", cells, name) for cells, name in zip(body, names, strict=True))]
        return "<table>\n" + "\n".join(lines) + "\n</table>"

    def csv(self) -> str:
        """The table as CSV.  A text that a spreadsheet would run as a formula gets an apostrophe in front."""
        file = io.StringIO(newline="")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_harmless(cell) for cell in row] for row in self.rows)
        return file.getvalue()

    def _cells(self) -> list[list[str]]:
        return [list(self.columns), *(["" if cell is None else str(cell) for cell in row] for row in self.rows)]

    def _right(self) -> list[bool]:
        return [letter == "r" for letter in self.align or "l" * len(self.columns)]


def _harmless(cell: object) -> object:
    """`cell`, if a spreadsheet takes it as a value.

    >>> _harmless("=1+1"), _harmless("-1"), _harmless(-1), _harmless("a = b")
    ("'=1+1", "'-1", -1, 'a = b')
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def html_page(title: str, body: str, style: str = "") -> str:
    """A whole HTML page that needs no other file; `title` is escaped, `body` is HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}\n</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def replace_table(page: str, name: str, lines: Sequence[str]) -> str:
    """A Markdown page with other lines between ``<!-- table NAME: begin -->`` and ``<!-- table NAME: end -->``.

    Raises
    ------
    ValueError
        If the page does not have both marks once.

    Examples
    --------
    >>> page = "# Speed\\n\\n<!-- table ms: begin -->\\n\\nold\\n\\n<!-- table ms: end -->\\n"
    >>> replace_table(page, "ms", ["| ms |", "|---|", "| 5 |"]).split("\\n")[4:7]
    ['| ms |', '|---|', '| 5 |']
    """
    begin, end = f"<!-- table {name}: begin -->", f"<!-- table {name}: end -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(f"replace_table: expected {begin} and {end} once each in the page")
    before, rest = page.split(begin)
    return "\n".join([f"{before}{begin}\n", *lines, f"\n{end}"]) + rest.split(end)[1]
