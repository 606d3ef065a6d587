"""What `minigen check --gpu` checks, as tests: on a GPU only, and skipped elsewhere with the reason."""

import pytest

from minigen.check.gpu import gradients, parity, speed, training, why_not
from minigen.kernels.static_report import LAYERS

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(bool(why_not()), reason=f"no GPU to test on: {why_not()}")]
CHECKS = [*parity.checks((), 3, LAYERS), *gradients.checks(2), *training.checks(training.Game(steps=5))]


@pytest.mark.parametrize("check", [check for _, check in CHECKS], ids=[name for name, _ in CHECKS])
def test_on_the_gpu(check):
    outcome = check()
    assert outcome.status == "pass", outcome.detail


def test_no_convolution_is_faster_than_the_gpus_peaks():
    """Else something was not done, or not waited for."""
    numbers = speed.time_convolution("conv2d", LAYERS[1]).numbers
    assert numbers["ms"] > 0.9 * numbers["ms at the GPU's peaks"]
