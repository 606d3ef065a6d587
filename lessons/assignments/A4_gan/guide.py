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
# # A4: GAN losses and a DCGAN that learns
#
# **The question.** Can you write a program that draws, from two lines of mathematics?  Lesson 8 plays the game with networks
# that are given.  Here you write all of it: both losses, both networks, the step in which they move, and the training.
#
# You write in **`gan_a4.py`**, in any editor, and hand in that file alone.  This notebook explains the five tasks, lets you
# try what you have, and checks it.  Nothing that you write here is graded.  Allow four to six hours in all.
#
# | task | you write | points |
# |---|---|---|
# | 1 | `d_loss`: the discriminator's loss, on logits, with smoothed labels | 7 |
# | 2 | two losses for the generator, and their gradients by hand | 7 |
# | 3 | `generator` and `discriminator`, from layers of `minigen.nn` | 8 |
# | 4 | `training_step`: one move of each player | 8 |
# | 5 | `train` and `sample`: it learns | 10 |
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x$, $G(z)$ | `x`, `fake` in task 4 | real images, and images made from noise `z` |
# | $\ell$, $\ell'$ | `real`, `fake` in tasks 1 and 2 | D's logits for real, and for generated images |
# | $D = \sigma(\ell)$ | | the probability that D gives of being real |
# | $\zeta(a) = \log(1 + e^a)$ | `F.softplus` | a logarithm that never overflows |
# | $s$ | `smoothing` | real images have the label $1 - s$ |
#
# `minigen.losses` holds the losses of tasks 1 and 2, derived and checked.  Reading it first takes the exercise away from
# you; reading it afterwards is a pleasure.  To call it is no answer, nor are `F.binary_cross_entropy` and its like: the tests look.
# All else in `mg`, `F`, `mg.nn` and `mg.optim` is yours to use.

# %%
import numpy as np

import minigen as mg
from minigen.course import kit

FILE = "gan_a4.py"
a = kit.load(FILE)  # your file as it is now; every cell below loads it anew

# %% [markdown]
# ## Task 1: the discriminator's loss
#
# D is a classifier.  Real images have the label 1, generated ones 0, and it is to make the probability of the right labels
# large.  An optimizer makes things small, so its loss is
#
# $$L_D = -\frac1N \sum_{n=1}^N \log D(x_n) - \frac1M \sum_{m=1}^M \log\big(1 - D(G(z_m))\big) .$$
#
# *Why two means?*  There are two expectations, and each has a batch of its own.  They need not be of one size.
#
# *On logits.*  D's last layer gives a number $\ell$, and $D = \sigma(\ell) = 1/(1 + e^{-\ell})$.  You could take the sigmoid
# and then its logarithm.  Try it with a D that is sure and wrong:

# %%
with np.errstate(over="ignore", divide="ignore"):
    for logit in np.float32([-1, -20, -120]):
        print(f"logit {logit:5.0f}: -log(sigmoid) = {-np.log(1 / (1 + np.exp(-logit))):.4g}")

# %% [markdown]
# Write $-\log\sigma(\ell)$ as one fraction's logarithm instead, and look for $\zeta$.  What is $1 - \sigma(\ell)$?  (It is the sigmoid
# of something.)  `F.softplus` is $\zeta$, for every finite number.
#
# *Smoothing.*  A D that is too sure gives G nothing to learn from.  So a real image gets the label $t = 1 - s$, a little less
# than 1.  The cross-entropy of a label $t$ is $-t \log D - (1 - t)\log(1 - D)$.  Generated images keep the label 0.
#
# Use operations on Tensors all the way (`-x`, `x * y`, `x.mean()`, functions in `F`): the gradient, and the gradient of the gradient,
# have to find their way back.

# %%
with kit.pending():
    a = kit.load(FILE)
    undecided = mg.zeros(4, 1)
    print("an undecided D pays", a.d_loss(undecided, undecided).item(), "and 2 log 2 is", 2 * np.log(2))
    sure = mg.tensor([[-120.0], [3.0]], requires_grad=True)
    value = a.d_loss(sure, undecided)
    print("a sure one pays", value.item(), "and its slopes are", mg.grad(value, sure)[0].numpy().ravel())

# %%
kit.check(FILE, task=1)

# %% [markdown]
# ## Task 2: two losses for the generator
#
# In the game as it was first written G makes small what D makes large.  Of that only one term depends on G:
# $L_G = \frac1M \sum_m \log(1 - D(G(z_m)))$.  That is `g_loss_saturating`.  The same paper advises to use
# $L_G = -\frac1M \sum_m \log D(G(z_m))$ instead.  That is `g_loss`.  Both fall when D is fooled.  Why two?
#
# You see it in the gradients, and so you derive them by hand: $\partial L_G/\partial \ell'_m$, in NumPy, for both.  All you need is
# $\zeta' = \sigma$, and the chain rule.  What is each of them where D is sure that the image is a fake?
#
# *To be right for every number,* ask for each exponential whether its argument can be large.  `np.logaddexp(0, a)` is
# $\zeta(a)$.  And do not subtract a sigmoid from 1: in float32 $1 - \sigma(20)$ is 0, and 2e-9 was right.
#
# How does one know that a gradient is right?  Nudge a logit, and compare:

# %%
with kit.pending():
    a = kit.load(FILE)
    logits, nudge = np.array([-2.0, 0.5, 3.0]), 1e-5
    for loss, gradient in ((a.g_loss_saturating, a.g_gradient_saturating), (a.g_loss, a.g_gradient)):
        slopes = []
        for e in np.eye(3) * nudge:
            slopes.append((loss(mg.tensor(logits + e)) - loss(mg.tensor(logits - e))).item() / (2 * nudge))
        print(f"{loss.__name__:18} by nudging {np.round(slopes, 6)}, by hand {np.round(gradient(logits), 6)}")

# %% [markdown]
# Here are both over the logit of a single image.  Bad images are on the left:

# %%
with kit.pending():
    from IPython.display import display

    from minigen import plot

    a = kit.load(FILE)
    at = np.linspace(-8, 8, 161)
    with plot.style():
        caption = "Slopes of the two losses. On the left D knows a fake: one loss is flat there, the other steep."
        picture, axes = plot.figure(size=(6.5, 3.4), caption=caption)
        axes.plot(at, a.g_gradient_saturating(at) * at.size, label="saturating")
        axes.plot(at, a.g_gradient(at) * at.size, label="non-saturating")
        axes.set(xlabel="logit of a generated image", ylabel="slope of G's loss")
        axes.legend()
    display(picture)

# %%
kit.check(FILE, task=2)

# %% [markdown]
# ## Task 3: the two networks
#
# Images are small here, 8x8, so that training takes seconds.  The design is that of DCGAN
# ([Radford et al. 2016](https://arxiv.org/abs/1511.06434)), with one layer for each halving of the image:
#
# | generator | shape | | discriminator | shape |
# |---|---|---|---|---|
# | noise | latent | | image | channels, 8, 8 |
# | dense, batch norm, ReLU | 2 width, 2, 2 | | convolution, LeakyReLU | width, 4, 4 |
# | transposed convolution, batch norm, ReLU | width, 4, 4 | | convolution, batch norm, LeakyReLU | 2 width, 2, 2 |
# | transposed convolution, tanh | channels, 8, 8 | | dense | 1 |
#
# - **Why tanh at the end?**  Real images lie in $[-1, 1]$.  If the two ranges differed, one look would be enough for D.
# - **Why no batch norm at G's output and D's input?**  It would fix the mean and the spread of whole batches of images.  G could
#   not learn how bright images are, and D could not see it.
# - **Why no bias before batch norm?**  It is subtracted again, together with the mean.
# - **Why no sigmoid at D's end?**  Your losses take logits.
# - **Why kernel 4 at stride 2?**  Each pixel of the larger image is then met by equally many elements of the kernel.
#
# The layers are in `minigen.nn`, with PyTorch's names: `Linear`, `Unflatten`, `BatchNorm2d`, `ReLU`, `ConvTranspose2d`, `Tanh`,
# `Conv2d`, `LeakyReLU`, `Flatten`, in an `nn.Sequential`, or in a class of your own.  Keep the layers in this order.  Count the
# parameters before you look: how many has a convolution from 2 to 4 channels with kernel 4?

# %%
with kit.pending():
    a = kit.load(FILE)
    G, D = a.generator(4, 2), a.discriminator(2)
    for name, network in (("generator", G), ("discriminator", D)):
        shapes = [p.shape for p in network.parameters()]
        print(f"{name}: {sum(p.numel() for p in network.parameters())} parameters,", *shapes)
    print("D(G(z)) has the shape", D(G(mg.randn(3, 4))).shape)

# %%
kit.check(FILE, task=3)

# %% [markdown]
# ## Task 4: one move of each player
#
# `training_step` is short, and more GANs fail here than anywhere else.  None of the mistakes raises an error.  Ask of each line:
# *who learns from this, and whom must it leave alone?*
#
# 1. **D moves.**  It judges the real batch and a generated one, each by itself (batch norm sees the whole batch; mixed
#    batches are another game).  For this move the images are given: D's loss must not reach G, which it would teach to
#    be found out.  Which of the two would you cut off, the *image* or D's *answer*?
# 2. **G moves**, against D as it is now.  The noise is the same `z`.  What D said before its move is
#    stale, so the images are judged again.  The gradient runs through D into the image, and on to G.  Only G moves.
#
# `backward()` **adds** to the gradients that are there, in every network that the loss runs through.  Whose does G's
# `backward()` leave in D?  Who clears them, and when?  (`mg.grad(loss, parameters)` gives gradients without leaving any.  Either
# way is fine.)

# %%
with kit.pending():
    a = kit.load(FILE)
    mg.manual_seed(0)
    G, D = mg.nn.Linear(2, 3), mg.nn.Linear(3, 1)
    sgd_g, sgd_d = mg.optim.SGD(G.parameters(), lr=0.1), mg.optim.SGD(D.parameters(), lr=0.1)
    x = mg.randn(64, 3) + 2
    for step in range(3):
        loss_d, loss_g = a.training_step(G, D, sgd_g, sgd_d, x, mg.randn(64, 2))
        print(f"step {step}: D's loss {loss_d:.3f}, G's loss {loss_g:.3f}")

# %%
kit.check(FILE, task=4)

# %% [markdown]
# ## Task 5: it learns
#
# `train` puts everything together, and calls your `training_step` once for each step.  What it has to take care of:
#
# - **Range.**  Bytes from 0 to 255 become numbers from -1 to 1.  (What is `np.uint8(3) - np.uint8(5)`?)
# - **Batches.**  In each step different images, each as likely as the others.  Drawing at random does it, and so does going
#   through a shuffled list.
# - **Noise.**  New in each step: G is to be good for all $z$, not for those of one batch.
# - **Optimizers.**  One for each player, made once: Adam remembers.  A $\beta_1$ of 0.5 in place of 0.9, because what was downhill
#   changes with every move of the other player.
# - **The seed.**  `mg.manual_seed` decides the weights at the start, `np.random.default_rng(seed)` what you draw from it.
#
# `sample` draws.  In evaluation mode batch norm uses what it has remembered from training, and no image depends on its
# company.  And the way back, from -1 and 1 to 0 and 255, rounds.
#
# The tests train on a few hundred images of bars for a second or two, and ask how alike samples are to the nearest real
# bar (the correlation of their pixels), and whether they are not all the same.  A generator that has learned nothing has about 0.2.
# Yours should have 0.8; the tests ask for less.  You can do the same, with bars of your own:

# %%
with kit.pending():
    a = kit.load(FILE)
    r = np.random.default_rng(1)
    bars = np.full((300, 1, 8, 8), 20.0)
    for image, place in zip(bars, r.integers(0, 4, 300)):
        image[0, 2 * place : 2 * place + 2] = 230
    bars = np.clip(bars + 10 * r.normal(size=bars.shape), 0, 255).astype(np.uint8)
    looks = [bars[:16]]
    for steps in (0, 20, 80):
        looks.append(a.sample(a.train(bars, steps, batch=16, lr=0.01), r.normal(size=(16, 8))))
    with plot.style():
        caption = "Real bars, and samples after 0, 20 and 80 steps. Each row should be more like the first than the one before."
        picture, axes = plot.figure(4, 1, size=(7, 3.4), caption=caption)
        for place, images, name in zip(axes, looks, ("real", "0 steps", "20 steps", "80 steps")):
            place.imshow(plot.image_grid(images, ncols=16), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            place.set_title(name, fontsize=10)
            place.set_axis_off()
    display(picture)

# %%
kit.check(FILE, task=5)

# %% [markdown]
# ## Before you hand in
#
# - `minigen course check gan_a4.py` says that the public tests pass.
# - These are not all.  The tests after you have handed in look at other sizes and shapes, at float32, at very large logits, at first
#   and second derivatives, at networks with given weights, at the weights after several steps, at what `train` hands to each
#   step, and at what has been learned.
# - A mistake in one task costs points in that task only: the others are then graded with a reference solution in its place.
# - Hand in `gan_a4.py`, nothing else, with its name and the names in it unchanged.
#
# *To read on:* `mg.losses.derivation("non_saturating")`, and `minigen/models/gan/base.py`, which is your task 4 for every
# pair of losses.  With scikit-learn you have real digits of 8x8 pixels: `sklearn.datasets.load_digits().images` are numbers from 0
# to 16.  Train on those, with width 16, for 2,000 steps.  Which digits does your generator like best?
