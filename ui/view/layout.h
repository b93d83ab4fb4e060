/* layout.h - which panes a screen of some size shows, and where. */
#ifndef VIEW_LAYOUT_H
#define VIEW_LAYOUT_H

#include <stdbool.h>

#define LAYOUT_MIN_W 80
#define LAYOUT_MIN_H 24
#define LAYOUT_HEAD  2 /* lines above the panes: header, tabs */
#define LAYOUT_FOOT  3 /* lines below: two of messages, one of keys */

enum pane {
#define PANE(id, title, help) PANE_##id,
#include "panes.def"
#undef PANE
    PANES
};

extern const char *const pane_title[PANES];
extern const char *const pane_help[PANES];

struct layout {
    bool too_small;
    bool titled; /* each part has a title line of its own */
    int parts;
    struct layout_part {
        enum pane pane;
        int x, y, w, h;
    } part[PANES];
};

/* focus: the pane that keys go to, always shown.  slot: the pane last chosen besides those that have a fixed
 * place.  iommu: there is something to show of the IOMMU, beside the walk where there is room for both. */
struct layout layout_for(int width, int height, enum pane focus, enum pane slot, bool iommu);
/* True if a screen of this size has a fixed place for the pane, so that choosing it moves the focus alone. */
bool layout_fixed(int width, int height, enum pane pane, bool iommu);

#endif
