"""Solutions to the exercises of lesson 15, *Scarce data*.  Each answer has the name of its exercise."""

import numpy as np

# 15.1  Scatter: several p may add to the same place, so x[index] += ... would lose all but one.


def warp_adjoint(g, index, weight, size):
    x = np.zeros(size)
    inside = index >= 0
    np.add.at(x, index[inside], (weight * g)[inside])
    return x


# 15.2  D's loss must not update G; the loss of G must.

through_t = {"detached": "d", "gradient to G": "g"}

# 15.3  A center of mass is a mean of the places, weighted by light.


def spread(images):
    total = images.sum(axis=(1, 2))
    rows = (images.sum(axis=2) * np.arange(images.shape[1])).sum(axis=1) / total
    columns = (images.sum(axis=1) * np.arange(images.shape[2])).sum(axis=1) / total
    return np.sqrt((rows.var() + columns.var()) / 2)


# 15.4  The seeds' common ups and downs cancel in the differences.


def paired(a, b):
    d = np.asarray(b) - np.asarray(a)
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))


# 15.5  All weights in one row: the position in the sorted row gives the threshold.


def kept(weights, share):
    sizes = np.sort(np.concatenate([np.abs(w).ravel() for w in weights]))
    threshold = sizes[int(share * len(sizes))]
    return [np.abs(w) >= threshold for w in weights]


# 15.6  The scale belongs to the output, so it can leave the sum.


def quantize(weight):
    largest = np.abs(weight).max(axis=1)
    scales = np.where(largest > 0, largest / 127, 1.0)
    return np.rint(weight / scales[:, None]), scales


# In words
# 1. A list of its training images.  Its loss is low because it knows them; only held-out images show it.
# 2. It never sees an image.  What it knows of the data, it knows from the gradient of D.
# 3. A critic's score has no zero: only differences of scores have a meaning.
# 4. From other data, or from knowledge that is not in the images, such as a physical model.
# 5. They make the weights smaller, so the function is simpler; L1 makes many of them nearly 0.  They know nothing of digits.
#    That a moved digit is the same digit is new information, and it comes in by augmentation only.
# 6. Zeros are multiplied like other numbers.  It would need kernels that skip them (which pays at 90 % and more), or whole
#    channels that are removed, so that the matrices are smaller.
