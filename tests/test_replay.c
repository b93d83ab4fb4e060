/* test_replay.c - snapshots, and runs that are recorded and replayed: each goes on as the run that it comes
 * from. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/past.h"
#include "lib/suite.h"
#include "lib/temporary.h"

/* ---- snapshots, record and replay ---- */

START_TEST(a_restored_snapshot_goes_on_alike)
{
    past_step(333, RS_MICRO);
    uint64_t here = past_hash();
    rs_snapshot *s = rs_snapshot_take(past_world);
    past_step(500, RS_INSN);
    uint64_t later = past_hash();
    ck_assert_int_eq(rs_snapshot_restore(past_world, s, NULL), RS_OK);
    ck_assert_uint_eq(past_hash(), here);
    past_step(500, RS_INSN);
    ck_assert_uint_eq(past_hash(), later);
    rs_snapshot_free(s);
}
END_TEST

static void other_latency(void)
{
    struct rs_error err;
    struct rs_params *p = rs_params_of(past_machine);
    ck_assert_int_eq(rs_params_set(p, "mem_latency", 171, &err), RS_OK);
    rs_power_cycle(past_machine);
    ck_assert_int_eq(rs_set_params(past_machine, p, &err), RS_OK);
    rs_params_free(p);
}

START_TEST(parameters_are_part_of_the_hash_and_of_a_snapshot)
{
    struct rs_error err = {""};
    rs_power_cycle(past_machine);
    uint64_t before = past_hash();
    rs_snapshot *s = rs_snapshot_take(past_world);
    other_latency();
    ck_assert_uint_ne(past_hash(), before);
    ck_assert_int_eq(rs_snapshot_restore(past_world, s, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "parameters") != NULL, "%s", err.text);
    rs_snapshot_free(s);
}
END_TEST

START_TEST(a_snapshot_survives_its_file)
{
    char path[256];
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    past_type("hello");
    past_step(1234, RS_MICRO);
    uint64_t here = past_hash();
    rs_snapshot *s = rs_snapshot_take(past_world);
    ck_assert_msg(rs_snapshot_save(s, path, &err) == RS_OK, "%s", err.text);
    rs_snapshot_free(s);
    rs_power_cycle(past_machine);
    ck_assert_uint_ne(past_hash(), here);
    s = rs_snapshot_load(past_world, path, &err);
    ck_assert_msg(s != NULL, "%s", err.text);
    ck_assert_int_eq(rs_snapshot_restore(past_world, s, &err), RS_OK);
    ck_assert_uint_eq(past_hash(), here);
    rs_snapshot_free(s);
    unlink(path);
}
END_TEST

START_TEST(a_save_replaces_only_snapshots)
{
    char path[256];
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    rs_snapshot *s = rs_snapshot_take(past_world);
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
    past_step(100, RS_INSN);
    rs_snapshot *s = rs_snapshot_take(past_world);
    ck_assert_int_eq(rs_snapshot_save(s, path, &err), RS_OK);
    rs_snapshot_free(s);
    FILE *f = fopen(path, "rb");
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    ck_assert_uint_gt(n, 1000);
    uint64_t here = past_hash();
    for (unsigned i = 0; i < 200; i++) {
        size_t at = i * n / 200, size = i % 2 ? at : n;
        file[at] ^= 0x10;
        f = fopen(path, "wb");
        fwrite(file, 1, size, f);
        fclose(f);
        file[at] ^= 0x10;
        s = rs_snapshot_load(past_world, path, &err);
        ck_assert_msg(s == NULL, "byte %zu flipped, %zu of %zu bytes: accepted", at, size, n);
        ck_assert_msg(strstr(err.text, path) != NULL, "%s", err.text);
    }
    ck_assert_uint_eq(past_hash(), here);
    unlink(path);
}
END_TEST

/* The same image in a world of its own, with the inputs of a log. */
static void start_over(const char *log)
{
    struct rs_config config;
    struct rs_error err = {""};
    struct rs_boot how = {.path = past_image, .cmdline = "program"};
    rs_world_free(past_world);
    past_world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = 4 << 20;
    past_machine = rs_machine_new(past_world, &config, &err);
    ck_assert_msg(rs_replay(past_world, log, &err) == RS_OK, "%s", err.text);
    ck_assert_msg(rs_boot(past_machine, &how, &err) == RS_OK, "%s", err.text);
    ck_assert_msg(rs_replay_trouble(past_world) == NULL, "%s", rs_replay_trouble(past_world));
}

static void begin_record(char path[256])
{
    struct rs_error err = {""};
    ck_assert(temporary_file(path));
    ck_assert_msg(rs_record(past_world, path, &err) == RS_OK, "%s", err.text);
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
    uint64_t start = past_hash();
    FILE *f = fopen(path, "w");
    fprintf(f, "ringside-log 1\nstart %016llx\nA 5 0 poke 0x200000 61\nA 7 1 console 0 62\n%s\n",
            (unsigned long long)start, line[_i]);
    fclose(f);
    rs_power_cycle(past_machine);
    ck_assert_int_eq(rs_replay(past_world, path, &err), RS_OK);
    struct rs_boot how = {.path = past_image, .cmdline = "program"};
    ck_assert_int_eq(rs_boot(past_machine, &how, &err), RS_FAILED);
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
    ck_assert_int_eq(rs_record(past_world, path, &err), RS_OK);
    past_step(5, RS_INSN);
    ck_assert_int_eq(rs_input_poke(past_machine, 0x200000, bytes, sizeof bytes, &err), RS_OK);
    start_over(path);
    past_step(6, RS_INSN); /* the input is made when the run moves on from there */
    uint8_t last = 0;
    rs_read(past_machine, 0x200000 + sizeof bytes - 1, &last, 1);
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
    past_step(5, RS_INSN);
    past_type("first");
    past_step(100, RS_INSN);
    past_type("a second one, much longer than what is to come");
    past_seek((struct rs_position){2, 0});
    past_type("x");
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    uint64_t was = past_hash();
    start_over(path);
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    ck_assert_uint_eq(past_hash(), was);
    ck_assert_int_eq(memcmp(rs_console(past_machine, 0, &n), "x", 1), 0);
    ck_assert_uint_eq(n, 1);
    unlink(path);
}
END_TEST

static uint8_t byte_at(uint64_t hpa)
{
    uint8_t byte = 0;
    ck_assert_int_eq(rs_read(past_machine, hpa, &byte, 1), RS_OK);
    return byte;
}

static void poke(uint8_t byte)
{
    struct rs_error err = {""};
    ck_assert_msg(rs_input_poke(past_machine, 0x300000, &byte, 1, &err) == RS_OK, "%s", err.text);
}

/* Looks between its inputs, of which two come at one atom, one inside an atom and one when all is over. */
static uint64_t looks_between(void)
{
    past_step(10, RS_INSN);
    ck_assert_uint_eq(byte_at(0x300000), 0);
    poke(1);
    ck_assert_uint_eq(byte_at(0x300000), 1);
    poke(2);
    past_back(1, RS_INSN);
    past_step(1, RS_INSN);
    ck_assert_uint_eq(byte_at(0x300000), 2);
    past_step(1, RS_MICRO);
    poke(3);
    past_step(1, RS_INSN);
    ck_assert_uint_eq(byte_at(0x300000), 3);
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    ck_assert_uint_eq(byte_at(0x300000), 3);
    poke(4);
    ck_assert_uint_eq(byte_at(0x300000), 4);
    return past_hash();
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
    past_step(50, RS_INSN);
    rs_snapshot *s = rs_snapshot_take(past_world);
    past_type(first);
    past_step(100, RS_INSN);
    ck_assert_int_eq(rs_snapshot_restore(past_world, s, NULL), RS_OK);
    past_type(second);
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    rs_snapshot_free(s);
}

/* A restore is another start: the log tells its inputs apart. */
START_TEST(a_replay_follows_a_restore)
{
    char path[256];
    begin_record(path);
    restored_and_typed("one", "another");
    uint64_t was = past_hash();
    start_over(path);
    restored_and_typed("", "");
    ck_assert_msg(rs_replay_trouble(past_world) == NULL, "%s", rs_replay_trouble(past_world));
    ck_assert_uint_eq(past_hash(), was);
    unlink(path);
}
END_TEST

START_TEST(a_replay_repeats_the_recorded_run)
{
    char path[256];
    begin_record(path);
    past_step(77, RS_INSN);
    past_type("one");
    past_step(50, RS_MICRO);
    past_type("two");
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    uint64_t was = past_hash();
    start_over(path);
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
    ck_assert_uint_eq(past_hash(), was);
    unlink(path);
}
END_TEST

#define POKED 0x200000

static unsigned stores_left;
static uint64_t poked_in;

static uint8_t poked_byte(void)
{
    uint8_t byte = 0;
    rs_read(past_machine, POKED, &byte, 1);
    return byte;
}

static void poke_at_a_store(const struct rs_event *e, void *arg)
{
    struct rs_error err = {""};
    (void)arg;
    if (stores_left == 0 || --stores_left)
        return;
    poked_in = e->atom;
    ck_assert_int_eq(rs_input_poke(past_machine, POKED, "x", 1, &err), RS_OK);
    ck_assert_uint_eq(poked_byte(), 0);
}

static void run_with_handler(void)
{
    stores_left = 40;
    rs_watch(past_world, RS_PROBE_access, false, poke_at_a_store, NULL);
    rs_begin_run(past_world, UINT64_MAX);
    past_go();
}

/* A handler is called in the midst of an atom; no replay could apply an input there. */
START_TEST(a_handlers_input_is_applied_behind_its_atom)
{
    char path[256];
    begin_record(path);
    run_with_handler();
    uint64_t was = past_hash();
    ck_assert_uint_eq(stores_left, 0);
    past_seek((struct rs_position){poked_in, 0});
    ck_assert_uint_eq(poked_byte(), 0);
    past_seek((struct rs_position){poked_in + 1, 0});
    ck_assert_uint_eq(poked_byte(), 'x');
    start_over(path);
    run_with_handler();
    ck_assert_uint_eq(past_hash(), was);
    past_seek((struct rs_position){poked_in, 0});
    ck_assert_uint_eq(poked_byte(), 0);
    unlink(path);
}
END_TEST

START_TEST(a_log_of_another_machine_is_refused)
{
    char path[256];
    struct rs_error err = {""};
    begin_record(path);
    past_type("x");
    ck_assert_int_eq(rs_replay(past_world, path, &err), RS_FAILED); /* too late */
    other_latency();
    ck_assert_int_eq(rs_replay(past_world, path, &err), RS_OK);
    struct rs_boot how = {.path = past_image, .cmdline = "program"};
    ck_assert_int_eq(rs_boot(past_machine, &how, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "not the same") != NULL, "%s", err.text);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("replay");
    TCase *files = tcase_create("snapshots and logs");
    tcase_add_checked_fixture(files, past_boot, past_end);
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
    tcase_add_test(files, a_handlers_input_is_applied_behind_its_atom);
    suite_add_tcase(suite, files);
    return suite_run(suite);
}
