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
# # 9. DCGAN on real digits, read layer by layer
#
# **The question.** A GAN of dense layers does not know that pixels have neighbours.  Convolutions do.  But for two years GANs of
# convolutions were hardly trainable: one of the players won too early.  Then Radford, Metz and Chintala (2016)
# published a recipe of a few rules, the *DCGAN*, and suddenly it worked.  The rules look arbitrary:
#
# 1. strided convolutions in place of pooling;
# 2. batch norm in both networks, but *not* at the generator's output and *not* at the discriminator's input;
# 3. ReLU in the generator, tanh at its end, and data in $[-1, 1]$;
# 4. LeakyReLU with slope 0.2 in the discriminator;
# 5. weights that start as $N(0, 0.02)$: normal, with standard deviation 0.02;
# 6. Adam with $\beta_1 = 0.5$.
#
# What is each of them for?  What happens if it is broken?
#
# At the end you will be able to
#
# - read a generator and a discriminator layer by layer: shapes, parameters, what each unit sees;
# - give the reason for each rule, and an experiment that shows it;
# - train one, watch it, and say what the numbers of the log mean and what they do not;
# - test whether a generator only copies its training images, and walk through its noise.
#
# You need lessons 3 (convolutions) and 8 (the game and its losses), and about 40 minutes.  Five exercises check your answers.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $z$ | `z` | noise: 100 numbers from $N(0, I)$ |
# | $G(z)$ | `generator` | the image made of it, pixels in $[-1, 1]$ |
# | $D(x)$ | `discriminator` | the probability that $x$ is real; the network gives its *logit* |
# | $N, C, H, W$ | | images in a batch, channels, height, width |
# | $k, s$ | `kernel`, `stride` | of a convolution |
# | $\beta_1$ | `beta1` | Adam's first decay rate |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import numpy as np
from IPython.display import Image

import minigen as mg
import minigen.functional as F
from minigen import lessons, nn, plot
from minigen.course import dcgan as exercises
from minigen.course import show_source
from minigen.data import Loader, load
from minigen.models.networks.gan import conv_k4_bn_networks, conv_k5_dropout_networks, conv_networks

mg.kernels.use("reference")  # plain NumPy is enough until the training
random = np.random.default_rng(0)
train = load("mnist5k")
print(train, "from", train.images.min(), "to", train.images.max())

# %% [markdown]
# ## 1. Two networks, layer by layer
#
# A layer is a function from Tensors to Tensors, and a network is a list of them.  So send a batch through, one layer at a
# time, and write down what comes out.  First the generator that `minigen train dcgan` uses, for digits of 28 x 28 pixels:


# %%
def trainable(module):
    return sum(p.numel() for p in module.parameters())


def read(network, t):
    """Each layer, the shape of its output for one image, and how many numbers it learns."""
    print(f"{'':22}{'x'.join(map(str, t.shape[1:])):>12}")
    for layer in network:
        t = layer(t)
        print(f"{type(layer).__name__:22}{'x'.join(map(str, t.shape[1:])):>12}{trainable(layer) or '':>12}")
    print(f"{'together':22}{'':12}{trainable(network):>12}\n")


mg.manual_seed(0)
generator, discriminator = conv_networks(28, 1)
noise = mg.randn(16, 100)
read(generator, noise)
read(discriminator, generator(noise))

# %% [markdown]
# **The generator** begins with the only dense layer: 100 numbers become 64 *maps* of 7 x 7, a very coarse picture with many
# channels.  Each transposed convolution with kernel 4, stride 2 and padding 1 doubles height and width.  Along the way there are fewer
# channels: many coarse features become one fine image.
#
# **The discriminator** is its mirror: each convolution halves the picture, the channels become more; at the end one number, the logit.
# It ends *without* a sigmoid, because the loss is computed from the logit, without overflow (lesson 8).
#
# Layers before batch norm have no bias: batch norm would subtract it again, with the mean.  And kernel **4** with stride 2, not 5 or 3,
# because the stride should divide the kernel: then every output pixel is met by as many taps as every other, and no checkerboard is built in
# (lesson 3).
#
# ### The networks of the articles
#
# Two of the articles that this library grew from list DCGANs.  Here they are as listed, except for what had to be repaired.  S3 makes
# 64 x 64 pixels in colour, S4 digits:

# %%
for name, networks in (("S3", conv_k4_bn_networks(64, 3)), ("S4", conv_k5_dropout_networks(28, 1))):
    print(f"{name}: generator {trainable(networks[0]):,}, discriminator {trainable(networks[1]):,}")
read(conv_k4_bn_networks(64, 3)[0], mg.randn(2, 100))

# %% [markdown]
# **What had to be repaired.**  S4's listing has one transposed convolution too few.  Nothing complains until a generated image meets the
# discriminator, whose last layer expects as many features as 28 x 28 pixels give:

# %%
as_listed = nn.Sequential(
    nn.Linear(100, 128), nn.ReLU(), nn.Linear(128, 12544), nn.ReLU(), nn.Unflatten(1, (256, 7, 7)),
    nn.ConvTranspose2d(256, 128, 5, 1, "same"), nn.ReLU(), nn.ConvTranspose2d(128, 1, 5, 2, "same"), nn.Tanh(),
)  # fmt: skip
small_image = as_listed(noise)
print("S4's generator as listed gives", small_image.shape[1:])
try:
    conv_k5_dropout_networks(28, 1)[1](small_image)
except ValueError as error:
    print("its discriminator:", error)

# %% [markdown]
# (S0 has the same trouble in another place: its generator makes 32 x 32 images, its discriminator takes 64 x 64.)
#
# ### Exercise 9.1: counting parameters
#
# Write down how many numbers a layer learns.  A network is given as a list such as S3's generator,
#
#     [("linear", 100, 256), ("convt", 4, 128, 4), ("norm", 128), ("convt", 128, 64, 4), ("norm", 64), ("convt", 64, 3, 4)]
#
# with inputs, outputs and, for convolutions (`"conv"`) and transposed ones (`"convt"`), the kernel's size; a norm has only its channels.  All but the
# norms have a bias (this listing keeps it even before batch norm).  What must come out stands above.


# %%
def count_parameters(layers):
    """The number of trainable numbers."""
    return ...


exercises.count_parameters(count_parameters)

# %% [markdown]
# <details><summary>Hint</summary>
#
# A weight for each pair (input channel, output channel) and each of kernel x kernel taps; one bias for each *output*.  Batch norm learns a scale and a
# shift for each channel; its running mean and variance are measured, not learned.
#
# </details>
#
# ## 2. What a unit sees
#
# A unit of the discriminator's first layer sees 4 x 4 pixels.  One of the second sees 4 x 4 units of the first; these are 2 pixels apart and see 4
# each: 10 pixels.  This is its *receptive field*.  Do not believe it: ask the gradient.  A pixel that a unit does not see has gradient 0.


# %%
def seen_by_a_unit(network, layers, size):
    """Which pixels have a gradient for a unit in the middle of the output of the first `layers` layers."""
    x = mg.tensor(random.normal(size=(1, 1, size, size)).astype(np.float32), requires_grad=True)
    t = x
    for layer in list(network)[:layers]:
        t = layer(t)
    middle = t.shape[2] // 2
    (g,) = mg.grad(t[0, :, middle, middle].sum(), x)
    return abs(g.numpy()[0, 0]) > 0


convolutions = nn.Sequential(*(nn.Conv2d(before, 8, 4, 2, 1) for before in (1, 8, 8)))
views = [seen_by_a_unit(convolutions, layers, 64) for layers in (1, 2, 3)]
for layers, view in enumerate(views, 1):
    print(
        f"behind {layers} convolution{'s' * (layers > 1)}: {view.any(axis=0).sum()} x {view.any(axis=1).sum()} pixels"
    )

# %% [markdown]
# The same from the other side: change *one* place of the generator's 7 x 7 maps, in all 64 of them.  How much of the image does it paint?  (Batch norm is in
# evaluation mode here; in training mode everything in a batch touches everything.)

# %%
generator.eval()
maps = list(generator)[0:4]
painter = nn.Sequential(*list(generator)[4:])
base = noise
for layer in maps:
    base = layer(base)
touched = base.numpy().copy()
touched[:, :, 3, 3] += 1
with mg.no_grad():
    difference = abs(painter(base).numpy() - painter(mg.tensor(touched)).numpy()).max(axis=(0, 1))
generator.train()
painted = difference > 0
print(f"one place of 7 x 7 paints {painted.any(axis=0).sum()} x {painted.any(axis=1).sum()} of 28 x 28 pixels")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(8.5, 4.5),
        caption="Left: on an image of 64 x 64, what one unit sees behind one, two and three convolutions of kernel 4, stride 2 (dark to light). Right: what "
        "one place of the generator's 7 x 7 maps paints of a digit.",
    )  # fmt: skip
    axes[0].imshow(sum(view.astype(float) for view in views), cmap="Blues", vmin=0, vmax=3.5)
    for view, width in zip(views, (4, 10, 22)):
        right, bottom = np.flatnonzero(view.any(axis=0))[-1], np.flatnonzero(view.any(axis=1))[-1]
        axes[0].text(right + 1, bottom, f"{width}", fontsize=11, va="center", ha="left")
    axes[1].imshow(painted, cmap="Blues", vmin=0, vmax=1.5)
    for place, title in zip(axes, ("seen by a unit of D", "painted by a place of G")):
        place.set(xlabel="column", ylabel="row", title=title)
        place.grid(False)
picture

# %% [markdown]
# So the first layers can judge only strokes and edges; whether these make a *digit* is up to the dense layer at the end, which sees everything.
# And neighbouring places of the generator paint overlapping patches; only what the dense layer at the *beginning* wrote into all 49 places together makes
# the patches fit.
#
# ### Exercise 9.2: how much a unit sees


# %%
def receptive_field(layers):
    """How many pixels wide a unit's view is; layers: list of (kernel, stride), the one next to the image first."""
    return ...


exercises.receptive_field(receptive_field)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Keep two numbers: the view so far, and how many pixels apart neighbours are.  A window of $k$ taps has $k - 1$ gaps.
#
# </details>
#
# ## 3. Rule 1: strides, not pooling
#
# A classifier may shrink its maps by *max pooling*: of each 2 x 2 units the largest goes on.  For a discriminator that is bad, for one reason: **the
# generator learns only from the gradient that comes out of D at the image**.  Max pooling sends it to one of four, and to the others nothing:

# %%
image = mg.tensor(train.images[:16], requires_grad=True)
first_layers = {
    "conv k4 s2": nn.Sequential(nn.Conv2d(1, 1, 4, 2, 1)),
    "max pool 2": nn.Sequential(nn.MaxPool2d(2)),
    "average pool 2": nn.Sequential(nn.AvgPool2d(2)),
}
for name, layer in first_layers.items():
    out = layer(image)
    (g,) = mg.grad(out, image, mg.tensor(random.normal(size=out.shape).astype(np.float32)))
    print(f"{name:15} gives a gradient to {(g.numpy() != 0).mean():4.0%} of the pixels")

# %% [markdown]
# Average pooling reaches all pixels, but all four with the *same* number: it cannot ask for an edge between them.  A strided convolution is both at once: it
# shrinks, with weights that it learns, and each pixel hears something of its own.  In the generator the same holds the other way round: a transposed
# convolution learns how to enlarge.
#
# ## 4. Rules 2 and 5: keep the signal alive
#
# What do weights of $N(0, 0.02)$ do to a signal?  A unit that adds up $n$ inputs of mean square $m^2$, with independent weights of standard deviation 0.02, has the
# standard deviation $0.02\, m \sqrt n$.  The second convolution of S3's D adds up $n = 64 \cdot 16 = 1{,}024$ numbers: a factor of $0.02 \cdot 32 = 0.64$; and LeakyReLU
# takes its share.  Layer by layer the signal shrinks.  Batch norm brings it back to 1, whatever it was.  Measure it with and without, on noise images of standard
# deviation 1:

# %%
mg.manual_seed(0)
judge = conv_k4_bn_networks(64, 3)[1]
for norms in (True, False):
    t, deviations = mg.randn(16, 3, 64, 64), []
    for layer in judge:
        if norms or not isinstance(layer, nn.BatchNorm2d):
            t = layer(t)
            if isinstance(layer, nn.LeakyReLU | nn.Linear):
                deviations.append(float(t.numpy().std()))
    print(
        f"{'with batch norm:' if norms else 'without:':17}", "  ".join(f"{deviation:.1g}" for deviation in deviations)
    )

# %% [markdown]
# (The numbers are standard deviations behind each LeakyReLU, which leaves 0.6 of a signal of 1; the last is the logit's.  The first layer has no batch norm in either
# row.)  Without it the logit hardly depends on the image any more, and the gradient that comes back is as small.  The two rules belong together: one starts
# small and equal, the other sets the scale.  (S4's networks have no batch norm, and start with larger weights for that reason: our code gives them the
# library's default, which is scaled by $1/\sqrt n$.)
#
# **Why not at the generator's output?**  Batch norm would give every batch of images the same mean and the same contrast, whatever the digits are.  The output has to be
# free to be an image.
#
# **Why not at the discriminator's input?**  Real and generated images go through D in two batches, one after the other (so that it cannot compare them within
# a batch).  Batch norm at the input would subtract from each batch its own mean and divide by its own contrast.  So D could never
# learn that generated digits are too dark or too pale:

# %%
digits = mg.tensor(train.images[:32])
pale = 0.3 * digits - 0.4
with_norm = nn.Sequential(nn.BatchNorm2d(1), *conv_k5_dropout_networks(28, 1)[1]).train()
without = nn.Sequential(*list(with_norm)[1:])
for layer in with_norm:
    if isinstance(layer, nn.Dropout):
        layer.p = 0.0  # to compare the two, not their noise
for name, network in (("batch norm at the input", with_norm), ("no batch norm there", without)):
    gap = abs(network(digits).numpy() - network(pale).numpy()).max()
    print(f"{name:24} logits of digits and of pale digits differ: {bool(gap > 1e-3)}")

# %% [markdown]
# **Training mode.**  Batch norm takes the statistics of the batch in training, and running averages afterwards.  S3's listing calls its networks
# without `training=True`, so with the running averages, which at the beginning are 0 and 1: it does nothing at all.  Look at what the generator
# then makes of different noise, by the standard deviation across images:

# %%
mg.manual_seed(0)
fresh = conv_k4_bn_networks(64, 3)[0]
for mode in (True, False):
    with mg.no_grad():
        images = fresh.train(mode)(mg.randn(64, 100)).numpy()
    print(
        f"{'training' if mode else 'evaluation'} mode: a pixel's standard deviation over 64 images is {images.std(axis=0).mean():.0e}"
    )

# %% [markdown]
# ## 5. Rules 3 and 4: activations
#
# **LeakyReLU in D.**  A ReLU that is off passes no gradient.  In a classifier that is fine; in a discriminator every closed unit is a path by which the
# generator does not hear what was wrong.  With slope 0.2 no path is closed.  Take the small D of section 1, with slopes
# 0 and 0.2, and count the units of its second convolution, behind batch norm, that the gradient of the logit reaches:

# %%
open_paths = {}
for slope in (0.0, 0.2):
    mg.manual_seed(0)
    judge = conv_networks(28, 1)[1]
    for layer in judge:
        if isinstance(layer, nn.LeakyReLU):
            layer.negative_slope = slope
    hidden = mg.tensor(nn.Sequential(*list(judge)[:4])(digits).numpy(), requires_grad=True)
    rest = nn.Sequential(*list(judge)[4:])
    (g,) = mg.grad(rest(hidden).sum(), hidden)
    open_paths[slope] = (g.numpy() != 0).mean()
    print(f"slope {slope}: a gradient comes through {open_paths[slope]:.0%} of the units")

# %% [markdown]
# **ReLU in G** is less delicate: what a closed unit there keeps from itself and the layers before it, no other player misses; and batch norm, before each ReLU, keeps about
# half of the units open.
#
# **tanh, and data in $[-1, 1]$.**  The output must have the range of the data.  tanh reaches from $-1$ to $1$, symmetrically, and black is $-1$: that is where tanh is
# *flat*, so that a black background, most of a digit, is easy to hold.  S4's listing has tanh and data in $[0, 1]$.  Then black is 0, where tanh is *steepest*, and half of
# what the generator can say, everything below 0, gives it away at once.  S0's listing has no activation at its end: its pixels have no bounds at all.

# %%
with mg.no_grad():
    start = generator(noise).numpy()
print(f"pixels of a fresh generator below 0: {(start < 0).mean():.0%};  of data in [0, 1]: 0%")
print(f"data in [-1, 1] that is exactly -1: {(train.images == -1).mean():.0%}")

# %% [markdown]
# ## 6. Rule 6: an optimizer with a short memory
#
# Adam does not follow the gradient $g$ but its moving average, $m \leftarrow \beta_1 m + (1 - \beta_1) g$.  With the usual $\beta_1 = 0.9$ it remembers about $1/(1 - 0.9) = 10$ steps: good
# on a hill that stays where it is.  But in a game the hill moves with every step of the other player.  What was downhill ten steps ago may be uphill.
#
# ### Exercise 9.3: how long Adam looks back
#
# For a long time the gradient was $+1$, so that $m = 1$.  From now on it is $-1$.  After how many steps is $m$ below 0, so that Adam moves the other way?


# %%
def steps_to_turn(beta1):
    """The number of steps until the average is below 0; a whole number."""
    return ...


exercises.steps_to_turn(steps_to_turn)

# %% [markdown]
# <details><summary>Hint</summary>
#
# After $n$ steps the old $+1$ weighs $\beta_1^n$ and all the new $-1$ together $1 - \beta_1^n$.
#
# </details>
#
# Seen in the smallest game there is: one player owns $a$ and wants $a b$ small, the other owns $b$ and wants it large.  The solution is $a = b = 0$.  Adam goes
# round it; the longer its memory, the wider the circles:

# %%
rounds = {}
for beta1 in (0.9, 0.5):
    a, b = mg.tensor(0.5, requires_grad=True), mg.tensor(0.5, requires_grad=True)
    players = [mg.optim.Adam([a], lr=0.02, betas=(beta1, 0.999)), mg.optim.Adam([b], lr=0.02, betas=(beta1, 0.999))]
    path = []
    for _ in range(600):
        for player, own, sign in zip(players, (a, b), (1, -1)):
            own.grad = mg.grad(sign * a * b, own)[0]
            player.step()
        path.append((a.item(), b.item()))
    rounds[beta1] = np.array(path)
    print(
        f"beta1 = {beta1}: mean distance from the solution over the last 300 steps {np.hypot(*rounds[beta1][300:].T).mean():.1f}"
    )

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(8.5, 4.4),
        caption="The paths of the two players around the solution (cross). With beta1 = 0.9 each goes on in its old direction long after the other has "
        "moved.",
    )  # fmt: skip
    limit = 1.1 * max(abs(path).max() for path in rounds.values())
    for place, (beta1, path) in zip(axes, rounds.items()):
        place.plot(path[:, 0], path[:, 1], linestyle="-", linewidth=1)
        place.plot([0], [0], marker="+", markersize=12, color="black")
        place.set(
            xlabel="a", ylabel="b", title=f"beta1 = {beta1}", xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal"
        )
picture

# %% [markdown]
# ## 7. Train it
#
# The step is lesson 8's, with its losses, its `detach` and its two optimizers; nothing in it knows that the networks are convolutions.  Two things are
# there for this lesson's sake, though.  Look for them:

# %%
show_source(mg.models.GAN.training_step)

# %% [markdown]
# - **Real and generated images are judged one after the other**, in two batches: because of batch norm.  Each batch is standardised by its own
#   statistics, so that D cannot tell an image by how it differs from the others in a mixture.
# - **G's images are judged again** after D's move, by the new weights: G answers to D as it is, not as it was.
#
# And **fresh noise in every step.**  S4's listing draws it once, before the loop.  Then G learns those images, and nothing between them.
#
# *A wrong sign, seen.*  D's loss is $-\log D(x) - \log(1 - D(G(z)))$.  S3's listing has D descend $+\log D(x)$, without the second term.  What does such a D
# learn, and what does it tell G?


# %%
def what_d_learns(loss_d, steps=40):
    """D's probabilities for real and generated digits, and the size of the gradient that G would get, after some steps of D."""
    mg.manual_seed(0)
    g_network, d_network = conv_networks(28, 1, width=8)
    optimizer = mg.optim.Adam(d_network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for step in range(steps):
        real = mg.tensor(train.images[step * 32 : step * 32 + 32])
        fake = g_network(mg.randn(32, 100)).detach()
        loss = loss_d(d_network(real), d_network(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fake = mg.tensor(g_network(mg.randn(32, 100)).numpy(), requires_grad=True)
    judged = d_network(fake)
    (to_g,) = mg.grad(mg.losses.minimax_g(judged), fake)
    return d_network(real).sigmoid().mean().item(), judged.sigmoid().mean().item(), float(np.linalg.norm(to_g.numpy()))


as_derived = what_d_learns(mg.losses.minimax_d)
as_listed = what_d_learns(lambda real, fake: -F.softplus(-real).mean())  # + log D(x), and nothing else
for name, (d_real, d_fake, _) in (("as derived", as_derived), ("S3's listing", as_listed)):
    print(f"{name:13} D(real) above 1/2: {d_real > 0.5!s:5}  D(generated) above 1/2: {d_fake > 0.5}")
print("gradient for S3's generator, smaller by more than a factor of 10:", as_listed[2] < as_derived[2] / 10)

# %% [markdown]
# As listed, D calls everything generated, real or not; the saturating loss of that listing then has no gradient for G, and nothing is learned.
#
# Now the real thing: 4,000 digits, and the same 10 noise vectors looked at again and again.
#
# **How fast?**  The paper's learning rate is $2 \cdot 10^{-4}$, for many passes over millions of images.  We have 500 steps here, and 1,500 in the full run.  So
# the rate begins 50 times as high, at $10^{-2}$.  Batch norm allows that: a layer's output does not depend on the scale of its weights, so a step
# that was too long makes the weights long, and the next steps small beside them.  But at full speed two players go round their solution, as $a$ and $b$ did above, and never
# settle; strokes stay coarse, and no digit gets finished.  So the rate *falls*, in a straight line, to 0 at the last step.  `schedule` sets it: it is told what
# share of the training is done.  (`minigen train` does that for you.)

# %% tags=["varies"]
mg.kernels.use("auto")  # the fast kernels; the first run on a machine compiles them
mg.manual_seed(0)
model = mg.models.build("dcgan", size=28, channels=1)
loader = Loader(train, 32, seed=0, drop_last=True)
EPOCHS, LOOK_AT = 4, (0, 30, 60, 125, 250, 500)
log = {"step": [], "loss_d": [], "loss_g": [], "d_real": [], "d_fake": []}
watched = [model.sample(10, np.random.default_rng(3))]
for epoch in range(EPOCHS):
    for batch in loader.epoch(epoch):
        model.schedule(len(log["step"]) / (EPOCHS * len(loader)))
        numbers = model.training_step(batch)
        log["step"].append(len(log["step"]) + 1)
        for key, value in numbers.items():
            log[key].append(value)
        if len(log["step"]) in LOOK_AT:
            watched.append(model.sample(10, np.random.default_rng(3)))
print(
    f"{len(log['step'])} steps; last:",
    "  ".join(f"{key} {np.mean(log[key][-50:]):.2f}" for key in log if key != "step"),
)


# %% jupyter={"source_hidden": true}
def show_rows(axes, rows, names, scale=3):
    """Rows of images, each with its name at the left; 16 greys are enough for the eye and make small files."""
    images = plot.image_grid(np.concatenate(rows), len(rows[0]), scale=scale)
    height = images.shape[0] / len(rows)
    axes.imshow(images // 16 * 17, vmin=0, vmax=255, interpolation="nearest")
    axes.set(xticks=[], yticks=[(row + 0.5) * height for row in range(len(rows))], yticklabels=names)
    axes.tick_params(length=0, labelsize=11)
    axes.grid(False)
    axes.spines[:].set_visible(False)


with plot.style():
    picture, axes = plot.figure(
        size=(8.5, 5.6),
        caption="A column is one noise vector, always the same; a row is a moment of the training. First blobs of the right brightness, then "
        "strokes, then digits. Some columns change their mind on the way: nothing ties a z to a digit.",
    )
    show_rows(axes, watched, [f"step {step}" for step in LOOK_AT])
picture

# %% [markdown]
# ### What the numbers mean
#
# | number | if D cannot tell | if D is certain | what it does *not* say |
# |---|---|---|---|
# | `loss_d` | $2\log 2 = 1.39$ | about 0.33 (labels are smoothed to 0.9) | how good the images are |
# | `loss_g` | $\log 2 = 0.69$ | large | whether G got better: D moves too |
# | `d_real`, `d_fake` | 0.5, 0.5 | near 0.9, near 0 | |
#
# There is no number here that falls *because* the images get better.  G's loss says how it stands against D, and D moves too: below, once the first wild steps are
# over, it stays at about 1.5, while the images improve all the way.  What one
# can read is whether the game is alive: `d_fake` glued to 0 and `loss_g` climbing mean that D has won and G hears nothing; all at
# 0.5 from the start, that D learns nothing.

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.8),
        caption="Left: the losses, means of 10 steps (the first are higher). Right: what D gives real and generated images. D is ahead throughout: after the "
        "first steps its two means are close, and as the learning rate falls they part, while the images get better.",
    )  # fmt: skip

    def smooth(values, width=10):
        return np.convolve(values, np.ones(width) / width, "valid")

    for key, name in (("loss_d", "D"), ("loss_g", "G")):
        axes[0].plot(log["step"][9:], smooth(log[key]), label=name)
    for key, name in (("d_real", "real"), ("d_fake", "generated")):
        axes[1].plot(log["step"][9:], smooth(log[key]), label=name)
    axes[0].axhline(2 * np.log(2), color="#888888", linestyle=":", linewidth=1.5, label="D, undecided")
    axes[0].set(xlabel="step", ylabel="loss", ylim=(0, 5))
    axes[1].set(xlabel="step", ylabel="D's mean probability", ylim=(0, 1))
    for place in axes:
        place.legend(fontsize=11)
picture

# %% [markdown]
# At step 100 the two means are only some 0.15 apart, at the end about twice as much.  So is G losing?  Look at the pictures: its digits were poor at step 125,
# and are better at 500.  At full speed *neither* player is good.  As the rate falls both settle, and D learns to see finer flaws somewhat sooner
# than G learns to avoid them.  Means that are close prove nothing.
#
# How often is D *right*?  A classifier's accuracy, with the border at 1/2, on digits that it has not trained with and on fresh samples:

# %%
test = load("mnist5k", split="test")
model.eval()
with mg.no_grad():
    on_real = model.discriminator(mg.tensor(test.images[::4])).numpy() > 0
    fakes = model.sample(250, np.random.default_rng(4))
    on_fake = model.discriminator(mg.tensor(fakes)).numpy() < 0
model.train()
print("D is right more often than a coin:", (on_real.mean() + on_fake.mean()) / 2 > 0.5)

# %% [markdown]
# ## 8. Inside
#
# What have the layers learned?  Send one noise vector through the trained generator and stop on the way; then send the digit, and a real one, through the
# discriminator's first layer.

# %% jupyter={"source_hidden": true}
model.eval()
with mg.no_grad():
    t, stops = mg.randn(1, 100, generator=np.random.default_rng(3)), []
    for layer in model.generator:
        t = layer(t)
        if isinstance(layer, nn.ReLU | nn.Tanh):
            stops.append(t.numpy()[0])
with plot.style():
    picture, axes = plot.figure(
        1, 3, size=(9, 3.9),
        caption="One noise vector on its way. Left: 16 of the 64 maps of 7 x 7, each at its own scale. Middle: 16 of the 32 maps of 14 x 14: parts of "
        "strokes, insides, surroundings. Right: the image.",
    )  # fmt: skip
    for place, maps_here, title in zip(axes, stops, ("7 x 7", "14 x 14", "28 x 28")):
        shown = maps_here[:16]
        top = shown.max(axis=(1, 2), keepdims=True)
        low = shown.min(axis=(1, 2), keepdims=True)
        place.imshow(
            plot.image_grid(
                (shown - low) / np.maximum(top - low, 1e-6), 4 if len(shown) > 1 else 1, padding=1, value_range=(0, 1)
            ),
            vmin=0,
            vmax=255,
        )
        place.set_title(title, fontsize=11)
        place.set_axis_off()
picture

# %% jupyter={"source_hidden": true}
with mg.no_grad():
    pair = np.concatenate([test.images[650:651], fakes[:1]])
    hidden = model.discriminator[1](model.discriminator[0](mg.tensor(pair))).numpy()
model.train()
weights = model.discriminator[0].weight.numpy()[:16]
with plot.style():
    picture, axes = plot.figure(
        1, 3, size=(9, 3.9),
        caption="The discriminator's first layer. Left: 16 of its 32 filters of 4 x 4 (grey is 0). Middle and right: what they answer to a real digit "
        "and to a generated one: edges of each direction.",
    )  # fmt: skip
    bound = abs(weights).max()
    axes[0].imshow(plot.image_grid(weights, 4, padding=1, value_range=(-bound, bound), scale=4), vmin=0, vmax=255)
    for place, answer in zip(axes[1:], hidden):
        bound = abs(answer[:16]).max()
        place.imshow(plot.image_grid(answer[:16], 4, padding=1, value_range=(-bound, bound)), vmin=0, vmax=255)
    for place, title in zip(axes, ("filters", "a real digit", "a generated digit")):
        place.set_title(title, fontsize=11)
        place.set_axis_off()
picture

# %% [markdown]
# ## 9. The full run
#
# Four epochs are few.  The default run takes twelve, some minutes on a laptop:
#
#     minigen train dcgan
#
# It leaves its samples after every epoch, the log, and curves in `runs/dcgan-mnist5k`.  This is its last picture:

# %%
Image(data=(lessons.FOLDER / "pictures" / "dcgan_mnist5k.png").read_bytes())

# %% [markdown]
# Judge it with your own eyes: about nine of ten can be read, with some goodwill.  (A number for that, and its error bar, are a lesson of their own.)
#
# ## 10. Does it copy?
#
# A generator that stored its 4,000 training images would make perfect samples.  Look for the training image *nearest* to each sample.  (Nearest in
# pixels: the sum of squared differences.  It is a crude measure, for a digit shifted by two pixels is far away; but a copy it finds.)
#
# ### Exercise 9.4: the nearest training image
#
# All differences of 1,000 samples and 4,000 digits would be 25 GB.  Do without.


# %%
def nearest(samples, train):
    """The index in train of the image nearest to each sample; samples: (N, P), train: (M, P), the result: (N,)."""
    return ...


exercises.nearest(nearest)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $\|a - b\|^2 = \|a\|^2 - 2\,a \cdot b + \|b\|^2$, and all products $a \cdot b$ are one matrix product.
#
# </details>
#
# What distance is suspicious?  Take a yardstick: the distance from *real* digits that were not trained on, the test split, to their nearest
# training image.


# %%
def distances(samples):
    """To all training images, in pixels' units: shape (N, 4000)."""
    a, b = (images.reshape(len(images), -1).astype(np.float64) for images in (samples, train.images))
    squares = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0))


generated, real = distances(fakes), distances(test.images[::4])
print("a training image itself:", round(distances(train.images[:5]).min(axis=1).max(), 3))
print(
    "is any sample nearer than half the distance of the nearest test digit?", bool(generated.min() < 0.5 * real.min())
)

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 4.4),
        caption="Left: ten samples (above), and of each the nearest training image (below): alike, not the same. Right: the distances of 250 samples and of "
        "250 test digits to their nearest training image; a copy would stand at 0.",
    )  # fmt: skip
    closest = train.images[generated[:10].argmin(axis=1)]
    show_rows(axes[0], [fakes[:5], closest[:5], fakes[5:10], closest[5:]], ["sample", "nearest"] * 2, scale=2)
    bins = np.linspace(0, max(generated.min(axis=1).max(), real.min(axis=1).max()), 30)
    for values, name, style_of in ((real, "test digits", "-"), (generated, "samples", "--")):
        axes[1].hist(values.min(axis=1), bins, histtype="step", label=name, linestyle=style_of, linewidth=2)
    axes[1].set(xlabel="distance to the nearest training image", ylabel="images")
    axes[1].legend(fontsize=11)
picture

# %% [markdown]
# So G copies nothing.  The samples are even *farther* from the training images than new real digits are: they are not yet as good.
#
# ## 11. Walking through the noise
#
# If G had merely learned a list, there would be nothing between two entries.  So go from one $z$ to another.  Along a straight line?  A vector of 100 normal
# numbers has a length of about $\sqrt{100} = 10$, and hardly ever less than 8 or more than 12: the noise lies in a thin *shell*.  The middle of a straight line between two
# such vectors is inside it, at about $10/\sqrt 2 = 7$, where G was never trained.  Better to go along the shell.
#
# ### Exercise 9.5: the way round


# %%
def slerp(a, b, t):
    """From a (t = 0) to b (t = 1) along the great circle, at a constant pace; a, b: arrays (d,)."""
    return ...


exercises.slerp(slerp)

# %% [markdown]
# <details><summary>Hint</summary>
#
# With the angle $\omega$ between $a$ and $b$: $\big(\sin((1-t)\omega)\,a + \sin(t\omega)\,b\big)/\sin\omega$.  How does one get an angle from two vectors?
#
# </details>

# %% jupyter={"source_hidden": true}
ends = mg.randn(10, 100, generator=np.random.default_rng(3)).numpy()[[9, 7, 8, 2, 4, 0]]  # columns of the picture in 7
steps = np.linspace(0, 1, 10)


def around(a, b, t):
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


walks = []
for a, b in ends.reshape(3, 2, 100):
    walks += [[(1 - t) * a + t * b for t in steps], [around(a, b, t) for t in steps]]
model.eval()
with mg.no_grad():
    frames = model.generator(mg.tensor(np.array(walks).reshape(-1, 100).astype(np.float32))).numpy()
model.train()
with plot.style():
    picture, axes = plot.figure(
        size=(8.5, 5.8),
        caption="Three walks from one noise vector of section 7 to another, each along a straight line and around the shell. The digit changes smoothly, by way of "
        "others: no jumps, so G has learned no list.",
    )
    show_rows(axes, list(frames.reshape(6, 10, 1, 28, 28)), ["straight", "around"] * 3)
picture

# %% [markdown]
# Here the two ways look almost the same: this G bears a $z$ of length 7.  Others do not, and the way round costs nothing.
#
# ## 12. What the articles do
#
# | the article | what comes of it | where |
# |---|---|---|
# | S0: G makes 32 x 32, D takes 64 x 64 | an error, or a resize that hides it | section 1 |
# | S4: G makes 14 x 14 | the same | section 1 |
# | S3: D and G called without training mode | no batch norm at the start: all images alike | section 4 |
# | S4: data in $[0, 1]$, tanh in $[-1, 1]$; S0: no activation at all | the range gives generated images away | section 5 |
# | S3: D descends $+\log D(x)$, no second term | D calls everything generated, G hears nothing | section 7 |
# | S4: one batch of noise for the whole training | G learns these images only | section 7 |
# | S3: "staircase images" blamed on unstable training | probably checkerboards, as S0's and S4's kernel 5 with stride 2 makes them | lesson 3 |
# | S3: quality judged by D's performance | D is a moving yardstick | section 7 |
#
# ## Why this, and not that?
#
# - **Why strides?**  They shrink with learned weights, and every pixel gets a gradient of its own.
# - **Why batch norm, and why not at G's end and D's beginning?**  It keeps the signal alive from layer to layer.  At the two places where images are, it
#   would take their brightness and contrast away.
# - **Why LeakyReLU in D?**  What D does not pass back, G never hears.
# - **Why tanh and $[-1, 1]$?**  The output needs the data's range, and black is where tanh is flat.
# - **Why 0.02?**  Small and equal, so that tanh and D begin in their middle; batch norm sets the scale.
# - **Why $\beta_1 = 0.5$?**  The other player moves: old gradients are about another game.
# - **Why does the logit have no sigmoid?**  The loss takes logits, without overflow.
# - **Why kernel 4?**  The stride divides it.
#
# ## To a friend, in three sentences
#
# The generator paints coarse to fine: a few numbers become a 7 x 7 plan with many channels, and each layer doubles it and settles details; the discriminator
# goes the same way back.  All the rules of DCGAN serve one end, that a useful gradient travels from the verdict through the whole discriminator to every pixel and
# on to the noise.  Whether it draws well, none of its numbers says: look, compare with the training images, and walk through the noise.
#
# **Go on.**  `minigen train dcgan --network conv_k4_bn` (or `conv_k5_dropout`), `--ema 0.995`, `--beta1 0.9`; `minigen train dcgan --data folder:PATH --size 64` for your own images.  The
# source: `minigen/models/gan/dcgan.py`.  The paper: Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative
# adversarial networks" (2016).  The solutions: `lessons/solutions/09_dcgan.py`.
