/* pcap.h - the frames of a NIC in a file that tcpdump and Wireshark read. */
#ifndef TRACE_PCAP_H
#define TRACE_PCAP_H

#include "ringside.h"

struct pcap;

/* Of a NIC.  The file is new, empty or an older capture, and stays so; NULL and a message if not. */
struct pcap *pcap_open(rs_world *w, const rs_machine *m, size_t nic, const char *path, struct rs_error *err);
/* From now on, each frame that the NIC sends or takes, at its time in the world.  They replace what the file
 * held. */
enum rs_status pcap_begin(struct pcap *p, struct rs_error *err);
const char *pcap_path(const struct pcap *p);
/* Also of one that has not begun.  RS_FAILED: it could not be written whole. */
enum rs_status pcap_end(struct pcap *p, struct rs_error *err);

#endif
