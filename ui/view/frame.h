/* frame.h - the parts of a frame that are not panes. */
#ifndef VIEW_FRAME_H
#define VIEW_FRAME_H

#include "view.h"

void frame_header(const struct view *v, const struct area *a); /* 2 lines */
void frame_footer(const struct view *v, const struct area *a); /* 3 lines */
void frame_too_small(struct canvas *c);

#endif
