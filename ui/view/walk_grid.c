/* walk_grid.c - the cells of a page walk.  Two lines a cell at 80 columns, three and rules between when there
 * is room:
 *
 *      13 mem 184 A     number, where found, cycles, A and D bits set
 *      h:4a3ff8         address of the entry
 *      0000000004a4107  the entry
 */
#include "walk_grid.h"

#include <stdio.h>
#include <string.h>

#include "words.h"

typedef unsigned long long ull;

#define LABEL_W     12
#define CELL_W_FULL 21 /* from here on a cell has room for a whole entry */
#define CELL_W_MAX  24
#define CELL_TEXT   64 /* bytes of a line of a cell */

struct shape {
    int cell_w, cell_h;
    bool rules; /* a line between rows */
};

/* ---- what is in a cell ---- */

/* A native walk has one column, whatever number its references carry. */
static bool in_column(const struct rs_walk *walk, unsigned ref_col, unsigned col)
{
    return !walk->nested || ref_col == col;
}

static const struct rs_walk_ref *find_ref(const struct rs_walk *walk, unsigned row, unsigned col)
{
    for (unsigned i = 0; i < walk->ref_count && i < RS_WALK_REFS; i++)
        if (walk->ref[i].row == row && in_column(walk, walk->ref[i].col, col))
            return &walk->ref[i];
    return NULL;
}

static const char *find_skip(const struct rs_walk *walk, unsigned row, unsigned col)
{
    for (unsigned i = 0; i < walk->skip_count && i < RS_WALK_REFS; i++)
        if (walk->skip[i].row == row && in_column(walk, walk->skip[i].col, col))
            return word_skip(walk->skip[i].by);
    return NULL;
}

/* The leaf before (row, col): of the EPT in this row, or of the guest in an earlier one. */
static const struct rs_walk_ref *leaf_before(const struct rs_walk *walk, unsigned row, unsigned col)
{
    for (unsigned i = 0; i < walk->ref_count && i < RS_WALK_REFS; i++) {
        const struct rs_walk_ref *ref = &walk->ref[i];
        if (!ref->leaf)
            continue;
        if (ref->stage == RS_NESTED && ref->row == row && ref->col < col && col < walk->cols)
            return ref;
        if (ref->stage != RS_NESTED && ref->row < row && row < walk->rows)
            return ref;
    }
    return NULL;
}

struct walk_cell walk_cell(const struct rs_walk *walk, unsigned row, unsigned col)
{
    struct walk_cell cell = {.kind = CELL_AHEAD};
    const struct rs_walk_ref *leaf;
    if (row == walk->rows && col == walk->cols)
        cell.kind = CELL_DATA;
    else if ((cell.ref = find_ref(walk, row, col)) != NULL)
        cell.kind = CELL_REF;
    else if ((cell.saved_by = find_skip(walk, row, col)) != NULL)
        cell.kind = CELL_SAVED;
    else if ((leaf = leaf_before(walk, row, col)) != NULL) {
        cell.kind = CELL_ABSENT;
        cell.page_bytes = level_bytes(leaf->level);
    }
    return cell;
}

/* ---- painting ---- */

/* "13 mem 184 A", the cycles at least `pad` columns wide; false if it is wider than the cell. */
static bool first_line(const struct rs_walk_ref *ref, int pad, const char *mark, int width, char *text)
{
    char cycles[24];
    snprintf(cycles, sizeof cycles, ref->cycles < 1000 ? "%llu" : "%lluk",
             (ull)(ref->cycles < 1000 ? ref->cycles : ref->cycles / 1000));
    return snprintf(text, CELL_TEXT, "%2u %-3s %*s%s%s%s", ref->n, word_hit(ref->from), pad, cycles,
                    width >= CELL_W_FULL - 1 ? " cycles" : "", *mark ? " " : "", mark) <= width;
}

/* The A and D bits set stand after the cycles; where there is no room, after the address. */
static void ref_lines(const struct rs_walk_ref *ref, int width, char first[CELL_TEXT], char second[CELL_TEXT])
{
    const char *mark = word_ad_set(ref);
    bool fits = first_line(ref, 3, mark, width, first) || first_line(ref, 0, mark, width, first);
    if (!fits)
        first_line(ref, 3, "", width, first);
    snprintf(second, CELL_TEXT, "h:%llx %s", (ull)ref->hpa, fits ? "" : mark);
}

static void draw_ref(const struct area *a, const struct rs_walk_ref *ref, bool current, const struct shape *s)
{
    enum style style = current ? STYLE_CURRENT : ref->stage == RS_NESTED ? STYLE_NESTED : STYLE_GUEST;
    char first[CELL_TEXT], second[CELL_TEXT];
    ref_lines(ref, s->cell_w - 1, first, second);
    area_print(a, 1, 0, style, "%-*s", s->cell_w - 1, first);
    area_print(a, 1, 1, style, "%-*s", s->cell_w - 1, second);
    if (s->cell_h > 2)
        area_print(a, 1, 2, style, "= %016llx", (ull)ref->entry);
}

static void draw_data(const struct rs_walk *walk, const struct area *a)
{
    bool done = walk->ended && walk->owner == RS_NO_FAULT;
    area_text(a, 1, 0, done ? STYLE_GOOD : STYLE_DIM, walk->access == RS_FETCH ? "the code" : "the data");
    if (done)
        area_print(a, 1, 1, STYLE_GOOD, "h:%llx", (ull)walk->hpa);
}

static void draw_cell(const struct walk_view *v, const struct walk_cell *cell, const struct area *a,
                      const struct shape *s)
{
    char size[24];
    switch (cell->kind) {
    case CELL_REF: draw_ref(a, cell->ref, cell->ref == walk_view_ref(v), s); break;
    case CELL_SAVED:
        area_print(a, 1, 0, STYLE_SAVED, "-- %s", cell->saved_by);
        area_text(a, 1, 1, STYLE_SAVED, "   saved");
        break;
    case CELL_ABSENT:
        area_print(a, 1, 0, STYLE_DIM, "-- %s", word_bytes(cell->page_bytes, size));
        area_text(a, 1, 1, STYLE_DIM, "   page");
        break;
    case CELL_DATA: draw_data(v->walk, a); break;
    default: area_text(a, 2, 0, STYLE_DIM, "\xc2\xb7");
    }
}

struct cell walk_cell_mark(const struct walk_view *v, const struct walk_cell *cell)
{
    const struct rs_walk *walk = v->walk;
    bool faulted = walk->ended && walk->owner != RS_NO_FAULT;
    if (cell->kind == CELL_REF && faulted && cell->ref->n == walk->ref_count)
        return (struct cell){'!', STYLE_BAD};
    if (cell->kind == CELL_REF && cell->ref == walk_view_ref(v))
        return (struct cell){'>', STYLE_ALERT};
    return (struct cell){' ', STYLE_TEXT};
}

/* In front of a cell: its mark, or a rule. */
static struct cell edge(const struct walk_view *v, const struct walk_cell *cell)
{
    struct cell mark = walk_cell_mark(v, cell);
    return mark.ch == ' ' ? (struct cell){0x2502, STYLE_DIM} : mark;
}

/* The gPA of a row is known once the row has begun, or the row before has ended. */
static bool row_known(const struct rs_walk *walk, unsigned row)
{
    for (unsigned i = 0; i < walk->ref_count && i < RS_WALK_REFS; i++)
        if (walk->ref[i].row == row)
            return true;
    for (unsigned i = 0; i < walk->skip_count && i < RS_WALK_REFS; i++)
        if (walk->skip[i].row == row && walk->row_gpa[row])
            return true;
    return walk->row_gpa[row] != 0;
}

static void draw_label(const struct rs_walk *walk, unsigned row, const struct area *a, bool here)
{
    unsigned level = walk->rows - row;
    enum style style = here ? STYLE_CURRENT : STYLE_TITLE;
    if (level)
        area_print(a, 0, 0, style, "%sL%u %s", walk->nested ? "g" : "", level, word_entry(level));
    else
        area_print(a, 0, 0, style, "%s", walk->access == RS_FETCH ? "code" : "data");
    if (walk->nested && row_known(walk, row))
        area_print(a, 0, 1, STYLE_TEXT, "g:%llx", (ull)walk->row_gpa[row]);
}

/* A native walk leaves room beside its one column: what its other lines explain for one
 * reference, for each. */
static void draw_beside(const struct rs_walk_ref *ref, const struct area *a)
{
    char flags[64];
    word_flags(ref, ref->entry, flags, sizeof flags);
    area_print(a, 0, 0, STYLE_TEXT, "index %u", ref->index);
    if (!entry_present(ref))
        area_text(a, 0, 1, STYLE_TEXT, flags);
    else
        area_print(a, 0, 1, STYLE_TEXT, "%s h:%llx, %s", ref->leaf ? "frame" : "table", (ull)entry_frame(ref),
                   flags);
}

/* A question that asks for the walk leaves what has been made, and no more. */
static unsigned last_row(const struct walk_view *v)
{
    const struct rs_walk_ref *now = walk_view_ref(v);
    return !v->hidden ? v->walk->rows : now ? now->row : 0;
}

static void draw_row(const struct walk_view *v, unsigned row, const struct area *a, const struct shape *s)
{
    const struct rs_walk_ref *now = walk_view_ref(v);
    struct area label = area_part(a, 0, 0, LABEL_W, a->h);
    draw_label(v->walk, row, &label, now && now->row == row);
    for (unsigned col = 1; col <= v->walk->cols; col++) {
        if (v->hidden && row == last_row(v) && now && col > now->col)
            break;
        struct walk_cell cell = walk_cell(v->walk, row, col);
        struct area part = area_part(a, LABEL_W + (int)(col - 1) * s->cell_w, 0, s->cell_w, s->cell_h);
        struct cell mark = edge(v, &cell);
        draw_cell(v, &cell, &part, s);
        for (int y = 0; y < s->cell_h; y++)
            area_cell(&part, 0, y, mark);
        if (!v->walk->nested && cell.kind == CELL_REF) {
            struct area beside = area_part(a, LABEL_W + s->cell_w + 2, 0, a->w, a->h);
            draw_beside(cell.ref, &beside);
        }
    }
}

static void draw_heads(const struct walk_view *v, const struct area *a, const struct shape *s)
{
    const struct rs_walk *walk = v->walk;
    area_text(a, 0, 0, STYLE_TITLE, walk->nested ? "translates" : "level");
    for (unsigned col = 1; col <= walk->cols; col++) {
        int x = LABEL_W + (int)(col - 1) * s->cell_w;
        if (col < walk->cols)
            area_print(a, x, 0, STYLE_TITLE, " nL%u %s", walk->cols - col, word_entry(walk->cols - col));
        else
            area_text(a, x, 0, STYLE_TITLE, walk->nested ? " guest entry" : " entry");
    }
}

static struct shape choose_shape(const struct rs_walk *walk, const struct area *a)
{
    struct shape s = {0};
    s.cell_w = (a->w - LABEL_W) / walk->cols;
    s.cell_w = s.cell_w > CELL_W_MAX ? CELL_W_MAX : s.cell_w;
    int row_h = (a->h - 1) / walk->rows;
    s.cell_h = row_h >= 3 && s.cell_w >= CELL_W_FULL ? 3 : 2;
    s.rules = row_h > s.cell_h && a->h >= 1 + walk->rows * (s.cell_h + 1);
    return s;
}

int walk_grid_draw(const struct walk_view *v, const struct area *a)
{
    const struct rs_walk *walk = v->walk;
    struct shape s = choose_shape(walk, a);
    draw_heads(v, a, &s);
    int y = 1;
    for (unsigned row = 1; row <= last_row(v); row++) {
        struct area part = area_part(a, 0, y, a->w, s.cell_h);
        draw_row(v, row, &part, &s);
        y += s.cell_h;
        if (s.rules && y < a->h) {
            struct area line = area_part(a, 0, y, LABEL_W + walk->cols * s.cell_w, 1);
            area_rule(&line, 0, STYLE_DIM, NULL);
            y++;
        }
    }
    return y;
}
