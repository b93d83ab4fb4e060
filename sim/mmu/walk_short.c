/* walk_short.c - the commonest walk: native, to a page of RAM, shortened to its last level by the walk cache,
 * whose entry allows the access and has its flags set.
 *
 * Its rules are those of walk.c, T2 to T4: a look-up in the walk cache, one reference.  It only saves the
 * host the way through them and the writing of a record, which is made when somebody asks. */
#include "cpu/cpu.h"
#include "mmu/cache.h"
#include "mmu/level.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "mmu/walk_cache.h"

#define TOLD_BY_WALKS \
    (PROBE_BIT(walk_begin) | PROBE_BIT(walk_ref) | PROBE_BIT(walk_end) | PROBE_BIT(tlb_fill) | \
     PROBE_BIT(tlb_evict))

static bool somebody_looks(const struct core *c)
{
    return c->m->watched & TOLD_BY_WALKS || c->rt.atom.micro_stop || c->rt.atom.clock;
}

/* What the entry grants together with those above it; 0: it is for walk.c to say. */
static u64 granted(const struct core *c, u64 above, u64 entry, unsigned access)
{
    u64 reserved = c->s.efer & EFER_NXE ? 0 : PTE_NX;
    u64 flags = PTE_A | (access & MMU_WRITE ? PTE_D : 0);
    u64 perms = above & perms_ia32e(entry);
    bool good = entry & PTE_P && !(entry & reserved) && level_well_formed(&format_ia32e, 1, entry);
    return good && (entry & flags) == flags && rights_guest(c, perms, access) == FAULT_NONE ? perms : 0;
}

static void note(struct core *c, const struct mmu_context *x, u64 gva, unsigned access)
{
    struct short_walk *n = &c->rt.short_walk;
    n->noted = true;
    n->access = access;
    n->gva = gva;
    n->rip = c->s.rip;
    n->cr3 = c->s.cr3;
    n->space = x->space;
    n->guest = c->s.vmx_guest;
    n->start_cycle = c->s.cycle;
}

/* The reference to the entry, behind the look-up that gave its table (rule T2). */
static void refer(struct core *c, u64 hpa, u64 entry)
{
    struct short_walk *n = &c->rt.short_walk;
    u64 cycles = c->m->p.l1_latency + cache_read(c, hpa, &n->from);
    stall(c, &c->s.count.stall_walk, cycles);
    c->s.count.walk_refs++;
    n->ref_hpa = hpa;
    n->ref_cycles = cycles;
    n->entry = entry;
    n->cycles = c->s.cycle - n->start_cycle;
}

bool walk_short(struct core *c, const struct mmu_context *x, u64 gva, unsigned access, struct tlb_entry *out)
{
    struct tlb_entry *e = x->nested || somebody_looks(c) ? NULL : walk_cache_find_pde(c, gva, x);
    if (!e)
        return false;
    u64 hpa = e->frame + 8 * level_index(&format_ia32e, 1, gva);
    u64 entry = mem_read(c->m->mem, hpa, 8), frame = level_frame(&format_ia32e, 1, entry);
    u64 perms = granted(c, e->perms, entry, access);
    if (!perms || board_page_kind(c, frame) != PAGE_RAM)
        return false;
    c->s.count.walks++;
    note(c, x, gva, access);
    walk_cache_hit(c, e);
    refer(c, hpa, entry);
    micros(c, MICRO_WALK_REF, 2); /* with its beginning; nobody looks */
    c->rt.short_walk.hpa = frame | (gva & (PAGE_BYTES - 1));
    *out = (struct tlb_entry){
        .tag = (gva >> PAGE_SHIFT) + 1,
        .space = x->space | (u64)REACH_4K << SPACE_REACH_SHIFT,
        .eptp = x->eptp,
        .frame = frame,
        .perms = perms | PERM_EPT | (entry & PTE_D ? PERM_DIRTY : 0) |
                 (entry & PTE_G && c->s.cr4 & CR4_PGE ? PERM_GLOBAL : 0) | (u64)PAGE_RAM << PERM_KIND_SHIFT,
    };
    cache_expect(c, c->rt.short_walk.hpa);
    return true;
}

/* ---- the record ---- */

const struct rs_walk *walk_of(struct core *c)
{
    if (c->rt.short_walk.noted)
        walk_record_short(c, &c->rt.short_walk);
    return &c->rt.walk;
}

void walk_forget(struct core *c)
{
    c->rt.walk.valid = c->rt.short_walk.noted = false;
}
