/* test_loader.c - images, good and bad, and what the boot protocol promises. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/boot.h"
#include "lib/elf_image.h"
#include "lib/suite.h"
#include "ringside.h"

static const uint8_t code[] = {0xb0, 0x00, 0xe6, 0xf4}; /* mov al, 0; out 0xf4, al */

static rs_world *world;
static rs_machine *machine;
static char path[256];
static struct rs_error err;

static void begin(void)
{
    const struct elf_segment segment = {0x100000, code, sizeof code};
    struct rs_config config;
    world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = 4 << 20;
    machine = rs_machine_new(world, &config, &err);
    ck_assert(machine != NULL);
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
}

static void end(void)
{
    rs_world_free(world);
    unlink(path);
}

static enum rs_status boot(void)
{
    const struct rs_boot how = {.path = path, .cmdline = "image and words"};
    return rs_boot(machine, &how, &err);
}

static void patch(long at, uint64_t value, unsigned n)
{
    FILE *f = fopen(path, "r+b");
    fseek(f, at, SEEK_SET);
    for (unsigned i = 0; i < n; i++)
        fputc((int)(value >> 8 * i & 0xff), f);
    fclose(f);
}

static void refused(const char *why)
{
    uint64_t before = rs_hash(world, RS_HASH_ALL);
    ck_assert_int_eq(boot(), RS_FAILED);
    ck_assert_msg(strstr(err.text, path) != NULL, "no file in: %s", err.text);
    ck_assert_msg(strstr(err.text, why) != NULL, "'%s' not in: %s", why, err.text);
    ck_assert_uint_eq(rs_hash(world, RS_HASH_ALL), before);
}

/* ---- good ---- */

static uint64_t reg(const char *name)
{
    uint64_t value = 0;
    ck_assert_int_eq(rs_reg(machine, 0, name, &value), RS_OK);
    return value;
}

START_TEST(entry_state_is_the_boot_protocols)
{
    ck_assert_msg(boot() == RS_OK, "%s", err.text);
    ck_assert_uint_eq(reg("rip"), 0x100000);
    ck_assert_uint_eq(reg("rax"), BOOT_MAGIC);
    ck_assert_uint_eq(reg("cs"), BOOT_CS);
    ck_assert_uint_eq(reg("ss"), BOOT_DS);
    ck_assert_uint_eq(reg("efer") & 0x501, 0x501); /* SCE, LME, LMA */
    ck_assert_uint_eq(reg("cr0"), 0x80010031);     /* PG, WP, NE, ET, PE */
    ck_assert_uint_eq(reg("cr4"), 0x20);           /* PAE */
    ck_assert_uint_eq(reg("rflags"), 2);
    ck_assert_uint_ne(reg("rsp"), 0);
}
END_TEST

START_TEST(the_promised_addresses_are_mapped)
{
    static const struct {
        uint64_t gva, hpa;
    } row[] = {
        {0, 0},
        {0x12345678, 0x12345678},
        {0xffffffff, 0xffffffff},
        {0xffff800000000000, 0},
        {0xffff80007fffffff, 0x7fffffff},
        {0xffffffff80000000, 0},
        {0xffffffffffffffff, 0x7fffffff},
    };
    ck_assert_int_eq(boot(), RS_OK);
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        struct rs_walk walk;
        rs_translate(machine, 0, row[i].gva, RS_WRITE, false, &walk);
        ck_assert_int_eq(walk.owner, RS_NO_FAULT);
        ck_assert_uint_eq(walk.hpa, row[i].hpa);
        if (row[i].hpa < 4 << 20) /* where there is no RAM, pieces of 4 KiB are kept */
            ck_assert_uint_eq(walk.page_bytes, 2 << 20);
    }
    static const uint64_t unmapped[] = {UINT64_C(1) << 32, 0xffff800080000000, 0xffffffff7fffffff};
    for (size_t i = 0; i < 3; i++) {
        struct rs_walk walk;
        rs_translate(machine, 0, unmapped[i], RS_READ, false, &walk);
        ck_assert_int_eq(walk.owner, RS_GUEST_FAULT);
    }
}
END_TEST

START_TEST(the_information_block_tells_of_memory_words_and_modules)
{
    struct boot_info info;
    struct boot_module module[2];
    char text[32];
    const struct rs_boot_module modules[2] = {{path, "one"}, {path, "two x=y"}};
    const struct rs_boot how = {.path = path, .cmdline = "image a b", .modules = modules, .module_count = 2};
    ck_assert_msg(rs_boot(machine, &how, &err) == RS_OK, "%s", err.text);
    rs_read(machine, reg("rbx"), &info, sizeof info);
    ck_assert_uint_eq(info.flags, BOOT_INFO_MEMORY | BOOT_INFO_CMDLINE | BOOT_INFO_MODS | BOOT_INFO_MMAP);
    rs_read(machine, info.cmdline, text, sizeof text);
    ck_assert_str_eq(text, "image a b");
    ck_assert_uint_eq(info.mods_count, 2);
    rs_read(machine, info.mods_addr, module, sizeof module);
    rs_read(machine, module[1].string, text, sizeof text);
    ck_assert_str_eq(text, "two x=y");
    ck_assert_uint_eq(module[1].start % 4096, 0);
    ck_assert_uint_ge(module[1].start, module[0].end);
    rs_read(machine, module[0].start, text, 4);
    ck_assert_int_eq(memcmp(text, "\177ELF", 4), 0);
    struct boot_mmap map[3];
    ck_assert_uint_eq(info.mmap_length, sizeof map);
    rs_read(machine, info.mmap_addr, map, sizeof map);
    ck_assert_uint_eq(map[1].base_low, 0xe0000);
    ck_assert_uint_eq(map[1].type, BOOT_MMAP_RESERVED);
    ck_assert_uint_eq(map[2].base_low + map[2].length_low, 4 << 20);
}
END_TEST

START_TEST(the_memory_map_spares_the_apic)
{
    struct boot_info info;
    struct boot_mmap map[4];
    struct rs_config config;
    rs_world_free(world);
    world = rs_world_new();
    rs_config_init(&config);
    config.ram_bytes = UINT64_C(5) << 30;
    machine = rs_machine_new(world, &config, &err);
    ck_assert_msg(machine && boot() == RS_OK, "%s", err.text);
    rs_read(machine, reg("rbx"), &info, sizeof info);
    ck_assert_uint_eq(info.mmap_length, sizeof map);
    rs_read(machine, info.mmap_addr, map, sizeof map);
    ck_assert_uint_le((uint64_t)map[2].base_low + map[2].length_low, 0xfec00000);
    ck_assert_uint_eq(map[3].base_high, 1);
    ck_assert_uint_eq(map[3].length_low, 1 << 30);
}
END_TEST

START_TEST(reset_loads_the_image_again)
{
    const uint8_t junk[4] = {0xcc, 0xcc, 0xcc, 0xcc};
    uint8_t bytes[sizeof code];
    ck_assert_int_eq(boot(), RS_OK);
    ck_assert_int_eq(rs_input_poke(machine, 0x100000, junk, sizeof junk, &err), RS_OK);
    ck_assert_int_eq(rs_input_poke(machine, 0x300000, junk, sizeof junk, &err), RS_OK);
    ck_assert_int_eq(rs_input_poke(machine, BOOT_INFO, junk, sizeof junk, &err), RS_OK);
    rs_reset(machine);
    rs_read(machine, 0x100000, bytes, sizeof bytes);
    ck_assert_mem_eq(bytes, code, sizeof code);
    rs_read(machine, 0x300000, bytes, sizeof bytes); /* nobody loads that */
    ck_assert_mem_eq(bytes, junk, sizeof junk);
    rs_read(machine, BOOT_INFO, bytes, sizeof bytes);
    ck_assert_mem_ne(bytes, junk, sizeof junk);
    ck_assert_uint_eq(reg("rip"), 0x100000);
}
END_TEST

/* ---- bad ---- */

static uint64_t feature_control(void)
{
    uint64_t value = UINT64_MAX;
    ck_assert(rs_state_get(machine, 0, "feature_control", 0, &value) == RS_OK);
    return value;
}

/* Firmware settings hold from the next power cycle on, and go back with a snapshot. */
START_TEST(firmware_settings_need_a_power_cycle)
{
    ck_assert(boot() == RS_OK);
    rs_snapshot *locked = rs_snapshot_take(world);
    rs_set_firmware(machine, rs_firmware(machine) & ~(uint64_t)RS_FW_LOCK);
    rs_reset(machine);
    ck_assert_uint_eq(feature_control(), 5);
    rs_power_cycle(machine);
    ck_assert_uint_eq(feature_control(), 4);
    ck_assert(rs_snapshot_restore(world, locked, &err) == RS_OK);
    ck_assert_uint_eq(feature_control(), 5);
    rs_power_cycle(machine);
    ck_assert_uint_eq(feature_control(), 5);
    rs_snapshot_free(locked);
}
END_TEST

START_TEST(a_missing_file)
{
    unlink(path);
    refused("No such file");
}
END_TEST

START_TEST(a_directory)
{
    const struct rs_boot how = {.path = "/", .cmdline = ""};
    ck_assert_int_eq(rs_boot(machine, &how, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "not a regular file") != NULL, "%s", err.text);
}
END_TEST

START_TEST(not_elf)
{
    patch(0, 0x20796d, 3);
    refused("not an ELF file");
}
END_TEST

START_TEST(an_empty_file)
{
    ck_assert_int_eq(truncate(path, 0), 0);
    refused("not an ELF file");
}
END_TEST

START_TEST(elf32)
{
    patch(4, 1, 1);
    refused("32-bit");
}
END_TEST

START_TEST(another_machine)
{
    patch(18, 183, 2); /* arm64 */
    refused("another machine");
}
END_TEST

START_TEST(not_an_executable)
{
    patch(16, 3, 2); /* ET_DYN */
    refused("not an executable");
}
END_TEST

START_TEST(cut_off_in_a_segment)
{
    ck_assert_int_eq(truncate(path, 121), 0);
    refused("truncated");
}
END_TEST

START_TEST(cut_off_in_the_headers)
{
    ck_assert_int_eq(truncate(path, 100), 0);
    refused("runcated");
}
END_TEST

START_TEST(segment_outside_ram)
{
    patch(64 + 24, 0x10000000, 8); /* p_paddr */
    refused("end of RAM");
}
END_TEST

START_TEST(segment_below_one_mebibyte)
{
    patch(64 + 24, 0x8000, 8);
    refused("1 MiB");
}
END_TEST

START_TEST(segment_that_wraps)
{
    patch(64 + 24, UINT64_MAX - 1, 8);
    refused("impossible");
}
END_TEST

START_TEST(huge_segment)
{
    patch(64 + 40, UINT64_C(1) << 60, 8); /* p_memsz */
    refused("RAM");
}
END_TEST

START_TEST(entry_in_no_segment)
{
    patch(24, 0x5000, 8);
    refused("entry point");
}
END_TEST

START_TEST(overlapping_segments)
{
    const struct elf_segment segment[2] = {{0x100000, code, sizeof code}, {0x100002, code, sizeof code}};
    ck_assert(elf_image_write(path, 0x100000, segment, 2));
    refused("overlap");
}
END_TEST

START_TEST(unknown_entry_symbol)
{
    const struct rs_boot how = {.path = path, .cmdline = "", .entry = "nowhere"};
    ck_assert_int_eq(rs_boot(machine, &how, &err), RS_FAILED);
    ck_assert_msg(strstr(err.text, "'nowhere'") != NULL, "%s", err.text);
}
END_TEST

START_TEST(a_second_boot)
{
    ck_assert_int_eq(boot(), RS_OK);
    ck_assert_int_eq(boot(), RS_FAILED);
    ck_assert_msg(strstr(err.text, "power-cycle") != NULL, "%s", err.text);
    rs_power_cycle(machine);
    ck_assert_int_eq(boot(), RS_OK);
}
END_TEST

/* Every byte of the headers set to values that parsers trip over: refused with a message or booted, never a
 * crash. */
START_TEST(mutated_headers_never_hurt)
{
    static const uint8_t value[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (long at = 0; at < 64 + 56; at++) {
        FILE *f = fopen(path, "rb");
        fseek(f, at, SEEK_SET);
        int was = fgetc(f);
        fclose(f);
        patch(at, value[_i], 1);
        if (boot() == RS_OK)
            rs_power_cycle(machine);
        else
            ck_assert_msg(err.text[0] != 0, "no message for byte %ld", at);
        patch(at, (uint64_t)was, 1);
    }
}
END_TEST

int main(void)
{
    const TTest *const good[] = {entry_state_is_the_boot_protocols,
                                 the_promised_addresses_are_mapped,
                                 the_information_block_tells_of_memory_words_and_modules,
                                 the_memory_map_spares_the_apic,
                                 reset_loads_the_image_again,
                                 firmware_settings_need_a_power_cycle};
    const TTest *const bad[] = {
        a_missing_file,
        a_directory,
        not_elf,
        an_empty_file,
        elf32,
        another_machine,
        not_an_executable,
        cut_off_in_a_segment,
        cut_off_in_the_headers,
        segment_outside_ram,
        segment_below_one_mebibyte,
        segment_that_wraps,
        huge_segment,
        entry_in_no_segment,
        overlapping_segments,
        unknown_entry_symbol,
        a_second_boot,
    };
    Suite *suite = suite_create("loader");
    TCase *tests = tcase_create("loader");
    tcase_add_checked_fixture(tests, begin, end);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        tcase_add_test(tests, good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        tcase_add_test(tests, bad[i]);
    tcase_add_loop_test(tests, mutated_headers_never_hurt, 0, 5);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
