/* loader.h - from an ELF64 image to guest RAM. */
#ifndef HV_LOADER_H
#define HV_LOADER_H

#include "vm.h"

/* Puts the segments of vm->module where they belong and finds the entry.  Every field is checked: a bad image
 * gives false and a message in `why`. */
bool loader_load(struct vm *vm, uint64_t *entry, char *why, size_t size);

#endif
