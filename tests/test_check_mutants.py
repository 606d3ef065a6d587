"""The mutation score in its short form, and minigen's own vjps spoiled one by one."""

import contextlib

import numpy as np
import pytest

from minigen import kernels
from minigen.check import gradcheck
from minigen.check.catalogue import CATALOGUE
from minigen.check.mutants import MUTANTS, score
from minigen.check.mutants.optimizer_rules import RULES
from minigen.check.strategies import STRATEGIES
from minigen.engine import primitives


def test_there_are_enough_mutants_of_every_kind():
    assert len(MUTANTS) + len(RULES) >= 120
    assert sum(m.small for m in MUTANTS.values()) + sum(r.small for r in RULES.values()) >= 40
    assert {m.family for m in MUTANTS.values()} == {"formula", "generic", "second"}
    assert all(m.op in CATALOGUE for m in MUTANTS.values())


EVERY = sorted([*MUTANTS, *RULES])


def test_every_fourth_mutant_is_caught():
    result = score(seeds=1, names=EVERY[::4], rights=False)
    assert result.missed == [] and len(result.caught) == len(EVERY[::4])


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_mutant_is_caught(part):
    assert score(seeds=2, names=EVERY[part::4], rights=False).missed == []


@pytest.mark.slow
def test_right_gradients_are_called_right():
    result = score(seeds=4, names=[])
    assert result.rate("wrong") <= 0.001 and result.rate("inconclusive") <= 0.02, result


def _points(name, count):
    """A few cases from the primitive's strategy."""
    from hypothesis import HealthCheck, Phase, given, settings

    found = []

    @settings(max_examples=count, database=None, derandomize=True, phases=[Phase.generate], deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(STRATEGIES[name])
    def collect(case):
        found.append(case)

    collect()
    return found


@contextlib.contextmanager
def spoiled(primitive, argument):
    """The primitive with a factor of 1 + 1e-5 in one argument's vjp."""
    old_rules, old_joint = dict(primitive.rules), primitive.joint

    def scaled(rule):
        return lambda *args, **params: rule(*args, **params) * (1 + 1e-5)

    if primitive.joint:
        position = primitive.arguments.index(argument)

        def joint(*args, **params):
            out = list(old_joint(*args, **params))
            out[position] = out[position] * (1 + 1e-5)
            return tuple(out)

        primitive.joint = joint
    else:
        primitive.rules[argument] = scaled(old_rules[argument])
    try:
        yield
    finally:
        primitive.rules, primitive.joint = old_rules, old_joint


def _spoilable():
    for name, p in sorted(primitives.items()):
        if p.__module__.startswith("minigen."):
            arguments = p.arguments if p.joint else [a for a, rule in p.rules.items() if rule is not None]
            yield from ((name, a) for a in arguments)


@pytest.mark.parametrize(("name", "argument"), list(_spoilable()))
def test_altering_any_vjp_of_minigen_turns_that_operations_own_check_red(name, argument):
    primitive = primitives[name]
    with spoiled(primitive, argument), kernels.use("reference"):
        verdicts = set()
        for seed, case in enumerate(_points(name, 12)):
            if sum(x.size for x in case.inputs) == 0:
                continue
            report = gradcheck(
                lambda *inputs, case=case: primitive(*inputs, **case.params), case.inputs, seed=seed, repeats=1
            )
            verdicts.add(report.verdict)
            if "wrong" in verdicts:
                break
    assert "wrong" in verdicts


def test_a_derivative_called_zero_that_is_not_is_seen():
    mul = primitives["mul"]
    kept = dict(mul.rules)
    mul.rules["other"] = None
    try:
        assert gradcheck(lambda a, b: mul(a, b), [np.array([2.0]), np.array([3.0])]).verdict == "wrong"
    finally:
        mul.rules = kept
