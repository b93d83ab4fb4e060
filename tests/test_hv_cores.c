/* test_hv_cores.c - the hypervisor on several cores: who runs where, for how long, and who hears of what
 * others do. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/vmx.h"
#include "lib/hv_run.h"
#include "lib/suite.h"
#include "mmu/mmu.h"

#define RAM_MIB 64
#define QUANTUM 1000000u

static void setup(void)
{
    open_world(RAM_MIB, HV_FIRMWARE, 2);
}

static void use_cores(uint32_t cores)
{
    close_world();
    open_world(RAM_MIB, HV_FIRMWARE, cores);
}

/* ---- what is seen of entries and invalidations ---- */

static struct {
    uint64_t eptp; /* of the VM that is watched */
    uint64_t entries[RS_CORES_MAX];
    bool forgot_ept[RS_CORES_MAX], forgot_vpid[RS_CORES_MAX];
    uint32_t last_core;
    uint64_t moves, stale_entries;
    size_t reply_at;
} seen;

static void on_flush(const struct rs_event *e, void *arg)
{
    (void)arg;
    seen.forgot_ept[e->core] |= e->field[0] == FLUSH_INVEPT;
    seen.forgot_vpid[e->core] |= e->field[0] == FLUSH_INVVPID;
}

static void on_entry(const struct rs_event *e, void *arg)
{
    size_t n;
    (void)arg;
    seen.entries[e->core]++;
    if (e->eptp != seen.eptp)
        return;
    if (seen.last_core != e->core) {
        seen.moves++;
        seen.stale_entries += !seen.forgot_vpid[e->core];
    }
    seen.last_core = e->core;
    rs_console(machine, 1, &n);
    if (n > seen.reply_at)
        seen.stale_entries += !seen.forgot_ept[e->core];
    seen.forgot_vpid[e->core] = false;
}

static void watch(void)
{
    memset(&seen, 0, sizeof seen);
    seen.reply_at = SIZE_MAX;
    ck_assert_int_ne(rs_watch(world, RS_PROBE_tlb_flush, false, on_flush, NULL), 0);
    ck_assert_int_ne(rs_watch(world, RS_PROBE_vm_entry, false, on_entry, NULL), 0);
}

/* ---- all cores ---- */

static const uint32_t core_counts[] = {1, 2, 3, 8};

START_TEST(every_core_runs_vms)
{
    static const char *const modules[] = {"a image=alu ram=2M -- 150000", "b image=alu ram=2M -- 150000",
                                          "c image=alu ram=2M -- 150000", "d image=alu ram=2M -- 150000",
                                          "e image=alu ram=2M -- 150000", "f image=alu ram=2M -- 150000",
                                          "g image=alu ram=2M -- 150000", "h image=alu ram=2M -- 150000"};
    uint32_t cores = core_counts[_i];
    char said[64];
    use_cores(cores);
    watch();
    for (int i = 0; i < 8; i++)
        add_vm("alu", modules[i]);
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    snprintf(said, sizeof said, "hv: VMX operation, %u core%s,", cores, cores == 1 ? "" : "s");
    must_say(said);
    for (int i = 0; i < 8; i++) {
        snprintf(said, sizeof said, "[%c] 150000 turns, sum 0x", 'a' + i);
        must_say(said);
    }
    for (uint32_t c = 0; c < cores; c++)
        ck_assert_msg(seen.entries[c] > 0, "core %u has run nothing", c);
}
END_TEST

static uint64_t cycles_for_two_vms(uint32_t cores)
{
    use_cores(cores);
    add_vm("alu", "a image=alu ram=2M -- 400000");
    add_vm("alu", "b image=alu ram=2M -- 400000");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    return rs_now(machine);
}

START_TEST(two_cores_take_half_as_long)
{
    uint64_t one = cycles_for_two_vms(1), two = cycles_for_two_vms(2);
    ck_assert_msg(two < one * 6 / 10, "%llu cycles on one core, %llu on two", (unsigned long long)one,
                  (unsigned long long)two);
}
END_TEST

/* Its virtual CPU may be held by any core, and its memory is not freed before that core has put it down. */
START_TEST(started_again_on_any_core)
{
    char free_first[64];
    use_cores(4);
    add_vm("hello", "v image=hello ram=2M");
    add_vm("alu", "w image=alu ram=2M -- 1000000000");
    boot("hv/hv.elf", "hv --stay");
    run_until(5000000);
    snprintf(free_first, sizeof free_first, "%.20s", strstr(command("stats"), "host free="));
    for (int i = 0; i < 3; i++) {
        reply_has("vm start v", "ok");
        run_until(rs_now(machine) + 3000000);
        reply_has("vm list", "name=v state=stopped image=hello ram=2048K page=4K weight=1 status=1");
        reply_has("vm stop w", "ok");
        reply_has("vm start w", "ok");
    }
    reply_has("stats", free_first);
}
END_TEST

/* ---- shares ---- */

/* Cycles of the turns of each VM, from the line of its virtual CPU. */
static uint64_t turn_cycles(const char *vm)
{
    char line[64];
    snprintf(line, sizeof line, "stats %s", vm);
    const char *at = strstr(command(line), "vcpu=0");
    ck_assert_ptr_nonnull(at);
    at = strstr(at, " cycles=");
    ck_assert_ptr_nonnull(at);
    return strtoull(at + 8, NULL, 10);
}

static void must_be_near(uint64_t got, double want, double percent, const char *what)
{
    ck_assert_msg(got > want * (1 - percent / 100) && got < want * (1 + percent / 100), "%s: %llu, not %.0f",
                  what, (unsigned long long)got, want);
}

/* One exits all the time, two never: what counts is cycles. */
START_TEST(shares_are_as_weights)
{
    use_cores(1);
    add_vm("cpuid", "a image=cpuid ram=2M weight=50 -- 1000000000");
    add_vm("alu", "b image=alu ram=2M weight=30 -- 1000000000");
    add_vm("alu", "c image=alu ram=2M weight=10 -- 1000000000");
    boot_hv();
    run_until(90 * QUANTUM);
    uint64_t a = turn_cycles("a"), b = turn_cycles("b"), c = turn_cycles("c");
    must_be_near(a, (double)(a + b + c) * 5 / 9, 4, "weight 50 of 90");
    must_be_near(b, (double)(a + b + c) * 3 / 9, 4, "weight 30 of 90");
    must_be_near(c, (double)(a + b + c) * 1 / 9, 10, "weight 10 of 90");
}
END_TEST

/* On two cores a weight of 8 in 14 is more than one virtual CPU can use: what is left goes to the others by
 * theirs. */
START_TEST(what_one_cannot_use_goes_to_the_others)
{
    add_vm("alu", "a image=alu ram=2M weight=8 -- 1000000000");
    add_vm("alu", "b image=alu ram=2M weight=4 -- 1000000000");
    add_vm("alu", "c image=alu ram=2M -- 1000000000");
    add_vm("alu", "d image=alu ram=2M -- 1000000000");
    boot_hv();
    run_until(26 * QUANTUM);
    uint64_t a = turn_cycles("a"), b = turn_cycles("b"), c = turn_cycles("c"), d = turn_cycles("d");
    must_be_near(a, (double)(b + c + d), 14, "a core of its own");
    must_be_near(b, (double)(b + c + d) * 4 / 6, 12, "weight 4 of 6");
    must_be_near(c, (double)(b + c + d) / 6, 30, "weight 1 of 6");
}
END_TEST

/* A VM that has had a core for itself for a long time does not owe it to one that comes. */
START_TEST(a_newcomer_has_its_share_and_no_more)
{
    use_cores(1);
    add_vm("alu", "old image=alu ram=2M -- 1000000000");
    add_vm("alu", "new image=alu ram=2M start=no -- 1000000000");
    boot_hv();
    run_until(30 * QUANTUM);
    reply_has("vm start new", "ok");
    uint64_t before = turn_cycles("old");
    run_until(rs_now(machine) + 20 * QUANTUM);
    must_be_near(turn_cycles("old") - before, 10.5 * QUANTUM, 15, "what the old one has had since");
}
END_TEST

START_TEST(weight_can_be_changed)
{
    use_cores(1);
    add_vm("alu", "a image=alu ram=2M -- 1000000000");
    add_vm("alu", "b image=alu ram=2M -- 1000000000");
    boot_hv();
    run_until(10 * QUANTUM);
    reply_has("vm set a weight 4", "ok");
    reply_has("vm list", "weight=4");
    uint64_t a = turn_cycles("a"), b = turn_cycles("b");
    run_until(rs_now(machine) + 40 * QUANTUM);
    a = turn_cycles("a") - a;
    b = turn_cycles("b") - b;
    must_be_near(a, (double)(a + b) * 4 / 5, 6, "weight 4 of 5");
}
END_TEST

/* One that had more weight than it could use has not saved it up. */
START_TEST(what_was_not_used_is_gone)
{
    add_vm("alu", "a image=alu ram=2M weight=100 -- 1000000000");
    add_vm("alu", "b image=alu ram=2M -- 1000000000");
    add_vm("alu", "c image=alu ram=2M -- 1000000000");
    boot_hv();
    run_until(12 * QUANTUM);
    reply_has("vm set a weight 1", "ok");
    uint64_t before = turn_cycles("a"), since = rs_now(machine);
    run_until(since + 12 * QUANTUM);
    must_be_near(turn_cycles("a") - before, (double)(rs_now(machine) - since) * 2 / 3, 30,
                 "one of three on two cores");
}
END_TEST

/* One that pauses has what it did not use taken from it, however many virtual CPUs it goes on with. */
START_TEST(what_a_pause_left_is_gone)
{
    char module[64];
    use_cores(1);
    snprintf(module, sizeof module, "p image=cores vcpus=%d weight=100 -- 100000000", _i);
    add_vm("cores", module);
    add_vm("alu", "q image=alu weight=100 -- 1000000000");
    boot_hv();
    run_until(10 * QUANTUM);
    reply_has("vm pause p", "ok");
    run_until(rs_now(machine) + 60 * QUANTUM);
    reply_has("vm resume p", "ok");
    uint64_t before = turn_cycles("q");
    run_until(rs_now(machine) + 20 * QUANTUM);
    must_be_near(turn_cycles("q") - before, 10 * QUANTUM, 15, "what the other one has had since");
}
END_TEST

/* HLT leaves the core to the others, whatever timer is set to end it. */
static const struct {
    const char *how;
    double has; /* of the core, its neighbour at least */
} sleepers[] = {{"deaf", 0.9}, {"restless", 0.45}};

START_TEST(who_sleeps_takes_no_more_than_its_share)
{
    char module[64];
    use_cores(1);
    snprintf(module, sizeof module, "evil image=hostile ram=2M -- %s", sleepers[_i].how);
    add_vm("hostile", module);
    add_vm("alu", "good image=alu ram=2M -- 1000000000");
    boot_hv();
    run_until(5 * QUANTUM);
    uint64_t before = stat_of("good", "guest_cycles="), since = rs_now(machine);
    run_until(since + 20 * QUANTUM);
    double part = (double)(stat_of("good", "guest_cycles=") - before) / (double)(rs_now(machine) - since);
    ck_assert_msg(part > sleepers[_i].has, "%s: %.3f of the core", sleepers[_i].how, part);
}
END_TEST

/* ---- reaching a VM on another core ---- */

static uint64_t kicks;

static void on_exit_event(const struct rs_event *e, void *arg)
{
    (void)arg;
    kicks += e->field[0] == EXIT_EXTERNAL_INTERRUPT;
}

/* w does not exit by itself before its turn ends, and core 0, which has been alone since v has ended, takes
 * the command in the midst of a turn. */
START_TEST(paused_wherever_it_runs)
{
    add_vm("alu", "v image=alu ram=2M -- 250000");
    add_vm("alu", "w image=alu ram=2M -- 1000000000");
    watch();
    boot_hv();
    run_until(12 * QUANTUM);
    must_say("v stopped");
    uint64_t alone = seen.entries[0];
    ck_assert_int_ne(rs_watch(world, RS_PROBE_vm_exit, false, on_exit_event, NULL), 0);
    kicks = 0;
    for (int i = 0; i < 2; i++) {
        reply_has("vm pause w", "ok");
        ck_assert_uint_ge(kicks, 1); /* the first; after a resume its turns may end when core 0 looks */
        uint64_t paused = seen.entries[1];
        run_until(rs_now(machine) + 3 * QUANTUM);
        ck_assert_uint_eq(seen.entries[1], paused);
        reply_has("vm resume w", "ok");
        run_until(rs_now(machine) + 3 * QUANTUM + 300000);
        ck_assert_uint_gt(seen.entries[1], paused);
    }
    ck_assert_uint_eq(seen.entries[0], alone);
    reply_has("vm stop w", "ok");
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
}
END_TEST

static uint64_t eptp_of_first_entry;

static void first_entry(const struct rs_event *e, void *arg)
{
    (void)arg;
    if (!eptp_of_first_entry)
        eptp_of_first_entry = e->eptp;
}

/* Three VMs on two cores move about.  Where one arrives, its VPID is flushed first; and after `vm flush` has
 * been answered no core enters it that has not executed INVEPT. */
START_TEST(stale_translations_are_never_used)
{
    add_vm("ticker", "v image=ticker ram=2M -- 0 100000");
    add_vm("ticker", "w image=ticker ram=2M -- 0 100000");
    add_vm("ticker", "x image=ticker ram=2M -- 0 100000");
    boot_hv();
    eptp_of_first_entry = 0;
    int id = rs_watch(world, RS_PROBE_vm_entry, false, first_entry, NULL);
    run_until(3 * QUANTUM);
    rs_unwatch(world, id);
    watch();
    seen.eptp = eptp_of_first_entry;
    seen.last_core = RS_CORES_MAX;
    for (uint32_t c = 0; c < RS_CORES_MAX; c++)
        seen.forgot_vpid[c] = true; /* what was before is not known */
    run_until(10 * QUANTUM);
    ck_assert_uint_gt(seen.moves, 1);
    ck_assert_uint_eq(seen.stale_entries, 0);
    for (int i = 0; i < 3; i++) {
        size_t n;
        memset(seen.forgot_ept, 0, sizeof seen.forgot_ept);
        rs_console(machine, 1, &n);
        seen.reply_at = n;
        reply_has("vm flush v", "ok");
        for (int turn = 0; turn < 16 && !(seen.forgot_ept[0] && seen.forgot_ept[1]); turn++)
            run_until(rs_now(machine) + QUANTUM); /* until it has been on both */
        ck_assert(seen.forgot_ept[0] && seen.forgot_ept[1]);
    }
    ck_assert_uint_eq(seen.stale_entries, 0);
}
END_TEST

/* ---- VMs of several virtual CPUs ---- */

static const struct smp_run {
    const char *image, *cmdline, *module; /* the VM's string without its name and mmu= */
    uint32_t vcpus, cores;
} smp[] = {
    {"cores", "cores 500", "image=cores vcpus=2 -- 500", 2, 1},
    {"cores", "cores 500", "image=cores vcpus=2 -- 500", 2, 2},
    {"cores", "cores 500", "image=cores vcpus=4 -- 500", 4, 3},
    {"cores", "cores 500", "image=cores vcpus=8 -- 500", 8, 2},
    {"sipi", "sipi", "image=sipi vcpus=2", 2, 1},
    {"sipi", "sipi", "image=sipi vcpus=2", 2, 2},
    {"sipi", "sipi", "image=sipi vcpus=5", 5, 3},
    {"sipi", "sipi page", "image=sipi vcpus=2 -- page", 2, 1},
    {"sipi", "sipi page", "image=sipi vcpus=2 -- page", 2, 2},
    {"ping", "ping 30", "image=ping vcpus=2 -- 30", 2, 1},
    {"ping", "ping 30", "image=ping vcpus=2 -- 30", 2, 2},
    {"shootdown", "shootdown 2", "image=shootdown vcpus=2 -- 2", 2, 1},
    {"shootdown", "shootdown 2", "image=shootdown vcpus=2 -- 2", 2, 2},
    {"shootdown", "shootdown 2", "image=shootdown vcpus=4 -- 2", 4, 4},
    {"shootdown", "shootdown 2", "image=shootdown vcpus=3 lazy=yes -- 2", 3, 4},
    {"remap", "remap 60 1", "image=remap vcpus=1 -- 60 1", 1, 1},
    {"remap", "remap 20 1", "image=remap vcpus=2 -- 20 1", 2, 2},
    {"remap", "remap 12 2", "image=remap vcpus=2 tables=24 -- 12 2", 2, 2},
    {"remap", "remap 60 5", "image=remap vcpus=2 -- 60 5", 2, 2},
    {"remap", "remap 8 3", "image=remap vcpus=3 -- 8 3", 3, 1},
    {"remap", "remap 8 4", "image=remap vcpus=4 page=2m -- 8 4", 4, 3},
    {"remap", "remap 6 6", "image=remap vcpus=8 -- 6 6", 8, 8},
};

/* Times, and what gets lost without a lock, are the machine's affair. */
static void without_times(char *text)
{
    char copy[HV_TEXT_BYTES];
    snprintf(copy, sizeof copy, "%s", text);
    *text = '\0';
    for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
        char *lost = strstr(line, ", lost");
        if (lost)
            *lost = '\0';
        if (strncmp(line, "C: ", 3) != 0)
            strcat(strcat(text, line), "\n");
    }
}

START_TEST(same_output_bare_and_with_virtual_cpus)
{
    char image[64], module[128], bare[HV_TEXT_BYTES], virtual[HV_TEXT_BYTES];
    const struct smp_run *run = &smp[_i / 2];
    snprintf(image, sizeof image, "guests/%s.elf", run->image);
    use_cores(run->vcpus);
    boot(image, run->cmdline);
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    snprintf(bare, sizeof bare, "%s", console_from(0, 0));
    use_cores(run->cores);
    snprintf(module, sizeof module, "v mmu=%s %s", _i % 2 ? "shadow" : "nested", run->module);
    if (_i % 2 == 0)
        without_tables(module);
    add_vm(run->image, module);
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    vm_lines("v", virtual);
    without_times(bare);
    without_times(virtual);
    ck_assert_uint_gt(strlen(bare), 20);
    ck_assert_str_eq(bare, virtual);
}
END_TEST

START_TEST(bad_start_up_is_the_end_of_the_vm)
{
    add_vm("sipi", "v image=sipi vcpus=2 -- bad");
    add_vm("hello", "good image=hello");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say("v crashed: a start-up IPI for processor 1, whose structure at guest-physical 0x");
    must_say("good stopped by debug-exit, status 1");
}
END_TEST

/* Both wait in HLT most of the time, and the third never does: whoever wakes has its turn at once, not when
 * the turn of the other one ends. */
START_TEST(who_wakes_does_not_wait_for_a_turn)
{
    use_cores(1);
    add_vm("ping", "v image=ping vcpus=2 -- 100");
    add_vm("alu", "busy image=alu -- 1000000000");
    boot_hv();
    run_until(60 * QUANTUM);
    must_say("[v] 100 pings and 100 pongs");
    ck_assert_uint_gt(turn_cycles("busy"), 40 * QUANTUM);
}
END_TEST

/* ---- */

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static TCase *new_case(Suite *s, const char *name)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, close_world);
    tcase_set_timeout(c, 400);
    suite_add_tcase(s, c);
    return c;
}

static Suite *make_suite(void)
{
    Suite *s = suite_create("hv_cores");
    TCase *c = new_case(s, "all cores");
    tcase_add_loop_test(c, every_core_runs_vms, 0, COUNT(core_counts));
    tcase_add_test(c, two_cores_take_half_as_long);
    tcase_add_test(c, started_again_on_any_core);
    c = new_case(s, "shares");
    tcase_add_test(c, shares_are_as_weights);
    tcase_add_test(c, what_one_cannot_use_goes_to_the_others);
    tcase_add_test(c, a_newcomer_has_its_share_and_no_more);
    tcase_add_test(c, weight_can_be_changed);
    tcase_add_test(c, what_was_not_used_is_gone);
    tcase_add_loop_test(c, what_a_pause_left_is_gone, 1, 4);
    tcase_add_loop_test(c, who_sleeps_takes_no_more_than_its_share, 0, COUNT(sleepers));
    c = new_case(s, "reaching");
    tcase_add_test(c, paused_wherever_it_runs);
    tcase_add_test(c, stale_translations_are_never_used);
    c = new_case(s, "virtual CPUs");
    tcase_add_loop_test(c, same_output_bare_and_with_virtual_cpus, 0, 2 * COUNT(smp));
    tcase_add_test(c, bad_start_up_is_the_end_of_the_vm);
    tcase_add_test(c, who_wakes_does_not_wait_for_a_turn);
    return s;
}

int main(void)
{
    return suite_run(make_suite());
}
