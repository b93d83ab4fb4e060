/* faults.S - what instructions raise by themselves: vector, error code, where RIP and RSP stand, and which of
 * two comes first. */
#include "conformance/cases.h"

CASES faults

/* SDM vol. 2A, "DIV - Unsigned Divide": #DE if the divisor is 0, or the quotient too large. */
CASE "de.div8-zero", SHOW_RAX
    movl $5, %eax
TRY
    divb %cl
END
CASE "de.div64-zero", SHOW_RAX | SHOW_RDX
TRY
    divq %rcx
END
CASE "de.div8-large"
    movl $0x100, %eax
    movl $1, %ecx
TRY
    divb %cl
END
CASE "de.div32-large"
    movl $1, %edx
    movl $1, %ecx
TRY
    divl %ecx
END
CASE "de.idiv32-minimum"
    movl $0x80000000, %eax
    movl $-1, %edx
    movl $-1, %ecx
TRY
    idivl %ecx
END
CASE "de.idiv64-minimum"
    movabsq $0x8000000000000000, %rax
    movq $-1, %rdx
    movq $-1, %rcx
TRY
    idivq %rcx
END
CASE "de.memory"
TRY
    divl (%rbx)
END
CASE "de.div-memory-absent" /* no divisor, no division */
TRY
    divl (%r9)
END

/* SDM vol. 2B, "UD - Undefined Instruction". */
CASE "ud.ud2"
TRY
    ud2
END
CASE "ud.ud1"
TRY
    .byte 0x0f, 0xb9, 0xc0
END
CASE "ud.ud0"
TRY
    .byte 0x0f, 0xff, 0xc0
END
CASE "ud.ud2-ring3", RING3
TRY
    ud2
END

/* SDM vol. 2, "64-Bit Mode Exceptions" of each: not encodable, or invalid in 64-bit mode. */
.macro INVALID name, bytes:vararg
    CASE "ud.\name"
    TRY
    .byte \bytes
    END
.endm
INVALID push-es, 0x06
INVALID pop-es, 0x07
INVALID push-cs, 0x0e
INVALID push-ss, 0x16
INVALID pop-ss, 0x17
INVALID push-ds, 0x1e
INVALID pop-ds, 0x1f
INVALID daa, 0x27
INVALID das, 0x2f
INVALID aaa, 0x37
INVALID aas, 0x3f
INVALID pusha, 0x60
INVALID popa, 0x61
INVALID call-far-immediate, 0x9a, 0, 0, 0, 0, 8, 0
INVALID jmp-far-immediate, 0xea, 0, 0, 0, 0, 8, 0
INVALID into, 0xce
INVALID aam, 0xd4, 10
INVALID aad, 0xd5, 10
INVALID salc, 0xd6
INVALID group1-82, 0x82, 0xc0, 1
INVALID lea-register, 0x8d, 0xc0
INVALID mov-to-cs, 0x8e, 0xc8
INVALID mov-to-segment-6, 0x8e, 0xf0
INVALID mov-from-segment-7, 0x8c, 0xf8
INVALID group4-fe-2, 0xfe, 0xd0
INVALID group5-ff-7, 0xff, 0xf8
INVALID group11-c6-1, 0xc6, 0xc8, 0
INVALID pop-8f-1, 0x8f, 0xc8
INVALID jmp-far-register, 0xff, 0xe8
INVALID call-far-register, 0xff, 0xd8
INVALID lss-register, 0x0f, 0xb2, 0xc0
INVALID cmpxchg8b-register, 0x0f, 0xc7, 0xc8
INVALID lgdt-register, 0x0f, 0x01, 0xd3
INVALID sgdt-register-c7, 0x0f, 0x01, 0xc7
INVALID bt-group-3, 0x0f, 0xba, 0xd8, 1
INVALID group6-6, 0x0f, 0x00, 0xf0
INVALID mov-from-cr1, 0x0f, 0x20, 0xc8
INVALID mov-to-cr1, 0x0f, 0x22, 0xc8
INVALID mov-to-cr5, 0x0f, 0x22, 0xe8
INVALID mov-from-cr9, 0x44, 0x0f, 0x20, 0xc8
INVALID mov-from-dr8, 0x44, 0x0f, 0x21, 0xc0
INVALID opcode-0f-04, 0x0f, 0x04
INVALID opcode-0f-0a, 0x0f, 0x0a
INVALID opcode-0f-24, 0x0f, 0x24, 0xc0
INVALID opcode-0f-36, 0x0f, 0x36
INVALID opcode-0f-a6, 0x0f, 0xa6, 0xc0

/* SDM vol. 2A, "LOCK": #UD unless a listed instruction has a memory destination. */
INVALID lock-nop, 0xf0, 0x90
INVALID lock-mov, 0xf0, 0x89, 0x03
INVALID lock-add-register, 0xf0, 0x01, 0xc0
INVALID lock-add-from-memory, 0xf0, 0x03, 0x03
INVALID lock-cmp, 0xf0, 0x39, 0x03
INVALID lock-test, 0xf0, 0x85, 0x03
INVALID lock-shl, 0xf0, 0xd1, 0x23
INVALID lock-bt, 0xf0, 0x0f, 0xa3, 0x03
INVALID lock-push, 0xf0, 0x50
INVALID lock-cli, 0xf0, 0xfa
INVALID lock-cpuid, 0xf0, 0x0f, 0xa2
INVALID lock-lahf, 0xf0, 0x9f
CASE "ok.lock-add", SHOW_MEM
    movl $3, %eax
TRY
    lock addl %eax, (%rbx)
END
CASE "ok.lock-not", SHOW_MEM
TRY
    lock notl (%rbx)
END
CASE "ok.lock-xchg", SHOW_MEM | SHOW_RAX
    movl $3, %eax
TRY
    lock xchgl %eax, (%rbx)
END
CASE "ok.lock-cmpxchg8b", SHOW_MEM
    movl $7, %ebx
    movq $DATA, %rdi
TRY
    lock cmpxchg8b (%rdi)
END

/* SDM vol. 3, 6.15, "Interrupt 13": an instruction longer than 15 bytes. */
CASE "gp.15-bytes"
TRY
    .rept 14
    .byte 0x66
    .endr
    nop
END
CASE "gp.16-bytes"
TRY
    .rept 15
    .byte 0x66
    .endr
    nop
END
CASE "gp.16-bytes-of-lock-nop" /* too long comes before what it would have been */
TRY
    .byte 0xf0
    .rept 14
    .byte 0x66
    .endr
    nop
END

/* Traps leave RIP behind the instruction (SDM vol. 3, 6.5 "Exception Classifications"). */
CASE "bp.int3"
TRY
    int3
END
CASE "bp.int3-ring3", RING3
TRY
    int3
END
CASE "bp.int-3"
TRY
    int $3
END
CASE "of.int-4"
TRY
    int $4
END
CASE "db.int1" /* no DR6 bit tells of it (SDM vol. 3, 17.2.3) */
TRY
    .byte 0xf1
END
CASE "db.int1-ring3", RING3 /* no gate's DPL is looked at */
TRY
    .byte 0xf1
END

/* SDM vol. 1, 3.3.7.1 "Canonical Addressing": #GP, or #SS where RSP or RBP is the base. */
CASE "canonical.load"
TRY
    movb (%r8), %al
END
CASE "canonical.load-high"
    movabsq $0xffff7fffffffffff, %r8
TRY
    movb (%r8), %al
END
CASE "canonical.store"
TRY
    movb %al, (%r8)
END
CASE "canonical.load-rbp"
    movq %r8, %rbp
TRY
    movb (%rbp), %al
END
CASE "canonical.load-rsp"
    movq %r8, %r10
    xchgq %rsp, %r10
TRY
    movb (%rsp), %al
END
CASE "canonical.store-rbp"
    movq %r8, %rbp
TRY
    movb %al, (%rbp)
END
CASE "canonical.ds-rbp" /* the prefix changes nothing in 64-bit mode */
    movq %r8, %rbp
TRY
    .byte 0x3e
    movb 0(%rbp), %al
END
CASE "canonical.ss-rax"
    movq %r8, %rax
TRY
    .byte 0x36
    movb (%rax), %al
END
CASE "canonical.fs-rbp" /* FS is not the stack's segment */
    movq %r8, %rbp
TRY
    movb %fs:(%rbp), %al
END
CASE "canonical.rbp-as-index"
    movq %r8, %rbp
    xorl %eax, %eax
TRY
    movb (%rax, %rbp), %al
END
CASE "canonical.wraps-by-index" /* each part is canonical, the sum is not */
    movabsq $0x7fffffffffff, %rax
TRY
    movb 1(%rax), %cl
END
CASE "canonical.push"
    movq %r8, %rsp
TRY
    pushq %rax
END
CASE "canonical.push-from-above" /* the bytes written lie below, and are canonical */
    movabsq $0xffff800000000000, %rsp
TRY
    pushq %rax
END
CASE "canonical.pop"
    movq %r8, %rsp
TRY
    popq %rax
END
CASE "canonical.call"
    movq %r8, %rsp
TRY
    call 1f
1:
END
CASE "canonical.ret-stack"
    movq %r8, %rsp
TRY
    ret
END
CASE "canonical.enter"
    movq %r8, %rsp
TRY
    enter $0, $0
END
CASE "canonical.leave"
    movq %r8, %rbp
TRY
    leave
END
CASE "canonical.pushf"
    movq %r8, %rsp
TRY
    pushfq
END
CASE "canonical.popf"
    movq %r8, %rsp
TRY
    popfq
END
CASE "canonical.iret"
    movq %r8, %rsp
TRY
    iretq
END
CASE "canonical.retf"
    movq %r8, %rsp
TRY
    lretq
END
CASE "canonical.lods"
    movq %r8, %rsi
TRY
    lodsb
END
CASE "canonical.stos"
    movq %r8, %rdi
TRY
    stosb
END
CASE "canonical.movs-both"
    movq %r8, %rsi
    movq %r9, %rdi
TRY
    movsb
END
CASE "canonical.bt" /* the bit string reaches beyond its base */
    movq $0x40000000000000, %rax
TRY
    btq %rax, (%rbx)
END
CASE "canonical.lea" /* no access, no fault */
TRY
    leaq (%r8), %rax
END
CASE "canonical.prefetch"
TRY
    prefetcht0 (%r8)
END
CASE "canonical.invlpg" /* SDM vol. 2A, "INVLPG": then it is a NOP */
TRY
    invlpg (%r8)
END
CASE "canonical.nop-memory"
TRY
    nopl (%r8)
END

/* SDM vol. 2, "RET", "JMP", "CALL": #GP(0) if the target is not canonical; a fault, so RIP and RSP stay. */
CASE "canonical.jmp"
TRY
    jmp *%r8
END
CASE "canonical.jmp-memory"
    movq %r8, (%rbx)
TRY
    jmp *(%rbx)
END
CASE "canonical.call-target"
TRY
    call *%r8
END
CASE "canonical.ret"
    pushq %r8
TRY
    ret
END
CASE "canonical.ret-n"
    pushq %r8
TRY
    ret $8
END

/* SDM vol. 3, 4.7 "Page-Fault Exceptions": P, W/R, U/S, I/D. */
CASE "pf.load"
TRY
    movb (%r9), %al
END
CASE "pf.store"
TRY
    movb %al, (%r9)
END
CASE "pf.load-ring3", RING3
TRY
    movb (%r9), %al
END
CASE "pf.store-ring3", RING3
TRY
    movb %al, (%r9)
END
CASE "pf.supervisor-page-ring3", RING3
TRY
    movb (DATA), %al
END
CASE "pf.read-modify-write" /* a write, from its first access on */
TRY
    addb %al, (%r9)
END
CASE "pf.cmp"
TRY
    cmpb %al, (%r9)
END
CASE "pf.test"
TRY
    testb %al, (%r9)
END
CASE "pf.cmpxchg"
TRY
    cmpxchgb %al, (%r9)
END
CASE "pf.xchg"
TRY
    xchgb %al, (%r9)
END
CASE "pf.setcc"
TRY
    sete (%r9)
END
CASE "pf.bts-not"
TRY
    btl %eax, (%r9)
END
CASE "pf.bts"
TRY
    btsl %eax, (%r9)
END
CASE "pf.shift-by-0" /* the operand is accessed all the same */
TRY
    shlb %cl, (%r9)
END
CASE "pf.cmov-false" /* SDM vol. 2A, "CMOVcc": the source is read in any case */
    orl $1, %eax
TRY
    cmovel (%r9), %eax
END
CASE "pf.jmp"
TRY
    jmp *%r9
END
CASE "pf.jmp-ring3", RING3
TRY
    jmp *%r9
END
CASE "pf.ret" /* the jump is done when the fetch faults */
    pushq %r9
TRY
    ret
END
CASE "pf.call-target"
TRY
    call *%r9
END
CASE "pf.push"
    movq %r9, %rsp
TRY
    pushq %rax
END
CASE "pf.push-memory" /* the operand comes first */
    movq %r9, %rsp
TRY
    pushq 8(%r9)
END
CASE "pf.pop-memory" /* the stack comes first */
TRY
    popq (%r9)
END
CASE "pf.pop-rsp-base" /* the address counts with RSP after the pop */
    movq %r9, %r10
    subq $8, %r10
    subq %rsp, %r10
    movq %r10, %rax
TRY
    popq (%rsp, %rax)
END
CASE "pf.enter"
    leaq 64(%r9), %rsp
TRY
    enter $0, $0
END
CASE "pf.leave"
    movq %r9, %rbp
TRY
    leave
END
CASE "pf.rep-movs", SHOW_RCX | SHOW_RSI | SHOW_RDI /* registers of the iteration that faulted */
    movl $8, %ecx
    movq $(ALIAS + 0x1000000 - 3), %rsi
TRY
    rep movsb
END
CASE "pf.rep-stos-down", SHOW_RCX | SHOW_RDI
    std
    movl $8, %ecx
    movabsq $(ALIAS + 2), %rdi
TRY
    rep stosb
END
CASE "pf.rep-count-0"
    movq %r9, %rdi
TRY
    rep stosb
END
CASE "pf.repe-cmps", SHOW_RCX | SHOW_RSI
    movl $8, %ecx
    movq $(ALIAS + 0x1000000 - 2), %rsi
    movw $0, (%rbx)
    movw $0, (%rsi)
TRY
    repe cmpsb
END
CASE "pf.lods-register", SHOW_RAX | SHOW_RSI
    movl $5, %eax
    movq %r9, %rsi
TRY
    lodsq
END

/* CR2 is the first address that faults: the second page's first byte if the first is there. */
CASE "pf.crossing-second"
    movq $(ALIAS + 0x1000000 - 4), %rax
TRY
    movq (%rax), %rcx
END
CASE "pf.crossing-first"
    movabsq $(ALIAS - 4), %rax
TRY
    movq (%rax), %rcx
END
CASE "pf.crossing-store", SHOW_MEM /* nothing of it is written */
    movq $(ALIAS + 0x1000000 - 4), %rax
    movl $0, (%rax)
    movq $-1, %rdx
TRY
    movq %rdx, (%rax)
END
CASE "pf.crossing-both"
    leaq 0xffc(%r9), %rax
TRY
    movq (%rax), %rcx
END
CASE "pf.crossing-fetch"
    movq $(ALIAS + 0x1000000 - 2), %rax
    movw $0xb848, (%rax)
TRY
    jmp *%rax
END

/* SDM vol. 2A, "CMPXCHG8B/CMPXCHG16B": #GP(0) if not on a 16-byte boundary. */
CASE "gp.cmpxchg16b-unaligned"
TRY
    cmpxchg16b 8(%rbx)
END
CASE "ok.cmpxchg16b", SHOW_MEM
    movq %rbx, %rdi
    movl $9, %ebx
TRY
    cmpxchg16b (%rdi)
END

/* SDM vol. 3, table 6-2 "Priority Among Concurrent Events": fetch, then decoding, then execution. */
CASE "priority.lock-and-page" /* #UD before #PF */
TRY
    .byte 0xf0
    movb %al, (%r9)
END
CASE "priority.privilege-and-page", RING3 /* #GP before #PF */
TRY
    lgdt (%r9)
END
CASE "priority.privilege-and-canonical", RING3
TRY
    lidt (%r8)
END
CASE "priority.invalid-and-privilege", RING3 /* #UD before #GP */
TRY
    .byte 0x0f, 0x22, 0xe8
END
CASE "priority.lock-and-privilege", RING3
TRY
    .byte 0xf0, 0xf4
END
CASE "priority.page-and-divide"
    movq %r9, %rbx
TRY
    divb (%rbx)
END
CASE "priority.push-operand-and-stack" /* the operand is read before the stack is written */
    movq %r8, %rsp
TRY
    pushq (%r9)
END
CASE "priority.pop-stack-and-operand"
    movq %r8, %rsp
TRY
    popq (%r9)
END
CASE "priority.call-operand-and-stack"
    movq %r8, %rsp
TRY
    call *(%r9)
END
CASE "priority.call-target-and-stack"
    movq %r9, %rsp
TRY
    call *%r8
END
CASE "priority.ret-stack-and-target"
    movq %r9, %rsp
TRY
    ret
END
CASE "priority.movs-source-first"
    movq %r9, %rsi
    leaq 8(%r9), %rdi
TRY
    movsb
END
CASE "priority.cmps-source-first"
    movq %r9, %rsi
    leaq 8(%r9), %rdi
TRY
    cmpsb
END
CASE "priority.fetch-and-length" /* the 15th byte is there, the 16th is on a page that is not */
    movq $(ALIAS + 0x1000000 - 15), %rdi
    movl $15, %ecx
    movl $0x66, %eax
    movq %rdi, %rdx
    rep stosb
TRY
    jmp *%rdx
END
CASE "priority.fetch-and-prefixes"
    movq $(ALIAS + 0x1000000 - 14), %rdi
    movl $14, %ecx
    movl $0x66, %eax
    movq %rdi, %rdx
    rep stosb
TRY
    jmp *%rdx
END
CASE "priority.fetch-and-lock" /* the opcode is complete without its ModRM byte, which decides */
    movq $(ALIAS + 0x1000000 - 2), %rdx
    movw $0x89f0, (%rdx)
TRY
    jmp *%rdx
END

CASES_END
