/* layout.c - which panes a screen of some size shows, and where. */
#include "layout.h"

#include "walk_view.h"

#define WALK_W_FULL 117 /* with whole entries in the cells */
#define WALK_H_FULL 30
#define CPU_W_MIN   42 /* two columns of registers */

const char *const pane_title[PANES] = {
#define PANE(id, title, help) title,
#include "panes.def"
#undef PANE
};

const char *const pane_help[PANES] = {
#define PANE(id, title, help) help,
#include "panes.def"
#undef PANE
};

/* Sizes of screen, by what has room beside the walk. */
enum size_class { SMALL, TALL, WIDE, MEDIUM, LARGE };

static enum size_class size_class(int width, int height)
{
    bool wide = width >= WALK_MIN_W + 1 + CPU_W_MIN, tall = height >= 36;
    if (width >= WALK_W_FULL + 1 + 64 && height >= LAYOUT_HEAD + LAYOUT_FOOT + WALK_H_FULL + 16)
        return LARGE;
    if (wide && tall)
        return MEDIUM;
    if (wide && height >= LAYOUT_HEAD + LAYOUT_FOOT + 1 + WALK_MIN_H)
        return WIDE;
    return tall ? TALL : SMALL;
}

static void put(struct layout *l, enum pane pane, int x, int y, int w, int h)
{
    l->part[l->parts++] = (struct layout_part){pane, x, y + LAYOUT_HEAD, w, h};
}

/* x of the second column and widths follow from the first column's width. */
static void put_pair(struct layout *l, enum pane left, enum pane right, int split, int y, int width, int h)
{
    put(l, left, 0, y, split, h);
    put(l, right, split + 1, y, width - split - 1, h);
}

bool layout_fixed(int width, int height, enum pane pane)
{
    switch (size_class(width, height)) {
    case LARGE: return pane != PANE_HELP;
    case MEDIUM: return pane == PANE_WALK || pane == PANE_CPU || pane == PANE_LESSON;
    case SMALL: return false;
    default: return pane == PANE_WALK;
    }
}

struct layout layout_for(int width, int height, enum pane focus, enum pane slot)
{
    struct layout l = {.too_small = width < LAYOUT_MIN_W || height < LAYOUT_MIN_H};
    int body = height - LAYOUT_HEAD - LAYOUT_FOOT;
    enum size_class class = l.too_small || focus == PANE_HELP ? SMALL : size_class(width, height);
    if (class == MEDIUM && layout_fixed(width, height, slot))
        slot = PANE_EXITS;
    l.titled = class != SMALL;
    switch (class) {
    case SMALL: put(&l, focus, 0, 0, width, body); break;
    case TALL:
        put(&l, PANE_WALK, 0, 0, width, 1 + WALK_MIN_H);
        put(&l, slot, 0, 1 + WALK_MIN_H, width, body - 1 - WALK_MIN_H);
        break;
    case WIDE: put_pair(&l, PANE_WALK, slot, WALK_MIN_W, 0, width, body); break;
    case MEDIUM:
        put_pair(&l, PANE_WALK, PANE_CPU, WALK_MIN_W, 0, width, 2 + WALK_MIN_H);
        put_pair(&l, PANE_LESSON, slot, width * 2 / 5, 2 + WALK_MIN_H, width, body - 2 - WALK_MIN_H);
        break;
    case LARGE:
        put_pair(&l, PANE_WALK, PANE_CPU, WALK_W_FULL, 0, width, WALK_H_FULL);
        put_pair(&l, PANE_LESSON, PANE_EXITS, width / 2, WALK_H_FULL, width, (body - WALK_H_FULL) / 2);
        put_pair(&l, PANE_CONSOLE, PANE_TLB, width / 2, WALK_H_FULL + (body - WALK_H_FULL) / 2, width,
                 body - WALK_H_FULL - (body - WALK_H_FULL) / 2);
        break;
    }
    return l;
}
