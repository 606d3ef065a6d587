"""Wrong answers to lessons 6 to 9."""

import numpy as np

import minigen as mg
from minigen import losses

from . import Table

TABLE = Table()
add, program = TABLE.add, TABLE.program

# 6.1 He
add("he_std", "variance, not deviation", "root|sqrt|variance", lambda fan_in, slope: 2 / ((1 + slope**2) * fan_in))
add(
    "he_std",
    "slope not squared",
    "square|slope\\*\\*2|slope\\^2",
    lambda fan_in, slope: np.sqrt(2 / ((1 + slope) * fan_in)),
)
add("he_std", "Xavier", "2|Xavier|half", lambda fan_in, slope: np.sqrt(1 / fan_in))
add("he_std", "slope ignored", "slope", lambda fan_in, slope: np.sqrt(2 / fan_in))
add(
    "he_std",
    "upside down",
    "1 \\+ slope|upside|divide|below|larger|smaller",
    lambda fan_in, slope: np.sqrt(2 * (1 + slope**2) / fan_in),
)
add("he_std", "1 - slope^2", "sign|1 \\+|plus", lambda fan_in, slope: np.sqrt(2 / ((1 - slope**2 + 1e-12) * fan_in)))
add("he_std", "the 2 below the line", "2|two|factor", lambda fan_in, slope: np.sqrt(1 / (2 * (1 + slope**2) * fan_in)))

# 6.2 forward


def forward(axis=0, ddof=0, where="root", gamma=True, beta=True):
    def normalize(x, weight, bias, eps):
        mean = x.mean(axis=axis, keepdims=True)
        var = x.var(axis=axis, ddof=ddof, keepdims=True)
        scale = {
            "root": np.sqrt(var + eps),
            "outside": np.sqrt(var) + eps,
            "none": np.sqrt(var),
            "variance": var + eps,
        }[where]
        return (x - mean) / scale * (weight if gamma else 1) + (bias if beta else 0)

    return normalize


add("normalize", "axis 1", "axis|batch|channel|column|row", forward(axis=1))
add("normalize", "over everything", "axis|channel|all", forward(axis=None))
add("normalize", "N - 1", "N - 1|ddof|divide", forward(ddof=1))
add("normalize", "eps outside of the root", "root|outside|inside|under", forward(where="outside"))
add("normalize", "eps forgotten", "eps|constant|0|nan", forward(where="none"))
add("normalize", "root forgotten", "root|sqrt|variance", forward(where="variance"))
add("normalize", "weight forgotten", "weight|gamma", forward(gamma=False))
add("normalize", "bias forgotten", "bias|beta", forward(beta=False))
add(
    "normalize",
    "mean not subtracted",
    "mean|subtract",
    lambda x, weight, bias, eps: x / np.sqrt(x.var(axis=0) + eps) * weight + bias,
)
add(
    "normalize",
    "bias inside of the scaling",
    "bias|order|before|after",
    lambda x, weight, bias, eps: ((x - x.mean(0)) / np.sqrt(x.var(0) + eps) + bias) * weight,
)

# 6.3 backward


def backward(drop=(), eps_out=False):
    def normalize_vjp(g, x, weight, eps):
        r = 1 / np.sqrt(x.var(0) + eps)
        hat = (x - x.mean(0)) * r
        inner = g
        if "mean" not in drop:
            inner = inner - g.mean(0)
        if "hat" not in drop:
            inner = inner - hat * (g * hat).mean(0)
        if "sum" in drop:
            inner = g - g.sum(0) - hat * (g * hat).sum(0)
        gx = inner * (1 if "r" in drop else r) * (1 if "gamma" in drop else weight)
        gw = (g * (x if "x for hat" in drop else hat)).sum(0)
        gb = g.sum(0)
        if "means" in drop:
            gw, gb = (g * hat).mean(0), g.mean(0)
        if "order" in drop:
            return gx, gb, gw
        if "plus" in drop:
            gx = (g - g.mean(0) + hat * (g * hat).mean(0)) * r * weight
        if "gamma in gw" in drop:
            gw = gw * weight
        return gx, gw, gb

    return normalize_vjp


for bug, hint in {
    "mean": "mean|mu",
    "hat": "hat|variance|standard deviation|third|\\br\\b",
    "r": "root|r\\b|divide|deviation|std",
    "gamma": "weight|gamma",
    "sum": "mean|1/N|divide|sum",
    "x for hat": "hat|normaliz",
    "means": "sum|mean",
    "order": "comes first|order|exchang",
    "plus": "sign|minus",
    "gamma in gw": "weight|gamma",
}.items():
    add("normalize_vjp", bug, hint, backward((bug,)))
add("normalize_vjp", "only the direct way", "mean|variance|way", backward(("mean", "hat")))

# 6.4 blind
add("blind", "only ones", r"\bb\b|7|constant|scal", {"a"})
add("blind", "hat forgotten", r"\bc\b|hat|x\^2|proportion", {"a", "b"})
add("blind", "x forgotten", r"\bd\b|mean|combination|x =|hat", {"a", "b", "c"})
add("blind", "hat squared, too", r"\bf\b|square", {"a", "b", "c", "d", "f"})
add("blind", "one element", r"\be\b|one", {"a", "b", "c", "d", "e"})
add("blind", "numbers", "letter", {1, 2, 3, 4})

# 6.5 running
add(
    "running",
    "biased variance",
    "N - 1|unbiased|N / ?\\(N",
    lambda mean, var, N, rho: (rho * mean, (1 - rho) + rho * var),
)
add(
    "running",
    "rho for the old",
    "rho|share|old|new|exchang",
    lambda mean, var, N, rho: ((1 - rho) * mean, rho + (1 - rho) * var * N / (N - 1)),
)
add(
    "running",
    "start of the variance forgotten",
    "1 - rho|start|old|1\\b",
    lambda mean, var, N, rho: (rho * mean, rho * var * N / (N - 1)),
)
add("running", "the batch's values", "rho|share|old", lambda mean, var, N, rho: (mean, var * N / (N - 1)))
add(
    "running",
    "mean starts at 1",
    "mean|start|0",
    lambda mean, var, N, rho: ((1 - rho) + rho * mean, (1 - rho) + rho * var * N / (N - 1)),
)
add(
    "running",
    "(N - 1)/N",
    "N - 1|upside|larger|unbiased",
    lambda mean, var, N, rho: (rho * mean, (1 - rho) + rho * var * (N - 1) / N),
)
add(
    "running",
    "N/(N-1) on the mean, too",
    "mean",
    lambda mean, var, N, rho: (rho * mean * N / (N - 1), (1 - rho) + rho * var * N / (N - 1)),
)

# 7.1
add("stable_rate", "1 / largest", "jump over|2|twice|half", lambda c: (1 / c.max(), 1 - c.min() / (2 * c.max())))
add("stable_rate", "2 / smallest", "largest|steep|max", lambda c: (2 / c.min(), 1 - 1))
add("stable_rate", "the fastest direction's factor", "slow|smallest|flat|min", lambda c: (2 / c.max(), 0.0))
add("stable_rate", "factor at the limit", "half", lambda c: (2 / c.max(), abs(1 - 2 * c.min() / c.max())))
add("stable_rate", "condition number", "1 -|condition|ratio|subtract", lambda c: (2 / c.max(), c.min() / c.max()))
add("stable_rate", "mean curvature", "largest|steep|max|mean", lambda c: (2 / c.mean(), 1 - c.min() / c.mean()))
add("stable_rate", "sum of curvatures", "largest|steep|max|sum", lambda c: (2 / c.sum(), 1 - c.min() / c.sum()))


# 7.2
def momentum_of(kind):
    def momentum_step(theta, grad, velocity, lr, momentum, weight_decay):
        full = grad + weight_decay * theta
        if kind == "lr inside":
            v = momentum * velocity + lr * full
            return theta - v, v
        if kind == "1 - momentum":
            v = momentum * velocity + (1 - momentum) * full
        elif kind == "no decay":
            v = momentum * velocity + grad
        elif kind == "decay after":
            v = momentum * velocity + grad
            return theta - lr * v - lr * weight_decay * theta, v
        elif kind == "old velocity":
            v = momentum * velocity + full
            return theta - lr * velocity, v
        elif kind == "plus":
            v = momentum * velocity + full
            return theta + lr * v, v
        elif kind == "nesterov":
            v = momentum * velocity + full
            return theta - lr * (full + momentum * v), v
        elif kind == "decay minus":
            v = momentum * velocity + grad - weight_decay * theta
        elif kind == "order":
            v = momentum * velocity + full
            return v, theta - lr * v
        elif kind == "plain":
            return theta - lr * full, full
        else:
            velocity *= momentum
            velocity += full
            theta -= lr * velocity
            return theta, velocity
        return theta - lr * v, v

    return momentum_step


for kind, hint in {
    "lr inside": "lr|learning rate",
    "1 - momentum": "1 - momentum|PyTorch|full|mean",
    "no decay": "decay",
    "decay after": "decay|before|velocity",
    "old velocity": "old|new velocity|before|order",
    "plus": "sign|minus|descen",
    "nesterov": "nesterov|twice|look",
    "decay minus": "decay|sign",
    "order": "comes first|order|exchang",
    "plain": "momentum|velocity",
    "in place": "new arrays|in place|chang|copy",
}.items():
    add("momentum_step", kind, hint, momentum_of(kind))


# 7.3
def adam_of(kind):
    def adam_step(theta, grad, m, s, t, lr, beta1, beta2, eps):
        m2 = beta1 * m + (1 - beta1) * grad
        s2 = beta2 * s + (1 - beta2) * grad**2
        if kind == "grad not squared":
            s2 = beta2 * s + (1 - beta2) * abs(grad)
        if kind == "betas exchanged":
            m2, s2 = beta2 * m + (1 - beta2) * grad, beta1 * s + (1 - beta1) * grad**2
        c1, c2 = 1 - beta1**t, 1 - beta2**t
        if kind == "uncorrected":
            c1 = c2 = 1
        if kind == "t - 1":
            c1, c2 = 1 - beta1 ** (t + 1), 1 - beta2 ** (t + 1)
        if kind == "c1 only":
            c2 = 1
        if kind == "1 - beta":
            c1, c2 = 1 - beta1, 1 - beta2
        mh, sh = m2 / c1, s2 / c2
        if kind == "old means":
            mh, sh = m / c1, s / c2
        if kind == "inside":
            return theta - lr * mh / np.sqrt(sh + eps), m2, s2
        if kind == "no root":
            return theta - lr * mh / (sh + eps), m2, s2
        if kind == "returns corrected":
            return theta - lr * mh / (np.sqrt(sh) + eps), mh, sh
        if kind == "hat":
            return theta - lr * np.sqrt(c2) / c1 * m2 / (np.sqrt(s2) + eps), m2, s2
        if kind == "plus":
            return theta + lr * mh / (np.sqrt(sh) + eps), m2, s2
        if kind == "grad on top":
            return theta - lr * grad / (np.sqrt(sh) + eps), m2, s2
        if kind == "order":
            return m2, s2, theta - lr * mh / (np.sqrt(sh) + eps)
        return theta - lr * mh / (np.sqrt(sh) + eps), m2, s2

    return adam_step


for kind, hint in {
    "grad not squared": "square",
    "betas exchanged": "beta|exchang|swap",
    "uncorrected": "correct|1 - beta",
    "t - 1": r"\bt\b|one step",
    "c1 only": r"correct|\bs\b|second",
    "1 - beta": r"power|\*\*|\^t|\bt\b",
    "old means": "old|first|new|before",
    "inside": "root|inside|outside|under",
    "no root": "root|sqrt",
    "returns corrected": "correct|return",
    "hat": "eps|hat|root",
    "plus": "sign|minus|descen",
    "grad on top": r"\bm\b|mean|gradient",
    "order": "order|exchang|swap",
}.items():
    add("adam_step", kind, hint, adam_of(kind))

# 7.4
add(
    "which_adam",
    "adam and adamw exchanged",
    "adam|decay",
    {"P": "uncorrected", "Q": "adamw", "R": "inside", "S": "adam"},
)
add(
    "which_adam",
    "inside and adamw exchanged",
    "root|eps|inside|adamw",
    {"P": "uncorrected", "Q": "adam", "R": "adamw", "S": "inside"},
)
add(
    "which_adam",
    "a name that is none",
    "AdamW|adamw|name|one of",
    {"P": "uncorrected", "Q": "Adam (decay)", "R": "inside", "S": "adamw"},
)
add("which_adam", "all adamw", "adamw|once|decay|correct", dict.fromkeys("PQRS", "adamw"))

# 7.5
add(
    "rate_factor",
    "everywhere 1/1000",
    "Adam|RMSprop|divid|scale",
    {"SGD": 1e-3, "momentum": 1e-3, "RMSprop": 1e-3, "Adam": 1e-3},
)
add("rate_factor", "everywhere 1", "SGD|1000|scale", {"SGD": 1, "momentum": 1, "RMSprop": 1, "Adam": 1})
add("rate_factor", "1000", "SGD|smaller|divid|1 ?/|other way", {"SGD": 1000, "momentum": 1000, "RMSprop": 1, "Adam": 1})
add(
    "rate_factor",
    "RMSprop: the root",
    "drops out|RMSprop|root|square",
    {"SGD": 1e-3, "momentum": 1e-3, "RMSprop": 1e-3**0.5, "Adam": 1},
)
add("rate_factor", "momentum squared", "momentum", {"SGD": 1e-3, "momentum": 1e-6, "RMSprop": 1, "Adam": 1})
add("rate_factor", "strings", "number", {"SGD": "1/1000", "momentum": "1/1000", "RMSprop": "1", "Adam": "1"})

# 7.6
add("growth", "1 + lr", "root|Pythag|length|distance|square", lambda lr, steps: (1 + lr) ** steps)
add("growth", "square of the distance", "root|square|sqrt", lambda lr, steps: (1 + lr**2) ** steps)
add("growth", "one step", "steps|power", lambda lr, steps: np.sqrt(1 + lr**2))
add("growth", "1: it turns", "grow|turn|simultaneous|leave", lambda lr, steps: 1.0)
add("growth", "times steps", "power|multipl|each", lambda lr, steps: steps * np.sqrt(1 + lr**2))
add("growth", "1 - lr^2", "sign|grow|plus|\\+", lambda lr, steps: (1 - lr**2) ** (steps / 2))
add("growth", "exp(lr steps)", "Pythagoras|square|lr\\^2|exp", lambda lr, steps: np.exp(lr * steps))


# 8.1
def softplus(a):
    return np.logaddexp(0, a)


def sigmoid(a):
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(a)))


add(
    "d_loss",
    "1e-8 inside of the log",
    "1e-8|inside|overflow|large|logit|softplus",
    lambda real, fake: -np.log(sigmoid(real) + 1e-8).mean() - np.log(1 - sigmoid(fake) + 1e-8).mean(),
)
add(
    "d_loss", "signs exchanged", "sign|exchang|minus", lambda real, fake: softplus(real).mean() + softplus(-fake).mean()
)
add("d_loss", "sums", "mean|sum", lambda real, fake: softplus(-real).sum() + softplus(fake).sum())
add("d_loss", "real only", "fake|generated", lambda real, fake: softplus(-real).mean())
add("d_loss", "half", "half|2|twice|mean", lambda real, fake: 0.5 * (softplus(-real).mean() + softplus(fake).mean()))
add(
    "d_loss",
    "mean over all together",
    "each|together|number|own mean|more generated|separate",
    lambda real, fake: 2 * np.concatenate([softplus(-real), softplus(fake)]).mean(),
)
add(
    "d_loss",
    "log(1 + exp): overflow",
    "overflow|large|inf|logaddexp",
    lambda real, fake: np.log(1 + np.exp(-real)).mean() + np.log(1 + np.exp(fake)).mean(),
)
add(
    "d_loss",
    "added elementwise",
    "mean|number|shape|length",
    lambda real, fake: (softplus(-real) + softplus(fake)).mean(),
)
add("d_loss", "no minus", "sign|minus", lambda real, fake: -softplus(-real).mean() - softplus(fake).mean())
add(
    "d_loss",
    "logits taken for probabilities",
    "logit|sigmoid|probabilit",
    lambda real, fake: -np.log(np.clip(real, 1e-12, 1)).mean() - np.log(np.clip(1 - fake, 1e-12, 1)).mean(),
)
add(
    "d_loss",
    "fake with the label 1",
    "fake|generated|sign",
    lambda real, fake: softplus(-real).mean() + softplus(-fake).mean(),
)
add(
    "d_loss",
    "sigmoid twice",
    "sigmoid|twice|logit",
    lambda real, fake: softplus(-sigmoid(real)).mean() + softplus(sigmoid(fake)).mean(),
)
add(
    "d_loss",
    "naive sigmoid",
    "overflow|large|inf|nan|logit",
    lambda real, fake: -np.log(1 / (1 + np.exp(-real))).mean() - np.log(1 - 1 / (1 + np.exp(-fake))).mean(),
)

# 8.2
add("best_d", "share ignored", "share", lambda p, q, real_share, smoothing: (1 - smoothing) * p / (p + q))
add(
    "best_d",
    "smoothing ignored",
    "smooth|label",
    lambda p, q, real_share, smoothing: real_share * p / (real_share * p + (1 - real_share) * q),
)
add(
    "best_d",
    "smoothing below as well",
    "smooth|below the line|below|denominator|1 - s",
    lambda p, q, real_share, smoothing: (
        (1 - smoothing) * real_share * p / ((1 - smoothing) * real_share * p + (1 - real_share) * q)
    ),
)
add(
    "best_d",
    "the other player's share",
    "share|exchang",
    lambda p, q, real_share, smoothing: (
        (1 - smoothing) * (1 - real_share) * p / ((1 - real_share) * p + real_share * q)
    ),
)
add(
    "best_d",
    "q above",
    "q|generated|exchang|above|numerator",
    lambda p, q, real_share, smoothing: (
        (1 - smoothing) * (1 - real_share) * q / (real_share * p + (1 - real_share) * q)
    ),
)
add(
    "best_d",
    "label s for generated ones, too",
    "generated|label 0|one-sided|s\\b",
    lambda p, q, real_share, smoothing: (
        ((1 - smoothing) * real_share * p + smoothing * (1 - real_share) * q) / (real_share * p + (1 - real_share) * q)
    ),
)
add("best_d", "neither", "share|smooth", lambda p, q, real_share, smoothing: p / (p + q))
add(
    "best_d",
    "share counted as odds",
    "share|1 - r",
    lambda p, q, real_share, smoothing: (1 - smoothing) * real_share * p / (real_share * p + q),
)

# 8.3
add("best_accuracy", "min", "max|larger|error|wrong", lambda p, q, dx: 0.5 * np.minimum(p, q).sum() * dx)
add("best_accuracy", "half forgotten", "half|2|0.5", lambda p, q, dx: np.maximum(p, q).sum() * dx)
add("best_accuracy", "dx forgotten", "dx|integral|grid", lambda p, q, dx: 0.5 * np.maximum(p, q).sum())
add("best_accuracy", "mean of D on real", "D|accuracy|probabilit|right", lambda p, q, dx: (p * p / (p + q)).sum() * dx)
add("best_accuracy", "real images only", "generated|both|half|real", lambda p, q, dx: p[p > q].sum() * dx)
add("best_accuracy", "total variation without 1/2 + ", "0.5|half|1/2|\\+", lambda p, q, dx: 0.5 * abs(p - q).sum() * dx)
add("best_accuracy", "1/2 + TV: twice too much", "half|twice|2|4", lambda p, q, dx: 0.5 + 0.5 * abs(p - q).sum() * dx)

# 8.4
add("g_gradient", "minus forgotten", "sign|minus", lambda l: sigmoid(-l) / l.size)
add("g_gradient", "1/M forgotten", "mean|1/M|M|divide|number of images", lambda l: -sigmoid(-l))
add("g_gradient", "sigma(l)", "1 - |sigma|sigmoid|exchang|minimax", lambda l: -sigmoid(l) / l.size)
add("g_gradient", "the minimax loss", "minimax|saturat|1 - ", lambda l: -sigmoid(l) / l.size * 1.0)
add("g_gradient", "overflow", "overflow|large|900|nan|inf|number", lambda l: -np.exp(-l) / (1 + np.exp(-l)) / l.size)
add(
    "g_gradient",
    "derivative of the sigmoid",
    "log|derivative|1/D|D \\(1 - D\\)|chain",
    lambda l: -sigmoid(l) * (1 - sigmoid(l)) / l.size,
)
add("g_gradient", "the loss itself", "loss|derivative|gradient", lambda l: softplus(-l) / l.size)
add("g_gradient", "summed", "each|shape|sum", lambda l: (-sigmoid(-l)).mean())
add("g_gradient", "-1/D", "logit|chain|probabilit|D", lambda l: -1 / np.maximum(sigmoid(l), 1e-300) / l.size)


# 8.5
def step_of(bug):
    def training_step(generator, discriminator, optimizer_g, optimizer_d, x, z):
        fake = generator(z)
        shown = fake if bug in ("no detach", "no detach, zero_grad at the end") else fake.detach()
        if bug == "x detached, not fake":
            x, shown = mg.tensor(x).detach() if isinstance(x, np.ndarray) else x.detach(), fake
        real = discriminator(x)
        if bug == "real and fake exchanged":
            loss_d = losses.minimax_d(discriminator(shown), real)
        else:
            loss_d = losses.minimax_d(real, discriminator(shown))
        if bug not in (
            "D's zero_grad forgotten",
            "zero_grad at the end",
            "no detach, zero_grad at the end",
            "no zero_grad",
        ):
            optimizer_d.zero_grad()
        loss_d.backward(retain_graph=True)
        if bug == "zero_grad between backward and step":
            optimizer_d.zero_grad()
        if bug not in ("D does not step", "D steps after G", "neither steps"):
            optimizer_d.step()
        judged = discriminator(fake.detach() if bug == "G's fake detached" else fake)
        if bug == "new noise for G":
            judged = discriminator(generator(mg.randn(*z.shape)))
        if bug == "minimax for G":
            loss_g = losses.minimax_g(judged)
        elif bug == "G pulled toward 0":
            loss_g = -losses.non_saturating_g(judged)
        elif bug == "G against the old D":
            loss_g = None
        else:
            loss_g = losses.non_saturating_g(judged)
        if bug not in (
            "G's zero_grad forgotten",
            "zero_grad at the end",
            "no detach, zero_grad at the end",
            "no zero_grad",
            "no detach",
        ):
            optimizer_g.zero_grad()
        if bug == "D's zero_grad forgotten before G, D steps twice":
            optimizer_d.step()
        if bug != "G's fake detached":
            loss_g.backward()
        if bug == "D steps after G":
            optimizer_d.step()
        if bug not in ("G does not step", "neither steps"):
            optimizer_g.step()
        if bug == "both optimizers step on G's loss":
            optimizer_d.step()
        if bug == "zero_grad at the end" or bug == "no detach, zero_grad at the end":
            optimizer_g.zero_grad()
            optimizer_d.zero_grad()
        if bug == "returned in the wrong order":
            return loss_g, loss_d
        if bug == "returns nothing":
            return None
        return loss_d, loss_g

    return training_step


for bug, hint in {
    "no detach": "detach",
    "no detach, zero_grad at the end": "detach",
    "x detached, not fake": "detach",
    "real and fake exchanged": "exchang|swap|real|order",
    "D's zero_grad forgotten": "zero_grad|cleared",
    "G's zero_grad forgotten": "zero_grad|cleared",
    "no zero_grad": "zero_grad|clear them",
    "zero_grad between backward and step": "zero_grad|between|backward",
    "D does not step": "discriminator|D .*(step|move)|step",
    "G does not step": "generator|G .*(step|move)|step",
    "neither steps": "step|move",
    "D steps after G": "order|after|before|first",
    "G's fake detached": "detach|generator|G ",
    "minimax for G": "minimax|non_saturating|log D|saturat",
    "G pulled toward 0": "sign|minus",
    "both optimizers step on G's loss": "discriminator|D |twice|optimizer_d",
    "D's zero_grad forgotten before G, D steps twice": "twice|step|optimizer_d|D ",
    "returned in the wrong order": "order|exchang|swap|loss_d, loss_g",
    "returns nothing": "return|loss",
    "new noise for G": "noise|z\\b|same|random",
}.items():
    add("training_step", bug, hint, step_of(bug))


@program("training_step", "after|its move|old|before|again")
def g_against_the_old_d(generator, discriminator, optimizer_g, optimizer_d, x, z):
    fake = generator(z)
    loss_d = losses.minimax_d(discriminator(x), discriminator(fake.detach()))
    loss_g = losses.non_saturating_g(discriminator(fake))
    optimizer_d.zero_grad()
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()
    return loss_d, loss_g


@program("training_step", "both|own|other|parameters|weights|detach|D's loss|L_D")
def both_step_on_the_sum(generator, discriminator, optimizer_g, optimizer_d, x, z):
    fake = generator(z)
    loss_d = losses.minimax_d(discriminator(x), discriminator(fake.detach()))
    loss_g = losses.non_saturating_g(discriminator(fake))
    optimizer_d.zero_grad()
    optimizer_g.zero_grad()
    (loss_d + loss_g).backward()
    optimizer_d.step()
    optimizer_g.step()
    return loss_d, loss_g


# 8.6
RIGHT = {1: "b", 2: "e", 3: "a", 4: "d", 5: "c"}
add(
    "read_the_logs",
    "1 is healthy: D is right",
    "log 1.*(loss_g|negative|d_fake|minus)|1, you say a",
    {**RIGHT, 1: "a", 3: "b"},
)
add(
    "read_the_logs", "3 and 2 exchanged", "(log )?[23].*(loss_d|1\\.0|sigmoid|d_real|d_fake)", {**RIGHT, 2: "a", 3: "e"}
)
add("read_the_logs", "4 and 5 exchanged", "[45].*(d_fake|d_real|loss_d|negative)", {**RIGHT, 4: "c", 5: "d"})
add("read_the_logs", "1 and 5 exchanged", "[15].*(loss|d_real|d_fake|negative)", {**RIGHT, 1: "c", 5: "b"})
add("read_the_logs", "keys of another kind", "1.*letter|keys|number|answered", {"log 1": "b"})
add("read_the_logs", "two letters", "one letter|letter", {**RIGHT, 3: "ae"})

# 9.1


def count_of(bug):
    def count_parameters(layers):
        total = 0
        for kind, *sizes in layers:
            if kind == "norm":
                total += {"four": 4, "one": 1, "none": 0}.get(bug, 2) * sizes[0]
            elif kind == "linear":
                total += sizes[0] * sizes[1] + (0 if bug in ("no bias", "no bias in linear") else sizes[1])
            else:
                k = sizes[2] if bug == "kernel not squared" else sizes[2] ** 2
                bias = sizes[0] if bug == "bias of inputs" or (bug == "convt bias" and kind == "convt") else sizes[1]
                total += sizes[0] * sizes[1] * k + (0 if bug == "no bias" else bias)
        return total

    return count_parameters


for bug, hint in {
    "four": "norm|running|2",
    "one": "norm|2|scale|shift",
    "none": "norm",
    "no bias": "bias",
    "no bias in linear": "linear|bias",
    "kernel not squared": "square|kernel",
    "bias of inputs": "bias|output",
    "convt bias": "convt|bias|output",
}.items():
    add("count_parameters", bug, hint, count_of(bug))


# 9.2
@program("receptive_field", "stride|jump|grow|multipl")
def strides_ignored(layers):
    view = 1
    for kernel, _ in layers:
        view += kernel - 1
    return view


@program("receptive_field", "before|after|order|own stride|stride")
def stride_of_its_own_layer(layers):
    view, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        view += (kernel - 1) * jump
    return view


@program("receptive_field", "order|first|next to the image|last|revers")
def from_the_other_end(layers):
    view, jump = 1, 1
    for kernel, stride in reversed(layers):
        view += (kernel - 1) * jump
        jump *= stride
    return view


@program("receptive_field", "1|one|itself|start")
def starts_at_0(layers):
    view, jump = 0, 1
    for kernel, stride in layers:
        view += (kernel - 1) * jump
        jump *= stride
    return view


@program("receptive_field", "kernel - 1|overlap|minus 1|share")
def kernel_in_place_of_kernel_minus_1(layers):
    view, jump = 1, 1
    for kernel, stride in layers:
        view += kernel * jump
        jump *= stride
    return view


@program("receptive_field", "overlap|product|add|kernel - 1|multipl")
def product_of_kernels(layers):
    view = 1
    for kernel, _ in layers:
        view *= kernel
    return view


@program("receptive_field", "product|multipl|all strides|jump|stride")
def strides_added(layers):
    view, jump = 1, 1
    for kernel, stride in layers:
        view += (kernel - 1) * jump
        jump += stride - 1
    return view


# 9.3 m = 2 beta^n - 1 < 0: beta^n < 1/2
add("steps_to_turn", "1 / (1 - beta)", "half|0|zero|log", lambda b: round(1 / (1 - b)))
add(
    "steps_to_turn",
    "rounded down",
    "below|whole|round|first|one more",
    lambda b: int(np.floor(np.log(0.5) / np.log(b))),
)
add("steps_to_turn", "not whole", "whole|int|integer", lambda b: np.log(0.5) / np.log(b))
add(
    "steps_to_turn",
    "from 1 to 0 without new gradients",
    "-1|half|new gradient|never|0",
    lambda b: int(np.ceil(np.log(0.01) / np.log(b))),
)
add("steps_to_turn", "always 1", "average|mean|beta|remember|old", lambda b: 1)
add(
    "steps_to_turn",
    "at least 0, not below",
    "below|equal|0.5|exact",
    lambda b: int(np.ceil(np.log(0.5) / np.log(b) - 1e-9)),
)
add(
    "steps_to_turn", "twice too many", "twice|half|2", lambda b: 2 * (int(np.floor(np.log(0.5) / np.log(b) + 1e-9)) + 1)
)

# 9.4


add(
    "nearest",
    "all differences at once",
    "memory|GB|store",
    lambda s, t: ((s[:, None] - t[None]) ** 2).sum(-1).argmin(1),
)
add("nearest", "the farthest", "farthest|min|argmin|small|near", lambda s, t: (2 * s @ t.T - (t**2).sum(1)).argmin(1))
add("nearest", "largest inner product", "length|norm|square|product|\\|t", lambda s, t: (s @ t.T).argmax(1))
add("nearest", "axis of the samples", "axis|sample|shape|each", lambda s, t: ((t**2).sum(1) - 2 * s @ t.T).argmin(0))
add("nearest", "factor 2 forgotten", "2|twice|factor|mixed", lambda s, t: ((t**2).sum(1) - s @ t.T).argmin(1))
add(
    "nearest",
    "sum of absolute differences",
    "square|absolute",
    lambda s, t: np.array([abs(t - row).sum(1).argmin() for row in s]),
)
add(
    "nearest",
    "distances, not indices",
    "index|indices|argmin|distance",
    lambda s, t: np.array([((t - row) ** 2).sum(1).min() for row in s]),
)
add(
    "nearest",
    "samples' squares in place of train's",
    "train|square|length|norm",
    lambda s, t: ((s**2).sum(1)[:, None] - 2 * s @ t.T).argmin(1),
)

# 9.5


def angle(a, b):
    return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


add("slerp", "straight line", "straight|line|length|circle", lambda a, b, t: (1 - t) * a + t * b)
add(
    "slerp",
    "a and b exchanged",
    "exchang|t = 0|order|swap",
    lambda a, b, t: (np.sin(t * angle(a, b)) * a + np.sin((1 - t) * angle(a, b)) * b) / np.sin(angle(a, b)),
)
add(
    "slerp",
    "unit vectors: length lost",
    "length|unit|norm",
    lambda a, b, t: (
        (np.sin((1 - t) * angle(a, b)) * a / np.linalg.norm(a) + np.sin(t * angle(a, b)) * b / np.linalg.norm(b))
        / np.sin(angle(a, b))
    ),
)
add(
    "slerp",
    "the cosine taken for the angle",
    "angle|arccos|cosine",
    lambda a, b, t: (lambda c: (np.sin((1 - t) * c) * a + np.sin(t * c) * b) / np.sin(c))(
        a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    ),
)
add(
    "slerp",
    "not divided by sin",
    "sin|divide",
    lambda a, b, t: np.sin((1 - t) * angle(a, b)) * a + np.sin(t * angle(a, b)) * b,
)
add(
    "slerp",
    "arccos of the product of long vectors",
    "length|norm|nan|unit|divide",
    lambda a, b, t: (lambda c: (np.sin((1 - t) * c) * a + np.sin(t * c) * b) / np.sin(c))(np.arccos(a @ b)),
)
add(
    "slerp",
    "line, then set to the length: not a constant speed",
    "speed|constant|angle",
    lambda a, b, t: (
        ((1 - t) * a + t * b)
        / np.linalg.norm((1 - t) * a + t * b)
        * ((1 - t) * np.linalg.norm(a) + t * np.linalg.norm(b))
    ),
)
add(
    "slerp",
    "degrees",
    "degree|radian|angle",
    lambda a, b, t: (lambda c: (np.sin((1 - t) * c) * a + np.sin(t * c) * b) / np.sin(c))(np.degrees(angle(a, b))),
)
