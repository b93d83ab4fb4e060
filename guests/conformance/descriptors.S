/* descriptors.S - segment registers, LDTR and TR, far transfers, gates, and what LAR, LSL, VERR and VERW say
 * (SDM vol. 3, 5 "Protection"). */
#include "conformance/cases.h"

CASES descriptors

/* SDM vol. 2B, "MOV": DS, ES, FS, GS take null selectors, data and readable code whose DPL >= CPL and RPL; else
 * #GP(selector), then #NP(selector). */
.macro LOAD name, register, selector, flags=0
    CASE "load.\name", \flags | SHOW_RCX
    movl $\selector, %eax
    TRY
    movl %eax, %\register
    movl %\register, %ecx
    END
.endm
LOAD es-data, es, SEL_KDATA
LOAD es-null, es, 0
LOAD es-null-rpl3, es, 3
LOAD es-read-only, es, SEL_READ_ONLY
LOAD es-code, es, SEL_KCODE
LOAD es-exec-only, es, SEL_EXEC_ONLY
LOAD es-conforming-rpl3, es, SEL_CONFORMING + 3
LOAD es-absent, es, SEL_DATA_ABSENT
LOAD es-code-absent, es, SEL_CODE_ABSENT
LOAD es-rpl3-of-kernel-data, es, SEL_KDATA + 3
LOAD es-user-data, es, SEL_UDATA
LOAD es-user-data-rpl0, es, SEL_UDATA - 3
LOAD es-absent-and-rpl, es, SEL_DATA_ABSENT + 3
LOAD es-beyond, es, SEL_BEYOND
LOAD es-tss, es, SEL_TSS
LOAD es-call-gate, es, SEL_GATE_USER
LOAD es-type-0, es, SEL_TYPE_0
LOAD es-expand-down, es, SEL_EXPAND_DOWN
LOAD es-ldt, es, SEL_LDT_DATA
LOAD es-ldt-beyond, es, SEL_LDT_BEYOND
LOAD ds-data, ds, SEL_KDATA
LOAD ds-beyond, ds, SEL_BEYOND
LOAD fs-absent, fs, SEL_DATA_ABSENT
LOAD gs-exec-only, gs, SEL_EXEC_ONLY
LOAD ring3-user-data, es, SEL_UDATA, RING3
LOAD ring3-kernel-data, es, SEL_KDATA, RING3
LOAD ring3-kernel-data-rpl3, es, SEL_KDATA + 3, RING3
LOAD ring3-conforming, es, SEL_CONFORMING + 3, RING3
LOAD ring3-null, gs, 0, RING3
LOAD ring3-absent, fs, SEL_UDATA_ABSENT + 3, RING3
LOAD ring3-ldt, ds, SEL_LDT_DATA, RING3

/* SS: a writable data segment with DPL = RPL = CPL, present or #SS; null only below ring 3, RPL = CPL. */
LOAD ss-data, ss, SEL_KDATA
LOAD ss-null, ss, 0
LOAD ss-null-rpl3, ss, 3
LOAD ss-read-only, ss, SEL_READ_ONLY
LOAD ss-code, ss, SEL_KCODE
LOAD ss-absent, ss, SEL_DATA_ABSENT
LOAD ss-user, ss, SEL_UDATA
LOAD ss-rpl3, ss, SEL_KDATA + 3
LOAD ss-beyond, ss, SEL_BEYOND
LOAD ss-tss, ss, SEL_TSS
LOAD ss-expand-down, ss, SEL_EXPAND_DOWN
LOAD ss-ring3, ss, SEL_UDATA, RING3
LOAD ss-ring3-null, ss, 3, RING3
LOAD ss-ring3-rpl0, ss, SEL_UDATA - 3, RING3
LOAD ss-ring3-absent, ss, SEL_UDATA_ABSENT + 3, RING3
LOAD ss-ring3-kernel, ss, SEL_KDATA, RING3

/* No LDT: every selector with TI is beyond its limit. */
CASE "load.no-ldt"
    xorl %eax, %eax
    lldt %ax
    movl $SEL_LDT_DATA, %eax
TRY
    movl %eax, %es
END
/* SDM vol. 3, 3.4.5.1: loading sets the accessed bit. */
.macro ACCESSED name, selector, insn:vararg
    CASE "accessed.\name", SHOW_RAX
    subq $16, %rsp
    sgdt (%rsp)
    movq 2(%rsp), %rdx
    addq $16, %rsp
    movl $\selector, %eax
    movl %eax, (%rbx)
    TRY
    \insn
    movzbl (\selector & ~7) + 5(%rdx), %eax
    END
.endm
ACCESSED es, SEL_KDATA_FRESH, movl %eax, %es
ACCESSED ss, SEL_KDATA_FRESH, movl %eax, %ss
ACCESSED lar, SEL_KDATA_FRESH, lar %eax, %ecx
ACCESSED mov-fs, SEL_KDATA_FRESH, movl %eax, %fs
ACCESSED lfs, SEL_KDATA_FRESH, lfsw -2(%rbx), %cx

CASE "load.lss", SHOW_RCX
    movl $5, (%rbx)
    movl $SEL_KDATA, 4(%rbx)
TRY
    lssl (%rbx), %ecx
END
CASE "load.lgs-bad-keeps-register", SHOW_RCX
    movl $5, (%rbx)
    movl $SEL_EXEC_ONLY, 4(%rbx)
    movl $7, %ecx
TRY
    lgsl (%rbx), %ecx
END
CASE "load.pop-fs-bad-keeps-rsp"
    pushq $SEL_BEYOND
TRY
    popq %fs
END
CASE "load.fs-clears-base", SHOW_RAX | SHOW_RDX
    MSR_WRITE MSR_FS_BASE, 0x123456789
    movl $SEL_KDATA, %eax
    movl %eax, %fs
    movl $MSR_FS_BASE, %ecx
TRY
    rdmsr
END

/* SDM vol. 2A, "LLDT": a system descriptor of type LDT in the GDT, or null. */
.macro LDTR name, selector
    CASE "lldt.\name", SHOW_RCX
    movl $\selector, %eax
    TRY
    lldt %ax
    sldt %ecx
    END
.endm
LDTR null, 0
LDTR null-rpl3, 3
LDTR good, SEL_LDT
LDTR rpl3, SEL_LDT + 3
LDTR in-ldt, SEL_LDT_DATA
LDTR data, SEL_KDATA
LDTR tss, SEL_TSS_FREE
LDTR absent, SEL_LDT_ABSENT
LDTR beyond, SEL_BEYOND
LDTR half-beyond, SEL_BEYOND - 8
LDTR bad-base, SEL_LDT_BAD_BASE

/* SDM vol. 2A, "LTR": an available 64-bit TSS in the GDT; it becomes busy. */
.macro TASK name, selector
    CASE "ltr.\name", SHOW_RCX | SHOW_RAX
    subq $16, %rsp
    sgdt (%rsp)
    movq 2(%rsp), %rdx
    addq $16, %rsp
    movl $\selector, %eax
    TRY
    ltr %ax
    str %ecx
    movzbl (\selector & ~7) + 5(%rdx), %eax
    END
.endm
TASK null, 0
TASK null-rpl3, 3
TASK busy, SEL_TSS
TASK in-ldt, SEL_LDT_DATA
TASK data, SEL_KDATA
TASK ldt, SEL_LDT
TASK absent, SEL_TSS_ABSENT
TASK beyond, SEL_BEYOND
TASK bad-base, SEL_TSS_BAD_BASE
TASK call-gate, SEL_GATE_USER
CASE "ltr.good", SHOW_RCX | SHOW_RAX
    subq $16, %rsp
    sgdt (%rsp)
    movq 2(%rsp), %rdx
    addq $16, %rsp
    andb $0xfd, SEL_TSS + 5(%rdx)
    movl $SEL_TSS, %eax
TRY
    ltr %ax
    str %ecx
    movzbl SEL_TSS + 5(%rdx), %eax
END

/* SDM vol. 2A, "LAR", "LSL", vol. 2B, "VERR/VERW": ZF; the register stays if it is clear. */
.macro ASK name, selector, flags=0
    CASE "lar.\name", \flags | SHOW_RCX
    movl $\selector, %eax
    movl $-1, %ecx
    TRY
    lar %eax, %ecx
    andl $0xfff0ffff, %ecx /* the limit's bits are undefined */
    END
    CASE "lsl.\name", \flags | SHOW_RCX
    movl $\selector, %eax
    movl $-1, %ecx
    TRY
    lsl %eax, %ecx
    END
    CASE "verr-verw.\name", \flags | SHOW_RCX | SHOW_RDX
    movl $\selector, %eax
    TRY
    verr %ax
    sete %cl
    verw %ax
    sete %dl
    END
.endm
ASK null, 0
ASK code, SEL_KCODE
ASK data, SEL_KDATA
ASK data-rpl3, SEL_KDATA + 3
ASK user-data, SEL_UDATA
ASK user-code, SEL_UCODE
ASK read-only, SEL_READ_ONLY
ASK exec-only, SEL_EXEC_ONLY
ASK conforming-rpl3, SEL_CONFORMING + 3
ASK expand-down, SEL_EXPAND_DOWN
ASK data-absent, SEL_DATA_ABSENT
ASK tss-busy, SEL_TSS
ASK tss-free, SEL_TSS_FREE
ASK tss-absent, SEL_TSS_ABSENT
ASK ldt, SEL_LDT
ASK call-gate, SEL_GATE_USER
ASK type-0, SEL_TYPE_0
ASK upper-half, SEL_TSS + 8
ASK beyond, SEL_BEYOND
ASK in-ldt, SEL_LDT_DATA
ASK ldt-beyond, SEL_LDT_BEYOND
ASK ring3-kernel-data, SEL_KDATA, RING3
ASK ring3-user-data, SEL_UDATA, RING3
ASK ring3-conforming, SEL_CONFORMING + 3, RING3
ASK ring3-tss, SEL_TSS, RING3
ASK ring3-call-gate, SEL_GATE_USER + 3, RING3

/* SDM vol. 2A, "JMP", "CALL": far, through memory. */
.macro FAR name, operation, selector, flags=0
    CASE "\operation\().\name", \flags
    leaq 1f(%rip), %rax
    movq %rax, (%rbx)
    movw $\selector, 8(%rbx)
    TRY
    \operation *(%rbx)
1:
    END
.endm
.macro FAR_BOTH name, selector, flags=0
    FAR \name, jmpfar, \selector, \flags
    FAR \name, callfar, \selector, \flags
.endm
.macro jmpfar operand:vararg
    .byte 0x48, 0xff, 0x2b
.endm
.macro callfar operand:vararg
    .byte 0x48, 0xff, 0x1b
.endm
FAR_BOTH code, SEL_KCODE
FAR_BOTH code-rpl3, SEL_KCODE + 3
FAR_BOTH null, 0
FAR_BOTH data, SEL_KDATA
FAR_BOTH exec-only, SEL_EXEC_ONLY
FAR_BOTH conforming, SEL_CONFORMING
FAR_BOTH absent, SEL_CODE_ABSENT
FAR_BOTH user-code, SEL_UCODE - 3
FAR_BOTH user-conforming, SEL_UCONFORMING
FAR_BOTH l-and-d, SEL_CODE_L_AND_D
FAR_BOTH tss, SEL_TSS_FREE
FAR_BOTH ldt, SEL_LDT
FAR_BOTH beyond, SEL_BEYOND
FAR_BOTH ldt-beyond, SEL_LDT_BEYOND
FAR_BOTH ring3-code, SEL_UCODE, RING3
FAR_BOTH ring3-kernel, SEL_KCODE, RING3
FAR_BOTH ring3-conforming, SEL_CONFORMING, RING3
FAR_BOTH ring3-conforming-rpl3, SEL_CONFORMING + 3, RING3
FAR_BOTH ring3-ldt, 0x0f, RING3

CASE "jmpfar.bad-rip"
    movq %r8, (%rbx)
    movw $SEL_KCODE, 8(%rbx)
TRY
    jmpfar
END
CASE "jmpfar.bad-rip-and-selector" /* the selector comes first */
    movq %r8, (%rbx)
    movw $SEL_BEYOND, 8(%rbx)
TRY
    jmpfar
END
CASE "jmpfar.32bit" /* without REX.W: a 32-bit offset */
    movl $1f, (%rbx)
    movw $SEL_KCODE, 4(%rbx)
TRY
    ljmp *(%rbx)
1:
END
CASE "callfar.frame", SHOW_MEM
    movq $1f, (%rbx)
    movw $SEL_KCODE, 8(%rbx)
TRY
    callfar
1:
    popq %rax
    popq %rcx
    movq %rcx, (%rbx)
END

/* SDM vol. 3, 5.8.3.1 "IA-32e Mode Call Gates". */
.macro GATES name, selector, flags=0
    FAR \name, callfar, \selector, \flags
.endm
GATES gate, SEL_GATE_USER
GATES gate-kernel, SEL_GATE_KERNEL
GATES gate-rpl3, SEL_GATE_KERNEL + 3
GATES gate-absent, SEL_GATE_ABSENT
GATES gate-to-data, SEL_GATE_TO_DATA
GATES gate-to-null, SEL_GATE_TO_NULL
GATES gate-upper-type, SEL_GATE_UPPER
GATES gate-bad-rip, SEL_GATE_BAD_RIP
GATES gate-ring3, SEL_GATE_USER + 3, RING3
GATES gate-ring3-kernel, SEL_GATE_KERNEL, RING3
GATES gate-ring3-absent, SEL_GATE_ABSENT + 3, RING3
GATES gate-ring3-conforming, SEL_GATE_CONFORM + 3, RING3
FAR gate, jmpfar, SEL_GATE_USER
FAR gate-ring3, jmpfar, SEL_GATE_USER + 3, RING3
FAR gate-ring3-conforming, jmpfar, SEL_GATE_CONFORM + 3, RING3

/* SDM vol. 2B, "RET": far. */
.macro FAR_RETURN name, cs, ss, flags=0
    CASE "retf.\name", \flags
    pushq $\ss
    pushq $(TOP_USER >> 4)
    shlq $4, (%rsp)
    btsq $39, (%rsp)
    pushq $\cs
    leaq 1f(%rip), %rax
    .if (\cs & 3)
    btsq $39, %rax
    .endif
    pushq %rax
    TRY
    lretq
1:
    END
.endm
FAR_RETURN same, SEL_KCODE, 0
FAR_RETURN null, 0, 0
FAR_RETURN data, SEL_KDATA, 0
FAR_RETURN absent, SEL_CODE_ABSENT, 0
FAR_RETURN beyond, SEL_BEYOND, 0
FAR_RETURN conforming, SEL_CONFORMING, 0
FAR_RETURN conforming-rpl3, SEL_CONFORMING + 3, SEL_UDATA
FAR_RETURN l-and-d, SEL_CODE_L_AND_D, 0
FAR_RETURN outer, SEL_UCODE, SEL_UDATA
FAR_RETURN outer-rpl-of-cs, SEL_UCODE - 3, SEL_UDATA
FAR_RETURN outer-kernel-code, SEL_KCODE + 3, SEL_UDATA
FAR_RETURN outer-ss-null, SEL_UCODE, 0
FAR_RETURN outer-ss-null-rpl3, SEL_UCODE, 3
FAR_RETURN outer-ss-kernel, SEL_UCODE, SEL_KDATA
FAR_RETURN outer-ss-rpl0, SEL_UCODE, SEL_UDATA - 3
FAR_RETURN outer-ss-absent, SEL_UCODE, SEL_UDATA_ABSENT + 3
FAR_RETURN outer-ss-code, SEL_UCODE, SEL_UCODE
FAR_RETURN outer-ss-beyond, SEL_UCODE, SEL_BEYOND + 3
FAR_RETURN inner, SEL_KCODE, SEL_KDATA, RING3
FAR_RETURN ring3-same, SEL_UCODE, SEL_UDATA, RING3
CASE "retf.bad-rip"
    pushq $SEL_KCODE
    pushq %r8
TRY
    lretq
END

/* SDM vol. 2A, "IRET": SS and RSP are popped in any case. */
.macro INTERRUPT_RETURN name, cs, ss, flags=0
    CASE "iret.\name", \flags
    pushq $\ss
    .if (\cs & 3)
    pushq $(TOP_USER >> 4)
    shlq $4, (%rsp)
    btsq $39, (%rsp)
    .else
    pushq $TOP_CASE
    .endif
    pushq $2
    pushq $\cs
    leaq 1f(%rip), %rax
    .if (\cs & 3)
    btsq $39, %rax
    .endif
    pushq %rax
    TRY
    iretq
1:
    END
.endm
INTERRUPT_RETURN same, SEL_KCODE, SEL_KDATA
INTERRUPT_RETURN same-ss-null, SEL_KCODE, 0
INTERRUPT_RETURN same-ss-null-rpl3, SEL_KCODE, 3
INTERRUPT_RETURN same-ss-user, SEL_KCODE, SEL_UDATA
INTERRUPT_RETURN null, 0, SEL_KDATA
INTERRUPT_RETURN data, SEL_KDATA, SEL_KDATA
INTERRUPT_RETURN absent, SEL_CODE_ABSENT, SEL_KDATA
INTERRUPT_RETURN beyond, SEL_BEYOND, SEL_KDATA
INTERRUPT_RETURN ldt-beyond, SEL_LDT_BEYOND, SEL_KDATA
INTERRUPT_RETURN conforming, SEL_CONFORMING, SEL_KDATA
INTERRUPT_RETURN l-and-d, SEL_CODE_L_AND_D, SEL_KDATA
INTERRUPT_RETURN outer, SEL_UCODE, SEL_UDATA
INTERRUPT_RETURN outer-kernel-code, SEL_KCODE + 3, SEL_UDATA
INTERRUPT_RETURN outer-ss-null, SEL_UCODE, 3
INTERRUPT_RETURN outer-ss-kernel, SEL_UCODE, SEL_KDATA
INTERRUPT_RETURN outer-ss-absent, SEL_UCODE, SEL_UDATA_ABSENT + 3
INTERRUPT_RETURN outer-ss-beyond, SEL_UCODE, SEL_BEYOND + 3
INTERRUPT_RETURN outer-ss-code, SEL_UCODE, SEL_UCODE
INTERRUPT_RETURN inner, SEL_KCODE, SEL_KDATA, RING3
INTERRUPT_RETURN ring3-same, SEL_UCODE, SEL_UDATA, RING3
CASE "iret.bad-rip"
    pushq $SEL_KDATA
    pushq $TOP_CASE
    pushq $2
    pushq $SEL_KCODE
    pushq %r8
TRY
    iretq
END
CASE "iret.bad-rsp" /* RSP may hold anything until it is used */
    pushq $SEL_KDATA
    pushq %r8
    pushq $2
    pushq $SEL_KCODE
    pushq $1f
TRY
    iretq
1:
END
/* SDM vol. 3, 5.8.6: a return to an outer ring makes null what that may not use. */
CASE "iret.drops-segments", SHOW_RAX | SHOW_RCX | SHOW_RDX
    movl $SEL_UDATA, %eax
    movl %eax, %es
    movl $SEL_CONFORMING, %eax
    movl %eax, %fs
    TO_RING3
TRY
    movl %ds, %eax
    movl %es, %ecx
    movl %fs, %edx
END

CASES_END
