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
# # 11. Conditional GAN: draw the digit you ask for
#
# **The question.** A GAN draws *some* digit.  How do we make it draw a 7 when we ask for a 7?  And if it has drawn
# 10,000 digits on request, how do we measure whether they are what was asked for?
#
# At the end you will be able to
#
# - derive the conditional game: what D must see, and what goes wrong if it does not;
# - put a class into a dense network and into a convolutional one, and say what it does there;
# - train a **conditional GAN** (条件生成对抗网络), and let an independent classifier judge it;
# - say what this judgment does not see, and measure that, too.
#
# You need lesson 8 (the game, $D^*$, the losses), a little of lessons 3 and 9 (convolution, DCGAN).  Plan two sittings of
# about an hour: sections 1 to 3, sections 4 to 8.  (Times are estimates for a reader who looks words up; they include the
# exercises.)  Five exercises check your answers; you can go on without solving them.  New words are **bold**, with their
# Chinese name (`docs/glossary.md` has all).
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $c$, $K$ | `labels`, `classes` | the **class label** (类别标签) of an image; the number of classes |
# | $e_c$ | `condition` | the **one-hot vector** (独热向量) of class $c$: 1 at place $c$, 0 elsewhere |
# | $p(x, c), p(c), p(x \mid c)$ | | the data: images with their labels; shares of the classes; images of one class |
# | $q(x \mid c)$ | | what G makes when asked for $c$ |
# | $G(z, c)$, $D(x, c)$ | `fake`, `logits` | both players know the class |
#
# $z, G, D, V, L_D, L_G, JSD$ are those of lesson 8; all symbols are in `lessons/README.md`.

# %%
import time

import numpy as np
from PIL import Image

import minigen as mg
import minigen.functional as F
from minigen import lessons, plot
from minigen.course import cgan as exercises
from minigen.course import show_source

digits = mg.data.load("mnist5k")
digits

# %% [markdown]
# ## 1. Another question for D
#
# Give G the class as well as the noise: $G(z, c)$.  That alone changes nothing.  G learns only from D, and a D that asks "is
# this a real image?" accepts a good 3 where a 7 was asked for.  So D must ask another question: "is this a real image **of
# class c**?"  It gets pairs (Mirza and Osindero 2014):
#
# $$V(D, G) = E_{(x, c) \sim p(x, c)}[\log D(x, c)] + E_{c \sim p(c),\, z}[\log(1 - D(G(z, c), c))]$$
#
# D can reject a good 3 with the label 7, because such a pair never occurs in the real data.
#
# ### One game for each class
#
# Both expectations can be taken class by class, since $p(x, c) = p(c)\, p(x \mid c)$:
#
# $$V = \sum_c p(c) \int p(x \mid c) \log D(x, c) + q(x \mid c) \log(1 - D(x, c))\; dx .$$
#
# For each $c$ this is the integral of lesson 8, with $p(x \mid c)$ for $p$ and $q(x \mid c)$ for $q$.  D can choose a
# different value for each $x$ and each $c$, so both results of lesson 8 hold class by class:
#
# $$D^*(x, c) = \frac{p(x \mid c)}{p(x \mid c) + q(x \mid c)}, \qquad
# V(D^*, G) = -\log 4 + 2 \sum_c p(c)\; JSD\big(p(\cdot \mid c),\, q(\cdot \mid c)\big) .$$
#
# The sum is 0 only if *each* of its terms is: $q(x \mid c) = p(x \mid c)$ for every class that occurs.  G's target is
# no longer "the data" but, for each class, the data of that class.
#
# ### Exercise 11.1: the best D that sees the class
#
# Above, real and generated pairs have the same shares of the classes, $p(c)$.  Now let the real ones have the shares
# `real_classes`, and let G be asked for classes with other shares, `asked_classes`.  What is the best D?  (For example: the
# labels for G are drawn uniformly, and the data has many more 1s than 5s.)


# %%
def best_conditional_d(p, q, real_classes, asked_classes):
    """p and q: arrays (K, X), a row of p(x|c) or q(x|c) for each class; the shares: arrays (K,); the result: (K, X)."""
    return ...


exercises.best_conditional_d(best_conditional_d)

# %% [markdown]
# <details><summary>Hint</summary>
#
# How dense are the real *pairs* $(x, c)$, and how dense the generated ones?  The rule $D^* = p/(p+q)$ holds for any two
# densities, and so for those of pairs.
#
# </details>
#
# ## 2. Three games and three generators
#
# What if D does not see the label?  Or sees labels that are independent of the images?  Both occur in programs.  S4 (§3.3,
# line 90) prints the game with $x \sim P_{data}$ and $c \sim P_c$, that is, drawn *independently* (`docs/articles.md` says what
# S4 is).  We can compute the value of each game.  Two classes, equally frequent, with images of one number: $p(x \mid 0)$ is
# a normal density around $-1.5$, $p(x \mid 1)$ one around $1.5$.  Three generators:
#
# - *obedient*: $q(x \mid c) = p(x \mid c)$, what we want;
# - *deaf*: $q(x \mid c) = \frac12 p(x \mid 0) + \frac12 p(x \mid 1)$ for both $c$: real images, of any class;
# - *contrary*: $q(x \mid 0) = p(x \mid 1)$ and $q(x \mid 1) = p(x \mid 0)$.
#
# *Decide before you look*: which generator wins each game?

# %%
x, dx = np.linspace(-8, 8, 1601, retstep=True)
bells = np.exp(-((x - np.array([[-1.5], [1.5]])) ** 2) / 2) / np.sqrt(2 * np.pi)  # a row for each class
mixture = np.broadcast_to(bells.mean(axis=0), bells.shape)
generators = {"obedient": bells, "deaf": mixture, "contrary": bells[::-1]}


def value_at_best_d(p, q):
    """V of the best D, for densities of pairs: rows are what D can see of the class; all rows together sum to 1 / dx."""
    D = p / (p + q)
    return (p * np.log(D) + q * np.log(1 - D)).sum() * dx


print("game                         " + "".join(f"{name:>10}" for name in generators))
for game, real, fake in (
    ("pairs (x, c) together       ", bells / 2, lambda q: q / 2),
    ("D does not see c            ", bells.mean(0), lambda q: q.mean(0)),
    ("x and c independent         ", mixture / 2, lambda q: q / 2),
):
    values = [value_at_best_d(real, fake(q)) for q in generators.values()]
    print(game, "".join(f"{value:10.3f}" for value in values))
print(f"-log 4 = {-np.log(4):.3f}: the least possible V, where G has reached its target")

# %% [markdown]
# Read the rows: G wants the least number of its row.  With pairs drawn together only the obedient generator reaches
# $-\log 4$.  If D does not see $c$, all three are equal: this game has no preference.  And with labels that are independent
# of the images, the real pairs have the density $p(x)\,p(c)$; then the *deaf* generator is the target, and the obedient
# one has a larger $V$.
#
# So: **image and label must be drawn together.**  In our training step both networks get the same labels: the real images
# come with their labels, and G is asked for exactly these classes.  The shares of the classes are then equal by
# construction, and D learns nothing from them.

# %%
show_source(mg.models.CGAN.training_step)

# %% [markdown]
# Compare with lesson 8: it is the same function.  The losses are those of any GAN; only the *inputs* of D and G have
# changed, in `generate` and `discriminate`.  (`average` and `_recalibrated` matter for sampling alone: averaged weights, and
# fresh batch-norm statistics, lesson 10.)

# %%
show_source(mg.models.CGAN.generate, mg.models.CGAN.discriminate)

# %% [markdown]
# ## 3. How the class gets in
#
# **Why one-hot?**  As a single number, 9 would be nine times 1, and 4 would lie between 3 and 5.  Classes have no order
# and no distances.  In one-hot vectors each class has its place, and all are equally far apart.
#
# ### Dense layers
#
# The one-hot vector is appended to the noise.  What does the first layer make of it?  Split its weights the same
# way, $W = [W_z\; W_c]$:
#
# $$W \begin{bmatrix} z \\ e_c \end{bmatrix} + b = W_z z + \underbrace{W_c e_c + b}_{\text{column } c \text{ of } W_c, \text{ plus } b} .$$
#
# A product with a one-hot vector selects a column.  So *appending the class is the same as a learned bias for each class*.

# %%
mg.manual_seed(0)
layer = mg.nn.Linear(5 + 3, 4)  # 5 numbers of noise, 3 classes, 4 units
z, label = mg.randn(1, 5), np.array([2])
appended = layer(mg.cat([z, F.one_hot(mg.tensor(label), 3).to(np.float32)], 1)).numpy()
W, b = layer.weight.numpy(), layer.bias.numpy()
by_hand = z.numpy() @ W[:, :5].T + (b + W[:, 5 + 2])
print("one-hot appended:    ", appended.round(4) + 0)
print("a bias for the class:", by_hand.round(4) + 0)

# %% [markdown]
# ### Convolutions
#
# A convolution sees a few pixels at a time, and *each* of its windows needs the class.  So the label becomes *label maps*:
# a channel for each class, all 1 for the class of the image and all 0 for the others.

# %%
show_source(mg.models.GenerativeModel.condition, mg.models.condition.concat_label_maps)

# %% jupyter={"source_hidden": true}
seven = digits.subset(np.flatnonzero(digits.labels == 7)[:1])
channels = mg.models.condition.concat_label_maps(
    mg.tensor(seven.images), mg.functional.one_hot(mg.tensor(seven.labels), 10).to(np.float32)
).numpy()[0]
plot.show_images(
    np.stack([channels[0], *(1.5 * channels[1:] - 1)])[:, None], ["image"] + [f"is it a {c}?" for c in range(10)], ncols=6,
    caption="What D sees of a 7: eleven channels. One is the image; of the ten label maps the one of its class is 1 "
    "everywhere (light gray), and the other nine are 0 (black).",
)  # fmt: skip

# %% [markdown]
# ### Exercise 11.2: label maps
#
# Write it in NumPy.


# %%
def label_maps(images, labels, classes):
    """images (N, C, H, W), labels (N,): the images with a map more for each class, (N, C + classes, H, W)."""
    return ...


exercises.label_maps(label_maps)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `np.eye(classes)[labels]` is one-hot, (N, classes).  Then two more dimensions, and `np.broadcast_to`.
#
# </details>
#
# ### Exercise 11.3: what a label map is worth to a convolution
#
# Ten channels for one number: what do they do?  A convolution with weights $w$, shape (O, C + K, R, S), runs over image and
# maps.  What does the map of class $c$ add to each output, away from the border?


# %%
def label_bias(w, classes):
    """What each class adds to each output channel: (O, classes)."""
    return ...


exercises.label_bias(label_bias)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Under a window the map of the image's class is 1 everywhere, and the others are 0.  Which weights are multiplied by it?
#
# </details>
#
# So it is the same as in the dense layer: a bias for each class.  The border is an exception: there the window reaches over
# the edge, where the padding is 0, so a label map also shows the layer where the edge is.  We apply D's first layer to two
# images of zeros, one with the label 3 and one with the label 8.  What comes out is due to the maps alone:

# %% tags=["varies"]
mg.manual_seed(0)
first = mg.models.CGAN().discriminator[0]
condition = mg.functional.one_hot(mg.tensor(np.array([3, 8])), 10).to(np.float32)
out = first(mg.models.condition.concat_label_maps(mg.zeros(2, 1, 28, 28), condition)).detach().numpy()
middle = out[:, :, 7:8, 7:8]
inside = abs(out[:, :, 1:-1, 1:-1] - middle).max()
print(f"largest difference inside one channel, away from the border: {inside:.0e}")
print(f"largest difference between the label 3 and the label 8:      {abs(middle[0] - middle[1]).max():.2f}")
print(f"largest difference between border and middle:                {abs(out - middle).max():.2f}")

# %% [markdown]
# ## 4. What the two mistakes do
#
# Section 2 computed the value of each game.  Do trained networks follow it?  We train our dense conditional GAN on
# something that takes seconds: points in the plane, four classes, a normal distribution for each.  (For the model a point
# is an image of 1 x 1 pixel with two channels.)  Three trainings: ours; one whose D gets no label; one with points and
# labels that are independent, because the labels are shuffled within each batch.  Guessing would be right for 25 %.

# %% tags=["varies"]
random = np.random.default_rng(0)
centers = 0.6 * np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]])
which = np.arange(2000) % 4
points = (centers[which] + 0.1 * random.normal(size=(2000, 2))).astype(np.float32)
bells4 = mg.data.Dataset("four bells", points.reshape(-1, 2, 1, 1), which, ("0", "1", "2", "3"))


class BlindCGAN(mg.models.CGAN):
    """D's condition is always zero: it has the inputs for the class, and learns nothing from them."""

    def discriminate(self, images, condition):
        return super().discriminate(images, condition * 0)


def train(model, data, epochs, seed=0, apart=False):
    """Train a conditional model, `apart`: with labels that are independent of the images; its last reports."""
    loader = mg.data.Loader(data, 64, seed=seed, drop_last=True)
    random = np.random.default_rng(seed)
    for epoch in range(epochs):
        reports = [
            model.training_step(batch | {"labels": random.permutation(batch["labels"])} if apart else batch)
            for batch in loader.epoch(epoch)
        ]
    return reports


drawn, obeyed, reports = {}, {}, {}
for name, kind, apart in (
    ("pairs together", mg.models.CGAN, False),
    ("D does not see c", BlindCGAN, False),
    ("x, c independent", mg.models.CGAN, True),
):
    mg.manual_seed(0)
    model = kind(size=1, channels=2, network="mlp", latent=8, width=32, classes=4, lr=4e-3)
    reports[name] = train(model, bells4, 25, apart=apart)
    drawn[name] = model.sample(800, np.random.default_rng(1), labels=np.arange(800) % 4).reshape(800, 2)
    nearest = ((drawn[name][:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
    obeyed[name] = (nearest == np.arange(800) % 4).mean()

for name, share in obeyed.items():
    print(f"{name:20} nearest to the center that was asked for: {share:.0%}")

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 3, size=(9, 4.1),
        caption="400 points of each generator; color and mark say which class was asked for; gray rings are the classes. "
        "Left: each color in one ring. Middle and right: all colors in all rings. (The points between the rings: G is a "
        "continuous function of the noise, and must reach four places.)",
    )  # fmt: skip
    for place, (name, made) in zip(axes, drawn.items()):
        for c, (color, mark) in enumerate(zip(("blue", "orange", "green", "red"), "os^x")):
            place.plot(*made[c::4][:100].T, mark, color=plot.COLORS[color], markersize=3, alpha=0.5)
        place.plot(*centers.T, "o", color="none", markeredgecolor="#777777", markersize=30)
        place.set(xlim=(-1, 1), ylim=(-1, 1), xlabel="channel 0", xticks=(-1, 0, 1), yticks=(-1, 0, 1), aspect="equal")
        place.set_title(f"{name}: {obeyed[name]:.0%}", fontsize=11)
    axes[0].set_ylabel("channel 1")
picture

# %% [markdown]
# Without the label D cannot teach G what the classes mean.  With independent labels D teaches G that they mean nothing.
# Can you see it in the log?  The means over the last epoch:

# %% tags=["varies"]
print(f"{'':24}{'loss_d':>8}{'loss_g':>8}{'as asked':>10}")
for name, last in reports.items():
    means = [np.mean([report[key] for report in last]) for key in ("loss_d", "loss_g")]
    print(f"{name:24}{means[0]:8.2f}{means[1]:8.2f}{obeyed[name]:10.0%}")

# %% [markdown]
# You cannot.  At the equilibrium the losses are 1.38 and 0.80 (D answers 0.45 to everything, because real images are
# labeled 0.9; lesson 8), and all three are near it.  The *losses* do not say whether G uses the class.
#
# ## 5. The classifier
#
# For points it is clear to which class they belong.  Digits must be read, and not by D, which is a part of the game.  We
# train an *independent* classifier: it sees no generated image while it learns.
#
# To save time we take four of the ten digits, 0, 1, 3 and 4, at half the size, 14 x 14 pixels; they can still be read.
# Their labels become 0 to 3, because a label is a place in the one-hot vector, and there are four places.

# %%
chosen = np.array([0, 1, 3, 4])
K = len(chosen)


def load_chosen(split):
    """The chosen digits at 14 x 14 pixels, labeled 0 to K - 1."""
    everything = mg.data.load("mnist5k", split=split, size=14)
    some = everything.subset(np.isin(everything.labels, chosen))
    return mg.data.Dataset("four digits", some.images, np.searchsorted(chosen, some.labels), tuple(map(str, chosen)))


four, four_held_out = load_chosen("train"), load_chosen("test")
four, four_held_out

# %% [markdown]
# The classifier: two convolutions, each followed by batch norm and ReLU, then one dense layer; a **softmax** (softmax 函数) with
# cross-entropy; Adam.


# %% tags=["varies"]
def train_classifier(images, labels, steps, seed=0):
    """A network that reads digits: (N, 1, 14, 14) to K logits."""
    mg.manual_seed(seed)
    network = mg.nn.Sequential(
        mg.nn.Conv2d(1, 16, 4, 2, 1, bias=False), mg.nn.BatchNorm2d(16), mg.nn.ReLU(),
        mg.nn.Conv2d(16, 32, 3, 1, 1, bias=False), mg.nn.BatchNorm2d(32), mg.nn.ReLU(),
        mg.nn.Flatten(), mg.nn.Linear(32 * 7 * 7, K),
    )  # fmt: skip
    optimizer = mg.optim.Adam(network.parameters(), lr=4e-3)
    random = np.random.default_rng(seed)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * (1 - step / steps)
        pick = random.integers(0, len(images), 50)
        loss = F.cross_entropy(network(mg.tensor(images[pick])), mg.tensor(labels[pick]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def scores(classifier, images):
    """The log-probability of each class for each image, (N, K)."""
    with mg.no_grad():
        parts = [classifier(mg.tensor(images[k : k + 250])).log_softmax(1).numpy() for k in range(0, len(images), 250)]
    return np.concatenate(parts)


def read(classifier, images):
    """The most probable class of each image."""
    return scores(classifier, images).argmax(axis=1)


classifier = train_classifier(four.images, four.labels, 120)
on_real = (read(classifier, four_held_out.images) == four_held_out.labels).mean()
print(f"right on {on_real:.1%} of {len(four_held_out)} held-out digits")

# %% [markdown]
# ### Exercise 11.4: asked for, and read as
#
# *Which* class is read as which?  Count the pairs in a **confusion matrix** (混淆矩阵), with a row for each class that was asked
# for, and a column for each class that was read.


# %%
def confusion(asked, read, classes):
    """asked and read: arrays (N,) of classes; the result: counts, (classes, classes)."""
    return ...


exercises.confusion(confusion)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `matrix[asked, read] += 1` looks right, and is wrong where a pair occurs twice.  NumPy has `np.add.at`.
#
# </details>
#
# ### Exercise 11.5: how sure is a share?
#
# 97 of 100 and 9,700 of 10,000 are both 97 %.  Give the share on the diagonal, and its *standard error*: if each image is
# read as asked for with probability $a$, independently, what is the standard deviation of the share of $n$ images?


# %%
def agreement(matrix):
    """The share on the diagonal of a matrix of counts, and its standard error."""
    share = ...
    error = ...
    return share, error


exercises.agreement(agreement)

# %% [markdown]
# <details><summary>Hint</summary>
#
# One image counts 1 with probability $a$ and else 0: its variance is $a(1 - a)$.  Variances of independent things add
# up, and the share is the sum divided by $n$.
#
# </details>
#
# ## 6. Digits on request
#
# Now our convolutional networks on these digits, with their default options; D sees label maps.  `schedule` lets the
# learning rate fall to 0 over the run, as `minigen train` does: at a constant rate both players circle around the equilibrium
# (lesson 7, section 7).

# %%
EPOCHS = 24
mg.manual_seed(0)
model = mg.models.CGAN(size=14, classes=K)
loader = mg.data.Loader(four, 32, seed=0, drop_last=True)
asked_columns = np.tile(np.repeat(np.arange(K), 2), 6)  # six rows, two columns a class
asked = np.arange(400) % K
stages, shares = {}, []
start = time.perf_counter()
for epoch in range(EPOCHS):
    for step, batch in enumerate(loader.epoch(epoch)):
        model.schedule((epoch + step / len(loader)) / EPOCHS)
        model.training_step(batch)
    if epoch + 1 in (2, EPOCHS):
        stages[epoch + 1] = model.sample(len(asked_columns), np.random.default_rng(1), labels=asked_columns)
    shares.append((read(classifier, model.sample(len(asked), np.random.default_rng(2), labels=asked)) == asked).mean())
seconds = time.perf_counter() - start

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        2, 2, size=(8, 7.2),
        caption="Two columns for each class that was asked for, 0, 1, 3 and 4. The same noise after 2 epochs (all "
        f"alike) and after {EPOCHS}; below them real digits. Last: the share of 400 digits that the classifier reads as what "
        "was asked for: for some epochs a guess, then it rises fast.",
    )  # fmt: skip
    real = np.stack([four.images[four.labels == c][:12].reshape(6, 2, 1, 14, 14) for c in range(K)], axis=1)
    shown = {f"{epochs} epochs": images for epochs, images in stages.items()}
    shown["real, at 14 x 14"] = real.reshape(-1, 1, 14, 14)
    for place, (title, images) in zip(axes.flat, shown.items()):
        place.imshow(plot.image_grid(images, ncols=2 * K), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        place.set_title(title, fontsize=11)
        place.set_axis_off()
    axes[1, 1].plot(np.arange(EPOCHS) + 1, 100 * np.array(shares))
    axes[1, 1].axhline(100 / K, color="#777777", linestyle=":")
    axes[1, 1].text(EPOCHS, 100 / K + 2, "guessing", ha="right", fontsize=9, color="#555555")
    axes[1, 1].set(xlabel="epoch", ylabel="read as asked for, %", ylim=(0, 102))
picture

# %% tags=["varies"]
asked = np.arange(2000) % K
made = model.sample(2000, np.random.default_rng(0), labels=asked)
made_scores = scores(classifier, made)
said = made_scores.argmax(axis=1)
print(f"{(said == asked).mean():.1%} of 2,000 generated digits are read as what was asked for (guessing: 25 %)")

# %% tags=["varies"] jupyter={"source_hidden": true}
counts = np.zeros((K, K), int)
np.add.at(counts, (asked, said), 1)
off = counts * (1 - np.eye(K, dtype=int))
often, (wanted, taken) = off.max(), np.unravel_index(off.argmax(), off.shape)
with plot.style():
    picture, axes = plot.figure(
        size=(4.4, 4.6),
        caption="What the classifier reads in 500 digits of each class. On the diagonal: as asked for. Off it: another "
        f"digit drawn, or misread; most often, {often} times, a {chosen[wanted]} that is read as {chosen[taken]}.",
    )  # fmt: skip
    axes.imshow(counts, cmap="Blues", vmin=0, vmax=650)
    for (row, across), count in np.ndenumerate(counts):
        axes.text(across, row, str(count), ha="center", va="center", color="white" if count > 350 else "black")
    axes.set(
        xlabel="read as", ylabel="asked for", xticks=range(K), yticks=range(K), xticklabels=chosen, yticklabels=chosen
    )
    axes.grid(False)
picture

# %% tags=["varies"]
hits = said == asked
print(f"read as asked for: {hits.mean():.1%} +- {hits.std() / np.sqrt(len(hits)):.1%}")
print(f"of the real held-out digits: {on_real:.1%}")
print(f"the training took {seconds:.0f} seconds")

# %% [markdown]
# Two kinds of errors are mixed here: G drew something else, or the classifier misread it.  The second number shows how
# large the second kind is on real digits.  (On bad drawings the classifier may err more: it was trained without any.)  And
# the $\pm$ is the error of *counting* alone.  Trainings with other seeds differ by more than that.
#
# Now look at the picture again.  Many a 3 and 4 is in pieces, and nearly all are read as asked for!  The classifier has to
# choose one of four classes; there is no class "none of these".  So this share says whether G *uses the class*, and not
# whether its drawings are good.
#
# ## 7. What this share does not see
#
# It does not measure **diversity** (多样性) either.  If G drew *one* good 3, always the same, and one good 4, and so on, all its
# digits would be read as asked for.  To see the difference, exchange the roles: **train a classifier on generated digits
# only, and let it read real ones.**  From four pictures it does not learn to read the handwriting of others.
# (Ravuri and Vinyals 2019 call this the classification accuracy score.)  We compare three training sets: the real digits;
# 2,000 digits of our model; and four of our model's digits, the best one of each class, repeated five hundred times.
# *Decide before you look*: what do the second and the third classifier reach on real digits?

# %%
best = np.array([np.where(asked == c, made_scores[:, c], -np.inf).argmax() for c in range(K)])
repeated = made[best][asked]  # image n is the one picture of the class asked[n]

results = {}
for training_set, images, truth in (
    ("real digits", four.images, four.labels),
    ("our digits", made, asked),
    ("four of our digits", repeated, asked),
):
    second = train_classifier(images, truth, 80, seed=1)
    results[training_set] = (
        (read(classifier, images) == truth).mean(),
        (read(second, four_held_out.images) == four_held_out.labels).mean(),
    )

# %% tags=["varies"]
print("trained on            read as asked for     right on held-out real digits")
for training_set, (forward, backward) in results.items():
    print(f"{training_set:20} {forward:12.1%} {backward:24.1%}")

# %% [markdown]
# Report both numbers of a conditional model: are the images what was asked for, and are they diverse enough to learn from?
# (Neither says whether an image looks real; distances between distributions do: lesson 13.)
#
# ## 8. The whole training
#
# The training above is short, on small images, and of four digits.  `minigen train cgan` trains the full one: ten
# classes, 28 x 28 pixels, 50 epochs.  Then `minigen sample cgan-mnist5k --class 7` draws 7s.

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 4.9),
        caption="A column for each class, 0 to 9, after 50 epochs of the command minigen train cgan: nearly all are what was "
        "asked for, and the digits of a column differ. (Made once and stored; your run gives others, of the same quality.)",
    )  # fmt: skip
    axes.imshow(Image.open(lessons.FOLDER / "pictures" / "cgan_mnist5k.png"), cmap="gray", interpolation="nearest")
    axes.set_axis_off()
picture

# %% [markdown]
# `lessons/reference/expected_values.md` has the numbers of 10,000 of its digits with a better classifier than ours: of 100,
# 87 are read as asked for after 16 of the 50 epochs, 94 after 25, and 98 at the end; and a classifier that is trained on
# them alone reads 96 of 100 real digits.
#
# ### What the articles say
#
# | the article | right |
# |---|---|
# | S1 §3.2, L48 and §3.3, L64, L68: the discriminator and its conditional form are $W \sigma(W^\top x + b)$: as many outputs as the image has pixels | one number: $\sigma(w^\top \phi(W [x; e_c] + b) + a)$, with a LeakyReLU for $\phi$ |
# | S4 §3.3, L90: $x \sim P_{data}$ and $c \sim P_c$, independently | $(x, c) \sim p(x, c)$: sections 2 and 4 |
# | S4 §3.3, L88 and L90: D and G *minimize* $\log D$ and $\log(1 - D)$, without a minus | the minus signs of lesson 8 |
# | S4 §4, L155: one batch of noise, drawn once before the training | new $z$ for each step; else G learns 128 images |
# | S4 §2, L14 and §3.3, L71: "C-GAN" for sequences, with these formulas | cycle consistency (lesson 16), or recurrent G and D |
# | S4: the topic is evaluation, and nothing is measured | sections 5 and 7 |
#
# (All mistakes, quoted: `docs/articles.md`.)
#
# ## Why this sign, this scale, this detach?
#
# - **Why do both players get the label?**  G needs it to know what to draw.  Without it in D, no loss asks G to use it.
# - **Why one-hot?**  Classes have no order.
# - **Why maps for convolutions?**  Every window needs the class, and sees only a few pixels.
# - **Why 1 in the maps, and not 100?**  The weights scale it.  A larger value is a larger learning rate for the biases
#   of the class.
# - **Why is G asked for the classes of the real batch?**  Then the shares of the classes are the same on both sides,
#   and D cannot tell real from generated by the label alone.
# - **Why does the loss have no term for "is it the right class"?**  D's question contains it.  (There are GANs with a
#   classifier inside.  Their G is trained to be read by that classifier, so a similar classifier is not an independent
#   judge of it.)
# - **Why must the classifier never see a generated image?**  It would learn how this G draws, and accept what no other
#   reader can read.
# - **Why may the classifier learn from the same training digits as G?**  It reads G's digits, and is tested on held-out
#   digits that neither has seen.
#
# ## To a friend, in three sentences
#
# Tell both networks the class, and ask D whether image and class belong together; then there is one game for each class,
# and its only solution is the images of that class.  The labels must come with their images, otherwise the best G is one
# that ignores them.  To measure whether G uses the class, let an independent classifier read its digits; to measure whether
# they are diverse, train a classifier on them.
#
# The solutions, with their reasons, are in `lessons/solutions/11_cgan.py`, for after your attempt.
# Next: lesson 12, the VAE, which asks how probable an image is.
