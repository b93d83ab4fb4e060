/* walk_view.h - a page walk as a grid: a row per guest-physical address that is translated, a column per
 * level. */
#ifndef VIEW_WALK_VIEW_H
#define VIEW_WALK_VIEW_H

#include "canvas.h"
#include "ringside.h"
#include "walks.h"

/* Smallest area that shows a whole nested walk. */
#define WALK_MIN_W 77
#define WALK_MIN_H 19

struct walk_view {
    const struct rs_walk *walk; /* NULL: none, */
    char none[128];             /* and why, in words */
    struct walk_words words;
    uint64_t atoms_ago; /* whole atoms since it ended */
    unsigned selected;  /* number of the reference explained; 0: the last one made */
    bool hidden;        /* a question asks for it: only what has been made, and no totals */
    bool has_entry;     /* the entry of TLB or IOTLB that the walk has filled: */
    struct rs_tlb_view entry;
    struct rs_iommu_cache_view io_entry;
};

void walk_view_draw(const struct walk_view *v, const struct area *a);

/* The reference explained, NULL if there is none. */
const struct rs_walk_ref *walk_view_ref(const struct walk_view *v);
/* ", 174 cycles in all, 3 made": of the walk, up to where it stands. */
void walk_view_cycles(const struct walk_view *v, char *text, size_t size);
/* ", 9 atoms ago", or nothing. */
void walk_view_ago(const struct walk_view *v, char *text, size_t size);
/* The next reference after `from` (going around) whose address or entry in hexadecimal
 * holds text; 0: none. */
unsigned walk_view_find(const struct walk_view *v, const char *text, unsigned from);

#endif
