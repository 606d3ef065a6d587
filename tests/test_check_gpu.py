"""The command `minigen check --gpu`, where there is none: on the double of CuPy with emulated kernels, right and wrong."""

import json
from types import SimpleNamespace

import cupy_double as double
import numpy as np
import pytest

import minigen as mg
from minigen import kernels
from minigen.check import gpu as gpu_report
from minigen.check.gpu import accept, gradients, machine, parity, report, speed, training
from minigen.check.gpu.result import Row
from minigen.check.kernel_cases import CALLS
from minigen.cli import main
from minigen.kernels import emulator, reference
from minigen.kernels.shapes import CONVOLUTIONS, Convolution
from minigen.train import graph

xp = double.xp
needs_cupy = pytest.mark.skipif(double.real is None, reason="the real CuPy, which knows the names, is not installed")

TINY = Convolution(2, 3, 4, (6, 6), (4, 4), (2, 2), ((1, 1), (1, 1)))
GAME = training.Game(steps=3, images=16, size=16, width=8)


@pytest.fixture
def gpu(monkeypatch):
    """The double says that it is a GPU."""
    known = {
        "getDevice": lambda: 0,
        "getDeviceProperties": lambda device: {"name": b"Paper GPU", "major": 8, "minor": 0},
        "driverGetVersion": lambda: 12080,
        "runtimeGetVersion": lambda: 13000,
        "deviceSynchronize": lambda: None,
    }
    for name, function in known.items():
        monkeypatch.setattr(xp.cuda.runtime, name, function, raising=False)
    built = {"MultiProcessorCount": 108, "ClockRate": 1410000, "MemoryClockRate": 1215000, "GlobalMemoryBusWidth": 5120}
    monkeypatch.setattr(xp.cuda, "Device", lambda device: SimpleNamespace(attributes=built), raising=False)
    for module in (machine, speed):  # what PyTorch imports takes the double for CuPy
        monkeypatch.setattr(module, "usable_torch", lambda: False)
    with double.as_cupy():
        yield known


@pytest.fixture
def emulated(gpu):
    """CUDA kernels run on the double's arrays."""
    if reason := emulator.why_not():
        pytest.skip(reason)
    from minigen.kernels.emulator import emulated

    with emulated(arrays=xp):
        yield


def wrong(kernel):
    """A kernel of the GPU that is off by a thousandth in its last element; what the CPU does stays right."""

    def off(*args):
        out = kernel(*args)
        if isinstance(args[0], xp.ndarray):
            out.reshape(-1)[-1:] *= 1.001
        return out

    return off


# ---- the kernels


@pytest.mark.emulator
@pytest.mark.parametrize("name", sorted(CALLS))
def test_every_emulated_kernel_passes(emulated, name):
    """The CUDA kernels, and what serves arrays of the GPU where there is none: CuPy's product of matrices."""
    shapes = [Convolution(2, 3, 5, (7, 6), (3, 2), (2, 1), ((1, 0), (0, 1)), (1, 2), groups=2)]
    outcome = parity.check_kernel(name, np.float32, shapes)
    assert outcome.status == "pass", outcome.detail
    assert (kernels.find(name, xp.zeros(1)).__module__ == "minigen.kernels.reference.matmul") == (name == "matmul")


@pytest.mark.emulator
def test_the_report_names_a_wrong_kernel_and_goes_on(emulated, tmp_path, capsys):
    from minigen.kernels import cuda

    def broken(*args):
        raise IndexError("planted")

    out = tmp_path / "gpu.md"
    names = ("adam_step", "add_bias", "leaky_relu", "leaky_relu_grad")
    command = ["check", "--gpu", *names, "--examples", "2", "--output", str(out)]
    with kernels.register("leaky_relu_grad", wrong(cuda.leaky_relu_grad)), kernels.register("adam_step", broken):
        assert main(command) == 1
    rows = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))["rows"]
    found = {(row["name"].split(",")[0], row["status"]) for row in rows}
    right = {("add_bias", "pass"), ("leaky_relu", "pass")}
    assert found == {("adam_step", "error"), ("leaky_relu_grad", "fail")} | right
    text = out.read_text(encoding="utf-8")
    assert "**4 of 8 checks failed.**" in text and "IndexError: planted (test_check_gpu.py" in text
    assert "result 0 is wrong in 1 of" in text and "Convolution(images=" in text
    assert "Paper GPU" in text and "| driver's CUDA | 12.8 |" in text
    assert "4 of 8 checks passed; wrote" in capsys.readouterr().out
    assert main(["check", "--gpu", "leaky_relu", "--examples", "1", "--output", str(out)]) == 0
    assert "All 2 checks passed." in out.read_text(encoding="utf-8")


def test_a_kernel_that_gives_other_bits_again_fails(gpu):
    """Zeros of another sign: equal, but not the same."""
    count = iter(range(99))

    def drifts(x, slope):
        y = xp.where(x > 0, x, slope * x)
        return xp.where(y == 0, xp.asarray([0.0, -0.0][next(count) % 2]), y)

    with kernels.register("leaky_relu", drifts):
        outcome = parity.check_kernel("leaky_relu", np.float64, [TINY])
    assert outcome.status == "fail" and outcome.detail.startswith("two runs give different bits")


def test_an_array_of_the_cpu_is_no_result(gpu):
    with kernels.register("matmul", lambda a, b: (a @ b).get()), pytest.raises(TypeError, match="array of the CPU"):
        parity.check_kernel("matmul", np.float32, [TINY])


# ---- gradients and training, on the double with reference kernels: quick, and as strict


@pytest.fixture
def hosted(gpu, monkeypatch):
    monkeypatch.setattr(gpu_report, "load", lambda name: None)  # nobody asks for the CUDA kernels
    with double.host_kernels():
        yield


@pytest.mark.parametrize("op", gradients.OPS)
def test_gradients_on_the_double_are_right(hosted, op):
    assert gradients.check_gradients(op, 1).status == "pass"


def test_a_wrong_gradient_on_the_double_is_found(hosted):
    with kernels.register("conv2d_weight_grad", wrong(kernels.find("conv2d_weight_grad"))):
        outcome = gradients.check_gradients("conv2d", 4)
    assert outcome.status == "fail" and "vjp for weight" in outcome.detail


def test_a_training_on_the_double_is_the_cpus(hosted):
    outcome = training.check_training(GAME)
    assert outcome.status == "pass", outcome.detail
    assert np.shape(outcome.numbers["losses"]) == (GAME.steps, 2)


@pytest.mark.parametrize("name", ["conv2d_input_grad", "batch_norm_grad"])
def test_a_kernel_that_forgets_a_border_is_found_in_training(hosted, name):
    kernel = kernels.find(name)

    def off(first, *args):
        out = kernel(first, *args)
        if isinstance(first, xp.ndarray):
            (out[0] if isinstance(out, tuple) else out)[..., -1] = 0
        return out

    with kernels.register(name, off):
        outcome = training.check_training(GAME)
    assert outcome.status == "fail" and "on the CPU" in outcome.detail


def test_a_training_that_depends_on_its_past_is_found(hosted):
    kernel, count = kernels.find("conv2d"), iter(range(10**6))

    def drifts(x, *args):
        y = kernel(x, *args)
        return y * xp.asarray(np.float32(1 + next(count) * 1e-8)) if isinstance(x, xp.ndarray) else y

    with kernels.register("conv2d", drifts):
        outcome = training.check_training(GAME)
    assert outcome.status == "fail" and "two runs from the same seed" in outcome.detail


@pytest.fixture
def captured(gpu, monkeypatch):
    """CUDA kernels run on the double's arrays, and its streams capture them."""
    if reason := emulator.why_not():
        pytest.skip(reason)
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(speed, "LEAST", 0)
    with double.emulated_kernels():
        yield


SMALL = training.Game(steps=3, images=4, size=8, width=1)


@pytest.mark.emulator
@pytest.mark.parametrize("name", training.GRAPHED)
def test_steps_by_a_graph_are_those_one_by_one(captured, name):
    outcome = training.check_graph(name, SMALL)
    assert outcome.status == "pass", outcome.detail
    assert outcome.numbers["ms"] > 0 and outcome.numbers["ms one by one"] > 0


@pytest.mark.emulator
@pytest.mark.parametrize("what", ["losses", "weights"])
def test_a_graph_with_other_numbers_is_found(captured, what, monkeypatch):
    replay, found = graph._Graph.replay, []

    def wrong_replay(self):
        found.append(replay(self))
        if what == "weights":
            self._graph.launch()
        return found[0]

    steps = {"losses": 5, "weights": 4}[what]
    monkeypatch.setattr(graph._Graph, "replay", wrong_replay)
    monkeypatch.setattr(training, "GRAPH_STEPS", steps)
    outcome = training.check_graph("VAE with dropout", SMALL)
    expected = {"losses": "at step 5 loss is ", "weights": "after 4 steps encoder"}[what]
    assert outcome.status == "fail" and outcome.detail.startswith(expected), outcome.detail


@pytest.mark.emulator
def test_the_race_on_a_gpu_times_steps_one_by_one_and_by_a_graph(captured, tmp_path, monkeypatch, capsys):
    tiny = {"tiny VAE": (lambda: mg.models.VAE(8, 1, network="mlp", width=4, latent=2, ema=0.0), (4, 1, 8, 8))}
    for module in ("steps", "gpu"):
        monkeypatch.setattr(f"minigen.bench.{module}.STEPS", tiny)
    monkeypatch.setattr("minigen.bench.gpu.convolutions", lambda layers: [])
    monkeypatch.setattr("minigen.bench.gpu.usable_torch", lambda: False)
    out = tmp_path / "race"
    assert main(["bench", "--device", "cuda", "--out", str(out)]) == 0
    assert f"1 of 1 measured; wrote {out / 'gpu.md'}" in capsys.readouterr().out
    (row,) = json.loads((out / "gpu.json").read_text(encoding="utf-8"))["rows"]
    assert row["name"] == "tiny VAE" and all(
        row["numbers"][name] > 0 for name in ("ms", "ms of the CPU", "ms by a graph")
    )


def test_a_race_without_a_gpu_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu_report, "why_no_gpu", lambda: "there is none")
    command = ["bench", "--device", "cuda", "--out", str(tmp_path / "race")]
    assert main(command) == 2
    assert capsys.readouterr().err == "minigen: --device cuda: there is none\n"
    assert main([*command, "conv"]) == 2
    assert "leave out conv" in capsys.readouterr().err and not (tmp_path / "race").exists()


# ---- speed


@pytest.mark.emulator
def test_a_launch_is_timed_and_one_left_to_numba_is_found(emulated, monkeypatch):
    from minigen.kernels.cuda import launch

    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(speed, "LEAST", 0.001)
    outcome = speed.time_launch()
    assert outcome.status == "pass" and outcome.numbers["ms"] >= outcome.numbers["ms of the CPU"] > 0
    monkeypatch.setattr(launch.current_device(), "left_to_numba", {"leaky_relu", "correlate"}, raising=False)
    outcome = speed.time_launch()
    assert outcome.status == "fail" and outcome.detail.startswith("Numba launches correlate, leaky_relu: ")


@pytest.mark.emulator
def test_convolutions_are_timed_beside_their_prediction(emulated, monkeypatch):
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(speed, "LEAST", 0.001)
    outcome = speed.time_convolution("conv2d_input_grad", TINY)
    numbers = outcome.numbers
    assert outcome.status == "pass" and numbers["ms"] > numbers["ms at the GPU's peaks"] > 0
    assert (numbers["ms predicted"] is None) == bool(speed.static_report.why_not())
    text = report.markdown({}, [Row("speed", "a layer", *outcome)])
    assert text.count("|\n| a layer |") == 1 and "checks passed" in text


@pytest.mark.torch
@pytest.mark.parametrize("op", CONVOLUTIONS)
def test_pytorchs_convolutions_are_the_same(op):
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x, w, g = (rng.standard_normal(shape) for shape in (TINY.x, TINY.w, TINY.y))
    ours = getattr(reference, op)(*TINY.arguments(op, x, w, g))
    np.testing.assert_allclose(speed.theirs(op, TINY, x, w, g)().numpy(), ours, rtol=1e-12)


# ---- the command


def test_the_whole_report_has_every_section(hosted, tmp_path, monkeypatch):
    done = {"kernels": parity, "gradients": gradients, "training": training, "speed": speed}
    for section, module in done.items():
        passes = lambda *args, name=section: [(f"some {name}", lambda: gpu_report.Outcome("pass", "fine | so"))]  # noqa: E731
        monkeypatch.setattr(module, "checks", passes)
    rows = accept(tmp_path / "gpu.md")
    assert [row.section for row in rows] == list(done)
    text = (tmp_path / "gpu.md").read_text(encoding="utf-8")
    assert all(f"## {section.capitalize()}" in text for section in done) and "fine \\| so" in text
    assert set(machine.facts()) <= set(json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))["facts"])


def test_without_a_gpu_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(gpu_report, "why_no_gpu", lambda: "there is none")
    assert main(["check", "--gpu"]) == 2
    assert capsys.readouterr().err == "minigen: --gpu: there is none\n"


def test_an_unknown_kernel_is_named(hosted, tmp_path):
    with pytest.raises(ValueError, match="unknown kernels conv4d; expected some of adam_step, "):
        accept(tmp_path / "gpu.md", ops=["conv4d"])


@pytest.mark.cupy
@needs_cupy
def test_what_the_double_was_told_is_in_cupy(gpu):
    for name in gpu:
        assert callable(getattr(double.real.cuda.runtime, name))
    assert hasattr(double.real.cuda.Device, "attributes")
