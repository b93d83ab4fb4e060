/* schedule.c - see schedule.h. */
#include "schedule.h"

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

/* Of each core.  They change by its own atoms, and by events that others send it. */
struct starts {
    u64 at[RS_CORES_MAX];
};

static struct starts starts_of(const struct machine *m)
{
    struct starts s = {{0}};
    for (u32 i = 0; i < m->cores; i++)
        s.at[i] = start_of(m->core[i]);
    return s;
}

/* The first of all; NULL: none has a start. */
static struct core *first(const struct machine *m, const struct starts *s)
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

/* What `c`, the first, may run up to. */
static u64 turn_of(const struct core *c, const struct starts *s)
{
    u64 turn = UINT64_MAX;
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

bool machine_is_parked(const struct machine *m)
{
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

/* ---- positions ---- */

u64 machine_atom(const struct machine *m)
{
    u64 atom = 0;
    for (u32 i = 0; i < m->cores; i++)
        atom += m->core[i]->s.atom;
    return atom;
}

u64 machine_micro(const struct machine *m)
{
    u64 micro = 0;
    for (u32 i = 0; i < m->cores; i++)
        micro += m->core[i]->rt.micro;
    return micro;
}

static struct core *half_done(const struct machine *m)
{
    for (u32 i = 0; i < m->cores; i++)
        if (m->core[i]->rt.micro)
            return m->core[i];
    return NULL;
}

struct core *machine_next(const struct machine *m)
{
    if (m->cores == 1)
        return m->core[0];
    struct core *c = half_done(m);
    if (c)
        return c;
    struct starts s = starts_of(m);
    c = first(m, &s);
    return c ? c : spokesman(m);
}

static u64 latest_clock(const struct machine *m)
{
    u64 latest = 0;
    for (u32 i = 0; i < m->cores; i++)
        latest = max(latest, m->core[i]->s.cycle);
    return latest;
}

static u64 time_of(const struct machine *m, const struct starts *s)
{
    const struct core *c = first(m, s);
    return c ? min(s->at[c->id], latest_clock(m)) : latest_clock(m);
}

u64 machine_cycle(const struct machine *m)
{
    if (m->cores == 1)
        return m->core[0]->s.cycle;
    const struct core *c = half_done(m);
    if (c)
        return c->s.cycle;
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
static enum run_end run_first(struct machine *m, struct starts *s, u64 atoms, u64 until_cycle, u64 *done)
{
    struct core *c = first(m, s);
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

enum run_end machine_run(struct machine *m, u64 atoms, u64 until_cycle)
{
    enum run_end end = RUN_GOES_ON;
    if (m->cores == 1)
        return run_core(m->core[0], UINT64_MAX, atoms, until_cycle);
    struct starts s = starts_of(m);
    for (u64 done = 0; done < atoms && end == RUN_GOES_ON && time_of(m, &s) < until_cycle;)
        end = run_first(m, &s, atoms, until_cycle, &done);
    return end;
}
