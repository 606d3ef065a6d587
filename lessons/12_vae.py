# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 12. VAE: a code for every image, and a bound on its probability
#
# **The question.** A GAN draws digits.  But show it a digit, and it can say neither how probable that digit is nor
# which noise would have drawn it.  A **variational autoencoder** (变分自编码器, VAE) answers both, the first with a bound, and
# it is trained like any network, on one loss that falls.  The loss has two terms:
#
#     loss = -log p(x | z)  +  KL(q(z | x) || p(z))
#
# Where do they come from?  Which sign, summed over what, divided by what?  It is easy to get one of these wrong, and there
# is no error message.
#
# At the end you will be able to
#
# - derive the loss in three lines, and say what the inequality loses;
# - explain why a gradient cannot pass a random draw, and how the reparameterization trick repairs it;
# - test a VAE on a case where the true probability is known;
# - read a trained VAE: its codes, its limits, a collapse; and say what beta, a label and more samples change.
#
# You need lesson 1 (gradients) and probability densities.  Plan three sittings of about an hour: sections 1 to 3, sections 4
# and 5, sections 6 to 10.  (Times are estimates for a reader who looks words up; they include the exercises.)  Five
# exercises check your answers; you can go on without solving them.  New words are **bold**, with their Chinese name
# (`docs/glossary.md` has all).
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x$ | `x` | an image; its $P$ pixels run from 0 to 1 here |
# | $z$ | `z` | its **code** (编码) or **latent variable** (隐变量): a few numbers |
# | $p(z)$ | | the **prior** (先验): the distribution of codes before any image is seen, $N(0, I)$ |
# | $p(x \mid z)$ | decoder | the **likelihood** (似然): how probable each image is, given a code |
# | $p(z \mid x)$ | | the **posterior** (后验): the distribution of codes after an image is seen |
# | $q(z \mid x) = N(\mu, \sigma^2)$ | encoder: `mu`, `log_var` | our approximation of the posterior; `log_var` is the **log-variance** (对数方差) $\lambda = \log\sigma^2$ |
# | $\epsilon$ | `eps` | standard normal noise |
# | $\ell, \hat x$ | `logits` | the decoder's output; $\hat x = 1/(1 + e^{-\ell})$, the probability that a pixel is white |
# | $v$ | `v` | the variance of a pixel, where its noise is normal |
# | $N, K$ | `N`, `K` | images in a batch, codes drawn for each |
# | $w_k$ | `log_w` | the importance weight of the $k$-th code |
# | $\beta$ | `beta` | weight of the KL |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
from statistics import NormalDist

import numpy as np
from PIL import Image

import minigen as mg
from minigen import lessons, plot
from minigen.course import show_source
from minigen.course import vae as exercises
from minigen.data import Loader, load, to_unit
from minigen.losses import (
    bernoulli_log_likelihood,
    gaussian_kl,
    gaussian_log_likelihood,
    monte_carlo_kl,
    negative_elbo,
    reparameterize,
)

mg.kernels.use("reference")  # plain NumPy is enough until section 6
random = np.random.default_rng(0)

# %% [markdown]
# ## 1. A bound, in three lines
#
# Suppose an image is made in two steps: first a code $z$ is drawn from $N(0, I)$, then an image from $p(x \mid z)$, which a
# network, the **decoder** (解码器), computes from the code.  The probability of an image is a mean over all codes:
#
# $$p(x) = \int p(x \mid z)\, p(z)\, dz .$$
#
# To learn means to make $\log p(x)$ large for the images that we have.  But this integral cannot be computed: only very
# few codes make anything like this image, and we do not know which.
#
# So we use an approximation $q(z \mid x)$: *any* density that says which codes are probable for this image.  Multiply and
# divide by it, and move the logarithm into the mean:
#
# $$\begin{aligned}
# \log p(x) &= \log \int q(z \mid x)\; \frac{p(x \mid z)\, p(z)}{q(z \mid x)}\; dz \\
#   &= \log E_{z \sim q} \Big[ \frac{p(x \mid z)\, p(z)}{q(z \mid x)} \Big] \\
#   &\ge E_{z \sim q} \Big[ \log \frac{p(x \mid z)\, p(z)}{q(z \mid x)} \Big] \; = \; ELBO(x).
# \end{aligned}$$
#
# This is the **evidence lower bound** (证据下界, ELBO).  The last line is Jensen's inequality: the logarithm is concave, so the
# mean of logarithms is at most the logarithm of the mean.  (Logarithms are natural ones, and their unit is the **nat** (奈特):
# one nat less is a probability $e$ times smaller.)
#
# **What is lost?**  Do it once more without the inequality.  $\log p(x)$ does not depend on $z$, so it is its own mean
# under $q$; and $p(x) = p(x \mid z)\, p(z) / p(z \mid x)$ for every $z$:
#
# $$\log p(x) = E_q \Big[ \log \frac{p(x \mid z)\, p(z)}{p(z \mid x)} \Big]
#   = \underbrace{E_q \Big[ \log \frac{p(x \mid z)\, p(z)}{q(z \mid x)} \Big]}_{\textstyle ELBO(x)}
#   + \underbrace{E_q \Big[ \log \frac{q(z \mid x)}{p(z \mid x)} \Big]}_{\textstyle KL(q \,\|\, p(z \mid x)) \;\ge\; 0} .$$
#
# The gap is the **Kullback-Leibler divergence** (KL 散度) of our approximation from the true posterior, $KL(q \,\|\, p) = E_q[\log (q/p)]$:
# zero if they are equal, positive otherwise.  (Jensen again: $E_q[\log (p/q)] \le \log E_q[p/q] = \log 1 = 0$.)
#
# *An example.*  One pixel, and a code of one number: $x = z^2/2$ plus normal noise of standard deviation 0.3.  We see
# $x = 1$.  Which $z$ was it?  Two answers are equally good.  With one number the integral can be computed on a grid.
# *Decide before you look*: which of the four approximations $q$ has the largest ELBO?

# %%
z = np.linspace(-6, 6, 4001)
dz = z[1] - z[0]


def log_normal(value, mean, sigma):
    return -0.5 * ((value - mean) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)


log_joint = log_normal(1.0, z**2 / 2, 0.3) + log_normal(z, 0, 1)  # log p(x | z) + log p(z), at x = 1
log_p = np.log(np.exp(log_joint).sum() * dz)
log_posterior = log_joint - log_p

guesses = {
    "one of the two": (1.38, 0.22),
    "both, and all between": (0.0, 1.2),
    "the prior": (0.0, 1.0),
    "too sure": (1.38, 0.05),
}
print(f"log p(x) = {log_p:.3f}\n\n{'q is ...':22} ELBO + KL(q || posterior) = their sum")
for name, (mu, sigma) in guesses.items():
    log_q = log_normal(z, mu, sigma)
    q = np.exp(log_q)
    elbo = (q * (log_joint - log_q)).sum() * dz
    gap = (q * (log_q - log_posterior)).sum() * dz
    print(f"{name:22} {elbo:7.3f} + {gap:6.3f} = {elbo + gap:.3f}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7.5, 3.8),
        caption="Which z made x = 1? The posterior has two peaks; a Gaussian q can have one. On one peak it misses "
        "half of the mass and loses at least log 2 = 0.69 nats; spread over both, far more: it puts mass where the posterior has none.",
    )
    axes.fill_between(z, np.exp(log_posterior), color="#dddddd", label="posterior p(z | x)")
    for name in ("one of the two", "both, and all between"):
        axes.plot(z, np.exp(log_normal(z, *guesses[name])), label=f"q: {name}")
    axes.set(xlabel="code z", ylabel="density", xlim=(-3.5, 3.5))
    axes.legend(fontsize=11, loc="upper left", bbox_to_anchor=(0, 1.02))
picture

# %% [markdown]
# The sum is always the same, up to the rounding of the last digit.  So raising the ELBO in $q$ *is* making $q$ like the
# posterior.  And raising it in the decoder's parameters raises $\log p(x)$, or makes the posterior more like $q$, or both.
#
# Now take the ELBO apart:
#
# $$ELBO(x) = E_{z \sim q}\big[\log p(x \mid z)\big] - KL\big(q(z \mid x) \,\|\, p(z)\big) .$$
#
# The first term is the **reconstruction term** (重建项): it is large if the codes explain the image.  The second is a cost: the
# number of nats that $z$ says about this image, beyond what the prior says of every image.  (Note the two KLs.  The *gap* is
# measured from the posterior, and unknown; the *cost* is measured from the prior, and has a formula.)  The loss is minus the ELBO.  Each image
# has a different $q$; a second network, the **encoder** (编码器), reads $x$ and gives $\mu$ and $\log\sigma^2$ of
# $q(z \mid x) = N(\mu, \sigma^2)$, component by component.
#
# ## 2. A gradient that passes a random draw
#
# The first term is a mean over draws from $q$, and $q$ is what we want to train.  So draw one code and go on?

# %%
mu = mg.tensor([1.0, -0.5], requires_grad=True)
log_var = mg.tensor([0.0, -1.0], requires_grad=True)

drawn = mg.tensor(random.normal(mu.numpy(), np.exp(log_var.numpy() / 2)))
print("a draw from N(mu, sigma): does the engine record how it depends on mu?", drawn.requires_grad)

eps = mg.tensor(random.normal(size=2).astype(np.float32))
z_sample = mu + mg.exp(0.5 * log_var) * eps
print("mu + sigma * eps:         does the engine record how it depends on mu?", z_sample.requires_grad)

# %% [markdown]
# The output of a random generator has no gradient rule: nothing says how the draw would have changed if $\mu$ had been a
# little larger.  The repair: draw the noise first, from a distribution *without parameters*, and **compute** the code from it:
#
# $$\epsilon \sim N(0, I), \qquad z = \mu + \sigma\,\epsilon, \qquad \sigma = e^{\lambda/2}.$$
#
# A linear map of a normal variable is normal, so this *is* a draw from $q$.  The parameters are not in the distribution any
# more, but inside the function whose mean is taken, so that
#
# $$\nabla\, E_{z \sim q}[f(z)] = \nabla\, E_{\epsilon}[f(\mu + \sigma\epsilon)] = E_{\epsilon}\big[\nabla f(\mu + \sigma\epsilon)\big].$$
#
# This is the **reparameterization trick** (重参数化技巧).  The distribution of $z$ is the same, and now it has a gradient.

# %%
show_source(reparameterize)

# %% [markdown]
# ### Exercise 12.1: the gradients of a sample
#
# Given the cotangent $g = \partial L/\partial z$: what are the gradients for `mu` and for `log_var`?


# %%
def sample_vjp(g, mu, log_var, eps):
    """Gradients for mu and for log_var of z = mu + exp(log_var / 2) * eps; all are arrays of one shape."""
    g_mu = ...
    g_log_var = ...
    return g_mu, g_log_var


exercises.sample_vjp(sample_vjp)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $\sigma = e^{\lambda/2}$, so $d\sigma/d\lambda = \frac12 e^{\lambda/2}$.
#
# </details>
#
# ### Why not the older way?
#
# There is another gradient, which needs no derivative of $f$.  Differentiate the density itself, and use $\nabla q = q\,\nabla\log q$; for the normal $q$, $\nabla_\mu \log q = (z - \mu)/\sigma^2 = \epsilon/\sigma$:
#
# $$\nabla_\mu E_{z\sim q}[f(z)] = \int f(z)\, \nabla_\mu q(z)\, dz = E_{z\sim q}\big[f(z)\, \nabla_\mu \log q(z)\big]
#   = E_\epsilon\Big[f(\mu + \sigma\epsilon)\, \frac{\epsilon}{\sigma}\Big].$$
#
# This is the *score-function* estimator, or REINFORCE.  It uses only whether $f$ was large when $\epsilon$ was positive, not
# which component of $z$ made it large.  Take $f(z) = \sum_j (z_j - 1)^2$ at $\mu = 0$, $\sigma = 1$, for a code of $d$ numbers.
# The true gradient in $\mu_1$ is $-2$, and both estimators have this mean.  Their variances:
#
# - reparameterized: the gradient is $2(\epsilon_1 - 1)$, with variance $4$.
# - score function: the gradient is $(A + B)\,\epsilon_1$ with $A = (\epsilon_1 - 1)^2$ and $B = \sum_{j > 1} (\epsilon_j - 1)^2$.  Its mean
#   square is $E[A^2\epsilon_1^2] + 2E[A\epsilon_1^2]E[B] + E[B^2]$.  The moments of a normal number are $E\epsilon^2 = 1$, $E\epsilon^4 = 3$,
#   $E\epsilon^6 = 15$, and odd ones are 0.  So $E[A\epsilon^2] = 3 + 1 = 4$, $E[A^2\epsilon^2] = 15 + 6 \cdot 3 + 1 = 34$.  Each term of
#   $B$ has the mean 2 and the mean square $3 + 6 + 1 = 10$, so the variance 6; $E[B] = 2(d - 1)$ and
#   $E[B^2] = 4(d - 1)^2 + 6(d - 1)$.  Together $34 + 16(d - 1) + 4(d-1)^2 + 6(d-1)$; minus the squared mean, $4$:
#
# $$\text{reparameterized: } 4 \qquad\qquad \text{score function: } 4d^2 + 14d + 12 .$$

# %%
lengths = [1, 2, 5, 10, 20, 50, 100]
draws = 20_000
spread = {"score function": [], "reparameterized": []}
for d in lengths:
    noise = random.normal(size=(draws, d))
    one_each = {
        "score function": ((noise - 1) ** 2).sum(axis=1) * noise[:, 0],
        "reparameterized": 2 * (noise[:, 0] - 1),
    }
    for name, gradients in one_each.items():
        standard_error = gradients.std() / np.sqrt(draws)
        assert abs(gradients.mean() + 2) < 4 * standard_error  # the mean is -2
        spread[name].append(gradients.var())

d = lengths.index(20)
print(f"20 components: variance {spread['score function'][d]:.0f} by the score function "
      f"(formula {4 * 20**2 + 14 * 20 + 12}), {spread['reparameterized'][d]:.1f} reparameterized (formula 4)")  # fmt: skip

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.6),
        caption="Variance of one sample's gradient for mu_1 against the length of the code; marks are measured on 20,000 draws, lines "
        "are the formulas. The noise of the other components adds to the score function; the reparameterized "
        "gradient does not depend on it.",
    )
    grid = np.array(lengths)
    axes.loglog(grid, spread["score function"], marker="o", linestyle="", label="score function")
    axes.loglog(grid, spread["reparameterized"], marker="s", linestyle="", label="reparameterized")
    axes.loglog(grid, 4.0 * grid**2 + 14 * grid + 12, color=plot.COLORS["blue"], linestyle="-", linewidth=1)
    axes.loglog(grid, np.full(len(grid), 4.0), color=plot.COLORS["orange"], linestyle="-", linewidth=1)
    axes.set(xlabel="components of z", ylabel="variance")
    axes.legend()
picture

# %% [markdown]
# At 20 components the score function needs nearly five hundred draws where the other needs one.  (One can reduce its variance
# by subtracting a **baseline** (基线) from $f$.  Where $z$ is discrete, it is the method that is left, because a discrete $z$
# has no small change.)  This is why one draw for each image is enough to train a VAE.
#
# ## 3. The cost of a code
#
# The second term, $KL(q \| p)$ with $q = N(\mu, \sigma^2)$ and $p = N(0, 1)$, needs no draw.  The components are
# independent, so their logarithms add up, and one will do.  The two logarithms, with $\log 2\pi$ canceling:
#
# $$\log\frac{q(z)}{p(z)} = \tfrac12\Big[ -\lambda - \frac{(z - \mu)^2}{\sigma^2} + z^2 \Big].$$
#
# Two means under $q$ are needed.  $E[(z - \mu)^2] = \sigma^2$, by definition.  And $z = \mu + \sigma\epsilon$ gives
# $E[z^2] = \mu^2 + 2\mu\sigma E[\epsilon] + \sigma^2 E[\epsilon^2] = \mu^2 + \sigma^2$.  So
#
# $$KL = \tfrac12 \sum_j \big[ \mu_j^2 + e^{\lambda_j} - 1 - \lambda_j \big].$$
#
# Each term is at least 0, since $e^\lambda \ge 1 + \lambda$, and is 0 only for $\mu = 0, \lambda = 0$: then the code
# says nothing about the image and costs nothing.  Without the formula one would average $\log q(z) - \log p(z)$ over
# draws (*Monte Carlo*).  This is a good test of the formula: the difference should be a few standard errors at most (more
# than 4 happens by chance once in 16,000 times):

# %%
mu = mg.tensor(random.normal(size=(6, 3)))
log_var = mg.tensor(random.normal(size=(6, 3)))
closed = gaussian_kl(mu, log_var).numpy()

K = 20_000
draws = monte_carlo_kl(mu, log_var, mg.tensor(random.normal(size=(K, 6, 3)))).numpy()  # log q - log p of each draw
standard_error = draws.std(axis=0) / np.sqrt(K)
for n in range(6):
    off = abs(draws[:, n].mean() - closed[n]) / standard_error[n]
    print(
        f"image {n}: closed form {closed[n]:.3f}, Monte Carlo {draws[:, n].mean():.3f}: {off:.1f} standard errors apart"
    )
print(f"single draws below zero: {(draws < 0).mean():.0%}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.5),
        caption="The Monte Carlo estimate of one KL against the number of draws. The band is the closed form with 4 standard errors "
        "on either side; it narrows as 1 / sqrt(K).",
    )
    counts = np.arange(1, K + 1)
    half = 4 * draws[:, 0].std() / np.sqrt(counts)
    shown = slice(19, None)
    axes.fill_between(counts[shown], (closed[0] - half)[shown], (closed[0] + half)[shown], color="#dddddd")
    axes.semilogx(
        counts[shown], (draws[:, 0].cumsum() / counts)[shown], linestyle="-", linewidth=1.5, label="Monte Carlo"
    )
    axes.axhline(closed[0], color="black", linestyle="--", linewidth=1.5, label="closed form")
    axes.set(xlabel="draws K", ylabel="KL (nats)")
    axes.legend()
picture

# %% [markdown]
# (A single draw of $\log q - \log p$ may well be negative; the KL, their mean, is not.)
#
# ### Exercise 12.2: the KL from a prior that is not standard
#
# Let the prior be $N(m, e^\rho)$ in place of $N(0, 1)$.  (It may depend on a label, say, and be learned.)  Go through
# the derivation again.


# %%
def kl(mu, log_var, prior_mu, prior_log_var):
    """KL(N(mu, exp(log_var)) || N(prior_mu, exp(prior_log_var))); arrays (N, latent), the result (N,)."""
    return ...


exercises.kl(kl)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# $\log\frac{q}{p} = \frac12\big[\rho - \lambda - \frac{(z-\mu)^2}{e^\lambda} + \frac{(z-m)^2}{e^\rho}\big]$: what is
# the mean of the last square?
#
# </details>
# <details><summary>Hint 2</summary>
#
# $z - m = (z - \mu) + (\mu - m)$.  Square it; the mixed term has mean 0.
#
# </details>
#
# **Why does the encoder give $\lambda = \log \sigma^2$?**  A network's output may be any number, and every $\lambda$ is
# a valid variance; $\sigma$ itself would have to be kept above zero, where $\log\sigma$ and $1/\sigma$ explode.  Equal
# steps in $\lambda$ are equal *ratios* of $\sigma$, so a network can give 1 as easily as 0.01.  But a mistake is common in
# public programs: `std = exp(log_var)`.  The end of the next section shows what follows from it.
#
# ## 4. A case where the truth is known
#
# How do you test a VAE, if $\log p(x)$ cannot be computed?  Take a case where it can.  Let the decoder be linear,
# $x = Wz + b$ plus noise of variance $v$.  Then $x$ is a sum of normal variables, so
#
# $$p(x) = N(x;\; b,\; W W^\top + v I),$$
#
# a formula without an integral.  The posterior is normal as well.  If the columns $W_j$ of $W$ are orthogonal, its
# components are independent, like those of $q$.  So $q$ *can* be the posterior, and the bound can be tight.
#
# ### Exercise 12.3: a posterior that can be written down
#
# Find it.  $\log p(z \mid x)$ is $\log p(x \mid z) + \log p(z)$ up to a constant; with orthogonal columns it is a sum
# of one parabola for each $z_j$.


# %%
def posterior(x, W, b, v):
    """Mean (N, latent) and log-variance (latent,) of p(z | x); x: (N, P), W: (P, latent) with orthogonal columns, b: (P,)."""
    mu = ...
    log_var = ...
    return mu, log_var


exercises.posterior(posterior)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# $-\frac{1}{2v}\|x - b - Wz\|^2 - \frac12\|z\|^2$.  Multiply out; $\|Wz\|^2 = \sum_j \|W_j\|^2 z_j^2$ because the
# columns are orthogonal.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $-\frac12 \alpha z^2 + \gamma z$ is, up to a constant, the logarithm of a normal density with variance $1/\alpha$ and mean
# $\gamma/\alpha$.
#
# </details>
#
# Below, a linear encoder ($\mu = Ax + a$ and $\lambda$, with random numbers at the start) is trained on minus the ELBO with
# this library's losses; the decoder is given.  After every step its ELBO is computed *exactly*, without drawing.  For a linear
# decoder $z = \mu + \sigma\epsilon$ gives $x - b - Wz = (x - b - W\mu) - \sum_j W_j\sigma_j\epsilon_j$.  Square it and take the mean over
# $\epsilon$: the mixed terms have mean 0, $E\epsilon_j^2 = 1$, and what is left is $\|x - b - W\mu\|^2 + \sum_j \|W_j\|^2\sigma_j^2$.  So
#
# $$E_q[\log p(x \mid z)] = \log N(x;\, W\mu + b,\, vI) - \frac{1}{2v}\sum_j \|W_j\|^2 \sigma_j^2 .$$

# %%
pixels, latent, v = 6, 2, 0.05
W = np.linalg.qr(random.normal(size=(pixels, latent)))[0] * [0.8, 0.4]  # orthogonal columns of lengths 0.8 and 0.4
b = random.uniform(0.3, 0.7, pixels)
x = random.normal(size=(100, latent)) @ W.T + b + np.sqrt(v) * random.normal(size=(100, pixels))  # drawn from the model

covariance = W @ W.T + v * np.eye(pixels)
away = x - b
quadratic = (away @ np.linalg.inv(covariance) * away).sum(axis=1)
log_p = -0.5 * (quadratic + np.linalg.slogdet(covariance)[1] + pixels * np.log(2 * np.pi))


def exact_elbo(mu, log_var, sampling_log_var=None):
    """The mean ELBO of q = N(mu, exp(log_var)); the codes may be drawn with another variance than the KL believes."""
    spread = np.exp(log_var if sampling_log_var is None else sampling_log_var)
    fit = log_normal(x, mu @ W.T + b, np.sqrt(v)).sum(axis=1) - ((W**2).sum(axis=0) * spread).sum() / (2 * v)
    return np.mean(fit - 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(axis=1))


A = mg.tensor(random.normal(size=(pixels, latent)), requires_grad=True)
a = mg.tensor(random.normal(size=latent), requires_grad=True)
lam = mg.tensor(np.zeros(latent), requires_grad=True)
optimizer = mg.optim.Adam([A, a, lam], lr=0.03)
data = mg.tensor(x)
path = []
for step in range(800):
    mu = data @ A + a
    log_var = lam.expand(*mu.shape)
    path.append(exact_elbo(mu.numpy(), lam.numpy()))
    eps = mg.tensor(random.normal(size=(4, *mu.shape)))
    z_draws = reparameterize(mu, log_var, eps)
    log_likelihood = gaussian_log_likelihood(z_draws @ mg.tensor(W.T) + mg.tensor(b), data, float(np.log(v)))
    loss = negative_elbo(log_likelihood, gaussian_kl(mu, log_var))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 400:
        optimizer.param_groups[0]["lr"] = 0.003  # smaller steps, so that the noise of the draws averages out

# The posterior, by the rule for a part z of a normal vector when the other part x is known:
# mean S_zx S_xx^-1 (x - b) and covariance I - S_zx S_xx^-1 S_xz, with S_xz = W and S_xx = W W' + v I.
gain = np.linalg.inv(covariance) @ W
true_mu, true_var = away @ gain, np.diag(np.eye(latent) - W.T @ gain)
print(f"log p(x) - ELBO, mean over the images: first {log_p.mean() - path[0]:.0f}, least {log_p.mean() - max(path):.2f}, "
      f"last {log_p.mean() - path[-1]:.2f} nats")  # fmt: skip
print("sigma learned", np.exp(lam.numpy() / 2).round(2), " of the true posterior", np.sqrt(true_var).round(2))

# %% [markdown]
# The ELBO comes from below and stops at $\log p(x)$: the learned $q$ *is* the posterior of exercise 12.3.  Now we take the
# true posterior as the encoder and shift its log-variance on purpose.  The bound must be highest at shift 0, and equal to
# $\log p(x)$ there.  Then we add the mistake: draw with `std = exp(log_var)`, while the KL still takes `log_var` for the
# logarithm of a variance.  *Decide before you look*: will the reported number be too high or too low?

# %%
true_log_var = np.log(true_var)
shifts = np.linspace(-3, 3, 121)
right = np.array([exact_elbo(true_mu, true_log_var + s) for s in shifts])
reported = np.array([exact_elbo(true_mu, true_log_var + s, 2 * (true_log_var + s)) for s in shifts])  # sigma = e^lambda
honest = np.array([exact_elbo(true_mu, 2 * (true_log_var + s)) for s in shifts])  # of the codes as they are drawn

for name, curve in (("right", right), ("mistaken, as reported", reported), ("mistaken, in truth", honest)):
    best = curve.argmax()
    gap = round(curve[best] - log_p.mean(), 2) + 0.0  # -0.0 + 0.0 is 0.0
    print(f"{name:22} highest at shift {shifts[best]:+.2f}, {gap:+.2f} nats from log p(x)")
best = reported.argmax()
print(f"training stops where the reported number is highest; the codes drawn there have an ELBO of "
      f"{honest[best] - log_p.mean():+.1f} nats from log p(x)")  # fmt: skip

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, (left, axes) = plot.figure(
        1, 2, size=(9, 4.2),
        caption="Left: the ELBO in training rises to log p(x) and never crosses it. Right: the true posterior with its log-variance shifted; the right "
        "ELBO touches log p(x) at 0 from below. With std = exp(log_var) the reported number crosses the line: it bounds "
        "nothing. Dotted: the true ELBO of these codes.",
    )  # fmt: skip
    left.plot(path, linestyle="-", label="ELBO")
    left.axhline(log_p.mean(), color="black", linestyle="--", linewidth=1.5, label="log p(x)")
    left.set(xlabel="step", ylabel="nats an image", ylim=(log_p.mean() - 8, log_p.mean() + 1))
    left.legend(loc="lower right")
    axes.plot(shifts, right - log_p.mean(), linestyle="-", label="right")
    axes.plot(
        shifts, reported - log_p.mean(), linestyle="-.", color=plot.COLORS["red"], label="std = exp(log_var), reported"
    )
    axes.plot(shifts, honest - log_p.mean(), linestyle=":", color=plot.COLORS["red"], label="the same, true ELBO")
    axes.axhline(0, color="black", linestyle="--", linewidth=1.5)
    axes.set(xlabel="shift of the log-variance", ylabel="nats from log p(x)", xlim=(-3, 2.5), ylim=(-3, 2.6))
    axes.legend(fontsize=10, loc="upper left")
picture

# %% [markdown]
# A program with the mistake trains, its loss falls, and its pictures look like digits.  But the number that it reports is not
# a bound, and cannot be compared with anyone's.  **A bound that is crossed is a bug**: the linear case is a test for any VAE.
# (minigen's is in `tests/test_vae.py`.)
#
# ## 5. How probable is an image, given its code?
#
# Now $p(x \mid z)$ for real images.  Given the code, the pixels are taken as independent.  So the probability of the
# image is a *product*, and its logarithm a **sum over the pixels**.  For black-and-white pixels the decoder gives for each
# the probability $\hat x = 1/(1 + e^{-\ell})$ that it is white:
#
# $$\log p(x \mid z) = \sum_i \big[ x_i \log\hat x_i + (1 - x_i)\log(1 - \hat x_i) \big] = \sum_i \big[ x_i \ell_i - \log(1 + e^{\ell_i}) \big],$$
#
# because $\log\hat x = \ell - \log(1 + e^\ell)$ and $\log(1 - \hat x) = -\log(1 + e^\ell)$.  (With a minus, this is the binary
# cross-entropy of lesson 8, summed over the pixels.)
#
# **Gray.**  Our digits have gray edges, $x_i$ between 0 and 1.  The formula accepts them, and is then a mean: of $\log p$ of
# all black-and-white images that one gets by drawing each pixel white with probability $x_i$.  But then even a perfect
# decoder does not reach zero.  For a pixel of gray $x$ the best answer is $\hat x = x$, and its cost is the entropy
# $H(x) = -x\log x - (1-x)\log(1-x)$, which is 0 only for black and white:

# %%
train, test = load("mnist5k"), load("mnist5k", split="test")
gray = to_unit(test.images).astype(np.float64)


def entropy(x):
    inside = np.clip(x, 1e-12, 1 - 1e-12)
    return -inside * np.log(inside) - (1 - inside) * np.log(1 - inside)


floor = entropy(gray).sum(axis=(1, 2, 3))
logits = np.log(np.clip(gray, 1e-6, 1 - 1e-6) / (1 - np.clip(gray, 1e-6, 1 - 1e-6)))
perfect = -bernoulli_log_likelihood(mg.tensor(logits), mg.tensor(gray)).numpy()
print(f"the floor: {floor.mean():.0f} nats a digit, from {floor.min():.0f} to {floor.max():.0f}")
print(f"a decoder that gives every pixel exactly: {perfect.mean():.0f} nats")
print(f"one that says 1/2 everywhere: {784 * np.log(2):.0f} nats")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 3, size=(9, 3.9),
        caption="Left: the cost of a pixel against the decoder's answer, for three grays. The dots are the minima: they are at the gray "
        "itself, and for gray pixels they are above zero. Middle, right: a digit, and the least cost of its pixels: only edges cost.",
    )  # fmt: skip
    answer = np.linspace(0.002, 0.998, 400)
    for gray_value, mark in ((0.0, "o"), (0.25, "s"), (0.5, "^")):
        (line,) = axes[0].plot(
            answer, -gray_value * np.log(answer) - (1 - gray_value) * np.log(1 - answer), label=f"x = {gray_value:g}"
        )
        axes[0].plot(
            [gray_value],
            [entropy(np.array(gray_value))],
            mark,
            color=line.get_color(),
            markersize=8,
            clip_on=False,
            zorder=5,
        )
    axes[0].set(xlabel="decoder's answer", ylabel="cost of the pixel (nats)", ylim=(0, 2.2), xlim=(0, 1))
    axes[0].legend(fontsize=11, loc="upper center")
    axes[1].imshow(gray[510, 0], vmin=0, vmax=1)
    axes[2].imshow(entropy(gray[510, 0]), vmin=0, vmax=np.log(2))
    axes[1].set_title("a digit", fontsize=11)
    axes[2].set_title("its entropy, black 0, white 0.69", fontsize=11)
    for place in axes[1:]:
        place.set_axis_off()
picture

# %% [markdown]
# So of a reconstruction loss of 80 nats on these digits, most is the floor; and results on gray and on black-and-white digits
# cannot be compared.  (Two more that cannot be compared: with *Gaussian* pixels of mean $\hat x$,
# $-\log p(x \mid z) = \frac{1}{2v}\|x - \hat x\|^2 + \frac P2 \log(2\pi v)$ may be negative, because a density may
# exceed 1.  And the plain squared error is the case $v = \frac12$, which is a choice, too.)
#
# ### Sum over pixels, mean over images
#
# Both terms of the ELBO are logarithms of *one* probability of *one* image: a sum over pixels, a sum over components.
# The mean over the *images* of the batch divides both equally and only makes the loss independent of the batch size.
# But functions called `binary_cross_entropy` or `mse_loss` average over *everything* by default.  Then
#
# $$\frac{1}{P}\big(-\log p(x\mid z)\big) + KL \;=\; \frac1P \Big(-\log p(x \mid z) + P \cdot KL\Big),$$
#
# which is, up to the factor in front, the loss with its KL weighted by $P = 784$.  Section 8 shows what that does.
#
# ### Exercise 12.4: the loss of a VAE
#
# Write it, in NumPy, with Bernoulli pixels: one number for the whole batch.  The check tries large logits too.


# %%
def vae_loss(logits, x, mu, log_var):
    """Minus the ELBO, in nats an image; logits, x: (N, 1, H, W), mu, log_var: (N, latent)."""
    return ...


exercises.vae_loss(vae_loss)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $\log(1 + e^\ell)$ is `np.logaddexp(0, logits)`, which never overflows.  Sum each term to shape (N,) first; then look
# at the signs; the mean comes last.
#
# </details>
#
# ## 6. Training on digits
#
# This is the whole training step of our VAEs, and the loss that the plain one hands in:

# %%
show_source(
    mg.models.BaseVAE.training_step,
    mg.models.BaseVAE.pixel_log_likelihood,
    mg.models.VAE.loss,
)

# %% [markdown]
# Line by line: the encoder gives `mu` and `log_var`; new noise is drawn; the log-likelihood of the codes is computed
# (`reparameterize`, decode, sum over pixels); the loss is minus the ELBO; one optimizer updates both networks.  **Nothing is
# detached**, unlike in a GAN: encoder and decoder descend the same loss.  (`average` is a moving average of the weights,
# which is used for samples and measurements and takes no part in training.  `augmentation`, changed copies of the images, is
# off by default; lesson 15 has it.  `condition` and several `samples` come in section 9.)
#
# We train two VAEs on 4,000 digits: with a code of 2 numbers, which can be plotted, and with one of 20.  Encoder and
# decoder are strided and transposed convolutions (lesson 3).  We train both in the same way, and
# for four epochs only, to save time:


# %%
def train_model(name, epochs, **options):
    """A model of the family `name`, and the mean of what it reported in each epoch."""
    mg.manual_seed(0)
    model = mg.models.build(name, size=28, channels=1, lr=5e-3, ema=0.98, **options)
    loader = Loader(train, batch_size=64, seed=0, drop_last=True)
    history = {"epoch": [], "reconstruction": [], "kl": []}
    for epoch in range(epochs):
        reports = [model.training_step(batch) for batch in loader.epoch(epoch)]
        history["epoch"].append(epoch + 1)
        for key in ("reconstruction", "kl"):
            history[key].append(np.mean([report[key] for report in reports]))
    return model, history


def show_rows(axes, rows, names, scale=3, **grid):
    """Rows of images, each with its name at the left; 16 grays are enough for the eye and make small files."""
    images = plot.image_grid(np.concatenate(rows), len(rows[0]), scale=scale, **grid)
    height = images.shape[0] / len(rows)
    axes.imshow(images // 16 * 17, vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[(row + 0.5) * height for row in range(len(rows))], yticklabels=names)
    axes.tick_params(length=0, labelsize=11)
    axes.grid(False)
    axes.spines[:].set_visible(False)


# %% tags=["varies"]
mg.kernels.use("auto")  # the fast kernels; the first run on a machine compiles them
plane, plane_history = train_model("vae", epochs=4, latent=2)

# %% tags=["varies"]
wide, wide_history = train_model("vae", epochs=4, latent=20)
results = {
    name: mg.metrics.elbo_terms(model, test.images) for name, model in (("code of 2", plane), ("code of 20", wide))
}
for name, found in results.items():
    print(
        f"{name:10}: -ELBO on 1,000 test digits {-found['elbo']:.1f} nats "
        f"= reconstruction {found['reconstruction']:.1f} + KL {found['kl']:.1f}"
    )

# %% [markdown]
# Read the sum: a code of 20 numbers costs more nats of KL than a code of 2, and saves more in the reconstruction.

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(8.5, 3.6),
        caption="The two terms in training. The reconstruction falls, and is still far above the floor of gray pixels. The KL rises: the code "
        "learns to describe the image, and this has a cost. A KL that falls to 0 would be an alarm.",
    )  # fmt: skip
    for history, name in ((plane_history, "code of 2"), (wide_history, "code of 20")):
        axes[0].plot(history["epoch"], history["reconstruction"], marker="o", label=name)
        axes[1].plot(history["epoch"], history["kl"], marker="o", label=name)
    axes[0].axhline(floor.mean(), color="black", linestyle=":", linewidth=1.5, label="floor")
    axes[0].set(xlabel="epoch", ylabel="-log p(x | z) (nats)", ylim=(0, None), xticks=range(1, 5))
    axes[1].set(xlabel="epoch", ylabel="KL (nats)", ylim=(0, None), xticks=range(1, 5))
    axes[0].legend(fontsize=11)
picture

# %% jupyter={"source_hidden": true}
some = np.array([np.flatnonzero(test.labels == digit)[3] for digit in range(10)])
digits = test.images[some]
rows = [digits, plane.reconstruct(digits), wide.reconstruct(digits), wide.sample(10, np.random.default_rng(1))]
with plot.style():
    picture, axes = plot.figure(
        size=(8.5, 4.2),
        caption="First row: test digits. Second: reconstructed from a code of 2 numbers; third: from 20. Last row: new images, decoded "
        "from codes drawn from the prior (20 numbers); after 4 epochs many are not yet digits.",
    )
    show_rows(axes, rows, ["test digit", "code of 2", "code of 20", "new"])
picture

# %% [markdown]
# The new images need more training.  These are samples of `minigen train vae` (code of 20), always of the same codes:

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(9, 3.4),
        caption="New images of one VAE during its training of 40 epochs. After 40 most can be read; they are smoother than real digits. "
        "(Made once and stored; lessons/reference/expected_values.md has the command.)",
    )
    stored = np.asarray(Image.open(lessons.FOLDER / "pictures" / "vae_epochs.png").convert("L"))
    axes.imshow(stored // 32 * 32, cmap="gray", vmin=0, vmax=224, interpolation="nearest")  # eight grays: a small file
    axes.set_axis_off()
picture

# %% [markdown]
# **Why are they blurred?**  Look at the loss.  If the code does not say whether a stroke ends at this pixel or at the
# next, then the least cost for both is gray: the mean.  The decoder draws the *mean* of all images that the code may stand
# for.  (A GAN's discriminator would reject this mean, because no real digit looks like it.)  A longer code leaves less open.
#
# ## 7. The plane of all digits
#
# With a code of 2 numbers one can look at the whole **latent space** (隐空间).  We spread codes evenly over the prior (at its
# quantiles, so that every picture stands for the same share of it), and decode:

# %% jupyter={"source_hidden": true}
side = 16
with plot.style():
    picture, axes = plot.figure(
        size=(6.5, 7),
        caption="What the decoder draws from each place of the plane. Neighbors are similar, and one digit changes smoothly into another: "
        "the KL leaves no gaps between codes.",
    )
    images = plot.image_grid(mg.visualize.manifold(plane, side).images.reshape(-1, *plane.shape), side, padding=0)
    axes.imshow(images // 32 * 36, vmin=0, vmax=255, interpolation="nearest")
    axes.set(xlabel="first component of z", ylabel="second component of z")
    shown = np.array([1, 4, 7, 8, 11, 14])
    quantiles = [f"{NormalDist().inv_cdf((i + 0.5) / side):.1f}" for i in shown]
    axes.set_xticks(28 * (shown + 0.5), quantiles)
    axes.set_yticks(28 * (side - shown - 0.5), quantiles)
    axes.grid(False)
picture

# %% [markdown]
# Now the other direction: which codes does the encoder give to test digits?  It was trained without labels.

# %% jupyter={"source_hidden": true}
codes, labels = plane.encode(test.images[::2]), test.labels[::2]
SHADES = [plot.COLORS[name] for name in ("blue", "red", "green", "purple", "black")]
with plot.style():
    picture, axes = plot.figure(
        size=(7, 6.6),
        caption="The means of q(z | x) of 500 test digits, each drawn as its label (five colors, each for two digits). Circles: where half and "
        "95% of the prior lie. Digits that look alike, such as 4 and 9, share a region.",
    )
    for digit in range(10):
        of = codes[labels == digit]
        axes.plot(
            of[:, 0],
            of[:, 1],
            linestyle="",
            marker=f"${digit}$",
            markersize=7,
            color=SHADES[digit % 5],
            markeredgewidth=0.3,
        )
    angle = np.linspace(0, 2 * np.pi, 200)
    for share in (0.5, 0.95):
        radius = np.sqrt(-2 * np.log(1 - share))
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="#888888", linestyle="--", linewidth=1)
        axes.text(0, radius, f"{share:.0%}", ha="center", va="bottom", fontsize=10, color="#555555")
    axes.set(xlabel="first component of z", ylabel="second component of z", aspect="equal")
picture

# %% [markdown]
# The KL is what makes this one cloud.  Without it, nothing would keep the codes near the origin or near each other, and
# a code drawn from the prior would fall into a gap, where the decoder was never trained.
#
# ## 8. The weight of the KL, and collapse
#
# Multiply the KL by $\beta$, and train the same (small, dense) networks with $\beta$ from 0.01 to 784.  The last is what a mean
# over the pixels amounts to.  *Decide before you look*: which $\beta$ has the best reconstruction, which the best ELBO, and
# which the best new images?

# %% tags=["varies"]
BETAS = (0.01, 1.0, 10.0, 784.0)
family = {}
for beta in BETAS:
    family[beta], _ = train_model("vae", epochs=3, network="mlp", latent=10, beta=beta)
measured = {beta: mg.metrics.elbo_terms(model, test.images) for beta, model in family.items()}
print("beta    reconstruction     KL   -ELBO   active components")
for beta, found in measured.items():
    print(
        f"{beta:5g} {found['reconstruction']:14.1f} {found['kl']:9.2f} {-found['elbo']:7.1f}   {found['active_units']} of 10"
    )

# %% jupyter={"source_hidden": true}
names = [f"beta {beta:g}" for beta in BETAS]
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.7),
        caption="Left: reconstructions. Right: new images, from codes drawn from the prior. A small beta reconstructs well, but "
        "its samples are broken, because its codes are not where the prior is. A large one makes all images similar, and at 784 "
        "there is one image: the mean.",
    )  # fmt: skip
    show_rows(
        axes[0], [digits, *(model.reconstruct(digits) for model in family.values())], ["test digit", *names], scale=2
    )
    samples = [model.sample(10, np.random.default_rng(2)) for model in family.values()]
    show_rows(axes[1], [np.ones_like(digits), *samples], [""] * 5, scale=2)
    axes[0].set_title("through the code and back", fontsize=11)
    axes[1].set_title("from the prior", fontsize=11)
picture

# %% [markdown]
# The larger $\beta$, the smaller the KL and the worse the reconstruction; the ELBO is best at 1.  $\beta$ is the price of a nat
# of code.  At 0.01 nats are cheap: the code describes all details, and the reconstructions are the best, but the codes of an
# image lie in a small region far from what the prior draws.  At 784 the network uses no code at all, because every nat of
# code costs more than it saves.
#
# This is **posterior collapse** (后验坍塌): $q(z \mid x) = p(z)$ for every image, the KL is 0, every reconstruction is the mean of
# all digits, and the ELBO is that of a model without a code.  It is a true optimum of the wrong loss, and the training
# curve looks calm.  How to see it: the KL next to 0; component by component, too, because often only a part of the code
# collapses.  (The table counts a component as *active* if its $\mu$ varies from image to image with a variance above
# 0.01: by that count a component with a KL of 0.01 nats, an invisible bar below, is still active.)  What helps: first check
# the scale; then raise $\beta$ from 0 to 1 over the first epochs (*warm-up*); a weaker decoder.  Here are the components of
# the two models with $\beta = 1$ and 10:

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7.5, 3.5),
        caption="The KL of each component of the code, largest first. With beta = 1 all ten are used. With beta = 10 "
        "four or five still are; the others have almost no bar: for these q = p for every image.",
    )
    for offset, (beta, hatch) in zip((-0.2, 0.2), ((1.0, None), (10.0, "//"))):
        shares = np.sort(measured[beta]["kl_per_unit"])[::-1]
        axes.bar(np.arange(1, 11) + offset, shares, 0.38, label=f"beta {beta:g}", edgecolor="black", hatch=hatch, linewidth=0.5,
                 color=plot.COLORS["blue" if beta == 1 else "orange"])  # fmt: skip
    axes.set(xlabel="component", ylabel="KL (nats)", xticks=range(1, 11))
    axes.legend()
picture

# %% [markdown]
# Do not choose $\beta$ by the loss that training reports.  With $\beta = 0.01$ it is far lower than with 1, because it
# leaves out 99 % of the KL; and below 1 it is no bound on $\log p(x)$ any more.  Compare the ELBO, at $\beta = 1$, of
# all models, as the table does.
#
# ## 9. Three extensions
#
# ### A label: CVAE
#
# Give the label $c$ to encoder *and* decoder.  Every line of section 1 stays true with "$\mid c$" in each density; the
# prior stays $N(0, I)$ for every class.  Then $z$ need not describe which digit it is, only the rest: slant, width, stroke.  To
# draw a 7 in a given style, decode the $z$ of that style with $c = 7$.  (The next cells train for twenty epochs.  `load_judges`
# gives a classifier of real digits, to read what was drawn.)

# %%
show_source(mg.models.CVAE.loss, mg.models.BaseVAE._decode)

# %% tags=["varies"]
LONGER = {"network": "mlp", "latent": 10, "epochs": 20}
cvae, _ = train_model("cvae", **LONGER)
found = mg.metrics.elbo_terms(cvae, test.images, test.labels)
same, _ = train_model("vae", **LONGER)
without = mg.metrics.elbo_terms(same, test.images)
judges = mg.metrics.load_judges()
asked = np.tile(np.arange(10), 50)
drawn = cvae.sample(500, np.random.default_rng(5), asked)
obeyed = (judges.reader.predict(drawn) == asked).mean()
for name, terms in (("with the label", found), ("without", without)):
    print(f"{name:15} -ELBO {-terms['elbo']:.1f} = reconstruction {terms['reconstruction']:.1f} + KL {terms['kl']:.1f}")
print(f"a classifier reads the class that was asked for in {obeyed:.0%} of 500 new images")

# %% jupyter={"source_hidden": true}
given = np.array(
    [np.flatnonzero(test.labels == digit)[place] for digit, place in ((1, 3), (7, 1), (2, 3), (0, 3), (3, 3))]
)
styles = cvae.encode(test.images[given], test.labels[given])
with plot.style():
    picture, axes = plot.figure(
        size=(8, 4.4),
        caption="At the left five test digits. Each gives its code, which the decoder draws with every label. Along a row the "
        "style stays: slant, width, weight. Down a column the class should be the same, and for most codes it is.",
    )
    rows = [
        np.concatenate(
            [
                test.images[n : n + 1],
                np.ones((1, 1, 28, 28)),
                cvae.decode(np.repeat(style[None], 10, axis=0), np.arange(10)),
            ]
        )
        for n, style in zip(given, styles)
    ]
    show_rows(axes, rows, [""] * 5)
    axes.set_xticks([(c + 0.5) * 86 for c in range(12)], ["given", "", *range(10)])
    axes.set_xlabel("drawn with the label c")
picture

# %% [markdown]
# Both had twenty epochs.  How much can the label be worth?
# $p(x \mid c) = p(x)\,p(c \mid x)/p(c)$, so $\log p(x \mid c)$ exceeds $\log p(x)$ by at most
# $-\log p(c) = \log 10 = 2.3$ nats.  (The *bounds* may differ by a little more, if one of them is tighter.  After 20
# epochs of larger networks it is 2.5 to 3.4 nats, depending on the seed: `lessons/reference/expected_values.md`.)
#
# Some labels still lose against the code, such as the 0 for the code of the 7.  Set `epochs` to 3 and run the two cells
# again: then it is most of the labels 0 and 1.  Nothing in the loss forbids a code to describe the class a second time; it
# only costs nats that are not needed, and this is learned last.
#
# ### More samples: IWAE
#
# Look again at the second of the three lines.  Its ratio $w = p(x \mid z)\,p(z)/q(z \mid x)$, the **importance weight** (重要性权重) of
# the code, has the mean $p(x)$ *exactly*, for every $q$.  A single draw of it varies a lot, and the logarithm of something that
# varies is low on average: this is what Jensen's inequality loses.  So average $K$ draws *before* the logarithm:
#
# $$\mathcal L_K = E\Big[\log \frac1K \sum_{k=1}^K w_k \Big] \;\le\; \log p(x), \qquad \mathcal L_1 = ELBO .$$
#
# The mean varies less, so the bound is tighter: $\mathcal L_1 \le \mathcal L_5 \le \mathcal L_{50} \le \dots$, and with
# $K \to \infty$ it is $\log p(x)$ itself (Burda, Grosse and Salakhutdinov 2016).  On our model with a code of 20,
# without training it again, for 125 test digits:

# %% tags=["varies"]
counts = [1, 2, 5, 10, 20, 50, 100]
bounds = np.array([mg.metrics.log_likelihood(wide, test.images[::8], samples=count) for count in counts])
tighter = {count: bounds[i] for i, count in enumerate(counts)}
print("mean bound:", ", ".join(f"K = {count}: {bound:.1f}" for count, bound in zip(counts, bounds.mean(axis=1))))
for low, high in ((1, 5), (5, 50)):
    gain = tighter[high] - tighter[low]  # of the same images
    error = gain.std() / np.sqrt(len(gain))
    print(f"from K = {low} to {high}: {gain.mean():.2f} nats more, with a standard error of {error:.2f}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.6),
        caption="The bound on log p(x) of one model, against the number of weighted samples. K = 1 is the ELBO. The mean bound rises "
        "toward the true log p(x) and never crosses it.",
    )
    axes.semilogx(counts, bounds.mean(axis=1), marker="o")
    axes.set(xlabel="samples K", ylabel="bound on log p(x) (nats)", xticks=counts, xticklabels=counts)
    axes.minorticks_off()
picture

# %% [markdown]
# This is also how one *measures* a VAE: with $K$ = 1,000 or more.  And one can *train* on it: the loss is $-\mathcal L_K$, with
# nothing detached, and the gradient of $\log\sum$ weights the samples by $w_k / \sum_i w_i$: a sample that explains the image
# badly costs little if another explains it well.
#
# ### Exercise 12.5: the bound of many samples
#
# Weights of images are numbers like $e^{-100}$; only their logarithms are ever computed.


# %%
def iwae_bound(log_w):
    """log of the mean of exp(log_w) over the samples, for each image; log_w: array (K, N), the result (N,)."""
    return ...


exercises.iwae_bound(iwae_bound)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Subtract each image's largest, and add it again outside the logarithm.  Lesson 1 did so in `logsumexp`.  A mean is a
# sum divided by $K$.
#
# </details>
#
# ### A prior that is learned
#
# New images are decoded from draws of $N(0, I)$.  The KL pulls each $q(z \mid x)$ toward it, but nothing makes the codes of
# *all images together* fill it evenly.  Where the prior has codes and no image has, there is a **hole** (先验空洞): the decoder has
# never seen such a code.  How much does this cost?  Decode two kinds of codes: draws of the prior, and codes of training
# images.  Compare both with real digits, by the Fréchet distance of lesson 13, in % of the variance of real digits (0
# would be perfect):


# %% tags=["varies"]
real = judges.looker.features(train.images)
variance = np.trace(np.cov(real.T))


def distance(images):
    """The Fréchet distance of images from the training digits, in % of the variance of these."""
    return 100 * mg.metrics.fid(real, judges.looker.features(images)) / variance


print(f"decoded from N(0, I): {distance(wide.sample(2000, np.random.default_rng(0))):.1f} %")
print(f"decoded from codes of training images: {distance(wide.decode(wide.encode(train.images[::2]))):.1f} %")

# %% [markdown]
# The decoder is the same, so the codes make the difference.  The cure is a prior that moves to where the codes are: a code is
# now made of noise from $N(0, I)$ by an invertible network, a **normalizing flow** (标准化流), which is trained together with
# encoder and decoder.  Because it is invertible, $\log p(z)$ is still known, and the loss is still minus the ELBO
# (`mg.losses.derivation("flow")`).  Again four epochs:

# %% tags=["varies"]
moved, _ = train_model("vae", epochs=4, latent=20, prior="flow")
found = mg.metrics.elbo_terms(moved, test.images)
print(f"-ELBO {-found['elbo']:.1f} = reconstruction {found['reconstruction']:.1f} + KL {found['kl']:.1f}")
print(f"decoded from draws of the learned prior: {distance(moved.sample(2000, np.random.default_rng(0))):.1f} %")

# %% [markdown]
# Compare with the code of 20 in section 6: less KL, and new images that are nearer to real ones.  `minigen train vae
# --prior flow` does so for 40 epochs; `lessons/reference/expected_values.md` has what five seeds reach.
#
# ## 10. What the articles do
#
# minigen grew from five articles, S0 to S4; `docs/articles.md` says what they are and quotes each place.
#
# | the article | what follows |
# |---|---|
# | S0 §4.2, L140: one vector with ReLU as the code; S2 §4.2, L228: with a sigmoid; no mean, variance, sampling or KL | a plain autoencoder: its codes are never negative, and do not follow the prior |
# | S2 §4.2, L259: a loss without the data | nothing relates $z$ to $x$: collapse at once |
# | S2 §4.2, L255: the logarithm of a tanh's output | NaN as soon as a pixel is below 0 |
# | S2 §3.2, L70: "the loss is the ELBO", and it is descended | makes the images as improbable as possible |
# | S2 §3.2, L72: "$\beta$ balances generator and discriminator" | there is no discriminator: $\beta$ weights the KL against the reconstruction |
# | S2 §3.3.2, L104: the decoder is trained separately, on noise | it never learns which image belongs to a code |
# | S4 §3.2, L67: "reparameterization: $z \sim p_z$" | this is the prior; $z = \mu + \sigma\epsilon$ |
#
# (Lesson 14 runs four of them.)
#
# ## Why this sign, this scale, this detach?
#
# - **Why minus the ELBO?**  It bounds $\log p(x)$ from *below*, so it should rise.  Optimizers descend.
# - **Why plus the KL?**  It is a cost, subtracted in the ELBO.  With a minus the codes go to infinity, and the loss has no
#   lower limit.
# - **Why the half, in $e^{\lambda/2}$ and before the KL?**  $\lambda$ is the logarithm of the *variance*; and a
#   Gaussian has a $\frac12$ in its exponent.
# - **Why sums over pixels and components, but a mean over images?**  The first are logarithms of products of
#   probabilities.  The last only makes the loss independent of the batch.
# - **Why is nothing detached?**  Encoder and decoder descend the same loss.  The decoder gets no gradient from the KL,
#   because it does not occur there.  $\epsilon$ needs no detach: it is a constant.
# - **Why one draw for each image?**  The reparameterized gradient varies little, and the mean over the batch and over the
#   steps reduces it further.
# - **Why logits?**  $x\ell - \log(1 + e^\ell)$, by `logaddexp`, never overflows, and its gradient is $x - \hat x$.
# - **Why is $\mu$, without noise, the code of an image that is shown?**  It is the middle of $q$; the noise is for training.
#
# ## To a friend, in three sentences
#
# For each image a VAE computes which codes could have made it, draws one of them, and lets the decoder rebuild the image; the
# loss is the error of the rebuilt image plus a cost for how much the code says.  Minus this loss is a lower bound on the
# logarithm of the image's probability, and what is missing is the divergence of the codes from the true posterior.  The
# draw is fixed noise, moved and scaled, so that the gradient can pass.
#
# **Go on.**  In a shell: `minigen train vae` (40 epochs, a few minutes), `--latent 2`, `--beta 4`,
# `minigen train cvae`, `minigen train iwae`; and `minigen sample` for new images.  The derivations, with their
# gradients: `mg.losses.derivation("elbo")`, also `kl`, `flow`, `bernoulli`, `gaussian`, `reparameterization`, `beta_vae`,
# `cvae` and `iwae`.  The source: `minigen/models/vae/base.py`.  Kingma and Welling, "Auto-Encoding Variational
# Bayes" (2014), is ten pages.  The solutions: `lessons/solutions/12_vae.py`.
