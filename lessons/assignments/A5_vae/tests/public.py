"""The public tests of A5: small cases that one can follow with pencil and paper."""

import contextlib

import numpy as np

import minigen as mg
from minigen import nn
from minigen.course.kit import close, fail, repeated, test, untouched


def tensors(*arrays):
    """Tensors that ask for a gradient."""
    return [mg.tensor(x, requires_grad=True) for x in arrays]


@contextlib.contextmanager
def kept(**given):
    """Complain if one of these Tensors holds other numbers after the block."""
    before = {name: np.array(t.numpy()) for name, t in given.items()}
    yield
    for name, t in given.items():
        if t.shape != before[name].shape or not np.array_equal(t.numpy(), before[name]):
            fail(f"the Tensor {name}", "your code changed it. Compute a new one: others still need the old one.")


def a_tensor(what, got):
    """The result if it is a Tensor; else a complaint."""
    if not isinstance(got, mg.Tensor):
        kind = {"NoneType": "None", "ndarray": "an array", "float": "a number"}.get(type(got).__name__)
        fail(what, f"expected a Tensor, got {kind or type(got).__name__}. Compute it with operations on Tensors.")
    return got


def call(a, name, **given):
    """What a function of yours gives for these Tensors, a Tensor; they must be left alone."""
    what = f"{name}({', '.join(given)})"

    def apply(*tensors):
        with kept(**dict(zip(given, tensors))):
            return a_tensor(what, getattr(a, name)(*tensors))

    return repeated(what, apply, *given.values())


def by_hand(a, name, count, **given):
    """The arrays that a gradient by hand gives; what it gets must be left alone."""
    what = f"{name}({', '.join(given)})"

    def apply(*arrays):
        with untouched(**dict(zip(given, arrays))):
            return getattr(a, name)(*arrays)

    got = repeated(what, apply, *given.values())
    if count == 1:
        return got
    if not isinstance(got, tuple | list) or len(got) != count:
        kind = f"{len(got)} of them" if isinstance(got, tuple | list) else type(got).__name__
        fail(what, f"expected {count} arrays, one for mu and one for log_var; got {kind}.")
    return got


def array(*rows):
    """A float64 array."""
    return np.array(rows, np.float64)


# ---- task 1


@test(task=1, points=1)
def two_images_of_two_pixels(a):
    """log_likelihood, where all logits are 0, and where they are log 3: white with probability 3/4."""
    logits, x = tensors(np.log(array([1, 1], [3, 3])), array([1, 0], [1, 0]))
    got = call(a, "log_likelihood", logits=logits, x=x)
    close("log_likelihood(logits, x), 2 images of 2 pixels", got.numpy(), np.log(array(1 / 4, 3 / 16)))


@test(task=1, points=1)
def data_and_prediction(a):
    """log_likelihood_grad, for the same images."""
    g, logits, x = array(1, 8), np.log(array([1, 1], [3, 3])), array([1, 0], [1, 0])
    got = by_hand(a, "log_likelihood_grad", 1, g=g, logits=logits, x=x)
    close("log_likelihood_grad(g, logits, x), 2 images of 2 pixels", got, array([0.5, -0.5], [2, -6]))


# ---- task 2


@test(task=2, points=1)
def a_code_of_two_numbers(a):
    """draw_code, with a variance of 1 and a variance of 4."""
    mu, log_var, eps = tensors(array([10, 20]), np.log(array([1, 4])), array([3, -1]))
    got = call(a, "draw_code", mu=mu, log_var=log_var, eps=eps)
    close("draw_code(mu, log_var, eps), variances 1 and 4", got.numpy(), array([13, 18]))


@test(task=2, points=1)
def gradients_of_two_draws(a):
    """draw_code_grad, for two draws of a code of one number with a variance of 4."""
    g, eps = array([[1]], [[10]]), array([[3]], [[-1]])
    d_mu, d_log_var = by_hand(a, "draw_code_grad", 2, g=g, mu=array([20]), log_var=np.log(array([4])), eps=eps)
    close("draw_code_grad(g, mu, log_var, eps)[0], for mu", d_mu, array([11]))
    close("draw_code_grad(g, mu, log_var, eps)[1], for log_var", d_log_var, array([-7]))


# ---- task 3


@test(task=3, points=1)
def prices_of_three_codes(a):
    """kl, for the prior itself, for a mean of (2, 1), and for variances of 4."""
    mu, log_var = tensors(array([0, 0], [2, 1], [0, 0]), np.log(array([1, 1], [1, 1], [4, 4])))
    got = call(a, "kl", mu=mu, log_var=log_var)
    close("kl(mu, log_var), 3 images", got.numpy(), array(0, 2.5, 3 - np.log(4)))


@test(task=3, points=1)
def pulls_on_three_codes(a):
    """kl_grad, for the same three."""
    g, mu, log_var = array(5, 10, 2), array([0, 0], [2, 1], [0, 0]), np.log(array([1, 1], [1, 1], [4, 4]))
    d_mu, d_log_var = by_hand(a, "kl_grad", 2, g=g, mu=mu, log_var=log_var)
    close("kl_grad(g, mu, log_var)[0], for mu", d_mu, array([0, 0], [20, 10], [0, 0]))
    close("kl_grad(g, mu, log_var)[1], for log_var", d_log_var, array([0, 0], [0, 0], [3, 3]))


# ---- task 4


class Line(nn.Module):
    """A model with four numbers: mu = m * x, log_var = 2 * v, logits = w * z + b, for images of one pixel."""

    def __init__(self, m, v, w, b):
        super().__init__()
        self.m, self.v, self.w, self.b = (nn.Parameter(np.array([n], np.float64)) for n in (m, v, w, b))
        self.codes = []

    def encode(self, x):
        """Mean and log-variance."""
        return x * self.m, x * 0 + 2 * self.v

    def decode(self, z):
        """Logits; and the code is noted down."""
        self.codes.append(z.numpy())
        return z * self.w + self.b


@test(task=4, points=1)
def a_loss_of_two_images(a):
    """vae_loss, for two images of two pixels, all logits 0: likelihoods of 1/4, prices of 2 and 0 nats."""
    logits, x = tensors(array([0, 0], [0, 0]), array([1, 0], [1, 1]))
    mu, log_var = tensors(array([2], [0]), array([0], [0]))
    got = call(a, "vae_loss", logits=logits, x=x, mu=mu, log_var=log_var)
    close("vae_loss(logits, x, mu, log_var), 2 images of 2 pixels", got.numpy(), np.array(1 + np.log(4)))


@test(task=4, points=1)
def a_step_where_the_code_says_nothing(a):
    """training_step, where logits do not depend on the code: the loss, and the step of the decoder's b and of v."""
    mg.manual_seed(0)
    model = Line(m=0, v=0, w=0, b=0)
    x = mg.tensor(array([1], [1], [0], [1]))
    with kept(x=x):
        loss = a.training_step(model, mg.optim.SGD(model.parameters(), lr=1.0), x)
    if not isinstance(loss, float):
        fail("training_step(model, optimizer, x)", f"expected a Python number, the loss; got {type(loss).__name__}.")
    close("training_step(model, optimizer, x), the loss", loss, np.log(2))
    close("b, after a step of 1 from 0", model.b.numpy(), array(0.25))
    close("v, which the prior leaves at 0", model.v.numpy(), array(0))


# ---- task 5


class Table(nn.Module):
    """A conditional model of 2 classes for images of one pixel: log-variances are 0, logits = z + the label's own."""

    classes = 2

    def encode(self, x):
        """The first class has the mean 1, the second 2."""
        return x @ mg.tensor(array([0], [1], [2])), x[:, :1] * 0

    def decode(self, z):
        """The first class has logits greater by log 3."""
        return z @ mg.tensor(array([1], [np.log(3)], [0]))


@test(task=5, points=1)
def rows_with_a_one(a):
    """one_hot, for the labels 2 and 0 of 3 classes."""
    got = a_tensor("one_hot(labels, 3)", a.one_hot(np.array([2, 0]), 3)).numpy()
    close("one_hot(labels, 3) for the labels 2 and 0", got, np.array([[0, 0, 1], [1, 0, 0]], np.float32))


@test(task=5, points=1)
def losses_of_two_classes(a):
    """conditional_loss, with noise that makes all codes 0."""
    x, eps, labels = mg.tensor(array([1], [1])), mg.tensor(array([-1], [-2])), np.array([0, 1])
    with kept(x=x, eps=eps), untouched(labels=labels):
        got = a_tensor("conditional_loss(...)", a.conditional_loss(Table(), x, labels, eps)).numpy()
    # likelihoods 3/4 and 1/2, prices 1/2 and 2 nats
    close("conditional_loss(model, x, labels, eps)", got, np.array((np.log(8 / 3) + 2.5) / 2))


@test(task=5, points=1)
def an_image_of_each_class(a):
    """draw_images, from the code 0."""
    labels, z = np.array([1, 0]), mg.tensor(array([0], [0]))
    with kept(z=z), untouched(labels=labels):
        got = a.draw_images(Table(), labels, z)
    if not isinstance(got, np.ndarray):
        fail("draw_images(model, labels, z)", f"expected an array, got {type(got).__name__}.")
    close("draw_images(model, labels, z) for the labels 1 and 0", got, array([0.5], [0.75]))


# ---- task 6


@test(task=6, points=1)
def weights_of_two_codes(a):
    """log_weights, for an image of one pixel and two codes, z = 1 and z = 3, drawn with a variance of 4."""
    mu, log_var, eps = tensors(array([1]), np.log(array([4])), array([[0]], [[1]]))
    logits, x = tensors(np.log(array([[1]], [[3]])), array([1]))
    got = call(a, "log_weights", logits=logits, x=x, mu=mu, log_var=log_var, eps=eps)
    # w = 1/2 * 2 e^(-1/2) and 3/4 * 2 e^(-4)
    close("log_weights(logits, x, mu, log_var, eps)", got.numpy(), np.log(array([np.exp(-0.5)], [1.5 * np.exp(-4)])))


@test(task=6, points=1)
def bounds_of_two_images(a):
    """iwae_loss, for the weights 1 and 3 of one image, 2 and 2 of another."""
    (log_w,) = tensors(np.log(array([1, 2], [3, 2])))
    got = call(a, "iwae_loss", log_w=log_w)
    close("iwae_loss(log_w), 2 codes of 2 images", got.numpy(), np.array(-np.log(2)))
