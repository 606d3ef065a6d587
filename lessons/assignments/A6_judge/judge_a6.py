"""A6: judge your GAN: FID from moments, KID without bias, precision and coverage, and a verdict.

Features are rows: one row of D numbers for each image, an array (N, D) of real and (M, D) of generated images, float32
or float64.  Everything is computed in float64, and all functions leave what they get as it is.  The guide explains each
task.
"""

import numpy as np

# ---- Task 1: moments, and moments of two sets together


def moments(features):
    """The moments of features (N, D), N of at least 2: a tuple (N, mean (D,), covariance (D, D)), float64.

    The covariance divides by N - 1, and is a matrix for D = 1, too.  The mean may be far larger than the spread.
    """
    # BEGIN SOLUTION
    wide = np.asarray(features, np.float64)
    mean = wide.mean(axis=0)
    away = wide - mean
    return len(wide), mean, away.T @ away / (len(wide) - 1)
    # END SOLUTION


def merge(first, second):
    """The moments of two sets together, in the same form, from the moments of each; their sizes may differ."""
    # BEGIN SOLUTION
    n, mean, covariance = first
    m, other_mean, other_covariance = second
    apart = other_mean - mean
    scatter = (n - 1) * covariance + (m - 1) * other_covariance + n * m / (n + m) * np.outer(apart, apart)
    return n + m, mean + m / (n + m) * apart, scatter / (n + m - 1)
    # END SOLUTION


# ---- Task 2: FID from moments


def root(covariance):
    """The root R of a covariance (D, D): symmetric, positive semidefinite, R @ R = covariance.

    Eigenvalues that rounding has made negative count as 0, so the root is always real.
    """
    # BEGIN SOLUTION
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    # END SOLUTION


def fid(first, second):
    """The squared Fréchet distance of two sets, from their moments (N, mean, covariance): a real number.

    Covariances may be singular.
    """
    # BEGIN SOLUTION
    _, mean, covariance = first
    _, other_mean, other_covariance = second
    half = root(covariance)
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ other_covariance @ half), 0)).sum()
    spreads = np.trace(covariance) + np.trace(other_covariance)
    return float(((mean - other_mean) ** 2).sum() + spreads - 2 * shared)
    # END SOLUTION


# ---- Task 3: KID without bias, and its error


def kernel(x, y):
    """The kernel (x . y / D + 1)^3 of each row of x (N, D) with each row of y (M, D): an array (N, M), float64."""
    # BEGIN SOLUTION
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return (x @ y.T / x.shape[1] + 1) ** 3
    # END SOLUTION


def kid(real, fake):
    """The unbiased squared distance of real (N, D) and fake (M, D) features with `kernel`; N and M are at least 2.

    No image is paired with itself.  The number may be below 0.
    """
    # BEGIN SOLUTION
    within = 0.0
    for x in (real, fake):
        pairs = kernel(x, x)
        within += (pairs.sum() - np.trace(pairs)) / (len(x) * (len(x) - 1))
    return float(within - 2 * kernel(real, fake).mean())
    # END SOLUTION


def kid_of_parts(real, fake, parts):
    """The mean of KID over disjoint parts, and its standard error: a tuple of two numbers.

    Cut real and fake into `parts` parts (2 or more) of N // parts and M // parts rows, in order; rows that are left over
    at the end do not count.  Part i of real is compared with part i of fake.  The standard error is the standard
    deviation of these numbers (dividing by parts - 1), over the root of their number.
    """
    # BEGIN SOLUTION
    n, m = len(real) // parts, len(fake) // parts
    found = [kid(real[i * n : (i + 1) * n], fake[i * m : (i + 1) * m]) for i in range(parts)]
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(parts))
    # END SOLUTION


# ---- Task 4: balls: precision and coverage


def radii(points, k):
    """The distance of each row of points (N, D) to its k-th nearest *other* row, N > k: an array (N,), float64.

    Rows that are equal have the distance 0, exactly.  An array (N, N, D) is too large for the memory.
    """
    # BEGIN SOLUTION
    points = np.asarray(points, np.float64)
    squares = [np.sort(((points - row) ** 2).sum(axis=1))[k] for row in points]  # place 0 is the row itself
    return np.sqrt(np.array(squares))
    # END SOLUTION


def precision(real, fake, k):
    """The share of fake rows that are inside the ball of at least one real row; its radius is that of `radii`.

    A point on the border is inside.
    """
    # BEGIN SOLUTION
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    inside = np.zeros(len(fake), bool)
    for row, radius in zip(real, radii(real, k)):
        inside |= np.sqrt(((fake - row) ** 2).sum(axis=1)) <= radius
    return float(inside.mean())
    # END SOLUTION


def coverage(real, fake, k):
    """The share of real rows whose ball holds at least one fake row; balls are those of `precision`."""
    # BEGIN SOLUTION
    real, fake = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    held = [
        (np.sqrt(((fake - row) ** 2).sum(axis=1)) <= radius).any() for row, radius in zip(real, radii(real, k))
    ]  # fmt: skip
    return float(np.mean(held))
    # END SOLUTION


# ---- Task 5: the verdict


def judge(train, held_out, fake, k=5):
    """A dictionary with the keys "fid", "kid" and "coverage", each a pair of numbers: (of the samples, floor).

    Samples are compared with `train`.  The floor is what new real images, `held_out`, measure in their place.  Only equal
    numbers of images can be compared: take the first n rows of `fake` and of `held_out`, n the smaller of the two
    lengths, and all rows of `train`.
    """
    # BEGIN SOLUTION
    n = min(len(held_out), len(fake))
    sets = (fake[:n], held_out[:n])
    of_train = moments(train)
    return {
        "fid": tuple(fid(of_train, moments(x)) for x in sets),
        "kid": tuple(kid(train, x) for x in sets),
        "coverage": tuple(coverage(train, x, k) for x in sets),
    }
    # END SOLUTION


def nearer_to_training(train, held_out, fake):
    """The share of all samples that are nearer to a training image than to any new real image, a number from 0 to 1.

    Equal numbers again: the first n rows of `train` and of `held_out`, n the smaller of the two lengths.  A sample that is
    as near to one as to the other counts one half.
    """
    # BEGIN SOLUTION
    n = min(len(train), len(held_out))
    train, held_out, fake = (np.asarray(x, np.float64) for x in (train[:n], held_out[:n], fake))
    shares = []
    for row in fake:
        to_train, to_new = (((x - row) ** 2).sum(axis=1).min() for x in (train, held_out))
        shares.append(0.5 if to_train == to_new else float(to_train < to_new))
    return float(np.mean(shares))
    # END SOLUTION
