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
# # 3. Convolution and its two adjoints
#
# **The question.** A discriminator makes images smaller with **convolutions** (卷积), a generator makes them larger with
# **transposed convolutions** (转置卷积), and training needs the gradients of both, for their images and for their weights.
# These seem to be six operations.  They are three, and the three come from one sum.  Which sum?
#
# At the end you will be able to
#
# - write a convolution and both its gradients in one loop, and test all three at once, without finite differences;
# - compute sizes and padding, and say why a stride loses the size of its input;
# - say what a transposed convolution is, and what it is not;
# - predict checkerboards in generated images before training, and avoid them.
#
# You need lesson 1 (what a vjp is, and $\langle g, J\,dx\rangle = \langle J^\top g, dx\rangle$).  Plan three sittings of about
# an hour: sections 1 to 3, sections 4 and 5, sections 6 to 8.  (Times are estimates for a reader who looks words up; they
# include the exercises.)  Six exercises check your answers; you can go on without solving them.  New words are **bold**, with
# their Chinese name (`docs/glossary.md` has all).
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x$ | `x` | the input: $N$ images of $C$ **channels** (通道), $H \times W$ pixels |
# | $w$ | `w` | the kernel, also called filter or weight: $O \times C \times R \times S$ numbers; a single one is a *tap* |
# | $y$ | `y` | the output: $N$ images of $O$ channels, $P \times Q$ pixels |
# | $g$ | `g` | the cotangent of $y$, of the same shape |
# | $\bar x, \bar w$ | `gx`, `gw` | the gradients for $x$ and for $w$ |
# | $s, d$ | `stride`, `dilation` | the **stride** (步长): the step between windows; the **dilation** (空洞率): the step between the taps of a window |
# | $t, b$ | `before`, `after` | the **padding** (填充): zeros before and after the input (top and bottom, left and right) |
# | $i, r, p$ | `i`, `r`, `p` | a place in the input, in the kernel, in the output |
# | $\Phi(x, w, g)$ | | the sum of section 2 |
# | $\mathcal C, \mathcal T, \mathcal W$ | `conv2d`, `conv2d_input_grad`, `conv2d_weight_grad` | the convolution and its two **adjoints** (伴随) |
# | $u, v$ | | cotangents of $\mathcal T$ and of $\mathcal W$ |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import numpy as np

import minigen as mg
import minigen.functional as F
from minigen import plot
from minigen.course import convolution as exercises
from minigen.course import show_source
from minigen.data import load
from minigen.kernels import reference
from minigen.kernels.shapes import output_size

mg.kernels.use("reference")  # the plain NumPy kernels, to be read here; the fast ones are lesson 4
random = np.random.default_rng(0)

# %% [markdown]
# ## 1. A window that slides
#
# Begin with one dimension: a row of inputs $x_i$ and a kernel of $R$ taps $w_r$.  Put the kernel on the row, multiply each
# tap with the input under it, and add: this is one output.  Move the kernel by the stride $s$: the next output.  Zeros
# around the row, the padding, let the window reach over the border.
#
# $$y_p = \sum_{r=0}^{R-1} w_r\, x_{i}, \qquad i = p\,s + r\,d - t .$$
#
# The equation between three places, $i = ps + rd - t$, is the main thing: **output $p$ uses input $i$ with tap $r$.**  (The
# dilation $d$ is 1 for neighboring taps, and 2 to leave out every other input.)

# %% jupyter={"source_hidden": true}
SHADES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"]


def draw_windows(axes, size, kernel, stride, before=0, after=0, dilation=1, title=None):
    """A row for each output; in it the inputs that its window meets, with the number of the tap."""
    outputs = output_size(size, kernel, stride, (before, after), dilation)
    for p in range(outputs):
        for i in range(-before, size + after):
            inside = 0 <= i < size
            axes.fill_between(
                [i - 0.5, i + 0.5], p - 0.4, p + 0.4, facecolor="#f2f2f2" if inside else "white",
                edgecolor="#999999", linestyle="-" if inside else ":",
            )  # fmt: skip
        for r in range(kernel):
            i = p * stride + r * dilation - before
            cell = [i - 0.5, i + 0.5]
            axes.fill_between(cell, p - 0.4, p + 0.4, facecolor=SHADES[r % 5], edgecolor="black", alpha=0.8)
            axes.text(i, p, f"{r}", ha="center", va="center", fontsize=11, color="white" if r in (0, 2) else "black")
    axes.set(xlabel="input i", ylabel="output p", yticks=range(outputs), xlim=(-before - 0.6, size + after - 0.4))
    axes.set_xticks(range(-before, size + after, 1 if size < 12 else 3))
    axes.set_ylim(outputs - 0.4, -0.6)
    axes.grid(False)
    axes.set_title(title, fontsize=11)


with plot.style():
    picture, axes = plot.figure(
        1, 3, size=(9, 3.3),
        caption="Each row is one output, the numbers are the taps, dotted cells are padding. Left: stride 1 with one zero on "
        "either side. Middle: stride 2. Right: stride 1 and dilation 2.",
    )  # fmt: skip
    draw_windows(axes[0], 6, 3, 1, 1, 1, title="stride 1, padding 1 and 1")
    draw_windows(axes[1], 7, 3, 2, title="stride 2")
    draw_windows(axes[2], 7, 3, 1, dilation=2, title="dilation 2")
picture


# %%
def convolve(x, w, stride=1, before=0, after=0, dilation=1):
    """A convolution in one dimension, as the equation says."""
    outputs = output_size(len(x), len(w), stride, (before, after), dilation)
    y = np.zeros(outputs)
    for p in range(outputs):
        for r in range(len(w)):
            i = p * stride + r * dilation - before
            if 0 <= i < len(x):  # elsewhere is padding: zero
                y[p] += w[r] * x[i]
    return y


print(convolve(np.array([0.0, 0, 1, 1, 1, 0, 0]), np.array([-1.0, 0, 1])))

# %% [markdown]
# The kernel $(-1, 0, 1)$ computes the right neighbor minus the left one: it finds edges.  For images the same holds in both
# directions, with a sum over the channels:
#
#     y[n, o, p, q] = sum over c, r, k of  w[o, c, r, k] * x[n, c, p*stride + r*dilation - top, q*stride + k*dilation - left]
#
# (`r` counts the taps from top to bottom, `k` from left to right.)  A filter $o$ uses *all* input channels $c$; its output is
# a **feature map** (特征图).  One digit, two filters:

# %%
digit = load("mnist5k", size=28).images[2150:2151].astype(np.float64) / 2 + 0.5  # 0 is black, 1 is white
horizontal = np.array([[-1.0, 0, 1]] * 3)
filters = np.stack([horizontal, horizontal.T])[:, None]  # 2 filters, 1 channel, 3 x 3
edges = F.conv2d(mg.tensor(digit), mg.tensor(filters), padding="same")
print("x", digit.shape, "  w", filters.shape, "  y", edges.shape)

# %% jupyter={"source_hidden": true}
plot.show_images(
    np.concatenate([digit * 2 - 1, edges.numpy().swapaxes(0, 1) / 3]),
    ["a digit", "right minus left", "below minus above"],
    caption="Two filters of 3 x 3 taps. In the filters' outputs gray is zero; white where the digit gets brighter to the right (middle) or "
    "downwards (right), black where it gets darker.",
)

# %% [markdown]
# *A name.*  In mathematics, "convolution" flips the kernel first, and what we do is a *cross-correlation* (互相关).  The kernel
# is learned, so this makes no difference, and all of deep learning says convolution.  But the flipped kernel comes back in
# section 5.
#
# ## 2. One sum, three sides
#
# What are the gradients?  Let $g$ be the cotangent of $y$: how much the loss $L$ changes per unit of each output.  A
# small change of $x$ or $w$ changes $y$, and so $L$, by $dL = \langle g, dy\rangle$ (lesson 1).  So look at the sum
#
# $$\Phi(x, w, g) = \langle y, g \rangle = \sum_{(i,\,r,\,p)} x_i\; w_r\; g_p
# \qquad\text{over all triples with } i = ps + rd - t .$$
#
# Every colored cell in the picture above is one triple, and one product of three numbers.  $\Phi$ is **linear in $x$,
# linear in $w$ and linear in $g$**: a *trilinear form*.  Nothing in it says which of the three is "the output".
# Find the coefficient of each $g_p$, of each $x_i$ and of each $w_r$:
#
# $$\underbrace{y_p = \sum_{i, r} x_i\, w_r}_{\textstyle \mathcal C(x, w)} \qquad
# \underbrace{\bar x_i = \sum_{r, p} w_r\, g_p}_{\textstyle \mathcal T(g, w)} \qquad
# \underbrace{\bar w_r = \sum_{i, p} x_i\, g_p}_{\textstyle \mathcal W(x, g)}$$
#
# The first is the convolution.  The second is the gradient for $x$: change $x$ by $dx$, and
# $dL = \Phi(dx, w, g) = \langle dx, \mathcal T(g, w)\rangle$, exactly, because $\Phi$ is linear in $x$.  The third is the gradient for
# $w$, for the same reason.  $\mathcal T$ and $\mathcal W$ are the two *adjoints* of $\mathcal C$.
#
# ### Exercise 3.1: one loop, three sums
#
# Write all three, in one dimension (with dilation 1).  `g` has one number for each output, so it says how many outputs there
# are; the padding after the last input need not be given.


# %%
def triad(x, w, g, stride, before):
    """The convolution of x with w, and its gradients for x and for w given the cotangent g; arrays of one dimension."""
    y = ...
    gx = ...
    gw = ...
    return y, gx, gw


exercises.triad(triad)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Begin with `y, gx, gw = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)`, and take the two loops of `convolve`.
# In the innermost line you have $i$, $r$ and $p$: one triple.  It adds one product to `y[p]`, one to `gx[i]` and one to
# `gw[r]`.
#
# </details>
#
# ### A test for all three at once
#
# Put the definitions together.  $\Phi$ is one number, so
#
# $$\langle \mathcal C(x, w),\, g\rangle = \langle x,\, \mathcal T(g, w)\rangle = \langle w,\, \mathcal W(x, g)\rangle .$$
#
# This **triad identity** holds for *every* $x$, $w$ and $g$, so we can test it with random numbers.  There is no step size and
# no tolerance to choose, as there was with finite differences: there is only rounding.  Here are our three kernels, in
# NumPy, on images: odd sizes, four different paddings, different strides and dilations, two groups.  (*Groups* divide the
# channels into parts; each filter uses one part.  `padding` is ((top, bottom), (left, right)).)

# %%
settings = dict(stride=(2, 3), padding=((1, 2), (0, 3)), dilation=(2, 1), groups=2)
x = random.normal(size=(3, 4, 11, 13))
w = random.normal(size=(6, 2, 3, 4))  # 6 filters; each sees 4 channels / 2 groups = 2
y = reference.conv2d(x, w, **settings)
g = random.normal(size=y.shape)
gx = reference.conv2d_input_grad(g, w, input_size=x.shape[2:], **settings)
gw = reference.conv2d_weight_grad(x, g, kernel_size=w.shape[2:], **settings)
for name, value in (("<y, g> ", (y * g).sum()), ("<x, gx>", (x * gx).sum()), ("<w, gw>", (w * gw).sum())):
    print(f"{name} = {value:.9f}")

# %% [markdown]
# How sharp is the test?  We plant some common bugs.  *Decide before you look*: does each of them change $\langle x, gx\rangle$ or
# $\langle w, gw\rangle$?

# %%
bugs = {
    "gx, kernel flipped": reference.conv2d_input_grad(g, w[:, :, ::-1, ::-1], x.shape[2:], **settings),
    "gx, last column forgotten": gx * (np.arange(13) < 12),
    "gx, one pixel too far left": np.roll(gx, -1, axis=3),
    "gw, mean over the images": gw / 3,
    "gw, last image forgotten": reference.conv2d_weight_grad(x[:-1], g[:-1], w.shape[2:], **settings),
}
print(f"{'right':27} {(y * g).sum():8.3f}")
for bug, wrong in bugs.items():
    print(f"{bug:27} {((x if bug.startswith('gx') else w) * wrong).sum():8.3f}")

# %% [markdown]
# Each mistake shows in the first three digits.  **What the identity cannot see:** a mistake that all three share.  If all of
# them flipped the kernel, they would still be adjoints, of another form $\Phi$.  So *one* of the three needs another
# check, and this is easy for $y$: a slow loop that follows the definition.  One slow loop and one identity: the kernels of
# this library are tested in this way, the CPU's and, in the emulator of lesson 5, the GPU's.
#
# ## 3. Our source
#
# In our engine these are three primitives.  Look at the gradient rules:

# %%
show_source(mg.ops.conv.conv2d, mg.ops.conv.conv2d_input_grad, mg.ops.conv.conv2d_weight_grad)

# %% [markdown]
# *Derivation.*  In $\Phi(x, w, g)$ one of the three places belongs to the output, and a cotangent takes exactly this
# place.  Take $\mathcal T(g, w)$: it has the shape of $x$, so its cotangent, call it $u$, takes the place of $x$:
# $\langle \mathcal T(g, w), u\rangle = \Phi(u, w, g)$.  The coefficient of $g$ in this is $\mathcal C(u, w)$, and the coefficient of $w$ is
# $\mathcal W(u, g)$.  In the same way for all:
#
# | primitive | its cotangent | gradient for its first input | for its second |
# |---|---|---|---|
# | $\mathcal C(x, w)$ | $g$ | $\mathcal T(g, w)$ | $\mathcal W(x, g)$ |
# | $\mathcal T(g, w)$ | $u$, in the place of $x$ | $\mathcal C(u, w)$ | $\mathcal W(u, g)$ |
# | $\mathcal W(x, g)$ | $v$, in the place of $w$ | $\mathcal T(g, v)$ | $\mathcal C(x, v)$ |
#
# Compare with the source, line by line.  The table is *closed*: a gradient of any order, of a convolution or a transposed
# convolution, uses only these three.  To see it, take the gradient three times, and list the convolutions in the graph.


# %%
def primitives(t):
    """The names of all primitives that a Tensor was made with."""
    names, seen, waiting = set(), set(), [t]
    while waiting:
        t = waiting.pop()
        if t.node is not None and id(t) not in seen:
            seen.add(id(t))
            names.add(t.node.primitive.__name__)
            waiting.extend(t.node.inputs)
    return names


x3 = mg.tensor(random.normal(size=(1, 2, 6, 6)), requires_grad=True)
w3 = mg.tensor(random.normal(size=(3, 2, 3, 3)), requires_grad=True)
L = (F.conv2d(x3, w3, stride=2, padding=1) ** 4).sum()
for order in (1, 2, 3):
    (gradient,) = mg.grad(L, w3 if order == 2 else x3, create_graph=True)
    L = (gradient**2).sum()
    print(f"order {order}:", *sorted(name for name in primitives(L) if "conv" in name))

# %% [markdown]
# And the computation, in NumPy.  First the inputs are copied into an array of *patches*, one for each window (this is
# called *im2col*), then everything is a matrix product.  The simple case first: stride 1, no padding, no dilation.


# %%
def simple_conv2d(x, w):
    """Images (N, C, H, W) and filters (O, C, R, S) to (N, O, H - R + 1, W - S + 1)."""
    N, C, H, W = x.shape
    O, _, R, S = w.shape
    P, Q = H - R + 1, W - S + 1
    patches = np.empty((N, C, R, S, P, Q))
    for row, column in np.ndindex(
        R, S
    ):  # a tap meets one pixel for each output: a part of the image, as large as the output
        patches[:, :, row, column] = x[:, :, row : row + P, column : column + Q]
    product = w.reshape(O, C * R * S) @ patches.reshape(N, C * R * S, P * Q)  # a sum over C, R and S for each output
    return product.reshape(N, O, P, Q)


images, filters = random.normal(size=(2, 3, 7, 8)), random.normal(size=(4, 3, 3, 2))
ours = reference.conv2d(images, filters, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)
print(f"largest difference from minigen's: {abs(simple_conv2d(images, filters) - ours).max():.0e}")

# %% [markdown]
# minigen's has the same steps, and three things more: padding; a stride and a dilation, so that a tap meets every $s$-th pixel,
# from place $rd$ on; and groups, a part of the channels for each part of the filters.  Read `_patches` as the equation $i = ps + rd - t$: for each
# tap, `_tap` is the slice of the padded image that this tap is multiplied with, one element per output.  (In the source, `r`
# and `s` count the taps down and across; the stride is `stride`.  `checked` checks the shapes first, and `_deliver` only
# copies the result into `out`, if an `out` is given.  In section 3's first listing, `find` gives the function that
# computes: here this one, and a faster one from lesson 4 on.)

# %%
show_source(reference.conv.conv2d, reference.conv._patches, reference.conv._tap)

# %% [markdown]
# The adjoint does the reverse, line by line: a matrix product with the transposed matrix, then every element of a patch is
# *added* to the pixel that it was copied from (the gradient of copying is adding), and the padding is cut off.

# %%
show_source(reference.conv.conv2d_input_grad, reference.conv._add_patches)

# %% [markdown]
# ## 4. Sizes
#
# How many windows are there?  A window with dilation $d$ spans $d(R-1)+1$ places.  The first begins at the left end of
# the padded row, which is $H + t + b$ long, and the last must end inside it.  So the start $ps$ of window $p$ must be
# at most $H + t + b - d(R-1) - 1$, and counting $p = 0, 1, \dots$ gives
#
# $$P = \Big\lfloor \frac{H + t + b - d(R-1) - 1}{s} \Big\rfloor + 1 .$$
#
# Is it right?  We count windows in some thousand cases:

# %%
wrong = cases = 0
for size in range(1, 12):
    for kernel in range(1, 6):
        for stride in range(1, 5):
            for dilation in range(1, 4):
                for before, after in ((0, 0), (1, 0), (1, 2), (3, 3)):
                    starts = range(-before, size + after - dilation * (kernel - 1), stride)
                    P = max((size + before + after - dilation * (kernel - 1) - 1) // stride + 1, 0)
                    wrong += len(starts) != P
                    cases += 1
print(f"{cases} cases, {wrong} wrong")

# %% [markdown]
# ### "Same" padding
#
# With stride 1 one often wants as many outputs as inputs.  Then $d(R-1)$ zeros are needed in total: one on each side
# for 3 taps, two for 5.  For larger strides, `"same"` means $P = \lceil H/s \rceil$ outputs.  Here is a trap: a DCGAN for
# 28 x 28 digits has kernels of 5 with stride 2, and needs **3** zeros.  On which side is the odd one?

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 3.5),
        caption='Kernel 5, stride 2, 8 inputs, 4 outputs. Left: "same" needs 3 zeros, 1 before and 2 after. Right: padding '
        "2 on both sides gives 4 outputs as well, but every window is one place further left, and the last zero is "
        "not used.",
    )  # fmt: skip
    draw_windows(axes[0], 8, 5, 2, 1, 2, title='"same": 1 before, 2 after')
    draw_windows(axes[1], 8, 5, 2, 2, 2, title="padding=2: 2 before, 2 after")
picture

# %%
image, five = mg.tensor(digit), mg.tensor(random.normal(size=(1, 1, 5, 5)))
same, two = (F.conv2d(image, five, stride=2, padding=padding) for padding in ("same", 2))
apart = abs(same.numpy() - two.numpy())
print(
    f"sizes {same.shape[2:]} and {two.shape[2:]}; outputs up to {abs(same.numpy()).max():.1f}, largest difference {apart.max():.1f}"
)

# %% [markdown]
# The sizes are equal, the numbers are not.  So if you move weights from one library to another, the network may run without
# an error and be wrong.  (TensorFlow and Keras pad with the odd zero after; PyTorch's `padding="same"` refuses strides above
# 1; ours accepts them, and also four-sided padding: `padding=((1, 2), (1, 2))`.)
#
# ### Exercise 3.2: what "same" pads
#
# Give the zeros before and after such that there are $\lceil \text{size}/\text{stride} \rceil$ outputs (dilation 1): as
# few as possible, halved, and the odd one after.


# %%
def same_padding(size, kernel, stride):
    """The number of zeros before and after."""
    before = ...
    after = ...
    return before, after


exercises.same_padding(same_padding)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Where does the last window start, and where does it end?  How far is its end after the last pixel?  And what if it is
# not after it?
#
# </details>
#
# ### A stride loses the size of its input
#
# With stride $s$ the size formula rounds down.  Several sizes in, one size out:

# %%
print("kernel 3, stride 2, no padding")
for size in (7, 8, 9, 10):
    P = output_size(size, 3, 2, (0, 0), 1)
    print(f"  {size:2} pixels -> {P} outputs; from the outputs alone one would guess {(P - 1) * 2 + 3} pixels")

# %% [markdown]
# The last pixel of 8 is in no window.  Its gradient is zero, but the gradient of an image of 8 pixels must have 8 elements,
# and $g$ and $w$ do not say how many.  So `conv2d_input_grad` has an argument `input_size`, and, for the same reason,
# `conv2d_weight_grad` has `kernel_size`.  `conv_transpose2d` has no such input, so it has an argument `output_padding`: how
# many pixels more than the least number.
#
# ### Exercise 3.3: giving the size back
#
# A convolution with these settings (`padding` on both sides) is applied to `size` pixels.  Which output padding makes
# the transposed convolution give `size` pixels again?  (Its size is $(P - 1)s - t - b + d(R - 1) + 1$, plus the output
# padding.)


# %%
def output_padding(size, kernel, stride, padding, dilation):
    """One whole number, from 0 to stride - 1."""
    return ...


exercises.output_padding(output_padding)

# %% [markdown]
# <details><summary>Hint</summary>
#
# The division by the stride has a remainder.  The size formula drops it.
#
# </details>
#
# ## 5. The transposed convolution is a transposed matrix
#
# For a fixed kernel, $y$ depends linearly on $x$: there is a matrix $J$ with $y = Jx$, if images are read as long vectors.  To
# find it, apply the convolution to images with a single 1: each gives a column.  A small case: 4 x 4 pixels, 3 x 3 taps.

# %%
kernel = np.arange(1.0, 10).reshape(1, 1, 3, 3)


def matrix_of(f, size):
    """The matrix of a linear map of images (1, 1, size, size): a column for each pixel."""
    columns = [f(mg.tensor(unit.reshape(1, 1, size, size))).numpy().ravel() for unit in np.eye(size * size)]
    return np.stack(columns, axis=1)


J = matrix_of(lambda x: F.conv2d(x, mg.tensor(kernel)), 4)
K = matrix_of(lambda g: F.conv_transpose2d(g, mg.tensor(kernel)), 2)
print(
    "J of conv2d", J.shape, "  K of conv_transpose2d", K.shape, f"  largest |K - J transposed| = {abs(K - J.T).max():g}"
)

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 2, size=(9, 5),
        caption="Left: the matrix of a convolution of 4 x 4 pixels with 3 x 3 taps, a row for each of the 2 x 2 outputs; "
        "the numbers are the taps 1 to 9, empty cells are zeros. Right: its transpose, which is the matrix of "
        "conv_transpose2d: it turns 4 numbers into 16.",
    )  # fmt: skip
    axes[0].set(xlabel="input pixel", ylabel="output pixel", title="conv2d")
    axes[1].set(xlabel="input pixel", ylabel="output pixel", title="conv_transpose2d")
    for place, matrix in zip(axes, (J, K)):
        place.imshow(np.where(matrix, matrix, np.nan), cmap="Blues", vmin=-3, vmax=12)
        for (row, column), value in np.ndenumerate(matrix):
            if value:
                place.text(column, row, f"{value:g}", ha="center", va="center", fontsize=11)
        place.set_xticks(range(matrix.shape[1]))
        place.set_yticks(range(matrix.shape[0]))
        place.set_xticks(np.arange(matrix.shape[1] + 1) - 0.5, minor=True)
        place.set_yticks(np.arange(matrix.shape[0] + 1) - 0.5, minor=True)
        place.tick_params(which="minor", length=0)
        place.tick_params(labelsize=9)
        place.grid(False)
        place.grid(which="minor", color="#dddddd")
picture

# %% [markdown]
# So *transposed convolution* is a good name.  It is our $\mathcal T(g, w)$, and `conv_transpose2d` consists of checks, arithmetic
# with sizes, and one call of the primitive `conv2d_input_grad`.  **A generator's forward
# pass is a discriminator's backward pass.**  (Hence the order of its weights, too: `conv_transpose2d` wants (channels
# in, channels out, rows, columns), because it is the weight of the convolution that goes the other way.)
#
# The older name *deconvolution* (反卷积) is misleading: it suggests the inverse $J^{-1}$ of a convolution.  A transpose is not
# an inverse.  We blur a digit, and then apply the transpose of the blur.  *Decide before you look*: is the result sharper?

# %%
blur = mg.tensor(np.full((1, 1, 5, 5), 1 / 25))
blurred = F.conv2d(mg.tensor(digit), blur, padding=2)
back = F.conv_transpose2d(blurred, blur, padding=2)
print("error of the blurred digit", round(float(abs(blurred.numpy() - digit).mean()), 3))
print("after the transpose       ", round(float(abs(back.numpy() - digit).mean()), 3))

# %% jupyter={"source_hidden": true}
plot.show_images(
    np.concatenate([digit, blurred.numpy(), back.numpy()]),
    ["a digit", "blurred", "then transposed"],
    value_range=(0, 1),
    caption="The transpose of a blur blurs once more. It gives back the size of the image, not its content.",
)

# %% [markdown]
# ### Two ways to see it
#
# A convolution *gathers*: each output is a sum over a window of inputs.  Its transpose *scatters*: each input adds a
# copy of the kernel, times its value, to the output; the copies are a stride apart, and where they overlap they add.
#
# It is also an ordinary convolution of an input that was spread first: put $s - 1$ zeros between neighbors, and convolve
# with stride 1.  From $\bar x_i = \sum_{r,p} w_r\, g_p$ with $p s = i - r$ (no padding): the tap $r$ now has a *minus*, so the
# kernel is flipped.
#
# ### Exercise 3.4: a transposed convolution by an ordinary one
#
# Compute `F.conv_transpose2d(g, w, stride=stride)` with `F.conv2d` at stride 1.  (This is slow, because most of the products
# are with zeros, but it shows how the two are related.)  `F.conv2d` wants Tensors: turn your arrays into Tensors with
# `mg.tensor(...)`.  The result may be a Tensor or an array.


# %%
def transposed_by_convolution(g, w, stride):
    """g: array (N, O, P, P), w: array (O, C, R, R); the result: (N, C, (P - 1) * stride + R, the same)."""
    return ...


exercises.transposed_by_convolution(transposed_by_convolution)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `spread = np.zeros(...)`, then `spread[:, :, ::stride, ::stride] = g`.  How long is it?  There are no zeros after the
# last.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `w[:, :, ::-1, ::-1]` is flipped in both directions.  `F.conv2d` wants (channels out, channels in, R, R): what
# comes out here?  And how many zeros around, so that the first window has only its last tap on the picture?
#
# </details>
#
# ## 6. Checkerboards
#
# Early generated images were often covered by a fine pattern, **checkerboard artifacts** (棋盘效应).  It comes from the
# scattering.  With stride 2 and 5 taps, a position of the output gets contributions from the taps 0, 2 and 4 of three
# neighbors, or from the taps 1 and 3 of two.  So positions with three contributions are next to positions with two.  We count
# them: a transposed convolution of ones with ones.


# %%
def hits(kernel, stride, size=6):
    """How many products end up in each output pixel."""
    return F.conv_transpose2d(mg.ones(1, 1, size, size), mg.ones(1, 1, kernel, kernel), stride=stride).numpy()[0, 0]


for kernel in (3, 4, 5):
    print(f"kernel {kernel}, stride 2, along one axis:", *np.sqrt(hits(kernel, 2).diagonal()).astype(int))

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        1, 3, size=(9, 3.9),
        caption="How many products are added up in each output pixel, with stride 2. Kernels of 5 and 3 give patterns of "
        "9, 6, 4 and of 4, 2, 1; a kernel of 4 gives 4 everywhere but at the border.",
    )  # fmt: skip
    for place, kernel in zip(axes, (5, 4, 3)):
        counts = hits(kernel, 2)
        place.imshow(counts, cmap="gray", vmin=0)
        for row in range(5, 9):
            for column in range(5, 9):
                color = "black" if counts[row, column] > counts.max() / 2 else "white"
                place.text(column, row, f"{counts[row, column]:g}", ha="center", va="center", fontsize=9, color=color)
        place.set(title=f"kernel {kernel}", xlabel="output column", ylabel="output row")
        place.grid(False)
picture

# %% [markdown]
# ### Exercise 3.5: how often each output is hit
#
# Far from the border, the pattern repeats every `stride` positions.  Give the counts for positions 0, 1, ..., stride
# $-$ 1, along one axis (no padding: tap $r$ of the input at $p$ is added to position $ps + r$).


# %%
def overlaps(kernel, stride):
    """A list of `stride` whole numbers."""
    return ...


exercises.overlaps(overlaps)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Which taps reach position 0, besides tap 0?  Taps that reach the same position differ by multiples of the stride.
#
# </details>
#
# When are all counts equal?  They add up to the kernel size, so when **the stride divides the kernel**: 4 and 2, 6 and
# 3.
#
# ### Seen
#
# Three such layers enlarge 4 x 4 numbers to 32 x 32.  *Upper row below:* one channel of ones, a uniform area, goes
# through layers with random positive weights.  It should stay about uniform.  *Lower row:* weights as at the start of
# training, random with mean zero.  A sum of 9 random terms has a larger *variance* than a sum of 4, so the pattern is
# there as well, in the size of the pixels: we average $|{\rm pixel}|$ over many images.  Each layer multiplies the
# pattern of the layers before.


# %%
def upsample(t, kind, seed, positive=False):
    """Three layers that double the size, with fresh random weights; the last gives one channel."""
    weights, t = np.random.default_rng(seed), mg.tensor(t)
    for channels in (16, 16, 1):
        before, size = t.shape[1], 3 if kind == "resize" else kind
        shape = (channels, before, size, size) if kind == "resize" else (before, channels, size, size)
        w = weights.normal(size=shape) / np.sqrt(before) / size
        w = mg.tensor(abs(w) if positive else w)
        if kind == "resize":
            t = F.conv2d(F.interpolate(t, scale_factor=2), w, padding="same")
        else:
            t = F.conv_transpose2d(t, w, stride=2, padding="same")
        if channels > 1:
            t = F.leaky_relu(t, 0.2)
    return t.numpy()


kinds = {"kernel 5": 5, "kernel 4": 4, "enlarge, kernel 3": "resize"}
noise = random.normal(size=(16, 16, 4, 4))
uniform, average = [], []
for name, kind in kinds.items():
    uniform.append(upsample(np.ones((1, 1, 4, 4)), kind, 0, positive=True)[0, 0])
    average.append(np.concatenate([abs(upsample(noise, kind, seed)) for seed in range(24)]).mean(axis=0)[0])
    inner = average[-1][8:24, 8:24]
    phases = np.array([inner[row::2, column::2].mean() for row in (0, 1) for column in (0, 1)])
    print(f"{name:17} mean |pixel| by even and odd row and column, largest = 1:", *np.round(phases / phases.max(), 1))

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        2, 3, size=(8.5, 6.6),
        caption="Three layers that double the size, untrained. Upper row: what becomes of a uniform area. Lower row: mean |pixel| "
        "of 384 images made of noise. With a kernel of 5, grids at several scales; with 4, or enlarging before a convolution, "
        "what is left is the chance of these weights and the dark border.",
    )  # fmt: skip
    for row, text, images in zip(axes, ("a uniform area", "mean |pixel|"), (uniform, average)):
        for place, name, values in zip(row, kinds, images):
            place.imshow(values, cmap="gray", vmin=0)
            place.set_title(f"{name}: {text}" if name != "enlarge, kernel 3" else f"enlarge, 3: {text}", fontsize=11)
            place.set_axis_off()
picture

# %% [markdown]
# A generator with kernel 5 must *learn* to remove the pattern.  So use kernel 4 with stride 2, or enlarge by copying pixels
# (`F.interpolate`) and then convolve with stride 1.  (Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts",
# Distill, 2016.  A kernel of 4 *can* make checkerboards too, with unfortunate weights: lesson 9 shows a training where it
# does.)
#
# **The same in gradients.**  $\mathcal T(g, w)$ is also what carries gradients from a discriminator to the generated image.  So
# a strided convolution with kernel 3 or 5 *in the discriminator* gives some pixels a larger gradient than others:

# %%
for kernel in (3, 4, 5):
    total = np.zeros((32, 32))
    for _ in range(64):
        fake = mg.tensor(random.normal(size=(4, 1, 32, 32)), requires_grad=True)
        w = mg.tensor(random.normal(size=(8, 1, kernel, kernel)))
        scores = F.conv2d(fake, w, stride=2, padding="same")
        (to_pixels,) = mg.grad((scores * mg.tensor(random.normal(size=scores.shape))).sum(), fake)
        total += (to_pixels.numpy() ** 2).sum(axis=(0, 1))
    phases = np.array([total[8 + row : 24 : 2, 8 + column : 24 : 2].mean() for row in (0, 1) for column in (0, 1)])
    print(f"kernel {kernel}: mean squared gradient per pixel, by even and odd row and column:",
          *np.round(phases / phases.max(), 1))  # fmt: skip

# %% [markdown]
# Nearly 4 : 2 : 2 : 1 for kernel 3, 1 : 1 : 1 : 1 for kernel 4, and 9 : 6 : 6 : 4 for kernel 5, as counted.
#
# ## 7. The third side
#
# There is one more way to read $\mathcal W$.  In $\bar w_r = \sum_{p} g_p\; x_{ps + rd - t}$ exchange the names of $r$ and $p$,
# and it is the formula of a convolution: $g$ slides over $x$, its taps are $s$ apart, its steps are $d$.  **The weight
# gradient is a convolution of $x$ with $g$, with stride and dilation exchanged.**  And since each weight belongs to a
# pair of channels and is summed over all images, *images and channels exchange their parts* as well.
#
# | | slides over | the kernel | stride | dilation | summed over |
# |---|---|---|---|---|---|
# | $\mathcal C(x, w)$ | $x$ | $w$ | $s$ | $d$ | input channels, taps |
# | $\mathcal T(g, w)$ | $g$, spread by $s$ | $w$, flipped | 1 | $d$ | output channels, taps |
# | $\mathcal W(x, g)$ | $x$ | $g$ | $d$ | $s$ | images, output pixels |
#
# All three need the same number of multiplications: one for each triple.  So a training step costs as much as three forward
# passes.  How fast they can run is the next lesson.
#
# ### Exercise 3.6: the weight gradient is a convolution too
#
# Compute $\mathcal W(x, g)$ with `F.conv2d`: square images and kernels, no padding, dilation 1.  (Again `mg.tensor(...)` turns
# an array into a Tensor, and `.numpy()` turns it back.)


# %%
def weight_grad_by_convolution(x, g, kernel, stride):
    """x: array (N, C, H, H), g: array (N, O, P, P); the result: (O, C, kernel, kernel)."""
    return ...


exercises.weight_grad_by_convolution(weight_grad_by_convolution)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `F.conv2d` sums over its input's second dimension.  You want to sum over images: `x.swapaxes(0, 1)`, and the same for
# $g$.  What comes out is (C, O, rows, columns).
#
# </details>
# <details><summary>Hint 2</summary>
#
# If the result is larger than `kernel`: the stride has lost the size, as in section 4.  Which of the places are the taps?
#
# </details>
#
# ## 8. In short
#
# - A convolution is the set of all triples (input $i$, tap $r$, output $p$) with $i = ps + rd - t$, and the sum of
#   $x_i w_r g_p$ over them is a trilinear form $\Phi$.
# - The coefficient of $g$ in $\Phi$ is the convolution, the coefficient of $x$ is the transposed convolution, and the
#   coefficient of $w$ is the weight gradient.  The gradients of all three, of any order, are these three.
# - $\langle \mathcal C(x, w), g\rangle = \langle x, \mathcal T(g, w)\rangle = \langle w, \mathcal W(x, g)\rangle$ tests them, but not against a
#   mistake that they share.
# - The output has $\lfloor (H + t + b - d(R-1) - 1)/s \rfloor + 1$ pixels.  The rounding loses the size of the input; so the
#   adjoints need it as an argument.
# - A transposed convolution scatters.  Unless the stride divides the kernel, some pixels get more contributions than others.
#
# **Explain it to a friend:** why is the generator's forward pass the discriminator's backward pass?  And why does the
# gradient of an image of 8 pixels need to be told that there are 8?
#
# **Read on.**  Dumoulin and Visin, "A guide to convolution arithmetic for deep learning" (2016), has a picture for
# every case.  Our source: `minigen/ops/conv.py` (a page), `kernels/reference/conv.py`, and `conv2d` and
# `conv_transpose2d` in `minigen/functional/conv.py`.  Solutions: `lessons/solutions/03_convolution.py`.  Next: lesson 4, how
# to make it fast.
