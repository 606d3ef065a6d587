"""Compile a kernel for this processor: numba-cuda's front end, our translation, LLVM's back end."""

import functools
import re
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm

from .check import watchers
from .count import iterator, tracer
from .errors import UnsupportedError
from .fibers import RUNTIME
from .front_end import nvvm_ir
from .functions import DECLARATIONS as FUNCTION_DECLARATIONS
from .functions import definitions, host_name
from .hooks import COUNT, DECLARATIONS, MEMORY, WATCH
from .instrument import Instrumented, describe, instrument
from .program import Program

__all__ = ["Program", "build"]


@functools.lru_cache(maxsize=256)  # one for all thread orders
def build(
    function: Callable[..., Any], types: tuple[Any, ...], fastmath: bool, check: bool, count: bool, turns: bool
) -> Program:
    """Compile `function` for arguments of these Numba types; the rest is as `instrument` takes it.

    Raises
    ------
    UnsupportedError
        If it uses something that the emulator has not.
    """
    _prepare()
    modules = nvvm_ir(function, types, fastmath)
    try:
        code = instrument(modules, check, count, turns)
    except UnsupportedError as error:
        raise UnsupportedError(f"{function.__name__}: {error}") from None
    name, parameters = _entry(code.modules[0])
    kernel = [_finish(module, code) for module in code.modules]
    main = llvm.parse_assembly(
        RUNTIME
        + definitions([RUNTIME, *kernel])
        + MEMORY
        + (WATCH if check else "")
        + (COUNT if count else "")
        + _call(name, parameters)
    )
    for module in kernel:
        main.link_in(llvm.parse_assembly(module + DECLARATIONS + FUNCTION_DECLARATIONS))
    if check:
        watch, outside = watchers()
        llvm.add_symbol("emu_watch_", watch.address)
        llvm.add_symbol("emu_outside_", outside.address)
    if count:
        llvm.add_symbol("emu_trace_", tracer().address)
        llvm.add_symbol("emu_iterate_", iterator().address)
    return Program(_compile(function.__name__, main), code, len(parameters), turns)


def _entry(module: str) -> tuple[str, list[str]]:
    """The kernel's name in the IR, and the types of its parameters."""
    found = re.search(r'^define void @"([^"]+)"\((.*)\)', module, re.M)
    if found is None:
        raise RuntimeError(
            "numba-cuda's IR begins with no kernel; is this the version that the emulator is written for?"
        )
    return found[1], [part.split()[0] for part in found[2].split(", ") if part]


def _call(name: str, parameters: list[str]) -> str:
    """The function that every fiber runs: the kernel with the arguments of the launch."""
    lines, values = [], []
    for i, kind in enumerate(parameters):
        lines.append(f"  %p{i} = getelementptr [512 x i64], ptr @emu_arguments, i32 0, i32 {i}")
        lines.append(f"  %a{i} = load {kind}, ptr %p{i}")
        values.append(f"{kind} %a{i}")
    return "\n".join(
        [f'declare void @"{name}"({", ".join(parameters)})', "define void @emu_kernel() {", *lines]
        + [f'  call void @"{name}"({", ".join(values)})', "  ret void }", ""]
    )


def _finish(module: str, code: Instrumented) -> str:
    """Names that have to be the host's: mathematical functions, and dynamic shared memory."""
    for name, array in code.shared.items():
        if array.bytes == 0 and not array.constant:
            module = module.replace(f'@"{name}"', "@emu_dynamic")
    for name in set(re.findall(r'@"__nv_(\w+)"', module)):
        ours = host_name(name) or name
        module = re.sub(rf'^declare .*@"__nv_{name}".*$', "", module, flags=re.M) if ours.startswith("emu_") else module
        module = module.replace(f'@"__nv_{name}"', f'@"{ours}"')
    return module


@functools.cache
def _prepare() -> None:
    """Set LLVM up for this processor, with the C library's mathematical functions."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    llvm.load_library_permanently("libm.so.6")


def _compile(name: str, module: Any) -> Any:
    target = llvm.Target.from_default_triple().create_target_machine(  # the engine takes it over
        opt=2, cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten()
    )
    module.triple = llvm.get_process_triple()
    module.verify()
    passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=2))
    passes.getModulePassManager().run(module, passes)
    for function in module.functions:
        symbol = function.name
        if (
            function.is_declaration
            and not symbol.startswith(("llvm.", "emu_"))
            and llvm.address_of_symbol(symbol) is None
        ):
            raise UnsupportedError(f"{name}: {describe(symbol)}: the emulator has no such function")
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    return engine
