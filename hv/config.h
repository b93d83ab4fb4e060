/* config.h - the string of a boot module that is a VM:
 *
 *     NAME [image=NAME] [ram=8M] [mmu=nested|shadow] [page=4k|2m] [start=yes|no] [lazy=yes|no]
 *          [faults=guest|hypervisor] [tables=24..2047] [weight=1..100] [vcpus=1..8] [edu=yes|no]
 * [nic=none|e1000|virtio] [vlan=1..4094|trunk] [-- ARGUMENTS]
 *
 * The guest's command line is the image's name, then the arguments. */
#ifndef HV_CONFIG_H
#define HV_CONFIG_H

#include "vm.h"

#define WEIGHT_MAX 100

/* Changes a setting that may change while the VM lives, weight, faults or vlan, as `NAME=VALUE` says above.
 * False, with a message in `why` and nothing changed, if it is none of them or the value is not possible. */
bool config_set(struct vm_config *config, const char *name, const char *value, char *why, size_t size);

/* False, with a message in `why`, if the string is malformed: then all is as by default but
 * the name, if there is one. */
bool config_parse(struct vm_config *config, const char *string, char *why, size_t size);

#endif
