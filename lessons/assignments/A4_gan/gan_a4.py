"""A4: the losses of a GAN, a DCGAN for images of 8x8 pixels, and the game that trains it.

Tasks 1 and 2 are mathematics, tasks 3 to 5 are written with minigen, as you would with PyTorch.  The guide explains
each task.
"""

import numpy as np

import minigen as mg
from minigen import functional as F
from minigen import nn

# ---- Task 1: the discriminator's loss


def d_loss(real, fake, smoothing=0.0):
    """The discriminator's loss on logits: -mean(log D(real)) - mean(log(1 - D(fake))), with D = sigmoid(logit).

    real and fake are Tensors of logits of any shapes, not always the same number of both.  With smoothing, real images
    have the label 1 - smoothing in place of 1, in a cross-entropy; generated ones keep 0.  Gives a Tensor with one
    number and no axes, of the logits' dtype, that can be differentiated; finite for every finite logit.
    """
    # BEGIN SOLUTION
    on_real = (1 - smoothing) * F.softplus(-real) + smoothing * F.softplus(real)
    return on_real.mean() + F.softplus(fake).mean()
    # END SOLUTION


# ---- Task 2: two losses for the generator, and their gradients by hand


def g_loss_saturating(fake):
    """The generator's loss of the original game, mean(log(1 - D(fake))), on a Tensor of logits; as d_loss otherwise."""
    # BEGIN SOLUTION
    return -F.softplus(fake).mean()
    # END SOLUTION


def g_loss(fake):
    """The generator's non-saturating loss, -mean(log D(fake)), on a Tensor of logits; as d_loss otherwise."""
    # BEGIN SOLUTION
    return F.softplus(-fake).mean()
    # END SOLUTION


def g_gradient_saturating(logits):
    """The gradient of g_loss_saturating, by hand: a NumPy array of logits, of any shape, to an array like it."""
    # BEGIN SOLUTION
    return -np.exp(-np.logaddexp(0, -logits)) / logits.size
    # END SOLUTION


def g_gradient(logits):
    """The gradient of g_loss, by hand: a NumPy array of logits, of any shape, to an array like it."""
    # BEGIN SOLUTION
    return -np.exp(-np.logaddexp(0, logits)) / logits.size
    # END SOLUTION


# ---- Task 3: the two networks


def generator(latent, width, channels=1):
    """A network from noise (N, latent) to images (N, channels, 8, 8) in [-1, 1]: an nn.Module.

    In this order:

    a dense layer without bias to 2 * width channels of 2x2 pixels;                             batch norm, ReLU
    a transposed convolution without bias to width channels, kernel 4, stride 2, padding 1;     batch norm, ReLU
    a transposed convolution to the image's channels, kernel 4, stride 2, padding 1, with bias; tanh
    """
    # BEGIN SOLUTION
    return nn.Sequential(
        nn.Linear(latent, 2 * width * 2 * 2, bias=False),
        nn.Unflatten(1, (2 * width, 2, 2)),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
        nn.Tanh(),
    )
    # END SOLUTION


def discriminator(width, channels=1):
    """A network from images (N, channels, 8, 8) to one logit each, (N, 1): an nn.Module.

    In this order:

    a convolution to width channels, kernel 4, stride 2, padding 1, with bias;                  LeakyReLU, slope 0.2
    a convolution without bias to 2 * width channels, kernel 4, stride 2, padding 1;            batch norm, LeakyReLU
    a dense layer with bias to one number
    """
    # BEGIN SOLUTION
    return nn.Sequential(
        nn.Conv2d(channels, width, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(2 * width * 2 * 2, 1),
    )
    # END SOLUTION


# ---- Task 4: one move of each player


def training_step(G, D, optimizer_g, optimizer_d, x, z, smoothing=0.1):
    """One move of D, then one of G against D as it is after its move; the two losses as Python numbers, D's first.

    G, D                       modules; gradients that they hold from before must not count
    optimizer_g, optimizer_d   each moves the parameters of one of them
    x                          a batch of real images, a Tensor
    z                          noise for a batch of generated ones, a Tensor; the same for both moves

    D descends d_loss with this smoothing, G descends g_loss.  D judges real and generated images in batches of their
    own.  Both networks stay in the mode in which they are, and all parameters go on asking for gradients.
    """
    # BEGIN SOLUTION
    fake = G(z)
    loss_d = d_loss(D(x), D(fake.detach()), smoothing)
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()

    loss_g = g_loss(D(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
    return loss_d.item(), loss_g.item()
    # END SOLUTION


# ---- Task 5: it learns


def train(images, steps, latent=8, width=8, batch=32, lr=0.002, seed=0):
    """Train a generator and a discriminator on images by so many calls of training_step, and give the generator.

    images is an array of uint8, (N, channels, 8, 8), with 0 for black and 255 for white.  Each step takes a batch of
    different images, all as likely as the others, as a float32 Tensor in [-1, 1], and new noise, normally distributed,
    float32, (batch, latent).  Both players have an Adam with this lr and betas of (0.5, 0.999).  All that is random
    follows from seed: the same seed gives the same generator.  The smoothing is training_step's default.
    """
    # BEGIN SOLUTION
    mg.manual_seed(seed)
    random = np.random.default_rng(seed)
    G, D = generator(latent, width, images.shape[1]), discriminator(width, images.shape[1])
    optimizer_g = mg.optim.Adam(G.parameters(), lr=lr, betas=(0.5, 0.999))
    optimizer_d = mg.optim.Adam(D.parameters(), lr=lr, betas=(0.5, 0.999))
    for _ in range(steps):
        some = random.choice(len(images), batch, replace=False)
        x = mg.tensor((images[some] / 127.5 - 1).astype(np.float32))
        z = mg.tensor(random.normal(size=(batch, latent)).astype(np.float32))
        training_step(G, D, optimizer_g, optimizer_d, x, z)
    return G
    # END SOLUTION


def sample(G, z):
    """Images that G makes of the noise z, an array (N, latent): an array of uint8, (N, channels, 8, 8), 0 to 255.

    Each image depends on its own row of z alone, so that G is in evaluation mode for it; afterwards it is in the mode
    in which it was.  Values are rounded to the nearest integer.
    """
    # BEGIN SOLUTION
    mode = G.training
    G.eval()
    with mg.no_grad():
        made = G(mg.tensor(np.asarray(z, np.float32))).numpy()
    G.train(mode)
    return np.rint((made + 1) * 127.5).astype(np.uint8)
    # END SOLUTION
