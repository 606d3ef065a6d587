"""Lesson 17: wrong answers to its exercises are found, and for the right reason; and what is stored with it."""

import json
import wave
from types import SimpleNamespace

import numpy as np
import pytest

from minigen import lessons
from minigen.course import sequences as seventeenth


def _bptt(slope=True, last=False, at=-1, transposed=True):
    def bptt(states, u, g):
        gradient = np.zeros_like(u)
        for t in range(len(states) - 1, 0, -1):
            d = g * (1 - states[t] ** 2) if slope else g
            gradient += np.outer(d, states[t + at])
            if last:
                break
            g = (u.T if transposed else u) @ d
        return gradient

    return bptt


def _gru(**wrong):
    def gru_gradient(g, r, z, m, b_n, h):
        d_n = g * (1 - z) * (1 - m**2)
        right = {"b_r": d_n * b_n * r * (1 - r), "b_z": g * (h - m) * z * (1 - z), "b_n": d_n * r, "h": g * z}
        given = {name: make(g, r, z, m, b_n, h, d_n) for name, make in wrong.items()}
        return tuple({**right, **given}.values())

    return gru_gradient


def _mmd(xx, xy, yy):
    return xx.mean() + yy.mean() - 2 * xy.mean()


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (seventeenth.bptt, _bptt(last=True), "last step only"),
        (seventeenth.bptt, _bptt(slope=False), "slope of tanh"),
        (seventeenth.bptt, _bptt(at=0), "*before* the step"),
        (seventeenth.bptt, _bptt(transposed=False), "U transposed"),
        (seventeenth.bptt, lambda s, u, g: _bptt()(s, u.T, g).T, "expected"),
        (seventeenth.gru_gradient, _gru(b_n=lambda g, r, z, m, b, h, d: d), "gradient of a_n"),
        (seventeenth.gru_gradient, _gru(b_n=lambda g, r, z, m, b, h, d: g * z * (1 - m**2) * r), "z and 1 - z"),
        (seventeenth.gru_gradient, _gru(b_r=lambda g, r, z, m, b, h, d: d * r * (1 - r)), "multiplied by b_n"),
        (seventeenth.gru_gradient, _gru(b_z=lambda g, r, z, m, b, h, d: g * (m - h) * z * (1 - z)), "The sign"),
        (seventeenth.gru_gradient, _gru(b_z=lambda g, r, z, m, b, h, d: g * h * z * (1 - z)), "z occurs twice"),
        (seventeenth.gru_gradient, _gru(h=lambda g, r, z, m, b, h, d: g * (1 - z)), "where z is 1, h is kept"),
        (seventeenth.carried_state, "abde", "d is false"),
        (seventeenth.carried_state, "ab", "e is true"),
        (seventeenth.carried_state, "abx", "Expected letters"),
        (seventeenth.unbiased_mmd, _mmd, "pairs i = j"),
        (
            seventeenth.unbiased_mmd,
            lambda xx, xy, yy: _mmd(xx - np.eye(len(xx)), xy, yy - np.eye(len(yy))),
            "number of the remaining pairs",
        ),
        (seventeenth.which_is_better, "abcd", "a does not follow"),
        (seventeenth.which_is_better, "bcde", "e does not follow"),
        (seventeenth.magnitudes, lambda f, m, d: 3 * d * f + m, "These are logarithms"),
        (seventeenth.magnitudes, lambda f, m, d: np.exp(3 * d * f + m), "silence hisses"),
        (seventeenth.magnitudes, lambda f, m, d: np.exp(3 * d * f + m) - 0.01, "at least 0"),
        (seventeenth.magnitudes, lambda f, m, d: np.maximum(np.exp(d * f + m) - 0.01, 0), "*three* deviations"),
    ],
)
def test_lesson_17_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_answers_not_yet_given_are_told_from_wrong_ones():
    assert seventeenth.bptt(lambda states, u, g: ...).state == "not answered yet"
    assert seventeenth.gru_gradient(lambda *arguments: ...).state == "not answered yet"


def test_the_stored_generators_draw_and_are_in_tune():
    from test_sequences import pitch_by_difference

    days = seventeenth.stored_model("power").sample(4, np.random.default_rng(0), [0, 0, 1, 1])
    assert days.shape == (4, 24, 1) and np.isfinite(days).all()
    model, keys = seventeenth.stored_model("notes"), np.array([60, 62, 64, 65, 67])
    noise = np.repeat(np.random.default_rng(0).standard_normal((1, model.latent), np.float32), 5, 0)
    melody = model.to_sound(model.decode(noise, keys - 60))
    asked = 440 * 2 ** ((keys - 69) / 12)
    heard = np.array([pitch_by_difference(sound) for sound in melody.astype(np.float64)])
    assert (np.abs(1200 * np.log2(heard / asked)) < 50).all()


def test_a_melody_asked_of_the_trained_generator_is_in_tune_by_two_measures(tmp_path, monkeypatch):
    """`minigen melody` writes a WAV of C D E F G: 95 % of the notes within 50 cents, by our measure and by YIN's."""
    from test_sequences import pitch_by_difference

    from minigen.audio import cents, fundamental, key_frequency
    from minigen.cli import main, melody

    model, keys = seventeenth.stored_model("notes"), np.array([60, 62, 64, 65, 67])
    names = [str(key) for key in range(60, 73)]
    trained = SimpleNamespace(model=model, class_names=names, step=1, run=SimpleNamespace(path=tmp_path))
    monkeypatch.setattr(melody, "opened", lambda *arguments, **options: trained)
    off: dict[str, list[float]] = {"ours": [], "YIN": []}
    for seed in range(12):  # each seed is another noise, so another instrument
        out = tmp_path / f"{seed}.wav"
        assert main(["melody", "rcgan-notes", "C D E F G", "--seed", str(seed), "--out", str(out)]) == 0
        with wave.open(str(out)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        notes = samples.reshape(5, 2048)
        heard = {"ours": fundamental(notes, 8000), "YIN": np.array([pitch_by_difference(note) for note in notes])}
        for measure, frequencies in heard.items():
            off[measure] += list(np.abs(cents(np.maximum(frequencies, 1.0), key_frequency(keys))))
    shares = {measure: float((np.array(distances) < 50).mean()) for measure, distances in off.items()}
    assert min(shares.values()) >= 0.95, shares


def test_nothing_rendered_from_the_sound_font_is_stored():
    """The cells that load the notes keep no output, and the stored file has no more than its five parts."""
    (lesson,) = [each for each in lessons.find_lessons() if each.number == 17]
    cells = json.loads(lesson.notebook.read_text(encoding="utf-8"))["cells"]
    loading = [cell for cell in cells if cell["cell_type"] == "code" and 'load("notes"' in "".join(cell["source"])]
    assert loading and all(cell["outputs"] == [] and "not-stored" in cell["metadata"]["tags"] for cell in loading)
    with np.load(lessons.FOLDER / "reference" / "sequences.npz") as file:
        parts = {name.split("/")[0] for name in file.files}
    assert parts == {"power", "notes", "spec", "wave", "rows"}
