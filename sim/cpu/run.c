/* run.c - runs blocks, one after another, and settles what each has added up. */
#include "cpu/run.h"

#include "cpu/cpu.h"

/* ---- two ops that are no instructions ---- */

RUN(end)
{
    c->s.rip = op->imm;
    return op;
}

/* The next line of the page that the block lies in: a look-up of the instruction TLB and of L1I (F1, F2). */
static inline bool line_will_hit(const struct core *c, const struct op *op, struct hit *h)
{
    u64 gva = op->imm, number = op->disp >> LINE_SHIFT;
    const struct shortcut *s = &c->rt.run.fetch->row[gva >> 12 & (SHORTCUTS - 1)];
    struct cache_line *l = c->rt.fast->line[false][number & (LINE_SHORTCUTS - 1)];
    *h = (struct hit){s->entry, l, NULL};
    return s->page == gva >> 12 && s->frame == (op->disp & ~(u64)(PAGE_BYTES - 1)) && l->tag == number + 1;
}

static inline void take_line(struct core *c, const struct op *op, const struct hit *h, u64 age)
{
    h->page->stamp = c->s.stamp + age + 1;
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

/* ---- fetching the first line ---- */

static bool fetch_hits(struct core *c)
{
    u64 rip = c->s.rip;
    if (likely(c->s.fetch_line == (rip >> LINE_SHIFT) + 1))
        return true;
    const struct shortcut *s = &c->rt.run.fetch->row[rip >> 12 & (SHORTCUTS - 1)];
    u64 number = (s->frame | (rip & (PAGE_BYTES - 1))) >> LINE_SHIFT;
    struct cache_line *l = c->rt.fast->line[false][number & (LINE_SHORTCUTS - 1)];
    if (unlikely(s->page != rip >> 12 || l->tag != number + 1))
        return false;
    c->s.count.itlb_lookups++;
    c->s.count.l1i_lookups++;
    s->entry->stamp = ++c->s.stamp;
    l->stamp = ++c->s.stamp;
    c->s.fetch_line = (rip >> LINE_SHIFT) + 1;
    c->s.fetch_hpa = number << LINE_SHIFT;
    return true;
}

/* ---- one block ---- */

/* Adds the sums of the ops from `from` up to `stop`, whose cycles and ages begin at the block's.  late: the
 * first instruction's address was (A1). */
static void settle(struct core *c, const struct op *from, const struct op *stop, u64 late)
{
    struct counters *n = &c->s.count;
    u64 insns = stop->insns - from->insns, lines = stop->lines - from->lines;
    u64 loads = stop->loads - from->loads, stores = stop->stores - from->stores;
    u64 ages = stop->ages - from->ages, exec = stop->exec - from->exec;
    c->s.stamp += stop->ages;
    c->s.atom += insns;
    n->insns += insns;
    n->stall_agi += late + stop->cycles - from->cycles - exec - insns;
    n->stall_exec += exec;
    n->loads += loads;
    n->stores += stores;
    n->l1d_lookups += loads + stores;
    n->dtlb_lookups += ages - 2 * lines - loads - stores;
    n->itlb_lookups += lines;
    n->l1i_lookups += lines;
    c->s.cycle += stop->cycles;
    c->rt.run.done += insns;
}

/* Runs a block from an op on as far as it goes; returns the first op that did not run. */
static const struct op *run_ops(struct core *c, const struct block *b, const struct op *from, u64 late)
{
    struct block_run *r = &c->rt.run;
    r->redirected = 0;
    r->repeats = false;
    r->from = from;
    r->late = late;
    c->s.cycle += late - from->cycles;
    c->s.stamp -= from->ages;
    const struct op *at = from->run(c, from);
    if (at != b->end) {
        at -= at > from && at[-1].run == run_line_try;
        c->s.rip = b->gva + at->offset;
    }
    if (unlikely(at->insns == from->insns)) {
        c->s.cycle -= late;
        late = 0;
    } else {
        c->s.redirected = r->redirected;
        c->s.prev_writes = r->redirected ? 0 : at[-1].writes;
        r->micros = r->after_missed && r->after_missed->insns == at->insns ? r->micros : 1;
    }
    r->after_missed = NULL;
    settle(c, from, at, late);
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
    return !c->rt.micro_stop && !c->rt.clock && !watched(c, RS_PROBE_insn) && !watched(c, RS_PROBE_atom);
}

/* What the general way does before and after an instruction is nothing. */
static bool nothing_special(const struct core *c)
{
    const struct core_state *s = &c->s;
    return !(s->event_valid | s->pending_debug | s->shadow_sti | s->shadow_ss | (s->rflags & FLAG_TF) |
             (s->dr[7] & DR7_ENABLED));
}

static u64 next_look(const struct core *c)
{
    return c->rt.look_again < c->rt.until ? c->rt.look_again : c->rt.until;
}

/* There is time for the instructions of a block from an op on. */
static bool fits(const struct core *c, const struct block *b, const struct op *from, u64 atoms)
{
    u64 now = c->s.cycle, limit = next_look(c);
    return now < limit && (u64)b->end->cycles - from->cycles < limit - now &&
           (u64)b->insns - from->insns <= atoms - c->rt.run.done;
}

/* Events of a load that does not fault. */
#define TOLD_BY_LOADS \
    (PROBE_BIT(access) | PROBE_BIT(walk_begin) | PROBE_BIT(walk_ref) | PROBE_BIT(walk_end) | \
     PROBE_BIT(tlb_fill) | PROBE_BIT(tlb_evict) | PROBE_BIT(mmio) | PROBE_BIT(vapic) | PROBE_BIT(pml))

static void begin(struct core *c)
{
    enum shortcut_mode mode = cpl(c) == 3 ? MODE_USER : MODE_SUPERVISOR;
    shortcuts_settle(c);
    struct fast_tlb *f = c->rt.fast;
    c->rt.run.read = &f->to[SHORTCUT_READ][mode];
    c->rt.run.write = &f->to[SHORTCUT_WRITE][mode];
    c->rt.run.fetch = &f->to[SHORTCUT_FETCH][mode];
    c->rt.run.line = f->line[true];
    c->rt.run.sole = c->m->cores > 1 ? c->rt.sole : NULL;
    c->rt.run.flags_kept = c->rt.run.leave = false;
    c->rt.run.cautious = c->m->watched & TOLD_BY_LOADS;
}

/* What the general way would have left behind at the end of the last instruction, at `cycle`. */
static void end(struct core *c, u64 cycle)
{
    struct block_run *r = &c->rt.run;
    if (!r->flags_kept)
        flags_give(c);
    if (r->done == r->told)
        return;
    flags_put(c, FLAG_RF, r->repeats ? FLAG_RF : 0); /* as debug_retire has it */
    if (c->s.vmx_guest) {
        c->s.count.insns_guest += r->done - r->told;
        c->s.count.cycles_guest += cycle - r->cycle;
    }
    c->rt.last_micro = MICRO_RETIRE;
    c->rt.atom_micros = r->micros;
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
    if (op->insns != r->from->insns)
        c->s.prev_writes = op[-1].writes;
    c->s.redirected = 0;
    c->s.cycle -= op->cycles;
    c->s.stamp -= op->ages;
    settle(c, r->from, op, r->late);
    c->s.count.stall_agi += op->late;
    end(c, c->rt.atom_cycle);
}

static bool goes_on(const struct core *c)
{
    const struct block *b = c->rt.run.block;
    return next_look(c) > c->s.cycle + b->end->cycles && !c->m->b.halted && nothing_special(c) &&
           c->rt.fast->layout == *c->rt.fast->layout_now && b->code_changes == *mem_code_changes(c->m->mem);
}

/* The general handler works on the clock and the ages as they are at this op.  What it counts of a load, the
 * block's sums hold as well. */
const struct op *run_missing_load(struct core *c, const struct op *op)
{
    struct block_run *r = &c->rt.run;
    if (r->cautious || (op > r->from && op[-1].run == run_line_try))
        GIVE_UP;
    c->rt.atom_cycle = c->s.cycle + op->cycles - (op == r->from ? r->late : 0);
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
    r->micros = c->rt.micro + 1;
    r->after_missed = op + 1;
    c->rt.micro = 0;
    if (likely(goes_on(c)))
        NEXT;
    r->leave = true;
    return op[1].run == run_end ? op[1].run(c, op + 1) : op + 1;
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
    if (r->stopped || c->m->b.halted || !nobody_looks(c) || !nothing_special(c) ||
        c->rt.fast->layout != *c->rt.fast->layout_now || b->code_changes != *mem_code_changes(c->m->mem) ||
        c->s.rip != b->gva + op[1].offset)
        return false;
    r->flags_kept = c->s.rflags != flags && !flags_take(c);
    return !r->flags_kept;
}

/* Runs a block; false if what comes next is for the run loop. */
static bool run_block(struct core *c, const struct block *b, u64 atoms)
{
    u64 late = (b->address_regs & c->s.prev_writes) != 0;
    c->rt.run.block = b;
    const struct op *op = run_ops(c, b, b->op, late);
    while (op != b->end) {
        if (!op->in || c->rt.run.leave || c->rt.run.flags_kept || !run_generally(c, b, op) ||
            !fits(c, b, op + 1, atoms))
            return false;
        op = run_ops(c, b, op + 1, 0);
    }
    return !(c->rt.run.flags_kept | c->rt.run.leave);
}

/* Fetches, as only an atom may that is about to start. */
static const struct block *next_block(struct core *c)
{
    return fetch_hits(c) ? block_at_rip(c) : NULL;
}

static bool run_next(struct core *c, const struct block *b, u64 atoms)
{
    if (likely(!b->bulk))
        return fits(c, b, b->op, atoms) && run_block(c, b, atoms);
    u64 iterations = run_string(c, b, atoms - c->rt.run.done, next_look(c));
    c->rt.run.done += iterations;
    c->rt.run.micros = 1;
    return iterations != 0;
}

u64 run_blocks(struct core *c, u64 atoms)
{
    struct block_run *r = &c->rt.run;
    r->stopped = false;
    const struct block *b;
    if (c->s.cycle >= next_look(c) || !nobody_looks(c) || !nothing_special(c) || !knows_its_lines(c))
        return 0;
    begin(c);
    if (!(b = next_block(c)) || !flags_take(c))
        return 0;
    r->cycle = c->s.cycle;
    while (b && run_next(c, b, atoms))
        b = r->done < atoms && c->s.cycle < next_look(c) ? next_block(c) : NULL;
    end(c, c->s.cycle);
    u64 done = r->done;
    r->done = r->told = 0;
    return done;
}
