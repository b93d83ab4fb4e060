/* vmx_pause.c - which PAUSEs leave the guest (SDM vol. 3, 25.1.3 "Instructions That Cause VM Exits
 * Conditionally"). */
#include "cpu/vmx.h"

/* A PAUSE that comes later than the gap behind the one before, or first after VM entry, begins a loop; one
 * later than the window behind the beginning of its loop exits. */
static bool spins_too_long(struct core *c)
{
    u64 now = c->s.cycle, last = c->s.ple_last;
    c->s.ple_last = now;
    if (!last || now - last > c->s.vmx.ple_gap)
        c->s.ple_first = now;
    return now - c->s.ple_first > c->s.vmx.ple_window;
}

/* PAUSEs at other levels than CPL 0 neither exit by their loop nor count. */
bool vmx_pause_exits(struct core *c)
{
    if (c->s.vmx.proc & PROC_PAUSE)
        return true;
    return c->s.vmx.proc2 & PROC2_PAUSE_LOOP && cpl(c) == 0 && spins_too_long(c);
}
