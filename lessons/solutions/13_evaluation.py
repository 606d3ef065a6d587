"""Solutions to the exercises of lesson 13, *How good is it?*.  Each answer has the name of its exercise."""

import numpy as np

# 13.1  The trace of a matrix root is the sum of the roots of the eigenvalues.  S1 @ S2 has the same eigenvalues as
# S1^(1/2) S2 S1^(1/2), which is symmetric: they are real and not negative, up to rounding.


def fid(real, fake):
    means = ((real.mean(0) - fake.mean(0)) ** 2).sum()
    one, two = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, fake))
    roots = np.sqrt(np.linalg.eigvals(one @ two).real.clip(0))
    return means + np.trace(one) + np.trace(two) - 2 * roots.sum()


# 13.2  No image is paired with itself.


def kid(real, fake):
    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a):
        k, n = kernel(a, a), len(a)
        return (k.sum() - np.trace(k)) / (n * (n - 1))

    return within(real) + within(fake) - 2 * kernel(real, fake).mean()


# 13.3  0 log 0 is 0: the logarithm of 1, in place of 0, gives just that.


def inception_score(p):
    def entropy(q):
        return -(q * np.log(np.where(q > 0, q, 1))).sum(-1)

    return np.exp(entropy(p.mean(0)) - entropy(p).mean())


# 13.4  The ball is empty if the k nearest of the N - 1 + M other images are all real.


def expected_coverage(real, fake, k):
    i = np.arange(1, k + 1)
    return 1 - np.prod((real - i) / (real + fake - i))


# 13.5  A is below the floor.  B misses a part (recall), E has all but in wrong shares.  C is a little worse everywhere.
# D covers little although each sample is good.

which_failure = {
    "A": "training images",
    "B": "three digits are missing",
    "C": "noise",
    "D": "25 images, each 20 times",
    "E": "half are ones",
}

# 13.6  Below the floor is no triumph.


def verdict(value, floor, sd):
    if value < floor - 2 * sd:
        return "alarm"
    return "worse" if value > floor + 2 * sd else "no difference"
