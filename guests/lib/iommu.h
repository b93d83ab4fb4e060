/* iommu.h - the IOMMU's registers and its queue, for guests that drive it (sim/arch/iommu.h). */
#ifndef GUEST_IOMMU_H
#define GUEST_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/iommu.h"

/* False: there is none. */
bool iommu_present(void);

uint32_t iommu_read32(uint32_t at);
uint64_t iommu_read64(uint32_t at);
void iommu_write32(uint32_t at, uint32_t value);
void iommu_write64(uint32_t at, uint64_t value);

/* A command of GCMD, with what is on already; waits until GSTS has it. */
void iommu_command(uint32_t bit);
/* Which fault record is where (CAP.FRO), and how many there are. */
uint32_t iommu_record(uint32_t i);
uint32_t iommu_records(void);

/* Queued invalidation on, by a queue of 256 descriptors. */
void iommu_queue_on(void);
void iommu_submit(uint64_t low, uint64_t high);
/* Waits until all that was submitted is done. */
void iommu_finish(void);
/* Descriptors: everything that is cached of context entries; of all translations; of a domain; of one page.
 */
void iommu_forget_contexts(void);
void iommu_forget_translations(void);
void iommu_forget_domain(uint64_t domain);
void iommu_forget_page(uint64_t domain, uint64_t address);

#endif
