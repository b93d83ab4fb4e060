/* hypercall.c - VMCALL: what a guest may ask (arch/hypercall.h). */
#include "arch/hypercall.h"
#include "arch/x86.h"
#include "exits.h"

static uint64_t hypercall(struct vcpu *v, uint64_t number)
{
    switch (number) {
    case HC_NOP: return HC_OK;
    case HC_FLUSH: vm_flush(v->vm); return HC_OK;
    default: return (uint64_t)HC_UNKNOWN;
    }
}

void exit_vmcall(struct vcpu *v)
{
    v->gpr[REG_RAX] = hypercall(v, v->gpr[REG_RAX]);
    vcpu_skip_instruction();
}
