/* msr.c - the model-specific registers of a VM.  An MSR lives in one of three places: in the VMCS, in the
 * core itself as long as this VM has it (vcpu.c), or nowhere, as a constant.  All others do not exist:
 * #GP(0). */
#include "arch/x86.h"
#include "cpu.h"
#include "exits.h"
#include "vmx.h"

enum place { IN_VMCS, IN_CORE, CONSTANT };

static const struct virtual_msr {
    uint32_t number;
    enum place place;
    uint64_t value; /* field, or constant */
    bool address;   /* only canonical addresses may be written */
} virtual_msrs[] = {
    {MSR_FS_BASE, IN_VMCS, VMCS_GUEST_FS_BASE, true},
    {MSR_GS_BASE, IN_VMCS, VMCS_GUEST_GS_BASE, true},
    {MSR_SYSENTER_CS, IN_VMCS, VMCS_GUEST_SYSENTER_CS, false},
    {MSR_SYSENTER_ESP, IN_VMCS, VMCS_GUEST_SYSENTER_ESP, true},
    {MSR_SYSENTER_EIP, IN_VMCS, VMCS_GUEST_SYSENTER_EIP, true},
    {MSR_EFER, IN_VMCS, VMCS_GUEST_EFER, false},
    {MSR_PAT, IN_VMCS, VMCS_GUEST_PAT, false},
    {MSR_STAR, IN_CORE, 0, false},
    {MSR_LSTAR, IN_CORE, 0, true},
    {MSR_CSTAR, IN_CORE, 0, true},
    {MSR_FMASK, IN_CORE, 0, false},
    {MSR_KERNEL_GS_BASE, IN_CORE, 0, true},
    {MSR_TSC_AUX, IN_CORE, 0, false},
    {MSR_TSC, CONSTANT, 0, false}, /* read by RDTSC's rule, below */
    {MSR_MISC_ENABLE, CONSTANT, MISC_ENABLE_FAST_STRINGS, false},
};

static const struct virtual_msr *find(uint32_t number)
{
    for (unsigned i = 0; i < sizeof virtual_msrs / sizeof virtual_msrs[0]; i++)
        if (virtual_msrs[i].number == number)
            return &virtual_msrs[i];
    return NULL;
}

static uint64_t read_msr(const struct virtual_msr *m)
{
    if (m->number == MSR_TSC)
        return rdtsc();
    if (m->place == IN_VMCS)
        return vmread((uint32_t)m->value);
    return m->place == IN_CORE ? rdmsr(m->number) : m->value;
}

void exit_rdmsr(struct vm *vm)
{
    const struct virtual_msr *m = find((uint32_t)vm->vcpu.gpr[REG_RCX]);
    uint64_t value;

    if (!m) {
        vcpu_inject(VEC_GP, true, 0);
        return;
    }
    value = read_msr(m);
    vm->vcpu.gpr[REG_RAX] = (uint32_t)value;
    vm->vcpu.gpr[REG_RDX] = value >> 32;
    vcpu_skip_instruction();
}

static bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Each byte of IA32_PAT is a memory type: 0, 1, 4..7 (SDM vol. 3, 11.12.2 "IA32_PAT MSR"). */
static bool pat_valid(uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8)
        if ((value >> i & 0xff) > 7 || (value >> i & 0xfe) == 2)
            return false;
    return true;
}

/* LME and LMA stay: the virtual processor, like the real one, has 64-bit mode alone. */
static bool efer_valid(uint64_t value)
{
    return (value & ~(uint64_t)(EFER_SCE | EFER_NXE)) == (EFER_LME | EFER_LMA) ||
           (value & ~(uint64_t)(EFER_SCE | EFER_NXE)) == EFER_LME;
}

static bool value_valid(const struct virtual_msr *m, uint64_t value)
{
    if (m->address)
        return canonical(value);
    if (m->number == MSR_EFER)
        return efer_valid(value);
    if (m->number == MSR_PAT)
        return pat_valid(value);
    if (m->number == MSR_FMASK || m->number == MSR_TSC_AUX)
        return value >> 32 == 0;
    return m->place != CONSTANT || value == m->value;
}

void exit_wrmsr(struct vm *vm)
{
    const uint64_t *gpr = vm->vcpu.gpr;
    const struct virtual_msr *m = find((uint32_t)gpr[REG_RCX]);
    uint64_t value = gpr[REG_RDX] << 32 | (uint32_t)gpr[REG_RAX];

    if (!m || !value_valid(m, value)) {
        vcpu_inject(VEC_GP, true, 0);
        return;
    }
    if (m->number == MSR_EFER)
        value |= EFER_LMA;
    if (m->place == IN_VMCS)
        vmwrite((uint32_t)m->value, value);
    else if (m->place == IN_CORE)
        wrmsr(m->number, value);
    vcpu_skip_instruction();
}
