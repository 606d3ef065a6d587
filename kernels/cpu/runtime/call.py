"""A call of a compiled function as two numbers, which any thread can make: where its code is, and its arguments.

`packed` stores the arguments in memory and returns the address; `code` is the address of a function that reads them
there and calls the kernel; `make_call` does so, from the two addresses.  No step of it needs Python.

An exception in the kernel stays with the arguments, until `raise_failure` raises it in the function that packed them.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.callconv import excinfo_ptr_t
from numba.core.compiler import Flags, compile_internal
from numba.extending import intrinsic

__all__ = ["code", "make_call", "packed", "raise_failure"]

_ADDRESS = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_ENTRY = ir.FunctionType(ir.VoidType(), [_BYTES, _ADDRESS])
_STATUS = ir.IntType(32)


def _layout(context, arguments):
    """The status of a failed call and what describes its exception; then the arguments."""
    return ir.LiteralStructType([_STATUS, excinfo_ptr_t, *map(context.get_value_type, arguments.types)])


@intrinsic
def packed(typing, arguments):
    """Store a tuple of arguments on the stack of the calling function; the address."""

    def generate(context, builder, signature, args):
        place = cgutils.alloca_once(builder, _layout(context, signature.args[0]), zfill=True)
        for i, value in enumerate(cgutils.unpack_tuple(builder, args[0])):
            builder.store(value, cgutils.gep_inbounds(builder, place, 0, i + 2))
        return builder.ptrtoint(place, _ADDRESS)

    return types.int64(arguments), generate


@intrinsic
def code(typing, kernel, arguments):
    """The address of a function that calls ``kernel(thread, (first, thread), *rest)``, for arguments of these types.

    The kernel becomes part of the calling function's library.  As a separate library it would be optimized and
    translated twice.
    """

    def generate(context, builder, signature, args):
        flags = Flags()
        flags.error_model, flags.nrt = "numpy", True
        flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
        library, function = context.active_code_library, kernel.dispatcher.py_func
        first, *rest = arguments.types
        pair = types.Tuple((first, types.intp))
        argument_types = types.intp, pair, *rest
        compiled = compile_internal(context.typing_context, context, library, function, argument_types, None, flags, {})
        entry = ir.Function(builder.module, _ENTRY, builder.module.get_unique_name("entry"))
        entry.linkage = "internal"
        inside = ir.IRBuilder(entry.append_basic_block())
        place = inside.bitcast(entry.args[0], _layout(context, arguments).as_pointer())
        values = [inside.load(cgutils.gep_inbounds(inside, place, 0, i + 2)) for i in range(len(arguments))]
        thread = inside.trunc(entry.args[1], context.get_value_type(types.intp))
        numbered = [thread, context.make_tuple(inside, pair, [values[0], thread]), *values[1:]]
        status, _ = context.call_internal_no_propagate(inside, compiled.fndesc, compiled.signature, numbered)
        with inside.if_then(status.is_error, likely=False):
            inside.store(status.excinfoptr, cgutils.gep_inbounds(inside, place, 0, 1))
            inside.store(status.code, cgutils.gep_inbounds(inside, place, 0, 0))
        inside.ret_void()
        return builder.ptrtoint(entry, _ADDRESS)

    return types.int64(kernel, arguments), generate


@intrinsic
def make_call(typing, code, place, thread):
    """Call the function at address `code` with the arguments at address `place`, as this thread."""

    def generate(context, builder, signature, args):
        builder.call(builder.inttoptr(args[0], _ENTRY.as_pointer()), [builder.inttoptr(args[1], _BYTES), args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def raise_failure(typing, place, arguments):
    """Raise the exception of a call that failed, if one did; `arguments`: what was `packed` there."""

    def generate(context, builder, signature, args):
        there = builder.inttoptr(args[0], _layout(context, arguments).as_pointer())
        status = builder.load(cgutils.gep_inbounds(builder, there, 0, 0))
        with cgutils.if_unlikely(builder, cgutils.is_not_null(builder, status)):
            description = builder.load(cgutils.gep_inbounds(builder, there, 0, 1))
            failure = context.call_conv._get_return_status(builder, status, description)
            context.call_conv.return_status_propagate(builder, failure)
        return context.get_dummy_value()

    return types.void(types.int64, arguments), generate
