"""How many kernels a training step starts on a GPU, counted without one; and what differs from one step to the next.

``python tests/launch_count.py`` prints them for a DCGAN of 64x64: ours by name, and CuPy's.  Nothing is computed by
our kernels, so the numbers mean nothing; which kernels a step starts does not depend on them.

What differs is what a CUDA graph of the step would have to be given before it is launched again: the arrays that come
from the CPU, the numbers among the kernels' arguments that change, and the arrays of the model's state that are new
ones after a step, while a graph writes to those that it was captured with.
"""

from collections import Counter
from dataclasses import dataclass

import cupy_double as double
import numpy as np

from minigen.bench.steps import STEPS
from minigen.kernels.cuda import launch

STEP = "DCGAN-64 step (conv_k4_bn), batch 32"


class Counting:
    """A device that starts nothing; it keeps each kernel's name, blocks and numbers."""

    arrays = double.xp

    def __init__(self):
        self.launches = []

    def start(self, kernel, blocks, arguments):
        numbers = tuple(value for value in arguments if _are_numbers(value))
        self.launches.append((kernel.function.__name__, blocks, numbers))


def _are_numbers(value):
    return isinstance(value[0] if isinstance(value, tuple) else value, np.generic)


@dataclass
class Step:
    """What a step started, copied and replaced."""

    launches: list
    of_cupy: Counter
    uploads: list
    state: list

    @property
    def ours(self):
        return Counter(name for name, _, _ in self.launches)


def steps(name=STEP):
    """The second and the third step of a training: more is ready than in the first."""
    make, shape = STEPS[name]
    device, found = Counting(), []
    with double.as_cupy(), launch.running_on(device), np.errstate(all="ignore"):
        model = make()
        model.to("cuda")
        images = np.zeros(shape, np.float32)
        for _ in range(3):
            for counted in (device.launches, double.LAUNCHES, double.UPLOADS):
                counted.clear()
            model.training_step({"images": images})
            state = [t.data for network in model.children() for t in (*network.parameters(), *network.buffers())]
            found.append(Step(list(device.launches), +double.LAUNCHES, list(double.UPLOADS), state))
    return found[1:]


def count(name=STEP):
    """Two counters of a step: our kernels, and CuPy's."""
    step = steps(name)[0]
    return step.ours, step.of_cupy


def differing(one, other):
    """Kernels whose numbers differ in two steps, or None if the steps start other kernels; and replaced arrays."""
    if one.of_cupy != other.of_cupy or [each[:2] for each in one.launches] != [each[:2] for each in other.launches]:
        return None
    numbers = Counter(first[0] for first, second in zip(one.launches, other.launches) if first[2] != second[2])
    on_device = [pair for pair in zip(one.state, other.state) if isinstance(pair[0], double.ndarray)]
    return numbers, sum(before is not after for before, after in on_device)


if __name__ == "__main__":
    first, second = steps()
    print(f"{STEP}: {first.ours.total()} kernels of ours, {first.of_cupy.total()} of CuPy's")
    for found in (first.ours, first.of_cupy):
        print(", ".join(f"{number} {name}" for name, number in found.most_common()))
    numbers, replaced = differing(first, second)
    print("from step to step: copied from the CPU", ", ".join(map(str, first.uploads)), end="; ")
    print(
        ", ".join(f"{number} {name}" for name, number in numbers.items()),
        f"with other numbers; {replaced} arrays replaced",
    )
