"""Measure how long a training with the defaults takes on one core: a column of the table of model families on the site.

    python lessons/reference/make_training_times.py              # every family, a few minutes
    python lessons/reference/make_training_times.py dcgan vae    # these, again

Of each family some training steps are timed, with one thread; the number of steps of a whole training multiplies that.  The
samples that ``minigen train`` draws after each epoch, and its files, are left out.  Processor time is measured: on an idle
core it is the time on the clock, and other programs change it little.  Results are kept in `training_times.json`.  Needs the
extras `data` and `sequences`.
"""

import argparse
import itertools
import json
import os
import time
from pathlib import Path

os.environ |= dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # before NumPy

import minigen as mg
from minigen.bench.machine import processor

RESULTS = Path(__file__).resolve().parent / "training_times.json"
DATA = {"points": "ring8", "rcgan": "power", "specgan": "notes", "wavegan": "notes"}
"""For families that do not learn from the set that others have by default."""

WARM_UP, STEPS, SECONDS = 5, 20, 2.0
"""Steps that are not timed, and the least number and time of those that are."""


def measure(family: str) -> dict[str, str | int | float]:
    """The time of a step, and of all steps of a training with defaults."""
    kind = mg.models.families()[family]
    name = DATA.get(family, kind.DATA)
    data = mg.data.load(name)
    mg.manual_seed(0)
    model = mg.models.build(family, **kind.data_options(data))
    model.prepare(data)
    loader = mg.data.Loader(data, kind.BATCH_SIZE, seed=0, drop_last=True)
    batches = itertools.chain.from_iterable(loader.epoch(number) for number in itertools.count())
    for _ in range(WARM_UP):
        model.training_step(next(batches))
    steps, begin = 0, time.process_time()
    while steps < STEPS or time.process_time() - begin < SECONDS:
        model.training_step(next(batches))
        steps += 1
    step = (time.process_time() - begin) / steps
    total = kind.EPOCHS * len(loader)
    return {
        "data": name,
        "epochs": kind.EPOCHS,
        "steps": total,
        "seconds_per_step": round(step, 5),
        "seconds": round(total * step, 1),
    }


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="*", metavar="FAMILY", help="which (default: all)")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {"families": {}}
    results["processor"] = processor()
    mg.kernels.set_num_threads(1)
    for family in parser.parse_args().families or mg.models.families():
        results["families"][family] = found = measure(family)
        print(f"{family:10} {found['data']:16} {found['seconds'] / 60:5.1f} minutes", flush=True)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
