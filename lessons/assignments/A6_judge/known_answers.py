"""Known answers of A6: known wrong answers, with what their authors should read; and right ones, written differently."""

from minigen.course.kit import right, wrong

WIDE = "Which dtype has this? Features may be float32; the measures are computed in float64."
PLACE = "Others hold this array, too, and += or *= or [...] = changes it for them."
LIBRARY = "The library has the answer; the task is to find it yourself."
PUBLIC = "It works for the numbers of the public test. What about others?"
KEPT = "The array that was returned before is used again: the result of the first call changes with the second."
ONE_LESS = "Deviations from a set's own mean are a little too small. By which number does the covariance divide?"
AXIS = "Rows are images, columns are features. Of what is there one number for each feature?"
REAL = "Rounding makes an eigenvalue that should be 0 a little negative. What does a root give there?"
ELEMENTS = "Asked for is the root of a matrix: R @ R. What does the root of each element give?"
UNEQUAL = "The two sets may have different numbers of rows. Which number belongs to which set?"
SELF = "Is an image paired with itself here? Such a pair is as alike as can be, and there are N of them."
TWICE = "Expand the square of the difference of two means. With which factor comes the mixed term?"
BORDER = "Is a point on the border inside?"
EXACT = "How far apart are two equal rows by your formula, exactly?"
OTHER = "The nearest row of all is the row itself, with distance 0. Which place has the k-th nearest other one?"
ROLES = "Whose balls are these, and who is counted: real images, or samples?"
SAME_NUMBER = "FID falls when there are more images. Are the two numbers made of equally many?"
FLOOR = "The floor is measured on new real images. Which images are these?"

# ---- task 1: moments

WHOLE = "wide = np.asarray(features, np.float64)"
COVARIANCE = "away.T @ away / (len(wide) - 1)"
SCATTER = "n * m / (n + m) * np.outer(apart, apart)"
NEW_MEAN = "mean + m / (n + m) * apart"
TOTAL = "scatter / (n + m - 1)"

KNOWN_ANSWERS = [
    right(1, "by NumPy's covariance; by sums of squares around the common mean", """
def moments(features):
    x = np.array(features, dtype=float)
    return x.shape[0], np.mean(x, 0), np.cov(x, rowvar=False).reshape(x.shape[1], x.shape[1])

def merge(first, second):
    n, m = first[0], second[0]
    middle = (n * first[1] + m * second[1]) / (n + m)
    total = np.zeros_like(first[2])
    for count, mean, covariance in (first, second):
        total = total + (count - 1) * covariance + count * np.outer(mean - middle, mean - middle)
    return [n + m, middle, total / (n + m - 1)]
"""),
    right(1, "by einsum; moments of pairs", """
def moments(features):
    x = np.float64(features)
    centered = x - np.add.reduce(x) / len(x)
    return len(x), x.sum(axis=0) / len(x), np.einsum("ni,nj->ij", centered, centered) / (len(x) - 1)

def merge(first, second):
    (n, a, s), (m, b, t) = first, second
    share = m / (n + m)
    between = n * share * (b - a)[:, None] * (b - a)
    return n + m, (1 - share) * a + share * b, ((n - 1) * s + (m - 1) * t + between) / (n + m - 1)
"""),
    wrong(1, "moments: divided by N", ONE_LESS, {COVARIANCE: "away.T @ away / len(wide)"}),
    wrong(1, "moments: not divided", "A covariance is a mean. Of how many products is this the sum?", {COVARIANCE: "away.T @ away"}),
    wrong(1, "moments: not centered", "A covariance is of deviations. From what?", {COVARIANCE: "wide.T @ wide / (len(wide) - 1)"}),
    wrong(1, "moments: variances only", "How two features vary together is in the matrix, too.", {COVARIANCE: "np.diag(wide.var(axis=0, ddof=1))"}),
    wrong(1, "moments: over the wrong axis", AXIS, {COVARIANCE: "away @ away.T / (len(wide) - 1)"}),
    wrong(1, "moments: np.cov of columns", AXIS, {COVARIANCE: "np.cov(wide)"}),
    wrong(1, "moments: one mean of all numbers", AXIS, {"mean = wide.mean(axis=0)": "mean = np.full(wide.shape[1], wide.mean())"}),
    wrong(1, "moments: a number for one feature", "For D = 1 the covariance is a matrix of one row and one column.", {COVARIANCE: "np.cov(wide, rowvar=False)"}),
    wrong(1, "moments: mean of squares less square of the mean", "The mean may be far larger than the spread. How many digits has the difference of two large squares?",
          {COVARIANCE: "(wide.T @ wide - len(wide) * np.outer(mean, mean)) / (len(wide) - 1)"}),
    wrong(1, "moments: in the dtype of the features", WIDE, {WHOLE: "wide = np.asarray(features)"}),
    wrong(1, "moments: float32", WIDE, {WHOLE: "wide = np.asarray(features, np.float32)"}),
    wrong(1, "moments: features centered in place", PLACE, {"away = wide - mean": "wide -= mean\n    away = wide"}),
    wrong(1, "moments: no number of images", "Three things are asked for: how many, mean, covariance.",
          {f"return len(wide), mean, {COVARIANCE}": f"return mean, {COVARIANCE}"}),
    wrong(1, "moments: the numbers of the public test", PUBLIC, {COVARIANCE: "away.T @ away / 2"}),
    wrong(1, "merge: the mean of the means", UNEQUAL, {NEW_MEAN: "(mean + other_mean) / 2"}),
    wrong(1, "merge: weights exchanged", UNEQUAL, {NEW_MEAN: "mean + n / (n + m) * apart"}),
    wrong(1, "merge: the mean of the covariances", "Two narrow sets that are far apart are one wide set. Where is their distance?",
          {TOTAL: "(covariance + other_covariance) / 2 + 0 * scatter"}),
    wrong(1, "merge: without the distance of the means", "Two narrow sets that are far apart are one wide set. Where is their distance?", {SCATTER: "0 * apart"}),
    wrong(1, "merge: the distance once for each image", "Each set's mean is away from the common mean. How far, and how many images are there?", {SCATTER: "(n + m) * np.outer(apart, apart)"}),
    wrong(1, "merge: the distance squared element by element", "How two features vary together is in the matrix, too.", {SCATTER: "n * m / (n + m) * np.diag(apart**2)"}),
    wrong(1, "merge: divided by N", ONE_LESS, {TOTAL: "scatter / (n + m)"}),
    wrong(1, "merge: divided by N - 2", "It is one set now, with one mean. How many numbers does its mean take away?", {TOTAL: "scatter / (n + m - 2)"}),
    wrong(1, "merge: covariances times N", "Which number was the sum of products divided by, when each covariance was made?",
          {"scatter = (n - 1) * covariance + (m - 1) * other_covariance": "scatter = n * covariance + m * other_covariance"}),
    wrong(1, "merge: for sets of one size", UNEQUAL, {SCATTER: "n / 2 * np.outer(apart, apart)"}),
    wrong(1, "merge: the first set's number", "How many images are in both together?", {"return n + m, mean": "return n, mean"}),
    wrong(1, "merge: the mean in place", PLACE, {"return n + m, mean + m / (n + m) * apart,": "mean += m / (n + m) * apart\n    return n + m, mean,"}),
]  # fmt: skip

# ---- task 2: FID

VALUES = "np.sqrt(np.maximum(values, 0))"
ROOT = f"(vectors * {VALUES}) @ vectors.T"
SHARED = "np.sqrt(np.maximum(np.linalg.eigvalsh(half @ other_covariance @ half), 0)).sum()"
FID = "float(((mean - other_mean) ** 2).sum() + spreads - 2 * shared)"

KNOWN_ANSWERS += [
    right(2, "by singular values", """
def root(covariance):
    left, values, right = np.linalg.svd(covariance, hermitian=True)
    return (left * np.sqrt(values)) @ left.T

def fid(first, second):
    away = first[1] - second[1]
    shared = np.linalg.svd(root(first[2]) @ root(second[2]), compute_uv=False).sum()
    return away @ away + np.trace(first[2] + second[2]) - 2 * shared
"""),
    right(2, "by the eigenvalues of the product", """
def root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(values.clip(0) ** 0.5) @ vectors.T

def fid(first, second):
    values = np.linalg.eigvals(first[2] @ second[2]).real
    means = np.sum(np.square(first[1] - second[1]))
    return means + np.trace(first[2]) + np.trace(second[2]) - 2 * np.sum(np.sqrt(values.clip(0)))
"""),
    wrong(2, "root: of each element", ELEMENTS, {ROOT: "np.sqrt(covariance)"}),
    wrong(2, "root: of each element, negative ones 0", ELEMENTS, {ROOT: "np.sqrt(np.maximum(covariance, 0))"}),
    wrong(2, "root: Cholesky", "R @ R, and not R @ R.T: the root is symmetric.",
          {ROOT: "np.linalg.cholesky(covariance + 1e-12 * np.trace(covariance) * np.eye(len(covariance)))"}),
    wrong(2, "root: of the diagonal", "How two features vary together counts, too.", {ROOT: "np.diag(np.sqrt(np.diag(covariance)))"}),
    wrong(2, "root: negative eigenvalues stay", REAL, {VALUES: "np.sqrt(values)"}),
    wrong(2, "root: complex", REAL, {VALUES: "np.sqrt(values.astype(complex))"}),
    wrong(2, "root: no root", "R @ R is the covariance. Is it?", {VALUES: "np.maximum(values, 0)"}),
    wrong(2, "root: vectors not turned back", "The vectors turn there, and back again.", {ROOT: f"(vectors * {VALUES}) @ vectors"}),
    wrong(2, "root: vectors in rows", "eigh gives the vectors as columns. Which one belongs to which eigenvalue?", {ROOT: f"(vectors.T * {VALUES}) @ vectors"}),
    wrong(2, "root: eigenvalues kept above 1e-6", "Singular covariances are allowed: what is the root of 0?", {VALUES: "np.sqrt(np.maximum(values, 1e-3))"}),
    wrong(2, "root: in place", PLACE, {"values, vectors = ": "covariance *= 1.0\n    covariance[0, 0] += 1e-3\n    values, vectors = "}),
    wrong(2, "root: the public matrix", PUBLIC, {ROOT: f"np.array([[2.0, 1.0], [1.0, 2.0]]) + 0 * ({ROOT})"}),
    wrong(2, "fid: the root of each element of the product", ELEMENTS, {SHARED: "np.trace(np.sqrt(np.abs(covariance @ other_covariance)))"}),
    wrong(2, "fid: the product element by element", "Matrices are multiplied with @. What does * do?", {SHARED: "np.trace(root(covariance * other_covariance))"}),
    wrong(2, "fid: the trace of the product of the roots", "The trace of a root is the sum of the roots of the eigenvalues. Of which matrix?", {SHARED: "np.trace(half @ root(other_covariance))"}),
    wrong(2, "fid: root of the product, not symmetric", "The product of two symmetric matrices is not symmetric, and eigvalsh looks at one half of it only.",
          {SHARED: "np.sqrt(np.maximum(np.linalg.eigvalsh(covariance @ other_covariance), 0)).sum()"}),
    wrong(2, "fid: no root of the eigenvalues", "For one feature it is (s1 - s2)^2. Which product stands in the middle?", {SHARED: "np.linalg.eigvalsh(half @ other_covariance @ half).sum()"}),
    wrong(2, "fid: negative eigenvalues stay", REAL, {SHARED: "np.sqrt(np.linalg.eigvalsh(half @ other_covariance @ half)).sum()"}),
    wrong(2, "fid: complex", REAL, {FID: FID[6:-1], SHARED: "np.sqrt(np.linalg.eigvals(covariance @ other_covariance).astype(complex)).sum()"}),
    wrong(2, "fid: the mixed term once", TWICE, {FID: "float(((mean - other_mean) ** 2).sum() + spreads - shared)"}),
    wrong(2, "fid: the mixed term added", TWICE, {FID: "float(((mean - other_mean) ** 2).sum() + spreads + 2 * shared)"}),
    wrong(2, "fid: the distance of the means, not squared", "All terms are squares of lengths. Is this one?", {FID: "float(np.sqrt(((mean - other_mean) ** 2).sum()) + spreads - 2 * shared)"}),
    wrong(2, "fid: a root at the end", "FID is the squared distance.", {FID: "float(np.sqrt(max(((mean - other_mean) ** 2).sum() + spreads - 2 * shared, 0)))"}),
    wrong(2, "fid: a mean over the features", "Squares of all features are added up.", {FID: "float(((mean - other_mean) ** 2).mean() + spreads - 2 * shared)"}),
    wrong(2, "fid: means only", "Two sets with equal means may differ in spread.", {FID: "float(((mean - other_mean) ** 2).sum())"}),
    wrong(2, "fid: covariances only", "Two sets with equal spreads may be far apart.", {FID: "float(spreads - 2 * shared)"}),
    wrong(2, "fid: covariances weighted by the number of images", "How many images a covariance was made of does not count any more. Where does the number come in?",
          {"spreads = np.trace(covariance) + np.trace(other_covariance)":
           "spreads = (first[0] * np.trace(covariance) + second[0] * np.trace(other_covariance)) * 2 / (first[0] + second[0])"}),
    wrong(2, "fid: the difference of the covariances, squared", "This is another distance. For one feature it is (s1 - s2)^2, with deviations, not variances.",
          {FID: "float(((mean - other_mean) ** 2).sum() + ((covariance - other_covariance) ** 2).sum())"}),
    wrong(2, "fid: by the library", LIBRARY, {FID: "__import__('minigen').metrics.fid.gaussian_fid(mean, covariance, other_mean, other_covariance)"}),
]  # fmt: skip

# ---- task 3: KID

KERNEL = "(x @ y.T / x.shape[1] + 1) ** 3"
WITHIN = "(pairs.sum() - np.trace(pairs)) / (len(x) * (len(x) - 1))"
KID = "float(within - 2 * kernel(real, fake).mean())"
CUT = "n, m = len(real) // parts, len(fake) // parts"
ERROR = "float(np.std(found, ddof=1) / np.sqrt(parts))"

KNOWN_ANSWERS += [
    right(3, "pair by pair; the diagonal set to 0", """
def kernel(x, y):
    return np.array([[(np.dot(np.float64(u), np.float64(v)) / len(u) + 1) ** 3 for v in y] for u in x])

def kid(real, fake):
    same = []
    for x in (real, fake):
        pairs = kernel(x, x)
        np.fill_diagonal(pairs, 0)
        same.append(pairs.sum() / len(x) / (len(x) - 1))
    return sum(same) - 2 * np.mean(kernel(real, fake))

def kid_of_parts(real, fake, parts):
    rows = [x[: len(x) - len(x) % parts] for x in (real, fake)]
    values = np.array([kid(x, y) for x, y in zip(*(np.split(x, parts) for x in rows))])
    return values.mean(), np.sqrt(values.var(ddof=1) / parts)
"""),
    right(3, "by einsum and masks", """
def kernel(x, y):
    inner = np.einsum("nd,md->nm", x.astype(float), y.astype(float)) / x.shape[1]
    return inner**3 + 3 * inner**2 + 3 * inner + 1

def kid(real, fake):
    def others(x):
        return kernel(x, x)[~np.eye(len(x), dtype=bool)].mean()
    return others(real) + others(fake) - 2 * kernel(fake, real).mean()

def kid_of_parts(real, fake, parts):
    n, m = len(real) // parts, len(fake) // parts
    values = []
    for i in range(0, parts):
        values.append(kid(real[i * n :][:n], fake[i * m :][:m]))
    spread = sum((v - sum(values) / parts) ** 2 for v in values) / (parts - 1)
    return [sum(values) / parts, (spread / parts) ** 0.5]
"""),
    wrong(3, "kernel: not divided by D", "The inner product grows with the number of features. What is it divided by?", {KERNEL: "(x @ y.T + 1) ** 3"}),
    wrong(3, "kernel: divided by the number of images", AXIS, {KERNEL: "(x @ y.T / len(x) + 1) ** 3"}),
    wrong(3, "kernel: no 1", "With the 1, means and covariances count as well. Where is it?", {KERNEL: "(x @ y.T / x.shape[1]) ** 3"}),
    wrong(3, "kernel: the 1 outside", "What is raised to the third power?", {KERNEL: "(x @ y.T / x.shape[1]) ** 3 + 1"}),
    wrong(3, "kernel: the 1 divided, too", "What is divided by D?", {KERNEL: "((x @ y.T + 1) / x.shape[1]) ** 3"}),
    wrong(3, "kernel: squared", "Which power is it?", {KERNEL: "(x @ y.T / x.shape[1] + 1) ** 2"}),
    wrong(3, "kernel: a Gaussian", "This is a kernel, too, but another one.", {KERNEL: "np.exp(-((x[:, None] - y[None]) ** 2).sum(2) / 2)"}),
    wrong(3, "kernel: element by element", "Each row of x meets each row of y: how many numbers are there?", {KERNEL: "((x[: len(y)] * y[: len(x)]).sum(1) / x.shape[1] + 1) ** 3"}),
    wrong(3, "kernel: y by x", "Rows of the result belong to x.", {KERNEL: "(y @ x.T / x.shape[1] + 1) ** 3"}),
    wrong(3, "kernel: in the dtype of the features", WIDE, {"x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)": "pass"}),
    wrong(3, "kernel: the features scaled in place", PLACE,
          {"x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)": "x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)\n    x *= 1 + 1e-6"}),
    wrong(3, "kernel: in a kept array", KEPT, {f"return {KERNEL}": f"made = {KERNEL}\n    kept = kernel.__dict__.setdefault(made.shape, np.empty_like(made))\n    kept[...] = made\n    return kept"}),
    wrong(3, "kid: the diagonal stays", SELF, {WITHIN: "pairs.mean()"}),
    wrong(3, "kid: the diagonal left out, but counted", "How many pairs of two different images are there?", {WITHIN: "(pairs.sum() - np.trace(pairs)) / len(x) ** 2"}),
    wrong(3, "kid: the diagonal counted out, but added", SELF, {WITHIN: "pairs.sum() / (len(x) * (len(x) - 1))"}),
    wrong(3, "kid: half of the pairs", "Each pair stands in the table twice, or once: of how many numbers is it the sum?", {WITHIN: "np.triu(pairs, 1).sum() / (len(x) * (len(x) - 1))"}),
    wrong(3, "kid: the mixed term once", TWICE, {KID: "float(within - kernel(real, fake).mean())"}),
    wrong(3, "kid: the mixed term added", TWICE, {KID: "float(within + 2 * kernel(real, fake).mean())"}),
    wrong(3, "kid: the mixed term summed", "All three terms are means.", {KID: "float(within - 2 * kernel(real, fake).sum())"}),
    wrong(3, "kid: the mixed term without its diagonal", "Row i of real and row i of fake are two different images. Is there anything to be left out?",
          {KID: "float(within - 2 * (kernel(real, fake).sum() - np.trace(kernel(real, fake))) / (len(real) * len(fake) - min(len(real), len(fake))))"}),
    wrong(3, "kid: never below 0", "An estimate without bias of a number near 0 must be below 0 at times.", {KID: "float(max(within - 2 * kernel(real, fake).mean(), 0))"}),
    wrong(3, "kid: the absolute value", "An estimate without bias of a number near 0 must be below 0 at times.", {KID: "float(abs(within - 2 * kernel(real, fake).mean()))"}),
    wrong(3, "kid: a root at the end", "It is the squared distance, and may be below 0.", {KID: "float(np.sqrt(abs(within - 2 * kernel(real, fake).mean())))"}),
    wrong(3, "kid: real against fake only", "Two sets can be wide or narrow. Which pairs within a set tell?", {KID: "float(-2 * kernel(real, fake).mean())"}),
    wrong(3, "kid: both sets of one length", UNEQUAL, {WITHIN: "(pairs.sum() - np.trace(pairs)) / (len(real) * (len(real) - 1))"}),
    wrong(3, "parts: of the size of real's", UNEQUAL, {CUT: "n = m = min(len(real), len(fake)) // parts"}),
    wrong(3, "parts: with what is left over", "Rows that are left over do not count. What does the last part hold here?",
          {"found = [kid(real[i * n : (i + 1) * n], fake[i * m : (i + 1) * m]) for i in range(parts)]":
           "found = [kid(x, y) for x, y in zip(np.array_split(real, parts), np.array_split(fake, parts))]"}),
    wrong(3, "parts: every n-th row", "In order: the first part holds the first rows.",
          {"found = [kid(real[i * n : (i + 1) * n], fake[i * m : (i + 1) * m]) for i in range(parts)]":
           "found = [kid(real[: n * parts][i::parts], fake[: m * parts][i::parts]) for i in range(parts)]"}),
    wrong(3, "parts: each part with all real images", "Parts that share their real images are not independent. Which part of real belongs to part i?",
          {"kid(real[i * n : (i + 1) * n], ": "kid(real, "}),
    wrong(3, "parts: KID of everything", "The mean of the parts is asked for.", {"return float(np.mean(found)), ": "return kid(real, fake), "}),
    wrong(3, "parts: the standard deviation as the error", "A mean of several numbers is surer than one of them. By how much?", {ERROR: "float(np.std(found, ddof=1))"}),
    wrong(3, "parts: the deviation divided by n", ONE_LESS, {ERROR: "float(np.std(found) / np.sqrt(parts))"}),
    wrong(3, "parts: divided by the number of parts", "The variance of a mean of n numbers is 1/n of theirs. And the deviation?", {ERROR: "float(np.std(found, ddof=1) / parts)"}),
    wrong(3, "parts: the variance", "The error has the unit of KID itself.", {ERROR: "float(np.var(found, ddof=1) / parts)"}),
]  # fmt: skip

# ---- task 4: balls

SQUARES = "np.sort(((points - row) ** 2).sum(axis=1))[k]"
INSIDE = "inside |= np.sqrt(((fake - row) ** 2).sum(axis=1)) <= radius"
HELD = "(np.sqrt(((fake - row) ** 2).sum(axis=1)) <= radius).any()"
GRAM = "np.maximum((points**2).sum(1) + (row**2).sum() - 2 * points @ row, 0)"

KNOWN_ANSWERS += [
    right(4, "by norms and partitions", """
def radii(points, k):
    points = points.astype(float)
    away = [np.linalg.norm(points - row, axis=1) for row in points]
    return np.array([np.partition(row, k)[k] for row in away])

def precision(real, fake, k):
    reach, real = radii(real, k), real.astype(float)
    return np.mean([np.any(np.linalg.norm(real - row, axis=1) <= reach) for row in fake.astype(float)])

def coverage(real, fake, k):
    held, fake = 0, fake.astype(float)
    for row, radius in zip(real.astype(float), radii(real, k)):
        held += np.linalg.norm(fake - row, axis=1).min() <= radius
    return held / len(real)
"""),
    right(4, "by blocks of rows, feature by feature", """
def table(x, y):
    total = np.zeros((len(x), len(y)))
    for a, b in zip(np.float64(x).T, np.float64(y).T):
        total += np.subtract.outer(a, b) ** 2
    return np.sqrt(total)

def radii(points, k):
    away = table(points, points)
    np.fill_diagonal(away, np.inf)
    away.sort(axis=1)
    return away[:, k - 1].copy()

def precision(real, fake, k):
    return (table(real, fake) <= radii(real, k)[:, None]).any(axis=0).mean()

def coverage(real, fake, k):
    return (table(real, fake).min(axis=1) <= radii(real, k)).mean()
"""),
    wrong(4, "radii: the row itself counts", OTHER, {SQUARES: "np.sort(((points - row) ** 2).sum(axis=1))[k - 1]"}),
    wrong(4, "radii: one too far", OTHER, {SQUARES: "np.append(np.sort(((points - row) ** 2).sum(axis=1)), 0)[k + 1]"}),
    wrong(4, "radii: the k-th from the end", "Sorted from the nearest to the farthest: which end is which?", {SQUARES: "np.sort(((points - row) ** 2).sum(axis=1))[-k]"}),
    wrong(4, "radii: not sorted", "The k-th nearest, not the k-th row.", {SQUARES: "((points - row) ** 2).sum(axis=1)[k]"}),
    wrong(4, "radii: the squared distance", "A radius is a length.", {"np.sqrt(np.array(squares))": "np.array(squares)"}),
    wrong(4, "radii: the mean of the k nearest", "Not the mean: the k-th.", {SQUARES: "np.sort(((points - row) ** 2).sum(axis=1))[1 : k + 1].mean()"}),
    wrong(4, "radii: the sum of absolute differences", "Which distance is the Euclidean one?", {SQUARES: "np.sort(np.abs(points - row).sum(axis=1))[k] ** 2"}),
    wrong(4, "radii: by inner products", EXACT, {SQUARES: f"np.sort({GRAM})[k]"}),
    wrong(4, "radii: in the dtype of the features", WIDE, {"points = np.asarray(points, np.float64)\n": "pass\n", "np.sqrt(np.array(squares))": "np.sqrt(np.array(squares, points.dtype))"}),
    wrong(4, "radii: of features in float32", WIDE, {"points = np.asarray(points, np.float64)\n": "points = np.asarray(points, np.float16).astype(float)\n"}),
    wrong(4, "radii: zeros left out", "Two different images can be equal, and their distance is 0.", {SQUARES: "np.sort([d for d in ((points - row) ** 2).sum(axis=1) if d > 0] + [np.inf] * k)[k - 1]"}),
    wrong(4, "radii: points sorted in place", PLACE, {"squares = [": "points.sort(axis=0)\n    squares = ["}),
    wrong(4, "radii: k = 1 always", PUBLIC, {SQUARES: "np.sort(((points - row) ** 2).sum(axis=1))[min(k, 2)]"}),
    wrong(4, "radii: all differences at a time", "How many numbers has the array of all differences, for 600 images with 64 features?",
          {"squares = [np.sort(((points - row) ** 2).sum(axis=1))[k] for row in points]": "squares = np.sort(((points[:, None] - points[None]) ** 2).sum(axis=2), axis=1)[:, k]"}),
    wrong(4, "precision: the border is outside", BORDER, {INSIDE: INSIDE.replace("<=", "<")}),
    wrong(4, "precision: in the mean of the balls", "One ball is enough.", {INSIDE: INSIDE.replace("inside |=", "inside = inside +"), "inside.mean()": "inside.mean() / len(real)"}),
    wrong(4, "precision: in all balls", "One ball is enough.", {INSIDE: INSIDE.replace("|=", "&="), "np.zeros(len(fake), bool)": "np.ones(len(fake), bool)"}),
    wrong(4, "precision: balls of the samples", ROLES, {"bool)\n    for row, radius in zip(real, radii(real, k))": "bool)\n    for row, radius in zip(real, [radii(np.resize(fake, (max(len(fake), k + 1), fake.shape[1])), k).max()] * len(real))"}),
    wrong(4, "precision: the number of samples", "A share is asked for.", {"float(inside.mean())": "float(inside.sum())"}),
    wrong(4, "precision: one radius for all", "Each ball has its own radius.",
          {"bool)\n    for row, radius in zip(real, radii(real, k))": "bool)\n    for row, radius in zip(real, [radii(real, k).mean()] * len(real))"}),
    wrong(4, "precision: squared distances against radii", "Lengths are compared with lengths.", {INSIDE: "inside |= ((fake - row) ** 2).sum(axis=1) <= radius"}),
    wrong(4, "precision: what coverage is", ROLES, {"float(inside.mean())": "float(np.mean([(np.sqrt(((fake - row) ** 2).sum(axis=1)) <= r).any() for row, r in zip(real, radii(real, k))]))"}),
    wrong(4, "coverage: the border is outside", BORDER, {HELD: HELD.replace("<=", "<")}),
    wrong(4, "coverage: all samples must be inside", "One sample is enough.", {HELD: HELD.replace(".any()", ".all()")}),
    wrong(4, "coverage: how many samples a ball holds", "Does a ball hold a sample: yes or no?", {HELD: HELD.replace(".any()", ".mean()")}),
    wrong(4, "coverage: density", "This counts each sample for each ball. Asked for is a share of balls.", {HELD: HELD.replace(".any()", ".sum() / k")}),
    wrong(4, "coverage: squared distances against radii", "Lengths are compared with lengths.", {HELD: "(((fake - row) ** 2).sum(axis=1) <= radius).any()"}),
    wrong(4, "coverage: a share of the samples", ROLES, {"float(np.mean(held))": "float(np.sum(held) / len(fake))"}),
    wrong(4, "coverage: one radius for all", "Each ball has its own radius.", {"zip(real, radii(real, k))\n    ]": "zip(real, [radii(real, k).mean()] * len(real))\n    ]"}),
]  # fmt: skip

# ---- task 5: the verdict

FIRST = "n = min(len(held_out), len(fake))"
SETS = "sets = (fake[:n], held_out[:n])"
NEAR = "n = min(len(train), len(held_out))"
TIE = "0.5 if to_train == to_new else float(to_train < to_new)"
NEAREST = "((x - row) ** 2).sum(axis=1).min()"

KNOWN_ANSWERS += [
    right(5, "with a loop over the names", """
def judge(train, held_out, fake, k=5):
    n = len(fake) if len(fake) < len(held_out) else len(held_out)
    measures = {
        "coverage": lambda x: coverage(train, x, k),
        "kid": lambda x: kid(train, x),
        "fid": lambda x: fid(moments(train), moments(x)),
    }
    return {name: [measure(x[:n]) for x in (fake, held_out)] for name, measure in measures.items()}

def nearer_to_training(train, held_out, fake):
    n = min(train.shape[0], held_out.shape[0])
    total = 0
    for row in fake.astype(float):
        here = np.linalg.norm(train[:n].astype(float) - row, axis=1).min()
        there = np.linalg.norm(held_out[:n].astype(float) - row, axis=1).min()
        total += (np.sign(there - here) + 1) / 2
    return total / len(fake)
"""),
    right(5, "by tables of squares", """
def judge(train, held_out, fake, k=5):
    n = min(map(len, (held_out, fake)))
    pairs = zip(*({"fid": fid(moments(x), moments(train)), "kid": kid(x, train), "coverage": coverage(train, x, k)}.values()
                  for x in (fake[:n], held_out[:n])))
    return dict(zip(("fid", "kid", "coverage"), pairs))

def nearer_to_training(train, held_out, fake):
    n = min(len(train), len(held_out))
    fake = np.float64(fake)
    both = [np.min([((fake - row) ** 2).sum(1) for row in np.float64(x[:n])], axis=0) for x in (train, held_out)]
    return float(((both[0] < both[1]) + 0.5 * (both[0] == both[1])).mean())
"""),
    wrong(5, "judge: all rows of both", SAME_NUMBER, {SETS: "sets = (fake, held_out)"}),
    wrong(5, "judge: as many as there are samples", SAME_NUMBER, {FIRST: "n = len(fake)"}),
    wrong(5, "judge: as many as there are new images", SAME_NUMBER, {FIRST: "n = len(held_out)"}),
    wrong(5, "judge: training images cut, too", "All training images are compared with. Which sets have to be equally large?",
          {"of_train = moments(train)": "train = train[:n]\n    of_train = moments(train)"}),
    wrong(5, "judge: the last rows", "The first rows are asked for.", {SETS: "sets = (fake[-n:], held_out[-n:])"}),
    wrong(5, "judge: floor first", "First the number of the samples, then the floor.", {SETS: "sets = (held_out[:n], fake[:n])"}),
    wrong(5, "judge: samples against new images", "Both are compared with the same images. Which?",
          {'"kid": tuple(kid(train, x) for x in sets)': '"kid": (kid(held_out[:n], fake[:n]), kid(train, held_out[:n]))'}),
    wrong(5, "judge: the floor of training images with themselves", FLOOR, {SETS: "sets = (fake[:n], train[:n])"}),
    wrong(5, "judge: halves of the training images", FLOOR,
          {'"fid": tuple(fid(of_train, moments(x)) for x in sets)': '"fid": (fid(of_train, moments(fake[:n])), fid(moments(train[::2]), moments(train[1::2])))'}),
    wrong(5, "judge: coverage the other way round", ROLES, {"coverage(train, x, k)": "coverage(x, train, k)"}),
    wrong(5, "judge: precision for coverage", "Precision is a share of the samples, coverage a share of the real balls.", {"coverage(train, x, k)": "precision(train, x, k)"}),
    wrong(5, "judge: k = 5 whatever is asked for", PUBLIC, {"coverage(train, x, k)": "coverage(train, x, min(5, len(train) - 1))"}),
    wrong(5, "judge: ratios to the floor", "The two numbers themselves are asked for.",
          {'"kid": tuple(kid(train, x) for x in sets)': '"kid": (kid(train, sets[0]) / kid(train, sets[1]), 1.0)'}),
    wrong(5, "judge: no floor", "A number without its floor says little. Pairs are asked for.",
          {'"fid": tuple(fid(of_train, moments(x)) for x in sets)': '"fid": fid(of_train, moments(fake[:n]))'}),
    wrong(5, "nearer: all rows of both", "The more images a set has, the nearer is its nearest. Are the two sets equally large?", {NEAR: "n = None"}),
    wrong(5, "nearer: as many as there are samples", "Two sets have to be equally large. Which two?", {NEAR: "n = len(fake)"}),
    wrong(5, "nearer: nearer to new images", "For copies of training images it is 1.", {TIE: "0.5 if to_train == to_new else float(to_train > to_new)"}),
    wrong(5, "nearer: ties count in full", "A sample that is as near to one as to the other counts one half.", {TIE: "float(to_train <= to_new)"}),
    wrong(5, "nearer: ties do not count", "A sample that is as near to one as to the other counts one half.", {TIE: "float(to_train < to_new)"}),
    wrong(5, "nearer: ties left out", "A sample that is as near to one as to the other counts one half.",
          {"shares = []": "shares = [0.0] * 0", f"shares.append({TIE})": "shares += [] if to_train == to_new else [float(to_train < to_new)]"}),
    wrong(5, "nearer: mean distances", "The nearest image is asked for, not all of them on average.", {NEAREST: "((x - row) ** 2).sum(axis=1).mean()"}),
    wrong(5, "nearer: the farthest image", "The nearest image is asked for.", {NEAREST: "((x - row) ** 2).sum(axis=1).max()"}),
    wrong(5, "nearer: the largest difference of a feature", "Which distance is the Euclidean one?", {NEAREST: "np.abs(x - row).max(axis=1).min()"}),
    wrong(5, "nearer: the number of samples", "A share is asked for.", {"float(np.mean(shares))": "float(np.sum(shares))"}),
    wrong(5, "nearer: training images that are nearer to samples", "Of what is it a share: samples, or training images?",
          {"for row in fake:": "for row in train:", "for x in (train, held_out))\n        shares": "for x in (fake, held_out))\n        shares"}),
    wrong(5, "nearer: centered in place", PLACE, {"shares = []": "fake -= fake.mean(axis=0)\n    shares = []"}),
]  # fmt: skip
