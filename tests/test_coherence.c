/* test_coherence.c - lines that travel between cores, and the one memory of all (docs/machine.md, C2 to C5,
 * C8). */
#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "mmu/cache.h"
#include "mmu/mmu.h"
#include "schedule.h"

#include <check.h>

#define FIRMWARE (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define CORES    4
#define SNOOP    40 /* snoop_latency */
#define L2       10
#define MEM      170
#define SPIN     "\xeb\xfe"

static struct bare b;
static struct core *c[CORES];

static void set_up(void)
{
    bare_open_cores(&b, FIRMWARE, CORES);
    for (u32 i = 0; i < CORES; i++)
        c[i] = b.machine->core[i];
}

/* All that travels is there. */
static void later(void)
{
    for (u32 i = 0; i < CORES; i++)
        c[i]->s.cycle = (c[i]->s.cycle / 1000 + 1) * 1000;
    machine_align_clocks(b.machine);
}

static void tear_down(void)
{
    bare_close(&b);
}

/* ---- lines (C3 to C5) ---- */

enum { LINE = 0x600000 };

static u64 drained(const struct core *core)
{
    u64 entry = core->s.store_next ? core->s.store_next - 1 : core->m->p.store_buffer - 1;
    return core->s.store_done[entry] - core->s.cycle;
}

static bool has(struct core *core)
{
    return cache_has(core, CACHE_L1D, LINE >> LINE_SHIFT) || cache_has(core, CACHE_L2, LINE >> LINE_SHIFT) ||
           cache_has(core, CACHE_L1I, LINE >> LINE_SHIFT);
}

START_TEST(a_miss_is_answered_by_another_core)
{
    enum rs_hit from;
    ck_assert_uint_eq(cache_read(c[0], LINE, &from), L2 + MEM);
    ck_assert_int_eq(from, RS_MEM);
    u64 bus = b.machine->b.bus_next;
    later();
    ck_assert_uint_eq(cache_read(c[1], LINE, &from), L2 + SNOOP);
    ck_assert_int_eq(from, RS_CORE);
    ck_assert_uint_eq(b.machine->b.bus_next, bus); /* without the bus */
    ck_assert(has(c[0]) && has(c[1]));             /* both have it now */
    ck_assert_uint_eq(c[1]->s.count.lines_from_cores, 1);
    ck_assert_uint_eq(cache_read(c[1], LINE, &from), 0);
    cache_drop(c[0], CACHE_L1D, LINE >> LINE_SHIFT); /* L2 alone answers too */
    later();
    ck_assert_uint_eq(cache_fetch(c[2], LINE, &from), L2 + SNOOP);
    cache_drop(c[0], CACHE_L2, LINE >> LINE_SHIFT);
    cache_drop(c[1], CACHE_L1D, LINE >> LINE_SHIFT);
    cache_drop(c[1], CACHE_L2, LINE >> LINE_SHIFT);
    cache_drop(c[2], CACHE_L2, LINE >> LINE_SHIFT); /* what L1I has is no answer */
    cache_read(c[3], LINE, &from);
    ck_assert_int_eq(from, RS_MEM);
}
END_TEST

/* C8: the first of `lines` is still on its way to core 0 when core 1 asks for it, if the machine knows. */
static u64 asked_after(unsigned lines)
{
    enum rs_hit from;
    later();
    for (unsigned i = 0; i < lines; i++)
        cache_read(c[0], LINE + 64 * i, &from);
    return cache_read(c[1], LINE, &from);
}

START_TEST(the_last_32_travels_are_known)
{
    ck_assert_uint_eq(asked_after(32), L2 + MEM + L2 + SNOOP);
}
END_TEST

START_TEST(the_one_before_is_forgotten)
{
    ck_assert_uint_eq(asked_after(33), L2 + SNOOP);
}
END_TEST

START_TEST(a_store_takes_the_line_away)
{
    enum rs_hit from;
    cache_read(c[0], LINE, &from);
    cache_read(c[1], LINE, &from);
    cache_fetch(c[2], LINE, &from);
    later();
    store_buffer_take(c[0], LINE);
    ck_assert_uint_eq(drained(c[0]), 1 + SNOOP); /* it has the line, and others had */
    ck_assert(has(c[0]) && !has(c[1]) && !has(c[2]));
    ck_assert_uint_eq(c[1]->s.count.lines_lost, 1);
    ck_assert_uint_eq(c[2]->s.count.lines_lost, 1);
    store_buffer_take(c[0], LINE);
    ck_assert_uint_eq(drained(c[0]), 1 + SNOOP + 1); /* now nobody has */
    later();
    store_buffer_take(c[1], LINE);
    ck_assert_uint_eq(drained(c[1]), 1 + L2 + SNOOP); /* it comes from core 0, and that is all */
    ck_assert(!has(c[0]) && has(c[1]));
    later();
    cache_read(c[0], LINE, &from);
    later();
    store_buffer_take(c[0], LINE);
    ck_assert_uint_eq(drained(c[0]), 1 + SNOOP); /* a read before the write left it to both */
}
END_TEST

/* C8: a line that is on its way is handed on when it is there. */
START_TEST(a_line_travels_to_one_core_at_a_time)
{
    enum rs_hit from;
    ck_assert_uint_eq(cache_read(c[0], LINE, &from), L2 + MEM);
    ck_assert_uint_eq(cache_read(c[1], LINE, &from), (L2 + MEM) + L2 + SNOOP);
    c[2]->s.cycle = 100;
    ck_assert_uint_eq(cache_read(c[2], LINE, &from), (L2 + MEM) + (L2 + SNOOP) - 100 + L2 + SNOOP);
    ck_assert_uint_eq(cache_read(c[3], LINE + LINE_BYTES, &from), 10 + L2 + MEM); /* another line; the bus */
    later();
    store_buffer_take(c[0], LINE);
    ck_assert_uint_eq(drained(c[0]), 1 + SNOOP);
    store_buffer_take(c[1], LINE);
    ck_assert_uint_eq(drained(c[1]), 1 + SNOOP + L2 + SNOOP);
    cache_read(c[2], LINE, &from);
    later();
    store_buffer_take(c[2], LINE); /* takes it from core 1 */
    cache_read(c[1], LINE, &from);
    cache_read(c[0], LINE, &from);
    store_buffer_take(c[1], LINE); /* has it, but only when it has come */
    ck_assert_uint_eq(drained(c[1]), 1 + SNOOP + 2 * (L2 + SNOOP) + SNOOP);
}
END_TEST

/* T4: the place of a line that was lost is empty, and is taken before that of the oldest. */
START_TEST(a_lost_line_leaves_its_place_to_the_next)
{
    static u64 (*const look_up[CACHES])(struct core *, u64, enum rs_hit *) = {
        [CACHE_L1I] = cache_fetch, [CACHE_L1D] = cache_read, [CACHE_L2] = cache_read};
    const struct cache k = cache_geometry(c[0], (enum cache_unit)_i);
    const u64 stride = (u64)k.sets * LINE_BYTES, newest = LINE + (k.ways - 1) * stride;
    enum rs_hit from;
    for (u64 hpa = LINE; hpa <= newest; hpa += stride)
        look_up[_i](c[0], hpa, &from);
    later();
    store_buffer_take(c[1], newest);
    ck_assert(!cache_has(c[0], (enum cache_unit)_i, newest >> LINE_SHIFT));
    look_up[_i](c[0], newest + stride, &from);
    for (u64 hpa = LINE; hpa <= newest + stride; hpa += stride)
        ck_assert(cache_has(c[0], (enum cache_unit)_i, hpa >> LINE_SHIFT) == (hpa != newest));
    if (_i == CACHE_L1D)
        ck_assert_uint_eq(cache_read(c[0], LINE, &from), 0);
}
END_TEST

START_TEST(what_only_an_instruction_cache_has_costs_nothing)
{
    enum rs_hit from;
    cache_fetch(c[0], LINE, &from);
    cache_drop(c[0], CACHE_L2, LINE >> LINE_SHIFT);
    cache_read(c[1], LINE, &from);
    ck_assert_int_eq(from, RS_MEM);
    later();
    store_buffer_take(c[1], LINE);
    ck_assert_uint_eq(drained(c[1]), 1);
    ck_assert(!has(c[0]));
}
END_TEST

START_TEST(nobody_else_is_asked_again_until_someone_has_read)
{
    enum rs_hit from;
    for (int k = 0; k < 3; k++) {
        store_buffer_take(c[0], LINE);
        cache_read(c[1], LINE, &from);
        ck_assert_int_eq(from, RS_CORE);
        later();
        store_buffer_take(c[0], LINE);
        ck_assert_uint_eq(drained(c[0]), 1 + SNOOP);
        ck_assert(!has(c[1]));
        if (k == 1)
            rs_drop_derived(b.world);
    }
}
END_TEST

START_TEST(without_caches_no_lines_travel)
{
    enum rs_hit from;
    b.machine->p.caches = 0;
    cache_read(c[0], LINE, &from);
    c[1]->s.cycle = 1000;
    ck_assert_uint_eq(cache_read(c[1], LINE, &from), L2 + MEM);
    ck_assert_int_eq(from, RS_MEM);
}
END_TEST

/* 4 levels less one: pages of 2 MiB.  Core 0 has walked; then the entries come from it. */
START_TEST(walks_read_the_lines_of_others)
{
    const u64 ref = 4 + L2 + SNOOP;
    mmu_load(c[0], LINE, 8, MMU_READ);
    later();
    u64 walk = c[1]->s.count.stall_walk;
    mmu_load(c[1], LINE, 8, MMU_READ);
    ck_assert_uint_eq(c[1]->s.count.stall_walk - walk, 3 * ref);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(c[1]->rt.walk.ref[i].from, RS_CORE);
    later();
    walk = c[1]->s.count.stall_walk;
    mmu_load(c[1], 0x400000, 8,
             MMU_READ); /* the walk cache 1, a line in L1D 4; A 8, which takes the line away */
    ck_assert_uint_eq(c[1]->s.count.stall_walk - walk, 1 + 4 + 8 + SNOOP);
    later();
    walk = c[0]->s.count.stall_walk;
    mmu_load(c[0], 0x400000, 8, MMU_READ); /* comes back; A is set */
    ck_assert_uint_eq(c[0]->s.count.stall_walk - walk, 1 + ref);
    struct latch l;
    later();
    walk = c[2]->s.count.stall_walk;
    mmu_store_check(c[2], 0x400000, 8, MMU_WRITE, &l); /* D: the line has just come from there */
    ck_assert_uint_eq(c[2]->s.count.stall_walk - walk, 3 * ref + 8);
    later();
    walk = c[0]->s.count.stall_walk;
    mmu_store_check(c[0], LINE, 8, MMU_WRITE, &l); /* and now from core 2 */
    ck_assert_uint_eq(c[0]->s.count.stall_walk - walk, 1 + ref + 8);
}
END_TEST

/* A walk that is only looked at costs what it would, and takes nothing. */
START_TEST(looking_on_takes_no_lines)
{
    struct rs_walk walk;
    mmu_load(c[0], LINE, 8, MMU_READ);
    mmu_load(c[1], LINE, 8, MMU_READ);
    later();
    u64 hash = rs_hash(b.world, RS_HASH_ALL);
    rs_translate(b.machine, 1, 0x400000, RS_READ, true, &walk);
    ck_assert_uint_eq(walk.cycles, 1 + 4 + 8 + SNOOP);
    ck_assert_uint_eq(rs_hash(b.world, RS_HASH_ALL), hash);
}
END_TEST

START_TEST(writes_by_physical_address_take_lines_too)
{
    enum rs_hit from;
    cache_read(c[0], LINE, &from);
    cache_read(c[1], LINE, &from);
    later();
    phys_store(c[1], LINE, 8, 1);
    ck_assert_uint_eq(c[1]->s.count.stall_vmx, SNOOP);
    ck_assert(!has(c[0]));
    later();
    phys_store(c[0], LINE, 8, 1);
    ck_assert_uint_eq(c[0]->s.count.stall_vmx, L2 + SNOOP);
    ck_assert(!has(c[1]));
}
END_TEST

/* ---- memory (C2) ---- */

/* Core 1 spins; core 0 turns the first byte of the loop into HLT. */
START_TEST(code_that_another_core_changes)
{
    static const char change[] = "\xc6\x04\x25\x00\x10\x02\x00\xf4\xeb\xfe"; /* movb $0xf4, 0x21000 */
    for (u32 i = 0; i < 2; i++) {
        bare_put(&b, c[i]->s.rip, SPIN, 2);
        c[i]->s.activity = ACTIVITY_ACTIVE;
    }
    machine_run(b.machine, UINT64_MAX, 4000);
    ck_assert_uint_gt(c[1]->s.count.insns, 1000);
    bare_put(&b, c[0]->s.rip = BARE_CODE + 0x100, change, sizeof change - 1);
    while (c[1]->s.activity == ACTIVITY_ACTIVE && machine_cycle(b.machine) < 8000)
        machine_run(b.machine, 1, UINT64_MAX);
    ck_assert_uint_eq(c[1]->s.activity, ACTIVITY_HLT);
    /* The store ran when its atom did; core 1's next instruction is the new one. */
    ck_assert_uint_le(c[1]->s.cycle, c[0]->s.cycle + 400);
    ck_assert(!cache_has(c[1], CACHE_L1D, (BARE_CODE + BARE_PART) >> LINE_SHIFT));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("coherence");
    TCase *t = tcase_create("coherence");
    tcase_add_checked_fixture(t, set_up, tear_down);
    const TTest *const tests[] = {
        a_miss_is_answered_by_another_core,
        the_last_32_travels_are_known,
        the_one_before_is_forgotten,
        a_store_takes_the_line_away,
        a_line_travels_to_one_core_at_a_time,
        what_only_an_instruction_cache_has_costs_nothing,
        nobody_else_is_asked_again_until_someone_has_read,
        without_caches_no_lines_travel,
        walks_read_the_lines_of_others,
        looking_on_takes_no_lines,
        writes_by_physical_address_take_lines_too,
        code_that_another_core_changes,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    tcase_add_loop_test(t, a_lost_line_leaves_its_place_to_the_next, 0, CACHES);
    suite_add_tcase(s, t);
    return suite_run(s);
}
