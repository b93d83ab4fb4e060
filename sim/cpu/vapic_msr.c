/* vapic_msr.c - x2APIC MSRs of a guest (SDM vol. 3, 29.5 "Virtualizing MSR-Based APIC Accesses"): by RDMSR and WRMSR
 * that have passed the MSR bitmaps.  The mode of the processor's own local APIC does not matter. */
#include "cpu/vapic.h"

#include "arch/apic.h"
#include "arch/x86.h"

static u32 offset_of(u32 msr)
{
    return (msr & 0xff) << 4;
}

static bool is_apic_msr(u32 msr)
{
    return msr >> 8 == MSR_X2APIC_FIRST >> 8;
}

bool vapic_has_msr(const struct core *c, u32 msr, bool write)
{
    if (!c->s.vmx_guest || !(c->s.vmx.proc2 & PROC2_X2APIC_MODE) || !is_apic_msr(msr))
        return false;
    if (offset_of(msr) == APIC_TPR)
        return true;
    return !write && c->s.vmx.proc2 & PROC2_APIC_REGISTERS;
}

bool vapic_read_msr(struct core *c, u32 msr, u64 *value)
{
    *value = vapic_load(c, offset_of(msr), 8);
    return true;
}

bool vapic_write_msr(struct core *c, u32 msr, u64 value)
{
    (void)msr;
    if (value >> 8)
        return false;
    vapic_store(c, APIC_TPR, 8, value);
    vapic_virtualise_tpr(c);
    return true;
}
