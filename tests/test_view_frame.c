/* Whole frames of the view: of scenarios, and of a machine on its way through time. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../ui/view/words.h"
#include "lib/screen.h"
#include "lib/suite.h"
#include "lib/temporary.h"

/* ---- of scenarios ---- */

static void draw_every_size(struct view *v)
{
    for (int width = 1; width <= 210; width += 19)
        for (int height = 1; height <= 75; height += 12)
            for (int pane = 0; pane < PANES; pane++) {
                view_choose(v, (enum pane)pane, width, height);
                draw_frame(v, width, height);
            }
}

START_TEST(frame_before_there_is_a_machine)
{
    struct scenario *s = scenario_of("say('a lesson') pause('look here')");
    struct view *v = view_new(s);
    draw_frame(v, 80, 24);
    expect("has not made a machine yet");
    expect("Pause (Enter goes on): look here");
    draw_frame(v, 60, 20);
    expect("too small: 80x24 needed, this is 60x20");
    draw_every_size(v);
    view_free(v);
    scenario_free(s);
}
END_TEST

START_TEST(frame_of_a_machine)
{
    struct scenario *s =
        scenario_of("machine { name = 'A' } say('a lesson') ask { q = 'what?', choices = { 'this', 'that' },"
                    " answer = function() return 'this' end }");
    struct view *v = view_new(s);
    draw_frame(v, 80, 24);
    expect("A:0");
    expect(", bare, ring 0"); /* no VMX operation */
    expect("[1 Walk]");
    expect("Question (a digit answers): what?  1) this  2) that");
    view_choose(v, PANE_CPU, 80, 24);
    draw_frame(v, 80, 24);
    expect("[2 CPU]");
    expect("rax ");
    expect("rflags ");
    view_choose(v, PANE_LESSON, 80, 24);
    draw_frame(v, 80, 24);
    expect("a lesson");
    expect("  2) that");
    draw_every_size(v);
    scenario_answer(s, 0);
    while (scenario_advance(s, 100000) == SCENARIO_MOVING)
        ;
    draw_frame(v, 80, 24);
    expect("The scenario has ended: 0 checks hold, 0 failed.");
    view_free(v);
    scenario_free(s);
}
END_TEST

START_TEST(breakpoints_stand_with_the_registers)
{
    struct scenario *s = scenario_of("h = machine { name = 'A' } h:boot('breakpoint') h:await('mark')"
                                     " must(h.core[1].dr7 == 0x390405, 'two of them') pause('look')");
    struct view *v = view_new(s);
    view_choose(v, PANE_CPU, 100, 40);
    draw_frame(v, 100, 40);
    expect(" write, 8 bytes");
    expect(" read or write, 1 byte");
    ck_assert_ptr_nonnull(strstr(screen, "dr1  "));
    ck_assert_ptr_null(strstr(screen, "dr2  "));
    view_free(v);
    scenario_free(s);
}
END_TEST

START_TEST(search_marks_its_line)
{
    struct scenario *s = scenario_of("for i = 1, 100 do say('line %d', i) end");
    struct view *v = view_new(s);
    view_choose(v, PANE_LESSON, 80, 24);
    draw_frame(v, 80, 24);
    expect("line 83\n"); /* the count of what is above has the last line of the pane to itself */
    expect("line 100\n");
    expect("   82 above\n");
    expect_not("line 82");
    snprintf(v->search, sizeof v->search, "LINE 17");
    view_find(v);
    draw_frame(v, 80, 24);
    expect("line 17                                                                        <");
    snprintf(v->search, sizeof v->search, "no such line");
    view_find(v);
    draw_frame(v, 80, 24);
    expect("\"no such line\" is not in the pane Lesson.");
    view_free(v);
    scenario_free(s);
}
END_TEST

/* ---- the same at a position on every way to it ---- */

#define PLACES 24

static const char *const RUNS[] = {
    "h = machine { cores = 3 } h:boot('cores', { cmdline = '60' }) pause('booted')",
    "h = machine { cores = 4 } h:boot('shootdown', { cmdline = '4' }) pause('booted')",
    "h = machine { ram = '64M' } h:boot('hv', { vms = { { name = 'walk', image = 'walk', ram = '8M',"
    " cmdline = '4k' } } }) pause('booted')",
    "h = machine { cores = 2, firmware = { vtd = true }, devices = { 'edu' } } h:boot('iommu')"
    " pause('booted')",
};

static const uint64_t RUN_CYCLES[] = {60000, 60000, 2750000, 150000};

static enum rs_why go(rs_world *w)
{
    enum rs_why why;
    while ((why = rs_continue(w, 5003)) == RS_SLICE)
        ;
    return why;
}

/* What the panes of the walk and of the exits say of each core, and that of the IOMMU. */
static char *said(struct view *v)
{
    size_t size = 8 * sizeof screen, n = 0;
    char *all = calloc(1, size), *line = malloc(4096);
    ck_assert(all && line);
    for (uint32_t core = 0; core < rs_cores(view_machine(v)); core++)
        for (int i = 0; i < 3; i++) {
            static const enum pane PANE[] = {PANE_WALK, PANE_EXITS, PANE_IOMMU};
            view_show_core(v, core);
            view_choose(v, PANE[i], 80, 24);
            ck_assert(canvas_resize(&canvas, 80, 24));
            view_draw(v, &canvas);
            for (int y = LAYOUT_HEAD; y < 24 - LAYOUT_FOOT; y++) {
                canvas_line(&canvas, y, line, 4096);
                n += (size_t)snprintf(all + n, size - n, "%s\n", line);
            }
        }
    free(line);
    return all;
}

struct said_at {
    struct rs_position at;
    char *text;
};

static void check_said(struct view *v, const struct said_at *want, const char *how)
{
    char *got = said(v);
    struct rs_position at = rs_position(view_machine(v));
    ck_assert_msg(at.atom == want->at.atom && at.micro == want->at.micro, "%s: elsewhere", how);
    for (const char *g = got, *t = want->text; *t; g += strcspn(g, "\n") + 1, t += strcspn(t, "\n") + 1) {
        int has = (int)strcspn(g, "\n"), wants = (int)strcspn(t, "\n");
        ck_assert_msg(has == wants && memcmp(g, t, (size_t)has) == 0, "%s, at %llu.%llu:\n%.*s\nis not\n%.*s",
                      how, (unsigned long long)at.atom, (unsigned long long)at.micro, has, g, wants, t);
    }
    free(got);
}

static void seek(rs_world *w, struct rs_position at)
{
    rs_begin_seek(w, at);
    go(w);
}

static void run_until(struct view *v, uint64_t cycle)
{
    rs_begin_run(scenario_world(v->scenario), cycle);
    go(scenario_world(v->scenario));
}

/* One that has seen the run from its start on. */
static struct view *view_of_run(int run, uint64_t cycle)
{
    struct scenario *s = scenario_loaded(RUNS[run]);
    struct view *v = view_new(s);
    ck_assert_ptr_nonnull(v);
    go_on(s);
    run_until(v, cycle);
    return v;
}

static void close_view(struct view *v)
{
    struct scenario *s = v->scenario;
    view_free(v);
    scenario_free(s);
}

/* Places all along a run; every third one lies inside an atom, every fourth one at the end of a walk. */
static void walk_along(struct view *v, struct said_at place[PLACES], uint64_t cycles)
{
    rs_world *w = scenario_world(v->scenario);
    for (unsigned i = 0; i < PLACES; i++) {
        run_until(v, rs_now(view_machine(v)) + (i ? cycles / PLACES : 0));
        if (i % 3 == 2)
            rs_begin_step(w, 2, RS_MICRO);
        else
            rs_begin_step(w, 1, i % 4 == 3 ? RS_WALK : RS_INSN);
        if (i)
            go(w);
        rs_cancel(w);
        place[i] = (struct said_at){rs_position(view_machine(v)), said(v)};
    }
}

START_TEST(walks_and_exits_depend_on_the_position_alone)
{
    struct said_at place[PLACES];
    struct view *v = view_of_run(_i, 0);
    rs_world *w = scenario_world(v->scenario);
    walk_along(v, place, RUN_CYCLES[_i]);
    run_until(v, rs_now(view_machine(v)) + 4 * RUN_CYCLES[_i]);
    for (unsigned i = PLACES; i--;) {
        seek(w, place[i].at);
        check_said(v, &place[i], "from later");
    }
    for (unsigned i = 0; i < PLACES; i += 5) {
        seek(w, place[(i * 7) % PLACES].at);
        check_said(v, &place[(i * 7) % PLACES], "from anywhere");
        rs_begin_back(w, 1, RS_WALK);
        go(w);
        rs_begin_undo(w);
        go(w);
        check_said(v, &place[(i * 7) % PLACES], "undo");
    }
    close_view(v);
    for (unsigned i = 1; i < PLACES; i += 6) { /* as --at goes there */
        v = view_of_run(_i, 0);
        seek(scenario_world(v->scenario), place[i].at);
        check_said(v, &place[i], "straight there");
        close_view(v);
    }
    for (unsigned i = 0; i < PLACES; i++)
        free(place[i].text);
}
END_TEST

START_TEST(a_snapshot_brings_its_walks_along)
{
    struct rs_error err;
    struct view *v = view_of_run(0, 30000);
    rs_world *w = scenario_world(v->scenario);
    struct said_at here = {rs_position(view_machine(v)), said(v)};
    rs_snapshot *shot = rs_snapshot_take(w);
    run_until(v, 200000);
    ck_assert_int_eq(rs_snapshot_restore(w, shot, &err), RS_OK);
    check_said(v, &here, "restored");
    rs_snapshot_free(shot);
    free(here.text);
    close_view(v);
}
END_TEST

static void draw_walk(struct view *v)
{
    view_choose(v, PANE_WALK, 80, 24);
    draw_frame(v, 80, 24);
}

START_TEST(a_step_of_the_devices_leaves_the_core)
{
    struct view *v = view_of_run(0, 0);
    view_follow(v, RS_NO_CORE, "this was its step", false);
    ck_assert_uint_eq(v->core, 0);
    draw_walk(v);
    expect_not("is shown now");
    view_follow(v, 2, "this was its step", false);
    draw_walk(v);
    expect("Core 3 is shown now: this was its step.");
    close_view(v);
}
END_TEST

/* As the terminal's keys: a step, and what it has ended with is shown. */
static void step_and_follow(struct view *v, enum rs_unit unit)
{
    const rs_machine *m = view_machine(v);
    uint32_t mover = rs_next_core(m);
    view_mark(v);
    rs_begin_step(scenario_world(v->scenario), 1, unit);
    go(scenario_world(v->scenario));
    view_follow(v, rs_position(m).micro ? rs_next_core(m) : mover, "this was its step", unit == RS_WALK);
}

static void step_until_device(struct view *v, enum rs_unit unit)
{
    for (int i = 0; i < 3000 && rs_next_core(view_machine(v)) != RS_NO_CORE; i++)
        step_and_follow(v, unit);
    ck_assert_uint_eq(rs_next_core(view_machine(v)), RS_NO_CORE);
}

/* The bare iommu guest: its device is about to begin its first way through the IOMMU. */
static struct view *view_before_iommu(const char *machine)
{
    char script[256];
    snprintf(script, sizeof script,
             "h = machine { %s, devices = { 'edu' }, firmware = { vtd = true } } "
             "h:boot('iommu') h:await('iommu.end') h:back(1, 'insn') pause('here')",
             machine);
    struct view *v = view_new(scenario_of(script));
    ck_assert_uint_eq(rs_next_core(view_machine(v)), RS_NO_CORE);
    draw_walk(v);
    return v;
}

START_TEST(a_devices_walk_comes_to_the_front)
{
    struct view *v = view_before_iommu("cores = 1");
    expect("core 1 (a device is next): ");
    expect("[1 Walk]");
    step_and_follow(v, RS_MICRO);
    draw_frame(v, 80, 24);
    expect("core 1 (a device's atom): ");
    expect("[7 IOMMU]");
    expect("Device 00:01.0 is shown now: this was its step.");
    expect("reference 1 of at most 6, 170 cycles so far");
    step_and_follow(v, RS_MICRO);
    draw_frame(v, 80, 24);
    expect("reference 2 of at most 6, 340 cycles so far");
    expect_not("is shown now");
    step_and_follow(v, RS_WALK);
    draw_frame(v, 80, 24);
    expect("reference 6 of at most 6, 1,020 cycles in all\n");
    expect("IOTLB entry: IOVA 5000000 -> h:");
    step_and_follow(v, RS_INSN); /* the rest of the atom */
    step_until_device(v, RS_INSN);
    draw_frame(v, 80, 24);
    expect("[1 Walk]"); /* where it was before */
    step_and_follow(v, RS_INSN);
    draw_frame(v, 80, 24);
    expect("[7 IOMMU]");
    expect("-- saved by the IOTLB");
    expect("no reference made, 4 cycles in all, 1 atom ago\n");
    close_view(v);
}
END_TEST

START_TEST(a_pane_that_was_chosen_stays)
{
    struct view *v = view_before_iommu("cores = 1");
    view_choose(v, PANE_CPU, 80, 24);
    step_and_follow(v, RS_MICRO);
    draw_frame(v, 80, 24);
    expect("[2 CPU]");
    view_choose(v, PANE_IOMMU, 80, 24);
    step_and_follow(v, RS_INSN);
    step_and_follow(v, RS_INSN); /* of the core */
    draw_frame(v, 80, 24);
    expect("[7 IOMMU]");
    close_view(v);
}
END_TEST

START_TEST(both_walks_stand_side_by_side)
{
    struct view *v = view_before_iommu("cores = 1");
    draw_frame(v, 160, 50);
    expect_not("IOMMU ─"); /* nothing to show of it yet */
    step_and_follow(v, RS_WALK);
    draw_frame(v, 160, 50);
    expect("── [Walk] ─");
    expect("│── IOMMU ─");
    expect("image iommu: supervisor write by ");
    expect("│device 00:01.0 edu: read in domain 5\n");
    draw_every_size(v);
    close_view(v);
}
END_TEST

START_TEST(the_iommus_caches_stand_with_the_tlbs)
{
    struct view *v = view_before_iommu("cores = 1");
    view_choose(v, PANE_TLB, 80, 60);
    draw_frame(v, 80, 60);
    expect("IOTLB: devices' addresses to host-physical, 0 entries");
    step_and_follow(v, RS_WALK);
    draw_frame(v, 80, 60);
    expect("IOTLB: devices' addresses to host-physical, 1 entry\n0000000005000000 -> h:");
    expect("PWC: the IOMMU's paging-structure caches (-> a table), 3 entries");
    expect("context cache: devices (-> the domain's table), 1 entry\n00:01.0          -> h:");
    expect("domain 5     RW ");
    close_view(v);
    v = view_of_run(0, 30000);
    view_choose(v, PANE_TLB, 80, 60);
    draw_frame(v, 80, 60);
    expect_not("IOTLB");
    close_view(v);
}
END_TEST

START_TEST(no_device_walk_is_said)
{
    struct view *v = view_of_run(0, 30000);
    view_choose(v, PANE_IOMMU, 80, 24);
    draw_frame(v, 80, 24);
    expect("The machine has no IOMMU: firmware = { vtd = true } gives it one.");
    view_next(v);
    draw_frame(v, 80, 24);
    expect("No device has had a walk up to here.");
    close_view(v);
    v = view_of_run(3, 0);
    view_choose(v, PANE_IOMMU, 80, 24);
    draw_frame(v, 80, 24);
    expect("The IOMMU has translated nothing for a device up to here.");
    close_view(v);
}
END_TEST

static struct rs_walk io_walk(uint16_t requester)
{
    return (struct rs_walk){.valid = true, .device = true, .requester = requester};
}

START_TEST(each_device_has_its_own_walks)
{
    static struct walk_log log;
    for (unsigned i = 0; i < WALK_DEVICES + 2; i++) {
        struct rs_walk w = io_walk((uint16_t)(8 * (i + 1)));
        walk_log_add_device(&log, &(struct rs_event){.atom = 100 + i, .walk = &w});
    }
    ck_assert_ptr_null(walk_log_device(&log, 8)); /* the oldest have gone */
    ck_assert_ptr_null(walk_log_device(&log, 16));
    ck_assert_uint_eq(walk_log_device(&log, 24)->at.atom, 102);
    ck_assert_uint_eq(walk_log_device(&log, WALK_ANY)->walk.requester, 8 * (WALK_DEVICES + 2));
    struct rs_walk again = io_walk(24);
    walk_log_add_device(&log, &(struct rs_event){.atom = 200, .walk = &again});
    ck_assert_uint_eq(walk_log_device(&log, 24)->at.atom, 200);
    ck_assert_uint_eq(walk_log_device(&log, WALK_ANY)->walk.requester, 24);
    uint32_t device = WALK_ANY;
    for (unsigned i = 0; i < WALK_DEVICES; i++) {
        device = walk_log_next_device(&log, device);
        ck_assert_uint_eq(device, 8 * (i + 3));
    }
    ck_assert_uint_eq(walk_log_next_device(&log, device), WALK_ANY);
}
END_TEST

START_TEST(each_core_has_its_own_walks)
{
    struct view *v = view_of_run(0, 0);
    draw_walk(v);
    expect("No page walk of core 1 up to here: it has translated no address yet.");
    view_next(v);
    draw_walk(v);
    expect("No page walk of core 2 up to here: it has translated no address yet.");
    run_until(v, 30000);
    draw_walk(v);
    expect(" atoms ago");
    view_next(v);
    view_next(v);
    draw_walk(v);
    expect("image cores: supervisor ");
    expect(" by \"");
    expect(" atoms ago");
    view_next(v);
    draw_walk(v);
    expect(" atoms ago"); /* still there after a way around all cores */
    close_view(v);
}
END_TEST

static void scroll_right(struct view *v, int columns)
{
    for (int i = 0; i < columns / 8; i++)
        view_scroll(v, 0, 1);
    draw_frame(v, 80, 24);
}

START_TEST(a_line_that_goes_on_is_marked)
{
    struct scenario *s = scenario_of("h = machine { name = 'A' } "
                                     "h:boot('hello', { cmdline = ('a'):rep(100) .. 'z' }) h:run()");
    struct view *v = view_new(s);
    view_choose(v, PANE_CONSOLE, 80, 24);
    draw_frame(v, 80, 24);
    expect("Hello from ring 0, 64-bit mode.\n");
    expect("aaa>\n");
    scroll_right(v, 48);
    expect("aaaz\n");
    scroll_right(v, 400); /* as far as there is something */
    expect("aaz\n");
    ck_assert_int_lt(v->pane[PANE_CONSOLE].left, 80);
    close_view(v);
}
END_TEST

START_TEST(the_screen_is_a_console)
{
    struct scenario *s = scenario_of("h = machine { name = 'A' } h:boot('board') h:run('1us') "
                                     "h:write(0xb8000 + 2 * (80 + 3), 'V\\7G\\7A\\7') ");
    struct view *v = view_new(s);
    view_choose(v, PANE_CONSOLE, 80, 24);
    draw_frame(v, 80, 24);
    expect("A, screen:");
    expect("   VGA");
    close_view(v);
}
END_TEST

/* What is left of a number looks like one. */
START_TEST(a_long_name_does_not_cut_the_cycle)
{
    struct scenario *s = scenario_of(
        "h = machine { name = 'a', ram = '64M', cores = 2 } h:boot('hv', { vms = { { name = 'a-name-of-30-"
        "characters-for-vm', image = 'hello', ram = '8M' } } }) h:await('vm.exit') h:await('vm.entry')");
    struct view *v = view_new(s);
    char cycle[32], end[64];
    draw_frame(v, 80, 24);
    word_count(rs_cycles(view_machine(v), 0), cycle);
    snprintf(end, sizeof end, "-for-vm, non-root (guest), ring 0  cycle %s", cycle);
    expect("core 1: a-name-of-30-c..");
    expect(end + strlen("-for-vm"));
    draw_frame(v, 100, 24);
    expect(end);
    v->running = true;
    draw_frame(v, 80, 24);
    snprintf(end, sizeof end, " cycle %s  running ...", cycle);
    expect(end);
    close_view(v);
}
END_TEST

/* From a file come the counts, not what was told. */
static void restore_from_file(struct view *v)
{
    char path[256];
    struct rs_error err;
    rs_world *w = scenario_world(v->scenario);
    ck_assert(temporary_file(path));
    rs_snapshot *shot = rs_snapshot_take(w);
    ck_assert_int_eq(rs_snapshot_save(shot, path, &err), RS_OK);
    rs_snapshot_free(shot);
    shot = rs_snapshot_load(w, path, &err);
    unlink(path);
    ck_assert_int_eq(rs_snapshot_restore(w, shot, &err), RS_OK);
    rs_snapshot_free(shot);
}

START_TEST(what_was_before_a_snapshot_file_is_said_to_be_before)
{
    struct view *v = view_of_run(0, 30000);
    restore_from_file(v);
    draw_walk(v);
    expect(
        "No page walk of core 1 since this history began: every translation came from a\nTLB. (3 before.)");
    close_view(v);
    v = view_of_run(2, 2600000);
    view_choose(v, PANE_EXITS, 80, 24);
    draw_frame(v, 80, 24);
    expect("I/O instruction");
    expect_not("not kept");
    restore_from_file(v);
    draw_frame(v, 80, 24);
    expect(" older ones are not kept)");
    expect_not("I/O instruction");
    expect_not("no VM exit");
    close_view(v);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("view_frame");
    TCase *t = tcase_create("frame");
    const char *build = getenv("RINGSIDE_BUILD");
    setenv("RINGSIDE_LIB", build ? build : "build", 1);
    tcase_add_test(t, frame_before_there_is_a_machine);
    tcase_add_test(t, frame_of_a_machine);
    tcase_add_test(t, breakpoints_stand_with_the_registers);
    tcase_add_test(t, search_marks_its_line);
    tcase_add_loop_test(t, walks_and_exits_depend_on_the_position_alone, 0,
                        (int)(sizeof RUNS / sizeof *RUNS));
    tcase_add_test(t, a_line_that_goes_on_is_marked);
    tcase_add_test(t, the_screen_is_a_console);
    tcase_add_test(t, a_long_name_does_not_cut_the_cycle);
    tcase_add_test(t, a_snapshot_brings_its_walks_along);
    tcase_add_test(t, each_core_has_its_own_walks);
    tcase_add_test(t, a_step_of_the_devices_leaves_the_core);
    tcase_add_test(t, a_devices_walk_comes_to_the_front);
    tcase_add_test(t, a_pane_that_was_chosen_stays);
    tcase_add_test(t, both_walks_stand_side_by_side);
    tcase_add_test(t, no_device_walk_is_said);
    tcase_add_test(t, the_iommus_caches_stand_with_the_tlbs);
    tcase_add_test(t, each_device_has_its_own_walks);
    tcase_add_test(t, what_was_before_a_snapshot_file_is_said_to_be_before);
    tcase_set_timeout(t, 60);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
