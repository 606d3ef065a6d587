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
# like.  The hole is filled with *gray*.  Why?  And what must change so that it is filled with a stroke?
#
# The answer is the same for every task of this lesson: removing noise, filling holes, painting outlines, translating
# between two kinds of images.  **A pixel loss predicts the mean, or the median, of what is possible.  Where the input leaves
# little open, that is the best answer there is.  Where it leaves much open, it is gray, or nothing.  An adversary then
# chooses something definite, which is sharper, and farther from the truth.**
#
# At the end you will be able to
#
# - derive what L2 and L1 predict, and say when that is good;
# - compute a loss inside a mask, and say why known pixels never change;
# - compare a repair with classical methods, by numbers that are fair;
# - say why the nicer repair has the lower PSNR;
# - repair an image with a network that has seen no other, and say when to stop;
# - derive the gradient of a Gram matrix's loss, and say what a style is;
# - say what a cycle loss determines, and what it does not.
#
# You need the losses of lesson 8 and convolutions (lesson 3).  Plan two sittings of about 50 minutes: sections 1 to 4,
# sections 5 to 7.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x$, $d$ | `truth`, `damaged` | an image as it was, and damaged |
# | $y$ | `output` | what the network gives |
# | $m$ | `mask` | 1 in the hole, 0 where pixels are known |
# | $E[\cdot], \Pr(\cdot)$ | | mean and probability, over all images that fit what is seen |
# | $C, N, H, W, P$ | | channels, images, height, width, and pixels $P = HW$ |
# | $k$ | `k` | section 4: how many similar digits are averaged |
# | $F, G, A$ | `features` | features ($C \times P$); their Gram matrix; the Gram matrix of a style |
# | $\mathcal A(x), \mathcal B(y)$ | `model.a`, `model.b` | section 7: the translations there and back |

# %%
import numpy as np

import minigen as mg
from minigen import losses, plot
from minigen.course import repair as exercises
from minigen.course import show_source
from minigen.metrics import psnr, repair_scores
from minigen.metrics.repair import test_images
from minigen.models import image_prior, style_transfer

digits = mg.data.load("mnist5k").images
held_out = mg.data.load("mnist5k", split="test").images

# %% [markdown]
# ## 1. Why is the repaired digit gray?
#
# **Predict.**  You see everything of a digit but a square in the middle.  You may give any number for a pixel inside, and
# pay the squared difference to the truth.  You have seen the same surroundings ten times before; the pixel was white
# (1) in four cases and black (-1) in six.  What do you say?
#
# The cost is $E[(y - x)^2] = (y - E[x])^2 + \mathrm{Var}(x)$.  So it is least at the **mean** (均值), $y = E[x \mid d]$:
# here $-0.2$, a dark gray.  For $E|y - x|$, the derivative in $y$ is $\Pr(x < y) - \Pr(x > y)$: the share of the cases
# below $y$, minus the share above.  It grows with $y$, and the cost is least where it changes its sign: at the **median**
# (中位数).  Here that is $-1$, black: to the left of it the derivative is $0 - 1$, to the right $0.6 - 0.4$.  Neither
# gray nor black is a stroke.

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


rows, grays = [], []
for truth in held_out[[60, 250, 345, 560, 850]]:
    near = similar(truth)
    mean, median = np.where(mask, near.mean(0), truth), np.where(mask, np.median(near, axis=0), truth)
    rows += [np.where(mask, -1, truth), mean, median, *near[:3], truth]
    grays.append([(np.abs(image[0][mask]) < 0.6).mean() for image in (mean, median, truth)])
print("half-gray pixels in the hole: mean {:.2f}, median {:.2f}, truth {:.2f}".format(*np.mean(grays, 0)))

# %% jupyter={"source_hidden": true}
plot.show_images(
    np.stack(rows),
    ["hole", "mean", "median", "similar", "similar", "similar", "truth"] * 5,
    ncols=7,
    caption="Each similar digit is sharp. Their mean is gray where they disagree; their median drops what is in a minority.",
)

# %% [markdown]
# A network trained with L2 learns this mean, for all inputs at once.  **Training longer does not help: gray is the
# minimum.**
#
# How good a repair is, is often given as its **PSNR** (峰值信噪比), in dB: $10 \log_{10} (4 / \text{mean squared error})$, where 4
# is the square of the range from $-1$ to 1.  More is better; 3 dB more are half the error.  It is nothing but the squared
# error on another scale, so the gray repair has the *best* PSNR.
#
# ### What does L1 say if each color is on in half of the cases?
#
# The set `edges:shapes` shows the edges of a shape, without its color.  The shape is red, green, blue, yellow, cyan or
# magenta.  So each of the three channels is on in exactly three of the six colors (the red one in red, yellow and magenta).
# **Predict**: which color does a network with L1 paint?
#
# Beside the absolute error we print the **IoU** (交并比): the pixels that belong to the painted and to the true shape, as a
# share of those that belong to either.  1 is the same shape, 0 no common pixel.

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
# Nothing is drawn, and that is what L1 asks for.  (Why black, if half of the colors are on?  That is question 1 at the
# end.)  Now add a discriminator that sees edges and painting together (**pix2pix**), with weight 1, and L1 with weight 10.
# **Predict**: which becomes better, the absolute error or the look?  How often is the color right?
#
# *Saturation* is measured where something is painted: 1 is a pure color, 0 is gray.

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
    "hue": "color right",
}.items():
    print(f"{text:22} {scores[name]:8.3f} {chosen[name]:15.3f}")

# %% jupyter={"source_hidden": true} tags=["varies"]
plot.show_images(
    np.concatenate([np.repeat(test.images[:9], 3, 1), painted, artist.apply(test.images[:9]), test.partners[:9]]),
    ncols=9,
    caption="Edges; painted with L1; with L1 and an adversary; the truth. The adversary makes it choose a pure color, and the "
    "color cannot be known.",
)

# %% [markdown]
# The adversary does not know the color either.  It only rejects what never occurs, and a black or gray shape never does.
# So the network chooses, is right about as often as chance (one in six), and its absolute error is *larger* than that of
# painting nothing.  **Sharper, and farther from the truth.**
#
# Two hundred steps are few.  After 768 steps on images of 32 pixels every shape is drawn, in a pure color, and the color
# is right about as often as by chance (`reference/translation.md`):
#
# ![edges, ours with L1 and an adversary, truth](pictures/translation_edges-adversary.png)
#
# With L1 alone, but an input that leaves little open, the same network is sharp.  Here the input is the outline of a digit
# (`minigen train pix2pix --adversarial 0`, test digits):
#
# ![outlines of digits, ours, truth](pictures/translation_outline-l1.png)

# %% [markdown]
# ## 2. Masks: a loss inside the hole
#
# The known pixels need no prediction.  So the loss is computed in the hole only, and the known pixels are put over the
# output, the **composite** (合成): $m\,y + (1 - m)\,x$.  This is our source; `_mean` is what you write next:

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
# <details><summary>Hint</summary>
#
# Multiply the squared differences by the mask before you sum.  A loss that is twice as large for a hole twice as large would
# need another learning rate: so divide by the number of values that you summed.  Each pixel of the mask has $C$ of them.
#
# </details>
#
# **The gradient by hand.**  $L = \frac{1}{C \sum m} \sum_{ncij} m_{nij} (y_{ncij} - x_{ncij})^2$ is a sum in which each
# $y_{ncij}$ stands in one term, so $\partial L / \partial y_{ncij} = 2 m_{nij} (y_{ncij} - x_{ncij}) / (C \sum m)$.  It is 0
# outside, so whatever the network says there costs nothing:

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
# <details><summary>Hint</summary>
#
# Split the channels first: `x.reshape(n, c, r, r, h, w)`.  Of the two axes of length $r$, the first is $i$.  In the result, row
# $h r + i$ is counted by the pair $(h, i)$: bring these two axes beside each other, and $w$ and $j$ likewise, then join each pair.
#
# </details>
#
# ## 3. Noise, blur, size: where the mean is a good answer
#
# Add noise to a photograph.  Many photographs would give the same noisy one, but they look nearly alike: the noise leaves
# *little* open.  So their mean is close to each of them, and L2 is the right loss.  `minigen train repair` learns it from
# patches of twelve photographs that are damaged anew in each step.
#
# **Predict.**  The noise has a standard deviation of 25 levels, of the 255 between black and white.  The rivals are
# classical filters, which have learned nothing.  They are told how strong the noise is, and one number of each is *tuned on
# the truth*.  After 150 steps of training (the default is 1,024): who wins?

# %%
photos = mg.data.load("photos")
mg.manual_seed(0)
cleaner = train(mg.models.Repair(damage="noise"), photos, 150, 16)
excerpts = test_images(cleaner, photos)
some = {name: excerpts[name][:, :, :64, 60:124] for name in ("camera", "coffee")}
cleaned = repair_scores(cleaner, some)

# %% tags=["varies"]
print("PSNR in dB; 25 levels of noise; excerpts of photographs that were not in the training")
print(cleaned.table().text())

# %% jupyter={"source_hidden": true} tags=["varies"]
columns = ["input", "ours", "non-local means", "truth"]
plot.show_images(
    np.concatenate([images[column] for images in cleaned.repaired.values() for column in columns]).clip(-1, 1),
    columns * len(some),
    ncols=4,
    caption="Noise of 25 levels, excerpts of two test photographs. Fine texture cannot be told from noise.",
)

# %% [markdown]
# So early, the best filter is hard to beat.  **Non-local means** averages patches of the *same* photograph that look alike;
# where a photograph is smooth or repeats itself, as the coffee cup, it finds many.  After the default training, about a
# minute or two, the network is ahead of it on three of the four test photographs, and still behind on the cup:
#
# ![noise: input, ours, non-local means, truth](pictures/repair_noise.png)
#
# The other damages, with the default training (input, ours, a classical method tuned on the truth, truth; the four test
# photographs).  The numbers and what makes them again are in `reference/repair.md`; there you also find where a classical
# method is better.
#
# | blur: a Gaussian of 1.6 pixels | half the size |
# |---|---|
# | ![blur: input, ours, Wiener, truth](pictures/repair_blur.png) | ![half the size: input, ours, bicubic, truth](pictures/repair_shrink.png) |
#
# Blur takes away more than noise: fine detail is gone, and what is left of it drowns in noise of two levels.  Yet what
# remains open is small differences, so the mean is still a picture.  A hole is different.
#
# ## 4. Is more PSNR nicer?
#
# Fill the hole of section 1 again, from the fifteen most similar training digits; but now from $k$ of them, drawn at
# random, for $k$ = 1, 2, 4, 8 and all 15.  With $k = 1$ this is *one possible* digit; with 15 it is near the mean.
# **Predict**: which $k$ has the best PSNR?  Which looks most like a digit?

# %%
chance, some = np.random.default_rng(0), held_out[::5]
candidates = [similar(truth) for truth in some]
rows, curve = [], {}
for k in (1, 2, 4, 8, 15):
    drawn = [near[chance.permutation(15)[:k]].mean(0) for near in candidates]
    repaired = np.where(mask, np.stack(drawn), some)
    curve[k] = psnr(repaired[..., mask], some[..., mask]), (np.abs(repaired[..., mask]) < 0.6).mean()
    rows.append(repaired[3:200:20])
crisp = (np.abs(some[..., mask]) < 0.6).mean()
for k, (quality, gray) in curve.items():
    print(f"k = {k:2}: {quality:5.2f} dB in the hole, half-gray pixels {gray:.2f} (truth {crisp:.2f})")

# %% jupyter={"source_hidden": true}
plot.show_images(
    np.concatenate([np.where(mask, -1, some[3:200:20]), *rows, some[3:200:20]]),
    ncols=10,
    caption="Holes; filled with the mean of 1, 2, 4, 8 and 15 similar digits; the truth.",
)

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 1, size=(6, 4), caption="To the right: nearer to the truth. Down: as crisp as true digits (dotted)."
    )
    axes.plot(*np.array(list(curve.values())).T, "o-", color=plot.COLORS["blue"])
    for k, at in curve.items():
        axes.annotate(f"k = {k}", at, xytext=(-12, 8 if k in (1, 15) else -18), textcoords="offset points")
    axes.axhline(crisp, color="#777777", linestyle=":")
    axes.set(xlabel="PSNR in the hole, dB", ylabel="half-gray pixels", ylim=(0, 0.6))
picture

# %% [markdown]
# The more are averaged, the more PSNR and the more gray.  One drawn digit is crisp, and 2 to 3 dB worse.  It must be: if $x'$
# is drawn from what is possible, independently of the truth $x$, then
#
# $$E[(x' - x)^2] = 2\,\mathrm{Var}(x), \qquad\text{and for the mean}\quad E[(E[x] - x)^2] = \mathrm{Var}(x).$$
#
# Twice the squared error is 3 dB.  This is the *perception-distortion* trade-off (Blau & Michaeli 2018): no method can be best
# in both, so say which one you measure.
#
# A trained network has the same choice, and the weight of a discriminator's loss moves it.  The discriminator sees the
# composite and the mask.  Without one a network has about 12 dB in the hole, and a third of the pixels there are half-gray.
# With weight 0.1 it has about 10 dB, and an eighth is half-gray; of the true digits it is a seventh.  (`reference/repair.md`;
# trained for 12 epochs and for 4.)
#
# | pixel loss: hole, ours, biharmonic, truth | with an adversary of weight 0.1 |
# |---|---|
# | ![hole: input, ours, biharmonic, truth](pictures/repair_hole.png) | ![with an adversary: input, ours, biharmonic, truth](pictures/repair_hole-adversary.png) |
#
# To slide the weight yourself: `minigen train repair --damage hole --data mnist5k --adversarial 0.02`, then
# `minigen evaluate repair-mnist5k`.

# %% [markdown]
# ## 5. Can a network repair a picture without having seen any?
#
# The networks so far saw many images.  Here is something stranger.  A network with random weights gets a fixed image of
# noise, and its weights are trained until its output is *one* noisy photograph.  It has seen nothing else (Ulyanov et al.
# 2018).
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
# It fills holes too, if the loss looks at the known pixels only.  It is no match for the best classical methods: against
# noise, non-local means is better on this photograph at 64 x 64, even if the prior is stopped in time.  Where text covers
# the photograph, *biharmonic* interpolation is better (input, ours, biharmonic, truth; numbers: `reference/translation.md`):
#
# ![text over a photograph: input, ours, biharmonic, truth](pictures/translation_prior-text.png)
#
# ### Exercise 16.3: when to stop the prior

# %%


def when_to_stop(losses, outputs, truth):
    """The step, from 0, whose output (outputs is (T, H, W)) is nearest to the truth."""
    return ...


exercises.when_to_stop(when_to_stop)

# %% [markdown]
# <details><summary>Hint</summary>
#
# What is the argument `losses` compared with?  Compute the squared error of each output to `truth` instead.
#
# </details>
#
# ## 6. What is a style?
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
# *pixels* until the Gram matrices are alike.  The loss of the style is $L = |G - A|^2/|A|^2$, where $|A|^2$ is the sum of
# the squares of all elements.  A second term, the squared difference of brightness, keeps light and dark where they were.
#
# ### Exercise 16.4: the gradient of the Gram loss
#
# $dG = (dF\,F^T + F\,dF^T)/P$.  Find $\partial L/\partial F$.


# %%
def gram_gradient(F, A):
    """The gradient of |F F^T / P - A|^2 / |A|^2 in F, an array (C, P)."""
    return ...


exercises.gram_gradient(gram_gradient)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $dL = 2 \langle G - A, dG \rangle / |A|^2$, where $\langle U, V \rangle$ is the sum of the products of the elements.  Put
# $dG$ in.  Each of the two terms becomes $\langle \ldots, dF \rangle$, and because $G - A$ is symmetric they are equal.
# What stands beside $dF$ is the gradient.
#
# </details>
#
# The features of our style are ReLUs of *random* filters.  No network was trained for them.  The style has weight 3.0, and
# the loss is computed 60 times:


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
    caption="Colors and grain come from the style, light and dark from the content. Larger things of the style do not come over: "
    "the largest filter, of 9 pixels at a quarter of the size, covers 36 pixels of the picture.",
)

# %% [markdown]
# ## 7. Translation without pairs
#
# Now there are two collections, thin light digits and thick dark ones, and we do not know which belongs to which.  A
# **CycleGAN** has two translators, $\mathcal A$ there and $\mathcal B$ back, and a discriminator for each collection.  Each translator learns
# to make images that its discriminator accepts, and the **cycle loss** (循环一致性损失) asks for
# $\mathcal B(\mathcal A(x)) = x$ and $\mathcal A(\mathcal B(y)) = y$.

# %%
show_source(mg.models.CycleGAN.training_step)

# %% [markdown]
# **The gradient by hand**, for the shortest networks there are:
# $\mathcal A(x) = a x$ and $\mathcal B(y) = b y$ with two numbers.  Then
# $L = \overline{|b a x - x|}$ (the bar is the mean over all pixels), and with $s = \mathrm{sign}(b a x - x)$
#
# $$\frac{\partial L}{\partial b} = \overline{s\, a x}, \qquad \frac{\partial L}{\partial a} = \overline{s\, b x}.$$
#
# The gradient in $a$ has the factor $b$: it comes *through* $\mathcal B$.

# %%
values = np.random.default_rng(0).standard_normal(6)
a, b = (mg.tensor(np.array(number), requires_grad=True) for number in (0.5, 3.0))
x = mg.tensor(values)
zero = mg.tensor(np.zeros(6))  # this example has no second collection
there = a * x
da, db = mg.grad(losses.cycle_loss(b * there, x, zero, zero), [a, b])
sign = np.sign(1.5 * values - values)
print(f"by hand   da = {(sign * 3.0 * values).mean():.4f}, db = {(sign * 0.5 * values).mean():.4f}")
print(f"autograd  da = {da.item():.4f}, db = {db.item():.4f}")
(none,) = mg.grad(losses.cycle_loss(b * there.detach(), x, zero, zero), [a], allow_unused=True)
print("A(x) detached: the gradient in a is", none)

# %% [markdown]
# ### Exercise 16.5: where to detach in a cycle
#
# D tells the real $y$ from $\mathcal A(x)$.  Three losses: of D (`discriminator`), of $\mathcal A$ against D (`adversary`),
# and $|\mathcal B(\mathcal A(x)) - x|$ (`cycle`).  Which images must be detached in each?  a: $\mathcal A(x)$.  b: the real
# $y$.  c: $\mathcal B(\mathcal A(x))$.  Give the letters in one string, such as `"ab"`; `""` for none.

# %%
where_to_detach = {"discriminator": ..., "adversary": ..., "cycle": ...}

exercises.where_to_detach(where_to_detach)

# %% [markdown]
# <details><summary>Hint</summary>
#
# For each loss: which networks shall learn from it?  The gradient must reach them, and it must not go on into another one.
# What is data has no graph: there is nothing to detach.  The `training_step` above says it, too.
#
# </details>
#
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
# The same on digits of 28 pixels, with the default training (the last row: what the simplest rule, inverting, would give):
#
# ![thin digits, ours, truth, ours translated back, inverted](pictures/translation_thick.png)
#
# What does the cycle loss determine?  **Any** one-to-one map between the collections has a cycle loss of 0, if $\mathcal B$ undoes it.
#
# ### Exercise 16.6: which maps have no cycle loss
#
# $\mathcal A$ maps colored shapes to colored shapes.  For which $\mathcal A$ is there a $\mathcal B$ such that the cycle loss is 0?  a: the identity.
# b: the mirror image.  c: red and blue exchanged.  d: every shape becomes red.  e: some one-to-one exchange of whole
# images, without any system.  f: every shape is moved to the middle.

# %%
cycle_maps = ...  # the letters in one string, such as "af"

exercises.cycle_maps(cycle_maps)

# %% [markdown]
# <details><summary>Hint</summary>
#
# For each map, try to write down $\mathcal B$.  It fails where two different shapes become the same one.
#
# </details>
#
# ### In words
#
# Answer for yourself, and then compare with `lessons/solutions/16_repair.py`:
#
# 1. Why does L1 paint black shapes in section 1, though every color in the data is pure?
# 2. Noise and holes: why is the mean a fine answer for the one and gray for the other?
# 3. Method X has 31.0 dB, method Y 29.5 dB, and people prefer Y.  Is that a contradiction?
# 4. A network with L1 learns to fill outlines of digits (`outline:mnist5k`) sharply.  Why is it not gray there?
#
# ## Why this sign, this scale, this detach?
#
# - **Why divide by the values in the mask?**  Else the learning rate would depend on the size of the hole.
# - **Why does the adversary see the composite?**  Its gradient is then $m$ times D's: known pixels cannot change.
# - **Why a 4 in the gradient of the Gram loss?**  2 from the square, 2 because $F$ stands twice in $F F^T$.
# - **Why divide by $|A|^2$?**  Features of 0 then cost 1 in every layer, and layers need no weights.
# - **Why no detach at $\mathcal A(x)$ in the cycle loss?**  The gradient in $\mathcal A$ comes through $\mathcal B$; detached, $\mathcal A$ never learns to keep
#   what $\mathcal B$ needs.
# - **Why is the loss no guide in section 5?**  It compares with the noisy image.
#
# ## To a friend, in three sentences
#
# A network that is trained with pixel differences gives the mean or the median of everything that may be true, which is
# perfect for noise and gray for holes.  An adversary makes it choose, and the choice looks right and is usually not the
# truth.  And a network without any data, random filters, or two collections without pairs go farther than one would
# think, as long as one asks what the loss really determines.
#
# Derivations: `mg.losses.derivation("reconstruction")`, `"gram"`, `"cycle"`.  Measured tables:
# `lessons/reference/repair.md` and `lessons/reference/translation.md`.
#
# **Your own photograph** takes two commands: `minigen train repair --damage noise` (a minute or two), and then
# `minigen repair repair-photos photo.jpg`.
