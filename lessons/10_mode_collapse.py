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
# # 10. Mode collapse: what a generator leaves out
#
# **The question.** A generator that draws only sevens, but perfect ones, fools every discriminator that looks at one image
# at a time.  Nothing in its loss counts what it leaves out.  This is **mode collapse** (模式崩溃): the generator makes a part
# of the data only.  When does it happen, how can one see it, and what helps?
#
# On images this is hard to see.  So this lesson works in the plane, where every sample is a dot, and every mode has a
# known center.  At the end you will be able to
#
# - count modes, and say which of three numbers a collapsed generator would choose;
# - produce a collapse, and read its log (which shows nothing special);
# - explain packing, minibatch features, R1, spectral normalization and unrolled steps, and derive the gradients of three;
# - say what helps most, and it is none of these.
#
# You need lesson 8 (the losses of a GAN) and, for sections 4 and 5, gradients of gradients from lesson 1.  Plan two sittings
# of about 45 minutes: sections 1 to 3, sections 4 to 8.  The cells of the notebook take about two minutes together.  New words
# are **bold**, with their Chinese name.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $z$, $G(z)$ | `z`, `fake` | noise, and the point that the generator makes of it |
# | $\ell(x)$ | `logits` | the logit of the discriminator D at the point $x$ |
# | $K$, $\sigma$ | `sigma` | the number of modes, and the standard deviation of each |
# | $\zeta(a)$ | `softplus` | $\log(1 + e^a)$ |
# | $\gamma$ | `r1` | the weight of the gradient penalty |
# | $m$ | `pack` | points that D sees at a time |
# | $s, u, v$ | `s`, `u`, `v` | the largest singular value of a weight matrix, and its two singular vectors |
# | $\theta_k$, $\eta$ | `weights`, `lr` | the weights of D after $k$ unrolled steps, and their learning rate |

# %%
import time

import numpy as np

import minigen as mg
from minigen import plot
from minigen.course import mode_collapse as exercises
from minigen.course import show_source
from minigen.data import Loader
from minigen.metrics import count_modes, known_modes, load_judges, stacked_modes
from minigen.models import PointGAN
from minigen.models.gan import techniques

ring = mg.data.load("ring8")
places, sigma = known_modes(ring)
ring, sigma

# %% [markdown]
# ## 1. Three numbers, and what each rewards
#
# The data: eight Gaussians of standard deviation $\sigma = 0.01$ on a circle of radius 1.  We draw 2,500 samples of a
# generator and look at the nearest center of each (Lin et al. 2018, *PacGAN*):
#
# - a sample is of **high quality** if it is within $3\sigma$ of that center; their share is **HQ**;
# - a mode is *found* if it has at least one sample of high quality;
# - **KL** is the divergence of the high-quality samples' shares $q_k$ of the modes from equal ones,
#   $\sum_k q_k \log(K q_k)$.
#
# ### Exercise 10.1: count modes
#
# Write the first two, in NumPy.


# %%
def count(points, centers, sigma):
    """The number of modes found, and the share of points of high quality; points (N, 2), centers (K, 2)."""
    return ...


exercises.count(count)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `points[:, None] - centers` has the shape (N, K, 2).  The distance is Euclidean, and the radius is $3\sigma$.
#
# </details>
#
# **Predict before you run the next cell:** which of the three numbers has its best value for (a) perfect data, (b) one mode
# only, (c) noise everywhere?

# %%
random = np.random.default_rng(0)
liars = {
    "perfect data": ring.points[:2500],
    "one perfect mode": places[0] + sigma * random.standard_normal((2500, 2)),
    "noise everywhere": random.uniform(-1.2, 1.2, (2500, 2)),
}
for name, points in liars.items():
    print(f"{name:17}", count_modes(points, places, sigma))
perfect = count_modes(ring.points[:2500], places, sigma)
print(f"\nfloors: a perfect sample is within 3 sigma with 1 - exp(-9/2) = {perfect.high_quality_floor:.1%},")
print(f"and its KL is about (K - 1) / 2N = {perfect.kl_floor:.4f}")

# %% [markdown]
# One perfect mode has the *same* HQ as perfect data.  So HQ alone rewards the collapse.  Noise finds most of the modes.  So the
# count alone rewards noise.  Only together they say something, and each beside its *floor*, which is what perfect data have.
# (In the plane a Gaussian point is further than $r$ from its center with probability $e^{-\frac12 (r/\sigma)^2}$.  So even perfect data
# have an HQ of 98.9 % only.  And chance makes their shares a little unequal, so their KL is not 0.)
#
# ## 2. A collapse, live
#
# A small GAN for points: two hidden layers of 64 units in each network, the non-saturating loss, 1,000 steps.  The learning
# rate of D is **a fifth** of that of G (Metz et al. 2017).


# %%
side = np.linspace(-1.5, 1.5, 60, dtype=np.float32)
plane = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)  # 3,600 places, to look at D


def train(steps=1000, looks=(), seed=0, kind=PointGAN, **options):
    """Train on the ring; the model, and what is seen at some steps: samples, numbers, and D's opinion of the plane."""
    mg.manual_seed(seed)
    usual = {"scale": 0.707, "width": 64, "layers": 2, "layers_d": 2, "batch_norm": False, "lr": 1e-3, "lr_d": 2e-4}
    usual |= {
        "r1": 0.0,
        "r1_end": None,
        "r1_every": 1,
        "lr_decay": 0.5,
    }  # scale: of the ring's coordinates; r1: section 4
    model = kind(**(usual | options))
    batches, seen = Loader(ring, 64, seed=seed, drop_last=True), []
    for step in range(steps):
        model.schedule(step / steps)
        epoch, place = divmod(step, len(batches))
        numbers = model.training_step(next(batches.epoch(epoch, place)))
        if step + 1 in looks:
            points, opinion = model.sample(1000, np.random.default_rng(1)), model.score(plane).reshape(60, 60)
            seen.append((step + 1, points, {k: float(v) for k, v in numbers.items()}, opinion))
    return model, seen


def measure_points(model):
    return model.sample(2500, np.random.default_rng(1))


def measure(model):
    return count_modes(measure_points(model), places, sigma)


started = time.perf_counter()
slow, seen = train(looks=(250, 500, 750, 1000))
seconds = time.perf_counter() - started

# %% tags=["varies"]
for step, points, numbers, _ in seen:
    print(
        f"step {step:4}  {'  '.join(f'{k} {v:.2f}' for k, v in numbers.items())}   {count_modes(points, places, sigma)}"
    )
print(f"{seconds:.0f} s for 1,000 steps")


# %% jupyter={"source_hidden": true}
def scatter(sets, caption, extent=1.5, opinions=(), **range_of_gray):
    """Points over the ring, one picture for each; the gray behind them is D's probability that a place is real."""
    with plot.style():
        picture, axes = plot.figure(1, len(sets), size=(2.3 * len(sets), 3.4), caption=caption)
        for axis, opinion in zip(np.atleast_1d(axes), opinions):
            axis.imshow(opinion, extent=(-1.5, 1.5, -1.5, 1.5), origin="lower", cmap="gray", **range_of_gray)
            axis.grid(False)
        for axis, (title, points) in zip(np.atleast_1d(axes), sets.items()):
            axis.plot(*places.T, "o", markersize=9, markerfacecolor="none", markeredgecolor="#999999")
            axis.plot(*points.T, ".", markersize=1.5, color=plot.COLORS["blue"])
            axis.set(title=title, xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xticks=[], yticks=[])
    return picture


scatter(
    {f"step {step}": points for step, points, *_ in seen},
    "1,000 samples at four moments; circles are the modes. The lighter a place, the more D believes that it is real "
    "(in each picture from its lowest value, black, to its highest, white).",
    opinions=[opinion for *_, opinion in seen],
)

# %% [markdown]
# All samples lie on one short curve, and the curve moves.  Mostly it is on no mode at all: then KL is `nan`, because no
# sample has a mode.
#
# **What does the log of a collapse look like?**  Like any other log: both losses are finite, D is neither lost nor perfect.  No
# number in it counts modes.
#
# **Why does G do this?**  For a *fixed* D, the loss $E_z[\zeta(-\ell(G(z)))]$ is a mean over single samples.  Each is least where
# $\ell$ is largest, so the best answer is to put **all** samples there.  G is not punished for a mode that it leaves: there
# it has no sample, and no term in its loss.  Only D can bring it back: it must learn quickly that the crowded place is "generated".
# If D is slow, G arrives, D follows, G moves on.  In the stored pictures it is light below the samples at step 500, and at step
# 750 the samples are there.  (Between the other pictures both have moved on.)
#
# So the first cure is no technique.  **Predict:** with which learning rates of D are all eight modes there: a fifth of G's, the
# same, or twice?

# %% tags=["varies"]
by_rate = {2e-4: slow}
for rate in (2e-4, 1e-3, 2e-3):
    if rate not in by_rate:
        by_rate[rate], _ = train(lr_d=rate)
    print(f"rate of D {rate:.0e} (G 1e-03): {measure(by_rate[rate])}")

# %% [markdown]
# **The opposite collapse.**  So is a better D always better for G?  Give D sines and cosines of the point instead of the point
# itself: now its opinion can change within a tenth of the ring's radius.  **Predict** modes and HQ.


# %%
class Waves(mg.nn.Module):
    """Sines and cosines of points in 64 random directions."""

    def __init__(self):
        super().__init__()
        self.register_buffer("directions", 10 * mg.randn(2, 64))

    def forward(self, points):
        phases = points @ self.directions
        return mg.cat([mg.sin(phases), mg.cos(phases)], 1)


class SharpD(PointGAN):
    def build_networks(self):
        generator, plain = super().build_networks()
        _scale, _first, *others = plain.children()  # the division by the scale, and the layer that sees the point
        return generator, mg.nn.Sequential(Waves(), mg.nn.Linear(128, 64), *others)


calm = {"lr_d": 1e-3, "r1": 0.1, "r1_end": 1e-4}  # D as fast as G, and R1 of section 4, which holds its slope back
sharp, sharp_seen = train(looks=(250, 500, 750, 1000), kind=SharpD, **calm)

# %% jupyter={"source_hidden": true}
scatter(
    {f"step {step}": points for step, points, *_ in sharp_seen},
    "The same with a D that sees sines and cosines; black is 0, white is 1.",
    opinions=[opinion for *_, opinion in sharp_seen],
    vmin=0,
    vmax=1,
)

# %% tags=["varies"]
print("D that sees waves:         ", measure(sharp))
print("plain D, the same options:", measure(train(**calm)[0]))

# %% [markdown]
# The two trainings differ in what D sees, and in nothing else.  Now D knows all eight modes (the light places), and it is dark
# everywhere else: at a sample of G no slope leads to another mode.  So G stays at the one or two modes that it has met.
# (Without R1 this D gives no slope at all, and G's samples stay spread over the plane.  Try it, with `r1=0.0`.)
#
# So D must be quick *and* give a slope that reaches from mode to mode.  The plain D of two layers does, if its rate is high
# enough.  **A D that keeps up cures the first collapse.**  Remember it when a technique is said to cure it: the comparison
# must give the plain GAN a D that keeps up, too.
#
# ## 3. Let D see more than one sample
#
# D decides about one point at a time.  Each point of a collapsed generator may look perfect.  That *all* are the same, D
# cannot see.
#
# **Packing** (Lin et al. 2018): D gets $m$ points side by side as *one* input, with one label.  If $G$ has 7 of 8 modes,
# a single sample of one of the seven is $8/7$ times as likely under $G$ as under the data.  Of $m$ independent samples the likelihood ratios multiply:
# $(8/7)^m$.  So D is more certain, and its gradient points to what is missing.
#
# ### Exercise 10.2: pack
#
# Each $m$ images that follow each other in the batch become one, with all channels of the first, then those of the second ...


# %%
def pack(images, m):
    """(N * m, C, H, W) to (N, m * C, H, W)."""
    return ...


exercises.pack(pack)

# %% [markdown]
# Two mistakes are common: a transposition that mixes the channels of different images, and a pack that holds real *and* generated
# images.  This is minigen's `pack`.  It packs points, too: there `rest` is empty.

# %%
show_source(techniques.pack)

# %% [markdown]
# **Minibatch discrimination** (Salimans et al. 2016) appends to the features of each example how near the others of its batch
# are, $o_i = \sum_{j \ne i} e^{-\|M_i - M_j\|_1}$, where $M_i$ is a learned projection of its features.
#
# ### Exercise 10.3: the gradient of minibatch features
#
# The cotangent of $o_i$ is $g_i$.  What is the gradient in $M_i$?  ($M$ is `rows` (N, C), with one row for each example.)


# %%
def minibatch_gradient(rows, g):
    """The gradient of sum(g * o) in rows, an array (N, C); g is an array (N,), one number for each o_i."""
    return ...


exercises.minibatch_gradient(minibatch_gradient)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $M_i$ occurs in $o_i$, and in every other $o_j$.  If you use only its own, you get half (if all cotangents are equal).
#
# </details>
#
# Three relatives, which the lab leaves out: `mg.nn.MinibatchStdDev` gives D one number, the mean standard deviation of the
# features over the batch (Karras et al. 2018); `mg.losses.feature_matching` lets G match the *mean* features of the real
# batch (Salimans et al. 2016); `mg.nn.GaussianNoise` at D's input widens each mode, so that the modes overlap more.
#
# ## 4. Keep D smooth
#
# A D that is flat where G is gives no gradient, and one that is very steep there leads G only to the next point.  Two techniques bound
# its slope.
#
# **R1** (Mescheder et al. 2018) adds $\frac\gamma2 \, E_{x \sim p} \|\nabla_x \ell(x)\|^2$ to D's loss.  Where generated and real
# points agree, nothing is left to say, and D should be flat.  The penalty contains a gradient, so its own gradient
# is a gradient of a gradient (double backward, lesson 1).  $\gamma$ has a unit: if all points are multiplied by $c$,
# the same D has slopes $1/c$, and $\gamma$ must be multiplied by $c^2$.  (Check yourself: which $\gamma$ has the effect of
# $\gamma = 1$ here, if the radius of the ring is 100?  Answer in the solutions.)
#
# **Spectral normalization** (Miyato et al. 2018) divides each weight matrix $W$ by its largest singular value $s$: then each
# layer stretches no vector by more than 1.  $s = u^\top W v$ with the singular vectors $u$ and $v$, which the power method
# refines by one step each time: $v \leftarrow W^\top u$, then $u \leftarrow W v$, each divided by its length.
#
# ### Exercise 10.4: the gradient through $s$
#
# The layer computes with $\bar W = W / s$, where $s$ depends on $W$, and $g$ is the gradient of the loss in $\bar W$.  What is it in $W$?


# %%
def spectral_gradient(w, g):
    """The gradient in w, an array of its shape; numpy.linalg.svd gives u, s and v."""
    return ...


exercises.spectral_gradient(spectral_gradient)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $ds = u^\top dW\, v$: $u$ and $v$ maximize $u^\top W v$, so their own change adds nothing.  Then the quotient rule.
#
# </details>
#
# With a *constant* $s$ the gradient is wrong, and no error is raised.  The second derivative in $W$ would need the change of $u$
# and $v$, too: minigen refuses it.
#
# ## 5. Let G look ahead
#
# **Unrolled GANs** (Metz et al. 2017): G does not descend its loss against the D of now, but against the D that will come after $n$ of
# its steps, $\theta_{k+1} = \theta_k - \eta \nabla L_D(\theta_k, G)$.  The gradient of G then has two terms,
#
# $$\frac{d L_G}{dG} = \frac{\partial L_G}{\partial G} + \frac{\partial L_G}{\partial \theta_n} \frac{d\theta_n}{dG} .$$
#
# The second says how D will *react* if G crowds a place.  It is lost if the steps are computed without a graph.  The samples may look
# as good, and no error is raised.  Only a gradient check tells.
#
# ### Exercise 10.5: one unrolled step
#
# `mg.nn.utils.functional_call(network, weights, x)` computes the output of a network with other weights.  The loss is
# `mg.losses.non_saturating_d(logits of the real points, logits of the generated points)`.


# %%
def unrolled(network, real, fake, lr):
    """One step of descent on mg.losses.non_saturating_d; the new weights by name, for functional_call."""
    return ...


exercises.unrolled(unrolled)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `weights = dict(network.named_parameters())`; `mg.grad(loss, list(weights.values()), create_graph=True)`.
#
# </details>

# %%
show_source(techniques.unroll)

# %% [markdown]
# ## 6. The lab
#
# The same training as in section 2, D at a fifth of G's rate, with one technique each.  **Your own row:** put options into
# `mine`.  All options that you can use: `pack` (1, 2, 4 ...; it must divide the batch of 64), `r1` (the weight gamma),
# `r1_end` (its value at the end), `spectral`, `minibatch` (True or False), `unroll` (steps), `unroll_lr`, `beta1` (of Adam),
# `lr_d` (D's learning rate).  **Predict** the modes of your row before you run the cell.

# %% tags=["varies"]
rows = {
    "plain": {},
    "pack 2": {"pack": 2},
    "R1, gamma 0.1": {"r1": 0.1},
    "R1, gamma 1": {"r1": 1.0},
    "spectral normalization": {"spectral": True},
}
table = {}
for name, options in rows.items():
    table[name] = slow if not options else train(**options)[0]
    print(f"{name:24}{measure(table[name])}")

# %% tags=["varies"]
rows = {
    "minibatch discrimination": {"minibatch": True},
    "unrolled, 3 steps": {"unroll": 3},
    "D's rate 1e-3, nothing else": {"lr_d": 1e-3},
}
for name, options in rows.items():
    table[name] = by_rate[1e-3] if "lr_d" in options else train(**options)[0]  # section 2 has trained the last one
    print(f"{name:28}{measure(table[name])}")

# %% tags=["varies"]
mine = {"r1": 0.3, "pack": 2}  # change this
table["mine"], _ = train(**mine)
print(f"{'mine':28}{measure(table['mine'])}")
print(f"{'perfect data':28}{perfect}")

# %% [markdown]
# Read the table with care.  Each row is **one seed and one value** of one setting, and R1 shows what this means: $\gamma$ alone
# decides between a collapse and a cure.  So no ranking follows, and a technique that fails here may work with another value.
# A fair comparison gives each row, *and the plain GAN*, the same number of values to try, on seeds that are not reported.
# The page [mode collapse](reference/mode_collapse.md) does that for this training: three values for each row on two seeds,
# and the best of them on other seeds.
#
# **Was it the technique?**  A report says: "Plain GAN, D's rate 2e-4: 1 mode.  With packing, D's rate 1e-3: 8 modes.  So
# packing cures mode collapse."  Which training is missing before one may say this?
#
# <details><summary>Answer</summary>
#
# Two things differ between the two trainings.  The missing one is the plain GAN with the other's rate, `train(lr_d=1e-3)`.
# It is in section 2: it has all eight modes without packing.
#
# </details>
#
# ## 7. Bridges, and stale statistics
#
# All eight modes, and HQ far below 98.9 %: where are the other samples?  G is continuous.  If it maps one part of the $z$-plane to one
# mode and the neighboring part to another, then the border between them is mapped to the way between the modes.  The steeper G
# is there, the narrower the border.  **Batch norm in G** makes it steep, and so do more layers: each layer can bend what
# the layer before has bent.  The three trainings below have higher rates, as fast for D as for G, and a small R1 that falls.
# **Predict** their order in HQ.

# %% tags=["varies"]
recipe = {"lr": 4e-3, "lr_d": 4e-3, "r1": 0.03, "r1_end": 0.0001, "lr_decay": 0.7}
generators = {
    "2 layers, no batch norm": train(**recipe)[0],
    "2 layers, batch norm": train(**recipe, batch_norm=True)[0],
    "5 layers, batch norm": train(**recipe, batch_norm=True, layers=5)[0],
}
steep = generators["5 layers, batch norm"]
for name, model in generators.items():
    print(f"{name:25}{measure(model)}")

# %% jupyter={"source_hidden": true}
grid = np.stack(np.meshgrid(np.linspace(-2.5, 2.5, 200), np.linspace(-2.5, 2.5, 200)), -1).reshape(-1, 2)
colors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in list(plot.COLORS.values())]) / 255
with plot.style():
    picture, axes = plot.figure(
        1, 3, size=(10, 4.4),
        caption="The z-plane, colored by the mode that G makes of each z; white: a sample on a bridge, further than 3 sigma from "
        "every mode. After 1,000 steps each.",
    )  # fmt: skip
    for axis, (title, model) in zip(axes, generators.items()):
        distances = np.linalg.norm(model.decode(grid.astype(np.float32))[:, None] - places, axis=2)
        image = colors[distances.argmin(1)]
        image[distances.min(1) > 3 * sigma] = 1
        axis.imshow(image.reshape(200, 200, 3), extent=(-2.5, 2.5, -2.5, 2.5), origin="lower")
        axis.grid(False)
        axis.set(title=title, xlabel="$z_1$", ylabel="$z_2$")
picture

# %% [markdown]
# Batch norm brings a trap.  In training it normalizes by the batch; in evaluation by **running statistics** (移动平均), a moving average
# over the last ten batches or so, and during those the weights have moved.  A generator may be fine and its samples wrong:

# %% tags=["varies"]
z = np.random.default_rng(1).standard_normal((2500, 2)).astype(np.float32)
G = steep.generator
for layer in G.modules():
    if isinstance(layer, mg.nn.BatchNorm1d):  # as if the last ten batches had been others
        layer.running_mean = layer.running_mean * 0.8
stale = G.eval()(mg.tensor(z)).detach().numpy()
G.train()
print("running statistics, 20 % off:     ", count_modes(stale, places, sigma))
print("measured anew, as minigen samples:", count_modes(steep.decode(z), places, sigma))

# %% [markdown]
# (Here we made them stale by hand.  What the training itself does is on the page
# [mode collapse](reference/mode_collapse.md): on the ring at most one point of HQ.)  `model.sample` of the family `points`
# measures them anew from 20,000 $z$, whenever the weights have changed: `minigen.nn.utils.update_bn`.
#
# ### Exercise 10.6: read the pictures
#
# Five generators.  Which cause belongs to which picture?  a: G is not steep.  b: stale statistics of batch norm.  c: D is slow, G
# chases.  d: G has not learned anything yet.  e: D is very sharp around one mode and flat elsewhere.  (The pictures are made by formulas, so
# that they are the same everywhere.)

# %% jupyter={"source_hidden": true}
scatter(
    {f"picture {number}": points for number, points in exercises.mysteries().items()},
    "Five sets of samples; circles are the modes.",
)

# %%
read_the_pictures = {1: ..., 2: ..., 3: ..., 4: ..., 5: ...}

exercises.read_the_pictures(read_the_pictures)

# %% [markdown]
# ## 8. On images: counting needs a reader
#
# **Stacked MNIST** has three digits, one in each color channel: 1,000 modes.  A classifier reads the digits, and one counts the
# triples.  But a classifier always reads *something*.  **Predict:** how many of the 1,000 modes do *averages of two images* have?

# %%
reader = load_judges().reader
stacked = mg.data.load("stacked_mnist", "test", count=2000)
real = stacked_modes(stacked.images[:1000], reader)
mixed = stacked_modes((stacked.images[:1000] + stacked.images[1000:]) / 2, reader)
for name, found in (("real images", real), ("averages of two images", mixed)):
    print(f"{name:23} {found.modes:4} modes; all three digits read with p > 0.9: {found.confident:.0%}")

# %% [markdown]
# Garbage has more than half of the modes of real images.  So the share that is read with certainty belongs beside every count (and 1,000 samples can find
# at most 1,000; published counts use 26,000).
#
# ## What to remember
#
# - A collapse has an ordinary log.  Count modes where you can, and never by one number alone.
# - G is not punished for what it leaves out, because D judges single images, and because D is late.
# - First let D keep up: its rate, its steps.  Then R1, packing, minibatch features; each has a value to tune.
# - Whoever compares techniques must tune each with the same budget, on other seeds than those that are reported.
# - Batch norm: sample with statistics of the present weights.
#
# Longer trainings, with five seeds and every seed printed, are on the page [mode collapse](reference/mode_collapse.md).
# The techniques are options: `minigen train points --data ring8 --pack 2`, `minigen train dcgan --network conv --norm layer --r1 1`.  The default
# of `minigen train dcgan` has R1 and minibatch discrimination.
#
# **In words** (answers in `lessons/solutions`): Why can the loss of G be low while it makes one mode only?  Why must real and
# generated images not share a pack?  Why does R1 need a gradient of a gradient, and why is batch norm in D then forbidden
# (lesson 6, section 6)?
