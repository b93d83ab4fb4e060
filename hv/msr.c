/* msr.c - the model-specific registers of a VM.  An MSR lives in the VMCS, in the core itself as long as this
 * VM has it (vcpu.c), in struct vcpu, or nowhere, as a constant; those of the local APIC are in lapic_msr.c.
 * All others do not exist: #GP(0). */
#include "arch/insn.h"
#include "arch/x86.h"
#include "exits.h"
#include "vmx.h"

enum place { IN_VMCS, IN_CORE, IN_VCPU, CONSTANT };
enum rule { ANY, CANONICAL, LOW_32, MEMORY_TYPES, EXTENDED_FEATURES, MISC_ENABLES, AS_IT_IS };

static const struct virtual_msr {
    uint32_t number;
    enum place place;
    uint64_t value; /* field, or constant */
    enum rule rule; /* what a write may have */
} virtual_msrs[] = {
    {MSR_FS_BASE, IN_VMCS, VMCS_GUEST_FS_BASE, CANONICAL},
    {MSR_GS_BASE, IN_VMCS, VMCS_GUEST_GS_BASE, CANONICAL},
    {MSR_SYSENTER_CS, IN_VMCS, VMCS_GUEST_SYSENTER_CS, LOW_32},
    {MSR_SYSENTER_ESP, IN_VMCS, VMCS_GUEST_SYSENTER_ESP, CANONICAL},
    {MSR_SYSENTER_EIP, IN_VMCS, VMCS_GUEST_SYSENTER_EIP, CANONICAL},
    {MSR_EFER, IN_VCPU, 0, EXTENDED_FEATURES},
    {MSR_PAT, IN_VMCS, VMCS_GUEST_PAT, MEMORY_TYPES},
    {MSR_TSC, IN_VMCS, VMCS_TSC_OFFSET, ANY}, /* besides the core's own */
    {MSR_TSC_ADJUST, IN_VMCS, VMCS_TSC_OFFSET, ANY},
    {MSR_STAR, IN_CORE, 0, ANY},
    {MSR_LSTAR, IN_CORE, 0, CANONICAL},
    {MSR_CSTAR, IN_CORE, 0, CANONICAL},
    {MSR_FMASK, IN_CORE, 0, LOW_32},
    {MSR_KERNEL_GS_BASE, IN_CORE, 0, CANONICAL},
    {MSR_TSC_AUX, IN_CORE, 0, LOW_32},
    {MSR_MISC_ENABLE, IN_VCPU, 0, MISC_ENABLES},
    {MSR_DEBUGCTL, CONSTANT, 0, AS_IT_IS}, /* no branch records, no single-step on branches */
};

static const struct virtual_msr *find(uint32_t number)
{
    for (unsigned i = 0; i < sizeof virtual_msrs / sizeof virtual_msrs[0]; i++)
        if (virtual_msrs[i].number == number)
            return &virtual_msrs[i];
    return NULL;
}

static uint64_t read_msr(const struct vcpu *v, const struct virtual_msr *m)
{
    switch (m->place) {
    case IN_VMCS: return vmread((uint32_t)m->value) + (m->number == MSR_TSC ? rdtsc() : 0);
    case IN_CORE: return rdmsr(m->number);
    case IN_VCPU: return m->number == MSR_EFER ? v->efer : v->misc_enable;
    default: return m->value;
    }
}

/* The pager may keep bits in the VMCS that the guest has not set. */
static void write_own(struct vcpu *v, uint32_t number, uint64_t value)
{
    if (number == MSR_MISC_ENABLE) {
        v->misc_enable = value;
        return;
    }
    v->efer = value;
    vmwrite(VMCS_GUEST_EFER, value | v->vm->config.pager->efer_set);
    pager_mode_changed(v);
}

static void write_msr(struct vcpu *v, const struct virtual_msr *m, uint64_t value)
{
    switch (m->place) {
    case IN_VMCS: vmwrite((uint32_t)m->value, value - (m->number == MSR_TSC ? rdtsc() : 0)); break;
    case IN_CORE: wrmsr(m->number, value); break;
    case IN_VCPU: write_own(v, m->number, value); break;
    default: break;
    }
}

static bool read_any(struct vcpu *v, uint32_t number, uint64_t *value)
{
    const struct virtual_msr *m;

    if (lapic_has_msr(number))
        return lapic_read_msr(v, number, value);
    if (number == MSR_SIPI_ENTRY_STRUCT_PTR && startup_offered(v)) {
        *value = v->vm->startup_structure;
        return true;
    }
    m = find(number);
    if (m)
        *value = read_msr(v, m);
    return m;
}

void exit_rdmsr(struct vcpu *v)
{
    uint64_t value;

    if (!read_any(v, (uint32_t)v->gpr[REG_RCX], &value)) {
        vcpu_inject(VEC_GP, true, 0);
        return;
    }
    v->gpr[REG_RAX] = (uint32_t)value;
    v->gpr[REG_RDX] = value >> 32;
    vcpu_skip_instruction();
}

/* Each byte of IA32_PAT is a memory type: 0, 1, 4..7 (SDM vol. 3, 11.12.2 "IA32_PAT MSR"). */
static bool pat_valid(uint64_t value)
{
    for (unsigned i = 0; i < 64; i += 8)
        if ((value >> i & 0xff) > 7 || (value >> i & 0xfe) == 2)
            return false;
    return true;
}

/* LME stays, and LMA follows: the virtual processor, like the real one, has 64-bit mode alone. */
static bool efer_valid(const struct vcpu *v, uint64_t value)
{
    uint64_t nxe = v->misc_enable & MISC_ENABLE_XD_DISABLE ? 0 : EFER_NXE;

    return value & EFER_LME && !(value & ~(EFER_SCE | EFER_LME | EFER_LMA | nxe));
}

/* XD may not vanish while it is in use. */
static bool misc_enable_valid(const struct vcpu *v, uint64_t value)
{
    if (value & ~(uint64_t)(MISC_ENABLE_XD_DISABLE | MISC_ENABLE_FAST_STRINGS))
        return false;
    return !(value & MISC_ENABLE_XD_DISABLE) || !(v->efer & EFER_NXE);
}

static bool value_valid(const struct vcpu *v, const struct virtual_msr *m, uint64_t value)
{
    switch (m->rule) {
    case ANY: return true;
    case CANONICAL: return canonical(value);
    case LOW_32: return value >> 32 == 0;
    case MEMORY_TYPES: return pat_valid(value);
    case EXTENDED_FEATURES: return efer_valid(v, value);
    case MISC_ENABLES: return misc_enable_valid(v, value);
    default: return value == m->value;
    }
}

static bool write_any(struct vcpu *v, uint32_t number, uint64_t value)
{
    const struct virtual_msr *m;

    if (lapic_has_msr(number))
        return lapic_write_msr(v, number, value);
    if (number == MSR_SIPI_ENTRY_STRUCT_PTR && startup_offered(v))
        return startup_write_msr(v, value);
    m = find(number);
    if (!m || !value_valid(v, m, value))
        return false;
    write_msr(v, m, number == MSR_EFER ? value | EFER_LMA : value);
    if (number == MSR_TSC || number == MSR_TSC_ADJUST)
        lapic_tsc_moved(v);
    return true;
}

void exit_wrmsr(struct vcpu *v)
{
    const uint64_t *gpr = v->gpr;

    if (write_any(v, (uint32_t)gpr[REG_RCX], gpr[REG_RDX] << 32 | (uint32_t)gpr[REG_RAX]))
        vcpu_skip_instruction();
    else
        vcpu_inject(VEC_GP, true, 0);
}
