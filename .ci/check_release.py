"""Check that a release is ready: one version everywhere, a dated changelog, and addresses that exist.

python .ci/check_release.py 0.1.0
"""

import re
import sys
import tomllib
from pathlib import Path


def problems(root: Path, version: str) -> list[str]:
    """What keeps the checkout at `root` from being released as `version`; one line each."""
    found = []
    text = {name: (root / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "CITATION.cff")}
    package = re.search(r'^__version__ = "(.+)"$', (root / "minigen" / "__init__.py").read_text(encoding="utf-8"), re.M)
    cited = re.search(r"^version: (.+)$", text["CITATION.cff"], re.M)
    for name, match in (("minigen/__init__.py", package), ("CITATION.cff", cited)):
        if match is None or match[1] != version:
            found.append(f"{name}: the version is {match and match[1]}, the release is {version}")
    heading = re.search(rf"^## {re.escape(version)} - (\d{{4}}-\d\d-\d\d)$", text["CHANGELOG.md"], re.M)
    if heading is None:
        found.append(f'CHANGELOG.md: no heading "## {version} - YYYY-MM-DD"')
    elif f"date-released: {heading[1]}" not in text["CITATION.cff"]:
        found.append(f"CITATION.cff: date-released is not {heading[1]}, the date in CHANGELOG.md")
    for name, url in tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"].items():
        if ".invalid" in url:
            found.append(f"pyproject.toml: [project.urls] {name} is a placeholder, {url}")
    return found


if __name__ == "__main__":
    lines = problems(Path(__file__).parents[1], sys.argv[1])
    sys.exit("\n".join(lines) or None)
