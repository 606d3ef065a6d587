"""From the IR that numba-cuda writes for a GPU to IR that LLVM compiles for this processor.

Two things are different.  NVVM IR has typed pointers (``float addrspace(3)*``) and today's LLVM has one type ``ptr``;
and it calls *intrinsics*, such as the barrier, that only a GPU has.  Both are changed in the text, line by line.
"""

import re

from .functions import replace_functions

__all__ = ["opaque_pointers", "replace_intrinsics"]

_TYPE_NAME = r'(?:i\d+|half|float|double|void|ptr|%"[^"]*"|%[\w.$]+)'


def opaque_pointers(ir: str) -> str:
    """Write every pointer type as ``ptr``, in one address space.

    >>> opaque_pointers('%y = load float, float addrspace(3)* %x')
    '%y = load float, ptr %x'
    >>> opaque_pointers('%f = type { i8*, [4 x float]*, void (i32*, {i64, i8*})* }')
    '%f = type { ptr, ptr, ptr }'
    """
    return "\n".join(_opaque_line(line) if "*" in line or "addrspace" in line else line for line in ir.splitlines())


def _opaque_line(line: str) -> str:
    line = re.sub(r"\s*addrspace\(\d+\)", "", line).replace("addrspacecast", "bitcast")
    at = line.find("*")
    while at >= 0:
        if line[:at].count('"') % 2:  # inside a quoted name
            at = line.find("*", at + 1)
            continue
        start = _pointee(line, at)
        line = f"{line[:start]}ptr{line[at + 1 :]}"
        at = line.find("*", start)
    return line


def _pointee(line: str, end: int) -> int:
    """Where the type begins that ends before `end`."""
    closing, opening = "}])>", "{[(<"
    at = end - 1
    if line[at] not in closing:
        return _last(line[:end])
    is_function = line[at] == ")"
    depth = 0
    while True:
        depth += (line[at] in closing) - (line[at] in opening)
        if depth == 0:
            break
        at -= 1
    return _last(line[:at].rstrip()) if is_function else at  # a function type begins with what it returns


def _last(text: str) -> int:
    found = re.search(_TYPE_NAME + "$", text)
    if found is None:
        raise ValueError(f"no type at the end of {text!r}")
    return found.start()


_REGISTERS = {
    f"{name}.{axis}": 3 * i + j
    for i, name in enumerate(("tid", "ntid", "ctaid", "nctaid"))
    for j, axis in enumerate("xyz")
}


def replace_intrinsics(line: str, site: int) -> str:
    """One line with the GPU's intrinsics replaced by calls of the emulator; `site` numbers the barriers.

    >>> replace_intrinsics('  call void @"llvm.nvvm.barrier0"()', 7)
    '  call void @emu_barrier(i32 7)'
    """
    line = replace_functions(line, site)
    if "llvm.nvvm." not in line:
        return line
    line = line.replace('call void @"llvm.nvvm.barrier0"()', f"call void @emu_barrier(i32 {site})")
    line = re.sub(
        r'call void @"llvm\.nvvm\.bar\.warp\.sync"\(i32 ([^)]*)\)', rf"call void @emu_meet(i32 \1, i32 {site})", line
    )
    line = re.sub(
        r'call i32 @"llvm\.nvvm\.read\.ptx\.sreg\.(\w+\.[xyz])"\(\)',
        lambda m: f"call i32 @emu_register(i32 {_REGISTERS[m[1]]})",
        line,
    )
    line = line.replace('call i32 @"llvm.nvvm.read.ptx.sreg.laneid"()', "call i32 @emu_lane()")
    line = line.replace('call i32 @"llvm.nvvm.read.ptx.sreg.warpsize"()', "add i32 32, 0")
    line = re.sub(
        r'@"llvm\.nvvm\.shfl\.sync\.i32"\((.*?)\)(,|$)',
        rf"@emu_shuffle(\1, i32 {site})\2",
        line,
    )
    return re.sub(r'call void @"llvm\.nvvm\.membar\.\w+"\(\)', "fence seq_cst", line)
