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
# # 1. Autograd: from one multiplication to the engine
#
# **The question.** A network has a million parameters, and one number, the loss, says how bad it is.  How should each
# of the million change to make the loss smaller?  Their derivatives say so.  How can a machine find *all* of them, for
# about the price of computing the loss a few times more, when all that anybody wrote down is a rule for each *single*
# operation?
#
# At the end you will be able to
#
# - derive the gradient rule of an operation, and check it;
# - explain why gradients flow backwards, why they are added up, and in which order;
# - read the engine of this library, and have written its heart yourself;
# - take gradients of gradients, and say what `detach` does and when to use it.
#
# You need NumPy, partial derivatives and the chain rule, and about 40 minutes.  Run the cells in order
# (Shift+Enter).  Six exercises check your answers as you go; an exercise that is not answered stops nothing.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x, w$ | `input`, `other` | what goes into an operation |
# | $y$ | `out` | what comes out |
# | $L$ | `loss` | the one number at the end |
# | $g = \partial L/\partial y$ | `g` | the *cotangent* of $y$: how much $L$ changes per unit of change in $y$ |
# | $\bar v = \partial L/\partial v$ | `gx` for $\bar x$ | the same for any $v$; also called the *gradient* for $v$ |
# | $dx$, $dy$ | – | a small nudge of $x$, and the change of $y$ that follows |
# | $J$ | – | the Jacobian, $J_{ki} = \partial y_k / \partial x_i$ |
# | $\langle a, b\rangle$ | `(a * b).sum()` | the inner product: the sum of all products of matching elements |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import time

import numpy as np

import minigen as mg
from minigen import plot
from minigen.course import autograd as exercises
from minigen.course import show_source


def leaf(value):
    """A Tensor that wants a gradient; in double precision, because nudging needs the digits."""
    return mg.tensor(value, requires_grad=True, dtype="float64")


# %% [markdown]
# ## 1. The obvious way, and what it costs
#
# The derivative of $L$ with respect to $x_i$ says how much $L$ changes when $x_i$ is nudged.  So nudge it:
#
# $$\frac{\partial L}{\partial x_i} \approx \frac{L(x + h e_i) - L(x - h e_i)}{2h}$$
#
# where $e_i$ is 1 at place $i$ and 0 elsewhere.


# %%
def nudge(f, x, h=1e-6):
    """The gradient of f at the array x: each element in turn is moved up and down a little."""
    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        slope[i] = (f(x + step) - f(x - step)) / (2 * h)
    return slope


print(nudge(lambda x: np.sum(x**2), np.array([1.0, 2.0, 3.0])).round(6))

# %% [markdown]
# That is right: the derivative of $x_1^2 + x_2^2 + x_3^2$ is $(2x_1, 2x_2, 2x_3)$.  But it took $2n$ evaluations of $f$
# for $n$ numbers: two *million* evaluations for a million parameters, and that is one step of training.  We keep
# `nudge` as a witness, because it knows nothing of rules and cannot share their mistakes.  Everything below is checked
# against it.  (Up *and* down, because then the curvature cancels.  Which $h$ is best is a lesson of its own.)
#
# ## 2. One multiplication
#
# Let $y = x \cdot w$ be computed somewhere in the middle of something long that ends in a number $L$.  We do not know
# what comes after $y$.  But suppose somebody tells us $g = \partial L/\partial y$.  Then the chain rule gives
#
# $$\frac{\partial L}{\partial x} = \frac{\partial L}{\partial y}\,\frac{\partial y}{\partial x} = g\,w,
# \qquad
# \frac{\partial L}{\partial w} = \frac{\partial L}{\partial y}\,\frac{\partial y}{\partial w} = g\,x .$$
#
# *Why the other factor?*  See $y$ as the area of a rectangle:

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(6.5, 3.2),
        caption="Widening x by dx adds a strip as tall as w; raising w by dw adds one as wide as x. "
        "The corner dx dw vanishes faster than both.",
    )
    for left, right, bottom, top, color, text in (
        (0, 3, 0, 2, "#dddddd", "y = x w"),
        (3, 3.5, 0, 2, plot.COLORS["sky"], "w dx"),
        (0, 3, 2, 2.4, plot.COLORS["orange"], "x dw"),
        (3, 3.5, 2, 2.4, "#ffffff", "dx dw"),
    ):
        axes.fill_between([left, right], bottom, top, facecolor=color, edgecolor="black", linestyle="-")
        axes.text((left + right) / 2, (bottom + top) / 2, text, ha="center", va="center", fontsize=11)
    axes.set(xticks=[0, 3, 3.5], xticklabels=["0", "x", "x + dx"])
    axes.set(yticks=[0, 2, 2.4], yticklabels=["0", "w", "w + dw"])
    axes.tick_params(labelsize=11)
    axes.grid(False)
picture

# %% [markdown]
# That is *all* one has to know about multiplication.  Here is ours, read from the file that is installed:

# %%
show_source(mg.mul)

# %% [markdown]
# An operation is a **primitive**: a function on arrays, and for each argument a rule, its *vjp* (the next section says
# what the letters stand for).  A rule gets `g`, the result `out` and the inputs, and gives back the gradient for its
# argument: `g * other` for the first factor, `g * input` for the second.  (`unbroadcast` concerns arrays of different
# shapes; it comes in section 3.)
#
# **Three witnesses.**  Take $L = \sin(x w)$ at $x = 2$, $w = 3$.  What comes after the product is a sine, so
# $g = \cos(xw)$.

# %%
g = np.cos(2.0 * 3.0)
print("by hand ", np.round([g * 3.0, g * 2.0], 6))

x, w = leaf(2.0), leaf(3.0)
gx, gw = mg.grad(mg.sin(x * w), [x, w])
print("engine  ", np.round([gx.item(), gw.item()], 6))

print("nudging ", nudge(lambda v: np.sin(v[0] * v[1]), np.array([2.0, 3.0])).round(6))

# %% [markdown]
# ### Exercise 1.1: the gradients of a quotient
#
# For $y = x / w$ and a given $g$: what are the gradients for $x$ and for $w$?  Mind the sign of the second.


# %%
def div_vjp(g, x, w):
    """Gradients for x and for w of y = x / w; g, x and w are arrays of one shape."""
    gx = ...
    gw = ...
    return gx, gw


exercises.div_vjp(div_vjp)

# %% [markdown]
# <details><summary>Hint</summary>
#
# $y = x \cdot w^{-1}$.  What is the derivative of $w^{-1}$?  Then multiply by $g$, both times.
#
# </details>
#
# ## 3. Arrays: products with the Jacobian that is never built
#
# Now $x$ has $n$ elements and $y = f(x)$ has $m$.  Each $x_i$ may act on every $y_k$, and its actions add up:
#
# $$\frac{\partial L}{\partial x_i} = \sum_k \frac{\partial L}{\partial y_k} \frac{\partial y_k}{\partial x_i}
# = \sum_k g_k J_{ki}, \qquad\text{that is}\qquad \frac{\partial L}{\partial x} = J^\top g .$$
#
# The vector $g$ times the Jacobian (as a row, $g^\top J$): a *vector-Jacobian product*, **vjp**.  The point is that a rule
# computes the product and never the matrix.  How large would the matrix be, at 4 bytes a number, for one `tanh` on a
# batch of 64 colour images of 64 x 64 pixels?

# %%
n = 64 * 3 * 64 * 64
print(f"{n:,} elements; J would have {n * n:,} entries, {4 * n * n / 1e12:.1f} TB; J^T g has {n:,}")

# %% [markdown]
# **How to find a vjp** without indices.  Nudge $x$ by a small $dx$.  Then $y$ changes by $dy = J\,dx$, and $L$ changes by
# $\langle g, dy \rangle$.  Now rewrite that as $\langle \text{something}, dx \rangle$, for *every* $dx$.  The something is
# the gradient, because $\langle g, J\,dx \rangle = \langle J^\top g, dx \rangle$.  Three examples:
#
# - **exp**, element by element: $dy = e^x\,dx$.  So $\langle g, e^x dx \rangle = \langle g\,e^x, dx \rangle$: multiply
#   $g$ by $e^x$, which is the output itself.
# - **sum**: $dy = \sum_i dx_i$.  So $g \sum_i dx_i = \langle (g, g, \dots, g), dx \rangle$: copy $g$ to every place.  The other
#   way round, $y_i = x$ for every $i$ gives $\sum_i g_i\,dx$: the gradient of *copying* is *adding up*.
# - **matrix product** $Y = AB$: $dY = dA\,B + A\,dB$.  An inner product of matrices is a trace,
#   $\langle G, M \rangle = \operatorname{tr}(G^\top M)$, and factors may go round in a trace:
#   $\operatorname{tr}(G^\top dA\, B) = \operatorname{tr}(B\,G^\top dA) = \langle G B^\top, dA \rangle$, and
#   $\operatorname{tr}(G^\top A\, dB) = \langle A^\top G, dB \rangle$.
#
# Find these three lines of mathematics in the source.  To read it: what stands after `*` (`dim`, `keepdim`) is a setting
# and has no gradient; `array_module` is NumPy, or CuPy for arrays on a GPU; `sum_array` is a sum whose rounding error stays
# small; `kept_shape` is the shape with the summed dimensions as 1, and `expand` copies along them.

# %%
show_source(mg.exp, mg.ops.reduce.sum_, mg.ops.linalg.matmul_)

# %% [markdown]
# To be sure, we build the Jacobian of a small matrix product after all, column by column, and multiply:

# %%
random = np.random.default_rng(0)
A, B, G = random.normal(size=(2, 3)), random.normal(size=(3, 4)), random.normal(size=(2, 4))

jacobian = np.zeros((G.size, A.size))  # a row for each element of AB, a column for each element of A
for i in range(A.size):
    step = np.zeros(A.size)
    step[i] = 1e-6
    step = step.reshape(A.shape)
    jacobian[:, i] = (((A + step) @ B - (A - step) @ B) / 2e-6).ravel()

print("J has shape", jacobian.shape)
difference = jacobian.T @ G.ravel() - (G @ B.T).ravel()
print("J^T g and G B^T differ by less than 1e-8:", abs(difference).max() < 1e-8)

# %% [markdown]
# **Broadcasting.**  When a column of shape (3, 1) meets a matrix of shape (3, 4), NumPy uses each of its elements four
# times.  That is copying, so its gradient adds up four shares.  This is what `unbroadcast` did in the rules of `mul`.  (In
# it, `new` counts the dimensions that broadcasting put in front; `repeated` are those of length 1 that it stretched.)

# %%
column, matrix = leaf([[1.0], [2.0], [3.0]]), leaf(np.arange(12.0).reshape(3, 4))
(g_column,) = mg.grad((column * matrix).sum(), column)
print(g_column.numpy().ravel(), "= the sums of the rows,", matrix.numpy().sum(axis=1))
show_source(mg.ops.elementwise.unbroadcast)

# %% [markdown]
# ### Exercise 1.2: the gradient of centring
#
# $f(x) = x - \bar x$ subtracts from every column of $x$, shape (N, D), its mean: in NumPy `x - x.mean(axis=0)`.  Every
# $x_{ki}$ acts on the result in two ways, by itself and through the mean.  What is the vjp?  (Batch normalisation, in
# every GAN of these lessons, begins with this step.)


# %%
def centre_vjp(g, x):
    """The gradient of x - x.mean(axis=0) for x, given the cotangent g; both are arrays (N, D)."""
    return ...


exercises.centre_vjp(centre_vjp)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# For one column: $dy_k = dx_k - \frac1N \sum_j dx_j$.  Write $\langle g, dy\rangle = \sum_k g_k\,dy_k$ and collect what
# stands before each $dx_j$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $\sum_k g_k \cdot \frac1N \sum_j dx_j = \sum_j \big(\frac1N\sum_k g_k\big) dx_j$.  What is $\frac1N\sum_k g_k$ called?
#
# </details>
#
# ## 4. Many operations: the graph
#
# Every computation, however long, is primitives applied to results of primitives.  When an input wants a gradient,
# minigen writes down with each result how it was made: `t.node` holds the primitive and its inputs.  A Tensor that no
# primitive made, such as $x$, is a *leaf*; its node is None.  Here is what was written down for $L = x + \sin(x w)$:

# %%
x, w = leaf(2.0), leaf(3.0)
p = x * w
s = mg.sin(p)
L = x + s
print("L was made by", L.node.primitive, "from x and s:", L.node.inputs[0] is x, L.node.inputs[1] is s)
plot.graph(
    L, dict(x=x, w=w, p=p, s=s, L=L),
    caption="The graph of L = x + sin(x w). Time runs downwards. Two arrows leave x: it is used twice.",
)  # fmt: skip

# %% [markdown]
# Now go through it **backwards** with pencil and paper, carrying cotangents.  Write $\bar v$ for $\partial L/\partial v$.
#
# | at | rule | shares handed to its inputs | known now |
# |---|---|---|---|
# | $L$ | the start | | $\bar L = \partial L/\partial L = 1$ |
# | $L = x + s$ | `add`: both derivatives are 1 | $1$ to $x$, $1$ to $s$ | $\bar s = 1$; of $\bar x$ a part |
# | $s = \sin p$ | `sin`: times the cosine | $\bar s \cos p$ to $p$ | $\bar p = \cos p$ |
# | $p = x w$ | `mul`: times the other factor | $\bar p\,w$ to $x$, $\bar p\,x$ to $w$ | $\bar x = 1 + w\cos p$, $\bar w = x \cos p$ |
#
# **Why are the shares of $x$ added?**  Call its two uses $a$ and $b$: $L = F(a, b)$ with $a = x$ and $b = x$.  A nudge
# $dx$ moves both, so $dL = \frac{\partial F}{\partial a} dx + \frac{\partial F}{\partial b} dx$.  It is the gradient of
# copying once more.
#
# **Why in this order?**  A result may pass its cotangent on only when *all* who used it have handed in their shares.  Who
# used it was made after it.  So go from the newest to the oldest, and it is always complete.

# %%
print("by hand ", np.round([1 + 3 * np.cos(6), 2 * np.cos(6)], 6))
print("engine  ", np.round([d.item() for d in mg.grad(L, [x, w])], 6))
print("nudging ", nudge(lambda v: v[0] + np.sin(v[0] * v[1]), np.array([2.0, 3.0])).round(6))

# %% [markdown]
# And this is the engine.  `_graph` collects what the result was computed from and sorts it by age;
# `_backward_pass` is your table, row by row:

# %%
show_source(mg.engine._graph, mg.engine._backward_pass)

# %% [markdown]
# Read it with the table beside it:
#
# - `add(t, _check_grad_output(...))` is the first row: the gradient that it starts from is $\bar L = 1$.
# - `graph.pop()` takes the newest Tensor; the leaves, sorted as $-1$, come last and have nobody to pass anything on to.
# - `cotangents` holds what each has received so far; once passed on it is dropped (`pop`), unless it was `wanted`.
# - `read_inputs` gives the inputs of a node, or an error if one of them was changed since.
# - `apply_vjps` runs the rules of the primitive, for those inputs that need it; `add` adds each gradient to what is there.
# - `useful` leaves out what does not lie between `outputs` and the `inputs` whose gradients are `wanted`.
# - At the end of its turn a node forgets its inputs (`node.inputs = None`), so that the memory is free as soon as
#   possible.  `retain_graph=True` prevents that, for a second sweep over the same graph.
# - `enable_grad() if create_graph else no_grad()`: is the sweep itself to be written down?  That is section 5.
# - There is no recursion: a graph 100,000 operations deep is nothing special.
#
# ### An experiment: following every path
#
# One could also add up, for each *path* from $L$ to $x$, the product of the derivatives along it.  That is the same
# number.  How many rules would have to run?  We double a number $k$ times ($x + x$, and again), so that two arrows join
# each result to the next, and count:


# %%
def rules_path_by_path(t):
    """How many rules run if every path is followed by itself."""
    return sum(1 + rules_path_by_path(x) for x in t.node.inputs) if t.node else 0


def rules_in_a_sweep(t):
    """How many rules run if every node has one turn: one for each of its inputs."""
    found, waiting = {}, [t]
    while waiting:
        t = waiting.pop()
        if t.node and id(t) not in found:
            found[id(t)] = len(t.node.inputs)
            waiting.extend(t.node.inputs)
    return sum(found.values())


depths = range(1, 13)
paths, sweeps = [], []
for k in depths:
    t = leaf(1.0)
    for _ in range(k):
        t = t + t
    paths.append(rules_path_by_path(t))
    sweeps.append(rules_in_a_sweep(t))
print(f"12 doublings: {paths[-1]:,} rules path by path, {sweeps[-1]} in a sweep")

x = leaf(1.0)
t = x
for _ in range(60):
    t = t + t
(gx,) = mg.grad(t, x)
print(f"60 doublings, in a sweep: {gx.item():,.0f}, and 2**60 = {2**60:,}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.6),
        caption="Rules run to differentiate k doublings. Path by path their number about doubles with every "
        "step (the vertical axis is logarithmic); the sweep runs two a step.",
    )
    axes.semilogy(depths, paths, marker="o", label="path by path")
    axes.semilogy(depths, sweeps, marker="s", label="sweep, newest to oldest")
    axes.set(xlabel="number of doublings k", ylabel="rules run", xticks=list(depths))
    axes.legend()
picture

# %% [markdown]
# ### Exercise 1.3: write the sweep
#
# Write `mg.grad` for one output and one input.  For a Tensor `t`, `t.node` is None if nobody made it; otherwise there are
# `t.node.inputs` (Tensors), `t.node.sequence_number` (a number that grows with time), `t.node.params`, and
# `t.node.primitive`, of which you need
#
#     t.node.primitive.apply_vjps(positions, g, t, t.node.inputs, t.node.params)
#
# It gives pairs `(i, share)`: the input's position and the gradient handed to it.  Positions are those you are interested
# in, such as `range(len(t.node.inputs))`.  Use `id(t)` as the key of a dictionary (`==` compares values, as in NumPy), and
# `mg.ones_like(output)` to start.  Ten to fifteen lines.


# %%
def my_grad(output, x):
    """The gradient of `output`, a Tensor of one element, with respect to the Tensor `x`."""
    # 1. Collect every Tensor that `output` was computed from, each once.
    # 2. Start with a cotangent of 1 for `output`.
    # 3. From the newest to the oldest: run the rules, add each share to the cotangent of its input.
    return ...


exercises.my_grad(my_grad)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# For step 1 keep a list of Tensors yet to look at and a dictionary of those seen.  Take one from the list; if it is new,
# note it and put its inputs on the list.
#
# </details>
# <details><summary>Hint 2</summary>
#
# For step 3: `sorted(..., key=lambda t: t.node.sequence_number, reverse=True)` over the Tensors that have a
# node.  The cotangents are a dictionary from `id(t)` to a Tensor; for a share, either start an entry or add to it.
#
# </details>
#
# ### What it costs
#
# A rule reads and writes arrays of the same sizes as its operation, and costs about as much.  (A matrix product has two
# rules, and each is one matrix product.)  So the whole gradient costs a small multiple of the forward pass, *however many
# inputs there are*.  If $+ - \times\, /$ are all there is, and each counts as one, $L$ with its gradient takes at most 5
# times as many as $L$ alone (Baur and Strassen, 1983).  Now the time, on your machine, for
# $L = \sum_i \tanh(x_i)^2 \sin(x_i)$:


# %% tags=["varies"]
def seconds(f, *arguments):
    """The best time of a few."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        f(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


def loss(x):
    return (mg.tanh(x) ** 2 * mg.sin(x)).sum()


sizes = [10, 100, 1000, 10_000, 100_000, 1_000_000]
forward, both, nudged = [], [], []
for n in sizes:
    x = leaf(np.linspace(-1, 1, n))
    forward.append(seconds(loss, x))
    both.append(seconds(lambda x=x: mg.grad(loss(x), x)))
    if n <= 1000:
        nudged.append(seconds(nudge, lambda v: loss(mg.tensor(v)).item(), x.numpy()))
print(f"a million inputs: L {forward[-1] * 1e3:.0f} ms, with gradient {both[-1] * 1e3:.0f} ms")
print(f"a thousand inputs: nudging takes {nudged[-1] / both[2]:.0f} times as long as the sweep")

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.8),
        caption="Time for L alone, for L with all its n derivatives, and for the derivatives by nudging; both axes "
        "are logarithmic. The first two stay a small factor apart. Nudging takes ten times as long for ten times the "
        "inputs even where L itself does not.",
    )
    axes.loglog(sizes, np.array(forward) * 1e3, marker="o", label="L")
    axes.loglog(sizes, np.array(both) * 1e3, marker="s", label="L and gradient, sweep")
    axes.loglog(sizes[: len(nudged)], np.array(nudged) * 1e3, marker="^", label="gradient, nudging")
    axes.set(xlabel="number of inputs n", ylabel="time (ms)")
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.45, 1.18), columnspacing=1.2, fontsize=11)
picture

# %% [markdown]
# That is the answer to the question at the top.  Up to some ten thousand inputs, what you see is the fixed cost of each
# operation, which is the same for one number as for many (and larger backwards, where there are more operations).  The
# price of the sweep is memory: the rules read the inputs of every operation, so all of them are kept until the sweep has
# passed.
#
# ## 5. Gradients of gradients
#
# Look at a rule again: `g * other`.  It is written with *Tensor* operations.  So a backward pass is itself an ordinary
# computation with primitives, and can be written down in a graph like any other: `create_graph=True` does so.  Then
# differentiate the result.

# %%
x = leaf(4.0)
y = x**3
(first,) = mg.grad(y, x, create_graph=True)
(second,) = mg.grad(first, x, create_graph=True)
(third,) = mg.grad(second, x)
print(f"x^3, 3x^2, 6x, 6 at 4:  {y.item():g}  {first.item():g}  {second.item():g}  {third.item():g}")
plot.graph(
    [y, first], dict(x=x, y=y, first=first),
    caption="y = x^3 and what the backward pass computed: 1 (the start) times 3 x^2. Arrows lead from x "
    "to its result, so it can be differentiated again.",
)  # fmt: skip

# %% [markdown]
# Nothing had to be added to the engine: the rules for second derivatives are those for first ones.  In the source of
# `tanh` it can be seen at work:

# %%
show_source(mg.tanh)

# %% [markdown]
# *Derivation.*  $\tanh' = 1 - \tanh^2$, and $\tanh x$ is `out`, which is at hand: hence `1 - out * out`.  Here `out` is
# not an array but the Tensor that came out, with its node.  When this rule is differentiated, `out` leads back to `x`,
# through the rule of `tanh`.  Four times in a row:

# %%
x = leaf(np.linspace(-3, 3, 121))
orders = [mg.tanh(x)]
for _ in range(4):
    # Output i depends on x[i] alone, so the gradient of the sum is the array of all slopes.
    (slope,) = mg.grad(orders[-1].sum(), x, create_graph=True)
    orders.append(slope)

t = np.tanh(x.numpy())
s = 1 - t**2
formulas = [t, s, -2 * t * s, (6 * t**2 - 2) * s, (16 * t - 24 * t**3) * s]  # by t' = s and s' = -2 t s
for order, (ours, formula) in enumerate(zip(orders, formulas)):
    difference = abs(ours.numpy() - formula).max()
    print(f"order {order}: within 1e-12 of the formula: {difference < 1e-12}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7.5, 4),
        caption="tanh and its derivatives up to the fourth, each computed from the one before. "
        "Where one is highest or lowest, the next is zero.",
    )
    for order, values in enumerate(orders):
        axes.plot(x.numpy(), values.numpy(), label=["tanh", "1st", "2nd", "3rd", "4th"][order])
    axes.set(xlabel="x", ylabel="value")
    axes.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.15), columnspacing=1.2)
picture

# %% [markdown]
# **How to break it.**  Suppose a rule takes a short cut through arrays: `input.data`, the bare numbers, in place of
# `input`.  The first derivative is right.  And the second?

# %%
mg.engine.primitives.pop("bad_square", None)  # so that this cell can be run twice


@mg.engine.primitive
def bad_square(input):
    return input**2


bad_square.vjp(input=lambda g, out, input: g * mg.tensor(2 * input.data))

x = leaf(4.0)
for name, square in (("ours", mg.square), ("bad", bad_square)):
    y = square(x) * x  # x^3 again
    (first,) = mg.grad(y, x, create_graph=True)
    (second,) = mg.grad(first, x)
    print(f"{name:5} first derivative {first.item():g} (right: 48), second {second.item():g} (right: 24)")

# %% [markdown]
# No error, only a wrong number.  The first derivative is $2x \cdot x + x^2$; to the engine its $2x$ is the constant 8,
# because `2 * input.data` has no history, and the share $2 \cdot x = 8$ of the second derivative is lost.  That is why
# this library has one rule above all others: **forward sees arrays, gradient rules see Tensors.**
#
# ### Exercise 1.4: a rule that can be differentiated again
#
# *Softsign* is $f(x) = \dfrac{x}{1 + |x|}$, a cousin of tanh.  Write its rule with Tensor operations.  The check looks at
# your second derivative too.


# %%
def softsign_vjp(g, out, x):
    """The gradient of x / (1 + abs(x)) for x; g, out and x are Tensors."""
    return ...


exercises.softsign_vjp(softsign_vjp)

# %% [markdown]
# <details><summary>Hint</summary>
#
# For $x > 0$ the quotient rule gives $\frac{(1 + x) - x}{(1 + x)^2}$.  What changes for $x < 0$?  Python's `abs` works on
# Tensors.
#
# </details>
#
# ### Exercise 1.5: a Hessian times a vector
#
# The Hessian $H_{ij} = \partial^2 L/\partial x_i \partial x_j$ of a network with a million parameters has $10^{12}$
# entries.  But $H v$, for one vector $v$, costs only a few forward passes.  How?  With `mg.grad` alone: your function gets
# $f$, which turns a Tensor into a loss of one element, and the Tensors $x$ (it wants a gradient) and $v$.


# %%
def hvp(f, x, v):
    """The Hessian of f at x, times v: a Tensor of the shape of x."""
    return ...


exercises.hvp(hvp)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# $H v = \frac{\partial}{\partial x} \langle \nabla L, v \rangle$ for a constant $v$.  Both sides, element by element, are
# $\sum_j \frac{\partial^2 L}{\partial x_i \partial x_j} v_j$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `mg.grad` gives a tuple.  The inner gradient needs `create_graph=True`.
#
# </details>
#
# One kind of GAN, WGAN-GP, has the length of a gradient in its loss.  Training it differentiates that gradient: just what
# you have done here.
#
# ## 6. What detach does
#
# `t.detach()` has the values of `t` and none of its history: a constant that happens to be equal.  In full (`version`
# counts changes in place; the two share their memory, so they share the count):

# %%
show_source(mg.Tensor.detach)

# %%
x = leaf(3.0)
square, half = x * x, x * x.detach()
for name, y in (("x * x", square), ("x * x.detach()", half)):
    (gx,) = mg.grad(y, x, retain_graph=True)  # the graph is kept, to be drawn below
    print(f"{name:15} value {y.item():g}, derivative {gx.item():g}")
plot.graph(
    half, dict(x=x),
    caption="x * x.detach(). The grey box has the same value as x, but no arrow joins them: "
    "to the engine it is the constant 3.",
)  # fmt: skip

# %% [markdown]
# *Derivation.*  $L = x \cdot c$ with a constant $c$, so $\partial L/\partial x = c$.  That $c$ happens to equal $x$ comes
# in only afterwards, as a number.  The derivative is $x$, not $2x$: one of the two shares is missing.  Nudging would say 6.
# **Detach takes the derivative into our own hands: what comes out is what we ask for, and need not be the derivative of
# the value.**  There are two good reasons to use it.
#
# **1. A path that must not be followed.**  A GAN's discriminator $D$ learns to tell generated images $G(z)$ from real
# ones.  Its loss depends on the generator's parameters too, but this step must not change those: they would be made to
# help the discriminator.  In small, with $G(z) = a z$ and $D(u) = w u$:

# %%
a, w, z = leaf(0.5), leaf(2.0), mg.tensor(3.0, dtype="float64")
for fake, text in ((a * z, "D(G(z))"), ((a * z).detach(), "D(G(z).detach())")):
    score = w * fake
    ga, gw = mg.grad(score, [a, w], allow_unused=True)  # without it, a gradient that does not exist is an error
    print(f"{text:18} gradient for w: {gw.item():g}, for a: {'none' if ga is None else f'{ga.item():g}'}")

# %% [markdown]
# The discriminator's gradient is the same with or without; the generator's is gone, and so is the work of computing it.
#
# **2. A path whose shares cancel.**  Here the derivative stays the true one, and work is saved.  $\log\sum_i e^{x_i}$
# overflows for large $x$.  So one takes out the maximum $m$: $L = m + \log\sum_i e^{x_i - m}$, the same number for *any*
# $m$.  But $m$ is computed from $x$.  Must the engine go through it?
#
# $$\frac{\partial L}{\partial m} = 1 - \frac{\sum_i e^{x_i - m}}{\sum_i e^{x_i - m}} = 0 .$$
#
# Whatever goes through $m$ is multiplied by zero; and by zero for every $x$ and $m$, so higher derivatives lose nothing
# either.  So `m` is a constant, which is computed outside the graph; look for it:

# %%
show_source(mg.ops.reduce.logsumexp)

# %%
x = leaf([1.0, 3.0, 2.0])
m = x.max()
(with_path,) = mg.grad((x - m).exp().sum().log() + m, x)
(without,) = mg.grad(x.logsumexp(0), x)
print("through the maximum", with_path.numpy().round(6))
print("m detached         ", without.numpy().round(6))
print("nudging            ", nudge(lambda v: np.log(np.exp(v).sum()), x.numpy()).round(6))

# %% [markdown]
# `with mg.no_grad():` is the same for a whole block: nothing in it is written down, and no memory is kept.  Use it to
# compute without training.  And a Tensor made without `requires_grad=True` was a constant from the start.
#
# ### Exercise 1.6: a step with a pretended slope
#
# Rounding has derivative zero almost everywhere, so nothing can be learned through it.  Networks that must round anyway
# pretend: forward, they round; backward, they act as if they had done nothing (the *straight-through estimator*, Bengio,
# Léonard and Courville 2013).  Build it from `detach` and arithmetic.  `mg.tensor(np.round(x.data))` gives the rounded
# values, as a constant.


# %%
def round_through(x):
    """Values of round(x), gradient of x itself: a Tensor."""
    return ...


exercises.round_through(round_through)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Write the result as $x + (\text{something})$.  What must the something be worth, for the sum to be round($x$)?  And what
# must its gradient be?
#
# </details>
#
# ## 7. A network that learns
#
# `mg.grad` gives gradients back.  For training there is also `loss.backward()`, which puts them into the `.grad` of every
# leaf that wants one.  It **adds** to what is there:

# %%
w = leaf(5.0)
for call in (1, 2):
    (2 * w).backward()
    print(f"after {call} calls: w.grad = {w.grad.item():g}")

# %% [markdown]
# *Why add?*  The gradient of a sum of losses is the sum of their gradients.  A batch too large for the memory can be
# worked through in pieces, with a `backward()` for each.  The price: before each step somebody must clear the old
# gradients.
#
# Now everything together: a network with one hidden layer learns the sine.  No layers from a library, no optimizer: the
# engine, and a small step along *minus* the gradient, 2001 times.

# %%
random = np.random.default_rng(0)
inputs = mg.tensor(np.linspace(-3, 3, 64)[:, None])
targets = mg.tensor(np.sin(inputs.numpy()))
W1, b1 = leaf(random.normal(size=(1, 16))), leaf(random.normal(size=16))
W2, b2 = leaf(random.normal(size=(16, 1)) / 16), leaf(np.zeros(1))  # 16 shares add up: / 16 keeps the sum small
parameters = [W1, b1, W2, b2]


def network(inputs):
    return mg.tanh(inputs @ W1 + b1) @ W2 + b2


history = {"step": [], "loss": []}
for step in range(2001):
    loss = ((network(inputs) - targets) ** 2).mean()
    for w in parameters:
        w.grad = None
    loss.backward()
    for w in parameters:
        w.data = w.data - 0.1 * w.grad.data
    history["step"].append(step)
    history["loss"].append(loss.item())
    if step % 500 == 0:
        print(f"step {step:4}  loss {loss.item():.1g}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, (left, right) = plot.figure(
        1, 2, size=(8.5, 3.8),
        caption="Left: the loss falls by three orders of magnitude. Right: what the network makes of "
        "the 64 points it saw, and beyond them, where nothing told it what to do.",
    )  # fmt: skip
    left.semilogy(history["step"], history["loss"])
    left.set(xlabel="step", ylabel="mean squared error", ylim=(5e-4, 1.2))
    wide = np.linspace(-4.5, 4.5, 200)[:, None]
    right.plot(wide, np.sin(wide), label="sine")
    with mg.no_grad():
        right.plot(wide, network(mg.tensor(wide)).numpy(), label="network")
    right.axvspan(-3, 3, color="#eeeeee", zorder=0)
    right.text(0, 1.25, "seen in training", ha="center", fontsize=11)
    right.set(xlabel="x", ylabel="y", ylim=(-1.25, 1.5))
    right.legend(fontsize=11, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
picture

# %% [markdown]
# Is it right for every parameter?  The witness has the last word, on all 49 of them:

# %%
loss = ((network(inputs) - targets) ** 2).mean()
ours = mg.grad(loss, parameters)


def loss_with(k, array):
    """The loss with the k-th parameter replaced, in plain NumPy."""
    v1, c1, v2, c2 = (array if i == k else w.numpy() for i, w in enumerate(parameters))
    return np.mean((np.tanh(inputs.numpy() @ v1 + c1) @ v2 + c2 - targets.numpy()) ** 2)


for k, (name, w) in enumerate(zip(["W1", "b1", "W2", "b2"], parameters)):
    witness = nudge(lambda array, k=k: loss_with(k, array), w.numpy())
    agrees = np.abs(ours[k].numpy() - witness).max() < 1e-8
    print(f"{name}: {w.numel():2} derivatives, all within 1e-8 of the witness: {agrees}")

# %% [markdown]
# ## Why this sign, this scale, this detach?
#
# - **Why the minus in `w.data - 0.1 * w.grad.data`?**  The gradient points where the loss *rises* fastest; we want it to
#   fall.
# - **Why 0.1?**  The gradient is the slope *here*.  A longer step ends where the slope is another: with 0.3 this loss
#   explodes (try it).  A shorter step only takes more of them.
# - **Why is $g$ a factor in every rule?**  $\langle g, dy \rangle$ is all that $L$ sees of the operation: twice the $g$, twice
#   the gradient.
# - **Why a minus in the second rules of `sub` and `div`?**  Raising $w$ makes $x - w$ smaller, and $x / w$ too for
#   positive $x$ and $w$.
# - **Why does the sweep start with 1?**  $\partial L/\partial L = 1$.  If the result has several elements there is no
#   such natural start, and `mg.grad` asks for one: `grad_outputs`.
# - **Why the factor $1/N$ in the gradient of a mean?**  Each element is only an $N$-th of it.  So a loss with `mean` keeps
#   its scale when the batch grows, and one with `sum` grows with it, and with it every step.
# - **Why sums in `unbroadcast`, and where paths meet?**  Both are copies of one value, and the gradient of copying is
#   adding up.
# - **Why $J^\top g$ and not $J$?**  There is one loss and there are many parameters.  Going backwards, one pass serves
#   them all.  (Forwards, $J v$, one pass serves one direction $v$ and all outputs: better for one input and many outputs.)
# - **Why may the maximum in `logsumexp` be detached, and the mean in exercise 1.2 not?**  The maximum cancels: its share is
#   exactly zero.  The mean does not: without it the gradient would be $g$, and wrong.
# - **Why are arrays in Tensors read-only?**  Rules read their inputs long after the forward pass; a value changed in
#   between would give a wrong gradient without a word.  Here it gives an error.
#
# ## To a friend, in three sentences
#
# Every computation is a chain of small operations, each of which knows how to turn "how much does the loss change with
# my output" into "how much does it change with my inputs".  Going through the operations from the last to the first and
# adding up what meets gives all derivatives at once, for a few times the price of the computation.  And because those
# small rules are made of the same operations, one can do it again to the result.
#
# The solutions, with their reasons, are in `lessons/solutions/01_autograd.py`, for when you are right or truly stuck.
# What is left open: how far can nudging itself be trusted, and how would one catch a wrong rule?
