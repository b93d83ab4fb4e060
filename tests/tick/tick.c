/* tick.c - the ticking model: five stages, one cycle at a time.
 *
 * The pipeline advances as a whole, so a stall is a loop that lets cycles pass (hold), and stages are served
 * oldest first.  What is not an instruction in a stage is a bubble, which carries the counter that it is
 * charged to when it reaches the end, and the instruction whose cycles it belongs to.
 */
#include "tick/tick.h"

#include "tick/lru.h"

#include <stdlib.h>
#include <string.h>

enum stage { F, D, M, X, W, STAGES };

struct slot {
    bool full;
    struct tick_insn in;
    size_t number;  /* of the instruction that pays: its own, or that of a bubble */
    u64 *counter;   /* a bubble's; NULL: filling the pipeline at the start */
    bool redirects; /* mispredicted or serialising: F idles until it has been in X */
};

struct tick {
    const struct params *p;
    struct counters count;
    struct slot stage[STAGES];
    u64 clock;
    size_t fed, retired;
    u64 *insn_cycles;
    size_t insn_room;

    u64 cr3;
    bool nested; /* CR3 and guest tables hold guest-physical addresses */
    u64 eptp;
    u8 *tables;
    u64 tables_hpa, tables_bytes;

    u64 age;
    struct lru itlb, dtlb, stlb;
    struct lru pwc[3], npwc[3]; /* PDE, PDPTE, PML4E; the guest's and EPT's */
    struct lru ntlb;
    struct lru l1i, l1d, l2;
    u64 line;        /* linear line number + 1 in the fetch buffer; 0: none */
    u64 busy_until;  /* bus */
    u64 drained[16]; /* store buffer */
    u64 next_store, last_drained;
    u8 *direction;
    struct lru btb;
    u64 ras[32], ras_top;
};

/* ---- making one ---- */

static void init_tables(struct tick *t)
{
    const struct params *p = t->p;
    lru_init(&t->itlb, p->itlb_entries, p->itlb_ways, &t->age);
    lru_init(&t->dtlb, p->dtlb_entries, p->dtlb_ways, &t->age);
    lru_init(&t->stlb, p->stlb_entries, p->stlb_ways, &t->age);
    for (int i = 0; i < 3; i++)
        lru_init(&t->pwc[i], p->pwc_entries, p->pwc_entries, &t->age);
    for (int i = 0; i < 3; i++)
        lru_init(&t->npwc[i], p->npwc_entries, p->npwc_entries, &t->age);
    lru_init(&t->ntlb, p->ntlb_entries, p->ntlb_entries, &t->age);
    lru_init(&t->l1i, p->l1i_bytes / 64, p->l1i_ways, &t->age);
    lru_init(&t->l1d, p->l1d_bytes / 64, p->l1d_ways, &t->age);
    lru_init(&t->l2, p->l2_bytes / 64, p->l2_ways, &t->age);
    lru_init(&t->btb, p->btb_entries, 1, &t->age);
    t->direction = malloc(p->predictor_entries);
    memset(t->direction, 1, p->predictor_entries);
}

struct tick *tick_new(const struct params *p, u64 cr3, u8 *tables, u64 tables_hpa, u64 tables_bytes)
{
    struct tick *t = calloc(1, sizeof *t);
    t->p = p;
    t->cr3 = cr3;
    t->tables = tables;
    t->tables_hpa = tables_hpa;
    t->tables_bytes = tables_bytes;
    init_tables(t);
    return t;
}

void tick_under_ept(struct tick *t, u64 eptp)
{
    t->nested = true;
    t->eptp = eptp;
}

void tick_free(struct tick *t)
{
    struct lru *all[] = {&t->itlb,    &t->dtlb,    &t->stlb, &t->pwc[0], &t->pwc[1], &t->pwc[2], &t->npwc[0],
                         &t->npwc[1], &t->npwc[2], &t->ntlb, &t->l1i,    &t->l1d,    &t->l2,     &t->btb};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        lru_free(all[i]);
    free(t->direction);
    free(t->insn_cycles);
    free(t);
}

/* ---- time ---- */

static void charge(struct tick *t, size_t number, u64 *counter)
{
    if (number >= t->insn_room) {
        size_t room = (number + 1) * 2;
        t->insn_cycles = realloc(t->insn_cycles, room * sizeof(u64));
        memset(t->insn_cycles + t->insn_room, 0, (room - t->insn_room) * sizeof(u64));
        t->insn_room = room;
    }
    t->insn_cycles[number]++;
    ++*counter;
}

/* The whole pipeline stands still for n cycles that the instruction in stage s needs. */
static void hold(struct tick *t, enum stage s, u64 *counter, u64 n)
{
    while (n--) {
        charge(t, t->stage[s].number, counter);
        t->clock++;
    }
}

/* An instruction's own clock: it was let in as many cycles earlier as it has stages behind it. */
static u64 now(const struct tick *t, enum stage s)
{
    return t->clock - s;
}

/* ---- caches and memory ---- */

/* The bus takes one transfer, asked for at `when`: cycles until it starts. */
static u64 bus_wait(struct tick *t, u64 when)
{
    u64 start = when > t->busy_until ? when : t->busy_until;
    t->busy_until = start + t->p->mem_busy;
    return start - when;
}

/* Cycles beyond L1 for a line that L1 does not have, asked for at `when`. */
static u64 beyond_l1(struct tick *t, u64 line, u64 when)
{
    t->count.l2_lookups++;
    if (t->p->caches && lru_find(&t->l2, line, line))
        return t->p->l2_latency;
    t->count.l2_misses++;
    if (t->p->caches)
        lru_put(&t->l2, line, line);
    u64 wait = bus_wait(t, when);
    return wait + t->p->l2_latency + t->p->mem_latency;
}

/* Looks a line up in the L1D, which has it afterwards: cycles beyond a hit. */
static u64 l1d_access(struct tick *t, u64 hpa, u64 when)
{
    u64 line = hpa / 64;
    t->count.l1d_lookups++;
    if (t->p->caches && lru_find(&t->l1d, line, line))
        return 0;
    t->count.l1d_misses++;
    u64 cycles = beyond_l1(t, line, when);
    if (t->p->caches)
        lru_put(&t->l1d, line, line);
    return cycles;
}

/* ---- pages and what keeps them: TLBs and walk caches ---- */

struct page {
    u64 address, hpa, bytes; /* address: linear, or guest-physical in EPT's dimension */
    bool clean;
    u64 whole; /* bytes of the guest's page */
};

static const u64 page_sizes[] = {4096, 2 << 20};

static u64 page_tag(u64 address, u64 bytes)
{
    return (address / bytes) * 2 + (bytes != 4096);
}

static void page_put(struct lru *tlb, const struct page *page)
{
    struct lru_entry *e = lru_put(tlb, page->address / page->bytes, page_tag(page->address, page->bytes));
    e->value = page->hpa;
    e->clean = page->clean;
    e->whole = page->whole;
}

/* Rule T5: what a store finds clean is dropped, and a miss. */
static bool page_find(struct lru *tlb, u64 address, bool write, struct page *page)
{
    for (int i = 0; i < 2; i++) {
        u64 bytes = page_sizes[i];
        struct lru_entry *e = lru_find(tlb, address / bytes, page_tag(address, bytes));
        if (!e)
            continue;
        if (write && e->clean) {
            e->valid = false;
            return false;
        }
        *page = (struct page){address & ~(bytes - 1), e->value, bytes, e->clean, e->whole};
        return true;
    }
    return false;
}

/* Looks without leaving a mark: true, and the hPA, if the TLB has it. */
static bool page_peek(const struct lru *tlb, u64 address, u64 *hpa)
{
    for (int i = 0; i < 2; i++) {
        u64 bytes = page_sizes[i];
        const struct lru_entry *e = lru_peek(tlb, address / bytes, page_tag(address, bytes));
        if (e) {
            *hpa = e->value + address % bytes;
            return true;
        }
    }
    return false;
}

static unsigned shift_of(unsigned level)
{
    return 12 + 9 * (level - 1);
}

/* Where a walk starts (T9): the level of the first entry to read, and its table. */
static unsigned walk_start(struct tick *t, enum stage s, struct lru *cache, bool on, u64 address, u64 *table,
                           u64 *hits)
{
    for (unsigned level = 1; t->p->walk_caches && on && level <= 3; level++) {
        u64 number = address >> shift_of(level + 1);
        struct lru_entry *e = lru_find(&cache[level - 1], number, number);
        if (e) {
            ++*hits;
            hold(t, s, &t->count.stall_walk, t->p->walk_cache_latency);
            *table = e->value;
            return level;
        }
    }
    return 4;
}

static void remember_table(const struct tick *t, struct lru *cache, bool on, u64 address, unsigned level,
                           u64 table)
{
    u64 number = address >> shift_of(level);
    if (t->p->walk_caches && on)
        lru_put(&cache[level - 2], number, number)->value = table;
}

/* ---- page walks (SDM vol. 3, 4.5 "4-Level Paging", 28.3.2 "EPT Translation Mechanism") ---- */

enum {
    ENTRY_PS = 1 << 7,
    GUEST_A = 1 << 5,
    GUEST_D = 1 << 6,
    EPT_A = 1 << 8,
    EPT_D = 1 << 9,
    EPTP_AD_FLAG = 1 << 6
};
#define ENTRY_FRAME 0x000ffffffffff000u

static u64 *table_entry(struct tick *t, u64 hpa)
{
    if (hpa < t->tables_hpa || hpa - t->tables_hpa >= t->tables_bytes)
        abort(); /* the test gave no copy of a table that it uses */
    return (u64 *)(void *)(t->tables + (hpa - t->tables_hpa));
}

static bool is_leaf(unsigned level, u64 entry)
{
    return level == 1 || (level < 4 && entry & ENTRY_PS);
}

/* One reference of a walk: the entry, after its A and D bits; a, d: the bits to set, if this is a leaf d too.
 */
static u64 walk_reference(struct tick *t, enum stage s, u64 hpa, unsigned level, u64 a, u64 d)
{
    u64 *entry = table_entry(t, hpa);
    t->count.walk_refs++;
    hold(t, s, &t->count.stall_walk, t->p->l1_latency + l1d_access(t, hpa, now(t, s)));
    u64 set = a | (is_leaf(level, *entry) ? d : 0);
    if ((*entry & set) != set) {
        *entry |= set;
        t->count.ad_updates++;
        hold(t, s, &t->count.stall_walk, t->p->ad_update_cycles);
    }
    return *entry;
}

static struct page leaf_page(u64 address, unsigned level, u64 entry, bool clean)
{
    u64 bytes = 1ull << shift_of(level);
    return (struct page){address & ~(bytes - 1), entry & ENTRY_FRAME & ~(bytes - 1), bytes, clean, bytes};
}

static struct page ept_walk(struct tick *t, enum stage s, u64 gpa, bool write)
{
    bool flags = t->eptp & EPTP_AD_FLAG;
    u64 table = t->eptp & ENTRY_FRAME;
    for (unsigned level = walk_start(t, s, t->npwc, t->p->npwc, gpa, &table, &t->count.npwc_hits);; level--) {
        u64 hpa = table + (gpa >> shift_of(level) & 511) * 8;
        t->count.walk_refs_nested++;
        u64 entry = walk_reference(t, s, hpa, level, flags ? EPT_A : 0, flags && write ? EPT_D : 0);
        if (is_leaf(level, entry))
            return leaf_page(gpa, level, entry, flags && !(entry & EPT_D));
        table = entry & ENTRY_FRAME;
        remember_table(t, t->npwc, t->p->npwc, gpa, level, table);
    }
}

/* The page of EPT that holds gpa. */
static struct page nested_page(struct tick *t, enum stage s, u64 gpa, bool write)
{
    struct page page;
    bool on = t->p->walk_caches && t->p->ntlb;
    if (on && page_find(&t->ntlb, gpa, write, &page)) {
        t->count.ntlb_hits++;
        hold(t, s, &t->count.stall_walk, t->p->walk_cache_latency);
        return page;
    }
    page = ept_walk(t, s, gpa, write);
    if (on)
        page_put(&t->ntlb, &page);
    return page;
}

/* Where an entry of a guest table lies.  With A/D flags in EPT, the reference counts as a write there. */
static u64 guest_entry_hpa(struct tick *t, enum stage s, u64 address)
{
    if (!t->nested)
        return address;
    struct page page = nested_page(t, s, address, t->eptp & EPTP_AD_FLAG);
    return page.hpa + (address - page.address);
}

/* T10: the smaller of the guest's page and EPT's. */
static struct page composed(struct tick *t, enum stage s, u64 gva, bool write, struct page guest)
{
    u64 gpa = guest.hpa + (gva - guest.address);
    struct page nested = nested_page(t, s, gpa, write);
    u64 bytes = guest.bytes < nested.bytes ? guest.bytes : nested.bytes;
    u64 hpa = nested.hpa + (gpa - nested.address);
    return (struct page){gva & ~(bytes - 1), hpa & ~(bytes - 1), bytes, guest.clean || nested.clean,
                         guest.bytes};
}

static struct page walk(struct tick *t, enum stage s, u64 gva, bool write)
{
    u64 table = t->cr3 & ENTRY_FRAME, low = gva & 0xffffffffffff;
    t->count.walks++;
    for (unsigned level = walk_start(t, s, t->pwc, t->p->pwc, low, &table, &t->count.pwc_hits);; level--) {
        u64 hpa = guest_entry_hpa(t, s, table + (gva >> shift_of(level) & 511) * 8);
        u64 entry = walk_reference(t, s, hpa, level, GUEST_A, write ? GUEST_D : 0);
        if (is_leaf(level, entry)) {
            struct page page = leaf_page(gva, level, entry, !(entry & GUEST_D));
            return t->nested ? composed(t, s, gva, write, page) : page;
        }
        table = entry & ENTRY_FRAME;
        remember_table(t, t->pwc, t->p->pwc, low, level, table);
    }
}

/* ---- TLBs ---- */

/* hPA of gva, by an L1 TLB, the second level or a walk. */
static u64 translate(struct tick *t, enum stage s, struct lru *tlb, u64 gva, bool write, u64 *lookups,
                     u64 *misses)
{
    struct page page;
    ++*lookups;
    if (!page_find(tlb, gva, write, &page)) {
        ++*misses;
        if (t->p->stlb && page_find(&t->stlb, gva, write, &page)) {
            t->count.stlb_hits++;
            hold(t, s, &t->count.stall_tlb, t->p->stlb_latency);
        } else {
            page = walk(t, s, gva, write);
            if (t->p->stlb)
                page_put(&t->stlb, &page);
        }
        page_put(tlb, &page);
    }
    return page.hpa + (gva - page.address);
}

/* INVLPG drops all pieces of the guest's page. */
static void flush_page(struct tick *t, struct lru *tlb, u64 gva)
{
    for (u64 i = 0; i < tlb->sets * tlb->ways; i++) {
        struct lru_entry *e = &tlb->entry[i];
        u64 address = e->tag / 2 * page_sizes[e->tag & 1];
        if (e->valid && address / e->whole == gva / e->whole)
            e->valid = false;
    }
    for (int i = 0; i < 3; i++)
        lru_clear(&t->pwc[i]);
}

/* No page of the tests is global, and CR4.PCIDE is clear. */
static void flush(struct tick *t, const struct tick_insn *in)
{
    struct lru *tlbs[] = {&t->itlb, &t->dtlb, &t->stlb};
    for (int i = 0; i < 3; i++) {
        if (in->flush == TICK_FLUSH_PAGE) {
            flush_page(t, tlbs[i], in->flush_value);
        } else if (in->flush == TICK_FLUSH_CR3) {
            lru_clear(tlbs[i]);
            lru_clear(&t->pwc[i]);
            t->cr3 = in->flush_value;
        }
    }
}

/* ---- F ---- */

static u64 predict(struct tick *t, const struct tick_insn *in)
{
    u64 on = in->rip + in->length;
    struct lru_entry *e = lru_find(&t->btb, in->rip, in->rip);
    if (!e)
        return on;
    if (in->branch == TICK_RETURN)
        return t->ras[(t->ras_top + t->p->ras_entries - 1) % t->p->ras_entries];
    if (in->branch == TICK_CONDITIONAL && t->direction[in->rip % t->p->predictor_entries] < 2)
        return on;
    return e->value;
}

static void train(struct tick *t, const struct tick_insn *in)
{
    u64 on = in->rip + in->length, n = t->p->ras_entries;
    bool taken = in->branch != TICK_CONDITIONAL || in->next_rip != on;
    u8 *d = &t->direction[in->rip % t->p->predictor_entries];
    if (in->branch == TICK_CONDITIONAL)
        *d = taken ? (*d < 3 ? *d + 1 : 3) : (*d > 0 ? *d - 1 : 0);
    if (taken)
        lru_put(&t->btb, in->rip, in->rip)->value = in->next_rip;
    if (in->branch == TICK_CALL) {
        t->ras[t->ras_top] = on;
        t->ras_top = (t->ras_top + 1) % n;
    } else if (in->branch == TICK_RETURN) {
        t->ras_top = (t->ras_top + n - 1) % n;
    }
}

/* Rule B1..B4, at F: older branches count as compared. */
static bool mispredicted(struct tick *t, const struct tick_insn *in)
{
    if (in->branch == TICK_NO_BRANCH)
        return false;
    bool wrong = predict(t, in) != in->next_rip;
    train(t, in);
    t->count.branches++;
    t->count.mispredicts += wrong;
    return wrong;
}

/* True if this line can be had at once: ITLB and L1I have it. */
static bool fetch_hits(const struct tick *t, u64 line)
{
    u64 hpa;
    return t->p->caches && page_peek(&t->itlb, line * 64, &hpa) && lru_peek(&t->l1i, hpa / 64, hpa / 64);
}

static void fetch_line(struct tick *t, u64 line)
{
    u64 hpa = translate(t, F, &t->itlb, line * 64, false, &t->count.itlb_lookups, &t->count.itlb_misses);
    t->count.l1i_lookups++;
    if (!t->p->caches || !lru_find(&t->l1i, hpa / 64, hpa / 64)) {
        t->count.l1i_misses++;
        hold(t, F, &t->count.stall_fetch, beyond_l1(t, hpa / 64, now(t, F)));
        if (t->p->caches)
            lru_put(&t->l1i, hpa / 64, hpa / 64);
    }
    t->line = line + 1;
}

/* The fetch of the instruction in F.  False: it must wait for older instructions to leave M. */
static bool fetch(struct tick *t)
{
    const struct tick_insn *in = &t->stage[F].in;
    u64 first = in->rip / 64, last = (in->rip + in->length - 1) / 64;
    for (u64 line = first; line <= last; line++) {
        if (t->line == line + 1)
            continue;
        if (!fetch_hits(t, line) && (t->stage[D].full || t->stage[M].full))
            return false;
        fetch_line(t, line);
    }
    return true;
}

/* ---- M ---- */

static void drain(struct tick *t, enum stage s)
{
    if (t->last_drained > now(t, s))
        hold(t, s, &t->count.stall_store, t->last_drained - now(t, s));
}

/* An iteration of REP that another follows. */
static bool repeats(const struct tick_insn *in)
{
    return in->next_rip == in->rip && in->branch == TICK_NO_BRANCH;
}

/* Rule A1; the rest of A2 follows from who is in X. */
static void address(struct tick *t)
{
    const struct slot *before = &t->stage[X], *self = &t->stage[M];
    u64 late = before->full && !repeats(&before->in) ? before->in.write_regs : 0;
    if (before->in.stack)
        late &= ~(1ull << 4); /* RSP */
    if (late & self->in.address_regs)
        hold(t, M, &t->count.stall_agi, 1);
}

static void store_line(struct tick *t, u64 hpa)
{
    u64 *entry = &t->drained[t->next_store];
    t->next_store = (t->next_store + 1) % t->p->store_buffer;
    if (*entry > now(t, M))
        hold(t, M, &t->count.stall_store, *entry - now(t, M));
    u64 start = now(t, M) > t->last_drained ? now(t, M) : t->last_drained;
    *entry = start + 1 + l1d_access(t, hpa, now(t, M));
    t->last_drained = *entry;
}

struct piece {
    u64 hpa[2];
    unsigned lines;
};

/* The lines of an access: its pages first, then where its lines are. */
static struct piece look_up_pages(struct tick *t, const struct tick_access *a)
{
    struct piece piece = {.lines = 1};
    u64 last = a->gva + a->bytes - 1, crossing = last & ~63ull;
    bool write = a->kind != TICK_LOAD;
    piece.hpa[0] = translate(t, M, &t->dtlb, a->gva, write, &t->count.dtlb_lookups, &t->count.dtlb_misses);
    if (crossing > a->gva) {
        piece.lines = 2;
        piece.hpa[1] = piece.hpa[0] + (crossing - a->gva);
    }
    if (last >> 12 != a->gva >> 12)
        piece.hpa[1] =
            translate(t, M, &t->dtlb, last & ~4095ull, write, &t->count.dtlb_lookups, &t->count.dtlb_misses);
    return piece;
}

static struct piece read_access(struct tick *t, const struct tick_access *a)
{
    struct piece piece = look_up_pages(t, a);
    if (a->kind == TICK_STORE)
        return piece;
    t->count.loads++;
    for (unsigned i = 0; i < piece.lines; i++) {
        hold(t, M, &t->count.stall_load, i); /* M3 */
        hold(t, M, &t->count.stall_load, l1d_access(t, piece.hpa[i], now(t, M)));
    }
    return piece;
}

static void memory(struct tick *t)
{
    const struct tick_insn *in = &t->stage[M].in;
    struct piece piece[4];
    address(t);
    if (in->fence)
        drain(t, M);
    for (unsigned i = 0; i < in->accesses; i++)
        piece[i] = read_access(t, &in->access[i]);
    for (unsigned i = 0; i < in->accesses; i++) {
        t->count.stores += in->access[i].kind != TICK_LOAD;
        for (unsigned line = 0; in->access[i].kind != TICK_LOAD && line < piece[i].lines; line++)
            store_line(t, piece[i].hpa[line]);
    }
    if (in->device) {
        drain(t, M);
        hold(t, M, &t->count.stall_device, bus_wait(t, now(t, M)));
        hold(t, M, &t->count.stall_device, t->p->device_latency);
    }
    flush(t, in);
}

/* ---- X ---- */

static void execute(struct tick *t)
{
    const struct tick_insn *in = &t->stage[X].in;
    hold(t, X, &t->count.stall_exec, in->latency - 1);
    if (in->serialising)
        drain(t, X);
}

/* ---- all of it ---- */

static void retire(struct tick *t)
{
    struct slot *s = &t->stage[W];
    if (s->full)
        charge(t, s->number, &t->count.insns);
    else if (s->counter)
        charge(t, s->number, s->counter);
}

/* Bubbles that follow an instruction that redirects F; NULL if none is on its way to X. */
static const struct slot *redirecting(const struct tick *t)
{
    for (int s = X; s > F; s--)
        if (t->stage[s].full && t->stage[s].redirects)
            return &t->stage[s];
    return NULL;
}

/* Everything moves on by a stage; `in` is what leaves F. */
static void advance(struct tick *t, struct slot leaves_f)
{
    retire(t);
    t->clock++;
    t->stage[W] = t->stage[X];
    t->stage[X] = t->stage[M];
    t->stage[M] = t->stage[D];
    t->stage[D] = leaves_f;
    if (t->stage[X].full)
        execute(t);
    if (t->stage[M].full)
        memory(t);
}

static void let_bubble_in(struct tick *t, u64 *counter, size_t number)
{
    advance(t, (struct slot){.counter = counter, .number = number});
}

/* While a redirecting instruction is between F and X, F idles. */
static void idle(struct tick *t)
{
    const struct slot *s;
    while ((s = redirecting(t)) != NULL)
        let_bubble_in(t, s->in.serialising ? &t->count.stall_serial : &t->count.stall_branch, s->number);
}

void tick_feed(struct tick *t, const struct tick_insn *in)
{
    t->stage[F] = (struct slot){.full = true, .in = *in, .number = t->fed++};
    while (!fetch(t))
        let_bubble_in(t, &t->count.stall_fetch, t->stage[F].number);
    t->stage[F].redirects = mispredicted(t, in) || in->serialising;
    if (in->serialising)
        t->line = 0;
    advance(t, t->stage[F]);
    idle(t);
}

void tick_finish(struct tick *t)
{
    for (int i = 0; i < STAGES - 1; i++)
        let_bubble_in(t, NULL, 0);
}

u64 tick_cycles(const struct tick *t)
{
    return t->clock - (STAGES - 1);
}

const struct counters *tick_counters(const struct tick *t)
{
    return &t->count;
}

u64 tick_insn_cycles(const struct tick *t, size_t i)
{
    return i < t->insn_room ? t->insn_cycles[i] : 0;
}
