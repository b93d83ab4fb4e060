/* lapic_msr.c - a virtual local APIC by MSRs: the x2APIC's registers (SDM vol. 3, 10.12 "Extended XAPIC
 * (x2APIC)"), its mode, its deadline. */
#include "arch/apic.h"
#include "arch/x86.h"
#include "lapic_page.h"
#include "vm.h"

#define MSR_X2APIC_END  (MSR_X2APIC_FIRST + APIC_REGISTERS)
#define ICR_DESTINATION (UINT64_C(0xffffffff) << 32)

static bool is_x2apic_msr(uint32_t msr)
{
    return msr >= MSR_X2APIC_FIRST && msr < MSR_X2APIC_END;
}

static uint32_t offset_of(uint32_t msr)
{
    return (msr - MSR_X2APIC_FIRST) << 4;
}

bool lapic_has_msr(uint32_t msr)
{
    return is_x2apic_msr(msr) || msr == MSR_APIC_BASE || msr == MSR_TSC_DEADLINE;
}

bool lapic_read_msr(struct vcpu *v, uint32_t msr, uint64_t *value)
{
    uint32_t offset = offset_of(msr);

    if (msr == MSR_APIC_BASE) {
        *value = v->lapic.base;
    } else if (msr == MSR_TSC_DEADLINE) {
        *value = v->lapic.deadline;
    } else {
        if (!lapic_in_x2apic_mode(&v->lapic) || !lapic_allows(offset, APIC_X2_READ))
            return false;
        *value = lapic_read(v, offset);
        if (offset == APIC_ICR_LOW)
            *value |= (uint64_t)lapic_read(v, APIC_ICR_HIGH) << 32;
    }
    return true;
}

static bool write_register(struct vcpu *v, uint32_t offset, uint64_t value)
{
    uint64_t bits = offset == APIC_ICR_LOW ? APIC_ICR_BITS | ICR_DESTINATION : lapic_bits(offset);

    if (!lapic_in_x2apic_mode(&v->lapic) || !lapic_allows(offset, APIC_X2_WRITE) || value & ~bits)
        return false;
    if (offset == APIC_LVT_TIMER && (value & APIC_TIMER_MODE) == APIC_TIMER_MODE)
        return false;
    lapic_write(v, offset, value);
    return true;
}

/* From disabled to xAPIC, from there to x2APIC, from either to disabled (10.12.5 "x2APIC State Transitions").
 */
static bool may_change_mode(uint64_t old, uint64_t new)
{
    uint64_t both = APIC_BASE_ENABLE | APIC_BASE_X2APIC;

    if ((new &both) == APIC_BASE_X2APIC)
        return false;
    if ((old & both) == both && (new &both) == APIC_BASE_ENABLE)
        return false;
    return (old & both) || (new &both) != both;
}

/* The page stays where it is: EPT has one place for it, for all virtual CPUs of the VM.  Where there is none,
 * the mode stays too, as on processors that are locked in x2APIC mode. */
static bool write_base(struct vcpu *v, uint64_t value)
{
    uint64_t old = v->lapic.base, may = APIC_BASE_BSP | APIC_BASE_X2APIC | APIC_BASE_ENABLE;

    if ((value & ~may) != APIC_PHYS_BASE || !may_change_mode(old, value))
        return false;
    if (!lapic_page_offered())
        return value == old;
    v->lapic.base = value;
    v->lapic.changed = true;
    if (!(value & APIC_BASE_ENABLE))
        lapic_reset(v);
    if (value & ~old & APIC_BASE_X2APIC)
        lapic_enter_x2apic_mode(v);
    lapic_page_follow_mode(v);
    return true;
}

bool lapic_write_msr(struct vcpu *v, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_APIC_BASE: return write_base(v, value);
    case MSR_TSC_DEADLINE: lapic_write_deadline(v, value); return true;
    default: return write_register(v, offset_of(msr), value);
    }
}
