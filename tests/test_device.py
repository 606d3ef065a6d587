"""Device "cuda", as far as a computer without a GPU can tell: on the stand-in for CuPy everything computes what it
computes on the CPU, in its dtype, and a training step never waits for the GPU.

The stand-in's kernels are the reference kernels, if not emulated ones: NumPy on both sides, in the same order.
"""

import builtins
import contextlib
import copy
import itertools
import json
import signal
import sys
import types

import cupy_double as double
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_nn_gradients import CASES, joined, made

import minigen as mg
from minigen import backend, kernels
from minigen.check.op_registry import OP_REGISTRY, RandomSource
from minigen.check.strategies import STRATEGIES
from minigen.cli import main
from minigen.data import Dataset, Loader
from minigen.engine import primitives
from minigen.kernels import emulator
from minigen.metrics import elbo, log_likelihood
from minigen.models import ImageModel, build, families
from minigen.nn import Module
from minigen.train import Run, RunError, fit, load_trained
from minigen.train.metric_buffer import READ_EVERY, MetricBuffer

pytestmark = pytest.mark.cupy
DEVICES = ("cpu", "cuda")
on_both = pytest.mark.parametrize("device", DEVICES)


@pytest.fixture(autouse=True)
def stand_in():
    """CuPy is the double; kernels, of both devices, are NumPy's."""
    with double.as_cupy(), kernels.use("reference"), double.host_kernels():
        yield


@pytest.fixture
def place(request, monkeypatch):
    """The double, or a real GPU with the CUDA kernels."""
    if request.param == "gpu":
        monkeypatch.setattr(kernels, "_registered", {})  # no `host_kernels`
        monkeypatch.setitem(sys.modules, "cupy", double.real)
        if reason := backend.why_no_gpu():
            pytest.skip(reason)


def on_a_gpu_too(test):
    places = ["double", pytest.param("gpu", marks=pytest.mark.gpu)]
    return pytest.mark.usefixtures("place")(pytest.mark.parametrize("place", places, indirect=True)(test))


def host(value):
    """What a Tensor or array of either device holds."""
    value = value.data if isinstance(value, mg.Tensor) else value
    return value._host if isinstance(value, double.ndarray) else np.asarray(backend.to_device(value, "cpu"))


def assert_equal(got, want, name=""):
    got, want = host(got), host(want)
    assert (got.dtype, got.shape) == (want.dtype, want.shape), name
    tolerance = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-12}.get(got.dtype, 0)
    if sys.modules["cupy"] is not double.xp:  # other kernels, sums in another order
        tolerance *= 100 * np.max(np.abs(want), initial=1)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=name)


def moved(value, device):
    """Arrays inside `value` on the device; the rest as it is."""
    if isinstance(value, np.ndarray):
        return backend.to_device(value, device)
    if isinstance(value, tuple | list):
        return type(value)(moved(part, device) for part in value)
    return value


def with_gradients(function, inputs, params, device, waits=False):
    """The value of a function and its gradients under a random cotangent, with every wait for the GPU an error."""
    tensors = [mg.tensor(a, device=device, requires_grad=a.dtype.kind == "f") for a in inputs]
    # the taps of resample are made on the CPU and moved when they are used
    params = {name: value if name == "taps" else moved(value, device) for name, value in params.items()}
    wanted = [t for t in tensors if t.requires_grad]
    with contextlib.nullcontext() if waits else double.no_sync():
        out = function(*tensors, **params)
        g = np.random.default_rng(5).standard_normal(out.shape).astype(out.dtype)
        if not out.requires_grad:
            return [out]
        found = mg.grad(out, wanted, mg.tensor(g, device=device), allow_unused=True)
    results = [out, *(g for g in found if g is not None)]
    assert {t.device for t in results} == {device}
    return results


# ---- operations


@on_a_gpu_too
@pytest.mark.parametrize("name", sorted(set(STRATEGIES) - {"to_device"}))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_primitive_computes_the_same_and_waits_for_nothing(name, data):
    case = data.draw(STRATEGIES[name])
    masks = name in ("getitem", "putitem", "put_several")  # how large is x[mask]?
    results = [with_gradients(primitives[name], case.inputs, case.params, d, waits=masks) for d in DEVICES]
    assert len(results[0]) == len(results[1])
    for want, got in zip(*results):
        assert_equal(got, want)


@on_a_gpu_too
@pytest.mark.parametrize("name", sorted(OP_REGISTRY))
def test_every_function_computes_the_same_and_waits_for_nothing(name):
    function = getattr(mg.functional, name, None) or getattr(mg, name)

    def tensor_of(value):
        return mg.tensor(value) if hasattr(value, "dtype") else value

    def call(*given, **params):
        return OP_REGISTRY[name].call(function, given, {key: tensor_of(value) for key, value in params.items()})

    rng = np.random.default_rng(0)
    for _ in range(4):
        case = OP_REGISTRY[name].make(RandomSource(rng))
        inputs = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in case.inputs]
        params = {
            key: value.astype(np.float32) if isinstance(value, np.ndarray) else value
            for key, value in case.params.items()
        }
        results = [with_gradients(call, inputs, params, device) for device in DEVICES]
        for want, got in zip(*results):
            assert_equal(got, want, str(case.params))


def test_a_number_of_the_cpu_that_meets_the_gpu_gets_its_gradient():
    scale = mg.tensor(3.0, requires_grad=True)
    x = mg.tensor([1.0, 2.0], device="cuda", requires_grad=True)
    y = (scale * x).sum()
    y.backward()
    assert (y.device, scale.grad.device, x.grad.device) == ("cuda", "cpu", "cuda")
    assert (scale.grad.item(), host(x.grad).tolist()) == (3.0, [3.0, 3.0])


def test_gradients_pass_from_one_device_to_the_other():
    x = mg.tensor([1.0, 2.0], requires_grad=True)
    y = x.to("cuda")
    assert y.device == "cuda" and y.to("cpu").device == "cpu" and y.to("cuda") is y
    (y * y).sum().backward()
    assert x.grad.device == "cpu"
    np.testing.assert_array_equal(x.grad.data, [2.0, 4.0])


def test_arrays_of_two_devices_are_refused_by_name():
    with pytest.raises(ValueError, match=r"add: arguments on different devices \('input' on cpu, 'other' on cuda\)"):
        mg.ones(2) + mg.ones(2, device="cuda")
    with pytest.raises(ValueError, match="data: expected an array on cuda, got one on cpu"):
        mg.ones(2, device="cuda").data = np.ones(2, np.float32)
    with pytest.raises(ValueError, match="device: expected 'cpu' or 'cuda', got 'gpu'"):
        mg.ones(2, device="gpu")


@on_both
def test_a_changed_tensor_is_noticed_through_its_views(device):
    x = mg.tensor([1.0, 2.0, 3.0], device=device, requires_grad=True)
    y = (x.reshape(3, 1) ** 2).sum()
    with x.inplace() as array:
        array -= 1
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


@pytest.mark.parametrize(
    "make",
    [
        lambda **o: mg.zeros(2, 3, **o),
        lambda **o: mg.ones(2, dtype=np.float64, **o),
        lambda **o: mg.full((2,), 7.0, **o),
        lambda **o: mg.arange(5, **o),
        lambda **o: mg.linspace(0, 1, 5, **o),
        lambda **o: mg.randn(4, 3, **o),
        lambda **o: mg.rand(4, 3, **o),
        lambda **o: mg.randint(0, 9, (7,), **o),
        lambda **o: mg.randperm(6, **o),
        lambda **o: mg.tensor([[1, 2]], **o),
        lambda **o: mg.functional.dropout(mg.ones(50, **o), 0.5),
    ],
)
def test_the_same_seed_gives_the_same_numbers_on_both_devices(make):
    results = []
    for device in DEVICES:
        mg.manual_seed(4)
        with double.no_sync():
            results.append(make(device=device))
        assert results[-1].device == device
    np.testing.assert_array_equal(*map(host, results))
    assert results[0].dtype == results[1].dtype


def test_an_array_of_the_gpu_can_be_computed_with_as_it_is():
    x = mg.ones(2, device="cuda", dtype=np.float64)
    for y in (mg.exp(x.data), x * x.data, x.data * x):
        assert (y.device, y.dtype) == ("cuda", np.float64)


def test_a_tensor_stays_where_its_data_is():
    x = mg.ones(2, device="cuda")
    assert mg.tensor(x).device == mg.tensor(x.data).device == mg.nn.Parameter(x).device == "cuda"
    assert (mg.zeros_like(x).device, mg.tensor([1.0]).device, mg.tensor(x, device="cpu").device) == (
        "cuda",
        "cpu",
        "cpu",
    )
    assert repr(x) == "tensor([1., 1.], device='cuda')"
    assert f"{x[0]:.2f}, {x}" == "1.00, tensor([1., 1.], device='cuda')"


# ---- kernels


@pytest.mark.parametrize("chosen", ["auto", "reference", "cpu"])
def test_device_arrays_get_the_cuda_kernels_whatever_was_chosen_for_numpy(chosen, monkeypatch):
    asked = []
    monkeypatch.setattr(kernels, "_registered", {})
    monkeypatch.setattr(kernels, "_member", lambda name, op: asked.append(name) or (lambda *_: None))
    monkeypatch.setattr(kernels, "_default_set", chosen)
    token = kernels._active.set(None)
    kernels.find("matmul", mg.ones(2, device="cuda").data)
    kernels.find("matmul", np.ones(2))
    kernels._active.reset(token)
    assert asked[0] == "cuda" and asked[1] != "cuda"


# ---- modules and optimizers

SPECTRAL = ("spectral norm", {"in_features": 4, "out_features": 3}, (2, 4))


def made_layer(name, arguments):
    if name == SPECTRAL[0]:
        return mg.nn.utils.spectral_norm(mg.nn.Linear(**arguments))
    return made(name, copy.deepcopy(arguments))


@on_a_gpu_too
@pytest.mark.parametrize("case", [*CASES, SPECTRAL], ids=lambda case: case[0])
def test_every_layer_computes_the_same_and_waits_for_nothing(case):
    name, arguments, x, *others = case
    x = np.random.default_rng(1).standard_normal(x) if isinstance(x, tuple) else x
    inputs = [a.astype(np.float32) if a.dtype == np.float64 else a for a in (x, *others)]
    results = []
    for device in DEVICES:
        mg.manual_seed(2)
        layer = made_layer(name, arguments).to("float32").to(device)
        parameters = list(layer.parameters())
        with double.no_sync():
            values = [mg.tensor(a, device=device) for a in inputs]
            learned = [*(values[:1] if x.dtype == np.float64 else []), *parameters]
            for value in learned:
                value.requires_grad = True
            out = joined(layer(*values))
            g = np.random.default_rng(3).standard_normal(out.shape).astype(np.float32)
            gradients = mg.grad(out, learned, mg.tensor(g, device=device))
            evaluated = joined(layer.eval()(*values))
        results.append([out, *gradients, evaluated, *layer.buffers()])
    for want, got in zip(*results):
        assert_equal(got, want)
        assert got.device == ("cuda" if got.shape or got.dtype.kind == "f" else "cpu")  # counts are read by Python


def test_clipping_waits_for_nothing_and_clips_alike():
    gradients = [np.random.default_rng(i).standard_normal((3, i + 1)).astype(np.float32) for i in range(2)]
    results = []
    for device in DEVICES:
        parameters = [mg.tensor(np.zeros_like(g), requires_grad=True, device=device) for g in gradients]
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = mg.tensor(g, device=device)
        with double.no_sync():
            norm = mg.nn.utils.clip_grad_norm_(parameters, 1.0)
            mg.nn.utils.clip_grad_value_(parameters, 0.3)
        results.append([norm, *(p.grad for p in parameters)])
    for want, got in zip(*results):
        assert_equal(got, want)


def test_a_module_moves_there_and_back():
    layer = mg.nn.BatchNorm2d(3)
    before = layer.state_dict()
    assert layer.to("cuda") is layer
    assert {t.device for t in (layer.weight, layer.bias, layer.running_mean)} == {"cuda"}
    assert layer.num_batches_tracked.device == "cpu"
    assert all(isinstance(value, np.ndarray) for value in layer.state_dict().values())
    layer.load_state_dict({name: value + 1 for name, value in before.items()})
    assert layer.weight.device == "cuda" and host(layer.weight).tolist() == [2, 2, 2]
    assert layer.to("cpu").weight.data.tolist() == [2, 2, 2]


OPTIMIZERS = {
    "SGD": {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.01},
    "Adam": {"amsgrad": True, "weight_decay": 0.01},
    "AdamW": {"lr": 0.1},
    "RMSprop": {"centered": True, "momentum": 0.5, "weight_decay": 0.01},
}


@on_a_gpu_too
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_steps_alike_and_goes_on_on_the_other_device(name):
    start = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    gradients = np.random.default_rng(1).standard_normal((6, 3, 2)).astype(np.float32)

    def made(values, device):
        p = mg.nn.Parameter(mg.tensor(values, device=device))
        return p, getattr(mg.optim, name)([p], **OPTIMIZERS[name])

    def run(p, optimizer, some):
        for g in some:
            p.grad = mg.tensor(g, device=p.device)
            with double.no_sync():
                optimizer.step()

    straight, optimizer = made(start, "cpu")
    run(straight, optimizer, gradients)
    for path in itertools.product(DEVICES, DEVICES):
        values, state = start, None
        for device, some in zip(path, (gradients[:3], gradients[3:])):
            p, optimizer = made(values, device)
            if state:
                optimizer.load_state_dict(state)
            run(p, optimizer, some)
            arrays = [v for v in optimizer.state[p].values() if hasattr(v, "shape")]
            assert {backend.device_of(array) for array in arrays} == {device}
            values, state = p.data, optimizer.state_dict()
        assert_equal(values, straight, str(path))


# ---- models and the training loop

OWN = {
    "aae": {},
    "dcgan": {"ema": 0.9},
    "gan": {"loss": "hinge", "lr_decay": 0.5},
    "cgan": {"classes": 3, "loss": "lsgan"},
    "wgan": {"n_critic": 2, "ema": 0.9},
    "wgan-gp": {"n_critic": 2},
    "vae": {"likelihood": "gaussian", "dropout": 0.2},
    "cvae": {"classes": 3},
    "iwae": {"samples": 3},
    "points": {},
    "rcgan": {"classes": 3, "steps": 8, "features": 8, "kind": "series", "loss": "wgan-gp", "n_critic": 2},
    "specgan": {"classes": 3, "steps": 8, "features": 8, "kind": "series"},
    "wavegan": {"classes": 3, "steps": 256, "loss": "wgan-gp", "n_critic": 2},
    "ssgan": {"outputs": 3, "labelled": 6},
    "repair": {"damage": "hole", "adversarial": 0.1},
    "pix2pix": {},
    "cyclegan": {"identity": 0.5},
}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (48, 1, 8, 8)).astype(np.float32)
LABELS = np.arange(48) % 3
AUDIO = np.tile(IMAGES.reshape(48, 1, 64), (1, 1, 4))


def family(name, device="cpu", **options):
    mg.manual_seed(0)
    known = {each.name for each in families()[name].Options.specifications()}
    given = {"size": 8, "channels": 1, "latent": 3, "width": 4, **OWN[name], **options}
    model = build(name, **{key: value for key, value in given.items() if key in known}).to(device)
    model.prepare(loader(name).dataset)
    return model


def batch(start, stop):
    images = IMAGES[start:stop]
    points, series = images[:, 0, 0, :2], images[:, 0]
    fields = {"points": points, "series": series, "audio": AUDIO[start:stop], "partners": -images}
    return {"images": images, "labels": LABELS[start:stop], **fields}


def loader(name=None):
    if name == "points":
        return Loader(Dataset("noise", points=IMAGES[:16, 0, 0, :2].copy()), 4, seed=1)
    if name in ("rcgan", "specgan"):
        return Loader(Dataset("noise", None, LABELS[:16], ("a", "b", "c"), series=IMAGES[:16, 0].copy()), 4, seed=1)
    if name == "wavegan":
        return Loader(Dataset("noise", None, LABELS[:16], ("a", "b", "c"), audio=AUDIO[:16], rate=8000), 4, seed=1)
    return Loader(Dataset("noise", IMAGES[:16], LABELS[:16], ("a", "b", "c"), partners=-IMAGES[:16]), 4, seed=1)


@pytest.mark.parametrize("name", families())
def test_every_model_steps_alike_and_never_waits(name):
    logs, states = [], []
    for device in DEVICES:
        model = family(name, device)
        assert model.device == device
        with double.no_sync():
            log = [model.training_step(batch(i, i + 6)) for i in (0, 6, 12)]
        assert {value.device for numbers in log for value in numbers.values()} == {device}
        assert all(value.shape == () and not value.requires_grad for numbers in log for value in numbers.values())
        logs.append(log)
        states.append(model.state_dict())
    assert list(states[0]) == list(states[1])
    for key, want in states[0].items():
        assert_equal(states[1][key], want, key)
    for want, got in zip(*logs):
        assert list(got) == list(want)
        for key, value in want.items():
            assert_equal(got[key], value, key)


@pytest.mark.parametrize("name", families())
def test_every_model_draws_alike(name):
    drawn = []
    for device in DEVICES:
        model = family(name, device)
        model.training_step(batch(0, 6))
        found = [model.preview(5, loader(name).dataset, np.random.default_rng(2))[0]]
        if isinstance(model, ImageModel):
            pass
        elif name == "aae":
            found.append(model.encode(IMAGES[:6]))
        elif hasattr(model, "score"):
            found.append(model.score(batch(0, 6)[model.FIELD], LABELS[:6]))
        else:
            found += [model.encode(IMAGES[:6], LABELS[:6]), elbo(model, IMAGES[:6], LABELS[:6])]
            found.append(log_likelihood(model, IMAGES[:6], LABELS[:6], samples=4))
        assert all(isinstance(array, np.ndarray) for array in found)
        drawn.append(found)
    for want, got in zip(*drawn):
        assert_equal(got, want)


def train(name, path, device, resume=False, interrupted=None):
    """Two epochs of four batches, or until Ctrl-C in step `interrupted`."""
    model, count = family(name, device), itertools.count(1)
    step = model.training_step

    def training_step(batch):
        if next(count) == interrupted:
            signal.raise_signal(signal.SIGINT)
        return step(batch)

    object.__setattr__(model, "training_step", training_step)
    run = Run(path) if resume else Run.create(path, {"model": name})
    outcome = fit(model, loader(), run, 2, resume=resume, progress=False)
    assert (outcome.step, outcome.interrupted) == ((interrupted, True) if interrupted else (8, False))
    return run


def log_of(run):
    """The log without the seconds."""
    rows = [line.split(",") for line in run.log.read_text().splitlines()]
    return rows[0], np.array([[float(cell) for cell in row[:2] + row[3:]] for row in rows[1:]])


@pytest.fixture
def no_curves(monkeypatch):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)  # takes longer than the training


@pytest.mark.parametrize("way", [("cuda", "cuda"), ("cpu", "cuda"), ("cuda", "cpu")], ids="-".join)
@pytest.mark.parametrize("name", ["dcgan", "wgan", "vae"])
def test_a_run_goes_on_on_either_device(name, way, tmp_path, no_curves):
    straight = train(name, tmp_path / "straight", "cpu")
    train(name, tmp_path / "run", way[0], interrupted=3)
    assert log_of(Run(tmp_path / "run"))[1][:, 0].tolist() == [1, 2, 3]  # with what a GPU had not been asked for yet
    run = train(name, tmp_path / "run", way[1], resume=True)
    want, got = straight.load(), run.load()
    for key, value in want["model"].items():
        assert_equal(got["model"][key], value, key)
    for optimizer, state in want["optimizers"].items():
        for i, entries in state["state"].items():
            for key, value in entries.items():
                assert_equal(np.asarray(got["optimizers"][optimizer]["state"][i][key]), np.asarray(value), key)
    assert got["rng"] == want["rng"]
    (columns, rows), (same_columns, same_rows) = log_of(straight), log_of(run)
    assert columns == same_columns
    np.testing.assert_allclose(same_rows, rows, rtol=1e-5, atol=1e-5)


@on_both
def test_the_loop_waits_for_the_gpu_only_to_read_the_losses_now_and_then(device, tmp_path, no_curves, monkeypatch):
    data = Dataset("noise", np.resize(IMAGES, (2 * READ_EVERY + 7, 1, 8, 8)))
    model, counts = family("gan", device), []
    step = model.training_step

    def training_step(batch):
        counts.append(len(double.SYNCS))
        with double.no_sync():
            return step(batch)

    object.__setattr__(model, "training_step", training_step)
    fit(model, Loader(data, 1), Run.create(tmp_path / "run", {}), 1, progress=False)
    waits = {i: int(n) for i, n in enumerate(np.diff(counts), 1) if n}  # after which steps, how often
    assert waits == ({READ_EVERY: 1, 2 * READ_EVERY: 1} if device == "cuda" else {})
    _, rows = log_of(Run(tmp_path / "run"))
    assert rows[:, 0].tolist() == list(range(1, len(data) + 1))
    assert np.isfinite(rows).all()


def test_a_loss_that_is_no_number_is_found_when_it_is_read_and_its_own_step_is_named(tmp_path, no_curves):
    model, count = family("gan", "cuda"), itertools.count(1)
    step = model.training_step

    def training_step(batch):
        numbers = step(batch)
        return {**numbers, "loss_g": numbers["loss_g"] * (np.nan if next(count) == 3 else 1)}

    object.__setattr__(model, "training_step", training_step)
    run = Run.create(tmp_path / "run", {})
    with pytest.raises(RunError, match="failed at step 3: loss_g is nan"):
        fit(model, loader(), run, 1, progress=False)
    assert run.load()["counters"]["step"] == 0
    assert len(log_of(run)[1]) == 3


def test_numbers_of_both_devices_are_read_in_their_order_with_one_wait():
    metrics = MetricBuffer()
    for i in range(3):
        metrics.add({"step": i}, {"a": mg.tensor(float(i), device="cuda"), "b": i + 0.5, "c": mg.tensor([i + 0.25])})
    assert not metrics.due
    double.SYNCS.clear()
    rows = metrics.read()
    assert len(double.SYNCS) == 1
    assert rows == [({"step": i}, {"a": i, "b": i + 0.5, "c": i + 0.25}) for i in range(3)]
    assert metrics.read() == []


# ---- the command line

TINY = ["--data", "digits", "--epochs", "1", "--batch-size", "400", "--width", "4", "--latent", "3"]


@pytest.fixture
def here(tmp_path, monkeypatch, no_curves):
    monkeypatch.chdir(tmp_path)
    load = kernels.load
    monkeypatch.setattr(
        kernels, "load", lambda name: None if name == "cuda" else load(name)
    )  # numba-cuda may be absent
    return tmp_path


def device_in(run):
    return json.loads((run / "config.json").read_text())["device"]


def test_a_run_keeps_its_device_unless_told_otherwise(here, capsys, monkeypatch):
    run, used = here / "runs" / "gan-digits", []
    move = Module.to
    monkeypatch.setattr(Module, "to", lambda self, target: used.append(target) or move(self, target))
    assert main(["train", "gan", *TINY, "--device", "cuda"]) == 0
    assert (device_in(run), used) == ("cuda", ["cuda"])
    assert main(["train", "gan", "--data", "digits", "--resume", "--epochs", "2"]) == 0
    assert (device_in(run), used[-1]) == ("cuda", "cuda")
    assert "not bit for bit" not in capsys.readouterr().err
    assert main(["train", "gan", "--data", "digits", "--resume", "--epochs", "3", "--device", "cpu"]) == 0
    assert (device_in(run), used[-1]) == ("cpu", "cpu")
    assert "not bit for bit: made with device cuda, now cpu" in capsys.readouterr().err
    assert load_trained("gan-digits").model.device == "cpu"


def test_commands_draw_the_same_on_both_devices(here):
    assert main(["train", "vae", *TINY, "--network", "mlp", "--device", "cuda"]) == 0
    for device in DEVICES:
        assert main(["sample", "vae-digits", "--device", device, "--out", f"{device}.png"]) == 0
    assert (here / "cpu.png").read_bytes() == (here / "cuda.png").read_bytes()


def no_module(name, *args, **kwargs):
    if name == "cupy":
        raise ImportError("libnvrtc.so.13: cannot open shared object file")
    return IMPORT(name, *args, **kwargs)


IMPORT = builtins.__import__


def broken(count):
    def get_device_count():
        if isinstance(count, int):
            return count
        raise double.xp.cuda.runtime.CUDARuntimeError(count)

    runtime = types.SimpleNamespace(getDeviceCount=get_device_count, CUDARuntimeError=RuntimeError)
    return types.SimpleNamespace(cuda=types.SimpleNamespace(runtime=runtime))


@pytest.mark.parametrize(
    ("cupy", "words"),
    [
        (None, ['device "cuda" needs CuPy', "minigen-lab[cuda13]", "cuda12"]),
        ("import", ["CuPy cannot be imported (libnvrtc.so.13", "minigen-lab[cuda13]", "cuda12"]),
        (broken("cudaErrorInsufficientDriver"), ["needs an NVIDIA GPU", "InsufficientDriver", "minigen-lab[cuda13]"]),
        (broken(0), ["no GPU that this process may use"]),
    ],
    ids=["no CuPy", "CuPy does not load", "no driver", "no GPU"],
)
def test_what_is_missing_is_said_in_one_line_and_no_folder_is_left(cupy, words, here, capsys, monkeypatch):
    if cupy == "import":
        monkeypatch.setattr(builtins, "__import__", no_module)
    else:
        monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert main(["train", "gan", *TINY, "--device", "cuda"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith("minigen: device")
    for word in words:
        assert word in said
    assert not (here / "runs").exists()
    assert backend.why_no_gpu() in said


def test_missing_numba_cuda_is_said_before_there_is_a_folder(here, capsys, monkeypatch):
    def load(name):
        raise ImportError("the CUDA kernels need numba-cuda: ...")

    monkeypatch.setattr(kernels, "load", load)
    assert main(["train", "gan", *TINY, "--device", "cuda"]) == 2
    assert capsys.readouterr().err == "minigen: the CUDA kernels need numba-cuda: ...\n"
    assert not (here / "runs").exists()


# ---- the real kernels, emulated


@pytest.mark.emulator
@pytest.mark.skipif(bool(emulator.why_not()), reason=emulator.why_not())
def test_a_step_of_the_dcgan_on_emulated_cuda_kernels_equals_the_cpus_and_never_waits(monkeypatch):
    """S4's networks at 28x28 as they are: 2.9 million weights, two images."""
    from minigen.kernels.emulator import emulated

    monkeypatch.setattr(kernels, "_registered", {})  # no `host_kernels` here
    images = np.random.default_rng(1).uniform(-1, 1, (2, 1, 28, 28)).astype(np.float32)
    step, results = 5e-4, []
    for device in DEVICES:
        mg.manual_seed(0)
        model = mg.models.DCGAN(network="conv_k5_dropout", lr=step).to(device)
        with emulated(arrays=double.xp), double.no_sync():
            numbers = model.training_step({"images": images})
        results.append((model.state_dict(), {name: float(value) for name, value in numbers.items()}))
    (want, losses), (got, same_losses) = results
    assert same_losses == pytest.approx(losses, rel=1e-4)
    # In Adam's first step every weight moves by lr, up or down as its gradient's sign says.
    apart = np.concatenate([np.abs(got[name] - want[name]).ravel() for name in want])
    assert np.mean(apart > 0.01 * step) < 1e-3  # signs differ only where the gradient is nearly 0
    assert apart.max() <= 2.01 * step


@pytest.mark.gpu
@pytest.mark.parametrize("place", ["gpu"], indirect=True)
@pytest.mark.parametrize("name", families())
def test_every_model_steps_on_a_real_gpu_as_on_the_cpu(name, place):
    logs = []
    for device in DEVICES:
        model = family(name, device)
        log = [model.training_step(batch(i, i + 6)) for i in (0, 6, 12)]
        logs.append([[float(value) for value in numbers.values()] for numbers in log])
    np.testing.assert_allclose(logs[1], logs[0], rtol=2e-2, atol=2e-3)
