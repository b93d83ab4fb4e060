/* start.S - a program's first and last instructions: exit(main(argc, argv)), and the stubs of the system calls. */
    .section .text.start, "ax"
    .globl _start
_start:
    xorl %ebp, %ebp /* the end of every backtrace */
    call main
    movl %eax, %edi
    call leave

/* A C call's registers are those of a system call but for RAX. */
.macro STUB number, name
    .globl \name
\name:
    movl $\number, %eax
    syscall
    ret
.endm

    .text
#define exit end_process /* user.h: leave() prints what is left first */
#define S(number, name) STUB number, name ;
#include "kernel/syscall.def"
