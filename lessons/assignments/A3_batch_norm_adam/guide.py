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
# # A3: batch norm, RMSprop and Adam
#
# **The question.** A deep network learns badly when its layers get numbers of ever other sizes, and when its parameters have
# gradients of very different sizes.  Both troubles have the same cure: *divide by how large it usually is.*  For the numbers
# inside a network that is batch norm; for the gradients it is RMSprop, and Adam.  What exactly is divided by what?  And what
# does the division do on the way back?
#
# You write in **`norm_adam_a3.py`**, in any editor, and hand in that file alone.  This notebook explains the five tasks, lets
# you try what you have, and checks it.  Nothing that you write here is graded.  Allow four to six hours in all; the answers
# are short, and the second task is the one to think about.  NumPy is all you need.  To compare with minigen is a good idea; to call
# it, or another library of its kind, is no answer, and the tests look.
#
# | task | you write | points |
# |---|---|---|
# | 1 | `batch_norm_train`, `batch_norm_eval` | 11 |
# | 2 | `batch_norm_grad`, `batch_norm_eval_grad` | 10 |
# | 3 | `rmsprop_step`, with momentum, centered | 9 |
# | 4 | `adam_step` | 8 |
# | 5 | `adam_l2_step`, `adamw_step`: two ways to decay | 6 |
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x, y$ | `x`, `y` | what goes into batch norm, and what comes out |
# | $n$ | | how many numbers a channel has in a batch |
# | $\mu, \sigma^2$ | | mean and variance of a channel |
# | $\hat x$ | | the normalized $x$: mean 0, spread 1 |
# | $\gamma, \beta$ | `weight`, `bias` | scale and shift, which are learned |
# | $g$ | `g` | tasks 1 and 2: the cotangent of $y$, how much the loss changes per unit of each $y_i$; later: the gradient of the loss for $w$ |
# | $w$ | `w` | an array of parameters |
# | $m, v$ | | running averages of $g$ and of $g^2$ |
# | $\epsilon$ | `eps` | a small number that keeps from dividing by zero |
#
# Two rules hold for all tasks.  Your functions give **new arrays**, and leave those that they get as they are.  And **float32
# stays float32**: `np.ones(...)`, `np.zeros(...)` and `np.float64` make float64 unless told otherwise, and float64 wins
# whenever the two meet.  (Plain Python numbers such as `1e-5` are harmless.)

# %%
import numpy as np

from minigen.course import kit

FILE = "norm_adam_a3.py"
a = kit.load(FILE)  # your file as it is now; every cell below loads it anew

# %% [markdown]
# ## Task 1: batch norm, in training and in evaluation
#
# Images come in an array of shape (N, C, H, W): N images, C channels.  Each **channel** is one kind of number, say, how
# strongly a filter has answered.  Batch norm ([Ioffe and Szegedy 2015](https://arxiv.org/abs/1502.03167)) takes all $n = N H W$
# numbers of a channel in a batch, and
#
# 1. takes their mean $\mu$ away,
# 2. divides by their spread $\sqrt{\sigma^2 + \epsilon}$, where $\sigma^2 = \frac1n \sum_i (x_i - \mu)^2$,
# 3. multiplies by $\gamma$ and adds $\beta$, so that the layer can still choose any mean and spread.
#
# So the statistics go over the batch and over all places, but not over channels.  Your code gets plain numbers, (N, C);
# signals, (N, C, L); images, (N, C, H, W).  The helper `per_channel` puts C numbers into a shape that fits; NumPy's
# `mean` takes a tuple of axes.
#
# **In evaluation** there may be a single image, and its answer must not depend on who else is in the batch.  So training
# remembers a *running* mean and variance, and evaluation uses these.  After each batch the running value moves a little
# toward the batch's: with a momentum of 0.1 it keeps 90 percent and takes 10 percent of the new one.
#
# **Why two variances?**  The batch is normalized by its own spread: all its numbers are known, and the mean of $\hat x^2$ is to be
# 1, so one divides by $n$.  The running variance is an *estimate* for data that we have not seen.  The batch's numbers lie nearer to their own mean
# than to the true one, so that their spread looks too small, by $\frac{n-1}{n}$ on average; dividing by $n - 1$ makes up
# for it.  With one number a channel there is nothing to estimate: raise a `ValueError`.
#
# **A trap.** On paper $\sigma^2$ is also the mean of the squares less the square of the mean.  Try it with float32 numbers
# around 3000:

# %%
x = np.float32(3000) + np.random.default_rng(0).normal(size=1000).astype(np.float32)
print("by the definition:     ", np.mean((x - x.mean()) ** 2).round(2))
print("squares less the square:", np.mean(x * x) - x.mean() * x.mean())

# %% [markdown]
# Float32 has seven digits, the squares are around 9 000 000, and the difference is to be 1: nothing is left of it.

# %%
with kit.pending():
    a = kit.load(FILE)
    x = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 80.0]])
    y, mean, var = a.batch_norm_train(x, np.ones(2), np.zeros(2), np.zeros(2), np.ones(2))
    print("your y:\n", y.round(3))
    print("means of its channels", y.mean(axis=0).round(6), " spreads", y.std(axis=0).round(4))
    print("running mean", mean, " running variance", var)

# %%
kit.check(FILE, task=1)

# %% [markdown]
# ## Task 2: batch norm backwards
#
# Look at one channel: $y_i = \gamma \hat x_i + \beta$, and the cotangent $g_i$ of each $y_i$ is given.  As in A1, nudge, and collect
# what stands before each nudge: $dL = \sum_i g_i\, dy_i$.
#
# **For $\gamma$ and $\beta$** it is quick: $dy_i = \hat x_i\, d\gamma + d\beta$.  Both act on every number of their channel.
#
# **For $x$** there are three paths.  Nudge $x_j$: it moves its own $\hat x_j$; but also the mean, and with it *every* $\hat x_i$; and
# the variance, and with it every $\hat x_i$ again.  Write $s = 1/\sqrt{\sigma^2 + \epsilon}$, so $\hat x_i = (x_i - \mu)\, s$, and
#
# $$d\hat x_i = s\,(dx_i - d\mu) + (x_i - \mu)\, ds .$$
#
# Three steps are left to you:
#
# 1. $d\mu$ is easy.  For $ds$: what is the derivative of $(\sigma^2 + \epsilon)^{-1/2}$?  And $d\sigma^2 = \frac2n \sum_i (x_i - \mu)(dx_i - d\mu)$;
#    one of its two parts is zero.  Which, and why?
# 2. Put it into $dL = \sum_i \gamma g_i\, d\hat x_i$, and collect what stands before each $dx_j$.
# 3. Tidy up with $\hat x$.  You will find the two sums again that are the gradients of $\gamma$ and $\beta$.
#
# *Two tests without a computer.*  If all $x_i$ of a channel grow by the same amount, $y$ does not change at all: so what must the
# gradients for $x$ in a channel add up to?  And if all $x_i - \mu$ are stretched by one factor, $y$ hardly changes (but for
# $\epsilon$): so what is $\sum_i x_i\, \bar x_i$, nearly?  Batch norm's gradient has lost two directions.
#
# **In evaluation** $\mu$ and $\sigma^2$ are constants that do not depend on $x$.  Which of the three paths are left?
# To use the one gradient in place of the other is a mistake that trains, and trains badly.
#
# The next cell compares with nudging.

# %%
with kit.pending():
    a = kit.load(FILE)
    random = np.random.default_rng(1)
    x, g, weight, zero, ones = *random.normal(size=(2, 4, 2)), np.array([1.0, 3.0]), np.zeros(2), np.ones(2)

    def loss(x):
        return (g * a.batch_norm_train(x, weight, zero, zero, ones)[0]).sum()

    dx, dweight, dbias = a.batch_norm_grad(g, x, weight)
    nudge = 1e-5 * np.eye(8).reshape(8, 4, 2)
    slopes = np.array([(loss(x + d) - loss(x - d)) / 2e-5 for d in nudge]).reshape(4, 2)
    print("your gradient for x, and by nudging:\n", np.hstack([dx, slopes]).round(4))
    print("it adds up to", abs(dx.sum(axis=0)).round(6), "in the two channels")

# %%
kit.check(FILE, task=2)

# %% [markdown]
# ## Task 3: RMSprop, with momentum, centered
#
# Gradient descent takes a step `lr * g`.  If one parameter's gradients are a thousand times those of another, no `lr` is good
# for both.  RMSprop (Hinton 2012, [lecture 6e](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf))
# divides by the *root of the mean square* of recent gradients, for each parameter by itself:
#
# $$v \leftarrow \alpha v + (1 - \alpha) g^2, \qquad u = \frac{g}{\sqrt v + \epsilon}, \qquad w \leftarrow w - \mathrm{lr}\; u .$$
#
# $u$ has no unit: whoever measures the loss in other units gets the same steps.  That is what the root is for.  $\epsilon$ stands **outside** the
# root, as in PyTorch.  Keras puts it inside; for gradients as small as $\sqrt\epsilon$ these are two different optimizers.
#
# - **Momentum.** The velocity $b \leftarrow \mathrm{momentum} \cdot b + u$ takes the place of $u$.  Note what is collected, and
#   that `lr` is not part of it: when `lr` changes, it changes for the whole velocity.
# - **Centered** ([Graves 2013](https://arxiv.org/abs/1308.0850)).  Keep a running average of $g$ too, and divide by the root of
#   the *variance*, the mean square less the squared mean.  When $g$ never changes, that is zero, and rounding makes it now and then a
#   little less.  What is the root of that?  Do not let it come so far.
#
# What has to be remembered goes into `state`: a dict, empty at first, one for each array of parameters.  Remember numbers of
# your own: the caller may use the array `g` again for the next gradient.  Nothing may be kept anywhere else.

# %%
with kit.pending():
    a = kit.load(FILE)
    for scale in (1.0, 1000.0):
        w, state = np.array([1.0]), {}
        for g in (2.0, 1.0, 1.0):
            w = a.rmsprop_step(w, np.array([scale * g]), state, lr=0.1)
        print(f"gradients times {scale:6g}: after three steps w is {w[0]:.6f}")

# %%
kit.check(FILE, task=3)

# %% [markdown]
# ## Task 4: Adam
#
# Adam ([Kingma and Ba 2015](https://arxiv.org/abs/1412.6980), algorithm 1) averages the gradient as well as its square:
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1) g, \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2 .$$
#
# Both begin at zero, and so both are too small at first.  How much?  Suppose that $g$ is the same in every step.  Then
# $m_1 = (1 - \beta_1) g$, and $m_2 = \beta_1 (1 - \beta_1) g + (1 - \beta_1) g$.  Write down $m_3$, and see the pattern: the shares of all
# steps so far add up to $1 - (\text{what?})$.  Divide by this, and an average of equal numbers is that number, from the first
# step on.  The same for $v$, with its own $\beta$.  This is the *bias correction*.
#
# $$w \leftarrow w - \mathrm{lr}\; \frac{\hat m}{\sqrt{\hat v} + \epsilon} .$$
#
# - The *corrected* averages are for the step.  What goes on into the next average is the plain one.
# - $\epsilon$ is added to the root of the corrected $v$, outside the root.
# - The first step is `lr` long, for every parameter, whatever its gradient.  Why?
#
# What would happen without the correction?  With $\beta_1 = 0.9$ and $\beta_2 = 0.999$ the first step's $m$ is ten times too small, and
# $\sqrt v$ thirty times: the first step would be three times too long and the next ones even more, just when the network knows least.  The picture shows it.

# %%
with kit.pending():
    from IPython.display import display

    from minigen import plot

    a = kit.load(FILE)
    g, w, state = np.ones(1), np.zeros(1), {}
    path = [w := a.adam_step(w, g, state, lr=1.0) for _ in range(60)]
    t = np.arange(1, 61)
    with plot.style():
        caption = "Steps of Adam under a gradient that never changes: with the correction they are lr long from the beginning."
        picture, axes = plot.figure(size=(6.5, 3.4), caption=caption)
        axes.plot(t, -np.diff([0.0, *np.concatenate(path)]), label="your Adam")
        axes.plot(t, (1 - 0.9**t) / np.sqrt(1 - 0.999**t), label="without correction")
        axes.set(xlabel="step", ylabel="length of the step, in lr", ylim=(0, None))
        axes.legend()
    display(picture)

# %%
kit.check(FILE, task=4)

# %% [markdown]
# ## Task 5: two ways to decay
#
# Large weights are often held in check by a penalty, $\frac{\lambda}{2} \sum w^2$, with $\lambda$ the `weight_decay`.
#
# - **`adam_l2_step`** takes it at its word: the penalty is part of the loss, so its gradient is part of `g`.  It goes through Adam's
#   averages and its root like everything else.
# - **`adamw_step`** ([Loshchilov and Hutter 2019](https://arxiv.org/abs/1711.05101)) lets Adam see the loss alone.  Apart
#   from that, $w$ loses the share $\mathrm{lr} \cdot \lambda$ of itself, as it was before the step.
#
# For plain gradient descent the two are the same.  (Why?)  For Adam they are not: its root divides by the size of the gradients, so
# that with the first way a weight with **large** gradients decays **less**.  With the second all weights decay alike.  PyTorch's `Adam(weight_decay=...)` is the
# first, `AdamW` the second; many an experiment has compared them without knowing.
#
# Use your `adam_step` for both: each answer is a line.

# %%
with kit.pending():
    a = kit.load(FILE)
    for way in ("adam_l2_step", "adamw_step"):
        w, state = np.array([1.0, 1.0]), {}
        for t in range(300):  # two weights whose gradients swing around zero: by 10, and by 0.1
            g = np.array([10.0, 0.1]) * (-1) ** t
            w = getattr(a, way)(w, g, state, lr=0.01, weight_decay=0.1)
        print(f"{way:13} after 300 steps: gradients of 10 leave {w[0]:.3f}, gradients of 0.1 leave {w[1]:.3f}")

# %%
kit.check(FILE, task=5)

# %% [markdown]
# ## It learns
#
# Everything together: two spirals, told apart by a network with two hidden layers, each with your batch norm, and trained with your Adam.
# To make it hard, one of the two inputs is a hundred times the other.  It takes a few seconds.

# %%
with kit.pending():
    a = kit.load(FILE)
    random = np.random.default_rng(0)
    angle = np.sqrt(random.uniform(0.05, 1, 200)) * 9
    sign = np.where(np.arange(200) < 100, 1, -1)
    points = (sign * angle * np.array([np.cos(angle), np.sin(angle)])).T * [1, 100]
    width = 32
    shapes = [(2, width), (width, width), (width, 1)]
    weights = [random.normal(size=s) / s[0] ** 0.5 for s in shapes]
    scales, shifts = [np.ones(width) for _ in range(2)], [np.zeros(width) for _ in range(2)]
    means, variances = [np.zeros(width) for _ in range(2)], [np.ones(width) for _ in range(2)]
    states = [{} for _ in range(7)]

    def evaluate(x):
        for k in range(2):
            x = np.maximum(a.batch_norm_eval(x @ weights[k], scales[k], shifts[k], means[k], variances[k]), 0)
        return (x @ weights[2])[:, 0]

    for step in range(241):
        kept, x = [], points
        for k in range(2):
            h = x @ weights[k]
            y, means[k], variances[k] = a.batch_norm_train(h, scales[k], shifts[k], means[k], variances[k])
            kept.append((x, h, y))
            x = np.maximum(y, 0)
        margin = sign * (x @ weights[2])[:, 0]
        d = (-sign / (1 + np.exp(margin)) / 200)[:, None]  # of the mean of log(1 + exp(-margin))
        grads = [x.T @ d]
        d = d @ weights[2].T
        for k in (1, 0):
            x, h, y = kept[k]
            d, dscale, dshift = a.batch_norm_grad(d * (y > 0), h, scales[k])
            grads = [x.T @ d, *grads, dscale, dshift]
            d = d @ weights[k].T
        order = [*weights, scales[1], shifts[1], scales[0], shifts[0]]
        new = [a.adam_step(w, g, state, lr=0.01) for w, g, state in zip(order, grads, states)]
        weights, (scales[1], shifts[1], scales[0], shifts[0]) = new[:3], new[3:]
        if step % 60 == 0:
            right = (evaluate(points) * sign > 0).mean()
            print(f"step {step:3}: loss {np.log1p(np.exp(-margin)).mean():.3f}, in evaluation {right:.0%} right")

# %% [markdown]
# At step 0 the running statistics know only a tenth of one batch, and evaluation is still a guess.  Later both agree.  What becomes of it when you
# use `batch_norm_eval_grad` in place of `batch_norm_grad` here?  Try it (in a copy of the cell).
#
# ## Before you hand in
#
# - `minigen course check norm_adam_a3.py` says that the public tests pass.
# - These are not all.  The tests after you have handed in look at signals and images of other shapes, at large and small `eps`, at
#   float32 (its numbers, too) near and far from zero, at paths of many steps, at settings that change from step to step, at several
#   arrays of parameters in turns, at results that you gave in an earlier call, and at arrays that must not be changed.
# - A mistake in one task costs points in that task only: the others are then graded with a reference solution in its place.
# - Hand in `norm_adam_a3.py`, nothing else, with its name and the names in it unchanged.
#
# *To read on:* `minigen/ops/norm.py` has your second task as a rule that can be differentiated again, and
# `minigen/check/optimizers.py` a table of the RMSprops and Adams that other libraries call by the same names.
