/* vapic_msr.c - x2APIC MSRs of a guest (SDM vol. 3, 29.5 "Virtualizing MSR-Based APIC Accesses"): by RDMSR
 * and WRMSR that have passed the MSR bitmaps.  The mode of the processor's own local APIC does not matter. */
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

/* By "virtual-interrupt delivery". */
static bool delivers_msr(u32 offset)
{
    return offset == APIC_EOI || offset == APIC_SELF_IPI;
}

bool vapic_has_msr(const struct core *c, u32 msr, bool write)
{
    u32 offset = offset_of(msr);
    if (!c->s.vmx_guest || !(c->s.vmx.proc2 & PROC2_X2APIC_MODE) || !is_apic_msr(msr))
        return false;
    if (offset == APIC_TPR)
        return true;
    return write ? vapic_delivers(c) && delivers_msr(offset) : c->s.vmx.proc2 & PROC2_APIC_REGISTERS;
}

bool vapic_read_msr(struct core *c, u32 msr, u64 *value)
{
    *value = vapic_load(c, offset_of(msr), 8);
    vapic_tell(c, VAPIC_READ, offset_of(msr), *value);
    return true;
}

static void self_ipi(struct core *c, u64 vector)
{
    if (vector < 16)
        vapic_exit_later(c, EXIT_APIC_WRITE, APIC_SELF_IPI);
    else
        vapic_self_ipi(c, (unsigned)vector);
}

bool vapic_write_msr(struct core *c, u32 msr, u64 value)
{
    u32 offset = offset_of(msr);
    if (offset == APIC_EOI ? value : value >> 8)
        return false;
    vapic_store(c, offset, 8, value);
    vapic_tell(c, VAPIC_WRITE, offset, value);
    switch (offset) {
    case APIC_EOI: vapic_end_of_interrupt(c); break;
    case APIC_SELF_IPI: self_ipi(c, value); break;
    default: vapic_virtualise_tpr(c);
    }
    return true;
}
