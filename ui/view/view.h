/* view.h - the view model: what is shown of a scenario and its machine, and which part of it.
 *
 * view_draw() makes a frame from the state as it stands; it changes nothing but how the view itself is
 * scrolled.  The back ends (terminal, window) only paint the frame and turn keys into the functions below.
 */
#ifndef VIEW_VIEW_H
#define VIEW_VIEW_H

#include "canvas.h"
#include "doc.h"
#include "layout.h"
#include "past.h"
#include "registers.h"
#include "ringside.h"
#include "walk_view.h"

struct scenario;

struct view_pane {
    struct doc doc;
    long top, left;
    bool follow;       /* keep the end in sight */
    long found;        /* line that the search found, -1: none */
    int height;        /* as last drawn */
    unsigned selected; /* reference of a walk that is explained, 0: the last one */
};

struct view {
    struct scenario *scenario;
    uint32_t core;   /* the one that is shown */
    uint32_t device; /* the one whose way through the IOMMU is shown; WALK_ANY: whose came last */
    enum pane focus, slot, before_help;
    struct view_pane pane[PANES];
    struct registers before[RS_CORES_MAX]; /* as they were when the last movement began */
    struct past past;
    int width, height; /* as last drawn */
    bool brought;      /* a step has brought the IOMMU's pane to the front, in place of the walk's */
    bool running;      /* a movement is under way */
    char message[512]; /* the answer to the last key */
    bool typing;       /* a search text is being typed: */
    char search[64];
    const char *keys;       /* the line of keys at the bottom */
    const struct doc *help; /* lines of keys, from the back end's table */
};

/* NULL: no memory. */
struct view *view_new(struct scenario *s);
void view_free(struct view *v);

/* The machine shown, NULL before there is one. */
rs_machine *view_machine(const struct view *v);

/* Draws a frame of the canvas's size. */
void view_draw(struct view *v, struct canvas *c);

/* Before the world moves: what changes from here on is marked. */
void view_mark(struct view *v);
void view_message(struct view *v, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* Shows a core that the machine has. */
void view_show_core(struct view *v, uint32_t core);
/* After a movement, to the core whose step or event it has ended with, or to the device that the IOMMU has
 * then worked for (RS_NO_CORE): if that is not the one that is shown, it is from now on, and the message says
 * so and what it has done ("this is its walk").  walk: the movement has ended with a walk. */
void view_follow(struct view *v, uint32_t core, const char *did, bool walk);
/* Shows the next core, after the last the first, and says which; in the IOMMU's pane the next device. */
void view_next(struct view *v);
/* Whether the machine has what the pane is there for. */
bool view_has(const struct view *v, enum pane pane);
/* width, height: of the canvas. */
void view_choose(struct view *v, enum pane pane, int width, int height);
/* The next pane (step 1) or the one before (-1). */
void view_cycle(struct view *v, int step, int width, int height);
void view_scroll(struct view *v, long lines, long columns);
void view_page(struct view *v, int pages);
/* Ends of the pane: -1 top, 1 bottom. */
void view_end(struct view *v, int end);
/* Finds the search text in the pane that has the focus; says so if it is not there. */
void view_find(struct view *v);

/* The walk that is shown of the core, and that of the device, for drawing and tests. */
struct walk_view view_walk(const struct view *v);
struct walk_view view_iommu(const struct view *v);

#endif
