/* net.h - the VMs' network: the switch, its ports for VMs, and what the management line says of it. */
#ifndef HV_NET_H
#define HV_NET_H

#include "stats.h"
#include "vswitch.h"

struct vm;

struct vswitch *net_switch(void);
/* A VM's port, with the address that it has for good; the one of its former life goes.  NULL: the switch is
 * full.
 */
struct vswitch_port *net_port(struct vm *vm, bool (*take)(void *of, const uint8_t *frame, unsigned bytes),
                              void *of);
/* The VM's configuration has changed: its VLAN. */
void net_configured(struct vm *vm);
/* What two uplinks do: "failover", the second for the first alone, or "spread", each for some of the VMs.
 * False: neither. */
bool net_bond(const char *mode);
/* A line for each port: what it is, or what it has counted. */
void net_list(stats_line *line);
void net_stats(stats_line *line);

#endif
