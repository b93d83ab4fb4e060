/* debug.S - single steps, breakpoint registers, DR6 and DR7 (SDM vol. 3, 17.2 "Debug Registers", 17.3 "Debug
 * Exceptions"). */
#include "conformance/cases.h"

/* DR7: enable bits, R/W and LEN of one breakpoint (figure 17-1). */
#define L(n)       (1 << (2 * (n)))
#define G(n)       (2 << (2 * (n)))
#define EXEC(n)    0
#define WRITE(n)   (1 << (16 + 4 * (n)))
#define IO(n)      (2 << (16 + 4 * (n)))
#define ACCESS(n)  (3 << (16 + 4 * (n)))
#define LEN1(n)    0
#define LEN2(n)    (1 << (18 + 4 * (n)))
#define LEN8(n)    (2 << (18 + 4 * (n)))
#define LEN4(n)    (3 << (18 + 4 * (n)))

.macro WATCH n, address, dr7
    movq $\address, %rax
    movq %rax, %dr\n
    movl $(\dr7 | DR7_FIXED), %eax
    movq %rax, %dr7
    movl $0, %eax
.endm

.macro SET_TF
    pushq $(FLAG_FIXED | FLAG_TF)
    popfq
.endm

CASES debug

/* SDM vol. 3, 17.3.1.4 "Single-Step Exception Condition": a trap after the instruction that follows the one
 * that sets TF. */
CASE "tf.popf", STEPS(2)
    pushq $(FLAG_FIXED | FLAG_TF)
TRY
    popfq
    nop
    nop
END
CASE "tf.popf-clears", STEPS(2) /* TF counts as it was when the instruction began */
    SET_TF
TRY
    pushq $FLAG_FIXED
    popfq
    nop
END
CASE "tf.iret", STEPS(2)
    movq %rsp, %rax
    pushq $SEL_KDATA
    pushq %rax
    pushq $(FLAG_FIXED | FLAG_TF)
    pushq $SEL_KCODE
    pushq $1f
TRY
    iretq
1:  nop
    nop
END
CASE "tf.ring3", STEPS(2)
    TO_RING3 FLAG_FIXED|FLAG_TF
TRY
    nop
    nop
END
CASE "tf.branch", STEPS(2)
    SET_TF
TRY
    jmp 1f
    nop
1:  nop
END
CASE "tf.rep-movs", STEPS(4) | SHOW_RCX /* a step an iteration */
    movl $3, %ecx
    pushq $(FLAG_FIXED | FLAG_TF)
    popfq
TRY
    rep movsb
    nop
END
CASE "tf.rep-count-0", STEPS(1)
    SET_TF
TRY
    rep movsb
    nop
END
CASE "tf.mov-ss", STEPS(2) /* SDM vol. 3, 6.8.3: debug exceptions wait for the next instruction's end */
    movl $SEL_KDATA, %eax
    SET_TF
TRY
    movl %eax, %ss
    nop
    nop
END
CASE "tf.sti", STEPS(2)
    SET_TF
TRY
    sti
    cli
END
CASE "tf.int-n", STEPS(2) /* SDM vol. 3, 17.3.1.4: INT n clears TF, and there is no step */
    SET_TF
TRY
    int $INT_USER
    nop
    nop
END
CASE "tf.int3", STEPS(1)
    SET_TF
TRY
    int3
    nop
END
CASE "tf.ud2"
    SET_TF
TRY
    ud2
END
CASE "tf.page-fault"
    SET_TF
TRY
    movb (%r9), %al
END
CASE "tf.pushf", STEPS(2) | SHOW_RAX
    SET_TF
TRY
    pushfq
    popq %rax
END
/* FMASK clears TF before there is anything to step. */
CASE "tf.syscall-masked", STEPS(1)
    MSR_WRITE MSR_FMASK, FLAG_TF
    SYSCALL_TO 1f
    TO_RING3 FLAG_FIXED|FLAG_TF
    syscall
TRY
1:  nop
END
CASE "tf.syscall-unmasked", STEPS(1)
    SYSCALL_TO 1f
    TO_RING3 FLAG_FIXED|FLAG_TF
    syscall
TRY
1:  nop
    nop
END
CASE "tf.sysret", STEPS(2)
    leaq 1f(%rip), %rcx
    btsq $39, %rcx
    movl $(FLAG_FIXED | FLAG_TF), %r11d
    sysretq
TRY
1:  nop
    nop
END
CASE "tf.mov-to-cr", STEPS(1)
    movq %cr0, %rax
    SET_TF
TRY
    movq %rax, %cr0
    nop
END
CASE "tf.cpuid", STEPS(1)
    SET_TF
TRY
    cpuid
    nop
END
CASE "tf.rdmsr", STEPS(1)
    movl $MSR_STAR, %ecx
    SET_TF
TRY
    rdmsr
    nop
END
CASE "tf.out", STEPS(1)
    SET_TF
TRY
    outb %al, $0x80
    nop
END
CASE "tf.xchg-bx-marker", STEPS(1)
    SET_TF
TRY
    xchgw %bx, %bx
    nop
END

/* SDM vol. 3, 17.3.1.1 "Instruction-Breakpoint Exception Condition": a fault, before the instruction; RF in the
 * image lets it go on. */
CASE "exec.hit"
    WATCH 0, 1f, L(0)
TRY
    nop
1:  nop
END
CASE "exec.rf-image", SHOW_FLAGS
    WATCH 0, 1f, L(0)
TRY
1:  nop
END
CASE "exec.global"
    WATCH 1, 1f, G(1)
TRY
1:  nop
END
CASE "exec.disabled"
    WATCH 1, 1f, L(0)
TRY
1:  nop
END
CASE "exec.second-byte"
    WATCH 2, 1f + 1, L(2)
TRY
1:  movl $1, %eax
END
CASE "exec.first-prefix"
    WATCH 2, 1f, L(2)
TRY
1:  rep; nop
END
CASE "exec.two"
    movq $1f, %rax
    movq %rax, %dr3
    WATCH 0, 1f, L(0) | L(3)
TRY
1:  nop
END
CASE "exec.loop" /* RF lasts for one instruction */
    movl $3, %ecx
    WATCH 0, 1f, L(0)
TRY
1:  nop
    loop 1b
END
CASE "exec.rf-by-iret"
    WATCH 0, 1f, L(0)
    movq %rsp, %rax
    pushq $SEL_KDATA
    pushq %rax
    pushq $(FLAG_FIXED | FLAG_RF)
    pushq $SEL_KCODE
    pushq $1f
TRY
    iretq
1:  nop
    nop
END
CASE "exec.before-fault" /* the breakpoint, then the fault, whose image has RF */
    WATCH 0, 1f, L(0)
TRY
1:  ud2
END
CASE "exec.after-mov-ss" /* SDM vol. 3, 6.8.3 */
    WATCH 0, 1f, L(0)
    movl $SEL_KDATA, %eax
TRY
    movl %eax, %ss
1:  nop
    nop
END
CASE "exec.and-step", STEPS(2) /* traps of the last instruction come before faults of the next */
    WATCH 0, 1f, L(0)
    SET_TF
TRY
    nop
1:  nop
    nop
END
CASE "exec.ring3"
    movabsq $(1f + ALIAS), %rax
    movq %rax, %dr0
    movl $(L(0) | DR7_FIXED), %eax
    movq %rax, %dr7
    TO_RING3
TRY
1:  nop
END
CASE "exec.rep", SHOW_RCX /* once, not every iteration */
    movl $3, %ecx
    WATCH 0, 1f, L(0)
TRY
1:  rep movsb
END

/* SDM vol. 3, 17.3.1.2 "Data Memory and I/O Breakpoint Exception Conditions": traps.  17.2.5, table 17-1: the
 * address's low bits by LEN; any byte of the access counts. */
CASE "watch.write1"
    WATCH 0, DATA, L(0) | WRITE(0) | LEN1(0)
TRY
    movb %al, (%rbx)
    nop
END
CASE "watch.write2"
    WATCH 1, DATA + 2, L(1) | WRITE(1) | LEN2(1)
TRY
    movb %al, 3(%rbx)
    nop
END
CASE "watch.write4"
    WATCH 2, DATA + 4, L(2) | WRITE(2) | LEN4(2)
TRY
    movb %al, 7(%rbx)
    nop
END
CASE "watch.write8"
    WATCH 3, DATA + 8, L(3) | WRITE(3) | LEN8(3)
TRY
    movb %al, 15(%rbx)
    nop
END
CASE "watch.beside"
    WATCH 0, DATA + 8, L(0) | WRITE(0) | LEN4(0)
TRY
    movb %al, 7(%rbx)
    movb %al, 12(%rbx)
END
CASE "watch.overlap"
    WATCH 0, DATA + 3, L(0) | WRITE(0) | LEN1(0)
TRY
    movl %eax, (%rbx)
    nop
END
CASE "watch.unaligned-access"
    WATCH 0, DATA + 8, L(0) | WRITE(0) | LEN8(0)
TRY
    movq %rax, 1(%rbx)
    nop
END
CASE "watch.address-rounded"
    WATCH 0, DATA + 3, L(0) | WRITE(0) | LEN4(0)
TRY
    movb %al, (%rbx)
    nop
END
CASE "watch.write-not-read"
    WATCH 0, DATA, L(0) | WRITE(0) | LEN4(0)
TRY
    movl (%rbx), %eax
END
CASE "watch.access-read"
    WATCH 0, DATA, L(0) | ACCESS(0) | LEN4(0)
TRY
    movl (%rbx), %eax
    nop
END
CASE "watch.access-write"
    WATCH 0, DATA, L(0) | ACCESS(0) | LEN4(0)
TRY
    movl %eax, (%rbx)
    nop
END
CASE "watch.not-fetch"
    WATCH 0, 1f, L(0) | ACCESS(0) | LEN1(0)
TRY
1:  nop
END
CASE "watch.read-modify-write"
    WATCH 0, DATA, L(0) | WRITE(0) | LEN4(0)
TRY
    incl (%rbx)
    nop
END
CASE "watch.two"
    movq $DATA, %rax
    movq %rax, %dr1
    WATCH 0, DATA, L(0) | L(1) | WRITE(0) | ACCESS(1) | LEN4(0)
TRY
    movb %al, (%rbx)
    nop
END
CASE "watch.push"
    WATCH 0, TOP_CASE - 8, L(0) | WRITE(0) | LEN8(0)
TRY
    pushq %rax
    nop
END
CASE "watch.call"
    WATCH 0, TOP_CASE - 8, L(0) | WRITE(0) | LEN8(0)
TRY
    call 1f
1:  nop
END
CASE "watch.rep-stos", SHOW_RCX /* after the iteration */
    WATCH 0, DATA + 1, L(0) | WRITE(0) | LEN1(0)
    movl $3, %ecx
TRY
    rep stosb
    nop
END
CASE "watch.movs-both"
    WATCH 0, DATA, L(0) | ACCESS(0) | LEN1(0)
TRY
    movsb
    nop
END
CASE "watch.mov-ss" /* held until after the next instruction */
    movl $SEL_KDATA, (%rbx)
    WATCH 0, DATA, L(0) | ACCESS(0) | LEN2(0)
TRY
    movw (%rbx), %ss
    nop
    nop
END
CASE "watch.faulting-write" /* the access is not made */
    movq $HOLE, %rax
    movq %rax, %dr0
    movl $(L(0) | WRITE(0) | DR7_FIXED), %eax
    movq %rax, %dr7
TRY
    movb %al, (%r9)
END
CASE "watch.with-step", STEPS(1) /* both bits at once */
    WATCH 0, DATA, L(0) | WRITE(0) | LEN1(0)
    SET_TF
TRY
    movb %al, (%rbx)
    nop
END
CASE "watch.ring3"
    movabsq $(DATA + ALIAS), %rax
    movq %rax, %dr0
    movl $(L(0) | WRITE(0) | DR7_FIXED), %eax
    movq %rax, %dr7
    TO_RING3
TRY
    movb %al, (%rbx)
    nop
END
CASE "watch.port" /* R/W 10 with CR4.DE */
    WATCH 0, 0x80, L(0) | IO(0) | LEN1(0)
TRY
    outb %al, $0x80
    nop
END
CASE "watch.port-in"
    WATCH 0, 0x80, L(0) | IO(0) | LEN1(0)
TRY
    inb $0x80, %al
    nop
END
CASE "watch.port-not-memory"
    WATCH 0, DATA, L(0) | IO(0) | LEN4(0)
TRY
    movb %al, (%rbx)
END

/* SDM vol. 3, 17.2.4 "Debug Control Register (DR7)": GD; DR6.BD; cleared on the way to the handler. */
CASE "gd.write"
    movl $(DR7_GD | DR7_FIXED), %eax
    movq %rax, %dr7
TRY
    movq %rax, %dr0
END
CASE "gd.read"
    movl $(DR7_GD | DR7_FIXED), %eax
    movq %rax, %dr7
TRY
    movq %dr7, %rax
END
CASE "gd.read-after", SHOW_RCX
    movl $(DR7_GD | DR7_FIXED), %eax
    movq %rax, %dr7
TRY
    movq %dr3, %rax
    movq %dr7, %rcx
END
CASE "gd.ring3" /* privilege comes first */
    movl $(DR7_GD | DR7_FIXED), %eax
    movq %rax, %dr7
    TO_RING3
TRY
    movq %rax, %dr0
END

/* SDM vol. 3, 17.2.2 "Debug Registers DR4 and DR5", 17.2.6: reserved bits. */
CASE "dr.dr4-with-de"
TRY
    movq %dr4, %rax
END
CASE "dr.dr5-with-de"
TRY
    movq %rax, %dr5
END
CASE "dr.dr4-without-de", SHOW_RAX
    movq %cr4, %rax
    andq $~CR4_DE, %rax
    movq %rax, %cr4
TRY
    movq %dr4, %rax
END
CASE "dr.dr6-high"
    movabsq $0x100000000, %rax
TRY
    movq %rax, %dr6
END
CASE "dr.dr7-high"
    movabsq $0x100000400, %rax
TRY
    movq %rax, %dr7
END
CASE "dr.dr6-zero", SHOW_RCX
TRY
    movq %rax, %dr6
    movq %dr6, %rcx
END
CASE "dr.dr6-ones", SHOW_RCX
    movl $0xffffffff, %eax
TRY
    movq %rax, %dr6
    movq %dr6, %rcx
END
CASE "dr.dr7-zero", SHOW_RCX
TRY
    movq %rax, %dr7
    movq %dr7, %rcx
END
CASE "dr.dr7-fixed-bits", SHOW_RCX
    movl $0xd000, %eax
TRY
    movq %rax, %dr7
    movq %dr7, %rcx
END
CASE "dr.dr0-any-value", SHOW_RCX
TRY
    movq %r8, %dr0
    movq %dr0, %rcx
END
CASE "dr.b-bits-stay" /* the processor sets bits and clears none but BS */
    movl $0xffff0ff8, %eax
    movq %rax, %dr6
    WATCH 0, DATA, L(0) | WRITE(0)
TRY
    movb %al, (%rbx)
    nop
END

CASES_END
