/* access.S - the accesses that paging.c tries: at RBX; a fetch executes what lies there. */
#include "conformance/layout.h"

    .section .text.cases, "ax"
    .globl access_read, access_write, access_fetch, access_read8, access_write8
access_read:
    movb 8(%rbx), %al
    int $INT_END
access_write:
    movb %al, 8(%rbx)
    int $INT_END
access_fetch:
    jmp *%rbx
access_read8:
    movq (%rbx), %rax
    int $INT_END
access_write8:
    movq %rax, (%rbx)
    int $INT_END
