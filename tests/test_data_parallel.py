"""Data parallelism without MPI: ranks are coroutines of one process, and their number changes no bit."""

import contextvars
import itertools
import json
import sys
import threading

import cupy_double as double
import numpy as np
import pytest

import minigen as mg
from minigen import nn
from minigen._util.coroutine import Coroutine
from minigen.cli import main
from minigen.data import Dataset, Loader
from minigen.models import Model, build, families
from minigen.optim import SGD
from minigen.tensor import tensor
from minigen.train import Run, RunError, fit, load_checkpoint
from minigen.train.errors import OtherRankError
from minigen.train.parallel import Alone, DataParallel, check_shards, on_all_ranks, sum_in_order

IMAGES = np.random.default_rng(0).uniform(-1, 1, (48, 1, 8, 8)).astype(np.float32)
LABELS = np.arange(48) % 3
AUDIO = np.tile(IMAGES.reshape(48, 1, 64), (1, 1, 4))
OWN = {
    "cgan": {"classes": 3},
    "cvae": {"classes": 3},
    "dcgan": {"augment": "translate", "augment_p": "ada", "ema": 0.9, "spectral": True, "lr_decay": 0},
    "iwae": {"samples": 3, "dropout": 0.2},
    "ssgan": {"outputs": 3, "labelled": 6},
    "rcgan": {"classes": 3, "steps": 8, "features": 8, "kind": "series"},
    "specgan": {"classes": 3, "steps": 8, "features": 8, "kind": "series"},
    "vae": {"prior": "flow"},
    "wavegan": {"classes": 3, "steps": 256},
    "repair": {"damage": "hole", "strength": "0.2-0.6", "adversarial": 0.1},
    "wgan": {"n_critic": 2},
}


@pytest.fixture(autouse=True)
def plain_kernels(monkeypatch):
    monkeypatch.setenv("MINIGEN_KERNELS", "reference")
    monkeypatch.setattr("minigen.kernels._default_set", "reference")
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)  # takes longer than the training


class Rank:
    """The communicator of one rank: each exchange pauses its coroutine until all ranks have come to it."""

    rows_on = "cpu"

    def __init__(self, rank, size):
        self.rank, self.size = rank, size
        self.coroutine = None

    def gather(self, value):
        return self.coroutine.pause(("gather", value))

    def gather_rows(self, rows):
        return np.concatenate(self.coroutine.pause(("gather_rows", rows)))

    def exchange_rows(self, rows):
        return np.stack([sent[self.rank] for sent in self.coroutine.pause(("exchange_rows", rows))])


def on_ranks(size, function):
    """What ``function(communicator)`` returns or raises on each of several ranks."""
    ranks = [Rank(rank, size) for rank in range(size)]
    for rank in ranks:
        rank.coroutine = Coroutine(lambda rank=rank: function(rank))
    results, exchanged = [None] * size, [None] * size
    while True:
        paused = []
        for rank in ranks:
            try:
                paused.append(rank.coroutine.resume(exchanged[rank.rank]))
                results[rank.rank] = rank.coroutine.result
            except Exception as error:
                results[rank.rank] = error
        if all(rank.coroutine.ended for rank in ranks):
            return results
        assert not any(rank.coroutine.ended for rank in ranks), f"a rank ended before the others: {results}"
        assert len({name for name, _ in paused}) == 1, "the ranks wait for different exchanges"
        exchanged = [[value for _, value in paused]] * size


def family(name, **options):
    mg.manual_seed(0)
    known = {each.name for each in families()[name].Options.specifications()}
    given = {"size": 8, "channels": 1, "latent": 3, "width": 4, **OWN.get(name, {}), **options}
    return build(name, **{key: value for key, value in given.items() if key in known})


def batch(start, stop):
    images = IMAGES[start:stop]
    fields = {"points": images[:, 0, 0, :2], "series": images[:, 0], "audio": AUDIO[start:stop], "partners": -images}
    return {"images": images, "labels": LABELS[start:stop], **fields}


def dataset(name):
    classes = LABELS[:16], ("a", "b", "c")
    if name in ("rcgan", "specgan"):
        return Dataset("noise", None, *classes, series=IMAGES[:16, 0].copy())
    if name == "wavegan":
        return Dataset("noise", None, *classes, audio=AUDIO[:16], rate=8000)
    return Dataset("noise", IMAGES[:16], *classes, partners=-IMAGES[:16])


def steps_of(name, communicator, count=3, device="cpu"):
    """A model after some steps, in comparable form, and the numbers that it returned."""
    model = family(name).to(device)
    model.prepare(dataset(name))
    parallel = DataParallel(model, 4, seed=3, communicator=communicator)
    numbers = [parallel.training_step(batch(8 * step, 8 * step + 8), step) for step in range(count)]
    optimizers = {name: optimizer.state_dict() for name, optimizer in model.optimizers.items()}
    return flat({"model": model.state_dict(), "optimizers": optimizers, "numbers": numbers})


def flat(value):
    if isinstance(value, dict):
        return [(str(key), flat(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [flat(item) for item in value]
    if not hasattr(value, "dtype"):
        return value
    array = mg.backend.to_device(value.data if isinstance(value, mg.Tensor) else value, "cpu")
    return str(array.dtype), array.shape, array.tobytes()


@pytest.mark.parametrize("name", families())
def test_every_family_makes_the_same_bits_on_1_2_and_4_ranks(name):
    (want,) = on_ranks(1, lambda rank: steps_of(name, rank))
    assert not isinstance(want, Exception), want
    assert want != steps_of(name, Alone(), count=2)
    assert want == steps_of(name, Alone())
    for size in (2, 4):
        for found in on_ranks(size, lambda rank: steps_of(name, rank)):
            assert not isinstance(found, Exception), found
            assert found == want


@pytest.mark.parametrize("name", ["dcgan", "vae"])
def test_arrays_of_a_gpu_give_the_same(name):
    want = steps_of(name, Alone())
    with double.as_cupy(), double.host_kernels():
        assert steps_of(name, Alone(), device="cuda") == want


@pytest.mark.parametrize("length", [3, 5, 8])
def test_a_sum_has_one_order_on_any_number_of_ranks(length):
    rows = np.random.default_rng(0).normal(size=(8, length)).astype(np.float32)
    rows[::3] *= 1e7
    want = rows[0]
    for row in rows[1:]:
        want = want + row
    assert want.tolist() != (rows[4:].sum(0) + rows[:4].sum(0)).tolist()  # another order, other bits
    for size in (1, 2, 4, 8):
        found = on_ranks(size, lambda rank: sum_in_order(rank, np.split(rows, rank.size)[rank.rank]))
        assert all(np.array_equal(each, want) for each in found), found


def test_random_numbers_depend_on_seed_step_and_shard():
    class Noise(Model):
        """Returns random numbers."""

        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(mg.zeros(1))
            self.optimizers = {"all": SGD([self.weight], lr=0.1)}

        def training_step(self, batch):
            drawn.append(mg.rand(1).item())
            self.update(self.weight.sum(), self.optimizers["all"])
            drawn.append(mg.rand(1).item())
            return {"loss": tensor(0.0)}

    def draw(seed, step):
        drawn.clear()
        DataParallel(Noise(), 2, seed).training_step({"images": IMAGES[:4]}, step)
        return tuple(drawn)

    drawn = []
    before = mg.get_rng_state()
    found = [draw(0, 0), draw(0, 1), draw(1, 0)]
    assert mg.get_rng_state() == before  # the package's own stream stays where it was
    assert len(set(sum(found, ()))) == 12 and draw(0, 1) == found[1]


class Regression(Model):
    """A linear layer with a batch norm, without random numbers."""

    def __init__(self, norm=False):
        super().__init__()
        mg.manual_seed(0)
        self.layer = nn.Linear(64, 2)
        self.norm = nn.BatchNorm1d(2) if norm else nn.Identity()
        self.optimizers = {"all": SGD(self.parameters(), lr=0.1)}

    def training_step(self, batch):
        loss = mg.functional.mse_loss(
            self.norm(self.layer(tensor(batch["images"]).flatten(1))), mg.zeros(len(batch["images"]), 2)
        )
        self.update(loss, self.optimizers["all"])
        return {"loss": loss.detach()}


def test_without_batch_norm_the_shards_are_one_batch():
    whole, cut = Regression(), Regression()
    for step in range(3):
        images = {"images": IMAGES[8 * step : 8 * step + 8]}
        want = whole.training_step(images)["loss"].item()
        assert DataParallel(cut, 4).training_step(images, step)["loss"] == pytest.approx(want, rel=1e-5)
    for key, value in whole.state_dict().items():
        np.testing.assert_allclose(cut.state_dict()[key], value, rtol=1e-5, atol=1e-6)


class TwoSteps(Regression):
    """Two optimizers that move along the gradients of one backward pass, one after the other."""

    def __init__(self):
        super().__init__()
        self.optimizers = {name: SGD([p], lr=0.1) for name, p in self.layer.named_parameters()}

    def training_step(self, batch):
        loss = mg.functional.mse_loss(self.layer(tensor(batch["images"]).flatten(1)), mg.zeros(len(batch["images"]), 2))
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
            optimizer.zero_grad()
        return {"loss": loss.detach()}


def test_each_shard_keeps_the_gradients_that_wait_for_a_later_step():
    whole, cut = TwoSteps(), TwoSteps()
    whole.training_step({"images": IMAGES[:8]})
    DataParallel(cut, 4).training_step({"images": IMAGES[:8]}, 0)
    for key, value in whole.state_dict().items():
        np.testing.assert_allclose(cut.state_dict()[key], value, rtol=1e-5, atol=1e-6)


def test_running_statistics_are_means_over_the_shards_and_count_batches():
    model, parts = Regression(norm=True), [Regression(norm=True) for _ in range(4)]
    DataParallel(model, 4).training_step({"images": IMAGES[:16]}, 0)
    for index, part in enumerate(parts):
        part.training_step({"images": IMAGES[4 * index : 4 * index + 4]})
    want = sum(part.norm.running_mean.numpy() for part in parts) / np.float32(4)
    assert np.array_equal(model.norm.running_mean.numpy(), want)
    assert model.norm.num_batches_tracked.item() == 1


class Uneven(Regression):
    """The first row of a shard decides what it does."""

    def training_step(self, batch):
        kind = batch["kind"][0]
        if kind == "raises":
            raise KeyError("broken")
        if kind == "exits":
            sys.exit(0)
        if kind == "skips":
            return {"loss": tensor(0.0)}
        if kind == "counts":
            self.norm.num_batches_tracked.data = np.asarray(7)
        numbers = super().training_step(batch)
        return {"other": tensor(0.0)} if kind == "logs" else numbers


@pytest.mark.parametrize(
    ("kind", "error", "text"),
    [
        ("raises", KeyError, "broken"),
        ("exits", RunError, r"rank 1: the model called sys.exit\(0\)"),
        ("skips", RunError, r"shard 0 updates 'all' \(4 of 4 weights\), shard 3 ends its step"),
        ("counts", RunError, "count differently in 'num_batches_tracked'"),
        ("logs", RunError, "do not return the same numbers"),
    ],
)
def test_what_one_shard_does_alone_ends_the_step_on_every_rank(kind, error, text):
    kinds = np.array([["fine", "fine", "fine", kind]]).repeat(2, 0).T.reshape(-1)

    def step(rank):
        return DataParallel(Uneven(norm=True), 4, communicator=rank).training_step(
            {"images": IMAGES[:8], "kind": kinds}, 0
        )

    found = on_ranks(2, step)
    own, other = (found[1], found[0]) if kind in ("raises", "exits") else found
    assert type(own) is error and type(other) is OtherRankError
    with pytest.raises(error, match=text):
        raise own


def test_after_a_failed_step_the_model_is_whole():
    model = Uneven(norm=True)
    buffers, state, threads = list(model.buffers()), model.state_dict(), threading.active_count()
    with pytest.raises(KeyError):
        DataParallel(model, 2).training_step({"images": IMAGES[:4], "kind": np.array(["fine"] * 2 + ["raises"] * 2)}, 0)
    assert all(now is before for now, before in zip(model.buffers(), buffers))
    assert all(np.array_equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert threading.active_count() == threads  # the shard that waited at its update has ended
    model.optimizers["all"].step()  # the optimizer's own again: outside of a coroutine


def test_the_error_of_the_first_rank_that_has_one_is_raised_there():
    def function(rank):
        return on_all_ranks(rank, lambda: [10, 20, 1 // 0, 1 // 0][rank.rank])

    found = on_ranks(4, lambda rank: on_all_ranks(rank, lambda: 1 // (rank.rank < 2)))
    assert [type(each) for each in found] == [OtherRankError, OtherRankError, ZeroDivisionError, OtherRankError]
    assert on_ranks(2, lambda rank: on_all_ranks(rank, lambda: rank.rank)) == [[0, 1]] * 2


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0, 1), "argument 'shards': expected an integer of at least 1, got 0"),
        (("4", 1), "argument 'shards': expected an integer of at least 1, got '4'"),
        ((2.0, 1), r"argument 'shards': expected an integer of at least 1, got 2\.0"),
        ((4, 3), "3 ranks cannot share 4 shards equally; expected a number of ranks that divides it: 1, 2, 4"),
        ((4, 2, 30), "a batch of 30 cannot be cut into 4 equal shards"),
    ],
)
def test_what_cannot_be_shared_is_refused(numbers, text):
    with pytest.raises((TypeError, ValueError), match=text):
        check_shards(*numbers)


def test_a_batch_or_a_model_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a batch of 6 cannot be cut into 4"):
        DataParallel(Regression(), 4).training_step({"images": IMAGES[:6]}, 0)
    with pytest.raises(ValueError, match="'heldout' of a batch has 3 rows, fewer than 4 shards"):
        DataParallel(Regression(), 4).training_step({"images": IMAGES[:8], "heldout": IMAGES[:3]}, 0)
    with pytest.raises(ValueError, match=r"expected a model that is a minigen.nn.Module, got a list"):
        DataParallel([], 4)


# ---- whole trainings


def loader():
    return Loader(Dataset("noise", IMAGES[:32], LABELS[:32], ("a", "b", "c")), 8, seed=1)


def train(path, size, steps, resume=False, name="dcgan", shards=4, stop_at=None):
    """The results of `fit` on each rank."""

    def function(rank):
        model = family(name)
        if stop_at is not None and rank.rank == size - 1:
            calls = itertools.count(1)

            def stopping_step(batch):
                if next(calls) == stop_at:
                    loops[rank.rank].stop.name = "SIGTERM"
                return type(model).training_step(model, batch)

            object.__setattr__(model, "training_step", stopping_step)
        run = None if rank.rank else (Run(path) if resume else Run.create(path, {}))
        return fit(model, loader(), run, steps=steps, resume=resume, shards=shards, communicator=rank, progress=False)

    from minigen.train import loop

    loops = {}
    start = loop._Loop.run_steps

    def run_steps(self):
        loops[self.ranks.rank] = self
        return start(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Loop, "run_steps", run_steps)
        return on_ranks(size, function)


def final(path):
    state = load_checkpoint(sorted((path / "checkpoints").iterdir())[-1])
    return flat([state["model"], state["optimizers"], state["rng"], state["counters"]["step"]])


def test_a_run_goes_on_bit_for_bit_on_another_number_of_ranks(tmp_path):
    (straight,) = train(tmp_path / "straight", 1, 7)
    assert straight.step == 7 and straight.checkpoint.name == "step-00000007.safetensors"
    for size, steps, resume in ((4, 3, False), (1, 5, True), (2, 7, True)):
        results = train(tmp_path / "broken", size, steps, resume)
        assert [result.step for result in results] == [steps] * size, results
        assert [result.checkpoint is None for result in results] == [False] + [True] * (size - 1)
    assert final(tmp_path / "broken") == final(tmp_path / "straight")
    logs = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("broken", "straight")]
    rows = [[[*row.split(",")[:2], *row.split(",")[3:]] for row in log] for log in logs]  # without the clock
    assert rows[0] == rows[1] and len(rows[0]) == 8


def test_a_request_to_stop_one_rank_stops_all_and_saves(tmp_path):
    results = train(tmp_path / "run", 2, 7, stop_at=5)  # in the third step: a rank has two shards
    assert [(result.step, result.interrupted) for result in results] == [(3, True)] * 2, results
    train(tmp_path / "run", 2, 7, resume=True)
    train(tmp_path / "straight", 2, 7)
    assert final(tmp_path / "run") == final(tmp_path / "straight")


def test_ranks_with_other_weights_are_refused(tmp_path):
    def function(rank):
        model = Regression()
        with model.layer.bias.inplace() as bias:
            bias += rank.rank
        model.preview = lambda n, dataset, generator: (IMAGES[:1], None)
        return fit(
            model, loader(), None if rank.rank else Run.create(tmp_path / "run", {}), 1, shards=2, communicator=rank
        )

    found = on_ranks(2, function)
    assert type(found[1]) is OtherRankError
    with pytest.raises(RunError, match="step 0: the weights of rank 1 are not those of rank 0"):
        raise found[0]


@pytest.mark.parametrize(
    ("differs", "text"),
    [
        ({"shards": (4, 8)}, "shards on all ranks, got 4 on rank 0 and 8 on rank 1"),
        ({"steps": (3, 4)}, "number of steps on all ranks, got 3 on rank 0 and 4 on rank 1"),
        ({"patience": (2, None)}, "patience on all ranks, got 2 on rank 0 and None on rank 1"),
        ({"checkpoint_every": (None, 1)}, "checkpoint_every on all ranks, got None on rank 0 and 1 on rank 1"),
        ({"seed": (0, 1)}, "seed of the loader on all ranks, got 0 on rank 0 and 1 on rank 1"),
        ({"batch_size": (8, 16)}, "batch size on all ranks, got 8 on rank 0 and 16 on rank 1"),
        ({"images": (32, 24)}, "number of examples on all ranks, got 32 on rank 0 and 24 on rank 1"),
        ({"drop_last": (True, False), "images": (36, 36)}, "number of batches in an epoch on all ranks, got 4 on rank"),
    ],
)
def test_ranks_that_were_called_with_other_arguments_are_refused(differs, text, tmp_path):
    def function(rank):
        mine = {name: values[rank.rank] for name, values in differs.items()}
        dataset = Dataset("noise", IMAGES[: mine.pop("images", 32)])
        to_loader = {name: mine.pop(name) for name in ("batch_size", "seed", "drop_last") if name in mine}
        arguments = {"steps": 3, "shards": 4, **mine}
        run = None if rank.rank else Run.create(str(tmp_path / "run"), {})
        return fit(Regression(), Loader(dataset, **{"batch_size": 8, **to_loader}), run, communicator=rank, **arguments)

    found = on_ranks(2, function)
    assert type(found[1]) is OtherRankError
    with pytest.raises(ValueError, match=f"^parallel: expected the same {text}"):
        raise found[0]


def test_one_shard_and_one_process_is_the_plain_training(tmp_path, monkeypatch):
    monkeypatch.setattr(DataParallel, "training_step", None)
    train(tmp_path / "plain", 1, 2, shards=1)


# ---- the command line

TINY = [
    "train",
    "vae",
    "--data",
    "digits",
    "--network",
    "mlp",
    "--width",
    "8",
    "--latent",
    "2",
    "--images",
    "64",
    "--steps",
    "3",
]


def test_the_command_cuts_batches_and_refuses_another_number_afterwards(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*TINY, "--batch-size", "16", "--shards", "2"]) == 0
    config = tmp_path / "runs" / "vae-digits" / "config.json"
    assert json.loads(config.read_text())["shards"] == 2
    capsys.readouterr()
    assert main(["train", "vae", "--data", "digits", "--resume", "--shards", "4"]) == 2
    assert "was made with shards = 2, not 4" in capsys.readouterr().err
    assert main(["train", "vae", "--data", "digits", "--resume", "--steps", "4"]) == 0
    assert main([*TINY, "--batch-size", "15", "--shards", "2", "--run", "odd"]) == 2
    assert capsys.readouterr().err.endswith(
        "minigen: shards: a batch of 15 cannot be cut into 2 equal shards; expected a batch size that is a multiple of "
        "2, or another number of shards\n"
    )
    assert main([*TINY, "--batch-size", "2", "--shards", "2", "--run", "odd"]) == 2
    said = capsys.readouterr().err
    assert "minigen: shards: each of the 2 parts of a batch of 2: vae: batch norm needs more than one image" in said
    dcgan = ["train", "dcgan", "--data", "digits", "--width", "4", "--steps", "1", "--run", "odd"]
    assert main([*dcgan, "--batch-size", "16", "--pack", "3"]) == 2
    assert "minigen: dcgan: --pack 3 does not divide the batch of 16" in capsys.readouterr().err
    assert not (tmp_path / "runs" / "odd").exists()
    assert main([*TINY, "--batch-size", "16", "--run", "plain"]) == 0
    assert "shards" not in json.loads((tmp_path / "runs" / "plain" / "config.json").read_text())


@pytest.mark.parametrize("rank", [0, 1])
def test_without_mpi4py_the_first_process_says_how_to_install_it(rank, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PMI_RANK", str(rank))
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.delitem(sys.modules, "mpi4py.MPI", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(TINY) == 2
    said = capsys.readouterr().err
    assert said == ("" if rank else "minigen: mpi4py is not installed; the extra 'mpi' brings it: python -m pip install "
                    '"minigen-lab[mpi]"\n')  # fmt: skip
    assert not (tmp_path / "runs").exists()


# ---- coroutines


def test_a_coroutine_raises_what_its_function_raises():
    def function():
        coroutine.pause()
        raise KeyError("inside")

    coroutine = Coroutine(function)
    coroutine.resume()
    with pytest.raises(KeyError, match="inside"):
        coroutine.resume()
    assert coroutine.ended


def test_closing_a_coroutine_runs_its_finally_blocks():
    def function():
        try:
            coroutine.pause()
        finally:
            done.append("finally")

    done = []
    coroutine = Coroutine(function)
    coroutine.resume()
    coroutine.close()
    coroutine.close()
    assert done == ["finally"] and coroutine.ended
    Coroutine(function).close()  # never started
    assert done == ["finally"]


def test_a_coroutine_sees_the_context_and_numpys_error_state():
    variable = contextvars.ContextVar("variable", default="outside")
    variable.set("inside")
    with np.errstate(over="raise"):
        coroutine = Coroutine(lambda: (variable.get(), np.geterr()["over"]))
        coroutine.resume()
    assert coroutine.result == ("inside", "raise")
