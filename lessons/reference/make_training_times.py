"""Measure how long a training with the defaults takes on one core: a column of the table of model families on the site.

    python lessons/reference/make_training_times.py              # every family, about 10 minutes
    python lessons/reference/make_training_times.py dcgan vae    # these, again

Each family is trained with ``minigen train`` for one step, and for some epochs, with one thread.  The difference is the time
of these epochs; the number of epochs multiplies it.  Processor time is measured: on an idle core it is the time on the clock,
and other programs change it little.  The kernels are compiled before.
Results are kept in `training_times.json`.  Needs the extras `data` and `sequences`.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from minigen.bench.machine import processor
from minigen.models import families

RESULTS = Path(__file__).resolve().parent / "training_times.json"
DATA = {"points": "ring8", "rcgan": "power", "specgan": "notes", "wavegan": "notes"}
"""For families that do not learn from the set that others have by default."""

LEAST = 3.0
"""Seconds that the epochs must take, so that what the start takes by chance does not matter."""

ONE_THREAD = ("MINIGEN_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def processor_seconds(family: str, data: str, *length: str) -> float:
    """Processor time of ``minigen train``, start and end included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "minigen", "train", family, "--data", data, *length]
        environment = {**os.environ, **dict.fromkeys(ONE_THREAD, "1")}
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(family: str) -> dict[str, str | int | float]:
    """The time of an epoch, and of the whole training with defaults."""
    model = families()[family]
    data = DATA.get(family, model.DATA)
    processor_seconds(family, data, "--steps", "1")  # compiles
    start = processor_seconds(family, data, "--steps", "1")
    epochs = 1
    while (difference := processor_seconds(family, data, "--epochs", str(epochs)) - start) < LEAST:
        epochs *= 4
    epoch = difference / epochs
    total = start + model.EPOCHS * epoch
    return {"data": data, "epochs": model.EPOCHS, "seconds_per_epoch": round(epoch, 3), "seconds": round(total, 1)}


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", choices=[*families(), []], metavar="FAMILY")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {"families": {}}
    results["processor"] = processor()
    for family in parser.parse_args().families or families():
        results["families"][family] = found = measure(family)
        print(f"{family:10} {found['data']:16} {found['seconds'] / 60:5.1f} minutes", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
