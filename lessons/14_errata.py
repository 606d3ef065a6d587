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
# # 14. What the articles got wrong
#
# **The question.** You find an article with a GAN in 150 lines.  You copy it.  It stops with an error, or it runs and draws
# nothing.  Which line is wrong, and how do you find it?
#
# minigen grew from five blog articles in Chinese, S0 to S4.  They name no authors; `docs/articles.md` says what each is about
# and lists more than fifty mistakes, with the place.  This lesson takes twelve of them.  For each you see the quoted line,
# run what follows from it, and see the right version.  None of them is rare: every one can be found in other programs, too.
#
# At the end you will be able to
#
# - find a lost sign, a lost term, a squashed logit and a missing gradient by *measuring*;
# - repair a discriminator's loss and a VAE's encoder;
# - read the log of a VAE and say which of five usual bugs it has.
#
# You need lessons 8 and 12, and for one sentence of exercise 14.3 what lesson 13 says of the Inception score.  You need no
# TensorFlow: the quoted lines are in it, and the text says what each does.  Plan about an hour and a half.  Four exercises check
# your answers.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $z$ | `z` | noise, the input of a generator; in the sections on VAEs, the code |
# | $G(z), D(x)$ | `generator`, `discriminator` | the two networks of a GAN; $D$ is a probability |
# | $\sigma(a), \zeta(a)$ | `sigmoid`, `softplus` | $1/(1 + e^{-a})$; $\log(1 + e^a)$ |
# | $\beta$ | `beta` | the weight of the KL in a VAE's loss |

# %%
import numpy as np

import minigen as mg
import minigen.functional as F
from minigen import losses, nn, plot
from minigen.course import errata as exercises

digits = mg.data.load("mnist5k")


def batches(steps, size=64, seed=0):
    """Random batches of digits, as rows of 784 pixels in [-1, 1]."""
    random = np.random.default_rng(seed)
    for _ in range(steps):
        yield mg.tensor(digits.images[random.integers(0, len(digits), size)].reshape(size, -1))


def networks(seed=0):
    """A small generator (10 numbers to 784 pixels) and discriminator (one logit)."""
    mg.manual_seed(seed)
    generator = nn.Sequential(nn.Linear(10, 64), nn.LeakyReLU(0.2), nn.Linear(64, 784), nn.Tanh())
    discriminator = nn.Sequential(nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    return generator, discriminator


def train_d(loss, steps=150, seed=0):
    """Train D with this loss against a G that stays as it is.

    Gives its losses; then, after the training, its mean answer to real and to generated images, and the length of the
    gradient that G would get from it (with the loss -log D(G(z))).
    """
    generator, discriminator = networks(seed)
    optimizer = mg.optim.Adam(discriminator.parameters(), 1e-3)
    curve = []
    for real in batches(steps):
        fake = generator(mg.randn(len(real), 10)).detach()
        value = loss(discriminator(real), discriminator(fake))
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        curve.append(value.item())
    fake = generator(mg.randn(200, 10))
    with mg.no_grad():
        answers = [discriminator(x).sigmoid().mean().item() for x in (real, fake)]
    slopes = mg.grad(losses.non_saturating_g(discriminator(fake)), list(generator.parameters()))
    strength = np.sqrt(sum((slope.numpy() ** 2).sum() for slope in slopes))
    return np.array(curve), answers, strength


# %% [markdown]
# ## 1. A loss that cannot fall (S1, §4, lines 95 and 100)
#
# > `output = tf.layers.dense(hidden2, 1, activation=tf.nn.sigmoid)` ...
# > `tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.ones(...), logits=real)`
#
# The network ends in a sigmoid, and the loss expects a logit.  So the "logit" is between 0 and 1.  For a logit
# $\ell$ the loss is $\zeta(-\ell)$ if the image is real and $\zeta(\ell)$ if it is generated (lesson 8, section 2).  The best that D
# can do here is 1 for real and 0 for generated images, and its loss is then $\zeta(-1) + \zeta(0) = 0.3133 + 0.6931 = 1.0064$.

# %%
squashed, _, _ = train_d(lambda real, fake: losses.minimax_d(real.sigmoid(), fake.sigmoid()))
right, _, _ = train_d(losses.minimax_d)
print(f"sigmoid before the loss: first {squashed[0]:.3f}, last {squashed[-1]:.4f} (its floor is 1.0064)")
print(f"logits:                  first {right[0]:.3f}, last {right[-1]:.4f} (its floor is 0)")

# %% [markdown]
# Nothing looks broken: the loss falls, and then stays.  The sign that something is wrong is *where* it stays.  Know the
# floor of your loss before you train.
#
# ## 2. A discriminator that learns to say no (S3, §4.1, line 119)
#
# > `discriminator_loss = tf.reduce_mean(tf.math.log(discriminator_output))`
#
# It is *minimized*, and there is no term for generated images.  What is the D that makes $E[\log D(x)]$ small?  And what does
# G receive from it?

# %%
as_listed = lambda real, fake: -F.softplus(-real).mean()  # noqa: E731 - log D is -softplus(-logit)
for name, loss in (("as listed", as_listed), ("right", losses.minimax_d)):
    curve, answers, strength = train_d(loss)
    print(
        f"{name:9}: loss {curve[0]:.2f} to {curve[-1]:.2f}; D(real) {answers[0]:.4f}, D(generated) {answers[1]:.4f}; "
        f"length of G's gradient {strength:.3f}"
    )

# %% [markdown]
# The loss falls without limit, which looks like progress.  D answers "generated" to every real image, and nothing in its loss
# says what to answer to generated ones.  G does receive a gradient (here a long one).  But it comes
# from a D that has never learned what a generated image is, so it does not point to real images.
#
# ### Exercise 14.1: repair the loss
#
# Write D's loss for logits.  It must be right for logits of $\pm 800$, too.


# %%
def repaired_d(real, fake):
    """The loss of D from arrays of logits of real and of generated images; NumPy."""
    return ...


exercises.repaired_d(repaired_d)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The loss of section 1, with a mean over the real and a mean over the generated images.  $\zeta(a) = \log(e^0 + e^a)$, and NumPy
# has `np.logaddexp`.
#
# </details>
#
# ## 3. A generator without a discriminator (S1, §4, line 112)
#
# > `g_loss = loss(tf.ones([fake.shape[0]]), fake)`
#
# `loss(real, fake)` is the article's own function (§4, line 95), the loss of D from section 1: it takes `real` and `fake` for logits, and is
# small if `fake` is far below 0.  But here `fake` is the image itself, not D's answer to it.  D does not occur.  So G learns,
# quickly and well, to draw black.  (The article's G ends in a sigmoid, and black is 0.  Ours ends in tanh, and black is -1.)

# %%
generator, _ = networks()
optimizer = mg.optim.Adam(generator.parameters(), 1e-3)
for step in range(201):
    fake = generator(mg.randn(64, 10))
    loss = losses.minimax_d(mg.ones(64, 784), fake)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step in (0, 50, 200):
        print(f"step {step:3}: g_loss {loss.item():.3f}, mean pixel {fake.numpy().mean():6.3f} (black is -1)")

# %% [markdown]
# ## 4. A lost minus (S4, §3.1, line 46)
#
# > $\mathcal{L}_G = \mathbb{E}_{z \sim P_z}[\log D(G(z))]$
#
# It is called a loss, so it is minimized.  Then G wants $D(G(z))$ *small*:

# %%
for name, sign in (("as printed", -1), ("right", 1)):
    generator, discriminator = networks()
    players = mg.optim.Adam(generator.parameters(), 1e-3), mg.optim.Adam(discriminator.parameters(), 1e-3)
    for real in batches(150):
        fake = generator(mg.randn(64, 10))
        loss_d = losses.minimax_d(discriminator(real), discriminator(fake.detach()))
        players[1].zero_grad()
        loss_d.backward()
        players[1].step()
        loss_g = sign * losses.non_saturating_g(discriminator(fake))  # sign * E[-log D(G(z))]
        players[0].zero_grad()
        loss_g.backward()
        players[0].step()
    print(f"{name:10}: loss_d {loss_d.item():7.4f}, loss_g {loss_g.item():8.2f}, "
          f"D(generated) {discriminator(fake).sigmoid().mean().item():.4f}")  # fmt: skip

# %% [markdown]
# A loss far below zero, and falling: no cross-entropy can do this.  $-\log D$ is never negative.
#
# ## 5. NaN (S2, §4.2, line 255)
#
# > `x_x_hat = np.mean(np.log(decoded_images))`
#
# `decoded_images` is the output of a tanh, so pixels may be negative, and the logarithm of a negative number is NaN.
# (It is also computed in NumPy, from a prediction: it has no gradient and could not train anything.)

# %%
decoded = np.tanh(np.array([-1.0, 0.5, 2.0]))
with np.errstate(invalid="ignore"):
    print("as listed:", np.mean(np.log(decoded)))
x, logits = np.array([0.0, 1.0, 1.0]), np.array([-1.0, 0.5, 2.0])
print("right, cross-entropy of pixels in [0, 1] on logits:", np.round(np.mean(np.logaddexp(0, logits) - x * logits), 4))

# %% [markdown]
# ## 6. An autoencoder under the name of VAE (S0, §4.2, line 140)
#
# > `latent_layer = Dense(256, activation='relu')(x)`
#
# One vector with ReLU: no mean, no variance, no sampling, no KL.  The network can learn to reconstruct.  But to draw a *new*
# image one gives the decoder $z \sim N(0, I)$, and the codes of the training had another distribution:

# %%
mg.manual_seed(0)
encoder = nn.Sequential(nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 16), nn.ReLU())
decoder = nn.Sequential(nn.Linear(16, 64), nn.LeakyReLU(0.2), nn.Linear(64, 784), nn.Tanh())
optimizer = mg.optim.Adam([*encoder.parameters(), *decoder.parameters()], 2e-3)
for x in batches(400):
    loss = F.mse_loss(decoder(encoder(x)), x)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
with mg.no_grad():
    codes = encoder(x).numpy()
    drawn = decoder(mg.randn(8, 16)).numpy().reshape(8, 1, 28, 28)
    rebuilt = decoder(encoder(x[:8])).numpy().reshape(8, 1, 28, 28)
print(f"codes: mean {codes.mean():.2f}, standard deviation {codes.std():.2f}, smallest {codes.min():.2f}; "
      f"N(0, 1) has 0, 1, and half of its values below 0")  # fmt: skip

# %% jupyter={"source_hidden": true}
plot.show_images(
    np.concatenate([rebuilt, drawn]), ["rebuilt"] + [""] * 7 + ["from N(0, I)"] + [""] * 7, ncols=8,
    caption="An autoencoder reconstructs (above), but vectors from N(0, I) are not codes, and give no digits (below).",
)  # fmt: skip

# %% [markdown]
# ### Exercise 14.2: repair the encoder
#
# Its last layer now gives $2d$ numbers for each image: $d$ means and $d$ log-variances.  Draw the code with the noise `eps`,
# and give the KL to $N(0, I)$: summed over the dimensions, one number for each image.


# %%
def repaired_encoder(heads, eps):
    """The codes (N, d), and the KL of each image (N,), from arrays heads (N, 2d) and eps (N, d)."""
    return ...


exercises.repaired_encoder(repaired_encoder)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $z = \mu + e^{\lambda/2}\,\epsilon$ with the log-variance $\lambda$, and $KL = \frac12 \sum (\mu^2 + e^\lambda - 1 - \lambda)$ (lesson 12,
# sections 2 and 3).
#
# </details>
#
# ## 7. A gradient that ends at a random number (S4, §3.2, line 67)
#
# > 重参数化过程 (the reparameterization): $z \sim p_z(z)$
#
# A fresh random number depends on nothing.  Then no gradient reaches the encoder:

# %%
mu, log_var = (mg.tensor(np.array([v]), requires_grad=True) for v in (0.5, -1.0))
eps = mg.tensor(np.array([0.7]))
decoder_weight = mg.tensor(np.array([2.0]), requires_grad=True)  # so that there is something to differentiate
for name, z in (("as listed", eps), ("right", mu + (0.5 * log_var).exp() * eps)):
    loss = (decoder_weight * z).square().sum()
    gradients = mg.grad(loss, [decoder_weight, mu, log_var], allow_unused=True)
    shown = ["none" if gradient is None else f"{gradient.item():.4f}" for gradient in gradients]
    print(f"{name:9}: gradient for the decoder {shown[0]}, for mu {shown[1]}, for log_var {shown[2]}")

# %% [markdown]
# ## 8. Who balances whom (S2, §3.2, line 72)
#
# > $\beta$ 是一个超参数，用于平衡生成器和判别器之间的对抗训练 (β balances the adversarial training of generator and discriminator)
#
# A VAE has no discriminator.  β weights the KL against the reconstruction.  And S0 (§3.2.3, line 55) writes that the KL
# constrains "the parameters of encoder *and decoder*".  Ask the engine:

# %%
mg.manual_seed(0)
encoder, decoder = nn.Linear(784, 8), nn.Linear(4, 784)
mu, log_var = encoder(next(batches(1))).chunk(2, 1)
pixels = decoder(mu)  # the reconstruction; the KL below does not use it
kl = losses.gaussian_kl(mu, log_var).mean()
for name, network in (("encoder", encoder), ("decoder", decoder)):
    found = mg.grad(kl, list(network.parameters()), allow_unused=True, retain_graph=True)
    print(
        f"gradient of the KL for the {name}:",
        "none" if found[0] is None else f"{abs(found[0].numpy()).max():.3f} at most",
    )

# %% [markdown]
# ## 9. Two ranges (S4, §4, lines 151 and 163)
#
# > `x_train.reshape(...).astype('float32') / 255.` and `Conv2DTranspose(1, ..., activation='tanh')`
#
# Real pixels are in [0, 1], generated ones in [-1, 1].  Then D need not know what a digit looks
# like.  One comparison is enough:

# %%
generator, _ = networks()
with mg.no_grad():
    fake = generator(mg.randn(500, 10)).numpy()
for name, real in (
    ("data in [0, 1]", (digits.images[:500].reshape(500, -1) + 1) / 2),
    ("data in [-1, 1]", digits.images[:500].reshape(500, -1)),
):
    says_real = [images.min(1) >= 0 for images in (real, fake)]
    print(
        f"{name:15}: 'real if no pixel is negative' is right for {(says_real[0].mean() + 1 - says_real[1].mean()) / 2:.0%}"
    )

# %% [markdown]
# ## 10. A dense layer without flatten (S1, §4, line 93)
#
# > `hidden1 = tf.layers.dense(x, 128, activation=tf.nn.leaky_relu)`, with `x` of shape (N, 28, 28)
#
# Dense layers (here and in TensorFlow) act on the *last* axis.  So D reads each row of the image by itself, and gives 28
# answers.  *Flatten* makes one row of 784 numbers of the image first:

# %%
listed = nn.Sequential(nn.Linear(28, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
flat = nn.Sequential(
    nn.Flatten(), nn.Linear(784, 128), nn.LeakyReLU(0.2), nn.Linear(128, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1)
)
for name, network in (("as listed", listed), ("with flatten", flat)):
    print(
        f"{name:12}: answer of shape {network(mg.zeros(5, 28, 28)).shape}, {sum(p.numel() for p in network.parameters()):,} parameters"
    )

# %% [markdown]
# There is no error, because losses take a mean over whatever shape they get.  Print the shapes once.
#
# ## 11. Repair without the damaged image (S3, §4.2, line 152)
#
# The section is called 图像修复 (image repair).  Its listing is that of the section before: a generator of noise.  The damaged
# images occur in no line.  What must be there: a mask (1 where the image is missing), a network that *sees* the rest, and a
# loss on the missing pixels.  One can test whether a program uses its input at all: change the input.

# %%
mg.manual_seed(0)
as_listed = lambda damaged, z: networks()[0](z)  # noqa: E731
repairer = nn.Sequential(nn.Linear(784 * 2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 784), nn.Tanh())
mask = np.zeros((1, 28, 28), np.float32)
mask[:, 8:20, 8:20] = 1
m = mg.tensor(mask.reshape(1, -1))
sees_input = lambda damaged, z: repairer(mg.cat([damaged * (1 - m), m.expand(damaged.shape)], 1))  # noqa: E731
first, second = (x for x in batches(2, size=1))
z = mg.randn(1, 10)
for name, program in (("as listed", as_listed), ("with mask", sees_input)):
    change = abs(program(first, z).numpy() - program(second, z).numpy()).max()
    print(f"{name}: another damaged image changes the result by {change:.3f}")

# %% [markdown]
# (Lesson 16 trains it.)
#
# ## 12. One matrix, used twice (S1, §3.1, line 32)
#
# > $G(z) = W_g \cdot \sigma(W_g^T \cdot z + b_g)$
#
# Count the sizes.  $z$ has 100 numbers, $W_g^T z$ has as many as $W_g$ has columns, and multiplying by $W_g$ gives 100 again:

# %%
w, z = np.ones((100, 128)), np.ones(100)
sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
print(
    "as printed:",
    (w @ sigmoid(w.T @ z)).shape,
    "  with a second matrix:",
    (np.ones((784, 128)) @ sigmoid(w.T @ z)).shape,
)

# %% [markdown]
# Whatever its weights are, this G can never give 784 pixels; and the D of line 48, written in the same way, answers with an
# image.  A formula has shapes, too.
#
# ### Exercise 14.3: true or false?
#
# Which of these sentences from the articles are true?  Answer with a set of letters.  (Afterwards compare with
# `docs/articles.md`, which has the places.)
#
# - a. S2: β in a beta-VAE balances generator and discriminator.
# - b. S0: the Inception score measures how similar the images are to real ones.
# - c. S1: GANs can suffer from mode collapse.
# - d. S4: fidelity is the difference between a generated image and its real one.
# - e. S0: data augmentation makes new training data by transforming, rotating and flipping.
# - f. S3: the generator minimizes the distance between its images and real images, pixel by pixel.
# - g. S2: the encoder of a VAE gives a distribution of $z$.

# %%
true_sentences = ...  # such as {"a", "f"}

exercises.true_sentences(true_sentences)

# %% [markdown]
# ## 13. Diagnose it: a VAE, and its log is the only clue
#
# Six trainings of the same small VAE, 400 steps each.  One is right.  The others have bugs of published programs.  All numbers
# are of the same 200 digits, which no training has seen.  The first three are what the program *believes*: its reconstruction
# term, its KL, and their sum, in nats an image.  `true -ELBO` is the same sum by the right formula.  The last two are the
# largest mean and the smallest standard deviation among the codes of these digits.

# %% tags=["varies"]
logs = exercises.train_mysteries(digits)
print("        reconstruction       KL      sum   true -ELBO   largest |mu|   smallest sigma")
for number, log in logs.items():
    believed = log["reconstruction"] + log["kl"]
    print(f"log {number}   {log['reconstruction']:14.1f} {log['kl']:8.3g} {believed:8.4g} {log['negative_elbo']:12.4g} "
          f"{log['mu']:14.3g} {log['sigma']:16.3f}")  # fmt: skip

# %% [markdown]
# ### Exercise 14.4: which bug belongs to which log?
#
# - a. Nothing is wrong.
# - b. `std = exp(log_var)`: the noise takes `log_var` for the log of the deviation, the KL for the log of the variance.
# - c. The reconstruction is a mean over the pixels, the KL a sum over the dimensions.
# - d. The KL has lost its sign: it is subtracted.
# - e. The code is not drawn: $z = \mu$.
# - f. The KL is computed and logged, and not added to the loss.

# %%
diagnosis = {1: ..., 2: ..., 3: ..., 4: ..., 5: ..., 6: ...}  # such as 1: "a"

exercises.diagnosis(diagnosis)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Ask of each bug: what can the network do now to make *its* loss small?  With c, giving up the codes costs almost nothing.  With
# d, a large KL is rewarded.  With e, a deviation of 1 is free, because it is never used.  With f, the means may go anywhere.
# In which logs is the sum of the two terms the true one?
#
# </details>
#
# ## How to find such mistakes
#
# 1. **Know the floor** of each loss, and its value for an undecided network ($2\log 2$, $\log 2$).
# 2. **Print shapes and ranges** of one batch: images, logits, codes.
# 3. **Change an input** and see whether the output changes; ask for the gradient, and see whether there is one.
# 4. **Compute one number twice**, once by an independent way (a sum by hand, a finite difference, the true ELBO).
# 5. **Look at samples.**  A log of a GAN can look healthy while every image is black.
#
# ## To a friend, in three sentences
#
# A wrong program that runs is worse than one that stops, and machine learning programs run with almost any mistake.  A lost
# sign, a squashed logit or a missing gradient does not raise an error: it shows in a loss that stays above its floor or falls
# below what is possible, in a shape, or in an input that changes nothing.  So know what each number must be, and measure it.
#
# The solutions, with their reasons, are in `lessons/solutions/14_errata.py`.  All other mistakes: `docs/articles.md`.
