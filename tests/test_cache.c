/* test_cache.c - caches, memory controller, store buffer and pages that are not RAM: the cycles of
 * docs/machine.md. */
#include "lib/mmu_bench.h"
#include "lib/suite.h"
#include "mmu/bus.h"
#include "mmu/cache.h"

#include <check.h>
#include <setjmp.h>

#define GVA        0x40000000ull /* the first 2 MiB of RAM */
#define L2_CYCLES  10
#define MEM_CYCLES 180 /* with those of L2 */

/* A bench with the low 2 MiB at GVA, translated already, and a clock that shows no walk. */
static struct mmu_bench cache_bench(const struct setting *settings)
{
    struct mmu_bench b = bench_new(settings);
    bench_map_guest(&b, GVA, 0, REACH_2M, PTE_P | PTE_W | PTE_U);
    ck_assert(bench_access(&b, GVA + 0x1ff000, MMU_WRITE));
    b.c->s.cycle += 1000; /* the memory controller is free again */
    b.c->s.count = (struct counters){0};
    return b;
}

static u64 cycles_of_load(struct mmu_bench *b, u64 offset, unsigned n)
{
    u64 before = b->c->s.cycle;
    b->c->rt.atom.micro = 0;
    if (setjmp(b->c->rt.atom.jmp) == 0)
        mmu_load(b->c, GVA + offset, n, MMU_READ);
    return b->c->s.cycle - before;
}

static u64 cycles_of_store(struct mmu_bench *b, u64 offset, unsigned n, u64 value)
{
    u64 before = b->c->s.cycle;
    struct latch l;
    if (setjmp(b->c->rt.atom.jmp) == 0) {
        mmu_store_check(b->c, GVA + offset, n, MMU_WRITE, &l);
        mmu_store_commit(b->c, &l, value);
    }
    return b->c->s.cycle - before;
}

static u64 last_drain(const struct mmu_bench *b)
{
    u64 last = 0;
    for (unsigned i = 0; i < 16; i++)
        last = b->c->s.store_done[i] > last ? b->c->s.store_done[i] : last;
    return last - b->c->s.cycle;
}

/* ---- M1 to M3 ---- */

START_TEST(levels)
{
    static const struct setting small[] = {{"l1d_bytes", 4096}, {"l1d_ways", 1}, {NULL, 0}};
    struct mmu_bench b = cache_bench(small);
    ck_assert_uint_eq(cycles_of_load(&b, 0, 8), MEM_CYCLES);
    ck_assert_uint_eq(cycles_of_load(&b, 56, 8), 0);
    ck_assert_uint_eq(cycles_of_load(&b, 4096, 8), MEM_CYCLES); /* the same set */
    ck_assert_uint_eq(cycles_of_load(&b, 0, 8), L2_CYCLES);
    ck_assert_uint_eq(b.c->s.count.stall_load, 2 * MEM_CYCLES + L2_CYCLES);
    ck_assert_uint_eq(b.c->s.count.l1d_lookups, 4);
    ck_assert_uint_eq(b.c->s.count.l1d_misses, 3);
    ck_assert_uint_eq(b.c->s.count.l2_lookups, 3);
    ck_assert_uint_eq(b.c->s.count.l2_misses, 2);
    bench_free(&b);
}
END_TEST

START_TEST(two_lines_and_two_pages)
{
    struct mmu_bench b = cache_bench(NULL);
    u64 busy = b.m->p.mem_busy;
    ck_assert_uint_lt(busy, MEM_CYCLES);
    ck_assert_uint_eq(cycles_of_load(&b, 60, 8), 2 * MEM_CYCLES + 1);
    ck_assert_uint_eq(cycles_of_load(&b, 60, 8), 1);
    ck_assert_uint_eq(b.c->s.count.loads, 2);
    ck_assert_uint_eq(b.c->s.count.dtlb_lookups, 2);
    bench_map_guest(&b, GVA + 0x200000, 0, REACH_2M, PTE_P | PTE_W);
    ck_assert(bench_access(&b, GVA + 0x200000, MMU_READ));
    b.c->s.count = (struct counters){0};
    ck_assert_uint_eq(cycles_of_load(&b, 0x1ffffc, 8),
                      MEM_CYCLES + 1); /* the second line is that of offset 0 */
    ck_assert_uint_eq(b.c->s.count.dtlb_lookups, 2);
    ck_assert_uint_eq(b.c->s.count.loads, 1);
    bench_free(&b);
}
END_TEST

START_TEST(bytes_across_pages)
{
    struct mmu_bench b = cache_bench(NULL);
    bench_map_guest(&b, GVA + 0x200000, 0x600000, REACH_2M, PTE_P | PTE_W);
    cycles_of_store(&b, 0x1ffffd, 8, 0x1122334455667788);
    ck_assert_uint_eq(mem_read(b.m->mem, 0x1ffffd, 3), 0x667788);
    ck_assert_uint_eq(mem_read(b.m->mem, 0x600000, 5), 0x1122334455);
    ck_assert_uint_eq(mmu_load(b.c, GVA + 0x1ffffd, 8, MMU_READ), 0x1122334455667788);
    ck_assert_uint_eq(mmu_load(b.c, GVA + 0x1fffff, 2, MMU_READ), 0x5566);
    ck_assert_uint_eq(mmu_load(b.c, GVA + 0x1ffffd, 1, MMU_READ), 0x88);
    ck_assert_uint_eq(b.c->s.count.stores, 1);
    bench_free(&b);
}
END_TEST

START_TEST(least_recently_used_line_goes)
{
    static const struct setting two_ways[] = {{"l1d_bytes", 4096}, {"l1d_ways", 2}, {NULL, 0}};
    struct mmu_bench b = cache_bench(two_ways);
    cycles_of_load(&b, 0, 8);
    cycles_of_load(&b, 2048, 8);
    cycles_of_load(&b, 0, 8);
    cycles_of_load(&b, 4096, 8); /* displaces 2048 */
    ck_assert_uint_eq(cycles_of_load(&b, 0, 8), 0);
    ck_assert_uint_eq(cycles_of_load(&b, 2048, 8), L2_CYCLES);
    bench_free(&b);
}
END_TEST

START_TEST(off_sends_all_to_memory)
{
    static const struct setting off[] = {{"caches", 0}, {NULL, 0}};
    struct mmu_bench b = cache_bench(off);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_uint_eq(cycles_of_load(&b, 0, 8), MEM_CYCLES);
    ck_assert_uint_eq(b.c->s.count.l2_misses, 3);
    bench_free(&b);
}
END_TEST

/* ---- T2: the walker's references ---- */

START_TEST(walk_references_cost)
{
    static const struct setting bare[] = {{"walk_caches", 0}, {"stlb", 0},          {"dtlb_entries", 1},
                                          {"dtlb_ways", 1},   {"l1d_bytes", 65536}, {NULL, 0}};
    struct mmu_bench b = bench_new(bare);
    bench_map_guest(&b, GVA, 0x400000, REACH_4K, PTE_P | PTE_A);
    bench_map_guest(&b, GVA + 0x1000, 0x401000, REACH_4K, PTE_P | PTE_A);
    ck_assert(bench_access(&b, GVA, MMU_READ));
    const struct rs_walk *w = rs_last_walk(b.m, 0);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(w->ref[i].cycles == 4 + MEM_CYCLES && w->ref[i].from == RS_MEM);
    ck_assert_uint_eq(w->cycles, 4 * (4 + MEM_CYCLES) + 3 * b.m->p.ad_update_cycles);
    ck_assert_uint_eq(b.c->s.count.stall_walk, w->cycles);
    ck_assert(bench_access(&b, GVA + 0x1000, MMU_READ));
    ck_assert_uint_eq(w->cycles, 4 * 4);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(w->ref[i].from, RS_L1);
    bench_free(&b);
}
END_TEST

/* ---- T7 ---- */

START_TEST(controller_is_busy)
{
    static const struct setting slow[] = {{"mem_busy", 1000}, {NULL, 0}};
    struct mmu_bench b = cache_bench(slow);
    b.c->s.cycle += 10000;
    ck_assert_uint_eq(cycles_of_load(&b, 0, 8), MEM_CYCLES);
    ck_assert_uint_eq(cycles_of_load(&b, 64, 8), 1000 - MEM_CYCLES + MEM_CYCLES);
    ck_assert_uint_eq(b.c->s.count.stall_load, 1000 + MEM_CYCLES);
    bench_free(&b);
}
END_TEST

/* ---- S1 to S3 ---- */

START_TEST(store_buffer_drains_in_order)
{
    static const struct setting two[] = {{"store_buffer", 2}, {"mem_busy", 0}, {NULL, 0}};
    struct mmu_bench b = cache_bench(two);
    ck_assert_uint_eq(cycles_of_store(&b, 0, 8, 1), 0);
    ck_assert_uint_eq(last_drain(&b), 1 + MEM_CYCLES);
    ck_assert_uint_eq(cycles_of_store(&b, 8, 8, 2), 0); /* the line is there from the first store's commit */
    ck_assert_uint_eq(last_drain(&b), 2 + MEM_CYCLES);
    ck_assert_uint_eq(cycles_of_load(&b, 16, 8), 0);
    ck_assert_uint_eq(cycles_of_store(&b, 24, 8, 3), 1 + MEM_CYCLES); /* waits for the first entry */
    ck_assert_uint_eq(b.c->s.count.stall_store, 1 + MEM_CYCLES);
    ck_assert_uint_eq(last_drain(&b), 2);
    bench_free(&b);
}
END_TEST

START_TEST(store_of_two_lines_takes_two_entries)
{
    static const struct setting two[] = {{"store_buffer", 2}, {"mem_busy", 0}, {NULL, 0}};
    struct mmu_bench b = cache_bench(two);
    ck_assert_uint_eq(cycles_of_store(&b, 60, 8, 1), 0);
    ck_assert_uint_eq(last_drain(&b), 2 * (1 + MEM_CYCLES));
    ck_assert_uint_eq(b.c->s.count.l1d_lookups, 2);
    ck_assert_uint_eq(b.c->s.count.stores, 1);
    bench_free(&b);
}
END_TEST

/* ---- fetch: F1 to F4 ---- */

static u64 cycles_of_fetch(struct mmu_bench *b, u64 offset)
{
    u64 before = b->c->s.cycle;
    b->c->rt.fetch_waited = false;
    if (setjmp(b->c->rt.atom.jmp) == 0)
        ck_assert_uint_eq(mmu_fetch_line(b->c, GVA + offset), offset);
    return b->c->s.cycle - before;
}

START_TEST(fetch_line_and_its_wait)
{
    struct mmu_bench b = cache_bench(NULL);
    ck_assert(bench_access(&b, GVA + 0x1000, MMU_FETCH));
    b.c->s.cycle += 1000;
    b.c->s.redirected = 0;
    b.c->s.count = (struct counters){0};
    ck_assert_uint_eq(cycles_of_fetch(&b, 0x100), 2 + MEM_CYCLES);
    ck_assert_uint_eq(cycles_of_fetch(&b, 0x13f), 0); /* in the buffer: no look-up */
    ck_assert_uint_eq(b.c->s.count.itlb_lookups, 1);
    ck_assert_uint_eq(cycles_of_fetch(&b, 0x140), 2 + MEM_CYCLES);
    ck_assert_uint_eq(cycles_of_fetch(&b, 0x100), 0); /* ITLB and L1I hit */
    ck_assert_uint_eq(b.c->s.count.l1i_lookups, 3);
    ck_assert_uint_eq(b.c->s.count.stall_fetch, 2 * (2 + MEM_CYCLES));
    b.c->s.redirected = 1;
    ck_assert_uint_eq(cycles_of_fetch(&b, 0x180), MEM_CYCLES); /* nothing to wait for */
    bench_free(&b);
}
END_TEST

/* ---- the bus (T7) ---- */

START_TEST(the_bus_knows_16_transfers)
{
    struct mmu_bench b = cache_bench(NULL);
    u64 now = b.c->s.cycle;
    for (unsigned i = 0; i < 16; i++)
        ck_assert_uint_eq(bus_wait(b.m, now + 100 * i), 0);
    ck_assert_uint_eq(bus_wait(b.m, now), 10);       /* behind the first, which this one makes it forget */
    ck_assert_uint_eq(bus_wait(b.m, now), 0);        /* and fits exactly before the one behind */
    ck_assert_uint_eq(bus_wait(b.m, now + 291), 19); /* no room before the transfer at 300 */
    bench_free(&b);
}
END_TEST

/* ---- pages that are not RAM ---- */

START_TEST(nobody_answers)
{
    struct mmu_bench b = cache_bench(NULL);
    u64 hole = 0x8000000000, gva = 0x80000000;
    bench_map_guest(&b, gva, hole, REACH_4K, PTE_P | PTE_W | PTE_A | PTE_D);
    ck_assert(bench_access(&b, gva, MMU_WRITE));
    b.c->s.count = (struct counters){0};
    cycles_of_store(&b, 0, 8, 1);
    u64 pending = last_drain(&b), before = b.c->s.cycle;
    if (setjmp(b.c->rt.atom.jmp) == 0)
        ck_assert_uint_eq(mmu_load(b.c, gva + 4, 4, MMU_READ), 0xffffffff);
    ck_assert_uint_eq(b.c->s.cycle - before, pending + b.m->p.device_latency); /* after the store buffer */
    ck_assert_uint_eq(b.c->s.count.stall_device, b.m->p.device_latency);
    ck_assert_uint_eq(b.c->s.count.l1d_lookups, 1); /* the store's */
    struct latch l;
    if (setjmp(b.c->rt.atom.jmp) == 0) {
        mmu_store_check(b.c, gva, 8, MMU_WRITE, &l);
        mmu_store_commit(b.c, &l, 0);
        ck_assert_uint_eq(mmu_load(b.c, gva, 8, MMU_READ), ~0ull);
        u64 hpa = mmu_fetch_line(b.c, gva);
        ck_assert(mem_read_page(b.m->mem, hpa) == NULL);
    }
    bench_free(&b);
}
END_TEST

static void hear_mmio(const struct rs_event *e, void *arg)
{
    *(struct rs_event *)arg = *e;
}

START_TEST(local_apic_page)
{
    struct mmu_bench b = cache_bench(NULL);
    struct rs_event heard = {.probe = RS_PROBE_halt};
    u64 page = b.c->s.apic_base & PHYS_MASK & ~0xfffull, gva = 0x80000000;
    bench_map_guest(&b, gva, page & ~0x1fffffull, REACH_2M, PTE_P | PTE_W);
    rs_watch(b.world, RS_PROBE_mmio, true, hear_mmio, &heard);
    u64 apic = gva + (page & 0x1fffff), version = 0;
    if (setjmp(b.c->rt.atom.jmp) == 0) {
        version = mmu_load(b.c, apic + 0x30, 4, MMU_READ);
        ck_assert_uint_eq(heard.probe, RS_PROBE_mmio);
        ck_assert_uint_eq(heard.field[0], page + 0x30);
        ck_assert_uint_ne(version, 0xffffffff);
        mmu_load(b.c, apic + 0x1000, 4,
                 MMU_READ); /* the next page: another kind, though one large page maps both */
    }
    ck_assert_uint_eq(rs_last_walk(b.m, 0)->page_bytes, 4096);
    bench_free(&b);
}
END_TEST

/* ---- physical accesses ---- */

START_TEST(physical_accesses)
{
    struct mmu_bench b = cache_bench(NULL);
    u64 before = b.c->s.cycle;
    if (setjmp(b.c->rt.atom.jmp) == 0) {
        phys_store(b.c, 0x5000, 8, 0x0102030405060708);
        ck_assert_uint_eq(phys_load(b.c, 0x5000, 4), 0x05060708);
        ck_assert_uint_eq(phys_load(b.c, 0x8000000000, 8), ~0ull);
        phys_store(b.c, 0x8000000000, 8, 0);
    }
    ck_assert_uint_eq(b.c->s.cycle - before, MEM_CYCLES);
    ck_assert_uint_eq(b.c->s.count.stall_vmx, MEM_CYCLES);
    bench_free(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cache");
    TCase *t = tcase_create("cycles");
    tcase_add_test(t, the_bus_knows_16_transfers);
    tcase_add_test(t, levels);
    tcase_add_test(t, two_lines_and_two_pages);
    tcase_add_test(t, bytes_across_pages);
    tcase_add_test(t, least_recently_used_line_goes);
    tcase_add_test(t, off_sends_all_to_memory);
    tcase_add_test(t, walk_references_cost);
    tcase_add_test(t, controller_is_busy);
    tcase_add_test(t, store_buffer_drains_in_order);
    tcase_add_test(t, store_of_two_lines_takes_two_entries);
    tcase_add_test(t, fetch_line_and_its_wait);
    tcase_add_test(t, nobody_answers);
    tcase_add_test(t, local_apic_page);
    tcase_add_test(t, physical_accesses);
    suite_add_tcase(s, t);
    return suite_run(s);
}
