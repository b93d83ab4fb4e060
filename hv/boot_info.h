/* boot_info.h - what the boot protocol tells us (arch/boot.h). */
#ifndef HV_BOOT_INFO_H
#define HV_BOOT_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/boot.h"

/* True if `word` is on our command line. */
bool boot_option(const struct boot_info *info, const char *word);
/* What follows `key`, such as "uplinks=", on our command line, as much of it as fits; false: it is not there.
 */
bool boot_value(const struct boot_info *info, const char *key, char *value, size_t size);
/* The i-th module, NULL after the last. */
const struct boot_module *boot_module(const struct boot_info *info, unsigned i);
/* RAM that nothing of the boot lies in: first .. end. */
void boot_free_memory(const struct boot_info *info, uint64_t *first, uint64_t *end);

#endif
