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
# # 4. Kernels on a CPU
#
# **The question.** A convolution is seven loops around one multiplication and one addition.  Written in this way and
# compiled, it is *correct*, and it uses about a hundredth of what the processor can do.  Where do the other ninety-nine
# hundredths go, and how does one get them back?
#
# At the end you will be able to
#
# - say, before you write a line, how fast a kernel can be at best on *your* machine, and what will limit it;
# - explain the five rungs from loops to a kernel that can race an industrial library, each with its reason;
# - compute a convolution with fewer multiplications than its definition has, and say what that costs;
# - write a kernel, have it checked, timed, and used by the whole library.
#
# You need lesson 3 (what a convolution and its two gradients are).  Plan three sittings of about an hour: sections 1 and 2,
# sections 3 to 6, sections 7 to 11.  (Times are estimates for a reader who looks words up; they include the exercises.)
# Five exercises check your answers; you can go on without solving them.  New words are **bold**, with their Chinese name
# (`docs/glossary.md` has all).
#
# **All times here are yours:** they are measured when you run the cells, and the stored ones come from a small shared
# machine with two cores.  Your numbers will differ, and will vary from run to run; the *reasons* stay the same.  The first
# run compiles the kernels, which takes a minute; the result is kept on disk.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $F$ | `flop` | floating-point operations; a multiplication and an addition are two |
# | $B$ | `nbytes` | bytes that have to come from memory or go to it, at the least |
# | $F/B$ | `intensity` | the **arithmetic intensity** (计算强度): operations per byte |
# | $\pi$ | `peak` | operations per second that the arithmetic units can do |
# | $\beta$ | `bandwidth` | the **memory bandwidth** (内存带宽): bytes per second that the memory can move |
# | $t$ | `seconds` | the time of a kernel |
# | $N, C, O$ | | images, channels in and out, as in lesson 3 |
# | $H, W; R, S; P, Q$ | | height and width of the input; of the kernel; of the output |
# | $A, B^\top, G$ | `AT`, `BT`, `G` | section 7: the matrices of Winograd minimal filtering ($B^\top$ always with its $^\top$; $B$ alone is bytes) |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
import importlib
import importlib.util
import os
import time

# One core for everybody: simpler to reason about.  NumPy's matrix product reads these when NumPy is imported.
os.environ.update(OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", OMP_NUM_THREADS="1", VECLIB_MAXIMUM_THREADS="1")

import numpy as np
from numba import njit

import minigen as mg
from minigen import plot
from minigen.bench import interleave
from minigen.course import cpu_kernels as exercises
from minigen.course import show_source
from minigen.kernels import ladder, reference
from minigen.kernels.cpu import microkernel, simd
from minigen.kernels.cpu.winograd import transforms

mg.kernels.set_num_threads(1)

# %% [markdown]
# ## 1. A layer, and five kernels for it
#
# All sections use one layer: 4 images of 32 x 32 pixels, 32 channels in, 64 out, 3 x 3 taps, float32.  Five functions
# compute it; we call them the *ladder*.  They take the same arguments (those of lesson 3's `reference.conv2d`) and give the
# same result; `minigen.kernels.ladder` has their source, each of which fits on a page.

# %% tags=["varies"]
random = np.random.default_rng(0)
x = random.normal(size=(4, 32, 32, 32)).astype(np.float32)
w = random.normal(size=(64, 32, 3, 3)).astype(np.float32)
settings = ((1, 1), ((1, 1), (1, 1)), (1, 1), 1)  # stride, padding, dilation, groups

start = time.perf_counter()
results = {name: kernel(x, w, *settings) for name, kernel in ladder.RUNGS.items()}
print(f"compiled and run in {time.perf_counter() - start:.1f} s")
print(f"this processor: {simd.NAME}, vectors of {simd.VECTOR_BYTES // 4} float32, {simd.REGISTERS} vector registers")

# %% [markdown]
# First: **are they right?**  The speed of a wrong kernel does not matter.  The results differ in the last digits, because each
# kernel adds in another order.  How much may they differ?  A sum of $n$ products of float32, in any order, is wrong by at
# most $\gamma_n \sum |x_i w_i|$ with $\gamma_n = \frac{nu}{1 - nu}$ and $u = 2^{-24}$ (Higham, *Accuracy and Stability of
# Numerical Algorithms*, 2002, section 3.1).  We compute the right result in float64, and $\sum |x_i w_i|$ with the same
# kernel.  The last rung adds and subtracts in other ways, so for it we test the error of the whole result.

# %%
x64, w64 = x.astype(np.float64), w.astype(np.float64)
exact = reference.conv2d(x64, w64, *settings)
size = reference.conv2d(abs(x64), abs(w64), *settings)
n = w[0].size
bound = n * 2.0**-24 / (1 - n * 2.0**-24) * size
for name, result in results.items():
    error = abs(result - exact)
    within = "in the whole below 1e-5" if name == "winograd" else "every element within the bound"
    fine = np.linalg.norm(error) < 1e-5 * np.linalg.norm(exact) if name == "winograd" else (error <= bound).all()
    print(f"{name:18} {within}: {fine}")

# %% [markdown]
# ## 2. What is possible: the roofline
#
# A processor core does two things: it *moves* numbers between memory and its registers, and it *computes* with them.  Both
# have a limit.  We measure both: the fastest computation on one core of your machine is a product of large matrices by a
# tuned library (BLAS); the simplest motion is a copy.

# %% tags=["varies"]
a = np.ones((768, 768), np.float32)
source, target = np.ones(1 << 24, np.float32), np.empty(1 << 24, np.float32)
limits = interleave({"product": lambda: a @ a, "copy": lambda: np.copyto(target, source)}, rounds=15)
peak = 2 * 768**3 / min(limits.seconds["product"])
bandwidth = 2 * source.nbytes / min(limits.seconds["copy"])  # each byte is read and written
print(f"one core: peak {peak / 1e9:.0f} GFLOP/s, bandwidth {bandwidth / 1e9:.1f} GB/s")
print(f"while one float32 comes from memory, {4 * peak / bandwidth:.0f} operations could be done")

# %% [markdown]
# (`interleave` runs its candidates in turns, again and again, and keeps all times.  So whatever slows the machine for a
# moment slows all of them.  To find a *limit* of the machine, take the best time; to *compare* two kernels, take the
# median of the ratios in each turn.  A single time proves nothing.)
#
# The last number explains everything below.  A kernel that loads a number, uses it once and forgets it is limited by
# memory, and faster arithmetic does not help.  In formulas: $F$ operations and $B$ bytes take *at least*
#
# $$t \ge \max\Big(\frac{F}{\pi}, \frac{B}{\beta}\Big),
# \qquad\text{so}\qquad \frac{F}{t} \le \min\Big(\pi,\; \beta\,\frac{F}{B}\Big).$$
#
# The right-hand side, drawn over the intensity $F/B$, is a rising line that bends into a flat one: the **roofline** (屋顶线模型;
# Williams, Waterman and Patterson, 2009).  A kernel below the rising part is *memory-bound*, below the flat part
# *compute-bound*.
#
# ### Exercise 4.1: the least time


# %%
def least_time(flop, nbytes, peak, bandwidth):
    """The seconds that `flop` operations on `nbytes` bytes take at the least."""
    return ...


exercises.least_time(least_time)

# %% [markdown]
# ### Exercise 4.2: what a convolution has to do
#
# How many operations does a convolution need (dilation 1, one group), if those with padding are counted, too?  And how many
# bytes does it move at least, in float32: input and weights read once, output written once?  (`kernel`, `stride` and
# `padding` are whole numbers, the same in both directions; the padding is on every side.)


# %%
def conv_work(N, C, O, H, W, kernel, stride, padding):
    """The operations, and the least number of bytes: two numbers."""
    flop = ...
    nbytes = ...
    return flop, nbytes


exercises.conv_work(conv_work)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Lesson 3: one multiplication for each triple (input, tap, output).  How many outputs are there, and how many taps
# has each, over all channels?
#
# </details>
#
# Here is the roofline of your machine, with some common operations measured on it.  *Decide before you look*: where are
# ReLU, and a product of large matrices?  (The operations of our layer are
# counted: if all numbers are 1, the zeros of the padding too, then every product is 1, and the sum of the results is
# the number of products.)

# %% tags=["varies"]
products = reference.conv2d(np.ones((4, 32, 34, 34)), np.ones(w.shape), (1, 1), ((0, 0), (0, 0)), (1, 1), 1).sum()
flop = 2 * products
nbytes = x.nbytes + w.nbytes + results["naive"].nbytes
everyday = {}
big = random.normal(size=1 << 22).astype(np.float32)
out = np.empty_like(big)
everyday["ReLU"] = (lambda: np.maximum(big, 0, out=out), big.size, 8 * big.size)
everyday["a + b"] = (lambda: np.add(big, source[: big.size], out=out), big.size, 12 * big.size)
vector, matrix = big[:2048], big.reshape(2048, 2048)
everyday["matrix x vector"] = (lambda: matrix @ vector, 2 * matrix.size, 4 * matrix.size)
for side in (32, 128, 512):
    square = np.ones((side, side), np.float32)
    everyday[f"matrices {side}"] = (lambda square=square: square @ square, 2 * side**3, 12 * side**2)
times = interleave({name: call for name, (call, _, _) in everyday.items()}, rounds=5)
points = {name: (F / B, F / min(times.seconds[name])) for name, (_, F, B) in everyday.items()}
print(f"our layer: {flop / 1e9:.2f} GFLOP, {nbytes / 1e6:.1f} MB, {flop / nbytes:.0f} operations per byte")
print(f"at best: computing {flop / peak * 1e3:.1f} ms, moving {nbytes / bandwidth * 1e3:.1f} ms")


# %% tags=["varies"] jupyter={"source_hidden": true}
def draw_roof(axes, lowest=0.05, highest=2000):
    bend = peak / bandwidth
    axes.loglog(
        [lowest, bend, highest], [lowest * bandwidth / 1e9, peak / 1e9, peak / 1e9], color="black", linestyle="-",
        label="roof",
    )  # fmt: skip
    axes.set(xlabel="operations per byte moved at the least", ylabel="GFLOP/s")


def draw_points(axes, points, color, marker, label, below=()):
    axes.scatter(
        *zip(*[(F, rate / 1e9) for F, rate in points.values()]), color=color, marker=marker, zorder=3, label=label
    )
    for name, (intensity, rate) in points.items():
        place = (4, -13) if name in below else (6, 3)
        axes.annotate(name, (intensity, rate / 1e9), xytext=place, textcoords="offset points", fontsize=9)


with plot.style():
    picture, axes = plot.figure(
        size=(8, 4.6),
        caption="The roofline of one core of this machine, both axes logarithmic: what memory allows (rising) and what arithmetic allows "
        "(flat). Adding and ReLU lie on the left, large matrix products on the right; the dotted line is where our layer "
        "stands. Data that fit the caches can be above the slanted part, which was measured on main memory.",
    )  # fmt: skip
    draw_roof(axes)
    draw_points(
        axes, points, plot.COLORS["blue"], "o", "NumPy", below=("a + b", "matrices 32", "matrices 128", "matrices 512")
    )
    axes.axvline(flop / nbytes, color="black", linestyle=":")
    axes.set_ylim(0.5 * min(rate for _, rate in points.values()) / 1e9, 2 * peak / 1e9)
    axes.legend(loc="lower right")
picture

# %% [markdown]
# **Is a point above the roof?**  Above the *slanted* part: its data fit a cache, which is faster than main memory; in the stored
# picture `matrix x vector` is such a point.  Above the *flat* part: the roof is too low, because other programs used the machine
# while the peak was measured.  Run section 2 again, and keep the *largest* peak: other programs can only make a time longer, so
# the best of several measurements is the nearest to the truth.
#
# Our layer is far to the right: it *could* run at the peak.  An activation never can.  So fast kernels compute it together
# with something else, while the numbers are still in registers.
#
# ### Caches
#
# Between memory and registers are **caches** (缓存): small memories that keep what was used last.  To see them, add 1 to every
# number of an array, again and again, for arrays of growing size.


# %% tags=["varies"]
@njit
def touch(array, times):
    one = array.dtype.type(1)
    for _ in range(times):
        for i in range(array.size):
            array[i] += one


kib = [2**k for k in range(3, 17)]
rates = []
for size_kib in kib:
    array = np.zeros(size_kib * 256, np.float32)
    times_over = max(1, 2**15 // size_kib)
    touch(array, 1)
    best = min(
        interleave({"touch": lambda array=array, k=times_over: touch(array, k)}, rounds=3, least=0, warmup=0).seconds[
            "touch"
        ]
    )
    rates.append(2 * array.nbytes * times_over / best / 1e9)
print(f"{max(rates):.0f} GB/s from the nearest cache, {rates[-1]:.0f} GB/s from the farthest memory that was tried")

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7.5, 3.4),
        caption="Bytes read and written per second by one core, over the size of the array. Each step down is a cache that the "
        "array has outgrown.",
    )
    axes.semilogx(kib, rates, marker="o", base=2)
    axes.set(xlabel="size of the array (KiB)", ylabel="GB/s", ylim=(0, None))
    axes.set_xticks(kib[::2], [f"{k}" for k in kib[::2]])
picture

# %% [markdown]
# So "memory" is several memories.  A fast kernel **uses every number often while it is near**.
#
# ## 3. First rung: loops
#
# The definition.  (`@parallel` compiles the function with Numba and calls it on every thread; `chunked_range` gives each
# thread the next images that are not yet taken.)

# %%
naive = importlib.import_module("minigen.kernels.ladder.naive")
show_source(naive._loops)

# %% [markdown]
# Why is it slow?  First, count what is done for *one* multiplication and addition: two indices computed, four
# comparisons, two loads.  Second, there is the line `total += ...`: each addition needs the result of the one before.  A
# processor starts several operations in every cycle, but each takes 2 to 4 cycles until its result is there.  **A chain of
# additions waits most of the time.**  An experiment: inner products, with one chain, with four, and with permission for the
# compiler to reorder (`fastmath`).  *Decide before you look*: how much faster are four chains?


# %% tags=["varies"]
@njit
def one_chain(u, v):
    total = np.float32(0)
    for i in range(u.size):
        total += u[i] * v[i]
    return total


@njit
def four_chains(u, v):
    a = b = c = d = np.float32(0)
    for k in range(u.size // 4):
        i = 4 * k
        a += u[i] * v[i]
        b += u[i + 1] * v[i + 1]
        c += u[i + 2] * v[i + 2]
        d += u[i + 3] * v[i + 3]
    return (a + b) + (c + d)


reordered = njit(fastmath=True)(one_chain.py_func)
u, v = random.normal(size=(2, 8192)).astype(np.float32)
times = interleave(
    {f.__name__: (lambda f=f: f(u, v)) for f in (one_chain, four_chains)} | {"reordered": lambda: reordered(u, v)}
)
for name in times.seconds:
    print(f"{name:12} {2 * u.size / min(times.seconds[name]) / 1e9:6.1f} GFLOP/s")
print("the sums:", one_chain(u, v), four_chains(u, v), reordered(u, v))

# %% [markdown]
# The third adds 4 to 16 numbers with one instruction (**SIMD**, 单指令多数据: single instruction, multiple data), in several
# chains at once.  The compiler may not do this without permission: another order of the additions gives another rounding, as
# you see in the last line.  Our kernels fix the order of their additions, so they give the same bits on any number of threads.
#
# And without a compiler?  One output of the layer in pure Python:


# %% tags=["varies"]
def one_output(x, w):
    total = 0.0
    for c in range(32):
        for r in range(3):
            for s in range(3):
                total += w[0, c, r, s] * x[0, c, 5 + r, 5 + s]
    return total


python = interleave({"python": lambda: one_output(x, w)}, rounds=3).median("python")
print(f"{python * 1e6:.0f} us for one output; {python * exact.size:.0f} s for all {exact.size:,}")

# %% [markdown]
# ## 4. Second rung: im2col and a matrix product
#
# The idea is called **im2col** (展开成矩阵): copy the patches that the windows see into a matrix, a column for each output pixel;
# then the convolution is one matrix product per image, and the BLAS is fast at that.  The price is the copy:

# %% tags=["varies"]
patches = reference.conv._patches(x, (3, 3), *settings[:3])
columns = patches.reshape(4, n, 32 * 32)
filters = w.reshape(64, n)
times = interleave({
    "gather": lambda: reference.conv._patches(x, (3, 3), *settings[:3]),
    "product": lambda: np.matmul(filters, columns),
    "im2col": lambda: ladder.im2col(x, w, *settings),
})  # fmt: skip
print(f"the images have {x.nbytes / 1e6:.1f} MB, their patches {patches.nbytes / 1e6:.1f} MB")
for name in times.seconds:
    print(f"{name:8} {min(times.seconds[name]) * 1e3:6.2f} ms")

# %% [markdown]
# The patches are nine times the images, because every input is copied once for each of the 9 taps.  They are written to
# memory and read back.  So the intensity falls: the same operations, but many more bytes.  A training step would also
# keep the array for the backward pass, or make it again.
#
# ## 5. Third rung: implicit GEMM
#
# (GEMM is the BLAS's name for a matrix product, *general matrix multiply*.)  A product does not need the whole matrix
# at once.  Take a few output pixels, gather *their* patches into a small panel that fits the cache, multiply it with
# all filters, and use the same panel for the next pixels.  The matrix of patches exists only implicitly.  (`PANEL` is the
# number of pixels of a panel, 32.)

# %%
implicit = importlib.import_module("minigen.kernels.ladder.implicit_gemm")
show_source(implicit._multiply, implicit.gather)

# %%
panel = n * implicit.PANEL * 4
print(f"a panel has {panel / 1024:.0f} KiB; all patches of the layer have {n * 4 * 32 * 32 * 4 / 1024:.0f} KiB")

# %% [markdown]
# Compare with the picture of the caches.  Memory is no longer the limit.  The limit is now the innermost loop, which is
# ours and not the BLAS's.  So this rung may be no faster than the one before on your machine.  Every rung removes *one*
# obstacle, and then the next one is the limit.
#
# ### Exercise 4.3: a convolution without the im2col array
#
# The same idea needs no Numba.  Write a convolution (stride 1, no padding) in NumPy that never holds more than an
# eighth of all patches: a few output rows of one image at a time.
# `reference.conv._patches(band, (R, S), (1, 1), ((0, 0), (0, 0)), (1, 1))` gathers the patches of a band of image rows,
# (1, C, rows, W), as an array (1, C, R, S, P, Q).  The check measures your memory.


# %%
def convolve_in_bands(x, w):
    """x: (N, C, H, W), w: (O, C, R, S); the result: (N, O, H - R + 1, W - S + 1)."""
    return ...


exercises.convolve_in_bands(convolve_in_bands)

# %% [markdown]
# <details><summary>Hint</summary>
#
# For output rows `top` to `top + rows` you need image rows `top` to `top + rows + R - 1`.  Then
# `w.reshape(O, C * R * S) @ patches.reshape(C * R * S, rows * Q)`.  The last band may have fewer rows.
#
# </details>
#
# ## 6. Fourth rung: a micro-kernel in registers
#
# Look at the innermost line of rung 3 again, `total[i] += ...`.  For one multiplication and addition it loads two
# numbers and stores one.  A core can do about two loads and one store per cycle, but two *fused multiply-adds* of whole
# vectors.  So it spends its time moving numbers between cache and registers.
#
# The solution is the same again: use each number often while it is near; now "near" is a register.  Take a block of results
# of `rows` filters x 2 vectors of pixels and keep it in registers for the whole sum.  In each step
# $k$, load 2 vectors of pixels and, one by one, `rows` coefficients: `rows + 2` loads for `2 * rows` multiply-adds.

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(7.5, 3.9),
        caption="One step of the micro-kernel, with 6 rows. Each coefficient on the left meets both vectors of pixels above: 8 loads, 12 "
        "multiply-adds of whole vectors. The block stays in registers until the sum over k is done.",
    )
    for row in range(6):
        axes.fill_between([0, 0.8], row + 0.1, row + 0.9, facecolor=plot.COLORS["orange"], edgecolor="black")
        axes.text(0.4, row + 0.5, f"a[k, {row}]", ha="center", va="center", fontsize=9)
        for vector_number in range(2):
            left = 1.4 + 3.4 * vector_number
            axes.fill_between([left, left + 3.2], row + 0.1, row + 0.9, facecolor="#e6eef5", edgecolor="black")
            axes.text(left + 1.6, row + 0.5, f"c[{row}, {vector_number}] += a[k, {row}] * b[k, {vector_number}]",
                      ha="center", va="center", fontsize=9)  # fmt: skip
    for vector_number in range(2):
        left = 1.4 + 3.4 * vector_number
        axes.fill_between([left, left + 3.2], -1.2, -0.4, facecolor=plot.COLORS["sky"], edgecolor="black")
        axes.text(left + 1.6, -0.8, f"b[k, {vector_number}]: a vector of pixels", ha="center", va="center", fontsize=9)
    axes.set_ylim(6.1, -1.4)
    axes.set_axis_off()
picture

# %% tags=["varies"]
rows = microkernel.ROWS
print(f"{simd.NAME}: {rows} rows x 2 vectors = {2 * rows} of {simd.REGISTERS} registers for results, 2 for pixels")
print(f"{2 * rows} independent chains; {2 * rows / (rows + 2):.2f} multiply-adds per load")

# %% [markdown]
# Twelve or more independent chains also fill the waiting time that you measured in section 3.  A compiler does not
# find this alone, so we write the instructions: Numba lets a function produce LLVM code.  This is the central part of
# all our fast kernels.  `builder` writes instructions; `splat` copies a number to all lanes of a vector; the loops over
# `i` and `j` run when the kernel is *compiled*, so the result is a long row of instructions without a loop.  Read the part
# from `b = [...]` to the second `builder.store`: it is the picture.  (`a_at`, `b_at` and `c_at` give the addresses of the
# coefficients, the pixels and the results; the rest continues a sum that was begun before, and leaves out rows and pixels
# that the image does not have.)

# %%
show_source(microkernel._block)

# %% [markdown]
# ## 7. Fifth rung: fewer multiplications
#
# All rungs so far multiply as often as the definition says.  Are fewer multiplications possible?  Start with two polynomials
# in $\xi$, of 2 and of 3 coefficients: $(a_0 + a_1 \xi)(w_0 + w_1 \xi + w_2 \xi^2) = c_0 + c_1 \xi + c_2 \xi^2 + c_3 \xi^3$.
# Multiplied out, this takes $2 \cdot 3 = 6$ multiplications.  But a polynomial $c(\xi)$ of 4 coefficients is known by its
# values at 4 points.  At $\xi = 0, 1, -1$, and "at infinity", which means the leading coefficient:
#
# $$c(0) = a_0 w_0, \quad c(1) = (a_0 + a_1)(w_0 + w_1 + w_2), \quad c(-1) = (a_0 - a_1)(w_0 - w_1 + w_2), \quad c(\infty) = a_1 w_2 .$$
#
# **Four multiplications**, and some additions to find $c_0, \dots, c_3$ from them.  (With more coefficients this is how
# computers multiply large numbers: Karatsuba, Toom and Cook.)
#
# Written with matrices: $A$ (4 x 2) evaluates $a$ at the four points, $G$ (4 x 3) evaluates $w$, and $B$ (4 x 4) finds the
# coefficients from the four products,
#
# $$c = B\,\big[(G w) \odot (A a)\big] = B\,\operatorname{diag}(G w)\,A\,a .$$
#
# $\odot$ multiplies element by element: the four multiplications.  It is the same as a matrix with $Gw$ on its diagonal.
#
# And convolution?  For fixed $w$, this multiplication is a linear map from 2 numbers $a$ to 4 numbers $c$.  Its *transpose*
# maps 4 numbers to 2, and from lesson 3 you know which map that is: $y_p = \sum_r w_r x_{p+r}$, two outputs of a
# convolution with three taps!  The transpose of the product (transpose all its matrices, reverse their order; a diagonal
# matrix stays as it is) is $A^\top \operatorname{diag}(G w)\,B^\top$, with the same number of multiplications.  $A^\top$ adds the
# products, and $B^\top$ transforms the inputs:
#
# $$y = A^\top \big[(G w) \odot (B^\top x)\big] .$$
#
# This is **Winograd** convolution (Winograd 快速卷积; minimal filtering) with two outputs and three taps, in the literature
# F(2, 3) (Winograd 1980; Lavin and Gray 2015).  Our source derives the matrices from the points, with exact fractions.
# Compare the columns of $A^\top$ and the rows of $G$ with the four values above.  (A factor of each product, $\frac12$ or
# $-1$, may stand in $B^\top$ or in $G$; here it is in $G$.)

# %%
F23 = {name: np.array(rows, dtype=float) for name, rows in transforms.matrices(2, 3).items()}
for name in ("BT", "G", "AT"):
    print(name)
    print(F23[name] + 0.0)

inputs, taps = random.normal(size=4), random.normal(size=3)
y = F23["AT"] @ ((F23["G"] @ taps) * (F23["BT"] @ inputs))
print("equal to the convolution:", np.allclose(y, [inputs[:3] @ taps, inputs[1:] @ taps]))

# %% [markdown]
# ### Exercise 4.4: two outputs of three taps with four multiplications
#
# Write it for plain numbers.  Additions are not counted, and neither are constant factors (such as 0.5).  The check counts how
# often something made from $x$ is multiplied by something made from $w$.


# %%
def minimal_filter(x, w):
    """x: 4 numbers, w: 3 numbers; the two outputs w[0] x[0] + w[1] x[1] + w[2] x[2] and the same one further right."""
    first = ...
    second = ...
    return first, second


exercises.minimal_filter(minimal_filter)

# %% [markdown]
# <details><summary>Hint</summary>
#
# One product for each row of `BT` and `G`: the row of `BT` says which inputs to combine, the row of `G` which taps.
# The rows of `AT` say how to add the four products.
#
# </details>
#
# In two dimensions one transforms columns, then rows.  A tile of 2 x 2 outputs of 3 x 3 taps takes $4 \cdot 4 = 16$
# multiplications in place of $4 \cdot 9 = 36$.  The transform of the filters is done once for all tiles, that of the
# inputs once for all filters; and what is left, summed over channels, is one matrix product for each of the 16 points,
# to which all that you learned on rungs 3 and 4 applies.  A convolution with stride 2 is first split into four with
# stride 1, one for each pair of even and odd rows and columns.
#
# **What does it cost?**  The transforms add and subtract numbers of similar size, and so make rounding
# errors larger.  The larger the tile, the fewer multiplications, and the larger the error.  The points matter, too: for
# tiles of 4 x 4 with 3 x 3 taps, the points 0, 1, -1, 2, -2 have three times the error of 0, 5/8, -5/8, 3/2, -3/2, which
# `minigen.kernels.cpu.winograd.transforms` uses.  `minigen.kernels.precision` chooses:

# %% tags=["varies"]
errors = {}
for level in ("direct", "default", "fast"):
    with mg.kernels.use("cpu"), mg.kernels.precision(level):
        result = mg.kernels.find("conv2d")(x, w, *settings)
        errors[level] = np.linalg.norm(result - exact) / np.linalg.norm(exact)
        worst = abs(result - exact).max() / abs(exact).max()
    print(f"{level:8} relative error {errors[level]:.1e}, worst element {worst:.1e} of the largest")

# %% [markdown]
# (Are two rows the same?  Each level uses what it estimates to be fastest for these shapes, of what it allows.  `fast` allows
# tiles of 6, but with so few channels they save less than their transforms cost.)
#
# For training, this is far below the noise of a mini-batch.  For a reference it is too much, so float64 is always computed
# directly.
#
# ## 8. The ladder on your machine

# %% tags=["varies"]
candidates = {name: (lambda kernel=kernel: kernel(x, w, *settings)) for name, kernel in ladder.RUNGS.items()}
candidates["NumPy's product alone"] = lambda: np.matmul(filters, columns)
result = interleave(candidates, rounds=5, warmup=1)
rates = {name: flop / min(result.seconds[name]) for name in candidates}
for name, rate in rates.items():
    print(f"{name:22} {flop / rate * 1e3:8.2f} ms {rate / 1e9:7.1f} GFLOP/s {rate / peak:6.1%} of the peak")

# %% tags=["varies"] jupyter={"source_hidden": true}
with plot.style():
    picture, (left, right) = plot.figure(
        1, 2, size=(9, 4.6),
        caption="Left: the rungs, in billions of the definition's operations per second (logarithmic). Right: the same under the roof. They "
        "climb on one vertical line, for all do the same work. Minimal filtering may pass the roof: it does fewer "
        "operations than are counted.",
    )  # fmt: skip
    names = list(ladder.RUNGS)
    left.barh(names, [rates[name] / 1e9 for name in names], color=plot.COLORS["sky"], edgecolor="black")
    left.axvline(peak / 1e9, color="black", linestyle="--", label="matrix product")
    left.set(xlabel="GFLOP/s", xscale="log")
    left.invert_yaxis()
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1), fontsize=11)
    draw_roof(right)
    rungs = {name: (flop / nbytes, rates[name]) for name in names}
    right.scatter([i for i, _ in rungs.values()], [r / 1e9 for _, r in rungs.values()], color=plot.COLORS["red"], marker="s",
                  zorder=3, label="rungs")  # fmt: skip
    right.legend(loc="lower right", fontsize=11)
picture

# %% [markdown]
# Read the two pictures together.  The rungs compute the same result; only the last one changed *how many* operations, so its
# share of the peak counts operations that it does not do, and can exceed 100 %.  (If
# im2col is faster than the two after it: it uses the BLAS's inner loop, which is excellent; they have their own, and
# gather number by number.  The kernels that minigen uses by default gather whole vectors.)  What each removed:
#
# | rung | removed | what limits it |
# |---|---|---|
# | loops | | chains of additions that wait; indices |
# | im2col | the chains: the product is the BLAS's | writing and reading nine times the images |
# | implicit GEMM | the large array | loads and stores in the innermost loop |
# | micro-kernel | these loads and stores: results stay in registers | the multiplications themselves, and gathering |
# | Winograd minimal filtering | more than half of the multiplications | the transforms, and rounding |
#
# `minigen.kernels.cpu`, the default set, has all this for three kernels (convolution and its two gradients), for few
# channels and for many, and chooses by the shapes.
#
# **And more cores?**  Each core computes different images or tiles, and none waits for another.  The work is divided by the
# shapes alone, and one thread computes a sum from start to end; so the result does not depend on the number of threads:

# %%
bits = []
for threads in (1, 2, 3):
    mg.kernels.set_num_threads(threads)
    with mg.kernels.use("cpu"):
        bits.append(mg.kernels.find("conv2d")(x, w, *settings).tobytes())
mg.kernels.set_num_threads(1)
print("1, 2 and 3 threads give the same bits:", bits[0] == bits[1] == bits[2])

# %% [markdown]
# ## 9. Past PyTorch
#
# PyTorch's convolutions on a CPU are those of oneDNN, written at Intel over many years.  We race ours against them: same
# arrays, one thread each, in turns.  If PyTorch is not installed, the cell says so.

# %% tags=["varies"]
if importlib.util.find_spec("torch") is None:
    print("PyTorch is not installed, so there is nothing to compare with. The stored notebook shows a race, or run")
    print('    python -m pip install "minigen-lab[bench]"  and this cell again.')
else:
    import torch

    from minigen.bench.kernels import Layer, arrays, our_passes, their_passes

    torch.set_num_threads(1)
    layers = [
        Layer(3, 64, (64, 64), 4, 2, 1, batch=8),
        Layer(64, 128, (32, 32), 4, 2, 1, batch=8),
        Layer(64, 64, (32, 32), 3, 1, 1, batch=8),
    ]
    print(f"{'our time / PyTorch time (below 1: ours is faster)':50}   median  (quartiles)")
    with mg.kernels.use("cpu"):
        for layer in layers:
            made = arrays(layer)
            ours, theirs = our_passes(layer, *made), their_passes(layer)
            for kind in ours:
                low, ratio, high = interleave({"ours": ours[kind], "theirs": theirs[kind]}, rounds=7).ratio(
                    "ours", "theirs"
                )
                print(f"{f'{layer}, {kind}':50} {ratio:8.2f}  ({low:.2f} to {high:.2f})")

# %% [markdown]
# Where ours is faster, it is not because of faster multiplications: oneDNN runs near the peak.  The gain comes from fewer
# multiplications, from splitting strides into phases so that this works for the k4 s2 layers of every DCGAN, and from moving
# fewer data.  With few channels the two are close.  Which layers win, and by how much, depends on the processor, its caches
# and the number of threads; `minigen bench` runs the whole race on all cores, with pictures.
#
# ## 10. A kernel of your own
#
# A kernel is a function with the right arguments.  Every function that keeps the contract can replace ours in the whole
# library: layers, models, training, gradients of any order.

# %%
calls = []


def counting_conv2d(*arguments, **options):
    calls.append(arguments[0].shape)
    return reference.conv2d(*arguments, **options)


layer = mg.nn.Conv2d(3, 8, 3, padding=1)
with mg.kernels.register("conv2d", counting_conv2d):
    layer(mg.ones(2, 3, 5, 5))
layer(mg.ones(2, 3, 5, 5))
print("our function was called with", calls)

# %% [markdown]
# ### Exercise 4.5: a kernel of your own
#
# Write `conv2d`: any stride, padding, dilation and groups; float32 stays float32, float64 stays float64; inputs are
# read only, in any memory order; a batch may be empty; with `out`, the result is written there.  The whole contract is
# in [`reference/writing_kernels.md`](reference/writing_kernels.md).  The check uses small whole numbers, for which
# float32 sums are *exact*, so that every bit must be right.
#
# Use any method: loops under `@njit`, im2col, or something that this lesson has not shown.  An idea: for a fixed tap, the
# inputs that it is multiplied with are a *slice* of the padded image; so a convolution is the sum of $R \cdot S$ matrix
# products, and nothing is gathered.


# %%
def my_conv2d(x, w, stride, padding, dilation, groups, out=None):
    """x: (N, C, H, W), w: (O, C/groups, R, S), padding: ((top, bottom), (left, right)); the result: (N, O, P, Q)."""
    return ...


verdict = exercises.my_conv2d(my_conv2d)
verdict

# %% tags=["varies"]
if verdict:
    mine = interleave({"yours": lambda: my_conv2d(x, w, *settings)} | candidates, rounds=5, warmup=1)
    for name in candidates:
        print(f"yours takes {mine.ratio('yours', name)[1]:7.2f} times as long as {name}")
else:
    print("Once your kernel is right, this cell races it against the rungs.")

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Pad with `np.pad(x, ((0, 0), (0, 0), *padding))`.  With stride `step` and dilation `d`, the tap in row `r` needs the padded
# rows `r * d`, `r * d + step`, ...: the slice `r * d : r * d + step * (P - 1) + 1 : step`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Groups: reshape channels to (groups, C / groups) and filters to (groups, O / groups, ...); `@` multiplies the last two
# dimensions and takes the others along.
#
# </details>
#
# Put your kernel into a separate file; then one command checks and times it:
#
#     minigen bench --kernel my_kernel.py:my_conv2d
#
# ## 11. In short
#
# - Time is at least $\max(F/\pi, B/\beta)$.  Compute both before you write a kernel, and you know what to work on.
# - Use every number often while it is near: first in the cache (implicit GEMM), then in registers (micro-kernel).
# - One chain of additions waits.  Many independent ones, in vectors, do not.  But another order means another rounding, so
#   fix the order.
# - Minimal filtering needs fewer multiplications and has larger rounding errors: know the bound, have a switch.
# - Right first, then fast: exact inputs, error bounds, the triad identity.  Then measure in turns, and report medians.
#
# **Explain it to a friend:** why is a convolution with 64 channels limited by arithmetic, and a ReLU of its result by
# memory?  And what does this mean for the place where the ReLU is computed?
#
# **Read on.**  `kernels/cpu/__init__.py` says in which order to read the fast kernels.  Goto and van de Geijn, "Anatomy
# of high-performance matrix multiplication" (2008); Lavin and Gray, "Fast algorithms for convolutional neural networks"
# (2015).  Solutions: `lessons/solutions/04_cpu_kernels.py`.  Next: lesson 5, the same ladder on a GPU.
