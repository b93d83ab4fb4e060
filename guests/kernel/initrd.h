/* initrd.h - the files: those that are linked into the image, and the boot modules. */
#ifndef KERNEL_INITRD_H
#define KERNEL_INITRD_H

#include <stddef.h>
#include <stdint.h>

struct initrd_file {
    const char *name;
    const uint8_t *bytes;
    size_t size;
};

#include "arch/boot.h"

/* Adds the boot modules, each by its string's last word; gives the physical address behind the last. */
uint64_t initrd_init(const struct boot_info *info);
const struct initrd_file *initrd_find(const char *name);
/* The i-th file, or NULL. */
const struct initrd_file *initrd_nth(unsigned i);

#endif
