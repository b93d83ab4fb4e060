/* pages.c - the ticking model's TLBs, walk caches and page walks (SDM vol. 3, 4.5 "4-Level Paging", 28.2.2
 * "EPT Translation Mechanism"). */
#include "tick/inside.h"

#include "arch/vmx.h"

#include <stdlib.h>

/* What a TLB keeps of a page; address: linear, or guest-physical in EPT's dimension. */
struct page {
    u64 address, hpa, bytes;
    u64 whole; /* bytes of the guest's page */
    bool user, write, execute, clean, global;
};

/* What of a walk is the same on its way down. */
struct way {
    enum stage s;
    const struct tick_space *space;
    const struct want *want;
};

static bool ept_flags(const struct tick_space *space)
{
    return space->eptp & EPTP_AD;
}

/* ---- TLBs ---- */

/* T4: 4 KiB first. */
static const u64 page_sizes[] = {1ull << 12, 1ull << 21, 1ull << 30};

static struct lru_key key_of(const struct tick_space *space, u64 address, u64 bytes)
{
    return (struct lru_key){address / bytes * 4 + (bytes >> 12 > 1) + (bytes >> 21 > 1), space->vpid,
                            space->pcid, EP4TA(space->eptp)};
}

/* Entries of EPT's dimension know neither VPID nor PCID. */
static struct lru_key nested_key(const struct tick_space *space, u64 address, u64 bytes)
{
    struct tick_space ept = {.eptp = space->eptp};
    return key_of(&ept, address, bytes);
}

static void page_put(struct lru *tlb, struct lru_key key, const struct page *page)
{
    struct lru_entry *e = lru_put(tlb, page->address / page->bytes, key);
    e->value = page->hpa;
    e->address = page->address;
    e->reach = page->bytes;
    e->whole = page->whole;
    e->user = page->user;
    e->write = page->write;
    e->execute = page->execute;
    e->clean = page->clean;
    e->global = page->global;
}

static struct page page_of(const struct lru_entry *e)
{
    return (struct page){e->address, e->value,   e->reach, e->whole, e->user,
                         e->write,   e->execute, e->clean, e->global};
}

/* The rights of pages (SDM vol. 3, 4.6 "Access Rights"; CR0.WP set, no SMEP, no SMAP). */
static bool allows(bool user, bool write, bool execute, const struct want *want)
{
    return (user || !want->user) && (write || !want->write) && (execute || !want->fetch);
}

/* T4, T5: what refuses the access, or is found clean by a store, is dropped, and a miss. */
static bool tlb_find(struct lru *tlb, const struct tick_space *space, bool nested, u64 address,
                     const struct want *want, struct page *page)
{
    for (int i = 0; i < 3; i++) {
        u64 bytes = page_sizes[i];
        struct lru_key key = nested ? nested_key(space, address, bytes) : key_of(space, address, bytes);
        struct lru_entry *e = lru_find(tlb, address / bytes, key);
        if (!e)
            continue;
        e->valid = allows(e->user, e->write, e->execute, want) && !(want->write && e->clean);
        *page = page_of(e);
        return e->valid;
    }
    return false;
}

bool tick_peek(const struct tick *t, const struct tick_atom *in, u64 gva, u64 *hpa)
{
    for (int i = 0; i < 3; i++) {
        u64 bytes = page_sizes[i];
        const struct lru_entry *e = lru_peek(&t->itlb, gva / bytes, key_of(&in->space, gva, bytes));
        if (!e)
            continue;
        *hpa = e->value + gva % bytes;
        return e->execute && (e->user || !in->user);
    }
    return false;
}

/* ---- walk caches (T9) ---- */

static unsigned shift_of(unsigned level)
{
    return 12 + 9 * (level - 1);
}

/* Where a walk begins: the level of the first entry to read; *at: what points to its table. */
static unsigned walk_start(struct tick *t, const struct way *way, struct lru *cache, bool on, bool nested,
                           u64 address, struct page *at, u64 *hits)
{
    for (unsigned level = 1; t->p->walk_caches && on && level <= 3; level++) {
        u64 bytes = 1ull << shift_of(level + 1), number = address / bytes;
        struct lru_key key = nested ? nested_key(way->space, 0, bytes) : key_of(way->space, 0, bytes);
        key.tag = number;
        struct lru_entry *e = lru_find(&cache[level - 1], number, key);
        if (e) {
            ++*hits;
            tick_hold(t, way->s, &t->count.stall_walk, t->p->walk_cache_latency);
            *at = page_of(e);
            return level;
        }
    }
    return 4;
}

static void remember(struct tick *t, const struct way *way, struct lru *cache, bool on, bool nested,
                     u64 address, unsigned level, struct page at)
{
    at.bytes = at.whole = 1ull << shift_of(level);
    at.address = address & ~(at.bytes - 1);
    struct lru_key key = nested ? nested_key(way->space, 0, at.bytes) : key_of(way->space, 0, at.bytes);
    key.tag = address / at.bytes;
    if (t->p->walk_caches && on)
        page_put(&cache[level - 2], key, &at);
}

/* ---- page walks ---- */

static u64 *table_entry(struct tick *t, u64 hpa)
{
    if (hpa >= t->tables_bytes)
        abort(); /* the test gave no copy of a table that it uses */
    return (u64 *)(void *)(t->tables + hpa);
}

static bool is_leaf(unsigned level, u64 entry)
{
    return level == 1 || (level < 4 && entry & PTE_PS);
}

/* T2: one reference. */
static u64 *reference(struct tick *t, enum stage s, u64 hpa)
{
    t->count.walk_refs++;
    tick_hold(t, s, &t->count.stall_walk, t->p->l1_latency + tick_l1d(t, hpa, tick_now(t, s)));
    return table_entry(t, hpa);
}

/* T2: A and D. */
static void mark(struct tick *t, enum stage s, u64 *entry, u64 bits)
{
    if ((*entry & bits) == bits)
        return;
    *entry |= bits;
    t->count.ad_updates++;
    tick_hold(t, s, &t->count.stall_walk, t->p->ad_update_cycles);
}

/* The page that a leaf maps. */
static void to_leaf(struct page *page, u64 address, unsigned level, u64 entry)
{
    page->whole = page->bytes = 1ull << shift_of(level);
    page->address = address & ~(page->bytes - 1);
    page->hpa = entry & PTE_ADDR & ~(page->bytes - 1);
}

/* T10: one that is not all RAM is kept as its 4 KiB piece. */
static void cut(const struct tick *t, struct page *page, u64 gva)
{
    if (page->hpa + page->bytes <= t->ram_bytes)
        return;
    u64 piece = gva & ~4095ull;
    page->hpa += piece - page->address;
    page->address = piece;
    page->bytes = 4096;
}

/* ---- EPT's dimension ---- */

static enum found ept_walk(struct tick *t, const struct way *way, u64 gpa, const struct want *want,
                           struct page *page)
{
    bool flags = ept_flags(way->space);
    *page = (struct page){
        .hpa = EP4TA(way->space->eptp), .user = true, .write = true, .execute = true, .whole = 0};
    unsigned level = walk_start(t, way, t->npwc, t->p->npwc, true, gpa, page, &t->count.npwc_hits);
    for (;; level--) {
        t->count.walk_refs_nested++;
        u64 *entry = reference(t, way->s, page->hpa + (gpa >> shift_of(level) & 511) * 8);
        bool leaf = is_leaf(level, *entry);
        page->user = page->user && *entry & EPT_R;
        page->write = page->write && *entry & EPT_W;
        page->execute = page->execute && *entry & EPT_X;
        if (!(*entry & EPT_RWX) || (leaf && !allows(page->user, page->write, page->execute, want)))
            return EPT_VIOLATION;
        mark(t, way->s, entry, flags ? EPT_A | (leaf && want->write ? EPT_D : 0) : 0);
        page->hpa = *entry & EPT_FRAME;
        if (leaf) {
            page->clean = flags && !(*entry & EPT_D);
            to_leaf(page, gpa, level, *entry);
            return FOUND;
        }
        remember(t, way, t->npwc, t->p->npwc, true, gpa, level, *page);
    }
}

/* T8, T9: the page of EPT that holds gpa.  A page that EPT does not let read is not `user`. */
static enum found nested_page(struct tick *t, const struct way *way, u64 gpa, bool write, bool fetch,
                              struct page *page)
{
    struct want want = {.gva = gpa, .write = write, .fetch = fetch, .user = !fetch};
    bool on = t->p->walk_caches && t->p->ntlb;
    if (on && tlb_find(&t->ntlb, way->space, true, gpa, &want, page)) {
        t->count.ntlb_hits++;
        tick_hold(t, way->s, &t->count.stall_walk, t->p->walk_cache_latency);
        return FOUND;
    }
    enum found found = ept_walk(t, way, gpa, &want, page);
    if (found == FOUND && on)
        page_put(&t->ntlb, nested_key(way->space, gpa, page->bytes), page);
    return found;
}

/* ---- the guest's dimension ---- */

/* T8: where an entry of a guest table lies.  With EPT's A and D flags the reference counts as a write there
 * (SDM vol. 3, 28.2.4 "Accessed and Dirty Flags for EPT"). */
static enum found entry_hpa(struct tick *t, const struct way *way, u64 address, u64 *hpa, u64 *gpa)
{
    struct page page;
    *hpa = *gpa = address;
    if (!way->space->eptp)
        return FOUND;
    enum found found = nested_page(t, way, address, ept_flags(way->space), false, &page);
    *hpa = page.hpa + (address - page.address);
    return found;
}

/* T10: the smaller of the guest's page and EPT's, with the rights of both. */
static enum found compose(struct tick *t, const struct way *way, struct page *page, u64 *gpa)
{
    struct page nested;
    u64 gva = way->want->gva;
    *gpa = page->hpa + (gva - page->address);
    enum found found = nested_page(t, way, *gpa, way->want->write, way->want->fetch, &nested);
    if (found != FOUND)
        return found;
    u64 bytes = nested.bytes < page->bytes ? nested.bytes : page->bytes;
    page->hpa = (nested.hpa + (*gpa - nested.address)) & ~(bytes - 1);
    page->address = gva & ~(bytes - 1);
    page->bytes = bytes;
    cut(t, page, gva);
    page->write = page->write && nested.write;
    page->execute = page->execute && nested.execute;
    page->clean = page->clean || nested.clean;
    return FOUND;
}

/* gpa: where an EPT violation happened. */
static enum found walk(struct tick *t, const struct way *way, struct page *page, u64 *gpa)
{
    const struct want *want = way->want;
    u64 low = want->gva & ((1ull << LINEAR_BITS) - 1), hpa;
    *page = (struct page){.hpa = way->space->cr3 & PTE_ADDR, .user = true, .write = true, .execute = true};
    t->count.walks++;
    unsigned level = walk_start(t, way, t->pwc, t->p->pwc, false, low, page, &t->count.pwc_hits);
    for (;; level--) {
        if (entry_hpa(t, way, page->hpa + (low >> shift_of(level) & 511) * 8, &hpa, gpa) != FOUND)
            return EPT_VIOLATION;
        u64 *entry = reference(t, way->s, hpa);
        bool leaf = is_leaf(level, *entry);
        if (!(*entry & PTE_P))
            return PAGE_FAULT;
        page->user = page->user && *entry & PTE_U;
        page->write = page->write && *entry & PTE_W;
        page->execute = page->execute && !(*entry & PTE_NX);
        if (leaf && !allows(page->user, page->write, page->execute, want))
            return PAGE_FAULT;
        mark(t, way->s, entry, PTE_A | (leaf && want->write ? PTE_D : 0));
        page->hpa = *entry & PTE_ADDR;
        if (leaf) {
            page->clean = !(*entry & PTE_D);
            page->global = *entry & PTE_G && way->space->global;
            to_leaf(page, want->gva, level, *entry);
            if (way->space->eptp)
                return compose(t, way, page, gpa);
            cut(t, page, want->gva);
            return FOUND;
        }
        remember(t, way, t->pwc, t->p->pwc, false, low, level, *page);
    }
}

/* ---- dropping ---- */

struct choice {
    bool of_vpid, of_pcid, of_root, of_address, of_whole; /* what must agree */
    bool but_0;                                           /* not VPID 0 */
    u64 vpid, pcid, root, address;
    bool globals; /* these go as well, whatever their PCID */
};

static void drop(struct lru *l, const struct choice *c)
{
    for (u64 i = 0; i < l->sets * l->ways; i++) {
        struct lru_entry *e = &l->entry[i];
        u64 reach = c->of_whole ? e->whole : e->reach;
        if (e->valid && (!c->of_vpid || e->key.vpid == c->vpid) && !(c->but_0 && !e->key.vpid) &&
            (!c->of_root || (c->root ? e->key.root == c->root : e->key.root != 0)) &&
            (!c->of_address || e->address / reach == c->address / reach) &&
            (e->global ? c->globals : !c->of_pcid || e->key.pcid == c->pcid))
            e->valid = false;
    }
}

static void drop_all(struct lru *l, unsigned n, const struct choice *c)
{
    while (n--)
        drop(&l[n], c);
}

static void drop_linear(struct tick *t, const struct choice *tlbs, const struct choice *pwc)
{
    drop(&t->itlb, tlbs);
    drop(&t->dtlb, tlbs);
    drop(&t->stlb, tlbs);
    drop_all(t->pwc, 3, pwc);
}

/* T11. */
static void page_fault_drops(struct tick *t, const struct way *way)
{
    struct choice c = {.of_vpid = true, .of_pcid = true, .of_address = true, .globals = true};
    c.vpid = way->space->vpid;
    c.pcid = way->space->pcid;
    c.address = way->want->gva;
    struct choice low = c;
    low.address &= (1ull << LINEAR_BITS) - 1;
    drop_linear(t, &c, &low);
}

/* T11. */
static void violation_drops(struct tick *t, const struct way *way, u64 gpa)
{
    struct choice c = {.of_root = true, .of_address = true, .root = EP4TA(way->space->eptp), .address = gpa};
    drop(&t->ntlb, &c);
    drop_all(t->npwc, 3, &c);
    page_fault_drops(t, way);
}

/* T11 and the manual's rules. */
void tick_flush(struct tick *t, const struct tick_atom *in)
{
    const struct tick_flush *f = &in->flush;
    struct choice c = {.of_vpid = true, .vpid = in->space.vpid, .of_pcid = true, .pcid = in->space.pcid};
    struct choice low;
    switch (f->kind) {
    case TICK_NO_FLUSH: return;
    case TICK_FLUSH_CACHES: tick_empty_caches(t); return;
    case TICK_FLUSH_PAGE:
        c.globals = true;
        c.of_address = c.of_whole = true;
        c.address = f->address;
        break;
    case TICK_FLUSH_PCID_PAGE:
        c.pcid = f->pcid;
        if (f->pcid == in->space.pcid) {
            c.globals = true;
            c.of_address = c.of_whole = true;
            c.address = f->address;
        }
        break;
    case TICK_FLUSH_PCID: c.pcid = f->pcid; break;
    case TICK_FLUSH_GLOBAL:
        c.globals = true;
        c.of_pcid = false;
        break;
    case TICK_FLUSH_LOCAL: c.of_pcid = false; break;
    case TICK_FLUSH_VPID:
        c.vpid = f->vpid;
        c.globals = true;
        c.of_pcid = false;
        break;
    case TICK_FLUSH_VPIDS:
        c.vpid = f->vpid;
        c.of_vpid = f->vpid;
        c.but_0 = true;
        c.globals = true;
        c.of_pcid = false;
        break;
    case TICK_FLUSH_ALL:
    case TICK_FLUSH_EPT:
        c = (struct choice){.of_root = f->kind == TICK_FLUSH_EPT, .root = EP4TA(f->eptp), .globals = true};
        drop(&t->ntlb, &c);
        drop_all(t->npwc, 3, &c);
        break;
    }
    low = c;
    low.of_address = false; /* T11: all of the walk cache */
    drop_linear(t, &c, &low);
}

/* ---- the whole way ---- */

static enum found walked(struct tick *t, const struct way *way, struct page *page)
{
    u64 gpa = 0;
    enum found found = walk(t, way, page, &gpa);
    if (found == PAGE_FAULT)
        page_fault_drops(t, way);
    else if (found == EPT_VIOLATION)
        violation_drops(t, way, gpa);
    return found;
}

/* T1, T2, T3. */
enum found tick_translate(struct tick *t, enum stage s, const struct want *want, u64 *hpa)
{
    const struct tick_space *space = &t->stage[s].in->space;
    struct way way = {s, space, want};
    struct lru *tlb = want->fetch ? &t->itlb : &t->dtlb;
    struct page page;
    ++*(want->fetch ? &t->count.itlb_lookups : &t->count.dtlb_lookups);
    if (!tlb_find(tlb, space, false, want->gva, want, &page)) {
        ++*(want->fetch ? &t->count.itlb_misses : &t->count.dtlb_misses);
        if (t->p->stlb && tlb_find(&t->stlb, space, false, want->gva, want, &page)) {
            t->count.stlb_hits++;
            tick_hold(t, s, &t->count.stall_tlb, t->p->stlb_latency);
        } else {
            enum found found = walked(t, &way, &page);
            if (found != FOUND)
                return found;
            if (t->p->stlb)
                page_put(&t->stlb, key_of(space, page.address, page.bytes), &page);
        }
        page_put(tlb, key_of(space, page.address, page.bytes), &page);
    }
    *hpa = page.hpa + (want->gva - page.address);
    return FOUND;
}
