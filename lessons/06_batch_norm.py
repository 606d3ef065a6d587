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
# # 6. Batch norm, activations, initialization: how a signal travels through depth
#
# **The question.** A network of two layers learns with almost any starting weights.  A network of twenty layers often does
# not learn at all: its output does not depend on its input, or its numbers explode.  Why?  And how do three small things
# (the size of the first random weights, the activation function, batch normalization) repair it?
#
# At the end you will be able to
#
# - compute which weights keep a signal, and a gradient, at the same size from layer to layer (Xavier, He);
# - say what ReLU, LeakyReLU and tanh do to a gradient;
# - write batch normalization and its three gradients, and derive each term;
# - say why a test with a cotangent of ones finds no mistake in it;
# - say what changes between training and evaluation, and what the batch tells a GAN's discriminator.
#
# You need NumPy, means and variances, and lesson 1 (how to find a vjp).  Plan two sittings of about an hour: sections 1 to 3,
# sections 4 to 7.  Five exercises check your answers; you can go on without solving them.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $n$ | `fan_in` | inputs of a unit |
# | $\tau$ | `std` | standard deviation of the starting weights |
# | $\phi$ | `activation` | the **activation function** (激活函数) |
# | $a$ | `slope` | LeakyReLU's slope for negative inputs |
# | $N$ | `N` | values of a channel in the batch |
# | $\mu, v$ | `mean`, `var` | mean and variance of a channel over the batch |
# | $\hat x$ | `normalized` | $(x - \mu)/\sqrt{v + \epsilon}$ |
# | $\gamma, \beta$ | `weight`, `bias` | scale and shift after the normalization, learned |
# | $g$ | `g` | the cotangent of the output |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import numpy as np

import minigen as mg
from minigen import nn, plot
from minigen.course import batch_norm as exercises
from minigen.course import show_source

digits = mg.data.load("mnist5k")
held_out = mg.data.load("mnist5k", split="test")

# %% [markdown]
# ## 1. Twenty layers, and nothing arrives
#
# A unit adds $n$ products, $y = \sum_{i=1}^n w_i x_i$.  The weights start as independent random numbers with mean 0 and
# standard deviation $\tau$.  Then the products have mean 0 and are uncorrelated, and their variances add up:
#
# $$\operatorname{Var}(y) = n\,\tau^2\, E[x^2] .$$
#
# The **size** of a signal is here its root mean square, $\sqrt{E[x^2]}$.  So each layer multiplies the size by
# $\tau\sqrt n$ (and the activation changes it once more).  Twenty layers of 256 units: with $\tau = 0.02$ the factor is
# $0.02 \cdot 16 = 0.32$ a layer.  What remains after 20 layers?  Decide: a tenth, a millionth, $10^{-10}$?


# %%
def travel(std, activation, layers=20, width=256, seed=0):
    """Root mean square of each layer's output (the signal), and of the gradient for it."""
    random = np.random.default_rng(seed)
    x = mg.tensor(random.normal(size=(64, width)), requires_grad=True)
    signals = [x]
    for _ in range(layers):
        weight = mg.tensor(random.normal(size=(width, width)) * std(width))
        signals.append(activation(signals[-1] @ weight))
    cotangent = mg.tensor(random.normal(size=signals[-1].shape))
    gradients = mg.grad(signals[-1], signals[1:], cotangent)
    size = lambda t: np.sqrt((t.numpy() ** 2).mean())  # noqa: E731
    return np.array([size(t) for t in signals[1:]]), np.array([size(t) for t in gradients])


identity = lambda x: x  # noqa: E731
for tau in (0.02, 1 / 16, 0.1):
    signal, gradient = travel(lambda n, tau=tau: tau, identity)
    print(f"std {tau:.4f}: signal after 1, 10, 20 layers {signal[0]:.1e} {signal[9]:.1e} {signal[19]:.1e};  "
          f"gradient at layer 1 {gradient[0]:.1e}")  # fmt: skip

# %% [markdown]
# $0.32^{20} \approx 10^{-10}$.  The gradient shrinks in the same way: backwards, a unit adds the contributions of all
# units of the next layer, each times a weight.  Only at $\tau = 1/\sqrt n$, here $1/16$, do both keep their size.  This is
# **Xavier's** initialization (Glorot and Bengio 2010) for layers with as many outputs as inputs.  In general a layer has
# $n_{in}$ inputs (its **fan-in**, 扇入) and $n_{out}$ outputs (its **fan-out**, 扇出).  The signal needs $\tau^2 = 1/n_{in}$, the
# gradient $\tau^2 = 1/n_{out}$, and Xavier's formula is between them: $\tau^2 = 2/(n_{in} + n_{out})$.
#
# ## 2. What the activation does: He's factor 2
#
# **ReLU**, $\max(0, x)$, sets half of the values to zero.  Its input $x$ is a sum with random weights, which are as often
# negative as positive, so $x$ is symmetric about 0 and $E[\phi(x)^2] = \frac12 E[x^2]$.  To keep the size, the weights must
# make up for it: $\tau^2 = 2/n$ (He et al. 2015).
#
# **LeakyReLU** keeps negative values with a slope $a$: $\phi(x) = x$ for $x > 0$ and $ax$ otherwise.  Half of the values keep
# their square, half have $a^2$ times it: $E[\phi(x)^2] = \frac{1 + a^2}2 E[x^2]$.
#
# ### Exercise 6.1: He's formula for LeakyReLU
#
# Which standard deviation must the weights have so that LeakyReLU with slope `slope` keeps the signal?


# %%
def he_std(fan_in, slope):
    """The standard deviation of the weights; slope 0 is ReLU, slope 1 is no activation."""
    return ...


exercises.he_std(he_std)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $n\,\tau^2\,\frac{1 + a^2}{2} = 1$.
#
# </details>
#
# Now the whole comparison.  "He" is here $2/n$, the formula for ReLU, in all three rows.  Before you run it: which of the six
# combinations will lose the signal, and which the gradient?

# %%
WAYS = {
    "tanh, Xavier": (lambda n: n**-0.5, mg.tanh),
    "tanh, He": (lambda n: (2 / n) ** 0.5, mg.tanh),
    "ReLU, Xavier": (lambda n: n**-0.5, mg.functional.relu),
    "ReLU, He": (lambda n: (2 / n) ** 0.5, mg.functional.relu),
    "LeakyReLU 0.2, Xavier": (lambda n: n**-0.5, lambda x: mg.functional.leaky_relu(x, 0.2)),
    "LeakyReLU 0.2, He": (lambda n: (2 / n) ** 0.5, lambda x: mg.functional.leaky_relu(x, 0.2)),
}
sizes = {name: travel(*way) for name, way in WAYS.items()}
print(f"{'':22} signal after 1    10      20 layers   gradient at layer 20   10       1")
for name, (signal, gradient) in sizes.items():
    print(
        f"{name:22} {signal[0]:12.3f} {signal[9]:7.3f} {signal[19]:7.3f} {gradient[19]:24.2f} {gradient[9]:7.3f} {gradient[0]:8.4f}"
    )

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.9),
        caption="Size of the signal after each layer (left) and of the gradient at each layer (right; it travels from layer 20 to layer 1), "
        "in networks that have not been trained.",
    )  # fmt: skip
    colors = ["blue", "sky", "red", "orange", "green", "purple"]
    for (name, (signal, gradient)), color in zip(sizes.items(), colors):
        line = "--" if "Xavier" in name else "-"
        axes[0].semilogy(range(1, 21), signal, line, color=plot.COLORS.get(color, color), label=name)
        axes[1].semilogy(range(1, 21), gradient, line, color=plot.COLORS.get(color, color), label=name)
    axes[0].set(xlabel="layer", ylabel="size of the signal", xticks=[1, 5, 10, 15, 20])
    axes[1].set(xlabel="layer", ylabel="size of the gradient", xticks=[1, 5, 10, 15, 20])
    axes[1].legend(fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
picture

# %% [markdown]
# - **ReLU** with Xavier's weights loses a factor $\sqrt 2$ in every layer: $2^{-10} = 0.001$ after 20, for the signal and for
#   the gradient.  With He's weights both keep their size, up to chance (every layer of 256 units deviates a little, and the
#   deviations multiply).
# - **LeakyReLU** with $2/n$ gains a factor $\sqrt{1 + a^2} = 1.02$ in every layer, $1.5$ in 20, up to chance.  The formula of
#   exercise 6.1 takes it away.
# - **tanh** with Xavier's weights loses both slowly: tanh makes every number smaller, and its slope $1 - \tanh^2 x$ is less than
#   1 everywhere but at 0.  With He's larger weights the signal settles at 0.55, where the gain of the weights and the loss in
#   tanh are equal, and the gradient grows a little on its way back, to 2.1.  (Far from 0 tanh is flat: there a unit
#   passes almost no gradient.  This is **saturation** (饱和).  Few of the units are there.)
#
# ### Why LeakyReLU in a discriminator
#
# In a GAN (lesson 8) one network, the *generator* G, makes images, and another, the *discriminator* D, says which images are
# real.  A ReLU unit with a negative input passes no gradient.  If its input is negative for *every* image, it gets no gradient at
# all and cannot change: a **dead unit** (死亡单元).  LeakyReLU passes $a$ times the gradient, so no unit can be dead.  A
# generator learns only from the gradient that comes back through D, through all of D's layers.  Follow a *path*: one unit in
# each layer.  Each unit with a negative input multiplies the gradient by the slope.  In how many of the paths is there one?

# %%
random = np.random.default_rng(1)
x = mg.tensor(random.normal(size=(1, 256)), requires_grad=True)
for name, slope, variance in (("ReLU", 0.0, 2 / 256), ("LeakyReLU 0.2", 0.2, 2 / (1.04 * 256))):
    t, closed = x, []
    for _ in range(4):
        t = t @ mg.tensor(random.normal(size=(256, 256)) * variance**0.5)
        closed.append((t.numpy() < 0).mean())
        t = mg.functional.leaky_relu(t, slope)
    share = 1 - np.prod([1 - c for c in closed])
    print(
        f"{name:13}: {share:.0%} of the paths through 4 layers have a negative input; "
        f"a path with four has the factor {slope**4:g}, one without has 1"
    )

# %% [markdown]
# Half of the inputs of a layer are negative, so about $1 - 2^{-4} = 94$ % of the paths have one.  In ReLU's network these
# paths pass nothing; in LeakyReLU's they pass a little.  Does it matter in a training?  In lesson 9 you see: in a small DCGAN, ReLU in D gives samples as good as LeakyReLU.  The
# argument shows a risk, not a certain damage.  Keep that in mind whenever a rule is explained by a picture.
#
# ## 3. Batch normalization: force the size
#
# Initialization sets the size of the signal *before* the first step.  Training then changes the weights.  **Batch
# normalization** (批归一化, Ioffe and Szegedy 2015) sets it at *every* step.  For each channel it takes all $N$ values in the
# batch (for images: all images and all pixels), and computes
#
# $$\mu = \frac1N \sum_k x_k, \quad v = \frac1N \sum_k (x_k - \mu)^2, \quad
# \hat x_k = \frac{x_k - \mu}{\sqrt{v + \epsilon}}, \quad y_k = \gamma\, \hat x_k + \beta .$$
#
# - **Why $\gamma$ and $\beta$?**  Without them every channel has mean 0 and variance 1 for ever, and a sigmoid behind it
#   would stay in its linear part.  With them the network can choose any mean and size; it only has to *learn* them, two
#   numbers a channel, in place of all weights of the layer before.
# - **Why $\epsilon$ under the root?**  A channel that is constant over the batch has $v = 0$.
# - **Why divide by $N$ and not $N - 1$?**  The values in the batch should have variance 1; nothing is estimated.  (The running
#   variance of section 5 *is* an estimate for other images; PyTorch takes $N - 1$ there.)
# - A bias in the layer before is useless: $\mu$ takes it away.  So such layers have `bias=False`.
#
# ### Exercise 6.2: the forward pass
#
# Write the four formulas above for an array: the channels are its columns, and the batch is its rows.


# %%
def normalize(x, weight, bias, eps):
    """Batch norm of x, shape (N, C), with weight and bias of shape (C,)."""
    return ...


exercises.normalize(normalize)

# %% [markdown]
# ## 4. The three gradients
#
# Given the cotangent $g$ of $y$, we want the gradients for $\beta$, $\gamma$ and $x$.  As in lesson 1: change something a
# little and write $\langle g, dy\rangle$ as an inner product with that change.  One channel is enough.
#
# - $dy_k = d\beta$ for every $k$: $\quad \partial L/\partial\beta = \sum_k g_k$.
# - $dy_k = \hat x_k\, d\gamma$: $\quad \partial L/\partial\gamma = \sum_k g_k \hat x_k$.
# - For $x$ let $r = 1/\sqrt{v + \epsilon}$, so $\hat x_k = r\,(x_k - \mu)$.  Each $x_k$ changes $y$ in three ways: directly,
#   through $\mu$, and through $r$.
#
# $$d\hat x_k = r\,(dx_k - d\mu) + (x_k - \mu)\, dr, \qquad d\mu = \tfrac1N \sum_j dx_j, \qquad
# dr = -\tfrac12 r^3\, dv, \qquad dv = \tfrac2N \sum_j (x_j - \mu)\, dx_j .$$
#
# (In $dv$, $\mu$ changes too, but $\sum_j (x_j - \mu)\,d\mu = 0$.)  With $x_j - \mu = \hat x_j / r$ this is
# $dr = -\frac{r^2}{N} \sum_j \hat x_j\, dx_j$, and $(x_k - \mu)\,dr = -\frac rN\, \hat x_k \sum_j \hat x_j\, dx_j$.  Now collect
# the factor of each $dx_j$ in $\sum_k g_k \gamma\, d\hat x_k$:
#
# $$\boxed{\frac{\partial L}{\partial x_j} = \gamma\, r\,\Big(g_j - \frac1N \sum_k g_k - \hat x_j\, \frac1N \sum_k g_k \hat x_k\Big)}$$
#
# In words: take $g$, remove its mean, and remove the part that is proportional to $\hat x$.  What remains is at a right
# angle to the constant vector and to $\hat x$: shifting or scaling the whole channel does not change $y$, so the gradient
# has no such part.  (With $\epsilon > 0$ scaling does change $y$ a little; then $\frac1N\sum_k \hat x_k^2 = v/(v+\epsilon)$,
# and the formula still holds as it stands.)
#
# ### Exercise 6.3: the backward pass
#
# Write the three gradients, for all channels at once.


# %%
def normalize_vjp(g, x, weight, eps):
    """The gradients for x, weight and bias, given the cotangent g; x and g have shape (N, C)."""
    return ...


exercises.normalize_vjp(normalize_vjp)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Compute $\hat x$ first.  The gradients for `weight` and `bias` are two sums over the batch, and the gradient for `x` uses
# both of them, divided by $N$.
#
# </details>
#
# minigen's rule has two forms: a fast kernel on arrays, and, if the backward pass itself is recorded, the formula with
# Tensor operations, so that it can be differentiated again.  This is the second.  Its $h$ is $\gamma g$, and `rstd` is $r$;
# `axes` is `(0,)` for an array $(N, C)$, and all axes but the channels' for images:

# %%
show_source(mg.ops.norm._recorded_rule)

# %% [markdown]
# ### What a cotangent of ones cannot see
#
# Many gradient tests sum the output and call `backward()`: their cotangent is $g = (1, \dots, 1)$.  Put it into the
# formula.  $g_j - \frac1N\sum g = 0$, and $\sum_k \hat x_k = 0$.  The gradient for $x$ is **exactly zero**, and so is the one
# for $\gamma$.  Here are wrong backward passes, compared with finite differences: once with ones, once with random numbers.


# %%
def formula(g, x, weight, eps, mean_term=1.0, hat_term=1.0):
    mean, var = x.mean(0), x.var(0)
    r = 1 / np.sqrt(var + eps)
    hat = (x - mean) * r
    return weight * r * (g - mean_term * g.mean(0) - hat_term * hat * (g * hat).mean(0))


def measured(g, x, weight, eps, h=1e-5):
    slope = np.zeros_like(x)
    forward = lambda x: (g * weight * (x - x.mean(0)) / np.sqrt(x.var(0) + eps)).sum()  # noqa: E731
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        slope[i] = (forward(x + step) - forward(x - step)) / (2 * h)
    return slope


random = np.random.default_rng(2)
x, weight = random.normal(size=(6, 3)), random.normal(size=3)
cotangents = {"ones": np.ones((6, 3)), "random": random.normal(size=(6, 3))}
print("largest error of the gradient for x        with ones    random")
for name, terms in (("right", {}), ("without the term of x-hat", {"hat_term": 0.0}),
                    ("x-hat's term with the wrong sign", {"hat_term": -1.0}),
                    ("without the mean of g", {"mean_term": 0.0}),
                    ("everything multiplied by 5", {"factor": 5.0})):  # fmt: skip
    errors = []
    for g in cotangents.values():
        ours = terms.get("factor", 1.0) * formula(
            g, x, weight, 1e-5, **{k: v for k, v in terms.items() if k != "factor"}
        )
        errors.append(abs(ours - measured(g, x, weight, 1e-5)).max())
    print(f"{name:42} {errors[0]:9.1e} {errors[1]:9.1e}")

# %% [markdown]
# With ones, only one of four wrong formulas is seen.  A test that calls `y.sum().backward()` has just this cotangent.  **Always test with a
# random cotangent.**
#
# ### Exercise 6.4: which cotangents are blind?
#
# For batch norm with $\gamma = 1$ and $\epsilon = 0$, which of these cotangents give a gradient of exactly 0 for $x$, whatever
# $x$ is?  (The batch has more than two values.)  Answer with a set of letters.
#
# - a. all ones
# - b. all equal to 7
# - c. $g = \hat x$
# - d. $g = x$
# - e. $g_1 = 1$, all others 0
# - f. $g = \hat x^2$

# %%
blind = ...  # such as {"a", "f"}

exercises.blind(blind)

# %% [markdown]
# ## 5. Training and evaluation
#
# In training, the output for an image depends on the other images of its batch.  When you *use* a network, an image should
# give the same output alone and beside other images.  So batch norm keeps **running** means and variances while it trains,
#
# $$\mu_{run} \leftarrow (1 - \rho)\,\mu_{run} + \rho\,\mu, \qquad v_{run} \leftarrow (1 - \rho)\,v_{run} + \rho\, \frac{N}{N-1}\, v ,$$
#
# with $\rho = 0.1$ (PyTorch calls it `momentum`; Keras's momentum is $1 - \rho$), and uses them in evaluation mode.

# %%
layer = nn.BatchNorm1d(1)
batch = mg.tensor(np.random.default_rng(3).normal(5, 2, size=(64, 1)).astype("float32"))
for step in range(1, 31):
    together = layer(batch)[0, 0].item()
    if step in (1, 3, 10, 30):
        layer.eval()
        alone = layer(batch[:1]).item()
        layer.train()
        print(f"after {step:2} batches: running mean {layer.running_mean.item():5.2f}, variance {layer.running_var.item():5.2f}; "
              f"first value: {together:5.2f} in training, {alone:5.2f} in evaluation")  # fmt: skip

# %% [markdown]
# After 30 equal batches both nearly agree; after one they do not.  Two mistakes follow from this difference:
#
# - A network that is evaluated in training mode gives another output for every batch, and for a batch of one image an
#   error.
# - A network that is trained in evaluation mode normalizes with numbers that are never updated.  In one of the articles from which this library
#   grew (S3; lesson 14) the networks are called without `training=True`, which in Keras is just this.
#
# ### Exercise 6.5: the running numbers
#
# A channel starts with the running mean 0 and variance 1.  It sees one batch of `N` values with the mean `mean` and the
# variance `var` (divided by N), and $\rho$ is `rho`.  What are the running mean and variance now, in PyTorch and minigen?


# %%
def running(mean, var, N, rho):
    """The new running mean and running variance."""
    return ...


exercises.running(running)

# %% [markdown]
# ## 6. What the batch tells the discriminator
#
# Real images are $N(0, 1)$, generated ones are $N(3, 1)$: two clearly different sets.  A discriminator begins with a
# batch norm and sees real and generated images in *separate* batches.  How often can it be right?

# %%
random = np.random.default_rng(4)
real, fake = random.normal(0, 1, 1000), random.normal(3, 1, 1000)


def best_cut(real, fake):
    """The best share of right answers of a discriminator that cuts at one number."""
    cuts = np.sort(np.concatenate([real, fake]))
    return max(((real < c).mean() + (fake >= c).mean()) / 2 for c in cuts[::10])


normalized = lambda x: (x - x.mean()) / x.std()  # noqa: E731
both = normalized(np.concatenate([real, fake]))
print(f"without batch norm:              {best_cut(real, fake):.0%}")
print(f"batch norm, separate batches:    {best_cut(normalized(real), normalized(fake)):.0%}")
print(f"batch norm, one joint batch:     {best_cut(both[:1000], both[1000:]):.0%}")

# %% [markdown]
# In separate batches, batch norm removes the very difference that D should find: each batch gets mean 0.  This is why DCGAN
# has **no batch norm at D's input**.  Deeper in D it is useful: it takes two numbers from each channel, and what tells images
# apart there is in which of many channels, and where in the image, the units respond.
#
# And in a joint batch?  Then the output for a real image depends on the generated images beside it.  D could learn "my
# batch has two kinds of images" in place of "this is a real image".  The usual choice, and minigen's, is separate batches.
#
# The dependence is easy to see.  How much does D's answer for image 0 change with the pixels of image 1?

# %%
mg.manual_seed(0)
plain = nn.Sequential(nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
with_norm = nn.Sequential(nn.Linear(784, 64, bias=False), nn.BatchNorm1d(64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
images = mg.tensor(digits.images[:8].reshape(8, -1), requires_grad=True)
for name, net in (("plain", plain), ("batch norm", with_norm)):
    (slope,) = mg.grad(net(images)[0, 0], images)
    size = np.sqrt((slope.numpy() ** 2).sum(1))
    print(f"{name:10}: gradient of D(image 0) for image 0: {size[0]:.3f}, for image 1: {size[1]:.3f}")

# %% [markdown]
# WGAN-GP, another kind of GAN (Gulrajani et al. 2017), penalizes the gradient of D *for each image*.  With batch norm D's
# answer for one image has gradients for all images of the batch, so the D of WGAN-GP has no batch norm.
#
# ## 7. All of it, trained
#
# A classifier with ten hidden layers of 100 ReLU units learns the digits, 300 steps of 64.  Its weights start as
# $N(0, 0.02^2)$, with Xavier's or with He's size, without and with batch norm.  Rank the six before you run the cell.


# %%
def build(std, norm, depth=10, width=100):
    layers, before = [], 784
    for _ in range(depth):
        layers += [nn.Linear(before, width, bias=not norm), *([nn.BatchNorm1d(width)] if norm else []), nn.ReLU()]
        before = width
    net = nn.Sequential(*layers, nn.Linear(before, 10))
    for layer in net:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0.0, std(layer.weight.shape[1]))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return net


def learn(net, steps=300):
    optimizer = mg.optim.SGD(net.parameters(), lr=0.05)
    random, curve = np.random.default_rng(5), []
    for _step in range(steps):
        chosen = random.integers(0, len(digits), 64)
        logits = net(mg.tensor(digits.images[chosen].reshape(64, -1)))
        loss = mg.functional.cross_entropy(logits, mg.tensor(digits.labels[chosen]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    net.eval()
    with mg.no_grad():
        answers = net(mg.tensor(held_out.images.reshape(len(held_out), -1))).numpy().argmax(1)
    return np.array(curve), (answers == held_out.labels).mean()


STARTS = {"std 0.02": lambda n: 0.02, "Xavier": lambda n: n**-0.5, "He": lambda n: (2 / n) ** 0.5}
curves = {}
for norm in (False, True):
    for name, std in STARTS.items():
        mg.manual_seed(0)
        curves[name, norm] = learn(build(std, norm))

# %% tags=["varies"]
for (name, norm), (curve, accuracy) in curves.items():
    print(f"{name:8} {'batch norm' if norm else 'plain':10}  loss first {curve[0]:.2f}, last {curve[-20:].mean():.2f};  "
          f"right on held-out digits: {accuracy:.1%}")  # fmt: skip

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.6),
        caption="Ten hidden layers learn digits: without batch norm (left) well with He's start only; with it (right) from every start.",
    )  # fmt: skip
    for (name, norm), (curve, _) in curves.items():
        smooth = np.convolve(curve, np.ones(10) / 10, "valid")
        axes[int(norm)].plot(np.arange(len(smooth)) + 5, smooth, label=name)
    for place, title in zip(axes, ("plain", "batch norm")):
        place.set(xlabel="step", ylabel="cross-entropy", ylim=(0, 2.5), title=title)
        place.legend(fontsize=9)
picture

# %% [markdown]
# Without batch norm, the start with 0.02 learns nothing (10 % is a guess), Xavier's learns slowly, and only He's learns well:
# the others lose the signal of section 2 on its way through ten layers.  With batch norm every start learns, because it
# restores the size in every layer, at every step.
#
# ## Why this sign, this scale?
#
# - **Why $1/n$, $2/n$?**  $n$ products add their variances; ReLU halves the mean square.
# - **Why fan-in for one formula, and fan-out for the other?**  The signal is a sum over the inputs of a unit, its gradient a sum over its outputs.
# - **Why the two minus signs in the gradient for $x$?**  Raising $x_j$ also raises the mean, which is subtracted.  And it
#   changes the deviation, by which we divide: up if $\hat x_j > 0$, and then all $\hat x$ shrink.
# - **Why $\frac1N$ in both terms?**  Each $x_j$ is an $N$-th of the mean, and of the variance.
# - **Why does the gradient for $x$ sum to zero?**  Adding a constant to the whole channel changes nothing.
# - **Why a random cotangent in tests?**  Constants and multiples of $\hat x$ are invisible; a random one has little of either.
# - **Why $N$ in the batch and $N - 1$ in the running variance?**  The first normalizes these values, the second estimates the
#   variance of others.
# - **Why no batch norm at D's input, and at G's output?**  At D's input it removes the difference of the batches' means; at G's
#   output it would fix the mean and the contrast of the images.
#
# ## To a friend, in three sentences
#
# A signal that is multiplied by 0.3 in each of twenty layers is gone, so the first weights must have just the size that keeps
# it: one over the square root of the number of inputs, times the root of two if ReLU throws half of it away.  Batch
# normalization forces that size at every step, by the mean and the deviation of the batch, and so its gradient has no part
# along a constant or along its own output: a test with a cotangent of ones sees nothing.  The price is that images of a batch
# depend on each other, which matters when you evaluate, and when the batch itself says whether
# its images are real.
#
# The solutions, with their reasons, are in `lessons/solutions/06_batch_norm.py`.
