/* shadow_table.c - the pool of shadow tables: their entries, what leads where, and who has to go when it is
 * full. */
#include "arch/apic.h"
#include "arch/x86.h"
#include "arch/vmx.h"
#include "ept.h"
#include "guests/lib/string.h"
#include "page.h"
#include "reach.h"
#include "shadow.h"

#define FRAMES_OF(vm) ((vm)->config.ram_bytes / PAGE_BYTES)
#define GIB_FRAMES    (SHADOW_FRAMES * SHADOW_ENTRIES)

_Static_assert(sizeof(struct shadow_table[SHADOW_TABLES]) <= PAGE_BYTES, "they are allocated by the page");

/* ---- by number ---- */

struct shadow_table *shadow_table_at(struct shadow *s, unsigned slot)
{
    return &s->table[slot / SHADOW_TABLES][slot % SHADOW_TABLES];
}

struct shadow_frame *shadow_frame_at(struct shadow *s, uint64_t gfn)
{
    return &s->frame[gfn / SHADOW_FRAMES][gfn % SHADOW_FRAMES];
}

static struct shadow_table *table_of(struct shadow *s, uint64_t number)
{
    return shadow_table_at(s, number / SHADOW_ENTRIES);
}

static struct shadow_link *link_of(struct shadow *s, uint64_t number)
{
    return &table_of(s, number)->link[number % SHADOW_ENTRIES];
}

static uint64_t *entry_of(struct shadow *s, uint64_t number)
{
    return &table_of(s, number)->entry[number % SHADOW_ENTRIES];
}

bool shadow_entry_is_page(const struct shadow_table *t, unsigned i)
{
    return ROLE_LEVEL(t->role) == 1 || t->entry[i] & PTE_PS;
}

struct shadow_table *shadow_below(struct shadow *s, const struct shadow_table *t, unsigned i)
{
    return shadow_table_at(s, t->link[i].of);
}

/* ---- lists of entries ---- */

unsigned shadow_next(const struct shadow_table *t, unsigned i)
{
    for (; i < SHADOW_ENTRIES; i = (i | (SHADOW_WORD - 1)) + 1) {
        uint64_t bits = t->present[i / SHADOW_WORD] >> i % SHADOW_WORD;

        if (bits)
            return i + (unsigned)__builtin_ctzll(bits);
    }
    return SHADOW_ENTRIES;
}

static uint64_t first_of(struct shadow *s, bool page, uint64_t of)
{
    return page ? shadow_frame_at(s, of)->mappings : shadow_table_at(s, (unsigned)of)->parents;
}

static void set_first(struct shadow *s, bool page, uint64_t of, uint64_t number)
{
    if (page)
        shadow_frame_at(s, of)->mappings = number;
    else
        shadow_table_at(s, (unsigned)of)->parents = (uint32_t)number;
}

static void set_entry(struct shadow *s, struct shadow_table *t, unsigned i, uint64_t value, bool page,
                      uint64_t of)
{
    uint64_t number = (uint64_t)t->slot * SHADOW_ENTRIES + i, first = first_of(s, page, of);

    t->entry[i] = value;
    t->link[i] = (struct shadow_link){.next = first, .of = of};
    if (first)
        link_of(s, first)->prev = number;
    set_first(s, page, of, number);
    t->present[i / SHADOW_WORD] |= UINT64_C(1) << i % SHADOW_WORD;
}

void shadow_set_page(struct shadow *s, struct shadow_table *t, unsigned i, uint64_t value, uint64_t gfn)
{
    set_entry(s, t, i, value, true, gfn);
}

/* No flag of its own keeps the guest from anything. */
void shadow_set_table(struct shadow *s, struct shadow_table *t, unsigned i, struct shadow_table *below)
{
    set_entry(s, t, i, (uint64_t)below->entry | PTE_P | PTE_W | PTE_U | PTE_A, false, below->slot);
}

static void keep_flags(struct shadow *s, uint64_t entry, uint64_t gfn)
{
    struct shadow_frame *f = shadow_frame_at(s, gfn);

    f->accessed |= (entry & PTE_A) != 0;
    f->dirty |= (entry & PTE_D) != 0;
}

/* What the entry led to loses it. */
static void take_out(struct shadow *s, struct shadow_table *t, unsigned i, bool page)
{
    const struct shadow_link link = t->link[i];

    if (link.next)
        link_of(s, link.next)->prev = link.prev;
    if (link.prev)
        link_of(s, link.prev)->next = link.next;
    else
        set_first(s, page, link.of, link.next);
    t->present[i / SHADOW_WORD] &= ~(UINT64_C(1) << i % SHADOW_WORD);
}

void shadow_clear(struct shadow *s, struct shadow_table *t, unsigned i)
{
    bool page = shadow_entry_is_page(t, i);
    uint64_t value = __atomic_exchange_n(&t->entry[i], 0, __ATOMIC_SEQ_CST);

    if (page)
        keep_flags(s, value, t->link[i].of);
    take_out(s, t, i, page);
    s->stale = true;
    s->stale_global |= !page || value & PTE_G;
}

uint64_t shadow_change_page(struct shadow_table *t, unsigned i, uint64_t value)
{
    uint64_t before = t->entry[i];

    while (!__atomic_compare_exchange_n(&t->entry[i], &before, value | (before & PTE_D), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    return before;
}

/* ---- protection ---- */

void shadow_stop_others(struct shadow *s)
{
    if (s->several)
        vcpus_exit(s->vm);
}

/* A large page that covers the frame is taken apart at its next use. */
static void clear_large(struct shadow *s, uint64_t gfn)
{
    uint64_t next;

    for (uint64_t n = shadow_frame_at(s, gfn & ~(uint64_t)(SHADOW_FRAMES - 1))->mappings; n; n = next) {
        struct shadow_table *t = table_of(s, n);

        next = link_of(s, n)->next;
        if (ROLE_LEVEL(t->role) > 1) {
            shadow_stop_others(s);
            shadow_clear(s, t, n % SHADOW_ENTRIES);
        }
    }
}

/* INVLPG has taken entries from one virtual CPU's TLB, and left them to others. */
static void end_lingering(struct shadow *s)
{
    if (!s->lingering)
        return;
    shadow_stop_others(s);
    s->stale = s->stale_global = true;
    s->lingering = false;
}

void shadow_protect(struct shadow *s, uint64_t gfn)
{
    end_lingering(s);
    clear_large(s, gfn);
    for (uint64_t n = shadow_frame_at(s, gfn)->mappings; n; n = link_of(s, n)->next) {
        uint64_t *entry = entry_of(s, n);

        if (!(*entry & PTE_W))
            continue;
        shadow_stop_others(s);
        *entry &= ~(uint64_t)PTE_W;
        s->stale = true;
        s->stale_global |= (*entry & PTE_G) != 0;
    }
}

void shadow_forget(struct vm *vm, uint64_t gpa)
{
    struct shadow *s = &vm->shadow;

    for (uint64_t n; (n = shadow_frame_at(s, gpa / PAGE_BYTES)->mappings) != 0;)
        shadow_clear(s, shadow_table_at(s, (unsigned)(n / SHADOW_ENTRIES)), n % SHADOW_ENTRIES);
}

bool shadow_tables_near(const struct shadow *s, uint64_t gfn)
{
    return s->tables_in[gfn / SHADOW_FRAMES] != 0;
}

/* ---- the tables of a frame ---- */

bool shadow_is_table(struct shadow *s, uint64_t gfn)
{
    for (unsigned slot = shadow_frame_at(s, gfn)->tables; slot; slot = shadow_table_at(s, slot)->next)
        if (!(shadow_table_at(s, slot)->role & ROLE_DIRECT))
            return true;
    return false;
}

bool shadow_is_upper(struct shadow *s, uint64_t gfn)
{
    for (unsigned slot = shadow_frame_at(s, gfn)->tables; slot; slot = shadow_table_at(s, slot)->next)
        if (!(shadow_table_at(s, slot)->role & ROLE_DIRECT) && ROLE_LEVEL(shadow_table_at(s, slot)->role) > 1)
            return true;
    return false;
}

static struct shadow_table *find(struct shadow *s, uint64_t gfn, uint64_t role)
{
    for (unsigned slot = shadow_frame_at(s, gfn)->tables; slot; slot = shadow_table_at(s, slot)->next)
        if (shadow_table_at(s, slot)->role == role)
            return shadow_table_at(s, slot);
    return NULL;
}

static void become_shadow(struct shadow *s, struct shadow_table *t, uint64_t gfn, uint64_t role)
{
    struct shadow_frame *f = shadow_frame_at(s, gfn);

    if (!(role & ROLE_DIRECT) && !shadow_is_table(s, gfn)) {
        s->tables_in[gfn / SHADOW_FRAMES]++;
        f->traced = !f->unsync;
        if (f->traced)
            shadow_protect(s, gfn);
    }
    s->unsync_upper |= f->unsync && ROLE_LEVEL(role) > 1;
    t->gfn = (uint32_t)gfn;
    t->role = role;
    t->next = f->tables;
    f->tables = t->slot;
}

static void leave_frame(struct shadow *s, struct shadow_table *t)
{
    struct shadow_frame *f = shadow_frame_at(s, t->gfn);
    struct shadow_table *before;

    if (f->tables == t->slot) {
        f->tables = t->next;
    } else {
        for (before = shadow_table_at(s, f->tables); before->next != t->slot;)
            before = shadow_table_at(s, before->next);
        before->next = t->next;
    }
    if (!(t->role & ROLE_DIRECT) && !shadow_is_table(s, t->gfn)) {
        s->tables_in[t->gfn / SHADOW_FRAMES]--;
        f->traced = false;
    }
}

void shadow_table_free(struct shadow *s, struct shadow_table *t)
{
    shadow_stop_others(s);
    for (unsigned i = 0; (i = shadow_next(t, i)) < SHADOW_ENTRIES; i++)
        shadow_clear(s, t, i);
    while (t->parents)
        shadow_clear(s, table_of(s, t->parents), t->parents % SHADOW_ENTRIES);
    leave_frame(s, t);
    t->users = 0;
    t->role = 0;
    s->vm->dir->work.freed++;
    t->next = s->free;
    s->free = t->slot;
}

/* ---- the pool ---- */

static void give_back(struct shadow_table *t)
{
    if (t->entry)
        page_free((uint64_t)t->entry, PAGE_BYTES);
    if (t->link)
        page_free((uint64_t)t->link, PAGE_BYTES);
    if (t->seen)
        page_free((uint64_t)t->seen, PAGE_BYTES);
}

/* These pages are cleared only if they have been used before. */
static bool allocate(struct shadow_table *t)
{
    t->entry = (uint64_t *)page_alloc_ram(PAGE_BYTES);
    t->link = (struct shadow_link *)page_alloc_ram(PAGE_BYTES);
    t->seen = (uint64_t *)page_alloc_ram(PAGE_BYTES);
    if (t->entry && t->link && t->seen)
        return true;
    give_back(t);
    return false;
}

static struct shadow_table *never_used(struct shadow *s)
{
    unsigned slot = (unsigned)s->slots + 1;
    struct shadow_table **page = &s->table[slot / SHADOW_TABLES], *t;

    if (s->slots == s->limit || (!*page && !(*page = (struct shadow_table *)page_alloc())))
        return NULL;
    t = shadow_table_at(s, slot);
    if (!allocate(t))
        return NULL;
    t->slot = (uint16_t)slot;
    s->slots++;
    return t;
}

/* The clock goes round; it spares roots that are in use and the way of the fault that needs a table. */
static void evict(struct shadow *s)
{
    for (unsigned tried = 0; tried < s->slots; tried++) {
        struct shadow_table *t;

        s->hand = s->hand % s->slots + 1;
        t = shadow_table_at(s, (unsigned)s->hand);
        if (t->role && !t->users && t->walk != s->walk) {
            shadow_table_free(s, t);
            return;
        }
    }
}

struct shadow_table *shadow_table_get(struct vm *vm, uint64_t gfn, uint64_t role)
{
    struct shadow *s = &vm->shadow;
    struct shadow_table *t = find(s, gfn, role);

    if (!t && !s->free && !(t = never_used(s)))
        evict(s);
    if (!t) {
        if (!s->free)
            return NULL;
        t = shadow_table_at(s, s->free);
        s->free = t->next;
    }
    if (!t->role) {
        become_shadow(s, t, gfn, role);
        vm->dir->work.made++;
    }
    t->walk = s->walk;
    return t;
}

/* Enough for every page to be mapped in two ways. */
static uint64_t limit_for(const struct vm_config *config)
{
    uint64_t wanted = config->tables ? config->tables : 128 + 4 * (config->ram_bytes / LARGE_BYTES);

    return wanted < SHADOW_SLOTS ? wanted : SHADOW_SLOTS - 1;
}

static bool add_chunk(struct vm *vm, uint64_t gfn)
{
    struct shadow_frame **chunk = &vm->shadow.frame[gfn / SHADOW_FRAMES];

    if (!*chunk)
        *chunk = (struct shadow_frame *)page_alloc();
    return *chunk;
}

/* Beyond RAM: a page, and the first of the GiB that it is in, for which the table stands that a
 * large page of the guest's is split into. */
bool shadow_adopt(struct vm *vm, uint64_t gpa)
{
    uint64_t gfn = gpa / PAGE_BYTES;

    return add_chunk(vm, gfn) && add_chunk(vm, gfn & ~(uint64_t)(GIB_FRAMES - 1));
}

bool shadow_pool_begin(struct vm *vm)
{
    memset(&vm->shadow, 0, sizeof vm->shadow);
    memset(&vm->dir->work, 0, sizeof vm->dir->work);
    vm->shadow.vm = vm;
    vm->shadow.several = vm->dir->vcpus > 1;
    vm->shadow.limit = limit_for(&vm->config);
    for (uint64_t gfn = 0; gfn < FRAMES_OF(vm); gfn += SHADOW_FRAMES)
        if (!add_chunk(vm, gfn))
            return false;
    return shadow_adopt(vm, APIC_PHYS_BASE);
}

void shadow_pool_end(struct vm *vm)
{
    struct shadow *s = &vm->shadow;

    for (unsigned slot = 1; slot <= s->slots; slot++)
        give_back(shadow_table_at(s, slot));
    for (unsigned i = 0; i < SHADOW_SLOTS / SHADOW_TABLES; i++)
        if (s->table[i])
            page_free((uint64_t)s->table[i], PAGE_BYTES);
    for (unsigned i = 0; i < SHADOW_CHUNKS; i++)
        if (s->frame[i])
            page_free((uint64_t)s->frame[i], PAGE_BYTES);
    memset(s, 0, sizeof *s);
}

/* ---- accessed and dirty ---- */

static uint64_t ept_flags(bool accessed, bool dirty)
{
    return (accessed ? EPT_A : 0) | (dirty ? EPT_A | EPT_D : 0);
}

static void collect_table(struct vm *vm, struct shadow_table *t)
{
    for (unsigned i = 0; (i = shadow_next(t, i)) < SHADOW_ENTRIES; i++) {
        uint64_t entry = t->entry[i];

        if (!shadow_entry_is_page(t, i) || !(entry & (PTE_A | PTE_D)))
            continue;
        ept_mark(vm->dir->root, t->link[i].of * PAGE_BYTES, ept_flags(true, entry & PTE_D));
        t->entry[i] = entry & ~(uint64_t)(PTE_A | PTE_D);
    }
}

void shadow_collect(struct vm *vm)
{
    struct shadow *s = &vm->shadow;

    for (unsigned slot = 1; slot <= s->slots; slot++)
        if (shadow_table_at(s, slot)->role)
            collect_table(vm, shadow_table_at(s, slot));
    for (uint64_t gfn = 0; gfn < FRAMES_OF(vm); gfn++) {
        struct shadow_frame *f = shadow_frame_at(s, gfn);

        if (f->accessed || f->dirty)
            ept_mark(vm->dir->root, gfn * PAGE_BYTES, ept_flags(f->accessed, f->dirty));
        f->accessed = f->dirty = false;
    }
}
