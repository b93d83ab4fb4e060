/* invalidate.c - which mappings each operation drops (SDM vol. 3, 4.10.4 "Invalidation of TLBs and
 * Paging-Structure Caches", 28.4.3 "Invalidating Cached Translation Information"). */
#include "mmu/mmu.h"

#include <string.h>

#include "arch/vmx.h"
#include "mmu/derived.h"
#include "mmu/translate.h"

enum globals { GLOBALS_OF_PCID, GLOBALS_SPARED, GLOBALS_TOO };

/* What to drop: entries that meet every condition. */
struct scope {
    unsigned kinds; /* a bit for each enum tlb_kind */
    bool one_vpid, spare_vpid0, one_pcid, one_eptp, one_address;
    u64 vpid, pcid, eptp;
    enum globals globals; /* GLOBALS_TOO: whatever their PCID */
    u64 address;
};

#define LINEAR_KINDS (1u << KIND_LINEAR | 1u << KIND_COMBINED)
#define EPT_KINDS    (1u << KIND_GUEST_PHYSICAL | 1u << KIND_COMBINED)
#define ALL_KINDS    (LINEAR_KINDS | 1u << KIND_GUEST_PHYSICAL)

/* Of a page of the guest an entry may hold a piece; invalidating the page takes all of them (SDM vol.
 * 3, 4.10.4.1 "Operations that Invalidate TLBs and Paging-Structure Caches"). */
static bool covers(const struct tlb_entry *e, u64 address)
{
    unsigned page = (unsigned)((e->perms & PERM_REACH) >> PERM_REACH_SHIFT);
    unsigned reach = entry_reach(e) > page ? entry_reach(e) : page;
    return entry_address(e) >> reach_shift(reach) == address >> reach_shift(reach);
}

static bool pcid_in_scope(const struct tlb_entry *e, const struct scope *s)
{
    if (e->perms & PERM_GLOBAL && s->globals == GLOBALS_TOO)
        return true;
    if (e->perms & PERM_GLOBAL && s->globals == GLOBALS_SPARED)
        return false;
    return !s->one_pcid || (e->space & SPACE_PCID) == s->pcid;
}

static bool in_scope(const struct tlb_entry *e, const struct scope *s)
{
    return e->tag && s->kinds >> entry_kind(e) & 1 && (!s->one_vpid || entry_vpid(e) == s->vpid) &&
           !(s->spare_vpid0 && entry_vpid(e) == 0) && (!s->one_eptp || e->eptp == s->eptp) &&
           (!s->one_address || covers(e, s->address)) && pcid_in_scope(e, s);
}

static u64 drop_in(struct core *c, enum tlb_unit first, enum tlb_unit last, const struct scope *s)
{
    struct tlb_entry *e;
    u64 dropped = 0;
    for (enum tlb_unit unit = first; unit <= last; unit++)
        for (struct tlb_cursor at = tlb_cursor(c, unit); (e = tlb_next(&at)) != NULL;)
            if (in_scope(e, s)) {
                tlb_drop(c, unit, e);
                dropped++;
            }
    return dropped;
}

/* Of many entries the short cuts die together, before them. */
static u64 drop_tlbs(struct core *c, const struct scope *s)
{
    if (!s->one_address)
        shortcuts_renew(c);
    return drop_in(c, UNIT_ITLB, UNIT_STLB, s);
}

static u64 drop_guest_walk_cache(struct core *c, const struct scope *s)
{
    return drop_in(c, UNIT_PWC, UNIT_PWC_PDE, s);
}

static u64 drop_nested(struct core *c, const struct scope *s)
{
    return drop_in(c, UNIT_NPWC, UNIT_NTLB, s);
}

static u64 drop_linear_side(struct core *c, const struct scope *s)
{
    return drop_tlbs(c, s) + drop_guest_walk_cache(c, s);
}

static void tell(struct core *c, enum flush_cause cause, u64 gva, u64 count)
{
    PROBE(c, RS_PROBE_tlb_flush, cause, gva, count);
    micro(c, MICRO_TLB);
}

/* ---- by address ---- */

static struct scope current_vpid(const struct core *c)
{
    struct mmu_context x = mmu_context(c);
    return (struct scope){
        .kinds = LINEAR_KINDS,
        .one_vpid = true,
        .vpid = x.space >> SPACE_VPID_SHIFT & 0xffff,
        .pcid = x.space & SPACE_PCID,
    };
}

/* INVLPG takes the page of this PCID and global ones, and every entry of the PCID in the walk caches
 * (4.10.4.1). */
void mmu_flush_page(struct core *c, u64 gva, enum flush_cause cause)
{
    struct scope s = current_vpid(c);
    s.one_pcid = true;
    u64 count = drop_guest_walk_cache(c, &s);
    s.one_address = true;
    s.address = gva;
    s.globals = GLOBALS_TOO;
    count += drop_tlbs(c, &s);
    tell(c, cause, gva, count);
}

/* A page fault takes what would be used for its address, so that an entry that was out of date faults but
 * once. */
void flush_for_fault(struct core *c, u64 gva)
{
    struct scope s = current_vpid(c);
    s.one_pcid = s.one_address = true;
    s.address = gva;
    s.globals = GLOBALS_TOO;
    u64 count = drop_linear_side(c, &s);
    if (count)
        tell(c, FLUSH_FAULT, gva, count);
}

/* 28.4.3.1: guest-physical mappings of the gPA under this EP4TA, and combined ones of the linear address. */
void flush_for_ept_violation(struct core *c, u64 gva, u64 gpa)
{
    struct mmu_context x = mmu_context(c);
    struct scope nested = {.kinds = 1u << KIND_GUEST_PHYSICAL,
                           .one_eptp = true,
                           .eptp = x.eptp,
                           .one_address = true,
                           .address = gpa};
    struct scope linear = current_vpid(c);
    linear.kinds = 1u << KIND_COMBINED;
    linear.one_pcid = linear.one_eptp = linear.one_address = true;
    linear.eptp = x.eptp;
    linear.address = gva;
    linear.globals = GLOBALS_TOO;
    u64 count = drop_nested(c, &nested) + drop_linear_side(c, &linear);
    if (count)
        tell(c, FLUSH_EPT_VIOLATION, gva, count);
}

/* ---- by tag ---- */

void mmu_flush_pcid(struct core *c, u64 pcid, bool globals, enum flush_cause cause)
{
    struct scope s = current_vpid(c);
    s.one_pcid = true;
    s.pcid = pcid & SPACE_PCID;
    s.globals = globals ? GLOBALS_TOO : GLOBALS_SPARED;
    tell(c, cause, 0, drop_linear_side(c, &s));
}

void mmu_flush_linear(struct core *c, bool globals, enum flush_cause cause)
{
    struct scope s = current_vpid(c);
    s.globals = globals ? GLOBALS_TOO : GLOBALS_SPARED;
    tell(c, cause, 0, drop_linear_side(c, &s));
}

static struct scope of_vpid(u64 vpid)
{
    return (struct scope){.kinds = LINEAR_KINDS, .one_vpid = true, .vpid = vpid & 0xffff};
}

void mmu_flush_vpid(struct core *c, u64 vpid, bool globals, enum flush_cause cause)
{
    struct scope s = of_vpid(vpid);
    s.globals = globals ? GLOBALS_TOO : GLOBALS_SPARED;
    tell(c, cause, 0, drop_linear_side(c, &s));
}

void mmu_flush_vpid_page(struct core *c, u64 vpid, u64 gva, enum flush_cause cause)
{
    struct scope s = of_vpid(vpid);
    s.globals = GLOBALS_TOO;
    s.one_address = true;
    s.address = gva;
    tell(c, cause, gva, drop_linear_side(c, &s));
}

void mmu_flush_combined(struct core *c, u64 vpid, enum flush_cause cause)
{
    struct scope s = {.kinds = 1u << KIND_COMBINED, .one_vpid = true, .vpid = vpid & 0xffff};
    tell(c, cause, 0, drop_linear_side(c, &s));
}

void mmu_flush_all_linear(struct core *c, enum flush_cause cause)
{
    struct scope s = {.kinds = LINEAR_KINDS, .spare_vpid0 = true};
    tell(c, cause, 0, drop_linear_side(c, &s));
}

void mmu_flush_ept(struct core *c, bool one, u64 ep4ta, enum flush_cause cause)
{
    struct scope s = {.kinds = EPT_KINDS, .one_eptp = one, .eptp = EP4TA(ep4ta)};
    tell(c, cause, 0, drop_linear_side(c, &s) + drop_nested(c, &s));
}

void mmu_flush_everything(struct core *c, enum flush_cause cause)
{
    struct scope s = {.kinds = ALL_KINDS};
    tell(c, cause, 0, drop_linear_side(c, &s) + drop_nested(c, &s));
}

void mmu_reset(struct core *c)
{
    struct core_state *s = &c->s;
    memset(s->itlb, 0, sizeof s->itlb);
    memset(s->dtlb, 0, sizeof s->dtlb);
    memset(s->stlb, 0, sizeof s->stlb);
    memset(s->pwc, 0, sizeof s->pwc);
    memset(s->npwc, 0, sizeof s->npwc);
    memset(s->ntlb, 0, sizeof s->ntlb);
    memset(s->l1i, 0, sizeof s->l1i);
    memset(s->l1d, 0, sizeof s->l1d);
    memset(s->l2, 0, sizeof s->l2);
    s->fetch_line = 0;
    mmu_drop_derived(c);
}
