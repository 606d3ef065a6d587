"""Lesson 5 where nothing can be emulated: the exercise that counts, and what the others say."""

import numpy as np
import pytest

from minigen.course import gpu_kernels as fifth
from minigen.kernels import emulator

LANES = 32


def _cost(sector=8, span=False, doubles=False, used=False, together=False):
    def cost(words):
        distinct = np.unique(words)
        sectors = len(np.unique(words // sector))
        if span:
            sectors = -(-int(np.ptp(words) + 1) // 8)
        if together:
            sectors = -(-len(distinct) // 8)
        per_bank = np.bincount((words if doubles else distinct) % LANES)
        return sectors, np.count_nonzero(per_bank) if used else per_bank.max()

    return cost


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_cost(sector=32), "A sector has 32 bytes"),
        (_cost(span=True), "no lane asks for"),
        (_cost(together=True), "Where do they lie?"),
        (lambda words: (32, 1), "is moved once"),
        (_cost(doubles=True), "share it"),
        (_cost(used=True), "the busiest"),
        (lambda words: (len(np.unique(words // 8)), len(np.unique(words))), "in the same pass"),
        (lambda words: 4, "gave 1 result; expected 2"),
    ],
)
def test_a_wrong_cost_is_explained(answer, reason):
    verdict = fifth.cost(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_a_right_cost_passes():
    assert fifth.cost(_cost()).right


@pytest.mark.parametrize("check", [fifth.add_bias, fifth.transpose, fifth.product_transposed])
def test_elsewhere_it_is_said_why_a_kernel_cannot_be_checked(check, monkeypatch):
    monkeypatch.setattr(emulator, "why_not", lambda: "the CUDA emulator runs elsewhere only")
    verdict = check(lambda *arguments: max(arguments))
    assert verdict.state == "not answered yet" and "runs elsewhere only" in verdict.reason
