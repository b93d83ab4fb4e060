/* decode_cache.c - fetches and decodes, keeping what is decoded.
 *
 * An entry holds for its hPA as long as no code has changed; if some has, as long as its bytes are still the
 * same.  Instructions that cross a page are decoded each time. */
#include "cpu/decode_cache.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/block.h"
#include "cpu/cpu.h"
#include "hostile.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"

#define CACHE_ENTRIES HOSTILE_OR(1u, 8192u)
#define LINE_BYTES    64u

struct decoded {
    u64 hpa;     /* + 1; 0: invalid */
    u64 changes; /* of code, of which this knows */
    struct insn in;
    u8 bytes[INSN_BYTES_MAX];
};

struct decode_cache {
    struct insn crossing; /* the last one that crossed a page */
    struct decoded entry[CACHE_ENTRIES];
};

void decode_cache_drop(struct core *c)
{
    blocks_drop(c);
    if (c->rt.decoded)
        for (unsigned i = 0; i < CACHE_ENTRIES; i++)
            c->rt.decoded->entry[i].hpa = 0;
}

void decode_cache_free(struct core *c)
{
    blocks_free(c);
    free(c->rt.decoded);
    c->rt.decoded = NULL;
}

static struct decode_cache *cache_of(struct core *c)
{
    if (!c->rt.decoded && !(c->rt.decoded = calloc(1, sizeof *c->rt.decoded)))
        abort();
    return c->rt.decoded;
}

static struct decoded *entry_of(struct core *c, u64 hpa)
{
    return &cache_of(c)->entry[(hpa ^ hpa >> 13) & (CACHE_ENTRIES - 1)];
}

/* Up to n bytes of code at hpa, inside one page; ones outside RAM. */
static void code_bytes(const struct core *c, u64 hpa, u8 *to, unsigned n)
{
    const u8 *page = mem_read_page(c->m->mem, hpa);
    if (page)
        memcpy(to, page + (hpa & (PAGE_BYTES - 1)), n);
    else
        memset(to, 0xff, n);
}

static void mark(struct core *c, struct decoded *e, u64 hpa)
{
    mem_mark_code(c->m->mem, hpa, e->in.length);
    e->changes = *mem_code_changes(c->m->mem);
}

static bool still_same(struct core *c, struct decoded *e, u64 hpa)
{
    const u8 *page = mem_read_page(c->m->mem, hpa);
    if (!page || memcmp(page + (hpa & (PAGE_BYTES - 1)), e->bytes, e->in.length) != 0)
        return false;
    mark(c, e, hpa);
    return true;
}

static u64 line_of(u64 gva)
{
    return gva / LINE_BYTES + 1;
}

/* hPA of gva, with its line in the fetch buffer. */
static u64 fetch_line(struct core *c, u64 gva)
{
    if (likely(c->s.fetch_line == line_of(gva)))
        return (c->s.fetch_hpa & ~(u64)(LINE_BYTES - 1)) | (gva & (LINE_BYTES - 1));
    if (!sys_canonical(gva))
        cpu_fault(c, VEC_GP, 0);
    return mmu_fetch_line(c, gva);
}

static void check_decoded(struct core *c, enum decode_result result)
{
    if (result == DECODE_UD)
        cpu_fault(c, VEC_UD, 0);
    if (result != DECODE_OK)
        cpu_fault(c, VEC_GP, 0); /* longer than 15 bytes */
}

/* Decodes at hpa, fetching the next line if the instruction needs it. */
static const struct insn *decode_at(struct core *c, u64 hpa)
{
    u8 bytes[INSN_BYTES_MAX];
    unsigned room = LINE_BYTES - (unsigned)(hpa & (LINE_BYTES - 1));
    unsigned have = room < INSN_BYTES_MAX ? room : INSN_BYTES_MAX;
    struct insn in;
    code_bytes(c, hpa, bytes, have);
    enum decode_result result = decode(bytes, have, &in);
    u64 next = hpa + room;
    if (result == DECODE_SHORT && have < INSN_BYTES_MAX) {
        next = fetch_line(c, c->s.rip + room);
        code_bytes(c, next, bytes + have, INSN_BYTES_MAX - have);
        result = decode(bytes, INSN_BYTES_MAX, &in);
    }
    check_decoded(c, result);
    if (next != hpa + room || (hpa & (PAGE_BYTES - 1)) + in.length > PAGE_BYTES) {
        cache_of(c)->crossing = in;
        return &cache_of(c)->crossing;
    }
    struct decoded *e = entry_of(c, hpa);
    *e = (struct decoded){.hpa = hpa + 1, .in = in};
    mark(c, e, hpa);
    memcpy(e->bytes, bytes, in.length);
    return &e->in;
}

static bool unchanged(const struct core *c, const struct decoded *e)
{
    return e->changes == *mem_code_changes(c->m->mem);
}

const struct insn *fetch_insn(struct core *c)
{
    u64 hpa = fetch_line(c, c->s.rip);
    struct decoded *e = entry_of(c, hpa);
    if (unlikely(e->hpa != hpa + 1 || (!unchanged(c, e) && !still_same(c, e, hpa))))
        return decode_at(c, hpa);
    u64 last = c->s.rip + e->in.length - 1;
    if (unlikely(line_of(last) != c->s.fetch_line))
        fetch_line(c, last);
    return &e->in;
}
