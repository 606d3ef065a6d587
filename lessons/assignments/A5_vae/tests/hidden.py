"""The hidden tests of A5.  Their oracles are formulas, minigen's losses and minigen's engine."""

import functools

import numpy as np
from public import a_tensor, by_hand, call, kept, tensors

import minigen as mg
from minigen import losses, nn
from minigen.course.kit import close, fail, repeated, single, test, untouched, with_zeros

EXACT = losses.gradient  # the gradients by hand of minigen's losses, on arrays


def random(seed, *shape, dtype=np.float64):
    """Gaussian numbers; never all ones, under which much that is wrong looks right."""
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def grey(seed, *shape, dtype=np.float64):
    """Pixels, of which some are black, some white, most gray."""
    return np.clip(np.random.default_rng(seed).uniform(-0.3, 1.3, size=shape), 0, 1).astype(dtype)


def likelihood(logits, x):
    """Sums over the pixels of x log p + (1 - x) log(1 - p)."""
    return (x * logits - np.logaddexp(0, logits)).sum(-1)


def price(mu, log_var):
    """The KL from N(0, 1)."""
    return 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(-1)


def flows(what, out):
    """Complain if no gradient can come back."""
    if not out.requires_grad:
        fail(what, "no gradient can come back: the result is not made from its Tensors by operations on Tensors.")


def derivatives(a, name, truth, given, seed=50, dtype=np.float64):
    """Compare gradients under a random cotangent, and the gradients of these along random directions."""
    what = f"{name}({', '.join(given)})"
    found = []
    for f in (lambda *t: call(a, name, **dict(zip(given, t))), truth):
        leaves = tensors(*given.values())
        out = f(*leaves)
        flows(what, out)
        g = mg.tensor(random(seed, *out.shape, dtype=dtype), requires_grad=True)
        first = mg.grad(out, leaves, g, create_graph=True, allow_unused=True)
        pairs = [(d, random(seed + i, *d.shape, dtype=dtype)) for i, d in enumerate(first, 1) if d is not None]
        total = sum(((d * mg.tensor(u)).sum() for d, u in pairs), start=mg.tensor(np.zeros((), dtype)))
        again = mg.grad(total, [*leaves, g], allow_unused=True) if total.requires_grad else [None] * (len(leaves) + 1)
        found.append((out, first, again))
    (got, *orders), (wanted, *truths) = found
    close(what, got.numpy(), wanted.numpy())
    for turn, mine, right in zip(("", ", differentiated again"), orders, truths):
        for at, x, d, e in zip([*given, "the cotangent"], [*given.values(), g.numpy()], mine, right):
            zero = np.zeros(x.shape, x.dtype)
            got, wanted = (zero if v is None else v.numpy() for v in (d, e))
            close(f"{what}: the gradient for {at}{turn}", got, wanted)


def stays(what, got, dtype):
    """The dtype is this one."""
    if got.dtype != dtype:
        fail(what, f"expected {np.dtype(dtype)}, got {got.dtype}.")


# ---- task 1


@test(task=1, points=2)
def likelihoods_elsewhere(a):
    """log_likelihood of gray images, from 1 image of 1 pixel to 4 codes for each of 3 images."""
    for seed, (lead, n, pixels) in enumerate([((), 3, 5), ((), 1, 1), ((), 4, 4), ((4,), 3, 2), ((2, 3), 1, 6)]):
        logits, x = 2 * random(seed, *lead, n, pixels), grey(seed + 10, n, pixels)
        got = call(a, "log_likelihood", logits=mg.tensor(logits), x=mg.tensor(x)).numpy()
        close(f"log_likelihood of logits {logits.shape}, x {x.shape}", got, likelihood(logits, x))


@test(task=1, points=1)
def likelihoods_of_large_logits(a):
    """log_likelihood and its gradient by hand for logits up to 1000, also in float32."""
    for dtype in (np.float64, np.float32):
        logits = np.array([[1000, -1000, 90, -90], [-1000, 1000, -40, 40]], dtype)
        x, g = np.array([[1, 0, 0.5, 0], [0.25, 1, 0, 1]], dtype), np.array([2, -3], dtype)
        got = call(a, "log_likelihood", logits=mg.tensor(logits), x=mg.tensor(x)).numpy()
        close(f"log_likelihood of logits up to 1000, {np.dtype(dtype)}", got, np.array([-45, -250], dtype))
        slopes = by_hand(a, "log_likelihood_grad", 1, g=g, logits=logits, x=x)
        wanted = np.array([[0, 0, -1, 0], [-0.75, 0, 0, 0]], dtype)
        close(f"log_likelihood_grad of logits up to 1000, {np.dtype(dtype)}", slopes, wanted, atol=1e-7)
        (leaf,) = tensors(logits)
        out = a.log_likelihood(leaf, mg.tensor(x))
        flows("log_likelihood(logits, x)", out)
        (slopes,) = mg.grad(out, leaf, mg.tensor(g))
        close(
            f"the gradient of log_likelihood for logits up to 1000, {np.dtype(dtype)}",
            slopes.numpy(),
            wanted,
            atol=1e-7,
        )


@test(task=1, points=1)
def likelihoods_teach(a):
    """log_likelihood's gradients, the first and the second."""
    for seed, lead in enumerate([(), (2,)]):
        given = {"logits": random(seed, *lead, 3, 4), "x": grey(seed + 20, 3, 4)}
        derivatives(a, "log_likelihood", losses.bernoulli_log_likelihood, given)
    (logits,), x = tensors(np.zeros((2, 3))), grey(7, 2, 3)
    (slopes,) = mg.grad(call(a, "log_likelihood", logits=logits, x=mg.tensor(x)).sum(), logits)
    close("the gradient of log_likelihood where all logits are 0", slopes.numpy(), x - 0.5)


@test(task=1, points=1)
def likelihoods_by_hand(a):
    """log_likelihood_grad under random cotangents, for one and for several codes."""
    for seed, (lead, n, pixels) in enumerate([((), 3, 5), ((), 1, 1), ((), 3, 3), ((4,), 2, 3)]):
        g, logits, x = random(seed, *lead, n), 2 * random(seed + 30, *lead, n, pixels), grey(seed + 10, n, pixels)
        for zeros in (with_zeros(g), logits), (g, with_zeros(logits)), (g, logits):
            got = by_hand(a, "log_likelihood_grad", 1, g=zeros[0], logits=zeros[1], x=x)
            wanted = EXACT("bernoulli_log_likelihood")(zeros[1], x, g=zeros[0])[0]
            close(f"log_likelihood_grad of logits {logits.shape}", got, wanted)


@test(task=1, points=1)
def likelihoods_in_single_precision(a):
    """Both functions give float32 for float32, with the right values."""
    g, logits, x = random(1, 3, dtype=np.float32), random(2, 3, 4, dtype=np.float32), grey(3, 3, 4, dtype=np.float32)
    wide = [v.astype(np.float64) for v in (logits, x)]
    single(
        "log_likelihood", call(a, "log_likelihood", logits=mg.tensor(logits), x=mg.tensor(x)).numpy(), likelihood(*wide)
    )
    got = by_hand(a, "log_likelihood_grad", 1, g=g, logits=logits, x=x)
    single("log_likelihood_grad", got, EXACT("bernoulli_log_likelihood")(*wide, g=g.astype(np.float64))[0])


# ---- task 2

CODES = [((), 3, 2), ((), 1, 1), ((), 3, 3), ((4,), 2, 3), ((2, 3), 1, 5)]


@test(task=2, points=1)
def codes_elsewhere(a):
    """draw_code for other sizes and far variances, one and several draws an image; twice with the same noise."""
    for seed, (lead, n, d) in enumerate(CODES):
        mu, log_var, eps = random(seed, n, d), 2 * random(seed + 10, n, d), random(seed + 20, *lead, n, d)
        for turn in ("", ", asked again"):
            given = dict(zip(("mu", "log_var", "eps"), map(mg.tensor, (mu, log_var, eps))))
            got = call(a, "draw_code", **given).numpy()
            close(f"draw_code, eps of shape {eps.shape}{turn}", got, mu + np.sqrt(np.exp(log_var)) * eps)
    mu, log_var, eps = np.array([[1.0, 30.0]]), np.array([[12.0, -60.0]]), np.array([[0.5, -2.0]])
    got = call(a, "draw_code", mu=mg.tensor(mu), log_var=mg.tensor(log_var), eps=mg.tensor(eps)).numpy()
    close("draw_code, variances of e^12 and e^-60", got, mu + np.exp(log_var / 2) * eps)
    eps = np.array([[0.0, 3.0]])
    got = call(a, "draw_code", mu=mg.tensor(mu * 0), log_var=mg.tensor(log_var), eps=mg.tensor(eps)).numpy()
    close("draw_code, a variance of e^-60 around 0", got[0, 1], 3 * np.exp(-30), atol=0)


@test(task=2, points=1)
def codes_teach(a):
    """draw_code's gradients for all that goes in, the first and the second."""
    for seed, lead in enumerate([(), (3,)]):
        given = {"mu": random(seed, 2, 4), "log_var": random(seed + 10, 2, 4), "eps": random(seed + 20, *lead, 2, 4)}
        derivatives(a, "draw_code", losses.reparameterize, given)


@test(task=2, points=2)
def codes_by_hand(a):
    """draw_code_grad under random cotangents, from 1 to 5 draws an image."""
    for seed, (k, n, d) in enumerate([(1, 3, 2), (2, 3, 2), (5, 1, 1), (3, 3, 3)]):
        g, mu, log_var, eps = (
            random(seed, k, n, d),
            random(seed + 10, n, d),
            random(seed + 20, n, d),
            random(seed + 30, k, n, d),
        )
        for v in (log_var, with_zeros(log_var), log_var - 20, log_var + 20):
            got = by_hand(a, "draw_code_grad", 2, g=g, mu=mu, log_var=v, eps=with_zeros(eps, 3))
            wanted = EXACT("reparameterize")(mu, v, with_zeros(eps, 3), g=g)
            for i, name in enumerate(("mu", "log_var")):
                what = f"draw_code_grad for {name}, {k} draws, mu of shape {mu.shape}"
                close(what, got[i], wanted[i], atol=1e-6 * np.max(np.abs(wanted[i])))


@test(task=2, points=1)
def codes_in_single_precision(a):
    """Both functions give float32 for float32, with the right values."""
    g, mu, log_var, eps = (
        random(seed, *shape, dtype=np.float32) for seed, shape in enumerate([(2, 3, 2), (3, 2), (3, 2), (2, 3, 2)])
    )
    given = dict(zip(("mu", "log_var", "eps"), map(mg.tensor, (mu, log_var, eps))))
    wide = [v.astype(np.float64) for v in (mu, log_var, eps)]
    single("draw_code", call(a, "draw_code", **given).numpy(), wide[0] + np.exp(wide[1] / 2) * wide[2])
    exact = EXACT("reparameterize")(*wide, g=g.astype(np.float64))
    for i, d in enumerate(by_hand(a, "draw_code_grad", 2, g=g, mu=mu, log_var=log_var, eps=eps)):
        single(f"draw_code_grad(...)[{i}]", np.asarray(d), exact[i])


# ---- task 3


@test(task=3, points=1)
def prices_elsewhere(a):
    """Prices (kl) for other sizes, and for variances from e^-60 to e^12."""
    for seed, (n, d) in enumerate([(3, 2), (1, 1), (4, 4), (1, 5), (5, 1)]):
        mu, log_var = random(seed, n, d), random(seed + 10, n, d)
        got = call(a, "kl", mu=mg.tensor(mu), log_var=mg.tensor(log_var)).numpy()
        close(f"kl, mu of shape {mu.shape}", got, price(mu, log_var))
    mu, log_var = np.array([[0.0, 30.0], [-2.0, 0.0]]), np.array([[-60.0, 0.0], [12.0, -25.0]])
    got = call(a, "kl", mu=mg.tensor(mu), log_var=mg.tensor(log_var)).numpy()
    close("kl, variances from e^-60 to e^12", got, price(mu, log_var))


@test(task=3, points=1)
def prices_teach(a):
    """The gradients of kl, the first and the second."""
    for seed, shape in enumerate([(3, 4), (2, 1)]):
        derivatives(a, "kl", losses.gaussian_kl, {"mu": random(seed, *shape), "log_var": random(seed + 10, *shape)})


@test(task=3, points=2)
def prices_by_hand(a):
    """kl_grad under random cotangents."""
    for seed, (n, d) in enumerate([(3, 2), (1, 1), (3, 3), (2, 5)]):
        g, mu, log_var = random(seed, n), random(seed + 10, n, d), random(seed + 20, n, d)
        for m, v in ((mu, log_var), (with_zeros(mu), log_var), (mu, with_zeros(log_var)), (mu, 12 * log_var)):
            got = by_hand(a, "kl_grad", 2, g=with_zeros(g, 3), mu=m, log_var=v)
            wanted = EXACT("gaussian_kl")(m, v, g=with_zeros(g, 3))
            for i, name in enumerate(("mu", "log_var")):
                close(f"kl_grad for {name}, mu of shape {mu.shape}", got[i], wanted[i])


@test(task=3, points=1)
def prices_in_single_precision(a):
    """Both functions give float32 for float32, with the right values."""
    g, mu, log_var = (random(seed, *shape, dtype=np.float32) for seed, shape in enumerate([(3,), (3, 2), (3, 2)]))
    wide = [v.astype(np.float64) for v in (mu, log_var)]
    single("kl", call(a, "kl", mu=mg.tensor(mu), log_var=mg.tensor(log_var)).numpy(), price(*wide))
    exact = EXACT("gaussian_kl")(*wide, g=g.astype(np.float64))
    for i, d in enumerate(by_hand(a, "kl_grad", 2, g=g, mu=mu, log_var=log_var)):
        single(f"kl_grad(...)[{i}]", np.asarray(d), exact[i])


# ---- task 4


def negative_elbo(logits, x, mu, log_var):
    """Minus the ELBO, by minigen."""
    return losses.negative_elbo(losses.bernoulli_log_likelihood(logits, x), losses.gaussian_kl(mu, log_var))


class Recorder(nn.Module):
    """A model that notes down what its decoder gets; with classes, both halves take a label as well."""

    def __init__(self, pixels, latent, classes=0, dtype=np.float64, seed=0):
        super().__init__()
        self.classes = classes
        sizes = [(pixels + classes, latent), (pixels + classes, latent), (latent + classes, pixels)]
        made = [0.5 * random(seed + i, *size, dtype=dtype) for i, size in enumerate(sizes)]
        self.to_mu, self.to_log_var, self.to_logits = map(nn.Parameter, made)
        self.encoded, self.decoded = [], []

    def encode(self, x):
        """Mean and log-variance."""
        self.encoded.append(x.numpy())
        return x @ self.to_mu, mg.tanh(x @ self.to_log_var)

    def decode(self, z):
        """Logits."""
        self.decoded.append(z.numpy())
        return mg.tanh(z @ self.to_logits) * 3

    def noise(self, i=-1):
        """The noise in the i-th code, by the weights as they are."""
        x = mg.tensor(self.encoded[i])
        mu, log_var = x @ self.to_mu, mg.tanh(x @ self.to_log_var)
        return (self.decoded[i] - mu.numpy()) / np.exp(log_var.numpy() / 2)


@test(task=4, points=2)
def losses_elsewhere(a):
    """vae_loss for other sizes, one and several codes an image."""
    for seed, (lead, n, pixels, d) in enumerate([((), 3, 5, 3), ((), 1, 1, 1), ((), 4, 4, 4), ((5,), 3, 4, 2)]):
        arrays = (
            2 * random(seed, *lead, n, pixels),
            grey(seed + 5, n, pixels),
            random(seed + 10, n, d),
            random(seed + 20, n, d),
        )
        logits, x, mu, log_var = map(mg.tensor, arrays)
        got = call(a, "vae_loss", logits=logits, x=x, mu=mu, log_var=log_var).numpy()
        wanted = np.mean(price(*arrays[2:])) - np.mean(likelihood(*arrays[:2]))
        close(f"vae_loss, logits {arrays[0].shape}, mu {arrays[2].shape}", got, np.array(wanted))


@test(task=4, points=1)
def losses_teach(a):
    """vae_loss's gradients, the first and the second; and float32 stays, with the right values."""
    given = {"logits": random(0, 3, 4), "x": grey(1, 3, 4), "mu": random(2, 3, 2), "log_var": random(3, 3, 2)}
    derivatives(a, "vae_loss", negative_elbo, given)
    narrow = {name: v.astype(np.float32) for name, v in given.items()}
    logits, x, mu, log_var = (v.astype(np.float64) for v in narrow.values())
    got = call(a, "vae_loss", **{name: mg.tensor(v) for name, v in narrow.items()}).numpy()
    single("vae_loss", got, np.mean(price(mu, log_var)) - np.mean(likelihood(logits, x)))


@test(task=4, points=3)
def steps_are_steps_down(a):
    """training_step, three times: its loss, and where each parameter goes, whatever gradients were there before."""
    mg.manual_seed(3)
    model = Recorder(4, 2, seed=5)
    optimizer, x = mg.optim.SGD(model.parameters(), lr=0.1), mg.tensor(grey(1, 6, 4))
    for step in range(3):
        before = [np.array(p.numpy()) for p in model.parameters()]
        for seed, p in enumerate(model.parameters()):  # what others left behind does not count
            p.grad = mg.tensor(random(seed, *p.shape))
        with kept(x=x):
            loss = a.training_step(model, optimizer, x)
        if not model.decoded:
            fail("training_step(model, optimizer, x)", "it did not call model.decode.")
        shape = model.decoded[-1].shape
        if shape != (6, 2):
            fail("the codes that training_step decodes", f"expected shape (6, 2), got {shape}.")
        m, v, w = tensors(*before)
        mu, log_var = x @ m, mg.tanh(x @ v)
        eps = (model.decoded[-1] - mu.numpy()) / np.exp(log_var.numpy() / 2)
        z = losses.reparameterize(mu, log_var, mg.tensor(eps))
        wanted = negative_elbo(mg.tanh(z @ w) * 3, x, mu, log_var)
        if not isinstance(loss, float):
            fail("training_step(model, optimizer, x)", f"expected a Python number, got {type(loss).__name__}.")
        close(f"the loss given by step {step + 1}", loss, wanted.item())
        places = list(zip(("mu", "log_var", "logits"), model.parameters(), before, mg.grad(wanted, [m, v, w])))
        for name, p, old, d in places[::-1]:
            close(f"the weights for {name} after step {step + 1}", p.numpy(), old - 0.1 * d.numpy())


@test(task=4, points=1)
def noise_is_fresh(a):
    """The noise of training_step: normal, another in each step and for each image, by minigen's seed."""
    model = Recorder(3, 4, seed=2)
    optimizer, x = mg.optim.SGD(model.parameters(), lr=0.0), mg.tensor(grey(2, 500, 3))
    for seed in (4, None, 4):
        if seed is not None:
            mg.manual_seed(seed)
        a.training_step(model, optimizer, x)
    first, second, again = (model.noise(i) for i in range(3))
    what = "the noise in the codes of training_step"
    if abs(first).max() < 1e-6:
        fail(what, "there is none.")
    if np.allclose(first, second):
        fail(what, "it is the same in two steps.")
    if np.allclose(first[0], first[1]):
        fail(what, "it is the same for two images.")
    if np.allclose(first[:, 0], first[:, 1]):
        fail(what, "it is the same in two components of a code.")
    if abs(first.mean()) > 0.1 or abs(first.std() - 1) > 0.1:
        fail(what, f"expected mean 0 and spread 1, got {first.mean():.2f} and {first.std():.2f}.")
    both = np.abs(np.concatenate([first, second]))
    if abs((both**4).mean() - 3) > 0.6:
        fail(f"{what}: the mean of its fourth power", f"expected about 3, as of a normal; got {(both**4).mean():.1f}.")
    if both.max() < 3:
        fail(what, f"of 4,000 normal numbers about 11 are beyond 3; here the farthest is {both.max():.1f}.")
    if not np.allclose(first, again):
        fail(what, "after the same mg.manual_seed it is another. Draw it with mg.randn.")


@test(task=4, points=1)
def steps_in_both_precisions(a):
    """training_step for a model in float32 and for one in float64; a mean over one image."""
    for dtype in (np.float32, np.float64):
        mg.manual_seed(5)
        model = Recorder(3, 2, dtype=dtype)
        a.training_step(model, mg.optim.SGD(model.parameters(), lr=0.0), mg.tensor(grey(1, 1, 3, dtype=dtype)))
        stays(f"a code in training_step, {np.dtype(dtype)}", model.decoded[-1], dtype)
        if abs(model.noise()).max() < 1e-6:
            fail("the noise in the codes of training_step, for one image", "there is none.")


# ---- task 5


@test(task=5, points=1)
def rows_elsewhere(a):
    """one_hot for other classes and dtypes."""
    for labels, classes in [([3], 4), ([0, 0, 1], 2), ([4, 1, 0, 2, 4], 6), ([0], 1)]:
        for dtype in ("float32", "float64"):
            given = np.array(labels)
            with untouched(labels=given):
                what = "one_hot(labels, classes, dtype)"
                got = a_tensor(what, repeated(what, a.one_hot, given, classes, dtype)).numpy()
            close(f"one_hot({labels}, {classes}, {dtype})", got, np.eye(classes, dtype=dtype)[labels])


@test(task=5, points=1)
def labels_that_do_not_exist(a):
    """one_hot refuses labels below 0 and beyond the last class."""
    for labels, classes in [([0, 3], 3), ([-1, 1], 3), ([5], 2)]:
        try:
            a.one_hot(np.array(labels), classes)
        except ValueError:
            continue
        fail(f"one_hot({labels}, {classes})", "expected a ValueError.")


@test(task=5, points=2)
def conditional_losses_teach(a):
    """conditional_loss of a model with random weights, and its gradients for all of them, in both precisions."""
    for seed, (n, pixels, d, classes) in enumerate([(4, 3, 2, 3), (1, 2, 1, 2), (3, 3, 3, 3)]):
        for dtype, rtol in ((np.float64, 1e-6), (np.float32, 1e-3)):
            model = Recorder(pixels, d, classes, dtype, seed)
            labels = np.random.default_rng(seed + 1).integers(classes, size=n)
            x, eps = mg.tensor(grey(seed + 2, n, pixels, dtype=dtype)), mg.tensor(random(seed + 3, n, d, dtype=dtype))
            case = f"{n} images of {classes} classes, {np.dtype(dtype)}"
            with kept(x=x, eps=eps), untouched(labels=labels):
                got = a_tensor("conditional_loss(...)", a.conditional_loss(model, x, labels, eps))
            label = mg.tensor(np.eye(classes, dtype=dtype)[labels])
            m, v, w = model.parameters()
            given = mg.cat([x, label], 1)
            mu, log_var = given @ m, mg.tanh(given @ v)
            z = losses.reparameterize(mu, log_var, eps)
            wanted = negative_elbo(mg.tanh(mg.cat([z, label], 1) @ w) * 3, x, mu, log_var)
            close(f"conditional_loss of {case}", got.numpy(), wanted.numpy(), rtol=rtol, atol=rtol / 10)
            flows(f"conditional_loss of {case}", got)
            mine, right = (mg.grad(loss, [m, v, w], allow_unused=True) for loss in (got, wanted))
            for name, p, d_mine, d_right in zip(("mu", "log_var", "logits"), (m, v, w), mine, right):
                found = np.zeros(p.shape, dtype) if d_mine is None else d_mine.numpy()
                at = f"the gradient of conditional_loss for the weights for {name}, {case}"
                close(at, found, d_right.numpy(), rtol=rtol, atol=rtol / 10)


@test(task=5, points=1)
def images_of_any_class(a):
    """draw_images from given codes: the array, its range, its dtype; twice the same."""
    for dtype in (np.float64, np.float32):
        model = Recorder(4, 2, 5, dtype, 6)
        labels, z = np.array([4, 0, 2]), mg.tensor(random(7, 3, 2, dtype=dtype))
        logits = np.tanh(np.hstack([z.numpy(), np.eye(5, dtype=dtype)[labels]]) @ model.to_logits.numpy()) * 3
        for turn in ("", ", asked again"):
            with kept(z=z), untouched(labels=labels):
                got = repeated("draw_images(...)", functools.partial(a.draw_images, model), labels, z)
            if not isinstance(got, np.ndarray):
                fail("draw_images(model, labels, z)", f"expected an array, got {type(got).__name__}.")
            close(f"draw_images, {np.dtype(dtype)}{turn}", got, 1 / (1 + np.exp(-logits)), rtol=1e-5, atol=1e-6)


# ---- task 6


def codes(seed, k, n, pixels, d, dtype=np.float64):
    """Arrays for log_weights."""
    shapes = {"logits": (k, n, pixels), "x": (n, pixels), "mu": (n, d), "log_var": (n, d), "eps": (k, n, d)}
    made = {name: random(seed + i, *shape, dtype=dtype) for i, (name, shape) in enumerate(shapes.items())}
    return made | {"x": grey(seed, n, pixels, dtype=dtype)}


def weights(logits, x, mu, log_var, eps):
    """The log-weights, by minigen."""
    return losses.bernoulli_log_likelihood(logits, x) - losses.monte_carlo_kl(mu, log_var, eps)


def log_normal(z, mu, log_var):
    """The logarithm of the density."""
    return -0.5 * ((z - mu) ** 2 / np.exp(log_var) + log_var + np.log(2 * np.pi)).sum(-1)


@test(task=6, points=1)
def weights_elsewhere(a):
    """log_weights by the three densities, for other sizes."""
    for seed, (k, n, pixels, d) in enumerate([(3, 2, 4, 2), (1, 1, 1, 1), (2, 2, 2, 2), (5, 1, 3, 4)]):
        given = codes(10 * seed, k, n, pixels, d)
        got = call(a, "log_weights", **{name: mg.tensor(v) for name, v in given.items()}).numpy()
        z = given["mu"] + np.sqrt(np.exp(given["log_var"])) * given["eps"]
        truth = likelihood(given["logits"], given["x"]) + log_normal(z, 0, np.zeros(d))
        close(f"log_weights, {k} codes of {n} images", got, truth - log_normal(z, given["mu"], given["log_var"]))


@test(task=6, points=1)
def weights_teach(a):
    """log_weights' gradients for all that goes in, the first and the second; and float32 stays, with its values."""
    derivatives(a, "log_weights", weights, codes(3, 2, 3, 2, 2))
    narrow = codes(3, 2, 3, 2, 2, np.float32)
    got = call(a, "log_weights", **{name: mg.tensor(v) for name, v in narrow.items()}).numpy()
    single("log_weights", got, weights(*(mg.tensor(v.astype(np.float64)) for v in narrow.values())).numpy())


@test(task=6, points=1)
def bounds_elsewhere(a):
    """iwae_loss for other numbers of codes and images."""
    for seed, (k, n) in enumerate([(4, 2), (1, 3), (3, 3), (50, 1)]):
        log_w = 3 * random(seed, k, n)
        got = call(a, "iwae_loss", log_w=mg.tensor(log_w)).numpy()
        close(f"iwae_loss, {k} codes of {n} images", got, np.array(-np.mean(np.log(np.mean(np.exp(log_w), axis=0)))))


@test(task=6, points=2)
def bounds_far_from_zero(a):
    """iwae_loss and its gradient for log-weights from -2000 to 1000, in both precisions."""
    for dtype in (np.float64, np.float32):
        log_w = np.array([[-1000, 1000, -2000], [-1000, 998, -1500]], dtype)
        (leaf,) = tensors(log_w)
        out = call(a, "iwae_loss", log_w=leaf)
        wanted = np.array((1500 + 2 * np.log(2) - np.log1p(np.exp(-2))) / 3, dtype)
        close(f"iwae_loss far from zero, {np.dtype(dtype)}", out.numpy(), wanted, rtol=1e-6)
        flows("iwae_loss(log_w)", out)
        small = 1 / (1 + np.exp(2))
        slopes = -np.array([[0.5, 1 - small, 0], [0.5, small, 1]]) / 3
        (got,) = mg.grad(out, leaf)
        close(
            f"the gradient of iwae_loss far from zero, {np.dtype(dtype)}", got.numpy(), slopes.astype(dtype), atol=1e-6
        )


@test(task=6, points=1)
def bounds_teach(a):
    """iwae_loss's gradients, the first and the second."""
    for seed, shape in enumerate([(4, 3), (2, 1)]):
        derivatives(a, "iwae_loss", losses.iwae_loss, {"log_w": random(seed, *shape)})


@test(task=6, points=1)
def the_bound_is_reached(a):
    """Many codes of an image whose probability is known by an integral: both functions together."""
    z = np.linspace(-8, 8, 4001)[:, None]
    slope, x = np.array([[1.5, -2.0, 0.5]]), np.array([[1.0, 0.0, 1.0]])
    log_p = np.log(np.sum(np.exp(likelihood(z @ slope, x) + log_normal(z, 0, np.zeros(1)))) * (z[1, 0] - z[0, 0]))
    mu, log_var, eps = np.array([[0.8]]), np.array([[-0.2]]), random(8, 20000, 1, 1)
    logits = (mu + np.exp(log_var / 2) * eps) @ slope
    log_w = call(
        a,
        "log_weights",
        **dict(zip(("logits", "x", "mu", "log_var", "eps"), map(mg.tensor, (logits, x, mu, log_var, eps)))),
    )
    close(
        "the bound of 20,000 codes, from log_weights and iwae_loss",
        -call(a, "iwae_loss", log_w=log_w).numpy(),
        np.array(log_p),
        atol=0.02,
        rtol=0,
    )
