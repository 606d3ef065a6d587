"""Solutions to the exercises of lesson 8, *GAN*.  Each answer has the name of its exercise."""

import numpy as np

from minigen import losses

# 8.1  -log D = softplus(-l) on real images, -log(1 - D) = softplus(l) on generated ones; two expectations, two means.


def d_loss(real, fake):
    return np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()


# 8.2  The expected loss at x is -a log D - b log(1 - D) with a = r p (1 - s) and b = r p s + (1 - r) q.
# It is least at a / (a + b), and a + b = r p + (1 - r) q.


def best_d(p, q, real_share, smoothing):
    real, generated = real_share * p, (1 - real_share) * q
    return (1 - smoothing) * real / (real + generated)


# 8.3  At each x the verdict is the more probable of the two, and right with its probability.  With
# max(p, q) = (p + q + |p - q|) / 2 it is 1/2 + 1/4 integral |p - q|: guessing, plus half the total variation.


def best_accuracy(p, q, dx):
    return np.maximum(p, q).sum() * dx / 2


# 8.4  d/dl softplus(-l) = -sigmoid(-l), and the mean gives each image 1/M.  sigmoid(a) = exp(-softplus(-a)).


def g_gradient(logits):
    return -np.exp(-np.logaddexp(0, logits)) / logits.size


# 8.5  detach: D's loss is cut off from G, and no graph is used twice.  zero_grad before each backward: G's loss leaves
# gradients in D as well, which must be gone before D's next step.  And G is judged by D as it is now.


def training_step(generator, discriminator, optimizer_g, optimizer_d, x, z):
    fake = generator(z)
    loss_d = losses.minimax_d(discriminator(x), discriminator(fake.detach()))
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()

    loss_g = losses.non_saturating_g(discriminator(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_d, loss_g


# 8.6
# 1: log D(G(z)) has no lower end: G makes worse and worse images, loss_g goes far below zero.
# 2: loss_g is below -log(d_fake), which the mean of -log D cannot be.  A sigmoid lies between 0 and 1; as a logit it costs
#    G from softplus(-1) = 0.313 to softplus(0) = 0.693, and D at least softplus(-1) + softplus(0) = 1.0064.
# 3: D is ahead and not certain, both losses are positive and finite.
# 4: with real images alone, "real" is always right: loss_d goes to 0, d_fake to 1, and G has nothing to do.
# 5: V has no lower end either: D calls real images fake and fakes real, and its loss falls without limit.

read_the_logs = {1: "b", 2: "e", 3: "a", 4: "d", 5: "c"}

# In words
# 1. The losses do not say.  G's loss falls because D does not recognize its images: G may be better, or D may be bad.  A D
#    whose loss stays near 1.386 is undecided, and an undecided D teaches little.  Look at the samples, or measure (lesson 13).
# 2. Yes: the slope in the logit is -(1 - D), almost -1 for every image.  Whether it is useful depends on D's slope in the
#    image: a D that is certain everywhere may point in a direction that has nothing to do with digits.
# 3. With the minimax loss G's gradient vanishes.  With -log D it does not vanish, but D's slope in the image becomes steep
#    and local, G learns little from it, and each step of G costs many of D.
