/* words.c - words that lie one behind another in a page: one look tells whether all of them hit.
 *
 * Counters, ages and cycles are those of access.c's loads and stores made one by one, added up. */
#include "mmu/bytes.h"
#include "mmu/derived.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"

/* An atom writes none of the registers that decide translations before its last look-up. */
static inline bool registers_stand(struct core *c)
{
    if (unlikely(!c->rt.registers_stand))
        c->rt.registers_stand = same_registers(c, &c->rt.fast->registers);
    return c->rt.registers_stand;
}

/* The short cut for all of them; NULL: there is none, or they lie in two pages, or one in two lines. */
INLINED const struct shortcut *shortcut_of(struct core *c, enum shortcut_kind kind, unsigned access, u64 gva,
                                           u64 words)
{
    u64 last = gva + 8 * words - 1;
    if (unlikely(gva & 7) || (words > 1 && unlikely((gva ^ last) >> PAGE_SHIFT)))
        return NULL;
    const struct fast_tlb *f = derived_of(c);
    const struct shortcut *s = shortcut_row(f, kind, mode_of(access), gva);
    bool good = s->page == gva >> PAGE_SHIFT && s->host && f->layout == *f->layout_now && registers_stand(c);
    return likely(good) ? s : NULL;
}

/* The lines of L1D that hold them, two at most, in the order of the accesses. */
struct lines {
    struct cache_line *first, *last;
    u64 in_first; /* words */
};

/* False: not all of them hit at a glance.  fit: words from the first on that its line has room for. */
INLINED bool find_lines(const struct core *c, u64 first, u64 last, u64 fit, u64 words, struct lines *l)
{
    l->first = line_at_a_glance(c->rt.fast, true, first);
    l->last = words == 1 ? l->first : line_at_a_glance(c->rt.fast, true, last);
    l->in_first = words == 1 ? 1 : min(fit, words);
    return l->first && l->last;
}

/* Look-ups of them, each of which the age clock takes `steps` for. */
static inline void age_lines(struct core *c, const struct lines *l, u64 words, u64 steps)
{
    l->first->stamp = c->s.stamp + steps * l->in_first;
    c->s.stamp += steps * words;
    l->last->stamp = c->s.stamp;
    c->s.count.l1d_lookups += words;
}

INLINED bool load_words(struct core *c, u64 gva, u64 words, unsigned access, u64 *value)
{
    struct lines lines;
    const struct shortcut *s = shortcut_of(c, SHORTCUT_READ, access, gva, words);
    if (!s)
        return false;
    u64 offset = gva & (PAGE_BYTES - 1), hpa = s->frame | offset, in_line = offset & (LINE_BYTES - 1);
    if (!find_lines(c, hpa, hpa + 8 * (words - 1), (LINE_BYTES - in_line) / 8, words, &lines))
        return false;
    age_lines(c, &lines, words, 2);
    s->entry->stamp = c->s.stamp - 1;
    c->s.count.dtlb_lookups += words;
    c->s.count.loads += words;
    for (u64 i = 0; i < words; i++)
        value[i] = load_le(s->host + offset + 8 * i, 8);
    return true;
}

/* One copy for each number that is common. */
bool mmu_load_words(struct core *c, u64 gva, unsigned words, unsigned access, u64 *value)
{
    switch (words) {
    case 1: return load_words(c, gva, 1, access, value);
    case 2: return load_words(c, gva, 2, access, value);
    default: return load_words(c, gva, words, access, value);
    }
}

bool mmu_store_check_words(struct core *c, u64 top, unsigned words, unsigned access, struct words_latch *l)
{
    const struct shortcut *s = shortcut_of(c, SHORTCUT_WRITE, access, top - 8 * words, words);
    if (!s)
        return false;
    u64 offset = (top - 8) & (PAGE_BYTES - 1);
    *l = (struct words_latch){s->frame | offset, top - 8, s->host + offset, c->rt.fast->layout, words};
    c->s.count.dtlb_lookups += words;
    c->s.stamp += words;
    s->entry->stamp = c->s.stamp;
    return true;
}

/* They go where access.c would put them; the access is not told. */
static bool commit_together(struct core *c, const struct words_latch *l, const u64 *value)
{
    struct lines lines;
    u64 in_line = l->hpa & (LINE_BYTES - 1), words = l->words;
    if (unlikely(c->m->cores > 1 || watched(c, RS_PROBE_access) || l->layout != *mem_layout(c->m->mem)) ||
        !find_lines(c, l->hpa, l->hpa - 8 * (words - 1), in_line / 8 + 1, words, &lines))
        return false;
    age_lines(c, &lines, words, 1);
    c->s.count.stores += words;
    for (u64 i = 0; i < words; i++) {
        store_buffer_put(c, store_buffer_place(c), 1);
        store_le(l->host - 8 * i, 8, value[i]);
    }
    return true;
}

void mmu_store_commit_words(struct core *c, const struct words_latch *l, const u64 *value)
{
    if (likely(commit_together(c, l, value)))
        return;
    for (u64 i = 0; i < l->words; i++) {
        struct latch one = {
            .gva = l->gva - 8 * i,
            .hpa = {l->hpa - 8 * i},
            .host = {l->host - 8 * i},
            .layout = l->layout,
            .bytes = {8},
            .kind = {PAGE_RAM},
            .size = 8,
        };
        mmu_store_commit(c, &one, value[i]);
    }
}
