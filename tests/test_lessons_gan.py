"""Lesson 8: wrong answers to its exercises are found, and for the right reason."""

import numpy as np
import pytest

import minigen as mg
from minigen import losses
from minigen.course import gan as eighth


@pytest.fixture(autouse=True)
def _reference_kernels(reference_kernels):
    yield


def _softplus(a):
    return np.logaddexp(0, a)


def _d_loss(real=_softplus, join=False):
    def d_loss(real_logits, fake_logits):
        if join:
            return np.concatenate([_softplus(-real_logits), _softplus(fake_logits)]).mean()
        return real(-real_logits).mean() + _softplus(fake_logits).mean()

    return d_loss


def _with_sigmoids(real, fake):
    return -np.log(1 / (1 + np.exp(-real))).mean() - np.log(1 - 1 / (1 + np.exp(-fake))).mean()


def _step(detach=True, clear="before", loss=losses.non_saturating_g, judge_again=True, sign=1, retain=False):
    """A step of training with one fault, or with several."""

    def training_step(generator, discriminator, optimizer_g, optimizer_d, x, z):
        fake = generator(z)
        fake_logits = discriminator(fake.detach() if detach else fake)
        loss_d = sign * losses.minimax_d(discriminator(x), fake_logits)
        early = discriminator(fake)
        if clear == "before":
            optimizer_d.zero_grad()
        loss_d.backward(retain_graph=retain)
        if not judge_again:
            weights = [p.numpy().copy() for p in discriminator.parameters()]
            optimizer_g.zero_grad()
            loss_g = loss(early)
            for p, g in zip(generator.parameters(), mg.grad(loss_g, list(generator.parameters()))):
                p.grad = g
            assert all(np.array_equal(p.numpy(), w) for p, w in zip(discriminator.parameters(), weights))
        optimizer_d.step()
        if clear == "after":
            optimizer_d.zero_grad()
        if judge_again:
            loss_g = loss(discriminator(fake if detach != "both" else fake.detach()))
            if clear == "before":
                optimizer_g.zero_grad()
            loss_g.backward()
        optimizer_g.step()
        if clear == "after":
            optimizer_g.zero_grad()
        if clear == "end":
            optimizer_g.zero_grad()
            optimizer_d.zero_grad()
        return loss_d, loss_g

    return training_step


def _moves(d=True, g=True, swap=False, clear_d=True, clear_g=True):
    """The right step, with an optimizer that does not step, exchanged labels or a forgotten zero_grad."""

    def training_step(generator, discriminator, optimizer_g, optimizer_d, x, z):
        fake = generator(z)
        logits = discriminator(x), discriminator(fake.detach())
        loss_d = losses.minimax_d(*(logits[::-1] if swap else logits))
        if clear_d:
            optimizer_d.zero_grad()
        loss_d.backward()
        if d:
            optimizer_d.step()
        loss_g = losses.non_saturating_g(discriminator(fake))
        if clear_g:
            optimizer_g.zero_grad()
        loss_g.backward()
        if g:
            optimizer_g.step()
        return loss_d, loss_g

    return training_step


def _detached_everywhere(generator, discriminator, optimizer_g, optimizer_d, x, z):
    fake = generator(z).detach()
    loss_d = losses.minimax_d(discriminator(x), discriminator(fake))
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()
    loss_g = losses.non_saturating_g(discriminator(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_d, loss_g


def _both_losses_first(generator, discriminator, optimizer_g, optimizer_d, x, z):
    fake = generator(z)
    loss_d = losses.minimax_d(discriminator(x), discriminator(fake.detach()))
    loss_g = losses.non_saturating_g(discriminator(fake))
    for loss, optimizer in ((loss_d, optimizer_d), (loss_g, optimizer_g)):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss_d, loss_g


GUESSES = {1: "b", 2: "e", 3: "a", 4: "d", 5: "c"}


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (eighth.d_loss, lambda real, fake: -_d_loss()(real, fake), "that is V, which D wants large"),
        (eighth.d_loss, _d_loss(join=True), "for 2 real and 6 generated images"),
        (eighth.d_loss, _d_loss(join=True), "each has its own mean"),
        (eighth.d_loss, _d_loss(real=lambda a: _softplus(-a)), "2 real and 6 generated images: expected"),
        (eighth.d_loss, lambda real, fake: _d_loss()(-real, -fake), "look at the sign of each logit"),
        (eighth.d_loss, lambda real, fake: _softplus(-real).mean(), "Where are the generated images?"),
        (eighth.d_loss, _with_sigmoids, "A sigmoid was rounded to 0"),
        (eighth.d_loss, lambda real, fake: _softplus(np.append(-real, fake)), "expected shape (), got (8,)"),
        (eighth.d_loss, lambda real, fake: _d_loss()(real, fake) / 2, "the two means are added"),
        (eighth.best_d, lambda p, q, r, s: p / (p + q), "Where is the smoothing?"),
        (eighth.best_d, lambda p, q, r, s: (1 - s) * p / (p + q), "Where is real_share?"),
        (eighth.best_d, lambda p, q, r, s: r * (1 - s) * p / (r * (1 - s) * p + (1 - r) * q), "it is at log(1 - D)"),
        (eighth.best_d, lambda p, q, r, s: (1 - r) * q / (r * p + (1 - r) * q), "the probability of *generated*"),
        (eighth.best_d, lambda p, q, r, s: ((1 - s) * r * p + s * (1 - r) * q) / (r * p + (1 - r) * q), "Only the real"),
        (eighth.best_accuracy, lambda p, q, dx: np.maximum(p, q).sum() * dx, "a factor of 1/2"),
        (eighth.best_accuracy, lambda p, q, dx: np.minimum(p, q).sum() * dx / 2, "how often it is *wrong*"),
        (eighth.best_accuracy, lambda p, q, dx: abs(p - q).sum() * dx / 2, "guessing is right half the time"),
        (eighth.best_accuracy, lambda p, q, dx: ((p**2 + q**2) / (p + q)).sum() * dx / 2, "A verdict is"),
        (eighth.best_accuracy, lambda p, q, dx: np.maximum(p, q).sum() / 2, "Where is dx?"),
        (eighth.g_gradient, lambda a: -1 / (1 + np.exp(a)), "Where is 1/M?"),
        (eighth.g_gradient, lambda a: -1 / (1 + np.exp(-a)) / a.size, "the one that saturates"),
        (eighth.g_gradient, lambda a: -(1 + np.exp(-a)) / a.size, "Multiply by that of D in the logit"),
        (eighth.g_gradient, lambda a: -np.exp(-a) / (1 + np.exp(-a)) / a.size, "not finite"),
        (eighth.g_gradient, lambda a: np.exp(-_softplus(a)) / a.size, "Look at the sign"),
        (eighth.g_gradient, lambda a: -np.exp(-_softplus(a)).mean(), "expected shape (5,), got ()"),
        (eighth.training_step, _step(detach=False, clear="end", retain=True), "Detach the generated images"),
        (eighth.training_step, _step(detach=False, clear="end"), "Is a graph used twice?"),
        (eighth.training_step, _both_losses_first, "Compute it after D's optimizer has stepped"),
        (eighth.training_step, _step(clear="never"), "backward() adds to them"),
        (eighth.training_step, _step(clear="after"), "After the second step the weights of"),
        (eighth.training_step, _step(clear="after"), "G's loss left gradients in D"),
        (eighth.training_step, _step(judge_again=False), "Judge the generated images again"),
        (eighth.training_step, _step(loss=losses.minimax_g), "This is the loss that saturates"),
        (eighth.training_step, _step(sign=-1), "D became worse"),
        (eighth.training_step, _detached_everywhere, "no detach there"),
        (eighth.training_step, lambda g, d, og, od, x, z: (mg.zeros(1), mg.zeros(1)), "the weights of the"),
        (eighth.training_step, lambda *a: _step()(*a)[0], "expected both losses, loss_d and loss_g"),
        (eighth.training_step, lambda *a: _step()(*a)[::-1], "loss_d of the first step"),
        (eighth.training_step, _moves(d=False), "D did not move"),
        (eighth.training_step, _moves(g=False), "G did not move"),
        (eighth.training_step, _moves(d=False, g=False), "Neither network moved"),
        (eighth.training_step, _moves(swap=True), "Real and generated images are exchanged"),
        (eighth.training_step, _moves(clear_d=False), "D's gradients are never cleared"),
        (eighth.training_step, _moves(clear_d=False), "After the second step the weights of the discriminator"),
        (eighth.training_step, _moves(clear_g=False), "G's gradients are never cleared"),
        (eighth.training_step, lambda *a: _step()(*a)[::-1], "The two losses are exchanged"),
        (eighth.read_the_logs, {**GUESSES, 1: "c", 5: "b"}, "log 1, you say c: Look at loss_g"),
        (eighth.read_the_logs, {**GUESSES, 4: 3}, "Log 4: expected a letter from \"a\" to \"e\", got 3"),
        (eighth.read_the_logs, {1: "a"}, "Expected a dictionary with the numbers 1, 2, 3, 4, 5"),
    ],
)  # fmt: skip
def test_lesson_8_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def test_a_step_whose_weights_are_right_passes_and_a_missing_detach_is_remarked():
    assert eighth.training_step(_step()).right and not eighth.training_step(_step()).reason
    without = eighth.training_step(_step(detach=False, retain=True))
    assert without.right and "D's loss also ran back through G" in without.reason


def test_answers_not_yet_given_are_told_from_wrong_ones():
    assert eighth.training_step(lambda *a: (..., ...)).state == "not answered yet"
    assert eighth.read_the_logs({**GUESSES, 3: ...}).state == "not answered yet"


def test_the_logs_to_be_read_show_what_their_causes_predict():
    """Exercise 8.6 is only fair if every log has the symptom that its solution names."""
    data = mg.data.load("digits", size=8).images[:64]
    ends = {}
    for number, game in eighth.MYSTERIES.items():
        mg.manual_seed(0)
        model = mg.models.MLPGAN(size=8, channels=1, latent=8, width=32)
        model.gan_loss = game
        ends[number] = [model.training_step({"images": data}) for _ in range(80)][-1]
    assert ends[1]["loss_g"] < -1  # log D(G(z)) has no lower end
    assert ends[2]["loss_d"] > 1.0064 and 0.3133 < ends[2]["loss_g"] < 0.6932  # a "logit" between 0 and 1
    assert ends[2]["loss_g"] < -np.log(ends[2]["d_fake"]) - 0.1  # which the mean of -log D cannot be
    assert ends[3]["loss_d"] > 0 and ends[3]["d_real"] > ends[3]["d_fake"]
    assert ends[4]["loss_d"] < 0.1 and ends[4]["d_fake"] > 0.5
    assert ends[5]["loss_d"] < -1 and ends[5]["d_real"] < 0.2 < 0.8 < ends[5]["d_fake"]
