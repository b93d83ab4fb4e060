/* pipeline.c - the cycles of the five-stage pipeline that do not come from memory.  The rules' letters are
 * those of docs/machine.md, "Time". */
#include "cpu/cpu.h"
#include "cpu/decode.h"

#define FETCH_WAIT_CYCLES 2 /* F3: D and M must empty */
#define RSP_BIT           (1u << REG_RSP)

static void front_end_empty(struct core *c)
{
    c->s.redirected = 1;
    c->s.prev_writes = 0;
}

void pipeline_fetch_miss(struct core *c)
{
    if (c->rt.fetch_waited)
        return;
    c->rt.fetch_waited = true;
    if (!c->s.redirected)
        stall(c, &c->s.count.stall_fetch, FETCH_WAIT_CYCLES);
    c->s.prev_writes = 0; /* A2 */
}

void pipeline_drain_stores(struct core *c)
{
    u64 next = c->s.store_next, size = c->m->p.store_buffer;
    u64 last = c->s.store_done[next && next <= size ? next - 1 : size - 1]; /* they drain in order (S3) */
    if (last > c->s.cycle)
        stall(c, &c->s.count.stall_store, last - c->s.cycle);
}

void pipeline_issue(struct core *c, const struct insn *in)
{
    if (in->address_regs & c->s.prev_writes)
        stall(c, &c->s.count.stall_agi, 1);
    if (in->flags & INSN_FENCE)
        pipeline_drain_stores(c);
    c->s.redirected = 0; /* a branch that is mispredicted sets it anew */
}

void pipeline_retire(struct core *c, const struct insn *in)
{
    bool repeats = c->rt.next_rip == c->s.rip && in->rep; /* A2 */
    if (c->s.redirected || repeats)
        c->s.prev_writes = 0;
    else
        c->s.prev_writes = in->flags & INSN_STACK ? in->write_regs & ~RSP_BIT : in->write_regs;
    if (in->latency > 1)
        stall(c, &c->s.count.stall_exec, in->latency - 1u);
    if (in->flags & INSN_SERIALISING)
        pipeline_serialise(c);
    c->s.cycle++;
}

void pipeline_serialise(struct core *c)
{
    pipeline_drain_stores(c);
    stall(c, &c->s.count.stall_serial, REDIRECT_CYCLES);
    c->s.fetch_line = 0;
    front_end_empty(c);
}

/* ---- branches ---- */

static u64 ras_before(const struct core *c)
{
    return (c->s.ras_top ? c->s.ras_top : c->m->p.ras_entries) - 1;
}

static u64 predict(const struct core *c, u64 rip, u64 next)
{
    const struct btb_entry *e = &c->s.btb[rip % c->m->p.btb_entries];
    if (e->rip != rip + 1)
        return next;
    if (e->kind == BRANCH_RETURN)
        return c->s.ras[ras_before(c)];
    if (e->kind == BRANCH_CONDITIONAL && c->s.direction[rip % c->m->p.predictor_entries] < 2)
        return next;
    return e->target;
}

static void train(struct core *c, enum branch_kind kind, u64 rip, u64 next, bool taken, u64 target)
{
    u8 *counter = &c->s.direction[rip % c->m->p.predictor_entries];
    if (kind == BRANCH_CONDITIONAL && taken && *counter < 3)
        ++*counter;
    if (kind == BRANCH_CONDITIONAL && !taken && *counter > 0)
        --*counter;
    if (taken)
        c->s.btb[rip % c->m->p.btb_entries] = (struct btb_entry){rip + 1, target, kind};
    if (kind == BRANCH_CALL) {
        c->s.ras[c->s.ras_top] = next;
        c->s.ras_top = (c->s.ras_top + 1) % c->m->p.ras_entries;
    }
    if (kind == BRANCH_RETURN)
        c->s.ras_top = ras_before(c);
}

void pipeline_branch(struct core *c, enum branch_kind kind, u64 rip, unsigned length, bool taken, u64 target)
{
    u64 next = rip + length;
    u64 predicted = predict(c, rip, next);
    c->s.count.branches++;
    if (predicted != (taken ? target : next)) {
        c->s.count.mispredicts++;
        stall(c, &c->s.count.stall_branch, REDIRECT_CYCLES);
        front_end_empty(c);
    }
    train(c, kind, rip, next, taken, target);
}
