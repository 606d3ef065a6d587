"""Pages with the source code: one for each file, with numbered lines to link to, and one for each folder."""

import html
from collections.abc import Iterable
from pathlib import Path

__all__ = ["address", "write"]

STYLE = """
body { margin: 0; font: 15px/1.45 system-ui, sans-serif; background: #fff; color: #222 }
header { padding: .7em 1em; border-bottom: 1px solid #ccc; overflow-wrap: anywhere } main { overflow-x: auto }
pre { margin: 0; font: 13px/1.45 ui-monospace, Consolas, Menlo, monospace } .highlight { padding: .5em 1em }
.linenos { color: #888; user-select: none; padding-right: 1em } .linenos a { color: inherit; text-decoration: none }
li { margin: .25em 0 } a { color: #0a50a1 } span:target, a:target + span { background: #ffd }
@media (prefers-color-scheme: dark) {
  body { background: #131416; color: #ddd } header { border-color: #444 } a { color: #7ab8ff }
}
"""


def address(path: Path, line: int | None = None) -> str:
    """The address of a file or folder of the checkout, below the site's root.

    >>> address(Path("minigen/tensor.py"), 12)
    'source/minigen/tensor.py.html#L-12'
    >>> address(Path("minigen/check"))
    'source/minigen/check/index.html'
    """
    name = f"{path.as_posix()}.html" if path.suffix else f"{path.as_posix()}/index.html"
    return f"source/{name}" + (f"#L-{line}" if line else "")


def write(root: Path, site: Path, paths: Iterable[Path]) -> int:
    """Write the pages of these files and folders of `root`, and of all that is in the folders; return how many."""
    files: set[Path] = set()
    folders: set[Path] = set()
    for path in paths:
        if (root / path).is_dir():
            inside = [p for p in (root / path).rglob("*") if not {"__pycache__", ".ipynb_checkpoints"} & set(p.parts)]
            folders |= {path, *(p.relative_to(root) for p in inside if p.is_dir())}
            files |= {p.relative_to(root) for p in inside if p.is_file() and p.suffix in (".py", ".md", ".toml")}
        else:
            files.add(path)
    for path in files:
        _write_file(root / path, path, site / address(path))
    for path in folders:
        entries = sorted(p for p in {*files, *folders} if p.parent == path)
        items = "".join(f'<li><a href="{_href(path, p)}">{html.escape(p.name)}</a></li>' for p in entries)
        _write_page(path, site / address(path), f"<ul>{items}</ul>", "")
    return len(files) + len(folders)


def _href(folder: Path, path: Path) -> str:
    return address(path).removeprefix(f"source/{folder.as_posix()}/")


def _write_file(file: Path, path: Path, target: Path) -> None:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_for_filename
    from pygments.lexers.special import TextLexer
    from pygments.util import ClassNotFound

    if target.is_file() and target.stat().st_mtime >= file.stat().st_mtime:
        return
    try:
        lexer = get_lexer_for_filename(path.name)
    except ClassNotFound:
        lexer = TextLexer()
    formatter = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True)
    dark = HtmlFormatter(style="monokai").get_style_defs(".highlight")
    style = f"{formatter.get_style_defs('.highlight')}\n@media (prefers-color-scheme: dark) {{ {dark} }}"
    _write_page(path, target, highlight(file.read_text(encoding="utf-8"), lexer, formatter), style)


def _write_page(path: Path, target: Path, body: str, style: str) -> None:
    up = "../" * (len(target.parts) - target.parts.index("source") - 1)
    name = html.escape(path.as_posix())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{name} - minigen</title><link rel="icon" href="data:,"><style>{STYLE}{style}</style></head>'
        f'<body><header><a href="{up}index.html">minigen</a> / source / {name}</header>'
        f"<main>{body}</main></body></html>\n",
        encoding="utf-8",
    )
