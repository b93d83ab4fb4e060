/* entry.S - from the boot protocol to the kernel's own addresses, then kernel_main(information block). */
#include "arch/multiboot.h"

MULTIBOOT_ENTRY load_start, load_data_end, load_end, _start

    .section .boot, "ax"
    .globl _start
_start:
    movabsq $entry_high, %rax
    jmp *%rax

    .text
entry_high:
    leaq boot_stack_top(%rip), %rsp
    movl %ebx, %edi
    xorl %ebp, %ebp /* the end of every backtrace */
    call kernel_main

    .section .bss.stack, "aw", @nobits
    .balign 16
    .skip 8192
boot_stack_top:
