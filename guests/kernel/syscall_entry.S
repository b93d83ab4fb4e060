/* syscall_entry.S - SYSCALL, SYSRET, and the switch from one kernel stack to another. */
#include "kernel/segments.h"
#include "lib/trap_entry.h"

/* There is one core, and interrupts are off (IA32_FMASK): a variable can hold the caller's RSP until there is a
 * stack.  The frame is that of a trap, so that fork and exec need not know how a process came in. */
    .text
    .globl syscall_entry
syscall_entry:
    movq %rsp, user_rsp(%rip)
    movq kernel_stack_top(%rip), %rsp
    pushq $SEL_USER_DATA
    pushq user_rsp(%rip)
    pushq %r11 /* RFLAGS */
    pushq $SEL_USER_CODE
    pushq %rcx /* RIP */
    pushq $0
    pushq $0
    PUSH_REGISTERS
    movq %rsp, %rdi
    cld
    call syscall_dispatch

/* A new process begins here, with RSP at its frame. */
    .globl syscall_return
syscall_return:
    POP_REGISTERS
    addq $16, %rsp
    movq (%rsp), %rcx
    movq 16(%rsp), %r11
    movq 24(%rsp), %rsp
    sysretq

/* void switch_stacks(uint64_t *save_rsp, uint64_t rsp): what a C function must preserve goes to the old stack. */
    .globl switch_stacks
switch_stacks:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .section .bss.user_rsp, "aw", @nobits
    .balign 8
user_rsp:
    .skip 8
