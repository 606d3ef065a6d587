"""The emulator's parts that need no numba-cuda: translating text, finding loops, saying what is missing."""

import importlib.util
import platform
import sys

import pytest

from minigen.kernels import emulate
from minigen.kernels.emulator.instrument import describe
from minigen.kernels.emulator.loops import nest
from minigen.kernels.emulator.translate import opaque_pointers, replace_intrinsics


@pytest.mark.parametrize(
    ("system", "machine", "words"),
    [("darwin", "arm64", "Linux on x86-64 only"), ("win32", "AMD64", "Linux"), ("linux", "aarch64", "aarch64")],
)
def test_another_computer_is_told_so(monkeypatch, system, machine, words):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(RuntimeError, match=words):
        emulate(lambda x: None)


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"minigen-lab\[emulator\]"):
        emulate(lambda x: None)


@pytest.mark.parametrize(
    ("typed", "opaque"),
    [
        ("%a = load i8*, i8** %b", "%a = load ptr, ptr %b"),
        ("%a = addrspacecast [9 x float] addrspace(3)* @s to i8*", "%a = bitcast ptr @s to ptr"),
        ("store {i8*, [2 x i64]} %v, {i8*, [2 x i64]}* %p", "store {ptr, [2 x i64]} %v, ptr %p"),
        ("%a = load <4 x float>, <4 x float>* %p, align 16", "%a = load <4 x float>, ptr %p, align 16"),
        ('call void @"a*b"(float* %x)', 'call void @"a*b"(ptr %x)'),
        ("bitcast (void (i8*, i64)* @k to i8*)", "bitcast (ptr @k to ptr)"),
    ],
)
def test_typed_pointers_become_opaque(typed, opaque):
    assert opaque_pointers(typed) == opaque


def test_what_only_a_gpu_has_is_replaced():
    line = '  %".5" = call i32 @"llvm.nvvm.read.ptx.sreg.ctaid.y"()'
    assert replace_intrinsics(line, 0) == '  %".5" = call i32 @emu_register(i32 7)'
    line = '%r = call {i32, i1} @"llvm.nvvm.shfl.sync.i32"(i32 %m, i32 2, i32 %v, i32 %o, i32 31)'
    assert (
        replace_intrinsics(line, 4) == "%r = call {i32, i1} @emu_shuffle(i32 %m, i32 2, i32 %v, i32 %o, i32 31, i32 4)"
    )
    assert describe("cudaCGGetIntrinsicHandle").startswith("cooperative groups")
    assert describe("__nv_sinpif") == "libdevice's sinpif"


def test_loops_side_by_side_and_one_in_another():
    graph = {"in": ["a"], "a": ["a", "b"], "b": ["c"], "c": ["c", "d"], "d": ["b", "out"], "out": []}
    loops, innermost = nest(graph, "in")
    assert loops == [("in", -1, 3), ("a", 0, 0), ("b", 0, 1), ("c", 2, 0)]
    assert innermost == {"in": 0, "a": 1, "b": 2, "c": 3, "d": 2, "out": 0}
