/* privilege.S - what ring 3 may not do, or only by leave of IOPL, of the TSS's I/O permission bitmap, or of a
 * gate; and what PUSHF, POPF and IRET make of RFLAGS at each CPL. */
#include "conformance/cases.h"

CASES privilege

/* SDM vol. 3, 5.9 "Privileged Instructions": #GP(0) at a CPL other than 0. */
.macro PRIVILEGED name, insn:vararg
    CASE "cpl.\name", RING3
    TRY
    \insn
    END
.endm
PRIVILEGED hlt, hlt
PRIVILEGED lgdt, lgdt (%rbx)
PRIVILEGED lidt, lidt (%rbx)
PRIVILEGED lldt, lldt %ax
PRIVILEGED ltr, ltr %ax
PRIVILEGED lmsw, lmsw %ax
PRIVILEGED clts, clts
PRIVILEGED mov-from-cr0, mov %cr0, %rax
PRIVILEGED mov-from-cr2, mov %cr2, %rax
PRIVILEGED mov-from-cr3, mov %cr3, %rax
PRIVILEGED mov-from-cr4, mov %cr4, %rax
PRIVILEGED mov-from-cr8, mov %cr8, %rax
PRIVILEGED mov-to-cr0, mov %rax, %cr0
PRIVILEGED mov-to-cr2, mov %rax, %cr2
PRIVILEGED mov-to-cr3, mov %rax, %cr3
PRIVILEGED mov-to-cr4, mov %rax, %cr4
PRIVILEGED mov-to-cr8, mov %rax, %cr8
PRIVILEGED mov-from-dr0, mov %dr0, %rax
PRIVILEGED mov-from-dr7, mov %dr7, %rax
PRIVILEGED mov-to-dr0, mov %rax, %dr0
PRIVILEGED mov-to-dr7, mov %rax, %dr7
PRIVILEGED rdmsr, rdmsr
PRIVILEGED wrmsr, wrmsr
PRIVILEGED invlpg, invlpg (%rbx)
PRIVILEGED invd, invd
PRIVILEGED wbinvd, wbinvd
PRIVILEGED swapgs, swapgs
PRIVILEGED sysretq, sysretq
PRIVILEGED cli, cli
PRIVILEGED sti, sti
PRIVILEGED in-imm, in $0x80, %al
PRIVILEGED in-dx, in %dx, %al
PRIVILEGED in-wide, in %dx, %eax
PRIVILEGED out-imm, out %al, $0x80
PRIVILEGED out-dx, out %al, %dx
PRIVILEGED ins, insb
PRIVILEGED outs, outsb
PRIVILEGED rep-ins-count-0, rep insb /* the check comes before the count */

CASE "cpl.invpcid", RING3 | NEED_INVPCID
TRY
    invpcid (%rbx), %rax
END
CASE "cpl.clac", RING3 | NEED_SMAP /* SDM vol. 2A, "CLAC": #UD at CPL 3 */
TRY
    clac
END
CASE "cpl.stac", RING3 | NEED_SMAP
TRY
    stac
END

/* Allowed everywhere unless CR4 says otherwise. */
CASE "cpl.sgdt-allowed", RING3
TRY
    sgdt (%rbx)
END
CASE "cpl.smsw-allowed", RING3
TRY
    smsw %eax
END
CASE "cpl.rdtsc-allowed", RING3
TRY
    rdtsc
    xorl %eax, %eax
    xorl %edx, %edx
END
CASE "cpl.cpuid-allowed", RING3
TRY
    cpuid
END

/* SDM vol. 3, 2.5, "CR4.UMIP": #GP(0) at a CPL above 0. */
.macro UMIP name, insn:vararg
    CASE "umip.\name", NEED_UMIP
    CR_SET cr4, CR4_UMIP
    TO_RING3
    TRY
    \insn
    END
.endm
UMIP sgdt, sgdt (%rbx)
UMIP sidt, sidt (%rbx)
UMIP sldt, sldt %eax
UMIP str, str %eax
UMIP smsw, smsw %eax
UMIP sgdt-before-page, sgdt (%r9)
UMIP sldt-memory, sldt (%r9)
CASE "umip.ring0", NEED_UMIP | SHOW_RAX
    CR_SET cr4, CR4_UMIP
TRY
    str %eax
END

/* CR4.TSD: RDTSC and RDTSCP only at CPL 0.  CR4.PCE clear: so RDPMC. */
CASE "tsd.rdtsc"
    CR_SET cr4, CR4_TSD
    TO_RING3
TRY
    rdtsc
END
CASE "tsd.rdtscp"
    CR_SET cr4, CR4_TSD
    TO_RING3
TRY
    rdtscp
END
CASE "tsd.ring0"
    CR_SET cr4, CR4_TSD
TRY
    rdtsc
END
CASE "pce.rdpmc"
    TO_RING3
TRY
    rdpmc
END

/* SDM vol. 1, 19.5.1 "I/O Privilege Level": CPL <= IOPL may use CLI, STI, IN, OUT. */
CASE "iopl.cli-3"
    TO_RING3 FLAG_FIXED|FLAG_IOPL|FLAG_IF
TRY
    cli
END
CASE "iopl.sti-3"
    TO_RING3 FLAG_FIXED|FLAG_IOPL
TRY
    sti
    nop
END
CASE "iopl.out-3"
    TO_RING3 FLAG_FIXED|FLAG_IOPL
TRY
    outb %al, $0x80
END
CASE "iopl.cli-2"
    TO_RING3 FLAG_FIXED|0x2000
TRY
    cli
END
CASE "iopl.out-1"
    TO_RING3 FLAG_FIXED|0x1000
TRY
    outb %al, $0x80
END

/* SDM vol. 1, 19.5.2 "I/O Permission Bit Map": a bit a port, all bits of an access clear; a byte more is read,
 * and must lie below the TSS's limit. */
.macro BITMAP name, offset, byte, value, port, insn:vararg
    CASE "bitmap.\name"
    movw $\offset, machine_task + TSS_IOMAP
    movb $\value, machine_task + TSS_BYTES + \byte
    TO_RING3
    movl $\port, %edx
    TRY
    \insn
    END
.endm
BITMAP clear, TSS_BYTES, 0, 0, 4, outb %al, %dx
BITMAP set, TSS_BYTES, 10, 1, 80, outb %al, %dx
BITMAP other-set, TSS_BYTES, 10, 0xfe, 80, outb %al, %dx
BITMAP word-first, TSS_BYTES, 10, 1, 80, outw %ax, %dx
BITMAP word-second, TSS_BYTES, 10, 2, 80, outw %ax, %dx
BITMAP word-next-byte, TSS_BYTES, 11, 1, 87, outw %ax, %dx
BITMAP word-clear, TSS_BYTES, 11, 2, 87, outw %ax, %dx
BITMAP double-last, TSS_BYTES, 10, 8, 80, inl %dx, %eax
BITMAP double-beyond, TSS_BYTES, 10, 0xf0, 80, outl %eax, %dx
BITMAP last-byte, TSS_BYTES, 15, 0, 119, outb %al, %dx
BITMAP last-byte-of-limit, TSS_BYTES, 15, 0, 120, outb %al, %dx
BITMAP beyond-limit, TSS_BYTES, 15, 0, 128, outb %al, %dx
BITMAP outside, 0xffff, 0, 0, 0, outb %al, %dx
BITMAP ins, TSS_BYTES, 10, 1, 80, insb
BITMAP imm, TSS_BYTES, 10, 1, 0, outb %al, $80

/* SDM vol. 2B, "PUSHF", "POPF", table 4-16 "Effect of POPF/POPFD on the EFLAGS Register". */
CASE "popf.ring0-all-but-tf", SHOW_FLAGS
    pushq $0x3f7ed5
TRY
    popfq
END
CASE "popf.ring0-rf", SHOW_RAX /* POPF clears RF, PUSHF shows neither RF nor VM */
    pushq $0x10002
TRY
    popfq
    pushfq
    popq %rax
END
CASE "popf.ring0-16bit", SHOW_FLAGS
    pushw $0x7ed5
TRY
    popfw
    addq $0, %rsp
END
CASE "popf.ring0-reserved", SHOW_FLAGS
    pushq $0xffffffffffc0802a
TRY
    popfq
END
CASE "popf.ring3-all-but-tf", SHOW_FLAGS | RING3
    pushq $0x3f7ed5
TRY
    popfq
END
CASE "popf.ring3-iopl3", SHOW_FLAGS /* IF may change, IOPL may not */
    TO_RING3 FLAG_FIXED|FLAG_IOPL
    pushq $0x202
TRY
    popfq
END
CASE "popf.ring3-iopl0-clears", SHOW_FLAGS /* without leave IF and IOPL stay, silently */
    TO_RING3 FLAG_FIXED|FLAG_IF|0x1000
    pushq $0x2
TRY
    popfq
END
CASE "pushf.ring3", SHOW_RAX
    TO_RING3 FLAG_FIXED|FLAG_IOPL|FLAG_NT|FLAG_AC
TRY
    pushfq
    popq %rax
END

/* SDM vol. 2A, "IRET": at CPL 0 also IOPL, IF, VIF and VIP; NT in RFLAGS is #GP(0) in 64-bit mode. */
CASE "iret.nt"
    pushq $0x4002
    popfq
TRY
    iretq
END
CASE "iret.nt-image", SHOW_FLAGS
    movq %rsp, %rax
    pushq $SEL_KDATA
    pushq %rax
    pushq $0x4002
    pushq $SEL_KCODE
    pushq $1f
TRY
    iretq
1:
END
CASE "iret.ring3-flags", SHOW_FLAGS /* in ring 3: IOPL and IF stay */
    TO_RING3 FLAG_FIXED|0x1000
    movq %rsp, %rax
    pushq $SEL_UDATA
    pushq %rax
    pushq $0x3f7ed7 & ~0x10000
    pushq $SEL_UCODE
    leaq 1f(%rip), %rcx
    pushq %rcx
TRY
    iretq
1:
END

/* SDM vol. 3, 6.12.1.2 "Protection of Exception- and Interrupt-Handler Procedures": the gate's DPL counts for
 * INT n, INT3, INTO alone. */
CASE "int.user-gate", RING3
TRY
    int $INT_USER
END
CASE "int.kernel-gate-ring3", RING3
TRY
    int $INT_KERNEL
END
CASE "int.kernel-gate-ring0"
TRY
    int $INT_KERNEL
END
CASE "int.pf-gate-ring3", RING3 /* an exception's gate */
TRY
    int $14
END
CASE "int.de-ring0" /* a trap like any INT n */
TRY
    int $0
END
CASE "int.trap-gate-keeps-if"
    TO_RING3 FLAG_FIXED|FLAG_IF
TRY
    int $INT_TRAP
END
CASE "int.absent-ring3", RING3
    xorl %eax, %eax
TRY
    int $INT_ABSENT
END

CASE "int.dpl-before-present" /* DPL is checked before P */
    movb $0x0e, machine_idt + 16 * INT_KERNEL + 5
    TO_RING3
TRY
    int $INT_KERNEL
END
CASE "int.type-before-dpl"
    TO_RING3
TRY
    int $INT_TYPE
END

CASES_END
