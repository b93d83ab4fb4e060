/* test_hv_storm.c - management commands in random order, several at a time, to VMs on four cores.  What the
 * hypervisor answers is held against its directory, which is read from outside; a VM that no command names
 * must not notice.
 *
 * COMMANDS and SEED in the environment make it longer, or another one. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/vmdir.h"
#include "lib/chance.h"
#include "lib/hv_run.h"
#include "lib/suite.h"

#define RAM_MIB    96
#define CORES      4
#define BURST_MAX  4
#define LINE_BYTES 96
#define CHUNK      100000u /* cycles between two looks at the replies */
#define PATIENCE   2000    /* looks */
#define WITNESS    "witness image=alu ram=2M weight=100 -- 2000000"
#define PAGE_BYTES 4096u

/* The first is left alone; the last never ends by itself.  What each takes of memory until its end is always
 * the same. */
static const struct {
    const char *image, *module, *name;
} vms[] = {
    {"alu", WITNESS, "witness"},
    {"hello", "hello ram=2M start=no", "hello"},
    {"ticker", "ticks image=ticker ram=2M start=no -- 200 2000", "ticks"},
    {"cores", "smp image=cores vcpus=3 ram=3M start=no -- 300", "smp"},
    {"ping", "pings image=ping vcpus=2 ram=2M start=no -- 40", "pings"},
    {"tables", "shade image=tables mmu=shadow tables=40 start=no", "shade"},
    {"chase", "lazy image=chase lazy=yes start=no -- 300 20000", "lazy"},
    {"echo", "echo ram=2M start=no", "echo"},
};
#define VMS  ((unsigned)(sizeof vms / sizeof *vms))
#define LAST (VMS - 1)

static struct vmdir directory;

static void look(void)
{
    uint64_t address, size, from = 0xffff800000000000u;
    ck_assert(rs_symbol_address(rs_machine_symbols(machine), "vm_directory", &address, &size) == RS_OK);
    ck_assert_uint_eq(size, sizeof directory);
    ck_assert(rs_read(machine, address >= from ? address - from : address, &directory, sizeof directory) ==
              RS_OK);
}

/* ---- what each VM may be ---- */

/* By the last command that was obeyed.  One that runs may also have ended well. */
static enum vmdir_state told[VMS];
static uint64_t written[VMS]; /* by its console so far */
static size_t heard;          /* of the host's console */

static bool in_ram(uint64_t hpa)
{
    return hpa && hpa % PAGE_BYTES == 0 && hpa < (uint64_t)RAM_MIB << 20;
}

static void must_be_as_told(unsigned i)
{
    const struct vmdir_vm *vm = &directory.vm[i];
    bool ended = told[i] == VMDIR_RUNNING && vm->state == VMDIR_STOPPED && vm->status == STATUS_SUCCESS;
    ck_assert_str_eq(vm->name, vms[i].name);
    ck_assert_msg(vm->state == told[i] || ended, "%s is in state %llu, status %llu, and was told %d",
                  vm->name, vm->state, vm->status, (int)told[i]);
    ck_assert(vm->state != VMDIR_RUNNING || in_ram(vm->root));
    for (unsigned v = 0; v < vm->vcpus && vm->root; v++)
        ck_assert_msg(in_ram(vm->vmcs[v]), "%s: VMCS %u at %#llx", vm->name, v, vm->vmcs[v]);
}

static void must_be_consistent(void)
{
    look();
    ck_assert_uint_eq(directory.magic, VMDIR_MAGIC);
    ck_assert_uint_eq(directory.count, VMS);
    for (unsigned i = 0; i < VMS; i++) {
        must_be_as_told(i);
        ck_assert_uint_ge(directory.vm[i].console_written, written[i]);
        written[i] = directory.vm[i].console_written;
        for (unsigned j = 0; j < i; j++)
            ck_assert(!directory.vm[i].root || directory.vm[i].root != directory.vm[j].root);
    }
    for (unsigned i = 0; i < VMS; i++)
        if (told[i] == VMDIR_RUNNING && directory.vm[i].state == VMDIR_STOPPED)
            told[i] = VMDIR_STOPPED;
}

/* Who is paused or has been stopped writes nothing more. */
static void must_rest(void)
{
    look();
    for (unsigned i = 0; i < VMS; i++)
        if (told[i] != VMDIR_RUNNING)
            ck_assert_msg(directory.vm[i].console_written == written[i], "%s goes on", vms[i].name);
}

/* ---- what the consoles say ---- */

/* Whole lines of the host's console since the last time: nothing bad, and what the witness says. */
static void listen(char witness[LINE_BYTES])
{
    const char *text = console_from(0, heard), *end;
    for (; (end = strchr(text, '\n')) != NULL; heard += (size_t)(end + 1 - text), text = end + 1) {
        static char line[HV_TEXT_BYTES];
        snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
        ck_assert_msg(!strstr(line, "panic") && !strstr(line, "crashed") && !strstr(line, "unexpected"), "%s",
                      line);
        if (strncmp(line, "[witness] ", 10) == 0)
            snprintf(witness, LINE_BYTES, "%s", line + 10);
    }
}

/* The next line of replies that ends one: "ok" or "error: ...".  NULL: it has not come yet. */
static const char *next_end(const char *text)
{
    for (; strchr(text, '\n'); text = strchr(text, '\n') + 1)
        if (strncmp(text, "ok\n", 3) == 0 || strncmp(text, "error: ", 7) == 0)
            return text;
    return NULL;
}

/* ---- commands ---- */

static struct sent {
    unsigned vm;
    int becomes; /* what the VM is told; -1: nothing */
} sent[BURST_MAX];

static const struct {
    const char *format;
    int becomes;
} kinds[] = {
    {"vm start %s", VMDIR_RUNNING},
    {"vm start %s", VMDIR_RUNNING},
    {"vm start %s", VMDIR_RUNNING},
    {"vm stop %s", VMDIR_STOPPED},
    {"vm pause %s", VMDIR_PAUSED},
    {"vm resume %s", VMDIR_RUNNING},
    {"vm resume %s", VMDIR_RUNNING},
    {"vm flush %s", -1},
    {"vm dirty %s", -1},
    {"stats %s", -1},
    {"vm set %s weight 1", -1},
    {"vm set %s weight 100", -1},
    {"vm set %s weight 0", -1},
    {"vm set %s faults guest", -1},
    {"vm set %s faults hypervisor", -1},
    {"vm input %s word\\n", -1},
    {"vm start no%s", -1},
    {"vm list", -1},
    {"stats", -1},
    {"help", -1},
};
#define KINDS ((unsigned)(sizeof kinds / sizeof *kinds))

static void run_a_bit(uint64_t cycles)
{
    run_until(rs_now(machine) + cycles);
}

/* Sends lines at once; their answers come in order. */
static void send(const char *lines, unsigned n)
{
    size_t before;
    const char *text, *end;
    unsigned looks = 0, answered = 0;
    rs_console(machine, 1, &before);
    ck_assert(rs_input_console(machine, 1, lines, strlen(lines), &err) == RS_OK);
    while (answered < n) {
        ck_assert_msg(++looks < PATIENCE, "no answer to:\n%s", lines);
        run_a_bit(CHUNK);
        answered = 0;
        for (text = console_from(1, before); (end = next_end(text)) != NULL; text = strchr(end, '\n') + 1)
            answered++;
    }
    text = console_from(1, before);
    for (unsigned i = 0; i < n; i++, text = strchr(end, '\n') + 1) {
        end = next_end(text);
        if (*end == 'o' && sent[i].becomes >= 0)
            told[sent[i].vm] = (enum vmdir_state)sent[i].becomes;
    }
}

static void send_burst(unsigned n)
{
    char lines[BURST_MAX * LINE_BYTES] = "";
    for (unsigned i = 0; i < n; i++) {
        unsigned kind = (unsigned)chance_below(KINDS), vm = 1 + (unsigned)chance_below(VMS - 1);
        sent[i] = (struct sent){vm, kinds[kind].becomes};
        snprintf(lines + strlen(lines), LINE_BYTES, kinds[kind].format, vms[vm].name);
        strcat(lines, "\n");
    }
    send(lines, n);
}

static void send_one(const char *what, unsigned vm, int becomes)
{
    char line[LINE_BYTES];
    snprintf(line, sizeof line, "vm %s %s\n", what, vms[vm].name);
    sent[0] = (struct sent){vm, becomes};
    send(line, 1);
}

/* ---- before and after ---- */

/* Each VM once from its start to its end; what is free then. */
static uint64_t run_all_to_their_ends(void)
{
    for (unsigned i = 1; i < VMS; i++)
        send_one("stop", i, VMDIR_STOPPED);
    for (unsigned i = 1; i < VMS; i++)
        send_one("start", i, VMDIR_RUNNING);
    for (unsigned i = 1; i < LAST; i++)
        for (unsigned looks = 0; told[i] == VMDIR_RUNNING; looks++) {
            ck_assert_msg(looks < PATIENCE, "%s does not end", vms[i].name);
            run_a_bit(CHUNK);
            must_be_consistent();
        }
    send_one("stop", LAST, VMDIR_STOPPED);
    const char *free_bytes = strstr(command("stats"), "host free=");
    ck_assert_ptr_nonnull(free_bytes);
    return strtoull(free_bytes + strlen("host free="), NULL, 10);
}

static void bare_sum(char line[LINE_BYTES])
{
    open_world(RAM_MIB, HV_FIRMWARE, 1);
    boot("guests/alu.elf", "alu 2000000");
    ck_assert_int_eq(run_to_end(), STATUS_SUCCESS);
    snprintf(line, LINE_BYTES, "%.*s", (int)strcspn(console_from(0, 0), "\n"), console_from(0, 0));
    close_world();
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

static void boot_all(void)
{
    open_world(RAM_MIB, HV_FIRMWARE, CORES);
    rs_set_max_cycles(world, 0);
    memset(written, 0, sizeof written);
    heard = 0;
    for (unsigned i = 0; i < VMS; i++) {
        add_vm(vms[i].image, vms[i].module);
        told[i] = i == 0 ? VMDIR_RUNNING : VMDIR_STOPPED;
    }
    boot("hv/hv.elf", "hv --stay");
    run_until(3000000);
}

/* The witness gets on in each quarter of it, until it has ended. */
static void storm(uint64_t commands, char witness[LINE_BYTES])
{
    uint64_t done = 0, quarter = commands / 4, next = quarter, turns = stat_of("witness", "turns=");
    while (done < commands) {
        unsigned n = 1 + (unsigned)chance_below(BURST_MAX);
        send_burst(n);
        must_be_consistent();
        listen(witness);
        done += n;
        run_a_bit(chance_below(3) * chance_below(400000));
        must_rest();
        if (done < next || *witness)
            continue;
        uint64_t now = stat_of("witness", "turns=");
        ck_assert_uint_gt(now, turns);
        turns = now;
        next += quarter;
    }
}

START_TEST(a_storm_of_commands)
{
    uint64_t commands = from_environment("COMMANDS", 48), seed = from_environment("SEED", 1) + (uint64_t)_i;
    char bare[LINE_BYTES], witness[LINE_BYTES] = "";
    bare_sum(bare);
    boot_all();
    uint64_t free_before = run_all_to_their_ends();
    chance_seed(seed);
    storm(commands, witness);
    ck_assert_uint_eq(run_all_to_their_ends(), free_before);
    for (unsigned looks = 0; !*witness; looks++) {
        ck_assert_uint_lt(looks, PATIENCE);
        run_a_bit(CHUNK);
        listen(witness);
    }
    ck_assert_str_eq(witness, bare);
    close_world();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hv_storm");
    TCase *c = tcase_create("storm");
    tcase_set_timeout(c, 900);
    tcase_add_loop_test(c, a_storm_of_commands, 0, 1);
    suite_add_tcase(suite, c);
    return suite_run(suite);
}
