/* test_walk_rights.c - what the page walker refuses, and what it sets: rights, reserved bits, accessed and
 * dirty flags, of the guest's tables and of EPT. */
#include "arch/vmx.h"
#include "lib/mmu_bench.h"
#include "lib/suite.h"

#include <check.h>

#define GVA       0x7f1234567008ull
#define FRAME     0x400000ull
#define USER_PAGE (PTE_P | PTE_W | PTE_U)

/* ---- rights: SDM vol. 3, 4.6 "Access Rights" ---- */

#define U MMU_USER
#define I MMU_IMPLICIT

static const struct right {
    u64 leaf, upper_clear; /* bits of the leaf; bits cleared in the PDE */
    u64 cr0_clear, cr4, rflags, efer_clear;
    unsigned access;
    int error; /* -1: allowed */
} rights[] = {
    {PTE_P, 0, 0, 0, 0, 0, MMU_READ, -1},
    {PTE_P, 0, 0, 0, 0, 0, MMU_WRITE, PF_P | PF_W},
    {PTE_P, 0, CR0_WP, 0, 0, 0, MMU_WRITE, -1},
    {PTE_P | PTE_W, 0, 0, 0, 0, 0, MMU_WRITE, -1},
    {PTE_P | PTE_W, PTE_W, 0, 0, 0, 0, MMU_WRITE, PF_P | PF_W},
    {PTE_P | PTE_W, 0, 0, 0, 0, 0, MMU_FETCH, -1},
    {PTE_P | PTE_NX, 0, 0, 0, 0, 0, MMU_FETCH, PF_P | PF_I},
    {PTE_P | PTE_NX, 0, 0, 0, 0, 0, MMU_READ, -1},
    {PTE_P | PTE_W, 0, 0, 0, 0, 0, MMU_READ | U, PF_P | PF_U},
    {PTE_P | PTE_W, 0, 0, 0, 0, 0, MMU_READ | U | I, -1},
    {PTE_P | PTE_W | PTE_U, 0, 0, 0, 0, 0, MMU_READ | U, -1},
    {PTE_P | PTE_W | PTE_U, PTE_U, 0, 0, 0, 0, MMU_READ | U, PF_P | PF_U},
    {PTE_P | PTE_W | PTE_U, 0, 0, 0, 0, 0, MMU_WRITE | U, -1},
    {PTE_P | PTE_U, 0, 0, 0, 0, 0, MMU_WRITE | U, PF_P | PF_W | PF_U},
    {PTE_P | PTE_U, 0, CR0_WP, 0, 0, 0, MMU_WRITE | U, PF_P | PF_W | PF_U},
    {PTE_P | PTE_U, 0, 0, 0, 0, 0, MMU_WRITE, PF_P | PF_W},
    {PTE_P | PTE_U | PTE_NX, 0, 0, 0, 0, 0, MMU_FETCH | U, PF_P | PF_U | PF_I},
    {PTE_P | PTE_U, 0, 0, CR4_SMEP, 0, 0, MMU_FETCH, PF_P | PF_I},
    {PTE_P | PTE_U, 0, 0, CR4_SMEP, 0, 0, MMU_FETCH | U, -1},
    {PTE_P, 0, 0, CR4_SMEP, 0, 0, MMU_FETCH, -1},
    {PTE_P | PTE_U, 0, 0, CR4_SMAP, 0, 0, MMU_READ, PF_P},
    {PTE_P | PTE_U, 0, 0, CR4_SMAP, FLAG_AC, 0, MMU_READ, -1},
    {PTE_P | PTE_U, 0, 0, CR4_SMAP, FLAG_AC, 0, MMU_READ | I, PF_P},
    {PTE_P | PTE_U | PTE_W, 0, 0, CR4_SMAP, 0, 0, MMU_WRITE, PF_P | PF_W},
    {PTE_P | PTE_U, 0, 0, CR4_SMAP, 0, 0, MMU_READ | U, -1},
    {PTE_P | PTE_U, 0, 0, CR4_SMAP, 0, 0, MMU_FETCH, -1},
    {0, 0, 0, 0, 0, 0, MMU_READ, 0},
    {0, 0, 0, 0, 0, 0, MMU_WRITE | U, PF_W | PF_U},
    {0, 0, 0, 0, 0, 0, MMU_FETCH, PF_I},
    {0, 0, 0, 0, 0, EFER_NXE, MMU_FETCH, 0},
    {0, 0, 0, CR4_SMEP, 0, EFER_NXE, MMU_FETCH, PF_I},
    {PTE_P | PTE_NX, 0, 0, 0, 0, EFER_NXE, MMU_READ, PF_P | PF_RSVD},
    {PTE_P | 1ull << PHYS_BITS, 0, 0, 0, 0, 0, MMU_READ, PF_P | PF_RSVD},
    {PTE_P | 1ull << 51, 0, 0, 0, 0, 0, MMU_WRITE, PF_P | PF_RSVD | PF_W},
    {1ull << 51, 0, 0, 0, 0, 0, MMU_READ, 0}, /* not looked at if not present */
};

START_TEST(access_rights)
{
    const struct right *r = &rights[_i];
    struct mmu_bench b = bench_new(NULL);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, r->leaf);
    bench_clear(&b, bench_guest_entry(&b, GVA, 2), r->upper_clear);
    b.c->s.cr0 &= ~r->cr0_clear;
    b.c->s.cr4 |= r->cr4;
    b.c->s.rflags |= r->rflags;
    b.c->s.efer &= ~r->efer_clear;
    b.c->s.seg[SEG_SS].attr |= r->access & MMU_USER && r->access & MMU_FETCH ? SEG_DPL : 0;
    bool allowed = bench_access(&b, GVA, r->access);
    ck_assert_int_eq(allowed, r->error < 0);
    if (!allowed) {
        ck_assert(b.c->s.event_valid && b.c->s.event_vector == VEC_PF);
        ck_assert_uint_eq(b.c->s.event_error, (u64)r->error);
        ck_assert_uint_eq(b.c->s.event_cr2, GVA);
        ck_assert_int_eq(b.c->rt.walk.owner, RS_GUEST_FAULT);
        ck_assert(b.c->rt.walk.fault_text && strstr(b.c->rt.walk.fault_text, "#PF"));
    }
    /* what a TLB entry allows or not is the same rule */
    ck_assert(!allowed || bench_refs(&b, GVA, r->access) == 0);
    bench_free(&b);
}
END_TEST

/* A TLB entry filled by a read does not let a refused access pass, for every pair of rows on the same tables.
 */
START_TEST(access_rights_by_tlb_hit)
{
    const struct right *r = &rights[_i];
    struct mmu_bench b = bench_new(NULL);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, r->leaf | PTE_D);
    bench_clear(&b, bench_guest_entry(&b, GVA, 2), r->upper_clear);
    b.c->s.efer &= ~r->efer_clear;
    bench_access(&b, GVA, MMU_READ);
    bench_access(&b, GVA, MMU_FETCH);
    b.c->s.cr0 &= ~r->cr0_clear;
    b.c->s.cr4 |= r->cr4;
    b.c->s.rflags |= r->rflags;
    b.c->s.seg[SEG_SS].attr |= r->access & MMU_USER && r->access & MMU_FETCH ? SEG_DPL : 0;
    ck_assert_int_eq(bench_access(&b, GVA, r->access), r->error < 0);
    bench_free(&b);
}
END_TEST

/* Reserved bits by level: SDM vol. 3, tables 4-15 to 4-20. */
static const struct reserved {
    unsigned reach, level;
    u64 bit;
    bool faults;
} reserved[] = {
    {REACH_4K, 4, PTE_PS, true},      {REACH_4K, 4, 1ull << PHYS_BITS, true},
    {REACH_4K, 3, 1ull << 51, true},  {REACH_4K, 2, 1ull << PHYS_BITS, true},
    {REACH_2M, 2, 1ull << 13, true},  {REACH_2M, 2, 1ull << 20, true},
    {REACH_2M, 2, 1ull << 12, false}, {REACH_1G, 3, 1ull << 13, true},
    {REACH_1G, 3, 1ull << 29, true},  {REACH_1G, 3, 1ull << 12, false},
    {REACH_4K, 1, PTE_PS, false},     {REACH_4K, 2, 1ull << 52, false},
};

START_TEST(reserved_bits)
{
    const struct reserved *r = &reserved[_i];
    struct mmu_bench b = bench_new(NULL);
    bench_map_guest(&b, GVA, 0, r->reach, USER_PAGE);
    bench_or(&b, bench_guest_entry(&b, GVA, r->level), r->bit);
    ck_assert_int_eq(bench_access(&b, GVA, MMU_READ), !r->faults);
    if (r->faults)
        ck_assert_uint_eq(b.c->s.event_error, PF_P | PF_RSVD);
    bench_free(&b);
}
END_TEST

/* ---- accessed and dirty flags: SDM vol. 3, 4.8 ---- */

static void check_flags(const struct mmu_bench *b, unsigned level, u64 flags)
{
    ck_assert_uint_eq(bench_u64(b, bench_guest_entry(b, GVA, level)) & (PTE_A | PTE_D), flags);
}

START_TEST(accessed_and_dirty)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    ck_assert(bench_access(&b, GVA, MMU_READ));
    for (unsigned level = 1; level <= 4; level++)
        check_flags(&b, level, PTE_A);
    ck_assert_uint_eq(b.c->s.count.ad_updates, 4);
    const struct rs_walk_ref *r = &b.c->rt.walk.ref[3];
    ck_assert_uint_eq(r->before ^ r->entry, PTE_A);
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_WRITE), 4); /* a clean entry: walks again (T5) */
    check_flags(&b, 1, PTE_A | PTE_D);
    check_flags(&b, 2, PTE_A);
    ck_assert_uint_eq(b.c->s.count.ad_updates, 5);
    mmu_drop_derived(b.c); /* the entry itself says that D is set */
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_WRITE), 0);
    ck_assert_uint_eq(bench_refs(&b, GVA, MMU_READ), 0);
    bench_free(&b);
}
END_TEST

START_TEST(faulting_walk_sets_what_it_used)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, PTE_P);
    ck_assert(!bench_access(&b, GVA, MMU_WRITE));
    check_flags(&b, 1, 0);
    for (unsigned level = 2; level <= 4; level++)
        check_flags(&b, level, PTE_A);
    struct rs_tlb_view view;
    ck_assert(!rs_tlb_get(b.m, 0, RS_DTLB, 0, &view) && !rs_tlb_get(b.m, 0, RS_STLB, 0, &view));
    bench_free(&b);
}
END_TEST

/* ---- EPT ---- */

#define DATA_GPA FRAME

static u64 ept_flags(const struct mmu_bench *b, u64 gpa, unsigned level)
{
    return bench_u64(b, bench_ept_entry(b, gpa, level)) & (EPT_A | EPT_D);
}

START_TEST(ept_accessed_and_dirty)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_enter_guest(&b, REACH_4K);
    b.c->s.vmx.eptp |= EPTP_AD;
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    ck_assert(bench_access(&b, GVA, MMU_READ));
    u64 pte_gpa = bench_guest_entry(&b, GVA, 1) - GUEST_HPA;
    ck_assert_uint_eq(ept_flags(&b, DATA_GPA, 1), EPT_A);
    ck_assert_uint_eq(ept_flags(&b, DATA_GPA, 2), EPT_A);
    ck_assert_uint_eq(ept_flags(&b, pte_gpa, 1), EPT_A | EPT_D); /* references to guest tables are writes */
    ck_assert(bench_refs(&b, GVA, MMU_WRITE) == 24);
    ck_assert_uint_eq(ept_flags(&b, DATA_GPA, 1), EPT_A | EPT_D);
    bench_free(&b);
}
END_TEST

START_TEST(ept_flags_off_stay_clear)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    ck_assert(bench_access(&b, GVA, MMU_WRITE));
    ck_assert_uint_eq(ept_flags(&b, DATA_GPA, 1), 0);
    bench_free(&b);
}
END_TEST

/* What the walk says, and what the exit wrote to the VMCS. */
static void check_exit(const struct mmu_bench *b, u64 reason, u64 qualification, u64 gpa)
{
    const struct rs_walk *w = &b->c->rt.walk;
    u64 value = 0;
    ck_assert_int_eq(w->owner, reason == EXIT_EPT_VIOLATION ? RS_EPT_VIOLATION : RS_EPT_MISCONFIG);
    ck_assert_uint_eq(w->qualification, qualification);
    ck_assert_uint_eq(w->fault_gpa, gpa);
    ck_assert(w->fault_text &&
              strstr(w->fault_text, reason == EXIT_EPT_VIOLATION ? "(exit 48)" : "(exit 49)"));
    ck_assert(rs_vmcs_get(b->m, BENCH_VMCS, "exit_reason", &value) == RS_OK && value == reason);
    ck_assert(rs_vmcs_get(b->m, BENCH_VMCS, "guest_physical_address", &value) == RS_OK);
    ck_assert_uint_eq(value, gpa);
    ck_assert(rs_vmcs_get(b->m, BENCH_VMCS, "guest_linear_address", &value) == RS_OK);
    ck_assert_uint_eq(value, GVA);
    ck_assert(rs_vmcs_get(b->m, BENCH_VMCS, "exit_qualification", &value) == RS_OK);
    ck_assert_uint_eq(value, qualification);
}

#define LEAF (QUAL_EPT_LINEAR_VALID | QUAL_EPT_TRANSLATED)

static const struct violation {
    u64 bits; /* of the leaf in EPT */
    unsigned access;
    u64 qualification; /* 0: allowed */
} violations[] = {
    {EPT_RWX | EPT_WB, MMU_READ, 0},
    {EPT_RWX | EPT_WB, MMU_WRITE, 0},
    {EPT_RWX | EPT_WB, MMU_FETCH, 0},
    {0, MMU_READ, LEAF | QUAL_EPT_READ},
    {0, MMU_WRITE, LEAF | QUAL_EPT_WRITE},
    {0, MMU_FETCH, LEAF | QUAL_EPT_FETCH},
    {EPT_R | EPT_WB, MMU_READ, 0},
    {EPT_R | EPT_WB, MMU_WRITE, LEAF | QUAL_EPT_WRITE | QUAL_EPT_READABLE},
    {EPT_R | EPT_WB, MMU_FETCH, LEAF | QUAL_EPT_FETCH | QUAL_EPT_READABLE},
    {EPT_R | EPT_W | EPT_WB, MMU_FETCH, LEAF | QUAL_EPT_FETCH | QUAL_EPT_READABLE | QUAL_EPT_WRITABLE},
    {EPT_R | EPT_X | EPT_WB, MMU_WRITE, LEAF | QUAL_EPT_WRITE | QUAL_EPT_READABLE | QUAL_EPT_EXECUTABLE},
    {EPT_X | EPT_WB, MMU_FETCH, 0},
    {EPT_X | EPT_WB, MMU_READ, LEAF | QUAL_EPT_READ | QUAL_EPT_EXECUTABLE},
};

START_TEST(ept_violations_of_data)
{
    const struct violation *v = &violations[_i];
    struct mmu_bench b = bench_new(NULL);
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    bench_map_ept(&b, DATA_GPA, GUEST_HPA + DATA_GPA, REACH_4K, v->bits);
    ck_assert_int_eq(bench_access(&b, GVA, v->access), v->qualification == 0);
    if (v->qualification)
        check_exit(&b, EXIT_EPT_VIOLATION, v->qualification, DATA_GPA | 8);
    bench_free(&b);
}
END_TEST

#define ALONE 0xc00000ull /* a gPA with no table in its 2 MiB */

START_TEST(ept_rights_are_those_of_all_levels)
{
    struct mmu_bench b = bench_new(NULL);
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, ALONE, REACH_4K, USER_PAGE);
    bench_clear(&b, bench_ept_entry(&b, ALONE, 2), EPT_W);
    ck_assert(bench_access(&b, GVA, MMU_READ));
    ck_assert(!bench_access(&b, GVA, MMU_WRITE));
    check_exit(&b, EXIT_EPT_VIOLATION, LEAF | QUAL_EPT_WRITE | QUAL_EPT_READABLE | QUAL_EPT_EXECUTABLE,
               ALONE | 8);
    bench_free(&b);
}
END_TEST

START_TEST(ept_violation_of_a_table)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bool flags = _i & 1;
    bench_enter_guest(&b, REACH_4K);
    b.c->s.vmx.eptp |= flags ? EPTP_AD : 0;
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE);
    u64 gpa = bench_guest_entry(&b, GVA, 3) - GUEST_HPA;
    bench_clear(&b, bench_ept_entry(&b, gpa, 1), EPT_RWX);
    ck_assert(!bench_access(&b, GVA, MMU_FETCH));
    check_exit(&b, EXIT_EPT_VIOLATION, QUAL_EPT_LINEAR_VALID | QUAL_EPT_READ | (flags ? QUAL_EPT_WRITE : 0),
               gpa);
    ck_assert_uint_eq(b.c->rt.walk.ref_count, 5 + 4); /* the row of gL4, and nL4..nL1 of gL3 */
    bench_free(&b);
}
END_TEST

/* A guest table that EPT makes read-only: reading is fine, setting A is not; with the flags for EPT, reading
 * is not either. */
START_TEST(ept_read_only_table)
{
    struct mmu_bench b = bench_new(bench_whole_walks);
    bool flags = _i & 1;
    bench_enter_guest(&b, REACH_4K);
    b.c->s.vmx.eptp |= flags ? EPTP_AD : 0;
    bench_map_guest(&b, GVA, FRAME, REACH_4K, USER_PAGE | PTE_A | PTE_D);
    u64 hpa = bench_guest_entry(&b, GVA, 1);
    bench_clear(&b, bench_ept_entry(&b, hpa - GUEST_HPA, 1), EPT_W);
    u64 table =
        QUAL_EPT_LINEAR_VALID | QUAL_EPT_READABLE | QUAL_EPT_EXECUTABLE | QUAL_EPT_READ | QUAL_EPT_WRITE;
    ck_assert_int_eq(bench_access(&b, GVA, MMU_WRITE), !flags);
    if (flags) {
        check_exit(&b, EXIT_EPT_VIOLATION, table | QUAL_EPT_READ, hpa - GUEST_HPA);
    } else {
        bench_clear(&b, hpa, PTE_A);
        ck_assert(!bench_access(&b, GVA, MMU_FETCH));
        check_exit(&b, EXIT_EPT_VIOLATION, table, hpa - GUEST_HPA);
        ck_assert_uint_eq(bench_u64(&b, hpa) & PTE_A, 0);
    }
    bench_free(&b);
}
END_TEST

/* #PF comes before what EPT says of the data (28.3.3.3 "Prioritization of EPT Misconfigurations and EPT
 * Violations"). */
START_TEST(guest_fault_comes_first)
{
    struct mmu_bench b = bench_new(NULL);
    bench_enter_guest(&b, REACH_4K);
    bench_map_guest(&b, GVA, FRAME, REACH_4K, PTE_P);
    bench_map_ept(&b, DATA_GPA, GUEST_HPA + DATA_GPA, REACH_4K, 0);
    ck_assert(!bench_access(&b, GVA, MMU_WRITE));
    ck_assert_int_eq(b.c->rt.walk.owner, RS_GUEST_FAULT);
    ck_assert(strstr(b.c->rt.walk.fault_text, "the guest kernel's (#PF, no exit)"));
    ck_assert(b.c->s.vmx_guest && b.c->s.event_vector == VEC_PF);
    bench_free(&b);
}
END_TEST

/* SDM vol. 3, 28.3.3.1 "EPT Misconfigurations". */
static const struct misconfig {
    unsigned reach, level;
    u64 clear, set;
    bool exits;
} misconfigs[] = {
    {REACH_4K, 1, EPT_RWX, EPT_W, true},
    {REACH_4K, 1, EPT_RWX, EPT_W | EPT_X, true},
    {REACH_4K, 3, EPT_RWX, EPT_W, true},
    {REACH_4K, 1, EPT_MEMORY_TYPE, 2 << 3, true},
    {REACH_4K, 1, EPT_MEMORY_TYPE, 3 << 3, true},
    {REACH_4K, 1, EPT_MEMORY_TYPE, 7 << 3, true},
    {REACH_4K, 1, EPT_MEMORY_TYPE, 0, false},
    {REACH_4K, 1, EPT_MEMORY_TYPE, 1 << 3, false},
    {REACH_4K, 1, EPT_MEMORY_TYPE, 4 << 3, false},
    {REACH_4K, 1, EPT_MEMORY_TYPE, 5 << 3, false},
    {REACH_2M, 2, EPT_MEMORY_TYPE, 7 << 3, true},
    {REACH_4K, 1, 0, 1ull << PHYS_BITS, true},
    {REACH_4K, 2, 0, 1ull << 51, true},
    {REACH_4K, 4, 0, 1ull << 7, true},
    {REACH_4K, 4, 0, 1ull << 3, true},
    {REACH_4K, 3, 0, 1ull << 6, true},
    {REACH_4K, 2, 0, 1ull << 4, true},
    {REACH_2M, 2, 0, 1ull << 12, true},
    {REACH_2M, 2, 0, 1ull << 20, true},
    {REACH_4K, 1, 0, 1ull << 7, false},
    {REACH_4K, 1, 0, EPT_IGNORE_PAT, false},
    {REACH_4K, 4, 0, 1ull << 52, false},
};

START_TEST(ept_misconfigurations)
{
    const struct misconfig *m = &misconfigs[_i];
    struct mmu_bench b = bench_new(bench_whole_walks);
    u64 gpa = m->reach == REACH_2M ? 0xc00000 : DATA_GPA;
    bench_enter_guest(&b, m->reach);
    if (m->level > 1 && m->reach == REACH_4K)
        gpa = 0x40000000; /* under entries of its own */
    bench_map_ept(&b, gpa, GUEST_HPA + (m->reach == REACH_2M ? gpa : 0), m->reach, EPT_RWX | EPT_WB);
    bench_map_guest(&b, GVA, gpa, REACH_4K, USER_PAGE);
    if (m->level == 4) { /* the whole tree hangs from it: the first reference already fails */
        gpa = bench_guest_entry(&b, GVA, 4) - GUEST_HPA;
    }
    u64 at = bench_ept_entry(&b, gpa, m->level);
    bench_clear(&b, at, m->clear);
    bench_or(&b, at, m->set);
    ck_assert_int_eq(bench_access(&b, GVA, MMU_READ), !m->exits);
    if (m->exits)
        check_exit(&b, EXIT_EPT_MISCONFIG, 0, m->level == 4 ? gpa : gpa | 8);
    bench_free(&b);
}
END_TEST

#define LOOP(t, test, rows) tcase_add_loop_test(t, test, 0, (int)(sizeof(rows) / sizeof *(rows)))

static TCase *guest_rules(void)
{
    TCase *t = tcase_create("rights and flags");
    LOOP(t, access_rights, rights);
    LOOP(t, access_rights_by_tlb_hit, rights);
    LOOP(t, reserved_bits, reserved);
    tcase_add_test(t, accessed_and_dirty);
    tcase_add_test(t, faulting_walk_sets_what_it_used);
    return t;
}

static TCase *ept_rules(void)
{
    TCase *t = tcase_create("EPT");
    tcase_add_test(t, ept_accessed_and_dirty);
    tcase_add_test(t, ept_flags_off_stay_clear);
    LOOP(t, ept_violations_of_data, violations);
    tcase_add_test(t, ept_rights_are_those_of_all_levels);
    tcase_add_loop_test(t, ept_violation_of_a_table, 0, 2);
    tcase_add_loop_test(t, ept_read_only_table, 0, 2);
    tcase_add_test(t, guest_fault_comes_first);
    LOOP(t, ept_misconfigurations, misconfigs);
    return t;
}

int main(void)
{
    Suite *s = suite_create("walk rights");
    suite_add_tcase(s, guest_rules());
    suite_add_tcase(s, ept_rules());
    return suite_run(s);
}
