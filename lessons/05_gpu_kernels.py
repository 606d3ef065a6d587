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
# # 5. Kernels on a GPU
#
# **The question.** A GPU does about a hundred times as many operations per second as one core of a laptop.  It uses tens of
# thousands of threads that all run *the same* few lines.  How must these lines be written, so that they are right, and so
# that the hardware is not idle?  And how do you find out without a GPU?
#
# At the end you will be able to
#
# - write a kernel: index, guard, grid;
# - count what a warp's reads cost, from the indices alone;
# - use shared memory and barriers, and find races before results depend on them;
# - say by a short calculation whether a kernel can come near a card's peak, and read what the compiler made of it.
#
# You need lesson 4 (roofline, tiles, registers).  Plan three sittings of about 50 minutes: sections 1 to 3, sections 4 and 5,
# sections 6 to 10.  (Times are estimates for a reader who looks words up; they include the exercises.)  Four exercises check
# your answers; you can go on without solving them.  New words are **bold**, with their Chinese name (`docs/glossary.md` has
# all).
#
# **This lesson needs no GPU.**  The kernels are real Numba CUDA kernels.  `minigen.kernels.emulate` compiles them as for a GPU
# and runs the result on the CPU, where it can observe every access to memory.  It finds faults and counts traffic; it does
# not measure time.  It runs on Linux on x86-64 (on Windows: in WSL).  Elsewhere the next cell prints this and stops; then
# only read on, all outputs are stored here.
#
# | symbol | in the code | meaning |
# |---|---|---|
# | $F/B$ | `intensity` | operations per byte moved, as in lesson 4 |
# | $\pi, \beta$ | `flops`, `bandwidth` | operations and bytes per second that a card can do |
# | $m, n$ | `m`, `n` | rows and columns of a tile of the result |
# | $i, j$ | `row`, `column` | a place in a matrix; a block or a thread of the grid |
# | $k$ | `k` | the index that a product of matrices sums over |
#
# (The symbols of all lessons are in `lessons/README.md`.)

# %%
from minigen.kernels import emulate, emulator

if emulator.why_not():
    raise SystemExit(f"This lesson can be read here, but not run: {emulator.why_not()}.")

import numpy as np
from numba import cuda, float32

from minigen import plot
from minigen.course import gpu_kernels as exercises
from minigen.course import show_source
from minigen.kernels import reference, static_report
from minigen.kernels.cuda import conv2d, tiles, weight_grad
from minigen.kernels.static_report.gpus import GPUS


def run_checked(kernel, grid, block, *arguments):
    """Launch a kernel with every access watched, and print what is found."""
    try:
        emulate(kernel)[grid, block](*arguments)
        print(f"{kernel.__name__}: no fault found")
    except emulator.KernelError as fault:
        print(f"{type(fault).__name__}\n{fault}")


# %% [markdown]
# ## 1. What a GPU is
#
# A CPU core tries to finish *one* stream of instructions soon.  A GPU works in another way: it holds thousands of streams,
# and whenever one waits for memory, it continues with another.  (Such a wait takes several hundred cycles.)
#
# - A **thread** (线程) is one run of the **kernel** (计算核), the function that all threads run; each has another index.
# - A **warp** (线程束) is 32 threads with neighboring indices.  They execute the same instruction at the same time; where an
#   `if` divides them, the warp executes both branches, one after the other.
# - A **block** (线程块) is up to 1024 threads that run on one *multiprocessor*; a GPU has multiprocessors where a CPU has
#   cores.  The threads of a block can wait for each other at a **barrier** (同步屏障) and share a small fast memory, the **shared
#   memory** (共享内存, 64 to 228 KB for a multiprocessor).  The variables of a thread are in **registers** (寄存器): 65536 for a
#   multiprocessor.
# - The **grid** (网格) is all blocks.  They run in any order, on up to about a hundred multiprocessors, so no block may wait
#   for another.  All see the **global memory** (全局内存): large and slow.

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, axes = plot.figure(
        size=(9, 3.4),
        caption="From left to right each box is one piece of the box before. Below, what the pieces have in common: all "
        "blocks the global memory, the warps of a block its shared memory and barriers, the 32 threads of a warp the "
        "instruction.",
    )
    for left, width, title, count, color in (
        (0, 2.6, "grid", 8, "sky"), (3.4, 2.6, "block", 4, "orange"), (6.8, 3.2, "warp", 32, "green")
    ):  # fmt: skip
        axes.plot(
            [left, left + width, left + width, left, left],
            [0, 0, 2.4, 2.4, 0],
            color="black",
            linestyle="-",
            linewidth=1,
        )
        columns = {8: 4, 4: 1, 32: 8}[count]
        rows = count // columns
        for item in range(count):
            x, y = left + 0.1 + item % columns * (width - 0.2) / columns, 0.62 + item // columns * 1.7 / rows
            axes.fill_between([x, x + (width - 0.2) / columns - 0.06], y, y + 1.7 / rows - 0.08, facecolor=plot.COLORS[color],
                              edgecolor="black", linewidth=0.7)  # fmt: skip
            word = {8: "block", 4: "warp", 32: str(31 - (item // 8 * 8 + 7 - item % 8))}[count]
            axes.text(
                x + (width - 0.2) / columns / 2 - 0.03,
                y + 0.85 / rows - 0.04,
                word,
                ha="center",
                va="center",
                fontsize=10,
            )
        axes.text(left + width / 2, 2.52, title, ha="center", fontsize=13)
        under = {8: "global memory", 4: "shared memory, barrier", 32: "one instruction at a time"}[count]
        axes.text(left + width / 2, 0.25, under, ha="center", va="center", fontsize=11)
    for x in (2.65, 6.05):
        axes.annotate("", (x + 0.7, 1.4), (x, 1.4), arrowprops={"arrowstyle": "->"})
    axes.set(xlim=(-0.1, 10.1), ylim=(-0.1, 2.9))
    axes.set_axis_off()
picture

# %% [markdown]
# Four cards, by the data sheets of their maker (`kernels/static_report/gpus.py` names the sources).  The last column explains
# all that follows, as in lesson 4: the **ridge** of the roofline, the intensity below which memory is the limit.

# %%
print("card       float32 peak    memory     ridge")
for gpu in GPUS:
    peak, speed, ridge = gpu.flops / 1e12, gpu.bandwidth / 1e9, gpu.flops / gpu.bandwidth
    print(f"{gpu.name:9} {peak:5.1f} TFLOP/s {speed:5.0f} GB/s {ridge:4.0f} flop a byte")

# %% [markdown]
# A multiply-add counts as two operations, a float32 has 4 bytes.  So an A100 has to do 50 operations with each number
# that it loads, or it waits.
#
# ## 2. The first kernel
#
# Add two arrays.  The kernel says what *one* thread does; `cuda.grid(1)` is its index in the whole grid:
# `blockIdx.x * blockDim.x + threadIdx.x`.  The launch says how many blocks of how many threads there are.


# %%
@cuda.jit
def add(a, b, c):
    i = cuda.grid(1)
    if i < c.size:
        c[i] = a[i] + b[i]


a, b = np.arange(1000, dtype=np.float32), np.ones(1000, np.float32)
c = np.empty_like(a)
threads = 256
blocks = -(-c.size // threads)  # divided, rounded up
emulate(add)[blocks, threads](a, b, c)
print(f"{blocks} blocks of {threads} threads; {np.count_nonzero(c != a + b)} of {c.size} elements differ from a + b")

# %% [markdown]
# On a machine with a GPU the launch is `add[blocks, threads](a, b, c)`; the kernel is the same.
#
# Blocks are all of one size, so there are 1024 threads for 1000 elements.  The line `if i < c.size` is the **guard**.
# Without it, 24 threads on a GPU would write to memory that belongs to something else, often without any visible effect.
# The emulator checks every access, of every thread:


# %%
@cuda.jit
def add_without_guard(a, b, c):
    i = cuda.grid(1)
    c[i] = a[i] + b[i]


run_checked(add_without_guard, blocks, threads, a, b, c)

# %% [markdown]
# It names the line, the thread, and the element, and writes nothing outside of the arrays.  (The file's name is a number, because it is a cell of a notebook.
# And 24 threads, with two reads and a write each, make 72 faults.)
#
# It also names an index that leaves its axis only (`x[i, j + 1]` in the last column, which is an element of the next row), a
# read from an array of the kernel's own that no thread has written, and a loop that does not end.
# `emulate(kernel, outputs="c")` asks that every element of `c` is written.  With `check=False` a kernel runs many times
# faster, and a wrong index may end Python.  A program that was written for a GPU, with `cuda.to_device` and
# `add[blocks, threads](...)`, runs as it is inside of `with emulator.as_gpu():`.
#
# ### Exercise 5.1: one thread for each element, and no more
#
# `x` is flat: images, in each image the channels, in each channel `length` numbers.  Every channel has one number in `bias`,
# the same for all images.  Write $y = x + \text{bias}$, one thread for each element.
#
# (**How long does a check take?**  It compiles your kernel, and runs one thread after the other with every access observed.
# That is one to three seconds of computing for each kernel of this lesson, the first one longest; on a machine that is
# busy it may be a minute.  While a cell runs, JupyterLab shows `[*]` beside it.)


# %%
@cuda.jit
def add_bias(x, bias, length, y): ...


exercises.add_bias(add_bias)

# %% [markdown]
# <details><summary>Hint</summary>
#
# Element $e$: `e // length` counts channels, from the first image to the last.  `bias.size` of them make an image.
#
# </details>
#
# ## 3. A warp reads together
#
# When a warp executes a load, its 32 threads load at the same time: this is one *request*.  Memory delivers **sectors** of 32
# bytes, 8 float32: every sector that *some* thread needs is moved as a whole, and once.  So neighboring threads should read
# neighboring numbers; such a request is called **coalesced** (合并访问).  The emulator counts.  A copy in which thread $i$ reads
# `x[i * stride]`.  *Decide before you look*: how many sectors for stride 1, 2, 8, 32?


# %%
@cuda.jit
def copy_with_stride(x, y, stride):
    i = cuda.grid(1)
    y[i] = x[i * stride]


x, y = np.zeros(1024, np.float32), np.zeros(32, np.float32)
print("stride  sectors  bytes wanted  bytes moved")
for stride in (0, 1, 2, 4, 8, 32):
    load = next(row for row in emulate(copy_with_stride, count=True)[1, 32](x, y, stride).traffic if row.kind == "load")
    print(f"{stride:6} {load.per_request:8.0f} {load.bytes:13} {load.per_request * 32:12.0f}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, panels = plot.figure(
        3, 1, size=(9, 3.3),
        caption="128 numbers of memory, in 16 sectors of 8. Blue: the 32 numbers that a warp needs. Orange: what is moved "
        "with them, and not used. The blue is the same three times; the orange grows with the stride.",
    )  # fmt: skip
    for axes, stride in zip(panels, (1, 2, 4)):
        wanted = set(range(0, 32 * stride, stride))
        for word in range(128):
            color = plot.COLORS["blue"] if word in wanted else "white"
            if color == "white" and any(word // 8 == w // 8 for w in wanted):
                color = plot.COLORS["orange"]
            axes.fill_between([word, word + 1], 0, 1, facecolor=color, edgecolor="#bbbbbb", linewidth=0.3)
        axes.vlines(range(0, 129, 8), 0, 1, color="black", linewidth=1.5)
        axes.set_title(f"stride {stride}", fontsize=11, loc="left", pad=2)
        axes.set(xlim=(-0.5, 128.5), ylim=(0, 1))
        axes.set_axis_off()
picture

# %% [markdown]
# From stride 8 on every number costs a whole sector; more is not possible.
#
# Now a real kernel: a product of matrices, the main part of every convolution (lesson 4, rungs 2 and 3).  The simplest way
# has one thread for each output.  Blocks and grids may have two dimensions; **the first, x, counts fastest**: a warp
# is 32 threads with neighboring `x`.  Which index should that be, the row's or the column's?  The two kernels differ
# in nothing else.  Decide before you look at the counts.


# %%
@cuda.jit
def product(a, b, c):
    column, row = cuda.grid(2)
    if row < c.shape[0] and column < c.shape[1]:
        total = float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        c[row, column] = total


@cuda.jit
def product_other_order(a, b, c):
    row, column = cuda.grid(2)
    if row < c.shape[0] and column < c.shape[1]:
        total = float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        c[row, column] = total


random = np.random.default_rng(0)
a, b = random.integers(-4, 5, (2, 64, 64)).astype(np.float32)  # whole numbers: sums are exact
c = np.empty_like(a)
reports = {}
for kernel in (product, product_other_order):
    reports[kernel.__name__] = emulate(kernel, count=True)[(2, 8), (32, 8)](a, b, c)
    print(f"{np.count_nonzero(c != a @ b)} of {c.size} elements differ from a @ b")
    print(reports[kernel.__name__], "\n")

# %% [markdown]
# (There is a line for each access in the source.  "Would do": the sectors that the needed numbers would fill if they lay side
# by side; *efficiency* is their share of those moved.)
#
# The two kernels differ in one exchanged pair of names; the result is the same, to the last bit.  In the good order, a warp
# reads *one* number of `a` (the same for all 32 threads: 1 sector) and 32 neighbors in `b` (4 sectors).  In the bad order
# it reads a *column* of `a` (32 sectors) and one number of `b`; and it writes a column of `c`.  A real GPU has caches,
# which reduce the difference and are not counted here.
#
# Even the good order is poor.  For 32 multiply-adds, 64 operations, a warp moves 5 sectors, 160 bytes: 0.4 flop a byte.

# %%
flop = 2 * 64**3


def intensity(report):
    return flop / (32 * report.total("transactions", shared=False))


for name, report in reports.items():
    print(f"{name:20} {intensity(report):5.2f} flop a byte; an A100 needs {GPUS[1].flops / GPUS[1].bandwidth:.1f}")

# %% [markdown]
# By the roofline that is 3% of an A100's peak, and half a percent in the bad order.
#
# ## 4. Tiles in shared memory
#
# The 256 threads of a block need the same rows of `a` and columns of `b` again and again.  So they load them *together*: each
# thread loads one number of a 16 x 16 tile of `a` and one of `b` into shared memory; then all threads multiply from there.
# Each number that comes from global memory is used 16 times.  (There are no guards, so the sizes must be multiples of 16;
# exercise 5.4 is for all sizes.)


# %%
@cuda.jit
def tiled(a, b, c):
    a_tile = cuda.shared.array((16, 16), float32)
    b_tile = cuda.shared.array((16, 16), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    total = float32(0)
    for start in range(0, a.shape[1], 16):
        a_tile[ty, tx] = a[row, start + tx]
        b_tile[ty, tx] = b[start + ty, column]
        cuda.syncthreads()  # no thread reads before all have written
        for k in range(16):
            total += a_tile[ty, k] * b_tile[k, tx]
        cuda.syncthreads()  # no thread writes the next tile before all have read this one
    c[row, column] = total


reports["tiled"] = emulate(tiled, count=True)[(4, 4), (16, 16)](a, b, c)
print(f"{np.count_nonzero(c != a @ b)} of {c.size} elements differ from a @ b")
print(reports["tiled"])
print(f"{intensity(reports['tiled']):.2f} flop a byte")

# %% [markdown]
# (Here a row of a block has 16 threads, so a warp is two rows of the tile: two pieces of 16 neighbors, each two sectors.)
#
# In general, a block that computes $m \times n$ results needs for each $k$ a column of $m$ and a row of $n$ numbers, of
# 4 bytes, and does $mn$ multiply-adds with them:
#
# $$\frac{F}{B} = \frac{2mn}{4(m + n)} = \frac{mn}{2(m + n)} .$$
#
# For 16 x 16 this is 4 (the count is a little less, because `c` has to be written too).  To be above an A100's ridge, a
# tile has to be larger: 64 x 64 gives 16.  **So the plan is: larger tiles.**
#
# ### Barriers, and what happens without them
#
# `cuda.syncthreads()` is a barrier: no thread of the block goes on before all have arrived.  Why are there two?  Here the
# second is missing:


# %%
@cuda.jit
def tiled_race(a, b, c):
    a_tile = cuda.shared.array((16, 16), float32)
    b_tile = cuda.shared.array((16, 16), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    total = float32(0)
    for start in range(0, a.shape[1], 16):
        a_tile[ty, tx] = a[row, start + tx]
        b_tile[ty, tx] = b[start + ty, column]
        cuda.syncthreads()
        for k in range(16):
            total += a_tile[ty, k] * b_tile[k, tx]
    c[row, column] = total


for order in ("forward", "reverse", 1, 2):
    emulate(tiled_race, check=False, order=order)[(4, 4), (16, 16)](a, b, c)
    print(f"threads in order {order!s:8} {np.count_nonzero(c != a @ b):4} of {c.size} elements are wrong")
run_checked(tiled_race, (4, 4), (16, 16), a, b, c)

# %% [markdown]
# This is a **race condition** (竞态条件): a fast thread writes the next tile while a slow one still reads this one.  The result
# depends on which thread is faster.  (The emulator runs the threads of a block one after another, each up to the next
# barrier, so here nearly everything is wrong.  A number in place of `order` is the seed of a random order.)  On a GPU threads run at nearly the same speed most of the time, so such a
# kernel may pass every test for a year.  The check does not depend on luck: it records which thread used each element since
# the last barrier, and names the two lines, the two threads, and the element.  (Without the *first* barrier a fast thread
# reads what a slow one has not yet written: the same two lines, in the other order.)
#
# The opposite mistake is a barrier that not all threads reach:


# %%
@cuda.jit
def waits_in_a_branch(x):
    held = cuda.shared.array(64, float32)
    i = cuda.threadIdx.x
    if i < 48:
        held[i] = x[i]
        cuda.syncthreads()
    x[i] = held[47 - i % 48]


run_checked(waits_in_a_branch, 1, 64, np.zeros(64, np.float32))

# %% [markdown]
# On a GPU this is undefined: it may hang, or go on with half of the data.  So **a guard goes around loads and stores,
# never around a barrier**.  A thread with nothing to load writes a zero, waits, and computes like all others.
#
# ## 5. Banks
#
# Shared memory has another rule.  It consists of 32 **banks**; word (4 bytes) number $i$ is in bank $i \bmod 32$.  Each bank
# delivers one word in a pass, to all threads that need it.  So a request of a warp takes as many passes as the largest number
# of *different* words that it needs from one bank: a **bank conflict** (存储体冲突) if this is more than 1.  A row of a 32 x 32
# tile takes 1 pass.  *Decide before you look*: a column?  And a column with rows of 33 words?


# %%
@cuda.jit
def read_column_32(x):
    tile = cuda.shared.array((32, 32), float32)
    i = cuda.threadIdx.x
    for row in range(32):
        tile[row, i] = x[i]
    cuda.syncthreads()
    x[i] = tile[i, 5]


@cuda.jit
def read_column_33(x):
    tile = cuda.shared.array((32, 33), float32)
    i = cuda.threadIdx.x
    for row in range(32):
        tile[row, i] = x[i]
    cuda.syncthreads()
    x[i] = tile[i, 5]


passes = {}
for kernel in (read_column_32, read_column_33):
    report = emulate(kernel, count=True)[1, 32](np.zeros(32, np.float32))
    read = next(row for row in report.traffic if row.shared and row.kind == "load")
    passes[kernel.__name__] = read.per_request
    print(f"{kernel.__name__}: passes for the column: {read.per_request:.0f}")

# %% jupyter={"source_hidden": true}
with plot.style():
    picture, panels = plot.figure(
        1, 2, size=(9, 5.5),
        caption="The bank of each word of a tile, as a shade (0 dark, 31 light), and a column outlined. Rows of 32 words: the "
        "outlined column has one shade, so it is in one bank. Rows of 33: each row begins one bank further, and the column "
        "is in all 32.",
    )  # fmt: skip
    for axes, pitch in zip(panels, (32, 33)):
        banks = (np.arange(32)[:, None] * pitch + np.arange(32)) % 32
        axes.imshow(banks, cmap="cividis", interpolation="nearest")
        axes.plot(
            [4.5, 5.5, 5.5, 4.5, 4.5],
            [-0.5, -0.5, 31.5, 31.5, -0.5],
            color=plot.COLORS["red"],
            linestyle="-",
            linewidth=2.5,
        )
        axes.set_title(f"rows of {pitch} words; passes: {passes[f'read_column_{pitch}']:.0f}", fontsize=12)
        axes.set(xlabel="column", ylabel="row", xticks=(0, 5, 15, 31), yticks=(0, 15, 31))
        axes.grid(False)
picture

# %% [markdown]
# One unused word at the end of each row removes the conflict.
#
# ### Exercise 5.2: what a warp's read costs
#
# Given are the 32 indices that the threads of a warp read, of float32 in an array that begins at a sector.  How many sectors
# are moved if the array is in global memory?  How many passes does it take if it is in shared memory?


# %%
def cost(words):
    """words: 32 whole numbers; the sectors, and the passes."""
    sectors = ...
    passes = ...
    return sectors, passes


exercises.cost(cost)

# %% [markdown]
# <details><summary>Hint</summary>
#
# `np.unique` removes duplicates.  Sector: `words // 8`.  Bank: `% 32`, after duplicates were removed.  `np.bincount` counts.
#
# </details>
#
# ### Exercise 5.3: a transpose that reads and writes rows
#
# `y[column, row] = x[row, column]` either reads columns or writes columns: one of the two is slow.  The solution is to
# transpose in shared memory: a block of 32 x 32 threads reads a tile of $x$ by rows, waits, and writes it by rows of $y$.
# $x$ may have any shape; block $(j, i)$ of the grid (`blockIdx.x` is $j$) takes tile row $i$ and tile column $j$ of $x$.  The
# check runs it with every access observed, and counts sectors and passes.


# %%
@cuda.jit
def transpose(x, y): ...


exercises.transpose(transpose)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# The tile begins at row `cuda.blockIdx.y * 32` and column `cuda.blockIdx.x * 32` of $x$, and so at row
# `cuda.blockIdx.x * 32` of $y$.  Neighboring threads differ in `threadIdx.x`: it should be in the last index of both
# `x[...]` and `y[...]`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Two guards, one for each matrix, and the barrier between them, outside of both.
#
# </details>
#
# ## 6. Registers
#
# In `tiled`, each multiply-add reads two numbers from shared memory.  Now *this* is the limit: a multiprocessor of an
# A100 can start 2 multiply-adds of whole warps in a cycle (it has 64 units; NVIDIA, *CUDA C++ Programming Guide*,
# "Arithmetic Instructions"), but shared memory delivers 32 words in a cycle: one request.  Two requests for each
# multiply-add take two cycles, in which 4 multiply-adds could have started: three quarters of the units are idle.
#
# The solution is lesson 4's micro-kernel again: each thread computes a small block, 4 x 4 results, and keeps it in registers.
# Then 8 numbers are read for 16 multiply-adds.  And because each thread does more, 64 threads make a tile of 32 x 32.


# %%
@cuda.jit
def blocked(a, b, c):
    a_tile = cuda.shared.array((32, 8), float32)
    b_tile = cuda.shared.array((8, 40), float32)  # 8 words of each row are never used
    left, above = cuda.local.array(4, float32), cuda.local.array(4, float32)
    sums = cuda.local.array((4, 4), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx
    for i in range(4):
        for j in range(4):
            sums[i, j] = 0
    for start in range(0, a.shape[1], 8):
        for i in range(4):
            a_tile[ty + 8 * i, tx] = a[row + 8 * i, start + tx]
            b_tile[ty, tx + 8 * i] = b[start + ty, column + 8 * i]
        cuda.syncthreads()
        for k in range(8):
            for i in range(4):
                left[i], above[i] = a_tile[ty + 8 * i, k], b_tile[k, tx + 8 * i]
            for i in range(4):
                for j in range(4):
                    sums[i, j] += left[i] * above[j]
        cuda.syncthreads()
    for i in range(4):
        for j in range(4):
            c[row + 8 * i, column + 8 * j] = sums[i, j]


reports["blocked"] = emulate(blocked, count=True)[(2, 2), (8, 8)](a, b, c)
print(f"{np.count_nonzero(c != a @ b)} of {c.size} elements differ from a @ b")
run_checked(blocked, (2, 2), (8, 8), a, b, c)
print("\nkernel                 flop a byte   passes over shared memory, reading, for each multiply-add of a warp")
for name, report in reports.items():
    passes_read = sum(row.transactions for row in report.traffic if row.shared and row.kind == "load")
    print(f"{name:22} {intensity(report):11.2f}   {passes_read / (64**3 / 32):.2f}")

# %% [markdown]
# Half a pass for each multiply-add: this is just what an A100 can deliver.  And the tile is larger, so the intensity has
# grown as well: $\frac{32 \cdot 32}{2 \cdot 64} = 8$, less what writing `c` costs.
#
# Two details do not change the result, but the sectors and banks.  Here a warp is 4 rows of 8 threads.
#
# - *Why are a thread's 4 x 4 results 8 apart, and not side by side?*  So that the 8 threads of a row write 8
#   neighbors in `c`, one sector.  With `4 * tx + j` in place of `tx + 8 * j` they would write into four sectors.  And
#   four rows of threads read four neighboring rows of `a_tile`, which are in different banks; rows 4 apart, 32 words,
#   would not be.
# - *Why has `b_tile` rows of 40 words?*  When it is filled, a warp stores 8 words into each of 4 rows.  Rows of 32
#   words would all begin in one bank, and so take 4 passes; rows of 40 begin 8 banks apart.
#
# Change either, and look at `print(emulate(blocked, count=True)[(2, 2), (8, 8)](a, b, c))`.
#
# So the ladder is that of lesson 4, with other names:
#
# | | CPU | GPU |
# |---|---|---|
# | the definition | loops | one thread for each output |
# | read neighbors together | cache lines, vectors | sectors of a warp |
# | use it often while it is near | a panel in the cache | a tile in shared memory |
# | and nearest | a block in vector registers | a block in each thread's registers |
# | do not wait | independent chains | many warps at the same time (**occupancy**, 占用率) |
#
# ### Exercise 5.4: a tiled product without a race
#
# Write $c = a b^\top$, that is $c_{ij} = \sum_k a_{ik} b_{jk}$ (a dense layer: inputs times weights), for *any* sizes:
# 16 x 16 tiles in shared memory, a block of 16 x 16 threads, block $(j, i)$ of the grid for tile row $i$ and tile
# column $j$ of $c$.  The check looks for races, bounds and divergent barriers with the threads in reverse order,
# compares, and counts the sectors, and the passes of reading.


# %%
@cuda.jit
def product_transposed(a, b, c): ...


exercises.product_transposed(product_transposed)

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Start from `tiled`.  A thread without an element of `a` or `b` to load writes `float32(0)` into the tile.  Only the
# last line, the store, is guarded with an `if`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Neighboring threads should read neighbors along `k` of `b` too:
# `b_tile[ty, tx] = b[(first row of the tile) + ty, start + tx]`.  The product then needs `b_tile[tx, k]`, a column.
# Which conflict does that make, and how do you avoid it?  Section 5.
#
# </details>
#
# ## 7. Our real kernel
#
# `minigen.kernels.cuda` computes convolutions as such a product, whose matrices are never stored (the *implicit GEMM* of
# lesson 4): images and filters are read where they lie, on the way into shared memory.  Its innermost part, as it is:

# %%
show_source(tiles.multiplier)

# %% [markdown]
# It is the loop over `k` of `blocked`.  A thread's $8 \times 4$ `sums` stay in registers; `a` and `b` are what `left`
# and `above` were.  `copy_vector` moves 16 bytes, `vector` = 4 float32, in one instruction: 3 loads for 32
# multiply-adds.  `apart` and `across` are the distances of a thread's results, in groups of four; `PAD` is our 33rd word.
# All sizes are constants, because a function is made for each `tile`: so the compiler can unroll the short loops (in pieces
# of `UNROLLED` = 4 terms).
#
# A block makes a tile of 64 x 64 or 128 x 64, so even without any cache it has 16 or 21 flop a byte.  (And there is a
# cache: tiles in one row of the result need the same rows of the left matrix, soon after each other.)  The whole kernel
# is in `kernels/cuda/correlate.py`.  It has two more steps: while a tile is multiplied, the next one is already loaded into
# registers; and there are two buffers for tiles, so that one barrier for each is enough.
#
# Here it runs in the emulator, on a small layer with stride 2, with its threads in three orders.  Whole numbers again,
# so every bit must be right.

# %%
x = random.integers(-4, 5, (2, 3, 7, 6)).astype(np.float32)
w = random.integers(-4, 5, (8, 3, 3, 3)).astype(np.float32)
settings = ((2, 2), ((1, 1), (1, 1)), (1, 1), 1)  # stride, padding, dilation, groups
right = reference.conv2d(x, w, *settings)
for order in ("forward", "reverse", 1):
    with emulator.emulated(order=order):
        made = conv2d(x, w, *settings)
        print(
            f"threads in order {order!s:8} {np.count_nonzero(made != right)} of {right.size} elements differ from the reference"
        )

# %% [markdown]
# ### The static report
#
# The kernel is right.  How fast is it?  Without a GPU we cannot measure, but much is decided when the kernel is *compiled*,
# and the compiler needs no GPU.  The report reads the machine code for an A100 (`sm` 80), for a layer of a DCGAN.

# %% tags=["varies"]
rows = static_report.report(["conv2d"], ccs=[80])
print(static_report.table(rows))

# %% [markdown]
# How to read it:
#
# - **shared**: bytes of shared memory of a block.  **instr**: instructions of the whole kernel.
# - **regs**: registers of a thread.  **spill**: bytes for which there was no register, so that they are in memory.  Anything but 0 in a
#   hot loop is bad.
# - **occupancy**: which share of the 2048 threads that a multiprocessor has room for can be there at once, and what
#   limits it.  65536 registers, with about 90 to 100 for each thread, are enough for about 650 threads: a third.  More is not
#   always better: a wait is hidden by *independent work*, and a thread with 32 independent sums has much of it.
# - **hot loop**: how many instructions the innermost loop has, and how many of them are FFMA (a multiply-add), LDS (a
#   load from shared memory), LDS.128 (of these, the ones of 16 bytes) and calls.  More than ten FFMA for an LDS, no calls,
#   little else.
# - **at least**: two bounds.  *At its peaks* is the roofline's.  The first bound also counts that every instruction takes a
#   slot: on cards whose multiply-adds could use every slot (RTX 4090, H100) the other instructions of the loop cost time.
#   On a T4 or an A100 a multiply-add takes two slots, and the others fit in between.  No run can be faster; how much slower
#   it is, only a measurement on a GPU can say.

# %% tags=["varies"] jupyter={"source_hidden": true}
ours = max(rows, key=lambda row: row.flops)
with plot.style():
    picture, axes = plot.figure(
        size=(9, 5),
        caption="Rooflines of four cards. Black: the most that an A100 allows each rung, by its counted intensity. They are on "
        "the slope, where memory is the limit. Our convolution is a range, from no cache at all to every byte moved once: all "
        "of it under the A100's flat roof, but only the right part under that of an RTX 4090. Bounds, not measurements.",
    )
    reach = np.logspace(-2, 3, 300)
    for gpu in GPUS:
        axes.loglog(reach, np.minimum(gpu.flops, gpu.bandwidth * reach) / 1e12, label=gpu.name)
    a100 = GPUS[1]
    uncached = 64 * 64 / (2 * (64 + 64))  # m n / (2 (m + n)), for the tile of this layer
    marks = [(name.removeprefix("product_").replace("_", " "), intensity(report)) for name, report in reports.items()]
    marks += [("our conv2d, no cache", uncached), ("each byte once", ours.intensity)]
    axes.plot([uncached, ours.intensity], [a100.flops / 1e12] * 2, color="black", linestyle="-", linewidth=4)
    for (name, place), marker in zip(marks, "vs^Doo"):
        axes.axvline(place, color="#999999", linewidth=0.8, linestyle="-", zorder=0)
        axes.plot(place, min(a100.flops, a100.bandwidth * place) / 1e12, marker, color="black", markersize=8)
        axes.text(
            place * 0.93,
            0.012,
            name,
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=10,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )
    axes.set(xlabel="intensity (flop a byte)", ylabel="TFLOP/s at most", ylim=(0.01, 150), xlim=(0.03, 1000))
    axes.legend(loc="upper left", fontsize=11)
picture

# %% [markdown]
# (The rungs were counted on small matrices; the caches of a GPU would move them to the right as well.)
#
# ## 8. The same bits every time
#
# The gradient for the weights sums over all pixels of all images: few results, long sums.  To use all threads, one divides
# the pixels among them, and then adds the partial sums.  The easy way is an *atomic* addition: any number of threads may add
# to one element, and the hardware lets them do it one after another, in an order that is not defined.


# %% tags=["varies"]
@cuda.jit
def sum_atomically(x, total):
    cuda.atomic.add(total, 0, x[cuda.grid(1)])


numbers = random.normal(size=256).astype(np.float32)
results = []
for order in ("forward", "reverse", 1, 2, 3):
    total = np.zeros(1, np.float32)
    emulate(sum_atomically, order=order)[1, 256](numbers, total)
    results.append(total[0])
run_checked(sum_atomically, 1, 256, numbers, np.zeros(1, np.float32))
print("sums of the same 256 numbers:", *(f"{value:.8g}" for value in results))

# %% [markdown]
# There is no race: atomics are made for this.  But float addition is not associative, so another order gives other last bits.
# A training amplifies them, and two runs with one seed become different; then you cannot see whether *your change* had an
# effect.  (With small whole numbers, atomics are harmless.  Why?)  So our kernel stores each partial sum separately, and a
# second kernel adds them, from the first to the last:

# %%
show_source(weight_grad.adder)

# %% [markdown]
# (A *grid-stride loop*: a thread takes the elements $i$, $i$ + all threads, and so on; then any number of threads works, and
# `count` is the guard.)
#
# It costs a few more bytes, and the result depends on the shapes and the data alone.  `tests/test_kernels_cuda_conv.py`
# compares bits under several orders of the threads.
#
# ## 9. What has been verified, and what not
#
# Our CUDA kernels were **compiled** for GPUs, **emulated** on CPUs and compared with the reference, **checked** for
# races, bounds and divergent barriers, and their machine code was **read** by a program, all without a GPU.  What this
# cannot test: the time; faults of the last compiler step, which the emulator does not use; and everything that depends on
# the driver.  Later the kernels ran on a GPU, an H100, and every kernel was right at the first attempt.  The run showed one
# new thing: to *start* a kernel takes the CPU 0.2 ms, and a convolution, which was three kernels then, needs less than that.
#
# If you have a GPU: `python -m pip install -e ".[cuda13,data]"` in the folder of this repository, and then
# `minigen check --gpu` runs every kernel on it, gradient checks, a short training and a race, and writes
# `gpu-report.md` and `gpu-report.json`.  Please send us both, with or without failures.
# (`lessons/reference/cuda_kernels.md` says more, and what to install for CUDA 12.)
#
# ## 10. In short
#
# - A thread is an index; guard it.  The first index of a block should run along the last of an array.
# - Count before you measure: sectors of a warp, passes over the banks, flop a byte.
# - Shared memory is for using a number often; registers, for using it more often.  $\frac FB = \frac{mn}{2(m + n)}$.
# - Two barriers for a tile, never inside an `if`.  A race is invisible in the results: use a tool that finds it.
# - Fix the order of float additions, or you cannot compare runs.
#
# **Explain it to a friend:** why does one swapped pair of names make a kernel move almost seven times as much, though
# every thread reads as many numbers as before?
#
# **Read on.**  `kernels/cuda/__init__.py` and `kernels/emulator/__init__.py` say in which order to read them.  NVIDIA,
# *CUDA C++ Best Practices Guide*; Williams, Waterman and Patterson, "Roofline" (2009).  Solutions:
# `lessons/solutions/05_gpu_kernels.py`.  Next: lesson 6, batch norm, activations and initialization.
