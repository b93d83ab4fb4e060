/* test_modes.c - one run is one run: the same cycles and hashes, however it is driven and watched. */
#include "ringside.h"
#include "lib/subject.h"
#include "lib/suite.h"
#include "lib/temporary.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- worlds ---- */

struct outcome {
    uint64_t cycles, insns, all, arch;
    struct rs_position at;
};

#define RUN_CYCLES    300000u /* where runs are cut and compared */
#define NESTED_CYCLES 2000000u

/* The guests take turns: those with the hypervisor too, and some where everything is as small as it gets. */
static const struct subject subjects[] = {
    /* clang-format off */
    {"guests/hello.elf", "hello", NULL, 1, SIZES_USUAL, NULL},
    {"guests/walk.elf", "walk", NULL, 1, SIZES_USUAL, NULL},
    {"guests/fault.elf", "fault", NULL, 1, SIZES_USUAL, NULL},
    {"guests/alu.elf", "alu 2000", NULL, 1, SIZES_USUAL, NULL},
    {"guests/breakpoint.elf", "breakpoint", NULL, 1, SIZES_USUAL, NULL},
    {"guests/cores.elf", "cores 100", NULL, 2, SIZES_USUAL, NULL},
    {"guests/cores.elf", "cores 100", NULL, 8, SIZES_USUAL, NULL},
    {"guests/shootdown.elf", "shootdown 3", NULL, 5, SIZES_USUAL, NULL},
    {"hv/hv.elf", "hv", "guests/hello.elf", 1, SIZES_USUAL, NULL},
    {"hv/hv.elf", "hv", "guests/vmcall.elf", 1, SIZES_USUAL, NULL},
    {"hv/hv.elf", "hv", "guests/fault.elf", 1, SIZES_USUAL, NULL},
    {"hv/hv.elf", "hv", "guests/fault.elf", 4, SIZES_USUAL, NULL},
    {"hv/hv.elf", "hv", "guests/ticker.elf", 1, SIZES_USUAL, NULL},
    {"hv/hv.elf", "hv", "guests/breakpoint.elf", 1, SIZES_USUAL, NULL},
    {"hv/hv.elf", "hv", "guests/breakpoint.elf mmu=shadow", 1, SIZES_USUAL, NULL},
    {"guests/edu.elf", "edu 10 4000", NULL, 1, SIZES_USUAL, "edu"},
    {"guests/edu.elf", "edu 20000 777", NULL, 3, SIZES_USUAL, "edu"},
    {"guests/virtio.elf", "virtio 8 counts", NULL, 1, SIZES_USUAL, "virtio-blk"},
    {"guests/virtio.elf", "virtio 100", NULL, 2, SIZES_USUAL, "virtio-blk"},
    {"guests/virtio.elf", "virtio 8 counts iommu", NULL, 2, SIZES_USUAL, "virtio-blk"},
    {"guests/board.elf", "board 1", NULL, 2, SIZES_USUAL, NULL},
    {"guests/iommu.elf", "iommu", NULL, 2, SIZES_USUAL, "edu"},
    {"guests/e1000.elf", "e1000 6 300", NULL, 1, SIZES_USUAL, "2 e1000"},
    {"guests/iotlb.elf", "iotlb strict 60", NULL, 1, SIZES_USUAL, "2 e1000"},
    {"hv/hv.elf", "hv", "guests/e1000.elf nic=passthrough nic_slot=1,2", 1, SIZES_USUAL, "2 e1000"},
    {"guests/registers.elf", "registers", NULL, 1, SIZES_USUAL, "edu"},
    {"guests/iotlb.elf", "iotlb deferred 200", NULL, 1, SIZES_SMALL, "2 e1000"},
    {"guests/iommu.elf", "iommu", NULL, 1, SIZES_SMALL, "edu"},
    {"guests/iommu.elf", "iommu", NULL, 1, SIZES_OFF, "edu"},
    {"guests/virtio.elf", "virtio 8 iommu", NULL, 1, SIZES_SMALL, "virtio-blk"},
    {"guests/walk.elf", "walk", NULL, 1, SIZES_SMALL, NULL},
    {"guests/cores.elf", "cores 100", NULL, 3, SIZES_SMALL, NULL},
    {"hv/hv.elf", "hv", "guests/fault.elf", 1, SIZES_SMALL, NULL},
    {"hv/hv.elf", "hv", "guests/ticker.elf", 1, SIZES_SMALL, NULL},
    /* clang-format on */
};

#define SUBJECTS       ((int)(sizeof subjects / sizeof *subjects))
#define SUBJECTS_USUAL 26 /* the small ones come behind them */

static uint64_t end_of(int i)
{
    return subjects[i].module ? NESTED_CYCLES : RUN_CYCLES;
}

static void boot(struct run *r, int i)
{
    run_make(r, &subjects[i]);
    run_boot(r, &subjects[i]);
}

static struct outcome outcome_of(const struct run *r)
{
    return (struct outcome){rs_cycles(r->machine, 0), rs_insns(r->machine, 0), rs_hash(r->world, RS_HASH_ALL),
                            rs_hash(r->world, RS_HASH_ARCH), rs_position(r->machine)};
}

static void same(struct outcome want, struct outcome got, const char *mode)
{
    ck_assert_msg(want.cycles == got.cycles, "%s: %llu cycles, not %llu", mode,
                  (unsigned long long)got.cycles, (unsigned long long)want.cycles);
    ck_assert_msg(want.insns == got.insns, "%s: instructions differ", mode);
    ck_assert_msg(want.at.atom == got.at.atom && want.at.micro == got.at.micro, "%s: positions differ", mode);
    ck_assert_msg(want.arch == got.arch, "%s: what software can see differs", mode);
    ck_assert_msg(want.all == got.all, "%s: micro-architectural state differs", mode);
}

/* Headless and unwatched, in big slices: what every other way must equal. */
static struct outcome plain(int i)
{
    struct run r;
    boot(&r, i);
    run_to(&r, end_of(i), 1000000);
    struct outcome o = outcome_of(&r);
    ck_assert_uint_gt(o.insns, 1000);
    rs_world_free(r.world);
    return o;
}

/* ---- ways to run ---- */

START_TEST(slices_of_every_size)
{
    static const uint64_t slice[] = {1, 7, 1000};
    struct outcome want = plain(_i);
    for (int k = 0; k < 3; k++) {
        struct run r;
        boot(&r, _i);
        run_to(&r, end_of(_i), slice[k]);
        same(want, outcome_of(&r), "in slices");
        rs_world_free(r.world);
    }
}
END_TEST

/* Two stops at odd places on the way. */
START_TEST(run_in_parts)
{
    struct outcome want = plain(_i);
    struct run r;
    boot(&r, _i);
    run_to(&r, end_of(_i) / 3, 10000);
    rs_hash(r.world, RS_HASH_ALL);
    run_to(&r, end_of(_i) / 2 + 1, 10000);
    run_to(&r, end_of(_i), 10000);
    same(want, outcome_of(&r), "in parts");
    rs_world_free(r.world);
}
END_TEST

static void step_until(struct run *r, uint64_t insns, enum rs_unit unit, uint64_t n)
{
    while (rs_insns(r->machine, 0) < insns && !rs_halt_text(r->machine)) {
        rs_begin_step(r->world, n, unit);
        run_finish(r, 1000);
    }
}

/* To the same position by steps of each unit, a few thousand instructions in. */
START_TEST(by_steps)
{
    static const struct {
        enum rs_unit unit;
        uint64_t n;
    } ways[] = {{RS_MICRO, 1}, {RS_MICRO, 3}, {RS_INSN, 1}, {RS_CYCLE, 1}, {RS_CYCLE, 13}};
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        struct run r, by_run;
        boot(&r, _i);
        boot(&by_run, _i);
        run_to(&r, end_of(_i) / 2, 10000);
        step_until(&r, rs_insns(r.machine, 0) + 500, ways[k].unit, ways[k].n);
        struct rs_position at = rs_position(r.machine);
        rs_begin_seek(by_run.world, at);
        run_finish(&by_run, 10000);
        same(outcome_of(&by_run), outcome_of(&r), rs_unit_name[ways[k].unit]);
        rs_world_free(r.world);
        rs_world_free(by_run.world);
    }
}
END_TEST

static void count_event(const struct rs_event *event, void *arg)
{
    uint64_t *sum = arg;
    *sum += event->cycle + event->field[0];
}

START_TEST(every_probe_watched)
{
    struct outcome want = plain(_i);
    struct run r;
    uint64_t sum = 0;
    boot(&r, _i);
    for (int p = 0; p < RS_PROBES; p++)
        rs_watch(r.world, (enum rs_probe)p, p % 2, count_event, &sum);
    run_to(&r, end_of(_i), 10000);
    same(want, outcome_of(&r), "watched");
    ck_assert_uint_gt(sum, 0);
    rs_world_free(r.world);
}
END_TEST

struct told {
    uint64_t events, sum;
};

static void note_place(const struct rs_event *event, void *arg)
{
    struct told *t = arg;
    const uint64_t place[] = {event->cycle, event->atom, event->micro, event->rip};
    t->events++;
    for (size_t i = 0; i < sizeof place / sizeof *place; i++)
        t->sum = (t->sum ^ place[i]) * 0x9e3779b97f4a7c15u;
}

/* Each event is where it is with all of them watched: what is not watched is run by other ways.  Where all is
 * small, loads miss. */
START_TEST(each_probe_watched_alone)
{
    struct run r;
    struct told want[RS_PROBES] = {{0, 0}};
    boot(&r, _i);
    for (int p = 0; p < RS_PROBES; p++)
        rs_watch(r.world, (enum rs_probe)p, false, note_place, &want[p]);
    run_to(&r, end_of(_i) / 2, 10000);
    rs_world_free(r.world);
    for (int p = 0; p < RS_PROBES; p++) {
        struct told got = {0, 0};
        boot(&r, _i);
        rs_watch(r.world, (enum rs_probe)p, false, note_place, &got);
        run_to(&r, end_of(_i) / 2, 10000);
        ck_assert_msg(got.events == want[p].events && got.sum == want[p].sum,
                      "%s alone: %llu events, not %llu, or elsewhere", rs_probe_info[p].name,
                      (unsigned long long)got.events, (unsigned long long)want[p].events);
        rs_world_free(r.world);
    }
}
END_TEST

START_TEST(derived_dropped)
{
    static const uint64_t every[] = {5, 100}; /* 1: everything_at_once */
    struct outcome want = plain(_i);
    for (int k = 0; k < 2; k++) {
        struct run r;
        boot(&r, _i);
        rs_drop_derived_at_random(r.world, every[k], 42 + (uint64_t)k);
        run_to(&r, end_of(_i), 10000);
        same(want, outcome_of(&r), "with derived caches dropped");
        rs_world_free(r.world);
    }
}
END_TEST

START_TEST(snapshot_and_restore)
{
    struct rs_error err;
    struct outcome want = plain(_i);
    struct run r;
    boot(&r, _i);
    run_to(&r, end_of(_i) / 2, 10000);
    struct outcome half = outcome_of(&r);
    rs_snapshot *s = rs_snapshot_take(r.world);
    run_to(&r, end_of(_i), 10000);
    same(want, outcome_of(&r), "after a snapshot");
    ck_assert_msg(rs_snapshot_restore(r.world, s, &err) == RS_OK, "%s", err.text);
    same(half, outcome_of(&r), "restored");
    run_to(&r, end_of(_i), 10000);
    same(want, outcome_of(&r), "from a snapshot");
    rs_snapshot_free(s);
    rs_world_free(r.world);
}
END_TEST

/* Through a file into another world. */
START_TEST(snapshot_file)
{
    char path[256];
    struct rs_error err;
    struct outcome want = plain(_i);
    struct run r, other;
    ck_assert(temporary_file(path));
    boot(&r, _i);
    boot(&other, _i);
    run_to(&r, end_of(_i) / 2, 10000);
    rs_snapshot *s = rs_snapshot_take(r.world);
    ck_assert_msg(rs_snapshot_save(s, path, &err) == RS_OK, "%s", err.text);
    rs_snapshot *loaded = rs_snapshot_load(other.world, path, &err);
    ck_assert_msg(loaded != NULL, "%s", err.text);
    ck_assert_msg(rs_snapshot_restore(other.world, loaded, &err) == RS_OK, "%s", err.text);
    same(outcome_of(&r), outcome_of(&other), "loaded");
    run_to(&other, end_of(_i), 10000);
    same(want, outcome_of(&other), "from a file");
    unlink(path);
    rs_snapshot_free(s);
    rs_snapshot_free(loaded);
    rs_world_free(r.world);
    rs_world_free(other.world);
}
END_TEST

START_TEST(back_and_again)
{
    static const uint64_t steps[RS_UNITS] = {
        [RS_CYCLE] = 100, [RS_MICRO] = 101, [RS_INSN] = 102, [RS_WALK] = 5, [RS_EXIT] = 2};
    struct outcome want = plain(_i);
    struct run r;
    boot(&r, _i);
    run_to(&r, end_of(_i), 10000);
    for (enum rs_unit unit = 0; unit < RS_UNITS; unit++) {
        rs_begin_back(r.world, steps[unit], unit);
        run_finish(&r, 10000);
        ck_assert(rs_in_past(r.world));
        rs_begin_seek(r.world, want.at);
        run_finish(&r, 10000);
        same(want, outcome_of(&r), "back and again");
    }
    rs_begin_back(r.world, 3, RS_MICRO);
    run_finish(&r, 10000);
    rs_begin_undo(r.world);
    run_finish(&r, 10000);
    same(want, outcome_of(&r), "undone");
    rs_world_free(r.world);
}
END_TEST

/* Bytes arrive on the console in mid-run; the log brings them again at the same atoms. */
START_TEST(record_and_replay)
{
    char path[256];
    struct rs_error err;
    struct run r, again;
    ck_assert(temporary_file(path));
    run_make(&r, &subjects[_i]);
    ck_assert_msg(rs_record(r.world, path, &err) == RS_OK, "%s", err.text);
    run_boot(&r, &subjects[_i]);
    for (unsigned k = 1; k <= 3; k++) {
        run_to(&r, end_of(_i) / 4 * k, 10000);
        ck_assert_msg(rs_input_console(r.machine, k % 2, "help\n", 5, &err) == RS_OK, "%s", err.text);
        ck_assert_msg(rs_input_poke(r.machine, 0x3000000 + k, "\1", 1, &err) == RS_OK, "%s", err.text);
    }
    run_to(&r, end_of(_i), 10000);
    struct outcome want = outcome_of(&r);
    rs_world_free(r.world);
    run_make(&again, &subjects[_i]);
    ck_assert_msg(rs_replay(again.world, path, &err) == RS_OK, "%s", err.text);
    run_boot(&again, &subjects[_i]);
    run_to(&again, end_of(_i), 333);
    if (rs_halt_text(again.machine)) /* what was typed after the end is there when somebody tries to go on */
        run_to(&again, UINT64_MAX, 333);
    same(want, outcome_of(&again), "replayed");
    rs_world_free(again.world);
    unlink(path);
}
END_TEST

/* Atom by atom, all derived data dropped at random before each, every probe watched, and now and then a hash,
 * a snapshot that is taken back, and a step backwards. */
START_TEST(everything_at_once)
{
    struct rs_error err;
    struct outcome want = plain(_i);
    struct run r;
    uint64_t sum = 0;
    boot(&r, _i);
    rs_drop_derived_at_random(r.world, 1, 7);
    for (int p = 0; p < RS_PROBES; p++)
        rs_watch(r.world, (enum rs_probe)p, p % 2, count_event, &sum);
    for (uint64_t cycle = 0; cycle < end_of(_i); cycle += end_of(_i) / 7) {
        run_to(&r, cycle, 1);
        rs_hash(r.world, RS_HASH_ALL);
        rs_snapshot *s = rs_snapshot_take(r.world);
        run_to(&r, cycle + 1000, 1);
        ck_assert_msg(rs_snapshot_restore(r.world, s, &err) == RS_OK, "%s", err.text);
        rs_snapshot_free(s);
    }
    run_to(&r, end_of(_i), 1);
    same(want, outcome_of(&r), "all at once");
    rs_world_free(r.world);
}
END_TEST

/* insns, the stalls and the cycles in HLT are all cycles that there are (docs/machine.md, "The pipeline"). */
START_TEST(every_cycle_has_a_cause)
{
    struct run r;
    boot(&r, _i);
    for (uint64_t part = 1; part <= 4; part++) {
        uint64_t sum = 0;
        run_to(&r, end_of(_i) / 4 * part, 10000);
        for (size_t i = 0; i < rs_counter_count(); i++) {
            const char *name = rs_counter_info(i)->name;
            if (strcmp(name, "insns") == 0 || strcmp(name, "cycles_halted") == 0 ||
                strncmp(name, "stall_", 6) == 0)
                sum += rs_counter(r.machine, 0, i);
        }
        ck_assert_uint_eq(sum, rs_cycles(r.machine, 0));
    }
    rs_world_free(r.world);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("modes");
    TCase *t = tcase_create("modes");
    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, slices_of_every_size, 0, SUBJECTS);
    tcase_add_loop_test(t, run_in_parts, 0, SUBJECTS);
    tcase_add_loop_test(t, by_steps, 0, SUBJECTS);
    tcase_add_loop_test(t, every_probe_watched, 0, SUBJECTS);
    tcase_add_loop_test(t, each_probe_watched_alone, SUBJECTS_USUAL, SUBJECTS);
    tcase_add_loop_test(t, derived_dropped, 0, SUBJECTS);
    tcase_add_loop_test(t, snapshot_and_restore, 0, SUBJECTS);
    tcase_add_loop_test(t, snapshot_file, 0, SUBJECTS);
    tcase_add_loop_test(t, back_and_again, 0, SUBJECTS);
    tcase_add_loop_test(t, record_and_replay, 0, SUBJECTS);
    tcase_add_loop_test(t, everything_at_once, 0, SUBJECTS);
    tcase_add_loop_test(t, every_cycle_has_a_cause, 0, SUBJECTS);
    suite_add_tcase(s, t);
    return suite_run(s);
}
