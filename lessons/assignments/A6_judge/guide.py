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
# # A6: judge your GAN: FID, KID, coverage
#
# **The question.** Your GAN draws digits.  Are they good?  The loss does not say it, and sixteen samples on a sheet can look
# fine while three digits are missing.  Papers print one number, the FID.  Where does it come from, how sure is it, and which
# failures does it not see?  Here you build the numbers yourself, test them on sets with a *planted* failure, and then judge
# a model of your own.
#
# You write in **`judge_a6.py`**, in any editor, and hand in that file alone.  This notebook explains the five tasks, lets you try
# what you have, and checks it.  Nothing that you write here is graded.  Allow three to five hours in all.  Most answers have
# two to five lines; lesson 13 derives what is needed.
#
# | task | you write | points |
# |---|---|---|
# | 1 | `moments`, `merge`: mean and covariance, also in batches | 8 |
# | 2 | `root`, `fid`: the Fréchet distance | 8 |
# | 3 | `kernel`, `kid`, `kid_of_parts`: a distance without bias, and how sure it is | 9 |
# | 4 | `radii`, `precision`, `coverage`: balls around real images | 9 |
# | 5 | `judge`, `nearer_to_training`: the verdict | 8 |
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x_i, y_j$ | `real`, `fake` | features of a real and of a generated image, $D$ numbers each |
# | $N, M$ | | numbers of real and of generated images |
# | $m, S$ | `mean`, `covariance` | mean and covariance of features |
# | $k(x, y)$ | `kernel` | a kernel: how alike two images are |
# | $k$ | `k` | which neighbor gives a ball its radius |
#
# Three rules hold for all tasks.
#
# - **What you get stays as it is**; give something new.
# - **Compute in float64**, whatever the features are.  A network gives float32, and sums over thousands of images lose
#   digits in it.
# - **Sizes differ**: two sets have different numbers of images, and a set may have one feature only.
#
# (`minigen.metrics` holds most of these functions.  Compare with them, as often as you like.  To call them is no answer, and
# the tests look.)

# %%
from pathlib import Path

import numpy as np
from IPython.display import display

import minigen as mg
from minigen import plot
from minigen.course import kit
from minigen.metrics import Reference, load_judges
from minigen.metrics.planted import plant

FILE = "judge_a6.py"
a = kit.load(FILE)  # your file as it is now; every cell below loads it anew

# %% [markdown]
# **Features.**  A shifted digit is the same digit, but all its pixels differ.  So images are compared by the last hidden layer
# of a trained classifier, the *judge*: 64 numbers for each image.  (In the literature the judge is Inception, hence the I of FID.)
# 1,000 training images, 500 new real images that no model has seen, and sets of 500 samples, each with one failure:

# %%
judges = load_judges()
look = judges.looker.features
reference = Reference(judges, *(mg.data.load("mnist5k", split) for split in ("train", "test")))


def some(images, n):
    """Some images, at random."""
    return images[np.random.default_rng(6).permutation(len(images))[:n]]


train_images = some(reference.real.images, 1000)
train, held_out = look(train_images), look(some(reference.test.images, 500))
sheets = {
    "3, 5, 8 missing": plant("3, 5, 8 missing", reference, 500, seed=1),
    "25 images x 20": plant("50 images x 20", reference, 500, seed=2),
    "noise 0.1": plant("noise 0.1", reference, 500, seed=4),
    "training images": train_images[:500],
}
fakes = {name: look(images) for name, images in sheets.items()}
print("features:", train.shape, held_out.shape, train.dtype)


# %%
def show_sheets(sheets, caption):
    """Twelve images of each sheet in a row, with its name at the left."""
    rows = [images[:: max(1, len(images) // 12)][:12] for images in sheets.values()]
    image = plot.image_grid(np.concatenate(rows), 12, scale=2)
    height = image.shape[0] / len(rows)
    with plot.style():
        picture, axes = plot.figure(size=(7.5, 0.62 * len(rows) + 0.9), caption=caption)
        axes.imshow(image, vmin=0, vmax=255, cmap="gray")
        axes.set(xticks=[], yticks=[(i + 0.5) * height for i in range(len(rows))], yticklabels=list(sheets))
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
    display(picture)


show_sheets(sheets, "Four sets, twelve of 500 images each. Which failures do you see?")

# %% [markdown]
# ## Task 1: moments, and moments of two sets together
#
# FID describes a set of features by two moments, the mean $m$ and the covariance
#
# $$S = \frac1{N - 1} \sum_i (x_i - m)(x_i - m)^\top .$$
#
# *Why $N - 1$?*  The deviations are from the set's own mean, which lies nearer to these images than the true mean does.
#
# - **`moments`** gives $N$, $m$ and $S$.  Two traps: for one feature $S$ is still a matrix; and $\sum x x^\top - N m m^\top$ is the
#   same on paper, but loses all digits if the mean is large.
# - **`merge`**: 50,000 images come in batches, and no one keeps all their features.  From the moments of two sets follow the moments
#   of both together.  The mean is easy.  For the covariance write the sum of products around the *common* mean $\mu$:
#   $x_i - \mu = (x_i - m) + (m - \mu)$.  Multiply out.  What happens to the mixed terms, and what is left?

# %%
with kit.pending():
    a = kit.load(FILE)
    whole = a.moments(train)
    print("mean of the first features", whole[1][:3].round(2), " (by NumPy", train.mean(axis=0)[:3].round(2), ")")
    total = a.moments(train[:100])
    for start in range(100, len(train), 300):
        total = a.merge(total, a.moments(train[start : start + 300]))
    print(total[0], "images in batches; the covariance differs by at most", f"{abs(total[2] - whole[2]).max():.0e}")

# %%
kit.check(FILE, task=1)

# %% [markdown]
# ## Task 2: FID from moments
#
# Take two Gaussians with these moments.  The squared **Fréchet distance** is
#
# $$\text{FID} = \|m_1 - m_2\|^2 + \operatorname{tr}(S_1) + \operatorname{tr}(S_2) - 2 \operatorname{tr}\big((S_1^{1/2} S_2\, S_1^{1/2})^{1/2}\big) .$$
#
# Read it with one feature: $(m_1 - m_2)^2 + (s_1 - s_2)^2$, with the standard deviations $s$.
#
# - **`root`**: $S^{1/2}$ is the symmetric matrix $R$ with $R R = S$, and not the root of each element.  `np.linalg.eigh` writes
#   $S = U \Lambda U^\top$, with the eigenvalues in the diagonal matrix $\Lambda$.  What is $R$?  An eigenvalue that is 0 on paper can
#   be $-10^{-17}$ in the computer: what must be done before the root?
# - **`fid`**: the trace of a root is the sum of the roots of the eigenvalues.  $S_1^{1/2} S_2\, S_1^{1/2}$ is symmetric
#   (`np.linalg.eigvalsh`); the product $S_1 S_2$ is not.
#
# *Tests without a computer.*  What is the FID of a set with itself?  Does it change if the two sets are exchanged?  If all
# features are doubled?

# %%
with kit.pending():
    a = kit.load(FILE)
    real = a.moments(train)
    for name, features in {"new real images": held_out, **fakes}.items():
        print(f"{name:16} FID {a.fid(real, a.moments(features)):5.2f}")

# %%
kit.check(FILE, task=2)

# %% [markdown]
# The first line is the **floor**: what *new real images* measure.  It is not 0, for both sets are finite.  And it depends on
# how many images there are:

# %%
with kit.pending():
    a = kit.load(FILE)
    real = a.moments(train)
    for n in (100, 250, 500):
        parts = [a.fid(real, a.moments(held_out[i : i + n])) for i in range(0, 500, n)]
        print(f"{n} new real images: FID {np.mean(parts):.2f}")

# %% [markdown]
# So "FID 2.5 is better than 3" says nothing unless both are made of equally many images.
#
# ## Task 3: KID without bias, and its error
#
# KID needs no Gaussians and has no bias.  Its kernel is a polynomial:
#
# $$k(x, y) = \Big(\frac{x^\top y}{D} + 1\Big)^3,\qquad
# \text{KID} = \frac{1}{N(N-1)}\sum_{i \ne j} k(x_i, x_j) + \frac{1}{M(M-1)}\sum_{i \ne j} k(y_i, y_j) - \frac{2}{NM}\sum_{i,j} k(x_i, y_j) .$$
#
# A kernel is an inner product of many functions of its arguments.  So the three means together are a squared length,
# $\|E\phi(x) - E\phi(y)\|^2$.  An image paired with *itself* would make the first two means too large: hence $i \ne j$, and
# $N(N-1)$ pairs.  In the third mean there are no such pairs.  An estimate without bias of a number that is 0 must be below 0 in about half
# of all cases.
#
# - **`kernel`** is the table of all pairs; one matrix product.
# - **`kid`** is one number.
# - **`kid_of_parts`** says how sure it is: cut both sets into parts, compute KID for each, and take the mean and its
#   standard error $s/\sqrt{\text{parts}}$.

# %%
with kit.pending():
    a = kit.load(FILE)
    for name, features in {"new real images": held_out, **fakes}.items():
        mean, error = a.kid_of_parts(train, features, 5)
        print(f"{name:16} KID {a.kid(train, features):+7.3f}; of five parts {mean:+7.3f} +- {error:.3f}")

# %%
kit.check(FILE, task=3)

# %% [markdown]
# ## Task 4: balls: precision and coverage
#
# One distance mixes two questions.  *Does each sample look real?*  *Is all of the data there?*  Put a ball around each real image,
# in the space of features.  Its radius is the distance to the $k$-th nearest other real image.  Then
#
# - **precision** is the share of samples that are inside at least one ball;
# - **coverage** is the share of balls that hold at least one sample.
#
# **`radii`** gives the radius of each ball.  Which place in the sorted distances has the image itself?  A point on the border is
# inside: otherwise an image that is there twice, with a ball of radius 0, would not even hold its own copy.  For the same reason
# equal rows must have the distance 0 *exactly*.  $\|x\|^2 + \|y\|^2 - 2 x^\top y$ is fast, but what is left of it for equal rows?
# And an array of all differences, $N \times M \times D$, is too large: go row by row, or block by block.

# %%
with kit.pending():
    a = kit.load(FILE)
    for name, features in {"new real images": held_out, **fakes}.items():
        print(
            f"{name:16} precision {a.precision(train, features, 5):.2f}, coverage {a.coverage(train, features, 5):.2f}"
        )

# %%
kit.check(FILE, task=4)

# %% [markdown]
# Twenty-five images, each repeated, are as realistic as new ones: precision does not see the failure.  Coverage does.  And which number sees that
# `training images` are copies?  None: copies look better than new images do.
#
# ## Task 5: the verdict
#
# - **`judge`** prints no number without its floor.  Only equal numbers of images can be compared, so both the samples and the new
#   images are cut to the smaller of the two lengths.
# - **`nearer_to_training`** finds copies.  A model that has learned the distribution has no reason to be nearer to *these*
#   training images than to new ones: about half of its samples are nearer to a training image.  Copies are all nearer.  It is fair only if both
#   sets are equally large: why?

# %%
with kit.pending():
    a = kit.load(FILE)
    print(f"{'':16} {'FID':>14} {'KID':>16} {'coverage':>13}   nearer to training")
    for name, features in fakes.items():
        found = a.judge(train, held_out, features)
        numbers = [f"{found[key][0]:6.3f} ({found[key][1]:6.3f})" for key in ("fid", "kid", "coverage")]
        print(f"{name:16}", *numbers, f"{a.nearer_to_training(train, held_out, features):8.2f}")

# %%
kit.check(FILE, task=5)

# %% [markdown]
# ## Your own GAN
#
# `minigen sample RUN -n 500 --out samples.npz` writes 500 images of a run of yours, or
# `np.savez("samples.npz", images=...)` those of assignment A4 (floats from -1 to 1, shape (500, 1, 28, 28)).  Put the
# file beside this notebook:

# %%
with kit.pending():
    a = kit.load(FILE)
    if Path("samples.npz").is_file():
        images = np.load("samples.npz")["images"].astype(np.float32)
        show_sheets({"yours": images}, "Twelve of your samples.")
        print(a.judge(train, held_out, look(images)))
        print("nearer to training:", a.nearer_to_training(train, held_out, look(images)))
    else:
        print("There is no samples.npz yet.")

# %% [markdown]
# Which of your model's numbers are at the floor?  Which failure do the others point to?  Write two sentences, as you would in a
# paper: the numbers, of how many images, beside their floors, and by which judge.
#
# ## Before you hand in
#
# - `minigen course check judge_a6.py` says that the public tests pass.
# - These are not all.  The tests after you have handed in look at other sizes (one feature, two images, sets of unequal length), at
#   float32 features, at singular covariances, at means far from 0, at images that occur twice, at points on borders, at memory, and at
#   what you may have changed in place.
# - A mistake in one task costs points in that task only: the others are then graded with a reference solution in its place.
# - Hand in `judge_a6.py`, nothing else, with its name and the names in it unchanged.
#
# *To read on:* `minigen/metrics` has each measure with its derivation and a paragraph "what it cannot see".
