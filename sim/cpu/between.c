/* between.c - what happens between two instructions: timers, interrupts, debug exceptions, HLT. */
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/ipi.h"
#include "cpu/vapic.h"
#include "schedule.h"

u64 cpu_next_due(const struct core *c)
{
    u64 ipi = ipi_next_due(c);
    return c->s.activity == ACTIVITY_WAIT_SIPI ? ipi : min(ipi, min(apic_next_due(c), vmx_next_due(c)));
}

/* To the next event, or for ever.  With several cores it may be another's turn before that, or the event that
 * has just been looked at did not end the wait: then the atom is empty. */
static void idle(struct core *c)
{
    u64 due = cpu_next_due(c);
    vmx_idle(c);
    if (due < c->rt.turn && due > c->s.cycle)
        stall(c, &c->s.count.cycles_halted, due - c->s.cycle);
    else if (due == UINT64_MAX && machine_is_parked(c->m))
        board_halt(c, HALT_FOREVER, HALT_STATUS, 0);
    schedule_yield(c);
}

/* Instructions that trap or may be stopped are looked at one by one. */
static bool is_debugged(const struct core *c)
{
    return debug_armed(c) || c->s.rflags & FLAG_TF;
}

/* In the order of SDM vol. 3, table 6-2 "Priority Among Concurrent Events". */
bool cpu_between_instructions(struct core *c)
{
    debug_begin(c);
    if (apic_next_due(c) <= c->s.cycle)
        apic_run_due(c);
    if (c->s.vapic_exit)
        vapic_exit_now(c);
    if (unlikely(ipi_next_due(c) <= c->s.cycle) && ipi_arrive(c))
        return true;
    if (c->s.activity == ACTIVITY_WAIT_SIPI) {
        idle(c);
        return true;
    }
    if (c->s.vmx_guest)
        vmx_exit_if_due(c);
    if (c->s.pending_debug && !c->s.shadow_ss)
        cpu_fault(c, VEC_DB, 0);
    if (cpu_take_interrupt(c)) {
        c->s.activity = ACTIVITY_ACTIVE;
        cpu_deliver_event(c);
        return true;
    }
    if (c->s.activity == ACTIVITY_HLT) {
        if (!cpu_wakes(c)) {
            idle(c);
            return true;
        }
        c->s.activity = ACTIVITY_ACTIVE;
    }
    if (debug_hits_code(c))
        cpu_fault(c, VEC_DB, 0);
    bool shadowed = c->s.shadow_sti || c->s.shadow_ss || c->s.nmi_pending;
    c->rt.look_again = shadowed || is_debugged(c) ? 0 : cpu_next_due(c);
    return false;
}
