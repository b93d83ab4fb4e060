/* cache.c - the IOMMU's caches: context entries, translations, tables, interrupt entries (VT-d specification,
 * 6.2 "Address Translation Caches").  What is not present or faults is not kept (caching mode 0). */
#include "iommu/parts.h"

#include "dev/device.h"

/* Set s is entry[s * ways] and on. */
struct geometry {
    struct iommu_entry *entry;
    u64 sets, ways; /* no sets: the cache is off */
};

static struct geometry whole(struct iommu_entry *entry, u64 on, u64 entries)
{
    return (struct geometry){entry, on ? 1 : 0, entries};
}

static struct geometry geometry_of(struct machine *m, enum iommu_unit unit)
{
    struct iommu_caches *c = &m->b.iommu_cache;
    const struct params *p = &m->p;
    switch (unit) {
    case UNIT_CONTEXT: return whole(c->context, p->context_cache, p->context_cache_entries);
    case UNIT_INTERRUPT: return whole(c->interrupt, p->interrupt_cache, p->interrupt_cache_entries);
    case UNIT_IOTLB:
        return (struct geometry){c->translation, p->iotlb ? p->iotlb_entries / p->iotlb_ways : 0,
                                 p->iotlb_ways};
    default:
        return whole(c->table + IOMMU_TABLES * (unit - UNIT_TABLE_4), p->iommu_pwc, p->iommu_pwc_entries);
    }
}

static struct iommu_entry *set_of(const struct geometry *g, u64 tag)
{
    return g->entry + tag % g->sets * g->ways;
}

struct iommu_entry *iommu_cache_find(struct machine *m, enum iommu_unit unit, u64 tag, u64 space)
{
    struct geometry g = geometry_of(m, unit);
    if (!g.sets)
        return NULL;
    struct iommu_entry *e = set_of(&g, tag);
    for (u64 way = 0; way < g.ways; way++, e++)
        if (e->tag == tag + 1 && e->space == space) {
            e->stamp = ++m->b.iommu_cache.stamp;
            device_wait(m, m->p.iommu_latency);
            return e;
        }
    return NULL;
}

void iommu_cache_fill(struct machine *m, enum iommu_unit unit, struct iommu_entry entry)
{
    struct geometry g = geometry_of(m, unit);
    if (!g.sets)
        return;
    struct iommu_entry *e = set_of(&g, entry.tag), *to = e;
    for (u64 way = 0; way < g.ways && to->tag; way++)
        if (!e[way].tag || e[way].stamp < to->stamp)
            to = &e[way];
    *to = entry;
    to->tag++;
    to->stamp = ++m->b.iommu_cache.stamp;
}

void iommu_cache_drop(struct machine *m, enum iommu_unit unit,
                      bool (*doomed)(const struct iommu_entry *e, const void *what), const void *what)
{
    struct geometry g = geometry_of(m, unit);
    for (u64 i = 0; i < g.sets * g.ways; i++)
        if (g.entry[i].tag && doomed(&g.entry[i], what))
            g.entry[i] = (struct iommu_entry){0};
}
