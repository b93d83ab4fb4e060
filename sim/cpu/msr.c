/* msr.c - RDMSR and WRMSR (SDM vol. 4, 2.1 "Architectural MSRs"). */
#include "arch/vmx.h"
#include "cpu/apic.h"
#include "cpu/cpu.h"
#include "cpu/system.h"

/* ---- registers that are no more than their value ---- */

enum msr_rule { MSR_ANY, MSR_CANONICAL, MSR_LOW_32, MSR_MEMORY_TYPES, MSR_ZERO };

struct plain_msr {
    u32 number;
    enum msr_rule rule; /* what a write may have */
    size_t offset;      /* of its u64 in struct core_state */
};

#define FIELD(name) offsetof(struct core_state, name)
static const struct plain_msr plain_msr[] = {
    {MSR_STAR, MSR_ANY, FIELD(star)},
    {MSR_LSTAR, MSR_CANONICAL, FIELD(lstar)},
    {MSR_CSTAR, MSR_CANONICAL, FIELD(cstar)},
    {MSR_FMASK, MSR_LOW_32, FIELD(fmask)},
    {MSR_FS_BASE, MSR_CANONICAL, FIELD(seg[SEG_FS].base)},
    {MSR_GS_BASE, MSR_CANONICAL, FIELD(seg[SEG_GS].base)},
    {MSR_KERNEL_GS_BASE, MSR_CANONICAL, FIELD(kernel_gs_base)},
    {MSR_TSC_AUX, MSR_LOW_32, FIELD(tsc_aux)},
    {MSR_SYSENTER_CS, MSR_LOW_32, FIELD(sysenter_cs)},
    {MSR_SYSENTER_ESP, MSR_CANONICAL, FIELD(sysenter_esp)},
    {MSR_SYSENTER_EIP, MSR_CANONICAL, FIELD(sysenter_eip)},
    {MSR_PAT, MSR_MEMORY_TYPES, FIELD(pat)},
    {MSR_DEBUGCTL, MSR_ZERO, FIELD(debugctl)}, /* no branch records, no single-step on branches */
};

static const struct plain_msr *plain(u32 msr)
{
    for (size_t i = 0; i < sizeof plain_msr / sizeof *plain_msr; i++)
        if (plain_msr[i].number == msr)
            return &plain_msr[i];
    return NULL;
}

/* SDM vol. 3, 11.12.2 "IA32_PAT MSR": types 2, 3 and above 7 are reserved. */
static bool are_memory_types(u64 pat)
{
    for (unsigned i = 0; i < 64; i += 8) {
        u64 type = pat >> i & 0xff;
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static bool obeys(enum msr_rule rule, u64 value)
{
    switch (rule) {
    case MSR_CANONICAL: return sys_canonical(value);
    case MSR_LOW_32: return !(value >> 32);
    case MSR_MEMORY_TYPES: return are_memory_types(value);
    case MSR_ZERO: return value == 0;
    default: return true;
    }
}

/* ---- the others ---- */

u64 sys_tsc(const struct core *c)
{
    return c->s.vmx_guest ? vmx_tsc(c) : tsc_now(c);
}

/* IA32_TSC_ADJUST follows every write to the TSC (SDM vol. 3, 17.17.3 "Time-Stamp Counter Adjustment"), and
 * is here what makes the difference. */
static void write_tsc(struct core *c, u64 value)
{
    c->s.tsc_adjust += value - tsc_now(c);
    apic_tsc_moved(c);
}

static void write_tsc_adjust(struct core *c, u64 value)
{
    c->s.tsc_adjust = value;
    apic_tsc_moved(c);
}

bool sys_has_nx(const struct core *c)
{
    return !(c->s.misc_enable & MISC_ENABLE_XD_DISABLE);
}

/* LMA is read-only; LME cannot change while paging is on, which it always is (SDM vol. 3, 2.2.1 "Extended
 * Feature Enable Register", 9.8.5 "Initializing IA-32e Mode"). */
static bool write_efer(struct core *c, u64 value)
{
    u64 legal = EFER_SCE | EFER_LME | EFER_LMA | (sys_has_nx(c) ? EFER_NXE : 0);

    if (value & ~legal || !(value & EFER_LME))
        return false;
    c->s.efer = value | EFER_LMA;
    return true;
}

static bool write_feature_control(struct core *c, u64 value)
{
    u64 legal = FEATURE_CONTROL_LOCK | (c->m->b.firmware & RS_FW_VTX ? FEATURE_CONTROL_VMX : 0);

    if (c->s.feature_control & FEATURE_CONTROL_LOCK || value & ~legal)
        return false;
    c->s.feature_control = value;
    return true;
}

/* XD may not vanish while it is in use. */
static bool write_misc_enable(struct core *c, u64 value)
{
    if (value & ~(MISC_ENABLE_XD_DISABLE | MISC_ENABLE_FAST_STRINGS))
        return false;
    if (value & MISC_ENABLE_XD_DISABLE && c->s.efer & EFER_NXE)
        return false;
    c->s.misc_enable = value;
    return true;
}

/* One register for all cores. */
static bool write_sipi_entry(struct core *c, u64 hpa)
{
    if (hpa & 7 || hpa & ~PHYS_MASK)
        return false;
    c->m->b.sipi_entry_struct = hpa;
    return true;
}

static bool is_x2apic(u32 msr)
{
    return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST;
}

static u64 *plain_value(struct core *c, const struct plain_msr *p)
{
    return (u64 *)(void *)((char *)&c->s + p->offset);
}

bool sys_read_msr(struct core *c, u32 msr, u64 *value)
{
    const struct plain_msr *p = plain(msr);

    if (p) {
        *value = *plain_value(c, p);
        return true;
    }
    switch (msr) {
    case MSR_TSC: *value = sys_tsc(c); return true;
    case MSR_TSC_ADJUST: *value = c->s.tsc_adjust; return true;
    case MSR_APIC_BASE: *value = c->s.apic_base; return true;
    case MSR_FEATURE_CONTROL: *value = c->s.feature_control; return true;
    case MSR_SIPI_ENTRY_STRUCT_PTR: *value = c->m->b.sipi_entry_struct; return true;
    case MSR_MISC_ENABLE: *value = c->s.misc_enable; return true;
    case MSR_TSC_DEADLINE:
        apic_run_due(c);
        *value = c->s.tsc_deadline;
        return true;
    case MSR_EFER: *value = c->s.efer; return true;
    default: return is_x2apic(msr) ? apic_msr(c, msr, false, value) : vmx_read_msr(c, msr, value);
    }
}

bool sys_write_msr(struct core *c, u32 msr, u64 value)
{
    const struct plain_msr *p = plain(msr);

    if (p) {
        if (!obeys(p->rule, value))
            return false;
        *plain_value(c, p) = value;
        return true;
    }
    switch (msr) {
    case MSR_TSC: write_tsc(c, value); return true;
    case MSR_TSC_ADJUST: write_tsc_adjust(c, value); return true;
    case MSR_APIC_BASE: return apic_write_base(c, value);
    case MSR_FEATURE_CONTROL: return write_feature_control(c, value);
    case MSR_SIPI_ENTRY_STRUCT_PTR: return write_sipi_entry(c, value);
    case MSR_MISC_ENABLE: return write_misc_enable(c, value);
    case MSR_TSC_DEADLINE: apic_write_deadline(c, value); return true;
    case MSR_EFER: return write_efer(c, value);
    default: return is_x2apic(msr) && apic_msr(c, msr, true, &value);
    }
}
