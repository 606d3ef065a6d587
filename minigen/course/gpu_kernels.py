"""The exercises of lesson 5, *Kernels on a GPU*: kernels run by the emulator, and what they did is read."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..kernels import emulate, emulator
from . import TODO, Unanswered, Wrong, call, close, exercise

__all__ = ["add_bias", "cost", "product_transposed", "transpose"]

SIDE, TILE = 32, 16


def _run(answer: Any, what: str, grid: Any, block: Any, *arguments: Any, hints: dict[str, str], **how: Any) -> Any:
    """Launch a student's kernel in the emulator; every fault becomes words, with a hint for its kind."""
    function = getattr(answer, "py_func", answer)
    if not hasattr(function, "__code__"):
        raise Wrong(f"Expected a kernel, a function under @cuda.jit, got {type(answer).__name__}.")
    if not function.__code__.co_names:  # nothing in it: not even `cuda`
        raise Unanswered(TODO)
    if reason := emulator.why_not():
        raise Unanswered(f"This cannot be checked here: {reason}")
    try:
        return emulate(answer, **how)[grid, block](*arguments)
    except emulator.KernelError as fault:
        kind = type(fault).__name__
        apart = "between blocks" if "in different blocks" in str(fault) else ""
        hint = hints.get(f"{kind} {apart}", hints.get(kind, ""))
        raise Wrong(f"{what}: {type(fault).__name__}: {fault}\n{hint}".rstrip()) from fault
    except Exception as error:
        raise Wrong(f"{what}: Numba could not compile or start it: {type(error).__name__}: {error}") from error


def _integers(seed: int, *shape: int) -> np.ndarray:
    """Small whole numbers in float32: sums of their products are exact, in any order."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


def _written(what: str, result: np.ndarray, expected: np.ndarray, hints: list[tuple[np.ndarray, str]]) -> None:
    missing = np.isnan(result)
    if missing.any():
        if known := [hint for value, hint in hints if np.array_equal(value, result, equal_nan=True)]:
            raise Wrong(
                f"{what}: {missing.sum()} of {missing.size} elements are missing, others are wrong.\n{known[0]}"
            )
        place = tuple(map(int, np.argwhere(missing)[0]))
        raise Wrong(f"{what}: {missing.sum()} of {missing.size} elements were never written; the first is at {place}.")
    close(what, result, expected, hints)


@exercise("5.1", "one thread for each element, and no more")
def add_bias(answer: Any) -> None:
    """``add_bias(x, bias, length, y)``: y = x + bias of its channel; x is flat, `length` values for each channel."""
    for images, channels, length, threads in [(1, 4, 64, 64), (3, 5, 7, 32), (2, 3, 50, 128)]:
        x, bias = _integers(length, images * channels * length), _integers(1, channels) + 10
        y, e = np.full_like(x, np.nan), np.arange(x.size)
        blocks = -(-x.size // threads)
        what = f"add_bias[{blocks}, {threads}] on {x.size} elements, {channels} channels of {length}"
        hints = {
            "BoundsError": f"There are {blocks * threads} threads for {x.size} elements: those with nothing to do must "
            f"do nothing. And a channel is a number from 0 to {channels - 1}, whatever the image.",
            "RaceError": "Two threads write one element: each should take its own, cuda.grid(1).",
        }
        _run(answer, what, blocks, threads, x, bias, length, y, hints=hints)
        _written(what, y, x + bias[e // length % channels], [
            (x + bias[e % channels], "Here neighbors have different channels; but `length` neighbors share one."),
            (x * bias[e // length % channels], "This is a product. A bias is added."),
            (bias[e // length % channels], "This is the bias alone."),
        ])  # fmt: skip


@exercise("5.2", "what a warp's read costs")
def cost(answer: Any) -> None:
    """``cost(words)`` gives the sectors and the passes of a warp whose thread i reads the float32 number words[i]."""
    lanes = np.arange(32)
    for what, words in [
        ("every second, 2 * np.arange(32)", 2 * lanes),
        ("two rows, 100 * (np.arange(32) // 16) + np.arange(32) % 16", 100 * (lanes // 16) + lanes % 16),
        ("neighbors, np.arange(32)", lanes),
        ("neighbors from 4 on, np.arange(32) + 4", lanes + 4),
        ("a column of 32 x 32, 32 * np.arange(32)", 32 * lanes),
        ("a column of 32 x 33, 33 * np.arange(32)", 33 * lanes),
        ("one for all, np.full(32, 7)", np.full(32, 7)),
        ("three of one bank, 32 * (np.arange(32) % 3)", 32 * (lanes % 3)),
        ("backwards, 31 - np.arange(32)", 31 - lanes),
    ]:
        distinct = np.unique(words)
        sectors, per_bank = len(np.unique(words // 8)), np.bincount(distinct % 32)
        first, second = call(answer, words.copy(), expect=2)
        one = np.asarray(1.0)
        if sectors != per_bank.max() and (first, second) == (per_bank.max(), sectors):
            raise Wrong(f"cost(words) for {what}: expected {sectors} sectors and {per_bank.max()} passes, got {first} "
                        f"and {second}.\nThe two are exchanged: the order is sectors, passes.")  # fmt: skip
        close(f"cost(words)[0], the sectors, for {what}", first, sectors, [
            (len(np.unique(words // 32)) * one, "These are pieces of 32 numbers. A sector has 32 bytes: 8 float32."),
            (-(-int(np.ptp(words) + 1) // 8) * one, "Sectors in between that no lane asks for do not count."),
            (-(-len(distinct) // 8) * one, "So few would do if the numbers lay together. Where do they lie?"),
            (32 * one, "A sector that several threads want is moved once."),
        ])  # fmt: skip
        close(f"cost(words)[1], the passes, for {what}", second, per_bank.max(), [
            (np.bincount(words % 32).max() * one, "Threads that want the same word share it: count different words."),
            (np.count_nonzero(per_bank) * one, "This is the number of banks in use. What must the busiest do?"),
            (len(distinct) * one, "Different banks deliver in the same pass."),
            (one, "One pass is enough only if no bank has two of these words: a bank delivers one word in a pass."),
        ])  # fmt: skip


def _rows(report: Any, shared: bool, kind: str) -> tuple[int, int, int]:
    """Requests, transactions and the least of one kind, added up."""
    rows = [row for row in report.traffic if row.shared == shared and row.kind == kind]
    return tuple(sum(getattr(row, name) for row in rows) for name in ("requests", "transactions", "least"))


def _tiles_kept_in_place(x: np.ndarray) -> np.ndarray:
    """What `transpose` gives if a block stores its turned tile where it read it; NaN where nothing is stored."""
    rows, columns = (-(-size // SIDE) * SIDE for size in x.shape)
    padded = np.full((rows, columns), np.nan, x.dtype)
    padded[: x.shape[0], : x.shape[1]] = x
    tiles = padded.reshape(rows // SIDE, SIDE, columns // SIDE, SIDE)
    y, kept = np.full(x.shape[::-1], np.nan, x.dtype), tiles.transpose(0, 3, 2, 1).reshape(rows, columns)
    inside = kept[: y.shape[0], : y.shape[1]]
    y[: inside.shape[0], : inside.shape[1]] = inside
    return y


@exercise("5.3", "a transpose that reads and writes rows")
def transpose(answer: Any) -> None:
    """``transpose(x, y)``: y = x.T, a tile of 32 x 32 for each block of 32 x 32 threads, through shared memory."""
    hints = {
        "RaceError": "A thread reads from shared memory what another wrote: between the two, all have to wait.",
        "UninitializedError": "A tile is read where no thread has written it: the thread that brings an element to "
        "tile[ty, tx] and the one that reads it have to agree on which elements of x there are.",
        "BoundsError": "The matrix need not be made of whole tiles: guard the read, and guard the write by y's shape.",
        "BarrierError": "cuda.syncthreads() has to stand where all threads of the block come by: not inside the guard.",
    }
    for shape in ((32, 32), (40, 70), (64, 96)):
        x = _integers(shape[1], *shape)
        y = np.full(shape[::-1], np.nan, np.float32)
        grid = (-(-shape[1] // SIDE), -(-shape[0] // SIDE))
        what = f"transpose[{grid}, ({SIDE}, {SIDE})] on x of shape {shape}"
        _run(answer, what, grid, (SIDE, SIDE), x, y, hints=hints)
        mistakes = [(_tiles_kept_in_place(x), "Each tile is turned, but stored where it was read. Block (bx, by) reads "
                     "a tile of x from tile row by and tile column bx; in y it is in tile row bx.")]  # fmt: skip
        if shape == shape[::-1]:
            mistakes = [(x, "This is x itself: nothing turns it. What was written to tile[ty, tx] has to be read as "
                         "tile[tx, ty].")]  # fmt: skip
        _written(what, y, x.T, mistakes)
    report = _run(answer, what, grid, (SIDE, SIDE), x, y, hints=hints, count=True)
    for shared, kind, unit, name in (
        (False, "load", "sectors", "reads x"),
        (False, "store", "sectors", "writes y"),
        (True, "store", "passes", "writes shared memory"),
        (True, "load", "passes", "reads shared memory"),
    ):
        requests, taken, least = _rows(report, shared, kind)
        if not requests:
            raise Wrong(f"{what}: right, but nothing {name}. Let each block bring a tile of x into shared memory.")
        if taken > least:
            advice = (
                "Rows of 33 words keep a column out of one bank."
                if shared
                else "Neighbors in threadIdx.x should take neighboring columns, of x to read and of y to write."
            )
            raise Wrong(f"{what}: right, but a warp that {name} takes {taken / requests:.4g} {unit} a request, where "
                        f"{least / requests:.4g} would do. {advice}")  # fmt: skip


@exercise("5.4", "a tiled product without a race")
def product_transposed(answer: Any) -> None:
    """``product_transposed(a, b, c)``: c = a @ b.T in tiles of 16 x 16, blocks of 16 x 16 threads, any sizes."""
    hints = {
        "RaceError": "A tile may be read when all have written it, overwritten when all have read it: two barriers.",
        "RaceError between blocks": "Two blocks store one element of c. Behind the end of a row lies the next row: a "
        "thread whose element is outside of c must not store. Guard the store.",
        "UninitializedError": "A tile is read where no thread has written it (in later steps it would still hold "
        "numbers of the step before). A thread without an element to load writes float32(0).",
        "BoundsError": "Sizes need not be multiples of 16: load a zero where there is no element, and guard the store.",
        "BarrierError": "Every thread of the block has to reach every barrier, also one without an element of c.",
    }
    run = _checked(answer, hints)
    for m, n, depth in ((16, 16, 16), (32, 16, 48), (20, 35, 18), (5, 3, 40)):
        a, b = _integers(m, m, depth), _integers(n + 50, n, depth)
        what = f"product_transposed on a {a.shape} and b {b.shape}"
        c = run(what, a, b, order="reverse")
        mistakes = []
        if n == depth:
            mistakes.append((a @ b, "This is a @ b. Element (i, j) of a @ b.T sums a[i, k] * b[j, k]: with rows of b "
                             "in the rows of a tile, thread (tx, ty) reads b_tile[tx, k]."))  # fmt: skip
        if depth % TILE == 0:
            mistakes.append((np.outer(a[:, -1], b[:, -1]), "This is the product of the last k alone: add it to the sum "
                             "of those before."))  # fmt: skip
        if rest := depth % TILE:  # the last tiles keep what the tiles before had in their last columns
            kept = np.s_[:, depth - TILE : depth - rest]
            mistakes.append((a @ b.T + a[kept] @ b[kept].T, "The tiles still hold numbers of the step before. A thread "
                             "without an element of a or b to load writes float32(0)."))  # fmt: skip
        _written(what, c, a @ b.T, mistakes)
    a, b = _integers(0, 64, 64), _integers(1, 64, 64)
    report = run("product_transposed on 64 x 64", a, b, count=True)
    requests, taken, _ = _rows(report, False, "load")
    least = 2 * 64**3 // TILE // 8
    if taken > least:
        reason = (
            "Neighboring threads should load neighboring numbers of a row, of b as well."
            if requests * 32 <= 2 * 64**3 // TILE
            else "Every thread loads one number of each tile, and the block shares them in shared memory."
        )
        raise Wrong(
            f"product_transposed on 64 x 64: right, but it reads {taken} sectors, where {least} would do. {reason}"
        )
    requests, taken, least = _rows(report, True, "load")
    if taken > least:
        raise Wrong(
            f"product_transposed on 64 x 64: right, but a warp's read from shared memory takes {taken / requests:.4g} "
            f"passes on average, where {least / requests:.4g} would do. With rows of 16 words a column lies in "
            "two banks; with one unused word at the end of each row it lies in sixteen."
        )


def _checked(answer: Any, hints: dict[str, str]) -> Callable[..., Any]:
    """A function that multiplies with the student's kernel, and gives the result, or the report if it counts."""

    def run(what: str, a: np.ndarray, b: np.ndarray, **how: Any) -> Any:
        c = np.full((len(a), len(b)), np.nan, np.float32)
        grid = (-(-len(b) // TILE), -(-len(a) // TILE))
        report = _run(answer, what, grid, (TILE, TILE), a, b, c, hints=hints, **how)
        if how.get("count"):
            close(what, c, a @ b.T, rtol=0, atol=0)
            return report
        return c

    return run
