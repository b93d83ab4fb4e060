/* access.c - loads, stores and fetches: translation, caches, bytes, and the cycles of each.
 *
 * The way that almost every access goes is the first function of each pair: one page, one line, a short cut
 * to the TLB entry.  It counts, ages and costs exactly what the way behind it would. */
#include "cpu/cpu.h"
#include "cpu/debug.h"
#include "cpu/vapic.h"
#include "mmu/alignment.h"
#include "mmu/bus.h"
#include "mmu/coherence.h"
#include "mmu/bytes.h"
#include "mmu/derived.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"
#include "mmu/translate.h"

/* ---- bytes ---- */

static unsigned min_unsigned(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static u64 low_bytes(u64 value, unsigned n)
{
    return n < 8 ? value & ((UINT64_C(1) << 8 * n) - 1) : value;
}

static bool in_one_line(u64 address, unsigned n)
{
    return (address & (LINE_BYTES - 1)) + n <= LINE_BYTES;
}

/* ---- the data TLB ---- */

static u64 by_shortcut(struct core *c, const struct shortcut *s, u64 gva)
{
    c->s.count.dtlb_lookups++;
    s->entry->stamp = ++c->s.stamp;
    return s->frame | (gva & (PAGE_BYTES - 1));
}

static enum page_kind kind_of(const struct tlb_entry *e)
{
    return (enum page_kind)((e->perms & PERM_KIND) >> PERM_KIND_SHIFT);
}

/* What a short cut would miss: breakpoints, alignment checks, and to tell of the access. */
static bool may_shorten(const struct core *c, u64 gva, unsigned access)
{
    return !watched(c, RS_PROBE_access) && !alignment_matters(c, access) && !debug_watches_page(c, gva);
}

/* A page that is touched once is not worth a short cut: it gets one when its entry is hit. */
static struct tlb_entry *translate_data(struct core *c, u64 gva, unsigned access)
{
    bool hit;
    struct tlb_entry *e = translate(c, gva, access, &hit);
    if (hit && kind_of(e) == PAGE_RAM && may_shorten(c, gva, access))
        shortcut_make(c, access & MMU_WRITE ? SHORTCUT_WRITE : SHORTCUT_READ, mode_of(access), gva, e);
    return e;
}

static void translate_piece(struct core *c, u64 gva, unsigned access, struct latch *l, unsigned piece)
{
    enum shortcut_mode mode = mode_of(access);
    enum shortcut_kind how = access & MMU_WRITE ? SHORTCUT_WRITE : SHORTCUT_READ;
    struct shortcut *s = shortcut_find(c, how, mode, gva);
    if (s) {
        if (unlikely(!s->host))
            shortcut_make(c, how, mode, gva, s->entry);
        l->hpa[piece] = by_shortcut(c, s, gva);
        l->kind[piece] = PAGE_RAM;
        l->host[piece] = s->host ? s->host + (gva & (PAGE_BYTES - 1)) : NULL;
        l->layout = c->rt.fast->layout;
        return;
    }
    struct tlb_entry *e = translate_data(c, gva, access);
    l->hpa[piece] = entry_hpa(e, gva);
    l->kind[piece] = (u8)kind_of(e);
    l->host[piece] = NULL;
}

static void check_translated(struct core *c, u64 gva, unsigned n, unsigned access)
{
    if (unlikely(!alignment_ok(c, gva, n, access)))
        cpu_fault(c, VEC_AC, 0);
    if (unlikely(debug_armed(c)))
        debug_data_access(c, gva, n, access & MMU_WRITE);
}

/* The pieces that lie in the APIC-access page.  An access of two pieces is not within one register. */
static void check_virtualised(struct core *c, unsigned access, struct latch *l)
{
    for (unsigned i = 0; i < 2 && l->bytes[i]; i++)
        if (l->kind[i] == PAGE_APIC_ACCESS)
            l->kind[i] = (u8)vapic_access(c, l->hpa[i], l->bytes[1] ? PAGE_BYTES : l->bytes[i], access);
}

/* Translates all pages of an access before anything is touched. */
static void translate_access(struct core *c, u64 gva, unsigned n, unsigned access, struct latch *l)
{
    unsigned first = min_unsigned(n, PAGE_BYTES - (unsigned)(gva & (PAGE_BYTES - 1)));
    l->gva = gva;
    l->size = (u8)n;
    l->bytes[0] = (u8)first;
    l->bytes[1] = (u8)(n - first);
    translate_piece(c, gva, access, l, 0);
    if (l->bytes[1])
        translate_piece(c, gva + first, access, l, 1);
    check_virtualised(c, access, l);
    check_translated(c, gva, n, access);
}

/* ---- devices ---- */

/* Rule E5, with the event before the access and its micro. */
static void reach_device(struct core *c, enum page_kind kind, u64 hpa, bool write, unsigned n, u64 value)
{
    pipeline_drain_stores(c);
    if (kind != PAGE_APIC)
        stall(c, &c->s.count.stall_device, bus_wait(c->m, c->s.cycle));
    stall(c, &c->s.count.stall_device, c->m->p.device_latency);
    PROBE(c, RS_PROBE_mmio, hpa, write, n, value);
    micro(c, MICRO_DEVICE);
}

static u64 device_read(struct core *c, enum page_kind kind, u64 hpa, unsigned n)
{
    if (kind == PAGE_APIC_ACCESS)
        return vapic_read(c, hpa, n);
    reach_device(c, kind, hpa, false, n, 0);
    return low_bytes(kind == PAGE_NONE ? UINT64_MAX : board_mmio_read(c, hpa, n), n);
}

static void device_write(struct core *c, enum page_kind kind, u64 hpa, unsigned n, u64 value)
{
    if (kind == PAGE_APIC_ACCESS) {
        vapic_write(c, hpa, n, value);
        return;
    }
    reach_device(c, kind, hpa, true, n, value);
    if (kind != PAGE_NONE)
        board_mmio_write(c, hpa, n, value);
}

/* ---- reads ---- */

/* M2: a line through the L1D.  Returns where it was. */
static enum rs_hit read_line(struct core *c, u64 hpa, u64 *counter)
{
    enum rs_hit from;
    u64 cycles = cache_read(c, hpa, &from);
    if (from == RS_L1)
        return from;
    stall(c, counter, cycles);
    micro(c, MICRO_CACHE);
    return from;
}

/* M1, M3: the lines of a piece; `lines` counts those of the whole access. */
static void read_lines(struct core *c, u64 hpa, unsigned n, unsigned *lines)
{
    for (u64 line = hpa >> LINE_SHIFT; line <= (hpa + n - 1) >> LINE_SHIFT; line++) {
        if (++*lines > 1)
            stall(c, &c->s.count.stall_load, 1);
        read_line(c, line << LINE_SHIFT, &c->s.count.stall_load);
    }
}

static u64 read_piece(struct core *c, const struct latch *l, unsigned piece, unsigned *lines)
{
    u64 hpa = l->hpa[piece];
    unsigned n = l->bytes[piece];
    if (l->kind[piece] != PAGE_RAM)
        return device_read(c, (enum page_kind)l->kind[piece], hpa, n);
    read_lines(c, hpa, n, lines);
    return mem_read(c->m->mem, hpa, n);
}

static u64 read_access(struct core *c, const struct latch *l)
{
    unsigned lines = 0;
    c->s.count.loads++;
    u64 value = read_piece(c, l, 0, &lines);
    if (l->bytes[1])
        value |= read_piece(c, l, 1, &lines) << 8 * l->bytes[0];
    PROBE(c, RS_PROBE_access, l->gva, l->hpa[0], false, l->size, value);
    return value;
}

static u64 load_lines(struct core *c, u64 gva, unsigned n, unsigned access)
{
    struct latch l;
    translate_access(c, gva, n, access, &l);
    return read_access(c, &l);
}

/* As load_lines has it. */
static u64 load_line(struct core *c, u64 gva, unsigned n, unsigned access)
{
    u64 value;
    struct tlb_entry *e = translate_data(c, gva, access);
    u64 hpa = entry_hpa(e, gva);
    enum page_kind kind = kind_of(e);
    if (unlikely(kind == PAGE_APIC_ACCESS))
        kind = vapic_access(c, hpa, n, access);
    check_translated(c, gva, n, access);
    c->s.count.loads++;
    if (likely(kind == PAGE_RAM)) {
        read_line(c, hpa, &c->s.count.stall_load);
        value = mem_read(c->m->mem, hpa, n);
    } else {
        value = device_read(c, kind, hpa, n);
    }
    PROBE(c, RS_PROBE_access, gva, hpa, false, n, value);
    return value;
}

/* The TLB is known to hit, the L1D is not. */
static u64 load_past_tlb(struct core *c, u64 hpa, unsigned n)
{
    c->s.count.loads++;
    read_line(c, hpa, &c->s.count.stall_load);
    return mem_read(c->m->mem, hpa, n);
}

u64 mmu_load(struct core *c, u64 gva, unsigned n, unsigned access)
{
    if (unlikely(!in_one_line(gva, n)))
        return load_lines(c, gva, n, access);
    struct shortcut *s = shortcut_find(c, SHORTCUT_READ, mode_of(access), gva);
    if (unlikely(!s))
        return load_line(c, gva, n, access);
    u64 hpa = by_shortcut(c, s, gva);
    if (unlikely(!line_hits(c, true, hpa)))
        return load_past_tlb(c, hpa, n);
    c->s.count.loads++;
    return load_le(s->host + (hpa & (PAGE_BYTES - 1)), n);
}

u64 mmu_load_for_write(struct core *c, u64 gva, unsigned n, unsigned access, struct latch *l)
{
    mmu_store_check(c, gva, n, access, l);
    if (unlikely(l->kind[0] == PAGE_APIC_ACCESS))
        vapic_access(c, l->hpa[0], n, access | MMU_MODIFY);
    return read_access(c, l);
}

/* ---- stores ---- */

void mmu_store_check(struct core *c, u64 gva, unsigned n, unsigned access, struct latch *l)
{
    struct shortcut *s = in_one_line(gva, n) ? shortcut_find(c, SHORTCUT_WRITE, mode_of(access), gva) : NULL;
    if (unlikely(!s || !s->host)) {
        translate_access(c, gva, n, access | MMU_WRITE, l);
        return;
    }
    l->gva = gva;
    l->hpa[0] = by_shortcut(c, s, gva);
    l->host[0] = s->host + (gva & (PAGE_BYTES - 1));
    l->layout = c->rt.fast->layout;
    l->kind[0] = PAGE_RAM;
    l->bytes[0] = l->size = (u8)n;
    l->bytes[1] = 0;
}

static void store_piece(struct core *c, const struct latch *l, unsigned piece, u64 value)
{
    u64 hpa = l->hpa[piece];
    unsigned n = l->bytes[piece];
    if (l->kind[piece] != PAGE_RAM) {
        device_write(c, (enum page_kind)l->kind[piece], hpa, n, low_bytes(value, n));
        return;
    }
    for (u64 line = hpa >> LINE_SHIFT; line <= (hpa + n - 1) >> LINE_SHIFT; line++)
        store_buffer_take(c, line << LINE_SHIFT);
    u64 before = *mem_layout(c->m->mem);
    if (likely(l->host[piece] && l->layout == before)) {
        store_le(l->host[piece], n, value);
        return;
    }
    mem_write(c->m->mem, hpa, n, value);
    if (unlikely(*mem_layout(c->m->mem) != before))
        shortcuts_page_moved(c, hpa, before);
}

void mmu_store_commit(struct core *c, const struct latch *l, u64 value)
{
    c->s.count.stores++;
    store_piece(c, l, 0, value);
    if (l->bytes[1])
        store_piece(c, l, 1, value >> 8 * l->bytes[0]);
    PROBE(c, RS_PROBE_access, l->gva, l->hpa[0], true, l->size, low_bytes(value, l->size));
}

/* ---- fetch ---- */

#define NOWHERE ((u64)1 << 52) /* beyond any hPA: bytes there read as ones */

static u64 fetch_hpa(struct core *c, u64 gva)
{
    bool user = cpl(c) == 3;
    enum shortcut_mode mode = user ? MODE_USER : MODE_SUPERVISOR;
    struct shortcut *s = shortcut_find(c, SHORTCUT_FETCH, mode, gva);
    if (likely(s != NULL)) {
        c->s.count.itlb_lookups++;
        s->entry->stamp = ++c->s.stamp;
        return s->frame | (gva & (PAGE_BYTES - 1));
    }
    bool hit;
    struct tlb_entry *e = translate(c, gva, MMU_FETCH | (user ? MMU_USER : 0), &hit);
    enum page_kind kind = kind_of(e);
    if (unlikely(kind == PAGE_APIC_ACCESS))
        kind = vapic_access(c, entry_hpa(e, gva), 1, MMU_FETCH);
    if (kind != PAGE_RAM)
        return NOWHERE | (gva & (PAGE_BYTES - 1));
    if (kind_of(e) == PAGE_RAM)
        shortcut_make(c, SHORTCUT_FETCH, mode, gva, e);
    return entry_hpa(e, gva);
}

u64 mmu_fetch_line(struct core *c, u64 gva)
{
    u64 line = gva >> LINE_SHIFT, offset = gva & (LINE_BYTES - 1);
    if (c->s.fetch_line == line + 1)
        return c->s.fetch_hpa | offset;
    u64 hpa = fetch_hpa(c, gva);
    if (hpa < NOWHERE) {
        enum rs_hit from;
        stall(c, &c->s.count.stall_fetch, cache_fetch(c, hpa, &from));
        if (from != RS_L1)
            micro(c, MICRO_CACHE);
    }
    c->s.fetch_line = line + 1;
    c->s.fetch_hpa = hpa & ~(u64)(LINE_BYTES - 1);
    return hpa;
}

/* ---- physical ---- */

enum physical { PHYSICAL_READ, PHYSICAL_WRITE, PHYSICAL_DRY_WRITE };

static u64 physical_takes(struct core *c, enum physical how, u64 line, enum rs_hit from)
{
    switch (how) {
    case PHYSICAL_WRITE: return coherence_write(c, line, from);
    case PHYSICAL_DRY_WRITE: return coherence_write_cost(c, line, from);
    default: return 0;
    }
}

static void physical_lines(struct core *c, u64 hpa, unsigned n, enum physical how, u64 *counter)
{
    for (u64 line = hpa >> LINE_SHIFT; line <= (hpa + n - 1) >> LINE_SHIFT; line++) {
        if (!mem_has(c->m->mem, line << LINE_SHIFT, LINE_BYTES))
            continue;
        enum rs_hit from = read_line(c, line << LINE_SHIFT, counter);
        stall(c, counter, physical_takes(c, how, line, from));
    }
}

u64 phys_read(struct core *c, u64 hpa, unsigned n, u64 *counter)
{
    unsigned first = min_unsigned(n, PAGE_BYTES - (unsigned)(hpa & (PAGE_BYTES - 1)));
    physical_lines(c, hpa, n, PHYSICAL_READ, counter);
    u64 value = mem_read(c->m->mem, hpa, first);
    return first == n ? value : value | mem_read(c->m->mem, hpa + first, n - first) << 8 * first;
}

u64 phys_load(struct core *c, u64 hpa, unsigned n)
{
    return phys_read(c, hpa, n, &c->s.count.stall_vmx);
}

void phys_store(struct core *c, u64 hpa, unsigned n, u64 value)
{
    unsigned first = min_unsigned(n, PAGE_BYTES - (unsigned)(hpa & (PAGE_BYTES - 1)));
    physical_lines(c, hpa, n, PHYSICAL_WRITE, &c->s.count.stall_vmx);
    mem_write(c->m->mem, hpa, first, value);
    if (first < n)
        mem_write(c->m->mem, hpa + first, n - first, value >> 8 * first);
}

void phys_store_dry(struct core *c, u64 hpa, unsigned n)
{
    physical_lines(c, hpa, n, PHYSICAL_DRY_WRITE, &c->s.count.stall_vmx);
}
