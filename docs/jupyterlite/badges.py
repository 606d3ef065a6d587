"""Write the badges of `lessons/README.md`, which open lessons on Colab and Binder, from the repository's address.

    python docs/jupyterlite/badges.py

The address is `Source` of ``[project.urls]`` in pyproject.toml.  Both services read from GitHub only: for any other
address the page says so, without links.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "lessons" / "README.md"
BEGIN, END = "<!-- badges: begin -->", "<!-- badges: end -->"
FIRST = ("01_autograd", "08_gan")


def badges(source: str) -> list[str]:
    """The lines between the marks."""
    found = re.fullmatch(r"https://github\.com/([\w.-]+/[\w.-]+?)/?", source)
    if found is None:
        return ["Colab and Binder read from GitHub: their links will be here when the repository is there."]
    name = found[1]
    lines = ["These two services run the lessons on computers of others.  **Not verified**: no test opens them.", ""]
    for lesson in FIRST:
        colab = f"https://colab.research.google.com/github/{name}/blob/main/lessons/{lesson}.ipynb"
        binder = f"https://mybinder.org/v2/gh/{name}/main?labpath=lessons%2F{lesson}.ipynb"
        lines.append(
            f"- lesson {int(lesson[:2])}: [![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab})"
        )
        lines[-1] += f" [![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    lines += ["", "On Colab run `%pip install minigen-lab[lessons]` first."]
    return lines


def page(text: str, source: str) -> str:
    """The page with badges for an address."""
    before, rest = text.split(BEGIN)
    return "\n".join([f"{before}{BEGIN}\n", *badges(source), f"\n{END}"]) + rest.split(END)[1]


def source() -> str:
    """The repository's address."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["urls"]["Source"])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), source()), encoding="utf-8")
