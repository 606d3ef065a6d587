"""The plugin: a failed test shows the reports of its checks, once."""

import subprocess
import sys

TESTS = """
import numpy as np
from minigen.check import assert_right, check

def forgotten_square(g, x):
    return g * (1 - np.tanh(x))

def test_bare():
    assert check(np.tanh, forgotten_square, like="tanh", examples=5)

def test_verdict():
    check(np.exp, lambda g, x: g * np.exp(x), like="exp", examples=5)
    assert check(np.tanh, forgotten_square, like="tanh", examples=5).verdict == "right"

def test_asserted():
    assert_right(np.tanh, forgotten_square, like="tanh", examples=5)

def test_other():
    assert check(np.exp, lambda g, x: g * np.exp(x), like="exp", examples=5)
    assert 1 == 2
"""


def test_a_failed_test_shows_each_report_once(tmp_path):
    (tmp_path / "test_them.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "minigen.check.pytest_plugin", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, "test_them.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "4 failed" in done.stdout, done.stdout + done.stderr
    out = done.stdout.split("short test summary")[0]
    parts = {
        name: text
        for name in ("bare", "verdict", "asserted", "other")
        for text in out.split("____ test_")
        if text.startswith(name)
    }
    for name in ("bare", "verdict"):
        assert parts[name].count("minigen.check: tanh is wrong") == 1
        assert parts[name].count("WRONG        tanh: vjp for input") == 1
    assert "minigen.check: tanh" not in parts["asserted"] and "WRONG        tanh: vjp for input" in parts["asserted"]
    assert "minigen.check" not in parts["other"].replace("from minigen.check", "")
    assert "exp is" not in out
