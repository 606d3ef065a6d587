"""numba-cuda's front end, where there is no GPU for it to ask.

Two functions of numba-cuda are used that it does not document: the one that compiles to NVVM IR, and the one by which
device functions ask the GPU for its version.  So the extra ``emulator`` names one version of numba-cuda.
"""

import contextlib
import importlib
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

__all__ = ["nvvm_ir", "without_gpu"]


@contextlib.contextmanager
def without_gpu(compute_capability: tuple[int, int]) -> Iterator[None]:
    """Inside the block device functions are compiled for this GPU, if there is none here, and with line numbers."""
    from numba import cuda

    dispatcher = importlib.import_module("numba.cuda.dispatcher")
    compile_function = dispatcher.compile_cuda

    def with_lines(*args: Any, **options: Any) -> Any:
        return compile_function(*args, **{**options, "lineinfo": True})

    with contextlib.ExitStack() as patches:
        patches.enter_context(mock.patch.object(dispatcher, "compile_cuda", with_lines))
        if not cuda.is_available():
            gpu = SimpleNamespace(compute_capability=compute_capability)
            patches.enter_context(mock.patch.object(dispatcher, "get_current_device", lambda: gpu))
        yield


def nvvm_ir(function: Callable[..., Any], types: tuple[Any, ...], fastmath: bool) -> list[str]:
    """The modules of NVVM IR of a kernel; the first holds the kernel itself."""
    compiler = importlib.import_module("numba.cuda.compiler")
    front_end = getattr(compiler, "_compile_pyfunc_with_fixup", None)  # what cuda.compile calls first
    if front_end is None:
        raise RuntimeError('this numba-cuda is not one that the emulator knows: pip install "minigen-lab[emulator]"')
    gpu = (8, 0)
    with without_gpu(gpu):
        library, _ = front_end(function, types, cc=gpu, device=False, abi="numba", fastmath=fastmath, lineinfo=True)
    return list(library.llvm_strs)
