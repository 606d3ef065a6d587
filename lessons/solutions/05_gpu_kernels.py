"""Solutions to the exercises of lesson 5, *Kernels on a GPU*.  Each answer has the name of its exercise."""

import importlib.util

import numpy as np

if importlib.util.find_spec("numba_cuda") is None:
    raise SystemExit('these are CUDA kernels: python -m pip install "minigen-lab[emulator]"')

from numba import cuda, float32

# 5.1  `length` neighbors share a channel; after the last channel of an image, the first follows.


@cuda.jit
def add_bias(x, bias, length, y):
    e = cuda.grid(1)
    if e < x.size:
        y[e] = x[e] + bias[e // length % bias.size]


# 5.2  A sector is named by the word's number over 8, a bank by its remainder by 32; equal words count once.


def cost(words):
    sectors = len(np.unique(words // 8))
    passes = np.bincount(np.unique(words) % 32).max()
    return sectors, passes


# 5.3  A row of x is read, a row of y written; between the two, in shared memory, the turn.


@cuda.jit
def transpose(x, y):
    tile = cuda.shared.array((32, 33), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, column = cuda.blockIdx.y * 32, cuda.blockIdx.x * 32  # of the tile, in x
    if row + ty < x.shape[0] and column + tx < x.shape[1]:
        tile[ty, tx] = x[row + ty, column + tx]
    cuda.syncthreads()
    if column + ty < y.shape[0] and row + tx < y.shape[1]:
        y[column + ty, row + tx] = tile[tx, ty]


# 5.4  Both tiles are loaded along their rows; b's has rows of 17, since threads of a warp read a column of it.


@cuda.jit
def product_transposed(a, b, c):
    a_tile = cuda.shared.array((16, 16), float32)
    b_tile = cuda.shared.array((16, 17), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, first = cuda.blockIdx.y * 16 + ty, cuda.blockIdx.x * 16
    total = float32(0)
    for start in range(0, a.shape[1], 16):
        inside = start + tx < a.shape[1]
        a_tile[ty, tx] = a[row, start + tx] if inside and row < a.shape[0] else float32(0)
        b_tile[ty, tx] = b[first + ty, start + tx] if inside and first + ty < b.shape[0] else float32(0)
        cuda.syncthreads()
        for k in range(16):
            total += a_tile[ty, k] * b_tile[tx, k]
        cuda.syncthreads()
    if row < c.shape[0] and first + tx < c.shape[1]:
        c[row, first + tx] = total
