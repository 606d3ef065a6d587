"""Gradients computed on the GPU, and gradients of gradients, against differences of values computed there."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from ..adapters.minigen import table_on
from ..check_function import summary
from ..op_registry import OP_REGISTRY, RandomSource
from ..report import Finding, Report
from ..run_point import run_point
from .result import Check, Outcome

__all__ = ["OPS", "check_gradients", "checks"]

OPS = ("linear", "conv2d", "conv_transpose2d", "batch_norm", "leaky_relu", "max_pool2d", "softplus")
"""Operations of `minigen.check.op_registry` that training comes down to; the kernels serve the first six."""


def checks(examples: int) -> Iterator[Check]:
    """Each of `OPS` at a number of points."""
    for op in OPS:
        yield f"{op}, {examples} points", partial(check_gradients, op, examples)


def check_gradients(op: str, examples: int) -> Outcome:
    """The first and the second gradient of an operation on the GPU, as `minigen.check.check` judges them."""
    fn, vjp, double = table_on("cuda")[op]
    source = RandomSource(np.random.default_rng(0), layouts=False)
    found: list[Finding] = []
    for number in range(examples):
        found += run_point(fn, vjp, OP_REGISTRY[op], OP_REGISTRY[op].make(source), double, seed=number)
    report = Report(op, [f for f in found if f.verdict == "wrong"] or summary(op, found))
    if report:
        return Outcome("pass", f"smallest visible relative error {report.resolution or 0:.1g}")
    return Outcome("fail", " ".join(str(report).split()))
