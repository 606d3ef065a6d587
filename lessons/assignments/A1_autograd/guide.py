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
# # A1: an autograd in a hundred lines
#
# **The question.** How can a program differentiate a program?  Not approximately, and not once: gradients of gradients of
# gradients, of anything that you write with arrays.  Lesson 1 reads an engine that does it.  Here you write one.
#
# You write in **`autograd_a1.py`**, in any editor, and hand in that file alone.  This notebook explains the five tasks,
# lets you try what you have, and checks it.  Nothing that you write here is graded.  Allow four to six hours in all; the
# tasks are short (most answers have less than ten lines), and each is harder than the one before.  NumPy is all you need.  To
# compare with minigen is a good idea; to call it, or another library that differentiates, is no answer, and the tests look.
#
# | task | you write | points |
# |---|---|---|
# | 1 | rules for `/`, `tanh`, sums and matrix products | 12 |
# | 2 | `unbroadcast`: what broadcasting copied, add up | 6 |
# | 3 | `newest_first`: the order of the backward sweep | 6 |
# | 4 | `grad`: gradients of any order | 11 |
# | 5 | `gradient_penalty`: a loss made of a gradient | 5 |
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x, y$ | `x`, `y` | what goes into an operation |
# | $o$ | `out` | what comes out |
# | $L$ | | the one number at the end of a computation |
# | $g = \partial L/\partial o$ | `g` | the *cotangent* of $o$: how much $L$ changes per unit of change in $o$ |
# | $\langle a, b \rangle$ | | the sum of all products of matching elements |

# %%
import numpy as np

from minigen.course import kit

FILE = "autograd_a1.py"
a = kit.load(FILE)  # your file as it is now; every cell below loads it anew

# %% [markdown]
# ## What is given
#
# Open `autograd_a1.py` and read the first half.  A **`Var`** is an array that remembers how it was computed.  An **`Op`** is
# a function on arrays together with its gradient rule.  Calling an Op on Vars computes the result, and writes down
# where it came from:

# %%
a = kit.load(FILE)
x, w = a.Var(2.0), a.Var(5.0)
p = x * w
output = p + x
print(output, "was made by", output.op.name, "from", output.inputs)
print("the first of these was made by", output.inputs[0].op.name, "and x by", x.op)

# %% [markdown]
# That is a graph: each arrow leads from a result to what it was made from.
#
#     output ──→ p ──→ w
#        │       │
#        └─────→ x
#
# The rules of `+`, `*`, `exp` and some others are given.  Look at the one of `*`: `lambda g, out, x, y: (g * y, g * x)`.
# It gets $g$, the result and the inputs, and gives a tuple: one gradient for each input.  All of these are **Vars**, and
# the rule computes with Vars.  So a gradient is itself a `Var` that remembers how it was computed, and it can be
# differentiated as well.  That is the whole secret of gradients of any order.  It also tells you what breaks them: whoever
# takes `.value` inside a rule gets the right numbers, and loses their past.
#
# ## Task 1: rules for single operations
#
# A rule turns $g = \partial L/\partial o$ into $\partial L/\partial x$.  To find it, nudge $x$ by a small $dx$ and see
# how $L$ changes: $dL = \langle g, do\rangle$.  Rewrite this as $\langle \text{something}, dx\rangle$; the something is
# the gradient.
#
# An example, for $o = x^2$, element by element: $do = 2x\,dx$, so $dL = \langle g, 2x\,dx \rangle = \langle 2xg, dx\rangle$,
# and the rule is `lambda g, out, x: (2 * x * g,)`.
#
# - **`div_rule`**, $o = x / y$.  For $x$ treat $y$ as a constant, and the other way round.  Mind the sign for $y$.
# - **`tanh_rule`**.  What is the derivative of $\tanh$, written with $\tanh$ itself?  You have `out`: nothing needs to be
#   computed twice.  (By exponentials, it must not overflow: try $x = 400$, and $x = 50$ in float32.)
# - **`sum_rule`**, for `sum_to(x, axis=...)`, which keeps the summed axes with length 1.  Every $x_i$ goes into the sum
#   once: how much does $L$ change with each?  The result must have the shape of `x`; look through the list of given
#   operations for one that makes it.
# - **`matmul_rule`**, $O = XY$.  Nudge $X$: $dO = dX\,Y$, and
#   $\langle G, dX\,Y \rangle = \sum_{ij} G_{ij} \sum_k dX_{ik} Y_{kj}$.  Collect what stands before each $dX_{ik}$.
#   Which product of matrices is it?  The shapes leave little choice.
#
# The dtype matters, too: for float32 inputs your gradients are to be float32.  `np.ones(...)` makes float64 unless told
# otherwise, and float64 wins whenever the two meet.

# %%
with kit.pending():
    a = kit.load(FILE)
    x, y, g = a.Var(6.0), a.Var(2.0), a.Var(1.0)
    dx, dy = a.div_rule(g, x / y, x, y)
    nudged = (6.0 / 2.001 - 6.0 / 1.999) / 0.002
    print(f"6 / 2: your gradient for y is {dy.value:.4f}, nudging y says {nudged:.4f}")

# %%
kit.check(FILE, task=1)

# %% [markdown]
# ## Task 2: what broadcasting copied, add up
#
# When a row of shape (3,) is added to a matrix of shape (2, 3), NumPy uses each of its elements twice.  Every use has an
# effect on $L$, and the effects add up:
#
# $$o_{ij} = x_{ij} + r_j \quad\Rightarrow\quad \frac{\partial L}{\partial r_j} = \sum_i g_{ij} .$$
#
# The rule of `+` hands `g` on as it is, in the shape of the result.  `unbroadcast(g, shape)` adds it up to the shape of
# the input.  Two things can have happened to an axis:
#
# - broadcasting put it **in front**: (3,) met (2, 3).  Shapes are aligned on the right.
# - it was there with length 1 and was **stretched**: (2, 1) met (2, 3).
#
# Both can happen at a time, to several axes; or nothing, and then there is nothing to add up.  Use operations on Vars
# again (`sum_to`, `reshape`): the gradient of a gradient flows through here as well.

# %%
with kit.pending():
    a = kit.load(FILE)
    g = a.Var(np.array([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]))
    for shape in [(3,), (1, 3), (2, 1), (1,), (), (2, 3)]:
        print(shape, "gets", a.unbroadcast(g, shape).value.tolist())

# %%
kit.check(FILE, task=2)

# %% [markdown]
# ## Task 3: the order of the backward sweep
#
# The sweep starts at the output with $\partial L/\partial L = 1$ and goes backwards: every Var hands shares of its cotangent
# to its inputs, by its Op's rule.  When may a Var pass on what it has?  When **all** who used it have handed in their
# shares, and not before.  Look at `p` here:
#
#     p = x * x
#     s = tanh(p)
#     output = p * s
#
# `p` gets a share from `output` at once, and another from `s`.  If its turn came right after `output`, the share from
# `s` would be late and lost.  So what is wanted is an order in which every Var comes **before its inputs**: `output`, `s`,
# `p`.  It is called a topological order, and often there are several; any will do.
#
# `newest_first(output)` gives this order as a list, without the leaves, since they have nobody to pass anything on to.
# Three things to think of:
#
# - **Each Var once**, however many paths lead to it.  Two Vars can have the same value and be different: tell them apart by
#   `id(var)`, or by `is`.
# - **Time.**  If you double a number 40 times (`x = x + x`), there are 40 operations, and $2^{40}$ paths.  Visit
#   operations, not paths.
# - **Depth.**  Graphs can be thousands of operations deep; Python's recursion is not.  Keep a list of what is still to
#   be done.
#
# One way: go down from `output` depth first, and note a Var down when everything below it has been noted.  Which way round
# is that list?  Another: count for each Var how many uses it has, and let its turn come when the count is down to zero.

# %%
with kit.pending():
    a = kit.load(FILE)
    x = a.Var(0.5)
    p = x * x
    s = a.tanh(p)
    output = p * s
    names = {id(p): "p", id(s): "s", id(output): "output"}
    print([names[id(var)] for var in a.newest_first(output)])

# %%
kit.check(FILE, task=3)

# %% [markdown]
# ## Task 4: gradients of any order
#
# Now put it together.  `grad(output, inputs, g)`:
#
# 1. The cotangent of `output` is `g`.  Where `output` is a single number, `g` may be left out: it is 1, for
#    $\partial L/\partial L = 1$, in the shape and the dtype of `output`.  Without `g`, an output with several elements
#    has no gradient: raise a `ValueError`.
# 2. Go through `newest_first(output)`.  For each Var, call its Op's rule:
#    `var.op.rule(cotangent, var, *var.inputs, **var.params)`.  It gives a share for each input.
# 3. `unbroadcast` each share to its input's shape, and **add** it to what this input has already.  (Why added?  If $x$ is
#    used twice, a nudge of $x$ moves both uses.)
# 4. Give back the cotangents of `inputs`, in a list.  What `output` does not depend on has the gradient zero, in its own
#    shape and dtype.
#
# Add with `+`, which makes a new Var.  `+=` on an array would change a share that another Var holds, too.  And leave
# nothing behind: the graph can be used again, and is, by the next gradient.

# %%
with kit.pending():
    a = kit.load(FILE)
    x = a.Var(2.0)
    d = x * x * x
    for order in range(1, 5):
        (d,) = a.grad(d, [x])
        print(f"derivative {order} of x^3 at x = 2: {d.value:g}")

# %%
kit.check(FILE, task=4)

# %% [markdown]
# When this works, you have an autograd engine.  The next cell draws tanh and its first three derivatives, all from your four
# rules:

# %%
with kit.pending():
    from IPython.display import display

    from minigen import plot

    a = kit.load(FILE)
    x = a.Var(np.linspace(-3, 3, 121))
    curves = [a.tanh(x)]
    for _ in range(3):
        curves += a.grad(a.sum_to(curves[-1]), [x])
    with plot.style():
        caption = "Each curve is zero where the one before it has a peak."
        picture, axes = plot.figure(size=(6.5, 3.4), caption=caption)
        for curve, name in zip(curves, ["tanh", "first derivative", "second", "third"]):
            axes.plot(x.value, curve.value, label=name)
        axes.set(xlabel="x")
        axes.legend()
    display(picture)

# %% [markdown]
# ## Task 5: a penalty on a gradient
#
# What are gradients of gradients good for?  In a Wasserstein GAN the discriminator $f$ must not be steeper than 1 anywhere.
# WGAN-GP ([Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028), equation 3) adds a penalty to its loss:
#
# $$\frac1N \sum_{n=1}^{N} \Big( \big\lVert \nabla_{x_n} f(x_n) \big\rVert_2 - 1 \Big)^2 .$$
#
# It is a number made from a gradient.  To train with it, one needs *its* gradient for the weights of $f$, and that is why the
# slopes must not lose their past.
#
# `gradient_penalty(f, x)`: `f` takes N points, shape (N, D), and gives (N, 1), one number for each point, from this point
# alone.  Then all N gradients come from one sweep: since $f(x_n)$ depends on no other point, the gradient of the **sum** of
# all $f(x_n)$ for $x_n$ is the gradient of $f(x_n)$ itself.  Which `g` says that?  Then: one length for each point, its
# distance from 1, squared; and the mean over the points.
#
# *Why not the mean of all $f(x_n)$?*  Try it with N = 2: what happens to the slopes?

# %%
with kit.pending():
    a = kit.load(FILE)
    w = a.Var(np.array([[3.0], [4.0]]))
    penalty = a.gradient_penalty(lambda x: x @ w, a.Var(np.array([[1.0, 2.0], [0.0, 1.0]])))
    (dw,) = a.grad(penalty, [w])
    print("f(x) = x @ w has the slope 5 everywhere; the penalty is", penalty.value.item())
    print("its gradient for w:", dw.value.ravel(), "(a step against it makes w shorter)")

# %%
kit.check(FILE, task=5)

# %% [markdown]
# ## It learns
#
# Everything together: a network with one hidden layer learns the sine, with your rules, your sweep and a line of gradient
# descent.  It takes a few seconds.

# %%
with kit.pending():
    a = kit.load(FILE)
    random = np.random.default_rng(0)
    t = a.Var(np.linspace(-3, 3, 64)[:, None])
    weights = [a.Var(random.normal(size=shape)) for shape in [(1, 16), (16,), (16, 1)]]
    for step in range(801):
        w1, b, w2 = weights
        gap = a.tanh(t @ w1 + b) @ w2 - np.sin(t.value)
        loss = a.sum_to(gap * gap) / 64
        if step % 200 == 0:
            print(f"step {step:3}: loss {loss.value.item():.4f}")
        weights = [a.Var(w.value - 0.05 * d.value) for w, d in zip(weights, a.grad(loss, weights))]

# %% [markdown]
# ## Before you hand in
#
# - `minigen course check autograd_a1.py` says that the public tests pass.
# - These are not all.  The tests after you have handed in look at other shapes (also of no axes at all), at float32, at random
#   graphs, at second and third derivatives of a network where everything broadcasts, at arrays that must not be changed, and
#   at functions called twice.  You can do the same: nudge, and compare.
# - A mistake in one task costs points in that task only: the others are then graded with a reference solution in its place.
# - Hand in `autograd_a1.py`, nothing else, with its name and the names in it unchanged.
#
# *To read on:* `minigen/engine.py` is the engine of this library.  Its `_backward_pass` is your `grad`.  What has it more, and why?
