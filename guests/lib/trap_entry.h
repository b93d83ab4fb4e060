/* trap_entry.h - the way from an exception or interrupt to C: gates, stubs, frames.  The hypervisor has it
 * too. */
#ifndef TRAP_ENTRY_H
#define TRAP_ENTRY_H

#define TRAP_VECTORS    80 /* that have a stub */
#define TRAP_STUB_BYTES 16

#ifndef __ASSEMBLER__

#include <stdint.h>

#include "arch/x86.h"

/* What a stub pushes; IRETQ goes by it. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error; /* error: 0 for vectors that have none */
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The interrupt gate that leads to a vector's stub.  ist: 1..7, a stack of the TSS, or 0. */
struct gate64 trap_gate(unsigned vector, uint8_t ist);
/* "#PF" */
const char *trap_name(uint64_t vector);

/* Whoever links the stubs has it. */
void trap_dispatch(struct trap_frame *frame);

#else

/* The general registers of a frame. */
/* clang-format off */
.macro PUSH_REGISTERS
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm

.macro POP_REGISTERS
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
.endm
/* clang-format on */

#endif
#endif
