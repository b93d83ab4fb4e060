/* iommu_fault.h - what the IOMMU has refused, in words; and its registers, for the files that drive it. */
#ifndef HV_IOMMU_FAULT_H
#define HV_IOMMU_FAULT_H

#include <stdint.h>

/* How many a function may have before it may no longer reach the bus: a hostile driver could keep the
 * hypervisor busy with them. */
#define IOMMU_FAULTS_MAX 16

uint32_t iommu_read(uint32_t at);
void iommu_write(uint32_t at, uint32_t value);
uint64_t iommu_read64(uint32_t at);
void iommu_write64(uint32_t at, uint64_t value);

/* From now on its fault event is an interrupt, and each record is told on the console. */
void iommu_fault_begin(void);

#endif
