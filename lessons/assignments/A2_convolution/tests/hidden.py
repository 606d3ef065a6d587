"""The hidden tests of A2.  Their oracle is minigen's reference kernels."""

import numpy as np
from public import at_most, fast, for_images, for_weights, forward, needs_at_most, settings

from minigen.course.kit import close, single, test
from minigen.kernels.reference import conv

CASES = {  # images, filters, and what is not as usual
    "a plain case": ((2, 3, 6, 7), (4, 3, 3, 2), {}),
    "strides (2, 3)": ((2, 2, 9, 11), (3, 2, 3, 3), {"stride": (2, 3)}),
    "padding ((1, 2), (0, 3))": ((1, 2, 5, 6), (3, 2, 3, 3), {"padding": ((1, 2), (0, 3))}),
    "padding ((3, 0), (2, 1)), two taps": ((1, 2, 4, 5), (2, 2, 2, 2), {"padding": ((3, 0), (2, 1))}),
    "dilation (2, 3)": ((2, 2, 9, 10), (2, 2, 3, 3), {"dilation": (2, 3)}),
    "two groups": ((2, 4, 5, 5), (6, 2, 3, 3), {"groups": 2}),
    "a group for each channel": ((1, 3, 5, 6), (6, 1, 2, 3), {"groups": 3}),
    "everything at once": (
        (3, 4, 11, 13),
        (6, 2, 3, 4),
        {"stride": (2, 3), "padding": ((1, 2), (0, 3)), "dilation": (2, 1), "groups": 2},
    ),
}


def random(seed, *shape, dtype=np.float64):
    """Gaussian numbers, every seventh of them zero; never all ones, under which much that is wrong looks right."""
    numbers = np.random.default_rng(seed).normal(size=shape)
    numbers.flat[::7] = 0
    return numbers.astype(dtype)


def cases(*names, dtype=np.float64):
    """For each case its name, x, w, a cotangent, and the settings."""
    for seed, (name, (images, filters, options)) in enumerate(CASES.items()):
        if not names or name in names:
            x, w, given = (
                random(seed, *images, dtype=dtype),
                random(seed + 10, *filters, dtype=dtype),
                settings(**options),
            )
            y = conv.conv2d(x, w, *given)
            yield name, x, w, random(seed + 20, *y.shape, dtype=dtype), given


PLAIN_ONES, STRIDED = ("a plain case",), ("strides (2, 3)",)
AROUND = ("padding ((1, 2), (0, 3))", "padding ((3, 0), (2, 1)), two taps", "dilation (2, 3)")
GROUPED = ("two groups", "a group for each channel")

# ---- task 1


@test(task=1, points=1)
def sizes_of_all_kinds(a):
    """output_size for several hundred settings."""
    for size in (1, 4, 7, 12):
        for kernel in (1, 2, 5):
            for stride in (1, 2, 3):
                for dilation in (1, 2):
                    for before, after in ((0, 0), (1, 2), (3, 0)):
                        starts = range(0, size + before + after - dilation * (kernel - 1), stride)
                        if len(starts):
                            got = a.output_size(size, kernel, stride, (before, after), dilation)
                            what = f"output_size({size}, {kernel}, {stride}, {before, after}, {dilation})"
                            close(what, got, len(starts))


def compare_forward(a, names):
    """conv2d in some of the cases."""
    for name, x, w, _, given in cases(*names):
        close(f"conv2d, {name}", forward(a, x, w, given), conv.conv2d(x, w, *given))


@test(task=1, points=1)
def images_with_channels(a):
    """conv2d with several images, channels and filters; and with strides."""
    compare_forward(a, PLAIN_ONES + STRIDED)


@test(task=1, points=1)
def around_the_border(a):
    """conv2d with other padding on every side, and with dilation."""
    compare_forward(a, AROUND)


@test(task=1, points=1)
def parts_of_channels(a):
    """conv2d in groups."""
    compare_forward(a, GROUPED)


@test(task=1, points=2)
def all_settings_together(a):
    """conv2d with everything at once, from arrays in another memory order."""
    for name, x, w, _, given in cases("everything at once"):
        turned = np.asfortranarray(x), np.ascontiguousarray(w.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
        close(f"conv2d, {name}", forward(a, *turned, given), conv.conv2d(x, w, *given))


@test(task=1, points=1)
def convolving_in_single_precision(a):
    """conv2d gives float32 for float32, and right numbers."""
    for name, x, w, _, given in cases(dtype=np.float32):
        single(f"conv2d, {name}", forward(a, x, w, given), conv.conv2d(x, w, *given))


# ---- task 2


def compare_for_images(a, names):
    """conv2d_input_grad in some of the cases."""
    for name, x, w, g, given in cases(*names):
        truth = conv.conv2d_input_grad(g, w, x.shape[2:], *given)
        close(f"conv2d_input_grad, {name}", for_images(a, g, w, x.shape[2:], given), truth)


@test(task=2, points=1)
def images_get_theirs(a):
    """conv2d_input_grad with several images, channels and filters."""
    compare_for_images(a, PLAIN_ONES)


@test(task=2, points=2)
def images_behind_strides(a):
    """conv2d_input_grad with strides, also where the last pixels are in no window."""
    compare_for_images(a, STRIDED)
    for size in ((7, 7), (6, 8)):
        g, w, given = random(1, 2, 2, 3, 3), random(2, 2, 1, 2, 3), settings(stride=(2, 2))
        truth = conv.conv2d_input_grad(g, w, size, *given)
        close(f"conv2d_input_grad, stride 2, {size[0]} x {size[1]} pixels", for_images(a, g, w, size, given), truth)


@test(task=2, points=1)
def images_behind_a_border(a):
    """conv2d_input_grad with other padding on every side, and with dilation."""
    compare_for_images(a, AROUND)


@test(task=2, points=2)
def images_in_groups(a):
    """conv2d_input_grad in groups, and with everything at once."""
    compare_for_images(a, (*GROUPED, "everything at once"))


@test(task=2, points=1)
def images_in_single_precision(a):
    """conv2d_input_grad gives float32 for float32, and right numbers."""
    for name, x, w, g, given in cases(dtype=np.float32):
        truth = conv.conv2d_input_grad(g, w, x.shape[2:], *given)
        single(f"conv2d_input_grad, {name}", for_images(a, g, w, x.shape[2:], given), truth)


# ---- task 3


def compare_for_weights(a, names):
    """conv2d_weight_grad in some of the cases."""
    for name, x, w, g, given in cases(*names):
        truth = conv.conv2d_weight_grad(x, g, w.shape[2:], *given)
        close(f"conv2d_weight_grad, {name}", for_weights(a, x, g, w.shape[2:], given), truth)


@test(task=3, points=1)
def weights_get_theirs(a):
    """conv2d_weight_grad with several images, channels and filters."""
    compare_for_weights(a, PLAIN_ONES)


@test(task=3, points=2)
def weights_behind_strides_and_borders(a):
    """conv2d_weight_grad with strides, other padding on every side, and dilation."""
    compare_for_weights(a, STRIDED + AROUND)


@test(task=3, points=2)
def weights_in_groups(a):
    """conv2d_weight_grad in groups, and with everything at once."""
    compare_for_weights(a, (*GROUPED, "everything at once"))


@test(task=3, points=1)
def weights_in_single_precision(a):
    """conv2d_weight_grad gives float32 for float32, and right numbers."""
    for name, x, w, g, given in cases(dtype=np.float32):
        truth = conv.conv2d_weight_grad(x, g, w.shape[2:], *given)
        single(f"conv2d_weight_grad, {name}", for_weights(a, x, g, w.shape[2:], given), truth)


# ---- task 4


@test(task=4, points=2, seconds=20)
def right_for_all_sizes(a):
    """fast_conv2d for filters of all sizes, images that are not square, and padding from 0 to 3."""
    sizes = [(2, 3, 6, 7, 4, 3, 3, 1), (1, 1, 5, 9, 2, 1, 1, 0), (3, 2, 8, 5, 3, 2, 4, 2), (2, 5, 7, 12, 1, 5, 3, 3),
             (1, 4, 3, 3, 6, 3, 3, 0), (4, 3, 17, 33, 5, 3, 3, 1)]  # fmt: skip
    for seed, (n, c, height, width, o, r, s, padding) in enumerate(sizes):
        x, w = random(seed, n, c, height, width), random(seed + 10, o, c, r, s)
        truth = conv.conv2d(x, w, *settings(padding=((padding, padding), (padding, padding))))
        what = f"fast_conv2d, x of shape {x.shape}, w of shape {w.shape}, padding {padding}"
        close(what, fast(a, x, w, padding), truth, rtol=1e-6, atol=1e-8)


@test(task=4, points=2, seconds=20)
def fast_on_the_layer(a):
    """fast_conv2d is right on a layer of the size that is timed, in float32, also when called again with other images."""
    for seed in (1, 2):
        x, w = random(seed, 2, 16, 64, 64, dtype=np.float32), random(seed + 10, 16, 16, 3, 3, dtype=np.float32)
        truth = conv.conv2d(x, w, *settings(padding=((1, 1), (1, 1))))
        single(f"fast_conv2d on images {seed}", fast(a, x, w, 1), truth)


@test(task=4, points=1, seconds=20)
def at_most_twice(a):
    """fast_conv2d takes at most twice as long as im2col."""
    return at_most(a, 2)


@test(task=4, points=2, seconds=20)
def less_memory_than_all_patches(a):
    """fast_conv2d needs less memory than the array of all patches."""
    return needs_at_most(a, 1)


@test(task=4, points=2, seconds=20)
def much_less_memory_than_all_patches(a):
    """fast_conv2d needs at most 0.7 times the memory of all patches."""
    return needs_at_most(a, 0.7)
