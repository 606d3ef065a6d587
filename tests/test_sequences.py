"""Series and sound: data, audio tools, recurrent GANs, their numbers, and the command line."""

import importlib.util
import struct
import wave

import numpy as np
import pytest

import minigen as mg
from minigen.audio import (
    cents,
    fundamental,
    griffin_lim,
    istft,
    key_frequency,
    log_spectrogram,
    read_wav,
    stft,
    write_wav,
)
from minigen.cli import main
from minigen.cli.melody import parse_melody
from minigen.data import Dataset
from minigen.data.series import read_ts
from minigen.data.sound_font import SoundFont
from minigen.metrics.sequence import class_gaussians, in_tune, logistic_regression, mmd, nearest_neighbor, tstr

needs_sktime = pytest.mark.skipif(importlib.util.find_spec("sktime") is None, reason="needs the extra sequences")
needs_notes = pytest.mark.skipif(importlib.util.find_spec("pretty_midi") is None, reason="needs the extra sequences")
RATE = 8000


def tone(frequency, samples=2048, partials=5, seed=0):
    """A sum of harmonics with random phases and falling loudness."""
    rng, t = np.random.default_rng(seed), np.arange(samples) / RATE
    x = sum(np.sin(2 * np.pi * k * frequency * t + rng.uniform(0, 6)) / k for k in range(1, partials + 1))
    return x / np.abs(x).max()


def pitch_by_difference(x, low=150, high=900):
    """An independent pitch: the lag at which the sound differs least from itself (YIN, de Cheveigné 2002)."""
    lags, half = np.arange(1, int(RATE / low) + 2), len(x) // 2
    d = np.array([((x[:half] - x[lag : lag + half]) ** 2).sum() for lag in lags])
    d = d * lags / np.maximum(np.cumsum(d), 1e-12)
    first = int(RATE / high)
    below = [i for i in range(first, len(d) - 1) if d[i] < 0.15 and d[i] <= d[i + 1]]
    i = below[0] if below else first + int(np.argmin(d[first:-1]))
    a, b, c = d[i - 1 : i + 2]
    return RATE / (lags[i] + 0.5 * (a - c) / (a - 2 * b + c))


# ---- data


def test_a_set_of_series_or_sounds():
    series = Dataset("days", series=np.zeros((3, 5, 2), np.float32), labels=np.array([0, 1, 0]), classes=("a", "b"))
    assert (series.kind, series.shape, len(series.subset([1]))) == ("series", (5, 2), 1)
    sounds = Dataset("sounds", audio=np.zeros((2, 1, 7), np.float32), rate=10)
    assert (sounds.kind, sounds.rate, sounds.subset([0]).rate, sounds.audio.shape) == ("audio", 10, 10, (2, 1, 7))
    with pytest.raises(ValueError, match=r"days: has series of shape \(5, 2\), not images \(C, H, W\); use .series"):
        series.images  # noqa: B018


@pytest.mark.parametrize(("fields", "message"), [
    ({"series": np.zeros((3, 5), np.float32)}, r"series must be \(N, T, D\), got \(3, 5\); use series\[:, :, None\]"),
    ({"series": np.full((3, 5, 1), np.nan, np.float32)}, "series must be finite"),
    ({"series": np.zeros((3, 5, 1), np.float32), "points": np.zeros((3, 2), np.float32)}, "got points and series"),
    ({"audio": np.full((3, 1, 5), 2, np.float32), "rate": 8}, r"audio must be in \[-1, 1\], got 2 to 2"),
    ({"audio": np.zeros((3, 1, 5), np.float32)}, "expected audio together with its rate"),
])  # fmt: skip
def test_bad_fields_are_named(fields, message):
    with pytest.raises(ValueError, match=message):
        Dataset("mine", **fields)


HEAD = "#a comment\n@problemName mine\n@classLabel true up down\n@data\n"


def test_ts_files_are_read(tmp_path):
    path = tmp_path / "mine.ts"
    path.write_text(HEAD + "1,2.5,-3e-1:down\n0,0,1:up\n")
    series, labels, classes = read_ts(path)
    np.testing.assert_allclose(series[:, :, 0], [[1, 2.5, -0.3], [0, 0, 1]], rtol=1e-6)
    assert (labels.tolist(), classes, series.dtype) == ([1, 0], ("up", "down"), np.float32)


@pytest.mark.parametrize(("lines", "message"), [
    ("1,2:up\n1,2,3:up\n", "line 6: expected 2 steps as in the first series, got 3"),
    ("1,nan:up\n", "line 5: expected finite numbers, got NaN or infinity"),
    ("1,?:up\n", "line 5: expected numbers separated by commas, got '1,\\?'"),
    ("1,2:left\n", "line 5: expected a class of up, down, got 'left'"),
    ("1,2\n", "line 5: expected one series of numbers, a colon and a class, got '1,2'"),
    ("1,2:3,4:up\n", "line 5: expected one series"),
    ("", "expected series after a line @data, got none"),
])  # fmt: skip
def test_bad_ts_files_name_the_line(tmp_path, lines, message):
    path = tmp_path / "mine.ts"
    path.write_text(HEAD + lines)
    with pytest.raises(ValueError, match=message):
        read_ts(path)


@needs_sktime
def test_days_of_power_are_standardized_and_not_in_both_splits():
    train, test = (mg.data.load("power", split) for split in ("train", "test"))
    days = np.concatenate([train.series, test.series])[:, :, 0]
    np.testing.assert_allclose(days.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(days.std(1, ddof=1), 1, atol=1e-4)
    assert len({day.tobytes() for day in test.series} & {day.tobytes() for day in train.series}) <= 2


def sound_font(path, key_range=(0, 127), root=69, header=60, loop=True):
    """A sound font of one preset with one recording: a tone of 440 Hz, written by hand from the format's text."""

    def chunk(name, body):
        return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)

    x = np.round(20000 * np.sin(2 * np.pi * 440 * np.arange(1100) / 22000)).astype("<i2")  # 22 periods of 50 samples
    instrument = [(43, key_range[0] | key_range[1] << 8), (54, int(loop)), (58, root), (53, 0)]
    generators = {b"pgen": [(41, 0)], b"igen": instrument}
    pdta = b"".join([
        chunk(b"phdr", struct.pack("<20sHHH3I", b"tone", 5, 0, 0, 0, 0, 0) + struct.pack("<20sHHH3I", b"", 0, 0, 1, 0, 0, 0)),
        chunk(b"pbag", struct.pack("<4H", 0, 0, 1, 0)),
        chunk(b"pgen", b"".join(struct.pack("<HH", *g) for g in [*generators[b"pgen"], (0, 0)])),
        chunk(b"inst", struct.pack("<20sH", b"tone", 0) + struct.pack("<20sH", b"", 1)),
        chunk(b"ibag", struct.pack("<4H", 0, 0, 4, 0)),
        chunk(b"igen", b"".join(struct.pack("<HH", *g) for g in [*generators[b"igen"], (0, 0)])),
        chunk(b"shdr", struct.pack("<20s5IBbHH", b"a", 0, 1100, 100, 1100, 22000, header, 0, 0, 1) + bytes(46)),
    ])  # fmt: skip
    body = chunk(b"LIST", b"sdta" + chunk(b"smpl", x.tobytes())) + chunk(b"LIST", b"pdta" + pdta)
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"sfbk" + body)
    return path


@pytest.mark.parametrize("key", [57, 69, 81])
def test_a_recording_is_played_at_another_key(tmp_path, key):
    """Its loop goes on far beyond the 1,100 samples of the recording, and its root key is not the header's."""
    recording = SoundFont(sound_font(tmp_path / "a.sf2")).recording(5, key)
    x = recording.play(key, 2048, RATE)
    frequency = 440 * 2 ** ((key - 69) / 12)
    t = np.arange(2048) / RATE
    expected = np.sin(2 * np.pi * frequency * t) * 20000 / 32768
    assert np.abs(x - expected)[100:-100].max() < 0.03
    short = SoundFont(sound_font(tmp_path / "b.sf2", loop=False)).recording(5, key).play(key, 2048, RATE)
    assert np.abs(short[-500:]).max() < 0.02  # without a loop it ends


def test_sound_fonts_say_what_is_missing(tmp_path):
    font = SoundFont(sound_font(tmp_path / "a.sf2", key_range=(60, 70)))
    for preset, key, message in ((5, 128, "expected a key from 0 to 127, got 128"), (6, 60, "has no preset 6"),
                                 (5, 71, "preset 5 has no recording for key 71")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            font.recording(preset, key)
    (tmp_path / "no.sf2").write_bytes(b"RIFX1234")
    with pytest.raises(ValueError, match="expected a sound font"):
        SoundFont(tmp_path / "no.sf2")


@needs_notes
def test_the_notes_are_in_tune_by_two_measures():
    notes = mg.data.load("notes", "test", count=1)
    keys = notes.labels + 60
    share, error = in_tune(notes.audio[:, 0], keys, notes.rate)
    assert share > 0.97 and error < 15
    found = np.array([pitch_by_difference(x) for x in notes.audio[:, 0].astype(np.float64)])
    assert (np.abs(cents(found, key_frequency(keys))) < 50).mean() > 0.9


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    for name in ("power", "notes"):
        with pytest.raises(ModuleNotFoundError, match=r"minigen-lab\[sequences\]"):
            mg.data.load(name)


def test_another_file_is_refused(monkeypatch, tmp_path):
    from minigen.data import series, sound_notes

    (tmp_path / "datasets/data/ItalyPowerDemand").mkdir(parents=True)
    (tmp_path / "datasets/data/ItalyPowerDemand/ItalyPowerDemand_TRAIN.ts").write_text(HEAD + "1:up\n")
    (tmp_path / "TimGM6mb.sf2").write_bytes(b"RIFF")
    for module, load in ((series, "power"), (sound_notes, "notes")):
        monkeypatch.setattr(module, "check_installed", lambda name: str(tmp_path))
        with pytest.raises(OSError, match=f"{load}: .* has SHA-256 .*, expected .*; reinstall it"):
            mg.data.load(load)


# ---- audio


def test_stft_is_the_sum_on_the_page():
    x = np.random.default_rng(0).standard_normal(640)
    found = stft(x, 256, 64)
    padded = np.concatenate([x[96:0:-1], x, x[-2:-98:-1]])
    window = np.sin(np.pi * np.arange(256) / 256) ** 2
    for k, t in ((0, 0), (3, 2), (128, 9), (17, 5)):
        frame = padded[64 * t : 64 * t + 256] * window
        assert found[k, t] == pytest.approx((frame * np.exp(-2j * np.pi * k * np.arange(256) / 256)).sum(), abs=1e-10)
    assert found.shape == (129, 10)


@pytest.mark.torch
def test_stft_is_pytorchs():
    torch = pytest.importorskip("torch", reason="PyTorch comes with the bench extra")
    x = np.random.default_rng(0).standard_normal(1024)
    padded = torch.from_numpy(np.pad(x, 96, mode="reflect"))
    expected = torch.stft(padded, 256, 64, window=torch.hann_window(256, dtype=torch.float64), center=False,
                          return_complex=True)  # fmt: skip
    np.testing.assert_allclose(stft(x), expected.numpy(), atol=1e-10)


def test_istft_is_the_inverse_and_the_nearest_sound():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 640))
    np.testing.assert_allclose(istft(stft(x)), x, atol=1e-12)


def test_griffin_lim_comes_nearer_with_every_round_and_keeps_the_pitch():
    x = tone(330)
    wanted = np.abs(stft(x))

    def distance(rounds, momentum):
        return np.linalg.norm(np.abs(stft(griffin_lim(wanted, rounds=rounds, momentum=momentum))) - wanted)

    slow = [distance(rounds, 0) for rounds in (1, 4, 16)]
    assert slow == sorted(slow, reverse=True)
    assert distance(60, 0.99) < 0.15 * np.linalg.norm(wanted)
    found = fundamental(griffin_lim(wanted), RATE)
    assert abs(cents(found, 330.0)) < 10
    with pytest.raises(ValueError, match=r"griffin_lim: expected magnitudes of at least 0.*exponential of logarithms"):
        griffin_lim(np.log(wanted + 0.01))


@pytest.mark.parametrize("key", range(60, 73))
def test_the_pitch_of_a_tone(key):
    x = tone(key_frequency(key), seed=key)
    assert abs(cents(fundamental(x, RATE), key_frequency(key))) < 5
    assert abs(cents(pitch_by_difference(x), key_frequency(key))) < 10


def test_pitch_of_silence_and_of_what_cannot_be_measured():
    assert fundamental(np.zeros(2048), RATE) == 0
    with pytest.raises(ValueError, match="fundamental: expected 0 < low < high < rate / 2"):
        fundamental(np.zeros(2048), 1500)
    with pytest.raises(ValueError, match="two periods of 150 Hz"):
        fundamental(np.zeros(50), RATE)


def test_wav_files_come_back(tmp_path):
    x = tone(300, 400)
    write_wav(tmp_path / "a.wav", x, RATE)
    found, rate = read_wav(tmp_path / "a.wav")
    assert rate == RATE and np.abs(found - x).max() < 1 / 32767
    with wave.open(str(tmp_path / "b.wav"), "wb") as file:
        file.setnchannels(2), file.setsampwidth(1), file.setframerate(8000), file.writeframes(bytes(8))
    with pytest.raises(ValueError, match="expected one channel of 16 bits, got 2 of 8 bits"):
        read_wav(tmp_path / "b.wav")
    (tmp_path / "c.wav").write_bytes(b"RIFFxxxx")
    with pytest.raises(ValueError, match=r"c.wav: expected a WAV file"):
        read_wav(tmp_path / "c.wav")
    for sound, message in ((np.zeros((2, 3)), "one channel"), (np.full(3, np.nan), "finite samples")):
        with pytest.raises(ValueError, match=message):
            write_wav(tmp_path / "d.wav", sound, RATE)


# ---- numbers


def test_mmd_has_its_known_value_and_no_bias():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((50, 3)) + 0.7
    k = lambda a, b: np.exp(-((a[:, None] - b[None]) ** 2).sum(2) / (2 * 1.5**2))  # noqa: E731
    without = [(k(a, a).sum() - len(a)) / (len(a) * (len(a) - 1)) for a in (x, y)]
    assert mmd(x, y, 1.5) == pytest.approx(sum(without) - 2 * k(x, y).mean(), abs=1e-12)
    equal = [mmd(*rng.standard_normal((2, 30, 4))) for _ in range(200)]
    assert abs(np.mean(equal)) < 3 * np.std(equal) / np.sqrt(200) and min(equal) < 0


def test_one_number_is_not_enough():
    """Normal distributions of two classes have the accuracy of the data itself, and another MMD."""
    rng, labels = np.random.default_rng(0), np.repeat([0, 1], 200)

    def draw():
        """A number that tells the class, and a place on a circle, whose middle a normal distribution fills."""
        angle = rng.uniform(0, 2 * np.pi, 400)
        kind = 2.0 * labels - 1 + 0.2 * rng.standard_normal(400)
        return np.stack([kind, np.cos(angle), np.sin(angle)], axis=1)[:, :, None]

    train, test = draw(), draw()
    made, made_labels = class_gaussians(train, labels, 200, rng)
    real, fake = tstr(train, labels, test, labels), tstr(made, made_labels, test, labels)
    assert real["logistic"] == 1 and fake["logistic"] > 0.97
    assert mmd(test, made, 0.5) > 5 * abs(mmd(test, train, 0.5))
    np.testing.assert_allclose(made[:200].mean(0), train[:200].mean(0), atol=0.2)


def test_classifiers():
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((90, 4)), rng.integers(0, 2, 90)
    x[y == 1] += 0.8
    test = rng.standard_normal((200, 4))
    assert (logistic_regression(x, y, test) == LogisticRegression(tol=1e-10).fit(x, y).predict(test)).all()
    assert (nearest_neighbor(x, y, test) == KNeighborsClassifier(1).fit(x, y).predict(test)).all()


def test_numbers_name_what_does_not_fit():
    ones = np.ones((3, 4, 1))
    for call, message in (
        (
            lambda: mmd(ones, np.ones((3, 5, 1))),
            "expected sequences of one length, got numbers in each: real 4, generated 5",
        ),
        (lambda: mmd(ones[:1], ones), "argument 'real': expected 2 or more"),
        (lambda: mmd(ones, ones), "expected a sigma above 0, got 0"),
        (lambda: tstr(ones, [0, 1], ones, [0, 1, 0]), "a label for each of 3 generated sequences, got 2"),
        (lambda: in_tune(np.zeros((2, 9)), [60], RATE), "keys"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


# ---- models


def days(n=64):
    """Two kinds of series: rising and falling."""
    rng, labels = np.random.default_rng(0), np.arange(n) % 2
    slope = np.where(labels, -1.0, 1.0)[:, None] * np.linspace(-1, 1, 12)
    series = (2 * slope + 0.2 * rng.standard_normal((n, 12)))[:, :, None].astype(np.float32)
    return Dataset("days", series=series, labels=labels, classes=("up", "down"))


def tones(n=52):
    """Tones of two keys, in place of rendered notes."""
    labels = np.arange(n) % 2
    audio = np.stack([0.9 * tone(key_frequency(60 + 7 * label), seed=i) for i, label in enumerate(labels)])
    audio = audio.astype(np.float32)[:, None]
    return Dataset("tones", audio=audio, rate=RATE, labels=labels, classes=("60", "67"))


def build(data, name="rcgan", **options):
    family = mg.models.family(name)
    mg.manual_seed(0)
    model = family(**family.data_options(data), **options)
    model.prepare(data)
    return model


@pytest.mark.parametrize("options", [
    {"critic": "conv"}, {"critic": "dense", "loss": "wgan-gp"}, {"critic": "conv", "loss": "wgan-gp", "norm": True},
    {"critic": "recurrent", "loss": "wgan-gp", "n_critic": 2}, {"critic": "recurrent", "loss": "hinge"},
    {"ema": 0.9, "loss": "lsgan"},
])  # fmt: skip
def test_every_critic_and_loss_takes_steps(options):
    data = days()
    model = build(data, width=8, latent=4, **options)
    before = {name: value.copy() for name, value in model.state_dict().items()}
    for _ in range(4):
        numbers = model.training_step(data.batch(slice(0, 32)))
    assert all(np.isfinite(float(value)) for value in numbers.values())
    moved = [name for name, value in model.state_dict().items() if not np.array_equal(value, before[name])]
    assert {name.split(".")[0] for name in moved} >= {"generator", "discriminator"}
    samples = model.sample(4, np.random.default_rng(0), labels=[0, 1, 0, 1])
    assert samples.shape == (4, 12, 1) and np.abs(samples).max() <= model.options.scale
    assert np.array_equal(samples, model.sample(4, np.random.default_rng(0), labels=[0, 1, 0, 1]))


def test_a_recurrent_generator_learns_the_direction_of_each_class():
    data = days()
    model = build(data, width=16, latent=4, critic="dense")
    loader = mg.data.Loader(data, 32)
    for batch in (batch for epoch in range(60) for batch in loader.epoch(epoch)):
        model.training_step(batch)
    made = model.sample(40, np.random.default_rng(0))[:, :, 0]
    rising = made[:, -1] - made[:, 0]
    assert rising[0::2].mean() > 1 and rising[1::2].mean() < -1


def test_the_gradient_of_a_generator_through_its_critic():
    """Both networks of a float64 model, against differences."""
    from minigen.check import gradcheck

    model = build(days(), width=3, latent=2, critic="recurrent").to("float64")
    condition = mg.tensor(np.eye(2))

    def loss(z):
        return model.discriminate(model.generate(z, condition), condition)

    gradcheck(loss, [np.random.default_rng(0).standard_normal((2, 2))], order=1, repeats=1).raise_if_wrong()


@pytest.mark.parametrize(("name", "options"), [("rcgan", {"width": 16}), ("specgan", {"width": 4})])
def test_sound_becomes_frames_and_sound_again(name, options):
    data = tones()
    model = build(data, name, latent=4, **options)
    frames = model.to_frames(data.audio)
    assert frames.shape == (52, 32, 128) and np.abs(frames).max() <= 1
    logs = log_spectrogram(data.audio[:, 0])
    np.testing.assert_allclose(model.mean.numpy(), logs.mean((0, 2)), atol=1e-4)
    sounds = model.to_sound(frames[:8])
    share, error = in_tune(sounds, 60 + 7 * data.labels[:8], RATE)
    assert share == 1 and error < 15
    numbers = model.training_step(data.batch(slice(0, 26)))
    assert np.isfinite(float(numbers["loss_d"]))
    pictures, _ = model.preview(8, data, np.random.default_rng(0))
    assert pictures.shape == (8, 1, 128, 32)


def test_a_model_of_samples_takes_and_gives_samples():
    data = tones()
    model = build(data, "wavegan", latent=4, width=4, loss="wgan-gp", n_critic=1)
    assert model.to_frames(data.audio).shape == (52, 2048, 1)
    np.testing.assert_allclose(
        model.to_sound(model.to_frames(data.audio[:3])) * 0.9, 0.95 * data.audio[:3, 0], atol=0.06
    )
    before = {name: value.copy() for name, value in model.state_dict().items()}
    numbers = model.training_step(data.batch(slice(0, 16)))
    assert all(np.isfinite(float(value)) for value in numbers.values())
    moved = {
        name.split(".")[0] for name, value in model.state_dict().items() if not np.array_equal(value, before[name])
    }
    assert moved >= {"generator", "discriminator"}
    drawn = model.pictures(data.audio[:1].swapaxes(1, 2))
    loudest = 127 - int(drawn[0, 0].mean(1).argmax())  # low frequencies are below
    assert drawn.shape == (1, 1, 128, 32) and abs(loudest * RATE / 256 - key_frequency(60)) < RATE / 256
    for call, message in (
        (lambda: model.data_options(days()), "wavegan: learns from audio, and days has series; try --data notes"),
        (lambda: mg.models.WaveGAN(steps=90), "wavegan: .*8 to 31 samples times a power of 4, such as 2048, got 90"),
        (lambda: model.to_frames(data.audio[:, :, :1024]), "wavegan: expected sounds of 2048 steps, got 1024"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("samples", [128, 496, 2048])
def test_wave_networks_fit_each_other(samples):
    from minigen.models.networks.sequence import wave_networks

    generator, critic = wave_networks(samples, 3, 2, 2, "layer")
    made = generator(mg.ones(2, 5))
    assert made.shape == (2, samples, 1) and critic(mg.ones(2, samples, 3)).shape == (2, 1)


def test_images_become_sequences_of_rows():
    data, digits = mg.data.load("rows:digits", "test"), mg.data.load("digits", "test")
    assert (data.kind, data.shape, data.classes) == ("series", (8, 8), digits.classes)
    np.testing.assert_array_equal(data.series[5, 2], digits.images[5, 0, 2])  # a step is a row
    model = build(data, width=4)
    np.testing.assert_allclose(model.pictures(data.series[:2]), digits.images[:2], atol=1e-4)
    with pytest.raises(ValueError, match="rows: expected gray images, and shapes has 3 channels"):
        mg.data.load("rows:shapes", "test", size=16)


def test_low_frequencies_are_drawn_below():
    model = build(tones(), width=4)
    frames = -np.ones((1, 32, 128), np.float32)
    frames[0, :, 3] = 1
    assert model.pictures(frames)[0, 0, 128 - 1 - 3].min() == 1


def test_families_of_sequences_say_what_they_need():
    digits = Dataset("d", images=np.zeros((2, 1, 8, 8), np.float32), labels=np.array([0, 1]), classes=("0", "1"))
    model = build(days(), width=4)
    for call, message in (
        (lambda: model.data_options(digits), "rcgan: learns from series or audio, and d has images"),
        (lambda: mg.models.RCGAN(size=28), "rcgan: unknown option 'size': it makes sequences, not images"),
        (
            lambda: model.training_step({"series": np.zeros((2, 9, 1)), "labels": [0, 1]}),
            r"rcgan: expected series \(N, 12, 1\), got \(2, 9, 1\)",
        ),
        (lambda: model.to_frames(np.full((2, 12, 1), np.inf)), "rcgan: expected finite series"),
        (lambda: model.to_sound(np.zeros((1, 12, 1))), "rcgan: this model was trained on series, which have no sound"),
        (lambda: model.prepare(tones()), "rcgan: expected series, and tones has audio"),
        (lambda: mg.models.RCGAN(critic="big"), "critic must be one of conv, dense, recurrent"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_conv_networks_take_oblong_sizes_and_name_those_that_do_not_halve():
    from minigen.models.networks.gan import conv_networks

    generator, critic = conv_networks((128, 32), 1, 10, 4)
    images = generator(mg.ones(2, 10))
    assert images.shape == (2, 1, 128, 32) and critic(images).shape == (2, 1)
    with pytest.raises(ValueError, match=r"halves to 4 to 7 pixels.*got \(30, 32\)"):
        conv_networks((30, 32), 1)


# ---- the command line


def test_melodies_are_read():
    assert parse_melody("C D E F G") == [60, 62, 64, 65, 67]
    assert parse_melody("Bb3 c#5 a-1") == [58, 73, 9]
    for text, message in (("C H", "got 'H'"), ("", "at least one note"), ("C12", "got 'C12'")):
        with pytest.raises(ValueError, match=message):
            parse_melody(text)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with the runs of two short trainings, on sound and on series."""
    from minigen.data import registry

    monkeypatch.chdir(tmp_path)
    for name, make in (("notes", tones), ("power", days)):
        info = registry.DATASETS[name]
        monkeypatch.setitem(
            registry.DATASETS, name, type(info)(**{**vars(info), "build": lambda split, make=make: make()})
        )
    for data in ("notes", "power"):
        assert main(["train", "rcgan", "--data", data, "--steps", "3", "--width", "8", "--batch-size", "16"]) == 0
    return tmp_path / "runs"


def test_the_commands_on_a_run_of_sound(run, capsys):
    assert main(["melody", "rcgan-notes", "C G C", "--out", "tune.wav"]) == 0
    sound, rate = read_wav("tune.wav")
    assert (len(sound), rate) == (3 * 2048, RATE)
    assert main(["sample", "rcgan-notes", "--class", "67", "-n", "2", "--wav"]) == 0
    assert len(read_wav(run / "rcgan-notes/sample.wav")[0]) == 2 * 2048
    assert main(["sample", "rcgan-notes", "--out", "s.npz"]) == 0
    with np.load("s.npz") as saved:
        assert saved["sequences"].shape == (20, 32, 128) and saved["labels"].tolist() == [0] * 10 + [1] * 10
    assert main(["sample", "rcgan-power"]) == 0 and (run / "rcgan-power/sample.png").is_file()
    capsys.readouterr()
    for command, message in (
        (["sample", "rcgan-notes", "--class", "0"], "expected classes of 60, 67, got 0"),
        (["melody", "rcgan-notes", "D"], "key 62 was not learned: the model knows keys 60 to 67"),
        (["melody", "rcgan-notes", "X"], "expected notes such as C, F#, Bb or C5, separated by spaces, got 'X'"),
        (["melody", "rcgan-power", "C"], "expected a model of sound"),
        (["sample", "rcgan-power", "--wav"], "trained on series, which have no sound"),
        (["interpolate", "rcgan-notes"], "makes sequences, and this command needs images"),
        (["train", "rcgan", "--data", "digits"], "learns from series or audio, and digits has images"),
    ):
        assert main(command) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def test_a_run_of_sound_resumes_bit_for_bit(run):
    from minigen.train import load_trained

    common = ["train", "rcgan", "--data", "notes", "--width", "8", "--batch-size", "16", "--loss", "wgan-gp"]
    assert main([*common, "--steps", "6", "--run", "whole"]) == 0
    assert main([*common, "--steps", "4", "--run", "parts"]) == 0  # the rate falls over 4 steps here, so not over 6
    assert main([*common, "--steps", "4", "--run", "again", "--checkpoint-every", "2"]) == 0
    last = sorted((run / "again/checkpoints").iterdir())[-1]
    last.unlink()
    assert main(["train", "rcgan", "--run", "again", "--resume"]) == 0
    ours, theirs = load_trained("again").model.state_dict(), load_trained("parts").model.state_dict()
    assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_a_notebook_shows_a_sound_and_plays_it():
    import base64
    import io

    x = tone(440, 2100)
    shown = mg.plot.show_audio(x, RATE, "A tone.")
    page = shown._repr_html_()
    data = base64.b64decode(page.partition("data:audio/wav;base64,")[2].partition('"')[0])
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnframes()) == (RATE, 2100)
    (image,) = shown.figure.axes[0].get_images()
    drawn = image.get_array()
    assert abs(int(drawn.mean(1).argmax()) * RATE / 256 - 440) < RATE / 256
    with pytest.raises(ValueError, match="show_audio: expected a sound of 256 samples or more"):
        mg.plot.show_audio(x[:100], RATE)
