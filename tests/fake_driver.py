"""What Python does for a launch, measured and checked without a GPU: on a stand-in for NVIDIA's driver.

``python tests/fake_driver.py`` prints how long Python takes to launch some kernels, by Numba and packed.  The tests in
`test_kernels_cuda_launch` ask for the words that the driver gets.  Both run in a process of their own, whose driver
library is `fake_driver.c`, compiled by the C compiler of this computer: see `start`.
"""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np

SOURCE = Path(__file__).with_suffix(".c")
_RUNNING = "MINIGEN_FAKE_DRIVER"


def why_not():
    """Why it cannot be used here, in one line; empty where it can."""
    from minigen.kernels import static_report

    if shutil.which("cc") is None:
        return "the fake driver is compiled by a C compiler, and there is no cc here"
    return static_report.why_not()


def start(command, *arguments):
    """Run a function of this module, by its name, in a new process with the fake driver; what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "libcuda.so.1"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        paths = os.pathsep.join(filter(None, [folder, os.environ.get("LD_LIBRARY_PATH")]))
        environment = {**os.environ, "LD_LIBRARY_PATH": paths, _RUNNING: "1"}
        run = subprocess.run(
            [sys.executable, __file__, command, *arguments], env=environment, capture_output=True, text=True
        )
    if run.returncode:
        raise RuntimeError(f"{command} failed with the fake driver:\n{run.stdout}{run.stderr}")
    return run.stdout


# ---------------------------------------------------------------- in the process with the fake driver


class Array:
    """Stands for an array of CuPy's: its memory is that of the host."""

    __slots__ = ("data", "dtype", "flags", "host", "itemsize", "nbytes", "ndim", "shape", "size")

    def __init__(self, host):
        self.host, self.data = host, Pointer(host.__array_interface__["data"][0])
        self.shape, self.dtype, self.flags = host.shape, host.dtype, host.flags
        self.size, self.ndim, self.itemsize, self.nbytes = host.size, host.ndim, host.itemsize, host.nbytes

    @property
    def __cuda_array_interface__(self):
        strides = None if self.flags.c_contiguous else self.host.strides
        place = (self.data.ptr, False)
        return {"shape": self.shape, "typestr": self.dtype.str, "strides": strides, "data": place, "version": 3}

    def reshape(self, *shape):
        return Array(self.host.reshape(*shape))

    def __getitem__(self, index):
        return Array(self.host[index])


for _name in ("add", "radd", "mul", "truediv", "rtruediv"):

    def _operator(self, other, name=f"__{_name}__"):
        return Array(np.asarray(getattr(self.host, name)(getattr(other, "host", other))))

    setattr(Array, f"__{_name}__", _operator)


class Pointer:
    __slots__ = ("ptr",)

    def __init__(self, ptr):
        self.ptr = ptr


def array(*shape, dtype=np.float32):
    return Array(np.zeros(shape, dtype))


stream = SimpleNamespace(ptr=0)
arrays = SimpleNamespace(
    __name__="arrays",
    ndarray=Array,
    cuda=SimpleNamespace(get_current_stream=lambda: stream),
    empty=lambda shape, dtype: Array(np.empty(shape, dtype)),
    ascontiguousarray=lambda a: a if a.flags.c_contiguous else Array(np.ascontiguousarray(a.host)),
    sqrt=lambda a: Array(np.sqrt(a.host)),
)


@cache
def driver():
    library = ctypes.CDLL("libcuda.so.1")
    library.fake_launches.restype = ctypes.c_long
    library.fake_record.restype = ctypes.POINTER(ctypes.c_uint64)
    return library


def parameters(kernel):
    """Bytes of each of a kernel's parameters."""
    from minigen.kernels.cuda.target import types

    sizes = []
    for kind in kernel.arguments:
        for part in kind if isinstance(kind, types.BaseTuple) else (kind,):
            sizes += [8] * 7 if isinstance(part, types.Array) else [np.dtype(part.name).itemsize]
    return sizes


def recorded(launch, kernel):
    """What the driver got from a launch: kernel, blocks, threads, stream, and the words of the arguments."""
    sizes, before = parameters(kernel), driver().fake_launches()
    driver().fake_sizes((ctypes.c_int * len(sizes))(*sizes), len(sizes))
    launch()
    assert driver().fake_launches() == before + 1
    return driver().fake_record()[: 4 + len(sizes)]


def by_numba(gpu):
    """A GPU whose kernels Numba launches."""
    from unittest import mock

    from minigen.kernels.cuda import launch

    def refuse(*args):
        raise launch.UnexpectedNumbaError

    class ByNumba(launch.Gpu):
        def _prepare(self, kernel, arguments):
            with mock.patch.object(launch, "pack", refuse):
                return super()._prepare(kernel, arguments)

    return ByNumba(gpu.arrays)


def words():
    """Launch every kernel twice, by Numba and packed; print as JSON what the driver got where the two differ."""
    from minigen.kernels.cuda import launch

    class Both(launch.Gpu):
        def start(self, kernel, blocks, arguments):
            for pointer in (0, 0x7000):
                stream.ptr = pointer
                found = [
                    recorded(partial(launch.Gpu.start, gpu, kernel, blocks, arguments), kernel) for gpu in (self, numba)
                ]
                stream.ptr = 0
                name = f"{kernel.function.__name__} {[str(kind) for kind in kernel.arguments]}"
                packed[name] = self._launches[kernel].__module__.endswith("packed")
                if found[0][1:] != found[1][1:] or found[0][3] != pointer:
                    differing[name] = found
            changing = [isinstance(value, tuple) and isinstance(value[0], np.generic) for value in arguments]
            if any(changing):  # as a graph has it
                pairs = zip(arguments, changing)
                self.start(
                    kernel.from_memory, blocks, [Array(np.array(value)) if is_one else value for value, is_one in pairs]
                )

    packed, differing, gpu = {}, {}, Both(arrays)
    numba = by_numba(gpu)
    with launch.running_on(gpu):
        every_kernel(np.float32)
        every_kernel(np.float64, ["batch_norm_stats", "dropout", "leaky_relu"])  # no other types of arguments exist
    print(json.dumps({"packed": packed, "differing": differing}))


def every_kernel(dtype, names=None):
    """Call every function of the set, or some, with arguments such that each of its kernels is launched."""
    from minigen.check.kernel_cases import CALLS, draw_call
    from minigen.kernels import cuda
    from minigen.kernels.shapes import Convolution

    shapes = Convolution(40, 4, 2, (5, 4), (3, 2), (2, 1), ((1, 0), (0, 1)))
    for name in names or sorted(set(CALLS) & set(cuda.__all__)):
        for seed in range(4 if name.endswith(("_step", "_steps")) else 1):
            call = draw_call(name, shapes, seed, dtype=dtype)
            getattr(cuda, name)(*on_device(call.args))


def on_device(value):
    if isinstance(value, np.ndarray):
        return Array(value)
    return type(value)(map(on_device, value)) if isinstance(value, list | tuple) else value


def threads():
    """Launch in eight threads at once; print how many of them had other words than theirs given to the driver."""
    import threading

    from minigen.kernels.cuda import launch, pointwise

    kernel = pointwise._leaky_relu(False, np.dtype(np.float32))
    gpu, wrong, barrier = launch.Gpu(arrays), [], threading.Barrier(8)

    def work(number):
        x = array(100 + number)
        barrier.wait()
        for i in range(500):
            slope, count = np.float32(number), np.int32(i)
            found = recorded_here(partial(gpu.start, kernel, 1 + number, [x, x, slope, count]), kernel)
            place = x.data.ptr
            one = [0, 0, x.size, 4, place, x.size, 4]
            if found[1:] != [1 + number, 256, 0, *one, *one, int(slope.view(np.uint32)), i]:
                wrong.append(number)

    def recorded_here(launch, kernel):  # others launch too, so their number says nothing
        sizes = parameters(kernel)
        driver().fake_sizes((ctypes.c_int * len(sizes))(*sizes), len(sizes))
        launch()
        return driver().fake_record()[: 4 + len(sizes)]

    gpu.start(kernel, 1, [array(1), array(1), np.float32(0), np.int32(1)])  # the others find it compiled
    sys.setswitchinterval(1e-6)
    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"wrong": wrong, "launches": driver().fake_launches()}))


def refused():
    """Print the error of a launch that the driver refuses."""
    from minigen.kernels.cuda import launch, leaky_relu

    with launch.running_on(launch.Gpu(arrays)):
        leaky_relu(array(3), 0.5)
        driver().fake_refuse(719)
        try:
            leaky_relu(array(3), 0.5)
        except RuntimeError as error:
            print(error)


def microseconds():
    """Print how long Python takes for a launch: by Numba, packed, and without the launch itself."""
    from minigen.kernels.cuda import add_pairs, batch_norm_stats, launch, leaky_relu

    class Nothing(launch.Gpu):
        def start(self, kernel, blocks, arguments):
            pass

    gpu = launch.Gpu(arrays)
    x, pairs = array(8, 4, 5, 5), [[array(1000) for _ in range(12)] for _ in range(2)]
    table = [("kernel", "by Numba", "packed", "of that before the launch")]
    calls = {
        "leaky_relu, 2 arrays": lambda: leaky_relu(x, 0.2),
        "batch_norm_stats, 3 arrays": lambda: batch_norm_stats(x),
        **optimizer_calls(),
        "add_pairs, 12 pairs": lambda: add_pairs(*pairs),
    }
    for name, call in calls.items():
        figures = []
        for device in (by_numba(gpu), gpu, Nothing(arrays)):
            with launch.running_on(device):
                figures.append(f"{least_time(call) * 1e6:.1f} us")
        table.append((name, *figures))
    widths = [max(map(len, column)) for column in zip(*table)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def optimizer_calls():
    from minigen.kernels.cuda import adam_steps

    def call(count):
        columns = [[array(1000) for _ in range(count)] for _ in range(4)]
        return lambda: adam_steps(*columns, None, 3, 1e-3, 0.9, 0.999, 1e-8, 0, False)

    return {"adam_steps, 1 parameter": call(1), "adam_steps, 14 parameters": call(14)}


def least_time(call, rounds=5, calls=300):
    """Seconds of this thread's own time for a call, in the best of some rounds."""
    call()
    times = []
    for _ in range(rounds):
        before = time.thread_time()
        for _ in range(calls):
            call()
        times.append((time.thread_time() - before) / calls)
    return min(times)


if __name__ == "__main__":
    if os.environ.get(_RUNNING):
        {"words": words, "threads": threads, "refused": refused, "microseconds": microseconds}[sys.argv[1]]()
    elif reason := why_not():
        sys.exit(f"fake_driver: {reason}")
    else:
        print(start("microseconds"), end="")
