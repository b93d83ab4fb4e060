/* iommu.h - the IOMMU: DMA and interrupt remapping (VT-d specification, legacy mode; sim/arch/iommu.h;
 * docs/machine.md, D6 to D9).
 *
 * What it does for a device happens in that device's atom; invalidations and its own messages are atoms of
 * its own. */
#ifndef RINGSIDE_IOMMU_H
#define RINGSIDE_IOMMU_H

#include "arch/iommu.h"
#include "cpu/message.h"
#include "machine.h"

/* The machine has one: firmware setting vtd. */
bool iommu_present(const struct machine *m);
/* Its registers are at this address. */
bool iommu_answers(const struct machine *m, u64 hpa);

void iommu_reset(struct machine *m);
/* Accesses of 4 or 8 bytes, aligned; others read as 0 and are ignored. */
u64 iommu_read(const struct machine *m, u64 offset, unsigned n);
void iommu_write(struct machine *m, u64 offset, unsigned n, u64 value);

/* Its atom: a message, an invalidation, or a descriptor. */
void iommu_run(struct machine *m);

/* A device's access, in an atom of the devices. */
struct iommu_access {
    u16 requester;
    bool write;
    u64 address;
};

/* Where it leads.  False: it is refused, and the fault is recorded. */
bool iommu_translate(struct machine *m, const struct iommu_access *a, u64 *hpa);

/* What a message that a device sends to the interrupt addresses becomes.  False: nothing is to be sent, for
 * it is refused. */
bool iommu_remap(struct machine *m, u16 requester, u64 address, u32 data, struct message *message);

/* A fault reason in words, NULL if there is no such. */
const char *iommu_reason_text(u32 reason);

#endif
