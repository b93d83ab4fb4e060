/* cores.S - where the other cores begin: the caller's GDT, a stack by their number, then cores_arrive(number). */
#include "lib/cores.h"

#define STACK_BYTES 8192

    .text
    .globl cores_entry
cores_entry:
    lgdt cores_gdtr + 6(%rip)
    movl $0xb, %eax
    xorl %ecx, %ecx
    cpuid
    movl %edx, %edi
    imull $STACK_BYTES, %edx, %edx /* number 1 and on: each has the piece that ends here */
    leaq stacks(%rip), %rsp
    addq %rdx, %rsp
    xorl %ebp, %ebp
    call cores_arrive

    .section .bss.stacks, "aw", @nobits
    .balign 16
stacks:
    .skip STACK_BYTES * (CORES_MAX - 1)
