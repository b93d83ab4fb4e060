/* start.S - entry of a guest: a stack of its own, then guest_start(information block). */
#include "arch/multiboot.h"

MULTIBOOT_ENTRY image_start, image_data_end, image_end, _start

    .section .text.start, "ax"
    .globl _start
_start:
    leaq stack_top(%rip), %rsp
    movl %ebx, %edi
    xorl %ebp, %ebp /* the end of every backtrace */
    call guest_start
1:  hlt
    jmp 1b

    .section .bss.stack, "aw", @nobits
    .balign 16
    .skip 16384
stack_top:
