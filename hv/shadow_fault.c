/* shadow_fault.c - page faults of a VM with shadow tables, all of which exit.  The guest's own tables tell
 * what one is about:
 *
 *     true     they refuse the access: the fault is the guest's, with its error code
 *     trace    they allow it, but it is the first write to one of them since it was last looked at
 *     hidden   they allow it, and the shadow tables only did not say so yet */
#include "arch/insn.h"
#include "arch/x86.h"
#include "lapic_page.h"
#include "page.h"
#include "reach.h"
#include "shadow.h"
#include "step.h"
#include "vmx.h"

/* ---- the way down ---- */

/* The frame for which the table below an entry of this level stands: one of the guest's tables, or the part
 * of a large page that the entry covers. */
static uint64_t frame_below(const struct guest_path *path, unsigned level)
{
    uint64_t address =
        level > path->level ? path->entry[level] & PTE_ADDR : path->gpa & ~guest_offset_mask(level);

    return address / PAGE_BYTES;
}

/* The table below t on the way to gva.  NULL: no memory. */
static struct shadow_table *step(struct vcpu *v, struct shadow_table *t, uint64_t gva,
                                 const struct guest_path *path)
{
    struct shadow *s = &v->vm->shadow;
    unsigned level = ROLE_LEVEL(t->role), i = shadow_index(gva, level);
    uint64_t gfn = frame_below(path, level);
    uint64_t seen = path->entry[level < path->level ? path->level : level];
    uint64_t role = shadow_role_below(v, t->role, seen);
    struct shadow_table *below;

    if (t->entry[i]) {
        below = shadow_entry_is_page(t, i) ? NULL : shadow_below(s, t, i);
        if (below && below->gfn == gfn && below->role == role) {
            below->walk = s->walk;
            return below;
        }
        shadow_clear(s, t, i);
    }
    below = shadow_table_get(v->vm, gfn, role);
    if (!below)
        return NULL;
    shadow_set_table(s, t, i, below);
    t->seen[i] = seen;
    return below;
}

/* The level at which the page is mapped here: 2 MiB take a large page of the guest's and one of ours, and
 * none of the guest's tables in it. */
static unsigned target_level(struct vcpu *v, const struct guest_path *path)
{
    bool large = path->level > 1 && vm_page_bytes(v->vm, path->gpa) == LARGE_BYTES &&
                 !shadow_tables_near(&v->vm->shadow, path->gpa / PAGE_BYTES);

    return large ? 2 : 1;
}

/* ---- the entry that maps the page ---- */

/* What lies beyond RAM at gpa: the APIC's page, accesses to which the processor knows by its address here, or
 * registers of a device that is passed through. */
static uint8_t *page_beyond(struct vm *vm, uint64_t gpa)
{
    uint8_t *apic = lapic_page_at(vm, gpa);

    return apic ? apic : (uint8_t *)passthrough_page(vm, gpa);
}

static uint8_t *page_at(struct vm *vm, uint64_t gpa)
{
    return gpa < vm->config.ram_bytes ? vm_page(vm, gpa) : page_beyond(vm, gpa);
}

/* With CR0.WP clear the guest's kernel may write to what is read-only.  Here WP is always set, for the sake
 * of the traces; so the page becomes writable, and a supervisor page, that users do not get at it: their next
 * access is a hidden fault, which makes it theirs and read-only again. */
static uint64_t for_supervisor_write(const struct vcpu *v, uint64_t flags)
{
    if (flags & PTE_U && v->mode.smep)
        flags |= PTE_NX; /* what SMEP had refused */
    return (flags & ~(uint64_t)PTE_U) | PTE_W;
}

/* SMAP would refuse the supervisor other accesses to that page, and cannot, as it is the supervisor's now: so
 * it is lent for one instruction, for which the other virtual CPUs wait.  Not while one of them does the
 * same: then we are to wait, and the instruction faults again. */
static bool lend(struct vcpu *v, uint64_t gva)
{
    struct shadow *s = &v->vm->shadow;

    if (s->lender && s->lender != v)
        return false;
    if (v->shadow.lent_count == SHADOW_LENT)
        shadow_instruction_done(v);
    shadow_stop_others(s);
    s->lender = v;
    v->shadow.lent[v->shadow.lent_count++] = gva;
    step_begin(v, STEP_LENT);
    return true;
}

static void take_back(struct vcpu *v, uint64_t gva)
{
    unsigned i;
    struct shadow_table *t = shadow_find(v, gva, &i);

    if (t)
        shadow_clear(&v->vm->shadow, t, i);
}

void shadow_take_back(struct vcpu *v)
{
    struct vm *vm = v->vm;

    while (v->shadow.lent_count > 0)
        take_back(v, v->shadow.lent[--v->shadow.lent_count]);
    shadow_flush_stale(vm);
    if (vm->shadow.lender != v)
        return;
    vm->shadow.lender = NULL;
    for (uint64_t i = 0; vm->shadow.several && i < vm->dir->vcpus; i++)
        if (i != v->index)
            scheduler_wake(&vm->vcpu[i]);
}

void shadow_instruction_done(struct vcpu *v)
{
    shadow_take_back(v);
    step_end(v, STEP_LENT);
}

static void map_page(struct vcpu *v, struct shadow_table *t, uint64_t gva, const struct guest_path *path,
                     struct guest_access access)
{
    struct shadow *s = &v->vm->shadow;
    unsigned level = ROLE_LEVEL(t->role), i = shadow_index(gva, level);
    uint64_t gpa = path->gpa & ~guest_offset_mask(level), gfn = gpa / PAGE_BYTES;
    uint64_t value = (uint64_t)page_at(v->vm, gpa) | (level > 1 ? PTE_PS : 0) |
                     shadow_page_flags(v, path->rights, path->entry[path->level], gfn);

    /* not to a frame that this very fault has made a table: the write comes again, and is traced */
    if (access.write && !(path->rights & PTE_W) && !shadow_frame_at(s, gfn)->traced) {
        if (value & PTE_U && v->mode.smap && !lend(v, gva))
            return;
        value = for_supervisor_write(v, value);
    }
    if (access.write)
        value |= PTE_D;
    if (gpa >= v->vm->config.ram_bytes && !lapic_page_at(v->vm, gpa))
        value |= PTE_PCD | PTE_PWT | PTE_NX;
    t->seen[i] = path->entry[path->level];
    if (t->entry[i] && shadow_entry_is_page(t, i) && t->link[i].of == gfn) {
        /* the fault has dropped what this processor had of it (SDM vol. 3, 4.10.4.1) */
        if (shadow_change_page(t, i, value) & ~value & PTE_W)
            s->lingering = s->several;
        return;
    }
    if (t->entry[i])
        shadow_clear(s, t, i);
    shadow_set_page(s, t, i, value, gfn);
}

static bool fill(struct vcpu *v, uint64_t gva, const struct guest_path *path, struct guest_access access)
{
    struct shadow_table *t = shadow_root(v);
    unsigned target;

    while (t && ROLE_LEVEL(t->role) > path->level)
        t = step(v, t, gva, path);
    target = target_level(v, path); /* now that the guest's tables on the way are known as such */
    while (t && ROLE_LEVEL(t->role) > target)
        t = step(v, t, gva, path);
    if (t)
        map_page(v, t, gva, path, access);
    return t;
}

/* ---- the fault ---- */

/* Whether our tables map the page with these rights. */
static bool allowed_here(struct vcpu *v, uint64_t gva, uint64_t rights)
{
    unsigned i;
    const struct shadow_table *t = shadow_find(v, gva, &i);

    return t && (t->entry[i] & rights) == rights;
}

/* Another virtual CPU may have made it so since the access: then it is tried again, and refused if it faults
 * once more with no other fault between, which could have changed anything. */
static bool allowed_before(struct vcpu *v, uint64_t gva)
{
    struct shadow *s = &v->vm->shadow;
    bool again = v->shadow.refused == gva && v->shadow.refused_walk + 1 == s->walk;

    v->shadow.refused = gva;
    v->shadow.refused_walk = s->walk;
    return again || !s->several;
}

/* Accesses that the processor makes by itself, to descriptor tables and the like, may not use AC: they are
 * refused where the guest's tables and RFLAGS seem to allow them (SDM vol. 3, 4.6.1).  The error code does
 * not tell them from others, but that our entry allowed all that an entry can does. */
static bool refused_by_smap(struct vcpu *v, uint64_t gva, const struct guest_path *path, uint32_t error)
{
    if (!v->mode.smap || !(error & PF_P) || error & (PF_U | PF_I) || !(path->rights & PTE_U))
        return false;
    return allowed_here(v, gva, error & PF_W ? PTE_U | PTE_W : PTE_U) && allowed_before(v, gva);
}

static void serve(struct vcpu *v, uint64_t gva, const struct guest_path *path, struct guest_access access)
{
    struct vm *vm = v->vm;
    uint64_t made = vm->dir->work.made;

    if (!page_at(vm, path->gpa)) {
        vm_crash(vm, "no memory left for its page at guest-physical 0x%lx", path->gpa);
        return;
    }
    vm->stats.fault = FAULT_HIDDEN;
    shadow_before_fill(v);
    if (access.write && shadow_frame_at(&vm->shadow, path->gpa / PAGE_BYTES)->traced) {
        vm->stats.fault = FAULT_TRACE;
        shadow_unsync(v, path->gpa / PAGE_BYTES);
    }
    if (!fill(v, gva, path, access)) {
        vm_crash(vm, "no memory left for a shadow table");
        return;
    }
    if (vm->shadow.several && vm->dir->work.made != made)
        shadow_look_again(v, gva);
    shadow_flush_stale(vm);
    vcpu_redeliver_event(v);
}

/* A load or store of an instruction: no fetch, no event's frame. */
static bool is_device(const struct vcpu *v, const struct guest_path *path, struct guest_access access)
{
    const struct vm *vm = v->vm;

    return path->gpa >= vm->config.ram_bytes && !lapic_page_at(vm, path->gpa) && !access.fetch &&
           mmio_find(&vm->mmio, path->gpa) && !(vmread(VMCS_IDT_VECTORING_INFO) & INTR_VALID);
}

/* Code is not fetched from registers. */
static bool is_outside(struct vm *vm, uint64_t gpa, struct guest_access access)
{
    return gpa >= vm->config.ram_bytes &&
           (!page_beyond(vm, gpa) || (access.fetch && passthrough_page(vm, gpa)));
}

void shadow_page_fault(struct vcpu *v)
{
    uint64_t gva = vmread(VMCS_EXIT_QUALIFICATION);
    uint32_t code = (uint32_t)vmread(VMCS_EXIT_INTR_ERROR), error;
    struct guest_access access = {
        .write = code & PF_W,
        .fetch = code & PF_I,
        .user = code & PF_U,
        .ac = !v->mode.smap || vmread(VMCS_GUEST_RFLAGS) & FLAG_AC,
    };
    struct guest_path path;
    enum guest_walk result;

    v->vm->shadow.walk++;
    result = guest_walk(v, &v->mode, gva, access, &path, &error);
    if (result == WALK_FAULT)
        pager_reflect(v, gva, error);
    else if (result == WALK_OUTSIDE)
        pager_outside(v->vm, "read", path.gpa, &gva);
    else if (is_device(v, &path, access))
        mmio_exit(v);
    else if (is_outside(v->vm, path.gpa, access))
        pager_outside(v->vm, access.fetch ? "fetch" : access.write ? "write" : "read", path.gpa, &gva);
    else if (refused_by_smap(v, gva, &path, code))
        pager_reflect(v, gva, code);
    else
        serve(v, gva, &path, access);
}
