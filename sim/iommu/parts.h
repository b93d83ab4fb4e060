/* parts.h - what the IOMMU's parts need of each other. */
#ifndef RINGSIDE_IOMMU_PARTS_H
#define RINGSIDE_IOMMU_PARTS_H

#include "iommu/iommu.h"
#include "mmu/tlb.h"

/* ---- caches: cache.c ---- */

enum iommu_unit { UNIT_CONTEXT, UNIT_IOTLB, UNIT_TABLE_4, UNIT_TABLE_3, UNIT_TABLE_2, UNIT_INTERRUPT };

#define IOMMU_REACH_SHIFT  32
#define IOMMU_SPACE_DOMAIN 0xffffull

static inline u64 iommu_space(u64 domain, unsigned reach)
{
    return domain | (u64)reach << IOMMU_REACH_SHIFT;
}

static inline unsigned iommu_reach(const struct iommu_entry *e)
{
    return (unsigned)(e->space >> IOMMU_REACH_SHIFT & 3);
}

/* The entry with that tag (less 1) and space, now the youngest, and its cycles; NULL: a miss, or off. */
struct iommu_entry *iommu_cache_find(struct machine *m, enum iommu_unit unit, u64 tag, u64 space);
/* Takes the place of the oldest. */
void iommu_cache_fill(struct machine *m, enum iommu_unit unit, struct iommu_entry entry);
/* Drops the entries that `doomed` says. */
void iommu_cache_drop(struct machine *m, enum iommu_unit unit,
                      bool (*doomed)(const struct iommu_entry *e, const void *what), const void *what);

/* ---- memory: memory.c ---- */

/* Reads an entry of up to 2 words of 8 bytes, with its cycles (D6); false: there is no memory. */
bool iommu_fetch(struct machine *m, u64 hpa, unsigned words, u64 *word, u64 *cycles);
/* Writes a value of 4 or 8 bytes; nothing happens where there is no memory. */
void iommu_store(struct machine *m, u64 hpa, unsigned n, u64 value);

/* ---- faults and events: fault.c ---- */

struct iommu_fault {
    u32 reason;
    u16 requester;
    bool read;
    bool quiet; /* FPD: not recorded */
    u64 info;   /* address, or index of an interrupt */
};

void iommu_record_fault(struct machine *m, const struct iommu_fault *f);
/* IQE: the queue stops. */
void iommu_queue_error(struct machine *m);
/* A wait descriptor asks for an interrupt. */
void iommu_wait_complete(struct machine *m);
/* After a write to a status register: no status, no interrupt. */
void iommu_status_written(struct machine *m);
/* FSTS as software sees it. */
u64 iommu_fault_status(const struct machine *m);
/* An event's message waits and may go; sends it. */
bool iommu_event_waits(const struct machine *m);
void iommu_send_event(struct machine *m);

/* ---- invalidation: invalidate.c ---- */

bool iommu_invalidation_waits(const struct machine *m);
void iommu_invalidate(struct machine *m);

/* Asks for an atom if there is something to do. */
void iommu_wake(struct machine *m);

#endif
