"""What an instrumented kernel calls, and the variables through which it and the launcher speak, in LLVM IR.

The work itself is done by the compiled functions of `check` and `count`, whose names end in an underscore.
"""

__all__ = ["COUNT", "DECLARATIONS", "MEMORY", "MOST_DYNAMIC", "WATCH"]

MOST_DYNAMIC = 227 * 1024  # bytes of dynamic shared memory in a block, on any GPU so far

MEMORY = f"""
@emu_dynamic = global [{MOST_DYNAMIC} x i8] zeroinitializer, align 16
@emu_dynamic_bytes = global i32 0
@emu_scratch = global [4096 x i8] zeroinitializer, align 64
@emu_check_state = global ptr null
@emu_check_regions = global ptr null
@emu_check_shadow = global ptr null
@emu_check_log = global ptr null
@emu_check_points = global ptr null
@emu_check_locals = global ptr null
@emu_check_axes = global ptr null
@emu_check_fresh = global ptr null
@emu_check_written = global ptr null
@emu_count_trace = global ptr null
@emu_count_iterations = global ptr null
@emu_count_loops = global ptr null
@emu_count_size = global i32 0
declare i64 @emu_watch_(ptr, ptr, ptr, ptr, ptr, ptr, ptr, ptr, i32, i32, i32, i64, i64)
declare void @emu_outside_(ptr, ptr, ptr, ptr, ptr, i32, i32, i32, i64, i64, i64)
declare void @emu_trace_(ptr, ptr, ptr, i32, i32, i32, i64)
declare void @emu_iterate_(ptr, i32, i32, i32, i32)
define i32 @emu_dynamic_size() {{
  %n = load i32, ptr @emu_dynamic_bytes
  ret i32 %n }}
"""

WATCH = """
define ptr @emu_watch(ptr %base, ptr %pointer, i32 %point) {
  %state = load ptr, ptr @emu_check_state
  %regions = load ptr, ptr @emu_check_regions
  %shadow = load ptr, ptr @emu_check_shadow
  %log = load ptr, ptr @emu_check_log
  %points = load ptr, ptr @emu_check_points
  %locals = load ptr, ptr @emu_check_locals
  %fresh = load ptr, ptr @emu_check_fresh
  %written = load ptr, ptr @emu_check_written
  %thread = load i32, ptr @emu_thread
  %epoch = load i32, ptr @emu_epoch
  %b = ptrtoint ptr %base to i64
  %a = ptrtoint ptr %pointer to i64
  %use = call i64 @emu_watch_(ptr %state, ptr %regions, ptr %shadow, ptr %log, ptr %points, ptr %locals,
                              ptr %fresh, ptr %written, i32 %thread, i32 %epoch, i32 %point, i64 %b, i64 %a)
  %p = inttoptr i64 %use to ptr
  ret ptr %p }
; A signed index must lie in [-size, size), and a negative one is told to the checker.
define void @emu_index(ptr %base, i64 %index, i64 %size, i32 %number) alwaysinline {
  %inside = icmp ult i64 %index, %size
  br i1 %inside, label %note, label %tell
note:
  %axes = load ptr, ptr @emu_check_axes
  %row = mul i32 %number, 8
  %p = getelementptr i64, ptr %axes, i32 %row
  store i64 1, ptr %p
  br label %out
tell:
  call void @emu_outside(ptr %base, i64 %index, i64 %size, i32 %number, i32 1)
  br label %out
out:
  ret void }
define void @emu_index_unsigned(ptr %base, i64 %index, i64 %size, i32 %number) alwaysinline {
  %inside = icmp ult i64 %index, %size
  br i1 %inside, label %out, label %tell
tell:
  call void @emu_outside(ptr %base, i64 %index, i64 %size, i32 %number, i32 0)
  br label %out
out:
  ret void }
define void @emu_outside(ptr %base, i64 %index, i64 %size, i32 %number, i32 %signed) noinline {
  %state = load ptr, ptr @emu_check_state
  %regions = load ptr, ptr @emu_check_regions
  %log = load ptr, ptr @emu_check_log
  %axes = load ptr, ptr @emu_check_axes
  %locals = load ptr, ptr @emu_check_locals
  %thread = load i32, ptr @emu_thread
  %b = ptrtoint ptr %base to i64
  call void @emu_outside_(ptr %state, ptr %regions, ptr %log, ptr %axes, ptr %locals,
                          i32 %thread, i32 %number, i32 %signed, i64 %b, i64 %index, i64 %size)
  ret void }
define void @emu_local(ptr %array, i64 %bytes, i32 %number, i64 %offset) {
  %state = load ptr, ptr @emu_check_state
  %all = load ptr, ptr @emu_check_locals
  %thread = load i32, ptr @emu_thread
  %pc = getelementptr i64, ptr %state, i32 4
  %count64 = load i64, ptr %pc
  %count = trunc i64 %count64 to i32
  %pb = getelementptr i64, ptr %state, i32 5
  %stack = load i64, ptr %pb
  %t64 = sext i32 %thread to i64
  %mine = mul i64 %t64, %stack
  %from = add i64 %mine, %offset
  %written = load ptr, ptr @emu_check_written
  %pw = getelementptr i8, ptr %written, i64 %from
  call ptr @memset(ptr %pw, i32 0, i64 %bytes)
  %row = mul i32 %thread, %count
  %cell = add i32 %row, %number
  %word = mul i32 %cell, 3
  %p = getelementptr i64, ptr %all, i32 %word
  %start = ptrtoint ptr %array to i64
  store i64 %start, ptr %p
  %q = getelementptr i64, ptr %p, i32 1
  %stop = add i64 %start, %bytes
  store i64 %stop, ptr %q
  %o = getelementptr i64, ptr %p, i32 2
  store i64 %from, ptr %o
  ret void }
"""

COUNT = """
define void @emu_count(ptr %pointer, i32 %point) {
  %trace = load ptr, ptr @emu_count_trace
  %iterations = load ptr, ptr @emu_count_iterations
  %loops = load ptr, ptr @emu_count_loops
  %size = load i32, ptr @emu_count_size
  %thread = load i32, ptr @emu_thread
  %a = ptrtoint ptr %pointer to i64
  call void @emu_trace_(ptr %trace, ptr %iterations, ptr %loops,
                        i32 %size, i32 %thread, i32 %point, i64 %a)
  ret void }
define void @emu_iterate(i32 %loop, i32 %inside) {
  %iterations = load ptr, ptr @emu_count_iterations
  %size = load i32, ptr @emu_count_size
  %thread = load i32, ptr @emu_thread
  call void @emu_iterate_(ptr %iterations, i32 %size, i32 %thread, i32 %loop, i32 %inside)
  ret void }
"""

DECLARATIONS = """
declare i32 @emu_register(i32)
declare i32 @emu_lane()
declare void @emu_barrier(i32)
declare {i32, i1} @emu_shuffle(i32, i32, i32, i32, i32, i32)
declare i32 @emu_dynamic_size()
declare ptr @emu_watch(ptr, ptr, i32)
declare void @emu_local(ptr, i64, i32, i64)
declare void @emu_index(ptr, i64, i64, i32)
declare void @emu_index_unsigned(ptr, i64, i64, i32)
declare void @emu_turn(ptr, i32)
declare void @emu_count(ptr, i32)
declare void @emu_iterate(i32, i32)
@emu_dynamic = external global [0 x i8]
"""
