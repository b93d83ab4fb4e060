/* entry.S - the first instructions: a stack of our own, then main(information block). */
#include "arch/multiboot.h"

MULTIBOOT_ENTRY image_start, image_data_end, image_end, _start

    .section .text.start, "ax"
    .globl _start
_start:
    leaq stack_top(%rip), %rsp
    movl %eax, %edi /* BOOT_MAGIC */
    movl %ebx, %esi /* information block */
    xorl %ebp, %ebp /* the end of every backtrace */
    call hv_main
1:  cli
    hlt
    jmp 1b

    .section .bss.stack, "aw", @nobits
    .balign 4096
    .skip 32768
stack_top:
