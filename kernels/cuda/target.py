"""What the kernels of this package are written in: Numba CUDA, and the one instruction that it lacks.

This is the only module that imports it.  Compiling and emulating kernels needs no GPU.
"""

import importlib.util

if importlib.util.find_spec("numba_cuda") is None:
    raise ImportError(
        "the CUDA kernels need numba-cuda: python -m pip install 'minigen-lab[cuda13]' (or cuda12, by the driver), "
        "or without a GPU 'minigen-lab[emulator]'",
        name="numba_cuda",
    )

from llvmlite import ir
from numba import cuda, from_dtype, types
from numba import int32 as int32  # for the kernels; a type has no docstring, so it is not in the list below
from numba.cuda import config
from numba.cuda.extending import intrinsic

__all__ = ["VECTOR_BYTES", "configured", "copy_vector", "cuda", "device", "flat", "lanes", "number", "types"]

#: The widest load and store of a GPU thread: four float32 or two float64.
VECTOR_BYTES = 16


def lanes(dtype):
    """Numbers in a vector."""
    return VECTOR_BYTES // dtype.itemsize


def number(dtype):
    """Numba's type for a number of a NumPy dtype."""
    return from_dtype(dtype)


def changing(dtype, count):
    """Numba's type for numbers that change from launch to launch, such as a learning rate: one argument, a tuple.

    A kernel takes them by index, ``rates[0]``.  So it works as well with an array in their place, which a graph of
    launches needs: see `Kernel.from_memory`.
    """
    return types.UniTuple(from_dtype(dtype), count)


def flat(dtype):
    """Numba's type for a contiguous array in one dimension, as kernels take them."""
    return types.Array(from_dtype(dtype), 1, "C")


def configured(kernel, blocks, threads, stream):
    """A compiled kernel, ready to be called.

    Numba warns of every small grid.  That is advice for who writes a kernel; a small batch is no mistake of its user.
    """
    before, config.CUDA_LOW_OCCUPANCY_WARNINGS = config.CUDA_LOW_OCCUPANCY_WARNINGS, 0
    try:
        return kernel[blocks, threads, stream]
    finally:
        config.CUDA_LOW_OCCUPANCY_WARNINGS = before


def device(function):
    """Let kernels call `function`: its body is inserted there before anything is compiled."""
    return cuda.jit(device=True, inline="always")(function)


@intrinsic
def copy_vector(typingctx, target, at, source, start):
    """``target[at : at + lanes] = source[start : start + lanes]`` as one 128-bit load and one 128-bit store.

    In flat arrays of any kind: global, shared, or local (registers, where load or store vanishes).  A GPU stops with an
    error unless both places are multiples of 16 bytes.  Numba has no such instruction, and a compiler joins four loads
    only where it can prove the alignment.
    """
    arrays = (target, source)
    if not all(isinstance(a, types.Array) and a.ndim == 1 and a.layout == "C" for a in arrays):
        return None
    if target.dtype != source.dtype or target.dtype not in (types.float32, types.float64):
        return None
    if not all(isinstance(index, types.Integer) and index.signed for index in (at, start)):
        return None

    def generate(context, builder, signature, arguments):
        places = []
        for array, index in ((0, 1), (2, 3)):
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            element = builder.gep(data, [arguments[index]])
            number = data.type.pointee
            count = VECTOR_BYTES // (4 if signature.args[array].dtype == types.float32 else 8)
            space = getattr(data.type, "addrspace", 0)
            places.append(builder.bitcast(element, ir.VectorType(number, count).as_pointer(space)))
        builder.store(builder.load(places[1], align=VECTOR_BYTES), places[0], align=VECTOR_BYTES)
        return context.get_dummy_value()

    return types.void(target, at, source, start), generate
