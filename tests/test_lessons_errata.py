"""Lesson 14: wrong answers to its exercises are found, and its six logs show what their solution says."""

import numpy as np
import pytest

import minigen as mg
from minigen.course import errata as lesson


def soft(a):
    return np.logaddexp(0, a)


def _encoder(sigma=lambda v: np.exp(v / 2), noise=1.0, swap=False, kl=lambda t: t.sum(1), one=1.0, half=0.5, twice=1):
    def repaired_encoder(heads, eps):
        mu, log_var = np.split(heads, 2, axis=1)
        z = mu + noise * sigma(log_var) * eps
        if swap:
            z = log_var + np.exp(mu / 2) * eps
        return z, kl(half * (mu**2 + np.exp(twice * log_var) - one - twice * log_var))

    return repaired_encoder


LOGS = {1: "e", 2: "a", 3: "c", 4: "f", 5: "d", 6: "b"}


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (lesson.repaired_d, lambda r, f: -soft(-r).mean(), "This is the listing's loss"),
        (lesson.repaired_d, lambda r, f: -soft(-r).mean() - soft(f).mean(), "This is V"),
        (lesson.repaired_d, lambda r, f: soft(-r).mean(), "Where are the generated images?"),
        (lesson.repaired_d, lambda r, f: soft(f).mean(), "Where are the real images?"),
        (lesson.repaired_d, lambda r, f: soft(r).mean() + soft(-f).mean(), "are exchanged"),
        (lesson.repaired_d, lambda r, f: soft(-r).mean() - soft(f).mean(), "Both logarithms have a minus"),
        (lesson.repaired_d, lambda r, f: soft(-r).sum() + soft(f).sum(), "These are sums"),
        (lesson.repaired_d, lambda r, f: np.log(1 + np.exp(-r)).mean() + np.log(1 + np.exp(f)).mean(), "not 800"),
        (lesson.repaired_encoder, _encoder(sigma=np.exp), "It is that of the variance"),
        (lesson.repaired_encoder, _encoder(sigma=lambda v: v), "log_var is a logarithm"),
        (lesson.repaired_encoder, _encoder(noise=0.0), "Where is the noise?"),
        (lesson.repaired_encoder, _encoder(sigma=np.ones_like), "Where is sigma?"),
        (lesson.repaired_encoder, _encoder(sigma=lambda v: np.exp(-v / 2)), "sigma grows with log_var"),
        (lesson.repaired_encoder, _encoder(swap=True), "The means come first"),
        (lesson.repaired_encoder, lambda h, eps: (eps, _encoder()(h, eps)[1]), "This depends on nothing"),
        (lesson.repaired_encoder, _encoder(kl=lambda t: t.mean(1)), "This is a mean over the dimensions"),
        (lesson.repaired_encoder, _encoder(kl=np.sum), "one number for the whole batch"),
        (lesson.repaired_encoder, _encoder(kl=lambda t: t), "Sum over the dimensions"),
        (lesson.repaired_encoder, _encoder(half=1.0), "Where is the 1/2?"),
        (lesson.repaired_encoder, _encoder(half=-0.5), "a KL is never negative"),
        (lesson.repaired_encoder, _encoder(twice=2), "This KL takes log_var for the log of the deviation"),
        (lesson.repaired_encoder, _encoder(one=0.0), "Where is the -1?"),
        (lesson.true_sentences, {"c", "g"}, "e: true: that is data augmentation"),
        (lesson.true_sentences, "a c e g", "a: a VAE has no discriminator"),
        (lesson.true_sentences, {"x"}, "Expected letters from a to g, got 'x'"),
        (lesson.diagnosis, {**LOGS, 3: "f", 4: "c"}, "log 3, you say f: The KL is 0"),
        (lesson.diagnosis, {**LOGS, 1: 2}, 'Log 1: expected a letter from "a" to "f", got 2'),
        (lesson.diagnosis, {1: "a"}, "Expected a dictionary with the numbers 1 to 6"),
    ],
)
def test_lesson_14_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_the_logs_to_be_diagnosed_show_what_their_bugs_predict():
    logs = lesson.train_mysteries(mg.data.load("digits", size=8), steps=400)
    believed = {number: log["reconstruction"] + log["kl"] for number, log in logs.items()}
    true = {number: log["negative_elbo"] for number, log in logs.items()}
    assert true[1] > believed[1] + 1 and logs[1]["sigma"] > 0.5
    assert abs(true[2] - believed[2]) < 1e-3 and logs[2]["kl"] > 0.1
    assert logs[3]["kl"] < 0.05 and logs[3]["reconstruction"] < 1
    assert logs[4]["kl"] > 3 * logs[2]["kl"] and logs[4]["sigma"] < logs[2]["sigma"]
    assert logs[5]["kl"] > 100
    assert true[6] > believed[6] + 0.1
