"""How many kernels a training step starts on a GPU, counted without one.

``python tests/launch_count.py`` prints them for a DCGAN of 64x64: ours by name, and CuPy's.  Nothing is computed by
our kernels, so the numbers mean nothing; which kernels a step starts does not depend on them.
"""

from collections import Counter

import cupy_double as double
import numpy as np

from minigen.bench.steps import STEPS
from minigen.kernels.cuda import launch

STEP = "DCGAN-64 step (conv_k4_bn), batch 32"


class Counting:
    """A device that starts nothing."""

    arrays = double.xp

    def __init__(self):
        self.started = Counter()

    def start(self, kernel, blocks, arguments):
        self.started[kernel.function.__name__] += 1


def count(name=STEP):
    """Two counters for the second step of a training, of which more is ready: our kernels, and CuPy's."""
    make, shape = STEPS[name]
    device = Counting()
    with double.as_cupy(), launch.running_on(device), np.errstate(all="ignore"):
        model = make()
        model.to("cuda")
        images = np.zeros(shape, np.float32)
        for _ in range(2):
            device.started.clear()
            double.LAUNCHES.clear()
            model.training_step({"images": images})
    return device.started, +double.LAUNCHES


if __name__ == "__main__":
    ours, cupys = count()
    print(f"{STEP}: {ours.total()} kernels of ours, {cupys.total()} of CuPy's")
    for found in (ours, cupys):
        print(", ".join(f"{number} {name}" for name, number in found.most_common()))
