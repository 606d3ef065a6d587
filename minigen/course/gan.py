"""The exercises of lesson 8, *GAN*."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import nn
from ..engine import Primitive, grad
from ..functional import softplus
from ..losses import GAN_LOSSES, minimax_d, minimax_g, non_saturating_g
from ..ops.elementwise import sigmoid
from ..optim import SGD
from ..tensor import Tensor, tensor
from . import Unanswered, Wrong, call, close, exercise
from ._compare import call_or_hint, match_causes, random_array
from ._probe import probing

__all__ = ["best_accuracy", "best_d", "d_loss", "g_gradient", "read_the_logs", "training_step"]


def _softplus(a: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, a)


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return np.exp(-_softplus(-a))


@exercise("8.1", "the loss of D, on logits")
def d_loss(answer: Any) -> None:
    """``d_loss(real, fake)`` is -mean(log D) - mean(log(1 - D)), from arrays of logits of any size."""
    for what, real, fake in (
        ("d_loss(real, fake) for 2 real and 6 generated images", 2 * random_array(2, 2), 2 * random_array(3, 6)),
        ("d_loss(real, fake)", 2 * random_array(0, 5), 2 * random_array(1, 5)),
        (
            "d_loss(real, fake) where D is sure and wrong, logits of -900 and 900",
            np.array([-900.0, 1.0]),
            np.array([900.0, -2.0]),
        ),
    ):  # fmt: skip
        on_real, on_fake = _softplus(-real), _softplus(fake)
        right = on_real.mean() + on_fake.mean()
        with np.errstate(all="ignore"):
            got = np.asarray(call(answer, real, fake))
        if got.shape == () and np.isnan(got) and abs(real).max() < 100:
            raise Wrong(f"{what}: expected {right:.6g}, got {got}. A logit may be any number, and is no probability: "
                        "it has no logarithm.")  # fmt: skip
        if got.shape == () and not np.isfinite(got):
            raise Wrong(f"{what}: expected {right:.6g}, got {got}. A sigmoid was rounded to 0, or an exponential is "
                        "too large: use log(1 + exp(a)) = np.logaddexp(0, a).")  # fmt: skip
        probabilities = [np.clip(value, 1e-12, 1) for value in (real, 1 - fake)]
        added = [-np.log(_sigmoid(side) + tiny).mean() for tiny in (1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)
                 for side in (real, -fake)]  # fmt: skip
        mistakes = [
            *((on_real_ + on_fake_, "A small number is added inside of the logarithm. It cuts the loss where D is "
                                    "sure and "
               "wrong, which matters most: use log(1 + exp(a)) = np.logaddexp(0, a).")
              for on_real_, on_fake_ in zip(added[::2], added[1::2])),
            (on_real.sum() + on_fake.sum(), "These are sums. Each expectation is a mean over its images."),
            (2 * (on_real.sum() + on_fake.sum()) / (len(real) + len(fake)),
             "This is a mean over all images together. There are two expectations: each has its own mean, whatever the "
             "number of its images is."),
            (-np.log(probabilities[0]).mean() - np.log(probabilities[1]).mean(),
             "The logits are taken for probabilities. D is the sigmoid of the logit."),
            (on_real.mean() + _softplus(-fake).mean(), "Generated images have the label 0: look at the sign of their "
                                                       "logit."),
            (_softplus(real).mean() + on_fake.mean(), "Real images have the label 1: look at the sign of their logit."),
            (_softplus(-_sigmoid(real)).mean() + _softplus(_sigmoid(fake)).mean(),
             "The sigmoid is in it twice: softplus expects the logit itself."),
            (_softplus(-fake).mean(), "This is the loss of the generator. D's has two terms, for real and for "
                                      "generated images."),
            (np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean(), "This is the hinge loss. Asked for is "
                                                                              "the one "
             "with logarithms: log(1 + exp(a)) = np.logaddexp(0, a)."),
            (((_sigmoid(real) - 1) ** 2).mean() + (_sigmoid(fake) ** 2).mean(), "These are squares. Asked for is the "
                                                                                "loss with "
             "logarithms: -log D and -log(1 - D)."),
            (on_real.mean() - on_fake.mean(), "Look at the sign of the second term: both terms are losses, and add "
                                              "up."),
            (-right, "This is -L_D, that is V, which D wants large: look at the sign. An optimizer makes small what "
                     "it is given."),
            ((on_real.sum() + on_fake.sum()) / (len(real) + len(fake)),
             "This is one mean over all images. There are two expectations: each has its own mean."),
            (right / 2, "This is half of it: the two means are added."),
            (_softplus(real).mean() + _softplus(-fake).mean(),
             "Here real images are to be called fake, and the other way round: look at the sign of each logit."),
            (on_real.mean(), "Where are the generated images? Without them D = 1 everywhere would be perfect."),
        ]  # fmt: skip
        close(
            what,
            got,
            right,
            [(np.asarray(value), hint) for value, hint in mistakes],
            probe=probing(answer, lambda real, fake: _softplus(-real).mean() + _softplus(fake).mean(), real, fake),
        )


@exercise("8.2", "the best D for other labels")
def best_d(answer: Any) -> None:
    """``best_d(p, q, real_share, smoothing)`` is the D that makes the expected loss least, from arrays of densities."""
    p, q = np.array([0.1, 0.5, 1.2, 0.3, 0.0]), np.array([0.7, 0.5, 0.2, 0.0, 0.4])
    for share, s in ((0.5, 0.0), (0.5, 0.1), (0.8, 0.0), (0.25, 0.2)):
        a, b = share * p, (1 - share) * q
        what = f"best_d(p, q, real_share={share}, smoothing={s})"
        mistakes = [
            (a / (a + b), "Where is the smoothing? A real image counts 1 - s times as real and s times as generated."),
            ((1 - s) * p / (p + q), "Where is real_share? It says how often D meets a real image at all."),
            ((1 - s) * a / ((1 - s) * a + b),
             "Below the line stands the whole weight: the share s of the real images has not vanished, it is at "
             "log(1 - D)."),
            ((1 - s) * (1 - share) * p / ((1 - share) * p + share * q), "The shares are exchanged: real_share "
                                                                        "belongs to p."),
            ((1 - s) * a / (a + q), "The generated images have a share, too: 1 - real_share."),
            ((1 - s) * b / (a + b), "This has q above the line: the probability of *generated*. Real images are in p."),
            (a / (a + (1 - s) * b), "The smoothing belongs to the real images: 1 - s stands at p, above the line."),
            (p / (p + q), "Where are real_share and smoothing?"),
            (((1 - s) * a + s * b) / (a + b), "Only the real images' labels are smoothed."),
            (b / (a + b), "This is the probability of *generated*."),
        ]  # fmt: skip
        right = (1 - s) * a / (a + b)
        close(
            what,
            call(answer, p, q, share, s),
            right,
            mistakes,
            probe=probing(
                answer,
                lambda p, q, real_share, smoothing: (
                    (1 - smoothing) * real_share * p / (real_share * p + (1 - real_share) * q)
                ),
                p,
                q,
                share,
                s,
            ),
        )


@exercise("8.3", "how often the best D is right")
def best_accuracy(answer: Any) -> None:
    """``best_accuracy(p, q, dx)`` is the share of right verdicts of the best D, from densities on a grid of step dx."""
    x, dx = np.linspace(-12, 12, 4801, retstep=True)

    def bell(mean: float, deviation: float = 1.0) -> np.ndarray:
        return np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))

    for case, p, q in (
        ("for normal densities 2 apart", bell(-1), bell(1)),
        ("for normal densities 12 apart", bell(-6), bell(6)),
        ("where p and q are the same", bell(0), bell(0)),
        ("for a narrow and a wide one", bell(0, 0.5), bell(0, 2)),
    ):
        right = np.maximum(p, q).sum() * dx / 2
        best = p / (p + q)
        mistakes = [
            (2 * right, "Half of what D sees is real and half generated: there is a factor of 1/2."),
            (np.minimum(p, q).sum() * dx / 2, "This is how often it is *wrong*."),
            ((p * best + q * (1 - best)).sum() * dx / 2,
             "This is the mean probability of the right label. A verdict is 'real' or 'generated', whichever is "
             "more probable."),
            ((p * best).sum() * dx, "This is the mean of D on real images. A verdict is 'real' or 'generated', and "
                                    "half of "
             "what D sees is generated."),
            ((p * q).sum() * dx, "This is a product of densities. The best D chooses the larger one: max(p, q)."),
            (0.5 + abs(p - q).sum() * dx / 2, "The distance counts twice too much: 1/2 + 1/4 of the integral of |p - "
                                              "q|."),
            ((p * (p > q)).sum() * dx, "These are the real images called real. What of the generated ones?"),
            (right * 2 - 1, "This is the total variation distance, from 0 to 1; guessing is right half the time."),
            (right / dx, "Where is dx? A sum over a grid becomes an integral by the step."),
        ]  # fmt: skip
        close(
            f"best_accuracy(p, q, dx) {case}",
            np.asarray(call(answer, p, q, dx)),
            right,
            mistakes,
            probe=probing(answer, lambda p, q, dx: np.maximum(p, q).sum() * dx / 2, p, q, dx),
        )


@exercise("8.4", "the gradient of -log D")
def g_gradient(answer: Any) -> None:
    """``g_gradient(logits)`` is the gradient of mean(-log sigmoid(logits)) in the logits, an array."""
    for case, logits in (
        ("for 5 logits", 2 * random_array(0, 5)),
        ("for one logit, -3", np.array([-3.0])),
        ("for logits as D gives them, of shape (4, 1)", 2 * random_array(1, 4, 1)),
        ("for logits of -900 and 900", np.array([-900.0, 0.5, 900.0])),
    ):
        m = logits.size
        right = -_sigmoid(-logits) / m
        with np.errstate(all="ignore"):
            got = call(answer, logits)
        if np.shape(got) == right.shape and not np.isfinite(np.asarray(got)).all():
            raise Wrong(f"g_gradient(logits) {case}: there are values that are not finite. exp(900) is not: "
                        "write the sigmoid with exponentials of negative numbers, or with np.logaddexp.")  # fmt: skip
        mistakes = [
            (m * right, "Where is 1/M? The loss is a mean."),
            (-_sigmoid(logits) / m, "This is the gradient of log(1 - D), the one that saturates."),
            (m * -_sigmoid(logits), "This is the gradient of log(1 - D), and 1/M is missing."),
            (
                -1 / np.maximum(_sigmoid(logits), 1e-300) / m,
                "This is the derivative in D. Multiply by that of D in the logit, D (1 - D).",
            ),
            (_sigmoid(logits) * right, "There is a D too many: the derivative of log D is 1/D times D (1 - D)."),
            (
                _sigmoid(logits) * _sigmoid(-logits) / m,
                "This is the derivative of the sigmoid itself. That of -log D is it divided by D, with a minus.",
            ),
            (-right, "Look at the sign: a larger logit makes the loss smaller."),
            (-m * right, "Look at the sign, and where is 1/M? A larger logit makes the loss smaller."),
            (_softplus(-logits) / m, "This is the loss, image by image. What is its derivative?"),
            (_softplus(-logits).mean(), "This is the loss itself. What is its derivative for each logit?"),
        ]
        close(
            f"g_gradient(logits) {case}",
            got,
            right,
            mistakes,
            probe=probing(answer, lambda logits: -_sigmoid(-logits) / logits.size, logits),
        )


# ---- 8.5: a step of training, and the ways in which it is got wrong


_RATE = 0.5


class _Player:
    """How the weights move if a step has these faults; without any, as they should."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, *faults: str):
        self.generator, self.discriminator = copy.deepcopy(generator), copy.deepcopy(discriminator)
        self.faults = faults
        self.left = {
            network: [0.0] * len(list(network.parameters())) for network in (self.generator, self.discriminator)
        }

    def step(self, x: Tensor, z: Tensor) -> tuple[float, float]:
        g, d = list(self.generator.parameters()), list(self.discriminator.parameters())
        fake = self.generator(z)
        fake_logits = self.discriminator(fake)
        side = -1 if "swapped" in self.faults else 1
        loss_d = softplus(-side * self.discriminator(x)).mean() + softplus(side * fake_logits).mean()
        if "climbs" in self.faults:
            loss_d = -loss_d
        slopes = _slopes(loss_d, d + g)
        early = non_saturating_g(fake_logits)
        early_slopes = _slopes(early, g)
        d_slopes, from_early = slopes[: len(d)], _slopes(early, d)
        if "late" in self.faults:
            self._move(self.generator, early_slopes)
            d_slopes = [a + b for a, b in zip(d_slopes, from_early)] if "summed" in self.faults else d_slopes
            self._move(self.discriminator, d_slopes)
            return loss_d.item(), early.item()
        self._move(self.discriminator, d_slopes)
        if "attached" in self.faults:
            self._leave(self.generator, slopes[len(d) :])

        later = self.discriminator(self.generator(z))
        loss_g = minimax_g(later) if "saturates" in self.faults else non_saturating_g(later)
        if "loses" in self.faults:
            loss_g = -loss_g
        slopes = _slopes(loss_g, g + d)
        if "joint" in self.faults:
            loss_g, slopes = early, [*early_slopes, *slopes[len(g) :]]
        self._move(self.generator, slopes[: len(g)])
        if "shared" in self.faults:
            self._leave(self.discriminator, slopes[len(g) :])
        if "again" in self.faults:
            self._move(self.discriminator, slopes[len(g) :])
        if "twice" in self.faults:
            self._move(self.discriminator, d_slopes)
        if "helps" in self.faults:
            self._move(self.discriminator, [a + b for a, b in zip(d_slopes, slopes[len(g) :])])
        return loss_d.item(), loss_g.item()

    def _move(self, network: nn.Module, slopes: list[Any]) -> None:
        slopes = [old + new for old, new in zip(self.left[network], slopes)]
        player, still = ("g", "stays") if network is self.generator else ("d", "stands")
        for p, slope in zip(network.parameters(), slopes):
            p.data = p.data - np.float32(0 if still in self.faults else _RATE) * slope
        keep = "kept" in self.faults or f"kept_{player}" in self.faults
        self.left[network] = slopes if keep else [0.0] * len(slopes)

    def _leave(self, network: nn.Module, slopes: list[Any]) -> None:
        self.left[network] = [old + new for old, new in zip(self.left[network], slopes)]


def _slopes(loss: Tensor, parameters: Sequence[Tensor]) -> list[Any]:
    return [0.0 if slope is None else slope.data
            for slope in grad(loss, parameters, retain_graph=True, allow_unused=True)]  # fmt: skip


def _flat(network: nn.Module) -> np.ndarray:
    return np.concatenate([p.numpy().ravel() for p in network.parameters()])


_FAULTS = [
    (("stands", "stays"), "Neither network moved. Does each optimizer step, after its backward and before zero_grad?"),
    (("stands",), "D did not move. Does its optimizer step, after its backward and before zero_grad?"),
    (("stays",), "G did not move. In G's loss the gradient has to reach G: no detach there. And its optimizer steps "
     "after its backward, before zero_grad."),
    (("swapped",), "Real and generated images are exchanged in D's loss: real ones have the label 1."),
    (("kept_d", "shared"), "D's gradients are never cleared: backward() adds to those of D's last move and G's loss. "
     "Clear them before D's backward."),
    (("kept_g",), "G's gradients are never cleared: backward() adds to those of the step before."),
    (("attached",), "G was moved by the gradient of D's loss too, which makes its images worse. Detach the "
     "generated images in D's loss."),
    (("attached", "shared"), "G was moved by D's loss too: detach the generated images there. And D's next step was "
     "moved by G's loss: clear its gradients before."),
    (("attached", "kept", "shared"), "Gradients of all losses pile up in both networks. Detach the generated images in "
     "D's loss, and clear the gradients before each backward."),
    (("kept",), "The gradients of the step before are still there, and backward() adds to them: clear them."),
    (("kept", "shared"), "The gradients of the step before are still there, and backward() adds to them: clear them."),
    (("shared",), "G's loss left gradients in D as well, and D's next step used them: clear them before D's backward."),
    (("joint",), "G's loss used what D said before it moved. Judge the generated images again."),
    (("saturates",), "This is the loss that saturates, log(1 - D). Asked for is -log D."),
    (("climbs",), "D became worse: its loss is -V."),
    (("loses",), "Look at the sign of G's loss: G was moved so that D recognizes its images."),
    (("again",), "D moved a second time, by the gradient of G's loss: only optimizer_g steps after G's backward."),
    (("twice",), "D moved twice by its own loss: optimizer_d steps once."),
    (("helps",), "D moved a second time, by its own loss and by G's: only optimizer_g steps after G's backward."),
    (("late",), "G moved against D as it was *before* its move, or D moved after G. Order: D's loss, D's step, then "
                "G's "
     "loss with the new D."),
    (("late", "summed"), "D was moved by the sum of both losses, and G's loss is against D's own. Each player has "
                         "its own "
     "loss: backward and step for D first, then for G."),
]  # fmt: skip


class _Counting(Primitive):
    """The identity, which counts how often a gradient passes through it; not in the table of primitives."""

    def __init__(self) -> None:
        self.name, self.arguments, self.variadic = "identity", ["input"], None
        self.any_dtype, self.rules, self.rule_for_all = False, {}, None
        self.count = 0

    def forward(self, input: Any) -> Any:
        return input

    def apply_vjps(self, needed: Iterable[int], g: Tensor, *rest: Any) -> Iterator[tuple[int, Tensor]]:
        self.count += 1
        for i in needed:
            yield i, g


class _BackwardCounter(nn.Module):
    """The identity, which counts how often gradients pass through it."""

    def __init__(self) -> None:
        super().__init__()
        self.identity = _Counting()

    def forward(self, input: Tensor) -> Tensor:
        return self.identity(input)


@exercise("8.5", "repair the step")
def training_step(answer: Any) -> str:
    """``training_step(generator, discriminator, optimizer_g, optimizer_d, x, z)`` moves both once."""
    random = np.random.default_rng(4)
    counter = _BackwardCounter()
    generator = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3), counter)
    discriminator = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    for network in (generator, discriminator):
        for p in network.parameters():
            p.data = random.normal(size=p.shape).astype(np.float32)
    right = _Player(generator, discriminator)
    wrong = [(_Player(generator, discriminator, *faults), hint) for faults, hint in _FAULTS]
    optimizer_g, optimizer_d = (SGD(network.parameters(), lr=_RATE) for network in (generator, discriminator))
    hints: dict[type[Exception], str | Callable[[str], str]] = {
        RuntimeError: lambda message: (
            "G's loss was computed with D as it was before its move. Compute it after D's optimizer has stepped."
            if "was changed" in message
            else "Is a graph used twice? D's loss must not run through G at all: then nothing has to be retained."
        ),
    }
    for turn in ("first", "second", "third"):
        x = tensor(random.normal(size=(6, 3)).astype(np.float32))
        z = tensor(random.normal(size=(4, 2)).astype(np.float32))
        losses = call_or_hint(answer, generator, discriminator, optimizer_g, optimizer_d, x, z, hints=hints)
        if isinstance(losses, Tensor):
            raise Wrong("training_step: it returned one Tensor; expected both losses, loss_d and loss_g.")
        if not isinstance(losses, tuple | list) or len(losses) != 2:
            raise Wrong("training_step: expected it to return loss_d and loss_g.")
        if losses[0] is ... or losses[1] is ...:
            raise Unanswered("Put your answer in place of the dots, and run this cell again.")
        expected = right.step(x, z)
        others = [(player.step(x, z), player, hint) for player, hint in wrong]
        for network, name in ((discriminator, "discriminator"), (generator, "generator")):  # D moves first
            got, wanted = _flat(network), _flat(getattr(right, name))
            if np.allclose(got, wanted, rtol=1e-3, atol=1e-4):
                continue
            for _, player, hint in others:
                if all(
                    np.allclose(_flat(mine), _flat(theirs), rtol=1e-3, atol=1e-4)
                    for mine, theirs in ((generator, player.generator), (discriminator, player.discriminator))
                ):
                    raise Wrong(f"After the {turn} step the weights of the {name} are wrong. {hint}")  # fmt: skip
            if name == "generator":
                raise Wrong(f"After the {turn} step D is right and G is not. G's loss is -log D of the images from "
                            f"the noise z "
                            "that was given, judged by D after its move; its gradient alone moves G.")  # fmt: skip
            close(f"the weights of the {name} after the {turn} step", got, wanted, rtol=1e-3, atol=1e-4)
        for place, name in enumerate(("loss_d", "loss_g")):
            value = losses[place].item() if isinstance(losses[place], Tensor) else losses[place]
            close(f"training_step(...)[{place}], {name} of the {turn} step", value, expected[place],
                  [(expected[1 - place], "The two losses are exchanged: loss_d comes first.")], rtol=1e-3)  # fmt: skip
    if counter.identity.count > 3:
        return (
            "The weights are right, because G's gradients are cleared in time. But D's loss also ran back through G, "
            "in vain: with fake.detach() in D's loss the step is faster, and no gradient has to be cleared for it."
        )
    return ""


# ---- 8.6: read the logs


def _twice_squashed(real: Tensor, fake: Tensor, _: float) -> Tensor:
    return minimax_d(sigmoid(real), sigmoid(fake))


_RIGHT = GAN_LOSSES["non_saturating"]

MYSTERIES = {
    1: _RIGHT._replace(generator=lambda fake, _: -non_saturating_g(fake)),
    2: _RIGHT._replace(discriminator=_twice_squashed, generator=lambda fake, _: non_saturating_g(sigmoid(fake))),
    3: _RIGHT,
    4: _RIGHT._replace(discriminator=lambda real, fake, _: softplus(-real).mean()),
    5: _RIGHT._replace(discriminator=lambda real, fake, _: -minimax_d(real, fake)),
}
"""Five games, four of them at fault: what exercise 8.6 shows the logs of.  Reading this is cheating."""

_CAUSES = {1: "b", 2: "e", 3: "a", 4: "d", 5: "c"}
_SYMPTOMS = {
    1: "Look at loss_g: which loss can be far below zero, and what would G have to do for that?",
    2: "Compare loss_g with -log(d_fake): the mean of -log D cannot be less. So it is not -log D; what is it?",
    3: "loss_g is not below -log(d_fake), neither loss runs away, D is ahead and not sure. What is to repair?",
    4: "Look at d_fake beside d_real: D calls everything real, and that costs it nothing. What has it never seen?",
    5: "Look at d_real and d_fake: D is sure, and always wrong. Which loss becomes smaller when D is wrong?",
}


@exercise("8.6", "read the logs")
def read_the_logs(answer: Any) -> None:
    """A dictionary from the number of each log to the letter of its cause."""
    match_causes(answer, _CAUSES, _SYMPTOMS, "log")
