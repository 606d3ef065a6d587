"""Unpack the wheels in a folder and check that they hold every file of the checkout that they should, and nothing else.

python .ci/check_wheel.py DIST UNPACKED
"""

import subprocess
import sys
import zipfile
from pathlib import Path

DATA = {
    "minigen/py.typed",
    "minigen/check/golden_vectors.md",
    "minigen/metrics/judges_mnist5k.safetensors",
    "minigen/play/page.html",
    "minigen/play/playground.html",
}


def package_files(root: Path) -> set[str]:
    """What the wheel of `minigen-lab` must hold."""
    pretrained = root / "minigen" / "pretrained"
    if not (pretrained / "cgan" / "compressed.safetensors").is_file():
        sys.exit(f"{pretrained}: no trained models")
    expected = DATA | {
        f"minigen/{f.relative_to(root / 'minigen').as_posix()}" for f in pretrained.rglob("*.*") if f.is_file()
    }
    for folder, package in (("minigen", "minigen"), ("kernels", "minigen/kernels")):
        files = (root / folder).rglob("*.py")
        expected |= {
            f"{package}/{f.relative_to(root / folder).as_posix()}" for f in files if "__pycache__" not in f.parts
        }
    return expected


def lesson_files(root: Path) -> set[str]:
    """What the wheel of `minigen-lessons` must hold: what is committed, so that no scratch file slips in."""
    command = ["git", "ls-files", "lessons"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()
    names.remove("lessons/ruff.toml")
    return {"minigen_lessons/__init__.py", *(name.replace("lessons/", "minigen_lessons/", 1) for name in names)}


def check(wheel: Path, expected: set[str], target: Path) -> str:
    """Unpack a wheel; say what is missing or surplus in it, or nothing."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
        found = {name for name in archive.namelist() if ".dist-info/" not in name}
    print(f"{wheel.name}: {len(found)} files, {wheel.stat().st_size / 1e6:.1f} MB")
    missing, surplus = sorted(expected - found), sorted(found - expected)
    return f"{wheel.name}: missing {missing}; surplus {surplus}" if missing or surplus else ""


if __name__ == "__main__":
    dist, unpacked, root = Path(sys.argv[1]), Path(sys.argv[2]), Path(__file__).parents[1]
    wheels = {"minigen_lab": package_files, "minigen_lessons": lesson_files}
    for name, files in wheels.items():
        (found,) = dist.glob(f"{name}-*.whl")
        if problem := check(found, files(root), unpacked):
            sys.exit(problem)
