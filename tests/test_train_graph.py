"""A training step as a CUDA graph: on the stand-in for CuPy, whose streams capture, replayed steps have the bits of
steps that were taken one by one; and what a graph would not see is named."""

from types import SimpleNamespace

import cupy_double as double
import numpy as np
import pytest

import minigen as mg
from minigen.cli import main
from minigen.kernels import emulator
from minigen.train import GraphedStep, RunError

pytestmark = [
    pytest.mark.cupy,
    pytest.mark.emulator,
    pytest.mark.skipif(bool(emulator.why_not()), reason=emulator.why_not()),
]


@pytest.fixture(autouse=True)
def gpu():
    """CuPy is the double, and CUDA kernels are emulated, or captured."""
    with double.as_cupy(), double.emulated_kernels():
        yield


def batches(model, count, size=4, **more):
    rng = np.random.default_rng(0)
    for _ in range(count):
        batch = {"images": rng.uniform(-1, 1, (size, *model.shape)).astype(np.float32)}
        if model.classes:
            batch["labels"] = rng.integers(0, model.classes, size)
        yield batch


def trained(make, count, graph, size=4):
    """The numbers of each step, and the state afterwards."""
    mg.manual_seed(0)
    model = make()
    model.to("cuda")
    step = GraphedStep(model) if graph else model.training_step
    found = []
    for i, batch in enumerate(batches(model, count, size)):
        model.schedule(i / count)
        found.append(step(batch))
    numbers = [{name: float(value) for name, value in each.items()} for each in found]  # of all steps, at the end
    optimizers = {
        (name, i, key): np.asarray(mg.backend.to_device(value, "cpu") if hasattr(value, "shape") else value)
        for name, optimizer in model.optimizers.items()
        for i, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }
    return numbers, dict(model.state_dict()) | optimizers | {"rng": mg.backend.get_rng_state()}, step


MODELS = {
    "batch norm": lambda: mg.models.DCGAN(16, 1, network="conv", width=2, latent=4),
    "R1 and average": lambda: mg.models.DCGAN(8, 1, width=2, latent=4),
    "vae": lambda: mg.models.VAE(8, 1, network="mlp", width=5, latent=2, dropout=0.3),
    "cgan": lambda: mg.models.CGAN(8, 1, network="mlp", width=5, latent=4),
}


@pytest.mark.parametrize("name", MODELS)
def test_replayed_steps_have_the_bits_of_steps_one_by_one(name):
    count = 20 if name == "R1 and average" else 7
    numbers, state, _ = trained(MODELS[name], count, graph=False)
    replayed, after, step = trained(MODELS[name], count, graph=True)
    assert all(kind.graph is not None for kind in step._kinds.values())
    assert replayed == numbers
    assert after.keys() == state.keys() and after.pop("rng") == state.pop("rng")
    for key in state:
        np.testing.assert_array_equal(after[key], state[key], err_msg=str(key))


def losing(**options):
    """A tiny dense GAN that is on the GPU."""
    mg.manual_seed(0)
    return mg.models.MLPGAN(4, 1, width=2, latent=2, **options).to("cuda")


def take(model, count=7):
    step = GraphedStep(model)
    for batch in batches(model, count):
        step(batch)
    return step


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: mg.models.MLPGAN(4, 1), "gan: no CUDA graph: the model is on the device cpu, expected cuda"),
        (lambda: losing(augment="flip"), "gan: no CUDA graph: augment computes its transforms on the CPU"),
        (lambda: losing(r1=1.0, r1_end=0.1), "gan: no CUDA graph: r1_end changes the weight of R1 in each step"),
        (lambda: mg.models.AAE(4, 1, width=2).to("cuda"), "aae: no CUDA graph: the training step of this family"),
        (lambda: SimpleNamespace(), "SimpleNamespace: no CUDA graph: it does not say"),
    ],
)
def test_what_has_no_graph_is_said_before_the_first_step(make, line):
    with pytest.raises(RunError, match=line):
        GraphedStep(make())


def scaled_by(number):
    """A GAN whose step multiplies D's weights by what `number` returns, on the way to a kernel."""
    model = losing()
    plain = model.training_step

    def step(batch):
        weight = model.discriminator[1].weight
        with mg.no_grad():
            weight.copy_(mg.functional.leaky_relu(weight, number()))
        return plain(batch)

    model.training_step = step
    return model


def test_a_number_that_a_graph_would_keep_is_named():
    slopes = iter(range(1, 9))
    line = r"the kernel leaky_relu is given another value in each step \(argument slope: 2.0, then 3.0\)"
    with pytest.raises(RunError, match=line):
        take(scaled_by(lambda: next(slopes)))
    take(scaled_by(lambda: 1.0))


def test_a_copy_that_a_graph_would_keep_is_named():
    model, rng = losing(), np.random.default_rng(0)
    plain = model.gan_loss

    def discriminator(real, fake, smoothing):
        noise = mg.tensor(rng.standard_normal(real.shape).astype(np.float32), device="cuda")
        return plain.discriminator(real + noise, fake, smoothing)

    model.gan_loss = SimpleNamespace(discriminator=discriminator, generator=plain.generator, logits=True)
    with pytest.raises(RunError, match=r"a copy of an array to the GPU .* \(argument float32\[4, 1\]\)"):
        take(model)


def test_an_attribute_that_changes_is_named():
    model = losing()
    model.schedule = None
    model.ramp = 0.0
    plain = model.training_step

    def step(batch):
        model.ramp += 0.5
        return plain(batch)

    model.training_step = step
    with pytest.raises(RunError, match=r"the attribute gan.ramp is 0.5 in one step and 1.0 in another"):
        take(model)


def test_a_batch_of_another_size_has_a_graph_of_its_own():
    model = losing()
    step = GraphedStep(model)
    for size in (4, 3) * 5:
        for batch in batches(model, 1, size):
            step(batch)
    assert len(step._kinds) == 2 and all(kind.graph for kind in step._kinds.values())


def test_loaded_weights_are_trained_on():
    """They are in other arrays, so the step is captured anew."""
    model = losing()
    step = take(model)
    model.load_state_dict({name: 0 * np.asarray(value) for name, value in model.state_dict().items()})
    for batch in batches(model, 2):
        step(batch)
    assert 0 < np.abs(model.generator.state_dict()["4.weight"]).max() < 0.01


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("optim.optimizers", r"the kernel adam_steps is given another value in each step \(argument rates: "),
        ("models.ema", r"the kernel ema_steps is given another value in each step \(argument shares: "),
        ("creation", r"a copy of an array to the GPU is given another value in each step \(argument float32\[4, 2\]\)"),
        ("nn.norm", "the CPU changes discriminator.1.0.num_batches_tracked in each step, and a replay does not"),
    ],
)
def test_what_is_not_repeated_is_named(room, line, monkeypatch):
    model = losing(ema=0.9)
    if room == "nn.norm":
        model.discriminator[1] = mg.nn.Sequential(mg.nn.BatchNorm1d(16, affine=False), model.discriminator[1])
        model.to("cuda")
    monkeypatch.setattr(f"minigen.{room}.repeated", lambda action: action())
    with pytest.raises(RunError, match=line):
        take(model)


def test_a_run_by_a_graph_is_the_run_without_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["gan", "--data", "digits", "--images", "64", "--batch-size", "16", "--steps", "9", "--device", "cuda"]
    for name, more in (("plain", []), ("graph", ["--graph"])):
        assert main(["train", *options, "--width", "2", "--run", name, *more]) == 0
    columns = [
        [line.split(",")[3:] for line in (tmp_path / "runs" / name / "log.csv").read_text().splitlines()]
        for name in ("plain", "graph")
    ]
    assert len(columns[0]) == 10 and columns[0] == columns[1]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "the model is on the device cpu, expected cuda"),
        (["--device", "cuda", "--validation", "0.5"], "the CPU puts D back after it has seen held-out images"),
        (["--device", "cuda", "--augment", "flip"], "augment computes its transforms on the CPU"),
        (["--device", "cuda", "--shards", "2"], "a CUDA graph repeats steps of whole batches, got 2 shards"),
    ],
)
def test_a_run_without_a_graph_is_refused_before_there_is_a_folder(options, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "gan", "--data", "digits", "--steps", "9", "--graph", "--run", "none", *options]) != 0
    assert line in capsys.readouterr().err and not (tmp_path / "runs" / "none").exists()
