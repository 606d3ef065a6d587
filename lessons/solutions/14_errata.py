"""Solutions to the exercises of lesson 14, *What the articles got wrong*."""

import numpy as np

# 14.1  -log D = softplus(-logit) for real images, -log(1 - D) = softplus(logit) for generated ones.


def repaired_d(real, fake):
    return np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()


# 14.2  Two heads; sigma = exp(log_var / 2); the KL of a normal distribution to N(0, I), in closed form.


def repaired_encoder(heads, eps):
    mu, log_var = np.split(heads, 2, axis=1)
    z = mu + np.exp(log_var / 2) * eps
    kl = 0.5 * (mu**2 + np.exp(log_var) - 1 - log_var).sum(axis=1)
    return z, kl


# 14.3  a: a VAE has no discriminator.  b: the Inception score never sees real images.  d: there are no pairs.
# f: no pixel of a real image occurs in G's loss.

true_sentences = {"c", "e", "g"}

# 14.4
# 1: sigma is near 1 and the KL small, because the code is z = mu: sigma is never used.  The true -ELBO shows it.
# 2: reconstruction + KL is the true -ELBO.
# 3: a mean over 784 pixels makes the KL 784 times too expensive: the codes are given up (posterior collapse).
# 4: the KL is not part of the loss: sigma goes to 0, the means far away; an autoencoder.
# 5: the KL is subtracted, and grows without limit.
# 6: the noise is exp(log_var), the KL's sigma is exp(log_var / 2): the program believes a smaller KL than it pays.

diagnosis = {1: "e", 2: "a", 3: "c", 4: "f", 5: "d", 6: "b"}
