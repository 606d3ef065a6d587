"""The public tests of A4: small cases that one can follow with pencil and paper."""

import numpy as np

import minigen as mg
from minigen.course.kit import close, fail, repeated, test, untouched


def kind(thing):
    """What something is, in words."""
    return {"NoneType": "None", "tuple": "a tuple", "ndarray": "an array"}.get(
        type(thing).__name__, type(thing).__name__
    )


# ---- tasks 1 and 2


def loss(what, got):
    """The array of a Tensor with one number, or a complaint that it is none."""
    if not isinstance(got, mg.Tensor):
        fail(what, f"expected a Tensor, got {kind(got)}. Compute it from Tensors, with operations on Tensors.")
    return got.numpy()


def d_loss(a, what, real, fake, *smoothing):
    """d_loss on arrays, as an array."""

    def apply(real, fake):
        with untouched(real=real, fake=fake):
            return loss(what, a.d_loss(mg.tensor(real), mg.tensor(fake), *smoothing))

    return repeated(what, apply, real, fake)


def by_hand(a, name, logits):
    """What g_gradient or g_gradient_saturating gives for an array, which must be left alone."""

    def apply(logits):
        with untouched(logits=logits), np.errstate(all="ignore"):
            return getattr(a, name)(logits)

    return repeated(f"{name}(logits)", apply, logits)


@test(task=1, points=1)
def one_image_of_each(a):
    """d_loss for D(real) = 3/4 and D(fake) = 1/5, which are logits of log 3 and -log 4."""
    what = "d_loss(real, fake) for one image of each"
    close(what, d_loss(a, what, np.log([3.0]), -np.log([4.0])), np.array(-np.log(0.75) - np.log(0.8)))


@test(task=1, points=1)
def undecided_with_smoothing(a):
    """An undecided D pays 2 log 2, whatever the smoothing; D(real) = 3/4 with smoothing 1/4 pays for both labels."""
    what = "d_loss(real, fake, 0.25) for logits of 0"
    close(what, d_loss(a, what, np.zeros(2), np.zeros(2), 0.25), np.array(2 * np.log(2)))
    what = "d_loss(real, fake, 0.25) for D(real) = 3/4 and D(fake) = 1/2"
    truth = -0.75 * np.log(0.75) - 0.25 * np.log(0.25) + np.log(2)
    close(what, d_loss(a, what, np.log([3.0]), np.zeros(1), 0.25), np.array(truth))


@test(task=2, points=1)
def both_losses_at_one_logit(a):
    """g_loss and g_loss_saturating for D(fake) = 1/5, a logit of -log 4."""
    for name, truth in (("g_loss", np.log(5)), ("g_loss_saturating", np.log(0.8))):
        what = f"{name}(fake) for D(fake) = 1/5"
        close(what, loss(what, getattr(a, name)(mg.tensor(-np.log([4.0])))), np.array(truth))


@test(task=2, points=1)
def both_gradients_at_one_logit(a):
    """g_gradient and g_gradient_saturating for one logit of -log 4."""
    for name, truth in (("g_gradient", -0.8), ("g_gradient_saturating", -0.2)):
        close(f"{name}(logits) for D(fake) = 1/5", by_hand(a, name, -np.log([4.0])), np.array([truth]))


# ---- task 3


def network(a, name, *sizes):
    """A network, or a complaint that it is none."""
    made = getattr(a, name)(*sizes)
    if not isinstance(made, mg.nn.Module):
        fail(f"{name}{sizes}", f"expected an nn.Module, got {kind(made)}.")
    return made


def output(what, made, x, shape):
    """What a network gives for an array, with this shape."""
    got = made(mg.tensor(x)).detach().numpy()
    if got.shape != shape:
        fail(f"{what} for an input of shape {x.shape}", f"expected the shape {shape}, got {got.shape}.")
    return got


@test(task=3, points=1)
def images_of_64_pixels(a):
    """generator(4, 2): its images have 8x8 pixels in [-1, 1], and it has 237 parameters."""
    G = network(a, "generator", 4, 2)
    z = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    images = output("generator(4, 2)", G, z, (3, 1, 8, 8))
    if abs(images).max() > 1:
        fail("generator(4, 2)", f"expected images in [-1, 1], got {images.min():.3g} to {images.max():.3g}.")
    # 64 + (4 + 4) + 128 + (2 + 2) + (32 + 1)
    close("the number of parameters of generator(4, 2)", sum(p.numel() for p in G.parameters()), 237)


@test(task=3, points=1)
def one_logit_each(a):
    """discriminator(2): one logit for each image, and 187 parameters."""
    D = network(a, "discriminator", 2)
    x = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)
    output("discriminator(2)", D, x, (3, 1))
    close("the number of parameters of discriminator(2)", sum(p.numel() for p in D.parameters()), 187)


# ---- task 4


def dense(*layers):
    """A network of dense layers with these weights (a list of arrays each), and tanh between them."""
    made = []
    for weights in layers:
        linear = mg.nn.Linear(weights[0].shape[1], weights[0].shape[0], bias=len(weights) == 2)
        for p, value in zip(linear.parameters(), weights):
            p.data = value.astype(np.float32)
        made += [linear, mg.nn.Tanh()]
    return mg.nn.Sequential(*made[:-1])


def weights(network):
    """All parameters of a network in one array."""
    return np.concatenate([p.numpy().ravel() for p in network.parameters()])


def pair(a, what, got):
    """The two losses that a step gives, as an array."""
    if not isinstance(got, tuple | list) or len(got) != 2 or not all(isinstance(v, float | int) for v in got):
        kinds = " and ".join(kind(v) for v in got) if isinstance(got, tuple | list) else kind(got)
        fail(what, f"expected two Python numbers, the losses of D and G; got {kinds}.")
    return np.array(got, np.float64)


@test(task=4, points=1)
def one_weight_each(a):
    """G(z) = w z and D(x) = v x with w = v = 1, x = 1, z = 0: nothing for G to learn, and D is told to like x."""
    G, D = dense([np.ones((1, 1))]), dense([np.ones((1, 1))])
    sgd_g, sgd_d = mg.optim.SGD(G.parameters(), lr=0.5), mg.optim.SGD(D.parameters(), lr=0.5)
    x, z = mg.ones(1, 1), mg.zeros(1, 1)
    what = "training_step(G, D, ..., smoothing=0.0)"
    got = pair(a, what, a.training_step(G, D, sgd_g, sgd_d, x, z, 0.0))
    # dL_D/dv = -(1 - D(x)) x = -0.2689 at v = 1
    close("the weight of D after a step", weights(D), np.array([1.1344707], np.float32), rtol=1e-5)
    close("the weight of G after a step", weights(G), np.array([1.0], np.float32), rtol=1e-5)
    close(f"{what}[0], D's loss", got[0], np.log(1 + np.exp(-1)) + np.log(2), rtol=1e-5)
    close(f"{what}[1], G's loss", got[1], np.log(2), rtol=1e-5)


@test(task=4, points=1)
def a_fake_that_is_known(a):
    """The same with z = 2: D moves by both images, and then G by the new D."""
    G, D = dense([np.ones((1, 1))]), dense([np.ones((1, 1))])
    sgd_g, sgd_d = mg.optim.SGD(G.parameters(), lr=0.5), mg.optim.SGD(D.parameters(), lr=0.5)
    a.training_step(G, D, sgd_g, sgd_d, mg.ones(1, 1), 2 * mg.ones(1, 1), 0.0)
    # dL_D/dv = -(1 - 0.7311) * 1 + 0.8808 * 2 = 1.4927; then v = 0.2537, and dL_G/dw = -(1 - D(2)) * v * 2
    v = 1 + 0.5 * (1 / (1 + np.exp(1)) - 2 / (1 + np.exp(-2)))
    w = 1 + 0.5 * 2 * v / (1 + np.exp(2 * v))
    close("the weight of D after a step, z = 2", weights(D), np.array([v], np.float32), rtol=1e-5)
    close("the weight of G after a step, z = 2", weights(G), np.array([w], np.float32), rtol=1e-5)


# ---- task 5


def watched(a, images, steps, **options):
    """Run train with a training_step that only looks on: what it was given at each step, and what train gave."""
    calls = []

    def look_on(G, D, optimizer_g, optimizer_d, x, z, *rest, **more):
        smoothing = rest[0] if rest else more.get("smoothing", 0.1)
        calls.append({"G": G, "D": D, "og": optimizer_g, "od": optimizer_d, "x": x, "z": z, "smoothing": smoothing})
        return 1.0, 1.0

    own, a.training_step = a.training_step, look_on
    try:
        with untouched(images=images):
            made = a.train(images, steps, **options)
    finally:
        a.training_step = own
    if len(calls) != steps:
        fail(f"train(images, {steps})", f"expected {steps} calls of training_step, got {len(calls)}.")
    for call in calls:
        for name in ("x", "z"):
            value = call[name]
            if not isinstance(value, mg.Tensor):
                fail(f"train: {name} for training_step", f"expected a Tensor, got {kind(value)}.")
            call[name] = value.numpy()
            if call[name].dtype != np.float32:
                fail(f"train: {name} for training_step", f"expected float32, got {call[name].dtype}.")
    return calls, made


@test(task=5, points=1)
def black_and_white(a):
    """Two images, one black and one white, in batches of 2: both come in each step, as -1 and 1."""
    images = np.concatenate([np.zeros((1, 1, 8, 8), np.uint8), np.full((1, 1, 8, 8), 255, np.uint8)])
    calls, _ = watched(a, images, 3, batch=2)
    for number, call in enumerate(calls):
        levels = np.sort(call["x"].reshape(len(call["x"]), -1), axis=0)
        truth = np.array([-1.0, 1.0], np.float32)[:, None] * np.ones((2, 64), np.float32)
        close(f"the pixels of x in step {number + 1}, sorted", levels, truth, rtol=1e-5, atol=1e-6)


@test(task=5, points=1)
def grey_levels(a):
    """sample makes 0, 64 and 255 of -1, -0.5 and 1: uint8."""

    class Known(mg.nn.Module):
        def forward(self, z):
            return (z.reshape(-1, 1, 1, 1) * mg.ones(1, 1, 8, 8)).tanh()

    z = np.array([[-20.0], [np.arctanh(-0.5)], [20.0]])
    got = a.sample(Known(), z)
    if not isinstance(got, np.ndarray):
        fail("sample(G, z)", f"expected an array, got {kind(got)}.")
    close("sample(G, z) for images of -1, -0.5 and 1", got.reshape(3, -1)[:, 0], np.array([0, 64, 255]), dtype=False)
    if got.dtype != np.uint8 or got.shape != (3, 1, 8, 8):
        fail("sample(G, z)", f"expected uint8 of shape (3, 1, 8, 8), got {got.dtype} of shape {got.shape}.")
