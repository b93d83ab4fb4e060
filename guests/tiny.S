/* tiny - a guest in a few lines: three bytes to the console, CPUID, the end.  No stack, no tables. */
#include "arch/board.h"

    .text
    .globl guest_main /* called by lib/start.S; everything here would also run as an image's entry */
guest_main:
    leaq text(%rip), %rsi
    movl $3, %ecx
    movl $PORT_CONSOLE, %edx
1:  lodsb
    outb %al, %dx
    loop 1b

    xorl %eax, %eax
    cpuid /* exits to the hypervisor, if there is one */

    xorl %eax, %eax
    movl $PORT_DEBUG_EXIT, %edx
    outl %eax, %dx
2:  cli
    hlt
    jmp 2b

    .section .rodata
text:
    .ascii "ok\n"
