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
# # 8. GAN: a game, and what its numbers mean
#
# **The question.** Here are 4,000 handwritten digits.  We want a program that draws *new* ones.  A network can turn
# random numbers into 784 pixels, and a gradient can improve it, if there is a loss.  Which number says how little a
# picture looks like a digit?  We cannot write down this formula.  So a second network learns it.  The two together are a
# **generative adversarial network** (生成对抗网络), in short **GAN**.
#
# At the end you will be able to
#
# - write the losses of both players on logits, with every sign right;
# - derive the best discriminator, and what the generator then minimizes;
# - say why it is $-\log D$, why there is a `detach`, and why there are two optimizers;
# - train a GAN on digits, read its log, and recognize the usual mistakes by their numbers.
#
# You need NumPy, integrals and the chain rule; from lesson 1, gradients with respect to parameters, and `detach`.  Plan
# four sittings: about an hour for sections 1 to 4, 45 minutes for section 5, 50 for section 6, and an hour for sections 7
# and 8.  Six exercises check your answers; you can go on without solving them.  New words are **bold**, with their Chinese name (`docs/glossary.md` has all).
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $z$, $G(z)$ | `z`, `fake` | noise, and the image that the generator makes from it |
# | $x$, $D(x)$ | `x`, `real` | an image, and the probability that the discriminator gives it of being real |
# | $\ell(x)$ | `logits` | the *logit*, D's last number: $D = \sigma(\ell)$ |
# | $\sigma(a), \zeta(a)$ | `sigmoid`, `softplus` | $1/(1 + e^{-a})$ and $\log(1 + e^a)$ |
# | $p, q$ | `p`, `q` | the density of the data, and of what G makes |
# | $V$ | | the value of the game: D wants it large, G small |
# | $L_D, L_G$ | `loss_d`, `loss_g` | what each player's optimizer makes small |
# | $N, M$ | | how many real, and how many generated images in a batch |
# | $s$ | `smoothing` | real images are labeled $1 - s$ |
# | $E_{x \sim p}$, $E_z$ | `.mean()` | the mean over draws from $p$, over the noise |
# | $\delta$ | `distance`, `delta` | sections 4 and 5: how far the generated bell lies from the real one |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import statistics
import time

import numpy as np
from IPython.display import Markdown
from PIL import Image

import minigen as mg
import minigen.functional as F
from minigen import lessons, losses, plot
from minigen.course import gan as exercises
from minigen.course import show_source
from minigen.kernels import reference

digits = mg.data.load("mnist5k")
held_out = mg.data.load("mnist5k", split="test")
digits, held_out

# %% [markdown]
# ## 1. Why not compare pixels?
#
# The first idea: make a picture, compare it with a digit of the data, and let the loss be the mean squared difference of
# the pixels.  But *which* digit?  The noise $z$ belongs to none of them.  So it would be any digit, at random.  Then for
# each $z$ the loss is the mean over all digits $x_n$, and
#
# $$\frac{\partial}{\partial G} \frac1N \sum_n (G - x_n)^2 = 2\Big(G - \frac1N \sum_n x_n\Big) = 0
# \quad\text{at}\quad G = \frac1N \sum_n x_n .$$
#
# The best picture by that measure, for every $z$, is the average of all digits:

# %% jupyter={"source_hidden": true}
average = digits.images.mean(axis=0, keepdims=True)
plot.show_images(
    np.concatenate([digits.images[:3500:500], average]),
    [str(label) for label in digits.labels[:3500:500]] + ["average"],
    ncols=8,
    caption="Seven real digits, and the picture that is nearest to all of them on average. By the mean squared difference no "
    "digit is better than this blur.",
)

# %% [markdown]
# Each pixel is a good guess, and the picture is not a digit.  "Looks like a digit" is a property of the whole image.
#
# **The second idea** (Goodfellow et al. 2014): take a second network that looks at a whole image and says whether it is
# real or generated.  We know the right answers, so this network can be trained.  And it is differentiable: its gradient
# *with respect to the image* says which pixels to change so that the image looks more real.  The first network, the
# **generator** (生成器) G, learns from that gradient.  The second, the **discriminator** (判别器) D, must improve too.
# (G never sees a real image, and no pixel is ever compared with another.  All that G learns comes through D.)
#
# ## 2. The game
#
# D is a classifier with two classes.  It gets as many real images as generated ones, and the log-likelihood of the right
# answers is $\log D(x)$ for a real image, $\log(1 - D(G(z)))$ for a generated one:
#
# $$V(D, G) = E_{x \sim p}[\log D(x)] + E_z[\log(1 - D(G(z)))]$$
#
# Both terms are at most 0.  D wants $V$ large, that is near 0.  G wants it small.  This is a **minimax game** (极小极大博弈)
# with the **value function** (价值函数) $V$: $\min_G \max_D V$.  An optimizer can only descend, so each player has its own
# loss: $L_D = -V$, and for G, for now, $L_G = V$.  A pair of networks where neither player can gain by changing alone is a
# **Nash equilibrium** (纳什均衡); section 4 finds it.
#
# If D knows nothing and always says $\frac12$, then $V = 2 \log\frac12 = -\log 4$.  Remember that number: **1.386**.
#
# ### On logits
#
# The last layer of our D gives a plain number $\ell$, the **logit** (对数几率), and $D = \sigma(\ell)$.  There is no sigmoid
# in the network: since $1 - \sigma(\ell) = \sigma(-\ell)$, both logarithms are the same smooth function $\zeta$, the softplus:
#
# $$-\log D = \log(1 + e^{-\ell}) = \zeta(-\ell), \qquad -\log(1 - D) = \log(1 + e^{\ell}) = \zeta(\ell) .$$
#
# ($L_D$ in this form is the **binary cross-entropy** (二元交叉熵) with the labels 1 for real and 0 for generated.)  Is there
# a difference?  On paper there is none.  In float32:

# %%
logits = np.float32([-120, -20, 0, 20])
with np.errstate(all="ignore"):
    sigmoid = 1 / (1 + np.exp(-logits))
    naive = -np.log(sigmoid) + 0.0, -np.log(1 - sigmoid) + 0.0
stable = F.softplus(mg.tensor(-logits)).numpy(), F.softplus(mg.tensor(logits)).numpy()
for what, values in (("logit", logits), ("-log D", naive[0]), ("softplus(-l)", stable[0]),
                     ("-log(1 - D)", naive[1]), ("softplus(l)", stable[1])):  # fmt: skip
    print(f"{what:12}", *(f"{number:9.2g}" for number in values))

# %% [markdown]
# A D that is wrong and sure gives `inf`, and the next step fills the network with NaN.  A D that is right and sure
# (here $-\log D$ at 20) gives exactly 0 in place of a small number.  Softplus never overflows, and keeps the small number
# down to logits of about $-104$, where $e^\ell$ itself is 0 in float32.  (Adding $10^{-8}$ inside the logarithm hides the
# first fault, and makes the gradient wrong where it is needed most.)
#
# ### Exercise 8.1: the loss of D, on logits
#
# A program contains, in NumPy, `-np.log(D_real).mean() - np.log(1 - D_fake).mean()`.  Write it for logits, so that no
# logit is too large.  There may be more generated images than real ones.


# %%
def d_loss(real, fake):
    """The loss of D; real and fake are arrays of logits, (N,) and (M,)."""
    return ...


exercises.d_loss(d_loss)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `np.logaddexp(a, b)` is $\log(e^a + e^b)$, computed safely.  And $1 = e^0$.
#
# </details>
#
# This is ours:

# %%
show_source(losses.minimax_d, F.softplus, reference.softplus, reference.softplus_grad)

# %% [markdown]
# ## 3. What the best D says
#
# Let G be fixed for a while.  Its images have some density $q$.  The data has a density $p$.  What should D answer at a
# point $x$?  Write both means as integrals:
#
# $$V = \int \underbrace{p(x) \log D(x) + q(x) \log(1 - D(x))}_{v(D)} \; dx .$$
#
# A flexible D can give any answer at each $x$, so we can look for the best answer at each $x$ separately:
#
# $$v'(D) = \frac{p}{D} - \frac{q}{1 - D} = 0
# \quad\Rightarrow\quad p\,(1 - D) = q\, D
# \quad\Rightarrow\quad \boxed{D^*(x) = \frac{p(x)}{p(x) + q(x)}}$$
#
# It is a maximum, because $v'' = -p/D^2 - q/(1-D)^2$ is negative.  Bayes' rule says the same: half of what D sees is real;
# the probability that something at $x$ is real is $p/(p+q)$.  On logits it is even simpler:
# $\ell^* = \log\frac{D^*}{1 - D^*} = \log p - \log q$.
#
# **Does a network find it?**  We take two densities that we know, in one dimension: real numbers from two bumps,
# "generated" ones from one wide bump.  D is a small network that sees only samples, never a density.

# %%
x, dx = np.linspace(-8, 12, 2001, retstep=True)


def bell(x, mean, deviation):
    """The density of a normal distribution."""
    return np.exp(-(((x - mean) / deviation) ** 2) / 2) / (deviation * np.sqrt(2 * np.pi))


p = 0.5 * bell(x, -1.5, 0.5) + 0.5 * bell(x, 1.5, 0.5)
q = bell(x, 0.5, 1.5)


def draw_real(n, random):
    return random.choice([-1.5, 1.5], n) + 0.5 * random.normal(size=n)


def draw_fake(n, random):
    return 0.5 + 1.5 * random.normal(size=n)


# %% [markdown]
# To know $V$ of a trained D exactly, we do not sample: we compute its logits on a fine grid and sum, which is the integral.
# (`p * dx` is the probability of one step of the grid; in this lesson `dx` is the width of that step.)


# %% tags=["varies"]
def column(values):
    """Numbers as a batch of examples with one feature each."""
    return mg.tensor(np.asarray(values, np.float32).reshape(-1, 1))


def value(logits, p, q):
    """V of the D with these logits on the grid, for the densities p and q on the grid."""
    return -(p * np.logaddexp(0, -logits) + q * np.logaddexp(0, logits)).sum() * dx


def train_d(draw_real, draw_fake, p, q, steps=800, smoothing=0.0):
    """A discriminator for these samples; its logits on the grid; and V as it was trained."""
    mg.manual_seed(0)
    random = np.random.default_rng(0)
    D = mg.nn.Sequential(mg.nn.Linear(1, 48), mg.nn.Tanh(), mg.nn.Linear(48, 48), mg.nn.Tanh(), mg.nn.Linear(48, 1))
    optimizer = mg.optim.Adam(D.parameters(), lr=0.01)
    curve = []
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.01 * (1 - step / steps)  # end with small steps: the samples are noisy
        real_logits, fake_logits = D(column(draw_real(512, random))), D(column(draw_fake(512, random)))
        loss = losses.label_smoothing_d(real_logits, fake_logits, smoothing)  # at 0 it is minimax_d
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0 or step == steps - 1:
            with mg.no_grad():
                curve.append((step, value(D(column(x)).numpy().ravel(), p, q)))
    return D, D(column(x)).detach().numpy().ravel(), np.array(curve).T


D, logits, curve = train_d(draw_real, draw_fake, p, q)

best = p / (p + q)
trained = 1 / (1 + np.exp(-logits))
error = (abs(trained - best) * (p + q) / 2).sum() * dx
undecided = (abs(0.5 - best) * (p + q) / 2).sum() * dx
print(f"D differs from p / (p + q) by {error:.3f} on average (a D that always says 1/2: {undecided:.2f})")

# %% jupyter={"source_hidden": true}
seen = (p + q) / 2 > 1e-2
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.6),
        caption="Left: the two densities. Right: the trained D (solid) lies on p / (p + q) (dashed) wherever there are samples; "
        "outside the gray lines there are hardly any (a density under 0.01), and D may say anything.",
    )  # fmt: skip
    axes[0].plot(x, p, label="p, real")
    axes[0].plot(x, q, label="q, generated")
    axes[0].set(xlabel="x", ylabel="density", xlim=(-6, 6))
    axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=2)
    axes[1].plot(x, trained, label="D(x), trained")
    axes[1].plot(x, best, label="p / (p + q)")
    for edge in (x[seen][0], x[seen][-1]):
        axes[1].axvline(edge, color="#999999", linewidth=1, linestyle="-")
    axes[1].set(xlabel="x", ylabel="probability of real", xlim=(-6, 6), ylim=(-0.03, 1.03))
    axes[1].legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=2)
picture

# %% [markdown]
# In the middle, between the bumps, D is sure of "generated"; on the bumps it is *not* sure of "real", because generated
# points fall there too.  D does not know what a digit is.  It knows where real images are more frequent than generated ones.
#
# ### Exercise 8.2: the best D for other labels
#
# Now only a share $r$ of what D sees is real (`real_share`), and a real image has the label $1 - s$ in place of 1
# (`smoothing`; section 7 says why): its cross-entropy is $-(1 - s)\log D - s \log(1 - D)$.  Generated images keep the
# label 0.  What is the best D, from arrays of densities?


# %%
def best_d(p, q, real_share, smoothing):
    """The D that makes the expected loss least, at the points where the densities are p and q."""
    return ...


exercises.best_d(best_d)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Write the expected loss at one point, and find the coefficients of $-\log D$ and of $-\log(1 - D)$.  If these are
# $a$ and $b$, the best D is $a/(a + b)$: the derivation above, with other letters.
#
# </details>
#
# ## 4. What G minimizes
#
# Put the best D back into $V$.  With the mixture $m = \frac12(p + q)$ it is $D^* = p/2m$ and $1 - D^* = q/2m$:
#
# $$V(D^*, G) = \int p \log\frac{p}{2m} + q \log\frac{q}{2m}\, dx
# = -2\log 2 + \underbrace{\int p \log \frac pm\, dx}_{KL(p \| m)} + \underbrace{\int q \log\frac qm\, dx}_{KL(q\|m)}
# = -\log 4 + 2\, JSD(p, q) .$$
#
# *KL* is the **Kullback-Leibler divergence** (KL 散度), $KL(a \| b) = \int a \log\frac ab$: the log-likelihood that we lose if
# we believe in $b$ when the truth is $a$.  It is never negative, and 0 only if $a = b$: since $\log t \le t - 1$, with equality only at
# $t = 1$, $-KL = \int a \log\frac ba \le \int (b - a) = 0$.  *JSD*, half the sum of the two above, is the
# **Jensen-Shannon divergence** (JS 散度).  So it too is 0 only at $p = q$.  And it is at most $\log 2$, because $V \le 0$: there
# $p$ and $q$ do not overlap, and D is never wrong.
#
# This answers the question "what does G learn?"  It does not learn to repeat the data, nor to make "images that are not in
# the data".  If D is always the best, G minimizes a distance between *distributions*, and its only optimum is $q = p$.
# There $D^* = \frac12$ everywhere, and neither player can gain by changing alone: this is the Nash equilibrium.


# %% tags=["varies"]
def jsd(p, q):
    """The Jensen-Shannon divergence of two densities on the grid."""

    def kl(a, b):
        inside = a > 0  # 0 log 0 is 0
        return (a[inside] * np.log(a[inside] / b[inside])).sum() * dx

    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


bound = -np.log(4) + 2 * jsd(p, q)
print(f"by quadrature: JSD = {jsd(p, q):.3f}, so V* = -log 4 + 2 JSD = {bound:.4f}")
print(f"V of p / (p + q):   {value(np.log(p) - np.log(q), p, q):.4f}")
print(f"V of the trained D: {curve[1][-1]:.4f}, below it by {bound - curve[1][-1]:.4f}")

# %% [markdown]
# And is it $-\log 4$ only at $p = q$?  Let both be bells of width 1, and put the generated one at a distance $\delta$ from the
# real one.  Think of G as having one parameter: $G(z) = z + \delta$.  For each distance we train a new D.

# %% tags=["varies"]
distances = [0, 0.5, 1, 2, 3, 4.5]
rivals = {}
for distance in distances:
    rivals[distance] = train_d(
        lambda n, random: random.normal(size=n),
        lambda n, random, distance=distance: random.normal(size=n) + distance,
        bell(x, 0, 1), bell(x, distance, 1), steps=300,
    )  # fmt: skip
trained_values = [rivals[distance][2][1][-1] for distance in distances]
exact_values = [-np.log(4) + 2 * jsd(bell(x, 0, 1), bell(x, distance, 1)) for distance in distances]

for distance, exact, trained_value in zip(distances, exact_values, trained_values):
    gap = exact - trained_value
    print(f"distance {distance:3}: bound {exact:7.4f}, V of a trained D {trained_value:7.4f}, below it by {gap:.4f}")
print(f"at distance 0: V* = {exact_values[0]:.4f} = -log 4; next, at 0.5: {exact_values[1]:.3f}")

# %% jupyter={"source_hidden": true}
fine = np.linspace(0, 6, 121)
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.7),
        caption="Left: V of D while it is trained on the two bumps; it climbs to -log 4 + 2 JSD and no further. Right: the same "
        "limit for two bells at distance delta. -log 4 at 0 only; from 4 on almost flat, because D is then almost never wrong.",
    )  # fmt: skip
    axes[0].plot(*curve, label="V of D")
    axes[0].axhline(bound, color=plot.COLORS["black"], linestyle="--", label="-log 4 + 2 JSD")
    axes[0].axhline(-np.log(4), color="#777777", linestyle=":", label="-log 4")
    axes[0].set(xlabel="step of D", ylabel="V", xlim=(0, 400))
    axes[0].legend(fontsize=10, loc="center right")
    axes[1].plot(
        fine, [-np.log(4) + 2 * jsd(bell(x, 0, 1), bell(x, d, 1)) for d in fine], color=plot.COLORS["black"],
        linestyle="--", label="-log 4 + 2 JSD, quadrature",
    )  # fmt: skip
    axes[1].plot(distances, trained_values, "o", color=plot.COLORS["orange"], label="V of a trained D")
    axes[1].axhline(-np.log(4), color="#777777", linestyle=":", label="-log 4")
    axes[1].axhline(0, color="#777777", linestyle="-", linewidth=1)
    axes[1].set(xlabel="distance $\\delta$", ylabel="V", ylim=(-1.5, 0.1))
    axes[1].legend(fontsize=10, loc="lower right", bbox_to_anchor=(1, 0.08))
picture

# %% [markdown]
# ### Exercise 8.3: how often the best D is right
#
# A log often shows D's *accuracy*: the share of its answers that are right, where the answer is "real" if $D > \frac12$.  How
# high is it for the best D?  Give a formula in $p$ and $q$ on a grid with step `dx`; half of what D sees is real.


# %%
def best_accuracy(p, q, dx):
    """A number from 0.5 to 1."""
    return ...


exercises.best_accuracy(best_accuracy)

# %% [markdown]
# <details><summary>Hint</summary>
#
# At each $x$ the answer is the more probable of the two.  Which part of $\frac12 p + \frac12 q$ is then judged correctly?
#
# </details>
#
# ## 5. Two losses for G
#
# Of $V$ only the second term depends on G.  So $L_G = E_z[\log(1 - D(G(z)))] = -E_z[\zeta(\ell)]$, on the logit $\ell$ of a
# generated image: the *minimax* loss.  In the same section of their paper Goodfellow et al. advise against it, and use the
# **non-saturating loss** (非饱和损失) $L_G = -E_z[\log D(G(z))] = E_z[\zeta(-\ell)]$.  Why?  Both fall when $\ell$ rises: both
# want D to say "real".  But look at their derivatives.  With $\zeta' = \sigma$,
#
# | | minimax | non-saturating |
# |---|---|---|
# | $L_G$, for one image | $\log(1 - D) = -\zeta(\ell)$ | $-\log D = \zeta(-\ell)$ |
# | $\partial L_G / \partial \ell$ | $-\sigma(\ell) = -D$ | $-\sigma(-\ell) = -(1 - D)$ |
# | bad image: D recognizes it, $D \approx 0$ | almost 0 | almost $-1$ |
# | good image: D believes it, $D \approx 1$ | almost $-1$ | almost 0 |
#
# The minimax loss improves the images that are good already, and not the bad ones: it **saturates** (饱和).  At the start all
# images are bad.  This is the whole argument.  The rest of the section tests it three times: with the engine, on two bell
# curves, and on images.  If you are short of time, look at the pictures and at exercise 8.4, and go on with section 6.

# %% tags=["varies"]
ell = mg.tensor(np.linspace(-8, 8, 161), requires_grad=True)
slopes = {}
for name, loss in (("minimax", losses.minimax_g), ("non-saturating", losses.non_saturating_g)):
    (gradient,) = mg.grad(loss(ell), ell)
    slopes[name] = 161 * gradient.numpy()  # the loss is a mean over 161 logits: each has 1/161 of it

D_of = 1 / (1 + np.exp(-ell.detach().numpy()))
for name, formula, expected in (("minimax", "-D", -D_of), ("non-saturating", "-(1 - D)", -(1 - D_of))):
    difference = abs(slopes[name] - expected).max()
    print(
        f"{name:14}  slopes from {slopes[name].min():.4f} to {slopes[name].max():.4f}; largest difference from {formula:8} {difference:.0e}"
    )

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.7),
        caption="The two losses of G for one image, over D's logit for it, and their slopes (every eighth point is the engine's, "
        "the lines are the formulas). Bad images are on the left: there the minimax loss is flat.",
    )  # fmt: skip
    at = ell.detach().numpy()
    axes[0].plot(at, -np.logaddexp(0, at), label="minimax, log(1 - D)")
    axes[0].plot(at, np.logaddexp(0, -at), label="non-saturating, -log D")
    axes[0].set(xlabel="logit of a generated image", ylabel="loss of G")
    axes[0].legend(fontsize=10, loc="upper right")
    for (name, slope), formula, color, mark in zip(
        slopes.items(), (-D_of, D_of - 1), (plot.COLORS["blue"], plot.COLORS["orange"]), "os"
    ):
        axes[1].plot(at, formula, color=color, linestyle="-" if mark == "o" else "--")
        axes[1].plot(at[::8], slope[::8], mark, color=color, markersize=4, label=name)
    axes[1].text(-7.8, -0.12, "-D", color=plot.COLORS["blue"])
    axes[1].text(-7.8, -0.93, "-(1 - D)", color="#a06d00")
    axes[1].set(xlabel="logit of a generated image", ylabel="slope of the loss")
picture

# %% [markdown]
# ### Exercise 8.4: the gradient of $-\log D$
#
# Derive it in NumPy, without the engine: $L_G = \frac1M \sum_j \zeta(-\ell_j)$; what is $\partial L_G / \partial \ell_j$?
# Any logit from $-900$ to 900 has to give a number.


# %%
def g_gradient(logits):
    """The gradient of the non-saturating loss in the logits of M generated images; an array of their shape."""
    return ...


exercises.g_gradient(g_gradient)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $\zeta'(a) = e^a/(1 + e^a) = \sigma(a)$, and the chain rule brings a minus from $-\ell$.  And
# $\sigma(a) = e^{-\zeta(-a)}$ for every $a$; you know a safe $\zeta$ by now.
#
# </details>
#
# ### In which direction, and toward what?
#
# Back to the two bell curves: $G(z) = z + \delta$, with $z$ from the same bell as the data.  Then
# $\ell^*(x) = \log p - \log q = -\frac12 x^2 + \frac12 (x - \delta)^2$, with slope $-\delta$.  D is fixed while G moves, so the
# chain rule says how strongly $\delta$ is pulled toward 0:
#
# $$\frac{\partial L_G}{\partial \delta} = E\Big[\frac{\partial L_G}{\partial \ell}\, \frac{\partial \ell^*}{\partial x}\Big]
# = \delta\, E_{x \sim q}[D^*(x)] \;\text{ (minimax)}, \qquad
# \delta\, E_{x \sim q}[1 - D^*(x)] \;\text{ (non-saturating)} .$$
#
# The first is the slope of $2\, JSD$, as section 4 promises.  (There D moved along with G.  It makes no difference: D is at its
# maximum, where a small change of D changes nothing.)  The second is the slope of $KL(q\|p) - 2\,JSD(p, q)$ (Arjovsky and
# Bottou 2017).  For bells $KL(q\|p) = \delta^2/2$, whose slope is $\delta$; and indeed the two pulls add up to $\delta$.

# %% tags=["varies"]
pulls = {"minimax": [], "non-saturating": []}
bell_curve = statistics.NormalDist()
noise = mg.tensor(np.array([[bell_curve.inv_cdf((k + 0.5) / 4000)] for k in range(4000)]))  # better spread than chance
for d in fine:
    delta = mg.tensor(d, requires_grad=True)
    fake = noise + delta  # G(z)
    ell = (fake - d) ** 2 / 2 - fake**2 / 2  # the best D for this distance, standing still: d is a plain number
    for name, loss in (("minimax", losses.minimax_g), ("non-saturating", losses.non_saturating_g)):
        (pull,) = mg.grad(loss(ell), delta, retain_graph=True)
        pulls[name].append(pull.item())


def slope(f, d, h=1e-4):
    return (f(d + h) - f(d - h)) / (2 * h)


two_jsd = [slope(lambda d: 2 * jsd(bell(x, 0, 1), bell(x, d, 1)), d) for d in fine]
other = fine - two_jsd
for name, formula, expected in (("minimax", "2 JSD", two_jsd), ("non-saturating", "KL(q|p) - 2 JSD", other)):
    difference = abs(np.subtract(pulls[name], expected)).max()
    print(
        f"{name:14}  pull up to {max(pulls[name]):.2f}; largest difference from the slope of {formula:15} {difference:.4f}"
    )

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.8),
        caption="How strongly G is pulled toward the data from a distance delta, with the best D. Lines: the slopes by quadrature; "
        "marks: autograd through D, on 4,000 images. The minimax pull is strongest between 1 and 2, and then dies away.",
    )  # fmt: skip
    axes.plot(fine, two_jsd, label="slope of 2 JSD")
    axes.plot(fine, other, label="slope of KL(q|p) - 2 JSD")
    axes.plot(fine[::8], pulls["minimax"][::8], "o", color=plot.COLORS["blue"], label="minimax")
    axes.plot(fine[::8], pulls["non-saturating"][::8], "s", color=plot.COLORS["orange"], label="non-saturating")
    axes.set(xlabel="distance $\\delta$", ylabel="pull toward the data")
    axes.legend()
picture

# %% [markdown]
# A generator starts far away from the data.  There the minimax loss, which comes from the theorem, gives almost no
# gradient, and the non-saturating loss does.  (*Both* fail if $p$ and $q$ do not overlap at all: then $\ell^*$ is infinite, and
# its slope in $x$ can be anything.  Wasserstein GANs were invented for this case.)
#
# ### The same on images
#
# While D finds all images about equally bad, all $D(G(z_j))$ are about equal; call their mean $D_0$.  Then
# $\partial L_G / \partial \ell_j$ is the same for all images, $-D_0/M$ or $-(1 - D_0)/M$, and comes out of the sum in the chain
# rule.  With $\theta$ for G's weights and $u = \frac{\partial}{\partial\theta} \frac1M \sum_j \ell_j$, the gradient of the mean
# logit, we should find
#
# $$\Big\| \frac{\partial L_G}{\partial \theta} \Big\| \approx D_0\, \|u\| \;\text{ (minimax)}, \qquad
# (1 - D_0)\, \|u\| \;\text{ (non-saturating)} .$$
#
# Measured with the dense GAN for digits of section 7: G stays as it is at the start, D takes 120 steps, and after each we
# measure how long G's gradient would be.  (`model.update` is one step of one player's optimizer; section 6 shows it.)  What
# do you expect of the minimax gradient: does it fall from the first step on?

# %%
mg.manual_seed(0)
model = mg.models.MLPGAN(size=28, channels=1, smoothing=0.0)
G, D = model.generator, model.discriminator
fixed = mg.randn(64, 100)
batches = mg.data.Loader(digits, 32, seed=0).epoch(0)


def norm(loss):
    """The length of the gradient of `loss` in G's weights, all of them together."""
    gradients = mg.grad(loss, list(G.parameters()), retain_graph=True)
    return np.sqrt(sum((g.numpy() ** 2).sum() for g in gradients))


rows = []
for _step, batch in zip(range(120), batches):
    ell = D(G(fixed))
    mean_d = ell.sigmoid().mean().item()
    rows.append((mean_d, norm(losses.minimax_g(ell)), norm(losses.non_saturating_g(ell)), norm(ell.mean())))
    fake = G(mg.randn(32, 100)).detach()
    model.update(losses.minimax_d(D(mg.tensor(batch["images"])), D(fake)), model.optimizers["discriminator"])
mean_d, minimax, non_saturating, u = np.array(rows).T

for name, formula, ratio in (
    ("minimax", "D |u|", minimax / (mean_d * u)),
    ("non-saturating", "(1 - D) |u|", non_saturating / ((1 - mean_d) * u)),
):
    print(f"{name:14} gradient / {formula:11}: from {ratio.min():.2f} to {ratio.max():.2f} in the 120 steps")
for name, values in (("mean of D(G(z))", mean_d), ("minimax gradient", minimax), ("non-saturating", non_saturating)):
    print(f"{name:16}  first {values[0]:.3f}, largest {values.max():.2f}, last {values[-1]:.3f}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.7),
        caption="An untrained G while D learns alone. Left: what D says of G's images. Right: the length of G's gradient (marks) and the "
        "formulas (lines). The minimax gradient grows at first, because D's slope grows; then D becomes sure, and it vanishes.",
    )  # fmt: skip
    steps = np.arange(120)
    axes[0].semilogy(steps, mean_d)
    axes[0].set(xlabel="steps of D", ylabel="mean of D(G(z))")
    axes[1].semilogy(steps, mean_d * u, label="D |u|")
    axes[1].semilogy(steps, (1 - mean_d) * u, label="(1 - D) |u|")
    axes[1].semilogy(steps[::5], minimax[::5], "o", color=plot.COLORS["blue"], markersize=4, label="minimax")
    axes[1].semilogy(
        steps[::5], non_saturating[::5], "s", color=plot.COLORS["orange"], markersize=4, label="non-saturating"
    )
    axes[1].set(xlabel="steps of D", ylabel="length of G's gradient")
    axes[1].legend(fontsize=10, loc="center left", bbox_to_anchor=(1.0, 0.5))
picture

# %% [markdown]
# Two effects meet here.  $\|u\|$, the slope of D's logit, grows from 0.15 to almost 8 while D learns.  $D_0$ falls from 0.5
# to 0.002.  Their product, the minimax gradient, first grows to five times its start and then falls to a fifth of it, and
# it goes on falling as long as D learns.  This is the **vanishing gradient** (梯度消失) of GANs: the better D is, the less G
# learns from it.  The non-saturating gradient grows with D's slope.  (Adam divides each gradient by its usual size, which
# hides much of this, but not what is lost in rounding, nor the balance between good and bad images of a batch.)
#
# ## 6. The step
#
# Two players, so two optimizers, each with one network's weights and one loss.  Here is our step, as all adversarial models
# of this library do it:

# %%
show_source(mg.models.MLPGAN.training_step, mg.models.Model.update)

# %% [markdown]
# (`generate` is $G(z)$, `discriminate` gives D's logits, and `as_probability` makes probabilities of them for the log.  `gan_loss` holds the
# two losses.  `condition` and `update_average` are for models with labels or averaged weights; here they do nothing.)
# Read it with three questions:
#
# - **Why two optimizers?**  One loss cannot serve both: the sum of $L_D = -V$ and $L_G = V$ is 0, and has no gradient.  And
#   each loss depends on *both* networks, so we must say whose weights it may change.  `update` asks the engine for the
#   gradients of one player's weights only.
# - **Why `fake.detach()` in D's move?**  For two reasons.  *Cost*: $L_D$ depends on G through the generated images, and
#   without `detach` the backward pass goes through all of G.  *Correctness*, if the program uses `backward()`: the pass then
#   leaves a gradient in G's weights.  It says how to help D, that is, how to make worse images.  (Our `update` is correct
#   without `detach` too, because it asks for D's gradients only; `detach` saves the time.)
# - **Why no `detach` in G's move?**  There the path through the images is the only one.  D's weights are on that path too:
#   they pass the gradient on, and are not changed.
#
# ### What happens without it
#
# Many programs use `loss.backward()`, which leaves gradients in *all* weights that the loss depends on.  Then it needs two
# mistakes together to do damage: no `detach`, and gradients that are cleared too late.  Here is a step with both.  It runs,
# thanks to `retain_graph=True` (it keeps the graph for a second backward pass), which its author added because of an error
# message.


# %%
def broken_step(generator, discriminator, optimizer_g, optimizer_d, x, z):
    fake = generator(z)
    loss_d = losses.minimax_d(discriminator(x), discriminator(fake))
    loss_d.backward(retain_graph=True)
    optimizer_d.step()

    loss_g = losses.non_saturating_g(discriminator(fake))
    loss_g.backward()
    optimizer_g.step()

    optimizer_g.zero_grad()
    optimizer_d.zero_grad()
    return loss_d, loss_g


# %% [markdown]
# G's gradient is now that of $L_D + L_G$.  In the logit of a generated image (apart from D's own move between the two)
# $L_D$ gives $+D$, $L_G$ gives $-(1 - D)$, together $2D - 1$.  So G is pulled toward $D(G(z)) = \frac12$ only, and pulled
# *back* wherever D believes it.  With the minimax loss it would be $D - D = 0$: no training at all.  We measure it, at a D
# that is undecided.  Each loss should pull at each of 8 images with $-\frac12 \cdot \frac18$:

# %%
fake_logits = mg.zeros(8, 1, requires_grad=True)
for name, loss in (("minimax", losses.minimax_g), ("non-saturating", losses.non_saturating_g)):
    right = mg.grad(loss(fake_logits), fake_logits)[0].numpy()
    loss_d = losses.minimax_d(mg.zeros(8, 1), fake_logits)  # no detach
    broken = mg.grad(loss_d + loss(fake_logits), fake_logits)[0].numpy()
    print(f"{name:14}  pull on each of 8 images: {right[0, 0]:.4f}; without detach: {broken[0, 0]:.4f}")

# %% [markdown]
# (Minimax: 0 whatever D says.  Non-saturating: 0 at this D, and too weak below.)  There is no error and no NaN, only a G
# that learns too slowly.
#
# ### A whole game, where everything can be seen
#
# Before the digits, the same step on numbers.  The data are the two bumps of section 3, G and D are small networks, and we
# can draw $q$ whenever we like.  Where will $q$ be after 200 steps: between the bumps, on one of them, on both?


# %%
def play(steps, looks, seed=0):
    """Train a GAN on the two bumps; what G makes of the same 4,000 numbers z at the steps `looks`."""
    mg.manual_seed(seed)
    random = np.random.default_rng(seed)
    small_g, small_d = (
        mg.nn.Sequential(mg.nn.Linear(1, 32), mg.nn.Tanh(), mg.nn.Linear(32, 32), mg.nn.Tanh(), mg.nn.Linear(32, 1))
        for _ in range(2)
    )
    optimizer_g, optimizer_d = (mg.optim.Adam(net.parameters(), 2e-3, (0.5, 0.999)) for net in (small_g, small_d))
    same_z, seen = column(np.random.default_rng(9).normal(size=4000)), []
    for step in range(steps + 1):
        if step in looks:
            with mg.no_grad():
                seen.append((small_g(same_z).numpy().ravel(), small_d(column(x)).sigmoid().numpy().ravel()))
        real, fake = column(draw_real(128, random)), small_g(column(random.normal(size=128)))
        loss_d = losses.minimax_d(small_d(real), small_d(fake.detach()))
        optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()
        loss_g = losses.non_saturating_g(small_d(fake))
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
    return seen, loss_d.item(), loss_g.item()


looks = (0, 50, 200, 1500)
seen, last_d, last_g = play(1500, looks)

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 4, size=(10, 3.2),
        caption="A whole game in one dimension. Gray: the data p. Bars: 4,000 generated numbers, q. Red: D, with its scale from 0 to "
        "1. G starts in the middle; D's slope shows it the way to both bumps.",
    )  # fmt: skip
    for place, step, (made, answers) in zip(axes, looks, seen):
        place.fill_between(x, p, color="#bbbbbb")
        place.hist(made, bins=np.linspace(-4, 4, 41), density=True, color=plot.COLORS["blue"], alpha=0.7)
        place.plot(x, answers, color=plot.COLORS["red"])
        place.set(xlim=(-4, 4), ylim=(0, 1.3), xlabel="x", title=f"step {step}")
        place.grid(False)
        if step:
            place.set_yticklabels([])
picture

# %% tags=["varies"]
made = seen[-1][0]
print(
    f"in the end {np.mean(made < 0):.0%} of q is on the left bump, {np.mean(made > 0):.0%} on the right (p: 50% each)"
)
print(f"loss_d {last_d:.2f} (undecided: {2 * np.log(2):.2f}), loss_g {last_g:.2f} (undecided: {np.log(2):.2f})")

# %% [markdown]
# $q$ moves onto both bumps, D becomes almost undecided, and both losses end near the values of an undecided D.  So in one
# dimension a GAN can come near to the equilibrium of section 4.  (Try other seeds: `play(1500, looks, seed=1)`.  The bumps
# do not always get the same share, and their shape is rough: two networks that chase each other do not stand still.)
#
# ### Exercise 8.5: repair the step
#
# Write `broken_step` as it should be: D's move with $L_D$, then G's with $-\log D$, against D as it is *after* its move.  It
# returns both losses.  Use `backward()`, or `mg.grad`.  The check looks at the weights of both networks after three steps.


# %%
def training_step(generator, discriminator, optimizer_g, optimizer_d, x, z):
    """One move of each player; x are real examples, z is noise."""
    loss_d = ...
    loss_g = ...
    return loss_d, loss_g


exercises.training_step(training_step)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Which loss must not reach G?  And `loss_g.backward()` leaves gradients in D as well: by when must they be gone?
#
# </details>
#
# ## 7. The dense GAN on digits
#
# Both networks are dense.  G turns 100 random numbers into 784 pixels by way of 128 and 128 units; D goes 784-128-128-1.

# %%
show_source(mg.models.networks.gan.mlp_networks)

# %%
for name, network in (("generator", G), ("discriminator", D)):
    print(f"{name:13} {sum(weight.numel() for weight in network.parameters()):7,} parameters")

# %% [markdown]
# They come from a Chinese blog article, here called S1 (`docs/articles.md` quotes each line), whose listing could not work as
# printed.  What had to be repaired:
#
# | in the listing | what follows | ours |
# |---|---|---|
# | §4, L93: D never flattens: a dense layer on the last axis | 28 outputs an image, 20,353 parameters | `Flatten`: 117,121 |
# | §4, L95 and L100: a sigmoid, then a loss on logits | $L_D$ cannot fall below $\zeta(-1) + \zeta(0) = 1.0064$ | logits |
# | §4, L108: "fake" is the pixels, not D's answer to them | D is absent from the loss | $D(G(z))$ |
# | §4, L112: G's loss pushes pixels to 0 | a black image is perfect | $-\log D(G(z))$ |
# | §4, L119: the lists of weights are made before the network | both optimizers are empty, nothing moves | made after it |
# | §2.2, L17: G's target are images "not in the data set" | no loss says so | $q = p$ |
#
# **Training.**  An **epoch** (轮) shows every digit once, in **batches** (批) of 32.  Real images have the label 0.9 in place of
# 1, our default (`smoothing=0.1`); the end of this section says why.


# %%
def train(model, epochs, seed=0, data=digits):
    """Train a model; the log as arrays."""
    loader = mg.data.Loader(data, 32, seed=seed, drop_last=True)
    rows = [model.training_step(batch) for epoch in range(epochs) for batch in loader.epoch(epoch)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


# %% tags=["varies"]
mg.manual_seed(0)
model = mg.models.MLPGAN(size=28, channels=1)
start = time.perf_counter()
log, looks = {}, []
for part, epochs in enumerate((1, 3, 6)):
    new = train(model, epochs, seed=part)
    log = {name: np.concatenate([log.get(name, []), new[name]]) for name in new}
    looks.append(model.sample(20, np.random.default_rng(1)))
print(f"10 epochs, {len(log['loss_d'])} steps: {time.perf_counter() - start:.0f} seconds")

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        3, 1, size=(8, 5.2),
        caption="Twenty images from the same noise after 1, 4 and 10 epochs of the dense GAN.",
    )  # fmt: skip
    for place, images, epochs in zip(axes, looks, ("1 epoch", "4 epochs", "10 epochs")):
        place.imshow(plot.image_grid(images, ncols=10), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        place.set_title(epochs, fontsize=11)
        place.set_axis_off()
picture

# %% [markdown]
# From gray noise to something like digits.  Every stroke was learned through D.  A dense layer does not know which pixels
# are neighbors, and so specks remain (lesson 9 replaces it by convolutions).  For comparison, this is what the command line gives
# after six times as many epochs:

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(5.4, 6.2),
        caption="After 60 epochs, from the command: minigen train gan. (Made once and stored; your run gives others, of "
        "the same quality.)",
    )  # fmt: skip
    axes.imshow(Image.open(lessons.FOLDER / "pictures" / "gan_mnist5k.png"), cmap="gray", interpolation="nearest")
    axes.set_axis_off()
picture

# %% [markdown]
# ### Which numbers are normal?
#
# | | D is undecided | D is never wrong |
# |---|---|---|
# | $L_D$ | $2 \log 2 = 1.386$ | 0, or with $s = 0.1$: 0.325 |
# | $L_G$, non-saturating | $\log 2 = 0.693$ | large: $\zeta(-\ell) \approx -\ell$ |
# | $L_G$, minimax | $-\log 2 = -0.693$ | 0 |
# | mean of $D(x)$, of $D(G(z))$: `d_real`, `d_fake` in the log | 0.5 and 0.5 | 1 (with $s = 0.1$: 0.9), and 0 |
# | D's accuracy | 50% | 100% |
#
# By the theorem, the left column is the end of the game.  This is what really happens:


# %% tags=["varies"] jupyter={"source_hidden": true}
def smooth(values, width=125):
    return np.convolve(values, np.ones(width) / width, "valid")


with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.9),
        caption="The log of this run, each curve averaged over an epoch (125 steps). Dotted: what an undecided D would give. "
        "Both losses stay on their side of it: D is ahead, all the time, and G learns nevertheless.",
    )  # fmt: skip
    epochs = np.arange(len(smooth(log["loss_d"]))) / 125 + 0.5
    for name, color, normal in (("loss_d", "blue", 2 * np.log(2)), ("loss_g", "orange", np.log(2))):
        axes[0].plot(epochs, smooth(log[name]), color=plot.COLORS[color], label=name)
        axes[0].axhline(normal, color=plot.COLORS[color], linestyle=":", linewidth=1.5)
    for name, color in (("d_real", "green"), ("d_fake", "red")):
        axes[1].plot(epochs, smooth(log[name]), color=plot.COLORS[color], label=name)
    axes[1].axhline(0.5, color="#777777", linestyle=":", linewidth=1.5)
    axes[0].set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes[1].set(xlabel="epoch", ylabel="mean of D's answers", ylim=(0, 1))
    for place in axes:
        place.legend(fontsize=10)
picture

# %% [markdown]
# How well does D tell real digits from generated ones in the end, and does it do so for digits that it was *not* trained on?
# Its level changes from step to step: sometimes it calls too much real, sometimes too little.  So we do not cut at
# $\frac12$.  We ask how often, of one real and one generated image, the real one gets the higher logit:

# %% tags=["varies"]
with mg.no_grad():
    of_fakes = model.discriminator(mg.tensor(model.sample(1000))).numpy()
    for what, images in (("of the training set", digits.images[::4]), ("it has never seen", held_out.images)):
        higher = model.discriminator(mg.tensor(images)).numpy() > of_fakes.T
        print(f"a digit {what:19} is ranked above a generated one in {higher.mean():.0%} of the pairs")

# %% [markdown]
# An undecided D would have 50%.  If D is much better on the training set, it has begun to learn those digits by heart: it
# **overfits** (过拟合).  Then it no longer answers "does this look like a digit?", and G learns less from it.
#
# So a healthy GAN on real data does *not* end at 1.386 and 0.693.  G is a small network; $q$ never quite reaches $p$, and D
# finds the difference.  What is normal: $L_D$ between its floor and 1.386, without reaching either; $L_G$ between 0.7 and
# about 3.  It may rise for many epochs, as it does here, because D improves, too.  And neither says how good the images are:
# $L_G$ measures G against *this* D.  Look at the samples.  (Lesson 13 measures their quality.)
#
# ### Label smoothing
#
# Our dense GAN gives real images the label 0.9 in place of 1 (**label smoothing**, 标签平滑).  The derivation is next to the
# code, and can be read anywhere: `mg.losses.derivation("label_smoothing")`.

# %%
Markdown(losses.derivation("label_smoothing").replace("# ", "### "))

# %% [markdown]
# Is the best D really $(1 - s)\, p/(p + q)$?  With the two bumps of section 3, a new D, and $s = 0.2$ (and below it the floor
# for our GAN's own $s = 0.1$):

# %% tags=["varies"]
s = 0.2
_, smooth_logits, _ = train_d(draw_real, draw_fake, p, q, steps=600, smoothing=s)
smoothed = 1 / (1 + np.exp(-smooth_logits))
error = (abs(smoothed - (1 - s) * best) * (p + q) / 2).sum() * dx
without = (abs(smoothed - best) * (p + q) / 2).sum() * dx
print(f"D differs from 0.8 p / (p + q) by {error:.3f} on average (from p / (p + q): {without:.2f})")
print(f"its floor on real images, the entropy of the label 0.9: {-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)):.3f}")

# %% [markdown]
# ## 8. How it goes wrong
#
# Five logs of the same dense GAN, each of the first 100 steps.  One of the games is correct.  The others have mistakes from
# published articles and programs.  The cell prints the means over the last ten steps.

# %% tags=["varies"]
mysteries = {}
for number, game in exercises.MYSTERIES.items():
    mg.manual_seed(0)
    model = mg.models.MLPGAN(size=28, channels=1, smoothing=0.0)
    model.gan_loss = game
    loader = mg.data.Loader(digits, 32, seed=0).epoch(0)
    rows = [model.training_step(next(loader)) for _ in range(100)]
    mysteries[number] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    last = {name: values[-10:].mean() for name, values in mysteries[number].items()}
    print(f"log {number} ", "  ".join(f"{name} {value:9.3f}" for name, value in last.items()))

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        2, 5, size=(10, 4.6),
        caption="Five logs of 100 steps. Above: loss_d (blue) and loss_g (orange, dashed), each with its scale. Below: the mean of "
        "D's answers to real (green) and generated images (red, dashed). Which one is healthy, and what is wrong with the others?",
    )  # fmt: skip
    for k, (number, values) in enumerate(mysteries.items()):
        axes[0, k].plot(values["loss_d"], color=plot.COLORS["blue"], linestyle="-")
        axes[0, k].plot(values["loss_g"], color=plot.COLORS["orange"], linestyle="--")
        axes[1, k].plot(values["d_real"], color=plot.COLORS["green"], linestyle="-")
        axes[1, k].plot(values["d_fake"], color=plot.COLORS["red"], linestyle="--")
        axes[0, k].set_title(f"log {number}")
        axes[1, k].set(ylim=(-0.05, 1.05), xlabel="step")
        for place in axes[:, k]:
            place.tick_params(labelsize=9)
    axes[0, 0].set_ylabel("loss")
    axes[1, 0].set_ylabel("D's answer")
picture

# %% [markdown]
# ### Exercise 8.6: read the logs
#
# Which cause belongs to which log?
#
# - a. Nothing is wrong.
# - b. G's loss has lost its minus: it is $+E[\log D(G(z))]$.
# - c. D's loss has lost its minus: D descends $V$, as G does.
# - d. D never sees a generated image: $L_D = -E[\log D(x)]$.
# - e. D's output goes through a sigmoid, and then into a loss that expects logits.

# %%
read_the_logs = {1: ..., 2: ..., 3: ..., 4: ..., 5: ...}  # such as 1: "a"

exercises.read_the_logs(read_the_logs)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Ask of each cause: which answer of D makes *this* loss least?  Which answer does G want?  And what are the least and the
# largest value that the loss can have?  (The mean of $-\log D$ is never less than $-\log$ of the mean of $D$.)
#
# </details>
#
# There is a failure that no log shows: G draws one digit, very well, and nothing else.  It is called **mode collapse**
# (模式崩溃), and is the subject of lesson 10.
#
# ### In words
#
# Answer for yourself, and then compare with `lessons/solutions/08_gan.py`:
#
# 1. G's loss falls for a while and D's loss stays high.  Is the GAN getting better?
# 2. D's accuracy is 100 % from step 50 on.  G's loss is the non-saturating one.  Does G still receive a gradient?  Is it a
#    useful one?
# 3. A friend trains D to the end after every step of G, because "the theorem needs the best D".  What happens, with either
#    loss?
#
# ## Why this sign, this scale, this detach?
#
# - **Why a minus before *both* logarithms of $L_D$?**  D wants $V$ large, and an optimizer makes its loss small.
# - **Why $-\log D(G(z))$ and not $\log(1 - D(G(z)))$?**  The second has slope $-D$ in the logit: none when the image is bad.
#   The first has $-(1 - D)$: most when the image is bad.  Same direction, same end, different strength.
# - **Why two means, added?**  They are two expectations.  One mean over a joined batch halves both, and weights them by
#   their numbers if these differ: then D's best answer is that of exercise 8.2.
# - **Why $2 \log 2$ for D and $\log 2$ for G?**  D's loss has two terms, G's has one.
# - **Why logits?**  When a sigmoid has been rounded to 0 or 1, no logarithm can repair it.
# - **Why detach in D's move, and not in G's?**  D's loss must not change G.  G's loss must reach G, and the path goes
#   through the images.
# - **Why must D be good, if a good D makes the gradient vanish?**  Only at the best D does G descend a distance of
#   distributions; with a poor D, G learns to deceive a poor judge.  With $-\log D$ we can have both, a good D and a gradient.
# - **Why alternate, instead of training D to the end each time?**  Time.  One step keeps D near its best if G moves little.
# - **Why label real images 0.9, and not generated ones 0.1?**  With the labels $\alpha$ and $\beta$,
#   $D^* = (\alpha p + \beta q)/(p + q)$.  For $\beta > 0$, D would answer more than 0 for generated images far from any data.
# - **Why new noise in each step?**  G should be good for all $z$, not for 32 of them.
# - **Why tanh at G's end?**  The data is in $[-1, 1]$.  With two different ranges, D could tell the images apart by their range.
#
# ## To a friend, in three sentences
#
# One network makes pictures from noise, another learns to tell them from real ones, and the first learns from the gradient
# of the second with respect to the picture.  If the second is as good as possible, it answers $p/(p+q)$, and the first
# descends a distance between its distribution and that of the data, which is zero only when they are the same.  In practice
# its loss is $-\log D$, because the original loss is flat exactly where there is most to learn.
#
# The solutions, with their reasons, are in `lessons/solutions/08_gan.py`.  Derivations of all losses: `mg.losses.derivation("minimax")`, `"non_saturating"`, `"label_smoothing"`; their tests against finite differences are in
# `tests/test_losses.py`.
