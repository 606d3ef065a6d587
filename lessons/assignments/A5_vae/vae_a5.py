"""A5: a VAE: ELBO, reparameterization, conditional.

Images are rows of P pixels from 0 (black) to 1 (white), codes rows of D numbers.  Some functions are written with
minigen's Tensors, so that a gradient can come back through them; others are gradients by hand, on NumPy arrays.  All
leave what they get as it is, and give something new: float32 for float32, float64 for float64.  The guide explains each
task.
"""

import numpy as np

import minigen as mg
from minigen import nn
from minigen.functional import softplus  # softplus(a) = log(1 + exp(a)), without overflow


class VAE(nn.Module):
    """A small encoder and decoder, one hidden layer each.

    encode(x)   mean and log-variance of q(z | x), (N, D) each; with classes, x is followed by the label's row
    decode(z)   logits (N, P): what goes into the sigmoid; with classes, z is followed by the label's row
    """

    def __init__(self, pixels, latent, hidden=64, classes=0):
        super().__init__()
        self.latent, self.classes = latent, classes
        self.encoder = nn.Sequential(nn.Linear(pixels + classes, hidden), nn.Tanh(), nn.Linear(hidden, 2 * latent))
        self.decoder = nn.Sequential(nn.Linear(latent + classes, hidden), nn.Tanh(), nn.Linear(hidden, pixels))

    def encode(self, x):
        """Mean and log-variance."""
        both = self.encoder(x)
        return both[:, : self.latent], both[:, self.latent :]

    def decode(self, z):
        """Logits."""
        return self.decoder(z)


# ---- Task 1: how probable is an image?


def log_likelihood(logits, x):
    """Log p(x | z) of each image, a Tensor (..., N); a pixel is white with probability sigmoid(logits).

    logits   Tensor (N, P), or (..., N, P) for several codes an image
    x        Tensor (N, P), from 0 to 1; gray values go into the same formula

    Must be finite for logits of any size.
    """
    # BEGIN SOLUTION
    return (x * logits - softplus(logits)).sum(-1)
    # END SOLUTION


def log_likelihood_grad(g, logits, x):
    """The gradient of log_likelihood for logits, given the cotangent g of shape (..., N); all are NumPy arrays."""
    # BEGIN SOLUTION
    tail = np.exp(-np.abs(logits))  # never overflows
    white = np.where(logits >= 0, 1, tail) / (1 + tail)
    return g[..., None] * (x - white)
    # END SOLUTION


# ---- Task 2: a draw that a gradient can pass


def draw_code(mu, log_var, eps):
    """A draw from N(mu, variance exp(log_var)), made from the standard normal noise eps: a Tensor of the shape of eps.

    mu, log_var   Tensors (N, D)
    eps           Tensor (N, D), or (..., N, D) for several draws an image
    """
    # BEGIN SOLUTION
    return mu + mg.exp(log_var / 2) * eps
    # END SOLUTION


def draw_code_grad(g, mu, log_var, eps):
    """The gradients of draw_code for mu and for log_var, (N, D) each; g and eps are (K, N, D); all are NumPy arrays."""
    # BEGIN SOLUTION
    return g.sum(axis=0), (g * eps).sum(axis=0) * np.exp(log_var / 2) / 2
    # END SOLUTION


# ---- Task 3: the price of a code


def kl(mu, log_var):
    """KL(q || p) of each image, a Tensor (N,): q = N(mu, variance exp(log_var)), p = N(0, 1) in each component."""
    # BEGIN SOLUTION
    return 0.5 * (mu * mu + mg.exp(log_var) - 1 - log_var).sum(1)
    # END SOLUTION


def kl_grad(g, mu, log_var):
    """The gradients of kl for mu and for log_var, given the cotangent g of shape (N,); all are NumPy arrays."""
    # BEGIN SOLUTION
    return g[:, None] * mu, g[:, None] * (np.exp(log_var) - 1) / 2
    # END SOLUTION


# ---- Task 4: the loss, and a step down


def vae_loss(logits, x, mu, log_var):
    """Minus the ELBO in nats an image: the mean over the images (and over the codes of each), a Tensor with one number.

    logits   Tensor (N, P), or (K, N, P) for K codes an image; x: (N, P); mu, log_var: (N, D)
    """
    # BEGIN SOLUTION
    return kl(mu, log_var).mean() - log_likelihood(logits, x).mean()
    # END SOLUTION


def training_step(model, optimizer, x):
    """One step of the optimizer down the loss of the images x, a Tensor (N, P), with one code an image.

    The noise is drawn with mg.randn, and has the dtype of mu.  Gradients that the model holds from before must not
    count.  It ends with optimizer.step(), and gives the loss before that, a Python number.
    """
    # BEGIN SOLUTION
    mu, log_var = model.encode(x)
    noise = mg.randn(*mu.shape, dtype=mu.dtype)
    loss = vae_loss(model.decode(draw_code(mu, log_var, noise)), x, mu, log_var)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    # END SOLUTION


# ---- Task 5: with a label


def one_hot(labels, classes, dtype="float32"):
    """Rows with a single 1, at the label's place: a Tensor (N, classes) of this dtype.

    labels is an array of whole numbers.  A label below 0, or not below classes, is a ValueError.
    """
    # BEGIN SOLUTION
    labels = np.asarray(labels)
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"one_hot: labels must be from 0 to {classes - 1}, got {labels.min()} to {labels.max()}")
    return mg.tensor((labels[:, None] == np.arange(classes)).astype(dtype))
    # END SOLUTION


def conditional_loss(model, x, labels, eps):
    """Minus the ELBO of x given its labels, in nats an image: a Tensor with one number.

    model    as VAE, with model.classes classes: encode and decode take the label's row behind what they take otherwise
    x        Tensor (N, P); labels: array (N,) of whole numbers; eps: Tensor (N, D), the noise that makes the codes
    """
    # BEGIN SOLUTION
    label = one_hot(labels, model.classes, x.dtype)
    mu, log_var = model.encode(mg.cat([x, label], 1))
    z = draw_code(mu, log_var, eps)
    return vae_loss(model.decode(mg.cat([z, label], 1)), x, mu, log_var)
    # END SOLUTION


def draw_images(model, labels, z):
    """New images of these classes, decoded from the codes z, a Tensor (N, D): a NumPy array (N, P), from 0 to 1."""
    # BEGIN SOLUTION
    with mg.no_grad():
        label = one_hot(labels, model.classes, z.dtype)
        return mg.sigmoid(model.decode(mg.cat([z, label], 1))).numpy()
    # END SOLUTION


# ---- Task 6: a tighter bound


def log_weights(logits, x, mu, log_var, eps):
    """Log of w = p(x | z) p(z) / q(z | x) for each of K codes z of each image, a Tensor (K, N).

    logits   Tensor (K, N, P), decoded from z = draw_code(mu, log_var, eps); eps: (K, N, D); mu, log_var: (N, D)
    """
    # BEGIN SOLUTION
    z = draw_code(mu, log_var, eps)
    log_ratio = 0.5 * (eps * eps + log_var - z * z).sum(-1)  # log p(z) - log q(z | x); log(2 pi) cancels
    return log_likelihood(logits, x) + log_ratio
    # END SOLUTION


def iwae_loss(log_w):
    """Minus the mean over the images of log(1/K sum_k w_k), a Tensor with one number; log_w is (K, N), of any size."""
    # BEGIN SOLUTION
    return float(np.log(log_w.shape[0])) - mg.logsumexp(log_w, 0).mean()
    # END SOLUTION
