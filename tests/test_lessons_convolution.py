"""Lessons 3 and 4: wrong answers to their exercises are found, and for the right reason."""

import math
from operator import floordiv, truediv

import numpy as np
import pytest

import minigen as mg
import minigen.functional as F
from minigen.course import convolution as third
from minigen.course import cpu_kernels as fourth
from minigen.kernels import reference, use


@pytest.fixture(autouse=True)
def _reference_kernels():
    with use("reference"):
        yield


def _triad(flip=False, wrap=False, clip=True, padding=True, overwrite=False, forward=False):
    def triad(x, w, g, stride, before):
        y, gx, gw = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)
        if forward:
            g = _triad()(x, w, g, stride, before)[0]
            return g, *_triad()(x, w, g, stride, before)[1:]
        for p in range(len(g)):
            for r in range(len(w)):
                i = p * stride + r - (before if padding else 0)
                if not clip or (-len(x) if wrap else 0) <= i < len(x):
                    y[p] += x[i] * w[r]
                    gx[i] = (0 if overwrite else gx[i]) + g[p] * w[-1 - r if flip else r]
                    gw[r] += g[p] * x[i]
        return y, gx, gw

    return triad


def _same(halves=lambda total: (total // 2, total - total // 2), least=0, round_up=True):
    def same_padding(size, kernel, stride):
        outputs = math.ceil(size / stride) if round_up else size // stride
        return halves(max((outputs - 1) * stride + kernel - size, least))

    return same_padding


def _transposed(flip=True, full=True, cheat=False):
    def transposed(g, w, stride):
        if cheat:
            return F.conv_transpose2d(mg.tensor(g), mg.tensor(w), stride=stride)
        n, o, height, width = g.shape
        spread = np.zeros((n, o, (height - 1) * stride + 1, (width - 1) * stride + 1))
        spread[:, :, ::stride, ::stride] = g
        w = w[:, :, ::-1, ::-1] if flip else w
        padding = w.shape[2] - 1 if full else 0
        return F.conv2d(mg.tensor(spread), mg.tensor(w.swapaxes(0, 1).copy()), padding=padding)

    return transposed


def _weight_grad(cut=True, mean=False, how="dilation"):
    def weight_grad(x, g, kernel, stride):
        settings = {how: stride} if how else {}
        gw = F.conv2d(mg.tensor(x.swapaxes(0, 1).copy()), mg.tensor(g.swapaxes(0, 1).copy()), **settings).numpy()
        gw = gw.swapaxes(0, 1)[:, :, : kernel if cut else None, : kernel if cut else None]
        return gw / len(x) if mean else gw

    return weight_grad


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (third.triad, _triad(flip=True), "[1], which is gx, with 6 inputs, kernel 3, stride=1, before=0"),
        (third.triad, _triad(flip=True), "The kernel is flipped"),
        (third.triad, _triad(overwrite=True), "add with +="),
        (third.triad, _triad(forward=True), "The gradients are made from its cotangent"),
        (third.weight_grad_by_convolution, _weight_grad(how=None), "with neither stride nor dilation"),
        (third.triad, _triad(wrap=True), "In Python x[-1] is the last input"),
        (third.triad, _triad(padding=False), "Where is `before`?"),
        (third.triad, _triad(clip=False), "Padding is zeros that are not stored"),
        (third.triad, lambda x, w, g, stride, before: _triad()(x, w, g, 1, before), "stride=2"),
        (third.same_padding, lambda size, kernel, stride: ((kernel - 1) // 2,) * 2, "right for odd kernels with stride 1"),
        (third.same_padding, _same(lambda total: (total - total // 2, total // 2)), "The odd zero goes after"),
        (third.same_padding, _same(lambda total: (total / 2, total / 2)), "divide with // in place of /"),
        (third.same_padding, _same(least=-9), "Padding cannot be negative"),
        (third.same_padding, _same(round_up=False), "asked for are ceil(7 / 2) = 4"),
        (third.output_padding, lambda size, k, s, p, d: (size + p - k) % s, "So 1 are missing; got 0"),
        (third.output_padding, lambda size, k, s, p, d: (size + 2 * p - k) % s, "12 pixels become 4, and these 12 without output padding. So 0 are missing; got 2"),
        (third.output_padding, lambda size, k, s, p, d: 0.5, "expected 1 whole number, got 0.5."),
        (third.transposed_by_convolution, _transposed(flip=False), "must be flipped"),
        (third.transposed_by_convolution, _transposed(full=False), "kernel - 1 around"),
        (third.transposed_by_convolution, _transposed(cheat=True), "this exercise is to do without it"),
        (third.overlaps, lambda k, s: [k // s] * s, "overlaps(5, 2): expected [3, 2], got [2, 2]"),
        (third.overlaps, lambda k, s: [len(range(j, k, s)) for j in range(s)][::-1], "which r reach place 0?"),
        (third.overlaps, lambda k, s: math.ceil(k / s), "expected 2 whole numbers"),
        (third.weight_grad_by_convolution, _weight_grad(cut=False), "cut the others off"),
        (third.weight_grad_by_convolution, _weight_grad(mean=True), "This is the mean over the images"),
        (third.weight_grad_by_convolution, lambda x, g, k, s: np.zeros((1, 1, k, k)), "It is zero everywhere"),
    ],
)  # fmt: skip
def test_lesson_3_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict


def _work(pixels="out", times=2, size=4, images=True, channels=True, weights=1, result=1, divide=floordiv):
    def conv_work(N, C, O, H, W, kernel, stride, padding):
        P, Q = (divide(n + 2 * padding - kernel, stride) + 1 for n in (H, W))
        rows, columns = (P, Q) if pixels == "out" else (H, W)
        flop = times * (N if images else 1) * O * (C if channels else 1) * kernel**2 * rows * columns
        return flop, size * (N * C * H * W + weights * O * C * kernel**2 + result * N * O * P * Q)

    return conv_work


def _whole_patches(x, w):
    return reference.conv2d(x, w, (1, 1), ((0, 0), (0, 0)), (1, 1), 1)


def _six_products(x, w):
    return w[0] * x[0] + w[1] * x[1] + w[2] * x[2], w[0] * x[1] + w[1] * x[2] + w[2] * x[3]


def _kernel(change_dtype=False, ignore_out=False, write=False, swap_groups=False, no_padding=False, to_list=False):
    def my_conv2d(x, w, stride, padding, dilation, groups, out=None):
        if write:
            x *= 1
        padding = ((0, 0), (0, 0)) if no_padding else padding
        w = np.roll(w, len(w) // groups, axis=0) if swap_groups else w
        y = reference.conv2d(x, w, stride, padding, dilation, groups)
        y = y.astype(np.float64) if change_dtype else y.tolist() if to_list else y
        if out is None or ignore_out:
            return y
        out[...] = y
        return out

    return my_conv2d


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        (fourth.least_time, lambda f, b, p, m: min(f / p, b / m), "have to be over"),
        (fourth.least_time, lambda f, b, p, m: f / p + b / m, "loads ahead while it computes"),
        (fourth.least_time, lambda f, b, p, m: min(p / f, m / b), "the result is a time"),
        (fourth.conv_work, _work(times=1), "A multiplication and an addition are two"),
        (fourth.conv_work, _work(images=False), "There are N images"),
        (fourth.conv_work, _work(channels=False), "Each output sums over all C input channels"),
        (fourth.conv_work, _work(pixels="in"), "Where is the stride"),
        (fourth.conv_work, _work(divide=truediv), "divide by the stride with //"),
        (fourth.conv_work, _work(weights=0), "The kernel's weights have to be read too"),
        (fourth.conv_work, _work(result=0), "The result has to be written too"),
        (fourth.conv_work, lambda *sizes: 2.0, "gave 1 result; expected 2"),
        (fourth.conv_work, _work(size=1), "A float32 has 4 bytes"),
        (fourth.conv_work, _work(size=8), "not 8"),
        (fourth.convolve_in_bands, _whole_patches, "an eighth of that"),
        (fourth.convolve_in_bands, lambda x, w: _whole_patches(x, w[:, :, ::-1, ::-1]), "The kernel is flipped"),
        (fourth.convolve_in_bands, lambda x, w: _whole_patches(x[:, :, :-1], w), "expected shape (1, 1, 3, 4), got"),
        (fourth.minimal_filter, _six_products, "took 6 multiplications"),
        (fourth.minimal_filter, lambda x, w: _six_products(x, w[::-1]), "The kernel is flipped"),
        (fourth.minimal_filter, lambda x, w: (1.0, 2.0), "expected a number made from x and w"),
        (fourth.minimal_filter, lambda x, w: (x[0] * w[0], x[1] * w[0]), "minimal_filter(x, w)[0]: expected"),
        (fourth.minimal_filter, lambda x, w: (x[0] / w[0], x[1]), "there is nothing to divide by"),
        (fourth.my_conv2d, _kernel(change_dtype=True), "expected dtype float32"),
        (fourth.my_conv2d, _kernel(ignore_out=True), "has to return `out` itself"),
        (fourth.my_conv2d, _kernel(write=True), "Inputs may be read-only"),
        (fourth.my_conv2d, _kernel(swap_groups=True), "with groups=2"),
        (fourth.my_conv2d, _kernel(no_padding=True), "with padding ((1, 2), (0, 3))"),
        (fourth.my_conv2d, _kernel(to_list=True), "expected an array, got list"),
        (fourth.my_conv2d, lambda x, w, *how, out=None: np.convolve(x, w), "raised ValueError"),
    ],
)
def test_lesson_4_says_what_is_wrong(check, answer, reason):
    verdict = check(answer)
    assert verdict.state == "wrong" and reason in verdict.reason, verdict
