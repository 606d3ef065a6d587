"""Checkpoints, logs and the loop: what survives damage, full disks, Ctrl-C and SIGKILL, and that resuming is exact."""

import errno
import io
import itertools
import math
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import minigen as mg
from minigen._util.atomic_write import replace_file
from minigen.data import Dataset, Loader
from minigen.models import DCGAN, build, families
from minigen.train import CheckpointError, Run, RunError, fit, load_checkpoint, restore, save_checkpoint
from minigen.train.diagnostics import Diagnostics, alike_share, pair_distances
from minigen.train.log import CsvLog
from minigen.train.loop import _progress_bar

EPOCHS, BATCHES = 3, 4


def loader(batches=BATCHES):
    pixels = np.random.default_rng(0).uniform(-1, 1, (batches * 4 + 1, 1, 8, 8)).astype(np.float32)
    return Loader(Dataset("noise", pixels), batch_size=4, seed=1, drop_last=True)


def fresh(**options):
    mg.manual_seed(0)
    return DCGAN(8, 1, latent=3, **({"width": 2} | options))


def new_run(folder):
    return Run.create(folder, {"model": "dcgan"})


def same(one, two):
    """Whether two states are equal, bit for bit."""
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()
    if isinstance(one, dict):
        return list(one) == list(two) and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    return type(one) is type(two) and (one == two or one != one)


def final_state(run):
    state = run.load()
    state["counters"].pop("seconds")
    return state


def log_without_time(run):
    return [line.split(",")[:2] + line.split(",")[3:] for line in run.log.read_text().splitlines()]


@pytest.fixture(scope="module", autouse=True)
def plain_kernels():
    """What is tested here does not depend on the kernels, and these need no compiler."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGEN_KERNELS", "reference")
        patch.setattr("minigen.kernels._default_set", "reference")
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    run = new_run(tmp_path_factory.mktemp("straight") / "run")
    fit(fresh(), loader(), run, EPOCHS, progress=False)
    return run


def assert_same_run(run, reference):
    assert same(final_state(run), final_state(reference))
    assert log_without_time(run) == log_without_time(reference)
    pictures = sorted(path.name for path in reference.samples(0).parent.iterdir())
    assert sorted(path.name for path in run.samples(0).parent.iterdir()) == pictures
    for name in pictures:
        assert (run.path / "samples" / name).read_bytes() == (reference.path / "samples" / name).read_bytes()


# ---- files and checkpoints


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    replace_file(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        replace_file(tmp_path / "a", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


_ARRAYS = st.sampled_from(["float32", "float64", "int64", "bool", "uint8"]).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=0, min_side=0, max_dims=3))
)
_PLAIN = st.none() | st.booleans() | st.integers(-(2**130), 2**130) | st.floats() | st.text(max_size=5)
_STATES = st.dictionaries(
    st.text(max_size=4),
    st.recursive(
        _ARRAYS | _PLAIN,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(0, 9) | st.text("ab", max_size=2), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=3,
)  # fmt: skip


@given(_STATES)
def test_a_checkpoint_gives_back_what_was_saved(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("states") / "a.safetensors"
    save_checkpoint(path, state)
    assert same(load_checkpoint(path), state)


def test_a_checkpoint_may_be_named_by_a_string(tmp_path):
    save_checkpoint(str(tmp_path / "a"), {"n": 3})
    assert load_checkpoint(str(tmp_path / "a")) == {"n": 3}


def test_any_array_layout_and_tensors_can_be_saved(tmp_path):
    grid = np.arange(12, dtype=np.float32).reshape(3, 4)
    save_checkpoint(
        tmp_path / "a", {"t": grid.T, "strided": grid[::2, ::-1], "tensor": mg.tensor(grid), "n": np.int64(3)}
    )
    expected = {"t": grid.T.copy(), "strided": grid[::2, ::-1].copy(), "tensor": grid, "n": 3}
    assert same(load_checkpoint(tmp_path / "a"), expected)


def test_other_safetensors_readers_see_the_weights(tmp_path):
    from safetensors.numpy import load_file

    save_checkpoint(tmp_path / "a", {"model": {"0.weight": np.ones(2, np.float32)}})
    assert list(load_file(tmp_path / "a")) == ["model.0.weight"]


def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"cannot store a\.b of type set"):
        save_checkpoint(tmp_path / "a", {"a": {"b": set()}})
    with pytest.raises(ValueError, match=r"two arrays would be called 'a\.b'"):
        save_checkpoint(tmp_path / "a", {"a": {"b": np.ones(1)}, "a.b": np.ones(1)})


@given(st.data())
def test_every_damage_is_noticed(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "a.safetensors"
    state = {"weights": np.arange(6, dtype=np.float32), "step": 7, "names": ["x", "y"]}
    save_checkpoint(path, state)
    whole = path.read_bytes()
    if data.draw(st.booleans(), "cut"):
        broken = whole[: data.draw(st.integers(0, len(whole) - 1), "length")]
    else:
        at = data.draw(st.integers(0, len(whole) - 1), "at")
        broken = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255), "flip")]) + whole[at + 1 :]
    path.write_bytes(broken)
    try:
        found = load_checkpoint(path)
    except CheckpointError as error:
        assert str(path) in str(error)
    else:
        assert same(found, state)  # some bytes carry nothing, such as the blanks that pad the header


def test_a_safetensors_file_of_someone_else_is_refused(tmp_path):
    from safetensors.numpy import save_file

    save_file({"w": np.ones(1)}, tmp_path / "a")
    with pytest.raises(CheckpointError, match="is not a checkpoint of this version of minigen"):
        load_checkpoint(tmp_path / "a")


# ---- the folder


def test_a_run_keeps_the_last_checkpoint_and_the_one_before(tmp_path):
    run = new_run(tmp_path / "run")
    (run.path / "checkpoints" / ".unfinished-1-step").write_bytes(b"half")
    for step in (1, 2, 3):
        run.save(step, {"step": step})
    assert sorted(p.name for p in (run.path / "checkpoints").iterdir()) == [
        "step-00000002.safetensors",
        "step-00000003.safetensors",
    ]
    assert (run.load()["step"], run.load(previous=True)["step"]) == (3, 2)


def test_a_damaged_checkpoint_is_named_and_the_one_before_offered(tmp_path):
    run = new_run(tmp_path / "run")
    for step in (1, 2):
        run.save(step, {"step": step})
    run.checkpoints()[-1].write_bytes(b"rubbish")
    with pytest.raises(
        CheckpointError, match=r"step-00000002.* is damaged .*step-00000001\.safetensors: add --previous"
    ):
        run.load()
    assert run.load(previous=True)["step"] == 1


def test_saving_after_going_back_drops_what_lies_ahead(tmp_path):
    run = new_run(tmp_path / "run")
    for step in (10, 20, 15):
        run.save(step, {"step": step})
    assert [p.stem for p in run.checkpoints()] == ["step-00000010", "step-00000015"]


def test_a_run_is_overwritten_only_on_request_and_nothing_else_ever(tmp_path):
    run = new_run(tmp_path / "run")
    run.save(1, {"step": 1})
    with pytest.raises(RunError, match="exists already: add --resume"):
        new_run(run.path)
    assert run.checkpoints()
    assert not Run.create(run.path, {}, overwrite=True).checkpoints()

    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").write_text("meow")
    with pytest.raises(RunError, match="is in use and is not a run"):
        Run.create(tmp_path / "photos", {}, overwrite=True)
    assert (tmp_path / "photos" / "cat.txt").read_text() == "meow"


def test_a_missing_and_a_damaged_config_are_told_apart(tmp_path):
    with pytest.raises(RunError, match="no run at"):
        Run(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        Run(tmp_path)


# ---- the log


def test_a_log_is_cut_back_to_the_checkpoint_and_half_a_row_is_dropped(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,loss\n1,0.5\n2,0.25\n3,0.125\n4,0.0")
    with CsvLog(path, keep=2) as log:
        log.write({"step": 3, "loss": 0.2})
    assert path.read_text() == "step,loss\n1,0.5\n2,0.25\n3,0.2\n"


# ---- the loop


def test_a_run_leaves_what_it_promises(uninterrupted):
    run = uninterrupted
    assert sorted(p.name for p in run.path.iterdir()) == [
        "checkpoints",
        "config.json",
        "curves.png",
        "log.csv",
        "samples",
    ]
    assert [p.name for p in sorted(run.samples(0).parent.iterdir())] == [f"epoch-000{i}.png" for i in range(EPOCHS + 1)]
    rows = [line.split(",") for line in run.log.read_text().splitlines()]
    assert rows[0] == ["step", "epoch", "seconds", "loss_d", "loss_g", "d_real", "d_fake", "penalty"]
    assert [row[:2] for row in rows[1:]] == [[str(i + 1), str(i // BATCHES + 1)] for i in range(EPOCHS * BATCHES)]


def test_looking_at_samples_does_not_change_the_training(uninterrupted):
    model = fresh()
    for epoch in range(EPOCHS):
        for step, batch in enumerate(loader().epoch(epoch), epoch * BATCHES):
            model.schedule(step / (EPOCHS * BATCHES))
            model.training_step(batch)
    assert same(model.state_dict(), final_state(uninterrupted)["model"])


class Interrupted(DCGAN):
    """Presses Ctrl-C during the training step number `when`."""

    when, times, count, number = 0, 1, 0, signal.SIGINT

    def training_step(self, batch):
        self.count += 1
        if self.count == self.when:
            for _ in range(self.times):
                signal.raise_signal(self.number)
        return super().training_step(batch)


def interrupted(when, times=1, **options):
    mg.manual_seed(0)
    model = Interrupted(8, 1, latent=3, **({"width": 2} | options))
    model.when, model.times = when, times
    return model


@pytest.mark.parametrize("when", [1, 3, BATCHES, BATCHES + 1, EPOCHS * BATCHES - 1])
def test_ctrl_c_saves_and_resuming_is_exact(when, tmp_path, uninterrupted, capsys):
    run = new_run(tmp_path / "run")
    outcome = fit(interrupted(when), loader(), run, EPOCHS, progress=False)
    assert (outcome.step, outcome.interrupted) == (when, True)
    assert "finishing this step" in capsys.readouterr().err
    mg.manual_seed(99)  # the checkpoint decides, not what is there
    resumed = fit(DCGAN(8, 1, latent=3, width=2), loader(), run, EPOCHS, resume=True, progress=False)
    assert (resumed.step, resumed.epoch, resumed.interrupted) == (EPOCHS * BATCHES, EPOCHS, False)
    assert_same_run(run, uninterrupted)


def test_resuming_is_exact_with_dropout(tmp_path):
    straight, run = new_run(tmp_path / "straight"), new_run(tmp_path / "run")
    fit(fresh(network="conv_k5_dropout", width=None), loader(2), straight, 2, progress=False)
    fit(interrupted(3, network="conv_k5_dropout", width=None), loader(2), run, 2, progress=False)
    fit(fresh(network="conv_k5_dropout", width=None), loader(2), run, 2, resume=True, progress=False)
    assert_same_run(run, straight)


def test_a_second_ctrl_c_stops_at_once_and_gives_the_handler_back(tmp_path, uninterrupted, terminal):
    handler = signal.getsignal(signal.SIGINT)
    run = new_run(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted(6, times=2), loader(), run, EPOCHS, progress=False)
    assert signal.getsignal(signal.SIGINT) is handler
    assert run.load()["counters"]["step"] == BATCHES  # the step that was cut short counts for nothing
    fit(fresh(), loader(), run, EPOCHS, resume=True, progress=False)
    assert_same_run(run, uninterrupted)


def test_a_run_can_be_prolonged(tmp_path):
    straight, run = new_run(tmp_path / "straight"), new_run(tmp_path / "run")
    fit(fresh(lr_decay=0.0), loader(), straight, EPOCHS, progress=False)  # rates that fall depend on the length
    fit(fresh(lr_decay=0.0), loader(), run, 1, progress=False)
    fit(fresh(lr_decay=0.0), loader(), run, EPOCHS, resume=True, progress=False)
    assert_same_run(run, straight)


def test_the_previous_checkpoint_leads_to_the_same_end(tmp_path, uninterrupted):
    run = new_run(tmp_path / "run")
    fit(interrupted(10), loader(), run, EPOCHS, checkpoint_every=3, progress=False)
    run.checkpoints()[-1].write_bytes(b"rubbish")
    fit(fresh(), loader(), run, EPOCHS, previous=True, progress=False)
    assert_same_run(run, uninterrupted)


def test_a_full_disk_keeps_the_last_good_checkpoint(tmp_path, uninterrupted, monkeypatch):
    run = new_run(tmp_path / "run")
    fit(interrupted(BATCHES), loader(), run, EPOCHS, progress=False)
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", no_space)
        with pytest.raises(RunError, match=r"cannot write to .*run: No space left on device; the last good checkpoint"):
            fit(fresh(), loader(), run, EPOCHS, resume=True, progress=False)
    assert not list(run.path.rglob(".unfinished*"))
    fit(fresh(), loader(), run, EPOCHS, resume=True, progress=False)
    assert_same_run(run, uninterrupted)


class Diverging(DCGAN):
    """Reports a NaN loss, or ruins a weight behind a finite one, in its sixth step."""

    count, kind = 0, "loss"

    def training_step(self, batch):
        self.count += 1
        numbers = super().training_step(batch)
        if self.count == 6 and self.kind == "loss":
            numbers["loss_g"] = math.nan
        elif self.count == 6:
            with self.generator[0].weight.inplace() as weight:
                weight[0, 0] = np.inf
        return numbers


@pytest.mark.parametrize(
    ("kind", "words"),
    [("loss", "at step 6: loss_g is nan"), ("weight", r"generator\.0\.weight holds NaN or infinite values")],
)
def test_divergence_is_said_and_the_last_good_checkpoint_kept(kind, words, tmp_path):
    run = new_run(tmp_path / "run")
    mg.manual_seed(0)
    model = Diverging(8, 1, latent=3, width=2)
    model.kind = kind
    with pytest.raises(RunError, match=f"training failed .*{words}.*smaller learning rate.*step-00000004"):
        fit(model, loader(), run, EPOCHS, checkpoint_every=6 if kind == "weight" else None, progress=False)
    assert run.load()["counters"]["step"] == BATCHES


def test_a_loss_beyond_all_measure_ends_the_training(tmp_path):
    model = fresh()
    numbers = {"loss_d": -2e8, "loss_g": 0.0, "d_real": 0.5, "d_fake": 0.5}
    object.__setattr__(model, "training_step", lambda *_: numbers)
    with pytest.raises(RunError, match=r"training failed at step 1: loss_d is -2e\+08; .*step-00000000"):
        fit(model, loader(), new_run(tmp_path / "run"), EPOCHS, progress=False)


# ---- every family


TINY = {"latent": 3, "width": 4}
OWN = {
    "cgan": {"classes": 3},
    "cvae": {"classes": 3},
    "iwae": {"samples": 3},
    "ssgan": {"outputs": 3, "labelled": 6},
    "rcgan": {"classes": 3, "steps": 8, "features": 8, "kind": "series"},
    "specgan": {"classes": 3, "steps": 8, "features": 8, "kind": "series"},
    "wavegan": {"classes": 3, "steps": 256},
    "repair": {"damage": "hole", "strength": "0.2-0.6", "adversarial": 0.1},
}


def labelled_loader(batches=BATCHES, name=None):
    plain = loader(batches).dataset
    if name == "points":
        points = plain.images.reshape(len(plain), -1)[:, :2].copy()
        return Loader(Dataset("noise", points=points), 4, seed=1, drop_last=True)
    if name in ("rcgan", "specgan"):
        series = Dataset("noise", series=plain.images[:, 0], labels=np.arange(len(plain)) % 3, classes=("a", "b", "c"))
        return Loader(series, 4, seed=1, drop_last=True)
    if name == "wavegan":
        audio = np.tile(plain.images.reshape(len(plain), 1, -1), (1, 1, 4))
        sounds = Dataset("noise", audio=audio, rate=8000, labels=np.arange(len(plain)) % 3, classes=("a", "b", "c"))
        return Loader(sounds, 4, seed=1, drop_last=True)
    partners = {}
    if name in ("pix2pix", "cyclegan"):
        paired = name == "pix2pix"
        partners = {"partners": -plain.images[: len(plain) if paired else 5], "paired": paired}
    labels = np.arange(len(plain)) % 3
    data = Dataset("noise", plain.images, labels, ("a", "b", "c"), **partners)
    return Loader(data, 4, seed=1, drop_last=True)


def family(name, seed=0, **options):
    mg.manual_seed(seed)
    known = {each.name for each in families()[name].Options.specifications()}
    given = {"size": 8, "channels": 1, **TINY, **OWN.get(name, {}), **options}
    return build(name, **{key: value for key, value in given.items() if key in known})


@pytest.mark.parametrize("name", families())
def test_every_family_resumes_bit_for_bit_from_the_middle_of_an_epoch(name, tmp_path, monkeypatch):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)  # takes longer than the training
    straight, broken = new_run(tmp_path / "straight"), new_run(tmp_path / "broken")
    fit(family(name), labelled_loader(name=name), straight, 2, progress=False)

    model, steps = family(name), itertools.count(1)

    def interrupted_step(batch):
        if next(steps) == BATCHES + 2:
            signal.raise_signal(signal.SIGINT)
        return type(model).training_step(model, batch)

    object.__setattr__(model, "training_step", interrupted_step)
    assert fit(model, labelled_loader(name=name), broken, 2, progress=False).step == BATCHES + 2
    assert not same(final_state(broken), final_state(straight))
    fit(family(name, seed=9), labelled_loader(name=name), broken, 2, resume=True, progress=False)
    assert_same_run(broken, straight)


@pytest.mark.parametrize("name", families())
def test_a_learning_rate_far_too_large_is_noticed_in_every_family(name, tmp_path, monkeypatch):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    run = new_run(tmp_path / "run")
    try:
        outcome = fit(family(name, lr=1e6), labelled_loader(20, name), run, 2, progress=False)
    except RunError as error:
        assert "training failed at step" in str(error) and "--lr" in str(error)
        model = family(name, seed=9)
        assert restore(model, run.load(), run.path)["step"] in (0, 20)
        images, _ = model.preview(3, labelled_loader(name=name).dataset, np.random.default_rng(0))
        assert np.isfinite(images).all()
    else:
        assert outcome.warnings, "neither stopped nor said"


# ---- what looks ill


def notes(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("note:")]


def test_pairs_of_equal_samples_are_counted_and_noise_is_no_quality():
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (12, 1, 4, 4))
    apart = [np.sqrt(np.mean((a - b) ** 2)) for a, b in itertools.combinations(images, 2)]
    assert pair_distances(images) == pytest.approx(apart)
    kinds = images[random.integers(0, 3, 60)]
    equal = np.mean([(a == b).all() for a, b in itertools.combinations(kinds, 2)])
    assert alike_share(kinds, 0.5) == alike_share(kinds + 1e-4, 0.5) == pytest.approx(equal)
    assert alike_share(images, 0.5) == alike_share(random.uniform(-1, 1, (12, 1, 4, 4)), 0.5) == 0


class Constant(DCGAN):
    """Draws one image over and over."""

    def generate(self, z, condition):
        return super().generate(z, condition) * 0


def constant():
    mg.manual_seed(0)
    return Constant(8, 1, latent=3, width=2)


def test_a_collapsed_generator_is_said_once(tmp_path, capsys):
    fit(constant(), loader(7), new_run(tmp_path / "early"), 4)
    assert not notes(capsys)  # 28 steps prove nothing
    outcome = fit(constant(), loader(20), new_run(tmp_path / "run"), 4)
    still, said = notes(capsys)
    assert "the weights of generator hardly move" in still  # no gradient reaches them
    assert "all samples are the same image" in said and "wgan-gp" in said
    assert outcome.warnings == tuple(line.removeprefix("note: ") for line in (still, said))


@pytest.mark.parametrize("loss", ["non_saturating", "minimax", "lsgan", "hinge"])
def test_a_discriminator_that_wins_and_a_generator_that_stands_still_are_said_once(loss, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    model = fresh(loss=loss, smoothing=0.1, lr=3e-2, lr_decay=0.0, width=8, r1=0.3)
    model.optimizers["generator"].param_groups[0]["lr"] = 0.0
    black = Loader(Dataset("black", -np.ones((120, 1, 8, 8), np.float32)), batch_size=4, seed=1, drop_last=True)
    fit(model, black, new_run(tmp_path / "run"), 4)
    (same, *said) = notes(capsys)
    assert "images of the data that were compared are all the same" in same  # before the first step
    (won,) = [line for line in said if "the discriminator has won" in line]
    assert ("non_saturating" in won) == (loss == "minimax")
    (still,) = [line for line in said if line != won]
    assert "the weights of generator hardly move" in still


def test_a_vanished_kl_is_said_once(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    run = new_run(tmp_path / "run")
    fit(family("vae", beta=100.0, lr=1e-2), loader(30), run, 4)
    (said,) = notes(capsys)
    assert "the KL has vanished" in said and "a smaller --beta" in said
    assert float(run.log.read_text().splitlines()[-1].split(",")[-1]) < 0.1
    still = family("vae", beta=0.0, lr=1e-9)
    assert still.diagnose({"kl": 0.01}) == {}  # a small KL was not asked for


PHOTOS = Dataset(
    "photos", np.random.default_rng(0).uniform(-0.97, 0.97, (96, 3, 4, 4)).astype(np.float32).repeat(2, 2).repeat(2, 3)
)


@pytest.mark.parametrize("name", ["gan", "dcgan", "wgan-gp", "vae"])
@pytest.mark.parametrize(
    ("lr", "words"), [(1.0, "out of|range|same image|saturated|won|above the|failed"), (1e-8, "hardly move")]
)
def test_a_short_training_in_ruins_is_noticed(name, lr, words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    mg.manual_seed(0)
    model = build(name, size=8, channels=3, width=4, lr=lr)
    try:
        said = fit(model, Loader(PHOTOS, 8, seed=0, drop_last=True), new_run(tmp_path / "run"), 9).warnings  # 108 steps
    except RunError as error:
        said = [str(error)]
    assert re.search(words, " ".join(said)), said


def test_scores_beyond_the_margins_of_the_hinge_are_no_victory():
    model = fresh(loss="hinge")
    assert model.diagnose({"loss_d": 0.7, "d_real": 1.9, "d_fake": -1.8}) == {}  # many are still within
    won = model.diagnose({"loss_d": 0.03, "d_real": 1.9, "d_fake": -1.8})["won"]
    assert "--lr" in won and "--smoothing" not in won  # the hinge has no labels to smooth


HEALTHY = [
    *(("dcgan", {"loss": loss}, "digits") for loss in ("non_saturating", "hinge", "lsgan", "minimax")),
    *((name, {}, "digits") for name in ("gan", "wgan", "wgan-gp", "cgan", "vae")),
    *((name, {}, "photos") for name in ("gan", "dcgan", "wgan-gp", "vae")),
]


@pytest.mark.parametrize(("name", "options", "data"), HEALTHY)
def test_a_healthy_training_is_not_commented_on(name, options, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    mg.manual_seed(0)
    dataset = PHOTOS if data == "photos" else mg.data.load(data)
    chosen = mg.models.family(name).data_options(dataset) | {"latent": 8, "width": 8, "lr": 1e-3} | options
    batches = Loader(dataset, batch_size=12 if data == "photos" else 32, seed=0, drop_last=True)
    outcome = fit(build(name, **chosen), batches, new_run(tmp_path / "run"), steps=108)
    assert outcome.step == 108 and outcome.warnings == () and not notes(capsys)


def plain_model(**more):
    return types.SimpleNamespace(**{"optimizers": {}, "diagnose": lambda means: {}, "reference_levels": dict} | more)


def test_what_passes_is_not_said():
    seen = iter([{"a": "1"}, {}, {"a": "2", "b": "3"}, {"a": "4", "b": "5"}, {"a": "6", "b": "7"}, {"a": "8"}])
    diagnostics = Diagnostics(plain_model(diagnose=lambda means: next(seen)), None, total=48)
    images, said = np.zeros((4, 1, 2, 2)), []
    for step in range(1, 49):
        diagnostics.update({"loss_g": 0.0})
        if step % diagnostics.window == 0:
            said.append(diagnostics.new_warnings(images))
    assert said == [[], [], [], [], ["6", "7"], []]  # first seen, passed, first seen, lasts, lasts, said


@pytest.mark.parametrize(
    ("losses", "levels", "words"),
    [
        ([1.4] * 30 + [1e5] * 78, {"loss_g": 0.693}, r"loss_g is 1e\+05, where an undecided discriminator gives 0.693"),
        ([0.7] * 108, {"loss_g": 0.693}, ""),
        ([0.7] * 30 + [1e5] * 20 + [0.7] * 58, {"loss_g": 0.693}, ""),  # passes
        ([5.0] * 30 + [-3e4] * 78, {}, r"loss_g is -3e\+04: the training has left"),
        ([5.0] * 30 + [-400.0] * 78, {}, ""),  # scores of a critic have no scale
        ([0.7] * 30 + [math.nan] * 78, {"loss_g": 0.693}, "loss_g is nan"),  # no comparison lets it pass
    ],
)
def test_losses_out_of_range_are_noticed(losses, levels, words):
    diagnostics = Diagnostics(plain_model(reference_levels=lambda: levels), None, total=len(losses))
    for loss in losses:
        diagnostics.update({"loss_g": loss})
    said = diagnostics.new_warnings(np.zeros((4, 1, 2, 2)))
    assert bool(said) == bool(words) and (not words or re.search(words, said[0]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda images: images * math.nan, "the same image"),
        (lambda images: images[[0, 0, 0, 1, 1, 1, 2, 2, 2]], "25% of the pairs of samples are the same image"),
        (np.sign, "100.0% of the samples' pixels are black or white"),
        (lambda images: images[::-1] * 0.99, ""),
    ],
)
def test_samples_beside_the_data(change, words):
    images = np.random.default_rng(0).uniform(-1, 1, (9, 1, 4, 4))
    diagnostics = Diagnostics(plain_model(), images, total=80)
    for _ in range(80):
        diagnostics.update({"loss_g": 0.0})
    said = diagnostics.new_warnings(change(images))
    assert bool(said) == bool(words) and (not words or words in said[0])


def test_a_checkpoint_of_another_architecture_is_refused_with_the_differences(tmp_path, uninterrupted):
    with pytest.raises(
        CheckpointError, match=r"does not fit: .*generator\.6\.weight has shape \(32, 256\), expected \(48, 256\)"
    ):
        fit(fresh(width=3), loader(), uninterrupted, EPOCHS, resume=True, progress=False)
    with pytest.raises(CheckpointError, match=r"does not fit: .*(missing|unexpected) "):
        fit(fresh(width=None, network="conv_k5_dropout"), loader(), uninterrupted, EPOCHS, resume=True, progress=False)


def test_other_data_is_refused(uninterrupted):
    with pytest.raises(CheckpointError, match="the data gives 5 batches an epoch, not 4 as before"):
        fit(fresh(), loader(5), uninterrupted, EPOCHS, resume=True, progress=False)


def test_without_matplotlib_the_run_goes_on_and_says_so(tmp_path, monkeypatch, capsys):
    def missing(*_):
        raise ModuleNotFoundError("matplotlib is not installed: python -m pip install ...")

    monkeypatch.setattr("minigen.plot.training_curves", missing)
    run = new_run(tmp_path / "run")
    fit(fresh(), loader(2), run, 2)
    assert not run.curves.exists()
    assert capsys.readouterr().err.count("no picture of the losses: matplotlib is not installed") == 1


def test_every_epoch_is_reported(tmp_path, capsys):
    fit(fresh(), loader(2), new_run(tmp_path / "run"), 2)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch")]
    assert [line.split()[1] for line in lines] == ["1/2", "2/2"]
    assert all("loss_d" in line and "loss_g" in line and "img/s" in line for line in lines)


def test_a_picture_of_classes_has_a_column_for_each_with_its_name(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    drawn = []
    table = mg.plot.ImageTable
    monkeypatch.setattr(
        "minigen.plot.ImageTable", lambda *args, **options: drawn.append(options) or table(*args, **options)
    )
    run = new_run(tmp_path / "run")
    fit(family("cgan"), labelled_loader(), run, steps=1, progress=False)
    assert drawn == [{"columns": ("a", "b", "c")}] * 2
    for epoch in (0, 1):
        with Image.open(run.samples(epoch)) as picture:
            assert max(picture.size) >= 600


def test_steps_end_a_run_in_the_middle_of_an_epoch_and_it_can_be_prolonged(tmp_path, uninterrupted):
    with pytest.raises(ValueError, match="expected one of epochs and steps, got epochs=1, steps=2"):
        fit(fresh(), loader(), new_run(tmp_path / "both"), 1, steps=2)
    with pytest.raises(ValueError, match="expected epochs or steps of at least 1, got 0"):
        fit(fresh(), loader(), new_run(tmp_path / "none"), steps=0)
    run, straight = new_run(tmp_path / "run"), new_run(tmp_path / "straight")
    steps = BATCHES + 1
    part = fit(fresh(lr_decay=0.0), loader(), run, steps=steps, progress=False)
    assert (part.step, part.epoch, part.interrupted) == (steps, 1, False)
    assert run.samples(2).exists()  # also of an epoch that is not whole
    fit(fresh(lr_decay=0.0), loader(), run, steps=EPOCHS * BATCHES, resume=True, progress=False)
    fit(fresh(lr_decay=0.0), loader(), straight, EPOCHS, progress=False)
    assert_same_run(run, straight)


def test_curves_take_a_small_share_of_the_time(tmp_path, monkeypatch):
    now, drawn, reports = [0.0], [], []

    def draw(*_):
        drawn.append(len(reports) + 1)
        now[0] += 10.0

    def after_epoch(report):
        reports.append(report)
        now[0] += 20.0

    monkeypatch.setattr("minigen.train.loop.time", types.SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr("minigen.plot.training_curves", draw)
    fit(fresh(), loader(1), new_run(tmp_path / "run"), 24, progress=False, on_epoch=after_epoch)
    assert drawn == [1, 11, 21, 24]  # 10 seconds of drawing, then 200 without; always after the last epoch


def test_a_callback_gets_every_epoch_and_many_short_ones_leave_few_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr("minigen.plot.training_curves", lambda *_: None)
    monkeypatch.setattr("minigen.train.loop.MAX_REPORTS", 3)
    reports, run = [], new_run(tmp_path / "run")
    fit(fresh(), loader(1), run, 8, progress=False, on_epoch=reports.append)
    assert [(report.epoch, report.step) for report in reports] == [(3, 3), (6, 6), (8, 8)]
    assert [path.name for path in sorted(run.samples(0).parent.iterdir())] == [
        f"epoch-000{i}.png" for i in (0, 3, 6, 8)
    ]
    rows = [line.split(",") for line in run.log.read_text().splitlines()]
    assert reports[0].means["loss_d"] == pytest.approx(np.mean([float(row[3]) for row in rows[1:4]]))
    assert reports[0].images.shape == (64, 1, 8, 8)


class BrokenStream:
    """The error stream of a terminal that was closed."""

    def isatty(self):
        return True

    def write(self, text):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    flush = fileno = lambda self: self.write("")


def test_a_closed_terminal_does_not_end_a_training(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stderr", BrokenStream())
    model = interrupted(2)
    model.number = getattr(signal, "SIGHUP", signal.SIGTERM)
    assert fit(model, loader(), new_run(tmp_path / "run"), 1).step == 2
    assert fit(fresh(), loader(), new_run(tmp_path / "run2"), 1).step == BATCHES


@pytest.mark.parametrize(("kernel", "shown"), [(True, True), (False, False)])
def test_a_bar_is_shown_in_a_notebook_and_not_where_its_packages_are_only_imported(kernel, shown, monkeypatch):
    shell = types.SimpleNamespace(kernel=object()) if kernel else None
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    bar = _progress_bar(10, 0, True)
    assert bar.disable is not shown
    bar.close()


@pytest.mark.parametrize("width", [80, 60])
def test_the_bar_fits_the_terminal_and_has_room(width, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_: os.terminal_size((width, 24)))
    bar = _progress_bar(100_000, 99_999, True)
    bar.set_description_str("epoch 12/16", refresh=False)
    bar.set_postfix_str("loss_d 0.638  loss_g 2.07", refresh=True)
    line = sys.stderr.getvalue().split("\r")[-1]
    assert len(line.rstrip("\x1b[A\n")) <= width - 1
    assert "epoch 12/16" in line and ("loss_g 2.07" in line or width < 80)
    bar.close()


@settings(max_examples=4)
@given(data=st.data())
def test_signals_at_any_moment_of_a_training_lose_nothing(tmp_path_factory, uninterrupted, data):
    """At the n-th call of a function, for a random n; a signal outside of `fit` goes to who handled it before."""
    run = new_run(tmp_path_factory.mktemp("signals") / "run")
    numbers = [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)]
    before = {number: signal.signal(number, lambda *_: None) for number in set(numbers)}
    patch = pytest.MonkeyPatch()
    patch.setattr("minigen.plot.training_curves", lambda *_: None)  # takes longer than the training
    try:
        for _ in range(3):
            left = [data.draw(st.integers(1, 300_000))]
            number = data.draw(st.sampled_from(numbers))

            def count(frame, event, argument, left=left, number=number):
                left[0] -= 1
                if left[0] == 0:
                    signal.raise_signal(number)

            sys.setprofile(count)
            try:
                result = fit(fresh(), loader(), run, EPOCHS, resume=True, progress=False)
            finally:
                sys.setprofile(None)
            if not result.interrupted:
                break
        else:
            fit(fresh(), loader(), run, EPOCHS, resume=True, progress=False)
    finally:
        patch.undo()
        for each, handler in before.items():
            signal.signal(each, handler)
    assert_same_run(run, uninterrupted)


VICTIM = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_train import fresh, loader, new_run
from minigen.train import Run, fit
path = Path({path!r})
run = Run(path) if (path / "config.json").exists() else new_run(path)
print("ready", flush=True)
fit(fresh(), loader(), run, {epochs}, resume=True, checkpoint_every=1, progress=False)
"""


def test_killed_at_any_moment_a_run_reaches_the_same_weights(tmp_path):
    epochs = 8
    straight = new_run(tmp_path / "straight")
    fit(fresh(), loader(), straight, epochs, checkpoint_every=1, progress=False)
    path = tmp_path / "run"
    script = VICTIM.format(tests=os.path.dirname(__file__), path=str(path), epochs=epochs)
    chance = random.Random(0)
    kills = 0
    while True:
        victim = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        try:
            victim.stdout.read(5)
            if kills < 4:
                time.sleep(chance.uniform(0, 0.4))
                victim.kill()
                kills += 1
            victim.wait(60)
        finally:
            victim.kill()
            victim.stdout.close()
            victim.wait()
        if victim.returncode == 0:
            break
    assert kills
    assert_same_run(Run(path), straight)


KILLED_EPOCHS = 12


def victim(path, ready):
    """A training that goes on from where the folder is; `ready` is set just before."""
    run = Run(path) if (path / "config.json").exists() else new_run(path)
    ready.set()
    fit(fresh(lr_decay=0.0), loader(), run, KILLED_EPOCHS, resume=True, checkpoint_every=1, progress=False)


@pytest.mark.fuzz
@pytest.mark.skipif("forkserver" not in multiprocessing.get_all_start_methods(), reason="processes fork from one")
@pytest.mark.parametrize("names", ["SIGKILL", "SIGINT SIGTERM SIGHUP SIGKILL"])
def test_200_signals_at_random_moments_leave_the_exact_state_of_some_step(names, tmp_path):
    """After each the folder is that of an uninterrupted run, so far."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["test_train"])
    straight, states = new_run(tmp_path / "straight"), {}
    for step in range(1, KILLED_EPOCHS * BATCHES + 1):
        fit(fresh(lr_decay=0.0), loader(), straight, steps=step, resume=True, progress=False)
        state = final_state(straight)
        states[step] = {name: state[name] for name in ("model", "optimizers")}
    whole = new_run(tmp_path / "whole")
    fit(fresh(lr_decay=0.0), loader(), whole, KILLED_EPOCHS, checkpoint_every=1, progress=False)
    chance, counts, runs, path = random.Random(1), dict.fromkeys(names.split(), 0), 0, None
    while sum(counts.values()) < 200 or path is not None:
        path = path or tmp_path / f"run{runs}"
        ready = context.Event()
        process = context.Process(target=victim, args=(path, ready))
        process.start()
        assert ready.wait(60)
        if sum(counts.values()) < 200:
            time.sleep(chance.expovariate(1 / 0.08))
            name = chance.choice(list(counts))
            if process.is_alive():
                os.kill(process.pid, getattr(signal, name))
                counts[name] += 1
        process.join(60)
        assert not process.is_alive()
        step = Run(path).load()["counters"]["step"] if Run(path).checkpoints() else 0
        if step:
            state = final_state(Run(path))
            assert same({name: state[name] for name in states[step]}, states[step]), (counts, step)
        if step == KILLED_EPOCHS * BATCHES:
            assert_same_run(Run(path), whole)
            path, runs = None, runs + 1
    print(counts, "in", runs, "runs")
