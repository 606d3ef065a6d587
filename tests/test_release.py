"""What a release needs, in `.ci/` and `.github/workflows/`: each check refuses what it is for."""

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path

import pytest

import minigen as mg

ROOT = Path(__file__).parents[1]
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def ready(tmp_path):
    """A checkout that is ready for the release of 3.2.1: what the checks read, with the edits of the checklist."""
    for name in ("pyproject.toml", "CITATION.cff", "CHANGELOG.md", "minigen/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    edit(tmp_path / "minigen/__init__.py", rf'__version__ = "{re.escape(mg.__version__)}"', '__version__ = "3.2.1"')
    edit(tmp_path / "CHANGELOG.md", "^## Unreleased$", "## Unreleased\n\n## 3.2.1 - 2031-05-07")
    edit(tmp_path / "CITATION.cff", "^version: .*$", "version: 3.2.1")
    edit(tmp_path / "CITATION.cff", "^date-released: .*$", "date-released: 2031-05-07")
    edit(tmp_path / "pyproject.toml", r"https://minigen\.invalid", "https://example.org")
    return tmp_path


def edit(path, pattern, new):
    text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count, (path, pattern)
    path.write_text(text, encoding="utf-8")


def test_a_checkout_that_is_ready_has_no_problem(ready):
    assert script("check_release").problems(ready, "3.2.1") == []


@pytest.mark.parametrize(
    ("file", "pattern", "new", "words"),
    [
        ("minigen/__init__.py", "3.2.1", "3.2.0", "the version is 3.2.0, the release is 3.2.1"),
        ("CITATION.cff", "^version: .*$", "version: 3.2.0", "CITATION.cff: the version is 3.2.0"),
        ("CHANGELOG.md", "^## 3.2.1 - 2031-05-07", "## 3.2.1", 'no heading "## 3.2.1 - YYYY-MM-DD"'),
        ("CITATION.cff", "2031-05-07", "2031-05-06", "date-released is not 2031-05-07"),
        ("pyproject.toml", "https://example.org/docs", "https://minigen.invalid/docs", "is a placeholder"),
    ],
)
def test_what_is_missing_for_a_release_is_named(ready, file, pattern, new, words):
    edit(ready / file, pattern, new)
    found = script("check_release").problems(ready, "3.2.1")
    assert found and all(words in line for line in found), found


def test_addresses_stand_in_one_place():
    """A placeholder that is written elsewhere would survive the edit of pyproject.toml."""
    assert set(URLS) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    host = re.match(r"https://[^/]+", URLS["Source"])[0]
    files = [p for p in ROOT.glob("*") if p.suffix in (".md", ".cff")]
    files += [p for folder in ("docs", "minigen", "lessons", ".github") for p in (ROOT / folder).rglob("*.*")]
    texts = {p: p.read_text(encoding="utf-8") for p in files if p.suffix in (".md", ".py", ".cff", ".yml", ".html")}
    assert [p for p, text in texts.items() if host in text] == []


def test_the_version_has_one_source():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"] and project["project"]["dynamic"] == ["version"]
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)[1]
    assert cited == mg.__version__


def test_relative_links_become_absolute_and_others_stay():
    links = "[a](docs/a.md#b) ![p](x/p.png) [own](#here) [out](https://example.org/c.png) `[0](z)`"
    assert script("absolute_links").absolute(links, "https://host/me/minigen", "v1") == (
        "[a](https://host/me/minigen/blob/v1/docs/a.md#b) ![p](https://host/me/minigen/raw/v1/x/p.png) "
        "[own](#here) [out](https://example.org/c.png) `[0](https://host/me/minigen/blob/v1/z)`"
    )


def test_the_readme_has_no_relative_link_left_for_the_package_index():
    text = script("absolute_links").absolute((ROOT / "README.md").read_text(encoding="utf-8"), URLS["Source"], "v1")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(targets) > 20 and all(re.match("https://|#", target) for target in targets)


def test_workflows_call_what_exists_and_test_every_supported_python():
    folder = ROOT / ".github" / "workflows"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.yml")}
    assert set(texts) == {"tests", "docs", "release"}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for name, text in texts.items():
        for command in re.findall(r"python ((?:\.ci|docs)/\w+\.py)|(\.ci/run)$", text, re.M):
            assert (ROOT / "".join(command)).is_file(), (name, command)
        for used in re.findall(r"\.\[([\w,]+)\]", text):
            assert set(used.split(",")) <= set(extras), (name, used)
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    supported = sorted(c.rpartition(" ")[2] for c in classifiers if re.search(r":: 3\.\d+$", c))
    assert re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", texts["tests"])[1]) == supported
