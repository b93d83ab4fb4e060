/* vmenter.S - into the guest and out again.
 *
 * bool vmx_enter(struct vcpu *vcpu, uint64_t launched)
 *
 * VM entry and exit switch RIP, RSP, RFLAGS, segments and control registers by the VMCS; the other fifteen
 * general registers are ours to switch.  Returns true after an exit, false if the entry failed (VMfail). */
#include "arch/x86.h"
#include "vcpu.h"

    .text
    .globl vmx_enter, vmx_exit_point
vmx_enter:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi
    cmpq %rsp, VCPU_HOST_RSP(%rdi)
    je 1f
    movq %rsp, VCPU_HOST_RSP(%rdi)
    movl $VCPU_HOST_RSP_FIELD, %eax
    vmwrite %rsp, %rax
1:  testq %rsi, %rsi /* the loads below leave the flags alone */
    movq 8 * REG_RAX(%rdi), %rax
    movq 8 * REG_RCX(%rdi), %rcx
    movq 8 * REG_RDX(%rdi), %rdx
    movq 8 * REG_RBX(%rdi), %rbx
    movq 8 * REG_RBP(%rdi), %rbp
    movq 8 * REG_RSI(%rdi), %rsi
    movq 8 * REG_R8(%rdi), %r8
    movq 8 * REG_R9(%rdi), %r9
    movq 8 * REG_R10(%rdi), %r10
    movq 8 * REG_R11(%rdi), %r11
    movq 8 * REG_R12(%rdi), %r12
    movq 8 * REG_R13(%rdi), %r13
    movq 8 * REG_R14(%rdi), %r14
    movq 8 * REG_R15(%rdi), %r15
    movq 8 * REG_RDI(%rdi), %rdi
    jnz 2f
    vmlaunch
    jmp 3f
2:  vmresume
3:  /* VMfail: the guest's registers are as they were */
    popq %rdi
    xorl %eax, %eax
    jmp 4f

vmx_exit_point: /* the VMCS's host RIP; RSP is as before the entry */
    pushq %rdi
    movq 8(%rsp), %rdi
    movq %rax, 8 * REG_RAX(%rdi)
    movq %rcx, 8 * REG_RCX(%rdi)
    movq %rdx, 8 * REG_RDX(%rdi)
    movq %rbx, 8 * REG_RBX(%rdi)
    movq %rbp, 8 * REG_RBP(%rdi)
    movq %rsi, 8 * REG_RSI(%rdi)
    movq %r8, 8 * REG_R8(%rdi)
    movq %r9, 8 * REG_R9(%rdi)
    movq %r10, 8 * REG_R10(%rdi)
    movq %r11, 8 * REG_R11(%rdi)
    movq %r12, 8 * REG_R12(%rdi)
    movq %r13, 8 * REG_R13(%rdi)
    movq %r14, 8 * REG_R14(%rdi)
    movq %r15, 8 * REG_R15(%rdi)
    popq 8 * REG_RDI(%rdi)
    popq %rdi
    movl $1, %eax
4:  popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
