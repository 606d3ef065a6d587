# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Is my gradient right?
#
# **The question.** You have written a gradient rule.  There is no error message, and the loss falls.  But the loss falls
# with many wrong gradients too, only to a worse place.  So you compare the rule with finite differences, and they agree to
# three digits.  Is the rule right?  Why three digits and not ten?  And what would you see if it were wrong?  This comparison
# is called **gradient checking** (梯度检查).
#
# At the end you will be able to
#
# - derive difference formulas, the step at which they are best, and how good they are there;
# - say how far a right gradient *may* be off, instead of choosing a tolerance;
# - name what a check cannot see: a cotangent of all ones, a kink, one element in a million;
# - check your own NumPy code in five lines, read the verdict, and find the line that is wrong.
#
# You need lesson 1 (what a vjp is).  Plan three sittings of about an hour: sections 1 to 4, sections 5 to 8, sections 9 to 12.
# (Times are estimates for a reader who looks words up; they include the exercises.)  Five exercises check your answers; you
# can go on without solving them.  New words are **bold**, with their Chinese name (`docs/glossary.md` has all).
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $h$ | `h` | the **step size** (步长) of a **finite difference** (有限差分) |
# | $D(h)$ | `central` | the **central difference** (中心差分), $\frac{f(x+h) - f(x-h)}{2h}$ |
# | $S(h)$ | `bend` | the difference of the slopes to the right and to the left |
# | $M_k$ | `M3` | how large the $k$-th derivative is near $x$, at most |
# | $u$ | `2.0**-53`, `U` | the **unit roundoff** (单位舍入): the largest relative error of one rounding in double precision, $1.1 \cdot 10^{-16}$ |
# | $e$ | `noise` | the noise: how wrong a computed value $f(x)$ may be (Euler's number does not occur as a letter) |
# | $T_{k,m}$ | `row`, `new` | the table of section 5: from step $h_k$, with the errors up to $h^{2m}$ canceled |
# | $g, v$ | `g`, `v` | a cotangent (of the shape of the output), a direction (of the shape of the input) |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import textwrap

import numpy as np

import minigen as mg
from minigen import plot
from minigen.check import check, error_bounds, gradcheck
from minigen.check.analytic import complex_step
from minigen.check.differences import _Ladder, directional, jitter, measure_noise
from minigen.check.subgradients import SUBGRADIENTS
from minigen.course import gradient_checking as exercises
from minigen.course import show_source
from minigen.kernels import reference

mg.kernels.use("reference")  # the plain NumPy kernels


def show(report):
    """Print a report, its first line folded."""
    first, *rest = str(report).splitlines()
    print("\n".join([*textwrap.wrap(first, 110, subsequent_indent=" " * 13), *rest]))


# %% [markdown]
# ## 1. Differences, from Taylor's formula
#
# Taylor's formula says what $f$ does near $x$:
#
# $$f(x + h) = f + h f' + \tfrac{h^2}{2} f'' + \tfrac{h^3}{6} f''' + \tfrac{h^4}{24} f^{(4)} + \tfrac{h^5}{120} f^{(5)} + \dots$$
#
# **Forward.**  Solve for $f'$: $\;\dfrac{f(x+h) - f(x)}{h} = f' + \tfrac{h}{2} f'' + \dots\;$  The error is about
# $\tfrac{h}{2} f''$.
#
# **Central.**  Write the same with $-h$, and subtract.  All even powers cancel:
#
# $$D(h) = \frac{f(x+h) - f(x-h)}{2h} = f' + \frac{h^2}{6} f''' + \frac{h^4}{120} f^{(5)} + \dots$$
#
# The error is in $h^2$ in place of $h$.  What the formula leaves out is the **truncation error** (截断误差).
#
# **Five points.**  $D(2h)$ has four times the same error: $f' + 4\,\tfrac{h^2}{6} f''' + \dots\;$  Two numbers with the same
# error in a known proportion: so the error can be canceled.  (This method is *Richardson's extrapolation*.)
#
# ### Exercise 2.1: five points
#
# Combine $D(h)$ and $D(2h)$ so that the term with $h^2$ is gone and $f'$ remains.


# %%
def five_point(f, x, h):
    """The slope of f at the number x, with an error in h^4."""
    return ...


exercises.five_point(five_point)

# %% [markdown]
# <details><summary>Hint</summary>
#
# You want $a\,D(h) + b\,D(2h)$ with $a + b = 1$, so that $f'$ is kept, and $a + 4b = 0$.
#
# </details>
#
# What error is left?  Put the terms with $h^4$ into your combination: $D(h)$ has $\tfrac{h^4}{120} f^{(5)}$ and $D(2h)$
# sixteen times that, so $\tfrac{4 - 16}{3} \cdot \tfrac{h^4}{120} f^{(5)} = -\tfrac{h^4}{30} f^{(5)}$.
#
# ## 2. The U-shaped error
#
# So a smaller $h$ is better?  The values of $f$ are rounded.  Each has an error of up to $e$, and the difference of two of
# them is divided by a small number.  For $D(h)$ this **rounding error** (舍入误差) is up to $\frac{e + e}{2h} = \frac eh$, which *grows* as
# $h$ falls.  (Digits that are lost in the difference of nearly equal numbers: **cancellation**, 相消.)
#
# | formula | truncation | rounding | best step | error there |
# |---|---|---|---|---|
# | forward | $h M_2/2$ | $2e/h$ | $2\sqrt{e/M_2}$ | $2\sqrt{e M_2}$ |
# | central | $h^2 M_3/6$ | $e/h$ | exercise 2.2 | |
# | five-point | $h^4 M_5/30$ | $1.5\,e/h$ | $(11.25\,e/M_5)^{1/5}$ | about $e^{4/5}$ |
#
# (The $1.5$: $\tfrac43 D(h)$ adds $\tfrac43\cdot\frac eh$, and $\tfrac13 D(2h)$ adds $\tfrac13\cdot\frac{e}{2h}$.)
#
# Now measure.  *Decide before you look*: which $h$ is best for each formula?  For $f = \sin$ at $x = 1$ all derivatives are at most 1, so $M_k = 1$; values lie between 0.5 and 1,
# where floating-point numbers are $2^{-53}$ apart, and a computed sine is wrong by less than one such gap:
# $e = 2^{-53}$.  The steps are powers of two, so that $x + h$ itself is exact.


# %%
def forward(f, x, h):
    return (f(x + h) - f(x)) / h


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


def five(f, x, h):
    return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)


e = 2.0**-53
formulas = {  # the formula, and its derived error
    "forward": (forward, lambda h: h / 2 + 2 * e / h),
    "central": (central, lambda h: h**2 / 6 + e / h),
    "five-point": (five, lambda h: h**4 / 30 + 1.5 * e / h),
}
steps = 2.0 ** -np.arange(0, 51)


def lowest(derived):
    """The best step by trial: 100 for each power of two."""
    tried = 2.0 ** -np.arange(0, 51, 0.01)
    return tried[derived(tried).argmin()]


for name, (formula, derived) in formulas.items():
    best = lowest(derived)
    errors = np.array([abs(formula(np.sin, 1.0, h) - np.cos(1.0)) for h in steps])
    below = (errors <= derived(steps)).sum()
    print(f"{name:10} best h {best:.0e}, error there at most {derived(best):.0e};", end=" ")
    print(f"measured errors below the derived: {below} of {len(steps)}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(8, 4.6),
        caption="The error of three formulas for the slope of the sine at 1. Dots are measured, lines derived: truncation "
        "falls from the right, rounding rises to the left, where many marks lie on each other. Stars: the best steps, where "
        "the derived sum of both is least. Better formulas have deeper valleys, at larger steps.",
    )
    for (name, (formula, derived)), marker in zip(formulas.items(), "os^"):
        best = lowest(derived)
        errors = np.array([abs(formula(np.sin, 1.0, h) - np.cos(1.0)) for h in steps])
        (line,) = axes.loglog(steps, derived(steps), linewidth=1.5)
        axes.loglog(
            steps,
            np.maximum(errors, 1e-17),
            marker,
            color=line.get_color(),
            markersize=4.5,
            label=name,
            linestyle="none",
        )
        axes.plot(best, derived(best), marker="*", color="black", markersize=11, linestyle="none", zorder=5)
    axes.annotate("truncation: h, h², h⁴", (0.03, 0.06), xytext=(2e-5, 1.5), fontsize=11)
    axes.annotate("rounding: e / h", (1e-12, 1e-3), xytext=(2e-15, 2e-7), fontsize=11)
    axes.set(xlabel="step h", ylabel="error of the slope", ylim=(1e-17, 30), xlim=(4e-16, 2))
    axes.legend(loc="lower left", fontsize=11)
picture

# %% [markdown]
# The derived lines are the upper edge of the measured points, over fifteen orders of magnitude of $h$.  **This picture is the
# main result**: no difference is exact, each has a best step, and at that step one can say how good it is: about half of
# all 16 digits for the forward formula, two thirds for the central one, four fifths for five points.
#
# ### Exercise 2.2: the best step
#
# For the central difference: which $h$ makes $\tfrac{h^2}{6} M_3 + \tfrac{e}{h}$ least, and how large is it there?
# (The place where the two terms are equal is near, but it is not the minimum.)


# %%
def best_step(e, M3):
    """The best step of a central difference, and the error there; e is the noise, M3 the size of f'''."""
    h = ...
    error = ...
    return h, error


exercises.best_step(best_step)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The sum is least where its derivative for $h$ is zero: $\tfrac{h}{3} M_3 - \tfrac{e}{h^2} = 0$.
#
# </details>
#
# ## 3. Why no fixed step and no fixed tolerance will do
#
# The best step depends on $e$ and $M_3$, which are not known before.  Many programs use a fixed $h = 10^{-6}$.  How good is
# it for four functions?

# %%
cases = {
    "sin(x) at 1": (np.sin, 1.0, np.cos(1.0)),
    "sin(1000 x) at 1": (lambda x: np.sin(1000 * x), 1.0, 1000 * np.cos(1000.0)),
    "log(x) at 0.00001": (np.log, 1e-5, 1e5),
    "log(x) at 10000": (np.log, 1e4, 1e-4),
}

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(8, 4.3),
        caption="The relative error of the central difference for four functions. No single step is good for all: at 0.000001 "
        "(gray line) the errors are between 1 part in 10 billion and 1 part in 300, and each curve has its minimum at another "
        "step.",
    )
    many = 10.0 ** np.arange(-12, 4.01, 0.25)
    for name, (f, x, slope) in cases.items():
        inside = many[many < x]
        errors = [abs(central(f, x, h) / slope - 1) for h in inside]
        axes.loglog(inside, np.maximum(errors, 1e-14), label=name)
    axes.axvline(1e-6, color="#999999", linestyle="-", linewidth=1)
    axes.set(xlabel="step h", ylabel="relative error", ylim=(1e-13, 30))
    axes.legend(
        fontsize=11, ncols=4, loc="upper center", bbox_to_anchor=(0.48, 1.13), columnspacing=1, handlelength=1.6
    )
picture

# %% [markdown]
# With such differences the **tolerance** (容差) has to be large.  `rtol=1e-3, atol=1e-5` is common: pass if
# $|\text{claimed} - \text{measured}| \le 10^{-5} + 10^{-3}\,|\text{measured}|$.  *Decide before you look*: which of these four
# gradients pass?


# %%
def naive(claimed, f, x, h=1e-6):
    return bool(np.allclose(claimed, central(f, x, h), rtol=1e-3, atol=1e-5))


def inverse(x):
    return 1 / x  # its derivative is -1 / x**2


print("                              claimed   measured  check   should it pass?")
for what, claimed, f, x, should in (
    ("sin at 1: 0.9995 cos(1)", 0.9995 * np.cos(1.0), np.sin, 1.0, "no: 0.05 % off"),
    ("1 / x at 10000: sign lost", +1e-8, inverse, 1e4, "no"),
    ("1 / x at 10000: always 0", 0.0, inverse, 1e4, "no"),
    ("log(x) at 0.00001: right", 1e5, np.log, 1e-5, "yes"),
):
    verdict = "passes" if naive(claimed, f, x) else "fails"
    print(f"{what:26} {claimed:10.4g} {central(f, x, 1e-6):10.4g}  {verdict:7} {should}")

# %% [markdown]
# Three wrong ones pass, and a right one fails.  (Gradients of 1e-8 are common: the mean over a batch of images divides by a
# hundred thousand.)  A tolerance that is *chosen* is too large for one function and too small for the next.  It has to be
# **derived** for the function, from its noise $e$ and its truncation error.  Both can be measured.
#
# ## 4. The noise, measured
#
# How wrong is a computed $f(x)$?  The textbook says one rounding: $u\,|f(x)|$.  Take batch norm's first step, $x$
# minus its mean, for $x = 10000 \pm 0.001$.  The values are about 0.001, so $e$ would be $10^{-19}$.  But $x$ itself is rounded:
# numbers near 10000 are $1.8\cdot 10^{-12}$ apart, so a difference of two of them has an error of this size.  So we measure:
# **move each input by one or two units in its last place (an *ulp*), up or down at random, and see how far the result
# moves.**

# %%
show_source(jitter, measure_noise)

# %%
random = np.random.default_rng(0)


def center(x):
    return x - x.mean()


far = 1e4 + 1e-3 * random.normal(size=8)
value, noise = measure_noise(center, [far], [0], random)
print(f"values up to     {abs(value).max():.0e}")
print(f"u |f|            {2.0**-53 * abs(value).max():.0e}")
print(f"measured noise   {noise.max():.0e}")

# %% [markdown]
# The measured noise is more than ten million times as large.  With the textbook's $e$ a derived tolerance would call the
# right gradient wrong.
#
# *Why at random up or down?*  If all inputs moved up together, their mean would too, and the difference would stay.
#
# ## 5. The truncation, measured: a ladder of steps
#
# $M_3$ is unknown, but what truncation does is known: it falls 16 times when $h$ falls 4 times.  So take $D$ at
# $h_k = h_0/4^k$ and cancel $h^2$ as in exercise 2.1 (here with $16\,D(h/4) - D(h)$, over 15); then $h^4$ between
# *those*; then $h^6$:
#
# $$T_{k,0} = D(h_k), \qquad T_{k,m} = T_{k,m-1} + \frac{T_{k,m-1} - T_{k-1,m-1}}{16^m - 1} .$$
#
# The errors for the slope of $e^x$ at 1, from $h_0 = 1$:

# %%
row = []
for k in range(5):
    new = [central(np.exp, 1.0, 4.0**-k)]
    for m in range(1, k + 1):
        new.append(new[m - 1] + (new[m - 1] - row[m - 1]) / (16**m - 1))
    row = new
    errors = [abs(t - np.e) for t in row]
    print(f"h = 1/{4**k:<4}", *(f" {error:.0e}" if error > 1e-11 else " < 1e-11" for error in errors))

# %% [markdown]
# From row to row, column $m$ falls by $16^{m+1}$, until only rounding is left.  Now the main point: **how large is the
# error if the right answer is not known?**  The table says it: $T_{k,m}$ differs from the two entries that it is computed
# from, $T_{k,m-1}$ and $T_{k-1,m-1}$, by about *their* error, which is larger than the error of $T_{k,m}$.  Take
# the larger of the two differences, add the rounding, and this is a bound; it fails only if both differences are small by
# chance.  (How much rounding?  For $m = 1$ at most $\frac{16}{15}\cdot\frac eh + \frac{1}{15}\cdot\frac{e}{4h} = 1.083\,\frac eh$.
# The other columns add little: it stays below $1.09\,\frac eh$, and we take $1.5\,\frac eh$.)  Of all entries the one with the smallest
# bound is the result.  In code these are three lines, marked here.  For a function of one number:


# %%
def simple_ladder(f, x, noise, rows=15):
    """The slope of f at the number x, and a bound on its error; the values of f are wrong by up to `noise`."""
    row, best, error = [], 0.0, np.inf
    for k in range(rows):
        new = [central(f, x, 4.0**-k)]
        for m in range(1, len(row) + 1):
            new.append(new[m - 1] + (new[m - 1] - row[m - 1]) / (16.0**m - 1))  # 1: the next column
            doubt = max(abs(new[m] - new[m - 1]), abs(new[m] - row[m - 1])) + 1.5 * noise * 4**k  # 2: its bound
            if doubt < error:
                best, error = new[m], doubt  # 3: the entry with the smallest bound
        row = new
    return best, error


slope, bound = simple_ladder(np.sin, 1.0, 2.0**-53)
print(f"sin at 1: error {abs(slope - np.cos(1.0)):.0e}, its bound {bound:.0e}")

# %% [markdown]
# Our source has the same three lines, for arrays: each output element takes its best entry.  Find them first (`new.append`,
# `doubt =`, `better =`); the text below says what the rest is for:

# %%
show_source(_Ladder.step)

# %% [markdown]
# (`new` is a row of the table, `self.row` the row above; `doubt` is the bound.  `bend` decides which rows are trusted:
# section 7.  `strays` is for noise that moving by an ulp does not show, `spare` is used if no row is trusted.)  Is the error
# below the bound?  We try the four functions, and 300 random ones:


# %% tags=["varies"]
def measured_slope(f, x):
    """The slope of f at the number x, and a bound on its error."""
    at = [np.array([x])]
    value, noise = measure_noise(f, at, [0], np.random.default_rng(0))
    found = directional(f, at, 0, np.ones(1), value, noise)
    return found.value[0], found.error[0]


for name, (f, x, slope) in cases.items():
    found, bound = measured_slope(f, x)
    print(f"{name:18} relative error {abs(found / slope - 1):.0e}, its bound {bound / abs(slope):.0e}")


def wave(t, a, b, c):
    return a * np.sin(b * t) + np.exp(-c * t * t)


held = 0
for _ in range(300):
    (a, b, c), x = np.exp(random.uniform(-3, 3, 3)), random.normal()
    found, bound = measured_slope(lambda t, a=a, b=b, c=c: wave(t, a, b, c), x)
    slope = a * b * np.cos(b * x) - 2 * c * x * np.exp(-c * x * x)
    held += abs(found - slope) <= bound < 1e-8 * (a * b + c)
print(f"random functions: the error is below the bound, and the bound below 1e-8 of the slope, for {held} of 300")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(8, 4.2),
        caption="The ladder for sin(1000 x) at 1. Lines: the true errors of the first columns of the table. Dotted: the bound that the "
        "checker gives with its result. No step was given; h = 0.000001, with D(h) alone, would have been a thousand times worse.",
    )
    f, x, slope = cases["sin(1000 x) at 1"]
    table, ladder_steps = [], 4.0 ** -np.arange(0, 20)
    for k, h in enumerate(ladder_steps):
        new = [central(f, x, h)]
        for m in range(1, min(k, 4) + 1):
            new.append(new[m - 1] + (new[m - 1] - table[-1][m - 1]) / (16**m - 1))
        table.append(new)
    for m in range(4):
        errors = [abs(entry[m] / slope - 1) for entry in table[m:]]
        axes.loglog(ladder_steps[m:], np.maximum(errors, 1e-16), marker=".", label=f"m = {m}")
    found, bound = measured_slope(f, x)
    axes.axhline(bound / abs(slope), color="black", linestyle=":", linewidth=1)
    axes.text(0.4, bound / abs(slope) * 1.6, "the bound", fontsize=11, ha="right")
    axes.set(xlabel="step h", ylabel="relative error", ylim=(1e-15, 1e3))
    axes.legend(fontsize=11, ncols=4, loc="upper center", bbox_to_anchor=(0.5, 1.13))
picture

# %% [markdown]
# The bound is well above the smallest true errors.  It must cover the worst case: $x$ is known to 16 digits only, and
# $1000\,x$ moves a thousand times as far.
#
# ## 6. From slopes to vjps: which $g$, which $v$?
#
# A vjp has arrays on both sides.  By lesson 1, for every cotangent $g$ and every direction $v$
#
# $$\big\langle g,\; \underbrace{\textstyle\frac{d}{dh} f(x + h v)\big|_{h=0}}_{\text{measured}} \big\rangle
# = \langle g, J v\rangle = \langle J^\top g, v\rangle = \big\langle \underbrace{\mathrm{vjp}(g)}_{\text{claimed}},\; v \big\rangle .$$
#
# One direction needs about twenty evaluations of $f$, for any number of inputs; going through all elements one by one would
# need twenty for each.  But an error must not be hidden by cancellation.  So $g$ and $v$ are drawn **at random**: then an
# error cancels only by a coincidence.  A common check takes the gradient of `f(x).sum()`, which is
# $g = (1, 1, \dots, 1)$.  What does it see?  An example is batch norm (lesson 6) with mean $\mu$ and standard deviation
# $\sigma$ of each column of $x$, and its vjp (the first row of the experiment confirms it):
#
# $$y = \frac{x - \mu}{\sigma}, \qquad
# \bar x = \frac1\sigma\Big(g - \underbrace{\operatorname{mean}(g)}_{\text{through } \mu} - y\,\underbrace{\operatorname{mean}(g\,y)}_{\text{through } \sigma}\Big) .$$


# %%
def normalize(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def normalize_vjp(g, x):
    y = normalize(x)
    return (g - g.mean(axis=0) - y * (g * y).mean(axis=0)) / x.std(axis=0)


wrong_vjps = {
    "right": normalize_vjp,
    "sign turned": lambda g, x: -normalize_vjp(g, x),
    "without the term through sigma": lambda g, x: (g - g.mean(axis=0)) / x.std(axis=0),
    "ten times too large": lambda g, x: 10 * normalize_vjp(g, x),
    "zero": lambda g, x: np.zeros_like(x),
}


def difference(vjp, g, x, random):
    """|<vjp(g), v> - the measured <g, Jv>|."""
    v = random.normal(size=x.shape)
    measured = central(lambda h: (g * normalize(x + h * v)).sum(), 0.0, 1e-5)
    return abs((vjp(g, x) * v).sum() - measured)


x = random.normal(size=(6, 3))
cotangents = (np.ones(x.shape), normalize(x), random.normal(size=x.shape))
print("claimed - measured with g =         ones        y   random   (below 1e-6: passes)")
for name, vjp in wrong_vjps.items():
    found = [difference(vjp, g, x, random) for g in cotangents]
    print(f"{name:32}", *("  < 1e-6" if size < 1e-6 else f"{size:8.1g}" for size in found))

# %% [markdown]
# With ones, all pass.  *Why?*  The sum of a normalized column is zero for every $x$: a constant has the gradient zero, and zero
# stays zero with any sign and scale.  In the formula: $g - \operatorname{mean}(g) = 0$, and
# $\operatorname{mean}(1 \cdot y) = 0$.  `(y**2).sum()`, which is $g = 2y$, is constant too and hardly better.  So draw $g$
# independently of $x$.  (The rows of a softmax sum to 1: the same problem.)  **A check proves only what it could have
# refuted.**
#
# ## 7. Kinks
#
# LeakyReLU has slope 1 for $x > 0$ and 0.2 for $x < 0$: at 0 it has a **kink** (不可导点).  What do central differences give there?


# %%
def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


for h in (1e-1, 1e-3, 1e-5):
    print(f"h = {h:g}:  D(h) = {central(leaky, 0.0, h):.12g}")

# %% [markdown]
# They agree to the last digit on 0.6, the mean of the two slopes, which is not the slope anywhere.
# **Differences that converge do not prove that there is a derivative.**  So look at the value in the middle, which $D$ does not use:
#
# $$S(h) = \frac{|f(x+h) - 2 f(x) + f(x-h)|}{h} = \big|\text{slope to the right} - \text{slope to the left}\big| .$$
#
# Taylor: if $f$ is smooth, $S(h) \approx |f''|\,h$, which falls with $h$.  At a kink $S$ tends to the jump of the
# slope.  The noise, at most $\frac{4e}{h}$, rises.  In the code of section 5, $S$ is `bend`: a step is
# trusted if $S$ is at most half of what it was at the step before, or at most twice its noise, $\frac{8e}{h}$.

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, (left, right) = plot.figure(
        1, 2, size=(9, 4),
        caption="Left: central differences converge for all three, and the third has no derivative. Right: S tells them "
        "apart. Smooth functions fall in proportion to h until noise takes over (the dotted line is 4e / h); at the kink "
        "S stays at the jump, 0.8. Gaps: places where S is 0, which has no logarithm.",
    )  # fmt: skip
    kinds = {
        "exp(x) at 0": (np.exp, 0.0),
        "sin(9 x) at 0.1": (lambda x: np.sin(9 * x), 0.1),
        "LeakyReLU at 0": (leaky, 0.0),
    }
    hs = 10.0 ** -np.arange(0, 14, 0.5)
    for name, (f, x) in kinds.items():
        left.semilogx(hs[:17], [central(f, x, h) for h in hs[:17]], marker=".", label=name)
        bend = [abs(f(x + h) - 2 * f(x) + f(x - h)) / h for h in hs]
        right.loglog(hs, np.where(np.array(bend) == 0, np.nan, bend), marker=".", label=name)
    right.loglog(hs, 4 * 2.0**-53 / hs, color="#555555", linestyle=":", linewidth=1.5)
    left.set(xlabel="step h", ylabel="D(h)", ylim=(-2, 7.5))
    right.set(xlabel="step h", ylabel="S(h)", ylim=(1e-9, 20))
    left.set_xticks([1e-8, 1e-6, 1e-4, 1e-2, 1])
    left.minorticks_off()
    left.legend(fontsize=11, loc="center left", bbox_to_anchor=(0, 0.6))
picture

# %% [markdown]
# ### Exercise 2.3: find the kink
#
# From the values of $f$ near $x$, and the noise $e$ of those values: does the slope jump?  Steps of 0.001 and less
# will do for the functions of the check.


# %%
def kinked(f, x, e):
    """True if the slope of f jumps at the number x; each value of f is wrong by up to e."""
    return ...


exercises.kinked(kinked)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Compute $S$ at two steps, one a tenth of the other.  A smooth function's second $S$ is a tenth of its first; a kink's
# is as large as its first.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $S(h)$ means something only if it is several times as large as its noise, $\frac{4e}{h}$.
#
# </details>
#
# And what *is* the gradient at a kink?  A convention: any number between the two slopes is a **subgradient** (次梯度), and PyTorch
# chose one for each function.  The checker leaves out the elements on a kink; the conventions are in a separate table and are
# tested exactly.  The first rows:

# %%
for kink in SUBGRADIENTS[:5]:
    print(f"{kink.op:12} at {kink.where:20} {kink.says}")

# %% [markdown]
# ## 8. Three verdicts
#
# Now we have a measured derivative, $\langle g, Jv\rangle$, with a bound on its error; a claimed one; and random $g$ and $v$.
# If the two differ by more than twice the bound, the gradient is **wrong**.  If they agree, the *resolution* says how small
# an error would have been seen (the bound divided by their size).  If it is 1e-5 or less, the gradient is **right**.
# Otherwise, or if there is nothing to measure, the check is **inconclusive**, which is not a pass.

# %% tags=["varies"]
x = mg.tensor([0.5, 1.0, 2.0], dtype="float64")
show(gradcheck(mg.tanh, x))
show(gradcheck(lambda x: x * mg.tanh(x.detach()), x, name="x * tanh(x.detach())"))
show(gradcheck(lambda x: (x + 1e14) - 1e14, x, name="(x + 1e14) - 1e14"))
show(gradcheck(mg.relu, np.zeros(3), name="relu at 0"))
show(gradcheck(mg.sqrt, np.array([4.0, 0.0]), name="sqrt at 0"))

# %% [markdown]
# Each report says what was claimed for which element, what was measured, and how far they may differ.  How small an error is
# seen?  We make the gradient of tanh too large by a factor $1 + \delta$.  *Decide before you look*: from which $\delta$ on does
# `allclose` pass, from which on `gradcheck`?


# %%
def claim_with(delta):
    """tanh, with a gradient that is too large by a factor 1 + delta."""
    return lambda x: (1 + delta) * mg.tanh(x) - delta * mg.tanh(x).detach()


for delta in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-14):
    verdict = gradcheck(claim_with(delta), x).verdict
    claimed = (1 + delta) * (1 - np.tanh(x.numpy()) ** 2)
    passes = np.allclose(claimed, central(np.tanh, x.numpy(), 1e-6), rtol=1e-3, atol=1e-5)
    print(f"delta = {delta:.0e}:  allclose {'passes' if passes else 'fails':7}  gradcheck: {verdict}")

# %% [markdown]
# `allclose` accepts an error of 1 part in 10,000; `gradcheck` finds 1 part in 10 billion.  At $10^{-14}$ it says *right*: this
# is below its resolution (above, for tanh: about $10^{-12}$).  (`claim_with` has the values of tanh and any derivative that we
# want, by `detach`; lesson 1.)
#
# ### Exercise 2.4: a check of your own
#
# Write it: is `vjp(g, x)` the vjp of `f` at the array `x`?  You may use `measure_noise(f, [x], [0], random)`, which
# gives the value and its noise, and `directional(f, [x], 0, v, value, noise)`, which gives an object with the arrays
# `.value` (the derivative $Jv$) and `.error` (the bound on each of its elements).  The exercise tries right pairs and
# wrong ones.


# %%
def my_check(f, vjp, x, random):
    """True if vjp(g, x) is right, as far as differences can tell; random is a NumPy generator."""
    return ...


exercises.my_check(my_check)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Draw $v$ of the shape of $x$ and $g$ of the shape of the value.  `seen` is $\langle g, Jv\rangle$, `said` is
# $\langle \mathrm{vjp}(g), v\rangle$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# If each element $j$ of $Jv$ is wrong by at most $E_j$, then $\langle g, Jv\rangle$ is wrong by at most
# $\sum_j |g_j| E_j$.  Adding up rounds too: add some $10^{-15}$ of the sum of the sizes of all terms.
#
# </details>
#
# ## 9. Three checks without a difference
#
# **Complex step.**  Take an imaginary step: $f(x + ih) = f + ihf' - \tfrac{h^2}{2} f'' - \dots$, so
#
# $$\frac{\operatorname{Im} f(x + ih)}{h} = f' - \frac{h^2}{6} f''' + \dots$$
#
# Nothing is subtracted, so there is no $\frac eh$; and with $h = 10^{-20}$ the truncation error is 0.  Every digit is right:

# %%
show_source(complex_step)


# %% tags=["varies"]
def f(x):
    return np.exp(np.sin(3 * x)) / np.sqrt(x)


x = np.array([0.3, 1.0, 2.5])
exact = f(x) * (3 * np.cos(3 * x) - 0.5 / x)
for name, found in (("complex step", complex_step(f, [x], 0, np.ones(3))), ("central, h = 1e-6", central(f, x, 1e-6))):
    error = abs(found - exact).max()
    print(f"{name:18} largest error {'below 4e-15' if error < 4e-15 else f'{error:.0e}'}")

# %% [markdown]
# The condition: $f$ must be analytic (its Taylor series holds for complex numbers too), and its code must compute with
# them.  So `abs`, comparisons, `max` and C code cannot be checked in this way.
#
# **Linear operations and their adjoints.**  If $f(x) = Ax$, then $\langle g, Ax\rangle = \langle A^\top g, x\rangle$
# for every $x$ and $g$: one evaluation of each is enough.  A convolution is linear in $x$ and in its kernel $w$.
#
# **Small integers.**  Kernels compute in float32, where differences are useless: $e = 10^{-7}$.  But fill the arrays
# with whole numbers so small that every partial sum stays below $2^{24}$: then no addition rounds, and a right kernel
# is **exactly** equal to a slow reference.  How much sharper is this than a tolerance?  The smallest safe tolerance for a
# sum of $n$ products, in any order, is $\gamma_n \sum |a_i b_i|$ with $\gamma_n \approx n u$ (Higham 2002), here with
# $u = 2^{-24}$.  The weight gradient of a convolution sums over all pixels of all images: $n = 32768$ below.  We plant an
# error: the last row of the last image is left out.

# %% tags=["varies"]
way = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)  # stride 1, padding 1


def weight_grad(x, g):
    return reference.conv2d_weight_grad(x, g, (3, 3), *way)


def forgetful(x, g):
    g = g.copy()
    g[-1, :, -1] = 0
    return weight_grad(x, g)


fillings = {
    "Gaussian": lambda shape: random.normal(size=shape).astype(np.float32),
    "integers": lambda shape: error_bounds.exact_integers(random, shape, n=8 * 64 * 64),
}
for name, fill in fillings.items():
    x, g = fill((8, 2, 64, 64)), fill((8, 4, 64, 64))
    exact = weight_grad(x.astype(np.float64), g.astype(np.float64))
    tolerance = error_bounds.conv_bound(weight_grad, x, g, n=8 * 64 * 64) if name == "Gaussian" else 0
    for kernel in (weight_grad, forgetful):
        error = abs(kernel(x, g) - exact)
        verdict = "passes" if (error <= tolerance).all() else "fails"
        print(
            f"{name}, {kernel.__name__:11} largest error {error.max():7.1g}, allowed {np.max(tolerance):7.1g}: {verdict}"
        )

w = np.ones((4, 2, 3, 3))
y = reference.conv2d(x.astype(np.float64), w, *way)
print(f"adjoint identity: {(g * y).sum():.1f} and {(exact * w).sum():.1f}")

# %% [markdown]
# With Gaussian numbers the bound is too large to show a missing row of 64 pixels; with integers every error shows.
# (The last line is $\langle g, \mathcal C(x, w)\rangle = \langle \mathcal W(x, g), w\rangle$ for a kernel $w$ of ones, equal to the last bit.
# $\mathcal C$ is the convolution, `y` in the code, and $\mathcal W$ its weight gradient, `exact`.  Lesson 3 makes a test of it.)
#
# ## 10. The second order
#
# A gradient penalty (lesson 10) differentiates a vjp.  So the *vjp's* gradient must be right, too.  A vjp is a function of $x$
# and $g$ like any other: check it in the same way.  There is also a free test: the Hessian of $\langle g, f(x)\rangle$ is
# symmetric, so $\langle Ha, b\rangle = \langle a, Hb\rangle$.  Here is the rule of lesson 1 that used `.data`.  Its first
# derivatives are right:

# %%
mg.engine.primitives.pop("short_cut", None)  # so that this cell can be run twice


@mg.engine.primitive
def short_cut(input):
    return input**2


short_cut.vjp(input=lambda g, out, input: g * mg.tensor(2 * input.data))

x = mg.tensor([0.5, -1.5], dtype="float64")
print("first order:", gradcheck(lambda x: short_cut(x) * x, x, order=1).verdict)
print("second order:", gradcheck(lambda x: short_cut(x) * x, x, order=2).verdict)

# %% tags=["varies"]
show(gradcheck(lambda x: short_cut(x) * x, x, order=2, name="short_cut(x) * x"))

# %% [markdown]
# $6x$ is right, and $4x$ is claimed: a third is missing, as in lesson 1.
#
# ## 11. Your own code, in five lines
#
# `gradcheck` is for functions on our Tensors.  `check` is for any function with NumPy arrays as inputs and outputs.  Say
# which operation it should be, and `check` draws difficult inputs itself: saturated, with ties, far from zero, in unusual
# memory layouts, with strides that do not fit.


# %% tags=["varies"]
def my_tanh(x):
    return 2 / (1 + np.exp(-2 * x)) - 1


report = check(my_tanh, lambda g, x: g * (1 - my_tanh(x) ** 2), like="tanh")
print(report.verdict)
print(f"the smallest relative error that it would have seen: 1e{int(np.ceil(np.log10(report.resolution)))} or less")

# %% [markdown]
# (`method="complex_step"` is sharper where `fn` computes with complex numbers; `full_jacobian=True` checks every element
# of $J$.)  If the gradient is *wrong*, the report names the argument and the element, gives the claimed and the measured
# number, and prints the smallest example that it found, as a program to paste.
#
# ## 12. Catch five planted bugs
#
# Five operations in plain NumPy, all of them right:


# %%
def softmax(input, dim=-1):
    powers = np.exp(input - input.max(axis=dim, keepdims=True))
    return powers / powers.sum(axis=dim, keepdims=True)


def column(a, input):
    """A number for each channel, in a shape that goes with the input (N, C, ...)."""
    return a.reshape(-1, *[1] * (input.ndim - 2))


def batch_norm(input, weight, bias, eps=1e-5):
    axes = (0, *range(2, input.ndim))
    std = np.sqrt(input.var(axis=axes, keepdims=True) + eps)
    y = (input - input.mean(axis=axes, keepdims=True)) / std
    return column(weight, input) * y + column(bias, input)


def conv2d(input, weight, stride=1):
    windows = np.lib.stride_tricks.sliding_window_view(input, weight.shape[2:], axis=(2, 3))
    return np.einsum("ncpqrs,ocrs->nopq", windows[:, :, ::stride, ::stride], weight)


def leaky_relu(input, negative_slope=0.01):
    return np.where(input > 0, input, negative_slope * input)


def binary_cross_entropy(input, target, reduction="mean"):
    losses = -(target * np.log(input) + (1 - target) * np.log(1 - input))
    return losses if reduction == "none" else losses.sum() if reduction == "sum" else losses.mean()


# %% [markdown]
# And five vjps, each wrong in one line.  All five mistakes are from real programs.

# %%
masks = {}


def softmax_vjp(g, input, dim=-1):
    y = softmax(input, dim)  # line 1
    mean = g.mean(axis=dim, keepdims=True)  # line 2
    return y * (g - mean)  # line 3


def batch_norm_vjp(g, input, weight, bias, eps=1e-5):
    axes = (0, *range(2, input.ndim))  # line 1
    std = np.sqrt(input.var(axis=axes, keepdims=True) + eps)  # line 2
    y = (input - input.mean(axis=axes, keepdims=True)) / std  # line 3
    g_weight, g_bias = (g * y).sum(axis=axes), g.sum(axis=axes)  # line 4
    gy = g * column(weight, input)  # line 5
    g_input = (gy - gy.mean(axis=axes, keepdims=True)) / std  # line 6
    return g_input, g_weight, g_bias


def conv2d_vjp(g, input, weight, stride=1):
    N, O, P, Q = g.shape  # line 1
    R, S = weight.shape[2:]
    g_input = np.zeros(input.shape)  # line 2
    for p, q in np.ndindex(P, Q):
        window = ..., slice(p * stride, p * stride + R), slice(q * stride, q * stride + S)  # line 3
        g_input[window] += np.einsum("no,ocrs->ncrs", g[:, :, p, q], weight)  # line 4
    wide = np.zeros((N, O, (P - 1) * stride + 1, (Q - 1) * stride + 1))
    wide[:, :, ::stride, ::stride] = g  # line 5: with stride - 1 zeros between neighbors
    # the weight's gradient is a convolution too: this g slides over the input
    g_weight = conv2d(input.swapaxes(0, 1), wide.swapaxes(0, 1)).swapaxes(0, 1)  # line 6
    return g_input, g_weight[:, :, -R:, -S:]  # line 7: places that the kernel does not have are cut off


def leaky_relu_vjp(g, input, negative_slope=0.01):
    if input.shape not in masks:  # line 1: work is saved
        masks[input.shape] = input > 0  # line 2
    return g * np.where(masks[input.shape], 1.0, negative_slope)  # line 3


def binary_cross_entropy_vjp(g, input, target, reduction="mean"):
    slope = input - target  # line 1
    slope = slope / (input * (1 - input) + 1e-6)  # line 2: never divide by zero
    scale = 1 / input.size if reduction == "mean" else 1.0  # line 3
    return g * slope * scale  # line 4


pairs = {
    "softmax": (softmax, softmax_vjp),
    "batch_norm": (batch_norm, batch_norm_vjp),
    "conv2d": (conv2d, conv2d_vjp),
    "leaky_relu": (leaky_relu, leaky_relu_vjp),
    "binary_cross_entropy": (binary_cross_entropy, binary_cross_entropy_vjp),
}

# %% [markdown]
# Does the usual check find them?  Gaussian inputs, default parameters, every element by central differences with
# $h = 10^{-6}$, `allclose` with 1e-3 and 1e-5; once with a cotangent of ones, once with a random one:

# %%
random = np.random.default_rng(0)
points = {
    "softmax": (random.normal(size=(5, 7)),),
    "batch_norm": (random.normal(size=(9, 5)), random.normal(size=5), random.normal(size=5)),
    "conv2d": (random.normal(size=(2, 3, 7, 7)), random.normal(size=(4, 3, 3, 3))),
    "leaky_relu": (random.normal(size=(9, 9)),),
    "binary_cross_entropy": (random.uniform(0.1, 0.9, size=(8, 8)), random.uniform(size=(8, 8))),
}


def usual_check(f, vjp, inputs, g):
    claimed = vjp(g, *inputs)
    claimed = claimed if isinstance(claimed, tuple) else (claimed,)
    for i, gradient in enumerate(claimed):
        for place in np.ndindex(gradient.shape):
            step = np.zeros(gradient.shape)
            step[place] = 1e-6
            up = f(*inputs[:i], inputs[i] + step, *inputs[i + 1 :])
            down = f(*inputs[:i], inputs[i] - step, *inputs[i + 1 :])
            measured = (g * (up - down)).sum() / 2e-6
            if not np.isclose(gradient[place], measured, rtol=1e-3, atol=1e-5):
                return "fails"
    return "passes"


print(f"{'':22}g = ones   g random   minigen.check")
for name, (f, vjp) in pairs.items():
    shape = f(*points[name]).shape
    ones = usual_check(f, vjp, points[name], np.ones(shape))
    gaussian = usual_check(f, vjp, points[name], random.normal(size=shape))
    print(f"{name:21} {ones:10} {gaussian:10} {check(f, vjp, like=name).verdict}")

# %% [markdown]
# With ones, all five wrong gradients pass.  A random cotangent finds two.  Why do the other three pass?  The first bug needs
# a stride with windows that do not fit, and the check has stride 1; the second needs two points, and the check has one; the
# third needs six digits, and the check has three.
#
# ### Exercise 2.5: five planted bugs
#
# Run the checker on each, read what it says, and write down the number of the line that is wrong.  (Better still:
# repair the line above, run its cell again, and check again.)  The reports' numbers are those of the smallest example
# found; *by up to 22 of the right value* says that the difference is up to 22 times as large as the right value.

# %% tags=["varies"]
show(check(softmax, softmax_vjp, like="softmax"))

# %% tags=["varies"]
show(check(batch_norm, batch_norm_vjp, like="batch_norm"))

# %% tags=["varies"]
show(check(conv2d, conv2d_vjp, like="conv2d"))

# %% tags=["varies"]
show(check(leaky_relu, leaky_relu_vjp, like="leaky_relu"))

# %% tags=["varies"]
show(check(binary_cross_entropy, binary_cross_entropy_vjp, like="binary_cross_entropy"))

# %%
planted = dict(
    softmax=...,
    batch_norm=...,
    conv2d=...,
    leaky_relu=...,
    binary_cross_entropy=...,
)

exercises.planted(planted)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Ask of each report: *which argument* is wrong?  The others are right, and so is what they share with it.  Then: what
# is special about the example?  A stride, a small number?  And one of the five examples shows nothing when it is pasted
# into a fresh session: that is a hint, too.
#
# </details>
#
# ## Why this sign, this scale, this detach?
#
# - **Why $f(x+h)$ and $f(x-h)$?**  So that even powers of $h$ cancel.  The error falls from $10^{-8}$ to $10^{-11}$, with the same
#   number of evaluations.
# - **Why not simply a smaller $h$?**  Rounding grows as $\frac eh$.
# - **Why is $v$ not scaled by the size of $x$?**  For batch norm at $10000 \pm 0.001$ not the place of $x$ matters, but its
#   spread.  The table tries all steps from large to small, and needs no scale.
# - **Why twice the bound?**  The bound covers what was measured, but the noise itself is estimated from a few samples.
#   With differences, a gradient that is wrong by less than twice the noise cannot be told from a right one.
# - **Why does the checker keep its random $g$ and $v$ away from zero?**  An element near zero hides an error there.
# - **Why steps of 4?**  Steps of 2 need twice as many evaluations; steps of 10 may miss the minimum between two of them.
# - **Why float64?**  In float32 $e = 10^{-7}$, and a five-point formula has five right digits.  So rules are checked
#   in float64, and float32 kernels against float64 ones, on integers.
# - **Why a detach in `claim_with`?**  It changes the derivative that is claimed and not the values: a planted bug.
#
# ## To a friend, in three sentences
#
# The error of a difference is its truncation plus its rounding; both can be measured, so a check can compute how far a right
# gradient may be off.  It needs random cotangents and difficult inputs, because agreement proves only what could have
# failed.  Where nothing can be measured, at a kink or in noise, an honest check says "inconclusive".
#
# The solutions, with their reasons, are in `lessons/solutions/02_gradient_checking.py`.  To go on:
# `minigen check --score` plants more than 150 mistakes like these in a whole library and counts how many the checks
# find, and `lessons/reference/check_your_own_conv2d.md` shows `check` on a convolution of your own.
