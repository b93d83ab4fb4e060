/* iommu_oracle.h - what the VT-d specification says about where a device's access leads, written a second
 * time: from memory alone, without caches, levels' descriptions or anything else of sim/. */
#ifndef TESTS_LIB_IOMMU_ORACLE_H
#define TESTS_LIB_IOMMU_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

struct iommu_answer {
    uint32_t reason; /* 0: allowed */
    uint64_t hpa;
    bool silent; /* FPD */
    uint32_t domain;
    unsigned refs;
};

/* ram: its bytes, from address 0 on. */
struct iommu_oracle {
    uint64_t (*peek)(void *arg, uint64_t hpa); /* 8 bytes */
    void *arg;
    uint64_t ram, root;
};

struct iommu_answer iommu_oracle(const struct iommu_oracle *o, uint16_t requester, uint64_t address,
                                 bool write);

#endif
