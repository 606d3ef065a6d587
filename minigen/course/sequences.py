"""The exercises of lesson 17, *Sequences*, and the stored models that it samples from."""

import json
from typing import Any

import numpy as np

from ..audio import FLOOR
from ..models import SequenceGAN, build
from . import call, close, exercise
from ._compare import match_letters, random_array
from ._probe import probing

__all__ = ["bptt", "carried_state", "gru_gradient", "magnitudes", "unbiased_mmd", "which_is_better"]


def _file() -> Any:
    """The file that ``lessons/reference/make_sequences.py --store`` writes."""
    from ..lessons import FOLDER

    return np.load(FOLDER / "reference" / "sequences.npz")


def stored(name: str) -> np.ndarray:
    """Return an array of the lesson's file."""
    with _file() as file:
        array: np.ndarray = file[name]
    return array


def stored_model(name: str) -> SequenceGAN:
    """Return a trained model, "power" or "notes"; its critic is not stored."""
    model = build("rcgan", **json.loads(str(stored(f"{name}/options"))))
    assert isinstance(model, SequenceGAN)
    state = model.state_dict()
    with _file() as file:
        weights = [key for key in file.files if key.startswith(f"{name}/") and not key.endswith("/options")]
        state.update({key.partition("/")[2]: file[key].astype(np.float32) for key in weights})
    model.load_state_dict(state)
    model.eval()
    return model


def _run(x: np.ndarray, h: np.ndarray, w: np.ndarray, u: np.ndarray) -> list[np.ndarray]:
    """All states of h_t = tanh(W x_t + U h_(t-1)), h_0 first."""
    states = [h]
    for step in x:
        states.append(np.tanh(w @ step + u @ states[-1]))
    return states


def _through_time(states: list[np.ndarray], u: np.ndarray, g: np.ndarray, before: int = 1, **faults: bool) -> Any:
    """The gradient of U, or what a usual mistake makes of it."""
    gradient, total = np.zeros_like(u), g
    for t in range(len(states) - 1, 0, -1):
        d = total if faults.get("no_slope") else total * (1 - states[t] ** 2)
        if faults.get("early_slope"):
            d = total * (1 - states[t - 1] ** 2)
        if faults.get("plus"):
            d = total * (1 + states[t] ** 2)
        if faults.get("not_squared"):
            d = total * (1 - states[t])
        if faults.get("overwritten"):
            gradient = np.zeros_like(u)
        gradient += np.outer(d, states[t - before]) if not faults.get("turned") else np.outer(states[t - 1], d)
        if faults.get("last"):
            break
        if faults.get("same"):
            continue
        back = total if faults.get("slopeless_way") else d
        total = back if faults.get("no_u") else (u if faults.get("not_transposed") else u.T) @ back
    return gradient


def _probe_states(answer: Any, states: list[np.ndarray], u: np.ndarray, g: np.ndarray) -> Any:
    return probing(lambda U, g: answer(list(states), U, g), lambda U, g: _through_time(states, U, g), u, g)


@exercise("17.1", "backpropagation through time")
def bptt(answer: Any) -> None:
    """``bptt(states, U, g)`` is the gradient of U; states: T + 1 arrays (H,), h_0 first; g (H,) the gradient of h_T."""
    for steps in (1, 4):
        w, u, x = random_array(1, 3, 2), 0.7 * random_array(2, 3, 3), random_array(3, steps, 2)
        states, g = _run(x, random_array(4, 3), w, u), random_array(5, 3)
        mistakes = [
            (_through_time(states, u, g, last=True), "This is the last step only. U is used in every step, so the "
             "gradient has a term for each: go back to the first."),
            (_through_time(states, u, g, no_slope=True), "Where is the slope of tanh? Before the tanh the gradient is "
             "g (1 - h_t^2)."),
            (_through_time(states, u, g, before=0), "U is multiplied by the state *before* the step, h_(t-1), so that "
             "is the second factor."),
            (_through_time(states, u, g, turned=True), "This is the transpose: U_ij connects h_j to unit i, so row i "
             "belongs to the gradient d and column j to the state."),
            (_through_time(states, u, g, early_slope=True), "The slope of the tanh is 1 - h_t^2 with the state "
                                                            "*after* the step, "
             "not the one before."),
            (_through_time(states, u, g, plus=True), "Look at the sign: the slope of the tanh is 1 - h_t^2."),
            (_through_time(states, u, g, not_squared=True), "The slope of the tanh is 1 - h_t^2: the square is "
                                                            "missing."),
            (_through_time(states, u, g, overwritten=True), "Only one step is kept: the terms of all steps are "
                                                            "added, +=."),
            (_through_time(states, u, g, slopeless_way=True), "On the way back it is d, not g, that is multiplied by U "
             "transposed: the slope of the tanh is part of each step."),
            (_through_time(states, u, g, same=True), "g stays the same for all steps. It has to go back: g_(t-1) is U "
             "transposed times d_t."),
            (_through_time(states, u, g, no_u=True), "On the way back U is missing: g_(t-1) is U transposed times "
                                                     "d_t."),
            (_through_time(states, u, g) / steps, "This is a mean over the steps. The gradient is the sum."),
            (_through_time(states[1:], u, g), "The first step is left out: t goes down to 1, whose state before is "
                                              "h_0."),
            (_through_time(states, u, g, not_transposed=True), "Going back, d is multiplied by U transposed."),
        ]  # fmt: skip
        close(f"bptt(states, U, g) of {steps} step{'s' * (steps > 1)}", call(answer, list(states), u, g),
              _through_time(states, u, g), mistakes,
                probe=_probe_states(answer, states, u, g))  # fmt: skip


def _sigmoid(x: np.ndarray) -> np.ndarray:
    y: np.ndarray = 0.5 + 0.5 * np.tanh(x / 2)
    return y


def _probe_gates(answer: Any, place: int, *arguments: np.ndarray) -> Any:
    return probing(answer, lambda g, r, z, m, b_n, h: _gates(g, r, z, m, b_n, h)[place], *arguments, place=place)


def _gates(
    g: np.ndarray, r: np.ndarray, z: np.ndarray, m: np.ndarray, b_n: np.ndarray, h: np.ndarray
) -> list[np.ndarray]:
    """The gradients of b_r, b_z, b_n and h."""
    d_n = g * (1 - z) * (1 - m**2)
    return [d_n * b_n * r * (1 - r), g * (h - m) * z * (1 - z), d_n * r, g * z]


@exercise("17.2", "the gradient of a GRU's gates")
def gru_gradient(answer: Any) -> None:
    """``gru_gradient(g, r, z, m, b_n, h)`` is the tuple of gradients of b_r, b_z, b_n and h; all are arrays (N, H)."""
    g, a, b, h = (random_array(seed, 2, 3 if seed in (1, 4) else 9) for seed in (1, 2, 3, 4))
    (a_r, a_z, a_n), (b_r, b_z, b_n) = np.split(a, 3, 1), np.split(b, 3, 1)
    r, z = _sigmoid(a_r + b_r), _sigmoid(a_z + b_z)
    m = np.tanh(a_n + r * b_n)
    d_n = g * (1 - z) * (1 - m**2)
    right = {
        "b_r": d_n * b_n * r * (1 - r),
        "b_z": g * (h - m) * z * (1 - z),
        "b_n": d_n * r,
        "h": g * z,
    }
    mistakes = {
        "b_r": [
            (d_n * r * (1 - r), "r is multiplied by b_n before the tanh: that factor is missing."),
            (g * (1 - z) * b_n * r * (1 - r), "The slope of the tanh is missing: 1 - m^2."),
            (d_n * b_n * (1 - r**2), "A gate is a sigmoid: its slope is r (1 - r). 1 - r^2 is that of a tanh."),
            (g * (h - m) * z * (1 - z), "This is the gradient of b_z. The order is b_r, b_z, b_n, h."),
            (d_n * r, "This is the gradient of b_n. The order is b_r, b_z, b_n, h."),
            (d_n * b_n, "The slope of the sigmoid is missing: r (1 - r)."),
            (g * z * (1 - m**2) * b_n * r * (1 - r), "z and 1 - z are exchanged: m enters h' with the factor 1 - z."),
        ],
        "b_z": [
            (g * (m - h) * z * (1 - z), "The sign: h' = m + z (h - m), so z is multiplied by h - m."),
            (g * (h - m) * (1 - z**2), "A gate is a sigmoid: its slope is z (1 - z). 1 - z^2 is that of a tanh."),
            ((h - m) * z * (1 - z), "Where is g? It is the gradient of h'."),
            (-g * m * z * (1 - z), "z occurs twice in h' = (1 - z) m + z h; this is the first place only."),
            (g * (h - m), "The slope of the sigmoid is missing: z (1 - z)."),
            (g * h * z * (1 - z), "z occurs twice in h' = (1 - z) m + z h; this is the second place only."),
        ],
        "b_n": [
            (d_n, "That is the gradient of a_n. b_n is multiplied by r first."),
            (g * z * (1 - m**2) * r, "z and 1 - z are exchanged: m enters h' with the factor 1 - z."),
            (g * (1 - z) * r, "The slope of the tanh is missing: 1 - m^2."),
        ],
        "h": [
            (g * (1 - z), "z and 1 - z are exchanged: where z is 1, h is kept."),
            (g, "h is multiplied by z."),
            (z, "Where is g? It is the gradient of h'."),
        ],
    }
    results = call(answer, g, r, z, m, b_n, h, expect=4)
    for place, ((name, value), result) in enumerate(zip(right.items(), results)):
        close(
            f"gru_gradient(...), the gradient of {name}",
            result,
            value,
            mistakes[name],
            probe=_probe_gates(answer, place, g, r, z, m, b_n, h),
        )


@exercise("17.3", "a state that is carried on")
def carried_state(answer: Any) -> None:
    """The letters of what is true of the loop, as a string."""
    match_letters(answer, set("abe"), {
        "a": "a is true: the first backward pass freed the graph that made h, and the second one needs it. (If it were "
             "kept, every pass would go through all batches before.)",
        "b": "b is true: batch 2 holds other days. What the state says is about the days of batch 1.",
        "c": "c is false: the weights are the same in every step and batch; a state is no weight.",
        "d": "d is false: detach ends the graph (a), and the state is still that of other sequences (b).",
        "e": "e is true: one long recording, cut into pieces in order, goes on where it stopped. Then carry the state "
             "on, detached.",
    })  # fmt: skip


@exercise("17.4", "MMD without the pairs i = j")
def unbiased_mmd(answer: Any) -> None:
    """``unbiased_mmd(xx, xy, yy)`` is the squared MMD from kernels: xx (N, N), xy (N, M), yy (M, M)."""

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        k: np.ndarray = np.exp(-((a[:, None] - b) ** 2).sum(-1) / 4)
        return k

    x = random_array(1, 7, 3)
    for y in (random_array(2, 5, 3) + 0.5, x[:5]):  # of some of the same days the estimate is below 0
        xx, xy, yy = kernel(x, x), kernel(x, y), kernel(y, y)
        n, m = len(x), len(y)
        off_x, off_y = (xx.sum() - np.trace(xx)), (yy.sum() - np.trace(yy))
        right = off_x / (n * (n - 1)) + off_y / (m * (m - 1)) - 2 * xy.mean()
        means = off_x / (n * (n - 1)) + off_y / (m * (m - 1))
        biased = xx.mean() + yy.mean() - 2 * xy.mean()
        mistakes = [
            (xx.mean() + yy.mean() - xy.mean(), "The pairs i = j are in it; and the mixed term counts twice."),
            (off_x + off_y - 2 * xy.sum(), "These are sums. Each is divided by the number of its pairs: means."),
            (biased, "The pairs i = j are in it: their kernel is 1, so two samples of one distribution get a positive "
             "number. Leave the diagonals of xx and yy out."),
            (off_x / n**2 + off_y / m**2 - 2 * xy.mean(), "The sums leave the diagonal out, so divide by the number of "
             "the remaining pairs, n (n - 1)."),
            (off_x / (n * (n - 1)) + off_y / (m * (m - 1)) - xy.mean(), "The mixed term counts twice: (a - b)^2 has "
                                                                        "-2ab."),
            (xx.sum() / (n * (n - 1)) + yy.sum() / (m * (m - 1)) - 2 * xy.mean(), "The diagonal is still in the "
                                                                                  "sums: leave the pairs "
             "i = j out of them, too."),
            (means - 2 * (xy.sum() - np.trace(xy)) / (xy.size - min(n, m)), "In xy a real day meets a drawn one: "
                                                                            "there is no pair "
             "of a day with itself, and nothing is left out."),
            (means - 2 * (xy.sum() - np.trace(xy)) / xy.size, "In xy a real day meets a drawn one: nothing is left "
                                                              "out."),
            (off_x / 2 / (n * (n - 1)) + off_y / 2 / (m * (m - 1)) - 2 * xy.mean(), "Each pair is counted once, but "
                                                                                    "there are "
             "n (n - 1) / 2 such pairs: this is half of the mean."),
            (off_x / (n * (n - 1)) + off_y / (n * (n - 1)) - 2 * xy.sum() / n**2, "There are M drawn days, not N: "
                                                                                  "each mean has its "
             "own number of pairs."),
            (max(right, 0.0), "A negative estimate is cut off at 0. Without bias means that it may be below 0 by "
                              "chance."),
            (abs(right), "An estimate without bias may be below 0 by chance: no absolute value."),
            (np.sqrt(max(right, 0)), "This is its root; the squared MMD is asked for."),
            (-right, "The sign: equal pairs count plus, mixed pairs minus."),
        ]  # fmt: skip
        close("unbiased_mmd(xx, xy, yy)", np.asarray(call(answer, xx, xy, yy)), np.asarray(right), mistakes)


@exercise("17.5", "which generator is better?")
def which_is_better(answer: Any) -> None:
    """The letters of what the numbers allow to say, as a string."""
    match_letters(answer, set("bcd"), {
        "a": "a does not follow: the classifier uses what separates the classes, above all the means. The normal "
             "distribution has these right, and little else is asked.",
        "b": "b follows: the MMD compares whole distributions, and there the normal distribution is far off.",
        "c": "c follows: the classifier needs the difference of the classes only.",
        "d": "d follows: with the kernel's width of this page it is far above that of real days.",
        "e": "e does not follow: the MMD of the drawn days is above that of real ones too.",
    })  # fmt: skip


@exercise("17.6", "back to magnitudes")
def magnitudes(answer: Any) -> None:
    """``magnitudes(frames, mean, deviation)`` undoes (log(0.01 + M) - mean) / (3 deviation), never below 0."""
    mean, deviation = random_array(1, 6), 0.5 + random_array(2, 6) ** 2
    frames = random_array(3, 4, 6).clip(-1, 1)
    logs = 3 * deviation * frames + mean
    right = np.maximum(np.exp(logs) - FLOOR, 0)
    mistakes = [
        (logs, "These are logarithms. Griffin-Lim takes magnitudes: their exponential is missing."),
        (np.maximum(logs, 0), "These are logarithms. Griffin-Lim takes magnitudes: their exponential is missing."),
        (np.exp(logs), "The 0.01 was added before the logarithm; subtract it: else silence hisses."),
        (np.exp(logs) - FLOOR, "Some are negative; a magnitude is at least 0."),
        (np.maximum(np.exp(deviation * frames + mean) - FLOOR, 0), "Frames were divided by *three* deviations."),
        (np.maximum(np.exp(frames) - FLOOR, 0), "Undo the standardization: times 3 deviation, plus mean."),
        (np.maximum(np.exp(3 * deviation * (frames + mean)) - FLOOR, 0), "Multiply first, then add the mean."),
        (np.maximum(np.exp(frames / (3 * deviation) + mean) - FLOOR, 0), "Multiply by 3 deviations: the frames were "
                                                                         "divided by "
         "them."),
        (np.maximum(np.exp(logs - 2 * mean) - FLOOR, 0), "Add the mean: it was subtracted."),
        (np.exp(logs) + FLOOR, "The 0.01 was added before the logarithm: subtract it."),
        (np.exp(logs - FLOOR), "The 0.01 is subtracted from the magnitude, after exp, not from its logarithm."),
        (np.maximum(np.exp(logs) - FLOOR, FLOOR), "A magnitude may be 0: cut at 0, not at 0.01."),
        (abs(np.exp(logs) - FLOOR), "Negative ones become 0, not positive: np.maximum(..., 0)."),
        (np.maximum(np.expm1(logs), 0), "expm1 subtracts 1; the logarithm was of 0.01 + M: subtract 0.01."),
        (np.maximum(10**logs - FLOOR, 0), "It was the natural logarithm."),
    ]  # fmt: skip
    close(
        "magnitudes(frames, mean, deviation)",
        call(answer, frames, mean, deviation),
        right,
        mistakes,
        probe=probing(
            answer,
            lambda frames, mean, deviation: np.maximum(np.exp(3 * deviation * frames + mean) - FLOOR, 0),
            frames,
            mean,
            deviation,
        ),
    )
