/* test_tlb.c - the TLBs: tags, replacement, and what each invalidation drops. */
#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "lib/mmu_bench.h"
#include "lib/suite.h"
#include "mmu/derived.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define FRAME 0x400000ull
#define PAGE  (PTE_P | PTE_W | PTE_U)

static u64 page_gva(unsigned i)
{
    return 0x10000000 + i * 0x1000ull;
}

static void map_pages(struct mmu_bench *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        bench_map_guest(b, page_gva(i), FRAME + i * 0x1000ull, REACH_4K, PAGE);
}

static unsigned entries(const struct mmu_bench *b, enum rs_tlb which)
{
    struct rs_tlb_view view;
    unsigned n = 0;
    while (rs_tlb_get(b->m, 0, which, n, &view))
        n++;
    return n;
}

static bool dtlb_has(const struct mmu_bench *b, u64 gva)
{
    struct rs_tlb_view view;
    for (unsigned i = 0; rs_tlb_get(b->m, 0, RS_DTLB, i, &view); i++)
        if (view.va == gva)
            return true;
    return false;
}

/* ---- replacement: rule T4 ---- */

START_TEST(least_recently_used_goes)
{
    static const struct setting one_set[] = {{"dtlb_entries", 4}, {"dtlb_ways", 4}, {"stlb", 0}, {NULL, 0}};
    struct mmu_bench b = bench_new(one_set);
    map_pages(&b, 6);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(bench_access(&b, page_gva(i), MMU_READ));
    ck_assert(bench_access(&b, page_gva(0), MMU_READ));
    ck_assert(bench_access(&b, page_gva(4), MMU_READ)); /* displaces 1 */
    ck_assert(dtlb_has(&b, page_gva(0)) && !dtlb_has(&b, page_gva(1)));
    ck_assert(bench_access(&b, page_gva(2), MMU_READ));
    ck_assert(bench_access(&b, page_gva(5), MMU_READ)); /* displaces 3 */
    ck_assert(dtlb_has(&b, page_gva(2)) && !dtlb_has(&b, page_gva(3)));
    ck_assert_uint_eq(b.c->s.count.dtlb_lookups, 8);
    ck_assert_uint_eq(b.c->s.count.dtlb_misses, 6);
    bench_free(&b);
}
END_TEST

START_TEST(sets_are_page_number_modulo)
{
    static const struct setting three_sets[] = {
        {"dtlb_entries", 6}, {"dtlb_ways", 2}, {"stlb", 0}, {NULL, 0}};
    struct mmu_bench b = bench_new(three_sets);
    map_pages(&b, 12);
    unsigned same[] = {0, 3, 6, 1};
    for (unsigned i = 0; i < 4; i++)
        ck_assert(bench_access(&b, page_gva(same[i]), MMU_READ));
    ck_assert(!dtlb_has(&b, page_gva(0)) && dtlb_has(&b, page_gva(3)) && dtlb_has(&b, page_gva(6)));
    ck_assert(dtlb_has(&b, page_gva(1)));
    bench_free(&b);
}
END_TEST

START_TEST(second_level)
{
    static const struct setting small[] = {{"dtlb_entries", 1}, {"dtlb_ways", 1}, {NULL, 0}};
    struct mmu_bench b = bench_new(small);
    map_pages(&b, 2);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(bench_access(&b, page_gva(i & 1), MMU_READ));
    ck_assert_uint_eq(b.c->s.count.walks, 2);
    ck_assert_uint_eq(b.c->s.count.stlb_hits, 2);
    ck_assert_uint_eq(b.c->s.count.stall_tlb, 2 * b.m->p.stlb_latency);
    ck_assert_uint_eq(entries(&b, RS_DTLB), 1);
    ck_assert_uint_eq(entries(&b, RS_STLB), 2);
    bench_free(&b);
}
END_TEST

/* Each walk cache holds what its parameter says, the paging-structure caches at each level; what is off holds
 * nothing. */
START_TEST(walk_caches_have_their_sizes)
{
    static const struct {
        struct setting set[4];
        unsigned pwc, npwc, ntlb;
    } rows[] = {
        {{{"pwc_entries", 1}, {"npwc_entries", 1}, {"ntlb_entries", 1}}, 3, 3, 1},
        {{{"pwc_entries", 3}, {"npwc_entries", 2}, {"ntlb_entries", 5}}, 5, 4, 5},
        {{{"pwc", 0}, {"npwc_entries", 2}, {"ntlb_entries", 7}}, 0, 4, 7},
        {{{"pwc_entries", 4}, {"npwc", 0}, {"ntlb_entries", 6}}, 6, 0, 6},
        {{{"pwc_entries", 4}, {"npwc_entries", 3}, {"ntlb", 0}}, 6, 5, 0},
        {{{"walk_caches", 0}, {"pwc_entries", 4}, {"npwc_entries", 3}}, 0, 0, 0},
    };
    struct mmu_bench b = bench_new(rows[_i].set);
    bench_enter_guest(&b, REACH_4K);
    for (unsigned i = 0; i < 6; i++) { /* six page tables of the guest, in six page tables of EPT */
        bench_map_guest(&b, page_gva(i * 512), i * 0x200000ull, REACH_4K, PAGE);
        ck_assert(bench_access(&b, page_gva(i * 512), MMU_READ));
    }
    ck_assert_uint_eq(entries(&b, RS_PWC), rows[_i].pwc);
    ck_assert_uint_eq(entries(&b, RS_NPWC), rows[_i].npwc);
    ck_assert_uint_eq(entries(&b, RS_NTLB), rows[_i].ntlb);
    bench_free(&b);
}
END_TEST

struct told {
    enum rs_probe probe[16];
    u64 gva[16], which[16];
    unsigned n;
};

static void listen(const struct rs_event *e, void *arg)
{
    struct told *t = arg;
    t->probe[t->n] = e->probe;
    t->which[t->n] = e->field[0];
    t->gva[t->n++] = e->field[1];
}

START_TEST(fills_and_evictions_are_told)
{
    static const struct setting small[] = {
        {"dtlb_entries", 1}, {"dtlb_ways", 1}, {"stlb", 0}, {"walk_caches", 0}, {NULL, 0}};
    struct mmu_bench b = bench_new(small);
    struct told t = {.n = 0};
    map_pages(&b, 2);
    rs_watch(b.world, RS_PROBE_tlb_fill, true, listen, &t);
    rs_watch(b.world, RS_PROBE_tlb_evict, true, listen, &t);
    ck_assert(bench_access(&b, page_gva(0), MMU_READ) && bench_access(&b, page_gva(1), MMU_READ));
    ck_assert_uint_eq(t.n, 3);
    ck_assert(t.probe[0] == RS_PROBE_tlb_fill && t.which[0] == RS_DTLB && t.gva[0] == page_gva(0));
    ck_assert(t.probe[1] == RS_PROBE_tlb_evict && t.gva[1] == page_gva(0));
    ck_assert(t.probe[2] == RS_PROBE_tlb_fill && t.gva[2] == page_gva(1));
    bench_free(&b);
}
END_TEST

/* ---- tags ---- */

static void set_pcid(struct mmu_bench *b, u64 pcid)
{
    b->c->s.cr4 |= CR4_PCIDE;
    b->c->s.cr3 = (b->c->s.cr3 & ~0xfffull) | pcid;
}

START_TEST(pcid_and_global)
{
    struct mmu_bench b = bench_new(NULL);
    bench_map_guest(&b, page_gva(0), FRAME, REACH_4K, PAGE);
    bench_map_guest(&b, page_gva(1), FRAME, REACH_4K, PAGE | PTE_G);
    set_pcid(&b, 1);
    ck_assert(bench_refs(&b, page_gva(0), MMU_READ) && bench_refs(&b, page_gva(1), MMU_READ));
    ck_assert_uint_eq(bench_refs(&b, page_gva(0), MMU_READ), 0);
    set_pcid(&b, 2);
    ck_assert_uint_eq(bench_refs(&b, page_gva(1), MMU_READ), 0); /* global: every PCID */
    ck_assert_uint_ne(bench_refs(&b, page_gva(0), MMU_READ), 0);
    set_pcid(&b, 1);
    ck_assert_uint_eq(bench_refs(&b, page_gva(0), MMU_READ), 0);
    bench_free(&b);
}
END_TEST

START_TEST(global_needs_pge)
{
    struct mmu_bench b = bench_new(NULL);
    bench_map_guest(&b, page_gva(1), FRAME, REACH_4K, PAGE | PTE_G);
    b.c->s.cr4 &= ~(u64)CR4_PGE;
    set_pcid(&b, 1);
    ck_assert_uint_ne(bench_refs(&b, page_gva(1), MMU_READ), 0);
    set_pcid(&b, 2);
    ck_assert_uint_ne(bench_refs(&b, page_gva(1), MMU_READ), 0);
    bench_free(&b);
}
END_TEST

START_TEST(vpid_and_ep4ta)
{
    struct mmu_bench b = bench_new(NULL);
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, page_gva(0), FRAME, REACH_4K, PAGE | PTE_G);
    ck_assert_uint_ne(bench_refs(&b, page_gva(0), MMU_READ), 0);
    ck_assert_uint_eq(bench_refs(&b, page_gva(0), MMU_READ), 0);
    b.c->s.vmx.vpid = 2; /* global pages too are of one VPID */
    ck_assert_uint_ne(bench_refs(&b, page_gva(0), MMU_READ), 0);
    b.c->s.vmx.vpid = 1;
    ck_assert_uint_eq(bench_refs(&b, page_gva(0), MMU_READ), 0);
    u64 other = 0x700000;
    u8 table[4096];
    ck_assert(mem_copy_out(b.m->mem, b.ept_root, table, sizeof table) &&
              mem_copy_in(b.m->mem, other, table, sizeof table));
    b.c->s.vmx.eptp = other | EPTP_WALK_4 | EPTP_WB;
    ck_assert_uint_ne(bench_refs(&b, page_gva(0), MMU_READ), 0);
    bench_free(&b);
}
END_TEST

START_TEST(a_read_only_entry_is_not_written_through)
{
    struct mmu_bench b = bench_new(NULL);
    map_pages(&b, 1);
    ck_assert(bench_access(&b, page_gva(0), MMU_READ));
    bench_clear(&b, bench_guest_entry(&b, page_gva(0), 1), PTE_W);
    ck_assert(!bench_access(&b, page_gva(0), MMU_WRITE)); /* clean: the walk decides */
    bench_or(&b, bench_guest_entry(&b, page_gva(0), 1), PTE_W);
    ck_assert(bench_access(&b, page_gva(0), MMU_WRITE));
    bench_clear(&b, bench_guest_entry(&b, page_gva(0), 1), PTE_W);
    ck_assert(bench_access(&b, page_gva(0), MMU_WRITE)); /* out of date, and used: nobody invalidated */
    bench_free(&b);
}
END_TEST

/* ---- invalidation: SDM vol. 3, 4.10.4.1 and 28.4.3.1 ---- */

enum what {
    LINEAR_0, /* VPID 0, PCID 1 */
    LINEAR_0_PCID2,
    LINEAR_0_GLOBAL,
    LINEAR_5,   /* VPID 5, PCID 1, no EPT */
    COMBINED_A, /* VPID 5, PCID 1, EP4TA A */
    COMBINED_B, /* VPID 6, PCID 1, EP4TA B */
    PHYSICAL_A,
    PHYSICAL_B,
    WALK_0, /* walk cache, VPID 0, PCID 1 */
    WALK_0_PCID2,
    WALK_A,
    NESTED_WALK_A,
    KINDS
};

#define EPT_A_ROOT 0x300000ull
#define EPT_B_ROOT 0x310000ull
#define AT         0x20000000ull

static const struct planted {
    enum tlb_unit unit;
    u64 space, eptp, perms;
} planted[KINDS] = {
    [LINEAR_0] = {UNIT_DTLB, 0x1, 0, 0},
    [LINEAR_0_PCID2] = {UNIT_STLB, 0x2, 0, 0},
    [LINEAR_0_GLOBAL] = {UNIT_ITLB, 0x2, 0, PERM_GLOBAL},
    [LINEAR_5] = {UNIT_STLB, 0x50001, 0, 0},
    [COMBINED_A] = {UNIT_DTLB, 1ull << SPACE_KIND_SHIFT | 0x50001, EPT_A_ROOT, 0},
    [COMBINED_B] = {UNIT_STLB, 1ull << SPACE_KIND_SHIFT | 0x60001, EPT_B_ROOT, 0},
    [PHYSICAL_A] = {UNIT_NTLB, 2ull << SPACE_KIND_SHIFT, EPT_A_ROOT, 0},
    [PHYSICAL_B] = {UNIT_NTLB, 2ull << SPACE_KIND_SHIFT, EPT_B_ROOT, 0},
    [WALK_0] = {UNIT_PWC_PDE, 0x1, 0, 0},
    [WALK_0_PCID2] = {UNIT_PWC, 0x2, 0, 0},
    [WALK_A] = {UNIT_PWC_PDPTE, 1ull << SPACE_KIND_SHIFT | 0x50001, EPT_A_ROOT, 0},
    [NESTED_WALK_A] = {UNIT_NPWC_PDE, 2ull << SPACE_KIND_SHIFT, EPT_A_ROOT, 0},
};

static unsigned reach_in(enum tlb_unit unit)
{
    if (unit >= UNIT_PWC && unit < UNIT_NTLB)
        return REACH_512G - (unit - UNIT_PWC) % 3;
    return REACH_4K;
}

/* Fills are told and may be stopped at: this runs as part of an atom. */
static void plant_all(struct core *c, const void *arg)
{
    const u64 *address = arg;
    for (unsigned i = 0; i < KINDS; i++) {
        unsigned reach = reach_in(planted[i].unit);
        struct tlb_entry e = {.tag = (*address >> reach_shift(reach)) + 1,
                              .eptp = planted[i].eptp,
                              .space = planted[i].space | (u64)reach << SPACE_REACH_SHIFT,
                              .perms = planted[i].perms | PERM_GUEST | PERM_EPT};
        c->s.stamp++; /* the look-up that missed */
        tlb_fill(c, planted[i].unit, &e);
    }
}

static bool stands(struct core *c, unsigned kind)
{
    const struct planted *p = &planted[kind];
    return tlb_find(c, p->unit, AT, reach_in(p->unit), p->space, p->eptp) != NULL;
}

#define B(kind) (1u << kind)
#define ALL     ((1u << KINDS) - 1)

static void flush_page(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_page(c, AT + 0x123, FLUSH_INVLPG);
}
static void flush_other_page(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_page(c, AT + 0x1000, FLUSH_INVLPG);
}
static void flush_pcid(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_pcid(c, 2, false, FLUSH_CR3);
}
static void flush_pcid_globals(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_pcid(c, 1, true, FLUSH_CR3);
}
static void flush_linear(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_linear(c, false, FLUSH_CR0_CR4);
}
static void flush_linear_globals(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_linear(c, true, FLUSH_CR0_CR4);
}
static void flush_vpid(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_vpid(c, 5, true, FLUSH_INVVPID);
}
static void flush_vpid_page(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_vpid_page(c, 5, AT + 0x123, FLUSH_INVVPID);
}
static void flush_vpid_other_page(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_vpid_page(c, 5, AT + 0x1000, FLUSH_INVVPID);
}
static void flush_vpid_locals(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_vpid(c, 0, false, FLUSH_INVVPID);
}
static void flush_all_linear(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_all_linear(c, FLUSH_INVVPID);
}
static void flush_ept_one(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_ept(c, true, EPT_A_ROOT, FLUSH_INVEPT);
}
static void flush_ept_all(struct core *c, const void *arg)
{
    (void)arg;
    mmu_flush_ept(c, false, 0, FLUSH_INVEPT);
}
static void flush_everything(struct core *c, const void *arg)
{
    (void)arg;
    mmu_reset(c);
}

static void set_smep(struct core *c, const void *arg)
{
    (void)arg;
    sys_write_cr(c, 4, c->s.cr4 | CR4_SMEP);
}
static void clear_smep(struct core *c, const void *arg)
{
    (void)arg;
    c->s.cr4 |= CR4_SMEP;
    sys_write_cr(c, 4, c->s.cr4 & ~(u64)CR4_SMEP);
}

static const struct invalidation {
    const char *name;
    void (*run)(struct core *c, const void *arg);
    unsigned drops;
} invalidations[] = {
    {"INVLPG", flush_page, B(LINEAR_0) | B(LINEAR_0_GLOBAL) | B(WALK_0)},
    {"INVLPG of another page", flush_other_page, B(WALK_0)},
    {"PCID 2", flush_pcid, B(LINEAR_0_PCID2) | B(WALK_0_PCID2)},
    {"PCID 1 and globals", flush_pcid_globals, B(LINEAR_0) | B(LINEAR_0_GLOBAL) | B(WALK_0)},
    {"every PCID", flush_linear, B(LINEAR_0) | B(LINEAR_0_PCID2) | B(WALK_0) | B(WALK_0_PCID2)},
    {"every PCID and globals", flush_linear_globals,
     B(LINEAR_0) | B(LINEAR_0_PCID2) | B(LINEAR_0_GLOBAL) | B(WALK_0) | B(WALK_0_PCID2)},
    {"CR4.SMEP from 0 to 1", set_smep, B(LINEAR_0) | B(LINEAR_0_GLOBAL) | B(WALK_0)},
    {"CR4.SMEP from 1 to 0", clear_smep, 0},
    {"INVVPID of one", flush_vpid, B(LINEAR_5) | B(COMBINED_A) | B(WALK_A)},
    {"INVVPID of an address", flush_vpid_page, B(LINEAR_5) | B(COMBINED_A) | B(WALK_A)},
    {"INVVPID of another address", flush_vpid_other_page, B(WALK_A)},
    {"INVVPID of one but globals", flush_vpid_locals,
     B(LINEAR_0) | B(LINEAR_0_PCID2) | B(WALK_0) | B(WALK_0_PCID2)},
    {"INVVPID of all", flush_all_linear, B(LINEAR_5) | B(COMBINED_A) | B(COMBINED_B) | B(WALK_A)},
    {"INVEPT of one", flush_ept_one, B(COMBINED_A) | B(PHYSICAL_A) | B(WALK_A) | B(NESTED_WALK_A)},
    {"INVEPT of all", flush_ept_all,
     B(COMBINED_A) | B(COMBINED_B) | B(PHYSICAL_A) | B(PHYSICAL_B) | B(WALK_A) | B(NESTED_WALK_A)},
    {"reset", flush_everything, ALL},
};

static u64 count_bits(unsigned bits)
{
    u64 n = 0;
    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

static void hear_flush(const struct rs_event *e, void *arg)
{
    *(u64 *)arg = e->field[2];
}

START_TEST(drops_exactly_its_kinds)
{
    const struct invalidation *f = &invalidations[_i];
    struct mmu_bench b = bench_new(NULL);
    u64 at = AT, told = 0;
    set_pcid(&b, 1);
    bench_run(&b, plant_all, &at);
    for (unsigned kind = 0; kind < KINDS; kind++)
        ck_assert(stands(b.c, kind));
    rs_watch(b.world, RS_PROBE_tlb_flush, true, hear_flush, &told);
    bench_run(&b, f->run, NULL);
    unsigned gone = 0;
    for (unsigned kind = 0; kind < KINDS; kind++)
        gone |= stands(b.c, kind) ? 0 : B(kind);
    ck_assert_msg(gone == f->drops, "%s dropped %#x, not %#x", f->name, gone, f->drops);
    if (f->run != flush_everything)
        ck_assert_uint_eq(told, count_bits(f->drops));
    bench_free(&b);
}
END_TEST

/* In a guest, INVLPG acts on its VPID, whatever the EP4TA (28.4.3.1). */
START_TEST(invlpg_in_a_guest)
{
    struct mmu_bench b = bench_new(NULL);
    u64 at = AT;
    bench_enter_guest(&b, REACH_2M);
    b.c->s.vmx.vpid = 5;
    set_pcid(&b, 1);
    bench_run(&b, plant_all, &at);
    bench_run(&b, flush_page, NULL);
    ck_assert(!stands(b.c, COMBINED_A) && !stands(b.c, LINEAR_5) && !stands(b.c, WALK_A));
    ck_assert(stands(b.c, COMBINED_B) && stands(b.c, PHYSICAL_A) && stands(b.c, LINEAR_0) &&
              stands(b.c, WALK_0));
    bench_free(&b);
}
END_TEST

/* A 2 MiB page of the guest in 4 KiB pages of EPT: INVLPG of any address in it drops all pieces (4.10.4.1).
 */
START_TEST(invlpg_drops_all_pieces)
{
    struct mmu_bench b = bench_new(NULL);
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, AT, FRAME, REACH_2M, PAGE);
    bench_map_guest(&b, AT + 0x200000, FRAME, REACH_2M, PAGE);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(bench_access(&b, AT + i * 0x1000, MMU_READ));
    ck_assert(bench_access(&b, AT + 0x200000, MMU_READ));
    ck_assert_uint_eq(entries(&b, RS_DTLB), 5);
    bench_run(&b, flush_page, NULL);
    ck_assert_uint_eq(entries(&b, RS_DTLB), 1);
    ck_assert_uint_eq(entries(&b, RS_STLB), 1);
    bench_free(&b);
}
END_TEST

/* #PF drops what would be used for its address, and no more: a right that has been given meanwhile is found
 * at the next try. */
START_TEST(fault_drops_its_entries)
{
    struct mmu_bench b = bench_new(NULL);
    map_pages(&b, 2);
    u64 pde = bench_guest_entry(&b, page_gva(0), 2);
    bench_clear(&b, pde, PTE_W);
    ck_assert(bench_access(&b, page_gva(0), MMU_READ));
    bench_or(&b, pde, PTE_W);
    ck_assert_uint_eq(entries(&b, RS_PWC), 3);
    ck_assert(!bench_access(&b, page_gva(1), MMU_WRITE)); /* the walk cache is out of date */
    ck_assert_uint_eq(entries(&b, RS_PWC), 0);
    ck_assert(dtlb_has(&b, page_gva(0)));
    ck_assert(bench_access(&b, page_gva(1), MMU_WRITE));
    ck_assert(!bench_access(&b, AT, MMU_READ)); /* in another 2 MiB: shares entries of levels 4 and 3 */
    ck_assert_uint_eq(entries(&b, RS_PWC), 1);
    bench_free(&b);
}
END_TEST

START_TEST(ept_violation_drops_its_entries)
{
    struct mmu_bench b = bench_new(NULL);
    bench_enter_guest(&b, REACH_4K);
    map_pages(&b, 2);
    ck_assert(bench_access(&b, page_gva(0), MMU_READ) && bench_access(&b, page_gva(1), MMU_READ));
    unsigned before = entries(&b, RS_NTLB);
    bench_clear(&b, bench_ept_entry(&b, FRAME, 1), EPT_W);
    bench_or(&b, bench_guest_entry(&b, page_gva(0), 1), PTE_D);
    bench_access(&b, page_gva(0), MMU_READ);
    ck_assert(
        bench_access(&b, page_gva(0), MMU_WRITE)); /* the nested TLB still allows it: nobody said INVEPT */
    bench_run(&b, flush_ept_all, NULL);
    ck_assert_uint_eq(entries(&b, RS_NTLB), 0);
    ck_assert(bench_access(&b, page_gva(1), MMU_READ));
    ck_assert(bench_access(&b, page_gva(0), MMU_READ));
    ck_assert_uint_eq(entries(&b, RS_NTLB), before);
    ck_assert(!bench_access(&b, page_gva(0), MMU_WRITE));
    struct rs_tlb_view view;
    for (unsigned i = 0; rs_tlb_get(b.m, 0, RS_NTLB, i, &view); i++)
        ck_assert_uint_ne(view.va, FRAME);
    ck_assert(entries(&b, RS_NTLB) == before - 1);
    bench_free(&b);
}
END_TEST

/* ---- short cuts: with and without them, every bit of state is the same ---- */

static u64 next_random(u64 *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void random_step(struct mmu_bench *b, u64 *seed)
{
    u64 r = next_random(seed);
    u64 gva = page_gva(r >> 50 & 7 ? r % 4 : r % 24) + (r >> 8) % 4096;
    unsigned user = r >> 32 & 7 ? 0 : MMU_USER;
    static const unsigned how[] = {MMU_READ, MMU_READ, MMU_WRITE, MMU_FETCH};
    b->c->s.seg[SEG_SS].attr = SEG_ATTR_DATA | (user ? SEG_DPL : 0);
    switch (r >> 40 & 127) {
    case 0: bench_run(b, flush_page, NULL); break;
    case 1: set_pcid(b, r >> 48 & 3); break;
    case 2: b->c->s.rflags ^= FLAG_AC; break;
    case 3: bench_clear(b, bench_guest_entry(b, gva, 1), PTE_D | PTE_W | PTE_A); break;
    case 4:
    case 5:
    case 6:
    case 7: bench_or(b, bench_guest_entry(b, gva, 1), PTE_W); break;
    default: bench_access(b, gva, how[r >> 36 & 3] | user);
    }
}

START_TEST(short_cuts_change_nothing)
{
    static const struct setting small[] = {
        {"dtlb_entries", 6},  {"dtlb_ways", 2}, {"itlb_entries", 4}, {"itlb_ways", 4},
        {"stlb_entries", 15}, {"stlb_ways", 3}, {"l1d_bytes", 4096}, {"l1d_ways", 2},
        {"pwc_entries", 2},   {NULL, 0}};
    struct mmu_bench b[2] = {bench_new(small), bench_new(small)};
    u64 seed[2] = {(u64)_i + 1, (u64)_i + 1};
    for (unsigned i = 0; i < 2; i++) {
        if (_i & 1)
            bench_enter_guest(&b[i], REACH_4K);
        b[i].c->s.vmx.proc2 &= ~(u64)(_i & 2 ? 0 : PROC2_VPID);
        b[i].c->s.cr4 |= CR4_SMAP;
        b[i].c->s.rflags |= FLAG_AC;
        for (unsigned page = 0; page < 25; page++)
            bench_map_guest(&b[i], page_gva(page), FRAME + page * 0x1000, REACH_4K,
                            PTE_P | PTE_W | (page % 3 ? PTE_U : 0) | (page % 5 ? 0 : PTE_G));
    }
    for (unsigned step = 0; step < 4000; step++) {
        mmu_drop_derived(b[1].c);
        random_step(&b[0], &seed[0]);
        random_step(&b[1], &seed[1]);
        ck_assert_msg(memcmp(&b[0].c->s, &b[1].c->s, sizeof b[0].c->s) == 0, "step %u", step);
    }
    ck_assert_uint_gt(2 * b[0].c->s.count.dtlb_lookups, 3 * b[0].c->s.count.dtlb_misses);
    bench_free(&b[0]);
    bench_free(&b[1]);
}
END_TEST

#define LOOP(t, test, rows) tcase_add_loop_test(t, test, 0, (int)(sizeof(rows) / sizeof *(rows)))

static TCase *keeping(void)
{
    TCase *t = tcase_create("tags and replacement");
    tcase_add_test(t, least_recently_used_goes);
    tcase_add_test(t, sets_are_page_number_modulo);
    tcase_add_test(t, second_level);
    tcase_add_loop_test(t, walk_caches_have_their_sizes, 0, 6);
    tcase_add_test(t, fills_and_evictions_are_told);
    tcase_add_test(t, pcid_and_global);
    tcase_add_test(t, global_needs_pge);
    tcase_add_test(t, vpid_and_ep4ta);
    tcase_add_test(t, a_read_only_entry_is_not_written_through);
    tcase_add_loop_test(t, short_cuts_change_nothing, 0, 4);
    tcase_set_timeout(t, 60);
    return t;
}

static TCase *dropping(void)
{
    TCase *t = tcase_create("invalidation");
    LOOP(t, drops_exactly_its_kinds, invalidations);
    tcase_add_test(t, invlpg_in_a_guest);
    tcase_add_test(t, invlpg_drops_all_pieces);
    tcase_add_test(t, fault_drops_its_entries);
    tcase_add_test(t, ept_violation_drops_its_entries);
    return t;
}

int main(void)
{
    Suite *s = suite_create("tlb");
    suite_add_tcase(s, keeping());
    suite_add_tcase(s, dropping());
    return suite_run(s);
}
