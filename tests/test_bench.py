"""The benchmark's own arithmetic, its PyTorch models, and its judgement of foreign kernels.  (Speed itself is no test.)"""

import csv
import functools
import itertools
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import minigen as mg
from minigen import kernels
from minigen.bench import bounds, interleave, own_kernel, regret, report, sweeps
from minigen.bench import kernels as bench_kernels
from minigen.bench.kernels import KINDS, LAYERS, Layer, arrays, our_passes
from minigen.bench.networks import NETWORKS, our_networks, their_networks
from minigen.bench.report import Row
from minigen.bench.steps import STEPS, our_step, their_steps
from minigen.bench.timing import Measurement, Timings, split_rounds
from minigen.bench.worker import ALLOCATOR, Worker
from minigen.cli import main


def test_interleaved_timing_times_each_candidate_and_its_ratio(monkeypatch):
    now, called = [0.0], []

    def lasts(name, seconds):
        called.append(name)
        now[0] += seconds

    clock = SimpleNamespace(perf_counter=lambda: now[0], sleep=lambda seconds: lasts("pause", seconds))
    monkeypatch.setattr("minigen.bench.worker.time", clock)
    monkeypatch.setattr("minigen.bench.timing.time", clock)
    candidates = {"slow": lambda: lasts("slow", 4), "fast": lambda: lasts("fast", 1)}
    result = interleave(candidates, rounds=3, least=2, warmup=1)
    assert result.seconds == {"slow": [4.0] * 3, "fast": [1.0] * 3}
    assert result.median("slow") == 4 and result.ratio("fast", "slow") == (0.25, 0.25, 0.25)
    # one that fills the caches, then as many as last as long as `least` asks for
    slow, fast = ["pause", *["slow"] * 2], ["pause", *["fast"] * 3]
    turns = [*slow, *fast, *fast, *slow, *slow, *fast]
    assert called[-len(turns) :] == turns
    with pytest.raises(ValueError, match="at least 1 round, got 1 and 0"):
        interleave({"f": lambda: None}, rounds=0)


def test_nominal_operations_of_a_layer():
    layer = Layer(4, 6, (10, 8), 3, 2, 1, groups=2, batch=5)
    assert layer.output == (5, 4)
    assert math.isclose(layer.gflop, 2e-9 * 5 * 5 * 4 * 6 * 2 * 9)
    sequence = Layer(4, 6, (1, 20), 3, 2, 1, dilation=2, batch=5)
    assert sequence.weights == (6, 4, 1, 3) and sequence.output == (1, 9)
    assert math.isclose(sequence.gflop, 2e-9 * 5 * 9 * 6 * 4 * 3)
    assert sequence.parameters == ((1, 2), ((0, 0), (1, 1)), (1, 2), 1)


def test_a_layer_and_its_transposed_convolution_share_their_kernels():
    plain, transposed = LAYERS[4], LAYERS[5]
    assert not plain.transposed and transposed.transposed
    small = Layer(2, 3, (6, 6), 4, 2, 1, batch=2), Layer(2, 3, (6, 6), 4, 2, 1, batch=2, transposed=True)
    passes = [our_passes(layer, *arrays(layer)) for layer in small]
    np.testing.assert_array_equal(passes[0][KINDS[0]](), passes[1][KINDS[1]]())
    assert passes[0][KINDS[0]]().shape == (2, 3, 3, 3)


def test_tables_and_files_hold_every_row(tmp_path):
    rows = [Row("conv", "one", 1.0, 2.0, 0.5, 0.4, 0.6, gflop=0.1, megabytes=1.0), Row("process", "two", 3.0)]
    report.as_csv(tmp_path / "rows.csv", rows)
    with (tmp_path / "rows.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["work"] for row in found] == ["one", "two"] and float(found[0]["ratio"]) == 0.5
    table = report.as_table(rows)
    assert "0.50  0.40 to 0.60" in table and "two" in table
    pytest.importorskip("matplotlib")
    report.as_markdown(tmp_path / "page.md", {"processor": "one"}, rows)
    page = (tmp_path / "page.md").read_text()
    assert "- processor: one" in page and "| one | 1.00 ms | 2.00 ms | 0.50 | 0.40 to 0.60 |" in page
    report.plot_ratios(tmp_path / "ratios.png", rows)
    report.plot_roofline(tmp_path / "roof.png", rows, peak=100.0, bandwidth=10.0)
    assert (tmp_path / "ratios.png").stat().st_size > 5000


KERNELS = """
from minigen.kernels.reference import conv2d as right

def wrong(*args):
    y = right(*args)
    y[3, 2, 1, 0] += 1e-3
    return y

def double(*args):
    return right(*args).astype("float64")
"""


def test_a_kernel_of_ones_own_is_checked_before_it_is_timed(tmp_path):
    file = tmp_path / "mine_for_bench.py"
    file.write_text(KERNELS)
    with pytest.raises(ValueError, match=r"wrong in 1 of 65536 elements: at \(3, 2, 1, 0\)"):
        list(own_kernel.own_kernel_rows(f"{file}:wrong", 1))
    with pytest.raises(ValueError, match=r"returned float64\[8, 32, 16, 16\], expected float32"):
        list(own_kernel.own_kernel_rows(f"{file}:double", 1))
    with pytest.raises(ValueError, match="has no function 'fast'"):
        own_kernel.find_kernel(f"{file}:fast")
    with pytest.raises(ValueError, match="no module is called 'no_such_module'"):
        own_kernel.find_kernel("no_such_module:f")
    with pytest.raises(ValueError, match="expected module:function"):
        own_kernel.find_kernel("conv2d")


def test_unknown_work_is_named(tmp_path):
    with pytest.raises(ValueError, match="got convs and 11"):
        main(["bench", "convs", "--out", str(tmp_path), "--debug"])


@pytest.mark.torch
@pytest.mark.parametrize("network", ["conv_k4_bn", "conv_k5_dropout", "conv"])
def test_the_pytorch_model_computes_the_same(network):
    torch = pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    from minigen.bench.pytorch_models import to_pytorch
    from minigen.models import DCGAN

    mg.manual_seed(0)
    model = DCGAN(32, 3, network=network).eval()
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32)).astype(np.float32)
    z = np.random.default_rng(1).standard_normal((2, 100)).astype(np.float32)
    for ours, given in ((model.discriminator, x), (model.generator, z)):
        theirs = to_pytorch(ours).eval()(torch.from_numpy(given)).detach().numpy()
        mine = ours(mg.tensor(given)).numpy()
        assert mine.shape == theirs.shape
        if network != "conv_k5_dropout":  # its "same" padding lies one pixel elsewhere in PyTorch
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5)


@pytest.mark.torch
@pytest.mark.parametrize("name", [next(iter(STEPS)), list(STEPS)[-1]])
def test_pytorchs_steps_begin_with_losses_like_ours(name):
    pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    ours = our_step(name)()
    first = next(iter(ours))  # what comes after the first update depends on the learning rates, which differ
    for step in their_steps(name):
        numbers = step()
        assert set(numbers) == set(ours)
        np.testing.assert_allclose(float(numbers[first]), float(ours[first]), rtol=0.3)


@pytest.mark.torch
@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_single_network_learns_as_its_pytorch_equivalent(name):
    pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    ours, theirs = our_networks(name), their_networks(name)[name]
    expected = [ours() for _ in range(20)]
    assert expected[-1] < expected[0]
    first = theirs()  # after the steps that were taken to choose the faster memory format
    done = min(range(20), key=lambda i: abs(expected[i] - first))
    assert 0 < done < 18
    # Rounding grows: by another method of convolution our own losses of step 20 differ by 2e-3.  A step changes them by 6%.
    np.testing.assert_allclose([first, theirs(), theirs()], expected[done : done + 3], rtol=1e-2)


@pytest.mark.torch
def test_a_candidate_in_another_process_is_timed_there_and_its_failure_is_told():
    pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    with Worker(threads=1) as worker:
        candidates = worker.make(_sleepers, 0.01)
        assert {"slow", "broken"} == set(candidates)
        assert candidates["slow"].time(3) >= 0.03
        with pytest.raises(RuntimeError, match="ZeroDivisionError"):
            candidates["broken"].time(1)
        result = interleave({"ours": lambda: None, "theirs": candidates["slow"]}, rounds=3, least=0, warmup=1)
        assert len(result.seconds["ours"]) == 3 and min(result.seconds["theirs"]) >= 0.01


@pytest.mark.torch
def test_the_worker_keeps_freed_memory_and_this_process_keeps_its_environment(monkeypatch):
    pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "12345")  # the user's choice stays
    before = dict(os.environ)
    with Worker(threads=1) as worker:
        expected = {**ALLOCATOR, "MALLOC_MMAP_THRESHOLD_": "12345"}
        assert set(worker.make(_variables, tuple(ALLOCATOR))) == {f"{k}={v}" for k, v in expected.items()}
    assert dict(os.environ) == before


def _variables(names):
    return {f"{name}={os.environ[name]}": int for name in names}


def _sleepers(seconds):
    return {"slow": functools.partial(time.sleep, seconds), "broken": lambda: 1 / 0}


def test_the_passes_timed_beside_ours_are_the_same_passes():
    pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    from minigen.bench.kernels import their_passes

    for size, transposed in itertools.product([(9, 8), (1, 30)], (False, True)):
        layer = Layer(4, 6, size, 4, 2, 1, batch=2, transposed=transposed)
        made = arrays(layer)
        ours, theirs = our_passes(layer, *made), their_passes(layer)
        for kind in KINDS:
            np.testing.assert_allclose(ours[kind](), theirs[kind]().numpy(), rtol=0, atol=1e-4)


def test_rounds_are_split_into_sweeps_and_their_timings_added():
    for rounds in range(1, 14):
        assert sum(split_rounds(rounds)) == rounds and len(split_rounds(rounds)) == min(rounds, 5)
        assert max(split_rounds(rounds)) - min(split_rounds(rounds)) <= 1
    merged = Timings({}) + Timings({"a": [1.0], "b": [2.0]}) + Timings({"a": [3.0, 4.0], "b": [6.0, 8.0]})
    assert merged.seconds == {"a": [1.0, 3.0, 4.0], "b": [2.0, 6.0, 8.0]}
    assert merged.ratio("a", "b") == (0.5, 0.5, 0.5)


def test_each_row_holds_the_rounds_of_all_sweeps(monkeypatch, capsys):
    seconds = iter([1.0, 2.0, 4.0, 3.0, 5.0])

    def timer(rounds, worker):
        assert worker is None and kernels.get_num_threads() == 1
        yield Measurement("other", "work", Timings({"ours": [next(seconds) for _ in range(rounds)]}))

    monkeypatch.setattr(sweeps, "ProcessPoolExecutor", lambda workers, context: ThreadPoolExecutor(workers))
    monkeypatch.setitem(sweeps.WORK, "other", {"a title": timer})
    before = kernels.get_num_threads()
    try:
        found = sweeps.measure(["other"], rounds=5, threads=1, against=False)
    finally:
        kernels.set_num_threads(before)
    assert found == {"a title": [Row("other", "work", 3000.0)]}
    assert "sweep 5 of 5, a title: 1 measured" in capsys.readouterr().err


@pytest.mark.torch
def test_a_sweep_runs_in_a_process_with_a_rival_in_another(tmp_path, capsys):
    pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    assert main(["bench", "other", "--rounds", "1", "--out", str(tmp_path)]) == 0
    assert "Adam step, 1M parameters" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "bench.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 3
    for row in rows:  # how long each took is not asked: a busy machine stretches one library's call and not the other's
        assert 0 < float(row["low"]) <= float(row["high"]) < math.inf and float(row["ours"]) > 0 < float(row["theirs"])


@pytest.mark.torch
def test_the_recurrent_layers_of_both_do_the_same_work():
    """Of one name each, with gradients of the same shapes; rows come from both."""
    pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    from minigen.bench.recurrent import our_layers, their_layers

    ours, theirs = our_layers(), their_layers()
    assert list(ours) == list(theirs)
    for name in ours:
        mine, other = ([tuple(g.shape) for g in passes[name]()] for passes in (ours, theirs))
        assert mine[0] in (other[0], (other[0][1], other[0][0], other[0][2]))  # PyTorch may be faster with batch first
        assert mine[1:] == other[1:]


def test_operations_on_images_are_timed_beside_plainer_ones_forward_and_backward(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_kernels, "IMAGES", (2, 3, 6, 6))
    monkeypatch.setattr(bench_kernels, "interleave", functools.partial(interleave, least=0, warmup=1))
    rows = [Row.of(measured) for measured in bench_kernels.time_images(2, None)]
    assert [row.work for row in rows] == [
        "reflection padding beside zero padding",
        "nearest resize to twice the size beside zero padding",
        "instance norm beside batch norm",
    ]
    assert all(math.isfinite(row.ratio) and row.beside == "plain" for row in rows)
    assert "plain" in report.as_table(rows) and "PyTorch" not in report.as_table(rows)
    report.as_markdown(tmp_path / "page.md", {}, [*rows, Row("conv", "one", 1.0, 2.0, 0.5, 0.4, 0.6)])
    assert "geometric mean" not in (tmp_path / "page.md").read_text()  # these ratios are not beside PyTorch
    made = bench_kernels._image_operations()
    shapes = {name: (passes()[0].shape, [g.shape for g in passes()[1]]) for name, passes in made.items()}
    assert shapes["zero padding"] == shapes["reflection padding"] == ((2, 3, 8, 8), [(2, 3, 6, 6)])
    assert shapes["nearest resize to twice the size"] == ((2, 3, 12, 12), [(2, 3, 6, 6)])
    assert shapes["instance norm"] == shapes["batch norm"] == ((2, 3, 6, 6), [(2, 3, 6, 6), (3,), (3,)])


def test_bounds_name_the_largest_part_of_a_time():
    limits = bounds.Limits(gflops=500, near=50, far=20)
    row = bounds.Bound("conv", "direct", 0.5, 5.0, time=1.2, alone=2.4, outside=0.01, calls=2)
    assert row.least(limits) == pytest.approx((1.0, 0.1)) and row.reason(limits) == "arithmetic"
    assert replace(row, gflop=0.01, megabytes=50.0).reason(limits) == "memory"
    assert replace(row, gflop=0.01, outside=0.9).reason(limits) == "Python"
    assert replace(row, gflop=0.01, alone=1.2).reason(limits) == "one thread"
    assert replace(row, gflop=0.01).reason(limits) == "copies and layout"
    before = kernels.get_num_threads()
    (measured, *_) = bounds.measure_bounds([Layer(3, 16, (8, 8), 3, 1, 1, batch=2)], rounds=1)
    assert kernels.get_num_threads() == before and measured.calls >= 1 and 0 < measured.outside < measured.alone
    table = bounds.bounds_table([measured], limits).markdown()
    assert "3->16 @8 k3s1 x2, forward" in table and measured.method in table


def test_regret_compares_the_chosen_method_with_all_that_may_be_faster():
    layer = Layer(16, 16, (8, 8), 3, 1, 1, batch=2)
    for kind in KINDS:
        chosen, ready = regret.methods(layer, kind, "default")
        assert chosen in ready and {"pixel lanes", "channel lanes"} <= set(ready)
        results = []
        for call in ready.values():
            call()
            results.append(call.args[4].copy())
            call.args[4].fill(np.nan)
        for other in results[1:]:
            np.testing.assert_allclose(other, results[0], atol=1e-3)
    rows = [Row("regret", "a", 1, 1, 1.0), Row("regret", "b", 3, 2, 1.5), Row("regret", "c", 2, 1, 2.0)]
    assert regret.regret_summary(rows).startswith("the fastest method is chosen for 1 of 3; regret: median 1.50")
    assert len({str(layer) for layer in regret.draw_layers(30)}) > 25
    assert regret.draw_layers(5, 1) == regret.draw_layers(5, 1) != regret.draw_layers(5, 2)
    drawn = regret.draw_layers(200)
    assert {layer.kernel for layer in drawn} == set(range(1, 8)) and any(layer.size[0] == 1 for layer in drawn)
    assert {layer.stride for layer in drawn} == {1, 2} and {layer.dilation for layer in drawn} == {1, 2, 4}
