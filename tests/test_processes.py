"""Work in several processes: the results are those of one, in order, and a process that dies is told of."""

import os

import pytest

from minigen import kernels
from minigen.cli.processes import WORTH_A_PROCESS, map_in_processes

# The function is the builtin `eval`: a new process finds it without the folder of the tests.
MANY = 2 * WORTH_A_PROCESS


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setattr(kernels, "get_num_threads", lambda: 2)


def test_many_tasks_are_done_by_other_processes_of_one_thread_in_order():
    place = "__import__('os').getpid(), __import__('minigen').kernels.get_num_threads()"
    found = map_in_processes(eval, [f"({n}, {place})" for n in range(MANY)])
    assert [n for n, *_ in found] == list(range(MANY))
    assert os.getpid() not in {process for _, process, _ in found}
    assert {threads for *_, threads in found} == {1}


def test_few_tasks_are_done_here():
    assert set(map_in_processes(eval, ["__import__('os').getpid()"] * (MANY - 1))) == {os.getpid()}


def test_an_error_of_a_task_is_an_error_of_the_whole():
    with pytest.raises(ZeroDivisionError):
        map_in_processes(eval, ["1 / 0"] * MANY)


def test_a_process_that_dies_is_an_error():
    with pytest.raises(RuntimeError, match="has died"):
        map_in_processes(eval, ["__import__('os')._exit(3)"] * MANY)
