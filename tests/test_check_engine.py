"""Whole engines: what is wrong in the graph, though every operation is right."""

import numpy as np
import pytest

from minigen.check import check_engine
from minigen.check.adapters.student import Value


class Student:
    """The engine of a first course."""

    value = Value

    def leaf(self, array):
        return self.value(array)

    def add(self, a, b):
        return a + b

    def mul(self, a, b):
        return a * b

    def gradients(self, output, leaves, g):
        output.backward(g)
        return [leaf.grad for leaf in leaves]


class Overwriting(Value):
    def _add_grad(self, g):
        self.grad = np.array(g)


class Unordered(Value):
    def backward(self, g):
        seen, self.grad = [self], np.array(g)
        for v in seen:  # breadth first: a node may be visited before all of its users
            v.push()
            seen += [p for p in v.parents if p not in seen]


class Shared(Value):
    """Adds up in place: in memory that other nodes hold too."""

    def _add_grad(self, g):
        if not np.any(self.grad):
            self.grad = g
        else:
            self.grad += g


def engine(kind):
    class Adapter(Student):
        def leaf(self, array):
            return kind(array)

        def add(self, a, b):
            out = a + b
            out.__class__ = kind
            return out

        def mul(self, a, b):
            out = a * b
            out.__class__ = kind
            return out

    return Adapter()


class Leftover(Student):
    """The leaves are remembered by their place, with what they had before."""

    def __init__(self):
        self.before = {}

    def gradients(self, output, leaves, g):
        found = super().gradients(output, leaves, g)
        for i, d in enumerate(found):
            key = (i, len(leaves))
            self.before[key] = self.before.get(key, 0) + d
        return [self.before[i, len(leaves)] for i in range(len(leaves))]


WRONG = {
    "= for +=": (engine(Overwriting), "one input twice"),
    "the order": (engine(Unordered), "a long and a short path"),
    "shared memory": (engine(Shared), ""),
    "left over": (Leftover(), "a second graph"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_in_the_graph_is_named(name):
    adapter, message = WRONG[name]
    report = check_engine(adapter)
    assert report.verdict == "wrong" and message in str(report), report


def test_the_student_engine_fails_only_where_it_recurses():
    findings = check_engine(Student()).findings
    assert {f.argument for f in findings if f.verdict == "wrong"} == {"3000 nodes in a row"}
    assert "RecursionError" in findings[0].reason


def test_an_engine_without_a_mistake_is_right():
    from minigen.check.check_engine import _Ours

    report = check_engine(_Ours())
    assert report and len(report.findings) == 9
