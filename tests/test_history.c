/* test_history.c - moving through time: each way to a position gives the same state. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/elf_image.h"
#include "lib/suite.h"
#include "lib/temporary.h"
#include "ringside.h"

/* 400 stores, a line apart over seven pages, most of them behind the end of RAM, each echoing a byte of the
 * console if there is one; then debug-exit 3. */
static const uint8_t program[] = {
    0xb9, 0x90, 0x01, 0x00, 0x00, /*     mov ecx, 400 */
    0xbf, 0x00, 0xf0, 0x3f, 0x00, /*     mov edi, 0x3ff000: a page of RAM, then none */
    0x66, 0xba, 0xfd, 0x03,       /* L:  mov dx, 0x3fd */
    0xec,                         /*     in al, dx */
    0xa8, 0x01,                   /*     test al, 1 */
    0x74, 0x06,                   /*     jz S */
    0x66, 0xba, 0xf8, 0x03,       /*     mov dx, 0x3f8 */
    0xec,                         /*     in al, dx */
    0xee,                         /*     out dx, al */
    0x48, 0x89, 0x0f,             /* S:  mov [rdi], rcx */
    0x48, 0x83, 0xc7, 0x40,       /*     add rdi, 64 */
    0xff, 0xc9,                   /*     dec ecx */
    0x75, 0xe6,                   /*     jnz L */
    0xb0, 0x03,                   /*     mov al, 3 */
    0xe6, 0xf4,                   /*     out 0xf4, al */
};

static rs_world *world;
static rs_machine *machine;
static char image[256];

static enum rs_why go(void)
{
    enum rs_why why;
    while ((why = rs_continue(world, 37)) == RS_SLICE) /* slices of an odd size: no result depends on it */
        continue;
    return why;
}

static void boot(void)
{
    const struct elf_segment segment = {0x100000, program, sizeof program};
    struct rs_config config;
    struct rs_error err = {""};
    world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = 4 << 20;
    machine = rs_machine_new(world, &config, &err);
    ck_assert_msg(machine != NULL, "%s", err.text);
    ck_assert(elf_image_temporary(image, 0x100000, &segment, 1));
    struct rs_boot how = {.path = image, .cmdline = "program"};
    ck_assert_msg(rs_boot(machine, &how, &err) == RS_OK, "%s", err.text);
}

static void end(void)
{
    rs_world_free(world);
    unlink(image);
}

static enum rs_why step(uint64_t n, enum rs_unit unit)
{
    rs_begin_step(world, n, unit);
    return go();
}

static enum rs_why back(uint64_t n, enum rs_unit unit)
{
    rs_begin_back(world, n, unit);
    return go();
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

static void assert_at(struct rs_position want)
{
    struct rs_position at = rs_position(machine);
    ck_assert_uint_eq(at.atom, want.atom);
    ck_assert_uint_eq(at.micro, want.micro);
}

/* ---- every unit, forwards and backwards ---- */

#define STEPS 60

START_TEST(back_is_the_reverse_of_step)
{
    enum rs_unit unit = (enum rs_unit)_i;
    struct rs_position at[STEPS + 1];
    uint64_t was[STEPS + 1];
    int n = unit == RS_WALK ? 4 : STEPS;
    if (unit == RS_EXIT)
        return; /* no hypervisor here */
    step(3, RS_INSN);
    step(1, unit); /* so that the first position is a boundary */
    for (int i = 0; i <= n; i++) {
        at[i] = rs_position(machine);
        was[i] = hash();
        ck_assert_int_eq(step(1, unit), RS_DONE);
    }
    for (int i = n; i >= 0; i--) {
        back(1, unit);
        assert_at(at[i]);
        ck_assert_uint_eq(hash(), was[i]);
        ck_assert(rs_in_past(world));
    }
    step((uint64_t)n, unit);
    assert_at(at[n]);
    ck_assert_uint_eq(hash(), was[n]);
    back((uint64_t)n, unit);
    assert_at(at[0]);
    ck_assert_uint_eq(hash(), was[0]);
}
END_TEST

START_TEST(every_position_is_reached_by_seek)
{
    struct rs_position at[STEPS];
    uint64_t was[STEPS];
    for (int i = 0; i < STEPS; i++) {
        step(7, RS_MICRO);
        at[i] = rs_position(machine);
        was[i] = hash();
    }
    for (int i = 0; i < STEPS; i++) {
        int k = i * 37 % STEPS; /* forwards and backwards */
        seek(at[k]);
        assert_at(at[k]);
        ck_assert_uint_eq(hash(), was[k]);
    }
}
END_TEST

START_TEST(steps_run_on_over_ends_of_atoms)
{
    uint64_t one, many;
    for (int i = 0; i < 500; i++)
        step(1, RS_MICRO);
    one = hash();
    struct rs_position at = rs_position(machine);
    seek((struct rs_position){0, 0});
    step(500, RS_MICRO);
    many = hash();
    assert_at(at);
    ck_assert_uint_eq(one, many);
}
END_TEST

START_TEST(back_at_the_start_stays_there)
{
    static const uint64_t far[] = {100, UINT64_C(1) << 33, UINT64_C(1) << 62, UINT64_MAX};
    uint64_t start = hash();
    step(5, RS_INSN);
    back(far[_i / RS_UNITS], (enum rs_unit)(_i % RS_UNITS));
    assert_at((struct rs_position){0, 0});
    ck_assert_uint_eq(hash(), start);
}
END_TEST

START_TEST(undo_returns_to_where_each_move_began)
{
    step(100, RS_MICRO);
    uint64_t first = hash();
    step(11, RS_INSN);
    step(1, RS_MICRO);
    uint64_t second = hash();
    back(30, RS_MICRO);
    rs_begin_undo(world);
    go();
    ck_assert_uint_eq(hash(), second);
    for (int i = 0; i < 2; i++) {
        rs_begin_undo(world);
        go();
    }
    ck_assert_uint_eq(hash(), first);
}
END_TEST

START_TEST(cancelled_back_returns)
{
    step(900, RS_INSN);
    uint64_t was = hash();
    rs_begin_back(world, 5, RS_WALK);
    rs_continue(world, 10);
    rs_cancel(world);
    ck_assert_uint_eq(hash(), was);
}
END_TEST

/* ---- runs ---- */

START_TEST(run_ends_with_the_machine)
{
    rs_begin_run(world, UINT64_MAX);
    ck_assert_int_eq(go(), RS_HALTED);
    ck_assert_int_eq(rs_halt_status(machine), 7);
    ck_assert_str_eq(rs_halt_text(machine), "debug-exit with status 7");
    uint64_t halted = hash();
    back(200, RS_INSN);
    ck_assert(rs_halt_text(machine) == NULL);
    rs_begin_run(world, UINT64_MAX);
    ck_assert_int_eq(go(), RS_HALTED);
    ck_assert_uint_eq(hash(), halted);
}
END_TEST

/* The last atom halts the machine in its middle; from there one gets to its end by every unit. */
START_TEST(the_last_atom_can_be_stepped_to_its_end)
{
    static const enum rs_unit unit[] = {RS_CYCLE, RS_MICRO, RS_INSN};
    rs_begin_run(world, UINT64_MAX);
    go();
    struct rs_position end_of_run = rs_position(machine);
    uint64_t halted = hash();
    back(1, RS_MICRO);
    ck_assert_uint_gt(rs_position(machine).micro, 0);
    for (int i = 0; i < 9 && rs_position(machine).micro; i++)
        step(1, unit[_i]);
    assert_at(end_of_run);
    ck_assert_uint_eq(hash(), halted);
    ck_assert_int_eq(step(1, unit[_i]), RS_HALTED);
}
END_TEST

START_TEST(steps_of_no_length_stay)
{
    step(5, RS_INSN);
    ck_assert_int_eq(step(0, (enum rs_unit)_i), RS_DONE);
    assert_at((struct rs_position){5, 0});
}
END_TEST

START_TEST(cycle_limit_binds_every_way_forward)
{
    rs_set_max_cycles(world, 2000);
    ck_assert_int_eq(step(100000, (enum rs_unit)_i), RS_LIMIT);
    uint64_t stopped = rs_cycles(machine, 0);
    ck_assert_uint_lt(stopped, 3000);
    rs_begin_seek(world, (struct rs_position){100000, 0});
    ck_assert_int_eq(go(), RS_LIMIT);
    ck_assert_uint_lt(rs_cycles(machine, 0), 3000);
}
END_TEST

START_TEST(cycle_limit_stops_the_run)
{
    rs_set_max_cycles(world, 500);
    rs_begin_run(world, UINT64_MAX);
    ck_assert_int_eq(go(), RS_LIMIT);
    ck_assert_uint_ge(rs_cycles(machine, 0), 500);
}
END_TEST

/* ---- watchers ---- */

static int seen_new, seen_always;

static void count(const struct rs_event *event, void *arg)
{
    (void)event;
    ++*(int *)arg;
}

START_TEST(handlers_fire_once_for_each_new_event)
{
    seen_new = seen_always = 0;
    rs_watch(world, RS_PROBE_insn, false, count, &seen_new);
    rs_watch(world, RS_PROBE_insn, true, count, &seen_always);
    step(300, RS_INSN);
    ck_assert_int_eq(seen_new, 300);
    back(200, RS_INSN);
    step(150, RS_INSN);
    ck_assert_int_eq(seen_new, 300);
    ck_assert_int_gt(seen_always, 300);
    step(60, RS_INSN);
    ck_assert_int_eq(seen_new, 310);
}
END_TEST

static void stop_at(const struct rs_event *event, void *arg)
{
    if (event->field[2] == *(uint64_t *)arg)
        rs_stop_here(world);
}

START_TEST(a_handler_stops_the_run_at_its_micro)
{
    uint64_t third = 3;
    int id = rs_watch(world, RS_PROBE_walk_ref, false, stop_at, &third);
    rs_begin_run(world, UINT64_MAX);
    ck_assert_int_eq(go(), RS_STOPPED);
    const struct rs_walk *walk = rs_last_walk(machine, 0);
    ck_assert(walk && walk->valid && !walk->ended);
    ck_assert_uint_eq(walk->ref_count, 3);
    rs_unwatch(world, id);
    struct rs_position at = rs_position(machine);
    uint64_t was = hash();
    step(1, RS_MICRO);
    back(1, RS_MICRO);
    assert_at(at);
    ck_assert_uint_eq(hash(), was);
}
END_TEST

static void count_and_stop(const struct rs_event *event, void *arg)
{
    count(event, arg);
    rs_stop_here(world);
}

/* How often a handler hears of the reference, run by run, in slices that end no run. */
static int heard(rs_watcher *handler)
{
    int n = 0;
    rs_watch(world, RS_PROBE_walk_ref, false, handler, &n);
    do
        rs_begin_run(world, UINT64_MAX);
    while (rs_continue(world, 1000000) == RS_STOPPED);
    return n;
}

START_TEST(who_stops_at_each_event_misses_none)
{
    int unstopped = heard(count);
    end();
    boot();
    ck_assert_int_gt(unstopped, 4);
    ck_assert_int_eq(heard(count_and_stop), unstopped);
}
END_TEST

/* ---- inputs ---- */

static void type(const char *text)
{
    struct rs_error err = {""};
    ck_assert_msg(rs_input_console(machine, 0, text, strlen(text), &err) == RS_OK, "%s", err.text);
}

START_TEST(inputs_are_part_of_the_past)
{
    size_t n;
    step(50, RS_INSN);
    type("a");
    step(60, RS_MICRO);
    type("bc");
    rs_begin_run(world, UINT64_MAX);
    go();
    uint64_t was = hash();
    ck_assert_int_eq(memcmp(rs_console(machine, 0, &n), "abc", 3), 0);
    ck_assert_uint_eq(n, 3);
    seek((struct rs_position){20, 0});
    rs_console(machine, 0, &n);
    ck_assert_uint_eq(n, 0);
    rs_begin_run(world, UINT64_MAX);
    go();
    ck_assert_uint_eq(hash(), was);
    ck_assert(!rs_log_was_cut(world));
}
END_TEST

START_TEST(an_input_in_the_past_cuts_the_future)
{
    size_t n;
    step(50, RS_INSN);
    type("a");
    step(200, RS_INSN);
    seek((struct rs_position){20, 0});
    type("x");
    ck_assert(rs_log_was_cut(world));
    ck_assert(!rs_in_past(world));
    rs_begin_run(world, UINT64_MAX);
    go();
    ck_assert_int_eq(memcmp(rs_console(machine, 0, &n), "x", 1), 0);
    ck_assert_uint_eq(n, 1);
}
END_TEST

/* What lay ahead is gone, so undo does not go there. */
START_TEST(undo_forgets_the_cut_future)
{
    step(10, RS_INSN);
    step(190, RS_INSN);
    seek((struct rs_position){20, 0});
    type("x");
    rs_begin_undo(world);
    go();
    assert_at((struct rs_position){10, 0});
}
END_TEST

START_TEST(a_poke_inside_an_atom_waits_for_its_end)
{
    uint8_t byte = 0x5a, read = 0;
    struct rs_error err;
    step(1, RS_MICRO);
    ck_assert_uint_gt(rs_position(machine).micro, 0);
    ck_assert_int_eq(rs_input_poke(machine, 0x300000, &byte, 1, &err), RS_OK);
    rs_read(machine, 0x300000, &read, 1);
    ck_assert_uint_eq(read, 0);
    step(1, RS_INSN);
    rs_read(machine, 0x300000, &read, 1);
    ck_assert_uint_eq(read, 0x5a);
    ck_assert_int_eq(rs_input_poke(machine, 4 << 20, &byte, 1, &err), RS_FAILED);
}
END_TEST

START_TEST(a_full_line_is_said)
{
    static char text[5000];
    struct rs_error err = {""};
    memset(text, 'x', sizeof text);
    ck_assert_int_eq(rs_input_console(machine, 0, text, sizeof text, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "do not fit") != NULL, "%s", err.text);
}
END_TEST

/* ---- snapshots, record and replay ---- */

START_TEST(a_restored_snapshot_goes_on_alike)
{
    step(333, RS_MICRO);
    uint64_t here = hash();
    rs_snapshot *s = rs_snapshot_take(world);
    step(500, RS_INSN);
    uint64_t later = hash();
    ck_assert_int_eq(rs_snapshot_restore(world, s, NULL), RS_OK);
    ck_assert_uint_eq(hash(), here);
    step(500, RS_INSN);
    ck_assert_uint_eq(hash(), later);
    rs_snapshot_free(s);
}
END_TEST

static void other_latency(void)
{
    struct rs_error err;
    struct rs_params *p = rs_params_of(machine);
    ck_assert_int_eq(rs_params_set(p, "mem_latency", 171, &err), RS_OK);
    rs_power_cycle(machine);
    ck_assert_int_eq(rs_set_params(machine, p, &err), RS_OK);
    rs_params_free(p);
}

START_TEST(parameters_are_part_of_the_hash_and_of_a_snapshot)
{
    struct rs_error err = {""};
    rs_power_cycle(machine);
    uint64_t before = hash();
    rs_snapshot *s = rs_snapshot_take(world);
    other_latency();
    ck_assert_uint_ne(hash(), before);
    ck_assert_int_eq(rs_snapshot_restore(world, s, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "parameters") != NULL, "%s", err.text);
    rs_snapshot_free(s);
}
END_TEST

START_TEST(a_snapshot_survives_its_file)
{
    char path[256];
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    type("hello");
    step(1234, RS_MICRO);
    uint64_t here = hash();
    rs_snapshot *s = rs_snapshot_take(world);
    ck_assert_msg(rs_snapshot_save(s, path, &err) == RS_OK, "%s", err.text);
    rs_snapshot_free(s);
    rs_power_cycle(machine);
    ck_assert_uint_ne(hash(), here);
    s = rs_snapshot_load(world, path, &err);
    ck_assert_msg(s != NULL, "%s", err.text);
    ck_assert_int_eq(rs_snapshot_restore(world, s, &err), RS_OK);
    ck_assert_uint_eq(hash(), here);
    rs_snapshot_free(s);
    unlink(path);
}
END_TEST

START_TEST(a_save_replaces_only_snapshots)
{
    char path[256];
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    rs_snapshot *s = rs_snapshot_take(world);
    ck_assert_int_eq(rs_snapshot_save(s, path, &err), RS_OK);
    ck_assert_int_eq(rs_snapshot_save(s, path, &err), RS_OK);
    FILE *f = fopen(path, "w");
    fputs("my thesis", f);
    fclose(f);
    ck_assert_int_eq(rs_snapshot_save(s, path, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "not a snapshot") != NULL, "%s", err.text);
    ck_assert_int_eq(rs_snapshot_save(s, "/dev/null", &err), RS_FAILED);
    rs_snapshot_free(s);
    unlink(path);
}
END_TEST

/* Every cut and every flipped byte of a snapshot file is refused, and changes nothing. */
START_TEST(damaged_snapshots_are_refused)
{
    static uint8_t file[1 << 20];
    char path[256];
    struct rs_error err;
    ck_assert(temporary_file(path));
    step(100, RS_INSN);
    rs_snapshot *s = rs_snapshot_take(world);
    ck_assert_int_eq(rs_snapshot_save(s, path, &err), RS_OK);
    rs_snapshot_free(s);
    FILE *f = fopen(path, "rb");
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    ck_assert_uint_gt(n, 1000);
    uint64_t here = hash();
    for (unsigned i = 0; i < 200; i++) {
        size_t at = i * n / 200, size = i % 2 ? at : n;
        file[at] ^= 0x10;
        f = fopen(path, "wb");
        fwrite(file, 1, size, f);
        fclose(f);
        file[at] ^= 0x10;
        s = rs_snapshot_load(world, path, &err);
        ck_assert_msg(s == NULL, "byte %zu flipped, %zu of %zu bytes: accepted", at, size, n);
        ck_assert_msg(strstr(err.text, path) != NULL, "%s", err.text);
    }
    ck_assert_uint_eq(hash(), here);
    unlink(path);
}
END_TEST

/* The same image in a world of its own, with the inputs of a log. */
static void start_over(const char *log)
{
    struct rs_config config;
    struct rs_error err = {""};
    struct rs_boot how = {.path = image, .cmdline = "program"};
    rs_world_free(world);
    world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = 4 << 20;
    machine = rs_machine_new(world, &config, &err);
    ck_assert_msg(rs_replay(world, log, &err) == RS_OK, "%s", err.text);
    ck_assert_msg(rs_boot(machine, &how, &err) == RS_OK, "%s", err.text);
    ck_assert_msg(rs_replay_trouble(world) == NULL, "%s", rs_replay_trouble(world));
}

static void begin_record(char path[256])
{
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    ck_assert_msg(rs_record(world, path, &err) == RS_OK, "%s", err.text);
}

START_TEST(damaged_logs_are_refused)
{
    static const char *const line[] = {
        "A 10 2 console 0x9 61",
        "A 10 2 poke 0xffffffffffff 61",
        "A 99999999999999999999 2 console 0 61",
        "A 10 5 console 0 61",
        "A -5 2 console 0 61",
        "A 10 2 console 0 -",
        "A 10 2 console 0 6",
        "A 10 2 console 0 6x",
        "A 10 2 shout 0 61",
        "B 10 2 console 0 61",
        "A 10 2 reset 0 61",
        "A 10 0",
        "",
    };
    char path[256];
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    uint64_t start = hash();
    FILE *f = fopen(path, "w");
    fprintf(f, "ringside-log 1\nstart %016llx\nA 5 0 poke 0x200000 61\nA 7 1 console 0 62\n%s\n",
            (unsigned long long)start, line[_i]);
    fclose(f);
    rs_power_cycle(machine);
    ck_assert_int_eq(rs_replay(world, path, &err), RS_OK);
    struct rs_boot how = {.path = image, .cmdline = "program"};
    ck_assert_int_eq(rs_boot(machine, &how, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, ":5: ") != NULL, "%s", err.text);
    unlink(path);
}
END_TEST

/* Longer than any line of text. */
START_TEST(a_long_poke_is_replayed)
{
    static uint8_t bytes[50000];
    char path[256];
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    memset(bytes, 0xa5, sizeof bytes);
    ck_assert_int_eq(rs_record(world, path, &err), RS_OK);
    step(5, RS_INSN);
    ck_assert_int_eq(rs_input_poke(machine, 0x200000, bytes, sizeof bytes, &err), RS_OK);
    start_over(path);
    step(6, RS_INSN); /* the input is made when the run moves on from there */
    uint8_t last = 0;
    rs_read(machine, 0x200000 + sizeof bytes - 1, &last, 1);
    ck_assert_uint_eq(last, 0xa5);
    unlink(path);
}
END_TEST

/* The log is written anew when an input in the past cuts it, also if it gets shorter. */
START_TEST(a_cut_log_is_cut_in_its_file)
{
    char path[256];
    size_t n;
    begin_record(path);
    step(5, RS_INSN);
    type("first");
    step(100, RS_INSN);
    type("a second one, much longer than what is to come");
    seek((struct rs_position){2, 0});
    type("x");
    rs_begin_run(world, UINT64_MAX);
    go();
    uint64_t was = hash();
    start_over(path);
    rs_begin_run(world, UINT64_MAX);
    go();
    ck_assert_uint_eq(hash(), was);
    ck_assert_int_eq(memcmp(rs_console(machine, 0, &n), "x", 1), 0);
    ck_assert_uint_eq(n, 1);
    unlink(path);
}
END_TEST

static uint8_t byte_at(uint64_t hpa)
{
    uint8_t byte = 0;
    ck_assert_int_eq(rs_read(machine, hpa, &byte, 1), RS_OK);
    return byte;
}

static void poke(uint8_t byte)
{
    struct rs_error err = {""};
    ck_assert_msg(rs_input_poke(machine, 0x300000, &byte, 1, &err) == RS_OK, "%s", err.text);
}

/* Looks between its inputs, of which two come at one atom, one inside an atom and one when all is over. */
static uint64_t looks_between(void)
{
    step(10, RS_INSN);
    ck_assert_uint_eq(byte_at(0x300000), 0);
    poke(1);
    ck_assert_uint_eq(byte_at(0x300000), 1);
    poke(2);
    back(1, RS_INSN);
    step(1, RS_INSN);
    ck_assert_uint_eq(byte_at(0x300000), 2);
    step(1, RS_MICRO);
    poke(3);
    step(1, RS_INSN);
    ck_assert_uint_eq(byte_at(0x300000), 3);
    rs_begin_run(world, UINT64_MAX);
    go();
    ck_assert_uint_eq(byte_at(0x300000), 3);
    poke(4);
    ck_assert_uint_eq(byte_at(0x300000), 4);
    return hash();
}

START_TEST(a_replay_looks_the_same_between_inputs)
{
    char path[256];
    begin_record(path);
    uint64_t was = looks_between();
    start_over(path);
    ck_assert_uint_eq(looks_between(), was);
    unlink(path);
}
END_TEST

static void restored_and_typed(const char *first, const char *second)
{
    step(50, RS_INSN);
    rs_snapshot *s = rs_snapshot_take(world);
    type(first);
    step(100, RS_INSN);
    ck_assert_int_eq(rs_snapshot_restore(world, s, NULL), RS_OK);
    type(second);
    rs_begin_run(world, UINT64_MAX);
    go();
    rs_snapshot_free(s);
}

/* A restore is another start: the log tells its inputs apart. */
START_TEST(a_replay_follows_a_restore)
{
    char path[256];
    begin_record(path);
    restored_and_typed("one", "another");
    uint64_t was = hash();
    start_over(path);
    restored_and_typed("", "");
    ck_assert_msg(rs_replay_trouble(world) == NULL, "%s", rs_replay_trouble(world));
    ck_assert_uint_eq(hash(), was);
    unlink(path);
}
END_TEST

START_TEST(a_replay_repeats_the_recorded_run)
{
    char path[256];
    begin_record(path);
    step(77, RS_INSN);
    type("one");
    step(50, RS_MICRO);
    type("two");
    rs_begin_run(world, UINT64_MAX);
    go();
    uint64_t was = hash();
    start_over(path);
    rs_begin_run(world, UINT64_MAX);
    go();
    ck_assert_uint_eq(hash(), was);
    unlink(path);
}
END_TEST

START_TEST(a_log_of_another_machine_is_refused)
{
    char path[256];
    struct rs_error err = {""};
    begin_record(path);
    type("x");
    ck_assert_int_eq(rs_replay(world, path, &err), RS_FAILED); /* too late */
    other_latency();
    ck_assert_int_eq(rs_replay(world, path, &err), RS_OK);
    struct rs_boot how = {.path = image, .cmdline = "program"};
    ck_assert_int_eq(rs_boot(machine, &how, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "not the same") != NULL, "%s", err.text);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("history");
    TCase *moves = tcase_create("moves");
    tcase_add_checked_fixture(moves, boot, end);
    tcase_set_timeout(moves, 60);
    tcase_add_loop_test(moves, back_is_the_reverse_of_step, 0, RS_UNITS);
    tcase_add_test(moves, every_position_is_reached_by_seek);
    tcase_add_test(moves, steps_run_on_over_ends_of_atoms);
    tcase_add_loop_test(moves, back_at_the_start_stays_there, 0, 4 * RS_UNITS);
    tcase_add_test(moves, undo_returns_to_where_each_move_began);
    tcase_add_test(moves, cancelled_back_returns);
    tcase_add_test(moves, run_ends_with_the_machine);
    tcase_add_loop_test(moves, the_last_atom_can_be_stepped_to_its_end, 0, 3);
    tcase_add_loop_test(moves, steps_of_no_length_stay, 0, RS_UNITS);
    tcase_add_loop_test(moves, cycle_limit_binds_every_way_forward, 0, RS_UNITS);
    tcase_add_test(moves, cycle_limit_stops_the_run);
    tcase_add_test(moves, handlers_fire_once_for_each_new_event);
    tcase_add_test(moves, a_handler_stops_the_run_at_its_micro);
    tcase_add_test(moves, who_stops_at_each_event_misses_none);
    tcase_add_test(moves, inputs_are_part_of_the_past);
    tcase_add_test(moves, an_input_in_the_past_cuts_the_future);
    tcase_add_test(moves, undo_forgets_the_cut_future);
    tcase_add_test(moves, a_poke_inside_an_atom_waits_for_its_end);
    tcase_add_test(moves, a_full_line_is_said);
    suite_add_tcase(suite, moves);
    TCase *files = tcase_create("snapshots and logs");
    tcase_add_checked_fixture(files, boot, end);
    tcase_set_timeout(files, 60);
    tcase_add_test(files, a_restored_snapshot_goes_on_alike);
    tcase_add_test(files, a_snapshot_survives_its_file);
    tcase_add_test(files, a_save_replaces_only_snapshots);
    tcase_add_test(files, damaged_snapshots_are_refused);
    tcase_add_loop_test(files, damaged_logs_are_refused, 0, 13);
    tcase_add_test(files, a_long_poke_is_replayed);
    tcase_add_test(files, a_cut_log_is_cut_in_its_file);
    tcase_add_test(files, a_replay_follows_a_restore);
    tcase_add_test(files, a_replay_looks_the_same_between_inputs);
    tcase_add_test(files, parameters_are_part_of_the_hash_and_of_a_snapshot);
    tcase_add_test(files, a_log_of_another_machine_is_refused);
    tcase_add_test(files, a_replay_repeats_the_recorded_run);
    suite_add_tcase(suite, files);
    return suite_run(suite);
}
