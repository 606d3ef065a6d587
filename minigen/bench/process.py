"""Measurements that need a fresh process: importing, the first step with an empty and with a full cache, memory."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .report import Row

__all__ = ["process_rows"]

FIRST_STEP = """
import json, time
import minigen
imported = time.perf_counter()
from minigen.bench.steps import our_step
step = our_step("DCGAN-28 step (conv_k5_dropout), batch 128")
step()
print(json.dumps(time.perf_counter() - imported))
"""

PEAK = """
import json, pathlib, resource, sys
def peak():  # in kilobytes on Linux, where getrusage would count the memory of the process that started this one, too
    if sys.platform == "linux":
        return int(pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
{prepare}
before = peak()
{build}
for _ in range(3):
    step()
print(json.dumps(peak() - before))
"""

WORK = "DCGAN-64 step (wide), batch 32"


def _python(code: str, **environment: str) -> float:
    """Run `code` in a fresh interpreter and read the number that it prints last."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return float(json.loads(done.stdout.strip().splitlines()[-1]))


def _lowest_peak(prepare: str, build: str) -> float:
    """Of two processes: the first may have to compile kernels, which takes memory that no later one needs."""
    return min(_python(PEAK.format(prepare=prepare, build=build)) for _ in range(2))


def process_rows(against: bool) -> Iterator[Row]:
    """Measure importing, cold and warm starts, and the peak memory of a step beside PyTorch's."""
    imports = (
        "import json, time; start = time.perf_counter(); import {}; print(json.dumps(time.perf_counter() - start))"
    )
    ours, numpy = (min(_python(imports.format(m)) for _ in range(5)) for m in ("minigen", "numpy"))
    yield Row("process", "import minigen", 1e3 * ours)
    yield Row("process", "import numpy, for comparison", 1e3 * numpy)
    with tempfile.TemporaryDirectory() as empty:
        for name in ("cold start: first DCGAN-28 step, nothing compiled yet", "warm start: first DCGAN-28 step"):
            yield Row("process", name, 1e3 * _python(FIRST_STEP, NUMBA_CACHE_DIR=str(Path(empty))))
    if sys.platform == "win32":
        return  # no resource module there
    unit = 1e-3 if sys.platform == "linux" else 1e-6  # kilobytes on Linux, bytes on macOS
    prepare = "import minigen; from minigen.bench.steps import our_step, their_step"
    warm_kernels = "from minigen import kernels; kernels.find('conv2d')"
    build = f"step = our_step({WORK!r})"
    mine = unit * _lowest_peak(f"{prepare}\n{warm_kernels}", build)
    if not against:
        yield Row("memory", f"peak of a {WORK}", mine, unit="MB")
        return
    build = f"step = their_step({WORK!r})[{WORK!r}]"
    theirs = unit * _lowest_peak(f"{prepare}\nimport torch", build)
    ratio = mine / theirs
    yield Row("memory", f"peak of a {WORK}", mine, theirs, ratio, ratio, ratio, unit="MB")
