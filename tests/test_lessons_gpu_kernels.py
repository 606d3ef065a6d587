"""Lesson 5: wrong kernels are found, and for the right reason; the formula that the lesson derives holds."""

import runpy

import numpy as np
import pytest

from minigen import lessons
from minigen.course import gpu_kernels as fifth
from minigen.kernels import emulate, emulator

if emulator.why_not():
    pytest.skip(emulator.why_not(), allow_module_level=True)

from numba import cuda, float32


@cuda.jit
def unanswered(x, y): ...


@cuda.jit
def bias_without_guard(x, bias, length, y):
    e = cuda.grid(1)
    y[e] = x[e] + bias[e // length % bias.size]


@cuda.jit
def bias_channels_last(x, bias, length, y):
    e = cuda.grid(1)
    if e < x.size:
        y[e] = x[e] + bias[e % bias.size]


@cuda.jit
def bias_of_one_image(x, bias, length, y):
    e = cuda.grid(1)
    if e < x.size:
        y[e] = x[e] + bias[e // length]


@cuda.jit
def bias_of_the_first_block(x, bias, length, y):
    e = cuda.threadIdx.x
    if e < x.size and cuda.blockIdx.x == 0:
        y[e] = x[e] + bias[e // length % bias.size]


@cuda.jit
def bias_by_every_block(x, bias, length, y):
    e = cuda.threadIdx.x
    if e < x.size:
        y[e] = x[e] + bias[e // length % bias.size]


@cuda.jit
def bias_of_a_list(x, bias, length, y):
    y.append(cuda.grid(1))


@cuda.jit
def transpose_directly(x, y):
    column, row = cuda.grid(2)
    if row < x.shape[0] and column < x.shape[1]:
        y[column, row] = x[row, column]


@cuda.jit
def transpose_by_columns(x, y):
    """Rows are read; but the turn is made when writing, so shared memory is of no use."""
    tile = cuda.shared.array((32, 33), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    column, row = cuda.grid(2)
    if row < x.shape[0] and column < x.shape[1]:
        tile[ty, tx] = x[row, column]
    cuda.syncthreads()
    if row < x.shape[0] and column < x.shape[1]:
        y[column, row] = tile[ty, tx]


def _transpose(pitch=32, barrier=True, inside=False, guard=True, turned=True):
    @cuda.jit
    def transpose(x, y):
        tile = cuda.shared.array((32, pitch), float32)
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        row, column = cuda.blockIdx.y * 32, cuda.blockIdx.x * 32
        if not guard or (row + ty < x.shape[0] and column + tx < x.shape[1]):
            tile[ty, tx] = x[row + ty, column + tx]
            if inside:
                cuda.syncthreads()
        if barrier:
            cuda.syncthreads()
        if column + ty < y.shape[0] and row + tx < y.shape[1]:
            y[column + ty, row + tx] = tile[tx, ty] if turned else tile[ty, tx]

    return transpose


def _product(first=True, second=True, guard=True, coalesced=True, transposed=True, in_branch=False, pitch=17):
    @cuda.jit
    def product(a, b, c):
        a_tile, b_tile = cuda.shared.array((16, 16), float32), cuda.shared.array((16, pitch), float32)
        tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
        row, corner = cuda.blockIdx.y * 16 + ty, cuda.blockIdx.x * 16
        total = float32(0)
        for start in range(0, a.shape[1], 16):
            k = start + tx
            a_tile[ty, tx] = a[row, k] if not guard or (row < a.shape[0] and k < a.shape[1]) else float32(0)
            if not transposed:
                k, column = start + ty, corner + tx
                inside = k < b.shape[0] and column < b.shape[1]
                b_tile[tx, ty] = b[k, column] if inside else float32(0)
            elif coalesced:
                column = corner + ty
                b_tile[ty, tx] = b[column, k] if column < b.shape[0] and k < b.shape[1] else float32(0)
            else:
                k, column = start + ty, corner + tx
                b_tile[tx, ty] = b[column, k] if column < b.shape[0] and k < b.shape[1] else float32(0)
            if first and (not in_branch or row < c.shape[0]):
                cuda.syncthreads()
            for k in range(16):
                total += a_tile[ty, k] * b_tile[tx, k]
            if second:
                cuda.syncthreads()
        if row < c.shape[0] and corner + tx < c.shape[1]:
            c[row, corner + tx] = total

    return product


@cuda.jit
def product_that_keeps_old_numbers(a, b, c):
    a_tile, b_tile = cuda.shared.array((16, 16), float32), cuda.shared.array((16, 17), float32)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    row, corner = cuda.blockIdx.y * 16 + ty, cuda.blockIdx.x * 16
    total = float32(0)
    for start in range(0, a.shape[1], 16):
        k, column = start + tx, corner + ty
        if row < a.shape[0] and k < a.shape[1]:
            a_tile[ty, tx] = a[row, k]
        if column < b.shape[0] and k < b.shape[1]:
            b_tile[ty, tx] = b[column, k]
        cuda.syncthreads()
        for k in range(16):
            total += a_tile[ty, k] * b_tile[tx, k]
        cuda.syncthreads()
    if row < c.shape[0] and corner + tx < c.shape[1]:
        c[row, corner + tx] = total


@cuda.jit
def product_without_tiles(a, b, c):
    column, row = cuda.grid(2)
    if row < c.shape[0] and column < c.shape[1]:
        total = float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[column, k]
        c[row, column] = total


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("check", "answer", "reasons"),
    [
        (fifth.add_bias, bias_without_guard, ("BoundsError", "128 threads for 105 elements")),
        (fifth.add_bias, bias_channels_last, ("`length` neighbors share one",)),
        (fifth.add_bias, bias_of_one_image, ("BoundsError", "element 5 of bias", "from 0 to 4")),
        (fifth.add_bias, bias_of_the_first_block, ("were never written",)),
        (fifth.add_bias, bias_by_every_block, ("RaceError", "cuda.grid(1)")),
        (fifth.add_bias, bias_of_a_list, ("could not compile",)),
        (fifth.add_bias, 3, ("Expected a kernel", "got int")),
        (fifth.transpose, transpose_directly, ("a warp that writes y takes 32 sectors a request, where 4 would do",)),
        (fifth.transpose, transpose_by_columns, ("a warp that writes y takes 32 sectors",)),
        (fifth.transpose, _transpose(), ("reads shared memory takes 32 passes", "Rows of 33 words")),
        (fifth.transpose, _transpose(33, barrier=False), ("RaceError", "all have to wait")),
        (fifth.transpose, _transpose(33, barrier=False, inside=True), ("BarrierError", "not inside the guard")),
        (fifth.transpose, _transpose(33, guard=False), ("BoundsError", "guard the read")),
        (fifth.transpose, _transpose(33, turned=False), ("This is x itself",)),
        (fifth.product_transposed, _product(first=False), ("RaceError", "two barriers")),
        (fifth.product_transposed, _product(second=False), ("RaceError", "two barriers")),
        (fifth.product_transposed, _product(guard=False), ("BoundsError", "load a zero")),
        (fifth.product_transposed, _product(in_branch=True), ("BarrierError", "has to reach every barrier")),
        (fifth.product_transposed, _product(transposed=False), ("This is a @ b.",)),
        (fifth.product_transposed, _product(coalesced=False), ("sectors, where 4096 would do", "of b as well")),
        (fifth.product_transposed, _product(pitch=16), ("takes 4.5 passes", "one unused word")),
        (fifth.product_transposed, product_without_tiles, ("the block shares them",)),
        (fifth.product_transposed, product_that_keeps_old_numbers, ("still hold numbers of the step before",)),
    ],
)  # fmt: skip
def test_a_wrong_kernel_is_explained(check, answer, reasons):
    verdict = check(answer)
    assert verdict.state == "wrong", verdict
    for reason in reasons:
        assert reason in verdict.reason, verdict


@pytest.mark.parametrize("check", [fifth.add_bias, fifth.transpose, fifth.product_transposed])
def test_an_empty_kernel_is_no_answer(check):
    assert check(unanswered).state == "not answered yet"


@pytest.mark.emulator
@pytest.mark.parametrize("size", [32, 64])
def test_a_tiles_intensity_is_what_the_lesson_derives(size):
    """2 flop for each multiply-add over the bytes read: m n / (2 (m + n)), with m = n = 16."""
    a, c = np.ones((size, size), np.float32), np.empty((size, size), np.float32)
    report = emulate(_product(), count=True)[(size // 16, size // 16), (16, 16)](a, a.copy(), c)
    read = sum(row.transactions for row in report.traffic if not row.shared and row.kind == "load") * 32
    assert 2 * size**3 / read == 16 * 16 / (2 * (16 + 16))
    np.testing.assert_array_equal(c, np.full_like(c, size))


@pytest.mark.emulator
def test_the_blocked_product_of_the_lesson_wastes_no_sector_and_meets_no_bank_twice(tmp_path):
    text = (lessons.FOLDER / "05_gpu_kernels.py").read_text(encoding="utf-8")
    kernel = text[text.index("@cuda.jit\ndef blocked(") : text.index('reports["blocked"]')]
    file = tmp_path / "blocked.py"  # a file, because numba-cuda looks for the source
    file.write_text(f"from numba import cuda, float32\n\n{kernel}", encoding="utf-8")
    blocked = runpy.run_path(str(file))["blocked"]
    a, c = np.ones((32, 32), np.float32), np.empty((32, 32), np.float32)
    report = emulate(blocked, count=True)[(1, 1), (8, 8)](a, a.copy(), c)
    assert len(report.traffic) == 7  # two loads and a store, two stores and two loads
    for row in report.traffic:
        assert row.transactions == row.least, row
    np.testing.assert_array_equal(c, np.full_like(c, 32))
