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
# # A5: a VAE: ELBO, reparameterization, conditional
#
# **The question.** A variational autoencoder is trained like any network, on one loss that goes down.  Why do so many of them
# learn nothing?  Because the loss has two terms, each with a sign, a scale and a sum, and a network trains calmly on a
# wrong one.  No error message says so.  Lesson 12 derives the loss; here you build it, piece by piece, each piece tested
# by itself, and at the end it draws digits.
#
# You write in **`vae_a5.py`**, in any editor, and hand in that file alone.  This notebook explains the six tasks, lets you try
# what you have, and checks it.  Nothing that you write here is graded.  Allow four to six hours in all.  Most answers have
# one to five lines; what takes time is to be sure of them.
#
# | task | you write | points |
# |---|---|---|
# | 1 | `log_likelihood` and its gradient: how probable is an image? | 8 |
# | 2 | `draw_code` and its gradients: a draw that a gradient can pass | 7 |
# | 3 | `kl` and its gradients: the price of a code | 7 |
# | 4 | `vae_loss`, `training_step` | 10 |
# | 5 | `one_hot`, `conditional_loss`, `draw_images`: with a label | 8 |
# | 6 | `log_weights`, `iwae_loss`: a tighter bound | 9 |
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x$ | `x` | images, a row of $P$ pixels each, from 0 (black) to 1 (white) |
# | $z$ | `z` | an image's code: $D$ numbers |
# | $\ell$ | `logits` | what the decoder makes of a code; $\sigma(\ell) = 1/(1 + e^{-\ell})$ is the probability of white |
# | $\mu, \lambda$ | `mu`, `log_var` | what the encoder says of an image: $q(z \mid x) = N(\mu, e^\lambda)$, so that $\lambda$ is the logarithm of the **variance** |
# | $\epsilon$ | `eps` | standard normal noise |
# | $N, K$ | | images in a batch; codes drawn for each |
# | $g$ | `g` | a cotangent: how much the end of the computation changes with each result |
# | $c$ | `labels` | the class of an image |
#
# Three rules hold for all tasks.
#
# - **What you get stays as it is**; give something new.
# - **The dtype stays**: float32 for float32, float64 for float64.  minigen refuses to mix them; NumPy mixes, and `np.ones(...)` is float64.
# - Functions of Tensors must let gradients through, second ones too: no `.numpy()`, `.data` or `.detach()` on the way.
#
# (`minigen.losses` holds most of these functions, and `minigen.functional` the cross-entropy and `one_hot`.  Compare with them, as
# often as you like.  To call them is no answer, and the tests look.)

# %%
import numpy as np
from IPython.display import display

import minigen as mg
from minigen import plot
from minigen.course import kit
from minigen.data import load, to_unit

FILE = "vae_a5.py"
a = kit.load(FILE)  # your file as it is now; every cell below loads it anew
mg.kernels.use("reference")  # the networks are tiny: plain NumPy will do

# %% [markdown]
# ## Task 1: how probable is an image?
#
# The decoder says of each pixel how probable white is: $\pi = \sigma(\ell)$.  Given the code the pixels are independent, so the
# probability of an image is a product.  What becomes of it under a logarithm?
#
# $$\log p(x \mid z) = \sum_i x_i \log \pi_i + (1 - x_i) \log (1 - \pi_i) .$$
#
# The formula is linear in $x$, so it takes gray pixels as well: it is then the mean over all black-and-white images that one gets by
# drawing each pixel white with probability $x_i$.
#
# **Do not compute it so.**  For $\ell = 40$ a float64 $\pi$ is exactly 1, and $\log(1 - \pi)$ is $-\infty$.  Put
# $\pi = \sigma(\ell)$ in, on paper.  You need $\log\sigma(\ell) = -\zeta(-\ell)$ and $\log(1 - \sigma(\ell)) = -\zeta(\ell)$, where
# $\zeta(a) = \log(1 + e^a)$ is `softplus`, and $\zeta(-a) = \zeta(a) - a$.  Very little is left.
#
# - **`log_likelihood`** gives one number for each image.  Which axis goes?  (With several codes an image, `logits` has axes in front
#   that `x` has not.)  A sum, not a mean: lesson 12 shows what a mean does, and no other mistake is made as often.
# - **`log_likelihood_grad`** is its gradient by hand, in NumPy.  Differentiate what is left; $\zeta' = \sigma$.  The result has two
#   parts with names of their own: one is the data, the other the prediction.  Beware of $e^{1000}$ here, too: for which sign of
#   $\ell$ is $e^\ell$ harmless, for which $e^{-\ell}$?

# %%
with kit.pending():
    a = kit.load(FILE)
    logits, x, g = np.array([[0.5, -2.0, 40.0]]), np.array([[1.0, 0.3, 1.0]]), np.array([2.0])
    print("log p(x | z) =", a.log_likelihood(mg.tensor(logits), mg.tensor(x)).numpy(), " (by hand: -1.201)")
    nudged = [
        (a.log_likelihood(mg.tensor(logits + d), mg.tensor(x)) - a.log_likelihood(mg.tensor(logits - d), mg.tensor(x)))
        for d in 1e-5 * np.eye(3)
    ]
    print("your gradient:", a.log_likelihood_grad(g, logits, x)[0].round(4))
    print("by nudging:   ", np.array([g[0] * d.item() / 2e-5 for d in nudged]).round(4))

# %%
kit.check(FILE, task=1)

# %% [markdown]
# ## Task 2: a draw that a gradient can pass
#
# The encoder gives $\mu$ and $\lambda$, and the code is drawn from $N(\mu, e^\lambda)$.  A random generator that is told $\mu$ and
# $\sigma$ gives a number without a past: how would it have moved, had $\mu$ been larger?  So draw the noise first, without any
# parameter, and *compute* the code from it: $z = \mu + \sigma\epsilon$.
#
# **What is $\sigma$?**  The encoder says $\lambda$, the logarithm of the *variance* $\sigma^2$.  Programs that take
# $\sigma = e^\lambda$ have been published.  They train; but the KL in them speaks of another Gaussian than the one that is drawn from.
#
# - **`draw_code`** does it with Tensors.  With several draws an image, `eps` has axes in front: broadcasting sees to that.
# - **`draw_code_grad`** is by hand.  How far does $z$ move if $\mu$ is nudged?  And if $\lambda$ is?  The second goes in two steps, by
#   way of $\sigma$.  All $K$ draws of an image come from the same $\mu$ and $\lambda$: what happens to their shares?

# %%
with kit.pending():
    a = kit.load(FILE)
    mu, log_var = mg.tensor(np.array([[1.0, -2.0]])), mg.tensor(np.log(np.array([[0.25, 4.0]])))
    eps = mg.tensor(np.random.default_rng(0).normal(size=(100_000, 1, 2)))
    z = a.draw_code(mu, log_var, eps).numpy()
    print("means wanted  1 and -2,   got", z.mean(axis=0)[0].round(1))
    print("spreads wanted 0.5 and 2, got", z.std(axis=0)[0].round(1))

# %%
kit.check(FILE, task=2)

# %% [markdown]
# ## Task 3: the price of a code
#
# The second term of the ELBO is $KL(q \,\|\, p) = E_{z \sim q}[\log q(z) - \log p(z)]$, with $q = N(\mu, e^\lambda)$ and the prior
# $p = N(0, 1)$: so many nats for saying, of all codes that the prior offers, these ones.  The components are
# independent: their KLs add up.  For one of them, with $\log 2\pi$ canceling,
#
# $$\log q(z) - \log p(z) = \tfrac12 \Big[ -\lambda - \frac{(z - \mu)^2}{e^\lambda} + z^2 \Big].$$
#
# Take the mean under $q$.  $E[(z - \mu)^2]$ is the variance, by definition.  For $E[z^2]$ put $z = \mu + \sigma\epsilon$ in, and
# remember that $E[\epsilon] = 0$ and $E[\epsilon^2] = 1$.
#
# - **`kl`**: one number an image.
# - **`kl_grad`**: by hand.  Two gradients, each with its $g$, one number for each image.
#
# *Tests without a computer.*  What is the KL if $q$ is the prior?  Can it be negative?  Which way should a step *down* move $\mu$?  And
# $\lambda$, if $q$ is wider than the prior?

# %%
with kit.pending():
    a = kit.load(FILE)
    random = np.random.default_rng(1)
    mu, log_var, eps = random.normal(size=(3, 1)), random.normal(size=(3, 1)), random.normal(size=(200_000, 3, 1))
    z = mu + np.sqrt(np.exp(log_var)) * eps
    estimate = (z**2 - log_var - (z - mu) ** 2 / np.exp(log_var)).mean(axis=0)[:, 0] / 2
    print("your formula:           ", a.kl(mg.tensor(mu), mg.tensor(log_var)).numpy().round(2))
    print("mean over 200,000 draws:", estimate.round(2))

# %%
kit.check(FILE, task=3)

# %% [markdown]
# ## Task 4: the loss, and a step down
#
# $$ELBO(x) = E_{z \sim q}\big[\log p(x \mid z)\big] - KL\big(q(z \mid x) \,\|\, p(z)\big) \;\le\; \log p(x) .$$
#
# It is a bound from *below*, so you want it large.  An optimizer makes its loss small.
#
# **`vae_loss`** is one number for the batch, in nats an image.  You have both terms, each with its sums; what is left are two signs and
# one mean.  (Every scale but this one is a choice of $\beta$ that nobody made.)
#
# **`training_step`**: the encoder speaks (`model.encode`), noise is drawn, a code is made, the decoder answers (`model.decode`),
# and the optimizer moves *both* networks down one loss.  Four things to think of:
#
# - the noise is another in every step, for every image and component, and has the dtype of `mu` (`mg.randn` takes a `dtype`);
# - is anything to be detached?
# - gradients *add up* in a parameter's `.grad`, and those that were there before the step must not count;
# - what is given back is a Python number (`.item()`): a Tensor would keep its whole history alive, step after step.

# %%
digits = load("digits")  # 8x8 pixels, from scikit-learn
pixels = to_unit(digits.images).reshape(-1, 64).astype(np.float32)


def train(step, model, epochs=16):
    """Call step(optimizer, numbers of the images) for every batch; print the mean loss now and then."""
    optimizer = mg.optim.Adam(model.parameters(), lr=1e-2)
    order = np.random.default_rng(0)
    for epoch in range(1, epochs + 1):
        batches = np.array_split(order.permutation(len(pixels)), len(pixels) // 72)
        mean = np.mean([step(optimizer, batch) for batch in batches])
        if epoch in (1, epochs // 2, epochs):
            print(f"epoch {epoch:2}: {mean:.0f} nats an image")


def show_rows(rows, names, caption):
    """Rows of images, each with its name at the left."""
    images = plot.image_grid(np.concatenate(rows).reshape(-1, 1, 8, 8) * 2 - 1, len(rows[0]), scale=4)
    height = images.shape[0] / len(rows)
    with plot.style():
        picture, axes = plot.figure(size=(7.5, 0.65 * len(rows) + 1.2), caption=caption)
        axes.imshow(images, vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[(i + 0.5) * height for i in range(len(rows))], yticklabels=names)
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
    display(picture)


# %%
with kit.pending():
    a = kit.load(FILE)
    mg.manual_seed(0)
    model = a.VAE(pixels=64, latent=8)
    train(lambda optimizer, batch: a.training_step(model, optimizer, mg.tensor(pixels[batch])), model)
    x = pixels[:12]
    back = mg.sigmoid(model.decode(model.encode(mg.tensor(x))[0])).numpy()
    new = mg.sigmoid(model.decode(mg.randn(12, 8))).numpy()
    caption = "Digits; the same ones through a code of 8 numbers and back; and new ones, from codes of the prior."
    show_rows([x, back, new], ["digits", "and back", "new"], caption)

# %% [markdown]
# A decoder that says 1/2 everywhere pays 64 log 2 = 44 nats.  Below 30 the code says something; in the second row it shows.
# The loss cannot come near 0, for a gray pixel costs its entropy even where the decoder has it exactly.  The new ones are a
# little blurred: where the code leaves something open, the cheapest answer is gray.

# %%
kit.check(FILE, task=4)

# %% [markdown]
# ## Task 5: with a label
#
# New ones, but which?  Give the label $c$ to the networks.  Every line of the derivation stays true with "$\mid c$" in each density:
#
# $$\log p(x \mid c) \ge E_{z \sim q(z \mid x, c)}\big[\log p(x \mid z, c)\big] - KL\big(q(z \mid x, c) \,\|\, p(z)\big) .$$
#
# So who has to be told?  The label is given, not modeled: nothing is added to the loss for it.  Then $z$ need not say which digit it
# is, and can say how it is written.
#
# - **`one_hot`**: a network that gets the *number* 7 would take 8 for a neighbor.  It gets a row with a single 1 instead.
#   `np.arange(classes)`, a comparison and broadcasting make it in one line.  A label that does not exist must be a `ValueError`: -1 would silently be
#   the last class, or none.
# - **`conditional_loss`**: join with `mg.cat([...], 1)`, what the network takes otherwise first, the label's row behind it.  The noise
#   is given this time.
# - **`draw_images`**: from codes and labels to pixels, as a NumPy array.  The decoder gives logits; a picture shows probabilities.

# %%
with kit.pending():
    a = kit.load(FILE)
    mg.manual_seed(0)
    conditional = a.VAE(pixels=64, latent=6, classes=10)

    def step(optimizer, batch):
        """One step down the conditional loss, for once by mg.grad."""
        parameters = list(conditional.parameters())
        loss = a.conditional_loss(conditional, mg.tensor(pixels[batch]), digits.labels[batch], mg.randn(len(batch), 6))
        for p, slope in zip(parameters, mg.grad(loss, parameters)):
            p.grad = slope
        optimizer.step()
        return float(loss.numpy())

    train(step, conditional)
    styles = 1.5 * np.random.default_rng(5).normal(size=(4, 1, 6)).repeat(10, axis=1).astype(np.float32)
    drawn = [a.draw_images(conditional, np.arange(10), mg.tensor(style)) for style in styles]
    caption = (
        "Four codes, each drawn with the labels 0 to 9: down a column the digit stays, along a row the way it leans."
    )
    show_rows(drawn, ["", "", "", ""], caption)

# %%
kit.check(FILE, task=5)

# %% [markdown]
# ## Task 6: a tighter bound
#
# How good is your VAE?  The ELBO is below $\log p(x)$, but by how much?  Go back to where it came from.  The weight of a code,
#
# $$w = \frac{p(x \mid z)\, p(z)}{q(z \mid x)}, \qquad z \sim q(z \mid x),$$
#
# has the mean $p(x)$, exactly, whatever $q$ is.  The ELBO takes the logarithm of single weights, and the logarithm of something that
# varies is low on average.  So average $K$ weights *before* the logarithm
# ([Burda, Grosse and Salakhutdinov 2016](https://arxiv.org/abs/1509.00519), equation 8):
#
# $$\mathcal L_K = E\Big[ \log \frac1K \sum_{k=1}^{K} w_k \Big] \le \log p(x), \qquad \mathcal L_1 = ELBO .$$
#
# - **`log_weights`**: three logarithms for each code.  You have the first.  For the other two write down $\log p(z) - \log q(z \mid x)$ as in
#   task 3, but do not take the mean: each code has a weight of its own.  What is $(z - \mu)^2 / e^\lambda$, if $z$ was made from $\epsilon$?
# - **`iwae_loss`**: weights of images are numbers like $e^{-1000}$, which is 0 in any float.  `mg.logsumexp(log_w, dim)` adds them up without leaving the
#   logarithm.  Then: a mean, not a sum; over the codes, and after the logarithm over the images; and it is a loss.
#
# The gradient of a log-sum-exp is a softmax: in training, each code is followed as much as it weighs.  Programs that write this
# softmax down by hand must detach it.  Yours need not, and must not.

# %%
with kit.pending():
    a = kit.load(FILE)
    test = load("digits", split="test")
    x = mg.tensor(to_unit(test.images).reshape(-1, 64).astype(np.float32))
    mean, log_var = model.encode(x)
    for codes in (1, 10, 100):
        eps = mg.randn(codes, *mean.shape)
        z = a.draw_code(mean, log_var, eps)
        logits = model.decode(z.reshape(-1, 8)).reshape(codes, *x.shape)
        bound = -a.iwae_loss(a.log_weights(logits, x, mean, log_var, eps)).item()
        print(f"{codes:3} codes an image: log p(x) of test digits is at least {bound:.1f} nats, on average")

# %%
kit.check(FILE, task=6)

# %% [markdown]
# The first number is the ELBO; the others show how much it gave away.
#
# ## Before you hand in
#
# - `minigen course check vae_a5.py` says that the public tests pass.
# - These are not all.  The tests after you have handed in look at other sizes (one image, one pixel, as many images as pixels), at
#   several codes an image, at gray pixels and logits of any size, at float32 and float64, at gradients under random cotangents and
#   at second ones, at models other than `VAE`, at the noise, at labels that do not exist, and at what you may have changed in place.
# - A mistake in one task costs points in that task only: the others are then graded with a reference solution in its place.
# - Hand in `vae_a5.py`, nothing else, with its name and the names in it unchanged.
#
# *To read on:* `minigen/models/vae/base.py` is this library's training step, and `minigen/losses` its losses, each with its
# derivation.  What have they more, and why?
