/* iommu_state.h - the IOMMU's state: registers and caches; u64 fields only (state.def). */
#ifndef RINGSIDE_IOMMU_STATE_H
#define RINGSIDE_IOMMU_STATE_H

#include <stdint.h>

/* One entry of a cache: of 8 bytes or of 16, or a translation. */
struct iommu_entry {
    uint64_t tag;   /* what it is found by, + 1; 0: invalid */
    uint64_t space; /* translations: domain ID, and enum tlb_reach in bits 33:32 */
    uint64_t low;   /* translations: the frame */
    uint64_t high;  /* translations: IOMMU_SL_R and IOMMU_SL_W */
    uint64_t stamp; /* age clock at its last use */
};

#define IOMMU_CONTEXTS     64 /* the largest caches that there may be: params.def */
#define IOMMU_TRANSLATIONS 256
#define IOMMU_TABLES       64 /* of each of three levels */
#define IOMMU_INTERRUPTS   64

struct iommu {
    uint64_t gsts, rtaddr, root, ccmd, iotlb, iva; /* root: what SRTP has taken from RTADDR */
    uint64_t fsts, fectl, fedata, feaddr, feuaddr;
    uint64_t iqh, iqt, iqa, ics, iectl, iedata, ieaddr, ieuaddr;
    uint64_t irta, interrupts; /* interrupts: what SIRTP has taken from IRTA */
    uint64_t frcd[8];          /* two words for each record */
    uint64_t frcd_next;        /* the record that the next fault takes */
};

struct iommu_caches {
    uint64_t stamp; /* age clock: one more at each look-up */
    struct iommu_entry context[IOMMU_CONTEXTS];
    struct iommu_entry translation[IOMMU_TRANSLATIONS];
    struct iommu_entry table[3 * IOMMU_TABLES]; /* level 4 first */
    struct iommu_entry interrupt[IOMMU_INTERRUPTS];
};

struct iommu_counters {
#define COUNTER(name, help) uint64_t name;
#include "iommu/counters.def"
#undef COUNTER
};

#endif
