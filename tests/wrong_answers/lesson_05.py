"""Wrong answers to lesson 5: kernels, which need Numba's CUDA for the emulator."""

import numpy as np
from numba import cuda, float32

from . import Table

TABLE = Table()
add, program = TABLE.add, TABLE.program

# 5.1 add_bias


@program("add_bias", "guard|bounds|outside|beyond")
@cuda.jit
def no_guard(x, bias, length, y):
    i = cuda.grid(1)
    y[i] = x[i] + bias[i // length % bias.size]


@program("add_bias", "image|%|channel|modulo|bounds|outside")
@cuda.jit
def images_forgotten(x, bias, length, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i] + bias[i // length]


@program("add_bias", "length|//|channel|neighbo")
@cuda.jit
def remainder_in_place_of_quotient(x, bias, length, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] = x[i] + bias[i % bias.size]


@program("add_bias", "guard|<|last|one|bounds|outside")
@cuda.jit
def guard_one_too_far(x, bias, length, y):
    i = cuda.grid(1)
    if i <= x.size:
        y[i] = x[i] + bias[i // length % bias.size]


@program("add_bias", "block|grid|threadIdx|written|race")
@cuda.jit
def index_without_the_block(x, bias, length, y):
    i = cuda.threadIdx.x
    if i < x.size:
        y[i] = x[i] + bias[i // length % bias.size]


@program("add_bias", "x\\b.*(written|chang|read)|y|written")
@cuda.jit
def writes_into_x(x, bias, length, y):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = x[i] + bias[i // length % bias.size]


@program("add_bias", "each|every|all|once|one element|thread|race")
@cuda.jit
def every_thread_does_all(x, bias, length, y):
    for i in range(x.size):
        y[i] = x[i] + bias[i // length % bias.size]


@program("add_bias", "last|guard|written|channel|missing|not")
@cuda.jit
def guard_by_bias(x, bias, length, y):
    i = cuda.grid(1)
    if i < bias.size * length:
        y[i] = x[i] + bias[i // length]


# 5.2 cost


def banks(words):
    return int(np.bincount(np.unique(words) % 32).max())


add(
    "cost",
    "duplicates are counted in the passes",
    "duplicat|same word|broadcast|unique|once",
    lambda words: (len(np.unique(np.asarray(words) // 8)), int(np.bincount(np.asarray(words) % 32).max())),
)
add(
    "cost",
    "sectors of 32 words",
    "8|32 bytes|sector",
    lambda words: (len(np.unique(np.asarray(words) // 32)), banks(words)),
)
add("cost", "each distinct word is a sector", "8|sector|neighbo", lambda words: (len(np.unique(words)), banks(words)))
add(
    "cost",
    "span in place of distinct sectors",
    "between|distinct|touch|unique|only|not read",
    lambda words: (int(np.ptp(words)) // 8 + 1, banks(words)),
)
add(
    "cost",
    "number of banks, not the most in one",
    "bank|most|max",
    lambda words: (len(np.unique(np.asarray(words) // 8)), len(np.unique(np.asarray(words) % 32))),
)
add(
    "cost",
    "banks by // 32",
    "bank|%|remainder|// 32",
    lambda words: (len(np.unique(np.asarray(words) // 8)), int(np.bincount(np.unique(words) // 32).max())),
)
add("cost", "passes always 1", "bank|conflict", lambda words: (len(np.unique(np.asarray(words) // 8)), 1))
add("cost", "exchanged", "order|exchang|swap", lambda words: (banks(words), len(np.unique(np.asarray(words) // 8))))

# 5.3 transpose


@program("transpose", "column|sector|shared|tile")
@cuda.jit
def straight(x, y):
    row, column = cuda.blockIdx.y * 32 + cuda.threadIdx.y, cuda.blockIdx.x * 32 + cuda.threadIdx.x
    if row < x.shape[0] and column < x.shape[1]:
        y[column, row] = x[row, column]


@program("transpose", "syncthreads|barrier|race")
@cuda.jit
def no_barrier(x, y):
    tile = cuda.shared.array((32, 33), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    row, column = cuda.blockIdx.x * 32 + ty, cuda.blockIdx.y * 32 + tx
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = tile[tx, ty]


@program("transpose", "bank|33|conflict|pass")
@cuda.jit
def tile_without_the_unused_word(x, y):
    tile = cuda.shared.array((32, 32), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    row, column = cuda.blockIdx.x * 32 + ty, cuda.blockIdx.y * 32 + tx
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = tile[tx, ty]


@program("transpose", "column|sector|row")
@cuda.jit
def tile_and_columns_all_the_same(x, y):
    tile = cuda.shared.array((32, 33), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    if row < x.shape[0] and column < x.shape[1]:
        y[column, row] = tile[ty, tx]


@program("transpose", "barrier|divergent|syncthreads|if")
@cuda.jit
def barrier_inside_the_guard(x, y):
    tile = cuda.shared.array((32, 33), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
        cuda.syncthreads()
    row, column = cuda.blockIdx.x * 32 + ty, cuda.blockIdx.y * 32 + tx
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = tile[tx, ty]


@program("transpose", "guard|bounds|outside|beyond")
@cuda.jit
def without_guards(x, y):
    tile = cuda.shared.array((32, 33), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    tile[ty, tx] = x[cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx]
    cuda.syncthreads()
    y[cuda.blockIdx.x * 32 + ty, cuda.blockIdx.y * 32 + tx] = tile[tx, ty]


@program("transpose", "transpos|tile\\[|turn|exchang|swap")
@cuda.jit
def tile_not_turned(x, y):
    tile = cuda.shared.array((32, 33), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    row, column = cuda.blockIdx.x * 32 + ty, cuda.blockIdx.y * 32 + tx
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = tile[ty, tx]


@program("transpose", "block|corner|place|bounds|outside|tile row")
@cuda.jit
def blocks_not_exchanged(x, y):
    tile = cuda.shared.array((32, 33), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * 32 + ty, cuda.blockIdx.x * 32 + tx
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    if row < y.shape[0] and column < y.shape[1]:
        y[row, column] = tile[tx, ty]


# 5.4 a tiled product


def product(bug):
    pad = 16 if bug == "pad" else 17
    first, second, guard, zeros = bug != "first", bug != "second", bug != "guard", bug != "zeros"
    columns, straight_ = bug == "columns", bug == "a b"
    overwrite = bug == "overwrite"

    @cuda.jit
    def product_transposed(a, b, c):
        a_tile = cuda.shared.array((16, 16), float32)
        b_tile = cuda.shared.array((16, pad), float32)
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        row, column = cuda.blockIdx.y * 16 + ty, cuda.blockIdx.x * 16 + tx
        total = float32(0)
        for start in range(0, a.shape[1], 16):
            if row < a.shape[0] and start + tx < a.shape[1]:
                a_tile[ty, tx] = a[row, start + tx]
            elif zeros:
                a_tile[ty, tx] = float32(0)
            if columns:
                if column < b.shape[0] and start + ty < b.shape[1]:
                    b_tile[tx, ty] = b[column, start + ty]
                else:
                    b_tile[tx, ty] = float32(0)
            else:
                place = cuda.blockIdx.x * 16 + ty
                if place < b.shape[0] and start + tx < b.shape[1]:
                    b_tile[ty, tx] = b[place, start + tx]
                elif zeros:
                    b_tile[ty, tx] = float32(0)
            if first:
                cuda.syncthreads()
            for k in range(16):
                if overwrite:
                    total = a_tile[ty, k] * b_tile[tx, k]
                elif straight_:
                    total += a_tile[ty, k] * b_tile[k, tx]
                else:
                    total += a_tile[ty, k] * b_tile[tx, k]
            if second:
                cuda.syncthreads()
        if not guard or (row < c.shape[0] and column < c.shape[1]):
            c[row, column] = total

    return product_transposed


for bug, hint in {
    "first": "barrier|syncthreads|race",
    "second": "barrier|syncthreads|race",
    "guard": "guard|bounds|outside|beyond",
    "zeros": "zero|float32\\(0\\)|edge|border|uninitiali|never written",
    "pad": "bank|17|conflict|pass",
    "columns": "sector|column|neighbo",
    "a b": "b_tile\\[tx, k\\]|transpos|b\\^T|k of b|a b",
    "overwrite": "sum|add|\\+=",
}.items():
    add("product_transposed", bug, hint, product(bug))
