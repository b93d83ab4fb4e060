/* derived.c - geometry, index and short cuts of the memory side: all of it may be dropped between two atoms.
 */
#include "mmu/derived.h"

#include <stdlib.h>
#include <string.h>

#include "mmu/mem.h"
#include "mmu/mmu.h"

/* ---- which entries are valid ---- */

static u64 number_of(const struct tlb *t, const struct tlb_entry *e)
{
    return (u64)(e - t->entry);
}

static void note_mapping(struct tlb_index *index, const struct tlb_entry *e)
{
    unsigned reach = entry_reach(e);
    index->filter[filter_slot(e->tag - 1, reach)]++;
    index->reaches[reach]++;
}

static void forget_mapping(struct tlb_index *index, const struct tlb_entry *e)
{
    unsigned reach = entry_reach(e);
    index->filter[filter_slot(e->tag - 1, reach)]--;
    index->reaches[reach]--;
}

/* Entry number i, which is empty, is to be `e`. */
static void note_entry(struct tlb_index *index, u64 i, const struct tlb_entry *e)
{
    index->valid[i / 64] |= (u64)1 << i % 64;
    index->last[(e->tag - 1) % LAST_FILLED] = (u16)i;
    note_mapping(index, e);
}

static void index_unit(struct fast_tlb *f, enum tlb_unit unit)
{
    const struct tlb *t = &f->tlb[unit];
    for (u64 i = 0; i < (u64)t->sets * t->ways; i++)
        if (t->entry[i].tag)
            note_entry(&f->index[unit], i, &t->entry[i]);
}

/* ---- short cuts ---- */

static void forget_row(struct shortcuts *t, unsigned row)
{
    t->row[row].page = NO_PAGE;
    t->live[row / 64] &= ~((u64)1 << row % 64);
}

static void forget_table(struct shortcuts *t)
{
    for (unsigned word = 0; word < SHORTCUTS / 64; word++) {
        for (u64 left = t->live[word]; left; left &= left - 1)
            t->row[word * 64 + lowest_bit(left)].page = NO_PAGE;
        t->live[word] = 0;
    }
}

static void forget_through(struct shortcuts *t, const struct tlb_entry *e)
{
    for (unsigned word = 0; word < SHORTCUTS / 64; word++)
        for (u64 left = t->live[word]; left; left &= left - 1) {
            unsigned row = word * 64 + lowest_bit(left);
            if (t->row[row].entry == e)
                forget_row(t, row);
        }
}

static void forget_frame(struct shortcuts *t, u64 frame)
{
    for (unsigned word = 0; word < SHORTCUTS / 64; word++)
        for (u64 left = t->live[word]; left; left &= left - 1) {
            unsigned row = word * 64 + lowest_bit(left);
            if (t->row[row].frame == frame)
                forget_row(t, row);
        }
}

static void forget_all(struct fast_tlb *f)
{
    memset(f->leads, 0, sizeof f->leads);
    for (; f->used; f->used &= f->used - 1) {
        unsigned way = lowest_bit(f->used);
        forget_table(&f->to[way / SHORTCUT_MODES][way % SHORTCUT_MODES]);
    }
}

void derived_drop_shortcuts(struct core *c)
{
    if (c->rt.fast)
        forget_all(c->rt.fast);
}

/* A small page has one row that can lead to it. */
static void forget_entry(struct shortcuts *t, const struct tlb_entry *e)
{
    unsigned row = (e->tag - 1) & (SHORTCUTS - 1);
    if (entry_reach(e) != REACH_4K)
        forget_through(t, e);
    else if (t->row[row].entry == e)
        forget_row(t, row);
}

/* Of the entry of an L1 TLB that has this number. */
static u16 *leads_of(struct fast_tlb *f, enum tlb_unit unit, u64 i)
{
    return &f->leads[(unit == UNIT_DTLB ? L1_TLB_ENTRIES : 0) + i];
}

static void forget_leads(struct fast_tlb *f, enum tlb_unit unit, struct tlb_entry *e)
{
    u16 *leads = leads_of(f, unit, number_of(&f->tlb[unit], e));
    for (; *leads; *leads &= *leads - 1) {
        unsigned way = lowest_bit(*leads);
        forget_entry(&f->to[way / SHORTCUT_MODES][way % SHORTCUT_MODES], e);
    }
}

void derived_fills(struct fast_tlb *f, enum tlb_unit unit, struct tlb_entry *e,
                   const struct tlb_entry *mapping)
{
    struct tlb_index *index = &f->index[unit];
    bool replaces = e->tag != 0;
    if (likely(replaces))
        forget_mapping(index, e);
    if (unit <= UNIT_DTLB)
        forget_leads(f, unit, e);
    if (likely(replaces && unit <= UNIT_STLB)) /* `last` is for walk caches */
        note_mapping(index, mapping);
    else
        note_entry(index, number_of(&f->tlb[unit], e), mapping);
}

void derived_leaves(struct core *c, enum tlb_unit unit, struct tlb_entry *e)
{
    struct fast_tlb *f = derived_of(c);
    u64 i = number_of(&f->tlb[unit], e);
    f->index[unit].valid[i / 64] &= ~((u64)1 << i % 64);
    forget_mapping(&f->index[unit], e);
    if (unit <= UNIT_DTLB)
        forget_leads(f, unit, e);
}

static struct translation_registers registers_now(const struct core *c)
{
    const struct core_state *s = &c->s;
    return (struct translation_registers){
        .cr0 = s->cr0,
        .cr3 = s->cr3,
        .cr4 = s->cr4,
        .ac = s->rflags & FLAG_AC,
        .guest = s->vmx_guest,
        .proc2 = s->vmx.proc2,
        .eptp = s->vmx.eptp,
        .vpid = s->vmx.vpid,
    };
}

void shortcuts_renew(struct core *c)
{
    struct fast_tlb *f = derived_of(c);
    f->registers = registers_now(c);
    f->layout = *f->layout_now;
    forget_all(f);
}

void shortcuts_page_moved(struct core *c, u64 hpa, u64 layout_before)
{
    struct fast_tlb *f = derived_of(c);
    for (enum shortcut_kind kind = 0; kind < SHORTCUT_KINDS; kind++)
        for (enum shortcut_mode mode = 0; mode < SHORTCUT_MODES; mode++)
            forget_frame(&f->to[kind][mode], hpa & ~(u64)(PAGE_BYTES - 1));
    if (f->layout == layout_before)
        f->layout = *mem_layout(c->m->mem);
}

/* Where a short cut of this kind finds the bytes of the page. */
static u8 *host_page(struct core *c, enum shortcut_kind kind, u64 frame)
{
    if (kind != SHORTCUT_WRITE)
        return (u8 *)(uintptr_t)mem_read_page(c->m->mem, frame); /* is only read */
    u64 before = *mem_layout(c->m->mem);
    u8 *page = mem_write_direct(c->m->mem, frame);
    if (unlikely(*mem_layout(c->m->mem) != before))
        shortcuts_page_moved(c, frame, before);
    return page;
}

void shortcut_make(struct core *c, enum shortcut_kind kind, enum shortcut_mode mode, u64 gva,
                   struct tlb_entry *e)
{
    u64 frame = entry_hpa(e, gva) & ~(u64)0xfff;
    unsigned row = gva >> 12 & (SHORTCUTS - 1);
    shortcuts_settle(c);
    struct shortcuts *t = &c->rt.fast->to[kind][mode];
    u8 *host = host_page(c, kind, frame);
    t->row[row] = (struct shortcut){.page = gva >> 12, .host = host, .frame = frame, .entry = e};
    t->live[row / 64] |= (u64)1 << row % 64;
    enum tlb_unit unit = kind == SHORTCUT_FETCH ? UNIT_ITLB : UNIT_DTLB;
    u16 way = (u16)(1u << (kind * SHORTCUT_MODES + mode));
    *leads_of(c->rt.fast, unit, number_of(&c->rt.fast->tlb[unit], e)) |= way;
    c->rt.fast->used |= way;
}

/* ---- life ---- */

struct fast_tlb *derived_make(struct core *c)
{
    static struct cache_line no_line;
    struct fast_tlb *f = calloc(1, sizeof *f);
    if (!f)
        abort(); /* the host is out of memory: nothing that the machine could answer */
    for (enum tlb_unit unit = 0; unit < TLB_UNITS; unit++) {
        f->tlb[unit] = tlb_geometry(c, unit);
        index_unit(f, unit);
    }
    for (enum cache_unit unit = 0; unit < CACHES; unit++)
        f->cache[unit] = cache_geometry(c, unit);
    for (enum shortcut_kind kind = 0; kind < SHORTCUT_KINDS; kind++)
        for (enum shortcut_mode mode = 0; mode < SHORTCUT_MODES; mode++)
            for (unsigned row = 0; row < SHORTCUTS; row++)
                f->to[kind][mode].row[row].page = NO_PAGE;
    for (unsigned i = 0; i < LINE_SHORTCUTS; i++)
        f->line[false][i] = f->line[true][i] = &no_line;
    f->layout_now = mem_layout(c->m->mem);
    f->layout = *f->layout_now;
    f->registers = registers_now(c);
    return c->rt.fast = f;
}

void mmu_drop_derived(struct core *c)
{
    free(c->rt.fast);
    c->rt.fast = NULL;
}
