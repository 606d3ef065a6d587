"""The hidden tests of A3.  Their oracles are minigen's reference kernels and its table of optimizers' rules."""

import numpy as np
from public import eval_gradients, evaluate, gradients, steps, train

from minigen.check.optimizers import VARIANTS
from minigen.course.kit import close, fail, single, test, untouched, with_zeros
from minigen.kernels.reference import norm

SHAPES = [(4, 3), (2, 3, 4, 5), (3, 2, 7), (1, 2, 3, 3), (5, 5, 2, 2)]


def random(seed, *shape, dtype=np.float64):
    """Gaussian numbers; never all ones, under which much that is wrong looks right."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def layer(seed, shape, dtype=np.float64):
    """x, weight, bias, running_mean, running_var; the channels differ in place and spread."""
    channels = shape[1]
    spread = (1 + np.arange(channels)).reshape(1, -1, *(1,) * (len(shape) - 2)).astype(dtype)
    x = with_zeros(random(seed, *shape, dtype=dtype) * spread - 2 * spread, every=7)
    vectors = [random(seed + i, channels, dtype=dtype) for i in (1, 2, 3)]
    return x, *vectors, 0.5 + random(seed + 4, channels, dtype=dtype) ** 2


def per_channel(x, what):
    """A function of each channel's numbers, as an array."""
    return np.array([what(x[:, c].astype(np.float64).ravel()) for c in range(x.shape[1])])


# ---- task 1


@test(task=1, points=2)
def batches_of_other_shapes(a):
    """batch_norm_train's y, for images, signals and plain numbers; also with a large eps."""
    for seed, shape in enumerate(SHAPES):
        x, weight, bias, mean, var = layer(seed, shape)
        for eps in (1e-5, 0.5):
            y, _, _ = train(a, x, weight, bias, mean, var, eps=eps)
            truth = norm.batch_norm(x, *norm.batch_norm_stats(x), weight, bias, eps)
            close(f"batch_norm_train's y, x of shape {shape}, eps {eps}", y, truth)


@test(task=1, points=2)
def running_over_batches(a):
    """The running mean and variance after each of three batches, with other momenta."""
    for shape, momentum in [((2, 3, 4, 5), 0.1), ((3, 2), 0.3)]:
        x, weight, bias, mean, var = layer(7, shape)
        true_mean, true_var = mean, var
        for k in range(3):
            batch = x * (k + 1) + k
            _, mean, var = train(a, batch, weight, bias, mean, var, momentum=momentum)
            true_mean = (1 - momentum) * true_mean + momentum * per_channel(batch, np.mean)
            true_var = (1 - momentum) * true_var + momentum * per_channel(batch, lambda v: np.var(v, ddof=1))
            close(f"the running mean after batch {k + 1} of shape {shape}", mean, true_mean)
            close(f"the running variance after batch {k + 1} of shape {shape}", var, true_var)


@test(task=1, points=1)
def evaluation_elsewhere(a):
    """batch_norm_eval for other shapes, also one number in each channel."""
    for seed, shape in enumerate([*SHAPES, (1, 4), (1, 2, 1, 1)]):
        x, weight, bias, mean, var = layer(seed, shape)
        for eps in (1e-5, 0.5):
            y = evaluate(a, x, weight, bias, mean, var, eps=eps)
            close(
                f"batch_norm_eval, x of shape {shape}, eps {eps}", y, norm.batch_norm(x, mean, var, weight, bias, eps)
            )


@test(task=1, points=1)
def far_from_zero(a):
    """Numbers around 3000 with a spread of 1, in float32: the variance must not drown in rounding."""
    _, weight, bias, mean, var = layer(3, (16, 2, 5, 5), np.float32)
    x = random(3, 16, 2, 5, 5, dtype=np.float32) + np.float32(3000)
    exact, *affine = [v.astype(np.float64) for v in (x, weight, bias)]
    y, _, running = train(a, x, weight, bias, mean, var, momentum=1.0)
    truth = norm.batch_norm(exact, *norm.batch_norm_stats(exact), *affine, 1e-5)
    close("batch_norm_train's y, x around 3000 in float32", y, truth.astype(np.float32), rtol=0.01, atol=0.01)
    spread = per_channel(x, lambda v: np.var(v, ddof=1)).astype(np.float32)
    close("the running variance, x around 3000 in float32", running, spread, rtol=0.01)


@test(task=1, points=1)
def normalising_in_single_precision(a):
    """All results are float32 for float32, and right."""
    layers = layer(5, (4, 3, 2, 2), np.float32)
    x, weight, bias, mean, var = (v.astype(np.float64) for v in layers)
    truth = [
        norm.batch_norm(x, *norm.batch_norm_stats(x), weight, bias, 1e-5),
        0.9 * mean + 0.1 * per_channel(x, np.mean),
        0.9 * var + 0.1 * per_channel(x, lambda v: np.var(v, ddof=1)),
        norm.batch_norm(x, mean, var, weight, bias, 1e-5),
    ]
    names = ["y", "running_mean", "running_var", "batch_norm_eval's y"]
    for name, got, expected in zip(names, [*train(a, *layers), evaluate(a, *layers)], truth):
        single(name, got, expected)


@test(task=1, points=1)
def nothing_to_normalise_by(a):
    """A channel with one number raises ValueError; one with equal numbers gives the bias."""
    _, weight, bias, mean, var = layer(6, (3, 2))
    y, _, _ = train(a, np.full((3, 2), 5.0), weight, bias, mean, var)
    close("batch_norm_train's y where all numbers are equal", y, np.broadcast_to(bias, (3, 2)) + 0.0)
    for shape in [(1, 2), (1, 2, 1, 1)]:
        try:
            a.batch_norm_train(np.ones(shape), weight, bias, mean, var)
        except ValueError:
            continue
        fail(f"batch_norm_train(x, ...) for x of shape {shape}", "expected a ValueError: one number has no variance.")


# ---- task 2


@test(task=2, points=3)
def the_gradient_for_x(a):
    """batch_norm_grad's gradient for x, other shapes and eps."""
    for seed, shape in enumerate(SHAPES):
        x, weight, *_ = layer(seed, shape)
        g = with_zeros(random(seed + 20, *shape), every=7)
        for eps in (1e-5, 0.5):
            truth = norm.batch_norm_grad(g, x, *norm.batch_norm_stats(x), weight, eps)[0]
            close(f"the gradient for x, shape {shape}, eps {eps}", gradients(a, g, x, weight, eps=eps)[0], truth)


@test(task=2, points=1)
def the_gradients_for_weight_and_bias(a):
    """batch_norm_grad's gradients for weight and bias, other shapes and eps."""
    for seed, shape in enumerate(SHAPES):
        x, weight, *_ = layer(seed, shape)
        g = with_zeros(random(seed + 20, *shape), every=7)
        for eps in (1e-5, 0.5):
            truth = norm.batch_norm_grad(g, x, *norm.batch_norm_stats(x), weight, eps)
            got = gradients(a, g, x, weight, eps=eps)
            for i, name in ((1, "weight"), (2, "bias")):
                close(f"the gradient for {name}, shape {shape}, eps {eps}", got[i], truth[i])


@test(task=2, points=2)
def the_gradients_in_evaluation(a):
    """batch_norm_eval_grad, other shapes and eps."""
    for seed, shape in enumerate([*SHAPES, (1, 2, 1, 1)]):
        x, weight, _, mean, var = layer(seed, shape)
        g, eps = with_zeros(random(seed + 20, *shape), every=7), 0.25
        rest = (0, *range(2, len(shape)))
        normal = norm.batch_norm(x, mean, var, np.ones_like(mean), np.zeros_like(mean), eps)
        scaled = norm.batch_norm(g, np.zeros_like(mean), var, weight, np.zeros_like(mean), eps)
        truth = [scaled, (g * normal).sum(rest), g.sum(rest)]
        for name, d, e in zip(["x", "weight", "bias"], eval_gradients(a, g, x, weight, mean, var, eps=eps), truth):
            close(f"in evaluation, the gradient for {name}, shape {shape}", d, e)


@test(task=2, points=2)
def going_back_in_single_precision(a):
    """All six gradients are float32 for float32, and right, also for numbers around 100."""
    x, weight, _, mean, var = layer(5, (8, 3, 4, 4), np.float32)
    x, g = x + np.float32(100), random(6, 8, 3, 4, 4, dtype=np.float32)
    wide = [v.astype(np.float64) for v in (g, x, weight)]
    truth = norm.batch_norm_grad(wide[0], wide[1], *norm.batch_norm_stats(wide[1]), wide[2], 1e-5)
    for name, d, e in zip(["x", "weight", "bias"], gradients(a, g, x, weight), truth):
        single(f"the gradient for {name}", d, e, rtol=1e-4)
    mean = mean + np.float32(100)
    centered = (wide[1] - mean[:, None, None]) / np.sqrt(var.astype(np.float64) + 1e-5)[:, None, None]
    scale = (wide[2] / np.sqrt(var + 1e-5))[:, None, None]
    truth = [wide[0] * scale, (wide[0] * centered).sum((0, 2, 3)), wide[0].sum((0, 2, 3))]
    for name, d, e in zip(["x", "weight", "bias"], eval_gradients(a, g, x, weight, mean, var), truth):
        single(f"in evaluation, the gradient for {name}", d, e)


# ---- tasks 3 to 5: paths of many steps, by minigen's table of rules


def path(variant, w, grads, **options):
    """The parameters after each step by a rule of the table."""
    rule = VARIANTS[variant]
    state, found = {}, []
    for t, g in enumerate(grads, 1):
        w = rule.rule(w, g, state, t, np.sqrt, **{**rule.options, **options})
        found.append(w)
    return found


def slopes(seed, count=12, width=5):
    """Gradients of sizes from 1/100 to 10, of both signs; one of them is zero, and one weight's first three are."""
    rng = np.random.default_rng(seed)
    grads = rng.normal(size=(count, width)) * 10.0 ** rng.uniform(-2, 1, size=(1, width))
    grads[2] = grads[:3, 0] = 0
    return grads


def compare(what, got, expected):
    """Two paths, step by step."""
    for t, (ours, theirs) in enumerate(zip(got, expected), 1):
        close(f"{what}, after step {t}", ours, theirs)


def in_turns(what, step, variant, **options):
    """Arrays of parameters take steps in turns, two of them of one shape, and the caller uses g's array again."""
    shapes = [(3,), (2, 2), (3,)]
    starts = [random(k + 1, *shape) for k, shape in enumerate(shapes)]
    grads = [random(k + 4, 6, *shape) for k, shape in enumerate(shapes)]
    expected = [path(variant, w, g, **options) for w, g in zip(starts, grads)]
    now, states, buffers = list(starts), [{}, {}, {}], [np.empty(shape) for shape in shapes]
    for t in range(6):
        for k in range(3):
            buffers[k][...] = grads[k][t]
            before, copy = now[k], now[k].copy()
            now[k] = step(before, buffers[k], states[k], **options)
            close(f"{what}, array {k + 1} of three, after step {t + 1}", now[k], expected[k][t])
            close(f"{what}, array {k + 1} of three, as it was before step {t + 1}", before, copy)


def changing(what, step, variant, schedules, **options):
    """Settings that are others in each step."""
    w, grads = random(1, 5), slopes(6)
    rule, state, theirs, now, then = VARIANTS[variant], {}, {}, w, w
    for t, g in enumerate(grads, 1):
        own = {**options, **{name: schedule(t) for name, schedule in schedules.items()}}
        now = step(now, g, state, **own)
        then = rule.rule(then, g, theirs, t, np.sqrt, **{**rule.options, **own})
        close(f"{what} with another {' and '.join(schedules)} in each step, after step {t}", now, then)


def in_single(what, step, variant, **options):
    """Three steps with float32."""
    w, grads = random(1, 4, dtype=np.float32), random(2, 3, 4, dtype=np.float32)
    truth = path(variant, w.astype(np.float64), grads.astype(np.float64), **options)
    for t, (got, expected) in enumerate(zip(steps(step, w, grads, **options), truth), 1):
        single(f"{what}, step {t}", got, expected)


@test(task=3, points=1)
def a_path_of_rmsprop(a):
    """Twelve steps without momentum, not centered; gradients of many sizes, a large eps, settings that change."""
    w, grads = random(1, 5), slopes(2)
    compare("rmsprop_step", steps(a.rmsprop_step, w, grads), path("rmsprop", w, grads))
    options = dict(lr=0.2, alpha=0.7, eps=0.5)
    got = steps(a.rmsprop_step, w, grads, **options)
    compare("rmsprop_step with eps 0.5", got, path("rmsprop", w, grads, **options))
    changing("rmsprop_step", a.rmsprop_step, "rmsprop", {"lr": lambda t: 0.1 / t, "alpha": lambda t: 1 - 0.5 / t})


@test(task=3, points=1)
def a_path_with_momentum(a):
    """Twelve steps with momentum; the rate changes on the way."""
    w, grads = random(1, 5), slopes(3)
    got = steps(a.rmsprop_step, w, grads, momentum=0.8)
    compare("rmsprop_step with momentum", got, path("rmsprop_momentum", w, grads, momentum=0.8))
    falling = {"lr": lambda t: 0.1 / t, "eps": lambda t: 0.1 * t, "momentum": lambda t: 0.9 / t}
    changing("rmsprop_step with momentum", a.rmsprop_step, "rmsprop_momentum", falling)


@test(task=3, points=1)
def a_path_centered(a):
    """Twelve steps of the centered form, without and with momentum."""
    w, grads = random(1, 5), slopes(4)
    options = dict(alpha=0.6, eps=0.1, centered=True)
    got = steps(a.rmsprop_step, w, grads, **options)
    compare("rmsprop_step, centered", got, path("rmsprop_centered", w, grads, **options))
    options["momentum"] = 0.8
    got = steps(a.rmsprop_step, w, grads, **options)
    compare("rmsprop_step, centered, with momentum", got, path("rmsprop_centered_momentum", w, grads, **options))


@test(task=3, points=1)
def a_gradient_that_never_changes(a):
    """The centered form under a constant gradient, whose variance is zero but for rounding."""
    w, grads = random(1, 40), np.repeat(random(5, 1, 40), 100, axis=0)
    got = steps(a.rmsprop_step, w, grads, alpha=0.5, eps=0.5, centered=True)
    for t, now in enumerate(got, 1):
        if not np.isfinite(now).all():
            fail(f"rmsprop_step, centered, step {t} with a constant gradient", "the parameters are not finite.")
    truth = w - 0.01 * sum(g / (abs(g) * np.sqrt(0.5**t * (1 - 0.5**t)) + 0.5) for t, g in enumerate(grads, 1))
    close("rmsprop_step, centered, after 100 equal gradients", got[-1], truth, atol=1e-6)


@test(task=3, points=1)
def rmsprop_in_turns(a):
    """Two arrays of parameters in turns, each with its own state."""
    in_turns("rmsprop_step", a.rmsprop_step, "rmsprop_centered_momentum", centered=True, momentum=0.9, eps=0.1)


@test(task=3, points=1)
def rmsprop_in_single_precision(a):
    """float32 stays float32, with and without momentum, centered or not."""
    for momentum in (0.0, 0.9):
        for centered in (False, True):
            variant = "rmsprop" + "_centered" * centered + "_momentum" * (momentum > 0)
            options = {"momentum": momentum} if momentum else {}
            options |= {"centered": True, "eps": 0.1} if centered else {}
            in_single("rmsprop_step", a.rmsprop_step, variant, lr=0.5, **options)


@test(task=4, points=2)
def a_path_of_adam(a):
    """Twelve steps, gradients of many sizes; as by default, with other shares, and with a rate that changes."""
    w, grads = random(1, 5), slopes(2)
    compare("adam_step", steps(a.adam_step, w, grads), path("adam", w, grads))
    options = dict(lr=0.05, beta1=0.5, beta2=0.8)
    got = steps(a.adam_step, w, grads, **options)
    compare("adam_step with other shares", got, path("adam", w, grads, **options))
    changing("adam_step", a.adam_step, "adam", {"lr": lambda t: 0.1 / t})


@test(task=4, points=2)
def gradients_as_small_as_eps(a):
    """Where eps is about as large as the gradients, its place matters."""
    w, grads = random(1, 5), slopes(3)
    options = dict(lr=0.1, beta1=0.8, beta2=0.9, eps=0.5)
    compare("adam_step with eps 0.5", steps(a.adam_step, w, grads, **options), path("adam", w, grads, **options))


@test(task=4, points=1)
def adam_in_turns(a):
    """Two arrays of parameters in turns, each with its own state."""
    in_turns("adam_step", a.adam_step, "adam", lr=0.1)


@test(task=4, points=1)
def adam_in_single_precision(a):
    """adam_step gives float32 for float32, in every step."""
    in_single("adam_step", a.adam_step, "adam", lr=0.5)


@test(task=5, points=1)
def a_path_with_decay_in_the_gradient(a):
    """adam_l2_step: twelve steps."""
    w, grads = random(1, 5), slopes(2)
    options = dict(lr=0.1, beta1=0.7, beta2=0.8, eps=0.25, weight_decay=0.6)
    got = steps(a.adam_l2_step, w, grads, **options)
    compare("adam_l2_step", got, path("adam_weight_decay", w, grads, **options))
    changes = {"lr": lambda t: 0.1 / t, "weight_decay": lambda t: 0.2 * t}
    changing("adam_l2_step", a.adam_l2_step, "adam_weight_decay", changes)


@test(task=5, points=1)
def a_path_with_decay_apart(a):
    """adamw_step: twelve steps."""
    w, grads = random(1, 5), slopes(3)
    options = dict(lr=0.1, beta1=0.7, beta2=0.8, eps=0.25, weight_decay=0.6)
    compare("adamw_step", steps(a.adamw_step, w, grads, **options), path("adamw", w, grads, **options))
    changing("adamw_step", a.adamw_step, "adamw", {"lr": lambda t: 0.1 / t, "weight_decay": lambda t: 0.2 * t})


@test(task=5, points=1)
def decays_by_default(a):
    """Both with the default settings, in turns on two arrays of parameters."""
    in_turns("adam_l2_step", a.adam_l2_step, "adam_weight_decay", lr=0.1, weight_decay=0.01)
    in_turns("adamw_step", a.adamw_step, "adamw", lr=0.1)


@test(task=5, points=1)
def decays_in_single_precision(a):
    """float32 stays float32 in both; w and g are left alone."""
    for name, variant in (("adam_l2_step", "adam_weight_decay"), ("adamw_step", "adamw")):
        in_single(name, getattr(a, name), variant, lr=0.5, weight_decay=0.1)
        w, g = random(1, 3), random(2, 3)
        with untouched(w=w, g=g):
            getattr(a, name)(w, g, {})
