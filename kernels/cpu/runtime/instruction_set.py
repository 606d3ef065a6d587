"""The SIMD instruction set that the kernels are compiled for."""

import os

from llvmlite import binding

__all__ = ["NAME", "REGISTERS", "VECTOR_BYTES"]


def _host():
    """(name, bytes in a vector, vector registers) of the widest instruction set that we use here."""
    features = binding.get_host_cpu_features()
    wanted = os.environ.get("MINIGEN_SIMD", "avx512")
    if wanted not in ("avx512", "avx2", "sse"):
        raise ValueError(f"MINIGEN_SIMD: got {wanted!r}, expected avx512, avx2 or sse")
    if features.get("avx512f") and wanted == "avx512":
        return "avx512", 64, 32
    if features.get("avx2") and features.get("fma") and wanted != "sse":
        return "avx2", 32, 16
    return ("neon", 16, 32) if features.get("neon") else ("sse", 16, 16)


NAME, VECTOR_BYTES, REGISTERS = _host()
