/* keys.h - the keys of the terminal view: one table for what they do and for the help. */
#ifndef TUI_KEYS_H
#define TUI_KEYS_H

#include <stdbool.h>

#include "../lua/scenario.h"
#include "../view/view.h"

/* What a movement ends with, and so whose it is: nothing of any core; a step of the core that was next; a
 * step taken back, of the core that is next; the end of a walk, or another event, inside an atom of the core
 * that is next.  The devices have their turn like a core. */
enum step_end { END_ANYWHERE, END_FORWARD, END_BACK, END_WALK, END_EVENT };

struct tui {
    struct scenario *s;
    struct view *view;
    struct canvas canvas;
    bool moving;             /* a movement that a key began */
    struct rs_position from; /* where it began */
    enum step_end end;
    uint32_t mover;    /* the core that was next then */
    const char *did;   /* what the core has done that it ends with */
    const char *stuck; /* what to say if it ends where it began */
    bool in_lesson;    /* a question has brought the lesson's pane to the front, over: */
    enum pane before_lesson;
    bool asks_quit, quit;
    int key; /* the one being handled */
    struct doc help;
    char hints[128];
};

struct binding {
    const char *name; /* as the help writes it */
    int key;
    const char *hint; /* a word for the line of keys, NULL: not there */
    const char *help;
    void (*function)(struct tui *t);
};

/* Ends with a binding without function. */
extern const struct binding tui_bindings[];

/* True while the machine runs, by a key or by the scenario. */
bool tui_busy(const struct tui *t);
void tui_key(struct tui *t, int key);
/* Begins to move on by the scenario, if it is under way. */
void tui_stop(struct tui *t);
/* Fills t->help and t->hints from the table. */
void tui_make_help(struct tui *t);

#endif
