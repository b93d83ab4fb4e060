/* test_hv.c - the hypervisor on the machine: its guests, its management line, and what it makes of bad input.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/elf_image.h"
#include "lib/hv_run.h"
#include "lib/suite.h"

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void setup(void)
{
    open_world(64, HV_FIRMWARE, 1);
}

/* ---- guests ---- */

static const struct guest {
    const char *image, *cmdline, *module;
} guests[] = {
    {"hello", "hello a b", "v image=hello -- a b"},
    {"tiny", "tiny", "v image=tiny"},
    {"walk", "walk", "v image=walk"},
    {"walk", "walk 2m", "v image=walk page=2m -- 2m"},
    {"fault", "fault", "v image=fault"},
    {"fault", "fault", "v image=fault lazy=yes"},
    {"ticker", "ticker 3 1000", "v image=ticker -- 3 1000"},
    {"cpuid", "cpuid 10", "v image=cpuid -- 10"},
    {"vmcall", "vmcall 10", "v image=vmcall -- 10"},
    {"ports", "ports", "v image=ports"},
    {"ports", "ports", "v image=ports ram=4M page=2m lazy=yes"},
    {"rights", "rights", "v image=rights"},
    {"tables", "tables", "v image=tables"},
    {"tables", "tables", "v image=tables page=2m lazy=yes"},
    {"tables", "tables", "v image=tables tables=24"},
    {"breakpoint", "breakpoint", "v image=breakpoint"},
    {"interrupted", "interrupted", "v image=interrupted"},
    {"interrupted", "interrupted", "v image=interrupted lazy=yes page=2m"},
    {"uart", "uart", "v image=uart"},
    {"msr", "msr", "v image=msr"},
    {"alu", "alu 1000", "v image=alu -- 1000"},
    {"alarm", "alarm 5 50000", "v image=alarm -- 5 50000"},
    {"chase", "chase 300 1000", "v image=chase lazy=yes -- 300 1000"},
    {"chase", "chase 300 1000 7", "v image=chase -- 300 1000 7"},
};

/* Both ways of virtualising memory, and one with the guest's faults sent round: tests that loop over a table
 * do so with each. */
static const char *const mmus[] = {"nested", "shadow", "nested faults=hypervisor"};
#define MMUS 3

/* The VM's string, "v ...", with its mmu= behind the name. */
static const char *with_mmu(const char *module, int mmu)
{
    static char string[256];
    size_t name = strcspn(module, " ");
    snprintf(string, sizeof string, "%.*s mmu=%s%s", (int)name, module, mmus[mmu], module + name);
    if (strcmp(mmus[mmu], "shadow") != 0)
        without_tables(string);
    return string;
}

START_TEST(same_output_bare_and_in_a_vm)
{
    const struct guest *g = &guests[_i / MMUS];
    char image[64], bare[HV_TEXT_BYTES], virtual[HV_TEXT_BYTES];
    snprintf(image, sizeof image, "guests/%s.elf", g->image);
    boot(image, g->cmdline);
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    snprintf(bare, sizeof bare, "%s", console_from(0, 0));
    close_world();
    setup();
    add_vm(g->image, with_mmu(g->module, _i % MMUS));
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    vm_lines("v", virtual);
    ck_assert(strlen(bare) > 0);
    must_be_same(bare, virtual);
}
END_TEST

/* Two across two pages, and one each into a read-only page and through two malformed entries: without an exit
 * of their own. */
START_TEST(faults_of_string_io_are_the_guests)
{
    add_vm("ports", "v image=ports");
    boot("hv/hv.elf", "hv --stay");
    run_until(10000000);
    must_say("v stopped by debug-exit, status 1");
    reply_has("stats v", "fault=1 count=5 ");
    ck_assert_ptr_null(strstr(command("stats v"), "exit=0 "));
}
END_TEST

START_TEST(vms_take_turns)
{
    add_vm("ticker", "a image=ticker -- 4 1500000");
    add_vm("ticker", "b image=ticker -- 4 1500000");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    const char *text = console_from(0, 0);
    ck_assert_ptr_nonnull(strstr(text, "[b] tick 1"));
    ck_assert(strstr(text, "[b] tick 1") < strstr(text, "[a] tick 4"));
    ck_assert(strstr(text, "[a] tick 1") < strstr(text, "[b] tick 4"));
}
END_TEST

START_TEST(weight_gives_longer_turns)
{
    add_vm("ticker", "a image=ticker weight=8 -- 0 1000");
    add_vm("ticker", "b image=ticker -- 0 1000");
    boot_hv();
    run_until(60000000);
    uint64_t a = stat_of("a", "guest_cycles="), b = stat_of("b", "guest_cycles=");
    ck_assert_msg(a > 5 * b && a < 12 * b, "guest cycles %llu and %llu", (unsigned long long)a,
                  (unsigned long long)b);
}
END_TEST

/* Handlers count in the quantum: a VM that exits all the time has no more of the machine than one that never
 * does. */
START_TEST(exits_do_not_stretch_a_turn)
{
    add_vm("cpuid", "storm image=cpuid -- 1000000000");
    add_vm("alu", "calm image=alu -- 1000000000");
    boot_hv();
    run_until(60000000);
    uint64_t storm = stat_of("storm", "guest_cycles=") + stat_of("storm", "handler_cycles=");
    uint64_t calm = stat_of("calm", "guest_cycles=") + stat_of("calm", "handler_cycles=");
    ck_assert_uint_gt(stat_of("storm", "exits="), 100 * stat_of("storm", "turns="));
    ck_assert_msg(storm < calm * 5 / 4 && calm < storm * 5 / 4, "cycles %llu and %llu",
                  (unsigned long long)storm, (unsigned long long)calm);
}
END_TEST

/* ---- what a VM does to itself ---- */

static const struct hostile {
    const char *name;
    const uint8_t *code;
    size_t bytes;
    const char *says;
} hostiles[] = {
#define CODE(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})
    {"ud2 without an IDT", CODE(0x0f, 0x0b), "h crashed: triple fault"},
    {"ud2 with an IDT that is not mapped",
     CODE(0x0f, 0x01, 0x1d, 2, 0, 0, 0, 0x0f, 0x0b, 0xff, 0x0f, 0, 0, 0, 0, 0, 0x70, 0, 0),
     "h crashed: triple fault"},
    {"hlt with interrupts off", CODE(0xf4), "h halted for ever"},
    {"ins to nowhere without an IDT", CODE(0x48, 0xbf, 0, 0, 0, 0, 0, 0x10, 0, 0, 0x6c),
     "h crashed: triple fault"},
    {"ins beyond RAM", CODE(0xbf, 0x00, 0x00, 0x00, 0x40, 0x6c),
     "h crashed: INS or OUTS at rip 0x100005: linear 0x40000000"},
    {"write beyond RAM", CODE(0xc6, 0x04, 0x25, 0x00, 0x00, 0x00, 0x40, 0x01),
     "h crashed: write of guest-physical 0x40000000 (linear 0x40000000) at rip 0x100000"},
    {"jump beyond RAM", CODE(0xb8, 0x00, 0x00, 0x00, 0x40, 0xff, 0xe0),
     "h crashed: fetch of guest-physical 0x40000000"},
    {"CR3 beyond RAM", CODE(0xb8, 0x00, 0x00, 0x00, 0x40, 0x0f, 0x22, 0xd8),
     "h crashed: read of guest-physical 0x40000000"},
    {"vmxon", CODE(0xf3, 0x0f, 0xc7, 0x30), "h crashed: triple fault"},
    {"rdmsr of nothing", CODE(0x0f, 0x32), "h crashed: triple fault"},
    {"debug-exit with 7", CODE(0xb8, 0x07, 0x00, 0x00, 0x00, 0xe7, 0xf4),
     "h stopped by debug-exit, status 15"},
    {"debug-exit with 0x107", CODE(0xb8, 0x07, 0x01, 0x00, 0x00, 0xe7, 0xf4),
     "h stopped by debug-exit, status 15"},
#undef CODE
};

START_TEST(hostile_guest_stops_alone)
{
    const struct hostile *h = &hostiles[_i / MMUS];
    const struct elf_segment segment = {0x100000, h->code, h->bytes};
    char path[256];
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
    add_file(path, with_mmu("h image=hostile ram=4M", _i % MMUS));
    add_vm("hello", "good image=hello");
    boot_hv();
    unlink(path);
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say(h->says);
    must_say("[good] Hello");
    must_say("good stopped by debug-exit, status 1");
}
END_TEST

/* Bits of a leaf's register, and what a VM sees there. */
enum { EAX, EBX, ECX, EDX };
static const struct {
    const char *name;
    uint32_t leaf;
    unsigned reg;
    uint32_t bits, value;
} cpuid_bits[] = {
    {"VMX, MONITOR, XSAVE and OSXSAVE", 1, ECX, 0x0c000028, 0},
    {"x2APIC and TSC deadline", 1, ECX, 0x01200000, 0x01200000},
    {"APIC ID and number of processors", 1, EBX, 0xffff0000, 0x00010000},
    {"hypervisor present", 1, ECX, 0x80000000, 0x80000000},
    {"APIC", 1, EDX, 0x200, 0x200},
    {"HTT: more than one processor", 1, EDX, 0x10000000, 0},
    {"TSC, MSR and PAE", 1, EDX, 0x70, 0x70},
    {"performance monitoring", 0xa, EAX, 0xffffffff, 0},
    {"topology: APIC ID", 0xb, EDX, 0xffffffff, 0},
    {"topology: processors", 0xb, EBX, 0xffffffff, 1},
    {"topology: the level is that of threads", 0xb, ECX, 0xffffffff, 0x100},
    {"XSAVE's states", 0xd, EAX, 0xffffffff, 0},
    {"NX", 0x80000001, EDX, 0x100000, 0x100000},
    {"highest hypervisor leaf", 0x40000000, EAX, 0xffffffff, 0x40000000},
    {"hypervisor's name", 0x40000000, EBX, 0xffffffff, 0x676e6952}, /* "Ring" */
};

static void put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

START_TEST(cpuid_in_a_vm)
{
    static const uint8_t modrm[] = {0xc0, 0xd8, 0xc8, 0xd0}; /* MOV EAX from EAX, EBX, ECX, EDX */
    uint8_t code[] = {0xb8, 0,    0, 0, 0, 0x31, 0xc9, 0x0f, 0xa2, 0x89, 0,    0x25, 0,    0,   0,
                      0,    0x35, 0, 0, 0, 0,    0x0f, 0x95, 0xc0, 0x0f, 0xb6, 0xc0, 0xe7, 0xf4};
    const struct elf_segment segment = {0x100000, code, sizeof code};
    char path[256];
    put_u32(&code[1], cpuid_bits[_i].leaf);
    code[10] = modrm[cpuid_bits[_i].reg];
    put_u32(&code[12], cpuid_bits[_i].bits);
    put_u32(&code[17], cpuid_bits[_i].value);
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
    add_file(path, "v image=cpuid ram=4M");
    boot_hv();
    unlink(path);
    ck_assert_msg(run_to_end() == STATUS_SUCCESS, "%s", cpuid_bits[_i].name);
}
END_TEST

/* ---- module strings and images ---- */

static const struct {
    const char *string, *says;
} bad_strings[] = {
    {"", "a VM's name has 1 to 31 characters"},
    {"a-name-that-is-longer-than-any-name-may-be", "a VM's name has 1 to 31 characters"},
    {"h ram=1M", "ram=1M: possible is 2M to 2G"},
    {"h ram=8M1", "ram=8M1: possible is"},
    {"h ram=99999999999999999999M", "possible is 2M to 2G"},
    {"h ram=", "ram=: possible is"},
    {"h mmu=both", "mmu=both: possible is nested or shadow"},
    {"h page=1g", "page=1g: possible is 4k or 2m"},
    {"h start=perhaps", "start=perhaps: possible is yes or no"},
    {"h tables=23", "tables=23: possible is 24 to 2047 shadow tables"},
    {"h tables=2048", "tables=2048: possible is"},
    {"h weight=0", "weight=0: possible is 1 to 100"},
    {"h vcpus=0", "vcpus=0: possible is 1 to 8"},
    {"h vcpus=9", "vcpus=9: possible is 1 to 8"},
    {"h vcpus=4000", "vcpus=4000: possible is 1 to 8"},
    {"h faults=nobody", "faults=nobody: possible is guest or hypervisor"},
    {"h mmu=shadow faults=guest", "faults=guest: with mmu=shadow the hypervisor always has them"},
    {"h ram=4M ram=5M", "ram=5M: ram= is there already"},
    {"h mmu=shadow start=yes mmu=shadow", "mmu=shadow: mmu= is there already"},
    {"h tables=40", "tables=40: only mmu=shadow has shadow tables"},
    {"h tables=40 mmu=nested", "tables=40: only mmu=shadow has shadow tables"},
    {"h image=", "image=: possible is"},
    {"h colour=red", "unknown option colour=red"},
    {"h ram=60M", "out of memory"},
    {"good", "there is a VM of that name"},
};

START_TEST(bad_module_string)
{
    add_vm("hello", "good image=hello");
    add_vm("hello", bad_strings[_i].string);
    boot_hv();
    int status = run_to_end();
    must_say(bad_strings[_i].says);
    must_say("good stopped by debug-exit, status 1");
    ck_assert_int_eq(status, strcmp(bad_strings[_i].string, "good") == 0 ? STATUS_SUCCESS : STATUS_FAILURE);
}
END_TEST

/* What its string asks for is not started by a command either. */
START_TEST(refused_for_good)
{
    add_vm("hello", "good image=hello start=no");
    add_vm("hello", bad_strings[_i].string);
    boot("hv/hv.elf", "--stay");
    run_until(3000000);
    const char *string = bad_strings[_i].string;
    char name[32], line[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(string, " "), string);
    snprintf(line, sizeof line, "vm start %s", name);
    if (strcmp(bad_strings[_i].says, "out of memory") == 0)
        return; /* nothing is wrong with its string */
    if (*name && strcmp(name, "good") != 0)
        reply_has(line, "error: ");
    reply_has("vm start good", "ok");
    run_until(20000000);
    must_say("good stopped by debug-exit, status 1");
}
END_TEST

START_TEST(long_module_string)
{
    static char string[700];
    memset(string, 'x', sizeof string - 1);
    add_vm("hello", string);
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say("a module's string may have up to 511 characters");
}
END_TEST

/* Offsets: of the header's fields (e_), and of the first program header's (p_), which lies at 64. */
static const struct {
    const char *name;
    long at;
    uint64_t value;
    unsigned bytes;
    const char *says;
} bad_images[] = {
    {"magic", 0, 0, 1, "no ELF file"},
    {"e_class", 4, 1, 1, "not 64-bit x86"},
    {"e_data", 5, 2, 1, "not 64-bit x86"},
    {"e_machine", 18, 183, 2, "not 64-bit x86"},
    {"e_type", 16, 3, 2, "not an executable"},
    {"e_phoff", 32, UINT64_MAX - 7, 8, "program headers lie outside"},
    {"e_phoff odd", 32, 65, 8, "wrong size or alignment"},
    {"e_phentsize", 54, 8, 2, "wrong size or alignment"},
    {"e_phnum", 56, 0xffff, 2, "program headers lie outside"},
    {"e_phnum 0", 56, 0, 2, "no program headers"},
    {"p_offset", 64 + 8, UINT64_MAX - 7, 8, "a segment lies outside the file"},
    {"p_paddr low", 64 + 24, 0x1000, 8, "below 1 MiB"},
    {"p_paddr high", 64 + 24, UINT64_MAX - 0xfff, 8, "does not fit"},
    {"p_filesz", 64 + 32, 1 << 20, 8, "more bytes in the file than in memory"},
    {"p_memsz", 64 + 40, UINT64_C(1) << 63, 8, "does not fit"},
    {"p_type", 64, 6, 4, "nothing to load"},
    {"e_entry beyond RAM", 24, 0x40000000, 8, "fetch of guest-physical 0x40000000"},
    {"e_entry not canonical", 24, UINT64_C(1) << 52, 8, "VM-entry failure due to invalid guest state"},
};

static void patch(const char *path, long at, uint64_t value, unsigned n)
{
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    fseek(f, at, SEEK_SET);
    for (unsigned i = 0; i < n; i++)
        fputc((int)(value >> 8 * i & 0xff), f);
    fclose(f);
}

START_TEST(bad_image)
{
    static const uint8_t hlt[] = {0xf4};
    const struct elf_segment segment = {0x100000, hlt, sizeof hlt};
    char path[256];
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
    patch(path, bad_images[_i].at, bad_images[_i].value, bad_images[_i].bytes);
    add_file(path, "bad image=bad");
    add_vm("hello", "good image=hello");
    boot_hv();
    unlink(path);
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say("bad crashed: ");
    must_say(bad_images[_i].says);
    must_say("good stopped by debug-exit, status 1");
}
END_TEST

START_TEST(overlapping_segments)
{
    static const uint8_t hlt[] = {0xf4, 0xf4};
    const struct elf_segment segments[2] = {{0x100000, hlt, 2}, {0x100001, hlt, 1}};
    char path[256];
    ck_assert(elf_image_temporary(path, 0x100000, segments, 2));
    add_file(path, "bad");
    boot_hv();
    unlink(path);
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say("two segments overlap");
}
END_TEST

/* Segments side by side up to the last byte of RAM, and one of no bytes, which may lie anywhere. */
START_TEST(image_that_just_fits)
{
    static const uint8_t code[0x100000] = {0x31, 0xc0, 0xe7, 0xf4};
    const struct elf_segment segments[4] = {{0x101000, code, 0x1000},
                                            {0x100000, code, 0x1000},
                                            {0x102000, code, 0x200000 - 0x102000},
                                            {0, code, 0}};
    char path[256];
    ck_assert(elf_image_temporary(path, 0x100000, segments, 4));
    add_file(path, "v image=full ram=2M");
    boot_hv();
    unlink(path);
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
}
END_TEST

START_TEST(truncated_image)
{
    static const uint8_t hlt[5000] = {0xf4};
    static const long sizes[] = {0, 3, 63, 64, 100, 121, 4000};
    const struct elf_segment segment = {0x100000, hlt, sizeof hlt};
    char path[256];
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
    ck_assert_int_eq(truncate(path, sizes[_i]), 0);
    add_file(path, "bad");
    boot_hv();
    unlink(path);
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say("bad crashed: it cannot start: image bad: ");
}
END_TEST

/* ---- the management line ---- */

static const struct {
    const char *line, *says;
} bad_commands[] = {
    {"", "error: unknown command \"\""},
    {"frob", "error: unknown command \"frob\"; known are help, vm, stats, net"},
    {"help me", "error: help: \"me\" is too much"},
    {"vm", "possible are vm list, start"},
    {"vm frob", "possible are vm list, start"},
    {"vm list x", "error: vm list: \"x\" is too much"},
    {"vm list   x", "error: vm list: \"x\" is too much"},
    {"vm start", "error: the name of a VM is missing"},
    {"vm pause nobody", "error: there is no VM nobody"},
    {"vm pause v now", "error: vm pause NAME: \"now\" is too much"},
    {"vm start v", "error: v is running; stop it first"},
    {"vm resume v", "error: v is running, not paused"},
    {"vm input v", "error: vm input NAME TEXT: TEXT is missing"},
    {"vm input v \\q", "a backslash is followed by"},
    {"vm input v \\x4", "a backslash is followed by"},
    {"vm input v \\", "a backslash is followed by"},
    {"vm dirty off", "error: off has not been started"},
    {"vm flush off", "error: off has not been started"},
    {"vm input off x", "error: off is stopped: nobody would read it"},
    {"vm pause off", "error: off is stopped, not running"},
    {"vm resume off", "error: off is stopped, not paused"},
    {"vm stop off", "error: off is stopped already"},
    {"vm set v", "error: vm set NAME KEY VALUE: KEY is missing; known are faults, weight and vlan"},
    {"vm set v colour red",
     "error: vm set NAME KEY VALUE: unknown key colour; known are faults, weight and vlan"},
    {"vm set v ram 8M", "error: vm set NAME KEY VALUE: unknown key ram; known"},
    {"vm set v weigh 8", "error: vm set NAME KEY VALUE: unknown key weigh; known"},
    {"vm set v weight", "error: vm set NAME KEY VALUE: weight: possible is 1 to 100"},
    {"vm set v weight 0", "error: vm set NAME KEY VALUE: weight: possible is 1 to 100"},
    {"vm set v weight 101", "error: vm set NAME KEY VALUE: weight: possible is 1 to 100"},
    {"vm set v weight 3 4", "error: vm set NAME KEY VALUE: \"4\" is too much"},
    {"vm set v faults", "error: vm set NAME KEY VALUE: faults: possible is guest or hypervisor"},
    {"vm set v faults both", "error: vm set NAME KEY VALUE: faults: possible is guest or hypervisor"},
    {"vm set off faults guest",
     "error: vm set NAME KEY VALUE: faults=guest: with mmu=shadow the hypervisor always"},
    {"stats nobody", "error: there is no VM nobody"},
    {"stats v x", "error: stats [NAME]: \"x\" is too much"},
};

START_TEST(bad_command)
{
    add_vm("ticker", "v image=ticker -- 0");
    add_vm("ticker", "off image=ticker mmu=shadow start=no -- 0");
    boot_hv();
    run_until(3000000);
    const char *reply = command(bad_commands[_i].line);
    ck_assert_msg(strstr(reply, bad_commands[_i].says) && !strstr(reply, "ok\n"), "'%s': %s",
                  bad_commands[_i].line, reply);
    reply_has("vm list", "name=v state=running image=ticker ram=8192K");
}
END_TEST

START_TEST(long_command)
{
    char line[700];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    add_vm("ticker", "v image=ticker -- 0");
    boot_hv();
    run_until(3000000);
    reply_has(line, "error: a line may have up to 511 characters");
    reply_has("vm list", "ok\n");
}
END_TEST

START_TEST(zero_byte_in_a_command)
{
    size_t before;
    add_vm("ticker", "v image=ticker -- 0");
    boot_hv();
    run_until(3000000);
    rs_console(machine, 1, &before);
    ck_assert(rs_input_console(machine, 1, "vm stop v\0 or not\n", 18, &err) == RS_OK);
    run_until(rs_cycles(machine, 0) + 3000000);
    ck_assert_str_eq(console_from(1, before), "error: a line is text: it may not have a zero byte\n");
    reply_has("vm list", "name=v state=running");
}
END_TEST

/* They are no words, and those before the text of `vm input` are its own. */
START_TEST(blanks_in_a_command)
{
    static const char *const lines[] = {"help  ",      "  vm   list  ", "vm  set v  weight  3  ",
                                        "stats  v   ", "device list  ", "net bond spread  ",
                                        "net  list  ", "disk list  ",   "vm stop  v   "};
    add_vm("ticker", "v image=ticker -- 0");
    add_vm("echo", "e image=echo");
    boot("hv/hv.elf", "hv --stay");
    run_until(3000000);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        reply_has(lines[i], "ok\n");
    reply_has("vm input e  two \\n", "ok");
    run_until(rs_cycles(machine, 0) + 3000000);
    must_say("[e]  two \n");
}
END_TEST

START_TEST(line_ends)
{
    add_vm("ticker", "v image=ticker -- 0");
    boot_hv();
    run_until(3000000);
    ck_assert_ptr_null(strstr(command("vm list\rvm list\r"), "error"));
    reply_has("\r", "error: unknown command \"\"");
}
END_TEST

/* It faults for ever: LIDT, then MOV AL from where nothing is mapped; the handler skips it. */
static void add_faulter(const char *string)
{
    static uint8_t image[0x2000] = {0x0f, 0x01, 0x1c, 0x25, 0x00, 0x01, 0x10, 0, /* LIDT [0x100100] */
                                    0xa0, 0,    0,    0,    0,    0x80, 0,    0,
                                    0, /* MOV AL, [0x8000000000] */
                                    0xeb, 0xf5};
    static const uint8_t handler[] = {0x48, 0x83, 0xc4, 0x08, 0x48, 0x83, 0x04, 0x24, 9, 0x48, 0xcf};
    static const uint8_t idtr[] = {0xff, 0x0f, 0x00, 0x10, 0x10};
    static const uint8_t gate[] = {0x40, 0, 0x08, 0, 0, 0x8e, 0x10};
    const struct elf_segment segment = {0x100000, image, sizeof image};
    char path[256];
    memcpy(&image[0x40], handler, sizeof handler);
    memcpy(&image[0x100], idtr, sizeof idtr);
    memcpy(&image[0x1000 + 16 * 14], gate, sizeof gate);
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
    add_file(path, string);
    boot_hv();
    unlink(path);
}

static uint64_t fault_exits_in_a_while(void)
{
    uint64_t before = stat_of("v", "exit=0 count=");
    run_until(rs_cycles(machine, 0) + 2000000);
    return stat_of("v", "exit=0 count=") - before;
}

START_TEST(page_faults_can_be_sent_round_and_back)
{
    add_faulter("v image=faulter ram=4M faults=hypervisor");
    run_until(3000000);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_gt(fault_exits_in_a_while(), 100);
        reply_has("vm set v faults guest", "ok");
        reply_has("stats v", "faults_to=guest");
        run_until(rs_cycles(machine, 0) + 2000000); /* the end of its turn */
        ck_assert_uint_eq(fault_exits_in_a_while(), 0);
        reply_has("vm set v faults hypervisor", "ok");
        reply_has("stats v", "faults_to=hypervisor");
    }
    reply_has("vm list", "name=v state=running");
}
END_TEST

/* To a guest that never reads: the third line is one too many. */
START_TEST(input_overflows)
{
    char line[500];
    snprintf(line, sizeof line, "vm input v %0400d", 0);
    add_vm("ticker", "v image=ticker -- 0");
    boot_hv();
    run_until(3000000);
    reply_has(line, "ok");
    reply_has(line, "ok");
    reply_has(line, "error: the receiver of v is full: 224 of 400 bytes taken");
}
END_TEST

START_TEST(life_by_command)
{
    add_vm("ticker", "v image=ticker start=no -- 0 1000");
    add_vm("ticker", "w image=ticker -- 0 1000000");
    boot_hv();
    run_until(3000000);
    reply_has("help", "vm flush");
    reply_has("help", "they raise no interrupt");
    reply_has("vm list", "name=v state=stopped");
    reply_has("vm start v", "ok");
    reply_has("vm list", "name=v state=running");
    reply_has("vm pause v", "ok");
    reply_has("vm list", "name=v state=paused");
    size_t paused, later;
    rs_console(machine, 0, &paused);
    ck_assert_ptr_nonnull(strstr(console_from(0, 0), "[v] tick"));
    run_until(rs_cycles(machine, 0) + 5000000);
    rs_console(machine, 0, &later);
    ck_assert_uint_gt(later, paused);
    ck_assert_ptr_null(strstr(console_from(0, paused + 20), "[v]"));
    reply_has("vm resume v", "ok");
    reply_has("vm flush v", "ok");
    reply_has("stats v", "reason=I/O instruction");
    reply_has("vm stop v", "ok");
    reply_has("vm list", "name=v state=stopped");
    reply_has("vm stop w", "ok");
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
}
END_TEST

static const struct {
    const char *module, *says;
} restarted[] = {
    {"v image=hello ram=2M", "state=stopped image=hello ram=2048K page=4K weight=1 status=1"},
    {"v image=hello ram=5M page=2m", "state=stopped image=hello ram=5120K page=2048K weight=1 status=1"},
    {"v image=hello ram=4M mmu=shadow", "state=stopped image=hello ram=4096K page=4K weight=1 status=1"},
    {"v image=hello ram=4M lazy=yes", "state=stopped image=hello ram=4096K page=4K weight=1 status=1"},
};

START_TEST(started_again_it_takes_no_more_memory)
{
    char first[64];
    add_vm("hello", restarted[_i].module);
    boot("hv/hv.elf", "hv --stay");
    run_until(5000000);
    snprintf(first, sizeof first, "%.20s", strstr(command("stats"), "host free="));
    for (int i = 0; i < 3; i++) {
        reply_has("vm start v", "ok");
        run_until(rs_cycles(machine, 0) + 3000000);
        reply_has("vm list", restarted[_i].says);
    }
    reply_has("stats", first);
}
END_TEST

/* A guest that writes to one page and reads from another, for ever. */
START_TEST(dirty_tells_what_is_written)
{
    static const uint8_t code[] = {0xc6, 0x04, 0x25, 0, 0, 0x20, 0, 1, /* mov byte [0x200000], 1 */
                                   0x8a, 0x04, 0x25, 0, 0, 0x30, 0,    /* mov al, [0x300000] */
                                   0xeb, 0xef};                        /* again */
    const struct elf_segment segment = {0x100000, code, sizeof code};
    char path[256];
    ck_assert(elf_image_temporary(path, 0x100000, &segment, 1));
    add_file(path, with_mmu("v image=writer ram=4M", _i));
    boot_hv();
    unlink(path);
    run_until(3000000);
    reply_has("vm dirty v", "from=0x0 to=0x400000\naccessed=4096K dirty=4096K runs=1 page=4K\nok");
    for (int turn = 0; turn < 2; turn++) {
        run_until(rs_cycles(machine, 0) + 2000000);
        const char *reply = command("vm dirty v");
        ck_assert_msg(strstr(reply, "from=0x200000 to=0x201000\n") && !strstr(reply, "0x300000"), "%s",
                      reply);
        ck_assert_uint_ge(strtoull(strstr(reply, "accessed=") + 9, NULL, 10), 12);
    }
    reply_has("vm pause v", "ok");
    command("vm dirty v");
    reply_has("vm dirty v", "accessed=0K dirty=0K runs=0 page=4K\nok");
}
END_TEST

START_TEST(input_reaches_the_guest)
{
    add_vm("echo", "e image=echo");
    boot_hv();
    run_until(3000000);
    reply_has("vm input e first\\n\\x73econd\\t\\\\\\n", "ok");
    reply_has("vm input e quit\\n", "ok");
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    must_say("[e] first\n[e] second\t\\\n");
}
END_TEST

/* ---- the hypervisor's own ends ---- */

START_TEST(no_modules)
{
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    must_say("there is no VM");
}
END_TEST

static const struct {
    uint64_t firmware;
    const char *says;
} firmwares[] = {
    {RS_FW_XD | RS_FW_EPT | RS_FW_LOCK, "offers no VT-x"},
    {RS_FW_VTX | RS_FW_EPT | RS_FW_LOCK, "offers no NX"},
    {RS_FW_VTX | RS_FW_XD | RS_FW_LOCK, "offers no EPT"},
};

START_TEST(firmware_says_no)
{
    close_world();
    open_world(64, firmwares[_i].firmware, 1);
    add_vm("hello", "v image=hello");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say(firmwares[_i].says);
}
END_TEST

/* The one pager that needs no EPT runs without. */
START_TEST(no_ept_but_shadows)
{
    close_world();
    open_world(64, RS_FW_VTX | RS_FW_XD | RS_FW_LOCK, 1);
    add_vm("hello", "n image=hello");
    add_vm("hello", "s image=hello mmu=shadow");
    boot_hv();
    ck_assert_int_eq(run_to_end(), STATUS_FAILURE);
    must_say("n crashed: it cannot start: this processor offers no EPT, which mmu=nested needs");
    must_say("[s] Hello");
    must_say("s stopped by debug-exit, status 1");
}
END_TEST

START_TEST(panic_names_its_callers)
{
    uint64_t address, size;
    add_vm("hello", "v image=hello");
    boot_hv();
    ck_assert(rs_symbol_address(rs_machine_symbols(machine), "exit_io", &address, &size) == RS_OK);
    run_until(100);
    ck_assert(rs_input_poke(machine, address, "\x0f\x0b", 2, &err) == RS_OK);
    ck_assert_int_eq(run_to_end(), STATUS_PANIC);
    must_say("hv: panic: #UD in the hypervisor");
    must_say("exit_io+0x0");
    must_say("hv_main+0x");
}
END_TEST

/* ---- */

static TCase *new_case(Suite *s, const char *name)
{
    TCase *c = tcase_create(name);
    tcase_add_checked_fixture(c, setup, close_world);
    tcase_set_timeout(c, 60);
    suite_add_tcase(s, c);
    return c;
}

static Suite *make_suite(void)
{
    Suite *s = suite_create("hv");
    TCase *c = new_case(s, "guests");
    tcase_add_loop_test(c, same_output_bare_and_in_a_vm, 0, MMUS * COUNT(guests));
    tcase_add_test(c, faults_of_string_io_are_the_guests);
    tcase_add_test(c, vms_take_turns);
    tcase_add_test(c, weight_gives_longer_turns);
    tcase_add_test(c, exits_do_not_stretch_a_turn);
    tcase_add_loop_test(c, hostile_guest_stops_alone, 0, MMUS * COUNT(hostiles));
    tcase_add_loop_test(c, cpuid_in_a_vm, 0, COUNT(cpuid_bits));
    c = new_case(s, "modules");
    tcase_add_loop_test(c, bad_module_string, 0, COUNT(bad_strings));
    tcase_add_loop_test(c, refused_for_good, 0, COUNT(bad_strings));
    tcase_add_test(c, long_module_string);
    tcase_add_loop_test(c, bad_image, 0, COUNT(bad_images));
    tcase_add_test(c, overlapping_segments);
    tcase_add_test(c, image_that_just_fits);
    tcase_add_loop_test(c, truncated_image, 0, 7);
    c = new_case(s, "management");
    tcase_add_loop_test(c, bad_command, 0, COUNT(bad_commands));
    tcase_add_test(c, long_command);
    tcase_add_test(c, zero_byte_in_a_command);
    tcase_add_test(c, line_ends);
    tcase_add_test(c, blanks_in_a_command);
    tcase_add_test(c, page_faults_can_be_sent_round_and_back);
    tcase_add_test(c, input_overflows);
    tcase_add_test(c, life_by_command);
    tcase_add_loop_test(c, started_again_it_takes_no_more_memory, 0, COUNT(restarted));
    tcase_add_loop_test(c, dirty_tells_what_is_written, 0, MMUS);
    tcase_add_test(c, input_reaches_the_guest);
    c = new_case(s, "ends");
    tcase_add_test(c, no_modules);
    tcase_add_loop_test(c, firmware_says_no, 0, COUNT(firmwares));
    tcase_add_test(c, no_ept_but_shadows);
    tcase_add_test(c, panic_names_its_callers);
    return s;
}

int main(void)
{
    return suite_run(make_suite());
}
