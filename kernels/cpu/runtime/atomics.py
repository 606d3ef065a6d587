"""What threads need to tell each other something, and Numba lacks: atomic operations, a pause, a yield."""

import ctypes
import os
import platform

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["compare_exchange", "exchange", "fetch_add", "pause", "read", "yield_core"]


def _element(context, builder, signature, args):
    """Address of ``array[index]``, the first two arguments."""
    return builder.gep(context.make_array(signature.args[0])(context, builder, args[0]).data, [args[1]])


@intrinsic
def fetch_add(typing, array, index, n):
    """``array[index] += n`` in one step that no other thread can interrupt; the value before."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("add", _element(context, builder, signature, args), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), generate


@intrinsic
def exchange(typing, array, index, value):
    """``array[index] = value`` in one step; the value before.  What was written earlier is visible to who reads it."""

    def generate(context, builder, signature, args):
        return builder.atomic_rmw("xchg", _element(context, builder, signature, args), args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), generate


@intrinsic
def compare_exchange(typing, array, index, expected, value):
    """``array[index] = value`` if it is `expected`, in one step; whether it was."""

    def generate(context, builder, signature, args):
        there = _element(context, builder, signature, args)
        return builder.extract_value(builder.cmpxchg(there, args[2], args[3], "seq_cst", "seq_cst"), 1)

    return types.boolean(array, types.intp, types.int64, types.int64), generate


@intrinsic
def read(typing, array, index):
    """``array[index]``, read again each time; of an ordinary load a compiler may keep the value."""

    def generate(context, builder, signature, args):
        return builder.load_atomic(_element(context, builder, signature, args), "acquire", 8)

    return types.int64(array, types.intp), generate


@intrinsic
def pause(typing):
    """Tell the processor that this loop is waiting, where it has an instruction for that."""

    def generate(context, builder, signature, args):
        if platform.machine().lower() in ("x86_64", "amd64"):
            builder.call(
                builder.module.declare_intrinsic("llvm.x86.sse2.pause", (), ir.FunctionType(ir.VoidType(), ())), ()
            )
        return context.get_dummy_value()

    return types.void(), generate


if os.name == "nt":  # a name that compiled code can refer to, also from the cache
    _address = ctypes.cast(ctypes.windll.kernel32.SwitchToThread, ctypes.c_void_p).value  # type: ignore[attr-defined]
    llvmlite.binding.add_symbol("minigen_yield", _address)
    yield_core = types.ExternalFunction("minigen_yield", types.int32())
else:
    yield_core = types.ExternalFunction("sched_yield", types.int32())
