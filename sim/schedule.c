/* schedule.c - see schedule.h. */
#include "schedule.h"

#include "dev/board.h"
#include "dev/device.h"

/* ---- when (rule C1) ---- */

/* Cycle at which the core's next atom starts; UINT64_MAX: it takes no part. */
static u64 start_of(const struct core *c)
{
    if (c->s.activity == ACTIVITY_ACTIVE || cpu_wakes(c))
        return c->s.cycle;
    return max(cpu_next_due(c), c->s.cycle);
}

/* The latest cycle at which `c` may start an atom before one of `other` that starts at `start`, + 1. */
static u64 bound(const struct core *c, const struct core *other, u64 start)
{
    return start == UINT64_MAX ? start : start + (c->id < other->id);
}

/* Of each core, and of the devices.  They change by their own atoms, and by what others send them. */
struct starts {
    u64 at[RS_CORES_MAX];
    u64 devices;
};

static struct starts starts_of(const struct machine *m)
{
    struct starts s = {.devices = devices_next_due(m)};
    for (u32 i = 0; i < m->cores; i++)
        s.at[i] = start_of(m->core[i]);
    return s;
}

/* The first of all cores; NULL: none has a start. */
static struct core *first_core(const struct machine *m, const struct starts *s)
{
    struct core *found = NULL;
    u64 start = UINT64_MAX;
    for (u32 i = 0; i < m->cores; i++)
        if (s->at[i] < start) {
            start = s->at[i];
            found = m->core[i];
        }
    return found;
}

/* What devices do at a cycle comes before the atoms that cores start there (rule D1). */
static bool devices_first(const struct machine *m, const struct starts *s)
{
    if (s->devices == UINT64_MAX)
        return false;
    for (u32 i = 0; i < m->cores; i++)
        if (s->at[i] < s->devices)
            return false;
    return true;
}

/* What `c`, the first, may run up to. */
static u64 turn_of(const struct core *c, const struct starts *s)
{
    u64 turn = s->devices;
    for (u32 i = 0; i < c->m->cores; i++)
        if (i != c->id)
            turn = min(turn, bound(c, c->m->core[i], s->at[i]));
    return turn;
}

/* Where no core has anything to do, the first that waits in HLT says so. */
static struct core *spokesman(const struct machine *m)
{
    for (u32 i = 0; i < m->cores; i++)
        if (m->core[i]->s.activity == ACTIVITY_HLT)
            return m->core[i];
    return m->core[0];
}

/* A core in HLT that an interrupt would wake. */
static struct core *sleeper(const struct machine *m)
{
    for (u32 i = 0; i < m->cores; i++)
        if (m->core[i]->s.activity == ACTIVITY_HLT && cpu_hears(m->core[i]))
            return m->core[i];
    return NULL;
}

struct core *machine_waiting_core(const struct machine *m)
{
    bool parked = !m->b.halted && !machine_micro(m) && machine_is_parked(m);
    return parked && board_awaits(m) ? sleeper(m) : NULL;
}

bool machine_stands(const struct machine *m)
{
    return m->b.halted || machine_waiting_core(m);
}

bool machine_is_parked(const struct machine *m)
{
    if (devices_next_due(m) != UINT64_MAX)
        return false;
    for (u32 i = 0; i < m->cores; i++)
        if (start_of(m->core[i]) != UINT64_MAX)
            return false;
    return true;
}

void schedule_event(struct core *c, struct core *to, u64 due)
{
    c->m->event_sent = true;
    to->rt.look_again = min(to->rt.look_again, due);
    if (to == c || start_of(to) == UINT64_MAX)
        return;
    c->rt.turn = min(c->rt.turn, bound(c, to, start_of(to)));
    c->rt.until = min(c->rt.until, c->rt.turn);
}

void schedule_interrupt(struct machine *m, struct core *to, u64 due)
{
    if (m->running) {
        schedule_event(m->running, to, due);
        return;
    }
    m->event_sent = true;
    to->rt.look_again = min(to->rt.look_again, due);
}

void schedule_devices(struct machine *m, u64 due)
{
    struct core *c = m->running;
    m->event_sent = true;
    if (!c)
        return;
    c->rt.turn = min(c->rt.turn, due);
    c->rt.until = min(c->rt.until, c->rt.turn);
}

/* ---- positions ---- */

u64 machine_atom(const struct machine *m)
{
    u64 atom = m->b.device_atoms;
    for (u32 i = 0; i < m->cores; i++)
        atom += m->core[i]->s.atom;
    return atom;
}

u64 machine_micro(const struct machine *m)
{
    u64 micro = m->devices.atom.micro;
    for (u32 i = 0; i < m->cores; i++)
        micro += m->core[i]->rt.atom.micro;
    return micro;
}

static struct core *half_done(const struct machine *m)
{
    for (u32 i = 0; i < m->cores; i++)
        if (m->core[i]->rt.atom.micro)
            return m->core[i];
    return NULL;
}

/* NULL: it is the devices' turn. */
static struct core *next_core(const struct machine *m, const struct starts *s)
{
    if (devices_first(m, s))
        return NULL;
    struct core *c = first_core(m, s);
    return c ? c : spokesman(m);
}

struct core *machine_next_core(const struct machine *m)
{
    struct core *c = half_done(m);
    if (c || m->devices.atom.micro)
        return c;
    struct starts s = starts_of(m);
    return next_core(m, &s);
}

struct atom *machine_next(struct machine *m)
{
    struct core *c = machine_next_core(m);
    return c ? &c->rt.atom : &m->devices.atom;
}

u64 machine_next_clock(const struct machine *m)
{
    const struct core *c = machine_next_core(m);
    return c ? c->s.cycle : m->devices.atom.micro ? m->devices.cycle : devices_next_due(m);
}

static u64 latest_clock(const struct machine *m)
{
    u64 latest = m->b.device_cycle;
    for (u32 i = 0; i < m->cores; i++)
        latest = max(latest, m->core[i]->s.cycle);
    return latest;
}

static u64 time_of(const struct machine *m, const struct starts *s)
{
    u64 start = s->devices;
    for (u32 i = 0; i < m->cores; i++)
        start = min(start, s->at[i]);
    return min(start, latest_clock(m));
}

u64 machine_cycle(const struct machine *m)
{
    const struct core *c = half_done(m);
    if (c)
        return c->s.cycle;
    if (m->devices.atom.micro)
        return m->devices.cycle;
    struct starts s = starts_of(m);
    return time_of(m, &s);
}

void machine_align_clocks(struct machine *m)
{
    u64 latest = latest_clock(m);
    for (u32 i = 0; i < m->cores; i++) {
        struct core *c = m->core[i];
        stall(c, &c->s.count.cycles_halted, latest - c->s.cycle);
    }
}

/* ---- running ---- */

static enum run_end run_core(struct core *c, u64 turn, u64 atoms, u64 until_cycle)
{
    c->rt.turn = turn;
    c->m->running = c;
    enum run_end end = cpu_run(c, atoms, min(turn, until_cycle));
    c->m->running = NULL;
    return end;
}

/* Runs the core that is first, as far as it may, and notes what that has changed. */
static enum run_end run_first_core(struct machine *m, struct starts *s, u64 atoms, u64 until_cycle, u64 *done)
{
    struct core *c = first_core(m, s);
    u64 turn = c ? turn_of(c, s) : UINT64_MAX;
    if (!c)
        c = spokesman(m);
    u64 before = c->s.atom;
    m->event_sent = false;
    enum run_end end = run_core(c, turn, atoms - *done, until_cycle);
    *done += c->s.atom - before;
    s->at[c->id] = start_of(c);
    if (m->event_sent)
        *s = starts_of(m);
    return end;
}

static enum run_end run_devices(struct machine *m, struct starts *s, u64 *done)
{
    u64 before = m->b.device_atoms;
    enum run_end end = devices_atom(m);
    *done += m->b.device_atoms - before;
    *s = starts_of(m);
    return end;
}

static enum run_end run_next(struct machine *m, struct starts *s, u64 atoms, u64 until_cycle, u64 *done)
{
    if (devices_first(m, s))
        return run_devices(m, s, done);
    if (!first_core(m, s) && machine_waiting_core(m))
        return RUN_HALTED;
    return run_first_core(m, s, atoms, until_cycle, done);
}

enum run_end machine_run(struct machine *m, u64 atoms, u64 until_cycle)
{
    enum run_end end = m->b.halted ? RUN_HALTED : RUN_GOES_ON;
    struct starts s = starts_of(m);
    for (u64 done = 0; done < atoms && end == RUN_GOES_ON && time_of(m, &s) < until_cycle;)
        end = run_next(m, &s, atoms, until_cycle, &done);
    return end;
}
