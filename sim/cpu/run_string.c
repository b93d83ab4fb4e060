/* run_string.c - REP MOVS and REP STOS in blocks: the iterations that stay in one page at a time.
 *
 * An iteration is an atom (docs/machine.md, "Atoms and micros").  Of those that hit, and whose store finds
 * the store buffer's next entry free, each takes a cycle; so as many as lie in lines that are there are done
 * together, and leave the ages, the counters and the store buffer as one after another would. */
#include "cpu/run.h"

#include "cpu/exec.h"

/* One run of iterations, all in one page of each operand. */
struct iterations {
    u64 count;
    unsigned n, shift; /* bytes of an element, and their logarithm */
    bool down;         /* DF */
    bool reads;        /* MOVS */
    struct hit from, to;
};

bool is_bulk(const struct insn *in)
{
    return in->rep && in->addr_bytes == 8 && in->seg < SEG_FS && in->latency == 1 &&
           (in->execute == exec_movs || in->execute == exec_stos);
}

/* Elements from an address on that lie in the `unit` bytes around it, a power of two. */
static u64 elements(u64 address, u64 unit, const struct iterations *it)
{
    u64 offset = address & (unit - 1);
    return (it->down ? offset + it->n : unit - offset) >> it->shift;
}

/* Those that can be done together at best: in the page, if none lies in two lines. */
static u64 room(u64 gva, const struct iterations *it)
{
    return elements(gva, gva & (it->n - 1) ? LINE_BYTES : PAGE_BYTES, it);
}

/* ---- the store buffer: rules S2 and S3 ---- */

static u64 buffer_entry(const struct core *c)
{
    return c->s.store_next < c->m->p.store_buffer ? c->s.store_next : 0;
}

static u64 entry_before(const struct core *c, u64 entry)
{
    return entry ? entry - 1 : c->m->p.store_buffer - 1;
}

/* Takes an entry at each cycle from `now` on; when all stores before have drained, only the last ones matter.
 */
static void take_entries(struct core *c, u64 now, u64 count)
{
    u64 size = c->m->p.store_buffer, entry = buffer_entry(c), skipped = count > size ? count - size : 0;
    entry = (entry + skipped) % size;
    for (u64 i = skipped; i < count; i++) {
        c->s.store_done[entry] = now + i + 1;
        entry = entry + 1 == size ? 0 : entry + 1;
    }
    c->s.store_next = entry;
}

static bool all_drained(const struct core *c)
{
    return c->s.store_done[entry_before(c, buffer_entry(c))] <= c->s.cycle;
}

/* ---- bytes ---- */

static bool overlap(const u8 *a, const u8 *b, u64 bytes)
{
    return a < b + bytes && b < a + bytes;
}

static void move_bytes(const struct iterations *it)
{
    u64 bytes = it->count * it->n, back = it->down ? bytes - it->n : 0;
    if (!overlap(bytes_of(&it->from) - back, bytes_of(&it->to) - back, bytes)) {
        memcpy(bytes_of(&it->to) - back, bytes_of(&it->from) - back, bytes);
        return;
    }
    for (u64 i = 0; i < it->count; i++) {
        i64 at = it->down ? -(i64)(i * it->n) : (i64)(i * it->n);
        store_le(bytes_of(&it->to) + at, it->n, load_le(bytes_of(&it->from) + at, it->n));
    }
}

static void fill_bytes(const struct iterations *it, u64 value)
{
    u8 *at = bytes_of(&it->to) - (it->down ? (it->count - 1) * it->n : 0);
    if (it->n == 8)
        for (u64 i = 0; i < it->count; i++)
            store_le(at + 8 * i, 8, value);
    else
        for (u64 i = 0; i < it->count; i++)
            store_le(at + i * it->n, it->n, value);
}

/* ---- lines ---- */

/* The i-th element of an operand whose first one is `first`: its hPA. */
static u64 element(const struct hit *first, const struct iterations *it, u64 i)
{
    u64 hpa = first->page->frame | first->offset, bytes = i << it->shift;
    return it->down ? hpa - bytes : hpa + bytes;
}

static struct cache_line *line_of(const struct core *c, u64 hpa)
{
    return c->rt.run.line[hpa >> LINE_SHIFT & (LINE_SHORTCUTS - 1)];
}

/* How many of `count` elements lie in lines that the L1D has, and for writing no other core. */
static u64 while_there(const struct core *c, const struct hit *first, const struct iterations *it, u64 count,
                       bool writes)
{
    u64 i = 0, hpa;
    for (; i < count; i += elements(hpa, LINE_BYTES, it)) {
        hpa = element(first, it, i);
        const struct cache_line *l = line_of(c, hpa);
        if (l->tag != (hpa >> LINE_SHIFT) + 1 || (writes && !is_sole(c, l)))
            break;
    }
    return min(i, count);
}

/* The age of each line is that of the last iteration there; the first one's look-up of its line is at `age`,
 * and an iteration moves the clock by `each`.  A line of both operands keeps the later one. */
static void age_lines(const struct core *c, const struct hit *first, const struct iterations *it, u64 age,
                      u64 each)
{
    for (u64 i = 0; i < it->count;) {
        u64 hpa = element(first, it, i);
        struct cache_line *l = line_of(c, hpa);
        i = min(i + elements(hpa, LINE_BYTES, it), it->count);
        l->stamp = max(l->stamp, age + each * (i - 1));
    }
}

/* ---- a run of iterations ---- */

/* How many can be done together, up to `most`; 0: the general way does the next. */
static u64 together(struct core *c, struct iterations *it, u64 most)
{
    u64 to = c->s.gpr[REG_RDI], from = c->s.gpr[REG_RSI];
    u64 count = min(most, min(c->s.gpr[REG_RCX], room(to, it)));
    if (it->reads)
        count = min(count, room(from, it));
    if (!count || !all_drained(c) || !hits(c, c->rt.run.write, to, it->n, &it->to) || !it->to.page->host ||
        (it->reads && !hits(c, c->rt.run.read, from, it->n, &it->from)))
        return 0;
    count = while_there(c, &it->to, it, count, true);
    return it->reads ? while_there(c, &it->from, it, count, false) : count;
}

/* An iteration looks up the source's page and line, then the destination's. */
static void note_ages(struct core *c, const struct iterations *it)
{
    u64 each = it->reads ? 4 : 2, before = c->s.stamp;
    c->s.stamp += each * it->count;
    if (it->reads) {
        it->from.page->entry->stamp = c->s.stamp - 3;
        age_lines(c, &it->from, it, before + 2, each);
    }
    it->to.page->entry->stamp = c->s.stamp - 1;
    age_lines(c, &it->to, it, before + each, each);
}

static void count_them(struct core *c, const struct iterations *it)
{
    struct counters *n = &c->s.count;
    u64 accesses = it->reads ? 2 * it->count : it->count;
    n->insns += it->count;
    n->stores += it->count;
    n->loads += accesses - it->count;
    n->dtlb_lookups += accesses;
    n->l1d_lookups += accesses;
    c->s.atom += it->count;
    c->s.cycle += it->count;
}

static void advance(struct core *c, const struct iterations *it)
{
    u64 bytes = it->count << it->shift, step = it->down ? -bytes : bytes;
    c->s.gpr[REG_RDI] += step;
    c->s.gpr[REG_RSI] += it->reads ? step : 0;
    c->s.gpr[REG_RCX] -= it->count;
}

static void iterate(struct core *c, const struct iterations *it)
{
    if (it->reads)
        move_bytes(it);
    else
        fill_bytes(it, c->s.gpr[REG_RAX]);
    take_entries(c, c->s.cycle, it->count);
    note_ages(c, it);
    advance(c, it);
    count_them(c, it);
}

u64 run_string(struct core *c, const struct block *b, u64 atoms, u64 limit)
{
    const struct insn *in = b->bulk;
    struct iterations it = {.n = in->op_bytes,
                            .shift = in->op_bytes == 8 ? 3 : in->op_bytes >> 1,
                            .down = c->s.rflags & FLAG_DF,
                            .reads = in->execute == exec_movs};
    u64 done = 0;
    if (in->address_regs & c->s.prev_writes)
        return 0; /* A1: the general way does the first */
    while (done < atoms && c->s.cycle < limit &&
           (it.count = together(c, &it, min(atoms - done, limit - c->s.cycle)))) {
        iterate(c, &it);
        done += it.count;
    }
    if (!done)
        return 0;
    bool over = c->s.gpr[REG_RCX] == 0;
    c->s.redirected = 0;
    c->rt.run.repeats = !over;
    c->s.prev_writes = over ? in->write_regs : 0; /* A2 */
    c->s.rip += over ? in->length : 0;
    return done;
}
