"""The public tests of A3: small cases that one can follow with pencil and paper."""

import numpy as np

from minigen.course.kit import close, fail, repeated, test, untouched


def results(what, got, names):
    """The results of a function by name; a complaint if there are not so many."""
    if not isinstance(got, tuple | list) or len(got) != len(names):
        kind = f"{len(got)} of them" if isinstance(got, tuple | list) else type(got).__name__
        fail(what, f"expected {len(names)} results, {', '.join(names)}; got {kind}.")
    return got


def train(a, x, weight, bias, mean, var, **options):
    """batch_norm_train's three results; the inputs must be left alone."""
    with untouched(x=x, weight=weight, bias=bias, running_mean=mean, running_var=var):
        got = repeated("batch_norm_train(...)", a.batch_norm_train, x, weight, bias, mean, var, **options)
    return results("batch_norm_train(...)", got, ["y", "running_mean", "running_var"])


def evaluate(a, x, weight, bias, mean, var, **options):
    """batch_norm_eval's result; the inputs must be left alone."""
    with untouched(x=x, weight=weight, bias=bias, running_mean=mean, running_var=var):
        return repeated("batch_norm_eval(...)", a.batch_norm_eval, x, weight, bias, mean, var, **options)


def gradients(a, g, x, weight, **options):
    """batch_norm_grad's three results; the inputs must be left alone."""
    with untouched(g=g, x=x, weight=weight):
        got = repeated("batch_norm_grad(g, x, weight)", a.batch_norm_grad, g, x, weight, **options)
    return results("batch_norm_grad(g, x, weight)", got, ["dx", "dweight", "dbias"])


def eval_gradients(a, g, x, weight, mean, var, **options):
    """batch_norm_eval_grad's three results; the inputs must be left alone."""
    with untouched(g=g, x=x, weight=weight, running_mean=mean, running_var=var):
        got = repeated("batch_norm_eval_grad(...)", a.batch_norm_eval_grad, g, x, weight, mean, var, **options)
    return results("batch_norm_eval_grad(...)", got, ["dx", "dweight", "dbias"])


def steps(step, w, grads, **options):
    """The parameters after each step, from an empty state; w and g must be left alone."""
    state, path = {}, []
    for g in grads:
        with untouched(w=w, g=g):
            w = step(w, g, state, **options)
        path.append(w)
    return path


def one(*numbers):
    """A float64 array."""
    return np.array(numbers, np.float64)


# ---- task 1


def two():
    """A batch of two numbers in one channel."""
    return np.array([[1.0], [3.0]])


@test(task=1, points=1)
def two_numbers(a):
    """batch_norm_train's y, for a batch of 1 and 3 in one channel, weight 2, bias 10."""
    y, _, _ = train(a, two(), one(2), one(10), one(0), one(1), eps=0.0)
    close("batch_norm_train(x, ...)[0] for x = 1, 3", y, np.array([[8.0], [12.0]]))


@test(task=1, points=1)
def two_numbers_remembered(a):
    """The running mean and variance after that batch, from 0 and 1, with momentum 0.25."""
    _, mean, var = train(a, two(), one(2), one(10), one(0), one(1), momentum=0.25)
    close("batch_norm_train(x, ...)[1], the running mean", mean, one(0.5))
    close("batch_norm_train(x, ...)[2], the running variance", var, one(1.25))


@test(task=1, points=1)
def two_numbers_evaluated(a):
    """batch_norm_eval, with running mean 1 and variance 1, and eps 3."""
    y = evaluate(a, two(), one(2), one(10), one(1), one(1), eps=3.0)
    close("batch_norm_eval(x, ...) for x = 1, 3", y, np.array([[10.0], [12.0]]))


# ---- task 2


def cotangents():
    """A cotangent for each of them."""
    return np.array([[1.0], [2.0]])


@test(task=2, points=1)
def backwards_from_two_numbers(a):
    """batch_norm_grad, for a batch of 1 and 3, weight 2, eps 3, g = 1 and 2."""
    dx, dweight, dbias = gradients(a, cotangents(), two(), one(2), eps=3.0)
    close("batch_norm_grad(g, x, weight)[2], for bias", dbias, one(3))
    close("batch_norm_grad(g, x, weight)[1], for weight", dweight, one(0.5))
    close("batch_norm_grad(g, x, weight)[0], for x", dx, np.array([[-0.375], [0.375]]))


@test(task=2, points=1)
def backwards_in_evaluation(a):
    """batch_norm_eval_grad, for the same, with running mean 1 and variance 1."""
    dx, dweight, dbias = eval_gradients(a, cotangents(), two(), one(2), one(1), one(1), eps=3.0)
    close("batch_norm_eval_grad(...)[2], for bias", dbias, one(3))
    close("batch_norm_eval_grad(...)[1], for weight", dweight, one(2))
    close("batch_norm_eval_grad(...)[0], for x", dx, np.array([[1.0], [2.0]]))


# ---- task 3


@test(task=3, points=1)
def rmsprop_twice(a):
    """Two steps of RMSprop from w = 1, with g = 2, then 1; alpha 0.75, lr 0.1, eps 0."""
    path = steps(a.rmsprop_step, one(1), [one(2), one(1)], lr=0.1, alpha=0.75, eps=0.0)
    close("rmsprop_step, the first step", path[0], one(0.8))
    close("rmsprop_step, the second step", path[1], one(0.7))


@test(task=3, points=1)
def rmsprop_with_momentum(a):
    """The same with momentum 0.5."""
    path = steps(a.rmsprop_step, one(1), [one(2), one(1)], lr=0.1, alpha=0.75, eps=0.0, momentum=0.5)
    close("rmsprop_step with momentum, the second step", path[1], one(0.6))


@test(task=3, points=1)
def rmsprop_centered(a):
    """A step of the centered form, with alpha 0.5: v = 2, the running mean of g is 1."""
    path = steps(a.rmsprop_step, one(1), [one(2)], lr=0.1, alpha=0.5, eps=0.0, centered=True)
    close("rmsprop_step, centered, the first step", path[0], one(0.8))


# ---- task 4


@test(task=4, points=1)
def the_first_step_of_adam(a):
    """The first step is lr long, whatever the gradient: here for g = 4 and -0.25, lr 0.1."""
    path = steps(a.adam_step, one(1, 1), [one(4, -0.25)], lr=0.1)
    close("adam_step, the first step", path[0], one(0.9, 1.1))


@test(task=4, points=1)
def the_second_step_of_adam(a):
    """Two steps with g = 1, then 3; beta1 0.5, beta2 0.75, eps 0."""
    path = steps(a.adam_step, one(1), [one(1), one(3)], lr=0.1, beta1=0.5, beta2=0.75, eps=0.0)
    close("adam_step, the second step", path[1], one(0.9 - 0.1 * (7 / 3) / (39 / 7) ** 0.5))


# ---- task 5


@test(task=5, points=1)
def decay_in_the_gradient(a):
    """adam_l2_step: w = 2, g = -0.5, decay 0.5; the first step is lr long, but which way?"""
    path = steps(a.adam_l2_step, one(2), [one(-0.5)], lr=0.1, weight_decay=0.5)
    close("adam_l2_step, the first step", path[0], one(1.9))


@test(task=5, points=1)
def decay_apart(a):
    """adamw_step: w = 2, g = 1, decay 0.5, lr 0.1."""
    path = steps(a.adamw_step, one(2), [one(1)], lr=0.1, weight_decay=0.5)
    close("adamw_step, the first step", path[0], one(1.8))
