/* test_walk.c - the page walker: references and their order, what the walk caches save, stopping inside. */
#include "arch/vmx.h"
#include "lib/mmu_bench.h"
#include "lib/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define GVA       0x7f1234567008ull
#define FRAME     0x400000ull
#define USER_PAGE (PTE_P | PTE_W | PTE_U)

/* ---- references: how many, in which order, from where ---- */

static void check_ref(const struct mmu_bench *b, const struct rs_walk *w, unsigned i)
{
    const struct rs_walk_ref *r = &w->ref[i];
    ck_assert_uint_eq(r->n, i + 1);
    ck_assert_uint_eq(r->entry, bench_u64(b, r->hpa));
    ck_assert_uint_eq(r->index * 8, r->hpa & 0xfff);
    if (!r->base_ref)
        return;
    ck_assert_uint_lt(r->base_ref, r->n);
    const struct rs_walk_ref *base = &w->ref[r->base_ref - 1];
    ck_assert_int_eq(base->stage, r->stage);
    u64 at = r->stage == RS_GUEST && w->nested ? r->gpa : r->hpa;
    ck_assert_uint_eq(at & ~0xfffull, base->entry & PTE_ADDR);
}

START_TEST(native_walk_makes_four)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_READ), 4);
    const struct rs_walk *w = rs_last_walk(b.m, 0);
    ck_assert_uint_eq(w->ref_count, 4);
    ck_assert(w->ended && !w->nested && w->cols == 1 && w->rows == 5);
    for (unsigned i = 0; i < 4; i++) {
        check_ref(&b, w, i);
        ck_assert_uint_eq(w->ref[i].level, 4 - i);
        ck_assert_uint_eq(w->ref[i].row, i + 1);
        ck_assert_uint_eq(w->ref[i].col, 1);
        ck_assert_uint_eq(w->ref[i].hpa, bench_guest_entry(&b, GVA, 4 - i));
        ck_assert_uint_eq(w->ref[i].base_ref, i);
        ck_assert_int_eq(w->ref[i].leaf, i == 3);
    }
    ck_assert_uint_eq(w->hpa, FRAME | 8);
    ck_assert_uint_eq(bench_refs(&b, GVA + 16, MMU_READ), 0);
    bench_free(&b);
}
END_TEST

START_TEST(native_large_pages)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_map_guest(&b, 0x40000000, 0, REACH_1G, USER_PAGE);
    bench_map_guest(&b, 0x80000000, 0x400000, REACH_2M, USER_PAGE);
    ck_assert_uint_eq(bench_refs(&b, 0x80001000, MMU_READ), 3);
    ck_assert_uint_eq(rs_last_walk(b.m, 0)->hpa, 0x401000);
    ck_assert_uint_eq(rs_last_walk(b.m, 0)->page_bytes, 2 << 20);
    ck_assert_uint_eq(bench_refs(&b, 0x80010000, MMU_READ), 0);
    ck_assert_uint_eq(bench_refs(&b, 0x40234000, MMU_READ), 2);
    ck_assert_uint_eq(rs_last_walk(b.m, 0)->hpa, 0x234000);
    ck_assert_uint_eq(rs_last_walk(b.m, 0)->page_bytes, 4096); /* RAM ends inside the page */
    bench_free(&b);
}
END_TEST

static const struct shape {
    unsigned guest, ept, refs;
} shapes[] = {
    {REACH_4K, REACH_4K, 24}, {REACH_2M, REACH_4K, 19}, {REACH_4K, REACH_2M, 19}, {REACH_2M, REACH_2M, 15}};

/* gL4(nL4..nL1 guest) ... data(nL4..nL1), with the levels that large pages leave out. */
static void check_order(const struct mmu_bench *b, const struct shape *shape)
{
    const struct rs_walk *w = rs_last_walk(b->m, 0);
    unsigned i = 0;
    for (unsigned row = 1; row <= 5; row++) {
        unsigned level = row == 5 ? 0 : 5 - row;
        if (level && level <= shape->guest)
            continue;
        for (unsigned n = 4; n > shape->ept; n--, i++) {
            ck_assert_int_eq(w->ref[i].stage, RS_NESTED);
            ck_assert(w->ref[i].level == n && w->ref[i].row == row && w->ref[i].col == 5 - n);
            ck_assert_uint_eq(w->ref[i].gpa, w->row_gpa[row]);
            ck_assert_uint_eq(w->ref[i].hpa, bench_ept_entry(b, w->row_gpa[row], n));
        }
        if (!level)
            continue;
        ck_assert_int_eq(w->ref[i].stage, RS_GUEST);
        ck_assert(w->ref[i].level == level && w->ref[i].row == row && w->ref[i].col == 5);
        ck_assert_uint_eq(w->ref[i].gpa, w->row_gpa[row]);
        ck_assert_uint_eq(w->ref[i].hpa, w->row_gpa[row] + GUEST_HPA);
        i++;
    }
    ck_assert_uint_eq(i, w->ref_count);
}

START_TEST(nested_walk_in_order)
{
    const struct shape *shape = &shapes[_i];
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_enter_guest(&b, shape->ept);
    bench_map_guest(&b, GVA, FRAME, shape->guest, USER_PAGE);
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_READ), shape->refs);
    const struct rs_walk *w = rs_last_walk(b.m, 0);
    ck_assert(w->nested && w->cols == 5 && w->rows == 5);
    check_order(&b, shape);
    for (unsigned i = 0; i < w->ref_count; i++)
        check_ref(&b, w, i);
    u64 offset = GVA & (reach_bytes(shape->guest) - 1);
    ck_assert_uint_eq(w->gpa, FRAME | offset);
    ck_assert_uint_eq(w->hpa, w->gpa + GUEST_HPA);
    ck_assert_uint_eq(w->page_bytes, reach_bytes(shape->guest < shape->ept ? shape->guest : shape->ept));
    ck_assert_uint_eq(bench_refs(&b, GVA + 16, MMU_READ), 0);
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_FETCH), shape->refs);
    bench_free(&b);
}
END_TEST

START_TEST(ept_gigabyte_page)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_enter_guest(&b, REACH_2M);
    b.ept_root = 0x700000;
    b.next_ept_table = 0x701000;
    b.c->s.vmx.eptp = b.ept_root | EPTP_WALK_4 | EPTP_WB;
    bench_map_ept(&b, 0, 0, REACH_1G, EPT_RWX | EPT_WB);
    b.c->s.cr3 += GUEST_HPA;
    b.nested = false; /* gPA = hPA now */
    b.next_table = 0x1800000;
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_READ), 4 * 3 + 2);
    ck_assert_uint_eq(rs_last_walk(b.m, 0)->hpa, FRAME | 8);
    bench_free(&b);
}
END_TEST

/* ---- looking on ---- */

static bool same_refs(const struct rs_walk *a, const struct rs_walk *b)
{
    return a->ref_count == b->ref_count && memcmp(a->ref, b->ref, a->ref_count * sizeof *a->ref) == 0 &&
           a->skip_count == b->skip_count && memcmp(a->skip, b->skip, a->skip_count * sizeof *a->skip) == 0 &&
           a->cycles == b->cycles && a->hpa == b->hpa && a->owner == b->owner &&
           a->page_bytes == b->page_bytes && a->fault_text == b->fault_text &&
           a->qualification == b->qualification;
}

START_TEST(translate_is_the_walk_without_effects)
{
    static const struct setting defaults[] = {{NULL, 0}};
    struct mmu_bench b = bench_new(_i & 1 ? defaults : bench_whole_walks);
    bench_enter_guest(&b, REACH_4K);
    b.c->s.vmx.eptp |= _i & 2 ? EPTP_AD : 0;
    for (unsigned page = 0; page < 3; page++)
        bench_map_guest(&b, GVA + page * 4096ull, FRAME + page * 4096ull, REACH_4K, USER_PAGE);
    for (unsigned page = 0; page < 4; page++) {
        struct rs_walk dry;
        struct core_state *before = malloc(sizeof *before);
        *before = b.c->s;
        u64 hash = mem_hash(b.m->mem);
        rs_translate(b.m, 0, GVA + page * 4096ull, RS_WRITE, true, &dry);
        ck_assert(memcmp(before, &b.c->s, sizeof *before) == 0);
        ck_assert_uint_eq(mem_hash(b.m->mem), hash);
        free(before);
        ck_assert_int_eq(bench_access(&b, GVA + page * 4096ull, MMU_WRITE), page < 3);
        ck_assert(same_refs(&dry, &b.c->rt.walk));
        if (page < 3)
            ck_assert_uint_eq(dry.ref_count + dry.skip_count, 24);
    }
    bench_free(&b);
}
END_TEST

START_TEST(translate_of_a_hit_makes_no_reference)
{
    struct mmu_bench b = bench_new(NULL);
    struct rs_walk w;
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    ck_assert(bench_access(&b, GVA, MMU_READ));
    rs_translate(b.m, 0, GVA, RS_READ, true, &w);
    ck_assert(w.valid && w.ref_count == 0 && w.hpa == (FRAME | 8));
    ck_assert(w.gpa_known && w.gpa == w.hpa);
    rs_translate(b.m, 0, GVA, RS_READ, false, &w);
    ck_assert_uint_eq(w.ref_count, 4);
    ck_assert_uint_eq(w.skip_count, 0);
    rs_translate(b.m, 0, 0x800000000000ull, RS_READ, false, &w);
    ck_assert_int_eq(w.owner, RS_NON_CANONICAL);
    bench_free(&b);
}
END_TEST

START_TEST(a_combined_entry_holds_no_gpa)
{
    struct mmu_bench b = bench_new(NULL);
    struct rs_walk w;
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    ck_assert(bench_access(&b, GVA, MMU_READ));
    rs_translate(b.m, 0, GVA, RS_READ, true, &w);
    ck_assert(w.nested && w.ref_count == 0 && !w.gpa_known);
    ck_assert_uint_eq(w.hpa, GUEST_HPA + (FRAME | 8));
    rs_translate(b.m, 0, GVA, RS_READ, false, &w);
    ck_assert(w.gpa_known && w.gpa == (FRAME | 8));
    bench_clear(&b, bench_ept_entry(&b, FRAME, 1), EPT_RWX);
    rs_translate(b.m, 0, GVA, RS_READ, false, &w);
    ck_assert(w.owner == RS_EPT_VIOLATION && w.gpa_known && w.gpa == (FRAME | 8) && w.fault_gpa == w.gpa);
    bench_clear(&b, bench_guest_entry(&b, GVA, 1), PTE_P);
    rs_translate(b.m, 0, GVA, RS_READ, false, &w);
    ck_assert(w.owner == RS_GUEST_FAULT && !w.gpa_known);
    bench_free(&b);
}
END_TEST

START_TEST(gpa_to_hpa_by_tables)
{
    struct mmu_bench b = bench_new(NULL);
    u64 hpa;
    bench_enter_guest(&b, REACH_2M);
    ck_assert(rs_gpa_to_hpa(b.m, b.ept_root, 0x123456, &hpa) == RS_OK);
    ck_assert_uint_eq(hpa, 0x123456 + GUEST_HPA);
    ck_assert(rs_gpa_to_hpa(b.m, b.ept_root, GUEST_BYTES, &hpa) == RS_FAILED);
    ck_assert(rs_gpa_to_hpa(b.m, b.ept_root, 1ull << 48, &hpa) == RS_FAILED);
    ck_assert(rs_gpa_to_hpa(b.m, ~0ull, 0, &hpa) == RS_FAILED);
    bench_free(&b);
}
END_TEST

/* Where an address lies has nothing to do with who may use it; native, and in both dimensions. */
START_TEST(linear_to_hpa_whatever_the_rights)
{
    struct mmu_bench b = bench_new(NULL);
    u64 hpa, base = _i ? GUEST_HPA : 0, small = GVA + 0x1000, large = GVA + 0x40000000;
    if (_i)
        bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    bench_map_guest(&b, small, FRAME + 0x1000, REACH_4K, PTE_P);
    bench_map_guest(&b, large, 0x600000, REACH_2M, PTE_P | PTE_W);
    if (_i)
        bench_clear(&b, bench_ept_entry(&b, FRAME, 1), EPT_R | EPT_W);
    b.c->s.cr4 |= CR4_SMAP;
    u64 hash = rs_hash(b.world, RS_HASH_ALL);
    for (unsigned user = 0; user < 2; user++) {
        b.c->s.seg[SEG_SS].attr = SEG_ATTR_DATA | (user ? SEG_DPL : 0);
        ck_assert(rs_linear_to_hpa(b.m, 0, GVA, &hpa) == RS_OK && hpa == base + (FRAME | 8));
        ck_assert(rs_linear_to_hpa(b.m, 0, small, &hpa) == RS_OK && hpa == base + (FRAME | 0x1008));
        ck_assert(rs_linear_to_hpa(b.m, 0, large, &hpa) == RS_OK &&
                  hpa == base + (0x600000 | (large & 0x1fffff)));
    }
    b.c->s.seg[SEG_SS].attr = SEG_ATTR_DATA;
    ck_assert(rs_hash(b.world, RS_HASH_ALL) == hash);
    ck_assert(rs_linear_to_hpa(b.m, 0, GVA + 0x2000, &hpa) == RS_FAILED);
    ck_assert(rs_linear_to_hpa(b.m, 0, 1ull << 47, &hpa) == RS_FAILED);
    ck_assert(rs_linear_to_hpa(b.m, 1, GVA, &hpa) == RS_FAILED);
    bench_or(&b, bench_guest_entry(&b, GVA, 3), (u64)1 << 51); /* reserved */
    ck_assert(rs_linear_to_hpa(b.m, 0, GVA, &hpa) == RS_FAILED);
    bench_free(&b);
}
END_TEST

/* ---- walk caches ---- */

START_TEST(walk_caches_save_references)
{
    struct mmu_bench b = bench_new(NULL);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    bench_map_guest(&b, GVA + 0x1000, FRAME, REACH_4K, USER_PAGE);
    bench_map_guest(&b, GVA + 0x40000000, FRAME, REACH_4K, USER_PAGE);
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_READ), 4);
    ck_assert_uint_eq(bench_refs(&b, GVA + 0x1000, MMU_READ), 1); /* by its PDE */
    const struct rs_walk *w = rs_last_walk(b.m, 0);
    ck_assert_uint_eq(w->skip_count, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(w->skip[i].row == i + 1 && w->skip[i].col == 1 && w->skip[i].by == RS_BY_PWC);
    ck_assert_uint_eq(w->ref[0].base_ref, 0);
    ck_assert_uint_eq(bench_refs(&b, GVA + 0x40000000, MMU_READ), 3); /* by its PML4E */
    ck_assert_uint_eq(b.c->s.count.pwc_hits, 2);
    bench_free(&b);
}
END_TEST

/* A second page of the table whose entry the walk cache has: what bits it has, and how it is accessed.  The
 * first rows are those of the short way; the others look like them. */
static const struct second_page {
    u64 bits;
    unsigned access;
    u64 frame, cr4; /* 0: RAM, and global pages on */
} second_pages[] = {
    {USER_PAGE | PTE_A, MMU_READ, 0, 0},
    {USER_PAGE | PTE_A | PTE_D, MMU_READ | MMU_USER, 0, 0},
    {USER_PAGE | PTE_A | PTE_D, MMU_WRITE, 0, 0},
    {USER_PAGE | PTE_A | PTE_D | PTE_G, MMU_READ, 0, 0},
    {PTE_P | PTE_A | PTE_NX, MMU_READ | MMU_IMPLICIT, 0, 0},
    {USER_PAGE | PTE_A, MMU_FETCH | MMU_USER, 0, 0},
    {USER_PAGE, MMU_READ, 0, 0},
    {USER_PAGE | PTE_A, MMU_WRITE, 0, 0},
    {PTE_P | PTE_A, MMU_READ | MMU_USER, 0, 0},
    {PTE_P | PTE_U | PTE_A | PTE_D, MMU_WRITE | MMU_USER, 0, 0},
    {USER_PAGE | PTE_A | PTE_NX, MMU_FETCH, 0, 0},
    {USER_PAGE | PTE_A | (u64)1 << 45, MMU_READ, 0, 0},
    {PTE_A | PTE_W, MMU_READ, 0, 0},
    {USER_PAGE | PTE_A | PTE_G, MMU_READ, 0, CR4_PAE},
    {USER_PAGE | PTE_A, MMU_READ, 0xfee00000, 0},
    {USER_PAGE | PTE_A, MMU_READ, 0xc0000000, 0},
};

/* clang-format off */
#define RECORD(F) \
    F(valid) F(ended) F(nested) F(guest) F(paging) F(access) F(user) F(gva) F(gpa) F(gpa_known) F(hpa) F(cr3) F(eptp) \
    F(vpid) F(pcid) F(rip) F(rows) F(cols) F(ref_count) F(skip_count) F(start_cycle) F(cycles) F(owner) F(error) \
    F(qualification) F(page_bytes) F(fault_gpa)
#define REFERENCE(F) \
    F(stage) F(n) F(level) F(row) F(col) F(gpa) F(hpa) F(before) F(entry) F(cycles) F(from) F(base_ref) F(index) F(leaf)
#define SKIP(F) F(row) F(col) F(by)
/* clang-format on */
#define SAME(field) ck_assert_uint_eq((u64)x->field, (u64)y->field);

static void same_ref(const struct rs_walk_ref *x, const struct rs_walk_ref *y)
{
    REFERENCE(SAME)
}

static void same_skip(const struct rs_walk_skip *x, const struct rs_walk_skip *y)
{
    SKIP(SAME)
}

static void same_record(const struct rs_walk *x, const struct rs_walk *y)
{
    RECORD(SAME)
    for (unsigned i = 0; i < x->ref_count; i++)
        same_ref(&x->ref[i], &y->ref[i]);
    for (unsigned i = 0; i < x->skip_count; i++)
        same_skip(&x->skip[i], &y->skip[i]);
}

static void see(const struct rs_event *e, void *seen)
{
    (void)e;
    ++*(unsigned *)seen;
}

/* Nobody watches the first machine, so it may walk the short way. */
START_TEST(watched_or_not)
{
    const struct second_page *page = &second_pages[_i];
    struct mmu_bench b[2];
    bool done[2];
    unsigned seen = 0;
    for (unsigned i = 0; i < 2; i++) {
        b[i] = bench_new(NULL);
        b[i].c->s.efer |= EFER_NXE;
        b[i].c->s.cr4 = page->cr4 ? page->cr4 : b[i].c->s.cr4 | CR4_PGE;
        b[i].c->s.rip = 0x1234;
        bench_map_guest(&b[i], GVA, FRAME, REACH_4K, USER_PAGE);
        bench_map_guest(&b[i], GVA + 0x1000, FRAME + 0x3000, REACH_4K, USER_PAGE);
        u64 frame = page->frame ? page->frame : FRAME + 0x3000;
        mem_write(b[i].m->mem, bench_guest_entry(&b[i], GVA + 0x1000, 1), 8, frame | page->bits);
        ck_assert(bench_access(&b[i], GVA, MMU_READ));
        if (i)
            rs_watch(b[i].world, RS_PROBE_walk_ref, true, see, &seen);
        done[i] = bench_access(&b[i], GVA + 0x1000, page->access);
    }
    ck_assert_uint_eq(seen, 1);
    ck_assert_int_eq(done[0], done[1]);
    ck_assert_mem_eq(&b[0].c->s, &b[1].c->s, sizeof b[0].c->s);
    ck_assert_uint_eq(b[0].c->rt.atom.micro, b[1].c->rt.atom.micro);
    ck_assert_uint_eq(rs_hash(b[0].world, RS_HASH_ALL), rs_hash(b[1].world, RS_HASH_ALL));
    same_record(rs_last_walk(b[0].m, 0), rs_last_walk(b[1].m, 0));
    bench_free(&b[0]);
    bench_free(&b[1]);
}
END_TEST

START_TEST(nested_walk_caches)
{
    static const struct setting no_pwc[] = {{"pwc", 0}, {NULL, 0}},
                                no_ntlb[] = {{"pwc", 0}, {"ntlb", 0}, {NULL, 0}};
    struct mmu_bench b = bench_new(_i ? no_ntlb : no_pwc);
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    bench_map_guest(&b, GVA + 0x1000, FRAME + 0x1000, REACH_4K, USER_PAGE);
    /* the root, the other tables and the data lie in three 2 MiB of one GiB */
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_READ), (4 + 1) + (2 + 1) + (1 + 1) + (1 + 1) + 2);
    unsigned guest = 4, nested = _i ? 5 : 1; /* the nested TLB has the tables' pages */
    ck_assert_uint_eq(bench_refs(&b, GVA + 0x1000, MMU_READ), guest + nested);
    ck_assert_uint_eq(b.c->rt.walk.ref_count + b.c->rt.walk.skip_count, 24);
    bench_free(&b);
}
END_TEST

START_TEST(off_is_neither_read_nor_filled)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    struct rs_tlb_view view;
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    ck_assert(bench_access(&b, GVA, MMU_READ));
    for (enum rs_tlb which = RS_PWC; which <= RS_NTLB; which++)
        ck_assert(!rs_tlb_get(b.m, 0, which, 0, &view));
    bench_free(&b);
}
END_TEST

/* ---- stopping inside ---- */

START_TEST(stops_after_each_micro)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE | PTE_A);
    for (unsigned level = 2; level <= 4; level++)
        bench_or(&b, bench_guest_entry(&b, GVA, level), PTE_A);
    for (unsigned stop = 1; stop <= 25; stop++) { /* the beginning, then 24 references */
        b.c->rt.atom.micro_stop = stop;
        ck_assert(!bench_access(&b, GVA, MMU_READ));
        ck_assert_uint_eq(b.c->rt.walk.ref_count, stop - 1);
        ck_assert_int_eq(b.c->rt.atom.last_micro, stop == 1 ? MICRO_TLB : MICRO_WALK_REF);
        ck_assert(!b.c->rt.walk.ended);
    }
    bench_free(&b);
}
END_TEST

START_TEST(stops_inside_a_short_walk)
{
    struct mmu_bench b = bench_new(NULL);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    bench_map_guest(&b, GVA + 0x1000, FRAME, REACH_4K, USER_PAGE | PTE_A);
    ck_assert(bench_access(&b, GVA, MMU_READ));
    for (unsigned stop = 1; stop <= 2; stop++) {
        b.c->rt.atom.micro_stop = stop;
        ck_assert(!bench_access(&b, GVA + 0x1000, MMU_READ));
        ck_assert_uint_eq(rs_last_walk(b.m, 0)->ref_count, stop - 1);
        ck_assert(!rs_last_walk(b.m, 0)->ended);
    }
    bench_free(&b);
}
END_TEST

#define LOOP(t, test, rows) tcase_add_loop_test(t, test, 0, (int)(sizeof(rows) / sizeof *(rows)))

static TCase *references(void)
{
    TCase *t = tcase_create("references");
    tcase_add_test(t, native_walk_makes_four);
    tcase_add_test(t, native_large_pages);
    LOOP(t, nested_walk_in_order, shapes);
    tcase_add_test(t, ept_gigabyte_page);
    tcase_add_loop_test(t, translate_is_the_walk_without_effects, 0, 4);
    tcase_add_test(t, translate_of_a_hit_makes_no_reference);
    tcase_add_test(t, a_combined_entry_holds_no_gpa);
    tcase_add_test(t, gpa_to_hpa_by_tables);
    tcase_add_loop_test(t, linear_to_hpa_whatever_the_rights, 0, 2);
    tcase_add_test(t, walk_caches_save_references);
    LOOP(t, watched_or_not, second_pages);
    tcase_add_loop_test(t, nested_walk_caches, 0, 2);
    tcase_add_test(t, off_is_neither_read_nor_filled);
    tcase_add_test(t, stops_after_each_micro);
    tcase_add_test(t, stops_inside_a_short_walk);
    return t;
}

int main(void)
{
    Suite *s = suite_create("walk");
    suite_add_tcase(s, references());
    return suite_run(s);
}
