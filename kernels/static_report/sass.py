"""From a kernel to a GPU's machine code (SASS), and what is in it.  No GPU and no driver is needed."""

import importlib
import importlib.util
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..emulator.front_end import without_gpu

__all__ = ["Code", "Instruction", "compile_kernel", "count", "hot_loop", "why_not"]

#: What is counted, and how the instructions' names begin.  ``F64`` is double precision anywhere.
KINDS = {
    "FFMA": r"FFMA",
    "F64": r"DFMA|DADD|DMUL|DSETP|DMNMX|MUFU\.\w*64H|F2F\.F(32\.F64|64\.F32)|F2I\S*F64|I2F\.F64",
    "LDG": r"LDG",
    "LDG.128": r"LDG\S*\.128",
    "STG": r"STG",
    "LDS": r"LDS",
    "LDS.128": r"LDS\S*\.128",
    "STS": r"STS",
    "LDL": r"LDL",
    "STL": r"STL",
    "BAR": r"BAR",
    "ATOM": r"ATOM|RED\b|REDG",
    "CALL": r"CALL",
}
_WHEELS = ("nvidia-nvvm", "nvidia-nvjitlink", "nvidia-cuda-nvrtc", "nvidia-cuda-cuobjdump", "nvidia-cuda-nvdisasm")


class Instruction(NamedTuple):
    """One machine instruction."""

    address: int
    text: str


class Code(NamedTuple):
    """A kernel's machine code.

    Attributes
    ----------
    registers : int
        Of a thread.
    spilled : int
        Bytes of a thread that did not fit into registers.
    shared : int
        Bytes of shared memory of a block.
    instructions : tuple of Instruction
    """

    registers: int
    spilled: int
    shared: int
    instructions: tuple[Instruction, ...]


def why_not() -> str:
    """Why kernels cannot be compiled to machine code here, in one line; empty where they can."""
    if importlib.util.find_spec("numba_cuda") is not None and _find("cuobjdump") and _find("nvdisasm"):
        return ""
    return (
        f"the static report needs numba-cuda and {', '.join(_WHEELS)} (on Linux on x86-64): "
        'python -m pip install "minigen-lab[emulator]"'
    )


def compile_kernel(function: Callable[..., Any], types: Sequence[Any], cc: int, fastmath: bool = False) -> Code:
    """Compile as numba-cuda does at a launch, link-time optimization included.

    Parameters
    ----------
    function : callable
        A kernel, plain or decorated.
    types : sequence of numba types
        Of its arguments.
    cc : int
        Compute capability, such as 80.
    fastmath : bool, optional

    Raises
    ------
    RuntimeError
        If a compiler or a disassembler is missing.
    """
    reason = why_not()
    if reason:
        raise RuntimeError(reason)
    from numba import cuda

    core = importlib.import_module("cuda.core")
    function = getattr(function, "py_func", function)
    version = (cc // 10, cc % 10)
    with without_gpu(version):
        ir, _ = cuda.compile(
            function, tuple(types), cc=version, device=False, abi="numba", output="ltoir", fastmath=fastmath
        )
    options = core.LinkerOptions(arch=f"sm_{cc}", link_time_optimization=True)
    binary = bytes(core.Linker(core.ObjectCode.from_ltoir(ir), options=options).link("cubin").code)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.cubin"
        path.write_bytes(binary)
        listing, resources = (_run("cuobjdump", option, path) for option in ("-sass", "--dump-resource-usage"))
    used = {name: int(number) for name, number in re.findall(r"(REG|LOCAL|STACK|SHARED):(\d+)", resources)}
    shared = used["SHARED"] - (1024 if cc >= 90 else 0)  # from 9.0 on this counts what the system reserves, too
    return Code(used["REG"], used["LOCAL"] + used["STACK"], max(0, shared), parse(listing))


def parse(listing: str) -> tuple[Instruction, ...]:
    """The instructions of a disassembly.

    >>> parse("        /*0a10*/                   FFMA R0, R1, R2, R0 ;   /* 0x0 */")
    (Instruction(address=2576, text='FFMA R0, R1, R2, R0'),)
    """
    found = re.findall(r"/\*([0-9a-f]{4,})\*/\s+(.*?);", listing)
    return tuple(Instruction(int(address, 16), text.strip()) for address, text in found)


def count(instructions: Sequence[Instruction]) -> dict[str, int]:
    """How many there are of each kind, and of all.

    >>> numbers = count(parse("/*0000*/ @P0 LDG.E.128 R4, [R2] ; /*0010*/ FFMA R0, R1, R2, R0 ;"))
    >>> numbers["all"], numbers["LDG"], numbers["LDG.128"], numbers["FFMA"], numbers["F64"]
    (2, 1, 1, 1, 0)
    """
    names = [re.sub(r"^@!?U?P\w+\s+", "", i.text) for i in instructions]
    return {
        "all": len(names),
        **{kind: sum(bool(re.match(pattern, name)) for name in names) for kind, pattern in KINDS.items()},
    }


def hot_loop(instructions: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """The loop with the largest share of multiply-adds: from a branch back to where it leads.

    A loop that was unrolled whole is none any more; a kernel without any gives nothing.
    """
    best: tuple[Instruction, ...] = ()
    share = 0.0
    for address, text in instructions:
        back = re.search(r"\bBRA\b.*?0x([0-9a-f]+)", text)
        if not back or int(back[1], 16) >= address:
            continue
        body = tuple(i for i in instructions if int(back[1], 16) <= i.address <= address)
        numbers = count(body)
        if numbers["FFMA"] / numbers["all"] > share:
            best, share = body, numbers["FFMA"] / numbers["all"]
    return best


def _find(tool: str) -> Path | None:
    spec = importlib.util.find_spec("nvidia")
    for base in (spec.submodule_search_locations or []) if spec else []:
        for folder in ("cu13/bin", "cu12/bin", f"cuda_{tool}/bin"):
            path = Path(base) / folder / tool
            if path.exists():
                return path
    return None


def _run(tool: str, option: str, path: Path) -> str:
    program, disassembler = _find(tool), _find("nvdisasm")
    assert program is not None and disassembler is not None  # why_not has looked
    environment = {**os.environ, "PATH": f"{disassembler.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run([program, option, path], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"{tool}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
