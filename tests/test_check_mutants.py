"""The mutation score in its short form, and minigen's own vjps spoiled one by one."""

import contextlib
import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

import minigen as mg
from minigen import kernels
from minigen.check import gradcheck
from minigen.check.mutants import MUTANTS, score
from minigen.check.mutants.optimizer_rules import RULES
from minigen.check.op_registry import OP_REGISTRY
from minigen.check.strategies import STRATEGIES
from minigen.engine import primitives


def test_there_are_enough_mutants_of_every_kind():
    assert len(MUTANTS) + len(RULES) >= 120
    assert sum(m.small for m in MUTANTS.values()) + sum(r.small for r in RULES.values()) >= 40
    assert {m.family for m in MUTANTS.values()} == {"formula", "generic", "second"}
    assert all(m.op in OP_REGISTRY for m in MUTANTS.values())


EVERY = sorted([*MUTANTS, *RULES])


def test_every_fourth_mutant_is_caught():
    result = score(seeds=1, names=EVERY[::4], rights=False)
    assert result.missed == [] and len(result.tallies[0].caught) == len(EVERY[::4])
    assert "| **all of these** | 48 of 48 |" in str(result)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_mutant_is_caught(part):
    assert score(seeds=2, names=EVERY[part::4], rights=False).missed == []


@pytest.mark.slow
def test_right_gradients_are_called_right():
    (tally,) = score(seeds=4, names=[]).tallies
    assert tally.rate("wrong") <= 0.001 and tally.rate("inconclusive") <= 0.02, tally


# ---- minigen itself, spoiled

ALTERATIONS = {
    "deleted": lambda d: d * 0.0,
    "sign": lambda d: -d,
    "scale": lambda d: d * (1 + 1e-3),
    "one element": lambda d: d * mg.tensor((np.arange(d.numel()) != d.numel() // 2).astype(float).reshape(d.shape)),
}
PIECEWISE_CONSTANT = {
    ("leaky_relu_grad", "input"): "it only picks the branch: nothing changes between two kinks",
}
"""Arguments whose vjp is None by convention: the derivative is zero wherever it exists."""


def size(case):
    return sum(x.size for x in case.inputs)


@functools.cache
def points(name, count=12):
    """A few cases from the primitive's strategy that have something to differentiate."""
    found = []

    @settings(max_examples=2 * count, database=None, derandomize=True, phases=[Phase.generate], deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(STRATEGIES[name])
    def collect(case):
        if all(x.size for x in case.inputs):
            found.append(case)

    collect()
    return sorted(found, key=lambda case: (size(case) < 4, size(case)))[:count]  # small ones first, tiny ones last


@contextlib.contextmanager
def spoiled(primitive, argument, alter):
    """The primitive with one argument's vjp altered."""
    rules, joint, uses = dict(primitive.rules), primitive.rule_for_all, primitive.rule_for_uses

    def altered(*args, **params):
        return alter(rules[argument](*args, **params))

    def altered_joint(*args, **params):
        position = primitive.arguments.index(argument)
        needed = args[0]
        return tuple(alter(d) if i == position and i in needed else d for i, d in enumerate(joint(*args, **params)))

    if uses:  # the engine takes this rule, also for a single use
        primitive.rule_for_uses = lambda *args: alter(uses(*args))
    elif joint:
        primitive.rule_for_all = altered_joint
    else:
        primitive.rules[argument] = altered if rules[argument] is not None else alter
    try:
        yield
    finally:
        primitive.rules, primitive.rule_for_all, primitive.rule_for_uses = rules, joint, uses


def is_called_wrong(name):
    """Whether the primitive's own check, on a few of its own examples, turns red."""
    with kernels.use("reference"):
        for seed, case in enumerate(points(name)):
            call = functools.partial(primitives[name], **case.params)
            if gradcheck(call, case.inputs, name=name, seed=seed, repeats=1).verdict == "wrong":
                return True
    return False


VJPS = [
    (name, argument)
    for name, p in sorted(primitives.items())
    if p.__module__.startswith("minigen.")
    for argument in (p.arguments if p.rule_for_all else p.rules)
]


def test_only_the_vjps_in_the_table_are_none():
    missing = {(name, a) for name, a in VJPS if not primitives[name].rule_for_all and primitives[name].rules[a] is None}
    assert missing == set(PIECEWISE_CONSTANT)


@pytest.mark.parametrize("alteration", ALTERATIONS)
@pytest.mark.parametrize(("name", "argument"), [vjp for vjp in VJPS if vjp not in PIECEWISE_CONSTANT])
def test_altering_any_vjp_of_minigen_turns_that_operations_own_check_red(name, argument, alteration):
    with spoiled(primitives[name], argument, ALTERATIONS[alteration]):
        assert is_called_wrong(name)


@pytest.mark.parametrize(("name", "argument"), sorted(PIECEWISE_CONSTANT))
def test_a_piecewise_constant_argument_is_given_no_other_gradient(name, argument):
    with spoiled(primitives[name], argument, lambda g, out, *inputs, **params: g * 1e-3):
        assert is_called_wrong(name)


def test_a_derivative_called_zero_that_is_not_is_seen():
    mul = primitives["mul"]
    kept = dict(mul.rules)
    mul.rules["other"] = None
    try:
        assert gradcheck(lambda a, b: mul(a, b), [np.array([2.0]), np.array([3.0])]).verdict == "wrong"
    finally:
        mul.rules = kept


# ---- generated mutants


def test_the_generated_list_is_long_mixed_and_fixed():
    from minigen.check.mutants.generator import generate

    found = generate()
    names = [m.name for m in found]
    assert len(names) >= 1000 and len(set(names)) == len(names)
    assert 0.3 < sum(m.held_back for m in found) / len(found) < 0.37
    assert sum(m.kind == "factor" for m in found) <= 0.1 * len(found)
    kinds = [m.kind for m in found]
    assert min(kinds.count(kind) for kind in set(kinds)) >= 0.05 * len(found)
    assert [m.name for m in generate(["relu"])] == [n for n in names if n.startswith("relu/")]


def test_generated_mutants_are_caught_by_the_public_check():
    from minigen.check.mutants.generator import score_generated

    result = score_generated(seeds=1, sample=1, ops=["leaky_relu", "softmax"])
    assert len(result.rows) >= 8
    assert [n for n, (_, caught, reached) in result.rows.items() if caught < reached] == []
    assert "| **all** |" in str(result)


def test_a_mutant_that_counts_its_calls_begins_anew_with_each_function():
    from minigen.check.mutants.generator import _pair, generate

    (mutant,) = [m for m in generate(["tanh"]) if m.name == "tanh/0/shifted/the first call"]
    x = np.array([0.1, 0.5, 2.0])
    for _ in range(2):
        _, vjp, _ = _pair(mutant)
        first, second = (vjp(np.ones(3), x)[0] for _ in range(2))
        assert np.array_equal(np.roll(second, 1), first) and not np.array_equal(first, second)
