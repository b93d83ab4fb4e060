/* hv_run.h - a machine that runs the hypervisor: for tests of the hypervisor.  One at a time. */
#ifndef TESTS_LIB_HV_RUN_H
#define TESTS_LIB_HV_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "ringside.h"

#define HV_TEXT_BYTES   65536      /* the longest that a UART may have sent */
#define HV_LIMIT_CYCLES 400000000u /* of a run */
#define HV_FIRMWARE     (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)

/* What debug-exit of 0, 1 and 2 makes of a run. */
#define STATUS_SUCCESS 1
#define STATUS_FAILURE 3
#define STATUS_PANIC   5

extern rs_world *world;
extern rs_machine *machine;
extern struct rs_error err;

/* A new world with one machine; close_world frees both. */
void open_world(uint64_t ram_mib, uint64_t firmware, uint32_t cores);
void open_world_devices(uint64_t ram_mib, uint64_t firmware, uint32_t cores, const struct rs_device *device,
                        size_t n);
void close_world(void);

/* Boot modules: a file, or a guest by its name, with the string that the hypervisor gets. */
void add_file(const char *path, const char *string);
void add_vm(const char *image, const char *string);
/* Takes " tables=..." out of a VM's string: for one whose MMU is not shadowed. */
void without_tables(char *string);
/* Boots an image of the build, such as "hv/hv.elf", with the modules added. */
void boot(const char *image, const char *cmdline);
void boot_hv(void);

void run_until(uint64_t cycle);
/* Until the machine stops, which it must: its status. */
int run_to_end(void);

/* What a UART has sent so far, from byte `from`; good until the next call. */
const char *console_from(unsigned uart, size_t from);
void must_say(const char *text);

/* Sends a line to the management UART and waits for its reply. */
const char *command(const char *line);
void reply_has(const char *line, const char *text);
/* The number after `key` in what `stats` says of a VM. */
uint64_t stat_of(const char *vm, const char *key);
/* A count of a port in what `net stats` says. */
uint64_t net_stat(const char *reply, const char *port, const char *key);

/* The lines of VM `name` in the host's console, without "[name] ": HV_TEXT_BYTES. */
void vm_lines(const char *name, char *out);

/* What a guest prints bare and in a VM. */
void must_be_same(const char *bare, const char *virtual);

#endif
