"""The public tests of A6: small sets that one can follow with pencil and paper."""

import numpy as np

from minigen.course.kit import close, fail, repeated, test, untouched


def rows(*numbers):
    """Features of one number each, (N, 1)."""
    return np.array(numbers, np.float64)[:, None]


def call(a, name, *arguments, **given):
    """What a function of yours gives for these arrays (by name) and other arguments; arrays must be left alone."""

    def apply(*arrays):
        with untouched(**dict(zip(given, arrays))):
            return getattr(a, name)(*arrays, *arguments)

    return repeated(f"{name}({', '.join(given)})", apply, *given.values())


def three(what, got):
    """A tuple of three: how many, mean, covariance."""
    if not isinstance(got, tuple | list) or len(got) != 3:
        kind = f"{len(got)} of them" if isinstance(got, tuple | list) else type(got).__name__
        fail(what, f"expected a tuple of how many, mean and covariance; got {kind}.")
    return got


def compare_moments(what, got, count, mean, covariance):
    """Each of the three."""
    found = three(what, got)
    close(f"{what}[0], how many", found[0], count)
    close(f"{what}[1], the mean", found[1], np.asarray(mean, np.float64))
    close(f"{what}[2], the covariance", found[2], np.asarray(covariance, np.float64))


def merged(a, first, second):
    """`merge` of two tuples of moments, whose arrays must be left alone."""

    def apply(mean, covariance, other_mean, other_covariance):
        arrays = {"mean": mean, "covariance": covariance}
        others = {"other_mean": other_mean, "other_covariance": other_covariance}
        with untouched(**arrays, **others):
            return tuple(a.merge((first[0], *arrays.values()), (second[0], *others.values())))

    return repeated("merge(first, second)", apply, *first[1:], *second[1:])


def distance(a, first, second):
    """`fid` of two tuples of moments, whose arrays must be left alone."""

    def apply(mean, covariance, other_mean, other_covariance):
        arrays = {"mean": mean, "covariance": covariance}
        others = {"other_mean": other_mean, "other_covariance": other_covariance}
        with untouched(**arrays, **others):
            return a.fid((first[0], *arrays.values()), (second[0], *others.values()))

    return repeated("fid(first, second)", apply, *first[1:], *second[1:])


# ---- task 1


@test(task=1, points=1)
def moments_of_three_images(a):
    """moments of three images with two features."""
    x = np.array([[1, 0], [2, 6], [3, 0]], np.float64)
    compare_moments("moments(features)", call(a, "moments", features=x), 3, [2, 2], [[1, 0], [0, 12]])


@test(task=1, points=1)
def two_pairs_together(a):
    """merge of the moments of (0, 2) and of (4, 6): those of all four numbers."""
    first, second = ((2, np.array([mean]), np.array([[2.0]])) for mean in (1.0, 5.0))
    compare_moments("merge(first, second)", merged(a, first, second), 4, [3], [[20 / 3]])


# ---- task 2


@test(task=2, points=1)
def root_of_a_two_by_two(a):
    """root of a matrix with the eigenvalues 1 and 9."""
    got = call(a, "root", covariance=np.array([[5.0, 4.0], [4.0, 5.0]]))
    close("root(covariance)", got, np.array([[2.0, 1.0], [1.0, 2.0]]))


@test(task=2, points=1)
def distance_of_two_bells(a):
    """fid of two bells of width 1 and 2, 3 apart: (0 - 3)^2 + (1 - 2)^2."""
    first, second = (10, np.array([0.0]), np.array([[1.0]])), (10, np.array([3.0]), np.array([[4.0]]))
    close("fid(first, second)", distance(a, first, second), 10.0)


# ---- task 3


@test(task=3, points=1)
def kernel_of_one_and_two(a):
    """kernel of one row with two others, two features."""
    x, y = np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [2.0, -2.0]])
    close("kernel(x, y)", call(a, "kernel", x=x, y=y), np.array([[3.375, 0.0]]))


@test(task=3, points=1)
def two_and_two(a):
    """kid of the numbers 0, 1 and the numbers 1, 2: 1 + 27 - 2 * 37/4."""
    close("kid(real, fake)", call(a, "kid", real=rows(0, 1), fake=rows(1, 2)), 9.5)


@test(task=3, points=1)
def two_halves(a):
    """kid_of_parts, where the halves have KIDs of 9.5 and 0."""
    real, fake = rows(0, 1, 0, 0), rows(1, 2, 0, 0)
    got = call(a, "kid_of_parts", 2, real=real, fake=fake)
    if not isinstance(got, tuple | list) or len(got) != 2:
        fail("kid_of_parts(real, fake, 2)", f"expected a mean and a standard error, got {type(got).__name__}.")
    close("kid_of_parts(real, fake, 2)[0], the mean", got[0], 4.75)
    close("kid_of_parts(real, fake, 2)[1], the standard error", got[1], 4.75)


# ---- task 4


@test(task=4, points=1)
def radii_on_a_line(a):
    """radii of the numbers 0, 1, 3, 7, for the nearest and for the second."""
    close("radii(points, 1)", call(a, "radii", 1, points=rows(0, 1, 3, 7)), np.array([1.0, 1.0, 2.0, 4.0]))
    close("radii(points, 2)", call(a, "radii", 2, points=rows(0, 1, 3, 7)), np.array([3.0, 2.0, 3.0, 6.0]))


@test(task=4, points=1)
def balls_on_a_line(a):
    """precision and coverage of five samples, for the same four real images."""
    real, fake = rows(0, 1, 3, 7), rows(-0.5, 0.25, 0.5, 14, 20)
    close("precision(real, fake, 1)", call(a, "precision", 1, real=real, fake=fake), 0.6)
    close("coverage(real, fake, 1)", call(a, "coverage", 1, real=real, fake=fake), 0.5)


# ---- task 5


@test(task=5, points=1)
def a_verdict_on_two_images(a):
    """judge, for two training images, two new ones, and three samples."""
    train, held_out, fake = rows(0, 2), rows(1, 3), rows(0, 0, 9)
    got = call(a, "judge", 1, train=train, held_out=held_out, fake=fake)
    if not isinstance(got, dict) or set(got) != {"fid", "kid", "coverage"}:
        fail("judge(train, held_out, fake, 1)", 'expected a dictionary with the keys "fid", "kid" and "coverage".')
    for name, pair in {"fid": (3, 1), "kid": (0, -121), "coverage": (1, 1)}.items():
        close(f'judge(train, held_out, fake, 1)["{name}"]', got[name], pair)


@test(task=5, points=1)
def who_is_nearer(a):
    """nearer_to_training, for samples of which one is near to both."""
    train, held_out, fake = rows(0, 10), rows(4, 20), rows(1, 3, 9, 2)
    got = call(a, "nearer_to_training", train=train, held_out=held_out, fake=fake)
    close("nearer_to_training(train, held_out, fake)", got, 0.625)
