"""Solutions to the exercises of lesson 16, *Repair and translation*.  Each answer has the name of its exercise."""

import numpy as np

# 16.1  The values in the hole: C for each pixel of the mask.


def masked_loss(y, x, m):
    return (m * (y - x) ** 2).sum() / (y.shape[1] * m.sum())


# 16.2  Channel c r r + i r + j goes to row h r + i and column w r + j: split, bring i behind h and j behind w, join.


def pixel_shuffle(x, r):
    n, channels, h, w = x.shape
    split = x.reshape(n, channels // (r * r), r, r, h, w)
    return split.transpose(0, 1, 4, 2, 5, 3).reshape(n, channels // (r * r), h * r, w * r)


# 16.3  The loss cannot say it: it compares with the noisy image.  In practice the truth is not there; one looks, or stops
# where the loss has fallen to the variance of the noise.


def when_to_stop(losses, outputs, truth):
    return int(np.argmin(((outputs - truth) ** 2).mean(axis=(1, 2))))


# 16.4  dL = 2 <G - A, dG> / |A|^2 and dG = (dF F^T + F dF^T) / P; the two terms are equal because G - A is symmetric.


def gram_gradient(F, A):
    pixels = F.shape[1]
    return 4 * (F @ F.T / pixels - A) @ F / (pixels * (A**2).sum())


# 16.5  Only D's own step detaches, and what it detaches is the made image.

where_to_detach = {"discriminator": "a", "adversary": "", "cycle": ""}

# 16.6  Everything that can be undone: the identity, the mirror image, exchanged colors, and any other one-to-one map.

cycle_maps = "abce"

# In words
# 1. Each channel is on in three of six colors: half and half.  Every value between black and white is a median, so drawing
#    costs as much as not drawing.  Where the network is not sure that the pixel belongs to the shape, the channel is on in
#    less than half of the cases, and black is the only median.
# 2. Noise: the images that fit differ little, so their mean is close to each of them.  A hole: the images that fit differ
#    much, and their mean is like none of them.  What an adversary chooses is like one of them; its squared distance to the
#    truth is about twice that of the mean.
# 3. No.  PSNR measures the distance to the truth, and the mean of what is possible has the least.  People see that a mean
#    is blurred.  The two are different questions.
# 4. Its input is an outline: nearly everything is decided by it.
