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
# **The question.** A GAN of dense layers does not know which pixels are neighbors.  Convolutions do.  But for two years
# GANs of convolutions were hardly trainable, because the discriminator won too early.  Then Radford, Metz and Chintala
# (2016) published a network with a few rules, the **DCGAN** (deep convolutional GAN, 深度卷积生成对抗网络), and it worked:
#
# 1. strided convolutions in place of **pooling** (池化);
# 2. batch norm in both networks, but *not* at the generator's output and *not* at the discriminator's input;
# 3. ReLU in the generator, tanh at its end, and data in $[-1, 1]$;
# 4. LeakyReLU with slope 0.2 in the discriminator;
# 5. weights that start as $N(0, 0.02^2)$: normal, with standard deviation 0.02;
# 6. Adam with $\beta_1 = 0.5$.
#
# What is each rule for?  What happens in a training that breaks it?
#
# At the end you will be able to
#
# - read a generator and a discriminator layer by layer: shapes, parameters, what each unit sees;
# - give the argument for each rule, and say which of the arguments a training confirms;
# - train a DCGAN, and say what the numbers of its log mean and what they do not mean;
# - search for copies of training images, and walk through the latent space.
#
# You need lessons 3 (convolution), 6 (batch norm and initialization), 7 (Adam) and 8 (the game and its losses).  Plan
# three sittings of about 50 minutes: sections 1 to 3, sections 4 to 7, sections 8 to 13.  (Times are estimates for a
# reader who looks words up; they include the exercises.)  Five exercises check your answers; you can go on without solving
# them.  New words are **bold**, with their Chinese name (`docs/glossary.md` has all).
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $z$ | `noise` | the latent vector: 100 numbers from $N(0, I)$ |
# | $G(z)$ | `generator` | the image made of it, pixels in $[-1, 1]$ |
# | $D(x)$ | `discriminator` | the probability that $x$ is real |
# | $\ell$ | `logits` | the logit, which the network gives: $D = \sigma(\ell)$ |
# | $N, C, H, W$ | | images in a batch, channels, height, width |
# | $k, s$ | `kernel`, `stride` | kernel size and stride of a convolution |
# | $m$ | `average` | Adam's running mean of the gradients $g$ |
# | $\beta_1$ | `beta1` | how much of $m$ is kept at each step |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import numpy as np
from IPython.display import Image
from PIL import Image as Picture

import minigen as mg
import minigen.functional as F
from minigen import lessons, metrics, nn, plot
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
# A layer is a function from Tensors to Tensors, and a network is a list of layers.  We send a batch through, one layer at a
# time, and print the shape of each output.  These are the networks of the paper, for digits of 28 x 28 pixels
# (`minigen train dcgan --network conv`).  *Decide before you look*: which layer of the generator has the most parameters?


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
# **The generator** begins with its only dense layer: 100 numbers become 64 **feature maps** (特征图) of 7 x 7, a very coarse
# picture with many channels.  Each transposed convolution with kernel 4, stride 2 and padding 1 doubles height and width.
# The number of channels falls: many coarse maps become one fine image.
#
# **The discriminator** is its mirror: each convolution halves the picture, and the number of channels grows.  The last
# layer gives one number, the logit.  There is *no* sigmoid, because the loss is computed from the logit (lesson 8,
# section 2).
#
# Layers before batch norm have no bias: batch norm would subtract it again, with the mean (lesson 6, section 3).  The
# kernel is **4** with stride 2, not 5 or 3, because the stride should divide the kernel: then every output pixel gets
# contributions from the same number of kernel elements, and there are no **checkerboard artifacts** (棋盘效应; lesson 3).
#
# ### The networks of the articles
#
# minigen grew from five articles, S0 to S4; `docs/articles.md` says what they are.  Two of them list DCGANs.  Here they are
# as listed, except for what had to be repaired.  S3 (§4.1) makes 64 x 64 pixels in color, S4 (§4) makes digits:

# %%
for name, networks in (("S3", conv_k4_bn_networks(64, 3)), ("S4", conv_k5_dropout_networks(28, 1))):
    print(f"{name}: generator {trainable(networks[0]):,}, discriminator {trainable(networks[1]):,}")
read(conv_k4_bn_networks(64, 3)[0], mg.randn(2, 100))

# %% [markdown]
# **What had to be repaired.**  S4's listing (§4, line 163) has one transposed convolution too few.  There is no error until a
# generated image meets the discriminator, whose last layer expects as many features as 28 x 28 pixels give:

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
# (S0, §4.1, line 121, has the same mistake in another place: its generator makes 32 x 32 images, its discriminator takes
# 64 x 64.)
#
# ### Exercise 9.1: counting parameters
#
# Write down how many numbers a layer learns.  A network is given as a list such as S3's generator,
#
#     [("linear", 100, 256), ("convt", 4, 128, 4), ("norm", 128), ("convt", 128, 64, 4), ("norm", 64), ("convt", 64, 3, 4)]
#
# with inputs, outputs and, for convolutions (`"conv"`) and transposed convolutions (`"convt"`), the kernel's size; a norm
# has only its channels.  All layers but the norms have a bias (this listing keeps it even before batch norm).  The table
# above shows the right result.


# %%
def count_parameters(layers):
    """The number of trainable numbers."""
    return ...


exercises.count_parameters(count_parameters)

# %% [markdown]
# <details><summary>Hint</summary>
#
# There is a weight for each pair (input channel, output channel) and each of the kernel x kernel taps, and one bias for each
# *output*.  Batch norm learns a scale and a shift for each channel; its running mean and variance are measured, not learned.
#
# </details>
#
# ## 2. What a unit sees
#
# A unit of the discriminator's first layer sees 4 x 4 pixels.  A unit of the second layer sees 4 x 4 units of the first.
# These are 2 pixels apart, and each sees 4 pixels: together 10 pixels.  This is its **receptive field** (感受野).  We check it
# by the gradient: a pixel that a unit does not see has gradient 0.  *Decide before you look*: how many pixels does a unit
# of the third layer see?


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
# Now the generator: change *one* place of its 7 x 7 maps, in all 64 of them.  How many pixels of the image change?  (Batch
# norm is in evaluation mode here; in training mode each image of a batch acts on all others.)

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
print(f"one place of 7 x 7 changes {painted.any(axis=0).sum()} x {painted.any(axis=1).sum()} of 28 x 28 pixels")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(8.5, 4.5),
        caption="Left: on an image of 64 x 64, what one unit sees behind one, two and three convolutions of kernel 4, stride 2 (dark to light). Right: the pixels "
        "of a digit that one place of the generator's 7 x 7 maps changes.",
    )  # fmt: skip
    axes[0].imshow(sum(view.astype(float) for view in views), cmap="Blues", vmin=0, vmax=3.5)
    for view, width in zip(views, (4, 10, 22)):
        right, bottom = np.flatnonzero(view.any(axis=0))[-1], np.flatnonzero(view.any(axis=1))[-1]
        axes[0].text(right + 1, bottom, f"{width}", fontsize=11, va="center", ha="left")
    axes[1].imshow(painted, cmap="Blues", vmin=0, vmax=1.5)
    for place, title in zip(axes, ("seen by a unit of D", "changed by a place of G")):
        place.set(xlabel="column", ylabel="row", title=title)
        place.grid(False)
picture

# %% [markdown]
# So D's first layers can judge only strokes and edges.  Whether the strokes make a *digit* is decided by the dense layer at
# the end, which sees everything.  In G, neighboring places change overlapping patches.  Only the dense layer at the
# *beginning*, which writes all 49 places together, can make the patches fit.
#
# ### Exercise 9.2: how much a unit sees
#
# The three convolutions above are `[(4, 2), (4, 2), (4, 2)]`, and a unit behind them is 22 pixels wide in its view.  Write
# the rule for any list of kernels and strides.


# %%
def receptive_field(layers):
    """How many pixels wide a unit's view is; layers: list of (kernel, stride), the one next to the image first."""
    return ...


exercises.receptive_field(receptive_field)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Keep two numbers: the view so far, and how many pixels apart two neighbors are.  A window of $k$ taps has $k - 1$ gaps.
#
# </details>
#
# ## 3. Rule 1: strides, not pooling
#
# The next sections give the argument for each rule, with a number.  Section 8 then breaks each rule in a training.  Keep a
# list: which rule do you expect to matter most?
#
# A classifier may shrink its maps by **max pooling** (最大池化): the largest of each 2 x 2 units goes on.  The argument against
# it: **the generator learns only from the gradient of D with respect to the image**, and max pooling gives a gradient to
# one pixel of four:

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
# Average pooling reaches all pixels, but gives all four the *same* number: it cannot ask for an edge between them.  A
# strided convolution shrinks with weights that it learns, and gives each pixel a different number.  In the generator, a
# transposed convolution learns how to enlarge.
#
# ## 4. Rules 2 and 5: keep the signal alive
#
# Lesson 6 has the formula of batch norm, $y = \gamma\,(x - \mu)/\sqrt{v + \epsilon} + \beta$ with the mean $\mu$ and the variance
# $v$ of a channel over the batch, and the size that weights must have to keep a signal.  What do weights of $N(0, 0.02^2)$ do?
# A unit that adds $n$ inputs of mean square $1$, with independent weights of standard deviation 0.02, has the standard
# deviation $0.02 \sqrt n$.  The second convolution of S3's D adds $n = 64 \cdot 16 = 1{,}024$ numbers: a factor of
# $0.02 \cdot 32 = 0.64$, and LeakyReLU takes some more.  The signal shrinks from layer to layer.  Batch norm brings it back
# to 1.  We measure it with and without batch norm, on noise images of standard deviation 1:

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
# (The numbers are standard deviations after each LeakyReLU, which leaves 0.6 of a signal of 1; the last number is the
# logit's.  The first layer has no batch norm in either row.)  Without batch norm the logit hardly depends on the image, and
# the gradient that comes back is as small.  The two rules belong together: weights start small and equal, and batch norm
# sets the scale.  (S4's networks have no batch norm.  Our code starts them with the library's default, which is scaled by
# $1/\sqrt n$.)
#
# **Why not at the generator's output?**  Batch norm would give every batch of images the same mean and the same contrast.
#
# **Why not at the discriminator's input?**  Real and generated images go through D in two separate batches.  Batch norm at
# the input would subtract from each batch its own mean and divide by its own contrast (lesson 6, section 6).  So D could
# not learn that generated digits are too dark or too pale.  How far apart are D's logits for digits and for pale digits?

# %% tags=["varies"]
digits = mg.tensor(train.images[:32])
pale = 0.3 * digits - 0.4  # black, -1, becomes -0.7; white, 1, becomes -0.1
with_norm = nn.Sequential(nn.BatchNorm2d(1), *conv_k5_dropout_networks(28, 1)[1]).train()
without = nn.Sequential(*list(with_norm)[1:])
for layer in with_norm:
    if isinstance(layer, nn.Dropout):
        layer.p = 0.0  # to compare the two, not their noise
for name, network in (("batch norm at the input", with_norm), ("no batch norm there", without)):
    logits, of_pale = (network(images).numpy() for images in (digits, pale))
    print(
        f"{name:24} largest difference of the logits: {abs(logits - of_pale).max():.1g};  their spread {logits.std():.1g}"
    )

# %% [markdown]
# **Training mode.**  In training, batch norm uses the statistics of the batch; in evaluation, running averages.  S3's listing
# (§4.1, line 118) calls its networks without `training=True`, so it uses the running averages, which are 0 and 1 at the
# beginning.  Then batch norm does nothing at all.  Does the generator still make different images of different noise?  We
# print the standard deviation of a pixel across images:

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
# With the statistics of the batch, a pixel differs by about 0.2 from image to image.  With the running averages it differs
# by less than a hundredth of that: all images are nearly equal.
#
# ## 5. Rules 3 and 4: activations
#
# **LeakyReLU in D.**  A ReLU with a negative input passes no gradient.  The argument: in a discriminator, each such unit
# blocks a path by which the generator learns.  With slope 0.2 no path is blocked.  We take the small D of section 1 with
# slopes 0 and 0.2, and count the units of its second convolution that the gradient of the logit reaches:

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
# Half of the paths are blocked.  Is the other half enough?  The count cannot say; section 8 can.
#
# **ReLU in G.**  A closed ReLU in G blocks a gradient inside G only; D is not affected.  And batch norm before each ReLU keeps
# about half of the units open.
#
# **tanh, and data in $[-1, 1]$.**  The output must have the range of the data.  tanh gives numbers from $-1$ to $1$, and
# black is $-1$.  There tanh is *flat*, so a black background, most of a digit, is easy to keep.  S4's listing (§4, lines 151
# and 163) has tanh and data in $[0, 1]$.  Then black is 0, where tanh is *steepest*, and everything below 0 tells D at once
# that an image is generated.  S0's listing (§4) has no activation at the end, so its pixels have no bounds.

# %%
with mg.no_grad():
    start = generator(noise).numpy()
print(f"pixels of a fresh generator below 0: {(start < 0).mean():.0%};  of data in [0, 1]: 0%")
print(f"data in [-1, 1] that is exactly -1: {(train.images == -1).mean():.0%}")

# %% [markdown]
# ## 6. Rule 6: an optimizer with a short memory
#
# Adam (lesson 7, section 4) does not follow the gradient $g$ itself, but its running mean
# $m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t$, divided by the usual size of $g$.  With the usual $\beta_1 = 0.9$ the mean
# reaches back about $1/(1 - 0.9) = 10$ steps.  In a minimization that averages the noise of the batches.  In a game the loss
# of each player changes with every step of the other, and a gradient of ten steps ago belongs to another loss.
#
# ### Exercise 9.3: how long Adam looks back
#
# For a long time the gradient was $+1$, so $m = 1$.  From now on it is $-1$.  After how many steps is $m$ below 0, so that
# Adam moves the other way?


# %%
def steps_to_turn(beta1):
    """The number of steps until the average is below 0; a whole number."""
    return ...


exercises.steps_to_turn(steps_to_turn)

# %% [markdown]
# <details><summary>Hint</summary>
#
# After $n$ steps the old $+1$ has the weight $\beta_1^n$, and all the new $-1$ together have $1 - \beta_1^n$.
#
# </details>
#
# Lesson 7 (sections 7 and 8) plays the smallest game, $\min_a \max_b ab$, where momentum drives the players away from the
# equilibrium.  The same with Adam.  *Decide before you look*: how far from $a = b = 0$ does each $\beta_1$ end?

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
    radius = np.hypot(*rounds[beta1].T)
    print(f"beta1 = {beta1}: distance from the equilibrium: first {radius[0]:.1f}, largest {radius.max():.1f}, "
          f"mean of the last 300 steps {radius[300:].mean():.1f}")  # fmt: skip

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(8.5, 4.4),
        caption="The paths of the two players around the equilibrium (cross). With beta1 = 0.9 each goes on in its old direction "
        "after the other has moved, and the circles are wider.",
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
# Here is what $\beta_1$ does to the DCGAN: 500 steps, equal in everything but $\beta_1$.

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(8.6, 5.3),
        caption="minigen train dcgan --network conv --batch-size 32 --steps 500 --beta1 0.5 (left) and --beta1 0.9 (right), seed 0: samples at the "
        "end. (Made once and stored.)",
    )  # fmt: skip
    for place, beta1 in zip(axes, ("0.5", "0.9")):
        stored = Picture.open(lessons.FOLDER / "pictures" / f"dcgan_beta1_{beta1}.png")
        place.imshow(stored, cmap="gray", interpolation="nearest")
        place.set_title(f"beta1 = {beta1}")
        place.set_axis_off()
picture

# %% [markdown]
# With 0.9 every sample is a checkerboard, though kernel 4 with stride 2 overlaps evenly: so uneven overlap is not the only
# cause of checkerboards.  Seed 1 looks the same.  At step 500 the mean of $D$ for generated images, `d_fake`, is 0.22 and 0.27
# with 0.5 (two seeds), and 0.05 and 0.07 with 0.9.
#
# ## 7. Train it
#
# The step is lesson 8's, with its losses, its `detach` and its two optimizers.  It does not depend on the networks.  Look
# for two things: which images does D see together, and when does G's loss ask D?

# %%
show_source(mg.models.GAN.training_step)

# %% [markdown]
# - **Real and generated images go through D in two separate batches**, because of batch norm: each batch is normalized by
#   its own statistics, so D cannot recognize an image by how it differs from a mixture.
# - **D judges G's images again** after D's update, with the new weights.
#
# And **each step has new noise.**  S4's listing (§4, line 155) draws the noise once, before the loop.  Then G learns those 128
# images, and nothing between them.
#
# *A wrong sign, trained.*  D's loss is $-\log D(x) - \log(1 - D(G(z)))$.  In S3's listing (§4.1, line 119) D descends
# $+\log D(x)$, without the second term; lesson 14 trains it with dense networks.  What does a convolutional D learn from
# it, and what gradient does G get?


# %% tags=["varies"]
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
for name, (d_real, d_fake, size) in (("as derived", as_derived), ("S3's listing", as_listed)):
    print(f"{name:13} mean D(real) {d_real:.1g}, mean D(generated) {d_fake:.1g}, gradient for G {size:.0e}")

# %% [markdown]
# As listed, D answers "generated" to every image, and the saturating loss of that listing has almost no gradient for G.
#
# Now the real training: 4,000 digits, and the same 10 latent vectors drawn again and again.
#
# **How fast?**  The paper's learning rate is $2 \cdot 10^{-4}$, for many passes over millions of images.  We have 500 steps here,
# and 1,500 in a longer run.  So the rate begins 50 times as high, at $10^{-2}$.  Batch norm allows this: a layer's output does
# not depend on the scale of its weights, so a step that was too long makes the weights longer, and the next steps are small
# beside them.  But at a constant rate two players move around the equilibrium, as $a$ and $b$ above, and no stroke is
# finished.  So the rate *falls* linearly to 0 at the last step.  `schedule` sets it; its argument is the share of the
# training that is done.  (`minigen train` calls it for you.)

# %% tags=["varies"]
mg.kernels.use("auto")  # the fast kernels; the first run on a machine compiles them
mg.manual_seed(0)
model = mg.models.build("dcgan", size=28, channels=1, network="conv")  # the networks and settings of the paper
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
    """Rows of images, each with its name at the left; 16 grays are enough for the eye and make small files."""
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
        caption="A column is one latent vector, always the same; a row is a moment of the training. First blobs of the right brightness, "
        "then strokes, then digits. Some columns change from one digit to another: no loss says which z makes which digit.",
    )
    show_rows(axes, watched, [f"step {step}" for step in LOOK_AT])
picture

# %% [markdown]
# ### What the numbers mean
#
# | number | if D cannot tell | if D is certain | what it does *not* say |
# |---|---|---|---|
# | `loss_d` | $2\log 2 = 1.39$ | about 0.33, which is $-0.9\log 0.9 - 0.1\log 0.1$ (real labels are smoothed to 0.9) | how good the images are |
# | `loss_g` | $\log 2 = 0.69$ | large | whether G improved: D changes too |
# | `d_real`, `d_fake` | 0.5, 0.5 | near 0.9, near 0 | |
#
# No number here falls *because* the images get better.  G's loss says how G stands against the D of this step.  What one can
# read is whether the game goes on: if `d_fake` stays near 0 and `loss_g` rises, D has won and the gradient of G is small; if
# `d_real` and `d_fake` are 0.5 from the start, D has learned nothing.

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.8),
        caption="Left: the losses, means of 10 steps (the first are higher). Right: the mean of D for real and for generated images. D "
        "leads all the time, and its lead grows as the learning rate falls, while the images get better.",
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
# The lead of D, `d_real - d_fake`, and the losses, as means over 50 steps:

# %% tags=["varies"]
for last in (50, 100, 250, 500):
    means = {key: np.mean(log[key][last - 50 : last]) for key in log if key != "step"}
    print(f"steps {last - 50:3} to {last:3}: loss_d {means['loss_d']:.2f}, loss_g {means['loss_g']:.2f}, "
          f"lead of D {means['d_real'] - means['d_fake']:.2f}")  # fmt: skip

# %% [markdown]
# The lead grows.  So does G get worse?  Look at the pictures: its digits are poor at step 125, and better at 500.  At the high
# rate *neither* network is good.  As the rate falls both improve, and D learns to see finer faults sooner than G learns to
# avoid them.  (S3, §6, line 268, judges a generator by D's performance.  This is why one should not.)
#
# How often is D *right*?  We take its accuracy, with the border at $D = \frac12$, on digits of the test split, which it has
# never seen, and on new samples.  A guess is right for 50 %:

# %% tags=["varies"]
test = load("mnist5k", split="test")
model.eval()
with mg.no_grad():
    on_real = model.discriminator(mg.tensor(test.images[::4])).numpy() > 0
    fakes = model.sample(250, np.random.default_rng(4))
    on_fake = model.discriminator(mg.tensor(fakes)).numpy() < 0
model.train()
print(f"D is right for {on_real.mean():.0%} of the test digits and {on_fake.mean():.0%} of the samples (a guess: 50 %)")

# %% [markdown]
# ## 8. Break the rules, one at a time
#
# The arguments above are counts on untrained networks.  Now each rule is broken in a training, and everything else stays:
# an **ablation study** (消融实验).  To save time the networks have half the width and the trainings half the steps (250);
# the first row follows all rules.  Beside the samples we print D's means over the last 50 steps and the FID, a distance of
# 1,000 samples from the training digits (lesson 13; less is better).
#
# The last two rows break what lesson 8, section 6, derives: D's loss reaches G because `detach` is missing.  In one of them
# the gradients that it leaves in G are cleared before G's move, in the other they count.
#
# *Decide before you look*: order the rules by how much you expect to lose without them.


# %% tags=["varies"]
def only(network, *kinds):
    """The network without layers of these kinds."""
    return nn.Sequential(*(layer for layer in network if not isinstance(layer, kinds)))


def with_pooling(network):
    """Convolution of stride 1 and max pooling in place of a strided convolution."""
    layers = []
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            after, before = layer.weight.shape[:2]
            layers += [nn.Conv2d(before, after, 3, 1, 1, bias=layer.bias is not None), nn.MaxPool2d(2)]
        else:
            layers.append(layer)
    return nn.Sequential(*layers).apply(nn.init.dcgan_)


def relu(network):
    return nn.Sequential(*(nn.ReLU() if isinstance(layer, nn.LeakyReLU) else layer for layer in network))


def start(network, std):
    for layer in network:
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, std)
    return network


BROKEN = {  # what happens to G, to D
    "all rules kept": (lambda g: g, lambda d: d),
    "1: max pooling in D": (lambda g: g, with_pooling),
    "2: no batch norm": (lambda g: only(g, nn.BatchNorm2d), lambda d: only(d, nn.BatchNorm2d)),
    "2: batch norm at D's input": (lambda g: g, lambda d: nn.Sequential(nn.BatchNorm2d(1), *d)),
    "3: data in [0, 1]": (lambda g: g, lambda d: d),
    "4: ReLU in D": (lambda g: g, relu),
    "5: weights of std 0.2": (lambda g: start(g, 0.2), lambda d: start(d, 0.2)),
    "6: beta1 = 0.9": (lambda g: g, lambda d: d),
    "no detach, G cleared": (lambda g: g, lambda d: d),
    "no detach, not cleared": (lambda g: g, lambda d: d),
}


def step_without_detach(gan, images, clear):
    """D's move without detach, then G's, by backward(); what D's loss left in G is cleared in between, or it counts."""
    loss, smoothing = gan.gan_loss, gan.options.smoothing
    adam_d, adam_g = gan.optimizers["discriminator"], gan.optimizers["generator"]
    fake = gan.generator(mg.randn(len(images), gan.latent))
    real_logits, fake_logits = gan.discriminator(mg.tensor(images)), gan.discriminator(fake)
    loss.discriminator(real_logits, fake_logits, smoothing).backward(retain_graph=True)
    adam_d.step()
    if clear:
        adam_g.zero_grad()
    loss.generator(gan.discriminator(fake), smoothing).backward()
    adam_g.step()
    adam_d.zero_grad()
    adam_g.zero_grad()
    return {"d_real": mg.sigmoid(real_logits).mean(), "d_fake": mg.sigmoid(fake_logits).mean()}


looker = metrics.load_judges().looker
of_digits = looker.features(train.images)


def train_without(rule, steps=250, seed=0):
    """Ten samples; the FID of 1,000; and D's means for real and generated images at the end."""
    mg.manual_seed(seed)
    beta1 = 0.9 if "beta1" in rule else 0.5
    gan = mg.models.build("dcgan", size=28, channels=1, network="conv", width=16, beta1=beta1)
    for_g, for_d = BROKEN[rule]
    gan.generator, gan.discriminator = for_g(gan.generator), for_d(gan.discriminator)
    players = {"generator": gan.generator, "discriminator": gan.discriminator}
    gan.optimizers = {name: gan.build_optimizer(player.parameters()) for name, player in players.items()}
    means, loader = [], Loader(train, 32, seed=seed, drop_last=True)
    batches = (batch for epoch in range(9) for batch in loader.epoch(epoch))
    for step, batch in zip(range(steps), batches):
        images = (batch["images"] + 1) / 2 if "[0, 1]" in rule else batch["images"]
        gan.schedule(step / steps)
        if "detach" in rule:
            numbers = step_without_detach(gan, images, clear="not cleared" not in rule)
        else:
            numbers = gan.training_step({"images": images})
        means.append([numbers["d_real"].item(), numbers["d_fake"].item()])
    gan.eval()
    samples = gan.sample(1000, np.random.default_rng(3))
    if "[0, 1]" in rule:
        samples = np.clip(samples, 0, 1) * 2 - 1
    return samples[:10], metrics.fid(of_digits, looker.features(samples)), np.mean(means[-50:], axis=0)


broken = {rule: train_without(rule) for rule in BROKEN}
for rule, (_, fid, (d_real, d_fake)) in broken.items():
    print(f"{rule:27} d_real {d_real:.2f}, d_fake {d_fake:.2f}, FID {fid:6.1f}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(8.5, 8.6),
        caption="Ten samples of each training, a row for each broken rule; a column is always the same latent vector.",
    )
    show_rows(axes, [images for images, _, _ in broken.values()], list(broken))
picture

# %% [markdown]
# Compare the order of the FIDs with your list, and the pictures with the arguments of sections 3 to 6.  In the stored run:
#
# - **$\beta_1 = 0.9$** is by far the worst: the training has failed.  D is sure at the end, and G draws checkerboards.
# - **Batch norm at D's input** comes next.  The background is gray instead of black, because D cannot see brightness.
# - **Without batch norm** the strokes are rough and made of blocks.
# - **ReLU and max pooling in D** do *no* harm here.  Half of the paths, or a quarter of the pixels, are enough for so small an
#   image.  The counts of sections 3 and 5 are right, and the damage that they suggest does not occur.
# - **Data in $[0, 1]$**, and **weights ten times as large** at the start (a standard deviation of 0.2 in place of 0.02): the FID
#   is a little larger than in the first row.  One seed cannot say whether that comes from the rule or from chance.
# - **Without `detach`**: if G's gradients are cleared in time, the row is the first one again, digit for digit; only the time
#   to compute it is longer.  If they count, this training is not worse either, though G descends another loss: Adam divides a
#   gradient by its size, which hides much of a gradient that is too weak.
#
# One training with one seed is an observation: change `seed`, and look again, before you believe a difference that is not
# large.

# %% [markdown]
# ## 9. Inside
#
# What have the layers learned?  Send one latent vector through the trained generator and keep what comes out on the way.
# Then send a real and a generated digit through the discriminator's first layer.

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
        caption="One latent vector on its way. Left: 16 of the 64 maps of 7 x 7, each at its own scale. Middle: 16 of the 32 maps of 14 x 14: "
        "specks, of which only a few follow the stroke. Right: the image.",
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
        caption="The discriminator's first layer. Left: 16 of its 32 filters of 4 x 4 (gray is 0). Middle and right: their outputs for a real and "
        "for a generated digit; many respond to edges of one direction.",
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
# No single map of G is a part of a digit.  The image is a sum over 32 maps and 16 taps, and only the sum was trained.
#
# ## 10. The full run
#
# Four epochs are few, and the paper's settings are for other data.  The default of minigen keeps the convolutions, the
# activations, the starting values and $\beta_1$, and changes the rest:
#
#     minigen train dcgan
#
# | change | why |
# |---|---|
# | two dense layers, with batch norm, between $z$ and the first map of G | here the first map is a *linear* function of $z$; now G can bend $z$ first |
# | a dense layer before D's logit | here the logit is a linear function of D's last map, so D cannot ask whether two distant strokes fit together |
# | R1 and no batch norm in D | R1 limits the slope of D, and the game settles (lesson 10, section 4) |
# | minibatch discrimination | D sees how alike the images of a batch are, so G cannot leave classes out (lesson 10, section 3) |
# | no label smoothing | R1 already keeps D from certainty |
# | samples by a moving average of G's weights | G and D circle around the solution; the average lies inside the circle (lesson 7, `minigen.models.ema`) |
# | batches of 64 for 40 epochs | with batches of 32 for 20 epochs the same number of steps covers less: .67 of the real digits, not .78 |
#
# It takes two to three minutes on one core, and three classifiers agree on 85 to 88 % of the samples (five seeds), where they
# agree on 56 to 58 % with the paper's ([expected values](reference/expected_values.md)).  It writes its samples after every epoch, the log, and curves into `runs/dcgan-mnist5k`.  This is its last picture:

# %%
Image(data=(lessons.FOLDER / "pictures" / "dcgan_mnist5k.png").read_bytes())

# %% [markdown]
# Count for yourself: how many of these digits can you read?  (Numbers for quality, with their error bars: lesson 13.)
#
# ## 11. Does it copy?
#
# A generator that stored its 4,000 training images would make perfect samples; this is called **memorization** (记忆训练集).  We
# look for the training image *nearest* to each sample, by the sum of squared differences of the pixels.  This finds exact
# copies.  It does not find a copy that is shifted by two pixels, because such a copy is far away in pixels.
#
# ### Exercise 9.4: the nearest training image
#
# All differences of 1,000 samples and 4,000 digits would need 25 GB.  Find a way that does not store them.


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
# Which distance is suspicious?  We compare with *real* digits that G was not trained on, the test split: how far are they
# from their nearest training image?  (The cell uses the solution of the exercise.)


# %% tags=["varies"] jupyter={"source_hidden": true}
def distances(samples):
    """To all training images, in pixels' units: shape (N, 4000)."""
    a, b = (images.reshape(len(images), -1).astype(np.float64) for images in (samples, train.images))
    squares = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0))


generated, real = distances(fakes), distances(test.images[::4])
for name, found in (("training images", distances(train.images[:200])), ("test digits", real), ("samples", generated)):
    nearest_ones = found.min(axis=1)
    print(
        f"{name:16} distance to the nearest training image: least {nearest_ones.min():4.1f}, median {np.median(nearest_ones):4.1f}"
    )

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 4.4),
        caption="Left: ten samples, and below each its nearest training image: similar, not equal. Right: the distances of 250 samples and of "
        "250 test digits to their nearest training image; a copy would be at 0.",
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
# None of these 250 samples is a pixel copy.  That is all that this test can say: it has seen 250 samples of a generator that
# can make any number, and it cannot see shifted or partial copies.  The samples are *farther* from the training images than
# new real digits are, because they are not yet as good.  (Better tests are in lesson 13.)
#
# ## 12. Walking through the latent space
#
# Go from one latent vector $z$ to another, and draw the images on the way: an **interpolation** (插值).  Along a straight line?  A
# vector of 100 normal numbers has a length of about $\sqrt{100} = 10$, and hardly ever less than 8 or more than 12: the noise
# lies in a thin *shell*.  The middle of a straight line between two such vectors is inside the shell, at a length of about
# $10/\sqrt 2 = 7$, where G was never trained.  So one goes along the shell.
#
# ### Exercise 9.5: the way around
#
# On a sphere the shortest way from one point to another is a piece of a **great circle** (大圆), a circle around the center
# of the sphere.  Each point of it is a weighted sum of $a$ and $b$; the two weights depend on $t$ and on the angle between $a$
# and $b$.  Equal steps of $t$ turn by equal angles.  (The usual name is *slerp*, spherical linear interpolation.)


# %%
def slerp(a, b, t):
    """From a (t = 0) to b (t = 1) along the great circle, at a constant speed; a, b: arrays (d,)."""
    return ...


exercises.slerp(slerp)

# %% [markdown]
# <details><summary>Hint</summary>
#
# With the angle $\omega$ between $a$ and $b$: $\big(\sin((1-t)\omega)\,a + \sin(t\omega)\,b\big)/\sin\omega$.  How does one get the angle between two vectors?
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
        caption="Three walks from one latent vector of section 7 to another, each along a straight line and around the shell. One digit changes "
        "into the other by way of shapes between them.",
    )
    show_rows(axes, list(frames.reshape(6, 10, 1, 28, 28)), ["straight", "around"] * 3)
picture

# %% [markdown]
# Each step changes the image a little.  Every continuous network does this, so smoothness alone does not prove that G has
# not memorized.  But look at the images *between* two digits: are they digits, too?  A generator that only knew a list would
# draw mixtures there.
#
# Here both ways look almost the same: this G also works for a $z$ of length 7.  Other generators do not, and the way around
# costs nothing.
#
# ## 13. What the articles do
#
# | the article | what follows | where |
# |---|---|---|
# | S0 §4.1, L121: G makes 32 x 32, D takes 64 x 64 | an error, or a resize that hides it | section 1 |
# | S4 §4, L163: G makes 14 x 14 | the same | section 1 |
# | S3 §4.1, L118: G and D are called without training mode | no batch norm at the start: all images alike | section 4 |
# | S4 §4, L151 and L163: data in $[0, 1]$, tanh in $[-1, 1]$ | D can tell images by their range | sections 5 and 8 |
# | S3 §4.1, L119: D descends $+\log D(x)$, no second term | D answers "generated" to all; no gradient for G | section 7 |
# | S4 §4, L155: one batch of noise for the whole training | G learns 128 images only | section 7 |
# | S3 §6, L259: "staircase images" blamed on unstable training | probably checkerboards | section 6, lesson 3 |
# | S3 §6, L268: quality judged by D's performance | D changes, too | section 7 |
#
# (All mistakes, quoted: `docs/articles.md`.  Twelve of them run: lesson 14.)
#
# ## Why this, and not that?
#
# - **Why strides?**  They shrink with learned weights, and every pixel gets a different gradient.
# - **Why batch norm, and why not at G's end and D's beginning?**  It keeps the size of the signal from layer to layer.  At G's
#   output and D's input it would remove brightness and contrast of the images.
# - **Why LeakyReLU in D?**  A closed ReLU passes no gradient to G.  (How much that costs: section 8.)
# - **Why tanh and $[-1, 1]$?**  The output needs the range of the data, and black is where tanh is flat.
# - **Why 0.02?**  Small and equal, so that tanh and D begin in their middle; batch norm sets the scale.
# - **Why $\beta_1 = 0.5$?**  The other network changes: old gradients belong to another loss.
# - **Why has the logit no sigmoid?**  The loss takes logits, without overflow.
# - **Why kernel 4?**  The stride divides it.
#
# ## To a friend, in three sentences
#
# The generator draws from coarse to fine: 100 numbers become 7 x 7 maps with many channels, and each layer doubles the size and
# adds detail; the discriminator goes the same way back.  The rules of DCGAN have one purpose, that a useful gradient comes
# from D's answer through all its layers to every pixel and on to G, and a training shows which of them matter for your data.
# No number in its log says whether it draws well: look at samples, compare them with training images, and walk through the
# latent space.
#
# **Go on.**  `minigen train dcgan --network conv`, `conv_k4_bn` or `conv_k5_dropout`, `--ema 0`, `--beta1 0.9`; `minigen train dcgan --data folder:PATH --size 64` for your own images.  The
# source: `minigen/models/gan/dcgan.py`.  The paper: Radford, Metz and Chintala, "Unsupervised representation learning with deep convolutional generative
# adversarial networks" (2016).  The solutions: `lessons/solutions/09_dcgan.py`.
