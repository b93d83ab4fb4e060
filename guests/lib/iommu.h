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

/* A context entry, by tables of the largest width that there is, or past them (IOMMU_CONTEXT_TABLES,
 * ..._PASS). level3 belongs to level4's first entry. */
void iommu_set_context(uint64_t entry[2], uint64_t type, uint32_t domain, const uint64_t *level4,
                       const uint64_t *level3);
/* By registers; each waits until it is done. */
void iommu_invalidate_contexts(void);
void iommu_invalidate_domain(uint32_t domain);
/* Nothing is cached, and translation goes by these root entries from now on. */
void iommu_translate(const uint64_t *root);

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
