/* vmx_tsc.c - the time-stamp counter of a guest (SDM vol. 3, 24.6.5 "Time-Stamp Counter Offset and
 * Multiplier"). */
#include "cpu/vmx.h"
#include "cpu/wide.h"

static u64 scaled(u64 tsc, u64 multiplier)
{
    struct wide p = wide_product(tsc, multiplier);
    return p.high << (64 - VMX_TSC_FRACTION) | p.low >> VMX_TSC_FRACTION;
}

/* The multiplier counts with the offset alone; what writes the counter, and what waits for it (deadline and
 * preemption timer), takes the real one (25.3 "Changes to Instruction Behavior in VMX Non-Root Operation").
 */
u64 vmx_tsc(const struct core *c)
{
    const struct vmx_controls *v = &c->s.vmx;
    u64 tsc = tsc_now(c);
    if (!(v->proc & PROC_TSC_OFFSETTING))
        return tsc;
    return (v->proc2 & PROC2_TSC_SCALING ? scaled(tsc, v->tsc_multiplier) : tsc) + v->tsc_offset;
}
