"""The hidden tests of A4.  Their oracles are formulas, minigen.losses, and networks and steps that are built here."""

import copy
import itertools
from collections import Counter

import numpy as np
from public import by_hand, d_loss, dense, loss, network, output, pair, watched, weights

import minigen as mg
from minigen import nn
from minigen.course.kit import close, fail, single, test, untouched, with_zeros


def random(seed, *shape, dtype=np.float64):
    """Gaussian numbers; never all ones, under which much that is wrong looks right."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def sigmoid(x):
    """1 / (1 + exp(-x)), for every x."""
    return np.exp(-np.logaddexp(0, -x))


SHAPES = [((5, 1), (3, 1)), ((1, 1), (4, 1)), ((2, 3), (7,)), ((), (2,))]
SMOOTHINGS = [0.0, 0.1, 0.35]


# ---- task 1


@test(task=1, points=1)
def losses_of_other_batches(a):
    """d_loss for batches of unequal sizes and other shapes, with three smoothings."""
    for seed, (n, m) in enumerate(SHAPES):
        real, fake = 2 * random(seed, *n), 2 * random(seed + 10, *m)
        for s in SMOOTHINGS:
            what = f"d_loss(real, fake, {s}), shapes {n} and {m}"
            truth = mg.losses.label_smoothing_d(mg.tensor(real), mg.tensor(fake), s).numpy()
            close(what, d_loss(a, what, np.asarray(real), np.asarray(fake), s), truth)
    what = "d_loss(real, fake), without a smoothing"
    truth = mg.losses.minimax_d(mg.tensor(real), mg.tensor(fake)).numpy()
    close(what, d_loss(a, what, np.asarray(real), np.asarray(fake)), truth)


@test(task=1, points=1)
def slopes_of_d_loss(a):
    """The gradient of d_loss in both batches of logits, under a cotangent that is not 1."""
    for seed, (n, m) in enumerate(SHAPES[:3]):
        real, fake = 2 * random(seed, *n), 2 * random(seed + 10, *m)
        for s in SMOOTHINGS:
            leaves = [mg.tensor(real, requires_grad=True), mg.tensor(fake, requires_grad=True)]
            value = a.d_loss(*leaves, s)
            loss(f"d_loss(real, fake, {s})", value)
            got = mg.grad(value, leaves, mg.tensor(np.array(-1.7)))
            truth = (-1.7 * (sigmoid(real) - (1 - s)) / real.size, -1.7 * sigmoid(fake) / fake.size)
            for name, d, e in zip(("real", "fake"), got, truth):
                close(f"the gradient of d_loss(real, fake, {s}) for {name}, shapes {n} and {m}", d.numpy(), e)
    leaves = [mg.tensor(np.zeros((2, 1)), requires_grad=True) for _ in range(2)]
    for name, d, e in zip(("real", "fake"), mg.grad(a.d_loss(*leaves, 0.1), leaves), (-0.2, 0.25)):
        close(
            f"the gradient of d_loss(real, fake, 0.1) for {name} where all logits are 0", d.numpy(), np.full((2, 1), e)
        )


@test(task=1, points=1)
def d_loss_twice(a):
    """The second derivative of d_loss."""
    real, fake, u, v = random(1, 4, 1), random(2, 6, 1), random(3, 4, 1), random(4, 6, 1)
    leaves = [mg.tensor(real, requires_grad=True), mg.tensor(fake, requires_grad=True)]
    first = mg.grad(a.d_loss(*leaves, 0.1), leaves, create_graph=True)
    got = mg.grad((first[0] * mg.tensor(u)).sum() + (first[1] * mg.tensor(v)).sum(), leaves, allow_unused=True)
    for name, x, w, d in zip(("real", "fake"), (real, fake), (u, v), got):
        truth = w * sigmoid(x) * sigmoid(-x) / x.size
        close(f"the second derivative of d_loss for {name}", np.zeros_like(x) if d is None else d.numpy(), truth)


@test(task=1, points=2)
def d_that_is_sure(a):
    """Logits of several hundreds of either sign, and float32: the loss and its gradient are finite and right."""
    for dtype, far in ((np.float64, 800.0), (np.float32, 130.0), (np.float32, 25.0)):
        real, fake = np.array([-far, far, 0.5], dtype), np.array([far, -far, -0.5, 1.0], dtype)
        for s in (0.0, 0.1):
            leaves = [mg.tensor(real, requires_grad=True), mg.tensor(fake, requires_grad=True)]
            case = f"for logits up to {far:g}, {np.dtype(dtype).name}, smoothing {s}"
            with np.errstate(all="ignore"):
                value = a.d_loss(*leaves, s)
                got = [loss(f"d_loss {case}", value), *(d.numpy() for d in mg.grad(value, leaves))]
            x, y = real.astype(np.float64), fake.astype(np.float64)
            on_real = (1 - s) * np.logaddexp(0, -x) + s * np.logaddexp(0, x)
            truth = [np.array(on_real.mean() + np.logaddexp(0, y).mean()),
                     (s * sigmoid(x) - (1 - s) * sigmoid(-x)) / 3, sigmoid(y) / 4]  # fmt: skip
            for name, d, e in zip(("d_loss", "the gradient for real", "the gradient for fake"), got, truth):
                rtol = 1e-6 if dtype == np.float64 else 1e-4
                close(f"{name} {case}", d, e.astype(dtype), rtol=rtol, atol=1e-12 if dtype == np.float64 else 1e-7)


# ---- task 2

LOSSES = {
    "g_loss": (lambda x: np.logaddexp(0, -x).mean(), lambda x: -sigmoid(-x) / x.size),
    "g_loss_saturating": (lambda x: -np.logaddexp(0, x).mean(), lambda x: -sigmoid(x) / x.size),
}


def gradient_name(name):
    """The function by hand for a loss."""
    return name.replace("loss", "gradient")


@test(task=2, points=1)
def g_losses_of_other_batches(a):
    """Both losses for other shapes, with their gradients by the engine under a cotangent that is not 1."""
    for name, (value, slope) in LOSSES.items():
        for seed, shape in enumerate([(5, 1), (1, 1), (2, 3), ()]):
            x = np.asarray(2 * random(seed, *shape))
            leaf = mg.tensor(x, requires_grad=True)
            got = getattr(a, name)(leaf)
            close(f"{name}(fake), shape {shape}", loss(f"{name}(fake)", got), np.array(value(x)))
            (d,) = mg.grad(got, leaf, mg.tensor(np.array(0.6)))
            close(f"the engine's gradient of {name}, shape {shape}", d.numpy(), np.asarray(0.6 * slope(x)))
        leaf = mg.tensor(np.zeros(4), requires_grad=True)
        (d,) = mg.grad(getattr(a, name)(leaf), leaf)
        close(f"the engine's gradient of {name} where all logits are 0", d.numpy(), np.full(4, -0.125))


@test(task=2, points=1)
def gradients_by_hand(a):
    """g_gradient and g_gradient_saturating for other shapes."""
    for name, (_, slope) in LOSSES.items():
        for seed, shape in enumerate([(6, 1), (1,), (2, 3)]):
            for x in (2 * random(seed + 5, *shape), with_zeros(2 * random(seed + 5, *shape))):
                close(f"{gradient_name(name)}(logits), shape {shape}", by_hand(a, gradient_name(name), x), slope(x))
            got = by_hand(a, gradient_name(name), x.astype(np.float32))
            single(f"{gradient_name(name)}(logits), shape {shape}", got, slope(x.astype(np.float32).astype(np.float64)))


@test(task=2, points=1)
def g_losses_far_out(a):
    """Both losses and the engine's gradients for logits of several hundreds, and in float32."""
    for dtype, far in ((np.float64, 800.0), (np.float32, 130.0)):
        x = np.array([[-far], [far], [0.5]], dtype)
        for name, (value, slope) in LOSSES.items():
            leaf = mg.tensor(x, requires_grad=True)
            case = f"for logits up to {far:g}, {np.dtype(dtype).name}"
            with np.errstate(all="ignore"):
                got = getattr(a, name)(leaf)
                (d,) = mg.grad(got, leaf)
            wide = x.astype(np.float64)
            close(f"{name} {case}", loss(name, got), np.array(value(wide), dtype), rtol=1e-5)
            close(f"the engine's gradient of {name} {case}", d.numpy(), slope(wide).astype(dtype), 1e-5, 1e-30)


@test(task=2, points=2)
def hand_far_out(a):
    """Both gradients by hand for logits of several hundreds, in float32, and for D = 1e-13."""
    for dtype, far in ((np.float64, 800.0), (np.float32, 130.0), (np.float64, 30.0), (np.float32, 20.0)):
        x = np.array([-far, far, 0.5], dtype)
        for name, (_, slope) in LOSSES.items():
            what = f"{gradient_name(name)} for logits up to {far:g}, {np.dtype(dtype).name}"
            truth = slope(x.astype(np.float64)).astype(dtype)
            close(what, by_hand(a, gradient_name(name), x), truth, rtol=1e-4, atol=1e-37)


# ---- task 3


def reference_generator(latent, width, channels):
    """The generator as the docstring of the task says."""
    return nn.Sequential(
        nn.Linear(latent, 8 * width, False), nn.Unflatten(1, (2 * width, 2, 2)), nn.BatchNorm2d(2 * width), nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


def reference_discriminator(width, channels):
    """The discriminator as the docstring of the task says."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(8 * width, 1),
    )  # fmt: skip


CASES = {
    "generator": (reference_generator, [(5, 3, 2), (8, 4, 1)], lambda latent, width, channels: (latent,)),
    "discriminator": (reference_discriminator, [(3, 2), (5, 1)], lambda width, channels: (channels, 8, 8)),
}


def in_roles(network_):
    """The parameters of a new network by shape; of two of one shape the weight of batch norm, which is 1, first.

    So it does not matter in which order they were registered.
    """
    return sorted(network_.parameters(), key=lambda p: (p.shape, -float(p.numpy().mean())))


def twins(a, name, sizes):
    """The student's network and the reference with the same random weights, and the parameters of both in pairs."""
    mine, truth = network(a, name, *sizes), CASES[name][0](*sizes)
    both = [in_roles(net) for net in (mine, truth)]
    shapes = [[p.shape for p in parameters] for parameters in both]
    if shapes[0] != shapes[1]:
        more, less = ((Counter(a) - Counter(b)).elements() for a, b in (shapes, shapes[::-1]))
        differ = [
            f"{what} {', '.join(map(str, some))}"
            for what, some in (("too many:", [*more]), ("missing:", [*less]))
            if some
        ]
        fail(f"the shapes of the parameters of {name}{sizes}", f"{'; '.join(differ)}.")
    for seed, (p, q) in enumerate(zip(*both)):
        p.data = q.data = 0.5 * random(seed + 40, *q.shape, dtype=np.float32)
    return mine, truth, CASES[name][2](*sizes), both


def parameters_are_right(a, name):
    """Complain unless the shapes of the parameters are those of the reference, and random and new in each call."""
    for sizes in CASES[name][1]:
        mine, *_ = twins(a, name, sizes)
        fresh = [in_roles(network(a, name, *sizes)) for _ in range(2)]
        if {id(p) for p in mine.parameters()} & {id(p) for p in fresh[0]}:
            fail(f"{name}{sizes}, called twice", "expected a new network, got one that shares parameters.")
        for p, q in zip(*fresh):
            if len(p.shape) > 1 and p.numpy().std() == 0:
                fail(f"{name}{sizes}: the weights of shape {p.shape}", "all are equal at the start.")
            if len(p.shape) > 1 and np.array_equal(p.numpy(), q.numpy()):
                fail(f"{name}{sizes}, called twice", "expected other weights at the start, got the same ones.")


@test(task=3, points=1)
def parameters_of_generators(a):
    """The generator's parameters for other sizes, with 1 and 2 channels."""
    parameters_are_right(a, "generator")


@test(task=3, points=1)
def parameters_of_discriminators(a):
    """The discriminator's parameters for other sizes, with 1 and 2 channels."""
    parameters_are_right(a, "discriminator")


def numbers_are_right(a, name):
    """Complain unless the outputs are those of the reference with the same weights."""
    for sizes in CASES[name][1]:
        mine, truth, shape, _ = twins(a, name, sizes)
        for n in (2, 5):
            x = random(n, n, *shape, dtype=np.float32)
            want = truth(mg.tensor(x)).detach().numpy()
            got = output(f"{name}{sizes}", mine, x, want.shape)
            close(f"{name}{sizes} with known weights, {n} inputs", got, want, rtol=1e-3, atol=1e-4)


@test(task=3, points=1)
def images_of_known_weights(a):
    """What the generator makes with given weights."""
    numbers_are_right(a, "generator")


@test(task=3, points=1)
def logits_of_known_weights(a):
    """What the discriminator says with given weights."""
    numbers_are_right(a, "discriminator")


@test(task=3, points=1)
def one_in_evaluation(a):
    """Both networks in evaluation mode after two batches: one input alone."""
    for name in CASES:
        sizes = CASES[name][1][0]
        mine, truth, shape, _ = twins(a, name, sizes)
        for net in (mine, truth):
            for seed in (1, 2):
                net(mg.tensor(random(seed, 6, *shape, dtype=np.float32)))
            net.eval()
        x = random(3, 1, *shape, dtype=np.float32)
        want = truth(mg.tensor(x)).detach().numpy()
        close(f"{name}{sizes} in evaluation mode", output(name, mine, x, want.shape), want, rtol=1e-3, atol=1e-4)


@test(task=3, points=1)
def slopes_of_networks(a):
    """The gradients of both networks for their inputs and parameters, under a random cotangent."""
    for name in CASES:
        sizes = CASES[name][1][0]
        mine, truth, shape, both = twins(a, name, sizes)
        found = []
        for net, parameters in zip((mine, truth), both):
            x = mg.tensor(random(3, 4, *shape, dtype=np.float32), requires_grad=True)
            out = net(x)
            u = mg.tensor(random(5, *out.shape, dtype=np.float32))
            found.append(mg.grad((out * u).sum(), [x, *parameters], allow_unused=True))
        for i, (d, e) in enumerate(zip(*found)):
            what = f"the gradient of {name}{sizes} for {f'parameter {i - 1}' if i else 'its input'}"
            if d is None:
                fail(what, "there is none: the way back from the output to it is cut.")
            close(what, d.numpy(), e.numpy(), rtol=2e-3, atol=2e-3)


# ---- task 4


def move(loss, optimizer, network):
    """One step of the optimizer for a network's parameters, and for these alone."""
    parameters = list(network.parameters())
    for p, g in zip(parameters, mg.grad(loss, parameters)):
        p.grad = g
    optimizer.step()
    optimizer.zero_grad()


def true_step(G, D, optimizer_g, optimizer_d, x, z, smoothing):
    """What training_step has to do."""
    fake = G(z)
    on_d = mg.losses.label_smoothing_d(D(x), D(fake.detach()), smoothing)
    move(on_d, optimizer_d, D)
    on_g = mg.losses.non_saturating_g(D(fake))
    move(on_g, optimizer_g, G)
    return on_d.item(), on_g.item()


def dense_pair(seed):
    """A generator (2 to 3) and a discriminator (3 to 1) of dense layers."""
    shapes = [[(4, 2), (4,)], [(3, 4), (3,)]], [[(5, 3), (5,)], [(1, 5), (1,)]]
    return [
        dense(*[[random(seed + 10 * i + 3 * j + k, *s) for k, s in enumerate(layer)] for j, layer in enumerate(layers)])
        for i, layers in enumerate(shapes)
    ]


def convolutional_pair(seed):
    """The networks of task 3, with known weights."""
    G, D = reference_generator(2, 2, 1), reference_discriminator(2, 1)
    for k, p in enumerate([*G.parameters(), *D.parameters()]):
        p.data = 0.3 * random(seed + k, *p.shape, dtype=np.float32)
    return G, D


def game(a, networks, optimizer, steps, shape, smoothing=None, before=None):
    """The student's steps beside the true ones: a generator of (mine, truth), each (G, D, losses) after a step."""
    sides = []
    for step in (a.training_step, true_step):
        G, D = (copy.deepcopy(net) for net in networks)
        sides.append((step, G, D, optimizer(G.parameters()), optimizer(D.parameters())))
    for k in range(steps):
        x, z = random(50 + k, 6, *shape, dtype=np.float32), random(70 + k, 4, 2, dtype=np.float32)
        results = []
        for step, G, D, optimizer_g, optimizer_d in sides:
            rest = () if smoothing is None and step is a.training_step else (0.1 if smoothing is None else smoothing,)
            if before and step is a.training_step:
                before(G, D)
            with untouched(x=x, z=z):
                got = step(G, D, optimizer_g, optimizer_d, mg.tensor(x), mg.tensor(z), *rest)
            results.append((G, D, pair(a, "training_step(...)", got)))
        yield k + 1, results


def sgd(parameters):
    """Plain steps, long ones, so that every mistake shows."""
    return mg.optim.SGD(parameters, lr=0.5)


def compare_weights(case, results, rtol=1e-3, atol=1e-4):
    """Complain unless both networks have the weights that they should have: D first, as it moves first."""
    mine, truth = results
    for i, player in ((1, "the discriminator"), (0, "the generator")):
        close(f"the weights of {player} {case}", weights(mine[i]), weights(truth[i]), rtol=rtol, atol=atol)


@test(task=4, points=2)
def three_moves_each(a):
    """The weights of two dense networks after each of three steps of SGD."""
    for k, results in game(a, dense_pair(0), sgd, 3, (3,)):
        compare_weights(f"after step {k}", results)


@test(task=4, points=1)
def losses_of_the_moves(a):
    """Both losses in three steps, with another smoothing."""
    for k, results in game(a, dense_pair(7), sgd, 3, (3,), smoothing=0.3):
        for i, name in enumerate(("D's loss", "G's loss")):
            close(f"training_step(...)[{i}], {name} in step {k}", results[0][2][i], results[1][2][i], rtol=1e-4)


@test(task=4, points=1)
def gradients_of_others(a):
    """Gradients that both networks hold from before do not count."""

    def leave(*networks):
        for net in networks:
            for k, p in enumerate(net.parameters()):
                p.grad = mg.tensor(random(k, *p.shape, dtype=np.float32))

    for k, results in game(a, dense_pair(14), sgd, 2, (3,), before=leave):
        compare_weights(f"after step {k}, with gradients from before", results)


def buffers(net):
    """The running statistics of a network in one array."""
    return np.concatenate([np.asarray(b.numpy(), np.float64).ravel() for b in net.buffers()])


def statistics_of_the_moves(networks, x, z):
    """What both networks may have remembered after a step with a rate of 0: a list for G, and one for D."""
    found = ([], [])
    for times, order in itertools.product((1, 2), ("xff", "fxf")):  # z may go through G once more for its own move
        G, D = (copy.deepcopy(net) for net in networks)
        for _ in range(times):
            fake = G(z).detach()
        for what in order:
            D(x if what == "x" else fake)
        found[0].append(buffers(G))
        found[1].append(buffers(D))
    return found


def compare_modes(a):
    """Networks in either mode: the step leaves modes as they are, and batch norm remembers the step's batches alone."""
    x, z = mg.tensor(random(61, 6, 1, 8, 8, dtype=np.float32)), mg.tensor(random(62, 4, 2, dtype=np.float32))
    for modes in itertools.product((True, False), repeat=2):
        networks = convolutional_pair(3)
        for net, mode in zip(networks, modes):
            net.train(mode)
        mine = [copy.deepcopy(net) for net in networks]
        a.training_step(*mine, *(mg.optim.SGD(net.parameters(), lr=0.0) for net in mine), x, z)
        words = ["training" if mode else "evaluation" for mode in modes]
        case = f"G in {words[0]} mode and D in {words[1]} mode"
        for player, net, mode in zip("GD", mine, modes):
            if any(module.training is not mode for module in net.modules()):
                fail("training_step(G, D, ...)", f"{case}: {player} or a part of it is in another mode afterwards.")
        for player, net, allowed in zip("GD", mine, statistics_of_the_moves(networks, x, z)):
            got = buffers(net)
            if not any(np.allclose(got, wanted, rtol=1e-3, atol=1e-4) for wanted in allowed):
                fail(
                    "training_step(G, D, ...)",
                    f"{case}: {player}'s running means and variances are not those of the step's batches.",
                )


@test(task=4, points=1)
def convolutions_and_adam(a):
    """Convolutional networks with batch norm, two steps of Adam, in both modes; the step must leave them as they are."""

    def adam(parameters):
        return mg.optim.Adam(parameters, lr=0.02, betas=(0.5, 1 - 1e-3), eps=1e-3)

    for training in (True, False):
        networks = convolutional_pair(0)
        for net in networks:
            net.train(training)
        case = "" if training else ", both in evaluation mode"
        for k, results in game(a, networks, adam, 2, (1, 8, 8)):
            compare_weights(f"after step {k} of Adam, with batch norm{case}", results, rtol=5e-3, atol=1e-3)
    compare_modes(a)


@test(task=4, points=1)
def all_can_still_learn(a):
    """Every parameter requires a gradient after a step; and the other player's optimizer has not moved."""
    for _, (mine, _) in game(a, dense_pair(21), sgd, 1, (3,)):
        for player, net in zip("GD", mine[:2]):
            if not all(p.requires_grad for p in net.parameters()):
                fail("training_step(G, D, ...)", f"a parameter of {player} no longer requires a gradient afterwards.")
    G, D = dense_pair(28)
    start = weights(G)
    x, z = (mg.tensor(random(i, 6, n, dtype=np.float32)) for i, n in ((1, 3), (2, 2)))
    a.training_step(G, D, mg.optim.SGD(G.parameters(), lr=0.0), sgd(D.parameters()), x, z)
    close("the weights of the generator where its rate is 0", weights(G), start)
    G, D = dense_pair(35)
    start = weights(D)
    a.training_step(G, D, sgd(G.parameters()), mg.optim.SGD(D.parameters(), lr=0.0), x, z)
    close("the weights of the discriminator where its rate is 0", weights(D), start)


# ---- task 5


def marked(count, channels=1):
    """Images that one can tell apart: number i is i gray all over."""
    return np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, channels, 8, 8))


@test(task=5, points=1)
def noise_of_each_step(a):
    """z: new in each step, of the shape that was asked for, normally distributed."""
    calls, _ = watched(a, marked(20), 60, latent=5, batch=9, width=2)
    for call in calls:
        if call["z"].shape != (9, 5):
            fail("train(images, 60, latent=5, batch=9): z", f"expected the shape (9, 5), got {call['z'].shape}.")
    z = np.stack([call["z"] for call in calls])
    if len(np.unique(z.round(5))) < 2600:
        fail("train: z", "the same numbers come again and again; expected new noise in each step.")
    for what, got, truth in (
        ("the mean", z.mean(), 0),
        ("the variance", z.var(), 1),
        ("the mean of z^4", (z**4).mean(), 3),
    ):
        if abs(got - truth) > 0.15 * max(1, truth) * 2:
            fail(f"{what} of all z", f"expected about {truth}, as of normally distributed numbers; got {got:.2f}.")


@test(task=5, points=1)
def images_of_each_step(a):
    """x: in each step other images, no image twice in a batch, all as often; any number of channels."""
    calls, _ = watched(a, marked(43, channels=2), 100, batch=10, width=2)
    odd = {call["x"].shape for call in calls} - {(10, 2, 8, 8)}
    if odd:
        fail("train(images, 100, batch=10): x", f"expected the shape (10, 2, 8, 8) in each step, got {odd.pop()}.")
    x = np.stack([call["x"] for call in calls])
    which = np.clip((x[:, :, 0, 0, 0] + 1) * 127.5, 0, 42)
    close(
        "train: the pixels of x, from -1 to 1",
        x,
        np.rint(which)[..., None, None, None] / 127.5 - 1 + 0 * x,
        atol=1e-3,
        dtype=False,
    )
    which = np.rint(which).astype(int)
    if any(len(set(row)) < 10 for row in which):
        fail("train: x", "an image comes twice in a batch; expected different ones.")
    counts = np.bincount(which.ravel(), minlength=43)
    if counts.min() < 8 or counts.max() > 50:
        fail(
            "train: x",
            f"each of 43 images is expected about 23 times in 100 batches of 10; got {counts.min()} to {counts.max()}.",
        )
    if len({tuple(sorted(row)) for row in which}) < 50:
        fail("train: x", "the same batches come again and again; expected new ones.")


@test(task=5, points=1)
def the_players(a):
    """The same two networks and optimizers in all steps, each optimizer for its own player; Adam as asked."""
    calls, made = watched(a, marked(20), 3, batch=5, lr=0.0123, width=3, latent=6)
    if len({id(c[key]) for c in calls for key in ("G", "D", "og", "od")}) != 4:
        fail("train", "expected the same two networks and two optimizers in every step; got others.")
    first = calls[0]
    if made is not first["G"]:
        fail("train(images, steps)", "expected the generator that was trained; got something else.")
    for player, network_, optimizer in (("G", first["G"], first["og"]), ("D", first["D"], first["od"])):
        own = {id(p) for p in network_.parameters()}
        if {id(p) for group in optimizer.param_groups for p in group["params"]} != own:
            fail(f"the optimizer of {player}", f"expected it to have the parameters of {player}, all and no others.")
        group = optimizer.param_groups[0]
        if type(optimizer) is not mg.optim.Adam:
            fail(f"the optimizer of {player}", f"expected Adam, got {type(optimizer).__name__}.")
        got = np.array([group["lr"], *group["betas"]])
        close(f"lr and betas of the optimizer of {player}", got, np.array([0.0123, 0.5, 1 - 1e-3]))
    if any(call["smoothing"] != 0.1 for call in calls):
        fail("train: smoothing", f"expected training_step's default in each step, got {first['smoothing']}.")
    if (24, 6) not in [p.shape for p in made.parameters()]:
        fail("train(images, steps, latent=6, width=3)", "expected a generator of these sizes, got another one.")


@test(task=5, points=1)
def seeds_decide(a):
    """The same seed gives the same generator, another one another, whatever was drawn before."""
    images = np.random.default_rng(0).integers(0, 256, (12, 1, 8, 8)).astype(np.uint8)
    found = []
    for seed in (3, 3, 4):
        mg.randn(5)
        np.random.rand(5)  # noqa: NPY002 - for those who draw from it
        found.append(weights(a.train(images, 2, batch=4, width=2, latent=3, seed=seed)))
    close("the weights of train(..., seed=3), called once more", found[1], found[0], rtol=1e-4, atol=1e-6)
    if np.allclose(found[0], found[2], atol=1e-3):
        fail("train(..., seed=4)", "expected another generator than with seed=3; got the same.")


@test(task=5, points=1)
def samples_alone_and_together(a):
    """sample: the images of other networks, each from its own noise alone, and the mode is left as it was."""
    G = reference_generator(3, 2, 2)
    for k, p in enumerate(G.parameters()):
        p.data = 0.7 * random(k, *p.shape, dtype=np.float32)
    for seed in range(4):
        G(mg.tensor(random(seed, 8, 3, dtype=np.float32)))
    z = random(9, 6, 3)
    truth = copy.deepcopy(G)
    truth.eval()
    want = np.rint((truth(mg.tensor(z.astype(np.float32))).detach().numpy().astype(np.float64) + 1) * 127.5)
    for training in (True, False):
        G.train(training)
        before = buffers(G)
        with untouched(z=z):
            together, alone = a.sample(G, z), a.sample(G, z[2:3])
            first = np.array(together)
            a.sample(G, -z)
        if not np.array_equal(together, first):
            fail("sample(G, z)", "the next call changes this result. Give a new array in each call.")
        if G.training is not training:
            fail("sample(G, z)", f"G was in {'training' if training else 'evaluation'} mode before, and is not after.")
        if not np.array_equal(buffers(G), before):
            fail("sample(G, z)", "the running mean and variance of G moved.")
        for what, got, wanted in (("sample(G, z)", together, want), ("sample(G, z) for one z alone", alone, want[2:3])):
            close(what, np.asarray(got, np.float64), wanted, rtol=0, atol=1.001)
            if got.dtype != np.uint8:
                fail(what, f"expected uint8, got {got.dtype}.")
        off = np.abs(together - want).mean()
        if off > 0.1:
            fail("sample(G, z)", f"gray levels are off by {off:.1f} on average: are they the nearest integers?")


BARS = np.repeat(np.repeat(np.eye(4), 2, axis=1)[:, None, :], 8, axis=1) * 2 - 1
"""Four images of 8x8, each with one vertical bar of two pixels."""


def learned(a):
    """What a generator draws that was trained on noisy bars: how alike each is to each of the four; made once."""
    if "_alike" not in vars(a):
        r = np.random.default_rng(8)
        images = BARS[r.integers(4, size=256)][:, None] * 0.8 + 0.1 * r.normal(size=(256, 1, 8, 8))
        images = np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)
        a._alike = None
        G = a.train(images, 80, batch=16, lr=0.01, seed=0)
        drawn = np.asarray(a.sample(G, r.normal(size=(200, 8))), np.float64).reshape(200, -1)
        drawn -= drawn.mean(axis=1, keepdims=True)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True) + 1e-3
        ideal = BARS.reshape(4, -1) - BARS.reshape(4, -1).mean(axis=1, keepdims=True)
        a._alike = drawn @ (ideal / np.linalg.norm(ideal, axis=1, keepdims=True)).T
    if a._alike is None:
        fail("train(images, 80) and sample, on images of bars", "no samples: it failed, or took too long, before.")
    return a._alike


def likeness(a, enough):
    """Complain unless samples are so like bars, on average."""
    got = learned(a).max(axis=1).mean()
    if got < enough:
        fail(
            "the correlation of samples with the nearest bar", f"expected at least {enough}, on average; got {got:.1f}."
        )


@test(task=5, points=1, seconds=20)
def it_begins_to_learn(a):
    """After 80 steps on images of bars: samples that look a little like bars."""
    likeness(a, 0.4)


@test(task=5, points=1, seconds=20)
def it_learns(a):
    """After 80 steps on images of bars: samples that look like bars."""
    likeness(a, 0.65)


@test(task=5, points=1, seconds=20)
def several_bars(a):
    """After 80 steps on images of bars: samples that look like bars, and not all like the same one."""
    likeness(a, 0.4)
    kinds = len(set(learned(a).argmax(axis=1)))
    if kinds < 3:
        fail("the bars that samples are most like", f"expected at least three of the four, got {kinds}.")
