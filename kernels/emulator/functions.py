"""What a GPU does in one instruction and a CPU does not, in LLVM IR: votes, atomics, half precision, reversed bits.

No fiber is interrupted between two barriers or jumps back, so a plain load, a computation and a store are atomic here.

Sources: NVIDIA, *PTX ISA*, "vote.sync", "match.sync", "barrier.red", "atom", "cvt"; for floating-point maxima, whose
rules for NaN are Numba's own, the documentation of `numba.cuda.atomic`.
"""

import re
from collections.abc import Iterable

import llvmlite.binding as llvm

from .errors import UnsupportedError

__all__ = ["DECLARATIONS", "definitions", "host_name", "is_half", "replace_functions"]

# Mathematical functions of libdevice that the C library calls differently, and those that are defined here.
_C_NAMES = {
    "isnand": "isnan", "isinfd": "isinf", "isfinited": "finite", "finitef": "finitef", "fast_expf": "expf",
    "fast_logf": "logf", "fast_log2f": "log2f", "fast_log10f": "log10f", "fast_powf": "powf", "fast_sinf": "sinf",
    "fast_cosf": "cosf", "fast_tanf": "tanf",
    "rsqrtf": "emu_rsqrtf", "rsqrt": "emu_rsqrt", "brev": "emu_brev", "brevll": "emu_brevll",
}  # fmt: skip


def host_name(name: str) -> str | None:
    """What libdevice's function ``__nv_<name>`` is called here; None if there is none."""
    ours = _C_NAMES.get(name, name)
    return ours if ours.startswith("emu_") or llvm.address_of_symbol(ours) is not None else None


_WARP = """
; Wait for the lanes of `mask`; 0: for none in particular, and all go on who can come.
define void @emu_meet(i32 %mask, i32 %site) noinline {
  %t = load i32, ptr @emu_thread
  %masks = load ptr, ptr @emu_masks
  %p = getelementptr i32, ptr %masks, i32 %t
  store i32 %mask, ptr %p
  %lane = and i32 %t, 31
  %shifted = lshr i32 %mask, %lane
  %bit = and i32 %shifted, 1
  %named = icmp eq i32 %bit, 1
  %any = icmp eq i32 %mask, 0
  %fine = or i1 %named, %any
  br i1 %fine, label %wait, label %strange
strange:
  call void @emu_note_lane(i32 %lane, i32 %site)
  br label %wait
wait:
  call void @emu_warp_barrier(i32 %site)
  ret void }

; Remember the first time that a lane is asked for something and does not take part.
define void @emu_note_lane(i32 %lane, i32 %site) noinline {
  %n = load i32, ptr @emu_absent
  %more = add i32 %n, 1
  store i32 %more, ptr @emu_absent
  %first = icmp eq i32 %n, 0
  br i1 %first, label %note, label %out
note:
  %t = load i32, ptr @emu_thread
  store i32 %t, ptr @emu_absent_for
  store i32 %lane, ptr @emu_absent_lane
  store i32 %site, ptr @emu_absent_site
  br label %out
out:
  ret void }

; Whether a thread waits at `site` as well.
define i1 @emu_takes_part(i32 %thread, i32 %site) {
  %threads = load i32, ptr @emu_threads
  %exists = icmp slt i32 %thread, %threads
  br i1 %exists, label %look, label %no
look:
  %states = load ptr, ptr @emu_state
  %ps = getelementptr i8, ptr %states, i32 %thread
  %state = load i8, ptr %ps
  %alive = icmp ne i8 %state, 2
  %sites = load ptr, ptr @emu_site
  %pq = getelementptr i32, ptr %sites, i32 %thread
  %at = load i32, ptr %pq
  %here = icmp eq i32 %at, %site
  %both = and i1 %alive, %here
  ret i1 %both
no:
  ret i1 0 }

; The lanes of `mask` that wait at `site` (0: of all lanes), and of them those whose word in the exchange is `value`.
define {i32, i32} @emu_ballot(i32 %mask, i64 %value, i32 %site) noinline {
entry:
  %t = load i32, ptr @emu_thread
  %base = and i32 %t, -32
  %all = load ptr, ptr @emu_exchange
  %any = icmp eq i32 %mask, 0
  br label %next
next:
  %lane = phi i32 [0, %entry], [%lane1, %after]
  %present = phi i32 [0, %entry], [%present2, %after]
  %equal = phi i32 [0, %entry], [%equal2, %after]
  %bit = shl i32 1, %lane
  %masked = and i32 %mask, %bit
  %named0 = icmp ne i32 %masked, 0
  %named = or i1 %named0, %any
  br i1 %named, label %look, label %after
look:
  %there = add i32 %base, %lane
  %part = call i1 @emu_takes_part(i32 %there, i32 %site)
  %p = getelementptr i64, ptr %all, i32 %there
  %word = load i64, ptr %p
  %same0 = icmp eq i64 %word, %value
  %same = and i1 %same0, %part
  %with = or i32 %present, %bit
  %present1 = select i1 %part, i32 %with, i32 %present
  %too = or i32 %equal, %bit
  %equal1 = select i1 %same, i32 %too, i32 %equal
  br label %after
after:
  %present2 = phi i32 [%present, %next], [%present1, %look]
  %equal2 = phi i32 [%equal, %next], [%equal1, %look]
  %lane1 = add i32 %lane, 1
  %more = icmp slt i32 %lane1, 32
  br i1 %more, label %next, label %out
out:
  %r0 = insertvalue {i32, i32} undef, i32 %present2, 0
  %r1 = insertvalue {i32, i32} %r0, i32 %equal2, 1
  ret {i32, i32} %r1 }

; The ballot of one warp, between two barriers, so that it does not change meanwhile.
define {i32, i32} @emu_ask(i32 %mask, i64 %mine, i64 %value, i32 %site) noinline {
  %t = load i32, ptr @emu_thread
  %all = load ptr, ptr @emu_exchange
  %p = getelementptr i64, ptr %all, i32 %t
  store i64 %mine, ptr %p
  call void @emu_meet(i32 %mask, i32 %site)
  %r = call {i32, i32} @emu_ballot(i32 %mask, i64 %value, i32 %site)
  call void @emu_warp_barrier(i32 %site)
  ret {i32, i32} %r }

; Mode 0: all, 1: any, 2: all alike, 3: ballot (NVVM IR, llvm.nvvm.vote.sync).
define {i32, i1} @emu_vote(i32 %mask, i32 %mode, i1 %mine, i32 %site) noinline {
  %word = zext i1 %mine to i64
  %both = call {i32, i32} @emu_ask(i32 %mask, i64 %word, i64 1, i32 %site)
  %present = extractvalue {i32, i32} %both, 0
  %yes = extractvalue {i32, i32} %both, 1
  %all = icmp eq i32 %present, %yes
  %any = icmp ne i32 %yes, 0
  %none = xor i1 %any, true
  %alike = or i1 %all, %none
  %is_all = icmp eq i32 %mode, 0
  %is_any = icmp eq i32 %mode, 1
  %s0 = select i1 %is_any, i1 %any, i1 %alike
  %s1 = select i1 %is_all, i1 %all, i1 %s0
  %r0 = insertvalue {i32, i1} undef, i32 %yes, 0
  %r1 = insertvalue {i32, i1} %r0, i1 %s1, 1
  ret {i32, i1} %r1 }

define i32 @emu_match_any_i64(i32 %mask, i64 %mine, i32 %site) noinline {
  %both = call {i32, i32} @emu_ask(i32 %mask, i64 %mine, i64 %mine, i32 %site)
  %same = extractvalue {i32, i32} %both, 1
  ret i32 %same }
define i32 @emu_match_any_i32(i32 %mask, i32 %mine, i32 %site) noinline {
  %word = zext i32 %mine to i64
  %same = call i32 @emu_match_any_i64(i32 %mask, i64 %word, i32 %site)
  ret i32 %same }
define {i32, i1} @emu_match_all_i64(i32 %mask, i64 %mine, i32 %site) noinline {
  %both = call {i32, i32} @emu_ask(i32 %mask, i64 %mine, i64 %mine, i32 %site)
  %present = extractvalue {i32, i32} %both, 0
  %same = extractvalue {i32, i32} %both, 1
  %all = icmp eq i32 %present, %same
  %found = select i1 %all, i32 %present, i32 0
  %r0 = insertvalue {i32, i1} undef, i32 %found, 0
  %r1 = insertvalue {i32, i1} %r0, i1 %all, 1
  ret {i32, i1} %r1 }
define {i32, i1} @emu_match_all_i32(i32 %mask, i32 %mine, i32 %site) noinline {
  %word = zext i32 %mine to i64
  %r = call {i32, i1} @emu_match_all_i64(i32 %mask, i64 %word, i32 %site)
  ret {i32, i1} %r }

define i32 @emu_active(i32 %site) noinline {
  %both = call {i32, i32} @emu_ask(i32 0, i64 0, i64 0, i32 %site)
  %present = extractvalue {i32, i32} %both, 0
  ret i32 %present }

define i32 @emu_lanes_below() {
  %lane = call i32 @emu_lane()
  %bit = shl i32 1, %lane
  %below = sub i32 %bit, 1
  ret i32 %below }

define void @emu_sleep(i32 %nanoseconds) { ret void }

; A barrier that counts.  Two counters take turns, as some threads may not yet have read when others are at the next
; one; each remembers of which epoch it is.
@emu_counters = global [2 x [3 x i32]] zeroinitializer
define i32 @emu_barrier_counts(i32 %of, i32 %value, i32 %site) noinline {
  %epoch = load i32, ptr @emu_epoch
  %which = and i32 %epoch, 1
  %p = getelementptr [2 x [3 x i32]], ptr @emu_counters, i32 0, i32 %which
  %tag = load i32, ptr %p
  %now = add i32 %epoch, 1                               ; 0 is no epoch
  %old = icmp ne i32 %tag, %now
  br i1 %old, label %begin, label %count
begin:
  store [3 x i32] zeroinitializer, ptr %p
  store i32 %now, ptr %p
  br label %count
count:
  %zero = icmp eq i32 %value, 0
  %column = select i1 %zero, i32 1, i32 2
  %q = getelementptr i32, ptr %p, i32 %column
  %n = load i32, ptr %q
  %n1 = add i32 %n, 1
  store i32 %n1, ptr %q
  call void @emu_barrier(i32 %site)
  %r = getelementptr i32, ptr %p, i32 %of
  %result = load i32, ptr %r
  ret i32 %result }
define i32 @emu_barrier_popc(i32 %value, i32 %site) {
  %yes = call i32 @emu_barrier_counts(i32 2, i32 %value, i32 %site)
  ret i32 %yes }
define i32 @emu_barrier_and(i32 %value, i32 %site) {
  %no = call i32 @emu_barrier_counts(i32 1, i32 %value, i32 %site)
  %all = icmp eq i32 %no, 0
  %r = zext i1 %all to i32
  ret i32 %r }
define i32 @emu_barrier_or(i32 %value, i32 %site) {
  %yes = call i32 @emu_barrier_counts(i32 2, i32 %value, i32 %site)
  %any = icmp ne i32 %yes, 0
  %r = zext i1 %any to i32
  ret i32 %r }

declare float @llvm.sqrt.f32(float)
declare double @llvm.sqrt.f64(double)
declare i32 @llvm.bitreverse.i32(i32)
declare i64 @llvm.bitreverse.i64(i64)
define float @emu_rsqrtf(float %x) {
  %r = call float @llvm.sqrt.f32(float %x)
  %i = fdiv float 1.0, %r
  ret float %i }
define double @emu_rsqrt(double %x) {
  %r = call double @llvm.sqrt.f64(double %x)
  %i = fdiv double 1.0, %r
  ret double %i }
define i32 @emu_brev(i32 %x) {
  %r = call i32 @llvm.bitreverse.i32(i32 %x)
  ret i32 %r }
define i64 @emu_brevll(i64 %x) {
  %r = call i64 @llvm.bitreverse.i64(i64 %x)
  ret i64 %r }
"""


def _atomic(name: str, kind: str, body: str) -> str:
    """A function that loads `%old`, stores the `%new` that `body` computes from it and `%v`, and returns `%old`."""
    return (
        f"define {kind} @emu_atomic_{name}(ptr %p, {kind} %v) {{\n  %old = load {kind}, ptr %p\n{body}"
        f"  store {kind} %new, ptr %p\n  ret {kind} %old }}\n"
    )


def _atomics() -> str:
    parts = []
    for kind in ("float", "double"):
        for name, operation in (("add", "fadd"), ("sub", "fsub")):
            parts.append(_atomic(f"{kind}_{name}", kind, f"  %new = {operation} {kind} %old, %v\n"))
        for name, less in (("max", "lt"), ("min", "gt")):
            for nan, ordered in (("", "o"), ("nan", "u")):  # with a NaN in memory "nan" takes the number
                body = (
                    f"  %a = fcmp {ordered}{less} {kind} %old, %v\n  %b = fcmp ord {kind} %v, %v\n"
                    f"  %c = and i1 %a, %b\n  %new = select i1 %c, {kind} %v, {kind} %old\n"
                )
                parts.append(_atomic(f"{kind}_{nan}{name}", kind, body))
    for kind, name in (("i32", "u32"), ("i64", "u64")):
        up = f"  %a = icmp uge {kind} %old, %v\n  %b = add {kind} %old, 1\n  %new = select i1 %a, {kind} 0, {kind} %b\n"
        down = (
            f"  %a = icmp eq {kind} %old, 0\n  %b = icmp ugt {kind} %old, %v\n  %c = or i1 %a, %b\n"
            f"  %d = sub {kind} %old, 1\n  %new = select i1 %c, {kind} %v, {kind} %d\n"
        )
        parts += [_atomic(f"{name}_inc", kind, up), _atomic(f"{name}_dec", kind, down)]
    return "".join(parts)


# Functions of CUDA's fp16 header: the mangled name, how many arguments, and the operation on float or on double.
_HALF_ARITHMETIC = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv"}
_HALF_OPERATORS = {"pl": "add", "mi": "sub", "ml": "mul", "dv": "div"}
_HALF_MATHS = {
    "hceil": "ceil", "hfloor": "floor", "htrunc": "trunc", "hrint": "rint", "hsqrt": "sqrt", "hsin": "sin",
    "hcos": "cos", "hexp": "exp", "hexp2": "exp2", "hexp10": "exp10", "hlog": "log", "hlog2": "log2",
    "hlog10": "log10", "htanh": "tanh",
}  # fmt: skip


def _half_functions() -> dict[str, str]:
    """IR of every function on halves, by its name in CUDA.

    A sum, a difference, a product, a quotient and a square root of halves are right if computed in float and rounded
    once more, since float has more than twice a half's digits.
    Source: Figueroa, "When is double rounding innocuous?" (1995).
    """
    functions = {}

    def add(name: str, arguments: str, body: str, result: str = "half") -> None:
        parameters = "".join(f", ptr %p{a}" for a in arguments)
        loads = "".join(f"  %h{a} = load half, ptr %p{a}\n  %{a} = fpext half %h{a} to float\n" for a in arguments)
        store = (
            "  %r = fptrunc float %x to half\n  store half %r, ptr %ret\n"
            if result == "half"
            else "  %r = zext i1 %x to i8\n  store i8 %r, ptr %ret\n"
        )
        functions[name] = f"(ptr %ret{parameters}) {{\n{loads}{body}{store}  ret i32 0 }}\n"

    def function(name: str, count: int) -> str:
        return f"_ZL{len(name)}{name}6__half{'S_' * (count - 1)}_nbst"

    for name, operation in _HALF_ARITHMETIC.items():
        add(function(f"__h{name}", 2), "ab", f"  %x = {operation} float %a, %b\n")
    for operator, name in _HALF_OPERATORS.items():
        add(f"_Z{operator}RK6__halfS1__nbst", "ab", f"  %x = {_HALF_ARITHMETIC[name]} float %a, %b\n")
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        condition = ("u" if name == "ne" else "o") + name
        add(f"_Z{name}RK6__halfS1__nbst", "ab", f"  %x = fcmp {condition} float %a, %b\n", "bool")
        add(
            function(f"__h{name}", 2),
            "ab",
            f"  %x = fcmp {'one' if name == 'ne' else condition} float %a, %b\n",
            "bool",
        )
    add("_ZngRK6__half_nbst", "a", "  %x = fneg float %a\n")
    add(function("__hneg", 1), "a", "  %x = fneg float %a\n")
    add(function("__habs", 1), "a", "  %x = call float @llvm.fabs.f32(float %a)\n")
    for name in ("max", "min"):  # of a number and a NaN: the number
        add(function(f"__h{name}", 2), "ab", f"  %x = call float @llvm.{name}num.f32(float %a, float %b)\n")
    add(
        function("__hfma", 3),
        "abc",
        "  %a2 = fpext float %a to double\n  %b2 = fpext float %b to double\n  %c2 = fpext float %c to double\n"
        "  %ab = fmul double %a2, %b2\n  %sum = fadd double %ab, %c2\n  %x = call float @emu_nearly(double %sum)\n",
    )
    add(function("hrcp", 1), "a", "  %x = fdiv float 1.0, %a\n")
    add(function("hrsqrt", 1), "a", "  %root = call float @sqrtf(float %a)\n  %x = fdiv float 1.0, %root\n")
    for name, c_name in _HALF_MATHS.items():
        add(function(name, 1), "a", f"  %x = call float @{c_name}f(float %a)\n")
    return functions


_HALF = _half_functions()

_CONVERSIONS = """
; A double as the float with which rounding to half gives what rounding at once would: what the last digits were is
; kept in one bit far behind those that a half has.
define float @emu_nearly(double %x) {
  %bits = bitcast double %x to i64
  %low = and i64 %bits, 1099511627775
  %lost = icmp ne i64 %low, 0
  %high = and i64 %bits, -1099511627776
  %sticky = select i1 %lost, i64 1099511627776, i64 0
  %kept = or i64 %high, %sticky
  %y = bitcast i64 %kept to double
  %f = fptrunc double %y to float
  ret float %f }
define i16 @emu_cvt_f16_f64(double %x) {
  %f = call float @emu_nearly(double %x)
  %h = call i16 @emu_cvt_f16_f32(float %f)
  ret i16 %h }
define i16 @emu_cvt_f16_f32(float %x) {
  %h = fptrunc float %x to half
  %bits = bitcast half %h to i16
  ret i16 %bits }
define float @emu_cvt_f32_f16(i16 %bits) {
  %h = bitcast i16 %bits to half
  %f = fpext half %h to float
  ret float %f }
define double @emu_cvt_f64_f16(i16 %bits) {
  %f = call float @emu_cvt_f32_f16(i16 %bits)
  %d = fpext float %f to double
  ret double %d }
declare float @llvm.fabs.f32(float)
declare float @llvm.maxnum.f32(float, float)
declare float @llvm.minnum.f32(float, float)
declare float @llvm.roundeven.f32(float)
declare float @sqrtf(float)
"""


def _integer_conversions() -> str:
    parts = []
    for sign, operation, back in (("s", "sitofp", "fptosi"), ("u", "uitofp", "fptoui")):
        for bits in (16, 32, 64):
            parts.append(
                f"define i16 @emu_cvt_f16_{sign}{bits}(i{bits} %n) {{\n  %d = {operation} i{bits} %n to double\n"
                f"  %h = call i16 @emu_cvt_f16_f64(double %d)\n  ret i16 %h }}\n"
                f"declare i{bits} @llvm.{back}.sat.i{bits}.f32(float)\n"
                f"define i{bits} @emu_cvt_{sign}{bits}_f16(i16 %bits) {{\n"
                f"  %f = call float @emu_cvt_f32_f16(i16 %bits)\n  %r = call float @llvm.roundeven.f32(float %f)\n"
                f"  %n = call i{bits} @llvm.{back}.sat.i{bits}.f32(float %r)\n  ret i{bits} %n }}\n"
            )
    return "".join(parts)


_DEFINITION = re.compile(r"^define (\S+|\{.*?\}) @(\w+)\((.*?)\) .*?\}\n", re.M | re.S)
_TEXT = (
    _WARP
    + _atomics()
    + _CONVERSIONS
    + "".join(f"declare float @{name}f(float)\n" for name in _HALF_MATHS.values() if name != "sqrt")
    + _integer_conversions()
    + "".join(f"define i32 @{name}{text}" for name, text in _HALF.items())
)
_BODIES = {found[2]: found[0] for found in _DEFINITION.finditer(_TEXT)}
_REST = _DEFINITION.sub("", _TEXT)

# For the kernel's modules, which declare CUDA's own functions themselves.
DECLARATIONS = "".join(
    f"declare {found[1]} @{found[2]}({', '.join(part.split(' %')[0] for part in found[3].split(', ') if part)})\n"
    for found in _DEFINITION.finditer(_TEXT)
    if found[2].startswith("emu_") and found[2] not in ("emu_note_lane", "emu_takes_part")
)


def is_half(name: str) -> bool:
    """Whether this is a function of CUDA's fp16 header that is defined here."""
    return name in _HALF


def definitions(texts: Iterable[str]) -> str:
    """Those of the functions that these modules call, and that those call."""
    wanted: set[str] = set()
    waiting = list(texts)
    while waiting:
        new = set(re.findall(r'@"?(\w+)', waiting.pop())) & (_BODIES.keys() - wanted)
        wanted |= new
        waiting += [_BODIES[name] for name in new]
    if any("half" in _BODIES[name] for name in wanted) and not llvm.get_host_cpu_features().get("f16c"):
        raise UnsupportedError("float16 on a processor without F16C")
    return _REST + "".join(text for name, text in _BODIES.items() if name in wanted)


_ASSEMBLY = {
    'asm sideeffect "mov.u32 $0, %dynamic_smem_size;", "=r"()': "@emu_dynamic_size()",
    'asm sideeffect "mov.u32 $0, %lanemask_lt;", "=r"()': "@emu_lanes_below()",
}


def replace_functions(line: str, site: int) -> str:
    """One line with what is defined here in place of inline assembly and of NVVM's own functions.

    >>> replace_functions('  %x = call float @"___numba_atomic_float_max"(ptr %p, float %v)', 0)
    '  %x = call float @emu_atomic_float_max(ptr %p, float %v)'
    >>> replace_functions('  %h = call i16 asm  "cvt.rn.f16.f32 $0, $1;", "=h,f"(float %x)', 0)
    '  %h = call i16 @emu_cvt_f16_f32(float %x)'
    """
    for assembly, ours in _ASSEMBLY.items():
        line = line.replace(assembly, ours)
    line = line.replace('asm sideeffect "activemask.b32 $0;", "=r"()', f"@emu_active(i32 {site})")
    line = re.sub(r'asm sideeffect "nanosleep\.u32 \$0;", "r"', "@emu_sleep", line)
    line = re.sub(r'asm +"cvt\.(?:r\w+\.)?(\w+)\.(\w+) \$0, \$1;", "[^"]*"', r"@emu_cvt_\1_\2", line)
    line = re.sub(r'@"___numba_atomic_(\w+)"', r"@emu_atomic_\1", line)
    if "llvm.nvvm." not in line:
        return line
    line = re.sub(r'@"llvm\.nvvm\.vote\.sync"\((.*?)\)(,|$)', rf"@emu_vote(\1, i32 {site})\2", line)
    line = re.sub(
        r'@"llvm\.nvvm\.match\.(\w+)\.sync\.(i\d+)"\((.*?)\)(,|$)', rf"@emu_match_\1_\2(\3, i32 {site})\4", line
    )
    line = re.sub(r'@"llvm\.nvvm\.barrier0\.(\w+)"\((.*?)\)(,|$)', rf"@emu_barrier_\1(\2, i32 {site})\3", line)
    line = re.sub(r'@"llvm\.nvvm\.atomic\.load\.(inc|dec)\.32\.[^"]*"', r"@emu_atomic_u32_\1", line)
    return re.sub(
        r'@"llvm\.nvvm\.atomic\.load\.add\.f(?:32|64)\.p\df(32|64)"',
        lambda found: "@emu_atomic_float_add" if found[1] == "32" else "@emu_atomic_double_add",
        line,
    )
