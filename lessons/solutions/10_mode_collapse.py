"""Solutions to the exercises of lesson 10, *Mode collapse*.  Each answer has the name of its exercise."""

import numpy as np

import minigen as mg
from minigen import losses
from minigen.nn.utils import functional_call

# 10.1  The nearest center decides the mode; a point counts within 3 sigma of it, in the plane.


def count(points, centers, sigma):
    distances = np.linalg.norm(points[:, None] - centers, axis=2)
    good = distances.min(1) <= 3 * sigma
    return len(set(distances.argmin(1)[good].tolist())), good.mean()


# 10.2  In memory the images follow each other, and so do the channels of an image: a reshape is enough.


def pack(images, m):
    n, channels, height, width = images.shape
    return images.reshape(n // m, m * channels, height, width)


# 10.3  m_i is in its own o_i with the cotangent g_i, and in every o_j with g_j; the sign is the same, since |m_i - m_j| is
# symmetric.  The summand for j = i has the sign 0.


def minibatch_gradient(rows, g):
    way = rows[:, None] - rows
    near = np.exp(-np.abs(way).sum(2))
    both = (g[:, None] + g) * near  # (N, N)
    return -(both[:, :, None] * np.sign(way)).sum(1)


# 10.4  d(w / s) = dw / s - w ds / s^2 and ds = u^T dw v.


def spectral_gradient(w, g):
    u, s, v = np.linalg.svd(w)
    return (g - (g * w).sum() / s[0] * np.outer(u[:, 0], v[0])) / s[0]


# Section 4: the coordinates are multiplied by c = 100, so gamma by 100^2 = 10,000.

# 10.5  create_graph=True keeps the gradient of the gradient; the new weights are Tensors that depend on fake.


def unrolled(network, real, fake, lr):
    weights = dict(network.named_parameters())

    def call(x):
        return functional_call(network, weights, x)

    loss = losses.non_saturating_d(call(real), call(fake))
    gradients = mg.grad(loss, list(weights.values()), create_graph=True)
    return {name: w - lr * g for (name, w), g in zip(weights.items(), gradients)}


# 10.6
# 1: G chases: D is slow, and all samples run to the place that D likes best at the moment.
# 2: G is continuous and not steep: bridges between the modes.
# 3: D is sharp: it is flat everywhere but at one mode, and G gets no slope toward the others.
# 4: evaluation mode with running statistics of batch norm that are not those of the present weights.
# 5: G has not begun to learn.

read_the_pictures = {1: "c", 2: "a", 3: "e", 4: "b", 5: "d"}

# In words
# 1. The loss is a mean over G's own samples.  A mode without a sample has no term in it.
# 2. One label belongs to a pack.  A mixed pack has no right answer, and G could be judged by the real part.
# 3. The penalty is made of D's gradient in the image, and D's weights learn from the penalty's gradient.  With batch norm the
#    logit of an image depends on the others, so that the gradient in one image also contains those of other logits.
