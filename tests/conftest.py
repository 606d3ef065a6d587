"""Hypothesis profiles.  All are derandomized: a failure comes back when the test runs again.

``dev`` (the default) takes seconds, ``ci`` minutes, ``nightly`` as long as it likes; choose one with
``pytest --hypothesis-profile=ci``.
"""

import os
import shutil
import signal

import pytest
from hypothesis import HealthCheck, settings

from minigen import kernels
from minigen.cli import main

_COMMON = {
    "derandomize": True,
    "deadline": None,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
}
settings.register_profile("dev", max_examples=8, **_COMMON)
settings.register_profile("ci", max_examples=40, **_COMMON)
settings.register_profile("nightly", max_examples=500, **_COMMON)
settings.load_profile("dev")

if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup the tests of a closed terminal would see none


def pytest_collection_modifyitems(items):
    """Mark what opens a browser."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")


@pytest.fixture
def reference_kernels():
    """Compute with the plain NumPy kernels: gradients are checked in float64, and nothing needs to be compiled."""
    with kernels.use("reference"):
        yield


@pytest.fixture(scope="module")
def plain_kernels():
    """The same for all tests of a file whose subject is something else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


@pytest.fixture(scope="module")
def trained(plain_kernels, request, tmp_path_factory):
    """A tiny run of each of the file's ``RUNS``, a dict from model to options, for tests to copy."""
    folder = tmp_path_factory.mktemp("trained")
    tiny = ["--data", "digits", "--epochs", "1", "--batch-size", "256", "--width", "2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("minigen.plot.training_curves", lambda *_: None)  # takes longer than the training
        for name, options in request.module.RUNS.items():
            assert main(["train", name, *tiny, *options, "--run", name]) == 0
    return folder


@pytest.fixture
def terminal():
    """Ctrl-C as in a terminal: a process started in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, by playwright."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the extra browser brings it")
    flags = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with api.sync_playwright() as playwright:
        known = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "chrome"))
        for path in (*filter(None, known), None):  # None: the one that playwright installed
            try:
                found = playwright.chromium.launch(executable_path=path, args=flags)
                break
            except api.Error:
                continue
        else:
            pytest.skip("no Chromium: install one, or run playwright install chromium")
        yield found
        found.close()
