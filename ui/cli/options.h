/* options.h - the command line: one table of commands, one of options; help and errors come from them. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "ringside.h"

enum command { CMD_RUN, CMD_TUI, CMD_REPL, CMD_EXEC, COMMANDS };

#define MODULES_MAX  16
#define DEVICES_MAX  12
#define PCAP_OPTIONS 8
#define LINK_OPTIONS 4

/* A device as it is given: FILE and NAME=VALUE..., or a NIC's kind and those. */
struct cli_device {
    bool nic;
    const char *text;
};

struct cli {
    enum command command;
    bool help, version;
    unsigned given;   /* options, a bit each */
    const char *file; /* scenario or image, NULL if none is given */
    int argc;         /* arguments after it */
    char **argv;
    const char *record, *replay, *at, *timing, *trace, *cmdline, *entry, *registers;
    const char *module[MODULES_MAX];
    size_t modules;
    struct cli_device device[DEVICES_MAX];
    const char *pcap[PCAP_OPTIONS]; /* FILE[,nic=N] */
    const char *link[LINK_OPTIONS]; /* N,M */
    size_t devices, disks, nics, pcaps, links;
    bool commit;
    uint64_t seed, max_cycles, ram_bytes, cores;
    bool stats;
    bool gdb; /* a debugger may attach, at: */
    uint16_t gdb_port;
};

/* Reads argv, moving the arguments of the scenario to the front of *argv.  RS_FAILED and a message on misuse.
 */
enum rs_status cli_parse(int argc, char **argv, struct cli *cli, struct rs_error *err);
/* Help on stdout: of one command if it was given, else of all. */
void cli_help(const struct cli *cli);

#endif
