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
# (**data augmentation**, 数据增强) help where images are few, but in a GAN they must be inside the game: on real *and* generated
# images, with the gradient through them.
# Generated images do not help a classifier if the generator has learned from the same few images: there is no new
# information in them.
#
# At the end you will be able to
#
# - write a warp of images and its adjoint, and say why the pair has gradients of any order;
# - read the gap between training and held-out images;
# - say why a transform must be on both kinds of images, and why the gradient must pass it;
# - measure a leak by a number;
# - compare two settings by pairs of seeds and an error bar;
# - make a trained network smaller, and say whether that saves bytes or time.
#
# You need lesson 8 (GAN) and lesson 3 (adjoints).  Plan about 80 minutes.  Six exercises check
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
# | $\theta, c$ | `weight` | a weight of a layer; the output that it belongs to |
# | $s_c, q$ | `scales`, `codes` | the scale of an output; a weight as a whole number |

# %%
import copy
from time import process_time

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
# The better it knows them, the more the gradient that G gets says: *become one of these 20*.
#
# In a training by the command line, `--validation 0.2` holds out a fifth of the images and logs `d_heldout` beside `d_real`.
# The gap of the two is *the* sign that D overfits.  The losses do not show it: D's loss is low because D knows the images.
#
# Longer trainings of the default DCGAN (`minigen train dcgan --ema 0 --batch-size 32 --images 100 --steps 2500`, three seeds; the page
# [scarce data](reference/scarce_data.md) has the table and its command) have the same gap: D's mean output is 1.00 for training
# images and 0.04 for test images without augmentation, and 0.68 and 0.65 with `translate+cutout`.  The FID of the samples (lesson 13; in
# % of the variance of the real features) is 40 (39, 41, 40) without, and 11 (11, 13, 8) with augmentation.  With 300 images and more
# `translate+cutout` makes it worse: the gap says that D overfits, not how good the samples are.

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
#   The gray square of cutout appears in the samples.  This is a *leak*: see the last row of the picture.
# - **Not in G's step:** D judges images of a kind that it has never seen.
# - **Without a gradient through T:** if $T(G(z))$ is detached, G learns nothing at all.
#
# ![Four rows of ten digits: training images, plain, augmented inside the game, augmented real images only](pictures/scarce_gan.png)
#
# From the top: training images; samples without augmentation; with augmentation inside the game; with real images augmented only.
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
# moved digit is the same digit.  (This CVAE is trained with such transforms too.  So it knows that as well, and the question is
# whether its images are good enough to pass it on.)
#
# The table on the page [scarce data](reference/scarce_data.md) has five seeds for each row.  Test digits read right: 75 % with
# the 100 digits only, 90 % with augmentation, and 71 % if half of each batch is made by a CVAE of the same digits.  So the
# generated digits cost 4.6 points, with a standard error of 1.0.  A generator that has seen other digits has something new to give:
# a CVAE of all 4,000 digits adds 2.8 ± 0.6 points.
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
# ## 5. And the weights?
#
# **Regularization** (正则化) makes the *network* simpler, not the data richer.  Weight decay (L2) makes all weights smaller, L1
# sets more of them near 0, dropout removes random features in each step.  Test digits read right, after 300 training digits (means of
# three seeds, [scarce data](reference/scarce_data.md)): 86.9 % without any of them, 87.6 % with weight decay 0.5, 87.6 % with dropout,
# 89.5 % with L1 of 1e-3, which leaves three quarters of the weights near 0.  With augmentation: 94.6 %.
# A simpler function of the same images does not know that a moved digit is the same digit.
#
# ## 6. Bytes or time?
#
# A trained network is larger than it must be.  **Pruning** (剪枝) sets the smallest weights to 0.  After the training the
# gradient is about 0, so to remove a weight $\theta$ changes the loss by about $\tfrac12 H \theta^2$.  If $H$ is alike, the smallest cost least.
#
# **Predict.** This classifier has 75,000 weights and reads 98.8 % of the test digits.  You set half of its weights to 0,
# and train no more.  What is better: one threshold for the whole network, or half of the weights of each layer?


# %%
network = (
    mg.metrics.load_judges().looker.network
)  # of the measures in lesson 13; it learned from the 4,000 training images


def percent_right(network):
    with mg.no_grad():
        logits = network(mg.tensor(test.images)).numpy()
    return 100 * float((logits.argmax(1) == test.labels).mean())


print(f"as trained: {percent_right(network):.1f} %")
for share in (0.3, 0.5, 0.7):
    results = []
    for scope in ("global", "layer"):
        pruned = copy.deepcopy(network)
        mg.compress.prune(pruned, share, scope)
        results.append(percent_right(pruned))
    print(
        f"{share:.0%} of the weights are 0: one threshold {results[0]:.1f} %, the same share of each layer {results[1]:.1f} %"
    )

# %% [markdown]
# The first layer has 256 weights, and each of them is used at every pixel: there $H$ is large, so the rule of the smallest weight is
# not fair to it.  These weights are large, too, so one threshold leaves most of them alone.  With further training
# (`minigen compress --prune`, `mg.compress.fine_tune`) a network keeps its accuracy with far fewer weights:
# [smaller networks](reference/compression.md) has the table of another classifier.
#
# ### Exercise 15.5: one threshold
#
# Write `kept(weights, share)` for a list of arrays.  It gives a list of arrays of bools of the same shapes: False for the
# `int(share * n)` weights of smallest absolute value among all $n$, True for the others.


# %%
def kept(weights, share):
    """A mask for each array: True where the weight is kept."""
    return ...


exercises.kept(kept)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Put all absolute values into one array (`np.concatenate` of the raveled arrays) and sort it.  The weight at position
# `int(share * n)` is the smallest that is kept.  (If no two are equal, as here.)
#
# </details>
#
# **int8** (8 位整数量化) stores each weight as a whole number from -127 to 127, and a scale for each *output* $c$:
#
# $$s_c = \frac{\max_k |\theta_{ck}|}{127}, \qquad q_{ck} = \mathrm{round}\Big(\frac{\theta_{ck}}{s_c}\Big), \qquad
# \theta_{ck} \approx s_c\, q_{ck}$$
#
# Why a scale for each output?  In $y_c = \sum_k s_c q_{ck} x_k = s_c \sum_k q_{ck} x_k$ the scale can be put in front of the sum.
#
# ### Exercise 15.6: int8
#
# Write `quantize(weight)` for a matrix (outputs, inputs).  It gives `codes` (the whole numbers, of the same shape) and `scales`
# (outputs,).  A row of zeros has the scale 1.


# %%
def quantize(weight):
    """codes (outputs, inputs) and scales (outputs,)."""
    codes = ...
    scales = ...
    return codes, scales


exercises.quantize(quantize)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The largest absolute value of each row is `np.abs(weight).max(axis=1)`.  To divide each row by its own scale you need the shape
# (outputs, 1).  `np.rint` rounds; without rounding the codes are not whole numbers.
#
# </details>
#
# **Predict.** The int8 file is a quarter as large.  Does the network run faster?

# %% tags=["varies"]
small = copy.deepcopy(network)
mg.compress.quantize(small)
print(f"float32: {mg.compress.sizes(network).file_bytes:,} bytes, {percent_right(network):.1f} % right")
print(f"int8:    {mg.compress.sizes(small, int8=True).file_bytes:,} bytes, {percent_right(small):.1f} % right")


def milliseconds(function, repeat=5):
    """The fastest of some runs."""
    times = []
    for _ in range(repeat):
        began = process_time()
        function()
        times.append(1000 * (process_time() - began))
    return min(times)


rng = np.random.default_rng(0)
a, b = (rng.integers(-127, 128, shape, np.int32) for shape in ((256, 512), (512, 512)))  # int8 sums would overflow
a_float, b_float = a.astype(np.float32), b.astype(np.float32)
print(f"one product of matrices: float32 {milliseconds(lambda: a_float @ b_float):.1f} ms", end=", ")
print(f"whole numbers {milliseconds(lambda: a @ b):.0f} ms, equal: {np.array_equal(a_float @ b_float, a @ b)}")

# %% [markdown]
# int8 saves **bytes**.  It does not save time here: NumPy multiplies matrices of floats with fast kernels (lesson 4), and those of
# whole numbers with a plain loop.  So minigen expands the weights to float32 when it reads the file.  On chips that multiply
# 8-bit numbers int8 saves time, too.  The float32 product is exact here: all partial sums are whole numbers below $2^{24}$.
#
# ## Questions
#
# 1. What did D learn without augmentation, and why does its low loss not show it?
# 2. Why does the generator not overfit first?
# 3. Adaptive augmentation (`--augment-p ada`) reads the sign of D's output.  Why is it refused for a WGAN?
# 4. Where would a generator have to get its images from to help a classifier?
# 5. What do L1 and L2 change, and what can only augmentation bring in?
# 6. A pruned network has 80 % zeros.  Why is it not faster, and what would make it faster?
#
# Answers and solutions: `lessons/solutions/15_scarce_data.py`.  Next: lesson 16, where an image is repaired.
