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
# random numbers into 784 pixels, and a gradient can improve it, if only there is a loss.  Which number says how little a
# picture looks like a digit?  Nobody can write that formula down.  So let it be learned.
#
# At the end you will be able to
#
# - write the losses of both players on logits, with every sign right;
# - derive what the best discriminator says, and what the generator is really made to minimise;
# - say why it is $-\log D$, why there is a `detach`, and why there are two optimizers;
# - train a GAN on digits, read its log, and recognise the usual mistakes by their numbers.
#
# You need NumPy, integrals, the chain rule, and about 45 minutes.  Of lesson 1 you need what a gradient with respect to
# parameters is, and `detach`.  Six exercises check your answers; one that is not answered stops nothing.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $z$, $G(z)$ | `z`, `fake` | noise, and the image that the generator makes of it |
# | $x$, $D(x)$ | `x`, `real` | an image, and the probability that the discriminator gives it of being real |
# | $\ell(x)$ | `logits` | the *logit*, D's last number: $D = \sigma(\ell)$ |
# | $\sigma(a), \zeta(a)$ | `sigmoid`, `softplus` | $1/(1 + e^{-a})$ and $\log(1 + e^a)$ |
# | $p, q$ | `p`, `q` | the density of the data, and of what G makes |
# | $V$ | | the value of the game: D wants it large, G small |
# | $L_D, L_G$ | `loss_d`, `loss_g` | what each player's optimizer makes small |
# | $N, M$ | | how many real, and how many generated images in a batch |
# | $s$ | `smoothing` | real images are labelled $1 - s$ |
# | $E_{x \sim p}$, $E_z$ | `.mean()` | the mean over draws from $p$, over the noise |
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

digits = mg.data.load("mnist5k")
held_out = mg.data.load("mnist5k", split="test")
digits, held_out

# %% [markdown]
# ## 1. Why not compare pixels?
#
# The first idea: make a picture, compare it with a digit of the data, and let the loss be the mean squared difference of
# the pixels.  But *which* digit?  The noise $z$ belongs to none of them.  So it would be any, at random.  Then for each
# $z$ the loss is the mean over all digits $x_n$, and
#
# $$\frac{\partial}{\partial G} \frac1N \sum_n (G - x_n)^2 = 2\Big(G - \frac1N \sum_n x_n\Big) = 0
# \quad\text{at}\quad G = \bar x .$$
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
# Each pixel is quite right, and the whole is nonsense.  What we mean by "looks like a digit" is a property of the whole.
#
# **The second idea** (Goodfellow et al. 2014): take a second network that looks at a whole image and says whether it is
# real or made.  That is a question with known answers, so the network can be trained.  And it is differentiable: its
# gradient *in the image* says which pixels to change so that the image passes for real.  The first network, the
# **generator** G, learns from that gradient.  The second, the **discriminator** D, has to keep up.  (G never sees a real
# image, and no pixel is ever compared with another.  Everything that G knows comes to it through D.)
#
# ## 2. The game
#
# D is a classifier with two classes.  It gets as many real images as generated ones, and the log-likelihood of the right
# answers is $\log D(x)$ for a real image, $\log(1 - D(G(z)))$ for a generated one:
#
# $$V(D, G) = E_{x \sim p}[\log D(x)] + E_z[\log(1 - D(G(z)))]$$
#
# Both terms are at most 0.  D wants $V$ large, that is near 0.  G wants it small.  One number, two players:
# $\min_G \max_D V$.  An optimizer can only descend, so each player gets a loss of its own: $L_D = -V$, and for G, for now,
# $L_G = V$.
#
# If D knows nothing and always says $\frac12$, then $V = 2 \log\frac12 = -\log 4$.  Remember that number: **1.386**.
#
# ### On logits
#
# The last layer of our D gives a plain number $\ell$, the logit, and $D = \sigma(\ell)$.  There is no sigmoid in the network:
# since $1 - \sigma(\ell) = \sigma(-\ell)$, both logarithms are the same smooth function $\zeta$, the softplus:
#
# $$-\log D = \log(1 + e^{-\ell}) = \zeta(-\ell), \qquad -\log(1 - D) = \log(1 + e^{\ell}) = \zeta(\ell) .$$
#
# Does it matter, if it is the same?  On paper it is the same.  In float32:

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
# (here $-\log D$ at 20) gives exactly 0, where a small number was.  Softplus has neither fault.  (Adding
# $10^{-8}$ inside the logarithm hides the first one, and makes the gradient wrong where it is needed most.)
#
# ### Exercise 8.1: the loss of D, on logits
#
# Somebody wrote, in NumPy, `-np.log(D_real).mean() - np.log(1 - D_fake).mean()`.  Write it for logits, so that no logit
# is too large.  There may be more generated images than real ones.


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
show_source(losses.minimax_d, F.softplus)

# %% [markdown]
# ## 3. What the best D says
#
# Let G stand still for a while.  Its images have some density $q$.  The data has a density $p$.  What should D answer at a
# point $x$?  Write both means as integrals:
#
# $$V = \int \underbrace{p(x) \log D(x) + q(x) \log(1 - D(x))}_{v(D)} \; dx .$$
#
# A flexible D may answer at each $x$ as it likes, so we can look for the best answer at each $x$ by itself:
#
# $$v'(D) = \frac{p}{D} - \frac{q}{1 - D} = 0
# \quad\Rightarrow\quad p\,(1 - D) = q\, D
# \quad\Rightarrow\quad \boxed{D^*(x) = \frac{p(x)}{p(x) + q(x)}}$$
#
# It is a maximum, because $v'' = -p/D^2 - q/(1-D)^2$ is negative.  And it is what Bayes' rule says: half of what D sees is
# real; the probability that something at $x$ is real is $p/(p+q)$.  On logits it is simpler still:
# $\ell^* = \log\frac{D^*}{1 - D^*} = \log p - \log q$.
#
# **Is that so?**  We take two densities that we know, in one dimension: real numbers from two bumps, "generated" ones from
# one wide bump.  D is a small network that sees only samples, never a density.

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
# To know $V$ of a trained D exactly we do not sample: we put its logits on a fine grid and add up, which is the integral.
# (`p * dx` is the probability of one step of the grid.)


# %%
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
print("D is on average within 0.02 of p / (p + q):", error < 0.02)

# %% jupyter={"source_hidden": true}
seen = (p + q) / 2 > 1e-2
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.6),
        caption="Left: the two densities. Right: the trained D (solid) lies on p / (p + q) (dashed) wherever there are samples; "
        "outside the grey lines there are hardly any (a density under 0.01), and D may say anything.",
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
# points fall there too.  D does not know what a digit is.  It knows where the data is denser than the forgeries.
#
# ### Exercise 8.2: the best D for other labels
#
# Now only a share $r$ of what D sees is real (`real_share`), and a real image is labelled $1 - s$ in place of 1
# (`smoothing`; why, comes later): its cross-entropy is $-(1 - s)\log D - s \log(1 - D)$.  Generated images keep the
# label 0.  What is the best D, from arrays of densities?


# %%
def best_d(p, q, real_share, smoothing):
    """The D that makes the expected loss least, at the points where the densities are p and q."""
    return ...


exercises.best_d(best_d)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Write the expected loss at one point, and collect what stands before $\log D$ and what before $\log(1 - D)$.  If these are
# $a$ and $b$, the best D is $a/(a + b)$: the derivation above, with other letters.
#
# </details>
#
# ## 4. What G is made to minimise
#
# Put the best D back into $V$.  With the mixture $m = \frac12(p + q)$ it is $D^* = p/2m$ and $1 - D^* = q/2m$:
#
# $$V(D^*, G) = \int p \log\frac{p}{2m} + q \log\frac{q}{2m}\, dx
# = -2\log 2 + \underbrace{\int p \log \frac pm\, dx}_{KL(p \| m)} + \underbrace{\int q \log\frac qm\, dx}_{KL(q\|m)}
# = -\log 4 + 2\, JSD(p, q) .$$
#
# *KL* is the Kullback-Leibler divergence, $KL(a \| b) = \int a \log\frac ab$: what it costs, in log-likelihood, to believe in
# $b$ when the truth is $a$.  It is never negative, and 0 only if $a = b$: since $\log t \le t - 1$, with equality only at
# $t = 1$, $-KL = \int a \log\frac ba \le \int (b - a) = 0$.  *JSD*, half the sum of the two above, is the
# **Jensen-Shannon divergence**.  So it too is 0 only at $p = q$.  And it is at most $\log 2$, because $V \le 0$: there $p$ and
# $q$ never meet, and D is never wrong.
#
# That is the answer to "what does G learn?"  Not to repeat the data, and not to make "images that are not in the data":
# if D is always the best, G minimises a distance between *distributions*, and its one optimum is $q = p$.


# %%
def jsd(p, q):
    """The Jensen-Shannon divergence of two densities on the grid."""

    def kl(a, b):
        inside = a > 0  # 0 log 0 is 0
        return (a[inside] * np.log(a[inside] / b[inside])).sum() * dx

    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2


bound = -np.log(4) + 2 * jsd(p, q)
print(f"by quadrature: JSD = {jsd(p, q):.3f}, so V* = -log 4 + 2 JSD = {bound:.3f}")
print("V of p / (p + q) is that:", abs(value(np.log(p) - np.log(q), p, q) - bound) < 1e-6)
print("V of the trained D is below it, by less than 0.01:", 0 <= bound - curve[1][-1] < 0.01)

# %% [markdown]
# And is it $-\log 4$ only at $p = q$?  Let both be bells of width 1, and put the generated one at a distance $\delta$ from the
# real one.  Think of G as having one parameter: $G(z) = z + \delta$.  For each distance we train a new D.

# %%
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

gaps = np.subtract(exact_values, trained_values)
print(
    "each V of a trained D is below its bound:", bool((gaps >= -1e-6).all()), "- by less than 0.02:", gaps.max() < 0.02
)
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
# A log often shows D's *accuracy*: the share of its verdicts that are right, where the verdict is "real" if $D > \frac12$.  How
# high is it for the best D?  Give a formula in $p$ and $q$ on a grid with step `dx`; half of what D sees is real.


# %%
def best_accuracy(p, q, dx):
    """A number from 0.5 to 1."""
    return ...


exercises.best_accuracy(best_accuracy)

# %% [markdown]
# <details><summary>Hint</summary>
#
# At each $x$ the verdict is the more probable of the two.  How much of $\frac12 p + \frac12 q$ is then judged rightly?
#
# </details>
#
# ## 5. Two losses for G
#
# Of $V$ only the second term depends on G.  So $L_G = E_z[\log(1 - D(G(z)))] = -E_z[\zeta(\ell)]$, on the logit $\ell$ of a
# generated image.  It is called the *minimax* loss.  In the same section of their paper Goodfellow et al. advise
# against it, and take $L_G = -E_z[\log D(G(z))] = E_z[\zeta(-\ell)]$.  Why?  Both fall when $\ell$ rises: both want D to say "real".
# But look at their derivatives.  With $\zeta' = \sigma$,
#
# | | minimax | non-saturating |
# |---|---|---|
# | $L_G$, for one image | $\log(1 - D) = -\zeta(\ell)$ | $-\log D = \zeta(-\ell)$ |
# | $\partial L_G / \partial \ell$ | $-\sigma(\ell) = -D$ | $-\sigma(-\ell) = -(1 - D)$ |
# | found out, $D \approx 0$ | almost 0 | almost $-1$ |
# | fooled D, $D \approx 1$ | almost $-1$ | almost 0 |
#
# The minimax loss pulls at the images that are good already, and lets go of the bad ones: it *saturates*.  At the start
# all images are bad.  Our own losses, differentiated by the engine:

# %%
ell = mg.tensor(np.linspace(-8, 8, 161), requires_grad=True)
slopes = {}
for name, loss in (("minimax", losses.minimax_g), ("non-saturating", losses.non_saturating_g)):
    (gradient,) = mg.grad(loss(ell), ell)
    slopes[name] = 161 * gradient.numpy()  # the loss is a mean over 161 logits: each has 1/161 of it

D_of = 1 / (1 + np.exp(-ell.detach().numpy()))
print("minimax is -D:             ", np.allclose(slopes["minimax"], -D_of, atol=1e-6))
print("non-saturating is -(1 - D):", np.allclose(slopes["non-saturating"], -(1 - D_of), atol=1e-6))

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
# Derive it in NumPy, without the engine: $L_G = \frac1M \sum_m \zeta(-\ell_m)$; what is $\partial L_G / \partial \ell_m$?
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
# ### In which direction, and towards what?
#
# Back to the two bells, where everything can be computed: $G(z) = z + \delta$, with $z$ from the same bell as the data.
# Then $\ell^*(x) = \log p - \log q =
# -\frac12 x^2 + \frac12 (x - \delta)^2$, with slope $-\delta$.  How strongly is $\delta$ pulled towards 0?  By the chain rule through D,
# which stands still while G moves:
#
# $$\frac{\partial L_G}{\partial \delta} = E\Big[\frac{\partial L_G}{\partial \ell}\, \frac{\partial \ell^*}{\partial x}\Big]
# = \delta\, E_{x \sim q}[D^*(x)] \;\text{ (minimax)}, \qquad
# \delta\, E_{x \sim q}[1 - D^*(x)] \;\text{ (non-saturating)} .$$
#
# Is the first one the slope of $2\, JSD$, as section 4 promises?  There D moved along with G, here it stands still.  It makes
# no difference: D is at its maximum, where a small move of D changes nothing (the *envelope theorem*).  And the
# second?  Arjovsky and Bottou (2017) found that it descends $KL(q\|p) - 2\,JSD(p, q)$.  For bells $KL(q\|p) = \delta^2/2$, whose
# slope is $\delta$; and indeed the two pulls add up to $\delta$.

# %%
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
print(
    "minimax:        the slope of 2 JSD, within 0.01:         ",
    abs(np.subtract(pulls["minimax"], two_jsd)).max() < 0.01,
)
other = fine - two_jsd
print(
    "non-saturating: that of KL(q|p) - 2 JSD, within 0.01:    ",
    abs(np.subtract(pulls["non-saturating"], other)).max() < 0.01,
)

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.8),
        caption="How strongly G is pulled towards the data from a distance delta, with the best D. Lines: the slopes by quadrature; "
        "marks: autograd through D, on 4,000 images. The minimax pull is strongest between 1 and 2, and then dies away.",
    )  # fmt: skip
    axes.plot(fine, two_jsd, label="slope of 2 JSD")
    axes.plot(fine, other, label="slope of KL(q|p) - 2 JSD")
    axes.plot(fine[::8], pulls["minimax"][::8], "o", color=plot.COLORS["blue"], label="minimax")
    axes.plot(fine[::8], pulls["non-saturating"][::8], "s", color=plot.COLORS["orange"], label="non-saturating")
    axes.set(xlabel="distance $\\delta$", ylabel="pull towards the data")
    axes.legend()
picture

# %% [markdown]
# Far away is where a generator starts.  There the minimax loss, which comes from the beautiful theorem, gives
# it nothing to go by, and the one that came as a remedy pulls.  (*Both* lose their way if D is much sharper than here: when $p$
# and $q$ do not overlap at all, $\ell^*$ is infinite, and its slope in $x$ is anything.  Wasserstein GANs answer that.)
#
# ### The same on images
#
# With $\theta$ for G's weights, the chain rule says $\frac{\partial L_G}{\partial\theta} = \sum_m
# \frac{\partial L_G}{\partial \ell_m} \frac{\partial \ell_m}{\partial \theta}$.  While D finds all images about equally bad,
# $D(G(z_m)) \approx \bar D$, the first factor is the same for all, $-\bar D/M$ or $-(1 - \bar D)/M$.  So with
# $u = \frac{\partial}{\partial\theta} \frac1M \sum_m \ell_m$, the gradient of the mean logit, we should find
#
# $$\Big\| \frac{\partial L_G}{\partial \theta} \Big\| \approx \bar D\, \|u\| \;\text{ (minimax)}, \qquad
# (1 - \bar D)\, \|u\| \;\text{ (non-saturating)} .$$
#
# Measured early in training, on the real networks: the dense GAN for digits of section 7.  G stays as it is at the start,
# D takes 60 steps, and after each we ask how strong G's gradient would be.

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
for _step, batch in zip(range(60), batches):
    ell = D(G(fixed))
    mean_d = ell.sigmoid().mean().item()
    rows.append((mean_d, norm(losses.minimax_g(ell)), norm(losses.non_saturating_g(ell)), norm(ell.mean())))
    fake = G(mg.randn(32, 100)).detach()
    model.update(losses.minimax_d(D(mg.tensor(batch["images"])), D(fake)), model.optimizers["discriminator"])
mean_d, minimax, non_saturating, u = np.array(rows).T

near = lambda ours, formula: abs(ours / formula - 1).max() < 0.25  # noqa: E731
print("minimax is D |u|, within 25% at each step:             ", near(minimax, mean_d * u))
print("non-saturating is (1 - D) |u|, within 25% at each step:", near(non_saturating, (1 - mean_d) * u))
print("after 60 steps the minimax gradient is over 30 times weaker:   ", non_saturating[-1] > 30 * minimax[-1])

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.7),
        caption="An untrained G while D learns alone. Left: what D gives G's images. Right: the length of G's gradient (marks) and the "
        "formulas (lines). As D learns to tell, the minimax gradient vanishes; the other one grows, with D's slope.",
    )  # fmt: skip
    steps = np.arange(60)
    axes[0].semilogy(steps, mean_d)
    axes[0].set(xlabel="steps of D", ylabel="mean of D(G(z))")
    axes[1].semilogy(steps, mean_d * u, label="D |u|")
    axes[1].semilogy(steps, (1 - mean_d) * u, label="(1 - D) |u|")
    axes[1].semilogy(steps[::3], minimax[::3], "o", color=plot.COLORS["blue"], markersize=4, label="minimax")
    axes[1].semilogy(
        steps[::3], non_saturating[::3], "s", color=plot.COLORS["orange"], markersize=4, label="non-saturating"
    )
    axes[1].set(xlabel="steps of D", ylabel="length of G's gradient")
    axes[1].legend(fontsize=10, loc="center left", bbox_to_anchor=(1.0, 0.5))
picture

# %% [markdown]
# This is the **vanishing gradient** of GANs.  (Adam, which divides each gradient by its usual size, hides much of it:
# a gradient that is always a hundred times weaker gives the same steps.  It cannot bring back what is lost in rounding, nor
# the balance between good images and bad ones within a batch.)
#
# ## 6. The step
#
# Two players, so two optimizers, each with one network's weights and one loss.  Here is our step, as all adversarial models
# of this library do it:

# %%
show_source(mg.models.MLPGAN.training_step, mg.models.MLPGAN.update)

# %% [markdown]
# (`generate` is $G(z)$, `discriminate` gives D's logits, and `as_probability` makes probabilities of them for the log.  `gan_loss` holds the
# two losses.  `condition` and `update_average` are for models with labels or averaged weights; here they do nothing.)
# Read it with three questions:
#
# - **Why two optimizers?**  One loss cannot serve both: the sum of $L_D = -V$ and $L_G = V$ is 0, and has no gradient.  And
#   each loss depends on *both* networks, so that one must say whose weights it may move.  `update` asks the engine for
#   the gradients of one player's weights only.
# - **Why `fake.detach()` in D's move?**  $L_D$ depends on G through the generated images.  The gradient in G's weights exists, and
#   says how to help D: how to make worse forgeries.  Nobody wants it.  To D the images are given data, so they are cut
#   off from where they came from.
# - **Why no `detach` in G's move?**  There the path through the images is the only one there is.  D's weights are on
#   that path too; they pass the gradient on, and stay as they are.
#
# ### What happens without it
#
# Many programs use `loss.backward()`, which leaves gradients in *all* weights that the loss depends on.  Here is a step of
# that kind.  It runs, with a curious `retain_graph=True`: somebody put it there because of an error message.


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
# G's gradient is now that of $L_D + L_G$.  In the logit of a generated image (but for D's own move between the two)
# $L_D$ gives $+D$, $L_G$ gives $-(1 - D)$, together $2D - 1$.  So G is pulled towards $D(G(z)) = \frac12$ only, and held
# *back* wherever it fools D.  With the minimax loss it would be $D - D = 0$: no training at all.  We measure it, at a D that
# is undecided.  Either loss should pull at each of 8 images with $-\frac12 \cdot \frac18$:

# %%
fake_logits = mg.zeros(8, 1, requires_grad=True)
for name, loss in (("minimax", losses.minimax_g), ("non-saturating", losses.non_saturating_g)):
    right = mg.grad(loss(fake_logits), fake_logits)[0].numpy()
    loss_d = losses.minimax_d(mg.zeros(8, 1), fake_logits)  # no detach
    broken = mg.grad(loss_d + loss(fake_logits), fake_logits)[0].numpy()
    print(f"{name:14}  pull on each of 8 images: {right[0, 0]:.4f}; without detach: {broken[0, 0]:.4f}")

# %% [markdown]
# (Minimax: 0 whatever D says.  Non-saturating: 0 just here, and too weak below.)  No error, no NaN, only a G that stays
# behind.
#
# ### Exercise 8.5: repair the step
#
# Write it as it should be: D's move with $L_D$, then G's with $-\log D$, against D as it is *after* its move.  It returns both
# losses.  Use `backward()`, or `mg.grad`.  The check looks at the weights of both networks after three steps.


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
# They come from a published article, whose listing could not work as printed.  What had to be repaired:
#
# | in the listing | what follows | ours |
# |---|---|---|
# | D never flattens: a dense layer on the last axis | 28 outputs an image, 20,353 parameters | `Flatten`: 117,121 |
# | a sigmoid, then a loss on logits | $L_D$ cannot fall below $\zeta(-1) + \zeta(0) = 1.0064$ | logits |
# | "fake" is the pixels, not D's answer to them | D is absent from the loss | $D(G(z))$ |
# | G's loss pushes pixels to 0 | a black image is perfect | $-\log D(G(z))$ |
# | the lists of weights are made before the network | both optimizers are empty, nothing moves | made after it |
# | the text: G's target are images "not in the data set" | no loss says so | $q = p$ |
#
# **Training.**  An epoch shows every digit once, in batches of 32.  Real images are labelled 0.9 in place of 1, our default
# (`smoothing=0.1`); why, comes at the end of this section.


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
# From grey noise to something like digits.  Every stroke was learned through D.  A dense layer
# does not know which pixels are neighbours, and so specks remain.  For comparison, this is what the command line gives
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
# | mean of $D(x)$, of $D(G(z))$ | 0.5 and 0.5 | 1 (with smoothing 0.9), and 0 |
# | D's accuracy | 50% | 100% |
#
# The theorem speaks of the left column as the end of the game.  Here is what really happens:


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
# How well does D tell digits from forgeries in the end, and does it do so for digits that it was *not* trained on?  Its
# level swings from step to step: now it calls too much real, now too little.  So in place of cutting at $\frac12$ we ask how
# often, of one real and one generated image, the real one gets the higher logit:

# %% tags=["varies"]
with mg.no_grad():
    forged = model.discriminator(mg.tensor(model.sample(1000))).numpy()
    for what, images in (("of the training set", digits.images[::4]), ("it has never seen", held_out.images)):
        higher = model.discriminator(mg.tensor(images)).numpy() > forged.T
        print(f"a digit {what:19} is ranked above a forgery in {higher.mean():.0%} of the pairs")

# %% [markdown]
# An undecided D would have 50%.  If D is much better on the training set, it has begun to learn those digits by heart.
# Then it no longer asks "does this look like a digit?", and what it tells G is worth less.
#
# So a healthy GAN on real data does *not* end at 1.386 and 0.693.  G is a small network; $q$ never quite reaches $p$, and D finds the
# difference.  What is normal: $L_D$ between its floor and 1.386, without reaching either; $L_G$ between 0.7 and about 3,
# wandering.  And neither says how good the images are: $L_G$ measures G against *this* D, and both get better.
# Look at the samples.  (Numbers for their quality are a lesson of their own.)
#
# ### Label smoothing
#
# Our dense GAN labels real images 0.9 in place of 1.  The derivation stands beside the code, and can be read anywhere:
# `mg.losses.derivation("label_smoothing")`.

# %%
Markdown(losses.derivation("label_smoothing").replace("# ", "### "))

# %% [markdown]
# Is the best D really $(1 - s)\, p/(p + q)$?  With the two bumps of section 3, a new D, and $s = 0.2$ (and below it the floor
# for our GAN's own $s = 0.1$):

# %%
s = 0.2
_, smooth_logits, _ = train_d(draw_real, draw_fake, p, q, steps=600, smoothing=s)
smoothed = 1 / (1 + np.exp(-smooth_logits))
error = (abs(smoothed - (1 - s) * best) * (p + q) / 2).sum() * dx
print("D is on average within 0.03 of 0.8 p / (p + q):", error < 0.03)
print(f"its floor on real images, the entropy of the label 0.9: {-(0.9 * np.log(0.9) + 0.1 * np.log(0.1)):.3f}")

# %% [markdown]
# ## 8. How it goes wrong
#
# Five logs of the same dense GAN, each of the first 100 steps.  One of the games is in order.  The others have mistakes that
# stand in published articles and programs.  Printed are the means over the last ten steps.

# %% tags=["varies"]
mysteries = {}
for letter, game in exercises.MYSTERIES.items():
    mg.manual_seed(0)
    model = mg.models.MLPGAN(size=28, channels=1, smoothing=0.0)
    model.gan_loss = game
    loader = mg.data.Loader(digits, 32, seed=0).epoch(0)
    rows = [model.training_step(next(loader)) for _ in range(100)]
    mysteries[letter] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    last = {name: values[-10:].mean() for name, values in mysteries[letter].items()}
    print(letter, "  ".join(f"{name} {value:9.3f}" for name, value in last.items()))

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        2, 5, size=(10, 4.6),
        caption="Five logs of 100 steps. Above: loss_d (blue) and loss_g (orange, dashed); mind the scales. Below: the mean of "
        "D's answers to real (green) and generated images (red, dashed). Which one is healthy, and what is wrong with the others?",
    )  # fmt: skip
    for k, (letter, values) in enumerate(mysteries.items()):
        axes[0, k].plot(values["loss_d"], color=plot.COLORS["blue"], linestyle="-")
        axes[0, k].plot(values["loss_g"], color=plot.COLORS["orange"], linestyle="--")
        axes[1, k].plot(values["d_real"], color=plot.COLORS["green"], linestyle="-")
        axes[1, k].plot(values["d_fake"], color=plot.COLORS["red"], linestyle="--")
        axes[0, k].set_title(letter)
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
# 1. Nothing is wrong.
# 2. G's loss has lost its minus: it is $+E[\log D(G(z))]$.
# 3. D's loss has lost its minus: D descends $V$, as G does.
# 4. D is never shown a generated image: $L_D = -E[\log D(x)]$.
# 5. D's output is squashed twice: a sigmoid, and then a loss that expects logits.

# %%
read_the_logs = {"A": ..., "B": ..., "C": ..., "D": ..., "E": ...}

exercises.read_the_logs(read_the_logs)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Ask of each cause: which answer of D makes *this* loss least?  Which answer does G want?  And what are the least and the
# largest value that the loss can have?  (The mean of $-\log D$ is never less than $-\log$ of the mean of $D$.)
#
# </details>
#
# There is a failure that no log shows: G draws one digit, very well, and nothing else.  It is called *mode collapse*, and
# has a lesson of its own.
#
# ## Why this sign, this scale, this detach?
#
# - **Why a minus before *both* logarithms of $L_D$?**  D wants $V$ large, and an optimizer makes its loss small.
# - **Why $-\log D(G(z))$ and not $\log(1 - D(G(z)))$?**  The second has slope $-D$ in the logit: nothing, when the image is bad.
#   The first has $-(1 - D)$: most, when the image is bad.  Same direction, same end, other strength.
# - **Why two means, added?**  Two expectations.  One mean over a joined batch halves both, and weighs them by their
#   numbers if these differ: then D's best answer is that of exercise 8.2.
# - **Why $2 \log 2$ for D and $\log 2$ for G?**  D pays for two kinds of images, G for one.
# - **Why logits?**  A sigmoid that has been rounded to 0 or 1 cannot be mended by a logarithm.
# - **Why detach in D's move, and not in G's?**  D's loss must not teach G to help D.  G's loss must reach G, and the way is
#   through the images.
# - **Why must D be good, if a good D makes the gradient vanish?**  Only at the best D is it a distance of distributions that G
#   descends; with a poor D, G learns to please a poor judge.  With $-\log D$ one can have both, a good D and
#   a gradient.
# - **Why alternate, instead of training D to the end each time?**  Time.  One step keeps D near its best if G moves little.
# - **Why is real labelled 0.9, and generated not 0.1?**  With the labels $\alpha$ and $\beta$, $D^* = (\alpha p + \beta q)/(p + q)$: for
#   $\beta > 0$ forgeries far from any data would be defended.
# - **Why `randn` anew in each step?**  G should be good for all $z$, not for 32 of them.
# - **Why tanh at G's end?**  The data lies in $[-1, 1]$.  Were the two ranges different, D would need one look.
#
# ## To a friend, in three sentences
#
# One network makes pictures out of noise, another learns to tell them from real ones, and the first learns from the second's
# gradient in the picture.  If the second is as good as it can be, it says $p/(p+q)$, and the first descends a distance between
# its distribution and the data's that is zero only when they are the same.  In practice one changes its loss to $-\log D$,
# because the original goes flat exactly when there is most to learn.
#
# The solutions, with their reasons, are in `lessons/solutions/08_gan.py`, for when you are right or truly stuck.  Derivations of
# all losses: `mg.losses.derivation("minimax")`, `"non_saturating"`, `"label_smoothing"`; their tests against finite differences are in
# `tests/test_losses.py`.
