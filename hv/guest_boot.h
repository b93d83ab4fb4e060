/* guest_boot.h - a VM begins as the bare machine does: the boot protocol in guest RAM (arch/boot.h). */
#ifndef HV_GUEST_BOOT_H
#define HV_GUEST_BOOT_H

#include "vm.h"

/* Page tables, GDT and information block.  False if memory has run out. */
bool guest_boot_write(struct vm *vm);

#endif
