"""How good the choice between the methods of a convolution is: the *regret*, on layers drawn at random.

Before it computes, `minigen.kernels.cpu.conv.dispatch` estimates the time of each method from the shapes and takes the
least.  The regret is the time of the method that it chose over that of the fastest: 1 where the choice is right.
"""

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from .kernels import KINDS, Layer, arrays
from .report import Row
from .timing import interleave

__all__ = ["draw_layers", "methods", "regret_summary", "time_regret"]

#: Methods that are estimated to take longer than this many times the least estimate are not timed.
_HOPELESS = 8
#: Least and most nominal GFLOP of a layer, or megabytes that it moves: small ones are all Python, large ones take long.
_GFLOP, _MEGABYTES = (0.02, 0.5), (2, 24)


def draw_layers(count: int, seed: int = 0) -> list[Layer]:
    """Layers of all kinds: strided, dilated, grouped, depthwise, 1 x 1, few channels, few pixels, small batches, 1-D.

    >>> [str(layer) for layer in draw_layers(2)]
    ['128->256 @4 k3s2 x64', '256->32 @14x28 k1s2 x7']
    """
    draw = random.Random(seed).choice
    layers: list[Layer] = []
    while len(layers) < count:
        kernel, stride = draw((1, 1, 2, 3, 3, 3, 4, 5, 6, 7)), draw((1, 1, 1, 2))
        dilation = draw((1, 1, 1, 2, 4)) if stride == 1 and kernel > 1 else 1
        inputs, outputs = (draw((1, 3, 16, 24, 32, 64, 96, 128, 256, 512)) for _ in range(2))
        groups = 1
        if draw((False, False, False, True)):
            outputs = inputs
            groups = draw([n for n in (2, 4, 8, 16, 32, inputs, inputs) if inputs % n == 0])
        side, length = draw((4, 7, 8, 14, 16, 28, 32, 64)), draw((28, 64, 100, 256))
        size = draw(((side, side), (side, side), (side, side), (side, side), (side, 2 * side), (1, length)))
        batch = draw((1, 4, 7, 14, 32, 64))
        padding = dilation * (kernel - 1) // 2
        layer = Layer(inputs, outputs, size, kernel, stride, padding, dilation, groups, batch)
        large = layer.gflop >= _GFLOP[0] or layer.megabytes >= _MEGABYTES[0]
        if large and min(layer.output) > 0 and layer.gflop <= _GFLOP[1] and layer.megabytes <= _MEGABYTES[1]:
            layers.append(layer)
    return layers


def methods(layer: Layer, kind: str, level: str) -> tuple[str, dict[str, partial[None]]]:
    """The method that is chosen for a pass of a layer, and by name those that may be the fastest, ready to be called.

    Parameters
    ----------
    layer : Layer
    kind : str
        One of `minigen.bench.kernels.KINDS`.
    level : str
        See `minigen.kernels.precision`.
    """
    from ..kernels.cpu.conv import dispatch
    from ..kernels.cpu.runtime.allocator import contiguous

    x, w, g = map(contiguous, arrays(layer))
    stride, padding, dilation, groups = layer.parameters
    if met := dispatch.met_taps(x.shape[2:], w.shape[2:], g.shape[2:], stride, padding, dilation):
        (rows, columns), padding = met
        w = contiguous(w[:, :, rows, columns])
    passes: dict[str, tuple[Any, Any, Any, Callable[[Any], dict[Any, float]], Callable[..., None]]] = {
        "forward": (x, w, np.empty_like(g), dispatch.forward_costs, dispatch.run_forward),
        "input gradient": (g, w, np.empty_like(x), dispatch.input_grad_costs, dispatch.run_input_grad),
        "weight gradient": (x, g, np.empty_like(w), dispatch.weight_grad_costs, dispatch.run_weight_grad),
    }
    first, second, result, estimate, run = passes[kind]
    written = g if kind == "weight gradient" else result
    how = stride, padding, dilation, groups
    question = dispatch.Question(first.shape, written.shape, x.itemsize, w.shape[1:], how, level)
    costs = estimate(question)
    names = {choice: " ".join(map(str, filter(None, choice))) for choice in costs}
    least = min(costs.values())
    ready = {
        names[choice]: partial(run, *choice, first, second, result, question)
        for choice, cost in costs.items()
        if cost <= _HOPELESS * least
    }
    return names[min(costs, key=costs.__getitem__)], ready


def time_regret(layers: Sequence[Layer], rounds: int, level: str) -> Iterator[Row]:
    """Time all methods that may be the fastest, for the three passes of each layer; shortest times are compared.

    (On a machine that others use, too, the shortest of some rounds is the one that they disturbed least.)
    """
    for layer in layers:
        for kind in KINDS:
            chosen, ready = methods(layer, kind, level)
            seconds = {name: min(times) for name, times in interleave(ready, rounds, least=0.005).seconds.items()}
            best = min(seconds, key=seconds.__getitem__)
            ratio = seconds[chosen] / seconds[best]
            work = f"{layer}, {kind}: {chosen}" + f", best {best}" * (best != chosen)
            ours, theirs = 1e3 * seconds[chosen], 1e3 * seconds[best]
            yield Row("regret", work, ours, theirs, ratio, ratio, ratio, beside="best method")


def regret_summary(rows: Sequence[Row]) -> str:
    """One line: how often the choice is right, and how much longer the chosen methods take than the best.

    >>> regret_summary([Row("regret", "a", 1.0, 1.0, 1.0), Row("regret", "b", 3.0, 2.0, 1.5)])
    'the fastest method is chosen for 1 of 2; regret: median 1.25, nine tenths below 1.50, worst 1.50'
    """
    ratios = sorted(row.ratio for row in rows)
    right, tenth = sum(ratio == 1 for ratio in ratios), ratios[-(len(ratios) // 10) - 1]
    return (
        f"the fastest method is chosen for {right} of {len(ratios)}; regret: median {statistics.median(ratios):.2f}, "
        f"nine tenths below {tenth:.2f}, worst {ratios[-1]:.2f}"
    )
