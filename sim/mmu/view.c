/* view.c - walks and mappings as ringside.h shows them. */
#include <string.h>

#include "mmu/mmu.h"
#include "mmu/tlb.h"
#include "mmu/walk.h"

void rs_translate(rs_machine *m, uint32_t core, uint64_t gva, enum rs_access access, bool caches,
                  struct rs_walk *walk)
{
    memset(walk, 0, sizeof *walk);
    if (core < m->cores && access <= RS_FETCH)
        mmu_translate(m->core[core], gva, access, caches, walk);
}

const struct rs_walk *rs_last_walk(const rs_machine *m, uint32_t core)
{
    const struct rs_walk *walk = core < m->cores ? walk_of(m->core[core]) : NULL;
    return walk && walk->valid ? walk : NULL;
}

enum rs_status rs_linear_to_hpa(rs_machine *m, uint32_t core, uint64_t gva, uint64_t *hpa)
{
    return core < m->cores && walk_tables(m->core[core], gva, hpa) ? RS_OK : RS_FAILED;
}

enum rs_status rs_gpa_to_hpa(const rs_machine *m, uint64_t root_hpa, uint64_t gpa, uint64_t *hpa)
{
    return walk_ept_tables(m, root_hpa, gpa, hpa) ? RS_OK : RS_FAILED;
}

/* ---- entries ---- */

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct tlb_entry *entries_of(const struct core_state *s, enum rs_tlb which, size_t *n)
{
    switch (which) {
    case RS_ITLB: *n = COUNT(s->itlb); return s->itlb;
    case RS_DTLB: *n = COUNT(s->dtlb); return s->dtlb;
    case RS_STLB: *n = COUNT(s->stlb); return s->stlb;
    case RS_PWC: *n = COUNT(s->pwc); return s->pwc;
    case RS_NPWC: *n = COUNT(s->npwc); return s->npwc;
    case RS_NTLB: *n = COUNT(s->ntlb); return s->ntlb;
    default: *n = 0; return NULL;
    }
}

static void show(const struct core *c, enum rs_tlb which, const struct tlb_entry *e, struct rs_tlb_view *view)
{
    static const char *const kind[4] = {"linear", "combined", "guest-physical", "none"};
    bool guest_physical = entry_kind(e) == KIND_GUEST_PHYSICAL;
    u64 write = PERM_EPT_W | (guest_physical ? 0 : PERM_W),
        execute = PERM_EPT_X | (guest_physical ? 0 : PERM_X);
    u64 perms = e->perms | (which == RS_PWC ? PERM_EPT : 0); /* its rights are the guest's alone */
    *view = (struct rs_tlb_view){
        .which = which,
        .va = entry_address(e),
        .pa = e->frame,
        .page_bytes = reach_bytes(entry_reach(e)),
        .vpid = entry_vpid(e),
        .pcid = e->space & SPACE_PCID,
        .eptp = e->eptp,
        .age = c->s.stamp - e->stamp,
        .global = perms & PERM_GLOBAL,
        .writable = !(write & ~perms),
        .user = perms & PERM_U,
        .executable = !(execute & ~perms),
        .dirty = perms & PERM_DIRTY,
        .kind = kind[entry_kind(e)],
    };
}

bool rs_tlb_get(const rs_machine *m, uint32_t core, enum rs_tlb which, size_t i, struct rs_tlb_view *view)
{
    size_t n;
    if (core >= m->cores)
        return false;
    const struct tlb_entry *e = entries_of(&m->core[core]->s, which, &n);
    for (size_t k = 0; k < n; k++)
        if (e[k].tag && i-- == 0) {
            show(m->core[core], which, &e[k], view);
            return true;
        }
    return false;
}
