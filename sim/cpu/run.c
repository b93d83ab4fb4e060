/* run.c - runs blocks, one after another, and settles what each has added up. */
#include "cpu/run.h"

#include "cpu/cpu.h"

/* ---- ops that are no instructions ---- */

RUN(end)
{
    c->s.rip = op->imm;
    return op;
}

/* The branch before it comes here itself. */
RUN(exit)
{
    (void)c;
    return op;
}

/* The next line of the block, in its page or the next: a look-up of the instruction TLB and of L1I (F1, F2).
 */
static inline bool line_will_hit(const struct core *c, const struct op *op, struct hit *h)
{
    u64 gva = op->imm, number = op->disp >> LINE_SHIFT;
    const struct shortcut *s = &c->rt.run.fetch->row[gva >> 12 & (SHORTCUTS - 1)];
    struct cache_line *l = c->rt.fast->line[false][number & (LINE_SHORTCUTS - 1)];
    *h = (struct hit){s, l, 0};
    return s->page == gva >> 12 && s->frame == (op->disp & ~(u64)(PAGE_BYTES - 1)) && l->tag == number + 1;
}

static inline void take_line(struct core *c, const struct op *op, const struct hit *h, u64 age)
{
    h->page->entry->stamp = c->s.stamp + age + 1;
    h->line->stamp = c->s.stamp + age + 2;
    c->s.fetch_line = (op->imm >> LINE_SHIFT) + 1;
    c->s.fetch_hpa = op->disp;
}

RUN(line)
{
    struct hit h;
    if (unlikely(!line_will_hit(c, op, &h)))
        GIVE_UP;
    take_line(c, op, &h, op->ages);
    NEXT;
}

RUN(line_try)
{
    struct hit h;
    if (unlikely(!line_will_hit(c, op, &h)))
        GIVE_UP;
    NEXT;
}

RUN(line_taken)
{
    struct hit h;
    line_will_hit(c, op, &h);
    take_line(c, op, &h, op->src);
    NEXT;
}

RUN(tail)
{
    c->s.rip = op->imm;
    c->rt.run.tail = c->rt.run.leave ? NULL : c->rt.run.block->tail;
    return op;
}

/* ---- fetching the first line ---- */

static bool line_hits_at_rip(struct core *c)
{
    u64 rip = c->s.rip;
    const struct shortcut *s = &c->rt.run.fetch->row[rip >> 12 & (SHORTCUTS - 1)];
    u64 number = (s->frame | (rip & (PAGE_BYTES - 1))) >> LINE_SHIFT;
    struct cache_line *l = c->rt.fast->line[false][number & (LINE_SHORTCUTS - 1)];
    if (unlikely(s->page != rip >> 12 || l->tag != number + 1))
        return false;
    c->rt.run.sums[SUM_LINES / 4] += (u64)1 << SUM_SHIFT(SUM_LINES);
    s->entry->stamp = ++c->s.stamp;
    l->stamp = ++c->s.stamp;
    c->s.fetch_line = (rip >> LINE_SHIFT) + 1;
    c->s.fetch_hpa = number << LINE_SHIFT;
    return true;
}

static inline bool fetch_hits(struct core *c)
{
    return likely(c->s.fetch_line == (c->s.rip >> LINE_SHIFT) + 1) || line_hits_at_rip(c);
}

/* ---- sums ---- */

/* What the ops before an exit have taken. */
static inline void add_exit(struct core *c, const struct block_exit *e)
{
    c->rt.run.sums[0] += e->sums.word[0];
    c->rt.run.sums[1] += e->sums.word[1];
    c->s.cycle += e->cycles;
    c->s.stamp += e->ages;
}

/* What ops before `op` of its block have taken; `sign` is 1, or -1 if they have been taken into account. */
static void add_before(struct core *c, const struct op *op, u64 sign)
{
    struct sums n = op->exits ? op->to->sums : sums_before(op);
    c->rt.run.sums[0] += sign * n.word[0];
    c->rt.run.sums[1] += sign * n.word[1];
    c->s.cycle += sign * op->cycles;
    c->s.stamp += sign * op->ages;
}

static void add_late(struct core *c, u64 cycles)
{
    c->rt.run.sums[SUM_LATE / 4] += cycles << SUM_SHIFT(SUM_LATE);
}

static u64 sum_of(const struct core *c, unsigned field)
{
    return c->rt.run.sums[field / 4] >> SUM_SHIFT(field) & (((u64)1 << SUM_BITS) - 1);
}

/* Counts what has been added up. */
static void settle(struct core *c)
{
    struct counters *n = &c->s.count;
    u64 insns = sum_of(c, SUM_INSNS), lines = sum_of(c, SUM_LINES);
    u64 loads = sum_of(c, SUM_LOADS), stores = sum_of(c, SUM_STORES);
    c->s.atom += insns;
    c->rt.run.done += insns;
    n->insns += insns;
    n->stall_exec += sum_of(c, SUM_EXEC);
    n->stall_agi += sum_of(c, SUM_LATE);
    n->itlb_lookups += lines;
    n->l1i_lookups += lines;
    n->loads += loads;
    n->stores += stores;
    n->l1d_lookups += loads + stores;
    n->dtlb_lookups += sum_of(c, SUM_ACCESSES);
    n->branches += sum_of(c, SUM_BRANCHES);
    c->rt.run.sums[0] = c->rt.run.sums[1] = 0;
}

/* ---- one block, and those linked to it ---- */

/* A handler has returned `at`: returns the first op that did not run, and has those before counted. */
static const struct op *stopped_at(struct core *c, const struct block *b, const struct op *at)
{
    if (!at->exits) {
        at -= at > b->op && at[-1].run == run_line_try;
        c->s.rip = b->gva + at->offset;
    }
    if (at->insns)
        c->s.prev_writes = at[-1].writes;
    add_before(c, at, 1);
    return at;
}

/* Runs a block from an op on as far as it goes; returns the first op that did not run. */
static const struct op *run_from(struct core *c, const struct block *b, const struct op *from, u64 late)
{
    struct block_run *r = &c->rt.run;
    r->block = b;
    r->late = late;
    r->repeats = false;
    if (from != b->op)
        add_before(c, from, (u64)-1);
    c->s.cycle += late;
    const struct op *at = stopped_at(c, b, from->run(c, from));
    if (unlikely(at->insns == from->insns)) {
        c->s.cycle -= late;
        return at;
    }
    add_late(c, late);
    c->s.redirected = 0;
    return at;
}

/* The block that follows that exit of this one, if it is linked and nothing is to be done but to run it. */
static inline struct block *linked(struct core *c, const struct block *b, const struct block_exit *e)
{
    struct block *n = e->next[0];
    if (n->gva != c->s.rip)
        n = e->next[1];
    if (unlikely(n->gva != c->s.rip || n->code_changes != b->code_changes ||
                 c->s.cycle + n->cycles >= c->rt.run.limit))
        return NULL;
    if (c->s.fetch_line != n->line && unlikely(!line_hits_at_rip(c)))
        return NULL;
    return likely(c->s.fetch_hpa == n->line_hpa) ? n : NULL;
}

/* Runs the blocks that follow `*which`, which has run to its exit `at`; makes that the last one, and returns
 * the exit that it has left by, or its first op that did not run. */
static const struct op *run_linked(struct core *c, struct block **which, const struct op *at)
{
    struct block *b = *which, *n;
    struct block_exit *e = at->to;
    c->rt.run.late = 0;
    while ((n = linked(c, b, e)) != NULL) {
        c->rt.run.block = *which = b = n;
        at = b->op->run(c, b->op);
        if (unlikely(!at->exits))
            return stopped_at(c, b, at);
        e = at->to;
        add_exit(c, e);
    }
    c->s.prev_writes = e->writes;
    return at;
}

/* ---- one after another ---- */

/* Until the first write of one of several cores nothing is known of its lines. */
static bool knows_its_lines(const struct core *c)
{
    return c->m->cores == 1 || c->rt.sole;
}

static bool nobody_looks(const struct core *c)
{
    return !c->rt.atom.micro_stop && !c->rt.atom.clock && !watched(c, RS_PROBE_insn) &&
           !watched(c, RS_PROBE_atom);
}

/* What the general way does before and after an instruction is nothing; where its store goes need not be
 * put right. */
static bool nothing_special(const struct core *c)
{
    const struct core_state *s = &c->s;
    return !(s->event_valid | s->pending_debug | s->shadow_sti | s->shadow_ss | (s->rflags & FLAG_TF) |
             (s->dr[7] & DR7_ENABLED) | (s->store_next >= c->m->p.store_buffer));
}

static u64 next_look(const struct core *c)
{
    return c->rt.look_again < c->rt.until ? c->rt.look_again : c->rt.until;
}

/* An atom takes a cycle or more: so there are enough of them for what ends before the limit.  All that has
 * run is counted. */
static void set_limit(struct core *c, u64 atoms)
{
    c->rt.run.limit = min(next_look(c), c->s.cycle + min(atoms - c->rt.run.done, SUM_CYCLES));
}

/* There is time for the instructions of a block from an op on. */
static bool fits(struct core *c, const struct block *b, const struct op *from, u64 atoms)
{
    u64 end = c->s.cycle + b->cycles - from->cycles;
    if (likely(end < c->rt.run.limit))
        return true;
    settle(c);
    set_limit(c, atoms);
    return end < next_look(c) && (u64)b->insns - from->insns <= atoms - c->rt.run.done;
}

/* An atom may start. */
static bool may_start(struct core *c, u64 atoms)
{
    if (likely(c->s.cycle < c->rt.run.limit))
        return true;
    settle(c);
    return c->rt.run.done < atoms && c->s.cycle < next_look(c);
}

/* Events of a load that does not fault. */
#define TOLD_BY_LOADS \
    (PROBE_BIT(access) | PROBE_BIT(walk_begin) | PROBE_BIT(walk_ref) | PROBE_BIT(walk_end) | \
     PROBE_BIT(tlb_fill) | PROBE_BIT(tlb_evict) | PROBE_BIT(mmio) | PROBE_BIT(vapic) | PROBE_BIT(pml))

static void begin(struct core *c, u64 atoms)
{
    enum shortcut_mode mode = cpl(c) == 3 ? MODE_USER : MODE_SUPERVISOR;
    shortcuts_settle(c);
    struct fast_tlb *f = c->rt.fast;
    c->rt.run.read = &f->to[SHORTCUT_READ][mode];
    c->rt.run.write = &f->to[SHORTCUT_WRITE][mode];
    c->rt.run.fetch = &f->to[SHORTCUT_FETCH][mode];
    c->rt.run.line = f->line[true];
    c->rt.run.store_last = c->m->p.store_buffer - 1;
    c->rt.run.sole = c->m->cores > 1 ? c->rt.sole : NULL;
    c->rt.run.flags_kept = c->rt.run.leave = false;
    c->rt.run.redirected = c->rt.run.missed = UINT64_MAX;
    set_limit(c, atoms);
    c->rt.run.cautious = c->m->watched & TOLD_BY_LOADS;
}

/* What the general way would have left behind at the end of the last instruction, at `cycle`. */
static void end(struct core *c, u64 cycle)
{
    struct block_run *r = &c->rt.run;
    settle(c);
    if (!r->flags_kept)
        flags_give(c);
    if (r->done == r->told)
        return;
    flags_put(c, FLAG_RF, r->repeats ? FLAG_RF : 0); /* as debug_retire has it */
    if (c->s.vmx_guest) {
        c->s.count.insns_guest += r->done - r->told;
        c->s.count.cycles_guest += cycle - r->cycle;
    }
    c->rt.atom.last_micro = MICRO_RETIRE;
    c->rt.atom.micros = r->missed == cycle ? r->micros : 1;
    r->told = r->done;
}

/* ---- loads that miss ---- */

/* Only now is the state what it is before this instruction's access: it leaves by a fault or an exit. */
void run_leaves(struct core *c)
{
    struct block_run *r = &c->rt.run;
    const struct op *op = r->missing;
    if (!op)
        return;
    r->missing = NULL;
    if (op->insns)
        c->s.prev_writes = op[-1].writes;
    c->s.redirected = 0;
    struct sums before = sums_before(op);
    r->sums[0] += before.word[0];
    r->sums[1] += before.word[1];
    add_late(c, r->late + op->late);
    end(c, c->rt.atom_cycle);
}

static bool goes_on(const struct core *c)
{
    const struct block *b = c->rt.run.block;
    return next_look(c) > c->s.cycle + b->cycles && !c->m->b.halted && nothing_special(c) &&
           c->rt.fast->layout == *c->rt.fast->layout_now && b->code_changes == *mem_code_changes(c->m->mem);
}

static bool may_miss(const struct core *c, const struct op *op)
{
    const struct block_run *r = &c->rt.run;
    return !r->cautious && (op == r->block->op || op[-1].run != run_line_try);
}

/* The general handler works on the clock and the ages as they are at this op.  What it counts of a load, the
 * block's sums hold as well. */
static void load_generally(struct core *c, const struct op *op)
{
    struct block_run *r = &c->rt.run;
    c->rt.atom_cycle = c->s.cycle + op->cycles - (op->insns ? 0 : r->late);
    c->s.cycle += op->cycles + op->late;
    c->s.stamp += op->ages;
    c->s.rip = r->block->gva + op->offset;
    r->missing = op;
    op->in->execute(c, op->in);
    r->missing = NULL;
    c->s.cycle -= op->cycles + op->late;
    c->s.stamp -= op[1].ages;
    c->s.count.loads--;
    c->s.count.dtlb_lookups--;
    c->s.count.l1d_lookups--;
    c->rt.general_atoms++;
    r->micros = c->rt.atom.micro + 1;
    r->missed = c->s.cycle + op[1].cycles;
    c->rt.atom.micro = 0;
    r->limit = min(r->limit, next_look(c));
}

static const struct op *behind_load(struct core *c, const struct op *op)
{
    if (likely(goes_on(c)))
        NEXT;
    c->rt.run.leave = true;
    c->rt.run.limit = 0;
    return op[1].exits ? op[1].run(c, op + 1) : op + 1;
}

const struct op *run_missing_load(struct core *c, const struct op *op)
{
    if (!may_miss(c, op))
        GIVE_UP;
    load_generally(c, op);
    return behind_load(c, op);
}

const struct op *run_missing_operand(struct core *c, const struct op *op)
{
    if (!may_miss(c, op))
        GIVE_UP;
    flags_give(c);
    load_generally(c, op);
    flags_take(c); /* a result has them */
    return behind_load(c, op);
}

/* ---- instructions that a block leaves ---- */

/* The op that did not run is an instruction, its lines are fetched: it runs the general way, as an atom of
 * its own, but without being looked for.  It may leave by a fault.  True if the block can go on behind it. */
static bool run_generally(struct core *c, const struct block *b, const struct op *op)
{
    struct block_run *r = &c->rt.run;
    end(c, c->s.cycle);
    r->flags_kept = true;
    u64 flags = c->s.rflags;
    r->stopped = cpu_insn_of_block(c, op->in);
    r->told = ++r->done;
    r->cycle = c->s.cycle;
    r->limit = 0;
    if (r->stopped || c->m->b.halted || !nobody_looks(c) || !nothing_special(c) ||
        c->rt.fast->layout != *c->rt.fast->layout_now || b->code_changes != *mem_code_changes(c->m->mem) ||
        c->s.rip != b->gva + op[1].offset)
        return false;
    r->flags_kept = c->s.rflags != flags && !flags_take(c);
    return !r->flags_kept;
}

/* Runs a block and those linked to it; returns the exit of the last, NULL if what comes next is for the run
 * loop. */
static struct block_exit *run_block(struct core *c, struct block *b, u64 atoms)
{
    struct block_run *r = &c->rt.run;
    const struct op *op = run_from(c, b, b->op, (b->address_regs & c->s.prev_writes) != 0);
    for (;;) {
        if (op->exits && !r->tail)
            op = run_linked(c, &b, op);
        if (r->redirected == c->s.cycle)
            c->s.redirected = 1;
        if (op->exits)
            return r->tail || r->flags_kept || r->leave ? NULL : op->to;
        if (!op->in || r->leave || r->flags_kept || !run_generally(c, b, op) || !fits(c, b, op + 1, atoms))
            return NULL;
        op = run_from(c, b, op + 1, 0);
    }
}

/* Iterations of a REP instruction, likewise. */
static struct block_exit *run_bulk(struct core *c, struct block *b, u64 atoms)
{
    settle(c);
    u64 iterations = run_string(c, b, atoms - c->rt.run.done, next_look(c));
    c->rt.run.done += iterations;
    return iterations ? b->exit : NULL;
}

static struct block_exit *run_next(struct core *c, struct block *b, u64 atoms)
{
    if (unlikely(b->bulk))
        return run_bulk(c, b, atoms);
    return fits(c, b, b->op, atoms) ? run_block(c, b, atoms) : NULL;
}

/* The one that follows `before`, NULL: none has run.  Fetches, as only an atom may that is about to start. */
static struct block *next_block(struct core *c, struct block_exit *before)
{
    if (!fetch_hits(c))
        return NULL;
    return before ? block_after(c, before) : block_at_rip(c);
}

u64 run_blocks(struct core *c, u64 atoms)
{
    struct block_run *r = &c->rt.run;
    r->stopped = false;
    r->tail = NULL;
    if (c->s.cycle >= next_look(c) || !nobody_looks(c) || !nothing_special(c) || !knows_its_lines(c))
        return 0;
    begin(c, atoms);
    struct block *b = next_block(c, NULL);
    if (!b || !flags_take(c)) {
        settle(c);
        return 0;
    }
    r->cycle = c->s.cycle;
    for (struct block_exit *e; b && (e = run_next(c, b, atoms)) != NULL;)
        b = may_start(c, atoms) ? next_block(c, e) : NULL;
    end(c, c->s.cycle);
    u64 done = r->done;
    r->done = r->told = 0;
    return done;
}
