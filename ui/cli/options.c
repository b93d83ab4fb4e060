#include "options.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/names.h"
#include "lua/scenario.h"
#include "trace/trace.h"

/* ------------------------------------------------------------------ tables */

static const struct {
    const char *name, *arguments, *help;
} commands[COMMANDS] = {
    [CMD_RUN] = {"run", "SCENARIO [NAME=VALUE...]", "run a scenario; what it says goes to stdout"},
    [CMD_TUI] = {"tui", "SCENARIO [NAME=VALUE...]", "the terminal view of a scenario"},
    [CMD_REPL] = {"repl", "[SCENARIO] [NAME=VALUE...]", "a Lua prompt, after the scenario if one is given"},
    [CMD_EXEC] = {"exec", "IMAGE", "boot an image, its console on this terminal; exit with its status"},
};

enum option {
    RECORD,
    REPLAY,
    AT,
    SEED,
    MAX_CYCLES,
    STATS,
    TRACE,
    GDB,
    TIMING,
    MODULE,
    CMDLINE,
    ENTRY,
    REGISTERS,
    RAM,
    CORES,
    DISK,
    NIC,
    LINK,
    PCAP,
    COMMIT,
    HELP,
    VERSION,
    OPTIONS
};

#define ON(command) (1u << (command))
#define ALL         (ON(COMMANDS) - 1)

static const struct {
    const char *name;
    char letter;
    const char *argument; /* NULL: a flag */
    unsigned on;          /* commands that take it */
    const char *help;
} options[OPTIONS] = {
    [RECORD] = {"--record", 0, "FILE", ALL, "write the inputs of the run to FILE, new or an older log"},
    [REPLAY] = {"--replay", 0, "FILE", ALL, "take the inputs from FILE, written by --record"},
    [AT] = {"--at", 0, "POSITION", ALL, "stop at a position such as A:120.13: 120 atoms and 13 micros"},
    [SEED] = {"--seed", 0, "N", ALL, "seed of a scenario's math.random (0)"},
    [MAX_CYCLES] = {"--max-cycles", 0, "N", ALL, "stop after N cycles; 0 is no limit (0)"},
    [STATS] = {"--stats", 0, NULL, ALL, "print the machine's counters at the end, on stderr"},
    [TRACE] = {"--trace", 0, "FILE.txt", ALL,
               "write each instruction and event to FILE, new or an older trace"},
    [GDB] = {"--gdb", 0, "PORT", ON(CMD_RUN) | ON(CMD_EXEC),
             "wait for gdb on this port of 127.0.0.1; 0: any that is free"},
    [TIMING] = {"--timing", 0, "PRESET", ALL, "timing of machines that name none (skylake)"},
    [MODULE] = {"--module", 'm', "MODULE", ON(CMD_EXEC),
                "boot module: an image and, after a blank, its string; repeatable"},
    [CMDLINE] = {"--append", 'a', "CMDLINE", ON(CMD_EXEC), "command line, after the image's name"},
    [ENTRY] = {"--entry", 0, "SYMBOL", ON(CMD_EXEC), "enter the image at SYMBOL, not at its entry point"},
    [REGISTERS] = {"--registers", 0, "LIST", ON(CMD_EXEC),
                   "what general registers hold at first, for kernels that expect it: rbx=0,rsi=0x1000"},
    [RAM] = {"--ram", 0, "SIZE", ON(CMD_EXEC), "RAM of the machine (64M)"},
    [CORES] = {"--cores", 0, "N", ON(CMD_EXEC), "cores of the machine, 1 to 8 (1)"},
    [DISK] = {"--disk", 0, "FILE[,WORD...]", ON(CMD_EXEC),
              "a virtio disk with that raw image; words: ro (read-only), slot=N, overlay=FILE, which is "
              "written in "
              "the image's place; repeatable"},
    [NIC] = {"--nic", 0, "KIND[,WORD...]", ON(CMD_EXEC),
             "a NIC, e1000 or virtio-net; words: mac=ADDRESS, slot=N; repeatable"},
    [LINK] = {"--link", 0, "N,M", ON(CMD_EXEC), "joins the N-th NIC and the M-th; repeatable"},
    [PCAP] = {"--pcap", 0, "FILE[,nic=N]", ON(CMD_EXEC),
              "the frames of the N-th NIC (1) in a file for tcpdump; repeatable"},
    [COMMIT] = {"--commit", 0, NULL, ON(CMD_EXEC),
                "at the end write the disks to their files or overlays, which else stay as they are"},
    [HELP] = {"--help", 'h', NULL, ALL, "show this and exit"},
    [VERSION] = {"--version", 0, NULL, ALL, "show the version and exit"},
};

/* Why the other commands do not take it; NULL: it would mean nothing to them. */
static const char *const why_not[OPTIONS] = {
    [GDB] = "here a person moves the machine already; run and exec take it",
};

static const char *command_at(size_t i, const void *arg)
{
    (void)arg;
    return i < COMMANDS ? commands[i].name : i == COMMANDS ? "help" : NULL;
}

/* The i-th option that the command takes; arg: enum command, COMMANDS for any. */
static const char *option_at(size_t i, const void *arg)
{
    unsigned command = *(const unsigned *)arg;
    for (unsigned o = 0; o < OPTIONS; o++)
        if ((command == COMMANDS || options[o].on & ON(command)) && i-- == 0)
            return options[o].name;
    return NULL;
}

static const char *preset_at(size_t i, const void *arg)
{
    (void)arg;
    return rs_preset_name(i);
}

/* ------------------------------------------------------------------ help */

static void print_option(unsigned o)
{
    char left[40] = "      ";
    if (options[o].letter)
        snprintf(left, sizeof left, "  -%c, ", options[o].letter);
    names_add(left, sizeof left, "%s", options[o].name);
    if (options[o].argument)
        names_add(left, sizeof left, " %s", options[o].argument);
    printf("%-28s%s\n", left, options[o].help);
}

void cli_help(const struct cli *cli)
{
    unsigned command = cli->command;
    if (command == COMMANDS) {
        printf("usage: ringside COMMAND [OPTIONS]\n\n");
        for (unsigned i = 0; i < COMMANDS; i++)
            printf("  %-5s %-27s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
        printf("  %-5s %-27s %s\n", "help", "[COMMAND]", "this, or what a command takes, as --help");
    } else {
        printf("usage: ringside %s %s [OPTIONS]\n\n%s\n", commands[command].name, commands[command].arguments,
               commands[command].help);
    }
    printf("\noptions:\n");
    for (unsigned o = 0; o < OPTIONS; o++)
        if (command == COMMANDS || options[o].on & ON(command))
            print_option(o);
    for (unsigned o = 0; o < OPTIONS; o++)
        if (command != COMMANDS && why_not[o] && !(options[o].on & ON(command)))
            printf("\nno %s: %s\n", options[o].name, why_not[o]);
    printf("\nexit status: 0 all checks hold, 1 a check failed, 2 bad usage or input; of exec: the image's "
           "own\n");
}

/* ------------------------------------------------------------------ values */

static enum rs_status number(unsigned option, const char *text, uint64_t least, uint64_t most,
                             uint64_t *value, struct rs_error *err)
{
    uint64_t n;
    if (!names_number(text, &n) || n < least || n > most)
        return rs_fail(err, "%s wants a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
                       options[option].name, least, most, text);
    *value = n;
    return RS_OK;
}

/* A file that is written or read: two of them would be one too many. */
static enum rs_status set_text(unsigned option, const char *value, const char **text, struct rs_error *err)
{
    if (*text)
        return rs_fail(err, "%s is given twice: '%s' and '%s'", options[option].name, *text, value);
    *text = value;
    return RS_OK;
}

static enum rs_status set_timing(struct cli *cli, const char *value, struct rs_error *err)
{
    char text[512];
    const char *preset;
    for (size_t i = 0; (preset = rs_preset_name(i)); i++)
        if (strcmp(preset, value) == 0) {
            cli->timing = preset;
            return RS_OK;
        }
    names_complain(text, sizeof text, "timing preset", value, preset_at, NULL);
    return rs_fail(err, "--timing: %s", text);
}

static enum rs_status set_gdb(struct cli *cli, const char *value, struct rs_error *err)
{
    size_t digits = strspn(value, "0123456789");
    unsigned long port = digits && digits <= 5 ? strtoul(value, NULL, 10) : ULONG_MAX;
    if (value[digits] || port > UINT16_MAX || (value[0] == '0' && digits > 1))
        return rs_fail(err, "--gdb wants a port up to 65535, or 0 for any that is free, not '%s'", value);
    cli->gdb = true;
    cli->gdb_port = (uint16_t)port;
    return RS_OK;
}

/* One more of an option that may be repeated. */
static enum rs_status add_text(unsigned option, const char *value, const char **list, size_t *n, size_t most,
                               struct rs_error *err)
{
    if (*n == most)
        return rs_fail(err, "%s can be given %zu times at most", options[option].name, most);
    list[(*n)++] = value;
    return RS_OK;
}

static enum rs_status add_device(struct cli *cli, unsigned option, const char *value, struct rs_error *err)
{
    if (cli->devices == DEVICES_MAX)
        return rs_fail(err, "%d disks and NICs are the most that a machine can have", DEVICES_MAX);
    cli->device[cli->devices++] = (struct cli_device){option == NIC, value};
    cli->nics += option == NIC;
    cli->disks += option == DISK;
    return RS_OK;
}

static enum rs_status set_option(struct cli *cli, unsigned option, const char *value, struct rs_error *err)
{
    switch (option) {
    case RECORD: return set_text(option, value, &cli->record, err);
    case REPLAY: return set_text(option, value, &cli->replay, err);
    case AT: return set_text(option, value, &cli->at, err);
    case SEED: return number(option, value, 0, UINT64_MAX, &cli->seed, err);
    case MAX_CYCLES: return number(option, value, 0, UINT64_MAX, &cli->max_cycles, err);
    case STATS: cli->stats = true; break;
    case TRACE:
        return set_text(option, value, &cli->trace, err) == RS_OK ? trace_check(value, err) : RS_FAILED;
    case GDB: return set_gdb(cli, value, err);
    case TIMING: return set_timing(cli, value, err);
    case CMDLINE: cli->cmdline = value; break;
    case ENTRY: cli->entry = value; break;
    case REGISTERS: cli->registers = value; break;
    case RAM:
        if (!names_size(value, &cli->ram_bytes))
            return rs_fail(err, "--ram wants a size such as 64M, not '%s'", value);
        break;
    case CORES: return number(option, value, 1, RS_CORES_MAX, &cli->cores, err);
    case MODULE: return add_text(option, value, cli->module, &cli->modules, MODULES_MAX, err);
    case LINK: return add_text(option, value, cli->link, &cli->links, LINK_OPTIONS, err);
    case PCAP: return add_text(option, value, cli->pcap, &cli->pcaps, PCAP_OPTIONS, err);
    case DISK:
    case NIC: return add_device(cli, option, value, err);
    case COMMIT: cli->commit = true; break;
    case HELP: cli->help = true; break;
    default: cli->version = true; break;
    }
    return RS_OK;
}

/* ------------------------------------------------------------------ parsing */

static enum rs_status unknown_option(const struct cli *cli, const char *name, struct rs_error *err)
{
    char text[900];
    unsigned command = cli->command, any = COMMANDS;
    for (unsigned o = 0; o < OPTIONS && command != COMMANDS; o++)
        if (strcmp(options[o].name, name) == 0)
            return rs_fail(err, "ringside %s takes no %s%s%s; see ringside %s --help", commands[command].name,
                           name, why_not[o] ? ": " : "", why_not[o] ? why_not[o] : "",
                           commands[command].name);
    names_complain(text, sizeof text, "option", name, option_at, command == COMMANDS ? &any : &command);
    return rs_fail(err, "%s", text);
}

static unsigned find_option(const struct cli *cli, const char *name, size_t n)
{
    for (unsigned o = 0; o < OPTIONS; o++) {
        bool is = n == 2 && name[1] != '-'
                      ? options[o].letter == name[1]
                      : strlen(options[o].name) == n && memcmp(options[o].name, name, n) == 0;
        if (is && (cli->command == COMMANDS || options[o].on & ON(cli->command)))
            return o;
    }
    return OPTIONS;
}

/* The option at argv[*i], and its value, which may be the next argument. */
static enum rs_status parse_option(struct cli *cli, int argc, char **argv, int *i, struct rs_error *err)
{
    char *argument = argv[*i];
    size_t n = strcspn(argument, "=");
    unsigned o = find_option(cli, argument, n);
    const char *value = argument[n] ? argument + n + 1 : NULL;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)n, argument);
    if (o == OPTIONS)
        return unknown_option(cli, name, err);
    if (!options[o].argument && value)
        return rs_fail(err, "%s takes no value", name);
    if (options[o].argument && !value) {
        if (*i + 1 >= argc)
            return rs_fail(err, "%s wants a value: %s %s", name, name, options[o].argument);
        value = argv[++*i];
    }
    if (value && !*value && o != CMDLINE && o != GDB)
        return rs_fail(err, "%s wants a value, and it is empty: %s %s", name, name, options[o].argument);
    cli->given |= 1u << o;
    return set_option(cli, o, value, err);
}

static enum rs_status set_command(struct cli *cli, const char *name, struct rs_error *err)
{
    char text[512];
    if (strcmp(name, "help") == 0) { /* of the command that may follow */
        cli->help = true;
        return RS_OK;
    }
    for (unsigned i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0) {
            cli->command = (enum command)i;
            return RS_OK;
        }
    names_complain(text, sizeof text, "command", name, command_at, NULL);
    return rs_fail(err, "%s; see ringside --help", text);
}

static bool same_name(const char *a, const char *b)
{
    size_t n = strcspn(a, "=");
    return n == strcspn(b, "=") && memcmp(a, b, n) == 0;
}

static enum rs_status check_argument(const struct cli *cli, int i, struct rs_error *err)
{
    const char *it = cli->argv[i];
    if (cli->command == CMD_EXEC || !strchr(it, '='))
        return rs_fail(err, "unexpected argument '%s'; %s", it,
                       cli->command == CMD_EXEC ? "the image's own go into -a \"...\""
                                                : "parameters are given as NAME=VALUE");
    if (*it == '=')
        return rs_fail(err, "'%s' has no name before '=': parameters are given as NAME=VALUE", it);
    for (int j = 0; j < i; j++)
        if (same_name(it, cli->argv[j]))
            return rs_fail(err, "parameter %.*s is given twice: '%s' and '%s'", (int)strcspn(it, "="), it,
                           cli->argv[j], it);
    return RS_OK;
}

static enum rs_status check_arguments(const struct cli *cli, struct rs_error *err)
{
    for (int i = 0; i < cli->argc; i++)
        if (check_argument(cli, i, err) != RS_OK)
            return RS_FAILED;
    if (cli->argc > ARGUMENTS_MAX)
        return rs_fail(err, "%d parameters are the most that can be given, not %d", ARGUMENTS_MAX, cli->argc);
    if (cli->argc && !cli->file)
        return rs_fail(err, "'%s' is for a scenario, and none is given", cli->argv[0]);
    return RS_OK;
}

static enum rs_status check_usage(const struct cli *cli, struct rs_error *err)
{
    if (cli->help || cli->version)
        return RS_OK;
    if (cli->command == COMMANDS)
        return rs_fail(err, "a command is wanted; see ringside --help");
    if (!cli->file && cli->command != CMD_REPL)
        return rs_fail(err, "usage: ringside %s %s", commands[cli->command].name,
                       commands[cli->command].arguments);
    for (unsigned o = 0; o < OPTIONS; o++) /* they may stand before the command */
        if (cli->given & 1u << o && !(options[o].on & ON(cli->command)))
            return unknown_option(cli, options[o].name, err);
    if (cli->commit && !cli->disks)
        return rs_fail(err, "--commit writes disks, and there is none: --disk FILE");
    if ((cli->pcaps || cli->links) && !cli->nics)
        return rs_fail(err, "%s wants a NIC, and there is none: --nic e1000",
                       cli->pcaps ? "--pcap" : "--link");
    if (cli->file && !*cli->file)
        return rs_fail(err, "the name of the %s is empty; usage: ringside %s %s",
                       cli->command == CMD_EXEC ? "image" : "scenario", commands[cli->command].name,
                       commands[cli->command].arguments);
    return check_arguments(cli, err);
}

enum rs_status cli_parse(int argc, char **argv, struct cli *cli, struct rs_error *err)
{
    bool only_arguments = false;
    int kept = 0;
    *cli = (struct cli){.command = COMMANDS, .ram_bytes = (uint64_t)64 << 20, .cores = 1, .argv = argv};
    for (int i = 1; i < argc; i++) {
        bool option = !only_arguments && argv[i][0] == '-' && argv[i][1];
        enum rs_status status = RS_OK;
        if (option && strcmp(argv[i], "--") == 0)
            only_arguments = true;
        else if (option)
            status = parse_option(cli, argc, argv, &i, err);
        else if (cli->command == COMMANDS)
            status = set_command(cli, argv[i], err);
        else if (!cli->file && !(cli->command == CMD_REPL && strchr(argv[i], '=')))
            cli->file = argv[i];
        else
            argv[kept++] = argv[i];
        if (status != RS_OK)
            return status;
    }
    cli->argc = kept;
    return check_usage(cli, err);
}
