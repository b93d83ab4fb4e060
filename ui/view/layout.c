/* layout.c - which panes a screen of some size shows, and where. */
#include "layout.h"

#include "iommu_view.h"
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

/* Beside the walk, in place of the CPU. */
static bool iommu_beside(enum size_class class, int width, bool iommu)
{
    return iommu && (class == LARGE || (class == MEDIUM && width >= WALK_MIN_W + 1 + IOMMU_MIN_W));
}

bool layout_fixed(int width, int height, enum pane pane, bool iommu)
{
    enum size_class class = size_class(width, height);
    bool beside = iommu_beside(class, width, iommu || pane == PANE_IOMMU);
    switch (class) {
    case LARGE:
        return pane != PANE_HELP && (beside ? pane != PANE_TLB && pane != PANE_EXITS : pane != PANE_IOMMU);
    case MEDIUM: return pane == PANE_WALK || pane == PANE_LESSON || pane == (beside ? PANE_IOMMU : PANE_CPU);
    case SMALL: return false;
    default: return pane == PANE_WALK;
    }
}

static void put_medium(struct layout *l, int width, int body, enum pane beside, enum pane slot)
{
    put_pair(l, PANE_WALK, beside, WALK_MIN_W, 0, width, 2 + WALK_MIN_H);
    put_pair(l, PANE_LESSON, slot, width * 2 / 5, 2 + WALK_MIN_H, width, body - 2 - WALK_MIN_H);
}

static void put_large(struct layout *l, int width, int body, enum pane beside, enum pane slot)
{
    bool cpu = beside == PANE_CPU;
    int half = (body - WALK_H_FULL) / 2, low = WALK_H_FULL + half;
    put_pair(l, PANE_WALK, beside, WALK_W_FULL, 0, width, WALK_H_FULL);
    put_pair(l, PANE_LESSON, cpu ? PANE_EXITS : PANE_CPU, width / 2, WALK_H_FULL, width, half);
    put_pair(l, PANE_CONSOLE, cpu ? PANE_TLB : slot, width / 2, low, width, body - low);
}

struct layout layout_for(int width, int height, enum pane focus, enum pane slot, bool iommu)
{
    struct layout l = {.too_small = width < LAYOUT_MIN_W || height < LAYOUT_MIN_H};
    int body = height - LAYOUT_HEAD - LAYOUT_FOOT;
    enum size_class class = l.too_small || focus == PANE_HELP ? SMALL : size_class(width, height);
    enum pane beside = iommu_beside(class, width, iommu || focus == PANE_IOMMU) ? PANE_IOMMU : PANE_CPU;
    if (class != SMALL && layout_fixed(width, height, slot, beside == PANE_IOMMU))
        slot = class == MEDIUM && beside == PANE_IOMMU ? PANE_CPU : PANE_EXITS;
    l.titled = class != SMALL;
    switch (class) {
    case SMALL: put(&l, focus, 0, 0, width, body); break;
    case TALL:
        put(&l, PANE_WALK, 0, 0, width, 1 + WALK_MIN_H);
        put(&l, slot, 0, 1 + WALK_MIN_H, width, body - 1 - WALK_MIN_H);
        break;
    case WIDE: put_pair(&l, PANE_WALK, slot, WALK_MIN_W, 0, width, body); break;
    case MEDIUM: put_medium(&l, width, body, beside, slot); break;
    case LARGE: put_large(&l, width, body, beside, slot); break;
    }
    return l;
}
