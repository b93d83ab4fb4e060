/* switch.S - between rings, and between root and non-root operation. */
#include "arch/vmx.h"
#include "vtx/lib/layout.h"

#define REG(n) (8 * REG_##n)

    .text
/* void ring3_enter(void (*fn)(void), uint64_t stack): fn ends it by a fault or by returning. */
    .globl ring3_enter
ring3_enter:
    leaq -8(%rsi), %rsi
    leaq ring3_leave(%rip), %rax
    movq %rax, (%rsi)
    pushq $SEL_USER_DATA
    pushq %rsi
    pushq $FLAG_FIXED
    pushq $SEL_USER_CODE
    pushq %rdi
    iretq
ring3_leave:
    int $INT_LEAVE

/* void nmi_unblock(void): IRET lets NMIs in again. */
    .globl nmi_unblock
nmi_unblock:
    movq %rsp, %rax
    pushq $SEL_DATA
    pushq %rax
    pushfq
    pushq $SEL_CODE
    leaq 1f(%rip), %rax
    pushq %rax
    iretq
1:  ret

/* uint64_t guest_enter(uint64_t registers[16], uint64_t launched): 0 after a VM exit, else the flags of VMfail. */
    .globl guest_enter, guest_exit
guest_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi
    movl $VMCS_HOST_RSP, %eax
    vmwrite %rsp, %rax
    testq %rsi, %rsi
    movq REG(RAX)(%rdi), %rax
    movq REG(RCX)(%rdi), %rcx
    movq REG(RDX)(%rdi), %rdx
    movq REG(RBX)(%rdi), %rbx
    movq REG(RBP)(%rdi), %rbp
    movq REG(RSI)(%rdi), %rsi
    movq REG(R8)(%rdi), %r8
    movq REG(R9)(%rdi), %r9
    movq REG(R10)(%rdi), %r10
    movq REG(R11)(%rdi), %r11
    movq REG(R12)(%rdi), %r12
    movq REG(R13)(%rdi), %r13
    movq REG(R14)(%rdi), %r14
    movq REG(R15)(%rdi), %r15
    movq REG(RDI)(%rdi), %rdi
    jnz 1f
    vmlaunch
    jmp 2f
1:  vmresume
2:  pushfq
    popq %rax
    popq %rdi
    jmp 3f

guest_exit: /* host RIP; RSP is as before the entry */
    xchgq %rdi, (%rsp)
    movq %rax, REG(RAX)(%rdi)
    movq %rcx, REG(RCX)(%rdi)
    movq %rdx, REG(RDX)(%rdi)
    movq %rbx, REG(RBX)(%rdi)
    movq %rbp, REG(RBP)(%rdi)
    movq %rsi, REG(RSI)(%rdi)
    movq %r8, REG(R8)(%rdi)
    movq %r9, REG(R9)(%rdi)
    movq %r10, REG(R10)(%rdi)
    movq %r11, REG(R11)(%rdi)
    movq %r12, REG(R12)(%rdi)
    movq %r13, REG(R13)(%rdi)
    movq %r14, REG(R14)(%rdi)
    movq %r15, REG(R15)(%rdi)
    popq REG(RDI)(%rdi)
    xorl %eax, %eax
3:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* Where the guest's function returns to. */
    .globl guest_return
guest_return:
    movl $GUEST_DONE, %eax
    vmcall
    hlt
