/* run.h - what the handlers of blocks are made of: registers, accesses that hit, flags made when asked for.
 *
 * Status flags are kept as the result that they are of, sign-extended to 64 bits, and its carries: bit 63 is
 * the carry out of the operand (CF), 63 and 62 differ if it overflowed (OF), bit 3 is AF.  They become RFLAGS
 * when blocks are left.  No result has ZF with SF, or ZF without PF: with such flags no block is entered. */
#ifndef RINGSIDE_RUN_H
#define RINGSIDE_RUN_H

#include "cpu/block.h"
#include "cpu/flags.h"
#include "mmu/bytes.h"
#include "mmu/coherence.h"
#include "mmu/derived.h"
#include "mmu/mem.h"

/* Runs blocks from RIP on, up to `atoms` atoms, before the cycle at which something is due; returns how many.
 * What comes next is for the general way, or not due; it is run.tail if that is known.  run.c */
u64 run_blocks(struct core *c, u64 atoms);

/* Iterations of the REP instruction that is block b, up to `atoms`, before `limit`; returns how many.
 * run_string.c */
u64 run_string(struct core *c, const struct block *b, u64 atoms, u64 limit);

#define RUN(name) const struct op *run_##name(struct core *c, const struct op *op)
/* Where the compiler does not make a jump of this call, it nests no deeper than a block is long. */
#define NEXT      return op[1].run(c, op + 1)
/* Leaves this instruction to the run loop. */
#define GIVE_UP   return op

/* For a move from memory whose load does not hit: it goes on with the general handler, inside the block; and
 * for what makes flags of what it loads. */
op_run run_missing_load, run_missing_operand;

/* ---- registers ---- */

#define N_BITS(n) (8 * (n))

/* The low n bytes, sign-extended. */
static inline u64 widened(u64 value, unsigned n)
{
    return n == 8   ? value
           : n == 4 ? (u64)(i64)(i32)value
           : n == 2 ? (u64)(i64)(i16)value
                    : (u64)(i64)(i8)value;
}

static inline u64 narrowed(u64 value, unsigned n)
{
    return n == 8 ? value : n == 4 ? (u32)value : n == 2 ? (u16)value : (u8)value;
}

static inline void gpr_put(struct core *c, unsigned reg, unsigned n, u64 value)
{
    u64 *r = &c->s.gpr[reg];
    if (n == 8)
        *r = value;
    else if (n == 4)
        *r = (u32)value;
    else if (n == 2)
        *r = (*r & ~(u64)0xffff) | (u16)value;
    else
        *r = (*r & ~(u64)0xff) | (u8)value;
}

/* ---- memory: inlined, so that nothing has an address on the stack and NEXT can be a jump ---- */

/* An access that hits: the page and the line whose ages it will move. */
struct hit {
    const struct shortcut *page;
    struct cache_line *line;
    u64 offset;
};

static inline u8 *bytes_of(const struct hit *h)
{
    return h->page->host + h->offset;
}

INLINED u64 op_address(const struct core *c, const struct op *op)
{
    u64 a = op->disp;
    if (op->base != 0xff)
        a += c->s.gpr[op->base];
    if (op->index != 0xff)
        a += c->s.gpr[op->index] << op->scale;
    return a;
}

/* True if n bytes at gva lie in one line, and data TLB and L1D hit.  Nothing has happened yet. */
INLINED bool hits(const struct core *c, const struct shortcuts *t, u64 gva, unsigned n, struct hit *h)
{
    const struct shortcut *s = &t->row[gva >> 12 & (SHORTCUTS - 1)];
    u64 offset = gva & (PAGE_BYTES - 1), number = (s->frame | offset) >> LINE_SHIFT;
    if (unlikely(s->page != gva >> 12) || unlikely((gva & (LINE_BYTES - 1)) + n > LINE_BYTES))
        return false;
    struct cache_line *l = c->rt.run.line[number & (LINE_SHORTCUTS - 1)];
    *h = (struct hit){s, l, offset};
    return likely(l->tag == number + 1);
}

/* M1: the data TLB, then the L1D. */
INLINED void note_load(const struct core *c, const struct op *op, const struct hit *h)
{
    u64 age = c->s.stamp + op->ages;
    h->page->entry->stamp = age + 1;
    h->line->stamp = age + 2;
}

/* C5: it is known that no other core has the line. */
static inline bool is_sole(const struct core *c, const struct cache_line *l)
{
    const struct sole *sole = c->rt.run.sole;
    return likely(!sole) || sole->line[(l->tag - 1) & (SOLE_LINES - 1)] == l->tag;
}

/* Data TLB and L1D hit, the page takes a pointer; S1 to S3, C5: the store buffer's next entry is free, and no
 * other core has the line. */
INLINED bool store_fits(const struct core *c, const struct op *op, u64 gva, unsigned n, struct hit *h)
{
    return hits(c, c->rt.run.write, gva, n, h) && likely(h->page->host) && is_sole(c, h->line) &&
           likely(c->s.store_done[c->s.store_next] <= c->s.cycle + op->issued);
}

/* Takes that entry.  first: the age of the look-up before its own. */
INLINED void note_store(struct core *c, const struct op *op, const struct hit *h, u64 first)
{
    u64 last = c->rt.run.store_last, now = c->s.cycle + op->issued, entry = c->s.store_next;
    u64 age = c->s.stamp + op->ages;
    h->page->entry->stamp = age + 1;
    h->line->stamp = age + first + 1;
    u64 before = c->s.store_done[entry ? entry - 1 : last];
    c->s.store_done[entry] = max(before, now) + 1;
    c->s.store_next = entry == last ? 0 : entry + 1;
}

/* Both return false, and have done nothing, if the access does not hit. */
INLINED bool op_load(struct core *c, const struct op *op, u64 gva, unsigned n, u64 *value)
{
    struct hit h;
    if (unlikely(!hits(c, c->rt.run.read, gva, n, &h)))
        return false;
    note_load(c, op, &h);
    *value = load_le(bytes_of(&h), n);
    return true;
}

INLINED bool op_store(struct core *c, const struct op *op, u64 gva, unsigned n, u64 value)
{
    struct hit h;
    if (unlikely(!store_fits(c, op, gva, n, &h)))
        return false;
    store_le(bytes_of(&h), n, value);
    note_store(c, op, &h, 1);
    return true;
}

/* For reading and writing: one look-up in the data TLB, two of the line. */
INLINED bool op_modify(struct core *c, const struct op *op, unsigned n, struct hit *h, u64 *value)
{
    if (unlikely(!store_fits(c, op, op_address(c, op), n, h)))
        return false;
    *value = load_le(bytes_of(h), n);
    return true;
}

INLINED void op_modified(struct core *c, const struct op *op, unsigned n, const struct hit *h, u64 value)
{
    store_le(bytes_of(h), n, value);
    note_store(c, op, h, 2);
}

/* ---- flags ---- */

#define AF_BIT 8u

static inline void set_flags(struct core *c, u64 result, u64 carries)
{
    c->rt.run.result = result;
    c->rt.run.carries = carries;
}

/* Carries out of each bit of an n-byte operand, as they are kept. */
static inline u64 carries_kept(u64 carries, unsigned n)
{
    return n == 8 ? carries : carries << (64 - N_BITS(n)) | (carries & AF_BIT);
}

static inline u64 lazy_cf(const struct core *c)
{
    return c->rt.run.carries >> 63;
}

static inline u64 lazy_of(const struct core *c)
{
    return (c->rt.run.carries ^ c->rt.run.carries << 1) >> 63;
}

static inline bool lazy_zf(const struct core *c)
{
    return c->rt.run.result == 0;
}

static inline u64 lazy_sf(const struct core *c)
{
    return c->rt.run.result >> 63;
}

static inline bool lazy_pf(const struct core *c)
{
    u64 r = c->rt.run.result;
    return 0x9669u >> ((r ^ r >> 4) & 0xf) & 1; /* bit i: i has an even number of ones */
}

/* CF and OF anew, AF kept or clear. */
static inline void set_cf_of(struct core *c, u64 cf, u64 of)
{
    c->rt.run.carries = cf << 63 | (cf ^ of) << 62 | (c->rt.run.carries & AF_BIT);
}

/* The sixteen conditions, as flags.h has them. */
static inline bool lazy_condition(const struct core *c, unsigned n)
{
    bool holds;
    switch (n >> 1) {
    case 0: holds = lazy_of(c); break;
    case 1: holds = lazy_cf(c); break;
    case 2: holds = lazy_zf(c); break;
    case 3: holds = lazy_cf(c) | lazy_zf(c); break;
    case 4: holds = lazy_sf(c); break;
    case 5: holds = lazy_pf(c); break;
    case 6: holds = lazy_sf(c) ^ lazy_of(c); break;
    default: holds = (lazy_sf(c) ^ lazy_of(c)) | lazy_zf(c); break;
    }
    return holds != (n & 1);
}

/* From RFLAGS; false if no result has such flags. */
static inline bool flags_take(struct core *c)
{
    u64 f = c->s.rflags, zf = f & FLAG_ZF;
    if (unlikely(zf && (f & (FLAG_SF | FLAG_PF)) != FLAG_PF))
        return false;
    set_flags(c, zf ? 0 : (f & FLAG_SF ? (u64)1 << 63 : 0) | 0x100 | !(f & FLAG_PF),
              f & FLAG_AF ? AF_BIT : 0);
    set_cf_of(c, f & FLAG_CF, f >> 11 & 1);
    return true;
}

static inline void flags_give(struct core *c)
{
    u64 af = c->rt.run.carries & AF_BIT ? FLAG_AF : 0;
    flags_put(c, FLAGS_STATUS,
              lazy_cf(c) | (u64)lazy_pf(c) << 2 | af | (u64)lazy_zf(c) << 6 | lazy_sf(c) << 7 |
                  lazy_of(c) << 11);
}

#endif
