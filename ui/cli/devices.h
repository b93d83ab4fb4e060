/* devices.h - the devices of ringside exec: disks, NICs, what joins them, and captures of their frames. */
#ifndef CLI_DEVICES_H
#define CLI_DEVICES_H

#include "cli/options.h"
#include "trace/pcap.h"

#define DEVICE_TEXT_MAX 4096

struct cli_pcap {
    char path[DEVICE_TEXT_MAX];
    uint64_t nic; /* from 1 */
    struct pcap *file;
};

struct cli_devices {
    char text[DEVICES_MAX][DEVICE_TEXT_MAX]; /* what their names point into */
    struct rs_device device[DEVICES_MAX];
    size_t count;
    struct cli_pcap pcap[PCAP_OPTIONS];
    size_t pcaps;
};

/* Says which option is wrong, and why. */
enum rs_status devices_blame(const struct cli_device *option, const struct rs_error *why,
                             struct rs_error *err);
/* What the options say; nothing is opened. */
enum rs_status devices_read(const struct cli *cli, struct cli_devices *d, struct rs_error *err);
/* Takes note of their files, which are apart from all others. */
enum rs_status devices_use(const struct cli_devices *d, rs_world *w, struct rs_error *err);
/* Of a machine that has them and has not booted: its links, and the files of captures, which stay as they
 * are. */
enum rs_status devices_open(const struct cli *cli, struct cli_devices *d, rs_world *w, rs_machine *m,
                            struct rs_error *err);
/* It has booted, and nothing is wrong: the captures begin, before its first frame. */
enum rs_status devices_begin(struct cli_devices *d, struct rs_error *err);
/* The captures end; RS_FAILED: one could not be written whole. */
enum rs_status devices_end(struct cli_devices *d, struct rs_error *err);

#endif
