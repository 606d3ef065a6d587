"""Make the relative links of README.md absolute, for the package index, which has no other file of the repository.

The addresses begin with `Source` of `[project.urls]` in pyproject.toml.

    python .ci/absolute_links.py v0.1.0        # rewrites README.md; the argument is a tag, branch or commit
"""

import re
import sys
import tomllib
from pathlib import Path

PICTURES = (".png", ".gif", ".jpg", ".svg")


def absolute(text: str, source: str, ref: str) -> str:
    """The Markdown `text` with its relative links below `source` (a GitHub repository) at `ref`."""

    def replace(match: re.Match[str]) -> str:
        target = match[1]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        return f"]({source}/{'raw' if target.endswith(PICTURES) else 'blob'}/{ref}/{target})"

    return re.sub(r"\]\(([^)\s]+)\)", replace, text)


if __name__ == "__main__":
    root = Path(__file__).parents[1]
    url = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Source"]
    readme = root / "README.md"
    readme.write_text(absolute(readme.read_text(encoding="utf-8"), url, sys.argv[1]), encoding="utf-8")
