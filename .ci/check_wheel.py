"""Unpack a wheel and check that it holds every module of the checkout, and nothing else."""

import sys
import zipfile
from pathlib import Path

wheel, target = Path(sys.argv[1]), Path(sys.argv[2])
root = Path(__file__).parents[1]
expected = {"minigen/py.typed", "minigen/check/golden_vectors.md", "minigen/metrics/judges_mnist5k.safetensors"}
expected |= {"minigen/play/page.html", "minigen/play/playground.html"}
pretrained = root / "minigen" / "pretrained"
expected |= {f"minigen/{f.relative_to(root / 'minigen').as_posix()}" for f in pretrained.rglob("*.*") if f.is_file()}
if not (pretrained / "cgan" / "compressed.safetensors").is_file():
    sys.exit(f"{pretrained}: no trained models")
for folder, package in (("minigen", "minigen"), ("kernels", "minigen/kernels")):
    files = (root / folder).rglob("*.py")
    expected |= {f"{package}/{f.relative_to(root / folder).as_posix()}" for f in files if "__pycache__" not in f.parts}
with zipfile.ZipFile(wheel) as archive:
    archive.extractall(target)
    found = {name for name in archive.namelist() if ".dist-info/" not in name}
missing, surplus = sorted(expected - found), sorted(found - expected)
if missing or surplus:
    sys.exit(f"{wheel.name}: missing {missing}; surplus {surplus}")
print(f"{wheel.name}: all {len(found)} files")
