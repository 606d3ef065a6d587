"""The SIMD instruction set that the kernels are compiled for."""

import os
import platform
from collections.abc import Mapping

from llvmlite import binding

__all__ = ["CACHE_LINE", "NAME", "REGISTERS", "VECTOR_BYTES"]

CACHE_LINE = 64
"""Bytes that one core takes from another at a time: what two threads write should not lie closer together."""


def _host(features: Mapping[str, bool], machine: str, wanted: str) -> tuple[str, int, int]:
    """(name, bytes in a vector, vector registers) of the widest instruction set that we use on a processor.

    Parameters
    ----------
    features : mapping
        What LLVM says that the processor has; on macOS it says nothing about ARM.
    machine : str
        `platform.machine()`.
    wanted : str
        What ``MINIGEN_SIMD`` asks for; empty if it is not set.
    """
    arm = features.get("neon") or machine.lower() in ("arm64", "aarch64")
    names: tuple[str, ...] = ("neon",) if arm else ("avx512", "avx2", "sse")
    if wanted and wanted not in names:
        raise ValueError(f"MINIGEN_SIMD: got {wanted!r}, expected one of {', '.join(names)} on this processor")
    if arm:
        return "neon", 16, 32
    names = names[names.index(wanted) :] if wanted else names
    if "avx512" in names and features.get("avx512f"):
        return "avx512", 64, 32
    if "avx2" in names and features.get("avx2") and features.get("fma"):
        return "avx2", 32, 16
    return "sse", 16, 16


NAME, VECTOR_BYTES, REGISTERS = _host(
    binding.get_host_cpu_features(), platform.machine(), os.environ.get("MINIGEN_SIMD", "")
)
