/* mmio.h - registers of devices in a VM's guest-physical memory.  No page is mapped there, so each access
 * exits: as an EPT violation, or with shadow tables as a page fault.  The instruction is read and done here.
 */
#ifndef HV_MMIO_H
#define HV_MMIO_H

#include <stdbool.h>
#include <stdint.h>

#define MMIO_RANGES 8 /* of a VM */

struct vcpu;

/* What a device does with an access to its registers: of 1, 2, 4 or 8 bytes at an offset in its range, or 3,
 * 5 to 7 where one crosses into another page.  of: the device. */
struct mmio_model {
    uint64_t (*read)(void *of, uint64_t offset, unsigned bytes);
    void (*write)(void *of, uint64_t offset, unsigned bytes, uint64_t value);
};

struct mmio_range {
    uint64_t gpa, bytes; /* both multiples of a page; no bytes: nothing */
    const struct mmio_model *model;
    void *of;
};

struct mmio {
    struct mmio_range range[MMIO_RANGES];
};

/* Puts a device's range at gpa, where it stays until it is taken away.  Where two lie over each other the
 * older one answers, and RAM or the APIC before either.  NULL: there are MMIO_RANGES. */
struct mmio_range *mmio_add(struct mmio *m, const struct mmio_range *range);
void mmio_remove(struct mmio_range *range);
/* The one that gpa lies in; NULL: none. */
const struct mmio_range *mmio_find(const struct mmio *m, uint64_t gpa);

/* v has exited in the midst of an instruction that touches a range. */
void mmio_exit(struct vcpu *v);

#endif
