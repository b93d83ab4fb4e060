/* devices.h - the models that a machine can be given, by the names that people type. */
#ifndef RINGSIDE_DEV_DEVICES_H
#define RINGSIDE_DEV_DEVICES_H

#include "machine.h"

/* Puts the host bridge and the configured functions into their slots. */
enum rs_status devices_plug(struct machine *m, const struct rs_config *config, struct rs_error *err);

/* Of which kinds stand in which slots, of the NICs' addresses and the disks' sizes. */
u64 devices_hash(const struct machine *m);

#endif
