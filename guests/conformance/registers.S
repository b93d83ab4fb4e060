/* registers.S - descriptor-table registers, control registers, MSRs, SYSCALL, SYSRET and SWAPGS. */
#include "conformance/cases.h"

CASES registers

/* SDM vol. 2A, "LGDT/LIDT": 10 bytes; the base must be canonical. */
CASE "lgdt.bad-base"
    movq %r8, 2(%rbx)
TRY
    lgdt (%rbx)
END
CASE "lidt.bad-base"
    movq %r8, 2(%rbx)
TRY
    lidt (%rbx)
END
CASE "sgdt.back", SHOW_RAX
    sgdt (%rbx)
    movw $0x7f, (%rbx)
    movb $0x55, 10(%rbx)
TRY
    lgdt (%rbx)
    movq $-1, (%rbx)
    sgdt (%rbx)
    movzwl (%rbx), %eax
END
CASE "sgdt.10-bytes", SHOW_RAX /* whatever the operand size */
    movl $0x55aa55aa, 8(%rbx)
TRY
    .byte 0x66
    sgdt (%rbx)
    movzwl 10(%rbx), %eax
END
CASE "str.sizes", SHOW_RAX | SHOW_RCX /* SDM vol. 2B, "STR": 16 bits to memory, zeros above in a register */
    movq $-1, %rax
    movq $-1, %rcx
    movq $-1, (%rbx)
TRY
    str %eax
    strw %cx
    strw (%rbx)
END
CASE "sldt.memory", SHOW_MEM
    movq $-1, (%rbx)
TRY
    sldt (%rbx)
END
CASE "smsw.register", SHOW_RAX | SHOW_RCX
    movq $-1, %rcx
TRY
    smsw %rax
    smswl %ecx
END
CASE "smsw.memory", SHOW_MEM
    movq $-1, (%rbx)
TRY
    smsw (%rbx)
END
CASE "lmsw.ts", SHOW_RCX /* PE, MP, EM, TS alone; PE is set and never cleared */
    movl $0xfff8, %eax
TRY
    lmsw %ax
    movq %cr0, %rcx
END
CASE "clts", SHOW_RCX
    movq %cr0, %rax
    orl $CR0_TS, %eax
    movq %rax, %cr0
TRY
    clts
    movq %cr0, %rcx
END

/* SDM vol. 3, 2.5 "Control Registers", EM, MP and TS: x87 instructions, WAIT, and what is neither. */
.macro COPROCESSOR name, bits, ring3, code:vararg
    CASE "nm.\name"
    movq %cr0, %rax
    andq $~(CR0_MP | CR0_EM | CR0_TS), %rax
    orq $(\bits), %rax
    movq %rax, %cr0
    .if \ring3
    TO_RING3
    .endif
    TRY
    \code
    END
.endm
COPROCESSOR ts-esc, CR0_TS, 0, fldz
COPROCESSOR em-esc, CR0_EM, 0, fldz
COPROCESSOR ts-esc-ring3, CR0_TS, 1, fldz
COPROCESSOR ts-esc-memory, CR0_TS, 0, flds (%r9) /* before its #PF */
COPROCESSOR ts-esc-canonical, CR0_TS, 0, fstps (%r8)
COPROCESSOR ts-esc-lock, CR0_TS, 0, .byte 0xf0, 0xd9, 0x03 /* LOCK: #UD */
COPROCESSOR em-esc-nobodys, CR0_EM, 0, .byte 0xd9, 0xd1 /* no instruction, but of D8 to DF */
COPROCESSOR ts-mp-wait, CR0_TS | CR0_MP, 0, fwait
COPROCESSOR ts-wait, CR0_TS, 0, fwait
COPROCESSOR mp-wait, CR0_MP, 0, fwait
COPROCESSOR em-wait, CR0_EM, 0, fwait
COPROCESSOR em-mp-wait, CR0_EM | CR0_MP, 0, fwait
COPROCESSOR ts-mp-wait-lock, CR0_TS | CR0_MP, 0, .byte 0xf0, 0x9b
COPROCESSOR em-emms, CR0_EM, 0, emms /* not an x87's: #UD */
COPROCESSOR em-ts-emms, CR0_EM | CR0_TS, 0, emms
COPROCESSOR em-movaps, CR0_EM, 0, movaps %xmm0, %xmm0
CASE "nm.clts-esc" /* CLTS, and LMSW, reach it at once */
    movl $(CR0_PE | CR0_TS | CR0_MP), %eax
TRY
    lmsw %ax
    clts
    fwait
    lmsw %ax
    fldz
END

/* SDM vol. 2B, "MOV - Move to/from Control Registers": what is #GP(0). */
.macro WRITE_CR name, cr, set, clear
    CASE "\cr\().\name", SHOW_RCX
    movq %\cr, %rax
    movabsq $\clear, %rdx
    notq %rdx
    andq %rdx, %rax
    movabsq $\set, %rdx
    orq %rdx, %rax
    TRY
    movq %rax, %\cr
    movq %\cr, %rcx
    END
.endm
WRITE_CR high-bit, cr0, 0x100000000, 0
WRITE_CR pg-without-pe, cr0, 0, CR0_PE
WRITE_CR no-pg, cr0, 0, CR0_PG
WRITE_CR nw-without-cd, cr0, CR0_NW, CR0_CD
WRITE_CR et-stays, cr0, 0, CR0_ET
WRITE_CR reserved-ignored, cr0, 0x1000ffc0, 0
WRITE_CR am-mp-ts, cr0, CR0_AM | CR0_MP | CR0_TS, 0
WRITE_CR no-pae, cr4, 0, CR4_PAE
WRITE_CR bit-31, cr4, 0x80000000, 0
WRITE_CR high-bit, cr4, 0x100000000, 0
WRITE_CR reserved-15, cr4, 0x8000, 0
WRITE_CR la57, cr4, CR4_LA57, 0
WRITE_CR tsd-pse, cr4, CR4_TSD | CR4_PSE, 0
WRITE_CR reserved-52, cr3, 0x10000000000000, 0
WRITE_CR reserved-62, cr3, 0x4000000000000000, 0
WRITE_CR noflush-without-pcide, cr3, CR3_NOFLUSH, 0
WRITE_CR reserved, cr8, 0x10, 0
WRITE_CR all, cr8, 0xf, 0
CASE "cr3.low-bits", SHOW_RCX /* without PCIDE all but PWT and PCD are ignored, and kept */
    movq %cr3, %rax
    orq $0xfff, %rax
TRY
    movq %rax, %cr3
    movq %cr3, %rcx
    andl $0xfff, %ecx
END
CASE "cr2.any", SHOW_RCX
TRY
    movq %r8, %cr2
    movq %cr2, %rcx
END
CASE "cr4.pcide", NEED_PCID | SHOW_RCX
    movq %cr4, %rax
    btsq $17, %rax
TRY
    movq %rax, %cr4
    movq %cr4, %rcx
END
CASE "cr4.pcide-needs-pcid-0", NEED_PCID
    movq %cr3, %rax
    orq $8, %rax
    movq %rax, %cr3
    movq %cr4, %rax
    btsq $17, %rax
TRY
    movq %rax, %cr4
END
CASE "cr3.noflush-reads-0", NEED_PCID | SHOW_RAX | SHOW_RCX
    movq %cr4, %rax
    btsq $17, %rax
    movq %rax, %cr4
    movq %cr3, %rax
    btsq $63, %rax
    orq $5, %rax
TRY
    movq %rax, %cr3
    movq %cr3, %rcx
    shrq $63, %rcx
    movq %cr3, %rax
    andl $0xfff, %eax
END

/* SDM vol. 2B, "RDMSR", "WRMSR": #GP(0) for an MSR that is not there, reserved bits, an address that is not
 * canonical. */
.macro MSR name, operation, msr, high, low
    CASE "\operation\().\name"
    movl $\msr, %ecx
    movl $\high, %edx
    movl $\low, %eax
    TRY
    \operation
    END
.endm
MSR unknown, rdmsr, 0x40001234, 0, 0
MSR unknown, wrmsr, 0x40001234, 0, 0
MSR unknown-high, rdmsr, 0xc0001fff, 0, 0
MSR lstar-bad, wrmsr, MSR_LSTAR, 0x8000, 0
MSR cstar-bad, wrmsr, MSR_CSTAR, 0x8000, 0
MSR fs-base-bad, wrmsr, MSR_FS_BASE, 0x8000, 0
MSR gs-base-bad, wrmsr, MSR_GS_BASE, 0x8000, 0
MSR kernel-gs-bad, wrmsr, MSR_KERNEL_GS_BASE, 0xffff7fff, 0
MSR sysenter-esp-bad, wrmsr, MSR_SYSENTER_ESP, 0x8000, 0
MSR sysenter-eip-bad, wrmsr, MSR_SYSENTER_EIP, 0x8000, 0
MSR lstar-good, wrmsr, MSR_LSTAR, 0xffff8000, 0
MSR star-any, wrmsr, MSR_STAR, 0xffffffff, 0xffffffff
MSR efer-reserved, wrmsr, MSR_EFER, 0, 0xd02
MSR efer-high, wrmsr, MSR_EFER, 1, 0xd01
MSR efer-no-lme, wrmsr, MSR_EFER, 0, 0xc01
MSR efer-no-lma, wrmsr, MSR_EFER, 0, 0x901
MSR pat-type-2, wrmsr, MSR_PAT, 0, 2
MSR pat-type-8, wrmsr, MSR_PAT, 0x08000000, 0
MSR pat-good, wrmsr, MSR_PAT, 0x00070406, 0x01050406
MSR apic-base-reserved, wrmsr, MSR_APIC_BASE, 0, 0xfee00901
MSR apic-base-high, wrmsr, MSR_APIC_BASE, 0x100000, 0xfee00900
MSR tsc-aux-high, wrmsr, MSR_TSC_AUX, 1, 0
CASE "efer.lma-stays", SHOW_RAX /* SDM vol. 3, 2.2.1: LMA is read-only */
    movl $MSR_EFER, %ecx
    movl $(EFER_SCE | EFER_LME), %eax
    xorl %edx, %edx
TRY
    wrmsr
    rdmsr
END
CASE "rdmsr.high-halves", SHOW_RAX | SHOW_RDX
    MSR_WRITE MSR_STAR, 0x1122334455667788
    movl $MSR_STAR, %ecx
    movq $-1, %rax
    movq $-1, %rdx
TRY
    rdmsr
END

/* SDM vol. 2B, "SYSCALL": RCX, R11, RFLAGS AND NOT FMASK; selectors from STAR alone. */
CASE "syscall.ring3", RING3
TRY
    syscall
END
CASE "syscall.ring0"
TRY
    syscall
END
CASE "syscall.r11", SHOW_R11
    MSR_WRITE MSR_FMASK, 0x47700
    TO_RING3 FLAG_FIXED|FLAG_DF|FLAG_AC|FLAG_IOPL
TRY
    syscall
END
CASE "syscall.rcx", SHOW_RAX
    SYSCALL_TO 1f
TRY
    syscall
2:
1:  leaq 2b(%rip), %rax
    subq %rcx, %rax
END
CASE "syscall.fmask-all", SHOW_FLAGS /* bit 1 stays */
    MSR_WRITE MSR_FMASK, 0xffffffff
    TO_RING3 FLAG_FIXED|FLAG_DF|FLAG_AC|FLAG_ID
TRY
    syscall
END
CASE "syscall.no-sce"
    MSR_WRITE MSR_EFER, EFER_LME|EFER_LMA
    TO_RING3
TRY
    syscall
END
CASE "syscall.star-rpl" /* SDM: CS is STAR[47:32] AND FFFCH */
    MSR_WRITE MSR_STAR, ((SEL_SYSRET << 48) | ((SEL_KCODE + 3) << 32))
    TO_RING3
TRY
    syscall
END

/* SDM vol. 2B, "SYSRET". */
CASE "sysret.good", SHOW_FLAGS
    leaq 1f(%rip), %rcx
    btsq $39, %rcx
    movl $0x3f7ed7, %r11d
TRY
    sysretq
1:
END
CASE "sysret.bad-rcx" /* #GP(0) in ring 0, on ring 0's stack */
    movq %r8, %rcx
    movl $2, %r11d
TRY
    sysretq
END
CASE "sysret.no-sce"
    MSR_WRITE MSR_EFER, EFER_LME|EFER_LMA
    leaq 1f(%rip), %rcx
    btsq $39, %rcx
TRY
    sysretq
1:
END
CASE "sysret.selectors", SHOW_RAX | SHOW_RDX
    MSR_WRITE MSR_STAR, 0x0018000800000000
    leaq 1f(%rip), %rcx
    btsq $39, %rcx
    movl $2, %r11d
TRY
    sysretq
1:  movl %cs, %eax
    movl %ss, %edx
END
CASE "sysret.star-rpl", SHOW_RAX | SHOW_RDX /* RPL is forced to 3 */
    MSR_WRITE MSR_STAR, 0x001b000800000000
    leaq 1f(%rip), %rcx
    btsq $39, %rcx
    movl $2, %r11d
TRY
    sysretq
1:  movl %cs, %eax
    movl %ss, %edx
END

/* SDM vol. 2B, "SWAPGS". */
CASE "swapgs", SHOW_RAX | SHOW_RCX
    MSR_WRITE MSR_GS_BASE, DATA
    MSR_WRITE MSR_KERNEL_GS_BASE, DATA+8
    movl $1, (%rbx)
    movl $2, 8(%rbx)
TRY
    swapgs
    movl %gs:0, %eax
    swapgs
    movl %gs:0, %ecx
END
CASE "swapgs.f3-prefix-ud" /* CR4.FSGSBASE clear: WRFSBASE and its like are #UD */
TRY
    wrfsbase %rax
END
CASE "rdgsbase.without-fsgsbase"
TRY
    rdgsbase %rax
END

/* SDM vol. 2A, "INVPCID". */
.macro INVALIDATE name, type, low, high, pcide=0
    CASE "invpcid.\name", NEED_PCID | NEED_INVPCID
    .if \pcide
    movq %cr4, %rax
    btsq $17, %rax
    movq %rax, %cr4
    .endif
    movabsq $\low, %rax
    movq %rax, (%rbx)
    movabsq $\high, %rax
    movq %rax, 8(%rbx)
    movq $\type, %rax
    TRY
    invpcid (%rbx), %rax
    END
.endm
INVALIDATE type-0, 0, 0, DATA
INVALIDATE type-4, 4, 0, 0
INVALIDATE type-high, 0x100000000, 0, 0
INVALIDATE reserved, 0, 0x1000, 0, 1
INVALIDATE reserved-high, 1, 0x8000000000000000, 0, 1
INVALIDATE bad-address, 0, 0, 0x800000000000
INVALIDATE bad-address-unused, 2, 0, 0x800000000000
INVALIDATE pcid-without-pcide, 0, 1, DATA
INVALIDATE pcid-without-pcide-type-1, 1, 1, DATA
INVALIDATE pcid-with-pcide, 1, 1, DATA, 1
INVALIDATE reserved-type-3, 3, 0x1000, 0, 1
CASE "invpcid.descriptor-absent", NEED_INVPCID
    xorl %eax, %eax
TRY
    invpcid (%r9), %rax
END
CASE "invpcid.type-before-descriptor", NEED_INVPCID
    movl $4, %eax
TRY
    invpcid (%r9), %rax
END

/* SDM vol. 3, 6.15, "Interrupt 17": CR0.AM, AC and CPL 3; error code 0. */
.macro ALIGNMENT name, cr0, flags, insn:vararg
    CASE "ac.\name"
    CR_SET cr0, \cr0
    TO_RING3 FLAG_FIXED|\flags
    TRY
    \insn
    END
.endm
ALIGNMENT word, CR0_AM, FLAG_AC, movw 1(%rbx), %ax
ALIGNMENT double, CR0_AM, FLAG_AC, movl 2(%rbx), %eax
ALIGNMENT quad, CR0_AM, FLAG_AC, movq 4(%rbx), %rax
ALIGNMENT store, CR0_AM, FLAG_AC, movl %eax, 1(%rbx)
ALIGNMENT aligned, CR0_AM, FLAG_AC, movl 4(%rbx), %eax
ALIGNMENT byte, CR0_AM, FLAG_AC, movb 1(%rbx), %al
ALIGNMENT without-ac, CR0_AM, 0, movl 1(%rbx), %eax
ALIGNMENT without-am, CR0_WP, FLAG_AC, movl 1(%rbx), %eax
ALIGNMENT call-memory, CR0_AM, FLAG_AC, call *1(%rbx)
ALIGNMENT before-page, CR0_AM, FLAG_AC, movl 1(%r9), %eax
ALIGNMENT cmpxchg16b, CR0_AM, FLAG_AC, cmpxchg16b 8(%rbx)
CASE "ac.push"
    CR_SET cr0, CR0_AM
    TO_RING3 FLAG_FIXED|FLAG_AC
    subq $4, %rsp
TRY
    pushq %rax
END
CASE "ac.ring0", SHOW_FLAGS
    CR_SET cr0, CR0_AM
    pushq $(FLAG_FIXED | FLAG_AC)
    popfq
TRY
    movl 1(%rbx), %eax
END

CASES_END
