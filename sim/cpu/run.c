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

/* Adds the sums of all ops before `stop`.  late: the first instruction's address was (A1). */
static void settle(struct core *c, const struct op *stop, u64 late)
{
    struct counters *n = &c->s.count;
    u64 insns = stop->insns;
    u64 accesses = stop->loads + stop->stores;
    c->s.stamp += stop->ages;
    c->s.atom += insns;
    n->insns += insns;
    n->stall_agi += late + stop->cycles - stop->exec - insns;
    n->stall_exec += stop->exec;
    n->loads += stop->loads;
    n->stores += stop->stores;
    n->l1d_lookups += accesses;
    n->dtlb_lookups += stop->ages - 2u * stop->lines - accesses;
    n->itlb_lookups += stop->lines;
    n->l1i_lookups += stop->lines;
    c->s.cycle += stop->cycles;
}

/* Runs a block as far as it goes; returns its instructions that ran. */
static u64 run_block(struct core *c, const struct block *b, const struct op **stop)
{
    u64 late = (b->address_regs & c->s.prev_writes) != 0;
    c->rt.run.redirected = 0;
    c->rt.run.repeats = false;
    c->s.cycle += late;
    const struct op *at = b->op->run(c, b->op);
    *stop = at;
    if (at != b->end) {
        at -= at > b->op && at[-1].run == run_line_try;
        c->s.rip = b->gva + at->offset;
    }
    if (unlikely(!at->insns)) {
        c->s.cycle -= late;
        late = 0;
    } else {
        c->s.redirected = c->rt.run.redirected;
        c->s.prev_writes = c->rt.run.redirected ? 0 : at[-1].writes;
    }
    settle(c, at, late);
    return at->insns;
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
    c->rt.run.flags_kept = false;
}

static void end(struct core *c, u64 done, u64 cycle)
{
    if (!c->rt.run.flags_kept)
        flags_give(c);
    if (!done)
        return;
    flags_put(c, FLAG_RF, c->rt.run.repeats ? FLAG_RF : 0); /* as debug_retire has it */
    if (c->s.vmx_guest) {
        c->s.count.insns_guest += done;
        c->s.count.cycles_guest += c->s.cycle - cycle;
    }
    c->rt.last_micro = MICRO_RETIRE;
    c->rt.atom_micros = 1;
}

/* Fetches, as only an atom may that is about to start. */
static const struct block *next_block(struct core *c)
{
    return fetch_hits(c) ? block_at_rip(c) : NULL;
}

u64 run_blocks(struct core *c, u64 atoms)
{
    u64 done = 0, cycle = c->s.cycle;
    const struct block *b;
    const struct op *stop;
    if (c->s.cycle >= next_look(c) || !nobody_looks(c) || !nothing_special(c) || !knows_its_lines(c))
        return 0;
    begin(c);
    if (!(b = next_block(c)) || !flags_take(c))
        return 0;
    for (; b; b = done < atoms && c->s.cycle < next_look(c) ? next_block(c) : NULL) {
        if (unlikely(b->bulk)) {
            u64 iterations = run_string(c, b, atoms - done, next_look(c));
            if (!iterations)
                break;
            done += iterations;
            continue;
        }
        if (b->end->cycles >= next_look(c) - c->s.cycle || b->insns > atoms - done)
            break;
        done += run_block(c, b, &stop);
        if (unlikely(stop != b->end || c->rt.run.flags_kept))
            break;
    }
    end(c, done, cycle);
    return done;
}
