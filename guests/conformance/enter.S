/* enter.S - into a case and out of it. */
#include "conformance/cases.h"

    .text
/* void case_enter(const struct registers *in): as run.h lays them out. */
    .globl case_enter
case_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, way_out(%rip)
    pushq 32(%rdi) /* SS */
    pushq 24(%rdi) /* RSP */
    pushq 16(%rdi) /* RFLAGS */
    pushq 8(%rdi)  /* CS */
    pushq 0(%rdi)  /* RIP */
    movq 48(%rdi), %rbx
    movq 56(%rdi), %rcx
    movq 64(%rdi), %rdx
    movq 72(%rdi), %rsi
    movq 40(%rdi), %rax
    movq $BAD_TOP, %r8
    movq $HOLE, %r9
    xorl %r10d, %r10d
    xorl %r11d, %r11d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    xorl %ebp, %ebp
    movq 80(%rdi), %rdi
    iretq

/* _Noreturn void case_leave(void): case_enter() returns. */
    .globl case_leave
case_leave:
    movq way_out(%rip), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* Where LSTAR and call gates lead. */
    .globl landing_syscall, landing_gate
landing_syscall:
    int $INT_SYSCALL
landing_gate:
    int $INT_LANDED

    .section .bss.way_out, "aw", @nobits
    .balign 8
way_out:
    .skip 8
