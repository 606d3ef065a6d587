"""What the package promises about itself: imports and floors."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "minigen").rglob("*.py"), *(ROOT / "kernels").rglob("*.py")])


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_loads_no_heavy_library():
    heavy = ("numba", "matplotlib", "scipy", "PIL", "pandas", "sklearn", "tqdm", "safetensors", "hypothesis", "torch")
    loaded = python(f"import sys, minigen; print([m for m in {heavy} if m in sys.modules])")
    assert loaded == "[]"


FLOORS = [
    {"_util", "kernels"},
    {"audio", "backend", "hints", "tensor_methods"},
    {"data", "tensor"},
    {"engine", "arguments", "plot"},
    {"ops", "creation"},
    {"functional"},
    {"nn", "optim"},
    {"losses", "augment"},
    {"models"},
    {"metrics"},
    {"compress"},
    {"train"},
    {"visualize"},
    {"check", "course"},
    {"bench", "lessons", "play"},
    {"cli"},
    {"__main__"},
]


def floor(name):
    return next(i for i, names in enumerate(FLOORS) if name in names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_each_room_imports_only_from_floors_below(path):
    inside = path.relative_to(ROOT).with_suffix("").parts
    room = inside[1] if inside[0] == "minigen" and len(inside) > 1 else inside[0]
    if inside == ("minigen", "__init__"):
        return
    depth = len(inside) - 1
    for node in ast.parse(path.read_text(encoding="utf-8")).body:  # imports at the top: those inside functions are lazy
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        base = inside[: depth + 1 - node.level]
        full = [*base, *(node.module.split(".") if node.module else [])]
        targets = [full] if len(full) > 1 or inside[0] == "kernels" else [[*full, a.name] for a in node.names]
        for target in targets:
            if inside[0] == "kernels":
                assert target[0] == "kernels", f"{path.name} imports minigen: kernels know arrays only"
                continue
            other = target[1]
            if other == room:
                continue
            assert floor(other) < floor(room), f"{'/'.join(inside)} imports {other}, which is not below {room}"


@pytest.mark.parametrize("room", ["reference", "cpu", "cuda"])
def test_kernels_import_neither_tools_nor_ladder(room):
    """The emulator, the static report and the ladder look at the kernel sets, not the other way round."""
    for path in (ROOT / "kernels" / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) and node.level > 1 else set()
            )
            assert not names & {"emulator", "ladder", "static_report"}, path
