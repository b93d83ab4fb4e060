/* physical.h - the machine's own PCI functions that somebody may want, and who has each: a part of the
 * hypervisor that drives it, or a VM that it is passed through to.  A function has one owner. */
#ifndef HV_PHYSICAL_H
#define HV_PHYSICAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/pci.h"

#define PHYSICAL_INTERRUPTS 8 /* of a function, at most */

enum physical_kind {
    PHYSICAL_NIC,  /* an 82540EM */
    PHYSICAL_DISK, /* virtio-blk */
    PHYSICAL_EDU,
    PHYSICAL_KINDS,
};

struct physical {
    enum physical_kind kind;
    uint8_t slot;         /* of bus 0 */
    uint8_t msix_vectors; /* 0: it has MSI; else MSI-X, with the table in BAR msix_bar */
    uint8_t msix_bar;
    const char *owner; /* NULL: nobody */
    uint64_t faults;   /* of the IOMMU, since it has its owner */
    struct {
        uint32_t address, bytes; /* of memory; no bytes: it has no such */
    } bar[PCI_BARS];
};

/* The i-th of all, in the order of their slots; NULL after the last. */
struct physical *physical_at(unsigned i);

/* "nic", "disk", "edu". */
const char *physical_kind_name(enum physical_kind kind);
/* What it is, in words. */
const char *physical_name(const struct physical *p);

/* Gives a function of a kind, in that slot or in the first whose function is free (slot 0), to a part of the
 * hypervisor, which is to drive it: what its DMA names are the machine's addresses.  owner: for messages.
 * NULL, with a message in `why`: there is none, or somebody else has it. */
struct physical *physical_take(enum physical_kind kind, unsigned slot, const char *owner, char *why,
                               size_t size);
/* It is silent, and nobody's again. */
void physical_give(struct physical *p);

/* Its interrupt number `entry` (MSI has 0 alone, MSI-X one for each entry of its table) is from now on that
 * vector of the core with that APIC ID (irq.h); false: it has no such interrupt. */
bool physical_interrupt(struct physical *p, unsigned entry, uint8_t vector, uint8_t apic_id);

/* The same, but that vector of a guest's is posted to a descriptor (posted.h).  False: there is no posting.
 */
bool physical_post(struct physical *p, unsigned entry, uint8_t vector, uint64_t descriptor);

/* The same as physical_take, but for the IOMMU: what its DMA reaches is the owner's affair. */
struct physical *physical_reserve(enum physical_kind kind, unsigned slot, const char *owner, char *why,
                                  size_t size);
/* No DMA, no messages, no INTA# from now on; memory is decoded. */
void physical_silence(const struct physical *p);
void physical_no_interrupts(const struct physical *p);
/* Its DMA and messages reach the bus; not if it has had too many faults. */
void physical_set_master(const struct physical *p, bool master);
/* As after power-on, as far as it can be made so: all that it was told is forgotten. */
void physical_reset(const struct physical *p);

#endif
