/* ipi.c - see ipi.h.  Each vector has one place on the way to a core, as it has one bit in the IRR: of two
 * that are under way at once the earlier counts. */
#include "cpu/ipi.h"

#include "arch/apic.h"
#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "schedule.h"

#define VECTORS 256

/* A cycle of arrival as state keeps it, where 0 means none. */
static u64 due_or_never(u64 due)
{
    return due ? due : UINT64_MAX;
}

static void earlier(u64 *due, u64 arrival)
{
    if (!*due || arrival < *due)
        *due = arrival;
}

/* ---- start-up IPIs on their way: one at the head, and one behind the INIT that is on its way too ---- */

enum { SIPI_FIRST, SIPI_BEHIND_INIT, SIPI_PLACES };

struct sipi {
    u64 due, vector;
};

static void put_sipi(struct core *c, unsigned place, struct sipi sipi)
{
    c->s.ipi_sipi_due[place] = sipi.due;
    c->s.ipi_sipi_vector[place] = sipi.vector;
}

static struct sipi take_sipi(struct core *c, unsigned place)
{
    struct sipi sipi = {c->s.ipi_sipi_due[place], c->s.ipi_sipi_vector[place]};
    put_sipi(c, place, (struct sipi){0, 0});
    return sipi;
}

static u64 sipi_due(const struct core *c)
{
    return min(due_or_never(c->s.ipi_sipi_due[SIPI_FIRST]),
               due_or_never(c->s.ipi_sipi_due[SIPI_BEHIND_INIT]));
}

void ipi_forget(struct core *c)
{
    for (unsigned v = 0; v < VECTORS; v++)
        c->s.ipi_due[v] = c->s.ipi_level[v / 64] = 0;
    c->s.ipi_first_due = c->s.ipi_nmi_due = c->s.ipi_init_due = 0;
    for (unsigned place = 0; place < SIPI_PLACES; place++)
        put_sipi(c, place, (struct sipi){0, 0});
}

/* ---- sending ---- */

/* Of two in the same place the earlier counts. */
static void set_off_sipi(struct core *to, unsigned place, struct sipi sipi)
{
    if (sipi.due < due_or_never(to->s.ipi_sipi_due[place]))
        put_sipi(to, place, sipi);
}

/* A start-up IPI that turns out to come after it is behind it. */
static void set_off_init(struct core *to, u64 arrival)
{
    earlier(&to->s.ipi_init_due, arrival);
    if (to->s.ipi_sipi_due[SIPI_FIRST] > to->s.ipi_init_due)
        set_off_sipi(to, SIPI_BEHIND_INIT, take_sipi(to, SIPI_FIRST));
}

static bool set_off(struct core *to, u64 mode, u64 vector, u64 arrival)
{
    switch (mode) {
    case APIC_ICR_FIXED:
    case APIC_ICR_LOWEST: earlier(&to->s.ipi_due[vector], arrival); break;
    case APIC_ICR_NMI: earlier(&to->s.ipi_nmi_due, arrival); break;
    case APIC_ICR_INIT: set_off_init(to, arrival); return true;
    case APIC_ICR_STARTUP:
        set_off_sipi(to, arrival > due_or_never(to->s.ipi_init_due), (struct sipi){arrival, vector});
        return true;
    default: return false;
    }
    earlier(&to->s.ipi_first_due, arrival);
    return true;
}

/* A start-up IPI to oneself finds a core that does not wait for one. */
static void send_to_self(struct core *c, u64 mode, u64 vector)
{
    if (mode == APIC_ICR_FIXED || mode == APIC_ICR_LOWEST)
        apic_raise(c, (unsigned)vector);
    else if (mode == APIC_ICR_NMI)
        c->s.nmi_pending = 1;
    else if (mode == APIC_ICR_INIT)
        set_off(c, mode, vector, c->s.cycle ? c->s.cycle : 1);
    c->rt.look_again = 0;
}

void ipi_send(struct core *from, struct core *to, u64 icr)
{
    u64 mode = icr & APIC_ICR_DELIVERY, vector = icr & APIC_ICR_VECTOR;
    u64 latency = to == from ? 0 : from->m->p.ipi_latency;
    u64 arrival = from->s.cycle + latency ? from->s.cycle + latency : 1;
    if (to == from)
        send_to_self(from, mode, vector);
    else if (set_off(to, mode, vector, arrival))
        schedule_event(from, to, arrival);
    from->s.count.ipis++;
    PROBE(from, RS_PROBE_ipi, to->id, mode >> 8, vector, arrival);
    micro(from, MICRO_EVENT);
}

void ipi_from_board(struct machine *m, struct core *to, u64 mode, u64 vector, bool level, u64 arrival)
{
    if (!set_off(to, mode, vector, arrival))
        return;
    if (level)
        to->s.ipi_level[vector / 64] |= UINT64_C(1) << vector % 64;
    schedule_interrupt(m, to, arrival);
}

/* ---- arriving ---- */

static void raise(struct core *c, unsigned vector)
{
    u64 *word = &c->s.ipi_level[vector / 64], bit = UINT64_C(1) << vector % 64;
    if (*word & bit)
        apic_raise_level(c, vector);
    else
        apic_raise(c, vector);
    *word &= ~bit;
}

/* INIT is blocked in VMX root operation (SDM vol. 3, 23.8 "Restrictions on VMX Operation"), and in a guest
 * that waits for a start-up IPI (25.2 "Other Causes of VM Exits"). */
static u64 init_due(const struct core *c)
{
    bool blocked = c->s.vmx_guest ? c->s.activity == ACTIVITY_WAIT_SIPI : c->s.vmx_on;
    return blocked ? UINT64_MAX : due_or_never(c->s.ipi_init_due);
}

/* A core that waits for a start-up IPI looks at nothing else but INIT. */
u64 ipi_next_due(const struct core *c)
{
    u64 first = c->s.activity == ACTIVITY_WAIT_SIPI ? UINT64_MAX : due_or_never(c->s.ipi_first_due);
    return min(first, min(sipi_due(c), init_due(c)));
}

/* Interrupts and NMIs that have arrived by `until`. */
static void raise_arrived(struct core *c, u64 until)
{
    u64 first = due_or_never(c->s.ipi_nmi_due);
    if (first <= until) {
        c->s.ipi_nmi_due = 0;
        c->s.nmi_pending = 1;
        first = UINT64_MAX;
    }
    for (unsigned v = 0; v < VECTORS; v++)
        if (c->s.ipi_due[v] && c->s.ipi_due[v] <= until) {
            c->s.ipi_due[v] = 0;
            raise(c, v);
        } else {
            first = min(first, due_or_never(c->s.ipi_due[v]));
        }
    c->s.ipi_first_due = first == UINT64_MAX ? 0 : first;
}

static void init_arrives(struct core *c)
{
    c->s.ipi_init_due = 0;
    put_sipi(c, SIPI_FIRST, take_sipi(c, SIPI_BEHIND_INIT));
    if (c->s.vmx_guest)
        vmx_exit(c, EXIT_INIT, 0);
    cpu_init(c);
    schedule_yield(c);
}

/* Dropped unless the core waits for it (SDM vol. 3, 8.4.2 "MP Initialization Protocol Requirements and
 * Restrictions"). */
static bool sipi_arrives(struct core *c, unsigned place)
{
    u64 vector = take_sipi(c, place).vector;
    if (c->s.activity != ACTIVITY_WAIT_SIPI)
        return false;
    if (c->s.vmx_guest)
        vmx_exit(c, EXIT_SIPI, vector);
    startup(c, vector);
    schedule_yield(c);
    return true;
}

/* One that has come by `until`.  True if it was the atom. */
static bool sipi_arrives_by(struct core *c, u64 until)
{
    for (unsigned place = 0; place < SIPI_PLACES; place++)
        if (due_or_never(c->s.ipi_sipi_due[place]) <= until && sipi_arrives(c, place))
            return true;
    return false;
}

void ipi_unblock_init(struct core *c)
{
    for (unsigned place = 0; place < SIPI_PLACES; place++)
        if (c->s.ipi_sipi_due[place] <= c->s.cycle)
            take_sipi(c, place);
    if (c->s.ipi_init_due)
        c->s.ipi_init_due = max(c->s.ipi_init_due, c->s.cycle);
}

/* What has come before an INIT, or with it, is lost with the rest of the APIC's state; what has come after it
 * is not. */
bool ipi_arrive(struct core *c)
{
    u64 init = init_due(c), now = c->s.cycle, until = min(now, init);
    if (due_or_never(c->s.ipi_first_due) <= until)
        raise_arrived(c, until);
    if (sipi_due(c) <= until && sipi_arrives_by(c, until))
        return true;
    if (init > now)
        return false;
    init_arrives(c);
    return true;
}
