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
# # 15. Scarce data: who learns by heart, and what helps
#
# **The question.** You have 100 images.  A classifier, a GAN and a VAE learn from them.  Which network knows the images by
# heart first?  And which advice helps: random changes of the images, or more images from a generator?
#
# **Short answer.** In a GAN the *discriminator* overfits.  The generator never sees an image.  Random changes of the images
# (**data augmentation**, 数据增强) help, but in a GAN they must be inside the game: on real *and* generated images, with
# the gradient through them.
# Generated images do not help a classifier if the generator has learned from the same few images: there is no new
# information in them.
#
# At the end you will be able to
#
# - write a warp of images and its adjoint, and say why the pair has gradients of any order;
# - read the gap between training and held-out images;
# - say why a transform must be on both kinds of images, and why the gradient must pass it;
# - measure a leak by a number;
# - compare two settings by pairs of seeds and an error bar.
#
# You need lesson 8 (GAN) and lesson 3 (adjoints).  Plan about 60 minutes.  Four exercises check
# your answers.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x, y$ | `x`, `y` | an image, and the warped image |
# | $i, w$ | `index`, `weight` | for each pixel of $y$: the places in $x$ that it takes, and their weights |
# | $g$ | `g` | the cotangent of $y$ |
# | $T$ | `T` | a random transform, with fresh random numbers at each use |
# | $j, p$ | | a pixel of $x$; a pixel of $y$ |
# | $k$ | | which of the four places of a pixel of $y$ |

# %%
import numpy as np

import minigen as mg
from minigen import plot
from minigen.course import scarce_data as exercises
from minigen.ops.warp import linear_places, warp

train = mg.data.load("mnist5k")
test = mg.data.load("mnist5k", split="test")

# %% [markdown]
# ## 1. How do you turn an image so that a gradient can pass?
#
# Each pixel of the turned image shows a place between four pixels of the image.  **Bilinear interpolation** (双线性插值)
# takes a weighted sum of the four:
#
# $$y_p = \sum_{k=1}^{4} w_{kp}\, x_{i(k, p)}$$
#
# Places and weights depend on the angle only.  So $y$ is *linear* in $x$.

# %%
angle = np.radians(30)
rows, columns = np.mgrid[0:28, 0:28] - 13.5
from_row = np.cos(angle) * rows - np.sin(angle) * columns + 13.5
from_column = np.sin(angle) * rows + np.cos(angle) * columns + 13.5
index, weight = linear_places(from_row[None], from_column[None], (28, 28))
print(f"places {index.shape}, weights {weight.shape}")
print(f"pixel (10, 12) takes places {index[0, :, 10, 12].tolist()}")
print(f"with weights {weight[0, :, 10, 12].round(2).tolist()}, whose sum is {weight[0, :, 10, 12].sum():.2f}")

x = mg.tensor(train.images[2900:2901], requires_grad=True)
y = warp(x + 1, index=index, weight=weight) - 1  # black is -1; places outside add 0
plot.show_images(
    np.concatenate([x.numpy(), y.detach().numpy()]),
    ["x", "turned by 30 degrees"],
    caption="A digit, and the same digit turned by bilinear interpolation. Corners that would come from outside are black.",
)

# %% [markdown]
# What is the gradient?  Write $L(y)$ with cotangent $g_p = \partial L/\partial y_p$.  The pixel $x_j$ stands in every
# $y_p$ that took it:
#
# $$\frac{\partial L}{\partial x_j} = \sum_{k, p:\; i(k, p) = j} w_{kp}\, g_p$$
#
# The forward pass *gathers* (reads at places $i$), the backward pass *scatters* (adds at the same places).  The scatter is
# linear in $g$, and its adjoint is the gather again.  So these two primitives have gradients of any order, as convolution
# and transposed convolution have (lesson 3).
#
# ### Exercise 15.1: the adjoint of a warp
#
# Write `warp_adjoint(g, index, weight, size)` for one image: `g` (P,), `index` and `weight` (K, P), and `size` pixels in
# the image.  A place -1 adds nothing.  Several p may have the same place.


# %%
def warp_adjoint(g, index, weight, size):
    """The gradient for the image, an array (size,); g: (P,), index and weight: (K, P)."""
    return ...


exercises.warp_adjoint(warp_adjoint)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Take an array of zeros, and go through all pairs $(k, p)$: each adds one product at one place.  With two loops and `+=` on
# single elements this is right, and slow.  `x[places] += terms` for a whole array of places keeps only one of the terms that
# have the same place; `np.add.at(x, places, terms)` adds all.
#
# </details>

# %% [markdown]
# A test that needs no formula: an adjoint satisfies $\langle W x, g\rangle = \langle x, W^\top g\rangle$ for all $x, g$.

# %%
g = mg.randn(1, 1, 28, 28, generator=np.random.default_rng(0))
d = mg.randn(1, 1, 28, 28, generator=np.random.default_rng(1))
(gradient,) = mg.grad(y, x, g)
left, right = (warp(d, index=index, weight=weight) * g).sum().item(), (d * gradient).sum().item()
print(f"<W d, g> = {left:.3f}, <d, W' g> = {right:.3f}")

# %% [markdown]
# `minigen.augment` is made of this pair and of a few multiplications.  Each image gets its own random numbers.

# %%
shown = mg.tensor(np.repeat(train.images[2900:2901], 6, axis=0))
names = ["translate", "rotate", "scale", "cutout", "contrast", "translate+cutout"]
changed = [mg.augment.parse(name)(shown, generator=np.random.default_rng(5)).numpy().clip(-1, 1) for name in names]
plot.show_images(
    np.concatenate(changed),
    [name for name in names for _ in range(6)],
    ncols=6,
    caption="One digit, six draws of each transform. A flip is missing on purpose: a mirrored digit has a wrong label.",
)

# %% [markdown]
# ## 2. Who learns by heart?
#
# **Predict.** A GAN learns from 20 small digits (8x8, of the set `digits`).  After 500 steps you show D two kinds of real
# digits: the 20 that it has seen, and 200 that it has not.  What does it say of each?

# %% tags=["varies"]
few = mg.data.load("digits").subset(np.arange(0, 1000, 50))
unseen = mg.data.load("digits", split="test").subset(np.arange(200))


def gap(augment, steps=500):
    """Train a small DCGAN; every 100 steps what D says of the images that it has seen, and of others."""
    mg.manual_seed(0)
    model, seen = mg.models.DCGAN(size=8, network="conv", width=16, augment=augment), []
    loader = mg.data.Loader(few, 10, seed=0)
    for step in range(steps):
        if step % len(loader) == 0:
            batches = loader.epoch(step // len(loader))
        model.schedule(step / steps)  # the learning rate falls at the end
        model.training_step(next(batches))
        if step % 100 == 99:
            # score: D's output for each image, as a probability of "real"
            seen.append([step + 1, *(float(model.score(data.images).mean()) for data in (few, unseen))])
    return np.array(seen)


curves = {name: gap(augment) for name, augment in (("plain", None), ("translate+cutout", "translate+cutout"))}
for name, curve in curves.items():
    print(f"{name:17} D says of images that it has seen {curve[-1, 1]:.2f}, of others {curve[-1, 2]:.2f}")

# %% [markdown]
# Without augmentation D says "real" to the images that it knows, and "generated" to real images that it does not know.
# What it has learned is a list of 20 images.  The gradient that G gets then says: *become one of these 20*.
#
# In a training by the command line, `--validation 0.2` holds out a fifth of the images and logs `d_heldout` beside `d_real`.
# The gap of the two is *the* sign that D overfits.  The losses do not show it: D's loss is low because D knows the images.
#
# The stored result of longer trainings (100 images, 1,500 steps, two seeds without and three
# with augmentation; the page
# [scarce data](reference/scarce_data.md) has the table and its command): D's mean output is about 0.89 for training
# images and 0.01 for test images without augmentation, and 0.92 and 0.87 with `translate+cutout`.  The FID of the samples is
# 18 % of the real variance (two seeds: 19, 17) and 16 % (14, 17, 18).  That is a small gain: the closed gap is necessary for
# good samples, and not sufficient.

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1,
        2,
        size=(7.5, 3.4),
        caption="Each D learns from 20 digits. Without augmentation the mean output for digits that D has not seen falls; with "
        "augmentation both lines stay together.",
    )
    for place, (name, curve) in zip(axes, curves.items()):
        place.plot(curve[:, 0], curve[:, 1], label="seen")
        place.plot(curve[:, 0], curve[:, 2], "--", label="not seen")
        place.set(title=name, xlabel="step", ylabel="mean output of D", ylim=(0, 1))
        place.legend(fontsize=11, loc="lower left")
picture

# %% [markdown]
# ## 3. Why on both, and why through the gradient?
#
# D's loss is made of $D(T(x))$ and $D(T(G(z)))$, G's loss of $D(T(G(z)))$ (Zhao et al. 2020).
#
# - **On real images only:** D learns what *transformed* real images look like, and G learns to make transformed images.
#   The gray square of cutout appears in the samples.  This is a *leak*.
# - **Not in G's step:** D judges images of a kind that it has never seen.
# - **Without a gradient through T:** if $T(G(z))$ is detached, G learns nothing at all.
#
# How often?  With `--augment-p 0.5` a transform changes half of the images.  *Adaptive* augmentation, `--augment-p ada`
# (Karras et al. 2020), looks at the sign of D's logit for real images: positive is "real".  If nearly all of them are positive,
# D knows its images, and the probability of a change grows a little; if not, it falls.
#
# ### Exercise 15.2: what stays in the graph?
#
# In the training step three tensors pass T: `real` (r), `fake` for the loss of D (d), and `fake` for the loss of G (g).
# Give the letters of those that must be detached from the generator's graph, and of those through which a gradient must reach
# G; "" for none.

# %%
through_t = {"detached": ..., "gradient to G": ...}

exercises.through_t(through_t)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Ask two questions for each letter: did G make this tensor?  And is it the turn of G to learn, or of D?
#
# </details>

# %% [markdown]
# A leak can be measured.  If T moves images, and the moves leak, the samples are *off center* more than the data.
#
# ### Exercise 15.3: the leak in pixels
#
# Write `spread(images)` for an array (N, H, W) of light, all at least 0: the center of mass of each image (row and column),
# then the standard deviation over the images, as the root of the mean of the two variances.


# %%
def spread(images):
    """One number, in pixels; images: (N, H, W), all at least 0."""
    return ...


exercises.spread(spread)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The row of the center of mass is the mean of the row numbers, each weighted by the light in its row:
# `images.sum(axis=2)` has the shape (N, H).  Divide by the light of that image.  The same for columns.  Then one variance
# over the $N$ rows, and one over the $N$ columns (`np.var`, which divides by $N$).
#
# </details>

# %% [markdown]
# ## 4. Do generated images help a classifier?
#
# **Predict.** A classifier has 10 digits of each class.  A conditional VAE learns from *the same* 100 digits and makes as many
# more as you like.  Half of each batch are now generated.  Does the classifier get better?
#
# Think of where information comes from.  The generated images are a function of the 100 images and of random numbers.  What the
# labels say about digits is all in the 100 images already.  A transform is different: it brings in *your* knowledge, that a
# moved digit is the same digit.
#
# The table on the page [scarce data](reference/scarce_data.md) has five seeds for each row.  Test digits read right: 75 % with
# the 100 digits only, 89 % with augmentation, and 67 % if half of each batch is made by a CVAE of the same digits.  So the
# generated digits cost 8 points, with a standard error of 1.5.  To help, a generator must bring in something new, for
# example because it has seen other digits.
#
# ### Exercise 15.4: pairs of seeds
#
# A seed decides which 100 digits the classifier gets, and some hundreds are easier than others.  So compare *pairs*: the same
# seed with and without.  Write `paired(a, b)` for two arrays of results of the same seeds.  It gives the mean of the
# differences $b - a$ and the standard error of that mean, with $n - 1$ in the variance.


# %%
def paired(a, b):
    """The mean of b - a, and the standard error of this mean."""
    return ...


exercises.paired(paired)

# %% [markdown]
# <details><summary>Hint</summary>
#
# From here on you need only the $n$ differences.  The standard error of a mean is the standard deviation of one difference,
# `std(ddof=1)`, divided by $\sqrt n$.
#
# </details>

# %%
alone, augmented = np.array([76.0, 71.0, 80.0, 74.0, 78.0]), np.array([78.0, 72.5, 81.0, 76.5, 79.0])
difference = augmented - alone
print(
    f"means {alone.mean():.1f} and {augmented.mean():.1f}, standard deviations {alone.std(ddof=1):.1f} and {augmented.std(ddof=1):.1f}"
)
print(f"paired: {difference.mean():+.2f} with a standard error of {difference.std(ddof=1) / 5**0.5:.2f}")

# %% [markdown]
# (The numbers of this cell are invented.)  The two means differ by less than the standard deviation of the seeds.  The pairs
# show a difference of more than five standard errors.
#
# ## Questions
#
# 1. What did D learn without augmentation, and why does its low loss not show it?
# 2. Why does the generator not overfit first?
# 3. Adaptive augmentation (`--augment-p ada`) reads the sign of D's output.  Why is it refused for a WGAN?
# 4. Where would a generator have to get its images from to help a classifier?
#
# Answers and solutions: `lessons/solutions/15_scarce_data.py`.  Next: lesson 16, where an image is repaired.
