"""A plugin for pytest: a failed test shows the whole report of each check in it that did not say *right*.

``pytest -p minigen.check.pytest_plugin``, or in ``conftest.py``::

    pytest_plugins = ["minigen.check.pytest_plugin"]

Then ``assert check(fn, vjp, like="tanh")`` and ``assert report.verdict == "right"`` show what `assert_right` shows.
"""

from collections.abc import Generator
from typing import Any

import pytest

from .report import Report, recorded

__all__: list[str] = []

_KEY = pytest.StashKey[list[Report]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Note the reports that are made while the test runs."""
    with recorded() as made:
        item.stash[_KEY] = made
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add them to the report of a test that failed, but those that its message contains already."""
    outcome = yield
    if outcome.when == "call" and outcome.failed:
        for report in item.stash.get(_KEY, []):
            if not report and str(report).splitlines()[0] not in outcome.longreprtext:
                outcome.sections.append((f"minigen.check: {report.op} is {report.verdict}", str(report)))
    return outcome
