/* iommu_view.c - see iommu_view.h.
 *
 *      level        reference    entry at         index  table or frame
 *      root          1 mem  180  h:114000             0  table h:115000, P
 *      context       2 mem  180  h:115180            24  table h:116000, domain 5
 *    > L4 SL-PML4E   3 mem  180  h:116000             0  table h:117000, R W
 *      ...
 *      data                      h:112000
 */
#include "iommu_view.h"

#include <stdio.h>
#include <string.h>

#include "doc.h"
#include "walk_grid.h"
#include "words.h"

typedef unsigned long long ull;

#define ROW_CONTEXT 2
#define ROW_DATA    7
#define TOP_LEVELS  4
#define HEAD_H      3 /* who, address, how far */
#define EXPLAINED_H 3
#define END_H       2

/* Columns: of a line an entry, and of two. */
struct columns {
    int level, reference, at, index, entry;
    bool two;
};

static const struct columns WIDE = {1, 14, 27, 42, 50, false}, NARROW = {1, 14, 26, 3, 9, true};

/* Of a level's entry; 0 for root, context and data. */
static unsigned level_of_row(unsigned row)
{
    return row > ROW_CONTEXT && row < ROW_DATA ? ROW_DATA - row : 0;
}

static unsigned levels_of(const struct rs_walk *walk)
{
    return walk->domain_known && walk->levels ? walk->levels : TOP_LEVELS;
}

static bool passes(const struct rs_walk *walk)
{
    return walk->domain_known && !walk->levels;
}

/* ---- header: who, the address in parts, how far ---- */

static void draw_who(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    int x = area_print(a, 0, 0, STYLE_TITLE, "device %02x:%02x.%x %s", walk->requester >> 8,
                       walk->requester >> 3 & 31, walk->requester & 7, v->words.who);
    x = area_print(a, x, 0, STYLE_TEXT, ": %s", word_access(walk->access));
    if (walk->domain_known)
        x = area_print(a, x, 0, STYLE_TEXT, " in domain %u", walk->domain);
    if (passes(walk))
        area_text(a, x, 0, STYLE_TEXT, ", which passes addresses through");
}

/* Level of the entry that maps the page, as far as it is known: 1 until a large page is seen. */
static unsigned leaf_level(const struct rs_walk *walk)
{
    for (unsigned level = 3; level > 1; level--)
        if (walk->ended && walk->page_bytes == level_bytes(level))
            return level;
    for (unsigned i = 0; i < walk->ref_count; i++)
        if (walk->ref[i].leaf && walk->ref[i].level > 1 && walk->ref[i].level <= 3)
            return walk->ref[i].level;
    return 1;
}

/* One part of the address; the one whose entry is explained stands in brackets. */
static int draw_part(const struct area *a, int x, bool narrow, unsigned level, unsigned index, bool now)
{
    x = area_print(a, x, 1, now ? STYLE_CURRENT : STYLE_TEXT, "%s%s%s%u%s", now ? "[" : " ",
                   narrow ? "" : word_index(level), narrow ? "" : " ", index, now ? "]" : " ");
    return area_text(a, x, 1, STYLE_DIM, "|");
}

static void draw_split(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    const struct rs_walk_ref *ref = walk_view_ref(v);
    bool narrow = a->w < IOMMU_MIN_W;
    int x = area_print(a, 0, 1, STYLE_TEXT, "IOVA %0*llx", narrow ? 0 : 16, (ull)walk->gva);
    if (passes(walk))
        return;
    unsigned last = leaf_level(walk);
    x = area_text(a, x, 1, STYLE_TEXT, " =");
    for (unsigned level = levels_of(walk); level >= last; level--)
        x = draw_part(a, x, narrow, level, (unsigned)(walk->gva >> (3 + 9 * level)) & 511,
                      ref && ref->level == level);
    area_print(a, x, 1, STYLE_TEXT, " %s%0*llx", narrow ? "" : "offset ", (int)(12 + 9 * (last - 1) + 3) / 4,
               (ull)(walk->gva & (level_bytes(last) - 1)));
}

static unsigned most_refs(const struct rs_walk *walk)
{
    return passes(walk) ? ROW_CONTEXT : ROW_CONTEXT + levels_of(walk);
}

static void draw_progress(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    const struct rs_walk_ref *ref = walk_view_ref(v);
    char cycles[96], ago[64];
    int x;
    if (v->hidden) {
        area_text(a, 0, 2, STYLE_ALERT, "The rest of the walk is hidden until the question is answered.");
        return;
    }
    walk_view_cycles(v, cycles, sizeof cycles);
    walk_view_ago(v, ago, sizeof ago);
    if (ref)
        x = area_print(a, 0, 2, STYLE_TITLE, "%s%u of at most %u", a->w < IOMMU_MIN_W ? "" : "reference ",
                       ref->n, most_refs(walk));
    else
        x = area_text(a, 0, 2, STYLE_TITLE, walk->ended ? "no reference made" : "no reference made yet");
    x = area_text(a, x, 2, STYLE_TEXT, cycles);
    area_text(a, x, 2, STYLE_DIM, ago);
}

/* ---- the entries ---- */

/* Where an entry leads and what it allows; the context entry's domain is known once that has been read. */
static void entry_words(const struct rs_walk_ref *ref, char *text, size_t size)
{
    char flags[64];
    word_flags(ref, ref->entry, flags, sizeof flags);
    if (!entry_present(ref))
        snprintf(text, size, "%s", flags);
    else if (ref->stage == RS_CONTEXT && !context_levels(ref))
        snprintf(text, size, "passed through, domain %u", context_domain(ref));
    else if (ref->stage == RS_CONTEXT)
        snprintf(text, size, "table h:%llx, domain %u", (ull)entry_frame(ref), context_domain(ref));
    else
        snprintf(text, size, "%s h:%llx, %s", ref->leaf ? "frame" : "table", (ull)entry_frame(ref), flags);
}

static void draw_label(unsigned row, const struct area *a, int x, enum style style)
{
    unsigned level = level_of_row(row);
    if (level)
        area_print(a, x, 0, style, "L%u %s", level, word_second(level));
    else
        area_text(a, x, 0, style, row == ROW_DATA ? "data" : row == ROW_CONTEXT ? "context" : "root");
}

static void draw_ref(const struct area *a, const struct rs_walk_ref *ref, bool current,
                     const struct columns *c)
{
    enum style style = current ? STYLE_CURRENT : STYLE_NESTED;
    char words[128];
    entry_words(ref, words, sizeof words);
    area_print(a, c->reference, 0, style, "%2u %-4s%4llu", ref->n, word_hit(ref->from), (ull)ref->cycles);
    area_print(a, c->at, 0, STYLE_TEXT, "h:%llx", (ull)ref->hpa);
    area_print(a, c->index, c->two, STYLE_TEXT, "%5u", ref->index);
    area_text(a, c->entry, c->two, STYLE_TEXT, words);
}

/* Why there is no reference in this row. */
static void draw_absent(const struct rs_walk *walk, unsigned row, const struct walk_cell *cell,
                        const struct area *a, int x)
{
    char size[24];
    if (cell->kind == CELL_SAVED)
        area_print(a, x, 0, STYLE_SAVED, "-- %s%s", a->w < IOMMU_MIN_W ? "" : "saved by the ",
                   cell->saved_by);
    else if (level_of_row(row) && passes(walk))
        area_text(a, x, 0, STYLE_DIM, "-- passed through");
    else if (level_of_row(row) > levels_of(walk))
        area_print(a, x, 0, STYLE_DIM, "-- %u levels", walk->levels);
    else if (cell->kind == CELL_ABSENT)
        area_print(a, x, 0, STYLE_DIM, "-- %s page", word_bytes(cell->page_bytes, size));
    else
        area_text(a, x + 1, 0, STYLE_DIM, "\xc2\xb7");
}

static void draw_data(const struct rs_walk *walk, const struct area *a, const struct columns *c)
{
    if (walk->ended && walk->owner == RS_NO_FAULT)
        area_print(a, c->at, 0, STYLE_GOOD, "h:%llx", (ull)walk->hpa);
}

static void draw_row(const struct walk_view *v, unsigned row, const struct area *a, const struct columns *c)
{
    const struct rs_walk *walk = v->walk;
    const struct rs_walk_ref *now = walk_view_ref(v);
    struct walk_cell cell = walk_cell(walk, row, 1);
    bool here = now && now == cell.ref;
    draw_label(row, a, c->level, here ? STYLE_CURRENT : STYLE_TITLE);
    area_cell(a, 0, 0, walk_cell_mark(v, &cell));
    if (cell.kind == CELL_REF)
        draw_ref(a, cell.ref, here, c);
    else if (cell.kind == CELL_DATA)
        draw_data(walk, a, c);
    else
        draw_absent(walk, row, &cell, a, c->reference + 1);
}

static void draw_heads(const struct area *a, const struct columns *c)
{
    area_text(a, c->level, 0, STYLE_TITLE, "level");
    area_text(a, c->reference + 1, 0, STYLE_TITLE, "reference");
    area_text(a, c->at, 0, STYLE_TITLE, "entry at");
    area_text(a, c->index, 0, STYLE_TITLE, "index");
    area_text(a, c->entry, 0, STYLE_TITLE, "table or frame");
}

/* A question that asks for the walk leaves what has been made, and no more. */
static unsigned last_row(const struct walk_view *v)
{
    const struct rs_walk_ref *now = walk_view_ref(v);
    return !v->hidden ? ROW_DATA : now ? now->row : 0;
}

/* Returns the y below. */
static int draw_rows(const struct walk_view *v, const struct area *a)
{
    const struct columns *c = a->w < IOMMU_MIN_W ? &NARROW : &WIDE;
    int row_h = 1 + c->two, y = 0;
    bool heads = !c->two && a->h > ROW_DATA;
    if (heads)
        draw_heads(a, c);
    y += heads;
    for (unsigned row = 1; row <= last_row(v); row++) {
        struct area part = area_part(a, 0, y, a->w, row_h);
        draw_row(v, row, &part, c);
        y += row_h;
    }
    return y;
}

/* ---- the reference explained ---- */

static void draw_what(const struct rs_walk_ref *ref, uint16_t requester, const struct area *a)
{
    char what[64];
    if (ref->stage == RS_ROOT)
        snprintf(what, sizeof what, "the root entry of bus %u", requester >> 8);
    else if (ref->stage == RS_CONTEXT)
        snprintf(what, sizeof what, "the context entry of device %u, function %u", requester >> 3 & 31,
                 requester & 7);
    else
        snprintf(what, sizeof what, "L%u, the domain's %s", ref->level, word_second(ref->level));
    int x = area_print(a, 0, 0, STYLE_TITLE, "%u. ", ref->n);
    area_print(a, x, 0, STYLE_TEXT, "%s: %s, %llu cycles", what, word_hit(ref->from), (ull)ref->cycles);
}

static void draw_base(const struct walk_view *v, const struct rs_walk_ref *ref, const struct area *a)
{
    unsigned bytes = ref->stage == RS_SECOND ? 8 : 16;
    char from[40] = "a paging-structure cache";
    if (ref->base_ref)
        snprintf(from, sizeof from, "reference %u", ref->base_ref);
    else if (ref->stage == RS_ROOT)
        snprintf(from, sizeof from, "RTADDR");
    else if (ref->level == levels_of(v->walk))
        snprintf(from, sizeof from, "the context cache");
    area_print(a, 3, 1, STYLE_TEXT, "address h:%llx = h:%llx (from %s) + %u x %u", (ull)ref->hpa,
               (ull)ref->hpa - (ull)bytes * ref->index, from, ref->index, bytes);
}

static void draw_entry(const struct rs_walk_ref *ref, const struct area *a)
{
    char words[128], flags[64], size[24];
    entry_words(ref, words, sizeof words);
    int x = area_text(a, 3, 2, STYLE_TEXT, "entry ");
    if (ref->stage == RS_CONTEXT)
        x = area_print(a, x, 2, STYLE_TEXT, "%llx:", (ull)ref->high);
    x = area_print(a, x, 2, STYLE_TEXT, "%016llx = %s", (ull)ref->entry, words);
    word_flags(ref, ref->entry, flags, sizeof flags);
    if (ref->stage == RS_CONTEXT && entry_present(ref) && context_levels(ref))
        x = area_print(a, x, 2, STYLE_TEXT, ", %u levels", context_levels(ref));
    if (ref->stage == RS_CONTEXT && entry_present(ref))
        area_print(a, x, 2, STYLE_TEXT, ", %s", flags);
    if (ref->leaf && ref->level > 1)
        area_print(a, x, 2, STYLE_TEXT, " (%s)", word_bytes(level_bytes(ref->level), size));
}

static void draw_explained(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk_ref *ref = walk_view_ref(v);
    draw_what(ref, v->walk->requester, a);
    draw_base(v, ref, a);
    draw_entry(ref, a);
}

/* ---- the end ---- */

static void draw_fault(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    char text[160];
    snprintf(text, sizeof text, "FAULT: %s", walk->fault_text ? walk->fault_text : "refused");
    doc_text(text, STYLE_BAD, a);
    if (a->w < IOMMU_MIN_W)
        return;
    area_print(a, 3, 1, STYLE_TEXT, "%s (fault record, reason %u, no exit); %s", v->words.place, walk->reason,
               walk->access == RS_WRITE ? "the write is dropped" : "what is read is ones");
}

static void draw_result(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    char size[24];
    uint64_t mask = walk->page_bytes ? walk->page_bytes - 1 : 0xfff;
    if (passes(walk)) {
        area_print(a, 0, 0, STYLE_GOOD, "passed through: h:%llx is what the device has sent", (ull)walk->hpa);
        return;
    }
    enum style style = v->has_entry ? STYLE_GOOD : STYLE_DIM;
    bool narrow = a->w < IOMMU_MIN_W;
    int x =
        area_print(a, 0, 0, style, "%s:", v->has_entry ? "IOTLB entry" : "translation, not in the IOTLB now");
    area_print(a, narrow ? 2 : x, narrow, style, " IOVA %llx -> h:%llx, %s", (ull)(walk->gva & ~mask),
               (ull)(walk->hpa & ~mask), word_bytes(mask + 1, size));
    if (narrow)
        return;
    x = area_print(a, 3, 1, STYLE_TEXT, "tags: domain %u", walk->domain);
    if (v->has_entry)
        area_print(a, x, 1, STYLE_TEXT, "; %s %s", v->io_entry.readable ? "R" : "-",
                   v->io_entry.writable ? "W" : "-");
}

static void draw_end(const struct walk_view *v, const struct area *a)
{
    if (v->walk->ended && v->walk->owner != RS_NO_FAULT)
        draw_fault(v, a);
    else if (v->walk->ended)
        draw_result(v, a);
}

/* Where there is no room for both, the end goes before what led to it; two lines an entry have it already. */
static void draw_below(const struct walk_view *v, const struct area *a)
{
    bool both = a->h >= EXPLAINED_H + END_H, narrow = a->w < IOMMU_MIN_W;
    int y = a->h > EXPLAINED_H + END_H;
    struct area explained = area_part(a, 0, y, a->w, EXPLAINED_H);
    if (walk_view_ref(v) && !narrow && (both || !v->walk->ended)) {
        draw_explained(v, &explained);
        y += EXPLAINED_H;
    }
    struct area end = area_part(a, 0, y, a->w, END_H);
    draw_end(v, &end);
}

static bool drawable(const struct rs_walk *walk)
{
    return walk->rows == ROW_DATA && walk->cols == 1 && walk->ref_count <= ROW_DATA - 1 &&
           walk->skip_count <= ROW_DATA && walk->levels <= TOP_LEVELS;
}

void iommu_view_draw(const struct walk_view *v, const struct area *a)
{
    if (!v->walk || !v->walk->valid || !drawable(v->walk)) {
        doc_text(v->none, STYLE_DIM, a);
        return;
    }
    draw_who(v, a);
    draw_split(v, a);
    draw_progress(v, a);
    if (v->hidden && v->walk->ended)
        return;
    struct area rows = area_part(a, 0, HEAD_H, a->w, a->h - HEAD_H);
    int y = HEAD_H + draw_rows(v, &rows);
    struct area below = area_part(a, 0, y, a->w, a->h - y);
    draw_below(v, &below);
}
