/* test_host_memory.c - memory of the host that is no longer needed is used again. */
#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/subject.h"
#include "lib/suite.h"

#define ROUNDS    12
#define SNAPSHOTS 200
#define POKES     64

#if defined(__SANITIZE_ADDRESS__)
#define FREED_IS_KEPT 1 /* on purpose, to find who still uses it */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FREED_IS_KEPT 1
#endif
#endif
#ifndef FREED_IS_KEPT
#define FREED_IS_KEPT 0
#endif

/* Bytes of this process that lie in the host's memory; 0 where the host does not say (Linux does). */
static uint64_t resident(void)
{
    unsigned long long all = 0, here = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f)
        return 0;
    if (fscanf(f, "%llu %llu", &all, &here) != 2)
        here = 0;
    fclose(f);
    return here * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void make(struct run *r)
{
    static const struct subject alu = {"guests/alu.elf", "alu 100000", NULL, 1, SIZES_USUAL, NULL};
    run_make(r, &alu);
    run_boot(r, &alu);
    run_to(r, 20000, 10000);
}

/* Pages all over memory are written between two snapshots, so each has pages of its own. */
static void poke_all_over(struct run *r, unsigned value)
{
    const uint8_t bytes[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    struct rs_error err;
    for (uint64_t i = 0; i < POKES; i++)
        ck_assert_int_eq(rs_input_poke(r->machine, 0x1000000 + i * 97 * 4096, bytes, 2, &err), RS_OK);
}

static void round_of_snapshots(struct run *r, unsigned round)
{
    rs_snapshot *s[SNAPSHOTS];
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        s[i] = rs_snapshot_take(r->world);
        poke_all_over(r, round * SNAPSHOTS + i);
    }
    for (unsigned i = 0; i < SNAPSHOTS; i++)
        rs_snapshot_free(s[i * 77 % SNAPSHOTS]);
}

/* Another world has been there before, so that what the C library keeps is not what it was at the start. */
START_TEST(snapshots_that_are_freed_leave_nothing)
{
    struct run r;
    if (FREED_IS_KEPT || !resident()) {
        puts("SKIPPED: what this process has of the host's memory is not known");
        return;
    }
    make(&r);
    rs_world_free(r.world);
    make(&r);
    round_of_snapshots(&r, 0);
    uint64_t early = resident();
    for (unsigned round = 1; round < ROUNDS; round++)
        round_of_snapshots(&r, round);
    uint64_t late = resident();
    ck_assert_msg(late <= early + early / 2, "%llu bytes after a round, %llu after %d",
                  (unsigned long long)early, (unsigned long long)late, ROUNDS);
    rs_world_free(r.world);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("host memory");
    TCase *t = tcase_create("host memory");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, snapshots_that_are_freed_leave_nothing);
    suite_add_tcase(s, t);
    return suite_run(s);
}
