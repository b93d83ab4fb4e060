/* walk_grid.h - the cells of a page walk. */
#ifndef VIEW_WALK_GRID_H
#define VIEW_WALK_GRID_H

#include "walk_view.h"

/* What a cell of the grid holds. */
enum walk_cell_kind {
    CELL_AHEAD,  /* not made (yet) */
    CELL_REF,    /* a reference */
    CELL_SAVED,  /* a walk cache made it needless */
    CELL_ABSENT, /* a large page ended the level loop before */
    CELL_DATA    /* the data access, bottom right: not a reference of the walk */
};

struct walk_cell {
    enum walk_cell_kind kind;
    const struct rs_walk_ref *ref; /* CELL_REF */
    const char *saved_by;          /* CELL_SAVED */
    uint64_t page_bytes;           /* CELL_ABSENT */
};

struct walk_cell walk_cell(const struct rs_walk *walk, unsigned row, unsigned col);
/* '>' where one stands, '!' where the walk faulted, else a blank. */
struct cell walk_cell_mark(const struct walk_view *v, const struct walk_cell *cell);

/* Draws the grid as large as the area allows; returns the lines it took. */
int walk_grid_draw(const struct walk_view *v, const struct area *a);

#endif
