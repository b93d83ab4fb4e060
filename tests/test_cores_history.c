/* test_cores_history.c - moving through the time of several cores: each way to a position gives the same
 * state. */
#include "ringside.h"
#include "lib/suite.h"
#include "lib/temporary.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static rs_world *world;
static rs_machine *machine;

/* Images, with a place in the run from which there is a bit of everything: contention, HLT, interrupts. */
static const struct subject {
    const char *image, *cmdline;
    uint64_t cores, from_cycle;
} subjects[] = {
    {"guests/cores.elf", "cores 40", 2, 13000},
    {"guests/cores.elf", "cores 40", 8, 13000},
    {"guests/shootdown.elf", "shootdown 3", 2, 14000}, /* INIT and start-up */
    {"guests/shootdown.elf", "shootdown 3", 5, 14000},
};

#define SUBJECTS ((int)(sizeof subjects / sizeof *subjects))

static rs_machine *make(rs_world *w, uint64_t cores)
{
    struct rs_config config;
    struct rs_error err = {""};
    rs_config_init(&config);
    config.cores = cores;
    rs_machine *m = rs_machine_new(w, &config, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    return m;
}

static void boot_image(int i)
{
    char path[512];
    struct rs_error err = {""};
    const char *build = getenv("RINGSIDE_BUILD");
    snprintf(path, sizeof path, "%s/%s", build ? build : "build", subjects[i].image);
    struct rs_boot how = {.path = path, .cmdline = subjects[i].cmdline};
    ck_assert_msg(rs_boot(machine, &how, &err) == RS_OK, "%s", err.text);
}

static void boot(int i)
{
    world = rs_world_new();
    machine = make(world, subjects[i].cores);
    boot_image(i);
}

static enum rs_why go(void)
{
    enum rs_why why;
    while ((why = rs_continue(world, 41)) == RS_SLICE) /* slices of an odd size: no result depends on it */
        continue;
    return why;
}

static void run_until(uint64_t cycle)
{
    rs_begin_run(world, cycle);
    go();
}

static void seek(struct rs_position at)
{
    rs_begin_seek(world, at);
    go();
}

static uint64_t hash(void)
{
    return rs_hash(world, RS_HASH_ALL);
}

static bool same_place(struct rs_position a, struct rs_position b)
{
    return a.atom == b.atom && a.micro == b.micro;
}

/* ---- there and back ---- */

#define PLACES 120

struct place {
    struct rs_position at;
    uint64_t hash, now;
    uint32_t next;
};

static struct place here(void)
{
    return (struct place){rs_position(machine), hash(), rs_now(machine), rs_next_core(machine)};
}

static void check_place(const struct place *want, const char *how)
{
    struct place got = here();
    ck_assert_msg(same_place(want->at, got.at), "%s: at %llu.%llu, not %llu.%llu", how,
                  (unsigned long long)got.at.atom, (unsigned long long)got.at.micro,
                  (unsigned long long)want->at.atom, (unsigned long long)want->at.micro);
    ck_assert_msg(want->hash == got.hash, "%s: the state at %llu.%llu differs", how,
                  (unsigned long long)got.at.atom, (unsigned long long)got.at.micro);
    ck_assert_uint_eq(want->now, got.now);
    ck_assert_uint_eq(want->next, got.next);
}

START_TEST(each_unit_there_and_back)
{
    static const enum rs_unit unit[] = {RS_MICRO, RS_INSN, RS_CYCLE};
    struct place place[PLACES];
    bool cores_seen[RS_CORES_MAX] = {false};
    boot(_i);
    for (unsigned u = 0; u < sizeof unit / sizeof *unit; u++) {
        run_until(subjects[_i].from_cycle + 400 * u);
        rs_begin_step(world, 1, RS_INSN); /* to an atom's end, wherever the unit before has left it */
        go();
        for (unsigned k = 0; k < PLACES; k++) {
            place[k] = here();
            cores_seen[place[k].next] = true;
            rs_begin_step(world, 1, unit[u]);
            ck_assert_int_eq(go(), RS_DONE);
        }
        for (unsigned k = PLACES; k--;) {
            rs_begin_back(world, 1, unit[u]);
            go();
            check_place(&place[k], rs_unit_name[unit[u]]);
        }
        for (unsigned k = 0; k < PLACES; k += 17) {
            seek(place[(k * 7) % PLACES].at);
            check_place(&place[(k * 7) % PLACES], "seek");
            rs_begin_undo(world);
            go();
        }
        check_place(&place[0], "undo");
        rs_begin_step(world, PLACES - 1, unit[u]);
        go();
        check_place(&place[PLACES - 1], "many at once");
        rs_begin_back(world, PLACES - 1, unit[u]);
        go();
        check_place(&place[0], "many back at once");
    }
    ck_assert(cores_seen[0] && cores_seen[1]);
    rs_world_free(world);
}
END_TEST

START_TEST(back_by_walks)
{
    boot(_i);
    struct place first = here();
    for (int k = 0; k < 2; k++) {
        rs_begin_step(world, 1, RS_WALK);
        ck_assert_int_eq(go(), RS_DONE);
    }
    struct place second = here();
    rs_begin_step(world, 1, RS_WALK);
    go();
    rs_begin_back(world, 1, RS_WALK);
    go();
    check_place(&second, "back by a walk");
    seek(first.at);
    check_place(&first, "seek");
    rs_world_free(world);
}
END_TEST

/* ---- snapshots ---- */

START_TEST(snapshots_hold_all_cores)
{
    char path[256];
    struct rs_error err = {""};
    boot(_i);
    run_until(subjects[_i].from_cycle);
    rs_begin_step(world, 25, RS_MICRO);
    go();
    struct place taken = here();
    rs_snapshot *s = rs_snapshot_take(world);
    ck_assert(temporary_file(path));
    ck_assert_msg(rs_snapshot_save(s, path, &err) == RS_OK, "%s", err.text);
    run_until(subjects[_i].from_cycle + 20000);
    struct place later = here();
    ck_assert_int_eq(rs_snapshot_restore(world, s, &err), RS_OK);
    check_place(&taken, "restored");
    run_until(subjects[_i].from_cycle + 20000);
    check_place(&later, "run on");
    rs_snapshot_free(s);
    rs_world_free(world);

    world = rs_world_new();
    machine = make(world, subjects[_i].cores);
    s = rs_snapshot_load(world, path, &err);
    ck_assert_msg(s != NULL, "%s", err.text);
    ck_assert_int_eq(rs_snapshot_restore(world, s, &err), RS_OK);
    check_place(&taken, "loaded");
    run_until(subjects[_i].from_cycle + 20000);
    check_place(&later, "run on from a file");
    rs_world_free(world);

    world = rs_world_new(); /* of another number of cores */
    machine = make(world, subjects[_i].cores - 1);
    ck_assert_ptr_null(rs_snapshot_load(world, path, &err));
    ck_assert_msg(strstr(err.text, "cores = ") != NULL, "%s", err.text);
    ck_assert_int_eq(rs_snapshot_restore(world, s, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "core") != NULL, "%s", err.text);
    rs_snapshot_free(s);
    rs_world_free(world);
    unlink(path);
}
END_TEST

/* ---- inputs, reset, records ---- */

/* A reset in the middle, when all cores run: they wait again, and the run begins anew with another clock. */
static void run_with_reset(int i)
{
    boot_image(i);
    run_until(subjects[i].from_cycle);
    rs_reset(machine);
    run_until(3 * subjects[i].from_cycle);
}

START_TEST(a_recorded_run_replays)
{
    char path[256];
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    world = rs_world_new();
    machine = make(world, subjects[_i].cores);
    ck_assert_int_eq(rs_record(world, path, &err), RS_OK);
    run_with_reset(_i);
    struct place end = here();
    struct rs_position half = {end.at.atom / 2, 0};
    seek(half);
    uint64_t half_hash = hash();
    rs_world_free(world);

    world = rs_world_new();
    machine = make(world, subjects[_i].cores);
    ck_assert_int_eq(rs_replay(world, path, &err), RS_OK);
    boot_image(_i);
    seek(half);
    ck_assert_uint_eq(hash(), half_hash);
    seek(end.at);
    check_place(&end, "replayed");
    ck_assert_ptr_null(rs_replay_trouble(world));
    rs_world_free(world);
    unlink(path);
}
END_TEST

/* ---- watchers ---- */

static unsigned told;

static void count(const struct rs_event *event, void *arg)
{
    (void)event;
    (void)arg;
    told++;
}

static void stop_at_mark(const struct rs_event *event, void *arg)
{
    (void)event;
    rs_stop_here(arg);
}

/* A mark stands inside its instruction; whoever begins to watch there is told what follows. */
START_TEST(watchers_see_what_follows_a_stop_inside_an_atom)
{
    boot(_i);
    int mark = rs_watch(world, RS_PROBE_mark, true, stop_at_mark, world);
    run_until(UINT64_MAX);
    ck_assert_uint_gt(rs_position(machine).micro, 0);
    rs_unwatch(world, mark);
    told = 0;
    rs_watch(world, RS_PROBE_insn, false, count, NULL);
    rs_begin_step(world, 50, RS_INSN);
    while (rs_continue(world, 100000) == RS_SLICE)
        continue;
    ck_assert_uint_ge(told, 45); /* some atoms are no instructions */
    unsigned before = told;
    rs_begin_back(world, 30, RS_INSN);
    go();
    rs_begin_step(world, 30, RS_INSN);
    go();
    ck_assert_uint_eq(told, before); /* and never told again */
    rs_world_free(world);
}
END_TEST

/* All cycles of all cores are accounted for. */
START_TEST(every_cycle_has_a_cause)
{
    boot(_i);
    run_until(200000);
    for (uint32_t core = 0; core < rs_cores(machine); core++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < rs_counter_count(); i++) {
            const char *name = rs_counter_info(i)->name;
            bool counts = strncmp(name, "stall_", 6) == 0 || strcmp(name, "insns") == 0 ||
                          strcmp(name, "cycles_halted") == 0;
            sum += counts ? rs_counter(machine, core, i) : 0;
        }
        ck_assert_uint_eq(sum, rs_cycles(machine, core));
    }
    rs_world_free(world);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cores' history");
    TCase *t = tcase_create("history");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_unit_there_and_back, 0, SUBJECTS);
    tcase_add_loop_test(t, back_by_walks, 0, SUBJECTS);
    tcase_add_loop_test(t, snapshots_hold_all_cores, 0, SUBJECTS);
    tcase_add_loop_test(t, a_recorded_run_replays, 0, SUBJECTS);
    tcase_add_loop_test(t, every_cycle_has_a_cause, 0, SUBJECTS);
    tcase_add_loop_test(t, watchers_see_what_follows_a_stop_inside_an_atom, 2, SUBJECTS);
    suite_add_tcase(s, t);
    return suite_run(s);
}
