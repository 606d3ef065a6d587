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
# # 13. How good is it? Numbers for generated images
#
# **The question.** Two students train a GAN.  One says: "FID 3."  The other says: "FID 2.5, so mine is better."  Is it?
# What does the number see, how sure is it, and what does it *not* see?
#
# At the end you will be able to
#
# - compute FID, KID and the inception score by hand, read precision, recall and coverage, and say what each is blind to;
# - print a number with its *floor*, the value that new real images have, and with an interval;
# - recognize a failure from a row of numbers; see why a distance can be *too* good;
# - say why a bootstrap is wrong here, why two judges cannot be compared, and what people can add;
# - measure whether a model gives away which images it was trained on.
#
# You need lesson 8 (what a GAN is), means, covariances and eigenvalues.  Plan two sittings: about 70 minutes for
# sections 1 to 5 and 40 for sections 6 to 9.  (Times are estimates for a reader who looks words up; they include the
# exercises.)  Six exercises check your answers.  New words are **bold**, with their Chinese name.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x$, $y$ | `real`, `fake` | features of a real and of a generated image |
# | $N$, $M$ | `n` | how many real images, and how many samples |
# | $D$ | `d` | how many features an image has (here 64; not the discriminator) |
# | $m$, $S$ | `mean`, `cov` | mean and covariance of features |
# | $k$ | `k` | which neighbor gives a ball its radius |
# | $p(c \mid x)$, $p(c)$ | `p` | probability of class $c$ that a judge reads in image $x$; its mean over all samples |
# | $H$ | | entropy, $-\sum_c p_c \log p_c$ |

# %%
import sys

import numpy as np
from PIL import Image

import minigen as mg
from minigen import lessons, metrics, plot
from minigen.course import evaluation as exercises
from minigen.course import show_source
from minigen.metrics.planted import plant

train, test = (mg.data.load("mnist5k", split) for split in ("train", "test"))
judges = metrics.load_judges()
reference = metrics.Reference(judges, train, test)
print(
    len(reference.real),
    "real images to compare with;",
    len(reference.held_out),
    "new real images that it does not hold",
)

# %% [markdown]
# ## 1. Nine sheets
#
# Each sheet below shows 16 of 500 images.  One sheet is real.  Some come from trained models of this library, some are real
# images with a *planted* failure, so we know what is wrong with them.
#
# **Before you read on, write down**: which sheet is real?  Which three are best, which are worst?  Keep the paper: the
# numbers come in section 5.


# %%
def stored(name):
    """500 samples of a trained model, stored as one picture of 20 rows and 25 columns."""
    picture = np.asarray(Image.open(lessons.FOLDER / "pictures" / f"samples_{name}.png"))
    levels = picture.reshape(20, 28, 25, 28).transpose(0, 2, 1, 3).reshape(500, 1, 28, 28)
    return mg.data.from_levels(levels)


sheets = {
    "real": plant("real", reference, 500),
    "cgan": stored("cgan"),
    "dcgan": stored("dcgan"),
    "vae": stored("vae"),
    "gan": stored("gan"),
    "three digits missing": plant("3, 5, 8 missing", reference, 500, seed=1),
    "25 images, 20 times": plant("50 images x 20", reference, 500, seed=2),  # 500 in all, so 25 of them
    "training images": plant("train copies", reference, 500, seed=3),
    "noise 0.1": plant("noise 0.1", reference, 500, seed=4),
}
order = [list(sheets)[i] for i in np.random.default_rng(13).permutation(9)]
letters = dict(zip("ABCDEFGHI", order))

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        3, 3, size=(5.6, 6.3),
        caption="Nine sheets of 16 images each. Which one is real? Which would you call good?",
    )  # fmt: skip
    for letter, place in zip(letters, axes.flat):
        images = sheets[letters[letter]]
        some = images[np.random.default_rng(0).permutation(len(images))[:16]]
        place.imshow(plot.image_grid(some, 4, padding=1), cmap="gray", interpolation="nearest")
        place.set_title(letter)
        place.set_axis_off()
picture

# %% [markdown]
# ## 2. Why not simply compare pixels?
#
# Two of the articles that this library grew from propose simple answers (`docs/articles.md` lists them, S0 to S4).  S4, in
# line 20, measures fidelity as the difference between a generated image and the real one.  But a generated image has no
# partner: *which* real one?  S3, in line 268, proposes "the difference of pixels" or "the performance of the
# discriminator".  Let us try it, with a "model" that always returns the mean of all training images, a gray cloud.
#
# **Predict**: what is nearer to a real digit on average, another real digit, or the gray cloud?

# %%
flat = test.images.reshape(len(test), -1).astype(np.float64)
cloud = train.images.reshape(len(train), -1).mean(0)
partner = flat[np.random.default_rng(0).permutation(len(flat))]
print(f"another real image: {((flat - partner) ** 2).mean():.2f} (mean squared difference of a pixel)")
print(f"the gray cloud:     {((flat - cloud) ** 2).mean():.2f}")

# %% [markdown]
# The cloud wins, by a factor of two, and this is no accident.  For independent $x$ and $x'$ of one distribution
# $E\|x - x'\|^2 = 2 \operatorname{tr} S$, and for the mean $E\|x - m\|^2 = \operatorname{tr} S$.  **A perfect generator is
# only half as good as a constant**, by this measure.
#
# The discriminator's output is no measure either.  It says how well *this* D tells these images, so a weak D makes any G
# look good; and a D that has learned its training images by heart looks good itself (section 8).
#
# So we do not compare image with image.  We compare two **distributions**: the set of the samples, and a set of real
# images.  Keep two questions apart:
#
# - **fidelity** (保真度): does each sample look real?
# - **diversity** (多样性): is all of the data there, in its right shares?

# %% [markdown]
# ## 3. Distances of features: FID and KID
#
# Distances of pixels do not see what an image shows: a digit that is shifted by a pixel is far away.  So images are first
# turned into **features** (特征), the outputs of the last hidden layer of a trained classifier.  In the literature that is
# Inception, a network for photographs.  For digits we ship a *judge*, trained on digits, with 64 features.  **A number depends on its
# judge**, so it can only be compared with numbers of the same judge.
#
# **FID** (Fréchet inception distance; Heusel et al. 2017) describes each set of features by its mean $m$ and its
# covariance $S$, and takes the squared Fréchet distance of two Gaussians with these:
#
# $$\text{FID} = \|m_1 - m_2\|^2 + \operatorname{tr}\big(S_1 + S_2 - 2\,(S_1 S_2)^{1/2}\big)$$
#
# The root is the root of a *matrix*: $R$ with $R R = S_1 S_2$.  Its trace is the sum of the roots of the eigenvalues of
# $S_1 S_2$.  In one dimension: $(m_1 - m_2)^2 + (\sigma_1 - \sigma_2)^2$.
#
# ### Exercise 13.1: FID by hand
#
# `np.cov(features, rowvar=False)` gives the covariance; `np.linalg.eigvals` gives eigenvalues, which by rounding may have a
# tiny imaginary part, or be a little below 0.


# %%
def fid(real, fake):
    """The FID of two arrays of features, (N, D) and (M, D): one number."""
    return ...


# %%
exercises.fid(fid)

# %% [markdown]
# <details><summary>Hint</summary>
#
# With one feature `np.cov` gives a number, not a matrix: `np.atleast_2d` helps.  Take `.real` of the eigenvalues and set
# those below 0 to 0, then the root of each, then the sum.
# </details>
#
# Our own source gives the two terms apart, and takes the root in a way that never becomes complex: the singular values of
# $S_1^{1/2} S_2^{1/2}$ are the roots of the eigenvalues of $S_1 S_2$, and singular values are never negative.

# %%
show_source(
    metrics.fid_terms, sys.modules[metrics.fid_terms.__module__]._terms, sys.modules[metrics.fid_terms.__module__]._root
)

# %%
features = {name: judges.looker.features(images) for name, images in sheets.items()}
for name in ("real", "cgan", "dcgan", "vae", "gan"):
    means, spread = metrics.fid_terms(reference.features, features[name])
    print(f"{name:6} FID {means + spread:5.2f} = means {means:5.2f} + covariances {spread:5.2f}")
print(f"variance of the real features: {reference.variance:.1f}")

# %% [markdown]
# New *real* images do not have 0: both sets are finite samples.  This is the **floor** of this number of images, and each
# distance should be printed beside it.  The last line gives the scale: the FID of `dcgan` (here: with the
# networks of the paper, lesson 9) is about a tenth of the variance
# of real features.  (Another judge has other features and another scale; as a share of the variance it says more.)
#
# **KID** (kernel inception distance; Bińkowski et al. 2018) does not assume Gaussians.  With the kernel
# $k(x, y) = (x^T y / D + 1)^3$, it is an estimate of $E\,k(x, x') + E\,k(y, y') - 2 E\,k(x, y)$:
#
# $$\frac{1}{N(N-1)}\sum_{i \ne j} k(x_i, x_j) + \frac{1}{M(M-1)}\sum_{i \ne j} k(y_i, y_j)
#   - \frac{2}{NM}\sum_{i,j} k(x_i, y_j)$$
#
# No image is paired with itself, so the estimate has no bias: its mean over many independent sets of real images is 0, and
# single values may be slightly below.  (Ours are about -0.004: the reference has exactly 10 % of each class, so it is a
# little more like other real images than a set drawn at random.)
#
# ### Exercise 13.2: KID without bias


# %%
def kid(real, fake):
    """The estimate above for two arrays of features, (N, D) and (M, D): one number, without an image paired with itself."""
    return ...


# %%
exercises.kid(kid)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `k = (a @ b.T / a.shape[1] + 1) ** 3` is the matrix of all pairs; `k.sum() - np.trace(k)` leaves out the diagonal.
# </details>
#
# ### More images, another number
#
# **Predict**: the same model, measured with 100, 250 and 500 samples.  Does FID rise, fall or stay?  And KID?

# %%
for n in (100, 250, 500):
    parts = [features["cgan"][start : start + n] for start in range(0, 500, n)]
    of_fid = np.mean([metrics.fid(reference.features, part) for part in parts])
    of_kid = np.mean([metrics.kid(reference.features, part) for part in parts])
    print(f"{n:4} samples: FID {of_fid:.2f}, KID {of_kid:+.3f}")

# %% [markdown]
# FID falls by itself when there are more samples: the estimated covariance of a few images is far from the true one.  So
# **"FID 2.5 is better than 3" means nothing if the numbers of images differ.**  KID stays.

# %% [markdown]
# ## 4. Classes: the inception score, and two judges
#
# A judge that reads classes gives $p(c \mid x)$ for each sample.  The **inception score** (Salimans et al. 2016) wants two
# things: each sample is of a *clear* class (low entropy of $p(c \mid x)$), and *all* classes occur (high entropy of their
# mean $p(c)$):
#
# $$\text{IS} = \exp\big(H(p(c)) - \text{mean}_x\, H(p(c \mid x))\big), \qquad 1 \le \text{IS} \le \text{number of classes}$$
#
# The upper limit: $H(p(c)) \le \log 10$ and $H \ge 0$.
#
# ### Exercise 13.3: the inception score


# %%
def inception_score(p):
    """The score of an array of probabilities, (number of samples, number of classes): each row is p(c | x) of one sample."""
    return ...


# %%
exercises.inception_score(inception_score)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A judge may be so sure that a probability is 0.  $q \log q \to 0$ for $q \to 0$, but `0 * np.log(0)` is NaN.  Take the
# logarithm of `np.where(q > 0, q, 1)`.
# </details>

# %%
for name in ("real", "cgan", "dcgan", "three digits missing"):
    p = judges.reader.probabilities(sheets[name])
    print(f"{name:20} inception score {metrics.inception_score(p):.1f}")

# %% [markdown]
# ### One judge cannot do both
#
# FID should *see* noise.  But a judge that reads classes should see *through* it.  So there are two judges with the same
# architecture: the **looker**, trained on clean images, gives features; the **reader**, trained on noisy and blurred images
# too, gives classes.  Look what happens if the looker reads the classes of the dense GAN, whose images are full of specks:

# %%
for name, judge in (("looker", judges.looker), ("reader", judges.reader)):
    shares = np.bincount(judge.predict(sheets["gan"]), minlength=10) / 500
    print(f"{name}: " + ", ".join(f"{share:.0%} {digit}" for digit, share in enumerate(shares)))

# %% [markdown]
# Look at the ones.  A report by the looker alone would say: mode collapse, there are hardly any ones.  It is the judge that
# fails.  **Before you believe a number, ask whether the judge can read these images.**

# %% [markdown]
# ## 5. Balls: precision, recall, coverage
#
# One number mixes fidelity and diversity.  Balls keep them apart.  Around each real image, in the space of features, put a
# ball whose radius is the distance to its $k$-th nearest real neighbor.
#
# - **precision** (精确率): the share of samples inside a ball of a real image. Fidelity.
# - **recall** (召回率): the same with the roles exchanged, the share of real images inside a ball of a sample. Diversity.
# - **coverage** (覆盖率): the share of real balls that hold a sample. Diversity; junk among the samples does not help it.


# %% jupyter={"source_hidden": true}
def circles(place, centers, radii, color):
    from matplotlib.patches import Circle

    for center, radius in zip(centers, radii):
        place.add_patch(Circle(center, radius, color=color, alpha=0.08, linewidth=0))


random = np.random.default_rng(4)
real2 = np.concatenate([random.normal((-1.5, 0), 0.5, (25, 2)), random.normal((1.5, 0), 0.5, (25, 2))])
fake2 = np.concatenate([random.normal((-1.5, 0), 0.3, (38, 2)), random.uniform((-3, 1.6), (3, 2.8), (6, 2))])
k2 = 3
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 4.7),
        caption="Two groups of real points (blue); the samples (orange) reach one group only, and six are junk. Left: balls "
        "of real points hold the good samples. Right: balls of samples; those of the junk are huge.",
    )  # fmt: skip
    for place, centers, color, title in (
        (axes[0], real2, plot.COLORS["blue"], "balls of real points"),
        (axes[1], fake2, plot.COLORS["orange"], "balls of samples"),
    ):
        distances = np.sort(np.linalg.norm(centers[:, None] - centers[None], axis=2), axis=1)
        circles(place, centers, distances[:, k2], color)
        place.plot(*real2.T, "o", color=plot.COLORS["blue"], markersize=4, label="real")
        place.plot(*fake2.T, "^", color=plot.COLORS["orange"], markersize=4, label="samples")
        place.set(xlim=(-4, 4), ylim=(-2.5, 3.8), aspect="equal", title=title, xlabel="feature 1", ylabel="feature 2")
    axes[0].legend(loc="upper right")
picture

# %% [markdown]
# **Predict** from the picture: which of the three numbers is about one half?

# %%
found = metrics.precision_recall(real2, fake2, k=k2)
print(f"precision {found.precision:.2f}, recall {found.recall:.2f}, coverage {found.coverage:.2f}")

# %% [markdown]
# Precision counts most of the junk as outside.  Coverage is about one half: only one group is reached.  Recall is
# larger than it should be: the junk's huge balls hold real points of the other group.  That is why we print both.
#
# ### Exercise 13.4: the coverage of a perfect model
#
# A perfect model's samples have the distribution of the data.  Its coverage is *not* 1.  The ball of a real image is empty
# if its $k$ nearest among the $N - 1$ other real images and $M$ samples are all real.  All orders are equally likely: the
# nearest is real with probability $(N - 1)/(N + M - 1)$, then the next ...


# %%
def expected_coverage(real, fake, k):
    """The coverage to expect; `real` is the number N of real images, `fake` the number M of samples."""
    return ...


# %%
exercises.expected_coverage(expected_coverage)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A product of $k$ factors $(N - i)/(N + M - i)$, $i = 1 \dots k$, is the probability that a ball is empty.
# </details>

# %%
perfect = metrics.expected_coverage(len(reference.real), 500)
measured = metrics.precision_recall(reference.features, features["real"]).coverage
print(f"a perfect model with 500 samples: expected coverage {perfect:.3f}; 500 new real images: {measured:.2f}")

# %% [markdown]
# ### The nine sheets, measured
#
# Take your paper.  *TV* is the total variation of the classes: half of the sum of $|\text{share} - \text{share}'|$ over the
# classes, as the reader reads them in the samples and in the real images.

# %%
print("sheet                        FID     KID   IS  precision recall coverage   TV")
for letter, name in letters.items():
    v = reference.measure(sheets[name], copies=False).values
    print(
        f"{letter} {name:22} {v['fid']:7.2f} {v['kid']:+7.3f} {v['inception_score']:4.1f} {v['precision']:10.2f} "
        f"{v['recall']:6.2f} {v['coverage']:8.2f} {v['class_tv']:4.2f}"
    )

# %% [markdown]
# Who was fooled?
#
# - **You**, probably, by `training images`: no eye can see that they are copies. And by `three digits missing` and
#   `25 images, 20 times`: on a sheet of 16 every image is beautiful.
# - **FID** cannot tell the training images from new real ones, and puts the 25 repeated images beside the VAE.
# - **Precision** is blind to missing digits, and at its best for copies.
# - **Recall** of the repeated images is `nan`: most samples have neighbors at the distance 0, so their balls are points.
# - **IS** does not see noise, copies, or anything that the reader reads well.
# - **Coverage** sees the repeated images best of all, and by its definition it is *larger* for copies.
#
# No single number is enough, and none of them finds copies.
#
# ### Exercise 13.5: which failure is this row?
#
# Five sets of 500 images, each with one failure, and the floor (500 new real images).  Put one of the printed failures, in
# the same words, at each letter:

# %% jupyter={"source_hidden": true}
print("row   " + "".join(f"{name:>11}" for name in exercises.ROWS["floor"]))
for name, row in exercises.ROWS.items():
    print(f"{name:6}" + "".join(f"{value:11.2f}" for value in row.values()))
print("\nfailures:", "; ".join(exercises.FAULTS))

# %%
which_failure = {"A": ..., "B": ..., "C": ..., "D": ..., "E": ...}

# %%
exercises.which_failure(which_failure)

# %% [markdown]
# ## 6. How sure is the number?
#
# A popular tool is the **bootstrap** (自助法): draw 500 of the 500 samples *with* replacement, compute FID, repeat.  It needs
# no new samples.  Compare it with what an interval should describe, *fresh* sets of 500.  (For the real images we can do both.)
#
# **Predict**: will the bootstrap's mean agree with the FID of the samples?

# %%
random = np.random.default_rng(0)
new = judges.looker.features(reference.held_out.images)
one = new[random.permutation(len(new))[:500]]
again = [metrics.fid(reference.features, one[random.integers(0, 500, 500)]) for _ in range(10)]
fresh = [metrics.fid(reference.features, new[random.permutation(len(new))[:500]]) for _ in range(10)]
print(f"this set of 500:    FID {metrics.fid(reference.features, one):.2f}")
print(f"bootstrap of it:    FID {np.mean(again):.2f}, all between {min(again):.2f} and {max(again):.2f}")
print(f"fresh sets of 500:  FID {np.mean(fresh):.2f}, all between {min(fresh):.2f} and {max(fresh):.2f}")

# %% [markdown]
# The bootstrap is *wrong*, not only imprecise: no value of it is as small as that of the set it was drawn from.  A bootstrap
# sample holds only 63 % of the images, many of them twice, and repeated images look like a model that has collapsed.
# A generator has something better: it can be asked again.  `minigen evaluate` draws 10 fresh sets and prints a *t interval* for their mean: the mean
# plus and minus $t$ standard errors, where $t$ is 2.26 for 10 values and 2.78 for 5.
#
# That interval is about the *samples*.  It does not know how different the model would be after another training.  Seeds do.
# The same dense GAN (24 epochs), trained with five seeds (stored; made once):

# %% jupyter={"source_hidden": true}
seeds = np.array([22.3, 18.0, 26.8, 21.4, 48.5])
interval = metrics.t_interval(seeds)
print("FID of five seeds:", ", ".join(f"{value:.1f}" for value in seeds))
print(
    f"mean {interval.value:.1f}, standard deviation {seeds.std(ddof=1):.1f}; the samples of one seed vary by 0.2 to 1.6"
)
print(f"95 % interval over seeds: {interval.low:.1f} to {interval.high:.1f}")

# %% [markdown]
# So: **one seed is one number, not a result.**  Show each seed, never drop a bad one, and say how many there were.
#
# ### Exercise 13.6: FID 0.024: the best model of all?
#
# Your friend's model has an FID of 0.024 with 1,000 samples.  New real images have 0.070, with a standard deviation of 0.013
# over 10 sets: the friend's is *smaller*.  Write `verdict(value, floor, sd)`.  It returns `"no difference"` if the distance
# `value` is at most two standard deviations `sd` away from `floor`, and `"worse"` if it is farther above.  What is a
# distance that is farther *below* the floor, `"alarm"` or `"best"`?  Decide, and return that word.


# %%
def verdict(value, floor, sd):
    return ...


# %%
exercises.verdict(verdict)

# %% [markdown]
# <details><summary>Hint</summary>
#
# What is nearer to the training images than new real images are?
# </details>
#
# ## 7. Copies
#
# Distances become better with copies, so copies need a separate search: how far is each sample from the nearest training image?  A
# sample is counted as a near copy if it is nearer than 99 % of the *test* images are.  Without copies that is 1 %.

# %%
search = metrics.CopySearch(reference.real.images, test.images)
for name in ("cgan", "dcgan", "vae", "gan", "training images", "noise 0.1"):
    print(f"{name:16} {search(sheets[name]).near:6.1%} near copies")

# %% [markdown]
# The four models do not copy.  (`noise 0.1` is not a copy of these images: the noise was planted in *new* images.)  What this
# number does not see: a copy that is shifted by one pixel is far away in pixels.  So look at the closest pairs, always;
# `minigen evaluate` shows five.
#
# The FID of exercise 13.6 is weak evidence, by the way: other sets of 1,000 training images had 0.047 and 0.058, within the
# spread of the floor.  A stronger one is the **1-NN accuracy**: mix samples and real images, and ask of each whether its
# nearest neighbor is of the same kind.  Equal distributions give one half.  *Below* one half, samples and real images come in
# pairs:

# %%
for name in ("real", "cgan", "dcgan", "training images"):
    part = reference.features[:: len(reference.features) // 500][:500]
    print(
        f"{name:16} 1-NN accuracy with 500 real images {metrics.nearest_neighbor_test(part, features[name]).accuracy:.2f}"
    )

# %% [markdown]
# ## 8. Does the model give away its training images?
#
# No sample is a copy; is the training set safe then?  Not quite.  A network may treat the images that it has seen
# differently.  **Membership inference** (成员推断): take D's output of an image as a *score* (of a VAE the ELBO, its bound on the image's log-probability:
# lesson 12).
# Say "this was a training image" wherever the score is above a limit.  Two shares describe the limit: the *hits*, training
# images above it, and the *false alarms*, new images above it.  A low limit has many of both, a high one few.  Draw the hits over the false
# alarms for all limits: this is the **ROC curve** (受试者工作特征曲线), from (0, 0) to (1, 1).  A score that knows nothing has equal
# shares everywhere: the diagonal.  A score that separates the two kinds goes up to (0, 1) first.  The area under the
# curve, **AUC**, is the probability that a random training image has a higher score than a random new one: 0.5 says nothing,
# 1 gives away every image.  Three scores of each kind:

# %%
of_training, of_new = np.array([0.9, 0.7, 0.4]), np.array([0.6, 0.3, 0.2])
for limit in (0.8, 0.5, 0.35, 0.1):
    hits, false_alarms = (of_training > limit).mean(), (of_new > limit).mean()
    print(f"limit {limit:.2f}: hits {hits:.2f}, false alarms {false_alarms:.2f}")
pairs = of_training[:, None] > of_new
print(f"AUC: in {pairs.sum()} of {pairs.size} pairs the training image has the higher score, {pairs.mean():.3f}")

# %% [markdown]
# **Predict** the AUC of D for a DCGAN that was trained on 100 images, and on 4,000.
#
# (Made once and stored: `python lessons/reference/leakage.py` trains the runs and prints the table with all seeds.)

# %% jupyter={"source_hidden": true}
print("""\
score          images  shifted   seed   AUC   95 %
output of D       100  no          0  1.000   0.964 to 1.000
output of D       100  no          1  1.000   0.964 to 1.000
output of D       100  yes         0  0.583   0.532 to 0.633
output of D       100  yes         1  0.569   0.513 to 0.623
output of D     4,000  no          0  0.585   0.560 to 0.610
output of D     4,000  no          1  0.588   0.563 to 0.613
output of D     4,000  yes         0  0.521   0.495 to 0.546
output of D     4,000  yes         1  0.519   0.494 to 0.544
ELBO              100  no          0  0.972   0.962 to 0.980
ELBO              100  no          1  0.984   0.976 to 0.989
ELBO              100  yes         0  0.760   0.724 to 0.793
ELBO              100  yes         1  0.776   0.744 to 0.806
ELBO            4,000  no          0  0.579   0.554 to 0.604
ELBO            4,000  no          1  0.578   0.553 to 0.603
ELBO            4,000  yes         0  0.517   0.492 to 0.543
ELBO            4,000  yes         1  0.516   0.491 to 0.541""")

# %% [markdown]
# With 100 images D gives away *every single* training image: each has a higher output than each new image.  The ELBO orders
# 97 to 98 of 100 such pairs rightly.  No sample needs to be a copy for this.  With 4,000 there is little left, but not
# nothing: 0.58.  (There the new images are test images.  They differ from the
# training images a little also for models that have seen neither: 0.50 to 0.53.)  A remedy is in the third column:
# if all images, real and generated, are shifted at random by up to three pixels, D cannot learn single images by heart; for the VAE
# the same shifts help less.
#
# What the number does not see: it is a mean over all images.  A model that remembers 5 of 4,000 has an AUC of 0.5006,
# although these five images are given away.
#
# ## 9. Be the human
#
# The last judge is a person.  Not "rate this image from 1 to 10": that measures taste.  Show a real image beside a sample of
# the same class, and ask which is real: a **two-alternative forced choice**.  With a perfect generator a person guesses, 50 %.
#
#     minigen train dcgan
#     minigen human dcgan-mnist5k --pairs 50        # writes sheet.html, and key.json apart
#     minigen human score key.json answers-*.json
#
# How sure is one person's result?  **Wilson's interval** has a sensible width also where all answers are right:

# %%
for right, pairs in ((50, 50), (26, 50), (52, 100), (208, 400)):
    found = metrics.wilson(right, pairs)
    print(f"{right:3} of {pairs:3} right: {found.value:.0%}, 95 % interval {found.low:.0%} to {found.high:.0%}")

# %% [markdown]
# With 50 pairs "52 % right" may be 39 or 65 %.  With several people take the interval *over people*: their answers must
# not be put together as if one person had given them all.
#
# People see what numbers do not, such as a stroke that no pen makes.  But a person looks at one image at a time, so
# people are blind to what the numbers of section 5 see: missing digits, repeated images, copies.
#
# ## Why this sign, this scale, this detail?
#
# - **Why the 2 in FID?** The distance is the smallest $E\|x - y\|^2$ over all ways to pair the $x$ of one Gaussian with the $y$
#   of the other.  This has the cross term $-2 E\,x^T y$; apart from the means, $E\,x^T y$ is at most the trace of the root.
# - **Why no diagonal in KID?** A pair of an image with itself is always alike; the mean over such pairs is not
#   $E\,k(x, x')$ of *independent* images.
# - **Why exp in IS?** An entropy counts in nats; its exponential counts classes.
# - **Why is a floor needed?** Two finite sets of one distribution are not equal.  A distance means something only beside
#   the distance that real images have.
# - **Why images rounded to 256 levels, before all of this?** A file holds no more, and a number should describe the file.
#
# ## To a friend, in three sentences
#
# A number for a generator compares two *sets* of images by the features of a judge, so it means nothing without the
# judge, the number of images, and the value that new real images have.  Each number is blind to something: distances are
# best for copies, precision does not see a missing class, people do not see repetition.  So print several, with intervals
# over fresh samples and over seeds, and look at the closest pairs.
#
# **Go on.**  `minigen evaluate RUN` prints all of this for a run of yours.  The source: `minigen/metrics/`, one measure a
# file, each with "What it cannot see".  Literature numbers (FID 6.8 of a GAN on MNIST) use Inception and 60,000 images: never
# compare them with these.  The solutions: `lessons/solutions/13_evaluation.py`.
