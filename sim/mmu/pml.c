/* pml.c - see pml.h.  Rule E9. */
#include "mmu/pml.h"

#include "arch/vmx.h"
#include "mmu/mmu.h"

static bool pages_are_logged(const struct core *c)
{
    return c->s.vmx.proc2 & PROC2_PML;
}

bool pml_is_full(const struct core *c)
{
    return pages_are_logged(c) && c->s.vmx.pml_index >= PML_ENTRIES;
}

void pml_log(struct core *c, u64 gpa, bool dry)
{
    struct vmx_controls *v = &c->s.vmx;
    if (!pages_are_logged(c))
        return;
    u64 page = gpa & ~UINT64_C(0xfff), index = v->pml_index, hpa = v->pml_address + 8 * index;
    if (dry)
        phys_store_dry(c, hpa, 8);
    else
        phys_store(c, hpa, 8, page);
    v->pml_index = (index - 1) & 0xffff;
    PROBE(c, RS_PROBE_pml, page, index, hpa);
    micro(c, MICRO_AD_UPDATE);
}
