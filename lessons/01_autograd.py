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
# **The question.** A neural network has a million parameters.  One number, the *loss*, says how bad its results are.  In
# which direction should each parameter change, so that the loss becomes smaller?  The derivatives of the loss answer
# this.  How can a program find *all* of them for the price of computing the loss a few times, when we write down one
# rule for each *single* operation, and nothing else?
#
# The answer is **automatic differentiation** (自动微分), in short *autograd*.  For neural networks it has an older name,
# **backpropagation** (反向传播).  It is the base of PyTorch, JAX and TensorFlow, and of minigen.
#
# At the end you will be able to
#
# - derive the gradient rule of an operation, and check it;
# - build an autograd engine yourself, and explain why gradients flow backwards, why they are added, and in which order;
# - read the engine of this library;
# - compute gradients of gradients, and say what `detach` does and when to use it.
#
# You need NumPy, partial derivatives and the chain rule.  Plan three sittings of about an hour: sections 1 to 3,
# section 4, sections 5 to 7.  Run the cells in order (Shift+Enter).  Where a cell asks "what do you expect?", decide
# before you run it.  Six exercises check your answers; you can go on without solving them.
#
# New words are **bold** where they are explained, with their Chinese name; `docs/glossary.md` lists all of them.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x, w$ | `input`, `other` | what goes into an operation |
# | $y$ | `out` | what comes out |
# | $L$ | `loss` | the one number at the end |
# | $g = \partial L/\partial y$ | `g` | the *cotangent* of $y$: how much $L$ changes per unit of change in $y$ |
# | $\bar v = \partial L/\partial v$ | `gx` for $\bar x$ | the same for any $v$: the *gradient* (梯度) for $v$ |
# | $dx$, $dy$ | – | a small change of $x$, and the change of $y$ that follows |
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
    """A Tensor that wants a gradient; in double precision, because differences lose digits."""
    return mg.tensor(value, requires_grad=True, dtype="float64")


# %% [markdown]
# ## 1. The obvious way, and what it costs
#
# The derivative of $L$ with respect to $x_i$ says how much $L$ changes when $x_i$ changes a little.  So change it a little
# and see.  This is a **finite difference** (有限差分):
#
# $$\frac{\partial L}{\partial x_i} \approx \frac{L(x + h e_i) - L(x - h e_i)}{2h}$$
#
# where $e_i$ is 1 at place $i$ and 0 elsewhere, and $h$ is a small step.  (One step up *and* one down, because then the
# error from the curvature of $L$ cancels.  Lesson 2 says which $h$ is best.)


# %%
def numerical_gradient(f, x, h=1e-6):
    """The gradient of f at the array x, measured: each element in turn is moved up and down a little."""
    slope = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = h
        slope[i] = (f(x + step) - f(x - step)) / (2 * h)
    return slope


print(numerical_gradient(lambda x: np.sum(x**2), np.array([1.0, 2.0, 3.0])).round(6))

# %% [markdown]
# That is right: the derivative of $x_1^2 + x_2^2 + x_3^2$ is $(2x_1, 2x_2, 2x_3)$.  But it took $2n$ evaluations of $f$
# for $n$ numbers.  For a million parameters this is two *million* evaluations, for one step of training.
#
# We keep `numerical_gradient` for another purpose.  It knows nothing about gradient rules, so it cannot make the same
# mistakes as they do.  We check everything below against it.
#
# ## 2. One multiplication
#
# Let $y = x \cdot w$ be computed somewhere in the middle of something long that ends in a number $L$.  We do not know
# what comes after $y$.  But suppose that we are told $g = \partial L/\partial y$.  Then the chain rule (链式法则) gives
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
# This is *all* that one has to know about multiplication.  Here is minigen's, read from the installed file:

# %%
show_source(mg.mul)

# %% [markdown]
# Such an operation is called a **primitive** (原语): a function on arrays, and a **gradient rule** (求导规则) for each
# argument, its *vjp* (section 3 explains the letters).  A rule receives `g`, the result `out` and the inputs, and returns
# the gradient for its argument: `g * other` for the first factor, `g * input` for the second.  (`unbroadcast` is for
# arrays of different shapes; see section 3.)
#
# **Three ways to the same number.**  Take $L = \sin(x w)$ at $x = 2$, $w = 3$.  After the product comes a sine, so
# $g = \cos(xw)$.

# %%
g = np.cos(2.0 * 3.0)
print("by hand ", np.round([g * 3.0, g * 2.0], 6))

x, w = leaf(2.0), leaf(3.0)
gx, gw = mg.grad(mg.sin(x * w), [x, w])
print("engine  ", np.round([gx.item(), gw.item()], 6))

print("measured", numerical_gradient(lambda v: np.sin(v[0] * v[1]), np.array([2.0, 3.0])).round(6))

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
# ## 3. Arrays: products with a Jacobian that is never built
#
# Now $x$ has $n$ elements and $y = f(x)$ has $m$.  Each $x_i$ can change every $y_k$, and these contributions add up:
#
# $$\frac{\partial L}{\partial x_i} = \sum_k \frac{\partial L}{\partial y_k} \frac{\partial y_k}{\partial x_i}
# = \sum_k g_k J_{ki}, \qquad\text{that is}\qquad \frac{\partial L}{\partial x} = J^\top g .$$
#
# $J$ is the **Jacobian** (雅可比矩阵), the matrix of all partial derivatives.  The product of $g$ (as a row) with it,
# $g^\top J$, is a **vector-Jacobian product** (向量-雅可比积), in short *vjp*.  A gradient rule computes this product, and
# never the matrix.  How large would the matrix be, at 4 bytes a number, for one `tanh` on a batch of 64 color images of
# 64 x 64 pixels?  Decide before you run the cell: megabytes, gigabytes, terabytes?

# %%
n = 64 * 3 * 64 * 64
print(f"{n:,} elements; J would have {n * n:,} entries, {4 * n * n / 1e12:.1f} TB; J^T g has {n:,}")

# %% [markdown]
# **How to find a vjp** without indices.  Change $x$ by a small $dx$.  Then $y$ changes by $dy = J\,dx$, and $L$ changes by
# $\langle g, dy \rangle$.  Now write this as $\langle \text{something}, dx \rangle$, for *every* $dx$.  The something is
# the gradient, because $\langle g, J\,dx \rangle = \langle J^\top g, dx \rangle$.  Three examples:
#
# - **exp**, element by element: $dy = e^x\,dx$.  So $\langle g, e^x dx \rangle = \langle g\,e^x, dx \rangle$: multiply
#   $g$ by $e^x$, which is the output itself.
# - **sum**: $dy = \sum_i dx_i$.  So $g \sum_i dx_i = \langle (g, g, \dots, g), dx \rangle$: copy $g$ to every place.  In
#   the other direction, $y_i = x$ for every $i$ gives $\sum_i g_i\,dx$: the gradient of *copying* is *adding*.
# - **matrix product** $Y = AB$: $dY = dA\,B + A\,dB$.  An inner product of matrices is a trace,
#   $\langle G, M \rangle = \operatorname{tr}(G^\top M)$, and a trace stays the same when its last factor becomes the first:
#   $\operatorname{tr}(G^\top dA\, B) = \operatorname{tr}(B\,G^\top dA) = \langle G B^\top, dA \rangle$, because
#   $B\,G^\top = (G B^\top)^\top$; and in the same way $\operatorname{tr}(G^\top A\, dB) = \langle A^\top G, dB \rangle$.
#
# Find these three lines of mathematics in the source.  To read it: arguments after `*` (`dim`, `keepdim`) are settings
# without a gradient; `array_module` is NumPy, or CuPy for arrays on a GPU; `sum_array` is a sum with a small rounding
# error; `kept_shape` is the shape with the summed dimensions as 1, and `expand` copies along them; `find` gives the
# function that multiplies such arrays (lesson 4), and `transpose(other, -1, -2)` exchanges the last two dimensions.

# %%
show_source(mg.exp, mg.ops.reduce.sum_, mg.ops.linalg.matmul_)

# %% [markdown]
# To be sure, we build the Jacobian of a small matrix product after all, column by column, and multiply:

# %% tags=["varies"]
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
print(
    f"J^T g has elements up to {abs(jacobian.T @ G.ravel()).max():.2f}, and differs from G B^T by at most {abs(difference).max():.0e}"
)

# %% [markdown]
# **Broadcasting** (广播).  When a column of shape (3, 1) is multiplied with a matrix of shape (3, 4), NumPy uses each of
# its elements four times.  This is copying, so its gradient adds four contributions.  This is what `unbroadcast` did in
# the rules of `mul`.  (In it, `new` counts the dimensions that broadcasting added in front; `repeated` are those of
# length 1 that it stretched.)

# %%
column, matrix = leaf([[1.0], [2.0], [3.0]]), leaf(np.arange(12.0).reshape(3, 4))
(g_column,) = mg.grad((column * matrix).sum(), column)
print(g_column.numpy().ravel(), "= the sums of the rows,", matrix.numpy().sum(axis=1))
show_source(mg.ops.elementwise.unbroadcast)

# %% [markdown]
# ### Exercise 1.2: the gradient of centering
#
# The function $f(x)$ subtracts from every column of $x$, shape (N, D), its mean: in NumPy `x - x.mean(axis=0)`.  Every
# element of $x$ changes the result in two ways: directly, and through the mean.  What is the vjp?  (Batch normalization,
# which most GANs of these lessons use, begins with this step.)


# %%
def center_vjp(g, x):
    """The gradient of x - x.mean(axis=0) for x, given the cotangent g; both are arrays (N, D)."""
    return ...


exercises.center_vjp(center_vjp)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# For one column: $dy_k = dx_k - \frac1N \sum_j dx_j$.  Write $\langle g, dy\rangle = \sum_k g_k\,dy_k$ and collect the
# factor of each $dx_j$.
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
# Every computation, however long, applies primitives to results of primitives.  To go through it backwards, we must
# know how each number was made.  So let every number remember it.  This class is a complete recorder:


# %%
class Value:
    """A number that remembers how it was made: from which inputs, and its derivative for each of them."""

    def __init__(self, data, inputs=(), slopes=()):
        self.data, self.inputs, self.slopes = data, inputs, slopes
        self.grad = 0.0

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))


def sine(v):
    return Value(np.sin(v.data), (v,), (np.cos(v.data),))


x, w = Value(2.0), Value(3.0)
L = x + sine(x * w)
print(
    "L =",
    round(L.data, 6),
    "was made from",
    [round(float(v.data), 6) for v in L.inputs],
    "; the first is x:",
    L.inputs[0] is x,
)

# %% [markdown]
# Computing $L$ is the **forward pass** (前向传播).  While it ran, it left a record of all operations and their inputs,
# the **computational graph** (计算图).  Each operation is a **node** (节点); $x$ and $w$, which no operation made, are the
# **leaves** (叶节点).
#
# The **backward pass** (反向传播过程) goes through the nodes in the opposite direction and carries cotangents.  A node may
# pass its cotangent on only when it has received *all* contributions to it, so every node must come after all nodes that
# use its result.  An order in which each node comes after all that it depends on is a **topological order** (拓扑排序);
# we go through it from its end.


# %%
def topological_order(output):
    """All values that `output` was computed from, each after its inputs."""
    order, seen = [], set()

    def visit(v):
        if id(v) not in seen:
            seen.add(id(v))
            for source in v.inputs:
                visit(source)
            order.append(v)

    visit(output)
    return order


def backward(output):
    output.grad = 1.0  # dL/dL
    for v in reversed(topological_order(output)):
        for source, slope in zip(v.inputs, v.slopes):
            source.grad = slope * v.grad  # the chain rule


backward(L)
print("our engine", np.round([x.grad, w.grad], 6))
print("measured  ", numerical_gradient(lambda v: v[0] + np.sin(v[0] * v[1]), np.array([2.0, 3.0])).round(6))

# %% [markdown]
# The gradient for $w$ is right, the one for $x$ is wrong by exactly 1.  Where does the mistake come from?  Decide before
# you read on.
#
# $x$ is used twice: in the sum and in the product.  Each use sends a contribution to $x$.  `source.grad = ...` keeps only
# the last one and *overwrites* the other.  But the contributions must be **accumulated** (梯度累加).  Why added?  Call the
# two uses $a$ and $b$: $L = F(a, b)$ with $a = x$ and $b = x$.  A change $dx$ changes both, so
# $dL = \frac{\partial F}{\partial a} dx + \frac{\partial F}{\partial b} dx$.  (It is the gradient of copying again.)
#
# This is the most common bug of a first autograd engine, and it stays hidden as long as no value is used twice.  The
# repair is one character:


# %%
def backward(output):
    output.grad = 1.0
    for v in reversed(topological_order(output)):
        for source, slope in zip(v.inputs, v.slopes):
            source.grad += slope * v.grad  # added, because a value may be used more than once


x, w = Value(2.0), Value(3.0)
L = x + sine(x * w)
backward(L)
print("our engine", np.round([x.grad, w.grad], 6))
print("measured  ", numerical_gradient(lambda v: v[0] + np.sin(v[0] * v[1]), np.array([2.0, 3.0])).round(6))

# %% [markdown]
# This is an autograd engine in 30 lines.  (Andrej Karpathy's *micrograd*, which made this way of teaching known, has
# the same parts.)  It computes with single numbers and gives first derivatives only.  minigen's engine differs in three
# points, and otherwise does the same:
#
# | here | minigen | why |
# |---|---|---|
# | `slopes`: numbers, computed in the forward pass | a gradient rule, run in the backward pass | a Jacobian is too large to keep; a vjp is not |
# | rules compute with numbers | rules compute with Tensors | so that the backward pass can be differentiated too (section 5) |
# | the order is found by `visit` | each node has a number, which grows with time | no recursion: a graph may be 100,000 nodes deep |
#
# ### The same in minigen
#
# `t.node` holds the primitive that made the Tensor `t`, and its inputs; the node of a leaf is None.  A node is written
# when a primitive is called:

# %%
show_source(mg.engine.Primitive.__call__, mg.engine.Node.__init__)

# %% [markdown]
# Line by line: the inputs become Tensors; `forward` computes with their arrays; the loop looks whether any input wants a
# gradient (its other lines count changes of arrays in place, so that a later backward pass can notice them); if one does,
# the result gets a `Node`.  That is the whole recording.  Here is what it wrote for $L = x + \sin(x w)$:

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
# Now go through it **backwards** with pencil and paper, and carry cotangents.  Write $\bar v$ for $\partial L/\partial v$.
#
# | at | rule | contributions to its inputs | known now |
# |---|---|---|---|
# | $L$ | the start | | $\bar L = \partial L/\partial L = 1$ |
# | $L = x + s$ | `add`: both derivatives are 1 | $1$ to $x$, $1$ to $s$ | $\bar s = 1$; of $\bar x$ a part |
# | $s = \sin p$ | `sin`: times the cosine | $\bar s \cos p$ to $p$ | $\bar p = \cos p$ |
# | $p = x w$ | `mul`: times the other factor | $\bar p\,w$ to $x$, $\bar p\,x$ to $w$ | $\bar x = 1 + w\cos p$, $\bar w = x \cos p$ |

# %%
print("by hand ", np.round([1 + 3 * np.cos(6), 2 * np.cos(6)], 6))
print("engine  ", np.round([d.item() for d in mg.grad(L, [x, w])], 6))
print("measured", numerical_gradient(lambda v: v[0] + np.sin(v[0] * v[1]), np.array([2.0, 3.0])).round(6))

# %% [markdown]
# minigen's backward pass is your table, row by row.  Its source has about fifty lines, because it is also fast and frees
# memory.  Without that it has eight.  Here they are, for our `Value`.  One thing is new: the cotangents are in a
# dictionary and not in the values themselves, so a second pass does not add to the numbers of the first:


# %%
def core(output, wanted):
    """The derivatives of `output` for the values in the list `wanted`."""
    graph = topological_order(output)  # in minigen: _graph
    cotangents = {id(output): 1.0}  # the first row of the table
    while graph:
        v = graph.pop()  # the newest; all that used it have been here, so its cotangent is complete
        for source, slope in zip(v.inputs, v.slopes):
            share = slope * cotangents[id(v)]  # in minigen: apply_vjps
            cotangents[id(source)] = cotangents.get(id(source), 0.0) + share  # in minigen: add
    return [cotangents[id(v)] for v in wanted]


a, b = Value(2.0), Value(3.0)
print("core    ", np.round(core(a + sine(a * b), [a, b]), 6))

# %% [markdown]
# Now minigen's.  Find the same eight lines first, by their names: `_graph`, `cotangents`, `graph.pop()`, `apply_vjps`, `add`.
# (`_graph` collects what the result was computed from and sorts it by age: a node is always newer than its inputs, so this
# is a topological order.)

# %%
show_source(mg.engine._graph, mg.engine._backward_pass)

# %% [markdown]
# The lines that are in `core` too:
#
# - `add(t, _check_grad_output(...))` is the first row: the pass starts with $\bar L = 1$.
# - `graph.pop()` takes the newest Tensor.  The leaves, sorted as $-1$, come last; they have no inputs.
# - `cotangents` holds what each Tensor has received so far.  After use it is dropped (`pop`), unless it was `wanted`.
# - `read_inputs` gives the inputs of a node, or an error if one of them, or the result, was changed since.
# - `apply_vjps` runs the rules of the primitive, for those inputs that need it; `add` adds each gradient to what is there.
#
# And what the others are for:
#
# - `uses` (and `rule_for_uses`) is for speed only: many slices of one Tensor would each give a full-size array, so their
#   contributions are summed in one array when the Tensor's turn comes.  You can skip these lines.
# - `later` (and `add_later`) is for speed only, too: on a GPU many leaves' sums, which are needed last, are computed together.
# - `useful` leaves out what is not on a path from `outputs` to the `inputs` whose gradients are `wanted`.
# - At the end a node forgets its inputs (`node.inputs = None`), so that the memory is free as soon as possible.
#   `retain_graph=True` prevents this, for a second backward pass over the same graph.
# - `enable_grad() if create_graph else no_grad()`: should the backward pass itself be recorded?  See section 5.
#
# ### An experiment: following every path
#
# One could also compute, for each *path* from $L$ to $x$, the product of the derivatives along it, and add these products.
# This is the same number.  How many rules would have to run?  We double a number $k$ times ($x + x$, and again), so that
# two arrows join each result to the next.  What do you expect for $k = 12$: 24, 144 or 8,190?


# %%
def rules_path_by_path(t):
    """How many rules run if every path is followed by itself."""
    return sum(1 + rules_path_by_path(x) for x in t.node.inputs) if t.node else 0


def rules_in_a_pass(t):
    """How many rules run if every node is visited once: one for each of its inputs."""
    found, waiting = {}, [t]
    while waiting:
        t = waiting.pop()
        if t.node and id(t) not in found:
            found[id(t)] = len(t.node.inputs)
            waiting.extend(t.node.inputs)
    return sum(found.values())


depths = range(1, 13)
paths, passes = [], []
for k in depths:
    t = leaf(1.0)
    for _ in range(k):
        t = t + t
    paths.append(rules_path_by_path(t))
    passes.append(rules_in_a_pass(t))
print(f"12 doublings: {paths[-1]:,} rules path by path, {passes[-1]} in a backward pass")

x = leaf(1.0)
t = x
for _ in range(60):
    t = t + t
(gx,) = mg.grad(t, x)
print(f"60 doublings, in a backward pass: {gx.item():,.0f}, and 2**60 = {2**60:,}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.6),
        caption="Rules run to differentiate k doublings. Path by path their number about doubles with every "
        "step (the vertical axis is logarithmic); the backward pass runs two a step.",
    )
    axes.semilogy(depths, paths, marker="o", label="path by path")
    axes.semilogy(depths, passes, marker="s", label="backward pass, newest to oldest")
    axes.set(xlabel="number of doublings k", ylabel="rules run", xticks=list(depths))
    axes.legend()
picture

# %% [markdown]
# ### Exercise 1.3: write the backward pass
#
# Write `mg.grad` for one output and one input, on minigen's graph.  For a Tensor `t`, `t.node` is None if it is a leaf;
# otherwise there are `t.node.inputs` (Tensors), `t.node.sequence_number` (a number that grows with time),
# `t.node.params`, and `t.node.primitive`, of which you need
#
#     t.node.primitive.apply_vjps(positions, g, t, t.node.inputs, t.node.params)
#
# It runs the gradient rules and gives pairs `(i, contribution)`: the input's position and the gradient for it.  Positions
# are those you are interested in, such as `range(len(t.node.inputs))`.  Use `id(t)` as the key of a dictionary (`==`
# compares values, as in NumPy), and `mg.ones_like(output)` to start.  Ten to fifteen lines.


# %%
def my_grad(output, x):
    """The gradient of `output`, a Tensor of one element, with respect to the Tensor `x`."""
    # 1. Collect every Tensor that `output` was computed from, each once.
    # 2. Start with a cotangent of 1 for `output`.
    # 3. From the newest to the oldest: run the rules, add each contribution to the cotangent of its input.
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
# node.  The cotangents are a dictionary from `id(t)` to a Tensor; a contribution starts an entry or is added to it.
#
# </details>
#
# ### What it costs
#
# A rule reads and writes arrays of the same sizes as its operation, and costs about as much.  (A matrix product has two
# rules, and each is one matrix product.)  So the whole gradient costs a small multiple of the forward pass, *however many
# inputs there are*.  This is **reverse mode** (反向模式).  There is a theorem: if a program consists of additions,
# subtractions, multiplications and divisions alone, then $L$ with its whole gradient takes at most 5 times as many of them
# as $L$ alone (Baur and Strassen, 1983).  Now the time, on your machine, for $L = \sum_i \tanh(x_i)^2 \sin(x_i)$:


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
forward, both, measured = [], [], []
for n in sizes:
    x = leaf(np.linspace(-1, 1, n))
    forward.append(seconds(loss, x))
    both.append(seconds(lambda x=x: mg.grad(loss(x), x)))
    if n <= 1000:
        measured.append(seconds(numerical_gradient, lambda v: loss(mg.tensor(v)).item(), x.numpy()))
print(f"a million inputs: L {forward[-1] * 1e3:.0f} ms, with gradient {both[-1] * 1e3:.0f} ms")
print(f"a thousand inputs: differences take {measured[-1] / both[2]:.0f} times as long as the backward pass")

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7, 3.8),
        caption="Time for L alone, for L with all its n derivatives, and for the derivatives by differences; both axes "
        "are logarithmic. The first two stay a small factor apart. Differences take ten times as long for ten times "
        "the inputs even where L itself does not.",
    )
    axes.loglog(sizes, np.array(forward) * 1e3, marker="o", label="L")
    axes.loglog(sizes, np.array(both) * 1e3, marker="s", label="L and gradient, backward pass")
    axes.loglog(sizes[: len(measured)], np.array(measured) * 1e3, marker="^", label="gradient, differences")
    axes.set(xlabel="number of inputs n", ylabel="time (ms)")
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.45, 1.18), columnspacing=1.2, fontsize=11)
picture

# %% [markdown]
# This answers the question at the top.  Below ten thousand inputs you see the fixed cost of each operation, which is the
# same for one number as for many (and larger backwards, where there are more operations).  The price of reverse mode is
# memory: the rules read the inputs of every operation, so all of them are kept until the backward pass has used them.
#
# ## 5. Gradients of gradients
#
# Look at a rule again: `g * other`.  It is written with *Tensor* operations.  So a backward pass is itself a computation
# with primitives, and can be recorded in a graph like any other: `create_graph=True` does this.  Then differentiate the
# result.  This is called **double backward** (二次反向传播).

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
# Nothing had to be added to the engine: the rules for second derivatives are those for first ones.  The rule of `tanh`
# shows how:

# %%
show_source(mg.tanh)

# %% [markdown]
# *Derivation.*  $\tanh' = 1 - \tanh^2$, and $\tanh x$ is known: it is `out`.  Hence `1 - out * out`.  Here `out` is not an
# array but the Tensor that came out, with its node.  When this rule is differentiated, the path goes through `out` back
# to `x`, by the rule of `tanh`.  Four times in a row:

# %% tags=["varies"]
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
    print(
        f"order {order}: largest value {abs(formula).max():.3f}; largest difference from the formula {difference:.0e}"
    )

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
# There is no error, only a wrong number.  The first derivative is $2x \cdot x + x^2$.  For the engine, its $2x$ is the
# constant 8, because `2 * input.data` has no history, and the term $2 \cdot x = 8$ of the second derivative is lost.  So
# this library has one rule above all others: **forward sees arrays, gradient rules see Tensors.**
#
# ### Exercise 1.4: a rule that can be differentiated again
#
# *Softsign* is $f(x) = \dfrac{x}{1 + |x|}$, a function similar to tanh.  Write its rule with Tensor operations.  The check looks at
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
# The **Hessian** (黑塞矩阵) $H_{ij} = \partial^2 L/\partial x_i \partial x_j$ of a network with a million parameters has $10^{12}$
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
# One kind of GAN, WGAN-GP, has the length of a gradient in its loss.  Its training differentiates that gradient, as you
# have done here.
#
# ## 6. What detach does
#
# `t.detach()` has the values of `t` and none of its history: for the engine it is a constant.  It **detaches** the value
# from the graph (截断梯度).  The source (`version` counts changes in place; both share their memory, so they share the
# count):

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
    caption="x * x.detach(). The gray box has the same value as x, but no arrow joins them: "
    "to the engine it is the constant 3.",
)  # fmt: skip

# %% [markdown]
# *Derivation.*  $L = x \cdot c$ with a constant $c$, so $\partial L/\partial x = c$.  Only afterwards, as a number, is $c$
# equal to $x$.  The result is $x$, not $2x$: one of the two contributions is missing.  A finite difference would say 6.
# **With detach, we decide which paths count.  The result need not be the derivative of the value.**  There are two good
# reasons to use it.
#
# **1. A path that must not be followed.**  A GAN's discriminator $D$ learns to tell generated images $G(z)$ from real
# ones.  Its loss depends on the generator's parameters too, but this step must not change those: they would move so that
# the discriminator's work becomes easier.  A small example, with $G(z) = a z$ and $D(u) = w u$:

# %%
a, w, z = leaf(0.5), leaf(2.0), mg.tensor(3.0, dtype="float64")
for fake, text in ((a * z, "D(G(z))"), ((a * z).detach(), "D(G(z).detach())")):
    score = w * fake
    ga, gw = mg.grad(score, [a, w], allow_unused=True)  # without it, a gradient that does not exist is an error
    print(f"{text:18} gradient for w: {gw.item():g}, for a: {'none' if ga is None else f'{ga.item():g}'}")

# %% [markdown]
# The discriminator's gradient is the same with and without `detach`; the generator's is gone, and so is the work of
# computing it.
#
# **2. A path whose contributions cancel.**  Here the derivative stays the true one, and work is saved.  $\log\sum_i e^{x_i}$
# overflows for large $x$.  So we take out the maximum $m$: $L = m + \log\sum_i e^{x_i - m}$, the same number for *any*
# $m$.  But $m$ is computed from $x$.  Must the engine go through it?
#
# $$\frac{\partial L}{\partial m} = 1 - \frac{\sum_i e^{x_i - m}}{\sum_i e^{x_i - m}} = 0 .$$
#
# Everything that passes through $m$ is multiplied by zero, for every $x$ and $m$; so higher derivatives lose nothing
# either.  Therefore `m` may be a constant, computed outside the graph.  Find it in the source (`constant` makes a Tensor
# without history; the other lines are for infinite values and for shapes):

# %%
show_source(mg.ops.reduce.logsumexp)

# %%
x = leaf([1.0, 3.0, 2.0])
m = x.max()
(with_path,) = mg.grad((x - m).exp().sum().log() + m, x)
(without,) = mg.grad(x.logsumexp(0), x)
print("through the maximum", with_path.numpy().round(6))
print("m detached         ", without.numpy().round(6))
print("measured           ", numerical_gradient(lambda v: np.log(np.exp(v).sum()), x.numpy()).round(6))

# %% [markdown]
# `with mg.no_grad():` does this for a whole block: nothing in it is recorded, and no memory is kept.  Use it to compute
# without training.  And a Tensor made without `requires_grad=True` is a constant from the start.
#
# ### Exercise 1.6: rounding with a gradient
#
# Rounding has derivative zero almost everywhere, so a network cannot learn through it.  Networks that must round use a
# trick, the *straight-through estimator* (Bengio, Léonard and Courville 2013): in the forward pass they round, in the
# backward pass they treat rounding as the identity.  Build it from `detach` and arithmetic.  `mg.tensor(np.round(x.data))` gives the rounded
# values, as a constant.


# %%
def round_through(x):
    """Values of round(x), gradient of x itself: a Tensor."""
    return ...


exercises.round_through(round_through)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Write the result as $x + (\text{something})$.  Which value must the something have, so that the sum is round($x$)?  And
# which gradient?
#
# </details>
#
# ## 7. A network that learns
#
# `mg.grad` returns gradients.  For training there is also `loss.backward()`, which stores them in the `.grad` of every
# leaf that wants one.  It **adds** to what is there (names and behavior are those of PyTorch):

# %%
w = leaf(5.0)
for call in (1, 2):
    (2 * w).backward()
    print(f"after {call} calls: w.grad = {w.grad.item():g}")

# %% [markdown]
# *Why add?*  The gradient of a sum of losses is the sum of their gradients.  So a batch that is too large for the memory
# can be divided into pieces, with one `backward()` for each.  The price: the old gradients must be cleared before each
# step.
#
# Now everything together: a network with one hidden layer learns the sine.  It uses no layers from a library and no
# optimizer, only the engine and a small step along *minus* the gradient, 2001 times.

# %%
random = np.random.default_rng(0)
inputs = mg.tensor(np.linspace(-3, 3, 64)[:, None])
targets = mg.tensor(np.sin(inputs.numpy()))
W1, b1 = leaf(random.normal(size=(1, 16))), leaf(random.normal(size=16))
W2, b2 = leaf(random.normal(size=(16, 1)) / 16), leaf(np.zeros(1))  # 16 terms add up: / 16 keeps the sum small
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
        "the 64 points that it saw, and beyond them, where it had no data.",
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
# Is the gradient right for every parameter?  We measure all 49 of them:

# %% tags=["varies"]
loss = ((network(inputs) - targets) ** 2).mean()
ours = mg.grad(loss, parameters)


def loss_with(k, array):
    """The loss with the k-th parameter replaced, in plain NumPy."""
    v1, c1, v2, c2 = (array if i == k else w.numpy() for i, w in enumerate(parameters))
    return np.mean((np.tanh(inputs.numpy() @ v1 + c1) @ v2 + c2 - targets.numpy()) ** 2)


for k, (name, w) in enumerate(zip(["W1", "b1", "W2", "b2"], parameters)):
    reference = numerical_gradient(lambda array, k=k: loss_with(k, array), w.numpy())
    difference = np.abs(ours[k].numpy() - reference).max()
    print(
        f"{name}: {w.numel():2} derivatives up to {np.abs(reference).max():.0e}, "
        f"largest difference from the measured ones {difference:.0e}"
    )

# %% [markdown]
# ## Why this sign, this scale, this detach?
#
# - **Why the minus in `w.data - 0.1 * w.grad.data`?**  The gradient points where the loss *rises* fastest; we want it to
#   fall.
# - **Why 0.1?**  The gradient is the slope *here*.  A long step ends where the slope is different: with 0.3 this loss
#   explodes (try it).  A shorter step only needs more of them.
# - **Why is $g$ a factor in every rule?**  $\langle g, dy \rangle$ is all that $L$ sees of the operation: twice the $g$, twice
#   the gradient.
# - **Why a minus in the second rules of `sub` and `div`?**  A larger $w$ makes $x - w$ smaller, and $x / w$ too for
#   positive $x$ and $w$.
# - **Why does the backward pass start with 1?**  $\partial L/\partial L = 1$.  A result with several elements has no such
#   natural start, and `mg.grad` asks for one: `grad_outputs`.
# - **Why the factor $1/N$ in the gradient of a mean?**  Each element is only an $N$-th of it.  So a loss with `mean` keeps
#   its scale when the batch grows.  A loss with `sum` grows with the batch, and so does every step.
# - **Why sums in `unbroadcast`, and where paths meet?**  Both are copies of one value, and the gradient of copying is
#   adding.
# - **Why $J^\top g$ and not $J$?**  There is one loss and there are many parameters.  In reverse mode, one pass serves all
#   parameters.  In **forward mode** (前向模式), $J v$, one pass serves one direction $v$ and all outputs: better for one
#   input and many outputs.
# - **Why may the maximum in `logsumexp` be detached, and the mean in exercise 1.2 not?**  The contribution of the maximum
#   is exactly zero.  The contribution of the mean is not: without it the gradient would be $g$, and wrong.
# - **Why are arrays in Tensors read-only?**  Rules read their inputs long after the forward pass.  A value changed in
#   between would give a wrong gradient without any message.  Here it gives an error.
#
# ## To a friend, in three sentences
#
# Every computation is a chain of small operations, and for each of them we know how to turn "how much does the loss change
# with its output" into "how much does the loss change with its inputs".  If we go through the operations from the last to
# the first, and add the contributions where paths meet, we get all derivatives at once, for a few times the price of the
# computation.  Because the rules consist of the same operations, we can do it again to the result.
#
# The solutions, with their reasons, are in `lessons/solutions/01_autograd.py`.  Open them when your answer is right, or
# after an honest try.  One question is left: how far can we trust finite differences, and how do we find a wrong rule?
# That is lesson 2.
