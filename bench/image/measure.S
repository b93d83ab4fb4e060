/* measure.S - a phase between its marks. */
#include "phase.h"

/* phase_measure(run, turns, number, result) */
    .text
    .globl phase_measure
phase_measure:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    movq %rdi, %r12
    movq %rsi, %r13
    movq %rdx, %r14
    movq %rcx, %rbp

    movl $1, %eax
    movq %r14, %rdi
    xchgw %bx, %bx

    rdtsc
    shlq $32, %rdx
    leaq (%rax, %rdx), %rbx
    movq %r13, %rdi
    call *%r12
    movq %rax, (%rbp)
    rdtsc
    shlq $32, %rdx
    addq %rdx, %rax
    subq %rbx, %rax
    movq %rax, 8(%rbp)
    movl $2, %eax
    movq %r14, %rdi
    xchgw %bx, %bx

    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret
