/* view.c - the IOMMU as faces see it: its last walk, its counters, and a walk without side effects. */
#include <stdlib.h>

#include "dev/pci.h"
#include "iommu/parts.h"

const struct rs_walk *rs_last_iommu_walk(const rs_machine *m)
{
    return m->iommu_walk.valid ? &m->iommu_walk : NULL;
}

const char *rs_requester(const rs_machine *m, uint16_t requester)
{
    unsigned slot = requester >> 3;
    return !(requester & 7) && slot < PCI_SLOTS && m->pci[slot] ? m->pci[slot]->model->name : NULL;
}

/* ---- counters ---- */

static const struct rs_counter_info counter[] = {
#define COUNTER(name, help) {#name, help},
#include "iommu/counters.def"
#undef COUNTER
};

size_t rs_iommu_counter_count(void)
{
    return sizeof counter / sizeof *counter;
}

const struct rs_counter_info *rs_iommu_counter_info(size_t i)
{
    return i < rs_iommu_counter_count() ? &counter[i] : NULL;
}

uint64_t rs_iommu_counter(const rs_machine *m, size_t i)
{
    return i < rs_iommu_counter_count() ? ((const u64 *)&m->b.iommu_count)[i] : 0;
}

/* ---- what the caches hold ---- */

static void show_context(const struct iommu_entry *e, struct rs_iommu_cache_view *view)
{
    view->requester = (u16)(e->tag - 1);
    view->domain = (u16)(e->high >> IOMMU_CONTEXT_DID_SHIFT);
    view->to = (e->low & IOMMU_CONTEXT_TT) == IOMMU_CONTEXT_PASS ? 0 : e->low & ~UINT64_C(0xfff);
    view->readable = view->writable = true;
}

static void show_translation(const struct iommu_entry *e, struct rs_iommu_cache_view *view)
{
    view->domain = (u16)(e->space & IOMMU_SPACE_DOMAIN);
    view->page_bytes = reach_bytes(iommu_reach(e));
    view->address = (e->tag - 1) << reach_shift(iommu_reach(e));
    view->to = e->low & ~UINT64_C(0xfff);
    view->readable = e->high & IOMMU_SL_R;
    view->writable = e->high & IOMMU_SL_W;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct iommu_entry *entries_of(const struct iommu_caches *c, enum rs_iommu_cache which,
                                            size_t *n)
{
    switch (which) {
    case RS_IOTLB: *n = COUNT(c->translation); return c->translation;
    case RS_IOMMU_PWC: *n = COUNT(c->table); return c->table;
    default: *n = COUNT(c->context); return c->context;
    }
}

bool rs_iommu_cache_get(const rs_machine *m, enum rs_iommu_cache which, size_t i,
                        struct rs_iommu_cache_view *view)
{
    size_t n;
    const struct iommu_entry *e = entries_of(&m->b.iommu_cache, which, &n);
    for (size_t k = 0; k < n; k++)
        if (e[k].tag && i-- == 0) {
            *view = (struct rs_iommu_cache_view){.age = m->b.iommu_cache.stamp - e[k].stamp};
            (which == RS_CONTEXT_CACHE ? show_context : show_translation)(&e[k], view);
            return true;
        }
    return false;
}

/* ---- a walk without side effects ---- */

/* What a translation moves: caches and counters, the bus, the devices' clock and atom, the record. */
struct kept {
    struct board_state b;
    struct devices devices;
    struct rs_walk walk;
    struct params p;
    u64 watched;
};

static void keep(const struct machine *m, struct kept *k)
{
    *k = (struct kept){m->b, m->devices, m->iommu_walk, m->p, m->watched};
}

static void put_back(struct machine *m, const struct kept *k)
{
    m->b = k->b;
    m->p = k->p;
    m->iommu_walk = k->walk;
    m->watched = k->watched;
    m->devices = k->devices;
}

static void quiet(struct machine *m, bool caches)
{
    m->watched = 0;
    m->devices.cycle = device_now(m);
    m->devices.atom.clock = NULL;
    m->devices.atom.micro_stop = 0;
    m->b.iommu.fectl |= IOMMU_EVENT_IM; /* a fault asks for no atom */
    m->b.iommu.iectl |= IOMMU_EVENT_IM;
    m->b.iommu.ccmd = m->b.iommu.iotlb = 0;
    m->b.iommu.fsts |= IOMMU_FSTS_IQE;
    if (!caches)
        m->p.context_cache = m->p.iotlb = m->p.iommu_pwc = 0;
}

enum rs_status rs_translate_device(rs_machine *m, uint16_t requester, uint64_t address, bool write,
                                   bool caches, struct rs_walk *walk)
{
    struct iommu_access a = {requester, write, address};
    u64 hpa;
    if (!(m->b.iommu.gsts & IOMMU_TE))
        return RS_FAILED;
    struct kept *k = malloc(sizeof *k);
    if (!k)
        abort();
    keep(m, k);
    quiet(m, caches);
    iommu_translate(m, &a, &hpa);
    *walk = m->iommu_walk;
    put_back(m, k);
    free(k);
    return RS_OK;
}
