"""Random calls of kernels between guard pages: run as a program by `test_kernel_arguments.py`, since a fault kills it.

    python tests/kernel_fuzz.py SEED CALLS [FIRST]
    python tests/kernel_fuzz.py convolutions SEED CALLS

Every array that a kernel reads, writes or allocates ends (or begins) at a page that must not be touched.  A call is
valid, or has one argument changed.  It must give what the plain NumPy function gives; or raise, and have written nothing.
What NumPy itself cannot compute must raise.

The second form takes convolutions by every direct method that serves them, the fastest or not.
"""

import ctypes
import faulthandler
import mmap
import sys
import warnings
from collections import Counter

import numpy as np

from minigen.kernels import cpu, ladder, reference
from minigen.kernels.cpu.conv import dispatch
from minigen.kernels.cpu.runtime import allocator, thread_pool
from minigen.kernels.shapes import output_size

PAGE = mmap.PAGESIZE
REGION = 64 * PAGE
THREADS = np.random.default_rng(0)
REFUSALS = (TypeError, ValueError, IndexError, MemoryError, OverflowError, ZeroDivisionError)


# ---------------------------------------------------------------- guarded memory


class Guarded:
    """Memory regions, each between two pages that cannot be touched; all are free again after `reset`."""

    def __init__(self):
        self.free, self.used = [], []
        self.protect = ctypes.CDLL(None, use_errno=True).mprotect
        self.protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)

    def region(self, size):
        """At least `size` bytes, as an array of bytes."""
        if size <= REGION and self.free:
            memory = self.free.pop()
        else:
            pages = -(-max(size, REGION) // PAGE)
            block = mmap.mmap(-1, (pages + 2) * PAGE)
            whole = np.frombuffer(block, np.uint8)
            for start in (0, (pages + 1) * PAGE):
                if self.protect(whole.ctypes.data + start, PAGE, mmap.PROT_NONE if hasattr(mmap, "PROT_NONE") else 0):
                    raise OSError(ctypes.get_errno(), "mprotect")
            memory = whole[PAGE : (pages + 1) * PAGE]
        self.used.append(memory)
        return memory

    def reset(self):
        self.free += [memory for memory in self.used if memory.size == REGION]
        self.used.clear()

    def array(self, rng, shape, dtype, strides=None, slack=0):
        """An uninitialised array that touches one of the guards; `slack` bytes are left between."""
        dtype = np.dtype(dtype)
        if strides is None:
            strides, step = [], dtype.itemsize
            for n in reversed(shape):
                strides.insert(0, step)
                step *= max(n, 1)
        spans = [(n - 1) * s for n, s in zip(shape, strides)] if 0 not in shape else []
        low, high = sum(s for s in spans if s < 0), sum(s for s in spans if s > 0) + dtype.itemsize
        memory = self.region(high - low + slack)
        start = slack if rng.random() < 0.4 else memory.size - (high - low) - slack
        return np.ndarray(shape, dtype, memory, start - low, strides)


GUARDED = Guarded()


def guarded_empty(rng):
    """In place of the allocator's `empty`: between guards, and not a number, so that unwritten elements show."""

    def empty(shape, dtype):
        array = GUARDED.array(rng, tuple(shape), dtype)
        array.fill(np.nan if array.dtype.kind == "f" else -1)
        return array

    return empty


def place(rng, values, writeable=False):
    """The same values in guarded memory: permuted, backwards, spread out, unaligned, broadcast."""
    shape, size = values.shape, values.itemsize
    strides, slack = None, 0
    if rng.random() < 0.6:
        strides, step = [0] * values.ndim, size
        for axis in rng.permutation(values.ndim):
            step *= int(rng.integers(1, 3)) if rng.random() < 0.3 else 1
            strides[axis] = step * int(rng.choice([1, 1, 1, -1]))
            step *= max(shape[axis], 1)
    if rng.random() < 0.15 and size > 1:
        slack = int(rng.integers(1, size))
    array = GUARDED.array(rng, shape, values.dtype, strides, slack)
    array[...] = values
    if not writeable:
        if values.ndim and rng.random() < 0.1:
            axis = int(rng.integers(values.ndim))
            if shape[axis]:  # one entry stands for all of an axis
                array = np.broadcast_to(array.take([0], axis), shape)
        elif rng.random() < 0.5:
            array.flags.writeable = False
    return array


# ---------------------------------------------------------------- valid calls


def numbers(rng, shape, dtype):
    return rng.integers(-3, 4, shape).astype(dtype)


def size(rng, most):
    return int(rng.choice([1, int(rng.integers(1, most + 1))])) if rng.random() < 0.97 else 0


def convolution(rng):
    """Arrays x, w and g of a random convolution, and how it moves."""
    dtype = rng.choice([np.float32, np.float32, np.float64])
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    pair = lambda most: (int(rng.integers(1, most + 1)), int(rng.integers(1, most + 1)))  # noqa: E731
    kernel = pair(4) if rng.random() < 0.6 else ((3, 3) if rng.random() < 0.6 else (1, 1))
    stride = pair(3) if rng.random() < 0.5 else (1, 1)
    dilation = pair(2) if rng.random() < 0.3 else (1, 1)
    depthwise = rng.random() < 0.2
    if depthwise:
        kernel, stride, dilation = (int(rng.integers(2, 6)),) * 2, (int(rng.integers(1, 3)),) * 2, (1, 1)
    padding = tuple((int(rng.integers(0, 3)), int(rng.integers(0, 3))) for _ in range(2))
    most = 40 if rng.random() < 0.3 else 10
    need = [max(1, d * (k - 1) + 1 - sum(p)) for k, d, p in zip(kernel, dilation, padding)]
    height, width = (n + int(rng.integers(0, most)) for n in need)
    channels, outputs, n = size(rng, most), size(rng, most), size(rng, 3)
    if depthwise:
        groups, channels, outputs = max(channels, 1), 1, 1
    pixels = map(output_size, (height, width), kernel, stride, padding, dilation)
    x = numbers(rng, (n, channels * groups, height, width), dtype)
    w = numbers(rng, (outputs * groups, channels, *kernel), dtype)
    return x, w, numbers(rng, (n, outputs * groups, *pixels), dtype), (stride, padding, dilation, groups)


def with_out(rng, arguments, shape, dtype):
    """Now and then with a place for the result."""
    return {**arguments, "out": numbers(rng, shape, dtype)} if rng.random() < 0.4 else arguments


def how(moves):
    return dict(zip(("stride", "padding", "dilation", "groups"), moves))


def conv2d(rng):
    x, w, g, moves = convolution(rng)
    return with_out(rng, {"x": x, "w": w, **how(moves)}, g.shape, x.dtype)


def conv2d_input_grad(rng):
    x, w, g, moves = convolution(rng)
    return with_out(rng, {"g": g, "w": w, "input_size": x.shape[2:], **how(moves)}, x.shape, x.dtype)


def conv2d_bias(rng):
    x, w, _, moves = convolution(rng)
    bias = numbers(rng, w.shape[:1], x.dtype)
    return {"x": x, "w": w, "bias": bias, **how(moves), "negative_slope": slope(rng)}


def conv2d_input_grad_bias(rng):
    x, w, g, moves = convolution(rng)
    bias = numbers(rng, x.shape[1:2], x.dtype)
    return {"g": g, "w": w, "bias": bias, "input_size": x.shape[2:], **how(moves), "negative_slope": slope(rng)}


def conv2d_weight_grad(rng):
    x, w, g, moves = convolution(rng)
    return with_out(rng, {"x": x, "g": g, "kernel_size": w.shape[2:], **how(moves)}, w.shape, x.dtype)


def matmul(rng):
    dtype = rng.choice([np.float32, np.float64])
    n, k, m = (size(rng, 70) for _ in range(3))
    batch = [(), (), (), (2,), (2, 1)][rng.integers(5)]
    return {"a": numbers(rng, (*batch, n, k), dtype), "b": numbers(rng, (*batch[:1], k, m), dtype)}


def matmul_bias(rng):
    dtype = rng.choice([np.float32, np.float64])
    n, k, m = (size(rng, 70) for _ in range(3))
    a, b, bias = (numbers(rng, shape, dtype) for shape in ((n, k), (k, m), (m,)))
    return {"a": a, "b": b, "bias": bias, "negative_slope": slope(rng)}


def some_images(rng):
    shape = (size(rng, 4), size(rng, 20), *(size(rng, 9) for _ in range(rng.integers(3))))
    return numbers(rng, shape, rng.choice([np.float32, np.float64]))


def batch_norm_stats(rng):
    x = some_images(rng)
    return {"x": x if x.size else np.ones((2, 3), np.float32)}  # of no numbers there is no mean


def batch_norm_train(rng):
    x = batch_norm_stats(rng)["x"]
    running = vectors(rng, x, "running_mean", "running_var") if flag(rng) else {}
    affine = vectors(rng, x, "weight", "bias")
    return {"x": x, **affine, "eps": 1e-5, "negative_slope": slope(rng), **running, "momentum": 0.1}


def vectors(rng, x, *names):
    return {name: rng.integers(1, 4, x.shape[1]).astype(x.dtype) for name in names}


def slope(rng):
    """None in half of the calls."""
    return float(rng.choice([0.0, 0.2])) if rng.integers(2) else None


def batch_norm(rng):
    x = some_images(rng)
    return {"x": x, **vectors(rng, x, "mean", "var", "weight", "bias"), "eps": 1e-5, "negative_slope": slope(rng)}


def batch_norm_grad(rng):
    x = some_images(rng)
    inputs = {"g": numbers(rng, x.shape, x.dtype), "x": x, **vectors(rng, x, "mean", "var", "weight"), "eps": 1e-5}
    return {**inputs, **vectors(rng, x, "bias"), "negative_slope": slope(rng)}


def add(rng):
    x = some_images(rng)
    return {"x": x, "y": numbers(rng, x.shape, x.dtype)}


def sigmoid_grad(rng):
    x = some_images(rng)
    return {"g": numbers(rng, x.shape, x.dtype), "x": x}


def tanh_grad(rng):
    g, y = sigmoid_grad(rng).values()
    return {"g": g, "y": y}


def add_bias_grad(rng):
    return {**tanh_grad(rng), "negative_slope": float(rng.choice([0.0, 0.2]))}


def leaky_relu(rng):
    return {"x": some_images(rng), "negative_slope": float(rng.choice([0.0, 0.2, 1.0]))}


def elementwise(rng):
    return {"x": some_images(rng)}


def leaky_relu_grad(rng):
    x = some_images(rng)
    return {"g": numbers(rng, x.shape, x.dtype), "x": x, "negative_slope": 0.25}


def add_bias(rng):
    x = some_images(rng)
    inputs = {"x": x, "bias": numbers(rng, x.shape[1:2], x.dtype), "negative_slope": slope(rng)}
    return with_out(rng, inputs, x.shape, x.dtype)


def dropout(rng):
    return {"x": some_images(rng), "p": float(rng.choice([0.0, 0.3, 1.0])), "seed": int(rng.integers(1 << 62))}


def pooling(rng):
    x, _, _, (stride, padding, dilation, _) = convolution(rng)
    kernel = tuple(min(3, x.shape[2 + i] + sum(padding[i])) if dilation[i] == 1 else 1 for i in range(2))
    return {"x": x, "kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}


def max_pool2d_grad(rng):
    x = convolution(rng)[0]
    g = numbers(rng, (*x.shape[:2], size(rng, 5), size(rng, 5)), x.dtype)
    index = rng.integers(0, x.shape[2] * x.shape[3], g.shape)
    if rng.random() < 0.3:  # unpooling in general
        return {"g": g, "index": index, "input_size": x.shape[2:]}
    x, *window = pooling(rng).values()
    index = reference.max_pool2d(x, *window)[1]
    return {"g": numbers(rng, index.shape, x.dtype), "index": index, "input_size": x.shape[2:], "window": tuple(window)}


def warp(rng):
    x = numbers(rng, tuple(size(rng, most) for most in (4, 9, 9, 9)), rng.choice([np.float32, np.float64]))
    index = rng.integers(-1, x.shape[2] * x.shape[3], (x.shape[0], size(rng, 4), size(rng, 5), size(rng, 5)))
    return {"x": x, "index": index, "weight": numbers(rng, index.shape, x.dtype)}


def warp_adjoint(rng):
    x, index, weight = warp(rng).values()
    g = numbers(rng, (*x.shape[:2], *index.shape[2:]), x.dtype)
    return {"g": g, "index": index, "weight": weight, "input_size": x.shape[2:]}


def resample(rng):
    x = numbers(rng, tuple(size(rng, most) for most in (4, 9, 20)), rng.choice([np.float32, np.float64]))
    counts = rng.integers(0, 4 if x.shape[1] else 1, size(rng, 9))
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    source = rng.integers(0, max(x.shape[1], 1), first[-1])
    return {"x": x, "first": first, "source": source, "weight": numbers(rng, source.shape, x.dtype)}


def sequence(rng, gates):
    """Steps, sequences and length of the state; the input's product, and the weights of the state."""
    t, n, h = size(rng, 4), size(rng, 30), size(rng, 20)
    dtype = rng.choice([np.float32, np.float64])
    return t, n, h, numbers(rng, (t, n, gates * h), dtype), numbers(rng, (gates * h, h), dtype)


def gru(rng):
    _, n, h, a, weight = sequence(rng, 3)
    return {"a": a, "weight": weight, "bias": numbers(rng, (3 * h,), a.dtype), "h": numbers(rng, (n, h), a.dtype)}


def lstm(rng):
    _, n, h, a, weight = sequence(rng, 4)
    bias = numbers(rng, (4 * h,), a.dtype)
    return {"a": a, "weight": weight, "bias": bias, **{name: numbers(rng, (n, h), a.dtype) for name in "hc"}}


def gru_grad(rng):
    t, n, h, a, weight = sequence(rng, 3)
    g, states, gates = (numbers(rng, shape, a.dtype) / 4 for shape in ((t, n, h), (t, n, h), (t, n, 4 * h)))
    return {"g": g, "states": states, "gates": gates, "weight": weight / 8, "h": numbers(rng, (n, h), a.dtype)}


def lstm_grad(rng):
    t, n, h, a, weight = sequence(rng, 4)
    g, states, gates = (numbers(rng, shape, a.dtype) / 4 for shape in ((2, t, n, h), (2, t, n, h), (t, n, 4 * h)))
    return {"g": g, "states": states, "gates": gates, "weight": weight / 8, "c": numbers(rng, (n, h), a.dtype)}


def state(rng, *names, optional=()):
    x = some_images(rng)
    arrays = {name: rng.integers(0, 4, x.shape).astype(x.dtype) for name in ("param", "grad", *names)}
    return arrays | {n: numbers(rng, x.shape, x.dtype) ** 2 if rng.random() < 0.5 else None for n in optional}


def flag(rng):
    return bool(rng.integers(2))


def sgd_step(rng):
    rates = {"lr": 0.1, "momentum": 0.9, "dampening": 0.1, "weight_decay": float(rng.choice([0.0, 0.1]))}
    return {**state(rng, optional=["velocity"]), **rates, "nesterov": flag(rng), "first": flag(rng)}


def adam_step(rng):
    rates = {"step": int(rng.integers(1, 9)), "lr": 0.1, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8}
    decay = {"weight_decay": float(rng.choice([0.0, 0.1])), "decoupled": flag(rng)}
    return {**state(rng, "m", "v", optional=["vmax"]), **rates, **decay}


def rmsprop_step(rng):
    rates = {"lr": 0.1, "alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.5}
    return {**state(rng, "v", optional=["mean", "velocity"]), **rates}


CALLS = {
    "adam_step": adam_step,
    "add": add,
    "add_bias": add_bias,
    "add_bias_grad": add_bias_grad,
    "batch_norm": batch_norm,
    "batch_norm_grad": batch_norm_grad,
    "batch_norm_stats": batch_norm_stats,
    "batch_norm_train": batch_norm_train,
    "channel_sums": batch_norm_stats,
    "conv2d": conv2d,
    "conv2d_bias": conv2d_bias,
    "conv2d_input_grad": conv2d_input_grad,
    "conv2d_input_grad_bias": conv2d_input_grad_bias,
    "conv2d_weight_grad": conv2d_weight_grad,
    "dropout": dropout,
    "gru": gru,
    "gru_grad": gru_grad,
    "leaky_relu": leaky_relu,
    "leaky_relu_grad": leaky_relu_grad,
    "lstm": lstm,
    "lstm_grad": lstm_grad,
    "matmul": matmul,
    "matmul_bias": matmul_bias,
    "max_pool2d": pooling,
    "max_pool2d_grad": max_pool2d_grad,
    "mean": batch_norm_stats,
    "rmsprop_step": rmsprop_step,
    "sgd_step": sgd_step,
    "resample": resample,
    "sigmoid": elementwise,
    "sigmoid_grad": sigmoid_grad,
    "softplus": elementwise,
    "softplus_grad": sigmoid_grad,
    "tanh_grad": tanh_grad,
    "warp": warp,
    "warp_adjoint": warp_adjoint,
}
#: Kernels that promise the reference's very bits.
EXACT = {
    name for name in CALLS if name.endswith(("bias", "relu", "step", "relu_grad")) or name.startswith(("drop", "max"))
}


def written(name, arguments):
    """The names of the arrays that the kernel may write to."""
    if name.endswith("_step"):
        return [key for key, x in arguments.items() if isinstance(x, np.ndarray) and key != "grad"]
    return [key for key in ("out",) if isinstance(arguments.get(key), np.ndarray)]


# ---------------------------------------------------------------- invalid calls


WRONG_NUMBERS = (-1, 0, 1.5, True, None, "2", 1 << 40, 1 << 63, -(1 << 70), float("nan"), np.int64(2), 3, np.float32(2))
OTHER_DTYPES = (
    np.float16,
    np.int32,
    np.int64,
    np.complex64,
    ">f4",
    np.float32,
    np.float64,
    np.longdouble,
    object,
    bool,
)


def changed(rng, name, arguments):
    """The call with one argument changed, which seldom leaves it valid."""
    key = list(arguments)[rng.integers(len(arguments))]
    value = arguments[key]
    arguments = dict(arguments)
    if isinstance(value, np.ndarray):
        arguments[key] = changed_array(rng, name, arguments, key)
    elif isinstance(value, tuple):
        arguments[key] = changed_tuple(rng, value)
    else:
        arguments[key] = WRONG_NUMBERS[rng.integers(len(WRONG_NUMBERS))]
    return arguments


def changed_array(rng, name, arguments, key):
    value, choice = arguments[key], rng.integers(8)
    if choice == 0:
        return [None, value.tolist(), "array", 3.0, np.float32(3)][rng.integers(5)]
    if choice == 1:
        value = value.astype(OTHER_DTYPES[rng.integers(len(OTHER_DTYPES))])
        return value if value.dtype.hasobject else place(rng, value)
    if choice == 2 and key in written(name, arguments):
        value = place(rng, value, writeable=True)
        value.flags.writeable = False
        return value
    if choice == 3:  # the memory of another argument
        others = [x for k, x in arguments.items() if isinstance(x, np.ndarray) and k != key and x.dtype == value.dtype]
        fitting = [x for x in others if x.size >= value.size]
        if fitting:
            other = fitting[rng.integers(len(fitting))]
            flat = other.reshape(-1)
            start = int(rng.integers(0, flat.size - value.size + 1))
            return flat[start : start + value.size].reshape(value.shape)
    shape = list(value.shape)
    if choice == 4 and shape:
        del shape[rng.integers(len(shape))]
    elif choice == 5:
        shape.insert(int(rng.integers(len(shape) + 1)), int(rng.integers(0, 3)))
    elif shape:
        axis = rng.integers(len(shape))
        shape[axis] = max(0, shape[axis] + int(rng.choice([-1, 1, 1, -shape[axis], 3])))
    return place(
        rng, np.resize(value, shape) if value.size else np.ones(shape, value.dtype), key in written(name, arguments)
    )


def changed_tuple(rng, value):
    if rng.random() < 0.1:
        return [None, 1, value[:1], (*value, value[0]), list(value)][rng.integers(5)]
    place, parts = rng.integers(len(value)), list(value)
    inner = parts[place]
    parts[place] = (
        changed_tuple(rng, inner) if isinstance(inner, tuple) else WRONG_NUMBERS[rng.integers(len(WRONG_NUMBERS))]
    )
    return tuple(parts)


# ---------------------------------------------------------------- one call


def functions():
    """(set, kernel, function) of every kernel of the sets that run on a CPU, from their registers.

    Those for lists of arrays are left out: on a CPU they call those for one.
    """
    names = [name for name in reference.__all__ if not name.endswith(("_steps", "_pairs"))]
    found = [("cpu", name, getattr(cpu, name)) for name in names if name in cpu.__all__]
    found += [("reference", name, getattr(reference, name)) for name in names]
    return found + [("ladder", "conv2d", rung) for rung in ladder.RUNGS.values()]


def results(value):
    return value if isinstance(value, tuple) else (value,)


def compare(name, got, expected):
    if got is None and expected is None:
        return
    for a, b in zip(results(got), results(expected), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, f"{a.dtype} {a.shape}, expected {b.dtype} {b.shape}"
        if name in EXACT:
            np.testing.assert_array_equal(a, b)
        elif b.size:
            scale = max(1.0, float(np.nanmax(np.abs(b), initial=0)), 1e-3 * b.size)
            np.testing.assert_allclose(a, b, rtol=0, atol=2e-3 * scale)


def twin(array):
    """A copy that is read-only if `array` is."""
    copy = array.copy()
    copy.flags.writeable = array.flags.writeable
    return copy


def one(rng, kernel, function):
    """Make one call; what came of it."""
    arguments = CALLS[kernel](rng)
    targets = written(kernel, arguments)
    whole = [*targets, "first"]  # one entry cannot stand for all of a list that rises
    arguments = {
        key: place(rng, value, key in whole) if isinstance(value, np.ndarray) else value
        for key, value in arguments.items()
    }
    valid = rng.random() < 0.5
    if not valid:
        arguments = changed(rng, kernel, arguments)
    arrays = {key: value for key, value in arguments.items() if isinstance(value, np.ndarray)}
    before = {key: value.copy() for key, value in arrays.items()}
    copies, spare = ({key: twin(value) if key in before else value for key, value in arguments.items()} for _ in "ab")
    try:
        getattr(reference, kernel).__wrapped__(**spare)
        possible = True
    except Exception:
        possible = False
    try:
        got = function(**arguments)
    except REFUSALS as error:
        for key, value in arrays.items():
            same = value.tobytes() == before[key].tobytes()
            assert same, f"{key} was written to, and then came {type(error).__name__}: {error}"
        assert not valid, f"a valid call was refused: {type(error).__name__}: {error}"
        assert str(error), "an error without a message"
        return "refused"
    assert possible, "NumPy cannot compute this, and the kernel said nothing"
    expected = getattr(reference, kernel)(**copies)
    if kernel.endswith("_step"):
        for key in before:
            compare(kernel, arrays[key], copies[key])
    else:
        compare(kernel, got, expected)
        for key, value in arrays.items():
            untouched = key == "out" or value.tobytes() == before[key].tobytes()
            assert untouched or overlaps(arguments.get("out"), value), f"{key} was written to"
    return "valid" if valid else "still valid"


def overlaps(a, b):
    return isinstance(a, np.ndarray) and np.may_share_memory(a, b)


def use_guarded_memory(modules, seed):
    """Let kernels allocate between guards."""
    empty = guarded_empty(np.random.default_rng(seed))
    for module in modules:
        if getattr(module, "empty", None) is allocator.empty or hasattr(module, "_plain_empty"):
            module._plain_empty, module.empty = True, empty


def many_channels(rng):
    """As `convolution`, of 1 to 40 channels: one square filter for each, 1 x 1 filters, or windows without padding."""
    dtype = rng.choice([np.float32, np.float64])
    n, channels, outputs, height, width = (int(rng.integers(1, most + 1)) for most in (3, 40, 40, 40, 40))
    form = rng.choice(["depthwise", "1 x 1", "windows"])
    if form == "windows":  # which overlap or not
        groups, (height, width) = int(rng.integers(1, 3)), (min(height, 12), min(width, 12))
        kernel = (int(rng.integers(1, min(height, 4) + 1)), int(rng.integers(1, min(width, 4) + 1)))
        stride, padding = (int(rng.integers(1, 4)), int(rng.integers(1, 4))), ((0, 0), (0, 0))
        outputs *= groups
    elif form == "depthwise":
        kernel, stride, groups = (int(rng.integers(2, 8)),) * 2, (int(rng.integers(1, 3)),) * 2, channels
        padding = tuple((int(rng.integers(0, 4)), int(rng.integers(0, 4))) for _ in range(2))
        height, width = (max(n, kernel[0] - sum(p)) for n, p in zip((height, width), padding))
        channels, outputs = 1, groups
    else:
        kernel, padding, groups = (1, 1), ((0, 0), (0, 0)), int(rng.integers(1, 3))
        stride = (2, 2) if rng.random() < 0.5 else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        outputs *= groups
    pixels = map(output_size, (height, width), kernel, stride, padding, (1, 1))
    shapes = (n, channels * groups, height, width), (outputs, channels, *kernel), (n, outputs, *pixels)
    return *(numbers(rng, shape, dtype) for shape in shapes), (stride, padding, (1, 1), groups)


def convolutions(seed, calls):
    """Convolutions by every direct method that serves them; prints how often each was called."""
    faulthandler.enable()
    thread_pool.SMALL = 1
    counts = Counter()
    modules = [m for name, m in list(sys.modules.items()) if name.startswith("minigen.kernels.cpu")]
    for index in range(calls):
        rng = np.random.default_rng((seed, index))
        use_guarded_memory(modules, (seed, index, 1))
        x, w, g, moves = many_channels(rng)
        plain = reference.conv2d, reference.conv2d_input_grad, reference.conv2d_weight_grad
        for kind, estimate, run, first, second, expected in (
            ("y", dispatch.forward_costs, dispatch.run_forward, x, w, plain[0](x, w, *moves)),
            ("dx", dispatch.input_grad_costs, dispatch.run_input_grad, g, w, plain[1](g, w, x.shape[2:], *moves)),
            ("dw", dispatch.weight_grad_costs, dispatch.run_weight_grad, x, g, plain[2](x, g, w.shape[2:], *moves)),
        ):
            shapes = first.shape, (g if kind == "dw" else expected).shape
            question = dispatch.Question(*shapes, x.itemsize, w.shape[1:], moves, "direct")
            for method, _ in estimate(question):
                print(f"\r{seed} {index} {kind} {method}", file=sys.stderr, end="", flush=True)
                operands = [GUARDED.array(rng, array.shape, array.dtype) for array in (first, second, expected)]
                operands[0][...], operands[1][...], operands[2][...] = first, second, np.nan
                run(method, None, *operands, question)
                np.testing.assert_array_equal(operands[2], expected)
                counts[method] += 1
        GUARDED.reset()
    print(dict(counts))


def main(seed, calls, first=0):
    faulthandler.enable()
    warnings.simplefilter("ignore")
    thread_pool.SMALL = 1  # several threads even on little work
    every, counts = functions(), Counter()
    modules = [m for name, m in list(sys.modules.items()) if name.startswith("minigen.kernels.")]
    for index in range(first, calls):
        print(f"\r{seed} {index}", file=sys.stderr, end="", flush=True)
        rng = np.random.default_rng((seed, index))
        kernel_set, kernel, function = every[rng.integers(len(every))]
        use_guarded_memory(modules, (seed, index, 1))
        for module in modules:  # whoever asks twice gets two answers, as if another thread had set the number between
            if hasattr(module, "get_num_threads"):
                module.get_num_threads = lambda: int(THREADS.integers(1, 5))
        try:
            with cpu.precision(str(rng.choice(["default", "fast", "direct"]))):
                counts[kernel_set, one(rng, kernel, function)] += 1
        except AssertionError as error:
            name = f"{function.__module__}.{function.__name__}"
            raise SystemExit(f"\n{name}: {error}\nagain: tests/kernel_fuzz.py {seed} {index + 1} {index}") from error
        GUARDED.reset()
    for kernel_set in ("cpu", "reference", "ladder"):
        print(kernel_set, {outcome: n for (name, outcome), n in sorted(counts.items()) if name == kernel_set})


if __name__ == "__main__":
    if sys.argv[1] == "convolutions":
        convolutions(*map(int, sys.argv[2:]))
    else:
        main(*map(int, sys.argv[1:]))
