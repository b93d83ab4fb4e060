/* hypercall.c - VMCALL: what a guest may ask (arch/hypercall.h). */
#include "arch/hypercall.h"
#include "arch/x86.h"
#include "exits.h"

static uint64_t device_address(const struct vm *vm, uint64_t gpa)
{
    uint64_t address;

    return passthrough_device_address(vm, gpa, &address) ? address : (uint64_t)HC_UNKNOWN;
}

static uint64_t hypercall(struct vcpu *v, uint64_t number)
{
    switch (number) {
    case HC_NOP: return HC_OK;
    case HC_DEVICE_ADDRESS: return device_address(v->vm, v->gpr[REG_RDI]);
    case HC_FLUSH: vm_flush(v->vm); return HC_OK;
    default: return (uint64_t)HC_UNKNOWN;
    }
}

void exit_vmcall(struct vcpu *v)
{
    v->gpr[REG_RAX] = hypercall(v, v->gpr[REG_RAX]);
    vcpu_skip_instruction();
}
