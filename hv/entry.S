/* entry.S - the first instructions of each core: a stack of its own, then C. */
#include "arch/multiboot.h"
#include "core.h"

MULTIBOOT_ENTRY image_start, image_data_end, image_end, _start

    .section .text.start, "ax"
    .globl _start
_start:
    leaq stacks + CORE_STACK_BYTES(%rip), %rsp
    movl %eax, %edi /* BOOT_MAGIC */
    movl %ebx, %esi /* information block */
    xorl %ebp, %ebp /* the end of every backtrace */
    call hv_main
1:  cli
    hlt
    jmp 1b

/* Where a start-up IPI leads the other cores (core.c): their number is their APIC ID. */
    .globl core_entry
core_entry:
    movl $0xb, %eax
    xorl %ecx, %ecx
    cpuid
    movl %edx, %edi
    incl %edx
    imull $CORE_STACK_BYTES, %edx, %edx
    leaq stacks(%rip), %rsp
    addq %rdx, %rsp
    xorl %ebp, %ebp
    call core_arrive

    .section .bss.stacks, "aw", @nobits
    .balign 4096
stacks:
    .skip CORE_STACK_BYTES * CORES_MAX
