/* loops.S - the phases written by hand: the instructions of a turn are what is written here. */
#include "arch/vmx.h"
#include "memory.h"

#define LOOP(name) .globl name; .balign 64; name

    .text

/* A xorshift generator; its lowest bit, which a predictor cannot learn, chooses one of two ways of two
 * instructions. */
LOOP(alu_turns):
    movabsq $0x9e3779b97f4a7c15, %rdx
    xorl %eax, %eax
    .balign 64
1:  movq %rdx, %rcx
    shlq $13, %rcx
    xorq %rcx, %rdx
    movq %rdx, %rcx
    shrq $7, %rcx
    xorq %rcx, %rdx
    movq %rdx, %rcx
    shlq $17, %rcx
    xorq %rcx, %rdx
    leaq 5(%rax, %rdx, 4), %rax
    cmpq %rcx, %rdx
    adcq $0, %rax
    testb $1, %dl
    jz 2f
    addq %rdx, %rax
    jmp 3f
2:  subq %rcx, %rax
    rorq $9, %rax
3:  decq %rdi
    jnz 1b
    ret

LOOP(chase_turns):
    movabsq $CHASE_GVA, %rax
    .balign 64
1:  movq (%rax), %rax
    decq %rdi
    jnz 1b
    ret

LOOP(movs_turns):
    movq %rdi, %rdx
    .balign 64
1:  movl $string_from, %esi
    movl $string_to, %edi
    movl $STRING_WORDS, %ecx
    rep movsq
    decq %rdx
    jnz 1b
    movq -8(%rdi), %rax
    ret

LOOP(stos_turns):
    movq %rdi, %rdx
    movq %rdi, %rax
    .balign 64
1:  movl $string_to, %edi
    movl $STRING_WORDS, %ecx
    rep stosq
    decq %rdx
    jnz 1b
    movq -8(%rdi), %rax
    ret

LOOP(interrupt_turns):
    xorl %eax, %eax
    .balign 64
1:  int $INTERRUPT_VECTOR
    decq %rdi
    jnz 1b
    ret

    .globl interrupt_handler
    .balign 64
interrupt_handler:
    incq %rax
    iretq

/* Two address spaces by turns, whose pages at CHASE_GVA differ. */
LOOP(cr3_turns):
    movabsq $CHASE_GVA, %rsi
    movq %cr3, %r10
    movq %r10, %r8
    movq other_root(%rip), %r9
    xorl %eax, %eax
    .balign 64
1:  xchgq %r8, %r9
    movq %r8, %cr3
    addq 0x0000(%rsi), %rax
    addq 0x1040(%rsi), %rax
    addq 0x2080(%rsi), %rax
    addq 0x30c0(%rsi), %rax
    addq 0x4100(%rsi), %rax
    addq 0x5140(%rsi), %rax
    addq 0x6180(%rsi), %rax
    addq 0x71c0(%rsi), %rax
    decq %rdi
    jnz 1b
    movq %r10, %cr3
    ret

/* ---- in VMX non-root operation ---- */

/* The guest begins at `guest`; an exit goes to `host`, on the stack as it is.  Uses RSI and R8. */
.macro GUEST_AT guest, host
    movl $VMCS_HOST_RSP, %esi
    vmwrite %rsp, %rsi
    movl $VMCS_HOST_RIP, %esi
    movl $\host, %r8d
    vmwrite %r8, %rsi
    movl $VMCS_GUEST_RIP, %esi
    movl $\guest, %r8d
    vmwrite %r8, %rsi
.endm

/* uint64_t vmx_launch(void): a guest that only exits; 0, or the status flags of VMLAUNCH. */
LOOP(vmx_launch):
    GUEST_AT 1f, 2f
    vmlaunch
    pushfq
    popq %rax
    ret
1:  vmcall
2:  movl $VMCS_EXIT_REASON, %esi
    vmread %rsi, %rax
    subq $EXIT_VMCALL, %rax
    ret

/* What an exit costs.  The sum is that of all RIPs behind the guest's CPUID. */
LOOP(exits_turns):
    xorl %eax, %eax
    GUEST_AT 1f, 2f
    vmresume
    ret
    .balign 64
1:  cpuid
    jmp 1b
    .balign 64
2:  movl $VMCS_EXIT_REASON, %esi
    vmread %rsi, %rdx
    cmpl $EXIT_CPUID, %edx
    jne 3f
    movl $VMCS_EXIT_INSN_LENGTH, %esi
    vmread %rsi, %rcx
    movl $VMCS_GUEST_RIP, %esi
    vmread %rsi, %rdx
    addq %rcx, %rdx
    vmwrite %rdx, %rsi
    addq %rdx, %rax
    decq %rdi
    jz 3f
    vmresume
3:  ret

/* The chase, by guest's tables and EPT. */
LOOP(ept_chase_turns):
    movabsq $CHASE_GVA, %rax
    GUEST_AT 1f, 2f
    vmresume
    ret
    .balign 64
1:  movq (%rax), %rax
    decq %rdi
    jnz 1b
    vmcall
2:  ret
