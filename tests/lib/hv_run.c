#include "lib/hv_run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULES_MAX 8

rs_world *world;
rs_machine *machine;
struct rs_error err;
static struct rs_boot_module modules[MODULES_MAX];
static char paths[MODULES_MAX][512];
static size_t module_count;

static void path_of(char path[512], const char *name)
{
    const char *build = getenv("RINGSIDE_BUILD");
    snprintf(path, 512, "%s/%s", build ? build : "build", name);
}

void open_world(uint64_t ram_mib, uint64_t firmware, uint32_t cores)
{
    open_world_devices(ram_mib, firmware, cores, NULL, 0);
}

void open_world_devices(uint64_t ram_mib, uint64_t firmware, uint32_t cores, const struct rs_device *device,
                        size_t n)
{
    struct rs_config config;
    rs_config_init(&config);
    config.ram_bytes = ram_mib << 20;
    config.firmware = firmware;
    config.cores = cores;
    config.device = device;
    config.device_count = n;
    world = rs_world_new();
    machine = rs_machine_new(world, &config, &err);
    ck_assert_msg(machine != NULL, "%s", err.text);
    rs_set_max_cycles(world, HV_LIMIT_CYCLES);
    module_count = 0;
}

void close_world(void)
{
    rs_world_free(world);
}

void add_file(const char *path, const char *string)
{
    snprintf(paths[module_count], sizeof paths[0], "%s", path);
    modules[module_count].path = paths[module_count];
    modules[module_count++].string = string;
}

void add_vm(const char *image, const char *string)
{
    char name[128], path[512];
    snprintf(name, sizeof name, "guests/%s.elf", image);
    path_of(path, name);
    add_file(path, string);
}

void without_tables(char *string)
{
    char *at = strstr(string, " tables=");
    if (at)
        memmove(at, at + 1 + strcspn(at + 1, " "), strlen(at + 1 + strcspn(at + 1, " ")) + 1);
}

void boot(const char *image, const char *cmdline)
{
    char path[512];
    path_of(path, image);
    const struct rs_boot how = {
        .path = path, .cmdline = cmdline, .modules = modules, .module_count = module_count};
    ck_assert_msg(rs_boot(machine, &how, &err) == RS_OK, "%s", err.text);
}

void boot_hv(void)
{
    boot("hv/hv.elf", "hv");
}

void run_until(uint64_t cycle)
{
    rs_begin_run(world, cycle);
    while (rs_continue(world, 1000000) == RS_SLICE) {
    }
}

int run_to_end(void)
{
    run_until(UINT64_MAX);
    ck_assert_msg(rs_halt_text(machine) != NULL, "still running after %u cycles", HV_LIMIT_CYCLES);
    return rs_halt_status(machine);
}

const char *console_from(unsigned uart, size_t from)
{
    static char text[HV_TEXT_BYTES];
    size_t n;
    const uint8_t *bytes = rs_console(machine, uart, &n);
    ck_assert_uint_lt(n - from, HV_TEXT_BYTES);
    if (n > from) /* of a UART that has sent nothing there are no bytes */
        memcpy(text, bytes + from, n - from);
    text[n - from] = '\0';
    return text;
}

void must_say(const char *text)
{
    ck_assert_msg(strstr(console_from(0, 0), text) != NULL, "'%s' not in:\n%s", text, console_from(0, 0));
}

const char *command(const char *line)
{
    size_t before;
    char text[1024];
    rs_console(machine, 1, &before);
    snprintf(text, sizeof text, "%s\n", line);
    ck_assert(rs_input_console(machine, 1, text, strlen(text), &err) == RS_OK);
    for (int i = 0; i < 200; i++) {
        run_until(rs_now(machine) + 500000);
        const char *reply = console_from(1, before), *last = strstr(reply, "error: ");
        if (strstr(reply, "ok\n") || (last && strchr(last, '\n')))
            return reply;
    }
    ck_abort_msg("no reply to '%s'", line);
    return NULL;
}

void reply_has(const char *line, const char *text)
{
    const char *reply = command(line);
    ck_assert_msg(strstr(reply, text) != NULL, "'%s': '%s' not in: %s", line, text, reply);
}

void vm_lines(const char *name, char *out)
{
    char start[64], copy[HV_TEXT_BYTES];
    snprintf(start, sizeof start, "[%s] ", name);
    snprintf(copy, sizeof copy, "%s", console_from(0, 0));
    *out = '\0';
    for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, start, strlen(start)) == 0)
            strcat(strcat(out, line + strlen(start)), "\n");
}

uint64_t stat_of(const char *vm, const char *key)
{
    char line[64];
    snprintf(line, sizeof line, "stats %s", vm);
    const char *at = strstr(command(line), key);
    ck_assert_ptr_nonnull(at);
    return strtoull(at + strlen(key), NULL, 10);
}

/* A message of both texts in full would be longer than Check takes. */
void must_be_same(const char *bare, const char *virtual)
{
    while (*bare && *virtual) {
        size_t a = strcspn(bare, "\n"), b = strcspn(virtual, "\n");
        ck_assert_msg(a == b && memcmp(bare, virtual, a) == 0, "bare: %.*s\nin a VM: %.*s", (int)a, bare,
                      (int)b, virtual);
        bare += a + (bare[a] != '\0');
        virtual += b + (virtual[b] != '\0');
    }
    ck_assert_msg(!*bare && !*virtual, "bare alone: %.300s\nin a VM alone: %.300s", bare, virtual);
}

uint64_t net_stat(const char *reply, const char *port, const char *key)
{
    char start[32], word[32];
    snprintf(start, sizeof start, "port=%s ", port);
    snprintf(word, sizeof word, " %s=", key);
    const char *line = strstr(reply, start), *value = line ? strstr(line, word) : NULL;
    ck_assert_msg(value != NULL, "no %s of %s in %s", key, port, reply);
    return strtoull(value + strlen(word), NULL, 10);
}
