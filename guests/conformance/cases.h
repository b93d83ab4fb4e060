/* cases.h - for assembly: how a table of cases is written.
 *
 *     CASES table            opens the table
 *     CASE "name", flags     RBX, RSI, RDI: DATA (at ALIAS in ring 3); R8: BAD_TOP; R9: HOLE; others 0
 *     ...                    what prepares
 *     TRY                    RIPs in the log count from here; exactly one in a case
 *     ...                    what is tried
 *     END                    is not reached if a fault ends the case
 *     CASES_END
 */
#ifndef CASES_H
#define CASES_H

#include "arch/x86.h"
#include "conformance/layout.h"

/* clang-format off */

.macro CASES table
    .section .rodata.cases, "a"
    .balign 8
    .globl \table
\table:
    .section .text.cases, "ax"
.endm

.macro CASES_END
    .section .rodata.cases, "a"
    .quad 0
.endm

.macro CASE name:req, flags=0
    .section .rodata.names, "a"
91: .asciz "\name"
    .section .text.cases, "ax"
92:
    .section .rodata.cases, "a"
    .quad 91b, \flags, 92b
    .section .text.cases, "ax"
.endm

.macro TRY
93:
    .section .rodata.cases, "a"
    .quad 93b
    .section .text.cases, "ax"
.endm

.macro END
    int $INT_END
.endm

/* To ring 3 with these flags; ring 0's stack is as before, RCX is lost. */
.macro TO_RING3 flags=FLAG_FIXED
    leaq 94f(%rip), %rcx
    pushq $SEL_UDATA
    pushq $(TOP_USER >> 4)
    shlq $4, (%rsp)
    btsq $39, (%rsp)
    pushq $\flags
    pushq $SEL_UCODE
    pushq %rcx
    btsq $39, (%rsp)
    movq $DATA, %rbx
    btsq $39, %rbx
    movq %rbx, %rsi
    movq %rbx, %rdi
    xorl %ecx, %ecx
    iretq
94:
.endm

/* A bit of a control register. */
.macro CR_SET cr, bits
    movq %\cr, %rax
    orq $\bits, %rax
    movq %rax, %\cr
    movl $0, %eax
.endm

.macro MSR_WRITE msr, value
    movl $\msr, %ecx
    movl $((\value) & 0xffffffff), %eax
    movl $((\value) >> 32), %edx
    wrmsr
    movl $0, %eax
    movl $0, %ecx
    movl $0, %edx
.endm

/* SYSCALL leads to a label of the case. */
.macro SYSCALL_TO label
    movq $\label, %rax
    movq %rax, %rdx
    shrq $32, %rdx
    movl $MSR_LSTAR, %ecx
    wrmsr
    movl $0, %eax
    movl $0, %ecx
.endm

#endif
