"""Times of single kernels (convolutions, batch norm, activation, optimizer) and of operations on images."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from .. import kernels
from ..kernels.shapes import Padding, Pair, output_size
from .timing import Measurement, interleave
from .worker import Worker, fastest

__all__ = ["LAYERS", "OTHER_LAYERS", "Layer", "time_images", "time_layers", "time_others"]

KINDS = ("forward", "input gradient", "weight gradient")


@dataclass(frozen=True)
class Layer:
    """A convolution to be timed; `transposed` swaps the roles of its forward pass and its input gradient.

    An image of one row is a sequence, and the filters have one row, too.
    """

    inputs: int
    outputs: int
    size: tuple[int, int]
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    batch: int = 32
    transposed: bool = False

    def __str__(self) -> str:
        size = str(self.size[0]) if self.size[0] == self.size[1] else f"{self.size[0]}x{self.size[1]}"
        arrow = f"{self.outputs}->{self.inputs} (T)" if self.transposed else f"{self.inputs}->{self.outputs}"
        extra = f" d{self.dilation}" * (self.dilation > 1) + f" g{self.groups}" * (self.groups > 1)
        return f"{arrow} @{size} k{self.kernel}s{self.stride}{extra} x{self.batch}"

    @property
    def window(self) -> tuple[Pair, Pair, Pair, Pair]:
        """Kernel, stride, padding and dilation, along height and width."""
        along_height = (1, 1, 0, 1) if self.size[0] == 1 else (self.kernel, self.stride, self.padding, self.dilation)
        kernel, stride, padding, dilation = zip(along_height, (self.kernel, self.stride, self.padding, self.dilation))
        return kernel, stride, padding, dilation

    @property
    def parameters(self) -> tuple[Pair, Padding, Pair, int]:
        """Stride, padding, dilation and groups, as the kernels take them."""
        _, stride, (rows, columns), dilation = self.window
        return stride, ((rows, rows), (columns, columns)), dilation, self.groups

    @property
    def output(self) -> Pair:
        """Height and width of the result."""
        height, width = (output_size(n, k, s, (p, p), d) for n, k, s, p, d in zip(self.size, *self.window))
        return height, width

    @property
    def weights(self) -> tuple[int, int, int, int]:
        """Shape of the filters."""
        return self.outputs, self.inputs // self.groups, *self.window[0]

    @property
    def gflop(self) -> float:
        """Nominal operations of each of the three passes."""
        return 2e-9 * self.batch * self.output[0] * self.output[1] * prod(self.weights)

    @property
    def megabytes(self) -> float:
        """Input, output and weights, once each."""
        x = self.batch * self.inputs * self.size[0] * self.size[1]
        y = self.batch * self.outputs * self.output[0] * self.output[1]
        return 4e-6 * (x + y + prod(self.weights))


def _with_transposed(layers: Sequence[Layer]) -> list[Layer]:
    transposed = [replace(layer, transposed=True) for layer in layers]
    return [one for pair in zip(layers, transposed) for one in pair]


LAYERS = _with_transposed(
    [
        Layer(1, 64, (28, 28), 5, 2, 2, batch=128),
        Layer(3, 64, (64, 64), 4, 2, 1),
        Layer(64, 128, (32, 32), 4, 2, 1),
        Layer(128, 256, (16, 16), 4, 2, 1),
        Layer(64, 64, (32, 32), 3, 1, 1),
        Layer(256, 128, (7, 7), 5, 1, 2, batch=128),
        Layer(128, 128, (16, 16), 1),
    ]
)
"""The layers of the models, each with the transposed convolution of the same size."""

OTHER_LAYERS = [
    Layer(48, 96, (20, 28), 3, 2, 1),  # strided
    Layer(64, 128, (32, 32), 3, 2, 1),
    Layer(96, 40, (17, 17), 3, 1, 2, dilation=2),  # dilated
    Layer(64, 64, (32, 32), 3, 1, 4, dilation=4),
    Layer(64, 64, (16, 16), 3, 1, 1, groups=4),  # grouped
    Layer(64, 64, (32, 32), 3, 1, 1, groups=64),  # depthwise
    Layer(128, 128, (16, 16), 3, 2, 1, groups=128),
    Layer(256, 256, (14, 14), 1),  # 1x1
    Layer(64, 128, (28, 28), 1, 2),
    Layer(3, 32, (32, 32), 3, 1, 1),  # few channels
    Layer(1, 16, (28, 28), 3, 1, 1, batch=64),
    Layer(3, 64, (64, 64), 7, 2, 3),
    Layer(512, 512, (4, 4), 3, 1, 1),  # few pixels
    Layer(64, 64, (32, 32), 3, 1, 1, batch=1),  # small batches
    Layer(64, 128, (32, 32), 4, 2, 1, batch=7),
    Layer(128, 64, (16, 16), 5, 1, 2, batch=4),
]
"""Layers of other kinds, none of which any method was tuned for."""


def arrays(layer: Layer, seed: int = 0) -> tuple[Any, Any, Any]:
    """Random input, weights and cotangent of a layer, float32."""
    rng = np.random.default_rng(seed)
    shapes = (
        (layer.batch, layer.inputs, *layer.size),
        layer.weights,
        (layer.batch, layer.outputs, *layer.output),
    )
    x, w, g = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return x, w, g


def our_passes(layer: Layer, x: Any, w: Any, g: Any) -> dict[str, Callable[[], Any]]:
    """The three kernels of a layer, ready to be called."""
    rest = layer.parameters
    forward = lambda: kernels.find("conv2d")(x, w, *rest)  # noqa: E731
    back = lambda: kernels.find("conv2d_input_grad")(g, w, x.shape[2:], *rest)  # noqa: E731
    weight = lambda: kernels.find("conv2d_weight_grad")(x, g, w.shape[2:], *rest)  # noqa: E731
    return dict(zip(KINDS, (back, forward, weight) if layer.transposed else (forward, back, weight)))


def their_passes(layer: Layer) -> dict[str, Callable[[], Any]]:
    """The same in PyTorch, each in the memory format in which it is faster here: contiguous or channels last."""
    import torch

    formats = (torch.contiguous_format, torch.channels_last)
    variants = [_their_passes(layer, format) for format in formats]
    return {kind: fastest([variant[kind] for variant in variants]) for kind in KINDS}


def _their_passes(layer: Layer, format: Any) -> dict[str, Callable[[], Any]]:
    import torch

    tx, tw, tg = (torch.from_numpy(a).to(memory_format=format) for a in arrays(layer))
    _, *how = layer.window
    rest: list[Any] = [None, *map(list, how)]
    backward = torch.ops.aten.convolution_backward
    if layer.transposed:
        rows = [
            n - ((m - 1) * stride - 2 * padding + dilation * (k - 1) + 1)
            for n, m, k, stride, padding, dilation in zip(layer.size, layer.output, *layer.window)
        ]
        rest = [None, *rest[1:], True, rows, layer.groups]
        data, cotangent = tg, tx
    else:
        rest = [None, *rest[1:], False, [0, 0], layer.groups]
        data, cotangent = tx, tg
    forward = lambda: torch.ops.aten.convolution(data, tw, *rest)  # noqa: E731
    back = lambda: backward(cotangent, data, tw, *rest, [True, False, False])[0]  # noqa: E731
    weight = lambda: backward(cotangent, data, tw, *rest, [False, True, False])[1]  # noqa: E731
    return dict(zip(KINDS, (forward, back, weight)))


def time_layers(layers: Sequence[Layer], rounds: int, worker: Worker | None) -> Iterator[Measurement]:
    """Time the three passes of each layer."""
    for layer in layers:
        ours = our_passes(layer, *arrays(layer))
        theirs = worker.make(their_passes, layer) if worker else {}
        for kind in KINDS:
            timings = interleave({"ours": ours[kind], **({"theirs": theirs[kind]} if worker else {})}, rounds)
            yield Measurement(f"conv {kind}", f"{layer}, {kind}", timings, layer.gflop, layer.megabytes)


def _others() -> tuple[Any, ...]:
    """Images and their cotangent, weight and bias of a batch norm; a parameter and its gradient."""
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((32, 128, 32, 32), dtype=np.float32) for _ in range(2))
    weight, bias = rng.standard_normal((2, 128), dtype=np.float32)
    return x, g, weight, bias, *rng.random((2, 1_000_000), dtype=np.float32)


def time_others(rounds: int, worker: Worker | None) -> Iterator[Measurement]:
    """Time batch norm and LeakyReLU, forward and backward, and a step of Adam."""
    x, g, weight, bias, param, grad = _others()

    def batch_norm() -> Any:
        stats = kernels.find("batch_norm_stats")(x)
        y = kernels.find("batch_norm")(x, *stats, weight, bias, 1e-5)
        return y, kernels.find("batch_norm_grad")(g, x, *stats, weight, 1e-5)

    def leaky_relu() -> Any:
        return kernels.find("leaky_relu")(x, 0.2), kernels.find("leaky_relu_grad")(g, x, 0.2)

    m, v = np.zeros((2, param.size), np.float32)
    count = iter(range(1, 1 << 60))

    def adam() -> None:
        kernels.find("adam_step")(param, grad, m, v, None, next(count), 1e-3, 0.9, 0.999, 1e-8, 0.0, False)

    work = {
        "batch norm forward + backward 32x128x32x32": batch_norm,
        "LeakyReLU forward + backward 32x128x32x32": leaky_relu,
        "Adam step, 1M parameters": adam,
    }
    theirs = worker.make(_their_others) if worker else {}
    for name, function in work.items():
        timings = interleave({"ours": function, **({"theirs": theirs[name]} if worker else {})}, rounds)
        yield Measurement("other", name, timings)


IMAGES = (16, 36, 48, 48)
"""The shape on which operations of image networks are timed."""


def time_images(rounds: int, worker: Worker | None) -> Iterator[Measurement]:
    """Time operations of networks for images beside plainer ones of ours, forward and backward, through autograd."""
    made = _image_operations()
    pairs = {
        "reflection padding": "zero padding",
        "nearest resize to twice the size": "zero padding",
        "instance norm": "batch norm",
    }
    for name, plain in pairs.items():
        timings = interleave({"ours": made[name], "theirs": made[plain]}, rounds)
        yield Measurement("image operations", f"{name} beside {plain}", timings, beside="plain")


def _image_operations() -> dict[str, Callable[[], Any]]:
    """Forward and backward passes on images of the shape `IMAGES`; they return the output and its gradients."""
    from .. import functional as F
    from ..engine import grad
    from ..tensor import tensor

    rng = np.random.default_rng(0)

    def both(operation: Callable[..., Any], *more: Any) -> Callable[[], Any]:
        inputs = [tensor(rng.standard_normal(shape, np.float32), requires_grad=True) for shape in (IMAGES, *more)]
        cotangent = tensor(rng.standard_normal(operation(*inputs).shape, np.float32))

        def passes() -> Any:
            output = operation(*inputs)
            return output, grad(output, inputs, cotangent)

        return passes

    scale_and_shift = (IMAGES[1:2], IMAGES[1:2])
    return {
        "zero padding": both(lambda x: F.pad(x, (1, 1, 1, 1))),
        "reflection padding": both(lambda x: F.pad(x, (1, 1, 1, 1), "reflect")),
        "nearest resize to twice the size": both(lambda x: F.interpolate(x, scale_factor=2, mode="nearest")),
        "batch norm": both(lambda x, w, b: F.batch_norm(x, None, None, w, b, True), *scale_and_shift),
        "instance norm": both(lambda x, w, b: F.instance_norm(x, None, None, w, b), *scale_and_shift),
    }


def _their_others() -> dict[str, Callable[[], Any]]:
    import torch

    variants = [_their_others_in(format) for format in (torch.contiguous_format, torch.channels_last)]
    return {name: fastest([variant[name] for variant in variants]) for name in variants[0]}


def _their_others_in(format: Any) -> dict[str, Callable[[], Any]]:
    import torch

    x, g, *rest = (torch.from_numpy(a.copy()) for a in _others())
    tx, tg = x.to(memory_format=format), g.to(memory_format=format)
    tw, tb, param, grad = rest
    aten = torch.ops.aten

    def batch_norm() -> Any:
        y, mean, rstd = aten.native_batch_norm(tx, tw, tb, None, None, True, 0.1, 1e-5)
        return y, aten.native_batch_norm_backward(tg, tx, tw, None, None, mean, rstd, True, 1e-5, [True, True, True])

    def leaky_relu() -> Any:
        return aten.leaky_relu(tx, 0.2), aten.leaky_relu_backward(tg, tx, 0.2, False)

    param.requires_grad_()
    param.grad = grad
    adam = torch.optim.Adam([param])
    return {
        "batch norm forward + backward 32x128x32x32": batch_norm,
        "LeakyReLU forward + backward 32x128x32x32": leaky_relu,
        "Adam step, 1M parameters": adam.step,
    }
