/* shadow_sync.c - when the guest's tables and their shadows may differ, and when not.
 *
 * Nobody needs to know at once of a change that the guest makes in its tables: a processor may use what it
 * has cached of them until the guest invalidates it (SDM vol. 3, 4.10.2 and 4.10.3), and the shadows are such
 * a cache.  So the first write to a table is a fault, by which we learn that it changes; then it may be
 * written to freely, and what has become of it is looked up at the next invalidation. */
#include "arch/x86.h"
#include "page.h"
#include "shadow.h"

/* ---- what an entry should be ---- */

uint64_t shadow_page_flags(struct vcpu *v, uint64_t rights, uint64_t entry, uint64_t gfn)
{
    bool traced = shadow_frame_at(&v->vm->shadow, gfn)->traced;
    bool writable = rights & PTE_W && entry & PTE_D && !traced;

    return PTE_P | PTE_A | (rights & (PTE_U | PTE_NX)) | (writable ? PTE_W : 0) |
           (v->mode.pge ? entry & PTE_G : 0);
}

uint64_t shadow_role_below(const struct vcpu *v, uint64_t role, uint64_t entry)
{
    unsigned level = ROLE_LEVEL(role);
    uint64_t rights;

    if (role & ROLE_DIRECT)
        return role - ROLE(1, 0);
    rights = guest_rights_below(ROLE_RIGHTS(role), entry) | (role & ROLE_MODE);
    if (!guest_entry_is_page(entry, level))
        return ROLE(level - 1, rights);
    return ROLE(level - 1, rights | (entry & PTE_D) | (v->mode.pge ? entry & PTE_G : 0)) | ROLE_DIRECT;
}

/* ---- one entry ---- */

static uint64_t frame_of(uint64_t entry, unsigned level)
{
    uint64_t mask = guest_entry_is_page(entry, level) ? guest_offset_mask(level) : 0;

    return (entry & PTE_ADDR & ~mask) / PAGE_BYTES;
}

/* Whether it leads where the guest's leads.  An entry whose A the guest has cleared counts as changed: A is
 * to be set when it is used again. */
static bool still_there(struct vcpu *v, struct shadow_table *t, unsigned i, uint64_t entry)
{
    unsigned level = ROLE_LEVEL(t->role);
    const struct guest_mode mode = {.nxe = t->role & ROLE_NXE};
    const struct shadow_table *below;

    if ((entry & (PTE_P | PTE_A)) != (PTE_P | PTE_A) || guest_entry_reserved(&mode, entry, level))
        return false;
    if (shadow_entry_is_page(t, i))
        return guest_entry_is_page(entry, level) && t->link[i].of == frame_of(entry, level);
    below = shadow_below(&v->vm->shadow, t, i);
    return below->gfn == frame_of(entry, level) && below->role == shadow_role_below(v, t->role, entry);
}

static void update_rights(struct vcpu *v, struct shadow_table *t, unsigned i, uint64_t entry)
{
    struct shadow *s = &v->vm->shadow;
    uint64_t before = t->entry[i], gfn = t->link[i].of;
    uint64_t rights = guest_rights_below(ROLE_RIGHTS(t->role), entry);
    uint64_t now = (before & (PTE_ADDR | PTE_PS | PTE_D)) | shadow_page_flags(v, rights, entry, gfn);

    if ((before | PTE_A) == (now | PTE_A))
        return;
    shadow_change_page(t, i, now);
    s->stale = true;
    s->stale_global |= (before & PTE_G) != 0;
}

static void sync_entry(struct vcpu *v, struct shadow_table *t, unsigned i, uint64_t entry)
{
    t->seen[i] = entry;
    if (!still_there(v, t, i, entry))
        shadow_clear(&v->vm->shadow, t, i);
    else if (shadow_entry_is_page(t, i))
        update_rights(v, t, i, entry);
}

/* ---- tables ---- */

static const uint64_t *guest_table(struct vcpu *v, const struct shadow_table *t)
{
    return (const uint64_t *)vm_page(v->vm, t->gfn * PAGE_BYTES);
}

/* Most entries have not changed: to see that takes two loads. */
static void sync_table(struct vcpu *v, struct shadow_table *t)
{
    const uint64_t *guest = guest_table(v, t), *seen = t->seen;
    uint64_t compared = 0, changed = 0;

    for (unsigned first = 0; first < SHADOW_ENTRIES; first += SHADOW_WORD)
        for (uint64_t left = t->present[first / SHADOW_WORD]; left; left &= left - 1) {
            unsigned i = first + (unsigned)__builtin_ctzll(left);
            uint64_t entry = guest[i];

            compared++;
            if (entry == seen[i])
                continue;
            changed++;
            sync_entry(v, t, i, entry);
        }
    v->vm->dir->work.synced++;
    v->vm->dir->work.compared += compared;
    v->vm->dir->work.changed += changed;
}

static bool unused(const struct shadow_table *t)
{
    return !t->parents && !t->users;
}

typedef void table_visit(struct vcpu *v, struct shadow_table *t);

/* Each shadow that stands for the frame as a table of the guest's. */
static void each_shadow(struct vcpu *v, uint64_t gfn, table_visit *visit)
{
    struct shadow *s = &v->vm->shadow;

    for (unsigned slot = shadow_frame_at(s, gfn)->tables, next; slot; slot = next) {
        struct shadow_table *t = shadow_table_at(s, slot);

        next = t->next;
        if (!(t->role & ROLE_DIRECT))
            visit(v, t);
    }
}

/* What nothing leads to was perhaps a table of a process that has ended: it goes, so that the guest's next
 * use of the page is free. */
static void free_unused(struct vcpu *v, struct shadow_table *t)
{
    if (unused(t))
        shadow_table_free(&v->vm->shadow, t);
}

/* ---- from one to the other ---- */

void shadow_unsync(struct vcpu *v, uint64_t gfn)
{
    struct shadow *s = &v->vm->shadow;
    struct shadow_frame *f = shadow_frame_at(s, gfn);

    if (!f->traced)
        return;
    each_shadow(v, gfn, free_unused);
    if (!f->traced) /* none is left */
        return;
    if (s->unsync_count == SHADOW_UNSYNC)
        shadow_sync(v);
    s->unsync[s->unsync_count++] = (uint32_t)gfn;
    s->unsync_upper |= shadow_is_upper(s, gfn);
    f->traced = false;
    f->unsync = true;
}

static void trace_again(struct vcpu *v, uint64_t gfn)
{
    struct shadow *s = &v->vm->shadow;
    struct shadow_frame *f = shadow_frame_at(s, gfn);

    f->unsync = false;
    each_shadow(v, gfn, free_unused);
    f->traced = shadow_is_table(s, gfn);
    if (!f->traced)
        return;
    shadow_protect(s, gfn); /* first: what is written from here on is a fault */
    each_shadow(v, gfn, sync_table);
}

void shadow_sync(struct vcpu *v)
{
    struct shadow *s = &v->vm->shadow;

    while (s->unsync_count > 0)
        trace_again(v, s->unsync[--s->unsync_count]);
    s->unsync_upper = s->unsync_missed = false;
}

/* Of the upper tables alone. */
static void sync_upper(struct vcpu *v)
{
    struct shadow *s = &v->vm->shadow;
    uint32_t gfn;

    for (unsigned i = 0; i < s->unsync_count;) {
        gfn = s->unsync[i];
        if (!shadow_is_upper(s, gfn)) {
            i++;
            continue;
        }
        s->unsync[i] = s->unsync[--s->unsync_count];
        trace_again(v, gfn);
    }
    s->unsync_upper = false;
}

/* A table that is led to from a new place may be one in which INVLPG would have found something.  And
 * shadow_look_again needs room for the tables of one walk. */
void shadow_before_fill(struct vcpu *v)
{
    const struct shadow *s = &v->vm->shadow;

    if (s->unsync_missed || (s->several && s->unsync_count + GUEST_LEVELS > SHADOW_UNSYNC))
        shadow_sync(v);
}

/* To be out of date is allowed until the next invalidation, if it is known. */
void shadow_look_again(struct vcpu *v, uint64_t gva)
{
    struct shadow *s = &v->vm->shadow;
    struct shadow_table *t = shadow_root(v);

    while (t && !(t->role & ROLE_DIRECT)) {
        unsigned i = shadow_index(gva, ROLE_LEVEL(t->role));

        if (!t->entry[i])
            return;
        if (guest_table(v, t)[i] != t->seen[i])
            shadow_unsync(v, t->gfn);
        t = shadow_entry_is_page(t, i) ? NULL : shadow_below(s, t, i);
    }
}

/* Our caller drops what this processor has of the one page; others may keep it. */
static void sync_alone(struct vcpu *v, struct shadow_table *t, unsigned i)
{
    struct shadow *s = &v->vm->shadow;
    bool stale = s->stale, global = s->stale_global;
    uint64_t entry = guest_table(v, t)[i];

    if (entry == t->seen[i])
        return;
    sync_entry(v, t, i, entry);
    s->lingering |= s->several;
    s->stale = stale;
    s->stale_global = global;
}

/* INVLPG drops all that is cached of upper tables, and one page (4.10.4.1). */
void shadow_sync_address(struct vcpu *v, uint64_t gva)
{
    struct shadow *s = &v->vm->shadow;
    struct shadow_table *t;
    unsigned index;

    if (s->unsync_upper)
        sync_upper(v);
    t = shadow_reach(v, gva, &index);
    if (t && t->entry[index] && !(t->role & ROLE_DIRECT) && shadow_frame_at(s, t->gfn)->unsync)
        sync_alone(v, t, index);
    if (!t || (!t->entry[index] && ROLE_LEVEL(t->role) > 1))
        s->unsync_missed |= s->unsync_count > 0;
}
