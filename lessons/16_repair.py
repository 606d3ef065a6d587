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
# # 16. Repair and translation: what is possible, what is chosen
#
# **The question.** A digit has a hole.  A network was trained to fill it, with the mean squared error, for as long as you
# like.  The hole is filled with *grey*.  Why?  And what must change so that it is filled with a stroke?
#
# The answer is the same for every task of this lesson: removing noise, filling holes, painting outlines, translating
# between two kinds of images.  **A pixel loss predicts the mean, or the median, of what is possible.  Where the input leaves
# little open, that is the best answer there is.  Where it leaves much open, it is grey, or nothing.  An adversary then
# chooses something definite, which is sharper, and farther from the truth.**
#
# At the end you will be able to
#
# - derive what L2 and L1 predict, and say when that is good;
# - compute a loss inside a mask, and say why known pixels never change;
# - compare a repair with classical methods, by numbers that are fair;
# - repair an image with a network that has seen no other, and say when to stop;
# - derive the gradient of a Gram matrix's loss, and say what a style is;
# - say what a cycle loss determines, and what it does not.
#
# You need the losses of lesson 8 and convolutions (lesson 3).  Plan two sittings of about 40 minutes: sections 1 to 3,
# sections 4 to 6.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x$, $d$ | `truth`, `damaged` | an image as it was, and damaged |
# | $y$ | `output` | what the network gives |
# | $m$ | `mask` | 1 in the hole, 0 where pixels are known |
# | $C, N, H, W, P$ | | channels, images, height, width, and pixels $P = HW$ |
# | $F, G, A$ | `features` | features ($C \times P$); their Gram matrix; the Gram matrix of a style |
# | $\mathcal A(x), \mathcal B(y)$ | `model.a`, `model.b` | section 6: the translations there and back |

# %%
import numpy as np

import minigen as mg
from minigen import losses, plot
from minigen.course import repair as exercises
from minigen.course import show_source
from minigen.metrics import psnr
from minigen.models import image_prior, style_transfer

digits = mg.data.load("mnist5k").images
held_out = mg.data.load("mnist5k", split="test").images

# %% [markdown]
# ## 1. Why is the repaired digit grey?
#
# **Predict.**  You see everything of a digit but a square in the middle.  You may give any number for a pixel inside, and
# pay the squared difference to the truth.  You have seen the same surroundings ten times before; the pixel was white
# (1) in four cases and black (-1) in six.  What do you say?
#
# The cost is $E[(y - x)^2] = (y - E[x])^2 + \mathrm{Var}(x)$.  So it is least at the **mean** (均值), $y = E[x \mid d]$:
# here $-0.2$, a dark grey.  For $E|y - x|$, the derivative in $y$ is $P(x < y) - P(x > y)$, which is 0 at the **median**
# (中位数): here $-1$, black.  Neither is a stroke.

# %%
x = np.array([1.0] * 4 + [-1.0] * 6)
y = np.linspace(-1.2, 1.2, 25)
squared = ((y[:, None] - x) ** 2).mean(1)
absolute = np.abs(y[:, None] - x).mean(1)
print(f"least squared error at y = {y[squared.argmin()]:.1f}: the mean is {x.mean():.1f}")
print(f"least absolute error at y = {y[absolute.argmin()]:.1f}: the median is {np.median(x):.1f}")

# %% [markdown]
# No network is needed to see it on digits.  Take a digit with a hole, look for the training digits whose *known* pixels are
# most similar, and take the mean, and the median, of their pixels in the hole.

# %%
mask = np.zeros((28, 28), bool)
mask[7:21, 7:21] = True


def similar(image, count=15):
    """The training digits whose known pixels are nearest to those of an image."""
    known = ~mask
    distances = ((digits[:, 0][:, known] - image[0][known]) ** 2).sum(1)
    return digits[np.argsort(distances, kind="stable")[:count]]


rows, greys = [], []
for truth in held_out[[60, 250, 345, 560, 850]]:
    near = similar(truth)
    mean, median = np.where(mask, near.mean(0), truth), np.where(mask, np.median(near, axis=0), truth)
    rows += [np.where(mask, -1, truth), mean, median, *near[:3], truth]
    greys.append([(np.abs(image[0][mask]) < 0.6).mean() for image in (mean, median, truth)])
print("half-grey pixels in the hole: mean {:.2f}, median {:.2f}, truth {:.2f}".format(*np.mean(greys, 0)))

# %% jupyter={"source_hidden": true}
plot.show_images(
    np.stack(rows),
    ["hole", "mean", "median", "similar", "similar", "similar", "truth"] * 5,
    ncols=7,
    caption="Each similar digit is sharp. Their mean is grey where they disagree; their median drops what is in a minority.",
)

# %% [markdown]
# A network trained with L2 learns this mean, for all inputs at once.  **Training longer does not help: grey is the
# minimum.**  And since PSNR is $-10 \log_{10}$ of the mean squared error, the grey repair has the *best* PSNR.
#
# ### What does L1 say if each colour is on in half of the cases?
#
# The set `edges:shapes` shows the edges of a shape, without its colour.  Of the six colours, red, green and blue are each on
# in exactly three.  **Predict**: which colour does a network with L1 paint?

# %%


def train(model, data, steps, batch_size, seed=0):
    """Train a model for some steps; `minigen train` does the same, and keeps everything."""
    loader, done = mg.data.Loader(data, batch_size, seed=seed, drop_last=True), 0
    while done < steps:
        for batch in loader:
            model.schedule(done / steps)
            model.training_step(batch)
            done += 1
            if done == steps:
                break
    return model


edges = mg.data.load("edges:shapes", size=16)
mg.manual_seed(0)
painter = train(mg.models.Pix2Pix(out_channels=3, width=8, adversarial=0.0), edges, 120, 16)
test = mg.data.load("edges:shapes", "test", size=16)
scores = mg.metrics.translation_scores(painter, test)
painted = painter.apply(test.images[:9])

# %% tags=["varies"]
print(
    f"mean absolute error {scores['l1']:.3f}, of a black image {scores['l1_black']:.3f}; IoU with the shape {scores['iou']:.2f}"
)

# %% [markdown]
# Nothing is drawn, and that is what L1 asks for.  Now add a discriminator that sees edges and painting together
# (**pix2pix**), with weight 1, and L1 with weight 10.  **Predict**: which becomes better, the absolute error or the look?
# How often is the colour right?

# %%
mg.manual_seed(0)
artist = train(mg.models.Pix2Pix(out_channels=3, width=8), edges, 200, 16)
chosen = mg.metrics.translation_scores(artist, test)

# %% tags=["varies"]
print(f"{'':22} {'L1':>8} {'with adversary':>15}")
for name, text in {
    "l1": "mean absolute error",
    "iou": "IoU with the shape",
    "saturation": "saturation",
    "hue": "colour right",
}.items():
    print(f"{text:22} {scores[name]:8.3f} {chosen[name]:15.3f}")

# %% jupyter={"source_hidden": true} tags=["varies"]
plot.show_images(
    np.concatenate([np.repeat(test.images[:9], 3, 1), painted, artist.apply(test.images[:9]), test.partners[:9]]),
    ncols=9,
    caption="Edges; painted with L1; with L1 and an adversary; the truth. The adversary makes it choose a pure colour, and the "
    "colour cannot be known.",
)

# %% [markdown]
# The adversary does not know the colour either.  It only rejects what never occurs, and a black or grey shape never does.
# So the network chooses, is right about as often as chance (one in six), and its absolute error is *larger* than that of
# painting nothing.  **Sharper, and farther from the truth.**

# %% [markdown]
# ## 2. Masks: a loss inside the hole
#
# The known pixels need no prediction.  So the loss is computed in the hole only, and the known pixels are put over the
# output, the **composite** (合成): $m\,y + (1 - m)\,x$.  Here is the derivation's core, from our source:

# %%
show_source(losses.masked_l2)

# %% [markdown]
# ### Exercise 16.1: the loss in a hole
#
# Write it in NumPy.  What do you divide by?


# %%
def masked_loss(y, x, m):
    """Mean squared error in the hole; y and x (N, C, H, W), m (N, 1, H, W) with 1 in the hole."""
    return ...


exercises.masked_loss(masked_loss)

# %% [markdown]
# The gradient is $2m(y - x)/(C \sum m)$.  It is 0 outside, so whatever the network says there costs nothing:

# %%
output = mg.tensor(np.random.default_rng(0).standard_normal((1, 1, 28, 28)), requires_grad=True)
loss = losses.masked_l2(output, mg.tensor(held_out[:1].astype(float)), mg.tensor(mask[None, None].astype(float)))
(gradient,) = mg.grad(loss, [output])
print(
    "largest gradient outside:",
    np.abs(gradient.numpy()[0, 0][~mask]).max(),
    " inside:",
    f"{np.abs(gradient.numpy()).max():.3f}",
)

# %% [markdown]
# Enlarging an image is a hole too: three of four pixels are missing.  A network computes four numbers for each small pixel,
# and a **pixel shuffle** makes them a block of $2 \times 2$.
#
# ### Exercise 16.2: four channels make a pixel of 2 x 2
#
# Channel $c r^2 + i r + j$ of a small pixel goes to row $i$, column $j$ of its block, in channel $c$.


# %%
def pixel_shuffle(x, r):
    """(N, C r r, H, W) to (N, C, r H, r W), by reshape and transpose only."""
    return ...


exercises.pixel_shuffle(pixel_shuffle)

# %% [markdown]
# ## 3. Can a network repair a picture without having seen any?
#
# Noise leaves little open: the mean is a good answer, and `minigen train repair` learns it from patches of photographs.
# But here is something stranger.  A network with random weights gets a fixed image of noise, and its weights are trained
# until its output is *one* noisy photograph.  It has seen nothing else (Ulyanov et al. 2018).
#
# **Predict**: the loss compares with the noisy photograph.  What is the output at the end of the training?

# %%
photograph = mg.data.photographs("test")["astronaut"][:, 20:244, 120:344]
photograph = (
    mg.functional.interpolate(mg.tensor(photograph[None]), 48, mode="bicubic", antialias=True).numpy()[0].clip(-1, 1)
)
noisy = photograph + (25 / 127.5) * np.random.default_rng(0).standard_normal(photograph.shape).astype(np.float32)
quality = []
result = image_prior(
    noisy, steps=500, width=24, film=(30, 100, 200, 500),
    on_step=lambda step, output: quality.append(psnr(output.clip(-1, 1), photograph)),
)  # fmt: skip
best = int(np.argmax(quality)) + 1

# %% tags=["varies"]
print(
    f"noisy {psnr(noisy, photograph):.1f} dB; best {max(quality):.1f} dB at step {best}; at the end {quality[-1]:.1f} dB"
)
for step in (1, 100, 200, 300, 400, 500):
    print(f"step {step:3}: loss {result.losses[step - 1]:.4f}, {quality[step - 1]:.1f} dB to the truth")

# %% jupyter={"source_hidden": true} tags=["varies"]
plot.show_images(
    np.stack([photograph, noisy.clip(-1, 1), *result.film.values()]),
    ["truth", "noisy", *(f"step {step}" for step in result.film)],
    ncols=6,
    caption="The network makes what is smooth first, then edges, then noise. The loss falls all the time.",
)

# %% [markdown]
# Convolutions make smooth and repeated things easily, and noise last.  The *architecture* is a prior (先验).  The loss does
# not know when to stop; only the truth does, or your eye.
#
# ### Exercise 16.5: when to stop the prior

# %%


def when_to_stop(losses, outputs, truth):
    """The step, from 0, whose output (outputs is (T, H, W)) is nearest to the truth."""
    return ...


exercises.when_to_stop(when_to_stop)

# %% [markdown]
# ## 4. What is a style?
#
# Take features $F$ of an image: the outputs of some filters, one row for each filter, one column for each pixel.  Their
# **Gram matrix** (格拉姆矩阵) $G = F F^T / P$ says which features come together, and how strongly.  **Predict**: you shuffle the
# pixels of the features, all channels alike.  What happens to $G$?

# %%
features = np.random.default_rng(0).standard_normal((1, 4, 8, 8))
order = np.random.default_rng(1).permutation(64)
shuffled = features.reshape(1, 4, 64)[:, :, order].reshape(features.shape)
before, after = (losses.gram_matrix(mg.tensor(each)).numpy() for each in (features, shuffled))
print(
    f"largest difference of the features {np.abs(features - shuffled).max():.1f}, of the Gram matrices {np.abs(before - after).max():.0e}"
)

# %% [markdown]
# Nothing.  $G$ sees texture, and not place.  So to paint a photograph in the style of another picture, we change its
# *pixels* until the Gram matrices are alike, while light and dark stay where they were.  The loss is
# $L = |G - A|^2/|A|^2$.
#
# ### Exercise 16.3: the gradient of the Gram loss
#
# $dG = (dF\,F^T + F\,dF^T)/P$.  Find $\partial L/\partial F$.


# %%
def gram_gradient(F, A):
    """The gradient of |F F^T / P - A|^2 / |A|^2 in F, an array (C, P)."""
    return ...


exercises.gram_gradient(gram_gradient)

# %% [markdown]
# The features of our style are ReLUs of *random* filters.  No network was trained for them:


# %%
def small(image, size=64):
    """A square cut of a photograph, reduced."""
    side = min(image.shape[1:])
    cut = mg.tensor(image[None, :, :side, :side])
    return mg.functional.interpolate(cut, size, mode="bicubic", antialias=True).numpy()[0].clip(-1, 1)


content = small(mg.data.photographs("test", 3)["astronaut"])
styles = [small(mg.data.photographs("train", 3)[name]) for name in ("ihc", "china")]
made = [style_transfer(content, style, 3.0, evaluations=60) for style in styles]

# %% jupyter={"source_hidden": true} tags=["varies"]
plot.show_images(
    np.stack([content, styles[0], made[0].image, styles[1], made[1].image]),
    ["content", "style 1", "in style 1", "style 2", "in style 2"],
    ncols=5,
    caption="Colours and grain come from the style, light and dark from the content. Larger things of the style do not come over: "
    "no filter is larger than 36 pixels of the picture.",
)

# %% [markdown]
# ## 5. Translation without pairs
#
# Now there are two collections, thin light digits and thick dark ones, and we do not know which belongs to which.  A
# **CycleGAN** has two translators, $\mathcal A$ there and $\mathcal B$ back, and a discriminator for each collection.  Each translator learns
# to make images that its discriminator accepts, and the **cycle loss** (循环一致性损失) asks for
# $\mathcal B(\mathcal A(x)) = x$ and $\mathcal A(\mathcal B(y)) = y$.

# %%
show_source(mg.models.CycleGAN.training_step)

# %% [markdown]
# ### Exercise 16.4: where to detach in a cycle
#
# Three losses: of D (`discriminator`), of $\mathcal A$ against D (`adversary`), and
# $|\mathcal B(\mathcal A(x)) - x|$ (`cycle`).  Which images must be
# detached in each?  a: $\mathcal A(x)$.  b: the real $y$.  c: $\mathcal B(\mathcal A(x))$.  Give the letters in one string, `""` for none.

# %%
where_to_detach = {"discriminator": ..., "adversary": ..., "cycle": ...}

exercises.where_to_detach(where_to_detach)

# %% [markdown]
# Here it learns on the smallest digits, of 8 pixels, for 200 steps.  For the test digits the right partner is known.  (With
# `minigen train cyclegan`, which takes the digits of 28 pixels, it takes a few minutes.)

# %%
thin, test_digits = mg.data.load("thick:digits"), mg.data.load("thick:digits", "test")
mg.manual_seed(0)
translator = train(mg.models.CycleGAN(width=8), thin, 200, 8)
found = mg.metrics.translation_scores(translator, test_digits)

# %% tags=["varies"]
print(
    f"{found['psnr']:.1f} dB to the truth, {found['psnr_back']:.1f} dB on the way back, {found['psnr_cycle']:.1f} there and back"
)
print(
    f"for comparison: the inverted image {found['psnr_invert']:.1f} dB, the unchanged image {found['psnr_copy']:.1f} dB"
)

# %% jupyter={"source_hidden": true} tags=["varies"]
some = test_digits.images[slice(0, 350, 35)]
made = translator.apply(some)
plot.show_images(
    np.concatenate([some, made, translator.apply(made, back=True), test_digits.partners[slice(0, 350, 35)]]), ncols=10,
    caption="Thin digits; their translations; the same translated back; the truth of the second row.",
)  # fmt: skip

# %% [markdown]
# What does the cycle loss determine?  **Any** one-to-one map between the collections has a cycle loss of 0, if $B$ undoes it.
#
# ### Exercise 16.6: which maps have no cycle loss
#
# $\mathcal A$ maps coloured shapes to coloured shapes.  For which $\mathcal A$ is there a $\mathcal B$ such that the cycle loss is 0?  a: the identity.
# b: the mirror image.  c: red and blue exchanged.  d: every shape becomes red.  e: some one-to-one exchange of whole
# images, without any system.  f: every shape is moved to the middle.

# %%
cycle_maps = {"zero": ...}  # letters in one string

exercises.cycle_maps(cycle_maps)

# %% [markdown]
# ### In words
#
# Answer for yourself, and then compare with `lessons/solutions/16_repair.py`:
#
# 1. Why does L1 paint black shapes in section 1, though every colour in the data is pure?
# 2. Noise and holes: why is the mean a fine answer for the one and grey for the other?
# 3. A network with L1 learns to fill outlines of digits (`outline:mnist5k`) sharply.  Why is it not grey there?
#
# ## Why this sign, this scale, this detach?
#
# - **Why divide by the values in the mask?**  Else the learning rate would depend on the size of the hole.
# - **Why does the adversary see the composite?**  Its gradient is then $m$ times D's: known pixels cannot change.
# - **Why a 4 in the gradient of the Gram loss?**  2 from the square, 2 because $F$ stands twice in $F F^T$.
# - **Why divide by $|A|^2$?**  Features of 0 then cost 1 in every layer, and layers need no weights.
# - **Why no detach at $\mathcal A(x)$ in the cycle loss?**  The gradient in $\mathcal A$ comes through $\mathcal B$; detached, $\mathcal A$ never learns to keep
#   what $B$ needs.
# - **Why is the loss no guide in section 3?**  It compares with the noisy image.
#
# ## To a friend, in three sentences
#
# A network that is trained with pixel differences gives the mean or the median of everything that may be true, which is
# perfect for noise and grey for holes.  An adversary makes it choose, and the choice looks right and is usually not the
# truth.  And a network without any data, random filters, or two collections without pairs go farther than one would
# think, as long as one asks what the loss really determines.
#
# Derivations: `mg.losses.derivation("reconstruction")`, `"gram"`, `"cycle"`.  Measured tables with several seeds:
# `lessons/reference/translation.md`.
