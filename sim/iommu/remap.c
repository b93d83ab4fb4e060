/* remap.c - DMA remapping: where a device's access leads (VT-d specification, 3.4 "Root and Context Entries",
 * 3.7 "Second-Level Translation", 7.1.3 "Fault conditions and Remapping hardware behavior").
 *
 * The second-level tables are read by the walker's loop (mmu/level.h). */
#include <string.h>

#include "arch/pci.h"
#include "cpu/cpu.h"
#include "dev/device.h"
#include "iommu/parts.h"
#include "mmu/level.h"

#define ROW_ROOT    1
#define ROW_CONTEXT 2
#define ROW_DATA    7
#define COL         1

#define ENTRY_POINTER UINT64_C(0xfffffffffffff000)

/* A translation in progress. */
struct remap {
    struct machine *m;
    const struct iommu_access *a;
    struct rs_walk *rec;
    u64 context[2];
    u32 reason; /* of the fault; 0: none */
    bool quiet;
};

static u64 domain_of(const struct remap *r)
{
    return r->context[1] >> IOMMU_CONTEXT_DID_SHIFT & 0xffff;
}

/* ---- the record ---- */

static void begin_record(struct remap *r)
{
    struct rs_walk *rec = r->rec;
    memset(rec, 0, offsetof(struct rs_walk, ref));
    memset(rec->row_gpa, 0, sizeof *rec - offsetof(struct rs_walk, row_gpa));
    rec->valid = rec->paging = rec->device = true;
    rec->access = r->a->write ? RS_WRITE : RS_READ;
    rec->gva = r->a->address;
    rec->requester = r->a->requester;
    rec->rows = ROW_DATA;
    rec->cols = COL;
    rec->start_cycle = r->m->devices.cycle;
}

static void skip_rows(struct remap *r, unsigned first, unsigned last, enum rs_skip by)
{
    for (unsigned row = first; row <= last; row++)
        r->rec->skip[r->rec->skip_count++] = (struct rs_walk_skip){(u8)row, COL, by};
}

static bool fail(struct remap *r, u32 reason)
{
    r->reason = reason;
    return false;
}

/* ---- references ---- */

/* Where an entry is in the grid, and what gave its table. */
struct spot {
    enum rs_stage stage;
    u8 level, row, base_ref;
};

/* Reads an entry; its number, or 0: there is no memory. */
static u8 reference(struct remap *r, struct spot s, u64 hpa, unsigned words, u64 *entry)
{
    struct rs_walk *rec = r->rec;
    u64 cycles;
    if (!iommu_fetch(r->m, hpa, words, entry, &cycles))
        return 0;
    struct rs_walk_ref *ref = &rec->ref[rec->ref_count++];
    *ref = (struct rs_walk_ref){
        .stage = s.stage,
        .n = rec->ref_count,
        .level = s.level,
        .row = s.row,
        .col = COL,
        .hpa = hpa,
        .before = entry[0],
        .entry = entry[0],
        .high = words > 1 ? entry[1] : 0,
        .cycles = cycles,
        .from = RS_MEM,
        .base_ref = s.base_ref,
        .index = (uint16_t)((hpa & 0xfff) / (8 * words)),
        .leaf = s.stage == RS_SECOND && level_is_leaf(&format_vtd, s.level, *entry),
    };
    rec->cycles = r->m->devices.cycle - rec->start_cycle;
    r->m->b.iommu_count.refs++;
    PROBE_DEVICE(r->m, RS_PROBE_iommu_ref, r->a->requester, r->a->address, r->a->write, ref->n, ref->stage,
                 ref->level, ref->row, hpa, ref->entry, cycles);
    device_micro(r->m, MICRO_WALK_REF);
    return ref->n;
}

/* ---- root and context entries ---- */

static bool read_root(struct remap *r, u64 *table)
{
    u64 entry[2], at = (r->m->b.iommu.root & ENTRY_POINTER) + 16 * (r->a->requester >> 8);
    if (!reference(r, (struct spot){.stage = RS_ROOT, .row = ROW_ROOT}, at, 2, entry))
        return fail(r, IOMMU_FAULT_ROOT_ACCESS);
    if (!(entry[0] & IOMMU_ENTRY_P))
        return fail(r, IOMMU_FAULT_ROOT_NOT_PRESENT);
    if (entry[0] & (BEYOND_PHYS | LEVEL_BITS(63, 52) | LEVEL_BITS(11, 1)) || entry[1])
        return fail(r, IOMMU_FAULT_ROOT_RESERVED);
    *table = entry[0] & ENTRY_POINTER;
    return true;
}

static bool width_is_legal(u64 width, u64 type)
{
    return width == IOMMU_CONTEXT_AW_48 || (width == IOMMU_CONTEXT_AW_39 && type == IOMMU_CONTEXT_TABLES);
}

/* Pass-through must have the largest width (9.3). */
static bool check_context(struct remap *r)
{
    const u64 *c = r->context;
    u64 type = c[0] & IOMMU_CONTEXT_TT;
    if (!(c[0] & IOMMU_ENTRY_P))
        return fail(r, IOMMU_FAULT_CONTEXT_NOT_PRESENT);
    if (c[0] & (BEYOND_PHYS | LEVEL_BITS(63, 52) | LEVEL_BITS(11, 4)) || c[1] & (LEVEL_BITS(63, 24) | 0x80))
        return fail(r, IOMMU_FAULT_CONTEXT_RESERVED);
    if ((type != IOMMU_CONTEXT_TABLES && type != IOMMU_CONTEXT_PASS) ||
        !width_is_legal(c[1] & IOMMU_CONTEXT_AW, type))
        return fail(r, IOMMU_FAULT_CONTEXT_INVALID);
    return true;
}

static bool read_context(struct remap *r)
{
    u64 table;
    if (!read_root(r, &table))
        return false;
    struct spot s = {.stage = RS_CONTEXT, .row = ROW_CONTEXT, .base_ref = 1};
    if (!reference(r, s, table + 16 * (r->a->requester & 0xff), 2, r->context))
        return fail(r, IOMMU_FAULT_CONTEXT_ACCESS);
    r->quiet = r->context[0] & IOMMU_CONTEXT_FPD;
    return check_context(r);
}

static bool passes(const struct remap *r)
{
    return (r->context[0] & IOMMU_CONTEXT_TT) == IOMMU_CONTEXT_PASS;
}

static unsigned top_level(const struct remap *r)
{
    return (r->context[1] & IOMMU_CONTEXT_AW) == IOMMU_CONTEXT_AW_48 ? 4 : 3;
}

static bool find_context(struct remap *r)
{
    const struct iommu_entry *e = iommu_cache_find(r->m, UNIT_CONTEXT, r->a->requester, 0);
    if (e) {
        r->m->b.iommu_count.context_hits++;
        r->context[0] = e->low;
        r->context[1] = e->high;
        r->quiet = e->low & IOMMU_CONTEXT_FPD;
        skip_rows(r, ROW_ROOT, ROW_CONTEXT, RS_BY_CONTEXT_CACHE);
    } else {
        if (!read_context(r))
            return false;
        iommu_cache_fill(
            r->m, UNIT_CONTEXT,
            (struct iommu_entry){.tag = r->a->requester, .low = r->context[0], .high = r->context[1]});
    }
    r->rec->domain_known = true;
    r->rec->domain = (uint16_t)domain_of(r);
    r->rec->levels = passes(r) ? 0 : (u8)top_level(r);
    return true;
}

/* ---- second-level tables ---- */

static u64 right_needed(const struct remap *r)
{
    return r->a->write ? PERM_W : PERM_R;
}

static bool refuse(struct remap *r)
{
    return fail(r, r->a->write ? IOMMU_FAULT_WRITE : IOMMU_FAULT_READ);
}

static bool visit(void *walk, const void *pass, struct cursor *at, u64 address, u64 *entry)
{
    struct remap *r = walk;
    struct spot s = {.stage = RS_SECOND,
                     .level = (u8)at->level,
                     .row = (u8)(ROW_DATA - at->level),
                     .base_ref = at->base_ref};
    (void)pass;
    at->base_ref = reference(r, s, at->table + 8 * level_index(&format_vtd, at->level, address), 1, entry);
    if (!at->base_ref)
        return fail(r, IOMMU_FAULT_TABLE_ACCESS);
    at->perms &= format_vtd.perms(*entry);
    if (!(at->perms & right_needed(r)))
        return refuse(r);
    if (!level_well_formed(&format_vtd, at->level, *entry))
        return fail(r, IOMMU_FAULT_ENTRY_RESERVED);
    return true;
}

static enum iommu_unit unit_of(unsigned level)
{
    return (enum iommu_unit)(UNIT_TABLE_4 + 4 - level);
}

static struct iommu_entry entry_of(const struct remap *r, const struct cursor *at, u64 address, u64 frame)
{
    unsigned reach = at->level - 1;
    return (struct iommu_entry){.tag = address >> reach_shift(reach),
                                .space = iommu_space(domain_of(r), reach),
                                .low = frame,
                                .high = at->perms};
}

static void remember(void *walk, const void *pass, const struct cursor *at, u64 address, u64 table)
{
    struct remap *r = walk;
    (void)pass;
    iommu_cache_fill(r->m, unit_of(at->level), entry_of(r, at, address, table));
}

/* The root, or what a paging-structure cache remembers further down: the longest match first. */
static struct cursor start(struct remap *r)
{
    unsigned top = top_level(r);
    struct cursor at = {.level = top,
                        .table = r->context[0] & ENTRY_POINTER,
                        .perms = PERM_R | PERM_W,
                        .base_ref = r->rec->ref_count};
    for (unsigned level = 2; level <= top; level++) {
        u64 tag = r->a->address >> format_vtd.shift[level];
        const struct iommu_entry *e =
            iommu_cache_find(r->m, unit_of(level), tag, iommu_space(domain_of(r), level - 1));
        if (e) {
            r->m->b.iommu_count.pwc_hits++;
            skip_rows(r, ROW_DATA - top, ROW_DATA - level, RS_BY_PWC);
            return (struct cursor){.level = level - 1, .table = e->low & ENTRY_POINTER, .perms = e->high};
        }
    }
    return at;
}

static u64 inside(const struct remap *r, unsigned reach)
{
    return r->a->address & (reach_bytes(reach) - 1);
}

/* A cached right that is not enough refuses: tables that grant more count from the invalidation on. */
static bool look_up(struct remap *r, struct iommu_entry *out)
{
    for (unsigned reach = REACH_4K; reach <= REACH_1G; reach++) {
        const struct iommu_entry *e = iommu_cache_find(r->m, UNIT_IOTLB, r->a->address >> reach_shift(reach),
                                                       iommu_space(domain_of(r), reach));
        if (e) {
            r->m->b.iommu_count.iotlb_hits++;
            skip_rows(r, ROW_DATA - top_level(r), ROW_DATA - 1, RS_BY_IOTLB);
            *out = *e;
            return true;
        }
    }
    return false;
}

static bool walk(struct remap *r, struct iommu_entry *out)
{
    struct cursor at = start(r);
    u64 entry;
    if (!(at.perms & right_needed(r)))
        return refuse(r);
    if (!level_loop(&format_vtd, visit, remember, r, NULL, &at, r->a->address, &entry))
        return false;
    *out = entry_of(r, &at, r->a->address, level_frame(&format_vtd, at.level, entry));
    iommu_cache_fill(r->m, UNIT_IOTLB, *out);
    return true;
}

static bool translate_by_tables(struct remap *r, u64 *hpa)
{
    struct iommu_entry e;
    if (!look_up(r, &e) && !walk(r, &e))
        return false;
    if (!(e.high & right_needed(r)))
        return refuse(r);
    unsigned reach = iommu_reach(&e);
    *hpa = e.low | inside(r, reach);
    r->rec->page_bytes = reach_bytes(reach);
    if ((*hpa & ~UINT64_C(0xfffff)) == MSI_ADDRESS)
        return fail(r, IOMMU_FAULT_INTERRUPT_RANGE);
    return true;
}

/* ---- the whole ---- */

static bool translate(struct remap *r, u64 *hpa)
{
    if (!find_context(r))
        return false;
    unsigned top = top_level(r);
    if (r->a->address >> (format_vtd.shift[top] + 9))
        return fail(r, IOMMU_FAULT_BEYOND_WIDTH);
    *hpa = r->a->address;
    return passes(r) || translate_by_tables(r, hpa);
}

static void end_record(struct remap *r, u64 hpa)
{
    struct rs_walk *rec = r->rec;
    rec->ended = true;
    rec->hpa = hpa;
    rec->cycles = r->m->devices.cycle - rec->start_cycle;
    rec->owner = r->reason ? RS_IOMMU_FAULT : RS_NO_FAULT;
    rec->reason = r->reason;
    rec->fault_text = iommu_reason_text(r->reason);
}

bool iommu_translate(struct machine *m, const struct iommu_access *a, u64 *hpa)
{
    struct remap r = {.m = m, .a = a, .rec = &m->iommu_walk};
    *hpa = a->address;
    if (!(m->b.iommu.gsts & IOMMU_TE))
        return true;
    begin_record(&r);
    m->b.iommu_count.translations++;
    bool allowed = translate(&r, hpa);
    end_record(&r, allowed ? *hpa : 0);
    PROBE_DEVICE(m, RS_PROBE_iommu_end, a->requester, r.rec->domain, a->address, a->write, r.rec->hpa,
                 r.rec->ref_count, r.rec->cycles, !allowed);
    device_micro(m, MICRO_TLB);
    if (!allowed)
        iommu_record_fault(m, &(struct iommu_fault){r.reason, a->requester, !a->write, r.quiet, a->address});
    return allowed;
}
