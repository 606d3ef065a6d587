"""The hidden tests of A6.  Their oracles are NumPy's covariance, minigen's measures, and loops over pairs."""

import itertools
import tracemalloc

import numpy as np
from public import call, compare_moments, distance, merged, rows, three

from minigen import metrics
from minigen.course.kit import close, fail, repeated, test
from minigen.metrics.fid import gaussian_fid


def draw(seed, n, d, away=0.0, dtype=np.float64):
    """Features with a covariance that is no multiple of the unit matrix."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(n, d)) @ random.normal(size=(d, d))
    return (mixed + random.normal(size=d) + away).astype(dtype)


def of(features):
    """The moments of features, by NumPy."""
    wide = np.asarray(features, np.float64)
    return len(wide), wide.mean(0), np.atleast_2d(np.cov(wide, rowvar=False))


def lengths(a, b):
    """The Euclidean distances of all pairs, (N, M), by a loop."""
    return np.array([[np.linalg.norm(np.float64(x) - np.float64(y)) for y in b] for x in a])


# ---- task 1

SIZES = [(5, 3), (2, 1), (2, 4), (30, 1), (12, 6), (4, 4)]


@test(task=1, points=2)
def moments_elsewhere(a):
    """moments of other numbers of images and features, from 2 images and from 1 feature on."""
    for seed, (n, d) in enumerate(SIZES):
        x = draw(seed, n, d, away=2.0)
        compare_moments(f"moments of features {x.shape}", call(a, "moments", features=x), *of(x))


@test(task=1, points=1)
def moments_far_away(a):
    """moments of features whose mean is far larger than their spread."""
    x = draw(10, 40, 3)
    got = three("moments(features)", call(a, "moments", features=x + 1e7))
    close("moments of features around 1e7: the covariance", got[2], of(x + 1e7)[2], rtol=1e-5, atol=1e-6)


@test(task=1, points=1)
def moments_of_float32(a):
    """moments of float32 features are computed in float64."""
    x = (draw(11, 3000, 2) / 50 + 300).astype(np.float32)
    compare_moments("moments of float32 features", call(a, "moments", features=x), *of(x))


@test(task=1, points=2)
def together_elsewhere(a):
    """merge of sets of unequal sizes; and of five batches, one after the other."""
    for seed, (n, m, d) in enumerate([(5, 9, 3), (2, 30, 1), (40, 2, 4), (6, 6, 5)]):
        x, y = draw(seed + 20, n, d), draw(seed + 30, m, d, away=3.0)
        got = merged(a, of(x), of(y))
        compare_moments(f"merge of {n} and {m} rows of {d} features", got, *of(np.concatenate([x, y])))
    batches = [draw(seed + 40, 4 + 3 * seed, 3, away=seed) for seed in range(5)]
    total = of(batches[0])
    for batch in batches[1:]:
        total = three("merge(first, second)", a.merge(total, of(batch)))
    compare_moments("merge of five batches in turn", total, *of(np.concatenate(batches)))


# ---- task 2


@test(task=2, points=1)
def roots_elsewhere(a):
    """root of covariances of all sizes: symmetric, squared the matrix itself, also where it is singular."""
    for seed, (n, d) in enumerate([(9, 3), (5, 1), (20, 6), (4, 4), (3, 6)]):
        covariance = of(draw(seed + 50, n, d))[2]
        got = call(a, "root", covariance=covariance)
        scale = np.trace(covariance)
        name = f"root of the covariance of {n} images, {d} features"
        if np.iscomplexobj(got):
            fail(name, "it has an imaginary part. Rounding has made an eigenvalue negative; it counts as 0.")
        close(f"{name}, times itself", np.asarray(got) @ np.asarray(got), covariance, atol=1e-9 * scale)
        close(f"{name}, transposed", np.asarray(got).T, got, atol=1e-9 * scale)
        values = np.linalg.eigvalsh((got + np.asarray(got).T) / 2)
        if values.min() < -1e-6 * np.sqrt(scale):
            fail(name, f"it has the eigenvalue {values.min():.3g}; all must be at least 0.")


@test(task=2, points=2)
def distances_elsewhere(a):
    """fid of other means and covariances, one way and the other."""
    for seed, (n, m, d) in enumerate([(30, 40, 2), (9, 9, 1), (25, 60, 5), (50, 20, 3)]):
        first, second = of(draw(seed + 60, n, d)), of(draw(seed + 70, m, d, away=1.0))
        wanted = gaussian_fid(*first[1:], *second[1:])
        close(f"fid of moments with {d} features", distance(a, first, second), wanted)
        close(f"fid of moments with {d} features, exchanged", distance(a, second, first), wanted)


@test(task=2, points=2)
def distances_of_few_images(a):
    """fid where there are fewer images than features, so that covariances are singular; and of a set with itself."""
    for seed, (n, m, d) in enumerate([(3, 4, 6), (2, 30, 5), (20, 3, 8)]):
        first, second = of(draw(seed + 80, n, d)), of(draw(seed + 90, m, d))
        wanted = gaussian_fid(*first[1:], *second[1:])
        for one, two in ((first, second), (second, first)):
            got = distance(a, one, two)
            what = f"fid of {one[0]} and {two[0]} images with {d} features"
            if np.iscomplexobj(got):
                fail(what, f"got {got}, which is no real number. Rounding makes eigenvalues negative; they count as 0.")
            close(what, got, wanted, rtol=1e-5, atol=1e-6 * (np.trace(one[2]) + np.trace(two[2])))
        close(f"fid of {n} images with {d} features and themselves", distance(a, first, first), 0.0,
              atol=1e-6 * np.trace(first[2]))  # fmt: skip


@test(task=2, points=1)
def numbers_of_images_do_not_count(a):
    """fid of moments that were made of very different numbers of images."""
    _, mean, covariance = of(draw(100, 20, 3))
    first, second = (3, mean, covariance), (4000, mean + 1, 2 * covariance)
    wanted = gaussian_fid(*first[1:], *second[1:])
    close("fid of moments of 3 and of 4000 images", distance(a, first, second), wanted)


# ---- task 3


@test(task=3, points=1)
def kernels_elsewhere(a):
    """kernel of unequal numbers of rows, one feature to seven; float32 rows are computed in float64."""
    for seed, (n, m, d) in enumerate([(3, 5, 2), (4, 2, 1), (1, 1, 7), (3, 3, 3)]):
        x, y = draw(seed + 110, n, d), draw(seed + 120, m, d)
        wanted = np.array([[(sum(p * q for p, q in zip(u, v)) / d + 1) ** 3 for v in y] for u in x])
        close(f"kernel of x {x.shape}, y {y.shape}", call(a, "kernel", x=x, y=y), wanted)
    x, y = (draw(seed, 3, 4, dtype=np.float32) for seed in (130, 131))
    wanted = np.array([[(np.float64(u) @ np.float64(v) / 4 + 1) ** 3 for v in y] for u in x])
    close("kernel of float32 rows", call(a, "kernel", x=x, y=y), wanted)


@test(task=3, points=2)
def kids_elsewhere(a):
    """kid of unequal numbers of images, from 2 on."""
    for seed, (n, m, d) in enumerate([(5, 8, 3), (2, 2, 1), (9, 4, 2), (6, 6, 6)]):
        real, fake = draw(seed + 140, n, d), draw(seed + 150, m, d, away=0.5)
        got = call(a, "kid", real=real, fake=fake)
        close(f"kid of {n} and {m} images with {d} features", got, metrics.kid(real, fake))


@test(task=3, points=1)
def kids_of_equal_sets(a):
    """kid of images that have one distribution: above 0 or below it by chance, and near 0 on average."""
    sets = [np.split(np.random.default_rng(seed + 160).normal(size=(13, 2)), [6]) for seed in range(40)]
    wanted = np.array([metrics.kid(*pair) for pair in sets])
    assert wanted.min() < 0 < wanted.max()
    for i, (real, fake) in enumerate(sets[:6]):
        close(f"kid of set {i} of one distribution", call(a, "kid", real=real, fake=fake), float(wanted[i]))
    close("the mean of kid over 40 pairs of sets", np.mean([a.kid(*pair) for pair in sets]), float(wanted.mean()))


@test(task=3, points=2)
def parts_elsewhere(a):
    """kid_of_parts of unequal sets with rows that are left over; three to five parts."""
    for seed, (n, m, d, parts) in enumerate([(11, 17, 2, 3), (8, 20, 1, 4), (13, 12, 4, 5)]):
        real, fake = draw(seed + 170, n, d), draw(seed + 180, m, d, away=0.3)
        cut = [x[: len(x) // parts * parts].reshape(parts, -1, d) for x in (real, fake)]
        found = [metrics.kid(x, y) for x, y in zip(*cut)]
        got = call(a, "kid_of_parts", parts, real=real, fake=fake)
        what = f"kid_of_parts of {n} and {m} rows in {parts} parts"
        if not isinstance(got, tuple | list) or len(got) != 2:
            fail(what, f"expected a mean and a standard error, got {type(got).__name__}.")
        close(f"{what}: the mean", got[0], float(np.mean(found)))
        close(f"{what}: the standard error", got[1], float(np.sqrt(np.var(found) / (parts - 1))))


# ---- task 4


@test(task=4, points=1)
def radii_elsewhere(a):
    """radii in one to five dimensions, k from 1 to 4; float32 rows are computed in float64."""
    for seed, (n, d, k) in enumerate([(6, 2, 1), (5, 1, 4), (9, 5, 3), (4, 4, 2)]):
        x = draw(seed + 190, n, d)
        wanted = np.sort(lengths(x, x), axis=1)[:, k]
        close(f"radii of points {x.shape}, k = {k}", call(a, "radii", k, points=x), wanted)
    x = (draw(195, 7, 3) / 100 + 90).astype(np.float32)
    close("radii of float32 points", call(a, "radii", 2, points=x), np.sort(lengths(x, x), axis=1)[:, 2])


@test(task=4, points=1)
def equal_rows(a):
    """Rows that occur twice have the radius 0 exactly, and a copy of such a row is inside its ball."""
    x = np.repeat(draw(200, 12, 7) + 100, 2, axis=0)
    close("radii of rows that occur twice, k = 1", call(a, "radii", 1, points=x), np.zeros(24), atol=0)
    fake = x[:12]
    close("precision of copies of rows that occur twice", call(a, "precision", 1, real=x, fake=fake), 1.0)
    close("coverage of copies of half of the rows", call(a, "coverage", 1, real=x, fake=fake), 0.5)


GRID = np.array(list(itertools.product(range(4), range(3))), np.float64)  # whole numbers: distances are exact


@test(task=4, points=2)
def precisions_elsewhere(a):
    """precision of random sets of unequal sizes, and of points on borders."""
    for seed, (n, m, d, k) in enumerate([(8, 5, 2, 1), (6, 12, 1, 3), (15, 9, 4, 2), (12, 12, 3, 5)]):
        real, fake = np.split(draw(seed + 210, n + m, d), [n])
        found = lengths(real, fake) <= np.sort(lengths(real, real), axis=1)[:, k, None]
        got = call(a, "precision", k, real=real, fake=fake)
        close(f"precision of {m} samples by {n} images, k = {k}", got, float(found.any(axis=0).mean()))
    fake = np.array([[4.0, 0.0], [5.0, 1.0], [-1.0, 2.0], [0.0, 9.0]])
    close("precision of points on the borders", call(a, "precision", 1, real=GRID, fake=fake), 0.5)


@test(task=4, points=2)
def coverages_elsewhere(a):
    """coverage of random sets of unequal sizes, and of points on borders."""
    for seed, (n, m, d, k) in enumerate([(8, 5, 2, 1), (6, 12, 1, 3), (15, 9, 4, 2), (12, 12, 3, 5)]):
        real, fake = np.split(draw(seed + 230, n + m, d), [n])
        found = lengths(real, fake) <= np.sort(lengths(real, real), axis=1)[:, k, None]
        got = call(a, "coverage", k, real=real, fake=fake)
        close(f"coverage by {m} samples of {n} images, k = {k}", got, float(found.any(axis=1).mean()))
    fake = np.array([[4.0, 0.0], [-1.0, 2.0], [0.0, 9.0]])
    close("coverage by points on the borders", call(a, "coverage", 1, real=GRID, fake=fake), 2 / 12)


@test(task=4, points=1)
def hundreds_of_images(a):
    """precision and coverage of 600 images with 64 features, in less memory than all differences need."""
    real, fake = draw(250, 600, 64), draw(250, 1200, 64)[600:] * 0.5
    a.radii(real[:50], 5)  # what is loaded at the first call does not count
    tracemalloc.start()
    try:
        got = a.precision(real, fake, 5), a.coverage(real, fake, 5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    wanted = metrics.precision_recall(real, fake, 5)
    close("precision of 600 samples", got[0], wanted.precision, atol=0.002)
    close("coverage of 600 images", got[1], wanted.coverage, atol=0.002)
    if peak > 60e6:
        fail("precision and coverage of 600 images with 64 features",
             f"they need {peak / 1e6:.0f} MB at a time. An array of all differences, (N, M, D), grows too fast.")  # fmt: skip


# ---- task 5


def report(train, held_out, fake, k):
    """What minigen measures."""
    n = min(len(held_out), len(fake))
    sets = fake[:n], held_out[:n]
    return {
        "fid": [gaussian_fid(*of(train)[1:], *of(x)[1:]) for x in sets],
        "kid": [metrics.kid(train, x) for x in sets],
        "coverage": [float((lengths(train, x) <= np.sort(lengths(train, train), 1)[:, k, None]).any(1).mean())
                     for x in sets],
    }  # fmt: skip


def compare_reports(what, got, wanted):
    """Every pair."""
    if not isinstance(got, dict) or set(got) != set(wanted):
        fail(what, 'expected a dictionary with the keys "fid", "kid" and "coverage".')
    for name, pair in wanted.items():
        found = got[name]
        if not isinstance(found, tuple | list) or len(found) != 2:
            fail(f'{what}["{name}"]', "expected a pair: the number of the samples, and the floor.")
        close(f'{what}["{name}"][0], of the samples', found[0], pair[0], rtol=1e-5)
        close(f'{what}["{name}"][1], the floor', found[1], pair[1], rtol=1e-5)


@test(task=5, points=2)
def verdicts_elsewhere(a):
    """judge, with more samples than new images and with fewer, k of 2 to 5, in float64 and float32."""
    for seed, (n, h, m, d, k) in enumerate([(30, 12, 12, 3, 5), (20, 9, 15, 2, 3), (25, 18, 10, 4, 2)]):
        train, held_out = draw(seed + 260, n + h, d)[:n], draw(seed + 260, n + h, d)[n:]
        fake = draw(seed + 270, m, d, away=0.4)
        got = call(a, "judge", k, train=train, held_out=held_out, fake=fake)
        compare_reports(f"judge({n} training, {h} new, {m} samples)", got, report(train, held_out, fake, k))
    train, held_out, fake = (draw(seed, 20, 3, dtype=np.float32) for seed in (280, 281, 282))
    got = a.judge(train, held_out, fake)
    compare_reports("judge of float32 features, k as it is by default", got, report(train, held_out, fake, 5))


@test(task=5, points=1)
def only_equal_numbers(a):
    """judge, where the rows that must not count are far away."""
    train, held_out, fake = draw(290, 15, 2), draw(291, 9, 2), draw(292, 9, 2)
    wanted = report(train, held_out, fake, 3)
    more = np.concatenate([fake, fake + 50])
    compare_reports("judge, 18 samples and 9 new images", a.judge(train, held_out, more, 3), wanted)
    more = np.concatenate([held_out, held_out + 50])
    compare_reports("judge, 9 samples and 18 new images", a.judge(train, more, fake, 3), wanted)


@test(task=5, points=2)
def nearness_elsewhere(a):
    """nearer_to_training, with many training images and few new ones, and the other way round; ties."""
    for seed, (n, h, m, d) in enumerate([(30, 8, 25, 2), (6, 20, 16, 3), (10, 10, 3, 1)]):
        train, held_out, fake = draw(seed + 300, n, d), draw(seed + 310, h, d), draw(seed + 320, m, d)
        size = min(n, h)
        to_train, to_new = (lengths(fake, x[:size]).min(axis=1) for x in (train, held_out))
        got = call(a, "nearer_to_training", train=train, held_out=held_out, fake=fake)
        what = f"nearer_to_training({n} training, {h} new, {m} samples)"
        close(what, got, float((to_train < to_new).mean()))
    got = a.nearer_to_training(rows(0, 4), rows(2, 4), rows(1, 4, 4, 9, -1, 3))
    close("nearer_to_training of whole numbers, with ties", got, (0.5 * 5 + 1) / 6)


@test(task=5, points=1)
def copies_are_found(a):
    """nearer_to_training of copied training images is 1, of copied new images 0, and of a mixture in between."""
    train, held_out = draw(330, 12, 4, dtype=np.float32), draw(331, 12, 4, dtype=np.float32)
    for share in (0.0, 0.25, 1.0):
        copied = round(12 * share)
        fake = np.concatenate([train[:copied], held_out[copied:]])
        got = repeated("nearer_to_training(train, held_out, fake)", a.nearer_to_training, train, held_out, fake)
        close(f"nearer_to_training, {share:.0%} of the samples are copies of training images", got, share)
