/* walk_oracle.c - see walk_oracle.h. */
#include "lib/walk_oracle.h"

#include <check.h>

#define BITS(high, low) ((2ull << (high)) - (1ull << (low)))
#define FRAME           BITS(39, 12)
#define BEYOND          BITS(51, 40)
#define NX              (1ull << 63)

enum role { ROLE_GUEST, ROLE_EPT, ROLE_LOG };

/* ---- memory, with what has been changed ---- */

u64 oracle_peek(const struct walk_oracle *o, u64 hpa)
{
    for (unsigned i = o->changes; i-- > 0;)
        if (o->change[i].hpa == hpa)
            return o->change[i].value;
    return mem_read(o->mem, hpa, 8);
}

void oracle_poke(struct walk_oracle *o, u64 hpa, u64 value)
{
    ck_assert_uint_lt(o->changes, ORACLE_CHANGES);
    o->change[o->changes].hpa = hpa;
    o->change[o->changes++].value = value;
}

static void visit(struct walk_oracle *o, u64 hpa, enum role role)
{
    for (unsigned i = 0; i < o->visits; i++) {
        if (o->visit[i].hpa != hpa)
            continue;
        o->twofold |= o->visit[i].role != role;
        return;
    }
    ck_assert_uint_lt(o->visits, ORACLE_CHANGES);
    o->visit[o->visits].hpa = hpa;
    o->visit[o->visits++].role = role;
}

/* ---- EPT ---- */

static bool maps_page(unsigned level, u64 entry)
{
    return level == 1 || (level < 4 && entry >> 7 & 1);
}

static unsigned page_shift(unsigned level)
{
    return 12 + 9 * (level - 1);
}

/* 28.3.3.1: W without R; bits beyond the physical-address width; memory types 2, 3, 7; and what else is
 * reserved. */
static bool misconfigured(unsigned level, u64 entry)
{
    u64 low = entry & 7, type = entry >> 3 & 7;
    if (low == 2 || low == 6 || entry & BEYOND)
        return true;
    if (maps_page(level, entry))
        return type == 2 || type == 3 || type == 7 ||
               entry & (BITS(page_shift(level), 12) ^ 1ull << page_shift(level));
    return entry & BITS(level == 4 ? 7 : 6, 3);
}

static enum oracle_end violation(struct oracle_answer *a, u64 gpa, unsigned access, bool table)
{
    a->gpa = gpa;
    a->qualification = access | a->rights << 3 | 1 << 7 | (table ? 0 : 1 << 8);
    return ORACLE_VIOLATION;
}

/* 28.3.6: the log takes what became dirty. */
static void log_page(struct walk_oracle *o, u64 gpa)
{
    u64 hpa = o->log + 8 * o->log_index;
    visit(o, hpa, ROLE_LOG);
    oracle_poke(o, hpa, gpa & ~0xfffull);
    o->log_index = (o->log_index - 1) & 0xffff;
}

/* 28.3.5: accessed and dirty flags.  False: the log is full. */
static bool flag(struct walk_oracle *o, u64 hpa, u64 entry, bool dirty, u64 gpa)
{
    u64 flagged = o->eptp >> 6 & 1 ? entry | 1 << 8 | (dirty ? 1 << 9 : 0) : entry;
    if (flagged == entry)
        return true;
    if (o->logs && o->log_index > 511)
        return false;
    oracle_poke(o, hpa, flagged);
    if (o->logs && (flagged ^ entry) >> 9 & 1)
        log_page(o, gpa);
    return true;
}

static enum oracle_end translate(struct walk_oracle *o, u64 gpa, unsigned access, bool table,
                                 struct oracle_answer *a)
{
    u64 base = o->eptp & FRAME;
    a->rights = 7;
    for (unsigned level = 4;; level--) {
        u64 hpa = base + 8 * (gpa >> page_shift(level) & 511), entry = oracle_peek(o, hpa);
        bool page = maps_page(level, entry);
        visit(o, hpa, ROLE_EPT);
        a->rights &= entry;
        a->suppress = entry >> 63;
        if (!(entry & 7))
            return violation(a, gpa, access, table);
        a->gpa = gpa;
        if (misconfigured(level, entry))
            return ORACLE_MISCONFIG;
        if (page && access & ~a->rights)
            return violation(a, gpa, access, table);
        if (!flag(o, hpa, entry, page && access & ORACLE_WRITE, gpa))
            return ORACLE_LOG_FULL;
        base = entry & FRAME;
        if (page) {
            u64 inside = (1ull << page_shift(level)) - 1;
            a->hpa = (base & ~inside) | (gpa & inside);
            return ORACLE_LANDS;
        }
    }
}

/* ---- the guest's tables ---- */

static enum oracle_end page_fault(const struct walk_oracle *o, struct oracle_answer *a, u32 why,
                                  unsigned access)
{
    bool tells_fetch = o->efer >> 11 & 1 || o->cr4 >> 20 & 1;
    a->error = why | (access & ORACLE_WRITE ? 2 : 0) | (o->user ? 4 : 0) |
               (access & ORACLE_FETCH && tells_fetch ? 16 : 0);
    return ORACLE_PAGE_FAULT;
}

static bool reserved(const struct walk_oracle *o, unsigned level, u64 entry)
{
    u64 bits = BEYOND | (o->efer >> 11 & 1 ? 0 : NX) | (level == 4 ? 1 << 7 : 0);
    if (level > 1 && maps_page(level, entry))
        bits |= BITS(page_shift(level) - 1, 13);
    return entry & bits;
}

/* 4.6.  all: bits that all entries have; nx: one of them has. */
static bool refuses(const struct walk_oracle *o, unsigned access, u64 all, bool nx)
{
    bool user = all >> 2 & 1;
    if (o->user)
        return !user || (access & ORACLE_FETCH ? nx : access & ORACLE_WRITE && !(all >> 1 & 1));
    if (access & ORACLE_FETCH)
        return nx || (user && o->cr4 >> 20 & 1);
    if (user && o->cr4 >> 21 & 1 && !(o->rflags >> 18 & 1))
        return true;
    return access & ORACLE_WRITE && o->cr0 >> 16 & 1 && !(all >> 1 & 1);
}

/* With accessed and dirty flags for EPT, to read an entry is to write there; without, to set its flags is
 * both to read and to write. */
static enum oracle_end flag_guest(struct walk_oracle *o, u64 gpa, u64 entry, bool dirty,
                                  struct oracle_answer *a)
{
    u64 flagged = entry | 1 << 5 | (dirty ? 1 << 6 : 0);
    if (flagged == entry)
        return ORACLE_LANDS;
    if (!(a->rights & ORACLE_WRITE))
        return violation(a, gpa, ORACLE_READ | ORACLE_WRITE, true);
    oracle_poke(o, a->hpa, flagged);
    return ORACLE_LANDS;
}

enum oracle_end oracle_access(struct walk_oracle *o, u64 gva, unsigned access, struct oracle_answer *a)
{
    u64 base = o->cr3 & FRAME, all = 7;
    bool nx = false;
    for (unsigned level = 4;; level--) {
        u64 gpa = base + 8 * (gva >> page_shift(level) & 511);
        unsigned how = o->eptp >> 6 & 1 ? ORACLE_READ | ORACLE_WRITE : ORACLE_READ;
        enum oracle_end end = translate(o, gpa, how, true, a);
        if (end != ORACLE_LANDS)
            return end;
        u64 entry = oracle_peek(o, a->hpa);
        bool page = maps_page(level, entry);
        visit(o, a->hpa, ROLE_GUEST);
        if (!(entry & 1))
            return page_fault(o, a, 0, access);
        if (reserved(o, level, entry))
            return page_fault(o, a, 9, access);
        all &= entry;
        nx |= entry >> 63;
        if (page && refuses(o, access, all, nx))
            return page_fault(o, a, 1, access);
        end = flag_guest(o, gpa, entry, page && access & ORACLE_WRITE, a);
        if (end != ORACLE_LANDS)
            return end;
        base = entry & FRAME;
        if (page) {
            u64 inside = (1ull << page_shift(level)) - 1;
            return translate(o, (base & ~inside) | (gva & inside), access, false, a);
        }
    }
}
