/* delivery.S - gates, stacks, and exceptions on the way to a handler: nested, double. */
#include "conformance/cases.h"

#define GATE(vector) (machine_idt + 16 * (vector))
#define GATE_IST     4
#define GATE_TYPE    5
#define END_OF_ALIAS (ALIAS + 0x1000000) /* no page follows */

/* A gate that leads into the case itself. */
.macro GATE_TO vector, label
    movq $\label, %rax
    movw %ax, GATE(\vector)
    shrq $16, %rax
    movw %ax, GATE(\vector) + 6
    xorl %eax, %eax
.endm

/* The first n bytes of a table lie at the end of what is mapped; RAX is its base then. */
.macro TABLE_AT_END from, n
    movq $(END_OF_ALIAS - (\n)), %rdi
    movq %rdi, %rax
    movq \from, %rsi
    movl $(\n), %ecx
    rep movsb
.endm

CASES delivery

/* SDM vol. 3, 6.14.1 "64-Bit Mode IDT", vol. 2A "INT n": what is wrong with a gate; the error code is the
 * vector * 8 + 2 (IDT), or the selector. */
.macro GATE_CASE name, vector, flags=0
    CASE "gate.\name", \flags
    TRY
    int $\vector
    END
.endm
GATE_CASE absent, INT_ABSENT
GATE_CASE type, INT_TYPE
GATE_CASE null-selector, INT_NULL
GATE_CASE selector-beyond, INT_BEYOND
GATE_CASE to-data, INT_TO_DATA
GATE_CASE code-absent, INT_CODE_GONE
GATE_CASE to-outer-ring, INT_OUTER
GATE_CASE bad-rip, INT_BAD_RIP
GATE_CASE beyond-limit, 0xf0
GATE_CASE beyond-limit-ring3, 0xf0, RING3
GATE_CASE ist2, INT_IST2
GATE_CASE ist2-ring3, INT_IST2, RING3
GATE_CASE no-ist-ring3, INT_RSP0, RING3
CASE "gate.no-ist-ring0" /* the same stack, aligned to 16 bytes */
    pushq $0
TRY
    int $INT_RSP0
END
CASE "gate.limit-inside" /* the limit cuts the gate's last byte */
    pushq $machine_idt
    pushw $(16 * INT_USER + 14)
    lidt (%rsp)
    addq $10, %rsp
TRY
    int $INT_USER
END
CASE "gate.conforming"
    movw $SEL_CONFORMING, GATE(INT_USER) + 2
TRY
    int $INT_USER
END
CASE "gate.rpl-ignored"
    movw $SEL_KCODE + 3, GATE(INT_USER) + 2
TRY
    int $INT_USER
END
CASE "gate.16-byte-upper-half" /* the reserved word is not looked at */
    movl $-1, GATE(INT_USER) + 12
TRY
    int $INT_USER
END
CASE "gate.ist-bits" /* three of them; the others are reserved and not checked */
    movb $0xf9, GATE(INT_USER) + GATE_IST
TRY
    int $INT_USER
END
CASE "gate.l-and-d"
    movw $SEL_CODE_L_AND_D, GATE(INT_USER) + 2
TRY
    int $INT_USER
END

/* SDM vol. 3, 6.14.4 "Stack Switching in IA-32e Mode": with a change of privilege SS becomes null, with RPL
 * the new CPL. */
CASE "stack.ss-null", SHOW_RAX
    GATE_TO INT_USER, 1f
    TO_RING3
TRY
    int $INT_USER
1:
    movl %ss, %eax
END
CASE "stack.ss-kept", SHOW_RAX
    GATE_TO INT_USER, 1f
TRY
    int $INT_USER
1:
    movl %ss, %eax
END

/* SDM vol. 3, 6.15, "Interrupt 10" and "Interrupt 12": a stack pointer that the TSS does not reach, that is
 * not canonical, that is not mapped. */
CASE "stack.ist-bad"
    movabsq $BAD_TOP, %rax
    movq %rax, machine_task + TSS_IST1 + 8
TRY
    int $INT_IST2
END
CASE "stack.ist-hole"
    movq %r9, machine_task + TSS_IST1 + 8
TRY
    int $INT_IST2
END
CASE "stack.rsp0-bad"
    movabsq $BAD_TOP + 8, %rax
    movq %rax, machine_task + TSS_RSP0
    TO_RING3
TRY
    int $INT_RSP0
END
CASE "stack.rsp0-hole"
    movq %r9, machine_task + TSS_RSP0
    TO_RING3
TRY
    int $INT_RSP0
END
CASE "stack.current-hole" /* ring 0, no IST: the push faults, and #PF has a stack of its own */
    leaq 16(%r9), %rsp
TRY
    int $INT_RSP0
END
CASE "stack.current-bad"
    movabsq $BAD_TOP + 16, %rsp
TRY
    int $INT_RSP0
END
CASE "stack.tss-limit" /* IST2's last byte lies beyond */
    subq $16, %rsp
    sgdt (%rsp)
    movq 2(%rsp), %rcx
    addq $16, %rsp
    movw $TSS_IST1 + 14, SEL_TSS(%rcx)
    andb $0xf9, SEL_TSS + 5(%rcx)
    movl $SEL_TSS, %eax
    ltr %ax
TRY
    int $INT_IST2
END

/* SDM vol. 3, 6.13 "Error Code": EXT is set if the first event came from outside or is an exception. */
CASE "ext.exception" /* #UD, whose gate is absent */
    movb $0x0e, GATE(VEC_UD) + GATE_TYPE
TRY
    ud2
END
CASE "ext.exception-null"
    movw $0, GATE(VEC_UD) + 2
TRY
    ud2
END
CASE "ext.int3"
    movb $0x6e, GATE(VEC_BP) + GATE_TYPE
TRY
    int3
END
CASE "ext.int1"
    movb $0x0e, GATE(VEC_DB) + GATE_TYPE
TRY
    .byte 0xf1
END
CASE "ext.int-n-selector"
    movw $SEL_BEYOND, GATE(INT_USER) + 2
TRY
    int $INT_USER
END
CASE "ext.exception-selector"
    movw $SEL_BEYOND, GATE(VEC_UD) + 2
TRY
    ud2
END
CASE "ext.exception-bad-rip"
    movw $0, GATE(VEC_UD)
    movw $0, GATE(VEC_UD) + 6
    movl $(BAD_TOP >> 32), GATE(VEC_UD) + 8
TRY
    ud2
END
CASE "ext.exception-ist-bad"
    movabsq $BAD_TOP, %rax
    movq %rax, machine_task + TSS_IST1 + 8
    movb $2, GATE(VEC_UD) + GATE_IST
TRY
    ud2
END

/* SDM vol. 3, tables 6-4 and 6-5: benign, contributory, page fault; which two make #DF. */
.macro ABSENT_GATE vector
    movb $0x0e, GATE(\vector) + GATE_TYPE
.endm
.macro STACK_GATE vector, top
    movq \top, machine_task + TSS_IST1 + 8
    movb $2, GATE(\vector) + GATE_IST
.endm
CASE "double.de-np"
    ABSENT_GATE VEC_DE
TRY
    divl %ecx
END
CASE "double.gp-np"
    ABSENT_GATE VEC_GP
TRY
    movb (%r8), %al
END
CASE "double.pf-np", SHOW_CR2
    ABSENT_GATE VEC_PF
TRY
    movb (%r9), %al
END
CASE "double.pf-gp", SHOW_CR2
    movw $0, GATE(VEC_PF) + 2
TRY
    movb (%r9), %al
END
CASE "double.pf-pf", SHOW_CR2
    leaq 0x2000(%r9), %rax
    STACK_GATE VEC_PF, %rax
TRY
    movb (%r9), %al
END
CASE "double.pf-ss"
    STACK_GATE VEC_PF, %r8
    movabsq $BAD_TOP + 8, %rax
    movq %rax, machine_task + TSS_IST1 + 8
TRY
    movb (%r9), %al
END
CASE "double.gp-pf", SHOW_CR2 /* contributory, then a page fault: one after the other */
    leaq 0x2000(%r9), %rax
    STACK_GATE VEC_GP, %rax
TRY
    movb (%r8), %al
END
CASE "double.np-pf" /* so it is when #NP came of INT n */
    leaq 0x2000(%r9), %rax
    STACK_GATE VEC_NP, %rax
TRY
    int $INT_ABSENT
END
CASE "double.ud-np"
    ABSENT_GATE VEC_UD
TRY
    ud2
END
CASE "double.ud-pf"
    leaq 0x2000(%r9), %rax
    STACK_GATE VEC_UD, %rax
TRY
    ud2
END
CASE "double.int-gp-np" /* INT n, then #GP, then #NP: #DF of the last two */
    ABSENT_GATE VEC_GP
TRY
    int $INT_KERNEL + 0x80
END
CASE "double.bp-np-np" /* INT3 is benign, #NP and #NP are not */
    ABSENT_GATE VEC_NP
    movb $0x6e, GATE(VEC_BP) + GATE_TYPE
TRY
    int3
END
CASE "double.ist" /* #DF has a good stack whatever RSP is */
    movb $0, GATE(VEC_SS) + GATE_IST
    movb $2, GATE(VEC_DF) + GATE_IST
    leaq 16(%r8), %rsp
TRY
    popq %rax
END
CASE "double.stack-overflow" /* a push faults, and so does #PF's own frame */
    movb $0, GATE(VEC_PF) + GATE_IST
    movb $2, GATE(VEC_DF) + GATE_IST
    movq %r9, %rsp
TRY
    pushq %rax
END
CASE "double.df-int" /* INT 8 is not a double fault, and pushes no error code */
    GATE_TO VEC_DF, 1f
    movb $2, GATE(VEC_DF) + GATE_IST
TRY
    int $8
1:
END

/* #PF on the tables themselves: supervisor reads, whatever the CPL (SDM vol. 3, 4.6 "Access Rights"). */
CASE "table.idt-hole"
    TABLE_AT_END $machine_idt, 16 * INT_USER
    pushq %rax
    pushw $0xfff
    lidt (%rsp)
    addq $10, %rsp
TRY
    int $INT_USER
END
CASE "table.idt-hole-ring3"
    TABLE_AT_END $machine_idt, 16 * INT_USER
    pushq %rax
    pushw $0xfff
    lidt (%rsp)
    addq $10, %rsp
    TO_RING3
TRY
    int $INT_USER
END
CASE "table.gdt-hole"
    subq $16, %rsp
    sgdt (%rsp)
    TABLE_AT_END 2(%rsp), SEL_UDATA_FRESH
    movq %rax, 2(%rsp)
    lgdt (%rsp)
    addq $16, %rsp
    movl $SEL_UDATA_FRESH, %eax
TRY
    movl %eax, %es
END
CASE "table.gdt-hole-ring3" /* ring 3 loads a segment: no user access */
    subq $16, %rsp
    sgdt (%rsp)
    TABLE_AT_END 2(%rsp), SEL_UDATA_FRESH
    movq %rax, 2(%rsp)
    lgdt (%rsp)
    addq $16, %rsp
    TO_RING3
    movl $SEL_UDATA_FRESH + 3, %eax
TRY
    movl %eax, %es
END
CASE "table.tss-hole" /* IST2 is the first on the page that is not there */
    subq $16, %rsp
    sgdt (%rsp)
    movq 2(%rsp), %rdx
    addq $16, %rsp
    TABLE_AT_END $machine_task, TSS_IST1 + 8
    movl $(END_OF_ALIAS >> 32), SEL_TSS_FREE + 8(%rdx)
    movw %ax, SEL_TSS_FREE + 2(%rdx)
    shrl $16, %eax
    movb %al, SEL_TSS_FREE + 4(%rdx)
    movb %ah, SEL_TSS_FREE + 7(%rdx)
    movl $SEL_TSS_FREE, %eax
    ltr %ax
TRY
    int $INT_IST2
END
CASE "table.idt-user-page" /* system accesses are the supervisor's: SMEP and SMAP aside, a user page will do */
    TABLE_AT_END $machine_idt, 16 * 80
    pushq %rax
    pushw $0xfff
    lidt (%rsp)
    addq $10, %rsp
    TO_RING3
TRY
    int $INT_USER
END

/* SDM vol. 3, 4.6.1 "Determination of Access Rights": with CR4.SMAP a system access to a user page faults
 * whatever AC says. */
.macro LDT_IN_ALIAS
    subq $16, %rsp
    sgdt (%rsp)
    movq 2(%rsp), %rdx
    addq $16, %rsp
    movl $(ALIAS >> 32), SEL_LDT + 8(%rdx)
    movl $SEL_LDT, %eax
    lldt %ax
.endm
CASE "table.ldt-user-page", NEED_SMAP
    LDT_IN_ALIAS
    movl $SEL_LDT_DATA, %eax
TRY
    movl %eax, %es
END
CASE "table.ldt-user-page-smap", NEED_SMAP | HIDE_CR2
    LDT_IN_ALIAS
    CR_SET cr4, CR4_SMAP
    stac
    movl $SEL_LDT_DATA, %eax
TRY
    movl %eax, %es
END

CASES_END
