"""Make the wheel of the distribution `minigen-lessons`: the lessons, their pictures and the assignments.

    python .build/lessons_wheel.py DIST

They are a second distribution because they are larger than minigen itself, and a browser loads minigen at each visit.
In the wheel, `lessons/` is the package `minigen_lessons`; `minigen lesson` and `minigen course` find it there. Its
version is that of minigen, which it requires, so `python -m pip install minigen-lessons` is all that a learner needs.
"""

import re
import runpy
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "minigen_lessons"
KINDS = (".ipynb", ".json", ".md", ".npz", ".png", ".py", ".toml")
"""The suffixes of what belongs to the lessons."""

INIT = '"""The lessons and assignments of minigen: files, which `minigen lesson` and `minigen course` read."""\n'

DESCRIPTION = """\
# The lessons of minigen

{count} notebooks on image generation from scratch, from one multiplication to GANs and VAEs: automatic differentiation,
gradient checking, kernels, optimizers, GANs, VAEs, evaluation. Their exercises check themselves. The assignments of the
course come with them, for instructors.

    python -m pip install minigen-lessons
    minigen lesson                     # lists them
    minigen lesson 1                   # copies the first to lessons-work/ and opens it in JupyterLab
    minigen course build A1            # for instructors

The package [minigen-lab](https://pypi.org/project/minigen-lab/) has the code, and comes along.
"""


def lesson_files(folder: Path) -> dict[str, bytes]:
    """The files of the lessons by their path in `folder`: what authors write, without caches and settings."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix in KINDS and path.is_file()]
    inside = {path.relative_to(folder): path for path in paths}
    hidden = ("__pycache__", "lessons-work", "runs", "ruff.toml")
    return {
        name.as_posix(): path.read_bytes()
        for name, path in inside.items()
        if not any(part in hidden or part.startswith(".") for part in name.parts)
    }


def metadata(root: Path, count: int) -> tuple[str, str]:
    """The version, and the text of METADATA."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = re.findall(r'^__version__ = "(.+)"$', (root / "minigen" / "__init__.py").read_text("utf-8"), re.M)[0]
    lines = [
        "Metadata-Version: 2.4",
        "Name: minigen-lessons",
        f"Version: {version}",
        "Summary: The lessons of minigen: image generation from scratch, in notebooks",
        f"Keywords: {','.join(project['keywords'])}",
        *(f"Project-URL: {name}, {url}" for name, url in project["urls"].items()),
        *(f"Classifier: {one}" for one in project["classifiers"] if one != "Typing :: Typed"),
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
        f"Requires-Dist: {project['name']}[lessons]=={version}",
        "Description-Content-Type: text/markdown",
    ]
    return version, "\n".join(lines) + "\n\n" + DESCRIPTION.format(count=count)


def make(root: Path, target: Path) -> Path:
    """Write the wheel of the checkout at `root` into the folder `target`."""
    found = lesson_files(root / "lessons")
    version, text = metadata(root, sum(name.endswith(".ipynb") for name in found))
    stem = f"{PACKAGE}-{version}"
    files = {f"{PACKAGE}/__init__.py": INIT.encode()} | {f"{PACKAGE}/{name}": data for name, data in found.items()}
    files[f"{stem}.dist-info/METADATA"] = text.encode()
    files[f"{stem}.dist-info/licenses/LICENSE"] = (root / "LICENSE").read_bytes()
    # by its path: an import of minigen needs NumPy
    wheel_bytes = runpy.run_path(str(root / "minigen" / "_util" / "wheel_file.py"))["wheel_bytes"]
    name, content = wheel_bytes(stem, files, "lessons_wheel")
    target.mkdir(parents=True, exist_ok=True)
    (target / name).write_bytes(content)
    return target / name


if __name__ == "__main__":
    made = make(ROOT, Path(sys.argv[1] if len(sys.argv) > 1 else "dist"))
    print(f"{made}: {made.stat().st_size / 1e6:.1f} MB")
