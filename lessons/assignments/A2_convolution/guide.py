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
# # A2: convolution, its two adjoints, and a fast kernel
#
# **The question.** A convolution is one sum, read from three sides: for the output, for the gradient of the images, and for the
# gradient of the filters (lesson 3).  Can you write all three, for every stride, padding, dilation and number of groups?  And
# then one of them so that it beats the usual way (lesson 4)?
#
# You write in **`conv_a2.py`**, in any editor, and hand in that file alone.  This notebook explains the four tasks, lets you
# try what you have, and checks it.  Nothing that you write here is graded.  Allow five to seven hours in all, two of them for
# the last task.  Write with NumPy (in task 4 Numba, if you like).  To compare with minigen is a good idea; to call
# it, or another library that has convolutions, is no answer, and the tests look.
#
# | task | you write | points |
# |---|---|---|
# | 1 | `output_size`, `conv2d` | 10 |
# | 2 | `conv2d_input_grad`: the adjoint in the images | 9 |
# | 3 | `conv2d_weight_grad`: the adjoint in the weights | 8 |
# | 4 | `fast_conv2d`: a fast kernel | 11 |
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $x$ | `x` | images, (N, C, H, W) |
# | $w$ | `w` | filters, (O, C/groups, R, S); a single number is a *tap* |
# | $y$ | `y` | the output, (N, O, P, Q) |
# | $g$ | `g` | the cotangent of $y$: how much the loss changes per unit of each output |
# | $s, d, t, b$ | `stride`, `dilation`, `padding` | steps between windows; between taps; zeros before and after |
# | $i, r, p$ | | a place in the input, a tap, a place in the output |

# %%
import numpy as np

from minigen.course import kit

FILE = "conv_a2.py"
a = kit.load(FILE)  # your file as it is now; every cell below loads it anew

# %% [markdown]
# ## Task 1: convolution
#
# Everything follows from one equation: output $p$ meets input $i$ at tap $r$ if
#
# $$i = p\,s + r\,d - t .$$
#
# With padded images the $-t$ is gone: in them, pixel 0 stands at place $t$.
#
# **`output_size`.** How many windows fit?  Find the pixels from the first to the last that one window spans, with $R$ taps, $d$
# apart.  The last window must end inside the padded row.  Draw it before you write it: 7 pixels, 3 taps, stride 2, dilation 2.
#
# **`conv2d`.** There are two ways to loop:
#
# - *over windows*: for each $(p, q)$ cut out what the window sees, and multiply it with all filters;
# - *over taps*: for each $(r, s)$ take the pixels that this tap meets, for all windows at once, and add their products
#   to the whole output.  In the padded image these pixels are a **slice** with a step: where does it begin, what is its step, and how
#   many are there?
#
# There are usually far fewer taps than windows, so that the second way is the faster one in NumPy.  The sum over channels is
# an `einsum`, or a matrix product.
#
# **Groups** cut the channels into parts that do not see each other: with 2 groups the first half of the filters sees the first half of
# the channels, and the second half the second.  A reshape to (N, groups, C/groups, ...) does most of the work; so does a loop
# over the groups.
#
# Padding has four numbers, `((top, bottom), (left, right))`, and stride and dilation have two, (down, across).  float32 stays float32:
# `np.zeros(...)` makes float64 unless told otherwise.

# %%
with kit.pending():
    a = kit.load(FILE)
    print(a.output_size(7, 3, stride=2, padding=(0, 0), dilation=2), "windows")
    x = np.zeros((1, 1, 5, 7))
    x[..., 1:4, 2:5] = 1  # a white square
    right_minus_left = np.array([[[[-1.0, 0, 1]]]])
    print(a.conv2d(x, right_minus_left, (1, 1), ((0, 0), (1, 1)), (1, 1), 1)[0, 0])

# %%
kit.check(FILE, task=1)

# %% [markdown]
# ## Task 2: the adjoint in the images
#
# The loss changes by $dL = \langle g, dy \rangle$.  Every triple (input, tap, output) of the equation above adds one product of
# three numbers to
#
# $$S = \langle y, g\rangle = \sum_{i = ps + rd - t} x_i\, w_r\, g_p .$$
#
# What stands before $x_i$ is its gradient: $\bar x_i = \sum w_r\, g_p$, over all taps and outputs that meet at $i$.  So go through the **same**
# triples as in task 1.  There you took a number from $x$ and added to $y$; here you take from $g$, and add to $x$:
#
# - reading a slice becomes *adding to* a slice (a pixel is in many windows);
# - the sum over channels becomes a sum over filters, for every channel of the group;
# - putting zeros around becomes cutting off what fell on them.
#
# **Why `input_size`?**  With stride 2, images of 7 and of 8 pixels can give the same number of windows.  What is the gradient of a pixel that
# is in no window?

# %%
with kit.pending():
    a = kit.load(FILE)
    g, w = np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3))
    print("in how many windows each pixel is, 3 x 3 windows with stride 2:")
    print(a.conv2d_input_grad(g, w, (8, 8), (2, 2), ((0, 0), (0, 0)), (1, 1), 1)[0, 0])

# %% [markdown]
# (Here you see the checkerboards of lesson 3.)

# %%
kit.check(FILE, task=2)

# %% [markdown]
# ## Task 3: the adjoint in the weights
#
# And what stands before $w_r$?  $\bar w_r = \sum x_i\, g_p$: each tap collects the products of all the pixels that it met with the cotangents of the
# outputs for which it met them.  The same triples once more; the sum goes over images and windows now.
#
# When all three are written, there is a test without finite differences, and without an oracle.  $S$ is one number:
#
# $$\langle y, g\rangle = \langle x, \bar x\rangle = \langle w, \bar w\rangle ,$$
#
# for any random $x$, $w$ and $g$.  The next cell computes the three.  (What can this test not see?  A mistake that all three share.)

# %%
with kit.pending():
    a = kit.load(FILE)
    random = np.random.default_rng(0)
    given = dict(stride=(3, 2), padding=((2, 1), (1, 0)), dilation=(1, 2), groups=3)
    x, w = random.normal(size=(2, 3, 10, 9)), random.normal(size=(6, 1, 4, 2))
    y = a.conv2d(x, w, **given)
    g = random.normal(size=y.shape)
    dx = a.conv2d_input_grad(g, w, (10, 9), **given)
    dw = a.conv2d_weight_grad(x, g, (4, 2), **given)
    print(f"<y, g> = {(y * g).sum():.9f}\n<x, dx> = {(x * dx).sum():.9f}\n<w, dw> = {(w * dw).sum():.9f}")

# %%
kit.check(FILE, task=3)

# %% [markdown]
# ## Task 4: a fast kernel
#
# Now only stride 1, no dilation, one group, the same padding on all sides.  The one to beat is **im2col**, the second
# rung of lesson 4's ladder: copy all the patches into a large array, and multiply it with the filters, in one matrix product that somebody else
# has made very fast.  On the layer that is timed (2 images of 64 x 64 pixels, 16 channels in and out, 3 x 3 taps, float32) the two
# take turns, again and again, on one thread, and the median of the ratios of their processor times is measured.
# That ratio depends on the make of your processor.  So most points are for what makes a kernel fast on every machine and can be
# counted: how much memory it needs, as a multiple of the array of all patches.
#
# | measured | points, beside those for right results |
# |---|---|
# | at most 4 times im2col's time | 1 |
# | at most 2 times im2col's time | 1 more |
# | at most the memory of all patches, in at most 4 times im2col's time | 2 more |
# | at most 0.7 times the memory of all patches, in at most 4 times im2col's time | 2 more |
#
# Where does im2col's time go?  With few channels much of it goes into the copy: every pixel is written nine times, and read again.  Some
# ways to do with less, in NumPy alone:
#
# - **A piece at a time.**  Patches of some rows of one image fit the cache; those of the whole batch do not.
# - **No patches.**  One matrix product for each tap.  Lay the padded image out as one long row: the pixels that a tap
#   meets, for *all* windows, are then one contiguous piece of it (with a few useless columns, which are dropped at the end).
# - **In between.**  Gather the shifts across only: three times the image in place of nine.  The shifts down are then whole rows further on, and
#   rows are contiguous.
#
# Or Numba: loops in a good order, the innermost one over neighboring pixels.  Count the loads and stores for each multiplication, as in lesson
# 4.  Compiling is not timed.
#
# Right first, then fast: images that are not square, filters of any size, padding 0, float64, arrays in any memory order, too; a new
# array each time.

# %%
with kit.pending():
    from minigen.bench import interleave
    from minigen.kernels import ladder

    a = kit.load(FILE)
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 16, 64, 64)).astype(np.float32)
    w = random.normal(size=(16, 16, 3, 3)).astype(np.float32)
    other = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)
    both = {"yours": lambda: a.fast_conv2d(x, w, 1), "im2col": lambda: ladder.im2col(x, w, *other)}
    print(f"the largest difference: {abs(both['yours']() - both['im2col']()).max():.1e}")
    times = interleave(both, rounds=9).seconds
    print(f"your best time / im2col's: {min(times['yours']) / min(times['im2col']):.2f}")

# %% [markdown]
# (A first impression: in this notebook NumPy may use several threads, and other programs disturb.  The check and the grader use one
# thread and count processor time.  The check says its number, too; the grader's is the one that counts.)

# %%
kit.check(FILE, task=4)

# %% [markdown]
# ## Before you hand in
#
# - `minigen course check conv_a2.py` says that the public tests pass.
# - These are not all.  The tests after you have handed in look at images with several channels and filters, other padding on
#   every side, strides and dilations that differ down and across, groups, all of them together, float32, arrays in another
#   memory order, and arrays that must not be changed; and at the other steps of the table above.
# - A mistake in one task costs points in that task only: the others are then graded with a reference solution in its place.
# - Hand in `conv_a2.py`, nothing else, with its name and the names in it unchanged.
#
# *To read on:* `kernels/ladder` has five ways to compute a convolution, and `kernels/cpu/winograd` the one that serves every day.
# Which rung is your kernel on?
