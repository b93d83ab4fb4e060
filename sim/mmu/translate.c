/* translate.c - TLBs first, then the walk; faults and EPT exits; and all of it without effects for who looks
 * on. */
#include "mmu/translate.h"

#include <stdlib.h>

#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "cpu/vapic.h"
#include "mmu/mmu.h"
#include "mmu/walk.h"

struct tlb_entry *translate_by(struct core *c, enum tlb_unit unit, const struct mmu_context *x, u64 gva,
                               unsigned access)
{
    struct tlb_entry *e = tlb_look_up(c, unit, gva, x->space, x->eptp);
    if (!e || rights_allow(c, e->perms, access))
        return e;
    tlb_drop(c, unit, e);
    return NULL;
}

/* ---- a miss ---- */

static _Noreturn void raise_failure(struct core *c, u64 gva)
{
    const struct rs_walk *w = &c->rt.walk;
    u64 gpa = w->fault_gpa;
    run_leaves(c);
    if (w->owner == RS_GUEST_FAULT) {
        flush_for_fault(c, gva);
        cpu_page_fault(c, gva, w->error);
    }
    if (w->owner == RS_APIC_ACCESS)
        vapic_exit_physical(c);
    if (w->owner == RS_EPT_MISCONFIG)
        vmx_exit_ept(c, EXIT_EPT_MISCONFIG, 0, gpa, gva);
    if (w->owner == RS_PML_FULL)
        vmx_exit_ept(c, EXIT_PML_FULL, 0, 0, 0);
    flush_for_ept_violation(c, gva, gpa);
    if (w->convertible)
        vmx_virtualization_exception(c, w->qualification, gpa, gva);
    vmx_exit_ept(c, EXIT_EPT_VIOLATION, w->qualification, gpa, gva);
}

static struct tlb_entry *walk_and_fill(struct core *c, enum tlb_unit l1, const struct mmu_context *x, u64 gva,
                                       unsigned access)
{
    struct tlb_entry found;
    bool is_short = walk_short(c, x, gva, access, &found);
    if (!is_short && !walk_page(c, x, gva, access, false, &found)) {
        walk_end(c);
        raise_failure(c, gva);
    }
    if (c->m->p.stlb)
        tlb_fill(c, UNIT_STLB, &found);
    struct tlb_entry *e = tlb_fill(c, l1, &found);
    if (is_short)
        micro(c, MICRO_TLB);
    else
        walk_end(c);
    return e;
}

static struct tlb_entry *second_level(struct core *c, enum tlb_unit l1, const struct mmu_context *x, u64 gva,
                                      unsigned access)
{
    struct tlb_entry *e = c->m->p.stlb ? translate_by(c, UNIT_STLB, x, gva, access) : NULL;
    if (!e)
        return NULL;
    c->s.count.stlb_hits++;
    stall(c, &c->s.count.stall_tlb, c->m->p.stlb_latency);
    return tlb_fill(c, l1, e);
}

struct tlb_entry *translate(struct core *c, u64 gva, unsigned access, bool *hit)
{
    bool fetch = access & MMU_FETCH;
    enum tlb_unit l1 = fetch ? UNIT_ITLB : UNIT_DTLB;
    if (unlikely(!sys_canonical(gva)))
        cpu_fault(c, VEC_GP, 0);
    struct mmu_context x = mmu_context(c);
    *(fetch ? &c->s.count.itlb_lookups : &c->s.count.dtlb_lookups) += 1;
    struct tlb_entry *e = translate_by(c, l1, &x, gva, access);
    *hit = e != NULL;
    if (likely(e != NULL))
        return e;
    *(fetch ? &c->s.count.itlb_misses : &c->s.count.dtlb_misses) += 1;
    if (fetch)
        pipeline_fetch_miss(c);
    e = second_level(c, l1, &x, gva, access);
    return e ? e : walk_and_fill(c, l1, &x, gva, access);
}

/* ---- looking on ---- */

/* A copy of a core in a machine that nobody watches: what runs on it changes nothing but the copy. */
struct scratch {
    struct machine m;
    struct core c;
};

static struct scratch *scratch_of(const struct core *c)
{
    struct scratch *s = malloc(sizeof *s);
    if (!s)
        abort(); /* the host is out of memory */
    s->m = *c->m;
    s->m.watched = 0;
    s->c.s = c->s;
    s->c.rt = (struct core_rt){0};
    s->c.m = &s->m;
    s->c.id = c->id;
    return s;
}

static void translate_dry(struct core *c, u64 gva, unsigned access, bool caches)
{
    struct mmu_context x = mmu_context(c);
    struct tlb_entry *hit =
        caches ? translate_by(c, access & MMU_FETCH ? UNIT_ITLB : UNIT_DTLB, &x, gva, access) : NULL;
    if (!hit && caches && c->m->p.stlb)
        hit = translate_by(c, UNIT_STLB, &x, gva, access);
    if (hit) {
        walk_record_hit(c, gva, access, hit);
        return;
    }
    struct tlb_entry found;
    walk_page(c, &x, gva, access, true, &found);
    walk_end(c);
}

void mmu_translate(struct core *c, u64 gva, enum rs_access access, bool caches, struct rs_walk *walk)
{
    static const unsigned bits[] = {[RS_READ] = MMU_READ, [RS_WRITE] = MMU_WRITE, [RS_FETCH] = MMU_FETCH};
    struct scratch *s = scratch_of(c);
    unsigned how = bits[access] | (cpl(c) == 3 ? MMU_USER : 0);
    if (!caches)
        s->m.p.walk_caches = 0;
    if (sys_canonical(gva))
        translate_dry(&s->c, gva, how, caches);
    else
        walk_record_non_canonical(&s->c, gva, how);
    *walk = s->c.rt.walk;
    mmu_drop_derived(&s->c);
    free(s);
}
