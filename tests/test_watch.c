/* test_watch.c - what a debugger builds on: registers as inputs, the search for a place in the past, the
 * probes that tell of every access and of every atom's end. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/elf_image.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "lib/temporary.h"
#include "ringside.h"

/* 300 turns of a load, a store and a push and pop; then debug-exit with what RBX holds. */
static const uint8_t program[] = {
    0xb9, 0x2c, 0x01, 0x00, 0x00, /*     mov ecx, 300 */
    0xbf, 0x00, 0x00, 0x20, 0x00, /*     mov edi, 0x200000 */
    0x48, 0x03, 0x1f,             /* L:  add rbx, [rdi] */
    0x48, 0x89, 0x0f,             /*     mov [rdi], rcx */
    0x50,                         /*     push rax */
    0x58,                         /*     pop rax */
    0x48, 0x83, 0xc7, 0x40,       /*     add rdi, 64 */
    0xff, 0xc9,                   /*     dec ecx */
    0x75, 0xf0,                   /*     jnz L */
    0x88, 0xd8,                   /*     mov al, bl */
    0xe6, 0xf4,                   /*     out 0xf4, al */
};

static rs_world *world;
static rs_machine *machine;
static char image[256];

static enum rs_why go(void)
{
    enum rs_why why;
    while ((why = rs_continue(world, 37)) == RS_SLICE)
        continue;
    return why;
}

static void new_world(const char *log)
{
    struct rs_config config;
    struct rs_error err = {""};
    struct rs_boot how = {.path = image, .cmdline = "program"};
    world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = 4 << 20;
    machine = rs_machine_new(world, &config, &err);
    if (log)
        ck_assert_msg(rs_replay(world, log, &err) == RS_OK, "%s", err.text);
    ck_assert_msg(rs_boot(machine, &how, &err) == RS_OK, "%s", err.text);
}

static void begin(void)
{
    const struct elf_segment segment = {0x100000, program, sizeof program};
    ck_assert(elf_image_temporary(image, 0x100000, &segment, 1));
    new_world(NULL);
}

static void end(void)
{
    rs_world_free(world);
    unlink(image);
}

static void step(uint64_t n, enum rs_unit unit)
{
    rs_begin_step(world, n, unit);
    go();
}

static uint64_t run_out(void)
{
    rs_begin_run(world, UINT64_MAX);
    ck_assert_int_eq(go(), RS_HALTED);
    return rs_hash(world, RS_HASH_ALL);
}

static uint64_t reg(const char *name)
{
    uint64_t value = 0;
    ck_assert_int_eq(rs_reg(machine, 0, name, &value), RS_OK);
    return value;
}

static void set_reg(const char *name, uint64_t value)
{
    struct rs_error err = {""};
    ck_assert_msg(rs_input_reg(machine, 0, name, value, &err) == RS_OK, "%s", err.text);
}

/* ---- registers as inputs ---- */

START_TEST(registers_are_set)
{
    static const struct {
        const char *name;
        uint64_t value;
    } set[] = {{"rax", UINT64_MAX},          {"r15", 15},
               {"rip", 0xffff800000100005u}, {"rflags", 0x246},
               {"fs_base", 0x7fffffffffff},  {"gs_base", 0xffff800000000000u},
               {"cr2", 0x8000000000000000u}};
    uint64_t value;
    step(3, RS_INSN);
    for (size_t i = 0; i < sizeof set / sizeof *set; i++) {
        set_reg(set[i].name, set[i].value);
        ck_assert_uint_eq(reg(set[i].name), set[i].value);
    }
    set_reg("kernel_gs_base", 0x1234);
    rs_state_get(machine, 0, "kernel_gs_base", 0, &value);
    ck_assert_uint_eq(value, 0x1234);
    ck_assert(!rs_log_was_cut(world));
}
END_TEST

START_TEST(what_no_register_can_have_is_refused)
{
    static const struct {
        const char *name;
        uint64_t value;
        const char *why;
    } bad[] = {
        {"rip", 0x800000000000, "bits 63:47"}, {"gs_base", 0x7fff800000000000, "bits 63:47"},
        {"rflags", 0x200, "bit 1 is set"},     {"rflags", 0xa, "reserved bits"},
        {"rflags", 0x20002, "reserved bits"},  {"cr3", 0, "cannot be set from outside"},
        {"efer", 0, "cannot be set"},          {"nothing", 0, "cannot be set"},
    };
    struct rs_error err;
    uint64_t was = rs_hash(world, RS_HASH_ALL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(rs_input_reg(machine, 0, bad[i].name, bad[i].value, &err), RS_FAILED);
        ck_assert_msg(strstr(err.text, bad[i].why) != NULL, "%s", err.text);
    }
    ck_assert_int_eq(rs_input_reg(machine, 1, "rax", 0, &err), RS_FAILED);
    ck_assert_uint_eq(rs_hash(world, RS_HASH_ALL), was);
    step(1, RS_MICRO);
    ck_assert_int_eq(rs_input_reg(machine, 0, "rax", 0, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "inside an instruction") != NULL, "%s", err.text);
}
END_TEST

START_TEST(a_register_is_part_of_the_past_and_of_the_log)
{
    char log[256];
    struct rs_error err = {""};
    ck_assert(temporary_file(log));
    ck_assert_int_eq(rs_record(world, log, &err), RS_OK);
    step(200, RS_INSN);
    set_reg("rbx", 0);
    set_reg("rcx", 2);
    uint64_t was = run_out();
    rs_begin_seek(world, (struct rs_position){100, 0});
    go();
    ck_assert_uint_gt(reg("rcx"), 200);
    ck_assert_uint_eq(run_out(), was);
    rs_world_free(world);
    new_world(log);
    ck_assert_uint_eq(run_out(), was);
    ck_assert(rs_replay_trouble(world) == NULL);
    unlink(log);
}
END_TEST

START_TEST(damaged_registers_in_a_log_are_refused)
{
    static const char *const line[] = {
        "A 10 0 register 0x100 0000000000000000", /* core 1 */
        "A 10 0 register 0x16 0000000000000000",  /* no such number */
        "A 10 0 register 0 00",
        "A 10 0 register 0 -",
        "A 10 0 register 0x10 0000000000000080", /* RIP */
        "A 10 0 register 0x11 0000000000000000", /* RFLAGS */
        "A 10 0 register 0xffffffffffffff00 0000000000000000",
    };
    char path[256];
    struct rs_error err = {""};
    struct rs_boot how = {.path = image, .cmdline = "program"};
    ck_assert(temporary_file(path));
    FILE *f = fopen(path, "w");
    fprintf(f, "ringside-log 1\nstart %016llx\n%s\n", (unsigned long long)rs_hash(world, RS_HASH_ALL),
            line[_i]);
    fclose(f);
    rs_power_cycle(machine);
    ck_assert_int_eq(rs_replay(world, path, &err), RS_OK);
    ck_assert_int_eq(rs_boot(machine, &how, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, ":3: ") != NULL, "%s", err.text);
    unlink(path);
}
END_TEST

/* ---- the search back ---- */

static void land_on_rip(const struct rs_event *event, void *arg)
{
    if (event->rip == *(uint64_t *)arg)
        rs_land_at(world, (struct rs_position){event->atom + 1, 0});
}

static enum rs_why search_back(void)
{
    rs_begin_search_back(world);
    return go();
}

START_TEST(the_last_place_that_is_named_is_found)
{
    uint64_t loop = 0x10000a;
    int id = rs_watch(world, RS_PROBE_insn, true, land_on_rip, &loop);
    step(2 + 7 * 5, RS_INSN); /* at the loop's start, for the sixth time */
    ck_assert_uint_eq(reg("rip"), loop);
    for (uint64_t turn = 5; turn-- > 0;) {
        ck_assert_int_eq(search_back(), RS_STOPPED);
        ck_assert_uint_eq(rs_position(machine).atom, 2 + 7 * turn);
        ck_assert_uint_eq(rs_position(machine).micro, 0);
        ck_assert_uint_eq(reg("rip"), loop);
    }
    ck_assert_int_eq(search_back(), RS_DONE);
    ck_assert_uint_eq(rs_position(machine).atom, 0);
    ck_assert_int_eq(search_back(), RS_DONE);
    rs_unwatch(world, id);
}
END_TEST

/* Beyond several checkpoints, in a long run of one instruction. */
START_TEST(the_search_goes_over_checkpoints)
{
    uint64_t early = 0x100005, was = 0;
    struct rs_error err;
    static const uint8_t jump_to_itself[] = {0xeb, 0xfe};
    int id = rs_watch(world, RS_PROBE_insn, true, land_on_rip, &early);
    step(1, RS_INSN);
    was = rs_hash(world, RS_HASH_ALL);
    step(40, RS_INSN);
    ck_assert_int_eq(rs_input_poke(machine, reg("rip"), jump_to_itself, 2, &err), RS_OK);
    step(2500000, RS_INSN);
    ck_assert_int_eq(search_back(), RS_STOPPED);
    ck_assert_uint_eq(rs_position(machine).atom, 1);
    ck_assert_uint_eq(rs_hash(world, RS_HASH_ALL), was);
    rs_unwatch(world, id);
}
END_TEST

static void stop_now(const struct rs_event *event, void *arg)
{
    bool *stopped = arg;
    (void)event;
    *stopped |= rs_stop_here(world);
}

START_TEST(nothing_stops_a_search)
{
    bool stopped = false;
    step(50, RS_INSN);
    int id = rs_watch(world, RS_PROBE_insn, true, stop_now, &stopped);
    ck_assert_int_eq(search_back(), RS_DONE);
    ck_assert(!stopped);
    rs_begin_run(world, UINT64_MAX);
    ck_assert_int_eq(go(), RS_STOPPED);
    ck_assert(stopped);
    rs_unwatch(world, id);
}
END_TEST

/* ---- accesses and ends of atoms ---- */

static struct {
    uint64_t loads, stores, stored;
} seen;

static void see_access(const struct rs_event *event, void *arg)
{
    uint64_t hpa;
    (void)arg;
    seen.loads += !event->field[2];
    seen.stores += event->field[2];
    if (event->field[2] && event->field[0] >= 0x200000)
        seen.stored += event->field[4];
    ck_assert_uint_eq(event->field[3], 8);
    ck_assert_int_eq(rs_linear_to_hpa(machine, 0, event->field[0], &hpa), RS_OK);
    ck_assert_uint_eq(event->field[1], hpa);
}

static uint64_t counter(const char *name)
{
    for (size_t i = 0; i < rs_counter_count(); i++)
        if (strcmp(rs_counter_info(i)->name, name) == 0)
            return rs_counter(machine, 0, i);
    ck_abort_msg("no counter %s", name);
}

START_TEST(every_access_is_told_and_costs_nothing)
{
    uint64_t was = run_out();
    rs_world_free(world);
    new_world(NULL);
    step(100, RS_INSN); /* short cuts to the pages are there already */
    uint64_t loads = counter("loads"), stores = counter("stores");
    memset(&seen, 0, sizeof seen);
    int id = rs_watch(world, RS_PROBE_access, false, see_access, NULL);
    step(500, RS_INSN);
    rs_unwatch(world, id);
    ck_assert_uint_eq(seen.loads, counter("loads") - loads);
    ck_assert_uint_eq(seen.stores, counter("stores") - stores);
    ck_assert_uint_gt(seen.stored, 0);
    ck_assert_uint_eq(run_out(), was);
}
END_TEST

static uint64_t atoms_seen;

static void see_atom(const struct rs_event *event, void *arg)
{
    struct core *c = arg;
    ck_assert_uint_eq(event->rip, c->s.rip);
    atoms_seen++;
}

/* HLT's wait, a fault raised, its delivery, a VM entry and an exit: each once; an instruction: never. */
START_TEST(other_atoms_are_told)
{
    struct bare b;
    guest_open(&b);
    rs_watch(b.world, RS_PROBE_atom, true, see_atom, b.core);
    atoms_seen = 0;
    BARE_INSN(&b, "\x90");
    bare_atoms(&b, 1);
    ck_assert_uint_eq(atoms_seen, 0);
    guest_launch(&b);
    ck_assert_uint_eq(atoms_seen, 1);
    GUEST_RUN(&b, "\x0f\xa2"); /* CPUID */
    ck_assert_uint_eq(atoms_seen, 2);
    ck_assert_uint_eq(b.core->s.rip, GUEST_HOST);
    GUEST_RUN(&b, "\x0f\x0b"); /* UD2 */
    ck_assert_uint_eq(atoms_seen, 3);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(atoms_seen, 4);
    bare_close(&b);
}
END_TEST

START_TEST(linear_addresses_lie_where_they_are_read)
{
    uint64_t hpa;
    ck_assert_int_eq(rs_linear_to_hpa(machine, 0, 0xffff800000123456u, &hpa), RS_OK);
    ck_assert_uint_eq(hpa, 0x123456);
    ck_assert_int_eq(rs_linear_to_hpa(machine, 0, 0x700000000000, &hpa), RS_FAILED);
    ck_assert_int_eq(rs_linear_to_hpa(machine, 0, 0x8000000000000000u, &hpa), RS_FAILED);
}
END_TEST

/* ---- what a face has kept ---- */

static struct tally {
    uint64_t accesses, last;
} tally;

static void count_access(const struct rs_event *event, void *arg)
{
    struct tally *t = arg;
    t->accesses++;
    t->last = event->cycle;
}

static void expect_tally(uint64_t accesses, const char *how)
{
    ck_assert_msg(tally.accesses == accesses, "%s: %llu accesses, not %llu", how,
                  (unsigned long long)tally.accesses, (unsigned long long)accesses);
}

/* Whole atoms, and the middle of one: the load has been made, its line has not come yet. */
START_TEST(what_is_kept_goes_with_the_position)
{
    struct rs_error err;
    tally = (struct tally){0};
    ck_assert_int_ne(rs_keep(world, &tally, sizeof tally), 0);
    rs_watch(world, RS_PROBE_access, true, count_access, &tally);
    step(2 + 7 * 100, RS_INSN);
    expect_tally(400, "forward");
    rs_snapshot *shot = rs_snapshot_take(world);
    step(700, RS_INSN);
    expect_tally(800, "on");
    step(100, RS_MICRO);
    uint64_t inside = tally.accesses;
    struct rs_position at = rs_position(machine);
    rs_begin_seek(world, (struct rs_position){2 + 7 * 50, 0});
    go();
    expect_tally(200, "back");
    rs_begin_seek(world, at);
    go();
    expect_tally(inside, "inside an atom");
    rs_begin_undo(world);
    go();
    expect_tally(200, "undo");
    ck_assert_int_eq(rs_snapshot_restore(world, shot, &err), RS_OK);
    expect_tally(400, "restored");
    rs_snapshot_free(shot);
    rs_power_cycle(machine);
    expect_tally(0, "switched off");
}
END_TEST

START_TEST(what_was_not_kept_then_is_zero)
{
    char byte = 7, others[8];
    step(10, RS_INSN);
    int id = rs_keep(world, &byte, 1);
    rs_begin_seek(world, (struct rs_position){3, 0});
    go();
    ck_assert_int_eq(byte, 0);
    byte = 8;
    rs_unkeep(world, id);
    rs_begin_seek(world, (struct rs_position){2, 0});
    go();
    ck_assert_int_eq(byte, 8);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_ne(rs_keep(world, &others[i], 1), 0);
    ck_assert_int_eq(rs_keep(world, &byte, 1), 0);
}
END_TEST

/* ---- each event once ---- */

#define EVENTS 20000

struct events {
    size_t n;
    struct happened {
        uint64_t probe, atom, micro, cycle;
    } event[EVENTS];
};

static struct events planned, told;

static void note_event(const struct rs_event *e, void *arg)
{
    struct events *list = arg;
    ck_assert_uint_lt(list->n, EVENTS);
    list->event[list->n++] = (struct happened){e->probe, e->atom, e->micro, e->cycle};
}

static void watch_all(struct events *list)
{
    list->n = 0;
    for (int probe = 0; probe < RS_PROBES; probe++)
        rs_watch(world, (enum rs_probe)probe, false, note_event, list);
}

static bool has_happened(const struct happened *e)
{
    struct rs_position now = rs_position(machine);
    return e->atom < now.atom || (e->atom == now.atom && e->micro <= now.micro);
}

/* Steps of any size tell of what they have come by, at once, in order, and of nothing else. */
START_TEST(steps_tell_of_each_event_once)
{
    static const uint64_t size[] = {1, 2, 7};
    watch_all(&planned);
    step(500, RS_INSN);
    for (size_t k = 0; k < 3; k++) {
        rs_world_free(world);
        new_world(NULL);
        watch_all(&told);
        while (rs_position(machine).atom < 300) {
            step(size[k], (enum rs_unit)_i);
            for (size_t e = 0; e < told.n; e++)
                ck_assert_mem_eq(&told.event[e], &planned.event[e], sizeof told.event[e]);
            ck_assert(told.n == 0 || has_happened(&told.event[told.n - 1]));
            ck_assert(!has_happened(&planned.event[told.n]));
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("watch");
    TCase *tests = tcase_create("watch");
    tcase_add_checked_fixture(tests, begin, end);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, registers_are_set);
    tcase_add_test(tests, what_no_register_can_have_is_refused);
    tcase_add_test(tests, a_register_is_part_of_the_past_and_of_the_log);
    tcase_add_loop_test(tests, damaged_registers_in_a_log_are_refused, 0, 7);
    tcase_add_test(tests, the_last_place_that_is_named_is_found);
    tcase_add_test(tests, the_search_goes_over_checkpoints);
    tcase_add_test(tests, nothing_stops_a_search);
    tcase_add_test(tests, every_access_is_told_and_costs_nothing);
    tcase_add_test(tests, other_atoms_are_told);
    tcase_add_test(tests, linear_addresses_lie_where_they_are_read);
    tcase_add_loop_test(tests, steps_tell_of_each_event_once, 0, RS_WALK);
    tcase_add_test(tests, what_is_kept_goes_with_the_position);
    tcase_add_test(tests, what_was_not_kept_then_is_zero);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
