"""Threads of a block as fibers: each has its own stack and gives way to the others at a barrier.

A block's threads run one after another on one core of the CPU.  When a thread comes to a barrier, `emu_switch` saves
its registers and its stack pointer and goes on with the scheduler, which resumes the next thread; once all of them
wait, the barrier opens and the round starts again.  A switch costs a few nanoseconds, as a function call does.

A thread in a loop gives way too, once in some hundred thousand iterations, to the launcher, which is in Python: so
Ctrl-C works, and a loop with no end is found.

This is LLVM IR because it is linked with the kernel's own; every symbol starts with ``emu_``.
"""

__all__ = ["DONE", "PAUSED", "READY", "RUNTIME", "STACK_BYTES", "WAITS_FOR_BLOCK", "WAITS_FOR_WARP"]

READY, WAITS_FOR_BLOCK, DONE, WAITS_FOR_WARP = range(4)
PAUSED = 2  # what `emu_run` returns where a thread in a loop gave way to the launcher
STACK_BYTES = 1 << 16
TICKS = 1 << 18  # iterations of loops, by all threads, until the launcher is asked whether to go on

# The registers that a function must keep, by the x86-64 System V calling convention, and the stack pointer.
_SWITCH = """
.text
.p2align 4
emu_switch:
pushq %rbp
pushq %rbx
pushq %r12
pushq %r13
pushq %r14
pushq %r15
movq %rsp, (%rdi)
movq (%rsi), %rsp
popq %r15
popq %r14
popq %r13
popq %r12
popq %rbx
popq %rbp
ret
"""

RUNTIME = (
    "\n".join(f'module asm "{line}"' for line in _SWITCH.split("\n") if line)
    + f"""
@emu_patience = constant i64 {TICKS}
@emu_ticks = global i64 {TICKS}                         ; iterations until the launcher is asked
"""
    + """
; ---- written by the launcher
@emu_limit = global i64 0                               ; iterations that a loop may take
@emu_arguments = global [512 x i64] zeroinitializer     ; what the kernel is called with, 8 bytes each
@emu_registers = global [12 x i32] zeroinitializer      ; threadIdx, blockDim, blockIdx, gridDim: x, y, z of each
@emu_indices = global ptr null                          ; i32[threads][3]: threadIdx of every thread
@emu_order = global ptr null                            ; i32[threads]: who runs first
@emu_state = global ptr null                            ; i8[threads]: ready, waiting or done
@emu_site = global ptr null                             ; i32[threads]: the barrier at which a thread waits
@emu_contexts = global ptr null                         ; ptr[threads]: the stack pointer of a thread that does not run
@emu_stacks = global ptr null
@emu_stack_bytes = global i64 0
@emu_exchange = global ptr null                         ; i64[threads]: what a shuffle passes on
@emu_masks = global ptr null                            ; i32[threads]: the lanes for which a thread waits

; ---- kept by the scheduler
@emu_thread = global i32 0                              ; the thread that runs, counted with x fastest
@emu_scheduler = global ptr null                        ; the scheduler's own stack pointer
@emu_arrived = global i32 0                             ; threads that came to a block barrier in this round
@emu_at = global i32 0                                  ; the first one's barrier
@emu_mixed = global i32 0                               ; 1: another thread came to another barrier
@emu_done = global i32 0                                ; threads of this block that have returned
@emu_epoch = global i32 0                               ; block barriers passed since the launch began, plus blocks
@emu_paused = global i32 0                              ; 1: the thread that ran last gave way in a loop
@emu_loop = global i32 0                                ; that loop
@emu_turns = global i64 0                               ; and how often the thread has gone round it
@emu_threads = global i32 0                             ; of this block
@emu_absent = global i32 0                              ; how often a lane was named that did not take part; the first:
@emu_absent_for = global i32 0                          ; by which thread,
@emu_absent_lane = global i32 0                         ; which lane,
@emu_absent_site = global i32 0                         ; at which barrier
@emu_next = global i32 0                                ; where in the order this round goes on

declare void @emu_switch(ptr, ptr)
declare ptr @memset(ptr, i32, i64)

define ptr @emu_context(i32 %thread) alwaysinline {
  %all = load ptr, ptr @emu_contexts
  %own = getelementptr ptr, ptr %all, i32 %thread
  ret ptr %own }

define void @emu_mark(i32 %thread, i8 %state, i32 %site) alwaysinline {
  %states = load ptr, ptr @emu_state
  %p = getelementptr i8, ptr %states, i32 %thread
  store i8 %state, ptr %p
  %sites = load ptr, ptr @emu_site
  %q = getelementptr i32, ptr %sites, i32 %thread
  store i32 %site, ptr %q
  ret void }

define i32 @emu_register(i32 %k) alwaysinline {
  %p = getelementptr [12 x i32], ptr @emu_registers, i32 0, i32 %k
  %v = load i32, ptr %p
  ret i32 %v }

define i32 @emu_lane() alwaysinline {
  %t = load i32, ptr @emu_thread
  %lane = and i32 %t, 31
  ret i32 %lane }

; ---- called by the kernel

define void @emu_leave(i8 %state, i32 %site) noinline {
  %t = load i32, ptr @emu_thread
  call void @emu_mark(i32 %t, i8 %state, i32 %site)
  %own = call ptr @emu_context(i32 %t)
  call void @emu_switch(ptr %own, ptr @emu_scheduler)
  ret void }

define void @emu_barrier(i32 %site) noinline {
  %before = load i32, ptr @emu_arrived
  %now = add i32 %before, 1
  store i32 %now, ptr @emu_arrived
  %first = icmp eq i32 %before, 0
  br i1 %first, label %lead, label %follow
lead:
  store i32 %site, ptr @emu_at
  br label %wait
follow:
  %at = load i32, ptr @emu_at
  %other = icmp ne i32 %at, %site
  br i1 %other, label %differ, label %wait
differ:
  store i32 1, ptr @emu_mixed
  br label %wait
wait:
  call void @emu_leave(i8 1, i32 %site)
  ret void }

define void @emu_warp_barrier(i32 %site) noinline {
  call void @emu_leave(i8 3, i32 %site)
  ret void }

; Once an iteration, with the loop's own counter.  Now and then the launcher is asked: it may be interrupted (Ctrl-C),
; and it ends a launch whose loops do not.
define void @emu_turn(ptr %counter, i32 %loop) alwaysinline {
  %n = load i64, ptr %counter
  %turns = add i64 %n, 1
  store i64 %turns, ptr %counter
  %t = load i64, ptr @emu_ticks
  %ticks = sub i64 %t, 1
  store i64 %ticks, ptr @emu_ticks
  %limit = load i64, ptr @emu_limit
  %far = icmp sgt i64 %turns, %limit
  %late = icmp sle i64 %ticks, 0
  %stop = or i1 %far, %late
  br i1 %stop, label %pause, label %out
pause:
  call void @emu_pause(i64 %turns, i32 %loop)
  br label %out
out:
  ret void }

define void @emu_pause(i64 %turns, i32 %loop) noinline {
  store i64 %turns, ptr @emu_turns
  store i32 %loop, ptr @emu_loop
  store i32 1, ptr @emu_paused
  %fresh = load i64, ptr @emu_patience
  store i64 %fresh, ptr @emu_ticks
  %t = load i32, ptr @emu_thread
  %sites = load ptr, ptr @emu_site
  %q = getelementptr i32, ptr %sites, i32 %t
  %site = load i32, ptr %q
  call void @emu_leave(i8 0, i32 %site)
  ret void }

; Mode 0: from lane b, 1: from b lanes below, 2: from b lanes above, 3: from lane xor b; c: segment (PTX, shfl.sync).
define {i32, i1} @emu_shuffle(i32 %mask, i32 %mode, i32 %value, i32 %b, i32 %c, i32 %site) noinline {
before:
  %t = load i32, ptr @emu_thread
  %all = load ptr, ptr @emu_exchange
  %mine = getelementptr i64, ptr %all, i32 %t
  %word = zext i32 %value to i64
  store i64 %word, ptr %mine
  call void @emu_meet(i32 %mask, i32 %site)
  %lane = and i32 %t, 31
  %base = and i32 %t, -32
  %shifted = lshr i32 %c, 8
  %segment = and i32 %shifted, 31
  %within = xor i32 %segment, -1
  %low = and i32 %lane, %segment
  %clamp = and i32 %c, 31
  %rest = and i32 %clamp, %within
  %high = or i32 %low, %rest
  %offset = and i32 %b, %within
  %direct = or i32 %low, %offset
  %below = sub i32 %lane, %b
  %above = add i32 %lane, %b
  %crossed = xor i32 %lane, %b
  %is_direct = icmp eq i32 %mode, 0
  %is_up = icmp eq i32 %mode, 1
  %is_down = icmp eq i32 %mode, 2
  %s0 = select i1 %is_down, i32 %above, i32 %crossed
  %s1 = select i1 %is_up, i32 %below, i32 %s0
  %source = select i1 %is_direct, i32 %direct, i32 %s1
  %not_under = icmp sge i32 %source, %high
  %not_over = icmp sle i32 %source, %high
  %valid = select i1 %is_up, i1 %not_under, i1 %not_over
  %from = select i1 %valid, i32 %source, i32 %lane
  %there = add i32 %base, %from
  %p = getelementptr i64, ptr %all, i32 %there
  %read = load i64, ptr %p
  %got = trunc i64 %read to i32
  %part = call i1 @emu_takes_part(i32 %there, i32 %site)
  br i1 %part, label %done, label %absent
absent:                                                  ; what comes from there is not defined: not a number, or -1
  %moved = lshr i32 %mask, %from
  %bit = and i32 %moved, 1
  %named = icmp eq i32 %bit, 1
  br i1 %named, label %note, label %done
note:
  call void @emu_note_lane(i32 %from, i32 %site)
  br label %done
done:
  %passed = phi i32 [%got, %before], [-1, %absent], [-1, %note]
  call void @emu_warp_barrier(i32 %site)
  %r0 = insertvalue {i32, i1} undef, i32 %passed, 0
  %r1 = insertvalue {i32, i1} %r0, i1 %valid, 1
  ret {i32, i1} %r1 }

; ---- the scheduler

define void @emu_become(i32 %thread) alwaysinline {
  store i32 %thread, ptr @emu_thread
  %all = load ptr, ptr @emu_indices
  %k = mul i32 %thread, 3
  %px = getelementptr i32, ptr %all, i32 %k
  %x = load i32, ptr %px
  store i32 %x, ptr @emu_registers
  %py = getelementptr i32, ptr %px, i32 1
  %y = load i32, ptr %py
  %ry = getelementptr i32, ptr @emu_registers, i32 1
  store i32 %y, ptr %ry
  %pz = getelementptr i32, ptr %px, i32 2
  %z = load i32, ptr %pz
  %rz = getelementptr i32, ptr @emu_registers, i32 2
  store i32 %z, ptr %rz
  ret void }

define void @emu_body() noinline {                       ; what a fiber runs; it never returns, as it has no caller
  call void @emu_kernel()
  %done = load i32, ptr @emu_done
  %more = add i32 %done, 1
  store i32 %more, ptr @emu_done
  call void @emu_leave(i8 2, i32 0)
  unreachable }

define void @emu_start(i32 %threads) {                   ; a fresh stack for every thread of a block
entry:
  store i32 0, ptr @emu_done
  store i32 %threads, ptr @emu_threads
  store i32 0, ptr @emu_absent
  store i32 0, ptr @emu_next
  %patience = load i64, ptr @emu_patience
  store i64 %patience, ptr @emu_ticks
  %stacks = load ptr, ptr @emu_stacks
  %bytes = load i64, ptr @emu_stack_bytes
  br label %next
next:
  %t = phi i32 [0, %entry], [%t1, %next]
  %t1 = add i32 %t, 1
  %count = sext i32 %t1 to i64
  %end = mul i64 %count, %bytes
  %back = sub i64 %end, 16                               ; here `ret` finds emu_body: 8 below a multiple of 16
  %ret = getelementptr i8, ptr %stacks, i64 %back
  store ptr @emu_body, ptr %ret
  %saved = sub i64 %back, 48                             ; under it the six registers that emu_switch restores
  %sp = getelementptr i8, ptr %stacks, i64 %saved
  call ptr @memset(ptr %sp, i32 0, i64 48)
  %own = call ptr @emu_context(i32 %t)
  store ptr %sp, ptr %own
  call void @emu_mark(i32 %t, i8 0, i32 0)
  %more = icmp slt i32 %t1, %threads
  br i1 %more, label %next, label %out
out:
  ret void }

define i32 @emu_round(i32 %threads) {                    ; resume every thread that is ready, once; 1: one paused
entry:
  %first = load i32, ptr @emu_next
  store i32 0, ptr @emu_paused
  br label %next
next:
  %i = phi i32 [%first, %entry], [%i1, %after]
  %i1 = add i32 %i, 1
  %order = load ptr, ptr @emu_order
  %po = getelementptr i32, ptr %order, i32 %i
  %t = load i32, ptr %po
  %states = load ptr, ptr @emu_state
  %ps = getelementptr i8, ptr %states, i32 %t
  %state = load i8, ptr %ps
  %ready = icmp eq i8 %state, 0
  br i1 %ready, label %resume, label %after
resume:
  call void @emu_become(i32 %t)
  %own = call ptr @emu_context(i32 %t)
  call void @emu_switch(ptr @emu_scheduler, ptr %own)
  %paused = load i32, ptr @emu_paused
  %gave_way = icmp ne i32 %paused, 0
  br i1 %gave_way, label %pause, label %after
after:
  %more = icmp slt i32 %i1, %threads
  br i1 %more, label %next, label %out
pause:                                                   ; the same thread goes on, unless it seems to wait for another
  %turns = load i64, ptr @emu_turns
  %patience = load i64, ptr @emu_patience
  %spins = icmp sge i64 %turns, %patience
  %resumed = select i1 %spins, i32 %i1, i32 %i
  %last = icmp sge i32 %resumed, %threads
  %from = select i1 %last, i32 0, i32 %resumed
  store i32 %from, ptr @emu_next
  ret i32 1
out:
  store i32 0, ptr @emu_next
  ret i32 0 }

define i32 @emu_run(i32 %threads) {                      ; until all are done: 0; or until the launcher must decide: 1,
entry:                                                   ; or because a thread in a loop gave way: 2
  br label %round
round:
  store i32 0, ptr @emu_arrived
  store i32 0, ptr @emu_mixed
  %paused = call i32 @emu_round(i32 %threads)
  %gave_way = icmp ne i32 %paused, 0
  br i1 %gave_way, label %pause, label %whole
whole:
  %done = load i32, ptr @emu_done
  %finished = icmp eq i32 %done, %threads
  br i1 %finished, label %out, label %waiting
waiting:
  %arrived = load i32, ptr @emu_arrived
  %all = icmp eq i32 %arrived, %threads
  %mixed = load i32, ptr @emu_mixed
  %same = icmp eq i32 %mixed, 0
  %open = and i1 %all, %same
  br i1 %open, label %release, label %ask
release:
  %states = load ptr, ptr @emu_state
  %n = sext i32 %threads to i64
  call ptr @memset(ptr %states, i32 0, i64 %n)
  %epoch = load i32, ptr @emu_epoch
  %later = add i32 %epoch, 1
  store i32 %later, ptr @emu_epoch
  br label %round
out:
  ret i32 0
pause:
  ret i32 2
ask:
  ret i32 1 }

define void @emu_straight(i32 %threads) {                ; a kernel that never waits needs no fibers
entry:
  br label %next
next:
  %i = phi i32 [0, %entry], [%i1, %next]
  %order = load ptr, ptr @emu_order
  %po = getelementptr i32, ptr %order, i32 %i
  %t = load i32, ptr %po
  call void @emu_become(i32 %t)
  call void @emu_kernel()
  %i1 = add i32 %i, 1
  %more = icmp slt i32 %i1, %threads
  br i1 %more, label %next, label %out
out:
  ret void }
"""
)
